/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/render.h"

#include "common/text.h"
#include "publication/exit.h"
#include "publication/gateway.h"
#include "publication/ruleset.h"

int render_format_parse(const char *word, enum render_format *ret)
{
	static const char *const words[] = {
		[RENDER_WG] = "wg",
		[RENDER_WG_QUICK] = "wg-quick",
		[RENDER_NETWORKD] = "networkd",
		[RENDER_JSON] = "json",
		[RENDER_NFT] = "nft",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcmp(word, words[i])) {
			*ret = (enum render_format)i;
			return 0;
		}
	}
	return -1;
}

static void add_safe(struct buf *out, const char *s)
{
	text_safe(out, s, strlen(s));
}

static void add_allowed_ips(const struct peer *p, const char *separator, struct buf *out)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < p->n_allowed_ips; i++)
		buf_addf(out, "%s%s", i ? separator : "", prefix_print(&p->allowed_ips[i], text));
}

static void wg_peer(const struct peer *p, bool bare, struct buf *out)
{
	char key[KEY_STRLEN], endpoint[ENDPOINT_STRLEN];

	if (!bare) {
		buf_adds(out, "\n# ");
		add_safe(out, p->name);
		buf_addc(out, '\n');
	}
	buf_addf(out, "[Peer]\nPublicKey = %s\n", wgkey_print(&p->key, key));
	if (p->endpoint.host)
		buf_addf(out, "Endpoint = %s\n", endpoint_print(&p->endpoint, endpoint));
	if (p->n_allowed_ips) {
		buf_adds(out, "AllowedIPs = ");
		add_allowed_ips(p, ", ", out);
		buf_addc(out, '\n');
	}
	if (p->keepalive)
		buf_addf(out, "PersistentKeepalive = %u\n", p->keepalive);
}

/* The node's nftables table in one line; nothing when it needs none. */
static void add_table(const struct config *c, const char *interface, struct buf *out)
{
	struct ruleset r;

	ruleset_of(c, interface, &r);
	ruleset_print(&r, false, out);
}

static bool has_table(const struct config *c)
{
	return c->policy.guarded || c->node->n_masquerade;
}

static void add_dns(const struct render_client *client, struct buf *out)
{
	size_t i;

	for (i = 0; i < client->n_dns; i++) {
		buf_adds(out, i ? ", " : "DNS = ");
		add_safe(out, client->dns[i]);
	}
	if (i)
		buf_addc(out, '\n');
}

/* wg-quick runs these; `%i` is the interface. */
static void quick_table(const struct config *c, struct buf *out)
{
	if (!has_table(c))
		return;
	/* A guard stands before the first packet comes. */
	buf_addf(out,
		 "%s = nft 'add table inet " RULESET_TABLE "%s; delete table inet " RULESET_TABLE
		 "%s; ",
		 c->policy.guarded ? "PreUp" : "PostUp", c->network, c->network);
	add_table(c, "%i", out);
	buf_addf(out, "'\nPostDown = nft 'delete table inet " RULESET_TABLE "%s'\n", c->network);
}

static void quick_gateway(const struct config *c, struct buf *out)
{
	unsigned int families = gateway_families(c);

	if (!families)
		return;
	buf_adds(out, "# Forwarding stays on when the interface goes down\n");
	if (families & GATEWAY_IPV4)
		buf_adds(out, "PostUp = sysctl -q -w net.ipv4.conf.all.forwarding=1\n");
	if (families & GATEWAY_IPV6)
		buf_adds(
			out,
			"# With it, the kernel minds router advertisements only where accept_ra is 2\n"
			"PostUp = sysctl -q -w net.ipv6.conf.all.forwarding=1\n");
}

static void quick_rules(const struct config *c, struct buf *out)
{
	struct exit_rule rules[MAX_EXIT_RULES];
	size_t n = exit_rules(c->network, c->node, rules), i, pass;

	/* Up: what leads into the tunnel comes last; down: it goes first. */
	for (pass = 0; pass < 4; pass++)
		for (i = 0; i < n; i++) {
			bool down = pass >= 2;

			if (exit_rule_leads(&rules[i]) != (pass == 1 || pass == 2))
				continue;
			buf_adds(out, down ? "PostDown" : "PostUp");
			buf_addf(out, " = ip -%u rule %s ", rules[i].family, down ? "del" : "add");
			exit_rule_print(&rules[i], out);
			buf_addc(out, '\n');
		}
}

