/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private bytes in guarded memory (sodium_malloc: locked where the limits allow, zeroed when freed,
 * surrounded by guard pages). Nothing secret lives anywhere else, is printed, or passes through
 * stdio.
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/err.h"

struct secret {
	uint8_t *b; /* NULL while empty */
	size_t len;
};

/* Room for len bytes, zeroed. */
int secret_init(struct secret *s, size_t len, struct err *e) MUST_CHECK;
void secret_release(struct secret *s); /* NULL-safe: wipes, frees, leaves it empty */
/* Decodes the 44 base64 characters of a 32-byte private key (an optional final newline is allowed).
 */
int secret_from_base64(struct secret *s, const char *text, size_t len, struct err *e) MUST_CHECK;
/* The base64 text of a 32-byte secret and a newline into guarded memory. */
int secret_to_base64(const struct secret *s, struct secret *ret_text, struct err *e) MUST_CHECK;
void secret_wipe(void *p, size_t len);

#endif
