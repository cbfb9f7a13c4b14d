/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent remembers of one network, below STATE_DIR/NETWORK/ (mode 0700):
 *
 *   lock                one changing agent at a time
 *   state.a, state.b    the floors and what is in force. Written in turn; the valid one of the
 * higher generation counts, so a torn, empty or lost slot costs nothing objects/<64 hex> documents
 * as they were received, manifests, roots, and the lists ("sets") of what a manifest needs, each
 * named by its BLAKE2b-256 report              what the last attempt brought, for `status`; of no
 * weight equivocation        the last manifest that had a serial of ours and other bytes, kept as
 * evidence
 *
 * A document is trusted because a state slot names its hash: a slot is written only after
 * everything it names passed every check and is on the disk. docs/format.md, "On the node",
 * describes the files.
 *
 * Order of calls: store_open, store_load; then any; store_close. Nothing here prints.
 */
#ifndef AGENT_STORE_H
#define AGENT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/host_plan.h"
#include "agent/names.h"
#include "agent/reached.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/hash.h"
#include "common/name.h"
#include "publication/manifest.h"

/* The last accepted manifest: the floors of the rules of order. */
struct accepted {
	uint64_t serial; /* 0: none yet in this epoch's history */
	uint64_t epoch;
	int64_t issued;
	int64_t since; /* when it was accepted, by our clock */
	uint64_t len; /* of the manifest */
	struct digest manifest, set;
};

/* What was put on the interface last, and proved to be there. */
struct applied {
	uint64_t serial; /* 0: nothing */
	int64_t since;
	struct ifname interface;
	uint64_t len;
	struct digest manifest, set;
};

/* Routed links that are remembered as not in force. More would only have their endpoints left alone
 * or set once more. */
#define MAX_PENDING_LINKS 64

struct state {
	uint64_t generation; /* set by store_save */
	const char *network; /* in the store */
	struct mesh_id mesh;
	uint64_t root_version; /* 0: no root was trusted yet */
	uint64_t root_len;
	struct digest root;
	uint64_t epoch;
	unsigned int format_floor;
	int64_t time_floor;
	int64_t amnesia; /* when both slots were found unusable; 0: never */
	struct accepted accepted;
	struct applied applied;
	/* Interfaces of routed links of what is applied that could not be brought to it. Sorted. */
	struct ifname pending[MAX_PENDING_LINKS];
	size_t n_pending;
	/* Our nftables table alone: the settings that were changed are the host's, whichever
	 * network they were changed for (agent/shared.h). */
	struct host_record host;
	struct names_record names; /* where we put names */
};

/* The text of a slot. decode(encode(x)) = x, encode(decode(bytes)) = bytes. `network` is the name
 * it must carry. */
int state_encode(const struct state *s, struct buf *out);
int state_decode(const char *data, size_t len, const char *network, struct state *ret,
		 struct err *e);

/* One document that a manifest's configuration was made from. */
struct set_entry {
	bool index; /* an index, else a page */
	enum table table;
	struct document_ref ref;
};

/* All that must be at hand to rebuild a configuration without the network. */
struct set {
	bool gone; /* the node is listed as removed; pages hold its last node document, if any */
	struct set_entry *entries; /* sorted by set_entry_cmp, distinct */
	size_t n;
};

int set_entry_cmp(const struct set_entry *a, const struct set_entry *b);
int set_encode(const struct set *s, struct buf *out);
int set_decode(const char *data, size_t len, struct arena *a, struct set *ret, struct err *e);

/* What `status` tells about the last attempt. One line each in the file. */
struct report_url {
	const char *url;
	const char *etag; /* of the manifest below, as a server gave it; NULL: none */
	struct digest manifest; /* when etag is set */
	const char *error; /* NULL: it served what was accepted */
	struct reached reached;
};

struct report {
	int64_t checked; /* the last attempt; 0: never */
	int64_t fresh; /* the last time that a publication was fetched and found in order; 0: never
			*/
	const char *error; /* of the last attempt; NULL: none */
	struct report_url urls[MAX_MIRRORS];
	size_t n_urls;
};

int report_encode(const struct report *r, struct buf *out);
/* Lenient: lines that make no sense are skipped. */
void report_decode(const char *data, size_t len, struct arena *a, struct report *ret);

enum store_access {
	STORE_READ, /* makes nothing, takes no lock; a missing folder is an empty store */
	STORE_WRITE, /* makes the folders, takes the lock: ERR_CONFLICT when another agent holds it
		      */
};

struct store;

/* Refuses a folder that others may write to. The caller ends with store_close. */
int store_open(const char *state_dir, const char *network, enum store_access access,
	       struct store **ret, struct err *e);
void store_close(struct store *s);
/*
 * Fills *ret from the better slot. 0 also when there is none yet (root_version 0). *ret_lost is set
 * when there are slots and none can be used: the floors are gone, *ret begins anew with `amnesia` =
 * now. -1 when a slot is there and cannot be read (I/O error, memory): it may hold newer floors.
 */
int store_load(struct store *s, int64_t now, struct state *ret, bool *ret_lost, struct err *e);
/* Makes all objects put so far durable, then writes the other slot. On failure the old state
 * stands. */
int store_save(struct store *s, struct state *state, struct err *e);

/* Appends the object to `out`, checked against `ref`. ERR_NOENT when it is not there or damaged. */
int store_get(struct store *s, const struct document_ref *ref, struct buf *out, struct err *e);
/* Makes an object; it is durable only after the next store_save. One that is there already is not
 * written again. */
int store_put(struct store *s, const void *data, size_t len, struct digest *ret, struct err *e);
int store_get_set(struct store *s, const struct digest *hash, struct arena *a, struct set *ret,
		  struct err *e);
/* Removes objects that neither a slot on the disk nor `now`, the state in memory, needs. */
int store_collect(struct store *s, const struct state *now, struct err *e);

int store_report(struct store *s, const struct report *r, struct err *e);
int store_report_load(struct store *s, struct arena *a, struct report *ret);
int store_equivocation(struct store *s, const void *data, size_t len, struct err *e);

#endif
