/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

#include "common/limits.h"
#include "reconciler/conflict.h"
#include "reconciler/exit.h"
#include "reconciler/policy.h"

/* A list of links this long is freed of repetitions before it grows. */
#define LINKS_BEFORE_DEDUP 64

void *compiler_get(struct compiler *c, size_t n, size_t size)
{
	void *p = arena_array(c->arena, n, size);

	if (!p)
		c->nomem = true;
	return p;
}

const struct group *compiler_group(const struct compiler *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_groups; i++)
		if (!strcmp(c->groups[i].name, name))
			return &c->groups[i];
	return NULL;
}

void compiler_put_group(struct compiler *c, struct group g)
{
	struct group *groups = arena_grow(c->arena, c->groups, c->n_groups, sizeof(*groups));

	if (!groups) {
		c->nomem = true;
		return;
	}
	c->groups = groups;
	groups[c->n_groups++] = g;
}

/* Room for one link more. Entries that say the same again are common: what they repeat is dropped
 * before it can fill the memory. */
static bool make_room(struct compiler *c, size_t node)
{
	struct link_set *l = &c->links[node];

	if (l->n < l->cap)
		return true;
	if (l->n >= LINKS_BEFORE_DEDUP)
		link_set_unique(l);
	if (l->cap && l->n <= l->cap / 2)
		return true;
	c->too_many[node] = l->n > MAX_LINKS;
	if (c->too_many[node])
		return false;
	if (link_set_grow(l, c->arena) < 0)
		c->nomem = true;
	return !c->nomem;
}

void compiler_put_link(struct compiler *c, size_t node, struct link link)
{
	struct link_set *l = &c->links[node];

	if (c->too_many[node])
		return;
	/* Nobody is its own peer. */
	if ((link.kind == LINK_DIRECT || link.kind == LINK_ALIVE || link.kind == LINK_ROUTES ||
	     link.kind == LINK_ROUTED) &&
	    !strcmp(link.target, c->m->nodes[node].name))
		return;
	if (make_room(c, node))
		l->list[l->n++] = link;
}

/* What can be told only when it is known who is joined with whom. */
static void compile_pairs(struct compiler *c)
{
	struct relays r;
	size_t i;

	for (i = 0; i < c->m->n_nodes; i++)
		link_set_unique(&c->links[i]);
	if (c->nomem ||
	    relays_find(c->m, &c->views, c->links, c->groups, c->n_groups, c->arena, &r) < 0) {
		c->nomem = true;
		return;
	}
	compile_meet(c, &r);
	if (transit_check(c->m, c->transits, c->n_transits, &r, c->arena, c->diag, c->forward) < 0)
		c->nomem = true;
	if (r.n && !c->nomem &&
	    relays_apply(&r, c->links, c->forward, &c->groups, &c->n_groups) < 0)
		c->nomem = true;
}

/* After the relays, who make all groups anew. */
static void compile_clients(struct compiler *c)
{
	size_t i;

	if (gateways_make(c->m, c->arena, &c->gateways, &c->n_gateways) < 0)
		c->nomem = true;
	for (i = 0; i < c->n_gateways && !c->nomem; i++) {
		const struct gateway *g = &c->gateways[i];

		compiler_put_group(c, g->clients);
		c->forward[g->node] = true;
		compiler_put_link(c, g->node,
				  (struct link){ .kind = LINK_DIRECT, .target = g->clients.name });
	}
}

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

static void fill_pools(struct compiler *c)
{
	size_t i;

	c->pools = compiler_get(c, c->m->n_pools, sizeof(*c->pools));
	for (i = 0; c->pools && i < c->m->n_pools; i++)
		c->pools[i] = c->m->pools[i].prefix;
	c->n_pools = c->pools ? prefix_canonical(c->pools, c->m->n_pools) : 0;
}

static void make_links(struct compiler *c)
{
	if (c->m->n_nodes)
		compile_topology(c);
	if (!c->nomem && c->m->n_nodes)
		compile_pairs(c);
	if (!c->nomem)
		compile_clients(c);
	if (!c->nomem)
		compile_sites(c);
}

static void make_documents(struct compiler *c, const struct holders *h, const struct allocation *al,
			   struct record *records, struct node *nodes)
{
	size_t i;

	for (i = 0; i < c->m->n_nodes && !c->nomem; i++) {
		uint32_t at = h->node_at[i];

		compile_record(c, &c->m->nodes[i], &al[at], &records[at]);
		compile_node(c, i, &al[at], &nodes[i]);
	}
	for (i = 0; i < c->m->n_clients && !c->nomem; i++) {
		uint32_t at = h->client_at[i];

		compile_record(c, &c->m->clients[i].node, &al[at], &records[at]);
		records[at].gateway = c->m->clients[i].gateway.s;
		if (client_settings_make(c->m, &c->m->clients[i], nodes, c->arena,
					 &records[at].settings) < 0)
			c->nomem = true;
	}
	for (i = 0; i < c->n_gateways && !c->nomem; i++)
		records[h->node_at[c->gateways[i].node]].clients = true;
}

int compile(const struct m_network *m, const struct network *published, uint64_t serial,
	    struct arena *a, struct diag *d, struct network *ret)
{
	struct compiler c = { .m = m, .arena = a, .diag = d };
	struct network n = { .name = m->name, .n_nodes = m->n_nodes };
	struct holders holders = { .all = { .name = NULL } };
	struct allocation *al = compiler_get(&c, m->n_nodes + m->n_clients, sizeof(*al));
	struct record *records = compiler_get(&c, m->n_nodes + m->n_clients, sizeof(*records));
	struct node *nodes = compiler_get(&c, m->n_nodes, sizeof(*nodes));
	size_t errors = d->errors;

	c.links = compiler_get(&c, m->n_nodes, sizeof(*c.links));
	c.too_many = compiler_get(&c, m->n_nodes, sizeof(*c.too_many));
	c.forward = compiler_get(&c, m->n_nodes, sizeof(*c.forward));
	fill_pools(&c);
	compile_selectors(&c);
	c.is_exit = exits_find(m, a);
	if (!c.is_exit || order_make(m, a, d, &c.order) < 0 || holders_make(m, a, &holders) < 0)
		c.nomem = true;
	if (!c.nomem && allocate(&holders.all, published, serial, a, d, al, &n) < 0)
		return -1;
	c.nomem |= viewpoints_find(m, a, &c.views) < 0 || sites_find(m, a, &c.sites) < 0;
	if (!c.nomem)
		make_links(&c);
	make_documents(&c, &holders, al, records, nodes);
	n.records = records;
	n.n_records = m->n_nodes + m->n_clients;
	if (!c.nomem && policy_compile(m, a, d, &n, nodes, &c.groups, &c.n_groups) < 0)
		c.nomem = true;
	if (c.n_groups > 1)
		qsort(c.groups, c.n_groups, sizeof(*c.groups), cmp_groups);
	n.groups = c.groups;
	n.n_groups = c.n_groups;
	if (!c.nomem &&
	    links_make(m, &c.views, c.routed, c.n_routed, published, serial, nodes, a, d, &n) < 0)
		c.nomem = true;
	n.nodes = nodes;
	if (c.nomem || exits_check(m, &n, c.transits, c.n_transits, a, d) < 0) {
		d->nomem = true;
		diag_error(d, m->pos, "out of memory");
		return -1;
	}
	if (d->errors == errors)
		conflict_check(m, &n, a, d);
	if (d->errors == errors)
		order_check(&c.order, &n, d);
	if (d->errors != errors)
		return -1;
	*ret = n;
	return 0;
}
