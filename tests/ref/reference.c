/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/reference.h"

#include "common/hash.h"

/* Bits, one by one. */

static bool bit(const uint8_t *b, unsigned int i)
{
	return b[i / 8] >> (7 - i % 8) & 1;
}

/* True when every address of `inner` is one of `outer`. */
static bool covers(const struct prefix *outer, const struct prefix *inner)
{
	unsigned int i;

	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	for (i = 0; i < outer->len; i++) {
		if (bit(outer->b, i) != bit(inner->b, i))
			return false;
	}
	return true;
}

static bool same(const struct prefix *a, const struct prefix *b)
{
	return covers(a, b) && covers(b, a);
}

static struct prefix host(const struct ipaddr *a)
{
	struct prefix p = { .family = a->family, .len = a->family == 4 ? 32 : 128 };

	memcpy(p.b, a->b, sizeof(p.b));
	return p;
}

/* Whom the topology joins. */

static bool has_tag(const struct m_node *n, const char *tag)
{
	size_t i;

	for (i = 0; i < n->n_tags; i++) {
		if (!strcmp(n->tags[i].s, tag))
			return true;
	}
	return false;
}

static bool selects(const struct m_selector *s, const struct m_node *n)
{
	switch (s->kind) {
	case SELECT_NODE:
		return !strcmp(s->name, n->name);
	case SELECT_TAG:
		return has_tag(n, s->name);
	case SELECT_ALL:
		return true;
	}
	return false;
}

/* Sites. */

static const struct m_site *site_of(const struct m_network *m, const struct m_node *n)
{
	size_t i;

	for (i = 0; i < m->n_sites; i++) {
		if (n->site.s && !strcmp(n->site.s, m->sites[i].name))
			return &m->sites[i];
	}
	return NULL;
}

const struct m_node *reference_leader(const struct m_network *m, const struct m_node *n)
{
	const struct m_site *s = site_of(m, n);
	size_t i;

	for (i = 0; s && i < m->n_nodes; i++) {
		if (!strcmp(m->nodes[i].name, s->leaders[0].s))
			return &m->nodes[i] == n ? NULL : &m->nodes[i];
	}
	return NULL;
}

/* The site that the node leads, or NULL. */
static const struct m_site *led_by(const struct m_network *m, const struct m_node *n)
{
	const struct m_site *s = site_of(m, n);

	return s && !strcmp(s->leaders[0].s, n->name) ? s : NULL;
}

/* Whom others are joined with for the node. */
static const struct m_node *stands_for(const struct m_network *m, const struct m_node *n)
{
	const struct m_node *leader = reference_leader(m, n);

	return leader ? leader : n;
}

/* A node for which some node of the list stands, itself for the most part. */
static bool in(const struct m_network *m, const struct m_selectors *s, const struct m_node *n)
{
	size_t i, j;

	for (i = 0; i < s->n; i++) {
		for (j = 0; j < m->n_nodes; j++) {
			if (selects(&s->list[i], &m->nodes[j]) && stands_for(m, &m->nodes[j]) == n)
				return true;
		}
	}
	return false;
}

static bool is_hub(const struct m_network *m, const struct m_topology *t, const struct m_node *n)
{
	return in(m, &t->a, n);
}

/* A node on both sides is a hub. */
static bool is_spoke(const struct m_network *m, const struct m_topology *t, const struct m_node *n)
{
	return in(m, &t->b, n) && !in(m, &t->a, n);
}

bool reference_entry_joins(const struct m_network *m, const struct m_topology *t,
			   const struct m_node *a, const struct m_node *b)
{
	switch (t->kind) {
	case TOPOLOGY_MESH:
		return in(m, &t->a, a) && in(m, &t->a, b);
	case TOPOLOGY_STAR:
		return (is_hub(m, t, a) && is_spoke(m, t, b)) ||
		       (is_spoke(m, t, a) && is_hub(m, t, b));
	case TOPOLOGY_LINK:
		return (in(m, &t->a, a) && in(m, &t->b, b)) || (in(m, &t->b, a) && in(m, &t->a, b));
	}
	return false;
}

/* Two nodes of one site: with the leader; with each other as the site says, and where they meet. */
static bool joined_inside(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	const struct m_node *p = reference_leader(m, a), *q = reference_leader(m, b);

	if (p == b || q == a)
		return true;
	return p && p == q && !strcmp(site_of(m, a)->inside.s, "direct") && reference_meet(a, b);
}

bool reference_joined(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	size_t i;

	if (a == b)
		return false;
	if (joined_inside(m, a, b))
		return true;
	if (reference_leader(m, a) || reference_leader(m, b))
		return false;
	if (!m->has_topology)
		return true;
	for (i = 0; i < m->n_topology; i++) {
		if (!m->topology[i].interface_per_link &&
		    reference_entry_joins(m, &m->topology[i], a, b))
			return true;
	}
	return false;
}

