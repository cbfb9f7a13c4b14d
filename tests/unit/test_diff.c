/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The diff: every rule of agent/diff.h as a row, and random changes on a model of the kernel; and
 * agent/apply.h on it. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "agent/apply.h"
#include "tests/unit/dice.h"
#include "tests/unit/fake_kern.h"

#define NOW INT64_C(1000000)
#define LIVE "hs=999900"
#define STALE "hs=999000"

static const struct ifname wg0 = { "wg0" };

/* One operation in the short form of the tables below. */
static void print_op(const struct op *op, struct buf *out)
{
	char text[ENDPOINT_STRLEN];
	size_t i;

	switch (op->kind) {
	case OP_LINK_CREATE:
		buf_adds(out, "create");
		break;
	case OP_LINK_DELETE:
		buf_adds(out, "delete");
		break;
	case OP_LINK_MTU:
		buf_addf(out, "mtu=%u", op->number);
		break;
	case OP_LINK_UP:
		buf_adds(out, "up");
		break;
	case OP_LINK_DEAF:
		buf_adds(out, "deaf");
		break;
	case OP_LINK_ALIAS:
		buf_adds(out, "alias");
		break;
	case OP_ROUTE_DEL:
	case OP_ROUTE_ADD:
		buf_addf(out, "%croute=%s", op->kind == OP_ROUTE_ADD ? '+' : '-',
			 prefix_print(&op->route.dst, text));
		break;
	case OP_ADDR_DEL:
	case OP_ADDR_ADD:
		buf_addf(out, "%caddr=%s", op->kind == OP_ADDR_ADD ? '+' : '-',
			 ifaddr_print(&op->address, text));
		break;
	case OP_DEVICE:
		buf_adds(out, "dev");
		if (op->flags & OPD_PRIVATE_KEY)
			buf_adds(out, " key");
		if (op->flags & OPD_LISTEN_PORT)
			buf_addf(out, " port=%u", op->number);
		if (op->flags & OPD_FWMARK)
			buf_addf(out, " mark=%u", op->fwmark);
		break;
	case OP_PEER_REMOVE:
		buf_addf(out, "-%c", op->key.b[0]);
		break;
	case OP_PEER_SET:
		buf_addf(out, "%s%c ", op->flags & OPP_NEW ? "new " : "", op->key.b[0]);
		buf_addc(out, op->flags & OPP_REPLACE_ALLOWED ? '=' : '+');
		for (i = 0; i < op->n_allowed_ips; i++)
			buf_addf(out, "%s%s", i ? "," : "",
				 prefix_print(&op->allowed_ips[i], text));
		if (op->flags & OPP_ENDPOINT)
			buf_addf(out, " ep=%s", sock_endpoint_print(&op->endpoint, text));
		if (op->flags & OPP_KEEPALIVE)
			buf_addf(out, " ka=%u", op->keepalive);
		if (op->flags & OPP_CLEAR_PSK)
			buf_adds(out, " nopsk");
		break;
	}
}

static void print_ops(const struct op *ops, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			buf_adds(out, "; ");
		print_op(&ops[i], out);
	}
}

struct row {
	const char *what, *have, *want, *previous,
		*ops; /* previous NULL: unknown; ops "!": ERR_CONFLICT; "?": ERR_INPUT */
};

