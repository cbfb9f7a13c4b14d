/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables table of a node, the only one that is ours: inet meshrc-NETWORK. It has two parts,
 * each of which may be missing, and all of it is replaced in one transaction.
 *
 * Policy (publication/policy.h), in chains at the hooks input, forward and, where there are
 * clients, output. They see what comes in by the interface and is for the host itself or leaves by
 * another interface, and what leaves by the interface for a client of this node; what else leaves
 * by the interface again only passes. Let in are, in this order:
 *
 *	replies		packets of a connection that this host has seen begin in the other
 *			direction, and what connection tracking finds related
 *	errors		of ICMP and ICMPv6, without which no path MTU is found
 *	the permitted	each packet is looked at, not only the first of its connection: what is
 *			no longer permitted ends at once
 *
 * All else is dropped, and counted. Nothing is accepted that another table of the host drops.
 * What the host sends on to another address or port than it was sent to (dnat: a container that
 * publishes a port, a redirection) is also let in by a rule that permits what it was sent to.
 *
 * Of an exit, whether there is a policy or not: what comes in by an interface of the network,
 *leaves by one that is none and goes to a private address (policy_indoors) that is not behind the
 *node is dropped, but for answers, and for what the host itself sends there (dnat).
 *
 * Masquerading, in a chain at the hook postrouting: what comes in by an interface of the network
 * and leaves by one that is none towards the node's masqueraded prefixes, or of an exit towards all
 * but `except`, gets the address of the interface it leaves by. The source needs no rule: WireGuard
 * has let in only what lies in the peer's AllowedIPs.
 */
#ifndef PUBLICATION_RULESET_H
#define PUBLICATION_RULESET_H

#include "common/buf.h"
#include "publication/policy.h"

/* Prefix of the table's name, before the network's. */
#define RULESET_TABLE "meshrc-"
/* While one configuration takes another's place there are two policies, and their interfaces, and
 * perhaps what a run that was cut off left. */
#define RULESET_POLICIES 2
#define RULESET_INTERFACES 4

struct ruleset {
	const char *network;
	/* The network's interfaces: these, and those of its routed links. */
	const char *interfaces[RULESET_INTERFACES];
	size_t n_interfaces;
	const struct config *links;
	size_t n_links;
	/* Those of them that are left out: the names are somebody else's, or nobody's. */
	const struct ifname *without;
	size_t n_without;
	/* A packet has to be let in by all of them. Those that are not guarded are left out. */
	const struct policy *policies[RULESET_POLICIES];
	size_t n_policies;
	const struct prefix *masquerade; /* 0.0.0.0/0 and ::/0 among them: an exit */
	size_t n_masquerade;
	const struct prefix *except; /* of these */
	size_t n_except;
	bool is_exit; /* the configuration's node is one, and this is behind it: */
	const struct prefix *behind;
	size_t n_behind;
};

/* What a configuration wants in the long run. */
struct config;
void ruleset_of(const struct config *c, const char *interface, struct ruleset *ret);
void ruleset_add_interface(struct ruleset *r, const char *interface); /* one it has is not added */
void ruleset_add_policy(struct ruleset *r, const struct policy *p);

/*
 * Appends the table for nft; nothing when it would be empty, or about no interface. In one line
 * without a newline, which is what goes to the kernel, or in lines for people.
 */
void ruleset_print(const struct ruleset *r, bool lines, struct buf *out);

#endif