bool reference_routed(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	size_t i;

	for (i = 0; a != b && m->has_topology && i < m->n_topology; i++) {
		if (m->topology[i].interface_per_link &&
		    reference_entry_joins(m, &m->topology[i], a, b))
			return true;
	}
	return false;
}

/* A star whose spokes reach each other through its first hub. */
static bool passes_on(const struct m_topology *t)
{
	return t->kind == TOPOLOGY_STAR && t->transit && !t->interface_per_link;
}

/* In the order written; the nodes of one selector by name, which is how m->nodes is sorted. */
static const struct m_node *first_hub(const struct m_network *m, const struct m_topology *t)
{
	size_t i, j;

	for (i = 0; i < t->a.n; i++) {
		for (j = 0; j < m->n_nodes; j++) {
			if (selects(&t->a.list[i], &m->nodes[j]))
				return stands_for(m, &m->nodes[j]);
		}
	}
	return NULL;
}

/* Endpoints. */

/* Of the endpoints of `n` that are for the viewer's site, that; of those for tags that it has, the
 * one whose tag comes first by its name; without any, the default. */
static const struct endpoint *seen_by(const struct m_node *viewer, const struct m_node *n)
{
	const struct m_seen *best = NULL;
	size_t i;

	for (i = 0; i < n->n_seen; i++) {
		if (viewer->site.s && !strncmp(n->seen[i].from, "site:", 5) &&
		    !strcmp(n->seen[i].from + 5, viewer->site.s))
			return &n->seen[i].endpoint;
	}
	for (i = 0; i < n->n_seen; i++) {
		if (strncmp(n->seen[i].from, "tag:", 4) || !has_tag(viewer, n->seen[i].from + 4))
			continue;
		if (!best || strcmp(n->seen[i].from, best->from) < 0)
			best = &n->seen[i];
	}
	return best ? &best->endpoint : &n->endpoint;
}

bool reference_meet(const struct m_node *a, const struct m_node *b)
{
	return seen_by(a, b)->host || seen_by(b, a)->host;
}

/* Relays. */

static uint64_t hash(const char *name)
{
	struct digest d;

	digest_of(name, strlen(name), &d);
	return (uint64_t)d.b[0] << 56 | (uint64_t)d.b[1] << 48 | (uint64_t)d.b[2] << 40 |
	       (uint64_t)d.b[3] << 32 | (uint64_t)d.b[4] << 24 | (uint64_t)d.b[5] << 16 |
	       (uint64_t)d.b[6] << 8 | d.b[7];
}

/* SplitMix64 (Steele, Lea and Flood 2014): the number that a seed gives. */
static uint64_t splitmix(uint64_t seed)
{
	uint64_t z = seed + 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t weight(const struct m_node *relay, const struct m_node *a, const struct m_node *b)
{
	uint64_t x = (hash(a->name) >> 56) % 8, y = (hash(b->name) >> 56) % 8;
	uint64_t pair = x < y ? 8 * x + y : 8 * y + x;

	return splitmix(hash(relay->name) + pair * 0x9e3779b97f4a7c15);
}

static bool same_region(const struct m_node *a, const struct m_node *b)
{
	return a->region.s && b->region.s && !strcmp(a->region.s, b->region.s);
}

const struct m_node *reference_relay(const struct m_network *m, const struct m_node *a,
				     const struct m_node *b)
{
	const struct m_node *best = NULL;
	bool best_near = false;
	size_t i;

	if (reference_meet(a, b) || !reference_joined(m, a, b) || joined_inside(m, a, b))
		return NULL;
	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *r = &m->nodes[i];
		bool near = same_region(r, a) || same_region(r, b);

		if (!r->relay || !(r->endpoint.host || r->n_seen) || !reference_joined(m, r, a) ||
		    !reference_joined(m, r, b) || !reference_meet(r, a) || !reference_meet(r, b))
			continue;
		if (best && (near != best_near ? best_near : weight(r, a, b) <= weight(best, a, b)))
			continue;
		best = r;
		best_near = near;
	}
	return best;
}

/* Addresses: the nodes', then the clients'. */

static size_t n_holders(const struct m_network *m)
{
	return m->n_nodes + m->n_clients;
}

static const struct m_node *holder(const struct m_network *m, size_t i)
{
	return i < m->n_nodes ? &m->nodes[i] : &m->clients[i - m->n_nodes].node;
}

/* The one before whose name `k` others come. */
static size_t by_name(const struct m_network *m, size_t k)
{
	size_t i, j, before;

	for (i = 0; i < n_holders(m); i++) {
		for (j = 0, before = 0; j < n_holders(m); j++)
			before += strcmp(holder(m, j)->name, holder(m, i)->name) < 0;
		if (before == k)
			return i;
	}
	return 0;
}

