/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of schema/check.h share, and nobody else sees. Each function tells what it finds
 * in c->d; the order of their calls is that of schema_check.
 */
#ifndef SCHEMA_CHECK_IMPL_H
#define SCHEMA_CHECK_IMPL_H

#include "common/arena.h"
#include "common/diag.h"
#include "schema/model.h"

struct tagged {
	const char *tag;
	size_t node;
};

/* A network behind a node, or behind whoever leads a site. */
struct behind {
	const struct m_route *route;
	const struct m_node *node; /* NULL: a site's */
	const struct m_site *site; /* NULL: a node's */
};

struct check {
	const struct m_network *n;
	struct arena *scratch;
	struct diag *d;
	struct tagged *tags; /* sorted by tag, then node; made by check_index_tags */
	size_t n_tags;
	const char **tag_names; /* without repetition */
	size_t n_tag_names;
	struct behind *behind; /* sorted by prefix, then name; made by check_routes */
	size_t n_behind;
	bool lengths[2][129]; /* which lengths they have, per family */
	const char **names; /* of all nodes, made when first needed */
	unsigned int suggestions;
};

/* schema/check.c */

/* n * size zeroed bytes that live as long as the check; NULL: out of memory, which is noted. */
void *check_array(struct check *c, size_t n, size_t size);
/* Who has a key and addresses: the nodes, then the clients. */
size_t check_n_holders(const struct m_network *n);
const struct m_node *check_holder(const struct m_network *n, size_t i);
/* Counts a suggestion; false when there were enough. */
bool check_may_suggest(struct check *c);
/* The node that was probably meant, or NULL. */
const char *check_suggest_node(struct check *c, const char *name);
/* The error of a name that is no node's. */
void check_unknown_node(struct check *c, const char *name, struct pos pos);

/* schema/check_special.c: what addresses for a purpose of their own these are, or NULL. */

/* That the prefix overlaps with. */
const char *check_special(const struct prefix *p);
/* That the prefix is inside of. */
const char *check_inside_special(const struct prefix *p);
/* That the address is one of, other than loopback. */
const char *check_special_address(const struct ipaddr *a);

/* schema/check_pools.c: pools that overlap or hold special addresses, what is reserved outside of
 * them, an MTU below 1280 with an IPv6 pool. */
void check_pools(struct check *c);
void check_reserved(struct check *c);
void check_mtu(struct check *c);

/* Weak keys; one key of two. */
void check_keys(struct check *c);

/* Addresses outside of the pools or at their edges, one address or prefix of two. */
void check_addresses(struct check *c);

/*
 * Routes of nodes and of sites: to everything, of special addresses, inside a pool, inside a
 * masqueraded one of the same owner, of a site and of somebody else too.
 */
void check_routes(struct check *c);
/* The longest of them that holds the address; after check_routes. */
const struct behind *check_find_route(const struct check *c, const struct ipaddr *a);
const char *check_owner(const struct behind *b);

/* Endpoints inside pools, routes or special addresses; one endpoint of two. */
void check_endpoints(struct check *c);

/* schema/check_ways.c: nodes that cannot be the way to others. */
void check_relays(struct check *c);
void check_exits(struct check *c);

/* Name servers that are none; names that cannot stand before the domain; `dns` without one. */
void check_names(struct check *c);

/* schema/check_selectors.c: selectors that name no node or tag, and what they are in. The index is
 * made before the others are called; -1: out of memory. */
int check_index_tags(struct check *c);
void check_viewpoints(struct check *c);
void check_topology(struct check *c);
void check_policy(struct check *c);

/*
 * Rules of `sites` that need more than one value: sites and leaders that are not there (with
 * did-you-mean), leaders that are elsewhere, what only nodes that others reach directly can be (a
 * relay, the gateway of a client), a node's endpoint inside the networks of its own site.
 */
void check_sites(struct check *c);

/*
 * Rules of `clients` that need more than one value: a name that is a node's too (both places), a
 * gateway that is no node (with did-you-mean) or that nobody can reach first, a gateway's endpoint
 * among the addresses that its client sends into the tunnel, more nodes and clients than a network
 * holds. Keys, addresses and MTU are checked with those of the nodes.
 */
void check_clients(struct check *c);

/* What `routed_links` and `interface_per_link` say, against each other and against the rest of the
 * network. */
void check_routed_links(struct check *c);

#endif
