/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small random networks of mixed kinds: every topology, NAT, relays, clients, exits, networks
 * behind nodes (none inside another or in a pool), tags, and most with a policy. What a network is
 * like is a matter of its seed alone.
 */
#ifndef TESTS_UNIT_SOME_NETWORK_H
#define TESTS_UNIT_SOME_NETWORK_H

#include "common/arena.h"
#include "schema/model.h"
#include "tests/unit/dice.h"

#define SOME_MAX_NODES 10

/* NULL: out of memory. */
struct m_network *some_network(struct dice *d, struct arena *a);

/* A side of a rule: names of the network's nodes and tags, and prefixes behind them. */
int some_parties(struct dice *d, struct arena *a, const struct m_network *m, struct m_parties *ret);
/* What rules are on; n is 0 for any. */
int some_services(struct dice *d, struct arena *a, struct m_services *ret);
/* A packet: one port, chosen near the edges of what rules are on. */
struct service some_packet(struct dice *d);

#endif
