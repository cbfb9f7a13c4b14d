/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check.h"

#include "common/dnsname.h"
#include "common/limits.h"
#include "common/text.h"
#include "schema/check_client.h"
#include "schema/check_site.h"
#include "schema/check_links.h"

/* Comparing a word with 100,000 names takes a tenth of a second. */
#define MAX_SUGGESTIONS 16

struct tagged {
	const char *tag;
	size_t node;
};

struct check {
	const struct m_network *n;
	struct arena *scratch;
	struct diag *d;
	struct tagged *tags; /* sorted by tag, then node */
	size_t n_tags;
	const char **names; /* of all nodes, made when first needed */
	const char **tag_names; /* without repetition */
	size_t n_tag_names;
	unsigned int suggestions;
};

static void *scratch_array(struct check *c, size_t n, size_t size)
{
	void *p = arena_array(c->scratch, n, size);

	if (!p)
		diag_nomem(c->d);
	return p;
}

/* Pools. */

static const struct special {
	struct prefix prefix;
	const char *what;
} specials[] = {
	{ { 4, 8, { 0 } }, "the unspecified addresses 0.0.0.0/8" },
	{ { 4, 8, { 127 } }, "the loopback addresses 127.0.0.0/8" },
	{ { 4, 4, { 224 } }, "the multicast addresses 224.0.0.0/4" },
	{ { 4, 32, { 255, 255, 255, 255 } }, "the broadcast address 255.255.255.255" },
	{ { 6, 127, { 0 } }, "the unspecified and the loopback address" },
	{ { 6, 8, { 0xff } }, "the multicast addresses ff00::/8" },
	{ { 6, 96, { [10] = 0xff, [11] = 0xff } }, "the IPv4-mapped addresses ::ffff:0:0/96" },
};

const char *check_special(const struct prefix *p)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++)
		if (prefix_overlaps(p, &specials[i].prefix))
			return specials[i].what;
	return NULL;
}

