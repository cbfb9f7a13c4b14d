/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan.h"

#include "common/arena.h"
#include "reconciler/plan_view.h"

/* Past so many different changes of interface settings under one change of peers, their nodes are
 * listed together. */
#define MAX_SPLIT 8

enum { DELTA_KEY = 1u << 0, DELTA_ENDPOINT = 1u << 1, DELTA_ALLOWED = 1u << 2 };

/* A hub of a view: its entry depends on which node of the view looks. */
struct via {
	uint32_t id;
	bool in[2]; /* a direct peer on that side */
	struct view_entry entry[2];
	bool same; /* the entries are equal, for every node */
	struct prefix *canonical[2]; /* for a node that contributes nothing */
	size_t n[2];
	size_t delta; /* prefixes of one of them and not the other */
	uint32_t *by[2]; /* indexes of entry.raw that some node contributes, sorted by that node */
	size_t n_by[2];
};

/* A prefix that, for one node, comes into or goes from what `canonical` says. */
struct touch {
	struct prefix prefix;
	uint8_t side;
	bool after;
};

struct counts {
	size_t n[3]; /* by enum plan_action */
	size_t same;
};

/* What of a record others see, as attributes; built when first needed. */
struct record_text {
	struct plan_attr *attrs; /* without the keepalive; room for it behind them */
	size_t n;
	bool done;
};

struct maker {
	struct plan_work w;
	struct plan *plan;
	struct arena *out;
	uint8_t *delta; /* by number: what others see of a node that is in both */
	struct record_text *text[2]; /* by number: added (NEW) or removed (OLD) as a whole */
	struct record_text *changed; /* by number */
	uint32_t *via_of; /* by number: index in vias plus one, during one run */
	struct via *vias;
	size_t n_vias;
	struct arena scratch; /* of one run of places with equal views */
	struct ids direct[2];
	struct id_list buffers[2];
	struct id_list listed; /* peers that change for some node of the run */
	struct touch *touches;
	size_t n_touches, cap_touches;
	size_t peers_left; /* of MAX_PLAN_PEERS */
	size_t peers_each; /* share of one run */
	size_t n_classes_cap;
};

struct attr_list {
	struct arena *a;
	struct plan_attr *v;
	size_t n;
	bool failed;
};

static void attr_add(struct attr_list *l, const char *name, const char *from, const char *to)
{
	struct plan_attr *v = l->failed ? NULL : arena_grow(l->a, l->v, l->n, sizeof(*v));

	if (!v) {
		l->failed = true;
		return;
	}
	l->v = v;
	v[l->n++] = (struct plan_attr){ name, from, to };
}

static const char *text_of(struct attr_list *l, const char *s)
{
	const char *copy = arena_strdup(l->a, s);

	l->failed |= !copy;
	return copy;
}

static const char *number_text(struct attr_list *l, bool set, uint32_t v)
{
	char text[16];

	if (!set)
		return NULL;
	snprintf(text, sizeof(text), "%u", v);
	return text_of(l, text);
}

static const char *key_text(struct attr_list *l, const struct wgkey *k)
{
	char text[KEY_STRLEN];

	return k ? text_of(l, wgkey_print(k, text)) : NULL;
}

static const char *endpoint_text(struct attr_list *l, const struct endpoint *e)
{
	char text[ENDPOINT_STRLEN];

	return e && e->host ? text_of(l, endpoint_print(e, text)) : NULL;
}

static void attr_change(struct attr_list *l, const char *name, const char *from, const char *to)
{
	if ((from || to) && (!from || !to || strcmp(from, to)))
		attr_add(l, name, from, to);
}

static void attr_prefix(struct attr_list *l, const char *name, const struct prefix *p, bool added)
{
	char text[PREFIX_STRLEN];
	const char *s = text_of(l, prefix_print(p, text));

	attr_add(l, name, added ? NULL : s, added ? s : NULL);
}

/* The difference of two sorted lists. */
static void attr_prefixes(struct attr_list *l, const char *name, const struct prefix *a, size_t na,
			  const struct prefix *b, size_t nb)
{
	size_t i = 0, j = 0;

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : prefix_cmp(&a[i], &b[j]);

		if (c < 0)
			attr_prefix(l, name, &a[i], false);
		else if (c > 0)
			attr_prefix(l, name, &b[j], true);
		i += c <= 0;
		j += c >= 0;
	}
}

