/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel back end on a kernel that reads and writes real messages (fake_nl.h): what is sent, in
 * how many pieces, what is made of answers in pieces, of bad ones and of none; every message
 * failing once.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "agent/apply.h"
#include "agent/kern_wg.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/fake_nl.h"

#define NOW INT64_C(1000000)

static const struct ifname wg0 = { "wg0" };

/* The kernel of the tests has memory of its own. */
static size_t paused;

static void fail_alloc_pause(void)
{
	paused = fail_alloc_left;
	fail_alloc_left = 0;
}

static void fail_alloc_resume(void)
{
	fail_alloc_left = paused;
}

struct setting {
	struct model m;
	struct fake_nl nl;
	struct fake_desired want;
	struct secret key;
	struct kern *k;
	struct arena a;
	struct apply_result result;
	struct err e;
};

static void set_up(struct setting *s, const char *have, const char *want)
{
	struct wgkey public_key;

	*s = (struct setting){ .k = NULL };
	arena_init(&s->a);
	fake_private_key('K', &s->key, &public_key);
	fake_model(have, &s->m);
	fake_desired(want, &s->a, &s->want);
	fake_nl_start(&s->nl, &s->m);
	s->k = kern_kernel_new(&s->e);
	assert_non_null(s->k);
}

static int go(struct setting *s)
{
	s->e = (struct err){ 0 };
	return apply_desired(s->k, &wg0, &s->want.desired, NULL, &s->key, NOW, &s->a, &s->result,
			     &s->e);
}

static void tear_down(struct setting *s)
{
	s->k->ops->free(s->k);
	fake_nl_stop();
	model_release(&s->m);
	secret_release(&s->key);
	arena_release(&s->a);
}

static void test_first_time(void **state)
{
	struct setting s;

	set_up(&s, "-",
	       "addr=10.0.0.1/24 addr=fd00::1/64 route=10.5.0.0/16 route=fd77::/48 port=5 mark=7 mtu=1380|A 10.0.0.2/32 ep=192.0.2.1:5 "
	       "ka=25|B fd00::2/128 ep=[2001:db8::1]:9|C");
	assert_int_equal(go(&s), 0);
	assert_true(fake_is(&s.m, &s.want, true));
	assert_int_equal(s.result.rounds, 1);
	/* The device and all peers in one message; create, alias, MTU, two addresses, up, two
	 * routes. */
	assert_int_equal(s.nl.wg_sets, 1);
	assert_int_equal(s.result.stats.wg_messages, 1);
	assert_int_equal(s.result.stats.peers_sent, 3);
	assert_int_equal(s.result.stats.set_messages, 9);
	assert_true(s.nl.secret_seen);
	assert_int_equal(s.nl.replaced_all, 0);
	/* Again: nothing is sent but questions. */
	s.nl.changes = 0;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.nl.changes, 0);
	assert_int_equal(s.result.stats.set_messages, 0);
	assert_int_equal(s.result.stats.bytes_sent, 0);
	assert_int_equal(s.result.stats.dumps, 7);
	/* And away: all peers in one message, then the link. */
	assert_int_equal(apply_down(s.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), 0);
	assert_false(s.m.exists);
	assert_int_equal(s.nl.replaced_all, 1);
	tear_down(&s);
}

static void test_one_peer(void **state)
{
	struct setting s;

	set_up(&s, "|A 10.0.0.2/32|B 10.0.0.3/32 psk|C", "|A 10.0.0.2/32|B 10.0.0.4/32|C");
	assert_int_equal(go(&s), 0);
	assert_true(fake_is(&s.m, &s.want, true));
	assert_int_equal(s.nl.peer_entries, 1);
	assert_int_equal(s.result.stats.peers_sent, 1);
	assert_int_equal(s.result.stats.set_messages, 1);
	assert_false(s.nl.secret_seen);
	tear_down(&s);
}

