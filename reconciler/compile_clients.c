/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_clients.h"

#include "reconciler/client_config.h"

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

static int make_allowed_ips(const struct m_network *m, const struct m_client *c,
			    const struct node *gateway, struct arena *a,
			    struct client_settings *ret)
{
	const struct m_prefix *from = c->n_allowed_ips ? c->allowed_ips : m->pools;
	size_t n = c->n_allowed_ips ? c->n_allowed_ips : m->n_pools, n_default, i;
	struct prefix *list = arena_array(a, n, sizeof(*list));
	const struct prefix *as_default;

	if (!list || client_allowed_ips(gateway, a, &as_default, &n_default) < 0)
		return -1;
	for (i = 0; i < n; i++)
		list[i] = from[i].prefix;
	n = prefix_canonical(list, n);
	for (i = 0; i < n && n == n_default && !prefix_cmp(&list[i], &as_default[i]); i++)
		;
	if (i < n || n != n_default) {
		ret->allowed_ips = list;
		ret->n_allowed_ips = n;
	}
	return 0;
}

static int make_dns(const struct m_client *c, struct arena *a, struct client_settings *ret)
{
	const char **list = arena_array(a, c->n_dns, sizeof(*list));
	char text[IPADDR_STRLEN];
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < c->n_dns; i++) {
		const struct m_dns *d = &c->dns[i];

		list[i] = d->domain ? d->domain : arena_strdup(a, ipaddr_print(&d->addr, text));
		if (!list[i])
			return -1;
	}
	ret->dns = list;
	ret->n_dns = c->n_dns;
	return 0;
}

int client_settings_make(const struct m_network *m, const struct m_client *c,
			 const struct node *nodes, struct arena *a,
			 const struct client_settings **ret)
{
	const struct node *gateway = &nodes[m_network_node(m, c->gateway.s) - m->nodes];
	struct client_settings x = { .keepalive = DEFAULT_CLIENT_KEEPALIVE }, *own;

	if (make_allowed_ips(m, c, gateway, a, &x) < 0 || make_dns(c, a, &x) < 0)
		return -1;
	x.mtu = (uint16_t)(c->node.mtu.set ? c->node.mtu.v : m->mtu.set ? m->mtu.v : 0);
	if (c->node.persistent_keepalive.set)
		x.keepalive = (uint16_t)c->node.persistent_keepalive.v;
	else if (m->persistent_keepalive.set)
		x.keepalive = (uint16_t)m->persistent_keepalive.v;
	own = client_settings_default(&x) ? NULL : arena_alloc(a, sizeof(*own));
	if (!own && !client_settings_default(&x))
		return -1;
	if (own)
		*own = x;
	*ret = own;
	return 0;
}