static void check_pools(struct check *c)
{
	const struct m_network *n = c->n;
	char text[PREFIX_STRLEN], other[PREFIX_STRLEN];
	size_t i, j;

	for (i = 0; i < n->n_pools; i++) {
		const struct m_prefix *p = &n->pools[i];

		prefix_print(&p->prefix, text);
		if (check_special(&p->prefix))
			diag_error(c->d, p->pos, "the pool %s holds %s", text,
				   check_special(&p->prefix));
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

static void check_reserved(struct check *c)
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

static void check_mtu(struct check *c)
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

static void check_interface(struct check *c)
{
	const struct m_network *n = c->n;
	struct ifname unused;
	struct diag_entry *e;
	size_t i;

	if (n->has_interface || ifname_parse(n->name, strlen(n->name), &unused) == 0)
		return;
	for (i = 0; i < n->n_nodes && n->nodes[i].has_interface; i++)
		;
	if (i && i == n->n_nodes)
		return;
	e = diag_error(c->d, n->pos, "the network's name `%s` cannot be the name of an interface",
		       n->name);
	diag_help(c->d, e,
		  "an interface name has at most 15 characters; add `interface: wg0`, for example");
}

/* Who has a key and addresses: the nodes, then the clients. */
static size_t n_holders(const struct m_network *n)
{
	return n->n_nodes + n->n_clients;
}

static const struct m_node *holder(const struct m_network *n, size_t i)
{
	return i < n->n_nodes ? &n->nodes[i] : &n->clients[i - n->n_nodes].node;
}

/* Keys. */

static int cmp_key(const void *pa, const void *pb)
{
	const struct m_node *a = *(const struct m_node *const *)pa,
			    *b = *(const struct m_node *const *)pb;
	int c = wgkey_cmp(&a->public_key, &b->public_key);

	return c ? c : strcmp(a->name, b->name);
}

static void help_weak(struct check *c, const struct m_node *who, struct diag_entry *e)
{
	if (m_network_client(c->n, who->name))
		diag_help(c->d, e, "make a new one on the device, or with `wg genkey`");
	else
		diag_help(
			c->d, e,
			"make a new one on the node: `wg genkey`, or `meshrc-agent once --network %s --node %s "
			"--print-public-key`",
			c->n->name, who->name);
}

static void check_keys(struct check *c)
{
	const struct m_node **sorted = scratch_array(c, n_holders(c->n), sizeof(*sorted));
	size_t i, n = 0;

	if (!sorted)
		return;
	for (i = 0; i < n_holders(c->n); i++) {
		const struct m_node *node = holder(c->n, i);
		const char *why;

		if (!node->public_key_pos.source)
			continue; /* refused already */
		sorted[n++] = node;
		why = wgkey_weak(&node->public_key);
		if (why)
			help_weak(c, node,
				  diag_error(c->d, node->public_key_pos,
					     "this public key must not be used: %s", why));
	}
	qsort(sorted, n, sizeof(*sorted), cmp_key);
	for (i = 1; i < n; i++) {
		struct diag_entry *e;

		if (wgkey_cmp(&sorted[i - 1]->public_key, &sorted[i]->public_key))
			continue;
		e = diag_error(c->d, sorted[i]->public_key_pos,
			       "`%s` and `%s` have the same public key", sorted[i - 1]->name,
			       sorted[i]->name);
		diag_other(c->d, e, sorted[i - 1]->public_key_pos, "it is given here already");
		diag_help(c->d, e, "every %s needs a key of its own",
			  c->n->n_clients ? "node and client" : "node");
	}
}

/* Addresses. */

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

static void check_addresses(struct check *c)
{
	const struct m_network *n = c->n;
	char text[IPADDR_STRLEN];
	struct pinned *list;
	size_t i, j, total = 0, k = 0;

	for (i = 0; i < n_holders(n); i++)
		total += holder(n, i)->n_addresses;
	list = scratch_array(c, total, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < n_holders(n); i++) {
		const struct m_node *node = holder(n, i);

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

/* Routes and endpoints. */

struct route {
	const struct m_route *prefix;
	const struct m_node *node;
};

struct routes {
	struct route *list; /* sorted by prefix, then name */
	size_t n;
	bool lengths[2][129]; /* which lengths there are, per family */
};

static int cmp_route(const void *pa, const void *pb)
{
	const struct route *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix->prefix, &b->prefix->prefix);

	return c ? c : strcmp(a->node->name, b->node->name);
}

static int collect_routes(struct check *c, struct routes *ret)
{
	const struct m_network *n = c->n;
	char text[PREFIX_STRLEN];
	size_t i, j, k, total = 0;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_routes;
	ret->list = scratch_array(c, total, sizeof(*ret->list));
	if (!ret->list)
		return -1;
	for (i = 0; i < n->n_nodes; i++) {
		for (j = 0; j < n->nodes[i].n_routes; j++) {
			const struct m_route *p = &n->nodes[i].routes[j];

			for (k = 0; k < ARRAY_LEN(specials); k++)
				if (prefix_contains(&specials[k].prefix, &p->prefix))
					diag_error(c->d, p->pos, "the route %s is inside %s",
						   prefix_print(&p->prefix, text),
						   specials[k].what);
			ret->list[ret->n++] = (struct route){ .prefix = p, .node = &n->nodes[i] };
			ret->lengths[p->prefix.family == 6][p->prefix.len] = true;
		}
	}
	qsort(ret->list, ret->n, sizeof(*ret->list), cmp_route);
	return 0;
}

/* The longest route of any node, not of length 0, that holds the address. */
static const struct route *find_route(const struct routes *r, const struct ipaddr *a)
{
	struct ifaddr masked = { .addr = *a };
	unsigned int len;

	for (len = family_bits(a->family); len > 0; len--) {
		struct prefix p;
		size_t lo = 0, hi = r->n;

		if (!r->lengths[a->family == 6][len])
			continue;
		masked.len = (uint8_t)len;
		p = prefix_of_ifaddr(&masked);
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			int cmp = prefix_cmp(&r->list[mid].prefix->prefix, &p);

			if (!cmp)
				return &r->list[mid];
			if (cmp < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
	}
	return NULL;
}

static bool has_route_for(const struct m_node *node, const struct ipaddr *a,
			  const struct m_route **ret)
{
	size_t i;

	for (i = 0; i < node->n_routes; i++) {
		if (node->routes[i].prefix.len &&
		    prefix_contains_addr(&node->routes[i].prefix, a)) {
			*ret = &node->routes[i];
			return true;
		}
	}
	return false;
}

/* A packet to an endpoint must not go through the tunnel that it carries. */
static void check_literal(struct check *c, const struct routes *r, const struct m_node *node,
			  struct pos pos, const struct ipaddr *a)
{
	const struct m_network *n = c->n;
	const struct m_route *own;
	const struct route *other;
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++) {
		/* Loopback is for trying things out on one machine. */
		if (specials[i].prefix.b[0] == 127 ||
		    (a->family == 6 && a->b[15] == 1 && specials[i].prefix.len == 127))
			continue;
		if (prefix_contains_addr(&specials[i].prefix, a)) {
			diag_error(c->d, pos, "the endpoint of `%s` is in %s", node->name,
				   specials[i].what);
			return;
		}
	}
	for (i = 0; i < n->n_pools; i++) {
		if (!prefix_contains_addr(&n->pools[i].prefix, a))
			continue;
		e = diag_error(c->d, pos,
			       "the endpoint of `%s` is inside the network's own pool %s",
			       node->name, prefix_print(&n->pools[i].prefix, text));
		diag_other(c->d, e, n->pools[i].pos, "the pool");
		diag_help(
			c->d, e,
			"an endpoint is an address outside the tunnel, where the node's UDP port can be reached");
		return;
	}
	if (has_route_for(node, a, &own)) {
		e = diag_error(c->d, pos, "the endpoint of `%s` is inside its own route %s",
			       node->name, prefix_print(&own->prefix, text));
		diag_other(c->d, e, own->pos, "the route");
		diag_help(c->d, e,
			  "packets to the endpoint would go into the tunnel that they carry");
		return;
	}
	other = find_route(r, a);
	if (other) {
		e = diag_warn(c->d, pos, "the endpoint of `%s` is inside the route %s of `%s`",
			      node->name, prefix_print(&other->prefix->prefix, text),
			      other->node->name);
		diag_other(c->d, e, other->prefix->pos, "the route");
		diag_help(c->d, e,
			  "whoever is joined with `%s` reaches that endpoint only through it",
			  other->node->name);
	}
}

static uint16_t endpoint_port(const struct m_network *n, const struct m_node *node,
			      const struct endpoint *e)
{
	if (e->port)
		return e->port;
	if (node->listen_port.set)
		return (uint16_t)node->listen_port.v;
	return n->listen_port.set ? (uint16_t)n->listen_port.v : DEFAULT_LISTEN_PORT;
}

/* One endpoint of a node. */
struct reachable {
	const struct m_node *node;
	const char *from; /* the viewpoint, or "" for the default */
	const char *host;
	struct pos pos;
	uint16_t port;
};

static int cmp_reachable(const void *pa, const void *pb)
{
	const struct reachable *a = pa, *b = pb;
	int c = strcmp(a->host, b->host);

	if (!c)
		c = (a->port > b->port) - (a->port < b->port);
	/* At different viewpoints one private address may well be two machines. */
	if (!c)
		c = strcmp(a->from, b->from);
	return c;
}

static int cmp_reachable_nodes(const void *pa, const void *pb)
{
	const struct reachable *a = pa, *b = pb;
	int c = cmp_reachable(a, b);

	return c ? c : strcmp(a->node->name, b->node->name);
}

static void check_endpoint(struct check *c, const struct routes *routes, const struct reachable *r)
{
	struct ipaddr a;

	if (ipaddr_parse(r->host, strlen(r->host), &a) == 0)
		check_literal(c, routes, r->node, r->pos, &a);
}

static void check_endpoints(struct check *c)
{
	const struct m_network *n = c->n;
	struct routes routes = { 0 };
	struct reachable *list;
	struct diag_entry *e;
	size_t i, j, k = 0, total = n->n_nodes;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_seen;
	list = scratch_array(c, total, sizeof(*list));
	if (!list || collect_routes(c, &routes) < 0)
		return;
	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		if (node->endpoint.host) {
			list[k] = (struct reachable){ node, "", node->endpoint.host,
						      node->endpoint_pos,
						      endpoint_port(n, node, &node->endpoint) };
			check_endpoint(c, &routes, &list[k++]);
		}
		for (j = 0; j < node->n_seen; j++) {
			const struct m_seen *s = &node->seen[j];

			list[k] = (struct reachable){ node, s->from, s->endpoint.host, s->pos,
						      endpoint_port(n, node, &s->endpoint) };
			check_endpoint(c, &routes, &list[k++]);
		}
	}
	qsort(list, k, sizeof(*list), cmp_reachable_nodes);
	for (i = 1; i < k; i++) {
		const struct reachable *a = &list[i - 1], *b = &list[i];

		if (cmp_reachable(a, b))
			continue;
		e = diag_warn(c->d, b->pos, "`%s` and `%s` have the same endpoint", a->node->name,
			      b->node->name);
		diag_other(c->d, e, a->pos, "it is given here already");
		diag_help(
			c->d, e,
			"only one of them can be reached there; behind one address they need different ports");
	}
}

/* Topology. */

static int cmp_tagged(const void *pa, const void *pb)
{
	const struct tagged *a = pa, *b = pb;
	int c = strcmp(a->tag, b->tag);

	return c ? c : (a->node > b->node) - (a->node < b->node);
}

static int index_tags(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i, j, total = 0;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_tags;
	c->tags = scratch_array(c, total, sizeof(*c->tags));
	c->tag_names = scratch_array(c, total, sizeof(*c->tag_names));
	if (!c->tags || !c->tag_names)
		return -1;
	for (i = 0; i < n->n_nodes; i++)
		for (j = 0; j < n->nodes[i].n_tags; j++)
			c->tags[c->n_tags++] =
				(struct tagged){ .tag = n->nodes[i].tags[j].s, .node = i };
	qsort(c->tags, c->n_tags, sizeof(*c->tags), cmp_tagged);
	for (i = 0; i < c->n_tags; i++)
		if (!i || strcmp(c->tags[i - 1].tag, c->tags[i].tag))
			c->tag_names[c->n_tag_names++] = c->tags[i].tag;
	return 0;
}

/* The first entry of a tag, or n_tags. */
static size_t find_tag(const struct check *c, const char *tag)
{
	size_t lo = 0, hi = c->n_tags;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(c->tags[mid].tag, tag) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_tags && !strcmp(c->tags[lo].tag, tag) ? lo : c->n_tags;
}

/* Up to two different members of a set of nodes: enough to tell whether it has none, one or more.
 */
struct sample {
	size_t node[2];
	unsigned int n;
	bool unknown; /* a selector of it named nothing, and that was told */
};

static void add_sample(struct sample *s, size_t node)
{
	if (s->n < 2 && !(s->n == 1 && s->node[0] == node))
		s->node[s->n++] = node;
}

static const char *suggest_node(struct check *c, const char *name)
{
	size_t i;

	if (c->suggestions++ >= MAX_SUGGESTIONS)
		return NULL;
	if (!c->names) {
		c->names = scratch_array(c, c->n->n_nodes, sizeof(*c->names));
		for (i = 0; c->names && i < c->n->n_nodes; i++)
			c->names[i] = c->n->nodes[i].name;
	}
	return c->names ? text_suggest(name, c->names, c->n->n_nodes) : NULL;
}

static void unknown_node(struct check *c, const struct m_selector *s)
{
	const struct m_client *client = m_network_client(c->n, s->name);
	struct diag_entry *e = diag_error(c->d, s->pos, "there is no node `%s`", s->name);
	const char *better;

	if (!e)
		return;
	if (client) {
		diag_other(c->d, e, client->node.pos, "this is a client");
		diag_help(c->d, e, "a client is joined with its gateway alone");
		return;
	}
	if (find_tag(c, s->name) < c->n_tags) {
		diag_help(c->d, e, "there is a tag of that name: write tag:%s", s->name);
		return;
	}
	better = suggest_node(c, s->name);
	if (better)
		diag_help(c->d, e, "did you mean `%s`?", better);
}

/* No error: a template may well have a tag for nodes that do not exist yet. */
static void unknown_tag(struct check *c, const char *name, struct pos pos, bool selector)
{
	struct diag_entry *e = diag_warn(c->d, pos, "no node has the tag `%s`", name);
	const char *better;

	if (!e || c->suggestions++ >= MAX_SUGGESTIONS)
		return;
	better = text_suggest(name, c->tag_names, c->n_tag_names);
	if (better)
		diag_help(c->d, e, "did you mean `tag:%s`?", better);
	else if (selector && m_network_node(c->n, name))
		diag_help(c->d, e, "there is a node of that name: write `%s`", name);
}

static void check_viewpoints(struct check *c)
{
	size_t i, j;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i];

		for (j = 0; j < node->n_seen; j++) {
			const struct m_seen *s = &node->seen[j];

			if (!strncmp(s->from, "tag:", 4) && find_tag(c, s->from + 4) == c->n_tags)
				unknown_tag(c, s->from + 4, s->from_pos, false);
		}
	}
}