/* Peer letters do not go far enough: desired states of any size. */
static void many(struct setting *s, size_t n_peers, size_t n_ips)
{
	struct peer *peers = arena_array(&s->a, n_peers, sizeof(*peers));
	size_t i, j;

	for (i = 0; i < n_peers; i++) {
		struct prefix *ips = arena_array(&s->a, n_ips, sizeof(*ips));

		peers[i] = (struct peer){
			.name = "x", .allowed_ips = ips, .n_allowed_ips = n_ips, .keepalive = 5
		};
		peers[i].key.b[0] = (uint8_t)(i >> 8);
		peers[i].key.b[1] = (uint8_t)i;
		peers[i].key.b[31] = 1;
		for (j = 0; j < n_ips; j++) {
			size_t x = i * n_ips + j;

			if (x & 1)
				ips[j] = (struct prefix){ .family = 6,
							  .len = 128,
							  .b = { 0xfd, (uint8_t)(x >> 16),
								 (uint8_t)(x >> 8), (uint8_t)x } };
			else
				ips[j] = (struct prefix){ .family = 4,
							  .len = 32,
							  .b = { 10, (uint8_t)(x >> 16),
								 (uint8_t)(x >> 8), (uint8_t)x } };
		}
		prefix_canonical(ips, n_ips);
	}
	s->want.config.peers = peers;
	s->want.config.n_peers = n_peers;
	s->want.desired.endpoints = arena_array(&s->a, n_peers, sizeof(struct sock_endpoint));
}

static void test_large(void **state)
{
	static const struct {
		size_t peers, ips;
		unsigned int messages_at_most;
	} sizes[] = {
		{ 4096, 3, 16 }, { 1, 6000, 5 }, { 3, 4000, 10 }, { 2000, 0, 5 }, { 10, 700, 7 }
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		struct setting s;

		set_up(&s, "", "");
		many(&s, sizes[i].peers, sizes[i].ips);
		assert_int_equal(go(&s), 0);
		assert_int_equal(s.result.rounds, 1);
		assert_true(fake_is(&s.m, &s.want, true));
		assert_int_equal(s.m.created, sizes[i].peers);
		assert_true(s.nl.largest <= WG_MESSAGE_SIZE);
		assert_true(s.nl.wg_sets <= sizes[i].messages_at_most);
		assert_int_equal(s.nl.wg_sets, s.result.stats.wg_messages);
		assert_int_equal(s.nl.peer_entries, s.result.stats.peers_sent);
		assert_int_equal(s.nl.replaced_all, 0);
		assert_int_equal(go(&s), 0);
		assert_int_equal(s.result.stats.set_messages, 0);
		tear_down(&s);
	}
}

/* The builder alone, with the smallest messages: whatever the size, the same state. */
static void test_fragments(void **state)
{
	uint8_t buf[2048] __attribute__((aligned(8)));
	size_t size;

	for (size = 512; size <= sizeof(buf); size += 92) {
		struct setting s;
		struct op *ops;
		struct wg_cursor c = { 0 };
		struct nlmsghdr *nlh;
		struct nl nl;
		struct observed o;
		size_t n;
		unsigned int messages = 0;

		set_up(&s, "|A 10.99.0.0/16,10.98.0.0/16 psk ka=3|B 10.97.0.0/16",
		       "port=5 mark=3|A 10.0.0.1/32,10.0.0.2/32,10.0.0.3/32,10.0.0.4/32,10.0.0.5/32,10.0.0.6/32,10.0.0.7/32,"
		       "10.0.0.8/32,10.0.0.9/32,10.0.0.10/32,10.0.0.11/32,10.0.0.12/32,10.0.0.13/32,10.0.0.14/32 "
		       "ep=[2001:db8::1]:5|C|D 10.1.0.0/16 ep=192.0.2.1:5 ka=9|E fd00::/8|F|G|H 10.97.0.0/16|I|J");
		model_observe(&s.m, &s.a, &o);
		assert_int_equal(diff_make(&o, &s.want.desired, NULL, NOW, &s.a, &ops, &n, &s.e),
				 0);
		c.ops = ops;
		c.n = n;
		assert_int_equal(nl_open(&nl, NETLINK_GENERIC, &s.e), 0);
		for (;;) {
			memset(buf, 0xee, sizeof(buf));
			assert_int_equal(wg_build_set(&c, FAKE_FAMILY, &wg0, &s.key, buf, size,
						      &nlh, &s.e),
					 0);
			if (!nlh)
				break;
			messages++;
			assert_true(nlh->nlmsg_len <= size);
			assert_true(size == sizeof(buf) || buf[size] == 0xee);
			assert_int_equal(nl_request(&nl, nlh, NULL, NULL, &s.e), 0);
		}
		assert_true(messages >= 2 && (size > 600 || messages > 3));
		assert_true(fake_is(&s.m, &s.want, true));
		nl_close(&nl);
		tear_down(&s);
	}
}

