/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `meshrc pin` without its files: which nodes and clients get their automatic addresses written
 * down, what their files say then, and the proof that nothing else changes by it. Pure.
 */
#ifndef RECONCILER_PIN_H
#define RECONCILER_PIN_H

#include "reconciler/session.h"

struct pin_node {
	const char *network;
	const char *section; /* where it stands: "clients" or "nodes" */
	const struct m_node *node;
	const struct ipaddr *addresses; /* those of its record */
	size_t n;
};

struct pin_file {
	const struct source *old;
	struct source now;
};

struct pin_set {
	struct pin_node *nodes; /* sorted by file, section and name */
	size_t n_nodes;
	struct pin_file *files; /* sorted by path */
	size_t n_files;
	size_t already; /* nodes and clients that were asked for and have `addresses` of their own
			 */
};

/*
 * Chooses the nodes and clients of s->networks that have automatic addresses: all, or those of
 * these names (n > 0), each of which must stand in one network. ERR_NOENT: there is no such node,
 * and perhaps a similar one; ERR_CONFLICT: it is in more than one network.
 */
int pin_choose(const struct session *s, const char *const *names, size_t n, struct arena *a,
	       struct pin_set *ret, struct err *e);
/*
 * Makes the files' new texts and loads and compiles the result. ERR_INPUT unless every network is
 * the same to the byte as before, and exactly the chosen ones have become pinned; then `d` has an
 * error with the place of a node that does not come out, and what to write there by hand.
 */
int pin_make(const struct session *s, struct arena *a, struct pin_set *set, struct diag *d,
	     struct err *e);

#endif
