/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan.h"

#include "reconciler/plan_attr.h"
#include "reconciler/plan_peers.h"
#include "reconciler/plan_policy.h"
#include "reconciler/plan_view.h"

/* Past so many different changes of interface settings under one change of peers, their nodes are
 * listed together. */
#define MAX_SPLIT 8

struct maker {
	struct plan_work w;
	struct peer_diff peers;
	struct policy_diff policy;
	struct plan *plan;
	struct arena scratch; /* of one run of places */
	uint32_t only; /* NO_ID, or the one node to speak about */
};

/* Classes. */

/* A node of a run that changes. */
struct changed_node {
	uint32_t id;
	const struct plan_place *place;
	struct peer_counts counts;
	bool odd;
	struct plan_attrs attrs;
	struct plan_links links;
	size_t split; /* which of the classes */
};

static struct plan_class *class_add(struct maker *m)
{
	struct plan_class *list =
		arena_grow(m->w.out, m->plan->classes, m->plan->n_classes, sizeof(*list));

	if (!list)
		return NULL;
	m->plan->classes = list;
	list[m->plan->n_classes] = (struct plan_class){ 0 };
	return &list[m->plan->n_classes++];
}

static void class_counts(struct plan_class *c, const struct peer_counts *n)
{
	if (n->n[PLAN_ADD] > c->peers_added)
		c->peers_added = n->n[PLAN_ADD];
	if (n->n[PLAN_CHANGE] > c->peers_changed)
		c->peers_changed = n->n[PLAN_CHANGE];
	if (n->n[PLAN_REMOVE] > c->peers_removed)
		c->peers_removed = n->n[PLAN_REMOVE];
	if (n->same > c->peers_unchanged)
		c->peers_unchanged = n->same;
}

/* Puts what all nodes have in common into the class, the rest into each node's own list. */
static int share_attrs(struct maker *m, struct plan_class *c, const struct plan_attrs *all)
{
	struct plan_attr *common = arena_array(m->w.out, all[0].n, sizeof(*common));
	struct plan_attrs shared = { common, 0 };
	bool own = false;
	size_t i, j;

	c->own = arena_array(m->w.out, c->n_nodes, sizeof(*c->own));
	if (!common || !c->own)
		return -1;
	for (i = 0; i < all[0].n; i++) {
		for (j = 1; j < c->n_nodes && attrs_have(&all[j], &all[0].list[i]); j++)
			;
		if (j == c->n_nodes)
			common[shared.n++] = all[0].list[i];
	}
	for (i = 0; i < c->n_nodes; i++) {
		struct plan_attr *list = arena_array(m->w.out, all[i].n - shared.n, sizeof(*list));

		if (!list)
			return -1;
		c->own[i].list = list;
		for (j = 0; j < all[i].n; j++) {
			if (!attrs_have(&shared, &all[i].list[j]))
				list[c->own[i].n++] = all[i].list[j];
		}
		own |= c->own[i].n != 0;
	}
	c->attrs = common;
	c->n_attrs = shared.n;
	if (!own)
		c->own = NULL;
	return 0;
}

static enum plan_action place_action(const struct plan_place *p)
{
	return p->view[OLD] == NO_ID ? PLAN_ADD : p->view[NEW] == NO_ID ? PLAN_REMOVE : PLAN_CHANGE;
}

/* One class of all nodes whose split is `split`; the peers come from `like` when that is not NULL.
 */
static int make_class(struct maker *m, const struct changed_node *nodes, size_t n, size_t split,
		      const struct plan_class *like)
{
	struct plan_class *c = class_add(m);
	struct plan_attrs *attrs;
	bool any_links = false;
	size_t i;

	if (!c)
		return -1;
	for (i = 0; i < n; i++)
		any_links |= nodes[i].split == split && nodes[i].links.n;
	if (any_links) {
		c->links = arena_array(m->w.out, n, sizeof(*c->links));
		if (!c->links)
			return -1;
	}
	c->nodes = arena_array(m->w.out, n, sizeof(*c->nodes));
	attrs = arena_array(&m->scratch, n, sizeof(*attrs));
	if (!c->nodes || !attrs)
		return -1;
	for (i = 0; i < n; i++) {
		if (nodes[i].split != split)
			continue;
		c->action = place_action(nodes[i].place);
		attrs[c->n_nodes] = nodes[i].attrs;
		if (any_links)
			c->links[c->n_nodes] = nodes[i].links;
		c->nodes[c->n_nodes++] = m->w.names[nodes[i].id];
		class_counts(c, &nodes[i].counts);
	}
	if (like) {
		c->peers = like->peers;
		c->n_peers = like->n_peers;
		c->peers_cut = like->peers_cut;
	}
	return share_attrs(m, c, attrs);
}

