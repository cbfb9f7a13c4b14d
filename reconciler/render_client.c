/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/render_client.h"

static int make_addresses(const struct record *r, struct arena *a, struct node *ret)
{
	struct ifaddr *list = arena_array(a, r->n_addresses, sizeof(*list));
	size_t i;

	for (i = 0; list && i < r->n_addresses; i++)
		list[i] = (struct ifaddr){ r->addresses[i],
					   (uint8_t)family_bits(r->addresses[i].family) };
	ret->addresses = list;
	ret->n_addresses = r->n_addresses;
	return list ? 0 : -1;
}

static int make_allowed_ips(const struct m_network *m, const struct m_client *c, struct arena *a,
			    struct peer *ret)
{
	const struct m_prefix *from = c->n_allowed_ips ? c->allowed_ips : m->pools;
	size_t n = c->n_allowed_ips ? c->n_allowed_ips : m->n_pools, i;
	struct prefix *list = arena_array(a, n, sizeof(*list));

	if (!list)
		return -1;
	for (i = 0; i < n; i++)
		list[i] = from[i].prefix;
	ret->n_allowed_ips = prefix_canonical(list, n);
	ret->allowed_ips = list;
	return 0;
}

static int make_dns(const struct m_client *c, struct arena *a, struct render_client *ret)
{
	const char **list = arena_array(a, c->n_dns, sizeof(*list));
	char text[IPADDR_STRLEN];
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < c->n_dns; i++) {
		const struct m_dns *d = &c->dns[i];

		list[i] = d->domain ? d->domain : arena_strdup(a, ipaddr_print(&d->addr, text));
		if (!list[i])
			return -1;
	}
	ret->dns = list;
	ret->n_dns = c->n_dns;
	return 0;
}

static struct ifname interface_of(const struct m_network *m)
{
	struct ifname name = { "wg0" };

	if (m->has_interface)
		return m->interface;
	/* A network of a longer name names the interfaces of its nodes one by one. */
	(void)!ifname_parse(m->name, strlen(m->name), &name);
	return name;
}

int client_config_make(const struct m_network *m, const struct network *n, const struct m_client *c,
		       struct arena *a, struct client_config *ret, struct err *e)
{
	const struct record *own = network_record(n, c->node.name),
			    *gateway = network_record(n, c->gateway.s);
	struct client_config x = { .own = { .gateway = c->gateway.s } };

	if (!own || !gateway)
		return err_set(e, ERR_INPUT, "client %s is not in the compiled network",
			       c->node.name);
	x.node.name = own->name;
	x.node.key = own->key;
	x.node.interface = interface_of(m);
	x.node.mtu = (uint16_t)(c->node.mtu.set ? c->node.mtu.v : m->mtu.set ? m->mtu.v : 0);
	x.gateway.name = gateway->name;
	x.gateway.key = gateway->key;
	x.gateway.endpoint = gateway->endpoint;
	x.gateway.keepalive =
		(uint16_t)(c->node.persistent_keepalive.set ? c->node.persistent_keepalive.v :
			   m->persistent_keepalive.set	    ? m->persistent_keepalive.v :
							      DEFAULT_CLIENT_KEEPALIVE);
	if (make_addresses(own, a, &x.node) < 0 || make_allowed_ips(m, c, a, &x.gateway) < 0 ||
	    make_dns(c, a, &x.own) < 0)
		return err_nomem(e);
	*ret = x;
	ret->config = (struct config){
		.network = m->name, .node = &ret->node, .peers = &ret->gateway, .n_peers = 1
	};
	return 0;
}

int client_config_render(const struct client_config *c, enum render_format format, bool bare,
			 struct buf *out, struct err *e)
{
	struct render_client own = c->own;

	own.bare = bare;
	return render_for(&c->config, &own, format, out, e);
}