static void sample_selectors(struct check *c, const struct m_selectors *list, struct sample *ret)
{
	const struct m_node *node;
	size_t i, k;

	ret->unknown |= list->lost;
	for (i = 0; i < list->n; i++) {
		const struct m_selector *s = &list->list[i];

		switch (s->kind) {
		case SELECT_ALL:
			for (k = 0; k < c->n->n_nodes && k < 2; k++)
				add_sample(ret, k);
			break;
		case SELECT_NODE:
			node = m_network_node(c->n, s->name);
			if (node) {
				add_sample(ret, (size_t)(node - c->n->nodes));
			} else {
				unknown_node(c, s);
				ret->unknown = true;
			}
			break;
		case SELECT_TAG:
			k = find_tag(c, s->name);
			if (k == c->n_tags) {
				unknown_tag(c, s->name, s->pos, true);
				ret->unknown = true;
			}
			for (; k < c->n_tags && ret->n < 2 && !strcmp(c->tags[k].tag, s->name); k++)
				add_sample(ret, c->tags[k].node);
			break;
		}
	}
}

static void check_topology(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_topology; i++) {
		const struct m_topology *t = &c->n->topology[i];
		struct sample a = { 0 }, b = { 0 }, both;
		struct diag_entry *e;

		sample_selectors(c, &t->a, &a);
		if (t->kind == TOPOLOGY_MESH)
			b = a;
		else
			sample_selectors(c, &t->b, &b);
		both = a;
		if (b.n > 0)
			add_sample(&both, b.node[0]);
		if (b.n > 1)
			add_sample(&both, b.node[1]);
		if ((a.n && b.n && both.n > 1) || a.unknown || b.unknown || !t->a.n)
			continue;
		e = diag_warn(c->d, t->pos, "this topology entry joins no two nodes");
		diag_help(c->d, e, "remove it, or let it select more nodes");
	}
}