#define SPLIT_ODD SIZE_MAX

/* Gives nodes with the same changes of their interface the same split; returns how many there are.
 */
static size_t split_nodes(struct changed_node *nodes, size_t n)
{
	size_t first[MAX_SPLIT], n_splits = 0, i, j;

	for (i = 0; i < n; i++) {
		if (nodes[i].odd) {
			nodes[i].split = SPLIT_ODD;
			continue;
		}
		for (j = 0; j < n_splits && !attrs_equal(&nodes[first[j]].attrs, &nodes[i].attrs);
		     j++)
			;
		if (j == MAX_SPLIT || place_action(nodes[i].place) != PLAN_CHANGE)
			break;
		if (j == n_splits)
			first[n_splits++] = i;
		nodes[i].split = j;
	}
	if (i == n)
		return n_splits;
	for (i = 0; i < n; i++)
		nodes[i].split = nodes[i].odd ? SPLIT_ODD : nodes[i].attrs.n != 0;
	return 2;
}

static int make_classes(struct maker *m, struct changed_node *nodes, size_t n)
{
	size_t n_splits, i, j, plain = 0;
	struct plan_class shared = { 0 };

	for (i = 0; i < n; i++)
		plain += !nodes[i].odd;
	n_splits = split_nodes(nodes, n);
	if (plain &&
	    peer_diff_list(&m->peers, nodes[0].place, n == 1 ? nodes[0].id : NO_ID, &shared) < 0)
		return -1;
	for (i = 0; i < n_splits; i++) {
		for (j = 0; j < n && nodes[j].split != i; j++)
			;
		if (j < n && make_class(m, nodes, n, i, &shared) < 0)
			return -1;
	}
	for (i = 0; i < n; i++) {
		struct plan_class alone = { 0 };

		if (!nodes[i].odd)
			continue;
		nodes[i].split = 0;
		if (peer_diff_list(&m->peers, nodes[i].place, nodes[i].id, &alone) < 0 ||
		    make_class(m, &nodes[i], 1, 0, &alone) < 0)
			return -1;
	}
	return 0;
}

static struct attr_side side_attrs(const struct side *s, uint32_t id)
{
	const struct node *n = s->nodes[id];

	return (struct attr_side){ n, n ? s->records[id] : NULL };
}

/* A run of places that agree in everything but the node. */
static int plan_run(struct maker *m, const struct plan_place *run, size_t n)
{
	enum plan_action action = place_action(&run[0]);
	struct changed_node *nodes = arena_array(&m->scratch, n, sizeof(*nodes));
	struct plan *p = m->plan;
	struct peer_counts view;
	size_t i, changed = 0;

	if (!nodes || peer_diff_count(&m->peers, &run[0], &view) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		struct changed_node c = { .id = run[i].id, .place = &run[i] };
		struct attr_list l = { .a = m->w.out };

		if (m->only != NO_ID && m->only != c.id)
			continue;
		if (peer_diff_node(&m->peers, &run[i], &view, &c.counts, &c.odd) < 0)
			return -1;
		p->peers_added += c.counts.n[PLAN_ADD];
		p->peers_changed += c.counts.n[PLAN_CHANGE];
		p->peers_removed += c.counts.n[PLAN_REMOVE];
		p->peers_unchanged += c.counts.same;
		attr_add_node(&l, side_attrs(&m->w.sides[OLD], c.id),
			      side_attrs(&m->w.sides[NEW], c.id));
		policy_diff_node(&m->policy, &l, m->w.sides[OLD].nodes[c.id],
				 m->w.sides[NEW].nodes[c.id]);
		if (l.failed)
			return -1;
		c.attrs = (struct plan_attrs){ l.v, l.n };
		if (plan_links_node(&m->w, c.id, m->w.out, &c.links) < 0)
			return -1;
		if (action == PLAN_CHANGE && !l.n && !c.links.n && !c.counts.n[PLAN_ADD] &&
		    !c.counts.n[PLAN_CHANGE] && !c.counts.n[PLAN_REMOVE]) {
			p->nodes_unchanged++;
			continue;
		}
		p->nodes_added += action == PLAN_ADD;
		p->nodes_changed += action == PLAN_CHANGE;
		p->nodes_removed += action == PLAN_REMOVE;
		nodes[changed++] = c;
	}
	return changed ? make_classes(m, nodes, changed) : 0;
}

