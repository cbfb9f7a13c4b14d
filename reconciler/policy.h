/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `policy` of a network, as permits between the names that its rules use, and as the guards of
 * each node. Part of the compiler.
 *
 * A name (a node, a client, tag:NAME, all) means the addresses that these have in the network;
 * `all` means clients too, and is published as two names. A prefix means what of it lies behind
 * nodes, in their `routes` and the parts of pools that they own; each such part becomes a target of
 * its own, guarded by every node that it lies behind. 0.0.0.0/0 and ::/0 mean what lies outside,
 * and are guarded by exits and by the gateways of clients.
 */
#ifndef RECONCILER_POLICY_H
#define RECONCILER_POLICY_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

/*
 * Fills n->permits, and the guards of `nodes`, which stand in the order of m->nodes; appends the
 * groups that the permits name to *groups, which are sorted again. Without rules nothing is done.
 * Errors and warnings (a prefix that lies behind nobody) go to `d`. -1: out of memory.
 */
int policy_compile(const struct m_network *m, struct arena *a, struct diag *d, struct network *n,
		   struct node *nodes, struct group **groups, size_t *n_groups);

#endif
