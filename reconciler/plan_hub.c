/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan_hub.h"

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

static int index_by(struct hub *v, int side, struct arena *scratch)
{
	const struct view_entry *e = &v->entry[side];
	uint64_t *keys = arena_array(scratch, e->n, sizeof(*keys));
	size_t i, n = 0;

	v->by[side] = arena_array(scratch, e->n, sizeof(*v->by[side]));
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

static int hub_make(const struct plan_work *w, struct hub *v, const uint32_t views[2],
		    const struct ids direct[2], struct arena *scratch)
{
	int s;

	for (s = OLD; s <= NEW; s++) {
		const struct side *side = &w->sides[s];

		v->in[s] = ids_has(direct[s], v->id);
		if (!v->in[s])
			continue;
		if (view_entry_make(side, &side->views[views[s]], direct[s], v->id, scratch,
				    &v->entry[s]) < 0 ||
		    view_entry_prefixes(&v->entry[s], NO_ID, scratch, &v->canonical[s], &v->n[s]) <
			    0)
			return -1;
	}
	v->same = v->in[OLD] && v->in[NEW] && entries_equal(&v->entry[OLD], &v->entry[NEW]);
	if (v->same)
		return 0;
	v->delta = count_delta(v->canonical[OLD], v->n[OLD], v->canonical[NEW], v->n[NEW]);
	return index_by(v, OLD, scratch) < 0 || index_by(v, NEW, scratch) < 0 ? -1 : 0;
}

int hubs_init(struct hubs *h, uint32_t n_names, struct arena *a)
{
	*h = (struct hubs){ .of = arena_array(a, n_names, sizeof(*h->of)) };
	return h->of ? 0 : -1;
}

void hubs_release(struct hubs *h)
{
	free(h->touches);
	*h = (struct hubs){ 0 };
}

int hubs_make(struct hubs *h, const struct plan_work *w, const uint32_t views[2],
	      const struct ids direct[2], struct arena *scratch)
{
	size_t i, max = 0;
	int s;

	h->n = 0;
	for (s = OLD; s <= NEW; s++)
		max += views[s] == NO_ID ? 0 : w->sides[s].views[views[s]].n_links + 1;
	h->list = arena_array(scratch, max, sizeof(*h->list));
	if (!h->list)
		return -1;
	for (s = OLD; s <= NEW; s++) {
		const struct view *v = views[s] == NO_ID ? NULL : &w->sides[s].views[views[s]];

		for (i = 0; v && i <= v->n_links; i++) {
			uint32_t id = i < v->n_links ? v->links[i].via : v->exit;

			if (id == NO_ID || h->of[id])
				continue;
			h->list[h->n++].id = id;
			h->of[id] = (uint32_t)h->n;
		}
	}
	for (i = 0; i < h->n; i++) {
		if (hub_make(w, &h->list[i], views, direct, scratch) < 0)
			return -1;
	}
	return 0;
}

void hubs_clear(struct hubs *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		h->of[h->list[i].id] = 0;
	h->n = 0;
}

const struct hub *hubs_find(const struct hubs *h, uint32_t id)
{
	return h->of[id] ? &h->list[h->of[id] - 1] : NULL;
}

static int touch_add(struct hubs *h, const struct prefix *p, int side, bool after)
{
	if (h->n_touches == h->cap_touches) {
		size_t cap = h->cap_touches ? h->cap_touches * 2 : 64;
		struct hub_touch *t = realloc(h->touches, cap * sizeof(*t));

		if (!t)
			return -1;
		h->touches = t;
		h->cap_touches = cap;
	}
	h->touches[h->n_touches++] = (struct hub_touch){ *p, (uint8_t)side, after };
	return 0;
}

static int cmp_touch(const void *a, const void *b)
{
	const struct hub_touch *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	return c ? c : (int)x->side - (int)y->side;
}

/*
 * What goes from an entry because the node contributes it alone, and what comes to light under it.
 * Only prefixes that stand in the canonical list matter, and those cover disjoint parts of the
 * sorted entry, so that all nodes of a view together cost as much as the entry is long.
 */
static int touch_side(struct hubs *h, const struct hub *v, int side, uint32_t node)
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
		if (touch_add(h, p, side, false) < 0)
			return -1;
		for (; end < e->n && prefix_contains(p, &e->raw[end].prefix); end++) {
			const struct prefix *inner = &e->raw[end].prefix;

			if (e->raw[end].by == node || (last && prefix_contains(last, inner)))
				continue;
			if (touch_add(h, inner, side, true) < 0)
				return -1;
			last = inner;
		}
	}
	return 0;
}

int hub_for_node(struct hubs *h, const struct hub *v, uint32_t node, size_t *ret_delta,
		 bool *ret_odd)
{
	size_t i, end, delta = v->delta;

	h->n_touches = 0;
	if (touch_side(h, v, OLD, node) < 0 || touch_side(h, v, NEW, node) < 0)
		return -1;
	if (h->n_touches > 1)
		qsort(h->touches, h->n_touches, sizeof(*h->touches), cmp_touch);
	for (i = 0; i < h->n_touches; i = end) {
		const struct prefix *p = &h->touches[i].prefix;
		bool before[2], after[2], uncovered = false;
		int s;

		for (s = OLD; s <= NEW; s++)
			before[s] = after[s] = has_prefix(v->canonical[s], v->n[s], p);
		for (end = i; end < h->n_touches && !prefix_cmp(&h->touches[end].prefix, p);
		     end++) {
			after[h->touches[end].side] = h->touches[end].after;
			uncovered |= h->touches[end].after;
		}
		delta += (size_t)(after[OLD] != after[NEW]);
		delta -= (size_t)(before[OLD] != before[NEW]);
		if (after[OLD] != after[NEW] &&
		    (before[OLD] == before[NEW] || before[OLD] != after[OLD]))
			*ret_odd = true;
		/* Listed for the view, but to this node it is neither its own nor a change. */
		if (uncovered && before[OLD] != before[NEW] && after[OLD] == after[NEW])
			*ret_odd = true;
	}
	*ret_delta = delta;
	return 0;
}

int hub_prefixes(const struct hub *v, int side, uint32_t self, struct arena *a, struct prefix **ret,
		 size_t *ret_n)
{
	if (self != NO_ID)
		return view_entry_prefixes(&v->entry[side], self, a, ret, ret_n);
	*ret = v->canonical[side];
	*ret_n = v->n[side];
	return 0;
}
