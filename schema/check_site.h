/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of `sites` that need more than one value: sites and leaders that are not there (with
 * did-you-mean), leaders that are elsewhere, what only nodes that others reach directly can be (a
 * relay, the gateway of a client), networks that two sites have, a node's endpoint inside the
 * networks of its own site.
 */
#ifndef SCHEMA_CHECK_SITE_H
#define SCHEMA_CHECK_SITE_H

#include "common/arena.h"
#include "common/diag.h"
#include "schema/model.h"

void check_sites(const struct m_network *n, struct arena *scratch, struct diag *d);

#endif
