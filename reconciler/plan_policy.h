/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the plan (reconciler/plan.h): what changes of the policy that a node enforces. A node's
 * rules change when its permits do, and when somebody joins or leaves a group that its permits
 * name.
 */
#ifndef RECONCILER_PLAN_POLICY_H
#define RECONCILER_PLAN_POLICY_H

#include "reconciler/plan_attr.h"

/* Who comes and goes under one name that permits use on their `from`. */
struct policy_source {
	const char *name;
	struct plan_attr *attrs; /* "anna in tag:admin" */
	size_t n_attrs;
};

struct policy_diff {
	const struct network *net[2]; /* old and new; NULL: not there */
	struct policy_source *sources; /* sorted by name; only those that change */
	size_t n_sources;
};

/* Everything lives in `a`. -1: out of memory. */
int policy_diff_init(struct policy_diff *d, const struct network *old, const struct network *new,
		     struct arena *a);
/* Adds the attributes "guarded" and "policy" of a node; NULL: it is not there. */
void policy_diff_node(const struct policy_diff *d, struct attr_list *l, const struct node *old,
		      const struct node *new);

#endif
