/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an interface of ours must not draw away from its host, whatever the network says: then it
 * would be cut off, and the publication that takes the mistake back could not come in any more.
 * Pure.
 *
 * A lifeline is an address that the host reaches outside of the interface: the next hops of its own
 * routes, the endpoints of the interface's peers, the servers of the publication. A wanted route is
 * left out when a lifeline lies in it and no other route that stands in the same table leads there
 * more closely; and when it is, or lies in, the network of an address of another interface. So is
 * one that stands already: the host may have come to another place since. A wider route is no harm
 * where a closer one of the host's wins; nor is one to where nothing leads.
 *
 * Private addresses (RFC 1918, RFC 4193) that only the host's default route would lead to are most
 * often behind the tunnel, so endpoints and servers with such an address count only where it is
 * known that they are reached directly.
 *
 * An address of ours brings a route too: to its network, with the best metric there is. So it is
 * left out when this network is, or lies in, that of an address of another interface: the next
 * lease or a pulled cable would put ours first. And when the address is that of a gateway of the
 * host: it would be our own at once. One whose network has the host's in it is no harm.
 *
 * What goes through an interface of meshrc, of this network or of another, is none of the host's
 * own ways. Default routes are the business of publication/exit.h.
 */
#ifndef AGENT_LIFELINE_H
#define AGENT_LIFELINE_H

#include "agent/kern.h"

struct desired;

enum lifeline_known {
	LIFELINE_UNKNOWN,
	LIFELINE_DIRECT, /* it was reached outside of the network */
	LIFELINE_INSIDE, /* it was reached through the network: it is none */
};

struct lifeline {
	struct ipaddr addr;
	enum lifeline_known known;
	const char *what; /* "the publication's server" */
};

/* A route or an address that is left out. */
struct left_out {
	bool is_address;
	struct route route;
	struct ifaddr address; /* when is_address */
	char why[160]; /* "it would draw ... away" */
};

/*
 * Which of the wanted addresses and routes are left out, in `a`. `main` is the host's main table,
 * `own` the one that the routes go into (it may be the same); `o` what stands on the interface. A
 * route to the very prefix of another one is a conflict of its own (kern_rt.h) and left to that,
 * unless it stands.
 */
int lifeline_check(const struct desired *d, const struct observed *o, const struct ways *main,
		   const struct ways *own, struct arena *a, struct left_out **ret, size_t *ret_n,
		   struct err *e);
/* ERR_CONFLICT about the first. */
int lifeline_error(const struct left_out *list, size_t n, struct err *e);

/* The table that its routes go into; 0: it has none that this is about. */
uint32_t lifeline_table(const struct desired *d);

/* RFC 1918, RFC 4193 */
bool lifeline_is_private(const struct ipaddr *a);

#endif
