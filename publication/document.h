/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The documents of a publication as bytes; docs/format.md describes every one of them. Lines of
 * ASCII, one spelling for everything: decode(encode(x)) = x and encode(decode(bytes)) = bytes, for
 * every input that decode accepts. The decoders take bytes that were authenticated already and are
 * strict all the same: version, order, uniqueness, no unknown field, no trailing byte. They name
 * the line that is wrong.
 *
 * A table (records, groups, nodes, links, policy, freed, gone) is a sorted list of lines cut into
 * pages. A page ends after a line whose key's hash has six zero bits, so a page holds 64 lines on
 * average and a change touches one page. A page is stored under its own hash; an index lists a
 * table's pages; the manifest lists the indexes.
 */
#ifndef PUBLICATION_DOCUMENT_H
#define PUBLICATION_DOCUMENT_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/hash.h"
#include "publication/network.h"

enum table {
	TABLE_FREED,
	TABLE_GONE,
	TABLE_GROUPS,
	TABLE_LINKS,
	TABLE_NODES,
	TABLE_POLICY,
	TABLE_RECORDS,
	N_TABLES,
};

/* "freed", "gone", "groups", "links", "nodes", "policy", "records". */
const char *table_name(enum table t);
/* True for a table that many networks have no line of: a manifest names it only when it has one. */
bool table_is_optional(enum table t);

/* One immutable document: the file NETWORK/<kind>/<hash>. kind is a table's name or "index". */
struct document {
	const char *kind;
	struct digest hash;
	const char *data; /* in the arena given to publish_documents */
	size_t len;
};

/* A place in the tree for a document of this hash: "prod/records/<64 hex>". */
#define MAX_DOCUMENT_PATH (MAX_NAME + 1 + 8 + DIGEST_STRLEN)
char *document_path(const char *network, const char *kind, const struct digest *hash,
		    char out[static MAX_DOCUMENT_PATH]);

/* What a manifest or an index says of a document. */
struct document_ref {
	struct digest hash;
	uint64_t len;
};

struct index_entry {
	struct document_ref page;
	const char *first; /* key of the page's first line */
};

struct index {
	enum table table;
	struct index_entry *entries; /* sorted by first */
	size_t n;
};

/* A name that a group may have: at most MAX_GROUP_NAME of [a-z0-9.:!#-]. */
bool group_name_is_valid(const char *s, size_t len);

/*
 * Encodes a whole network: every page and index, and the index references for the manifest (a
 * table without lines has len 0 in `ret_tables` and no document). Documents come sorted by (kind,
 * hash), each once.
 */
int network_encode(const struct network *n, struct arena *a, struct document **ret_documents,
		   size_t *ret_n, struct document_ref ret_tables[static N_TABLES], struct err *e);

/* Decoders of single documents; results live in `a`. `network` is the name that the document must
 * carry. */
int index_decode(const char *data, size_t len, const char *network, enum table t, struct arena *a,
		 struct index *ret, struct err *e);

/* Collects pages of one network in any order; network_builder_finish sorts out what they hold. */
struct network_builder;
struct network_builder *network_builder_new(struct arena *a, const char *network);
int network_builder_add_page(struct network_builder *b, enum table t, const char *data, size_t len,
			     struct err *e);
/* Checks order and uniqueness across pages. The result lives in the builder's arena. More pages may
 * be added and it be called again; an earlier result is of no use then. */
int network_builder_finish(struct network_builder *b, struct network *ret, struct err *e);

/*
 * The pages of an index that can hold lines whose key is `key` or starts with `key` and a blank
 * (groups: all members of a group). *ret_first and the number returned say which entries; 0 when
 * none can.
 */
size_t index_find(const struct index *ix, const char *key, size_t *ret_first);

/* Single lines, for `plan` and tests: without newline. */
int record_encode(const struct record *r, struct buf *out);
int node_encode(const struct node *n, struct buf *out);
int permit_encode(const struct permit *p, struct buf *out);
int record_decode(const char *line, size_t len, struct arena *a, struct record *ret, struct err *e);
int node_decode(const char *line, size_t len, struct arena *a, struct node *ret, struct err *e);

#endif
