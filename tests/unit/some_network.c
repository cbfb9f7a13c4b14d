/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/some_network.h"

#include <string.h>

#include "tests/ref/reference.h"

static const char *const node_names[SOME_MAX_NODES] = { "ams1", "ber1", "dub1", "fra1", "lon1",
							"mad1", "nyc1", "par1", "rom1", "zrh1" };
static const char *const tag_names[] = { "app", "db", "guest" };
static const char *const site_names[] = { "here", "there" };

/* What a network is like in the large. */
struct manner {
	bool nat; /* most nodes have no endpoint for all */
	bool sites, viewpoints, shared, owners;
	bool wide; /* somebody has a network behind it with the first pool in it */
};

static struct prefix prefix_of(const char *s)
{
	struct prefix p = { 0 };
	bool host_bits;

	if (prefix_parse(s, strlen(s), &p, &host_bits) < 0)
		p.family = 4;
	return p;
}

static bool has_tag(const struct m_network *m, const char *tag)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_tags; j++)
			if (!strcmp(m->nodes[i].tags[j].s, tag))
				return true;
	return false;
}

static int some_selectors(struct dice *d, struct arena *a, const struct m_network *m, size_t n,
			  bool clients, struct m_selectors *ret)
{
	size_t i;

	ret->list = arena_array(a, n, sizeof(*ret->list));
	if (!ret->list)
		return -1;
	for (i = 0; i < n; i++) {
		struct m_selector *s = &ret->list[ret->n++];
		const char *tag = tag_names[dice_throw(d, ARRAY_LEN(tag_names))];
		uint32_t what = dice_throw(d, 8);

		if (!what) {
			s->kind = SELECT_ALL;
		} else if (what < 5 && has_tag(m, tag)) {
			s->kind = SELECT_TAG;
			s->name = tag;
		} else if (clients && m->n_clients && dice_one_in(d, 3)) {
			s->kind = SELECT_NODE;
			s->name = m->clients[dice_throw(d, (uint32_t)m->n_clients)].node.name;
		} else {
			s->kind = SELECT_NODE;
			s->name = m->nodes[dice_throw(d, (uint32_t)m->n_nodes)].name;
		}
	}
	return 0;
}

int some_parties(struct dice *d, struct arena *a, const struct m_network *m, struct m_parties *ret)
{
	/* Of one node, of one family, of all of a family, and half of one. */
	static const char *const prefixes[] = {
		"172.20.3.0/24", "172.20.0.0/16",   "fd99::/16",      "172.20.4.128/25",
		"fd99:5::/64",	 "0.0.0.0/0",	    "172.20.6.64/26", "10.9.0.0/16",
		"::/0",		 "172.20.200.0/23", "10.20.128.0/17", "172.21.0.0/24",
		"0.0.0.0/0",	 "10.0.0.0/8",	    "fd21::/48",      "10.20.129.0/24",
		"10.20.0.0/16"
	};
	size_t n = 1 + dice_throw(d, 2), i;
	bool behind = dice_one_in(d, 3);

	if (some_selectors(d, a, m, behind ? n - 1 : n, true, &ret->nodes) < 0)
		return -1;
	ret->prefixes = arena_array(a, 2, sizeof(*ret->prefixes));
	for (i = 0; ret->prefixes && behind && i < 2; i++)
		if (!i || dice_one_in(d, 2))
			ret->prefixes[ret->n_prefixes++].prefix =
				prefix_of(prefixes[dice_throw(d, ARRAY_LEN(prefixes))]);
	return ret->prefixes ? 0 : -1;
}

static const struct service services[] = {
	{ SERVICE_TCP, 22, 22 },       { SERVICE_TCP, 80, 90 },	  { SERVICE_TCP, 85, 100 },
	{ SERVICE_TCP, 101, 101 },     { SERVICE_TCP, 1, 65535 }, { SERVICE_UDP, 53, 53 },
	{ SERVICE_UDP, 1, 65535 },     { SERVICE_ICMP, 0, 0 },	  { SERVICE_ANY, 0, 0 },
	{ SERVICE_TCP, 65535, 65535 },
};

