/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes of machines that are in several networks (schema/machines.h): on one machine a prefix
 * leads into one network. Refused, for each machine that really has both, by who is joined with
 * whom:
 *
 *   - a prefix that it would route into two networks, whether by itself or within a wider one of
 * the same peer;
 *   - a prefix that it would route into one network and that lies inside a pool of another: some of
 *     that network would be out of reach, now or with its next node.
 *
 * A prefix inside a wider one that is routed into another network is fine: the longest wins. Pure.
 */
#ifndef RECONCILER_MACHINES_H
#define RECONCILER_MACHINES_H

#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

/*
 * `compiled` has one entry for each of m->networks; NULL: not compiled, and left out. Each clash is
 * told once, with the places of both, however many machines it is on.
 */
void machines_check_routes(const struct model *m, const struct network *const *compiled,
			   struct diag *d);

/*
 * The same for routed links (reconciler/machines_links.c): interface names, ports and transfer
 * pools on machines that are in several networks. Two networks that clash are told of once for
 * each.
 */
void machines_check_links(const struct model *m, const struct network *const *compiled,
			  struct diag *d);

#endif
