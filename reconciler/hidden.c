/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/hidden.h"

#include "reconciler/reach.h"

/* Networks in the middle, what each may hide, and who may not see it: as many are looked at. */
#define MAX_MIDDLE 16
#define MAX_INSIDE 16
#define MAX_SENDERS 64
/* Pairs of the first two that somebody does not see; for each, the network is made anew twice. */
#define MAX_UNSEEN 32

/* A route or an address of a record, or a pool. */
struct item {
	struct prefix prefix;
	const struct record *of; /* NULL: a pool */
	bool address;
	bool middle; /* a route inside of somebody else's network */
};

struct search {
	const struct m_network *m;
	const struct network *n;
	struct diag *d;
	struct arena scratch;
	struct item *items; /* sorted by prefix */
	size_t n_items;
	struct reach *with; /* as it is; NULL: not needed yet */
	size_t unseen;
};

/* One network in the middle and one inside of it. */
struct pair {
	const struct item *middle, *inside;
	/* Without all that may hide the one inside, and with this middle one alone of these; NULL:
	 * not needed yet. */
	struct reach *none, *alone;
};

static int cmp_items(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	if (c)
		return c;
	if (!a->of || !b->of)
		return !!a->of - !!b->of;
	return strcmp(a->of->name, b->of->name);
}

static void add(struct search *s, struct prefix p, const struct record *of, bool address)
{
	s->items[s->n_items++] = (struct item){ p, of, address, false };
}

static int collect(struct search *s)
{
	size_t total = s->m->n_pools, i, j;

	for (i = 0; i < s->n->n_records; i++)
		total += s->n->records[i].n_routes + s->n->records[i].n_addresses;
	s->items = arena_array(&s->scratch, total, sizeof(*s->items));
	if (!s->items)
		return -1;
	for (i = 0; i < s->m->n_pools; i++)
		add(s, s->m->pools[i].prefix, NULL, false);
	for (i = 0; i < s->n->n_records; i++) {
		const struct record *r = &s->n->records[i];

		for (j = 0; j < r->n_routes; j++)
			add(s, r->routes[j], r, false);
		for (j = 0; j < r->n_addresses; j++)
			add(s, prefix_of_addr(&r->addresses[j]), r, true);
	}
	if (s->n_items > 1)
		qsort(s->items, s->n_items, sizeof(*s->items), cmp_items);
	return 0;
}

static bool any_routes(const struct network *n)
{
	size_t i;

	for (i = 0; i < n->n_records; i++)
		if (n->records[i].n_routes)
			return true;
	return false;
}

/* Longer than the other, inside it, and somebody else's. */
static bool is_inside(const struct item *outer, const struct item *inner)
{
	return outer->prefix.len < inner->prefix.len && outer->of != inner->of &&
	       prefix_contains(&outer->prefix, &inner->prefix);
}

/* ---- who sees what ---- */

/* Where a packet from the node for the item ends; NULL: it does not arrive. -1: out of memory. */
static int end_of_way(struct search *s, struct reach *r, const char *from, const struct item *item,
		      const char **ret)
{
	struct reach_end start = reach_node(reach_id(r, from)), end, *list;
	enum reach_answer answer;
	struct reach_path path;
	bool back = false;
	size_t n;

	*ret = NULL;
	if (item->address) {
		end = reach_node(reach_id(r, item->of->name));
	} else {
		if (reach_behind(r, &item->prefix, &s->scratch, &list, &n) < 0)
			return -1;
		/* All of it may be behind others. */
		if (!n || prefix_cmp(&list[0].prefix, &item->prefix))
			return 0;
		end = list[0];
	}
	if (reach_ways(r, &start, &end, &answer, &path, &back) < 0)
		return -1;
	if (!back && path.fate == REACH_ARRIVES && path.n < REACH_MAX_PATH)
		*ret = reach_name(r, path.at[path.n - 1]);
	return 0;
}

static bool is_hiding(const struct item *item, const struct item *inside)
{
	return item->middle && is_inside(item, inside);
}

static int remove_route(struct search *s, struct record *r, const struct prefix *p)
{
	struct prefix *routes = arena_array(&s->scratch, r->n_routes, sizeof(*routes));
	size_t n = 0, i;

	if (!routes)
		return -1;
	for (i = 0; i < r->n_routes; i++)
		if (prefix_cmp(&r->routes[i], p))
			routes[n++] = r->routes[i];
	r->routes = routes;
	r->n_routes = n;
	return 0;
}