static void quick_route(const struct config *c, const struct prefix *p, struct buf *out)
{
	char text[PREFIX_STRLEN];

	buf_addf(out, "PostUp = ip route add %s dev %%i", prefix_print(p, text));
	if (c->node->flags & NODE_HAS_TABLE)
		buf_addf(out, " table %u", c->node->table);
	else if (!p->len)
		buf_addf(out, " table %u", exit_table(c->network));
	buf_addc(out, '\n');
}

/*
 * Left alone, wg-quick makes a route of every AllowedIP, also of what is behind this node itself;
 * and for an exit rules that send the answers to those who came in from outside into the tunnel.
 */
static void quick_routes(const struct config *c, struct buf *out)
{
	const struct node *n = c->node;
	struct prefix defaults[2];
	size_t i, n_defaults = exit_defaults(n, defaults);

	if (n->flags & NODE_NO_ROUTES || n->n_standby || exit_routed(n))
		buf_adds(out, "Table = off\n");
	else if (n->flags & NODE_HAS_TABLE)
		buf_addf(out, "Table = %u\n", n->table);
	if (n->flags & NODE_NO_ROUTES || (!n->n_standby && !exit_routed(n)))
		return;
	for (i = 0; i < c->n_routes; i++)
		quick_route(c, &c->routes[i], out);
	for (i = 0; i < n_defaults; i++)
		quick_route(c, &defaults[i], out);
	quick_rules(c, out);
}

static void networkd_route(const struct config *c, const struct prefix *p, struct buf *out)
{
	char text[PREFIX_STRLEN];

	buf_addf(out, "\n[Route]\nDestination=%s\n", prefix_print(p, text));
	if (c->node->flags & NODE_HAS_TABLE)
		buf_addf(out, "Table=%u\n", c->node->table);
	else if (!p->len)
		buf_addf(out, "Table=%u\n", exit_table(c->network));
}

static void networkd_rule(const struct exit_rule *r, struct buf *out)
{
	char text[PREFIX_STRLEN];

	buf_addf(out, "\n[RoutingPolicyRule]\nFamily=ipv%u\nPriority=%u\n", r->family, r->priority);
	if (r->from.len)
		buf_addf(out, "From=%s\n", prefix_print(&r->from, text));
	if (r->to.len)
		buf_addf(out, "To=%s\n", prefix_print(&r->to, text));
	if (r->mark)
		buf_addf(out, "FirewallMark=%u\n", r->mark);
	if (r->dns)
		buf_addf(out, "IPProtocol=%s\nDestinationPort=53\nUser=0\n",
			 r->dns == 6 ? "tcp" : "udp");
	if (r->table)
		buf_addf(out, "Table=%u\n", r->table);
	else
		buf_adds(out, "Type=unreachable\n");
	if (r->no_default)
		buf_adds(out, "SuppressPrefixLength=0\n");
}

/* networkd has no jumps: what has an address already finds its way in the main table, or nowhere.
 */
static void networkd_jump(const struct exit_rule *r, struct buf *out)
{
	struct exit_rule in_main = *r, none = *r;

	in_main.table = EXIT_TABLE_MAIN;
	none.priority++;
	networkd_rule(&in_main, out);
	networkd_rule(&none, out);
}

static void networkd_routes(const struct config *c, struct buf *out)
{
	struct exit_rule rules[MAX_EXIT_RULES];
	size_t n_rules = exit_rules(c->network, c->node, rules), i, n_defaults;
	struct prefix defaults[2];

	if (c->node->flags & NODE_NO_ROUTES)
		return;
	for (i = 0; i < c->n_routes; i++)
		networkd_route(c, &c->routes[i], out);
	n_defaults = exit_defaults(c->node, defaults);
	for (i = 0; i < n_defaults; i++)
		networkd_route(c, &defaults[i], out);
	for (i = 0; i < n_rules; i++) {
		if (rules[i].jump)
			networkd_jump(&rules[i], out);
		else if (rules[i].table)
			networkd_rule(&rules[i], out);
	}
}