static void attr_addresses(struct attr_list *l, const struct node *a, const struct node *b)
{
	size_t na = a ? a->n_addresses : 0, nb = b ? b->n_addresses : 0, i = 0, j = 0;
	char text[PREFIX_STRLEN];

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : ifaddr_cmp(&a->addresses[i], &b->addresses[j]);

		if (c < 0)
			attr_add(l, "addresses", text_of(l, ifaddr_print(&a->addresses[i], text)),
				 NULL);
		else if (c > 0)
			attr_add(l, "addresses", NULL,
				 text_of(l, ifaddr_print(&b->addresses[j], text)));
		i += c <= 0;
		j += c >= 0;
	}
}

/* What changes on the node's own interface; one of them may be NULL. */
static void node_attrs(struct attr_list *l, const struct node *a, const struct node *b)
{
	struct {
		bool set;
		uint32_t v;
	} port[2] = { 0 }, mark[2] = { 0 }, mtu[2] = { 0 };
	const struct node *n[2] = { a, b };
	size_t s;

	for (s = OLD; s <= NEW; s++) {
		if (!n[s])
			continue;
		port[s].set = n[s]->flags & NODE_HAS_LISTEN_PORT;
		port[s].v = n[s]->listen_port;
		mark[s].set = n[s]->flags & NODE_HAS_FWMARK;
		mark[s].v = n[s]->fwmark;
		mtu[s].set = true;
		mtu[s].v = n[s]->mtu;
	}
	if (!a || !b || strcmp(a->interface.s, b->interface.s))
		attr_add(l, "interface", a ? a->interface.s : NULL, b ? b->interface.s : NULL);
	if (!a || !b || wgkey_cmp(&a->key, &b->key))
		attr_add(l, "public_key", key_text(l, a ? &a->key : NULL),
			 key_text(l, b ? &b->key : NULL));
	attr_addresses(l, a, b);
	if (port[OLD].set != port[NEW].set || port[OLD].v != port[NEW].v)
		attr_change(l, "listen_port", number_text(l, port[OLD].set, port[OLD].v),
			    number_text(l, port[NEW].set, port[NEW].v));
	if (mtu[OLD].set != mtu[NEW].set || mtu[OLD].v != mtu[NEW].v)
		attr_change(l, "mtu", number_text(l, mtu[OLD].set, mtu[OLD].v),
			    number_text(l, mtu[NEW].set, mtu[NEW].v));
	if (mark[OLD].set != mark[NEW].set || mark[OLD].v != mark[NEW].v)
		attr_change(l, "fwmark", number_text(l, mark[OLD].set, mark[OLD].v),
			    number_text(l, mark[NEW].set, mark[NEW].v));
}

static bool has_endpoint(const struct record *r)
{
	return r && r->endpoint.host;
}

static int find_deltas(struct maker *m)
{
	uint32_t id;

	for (id = 0; id < m->w.n; id++) {
		const struct record *a = m->w.sides[OLD].records[id],
				    *b = m->w.sides[NEW].records[id];
		struct prefix *pa, *pb;
		size_t na, nb;

		if (!a || !b || record_equal(a, b))
			continue;
		if (wgkey_cmp(&a->key, &b->key))
			m->delta[id] |= DELTA_KEY;
		if (!endpoint_equal(&a->endpoint, &b->endpoint))
			m->delta[id] |= DELTA_ENDPOINT;
		if (record_prefixes(a, &m->w.tmp, &pa, &na) < 0 ||
		    record_prefixes(b, &m->w.tmp, &pb, &nb) < 0)
			return -1;
		if (na != nb || memcmp(pa, pb, na * sizeof(*pa)))
			m->delta[id] |= DELTA_ALLOWED;
	}
	return 0;
}

/* Hubs. */

