/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the compiler (reconciler/compile.h): what compile.c (the order of the steps),
 * compile_select.c (selectors to targets of links), compile_topology.c (entries to links),
 * compile_meet.c (pairs that cannot meet), compile_sites.c (leaders and those behind them) and
 * compile_document.c (records and node documents) share, and nobody else sees.
 *
 * Out of memory is c->nomem: once it is set, what functions return means nothing, and the step that
 * notices ends.
 */
#ifndef RECONCILER_COMPILE_IMPL_H
#define RECONCILER_COMPILE_IMPL_H

#include "reconciler/allocate.h"
#include "reconciler/compile.h"
#include "reconciler/compile_clients.h"
#include "reconciler/link_set.h"
#include "reconciler/links.h"
#include "reconciler/order.h"
#include "reconciler/relay.h"
#include "reconciler/site.h"
#include "reconciler/transit.h"
#include "reconciler/viewpoint.h"

/* One target of links: a node or a group, with its members. */
struct target {
	const char *name; /* as it stands in a link */
	const uint32_t *members; /* node indexes, ascending; at least one */
	size_t n;
};

struct targets {
	struct target *list; /* no name twice */
	size_t n;
};

struct compiler {
	const struct m_network *m;
	struct arena *arena;
	struct diag *diag;
	struct tag *tags; /* compile_select.c: sorted by name */
	size_t n_tags;
	const uint32_t *everybody; /* 0, 1, 2, ... */
	struct link_set *links; /* one per node */
	bool *too_many; /* by node: it would have more than MAX_LINKS different ones */
	struct group *groups; /* that links name */
	size_t n_groups;
	struct prefix *pools; /* canonical */
	size_t n_pools;
	struct joined *joined; /* by every topology entry but those with interface_per_link */
	size_t n_joined;
	struct joined *routed; /* by those */
	size_t n_routed;
	struct transit *transits; /* stars with transit */
	size_t n_transits;
	struct gateway *gateways; /* nodes with clients */
	size_t n_gateways;
	bool *forward; /* by node: it carries traffic for others */
	const bool *is_exit; /* by node */
	struct viewpoints views;
	struct sites sites;
	struct order order; /* of gateways for one prefix */
	bool nomem;
};

void *compiler_get(struct compiler *c, size_t n, size_t size);
/* NULL: there is none of that name yet. */
const struct group *compiler_group(const struct compiler *c, const char *name);
/* One that is not there yet. */
void compiler_put_group(struct compiler *c, struct group g);
/* A link to itself, which no node has, and what the node has already are left out. */
void compiler_put_link(struct compiler *c, size_t node, struct link link);

/* compile_select.c */
void compile_selectors(struct compiler *c);
/* What a list of selectors means; its groups are there then. Entry and side name the place of the
 * list. */
struct targets compile_targets(struct compiler *c, const struct m_selectors *s, size_t entry,
			       const char *side);
/* One flag per node that any target holds. */
bool *compile_marks(struct compiler *c, const struct targets *ts);
/* The targets without the nodes of others, whose flags are `out`. */
struct targets compile_without(struct compiler *c, const struct targets *ts,
			       const struct targets *others, const bool *out);
/* The first node that the first selector means, or its leader; NULL: none. */
const char *compile_first(struct compiler *c, const struct m_selectors *s);

/* compile_topology.c: the links of all entries, c->joined, c->routed and c->transits. */
void compile_topology(struct compiler *c);

/* compile_meet.c: warns of the pairs of c->joined that neither meet nor have a relay. */
void compile_meet(struct compiler *c, const struct relays *r);
void compile_warn_pair(struct compiler *c, struct pos pos, size_t a, size_t b);

/* compile_sites.c: last of what makes links, since all that a leader has must be known. */
void compile_sites(struct compiler *c);

/* compile_document.c: of a node or a client, and of the node of that index. */
void compile_record(struct compiler *c, const struct m_node *m, const struct allocation *al,
		    struct record *ret);
void compile_node(struct compiler *c, size_t index, const struct allocation *al, struct node *ret);

#endif