/* The network without what may hide the item, but for `keep`, which may be NULL. */
static int make_without(struct search *s, const struct item *inside, const struct item *keep,
			struct reach **ret)
{
	struct record *records = arena_array(&s->scratch, s->n->n_records, sizeof(*records));
	struct network *n = arena_alloc(&s->scratch, sizeof(*n));
	struct err e;
	size_t i;

	if (!records || !n)
		return -1;
	memcpy(records, s->n->records, s->n->n_records * sizeof(*records));
	for (i = 0; i < s->n_items; i++) {
		const struct item *x = &s->items[i];

		if (x != keep && is_hiding(x, inside) &&
		    remove_route(s, &records[x->of - s->n->records], &x->prefix) < 0)
			return -1;
	}
	*n = *s->n;
	n->records = records;
	return reach_new(n, s->m, ret, &e);
}

static size_t add_sender(const char **list, size_t n, const char *name)
{
	if (n < MAX_SENDERS)
		list[n++] = name;
	return n;
}

/* Who has the network in the middle: the node that it is behind, and those who have that as a peer.
 */
static size_t senders(const struct network *n, const struct record *of, const char **list)
{
	const struct node *node = network_node(n, of->name);
	size_t count = add_sender(list, 0, of->name), i, j;

	for (i = 0; node && i < node->n_links; i++) {
		const struct link *l = &node->links[i];
		const struct group *g = l->kind == LINK_DIRECT ? network_group(n, l->target) : NULL;

		if (l->kind != LINK_DIRECT)
			continue;
		for (j = 0; !strcmp(l->target, GROUP_ALL) && j < n->n_nodes; j++)
			if (strcmp(n->nodes[j].name, of->name) != 0)
				count = add_sender(list, count, n->nodes[j].name);
		for (j = 0; g && j < g->n_members; j++)
			if (strcmp(g->members[j], of->name) != 0 && network_node(n, g->members[j]))
				count = add_sender(list, count, g->members[j]);
		if (!target_is_group(l->target))
			count = add_sender(list, count, l->target);
	}
	return count;
}

/* ---- telling ---- */

static struct pos place_of(const struct m_network *m, const struct item *item)
{
	const struct m_client *client = m_network_client(m, item->of->name);
	const struct m_node *node = client ? &client->node : m_network_node(m, item->of->name);
	size_t i, j;

	if (!node)
		return m->pos;
	for (i = 0; i < node->n_routes; i++)
		if (!prefix_cmp(&node->routes[i].prefix, &item->prefix))
			return node->routes[i].pos;
	for (i = 0; node->has_addresses && i < node->n_addresses; i++) {
		struct prefix p = m_addr_prefix(&node->addresses[i]);

		if (!prefix_cmp(&p, &item->prefix))
			return node->addresses[i].pos;
	}
	for (i = 0; i < m->n_sites; i++)
		for (j = 0; j < m->sites[i].n_routes; j++)
			if (!prefix_cmp(&m->sites[i].routes[j].prefix, &item->prefix))
				return m->sites[i].routes[j].pos;
	return node->pos;
}

static void tell(struct search *s, const struct item *middle, const struct item *inside,
		 const char *from)
{
	const struct record *of = inside->of;
	struct ipaddr a = { .family = inside->prefix.family };
	char wide[PREFIX_STRLEN], text[PREFIX_STRLEN];
	struct diag_entry *e;

	memcpy(a.b, inside->prefix.b, sizeof(a.b));
	prefix_print(&middle->prefix, wide);
	if (inside->address)
		ipaddr_print(&a, text);
	else
		prefix_print(&inside->prefix, text);
	e = diag_warn(s->d, place_of(s->m, middle),
		      "%s behind `%s` hides %s %s `%s`: `%s` does not reach it", wide,
		      middle->of->name, text, inside->address ? "of" : "behind", of->name, from);
	diag_other(s->d, e, place_of(s->m, inside), "%s `%s`", inside->address ? "of" : "behind",
		   of->name);
	diag_help(
		s->d, e,
		"for `%s` the longer one is part of a wider prefix that another peer has, so that %s is the longest that is "
		"left: let `%s` have only what is behind it, or join `%s` with `%s`",
		from, wide, middle->of->name, from, of->gateway ? of->gateway : of->name);
}

