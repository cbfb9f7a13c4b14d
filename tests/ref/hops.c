/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/hops.h"

/* The peer whose allowed IPs hold the address with the longest prefix, or NULL. */
static const struct peer *longest_match(const struct config *c, const struct ipaddr *a)
{
	const struct peer *best = NULL;
	size_t i, j;
	int len = -1;

	for (i = 0; i < c->n_peers; i++) {
		for (j = 0; j < c->peers[i].n_allowed_ips; j++) {
			const struct prefix *p = &c->peers[i].allowed_ips[j];

			if (p->len > len && prefix_contains_addr(p, a)) {
				best = &c->peers[i];
				len = p->len;
			}
		}
	}
	return best;
}

/* Whether the main routing table leads into the tunnel: what is forwarded for others goes by no
 * other, and so not through the node's own exit. */
static bool is_routed(const struct config *c, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < c->node->n_addresses; i++) {
		struct prefix own = prefix_of_ifaddr(&c->node->addresses[i]);

		if (prefix_contains_addr(&own, a))
			return true;
	}
	for (i = 0; i < c->n_routes; i++) {
		if (prefix_contains_addr(&c->routes[i], a))
			return true;
	}
	return false;
}

static bool has_address(const struct record *r, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < r->n_addresses; i++) {
		if (!ipaddr_cmp(&r->addresses[i], a))
			return true;
	}
	return false;
}

/* The site whose networks are behind the node, or NULL. */
static const struct m_site *led_by(const struct m_network *m, const struct record *r)
{
	size_t i;

	for (i = 0; m && i < m->n_sites; i++) {
		if (!strcmp(m->sites[i].leaders[0].s, r->name))
			return &m->sites[i];
	}
	return NULL;
}

/* Its own address, or behind it: then no peer has a longer prefix for it. */
static bool is_at(const struct m_network *m, const struct record *r, const struct config *c,
		  const struct ipaddr *a)
{
	const struct peer *other = longest_match(c, a);
	const struct m_site *site = led_by(m, r);
	size_t n_site = site ? site->n_routes : 0, i, j;

	if (has_address(r, a))
		return true;
	for (i = 0; i < n_site + r->n_routes + r->n_standby; i++) {
		const struct prefix *own =
			i < n_site		 ? &site->routes[i].prefix :
			i < n_site + r->n_routes ? &r->routes[i - n_site] :
						   &r->standby[i - n_site - r->n_routes].prefix;
		bool longer = false;

		if (!prefix_contains_addr(own, a))
			continue;
		for (j = 0; other && j < other->n_allowed_ips; j++)
			longer |= prefix_contains_addr(&other->allowed_ips[j], a) &&
				  other->allowed_ips[j].len > own->len;
		if (!longer)
			return true;
	}
	return false;
}

/* Whether the node sends on what comes out of the tunnel for this address, under its own. */
static bool masquerades(const struct node *n, const struct ipaddr *a)
{
	static const struct prefix indoors[] = { { 4, 8, { 10 } },	   { 4, 12, { 172, 16 } },
						 { 4, 16, { 192, 168 } },  { 4, 16, { 169, 254 } },
						 { 4, 10, { 100, 64 } },   { 6, 7, { 0xfc } },
						 { 6, 10, { 0xfe, 0x80 } } };
	bool found = false, kept = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(indoors); i++)
		kept |= prefix_contains_addr(&indoors[i], a);
	for (i = 0; i < n->n_masquerade; i++)
		found |= prefix_contains_addr(&n->masquerade[i], a) &&
			 !(kept && !n->masquerade[i].len);
	for (i = 0; i < n->n_except; i++)
		found &= !prefix_contains_addr(&n->except[i], a);
	return found;
}

static const struct config *config_of(const struct network *n, const struct config *configs,
				      const struct record *r)
{
	return &configs[network_node(n, r->name) - n->nodes];
}

/* Where `from` reaches `to` first, or NULL. A client looks from nowhere. */
static const char *sees(const struct network *n, const struct config *configs,
			const struct record *from, const struct record *to)
{
	const struct peer *p;

	if (from->gateway)
		return to->endpoint.host;
	p = config_peer(config_of(n, configs, from), &to->key);
	return p ? p->endpoint.host : NULL;
}

static bool meet(const struct network *n, const struct config *configs, const struct record *a,
		 const struct record *b)
{
	return sees(n, configs, a, b) || sees(n, configs, b, a);
}

/* Whether `there` takes a packet with this source from `here`. */
static bool takes(const struct network *n, const struct config *configs, const struct record *there,
		  const struct record *here, const struct ipaddr *source, const struct ipaddr *to)
{
	const struct peer *back;

	if (there->gateway)
		return !strcmp(there->gateway, here->name) && has_address(there, to);
	back = longest_match(config_of(n, configs, there), source);
	return back && !strcmp(back->name, here->name);
}

struct journey hops_from(const struct m_network *m, const struct network *n,
			 const struct config *configs, const struct record *from,
			 const struct ipaddr *source, const struct ipaddr *to)
{
	struct journey j = { .fate = FATE_LOOP };
	const struct record *at = from, *next;

	for (; j.hops <= n->n_nodes + 2; j.hops++, at = next) {
		const struct config *c = at->gateway ? NULL : config_of(n, configs, at);
		const struct peer *peer;

		j.last = at->name;
		if (c ? is_at(m, at, c, to) : has_address(at, to)) {
			j.fate = FATE_ARRIVED;
			return j;
		}
		if (c && at != from && !(c->node->flags & NODE_FORWARD)) {
			j.fate = FATE_NOT_PASSED_ON;
			return j;
		}
		peer = c && ((at == from && has_address(from, source)) || is_routed(c, to)) ?
			       longest_match(c, to) :
			       NULL;
		if (c && !peer) {
			j.fate = at != from && masquerades(network_node(n, at->name), to) ?
					 FATE_OUTSIDE :
					 FATE_NO_WAY;
			return j;
		}
		next = network_record(n, peer ? peer->name : at->gateway);
		if (!meet(n, configs, at, next)) {
			j.fate = FATE_CANNOT_MEET;
			return j;
		}
		if (!takes(n, configs, next, at, source, to)) {
			j.fate = FATE_NOT_TAKEN;
			return j;
		}
	}
	return j;
}
