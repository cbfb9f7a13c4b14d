/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_clients.h"

#define GROUP_PREFIX "#clients."

int holders_make(const struct m_network *m, struct arena *a, struct holders *ret)
{
	size_t total = m->n_nodes + m->n_clients, i = 0, j = 0, k;
	uint32_t *node_at = arena_array(a, m->n_nodes, sizeof(*node_at));
	uint32_t *client_at = arena_array(a, m->n_clients, sizeof(*client_at));
	struct m_node *list = m->nodes;

	if (m->n_clients)
		list = arena_array(a, total, sizeof(*list));
	if (!node_at || !client_at || (!list && total))
		return -1;
	for (k = 0; k < total; k++) {
		if (j == m->n_clients ||
		    (i < m->n_nodes && strcmp(m->nodes[i].name, m->clients[j].node.name) < 0)) {
			if (m->n_clients)
				list[k] = m->nodes[i];
			node_at[i++] = (uint32_t)k;
		} else {
			list[k] = m->clients[j].node;
			client_at[j++] = (uint32_t)k;
		}
	}
	*ret = (struct holders){ .all = *m, .node_at = node_at, .client_at = client_at };
	ret->all.nodes = list;
	ret->all.n_nodes = total;
	return 0;
}

/* The clients of each gateway, which stay sorted by name. */
static int collect(struct gateways *g, struct arena *a)
{
	const struct m_network *m = g->m;
	uint32_t *counts = arena_array(a, m->n_nodes, sizeof(*counts)), *of;
	const char **names = arena_array(a, m->n_clients, sizeof(*names));
	size_t i, used = 0;

	g->list = arena_array(a, m->n_nodes < m->n_clients ? m->n_nodes : m->n_clients,
			      sizeof(*g->list));
	of = arena_array(a, m->n_nodes, sizeof(*of));
	if (!counts || !names || !g->list || !of)
		return -1;
	for (i = 0; i < m->n_clients; i++) {
		const struct m_node *node = m_network_node(m, m->clients[i].gateway.s);

		if (node)
			counts[node - m->nodes]++;
	}
	for (i = 0; i < m->n_nodes; i++) {
		size_t len = strlen(m->nodes[i].name);
		char *name;

		if (!counts[i])
			continue;
		name = arena_alloc(a, sizeof(GROUP_PREFIX) + len);
		if (!name)
			return -1;
		memcpy(name, GROUP_PREFIX, sizeof(GROUP_PREFIX) - 1);
		memcpy(name + sizeof(GROUP_PREFIX) - 1, m->nodes[i].name, len + 1);
		of[i] = (uint32_t)g->n;
		g->list[g->n++] =
			(struct gateway){ .node = (uint32_t)i,
					  .clients = { .name = name, .members = &names[used] } };
		used += counts[i];
	}
	for (i = 0; i < m->n_clients; i++) {
		const struct m_node *node = m_network_node(m, m->clients[i].gateway.s);
		struct group *clients;

		if (!node)
			continue;
		clients = &g->list[of[node - m->nodes]].clients;
		/* Into the part of `names` that was set apart above. */
		names[(size_t)(clients->members - names) + clients->n_members++] =
			m->clients[i].node.name;
	}
	return 0;
}

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct gateway_group *)a)->name,
		      ((const struct gateway_group *)b)->name);
}

static const struct gateway_group *find_group(const struct gateways *g, const char *name)
{
	size_t low = 0, high = g->n_groups;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(name, g->groups[mid].name);

		if (!c)
			return &g->groups[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

int gateways_make(const struct m_network *m, const struct group *groups, size_t n_groups,
		  struct arena *a, struct gateways *ret)
{
	struct gateways g = { .m = m };
	size_t i, j;

	if (collect(&g, a) < 0)
		return -1;
	g.groups = arena_array(a, n_groups, sizeof(*g.groups));
	if (!g.groups)
		return -1;
	for (i = 0; g.n && i < n_groups; i++) {
		uint32_t *in = NULL;
		size_t n = 0;

		for (j = 0; j < g.n; j++) {
			if (!group_has(&groups[i], m->nodes[g.list[j].node].name))
				continue;
			if (!in)
				in = arena_array(a, g.n - j, sizeof(*in));
			if (!in)
				return -1;
			in[n++] = (uint32_t)j;
		}
		if (n)
			g.groups[g.n_groups++] = (struct gateway_group){ groups[i].name, in, n };
	}
	if (g.n_groups > 1)
		qsort(g.groups, g.n_groups, sizeof(*g.groups), cmp_groups);
	*ret = g;
	return 0;
}

/* The gateway of this name: g->n when the node is none. */
static size_t find_gateway(const struct gateways *g, const char *name)
{
	size_t low = 0, high = g->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(name, g->m->nodes[g->list[mid].node].name);

		if (!c)
			return mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return g->n;
}

static void mark_joined(const struct gateways *g, const char *target, bool *joined)
{
	const struct gateway_group *group;
	size_t i;

	if (!strcmp(target, GROUP_ALL)) {
		memset(joined, true, g->n);
	} else if (!target_is_group(target)) {
		i = find_gateway(g, target);
		if (i < g->n)
			joined[i] = true;
	} else {
		group = find_group(g, target);
		for (i = 0; group && i < group->n; i++)
			joined[group->gateways[i]] = true;
	}
}

int gateways_links(const struct gateways *g, uint32_t node, const struct link *links, size_t n,
		   struct arena *a, struct link **ret, size_t *ret_n)
{
	bool *joined = arena_array(a, g->n, sizeof(*joined));
	struct link *list;
	size_t i, wanted = 0, k = 0;

	if (!joined)
		return -1;
	for (i = 0; g->n && i < n; i++)
		if (links[i].kind == LINK_DIRECT)
			mark_joined(g, links[i].target, joined);
	for (i = 0; i < g->n; i++)
		wanted += joined[i] || g->list[i].node == node;
	list = arena_array(a, wanted, sizeof(*list));
	if (!list)
		return -1;
	for (i = 0; i < g->n; i++) {
		const struct gateway *gw = &g->list[i];

		if (gw->node == node)
			list[k++] =
				(struct link){ .kind = LINK_DIRECT, .target = gw->clients.name };
		else if (joined[i])
			list[k++] = (struct link){ .kind = LINK_THROUGH,
						   .target = gw->clients.name,
						   .via = g->m->nodes[gw->node].name };
	}
	*ret = list;
	*ret_n = k;
	return 0;
}
