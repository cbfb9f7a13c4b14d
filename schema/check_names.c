/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

#include "common/dnsname.h"
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

void schema_check_domains(const struct model *m, struct diag *d)
{
	size_t i, j;

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