/* Prefixes are judged by the compiler, which knows what is behind whom. */
static void check_parties(struct check *c, const struct m_parties *p)
{
	struct sample unused = { 0 };
	struct m_selectors one = { .n = 1 };
	size_t i;

	for (i = 0; i < p->nodes.n; i++) {
		one.list = &p->nodes.list[i];
		/* Clients too are named here. */
		if (one.list->kind != SELECT_NODE || !m_network_client(c->n, one.list->name))
			sample_selectors(c, &one, &unused);
	}
}

static bool is_given(const struct m_parties *p)
{
	return p->nodes.n || p->n_prefixes || p->nodes.lost;
}

static void check_policy(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	for (i = 0; i < n->n_policy; i++) {
		check_parties(c, &n->policy[i].from);
		check_parties(c, &n->policy[i].to);
	}
	for (i = 0; i < n->n_assertions; i++) {
		const struct m_assertion *a = &n->assertions[i];
		bool positive = is_given(&a->reaches), negative = is_given(&a->never_reaches);

		check_parties(c, &a->from);
		check_parties(c, &a->reaches);
		check_parties(c, &a->never_reaches);
		if (positive && negative)
			diag_help(
				c->d,
				diag_error(
					c->d, a->pos,
					"an assertion has `reaches` or `never_reaches`, not both"),
				"make two of it");
		else if (!positive && !negative)
			diag_help(c->d,
				  diag_error(c->d, a->pos,
					     "an assertion without `reaches` or `never_reaches`"),
				  "add `reaches: [tag:db]`, for example");
	}
}

