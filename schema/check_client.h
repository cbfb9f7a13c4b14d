/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of `clients` that need more than one value: a name that is a node's too (both places), a
 * gateway that is no node (with did-you-mean) or that nobody can reach first, a gateway's endpoint
 * among the addresses that its client sends into the tunnel, more nodes and clients than a network
 * holds. Keys, addresses and MTU are checked with those of the nodes (schema/check.h).
 */
#ifndef SCHEMA_CHECK_CLIENT_H
#define SCHEMA_CHECK_CLIENT_H

#include "common/arena.h"
#include "common/diag.h"
#include "schema/model.h"

void check_clients(const struct m_network *n, struct arena *scratch, struct diag *d);

#endif
