/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The compiler and the expansion against the reference compiler, on random networks. */
#include "tests/unit/unit.h"

#include "common/diag.h"
#include "common/limits.h"
#include "common/num.h"
#include "publication/expand.h"
#include "reconciler/compile.h"
#include "tests/ref/hops.h"
#include "tests/ref/reference.h"
#include "tests/unit/check_config.h"
#include "tests/unit/dice.h"

#define ROUNDS 6000
#define MAX_N 14
#define MAX_CLIENTS 5

static uint64_t seed_now;

static const char *const names[MAX_N] = { "ams1", "ams2", "ber1", "dub1", "dub2", "fra1", "fra2",
					  "lon1", "mad1", "nyc1", "par1", "rom1", "sto1", "zrh1" };
static const char *const tags[] = { "dc", "eu", "nat" };
static const char *const routes[] = { "192.168.0.0/16", "192.168.1.0/24",  "192.168.1.128/25",
				      "192.168.2.0/24", "172.16.0.0/12",   "172.16.4.0/22",
				      "fd77::/32",	"fd77:0:0:5::/64", "10.20.0.0/24",
				      "10.0.0.0/8",	"192.168.3.0/24",  "192.168.4.0/24",
				      "192.168.5.0/24", "192.168.6.0/24",  "192.168.7.0/24",
				      "10.20.1.7/32" };

static struct prefix prefix_of(const char *s)
{
	struct prefix p;
	bool host_bits;

	assert_int_equal(prefix_parse(s, strlen(s), &p, &host_bits), 0);
	return p;
}

static void *need(void *p)
{
	assert_non_null(p);
	return p;
}

static struct m_uint maybe(struct dice *d, uint32_t one_in, uint64_t v)
{
	struct m_uint u = { 0 };

	if (dice_one_in(d, one_in)) {
		u.set = true;
		u.v = v;
	}
	return u;
}

static void random_pools(struct dice *d, struct arena *a, struct m_network *m)
{
	static const char *const pools[] = { "10.20.0.0/16", "fd20::/64", "10.30.0.0/26" };
	uint32_t first = dice_throw(d, 3), i;

	m->n_pools = 1 + dice_throw(d, 3 - first);
	m->pools = need(arena_array(a, m->n_pools, sizeof(*m->pools)));
	for (i = 0; i < m->n_pools; i++)
		m->pools[i].prefix = prefix_of(pools[first + i]);
}

/* Ranges that are met while addresses are handed out, some inside each other. */
static void random_reserved(struct dice *d, struct arena *a, struct m_network *m)
{
	static const char *const ranges[] = { "10.20.0.0/30",  "10.20.0.4/32",	 "10.20.0.8/29",
					      "10.20.0.10/31", "fd20::/126",	 "fd20::6/128",
					      "fd20::8/125",   "10.30.0.2/32",	 "10.30.0.4/30",
					      "10.30.0.6/32",  "10.20.128.0/17", "fd20::1:0/112" };
	size_t i, j;

	m->reserved = need(arena_array(a, ARRAY_LEN(ranges), sizeof(*m->reserved)));
	for (i = 0; i < ARRAY_LEN(ranges); i++) {
		struct prefix p = prefix_of(ranges[i]);

		for (j = 0; j < m->n_pools && !prefix_contains(&m->pools[j].prefix, &p); j++)
			;
		if (j < m->n_pools && dice_one_in(d, 3))
			m->reserved[m->n_reserved++].prefix = p;
	}
}

/* No route is inside another or holds an address of the network: every address leads to its node.
 */
static bool apart;
/* Nodes own parts of the pools. */
static bool owners;

/*
 * A part of its own far from what is handed out; or, where it matters where packets arrive, none
 * of those that are here: a part about its own address, which others may lie in, or own too.
 */
static void random_owned(struct dice *d, const struct prefix *pool, uint8_t index,
			 struct m_addr *ret)
{
	if (apart || dice_one_in(d, 2)) {
		if (pool->len > 64 || (pool->family == 4 && pool->len > 16))
			return;
		ret->addr.b[pool->family == 4 ? 2 : 12] = (uint8_t)(128 + index);
		ret->owned = pool->family == 4 ? 24 : 112;
	} else {
		ret->owned = (uint8_t)(family_bits(pool->family) - 1 - dice_throw(d, 3));
	}
}

/* Distinct for each node, and above what is handed out; some leave holes that are handed out. */
static void random_pins(struct dice *d, struct arena *a, const struct m_network *m,
			struct m_node *n, uint8_t index)
{
	size_t i;

	n->has_addresses = true;
	n->n_addresses = 1 + dice_throw(d, (uint32_t)m->n_pools);
	n->addresses = need(arena_array(a, n->n_addresses, sizeof(*n->addresses)));
	for (i = 0; i < n->n_addresses; i++) {
		const struct prefix *pool = &m->pools[m->n_pools - 1 - i].prefix;
		struct ipaddr *addr = &n->addresses[i].addr;

		addr->family = pool->family;
		memcpy(addr->b, pool->b, sizeof(addr->b));
		addr->b[pool->family == 4 ? 3 : 15] =
			(uint8_t)(dice_one_in(d, 2) ? 2 + index : 40 + index);
		if (owners && dice_one_in(d, 2))
			random_owned(d, pool, index, &n->addresses[i]);
	}
}

