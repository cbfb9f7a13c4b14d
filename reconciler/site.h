/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sites in the compiler: places of several nodes, of which one, the leader, is joined with the
 * others for all. Part of reconciler/compile.h.
 *
 * A topology entry that selects any node of a site joins its leader: in every set of nodes that the
 * topology names, the leader stands for those behind it (sites_outside). They are a group,
 * "site:NAME", and
 *
 *	who is joined with the leader gets "through LEADER: that group" and the site's routes under
 *	the leader; who reaches the leader through a relay or a hub gets them there;
 *	the leader has the group as direct peers, without the routes;
 *	a node behind the leader has the leader as a peer, and under it all that the leader has of
 *	others, link by link; and those of its own site, as peers where they meet and may, else
 *	under the leader too.
 *
 * So a node that comes to a site changes its record, its own document and the group, and a site
 * that comes one or two links of those who are joined with it.
 *
 * Why that stays free of loops: what a node behind a leader sends goes to the leader or to a peer
 * at its site; a leader sends on what is for its site to the node itself, everything else as if it
 * came from itself; and nobody but the leader sends to a node behind it.
 */
#ifndef RECONCILER_SITE_H
#define RECONCILER_SITE_H

#include "common/arena.h"
#include "publication/network.h"
#include "reconciler/link_set.h"
#include "reconciler/viewpoint.h"
#include "schema/model.h"

/* What the name of a group ends in whose nodes are made those that stand for them. */
#define SITES_OUTSIDE "#outside"

struct site {
	const struct m_site *m;
	uint32_t leader; /* index in m->nodes */
	const uint32_t *behind; /* the others, ascending */
	size_t n_behind;
	struct group group; /* of these; no members: none is needed */
	const struct prefix *routes; /* canonical */
	size_t n_routes;
};

/* A group that leaders are in. */
struct site_group {
	const char *name;
	const uint32_t *sites; /* indexes into sites->list, ascending */
	size_t n;
};

struct sites {
	const struct m_network *m;
	struct arena *arena;
	struct site *list; /* sorted by name; those that have a leader */
	size_t n;
	uint32_t *of; /* by node: the site that it is behind the leader of, plus one; 0: none */
	uint32_t *led; /* by node: the site that it leads, plus one */
	struct site_group *groups; /* sorted by name; see sites_groups */
	size_t n_groups;
};

/* -1: out of memory. */
int sites_find(const struct m_network *m, struct arena *a, struct sites *ret);

/*
 * The nodes that stand for these (indexes, ascending): each that is behind a leader by the leader.
 * *ret: the same array when none is. -1: out of memory.
 */
int sites_outside(const struct sites *s, const uint32_t *members, size_t n, const uint32_t **ret,
		  size_t *ret_n);

/* Learns which leaders the groups hold that links name. -1: out of memory. */
int sites_groups(struct sites *s, const struct group *groups, size_t n);
/* What a node that is behind no leader gets besides its links. -1: out of memory. */
int sites_links(const struct sites *s, uint32_t node, const struct link *links, size_t n,
		struct link_set *ret);
/*
 * All links of a node that is behind a leader whose own links are `links`. A group that is needed
 * for it, besides those of the sites, is in *ret_group (its name NULL: none). -1: out of memory.
 */
int sites_behind(const struct sites *s, struct viewpoints *v, uint32_t node,
		 const struct link *links, size_t n, struct link_set *ret, struct group *ret_group);

#endif
