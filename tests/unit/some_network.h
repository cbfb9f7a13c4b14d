/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small random networks of mixed kinds: every topology, NAT, endpoints by viewpoint, relays, sites,
 * clients, exits, networks behind nodes and sites (none inside another or in a pool, some behind
 * several nodes in an order), parts of pools that nodes own, tags, and most with a policy. What a
 * network is like is a matter of its seed alone.
 */
#ifndef TESTS_UNIT_SOME_NETWORK_H
#define TESTS_UNIT_SOME_NETWORK_H

#include "common/arena.h"
#include "schema/model.h"
#include "tests/unit/dice.h"

#define SOME_MAX_NODES 10

/* NULL: out of memory. */
struct m_network *some_network(struct dice *d, struct arena *a);

enum some_kind {
	KIND_HUB, /* a star with transit */
	KIND_RELAY, /* a pair that goes through one */
	KIND_APART, /* a pair that is joined and cannot meet */
	KIND_VIEWPOINT, /* a pair that meets by an endpoint that not all see */
	KIND_SITE, /* a node behind a leader */
	KIND_SITE_BY_LEADER, /* which those at the site go through too */
	KIND_SITE_ROUTES,
	KIND_GATEWAY, /* a network behind a node or at a site */
	KIND_MASQUERADE,
	KIND_ORDER, /* one behind several nodes */
	KIND_PART, /* of a pool that a node owns */
	KIND_EXIT,
	KIND_EXIT_AT_SITE, /* of a node behind a leader */
	KIND_CLIENT,
	KIND_CLIENT_EXIT, /* its gateway is its exit */
	KIND_POLICY,
	N_KINDS
};

/* What is in the network. */
void some_kinds(const struct m_network *m, bool has[static N_KINDS]);

/* Other rules, or none, and perhaps other tags. -1: out of memory. */
int some_other_policy(struct dice *d, struct arena *a, struct m_network *m);
/* A side of a rule: names of the network's nodes and tags, and prefixes behind them. */
int some_parties(struct dice *d, struct arena *a, const struct m_network *m, struct m_parties *ret);
/* What rules are on; n is 0 for any. */
int some_services(struct dice *d, struct arena *a, struct m_services *ret);
/* A packet: one port, chosen near the edges of what rules are on. */
struct service some_packet(struct dice *d);

#endif