/* A peer that somebody removes between two fragments is not made anew by the second. */
static void test_fragment_of_nobody(void **state)
{
	uint8_t buf[512] __attribute__((aligned(8)));
	struct prefix ips[20];
	struct op op = {
		.kind = OP_PEER_SET,
		.flags = OPP_NEW | OPP_REPLACE_ALLOWED,
		.key = fake_key('A'),
		.allowed_ips = ips,
		.n_allowed_ips = ARRAY_LEN(ips),
	};
	struct wg_cursor c = { .ops = &op, .n = 1 };
	unsigned int messages = 0;
	struct nlmsghdr *nlh;
	struct setting s;
	struct nl nl;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ips); i++)
		ips[i] = (struct prefix){ .family = 4, .len = 32, .b = { 10, 0, 0, (uint8_t)i } };
	set_up(&s, "", "");
	assert_int_equal(nl_open(&nl, NETLINK_GENERIC, &s.e), 0);
	while (wg_build_set(&c, FAKE_FAMILY, &wg0, NULL, buf, sizeof(buf), &nlh, &s.e) == 0 &&
	       nlh) {
		assert_int_equal(nl_request(&nl, nlh, NULL, NULL, &s.e), 0);
		assert_int_equal(s.m.n_peers, messages ? 0 : 1);
		model_remove_peers(&s.m);
		messages++;
	}
	assert_true(messages > 1);
	nl_close(&nl);
	tear_down(&s);
}

/* Removing the first address of a subnet takes the second along, which is to go too: no failure. */
static void test_gone_already(void **state)
{
	struct setting s;

	set_up(&s, "addr=10.0.0.1/24 addr=10.0.0.2/24 route=10.5.0.0/16", "addr=10.9.0.1/24");
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.result.rounds, 1);
	assert_true(fake_is(&s.m, &s.want, true));
	tear_down(&s);
}

static void test_no_private_key(void **state)
{
	struct setting s;

	set_up(&s, "key=X", "");
	assert_int_equal(apply_desired(s.k, &wg0, &s.want.desired, NULL, NULL, NOW, &s.a, &s.result,
				       &s.e),
			 -1);
	tear_down(&s);
}

/* A dump in pieces of every size, with unknown attributes, between answers that are not for us. */
static void test_pieces(void **state)
{
	static const char have[] =
		"port=5 mark=9|A 10.0.0.2/32,10.0.0.3/32,10.0.0.4/32 ep=192.0.2.1:5 hs=77 ka=3|B fd00::/64,fd01::/64 "
		"ep=[2001:db8::1]:9|C|D 10.9.0.0/16,10.8.0.0/16,10.7.0.0/16,10.6.0.0/16,0.0.0.0/0,::/0 psk";
	size_t peers, ips;

	for (peers = 0; peers < 4; peers++) {
		for (ips = 0; ips < 4; ips++) {
			struct setting s;
			struct observed o, want;
			size_t i, j;

			set_up(&s, have, "");
			s.nl.peers_in_message = peers;
			s.nl.ips_in_piece = ips;
			s.nl.unknown = peers & 1;
			s.nl.stale = ips & 1;
			s.m.peers[0].rx_bytes = UINT64_C(5) << 40;
			s.m.peers[0].tx_bytes = 7;
			model_observe(&s.m, &s.a, &want);
			assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), 0);
			assert_int_equal(o.n_peers, want.n_peers);
			assert_int_equal(o.listen_port, 5);
			assert_int_equal(o.fwmark, 9);
			assert_true(o.has_private_key);
			assert_memory_equal(&o.public_key, &want.public_key, 32);
			for (i = 0; i < o.n_peers; i++) {
				const struct observed_peer *x = &o.peers[i], *y = &want.peers[i];

				assert_int_equal(wgkey_cmp(&x->key, &y->key), 0);
				assert_true(sock_endpoint_equal(&x->endpoint, &y->endpoint));
				assert_int_equal(x->keepalive, y->keepalive);
				assert_int_equal(x->has_psk, y->has_psk);
				assert_int_equal(x->last_handshake, y->last_handshake);
				assert_int_equal(x->rx_bytes, y->rx_bytes);
				assert_int_equal(x->tx_bytes, y->tx_bytes);
				assert_int_equal(x->n_allowed_ips, y->n_allowed_ips);
				for (j = 0; j < x->n_allowed_ips; j++)
					assert_int_equal(prefix_cmp(&x->allowed_ips[j],
								    &y->allowed_ips[j]),
							 0);
			}
			tear_down(&s);
		}
	}
}

