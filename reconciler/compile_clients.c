/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_clients.h"

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

static struct gateway make_gateway(size_t node, const char *name, const char **members,
				   struct arena *a)
{
	char text[MAX_GROUP_NAME + 1];

	return (struct gateway){ .node = (uint32_t)node,
				 .clients = { .name = arena_strdup(a, group_of_clients(name, text)),
					      .members = members } };
}

int gateways_make(const struct m_network *m, struct arena *a, struct gateway **ret, size_t *ret_n)
{
	/* Of each node: how many clients, then which gateway it is. */
	uint32_t *counts = arena_array(a, m->n_nodes, sizeof(*counts));
	const char **names = arena_array(a, m->n_clients, sizeof(*names));
	struct gateway *list = arena_array(a, m->n_nodes < m->n_clients ? m->n_nodes : m->n_clients,
					   sizeof(*list));
	size_t i, n = 0, used = 0;

	if (!counts || !names || !list)
		return -1;
	for (i = 0; i < m->n_clients; i++)
		counts[m_network_node(m, m->clients[i].gateway.s) - m->nodes]++;
	for (i = 0; i < m->n_nodes; i++) {
		size_t count = counts[i];

		if (!count)
			continue;
		counts[i] = (uint32_t)n;
		list[n] = make_gateway(i, m->nodes[i].name, &names[used], a);
		if (!list[n++].clients.name)
			return -1;
		used += count;
	}
	for (i = 0; i < m->n_clients; i++) {
		const struct m_node *node = m_network_node(m, m->clients[i].gateway.s);
		struct group *g = &list[counts[node - m->nodes]].clients;

		/* Into the part of `names` that was set apart above; they stay sorted. */
		names[(size_t)(g->members - names) + g->n_members++] = m->clients[i].node.name;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
