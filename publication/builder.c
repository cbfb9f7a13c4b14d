/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/limits.h"
#include "publication/document.h"
#include "publication/routed.h"
#include "publication/row.h"

struct membership {
	const char *group, *node;
};

struct network_builder {
	struct arena *arena;
	const char *name;
	struct record *records;
	struct node *nodes;
	struct membership *members;
	struct permit *permits;
	struct freed *freed;
	struct gone *gone;
	struct routed_link *routed;
	size_t n_routed;
	size_t n_records, n_nodes, n_members, n_permits, n_freed, n_gone;
};

struct network_builder *network_builder_new(struct arena *a, const char *network)
{
	struct network_builder *b = arena_alloc(a, sizeof(*b));

	if (!b)
		return NULL;
	b->arena = a;
	b->name = arena_strdup(a, network);
	return b->name ? b : NULL;
}

/* The line decoders of the small tables; each appends to its array. 0, -1 malformed, -2 no memory
 * or over the limit. */
static int add_record_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct record *list = arena_grow(b->arena, b->records, b->n_records, sizeof(*list));

	if (!list || b->n_records == MAX_NODES)
		return -2;
	b->records = list;
	if (record_words(w, b->arena, &list[b->n_records]) < 0)
		return -1;
	*ret_key = list[b->n_records++].name;
	return 0;
}

static int add_node_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct node *list = arena_grow(b->arena, b->nodes, b->n_nodes, sizeof(*list));

	if (!list || b->n_nodes == MAX_NODES)
		return -2;
	b->nodes = list;
	if (node_words(w, b->arena, &list[b->n_nodes]) < 0)
		return -1;
	*ret_key = list[b->n_nodes++].name;
	return 0;
}

static int add_member_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct membership *list = arena_grow(b->arena, b->members, b->n_members, sizeof(*list)), *m;
	const char *s;
	size_t len;
	char *key;

	if (!list || b->n_members >= (size_t)MAX_NODES * MAX_TAGS)
		return -2;
	b->members = list;
	m = &list[b->n_members];
	if (!words_is(w, "member") || !words_next(w, &s, &len) || !group_name_is_valid(s, len))
		return -1;
	/* Neighbours nearly always share their group: one copy of its name serves them. */
	if (b->n_members && row_same_text(m[-1].group, s, len))
		m->group = m[-1].group;
	else
		m->group = arena_strndup(b->arena, s, len);
	if (!m->group)
		return -2;
	if (!target_is_group(m->group) || !strcmp(m->group, GROUP_ALL) ||
	    !strcmp(m->group, GROUP_CLIENTS) || row_name(w, b->arena, &m->node) < 0 ||
	    !words_end(w))
		return -1;
	key = arena_alloc(b->arena, len + 1 + strlen(m->node) + 1);
	if (!key)
		return -2;
	memcpy(key, m->group, len);
	key[len] = ' ';
	memcpy(key + len + 1, m->node, strlen(m->node) + 1);
	*ret_key = key;
	b->n_members++;
	return 0;
}

static int add_permit_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct permit *list = arena_grow(b->arena, b->permits, b->n_permits, sizeof(*list)), *p;
	size_t to, from;
	char *key;

	if (!list || b->n_permits == MAX_PERMITS)
		return -2;
	b->permits = list;
	p = &list[b->n_permits];
	if (permit_words(w, b->arena, p) < 0)
		return -1;
	to = strlen(p->to);
	from = strlen(p->from);
	key = arena_alloc(b->arena, to + 1 + from + 1);
	if (!key)
		return -2;
	memcpy(key, p->to, to);
	key[to] = ' ';
	memcpy(key + to + 1, p->from, from + 1);
	*ret_key = key;
	b->n_permits++;
	return 0;
}

