/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"
#include "common/text.h"

static const char *suggest_gateway(struct check *c, const char *name)
{
	const char **names;
	size_t i, n = 0;

	if (!check_may_suggest(c))
		return NULL;
	names = check_array(c, c->n->n_nodes, sizeof(*names));
	for (i = 0; names && i < c->n->n_nodes; i++)
		if (c->n->nodes[i].endpoint.host)
			names[n++] = c->n->nodes[i].name;
	return names ? text_suggest(name, names, n) : NULL;
}

static void unknown_gateway(struct check *c, const struct m_client *client)
{
	const struct m_client *other = m_network_client(c->n, client->gateway.s);
	struct diag_entry *e =
		diag_error(c->d, client->gateway.pos, "there is no node `%s`", client->gateway.s);
	const char *better;

	if (!e)
		return;
	if (other) {
		diag_other(c->d, e, other->node.pos, "this is a client");
		diag_help(c->d, e, "a gateway is a node, which runs the agent");
		return;
	}
	better = suggest_gateway(c, client->gateway.s);
	if (better)
		diag_help(c->d, e, "did you mean `%s`?", better);
}

/* The phones' apps keep the tunnel's own packets out of it, and so does wg-quick for a default
 * route; for any other prefix nobody does. */
static void check_endpoint(struct check *c, const struct m_client *client,
			   const struct m_node *gateway)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	struct ipaddr a;
	size_t i;

	if (ipaddr_parse(gateway->endpoint.host, strlen(gateway->endpoint.host), &a) < 0)
		return;
	for (i = 0; i < client->n_allowed_ips; i++) {
		const struct m_prefix *p = &client->allowed_ips[i];

		if (!p->prefix.len || !prefix_contains_addr(&p->prefix, &a))
			continue;
		e = diag_warn(c->d, p->pos, "the endpoint of the gateway `%s` is inside %s",
			      gateway->name, prefix_print(&p->prefix, text));
		diag_other(c->d, e, gateway->endpoint_pos, "the endpoint");
		diag_help(c->d, e,
			  "packets to the gateway would go into the tunnel that they carry");
	}
}

static void check_gateway(struct check *c, const struct m_client *client)
{
	const struct m_node *gateway;
	struct diag_entry *e;

	if (!client->gateway.s)
		return; /* refused already */
	gateway = m_network_node(c->n, client->gateway.s);
	if (!gateway) {
		unknown_gateway(c, client);
		return;
	}
	if (gateway->endpoint.host) {
		check_endpoint(c, client, gateway);
		return;
	}
	e = diag_error(c->d, client->gateway.pos,
		       "`%s` cannot be a gateway: it has no endpoint, so `%s` could never reach it",
		       gateway->name, client->node.name);
	diag_other(c->d, e, gateway->pos, "the node");
	diag_help(c->d, e, "give `%s` an `endpoint`, or choose a node that has one", gateway->name);
}

static void check_name(struct check *c, const struct m_client *client)
{
	const struct m_node *node = m_network_node(c->n, client->node.name);
	struct diag_entry *e;

	if (!node)
		return;
	e = diag_error(c->d, client->node.pos, "`%s` is the name of a node and of a client",
		       node->name);
	diag_other(c->d, e, node->pos, "the node");
	diag_help(c->d, e, "nodes and clients share their names: rename one of them");
}

void check_clients(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	if (n->n_clients && n->n_nodes + n->n_clients > MAX_NODES)
		diag_error(c->d, n->clients[n->n_clients - 1].node.pos,
			   "%zu nodes and %zu clients; at most %d are accepted together",
			   n->n_nodes, n->n_clients, MAX_NODES);
	for (i = 0; i < n->n_clients; i++) {
		check_name(c, &n->clients[i]);
		check_gateway(c, &n->clients[i]);
	}
}