int some_services(struct dice *d, struct arena *a, struct m_services *ret)
{
	size_t n = dice_throw(d, 4), i;

	ret->list = arena_array(a, n, sizeof(*ret->list));
	for (i = 0; ret->list && i < n; i++)
		ret->list[ret->n++].service = services[dice_throw(d, ARRAY_LEN(services))];
	return ret->list ? 0 : -1;
}

struct service some_packet(struct dice *d)
{
	struct service s = services[dice_throw(d, ARRAY_LEN(services))];
	uint32_t port = dice_one_in(d, 2) ? s.first : s.last;

	if (s.kind == SERVICE_TCP || s.kind == SERVICE_UDP) {
		port += dice_throw(d, 3) - 1;
		s.first = s.last = (uint16_t)(port < 1 ? 1 : port > 65535 ? 65535 : port);
	}
	return s;
}

/* Where it is reached by those at a site, or with a tag. */
static int some_seen(struct dice *d, struct arena *a, uint8_t index, struct m_node *n)
{
	static const char *const from[] = { "site:here", "site:there", "tag:app", "tag:db",
					    "tag:guest" };
	size_t i;

	n->seen = arena_array(a, ARRAY_LEN(from), sizeof(*n->seen));
	for (i = 0; n->seen && i < ARRAY_LEN(from); i++)
		if (dice_one_in(d, i < 2 ? 2 : 4))
			n->seen[n->n_seen++] =
				(struct m_seen){ .from = from[i],
						 .endpoint = { .host = "192.168.9.1",
							       .port = (uint16_t)(2000 + index) } };
	return n->seen ? 0 : -1;
}

static void add_route(struct m_node *n, const char *text, bool masquerade)
{
	n->routes[n->n_routes++] =
		(struct m_route){ .prefix = prefix_of(text), .masquerade = masquerade };
}

static int some_routes(struct dice *d, struct arena *a, uint8_t index, const struct manner *manner,
		       struct m_node *n)
{
	char text[32];

	n->routes = arena_array(a, 4, sizeof(*n->routes));
	if (!n->routes)
		return -1;
	if (dice_one_in(d, 2)) {
		snprintf(text, sizeof(text), "172.20.%u.0/24", index);
		add_route(n, text, dice_one_in(d, 3));
	}
	/* One that several have, in an order. */
	if (manner->shared && dice_one_in(d, 3)) {
		add_route(n, "172.21.0.0/24", dice_one_in(d, 3));
		n->routes[n->n_routes - 1].metric = (struct m_uint){ .set = true, .v = index + 1u };
	}
	if (dice_one_in(d, 3)) {
		snprintf(text, sizeof(text), "fd99:%u::/64", index + 1);
		add_route(n, text, false);
	}
	if (manner->wide && index == 1)
		add_route(n, dice_one_in(d, 5) ? "fd21::/48" : "10.0.0.0/8", false);
	return 0;
}

/* A part of the first pool, its own address in it. */
static int some_part(struct arena *a, const struct m_network *m, uint8_t index, struct m_node *n)
{
	n->addresses = arena_array(a, 1, sizeof(*n->addresses));
	if (!n->addresses)
		return -1;
	n->has_addresses = true;
	n->n_addresses = 1;
	n->addresses[0].addr = (struct ipaddr){ .family = m->pools[0].prefix.family };
	memcpy(n->addresses[0].addr.b, m->pools[0].prefix.b, sizeof(n->addresses[0].addr.b));
	if (n->addresses[0].addr.family == 4) {
		n->addresses[0].addr.b[2] = (uint8_t)(128 + index);
		n->addresses[0].addr.b[3] = 2;
		n->addresses[0].owned = 24;
	} else {
		n->addresses[0].addr.b[12] = (uint8_t)(128 + index);
		n->addresses[0].addr.b[15] = 2;
		n->addresses[0].owned = 112;
	}
	return 0;
}

