/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/secret.h"

#include <sodium.h>

#include "common/key.h"

int secret_init(struct secret *s, size_t len, struct err *e)
{
	*s = (struct secret){ 0 };
	/* sodium_malloc needs it, and calling it again is free. */
	if (sodium_init() < 0)
		return err_set(e, ERR_IO, "cannot initialise libsodium");
	s->b = sodium_malloc(len);
	if (!s->b)
		return err_nomem(e);
	s->len = len;
	sodium_memzero(s->b, len);
	return 0;
}

void secret_release(struct secret *s)
{
	sodium_free(s->b);
	*s = (struct secret){ 0 };
}

int secret_from_base64(struct secret *s, const char *text, size_t len, struct err *e)
{
	struct secret out = { 0 };
	size_t i, n = 0;
	unsigned int all = 0;

	if (len == KEY_STRLEN && text[len - 1] == '\n')
		len--;
	if (secret_init(&out, 32, e) < 0)
		return -1;
	/* libsodium 1.0.18 takes any byte above 127 for a digit. */
	for (i = 0; i < len; i++)
		all |= (unsigned char)text[i];
	if (len != KEY_STRLEN - 1 || all > 127 ||
	    sodium_base642bin(out.b, 32, text, len, NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n != 32) {
		secret_release(&out);
		return err_set(e, ERR_INPUT,
			       "not a private key: 44 characters of base64 are wanted");
	}
	*s = out;
	return 0;
}

int secret_to_base64(const struct secret *s, struct secret *ret_text, struct err *e)
{
	struct secret out = { 0 };

	if (s->len != 32)
		return err_set(e, ERR_INPUT, "a private key has 32 bytes");
	if (secret_init(&out, KEY_STRLEN, e) < 0)
		return -1;
	sodium_bin2base64((char *)out.b, KEY_STRLEN, s->b, s->len, sodium_base64_VARIANT_ORIGINAL);
	out.b[KEY_STRLEN - 1] = '\n';
	*ret_text = out;
	return 0;
}

void secret_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}