/* Their names lie before, between and behind those of the nodes. */
static const char *const client_names[MAX_CLIENTS] = { "aaa", "berta", "ford", "nora", "zzz" };

static void random_clients(struct dice *d, struct arena *a, struct m_network *m,
			   const struct m_network *like)
{
	const struct m_node *gateways[MAX_N];
	size_t n = 0;
	uint8_t i;

	for (i = 0; i < m->n_nodes; i++) {
		if (m->nodes[i].endpoint.host && !reference_leader(m, &m->nodes[i]))
			gateways[n++] = &m->nodes[i];
	}
	m->clients = need(arena_array(a, MAX_CLIENTS, sizeof(*m->clients)));
	for (i = 0; n && i < MAX_CLIENTS; i++) {
		const struct m_client *before =
			like ? m_network_client(like, client_names[i]) : NULL;
		struct m_client *c = &m->clients[m->n_clients];

		if (dice_one_in(d, 3))
			continue;
		if (before && !dice_one_in(d, 4)) {
			*c = *before;
		} else {
			c->node.name = client_names[i];
			c->node.public_key.b[0] = (uint8_t)(i * 83 + 7);
			c->node.public_key.b[2] = (uint8_t)(1 + i);
			if (dice_one_in(d, 3))
				random_pins(d, a, m, &c->node, (uint8_t)(MAX_N + i));
			for (size_t j = 0; j < c->node.n_addresses; j++)
				c->node.addresses[j].owned = 0;
		}
		if (dice_one_in(d, 3)) {
			c->n_allowed_ips = 1;
			c->allowed_ips = need(arena_array(a, 1, sizeof(*c->allowed_ips)));
			c->allowed_ips[0].prefix.family = dice_one_in(d, 2) ? 4 : 6;
		}
		/* All of one, or spread. */
		c->gateway.s = gateways[dice_one_in(d, 2) ? 0 : dice_throw(d, (uint32_t)n)]->name;
		m->n_clients++;
	}
}

/* Most nodes have an endpoint, or most have none and more of the rest are relays. */
static bool mostly_nat;

/* The place of what is written somewhere. */
static const struct source nowhere;

static void random_servers(struct dice *d, struct arena *a, struct m_names *m)
{
	size_t i;

	m->has_servers = true;
	m->n_servers = dice_throw(d, 4);
	m->servers = need(arena_array(a, m->n_servers, sizeof(*m->servers)));
	for (i = 0; i < m->n_servers; i++)
		m->servers[i].addr =
			(struct ipaddr){ .family = 4, .b = { 10, 0, 0, (uint8_t)(9 - i) } };
}

static void random_dns(struct dice *d, struct arena *a, struct m_names *m)
{
	if (dice_one_in(d, 2))
		random_servers(d, a, m);
	if (dice_one_in(d, 2)) {
		m->hosts = dice_one_in(d, 2);
		m->hosts_pos.source = &nowhere;
	}
}

/* Nodes have endpoints for those with a tag. */
static bool viewpoints;
/* Nodes are at sites. */
static bool sites;
static const char *const site_names[] = { "here", "there" };

/* Each with a leader of those that are there, and networks of its own. */
static void random_sites(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i, j;

	m->sites = need(arena_array(a, ARRAY_LEN(site_names), sizeof(*m->sites)));
	for (i = 0; i < ARRAY_LEN(site_names); i++) {
		struct m_site *s = &m->sites[m->n_sites];
		const char *leader = NULL;
		char text[32];

		for (j = 0; j < m->n_nodes; j++) {
			const struct m_node *n = &m->nodes[j];

			if (n->site.s && !strcmp(n->site.s, site_names[i]) &&
			    (!leader || dice_one_in(d, 2)))
				leader = n->name;
		}
		if (!leader)
			continue;
		s->name = site_names[i];
		s->leaders = need(arena_array(a, 1, sizeof(*s->leaders)));
		s->leaders[0].s = leader;
		s->n_leaders = 1;
		s->inside.s = dice_one_in(d, 3) ? "leader" : "direct";
		s->routes = need(arena_array(a, 1, sizeof(*s->routes)));
		s->n_routes = dice_throw(d, 2);
		snprintf(text, sizeof(text), "172.18.%zu.0/24", i);
		s->routes[0].prefix = prefix_of(text);
		s->routes[0].masquerade = dice_one_in(d, 2);
		m->n_sites++;
	}
}

static void random_seen(struct dice *d, struct arena *a, uint8_t index, struct m_node *n)
{
	static const char *const from[] = { "site:here", "site:there", "tag:dc",
					    "tag:eu",	 "tag:nat",    "tag:nobody" };
	size_t i;

	n->seen = need(arena_array(a, ARRAY_LEN(from), sizeof(*n->seen)));
	for (i = 0; i < ARRAY_LEN(from); i++) {
		if (!dice_one_in(d, 4))
			continue;
		n->seen[n->n_seen++] = (struct m_seen){
			.from = from[i],
			.endpoint = { .host = i % 2 ? "192.168.9.1" : "lan.example.net",
				      .port = dice_one_in(d, 2) ? 0 : (uint16_t)(2000 + index) }
		};
	}
}

