/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include <fcntl.h>

#include "common/os_file.h"
#include "common/os_time.h"

static int make_key(const char *path, struct err *e)
{
	struct secret key = { 0 }, text = { 0 };
	int r = -1;

	if (secret_init(&key, 32, e) < 0)
		return -1;
	if (!os_random(key.b, key.len, e)) {
		/* As every WireGuard tool writes them (curve25519_clamp_secret). */
		key.b[0] &= 248;
		key.b[31] = (uint8_t)((key.b[31] & 127) | 64);
		if (!secret_to_base64(&key, &text, e))
			r = os_create(AT_FDCWD, path, text.b, text.len, 0600, e);
	}
	secret_release(&text);
	secret_release(&key);
	return r;
}

static int read_key(const char *path, struct secret *ret, struct err *e)
{
	char bytes[256];
	struct buf text;
	int r;

	/* A buffer that never grows, since growing leaves copies behind, and that is wiped. */
	memset(bytes, 0, sizeof(bytes));
	text = (struct buf){ .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) - 1 };
	r = os_read_secret(AT_FDCWD, path, 128, &text, e);
	if (!r)
		r = secret_from_base64(ret, text.data, text.len, e);
	secret_wipe(bytes, sizeof(bytes));
	return r < 0 ? err_prefix(e, "the private key %s", path) : 0;
}

int agent_load_key(const char *path, bool make, struct secret *ret_private,
		   struct wgkey *ret_public, struct err *e)
{
	const char *why;

	if (make && !os_exists(AT_FDCWD, path) && make_key(path, e) < 0)
		return err_prefix(e, "cannot make the private key");
	if (read_key(path, ret_private, e) < 0)
		return -1;
	wgkey_public(ret_private->b, ret_public);
	why = wgkey_weak(ret_public);
	if (!why)
		return 0;
	secret_release(ret_private);
	return err_set(
		e, ERR_INPUT,
		"the private key %s must not be used: %s; remove the file and a new key is made",
		path, why);
}

int agent_key(struct agent *a, bool make, struct err *e)
{
	const char *path = a->config->private_key;

	/* A new key would end every session: the others know the old one alone. */
	if (make && a->state.accepted.serial && !os_exists(AT_FDCWD, path))
		return err_set(
			e, ERR_NOENT,
			"the private key %s is missing, but serial %llu was accepted with it already: put the file back; or "
			"make a new one (--print-public-key with the same options) and publish its public half as public_key of node %s",
			path, (ull)a->state.accepted.serial,
			a->config->node ? a->config->node : "...");
	if (agent_load_key(a->config->private_key, make, &a->private_key, &a->public_key, e) < 0)
		return -1;
	a->has_key = true;
	return 0;
}
