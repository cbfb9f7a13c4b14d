/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach_impl.h"

#include "common/bits.h"
#include "common/limits.h"

/* Something wider than a peer's own address, under a peer. */
struct wide {
	struct prefix prefix;
	uint32_t via, by; /* by: whose network it is; NO_ID: nobody's */
	uint32_t parent; /* the narrowest one before this that holds it; NO_ID: none */
};

/* A node whose addresses stand under another. */
struct through {
	uint32_t id, via;
};

/* What the nodes of one view do with an address. */
struct reach_table {
	bool made;
	uint64_t *direct; /* a bit for each number */
	struct through *through; /* sorted by id */
	size_t n_through;
	struct wide *wide; /* sorted by prefix */
	size_t n_wide;
};

static int add_wide(struct arena *a, struct reach_table *t, const struct prefix *p, uint32_t via,
		    uint32_t by)
{
	struct wide *list = arena_grow(a, t->wide, t->n_wide, sizeof(*list));

	if (!list)
		return -1;
	t->wide = list;
	list[t->n_wide++] = (struct wide){ *p, via, by, NO_ID };
	return 0;
}

static int add_routes(struct arena *a, struct reach_table *t, const struct record *r, uint32_t via,
		      uint32_t by)
{
	size_t i;

	for (i = 0; i < r->n_routes; i++)
		if (add_wide(a, t, &r->routes[i], via, by) < 0)
			return -1;
	return 0;
}

static int add_through(struct arena *a, struct reach_table *t, uint32_t id, uint32_t via)
{
	struct through *list = arena_grow(a, t->through, t->n_through, sizeof(*list));

	if (!list)
		return -1;
	t->through = list;
	list[t->n_through++] = (struct through){ id, via };
	return 0;
}

static int add_link(struct reach *r, struct reach_table *t, const struct view_link *l)
{
	size_t i;

	for (i = 0; i < l->n_prefixes; i++)
		if (add_wide(&r->arena, t, &l->prefixes[i], l->via, l->via) < 0)
			return -1;
	for (i = 0; i < l->target.n; i++) {
		uint32_t by = l->target.v[i];

		if (by == l->via || (l->kind == LINK_THROUGH && bits_has(t->direct, by)))
			continue;
		if (add_routes(&r->arena, t, r->side->records[by], l->via, by) < 0 ||
		    (l->kind == LINK_THROUGH && add_through(&r->arena, t, by, l->via) < 0))
			return -1;
	}
	return 0;
}

static int cmp_wide(const void *a, const void *b)
{
	const struct wide *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	if (c)
		return c;
	return x->via < y->via ? -1 : x->via > y->via;
}

static int cmp_through(const void *a, const void *b)
{
	const struct through *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* For searching: sorted, and each wide one knows the next wider. */
static void put_in_order(struct reach_table *t)
{
	size_t i;

	if (t->n_through > 1)
		qsort(t->through, t->n_through, sizeof(*t->through), cmp_through);
	if (t->n_wide > 1)
		qsort(t->wide, t->n_wide, sizeof(*t->wide), cmp_wide);
	for (i = 0; i < t->n_wide; i++) {
		uint32_t at = i ? (uint32_t)i - 1 : NO_ID;

		while (at != NO_ID && !prefix_contains(&t->wide[at].prefix, &t->wide[i].prefix))
			at = t->wide[at].parent;
		t->wide[i].parent = at;
	}
}

static int table_make(struct reach *r, uint32_t view, struct reach_table *t)
{
	const struct view *v = &r->side->views[view];
	static const struct prefix defaults[] = { { .family = 4 }, { .family = 6 } };
	struct id_list buffer = { 0 };
	struct ids direct;
	size_t i;
	int ret = -1;

	t->direct = arena_array(&r->arena, BITS_WORDS(r->w.n), sizeof(*t->direct));
	if (!t->direct || view_direct(r->side, view, &buffer, &direct) < 0)
		goto out;
	for (i = 0; i < direct.n; i++)
		bits_set(t->direct, direct.v[i]);
	for (i = 0; i < direct.n; i++)
		if (add_routes(&r->arena, t, r->side->records[direct.v[i]], direct.v[i],
			       direct.v[i]) < 0)
			goto out;
	for (i = 0; i < v->n_links; i++)
		if (v->links[i].via != NO_ID && add_link(r, t, &v->links[i]) < 0)
			goto out;
	for (i = 0; v->exit != NO_ID && i < ARRAY_LEN(defaults); i++)
		if (add_wide(&r->arena, t, &defaults[i], v->exit, NO_ID) < 0)
			goto out;
	put_in_order(t);
	t->made = true;
	ret = 0;
out:
	id_list_release(&buffer);
	return ret;
}

int reach_tables_init(struct reach *r)
{
	r->tables = arena_array(&r->arena, r->side->n_views, sizeof(*r->tables));
	return r->tables ? 0 : -1;
}

const struct reach_table *reach_table_of(struct reach *r, uint32_t id)
{
	uint32_t view = r->side->view_of[id];
	struct reach_table *t = &r->tables[view];

	return t->made || table_make(r, view, t) == 0 ? t : NULL;
}

/* No node is its own peer, nor are its own networks under another. */
static bool is_under(const struct wide *w, uint32_t at, const struct prefix *address)
{
	return w->via != at && w->by != at && prefix_contains(&w->prefix, address);
}

/*
 * Whether something as wide as what is at `i`, or wider, stands under the same peer: then that is
 * all that stands there (prefix_canonical); but what goes to an exit stands beside the rest.
 */
static bool is_covered(const struct reach_table *t, uint32_t i, uint32_t at, uint32_t via,
		       const struct prefix *address)
{
	for (; i != NO_ID; i = t->wide[i].parent)
		if (t->wide[i].via == via && t->wide[i].by != NO_ID &&
		    is_under(&t->wide[i], at, address))
			return true;
	return false;
}

/* The peer under which the address of the other node itself stands, or NO_ID. */
static uint32_t exact_of(const struct reach_table *t, uint32_t at, uint32_t id)
{
	struct through key = { id, NO_ID }, *found;

	if (id == NO_ID || id == at)
		return NO_ID;
	if (bits_has(t->direct, id))
		return id;
	found = t->n_through ? bsearch(&key, t->through, t->n_through, sizeof(key), cmp_through) :
			       NULL;
	return found && found->via != at ? found->via : NO_ID;
}

uint32_t reach_next(const struct reach_table *t, uint32_t at, const struct place *to, int *ret_len)
{
	struct prefix address = prefix_of_addr(&to->address);
	uint32_t exact = exact_of(t, at, to->id), i;
	size_t low = 0, high = t->n_wide;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&t->wide[mid].prefix, &address) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	i = low ? (uint32_t)low - 1 : NO_ID;
	*ret_len = (int)family_bits(to->address.family);
	if (exact != NO_ID && !is_covered(t, i, at, exact, &address))
		return exact;
	for (; i != NO_ID; i = t->wide[i].parent) {
		const struct wide *w = &t->wide[i];

		if (!is_under(w, at, &address) || is_covered(t, w->parent, at, w->via, &address))
			continue;
		*ret_len = w->prefix.len;
		return w->via;
	}
	*ret_len = -1;
	return NO_ID;
}