static void test_bad_dumps(void **state)
{
	static const struct {
		const char *what;
		int bad;
	} rows[] = {
		{ "a key of 31 bytes", SHORT_KEY },
		{ "a port of 4 bytes", LONG_PORT },
		{ "an attribute that ends behind its list", CUT_ATTRIBUTE },
		{ "a peer without a key", NO_KEY },
		{ "a mask of 129 bits", BAD_MASK },
		{ "an IPv6 mask of 129 bits", BAD_MASK6 },
		{ "an address of no family", BAD_FAMILY },
		{ "an endpoint of 15 bytes", BAD_ENDPOINT },
		{ "all peers twice", TWICE },
		{ "no end", NO_END },
		{ "a message without its header", HALF_HEADER },
		{ "an end without a result", SHORT_DONE },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct setting s;
		struct observed o;

		set_up(&s, "|A 10.0.0.2/32 ep=192.0.2.1:5|B fd00::/64",
		       "|A 10.0.0.2/32|B fd00::/64");
		s.nl.bad = (int)rows[i].bad;
		ROW_CHECK(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e) == -1 && s.e.msg[0], i);
		/* Nothing is changed by what cannot be read. */
		ROW_CHECK(go(&s) == -1 && s.nl.changes == 0, i);
		/* The conversation goes on with the next question. */
		s.nl.bad = WELL_FORMED;
		ROW_CHECK(go(&s) == 0, i);
		tear_down(&s);
	}
}

static void test_dump_errors(void **state)
{
	struct setting s;
	struct observed o;

	/* The result stands in the last message, after many good ones. */
	set_up(&s, "|A 10.0.0.2/32|B 10.0.0.3/32", "");
	s.nl.dump_errno = EMSGSIZE;
	assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), -1);
	assert_non_null(strstr(s.e.msg, strerror(EMSGSIZE)));
	assert_int_equal(s.nl.wg_dumps, 1);
	tear_down(&s);

	/* Interrupted: read again, and nothing of the first attempt is kept. */
	set_up(&s, "|A 10.0.0.2/32|B 10.0.0.3/32", "");
	s.nl.interrupted = NL_DUMP_TRIES - 1;
	s.nl.peers_in_message = 1;
	assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), 0);
	assert_int_equal(o.n_peers, 2);
	assert_int_equal(o.peers[0].n_allowed_ips, 1);
	assert_int_equal(s.nl.wg_dumps, NL_DUMP_TRIES);
	tear_down(&s);

	set_up(&s, "|A 10.0.0.2/32|B 10.0.0.3/32", "");
	s.nl.interrupted = NL_DUMP_TRIES;
	assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), -1);
	assert_int_equal(s.nl.wg_dumps, NL_DUMP_TRIES);
	tear_down(&s);

	set_up(&s, "|A 10.0.0.2/32|B 10.0.0.3/32", "");
	s.nl.overrun = NL_DUMP_TRIES - 1;
	assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), 0);
	assert_int_equal(o.n_peers, 2);
	s.nl.overrun = NL_DUMP_TRIES;
	assert_int_equal(s.k->ops->observe(s.k, &wg0, &s.a, &o, &s.e), -1);
	tear_down(&s);
}

static void test_no_wireguard(void **state)
{
	struct model m;
	struct fake_nl nl;
	struct err e = { 0 };

	fake_model("-", &m);
	fake_nl_start(&nl, &m);
	assert_true(kern_kernel_available());
	nl.no_family = true;
	assert_false(kern_kernel_available());
	assert_null(kern_kernel_new(&e));
	assert_int_equal(e.class, ERR_NOENT);
	fake_nl_stop();
	model_release(&m);
}

struct watch {
	const struct model *before;
	const struct config *want;
	bool failed;
};

static bool has(const struct model *m, const struct wgkey *key, const struct prefix *p)
{
	size_t i, j;

	for (i = 0; i < m->n_peers; i++)
		for (j = 0; wgkey_cmp(&m->peers[i].key, key) == 0 && j < m->peers[i].n_ips; j++)
			if (prefix_cmp(&m->peers[i].ips[j], p) == 0)
				return true;
	return false;
}

