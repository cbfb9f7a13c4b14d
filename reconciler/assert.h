/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `assert` of a network: statements about who reaches whom, checked against what was compiled
 * (reconciler/reach.h). Pure.
 */
#ifndef RECONCILER_ASSERT_H
#define RECONCILER_ASSERT_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "reconciler/reach.h"
#include "schema/model.h"

/*
 * One error for each assertion that does not hold, with the first pair that breaks it, its way, and
 * the rule that lets it in where one does. A prefix that lies behind nobody, and an assertion about
 * no two ends, are warnings; with `warn` the errors are too. Warnings as well: a server of names
 * that the policy lets nobody ask, and who sends everything through an exit while the policy lets
 * nothing of it out. -1: out of memory.
 */
int assert_check(const struct m_network *m, const struct network *n, bool warn, struct arena *a,
		 struct diag *d);

/*
 * The ends that a side names, each once; for a prefix that names none, `told` (may be NULL) is
 * called. Lives in `a`. -1: out of memory.
 */
int assert_ends(struct reach *r, const struct m_network *m, const struct m_parties *p,
		struct arena *a, void (*told)(void *arg, const struct m_prefix *p), void *arg,
		struct reach_end **ret, size_t *ret_n);

/* The node or client whose address it is, else what it is behind; none where it is neither. Lives
 * in `a`. -1: out of memory. */
int assert_address(struct reach *r, const struct ipaddr *address, struct arena *a,
		   struct reach_end **ret, size_t *ret_n);

/* What a client does not send into the tunnel, it neither reaches nor hears: REACH_ALL when that is
 * nothing of the other end, REACH_NONE when it is all; *ret_name is the client then. */
enum reach_answer assert_client(const struct reach *r, const struct m_network *m,
				const struct reach_end *one, const struct reach_end *two,
				const char **ret_name);

#endif