static int add_freed_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct freed *list = arena_grow(b->arena, b->freed, b->n_freed, sizeof(*list)), *f;
	char text[IPADDR_STRLEN], key[FREED_KEY_SIZE];
	const char *s;
	size_t len;

	if (!list || b->n_freed == MAX_TOMBSTONES)
		return -2;
	b->freed = list;
	f = &list[b->n_freed];
	if (!words_is(w, "freed") || !words_next(w, &s, &len) ||
	    ipaddr_parse(s, len, &f->address) < 0 ||
	    !row_same_text(ipaddr_print(&f->address, text), s, len))
		return -1;
	if (row_number(w, "serial", 1, UINT64_MAX, &f->serial) < 0 ||
	    !words_field(w, "node", &s, &len) || !name_is_valid(s, len))
		return -1;
	f->node = arena_strndup(b->arena, s, len);
	if (!f->node)
		return -2;
	if (row_key(w, &f->key) < 0 || !words_end(w))
		return -1;
	freed_key(&f->address, key);
	*ret_key = arena_strdup(b->arena, key);
	if (!*ret_key)
		return -2;
	b->n_freed++;
	return 0;
}

static int add_gone_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct gone *list = arena_grow(b->arena, b->gone, b->n_gone, sizeof(*list)), *g;

	if (!list || b->n_gone == MAX_TOMBSTONES)
		return -2;
	b->gone = list;
	g = &list[b->n_gone];
	if (!words_is(w, "gone") || row_name(w, b->arena, &g->name) < 0 ||
	    row_number(w, "serial", 1, UINT64_MAX, &g->serial) < 0 || !words_end(w))
		return -1;
	*ret_key = g->name;
	b->n_gone++;
	return 0;
}

static int add_routed_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct routed_link *list = arena_grow(b->arena, b->routed, b->n_routed, sizeof(*list));
	char key[ROUTED_KEY_SIZE];

	if (!list || b->n_routed == MAX_ROUTED_LINES)
		return -2;
	b->routed = list;
	if (routed_words(w, b->arena, &list[b->n_routed]) < 0)
		return -1;
	*ret_key = arena_strdup(b->arena, routed_key(&list[b->n_routed], key));
	if (!*ret_key)
		return -2;
	b->n_routed++;
	return 0;
}

typedef int add_line_fn(struct network_builder *b, struct words *w, const char **ret_key);

static add_line_fn *const add_line_fns[N_TABLES] = {
	[TABLE_FREED] = add_freed_line,	   [TABLE_GONE] = add_gone_line,
	[TABLE_GROUPS] = add_member_line,  [TABLE_LINKS] = add_routed_line,
	[TABLE_NODES] = add_node_line,	   [TABLE_POLICY] = add_permit_line,
	[TABLE_RECORDS] = add_record_line,
};

int network_builder_add_page(struct network_builder *b, enum table t, const char *data, size_t len,
			     struct err *e)
{
	const char *last = NULL, *key = NULL;
	struct line_reader r;
	struct words w;
	size_t entries = 0;
	int got, added;

	if (len > MAX_PAGE)
		return err_refuse(e, "BAD-FIELD", "a page of more than %u bytes", MAX_PAGE);
	line_init(&r, data, len);
	if (document_header(&r, table_name(t), b->name, e) < 0)
		return -1;
	while ((got = line_next(&r, &w, e)) > 0) {
		if (++entries > MAX_PAGE_ENTRIES)
			return line_bad(&r, e, "more than %d lines in a page", MAX_PAGE_ENTRIES);
		added = add_line_fns[t](b, &w, &key);
		if (added == -2)
			return err_set(
				e, ERR_LIMIT,
				"%s: line %zu: out of memory, or more entries than a network may have",
				table_name(t), r.number);
		if (added < 0)
			return line_bad(&r, e, "not a line of table %s", table_name(t));
		if (last && strcmp(last, key) >= 0)
			return line_bad(&r, e, "the lines are not in order");
		last = key;
	}
	if (got < 0)
		return -1;
	if (!entries)
		return line_bad(&r, e, "a page without a line");
	return 0;
}