static bool somebody_has(const struct m_network *m, const struct ref_config *configs,
			 const struct ipaddr *a)
{
	size_t i, j;

	for (i = 0; i < n_holders(m); i++) {
		for (j = 0; j < holder(m, i)->n_addresses; j++) {
			if (!memcmp(&holder(m, i)->addresses[j].addr, a, sizeof(*a)))
				return true;
		}
		for (j = 0; j < configs[i].n_addresses; j++) {
			if (!memcmp(&configs[i].addresses[j].addr, a, sizeof(*a)))
				return true;
		}
	}
	return false;
}

static bool is_last(const struct prefix *pool, const struct ipaddr *a)
{
	unsigned int i;

	for (i = pool->len; i < 32; i++) {
		if (!bit(a->b, i))
			return false;
	}
	return true;
}

static void next(struct ipaddr *a)
{
	int i = a->family == 4 ? 3 : 15;

	while (i >= 0 && ++a->b[i] == 0)
		i--;
}

/* The part of a pool that this address stands for; the address alone where it owns nothing. */
static struct prefix owned_by(const struct m_addr *a)
{
	struct prefix p = host(&a->addr);
	unsigned int i;

	for (i = a->owned; a->owned && i < p.len; i++)
		p.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	if (a->owned)
		p.len = a->owned;
	return p;
}

static bool is_reserved(const struct m_network *m, const struct prefix *p)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->nodes[i].n_addresses; j++) {
			struct prefix own = owned_by(&m->nodes[i].addresses[j]);

			if (covers(&own, p))
				return true;
		}
	}

	for (i = 0; i < m->n_reserved; i++) {
		if (covers(&m->reserved[i].prefix, p))
			return true;
	}
	return false;
}

static struct ipaddr lowest_free(const struct m_network *m, const struct ref_config *configs,
				 const struct prefix *pool)
{
	struct ipaddr a = { .family = pool->family };
	struct prefix p;

	memcpy(a.b, pool->b, sizeof(a.b));
	for (next(&a);; next(&a)) {
		p = host(&a);
		/* The caller's pools are large enough. */
		if (!covers(pool, &p) || (pool->family == 4 && pool->len < 31 && is_last(pool, &a)))
			return (struct ipaddr){ 0 };
		if (!somebody_has(m, configs, &a) && !is_reserved(m, &p))
			return a;
	}
}

static void add_address(struct ref_config *c, const struct ipaddr *a, uint8_t len)
{
	struct ifaddr new = { *a, len };
	size_t i;

	for (i = c->n_addresses; i && ifaddr_cmp(&c->addresses[i - 1], &new) > 0; i--)
		c->addresses[i] = c->addresses[i - 1];
	c->addresses[i] = new;
	c->n_addresses++;
}

static const struct prefix *pool_of(const struct m_network *m, const struct ipaddr *a)
{
	struct prefix p = host(a);
	size_t i;

	for (i = 0; i < m->n_pools; i++) {
		if (covers(&m->pools[i].prefix, &p))
			return &m->pools[i].prefix;
	}
	return NULL;
}

static void give_addresses(const struct m_network *m, const struct network *known,
			   struct ref_config *configs)
{
	size_t i, j, k;

	for (k = 0; k < n_holders(m); k++) {
		const struct m_node *n = holder(m, i = by_name(m, k));
		const struct record *r = known ? network_record(known, n->name) : NULL;

		if (n->has_addresses) {
			for (j = 0; j < n->n_addresses; j++)
				add_address(&configs[i], &n->addresses[j].addr,
					    pool_of(m, &n->addresses[j].addr)->len);
		} else if (r) {
			for (j = 0; j < r->n_addresses; j++)
				add_address(&configs[i], &r->addresses[j],
					    pool_of(m, &r->addresses[j])->len);
		} else {
			for (j = 0; j < m->n_pools; j++) {
				struct ipaddr a = lowest_free(m, configs, &m->pools[j].prefix);

				add_address(&configs[i], &a, m->pools[j].prefix.len);
			}
		}
	}
}

/* One node's side of one pair. */

static void put(struct ref_peer *p, const struct prefix *prefix)
{
	p->allowed[p->n_allowed++] = *prefix;
}

/* Some other node has the same network with a lower metric. */
static bool another_comes_first(const struct m_network *m, const struct m_route *r)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->nodes[i].n_routes; j++) {
			if (same(&m->nodes[i].routes[j].prefix, &r->prefix) &&
			    m->nodes[i].routes[j].metric.v < r->metric.v)
				return true;
		}
	}
	return false;
}