static bool wanted(const struct config *c, const struct wgkey *key, const struct prefix *p)
{
	const struct peer *q = config_peer(c, key);
	size_t i;

	for (i = 0; q && i < q->n_allowed_ips; i++)
		if (prefix_cmp(&q->allowed_ips[i], p) == 0)
			return true;
	return false;
}

static void check_step(struct model *m, void *arg)
{
	struct watch *w = arg;
	bool old = false, new = false;
	size_t i, j;

	for (i = 0; i < m->n_peers; i++) {
		for (j = 0; j < m->peers[i].n_ips; j++) {
			bool was = has(w->before, &m->peers[i].key, &m->peers[i].ips[j]);
			bool is = wanted(w->want, &m->peers[i].key, &m->peers[i].ips[j]);

			w->failed |= !was && !is;
			old |= was && !is;
			new |= is && !was;
		}
	}
	w->failed |= old && new;
}

/* Every message of a change fails: not sent, refused, or done with the answer lost. */
static void test_failures(void **state)
{
	static const char *const states[] = {
		"-",
		"addr=10.0.0.1/24 route=10.5.0.0/16 port=4|A 10.0.0.2/32,10.5.0.0/16|B 10.0.0.3/32 psk|C 10.0.0.4/32",
		"addr=10.0.0.9/24 addr=fd00::1/64 route=10.6.0.0/16 route=10.5.0.0/16 port=5 mark=3 mtu=1380|A 10.0.0.2/32|"
		"B 10.0.0.3/32,10.5.0.0/16|D 10.0.0.5/32 ep=192.0.2.1:5",
		"key=X|D 10.0.0.3/32,10.0.0.2/32",
	};
	static const int errors[] = { ENOMEM, ENOBUFS, EBUSY, ENODEV, EPERM };
	size_t from, to;
	unsigned int at, how, total = 0;

	for (from = 0; from < ARRAY_LEN(states); from++) {
		for (to = 1; to < ARRAY_LEN(states) - 1; to++) {
			for (how = 0; how < 3 && from != to; how++) {
				bool more = true;

				for (at = 1; more; at++) {
					struct model before;
					struct setting s;
					struct watch w;
					int r;

					set_up(&s, states[from], states[to]);
					fake_model(states[from], &before);
					w = (struct watch){ .before = &before,
							    .want = &s.want.config };
					s.m.step = check_step;
					s.m.step_arg = &w;
					s.nl.sends = s.nl.changes = 0;
					if (how == 1)
						s.nl.refuse_at = at;
					else
						s.nl.fail_send_at = at;
					s.nl.lost = how == 2;
					s.nl.fail_errno = s.nl.refuse_errno =
						errors[at % ARRAY_LEN(errors)];
					r = go(&s);
					more = (how == 1 ? s.nl.changes : s.nl.sends) >= at;
					if (w.failed)
						fail_msg(
							"%zu -> %zu, way %u, message %u: admitted too much",
							from, to, how, at);
					/* A change that failed is tried once more; a look that
					 * failed is an error. */
					if (r == 0 &&
					    !(s.result.verified && fake_is(&s.m, &s.want, true)))
						fail_msg(
							"%zu -> %zu, way %u, message %u: not as wanted",
							from, to, how, at);
					if (r < 0 && (!more || !s.e.msg[0] || s.result.verified))
						fail_msg("%zu -> %zu, way %u, message %u: %s", from,
							 to, how, at, s.e.msg);
					if (how == 1 && r < 0)
						fail_msg(
							"%zu -> %zu: refused once, and not done: %s",
							from, to, s.e.msg);
					/* And then nothing fails any more. */
					s.nl.fail_send_at = s.nl.refuse_at = 0;
					if (go(&s) < 0 || !fake_is(&s.m, &s.want, true))
						fail_msg(
							"%zu -> %zu, way %u, message %u, again: %s",
							from, to, how, at, s.e.msg);
					model_release(&before);
					tear_down(&s);
					total++;
				}
			}
		}
	}
	assert_true(total > 150);
}

