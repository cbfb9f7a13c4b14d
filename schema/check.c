/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check.h"

#include "common/text.h"
#include "schema/check_impl.h"

/* Comparing a word with 100,000 names takes a tenth of a second. */
#define MAX_SUGGESTIONS 16

void *check_array(struct check *c, size_t n, size_t size)
{
	void *p = arena_array(c->scratch, n, size);

	if (!p)
		diag_nomem(c->d);
	return p;
}

size_t check_n_holders(const struct m_network *n)
{
	return n->n_nodes + n->n_clients;
}

const struct m_node *check_holder(const struct m_network *n, size_t i)
{
	return i < n->n_nodes ? &n->nodes[i] : &n->clients[i - n->n_nodes].node;
}

bool check_may_suggest(struct check *c)
{
	return c->suggestions++ < MAX_SUGGESTIONS;
}

const char *check_suggest_node(struct check *c, const char *name)
{
	size_t i;

	if (!check_may_suggest(c))
		return NULL;
	if (!c->names) {
		c->names = check_array(c, c->n->n_nodes, sizeof(*c->names));
		for (i = 0; c->names && i < c->n->n_nodes; i++)
			c->names[i] = c->n->nodes[i].name;
	}
	return c->names ? text_suggest(name, c->names, c->n->n_nodes) : NULL;
}

void check_unknown_node(struct check *c, const char *name, struct pos pos)
{
	struct diag_entry *e = diag_error(c->d, pos, "there is no node `%s`", name);
	const char *better = e ? check_suggest_node(c, name) : NULL;

	if (better)
		diag_help(c->d, e, "did you mean `%s`?", better);
}

static void check_interface(struct check *c)
{
	const struct m_network *n = c->n;
	struct ifname unused;
	struct diag_entry *e;
	size_t i;

	if (n->has_interface || ifname_parse(n->name, strlen(n->name), &unused) == 0)
		return;
	for (i = 0; i < n->n_nodes && n->nodes[i].has_interface; i++)
		;
	if (i && i == n->n_nodes)
		return;
	e = diag_error(c->d, n->pos, "the network's name `%s` cannot be the name of an interface",
		       n->name);
	diag_help(
		c->d, e,
		"an interface name has at most 15 characters, and is not lo, all or default; add `interface: wg0`, for example");
}

void schema_check(const struct m_network *n, struct arena *scratch, struct diag *d)
{
	/* Sites and clients have a count of suggestions of their own. */
	struct check c = { .n = n, .scratch = scratch, .d = d }, sites = c, clients = c;

	check_pools(&c);
	check_reserved(&c);
	check_mtu(&c);
	check_interface(&c);
	check_keys(&c);
	check_addresses(&c);
	check_routes(&c);
	check_endpoints(&c);
	check_relays(&c);
	check_exits(&c);
	check_names(&c);
	if (check_index_tags(&c) < 0)
		return;
	check_viewpoints(&c);
	check_topology(&c);
	check_sites(&sites);
	check_policy(&c);
	check_clients(&clients);
	check_routed_links(&c);
}
