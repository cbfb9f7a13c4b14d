/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/admit.h"

static bool selects(const struct m_selector *s, const struct m_node *n)
{
	size_t i;

	if (s->kind == SELECT_ALL)
		return true;
	if (s->kind == SELECT_NODE)
		return !strcmp(s->name, n->name);
	for (i = 0; i < n->n_tags; i++) {
		if (!strcmp(n->tags[i].s, s->name))
			return true;
	}
	return false;
}

static bool in_own_part(const struct m_node *n, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < n->n_addresses; i++) {
		struct prefix part = m_addr_prefix(&n->addresses[i]);

		if (n->addresses[i].owned && prefix_contains_addr(&part, a))
			return true;
	}
	return false;
}

static bool names(const struct m_parties *p, const struct ref_end *end)
{
	size_t i;

	if (end->outside) {
		for (i = 0; i < p->n_prefixes; i++) {
			if (!p->prefixes[i].prefix.len &&
			    p->prefixes[i].prefix.family == end->address->family)
				return true;
		}
		return false;
	}
	if (end->behind) {
		for (i = 0; i < p->n_prefixes; i++) {
			if (p->prefixes[i].prefix.len &&
			    prefix_contains_addr(&p->prefixes[i].prefix, end->address))
				return true;
		}
		return false;
	}
	for (i = 0; i < p->nodes.n; i++) {
		if (selects(&p->nodes.list[i], end->node))
			return true;
	}
	/* In the part of a pool that it owns, its own address is like any. */
	for (i = 0; i < p->n_prefixes; i++) {
		if (p->prefixes[i].prefix.len && in_own_part(end->node, end->address) &&
		    prefix_contains_addr(&p->prefixes[i].prefix, end->address))
			return true;
	}
	return false;
}

static bool is_on(const struct service *s, const struct service *packet)
{
	if (s->kind == SERVICE_ANY)
		return true;
	return s->kind == packet->kind && packet->first >= s->first && packet->first <= s->last;
}

bool reference_admits(const struct m_network *m, const struct ref_end *from,
		      const struct ref_end *to, const struct service *packet)
{
	size_t i, j;

	if (!m->n_policy)
		return true;
	for (i = 0; i < m->n_policy; i++) {
		const struct m_rule *r = &m->policy[i];
		bool on = !r->on.n;

		for (j = 0; j < r->on.n; j++)
			on |= is_on(&r->on.list[j].service, packet);
		if (on && names(&r->from, from) && names(&r->to, to))
			return true;
	}
	return false;
}

static bool holds(const struct party *p, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (prefix_contains_addr(&p->prefixes[i], a))
			return true;
	}
	return false;
}

static bool is_for(const struct policy *p, const struct party *to, const struct ipaddr *a,
		   bool leaves)
{
	size_t i;

	if (!to->n || to->prefixes[0].len)
		return holds(to, a);
	for (i = 0; i < p->n_behind; i++) {
		if (prefix_contains_addr(&p->behind[i], a))
			return false;
	}
	return leaves && to->prefixes[0].family == a->family;
}

bool reference_filter(const struct policy *p, const struct ipaddr *from, const struct ipaddr *to,
		      bool leaves, const struct service *packet)
{
	size_t i, j;

	if (!p->guarded)
		return true;
	for (i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		for (j = 0; j < r->n_services; j++) {
			if (is_on(&r->services[j], packet) && holds(r->from, from) &&
			    is_for(p, r->to, to, leaves))
				return true;
		}
	}
	return false;
}
