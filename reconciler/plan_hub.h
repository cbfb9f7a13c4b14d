/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the plan (reconciler/plan.h): the entries for hubs. A hub's AllowedIPs depend on which
 * node of a view looks, since none has its own addresses and routes there; what that changes is
 * found for all nodes of a view together in a time that follows the length of the entry.
 */
#ifndef RECONCILER_PLAN_HUB_H
#define RECONCILER_PLAN_HUB_H

#include "reconciler/plan_view.h"

struct hub {
	uint32_t id;
	bool in[2]; /* a direct peer on that side */
	struct view_entry entry[2];
	bool same; /* on both sides, and equal for every node */
	struct prefix *canonical[2]; /* for a node that contributes nothing */
	size_t n[2];
	size_t delta; /* prefixes of one of them and not the other */
	uint32_t *by[2]; /* indexes of entry.raw that some node contributes, sorted by that node */
	size_t n_by[2];
};

/* A prefix that, for one node, comes into or goes from what `canonical` says. */
struct hub_touch {
	struct prefix prefix;
	uint8_t side;
	bool after;
};

/* The hubs of one pair of views. */
struct hubs {
	struct hub *list;
	size_t n;
	uint32_t *of; /* by number: index in list plus one, or 0 */
	struct hub_touch *touches;
	size_t n_touches, cap_touches;
};

/* of: room for it in `a`; the caller calls hubs_release in every case. */
int hubs_init(struct hubs *h, uint32_t n_names, struct arena *a);
void hubs_release(struct hubs *h);

/* The hubs of the views with those direct peers, in `scratch`, until hubs_clear. */
int hubs_make(struct hubs *h, const struct plan_work *w, const uint32_t views[2],
	      const struct ids direct[2], struct arena *scratch);
void hubs_clear(struct hubs *h);
/* NULL: the number is no hub's. */
const struct hub *hubs_find(const struct hubs *h, uint32_t id);

/*
 * How many prefixes of the hub's entry change for this node. *ret_odd is set when they are not
 * those that change for the view but the node's own, so that the node cannot be listed with the
 * rest.
 */
int hub_for_node(struct hubs *h, const struct hub *hub, uint32_t node, size_t *ret_delta,
		 bool *ret_odd);
/* The prefixes of one side as the node `self` has them (NO_ID: as any that contributes nothing). */
int hub_prefixes(const struct hub *hub, int side, uint32_t self, struct arena *a,
		 struct prefix **ret, size_t *ret_n);

#endif
