/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exits: nodes that others send everything through (`exit_node`). Part of the compiler. That the
 * exit exists, has an endpoint and no exit itself, schema/check.h has seen to.
 */
#ifndef RECONCILER_EXIT_H
#define RECONCILER_EXIT_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "reconciler/transit.h"
#include "schema/model.h"

/*
 * By node: somebody's exit. So is the gateway of a client that sends everything into the tunnel; it
 * may have an exit itself, since what it forwards goes straight. NULL: out of memory.
 */
bool *exits_find(const struct m_network *m, struct arena *a);

/*
 * What an exit does for those who use it: *n gets forwarding, and masquerading of all that goes
 * neither into the network nor to a network behind the node that is not masqueraded. Its own
 * masqueraded routes are there already. -1: out of memory.
 */
int exit_fill(const struct m_node *m, struct arena *a, struct node *n);
/*
 * The same for the networks of the site that the node leads, which no record has; *n gets those
 * that are not masqueraded for its guard as well, to which they are not outside. -1: out of memory.
 */
int exit_fill_site(const struct m_site *site, bool is_exit, bool guarded, struct arena *a,
		   struct node *n);

/*
 * Errors for nodes that are not joined with their exit, and for loops: an exit that sends what it
 * does not know to a hub from where it comes back to who uses the exit. `n` is what was compiled.
 * -1: out of memory.
 */
int exits_check(const struct m_network *m, const struct network *n, const struct transit *transits,
		size_t n_transits, struct arena *a, struct diag *d);

#endif
