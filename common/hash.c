/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/hash.h"

#include <sodium.h>

void digest_of(const void *data, size_t len, struct digest *ret)
{
	crypto_generichash(ret->b, sizeof(ret->b), data, len, NULL, 0);
}

char *hex_print(const uint8_t *b, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

int hex_parse(const char *s, size_t len, uint8_t *out, size_t size)
{
	/* The value and one more; 0 for what is no digit. */
	static const uint8_t digits[256] = {
		['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
		['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
		['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	};
	size_t i;

	if (len != 2 * size)
		return -1;
	for (i = 0; i < len; i++)
		if (!digits[(uint8_t)s[i]])
			return -1;
	for (i = 0; i < size; i++)
		out[i] = (uint8_t)((digits[(uint8_t)s[2 * i]] - 1) << 4 |
				   (digits[(uint8_t)s[2 * i + 1]] - 1));
	return 0;
}

int digest_parse(const char *s, size_t len, struct digest *ret)
{
	return hex_parse(s, len, ret->b, sizeof(ret->b));
}

char *digest_print(const struct digest *d, char out[static DIGEST_STRLEN])
{
	return hex_print(d->b, sizeof(d->b), out);
}

int digest_cmp(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}