/* Two have the same place, and a third has another one. */
static bool unclear(const struct m_network *m, const struct m_route *a, const struct m_route *b)
{
	size_t i, j;

	if (a == b || !same(&a->prefix, &b->prefix) || a->metric.v != b->metric.v)
		return false;
	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->nodes[i].n_routes; j++) {
			if (same(&m->nodes[i].routes[j].prefix, &a->prefix) &&
			    m->nodes[i].routes[j].metric.v != a->metric.v)
				return true;
		}
	}
	return false;
}

static bool any_unclear(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	size_t i, j;

	for (i = 0; i < a->n_routes; i++) {
		for (j = 0; j < b->n_routes; j++) {
			if (unclear(m, &a->routes[i], &b->routes[j]))
				return true;
		}
	}
	return false;
}

static size_t stands_by_for(const struct m_network *m, const struct m_node *a,
			    const struct m_node *b)
{
	size_t i, j, n = 0;

	for (i = 0; i < a->n_routes; i++) {
		for (j = 0; j < b->n_routes; j++)
			n += same(&a->routes[i].prefix, &b->routes[j].prefix) &&
			     b->routes[j].metric.v < a->routes[i].metric.v;
	}
	return n;
}

static void put_routes(const struct m_network *m, struct ref_peer *p, const struct m_node *n)
{
	size_t i;

	for (i = 0; i < n->n_routes; i++) {
		if (!another_comes_first(m, &n->routes[i]))
			put(p, &n->routes[i].prefix);
	}
	for (i = 0; i < n->n_addresses; i++) {
		struct prefix own = owned_by(&n->addresses[i]);

		if (n->addresses[i].owned)
			put(p, &own);
	}
}

static void put_addresses(const struct ref_config *of, struct ref_peer *p)
{
	size_t i;

	for (i = 0; i < of->n_addresses; i++) {
		struct prefix a = host(&of->addresses[i].addr);

		put(p, &a);
	}
}

/* What stands behind the leader of a site besides itself: those at the site, and its networks.
 * `configs` NULL: without the addresses. */
static void put_site(const struct m_network *m, const struct ref_config *configs,
		     const struct m_node *leader, struct ref_peer *ret)
{
	const struct m_site *s = led_by(m, leader);
	size_t i;

	for (i = 0; i < m->n_nodes; i++) {
		if (reference_leader(m, &m->nodes[i]) != leader)
			continue;
		if (configs)
			put_addresses(&configs[i], ret);
		put_routes(m, ret, &m->nodes[i]);
	}
	for (i = 0; s && i < s->n_routes; i++)
		put(ret, &s->routes[i].prefix);
}

/* What a spoke's entry for the first hub of a star with transit gets besides. */
static void put_transit(const struct m_network *m, const struct m_topology *t,
			const struct m_node *self, struct ref_peer *p)
{
	size_t i;

	for (i = 0; i < m->n_pools; i++)
		put(p, &m->pools[i].prefix);
	for (i = 0; i < m->n_nodes; i++) {
		if (is_spoke(m, t, &m->nodes[i]) && &m->nodes[i] != self) {
			put_routes(m, p, &m->nodes[i]);
			put_site(m, NULL, &m->nodes[i], p);
		}
	}
}

static void sort_and_reduce(struct ref_peer *p)
{
	struct prefix kept[REF_MAX_PREFIXES];
	size_t i, j, n = 0;

	for (i = 0; i < p->n_allowed; i++) {
		bool covered = false;

		for (j = 0; j < p->n_allowed; j++) {
			if (same(&p->allowed[i], &p->allowed[j]))
				covered |= j < i;
			else
				covered |= covers(&p->allowed[j], &p->allowed[i]);
		}
		if (covered)
			continue;
		for (j = n++; j && prefix_cmp(&kept[j - 1], &p->allowed[i]) > 0; j--)
			kept[j] = kept[j - 1];
		kept[j] = p->allowed[i];
	}
	memcpy(p->allowed, kept, n * sizeof(*kept));
	p->n_allowed = n;
}

static unsigned int port_of(const struct m_network *m, const struct m_node *n)
{
	if (n->listen_port.set)
		return (unsigned int)n->listen_port.v;
	return m->listen_port.set ? (unsigned int)m->listen_port.v : 51820;
}

static unsigned int keepalive_of(const struct m_network *m, const struct m_node *n)
{
	if (n->persistent_keepalive.set)
		return (unsigned int)n->persistent_keepalive.v;
	if (!n->endpoint.host && m->persistent_keepalive.set)
		return (unsigned int)m->persistent_keepalive.v;
	return 0;
}

/* What the entries that join the two say goes before what the node says: the shortest, or none when
 * no entry says other than none. */
static unsigned int keepalive_between(const struct m_network *m, const struct m_node *self,
				      const struct m_node *peer)
{
	unsigned int shortest = 0;
	bool said = false;
	size_t i;

	for (i = 0; m->has_topology && i < m->n_topology; i++) {
		const struct m_topology *t = &m->topology[i];
		unsigned int v = (unsigned int)t->persistent_keepalive.v;

		if (!t->persistent_keepalive.set || !reference_entry_joins(m, t, self, peer))
			continue;
		said = true;
		if (v && (!shortest || v < shortest))
			shortest = v;
	}
	return said ? shortest : keepalive_of(m, self);
}