static int cmp_route_prefix(const void *pa, const void *pb)
{
	const struct m_route *a = *(const struct m_route *const *)pa,
			     *b = *(const struct m_route *const *)pb;

	return prefix_cmp(&a->prefix, &b->prefix);
}

/*
 * A prefix inside a masqueraded one of the same node would be masqueraded with it: the document
 * lists what is, and a packet's destination is looked for there.
 */
static void check_masquerade(struct check *c, const struct m_node *node)
{
	const struct m_route **sorted = scratch_array(c, node->n_routes, sizeof(*sorted)),
			     *wide = NULL;
	char text[PREFIX_STRLEN], wider[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i;

	if (!sorted)
		return;
	for (i = 0; i < node->n_routes; i++)
		sorted[i] = &node->routes[i];
	qsort(sorted, node->n_routes, sizeof(*sorted), cmp_route_prefix);
	/* What lies inside a prefix comes right behind it. */
	for (i = 0; i < node->n_routes; i++) {
		const struct m_route *p = sorted[i];

		if (!wide || !prefix_contains(&wide->prefix, &p->prefix)) {
			wide = p->masquerade ? p : NULL;
			continue;
		}
		if (p->masquerade)
			continue;
		prefix_print(&wide->prefix, wider);
		e = diag_error(
			c->d, p->pos,
			"%s is not masqueraded, and lies inside %s of the same node, which is",
			prefix_print(&p->prefix, text), wider);
		diag_other(c->d, e, wide->pos, "the wider one");
		diag_help(c->d, e, "give both `masquerade: true`, or name the parts of %s apart",
			  wider);
	}
}

static bool any_masquerade(const struct m_node *node)
{
	size_t i;

	for (i = 0; i < node->n_routes; i++)
		if (node->routes[i].masquerade)
			return true;
	return false;
}

/* The default route needs policy routing on every node that uses it: that is an exit node, not a
 * route. */
static void check_routes(struct check *c)
{
	char text[PREFIX_STRLEN];
	size_t i, j;

	for (i = 0; i < c->n->n_nodes; i++)
		for (j = 0; j < c->n->nodes[i].n_routes; j++) {
			const struct m_route *p = &c->n->nodes[i].routes[j];

			if (p->prefix.len)
				continue;
			diag_help(c->d,
				  diag_error(c->d, p->pos, "%s cannot be a route",
					     prefix_print(&p->prefix, text)),
				  "for a way to everything write `exit_node: %s` on the nodes that "
				  "use it; routes are the networks behind this node",
				  c->n->nodes[i].name);
		}
	for (i = 0; i < c->n->n_nodes; i++)
		if (any_masquerade(&c->n->nodes[i]))
			check_masquerade(c, &c->n->nodes[i]);
}

/* Whoever cannot be reached first cannot be the way to others. */
static void check_relays(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i];

		if (!node->relay || node->endpoint.host || node->n_seen)
			continue;
		diag_help(c->d,
			  diag_warn(c->d, node->relay_pos,
				    "`%s` cannot be a relay: it has no endpoint", node->name),
			  "give it an `endpoint`, or remove `relay`");
	}
}

