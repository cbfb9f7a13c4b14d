/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Viewpoints. Part of the compiler: who reaches whom first, when nodes have endpoints that only
 * those see who look from a site or a tag.
 *
 * A node looks from its site, then its tags, in the order of their names; the first of them for
 * which another has an endpoint gives the one that it uses, else it uses the other's default. A
 * node with a default endpoint is *open*: all reach it. Two others meet when one of them has an
 * endpoint at a viewpoint from which the other looks.
 *
 * Nodes that are not open and agree in where they have endpoints and from where they look have the
 * same *stance*: they meet the same nodes.
 */
#ifndef RECONCILER_VIEWPOINT_H
#define RECONCILER_VIEWPOINT_H

#include "common/arena.h"
#include "common/buf.h"
#include "publication/network.h"
#include "schema/model.h"

/* Pairs that cannot meet are told one by one up to here for each topology entry, then by number. */
#define MAX_NAMED_PAIRS 5

/* Numbers of viewpoints, ascending. */
struct view_set {
	const uint32_t *v;
	size_t n;
};

struct stance {
	struct view_set at, from;
	/* Nodes that are not open and meet one of this stance: ascending; made when first asked
	 * for. */
	uint32_t *near;
	size_t n_near;
	bool made;
};

struct viewpoints {
	const struct m_network *m;
	struct arena *arena;
	const char **names; /* those that some node has an endpoint at: sorted */
	size_t n;
	struct view_set *from; /* by node */
	struct stance *stances; /* the first has neither endpoints nor views */
	size_t n_stances;
	uint32_t *stance_of; /* by node; 0 for those that are open */
	struct view_set *closed_at, *closed_from; /* by viewpoint: nodes that are not open */
};

/* -1: out of memory. Everything lives in `a`. */
int viewpoints_find(const struct m_network *m, struct arena *a, struct viewpoints *ret);

/* The names of the viewpoints that a node looks from; NULL: out of memory. */
const char **viewpoints_of(const struct viewpoints *v, size_t node, size_t *ret_n);

bool viewpoints_open(const struct viewpoints *v, size_t node);
/* True for a node that somebody reaches first. */
bool viewpoints_seen(const struct viewpoints *v, size_t node);
/* True when one of the two reaches the other first. */
bool viewpoints_meet(const struct viewpoints *v, size_t a, size_t b);
/* The nodes that are not open and meet those of a stance; itself is among them when it would meet
 * another like it. -1: out of memory. */
int viewpoints_near(struct viewpoints *v, uint32_t stance, struct view_set *ret);
/* What the name of a group ends in whose members those of a stance meet:
 * "#at!tag:office#from!tag:office", of which either may be missing. */
void viewpoints_put_stance(const struct viewpoints *v, uint32_t stance, struct buf *out);

#endif
