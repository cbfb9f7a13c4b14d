/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

#include "common/hash.h"
#include "common/limits.h"
#include "reconciler/group_name.h"

/* More single nodes than this in one list of selectors become a group of their own, so that
 * documents stay short. */
#define MAX_SINGLE 8

struct tag {
	const char *name;
	const uint32_t *members; /* node indexes, ascending */
	size_t n;
};

struct tagged {
	const char *tag;
	uint32_t node;
};

static int cmp_tagged(const void *pa, const void *pb)
{
	const struct tagged *a = pa, *b = pb;
	int c = strcmp(a->tag, b->tag);

	return c ? c : a->node < b->node ? -1 : a->node > b->node;
}

static void collect_tags(struct compiler *c)
{
	size_t i, j, n = 0;
	struct tagged *all;
	uint32_t *members;

	for (i = 0; i < c->m->n_nodes; i++)
		n += c->m->nodes[i].n_tags;
	all = compiler_get(c, n, sizeof(*all));
	members = compiler_get(c, n, sizeof(*members));
	c->tags = compiler_get(c, n, sizeof(*c->tags));
	if (c->nomem)
		return;
	for (i = 0, n = 0; i < c->m->n_nodes; i++)
		for (j = 0; j < c->m->nodes[i].n_tags; j++)
			all[n++] = (struct tagged){ c->m->nodes[i].tags[j].s, (uint32_t)i };
	if (n > 1)
		qsort(all, n, sizeof(*all), cmp_tagged);
	for (i = 0; i < n; i++) {
		members[i] = all[i].node;
		if (!i || strcmp(all[i - 1].tag, all[i].tag) != 0)
			c->tags[c->n_tags++] = (struct tag){ all[i].tag, &members[i], 0 };
		c->tags[c->n_tags - 1].n++;
	}
}

static void fill_everybody(struct compiler *c)
{
	uint32_t *list = compiler_get(c, c->m->n_nodes, sizeof(*list));
	size_t i;

	for (i = 0; list && i < c->m->n_nodes; i++)
		list[i] = (uint32_t)i;
	c->everybody = list;
}

void compile_selectors(struct compiler *c)
{
	fill_everybody(c);
	collect_tags(c);
}

