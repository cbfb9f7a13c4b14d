/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of routed links (reconciler/links.h): what links.c (what a link keeps, and the result),
 * links_pairs.c (who is joined by one), links_ports.c, links_transfer.c and links_names.c (what
 * each gets) share, and nobody else sees.
 */
#ifndef RECONCILER_LINKS_IMPL_H
#define RECONCILER_LINKS_IMPL_H

#include "reconciler/links.h"

struct link_pair {
	uint32_t node[2]; /* the lower first, which is the order of names too */
	uint32_t entry; /* the first that joins them */
};

struct link_maker {
	const struct m_network *m;
	const struct viewpoints *views;
	const struct joined *entries;
	size_t n_entries;
	const struct network *old; /* never NULL; may be empty */
	uint64_t serial;
	struct node *nodes;
	struct arena *arena;
	struct diag *diag;
	struct link_pair *pairs; /* sorted */
	size_t n, cap;
	struct routed_link *links; /* one for each pair; a port of 0, a name of "": none yet */
	/* Transfer networks: for each link one of each pool, and one more; for each spare one those
	 * that it had. A length of 0 is none. */
	struct prefix **transfer;
	struct routed_link *spare; /* of pairs that are not joined now */
	struct prefix **spare_transfer;
	size_t n_spare;
	bool nomem; /* ends everything */
};

/* NULL also sets nomem. */
void *links_get(struct link_maker *x, size_t n, size_t size);

/* links_pairs.c: fills x->pairs. False when there are too many, which it told, or memory ran out.
 */
bool links_pairs(struct link_maker *x);
/* Tells what is wrong with them. */
void links_pairs_check(struct link_maker *x);
/* NULL: the two are not joined. */
const struct link_pair *links_pair(const struct link_maker *x, const char *a, const char *b);
const struct m_node *links_node(const struct link_maker *x, const struct link_pair *p,
				unsigned int end);

/*
 * What a link has, it keeps while that is possible: a port that the range holds, a name that may be
 * that of the interface to this node, the transfer networks that the pools hold. Then each link
 * that has none gets one; where none is left, the error is told.
 */
bool links_port_holds(const struct link_maker *x, uint16_t port);
void links_ports(struct link_maker *x);
bool links_name_holds(const struct link_maker *x, const struct ifname *name, const char *node);
void links_names(struct link_maker *x);
void links_transfer_keep(struct link_maker *x, const struct routed_link *was, struct prefix *ret);
void links_transfer(struct link_maker *x);

#endif
