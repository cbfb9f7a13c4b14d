/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/some_network.h"

#include <string.h>

static const char *const node_names[SOME_MAX_NODES] = { "ams1", "ber1", "dub1", "fra1", "lon1",
							"mad1", "nyc1", "par1", "rom1", "zrh1" };
static const char *const tag_names[] = { "app", "db", "guest" };

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
	static const char *const prefixes[] = { "172.20.3.0/24",   "172.20.0.0/16", "fd99::/16",
						"172.20.4.128/25", "fd99:5::/64",   "0.0.0.0/0",
						"172.20.6.64/26",  "10.9.0.0/16",   "::/0",
						"0.0.0.0/0" };
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

static int some_node(struct dice *d, struct arena *a, uint8_t index, bool nat, struct m_node *n)
{
	char text[32];
	size_t i;

	n->name = node_names[index];
	n->public_key.b[0] = (uint8_t)(index * 91 + 5);
	n->public_key.b[1] = index;
	if (dice_one_in(d, 3) == nat) {
		n->endpoint.host = "one.example.net";
		n->endpoint.port = (uint16_t)(1000 + index);
	}
	n->relay = n->endpoint.host && dice_one_in(d, 2);
	n->tags = arena_array(a, ARRAY_LEN(tag_names), sizeof(*n->tags));
	n->routes = arena_array(a, 2, sizeof(*n->routes));
	if (!n->tags || !n->routes)
		return -1;
	for (i = 0; i < ARRAY_LEN(tag_names); i++)
		if (dice_one_in(d, 3))
			n->tags[n->n_tags++].s = tag_names[i];
	if (dice_one_in(d, 2)) {
		snprintf(text, sizeof(text), "172.20.%u.0/24", index);
		n->routes[n->n_routes].masquerade = dice_one_in(d, 3);
		n->routes[n->n_routes++].prefix = prefix_of(text);
	}
	if (dice_one_in(d, 3)) {
		snprintf(text, sizeof(text), "fd99:%u::/64", index + 1);
		n->routes[n->n_routes++].prefix = prefix_of(text);
	}
	return 0;
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

		if (!gateway->endpoint.host || dice_one_in(d, 3))
			continue;
		c->node.name = names[i];
		c->node.public_key.b[0] = (uint8_t)(200 + i);
		c->gateway.s = gateway->name;
		m->n_clients++;
	}
	return 0;
}

/* An exit has an endpoint and no exit itself. Whether they are joined is luck, and a network where
 * they are not is refused. */
static void some_exits(struct dice *d, struct m_network *m)
{
	const struct m_node *exit = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];
	size_t i;

	if (!exit->endpoint.host || !dice_one_in(d, 3))
		return;
	for (i = 0; i < m->n_nodes; i++)
		if (&m->nodes[i] != exit && dice_one_in(d, 2))
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

struct m_network *some_network(struct dice *d, struct arena *a)
{
	struct m_network *m = arena_alloc(a, sizeof(*m));
	bool nat = dice_one_in(d, 3);
	uint8_t i;

	if (!m)
		return NULL;
	m->name = "prod";
	m->n_pools = 1 + dice_throw(d, 2);
	m->pools = arena_array(a, 2, sizeof(*m->pools));
	m->nodes = arena_array(a, SOME_MAX_NODES, sizeof(*m->nodes));
	if (!m->pools || !m->nodes)
		return NULL;
	m->pools[0].prefix = prefix_of(dice_one_in(d, 5) ? "fd21::/64" : "10.20.0.0/16");
	m->pools[1].prefix = prefix_of("fd20::/64");
	for (i = 0; i < SOME_MAX_NODES; i++)
		if (!dice_one_in(d, 4) && some_node(d, a, i, nat, &m->nodes[m->n_nodes++]) < 0)
			return NULL;
	if (!m->n_nodes && some_node(d, a, 0, nat, &m->nodes[m->n_nodes++]) < 0)
		return NULL;
	if (some_clients(d, a, m) < 0)
		return NULL;
	some_exits(d, m);
	return some_topology(d, a, m) < 0 || some_policy(d, a, m) < 0 ? NULL : m;
}
