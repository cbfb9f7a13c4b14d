/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

#include "common/limits.h"
#include "publication/exit.h"
#include "reconciler/exit.h"

static uint64_t setting(const struct m_uint *own, const struct m_uint *network, uint64_t fallback)
{
	return own->set ? own->v : network->set ? network->v : fallback;
}

static uint16_t listen_port(const struct compiler *c, const struct m_node *m)
{
	return (uint16_t)setting(&m->listen_port, &c->m->listen_port, DEFAULT_LISTEN_PORT);
}

/* One without a port is at the node's listen port. */
static struct endpoint with_port(struct endpoint e, uint16_t port)
{
	if (e.host && !e.port)
		e.port = port;
	return e;
}

static int cmp_standby(const void *a, const void *b)
{
	return prefix_cmp(&((const struct standby *)a)->prefix,
			  &((const struct standby *)b)->prefix);
}

/* Which of its site's leaders it is. */
static void fill_leads(const struct compiler *c, const struct m_node *m, struct record *ret)
{
	const struct m_site *s = m->site.s ? m_network_site(c->m, m->site.s) : NULL;
	size_t i;

	for (i = 0; s && i < s->n_leaders && !ret->leads; i++) {
		if (strcmp(s->leaders[i].s, m->name) != 0)
			continue;
		ret->leads = s->name;
		ret->leads_at = (uint8_t)(i + 1);
	}
}

void compile_record(struct compiler *c, const struct m_node *m, const struct allocation *al,
		    struct record *ret)
{
	struct ipaddr *addresses = compiler_get(c, al->n, sizeof(*addresses));
	struct prefix *routes = compiler_get(c, m->n_routes + m->n_addresses, sizeof(*routes));
	struct seen *seen = compiler_get(c, m->n_seen, sizeof(*seen));
	uint16_t port = listen_port(c, m);
	struct standby *standby = compiler_get(c, m->n_routes, sizeof(*standby));
	size_t i, n = 0, n_standby = 0;

	if (c->nomem)
		return;
	for (i = 0; i < al->n; i++)
		addresses[i] = al->addresses[i].addr;
	for (i = 0; i < m->n_routes; i++) {
		const struct m_route *r = &m->routes[i];

		if (order_stands_by(&c->order, r))
			standby[n_standby++] = (struct standby){ r->prefix, (uint16_t)r->metric.v };
		else
			routes[n++] = r->prefix;
	}
	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].owned)
			routes[n++] = m_addr_prefix(&m->addresses[i]);
	if (n_standby > 1)
		qsort(standby, n_standby, sizeof(*standby), cmp_standby);
	*ret = (struct record){
		.name = m->name, .key = m->public_key, .addresses = addresses, .n_addresses = al->n
	};
	ret->routes = routes;
	ret->n_routes = prefix_canonical(routes, n);
	ret->standby = standby;
	ret->n_standby = n_standby;
	ret->endpoint = with_port(m->endpoint, port);
	for (i = 0; i < m->n_seen; i++)
		seen[i] = (struct seen){ m->seen[i].from, with_port(m->seen[i].endpoint, port) };
	ret->seen = seen;
	ret->n_seen = m->n_seen;
	fill_leads(c, m, ret);
}

/* Where its routes go, and what it needs for an exit. */
static void fill_routing(struct compiler *c, const struct m_node *m, struct node *n)
{
	const struct m_uint *table = m->table.set ? &m->table : &c->m->table;

	if (table->set && !table->v)
		n->flags |= NODE_NO_ROUTES;
	if (table->set && table->v && table->v != EXIT_TABLE_MAIN) {
		n->flags |= NODE_HAS_TABLE;
		n->table = (uint32_t)table->v;
	}
	n->exit = m->exit_node.s;
	if (exit_routed(n) && !(n->flags & NODE_HAS_FWMARK)) {
		n->flags |= NODE_HAS_FWMARK;
		n->fwmark = EXIT_MARK;
	}
}

/* What is in a prefix of its own is behind the node, but for its own address. */
static bool owns_any(const struct m_node *m)
{
	size_t i;

	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].owned)
			return true;
	return false;
}

