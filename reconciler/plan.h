/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What applying would change: two compiled networks of the same name -> the difference, node by
 * node, computed between groups so that its cost follows the number of nodes and changes, not of
 * pairs. Pure.
 *
 * Nodes that see the same change share one class (`struct plan_class`): in a full mesh of 10,000
 * with one changed endpoint there are 9,999 changed nodes in one class with one changed peer. Every
 * peer relation is counted in the totals.
 */
#ifndef RECONCILER_PLAN_H
#define RECONCILER_PLAN_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "publication/expand.h"
#include "publication/network.h"

enum plan_action { PLAN_ADD, PLAN_CHANGE, PLAN_REMOVE };

/*
 * One attribute's change, as text for people: old or new is NULL when it was or will be unset. Of a
 * list ("addresses", "routes", "allowed_ips", "masquerade", "except", "standby", "policy") every
 * element that comes or goes is one plan_attr, with only one of from and to; they stand together.
 */
struct plan_attr {
	const char *name; /* as in YAML or render: "endpoint", "allowed_ips", "public_key", "mtu",
			     ... */
	const char *from, *to;
};

struct plan_peer {
	enum plan_action action;
	const char *name;
	struct plan_attr *attrs; /* PLAN_CHANGE: what changes; else all that is set */
	size_t n_attrs;
};

struct plan_attrs {
	struct plan_attr *list;
	size_t n;
};

/* Routed links of one node, sorted by the names of the nodes at their other ends. */
struct plan_links {
	struct plan_peer *list;
	size_t n;
};

/*
 * Nodes whose peers change in the same way. A node is never its own peer: of a list that several
 * nodes share, each skips the entry of its own name and, among the allowed_ips of a hub, its own
 * addresses and routes.
 */
struct plan_class {
	enum plan_action action; /* of the nodes themselves */
	const char **nodes; /* sorted names */
	size_t n_nodes;
	struct plan_attr *attrs; /* of the interface, the same for every node of the class */
	size_t n_attrs;
	struct plan_attrs
		*own; /* of the interface, different for each node: n_nodes of them, or NULL */
	struct plan_links *links; /* each node's own: n_nodes of them, or NULL */
	struct plan_peer *peers; /* sorted by name */
	size_t n_peers;
	size_t peers_cut; /* this many more are counted but not listed (MAX_PLAN_PEERS) */
	/* Per node, the largest in the class. */
	size_t peers_added, peers_changed, peers_removed, peers_unchanged;
};

/* What becomes of the file that a client has in its hands. */
enum plan_file {
	PLAN_FILE_SAME, /* it stays right; or there is none yet, or none any more */
	PLAN_FILE_STALE, /* what it does it goes on doing, but that is no longer all or not right */
	PLAN_FILE_CUT_OFF, /* with it nothing gets through, or nothing of one IP version: the keys,
			      the gateway's endpoint or the addresses are no longer those, or none
			      of its allowed_ips is any more */
};

/*
 * A client (publication/network.h, struct record). A change has all that differs between the file
 * it has (reconciler/client_config.h) and the next one; else what its record says.
 */
struct plan_client {
	enum plan_action action;
	const char *name;
	const struct plan_attr *attrs; /* public_key, addresses, dns, mtu, gateway, gateway_key,
					  endpoint, allowed_ips, persistent_keepalive */
	size_t n_attrs;
	enum plan_file file;
	size_t like; /* the first client that changes in the very same way, maybe this one */
	size_t next; /* the next such one; 0: none */
};

/* Peers that one plan lists; past it they are counted only, so that a plan's size follows the
 * nodes. */
#define MAX_PLAN_PEERS 262144
/* Of these, JSON lists fewer, over all networks of one object: a document takes some hundred times
 * the memory of what it says. */
#define MAX_JSON_PEERS 32768
/* The same for losses. */
#define MAX_PLAN_LOSSES 65536

/*
 * `node` reached `lost` (a node or a client, with the file that it has in its hands) before
 * (directly, through a hub or relay, or over routed links, as far as there is a row of them) and
 * will not any more; both stay in the network. Two nodes without an endpoint do not reach each
 * other directly, whatever entries they have.
 */
struct plan_loss {
	const char *node; /* one node, or NULL: all nodes of `class_nodes` but `lost` itself */
	const char *const *class_nodes;
	size_t n_class_nodes;
	const char *lost;
};

/* By policy alone each node of `from` loses, or gains, what it reaches each of `to` on; all stay in
 * the network, and packets find their way before and after. Where a node stands in both lists, it
 * itself is left out. */
struct plan_admission {
	bool gained;
	const char *const *from, *const *to; /* nodes and clients, sorted */
	size_t n_from, n_to;
	bool from_clients, to_clients; /* some of them are clients */
	const char *const *on; /* "tcp/22"; none: everything but what `but` lists */
	const char *const *but;
	size_t n_on, n_but;
};

/* More are counted, not listed. */
#define MAX_PLAN_ADMISSIONS 4096
/* Pairs of which the way is looked for; past it what the policy says is listed as it is. */
#define MAX_ADMISSION_PAIRS ((size_t)1 << 20)

struct plan {
	const char *network;
	bool first; /* nothing is published yet */
	bool gone; /* the network is removed as a whole */
	bool documents; /* what is published changes, be it only in how it is written */
	bool diff; /* set by the caller: two revisions are compared, nothing is going to happen */
	struct plan_class *classes;
	size_t n_classes;
	struct plan_client *clients; /* removed ones, changed ones, added ones; each by name */
	size_t n_clients;
	struct plan_loss *losses;
	size_t n_losses;
	uint64_t pairs_lost; /* all (node, lost) pairs, each direction counted */
	bool clients_lost; /* some of what is lost are clients */
	struct plan_admission *admissions; /* losses before gains */
	size_t n_admissions, admissions_cut;
	bool ways_unknown; /* some pairs of them may not be joined at all */
	uint64_t pairs_refused, pairs_admitted; /* that lose and gain something by policy */
	uint64_t nodes_added, nodes_changed, nodes_removed, nodes_unchanged;
	uint64_t clients_added, clients_changed, clients_removed, clients_unchanged;
	uint64_t files_needed, files_cut_off; /* clients with a file that is not PLAN_FILE_SAME;
						 those that are cut off are among them */
	uint64_t peers_added, peers_changed, peers_removed,
		peers_unchanged; /* peer entries over all nodes */
	uint64_t links[3], links_unchanged; /* routed links, each once; by enum plan_action */
};

/* `old` or `new` may be NULL (not published yet; removed). */
int plan_make(const struct network *old, const struct network *new, struct arena *a,
	      struct plan *ret, struct err *e);
/* The same, but only what concerns the node of this name. */
int plan_make_node(const struct network *old, const struct network *new, const char *node,
		   struct arena *a, struct plan *ret, struct err *e);
/* True when the published documents stay as they are. */
bool plan_empty(const struct plan *p);

/* Text in Terraform's shape; all names pass through text_safe. `verbose` lists what is otherwise
 * cut with a count. */
void plan_text(const struct plan *p, bool colour, bool verbose, struct buf *out);
/* One JSON object (docs/plan-json.md), and markdown for a pull request comment of at most
 * max_bytes. */
int plan_json(const struct plan *const *plans, size_t n, struct buf *out, struct err *e);
void plan_markdown(const struct plan *const *plans, size_t n, size_t max_bytes, struct buf *out);

#endif
