/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/conflict.h"

#include "common/limits.h"
#include "publication/expand.h"

/* Conflicts that wider prefixes hide, looked at one by one for each view; with more, every node is
 * examined. */
#define MAX_HIDDEN 4096

struct owner {
	struct prefix prefix;
	size_t record;
};

static int cmp_owners(const void *pa, const void *pb)
{
	const struct owner *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : a->record < b->record ? -1 : a->record > b->record;
}

/* True when two records want the same prefix: only then, or with prefixes that come through another
 * node, can any clash. */
static int any_shared_prefix(const struct network *n, struct arena *a, bool *ret)
{
	size_t i, j, total = 0;
	struct owner *all;

	for (i = 0; i < n->n_records; i++)
		total += n->records[i].n_addresses + n->records[i].n_routes;
	all = arena_array(a, total, sizeof(*all));
	if (!all)
		return -1;
	for (i = 0, total = 0; i < n->n_records; i++) {
		const struct record *r = &n->records[i];

		for (j = 0; j < r->n_addresses; j++)
			all[total++] = (struct owner){ prefix_of_addr(&r->addresses[j]), i };
		for (j = 0; j < r->n_routes; j++)
			all[total++] = (struct owner){ r->routes[j], i };
	}
	if (total > 1)
		qsort(all, total, sizeof(*all), cmp_owners);
	*ret = false;
	for (i = 1; i < total && !*ret; i++)
		*ret = !prefix_cmp(&all[i - 1].prefix, &all[i].prefix) &&
		       all[i - 1].record != all[i].record;
	return 0;
}

static int cmp_views(const void *pa, const void *pb)
{
	const struct node *a = *(const struct node *const *)pa,
			  *b = *(const struct node *const *)pb;
	size_t i;

	if (!a->exit != !b->exit)
		return a->exit ? 1 : -1;
	if (a->exit && strcmp(a->exit, b->exit) != 0)
		return strcmp(a->exit, b->exit);
	if (a->n_links != b->n_links)
		return a->n_links < b->n_links ? -1 : 1;
	for (i = 0; i < a->n_links; i++) {
		int c = link_cmp(&a->links[i], &b->links[i]);

		if (c)
			return c;
	}
	return 0;
}

static bool only_direct(const struct node *n)
{
	size_t i;

	for (i = 0; i < n->n_links; i++)
		if (n->links[i].kind != LINK_DIRECT && n->links[i].kind != LINK_ALIVE)
			return false;
	return true;
}

/* Where a node writes this prefix, as an address or a route; false when it does not. */
static bool written_at(const struct m_node *m, const struct prefix *p, struct pos *ret)
{
	size_t i;

	for (i = 0; i < m->n_routes; i++)
		if (!prefix_cmp(&m->routes[i].prefix, p)) {
			*ret = m->routes[i].pos;
			return true;
		}
	for (i = 0; m->has_addresses && i < m->n_addresses; i++) {
		struct prefix own = m_addr_prefix(&m->addresses[i]);

		if (!prefix_cmp(&own, p)) {
			*ret = m->addresses[i].pos;
			return true;
		}
	}
	return false;
}

/* The same for a client that the prefix comes from, whose address may be an automatic one. */
static bool client_brings(const struct network *n, const struct m_client *c, const struct prefix *p,
			  struct pos *ret)
{
	const struct record *r = network_record(n, c->node.name);
	size_t i;

	if (written_at(&c->node, p, ret))
		return true;
	for (i = 0; r && i < r->n_addresses; i++) {
		struct prefix a = prefix_of_addr(&r->addresses[i]);

		if (prefix_cmp(&a, p))
			continue;
		*ret = c->node.pos;
		return true;
	}
	return false;
}

/* A conflict at one view, and how it is told. */
struct found {
	struct prefix_conflict c;
	const char *at; /* a node where it happens; NULL: at one of the two, behind which it is */
	size_t more; /* other nodes with the same view */
};

