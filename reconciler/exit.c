/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/exit.h"

static const struct m_node *exit_of(const struct m_network *m, const struct m_node *n)
{
	return n->exit_node.s ? m_network_node(m, n->exit_node.s) : NULL;
}

static bool sends_everything(const struct m_client *c)
{
	size_t i;

	for (i = 0; i < c->n_allowed_ips; i++)
		if (!c->allowed_ips[i].prefix.len)
			return true;
	return false;
}

bool *exits_find(const struct m_network *m, struct arena *a)
{
	bool *ret = arena_array(a, m->n_nodes, sizeof(*ret));
	size_t i;

	for (i = 0; ret && i < m->n_nodes; i++) {
		const struct m_node *exit = exit_of(m, &m->nodes[i]);

		if (exit)
			ret[exit - m->nodes] = true;
	}
	for (i = 0; ret && i < m->n_clients; i++)
		if (sends_everything(&m->clients[i]))
			ret[m_network_node(m, m->clients[i].gateway.s) - m->nodes] = true;
	return ret;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static bool has_family(const struct node *n, unsigned int family)
{
	size_t i;

	for (i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == family)
			return true;
	return false;
}

int exit_fill(const struct m_node *m, struct arena *a, struct node *n)
{
	struct prefix *all = arena_array(a, n->n_masquerade + 2, sizeof(*all)),
		      *except = arena_array(a, m->n_routes + m->n_addresses, sizeof(*except));
	size_t i, k = n->n_masquerade, n_except = 0;
	unsigned int f;

	if (!all || !except)
		return -1;
	if (k)
		memcpy(all, n->masquerade, k * sizeof(*all));
	for (f = 4; f <= 6; f += 2)
		if (has_family(n, f))
			all[k++] = (struct prefix){ .family = (uint8_t)f };
	if (k > 1)
		qsort(all, k, sizeof(*all), cmp_prefixes);
	for (i = 0; i < m->n_routes; i++)
		if (!m->routes[i].masquerade && has_family(n, m->routes[i].prefix.family))
			except[n_except++] = m->routes[i].prefix;
	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].owned)
			except[n_except++] = m_addr_prefix(&m->addresses[i]);
	n->flags |= NODE_FORWARD;
	n->masquerade = all;
	n->n_masquerade = k;
	n->except = except;
	n->n_except = prefix_canonical(except, n_except);
	return 0;
}

int exit_fill_site(const struct m_site *site, bool is_exit, bool guarded, struct arena *a,
		   struct node *n)
{
	struct prefix *except = arena_array(a, n->n_except + site->n_routes, sizeof(*except));
	size_t i, k = n->n_except;

	if (!except)
		return -1;
	if (k)
		memcpy(except, n->except, k * sizeof(*except));
	for (i = 0; i < site->n_routes; i++)
		if (!site->routes[i].masquerade &&
		    (guarded || (is_exit && has_family(n, site->routes[i].prefix.family))))
			except[k++] = site->routes[i].prefix;
	n->except = except;
	n->n_except = prefix_canonical(except, k);
	return 0;
}

static bool is_peer(const struct network *n, const struct node *node, const char *name)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < node->n_links; i++) {
		const struct link *l = &node->links[i];

		if (l->kind != LINK_DIRECT)
			continue;
		if (!strcmp(l->target, GROUP_ALL) || !strcmp(l->target, name))
			return true;
		g = target_is_group(l->target) ? network_group(n, l->target) : NULL;
		if (g && group_has(g, name))
			return true;
	}
	return false;
}

static void not_joined(struct diag *d, const struct m_node *node, const struct m_node *exit)
{
	struct diag_entry *e =
		diag_error(d, node->exit_node.pos, "`%s` is not joined with its exit `%s`",
			   node->name, exit->name);

	diag_other(d, e, exit->pos, "`%s` is here", exit->name);
	diag_help(d, e, "join them in the topology: `- link: {between: [%s], and: [%s]}`",
		  node->name, exit->name);
}

static const char *family_name(unsigned int f)
{
	return f == 4 ? "IPv4" : "IPv6";
}

/* The exit could carry a family that the node has no address of. */
static void warn_family(struct diag *d, const struct m_node *node, const struct node *n,
			const struct node *exit)
{
	unsigned int f;

	for (f = 4; f <= 6; f += 2)
		if (has_family(exit, f) && !has_family(n, f))
			diag_help(
				d,
				diag_warn(
					d, node->exit_node.pos,
					"the %s of `%s` does not go through its exit: it has no such address",
					family_name(f), node->name),
				"give it an %s address of the network too", family_name(f));
}

/* Who gets what the node `from` does not know, from one to the next. */
static void spread(const struct m_network *m, const struct transit *t, size_t n, size_t from,
		   bool *reached)
{
	bool more = true;
	size_t i;

	memset(reached, 0, m->n_nodes * sizeof(*reached));
	reached[from] = true;
	while (more) {
		more = false;
		for (i = 0; i < n; i++) {
			size_t j = 0;

			if (reached[t[i].hub])
				continue;
			while (j < m->n_nodes && !(reached[j] && t[i].spokes[j]))
				j++;
			if (j < m->n_nodes)
				reached[t[i].hub] = more = true;
		}
		for (i = 0; i < m->n_nodes; i++) {
			const struct m_node *exit = reached[i] ? exit_of(m, &m->nodes[i]) : NULL;

			if (exit && !reached[exit - m->nodes])
				reached[exit - m->nodes] = more = true;
		}
	}
}

static void loop(struct diag *d, const struct m_node *node, const struct m_node *exit)
{
	struct diag_entry *e = diag_error(
		d, node->exit_node.pos,
		"a loop: `%s` sends what it does not know to its exit `%s`, from where it comes back through a hub",
		node->name, exit->name);

	diag_other(d, e, exit->pos, "`%s` is here", exit->name);
	diag_help(d, e, "let the exit be no spoke of `%s`, or write `transit: false` for that star",
		  node->name);
}

int exits_check(const struct m_network *m, const struct network *n, const struct transit *transits,
		size_t n_transits, struct arena *a, struct diag *d)
{
	bool *reached = arena_array(a, m->n_nodes, sizeof(*reached));
	const struct m_node *last = NULL;
	size_t i;

	if (!reached)
		return -1;
	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *node = &m->nodes[i], *exit = exit_of(m, node);

		if (!exit)
			continue;
		if (!is_peer(n, &n->nodes[i], exit->name)) {
			not_joined(d, node, exit);
			continue;
		}
		warn_family(d, node, &n->nodes[i], network_node(n, exit->name));
		if (!n_transits)
			continue;
		if (exit != last)
			spread(m, transits, n_transits, (size_t)(exit - m->nodes), reached);
		last = exit;
		if (reached[i])
			loop(d, node, exit);
	}
	return 0;
}
