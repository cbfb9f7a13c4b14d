/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled network, as the reconciler publishes it and an agent reads it back: records, groups,
 * node documents and tombstones. It says who is joined with whom between groups, so its size
 * follows the number of nodes, not of pairs; publication/expand.h turns one node's document into
 * that node's WireGuard configuration.
 *
 * Everything lives in the arena that the maker chose. All arrays are sorted as stated and hold no
 * duplicates. An agent's copy may be partial: it holds the records and groups that its own node
 * document needs.
 */
#ifndef PUBLICATION_NETWORK_H
#define PUBLICATION_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/name.h"
#include "common/prefix.h"
#include "common/service.h"

/* Where a node is reached by those who look from there. */
struct seen {
	const char *from; /* a viewpoint: "tag:office", "site:berlin" */
	struct endpoint endpoint;
};

/* A network behind a node that some other node comes first for. */
struct standby {
	struct prefix prefix;
	uint16_t metric; /* 1..MAX_METRIC: the lowest of them is next */
};

/*
 * What the file of a client (a device without the agent) has that nobody else needs to know and
 * that its record and its gateway's do not say: published so that a plan can tell when the file in
 * the client's hands is no longer right. Agents pass over it.
 */
struct client_settings {
	/* What goes into the tunnel, canonical; none: the networks that the addresses of its
	 * gateway stand in, those of the pools as a rule. */
	const struct prefix *allowed_ips;
	size_t n_allowed_ips;
	/* Addresses of name servers and search domains in the order written, distinct. */
	const char *const *dns;
	size_t n_dns;
	uint16_t mtu; /* 576..65535; 0: none is written */
	uint16_t keepalive; /* seconds; 0: none */
};

/* Since most clients are behind NAT. */
#define DEFAULT_CLIENT_KEEPALIVE 25

/* Peer record: all that another node needs to know of a node. */
struct record {
	const char *name;
	struct wgkey key;
	const struct ipaddr *addresses; /* sorted */
	size_t n_addresses;
	/* Networks behind the node, parts of the pools that it owns among them: canonical
	 * (prefix_canonical). */
	const struct prefix *routes;
	size_t n_routes;
	const struct standby *standby; /* sorted by prefix, each once */
	size_t n_standby;
	struct endpoint endpoint; /* for all others; host NULL: they cannot reach it first */
	const struct seen *seen; /* sorted by viewpoint */
	size_t n_seen;
	/* NULL, or the site that it is a leader of, the `leads_at`th from 1: the first is the one
	 * through which others reach the site. */
	const char *leads;
	uint8_t leads_at; /* 1..MAX_LEADERS */
	const char *gateway; /* NULL: a node; else a client of that node, a device without the agent
				and so without a node document, route or endpoint */
	const struct client_settings *settings; /* of a client; NULL: as without any */
	bool clients; /* a node with clients: they are the group GROUP_CLIENTS_OF NAME */
};

/* A set of nodes under a name: "tag:dc", or what the compiler made up, such as "all!fra1". Never a
 * node's name. */
struct group {
	const char *name;
	const char *const *members; /* sorted by strcmp */
	size_t n_members;
};

/* The built-in group of the records of all nodes, clients left out; it is never stored as a struct
 * group. */
#define GROUP_ALL "all"
/*
 * What the name of the group of a node's clients begins with; the node's name follows. Such a group
 * is looked at without being named: where a node whose record has `clients` is a direct peer, its
 * entry also gets the addresses of the group's members. The node's own document has the group as
 * direct peers. So who comes first, or goes last, changes no document of another node.
 */
#define GROUP_CLIENTS_OF "#clients."
/* The built-in group of the records of all clients; only permits name it, and it is never stored
 * either. */
#define GROUP_CLIENTS "#clients"
/* Longest group name: what the compiler makes up is hashed when it would be longer. */
#define MAX_GROUP_NAME 255

/* One line of a node document. `target` is a node's name (no ':' and no '!'), GROUP_ALL or a
 * group's name. */
