/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verification: bytes and trusted keys in, decoded document out; there is no way to get a decoded
 * document from here that was not verified. Signatures are Ed25519 over "meshrc/TYPE/v1\n" followed
 * by the exact body, so that a signature for one type of document never counts for another.
 *
 * Refusals are ERR_VERIFY with a reason code: BAD-SIG, UNKNOWN-KEY, BAD-FIELD, BAD-ROOT,
 * WRONG-NETWORK, FORMAT-FLOOR, ... (docs/format.md, "Reason codes").
 */
#ifndef PUBLICATION_VERIFY_H
#define PUBLICATION_VERIFY_H

#include "publication/manifest.h"

#define SIGN_TYPE_MANIFEST "manifest"
#define SIGN_TYPE_ROOT "root"

/* True when `sig` is key's signature of this body as a document of `type`. */
bool verify_signature(const char *type, const char *body, size_t len, const struct signkey *key,
		      const struct signature *sig);

/* The pinned root document: it must be signed by its own root keys (threshold); the pin itself is
 * the trust. */
int verify_pinned_root(const char *data, size_t len, struct root *ret, struct err *e);
/*
 * A successor: version == old + 1, same mesh, epoch and min-format not lower, signed by thresholds
 * of distinct keys of both the old and the new root.
 */
int verify_next_root(const struct root *old, const char *data, size_t len, struct root *ret,
		     struct err *e);

/* A manifest signed by a publisher key of `root`, for this network and mesh, of root's epoch, in a
 * format at or above floor. */
int verify_manifest(const struct root *root, const char *network, unsigned int format_floor,
		    const char *data, size_t len, struct arena *a, struct manifest *ret,
		    struct err *e);
/* That these bytes are the document which `ref` names: length and hash. BAD-HASH otherwise. */
int verify_document(const struct document_ref *ref, const char *data, size_t len, struct err *e);

#endif
