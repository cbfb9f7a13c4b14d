/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of relays (reconciler/relay.h): what relay.c (who can be one, and who has the same choice
 * of them), relay_choice.c (which one a pair gets), relay_group.c (the parts of groups, and their
 * names) and relay_rewrite.c (links) share, and nobody else sees.
 */
#ifndef RECONCILER_RELAY_IMPL_H
#define RECONCILER_RELAY_IMPL_H

#include "reconciler/relay.h"

#define NO_CLASS UINT32_MAX

/* Nodes that are not open and have the same choice of relays. */
struct relay_class {
	uint32_t set, region;
};

/* The members of a group that are of one class; NO_CLASS: those that no relay is joined with. */
struct relay_part {
	uint32_t class;
	size_t n, in_bucket[RELAY_BUCKETS];
	uint32_t first; /* the member of the lowest index */
	const char *whole, *bucket[RELAY_BUCKETS]; /* names of groups, once they are used */
	/* Of these, those that the stance at hand meets. */
	size_t n_near, near_in[RELAY_BUCKETS];
};

/* A group that links name, and what it is cut into when one of them is rewritten. */
struct relay_group {
	const char *name;
	const uint32_t *members;
	size_t n;
	uint64_t *relays; /* which of its members can be relays */
	bool cut;
	bool used; /* as it is, when all links are rewritten */
	const char *open; /* the group of members that are open, once it is used */
	size_t n_open;
	/* Its members that are not open and that nodes of one stance meet, of which the group is
	 * made once it is used. */
	uint32_t near_of; /* the stance plus one; 0: none yet */
	uint32_t *near;
	size_t n_near, cap_near;
	const char *near_name;
	struct relay_part *parts;
	size_t n_parts;
};

/* The relays that two classes have in common, reduced to the preferred ones. */
struct relay_candidates {
	uint32_t made_in; /* the round; 0: not made */
	size_t from, n; /* in the pool: places in the list of relays */
};

struct relay_work {
	struct relay_group *groups; /* sorted by name, GROUP_ALL among them */
	size_t n_groups;
	uint64_t *hash; /* of each relay */
	uint32_t *relay_region;
	const char **regions; /* of relays; region i is regions[i - 1], 0 is any other and none */
	size_t n_regions;
	uint32_t *region_of; /* by node */
	uint8_t *bucket_of;
	uint32_t *class_of; /* by node; NO_CLASS: it has an endpoint, or is joined with no relay */
	struct relay_class *classes;
	size_t n_classes;
	uint32_t *slots; /* hash table of sets: index plus one */
	size_t n_slots;
	/* The relays that the class at hand has in common with others, made when first needed. */
	struct relay_candidates *with; /* by class */
	uint32_t at_hand; /* the class */
	uint32_t stance; /* at hand */
	uint32_t round; /* counts classes and stances at hand, from one */
	uint32_t *pool;
	size_t n_pool, cap_pool;
	uint32_t *part_of; /* by class: scratch of relay_group_cut */
	const char **suffixes; /* by class, once they are made */
	struct group *made; /* the groups that links name after they are rewritten */
	size_t n_made;
	bool nomem;
};

/* From r->arena; NULL also sets nomem, which ends everything. */
void *relay_get(struct relays *r, size_t n, size_t size);
/* The place of a number in an ascending list, or `n`. */
size_t relay_find(const uint32_t *list, size_t n, uint32_t v);
/* The index of a node that links name. */
uint32_t relay_node(const struct relays *r, const char *name);
const uint64_t *relay_set(const struct relays *r, uint32_t set);
/* The finalizer of SplitMix64. */
uint64_t relay_mix(uint64_t x);

/* relay_choice.c: from now on the nodes of this class and stance are at hand. */
void relay_take(struct relays *r, uint32_t class, uint32_t stance);
/* The relays between the class at hand and another one; until another is at hand. */
const struct relay_candidates *relay_candidates_with(struct relays *r, uint32_t class);
/* The one of the candidates (at least one) for a pair of these buckets; a place in the list. */
uint32_t relay_choose(const struct relays *r, const struct relay_candidates *c, uint8_t a,
		      uint8_t b);

/* relay_group.c: of the groups that links name. */
void relay_groups_init(struct relays *r, const struct group *groups, size_t n);
struct relay_group *relay_group(const struct relays *r, const char *name);
bool relay_group_has(const struct relay_group *g, uint32_t node);
/* Cuts a group by class, and finds those of it that the stance at hand meets. */
void relay_group_cut(struct relays *r, struct relay_group *g);
/* The names of what links need of a group that is cut, which is noted for relay_groups_make. NULL:
 * out of memory. */
const char *relay_group_open(struct relays *r, struct relay_group *g);
const char *relay_group_near(struct relays *r, struct relay_group *g);
const char *relay_part_whole(struct relays *r, const struct relay_group *g, struct relay_part *p);
const char *relay_part_bucket(struct relays *r, const struct relay_group *g, struct relay_part *p,
			      uint8_t bucket);
/* Makes all groups that these links, of all nodes, name. */
void relay_groups_make(struct relays *r, const struct link_set *links);

#endif