enum link_kind {
	/* Each node of target (but not this one) is a peer of its own: AllowedIPs = its addresses
	   and routes. */
	LINK_DIRECT,
	/* The entry for `via` (a node) also gets the routes of each node of target (but this one
	   and `via`). */
	LINK_ROUTES,
	/* The entry for `via` also gets the addresses and routes of each node of target (but this
	   one, `via`, and those that are peers themselves). */
	LINK_THROUGH,
	/* The entry for `via` also gets `prefixes`. */
	LINK_ALLOW,
	/* Each node of target (but this one) that is a peer and has an endpoint gets keepalives
	 * every `seconds` (0: none) in place of the node's own keepalive; of several such links the
	 * shortest that is not 0 holds. */
	LINK_ALIVE,
	/* Each node of target (but this one) is at the other end of a routed link: see struct
	   routed_link. */
	LINK_ROUTED,
};

struct link {
	enum link_kind kind;
	const char *target; /* NULL for LINK_ALLOW */
	const char *via; /* NULL for LINK_DIRECT, LINK_ALIVE and LINK_ROUTED */
	const struct prefix *prefixes; /* LINK_ALLOW only: canonical */
	size_t n_prefixes;
	uint16_t seconds; /* LINK_ALIVE only */
};

/*
 * One pair of the policy: who may reach whom on what. Each side is the name of a node or a client,
 * GROUP_ALL, GROUP_CLIENTS, the name of a group of nodes, or a prefix that lies behind nodes; the
 * text of a prefix is canonical and has a '/', which no name has.
 */
struct permit {
	const char *to, *from;
	const struct service *services; /* canonical (common/service.h), at least one */
	size_t n_services;
	/* Of a side that is a prefix: what in it is not behind nodes, and so not meant, the pools
	 * and addresses of other nodes and of clients. Canonical, inside the prefix. The same in
	 * all permits that have the prefix for that side. */
	const struct prefix *not_to, *not_from;
	size_t n_not_to, n_not_from;
};

enum node_flags {
	NODE_HAS_LISTEN_PORT = 1u << 0, /* else the kernel chooses */
	NODE_HAS_KEEPALIVE = 1u << 1, /* towards every peer that has an endpoint */
	NODE_HAS_FWMARK = 1u << 2,
	NODE_FORWARD = 1u << 3, /* carries traffic for others: the agent turns forwarding on */
	NODE_GUARDED = 1u << 4, /* what is not permitted is refused, see `guards` */
	NODE_NO_HOSTS = 1u << 5, /* names stay out of its /etc/hosts; only with a domain */
	NODE_HAS_TABLE = 1u << 6, /* its routes go into `table`, else into the main one */
	NODE_NO_ROUTES = 1u << 7, /* or nowhere; never both */
};

/* Node document: a node's own interface and whom it is joined with. */
struct node {
	const char *name;
	struct wgkey key; /* the node refuses a document that is not for its own key */
	struct ifname interface;
	unsigned int flags; /* enum node_flags */
	uint16_t listen_port;
	uint16_t mtu; /* 576..65535 (1280 at least where an address is IPv6) */
	uint16_t keepalive; /* seconds, 1..65535 */
	uint32_t fwmark; /* not 0 */
	uint32_t table; /* a routing table of the operator's: not 0 */
	/* Networks behind the node: what comes from the network for them leaves under the node's
	 * own address. Canonical, but for the prefixes of length 0, which stand beside others and
	 * are all but those and `except`: others send everything through this node. Only with
	 * NODE_FORWARD. */
	const struct prefix *masquerade;
	size_t n_masquerade;
	/* Networks behind the node that are not masqueraded: of an exit, and, with NODE_GUARDED, of
	 * the site that it leads, which are in no record and yet not outside. Canonical, none of
	 * length 0; only with NODE_FORWARD. */
	const struct prefix *except;
	size_t n_except;
	/* Networks behind the node that others come first for (those of its record's `standby`):
	 * its own way there is never through the interface. Sorted; only with NODE_FORWARD. */
	const struct prefix *standby;
	size_t n_standby;
	/* NULL, or the peer that everything goes through that nobody else has: its entry has
	 * 0.0.0.0/0 and ::/0. Without a table or NODE_NO_ROUTES the node has a fwmark then. */
	const char *exit;
	/* Only with NODE_GUARDED: the `to` of all permits that this node enforces, because they
	 * mean the node itself, a client of it or a network behind it. Sorted by strcmp. */
	const char *const *guards;
	size_t n_guards;
	const char *const *from; /* the viewpoints that it looks from, those that some record names:
				    sorted, and the first of them that a record has counts */
	size_t n_from;
	const char *domain; /* that every record's name stands under; NULL: names have none */
	const struct ipaddr *nameservers; /* for the domain, in the order they are asked, distinct;
					     only with a domain */
	size_t n_nameservers;
	const struct ifaddr *addresses; /* sorted */
	size_t n_addresses;
	const struct link *links; /* sorted by link_cmp */
	size_t n_links;
};

