/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

static int cmp_key(const void *pa, const void *pb)
{
	const struct m_node *a = *(const struct m_node *const *)pa,
			    *b = *(const struct m_node *const *)pb;
	int c = wgkey_cmp(&a->public_key, &b->public_key);

	return c ? c : strcmp(a->name, b->name);
}

static void help_weak(struct check *c, const struct m_node *who, struct diag_entry *e)
{
	if (m_network_client(c->n, who->name))
		diag_help(c->d, e, "make a new one on the device, or with `wg genkey`");
	else
		diag_help(
			c->d, e,
			"make a new one on the node: `wg genkey`, or `meshrc-agent once --network %s --node %s "
			"--print-public-key`",
			c->n->name, who->name);
}

void check_keys(struct check *c)
{
	const struct m_node **sorted = check_array(c, check_n_holders(c->n), sizeof(*sorted));
	size_t i, n = 0;

	if (!sorted)
		return;
	for (i = 0; i < check_n_holders(c->n); i++) {
		const struct m_node *node = check_holder(c->n, i);
		const char *why;

		if (!node->public_key_pos.source)
			continue; /* refused already */
		sorted[n++] = node;
		why = wgkey_weak(&node->public_key);
		if (why)
			help_weak(c, node,
				  diag_error(c->d, node->public_key_pos,
					     "this public key must not be used: %s", why));
	}
	qsort(sorted, n, sizeof(*sorted), cmp_key);
	for (i = 1; i < n; i++) {
		struct diag_entry *e;

		if (wgkey_cmp(&sorted[i - 1]->public_key, &sorted[i]->public_key))
			continue;
		e = diag_error(c->d, sorted[i]->public_key_pos,
			       "`%s` and `%s` have the same public key", sorted[i - 1]->name,
			       sorted[i]->name);
		diag_other(c->d, e, sorted[i - 1]->public_key_pos, "it is given here already");
		diag_help(c->d, e, "every %s needs a key of its own",
			  c->n->n_clients ? "node and client" : "node");
	}
}
