/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relays. Part of the compiler: what a pair does that the topology joins and neither of whose sides
 * has an endpoint for the other. When some `relay: true` node is joined with both and meets both,
 * the two have no entry for each other; each side's entry for the relay gets the other's addresses
 * and routes.
 *
 * Which relay: of those joined with both, the ones in the region of one of the two, when there are
 * any; of these the one with the greatest weight for the unordered pair of the two sides' buckets
 * (rendezvous hashing). So both sides choose alike, pairs are spread over the relays, and a relay
 * that comes or goes moves no pair but those that it gets or had:
 *
 *	bucket of a node	the first byte of the BLAKE2b-256 of its name, modulo RELAY_BUCKETS
 *	weight of a relay for buckets x <= y
 *				mix(h + (RELAY_BUCKETS * x + y + 1) * 0x9e3779b97f4a7c15) modulo
 *				2^64; h is the first 8 bytes, big-endian, of the BLAKE2b-256 of its
 *				name, mix the finalizer of SplitMix64; of equals the first by name
 *
 * It stays small: nodes without an endpoint for all that are joined with the same relays and are in
 * one region are a class; a document names parts of groups (a class, or one bucket of it), so it
 * has at most as many links as there are classes times buckets, and a node that comes adds a few
 * lines. Those of a class that a node meets from where it looks are named once more, as its peers:
 * what a link says of the way through a relay does not hold for peers (LINK_THROUGH).
 */
#ifndef RECONCILER_RELAY_H
#define RECONCILER_RELAY_H

#include "common/arena.h"
#include "publication/network.h"
#include "reconciler/link_set.h"
#include "reconciler/viewpoint.h"
#include "schema/model.h"

#define RELAY_BUCKETS 8

struct relays {
	const struct m_network *m;
	struct viewpoints *views;
	struct arena *arena;
	size_t n; /* nodes that can be relays; 0: nothing below is of interest */
	uint32_t *list; /* their indexes, ascending */
	/* Sets of relays that some node that is not open is joined with and meets; the first is
	 * empty. */
	uint64_t *sets;
	size_t n_sets, words; /* words of each */
	uint32_t *set_of; /* by node; 0 for nodes that are open */
	struct relay_work *work;
};

/*
 * `links`: of every node, as the topology joins them, each sorted and once; `groups`: what they
 * name. -1: out of memory.
 * Everything lives in `a`.
 */
int relays_find(const struct m_network *m, struct viewpoints *views, const struct link_set *links,
		const struct group *groups, size_t n_groups, struct arena *a, struct relays *ret);
/* True when nodes of these two sets have a relay in common. */
bool relays_meet(const struct relays *r, uint32_t set_a, uint32_t set_b);
/* The relay between two nodes, or NULL: they meet, or have none in common. */
const struct m_node *relays_between(struct relays *r, size_t a, size_t b);

/*
 * Replaces the links of nodes that are not open. *ret_groups: all groups that the links name
 * afterwards, unsorted. forward[i] is set for every relay that carries a pair. -1: out of memory.
 */
int relays_apply(struct relays *r, struct link_set *links, bool *forward, struct group **ret_groups,
		 size_t *ret_n_groups);

#endif
