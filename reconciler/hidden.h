/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks that one of middle length hides. Under one peer a prefix that another covers vanishes:
 * 192.168.1.0/24 behind one spoke is part of 192.168.0.0/16 behind another, where both stand under
 * the hub, and a spoke's address is part of the pool there. Whoever also has 192.168.0.0/20, under
 * another peer or behind itself, sends what is for the /24 that way: the longest that is left wins.
 * Pure.
 *
 * Only such three inside each other are looked at, so it costs nothing where there are none; and
 * only who has the middle one, by packets that are followed with it and without it.
 */
#ifndef RECONCILER_HIDDEN_H
#define RECONCILER_HIDDEN_H

#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

/* One warning for each network in the middle that hides another one, with both places. `n` is what
 * `m` was compiled to. -1: out of memory. */
int hidden_check(const struct m_network *m, const struct network *n, struct diag *d);

#endif
