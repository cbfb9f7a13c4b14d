/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan_peers.h"

#include "reconciler/plan_attr.h"

/* Attributes that lists made for one node or one hub may have together; what is shared by all is
 * not counted. */
#define MAX_ATTRS ((size_t)1 << 20)
/* However many lists there are, each gets that many peers as long as there are any. */
#define LEAST_PEERS 64

enum {
	DELTA_KEY = 1u << 0,
	DELTA_ENDPOINT = 1u << 1,
	DELTA_ALLOWED = 1u << 2,
	/* Not all see the same endpoint: what changes depends on the view. */
	DELTA_VIEWED = 1u << 3,
};

/* What becomes of a peer entry. */
enum fate {
	FATE_ADD = PLAN_ADD,
	FATE_CHANGE = PLAN_CHANGE,
	FATE_REMOVE = PLAN_REMOVE,
	FATE_SAME,
	FATE_NONE,
};

static const struct record *record_of(const struct peer_diff *d, int side, uint32_t id)
{
	return d->w->sides[side].records[id];
}

static int find_deltas(struct peer_diff *d)
{
	uint32_t id;

	for (id = 0; id < d->w->n; id++) {
		const struct record *a = record_of(d, OLD, id), *b = record_of(d, NEW, id);
		struct prefix *pa, *pb;
		size_t na, nb;

		if ((a && a->n_seen) || (b && b->n_seen))
			d->delta[id] |= DELTA_VIEWED;
		if (!a || !b || record_equal(a, b))
			continue;
		if (wgkey_cmp(&a->key, &b->key))
			d->delta[id] |= DELTA_KEY;
		if (!endpoint_equal(&a->endpoint, &b->endpoint))
			d->delta[id] |= DELTA_ENDPOINT;
		if (record_prefixes(a, &d->w->tmp, &pa, &na) < 0 ||
		    record_prefixes(b, &d->w->tmp, &pb, &nb) < 0)
			return -1;
		if (na != nb || memcmp(pa, pb, na * sizeof(*pa)))
			d->delta[id] |= DELTA_ALLOWED;
	}
	return 0;
}

int peer_diff_init(struct peer_diff *d, struct plan_work *w, size_t lists)
{
	*d = (struct peer_diff){ .w = w, .peers_left = MAX_PLAN_PEERS, .attrs_left = MAX_ATTRS };
	arena_init(&d->scratch);
	d->peers_each = lists ? MAX_PLAN_PEERS / lists : 0;
	if (d->peers_each < LEAST_PEERS)
		d->peers_each = LEAST_PEERS;
	d->delta = arena_array(&w->tmp, w->n, sizeof(*d->delta));
	d->whole[OLD] = arena_array(&w->tmp, w->n, sizeof(struct record_text));
	d->whole[NEW] = arena_array(&w->tmp, w->n, sizeof(struct record_text));
	d->changed = arena_array(&w->tmp, w->n, sizeof(struct record_text));
	d->alive[OLD] = arena_array(&w->tmp, w->n, sizeof(uint32_t));
	d->alive[NEW] = arena_array(&w->tmp, w->n, sizeof(uint32_t));
	if (!d->delta || !d->whole[OLD] || !d->whole[NEW] || !d->changed || !d->alive[OLD] ||
	    !d->alive[NEW] || hubs_init(&d->hubs, w->n, &w->tmp) < 0)
		return -1;
	return find_deltas(d);
}

void peer_diff_release(struct peer_diff *d)
{
	hubs_release(&d->hubs);
	id_list_release(&d->buffers[OLD]);
	id_list_release(&d->buffers[NEW]);
	id_list_release(&d->said[OLD]);
	id_list_release(&d->said[NEW]);
	id_list_release(&d->listed);
	arena_release(&d->scratch);
}

