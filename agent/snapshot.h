/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A publication as one node sees it: a manifest that was verified, the pages that this node's
 * configuration needs, and that configuration. It is made from the network (snapshot_fetch) or from
 * the store (snapshot_load), and is whole or not at all.
 *
 * What is fetched: the index and the page of the nodes that can hold our own document; from its
 * guards, the pages of the policy that can hold permits for them; then, from its links and those
 * permits, the pages of the groups and of the records that they name; then the same of the clients
 * of its peers, where their records say that they have any. Each is asked for by the hash that a
 * verified document gave for it, and not asked for when the store has it.
 */
#ifndef AGENT_SNAPSHOT_H
#define AGENT_SNAPSHOT_H

#include "agent/accept.h"
#include "agent/fetch.h"
#include "agent/store.h"
#include "publication/expand.h"

struct snapshot {
	struct arena arena; /* owns all below */
	struct manifest manifest;
	struct digest hash; /* of the manifest with its signatures */
	const char *data; /* the manifest as it was received */
	size_t len;
	struct set set;
	struct network network; /* what was fetched of it */
	enum standing standing;
	bool has_config; /* false only for STANDING_GONE, when no older node document is at hand */
	struct config config; /* STANDING_GONE: of the last node document, without peers */
	size_t n_fetched; /* documents that came over the network */
};

/* Who we are and where documents come from. */
struct source_of_documents {
	struct store *store; /* fetched documents are put there when it was opened for writing */
	bool writable;
	struct fetcher *fetcher;
	const char *const *urls; /* tried in this order for each document */
	size_t n_urls;
	int64_t deadline;
	const char *node;
	const struct wgkey *key; /* NULL: not checked */
	const char *key_file;
};

/* Takes a copy of a manifest's bytes. The caller verifies s->data into s->manifest before anything
 * else. NULL: no memory. */
struct snapshot *snapshot_new(const char *data, size_t len);

/*
 * Collects what s->manifest needs and expands it. `last` (may be NULL) is what is in force: from it
 * the interface is known when the node was removed. Refusals: INCOMPLETE, BAD-HASH, BAD-FIELD,
 * WRONG-NETWORK, NOT-LISTED, WRONG-NODE, BAD-CONFIG, and the reasons of fetch.h.
 */
int snapshot_fetch(struct snapshot *s, const struct source_of_documents *from,
		   const struct snapshot *last, struct err *e);

/* Rebuilds what the state names. Signatures are not checked again: the hashes in the state say that
 * they were. */
int snapshot_load(struct store *store, const char *network, const char *node, uint64_t len,
		  const struct digest *manifest, const struct digest *set, struct snapshot **ret,
		  struct err *e);

void snapshot_free(struct snapshot *s); /* NULL is fine */

#endif
