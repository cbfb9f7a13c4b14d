/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `routed_links` and `interface_per_link` say, against each other and against the rest of the
 * network. Part of schema/check.h.
 */
#ifndef SCHEMA_CHECK_LINKS_H
#define SCHEMA_CHECK_LINKS_H

#include "common/diag.h"
#include "schema/model.h"

void check_routed_links(const struct m_network *n, struct diag *d);

/* In schema/check.c: what addresses for a purpose of their own the prefix overlaps with, or NULL.
 */
const char *check_special(const struct prefix *p);

#endif
