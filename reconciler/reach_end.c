/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach_impl.h"

#include "common/limits.h"

static void longest(const struct prefix *p, const struct ipaddr *a, int *len)
{
	if (p->len > *len && prefix_contains_addr(p, a))
		*len = p->len;
}

int reach_own_length(const struct reach *r, uint32_t id, const struct ipaddr *a)
{
	const struct reach_site *site = r->led ? r->led[id] : NULL;
	const struct record *rec = r->side->records[id];
	int len = -1;
	size_t i;

	for (i = 0; i < rec->n_routes; i++)
		longest(&rec->routes[i], a, &len);
	for (i = 0; i < rec->n_standby; i++)
		longest(&rec->standby[i].prefix, a, &len);
	for (i = 0; site && i < site->n; i++)
		longest(&site->list[i], a, &len);
	return len;
}

/* The pool with all of the prefix in it, or NULL. */
static const struct prefix *pool_of(const struct reach *r, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < r->n_pools; i++)
		if (prefix_contains(&r->pools[i], p))
			return &r->pools[i];
	return NULL;
}

bool reach_is_behind(const struct reach *r, uint32_t id, const struct ipaddr *a)
{
	struct prefix p = prefix_of_addr(a);
	const struct prefix *pool = pool_of(r, &p);
	int len = reach_own_length(r, id, a);

	return len >= 0 && (!pool || len > pool->len);
}

bool reach_has_address(const struct reach *r, uint32_t id, const struct ipaddr *a)
{
	const struct record *rec = r->side->records[id];
	size_t i;

	for (i = 0; i < rec->n_addresses; i++)
		if (!ipaddr_cmp(&rec->addresses[i], a))
			return true;
	return false;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int collect_addresses(struct reach *r)
{
	const struct network *n = r->net;
	size_t i, j;

	r->own = arena_array(&r->arena, r->n_addresses, sizeof(*r->own));
	if (!r->own)
		return -1;
	for (i = 0; i < n->n_records; i++)
		for (j = 0; j < n->records[i].n_addresses; j++)
			r->own[r->n_own++] = prefix_of_addr(&n->records[i].addresses[j]);
	if (r->n_own > 1)
		qsort(r->own, r->n_own, sizeof(*r->own), cmp_prefixes);
	return 0;
}

static int collect_pools(struct reach *r)
{
	const struct network *n = r->net;
	size_t i, j, k = 0;

	for (i = 0; i < n->n_nodes; i++)
		k += n->nodes[i].n_addresses;
	r->pools = arena_array(&r->arena, k, sizeof(*r->pools));
	if (!r->pools)
		return -1;
	for (i = 0, k = 0; i < n->n_nodes; i++)
		for (j = 0; j < n->nodes[i].n_addresses; j++)
			r->pools[k++] = prefix_of_ifaddr(&n->nodes[i].addresses[j]);
	r->n_pools = prefix_canonical(r->pools, k);
	return 0;
}

static size_t count_networks(const struct reach *r)
{
	const struct network *n = r->net;
	size_t i, k = r->n_own + r->n_pools + 2 * n->n_permits;

	for (i = 0; i < n->n_records; i++)
		k += n->records[i].n_routes + n->records[i].n_standby;
	for (i = 0; r->led && i < r->w.n; i++)
		k += r->led[i] ? r->led[i]->n : 0;
	return k;
}

static size_t fill_networks(const struct reach *r, struct prefix *list)
{
	const struct network *n = r->net;
	size_t i, j, k = 0;
	struct prefix p;

	for (i = 0; i < n->n_records; i++) {
		const struct record *rec = &n->records[i];

		for (j = 0; j < rec->n_routes; j++)
			list[k++] = rec->routes[j];
		for (j = 0; j < rec->n_standby; j++)
			list[k++] = rec->standby[j].prefix;
	}
	for (i = 0; i < r->n_own; i++)
		list[k++] = r->own[i];
	for (i = 0; i < r->n_pools; i++)
		list[k++] = r->pools[i];
	for (i = 0; r->led && i < r->w.n; i++)
		for (j = 0; r->led[i] && j < r->led[i]->n; j++)
			list[k++] = r->led[i]->list[j];
	for (i = 0; i < n->n_permits; i++) {
		if (target_is_prefix(n->permits[i].to, &p) && p.len)
			list[k++] = p;
		if (target_is_prefix(n->permits[i].from, &p) && p.len)
			list[k++] = p;
	}
	return k;
}

static int collect_networks(struct reach *r)
{
	struct prefix *list = arena_array(&r->arena, count_networks(r), sizeof(*list));
	size_t i, k, kept = 0;

	if (!list)
		return -1;
	k = fill_networks(r, list);
	if (k > 1)
		qsort(list, k, sizeof(*list), cmp_prefixes);
	for (i = 0; i < k; i++)
		if (!kept || prefix_cmp(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	r->networks = list;
	r->n_networks = kept;
	return 0;
}

static int index_site(struct reach *r, const struct m_site *s, struct reach_site *ret)
{
	uint32_t leader = s->n_leaders ? reach_id(r, s->leaders[0].s) : REACH_NOBODY;
	struct prefix *list = arena_array(&r->arena, s->n_routes, sizeof(*list));
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < s->n_routes; i++)
		list[i] = s->routes[i].prefix;
	*ret = (struct reach_site){ list, s->n_routes };
	if (leader != REACH_NOBODY)
		r->led[leader] = ret;
	return 0;
}

static int index_sites(struct reach *r, const struct m_network *m)
{
	struct reach_site *sites;
	size_t i;

	if (!m || !m->n_sites)
		return 0;
	sites = arena_array(&r->arena, m->n_sites, sizeof(*sites));
	r->led = arena_array(&r->arena, r->w.n, sizeof(*r->led));
	r->at = arena_array(&r->arena, r->w.n, sizeof(*r->at));
	if (!sites || !r->led || !r->at)
		return -1;
	for (i = 0; i < m->n_sites; i++)
		if (index_site(r, &m->sites[i], &sites[i]) < 0)
			return -1;
	for (i = 0; i < m->n_nodes; i++) {
		const char *name = m->nodes[i].site.s;
		const struct m_site *site = name ? m_network_site(m, name) : NULL;
		uint32_t id = site ? reach_id(r, m->nodes[i].name) : REACH_NOBODY;

		if (id != REACH_NOBODY)
			r->at[id] = &sites[site - m->sites];
	}
	return 0;
}

int reach_networks_init(struct reach *r, const struct m_network *m)
{
	return index_sites(r, m) < 0 || collect_addresses(r) < 0 || collect_pools(r) < 0 ?
		       -1 :
		       collect_networks(r);
}

struct reach_end reach_node(uint32_t id)
{
	return (struct reach_end){ .kind = REACH_NODE, .id = id };
}

/* The next address behind all of the prefix; false when there is none. */
static bool after(const struct prefix *p, struct ipaddr *ret)
{
	unsigned int i = p->len;

	*ret = (struct ipaddr){ .family = p->family };
	memcpy(ret->b, p->b, sizeof(ret->b));
	while (i-- > 0) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);

		ret->b[i / 8] ^= mask;
		if (ret->b[i / 8] & mask)
			return true;
	}
	return false;
}