static int cmp_by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int cmp_freed(const void *a, const void *b)
{
	return ipaddr_cmp(&((const struct freed *)a)->address, &((const struct freed *)b)->address);
}

static int cmp_permits(const void *a, const void *b)
{
	return permit_cmp(a, b);
}

static int cmp_routed(const void *a, const void *b)
{
	return routed_link_cmp(a, b);
}

static int cmp_members(const void *pa, const void *pb)
{
	const struct membership *a = pa, *b = pb;
	int c = strcmp(a->group, b->group);

	return c ? c : strcmp(a->node, b->node);
}

/* Pages mostly arrive in order; sorts only when they did not. Fails on a duplicate. */
static int sort_unique(void *list, size_t n, size_t size, int (*cmp)(const void *, const void *),
		       enum table t, struct err *e)
{
	bool sorted = true;
	size_t i;

	for (i = 1; i < n && sorted; i++)
		sorted = cmp((char *)list + (i - 1) * size, (char *)list + i * size) < 0;
	if (sorted)
		return 0;
	qsort(list, n, size, cmp);
	for (i = 1; i < n; i++)
		if (!cmp((char *)list + (i - 1) * size, (char *)list + i * size))
			return err_refuse(e, "BAD-FIELD",
					  "an entry of table %s stands in two pages",
					  table_name(t));
	return 0;
}

static int make_groups(struct network_builder *b, struct network *ret, struct err *e)
{
	struct group *groups = NULL;
	const char **names = arena_array(b->arena, b->n_members, sizeof(*names));
	size_t i, n = 0;

	if (!names)
		return err_nomem(e);
	for (i = 0; i < b->n_members; i++) {
		const struct membership *m = &b->members[i];

		names[i] = m->node;
		if (!i || strcmp(m[-1].group, m->group) != 0) {
			struct group *grown = arena_grow(b->arena, groups, n, sizeof(*groups));

			if (!grown)
				return err_nomem(e);
			groups = grown;
			groups[n++] = (struct group){ .name = m->group, .members = &names[i] };
		}
		groups[n - 1].n_members++;
	}
	ret->groups = groups;
	ret->n_groups = n;
	return 0;
}

int network_builder_finish(struct network_builder *b, struct network *ret, struct err *e)
{
	struct network n = { .name = b->name };

	if (sort_unique(b->records, b->n_records, sizeof(*b->records), cmp_by_name, TABLE_RECORDS,
			e) < 0 ||
	    sort_unique(b->nodes, b->n_nodes, sizeof(*b->nodes), cmp_by_name, TABLE_NODES, e) < 0 ||
	    sort_unique(b->members, b->n_members, sizeof(*b->members), cmp_members, TABLE_GROUPS,
			e) < 0 ||
	    sort_unique(b->permits, b->n_permits, sizeof(*b->permits), cmp_permits, TABLE_POLICY,
			e) < 0 ||
	    sort_unique(b->freed, b->n_freed, sizeof(*b->freed), cmp_freed, TABLE_FREED, e) < 0 ||
	    sort_unique(b->gone, b->n_gone, sizeof(*b->gone), cmp_by_name, TABLE_GONE, e) < 0 ||
	    sort_unique(b->routed, b->n_routed, sizeof(*b->routed), cmp_routed, TABLE_LINKS, e) <
		    0 ||
	    make_groups(b, &n, e) < 0)
		return -1;
	n.records = b->records;
	n.n_records = b->n_records;
	n.nodes = b->nodes;
	n.n_nodes = b->n_nodes;
	n.permits = b->permits;
	n.n_permits = b->n_permits;
	n.freed = b->freed;
	n.n_freed = b->n_freed;
	n.gone = b->gone;
	n.n_gone = b->n_gone;
	n.routed = b->routed;
	n.n_routed = b->n_routed;
	*ret = n;
	return 0;
}
