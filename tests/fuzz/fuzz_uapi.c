/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer of a WireGuard daemon. The first byte says in what pieces it comes; whatever they are,
 * the result is the same. An answer that is accepted, taken as what is wanted by an empty
 * interface, makes requests that are bounded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/diff.h"
#include "agent/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static int feed(const char *data, size_t size, size_t step, struct arena *a, struct observed *o,
		struct err *e)
{
	struct uapi_reader r;
	size_t pos, n;
	int done = 0;

	*o = (struct observed){ 0 };
	uapi_reader_init(&r, a, o);
	for (pos = 0; pos < size && done == 0; pos += n) {
		n = size - pos < step ? size - pos : step;
		done = uapi_reader_feed(&r, data + pos, n, e);
	}
	if (done != 1)
		return done;
	return uapi_reader_finish(&r, e) < 0 ? -1 : 1;
}

static void check_sorted(const struct observed *o)
{
	size_t i, j;

	for (i = 0; i < o->n_peers; i++) {
		const struct observed_peer *p = &o->peers[i];

		must(!i || wgkey_cmp(&p[-1].key, &p->key) < 0, "peers are not sorted");
		for (j = 1; j < p->n_allowed_ips; j++)
			must(prefix_cmp(&p->allowed_ips[j - 1], &p->allowed_ips[j]) <= 0,
			     "prefixes are not sorted");
	}
}

static void build(const struct observed *o, struct arena *a)
{
	struct op *ops = arena_array(a, o->n_peers, sizeof(*ops));
	struct uapi_cursor c = { .ops = ops, .n = o->n_peers };
	unsigned int entries = 0;
	struct buf out;
	size_t i;

	must(ops != NULL, "no memory");
	for (i = 0; i < o->n_peers; i++)
		ops[i] = (struct op){
			.kind = OP_PEER_SET,
			.flags = OPP_NEW | OPP_REPLACE_ALLOWED | OPP_KEEPALIVE |
				 (o->peers[i].endpoint.family ? OPP_ENDPOINT : 0),
			.key = o->peers[i].key,
			.endpoint = o->peers[i].endpoint,
			.keepalive = o->peers[i].keepalive,
			.allowed_ips = o->peers[i].allowed_ips,
			.n_allowed_ips = o->peers[i].n_allowed_ips,
		};
	buf_init(&out, UAPI_SET_SIZE + 1024);
	while (uapi_build_peers(&c, &out)) {
		must(buf_ok(&out), "a request too long");
		entries += c.peers;
	}
	must(entries >= o->n_peers, "a peer was left out");
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct observed whole, pieces;
	struct err e = { 0 };
	struct arena a;
	int r;

	if (!size)
		return 0;
	arena_init(&a);
	r = feed((const char *)data + 1, size - 1, SIZE_MAX, &a, &whole, &e);
	must(r >= 0 || (e.class != ERR_NONE && e.msg[0]), "an error without a reason");
	if (r == 1) {
		must(feed((const char *)data + 1, size - 1, data[0] + 1u, &a, &pieces, &e) == 1,
		     "pieces are refused");
		must(whole.n_peers == pieces.n_peers && whole.listen_port == pieces.listen_port &&
			     whole.fwmark == pieces.fwmark &&
			     whole.has_private_key == pieces.has_private_key,
		     "pieces differ from the whole");
		check_sorted(&whole);
		build(&whole, &a);
	}
	arena_release(&a);
	return 0;
}