static bool has_prefix(const struct prefix *list, size_t n, const struct prefix *p)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = prefix_cmp(&list[mid], p);

		if (!c)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static size_t count_delta(const struct prefix *a, size_t na, const struct prefix *b, size_t nb)
{
	size_t i = 0, j = 0, n = 0;

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : prefix_cmp(&a[i], &b[j]);

		n += c != 0;
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

/* qsort has no argument for the comparison, so the contributor goes in front: (by << 32 | index).
 */
static int cmp_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int index_by(struct maker *m, struct via *v, int side)
{
	const struct view_entry *e = &v->entry[side];
	uint64_t *keys = arena_array(&m->scratch, e->n, sizeof(*keys));
	size_t i, n = 0;

	v->by[side] = arena_array(&m->scratch, e->n, sizeof(*v->by[side]));
	if (!keys || !v->by[side])
		return -1;
	for (i = 0; i < e->n; i++) {
		if (e->raw[i].by != NO_ID)
			keys[n++] = (uint64_t)e->raw[i].by << 32 | i;
	}
	if (n > 1)
		qsort(keys, n, sizeof(*keys), cmp_u64);
	for (i = 0; i < n; i++)
		v->by[side][i] = (uint32_t)keys[i];
	v->n_by[side] = n;
	return 0;
}

static bool entries_equal(const struct view_entry *a, const struct view_entry *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (a->raw[i].by != b->raw[i].by ||
		    prefix_cmp(&a->raw[i].prefix, &b->raw[i].prefix))
			return false;
	}
	return true;
}

static int via_make(struct maker *m, struct via *v, const uint32_t views[2])
{
	int s;

	for (s = OLD; s <= NEW; s++) {
		const struct side *side = &m->w.sides[s];

		v->in[s] = ids_has(m->direct[s], v->id);
		if (!v->in[s])
			continue;
		if (view_entry_make(side, &side->views[views[s]], v->id, &m->scratch,
				    &v->entry[s]) < 0 ||
		    view_entry_prefixes(&v->entry[s], NO_ID, &m->scratch, &v->canonical[s],
					&v->n[s]) < 0)
			return -1;
	}
	v->same = !v->in[OLD] || !v->in[NEW] || entries_equal(&v->entry[OLD], &v->entry[NEW]);
	if (v->same)
		return 0;
	v->delta = count_delta(v->canonical[OLD], v->n[OLD], v->canonical[NEW], v->n[NEW]);
	return index_by(m, v, OLD) < 0 || index_by(m, v, NEW) < 0 ? -1 : 0;
}

static int vias_make(struct maker *m, const uint32_t views[2])
{
	size_t i, max = 0;
	int s;

	m->n_vias = 0;
	for (s = OLD; s <= NEW; s++)
		max += views[s] == NO_ID ? 0 : m->w.sides[s].views[views[s]].n_links;
	m->vias = arena_array(&m->scratch, max, sizeof(*m->vias));
	if (!m->vias)
		return -1;
	for (s = OLD; s <= NEW; s++) {
		const struct view *v = views[s] == NO_ID ? NULL : &m->w.sides[s].views[views[s]];

		for (i = 0; v && i < v->n_links; i++) {
			uint32_t id = v->links[i].via;

			if (id == NO_ID || m->via_of[id])
				continue;
			m->vias[m->n_vias++].id = id;
			m->via_of[id] = (uint32_t)m->n_vias;
		}
	}
	for (i = 0; i < m->n_vias; i++) {
		if (via_make(m, &m->vias[i], views) < 0)
			return -1;
	}
	return 0;
}

static void vias_release(struct maker *m)
{
	size_t i;

	for (i = 0; i < m->n_vias; i++)
		m->via_of[m->vias[i].id] = 0;
	m->n_vias = 0;
}

static int touch_add(struct maker *m, const struct prefix *p, int side, bool after)
{
	if (m->n_touches == m->cap_touches) {
		size_t cap = m->cap_touches ? m->cap_touches * 2 : 64;
		struct touch *t = realloc(m->touches, cap * sizeof(*t));

		if (!t)
			return -1;
		m->touches = t;
		m->cap_touches = cap;
	}
	m->touches[m->n_touches++] = (struct touch){ *p, (uint8_t)side, after };
	return 0;
}

static int cmp_touch(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	return c ? c : (int)x->side - (int)y->side;
}

/*
 * What goes from an entry because the node contributes it alone, and what comes to light under it.
 * Only prefixes that stand in the canonical list matter, and those cover disjoint parts of the
 * sorted entry, so that all nodes of a view together cost as much as the entry is long.
 */
