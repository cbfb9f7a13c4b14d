/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

/* `words` are in lower case, each followed by a blank; s may be in capitals. */
static bool is_word_for(const char *words, const char *s, size_t len)
{
	const char *p;
	size_t n, i;

	for (p = words; *p; p += n + 1) {
		n = strcspn(p, " ");
		for (i = 0; i < n && n == len; i++)
			if ((s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i]) != p[i])
				break;
		if (n == len && i == n)
			return true;
	}
	return false;
}

bool guess_selector(const struct yaml_node *v, char out[static GUESS])
{
	const char *word, *name;
	size_t word_len, len;
	bool tag;

	if (v->kind == YAML_NODE_MAP && v->n == 1 && v->pairs[0].value.kind == YAML_NODE_SCALAR) {
		word = v->pairs[0].key.text;
		word_len = v->pairs[0].key.n;
		name = v->pairs[0].value.text;
	} else if (v->kind == YAML_NODE_SCALAR) {
		word = v->text;
		word_len = strcspn(word, ": ");
		name = word + word_len;
		name += strspn(name, ": ");
	} else {
		return false;
	}
	tag = is_word_for("tag tags tagged group groups label labels role roles ", word, word_len);
	if (!tag && !is_word_for("node nodes name host hosts peer peers ", word, word_len))
		return false;
	len = strcspn(name, " ");
	if (name[len + strspn(name + len, " ")] || !name_is_valid(name, len))
		return false;
	snprintf(out, GUESS, "%s%.*s", tag ? "tag:" : "", (int)len, name);
	return true;
}

static bool parse_selector(struct decode *c, const struct yaml_node *v, struct m_selector *ret)
{
	static const char wanted[] = "a node's name, tag:NAME or all";
	struct yaml_node name = *v;
	char shown[YAML_SHOWN], guess[GUESS];
	bool guessed = guess_selector(v, guess);

	if (v->kind == YAML_NODE_MAP) {
		struct diag_entry *e = diag_error(c->diag, yaml_pos(v),
						  "%s is wanted here, not a mapping", wanted);

		if (guessed)
			diag_help(c->diag, e, "did you mean `%s`, without a blank?", guess);
		else
			diag_help(c->diag, e, "write tag:NAME without a blank");
		return false;
	}
	if (!want_scalar(c, NULL, v, wanted))
		return false;
	if (guessed && strcmp(guess, v->text) != 0) {
		TELL(c, v, ("`%s` is not %s", yaml_show(v, shown), wanted),
		     ("did you mean `%s`?", guess));
		return false;
	}
	ret->pos = yaml_pos(v);
	if (!strcmp(v->text, "all")) {
		ret->kind = SELECT_ALL;
		return true;
	}
	ret->kind = SELECT_NODE;
	if (!strncmp(v->text, "tag:", 4)) {
		ret->kind = SELECT_TAG;
		name = scalar_behind(v, 4);
	}
	if (!want_name(c, &name, ret->kind == SELECT_TAG ? "a tag" : wanted))
		return false;
	ret->name = arena_strndup(c->arena, name.text, name.n);
	if (!ret->name)
		diag_nomem(c->diag);
	return ret->name;
}

/* Room for a list of them; one that stands alone is told in its own words. */
static bool want_selectors(struct decode *c, const struct field *f, const struct yaml_node *key,
			   const struct yaml_node *v, struct m_selectors *ret)
{
	char guess[GUESS];

	if (v->kind == YAML_NODE_LIST || !guess_selector(v, guess)) {
		ret->list = want_array(c, f, key, v, sizeof(*ret->list));
		return ret->list;
	}
	ret->lost = true;
	TELL(c, v, ("`%s` wants a list, not %s", key->text, kind_word(v)),
	     ("did you mean `%s: [%s]`?", key->text, guess));
	return false;
}

void read_selectors(struct decode *c, const struct field *f, const struct yaml_node *key,
		    const struct yaml_node *v, void *obj)
{
	struct m_selectors *ret = MEMBER(struct m_selectors, obj, f->value);
	uint32_t i;

	if (!want_selectors(c, f, key, v, ret))
		return;
	for (i = 0; i < v->n; i++)
		ret->n += parse_selector(c, &v->items[i], &ret->list[ret->n]);
	ret->lost = ret->n < v->n;
}

/* A prefix has a '/', which no selector has; an address without one is told as a prefix. */
static bool is_prefix(const struct yaml_node *v)
{
	struct ipaddr unused;

	return v->kind == YAML_NODE_SCALAR &&
	       (memchr(v->text, '/', v->n) || ipaddr_parse(v->text, v->n, &unused) == 0);
}

void read_parties(struct decode *c, const struct field *f, const struct yaml_node *key,
		  const struct yaml_node *v, void *obj)
{
	struct m_parties *ret = MEMBER(struct m_parties, obj, f->value);
	struct m_selectors *nodes = &ret->nodes;
	uint32_t i;

	if (!want_selectors(c, f, key, v, nodes)) {
		nodes->lost = true;
		return;
	}
	ret->prefixes = arena_array(c->arena, v->n, sizeof(*ret->prefixes));
	if (!ret->prefixes) {
		diag_nomem(c->diag);
		return;
	}
	for (i = 0; i < v->n; i++) {
		struct m_prefix *p = &ret->prefixes[ret->n_prefixes];

		if (is_prefix(&v->items[i]))
			ret->n_prefixes += parse_prefix(c, NULL, &v->items[i], &p->prefix, &p->pos);
		else
			nodes->n += parse_selector(c, &v->items[i], &nodes->list[nodes->n]);
	}
	nodes->lost = nodes->n + ret->n_prefixes < v->n;
	check_twice(c, ret->prefixes, ret->n_prefixes);
}
