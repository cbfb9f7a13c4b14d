/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

#include "common/text.h"
#include "common/timefmt.h"

const struct field *table_field(const struct table *t, const char *key)
{
	const struct field *f;

	for (f = t->fields; f->key; f++)
		if (f->key[0] == key[0] && !strcmp(f->key, key))
			return f;
	return NULL;
}

static void read_named(struct decode *c, const struct field *f, const struct yaml_node *key,
		       const struct yaml_node *v, void *obj)
{
	const struct table *t = f->table;
	uint32_t *order, i;
	size_t n = 0;
	char *list;

	if (!want_map(c, t, f, key, v))
		return;
	if (v->n > f->max) {
		c->incomplete = true;
		diag_error(c->diag, yaml_pos(key), "`%s` has %u entries; at most %llu are accepted",
			   key->text, v->n, (unsigned long long)f->max);
		return;
	}
	order = yaml_sort(v->pairs, v->n);
	list = arena_array(c->arena, v->n, t->size);
	if (!order || !list) {
		free(order);
		diag_nomem(c->diag);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_pair *p = &v->pairs[order[i]];
		char *item = list + n * t->size;
		const char *name;

		/* The entry is checked even when its name is refused. */
		if (!strcmp(p->key.text, "all"))
			TELL(c, &p->key, ("nothing can be called `all`"),
			     ("`all` means every node in the topology"));
		else
			want_name(c, &p->key, "a name");
		name = arena_strndup(c->arena, p->key.text, p->key.n);
		if (!name) {
			diag_nomem(c->diag);
			break;
		}
		*MEMBER(const char *, item, t->name) = name;
		*MEMBER(struct pos, item, t->pos) = yaml_pos(&p->key);
		if (want_map(c, t, NULL, &p->key, &p->value))
			table_decode(c, t, &p->value, yaml_pos(&p->key), item);
		n++;
	}
	free(order);
	*MEMBER(void *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_list(struct decode *c, const struct field *f, const struct yaml_node *key,
		      const struct yaml_node *v, void *obj)
{
	const struct table *t = f->table;
	size_t n = 0;
	uint32_t i;
	char *list;

	*MEMBER(bool, obj, f->has) = true;
	list = want_array(c, f, key, v, t->size);
	if (!list)
		return;
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *item = &v->items[i];

		if (item->kind == YAML_NODE_BAD)
			continue;
		if (item->kind != YAML_NODE_MAP) {
			help_shape(c->diag,
				   diag_error(c->diag, yaml_pos(item), "%s is a mapping, not %s",
					      t->what, kind_word(item)),
				   t, NULL);
			continue;
		}
		*MEMBER(struct pos, list + n * t->size, t->pos) = yaml_pos(item);
		table_decode(c, t, item, yaml_pos(item), list + n * t->size);
		n++;
	}
	*MEMBER(void *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_table(struct decode *c, const struct field *f, const struct yaml_node *key,
		       const struct yaml_node *v, void *obj)
{
	if (want_map(c, f->table, f, key, v))
		table_decode(c, f->table, v, yaml_pos(key), (char *)obj + f->value);
}

static field_reader *const readers[] = {
	[FIELD_VERSION] = read_version,
	[FIELD_UINT] = read_uint,
	[FIELD_MARK] = read_uint,
	[FIELD_ROUTES_TABLE] = read_uint,
	[FIELD_BOOL] = read_bool,
	[FIELD_TEXT] = read_text,
	[FIELD_WORD] = read_text,
	[FIELD_DURATION] = read_duration,
	[FIELD_KEY] = read_key,
	[FIELD_ENDPOINT] = read_endpoint,
	[FIELD_ENDPOINTS] = read_endpoints,
	[FIELD_IFNAME] = read_ifname,
	[FIELD_PORTS] = read_ports,
	[FIELD_ADDRESSES] = read_addresses,
	[FIELD_PREFIX] = read_prefix,
	[FIELD_PREFIXES] = read_prefixes,
	[FIELD_RANGES] = read_prefixes,
	[FIELD_ROUTES] = read_routes,
	[FIELD_DNS] = read_dns,
	[FIELD_TAGS] = read_tags,
	[FIELD_NAMES] = read_names,
	[FIELD_SELECTORS] = read_selectors,
	[FIELD_PARTIES] = read_parties,
	[FIELD_SERVICES] = read_services,
	[FIELD_TABLE] = read_table,
	[FIELD_NAMED] = read_named,
	[FIELD_LIST] = read_list,
	[FIELD_FALSE] = read_false,
};

/* The table at or below `t`, other than `except`, that has this key. */
static const struct table *find_owner(const struct table *t, const struct table *except,
				      const char *key)
{
	const struct table *found;
	const struct field *f;

	f = t == except ? NULL : table_field(t, key);
	if (f)
		return t;
	for (f = t->fields; f->key; f++) {
		found = f->table ? find_owner(f->table, except, key) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

static const char *find_synonym(const struct table *t, const char *key)
{
	const struct field *f;
	size_t len = strlen(key);
	const char *p;

	for (f = t->fields; f->key; f++)
		for (p = f->synonyms; p && (p = strstr(p, key)); p += len)
			if (p[len] == ' ' && (p == f->synonyms || p[-1] == ' '))
				return f->key;
	return NULL;
}

#define MAX_FIELDS 32

static void unknown_key(struct decode *c, const struct table *t, const struct yaml_node *key)
{
	const char *words[MAX_FIELDS], *better;
	const struct table *owner;
	const struct field *f;
	char shown[YAML_SHOWN];
	struct diag_entry *e;
	size_t n = 0;

	e = diag_error(c->diag, yaml_pos(key), "unknown key `%s` in %s", yaml_show(key, shown),
		       t->what);
	if (!e)
		return;
	better = find_synonym(t, key->text);
	owner = better ? NULL : find_owner(c->top, t, key->text);
	if (owner) {
		diag_help(c->diag, e, "it is a key of %s; is it indented as meant?", owner->what);
		return;
	}
	for (f = t->fields; f->key; f++)
		words[n++] = f->key;
	if (!better)
		better = text_suggest(key->text, words, n);
	if (better)
		diag_help(c->diag, e, "did you mean `%s`?", better);
}

static void set_defaults(const struct table *t, void *obj)
{
	const struct field *f;

	for (f = t->fields; f->key; f++) {
		if (f->type == FIELD_TABLE && !t->one_of)
			set_defaults(f->table, (char *)obj + f->value);
		if (!f->fallback)
			continue;
		if (f->type == FIELD_BOOL)
			*MEMBER(bool, obj, f->value) = !strcmp(f->fallback, "true");
		else if (f->type == FIELD_WORD)
			MEMBER(struct m_text, obj, f->value)->s = f->fallback;
		else if (f->type == FIELD_DURATION &&
			 duration_parse(f->fallback, strlen(f->fallback),
					MEMBER(int64_t, obj, f->value)) < 0)
			*MEMBER(int64_t, obj, f->value) = (int64_t)f->min;
	}
}

static void check_choice(struct decode *c, const struct table *t, const struct yaml_node *map,
			 struct pos where)
{
	const struct yaml_node *second = NULL;
	const struct field *first = NULL;
	struct diag_entry *e = NULL;
	char shown[YAML_SHOWN];
	uint32_t i;

	for (i = 0; i < map->n && !second; i++) {
		const struct field *f = table_field(t, map->pairs[i].key.text);

		/* What is unknown is told as such. */
		if (!f || f->flags & FIELD_BESIDE)
			continue;
		if (first)
			second = &map->pairs[i].key;
		first = f;
	}
	if (second) {
		e = diag_error(c->diag, yaml_pos(second),
			       "%s has exactly one kind; `%s` is a second one", t->what,
			       yaml_show(second, shown));
		diag_help(c->diag, e, "begin another entry with `- `");
	} else if (!first && map->n && !(map->flags & YAML_PARTIAL)) {
		for (i = 0; i < map->n && table_field(t, map->pairs[i].key.text); i++)
			;
		if (i < map->n)
			return;
		e = diag_error(c->diag, where, "%s joins nobody: `%s` alone does not say whom",
			       t->what, yaml_show(&map->pairs[0].key, shown));
		diag_help(c->diag, e, "add what it is: `%s`, for example", t->shape);
	} else if (!map->n && !(map->flags & YAML_PARTIAL)) {
		e = diag_error(c->diag, where, "%s is empty", t->what);
		diag_help(c->diag, e, "write one of its keys: `%s`, for example", t->fields[0].key);
	}
}

void table_decode(struct decode *c, const struct table *t, const struct yaml_node *map,
		  struct pos where, void *obj)
{
	const struct field *f;
	uint32_t seen = 0, i;
	bool chosen = false;

	set_defaults(t, obj);
	if (t->one_of)
		check_choice(c, t, map, where);
	for (i = 0; i < map->n; i++) {
		f = table_field(t, map->pairs[i].key.text);
		if (!f) {
			unknown_key(c, t, &map->pairs[i].key);
			continue;
		}
		/* Both would be read into the same place: check_choice has refused the second. */
		if (t->one_of && !(f->flags & FIELD_BESIDE)) {
			if (chosen)
				continue;
			chosen = true;
			*MEMBER(int, obj, t->kind) = f->choice;
		}
		seen |= UINT32_C(1) << (f - t->fields);
		readers[f->type](c, f, &map->pairs[i].key, &map->pairs[i].value, obj);
	}
	if (map->flags & YAML_PARTIAL)
		return;
	for (f = t->fields; f->key; f++) {
		struct diag_entry *e;

		if (!(f->flags & (FIELD_REQUIRED | FIELD_REQUIRED_ONCE)) ||
		    (seen & UINT32_C(1) << (f - t->fields)))
			continue;
		e = diag_error(c->diag, where, "`%s` is missing in %s", f->key, t->what);
		diag_help(c->diag, e, "add `%s: %s`", f->key, f->example);
	}
}
