/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every maximum of meshrc, with the reason for it. Each is tested with a value that is one over it.
 * They are chosen for networks of 100,000 nodes and interfaces of 65,536 peers.
 */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

/* Names of nodes, networks and tags; one DNS label's length (RFC 1035 2.3.4). */
#define MAX_NAME 63
/* A host name in an endpoint (RFC 1035 2.3.4: 255 octets on the wire, 253 in text). */
#define MAX_HOST 253
/* The domain of a network: with a name of MAX_NAME and a dot before it, MAX_HOST. */
#define MAX_DOMAIN (MAX_HOST - MAX_NAME - 1)
/* Free text of a `description`. */
#define MAX_DESCRIPTION 256

/* YAML: 100,000 nodes of 200 bytes are 20 MB; the rest is slack. */
#define MAX_YAML_FILE (64u << 20)
#define MAX_YAML_TOTAL (256u << 20)
#define MAX_YAML_FILES 131072
/* A network file needs 6 levels; libyaml's cost is quadratic in depth. */
#define MAX_YAML_DEPTH 16
#define MAX_YAML_SCALAR 4096
/*
 * Events in all files of one network: MAX_NODES nodes of 32 events (a key, a value and each bracket
 * is one). Bounds memory for input made of tiny tokens, at 32 bytes each.
 */
#define MAX_YAML_EVENTS (4u << 20)
/* Bytes that libyaml may read for one value or comment: it holds them three times before anybody
 * sees their length. */
#define MAX_YAML_GAP (4u << 20)
/* Depth of folders below networks/. */
#define MAX_TREE_DEPTH 16

/* What one network may hold. */
#define MAX_NETWORKS 1024
#define MAX_NODES 131072 /* nodes and clients together */
#define MAX_PEERS 65536 /* peers on one interface */
#define MAX_ADDRESSES 16 /* of one node */
#define MAX_POOLS 16 /* of one network */
#define MAX_METRIC 65535 /* of a route: 16 bits order more gateways than anybody has */
#define MAX_RESERVED 1024 /* ranges and addresses of one network */
#define MAX_ROUTES 1024 /* of one node */
#define MAX_TAGS 64 /* of one node */
#define MAX_SITES 256 /* of one network: each node at one has links for all the others */
#define MAX_LEADERS 16 /* of one site */
#define MAX_VIEWPOINTS 64 /* of one node: where it has an endpoint of its own */
#define MAX_DNS 16 /* name servers and search domains of one client */
#define MAX_TOPOLOGY 4096 /* entries of one network */
#define MAX_SELECTORS 4096 /* of one topology entry */
#define MAX_VIEWS (MAX_TAGS + 1) /* of one node: the viewpoints that it looks from */
#define MAX_NAME_SERVERS 8 /* of one node; resolvers ask three, or all in turn */
#define MAX_LINKS 16384 /* of one node document */
#define MAX_RULES 4096 /* entries of one network's `policy` */
#define MAX_ASSERTIONS 4096 /* entries of one network's `assert` */
#define MAX_REACH_PAIRS 65536 /* that `meshrc reach` shows at a time */
#define MAX_PARTIES 256 /* selectors and prefixes on one side of a rule or an assertion */
#define MAX_SERVICES 256 /* of one rule or assertion, and of one published permit */
#define MAX_PERMITS 65536 /* published: pairs of who may reach whom */
#define MAX_GUARDS 4096 /* of one node document: whom it guards */
/* Routed links: of one network, and at one node, where each is an interface. */
#define MAX_ROUTED_LINKS 65536
#define MAX_NODE_ROUTED_LINKS 1024
/* Lines of their table: those that stand, and those that are remembered. */
#define MAX_ROUTED_LINES (2 * MAX_ROUTED_LINKS)
#define MAX_ALLOWED_IPS 262144 /* on one interface; 65,536 peers with 4 prefixes */

/* What expanding one node document may cost, before anything is reduced: an all-to-all star of
 * MAX_NODES takes under 1 million visits. */
#define MAX_EXPANSION_STEPS (16u << 20)
#define MAX_EXPANSION_PREFIXES (4u * MAX_ALLOWED_IPS)

/* Of a prefix in a policy, the pools and the addresses of other nodes in it. */
#define MAX_NOT_MEANT 1024
/* The sources in the rules of one node; 131,072 nodes with two addresses each. */
#define MAX_SOURCES 262144
/* An nftables table as text, written by us or listed by nft: MAX_SOURCES of 50 bytes, twice. */
#define MAX_RULESET (32u << 20)

/* Published documents. */
#define MAX_LINE (1u << 20) /* one line: a node document with MAX_LINKS links */
#define MAX_ROOT_DOC (64u << 10)
#define MAX_MANIFEST (64u << 10)
#define MAX_INDEX (4u << 20) /* 100,000 entries make about 1,600 pages of 100 bytes */
#define MAX_PAGE (4u << 20)
#define MAX_PAGE_ENTRIES 1024
#define MAX_PAGES 65536
#define MAX_SIGNATURES 32
#define MAX_ROOT_KEYS 16
/* Root documents of one repository: one per change of a root or publisher key. */
#define MAX_ROOTS 256
#define MAX_TOMBSTONES 262144

/* Settings of the host that an agent remembers having changed for forwarding: three, and one for
 * each interface that takes router advertisements, or has a setting that the switch overwrites. */
#define MAX_HOST_CHANGES 2048
/* Of those, for IPv6 at most so many. */
#define MAX_HOST_CHANGES6 1792
/* Networks whose agents share the forwarding of one host. */
#define MAX_SHARED_USERS 64

/* /etc/hosts: 100,000 names with two addresses have 12 MB. */
#define MAX_HOSTS_FILE (64u << 20)

/* Diagnostics kept and printed in one run; the rest is counted. */
#define MAX_DIAGS 50

/* Fetching. */
#define FETCH_CONNECT_SECONDS 15
#define FETCH_DOCUMENT_SECONDS 60
#define FETCH_CYCLE_SECONDS 120
#define MAX_MIRRORS 16
#define MAX_URL 2048

/* How far ahead of our clock a document's `issued` may be. */
#define CLOCK_SKEW_SECONDS 600

#endif
