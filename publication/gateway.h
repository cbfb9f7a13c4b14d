/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node that carries traffic for others needs on its host besides the interface, as values
 * and texts: the agent puts it in force, `render` writes it out for those who do without the agent.
 */
#ifndef PUBLICATION_GATEWAY_H
#define PUBLICATION_GATEWAY_H

#include "common/buf.h"
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

/* Prefix of the name of the nftables table, before the network's name. Its family is inet. */
#define GATEWAY_TABLE "meshrc-"

/*
 * The nftables table that masquerades, as one line for nft without a newline; nothing for a node
 * that masquerades nothing. What comes in by an interface of the network and leaves by one that is
 * none towards the prefixes, or of an exit towards all but `except`, gets the address of the
 * interface it leaves by. The source needs no rule: WireGuard has let in only what lies in the
 * peer's AllowedIPs. `interface` is what the main one is called.
 */
void gateway_rules(const struct config *c, const char *interface, struct buf *out);

#endif
