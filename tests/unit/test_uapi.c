/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text protocol of WireGuard daemons: requests as they are written, answers in pieces and bad
 * ones. */
#include "tests/unit/unit.h"

#include "agent/uapi.h"
#include "common/hash.h"
#include "common/num.h"
#include "tests/unit/fake_kern.h"

#define KEY_A "4141414141414141414141414141414141414141414141414141414141414141"
#define KEY_B "4242424242424242424242424242424242424242424242424242424242424242"
#define KEY_0 "0000000000000000000000000000000000000000000000000000000000000000"

static void test_build_peers(void **state)
{
	static const struct {
		const char *what, *have, *want, *text;
	} rows[] = {
		{ "nothing", "", "", "" },
		{ "new", "", "|A 10.0.0.2/32,fd00::/64 ep=192.0.2.1:5 ka=25",
		  "set=1\npublic_key=" KEY_A
		  "\nendpoint=192.0.2.1:5\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
		  "allowed_ip=10.0.0.2/32\nallowed_ip=fd00::/64\n\n" },
		{ "gone", "|A", "", "set=1\npublic_key=" KEY_A "\nremove=true\n\n" },
		{ "changed", "|A 10.0.0.2/32 psk ka=5|B 10.0.0.3/32",
		  "|A|B 10.0.0.3/32,10.0.0.2/32 ep=[2001:db8::1]:9",
		  "set=1\npublic_key=" KEY_A
		  "\nupdate_only=true\nreplace_allowed_ips=true\npublic_key=" KEY_B
		  "\nupdate_only=true\nendpoint=[2001:db8::1]:9\nallowed_ip=10.0.0.2/32\npublic_key=" KEY_A
		  "\nupdate_only=true\npreshared_key=" KEY_0
		  "\npersistent_keepalive_interval=0\n\n" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct uapi_cursor c = { 0 };
		struct fake_desired want;
		struct observed o;
		struct model m;
		struct arena a;
		struct buf out;
		struct op *ops;
		size_t n;

		arena_init(&a);
		buf_init(&out, UAPI_SET_SIZE + 1024);
		fake_model(rows[i].have, &m);
		model_observe(&m, &a, &o);
		fake_desired(rows[i].want, &a, &want);
		assert_int_equal(diff_make(&o, &want.desired, NULL, 0, &a, &ops, &n, NULL), 0);
		c.ops = ops;
		c.n = n;
		assert_int_equal(uapi_build_peers(&c, &out), n > 0);
		assert_string_equal(out.data, rows[i].text);
		assert_false(uapi_build_peers(&c, &out));
		buf_release(&out);
		model_release(&m);
		arena_release(&a);
	}
}

/* Counts what the requests say: a peer in several pieces is replaced once, made once, and gets
 * every prefix once. */
static void test_fragments(void **state)
{
	enum { PEERS = 3, IPS = 3000 };
	struct op ops[PEERS + 300] = { 0 };
	struct uapi_cursor c = { .ops = ops, .n = ARRAY_LEN(ops) };
	struct prefix *ips = calloc(IPS, sizeof(*ips));
	unsigned int requests = 0, entries = 0, replaced = 0, updates = 0, allowed = 0, removed = 0,
		     endpoints = 0;
	struct buf out;
	size_t i;

	assert_non_null(ips);
	for (i = 0; i < IPS; i++)
		ips[i] = (struct prefix){ .family = 6,
					  .len = 128,
					  .b = { 0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
						 (uint8_t)(i >> 8), (uint8_t)i } };
	for (i = 0; i < ARRAY_LEN(ops); i++) {
		ops[i].kind = i < PEERS ? OP_PEER_SET : OP_PEER_REMOVE;
		ops[i].key.b[0] = (uint8_t)i;
		ops[i].flags = OPP_NEW | OPP_REPLACE_ALLOWED | OPP_ENDPOINT;
		ops[i].endpoint =
			(struct sock_endpoint){ .family = 4, .port = 5, .b = { 192, 0, 2, 1 } };
		ops[i].allowed_ips = ips;
		ops[i].n_allowed_ips = i < PEERS ? IPS : 0;
	}
	buf_init(&out, UAPI_SET_SIZE + 1024);
	while (uapi_build_peers(&c, &out)) {
		const char *p = out.data;

		requests++;
		assert_true(buf_ok(&out) && out.len <= UAPI_SET_SIZE + 1024);
		assert_true(strncmp(p, "set=1\n", 6) == 0 && strcmp(p + out.len - 2, "\n\n") == 0);
		entries += c.peers;
		while ((p = strchr(p, '\n')) && *++p) {
			replaced += strncmp(p, "replace_", 8) == 0;
			updates += strncmp(p, "update_only", 11) == 0;
			allowed += strncmp(p, "allowed_ip=", 11) == 0;
			removed += strncmp(p, "remove=", 7) == 0;
			endpoints += strncmp(p, "endpoint=", 9) == 0;
		}
	}
	assert_int_equal(allowed, PEERS * IPS);
	assert_int_equal(replaced, PEERS);
	assert_int_equal(endpoints, PEERS);
	assert_int_equal(removed, 300);
	assert_true(requests >= 6 && requests <= 12);
	assert_int_equal(entries, PEERS + 300 + updates);
	buf_release(&out);
	free(ips);
}

static void test_build_device(void **state)
{
	struct op op = { .kind = OP_DEVICE,
			 .flags = OPD_LISTEN_PORT | OPD_FWMARK,
			 .number = 51820,
			 .fwmark = 0xffffffff };
	struct secret key = { 0 }, text = { 0 };
	struct wgkey public_key;

	fake_private_key('A', &key, &public_key);
	assert_int_equal(uapi_build_device(&op, NULL, &text, NULL), 0);
	assert_int_equal(text.len, strlen("set=1\nlisten_port=51820\nfwmark=4294967295\n\n"));
	assert_memory_equal(text.b, "set=1\nlisten_port=51820\nfwmark=4294967295\n\n", text.len);
	secret_release(&text);
	op.flags |= OPD_PRIVATE_KEY;
	assert_int_equal(uapi_build_device(&op, &key, &text, NULL), 0);
	assert_memory_equal(text.b,
			    "set=1\nprivate_key=" KEY_A
			    "\nlisten_port=51820\nfwmark=4294967295\n\n",
			    text.len);
	secret_release(&text);
	assert_int_equal(uapi_build_device(&op, NULL, &text, NULL), -1);
	secret_release(&key);
}

/* Feeds an answer in pieces of `step` bytes. 1: whole and good; 0: not whole; -1. */
static int feed(const char *s, size_t step, struct arena *a, struct observed *o, uint64_t *error,
		struct err *e)
{
	size_t len = strlen(s), pos = 0;
	struct uapi_reader r;
	int done = 0;

	*o = (struct observed){ 0 };
	uapi_reader_init(&r, a, o);
	while (pos < len && done == 0) {
		size_t n = len - pos < step ? len - pos : step;

		done = uapi_reader_feed(&r, s + pos, n, e);
		pos += n;
	}
	*error = r.error;
	if (done == 1 && uapi_reader_finish(&r, e) < 0)
		return -1;
	return done;
}

#define GOOD                                                                                                     \
	"private_key=" KEY_B "\nlisten_port=51820\nfwmark=7\nnew_in_2030=1\npublic_key=" KEY_B                   \
	"\npreshared_key=" KEY_0                                                                                 \
	"\nprotocol_version=1\nendpoint=[fe80::1%3]:9\nlast_handshake_time_sec=77\nlast_handshake_time_nsec=5\n" \
	"rx_bytes=18446744073709551615\ntx_bytes=3\npersistent_keepalive_interval=25\nallowed_ip=fd00::/64\n"    \
	"allowed_ip=10.0.0.9/24\nwhat_else=\npublic_key=" KEY_A "\npreshared_key=" KEY_A                         \
	"\nendpoint=192.0.2.1:5\n"                                                                               \
	"endpoint=[2001:db8::1]:6\nerrno=0\n\n"

static void test_read(void **state)
{
	struct wgkey public_key;
	struct secret key = { 0 };
	size_t step;

	fake_private_key('B', &key, &public_key);
	secret_release(&key);
	for (step = 1; step < sizeof(GOOD); step++) {
		struct observed o;
		struct arena a;
		uint64_t error;
		char text[PREFIX_STRLEN];

		arena_init(&a);
		assert_int_equal(feed(GOOD, step, &a, &o, &error, NULL), 1);
		assert_int_equal(error, 0);
		assert_true(o.has_private_key);
		assert_memory_equal(&o.public_key, &public_key, 32);
		assert_int_equal(o.listen_port, 51820);
		assert_int_equal(o.fwmark, 7);
		assert_int_equal(o.n_peers, 2);
		assert_int_equal(o.peers[0].key.b[0], 'A');
		assert_true(o.peers[0].has_psk);
		assert_int_equal(o.peers[0].endpoint.port, 6);
		assert_int_equal(o.peers[0].n_allowed_ips, 0);
		assert_false(o.peers[1].has_psk);
		assert_int_equal(o.peers[1].endpoint.scope, 3);
		assert_int_equal(o.peers[1].last_handshake, 77);
		assert_int_equal(o.peers[1].rx_bytes, UINT64_MAX);
		assert_int_equal(o.peers[1].tx_bytes, 3);
		assert_int_equal(o.peers[1].keepalive, 25);
		assert_int_equal(o.peers[1].n_allowed_ips, 2);
		assert_string_equal(prefix_print(&o.peers[1].allowed_ips[0], text), "10.0.0.0/24");
		arena_release(&a);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *what, *text;
		int result;
		uint64_t error;
	} rows[] = {
		{ "refusal", "errno=22\n\n", 1, 22 },
		{ "refusal, negative", "errno=-98\n\n", 1, 98 },
		{ "nothing set", "errno=0\n\n", 1, 0 },
		{ "no key yet", "private_key=" KEY_0 "\nerrno=0\n\n", 1, 0 },
		{ "not whole", "listen_port=5\nerrno=0\n", 0, 0 },
		{ "no errno", "listen_port=5\n\n", -1, 0 },
		{ "empty", "\n", -1, 0 },
		{ "behind errno", "errno=0\nlisten_port=5\n\n", -1, 0 },
		{ "behind the end", "errno=0\n\nx", -1, 0 },
		{ "no =", "listen_port\nerrno=0\n\n", -1, 0 },
		{ "errno", "errno=\n\n", -1, 0 },
		{ "errno in words", "errno=EINVAL\n\n", -1, 0 },
		{ "port", "listen_port=65536\nerrno=0\n\n", -1, 0 },
		{ "mark", "fwmark=4294967296\nerrno=0\n\n", -1, 0 },
		{ "mark", "fwmark=-1\nerrno=0\n\n", -1, 0 },
		{ "private key", "private_key=41\nerrno=0\n\n", -1, 0 },
		{ "public key", "public_key=" KEY_A "41\nerrno=0\n\n", -1, 0 },
		{ "public key in capitals", "public_key=AA" KEY_A "\nerrno=0\n\n", -1, 0 },
		{ "preshared key", "public_key=" KEY_A "\npreshared_key=x\nerrno=0\n\n", -1, 0 },
		{ "twice",
		  "public_key=" KEY_A "\npublic_key=" KEY_B "\npublic_key=" KEY_A "\nerrno=0\n\n",
		  -1, 0 },
		{ "endpoint", "public_key=" KEY_A "\nendpoint=192.0.2.1\nerrno=0\n\n", -1, 0 },
		{ "endpoint", "public_key=" KEY_A "\nendpoint=[2001:db8::1:5\nerrno=0\n\n", -1, 0 },
		{ "endpoint", "public_key=" KEY_A "\nendpoint=[]:5\nerrno=0\n\n", -1, 0 },
		{ "endpoint", "public_key=" KEY_A "\nendpoint=:5\nerrno=0\n\n", -1, 0 },
		{ "endpoint", "public_key=" KEY_A "\nendpoint=192.0.2.1:65536\nerrno=0\n\n", -1,
		  0 },
		{ "a zone by name", "public_key=" KEY_A "\nendpoint=[fe80::1%eth0]:5\nerrno=0\n\n",
		  1, 0 },
		{ "prefix", "public_key=" KEY_A "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n", -1, 0 },
		{ "prefix", "public_key=" KEY_A "\nallowed_ip=10.0.0.0\nerrno=0\n\n", -1, 0 },
		{ "keepalive",
		  "public_key=" KEY_A "\npersistent_keepalive_interval=off\nerrno=0\n\n", -1, 0 },
		{ "counter", "public_key=" KEY_A "\nrx_bytes=18446744073709551616\nerrno=0\n\n", -1,
		  0 },
	};
	size_t i, step;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		for (step = 1; step < 300; step += 7) {
			struct observed o;
			struct arena a;
			struct err e = { 0 };
			uint64_t error;
			int r;

			/* What stands behind the end is seen only when it comes with it. */
			if (strcmp(rows[i].what, "behind the end") == 0 && step < 20)
				continue;
			arena_init(&a);
			r = feed(rows[i].text, step, &a, &o, &error, &e);
			ROW_CHECK(r == rows[i].result && (r < 0 || error == rows[i].error), i);
			ROW_CHECK(r >= 0 || e.msg[0], i);
			arena_release(&a);
		}
	}
}

