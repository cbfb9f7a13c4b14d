/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference compiler: what every node's configuration must be, worked out pair by pair from the
 * words of the documentation, with no group, no view and no sorting trick. Slow and plain on
 * purpose; nothing of it is shared with the compiler or the expansion but types and the order of
 * addresses.
 */
#ifndef TESTS_REF_REFERENCE_H
#define TESTS_REF_REFERENCE_H

#include "common/arena.h"
#include "publication/network.h"
#include "schema/model.h"

#define REF_MAX_NODES 64
#define REF_MAX_PREFIXES 256

struct ref_peer {
	const struct m_node *node; /* of a client: its part that is like a node's */
	struct prefix allowed[REF_MAX_PREFIXES]; /* sorted */
	size_t n_allowed;
	struct endpoint endpoint;
	unsigned int keepalive;
};

/* One node's end of a routed link. */
struct ref_link {
	const struct m_node *other;
	char interface[16];
	unsigned int port, other_port;
	struct ifaddr addresses[MAX_POOLS]; /* sorted */
	size_t n_addresses;
	struct endpoint endpoint;
	unsigned int keepalive;
};

struct ref_config {
	const struct m_node *node;
	const char *interface;
	unsigned int listen_port, mtu;
	uint64_t fwmark;
	struct ifaddr addresses[MAX_POOLS];
	size_t n_addresses;
	struct ref_peer *peers; /* in the order of the nodes, then of the clients */
	size_t n_peers;
	struct prefix routes[REF_MAX_NODES * 4]; /* sorted */
	size_t n_routes;
	bool forward; /* carries traffic for others */
	struct ref_link *links; /* in the order of the nodes */
	size_t n_links;
	const char *domain; /* NULL: no names */
	const struct m_addr *servers;
	size_t n_servers;
	bool hosts; /* names may go into /etc/hosts */
	struct ref_peer masquerade; /* the prefixes alone: sorted, none inside another, but for
				     * those of length 0 of an exit */
	struct ref_peer except; /* not masqueraded: of an exit, or at its site */
	bool no_routes;
	uint64_t table; /* 0: the main one */
};

struct ref_network {
	struct ref_config *configs; /* one per node, in the order of m->nodes; behind them one per
				       client, with addresses alone */
	bool conflict; /* some prefix would stand under two peers of one interface */
	bool chain; /* a spoke has its hub behind a relay, and is to send on through it */
	bool loop; /* hubs send each other what none of them knows */
	bool apart; /* somebody is not joined with its exit */
	bool unclear; /* two gateways have the same place in an order */
	size_t relayed; /* pairs that go through a relay */
	size_t ordered; /* pairs of gateways of which one stands by for the other */
};

/*
 * The relay between two nodes, or NULL: they are not joined, can meet by themselves, or have no
 * relay in common.
 */
const struct m_node *reference_relay(const struct m_network *m, const struct m_node *a,
				     const struct m_node *b);

/* True when some star with transit has both as spokes and this node as its first hub. */
bool reference_transit(const struct m_network *m, const struct m_node *a, const struct m_node *b,
		       const struct m_node *hub);

/* The leader of the site that the node is at, when that is another; or NULL. */
const struct m_node *reference_leader(const struct m_network *m, const struct m_node *n);

/* True when one of the two has an endpoint for the other. */
bool reference_meet(const struct m_node *a, const struct m_node *b);

/* True when this entry of the topology joins them. */
bool reference_entry_joins(const struct m_network *m, const struct m_topology *t,
			   const struct m_node *a, const struct m_node *b);

/* True when a node or a client sends everything through this node. */
bool reference_is_exit(const struct m_network *m, const struct m_node *n);

/* True when some entry of the topology joins them with `interface_per_link`. */
bool reference_routed(const struct m_network *m, const struct m_node *a, const struct m_node *b);
/* True when some other entry of the topology joins them. */
bool reference_joined(const struct m_network *m, const struct m_node *a, const struct m_node *b);

/*
 * `addresses_of`: a compiled network whose automatic addresses hold (they are not what is looked
 * at), or NULL: nothing was published, so each node and client in the order of names gets the
 * lowest free address of each pool.
 */
void reference(const struct m_network *m, const struct network *addresses_of, struct arena *a,
	       struct ref_network *ret);

#endif
