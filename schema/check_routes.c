/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

/* What is shorter is a way to nearly everything. */
#define MIN_ROUTE_LEN 4

const char *check_owner(const struct behind *b)
{
	return b->node ? b->node->name : b->site->name;
}

static int cmp_behind(const void *pa, const void *pb)
{
	const struct behind *a = pa, *b = pb;
	int c = prefix_cmp(&a->route->prefix, &b->route->prefix);

	if (!c)
		c = strcmp(check_owner(a), check_owner(b));
	return c ? c : (a->node != NULL) - (b->node != NULL);
}

static void add_behind(struct check *c, const struct m_route *routes, size_t n,
		       const struct m_node *node, const struct m_site *site)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct prefix *p = &routes[i].prefix;

		c->behind[c->n_behind++] = (struct behind){ &routes[i], node, site };
		c->lengths[p->family == 6][p->len] = true;
	}
}

static int collect(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i, total = 0;

	for (i = 0; i < n->n_nodes; i++)
		total += n->nodes[i].n_routes;
	for (i = 0; i < n->n_sites; i++)
		total += n->sites[i].n_routes;
	c->behind = check_array(c, total, sizeof(*c->behind));
	if (!c->behind)
		return -1;
	for (i = 0; i < n->n_nodes; i++)
		add_behind(c, n->nodes[i].routes, n->nodes[i].n_routes, &n->nodes[i], NULL);
	for (i = 0; i < n->n_sites; i++)
		add_behind(c, n->sites[i].routes, n->sites[i].n_routes, NULL, &n->sites[i]);
	if (total > 1)
		qsort(c->behind, total, sizeof(*c->behind), cmp_behind);
	return 0;
}

const struct behind *check_find_route(const struct check *c, const struct ipaddr *a)
{
	struct ifaddr masked = { .addr = *a };
	unsigned int len;

	for (len = family_bits(a->family); len > 0; len--) {
		struct prefix p;
		size_t lo = 0, hi = c->n_behind;

		if (!c->lengths[a->family == 6][len])
			continue;
		masked.len = (uint8_t)len;
		p = prefix_of_ifaddr(&masked);
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			int cmp = prefix_cmp(&c->behind[mid].route->prefix, &p);

			if (!cmp)
				return &c->behind[mid];
			if (cmp < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
	}
	return NULL;
}

static int cmp_route_prefix(const void *pa, const void *pb)
{
	const struct m_route *a = *(const struct m_route *const *)pa,
			     *b = *(const struct m_route *const *)pb;

	return prefix_cmp(&a->prefix, &b->prefix);
}

/*
 * A prefix inside a masqueraded one of the same node would be masqueraded with it: the document
 * lists what is, and a packet's destination is looked for there. `site`: what the node carries
 * besides, or NULL.
 */
static void check_masquerade(struct check *c, const struct m_route *routes, size_t n,
			     const struct m_site *site)
{
	size_t n_site = site ? site->n_routes : 0, i;
	const struct m_route **sorted, *wide = NULL;
	char text[PREFIX_STRLEN], wider[PREFIX_STRLEN];
	struct diag_entry *e;

	sorted = check_array(c, n + n_site, sizeof(*sorted));
	if (!sorted)
		return;
	for (i = 0; i < n; i++)
		sorted[i] = &routes[i];
	for (i = 0; i < n_site; i++)
		sorted[n + i] = &site->routes[i];
	if (n + n_site > 1)
		qsort(sorted, n + n_site, sizeof(*sorted), cmp_route_prefix);
	/* What lies inside a prefix comes right behind it. */
	for (i = 0; i < n + n_site; i++) {
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

/* What a node carries alone; and once for each site, which its first leader carries with its own.
 */
static void check_masquerades(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];
		const struct m_site *s = node->site.s ? m_network_site(n, node->site.s) : NULL;

		if (!s || !s->n_leaders || strcmp(s->leaders[0].s, node->name) != 0)
			check_masquerade(c, node->routes, node->n_routes, NULL);
		else
			check_masquerade(c, node->routes, node->n_routes, s);
	}
}

/* The default route needs policy routing on every node that uses it: that is an exit node, not a
 * route. */
static void not_a_route(struct check *c, const struct behind *b)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e = diag_error(c->d, b->route->pos, "%s cannot be a route",
					  prefix_print(&b->route->prefix, text));

	if (b->node)
		diag_help(c->d, e,
			  "for a way to everything write `exit_node: %s` on the nodes that "
			  "use it; routes are the networks behind this node",
			  b->node->name);
	else
		diag_help(c->d, e, "name the networks at the site");
}

static void check_route(struct check *c, const struct behind *b)
{
	const struct prefix *p = &b->route->prefix;
	const char *special = check_inside_special(p);
	char text[PREFIX_STRLEN];

	if (b->site && b->route->metric.set)
		diag_help(c->d,
			  diag_error(c->d, b->route->metric.pos,
				     "a route of a site has no `metric`"),
			  "the order of the `leaders` says who comes first");
	if (special)
		diag_error(c->d, b->route->pos, "the route %s is inside %s", prefix_print(p, text),
			   special);
	else if (p->len < MIN_ROUTE_LEN)
		not_a_route(c, b);
	else if (p->len < 8 && (special = check_special(p)))
		diag_error(c->d, b->route->pos, "the route %s holds %s", prefix_print(p, text),
			   special);
}

/* Whoever gets an address there later is reached all the same, the others are not. */
static void check_pool_route(struct check *c, const struct behind *b)
{
	const struct prefix *p = &b->route->prefix;
	const struct m_network *n = c->n;
	char text[PREFIX_STRLEN], pool[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i, j;

	for (i = 0; i < n->n_pools; i++) {
		if (!prefix_contains(&n->pools[i].prefix, p))
			continue;
		for (j = 0; j < n->n_reserved; j++)
			if (prefix_contains(&n->reserved[j].prefix, p))
				return;
		e = diag_warn(c->d, b->route->pos,
			      "the route %s is inside the pool %s: nodes get addresses there too",
			      prefix_print(p, text), prefix_print(&n->pools[i].prefix, pool));
		diag_other(c->d, e, n->pools[i].pos, "the pool");
		diag_help(c->d, e,
			  "add %s to `reserved`, or make it the node's own under `addresses`",
			  text);
		return;
	}
}

static void check_shared(struct check *c, const struct behind *a, const struct behind *b)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e;

	if (prefix_cmp(&a->route->prefix, &b->route->prefix) || (a->node && b->node) ||
	    a->site == b->site)
		return;
	prefix_print(&b->route->prefix, text);
	if (a->site && b->site)
		e = diag_error(c->d, b->route->pos, "the sites `%s` and `%s` both have %s",
			       a->site->name, b->site->name, text);
	else
		e = diag_error(c->d, b->route->pos, "the site `%s` and the node `%s` both have %s",
			       a->site ? a->site->name : b->site->name,
			       a->node ? a->node->name : b->node->name, text);
	diag_other(c->d, e, a->route->pos, "it is given here already");
	diag_help(
		c->d, e,
		"WireGuard sends a prefix to one peer only: renumber one of them, or name a longer one, which wins");
}

void check_routes(struct check *c)
{
	size_t i;

	if (collect(c) < 0)
		return;
	for (i = 0; i < c->n_behind; i++) {
		check_route(c, &c->behind[i]);
		check_pool_route(c, &c->behind[i]);
		if (i)
			check_shared(c, &c->behind[i - 1], &c->behind[i]);
	}
	check_masquerades(c);
}