static bool site_brings(const struct m_site *s, const struct prefix *p, struct pos *ret)
{
	size_t i;

	for (i = 0; i < s->n_routes; i++)
		if (!prefix_cmp(&s->routes[i].prefix, p)) {
			*ret = s->routes[i].pos;
			return true;
		}
	return false;
}

/*
 * The place where `peer` gets the prefix from: its own route or address, else another node's route
 * or the network's pool that comes through it. `not` is a place that was named already.
 */
static struct pos origin(const struct m_network *m, const struct network *n, const char *peer,
			 const struct prefix *p, const char *not_node, const char **ret_what)
{
	const struct m_client *client = m_network_client(m, peer);
	const struct m_node *own = client ? &client->node : m_network_node(m, peer);
	const struct record *r = network_record(n, peer);
	struct pos pos = m->pos;
	size_t i;

	*ret_what = "its address";
	if (own && written_at(own, p, &pos))
		return pos;
	for (i = 0; r && i < r->n_addresses; i++) {
		struct prefix a = prefix_of_addr(&r->addresses[i]);

		if (!prefix_cmp(&a, p))
			return own ? own->pos : pos;
	}
	*ret_what = "carried through it for other nodes";
	for (i = 0; i < m->n_pools; i++)
		if (!prefix_cmp(&m->pools[i].prefix, p))
			return m->pools[i].pos;
	for (i = 0; i < m->n_sites; i++)
		if (m->sites[i].n_leaders && !strcmp(m->sites[i].leaders[0].s, peer) &&
		    site_brings(&m->sites[i], p, &pos))
			return pos;
	for (i = 0; i < m->n_nodes; i++)
		if (strcmp(m->nodes[i].name, not_node) != 0 && written_at(&m->nodes[i], p, &pos))
			return pos;
	for (i = 0; i < m->n_sites; i++)
		if (site_brings(&m->sites[i], p, &pos))
			return pos;
	for (i = 0; i < m->n_clients; i++)
		if (strcmp(m->clients[i].gateway.s, peer) == 0 &&
		    client_brings(n, &m->clients[i], p, &pos))
			return pos;
	return own ? own->pos : pos;
}

static bool is_route(const struct m_network *m, const char *name, const struct prefix *p)
{
	const struct m_node *node = m_network_node(m, name);
	size_t i;

	for (i = 0; node && i < node->n_routes; i++)
		if (!prefix_cmp(&node->routes[i].prefix, p))
			return true;
	return false;
}

static void report(const struct m_network *m, const struct network *n, struct diag *d,
		   const struct found *f)
{
	char text[PREFIX_STRLEN];
	const char *what_a, *what_b;
	struct pos at_a = origin(m, n, f->c.a, &f->c.prefix, f->c.b, &what_a);
	struct pos at_b = origin(m, n, f->c.b, &f->c.prefix, f->c.a, &what_b);
	struct diag_entry *e;

	prefix_print(&f->c.prefix, text);
	if (!f->at) {
		e = diag_error(d, at_a, "%s is behind `%s` and behind `%s`, which are joined", text,
			       f->c.a, f->c.b);
		diag_other(d, e, at_b, "`%s` gets it from here", f->c.b);
		diag_help(
			d, e,
			"what is for it stays with the one or goes to the other: let one of them have it, make one longer (the "
			"longest wins), give each a `metric` (the lowest comes first), or do not join them");
		return;
	}
	if (f->more)
		e = diag_error(
			d, at_a,
			"%s would stand under two peers, `%s` and `%s`, on node `%s` and %zu more",
			text, f->c.a, f->c.b, f->at, f->more);
	else
		e = diag_error(d, at_a,
			       "%s would stand under two peers, `%s` and `%s`, on node `%s`", text,
			       f->c.a, f->c.b, f->at);
	diag_other(d, e, at_b, "`%s` gets it from here", f->c.b);
	diag_help(
		d, e,
		"WireGuard sends a prefix to one peer only: let one of them have it, make one longer (the longest wins), %sor do "
		"not join both with this node",
		is_route(m, f->c.a, &f->c.prefix) && is_route(m, f->c.b, &f->c.prefix) ?
			"give each a `metric` (the lowest comes first), " :
			"");
}