static void random_node(struct dice *d, struct arena *a, const struct m_network *m, uint8_t index,
			struct m_node *n)
{
	static const char *const hosts[] = { "one.example.net", "192.0.2.7", "2001:db8::7" };
	size_t i;

	n->name = names[index];
	n->public_key.b[0] = (uint8_t)(index * 91 + 5);
	n->public_key.b[1] = index;
	if (dice_one_in(d, 3) == mostly_nat) {
		n->endpoint.host = hosts[dice_throw(d, 3)];
		n->endpoint.port = dice_one_in(d, 2) ? 0 : (uint16_t)(1000 + index);
	}
	if (viewpoints)
		random_seen(d, a, index, n);
	if (sites && dice_one_in(d, 2))
		n->site.s = site_names[dice_throw(d, ARRAY_LEN(site_names))];
	if (dice_one_in(d, 3))
		random_pins(d, a, m, n, index);
	if (apart && dice_one_in(d, 3)) {
		char text[32];

		n->n_routes = 2;
		n->routes = need(arena_array(a, n->n_routes + 1, sizeof(*n->routes)));
		snprintf(text, sizeof(text), "172.20.%u.0/24", index);
		n->routes[0].prefix = prefix_of(text);
		snprintf(text, sizeof(text), "fd99:%u::/64", index + 1);
		n->routes[1].prefix = prefix_of(text);
		/* One that several have. */
		if (dice_one_in(d, 2)) {
			n->n_routes++;
			n->routes[2].prefix = prefix_of("172.21.0.0/24");
			n->routes[2].metric = (struct m_uint){ .set = true, .v = index + 1u };
		}
	} else if (!apart && dice_one_in(d, 3)) {
		uint32_t first = dice_throw(d, ARRAY_LEN(routes));

		n->n_routes = 1 + dice_throw(d, 2);
		n->routes = need(arena_array(a, n->n_routes, sizeof(*n->routes)));
		for (i = 0; i < n->n_routes; i++) {
			n->routes[i].prefix =
				prefix_of(routes[(first + 5 * i) % ARRAY_LEN(routes)]);
			n->routes[i].masquerade = dice_one_in(d, 3);
			n->routes[i].metric = maybe(d, 2, dice_throw(d, 4));
		}
	}
	n->tags = need(arena_array(a, ARRAY_LEN(tags), sizeof(*n->tags)));
	for (i = 0; i < ARRAY_LEN(tags); i++) {
		if (dice_one_in(d, 2))
			n->tags[n->n_tags++].s = tags[i];
	}
	n->listen_port = maybe(d, 4, 2000 + index);
	n->mtu = maybe(d, 4, 1300 + index);
	n->persistent_keepalive = maybe(d, 3, dice_throw(d, 3) * 15);
	n->fwmark = maybe(d, 5, dice_throw(d, 2) * 77);
	n->table = maybe(d, 6, dice_throw(d, 2) * 100);
	n->relay = dice_one_in(d, mostly_nat ? 2 : 5);
	if (dice_one_in(d, 4))
		random_dns(d, a, &n->names);
	if (dice_one_in(d, 3))
		n->region.s = tags[dice_throw(d, ARRAY_LEN(tags))];
	if (dice_one_in(d, 8)) {
		n->has_interface = true;
		n->interface = (struct ifname){ "wg-own" };
	}
}

static bool tag_used(const struct m_network *m, const char *tag)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < m->nodes[i].n_tags; j++) {
			if (!strcmp(m->nodes[i].tags[j].s, tag))
				return true;
		}
	}
	return false;
}

static void random_selectors(struct dice *d, struct arena *a, const struct m_network *m,
			     struct m_selectors *ret)
{
	/* Long lists of single nodes are written down in another way than short ones. */
	size_t max = dice_one_in(d, 6) ? 12 : 3;

	ret->n = 1 + dice_throw(d, (uint32_t)max);
	ret->list = need(arena_array(a, ret->n, sizeof(*ret->list)));
	for (size_t i = 0; i < ret->n; i++) {
		struct m_selector *s = &ret->list[i];
		const char *tag = tags[dice_throw(d, ARRAY_LEN(tags))];
		uint32_t what = dice_throw(d, 12);

		if (what == 0) {
			s->kind = SELECT_ALL;
		} else if (what < 5 && max == 3 && tag_used(m, tag)) {
			s->kind = SELECT_TAG;
			s->name = tag;
		} else {
			s->kind = SELECT_NODE;
			s->name = m->nodes[dice_throw(d, (uint32_t)m->n_nodes)].name;
		}
	}
}

