/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy of one node: which packets it takes for itself and passes on to the networks behind
 * it, worked out from its document (`guards`), the permits and the records. Part of the expansion
 * (publication/expand.h).
 *
 * Who enforces what: the node that a packet is for; of a packet for a client, its gateway; of one
 * for a network behind nodes, the one that it comes to. What only passes a hub or a relay, from the
 * network into the network, is enforced at its end.
 */
#ifndef PUBLICATION_POLICY_H
#define PUBLICATION_POLICY_H

#include "common/arena.h"
#include "common/err.h"
#include "publication/network.h"

/* Addresses under the name that the permits have for them. */
struct party {
	const char *name;
	const struct prefix *prefixes; /* canonical; of a prefix that is not meant as a whole, the
					* parts that are */
	size_t n;
};

/*
 * A packet from one of `from` to one of `to` on one of these services is let in. `to` may be the
 * one prefix 0.0.0.0/0 or ::/0: that is what leaves this host and the network, for none of
 * `behind`.
 */
struct policy_rule {
	const struct party *from, *to;
	const struct service *services; /* canonical, at least one */
	size_t n_services;
};

struct policy {
	bool guarded; /* false: everything is let in, and there are no rules */
	const struct party *sources; /* each once, in the order of their first rule */
	size_t n_sources;
	const struct policy_rule *rules; /* in the order of the permits; none without addresses */
	size_t n_rules;
	struct party clients; /* the node's own, which cannot guard themselves */
	/* Its own addresses and the networks behind it, of an exit, or one that has rules about
	 * what is outside; also when it is not guarded. */
	const struct prefix *behind;
	size_t n_behind;
};

/*
 * The result lives in `a` and points into `n` and `node`. ERR_INPUT: a group or a record is missing
 * from `n`; ERR_LIMIT: more than MAX_SOURCES addresses.
 */
int policy_expand(const struct network *n, const struct node *node, struct arena *a,
		  struct policy *ret, struct err *e);

/*
 * What an exit does not let out, unless it is behind the exit: private networks (RFC 1918, RFC
 * 4193), those of providers (RFC 6598) and of a link (RFC 3927, RFC 4291), where the exit's own
 * neighbours and the metadata services of clouds are. Both families, sorted.
 */
#define POLICY_N_INDOORS 7
extern const struct prefix policy_indoors[POLICY_N_INDOORS];

bool policy_is_indoors(const struct ipaddr *a);

bool policy_equal(const struct policy *a, const struct policy *b);

#endif
