/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signing: reconciler only. The agent does not link this file; a check of the build holds that.
 * After signing, the signature is verified with the public key before the bytes are given out.
 */
#ifndef PUBLICATION_SIGN_H
#define PUBLICATION_SIGN_H

#include "common/secret.h"
#include "publication/manifest.h"

/* A new Ed25519 pair: *ret_secret holds the 32-byte seed. */
int sign_new_key(struct secret *ret_seed, struct signkey *ret_public, struct err *e);
int sign_public(const struct secret *seed, struct signkey *ret, struct err *e);
/* Signs `body` as `type` with each seed and appends body and signature lines, sorted by key, to
 * `out`. */
int sign_document(const char *type, const struct buf *body, const struct secret *seeds,
		  size_t n_seeds, struct buf *out, struct err *e);

#endif