/* On its gateway: its addresses, and nothing else. */
static void make_client_peer(const struct m_network *m, const struct ref_config *configs,
			     size_t client, struct ref_peer *ret)
{
	ret->node = &m->clients[client].node;
	put_addresses(&configs[m->n_nodes + client], ret);
	sort_and_reduce(ret);
}

/* What belongs to a node, its clients too. */
static void put_node(const struct m_network *m, const struct ref_config *configs, size_t index,
		     struct ref_peer *ret)
{
	size_t i;

	put_addresses(&configs[index], ret);
	put_routes(m, ret, &m->nodes[index]);
	put_site(m, configs, &m->nodes[index], ret);
	for (i = 0; i < m->n_clients; i++) {
		if (!strcmp(m->clients[i].gateway.s, m->nodes[index].name))
			put_addresses(&configs[m->n_nodes + i], ret);
	}
}

/* A node's entry for the leader of its site: all that the leader has of others, and those at the
 * site that are no peers; but what the leader has for its exit is for the leader alone. */
static void put_leader(const struct m_network *m, const struct ref_config *configs,
		       const struct m_node *self, size_t leader, struct ref_peer *ret)
{
	const struct ref_config *c = &configs[leader];
	size_t i, j;

	put_addresses(c, ret);
	put_routes(m, ret, &m->nodes[leader]);
	for (i = 0; i < c->n_peers; i++) {
		if (reference_leader(m, c->peers[i].node) == &m->nodes[leader])
			continue;
		for (j = 0; j < c->peers[i].n_allowed; j++) {
			if (c->peers[i].allowed[j].len)
				put(ret, &c->peers[i].allowed[j]);
		}
	}
	for (i = 0; i < m->n_nodes; i++) {
		if (&m->nodes[i] == self ||
		    reference_leader(m, &m->nodes[i]) != &m->nodes[leader] ||
		    reference_joined(m, self, &m->nodes[i]))
			continue;
		put_addresses(&configs[i], ret);
		put_routes(m, ret, &m->nodes[i]);
	}
}

/* A peer at the same site brings nothing of the site besides itself. */
static void put_mate(const struct m_network *m, const struct ref_config *configs, size_t index,
		     struct ref_peer *ret)
{
	put_addresses(&configs[index], ret);
	put_routes(m, ret, &m->nodes[index]);
}

static const struct prefix everything[] = { { .family = 4 }, { .family = 6 } };

/* Beside what is there, in its place. */
static void put_everything(struct ref_peer *p, bool v4, bool v6)
{
	size_t i, j;

	for (i = 0; i < 2; i++) {
		if (!(i ? v6 : v4))
			continue;
		for (j = p->n_allowed++; j && prefix_cmp(&p->allowed[j - 1], &everything[i]) > 0;
		     j--)
			p->allowed[j] = p->allowed[j - 1];
		p->allowed[j] = everything[i];
	}
}

static bool is_exit_of(const struct m_node *exit, const struct m_node *n)
{
	return n->exit_node.s && !strcmp(n->exit_node.s, exit->name);
}

static void make_peer(const struct m_network *m, struct ref_config *configs,
		      const struct m_node *self, size_t peer, struct ref_peer *ret)
{
	const struct m_node *n = &m->nodes[peer];
	size_t i;

	ret->node = n;
	if (reference_leader(m, self) == n)
		put_leader(m, configs, self, peer, ret);
	else if (joined_inside(m, self, n))
		put_mate(m, configs, peer, ret);
	else
		put_node(m, configs, peer, ret);
	for (i = 0; i < m->n_nodes; i++) {
		if (reference_relay(m, self, &m->nodes[i]) == n)
			put_node(m, configs, i, ret);
	}
	for (i = 0; m->has_topology && i < m->n_topology; i++) {
		const struct m_topology *t = &m->topology[i];

		if (passes_on(t) && is_spoke(m, t, self) && first_hub(m, t) == n)
			put_transit(m, t, self, ret);
	}
	sort_and_reduce(ret);
	if (is_exit_of(n, self))
		put_everything(ret, true, true);
	ret->endpoint = *seen_by(self, n);
	if (ret->endpoint.host && !ret->endpoint.port)
		ret->endpoint.port = (uint16_t)port_of(m, n);
	ret->keepalive = ret->endpoint.host ? keepalive_between(m, self, n) : 0;
}

