/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a node that sends everything through an exit (publication/exit.h), brought into
 * force and taken away around the convergence of the interface, in this order:
 *
 * - before: the rules that lead into the tunnel go when it is not as wanted yet (no interface,
 *   down, another exit, or one whose endpoint is not known, another mark, other addresses, no
 *   default routes), so that at no instant the default route leads into a tunnel that is not there;
 *   and with them all that are not wanted;
 * - after, when the interface was read back and the tunnel is there: the rules that keep packets
 *   out of it, then those that lead into it, last the ones for packets without a source address.
 *
 * Whose a rule is, it says itself: our protocol number, a priority of the network's own, and the
 * network's own table. So nothing has to be remembered, and what a run that was killed left is
 * found.
 */
#ifndef AGENT_EXIT_ROUTE_H
#define AGENT_EXIT_ROUTE_H

#include "agent/kern.h"
#include "publication/expand.h"

struct exit_plan {
	const struct rule_op *before; /* all removals */
	size_t n_before;
	const struct rule_op *after; /* all additions */
	size_t n_after;
};

struct exit_result {
	struct exit_plan plan; /* as it was meant at first */
	bool others; /* another network's exit stands on this host, or may do so */
	unsigned int sets; /* rules that were sent */
	bool verified; /* the rules are as wanted */
	/* Asked when rules of a tunnel that is there were changed: what the kernel would do with
	 * packets to some addresses outside. */
	bool all; /* they go into the tunnel */
	struct ipaddr elsewhere; /* this one does not; family 0: none, or not asked */
};

/* True when packets that the rules send to the exit's table find their way: pure. `o`: the
 * interface. */
bool exit_tunnel_is_there(const struct observed *o, const struct config *c);

/*
 * `c`: NULL when the node has no configuration (any more). `there`: of exit_tunnel_is_there. Pure.
 * ERR_CONFLICT: rules are wanted, and the priorities are in use by another network's exit.
 */
int exit_plan_make(const struct rules_seen *seen, const struct config *c, const char *network,
		   bool there, struct arena *a, struct exit_plan *ret, struct err *e);

/* Reads the rules of all networks, and says what is to be done. */
int exit_look(struct kern *k, const struct config *c, const char *network,
	      const struct ifname *interface, struct arena *a, struct exit_result *ret,
	      struct err *e);
/* Takes away what has to go before the interface is touched. *ret is that of exit_look. */
int exit_before(struct kern *k, struct exit_result *ret, struct err *e);
/* `o`: the interface as it was read back. Adds what is missing, reads again and compares; when the
 * tunnel is not there, takes away what leads into it. *ret is that of exit_before. */
int exit_after(struct kern *k, const struct config *c, const char *network,
	       const struct observed *o, struct arena *a, struct exit_result *ret, struct err *e);

/* One operation as a sentence: "add the rule from all lookup 7712345 priority 20013". */
void exit_op_print(const struct rule_op *op, struct buf *out);

#endif