/* A set in several messages that stops at each of them. */
static void test_split_set(void **state)
{
	unsigned int at, all = 0;

	/* First undisturbed, which tells how many messages there are. */
	for (at = 0; at <= all; at++) {
		struct setting s;
		size_t before;

		set_up(&s, "", "");
		many(&s, 2000, 3);
		s.nl.refuse_at = at;
		s.nl.refuse_errno = ENOMEM;
		assert_int_equal(go(&s), 0);
		if (!at)
			all = s.nl.wg_sets;
		assert_true(all >= 5);
		assert_int_equal(s.result.rounds, at ? 2 : 1);
		assert_true(fake_is(&s.m, &s.want, true));
		/* Nothing was made twice. */
		assert_int_equal(s.m.created, 2000);
		before = s.m.n_peers;
		many(&s, 0, 0);
		s.nl.changes = 0;
		assert_int_equal(go(&s), 0);
		assert_int_equal(s.m.n_peers, 0);
		assert_int_equal(before, 2000);
		assert_int_equal(s.nl.replaced_all, 0);
		tear_down(&s);
	}
}

static void test_messages(void **state)
{
	struct setting s;

	set_up(&s, "- other=10.5.0.0/16", "route=10.5.0.0/16 route=10.6.0.0/16|A 10.5.0.0/16");
	assert_int_equal(go(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_non_null(strstr(s.e.msg, "10.5.0.0/16"));
	assert_non_null(strstr(s.e.msg, "not ours"));
	/* The other one was added all the same. */
	assert_int_equal(s.m.n_routes, 1);
	tear_down(&s);

	/* What the kernel says comes through, without its control characters. */
	set_up(&s, "", "|A 10.0.0.2/32");
	s.nl.refuse_at = 1;
	s.nl.refuse_errno = EINVAL;
	s.e = (struct err){ 0 };
	{
		struct op op = {
			.kind = OP_PEER_SET, .flags = OPP_NEW, .key = fake_key('A'), .name = "ams1"
		};

		assert_int_equal(s.k->ops->apply(s.k, &wg0, &op, 1, NULL, FAKE_ALIAS, &s.e), -1);
	}
	assert_non_null(strstr(s.e.msg, "ams1"));
	assert_non_null(strstr(s.e.msg, "the model? says no"));
	tear_down(&s);

	set_up(&s, "", "|A 10.0.0.2/32");
	s.nl.sends = 0;
	s.nl.fail_send_at = 1;
	s.nl.fail_errno = EPERM;
	assert_int_equal(go(&s), -1);
	assert_non_null(strstr(s.e.msg, "CAP_NET_ADMIN"));
	tear_down(&s);

	/* Two are refused: the first is named, the other counted. */
	set_up(&s, "", "");
	{
		struct op ops[2] = { { .kind = OP_ROUTE_ADD,
				       .route = { { .family = 4, .len = 8, .b = { 11 } }, 254 } },
				     { .kind = OP_ROUTE_ADD,
				       .route = { { .family = 4, .len = 8, .b = { 12 } }, 254 } } };

		s.m.up = false;
		assert_int_equal(s.k->ops->apply(s.k, &wg0, ops, 2, NULL, FAKE_ALIAS, &s.e), -1);
	}
	assert_non_null(strstr(s.e.msg, "add the route 11.0.0.0/8 (and 1 more)"));
	tear_down(&s);
}

/* More routes than one batch holds. */
/* No peer may say that it is a router. */
static void test_deaf(void **state)
{
	struct setting s;

	/* A new one is deaf from the start, and nothing more is to be done. */
	set_up(&s, "-", "addr=10.0.0.1/24|A 0.0.0.0/0,::/0");
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.nl.settings, 3);
	assert_false(s.m.hears);
	assert_int_equal(s.result.rounds, 1);
	s.nl.settings = 0;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.nl.settings, 0);
	/* Somebody makes it hear. */
	s.m.hears = true;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.result.n_changes, 1);
	assert_int_equal(s.nl.settings, 3);
	assert_false(s.m.hears);
	tear_down(&s);

	/* Where the settings cannot be written, it is an error, and all else is done. */
	set_up(&s, "-", "addr=10.0.0.1/24 route=10.5.0.0/16|A 0.0.0.0/0,::/0");
	s.m.stays_hearing = true;
	assert_int_equal(go(&s), -1);
	assert_non_null(strstr(s.e.msg, "read-only"));
	assert_true(s.result.all_but_routes && s.m.up && s.m.n_peers == 1 && s.m.n_routes == 1);
	tear_down(&s);
	/* None where no peer could advertise anything, or nobody would hear it. */
	set_up(&s, "-", "addr=10.0.0.1/24|A 10.0.0.2/32,fd00::2/128");
	s.m.stays_hearing = true;
	assert_int_equal(go(&s), 0);
	tear_down(&s);
	set_up(&s, "-", "addr=10.0.0.1/24|A 0.0.0.0/0,::/0");
	s.m.no_ipv6 = true;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.nl.settings, 0);
	tear_down(&s);
}

