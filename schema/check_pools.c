/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

void check_pools(struct check *c)
{
	const struct m_network *n = c->n;
	char text[PREFIX_STRLEN], other[PREFIX_STRLEN];
	const char *special;
	size_t i, j;

	for (i = 0; i < n->n_pools; i++) {
		const struct m_prefix *p = &n->pools[i];

		prefix_print(&p->prefix, text);
		special = check_special(&p->prefix);
		if (special)
			diag_error(c->d, p->pos, "the pool %s holds %s", text, special);
		for (j = 0; j < i; j++) {
			const struct m_prefix *q = &n->pools[j];

			if (prefix_cmp(&p->prefix, &q->prefix) &&
			    prefix_overlaps(&p->prefix, &q->prefix))
				diag_other(c->d,
					   diag_error(c->d, p->pos, "the pools %s and %s overlap",
						      text, prefix_print(&q->prefix, other)),
					   q->pos, "the other one");
		}
	}
}

void check_reserved(struct check *c)
{
	const struct m_network *n = c->n;
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i, j;

	for (i = 0; i < n->n_reserved; i++) {
		const struct m_prefix *r = &n->reserved[i];

		for (j = 0; j < n->n_pools && !prefix_contains(&n->pools[j].prefix, &r->prefix);
		     j++)
			;
		if (j < n->n_pools)
			continue;
		e = diag_error(c->d, r->pos, "`%s` is inside none of the network's pools",
			       prefix_print(&r->prefix, text));
		for (j = 0; j < n->n_pools && !prefix_overlaps(&n->pools[j].prefix, &r->prefix);
		     j++)
			;
		if (j < n->n_pools)
			diag_other(c->d, e, n->pools[j].pos, "this pool is a part of it");
		else if (n->n_pools)
			diag_other(c->d, e, n->pools[0].pos, "the pools are given here");
		diag_help(c->d, e, "reserve a part of a pool; what is outside is never handed out");
	}
}

static bool has_ipv6_pool(const struct m_network *n)
{
	size_t i;

	for (i = 0; i < n->n_pools; i++)
		if (n->pools[i].prefix.family == 6)
			return true;
	return false;
}

static bool only_ipv4(const struct m_node *node)
{
	size_t i;

	for (i = 0; i < node->n_addresses; i++)
		if (node->addresses[i].addr.family == 6)
			return false;
	return node->has_addresses;
}

static void check_mtu_value(struct check *c, const struct m_uint *mtu)
{
	struct diag_entry *e;

	if (!mtu->set || mtu->v >= 1280)
		return;
	e = diag_error(c->d, mtu->pos,
		       "an MTU of %llu is too small for IPv6, of which this network has a pool",
		       (unsigned long long)mtu->v);
	diag_help(c->d, e, "IPv6 needs at least 1280 (RFC 8200, section 5)");
}

void check_mtu(struct check *c)
{
	size_t i;

	if (!has_ipv6_pool(c->n))
		return;
	check_mtu_value(c, &c->n->mtu);
	for (i = 0; i < c->n->n_nodes; i++)
		if (!only_ipv4(&c->n->nodes[i]))
			check_mtu_value(c, &c->n->nodes[i].mtu);
	for (i = 0; i < c->n->n_clients; i++)
		if (!only_ipv4(&c->n->clients[i].node))
			check_mtu_value(c, &c->n->clients[i].node.mtu);
}
