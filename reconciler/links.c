/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links_impl.h"

#include "common/limits.h"
#include "publication/routed.h"

void *links_get(struct link_maker *x, size_t n, size_t size)
{
	void *p = arena_array(x->arena, n, size);

	if (!p)
		x->nomem = true;
	return p;
}

/* What was used before and is nobody's now. */
static void collect_spare(struct link_maker *x)
{
	size_t i, j;

	x->spare = links_get(x, x->old->n_routed, sizeof(*x->spare));
	x->spare_transfer = links_get(x, x->old->n_routed, sizeof(*x->spare_transfer));
	for (i = 0; !x->nomem && i < x->old->n_routed; i++) {
		struct routed_link l = x->old->routed[i];
		struct prefix *transfer;

		if (links_pair(x, l.name[0], l.name[1]))
			continue;
		transfer = links_get(x, l.n_transfer, sizeof(*transfer));
		if (!transfer)
			return;
		for (j = 0; j < l.n_transfer; j++)
			if (prefix_cmp(&l.transfer[j], &routed_link_local))
				transfer[j] = l.transfer[j];
		if (!l.freed)
			l.freed = x->serial;
		l.end[0].interface.s[0] = l.end[1].interface.s[0] = '\0';
		x->spare_transfer[x->n_spare] = transfer;
		x->spare[x->n_spare++] = l;
	}
}

/* Gives a link what it had. */
static void keep(struct link_maker *x, size_t i)
{
	struct routed_link *l = &x->links[i];
	const struct routed_link *was;
	unsigned int end;

	x->transfer[i] = links_get(x, x->m->routed.n_transfer + 1, sizeof(**x->transfer));
	if (!x->transfer[i])
		return;
	for (end = 0; end < 2; end++)
		l->name[end] = links_node(x, &x->pairs[i], end)->name;
	was = network_routed(x->old, l->name[0], l->name[1]);
	if (!was)
		return;
	links_transfer_keep(x, was, x->transfer[i]);
	for (end = 0; end < 2; end++) {
		if (links_port_holds(x, was->end[end].port))
			l->end[end].port = was->end[end].port;
		if (links_name_holds(x, &was->end[end].interface, l->name[!end]))
			l->end[end].interface = was->end[end].interface;
	}
}

/* A router's loopback address is in no network. */
static void host_addresses(struct link_maker *x, struct node *n)
{
	struct ifaddr *list = links_get(x, n->n_addresses, sizeof(*list));
	size_t i;

	for (i = 0; list && i < n->n_addresses; i++) {
		list[i] = n->addresses[i];
		list[i].len = (uint8_t)family_bits(list[i].addr.family);
	}
	if (list)
		n->addresses = list;
}

/* Whether the node has a peer on its main interface. */
static bool has_peer(const struct network *n, const struct node *node)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < node->n_links && node->links[i].kind == LINK_DIRECT; i++) {
		const char *target = node->links[i].target;

		if (!target_is_group(target))
			return true;
		if (!strcmp(target, GROUP_ALL)) {
			if (n->n_nodes > 1)
				return true;
			continue;
		}
		g = network_group(n, target);
		if (g && (g->n_members > 1 || strcmp(g->members[0], node->name) != 0))
			return true;
	}
	return false;
}

static void change_nodes(struct link_maker *x, const struct network *network)
{
	bool *linked = links_get(x, x->m->n_nodes, sizeof(*linked));
	size_t i;

	for (i = 0; linked && i < 2 * x->n; i++)
		linked[x->pairs[i / 2].node[i % 2]] = true;
	for (i = 0; linked && i < x->m->n_nodes; i++) {
		struct node *n = &x->nodes[i];

		if (!linked[i])
			continue;
		n->flags |= NODE_FORWARD;
		if (!has_peer(network, n))
			host_addresses(x, n);
	}
}

/* What is left of a spare line; false: nothing. */
static bool fill_spare(struct link_maker *x, size_t i)
{
	struct routed_link *l = &x->spare[i];
	struct prefix *list = x->spare_transfer[i];
	size_t j, n = 0;

	for (j = 0; j < l->n_transfer; j++)
		if (list[j].len)
			list[n++] = list[j];
	l->transfer = list;
	l->n_transfer = n;
	return n || l->end[0].port || l->end[1].port;
}

static int cmp_latest(const void *pa, const void *pb)
{
	const struct routed_link *a = pa, *b = pb;

	return a->freed > b->freed ? -1 : a->freed < b->freed ? 1 : routed_link_cmp(a, b);
}

static int cmp_lines(const void *a, const void *b)
{
	return routed_link_cmp(a, b);
}

static void fill_table(struct link_maker *x, struct network *ret)
{
	struct routed_link *all = links_get(x, x->n + x->n_spare, sizeof(*all));
	size_t i, n = 0;

	if (!all)
		return;
	for (i = 0; i < x->n_spare; i++)
		if (fill_spare(x, i))
			all[n++] = x->spare[i];
	/* Past the limit the oldest are forgotten. */
	if (n > MAX_ROUTED_LINES - x->n) {
		qsort(all, n, sizeof(*all), cmp_latest);
		n = MAX_ROUTED_LINES - x->n;
	}
	for (i = 0; i < x->n; i++)
		all[n++] = x->links[i];
	if (n > 1)
		qsort(all, n, sizeof(*all), cmp_lines);
	ret->routed = all;
	ret->n_routed = n;
}

static void make(struct link_maker *x, struct network *ret)
{
	size_t i, errors = x->diag->errors;

	if (!links_pairs(x))
		return;
	links_pairs_check(x);
	collect_spare(x);
	x->links = links_get(x, x->n, sizeof(*x->links));
	x->transfer = links_get(x, x->n, sizeof(*x->transfer));
	for (i = 0; !x->nomem && i < x->n; i++)
		keep(x, i);
	if (x->nomem || x->diag->errors != errors)
		return;
	links_ports(x);
	links_transfer(x);
	if (x->nomem)
		return;
	links_names(x);
	change_nodes(x, ret);
	fill_table(x, ret);
}

int links_make(const struct m_network *m, const struct viewpoints *views,
	       const struct joined *entries, size_t n_entries, const struct network *published,
	       uint64_t serial, struct node *nodes, struct arena *a, struct diag *d,
	       struct network *ret)
{
	static const struct network nothing;
	struct link_maker x = {
		.m = m,
		.views = views,
		.entries = entries,
		.n_entries = n_entries,
		.old = published ? published : &nothing,
		.serial = serial,
		.nodes = nodes,
		.arena = a,
		.diag = d,
	};

	if (n_entries || x.old->n_routed)
		make(&x, ret);
	return x.nomem ? -1 : 0;
}