/* An address that a node had once; it is handed out again only when its pool has no unused one
 * left. */
struct freed {
	struct ipaddr address;
	uint64_t serial; /* of the manifest that freed it */
	const char *node; /* who had it: a node of the same name and key that comes back gets it
			     again */
	struct wgkey key;
};

/* What a routed link is at one of its two nodes. */
struct routed_end {
	struct ifname interface; /* of this link alone */
	uint16_t port; /* that it listens on */
};

/*
 * A routed link: an interface of its own at each of two nodes, with nobody else on it, that lets
 * everything through and makes no route: what goes over it is for a routing daemon to say.
 */
struct routed_link {
	const char *name[2]; /* of the nodes, the lower by strcmp first */
	struct routed_end end[2]; /* in the same order */
	/* Networks of the two ends: /31, /127 or fe80::/64 (routed_address says who has which
	 * address). Sorted. */
	const struct prefix *transfer;
	size_t n_transfer;
	/* 0: it stands. Otherwise the serial of the manifest that took it away; what it had (a
	 * port of 0: which was given to another since) is for these two when they are joined
	 * again. */
	uint64_t freed;
};

/* A node that was removed: its agent takes its peers away and keeps polling. */
struct gone {
	const char *name;
	uint64_t serial;
};

struct network {
	const char *name;
	const struct record *records; /* sorted by name */
	size_t n_records;
	const struct group *groups; /* sorted by name */
	size_t n_groups;
	const struct node *nodes; /* sorted by name */
	size_t n_nodes;
	const struct permit *permits; /* sorted by permit_cmp: by `to`, then by `from` */
	size_t n_permits;
	const struct freed *freed; /* sorted by address */
	size_t n_freed;
	const struct gone *gone; /* sorted by name */
	size_t n_gone;
	const struct routed_link *routed; /* sorted by the first name, then by the second */
	size_t n_routed;
};

/* "#clients.fra1" */
char *group_of_clients(const char *node, char out[static MAX_GROUP_NAME + 1]);

/* Look-ups by name: binary search; NULL when there is none. */
const struct record *network_record(const struct network *n, const char *name);
const struct group *network_group(const struct network *n, const char *name);
const struct node *network_node(const struct network *n, const char *name);
const struct gone *network_gone(const struct network *n, const char *name);
bool group_has(const struct group *g, const char *node_name);
/* The line of these two nodes, in either order, that stands or not; NULL: none. */
const struct routed_link *network_routed(const struct network *n, const char *a, const char *b);

/* The first permit for this `to`, and how many there are. */
const struct permit *network_permits(const struct network *n, const char *to, size_t *ret_n);

/* Where the node `from` (NULL: one without a viewpoint) reaches that of the record; host NULL: it
 * does not, first. */
const struct endpoint *record_endpoint(const struct record *r, const struct node *from);

/* A viewpoint: "site:NAME" or "tag:NAME". */
bool viewpoint_is_valid(const char *s, size_t len);

/* Either may be NULL. */
bool client_settings_default(const struct client_settings *s);
bool client_settings_equal(const struct client_settings *a, const struct client_settings *b);
bool record_equal(const struct record *a, const struct record *b);
bool node_equal(const struct node *a, const struct node *b);
bool routed_link_equal(const struct routed_link *a, const struct routed_link *b);
/* By the names alone. */
int routed_link_cmp(const struct routed_link *a, const struct routed_link *b);
int link_cmp(const struct link *a, const struct link *b);
int permit_cmp(const struct permit *a, const struct permit *b);
bool permit_equal(const struct permit *a, const struct permit *b);
/* The node has the names of all records, not only of its peers: they go into its /etc/hosts where
 * no server is asked. */
bool node_needs_names(const struct node *n);
/* True for a target that names a group rather than one node. */
bool target_is_group(const char *target);
/* True for "0.0.0.0/0" and "::/0". */
bool target_is_outside(const char *target);
/* True for a side of a permit that is a prefix, *ret being it. */
bool target_is_prefix(const char *target, struct prefix *ret);

#endif
