/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "tests/unit/check_config.h"

static bool prefixes_equal(const struct prefix *a, size_t na, const struct prefix *b, size_t nb)
{
	size_t i;

	for (i = 0; i < na && i < nb; i++) {
		if (prefix_cmp(&a[i], &b[i]))
			return false;
	}
	return na == nb;
}

static void check_peer(const struct config *c, const struct ref_peer *want)
{
	const struct peer *got = config_peer(c, &want->node->public_key);

	assert_non_null(got);
	assert_string_equal(got->name, want->node->name);
	assert_true(prefixes_equal(got->allowed_ips, got->n_allowed_ips, want->allowed,
				   want->n_allowed));
	assert_int_equal(!got->endpoint.host, !want->endpoint.host);
	if (want->endpoint.host) {
		assert_string_equal(got->endpoint.host, want->endpoint.host);
		assert_int_equal(got->endpoint.port, want->endpoint.port);
	}
	assert_int_equal(got->keepalive, want->keepalive);
}

static void check_names(const struct node *n, const struct ref_config *want)
{
	size_t i;

	assert_int_equal(!n->domain, !want->domain);
	assert_int_equal(n->n_nameservers, want->domain ? want->n_servers : 0);
	assert_int_equal(node_needs_names(n), want->domain && want->hosts);
	if (!want->domain)
		return;
	assert_string_equal(n->domain, want->domain);
	for (i = 0; i < n->n_nameservers; i++)
		assert_int_equal(ipaddr_cmp(&n->nameservers[i], &want->servers[i].addr), 0);
}

/* `fresh`: nothing was published, so the numbers are those of the reference too. */
static void check_link(const struct config *c, const struct ref_link *want, bool fresh)
{
	const struct peer *p = c->peers;
	size_t i;

	assert_int_equal(c->n_peers, 1);
	assert_int_equal(c->n_routes, 0);
	assert_int_equal(c->n_links, 0);
	assert_true(c->routed);
	assert_string_equal(c->node->interface.s, want->interface);
	assert_int_equal(p->n_allowed_ips, 2);
	for (i = 0; i < 2; i++)
		assert_int_equal(prefix_cmp(&p->allowed_ips[i],
					    &(struct prefix){ i ? 6 : 4, 0, { 0 } }),
				 0);
	assert_int_equal(wgkey_cmp(&p->key, &want->other->public_key), 0);
	assert_int_equal(!p->endpoint.host, !want->endpoint.host);
	assert_int_equal(p->keepalive, want->keepalive);
	assert_int_equal(c->node->n_addresses, want->n_addresses);
	if (want->endpoint.host)
		assert_string_equal(p->endpoint.host, want->endpoint.host);
	if (!fresh)
		return;
	if (want->endpoint.host)
		assert_int_equal(p->endpoint.port, want->other_port);
	assert_int_equal(c->node->listen_port, want->port);
	for (i = 0; i < want->n_addresses; i++)
		assert_int_equal(ifaddr_cmp(&c->node->addresses[i], &want->addresses[i]), 0);
}

static void check_links(const struct config *c, const struct ref_config *want, bool fresh)
{
	size_t i, j;

	assert_int_equal(c->n_links, want->n_links);
	for (i = 0; i < want->n_links; i++) {
		for (j = 0; j < c->n_links &&
			    strcmp(c->links[j].peers[0].name, want->links[i].other->name) != 0;
		     j++)
			;
		assert_true(j < c->n_links);
		assert_int_equal(c->links[j].node->mtu, want->mtu);
		assert_int_equal(c->links[j].node->flags & NODE_HAS_FWMARK ?
					 c->links[j].node->fwmark :
					 0,
				 want->fwmark);
		check_link(&c->links[j], &want->links[i], fresh);
	}
}

void check_config(const struct config *c, const struct ref_config *want, bool fresh)
{
	const struct node *n = c->node;
	size_t i;

	assert_string_equal(n->name, want->node->name);
	assert_int_equal(wgkey_cmp(&n->key, &want->node->public_key), 0);
	assert_string_equal(n->interface.s, want->interface);
	assert_true(n->flags & NODE_HAS_LISTEN_PORT);
	assert_int_equal(n->listen_port, want->listen_port);
	assert_int_equal(n->mtu, want->mtu);
	assert_int_equal(!!(n->flags & NODE_FORWARD), want->forward);
	assert_int_equal(n->flags & NODE_HAS_FWMARK ? n->fwmark : 0, want->fwmark);
	/* Whoever has networks behind it passes packets on. */
	assert_true(!want->node->n_routes || n->flags & NODE_FORWARD);
	assert_true(prefixes_equal(n->masquerade, n->n_masquerade, want->masquerade.allowed,
				   want->masquerade.n_allowed));
	assert_true(prefixes_equal(n->except, n->n_except, want->except.allowed,
				   want->except.n_allowed));
	assert_int_equal(!n->exit, !want->node->exit_node.s);
	if (n->exit)
		assert_string_equal(n->exit, want->node->exit_node.s);
	assert_int_equal(!!(n->flags & NODE_NO_ROUTES), want->no_routes);
	assert_int_equal(n->flags & NODE_HAS_TABLE ? n->table : 0, want->table);
	check_names(n, want);
	assert_int_equal(n->n_addresses, want->n_addresses);
	for (i = 0; i < n->n_addresses; i++)
		assert_int_equal(ifaddr_cmp(&n->addresses[i], &want->addresses[i]), 0);
	assert_int_equal(c->n_peers, want->n_peers);
	for (i = 0; i < want->n_peers; i++)
		check_peer(c, &want->peers[i]);
	check_links(c, want, fresh);
	for (i = 1; i < c->n_peers; i++)
		assert_true(wgkey_cmp(&c->peers[i - 1].key, &c->peers[i].key) < 0);
	assert_true(prefixes_equal(c->routes, c->n_routes, want->routes, want->n_routes));
}