static const struct row rows[] = {
	/* equal */
	{ "nothing on both sides", "", "", NULL, "" },
	{ "all equal",
	  "addr=10.0.0.1/24 route=10.5.0.0/16 port=5 mark=7 mtu=1300|A 10.0.0.2/32 ep=192.0.2.1:5 ka=25",
	  "addr=10.0.0.1/24 route=10.5.0.0/16 port=5 mark=7 mtu=1300|A 10.0.0.2/32 ep=192.0.2.1:5 ka=25",
	  NULL, "" },
	{ "a port that the kernel chose", "port=40000", "", NULL, "" },
	/* the link */
	{ "no interface", "-",
	  "addr=10.0.0.1/24 route=10.5.0.0/16 port=5 mark=7|A 10.0.0.2/32 ep=192.0.2.1:5 ka=25|B",
	  NULL,
	  "create; mtu=1420; dev key port=5 mark=7; new A =10.0.0.2/32 ep=192.0.2.1:5 ka=25; new B =; +addr=10.0.0.1/24; up; "
	  "+route=10.5.0.0/16" },
	{ "MTU", "mtu=1420", "mtu=1380", NULL, "mtu=1380" },
	{ "a peer could advertise itself as a router", "hears|A 10.0.0.2/32", "|A 10.0.0.2/32,::/0",
	  NULL, "deaf; A +::/0" },
	{ "so could one that is a neighbour", "hears|A fe80::2/128", "|A fe80::2/128", NULL,
	  "deaf" },
	{ "nobody could", "hears|A 10.0.0.2/32,fd00::2/128", "|A 10.0.0.2/32,fd00::2/128", NULL,
	  "" },
	{ "down: the kernel dropped the routes", "down", "route=10.5.0.0/16", NULL,
	  "up; +route=10.5.0.0/16" },
	/* whose it is */
	{ "no WireGuard", "eth", "", NULL, "!" },
	{ "no WireGuard, but our alias", "eth alias=meshrc_test", "", NULL, "!" },
	{ "another network's", "alias=meshrc_other", "", NULL, "!" },
	{ "somebody's", "alias= key=X", "", NULL, "!" },
	{ "somebody's with an alias", "alias=office key=X", "", NULL, "!" },
	{ "somebody's with peers and no key", "alias= key=-|A", "", NULL, "!" },
	{ "somebody else's empty one, marked", "alias=office key=-", "", NULL, "!" },
	{ "empty", "alias= key=-", "", NULL, "alias; dev key" },
	{ "set up by hand with our key", "alias=|A 10.0.0.2/32", "|A 10.0.0.2/32", NULL, "alias" },
	/* the device */
	{ "another key", "key=X", "key=K", NULL, "dev key" },
	{ "no key", "key=-", "key=K", NULL, "dev key" },
	{ "port", "port=4", "port=5", NULL, "dev port=5" },
	{ "no port any more", "port=5", "", "port=5", "dev port=0" },
	{ "no port any more, and another is in use", "port=6", "", "port=5", "" },
	{ "mark", "", "mark=9", NULL, "dev mark=9" },
	{ "mark reset", "mark=9", "", NULL, "dev mark=0" },
	/* addresses */
	{ "address", "addr=10.0.0.1/24", "addr=10.0.0.1/24 addr=fd00::1/64", NULL,
	  "+addr=fd00::1/64" },
	{ "address goes", "addr=10.0.0.1/24 addr=fd00::1/64", "addr=fd00::1/64", NULL,
	  "-addr=10.0.0.1/24" },
	{ "another prefix length", "addr=10.0.0.1/24", "addr=10.0.0.1/16", NULL,
	  "-addr=10.0.0.1/24; +addr=10.0.0.1/16" },
	{ "a secondary of one that goes", "addr=10.0.0.1/24 addr=10.0.0.2/24", "addr=10.0.0.2/24",
	  NULL, "-addr=10.0.0.1/24; +addr=10.0.0.2/24" },
	{ "not in IPv6", "addr=fd00::1/64 addr=fd00::2/64", "addr=fd00::2/64", NULL,
	  "-addr=fd00::1/64" },
	{ "the last IPv4 address takes the routes along",
	  "addr=10.0.0.1/24 route=10.5.0.0/16 route=fd77::/48",
	  "addr=10.1.0.1/24 route=10.5.0.0/16 route=fd77::/48", NULL,
	  "-route=10.5.0.0/16; -addr=10.0.0.1/24; +addr=10.1.0.1/24; +route=10.5.0.0/16" },
	{ "another one stays, and so do they",
	  "addr=10.0.0.1/24 addr=10.2.0.1/24 route=10.5.0.0/16",
	  "addr=10.2.0.1/24 route=10.5.0.0/16", NULL, "-addr=10.0.0.1/24" },
	/* routes */
	{ "routes", "route=10.5.0.0/16 route=10.6.0.0/16", "route=10.6.0.0/16 route=10.7.0.0/16",
	  NULL, "-route=10.5.0.0/16; +route=10.7.0.0/16" },
	/* peers */
	{ "peer", "|A 10.0.0.2/32", "|A 10.0.0.2/32|B 10.0.0.3/32", NULL, "new B =10.0.0.3/32" },
	{ "peer goes", "|A 10.0.0.2/32|B 10.0.0.3/32", "|B 10.0.0.3/32", NULL, "-A" },
	{ "a new key for the same prefixes", "|A 10.0.0.2/32", "|B 10.0.0.2/32", NULL,
	  "-A; new B =10.0.0.2/32" },
	{ "wider", "|A 10.0.0.2/32", "|A 10.0.0.2/32,10.5.0.0/16", NULL, "A +10.5.0.0/16" },
	{ "narrower", "|A 10.0.0.2/32,10.5.0.0/16", "|A 10.0.0.2/32", NULL, "A =10.0.0.2/32" },
	{ "narrower to nothing", "|A 10.0.0.2/32", "|A", NULL, "A =" },
	{ "one peer, one entry", "|A 10.0.0.2/32|B 10.0.0.3/32",
	  "|A 10.0.0.2/32|B 10.0.0.4/32 ka=5", NULL, "B =10.0.0.4/32 ka=5" },
	{ "a prefix moves: first away, then there", "|A 10.0.0.2/32,10.5.0.0/16|B 10.0.0.3/32",
	  "|A 10.0.0.2/32|B 10.0.0.3/32,10.5.0.0/16", NULL, "A =10.0.0.2/32; B +10.5.0.0/16" },
	{ "the other way round", "|A 10.0.0.2/32|B 10.0.0.3/32,10.5.0.0/16",
	  "|A 10.0.0.2/32,10.5.0.0/16|B 10.0.0.3/32", NULL, "B =10.0.0.3/32; A +10.5.0.0/16" },
	{ "exchange", "|A 10.0.0.2/32|B 10.0.0.3/32", "|A 10.0.0.3/32|B 10.0.0.2/32", NULL,
	  "A =; B =; A +10.0.0.3/32; B +10.0.0.2/32" },
	{ "moves before what is only added, new peers last",
	  "|B 10.0.0.3/32,10.5.0.0/16|C 10.0.0.4/32|D 10.0.0.5/32",
	  "|A 10.0.0.9/32|B 10.0.0.3/32|C 10.0.0.4/32,10.8.0.0/16|D 10.0.0.5/32,10.5.0.0/16", NULL,
	  "B =10.0.0.3/32; D +10.5.0.0/16; C +10.8.0.0/16; new A =10.0.0.9/32" },
	{ "away from one that goes", "|A 10.5.0.0/16|B 10.0.0.3/32", "|B 10.0.0.3/32,10.5.0.0/16",
	  NULL, "-A; B +10.5.0.0/16" },
	{ "everything at once, in order",
	  "addr=10.0.0.1/24 route=10.5.0.0/16 port=4 mtu=1400|A 10.0.0.2/32|B 10.0.0.3/32,10.5.0.0/16",
	  "addr=10.9.0.1/24 route=10.6.0.0/16 port=5|B 10.0.0.3/32|C 10.5.0.0/16", NULL,
	  "mtu=1420; -route=10.5.0.0/16; -addr=10.0.0.1/24; -A; B =10.0.0.3/32; dev port=5; new C =10.5.0.0/16; "
	  "+addr=10.9.0.1/24; +route=10.6.0.0/16" },
	{ "a device setting between keeps the two halves apart", "port=4|A 10.0.0.2/32",
	  "port=5|A 10.0.0.3/32", NULL, "A =; dev port=5; A +10.0.0.3/32" },
	/* resets */
	{ "preshared key", "|A psk", "|A", NULL, "A + nopsk" },
	{ "keepalive", "|A ka=25", "|A", NULL, "A + ka=0" },
	{ "endpoint: cannot be unset", "|A ep=192.0.2.1:5", "|A", NULL, "" },
	/* endpoints */
	{ "none yet", "|A", "|A ep=192.0.2.1:5", "|A ep=192.0.2.1:5", "A + ep=192.0.2.1:5" },
	{ "roamed, declaration unchanged", "|A ep=198.51.100.1:9 " LIVE, "|A ep=192.0.2.1:5",
	  "|A ep=192.0.2.1:5", "" },
	{ "roamed, and lost", "|A ep=198.51.100.1:9 " STALE, "|A ep=192.0.2.1:5",
	  "|A ep=192.0.2.1:5", "A + ep=192.0.2.1:5" },
	{ "the old address of a name, and nobody there", "|A ep=198.51.100.1:9",
	  "|A ep=192.0.2.1:5", "|A ep=192.0.2.1:5", "A + ep=192.0.2.1:5" },
	{ "nobody there yet, but where it is declared", "|A ep=192.0.2.1:5", "|A ep=192.0.2.1:5",
	  "|A ep=192.0.2.1:5", "" },
	{ "declaration changed", "|A ep=198.51.100.1:9 " LIVE, "|A ep=192.0.2.2:5",
	  "|A ep=192.0.2.1:5", "A + ep=192.0.2.2:5" },
	{ "declared for the first time", "|A ep=198.51.100.1:9 " LIVE, "|A ep=192.0.2.2:5", "|A",
	  "A + ep=192.0.2.2:5" },
	{ "declared anew, and there already", "|A ep=192.0.2.2:5", "|A ep=192.0.2.2:5",
	  "|A ep=192.0.2.1:5", "" },
	{ "nothing known, live session", "|A ep=198.51.100.1:9 " LIVE, "|A ep=192.0.2.1:5", NULL,
	  "" },
	{ "nothing known, session just live", "|A ep=198.51.100.1:9 hs=999820", "|A ep=192.0.2.1:5",
	  NULL, "" },
	{ "nothing known, session just over", "|A ep=198.51.100.1:9 hs=999819", "|A ep=192.0.2.1:5",
	  NULL, "A + ep=192.0.2.1:5" },
	{ "nothing known, never a session", "|A ep=198.51.100.1:9", "|A ep=192.0.2.1:5", NULL,
	  "A + ep=192.0.2.1:5" },
	{ "other port", "|A ep=192.0.2.1:5", "|A ep=192.0.2.1:6", NULL, "A + ep=192.0.2.1:6" },
	{ "IPv6", "|A ep=[2001:db8::1]:5", "|A ep=[2001:db8::2]:5", NULL,
	  "A + ep=[2001:db8::2]:5" },
};