static void random_topology(struct dice *d, struct arena *a, struct m_network *m)
{
	bool routed = dice_one_in(d, 4);
	size_t i;

	m->has_topology = !dice_one_in(d, 10);
	if (!m->has_topology)
		return;
	m->n_topology = 1 + dice_throw(d, 3);
	m->topology = need(arena_array(a, m->n_topology, sizeof(*m->topology)));
	for (i = 0; i < m->n_topology; i++) {
		struct m_topology *t = &m->topology[i];

		t->kind = (enum topology_kind)dice_throw(d, 3);
		t->transit = !dice_one_in(d, 3);
		t->interface_per_link = routed && dice_one_in(d, 2);
		t->persistent_keepalive = maybe(d, 4, 10 * dice_throw(d, 4));
		random_selectors(d, a, m, &t->a);
		if (t->kind != TOPOLOGY_MESH)
			random_selectors(d, a, m, &t->b);
	}
}

/* An exit has an endpoint and no exit itself. */
static void random_exits(struct dice *d, struct m_network *m)
{
	bool none = dice_one_in(d, 2);
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		m->nodes[i].exit_node.s = NULL;
	for (i = 0; i < m->n_nodes && !none; i++) {
		struct m_node *exit = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];
		bool used = false;

		for (j = 0; j < m->n_nodes; j++)
			used |= m->nodes[j].exit_node.s &&
				!strcmp(m->nodes[j].exit_node.s, m->nodes[i].name);
		/* Most are joined with it. */
		if (!reference_joined(m, &m->nodes[i], exit) && !dice_one_in(d, 24))
			continue;
		if (dice_one_in(d, 2) && !used && exit != &m->nodes[i] && exit->endpoint.host &&
		    !exit->exit_node.s)
			m->nodes[i].exit_node.s = exit->name;
	}
}

static void random_routed(struct dice *d, struct arena *a, struct m_routed *r)
{
	static const char *const pools[] = { "10.99.0.0/24", "fd99:0:0:1::/64", "10.98.0.0/23" };
	static const char *const prefixes[] = { "wl-", "wl-", "mesh.", "routed-x" };
	uint32_t first = dice_throw(d, 3), i;

	r->link_local = !dice_one_in(d, 4);
	r->n_transfer = (size_t)!r->link_local + dice_throw(d, 3 - first);
	r->transfer = need(arena_array(a, r->n_transfer, sizeof(*r->transfer)));
	for (i = 0; i < r->n_transfer; i++)
		r->transfer[i].prefix = prefix_of(pools[first + i]);
	r->interface_prefix.s = prefixes[dice_throw(d, ARRAY_LEN(prefixes))];
	if (dice_one_in(d, 2))
		r->ports = (struct m_ports){ .set = true, .first = 40000, .last = 40999 };
}

static struct m_network *random_network(struct dice *d, struct arena *a,
					const struct m_network *like)
{
	struct m_network *m = need(arena_alloc(a, sizeof(*m)));
	uint8_t i, one_in = (uint8_t)(2 + dice_throw(d, 4));

	m->name = "prod";
	if (like) {
		m->pools = like->pools;
		m->n_pools = like->n_pools;
	} else {
		random_pools(d, a, m);
		mostly_nat = dice_one_in(d, 3);
		apart = dice_one_in(d, 3);
		viewpoints = dice_one_in(d, 2);
		owners = dice_one_in(d, 3);
		sites = dice_one_in(d, 3);
	}
	if (dice_one_in(d, 2))
		random_reserved(d, a, m);
	m->listen_port = maybe(d, 2, 3000);
	m->mtu = maybe(d, 3, 1380);
	m->persistent_keepalive = maybe(d, 2, 25);
	m->table = maybe(d, 8, dice_throw(d, 2) * 254);
	if (dice_one_in(d, 4)) {
		m->has_interface = true;
		m->interface = (struct ifname){ "wg-net" };
	}
	m->nodes = need(arena_array(a, MAX_N, sizeof(*m->nodes)));
	for (i = 0; i < MAX_N; i++) {
		const struct m_node *before = like ? m_network_node(like, names[i]) : NULL;

		if (dice_one_in(d, one_in))
			continue;
		/* Of one network to the next, pins stay: who pins an address that another has is
		 * refused. */
		if (before && !dice_one_in(d, 4))
			m->nodes[m->n_nodes] = *before;
		else
			random_node(d, a, m, i, &m->nodes[m->n_nodes]);
		m->n_nodes++;
	}
	if (like)
		m->routed = like->routed;
	else
		random_routed(d, a, &m->routed);
	m->names.hosts = true;
	if (dice_one_in(d, 2)) {
		random_dns(d, a, &m->names);
		m->names.domain.s = dice_one_in(d, 2) ? "mesh.example.net" : "wg";
	}
	if (m->n_nodes)
		random_topology(d, a, m);
	if (sites)
		random_sites(d, a, m);
	random_exits(d, m);
	if (dice_one_in(d, 2))
		random_clients(d, a, m, like);
	return m;
}

struct tally {
	size_t compared, conflicts, refused, pairs, relayed, chains, loops, ordered, unclear,
		not_joined, exit_loops;
	size_t links, kept; /* ends of routed links, lines of them */
	size_t followed, arrived, by_relay, by_hub, delivered, outside; /* networks, and packets */
	size_t to_clients, from_clients, between_clients, clients_outside; /* packets */
	size_t by_leader; /* packets */
	size_t near; /* pairs that meet by an endpoint that not all see */
	size_t apart; /* pairs that cannot meet, of all entries */
};

