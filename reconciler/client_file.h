/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's configuration as bytes to hand over: text, QR code or picture, with its private key or
 * without, to standard output or into a file. The key, and everything that holds it, is in struct
 * secret alone and goes through no stdio.
 */
#ifndef RECONCILER_CLIENT_FILE_H
#define RECONCILER_CLIENT_FILE_H

#include "common/key.h"
#include "common/secret.h"
#include "reconciler/render_client.h"

enum client_format {
	CLIENT_WG_QUICK,
	CLIENT_WG,
	CLIENT_JSON,
	CLIENT_QR, /* in a terminal */
	CLIENT_PNG,
	CLIENT_SVG,
};

#define CLIENT_FORMATS "wg, wg-quick, json, qr, png, svg"

/* One of CLIENT_FORMATS; -1 for any other word. */
int client_format_parse(const char *word, enum client_format *ret);
/* True for what no person reads on a terminal. */
bool client_format_is_picture(enum client_format f);

/* Nothing of this process may end up in a core dump from here on. */
void client_keep_secret(void);

/* Reads a private key from a file that only its owner may read, or from standard input ("-"). */
int client_key_read(const char *path, struct secret *ret, struct err *e);
/* Makes one. */
int client_key_make(struct secret *ret, struct wgkey *ret_public, struct err *e);
/* ERR_INPUT when the key's public half is not `want`. */
int client_key_check(const struct secret *key, const struct wgkey *want, const char *name,
		     struct err *e);

/* `key` NULL: a placeholder stands in its place, but never in CLIENT_JSON. `colour`: of CLIENT_QR.
 */
int client_file_make(const struct client_config *c, enum client_format f, const struct secret *key,
		     bool colour, struct secret *ret, struct err *e);
/* Into the file `path`, which must not exist, with mode 0600 when it is `secret`; NULL: to standard
 * output. */
int client_file_write(const struct secret *bytes, const char *path, bool secret, struct err *e);

#endif