static void exit_needs_endpoint(struct check *c, const struct m_node *node,
				const struct m_node *exit)
{
	struct diag_entry *e = diag_error(c->d, node->exit_node.pos,
					  "`%s` cannot be the exit of `%s`: it has no endpoint",
					  exit->name, node->name);

	diag_other(c->d, e, exit->pos, "`%s` is here", exit->name);
	diag_help(c->d, e, "give `%s` an `endpoint`", exit->name);
}

static void exit_has_exit(struct check *c, const struct m_node *node, const struct m_node *exit)
{
	struct diag_entry *e = diag_error(c->d, node->exit_node.pos,
					  "`%s` cannot be the exit of `%s`: it has an exit itself",
					  exit->name, node->name);

	diag_other(c->d, e, exit->exit_node.pos, "the exit of `%s`", exit->name);
	diag_help(c->d, e, "write `exit_node: %s` here too, or take one of them away",
		  exit->exit_node.s);
}

static void check_exits(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i], *exit;
		const char *name = node->exit_node.s;

		if (!name)
			continue;
		exit = m_network_node(c->n, name);
		if (!exit) {
			struct diag_entry *e = diag_error(c->d, node->exit_node.pos,
							  "there is no node `%s`", name);
			const char *better = e ? suggest_node(c, name) : NULL;

			if (better)
				diag_help(c->d, e, "did you mean `%s`?", better);
		} else if (exit == node) {
			diag_help(c->d,
				  diag_error(c->d, node->exit_node.pos,
					     "`%s` cannot be its own exit", name),
				  "`exit_node` stands on the nodes that send through it");
		} else if (exit->exit_node.s) {
			exit_has_exit(c, node, exit);
		} else if (!exit->endpoint.host && !exit->n_seen) {
			exit_needs_endpoint(c, node, exit);
		}
	}
}

