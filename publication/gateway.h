/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node that carries traffic for others needs on its host besides the interface and the
 * nftables table (publication/ruleset.h): the agent puts it in force, `render` writes it out for
 * those who do without the agent.
 */
#ifndef PUBLICATION_GATEWAY_H
#define PUBLICATION_GATEWAY_H

#include "publication/expand.h"

enum gateway_families {
	GATEWAY_IPV4 = 1u << 0,
	GATEWAY_IPV6 = 1u << 1,
};

/*
 * What the node forwards: 0 without NODE_FORWARD, else every family that stands on its interfaces,
 * in an AllowedIP of a peer (but 0.0.0.0/0 and ::/0 of its exit) or in what it masquerades. Of a
 * routed link the addresses alone count, since everything is allowed on it.
 */
unsigned int gateway_families(const struct config *c);

#endif
