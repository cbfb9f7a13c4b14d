/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routed links. Part of the compiler: who is joined by one, and what interface names, ports and
 * transfer networks each gets. As with addresses (docs/addresses.md) nothing moves: a link keeps
 * what the publication says that it has; one that comes back gets what it had; else
 *
 *	interface	the prefix and the other node's name; where that is longer than an interface
 *			name may be, the begin of it, '_' and four characters (base 32) of the
 *			BLAKE2b-256 of the name
 *	port		the lowest one of the range that this node never used for a link, else the
 *			one that it freed longest ago
 *	transfer	of each pool, the lowest /31 or /127 that no link ever had, else the one
 *			that was freed longest ago
 *
 * New links get theirs in the order of their nodes' names.
 */
#ifndef RECONCILER_LINKS_H
#define RECONCILER_LINKS_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "reconciler/viewpoint.h"
#include "schema/model.h"

/* The nodes that one topology entry joins: each of a with each of b. */
struct joined {
	struct pos pos;
	const bool *a, *b; /* by node */
};

/*
 * Fills ret->routed; ret->groups are there. `entries`: those with `interface_per_link`. `nodes`: as
 * compiled but for this; those with a routed link forward, and those with no other peer have their
 * addresses as /32 and /128, as a router has its loopback address. Errors go to `d`; -1 only when
 * memory runs out.
 */
int links_make(const struct m_network *m, const struct viewpoints *views,
	       const struct joined *entries, size_t n_entries, const struct network *published,
	       uint64_t serial, struct node *nodes, struct arena *a, struct diag *d,
	       struct network *ret);

#endif
