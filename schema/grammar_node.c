/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/grammar_impl.h"

#include "common/limits.h"

#define NAME_SYNTAX "a-z, 0-9, '.' and '-', beginning with a letter or digit, at most 63 characters"

static const char *check_exit(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "an exit is the name of one node, without `tag:`";
	return NULL;
}

static const char *check_region(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a region is a name: " NAME_SYNTAX;
	return NULL;
}

static const char *check_machine(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a machine has a name: " NAME_SYNTAX;
	return NULL;
}

static const char *check_site(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a site is a name: " NAME_SYNTAX;
	return NULL;
}

static const struct field route_fields[] = {
	{ .key = "cidr",
	  .type = FIELD_PREFIX,
	  .flags = FIELD_REQUIRED,
	  .value = AT(m_route, prefix),
	  .pos = AT(m_route, pos),
	  .synonyms = "prefix subnet network route to dst ",
	  .example = "192.168.10.0/24",
	  .help = "The network behind the node." },
	{ .key = "masquerade",
	  .type = FIELD_BOOL,
	  .fallback = "false",
	  .value = AT(m_route, masquerade),
	  .synonyms = "nat snat masq ",
	  .help = "Whether what goes there leaves under the node's own address, so that the hosts there need no way back." },
	{ .key = "metric",
	  .type = FIELD_UINT,
	  .min = 0,
	  .max = MAX_METRIC,
	  .fallback = "0",
	  .value = AT(m_route, metric),
	  .synonyms = "priority preference weight ",
	  .example = "10",
	  .help = "Its place among the nodes that have the same network behind them: the one with the lowest has it, the others stand by." },
	{ 0 },
};

const struct table grammar_route = {
	.what = "a route",
	.fields = route_fields,
	.size = sizeof(struct m_route),
};

static const struct field node_dns_fields[] = {
	{ .key = "servers",
	  .type = FIELD_ADDRESSES,
	  .max = MAX_NAME_SERVERS,
	  .value = AT(m_names, servers),
	  .extra = AT(m_names, n_servers),
	  .has = AT(m_names, has_servers),
	  .synonyms = "server nameservers nameserver ",
	  .example = "[10.20.0.1]",
	  .help = "Name servers that it asks for the domain; empty: none; absent: the network's." },
	{ .key = "hosts",
	  .type = FIELD_BOOL,
	  .value = AT(m_names, hosts),
	  .pos = AT(m_names, hosts_pos),
	  .example = "false",
	  .help = "Whether its agent may write names into /etc/hosts; absent: as the network says." },
	{ 0 },
};

static const struct table node_dns_table = {
	.what = "`dns` of a node",
	.fields = node_dns_fields,
};

