/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What applying would change: two compiled networks of the same name -> the difference, node by node, computed between groups
 * so that its cost follows the number of nodes and changes, not of pairs. Pure.
 *
 * Nodes that see the same change share one class (`struct plan_class`): in a full mesh of 10,000 with one changed endpoint
 * there are 9,999 changed nodes in one class with one changed peer. Every peer relation is counted in the totals.
 */
#ifndef RECONCILER_PLAN_H
#define RECONCILER_PLAN_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "publication/expand.h"
#include "publication/network.h"

enum plan_action { PLAN_ADD, PLAN_CHANGE, PLAN_REMOVE };

/* One attribute's change, as text for people: old or new is NULL when it was or will be unset. */
struct plan_attr {
	const char *name; /* as in YAML or render: "endpoint", "allowed_ips", "public_key", "mtu", ... */
	const char *from, *to;
};

struct plan_peer {
	enum plan_action action;
	const char *name;
	struct plan_attr *attrs; /* PLAN_CHANGE: what changes; else all that is set */
	size_t n_attrs;
};

/* Nodes whose interface settings and peers change in the same way. A node is never its own peer: see `self`. */
struct plan_class {
	enum plan_action action; /* of the nodes themselves */
	const char **nodes; /* sorted names */
	size_t n_nodes;
	struct plan_attr *attrs; /* of the interface; only classes of one node have any, but for added and removed ones */
	size_t n_attrs;
	struct plan_peer *peers; /* sorted by name; a node of the class skips the entry of its own name */
	size_t n_peers;
	size_t peers_unchanged; /* per node, the largest in the class */
};

/* `node` reached `lost` before (directly or through a hub) and will not any more; both stay in the network. */
struct plan_loss {
	const char *node; /* one node, or NULL: all nodes of `class_nodes` */
	const char *const *class_nodes;
	size_t n_class_nodes;
	const char *lost;
};

struct plan {
	const char *network;
	bool first; /* nothing is published yet */
	bool gone; /* the network is removed as a whole */
	struct plan_class *classes;
	size_t n_classes;
	struct plan_loss *losses;
	size_t n_losses;
	uint64_t pairs_lost; /* all (node, lost) pairs, each direction counted */
	uint64_t nodes_added, nodes_changed, nodes_removed, nodes_unchanged;
	uint64_t peers_added, peers_changed, peers_removed, peers_unchanged; /* peer entries over all nodes */
};

/* `old` or `new` may be NULL (not published yet; removed). */
int plan_make(const struct network *old, const struct network *new, struct arena *a, struct plan *ret, struct err *e);
bool plan_empty(const struct plan *p);

/* Text in Terraform's shape; all names pass through text_safe. `verbose` lists what is otherwise cut with a count. */
void plan_text(const struct plan *p, bool colour, bool verbose, struct buf *out);
/* One JSON object (docs/plan-json.md), and markdown for a pull request comment of at most max_bytes. */
int plan_json(const struct plan *const *plans, size_t n, struct buf *out, struct err *e);
void plan_markdown(const struct plan *const *plans, size_t n, size_t max_bytes, struct buf *out);

#endif