static void test_rows(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_desired want, previous;
		struct observed o;
		struct model m;
		struct arena a;
		struct err e = { 0 };
		struct buf out;
		struct op *ops = NULL;
		size_t n = 0;
		int r;

		arena_init(&a);
		buf_init(&out, 1 << 16);
		fake_model(rows[i].have, &m);
		model_observe(&m, &a, &o);
		fake_desired(rows[i].want, &a, &want);
		if (rows[i].previous)
			fake_desired(rows[i].previous, &a, &previous);
		r = diff_make(&o, &want.desired, rows[i].previous ? &previous.config : NULL, NOW,
			      &a, &ops, &n, &e);
		if (strcmp(rows[i].ops, "!") == 0) {
			ROW_CHECK(r < 0 && e.class == ERR_CONFLICT && e.msg[0], i);
		} else {
			ROW_CHECK(r == 0, i);
			print_ops(ops, n, &out);
			if (strcmp(out.data, rows[i].ops) != 0)
				fail_msg("row %zu (%s):\n got  %s\n want %s", i, rows[i].what,
					 out.data, rows[i].ops);
		}
		buf_release(&out);
		model_release(&m);
		arena_release(&a);
	}
}

static void test_own_key(void **state)
{
	struct fake_desired want;
	struct observed o = { 0 };
	struct err e = { 0 };
	struct op *ops;
	struct arena a;
	size_t n;

	arena_init(&a);
	fake_desired("|A", &a, &want);
	want.desired.public_key = fake_key('A');
	assert_int_equal(diff_make(&o, &want.desired, NULL, NOW, &a, &ops, &n, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);
	arena_release(&a);
}

static void test_print(void **state)
{
	static const struct {
		const char *what, *have, *want, *text;
	} texts[] = {
		{ "create", "-", "addr=10.0.0.1/24|A 10.0.0.2/32 ka=25",
		  "create the interface\nset the MTU to 1420\nset the private key\n"
		  "add peer A (QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=): allowed IPs 10.0.0.2/32, keepalive every 25 s\n"
		  "add the address 10.0.0.1/24\nbring the interface up\n" },
		{ "change", "mark=1 alias=|A 10.0.0.2/32 ka=5 psk|B",
		  "port=5|A|C ep=[2001:db8::1]:5",
		  "mark the interface as ours\nremove peer QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\n"
		  "change peer A (QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=): allowed IPs are now none\n"
		  "set the listen port to 5, the firewall mark to 0\n"
		  "change peer A (QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=): no keepalive, no preshared key\n"
		  "add peer C (Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M=): allowed IPs none, endpoint [2001:db8::1]:5\n" },
		{ "many", "|A",
		  "|A 10.0.0.1/32,10.0.0.2/32,10.0.0.3/32,10.0.0.4/32,10.0.0.5/32,10.0.0.6/32,10.0.0.7/32,10.0.0.8/32,10.0.0.9/32",
		  "change peer A (QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=): allowed IPs also 10.0.0.1/32, 10.0.0.2/32, "
		  "10.0.0.3/32, 10.0.0.4/32, 10.0.0.5/32, 10.0.0.6/32, 10.0.0.7/32, 10.0.0.8/32 and 1 more\n" },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(texts); i++) {
		struct fake_desired want;
		struct observed o;
		struct model m;
		struct arena a;
		struct buf out;
		struct op *ops;
		size_t n;

		arena_init(&a);
		buf_init(&out, 1 << 16);
		fake_model(texts[i].have, &m);
		model_observe(&m, &a, &o);
		fake_desired(texts[i].want, &a, &want);
		assert_int_equal(diff_make(&o, &want.desired, NULL, NOW, &a, &ops, &n, NULL), 0);
		for (j = 0; j < n; j++) {
			op_print(&ops[j], &out);
			buf_addc(&out, '\n');
		}
		assert_string_equal(out.data, texts[i].text);
		buf_release(&out);
		model_release(&m);
		arena_release(&a);
	}
}

/* Random states: a few keys, a few prefixes, so that moves and exchanges are frequent. */
#define KEYS 7u
#define PREFIXES 12u

static void random_state(struct dice *d, bool observed, struct buf *out)
{
	static const char *const addresses[] = { "10.0.0.1/24", "10.0.0.2/24", "10.9.0.1/16",
						 "fd00::1/64", "fd00::2/64" };
	uint32_t owner[PREFIXES], i, j;

	buf_reset(out);
	for (i = 0; i < ARRAY_LEN(addresses); i++)
		if (dice_one_in(d, 2))
			buf_addf(out, "addr=%s ", addresses[i]);
	if (dice_one_in(d, 2))
		buf_addf(out, "port=%u ", 4 + dice_throw(d, 2));
	if (dice_one_in(d, 3))
		buf_addf(out, "mark=%u ", 1 + dice_throw(d, 2));
	buf_addf(out, "mtu=%u ", 1400 + dice_throw(d, 2));
	if (observed && dice_one_in(d, 4))
		buf_adds(out, dice_one_in(d, 2) ? "key=X " : "key=- ");
	if (observed && dice_one_in(d, 6))
		buf_adds(out, "down ");
	else
		for (i = 0; i < 4; i++)
			if (dice_one_in(d, 2))
				buf_addf(out, "route=%s ",
					 i < 2 ? (i ? "10.20.0.0/16" : "10.21.0.0/16") :
						 (i == 2 ? "fd20::/32" : "fd21::/32"));
	for (i = 0; i < PREFIXES; i++)
		owner[i] = dice_throw(d, KEYS + 2);
	for (i = 0; i < KEYS; i++) {
		const char *comma = " ";

		if (dice_one_in(d, 3))
			continue;
		buf_addf(out, "|%c", (char)('A' + i));
		for (j = 0; j < PREFIXES; j++) {
			if (owner[j] != i)
				continue;
			buf_addf(out, "%s10.30.%u.0/24", comma, j);
			comma = ",";
		}
		if (dice_one_in(d, 2))
			buf_addf(out, " ep=192.0.2.%u:5", 1 + dice_throw(d, 3));
		if (dice_one_in(d, 3))
			buf_addf(out, " ka=%u", 1 + dice_throw(d, 3));
		if (observed && dice_one_in(d, 4))
			buf_adds(out, " psk");
		if (observed && dice_one_in(d, 2))
			buf_addf(out, " hs=%u", 999700 + dice_throw(d, 300));
	}
}

struct watch {
	const struct model *before; /* a copy of the state at the start */
	const struct fake_desired *want;
	bool failed;
	char why[200];
};

static bool model_has(const struct model *m, const struct wgkey *key, const struct prefix *p)
{
	size_t i, j;

	for (i = 0; i < m->n_peers; i++) {
		if (wgkey_cmp(&m->peers[i].key, key) != 0)
			continue;
		if (!p)
			return true;
		for (j = 0; j < m->peers[i].n_ips; j++)
			if (prefix_cmp(&m->peers[i].ips[j], p) == 0)
				return true;
	}
	return false;
}

static bool want_has(const struct config *c, const struct wgkey *key, const struct prefix *p)
{
	const struct peer *q = config_peer(c, key);
	size_t i;

	if (!q || !p)
		return q != NULL;
	for (i = 0; i < q->n_allowed_ips; i++)
		if (prefix_cmp(&q->allowed_ips[i], p) == 0)
			return true;
	return false;
}

/*
 * At each instant: what is admitted was admitted before or is to be; and nothing that is new is
 * admitted while something that is to go still is: first all goes, then comes what comes.
 */
static void check_step(struct model *m, void *arg)
{
	struct watch *w = arg;
	bool some_new = false, some_old = false;
	size_t i, j;

	for (i = 0; i < m->n_peers; i++) {
		for (j = 0; j <= m->peers[i].n_ips; j++) {
			const struct prefix *p = j ? &m->peers[i].ips[j - 1] : NULL;
			bool old = model_has(w->before, &m->peers[i].key, p);
			bool new = want_has(&w->want->config, &m->peers[i].key, p);

			some_new |= new && !old;
			some_old |= old && !new;
			if (!old && !new && !w->failed) {
				w->failed = true;
				snprintf(w->why, sizeof(w->why),
					 "peer %c admits what neither side has",
					 m->peers[i].key.b[0]);
			}
		}
	}
	if (some_new && some_old && !w->failed) {
		w->failed = true;
		snprintf(w->why, sizeof(w->why), "something came before everything went");
	}
}

static void watch_start(struct watch *w, const char *have, struct model *before,
			const struct fake_desired *want, struct model *m)
{
	fake_model(have, before);
	*w = (struct watch){ .before = before, .want = want };
	m->step = check_step;
	m->step_arg = w;
}

/* Peers that are on both sides must not be made anew: their sessions would be lost. */
static uint64_t peers_to_create(const struct model *before, const struct fake_desired *want)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < want->config.n_peers; i++)
		n += !model_has(before, &want->config.peers[i].key, NULL);
	return n;
}

