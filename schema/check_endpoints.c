/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"

/* One endpoint of a node. */
struct reachable {
	const struct m_node *node;
	const char *from; /* the viewpoint, or "" for the default */
	const char *host;
	struct pos pos;
	uint16_t port;
};

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

/* Who is at a site reaches its networks without a tunnel; check_sites sees to its own nodes. */
static bool at_site(const struct behind *b, const struct reachable *at)
{
	if (!b->site)
		return false;
	if (!strncmp(at->from, "site:", 5) && !strcmp(at->from + 5, b->site->name))
		return true;
	return at->node->site.s && !strcmp(at->node->site.s, b->site->name);
}

/* A packet to an endpoint must not go through the tunnel that it carries. */
static void check_literal(struct check *c, const struct reachable *at, const struct ipaddr *a)
{
	const struct m_network *n = c->n;
	const struct m_node *node = at->node;
	struct pos pos = at->pos;
	/* Loopback is for trying things out on one machine. */
	const char *special = check_special_address(a);
	const struct m_route *own;
	const struct behind *other;
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
	other = check_find_route(c, a);
	if (other && !at_site(other, at)) {
		e = diag_warn(c->d, pos, "the endpoint of `%s` is inside the route %s of `%s`",
			      node->name, prefix_print(&other->route->prefix, text),
			      check_owner(other));
		diag_other(c->d, e, other->route->pos, "the route");
		diag_help(c->d, e,
			  "whoever is joined with `%s` reaches that endpoint only through it",
			  check_owner(other));
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

static void check_endpoint(struct check *c, const struct reachable *r)
{
	struct ipaddr a;

	if (ipaddr_parse(r->host, strlen(r->host), &a) == 0)
		check_literal(c, r, &a);
}

void check_endpoints(struct check *c)
{
	const struct m_network *n = c->n;
	struct reachable *list;
	struct diag_entry *e;
	size_t i, j, k = 0, total = n->n_nodes;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_seen;
	list = check_array(c, total, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		if (node->endpoint.host) {
			list[k] = (struct reachable){ node, "", node->endpoint.host,
						      node->endpoint_pos,
						      endpoint_port(n, node, &node->endpoint) };
			check_endpoint(c, &list[k++]);
		}
		for (j = 0; j < node->n_seen; j++) {
			const struct m_seen *s = &node->seen[j];

			list[k] = (struct reachable){ node, s->from, s->endpoint.host, s->pos,
						      endpoint_port(n, node, &s->endpoint) };
			check_endpoint(c, &list[k++]);
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