static bool known_prefix(const struct found *list, size_t n, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!prefix_cmp(&list[i].c.prefix, p))
			return true;
	return false;
}

static bool known(const struct found *list, size_t n, const struct prefix_conflict *c)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!prefix_cmp(&list[i].c.prefix, &c->prefix) && !strcmp(list[i].c.a, c->a) &&
		    !strcmp(list[i].c.b, c->b))
			return true;
	return false;
}

struct search {
	const struct network *net;
	struct diag *diag;
	const struct m_network *model;
	struct found found[MAX_DIAGS];
	size_t n_found;
};

/* True when the node itself brings this prefix: then it is not the one that sees it under two
 * peers. */
static bool brings(const struct network *n, const char *name, const struct prefix *p)
{
	const struct record *r = network_record(n, name);
	size_t i;

	for (i = 0; r && i < r->n_routes; i++)
		if (!prefix_cmp(&r->routes[i], p))
			return true;
	return false;
}

/* Tells which nodes of the view have the conflict: those that are no part of it. */
static struct found describe(const struct search *s, const struct prefix_conflict *c,
			     const struct node *const *nodes, size_t n)
{
	struct found f = { .c = *c };
	size_t i;

	for (i = 0; i < n; i++) {
		const char *name = nodes[i]->name;

		if (n > 1 && (!strcmp(name, c->a) || !strcmp(name, c->b) ||
			      brings(s->net, name, &c->prefix)))
			continue;
		if (f.at)
			f.more++;
		else
			f.at = name;
	}
	if (!f.at)
		f.at = nodes[0]->name;
	return f;
}

/* `nodes` share the view of `node`. */
static int examine(struct search *s, const struct node *node, const struct node *const *nodes,
		   size_t n)
{
	struct prefix_conflict list[MAX_DIAGS];
	struct arena scratch;
	size_t n_list = 0, i;
	struct err e;
	int r;

	arena_init(&scratch);
	r = expand_conflicts(s->net, node, false, &scratch, list, MAX_DIAGS, &n_list, &e);
	for (i = 0; !r && i < n_list && s->n_found < MAX_DIAGS; i++)
		if (!known(s->found, s->n_found, &list[i]))
			s->found[s->n_found++] = describe(s, &list[i], nodes, n);
	if (r)
		diag_error(s->diag, s->model->pos, "%s", e.msg);
	arena_release(&scratch);
	return r;
}

/* True when a route of this node covers one of the conflicting prefixes: without the node, that one
 * is no longer hidden. */
static bool covers_any(const struct network *n, const char *name,
		       const struct prefix_conflict *list, size_t n_list)
{
	const struct record *r = network_record(n, name);
	size_t i, j;

	for (i = 0; r && i < r->n_routes; i++)
		for (j = 0; j < n_list; j++)
			if (prefix_contains(&r->routes[i], &list[j].prefix))
				return true;
	return false;
}

/* What is hidden behind a wider prefix at all others comes to light at the node whose own prefix
 * the wider one is. */
static int examine_hidden(struct search *s, const struct node *nobody,
			  const struct node *const *nodes, size_t n)
{
	struct prefix_conflict *list;
	struct arena scratch;
	size_t n_list = 0, i;
	struct err e;
	int r = -1;

	arena_init(&scratch);
	list = arena_array(&scratch, MAX_HIDDEN, sizeof(*list));
	if (!list)
		err_nomem(&e);
	else
		r = expand_conflicts(s->net, nobody, true, &scratch, list, MAX_HIDDEN, &n_list, &e);
	if (r)
		diag_error(s->diag, s->model->pos, "%s", e.msg);
	for (i = 0; !r && n_list && i < n && s->n_found < MAX_DIAGS; i++)
		if (n_list == MAX_HIDDEN || covers_any(s->net, nodes[i]->name, list, n_list))
			r = examine(s, nodes[i], &nodes[i], 1);
	arena_release(&scratch);
	return r;
}