static void test_random(void **state)
{
	struct buf have, wanted;
	struct secret key = { 0 };
	struct wgkey public_key;
	uint64_t seed;

	fake_private_key('K', &key, &public_key);
	buf_init(&have, 1 << 16);
	buf_init(&wanted, 1 << 16);
	for (seed = 1; seed <= 3000; seed++) {
		struct apply_result result;
		struct model m, before;
		struct fake_desired want;
		struct fake_kern f;
		struct watch w;
		struct dice d;
		struct arena a;
		struct err e = { 0 };

		arena_init(&a);
		dice_init(&d, seed);
		random_state(&d, true, &have);
		random_state(&d, false, &wanted);
		fake_model(have.data, &m);
		m.promote = dice_one_in(&d, 2);
		fake_desired(wanted.data, &a, &want);
		watch_start(&w, have.data, &before, &want, &m);
		fake_kern_init(&f, &m);
		if (apply_desired(&f.k, &wg0, &want.desired, NULL, &key, NOW, &a, &result, &e) < 0)
			fail_msg("seed %llu: %s\n%s\n%s", (unsigned long long)seed, e.msg,
				 have.data, wanted.data);
		if (w.failed || !fake_is(&m, &want, false) || !result.verified ||
		    result.rounds > 1 || m.created != peers_to_create(&before, &want))
			fail_msg("seed %llu: %s (rounds %u)\n%s\n%s", (unsigned long long)seed,
				 w.failed ? w.why : "not as wanted", result.rounds, have.data,
				 wanted.data);
		/* Again, and nothing is done. */
		f.n_ops = 0;
		assert_int_equal(apply_desired(&f.k, &wg0, &want.desired, &want.config, &key, NOW,
					       &a, &result, &e),
				 0);
		assert_int_equal(f.n_ops, 0);
		assert_int_equal(result.rounds, 0);
		assert_int_equal(result.n_changes, 0);
		assert_int_equal(result.stats.set_messages, 0);
		model_release(&m);
		model_release(&before);
		arena_release(&a);
	}
	buf_release(&have);
	buf_release(&wanted);
	secret_release(&key);
}