static bool in_none(const struct prefix *list, size_t n, const struct prefix *but,
		    const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (prefix_contains_addr(&list[i], a) && prefix_contains(but, &list[i]) &&
		    prefix_cmp(but, &list[i]))
			return false;
	return true;
}

/* The first prefix of the list that does not sort before `p`. */
static size_t find_network(const struct reach *r, const struct prefix *p)
{
	size_t low = 0, high = r->n_networks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&r->networks[mid], p) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* An address of `p` that is in none of the networks inside it; false when these fill it. */
static bool find_address(const struct reach *r, const struct prefix *p, struct ipaddr *ret)
{
	size_t first = find_network(r, p), end = first, i;
	struct ipaddr a = { .family = p->family };

	while (end < r->n_networks && prefix_contains(p, &r->networks[end]))
		end++;
	memcpy(a.b, p->b, sizeof(a.b));
	/* The first address of a network means the network itself, when it has another. */
	if (p->len < family_bits(p->family))
		a.b[p->family == 4 ? 3 : 15] |= 1;
	if (in_none(r->networks + first, end - first, p, &a)) {
		*ret = a;
		return true;
	}
	for (i = first; i < end; i++)
		if (after(&r->networks[i], &a) && prefix_contains_addr(p, &a) &&
		    in_none(r->networks + first, end - first, p, &a)) {
			*ret = a;
			return true;
		}
	return false;
}

/* `pool`: that it is in, of which only parts are behind anybody; or NULL. */
static void narrowest(const struct prefix *list, size_t n, const struct prefix *p,
		      const struct prefix *pool, uint32_t id, int *len, uint32_t *ret)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].len > *len && prefix_contains(&list[i], p) &&
		    (!pool || prefix_contains(pool, &list[i]))) {
			*len = list[i].len;
			*ret = id;
		}
}

