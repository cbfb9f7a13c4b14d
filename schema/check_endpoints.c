/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"

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
	size_t i, j, total = 0;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_routes;
	ret->list = check_array(c, total, sizeof(*ret->list));
	if (!ret->list)
		return -1;
	for (i = 0; i < n->n_nodes; i++) {
		for (j = 0; j < n->nodes[i].n_routes; j++) {
			const struct m_route *p = &n->nodes[i].routes[j];
			const char *special = check_inside_special(&p->prefix);

			if (special)
				diag_error(c->d, p->pos, "the route %s is inside %s",
					   prefix_print(&p->prefix, text), special);
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
	/* Loopback is for trying things out on one machine. */
	const char *special = check_special_address(a);
	const struct m_route *own;
	const struct route *other;
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i;

	if (special) {
		diag_error(c->d, pos, "the endpoint of `%s` is in %s", node->name, special);
		return;
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

void check_endpoints(struct check *c)
{
	const struct m_network *n = c->n;
	struct routes routes = { 0 };
	struct reachable *list;
	struct diag_entry *e;
	size_t i, j, k = 0, total = n->n_nodes;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_seen;
	list = check_array(c, total, sizeof(*list));
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