static void networkd_gateway(const struct config *c, struct buf *out)
{
	static const char *const words[] = { "no", "ipv4", "ipv6", "yes" };
	unsigned int families = gateway_families(c);

	if (families)
		buf_addf(out, "IPForward=%s\n", words[families]);
	if (!has_table(c))
		return;
	if (c->policy.guarded)
		buf_adds(
			out,
			"# networkd guards nothing; for nft(8), before the interface comes up:\n# ");
	else
		buf_adds(
			out,
			"# networkd masquerades for an interface or not at all; for nft(8), besides:\n# ");
	add_table(c, c->node->interface.s, out);
	buf_addc(out, '\n');
}

static void add_servers(const struct node *n, struct buf *out)
{
	char text[IPADDR_STRLEN];
	size_t i;

	for (i = 0; i < n->n_nameservers; i++)
		buf_addf(out, " %s", ipaddr_print(&n->nameservers[i], text));
}

static void hosts_comment(const struct config *c, struct buf *out)
{
	buf_addf(out, "# Lines for /etc/hosts, for the names under %s: meshrc names --network %s\n",
		 c->node->domain, c->network);
}

/* A tunnel is better than none: without systemd-resolved the names are missing and nothing else. */
#define RESOLVECTL "PostUp = ! command -v resolvectl >/dev/null || resolvectl "

/* `DNS =` would send every question to these servers, not only those for the domain. */
static void quick_names(const struct config *c, struct buf *out)
{
	const struct node *n = c->node;

	if (!n->domain)
		return;
	if (!n->n_nameservers) {
		hosts_comment(c, out);
		return;
	}
	buf_adds(out, RESOLVECTL "dns %i");
	add_servers(n, out);
	buf_addf(out, "\n" RESOLVECTL "domain %%i '~%s'\n" RESOLVECTL "default-route %%i no\n",
		 n->domain);
}

static void networkd_names(const struct config *c, struct buf *out)
{
	const struct node *n = c->node;
	char text[IPADDR_STRLEN];
	size_t i;

	if (!n->domain)
		return;
	if (!n->n_nameservers) {
		hosts_comment(c, out);
		return;
	}
	for (i = 0; i < n->n_nameservers; i++)
		buf_addf(out, "DNS=%s\n", ipaddr_print(&n->nameservers[i], text));
	buf_addf(out, "Domains=~%s\nDNSDefaultRoute=no\n", n->domain);
}

static void wg_config(const struct config *c, const struct render_client *client, bool quick,
		      struct buf *out)
{
	bool bare = client && client->bare;
	const struct node *n = c->node;
	char text[PREFIX_STRLEN];
	size_t i;

	if (!bare) {
		buf_adds(out, "# Network ");
		add_safe(out, c->network);
		buf_adds(out, client ? ", client " : ", node ");
		add_safe(out, n->name);
		buf_addf(out, ", interface %s\n", n->interface.s);
	}
	buf_adds(out, "[Interface]\n" RENDER_KEY_LINE "\n");
	if (n->flags & NODE_HAS_LISTEN_PORT)
		buf_addf(out, "ListenPort = %u\n", n->listen_port);
	if (n->flags & NODE_HAS_FWMARK)
		buf_addf(out, "FwMark = 0x%x\n", n->fwmark);
	if (quick && n->n_addresses) {
		buf_adds(out, "Address = ");
		for (i = 0; i < n->n_addresses; i++)
			buf_addf(out, "%s%s", i ? ", " : "", ifaddr_print(&n->addresses[i], text));
		buf_addc(out, '\n');
	}
	if (quick && client)
		add_dns(client, out);
	if (quick && n->mtu)
		buf_addf(out, "MTU = %u\n", n->mtu);
	if (quick) {
		/* Routes are the routing daemon's. */
		if (c->routed)
			buf_adds(out, "Table = off\n");
		quick_routes(c, out);
		quick_gateway(c, out);
		quick_table(c, out);
		quick_names(c, out);
	} else if (c->policy.guarded) {
		buf_adds(out, "# This node has a policy, which is not said here: --format nft\n");
	}
	for (i = 0; i < c->n_peers; i++)
		wg_peer(&c->peers[i], bare, out);
}

/* What is more than one interface is more than one file. */
static void wg_files(const struct config *c, const struct render_client *client, bool quick,
		     struct buf *out)
{
	size_t i;