/*
 * Nodes of one view differ only in that none is its own peer. In a view of three nodes or more,
 * what clashes for a node that is nobody clashes for one of them too, since a clash has two owners;
 * smaller views are examined node by node.
 */
static int examine_view(struct search *s, const struct node *const *nodes, size_t n)
{
	struct node nobody = *nodes[0];
	size_t i;

	if (n < 3) {
		for (i = 0; i < n; i++)
			if (examine(s, nodes[i], &nodes[i], 1) < 0)
				return -1;
		return 0;
	}
	nobody.name = "";
	memset(&nobody.key, 0, sizeof(nobody.key));
	if (examine(s, &nobody, nodes, n) < 0)
		return -1;
	return only_direct(nodes[0]) ? 0 : examine_hidden(s, &nobody, nodes, n);
}

/* What stands behind the node itself and, as it is, under one of its peers; but of prefixes of
 * which the first `told` of what was found tell already. */
static int examine_own(struct search *s, size_t told, const struct node *node,
		       const struct record *r)
{
	struct arena scratch;
	struct config c;
	size_t i, j, k;
	struct err e;
	int ret;

	arena_init(&scratch);
	ret = expand(s->net, node, &scratch, &c, &e);
	for (i = 0; !ret && i < c.n_peers; i++)
		for (j = 0, k = 0; j < r->n_routes && k < c.peers[i].n_allowed_ips;) {
			const struct prefix *p = &c.peers[i].allowed_ips[k];
			int cmp = prefix_cmp(&r->routes[j], p);
			bool swap = strcmp(node->name, c.peers[i].name) > 0;
			struct prefix_conflict own = { *p, swap ? c.peers[i].name : node->name,
						       swap ? node->name : c.peers[i].name };

			if (!cmp && s->n_found < MAX_DIAGS && !known_prefix(s->found, told, p) &&
			    !known(s->found, s->n_found, &own))
				s->found[s->n_found++] = (struct found){ .c = own };
			j += cmp <= 0;
			k += cmp >= 0;
		}
	arena_release(&scratch);
	/* Only a node that has no other conflict can be expanded: that one was told. */
	return s->n_found ? 0 : ret;
}

void conflict_check(const struct m_network *m, const struct network *n, struct arena *a,
		    struct diag *d)
{
	const struct node **nodes = arena_array(a, n->n_nodes, sizeof(*nodes));
	struct search s = { .net = n, .diag = d, .model = m };
	size_t i, from, told;
	bool shared;

	if (!nodes || any_shared_prefix(n, a, &shared) < 0) {
		d->nomem = true;
		diag_error(d, m->pos, "out of memory");
		return;
	}
	for (i = 0; i < n->n_nodes; i++)
		nodes[i] = &n->nodes[i];
	if (n->n_nodes > 1)
		qsort(nodes, n->n_nodes, sizeof(*nodes), cmp_views);
	for (from = 0; from < n->n_nodes && s.n_found < MAX_DIAGS; from = i) {
		for (i = from + 1; i < n->n_nodes && !cmp_views(&nodes[from], &nodes[i]); i++)
			;
		if (!shared && only_direct(nodes[from]))
			continue;
		if (examine_view(&s, &nodes[from], i - from) < 0)
			return;
	}
	told = s.n_found;
	for (i = 0; shared && i < n->n_nodes && s.n_found < MAX_DIAGS; i++) {
		const struct record *r = network_record(n, n->nodes[i].name);

		if (r->n_routes && examine_own(&s, told, &n->nodes[i], r) < 0) {
			d->nomem = true;
			diag_error(d, m->pos, "out of memory");
			return;
		}
	}
	for (i = 0; i < s.n_found; i++)
		report(m, n, d, &s.found[i]);
}
