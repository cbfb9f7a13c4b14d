/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

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
	const struct m_route **sorted = check_array(c, node->n_routes, sizeof(*sorted)),
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
void check_routes(struct check *c)
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
