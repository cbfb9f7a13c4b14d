/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the plan (reconciler/plan.h): the two networks with numbers for names, and nodes sorted
 * into views. Nodes with the same links that look from the same viewpoints share a view, and a view
 * is expanded once for all of them, as if it were for a node that is in no group: what a node of
 * the view really has is that without its own entry and without what it contributes itself to the
 * entries of its hubs. Nothing here is quadratic in the number of nodes as long as the number of
 * views times their size is not.
 */
#ifndef RECONCILER_PLAN_VIEW_H
#define RECONCILER_PLAN_VIEW_H

#include "common/arena.h"
#include "common/err.h"
#include "publication/network.h"

/* A name's number: its place among the sorted names of both networks. */
#define NO_ID UINT32_MAX

enum { OLD, NEW };

/* Sorted, without duplicates. */
struct ids {
	const uint32_t *v;
	size_t n;
};

struct view_link {
	enum link_kind kind;
	uint32_t via; /* NO_ID for LINK_DIRECT and LINK_ALIVE */
	struct ids target; /* empty for LINK_ALLOW */
	const struct prefix *prefixes; /* LINK_ALLOW */
	size_t n_prefixes;
	uint16_t seconds; /* LINK_ALIVE */
};

struct view {
	const struct node *source; /* the first node that has it */
	uint32_t exit; /* NO_ID: none */
	/* Its links, and for each direct peer that has clients one that puts them under it. */
	struct view_link *links;
	size_t n_links;
};

struct side_gateway {
	uint32_t id;
	struct ids clients;
};

struct side {
	const struct network *network; /* may be NULL: all arrays say "not there" */
	const struct record **records; /* by number; NULL: none */
	const struct node **nodes;
	uint32_t *view_of; /* by number; NO_ID: no node */
	uint32_t *seen_as; /* by number: records that the same nodes reach first have the same;
			      SEEN_BY_NONE, SEEN_BY_ALL or another */
	struct view *views;
	size_t n_views;
	struct ids all;
	struct ids *groups; /* as network->groups */
	struct side_gateway *gateways; /* the nodes with clients */
	size_t n_gateways;
	/* The routed links that stand: those of node `id` are lines[first[id]..first[id + 1]), by
	 * the other node's number. `net` is the least number of the nodes that a row of links
	 * connects it with, those that can come up. */
	uint32_t *routed_first, *routed_lines, *routed_net;
	size_t n_routed;
};

enum { SEEN_BY_NONE, SEEN_BY_ALL, SEEN_BY_SOME };

struct plan_work {
	struct arena tmp;
	struct arena *out; /* what the plan keeps */
	const char **names;
	uint32_t n;
	struct side sides[2];
	/* By number: a client that stays, and whose file as it is now lets nothing through any
	 * more. Set by plan_clients. */
	bool *cut_off;
};

/* The caller calls plan_work_release in every case. */
int plan_work_init(struct plan_work *w, const struct network *old, const struct network *new,
		   struct arena *out, struct err *e);
void plan_work_release(struct plan_work *w);
uint32_t plan_work_id(const struct plan_work *w, const char *name);

bool ids_has(struct ids ids, uint32_t id);

/* A growable list of numbers, for what is built anew for each view. */
struct id_list {
	uint32_t *v;
	size_t n, cap;
};

int id_list_add(struct id_list *l, uint32_t id);
void id_list_release(struct id_list *l);

/*
 * The direct peers of a view (NO_ID: none) of that side: a shared array, or one built in `buffer`,
 * valid until the buffer is used again. -1: out of memory.
 */
int view_direct(const struct side *s, uint32_t view, struct id_list *buffer, struct ids *ret);
/* Where a node of the view (NO_ID: one that looks from nowhere) reaches that of the number; NULL:
 * it does not, first. */
const struct endpoint *view_endpoint(const struct side *s, uint32_t view, uint32_t to);
/* True when one of two nodes reaches the other first. */
bool side_meet(const struct side *s, uint32_t a, uint32_t b);
/* True when the node `from` has the node `to` as a direct peer. */
bool side_joined(const struct side *s, uint32_t from, uint32_t to);

/* A prefix and the node whose absence takes it away: NO_ID when it is the peer's own or the link's.
 */
struct view_prefix {
	struct prefix prefix;
	uint32_t by;
};

/* What stands under the peer `via`, before it is made canonical. Sorted by prefix, then by `by`. */
struct view_entry {
	struct view_prefix *raw;
	size_t n;
};

/* The entry for `via` of a view that has it as a direct peer, as all of `direct`. Lives in `a`. */
int view_entry_make(const struct side *s, const struct view *view, struct ids direct, uint32_t via,
		    struct arena *a, struct view_entry *ret);
/* The canonical prefixes of an entry for the node `without` (NO_ID: for a node that contributes
 * nothing). Lives in `a`. */
int view_entry_prefixes(const struct view_entry *e, uint32_t without, struct arena *a,
			struct prefix **ret, size_t *ret_n);

/* A node's place in both networks. Nodes in the order of plan_places_sort that agree in the views
 * are changed alike. */
struct plan_place {
	uint32_t id;
	uint32_t view[2]; /* NO_ID: not there */
	uint16_t keepalive[2]; /* 0: none */
};

/* The end of the run of places that agree in the views with place `i`. */
size_t plan_places_run(const struct plan_place *places, size_t n, size_t i);

/* Sorted, canonical AllowedIPs of a record alone. */
int record_prefixes(const struct record *r, struct arena *a, struct prefix **ret, size_t *ret_n);

/* reconciler/plan_links.c: fills the routed links of both sides; what becomes of those of one node,
 * in `out`; and counts those of all nodes, or of `only`. -1: out of memory. */
int plan_links_init(struct plan_work *w, struct err *e);
struct plan;
struct plan_links;
int plan_links_node(struct plan_work *w, uint32_t id, struct arena *out, struct plan_links *ret);
int plan_links_count(struct plan_work *w, uint32_t only, struct plan *ret);

/* reconciler/plan_client.c: fills ret->clients and their counts, and w->cut_off; `only` as below.
 * -1: out of memory. */
int plan_clients(struct plan_work *w, uint32_t only, struct plan *ret);

/* reconciler/plan_admission.c: who gains and loses by policy; `only` as below. */
int plan_admissions(const struct network *old, const struct network *new, const char *only,
		    struct arena *a, struct plan *ret, struct err *e);

/* reconciler/plan_loss.c: fills ret->losses and ret->pairs_lost; `only` is NO_ID or the one node to
 * speak about. */
int plan_losses(struct plan_work *w, const struct plan_place *places, size_t n, uint32_t only,
		struct plan *ret, struct err *e);

#endif