/* Names. */

static void check_servers(struct check *c, const struct m_names *names)
{
	size_t i, j;

	for (i = 0; i < names->n_servers; i++)
		for (j = 0; j < ARRAY_LEN(specials); j++) {
			const struct m_addr *a = &names->servers[i];

			/* A machine may well ask itself. */
			if (specials[j].prefix.b[0] == 127 ||
			    (specials[j].prefix.len == 127 && a->addr.b[15] == 1))
				continue;
			if (prefix_contains_addr(&specials[j].prefix, &a->addr))
				diag_error(c->d, a->pos, "a name server cannot be in %s",
					   specials[j].what);
		}
}

/* NAME.DOMAIN must be a name that every resolver takes. */
static void check_host(struct check *c, const char *name, struct pos pos)
{
	struct diag_entry *e;

	if (dnsname_is_host(name, strlen(name)))
		return;
	e = diag_error(c->d, pos, "`%s` cannot stand before the domain %s", name,
		       c->n->names.domain.s);
	diag_other(c->d, e, c->n->names.domain.pos, "the domain");
	diag_help(c->d, e,
		  "in a host name, no part between dots is empty or begins or ends with '-'");
}

static void check_names(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	check_servers(c, &n->names);
	for (i = 0; n->names.domain.s && i < n->n_clients; i++)
		check_host(c, n->clients[i].node.name, n->clients[i].node.pos);
	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		check_servers(c, &node->names);
		if (n->names.domain.s) {
			check_host(c, node->name, node->pos);
		} else if (node->names.has_servers || node->names.hosts_pos.source) {
			struct pos at = node->names.hosts_pos.source ? node->names.hosts_pos :
					node->names.n_servers	     ? node->names.servers[0].pos :
								       node->pos;

			diag_help(
				c->d,
				diag_error(c->d, at,
					   "`dns` of `%s` has no domain to be for: the network has "
					   "no `dns`",
					   node->name),
				"give the network `dns: {domain: mesh.example.net}`");
		}
	}
}

void schema_check_domains(const struct model *m, struct diag *d)
{
	size_t i, j;

	for (i = 0; i < m->n_networks; i++) {
		const struct m_text *b = &m->networks[i].names.domain;

		for (j = 0; b->s && j < i; j++) {
			const struct m_text *a = &m->networks[j].names.domain;
			struct diag_entry *e;

			if (!a->s || strcmp(a->s, b->s) != 0)
				continue;
			e = diag_error(d, b->pos, "`%s` and `%s` have the same domain %s",
				       m->networks[j].name, m->networks[i].name, b->s);
			diag_other(d, e, a->pos, "it is given here already");
			diag_help(d, e, "give each network a domain of its own, such as `%s.%s`",
				  m->networks[i].name, b->s);
			break;
		}
	}
}

void schema_check(const struct m_network *n, struct arena *scratch, struct diag *d)
{
	struct check c = { .n = n, .scratch = scratch, .d = d };

	check_pools(&c);
	check_reserved(&c);
	check_mtu(&c);
	check_interface(&c);
	check_keys(&c);
	check_addresses(&c);
	check_routes(&c);
	check_endpoints(&c);
	check_relays(&c);
	check_exits(&c);
	check_names(&c);
	if (index_tags(&c) < 0)
		return;
	check_viewpoints(&c);
	check_topology(&c);
	check_sites(n, scratch, d);
	check_policy(&c);
	check_clients(n, scratch, d);
	check_routed_links(n, d);
}
