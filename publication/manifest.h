/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manifest: the small signed document from which everything else of a network is authenticated,
 * and the only one that changes its content under its name (NETWORK/manifest). docs/format.md
 * describes every line. The root document has the same shape (root/VERSION) and says which
 * publisher keys may sign manifests.
 *
 * Both are a body, which is what is signed, followed by signature lines. Verify the bytes first
 * (publication/verify.h), then decode the same bytes.
 */
#ifndef PUBLICATION_MANIFEST_H
#define PUBLICATION_MANIFEST_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/limits.h"
#include "publication/document.h"

#define FORMAT_VERSION 1 /* the only version of each document there is */
#define MESH_ID_LEN 16 /* random bytes that tell one repository's networks from another's */
#define COMMIT_STRLEN 65 /* 40 (SHA-1) or 64 (SHA-256) hex digits */

struct mesh_id {
	uint8_t b[MESH_ID_LEN];
};

struct manifest {
	unsigned int format;
	struct mesh_id mesh;
	const char *network;
	uint64_t root_version; /* the root document that names this manifest's publisher */
	uint64_t epoch;
	uint64_t serial; /* from 1 */
	bool has_previous; /* false for the first of an epoch, always for serial 1 */
	struct digest previous; /* hash of the previous manifest, all its bytes */
	const char *commit; /* lower-case hex of the source commit */
	int64_t issued, expires;
	struct document_ref tables[N_TABLES]; /* len 0: the table is empty */
};

struct root {
	unsigned int format;
	struct mesh_id mesh;
	uint64_t version; /* from 1 */
	uint64_t epoch; /* from 1 */
	unsigned int min_format;
	int64_t issued;
	bool renew_by_never;
	int64_t renew_by;
	unsigned int root_threshold;
	struct signkey root_keys[MAX_ROOT_KEYS]; /* sorted */
	size_t n_root_keys;
	struct signkey publisher_keys[MAX_ROOT_KEYS]; /* sorted */
	size_t n_publisher_keys;
};

/* A body and its signature lines, cut apart but not verified. Points into the bytes given. */
struct signed_doc {
	const char *body;
	size_t body_len;
	struct signkey keys[MAX_SIGNATURES]; /* sorted, distinct */
	struct signature signatures[MAX_SIGNATURES];
	size_t n;
};

/* Cuts; checks the signature lines' form only. ERR_VERIFY with reason BAD-FIELD. */
int signed_split(const char *data, size_t len, struct signed_doc *ret, struct err *e);
/* Appends one signature line. Lines must be added in the order of their keys. */
void signed_append(struct buf *b, const struct signkey *key, const struct signature *sig);

/* Bodies. The encoders append; the decoders want a body exactly (no signature line). */
int manifest_encode(const struct manifest *m, struct buf *out);
int manifest_decode(const char *body, size_t len, struct arena *a, struct manifest *ret,
		    struct err *e);
int root_encode(const struct root *r, struct buf *out);
int root_decode(const char *body, size_t len, struct root *ret, struct err *e);

#endif
