/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who loses reachability. Two nodes meet when one of them has the other as a direct peer and one of
 * the two has an endpoint for the other. A node reaches another that it meets, or one that has an
 * address under the AllowedIPs of some peer that it meets when that peer (a hub, a relay, the
 * leader of a site) meets it, or leads on by its own links to one that does; a client also when the
 * peer meets its gateway. Nodes of one view that the same nodes reach first reach the same nodes,
 * but for what depends on themselves: no node is its own hub, and none has its own routes under a
 * hub. An exit is the way out of the network; what of the network a node reaches does not depend on
 * it.
 *
 * Afterwards a client still has the file that it was handed before: whom that cuts off, nobody
 * reaches, and the others by those of its addresses that stay.
 */
#include "reconciler/plan.h"
#include "reconciler/plan_view.h"

/* Something wider than a peer's own address under a peer: a hub, as far as it goes. */
struct cover {
	struct prefix prefix;
	uint32_t hub, by; /* by: whose route it is */
	uint32_t parent; /* the narrowest cover before this one that contains it; NO_ID: none */
};

struct covers {
	struct cover *list;
	size_t n, cap;
};

/* Whether the nodes of a view reach another; those in `but` do not, since all ways lead over
 * themselves. */
struct reach {
	bool yes;
	uint32_t but[2];
	size_t n_but;
};

/* All of `nodes` lose all of `lost`, but none itself. */
struct run_loss {
	struct ids nodes, lost;
	bool itself; /* one node alone whose view lost the node too: `lost` is without it */
	bool told;
};

struct losses {
	struct plan_work *w;
	struct plan *plan;
	bool *suspects; /* by number: lost as a direct peer by some node, or with another address */
	bool any_suspect;
	bool ways_change; /* some hub leads elsewhere than before */
	bool any_closed; /* some node is not reached first any more by some other */
	uint32_t who; /* one of the nodes at hand */
	uint32_t net[2]; /* a row of routed links joins them with these, on each side */
	bool nets_differ; /* some such rows have come or gone */
	struct id_list buffers[2];
	struct covers covers[2];
	size_t copied;
	struct id_list lost; /* by all nodes of the run at hand */
	bool itself;
	struct run_loss *runs;
	size_t n_runs;
};

#define MAX_COPIED ((size_t)1 << 20)

static int covers_add(struct covers *c, const struct prefix *p, uint32_t hub, uint32_t by)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct cover *list = realloc(c->list, cap * sizeof(*list));

		if (!list)
			return -1;
		c->list = list;
		c->cap = cap;
	}
	c->list[c->n++] = (struct cover){ *p, hub, by, NO_ID };
	return 0;
}

static int add_routes(struct covers *c, const struct record *r, uint32_t hub, uint32_t by,
		      bool addresses)
{
	size_t i;

	for (i = 0; addresses && i < r->n_addresses; i++) {
		struct prefix p = prefix_of_addr(&r->addresses[i]);

		if (covers_add(c, &p, hub, by) < 0)
			return -1;
	}
	for (i = 0; i < r->n_routes; i++) {
		if (covers_add(c, &r->routes[i], hub, by) < 0)
			return -1;
	}
	return 0;
}

static int cmp_cover(const void *a, const void *b)
{
	const struct cover *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	if (c)
		return c;
	if (x->hub != y->hub)
		return x->hub < y->hub ? -1 : 1;
	return x->by < y->by ? -1 : x->by > y->by;
}