static void test_many_routes(void **state)
{
	struct prefix *routes;
	struct setting s;
	size_t i, n = 3000;

	set_up(&s, "", "");
	routes = arena_array(&s.a, n, sizeof(*routes));
	for (i = 0; i < n; i++)
		routes[i] =
			i & 1 ? (struct prefix){ .family = 6,
						 .len = 48,
						 .b = { 0xfd, 0, (uint8_t)(i >> 8), (uint8_t)i } } :
				(struct prefix){ .family = 4,
						 .len = 24,
						 .b = { 10, (uint8_t)(i >> 8), (uint8_t)i } };
	s.want.config.n_routes = prefix_canonical(routes, n);
	s.want.config.routes = routes;
	s.nl.sends = 0;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.m.n_routes, n);
	assert_true(fake_is(&s.m, &s.want, true));
	assert_int_equal(s.result.stats.set_messages, n);
	assert_true(s.nl.sends < 25);
	/* One in the middle is refused, and only that one is sent again. */
	s.m.n_routes = 0;
	s.nl.changes = 0;
	s.nl.refuse_at = 1500;
	s.nl.refuse_errno = ENOMEM;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.result.rounds, 2);
	assert_true(fake_is(&s.m, &s.want, true));
	tear_down(&s);
}

/* Memory runs out at each allocation of the back end and the diff: a clean error, and the next time
 * all goes well. */
static void test_no_memory(void **state)
{
	static const char from[] =
		"addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32,10.5.0.0/16|B 10.0.0.3/32 psk";
	static const char to[] =
		"addr=10.0.0.9/24 route=10.6.0.0/16 port=5|A 10.0.0.2/32|B 10.0.0.3/32,10.5.0.0/16|D";
	bool failed = true;
	size_t n;

	for (n = 1; failed; n++) {
		struct setting s;
		struct arena a;
		int r;

		set_up(&s, from, to);
		/* An arena of its own: the one of the setting has room left. */
		arena_init(&a);
		s.nl.pause = fail_alloc_pause;
		s.nl.resume = fail_alloc_resume;
		fail_alloc_at(n);
		r = apply_desired(s.k, &wg0, &s.want.desired, NULL, &s.key, NOW, &a, &s.result,
				  &s.e);
		failed = fail_alloc_stop();
		if (r < 0)
			assert_true(failed && s.e.msg[0] && !s.result.verified);
		else
			assert_true(s.result.verified && fake_is(&s.m, &s.want, true));
		arena_release(&a);
		assert_int_equal(go(&s), 0);
		assert_true(fake_is(&s.m, &s.want, true));
		tear_down(&s);
	}
	assert_true(n > 3);

	/* And where the back end is made. */
	for (n = 1, failed = true; failed; n++) {
		struct model m;
		struct fake_nl nl;
		struct kern *k;
		struct err e = { 0 };

		fake_model("-", &m);
		fake_nl_start(&nl, &m);
		fail_alloc_at(n);
		nl.pause = fail_alloc_pause;
		nl.resume = fail_alloc_resume;
		k = kern_kernel_new(&e);
		failed = fail_alloc_stop();
		assert_true(k || (failed && e.class == ERR_NOMEM));
		if (k)
			k->ops->free(k);
		fake_nl_stop();
		model_release(&m);
	}
	assert_true(n > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_time),     cmocka_unit_test(test_one_peer),
		cmocka_unit_test(test_large),	       cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_no_private_key), cmocka_unit_test(test_fragment_of_nobody),
		cmocka_unit_test(test_gone_already),   cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_bad_dumps),      cmocka_unit_test(test_dump_errors),
		cmocka_unit_test(test_no_wireguard),   cmocka_unit_test(test_failures),
		cmocka_unit_test(test_split_set),      cmocka_unit_test(test_messages),
		cmocka_unit_test(test_deaf),	       cmocka_unit_test(test_many_routes),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
