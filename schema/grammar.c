/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/grammar.h"

#include "common/dnsname.h"
#include "common/limits.h"
#include "schema/model.h"

#define AT(type, member) offsetof(struct type, member)

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One part of a path of a branch: what git takes (git-check-ref-format) and no shell, URL or option
 * parser minds. */
static bool good_part(const char *s, size_t len)
{
	size_t i;

	if (!len || !is_alnum(s[0]) || s[len - 1] == '.' ||
	    (len >= 5 && !memcmp(s + len - 5, ".lock", 5)))
		return false;
	for (i = 0; i < len; i++) {
		if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
		if (i && s[i] == '.' && s[i - 1] == '.')
			return false;
	}
	return true;
}

static const char *check_branch(const char *s, size_t len)
{
	static const char why[] =
		"a branch name here is parts of letters, digits, '.', '_' and '-', joined by '/', each "
		"beginning with a letter or digit, none ending in '.' or '.lock', without '..'";
	size_t i, from = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && s[i] != '/')
			continue;
		if (!good_part(s + from, i - from))
			return why;
		from = i + 1;
	}
	if (len == 4 && !memcmp(s, "HEAD", 4))
		return "HEAD is no branch of its own";
	return NULL;
}

static const char *check_remote(const char *s, size_t len)
{
	if (!good_part(s, len))
		return "a remote is named by the name that `git remote` gives it (letters, digits, '.', '_', '-'), not by its URL";
	return NULL;
}

static const char *check_directory(const char *s, size_t len)
{
	size_t i, from = 1;

	if (s[0] != '/')
		return "a directory must be an absolute path";
	for (i = 1; i <= len; i++) {
		if (i < len && s[i] != '/')
			continue;
		if (i == from && i < len)
			return "a directory must not hold '//'";
		if ((i - from == 1 && s[from] == '.') ||
		    (i - from == 2 && s[from] == '.' && s[from + 1] == '.'))
			return "a directory must not hold '.' or '..'";
		from = i + 1;
	}
	return len == 1 ? "the root directory cannot be published into" : NULL;
}

static const char *check_exit(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "an exit is the name of one node, without `tag:`";
	return NULL;
}

static const char *check_region(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a region is a name: a-z, 0-9, '.' and '-', beginning with a letter or digit, at most 63 characters";
	return NULL;
}

static const char *check_domain(const char *s, size_t len)
{
	return dnsname_domain_wrong(s, len);
}

static const char *check_machine(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a machine has a name: a-z, 0-9, '.' and '-', beginning with a letter or digit, at most 63 characters";
	return NULL;
}

static const char *check_node_name(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "it must be the name of a node: 1 to 63 of a-z, 0-9, '.' and '-', beginning with a letter or digit";
	return NULL;
}

static const char *check_site(const char *s, size_t len)
{
	if (!name_is_valid(s, len))
		return "a site is a name: a-z, 0-9, '.' and '-', beginning with a letter or digit, at most 63 characters";
	return NULL;
}

static const struct field publish_fields[] = {
	{ .key = "branch",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 100,
	  .fallback = "published",
	  .check = check_branch,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
	  .value = AT(m_settings, branch),
	  .help = "The branch of this repository that holds what was compiled and signed." },
	{ .key = "remote",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 100,
	  .check = check_remote,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
	  .value = AT(m_settings, remote),
	  .example = "origin",
	  .help = "The git remote that the branch is pushed to; absent: it is not pushed." },
	{ .key = "directory",
	  .type = FIELD_WORD,
	  .min = 2,
	  .max = 1024,
	  .check = check_directory,
	  .pattern = "^/.+$",
	  .value = AT(m_settings, directory),
	  .example = "/srv/www/mesh",
	  .help = "A directory that gets the same tree, for any web server; absent: none." },
	{ 0 },
};

static const struct table publish_table = {
	.what = "`publish`",
	.fields = publish_fields,
};