/* Each operation of random changes fails: before or after it is done, once or from then on. */
static void test_failures(void **state)
{
	struct buf have, wanted;
	struct secret key = { 0 };
	struct wgkey public_key;
	uint64_t seed;

	fake_private_key('K', &key, &public_key);
	buf_init(&have, 1 << 16);
	buf_init(&wanted, 1 << 16);
	for (seed = 1; seed <= 150; seed++) {
		unsigned int at;
		bool more = true;

		for (at = 1; more; at++) {
			int how;

			for (how = 0; how < 4; how++) {
				struct apply_result result;
				struct model m, before;
				struct fake_desired want;
				struct fake_kern f;
				struct watch w;
				struct dice d;
				struct arena a;
				struct err e = { 0 };
				int r;

				arena_init(&a);
				dice_init(&d, seed);
				random_state(&d, true, &have);
				random_state(&d, false, &wanted);
				fake_model(have.data, &m);
				fake_desired(wanted.data, &a, &want);
				watch_start(&w, have.data, &before, &want, &m);
				fake_kern_init(&f, &m);
				f.fail_at = at;
				f.fail_after = how & 1;
				f.fail_for_ever = how & 2;
				r = apply_desired(&f.k, &wg0, &want.desired, NULL, &key, NOW, &a,
						  &result, &e);
				more = f.n_ops >= at;
				if (w.failed)
					fail_msg("seed %llu at %u: %s", (unsigned long long)seed,
						 at, w.why);
				assert_true(m.created <= peers_to_create(&before, &want));
				/* A failure that comes only when the work is done counts as done
				 * when the read-back says so. */
				if (r < 0) {
					assert_true(f.fail_for_ever && more);
					assert_false(result.verified);
					assert_int_equal(e.class, ERR_IO);
					assert_int_equal(result.rounds, 2);
				} else {
					assert_true(result.verified && fake_is(&m, &want, false));
				}
				model_release(&m);
				model_release(&before);
				arena_release(&a);
			}
		}
	}
	buf_release(&have);
	buf_release(&wanted);
	secret_release(&key);
}