/* Whether some star with transit has both as spokes, and both meet its first hub. */
static bool share_a_hub(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	size_t i;

	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *hub = &m->nodes[i];

		if (reference_transit(m, a, b, hub) && reference_meet(a, hub) &&
		    reference_meet(b, hub))
			return true;
	}
	return false;
}

/*
 * A route into the network's own pool, or a prefix about an address that another may have. Then the
 * owner's addresses vanish in its route, and a hub's pool may be longer: such an address may lead
 * elsewhere, even to and fro. Of what leads nowhere else nothing may loop.
 */
static bool route_in_pool(const struct m_network *m)
{
	size_t i, j, k;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; !apart && j < m->nodes[i].n_addresses; j++) {
			if (m->nodes[i].addresses[j].owned)
				return true;
		}
		for (j = 0; j < m->nodes[i].n_routes; j++) {
			for (k = 0; k < m->n_pools; k++) {
				if (prefix_overlaps(&m->nodes[i].routes[j].prefix,
						    &m->pools[k].prefix))
					return true;
			}
		}
	}
	return false;
}

/* A gateway that is on the way and has the network behind it too delivers the packet itself. */
static bool delivers(const struct network *n, const char *name, const struct ipaddr *a)
{
	const struct record *r = network_record(n, name);
	size_t i;

	for (i = 0; i < r->n_standby; i++) {
		if (prefix_contains_addr(&r->standby[i].prefix, a))
			return true;
	}
	return false;
}

/* What the one's leader and the other's can do, those behind them can. */
static bool by_leaders(const struct m_network *m, const struct m_node *a, const struct m_node *b)
{
	const struct m_node *p = reference_leader(m, a), *q = reference_leader(m, b);

	if ((!p && !q) || (p && !reference_meet(a, p)) || (q && !reference_meet(b, q)))
		return false;
	p = p ? p : a;
	q = q ? q : b;
	if (p == q)
		return true;
	return reference_joined(m, p, q) ? reference_meet(p, q) || reference_relay(m, p, q) :
					   share_a_hub(m, p, q);
}

/* Follows a packet from one node to one address at another, from each of its own addresses. */
static void check_packet(const struct m_network *m, const struct network *n,
			 const struct config *configs, size_t from, size_t to,
			 const struct ipaddr *address, struct tally *tally)
{
	const struct m_node *a = &m->nodes[from], *b = &m->nodes[to];
	const struct record *r = network_record(n, a->name);
	bool joined = reference_joined(m, a, b), meet = reference_meet(a, b);
	bool relayed = reference_relay(m, a, b);
	size_t i;

	for (i = 0; i < r->n_addresses; i++) {
		struct journey j;

		if (r->addresses[i].family != address->family)
			continue;
		j = hops_from(NULL, n, configs, r, &r->addresses[i], address);
		if (j.fate == FATE_LOOP)
			assert_true(route_in_pool(m));
		if (!apart)
			continue;
		if (j.fate == FATE_ARRIVED && delivers(n, j.last, address)) {
			tally->delivered++;
			continue;
		}
		if ((joined && (meet || relayed)) || (!joined && share_a_hub(m, a, b))) {
			if (j.fate != FATE_ARRIVED || strcmp(j.last, b->name) != 0)
				fail_msg("from %s to %s: fate %d at %s", a->name, b->name, j.fate,
					 j.last);
			assert_int_equal(j.hops, joined && meet ? 1 : 2);
			tally->arrived++;
			tally->by_relay += relayed;
			tally->by_hub += !joined;
		} else if (by_leaders(m, a, b)) {
			if (j.fate != FATE_ARRIVED || strcmp(j.last, b->name) != 0)
				fail_msg("from %s to %s by leaders: fate %d at %s", a->name,
					 b->name, j.fate, j.last);
			tally->by_leader++;
		}
	}
}

static const struct ipaddr outside[] = { { 4, { 203, 0, 113, 9 } },
					 { 6, { 0x20, 0x01, 0x0d, 0xb8, 0xff } } };

/* To somewhere that is in no network: through the exit, or not into the tunnel at all. */
static void check_outside(const struct m_network *m, const struct network *n,
			  const struct config *configs, size_t from, struct tally *tally)
{
	const char *exit = m->nodes[from].exit_node.s;
	const struct record *r = network_record(n, m->nodes[from].name);
	const struct node *at = exit ? network_node(n, exit) : NULL;
	size_t i, j;

	for (i = 0; i < r->n_addresses; i++) {
		const struct ipaddr *to = &outside[r->addresses[i].family == 6];
		struct journey went = hops_from(NULL, n, configs, r, &r->addresses[i], to);
		bool speaks = false;

		for (j = 0; at && j < at->n_addresses; j++)
			speaks |= at->addresses[j].addr.family == to->family;
		if (!exit) {
			assert_int_equal(went.fate, FATE_NO_WAY);
			assert_int_equal(went.hops, 0);
			continue;
		}
		/* Behind another's route, its own address may be. */
		if (!apart) {
			assert_int_not_equal(went.fate, FATE_LOOP);
			continue;
		}
		assert_int_equal(went.fate, speaks ? FATE_OUTSIDE : FATE_NO_WAY);
		assert_string_equal(went.last, exit);
		assert_int_equal(went.hops, 1);
		tally->outside += speaks;
	}
}