/* The keepalives of one view, in place of those of the view before. */
static int find_alive(struct peer_diff *d, int side, uint32_t view)
{
	const struct view *v = view == NO_ID ? NULL : &d->w->sides[side].views[view];
	uint32_t *alive = d->alive[side];
	struct id_list *said = &d->said[side];
	size_t i, j;

	for (i = 0; i < said->n; i++)
		alive[said->v[i]] = 0;
	said->n = 0;
	for (i = 0; v && i < v->n_links; i++) {
		const struct view_link *l = &v->links[i];

		for (j = 0; l->kind == LINK_ALIVE && j < l->target.n; j++) {
			uint32_t *at = &alive[l->target.v[j]];

			if (!*at && id_list_add(said, l->target.v[j]) < 0)
				return -1;
			if (*at <= 1 || (l->seconds && l->seconds < *at - 1))
				*at = 1 + (uint32_t)l->seconds;
		}
	}
	return 0;
}

int peer_diff_views(struct peer_diff *d, const uint32_t views[2])
{
	int s;

	hubs_clear(&d->hubs);
	d->views[OLD] = views[OLD];
	d->views[NEW] = views[NEW];
	/* Small views are many: what they took is not worth giving back after each. */
	if (d->scratch.used > 1u << 20)
		arena_release(&d->scratch);
	for (s = OLD; s <= NEW; s++) {
		if (view_direct(&d->w->sides[s], views[s], &d->buffers[s], &d->direct[s]) < 0 ||
		    find_alive(d, s, views[s]) < 0)
			return -1;
	}
	return hubs_make(&d->hubs, d->w, views, d->direct, &d->scratch);
}

/* Counting. */

/* As nodes of the views at hand see it; NULL: none. */
static const struct endpoint *endpoint_of(const struct peer_diff *d, int side, uint32_t id)
{
	return view_endpoint(&d->w->sides[side], d->views[side], id);
}

static bool endpoint_changes(const struct peer_diff *d, uint32_t id)
{
	const struct endpoint *a, *b;

	if (!(d->delta[id] & DELTA_VIEWED))
		return d->delta[id] & DELTA_ENDPOINT;
	a = endpoint_of(d, OLD, id);
	b = endpoint_of(d, NEW, id);
	return !a || !b ? a != b : !endpoint_equal(a, b);
}

static uint16_t keepalive_towards(const struct peer_diff *d, const struct plan_place *p, int side,
				  uint32_t id)
{
	if (!endpoint_of(d, side, id))
		return 0;
	return d->alive[side][id] ? (uint16_t)(d->alive[side][id] - 1) : p->keepalive[side];
}

/* Of an entry that is on both sides, without the AllowedIPs of hubs. */
static bool entry_changes(const struct peer_diff *d, const struct plan_place *p, uint32_t id)
{
	uint8_t delta = d->delta[id] & (DELTA_KEY | DELTA_ALLOWED);

	if (hubs_find(&d->hubs, id))
		delta &= (uint8_t)~DELTA_ALLOWED;
	return delta || endpoint_changes(d, id) ||
	       keepalive_towards(d, p, OLD, id) != keepalive_towards(d, p, NEW, id);
}

static enum fate fate_in_both(const struct peer_diff *d, const struct plan_place *p, uint32_t id)
{
	const struct hub *hub = hubs_find(&d->hubs, id);

	return entry_changes(d, p, id) || (hub && hub->delta) ? FATE_CHANGE : FATE_SAME;
}

static enum fate fate_of(const struct peer_diff *d, const struct plan_place *p, uint32_t id)
{
	bool in[2] = { ids_has(d->direct[OLD], id), ids_has(d->direct[NEW], id) };

	if (in[OLD] && in[NEW])
		return fate_in_both(d, p, id);
	return in[OLD] ? FATE_REMOVE : in[NEW] ? FATE_ADD : FATE_NONE;
}

