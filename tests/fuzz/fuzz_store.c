/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent reads back from its own disk: state slots, sets, reports and the record
 * of the host. Every state and set
 * that is accepted is printed again byte for byte. The checksum of a state would keep the fuzzer
 * out, so it is made right first.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shared.h"
#include "agent/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct buf *printed, const char *data, size_t len, const char *what)
{
	if (!buf_ok(printed) || printed->len != len || memcmp(printed->data, data, len) != 0) {
		fprintf(stderr, "%s: accepted %zu bytes, printed %zu\n", what, len, printed->len);
		abort();
	}
}

static void slot(const char *data, size_t len)
{
	struct state s;
	struct err e = { 0 };
	struct buf again;

	if (state_decode(data, len, "prod", &s, &e) < 0) {
		if (!e.msg[0])
			abort();
		return;
	}
	buf_init(&again, 2 * len + 100);
	state_encode(&s, &again);
	same(&again, data, len, "state");
	buf_release(&again);
}

static void shared(const char *data, size_t len)
{
	struct shared *s = calloc(1, sizeof(*s));
	struct err e = { 0 };
	struct buf again;

	buf_init(&again, 2 * len + 100);
	if (s && !shared_decode(data, len, s, &e)) {
		shared_encode(s, &again);
		same(&again, data, len, "shared");
	} else if (s && !e.msg[0]) {
		abort();
	}
	buf_release(&again);
	free(s);
}

static void with_checksum(const char *data, size_t len)
{
	struct digest d;
	char hex[DIGEST_STRLEN];
	struct buf b;

	digest_of(data, len, &d);
	buf_init(&b, len + 100);
	buf_add(&b, data, len);
	buf_addf(&b, "checksum %s\n", digest_print(&d, hex));
	slot(b.data, b.len);
	shared(b.data, b.len);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct report report, twice;
	struct set set;
	struct arena a;
	struct buf b;

	arena_init(&a);
	slot(text, size);
	shared(text, size);
	with_checksum(text, size);
	buf_init(&b, 4 * size + 4096);
	if (!set_decode(text, size, &a, &set, NULL)) {
		set_encode(&set, &b);
		same(&b, text, size, "set");
	}
	/* A report is read leniently: what is read is written in one way, and read again as the
	 * same. */
	report_decode(text, size, &a, &report);
	buf_reset(&b);
	if (!report_encode(&report, &b)) {
		report_decode(b.data, b.len, &a, &twice);
		if (twice.n_urls != report.n_urls || twice.checked != report.checked ||
		    twice.fresh != report.fresh || !twice.error != !report.error)
			abort();
	}
	buf_release(&b);
	arena_release(&a);
	return 0;
}
