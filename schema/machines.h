/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules across networks, for machines that are in several of them. A machine is what a node's
 * `machine` says, or what the node is called: so nodes of one name in two networks share one.
 *
 * On one machine there is one UDP socket to a port, one interface of a name, one endpoint in front,
 * and one way to an address. So these must differ between the networks that it is in: listen ports,
 * interface names, endpoints; one of them may have an exit; and the pools of these networks must
 * not overlap. Two nodes of one network are on two machines. Each clash names both places.
 *
 * Routes need to know who is joined with whom: reconciler/machines.h.
 */
#ifndef SCHEMA_MACHINES_H
#define SCHEMA_MACHINES_H

#include "common/diag.h"
#include "schema/model.h"

/* A node, and the machine that it is on. */
struct tenant {
	const char *machine;
	const struct m_network *network;
	const struct m_node *node;
};

/*
 * All nodes that share a machine with another one, sorted by machine, then as in the model. *ret is
 * malloc'ed, NULL when there are none. -1: out of memory.
 */
int machines_tenants(const struct model *m, struct tenant **ret, size_t *ret_n);
/* Where the nodes of list[from]'s machine end. */
size_t machines_end(const struct tenant *list, size_t n, size_t from);

void machines_check(const struct model *m, struct diag *d);

#endif
