/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses: pinned ones checked, automatic ones kept or handed out. Part of the compiler.
 */
#ifndef RECONCILER_ALLOCATE_H
#define RECONCILER_ALLOCATE_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

struct allocation {
	struct ifaddr *addresses; /* sorted; each with its pool's prefix length */
	size_t n;
};

/*
 * Fills ret[i] for m->nodes[i], among which are the clients too (struct holders), and the freed
 * addresses and gone nodes of the new network. Rules (docs/addresses.md): a node without
 * `addresses` gets one address of each pool; it keeps the one it has in `published` as long as that
 * is in a pool and nobody pins it; a node that comes back under the same name and key gets the one
 * it had; else the lowest address of the pool that was never used, and when there is none the one
 * that was freed longest ago. The first address of a pool (the network itself) and, for IPv4
 * prefixes shorter than /31, the last (broadcast) are never handed out, nor kept when a pool's
 * change made them so; what is `reserved` is not handed out, but kept by who has it, with a
 * warning; what a node owns is not handed out, and refused where another has an automatic address
 * in it.
 */
int allocate(const struct m_network *m, const struct network *published, uint64_t serial,
	     struct arena *a, struct diag *d, struct allocation *ret,
	     struct network *ret_tombstones);

#endif