static void test_limits(void **state)
{
	struct observed o = { 0 };
	struct uapi_reader r;
	struct err e = { 0 };
	struct arena a;
	char *chunk;
	size_t i;

	arena_init(&a);
	chunk = malloc(1 << 20);
	assert_non_null(chunk);
	/* A line as long as may be, and one longer. */
	memset(chunk, 'x', UAPI_LINE_SIZE + 2);
	chunk[1] = '=';
	chunk[UAPI_LINE_SIZE] = '\n';
	uapi_reader_init(&r, &a, &o);
	assert_int_equal(uapi_reader_feed(&r, chunk, UAPI_LINE_SIZE + 1, &e), 0);
	chunk[UAPI_LINE_SIZE] = 'x';
	chunk[UAPI_LINE_SIZE + 1] = '\n';
	uapi_reader_init(&r, &a, &o);
	assert_int_equal(uapi_reader_feed(&r, chunk, UAPI_LINE_SIZE + 2, &e), -1);
	/* An answer without end: 64 MB, and one byte more. */
	for (i = 0; i < 1 << 20; i += 4)
		memcpy(chunk + i, "a=b\n", 4);
	uapi_reader_init(&r, &a, &o);
	for (i = 0; i < UAPI_REPLY_MAX >> 20; i++)
		assert_int_equal(uapi_reader_feed(&r, chunk, 1 << 20, &e), 0);
	assert_int_equal(uapi_reader_feed(&r, chunk, 1, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	free(chunk);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_peers),  cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_build_device), cmocka_unit_test(test_read),
		cmocka_unit_test(test_bad),	     cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
