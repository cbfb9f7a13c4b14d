/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/grammar_impl.h"

#include "common/limits.h"

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

const struct table grammar_topology = {
	.what = "a topology entry",
	.fields = topology_fields,
	.size = sizeof(struct m_topology),
	.one_of = true,
	.kind = AT(m_topology, kind),
	.pos = AT(m_topology, pos),
	.shape = "- mesh: [all]",
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

const struct table grammar_routed = {
	.what = "`routed_links`",
	.fields = routed_fields,
	.size = sizeof(struct m_routed),
};
