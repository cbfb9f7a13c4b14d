/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"

static const struct prefix link_local = { 6, 10, { 0xfe, 0x80 } };

static void tell_overlap(struct diag *d, const struct m_prefix *p, const char *what,
			 const struct m_prefix *other)
{
	char text[PREFIX_STRLEN], with[PREFIX_STRLEN];
	struct diag_entry *e = diag_error(d, p->pos, "the transfer pool %s overlaps with the %s %s",
					  prefix_print(&p->prefix, text), what,
					  prefix_print(&other->prefix, with));

	diag_other(d, e, other->pos, "the other one");
	diag_help(d, e, "transfer networks need addresses that nothing else has");
}

static void check_pool(const struct m_network *n, size_t at, struct diag *d)
{
	const struct m_prefix *p = &n->routed.transfer[at];
	const char *special = check_special(&p->prefix);
	char text[PREFIX_STRLEN];
	size_t i;

	prefix_print(&p->prefix, text);
	if (prefix_overlaps(&p->prefix, &link_local))
		diag_help(d,
			  diag_error(d, p->pos, "the transfer pool %s holds link-local addresses",
				     text),
			  "remove it: `link_local` gives every link the same two");
	else if (special)
		diag_error(d, p->pos, "the transfer pool %s holds %s", text, special);
	if (p->prefix.len == family_bits(p->prefix.family))
		diag_help(d, diag_error(d, p->pos, "the transfer pool %s has one address", text),
			  "a link takes two: a /31 or a /127");
	/* Equal ones were told when they were read. */
	for (i = 0; i < at; i++)
		if (prefix_cmp(&n->routed.transfer[i].prefix, &p->prefix) &&
		    prefix_overlaps(&n->routed.transfer[i].prefix, &p->prefix))
			tell_overlap(d, p, "transfer pool", &n->routed.transfer[i]);
	for (i = 0; i < n->n_pools; i++)
		if (prefix_overlaps(&n->pools[i].prefix, &p->prefix))
			tell_overlap(d, p, "pool", &n->pools[i]);
}

/* A wider route does no harm: the link's own network is more specific. */
static void check_pool_routes(const struct m_route *routes, size_t n, const struct m_prefix *p,
			      struct diag *d)
{
	char text[PREFIX_STRLEN], pool[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct m_route *r = &routes[i];

		if (!prefix_contains(&p->prefix, &r->prefix))
			continue;
		e = diag_error(d, r->pos, "the route %s lies inside the transfer pool %s",
			       prefix_print(&r->prefix, text), prefix_print(&p->prefix, pool));
		diag_other(d, e, p->pos, "the transfer pool");
		diag_help(d, e, "transfer networks need addresses that nothing else has");
	}
}

static void check_endpoint(const struct m_node *node, const struct m_prefix *p, struct diag *d)
{
	char pool[PREFIX_STRLEN];
	struct diag_entry *e;
	struct ipaddr a;

	if (!node->endpoint.host ||
	    ipaddr_parse(node->endpoint.host, strlen(node->endpoint.host), &a) < 0 ||
	    !prefix_contains_addr(&p->prefix, &a))
		return;
	e = diag_error(d, node->endpoint_pos, "the endpoint of `%s` is inside the transfer pool %s",
		       node->name, prefix_print(&p->prefix, pool));
	diag_other(d, e, p->pos, "the transfer pool");
	diag_help(
		d, e,
		"an endpoint is an address outside the tunnel, where the node's UDP ports can be reached");
}

static void tell_port(const struct m_network *n, const struct m_uint *port, const char *whose,
		      struct diag *d)
{
	unsigned int first = n->routed.ports.set ? n->routed.ports.first : DEFAULT_LINK_PORTS_FIRST;
	unsigned int last = n->routed.ports.set ? n->routed.ports.last : DEFAULT_LINK_PORTS_LAST;
	unsigned int v = port->set ? (unsigned int)port->v : DEFAULT_LISTEN_PORT;
	struct diag_entry *e;

	if (v < first || v > last)
		return;
	e = diag_error(d,
		       n->routed.ports.set ? n->routed.ports.pos :
		       port->set	   ? port->pos :
					     n->pos,
		       "the ports %u-%u of routed links hold %u, the listen port of %s", first,
		       last, v, whose);
	if (port->set && n->routed.ports.set)
		diag_other(d, e, port->pos, "the listen port");
	diag_help(d, e, "give `routed_links` other `ports`, or %s another `listen_port`", whose);
}

static void check_ports(const struct m_network *n, struct diag *d)
{
	char whose[MAX_NAME + 3];
	bool inherited = false;
	size_t i;

	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		if (!node->listen_port.set) {
			inherited = true;
			continue;
		}
		snprintf(whose, sizeof(whose), "`%s`", node->name);
		tell_port(n, &node->listen_port, whose, d);
	}
	if (inherited)
		tell_port(n, &n->listen_port, "the network", d);
}

void check_routed_links(struct check *c)
{
	const struct m_network *n = c->n;
	const struct m_routed *r = &n->routed;
	struct diag *d = c->d;
	bool any = false;
	size_t i, j;

	for (i = 0; i < n->n_topology; i++) {
		const struct m_topology *t = &n->topology[i];

		any |= t->interface_per_link;
		if (t->interface_per_link && t->transit_pos.source)
			diag_help(
				d,
				diag_error(
					d, t->transit_pos,
					"`transit` says nothing where there is `interface_per_link`"),
				"remove it: what a hub passes on is for its routing daemon to say");
	}
	for (i = 0; i < r->n_transfer; i++) {
		check_pool(n, i, d);
		for (j = 0; j < n->n_nodes; j++) {
			check_pool_routes(n->nodes[j].routes, n->nodes[j].n_routes, &r->transfer[i],
					  d);
			check_endpoint(&n->nodes[j], &r->transfer[i], d);
		}
		for (j = 0; j < n->n_sites; j++)
			check_pool_routes(n->sites[j].routes, n->sites[j].n_routes, &r->transfer[i],
					  d);
	}
	if (!any)
		return;
	if (!r->link_local && !r->n_transfer)
		diag_help(d,
			  diag_error(
				  d, r->link_local_pos,
				  "routed links would have no address: there is no `transfer` pool "
				  "either"),
			  "add `transfer: [10.99.0.0/16]`, for example");
	check_ports(n, d);
}
