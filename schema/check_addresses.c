/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"

struct pinned {
	const struct m_addr *addr;
	const struct m_node *node;
};

static int cmp_pinned(const void *pa, const void *pb)
{
	const struct pinned *a = pa, *b = pb;
	int c = ipaddr_cmp(&a->addr->addr, &b->addr->addr);

	return c ? c : strcmp(a->node->name, b->node->name);
}

/* The first address of a pool means the network (RFC 4291, 2.6.1 for IPv6), the last of an IPv4 one
 * all of it. */
static const char *reserved(const struct prefix *pool, const struct ipaddr *a)
{
	struct prefix edge = prefix_of_addr(a);
	unsigned int bit;

	if (family_bits(pool->family) - pool->len < 2)
		return NULL;
	if (!memcmp(edge.b, pool->b, sizeof(edge.b)))
		return "the first address of a pool means the network itself";
	if (pool->family != 4)
		return NULL;
	for (bit = pool->len; bit < 32; bit++)
		if (!(edge.b[bit / 8] & 0x80 >> bit % 8))
			return NULL;
	return "the last address of an IPv4 pool is its broadcast address";
}

/* A prefix that is written as wg-quick has it: with the length of the network. */
static void check_owned(struct check *c, const struct m_addr *a, const struct m_prefix *pool)
{
	struct ifaddr own = { a->addr, a->owned };
	char text[PREFIX_STRLEN], whole[PREFIX_STRLEN];
	struct diag_entry *e;

	if (!a->owned || a->owned > pool->prefix.len)
		return;
	e = diag_error(c->d, a->pos, "`%s` would own %s the pool %s", ifaddr_print(&own, text),
		       a->owned == pool->prefix.len ? "all of" : "more than",
		       prefix_print(&pool->prefix, whole));
	diag_other(c->d, e, pool->pos, "the pool");
	diag_help(c->d, e,
		  "write %s for the address alone, which the interface gets with the length of the "
		  "pool; a prefix that a node owns is a part of a pool",
		  ipaddr_print(&a->addr, text));
}

static void check_in_pools(struct check *c, const struct m_addr *a)
{
	char text[PREFIX_STRLEN];
	struct prefix own = m_addr_prefix(a);
	const char *why;
	struct diag_entry *e;
	size_t i;

	for (i = 0; i < c->n->n_pools; i++) {
		if (!prefix_contains_addr(&c->n->pools[i].prefix, &a->addr))
			continue;
		why = reserved(&c->n->pools[i].prefix, &a->addr);
		if (why) {
			e = diag_error(c->d, a->pos, "`%s` cannot be a node's address: %s",
				       ipaddr_print(&a->addr, text), why);
			diag_other(c->d, e, c->n->pools[i].pos, "the pool");
		}
		check_owned(c, a, &c->n->pools[i]);
		return;
	}
	/* It may be in one that was refused, or forgotten as a whole. */
	if (c->n->pools_lost || !c->n->n_pools)
		return;
	e = diag_error(c->d, a->pos, "`%s` is in none of the network's pools",
		       a->owned ? prefix_print(&own, text) : ipaddr_print(&a->addr, text));
	diag_other(c->d, e, c->n->pools[0].pos, "the pools are given here");
	diag_help(c->d, e,
		  "choose an address in a pool, or add a pool to the network's `addresses`");
}

static int cmp_owned(const void *pa, const void *pb)
{
	const struct pinned *a = pa, *b = pb;
	struct prefix p = m_addr_prefix(a->addr), q = m_addr_prefix(b->addr);
	int c = prefix_cmp(&p, &q);

	return c ? c : strcmp(a->node->name, b->node->name);
}

/* One prefix has one owner; one inside another's is fine, since the longest wins. */
static void check_owners(struct check *c, struct pinned *list, size_t n)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (list[i].addr->owned)
			list[k++] = list[i];
	if (k > 1)
		qsort(list, k, sizeof(*list), cmp_owned);
	for (i = 1; i < k; i++) {
		struct prefix p = m_addr_prefix(list[i].addr), q = m_addr_prefix(list[i - 1].addr);

		if (prefix_cmp(&p, &q) || list[i].node == list[i - 1].node)
			continue;
		e = diag_error(c->d, list[i].addr->pos, "`%s` and `%s` both own %s",
			       list[i - 1].node->name, list[i].node->name, prefix_print(&p, text));
		diag_other(c->d, e, list[i - 1].addr->pos, "it is given here already");
		diag_help(
			c->d, e,
			"WireGuard sends a prefix to one peer only: give one of them another, or a longer one, which wins");
	}
}

/* A record has room for so many prefixes. */
static void check_count(struct check *c, const struct m_node *node)
{
	size_t i, n = node->n_routes;

	for (i = 0; i < node->n_addresses; i++)
		n += node->addresses[i].owned != 0;
	if (n > MAX_ROUTES)
		diag_error(c->d, node->pos,
			   "`%s` has %zu routes and prefixes of its own; at most %d are accepted",
			   node->name, n, MAX_ROUTES);
}

void check_addresses(struct check *c)
{
	const struct m_network *n = c->n;
	char text[IPADDR_STRLEN];
	struct pinned *list;
	size_t i, j, total = 0, k = 0;

	for (i = 0; i < check_n_holders(n); i++)
		total += check_holder(n, i)->n_addresses;
	list = check_array(c, total, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < check_n_holders(n); i++) {
		const struct m_node *node = check_holder(n, i);

		for (j = 0; j < node->n_addresses; j++) {
			list[k] = (struct pinned){ .addr = &node->addresses[j], .node = node };
			check_in_pools(c, list[k++].addr);
		}
		check_count(c, node);
	}
	qsort(list, total, sizeof(*list), cmp_pinned);
	for (i = 1; i < total; i++) {
		struct diag_entry *e;

		if (ipaddr_cmp(&list[i - 1].addr->addr, &list[i].addr->addr))
			continue;
		e = diag_error(c->d, list[i].addr->pos, "`%s` and `%s` have the same address %s",
			       list[i - 1].node->name, list[i].node->name,
			       ipaddr_print(&list[i].addr->addr, text));
		diag_other(c->d, e, list[i - 1].addr->pos, "it is given here already");
		if (list[i].addr->owned || list[i - 1].addr->owned)
			diag_help(
				c->d, e,
				"of a prefix, the interface gets the first address behind the prefix's own; write another one "
				"before the length, as in 10.20.4.2/24");
	}
	check_owners(c, list, total);
}
