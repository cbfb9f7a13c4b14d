/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

/* Whoever cannot be reached first cannot be the way to others. */
void check_relays(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i];

		if (!node->relay || node->endpoint.host || node->n_seen)
			continue;
		diag_help(c->d,
			  diag_warn(c->d, node->relay_pos,
				    "`%s` cannot be a relay: it has no endpoint", node->name),
			  "give it an `endpoint`, or remove `relay`");
	}
}

static void exit_needs_endpoint(struct check *c, const struct m_node *node,
				const struct m_node *exit)
{
	struct diag_entry *e = diag_error(c->d, node->exit_node.pos,
					  "`%s` cannot be the exit of `%s`: it has no endpoint",
					  exit->name, node->name);

	diag_other(c->d, e, exit->pos, "`%s` is here", exit->name);
	diag_help(c->d, e, "give `%s` an `endpoint`", exit->name);
}

static void exit_has_exit(struct check *c, const struct m_node *node, const struct m_node *exit)
{
	struct diag_entry *e = diag_error(c->d, node->exit_node.pos,
					  "`%s` cannot be the exit of `%s`: it has an exit itself",
					  exit->name, node->name);

	diag_other(c->d, e, exit->exit_node.pos, "the exit of `%s`", exit->name);
	diag_help(c->d, e, "write `exit_node: %s` here too, or take one of them away",
		  exit->exit_node.s);
}

void check_exits(struct check *c)
{
	size_t i;

	for (i = 0; i < c->n->n_nodes; i++) {
		const struct m_node *node = &c->n->nodes[i], *exit;
		const char *name = node->exit_node.s;

		if (!name)
			continue;
		exit = m_network_node(c->n, name);
		if (!exit) {
			check_unknown_node(c, name, node->exit_node.pos);
		} else if (exit == node) {
			diag_help(c->d,
				  diag_error(c->d, node->exit_node.pos,
					     "`%s` cannot be its own exit", name),
				  "`exit_node` stands on the nodes that send through it");
		} else if (exit->exit_node.s) {
			exit_has_exit(c, node, exit);
		} else if (!exit->endpoint.host && !exit->n_seen) {
			exit_needs_endpoint(c, node, exit);
		}
	}
}