int peer_diff_count(struct peer_diff *d, const struct plan_place *p, struct peer_counts *ret)
{
	const struct ids *direct = d->direct;
	size_t i = 0, j = 0;

	*ret = (struct peer_counts){ 0 };
	d->listed.n = 0;
	while (i < direct[OLD].n || j < direct[NEW].n) {
		uint32_t a = i < direct[OLD].n ? direct[OLD].v[i] : NO_ID;
		uint32_t b = j < direct[NEW].n ? direct[NEW].v[j] : NO_ID;
		uint32_t id = a < b ? a : b;
		enum fate fate = a < b ? FATE_REMOVE : a > b ? FATE_ADD : fate_in_both(d, p, id);
		const struct hub *hub = hubs_find(&d->hubs, id);

		i += a <= b;
		j += b <= a;
		if (fate == FATE_SAME)
			ret->same++;
		else
			ret->n[fate]++;
		/* A hub may change for some nodes only. */
		if ((fate != FATE_SAME || (hub && !hub->same)) && id_list_add(&d->listed, id) < 0)
			return -1;
	}
	return 0;
}

int peer_diff_node(struct peer_diff *d, const struct plan_place *p, const struct peer_counts *view,
		   struct peer_counts *ret, bool *ret_odd)
{
	enum fate own = fate_of(d, p, p->id);
	size_t i, delta;

	*ret = *view;
	*ret_odd = false;
	if (own == FATE_SAME)
		ret->same--;
	else if (own != FATE_NONE)
		ret->n[own]--;
	for (i = 0; i < d->hubs.n; i++) {
		const struct hub *hub = &d->hubs.list[i];
		bool changes, generic;

		if (hub->same || hub->id == p->id)
			continue;
		if (hub_for_node(&d->hubs, hub, p->id, &delta, ret_odd) < 0)
			return -1;
		if (!hub->in[OLD] || !hub->in[NEW])
			continue;
		changes = entry_changes(d, p, hub->id);
		generic = changes || hub->delta;
		changes |= delta != 0;
		ret->n[PLAN_CHANGE] += (size_t)changes - (size_t)generic;
		ret->same += (size_t)generic - (size_t)changes;
	}
	return 0;
}

/* Listing. */

static int finish_text(struct peer_diff *d, const struct attr_list *l, struct record_text *ret)
{
	if (l->failed)
		return -1;
	d->attrs_left -= l->n < d->attrs_left ? l->n : d->attrs_left;
	*ret = (struct record_text){ l->v, l->n, true };
	return 0;
}

/* A peer that comes (NEW) or goes (OLD). */
static int whole_text(struct peer_diff *d, int side, uint32_t id, const struct prefix *allowed,
		      size_t n, struct record_text *ret)
{
	const struct record *r = record_of(d, side, id);
	struct attr_list l = { .a = d->w->out };
	const char *key = attr_key(&l, &r->key);
	const char *endpoint = attr_endpoint(&l, endpoint_of(d, side, id));

	attr_add(&l, "public_key", side == OLD ? key : NULL, side == OLD ? NULL : key);
	if (endpoint)
		attr_add(&l, "endpoint", side == OLD ? endpoint : NULL,
			 side == OLD ? NULL : endpoint);
	if (side == OLD)
		attr_add_prefixes(&l, "allowed_ips", allowed, n, NULL, 0);
	else
		attr_add_prefixes(&l, "allowed_ips", NULL, 0, allowed, n);
	return finish_text(d, &l, ret);
}

static int changed_text(struct peer_diff *d, uint32_t id, struct prefix *const allowed[2],
			const size_t n[2], struct record_text *ret)
{
	const struct record *a = record_of(d, OLD, id), *b = record_of(d, NEW, id);
	struct attr_list l = { .a = d->w->out };

	if (d->delta[id] & DELTA_KEY)
		attr_add(&l, "public_key", attr_key(&l, &a->key), attr_key(&l, &b->key));
	if (endpoint_changes(d, id))
		attr_add(&l, "endpoint", attr_endpoint(&l, endpoint_of(d, OLD, id)),
			 attr_endpoint(&l, endpoint_of(d, NEW, id)));
	attr_add_prefixes(&l, "allowed_ips", allowed[OLD], n[OLD], allowed[NEW], n[NEW]);
	return finish_text(d, &l, ret);
}

/* Of a peer that is no hub: the same for all who see it, made once; in `own`, when not all see the
 * same endpoint. */
static int shared_text(struct peer_diff *d, uint32_t id, enum plan_action action,
		       struct record_text *own, const struct record_text **ret)
{
	struct arena *tmp = &d->w->tmp;
	struct record_text *t;
	struct prefix *p[2];
	size_t n[2];
	int side = action == PLAN_REMOVE ? OLD : NEW;

