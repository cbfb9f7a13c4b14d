/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the plan (reconciler/plan.h): values as text, and lists of what changes of an interface
 * or a peer. */
#ifndef RECONCILER_PLAN_ATTR_H
#define RECONCILER_PLAN_ATTR_H

#include "reconciler/plan.h"

/* A list under construction. Failure (out of memory) is sticky: a row of calls needs one check at
 * its end. */
struct attr_list {
	struct arena *a;
	struct plan_attr *v;
	size_t n;
	bool failed;
};

void attr_add(struct attr_list *l, const char *name, const char *from, const char *to);
/* The elements of two sorted lists that are in one of them. */
void attr_add_prefixes(struct attr_list *l, const char *name, const struct prefix *a, size_t na,
		       const struct prefix *b, size_t nb);
/* The addresses of two nodes, either of which may be NULL. */
void attr_add_addresses(struct attr_list *l, const struct node *a, const struct node *b);
/* Nothing when both are the same. */
void attr_change(struct attr_list *l, const char *name, const char *from, const char *to);
/* One side of a node; both NULL: it is not there. */
struct attr_side {
	const struct node *node;
	const struct record *record;
};

/*
 * What changes on the node's own interface. Of a node that comes or goes also where it is reached
 * and what is behind it; while it stays, that is a change of its peers alone.
 */
void attr_add_node(struct attr_list *l, struct attr_side old, struct attr_side new);

/* Texts in the list's arena. NULL: not set. */
const char *attr_number(struct attr_list *l, bool set, uint32_t v);
const char *attr_key(struct attr_list *l, const struct wgkey *k);
const char *attr_endpoint(struct attr_list *l, const struct endpoint *e); /* may be NULL */

bool attr_equal(const struct plan_attr *a, const struct plan_attr *b);
bool attrs_equal(const struct plan_attrs *a, const struct plan_attrs *b);
bool attrs_have(const struct plan_attrs *a, const struct plan_attr *attr);

#endif
