/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and their base64 text. WireGuard keys are Curve25519 (32 bytes), signing keys Ed25519 (32
 * bytes public). The text has one spelling: 44 characters of RFC 4648 base64 with padding, unused
 * bits zero. Decoding is constant time (libsodium), since private keys pass through here too.
 */
#ifndef COMMON_KEY_H
#define COMMON_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define KEY_STRLEN 45 /* 44 and the NUL */
#define SIG_STRLEN 89 /* 64 bytes: 88 and the NUL */

struct wgkey {
	uint8_t b[32];
};

/* An Ed25519 public key. */
struct signkey {
	uint8_t b[32];
};

struct signature {
	uint8_t b[64];
};

int wgkey_parse(const char *s, size_t len, struct wgkey *ret) MUST_CHECK;
char *wgkey_print(const struct wgkey *k, char out[static KEY_STRLEN]);
int wgkey_cmp(const struct wgkey *a,
	      const struct wgkey *b); /* for public keys: not constant time */
/*
 * A public key that must not be used: all zero, of low order (the points of RFC 7748 section 6.1
 * and https://cr.yp.to/ecdh.html#validate), or a published test vector. Returns why as a static
 * sentence, or NULL.
 */
const char *wgkey_weak(const struct wgkey *k);
/* The public half of a private key. */
void wgkey_public(const uint8_t private_key[static 32], struct wgkey *ret);

int signkey_parse(const char *s, size_t len, struct signkey *ret) MUST_CHECK;
char *signkey_print(const struct signkey *k, char out[static KEY_STRLEN]);
int signkey_cmp(const struct signkey *a, const struct signkey *b);
int signature_parse(const char *s, size_t len, struct signature *ret) MUST_CHECK;
char *signature_print(const struct signature *s, char out[static SIG_STRLEN]);

#endif