static int touch_side(struct maker *m, const struct via *v, int side, uint32_t node)
{
	const struct view_entry *e = &v->entry[side];
	size_t lo = 0, hi = v->n_by[side], i;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->raw[v->by[side][mid]].by < node)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; i < v->n_by[side] && e->raw[v->by[side][i]].by == node; i++) {
		size_t at = v->by[side][i], end = at + 1;
		const struct prefix *p = &e->raw[at].prefix, *last = NULL;

		/* Not alone, or the same once more: `by` sorts equal prefixes. */
		if (at && !prefix_cmp(&e->raw[at - 1].prefix, p))
			continue;
		while (end < e->n && !prefix_cmp(&e->raw[end].prefix, p))
			end++;
		if (e->raw[end - 1].by != node || !has_prefix(v->canonical[side], v->n[side], p))
			continue;
		if (touch_add(m, p, side, false) < 0)
			return -1;
		for (; end < e->n && prefix_contains(p, &e->raw[end].prefix); end++) {
			const struct prefix *inner = &e->raw[end].prefix;

			if (e->raw[end].by == node || (last && prefix_contains(last, inner)))
				continue;
			if (touch_add(m, inner, side, true) < 0)
				return -1;
			last = inner;
		}
	}
	return 0;
}

/*
 * How many prefixes of the hub's entry change for this node. *ret_odd: others than of the view's
 * own, so that the node cannot be listed with the rest.
 */
static int via_for_node(struct maker *m, const struct via *v, uint32_t node, size_t *ret_delta,
			bool *ret_odd)
{
	size_t i, end, delta = v->delta;

	m->n_touches = 0;
	if (touch_side(m, v, OLD, node) < 0 || touch_side(m, v, NEW, node) < 0)
		return -1;
	if (m->n_touches > 1)
		qsort(m->touches, m->n_touches, sizeof(*m->touches), cmp_touch);
	for (i = 0; i < m->n_touches; i = end) {
		const struct prefix *p = &m->touches[i].prefix;
		bool before[2], after[2];
		int s;

		for (s = OLD; s <= NEW; s++)
			before[s] = after[s] = has_prefix(v->canonical[s], v->n[s], p);
		for (end = i; end < m->n_touches && !prefix_cmp(&m->touches[end].prefix, p); end++)
			after[m->touches[end].side] = m->touches[end].after;
		delta += (size_t)(after[OLD] != after[NEW]);
		delta -= (size_t)(before[OLD] != before[NEW]);
		if (after[OLD] != after[NEW] &&
		    (before[OLD] == before[NEW] || before[OLD] != after[OLD]))
			*ret_odd = true;
	}
	*ret_delta = delta;
	return 0;
}

/* What becomes of the peer entry `id`. */
enum fate {
	FATE_ADD = PLAN_ADD,
	FATE_CHANGE = PLAN_CHANGE,
	FATE_REMOVE = PLAN_REMOVE,
	FATE_SAME,
	FATE_NONE
};

static uint16_t keepalive_towards(const struct maker *m, const struct plan_place *p, int side,
				  uint32_t id)
{
	return has_endpoint(m->w.sides[side].records[id]) ? p->keepalive[side] : 0;
}

/* Of an entry that is on both sides, without the AllowedIPs of hubs. */
static bool entry_changes(const struct maker *m, const struct plan_place *p, uint32_t id)
{
	uint8_t delta = m->delta[id];

	if (m->via_of[id])
		delta &= (uint8_t)~DELTA_ALLOWED;
	return delta || keepalive_towards(m, p, OLD, id) != keepalive_towards(m, p, NEW, id);
}

static enum fate fate_in_both(const struct maker *m, const struct plan_place *p, uint32_t id)
{
	uint32_t via = m->via_of[id];

	if (entry_changes(m, p, id) || (via && m->vias[via - 1].delta))
		return FATE_CHANGE;
	return FATE_SAME;
}

static enum fate fate_of(const struct maker *m, const struct plan_place *p, uint32_t id)
{
	bool in[2] = { ids_has(m->direct[OLD], id), ids_has(m->direct[NEW], id) };

	if (in[OLD] && in[NEW])
		return fate_in_both(m, p, id);
	return in[OLD] ? FATE_REMOVE : in[NEW] ? FATE_ADD : FATE_NONE;
}