struct setting {
	struct model m;
	struct fake_desired want;
	struct fake_kern f;
	struct secret key;
	struct arena a;
	struct apply_result result;
	struct err e;
};

static void set_up(struct setting *s, const char *have, const char *want)
{
	struct wgkey public_key;

	*s = (struct setting){ .key.b = NULL };
	arena_init(&s->a);
	fake_private_key('K', &s->key, &public_key);
	fake_model(have, &s->m);
	fake_desired(want, &s->a, &s->want);
	fake_kern_init(&s->f, &s->m);
}

static int go(struct setting *s)
{
	return apply_desired(&s->f.k, &wg0, &s->want.desired, NULL, &s->key, NOW, &s->a, &s->result,
			     &s->e);
}

static void tear_down(struct setting *s)
{
	model_release(&s->m);
	secret_release(&s->key);
	arena_release(&s->a);
}

/* Somebody adds a peer between our change and our look at it. */
static void meddle_once(struct fake_kern *f, unsigned int n)
{
	struct op op = { .flags = OPP_NEW, .key = fake_key('Z') };

	if (n == 2)
		model_set_peer(f->m, &op);
}

static void meddle_always(struct fake_kern *f, unsigned int n)
{
	struct op op = { .flags = OPP_NEW, .key = fake_key('Z') };

	if (n >= 2)
		model_set_peer(f->m, &op);
}

