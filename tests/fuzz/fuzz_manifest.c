/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signed documents. Every body that is accepted is printed again byte for byte, and nothing
 * that the fuzzer makes up is ever taken for signed by a key that it does not have.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publication/manifest.h"
#include "publication/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct buf *printed, const char *data, size_t len, const char *what)
{
	if (!buf_ok(printed) || printed->len != len || memcmp(printed->data, data, len) != 0) {
		fprintf(stderr, "%s: accepted %zu bytes, printed %zu:\n%s", what, len, printed->len,
			printed->data);
		abort();
	}
}

static void must_say_why(const struct err *e)
{
	if (e->class == ERR_NONE || (e->class == ERR_VERIFY && !e->reason) || !e->msg[0])
		abort();
}

static void bodies(const char *data, size_t len, struct arena *a)
{
	struct manifest m;
	struct root r;
	struct err e = { 0 };
	struct buf b;

	buf_init(&b, 2 * MAX_MANIFEST);
	if (manifest_decode(data, len, a, &m, &e) == 0) {
		manifest_encode(&m, &b);
		same(&b, data, len, "manifest");
	} else {
		must_say_why(&e);
	}
	buf_reset(&b);
	memset(&e, 0, sizeof(e));
	if (root_decode(data, len, &r, &e) == 0) {
		root_encode(&r, &b);
		same(&b, data, len, "root");
	} else {
		must_say_why(&e);
	}
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct root trusted = { .format = 1,
				.version = 1,
				.epoch = 1,
				.min_format = 1,
				.root_threshold = 1,
				.n_root_keys = 1,
				.n_publisher_keys = 1 };
	struct signed_doc d;
	struct manifest m;
	struct root r;
	struct err e = { 0 };
	struct arena a;
	struct buf b;
	size_t i;

	arena_init(&a);
	bodies(text, size, &a);
	if (signed_split(text, size, &d, &e) == 0) {
		bodies(d.body, d.body_len, &a);
		buf_init(&b, size);
		buf_add(&b, d.body, d.body_len);
		for (i = 0; i < d.n; i++)
			signed_append(&b, &d.keys[i], &d.signatures[i]);
		same(&b, text, size, "signatures");
		buf_release(&b);
		/* The document names its own key as the trusted one: only the signature stands
		 * between. */
		trusted.root_keys[0] = trusted.publisher_keys[0] = d.keys[0];
		if (d.n == 1 && manifest_decode(d.body, d.body_len, &a, &m, &e) == 0 &&
		    verify_signature(SIGN_TYPE_ROOT, d.body, d.body_len, &d.keys[0],
				     &d.signatures[0]) &&
		    verify_signature(SIGN_TYPE_MANIFEST, d.body, d.body_len, &d.keys[0],
				     &d.signatures[0]))
			abort();
		memset(&e, 0, sizeof(e));
		if (verify_manifest(&trusted, "prod", 1, text, size, &a, &m, &e) < 0)
			must_say_why(&e);
	} else {
		must_say_why(&e);
	}
	memset(trusted.root_keys, 7, sizeof(trusted.root_keys));
	memset(trusted.publisher_keys, 7, sizeof(trusted.publisher_keys));
	if (verify_manifest(&trusted, "prod", 1, text, size, &a, &m, &e) == 0 ||
	    verify_next_root(&trusted, text, size, &r, &e) == 0)
		abort();
	memset(&e, 0, sizeof(e));
	if (verify_pinned_root(text, size, &r, &e) < 0)
		must_say_why(&e);
	arena_release(&a);
	return 0;
}