/* Counts for a node of the view that is in no group and contributes nothing; fills m->listed. */
static int count_view(struct maker *m, const struct plan_place *p, struct counts *ret)
{
	const struct ids *d = m->direct;
	size_t i = 0, j = 0;

	*ret = (struct counts){ 0 };
	m->listed.n = 0;
	while (i < d[OLD].n || j < d[NEW].n) {
		uint32_t a = i < d[OLD].n ? d[OLD].v[i] : NO_ID,
			 b = j < d[NEW].n ? d[NEW].v[j] : NO_ID;
		uint32_t id = a < b ? a : b;
		enum fate fate = a < b ? FATE_REMOVE : a > b ? FATE_ADD : fate_in_both(m, p, id);

		i += a <= b;
		j += b <= a;
		if (fate == FATE_SAME)
			ret->same++;
		else
			ret->n[fate]++;
		/* A hub may change for some nodes only. */
		if ((fate != FATE_SAME || (m->via_of[id] && !m->vias[m->via_of[id] - 1].same)) &&
		    id_list_add(&m->listed, id) < 0)
			return -1;
	}
	return 0;
}

static int count_node(struct maker *m, const struct plan_place *p, const struct counts *view,
		      struct counts *ret, bool *ret_odd)
{
	enum fate own = fate_of(m, p, p->id);
	size_t i, delta;

	*ret = *view;
	*ret_odd = false;
	if (own == FATE_SAME)
		ret->same--;
	else if (own != FATE_NONE)
		ret->n[own]--;
	for (i = 0; i < m->n_vias; i++) {
		const struct via *v = &m->vias[i];
		bool changes, generic;

		if (v->same || v->id == p->id)
			continue;
		if (via_for_node(m, v, p->id, &delta, ret_odd) < 0)
			return -1;
		changes = entry_changes(m, p, v->id);
		generic = changes || v->delta;
		changes |= delta != 0;
		ret->n[PLAN_CHANGE] += (size_t)changes - (size_t)generic;
		ret->same += (size_t)generic - (size_t)changes;
	}
	return 0;
}

/* Lists of peers. */

static int record_attrs(struct maker *m, int side, uint32_t id, const struct prefix *allowed,
			size_t n_allowed, struct record_text *ret)
{
	const struct record *r = m->w.sides[side].records[id];
	struct attr_list l = { .a = m->out };
	const char *key = key_text(&l, &r->key), *endpoint = endpoint_text(&l, &r->endpoint);
	size_t i;

	attr_add(&l, "public_key", side == OLD ? key : NULL, side == OLD ? NULL : key);
	if (endpoint)
		attr_add(&l, "endpoint", side == OLD ? endpoint : NULL,
			 side == OLD ? NULL : endpoint);
	for (i = 0; i < n_allowed; i++)
		attr_prefix(&l, "allowed_ips", &allowed[i], side == NEW);
	if (l.failed)
		return -1;
	*ret = (struct record_text){ l.v, l.n, true };
	return 0;
}

static int whole_text(struct maker *m, int side, uint32_t id, const struct record_text **ret)
{
	struct record_text *t = &m->text[side][id];
	struct prefix *allowed;
	size_t n;

	if (!t->done &&
	    (record_prefixes(m->w.sides[side].records[id], &m->w.tmp, &allowed, &n) < 0 ||
	     record_attrs(m, side, id, allowed, n, t) < 0))
		return -1;
	*ret = t;
	return 0;
}

static void key_and_endpoint_changes(struct maker *m, struct attr_list *l, uint32_t id)
{
	const struct record *a = m->w.sides[OLD].records[id], *b = m->w.sides[NEW].records[id];

	if (m->delta[id] & DELTA_KEY)
		attr_add(l, "public_key", key_text(l, &a->key), key_text(l, &b->key));
	if (m->delta[id] & DELTA_ENDPOINT)
		attr_add(l, "endpoint", endpoint_text(l, &a->endpoint),
			 endpoint_text(l, &b->endpoint));
}