static void test_meddling(void **state)
{
	struct setting s;

	set_up(&s, "|A 10.0.0.2/32", "|A 10.0.0.3/32");
	s.f.before_observe = meddle_once;
	assert_int_equal(go(&s), 0);
	assert_int_equal(s.result.rounds, 2);
	assert_true(fake_is(&s.m, &s.want, true));
	tear_down(&s);

	set_up(&s, "|A 10.0.0.2/32", "|A 10.0.0.3/32");
	s.f.before_observe = meddle_always;
	assert_int_equal(go(&s), -1);
	assert_int_equal(s.result.rounds, 2);
	assert_false(s.result.verified);
	assert_non_null(
		strstr(s.e.msg, "remove peer WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo="));
	assert_int_equal(s.result.after.n_peers, 2);
	tear_down(&s);
}

static void test_drift(void **state)
{
	static const struct {
		const char *what, *have;
	} rows2[] = {
		{ "a peer by hand",
		  "addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32 ka=5|B 10.5.0.0/16|Z 10.66.0.0/16" },
		{ "a prefix by hand",
		  "addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32,10.66.0.0/16 ka=5|B 10.5.0.0/16" },
		{ "a prefix taken",
		  "addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32,10.5.0.0/16 ka=5|B" },
		{ "a preshared key by hand",
		  "addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32 ka=5 psk|B 10.5.0.0/16" },
		{ "no peers", "addr=10.0.0.1/24 route=10.5.0.0/16" },
		{ "down", "addr=10.0.0.1/24 down|A 10.0.0.2/32 ka=5|B 10.5.0.0/16" },
		{ "gone", "-" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows2); i++) {
		struct setting s;

		set_up(&s, rows2[i].have,
		       "addr=10.0.0.1/24 route=10.5.0.0/16|A 10.0.0.2/32 ka=5|B 10.5.0.0/16");
		if (go(&s) < 0 || s.result.rounds != 1 || !fake_is(&s.m, &s.want, true))
			fail_msg("row %zu (%s)", i, rows2[i].what);
		tear_down(&s);
	}
}

/* One that could not be brought up is not left behind by the run that made it; one that was there
 * is. */
