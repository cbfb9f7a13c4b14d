/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links_impl.h"

#include "common/limits.h"

static int cmp_pairs(const void *pa, const void *pb)
{
	const struct link_pair *a = pa, *b = pb;
	size_t i;

	for (i = 0; i < 2; i++)
		if (a->node[i] != b->node[i])
			return a->node[i] < b->node[i] ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static bool same_pair(const struct link_pair *a, const struct link_pair *b)
{
	return a->node[0] == b->node[0] && a->node[1] == b->node[1];
}

static void unique_pairs(struct link_maker *x)
{
	size_t i, kept = 0;

	if (x->n > 1)
		qsort(x->pairs, x->n, sizeof(*x->pairs), cmp_pairs);
	for (i = 0; i < x->n; i++)
		if (!kept || !same_pair(&x->pairs[kept - 1], &x->pairs[i]))
			x->pairs[kept++] = x->pairs[i];
	x->n = kept;
}

static bool too_many(struct link_maker *x, const struct joined *entry)
{
	diag_help(x->diag,
		  diag_error(x->diag, entry->pos,
			     "the topology has more than %d routed links, up to this entry",
			     MAX_ROUTED_LINKS),
		  "join fewer nodes with `interface_per_link`, or through hubs (`star`)");
	return false;
}

static size_t members(const struct link_maker *x, const bool *in, uint32_t *list)
{
	size_t i, n = 0;

	for (i = 0; i < x->m->n_nodes; i++)
		if (in[i])
			list[n++] = (uint32_t)i;
	return n;
}

/* Room for this many more pairs; entries that say the same again are dropped before it grows. */
static bool make_room(struct link_maker *x, size_t more)
{
	struct link_pair *list;

	if (more <= x->cap - x->n)
		return true;
	unique_pairs(x);
	if (more <= (x->cap - x->n) / 2)
		return true;
	x->cap = 2 * (x->n + more);
	list = links_get(x, x->cap, sizeof(*list));
	if (list && x->n)
		memcpy(list, x->pairs, x->n * sizeof(*list));
	x->pairs = list;
	return list != NULL;
}

/* False when there are too many, or memory ran out. `a` and `b` have room for all nodes. */
static bool add_pairs(struct link_maker *x, uint32_t number, uint32_t *a, uint32_t *b)
{
	const struct joined *entry = &x->entries[number];
	size_t n_a = members(x, entry->a, a), n_b = members(x, entry->b, b), i, j;

	/* Of a mesh each pair comes twice, and each node with itself. */
	if (n_b && n_a > (2 * (size_t)MAX_ROUTED_LINKS + n_a) / n_b)
		return too_many(x, entry);
	if (!make_room(x, n_a * n_b))
		return false;
	for (i = 0; i < n_a; i++)
		for (j = 0; j < n_b; j++) {
			uint32_t p = a[i], q = b[j];

			if (p != q)
				x->pairs[x->n++] =
					(struct link_pair){ { p < q ? p : q, p < q ? q : p },
							    number };
		}
	return true;
}

bool links_pairs(struct link_maker *x)
{
	uint32_t *a = links_get(x, x->m->n_nodes, sizeof(*a)),
		 *b = links_get(x, x->m->n_nodes, sizeof(*b));
	size_t i;

	for (i = 0; !x->nomem && i < x->n_entries; i++)
		if (!add_pairs(x, (uint32_t)i, a, b))
			return false;
	unique_pairs(x);
	return !x->nomem &&
	       (x->n <= MAX_ROUTED_LINKS || too_many(x, &x->entries[x->n_entries - 1]));
}

const struct m_node *links_node(const struct link_maker *x, const struct link_pair *p,
				unsigned int end)
{
	return &x->m->nodes[p->node[end]];
}

const struct link_pair *links_pair(const struct link_maker *x, const char *a, const char *b)
{
	const struct m_node *p = m_network_node(x->m, a), *q = m_network_node(x->m, b);
	struct link_pair key;
	size_t low = 0, high = x->n;

	if (!p || !q)
		return NULL;
	key = (struct link_pair){ { (uint32_t)(p - x->m->nodes), (uint32_t)(q - x->m->nodes) }, 0 };
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (same_pair(&x->pairs[mid], &key))
			return &x->pairs[mid];
		if (cmp_pairs(&x->pairs[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void check_counts(struct link_maker *x)
{
	size_t *count = links_get(x, x->m->n_nodes, sizeof(*count)), i;

	for (i = 0; count && i < 2 * x->n; i++)
		if (++count[x->pairs[i / 2].node[i % 2]] == MAX_NODE_ROUTED_LINKS + 1)
			diag_error(x->diag, links_node(x, &x->pairs[i / 2], i % 2)->pos,
				   "node `%s` has more routed links than the %d that are possible",
				   links_node(x, &x->pairs[i / 2], i % 2)->name,
				   MAX_NODE_ROUTED_LINKS);
}

/* A relay cannot help: it passes on what has an address, not the link itself. */
static void warn_unreachable(struct link_maker *x)
{
	size_t *found = links_get(x, x->n_entries, sizeof(*found)), i;

	for (i = 0; found && i < x->n; i++) {
		const struct link_pair *p = &x->pairs[i];
		const struct m_node *a = links_node(x, p, 0), *b = links_node(x, p, 1);

		if (viewpoints_meet(x->views, p->node[0], p->node[1]) ||
		    ++found[p->entry] > MAX_NAMED_PAIRS)
			continue;
		diag_help(x->diag,
			  diag_warn(x->diag, x->entries[p->entry].pos,
				    "`%s` and `%s` cannot meet: neither has an endpoint", a->name,
				    b->name),
			  "give one of them an `endpoint`: a routed link goes through no relay");
	}
	for (i = 0; found && i < x->n_entries; i++)
		if (found[i] > MAX_NAMED_PAIRS)
			diag_warn(x->diag, x->entries[i].pos, "and %zu more pairs that cannot meet",
				  found[i] - MAX_NAMED_PAIRS);
}

static bool any_ipv6(const struct m_routed *r)
{
	size_t i;

	for (i = 0; i < r->n_transfer; i++)
		if (r->transfer[i].prefix.family == 6)
			return true;
	return r->link_local;
}

static void check_mtu(struct link_maker *x)
{
	bool *told = links_get(x, x->m->n_nodes, sizeof(*told)), network = false;
	size_t i;

	for (i = 0; told && any_ipv6(&x->m->routed) && i < 2 * x->n; i++) {
		uint32_t node = x->pairs[i / 2].node[i % 2];
		const struct m_uint *own = &x->m->nodes[node].mtu;
		bool *done = own->set ? &told[node] : &network;

		if (x->nodes[node].mtu >= 1280 || *done)
			continue;
		*done = true;
		diag_help(x->diag,
			  diag_error(x->diag, own->set ? own->pos : x->m->mtu.pos,
				     "an MTU of %u is too small for the IPv6 of routed links",
				     x->nodes[node].mtu),
			  "IPv6 needs at least 1280 (RFC 8200, section 5); without an IPv6 pool in "
			  "`transfer`, `link_local: false` leaves IPv4 alone");
	}
}

void links_pairs_check(struct link_maker *x)
{
	check_counts(x);
	warn_unreachable(x);
	check_mtu(x);
}
