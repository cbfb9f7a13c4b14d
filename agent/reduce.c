/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reduce.h"

static bool holds(const struct peer *p, const struct prefix *inner)
{
	size_t i;

	for (i = 0; i < p->n_allowed_ips; i++)
		if (prefix_contains(&p->allowed_ips[i], inner))
			return true;
	return false;
}

static int reduce_peer(const struct peer *old, const struct peer *new, bool is_exit,
		       struct arena *a, struct peer *ret)
{
	struct prefix *list = arena_array(a, old->n_allowed_ips, sizeof(*list));
	size_t i;

	if (!list)
		return -1;
	*ret = *old;
	ret->allowed_ips = list;
	ret->n_allowed_ips = 0;
	for (i = 0; i < old->n_allowed_ips; i++)
		if (holds(new, &old->allowed_ips[i]) || (is_exit && !old->allowed_ips[i].len))
			list[ret->n_allowed_ips++] = old->allowed_ips[i];
	return 0;
}

static bool leads_somewhere(const struct peer *peers, size_t n, const struct prefix *route)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (holds(&peers[i], route))
			return true;
	return false;
}

int config_reduce(const struct config *old, const struct config *new, struct arena *a,
		  struct config *ret)
{
	struct peer *peers = arena_array(a, old->n_peers, sizeof(*peers));
	struct prefix *routes = arena_array(a, old->n_routes, sizeof(*routes));
	size_t i, n = 0, n_routes = 0;

	if (!peers || !routes)
		return -1;
	for (i = 0; i < old->n_peers; i++) {
		const struct peer *p = config_peer(new, &old->peers[i].key);

		if (!p)
			continue;
		if (reduce_peer(&old->peers[i], p,
				old->node->exit && !strcmp(old->node->exit, p->name), a,
				&peers[n++]) < 0)
			return -1;
	}
	for (i = 0; i < old->n_routes; i++)
		if (leads_somewhere(peers, n, &old->routes[i]))
			routes[n_routes++] = old->routes[i];
	*ret = *old;
	ret->peers = peers;
	ret->n_peers = n;
	ret->routes = routes;
	ret->n_routes = n_routes;
	return 0;
}
