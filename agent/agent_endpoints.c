/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include "common/os_time.h"

static bool has_names(const struct peer *peers, size_t n)
{
	struct sock_endpoint literal;
	size_t i;

	for (i = 0; i < n; i++)
		if (peers[i].endpoint.host && resolve_literal(&peers[i].endpoint, &literal) < 0)
			return true;
	return false;
}

static int cmp_key_to_peer(const void *key, const void *peer)
{
	return wgkey_cmp(key, &((const struct observed_peer *)peer)->key);
}

/*
 * Whose name must be looked up now: the endpoint of a live session is only set for a new
 * declaration (see diff.h), so asking the resolver for all of those at each poll would be for
 * nothing.
 */
static int names_wanted(struct agent *a, const struct config *c, const struct config *previous,
			const struct ifname *name, struct arena *arena, bool *wanted, struct err *e)
{
	struct observed o;
	size_t i;

	if (!has_names(c->peers, c->n_peers))
		return 0;
	if (a->kern->ops->observe(a->kern, name, arena, &o, e) < 0)
		return -1;
	for (i = 0; i < c->n_peers; i++) {
		const struct peer *p = &c->peers[i],
				  *old = previous ? config_peer(previous, &p->key) : NULL;
		const struct observed_peer *seen =
			o.n_peers ? bsearch(&p->key, o.peers, o.n_peers, sizeof(*o.peers),
					    cmp_key_to_peer) :
				    NULL;

		wanted[i] = !seen || !seen->endpoint.family || !old ||
			    !endpoint_equal(&old->endpoint, &p->endpoint) ||
			    !session_lives(seen, os_now());
	}
	return 0;
}

/* The links of what was in force that go by this name. */
static const struct config *previous_link(const struct config *previous, const struct ifname *name)
{
	size_t i;

	for (i = 0; previous && i < previous->n_links; i++)
		if (!strcmp(previous->links[i].node->interface.s, name->s))
			return &previous->links[i];
	return NULL;
}

int agent_resolve(struct agent *a, const struct config *previous, int64_t resolve_ms,
		  struct convergence *c, struct sock_endpoint **ret, struct err *e)
{
	const struct config *config = &a->current->config;
	size_t n = config->n_peers + config->n_links, i;
	struct peer *peers = arena_array(&c->arena, n, sizeof(*peers));
	bool *wanted = arena_array(&c->arena, n, sizeof(*wanted));
	struct config all = { .peers = peers, .n_peers = n };

	if (!peers || !wanted)
		return err_nomem(e);
	if (!a->resolver) {
		a->resolver = resolver_new(e);
		if (!a->resolver)
			return -1;
	}
	if (config->n_peers)
		memcpy(peers, config->peers, config->n_peers * sizeof(*peers));
	if (names_wanted(a, config, previous, &c->interface, &c->arena, wanted, e) < 0)
		return -1;
	for (i = 0; i < config->n_links; i++) {
		const struct config *link = &config->links[i];
		const struct ifname *name = &link->node->interface;

		peers[config->n_peers + i] = link->peers[0];
		/* One that cannot be read holds up no other. */
		if (names_wanted(a, link, previous_link(previous, name), name, &c->arena,
				 &wanted[config->n_peers + i], NULL) < 0)
			wanted[config->n_peers + i] = true;
	}
	return resolve_peers(a->resolver, &all, wanted, resolve_ms, &c->arena, ret, &c->unresolved,
			     &c->n_unresolved, e);
}
