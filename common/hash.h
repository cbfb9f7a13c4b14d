/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BLAKE2b-256 (RFC 7693, libsodium's crypto_generichash) of documents, and its text: 64 lower-case
 * hex digits. */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define DIGEST_STRLEN 65

struct digest {
	uint8_t b[32];
};

void digest_of(const void *data, size_t len, struct digest *ret);
int digest_parse(const char *s, size_t len, struct digest *ret) MUST_CHECK;
char *digest_print(const struct digest *d, char out[static DIGEST_STRLEN]);
int digest_cmp(const struct digest *a, const struct digest *b);
/* Any bytes as lower-case hex; `out` has 2 * len + 1 bytes. */
char *hex_print(const uint8_t *b, size_t len, char *out);
/* Exactly 2 * size lower-case hex digits. */
int hex_parse(const char *s, size_t len, uint8_t *out, size_t size) MUST_CHECK;

#endif
