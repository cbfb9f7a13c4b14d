/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/text.h"

static int cmp_tagged(const void *pa, const void *pb)
{
	const struct tagged *a = pa, *b = pb;
	int c = strcmp(a->tag, b->tag);

	return c ? c : (a->node > b->node) - (a->node < b->node);
}

int check_index_tags(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i, j, total = 0;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_tags;
	c->tags = check_array(c, total, sizeof(*c->tags));
	c->tag_names = check_array(c, total, sizeof(*c->tag_names));
	if (!c->tags || !c->tag_names)
		return -1;
	for (i = 0; i < n->n_nodes; i++)
		for (j = 0; j < n->nodes[i].n_tags; j++)
			c->tags[c->n_tags++] =
				(struct tagged){ .tag = n->nodes[i].tags[j].s, .node = i };
	qsort(c->tags, c->n_tags, sizeof(*c->tags), cmp_tagged);
	for (i = 0; i < c->n_tags; i++)
		if (!i || strcmp(c->tags[i - 1].tag, c->tags[i].tag))
			c->tag_names[c->n_tag_names++] = c->tags[i].tag;
	return 0;
}

/* The first entry of a tag, or n_tags. */
static size_t find_tag(const struct check *c, const char *tag)
{
	size_t lo = 0, hi = c->n_tags;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(c->tags[mid].tag, tag) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_tags && !strcmp(c->tags[lo].tag, tag) ? lo : c->n_tags;
}

/* Up to two different members of a set of nodes: enough to tell whether it has none, one or more.
 */
struct sample {
	size_t node[2];
	unsigned int n;
	bool unknown; /* a selector of it named nothing, and that was told */
};

static void add_sample(struct sample *s, size_t node)
{
	if (s->n < 2 && !(s->n == 1 && s->node[0] == node))
		s->node[s->n++] = node;
}

static void unknown_selector(struct check *c, const struct m_selector *s)
{
	const struct m_client *client = m_network_client(c->n, s->name);
	struct diag_entry *e = diag_error(c->d, s->pos, "there is no node `%s`", s->name);
	const char *better;

	if (!e)
		return;
	if (client) {
		diag_other(c->d, e, client->node.pos, "this is a client");
		diag_help(c->d, e, "a client is joined with its gateway alone");
		return;
	}
	if (find_tag(c, s->name) < c->n_tags) {
		diag_help(c->d, e, "there is a tag of that name: write tag:%s", s->name);
		return;
	}
	better = check_suggest_node(c, s->name);
	if (better)
		diag_help(c->d, e, "did you mean `%s`?", better);
}

/* No error: a template may well have a tag for nodes that do not exist yet. */
static void unknown_tag(struct check *c, const char *name, struct pos pos, bool selector)
{
	struct diag_entry *e = diag_warn(c->d, pos, "no node has the tag `%s`", name);
	const char *better;

	if (!e || !check_may_suggest(c))
		return;
	better = text_suggest(name, c->tag_names, c->n_tag_names);
	if (better)
		diag_help(c->d, e, "did you mean `tag:%s`?", better);
	else if (selector && m_network_node(c->n, name))
		diag_help(c->d, e, "there is a node of that name: write `%s`", name);
}

void check_viewpoints(struct check *c)
{
	size_t i, j;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i];

		for (j = 0; j < node->n_seen; j++) {
			const struct m_seen *s = &node->seen[j];

			if (!strncmp(s->from, "tag:", 4) && find_tag(c, s->from + 4) == c->n_tags)
				unknown_tag(c, s->from + 4, s->from_pos, false);
		}
	}
}

static void sample_selectors(struct check *c, const struct m_selectors *list, struct sample *ret)
{
	const struct m_node *node;
	size_t i, k;

	ret->unknown |= list->lost;
	for (i = 0; i < list->n; i++) {
		const struct m_selector *s = &list->list[i];

		switch (s->kind) {
		case SELECT_ALL:
			for (k = 0; k < c->n->n_nodes && k < 2; k++)
				add_sample(ret, k);
			break;
		case SELECT_NODE:
			node = m_network_node(c->n, s->name);
			if (node) {
				add_sample(ret, (size_t)(node - c->n->nodes));
			} else {
				unknown_selector(c, s);
				ret->unknown = true;
			}
			break;
		case SELECT_TAG:
			k = find_tag(c, s->name);
			if (k == c->n_tags) {
				unknown_tag(c, s->name, s->pos, true);
				ret->unknown = true;
			}
			for (; k < c->n_tags && ret->n < 2 && !strcmp(c->tags[k].tag, s->name); k++)
				add_sample(ret, c->tags[k].node);
			break;
		}
	}
}

void check_topology(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_topology; i++) {
		const struct m_topology *t = &c->n->topology[i];
		struct sample a = { 0 }, b = { 0 }, both;
		struct diag_entry *e;

		sample_selectors(c, &t->a, &a);
		if (t->kind == TOPOLOGY_MESH)
			b = a;
		else
			sample_selectors(c, &t->b, &b);
		both = a;
		if (b.n > 0)
			add_sample(&both, b.node[0]);
		if (b.n > 1)
			add_sample(&both, b.node[1]);
		if ((a.n && b.n && both.n > 1) || a.unknown || b.unknown || !t->a.n)
			continue;
		e = diag_warn(c->d, t->pos, "this topology entry joins no two nodes");
		diag_help(c->d, e, "remove it, or let it select more nodes");
	}
}

/* Prefixes are judged by the compiler, which knows what is behind whom. */
static void check_parties(struct check *c, const struct m_parties *p)
{
	struct sample unused = { 0 };
	struct m_selectors one = { .n = 1 };
	size_t i;

	for (i = 0; i < p->nodes.n; i++) {
		one.list = &p->nodes.list[i];
		/* Clients too are named here. */
		if (one.list->kind != SELECT_NODE || !m_network_client(c->n, one.list->name))
			sample_selectors(c, &one, &unused);
	}
}

static bool is_given(const struct m_parties *p)
{
	return p->nodes.n || p->n_prefixes || p->nodes.lost;
}

void check_policy(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	for (i = 0; i < n->n_policy; i++) {
		check_parties(c, &n->policy[i].from);
		check_parties(c, &n->policy[i].to);
	}
	for (i = 0; i < n->n_assertions; i++) {
		const struct m_assertion *a = &n->assertions[i];
		bool positive = is_given(&a->reaches), negative = is_given(&a->never_reaches);

		check_parties(c, &a->from);
		check_parties(c, &a->reaches);
		check_parties(c, &a->never_reaches);
		if (positive && negative)
			diag_help(
				c->d,
				diag_error(
					c->d, a->pos,
					"an assertion has `reaches` or `never_reaches`, not both"),
				"make two of it");
		else if (!positive && !negative)
			diag_help(c->d,
				  diag_error(c->d, a->pos,
					     "an assertion without `reaches` or `never_reaches`"),
				  "add `reaches: [tag:db]`, for example");
	}
}