static bool two_peers_want_one(const struct ref_config *c)
{
	size_t i, j, k, l;

	for (i = 0; i < c->n_peers; i++) {
		for (j = i + 1; j < c->n_peers; j++) {
			for (k = 0; k < c->peers[i].n_allowed; k++) {
				for (l = 0; l < c->peers[j].n_allowed; l++) {
					if (same(&c->peers[i].allowed[k], &c->peers[j].allowed[l]))
						return true;
				}
			}
		}
	}
	return false;
}

static bool in_own_network(const struct ref_config *c, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < c->n_addresses; i++) {
		struct prefix net = host(&c->addresses[i].addr);

		net.len = c->addresses[i].len;
		if (covers(&net, p))
			return true;
	}
	return false;
}

static bool behind_itself(const struct m_network *m, const struct ref_config *c,
			  const struct prefix *p)
{
	size_t i;

	for (i = 0; i < c->node->n_routes; i++) {
		if (same(&c->node->routes[i].prefix, p) &&
		    another_comes_first(m, &c->node->routes[i]))
			return true;
	}
	return false;
}

/* What is behind a node stands under one of its peers too. */
static bool wants_its_own(const struct m_network *m, const struct ref_config *c)
{
	struct ref_peer own = { 0 };
	size_t i, j, k;

	put_routes(m, &own, c->node);
	sort_and_reduce(&own);
	for (i = 0; i < c->n_peers; i++) {
		for (j = 0; j < c->peers[i].n_allowed; j++) {
			for (k = 0; k < own.n_allowed; k++) {
				if (same(&c->peers[i].allowed[j], &own.allowed[k]))
					return true;
			}
		}
	}
	return false;
}

/*
 * Every allowed IP but default routes, what the interface's own networks cover and what the node
 * has behind itself, if another comes first for it.
 */
static void add_routes(const struct m_network *m, struct ref_config *c, const struct ref_peer *peer)
{
	size_t j, k;

	for (j = 0; j < peer->n_allowed; j++) {
		const struct prefix *p = &peer->allowed[j];
		bool left_out = !p->len || in_own_network(c, p) || behind_itself(m, c, p);

		for (k = 0; k < c->n_routes; k++)
			left_out |= same(&c->routes[k], p);
		if (left_out)
			continue;
		for (k = c->n_routes++; k && prefix_cmp(&c->routes[k - 1], p) > 0; k--)
			c->routes[k] = c->routes[k - 1];
		c->routes[k] = *p;
	}
}

static void make_routes(const struct m_network *m, struct ref_config *c)
{
	size_t i;

	for (i = 0; i < c->n_peers; i++)
		add_routes(m, c, &c->peers[i]);
}

/* Transit. */

static bool sends_to(const struct m_network *m, const struct m_topology *t, const struct m_node *n,
		     const struct m_node *hub)
{
	return passes_on(t) && is_spoke(m, t, n) && first_hub(m, t) == hub;
}

bool reference_transit(const struct m_network *m, const struct m_node *a, const struct m_node *b,
		       const struct m_node *hub)
{
	size_t i;

	for (i = 0; m->has_topology && i < m->n_topology; i++) {
		if (sends_to(m, &m->topology[i], a, hub) && sends_to(m, &m->topology[i], b, hub))
			return true;
	}
	return false;
}

/* Some star makes the node send what it does not know to that hub. */
static bool unknown_goes(const struct m_network *m, const struct m_node *n,
			 const struct m_node *hub)
{
	size_t i;

	for (i = 0; m->has_topology && i < m->n_topology; i++) {
		if (sends_to(m, &m->topology[i], n, hub))
			return true;
	}
	return false;
}

/* By the number of the nodes: whether what one does not know comes to the other. */
static void close_over(const struct m_network *m, bool to[REF_MAX_NODES][REF_MAX_NODES])
{
	size_t i, j, k;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->n_nodes; j++)
			to[i][j] = unknown_goes(m, &m->nodes[i], &m->nodes[j]) ||
				   is_exit_of(&m->nodes[j], &m->nodes[i]);
	}
	for (k = 0; k < m->n_nodes; k++) {
		for (i = 0; i < m->n_nodes; i++) {
			for (j = 0; j < m->n_nodes; j++)
				to[i][j] |= to[i][k] && to[k][j];
		}
	}
}

/* Somebody sends everything to it, a node or a client. */
bool reference_is_exit(const struct m_network *m, const struct m_node *n)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++) {
		if (is_exit_of(n, &m->nodes[i]))
			return true;
	}
	for (i = 0; i < m->n_clients; i++) {
		const struct m_client *c = &m->clients[i];

		for (j = 0; !strcmp(c->gateway.s, n->name) && j < c->n_allowed_ips; j++) {
			if (!c->allowed_ips[j].prefix.len)
				return true;
		}
	}
	return false;
}