/* From a client to somewhere that is in no network: its gateway lets it out where somebody needs
 * that. */
static void check_client_outside(const struct m_network *m, const struct network *n,
				 const struct config *configs, const struct record *client,
				 struct tally *tally)
{
	const struct node *gateway = network_node(n, client->gateway);
	bool exit = reference_is_exit(m, m_network_node(m, client->gateway));
	size_t i, j;

	for (i = 0; apart && i < client->n_addresses; i++) {
		const struct ipaddr *from = &client->addresses[i],
				    *to = &outside[from->family == 6];
		struct journey went = hops_from(NULL, n, configs, client, from, to);
		bool speaks = false;

		for (j = 0; j < gateway->n_addresses; j++)
			speaks |= gateway->addresses[j].addr.family == to->family;
		assert_int_equal(went.fate, exit && speaks ? FATE_OUTSIDE : FATE_NO_WAY);
		assert_string_equal(went.last, client->gateway);
		tally->clients_outside += went.fate == FATE_OUTSIDE;
	}
}

static void check_hops(const struct m_network *m, const struct network *n,
		       const struct config *configs, struct tally *tally)
{
	size_t i, j, k;

	for (i = 0; i < m->n_nodes; i++) {
		check_outside(m, n, configs, i, tally);
		for (j = 0; j < m->n_nodes; j++) {
			const struct record *r = network_record(n, m->nodes[j].name);

			for (k = 0; i != j && k < r->n_addresses; k++)
				check_packet(m, n, configs, i, j, &r->addresses[k], tally);
			for (k = 0; i != j && k < r->n_routes; k++) {
				struct ipaddr behind = { .family = r->routes[k].family };

				memcpy(behind.b, r->routes[k].b, sizeof(behind.b));
				behind.b[behind.family == 4 ? 3 : 15] = 9;
				if (apart)
					check_packet(m, n, configs, i, j, &behind, tally);
			}
		}
	}
	tally->followed += apart;
}

static bool any_exit(const struct m_network *m)
{
	size_t i;

	for (i = 0; i < m->n_nodes; i++) {
		if (m->nodes[i].exit_node.s)
			return true;
	}
	return false;
}

/*
 * The table of links by itself: every pair that is joined so and no other stands in it, nothing is
 * given twice, nothing moves, and what was freed is given to nobody else while there is more.
 */
static void check_lines(const struct m_network *m, const struct network *old,
			const struct network *new, struct tally *tally)
{
	size_t i, j, k, l, standing = 0, wanted = 0;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = i + 1; j < m->n_nodes; j++)
			wanted += reference_routed(m, &m->nodes[i], &m->nodes[j]);
	}
	for (i = 0; i < new->n_routed; i++) {
		const struct routed_link *a = &new->routed[i];
		const struct routed_link *was =
			old ? network_routed(old, a->name[0], a->name[1]) : NULL;

		standing += !a->freed;
		if (!a->freed)
			assert_true(reference_routed(m, m_network_node(m, a->name[0]),
						     m_network_node(m, a->name[1])));
		if (was) {
			tally->kept++;
			assert_int_equal(a->end[0].port, was->end[0].port);
			assert_int_equal(a->end[1].port, was->end[1].port);
			if (!a->freed && !was->freed)
				assert_int_equal(routed_link_equal(a, was), true);
		}
		for (j = 0; j < i; j++) {
			const struct routed_link *b = &new->routed[j];

			for (k = 0; k < 4; k++)
				assert_false(!strcmp(a->name[k / 2], b->name[k % 2]) &&
					     a->end[k / 2].port == b->end[k % 2].port);
			for (k = 0; k < a->n_transfer; k++) {
				for (l = 0; l < b->n_transfer; l++)
					assert_true(a->transfer[k].len == 64 ||
						    prefix_cmp(&a->transfer[k], &b->transfer[l]));
			}
		}
	}
	assert_int_equal(standing, wanted);
	for (i = 0; old && i < old->n_routed; i++)
		assert_non_null(
			network_routed(new, old->routed[i].name[0], old->routed[i].name[1]));
}

