/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of reach (reconciler/reach.h): what reach.c (making, asking), reach_end.c (ends, and the
 * networks behind nodes), reach_table.c (what a node does with an address), reach_follow.c (the way
 * of a packet) and reach_policy.c (what is let in at the end of it) share, and nobody else sees.
 */
#ifndef RECONCILER_REACH_IMPL_H
#define RECONCILER_REACH_IMPL_H

#include "reconciler/plan_view.h"
#include "reconciler/reach.h"

struct reach_meaning;

/* Names of permits that mean an address, as bits; addresses that share them are one class. */
struct reach_classes {
	const char **names; /* sorted, each once */
	struct reach_meaning *meanings; /* of each name */
	size_t n_names, words;
	uint64_t *list; /* `words` for each class */
	size_t n, cap;
	uint32_t *of; /* by address: its class plus one; 0: not looked at yet */
};

struct reach_table;

/* The networks of a site, which no record has: they are behind its leader. */
struct reach_site {
	const struct prefix *list;
	size_t n;
};

struct reach {
	struct plan_work w;
	const struct side *side;
	const struct network *net;
	struct arena arena;
	uint32_t *first_address; /* by number: index of its first address among all */
	uint32_t n_addresses;
	/* reach_end.c, by number: the site that it leads, that it is at; or NULL. NULL: there are
	 * no sites. */
	const struct reach_site **led, **at;
	/* reach_end.c: every address, route and prefix of the policy, sorted, each once */
	struct prefix *networks;
	size_t n_networks;
	struct prefix *own; /* the addresses of all, sorted */
	size_t n_own;
	struct prefix *pools; /* that nodes have addresses in: canonical */
	size_t n_pools;
	struct reach_table *tables; /* reach_table.c: by view */
	uint8_t *ways; /* reach_follow.c: by pair of numbers, an answer plus one; NULL: not
			  remembered */
	/* The rest is of reach_policy.c. */
	bool guarded; /* some node is; else everything is let in */
	struct reach_classes from, to;
	uint32_t *from_name; /* by permit: its `from` among from.names */
	size_t *first_permit; /* by name of `to`: the first permit; one more than names */
	struct service *collected; /* room for those of all permits */
	/* Answers of the policy by pair of classes, for the services asked for last. */
	struct service *on; /* NULL: none yet */
	size_t n_on;
	uint8_t *answers; /* an answer plus one; 0: not known */
	size_t answers_cap, answers_to;
};

/* Each sets up its file's part of *r, whose side and addresses are there. -1: out of memory. What
 * they make lives in r->arena but for `on` and `answers`, which reach_free frees. */
int reach_networks_init(struct reach *r, const struct m_network *m);
int reach_tables_init(struct reach *r);
int reach_ways_init(struct reach *r);
int reach_policy_init(struct reach *r);

/* An address, and whose it is (NO_ID: none that a record has). */
struct place {
	uint32_t id;
	bool outside; /* it is in no network: whoever lets it out is where it arrives */
	struct ipaddr address;
};

/* The length of the longest network behind the node that holds the address; -1: none. */
int reach_own_length(const struct reach *r, uint32_t id, const struct ipaddr *a);
/* Whether hosts with such an address are behind the node: in a pool, only those of its own parts.
 */
bool reach_is_behind(const struct reach *r, uint32_t id, const struct ipaddr *a);
/* Whether it is an address of the node or client itself. */
bool reach_has_address(const struct reach *r, uint32_t id, const struct ipaddr *a);

/* What the node of that number (no client) does with addresses, made when first asked for. NULL:
 * out of memory. */
const struct reach_table *reach_table_of(struct reach *r, uint32_t id);
/*
 * The peer of the node `at`, whose table it is, that the longest allowed IP for the place names, or
 * NO_ID. Under one peer a prefix that another covers is none. *ret_len: the length of that allowed
 * IP, or -1.
 */
uint32_t reach_next(const struct reach_table *t, uint32_t at, const struct place *to, int *ret_len);

#endif
