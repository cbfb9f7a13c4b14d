/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/limits.h"
#include "common/text.h"

static void unknown_site(struct check *c, const char *name, struct pos pos)
{
	struct diag_entry *e = diag_error(c->d, pos, "there is no site `%s`", name);
	const char **names, *better;
	size_t i;

	if (!e || !check_may_suggest(c))
		return;
	names = check_array(c, c->n->n_sites, sizeof(*names));
	for (i = 0; names && i < c->n->n_sites; i++)
		names[i] = c->n->sites[i].name;
	better = names ? text_suggest(name, names, c->n->n_sites) : NULL;
	if (better)
		diag_help(c->d, e, "did you mean `%s`?", better);
	else
		diag_help(c->d, e, "write it down:\nsites:\n  %s: {leaders: [NODE]}", name);
}

static void check_leaders(struct check *c, const struct m_site *s)
{
	struct diag_entry *e;
	size_t i;

	for (i = 0; i < s->n_leaders; i++) {
		const struct m_text *leader = &s->leaders[i];
		const struct m_node *node = m_network_node(c->n, leader->s);

		if (!node) {
			check_unknown_node(c, leader->s, leader->pos);
			continue;
		}
		if (node->n_routes + s->n_routes > MAX_ROUTES)
			diag_error(
				c->d, leader->pos,
				"`%s` and its site have %zu routes together; at most %d are accepted",
				leader->s, node->n_routes + s->n_routes, MAX_ROUTES);
		if (node->site.s && !strcmp(node->site.s, s->name))
			continue;
		e = diag_error(c->d, leader->pos, "`%s` cannot lead `%s`: it is not at that site",
			       leader->s, s->name);
		diag_other(c->d, e, node->site.s ? node->site.pos : node->pos,
			   node->site.s ? "it is at another one" : "the node");
		diag_help(c->d, e, "write `site: %s` at the node, or choose another leader",
			  s->name);
	}
}

/* The leader through which others reach the node; NULL: they reach it directly. */
static const char *leader_of(const struct check *c, const struct m_node *node)
{
	const struct m_site *s = node->site.s ? m_network_site(c->n, node->site.s) : NULL;

	return s && s->n_leaders && strcmp(s->leaders[0].s, node->name) != 0 ? s->leaders[0].s :
									       NULL;
}

/* Packets to the endpoint would go to the leader, into the tunnel that they carry. */
static void check_endpoint(struct check *c, const struct m_node *node, const struct m_site *s,
			   const char *host, struct pos pos)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e;
	struct ipaddr a;
	size_t i;

	if (ipaddr_parse(host, strlen(host), &a) < 0)
		return;
	for (i = 0; i < s->n_routes; i++) {
		if (!s->routes[i].prefix.len || !prefix_contains_addr(&s->routes[i].prefix, &a))
			continue;
		e = diag_error(c->d, pos, "the endpoint of `%s` is inside %s of its own site",
			       node->name, prefix_print(&s->routes[i].prefix, text));
		diag_other(c->d, e, s->routes[i].pos, "the route");
		diag_help(c->d, e,
			  "it is an endpoint for the site alone: write `endpoints: {site:%s: %s}`",
			  s->name, host);
		return;
	}
}

/* From the site itself its networks are reached without a tunnel. */
static void check_node_endpoints(struct check *c, const struct m_node *node, const struct m_site *s)
{
	size_t i;

	if (node->endpoint.host)
		check_endpoint(c, node, s, node->endpoint.host, node->endpoint_pos);
	for (i = 0; i < node->n_seen; i++) {
		const struct m_seen *seen = &node->seen[i];

		if (strncmp(seen->from, "site:", 5) != 0 || strcmp(seen->from + 5, s->name) != 0)
			check_endpoint(c, node, s, seen->endpoint.host, seen->pos);
	}
}

/* Everything goes to the exit, which must be a peer. */
static void check_exit(struct check *c, const struct m_node *node, const char *leader)
{
	const struct m_node *exit =
		node->exit_node.s ? m_network_node(c->n, node->exit_node.s) : NULL;
	struct diag_entry *e;

	if (!exit || (exit->site.s && !strcmp(exit->site.s, node->site.s)))
		return;
	e = diag_error(c->d, node->exit_node.pos,
		       "`%s` cannot be the exit of `%s`, which reaches it through `%s`, the leader "
		       "of its site",
		       exit->name, node->name, leader);
	diag_help(c->d, e, "an exit is a node that it meets: `%s`, or another one at the site",
		  leader);
}

static void check_node(struct check *c, const struct m_node *node)
{
	const struct m_site *s;
	const char *leader;
	size_t i;

	for (i = 0; i < node->n_seen; i++)
		if (!strncmp(node->seen[i].from, "site:", 5) &&
		    !m_network_site(c->n, node->seen[i].from + 5))
			unknown_site(c, node->seen[i].from + 5, node->seen[i].from_pos);
	if (!node->site.s)
		return;
	s = m_network_site(c->n, node->site.s);
	if (!s) {
		unknown_site(c, node->site.s, node->site.pos);
		return;
	}
	check_node_endpoints(c, node, s);
	leader = leader_of(c, node);
	if (leader)
		check_exit(c, node, leader);
	if (leader && node->relay)
		diag_help(c->d,
			  diag_warn(c->d, node->relay_pos,
				    "`%s` cannot be a relay: others reach it through `%s`, the "
				    "leader of its site",
				    node->name, leader),
			  "let the leader be the relay, or remove `relay`");
}

static void check_client(struct check *c, const struct m_client *client)
{
	const struct m_node *gateway =
		client->gateway.s ? m_network_node(c->n, client->gateway.s) : NULL;
	const char *leader = gateway ? leader_of(c, gateway) : NULL;
	struct diag_entry *e;

	if (!leader)
		return;
	e = diag_error(c->d, client->gateway.pos,
		       "`%s` cannot be a gateway: others reach it through `%s`, the leader of its "
		       "site",
		       gateway->name, leader);
	diag_help(c->d, e, "choose `%s`", leader);
}

void check_sites(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	for (i = 0; i < n->n_sites; i++)
		check_leaders(c, &n->sites[i]);
	for (i = 0; i < n->n_nodes; i++)
		check_node(c, &n->nodes[i]);
	for (i = 0; i < n->n_clients; i++)
		check_client(c, &n->clients[i]);
}