/* As many pairs are named, or counted, in warnings as there are. */
static void check_warnings(const struct m_network *m, const struct diag *d, struct tally *tally)
{
	size_t i, j, k, want = 0, got = 0;
	uint64_t more;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < i; j++) {
			const struct m_node *a = &m->nodes[i], *b = &m->nodes[j];
			bool cut = !reference_meet(a, b) && !reference_relay(m, a, b);
			/* A routed link goes through no relay, and is one whatever joins it. */
			bool alone = !reference_meet(a, b) && reference_routed(m, a, b);

			const struct m_node *p = reference_leader(m, a),
					    *q = reference_leader(m, b);

			want += cut && (p == b || q == a);
			if (!m->has_topology)
				want += cut && !p && !q;
			want += alone;
			for (k = 0; m->has_topology && k < m->n_topology; k++)
				want += cut && !m->topology[k].interface_per_link &&
					reference_entry_joins(m, &m->topology[k], a, b);
		}
	}
	for (i = 0; i < d->n; i++) {
		const char *msg = d->entries[i].msg, *more_pairs = strstr(msg, " more pairs that");

		got += strstr(msg, " cannot meet: neither has an endpoint") != NULL;
		if (!more_pairs)
			continue;
		assert_int_equal(num_parse(msg + 4, (size_t)(more_pairs - msg) - 4, 1000, &more),
				 0);
		got += more;
	}
	assert_int_equal(got, want);
	tally->apart += want;
}

static void count_near(const struct m_network *m, struct tally *tally)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++) {
		for (j = 0; j < i; j++) {
			const struct m_node *a = &m->nodes[i], *b = &m->nodes[j];

			tally->near += !a->endpoint.host && !b->endpoint.host &&
				       reference_meet(a, b) && reference_joined(m, a, b);
		}
	}
}

/* From each address of one node or client to each of another's, of one family. */
static bool all_arrive(const struct network *n, const struct config *configs,
		       const struct record *from, const struct record *to, size_t *ret_packets)
{
	size_t i, j;

	for (i = 0; i < from->n_addresses; i++) {
		for (j = 0; j < to->n_addresses; j++) {
			struct journey way;

			if (from->addresses[i].family != to->addresses[j].family)
				continue;
			way = hops_from(NULL, n, configs, from, &from->addresses[i],
					&to->addresses[j]);
			if (way.fate != FATE_ARRIVED || strcmp(way.last, to->name) != 0)
				return false;
			++*ret_packets;
		}
	}
	return true;
}

/* All do, and there is one at least. */
static bool reaches(const struct network *n, const struct config *configs,
		    const struct record *from, const struct record *to)
{
	size_t packets = 0;

	return all_arrive(n, configs, from, to, &packets) && packets;
}

/* Whoever reaches a gateway reaches its clients, and whom the gateway reaches its clients reach. */
static void check_clients(const struct m_network *m, const struct network *n,
			  const struct config *configs, struct tally *tally)
{
	size_t i, j;

	/* A route inside a pool, or a part of it that a node owns, may lead a client's address
	 * anywhere: the longest wins. */
	if (route_in_pool(m) || (owners && !apart))
		return;
	for (i = 0; i < m->n_clients; i++) {
		const struct record *client = network_record(n, m->clients[i].node.name);
		const struct record *gateway = network_record(n, client->gateway);

		check_client_outside(m, n, configs, client, tally);
		assert_true(all_arrive(n, configs, gateway, client, &tally->to_clients));
		assert_true(all_arrive(n, configs, client, gateway, &tally->from_clients));
		for (j = 0; j < n->n_records; j++) {
			const struct record *other = &n->records[j], *at = other;
			size_t *packets =
				other->gateway ? &tally->between_clients : &tally->to_clients;

			if (other == client || other == gateway)
				continue;
			if (other->gateway)
				at = network_record(n, other->gateway);
			if (at == gateway || reaches(n, configs, at, gateway))
				assert_true(all_arrive(n, configs, other, client, packets));
			if (!other->gateway && reaches(n, configs, gateway, other))
				assert_true(all_arrive(n, configs, client, other,
						       &tally->from_clients));
		}
	}
}

static bool refused(const struct ref_network *want)
{
	return want->conflict || want->chain || want->loop || want->unclear || want->apart;
}

/* Both agree; false when the network was refused. */
static bool check_network(const struct m_network *m, const struct network *published,
			  struct arena *a, struct network *ret, struct tally *tally)
{
	struct config configs[MAX_N];
	struct ref_network want;
	struct diag d;
	struct err e = { 0 };
	size_t i;
	int r;

	diag_init(&d, a);
	r = compile(m, published, 2, a, &d, ret);
	assert_false(d.nomem);
	if (r < 0 && published) {
		/* A new pin where somebody has an automatic address, for one; the first round
		 * compares the conflicts. */
		tally->refused++;
		return false;
	}
	reference(m, published && !r ? ret : NULL, a, &want);
	if ((refused(&want)) != (r < 0) && d.n)
		print_message("%s\n", d.entries[0].msg);
	assert_int_equal(refused(&want), r < 0);
	if (r < 0) {
		tally->conflicts += want.conflict;
		tally->unclear += want.unclear && !want.conflict;
		tally->not_joined += want.apart;
		tally->exit_loops += want.loop && !want.apart && any_exit(m);
		tally->chains += want.chain && !want.loop;
		tally->loops += want.loop && !want.chain;
		return false;
	}
	tally->relayed += want.relayed;
	tally->ordered += want.ordered;
	count_near(m, tally);
	check_warnings(m, &d, tally);
	assert_int_equal(ret->n_nodes, m->n_nodes);
	for (i = 0; i < m->n_nodes; i++) {
		if (expand(ret, &ret->nodes[i], a, &configs[i], &e) < 0)
			fail_msg("%s", e.msg);
		check_config(&configs[i], &want.configs[i], !published);
		tally->pairs += configs[i].n_peers;
		tally->links += configs[i].n_links;
	}
	check_hops(m, ret, configs, tally);
	check_lines(m, published, ret, tally);
	check_clients(m, ret, configs, tally);
	tally->compared++;
	return true;
}

