/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node that sends everything through another one (its exit), as values: which policy rules its
 * host needs so that its own default route is the tunnel, and nothing else is. The agent puts them
 * in force, `render` writes them out.
 *
 *	priority + 0	with the mark of the tunnel's own packets, or with EXIT_MARK: on at + 7
 *	         + 1	everything: what the main table knows, but for default routes
 *	         + 2	questions of root to a name server (the agent's own), and to link-local
 *			addresses (where clouds have what a host needs to live): on at + 7
 *	         + 3	from an address of the interface: the exit's table
 *	         + 4	IPv4, from no address yet: the exit's table
 *			IPv6, from any other address: on at + 7
 *	         + 5	(none: for what has to do without jumps)
 *	         + 6	IPv6, from no address yet: the exit's table
 *	         + 7	nothing: the host's own rules, behind, are asked
 *
 * So the choice is made by the source address. A socket that has none yet gets the default route of
 * the exit's table, and with it an address of the interface. What has another one is an answer to
 * somebody who came in by another interface, or is forwarded for others: it goes as it went before.
 * Whoever is logged in to the node from outside stays so, from the first rule on and with all of
 * them, and the kernel's check of the source address (rp_filter) agrees with the way of each packet
 * without marks. (IPv4 looks the route of an unbound socket up with the source 0.0.0.0; IPv6 does
 * it without a source, and then no rule with a `from` matches.)
 *
 * What must not go into the tunnel is led past the rules, not into the main table: where that has
 * no default route, now or ever, the kernel goes on to the next rule, and what is forwarded for
 * others, or the tunnel's own packets, would end in the tunnel.
 *
 * A server over UDP that answers with no source address of its own choice (it is bound to none and
 * does not look where it was asked) is answered for by the kernel as if it began to talk: through
 * the exit, from another address than the one that was asked. Marks on connections do not help: the
 * route, and with it the source, is chosen before there is a packet that belongs to one.
 *
 * A family that the interface has no address of cannot go through the tunnel: it goes as before.
 */
#ifndef PUBLICATION_EXIT_H
#define PUBLICATION_EXIT_H

#include "common/buf.h"
#include "publication/expand.h"

/*
 * The mark of a tunnel's packets where the network says none: of the bits that container networks
 * are known to look at it has none.
 *
 * It is common to all networks: every exit's rules lead it past, whatever mark its own tunnel has.
 * So an exit carries no other network of its host: an agent fetches with this mark always, and
 * gives it to the interfaces of a network that says none for as long as another network's exit
 * stands on the host. A network that has a mark of its own is carried by another's exit, unless the
 * two are the same.
 */
#define EXIT_MARK 0x2077u

/* Tables and priorities of the kernel (linux/rtnetlink.h). */
#define EXIT_TABLE_MAIN 254u

/* The exit's table, and the priority of its first rule: made of the network's name, so that two
 * networks on one host keep apart. */
uint32_t exit_table(const char *network);
uint32_t exit_priority(const char *network);
/* From the priority on so many are the network's own. */
#define EXIT_PRIORITIES 8u
/* Those of all networks. */
#define EXIT_ALL_FIRST 20000u
#define EXIT_ALL_PRIORITIES 8000u

struct exit_rule {
	unsigned int family; /* 4, 6 */
	uint32_t priority;
	struct prefix from, to; /* len 0: any */
	uint32_t mark; /* 0: any */
	/* The table to look in; 0: none, on with the rule of priority `jump`, or (0) with the next.
	 */
	uint32_t table, jump;
	bool no_default; /* of the table, nothing of length 0 (suppress_prefixlength 0) */
	uint8_t dns; /* 0; or 6, 17: what root sends to port 53 over TCP, UDP */
};

/* One for each address, and some. */
#define MAX_EXIT_RULES 40

/* True when the agent makes rules and default routes: there is an exit, and no table of the
 * operator's own choice. */
bool exit_routed(const struct node *n);
/* The rules, sorted by exit_rule_cmp; 0 when not exit_routed. */
size_t exit_rules(const char *network, const struct node *n,
		  struct exit_rule out[static MAX_EXIT_RULES]);
/* The default routes through the interface that belong into the exit's table (exit_routed), or into
 * the node's own: 0 to 2 prefixes of length 0. */
size_t exit_defaults(const struct node *n, struct prefix out[static 2]);

/* True when packets go into the tunnel by it. Added after all others, and removed before them. */
bool exit_rule_leads(const struct exit_rule *r);
/* By family and priority, then by all the rest. */
int exit_rule_cmp(const struct exit_rule *a, const struct exit_rule *b);
/* As ip(8) takes it behind `rule add`: "from 10.20.0.7 lookup 7712345 priority 20010". */
void exit_rule_print(const struct exit_rule *r, struct buf *out);

#endif