/* As far as nodes like `who` meet the hubs. */
static int covers_make(const struct side *s, struct ids direct, uint32_t who, struct covers *c)
{
	const struct view *v = &s->views[s->view_of[who]];
	size_t i, j;

	c->n = 0;
	for (i = 0; i < direct.n; i++) {
		const struct record *r = s->records[direct.v[i]];

		if (!side_meet(s, who, direct.v[i]))
			continue;
		if (r->n_routes && add_routes(c, r, direct.v[i], direct.v[i], false) < 0)
			return -1;
	}
	for (i = 0; i < v->n_links; i++) {
		const struct view_link *l = &v->links[i];

		if (l->via == NO_ID || !side_meet(s, who, l->via))
			continue;
		for (j = 0; j < l->n_prefixes; j++) {
			if (covers_add(c, &l->prefixes[j], l->via, l->via) < 0)
				return -1;
		}
		for (j = 0; j < l->target.n; j++) {
			uint32_t by = l->target.v[j];
			bool through = l->kind == LINK_THROUGH;

			if (by == l->via || (through && ids_has(direct, by)))
				continue;
			if (add_routes(c, s->records[by], l->via, by, through) < 0)
				return -1;
		}
	}
	if (c->n > 1)
		qsort(c->list, c->n, sizeof(*c->list), cmp_cover);
	for (i = 0; i < c->n; i++) {
		uint32_t at = i ? (uint32_t)i - 1 : NO_ID;

		while (at != NO_ID && !prefix_contains(&c->list[at].prefix, &c->list[i].prefix))
			at = c->list[at].parent;
		c->list[i].parent = at;
	}
	return 0;
}

