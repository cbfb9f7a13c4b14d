/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expansion: from a node document to the node's complete WireGuard configuration. The one
 * function that `render`, `plan` and the agent all call, so that what a person was shown is what
 * the node does.
 */
#ifndef PUBLICATION_EXPAND_H
#define PUBLICATION_EXPAND_H

#include "common/arena.h"
#include "common/err.h"
#include "publication/network.h"
#include "publication/policy.h"

struct peer {
	const char *name;
	struct wgkey key;
	const struct prefix
		*allowed_ips; /* canonical, but that of an exit 0.0.0.0/0 and ::/0 stand beside
				 the rest; no prefix stands under two peers of one config */
	size_t n_allowed_ips;
	struct endpoint endpoint; /* host NULL: none */
	uint16_t keepalive; /* seconds; 0: none */
};

struct config {
	const char *network; /* the network's name */
	const struct node *node; /* interface, port, MTU, addresses: as in the document */
	const struct peer *peers; /* sorted by public key */
	size_t n_peers;
	/* The node's routed links, sorted by interface name: each a configuration of its own, with
	 * one peer that is allowed everything, and no routes. `node` in each is a copy with the
	 * settings of that interface. */
	const struct config *links;
	size_t n_links;
	bool routed; /* this is one of them */
	const struct prefix *routes; /* what the node's routing table needs for this interface:
					sorted, each once */
	size_t n_routes;
	struct policy policy; /* what the node lets in */
};

/*
 * Expands `node` (which need not be part of n->nodes). Pure and deterministic. The result lives in
 * `a` and points into `n` and `node`. Fails (ERR_INPUT) when a name is missing from `n`, when a
 * `via` is not joined directly, when one prefix would stand under two peers, or two interfaces of
 * the node would be the same by name or by port; with ERR_LIMIT past MAX_PEERS, MAX_ALLOWED_IPS or
 * MAX_NODE_ROUTED_LINKS; or as policy_expand does.
 *
 * Routes: every AllowedIP that no prefix of the interface's own addresses covers, as wg-quick does;
 * one inside another stays, since a route of some other interface may lie between the two. Left out
 * are those that the node stands by for: it has them behind it.
 * 0.0.0.0/0 and ::/0 are left out: a default route needs policy routing (publication/exit.h), not a
 * plain route.
 */
int expand(const struct network *n, const struct node *node, struct arena *a, struct config *ret,
	   struct err *e);

/* Marks in[i] for every record n->records[i] in the targets of this kind of links. */
int expand_members(const struct network *n, const struct node *node, enum link_kind kind,
		   struct arena *a, bool *in, struct err *e);

/* What the node says of keepalives towards each n->records[i], were it a peer. */
int expand_keepalives(const struct network *n, const struct node *node, struct arena *a,
		      uint16_t **ret, struct err *e);

/* A prefix that would stand under two peers. */
struct prefix_conflict {
	struct prefix prefix;
	const char *a, *b; /* names of the peers, a before b */
};

/*
 * Every conflict that makes expand refuse `node`, at most `max` of them, sorted by prefix; for the
 * compiler, which names the places. With `hidden`, also those that do no harm because the same peer
 * has a wider prefix: what could come to light at a node that lacks the wider one. Other errors of
 * expand are returned as there.
 */
int expand_conflicts(const struct network *n, const struct node *node, bool hidden, struct arena *a,
		     struct prefix_conflict *ret, size_t max, size_t *ret_n, struct err *e);

/* The peer of this key, or NULL. */
const struct peer *config_peer(const struct config *c, const struct wgkey *key);
bool peer_equal(const struct peer *a, const struct peer *b);

#endif
