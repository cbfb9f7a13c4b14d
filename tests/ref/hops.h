/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet through a network, hop by hop, as WireGuard and a router take it: at each node the
 * longest of all allowed IPs that holds the destination names the next one; that one takes the
 * packet only when its own longest match for the source is the node that it came from; one of the
 * two must have an endpoint in its entry for the other; and a node that is not the destination
 * passes it on only when its document says that it forwards. A client sends everything to its
 * gateway and takes what is for itself alone. Nothing is shared with the compiler but the expanded
 * configurations.
 */
#ifndef TESTS_REF_HOPS_H
#define TESTS_REF_HOPS_H

#include "publication/expand.h"
#include "schema/model.h"

enum fate {
	FATE_ARRIVED,
	FATE_OUTSIDE, /* an exit sends it on under its own address */
	FATE_NO_WAY, /* no allowed IP holds the destination */
	FATE_NOT_TAKEN, /* the next node has no such peer, or another one for the source; or it is a
			   client of another gateway or with another address */
	FATE_CANNOT_MEET, /* neither of two nodes has an endpoint */
	FATE_NOT_PASSED_ON, /* a node in between does not forward */
	FATE_LOOP,
};

struct journey {
	enum fate fate;
	size_t hops; /* tunnels that it went through */
	const char *last; /* the node or client where it ended */
};

/*
 * `configs`: of every node, in the order of n->nodes. The packet goes from the node or client
 * `from` with one of its addresses to `to`, and has arrived where that is an address, or at the
 * node that has it behind it. `m`: what the network was compiled from, for the networks of sites;
 * NULL: they are not looked at.
 */
struct journey hops_from(const struct m_network *m, const struct network *n,
			 const struct config *configs, const struct record *from,
			 const struct ipaddr *source, const struct ipaddr *to);

#endif
