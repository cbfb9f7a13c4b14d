/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules across the values of one network that need no compiling: selectors that name no node or tag
 * (with did-you-mean), a tag nobody has, an empty topology entry, an assertion that asserts nothing
 * or two things, duplicate public keys (both places), weak public keys, two nodes with the same
 * pinned address, an address outside all pools, overlapping pools, a default route among `routes`,
 * an endpoint inside the network's own pools or routes, what concerns sites, clients or routed
 * links alone, a network name that is no interface name and no `interface` given, MTU below 1280
 * with an IPv6 pool.
 */
#ifndef SCHEMA_CHECK_H
#define SCHEMA_CHECK_H

#include "common/arena.h"
#include "common/diag.h"
#include "schema/model.h"

void schema_check(const struct m_network *n, struct arena *scratch, struct diag *d);

/*
 * No two networks have the same domain: their names would be mixed, and both have a zone of it. No
 * endpoint of any network has a name that is answered for inside a tunnel.
 */
void schema_check_domains(const struct model *m, struct diag *d);

#endif
