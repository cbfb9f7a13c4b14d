/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: what the YAML of a network repository says, as typed values, each with its place. Made
 * by schema/load.h, which guarantees: every value is in the range that the grammar tables state,
 * names and keys are well formed, no key stands twice. What needs more than one value to judge
 * (references, duplicates across nodes, overlaps) is checked by schema/check.h (references) and by
 * the compiler (addresses, prefixes). Everything lives in the arena given to load.
 */
#ifndef SCHEMA_MODEL_H
#define SCHEMA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/diag.h"
#include "common/endpoint.h"
#include "common/key.h"
#include "common/name.h"
#include "common/prefix.h"
#include "common/service.h"

struct m_text {
	const char *s;
	struct pos pos;
};

struct m_addr {
	struct ipaddr addr;
	struct pos pos;
	uint8_t owned; /* 0: the address alone; else the whole prefix of this length is the node's
			*/
};

struct m_prefix {
	struct prefix prefix;
	struct pos pos;
};

/* An unsigned setting that may be absent. */
struct m_uint {
	bool set;
	uint64_t v;
	struct pos pos;
};

/* A range of UDP ports that may be absent. */
struct m_ports {
	bool set;
	uint16_t first, last;
	struct pos pos;
};

/* An entry of `routes`: a prefix alone, or a mapping with options. */
struct m_route {
	struct prefix prefix;
	struct pos pos; /* of the prefix */
	bool masquerade;
	struct m_uint metric; /* absent: 0 */
};

/* An entry of `endpoints` other than `default`: where who looks from there reaches the node. */
struct m_seen {
	const char *from; /* "site:NAME" or "tag:NAME" */
	struct endpoint endpoint; /* port 0: the node's listen port */
	struct pos pos, from_pos;
};

enum selector_kind { SELECT_NODE, SELECT_TAG, SELECT_ALL };

struct m_selector {
	enum selector_kind kind;
	const char *name; /* the node's or the tag's name; NULL for SELECT_ALL */
	struct pos pos;
};

struct m_selectors {
	struct m_selector *list;
	size_t n;
	bool lost; /* one more was refused; never in a model that can be used */
};

/* One side of a rule or an assertion: nodes, and networks behind nodes. */
struct m_parties {
	struct m_selectors nodes;
	struct m_prefix *prefixes; /* in the order written */
	size_t n_prefixes;
};

struct m_service {
	struct service service;
	struct pos pos;
};

struct m_services {
	struct m_service *list; /* in the order written */
	size_t n; /* 0: absent, which means any */
};

/* `dns` of a network or a node. */
struct m_names {
	struct m_text domain; /* of a network, where s NULL: there is no `dns`; of a node unused */
	bool has_servers; /* `servers` stands there, perhaps empty */
	struct m_addr *servers; /* in the order written, which is that of asking */
	size_t n_servers;
	bool hosts;
	struct pos hosts_pos; /* source NULL: `hosts` does not stand there */
};

struct m_node {
	const char *name;
	struct pos pos; /* of the name */
	struct wgkey public_key;
	struct pos public_key_pos;
	/* `endpoint`, or the default of `endpoints`. host NULL: absent; port 0: the node's listen
	 * port */
	struct endpoint endpoint;
	struct pos endpoint_pos;
	struct m_seen *seen; /* the others of `endpoints`, sorted by `from`, unique */
	size_t n_seen;
	bool has_addresses; /* `addresses` stands there: pinned; else automatic */
	struct m_addr *addresses;
	size_t n_addresses;
	struct m_route *routes;
	size_t n_routes;
	struct m_text *tags; /* sorted by name, unique */
	size_t n_tags;
	struct m_uint listen_port, mtu, persistent_keepalive,
		fwmark; /* keepalive 0: none; fwmark 0: none */
	bool has_interface;
	struct ifname interface;
	struct pos interface_pos;
	struct m_text description; /* s NULL: absent */
	struct m_uint table; /* 0: `off` */
	struct m_text exit_node; /* s NULL: absent */
	bool relay; /* may carry traffic for pairs that cannot meet */
	struct pos relay_pos;
	struct m_text region; /* s NULL: absent */
	struct m_text site; /* s NULL: absent */
	struct m_names names;
	struct m_text machine; /* s NULL: called as the node is */
};

/* A name server or a search domain. */
struct m_dns {
	struct ipaddr addr;
	const char *domain; /* NULL: the address */
	struct pos pos;
};

/* A device without the agent, a peer of one node alone. */
struct m_client {
	struct m_node node; /* name, key, addresses, mtu, keepalive and description; the rest is
			       never set */
	struct m_text gateway; /* the node that it is a peer of; s NULL: refused already */
	struct m_prefix *allowed_ips; /* of its own file; none: the network's pools */
	size_t n_allowed_ips;
	struct m_dns *dns; /* of its own file, in the order written */
	size_t n_dns;
};

