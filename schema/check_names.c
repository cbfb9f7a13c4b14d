/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/dnsname.h"
#include "common/limits.h"
#include "schema/check.h"

static void check_servers(struct check *c, const struct m_names *names)
{
	size_t i;

	for (i = 0; i < names->n_servers; i++) {
		/* Loopback is none of them: a machine may well ask itself. */
		const char *special = check_special_address(&names->servers[i].addr);

		if (special)
			diag_error(c->d, names->servers[i].pos, "a name server cannot be in %s",
				   special);
	}
}

/* NAME.DOMAIN must be a name that every resolver takes. */
static void check_host(struct check *c, const char *name, struct pos pos)
{
	struct diag_entry *e;

	if (dnsname_is_host(name, strlen(name)))
		return;
	e = diag_error(c->d, pos, "`%s` cannot stand before the domain %s", name,
		       c->n->names.domain.s);
	diag_other(c->d, e, c->n->names.domain.pos, "the domain");
	diag_help(c->d, e,
		  "in a host name, no part between dots is empty or begins or ends with '-'");
}

void check_names(struct check *c)
{
	const struct m_network *n = c->n;
	size_t i;

	check_servers(c, &n->names);
	for (i = 0; n->names.domain.s && i < n->n_clients; i++)
		check_host(c, n->clients[i].node.name, n->clients[i].node.pos);
	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		check_servers(c, &node->names);
		if (n->names.domain.s) {
			check_host(c, node->name, node->pos);
		} else if (node->names.has_servers || node->names.hosts_pos.source) {
			struct pos at = node->names.hosts_pos.source ? node->names.hosts_pos :
					node->names.n_servers	     ? node->names.servers[0].pos :
								       node->pos;

			diag_help(
				c->d,
				diag_error(c->d, at,
					   "`dns` of `%s` has no domain to be for: the network has "
					   "no `dns`",
					   node->name),
				"give the network `dns: {domain: mesh.example.net}`");
		}
	}
}

static bool has_servers(const struct m_network *n)
{
	size_t i;

	for (i = 0; !n->names.n_servers && i < n->n_nodes && !n->nodes[i].names.n_servers; i++)
		;
	return n->names.n_servers || i < n->n_nodes;
}

/* The place of who has the name, a node or a client; NULL: nobody. */
static const struct pos *find_named(const struct m_network *n, const char *name)
{
	const struct m_node *node = m_network_node(n, name);
	const struct m_client *client = node ? NULL : m_network_client(n, name);

	return node ? &node->pos : client ? &client->node.pos : NULL;
}

/*
 * A host that the names of the network answer for is looked up in the tunnel, or found there: the
 * tunnel would have to be up so that it can come up.
 */
static void check_endpoint(const struct m_network *n, bool servers, const char *host,
			   struct pos pos, struct diag *d)
{
	const char *domain = n->names.domain.s;
	size_t len = strlen(host), tail = strlen(domain);
	char name[MAX_NAME + 1] = "";
	const struct pos *named;
	struct diag_entry *e;

	if (len <= tail || host[len - tail - 1] != '.' || strcmp(host + len - tail, domain) != 0)
		return;
	if (len - tail - 1 < sizeof(name))
		memcpy(name, host, len - tail - 1);
	named = find_named(n, name);
	if (!named && !servers)
		return;
	if (named)
		e = diag_error(d, pos,
			       "%s is the name of `%s` inside the tunnel: nobody would find the "
			       "endpoint",
			       host, name);
	else
		e = diag_error(d, pos,
			       "%s is under the domain that is asked inside the tunnel: nobody "
			       "would find the endpoint",
			       host);
	diag_other(d, e, named ? *named : n->names.domain.pos, named ? "this one" : "the domain");
	diag_help(d, e, "give the network a domain of its own, such as `%s.%s`", n->name, domain);
}

static void check_endpoints_of(const struct m_network *n, const struct m_network *other,
			       struct diag *d)
{
	bool servers = has_servers(n);
	size_t i, j;

	for (i = 0; i < other->n_nodes; i++) {
		const struct m_node *node = &other->nodes[i];

		if (node->endpoint.host)
			check_endpoint(n, servers, node->endpoint.host, node->endpoint_pos, d);
		for (j = 0; j < node->n_seen; j++)
			check_endpoint(n, servers, node->seen[j].endpoint.host, node->seen[j].pos,
				       d);
	}
}

void schema_check_domains(const struct model *m, struct diag *d)
{
	size_t i, j;

	for (i = 0; i < m->n_networks; i++)
		for (j = 0; m->networks[i].names.domain.s && j < m->n_networks; j++)
			check_endpoints_of(&m->networks[i], &m->networks[j], d);

	for (i = 0; i < m->n_networks; i++) {
		const struct m_text *b = &m->networks[i].names.domain;

		for (j = 0; b->s && j < i; j++) {
			const struct m_text *a = &m->networks[j].names.domain;
			struct diag_entry *e;

			if (!a->s || strcmp(a->s, b->s) != 0)
				continue;
			e = diag_error(d, b->pos, "`%s` and `%s` have the same domain %s",
				       m->networks[j].name, m->networks[i].name, b->s);
			diag_other(d, e, a->pos, "it is given here already");
			diag_help(d, e, "give each network a domain of its own, such as `%s.%s`",
				  m->networks[i].name, b->s);
			break;
		}
	}
}
