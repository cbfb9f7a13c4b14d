/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routed links in a plan. Each is its two nodes' own, so there are no views here: the cost follows
 * the number of links.
 */
#include "common/limits.h"
#include "publication/routed.h"
#include "reconciler/plan.h"
#include "reconciler/plan_attr.h"
#include "reconciler/plan_view.h"

/* ---- both sides ---- */

static uint32_t root_of(uint32_t *net, uint32_t id)
{
	while (net[id] != id) {
		net[id] = net[net[id]];
		id = net[id];
	}
	return id;
}

/* The lesser number stays, so that the root is the least of all. */
static void join(uint32_t *net, uint32_t a, uint32_t b)
{
	a = root_of(net, a);
	b = root_of(net, b);
	if (a < b)
		net[b] = a;
	else
		net[a] = b;
}

static int init_side(struct plan_work *w, struct side *s)
{
	const struct network *n = s->network;
	size_t i, n_lines = n ? n->n_routed : 0;
	uint32_t *first = arena_array(&w->tmp, w->n + 2, sizeof(*first)), *lines, *ids;
	uint32_t *net = arena_array(&w->tmp, w->n, sizeof(*net)), id;

	lines = arena_array(&w->tmp, 2 * n_lines, sizeof(*lines));
	ids = arena_array(&w->tmp, 2 * n_lines, sizeof(*ids));
	if (!first || !net || !lines || !ids)
		return -1;
	for (id = 0; id < w->n; id++)
		net[id] = id;
	for (i = 0; i < n_lines; i++) {
		const struct routed_link *l = &n->routed[i];

		ids[2 * i] = l->freed ? NO_ID : plan_work_id(w, l->name[0]);
		ids[2 * i + 1] = l->freed ? NO_ID : plan_work_id(w, l->name[1]);
		/* Of nodes that are not there; no publication of ours has such. */
		if (ids[2 * i] == NO_ID || ids[2 * i + 1] == NO_ID || !s->nodes[ids[2 * i]] ||
		    !s->nodes[ids[2 * i + 1]] || !s->records[ids[2 * i]] ||
		    !s->records[ids[2 * i + 1]]) {
			ids[2 * i] = NO_ID;
			continue;
		}
		s->n_routed++;
		first[ids[2 * i] + 2]++;
		first[ids[2 * i + 1] + 2]++;
		if (side_meet(s, ids[2 * i], ids[2 * i + 1]))
			join(net, ids[2 * i], ids[2 * i + 1]);
	}
	/* first[id + 1] is where the next of `id` goes, until all have gone. */
	for (id = 0; id < w->n; id++)
		first[id + 2] += first[id + 1];
	/* The table is sorted by both names: each node's come by the other one's. */
	for (i = 0; i < n_lines; i++) {
		if (ids[2 * i] == NO_ID)
			continue;
		lines[first[ids[2 * i] + 1]++] = (uint32_t)i;
		lines[first[ids[2 * i + 1] + 1]++] = (uint32_t)i;
	}
	for (id = 0; id < w->n; id++)
		net[id] = root_of(net, id);
	s->routed_first = first;
	s->routed_lines = lines;
	s->routed_net = net;
	return 0;
}

int plan_links_init(struct plan_work *w, struct err *e)
{
	if (init_side(w, &w->sides[OLD]) < 0 || init_side(w, &w->sides[NEW]) < 0)
		return err_nomem(e);
	return 0;
}

/* ---- one node ---- */

/* A link as one of its nodes has it. */
struct end_view {
	const struct routed_link *line; /* NULL: it is not there */
	const char *other;
	const char *interface;
	struct node node; /* the addresses and the port of that end */
	struct ifaddr addresses[MAX_POOLS];
	const struct wgkey *key;
	struct endpoint endpoint;
	uint32_t keepalive;
};

/* As publication/expand.h says, of a peer with an endpoint. */
static uint32_t keepalive_towards(const struct side *s, const struct node *node, uint32_t id,
				  uint32_t other)
{
	const struct view *v = &s->views[s->view_of[id]];
	uint32_t said = 0;
	size_t i;

	for (i = 0; i < v->n_links; i++) {
		const struct view_link *l = &v->links[i];

		if (l->kind == LINK_ALIVE && ids_has(l->target, other) &&
		    (said <= 1 || (l->seconds && l->seconds < said - 1)))
			said = 1 + (uint32_t)l->seconds;
	}
	if (said)
		return said - 1;
	return node->flags & NODE_HAS_KEEPALIVE ? node->keepalive : 0;
}

static void view_end(const struct plan_work *w, const struct side *s, uint32_t id, size_t at,
		     struct end_view *ret)
{
	const struct node *node = s->nodes[id];
	const struct routed_link *l;
	const struct record *r;
	unsigned int own;
	size_t i;