static const struct field meshrc_fields[] = {
	{ .key = "version",
	  .type = FIELD_VERSION,
	  .flags = FIELD_REQUIRED,
	  .example = "1",
	  .help = "The version of the format." },
	{ .key = "publish",
	  .type = FIELD_TABLE,
	  .table = &publish_table,
	  .shape = "publish:\n  branch: published",
	  .help = "Where to publish." },
	{ .key = "expires",
	  .type = FIELD_DURATION,
	  .min = 3600,
	  .max = 400 * 86400,
	  .fallback = "30d",
	  .value = AT(m_settings, expires),
	  .help = "How long a publication counts as fresh: a number and h, d or w, from 1h to 400d." },
	{ 0 },
};

const struct table grammar_meshrc = {
	.what = "meshrc.yaml",
	.fields = meshrc_fields,
	.size = sizeof(struct m_settings),
};

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

static const struct table route_table = {
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

static const struct field dns_fields[] = {
	{ .key = "domain",
	  .type = FIELD_WORD,
	  .flags = FIELD_REQUIRED_ONCE,
	  .min = 1,
	  .max = MAX_DOMAIN,
	  .check = check_domain,
	  .pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
	  .value = AT(m_names, domain),
	  .synonyms = "name zone search ",
	  .example = "mesh.example.net",
	  .help = "Every node and every client NAME is called NAME.DOMAIN." },
	{ .key = "servers",
	  .type = FIELD_ADDRESSES,
	  .max = MAX_NAME_SERVERS,
	  .value = AT(m_names, servers),
	  .extra = AT(m_names, n_servers),
	  .has = AT(m_names, has_servers),
	  .synonyms = "server nameservers nameserver ",
	  .example = "[10.20.0.1]",
	  .help = "Name servers for the domain, asked where systemd-resolved runs; absent: none." },
	{ .key = "hosts",
	  .type = FIELD_BOOL,
	  .fallback = "true",
	  .value = AT(m_names, hosts),
	  .pos = AT(m_names, hosts_pos),
	  .help = "Whether agents write the names into /etc/hosts where no server is asked." },
	{ 0 },
};

static const struct table dns_table = {
	.what = "`dns` of a network",
	.fields = dns_fields,
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
	  .table = &route_table,
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
	  .pattern = "^[a-z0-9][a-z0-9.-]*$",
	  .value = AT(m_node, region),
	  .synonyms = "zone location ",
	  .example = "eu-west",
	  .help = "Where it is: a relay in the region of one of the two sides of a pair is preferred; absent: nowhere." },
	{ .key = "site",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_site,
	  .pattern = "^[a-z0-9][a-z0-9.-]*$",
	  .value = AT(m_node, site),
	  .synonyms = "lan ",
	  .example = "berlin",
	  .help = "The site that it is at, one of the network's `sites`: others reach it through the site's leader; absent: none." },
	{ .key = "machine",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_machine,
	  .pattern = "^[a-z0-9][a-z0-9.-]*$",
	  .value = AT(m_node, machine),
	  .synonyms = "server runs_on ",
	  .example = "fra1",
	  .help = "What it runs on: nodes of several networks on one machine must not clash there; absent: the node's name." },
	{ .key = "exit_node",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_exit,
	  .pattern = "^[a-z0-9][a-z0-9.-]*$",
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

static const struct table node_table = {
	.what = "a node",
	.fields = node_fields,
	.size = sizeof(struct m_node),
	.name = AT(m_node, name),
	.pos = AT(m_node, pos),
	.shape = "fra1:\n  public_key: ...",
};

static const struct field client_fields[] = {
	{ .key = "public_key",
	  .type = FIELD_KEY,
	  .flags = FIELD_REQUIRED,
	  .value = AT(m_client, node.public_key),
	  .pos = AT(m_client, node.public_key_pos),
	  .synonyms = "key pubkey publickey public-key PublicKey ",
	  .example = "...",
	  .help = "The client's WireGuard public key: 44 characters, as its app or `wg pubkey` shows it." },
	{ .key = "gateway",
	  .type = FIELD_WORD,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_NAME,
	  .check = check_node_name,
	  .pattern = "^[a-z0-9][a-z0-9.-]*$",
	  .value = AT(m_client, gateway),
	  .synonyms = "via server hub node ",
	  .example = "fra1",
	  .help = "The node, with an endpoint, that it is connected to and through which all others reach it." },
	{ .key = "allowed_ips",
	  .type = FIELD_PREFIXES,
	  .min = 1,
	  .max = MAX_ROUTES,
	  .value = AT(m_client, allowed_ips),
	  .extra = AT(m_client, n_allowed_ips),
	  .synonyms = "allowedips allowed-ips AllowedIPs routes route subnets networks ",
	  .example = "[10.20.0.0/16]",
	  .help = "What it sends into the tunnel, 0.0.0.0/0 and ::/0 for everything; absent: the network's pools. In its own file alone." },
	{ .key = "addresses",
	  .type = FIELD_ADDRESSES,
	  .min = 1,
	  .max = MAX_ADDRESSES,
	  .value = AT(m_client, node.addresses),
	  .extra = AT(m_client, node.n_addresses),
	  .has = AT(m_client, node.has_addresses),
	  .synonyms = "address ip ips Address ",
	  .example = "[10.20.0.9]",
	  .help = "Its addresses inside the network, without prefix length; absent: one from each pool." },
	{ .key = "dns",
	  .type = FIELD_DNS,
	  .min = 1,
	  .max = MAX_DNS,
	  .value = AT(m_client, dns),
	  .extra = AT(m_client, n_dns),
	  .synonyms = "DNS nameserver nameservers resolver resolvers search ",
	  .example = "[10.20.0.1, corp.example.net]",
	  .help = "Name servers and search domains in its own file; absent: none." },
	{ .key = "persistent_keepalive",
	  .type = FIELD_UINT,
	  .min = 0,
	  .max = 65535,
	  .value = AT(m_client, node.persistent_keepalive),
	  .synonyms = "keepalive PersistentKeepalive ",
	  .example = "25",
	  .help = "Seconds between its keepalives to the gateway; 0: none; absent: the network's, else 25. In its own file alone." },
	{ .key = "mtu",
	  .type = FIELD_UINT,
	  .min = 576,
	  .max = 65535,
	  .value = AT(m_client, node.mtu),
	  .synonyms = "MTU ",
	  .example = "1280",
	  .help = "The MTU in its own file, at least 1280 with IPv6; absent: the network's where that is written, else its app chooses." },
	{ .key = "description",
	  .type = FIELD_TEXT,
	  .min = 0,
	  .max = MAX_DESCRIPTION,
	  .value = AT(m_client, node.description),
	  .synonyms = "comment name ",
	  .example = "Anna's phone",
	  .help = "Free text in one line." },
	{ 0 },
};

static const struct table client_table = {
	.what = "a client",
	.fields = client_fields,
	.size = sizeof(struct m_client),
	.name = AT(m_client, node.name),
	.pos = AT(m_client, node.pos),
};

static const char *check_inside(const char *s, size_t len)
{
	if ((len == 6 && !memcmp(s, "direct", 6)) || (len == 6 && !memcmp(s, "leader", 6)))
		return NULL;
	return "inside of a site nodes meet `direct` or through their `leader`";
}

static const struct field site_fields[] = {
	{ .key = "leaders",
	  .type = FIELD_NAMES,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_LEADERS,
	  .value = AT(m_site, leaders),
	  .extra = AT(m_site, n_leaders),
	  .synonyms = "leader gateway gateways ",
	  .example = "[ber1, ber2]",
	  .help = "Nodes of the site, in order: the first is joined with all others for the whole site, the rest stand by." },
	{ .key = "inside",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 16,
	  .fallback = "direct",
	  .check = check_inside,
	  .pattern = "^(direct|leader)$",
	  .value = AT(m_site, inside),
	  .help = "How its nodes reach each other: `direct`, those that meet, and the others through the leader; or `leader`, all through it." },
	{ .key = "routes",
	  .type = FIELD_ROUTES,
	  .table = &route_table,
	  .min = 0,
	  .max = MAX_ROUTES,
	  .value = AT(m_site, routes),
	  .extra = AT(m_site, n_routes),
	  .synonyms = "route subnets subnet networks lan ",
	  .example = "[192.168.10.0/24]",
	  .help = "Networks at the place, behind its leader for all who are not there; each a prefix or a mapping with `cidr`." },
	{ 0 },
};

static const struct table site_table = {
	.what = "a site",
	.fields = site_fields,
	.size = sizeof(struct m_site),
	.name = AT(m_site, name),
	.pos = AT(m_site, pos),
	.shape = "berlin:\n  leaders: [ber1]",
};

static const struct field star_fields[] = {
	{ .key = "hubs",
	  .type = FIELD_SELECTORS,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_SELECTORS,
	  .value = AT(m_topology, a),
	  .synonyms = "hub ",
	  .example = "[fra1]",
	  .help = "The nodes in the middle." },
	{ .key = "spokes",
	  .type = FIELD_SELECTORS,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_SELECTORS,
	  .value = AT(m_topology, b),
	  .synonyms = "spoke ",
	  .example = "[tag:roaming]",
	  .help = "The nodes that are joined with every hub." },
	{ .key = "transit",
	  .type = FIELD_BOOL,
	  .fallback = "true",
	  .value = AT(m_topology, transit),
	  .pos = AT(m_topology, transit_pos),
	  .help = "Whether spokes reach each other through their first hub." },
	{ 0 },
};

static const struct table star_table = {
	.what = "a star",
	.fields = star_fields,
};

static const struct field link_fields[] = {
	{ .key = "between",
	  .type = FIELD_SELECTORS,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_SELECTORS,
	  .value = AT(m_topology, a),
	  .synonyms = "from left ",
	  .example = "[tag:dc]",
	  .help = "The nodes of one side." },
	{ .key = "and",
	  .type = FIELD_SELECTORS,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_SELECTORS,
	  .value = AT(m_topology, b),
	  .synonyms = "to right ",
	  .example = "[ams1]",
	  .help = "The nodes of the other side." },
	{ 0 },
};

static const struct table link_table = {
	.what = "a link",
	.fields = link_fields,
};

static const struct field topology_fields[] = {
	{ .key = "mesh",
	  .type = FIELD_SELECTORS,
	  .min = 1,
	  .max = MAX_SELECTORS,
	  .value = AT(m_topology, a),
	  .choice = TOPOLOGY_MESH,
	  .example = "[tag:dc]",
	  .help = "Every one of these nodes is joined with every other." },
	{ .key = "star",
	  .type = FIELD_TABLE,
	  .table = &star_table,
	  .choice = TOPOLOGY_STAR,
	  .example = "{hubs: [fra1], spokes: [all]}",
	  .help = "Every hub is joined with every spoke." },
	{ .key = "link",
	  .type = FIELD_TABLE,
	  .table = &link_table,
	  .choice = TOPOLOGY_LINK,
	  .example = "{between: [tag:dc], and: [ams1]}",
	  .help = "Every node of one side is joined with every node of the other." },
	{ .key = "interface_per_link",
	  .type = FIELD_BOOL,
	  .flags = FIELD_BESIDE,
	  .fallback = "false",
	  .value = AT(m_topology, interface_per_link),
	  .pos = AT(m_topology, interface_per_link_pos),
	  .synonyms = "routed routed_links per_link ",
	  .example = "true",
	  .help = "Whether each pair that this entry joins gets a routed link: an interface, a port and transfer "
		  "addresses of its own at each end, for a routing daemon, and no entry on the main interface." },
	{ .key = "persistent_keepalive",
	  .type = FIELD_UINT,
	  .flags = FIELD_BESIDE,
	  .min = 0,
	  .max = 65535,
	  .value = AT(m_topology, persistent_keepalive),
	  .synonyms = "keepalive PersistentKeepalive ",
	  .example = "15",
	  .help = "Seconds between keepalives on what this entry joins, towards the side that has an endpoint, "
		  "whatever nodes and network say; 0: none; absent: as they say." },
	{ 0 },
};

static const struct table topology_table = {
	.what = "a topology entry",
	.fields = topology_fields,
	.size = sizeof(struct m_topology),
	.one_of = true,
	.kind = AT(m_topology, kind),
	.pos = AT(m_topology, pos),
	.shape = "- mesh: [all]",
};

#define PARTY_SYNTAX "each the name of a node or a client, tag:NAME, all, or a prefix behind a node"

static const struct field rule_fields[] = {
	{ .key = "from",
	  .type = FIELD_PARTIES,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_PARTIES,
	  .value = AT(m_rule, from),
	  .synonyms = "source sources src ",
	  .example = "[tag:app]",
	  .help = "Who may: " PARTY_SYNTAX "." },
	{ .key = "to",
	  .type = FIELD_PARTIES,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_PARTIES,
	  .value = AT(m_rule, to),
	  .synonyms = "destination destinations dest dst target targets ",
	  .example = "[tag:db]",
	  .help = "Whom they may reach: " PARTY_SYNTAX "." },
	{ .key = "on",
	  .type = FIELD_SERVICES,
	  .min = 1,
	  .max = MAX_SERVICES,
	  .value = AT(m_rule, on),
	  .synonyms = "protocol protocols proto port ports service services ",
	  .example = "[tcp/5432, icmp]",
	  .help = "On what: any, icmp, tcp, udp, tcp/PORT, tcp/PORT-PORT, udp/PORT, udp/PORT-PORT; absent: any." },
	{ .key = "description",
	  .type = FIELD_TEXT,
	  .min = 0,
	  .max = MAX_DESCRIPTION,
	  .value = AT(m_rule, description),
	  .synonyms = "comment name ",
	  .example = "the application's own database",
	  .help = "Free text in one line." },
	{ 0 },
};

static const struct table rule_table = {
	.what = "a rule",
	.fields = rule_fields,
	.size = sizeof(struct m_rule),
	.pos = AT(m_rule, pos),
	.shape = "- {from: [tag:app], to: [tag:db], on: [tcp/5432]}",
};

static const struct field assertion_fields[] = {
	{ .key = "from",
	  .type = FIELD_PARTIES,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_PARTIES,
	  .value = AT(m_assertion, from),
	  .synonyms = "source sources src ",
	  .example = "[tag:app]",
	  .help = "Each of these: " PARTY_SYNTAX "." },
	{ .key = "reaches",
	  .type = FIELD_PARTIES,
	  .min = 1,
	  .max = MAX_PARTIES,
	  .value = AT(m_assertion, reaches),
	  .synonyms = "to reach accept ",
	  .example = "[tag:db]",
	  .help = "must reach each of these on all of `on`; written like `from`." },
	{ .key = "never_reaches",
	  .type = FIELD_PARTIES,
	  .min = 1,
	  .max = MAX_PARTIES,
	  .value = AT(m_assertion, never_reaches),
	  .synonyms = "never not_reaches unreachable deny ",
	  .example = "[tag:db]",
	  .help = "must reach none of these on any of `on`; written like `from`." },
	{ .key = "on",
	  .type = FIELD_SERVICES,
	  .min = 1,
	  .max = MAX_SERVICES,
	  .value = AT(m_assertion, on),
	  .synonyms = "protocol protocols proto port ports service services ",
	  .example = "[tcp/5432]",
	  .help = "On what, written as in a rule; absent: any." },
	{ .key = "description",
	  .type = FIELD_TEXT,
	  .min = 0,
	  .max = MAX_DESCRIPTION,
	  .value = AT(m_assertion, description),
	  .synonyms = "comment name ",
	  .example = "guests stay out",
	  .help = "Free text in one line." },
	{ 0 },
};

static const struct table assertion_table = {
	.what = "an assertion",
	.fields = assertion_fields,
	.size = sizeof(struct m_assertion),
	.pos = AT(m_assertion, pos),
	.shape = "- {from: [tag:app], reaches: [tag:db], on: [tcp/5432]}",
};

static const char *check_interface_prefix(const char *s, size_t len)
{
	struct ifname unused;

	if (ifname_parse(s, len, &unused) < 0)
		return "the begin of an interface name is 1 to 8 letters, digits or '_', '=', '+', '.', '-', and no '-' in front";
	return NULL;
}

static const struct field routed_fields[] = {
	{ .key = "transfer",
	  .type = FIELD_PREFIXES,
	  .min = 0,
	  .max = MAX_POOLS - 1,
	  .value = AT(m_routed, transfer),
	  .extra = AT(m_routed, n_transfer),
	  .synonyms = "addresses pool pools transfer_net subnet ",
	  .example = "[10.99.0.0/16, \"fd99::/64\"]",
	  .help = "Pools of transfer networks: each link gets a /31 or a /127 of each; absent: link-local addresses alone." },
	{ .key = "ports",
	  .type = FIELD_PORTS,
	  .min = 1,
	  .max = 65535,
	  .fallback = "52000-52999",
	  .value = AT(m_routed, ports),
	  .synonyms = "port listen_port listen_ports ",
	  .help = "The UDP ports that links listen on: at each node, one for each of its links." },
	{ .key = "interface_prefix",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 8,
	  .fallback = "wl-",
	  .check = check_interface_prefix,
	  .pattern = "^[A-Za-z0-9_=+.][A-Za-z0-9_=+.-]*$",
	  .value = AT(m_routed, interface_prefix),
	  .synonyms = "interface prefix ",
	  .help = "What the names of their interfaces begin with; behind it stands the other node's name, or, where that "
		  "is too long, the begin of it, '_' and four characters." },
	{ .key = "link_local",
	  .type = FIELD_BOOL,
	  .fallback = "true",
	  .value = AT(m_routed, link_local),
	  .pos = AT(m_routed, link_local_pos),
	  .help = "Whether the ends also have fe80::1 and fe80::2, which Babel and OSPFv3 need." },
	{ 0 },
};

static const struct table routed_table = {
	.what = "`routed_links`",
	.fields = routed_fields,
	.size = sizeof(struct m_routed),
};

static const struct field network_fields[] = {
	{ .key = "version",
	  .type = FIELD_VERSION,
	  .flags = FIELD_REQUIRED_ONCE,
	  .example = "1",
	  .help = "The version of the format; at least one file of a network says it." },
	{ .key = "addresses",
	  .type = FIELD_PREFIXES,
	  .flags = FIELD_REQUIRED_ONCE,
	  .min = 1,
	  .max = MAX_POOLS,
	  .value = AT(m_network, pools),
	  .extra = AT(m_network, n_pools),
	  .has = AT(m_network, pools_lost),
	  .synonyms = "address pool pools subnet cidr ",
	  .example = "[10.20.0.0/16]",
	  .help = "Pools: a node without addresses of its own gets one from each." },
	{ .key = "reserved",
	  .type = FIELD_RANGES,
	  .min = 0,
	  .max = MAX_RESERVED,
	  .value = AT(m_network, reserved),
	  .extra = AT(m_network, n_reserved),
	  .synonyms = "reserve reservations exclude excluded ",
	  .example = "[10.20.0.0/24, 10.20.5.1]",
	  .help = "Prefixes and addresses inside the pools that no node gets by itself; `addresses` of a node "
		  "may name them." },
	{ .key = "listen_port",
	  .type = FIELD_UINT,
	  .min = 1,
	  .max = 65535,
	  .fallback = "51820",
	  .value = AT(m_network, listen_port),
	  .synonyms = "port ListenPort ",
	  .help = "The UDP port of every node." },
	{ .key = "mtu",
	  .type = FIELD_UINT,
	  .min = 576,
	  .max = 65535,
	  .fallback = "1420",
	  .value = AT(m_network, mtu),
	  .synonyms = "MTU ",
	  .help = "The MTU of every interface, at least 1280 with IPv6." },
	{ .key = "persistent_keepalive",
	  .type = FIELD_UINT,
	  .min = 0,
	  .max = 65535,
	  .value = AT(m_network, persistent_keepalive),
	  .synonyms = "keepalive PersistentKeepalive ",
	  .example = "25",
	  .help = "Seconds between keepalives, for nodes without an endpoint; 0 or absent: none." },
	{ .key = "preshared_keys",
	  .type = FIELD_FALSE,
	  .fallback = "false",
	  .help = "Whether each pair of nodes shares a secret key besides; this version has false alone." },
	{ .key = "interface",
	  .type = FIELD_IFNAME,
	  .value = AT(m_network, interface),
	  .pos = AT(m_network, interface_pos),
	  .extra = AT(m_network, has_interface),
	  .synonyms = "device dev ",
	  .example = "wg0",
	  .help = "The name of the network interface on every node; absent: the network's name." },
	{ .key = "description",
	  .type = FIELD_TEXT,
	  .min = 0,
	  .max = MAX_DESCRIPTION,
	  .value = AT(m_network, description),
	  .synonyms = "comment name ",
	  .example = "production",
	  .help = "Free text in one line." },
	{ .key = "nodes",
	  .type = FIELD_NAMED,
	  .table = &node_table,
	  .min = 0,
	  .max = MAX_NODES,
	  .value = AT(m_network, nodes),
	  .extra = AT(m_network, n_nodes),
	  .synonyms = "node peers hosts machines ",
	  .shape = "nodes:\n  fra1: {public_key: ...}",
	  .help = "The nodes, by name." },
	{ .key = "clients",
	  .type = FIELD_NAMED,
	  .table = &client_table,
	  .min = 0,
	  .max = MAX_NODES,
	  .value = AT(m_network, clients),
	  .extra = AT(m_network, n_clients),
	  .synonyms = "client devices phones roadwarriors ",
	  .help = "Devices without the agent (phones, appliances), by name; the topology does not name them." },
	{ .key = "sites",
	  .type = FIELD_NAMED,
	  .table = &site_table,
	  .min = 0,
	  .max = MAX_SITES,
	  .value = AT(m_network, sites),
	  .extra = AT(m_network, n_sites),
	  .synonyms = "site locations location ",
	  .shape = "sites:\n  berlin: {leaders: [ber1]}",
	  .help = "Places of several nodes, by name: one of them, the leader, is joined with the others for all." },
	{ .key = "topology",
	  .type = FIELD_LIST,
	  .table = &topology_table,
	  .min = 0,
	  .max = MAX_TOPOLOGY,
	  .value = AT(m_network, topology),
	  .extra = AT(m_network, n_topology),
	  .has = AT(m_network, has_topology),
	  .synonyms = "links connections ",
	  .shape = "topology:\n  - mesh: [all]",
	  .help = "Who is joined with whom; absent: every node with every other." },
	{ .key = "routed_links",
	  .type = FIELD_TABLE,
	  .table = &routed_table,
	  .value = AT(m_network, routed),
	  .shape = "routed_links:\n  transfer: [10.99.0.0/16]",
	  .help = "What the links of topology entries with `interface_per_link` get." },
	{ .key = "policy",
	  .type = FIELD_LIST,
	  .table = &rule_table,
	  .min = 1,
	  .max = MAX_RULES,
	  .value = AT(m_network, policy),
	  .extra = AT(m_network, n_policy),
	  .has = AT(m_network, has_policy),
	  .synonyms = "policies rules acl acls firewall access ",
	  .shape = "policy:\n  - {from: [tag:app], to: [tag:db], on: [tcp/5432]}",
	  .help = "Who may reach whom on what; absent: all whom the topology joins, on everything." },
	{ .key = "assert",
	  .type = FIELD_LIST,
	  .table = &assertion_table,
	  .min = 1,
	  .max = MAX_ASSERTIONS,
	  .value = AT(m_network, assertions),
	  .extra = AT(m_network, n_assertions),
	  .has = AT(m_network, has_assertions),
	  .synonyms = "asserts assertions tests checks ",
	  .shape = "assert:\n  - {from: [tag:app], reaches: [tag:db], on: [tcp/5432]}",
	  .help = "What must hold of the network; where it does not, the configuration is refused." },
	{ .key = "dns",
	  .type = FIELD_TABLE,
	  .table = &dns_table,
	  .value = AT(m_network, names),
	  .shape = "dns:\n  domain: mesh.example.net",
	  .help = "Names for the nodes; absent: none." },
	{ .key = "table",
	  .type = FIELD_ROUTES_TABLE,
	  .min = 1,
	  .max = UINT32_MAX,
	  .value = AT(m_network, table),
	  .synonyms = "Table routing_table RouteTable ",
	  .example = "100",
	  .help = "The routing table that the routes of every interface go into; `off`: none is made; absent: the main one." },
	{ 0 },
};

const struct table grammar_network = {
	.what = "a network",
	.fields = network_fields,
	.size = sizeof(struct m_network),
};
