/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several gateways for one prefix. Part of the compiler. Where nodes have the same prefix behind
 * them with different metrics, the one with the lowest has it for the whole network, the others
 * stand by: their documents say so, and no peer sends them anything for it. One order for all, not
 * one for each node that looks, so that a packet on its way through a hub or a relay does not
 * change its mind. Where all metrics of a prefix are the same there is no order: then it is a clash
 * when two of them are peers of one node (reconciler/conflict.h).
 */
#ifndef RECONCILER_ORDER_H
#define RECONCILER_ORDER_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

struct order {
	const struct m_network *m;
	struct ordered *list; /* of every prefix with an order: sorted by prefix, metric */
	size_t n;
};

/*
 * Finds the orders; an error for each two nodes that have the same place in one. -1: out of memory.
 */
int order_make(const struct m_network *m, struct arena *a, struct diag *d, struct order *ret);
/* True when another node comes first for this route, an entry of the network's model. */
bool order_stands_by(const struct order *o, const struct m_route *r);
/*
 * Warns of nodes that are joined with one that stands by and do not reach the first: for them the
 * prefix is nowhere. `n` is what was compiled.
 */
void order_check(const struct order *o, const struct network *n, struct diag *d);

#endif