/* Nodes at one place, of which one is joined with the others for all. */
struct m_site {
	const char *name;
	struct pos pos; /* of the name */
	struct m_text *leaders; /* nodes of it, in order, unique: the first is the one that is
				   joined */
	size_t n_leaders;
	struct m_text inside; /* "direct" or "leader", never NULL */
	struct m_route *routes; /* networks of the place, behind its leader */
	size_t n_routes;
};

enum topology_kind { TOPOLOGY_MESH, TOPOLOGY_STAR, TOPOLOGY_LINK };

struct m_topology {
	enum topology_kind kind;
	struct pos pos;
	struct m_selectors a; /* mesh: the members; star: hubs; link: between */
	struct m_selectors b; /* star: spokes; link: and */
	bool transit; /* star; default true */
	struct pos transit_pos; /* source NULL: it does not stand there */
	bool interface_per_link; /* its pairs are joined by routed links */
	struct pos interface_per_link_pos;
	struct m_uint persistent_keepalive; /* of the pairs that it joins; 0: none */
};

/* Who may reach whom. Without any rule everybody whom the topology joins. */
struct m_rule {
	struct pos pos;
	struct m_parties from, to;
	struct m_services on;
	struct m_text description; /* s NULL: absent */
};

/* What must hold of the network: one of `reaches` and `never_reaches` is empty. */
struct m_assertion {
	struct pos pos;
	struct m_parties from, reaches, never_reaches;
	struct m_services on;
	struct m_text description; /* s NULL: absent */
};

/* `routed_links`: what the links of topology entries with `interface_per_link` get. */
struct m_routed {
	struct m_prefix *transfer; /* pools of /31 and /127, in the order written */
	size_t n_transfer;
	struct m_ports ports; /* not set: DEFAULT_LINK_PORTS_FIRST to _LAST */
	struct m_text interface_prefix;
	bool link_local; /* fe80::1 and fe80::2 besides */
	struct pos link_local_pos;
};

struct m_network {
	const char *name; /* of the file or folder */
	struct pos pos; /* start of its (first) file */
	struct m_prefix *
		pools; /* `addresses`, in the order written: an automatic address comes from each */
	size_t n_pools;
	bool pools_lost; /* one more was refused; never in a model that can be used */
	struct m_prefix *reserved; /* each inside a pool: never handed out, but may be pinned */
	size_t n_reserved;
	struct m_uint listen_port, mtu, persistent_keepalive;
	struct m_uint table; /* 0: `off` */
	bool has_interface;
	struct ifname interface;
	struct pos interface_pos;
	struct m_text description;
	struct m_node *nodes; /* sorted by name */
	size_t n_nodes;
	struct m_client *clients; /* sorted by name; no name is a node's too */
	size_t n_clients;
	struct m_site *sites; /* sorted by name */
	size_t n_sites;
	bool has_topology; /* absent: a full mesh of all nodes */
	struct m_topology *topology; /* in the order of the file */
	size_t n_topology;
	bool has_policy;
	struct m_rule *policy; /* in the order of the file */
	size_t n_policy;
	bool has_assertions;
	struct m_assertion *assertions; /* in the order of the file */
	size_t n_assertions;
	struct m_routed routed;
	struct m_names names;
};

/* meshrc.yaml */
struct m_settings {
	struct m_text branch; /* never NULL: "published" by default */
	struct m_text remote; /* s NULL: absent */
	struct m_text directory; /* s NULL: absent; an absolute path */
	int64_t expires; /* seconds */
};

struct model {
	struct m_settings settings;
	struct m_network *networks; /* sorted by name */
	size_t n_networks;
};

/* The name of the machine that a node runs on: nodes of several networks may share it. */
const char *m_node_machine(const struct m_node *n);
/* What others reach under it: the address alone, or the prefix that the node owns. */
struct prefix m_addr_prefix(const struct m_addr *a);

/* By binary search; NULL when there is none. */
const struct m_network *model_network(const struct model *m, const char *name);
const struct m_node *m_network_node(const struct m_network *n, const char *name);
const struct m_site *m_network_site(const struct m_network *n, const char *name);
const struct m_client *m_network_client(const struct m_network *n, const char *name);

#define DEFAULT_LISTEN_PORT 51820
#define DEFAULT_MTU 1420
#define DEFAULT_LINK_PORTS_FIRST 52000
#define DEFAULT_LINK_PORTS_LAST 52999
#define DEFAULT_EXPIRES (30 * 86400)

#endif