	t = action == PLAN_CHANGE ? &d->changed[id] : &d->whole[side][id];
	if (d->delta[id] & DELTA_VIEWED)
		t = own;
	*ret = t;
	if (t != own && t->done)
		return 0;
	if (action != PLAN_CHANGE)
		return record_prefixes(record_of(d, side, id), tmp, &p[side], &n[side]) < 0 ?
			       -1 :
			       whole_text(d, side, id, p[side], n[side], t);
	if (record_prefixes(record_of(d, OLD, id), tmp, &p[OLD], &n[OLD]) < 0 ||
	    record_prefixes(record_of(d, NEW, id), tmp, &p[NEW], &n[NEW]) < 0)
		return -1;
	return changed_text(d, id, p, n, t);
}

static int hub_text(struct peer_diff *d, const struct hub *hub, enum plan_action action,
		    uint32_t self, struct record_text *ret)
{
	struct prefix *p[2] = { NULL, NULL };
	size_t n[2] = { 0, 0 };
	int s;

	for (s = OLD; s <= NEW; s++) {
		if (hub->in[s] && hub_prefixes(hub, s, self, &d->scratch, &p[s], &n[s]) < 0)
			return -1;
	}
	if (action == PLAN_CHANGE)
		return changed_text(d, hub->id, p, n, ret);
	s = action == PLAN_REMOVE ? OLD : NEW;
	return whole_text(d, s, hub->id, p[s], n[s], ret);
}

/* The list is shared: it is copied before it grows. */
static int add_keepalive(struct peer_diff *d, uint16_t before, uint16_t after,
			 const struct record_text *t, struct record_text *ret)
{
	struct attr_list l = { .a = d->w->out };
	size_t i;

	for (i = 0; i < t->n; i++)
		attr_add(&l, t->attrs[i].name, t->attrs[i].from, t->attrs[i].to);
	attr_add(&l, "persistent_keepalive", attr_number(&l, before != 0, before),
		 attr_number(&l, after != 0, after));
	return finish_text(d, &l, ret);
}

static int list_peer(struct peer_diff *d, const struct plan_place *p, uint32_t id, uint32_t self,
		     struct plan_class *c)
{
	bool in[2] = { ids_has(d->direct[OLD], id), ids_has(d->direct[NEW], id) };
	enum plan_action action = !in[OLD] ? PLAN_ADD : !in[NEW] ? PLAN_REMOVE : PLAN_CHANGE;
	uint16_t before = in[OLD] ? keepalive_towards(d, p, OLD, id) : 0;
	uint16_t after = in[NEW] ? keepalive_towards(d, p, NEW, id) : 0;
	const struct hub *hub = hubs_find(&d->hubs, id);
	struct record_text own, longer;
	const struct record_text *t = &own;

	if ((hub ? hub_text(d, hub, action, self, &own) : shared_text(d, id, action, &own, &t)) < 0)
		return -1;
	if (before != after) {
		if (add_keepalive(d, before, after, t, &longer) < 0)
			return -1;
		t = &longer;
	}
	if (t->n)
		c->peers[c->n_peers++] =
			(struct plan_peer){ action, d->w->names[id], t->attrs, t->n };
	return 0;
}

int peer_diff_list(struct peer_diff *d, const struct plan_place *p, uint32_t self,
		   struct plan_class *ret)
{
	size_t max = d->listed.n, i;

	if (max > d->peers_each)
		max = d->peers_each;
	if (max > d->peers_left)
		max = d->peers_left;
	d->peers_left -= max;
	ret->peers = arena_array(d->w->out, max, sizeof(*ret->peers));
	if (!ret->peers)
		return -1;
	for (i = 0; i < d->listed.n && ret->n_peers < max && d->attrs_left; i++) {
		if (d->listed.v[i] != self && list_peer(d, p, d->listed.v[i], self, ret) < 0)
			return -1;
	}
	ret->peers_cut = d->listed.n - i;
	return 0;
}