/* Places. */

static int cmp_views(const struct plan_place *x, const struct plan_place *y)
{
	int s;

	for (s = OLD; s <= NEW; s++) {
		if (x->view[s] != y->view[s])
			return x->view[s] < y->view[s] ? -1 : 1;
	}
	return 0;
}

static int cmp_place(const void *a, const void *b)
{
	const struct plan_place *x = a, *y = b;
	int s, c = cmp_views(x, y);

	for (s = OLD; !c && s <= NEW; s++)
		c = (int)x->keepalive[s] - (int)y->keepalive[s];
	return c ? c : x->id < y->id ? -1 : x->id > y->id;
}

size_t plan_places_run(const struct plan_place *places, size_t n, size_t i)
{
	size_t end = i + 1;

	while (end < n && !cmp_views(&places[i], &places[end]))
		end++;
	return end;
}

static size_t run_of_equals(const struct plan_place *places, size_t end, size_t i)
{
	size_t j = i + 1;

	while (j < end && places[j].keepalive[OLD] == places[i].keepalive[OLD] &&
	       places[j].keepalive[NEW] == places[i].keepalive[NEW])
		j++;
	return j;
}

static struct plan_place *places_make(struct plan_work *w, size_t *ret_n)
{
	struct plan_place *list = arena_array(&w->tmp, w->n, sizeof(*list));
	size_t n = 0;
	uint32_t id;
	int s;

	if (!list)
		return NULL;
	for (id = 0; id < w->n; id++) {
		struct plan_place p = { .id = id };

		for (s = OLD; s <= NEW; s++) {
			const struct node *node = w->sides[s].nodes[id];

			p.view[s] = w->sides[s].view_of[id];
			if (node && node->flags & NODE_HAS_KEEPALIVE)
				p.keepalive[s] = node->keepalive;
		}
		if (p.view[OLD] != NO_ID || p.view[NEW] != NO_ID)
			list[n++] = p;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_place);
	*ret_n = n;
	return list;
}

static int plan_views(struct maker *m, const struct plan_place *places, size_t n)
{
	size_t i, j, end, stop;

	for (i = 0; i < n; i = end) {
		end = plan_places_run(places, n, i);
		if (peer_diff_views(&m->peers, places[i].view) < 0)
			return -1;
		for (j = i; j < end; j = stop) {
			stop = run_of_equals(places, end, j);
			if (plan_run(m, &places[j], stop - j) < 0)
				return -1;
		}
		if (m->scratch.used > 1u << 20)
			arena_release(&m->scratch);
	}
	return 0;
}

static int cmp_class(const void *a, const void *b)
{
	static const int order[] = { [PLAN_REMOVE] = 0, [PLAN_CHANGE] = 1, [PLAN_ADD] = 2 };
	const struct plan_class *x = a, *y = b;

	if (x->action != y->action)
		return order[x->action] - order[y->action];
	return strcmp(x->nodes[0], y->nodes[0]);
}

static bool groups_equal(const struct network *a, const struct network *b)
{
	size_t i, j;

	if (a->n_groups != b->n_groups)
		return false;
	for (i = 0; i < a->n_groups; i++) {
		const struct group *x = &a->groups[i], *y = &b->groups[i];

		if (strcmp(x->name, y->name) || x->n_members != y->n_members)
			return false;
		for (j = 0; j < x->n_members; j++) {
			if (strcmp(x->members[j], y->members[j]))
				return false;
		}
	}
	return true;
}