	*ret = (struct end_view){ 0 };
	if (at >= s->routed_first[id + 1])
		return;
	l = &s->network->routed[s->routed_lines[at]];
	own = strcmp(l->name[0], node->name) != 0;
	r = network_record(s->network, l->name[!own]);
	ret->line = l;
	ret->other = l->name[!own];
	ret->interface = l->end[own].interface.s;
	ret->node.listen_port = l->end[own].port;
	for (i = 0; i < l->n_transfer && i < MAX_POOLS; i++)
		ret->addresses[i] = routed_address(&l->transfer[i], own);
	ret->node.n_addresses = i;
	ret->key = &r->key;
	ret->endpoint = *record_endpoint(r, node);
	if (!ret->endpoint.host)
		return;
	ret->endpoint.port = l->end[!own].port;
	ret->keepalive = keepalive_towards(s, node, id, plan_work_id(w, ret->other));
}

static void add_attrs(struct attr_list *l, struct end_view *a, struct end_view *b)
{
	a->node.addresses = a->addresses;
	b->node.addresses = b->addresses;
	attr_change(l, "interface", a->interface, b->interface);
	attr_add_addresses(l, a->line ? &a->node : NULL, b->line ? &b->node : NULL);
	attr_change(l, "listen_port", attr_number(l, a->line != NULL, a->node.listen_port),
		    attr_number(l, b->line != NULL, b->node.listen_port));
	attr_change(l, "public_key", attr_key(l, a->key), attr_key(l, b->key));
	attr_change(l, "endpoint", attr_endpoint(l, &a->endpoint), attr_endpoint(l, &b->endpoint));
	attr_change(l, "persistent_keepalive", attr_number(l, a->keepalive, a->keepalive),
		    attr_number(l, b->keepalive, b->keepalive));
}

static int add_link(struct end_view *a, struct end_view *b, struct arena *out,
		    struct plan_links *ret)
{
	struct attr_list l = { .a = out };
	struct plan_peer *list;

	add_attrs(&l, a, b);
	if (l.failed)
		return -1;
	if (!l.n)
		return 0;
	list = arena_grow(out, ret->list, ret->n, sizeof(*list));
	if (!list)
		return -1;
	ret->list = list;
	list[ret->n++] = (struct plan_peer){ .action = !a->line ? PLAN_ADD :
						       !b->line ? PLAN_REMOVE :
								  PLAN_CHANGE,
					     .name = b->line ? b->other : a->other,
					     .attrs = l.v,
					     .n_attrs = l.n };
	return 0;
}

int plan_links_node(struct plan_work *w, uint32_t id, struct arena *out, struct plan_links *ret)
{
	const struct side *old = &w->sides[OLD], *new = &w->sides[NEW];
	size_t i = old->routed_first[id], j = new->routed_first[id];

	*ret = (struct plan_links){ 0 };
	while (i < old->routed_first[id + 1] || j < new->routed_first[id + 1]) {
		struct end_view a, b;
		int c;

		view_end(w, old, id, i, &a);
		view_end(w, new, id, j, &b);
		c = !a.line ? 1 : !b.line ? -1 : strcmp(a.other, b.other);
		i += c <= 0;
		j += c >= 0;
		if (c < 0)
			b = (struct end_view){ 0 };
		else if (c > 0)
			a = (struct end_view){ 0 };
		if (add_link(&a, &b, out, ret) < 0)
			return -1;
	}
	return 0;
}

/* ---- counts ---- */

/* A link is counted once, though both of its nodes tell of it. */
static void count_one(const struct network *n, const char *a, const struct plan_peer *p, bool *told,
		      struct plan *ret)
{
	const struct routed_link *l = network_routed(n, a, p->name);

	if (told[l - n->routed])
		return;
	told[l - n->routed] = true;
	ret->links[p->action]++;
}

int plan_links_count(struct plan_work *w, uint32_t only, struct plan *ret)
{
	const struct network *old = w->sides[OLD].network, *new = w->sides[NEW].network;
	bool *told_old = arena_array(&w->tmp, old ? old->n_routed : 0, sizeof(*told_old));
	bool *told_new = arena_array(&w->tmp, new ? new->n_routed : 0, sizeof(*told_new));
	size_t standing = only == NO_ID ? w->sides[NEW].n_routed : 0, i;
	struct arena scratch;
	struct plan_links links;
	uint32_t id;
	int r = 0;

	if (!told_old || !told_new)
		return -1;
	arena_init(&scratch);
	for (id = 0; !r && id < w->n; id++) {
		if (only != NO_ID && only != id)
			continue;
		if (only == id)
			standing =
				w->sides[NEW].routed_first[id + 1] - w->sides[NEW].routed_first[id];
		r = plan_links_node(w, id, &scratch, &links);
		for (i = 0; !r && i < links.n; i++) {
			bool gone = links.list[i].action == PLAN_REMOVE;

			count_one(gone ? old : new, w->names[id], &links.list[i],
				  gone ? told_old : told_new, ret);
		}
		if (scratch.used > 1u << 20)
			arena_release(&scratch);
	}
	arena_release(&scratch);
	ret->links_unchanged = standing - (size_t)(ret->links[PLAN_ADD] + ret->links[PLAN_CHANGE]);
	return r;
}