static int changed_text(struct maker *m, uint32_t id, const struct record_text **ret)
{
	struct record_text *t = &m->changed[id];
	struct attr_list l = { .a = m->out };
	struct prefix *pa, *pb;
	size_t na, nb;

	*ret = t;
	if (t->done)
		return 0;
	key_and_endpoint_changes(m, &l, id);
	if (m->delta[id] & DELTA_ALLOWED) {
		if (record_prefixes(m->w.sides[OLD].records[id], &m->w.tmp, &pa, &na) < 0 ||
		    record_prefixes(m->w.sides[NEW].records[id], &m->w.tmp, &pb, &nb) < 0)
			return -1;
		attr_prefixes(&l, "allowed_ips", pa, na, pb, nb);
	}
	if (l.failed)
		return -1;
	*t = (struct record_text){ l.v, l.n, true };
	return 0;
}

/* Prefixes of a hub as the node `self` has them, or as any node that contributes nothing. */
static int via_prefixes(struct maker *m, const struct via *v, int side, uint32_t self,
			struct prefix **ret, size_t *ret_n)
{
	if (self != NO_ID)
		return view_entry_prefixes(&v->entry[side], self, &m->scratch, ret, ret_n);
	*ret = v->canonical[side];
	*ret_n = v->n[side];
	return 0;
}

static int peer_text(struct maker *m, uint32_t id, enum plan_action action, uint32_t self,
		     struct record_text *own, const struct record_text **ret)
{
	const struct via *v = m->via_of[id] ? &m->vias[m->via_of[id] - 1] : NULL;
	int side = action == PLAN_REMOVE ? OLD : NEW;
	struct attr_list l = { .a = m->out };
	struct prefix *p[2];
	size_t n[2];

	*ret = own;
	if (action != PLAN_CHANGE) {
		if (!v || !v->in[side])
			return whole_text(m, side, id, ret);
		if (via_prefixes(m, v, side, self, &p[side], &n[side]) < 0)
			return -1;
		return record_attrs(m, side, id, p[side], n[side], own);
	}
	if (!v)
		return changed_text(m, id, ret);
	key_and_endpoint_changes(m, &l, id);
	if (via_prefixes(m, v, OLD, self, &p[OLD], &n[OLD]) < 0 ||
	    via_prefixes(m, v, NEW, self, &p[NEW], &n[NEW]) < 0)
		return -1;
	attr_prefixes(&l, "allowed_ips", p[OLD], n[OLD], p[NEW], n[NEW]);
	if (l.failed)
		return -1;
	*own = (struct record_text){ l.v, l.n, true };
	return 0;
}

static int list_peer(struct maker *m, const struct plan_place *p, uint32_t id, uint32_t self,
		     struct plan_class *c)
{
	bool in[2] = { ids_has(m->direct[OLD], id), ids_has(m->direct[NEW], id) };
	enum plan_action action = !in[OLD] ? PLAN_ADD : !in[NEW] ? PLAN_REMOVE : PLAN_CHANGE;
	uint16_t before = in[OLD] ? keepalive_towards(m, p, OLD, id) : 0;
	uint16_t after = in[NEW] ? keepalive_towards(m, p, NEW, id) : 0;
	const struct record_text *t;
	struct record_text own;
	struct attr_list l = { .a = m->out };

	if (peer_text(m, id, action, self, &own, &t) < 0)
		return -1;
	l.v = t->attrs;
	l.n = t->n;
	if (before != after) {
		size_t i;

		/* The list is shared: copied before it grows. */
		l = (struct attr_list){ .a = m->out };
		for (i = 0; i < t->n; i++)
			attr_add(&l, t->attrs[i].name, t->attrs[i].from, t->attrs[i].to);
		attr_add(&l, "persistent_keepalive", number_text(&l, before != 0, before),
			 number_text(&l, after != 0, after));
		if (l.failed)
			return -1;
	}
	if (!l.n)
		return 0;
	c->peers[c->n_peers++] = (struct plan_peer){ action, m->w.names[id], l.v, l.n };
	return 0;
}

/* self: NO_ID for a list that several nodes share. */
static int list_peers(struct maker *m, const struct plan_place *p, uint32_t self,
		      struct plan_class *c)
{
	size_t max = m->listed.n, i;