static void test_taken_back(void **state)
{
	static const enum op_kind kinds[] = { OP_LINK_MTU, OP_DEVICE, OP_PEER_SET, OP_ADDR_ADD,
					      OP_LINK_UP };
	static const char wanted[] = "addr=10.0.0.1/24 port=5 mtu=1400|A 10.0.0.2/32";
	struct setting s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		set_up(&s, "-", wanted);
		s.f.fail_kind = kinds[i];
		s.f.fail_this_kind = true;
		assert_int_equal(go(&s), -1);
		assert_non_null(strstr(s.e.msg, "made to fail"));
		assert_false(s.m.exists || s.result.after.exists || s.result.all_but_routes);
		s.f.fail_this_kind = false;
		assert_int_equal(go(&s), 0);
		tear_down(&s);
		set_up(&s, "down", wanted);
		s.f.fail_kind = kinds[i];
		s.f.fail_this_kind = true;
		assert_int_equal(go(&s), -1);
		assert_true(s.m.exists && s.result.after.exists);
		tear_down(&s);
	}
	/* A port that is taken is named. */
	set_up(&s, "-", wanted);
	s.f.fail_kind = OP_LINK_UP;
	s.f.fail_this_kind = true;
	s.f.fail_errno = EADDRINUSE;
	assert_int_equal(go(&s), -1);
	assert_non_null(strstr(s.e.msg, "made to fail: UDP port 5 is taken on this host"));
	tear_down(&s);
	/* What is up does its work, though a route is missing. */
	set_up(&s, "-", "route=10.5.0.0/16|A 10.5.0.0/16");
	s.f.fail_kind = OP_ROUTE_ADD;
	s.f.fail_this_kind = true;
	assert_int_equal(go(&s), -1);
	assert_true(s.m.exists && s.m.up && s.result.all_but_routes);
	tear_down(&s);
}

static void test_conflicts(void **state)
{
	struct setting s;

	/* Tried once only, and everything but the route is there. */
	set_up(&s, "- other=10.5.0.0/16", "route=10.5.0.0/16|A 10.5.0.0/16");
	assert_int_equal(go(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_int_equal(s.result.rounds, 1);
	assert_non_null(strstr(s.e.msg, "interface wg0: "));
	assert_int_equal(s.m.n_peers, 1);
	assert_int_equal(s.result.after.n_peers, 1);
	assert_true(s.result.all_but_routes);
	tear_down(&s);

	/* The conflict is not all that is missing. */
	set_up(&s, "- other=10.5.0.0/16", "route=10.5.0.0/16|A 10.5.0.0/16");
	s.f.before_observe = meddle_once;
	assert_int_equal(go(&s), -1);
	assert_false(s.result.all_but_routes);
	tear_down(&s);

	set_up(&s, "alias= key=X|A", "|B");
	assert_int_equal(go(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_int_equal(s.f.n_ops, 0);
	tear_down(&s);
}

static void test_observe_fails(void **state)
{
	struct setting s;

	set_up(&s, "", "|A");
	s.f.fail_observe_at = 1;
	assert_int_equal(go(&s), -1);
	assert_int_equal(s.f.n_ops, 0);
	tear_down(&s);

	/* The change was made, but nothing proves it. */
	set_up(&s, "", "|A");
	s.f.fail_observe_at = 2;
	assert_int_equal(go(&s), -1);
	assert_false(s.result.verified);
	tear_down(&s);
}

static void test_plan(void **state)
{
	struct setting s;

	set_up(&s, "", "|A");
	assert_int_equal(apply_plan(&s.f.k, &wg0, &s.want.desired, NULL, NOW, &s.a, &s.result,
				    &s.e),
			 0);
	assert_int_equal(s.result.n_ops, 1);
	assert_int_equal(s.result.ops[0].kind, OP_PEER_SET);
	assert_int_equal(s.f.n_ops, 0);
	assert_int_equal(s.m.n_peers, 0);
	tear_down(&s);
}

static void test_down(void **state)
{
	struct setting s;

	set_up(&s, "|A", "");
	assert_int_equal(apply_down(&s.f.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), 0);
	assert_true(s.result.verified);
	assert_false(s.m.exists);
	assert_int_equal(s.result.n_changes, 1);
	/* Nothing there: nothing to do. */
	assert_int_equal(apply_down(&s.f.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), 0);
	assert_int_equal(s.result.n_changes, 0);
	tear_down(&s);

	set_up(&s, "alias=", "");
	assert_int_equal(apply_down(&s.f.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_true(s.m.exists);
	tear_down(&s);

	set_up(&s, "eth", "");
	assert_int_equal(apply_down(&s.f.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), -1);
	assert_true(s.m.exists);
	tear_down(&s);

	set_up(&s, "|A", "");
	s.f.fail_at = 1;
	assert_int_equal(apply_down(&s.f.k, &wg0, FAKE_ALIAS, &s.a, &s.result, &s.e), -1);
	assert_false(s.result.verified);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_own_key),
		cmocka_unit_test(test_print),	      cmocka_unit_test(test_random),
		cmocka_unit_test(test_failures),      cmocka_unit_test(test_meddling),
		cmocka_unit_test(test_drift),	      cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_observe_fails), cmocka_unit_test(test_plan),
		cmocka_unit_test(test_down),	      cmocka_unit_test(test_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