static bool carries(const struct m_network *m, const struct m_node *n)
{
	bool is_sender = false;
	size_t i, j, senders = 0;

	if (n->n_routes || reference_is_exit(m, n) || (led_by(m, n) && led_by(m, n)->n_routes))
		return true;
	for (i = 0; i < m->n_nodes; i++) {
		if (reference_leader(m, &m->nodes[i]) == n)
			return true;
	}
	for (i = 0; i < n->n_addresses; i++) {
		if (n->addresses[i].owned)
			return true;
	}
	for (i = 0; i < m->n_clients; i++) {
		if (!strcmp(m->clients[i].gateway.s, n->name))
			return true;
	}
	for (i = 0; i < m->n_nodes; i++) {
		if (reference_routed(m, n, &m->nodes[i]))
			return true;
		senders += unknown_goes(m, &m->nodes[i], n);
		is_sender |= unknown_goes(m, n, &m->nodes[i]);
		for (j = 0; j < i; j++) {
			if (reference_relay(m, &m->nodes[i], &m->nodes[j]) == n)
				return true;
		}
	}
	return senders > 1 || (senders && is_sender);
}

static void look_at_pairs(const struct m_network *m, struct ref_network *ret)
{
	bool comes_to[REF_MAX_NODES][REF_MAX_NODES];
	size_t i, j;

	close_over(m, comes_to);

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->n_nodes; j++) {
			const struct m_node *a = &m->nodes[i], *b = &m->nodes[j];
			bool relayed = reference_relay(m, a, b);

			ret->relayed += relayed && i < j;
			ret->chain |= relayed && unknown_goes(m, a, b);
			ret->apart |= is_exit_of(b, a) && !reference_joined(m, a, b);
			ret->unclear |= any_unclear(m, a, b);
			ret->ordered += i != j && stands_by_for(m, a, b);
		}
		ret->loop |= comes_to[i][i];
	}
}

static bool speaks(const struct ref_config *c, unsigned int family)
{
	size_t i;

	for (i = 0; i < c->n_addresses; i++) {
		if (c->addresses[i].addr.family == family)
			return true;
	}
	return false;
}

static void make_masquerade(const struct m_network *m, struct ref_config *c)
{
	const struct m_site *s = led_by(m, c->node);
	bool exit = reference_is_exit(m, c->node);
	size_t i;

	for (i = 0; s && i < s->n_routes; i++) {
		if (s->routes[i].masquerade)
			put(&c->masquerade, &s->routes[i].prefix);
		else if (m->n_policy || (exit && speaks(c, s->routes[i].prefix.family)))
			put(&c->except, &s->routes[i].prefix);
	}

	for (i = 0; i < c->node->n_routes; i++) {
		const struct prefix *p = &c->node->routes[i].prefix;

		if (c->node->routes[i].masquerade)
			put(&c->masquerade, p);
		else if (exit && speaks(c, p->family))
			put(&c->except, p);
	}
	for (i = 0; exit && i < c->node->n_addresses; i++) {
		struct prefix own = owned_by(&c->node->addresses[i]);

		if (c->node->addresses[i].owned)
			put(&c->except, &own);
	}
	sort_and_reduce(&c->masquerade);
	sort_and_reduce(&c->except);
	if (exit)
		put_everything(&c->masquerade, speaks(c, 4), speaks(c, 6));
}

/* Routed links. */

/* All numbers as in a network that was never published: the n-th link of a node, and of all. */
static void name_interface(const char *prefix, const char *node, char out[static 16])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t room = 15 - strlen(prefix), len = strlen(node), i;
	struct digest d;

	snprintf(out, 16, "%s", prefix);
	if (len <= room) {
		memcpy(out + strlen(prefix), node, len + 1);
		return;
	}
	digest_of(node, len, &d);
	memcpy(out + strlen(prefix), node, room - 5);
	out[10] = '_';
	for (i = 0; i < 4; i++)
		out[11 + i] = digits[d.b[i] % 32];
	out[15] = '\0';
}

static void link_address(struct ref_link *l, struct prefix first, size_t number, bool upper)
{
	struct ifaddr a = { .addr.family = first.family, .len = first.family == 4 ? 31 : 127 };
	size_t i;

	memcpy(a.addr.b, first.b, sizeof(a.addr.b));
	for (i = 0; i < 2 * number + upper; i++)
		next(&a.addr);
	for (i = l->n_addresses; i && ifaddr_cmp(&l->addresses[i - 1], &a) > 0; i--)
		l->addresses[i] = l->addresses[i - 1];
	l->addresses[i] = a;
	l->n_addresses++;
}