static const struct field node_fields[] = {
	{ .key = "public_key",
	  .type = FIELD_KEY,
	  .flags = FIELD_REQUIRED,
	  .value = AT(m_node, public_key),
	  .pos = AT(m_node, public_key_pos),
	  .synonyms = "key pubkey publickey public-key PublicKey ",
	  .example = "...",
	  .help = "The node's WireGuard public key: 44 characters, as `wg pubkey` prints it." },
	{ .key = "endpoint",
	  .type = FIELD_ENDPOINT,
	  .value = AT(m_node, endpoint),
	  .pos = AT(m_node, endpoint_pos),
	  .synonyms = "host hostname Endpoint public_ip ",
	  .example = "fra1.example.net:51820",
	  .help = "Where others reach it: host, host:port or [IPv6]:port; absent: nobody can reach it first (NAT)." },
	{ .key = "endpoints",
	  .type = FIELD_ENDPOINTS,
	  .min = 1,
	  .max = MAX_VIEWPOINTS + 1,
	  .value = AT(m_node, seen),
	  .extra = AT(m_node, n_seen),
	  .has = AT(m_node, endpoint),
	  .pos = AT(m_node, endpoint_pos),
	  .shape = "endpoints:\n  default: fra1.example.net\n  tag:office: 192.168.1.1",
	  .help = "Several endpoints: `tag:NAME` for the nodes that have this tag, `site:NAME` for those at this site, `default` "
		  "(the same as `endpoint`) for all others." },
	{ .key = "addresses",
	  .type = FIELD_ADDRESSES,
	  .flags = FIELD_WHOLE,
	  .min = 1,
	  .max = MAX_ADDRESSES,
	  .value = AT(m_node, addresses),
	  .extra = AT(m_node, n_addresses),
	  .has = AT(m_node, has_addresses),
	  .synonyms = "address ip ips Address ",
	  .example = "[10.20.0.1]",
	  .help = "Its addresses inside the network; one with a prefix length owns that whole part of a pool; absent: one from each pool." },
	{ .key = "tags",
	  .type = FIELD_TAGS,
	  .min = 0,
	  .max = MAX_TAGS,
	  .value = AT(m_node, tags),
	  .extra = AT(m_node, n_tags),
	  .synonyms = "tag groups group labels ",
	  .example = "[dc, eu]",
	  .help = "Names for groups of nodes, used by the topology as tag:NAME." },
	{ .key = "routes",
	  .type = FIELD_ROUTES,
	  .table = &grammar_route,
	  .min = 0,
	  .max = MAX_ROUTES,
	  .value = AT(m_node, routes),
	  .extra = AT(m_node, n_routes),
	  .synonyms = "route subnets subnet networks allowed_ips AllowedIPs ",
	  .example = "[192.168.10.0/24]",
	  .help = "Networks behind this node, each a prefix or a mapping with `cidr`." },
	{ .key = "listen_port",
	  .type = FIELD_UINT,
	  .min = 1,
	  .max = 65535,
	  .value = AT(m_node, listen_port),
	  .synonyms = "port ListenPort ",
	  .example = "51821",
	  .help = "Its UDP port; absent: the network's." },
	{ .key = "mtu",
	  .type = FIELD_UINT,
	  .min = 576,
	  .max = 65535,
	  .value = AT(m_node, mtu),
	  .synonyms = "MTU ",
	  .example = "1380",
	  .help = "The MTU of its interface, at least 1280 with IPv6; absent: the network's." },
	{ .key = "persistent_keepalive",
	  .type = FIELD_UINT,
	  .min = 0,
	  .max = 65535,
	  .value = AT(m_node, persistent_keepalive),
	  .synonyms = "keepalive PersistentKeepalive ",
	  .example = "25",
	  .help = "Seconds between keepalives to peers that have an endpoint; 0: none; absent: the network's, "
		  "for a node without an endpoint." },
	{ .key = "fwmark",
	  .type = FIELD_MARK,
	  .min = 1,
	  .max = UINT32_MAX,
	  .value = AT(m_node, fwmark),
	  .synonyms = "FwMark mark ",
	  .example = "51820",
	  .help = "The mark of the packets that WireGuard sends, in decimal or as 0x and hexadecimal digits; absent: none." },
	{ .key = "interface",
	  .type = FIELD_IFNAME,
	  .value = AT(m_node, interface),
	  .pos = AT(m_node, interface_pos),
	  .extra = AT(m_node, has_interface),
	  .synonyms = "device dev ",
	  .example = "wg0",
	  .help = "The name of its network interface; absent: the network's." },
	{ .key = "description",
	  .type = FIELD_TEXT,
	  .min = 0,
	  .max = MAX_DESCRIPTION,
	  .value = AT(m_node, description),
	  .synonyms = "comment name ",
	  .example = "the big one",
	  .help = "Free text in one line." },
	{ .key = "relay",
	  .type = FIELD_BOOL,
	  .fallback = "false",
	  .value = AT(m_node, relay),
	  .pos = AT(m_node, relay_pos),
	  .example = "true",
	  .help = "Whether it may carry traffic for pairs of nodes that cannot reach each other; it needs an endpoint." },
	{ .key = "region",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_region,
	  .pattern = NAME_PATTERN,
	  .value = AT(m_node, region),
	  .synonyms = "zone location ",
	  .example = "eu-west",
	  .help = "Where it is: a relay in the region of one of the two sides of a pair is preferred; absent: nowhere." },
	{ .key = "site",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_site,
	  .pattern = NAME_PATTERN,
	  .value = AT(m_node, site),
	  .synonyms = "lan ",
	  .example = "berlin",
	  .help = "The site that it is at, one of the network's `sites`: others reach it through the site's leader; absent: none." },
	{ .key = "machine",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_machine,
	  .pattern = NAME_PATTERN,
	  .value = AT(m_node, machine),
	  .synonyms = "server runs_on ",
	  .example = "fra1",
	  .help = "What it runs on: nodes of several networks on one machine must not clash there; absent: the node's name." },
	{ .key = "exit_node",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_exit,
	  .pattern = NAME_PATTERN,
	  .value = AT(m_node, exit_node),
	  .synonyms = "exit default_gateway ",
	  .example = "fra1",
	  .help = "The node that it sends everything through that no other node has; it is joined with it and has an endpoint." },
	{ .key = "dns",
	  .type = FIELD_TABLE,
	  .table = &node_dns_table,
	  .value = AT(m_node, names),
	  .example = "{hosts: false}",
	  .help = "What is other than in the network's `dns`." },
	{ .key = "table",
	  .type = FIELD_ROUTES_TABLE,
	  .min = 1,
	  .max = UINT32_MAX,
	  .value = AT(m_node, table),
	  .synonyms = "Table routing_table RouteTable ",
	  .example = "100",
	  .help = "The routing table that the routes of its interface go into; `off`: none is made; absent: the network's." },
	{ 0 },
};

const struct table grammar_node = {
	.what = "a node",
	.fields = node_fields,
	.size = sizeof(struct m_node),
	.name = AT(m_node, name),
	.pos = AT(m_node, pos),
	.shape = "fra1:\n  public_key: ...",
};
