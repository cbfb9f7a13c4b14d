/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/client_file.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/os_file.h"
#include "common/os_time.h"
#include "reconciler/qr.h"

/* Text of the largest client: MAX_ROUTES prefixes. */
#define MAX_TEXT (256u << 10)

int client_format_parse(const char *word, enum client_format *ret)
{
	static const char *const words[] = {
		[CLIENT_WG_QUICK] = "wg-quick", [CLIENT_WG] = "wg",
		[CLIENT_JSON] = "json",		[CLIENT_QR] = "qr",
		[CLIENT_PNG] = "png",		[CLIENT_SVG] = "svg",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcmp(word, words[i])) {
			*ret = (enum client_format)i;
			return 0;
		}
	}
	return -1;
}

bool client_format_is_picture(enum client_format f)
{
	return f == CLIENT_PNG || f == CLIENT_SVG;
}

void client_keep_secret(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int client_key_read(const char *path, struct secret *ret, struct err *e)
{
	char bytes[256];
	struct buf text;
	int r;

	/* A buffer that never grows, since growing leaves copies behind, and that is wiped. */
	memset(bytes, 0, sizeof(bytes));
	text = (struct buf){ .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) - 1 };
	if (!strcmp(path, "-"))
		r = os_read_fd(STDIN_FILENO, 128, &text, e);
	else
		r = os_read_secret(AT_FDCWD, path, 128, &text, e);
	if (!r)
		r = secret_from_base64(ret, text.data, text.len, e);
	secret_wipe(bytes, sizeof(bytes));
	if (r < 0)
		return err_prefix(e, "the private key %s",
				  strcmp(path, "-") ? path : "on standard input");
	return 0;
}

int client_key_make(struct secret *ret, struct wgkey *ret_public, struct err *e)
{
	struct secret key = { 0 };

	if (secret_init(&key, 32, e) < 0)
		return -1;
	if (os_random(key.b, key.len, e) < 0) {
		secret_release(&key);
		return -1;
	}
	/* As every WireGuard tool writes them (curve25519_clamp_secret). */
	key.b[0] &= 248;
	key.b[31] = (uint8_t)((key.b[31] & 127) | 64);
	wgkey_public(key.b, ret_public);
	*ret = key;
	return 0;
}

int client_key_check(const struct secret *key, const struct wgkey *want, const char *name,
		     struct err *e)
{
	char have_text[KEY_STRLEN], want_text[KEY_STRLEN];
	struct wgkey have;

	wgkey_public(key->b, &have);
	if (!wgkey_cmp(&have, want))
		return 0;
	return err_set(
		e, ERR_INPUT,
		"this is not the private key of %s: its public half is %s, the configuration has %s",
		name, wgkey_print(&have, have_text), wgkey_print(want, want_text));
}

/* The text with the key in the place of the one placeholder, or as it is. */
static int put_key(const struct buf *text, const struct secret *key, struct secret *ret,
		   struct err *e)
{
	const char *at = key ? strstr(text->data, RENDER_KEY_LINE) : NULL;
	struct secret out = { 0 }, base64 = { 0 };
	size_t before, rest, skip = strlen(RENDER_KEY_PLACEHOLDER);

	if (!at) {
		if (secret_init(&out, text->len, e) < 0)
			return -1;
		memcpy(out.b, text->data, text->len);
		*ret = out;
		return 0;
	}
	before = (size_t)(at - text->data) + strlen(RENDER_KEY_LINE) - skip;
	rest = text->len - before - skip;
	if (secret_to_base64(key, &base64, e) < 0)
		return -1;
	if (secret_init(&out, before + KEY_STRLEN - 1 + rest, e) == 0) {
		memcpy(out.b, text->data, before);
		memcpy(out.b + before, base64.b, KEY_STRLEN - 1);
		memcpy(out.b + before + KEY_STRLEN - 1, text->data + before + skip, rest);
		*ret = out;
	}
	secret_release(&base64);
	return ret->b ? 0 : -1;
}

static int make_text(const struct client_config *c, enum client_format f, const struct secret *key,
		     struct secret *ret, struct err *e)
{
	enum render_format how = f == CLIENT_WG	  ? RENDER_WG :
				 f == CLIENT_JSON ? RENDER_JSON :
						    RENDER_WG_QUICK;
	bool in_code = f == CLIENT_QR || client_format_is_picture(f);
	struct buf text;
	int r;

	buf_init(&text, MAX_TEXT);
	r = client_config_render(c, how, in_code, &text, e);
	if (!r)
		r = put_key(&text, f == CLIENT_JSON ? NULL : key, ret, e);
	buf_release(&text);
	return r;
}

int client_file_make(const struct client_config *c, enum client_format f, const struct secret *key,
		     bool colour, struct secret *ret, struct err *e)
{
	struct secret text = { 0 };
	struct qr code = { 0 };
	int r;

	*ret = (struct secret){ 0 };
	r = make_text(c, f, key, &text, e);
	if (r < 0 || (f != CLIENT_QR && !client_format_is_picture(f))) {
		*ret = text;
		return r;
	}
	r = qr_make(text.b, text.len, f == CLIENT_QR ? QR_SMALL : QR_STURDY, &code, e);
	secret_release(&text);
	if (!r)
		r = f == CLIENT_PNG ? qr_png(&code, ret, e) :
		    f == CLIENT_SVG ? qr_svg(&code, ret, e) :
				      qr_text(&code, colour, ret, e);
	qr_release(&code);
	return r < 0 ? err_prefix(e, "the configuration of %s", c->node.name) : 0;
}

int client_file_write(const struct secret *bytes, const char *path, bool secret, struct err *e)
{
	if (path)
		return os_create(AT_FDCWD, path, bytes->b, bytes->len, secret ? 0600 : 0644, e);
	/* What stdio holds already comes first. */
	fflush(stdout);
	if (os_write_all(STDOUT_FILENO, bytes->b, bytes->len, e) < 0)
		return err_prefix(e, "standard output");
	return 0;
}