static void make_end(const struct m_network *m, struct ref_config *c, const struct m_node *other,
		     size_t number, bool upper)
{
	struct ref_link *l = &c->links[c->n_links];
	struct ifaddr local = { .addr = { 6, { 0xfe, 0x80, [15] = upper ? 2 : 1 } }, .len = 64 };
	size_t i;

	l->other = other;
	name_interface(m->routed.interface_prefix.s, other->name, l->interface);
	l->port = (m->routed.ports.set ? m->routed.ports.first : 52000) + (unsigned int)c->n_links;
	for (i = 0; i < m->routed.n_transfer; i++)
		link_address(l, m->routed.transfer[i].prefix, number, upper);
	/* Behind every address that can be one of a pool. */
	if (m->routed.link_local)
		l->addresses[l->n_addresses++] = local;
	l->endpoint = *seen_by(c->node, other);
	l->keepalive = l->endpoint.host ? keepalive_between(m, c->node, other) : 0;
	c->n_links++;
}

static void make_links(const struct m_network *m, struct arena *a, struct ref_network *ret)
{
	size_t i, j, number = 0;

	for (i = 0; i < m->n_nodes; i++)
		ret->configs[i].links = arena_array(a, m->n_nodes, sizeof(struct ref_link));
	for (i = 0; i < m->n_nodes; i++) {
		for (j = i + 1; j < m->n_nodes; j++) {
			struct ref_config *x = &ret->configs[i], *y = &ret->configs[j];

			if (!reference_routed(m, x->node, y->node))
				continue;
			make_end(m, x, y->node, number, false);
			make_end(m, y, x->node, number++, true);
			x->links[x->n_links - 1].other_port = y->links[y->n_links - 1].port;
			y->links[y->n_links - 1].other_port = x->links[x->n_links - 1].port;
		}
	}
	/* Who has nobody else has its addresses alone. */
	for (i = 0; i < m->n_nodes; i++) {
		struct ref_config *c = &ret->configs[i];

		for (j = 0; c->n_links && !c->n_peers && j < c->n_addresses; j++)
			c->addresses[j].len = c->addresses[j].addr.family == 4 ? 32 : 128;
	}
}

static void make_peers(const struct m_network *m, struct ref_config *configs, struct ref_config *c)
{
	size_t j;

	for (j = 0; j < m->n_nodes; j++) {
		if (reference_joined(m, c->node, &m->nodes[j]) &&
		    !reference_relay(m, c->node, &m->nodes[j]))
			make_peer(m, configs, c->node, j, &c->peers[c->n_peers++]);
	}
	for (j = 0; j < m->n_clients; j++) {
		if (!strcmp(m->clients[j].gateway.s, c->node->name))
			make_client_peer(m, configs, j, &c->peers[c->n_peers++]);
	}
}

void reference(const struct m_network *m, const struct network *addresses_of, struct arena *a,
	       struct ref_network *ret)
{
	size_t i;

	ret->configs = arena_array(a, n_holders(m), sizeof(*ret->configs));
	ret->conflict = ret->chain = ret->loop = ret->unclear = ret->apart = false;
	ret->relayed = ret->ordered = 0;
	look_at_pairs(m, ret);
	give_addresses(m, addresses_of, ret->configs);
	for (i = 0; i < m->n_nodes; i++) {
		struct ref_config *c = &ret->configs[i];
		const struct m_node *n = &m->nodes[i];

		c->node = n;
		c->forward = carries(m, n);
		make_masquerade(m, c);
		c->domain = m->names.domain.s;
		c->servers = n->names.has_servers ? n->names.servers : m->names.servers;
		c->n_servers = n->names.has_servers ? n->names.n_servers : m->names.n_servers;
		c->hosts = n->names.hosts_pos.source ? n->names.hosts : m->names.hosts;
		c->interface = n->has_interface ? n->interface.s :
			       m->has_interface ? m->interface.s :
						  m->name;
		c->listen_port = port_of(m, n);
		c->mtu = n->mtu.set ? (unsigned int)n->mtu.v :
			 m->mtu.set ? (unsigned int)m->mtu.v :
				      1420;
		c->fwmark = n->fwmark.set ? n->fwmark.v : 0;
		c->table = n->table.set ? n->table.v : m->table.set ? m->table.v : 254;
		c->no_routes = !c->table;
		if (c->table == 254)
			c->table = 0;
		if (n->exit_node.s && !c->no_routes && !c->table && !c->fwmark)
			c->fwmark = 8311;
		c->peers = arena_array(a, n_holders(m), sizeof(*c->peers));
		if (!reference_leader(m, n))
			make_peers(m, ret->configs, c);
	}
	/* What a leader has, those behind it have too. */
	for (i = 0; i < m->n_nodes; i++) {
		if (reference_leader(m, &m->nodes[i]))
			make_peers(m, ret->configs, &ret->configs[i]);
	}
	for (i = 0; i < m->n_nodes; i++) {
		struct ref_config *c = &ret->configs[i];

		ret->conflict |= two_peers_want_one(c) || wants_its_own(m, c);
		make_routes(m, c);
	}
	make_links(m, a, ret);
}
