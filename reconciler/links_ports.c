/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links_impl.h"

#include "common/limits.h"

/* A port that a link has, or one that is gone had. */
struct port_use {
	uint32_t node;
	uint16_t port;
	bool reused;
	unsigned int end;
	size_t line; /* in links, or in spare when it was freed */
	uint64_t freed; /* 0: in use */
};

static uint16_t first_port(const struct m_network *m)
{
	return m->routed.ports.set ? m->routed.ports.first : DEFAULT_LINK_PORTS_FIRST;
}

static uint16_t last_port(const struct m_network *m)
{
	return m->routed.ports.set ? m->routed.ports.last : DEFAULT_LINK_PORTS_LAST;
}

bool links_port_holds(const struct link_maker *x, uint16_t port)
{
	return port >= first_port(x->m) && port <= last_port(x->m);
}

static int cmp_uses(const void *pa, const void *pb)
{
	const struct port_use *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->freed != b->freed)
		return a->freed < b->freed ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static struct port_use *find_uses(struct link_maker *x, size_t *ret_n)
{
	struct port_use *list = links_get(x, 2 * (x->n + x->n_spare), sizeof(*list));
	size_t i, n = 0;

	for (i = 0; list && i < 2 * x->n; i++) {
		const struct routed_end *e = &x->links[i / 2].end[i % 2];

		if (e->port)
			list[n++] = (struct port_use){ .node = x->pairs[i / 2].node[i % 2],
						       .port = e->port,
						       .line = i / 2,
						       .end = i % 2 };
	}
	for (i = 0; list && i < 2 * x->n_spare; i++) {
		const struct routed_link *l = &x->spare[i / 2];
		const struct m_node *node = m_network_node(x->m, l->name[i % 2]);

		if (node && l->end[i % 2].port)
			list[n++] = (struct port_use){ .node = (uint32_t)(node - x->m->nodes),
						       .port = l->end[i % 2].port,
						       .freed = l->freed,
						       .line = i / 2,
						       .end = i % 2 };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_uses);
	*ret_n = n;
	return list;
}

/* The ports of one node while they are handed out. */
struct port_cursor {
	size_t first, n; /* its uses */
	size_t at;
	uint32_t next;
	bool told;
};

static uint16_t next_port(const struct link_maker *x, struct port_cursor *c,
			  const struct port_use *uses)
{
	while (c->next <= last_port(x->m)) {
		uint16_t port = (uint16_t)c->next++;

		while (c->at < c->n && uses[c->first + c->at].port < port)
			c->at++;
		if (c->at == c->n || uses[c->first + c->at].port != port)
			return port;
	}
	return 0;
}

static uint16_t oldest_port(const struct link_maker *x, const struct port_cursor *c,
			    struct port_use *uses)
{
	struct port_use *best = NULL;
	size_t i;

	for (i = c->first; i < c->first + c->n; i++) {
		struct port_use *u = &uses[i];

		/* The same port may be in use, and have been freed twice. */
		if (!u->freed || u->reused || (i > c->first && u[-1].port == u->port) ||
		    !links_port_holds(x, u->port))
			continue;
		if (!best || u->freed < best->freed)
			best = u;
	}
	if (!best)
		return 0;
	for (i = c->first; i < c->first + c->n; i++)
		if (uses[i].freed && uses[i].port == best->port) {
			uses[i].reused = true;
			x->spare[uses[i].line].end[uses[i].end].port = 0;
		}
	return best->port;
}

static void hand_out_port(struct link_maker *x, size_t i, unsigned int end, struct port_cursor *c,
			  struct port_use *uses)
{
	uint16_t port = next_port(x, c, uses);

	if (!port)
		port = oldest_port(x, c, uses);
	x->links[i].end[end].port = port;
	if (port || c->told)
		return;
	c->told = true;
	diag_help(x->diag,
		  diag_error(x->diag,
			     x->m->routed.ports.set ? x->m->routed.ports.pos :
						      x->entries[x->pairs[i].entry].pos,
			     "no port is left for the routed links of node `%s`",
			     links_node(x, &x->pairs[i], end)->name),
		  "widen `ports` of `routed_links`: a node needs one for each of its links");
}

void links_ports(struct link_maker *x)
{
	struct port_cursor *cursors = links_get(x, x->m->n_nodes, sizeof(*cursors));
	size_t n = 0, i;
	struct port_use *uses = find_uses(x, &n);

	for (i = 0; !x->nomem && i < x->m->n_nodes; i++)
		cursors[i].next = first_port(x->m);
	for (i = 0; !x->nomem && i < n; i++) {
		struct port_cursor *c = &cursors[uses[i].node];

		if (!c->n++)
			c->first = i;
		/* No publication of ours says so. */
		if (!uses[i].freed && i && !uses[i - 1].freed && uses[i].node == uses[i - 1].node &&
		    uses[i].port == uses[i - 1].port)
			x->links[uses[i].line].end[uses[i].end].port = 0;
	}
	for (i = 0; !x->nomem && i < 2 * x->n; i++)
		if (!x->links[i / 2].end[i % 2].port)
			hand_out_port(x, i / 2, i % 2, &cursors[x->pairs[i / 2].node[i % 2]], uses);
}
