/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stars with transit: their spokes send what they do not know to the first hub. Part of the
 * compiler. Refused are hubs that a spoke reaches through a relay alone (a relay passes packets to
 * its own peers, it is no way to a hub's spokes), and hubs that send to each other what none of
 * them knows.
 */
#ifndef RECONCILER_TRANSIT_H
#define RECONCILER_TRANSIT_H

#include "common/arena.h"
#include "common/diag.h"
#include "reconciler/relay.h"
#include "schema/model.h"

struct transit {
	const struct m_topology *star;
	uint32_t hub; /* the first one */
	const bool *spokes; /* by node */
};

/*
 * Errors go to `d`. forward[i] is set for every hub that carries traffic: the first hub of two
 * spokes or more, in one star or several, and of one when it is itself the spoke of such a star.
 * -1: out of memory.
 */
int transit_check(const struct m_network *m, const struct transit *list, size_t n, struct relays *r,
		  struct arena *a, struct diag *d, bool *forward);

#endif