	if (max > m->peers_each)
		max = m->peers_each;
	if (max > m->peers_left)
		max = m->peers_left;
	m->peers_left -= max;
	c->peers = arena_array(m->out, max, sizeof(*c->peers));
	if (!c->peers)
		return -1;
	for (i = 0; i < m->listed.n && c->n_peers < max; i++) {
		if (m->listed.v[i] != self && list_peer(m, p, m->listed.v[i], self, c) < 0)
			return -1;
	}
	c->peers_cut = m->listed.n - i;
	return 0;
}

/* Classes. */

/* A node of a run that changes. */
struct changed_node {
	uint32_t id;
	const struct plan_place *place;
	struct counts counts;
	bool odd;
	struct plan_attrs attrs;
	size_t split; /* which of the classes */
};

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool attr_equal(const struct plan_attr *a, const struct plan_attr *b)
{
	return !strcmp(a->name, b->name) && text_equal(a->from, b->from) &&
	       text_equal(a->to, b->to);
}

static bool attrs_equal(const struct plan_attrs *a, const struct plan_attrs *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (!attr_equal(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

static bool attrs_have(const struct plan_attrs *a, const struct plan_attr *attr)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (attr_equal(&a->list[i], attr))
			return true;
	}
	return false;
}

static struct plan_class *class_add(struct maker *m)
{
	struct plan_class *list =
		arena_grow(m->out, m->plan->classes, m->plan->n_classes, sizeof(*list));

	if (!list)
		return NULL;
	m->plan->classes = list;
	list[m->plan->n_classes] = (struct plan_class){ 0 };
	return &list[m->plan->n_classes++];
}

static void class_counts(struct plan_class *c, const struct counts *n)
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
	struct plan_attr *common = arena_array(m->out, all[0].n, sizeof(*common));
	struct plan_attrs shared = { common, 0 };
	bool own = false;
	size_t i, j;

	c->own = arena_array(m->out, c->n_nodes, sizeof(*c->own));
	if (!common || !c->own)
		return -1;
	for (i = 0; i < all[0].n; i++) {
		for (j = 1; j < c->n_nodes && attrs_have(&all[j], &all[0].list[i]); j++)
			;
		if (j == c->n_nodes)
			common[shared.n++] = all[0].list[i];
	}
	for (i = 0; i < c->n_nodes; i++) {
		struct plan_attr *list = arena_array(m->out, all[i].n - shared.n, sizeof(*list));

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
	size_t i;

	if (!c)
		return -1;
	c->nodes = arena_array(m->out, n, sizeof(*c->nodes));
	attrs = arena_array(&m->scratch, n, sizeof(*attrs));
	if (!c->nodes || !attrs)
		return -1;
	for (i = 0; i < n; i++) {
		if (nodes[i].split != split)
			continue;
		c->action = place_action(nodes[i].place);
		attrs[c->n_nodes] = nodes[i].attrs;
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
	if (plain && list_peers(m, nodes[0].place, n == 1 ? nodes[0].id : NO_ID, &shared) < 0)
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
		if (list_peers(m, nodes[i].place, nodes[i].id, &alone) < 0 ||
		    make_class(m, &nodes[i], 1, 0, &alone) < 0)
			return -1;
	}
	return 0;
}

/* A run of places that agree in everything but the node. */
static int plan_run(struct maker *m, const struct plan_place *run, size_t n, uint32_t only)
{
	enum plan_action action = place_action(&run[0]);
	struct changed_node *nodes = arena_array(&m->scratch, n, sizeof(*nodes));
	struct plan *p = m->plan;
	struct counts view;
	size_t i, changed = 0;

	if (!nodes || count_view(m, &run[0], &view) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		struct changed_node c = { .id = run[i].id, .place = &run[i] };
		struct attr_list l = { .a = m->out };

		if (only != NO_ID && only != c.id)
			continue;
		if (count_node(m, &run[i], &view, &c.counts, &c.odd) < 0)
			return -1;
		p->peers_added += c.counts.n[PLAN_ADD];
		p->peers_changed += c.counts.n[PLAN_CHANGE];
		p->peers_removed += c.counts.n[PLAN_REMOVE];
		p->peers_unchanged += c.counts.same;
		node_attrs(&l, m->w.sides[OLD].nodes[c.id], m->w.sides[NEW].nodes[c.id]);
		if (l.failed)
			return -1;
		c.attrs = (struct plan_attrs){ l.v, l.n };
		if (action == PLAN_CHANGE && !l.n && !c.counts.n[PLAN_ADD] &&
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

static int plan_views(struct maker *m, const struct plan_place *places, size_t n, uint32_t only)
{
	size_t i, j, end, stop;
	int s, r = 0;

	for (i = 0; !r && i < n; i = end) {
		end = plan_places_run(places, n, i);
		for (s = OLD; !r && s <= NEW; s++)
			r = view_direct(&m->w.sides[s], places[i].view[s], &m->buffers[s],
					&m->direct[s]);
		if (!r)
			r = vias_make(m, places[i].view);
		for (j = i; !r && j < end; j = stop) {
			stop = run_of_equals(places, end, j);
			r = plan_run(m, &places[j], stop - j, only);
		}
		vias_release(m);
		/* Small views are many: what they took is not worth giving back after each. */
		if (m->scratch.used > 1u << 20)
			arena_release(&m->scratch);
	}
	return r;
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

static bool networks_equal(const struct network *a, const struct network *b)
{
	size_t i;

	if (!a || !b)
		return a == b;
	if (a->n_records != b->n_records || a->n_nodes != b->n_nodes || !groups_equal(a, b) ||
	    !tombstones_equal(a, b))
		return false;
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

/* `node` NULL: all nodes. */
static int make(const struct network *old, const struct network *new, const char *node,
		struct arena *a, struct plan *ret, struct err *e)
{
	struct plan plan = { .first = !old, .gone = !new };
	struct maker m = { .plan = &plan, .out = a, .peers_left = MAX_PLAN_PEERS };
	struct plan_place *places;
	uint32_t only = NO_ID;
	size_t n = 0, runs;
	int r = -1;

	plan.network = new ? new->name : old ? old->name : "";
	plan.documents = !networks_equal(old, new);
	arena_init(&m.scratch);
	if (plan_work_init(&m.w, old, new, a, e) < 0)
		goto out;
	if (node) {
		only = plan_work_id(&m.w, node);
		if (only == NO_ID) {
			err_set(e, ERR_NOENT, "network %s has no node '%s'", plan.network, node);
			goto out;
		}
	}
	r = -2;
	m.delta = arena_array(&m.w.tmp, m.w.n, sizeof(*m.delta));
	m.text[OLD] = arena_array(&m.w.tmp, m.w.n, sizeof(struct record_text));
	m.text[NEW] = arena_array(&m.w.tmp, m.w.n, sizeof(struct record_text));
	m.changed = arena_array(&m.w.tmp, m.w.n, sizeof(struct record_text));
	m.via_of = arena_array(&m.w.tmp, m.w.n, sizeof(*m.via_of));
	places = places_make(&m.w, &n);
	if (!m.delta || !m.text[OLD] || !m.text[NEW] || !m.changed || !m.via_of || !places ||
	    find_deltas(&m) < 0)
		goto out;
	runs = count_runs(places, n);
	m.peers_each = runs ? MAX_PLAN_PEERS / runs : 0;
	if (m.peers_each < 64)
		m.peers_each = 64;
	if (plan_views(&m, places, n, only) < 0)
		goto out;
	if (plan.n_classes > 1)
		qsort(plan.classes, plan.n_classes, sizeof(*plan.classes), cmp_class);
	if (!plan.first && !plan.gone) {
		r = plan_losses(&m.w, places, n, only, &plan, e);
		if (r < 0)
			goto out;
	}
	*ret = plan;
	r = 0;
out:
	plan_work_release(&m.w);
	arena_release(&m.scratch);
	id_list_release(&m.buffers[OLD]);
	id_list_release(&m.buffers[NEW]);
	id_list_release(&m.listed);
	free(m.touches);
	return r == -2 ? err_nomem(e) : r;
}

int plan_make(const struct network *old, const struct network *new, struct arena *a,
	      struct plan *ret, struct err *e)
{
	return make(old, new, NULL, a, ret, e);
}

int plan_make_node(const struct network *old, const struct network *new, const char *node,
		   struct arena *a, struct plan *ret, struct err *e)
{
	return make(old, new, node, a, ret, e);
}

bool plan_empty(const struct plan *p)
{
	return !p->documents;
}