/* Some have an address in the part that another owns. */
static int some_guests(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i;

	for (i = 0; i < m->n_nodes + m->n_clients; i++) {
		struct m_node *n = i < m->n_nodes ? &m->nodes[i] : &m->clients[i - m->n_nodes].node;
		const struct m_node *host = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];

		if (n->n_addresses || !host->n_addresses || !host->addresses[0].owned ||
		    dice_one_in(d, 2))
			continue;
		n->addresses = arena_array(a, 1, sizeof(*n->addresses));
		if (!n->addresses)
			return -1;
		n->has_addresses = true;
		n->n_addresses = 1;
		n->addresses[0].addr = host->addresses[0].addr;
		n->addresses[0].addr.b[n->addresses[0].addr.family == 4 ? 3 : 15] =
			(uint8_t)(40 + i);
	}
	return 0;
}

static int some_node(struct dice *d, struct arena *a, const struct m_network *m, uint8_t index,
		     const struct manner *manner, struct m_node *n)
{
	size_t i;

	n->name = node_names[index];
	n->public_key.b[0] = (uint8_t)(index * 91 + 5);
	n->public_key.b[1] = index;
	if (dice_one_in(d, 3) == manner->nat) {
		n->endpoint.host = "one.example.net";
		n->endpoint.port = (uint16_t)(1000 + index);
	}
	n->relay = n->endpoint.host && dice_one_in(d, 2);
	if (dice_one_in(d, 3))
		n->region.s = tag_names[dice_throw(d, ARRAY_LEN(tag_names))];
	n->tags = arena_array(a, ARRAY_LEN(tag_names), sizeof(*n->tags));
	if (!n->tags)
		return -1;
	for (i = 0; i < ARRAY_LEN(tag_names); i++)
		if (dice_one_in(d, 3))
			n->tags[n->n_tags++].s = tag_names[i];
	if (manner->sites && dice_one_in(d, 2))
		n->site.s = site_names[dice_throw(d, ARRAY_LEN(site_names))];
	if ((manner->viewpoints && some_seen(d, a, index, n) < 0) ||
	    (manner->owners && dice_one_in(d, 4) && some_part(a, m, index, n) < 0))
		return -1;
	return some_routes(d, a, index, manner, n);
}

/* Each with a leader of those that are there, and networks of its own. */
static int some_sites(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i, j;

	m->sites = arena_array(a, ARRAY_LEN(site_names), sizeof(*m->sites));
	for (i = 0; m->sites && i < ARRAY_LEN(site_names); i++) {
		struct m_site *s = &m->sites[m->n_sites];
		char text[32];

		s->leaders = arena_array(a, SOME_MAX_NODES, sizeof(*s->leaders));
		s->routes = arena_array(a, 2, sizeof(*s->routes));
		if (!s->leaders || !s->routes)
			return -1;
		for (j = 0; j < m->n_nodes; j++) {
			const struct m_node *n = &m->nodes[j];

			if (n->site.s && !strcmp(n->site.s, site_names[i]) &&
			    (!s->n_leaders || dice_one_in(d, 3)))
				s->leaders[s->n_leaders++].s = n->name;
		}
		if (!s->n_leaders)
			continue;
		s->name = site_names[i];
		s->inside.s = dice_one_in(d, 3) ? "leader" : "direct";
		if (dice_one_in(d, 2)) {
			snprintf(text, sizeof(text), "172.20.%zu.0/24", 200 + i);
			s->routes[s->n_routes].masquerade = dice_one_in(d, 3);
			s->routes[s->n_routes++].prefix = prefix_of(text);
		}
		if (dice_one_in(d, 2)) {
			snprintf(text, sizeof(text), "fd99:c%zu::/64", i);
			s->routes[s->n_routes++].prefix = prefix_of(text);
		}
		m->n_sites++;
	}
	for (i = 0; m->sites && i < m->n_nodes; i++)
		m->nodes[i].relay &= !reference_leader(m, &m->nodes[i]);
	return m->sites ? 0 : -1;
}

