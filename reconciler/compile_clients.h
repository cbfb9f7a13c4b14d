/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients in the compiler: devices without the agent, each a peer of one node, its gateway. Part of
 * reconciler/compile.h.
 *
 * The clients of a gateway are the group GROUP_CLIENTS_OF (publication/network.h). The gateway's
 * document has it as direct peers, and its record says that it has clients; for every node that has
 * the gateway as a direct peer that puts them under it. So a client that comes or goes changes its
 * record and its membership, and the first and the last one of a gateway the gateway's record and
 * document too, and nothing of any other node.
 *
 * Why that stays free of loops and conflicts: a client's addresses are nobody else's, and stand
 * only under its gateway (or, on the gateway, under the client). Where a wider prefix would lead
 * elsewhere (a spoke's first hub has the pools), the longer one wins: from a node that is joined
 * with the gateway the next hop is the gateway, and from there the client. A node that is not
 * joined with it sends the packet where it sends those to the gateway itself.
 *
 * A gateway has an endpoint (a client could not reach it otherwise), so nobody who is joined with
 * it needs a relay to meet it: it is a direct peer of all of them. What a relay carries between two
 * others never has a client at one of its ends.
 */
#ifndef RECONCILER_COMPILE_CLIENTS_H
#define RECONCILER_COMPILE_CLIENTS_H

#include "common/arena.h"
#include "publication/network.h"
#include "schema/model.h"

/* Nodes and clients together, as far as addresses and records are concerned. */
struct holders {
	struct m_network all; /* the model with the clients among its nodes; both sorted by name */
	const uint32_t *node_at; /* m->nodes[i] is all.nodes[node_at[i]] */
	const uint32_t *client_at; /* the same for m->clients */
};

/* -1: out of memory. Without clients `all` has the nodes of `m` themselves. */
int holders_make(const struct m_network *m, struct arena *a, struct holders *ret);

/* A node with clients. */
struct gateway {
	uint32_t node; /* index in m->nodes */
	struct group clients;
};

/* Every one, sorted by node. -1: out of memory. */
int gateways_make(const struct m_network *m, struct arena *a, struct gateway **ret, size_t *ret_n);

/*
 * What the client's own file has that its record and its gateway's node document, among `nodes` (in
 * the order of m->nodes), do not say; *ret NULL when that is nothing. -1: out of memory.
 */
int client_settings_make(const struct m_network *m, const struct m_client *c,
			 const struct node *nodes, struct arena *a,
			 const struct client_settings **ret);

#endif