static const struct tag *find_tag(const struct compiler *c, const char *name)
{
	size_t low = 0, high = c->n_tags;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = strcmp(name, c->tags[mid].name);

		if (!cmp)
			return &c->tags[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static void add_group(struct compiler *c, const struct target *t)
{
	const char **names;
	size_t i;

	if (compiler_group(c, t->name))
		return;
	names = compiler_get(c, t->n, sizeof(*names));
	if (!names)
		return;
	for (i = 0; i < t->n; i++)
		names[i] = c->m->nodes[t->members[i]].name;
	compiler_put_group(c, (struct group){ t->name, names, t->n });
}

static char *join(struct compiler *c, const char *first, const char *second)
{
	char *s = group_name_join(c->arena, first, second);

	c->nomem |= !s;
	return s;
}

static struct target named_by(struct compiler *c, const struct m_selector *s)
{
	struct target t = { 0 };
	const struct m_node *node;
	const struct tag *tag;
	uint32_t *one;

	switch (s->kind) {
	case SELECT_ALL:
		return (struct target){ GROUP_ALL, c->everybody, c->m->n_nodes };
	case SELECT_TAG:
		tag = find_tag(c, s->name);
		if (tag)
			t = (struct target){ join(c, "tag:", tag->name), tag->members, tag->n };
		return t;
	case SELECT_NODE:
		node = m_network_node(c->m, s->name);
		one = node ? compiler_get(c, 1, sizeof(*one)) : NULL;
		if (one) {
			*one = (uint32_t)(node - c->m->nodes);
			t = (struct target){ node->name, one, 1 };
		}
		return t;
	}
	return t;
}

/* A leader stands for those behind it. */
static struct target outside(struct compiler *c, struct target t)
{
	const uint32_t *members;
	size_t n;

	if (!t.n || c->nomem)
		return t;
	if (sites_outside(&c->sites, t.members, t.n, &members, &n) < 0) {
		c->nomem = true;
		return t;
	}
	if (members == t.members)
		return t;
	if (!target_is_group(t.name))
		return (struct target){ c->m->nodes[members[0]].name, members, n };
	return (struct target){ join(c, t.name, SITES_OUTSIDE), members, n };
}

static struct target selector_target(struct compiler *c, const struct m_selector *s)
{
	return outside(c, named_by(c, s));
}

static void targets_add(struct compiler *c, struct targets *ts, struct target t)
{
	struct target *list;
	size_t i;

	if (!t.n || c->nomem)
		return;
	for (i = 0; i < ts->n; i++)
		if (!strcmp(ts->list[i].name, t.name))
			return;
	list = arena_grow(c->arena, ts->list, ts->n, sizeof(*list));
	if (!list) {
		c->nomem = true;
		return;
	}
	ts->list = list;
	list[ts->n++] = t;
	if (target_is_group(t.name) && strcmp(t.name, GROUP_ALL) != 0)
		add_group(c, &t);
}

static int cmp_index(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

/* The single nodes of a long list as one group, named after the place of the list: "#2.spokes". */
static struct target fold_singles(struct compiler *c, const struct m_selectors *s, size_t entry,
				  const char *side)
{
	struct target t = { 0 };
	size_t i, n = 0, kept = 0;
	uint32_t *members;
	char *name;

	for (i = 0; i < s->n; i++)
		n += s->list[i].kind == SELECT_NODE;
	if (n <= MAX_SINGLE)
		return t;
	members = compiler_get(c, n, sizeof(*members));
	name = compiler_get(c, 64, 1);
	if (!members || !name)
		return t;
	snprintf(name, 64, "#%zu.%s", entry + 1, side);
	for (i = 0, n = 0; i < s->n; i++) {
		const struct m_node *node = s->list[i].kind == SELECT_NODE ?
						    m_network_node(c->m, s->list[i].name) :
						    NULL;

		if (node)
			members[n++] = (uint32_t)(node - c->m->nodes);
	}
	if (n > 1)
		qsort(members, n, sizeof(*members), cmp_index);
	for (i = 0; i < n; i++)
		if (!i || members[i] != members[i - 1])
			members[kept++] = members[i];
	return outside(c, (struct target){ name, members, kept });
}

struct targets compile_targets(struct compiler *c, const struct m_selectors *s, size_t entry,
			       const char *side)
{
	struct target folded = fold_singles(c, s, entry, side);
	struct targets ts = { 0 };
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->list[i].kind == SELECT_ALL) {
			targets_add(c, &ts, selector_target(c, &s->list[i]));
			return ts;
		}
	targets_add(c, &ts, folded);
	for (i = 0; i < s->n; i++)
		if (s->list[i].kind != SELECT_NODE || !folded.n)
			targets_add(c, &ts, selector_target(c, &s->list[i]));
	return ts;
}

bool *compile_marks(struct compiler *c, const struct targets *ts)
{
	bool *in = compiler_get(c, c->m->n_nodes, sizeof(*in));
	size_t i, j;

	for (i = 0; in && i < ts->n; i++)
		for (j = 0; j < ts->list[i].n; j++)
			in[ts->list[i].members[j]] = true;
	return in;
}

/* "!fra1!tag:hub" */
static const char *without_suffix(struct compiler *c, const struct targets *others)
{
	size_t i, len = 1;
	char *s, *p;

	for (i = 0; i < others->n; i++)
		len += 1 + strlen(others->list[i].name);
	s = p = compiler_get(c, len, 1);
	for (i = 0; s && i < others->n; i++) {
		size_t n = strlen(others->list[i].name);

		*p++ = '!';
		memcpy(p, others->list[i].name, n);
		p += n;
	}
	return s;
}

/* "tag:dc!fra1!tag:hub", or "tag:dc!#HASH" where that is too long. */
static const char *without_name(struct compiler *c, const char *name, const char *suffix)
{
	char hex[DIGEST_STRLEN], *s;
	struct digest digest;

	if (strlen(name) + strlen(suffix) <= MAX_GROUP_NAME)
		return join(c, name, suffix);
	s = compiler_get(c, MAX_GROUP_NAME + 1, 1);
	if (!s)
		return NULL;
	digest_of(suffix, strlen(suffix), &digest);
	snprintf(s, MAX_GROUP_NAME + 1, "%.150s!#%.32s", name, digest_print(&digest, hex));
	return s;
}

struct targets compile_without(struct compiler *c, const struct targets *ts,
			       const struct targets *others, const bool *out)
{
	const char *suffix = without_suffix(c, others);
	struct targets ret = { 0 };
	size_t i, j;

	for (i = 0; i < ts->n && !c->nomem; i++) {
		struct target t = ts->list[i];
		uint32_t *members = compiler_get(c, t.n, sizeof(*members));
		size_t n = 0;

		for (j = 0; members && j < t.n; j++)
			if (!out[t.members[j]])
				members[n++] = t.members[j];
		if (n && n < t.n)
			t = (struct target){ without_name(c, t.name, suffix), members, n };
		if (n)
			targets_add(c, &ret, t);
	}
	return ret;
}

const char *compile_first(struct compiler *c, const struct m_selectors *s)
{
	struct target t = named_by(c, &s->list[0]);
	uint32_t site = t.n && !c->nomem ? c->sites.of[t.members[0]] : 0;

	if (!t.n || c->nomem)
		return NULL;
	return c->m->nodes[site ? c->sites.list[site - 1].leader : t.members[0]].name;
}