/* The first node that has all of the prefix behind it, in the narrowest of its networks; or NO_ID.
 */
static uint32_t behind_whom(const struct reach *r, const struct prefix *p)
{
	const struct prefix *pool = pool_of(r, p);
	uint32_t id, ret = NO_ID;
	int len = -1;

	for (id = 0; id < r->w.n; id++) {
		const struct reach_site *site = r->led ? r->led[id] : NULL;
		const struct record *rec = r->side->records[id];

		if (rec)
			narrowest(rec->routes, rec->n_routes, p, pool, id, &len, &ret);
		if (rec && site)
			narrowest(site->list, site->n, p, pool, id, &len, &ret);
	}
	return ret;
}

/* The address of a node or client itself. */
static bool is_somebody(const struct reach *r, const struct prefix *p)
{
	return p->len == family_bits(p->family) && r->n_own &&
	       bsearch(p, r->own, r->n_own, sizeof(*p), cmp_prefixes);
}

static int add_end(struct reach *r, const struct prefix *p, struct arena *a,
		   struct reach_end **list, size_t *n)
{
	struct reach_end end = { .kind = REACH_BEHIND, .prefix = *p }, *grown;

	end.id = behind_whom(r, p);
	if (end.id == NO_ID || !find_address(r, p, &end.address))
		return 0;
	/* Of all nodes, only its owner is in a part of a pool; no other is behind anybody. */
	if (is_somebody(r, p) && !reach_has_address(r, end.id, &end.address))
		return 0;
	grown = arena_grow(a, *list, *n, sizeof(*grown));
	if (!grown)
		return -1;
	*list = grown;
	grown[(*n)++] = end;
	return 0;
}

int reach_behind(struct reach *r, const struct prefix *p, struct arena *a, struct reach_end **list,
		 size_t *n)
{
	size_t i = find_network(r, p);

	*list = NULL;
	*n = 0;
	/* The prefix itself, when it is part of a network; then those inside it. */
	if (p->len && (i == r->n_networks || prefix_cmp(&r->networks[i], p)) &&
	    add_end(r, p, a, list, n) < 0)
		return -1;
	for (; i < r->n_networks && prefix_contains(p, &r->networks[i]); i++)
		if (add_end(r, &r->networks[i], a, list, n) < 0)
			return -1;
	return 0;
}

bool reach_outside(struct reach *r, unsigned int family, struct reach_end *ret)
{
	static const struct ipaddr four[] = { { 4, { 203, 0, 113, 1 } },
					      { 4, { 198, 51, 100, 1 } },
					      { 4, { 192, 0, 2, 1 } },
					      { 4, { 8, 0, 0, 1 } } };
	static const struct ipaddr six[] = { { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
					     { 6, { 0x3f, 0xff, [15] = 1 } },
					     { 6, { 0x20, 0x01, [15] = 1 } },
					     { 6, { 0x2a, 0x00, [15] = 1 } } };
	const struct ipaddr *list = family == 4 ? four : six;
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(four); i++) {
		for (j = 0; j < r->n_networks; j++)
			if (prefix_contains_addr(&r->networks[j], &list[i]))
				break;
		if (j < r->n_networks)
			continue;
		*ret = (struct reach_end){ .kind = REACH_OUTSIDE,
					   .id = REACH_NOBODY,
					   .address = list[i] };
		return true;
	}
	return false;
}

const struct ipaddr *reach_addresses(const struct reach *r, const struct reach_end *e,
				     size_t *ret_n)
{
	*ret_n = e->kind == REACH_NODE ? r->side->records[e->id]->n_addresses : 1;
	return e->kind == REACH_NODE ? r->side->records[e->id]->addresses : &e->address;
}

/* Whether the node is at the site that has the address in one of its networks. */
static bool is_next_to(const struct reach *r, uint32_t id, const struct ipaddr *a)
{
	const struct reach_site *site = r->at ? r->at[id] : NULL;
	size_t i;

	for (i = 0; site && i < site->n; i++)
		if (prefix_contains_addr(&site->list[i], a))
			return true;
	return false;
}

bool reach_same(const struct reach *r, const struct reach_end *a, const struct reach_end *b)
{
	const struct reach_end *net = a->kind == REACH_BEHIND ? a : b, *other = net == a ? b : a;

	if (a->kind == REACH_OUTSIDE || b->kind == REACH_OUTSIDE)
		return a->kind == b->kind;
	if (net->kind == REACH_BEHIND && other->kind == REACH_NODE)
		return reach_is_behind(r, other->id, &net->address) ||
		       is_next_to(r, other->id, &net->address);
	return a->id == b->id;
}