static bool tombstones_equal(const struct network *a, const struct network *b)
{
	size_t i;

	if (a->n_freed != b->n_freed || a->n_gone != b->n_gone)
		return false;
	for (i = 0; i < a->n_freed; i++) {
		const struct freed *x = &a->freed[i], *y = &b->freed[i];

		if (ipaddr_cmp(&x->address, &y->address) || x->serial != y->serial ||
		    strcmp(x->node, y->node) || wgkey_cmp(&x->key, &y->key))
			return false;
	}
	for (i = 0; i < a->n_gone; i++) {
		if (strcmp(a->gone[i].name, b->gone[i].name) ||
		    a->gone[i].serial != b->gone[i].serial)
			return false;
	}
	return true;
}

static bool permits_equal(const struct network *a, const struct network *b)
{
	size_t i;

	if (a->n_permits != b->n_permits)
		return false;
	for (i = 0; i < a->n_permits; i++)
		if (!permit_equal(&a->permits[i], &b->permits[i]))
			return false;
	return true;
}

static bool networks_equal(const struct network *a, const struct network *b)
{
	size_t i;

	if (!a || !b)
		return a == b;
	if (a->n_records != b->n_records || a->n_nodes != b->n_nodes ||
	    a->n_routed != b->n_routed || !groups_equal(a, b) || !permits_equal(a, b) ||
	    !tombstones_equal(a, b))
		return false;
	for (i = 0; i < a->n_routed; i++) {
		if (!routed_link_equal(&a->routed[i], &b->routed[i]))
			return false;
	}
	for (i = 0; i < a->n_records; i++) {
		if (!record_equal(&a->records[i], &b->records[i]))
			return false;
	}
	for (i = 0; i < a->n_nodes; i++) {
		if (!node_equal(&a->nodes[i], &b->nodes[i]))
			return false;
	}
	return true;
}

static size_t count_runs(const struct plan_place *places, size_t n)
{
	size_t i, runs = 0;

	for (i = 0; i < n; i = run_of_equals(places, plan_places_run(places, n, i), i))
		runs++;
	return runs;
}

static int make(struct maker *m, struct err *e)
{
	struct plan *plan = m->plan;
	size_t n = 0;
	struct plan_place *places = places_make(&m->w, &n);

	if (!places || peer_diff_init(&m->peers, &m->w, count_runs(places, n)) < 0 ||
	    plan_views(m, places, n) < 0 || plan_links_count(&m->w, m->only, plan) < 0 ||
	    plan_clients(&m->w, m->only, plan) < 0)
		return err_nomem(e);
	if (plan->n_classes > 1)
		qsort(plan->classes, plan->n_classes, sizeof(*plan->classes), cmp_class);
	return plan_losses(&m->w, places, n, m->only, plan, e);
}

/* `node` NULL: all nodes. */
static int prepare_and_make(const struct network *old, const struct network *new, const char *node,
			    struct arena *a, struct plan *ret, struct err *e)
{
	struct plan plan = { .first = !old, .gone = !new };
	struct maker m = { .plan = &plan, .only = NO_ID };
	int r;

	plan.network = new ? new->name : old ? old->name : "";
	plan.documents = !networks_equal(old, new);
	arena_init(&m.scratch);
	r = plan_work_init(&m.w, old, new, a, e);
	if (!r && policy_diff_init(&m.policy, old, new, a) < 0)
		r = err_nomem(e);
	if (!r && node) {
		m.only = plan_work_id(&m.w, node);
		if (m.only == NO_ID)
			r = err_set(e, ERR_NOENT, "network %s has no node '%s'", plan.network,
				    node);
	}
	if (!r)
		r = make(&m, e);
	if (!r)
		*ret = plan;
	peer_diff_release(&m.peers);
	plan_work_release(&m.w);
	arena_release(&m.scratch);
	return r;
}

int plan_make(const struct network *old, const struct network *new, struct arena *a,
	      struct plan *ret, struct err *e)
{
	return prepare_and_make(old, new, NULL, a, ret, e);
}

int plan_make_node(const struct network *old, const struct network *new, const char *node,
		   struct arena *a, struct plan *ret, struct err *e)
{
	return prepare_and_make(old, new, node, a, ret, e);
}

bool plan_empty(const struct plan *p)
{
	return !p->documents;
}
