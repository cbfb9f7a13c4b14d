/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the plan (reconciler/plan.h): what becomes of the peers of two views, counted for each
 * node and listed once for all of them.
 */
#ifndef RECONCILER_PLAN_PEERS_H
#define RECONCILER_PLAN_PEERS_H

#include "reconciler/plan.h"
#include "reconciler/plan_hub.h"
#include "reconciler/plan_view.h"

struct peer_counts {
	size_t n[3]; /* by enum plan_action */
	size_t same;
};

/* A record, or its change, as attributes; made when first needed. */
struct record_text {
	struct plan_attr *attrs; /* without the keepalive, which is the view's */
	size_t n;
	bool done;
};

struct peer_diff {
	struct plan_work *w;
	uint8_t *delta; /* by number: what others see of a node that is in both */
	struct record_text *whole[2]; /* by number: removed (OLD) or added (NEW) */
	struct record_text *changed; /* by number */
	struct hubs hubs;
	uint32_t views[2]; /* at hand */
	struct ids direct[2]; /* of these */
	uint32_t *alive[2]; /* by number: the keepalive that they say for a peer, plus one, or 0 */
	struct id_list said[2]; /* whose `alive` is not 0 */
	struct id_list buffers[2];
	struct id_list listed; /* peers that change for some node of the views, in order */
	struct arena scratch;
	size_t peers_left, attrs_left,
		peers_each; /* what may still be listed, and at most for one list */
};

/* lists: how many lists there will be, about. The caller calls peer_diff_release in every case. */
int peer_diff_init(struct peer_diff *d, struct plan_work *w, size_t lists);
void peer_diff_release(struct peer_diff *d);

/* The views to look at from now on (NO_ID: none on that side). */
int peer_diff_views(struct peer_diff *d, const uint32_t views[2]);
/* What changes for a node of these views, with the keepalives of `p`, that is in no group and
 * contributes nothing. */
int peer_diff_count(struct peer_diff *d, const struct plan_place *p, struct peer_counts *ret);
/* The same for the node of `p`, from the count above. *ret_odd: it needs a list of its own. */
int peer_diff_node(struct peer_diff *d, const struct plan_place *p, const struct peer_counts *view,
		   struct peer_counts *ret, bool *ret_odd);
/* Fills the peers of a class. self: the one node that the list is for; NO_ID: shared by several. */
int peer_diff_list(struct peer_diff *d, const struct plan_place *p, uint32_t self,
		   struct plan_class *ret);

#endif