static void fill_interface(struct compiler *c, const struct m_node *m, struct node *n)
{
	uint64_t keepalive = 0;

	if (m->has_interface)
		n->interface = m->interface;
	else if (c->m->has_interface)
		n->interface = c->m->interface;
	else if (ifname_parse(c->m->name, strlen(c->m->name), &n->interface) < 0)
		diag_help(c->diag,
			  diag_error(c->diag, m->pos,
				     "the network's name `%s` is no interface name", c->m->name),
			  "add `interface: NAME` with at most 15 characters to the network");
	n->listen_port = listen_port(c, m);
	n->flags |= NODE_HAS_LISTEN_PORT;
	n->mtu = (uint16_t)setting(&m->mtu, &c->m->mtu, DEFAULT_MTU);
	if (m->persistent_keepalive.set)
		keepalive = m->persistent_keepalive.v;
	else if (!m->endpoint.host && c->m->persistent_keepalive.set)
		keepalive = c->m->persistent_keepalive.v;
	if (keepalive) {
		n->keepalive = (uint16_t)keepalive;
		n->flags |= NODE_HAS_KEEPALIVE;
	}
	if (m->fwmark.set && m->fwmark.v) {
		n->fwmark = (uint32_t)m->fwmark.v;
		n->flags |= NODE_HAS_FWMARK;
	}
}

static void fill_links(struct compiler *c, size_t index, struct node *n)
{
	const struct m_node *m = &c->m->nodes[index];
	struct link_set *links = &c->links[index];

	n->from = viewpoints_of(&c->views, index, &n->n_from);
	c->nomem |= !n->from;
	link_set_unique(links);
	n->links = links->list;
	n->n_links = links->n;
	if (c->too_many[index] || n->n_links > MAX_LINKS)
		diag_help(c->diag,
			  diag_error(c->diag, m->pos,
				     "node `%s` has more links than the %d that are possible",
				     m->name, MAX_LINKS),
			  "join groups (`tag:NAME`) rather than single nodes");
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static const struct m_site *led_site(const struct compiler *c, size_t node)
{
	uint32_t led = c->sites.led[node];

	return led ? c->sites.list[led - 1].m : NULL;
}

/* What the node does for the networks behind it, and at the site that it leads. */
static void fill_gateway(struct compiler *c, const struct m_node *m, const struct m_site *site,
			 struct node *n)
{
	size_t i, k = 0, n_standby = 0, n_site = site ? site->n_routes : 0;
	struct prefix *list = compiler_get(c, m->n_routes + n_site, sizeof(*list)),
		      *standby = compiler_get(c, m->n_routes, sizeof(*standby));

	if (!list || !standby || !(m->n_routes + n_site))
		return;
	n->flags |= NODE_FORWARD;
	for (i = 0; i < n_site; i++)
		if (site->routes[i].masquerade)
			list[k++] = site->routes[i].prefix;
	for (i = 0; i < m->n_routes; i++) {
		if (m->routes[i].masquerade)
			list[k++] = m->routes[i].prefix;
		if (order_stands_by(&c->order, &m->routes[i]))
			standby[n_standby++] = m->routes[i].prefix;
	}
	n->masquerade = list;
	n->n_masquerade = prefix_canonical(list, k);
	if (n_standby > 1)
		qsort(standby, n_standby, sizeof(*standby), cmp_prefixes);
	n->standby = standby;
	n->n_standby = n_standby;
}

/* Names under the domain, and who is asked for them. */
static void fill_names(struct compiler *c, const struct m_node *m, struct node *n)
{
	const struct m_names *all = &c->m->names, *names = m->names.has_servers ? &m->names : all;
	struct ipaddr *servers;
	size_t i;

	if (!all->domain.s)
		return;
	n->domain = all->domain.s;
	if (!(m->names.hosts_pos.source ? m->names.hosts : all->hosts))
		n->flags |= NODE_NO_HOSTS;
	servers = compiler_get(c, names->n_servers, sizeof(*servers));
	if (!servers)
		return;
	for (i = 0; i < names->n_servers; i++)
		servers[i] = names->servers[i].addr;
	n->nameservers = servers;
	n->n_nameservers = names->n_servers;
}

void compile_node(struct compiler *c, size_t index, const struct allocation *al, struct node *ret)
{
	const struct m_node *m = &c->m->nodes[index];
	const struct m_site *site = led_site(c, index);
	struct node n = { .name = m->name,
			  .key = m->public_key,
			  .addresses = al->addresses,
			  .n_addresses = al->n };

	fill_interface(c, m, &n);
	fill_routing(c, m, &n);
	fill_links(c, index, &n);
	if (c->forward[index] || owns_any(m))
		n.flags |= NODE_FORWARD;
	fill_gateway(c, m, site, &n);
	if ((c->is_exit[index] && exit_fill(m, c->arena, &n) < 0) ||
	    (site && exit_fill_site(site, c->is_exit[index], c->m->n_policy > 0, c->arena, &n) < 0))
		c->nomem = true;
	fill_names(c, m, &n);
	*ret = n;
}