static bool covers_equal(const struct covers *a, const struct covers *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (cmp_cover(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

/* The narrowest cover of an address, or NO_ID; its parents are the others. */
static uint32_t covers_find(const struct covers *c, const struct prefix *address)
{
	size_t lo = 0, hi = c->n;
	uint32_t at;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (prefix_cmp(&c->list[mid].prefix, address) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	at = lo ? (uint32_t)lo - 1 : NO_ID;
	while (at != NO_ID && !prefix_contains(&c->list[at].prefix, address))
		at = c->list[at].parent;
	return at;
}

static bool in_but(const struct reach *r, uint32_t id)
{
	return (r->n_but > 0 && r->but[0] == id) || (r->n_but > 1 && r->but[1] == id);
}

static void one_more_way(struct reach *r, const struct cover *c)
{
	size_t i, kept = 0;

	if (!r->yes) {
		*r = (struct reach){ true, { c->hub, c->by }, c->hub == c->by ? 1 : 2 };
		return;
	}
	for (i = 0; i < r->n_but; i++) {
		if (r->but[i] == c->hub || r->but[i] == c->by)
			r->but[kept++] = r->but[i];
	}
	r->n_but = kept;
}

static bool meet(const struct side *s, uint32_t a, uint32_t b)
{
	return side_meet(s, a, b) && side_joined(s, a, b);
}

/* Longest way behind the first hub: leader, relay, leader, gateway of a client. */
#define MAX_STEPS 4

/* A link that leads to a node by way of another. */
static bool link_holds(const struct view_link *l, const struct record *to, uint32_t id)
{
	size_t i, j;

	if (l->kind == LINK_THROUGH)
		return ids_has(l->target, id);
	for (i = 0; l->kind == LINK_ALLOW && i < to->n_addresses; i++) {
		for (j = 0; j < l->n_prefixes; j++) {
			if (prefix_contains_addr(&l->prefixes[j], &to->addresses[i]))
				return true;
		}
	}
	return false;
}

/*
 * Whether a hub passes on what is for a node: it meets it, or its links lead on to another that
 * does. A hub that meets a client's gateway passes on to it what is for the client.
 */
static bool hub_reaches(const struct plan_work *w, const struct side *s, uint32_t hub, uint32_t to,
			unsigned int steps)
{
	const char *gateway = s->records[to]->gateway;
	const struct view *v;
	uint32_t id;
	size_t i;

	if (meet(s, hub, to))
		return true;
	id = gateway ? plan_work_id(w, gateway) : NO_ID;
	if (id != NO_ID && meet(s, hub, id) && meet(s, id, to))
		return true;
	if (!steps || s->view_of[hub] == NO_ID || side_joined(s, hub, to))
		return false;
	v = &s->views[s->view_of[hub]];
	for (i = 0; i < v->n_links; i++) {
		const struct view_link *l = &v->links[i];

		if (l->via != NO_ID && l->via != to && link_holds(l, s->records[to], to) &&
		    meet(s, hub, l->via) && hub_reaches(w, s, l->via, to, steps - 1))
			return true;
	}
	return false;
}

static bool has_address(const struct record *r, const struct ipaddr *address)
{
	size_t i;

	for (i = 0; i < r->n_addresses; i++)
		if (!ipaddr_cmp(&r->addresses[i], address))
			return true;
	return false;
}

static struct reach reach_find(const struct plan_work *w, const struct side *s, struct ids direct,
			       const struct covers *c, uint32_t who, uint32_t net, uint32_t to)
{
	const struct record *r = s->records[to], *before = w->sides[OLD].records[to];
	bool old_file = s == &w->sides[NEW] && r && r->gateway;
	struct reach ret = { 0 };
	size_t i;

	if (!r || (old_file && w->cut_off[to]))
		return ret;
	if ((ids_has(direct, to) && side_meet(s, who, to)) || s->routed_net[to] == net) {
		ret.yes = true;
		return ret;
	}
	for (i = 0; i < r->n_addresses; i++) {
		struct prefix p = prefix_of_addr(&r->addresses[i]);
		uint32_t at = covers_find(c, &p);

		if (old_file && !has_address(before, &r->addresses[i]))
			continue;
		for (; at != NO_ID && (!ret.yes || ret.n_but); at = c->list[at].parent) {
			if (hub_reaches(w, s, c->list[at].hub, to, MAX_STEPS))
				one_more_way(&ret, &c->list[at]);
		}
	}
	return ret;
}

static int emit(struct losses *l, const char **names, size_t n, uint32_t lost)
{
	struct plan *p = l->plan;
	struct plan_loss *list;

	if (p->n_losses == MAX_PLAN_LOSSES)
		return 0;
	list = arena_grow(l->w->out, p->losses, p->n_losses, sizeof(*list));
	if (!list)
		return -1;
	p->losses = list;
	list[p->n_losses++] =
		(struct plan_loss){ n == 1 ? names[0] : NULL, names, n, l->w->names[lost] };
	return 0;
}

static int emit_one(struct losses *l, uint32_t id, uint32_t lost)
{
	const char **name = arena_alloc(l->w->out, sizeof(*name));

	if (!name)
		return -1;
	*name = l->w->names[id];
	return emit(l, name, 1, lost);
}

/* The names of `run` but for some. Lists of their own are rare; past a bound they are counted, not
 * made. */
static int emit_but(struct losses *l, struct ids run, const uint32_t *but, size_t n_but,
		    uint32_t lost)
{
	const char **names;
	size_t i, j, n = 0;

	if (l->copied + run.n > MAX_COPIED)
		return 0;
	l->copied += run.n;
	names = arena_array(l->w->out, run.n, sizeof(*names));
	if (!names)
		return -1;
	for (i = 0; i < run.n; i++) {
		for (j = 0; j < n_but && but[j] != run.v[i]; j++)
			;
		if (j == n_but)
			names[n++] = l->w->names[run.v[i]];
	}
	return emit(l, names, n, lost);
}

/* The nodes of `run` that lose `lost`. */
static int record_loss(struct losses *l, struct ids run, uint32_t lost, const struct reach *before,
		       const struct reach *after)
{
	uint32_t some[3];
	bool itself = ids_has(run, lost);
	size_t i, n = 0;

	if (after->yes) {
		for (i = 0; i < after->n_but; i++) {
			uint32_t id = after->but[i];

			if (id == lost || in_but(before, id) || !ids_has(run, id))
				continue;
			l->plan->pairs_lost++;
			if (emit_one(l, id, lost) < 0)
				return -1;
		}
		return 0;
	}
	for (i = 0; i < before->n_but; i++) {
		if (before->but[i] != lost && ids_has(run, before->but[i]))
			some[n++] = before->but[i];
	}
	l->plan->pairs_lost += run.n - n - itself;
	if (run.n == n + itself) {
		l->itself |= run.n == 1;
		return 0;
	}
	return n ? emit_but(l, run, some, n, lost) : id_list_add(&l->lost, lost);
}

/* Keeps what the nodes of a run lose, all of them, until runs that lose the same can be joined. */
static int keep_run(struct losses *l, struct ids run)
{
	struct run_loss *list;
	uint32_t *ids;

	if (!l->lost.n || l->copied + run.n + l->lost.n > MAX_COPIED)
		return 0;
	l->copied += run.n + l->lost.n;
	list = arena_grow(&l->w->tmp, l->runs, l->n_runs, sizeof(*list));
	ids = arena_array(&l->w->tmp, run.n + l->lost.n, sizeof(*ids));
	if (!list || !ids)
		return -1;
	memcpy(ids, run.v, run.n * sizeof(*ids));
	memcpy(ids + run.n, l->lost.v, l->lost.n * sizeof(*ids));
	l->runs = list;
	list[l->n_runs++] = (struct run_loss){ .nodes = { ids, run.n },
					       .lost = { ids + run.n, l->lost.n },
					       .itself = l->itself };
	return 0;
}

static int cmp_id(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int cmp_lost(const struct run_loss *x, const struct run_loss *y)
{
	size_t i;

	if (x->lost.n != y->lost.n)
		return x->lost.n > y->lost.n ? -1 : 1;
	for (i = 0; i < x->lost.n; i++) {
		if (x->lost.v[i] != y->lost.v[i])
			return x->lost.v[i] < y->lost.v[i] ? -1 : 1;
	}
	return 0;
}

/* Who loses most comes first. */
static int cmp_run_loss(const void *a, const void *b)
{
	const struct run_loss *x = a, *y = b;
	int c = cmp_lost(x, y);

	return c ? c : x->nodes.v[0] < y->nodes.v[0] ? -1 : 1;
}

/* The losses of runs[0..n), which lose the same. */
static int emit_joined(struct losses *l, struct run_loss *runs, size_t n)
{
	struct id_list *nodes = &l->buffers[OLD];
	const char **names;
	size_t i, j;

	nodes->n = 0;
	for (i = 0; i < n; i++) {
		runs[i].told = true;
		for (j = 0; j < runs[i].nodes.n; j++) {
			if (id_list_add(nodes, runs[i].nodes.v[j]) < 0)
				return -1;
		}
	}
	qsort(nodes->v, nodes->n, sizeof(*nodes->v), cmp_id);
	names = arena_array(l->w->out, nodes->n, sizeof(*names));
	if (!names)
		return -1;
	for (i = 0; i < nodes->n; i++)
		names[i] = l->w->names[nodes->v[i]];
	for (i = 0; i < runs[0].lost.n; i++) {
		/* That of one node alone, which was put back in vain. */
		if (nodes->n == 1 && nodes->v[0] == runs[0].lost.v[i])
			continue;
		if (emit(l, names, nodes->n, runs[0].lost.v[i]) < 0)
			return -1;
	}
	return 0;
}

/* Joins runs that lose the same; those that are `itself` and alone only when `all`. */
static int emit_equal(struct losses *l, bool all)
{
	size_t i, end;

	if (l->n_runs > 1)
		qsort(l->runs, l->n_runs, sizeof(*l->runs), cmp_run_loss);
	for (i = 0; i < l->n_runs; i = end) {
		for (end = i + 1; end < l->n_runs && !cmp_lost(&l->runs[i], &l->runs[end]); end++)
			;
		if ((all || end - i > 1 || !l->runs[i].itself) &&
		    emit_joined(l, &l->runs[i], end - i) < 0)
			return -1;
	}
	return 0;
}

static int put_itself_back(struct losses *l, struct run_loss *r)
{
	uint32_t *ids = arena_array(&l->w->tmp, r->lost.n + 1, sizeof(*ids));
	size_t i = 0;

	if (!ids)
		return -1;
	for (; i < r->lost.n && r->lost.v[i] < r->nodes.v[0]; i++)
		ids[i] = r->lost.v[i];
	ids[i] = r->nodes.v[0];
	if (i < r->lost.n)
		memcpy(ids + i + 1, r->lost.v + i, (r->lost.n - i) * sizeof(*ids));
	r->lost = (struct ids){ ids, r->lost.n + 1 };
	return 0;
}

/*
 * Two nodes with views of their own that lost each other and all the rest lose the same in one way
 * of looking at it, two that lost a third in another.
 */
static int emit_runs(struct losses *l)
{
	size_t i, kept = 0;

	if (emit_equal(l, false) < 0)
		return -1;
	for (i = 0; i < l->n_runs; i++) {
		if (l->runs[i].told)
			continue;
		if (put_itself_back(l, &l->runs[i]) < 0)
			return -1;
		l->runs[kept++] = l->runs[i];
	}
	l->n_runs = kept;
	return emit_equal(l, true);
}

static bool in_both(const struct plan_work *w, uint32_t id)
{
	const struct record *a = w->sides[OLD].records[id], *b = w->sides[NEW].records[id];

	/* A node that became a client, or the other way round, is another one. */
	return a && b && !a->gateway == !b->gateway;
}

static int direct_of(struct losses *l, const struct plan_place *p, struct ids ret[2])
{
	size_t s;

	for (s = OLD; s <= NEW; s++) {
		if (view_direct(&l->w->sides[s], p->view[s], &l->buffers[s], &ret[s]) < 0)
			return -1;
	}
	return 0;
}

static bool has_viewpoint(const struct record *r, const char *from)
{
	size_t i;

	for (i = 0; i < r->n_seen; i++) {
		if (!strcmp(r->seen[i].from, from))
			return true;
	}
	return false;
}

static bool seen_by_fewer(const struct record *a, const struct record *b)
{
	size_t i;

	if (b->endpoint.host)
		return false;
	for (i = 0; i < a->n_seen; i++) {
		if (!has_viewpoint(b, a->seen[i].from))
			return true;
	}
	return a->endpoint.host;
}

static bool looks_from_fewer(const struct node *a, const struct node *b)
{
	size_t i, j = 0;

	for (i = 0; a && b && i < a->n_from; i++) {
		while (j < b->n_from && strcmp(b->from[j], a->from[i]) < 0)
			j++;
		if (j == b->n_from || strcmp(b->from[j], a->from[i]))
			return true;
	}
	return false;
}

/* A client is lost with its gateway, and where it gets another one. */
static void suspect_clients(struct losses *l)
{
	const struct plan_work *w = l->w;
	uint32_t id, gateway;

	for (id = 0; id < w->n; id++) {
		const struct record *a = w->sides[OLD].records[id], *b = w->sides[NEW].records[id];

		if (!in_both(w, id) || !a->gateway)
			continue;
		gateway = plan_work_id(w, a->gateway);
		if (w->cut_off[id] || strcmp(a->gateway, b->gateway) != 0 ||
		    (gateway != NO_ID && l->suspects[gateway]))
			l->suspects[id] = l->any_suspect = true;
	}
}

static bool same_link(const struct view_link *a, const struct view_link *b)
{
	size_t i;

	if (a->kind != b->kind || a->via != b->via || a->target.n != b->target.n ||
	    a->n_prefixes != b->n_prefixes)
		return false;
	for (i = 0; i < a->target.n; i++) {
		if (a->target.v[i] != b->target.v[i])
			return false;
	}
	for (i = 0; i < a->n_prefixes; i++) {
		if (prefix_cmp(&a->prefixes[i], &b->prefixes[i]))
			return false;
	}
	return true;
}

/* Whether a node leads on by links of its own, and no longer by the same. */
static bool leads_elsewhere(const struct plan_work *w, uint32_t id)
{
	const struct side *s = w->sides;
	const struct view *a, *b;
	bool leads = false;
	size_t i;

	if (s[OLD].view_of[id] == NO_ID)
		return false;
	a = &s[OLD].views[s[OLD].view_of[id]];
	for (i = 0; i < a->n_links; i++)
		leads |= a->links[i].via != NO_ID;
	if (!leads || s[NEW].view_of[id] == NO_ID)
		return leads;
	b = &s[NEW].views[s[NEW].view_of[id]];
	if (a->n_links != b->n_links)
		return true;
	for (i = 0; i < a->n_links; i++) {
		if (!same_link(&a->links[i], &b->links[i]))
			return true;
	}
	return false;
}

/* What is behind a hub may be lost by nodes for which nothing changes, when the hub reached it by
 * way of others. */
static int find_ways(struct losses *l)
{
	const struct plan_work *w = l->w;
	const struct side *s = &w->sides[OLD];
	bool *seen = arena_array(&l->w->tmp, w->n, sizeof(*seen));
	size_t i, j;
	uint32_t id;

	if (!seen)
		return -1;
	for (i = 0; i < s->n_views && !l->ways_change; i++) {
		for (j = 0; j < s->views[i].n_links && !l->ways_change; j++) {
			uint32_t via = s->views[i].links[j].via;

			if (via == NO_ID || seen[via])
				continue;
			seen[via] = true;
			l->ways_change = leads_elsewhere(w, via);
		}
	}
	/* What is behind a peer may lead to others too. */
	for (id = 0; id < w->n && !l->ways_change; id++)
		l->ways_change = s->records[id] && s->records[id]->n_routes && !seen[id] &&
				 leads_elsewhere(w, id);
	return 0;
}

static int find_suspects(struct losses *l, const struct plan_place *places, size_t n)
{
	struct plan_work *w = l->w;
	const struct record *a, *b;
	struct ids direct[2];
	size_t i, j, k;
	uint32_t id;

	for (i = 0; i < n; i = plan_places_run(places, n, i)) {
		if (places[i].view[OLD] == NO_ID || places[i].view[NEW] == NO_ID)
			continue;
		if (direct_of(l, &places[i], direct) < 0)
			return -1;
		for (j = 0, k = 0; j < direct[OLD].n; j++) {
			id = direct[OLD].v[j];
			while (k < direct[NEW].n && direct[NEW].v[k] < id)
				k++;
			if ((k == direct[NEW].n || direct[NEW].v[k] != id) && in_both(w, id))
				l->suspects[id] = l->any_suspect = true;
		}
	}
	for (id = 0; id < w->n; id++) {
		a = w->sides[OLD].records[id];
		b = w->sides[NEW].records[id];
		if (in_both(w, id) &&
		    (a->n_addresses != b->n_addresses ||
		     memcmp(a->addresses, b->addresses, a->n_addresses * sizeof(*a->addresses))))
			l->suspects[id] = l->any_suspect = true;
		if (a && b && seen_by_fewer(a, b))
			l->any_closed = true;
		if (looks_from_fewer(w->sides[OLD].nodes[id], w->sides[NEW].nodes[id]))
			l->any_closed = true;
		l->nets_differ |=
			a && b && w->sides[OLD].routed_net[id] != w->sides[NEW].routed_net[id];
	}
	suspect_clients(l);
	return find_ways(l);
}

static int losses_of_run(struct losses *l, struct ids run, const struct plan_place *place)
{
	struct plan_work *w = l->w;
	const struct side *s = w->sides;
	struct ids direct[2];
	uint64_t pairs;
	bool every;
	uint32_t id;

	l->lost.n = 0;
	l->itself = false;
	if (direct_of(l, place, direct) < 0 ||
	    covers_make(&s[OLD], direct[OLD], l->who, &l->covers[OLD]) < 0 ||
	    covers_make(&s[NEW], direct[NEW], l->who, &l->covers[NEW]) < 0)
		return -1;
	every = l->any_closed || l->ways_change || l->nets_differ ||
		!covers_equal(&l->covers[OLD], &l->covers[NEW]);
	if (!every && !l->any_suspect)
		return 0;
	for (id = 0; id < w->n; id++) {
		struct reach before, after;

		if (!in_both(w, id) || (!every && !l->suspects[id]))
			continue;
		before = reach_find(w, &s[OLD], direct[OLD], &l->covers[OLD], l->who, l->net[OLD],
				    id);
		if (!before.yes)
			continue;
		after = reach_find(w, &s[NEW], direct[NEW], &l->covers[NEW], l->who, l->net[NEW],
				   id);
		if (after.yes && !after.n_but)
			continue;
		pairs = l->plan->pairs_lost;
		if (record_loss(l, run, id, &before, &after) < 0)
			return -1;
		l->plan->clients_lost |= s[OLD].records[id]->gateway && l->plan->pairs_lost > pairs;
	}
	return keep_run(l, run);
}

/* A node of the views at hand, who reaches it first, and whom a row of routed links joins it with.
 */
struct looker {
	uint32_t seen[2], net[2], id;
};

static int cmp_numbers(const uint32_t *a, const uint32_t *b)
{
	size_t s;

	for (s = 2; s-- > 0;) {
		if (a[s] != b[s])
			return a[s] < b[s] ? -1 : 1;
	}
	return 0;
}

static int cmp_looker(const struct looker *a, const struct looker *b)
{
	int c = cmp_numbers(a->seen, b->seen);

	return c ? c : cmp_numbers(a->net, b->net);
}

static int cmp_lookers(const void *pa, const void *pb)
{
	const struct looker *a = pa, *b = pb;
	int c = cmp_looker(a, b);

	if (c)
		return c;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Nodes that have no routed link differ in nothing there. */
static uint32_t net_of(const struct side *s, uint32_t id)
{
	return s->routed_first[id] == s->routed_first[id + 1] ? NO_ID : s->routed_net[id];
}

int plan_losses(struct plan_work *w, const struct plan_place *places, size_t n, uint32_t only,
		struct plan *ret, struct err *e)
{
	struct losses l = { .w = w, .plan = ret };
	struct looker *lookers = arena_array(&w->tmp, n, sizeof(*lookers));
	struct id_list run = { 0 };
	size_t i, end, j, s, n_lookers;
	int r = -1;

	if (!w->sides[OLD].network || !w->sides[NEW].network)
		return 0;
	l.suspects = arena_array(&w->tmp, w->n, sizeof(*l.suspects));
	if (!lookers || !l.suspects || find_suspects(&l, places, n) < 0)
		goto out;
	for (i = 0; i < n; i = end) {
		end = plan_places_run(places, n, i);
		if (places[i].view[OLD] == NO_ID || places[i].view[NEW] == NO_ID)
			continue;
		n_lookers = 0;
		for (j = i; j < end; j++) {
			struct looker *k = &lookers[n_lookers];

			if (only != NO_ID && places[j].id != only)
				continue;
			n_lookers++;
			k->id = places[j].id;
			for (s = OLD; s <= NEW; s++) {
				k->seen[s] = w->sides[s].seen_as[k->id];
				k->net[s] = net_of(&w->sides[s], k->id);
			}
		}
		if (n_lookers > 1)
			qsort(lookers, n_lookers, sizeof(*lookers), cmp_lookers);
		for (j = 0; j < n_lookers; j++) {
			if (!j || cmp_looker(&lookers[j - 1], &lookers[j]))
				run.n = 0;
			if (id_list_add(&run, lookers[j].id) < 0)
				goto out;
			if (j + 1 < n_lookers && !cmp_looker(&lookers[j + 1], &lookers[j]))
				continue;
			l.who = lookers[j].id;
			for (s = OLD; s <= NEW; s++)
				l.net[s] = lookers[j].net[s];
			if (losses_of_run(&l, (struct ids){ run.v, run.n }, &places[i]) < 0)
				goto out;
		}
	}
	r = emit_runs(&l);
out:
	free(l.covers[OLD].list);
	free(l.covers[NEW].list);
	id_list_release(&run);
	id_list_release(&l.lost);
	id_list_release(&l.buffers[OLD]);
	id_list_release(&l.buffers[NEW]);
	return r < 0 ? err_nomem(e) : 0;
}
