/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "reconciler/render.h"

/* A failed allocation is NULL, which json_pack refuses. */

static json_t *json_unsigned(bool set, uint32_t v)
{
	return set ? json_integer(v) : json_null();
}

static json_t *json_peer(const struct peer *p)
{
	char key[KEY_STRLEN], endpoint[ENDPOINT_STRLEN], text[PREFIX_STRLEN];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < p->n_allowed_ips; i++) {
		if (json_array_append_new(list, json_string(prefix_print(&p->allowed_ips[i],
									 text))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", p->name, "public_key",
			 wgkey_print(&p->key, key), "allowed_ips", list, "endpoint",
			 p->endpoint.host ? json_string(endpoint_print(&p->endpoint, endpoint)) :
					    json_null(),
			 "persistent_keepalive", json_unsigned(p->keepalive != 0, p->keepalive));
}

static int append(const char *data, size_t len, void *arg)
{
	buf_add(arg, data, len);
	return buf_ok(arg) ? 0 : -1;
}

/* "client" in place of "node", and what only a client has. */
static int add_client(json_t *top, const struct config *c, const struct render_client *client)
{
	json_t *dns = json_array();
	size_t i;
	int r = 0;

	for (i = 0; i < client->n_dns; i++)
		r |= json_array_append_new(dns, json_string(client->dns[i]));
	r |= json_object_set_new(top, "client", json_string(c->node->name));
	r |= json_object_set_new(top, "gateway", json_string(client->gateway));
	return r | json_object_set_new(top, "dns", dns);
}

static int set_prefixes(json_t *top, const char *key, const struct prefix *p, size_t n)
{
	json_t *list = json_array();
	char text[PREFIX_STRLEN];
	size_t i;
	int r = 0;

	for (i = 0; i < n; i++)
		r |= json_array_append_new(list, json_string(prefix_print(&p[i], text)));
	return json_object_set_new(top, key, list) < 0 || r < 0 ? -1 : 0;
}

static json_t *json_prefixes(const struct party *p)
{
	json_t *list = json_array();
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (json_array_append_new(list, json_string(prefix_print(&p->prefixes[i], text))) <
		    0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *json_rule(const struct policy_rule *rule)
{
	json_t *on = json_array();
	char text[SERVICE_STRLEN];
	size_t i;

	for (i = 0; i < rule->n_services; i++) {
		if (json_array_append_new(on, json_string(service_print(&rule->services[i],
									text))) < 0) {
			json_decref(on);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "from", rule->from->name, "to", rule->to->name,
			 "on", on, "destinations", json_prefixes(rule->to));
}

/* Only of a node that has a policy. Sources that several rules name are listed once. */
static int add_policy(const struct policy *p, json_t *top)
{
	json_t *sources = json_object(), *rules = json_array();
	size_t i;
	int r = 0;

	for (i = 0; i < p->n_sources; i++)
		r |= json_object_set_new(sources, p->sources[i].name,
					 json_prefixes(&p->sources[i]));
	for (i = 0; i < p->n_rules; i++)
		r |= json_array_append_new(rules, json_rule(&p->rules[i]));
	return json_object_set_new(top, "policy",
				   json_pack("{s:o, s:o}", "sources", sources, "rules", rules)) <
				       0 ||
			       r < 0 ?
		       -1 :
		       0;
}

/* Only of a node whose names have a domain. */
static int add_names(const struct node *n, json_t *top)
{
	json_t *servers = json_array();
	char text[IPADDR_STRLEN];
	size_t i;
	int r = 0;

	for (i = 0; i < n->n_nameservers; i++)
		r |= json_array_append_new(servers,
					   json_string(ipaddr_print(&n->nameservers[i], text)));
	if (json_object_set_new(top, "dns",
				json_pack("{s:s, s:o, s:o}", "domain", n->domain, "servers",
					  servers, "hosts",
					  n->flags & NODE_NO_HOSTS ? json_false() : json_true())) <
	    0)
		return -1;
	return r;
}

/* Only of a node that carries traffic for others. */
static int add_gateway(const struct node *n, json_t *top)
{
	int r = json_object_set_new(top, "forward", json_true());

	r |= set_prefixes(top, "masquerade", n->masquerade, n->n_masquerade);
	if (n->n_except)
		r |= set_prefixes(top, "except", n->except, n->n_except);
	if (n->n_standby)
		r |= set_prefixes(top, "standby", n->standby, n->n_standby);
	return r;
}

/* One interface; NULL when memory runs out. */
static json_t *json_interface(const struct config *c, const struct render_client *client)
{
	const struct node *n = c->node;
	json_t *addresses = json_array(), *peers = json_array(), *top;
	char text[PREFIX_STRLEN];
	size_t i;
	int r = 0;

	for (i = 0; i < n->n_addresses; i++)
		r |= json_array_append_new(addresses,
					   json_string(ifaddr_print(&n->addresses[i], text)));
	for (i = 0; i < c->n_peers; i++)
		r |= json_array_append_new(peers, json_peer(&c->peers[i]));
	top = json_pack("{s:s, s:s*, s:s, s:o, s:o, s:o, s:o, s:o}", "network", c->network, "node",
			client ? NULL : n->name, "interface", n->interface.s, "listen_port",
			json_unsigned(n->flags & NODE_HAS_LISTEN_PORT, n->listen_port), "mtu",
			json_unsigned(n->mtu != 0, n->mtu), "fwmark",
			json_unsigned(n->flags & NODE_HAS_FWMARK, n->fwmark), "addresses",
			addresses, "peers", peers);
	if (top && client)
		r |= add_client(top, c, client);
	if (top && n->exit)
		r |= json_object_set_new(top, "exit_node", json_string(n->exit));
	if (top && n->flags & NODE_HAS_TABLE)
		r |= json_object_set_new(top, "table", json_integer(n->table));
	if (top && n->flags & NODE_NO_ROUTES)
		r |= json_object_set_new(top, "table", json_string("off"));
	if (top && n->flags & NODE_FORWARD && !c->routed)
		r |= add_gateway(n, top);
	if (top && c->policy.guarded)
		r |= add_policy(&c->policy, top);
	if (top && n->domain && !c->routed)
		r |= add_names(n, top);
	if (r) {
		json_decref(top);
		return NULL;
	}
	return top;
}

/* Only of a node that has some. */
static int add_links(const struct config *c, json_t *top)
{
	json_t *links = json_array();
	size_t i;
	int r = 0;

	for (i = 0; i < c->n_links; i++)
		r |= json_array_append_new(links, json_interface(&c->links[i], NULL));
	return json_object_set_new(top, "links", links) < 0 || r < 0 ? -1 : 0;
}

int render_json(const struct config *c, const struct render_client *client, struct buf *out,
		struct err *e)
{
	json_t *top = json_interface(c, client);
	int r = 0;

	if (top && c->n_links)
		r = add_links(c, top);
	if (!top || r || json_dump_callback(top, append, out, JSON_INDENT(2)) < 0)
		r = -1;
	buf_addc(out, '\n');
	json_decref(top);
	return r < 0 ? err_nomem(e) : 0;
}