/* ---- the search ---- */

/* 1: a packet from the node for the item arrives where it should; 0: not; -1: out of memory. */
static int arrives(struct search *s, struct reach *r, const char *from, const struct item *inside)
{
	const char *end;

	if (end_of_way(s, r, from, inside, &end) < 0)
		return -1;
	return end && !strcmp(end, inside->of->name);
}

/* Whether it is the middle one, of all that may hide the other, that does so from that node. */
static int is_to_blame(struct search *s, struct pair *p, const char *from, bool *ret)
{
	int r;

	if (!p->none && (make_without(s, p->inside, NULL, &p->none) < 0 ||
			 make_without(s, p->inside, p->middle, &p->alone) < 0))
		return -1;
	r = arrives(s, p->none, from, p->inside);
	*ret = r == 1;
	if (r != 1)
		return r;
	r = arrives(s, p->alone, from, p->inside);
	*ret = !r;
	return r < 0 ? -1 : 0;
}

static int try_pair(struct search *s, struct pair *p, bool *ret_told)
{
	const char *list[MAX_SENDERS];
	size_t n = senders(s->n, p->middle->of, list), i;

	for (i = 0; i < n && !*ret_told; i++) {
		int r = strcmp(list[i], p->inside->of->name) ?
				arrives(s, s->with, list[i], p->inside) :
				1;

		if (!r && !p->none && s->unseen++ >= MAX_UNSEEN)
			return 0;
		if (r < 0 || (!r && is_to_blame(s, p, list[i], ret_told) < 0))
			return -1;
		if (*ret_told)
			tell(s, p->middle, p->inside, list[i]);
	}
	return 0;
}

static int try_inside(struct search *s, const struct item *middle, const struct item *inside,
		      bool *ret_told)
{
	struct pair p = { .middle = middle, .inside = inside };
	int r = try_pair(s, &p, ret_told);

	reach_free(p.none);
	reach_free(p.alone);
	return r;
}

/* What is inside of items[at], which comes right behind it. */
static int try_middle(struct search *s, size_t at)
{
	const struct item *middle = &s->items[at];
	bool told = false;
	size_t i, tried = 0;
	struct err e;

	for (i = at + 1; !told && tried < MAX_INSIDE && i < s->n_items &&
			 prefix_contains(&middle->prefix, &s->items[i].prefix);
	     i++) {
		if (!s->items[i].of || !is_inside(middle, &s->items[i]))
			continue;
		tried++;
		if ((!s->with && reach_new(s->n, s->m, &s->with, &e) < 0) ||
		    try_inside(s, middle, &s->items[i], &told) < 0)
			return -1;
	}
	return 0;
}

/* `outer`: room for the items that hold the one at hand, one inside the other. */
static void mark_middles(struct search *s, size_t *outer)
{
	size_t depth = 0, i, j;

	for (i = 0; i < s->n_items; i++) {
		struct item *item = &s->items[i];

		while (depth && !prefix_contains(&s->items[outer[depth - 1]].prefix, &item->prefix))
			depth--;
		for (j = 0; j < depth && !is_inside(&s->items[outer[j]], item); j++)
			;
		item->middle = j < depth && item->of && !item->address;
		outer[depth++] = i;
	}
}

static int try_all(struct search *s)
{
	size_t i, found = 0;

	for (i = 0; i + 1 < s->n_items && found < MAX_MIDDLE; i++) {
		if (!s->items[i].middle ||
		    !prefix_contains(&s->items[i].prefix, &s->items[i + 1].prefix))
			continue;
		found++;
		if (try_middle(s, i) < 0)
			return -1;
	}
	return 0;
}

int hidden_check(const struct m_network *m, const struct network *n, struct diag *d)
{
	struct search s = { .m = m, .n = n, .d = d };
	size_t *outer;
	int r = -1;

	if (!any_routes(n))
		return 0;
	arena_init(&s.scratch);
	if (collect(&s) == 0) {
		outer = arena_array(&s.scratch, s.n_items, sizeof(*outer));
		if (outer) {
			mark_middles(&s, outer);
			r = try_all(&s);
		}
	}
	reach_free(s.with);
	arena_release(&s.scratch);
	return r;
}
