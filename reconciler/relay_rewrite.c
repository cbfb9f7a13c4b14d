/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/relay_impl.h"

/* Nodes one after another. */
struct rewrite {
	struct relays *r;
	bool *forward;
	uint32_t node; /* at hand */
	struct link_set out; /* its new links */
};

static void put(struct rewrite *w, struct link link)
{
	if (link_set_add(&w->out, w->r->arena, link) < 0)
		w->r->work->nomem = true;
}

static void put_direct(struct rewrite *w, const char *target)
{
	if (target)
		put(w, (struct link){ .kind = LINK_DIRECT, .target = target });
}

static void put_through(struct rewrite *w, uint32_t relay, const char *target)
{
	uint32_t node = w->r->list[relay];

	if (!target)
		return;
	put(w, (struct link){
		       .kind = LINK_THROUGH, .target = target, .via = w->r->m->nodes[node].name });
	w->forward[node] = true;
}

/* The node at hand, where it is one of those of a part or bucket that are not near: it would be
 * counted among the others. */
static size_t counts_itself(const struct rewrite *w, const struct relay_group *g,
			    const struct relay_part *p)
{
	return w->r->work->class_of[w->node] == p->class && relay_group_has(g, w->node) &&
	       !viewpoints_meet(w->r->views, w->node, w->node);
}

/* True when there is anybody in the part that the node at hand reaches through a relay. */
static bool is_relayed(const struct rewrite *w, const struct relay_group *g,
		       const struct relay_part *p)
{
	return p->class != NO_CLASS && p->n > p->n_near + counts_itself(w, g, p) &&
	       relay_candidates_with(w->r, p->class)->n;
}

static void rewrite_part(struct rewrite *w, const struct relay_group *g, struct relay_part *p)
{
	const struct relay_candidates *c = relay_candidates_with(w->r, p->class);
	uint8_t own = w->r->work->bucket_of[w->node], b, same = 1;
	uint32_t relay[RELAY_BUCKETS];

	for (b = 0; b < RELAY_BUCKETS; b++)
		relay[b] = relay_choose(w->r, c, own, b);
	while (same < RELAY_BUCKETS && relay[same] == relay[0])
		same++;
	if (same == RELAY_BUCKETS) {
		put_through(w, relay[0], relay_part_whole(w->r, g, p));
		return;
	}
	for (b = 0; b < RELAY_BUCKETS; b++)
		if (p->in_bucket[b] > p->near_in[b] + (b == own ? counts_itself(w, g, p) : 0))
			put_through(w, relay[b], relay_part_bucket(w->r, g, p, b));
}

static void rewrite_group(struct rewrite *w, const struct link *link)
{
	struct relay_group *g = relay_group(w->r, link->target);
	bool any = false;
	size_t i;

	relay_group_cut(w->r, g);
	for (i = 0; i < g->n_parts && !any; i++)
		any = is_relayed(w, g, &g->parts[i]);
	if (!any) {
		put(w, *link);
		return;
	}
	if (g->n_open)
		put_direct(w, relay_group_open(w->r, g));
	if (g->n_near > 1 || (g->n_near && g->near[0] != w->node))
		put_direct(w, relay_group_near(w->r, g));
	for (i = 0; i < g->n_parts; i++) {
		struct relay_part *p = &g->parts[i];

		if (is_relayed(w, g, p))
			rewrite_part(w, g, p);
		else if (p->n > 1 || p->first != w->node)
			put_direct(w, relay_part_whole(w->r, g, p));
	}
}

static void rewrite_node(struct rewrite *w, const struct link *link)
{
	uint32_t node = relay_node(w->r, link->target);
	uint32_t class = w->r->work->class_of[node];
	const struct relay_candidates *c;

	c = class == NO_CLASS || viewpoints_meet(w->r->views, w->node, node) ?
		    NULL :
		    relay_candidates_with(w->r, class);
	if (c && c->n)
		put_through(w,
			    relay_choose(w->r, c, w->r->work->bucket_of[w->node],
					 w->r->work->bucket_of[node]),
			    link->target);
	else
		put(w, *link);
}

static void rewrite_links(struct rewrite *w, struct link_set *links)
{
	size_t i;

	w->out.n = 0;
	for (i = 0; i < links->n; i++) {
		if (links->list[i].kind != LINK_DIRECT)
			put(w, links->list[i]);
		else if (target_is_group(links->list[i].target))
			rewrite_group(w, &links->list[i]);
		else
			rewrite_node(w, &links->list[i]);
	}
	link_set_unique(&w->out);
	if (link_set_copy(links, w->r->arena, &w->out) < 0)
		w->r->work->nomem = true;
}

/* The nodes with a choice of relays, those of one stance and class after one another. */
struct turn {
	uint32_t stance, class, node;
};

static int cmp_turns(const void *pa, const void *pb)
{
	const struct turn *a = pa, *b = pb;

	if (a->stance != b->stance)
		return a->stance < b->stance ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

int relays_apply(struct relays *r, struct link_set *links, bool *forward, struct group **ret_groups,
		 size_t *ret_n_groups)
{
	struct relay_work *w = r->work;
	struct rewrite rewrite = { .r = r, .forward = forward };
	struct turn *turns = relay_get(r, r->m->n_nodes, sizeof(*turns));
	size_t i, n = 0;

	w->with = relay_get(r, w->n_classes, sizeof(*w->with));
	w->part_of = relay_get(r, w->n_classes + 1, sizeof(*w->part_of));
	w->suffixes = relay_get(r, w->n_classes, sizeof(*w->suffixes));
	if (w->nomem)
		return -1;
	for (i = 0; i < r->m->n_nodes; i++)
		if (w->class_of[i] != NO_CLASS)
			turns[n++] = (struct turn){ r->views->stance_of[i], w->class_of[i],
						    (uint32_t)i };
	if (n > 1)
		qsort(turns, n, sizeof(*turns), cmp_turns);
	for (i = 0; i < n && !w->nomem; i++) {
		const struct turn *t = &turns[i];

		if (!i || t[-1].stance != t->stance || t[-1].class != t->class)
			relay_take(r, t->class, t->stance);
		rewrite.node = t->node;
		rewrite_links(&rewrite, &links[t->node]);
	}
	if (!w->nomem)
		relay_groups_make(r, links);
	if (w->nomem)
		return -1;
	*ret_groups = w->made;
	*ret_n_groups = w->n_made;
	return 0;
}
