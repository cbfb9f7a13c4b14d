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

/* Its own address, or behind it: then no peer has a longer prefix for it. */
static bool is_at(const struct record *r, const struct config *c, const struct ipaddr *a)
{
	const struct peer *other = longest_match(c, a);
	size_t i, j;

	for (i = 0; i < r->n_addresses; i++) {
		if (!ipaddr_cmp(&r->addresses[i], a))
			return true;
	}
	for (i = 0; i < r->n_routes + r->n_standby; i++) {
		const struct prefix *own =
			i < r->n_routes ? &r->routes[i] : &r->standby[i - r->n_routes].prefix;
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
	bool found = false;
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		found |= prefix_contains_addr(&n->masquerade[i], a);
	for (i = 0; i < n->n_except; i++)
		found &= !prefix_contains_addr(&n->except[i], a);
	return found;
}

struct journey hops_follow(const struct network *n, const struct config *configs, size_t from,
			   const struct ipaddr *source, const struct ipaddr *to)
{
	struct journey j = { .fate = FATE_LOOP };
	size_t at = from, next;

	for (; j.hops <= n->n_nodes; j.hops++, at = next) {
		const struct record *here = network_record(n, n->nodes[at].name), *there;
		const struct peer *peer, *back;

		j.last = here->name;
		if (is_at(here, &configs[at], to)) {
			j.fate = FATE_ARRIVED;
			return j;
		}
		if (at != from && !(n->nodes[at].flags & NODE_FORWARD)) {
			j.fate = FATE_NOT_PASSED_ON;
			return j;
		}
		peer = longest_match(&configs[at], to);
		if (!peer) {
			j.fate = at != from && masquerades(&n->nodes[at], to) ? FATE_OUTSIDE :
										FATE_NO_WAY;
			return j;
		}
		there = network_record(n, peer->name);
		if (!here->endpoint.host && !there->endpoint.host) {
			j.fate = FATE_CANNOT_MEET;
			return j;
		}
		next = (size_t)(network_node(n, peer->name) - n->nodes);
		back = longest_match(&configs[next], source);
		if (!back || strcmp(back->name, here->name) != 0) {
			j.fate = FATE_NOT_TAKEN;
			return j;
		}
	}
	return j;
}