/* Each of a node that can be reached. */
static int some_clients(struct dice *d, struct arena *a, struct m_network *m)
{
	static const char *const names[] = { "phone1", "phone2", "phone3" };
	size_t i;

	m->clients = arena_array(a, ARRAY_LEN(names), sizeof(*m->clients));
	if (!m->clients)
		return -1;
	for (i = 0; i < ARRAY_LEN(names); i++) {
		const struct m_node *gateway = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];
		struct m_client *c = &m->clients[m->n_clients];

		if (!gateway->endpoint.host || reference_leader(m, gateway) || dice_one_in(d, 3))
			continue;
		c->node.name = names[i];
		c->node.public_key.b[0] = (uint8_t)(200 + i);
		c->gateway.s = gateway->name;
		/* Everything, of one family. */
		if (dice_one_in(d, 3)) {
			c->allowed_ips = arena_array(a, 1, sizeof(*c->allowed_ips));
			if (!c->allowed_ips)
				return -1;
			c->n_allowed_ips = 1;
			c->allowed_ips[0].prefix.family = dice_one_in(d, 2) ? 4 : 6;
		}
		m->n_clients++;
	}
	return 0;
}

/* Another for each site: its leader. */
static void some_exits_at_sites(struct dice *d, struct m_network *m)
{
	size_t i;

	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *leader = reference_leader(m, &m->nodes[i]);

		if (leader && leader->endpoint.host && dice_one_in(d, 6))
			m->nodes[i].exit_node.s = leader->name;
	}
}

static bool is_exit(const struct m_network *m, const struct m_node *n)
{
	size_t i;

	for (i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].exit_node.s && !strcmp(m->nodes[i].exit_node.s, n->name))
			return true;
	return false;
}

/* An exit has an endpoint and no exit itself. A network in which somebody is not joined with it is
 * refused, so that few are so. */
static void some_exits(struct dice *d, struct m_network *m)
{
	const struct m_node *exit = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];
	size_t i;

	if (!exit->endpoint.host || exit->exit_node.s || !dice_one_in(d, 2))
		return;
	for (i = 0; i < m->n_nodes; i++)
		if (&m->nodes[i] != exit && dice_one_in(d, 2) && !m->nodes[i].exit_node.s &&
		    !is_exit(m, &m->nodes[i]) &&
		    (reference_joined(m, &m->nodes[i], exit) || dice_one_in(d, 24)))
			m->nodes[i].exit_node.s = exit->name;
}

static int some_topology(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i, n = dice_throw(d, 4);

	m->has_topology = n > 0;
	m->topology = arena_array(a, n, sizeof(*m->topology));
	if (!m->topology)
		return -1;
	for (i = 0; i < n; i++) {
		struct m_topology *t = &m->topology[m->n_topology++];

		t->kind = (enum topology_kind)dice_throw(d, 3);
		t->transit = !dice_one_in(d, 3);
		if (some_selectors(d, a, m, 1 + dice_throw(d, 3), false, &t->a) < 0 ||
		    (t->kind != TOPOLOGY_MESH &&
		     some_selectors(d, a, m, 1 + dice_throw(d, 3), false, &t->b) < 0))
			return -1;
	}
	return 0;
}

static int some_policy(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i, n = dice_throw(d, 5);

	m->has_policy = n > 0;
	m->policy = arena_array(a, n, sizeof(*m->policy));
	if (!m->policy)
		return -1;
	for (i = 0; i < n; i++) {
		struct m_rule *r = &m->policy[m->n_policy++];

		if (some_parties(d, a, m, &r->from) < 0 || some_parties(d, a, m, &r->to) < 0 ||
		    some_services(d, a, &r->on) < 0)
			return -1;
	}
	return 0;
}

int some_other_policy(struct dice *d, struct arena *a, struct m_network *m)
{
	size_t i = dice_throw(d, (uint32_t)m->n_nodes);

	m->n_policy = 0;
	/* The last rule of a tag of which nobody is left is none. */
	if (m->nodes[i].n_tags > 1 && dice_one_in(d, 4))
		m->nodes[i].n_tags--;
	return some_policy(d, a, m);
}

struct m_network *some_network(struct dice *d, struct arena *a)
{
	struct m_network *m = arena_alloc(a, sizeof(*m));
	struct manner manner = { .nat = dice_one_in(d, 3) };
	bool everything;
	uint8_t i;