/* Who had an automatic address and still has no pinned one keeps it. */
static void check_addresses_stay(const struct network *old, const struct m_network *before,
				 const struct network *new, const struct m_network *after)
{
	size_t i, j;

	for (i = 0; i < after->n_nodes; i++) {
		const struct m_node *n = &after->nodes[i], *was = m_network_node(before, n->name);
		const struct record *a = was ? network_record(old, n->name) : NULL,
				    *b = network_record(new, n->name);

		if (!was || was->has_addresses || n->has_addresses)
			continue;
		assert_int_equal(a->n_addresses, b->n_addresses);
		for (j = 0; j < a->n_addresses; j++)
			assert_int_equal(ipaddr_cmp(&a->addresses[j], &b->addresses[j]), 0);
	}
	for (i = 0; i < after->n_clients; i++) {
		const struct m_client *n = &after->clients[i],
				      *was = m_network_client(before, n->node.name);
		const struct record *a = was ? network_record(old, n->node.name) : NULL,
				    *b = network_record(new, n->node.name);

		if (!was || was->node.has_addresses || n->node.has_addresses)
			continue;
		assert_int_equal(a->n_addresses, b->n_addresses);
		for (j = 0; j < a->n_addresses; j++)
			assert_int_equal(ipaddr_cmp(&a->addresses[j], &b->addresses[j]), 0);
	}
}

static void test_random(void **state)
{
	struct tally tally = { 0 };

	for (seed_now = 1; seed_now <= ROUNDS; seed_now++) {
		struct m_network *m, *next;
		struct network first, second;
		struct arena a;
		struct dice d;

		dice_init(&d, seed_now);
		arena_init(&a);
		m = random_network(&d, &a, NULL);
		if (check_network(m, NULL, &a, &first, &tally)) {
			next = random_network(&d, &a, m);
			if (check_network(next, &first, &a, &second, &tally))
				check_addresses_stay(&first, m, &second, next);
		}
		arena_release(&a);
	}
	print_message(
		"%zu networks compared with %zu peer entries and %zu relayed pairs; agreed on %zu conflicts, "
		"%zu chains of relay and hub, %zu loops; %zu refused; %zu gateways stand by for another, %zu orders unclear\n",
		tally.compared, tally.pairs, tally.relayed, tally.conflicts, tally.chains,
		tally.loops, tally.refused, tally.ordered, tally.unclear);
	print_message("%zu ends of routed links, %zu lines kept\n", tally.links, tally.kept);
	print_message(
		"in %zu networks %zu packets arrived as they should, %zu by a relay, %zu by a hub, %zu at a gateway that stands by\n",
		tally.followed, tally.arrived, tally.by_relay, tally.by_hub, tally.delivered);
	assert_true(tally.delivered > 0);
	print_message("%zu packets left by an exit; %zu exits not joined, %zu loops with exits\n",
		      tally.outside, tally.not_joined, tally.exit_loops);
	assert_true(tally.outside > ROUNDS / 4);
	assert_true(tally.not_joined > ROUNDS / 100);
	assert_true(tally.exit_loops > 5);
	print_message("%zu pairs without an endpoint for all meet all the same\n", tally.near);
	print_message("%zu packets arrived by leaders of sites\n", tally.by_leader);
	assert_true(tally.by_leader > 2 * ROUNDS);
	assert_true(tally.near > ROUNDS);
	assert_true(tally.apart > ROUNDS);
	print_message(
		"%zu packets arrived at clients, %zu came from clients, %zu from one to another, %zu left by the gateway\n",
		tally.to_clients, tally.from_clients, tally.between_clients, tally.clients_outside);
	assert_true(tally.clients_outside > ROUNDS / 4);
	assert_true(tally.to_clients > 2 * ROUNDS);
	assert_true(tally.from_clients > 2 * ROUNDS);
	assert_true(tally.between_clients > ROUNDS / 2);
	assert_true(tally.followed > ROUNDS / 10);
	assert_true(tally.by_relay > 3 * ROUNDS);
	assert_true(tally.by_hub > ROUNDS / 2);
	assert_true(tally.compared > ROUNDS / 2);
	assert_true(tally.conflicts > ROUNDS / 20);
	assert_true(tally.pairs > ROUNDS * 10);
	assert_true(tally.relayed > 2 * ROUNDS);
	assert_true(tally.links > 4 * ROUNDS);
	assert_true(tally.kept > ROUNDS / 4);
	assert_true(tally.ordered > ROUNDS / 4);
	assert_true(tally.unclear > ROUNDS / 300);
	assert_true(tally.chains > 20);
	assert_true(tally.loops > 5);
}

static int say_seed(void **state)
{
	if (seed_now <= ROUNDS)
		print_message("failed with seed %llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
