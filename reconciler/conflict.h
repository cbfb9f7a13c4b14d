/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One prefix under two peers of one interface: found over the compiled network, told with both
 * places in the YAML. Part of the compiler. Nodes with the same links are examined together, so the
 * cost follows the number of different views.
 */
#ifndef RECONCILER_CONFLICT_H
#define RECONCILER_CONFLICT_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

/* Adds an error for each conflict. */
void conflict_check(const struct m_network *m, const struct network *n, struct arena *a,
		    struct diag *d);

#endif
