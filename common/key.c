/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/key.h"

#include <sodium.h>

/* The value of a base64 digit (RFC 4648 section 4); 64 for what is none. */
static unsigned int digit(char c)
{
	static const uint8_t values[128] = {
		64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
		64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
		64, 64, 64, 64, 64, 62, 64, 64, 64, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60,
		61, 64, 64, 64, 64, 64, 64, 64, 0,  1,	2,  3,	4,  5,	6,  7,	8,  9,	10,
		11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64,
		64, 64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
		43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
	};

	return (unsigned char)c < 128 ? values[(unsigned char)c] : 64;
}

/*
 * Padded base64 of exactly `size` bytes, in its one spelling: the bits behind the last byte are
 * zero. For what is public alone, since the time that a table takes tells what is looked up;
 * secrets go through libsodium (secret_from_base64). An agent reads as many keys as its network has
 * nodes.
 */
static int decode(const char *s, size_t len, uint8_t *out, size_t size)
{
	size_t i, n = 0, rest = size % 3;
	unsigned int all = 0;
	uint32_t v;

	if (len != (size + 2) / 3 * 4)
		return -1;
	for (i = 0; n + 3 <= size; i += 4) {
		unsigned int a = digit(s[i]), b = digit(s[i + 1]), c = digit(s[i + 2]),
			     d = digit(s[i + 3]);

		all |= a | b | c | d;
		v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
		out[n++] = (uint8_t)(v >> 16);
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
	}
	if (rest) {
		unsigned int a = digit(s[i]), b = digit(s[i + 1]),
			     c = rest == 2 ? digit(s[i + 2]) : 0;

		all |= a | b | c;
		v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6;
		out[n++] = (uint8_t)(v >> 16);
		if (rest == 2)
			out[n++] = (uint8_t)(v >> 8);
		if (v & (rest == 2 ? 0xffu : 0xffffu) || s[len - 1] != '=' ||
		    (rest == 1 && s[len - 2] != '='))
			return -1;
	}
	return all > 63 ? -1 : 0;
}

int wgkey_parse(const char *s, size_t len, struct wgkey *ret)
{
	struct wgkey k;
	int r = decode(s, len, k.b, sizeof(k.b));

	if (!r)
		*ret = k;
	sodium_memzero(&k, sizeof(k));
	return r;
}

char *wgkey_print(const struct wgkey *k, char out[static KEY_STRLEN])
{
	return sodium_bin2base64(out, KEY_STRLEN, k->b, sizeof(k->b),
				 sodium_base64_VARIANT_ORIGINAL);
}

int wgkey_cmp(const struct wgkey *a, const struct wgkey *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* The u-coordinates of points of small order on Curve25519 and its twist, and their non-canonical
 * spellings. */
static const uint8_t low_order[][32] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

/* RFC 7748 section 6.1: the public keys of Alice and Bob, whose private halves are printed there.
 */
static const uint8_t test_vectors[][32] = {
	{ 0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
	  0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
	  0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a },
	{ 0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61,
	  0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78,
	  0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f },
};

const char *wgkey_weak(const struct wgkey *k)
{
	struct wgkey u = *k;
	size_t i;

	if (sodium_is_zero(k->b, sizeof(k->b)))
		return "the key is all zero";
	/* X25519 ignores the top bit (RFC 7748 section 5). */
	u.b[31] &= 0x7f;
	for (i = 0; i < ARRAY_LEN(low_order); i++)
		if (!memcmp(u.b, low_order[i], sizeof(u.b)))
			return "the key is a point of low order: every session with it would use a known secret";
	for (i = 0; i < ARRAY_LEN(test_vectors); i++)
		if (!memcmp(u.b, test_vectors[i], sizeof(u.b)))
			return "the key is a published test vector: its private half is known to all";
	return NULL;
}

void wgkey_public(const uint8_t private_key[static 32], struct wgkey *ret)
{
	crypto_scalarmult_base(ret->b, private_key);
}

int signkey_parse(const char *s, size_t len, struct signkey *ret)
{
	struct signkey k;

	if (decode(s, len, k.b, sizeof(k.b)) < 0)
		return -1;
	*ret = k;
	return 0;
}

char *signkey_print(const struct signkey *k, char out[static KEY_STRLEN])
{
	return sodium_bin2base64(out, KEY_STRLEN, k->b, sizeof(k->b),
				 sodium_base64_VARIANT_ORIGINAL);
}

int signkey_cmp(const struct signkey *a, const struct signkey *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

int signature_parse(const char *s, size_t len, struct signature *ret)
{
	struct signature sig;

	if (decode(s, len, sig.b, sizeof(sig.b)) < 0)
		return -1;
	*ret = sig;
	return 0;
}

char *signature_print(const struct signature *s, char out[static SIG_STRLEN])
{
	return sodium_bin2base64(out, SIG_STRLEN, s->b, sizeof(s->b),
				 sodium_base64_VARIANT_ORIGINAL);
}
