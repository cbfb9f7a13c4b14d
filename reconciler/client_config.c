/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/client_config.h"

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

int client_allowed_ips(const struct node *gateway, struct arena *a, const struct prefix **ret,
		       size_t *ret_n)
{
	struct prefix *list = arena_array(a, gateway->n_addresses, sizeof(*list));
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < gateway->n_addresses; i++)
		list[i] = prefix_of_ifaddr(&gateway->addresses[i]);
	*ret = list;
	*ret_n = prefix_canonical(list, gateway->n_addresses);
	return 0;
}

int client_config_make(const struct network *n, const char *name, struct ifname interface,
		       struct arena *a, struct client_config *ret, struct err *e)
{
	static const struct client_settings none = { .keepalive = DEFAULT_CLIENT_KEEPALIVE };
	const struct record *own = network_record(n, name),
			    *gateway = own && own->gateway ? network_record(n, own->gateway) : NULL;
	const struct node *node = gateway ? network_node(n, own->gateway) : NULL;
	const struct client_settings *s = own && own->settings ? own->settings : &none;
	struct client_config x = { 0 };

	if (!node)
		return err_set(e, ERR_INPUT, "client %s is not in the compiled network", name);
	x.own = (struct render_client){ .gateway = gateway->name,
					.dns = s->dns,
					.n_dns = s->n_dns };
	x.node.name = own->name;
	x.node.key = own->key;
	x.node.interface = interface;
	x.node.mtu = s->mtu;
	x.gateway.name = gateway->name;
	x.gateway.key = gateway->key;
	x.gateway.endpoint = gateway->endpoint;
	x.gateway.keepalive = s->keepalive;
	x.gateway.allowed_ips = s->allowed_ips;
	x.gateway.n_allowed_ips = s->n_allowed_ips;
	if (make_addresses(own, a, &x.node) < 0 ||
	    (!s->n_allowed_ips &&
	     client_allowed_ips(node, a, &x.gateway.allowed_ips, &x.gateway.n_allowed_ips) < 0))
		return err_nomem(e);
	*ret = x;
	ret->config = (struct config){
		.network = n->name, .node = &ret->node, .peers = &ret->gateway, .n_peers = 1
	};
	return 0;
}