	if (!m)
		return NULL;
	everything = dice_one_in(d, 4);
	manner.sites = everything || dice_one_in(d, 4);
	manner.viewpoints = everything || dice_one_in(d, 3);
	manner.shared = everything || dice_one_in(d, 4);
	manner.owners = everything || dice_one_in(d, 5);
	manner.wide = dice_one_in(d, 4);
	m->name = "prod";
	m->n_pools = 1 + dice_throw(d, 2);
	m->pools = arena_array(a, 2, sizeof(*m->pools));
	m->nodes = arena_array(a, SOME_MAX_NODES, sizeof(*m->nodes));
	if (!m->pools || !m->nodes)
		return NULL;
	m->pools[0].prefix = prefix_of(dice_one_in(d, 5) ? "fd21::/64" : "10.20.0.0/16");
	m->pools[1].prefix = prefix_of("fd20::/64");
	for (i = 0; i < SOME_MAX_NODES; i++)
		if (!dice_one_in(d, 4) &&
		    some_node(d, a, m, i, &manner, &m->nodes[m->n_nodes++]) < 0)
			return NULL;
	if (!m->n_nodes && some_node(d, a, m, 0, &manner, &m->nodes[m->n_nodes++]) < 0)
		return NULL;
	if ((manner.sites && some_sites(d, a, m) < 0) || some_clients(d, a, m) < 0 ||
	    (manner.owners && some_guests(d, a, m) < 0) || some_topology(d, a, m) < 0)
		return NULL;
	some_exits_at_sites(d, m);
	some_exits(d, m);
	return some_policy(d, a, m) < 0 ? NULL : m;
}

static bool has_network(const struct m_network *m, bool masquerade)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_routes; j++)
			if (m->nodes[i].routes[j].masquerade == masquerade)
				return true;
	for (i = 0; i < m->n_sites; i++)
		for (j = 0; j < m->sites[i].n_routes; j++)
			if (m->sites[i].routes[j].masquerade == masquerade)
				return true;
	return false;
}

static void kinds_of_node(const struct m_network *m, const struct m_node *n,
			  bool has[static N_KINDS])
{
	const struct m_node *leader = reference_leader(m, n);
	size_t i;

	has[KIND_SITE] |= leader != NULL;
	has[KIND_SITE_BY_LEADER] |=
		leader && !strcmp(m_network_site(m, n->site.s)->inside.s, "leader");
	has[KIND_EXIT] |= n->exit_node.s != NULL;
	has[KIND_EXIT_AT_SITE] |= n->exit_node.s && leader;
	has[KIND_PART] |= n->n_addresses && n->addresses[0].owned;
	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *o = &m->nodes[i];

		if (o == n || !reference_joined(m, n, o))
			continue;
		has[KIND_VIEWPOINT] |=
			reference_meet(n, o) && !n->endpoint.host && !o->endpoint.host;
		has[KIND_RELAY] |= reference_relay(m, n, o) != NULL;
		has[KIND_APART] |= !reference_meet(n, o) && !reference_relay(m, n, o);
	}
}

void some_kinds(const struct m_network *m, bool has[static N_KINDS])
{
	size_t i, j, shared = 0;

	memset(has, 0, N_KINDS * sizeof(*has));
	for (i = 0; i < m->n_nodes; i++)
		kinds_of_node(m, &m->nodes[i], has);
	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_routes; j++)
			shared += m->nodes[i].routes[j].metric.set;
	for (i = 0; i < m->n_sites; i++)
		has[KIND_SITE_ROUTES] |= m->sites[i].n_routes > 0;
	for (i = 0; i < m->n_topology; i++) {
		const struct m_topology *t = &m->topology[i];

		has[KIND_HUB] |= t->kind == TOPOLOGY_STAR && t->transit;
	}
	for (i = 0; i < m->n_clients; i++) {
		has[KIND_CLIENT] = true;
		has[KIND_CLIENT_EXIT] |= m->clients[i].n_allowed_ips > 0;
	}
	has[KIND_GATEWAY] = has_network(m, false);
	has[KIND_MASQUERADE] = has_network(m, true);
	has[KIND_ORDER] = shared > 1;
	has[KIND_POLICY] = m->n_policy > 0;
}