	if (c->n_links)
		buf_addf(out, "# file: /etc/wireguard/%s.conf\n", c->node->interface.s);
	wg_config(c, client, quick, out);
	for (i = 0; i < c->n_links; i++) {
		buf_addf(out, "\n# file: /etc/wireguard/%s.conf\n", c->links[i].node->interface.s);
		wg_config(&c->links[i], client, quick, out);
	}
}

static void networkd_peer(const struct peer *p, struct buf *out)
{
	char key[KEY_STRLEN], endpoint[ENDPOINT_STRLEN];

	buf_adds(out, "\n# ");
	add_safe(out, p->name);
	buf_addf(out, "\n[WireGuardPeer]\nPublicKey=%s\n", wgkey_print(&p->key, key));
	if (p->endpoint.host)
		buf_addf(out, "Endpoint=%s\n", endpoint_print(&p->endpoint, endpoint));
	if (p->n_allowed_ips) {
		buf_adds(out, "AllowedIPs=");
		add_allowed_ips(p, ",", out);
		buf_addc(out, '\n');
	}
	if (p->keepalive)
		buf_addf(out, "PersistentKeepalive=%u\n", p->keepalive);
}

/*
 * RouteTable= would make a route of every AllowedIP, the default route among them; the routes that
 * the agent makes are written out in its place.
 */
static void networkd_config(const struct config *c, struct buf *out)
{
	const struct node *n = c->node;
	const char *name = n->interface.s;
	char text[PREFIX_STRLEN];
	size_t i;

	buf_addf(out, "# file: /etc/systemd/network/70-%s.netdev\n", name);
	buf_addf(out, "[NetDev]\nName=%s\nKind=wireguard\nMTUBytes=%u\n", name, n->mtu);
	buf_addf(out, "\n[WireGuard]\nPrivateKeyFile=/etc/systemd/network/70-%s.key\n", name);
	if (n->flags & NODE_HAS_LISTEN_PORT)
		buf_addf(out, "ListenPort=%u\n", n->listen_port);
	if (n->flags & NODE_HAS_FWMARK)
		buf_addf(out, "FirewallMark=%u\n", n->fwmark);
	for (i = 0; i < c->n_peers; i++)
		networkd_peer(&c->peers[i], out);
	buf_addf(out,
		 "\n# file: /etc/systemd/network/70-%s.network\n[Match]\nName=%s\n\n[Network]\n",
		 name, name);
	for (i = 0; i < n->n_addresses; i++)
		buf_addf(out, "Address=%s\n", ifaddr_print(&n->addresses[i], text));
	networkd_gateway(c, out);
	networkd_names(c, out);
	networkd_routes(c, out);
}

/* To be read by people, and by `nft -f`, which makes the host's table this one. */
static void nft_config(const struct config *c, struct buf *out)
{
	struct ruleset r;

	buf_adds(out, "# Network ");
	add_safe(out, c->network);
	buf_adds(out, ", node ");
	add_safe(out, c->node->name);
	buf_addf(out, ", interface %s\n", c->node->interface.s);
	buf_addf(out, "table inet " RULESET_TABLE "%s\ndelete table inet " RULESET_TABLE "%s\n",
		 c->network, c->network);
	if (!has_table(c))
		buf_adds(out, "# It needs none: without a policy all is let in\n");
	ruleset_of(c, c->node->interface.s, &r);
	ruleset_print(&r, true, out);
}

int render(const struct config *c, enum render_format format, struct buf *out, struct err *e)
{
	return render_for(c, NULL, format, out, e);
}

int render_for(const struct config *c, const struct render_client *client,
	       enum render_format format, struct buf *out, struct err *e)
{
	size_t i;

	switch (format) {
	case RENDER_WG:
	case RENDER_WG_QUICK:
		wg_files(c, client, format == RENDER_WG_QUICK, out);
		break;
	case RENDER_NETWORKD:
		if (client)
			return err_set(e, ERR_INPUT, "a client has no configuration for networkd");
		networkd_config(c, out);
		for (i = 0; i < c->n_links; i++) {
			buf_addc(out, '\n');
			networkd_config(&c->links[i], out);
		}
		break;
	case RENDER_NFT:
		nft_config(c, out);
		break;
	case RENDER_JSON:
		if (render_json(c, client, out, e) < 0)
			return -1;
		break;
	}
	return buf_ok(out) ? 0 : err_set(e, ERR_LIMIT, "the configuration is too large to print");
}
