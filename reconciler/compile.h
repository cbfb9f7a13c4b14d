/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The compiler: a network's model -> its compiled form (publication/network.h). Pure and
 * deterministic: the same model and the same published network give the same result, in any order
 * of files and on any machine.
 *
 * `published` is the network that stands in the publication now, or NULL. From it come the
 * automatic addresses that nodes have already and the tombstones, so that adding or removing a node
 * renumbers no other. `serial` is the number that the manifest of this result would get; it marks
 * what is freed now.
 */
#ifndef RECONCILER_COMPILE_H
#define RECONCILER_COMPILE_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"
#include "schema/model.h"

/*
 * Errors and warnings (a pair that cannot meet, ...) go to `d`, with both places where two things
 * clash. Returns 0 and fills *ret when it added no error. The result lives in `a` and points into
 * the model's strings.
 */
int compile(const struct m_network *m, const struct network *published, uint64_t serial,
	    struct arena *a, struct diag *d, struct network *ret);

#endif
