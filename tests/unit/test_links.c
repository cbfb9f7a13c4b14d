/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routed links: their line, who gets what over the time of a network, and their expansion. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/expand.h"
#include "publication/manifest.h"
#include "publication/routed.h"
#include "tests/unit/one_arena.h"
#include "tests/unit/text_network.h"

static struct diag diag;

static struct network *must_compile(const char *yaml, const struct network *published,
				    uint64_t serial)
{
	return text_must_compile(&arena, &diag, yaml, published, serial);
}

static void expect_table(const struct network *n, const char *want)
{
	struct buf b;
	size_t i;

	buf_init(&b, 1 << 20);
	for (i = 0; i < n->n_routed; i++) {
		assert_int_equal(routed_encode(&n->routed[i], &b), 0);
		buf_addc(&b, '\n');
	}
	assert_string_equal(b.data ? b.data : "", want);
	buf_release(&b);
}

static void expect_error(const char *yaml, const struct network *published, const char *text)
{
	struct network n;

	assert_int_not_equal(text_compile(&arena, &diag, yaml, published, 2, &n), 0);
	if (!strstr(text_of_diag(&arena, &diag), text))
		fail_msg("'%s' is not in:\n%s", text, text_of_diag(&arena, &diag));
}

/* ---- the line ---- */

static void test_lines(void **state)
{
#define L "link a b"
	static const struct {
		const char *what, *line;
		bool ok;
	} rows[] = {
		{ "least", L " interfaces=x,y ports=1,2 transfer=fe80::/64", true },
		{ "all",
		  L
		  " interfaces=wl-b,wl-a ports=52000,65535 transfer=10.99.0.0/31,fd99::/127,fe80::/64",
		  true },
		{ "gone", "unlinked a b serial=7 ports=52000,0 transfer=10.99.0.0/31", true },
		{ "gone, ports alone", "unlinked a b serial=7 ports=0,1", true },
		{ "gone, transfer alone", "unlinked a b serial=7 ports=0,0 transfer=fd99::/127",
		  true },
		{ "gone, with nothing", "unlinked a b serial=7 ports=0,0", false },
		{ "gone, link-local", "unlinked a b serial=7 ports=1,1 transfer=fe80::/64", false },
		{ "gone, serial 0", "unlinked a b serial=0 ports=1,1", false },
		{ "gone, with interfaces", "unlinked a b serial=7 interfaces=x,y ports=1,1",
		  false },
		{ "another kind", "node a b interfaces=x,y ports=1,2 transfer=fe80::/64", false },
		{ "names swapped", "link b a interfaces=x,y ports=1,2 transfer=fe80::/64", false },
		{ "one with itself", "link a a interfaces=x,y ports=1,2 transfer=fe80::/64",
		  false },
		{ "one name", "link a interfaces=x,y ports=1,2 transfer=fe80::/64", false },
		{ "a name in upper case", "link A b interfaces=x,y ports=1,2 transfer=fe80::/64",
		  false },
		{ "one interface", L " interfaces=x ports=1,2 transfer=fe80::/64", false },
		{ "three interfaces", L " interfaces=x,y,z ports=1,2 transfer=fe80::/64", false },
		{ "an empty interface", L " interfaces=x, ports=1,2 transfer=fe80::/64", false },
		{ "a long interface",
		  L " interfaces=x,abcdefghijklmnop ports=1,2 transfer=fe80::/64", false },
		{ "a path", L " interfaces=x,../y ports=1,2 transfer=fe80::/64", false },
		{ "port 0", L " interfaces=x,y ports=0,2 transfer=fe80::/64", false },
		{ "a port over 65535", L " interfaces=x,y ports=1,65536 transfer=fe80::/64",
		  false },
		{ "a leading zero", L " interfaces=x,y ports=01,2 transfer=fe80::/64", false },
		{ "three ports", L " interfaces=x,y ports=1,2,3 transfer=fe80::/64", false },
		{ "no address", L " interfaces=x,y ports=1,2", false },
		{ "an empty transfer", L " interfaces=x,y ports=1,2 transfer=", false },
		{ "a /30", L " interfaces=x,y ports=1,2 transfer=10.99.0.0/30", false },
		{ "a /32", L " interfaces=x,y ports=1,2 transfer=10.99.0.0/32", false },
		{ "a /126", L " interfaces=x,y ports=1,2 transfer=fd99::/126", false },
		{ "another link-local", L " interfaces=x,y ports=1,2 transfer=fe80:0:0:1::/64",
		  false },
		{ "a link-local /127", L " interfaces=x,y ports=1,2 transfer=fe80::/127", false },
		{ "host bits", L " interfaces=x,y ports=1,2 transfer=10.99.0.1/31", false },
		{ "out of order", L " interfaces=x,y ports=1,2 transfer=fe80::/64,10.99.0.0/31",
		  false },
		{ "fields swapped", L " ports=1,2 interfaces=x,y transfer=fe80::/64", false },
		{ "an unknown field", L " interfaces=x,y ports=1,2 transfer=fe80::/64 x=y", false },
		{ "a blank at the end", L " interfaces=x,y ports=1,2 transfer=fe80::/64 ", false },
		{ "empty", "", false },
	};
	struct buf b;
	size_t i;

	buf_init(&b, MAX_LINE);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct words w = { rows[i].line, rows[i].line + strlen(rows[i].line) };
		struct routed_link l;

		ROW_CHECK((routed_words(&w, &arena, &l) == 0) == rows[i].ok, i);
		if (!rows[i].ok)
			continue;
		buf_reset(&b);
		ROW_CHECK(routed_encode(&l, &b) == 0 && !strcmp(b.data, rows[i].line), i);
		ROW_CHECK(routed_link_equal(&l, &l), i);
	}
	buf_release(&b);
#undef L
}

static void test_transfer_limit(void **state)
{
	struct routed_link l;
	struct words w;
	struct buf b;
	size_t n, i;

	for (n = MAX_POOLS; n <= MAX_POOLS + 1; n++) {
		buf_init(&b, MAX_LINE);
		buf_adds(&b, "link a b interfaces=x,y ports=1,2 transfer=");
		for (i = 0; i < n; i++)
			buf_addf(&b, "%s10.99.0.%zu/31", i ? "," : "", 2 * i);
		w = (struct words){ b.data, b.data + b.len };
		assert_int_equal(routed_words(&w, &arena, &l), n <= MAX_POOLS ? 0 : -1);
		buf_release(&b);
	}
}

static void test_addresses(void **state)
{
	static const char *const rows[][3] = {
		{ "10.99.0.4/31", "10.99.0.4/31", "10.99.0.5/31" },
		{ "fd99::fffe/127", "fd99::fffe/127", "fd99::ffff/127" },
		{ "fe80::/64", "fe80::1/64", "fe80::2/64" },
	};
	char text[PREFIX_STRLEN];
	struct prefix p;
	bool host_bits;
	size_t i, end;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(prefix_parse(rows[i][0], strlen(rows[i][0]), &p, &host_bits), 0);
		assert_true(routed_transfer_is_valid(&p));
		for (end = 0; end < 2; end++) {
			struct ifaddr a = routed_address(&p, (unsigned int)end);

			assert_string_equal(ifaddr_print(&a, text), rows[i][1 + end]);
		}
	}
}

/* A manifest names the table only when it has a line, and in one place. */
static void test_manifest(void **state)
{
	struct manifest m = { .format = 1,
			      .network = "prod",
			      .root_version = 1,
			      .epoch = 1,
			      .serial = 1,
			      .commit = "0123456789abcdef0123456789abcdef01234567",
			      .issued = 1767323045,
			      .expires = 1767323046 },
			got;
	struct err e;
	struct buf b, bad;
	char *at;

	buf_init(&b, 10000);
	assert_int_equal(manifest_encode(&m, &b), 0);
	assert_null(strstr(b.data, "table links"));
	assert_int_equal(manifest_decode(b.data, b.len, &arena, &got, &e), 0);
	assert_int_equal(got.tables[TABLE_LINKS].len, 0);

	/* Empty, it is not to be named. */
	buf_init(&bad, 10000);
	at = strstr(b.data, "table nodes");
	buf_add(&bad, b.data, (size_t)(at - b.data));
	buf_adds(&bad, "table links 0 -\n");
	buf_adds(&bad, at);
	assert_int_equal(manifest_decode(bad.data, bad.len, &arena, &got, &e), -1);
	assert_string_equal(e.reason, "BAD-FIELD");

	buf_reset(&b);
	m.tables[TABLE_LINKS].len = 77;
	assert_int_equal(manifest_encode(&m, &b), 0);
	assert_int_equal(manifest_decode(b.data, b.len, &arena, &got, &e), 0);
	assert_int_equal(got.tables[TABLE_LINKS].len, 77);
	at = strstr(b.data, "table links 77");
	assert_non_null(at);
	assert_true(strstr(b.data, "table groups") < at && at < strstr(b.data, "table nodes"));

	/* Twice, or elsewhere. */
	buf_reset(&bad);
	buf_add(&bad, b.data, (size_t)(strstr(b.data, "table nodes") - b.data));
	buf_adds(&bad, at);
	assert_int_equal(manifest_decode(bad.data, bad.len, &arena, &got, &e), -1);
	buf_reset(&bad);
	buf_add(&bad, b.data, (size_t)(at - b.data));
	buf_adds(&bad, strstr(b.data, "table nodes"));
	buf_add(&bad, at, (size_t)(strstr(b.data, "table nodes") - at));
	assert_int_equal(manifest_decode(bad.data, bad.len, &arena, &got, &e), -1);
	buf_release(&bad);
	buf_release(&b);
}

/* ---- over the time ---- */

#define HEAD "version: 1\naddresses: [10.20.0.0/24]\n"
#define NODES                                                  \
	"nodes:\n"                                             \
	"  a: {public_key: $1, endpoint: a.example.net}\n"     \
	"  b: {public_key: $2, endpoint: b.example.net:999}\n" \
	"  c: {public_key: $3}\n"                              \
	"  d: {public_key: $4, endpoint: d.example.net}\n"
#define ROUTED(entry) "topology:\n  - " entry "\n    interface_per_link: true\n"
#define POOL "routed_links: {transfer: [10.99.0.0/24], link_local: false}\n"

static void test_nothing_moves(void **state)
{
	struct network *n, *one;

	one = n = must_compile(HEAD NODES ROUTED("mesh: [a, b, d]") POOL, NULL, 1);
	expect_table(n, "link a b interfaces=wl-b,wl-a ports=52000,52000 transfer=10.99.0.0/31\n"
			"link a d interfaces=wl-d,wl-a ports=52001,52000 transfer=10.99.0.2/31\n"
			"link b d interfaces=wl-d,wl-b ports=52001,52001 transfer=10.99.0.4/31\n");
	/* Nothing new: the same bytes. */
	expect_table(must_compile(HEAD NODES ROUTED("mesh: [d, b, a]") POOL, n, 2),
		     "link a b interfaces=wl-b,wl-a ports=52000,52000 transfer=10.99.0.0/31\n"
		     "link a d interfaces=wl-d,wl-a ports=52001,52000 transfer=10.99.0.2/31\n"
		     "link b d interfaces=wl-d,wl-b ports=52001,52001 transfer=10.99.0.4/31\n");
	/* One node more: the others' stay. */
	n = must_compile(HEAD NODES ROUTED("mesh: [a, b, c, d]") POOL, n, 2);
	expect_table(n, "link a b interfaces=wl-b,wl-a ports=52000,52000 transfer=10.99.0.0/31\n"
			"link a c interfaces=wl-c,wl-a ports=52002,52000 transfer=10.99.0.6/31\n"
			"link a d interfaces=wl-d,wl-a ports=52001,52000 transfer=10.99.0.2/31\n"
			"link b c interfaces=wl-c,wl-b ports=52002,52001 transfer=10.99.0.8/31\n"
			"link b d interfaces=wl-d,wl-b ports=52001,52001 transfer=10.99.0.4/31\n"
			"link c d interfaces=wl-d,wl-c ports=52002,52002 transfer=10.99.0.10/31\n");
	/* One link less: it is remembered. A new one gets what was never used. */
	n = must_compile(HEAD NODES ROUTED("mesh: [b, c, d]") POOL, n, 3);
	expect_table(n, "unlinked a b serial=3 ports=52000,52000 transfer=10.99.0.0/31\n"
			"unlinked a c serial=3 ports=52002,52000 transfer=10.99.0.6/31\n"
			"unlinked a d serial=3 ports=52001,52000 transfer=10.99.0.2/31\n"
			"link b c interfaces=wl-c,wl-b ports=52002,52001 transfer=10.99.0.8/31\n"
			"link b d interfaces=wl-d,wl-b ports=52001,52001 transfer=10.99.0.4/31\n"
			"link c d interfaces=wl-d,wl-c ports=52002,52002 transfer=10.99.0.10/31\n");
	/* Those that come back have what they had. */
	n = must_compile(HEAD NODES ROUTED("mesh: [a, b, d]") POOL, n, 4);
	expect_table(n, "link a b interfaces=wl-b,wl-a ports=52000,52000 transfer=10.99.0.0/31\n"
			"unlinked a c serial=3 ports=52002,52000 transfer=10.99.0.6/31\n"
			"link a d interfaces=wl-d,wl-a ports=52001,52000 transfer=10.99.0.2/31\n"
			"unlinked b c serial=4 ports=52002,52001 transfer=10.99.0.8/31\n"
			"link b d interfaces=wl-d,wl-b ports=52001,52001 transfer=10.99.0.4/31\n"
			"unlinked c d serial=4 ports=52002,52002 transfer=10.99.0.10/31\n");
	/* All entries gone: the table stays what it knows. */
	n = must_compile(HEAD NODES "topology:\n  - mesh: [a, b]\n", one, 2);
	expect_table(n, "unlinked a b serial=2 ports=52000,52000 transfer=10.99.0.0/31\n"
			"unlinked a d serial=2 ports=52001,52000 transfer=10.99.0.2/31\n"
			"unlinked b d serial=2 ports=52001,52001 transfer=10.99.0.4/31\n");
	/* A node that has gone is remembered by its name. */
	n = must_compile(HEAD "nodes:\n  a: {public_key: $1, endpoint: a.example.net}\n", n, 3);
	assert_int_equal(n->n_routed, 3);
	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [d]}") POOL, n, 4);
	assert_int_equal(network_routed(n, "d", "a")->end[0].port, 52001);
	assert_int_equal(network_routed(n, "a", "d")->freed, 0);
}

#define SMALL                                                                          \
	"routed_links: {transfer: [10.99.0.0/30], link_local: false, ports: 700-701, " \
	"interface_prefix: x}\n"

/* What is free longest comes first when there is nothing else, and of what is reused nobody else
 * keeps a memory. */
static void test_full(void **state)
{
	struct network *n;

	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [b]}") SMALL, NULL, 1);
	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [c]}") SMALL, n, 2);
	expect_table(n, "unlinked a b serial=2 ports=700,700 transfer=10.99.0.0/31\n"
			"link a c interfaces=xc,xa ports=701,700 transfer=10.99.0.2/31\n");
	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [d]}") SMALL, n, 3);
	expect_table(n, "unlinked a b serial=2 ports=0,700\n"
			"unlinked a c serial=3 ports=701,700 transfer=10.99.0.2/31\n"
			"link a d interfaces=xd,xa ports=700,700 transfer=10.99.0.0/31\n");
	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [b, d]}") SMALL, n, 4);
	expect_table(n, "link a b interfaces=xb,xa ports=701,700 transfer=10.99.0.2/31\n"
			"unlinked a c serial=3 ports=0,700\n"
			"link a d interfaces=xd,xa ports=700,700 transfer=10.99.0.0/31\n");
	expect_error(HEAD NODES ROUTED("link: {between: [a], and: [b, c, d]}") SMALL, n,
		     "no port is left for the routed links of node `a`");
	expect_error(
		HEAD NODES ROUTED("mesh: [a, b, c]") "routed_links: {transfer: [10.99.0.0/30]}\n",
		NULL,
		"networks/net.yaml:11:27: error: the pool 10.99.0.0/30 has no transfer network left for the routed link of "
		"`b` and `c`");
}

/* A pool, a range or a prefix that changes moves what it must and nothing else. */
static void test_settings_change(void **state)
{
	static const char entry[] = HEAD NODES ROUTED("link: {between: [a], and: [b, d]}");
	struct network *n, *second;
	char text[2048];

#define WITH(s) (snprintf(text, sizeof(text), "%s%s", entry, s), text)
	n = must_compile(WITH(POOL), NULL, 1);
	second = must_compile(
		WITH("routed_links: {transfer: [10.98.0.0/24, 10.99.0.0/24, \"fd99::/64\"]}\n"), n,
		2);
	expect_table(
		second,
		"link a b interfaces=wl-b,wl-a ports=52000,52000 transfer=10.98.0.0/31,10.99.0.0/31,fd99::/127,fe80::/64\n"
		"link a d interfaces=wl-d,wl-a ports=52001,52000 transfer=10.98.0.2/31,10.99.0.2/31,fd99::2/127,fe80::/64\n");
	expect_table(must_compile(WITH("routed_links: {ports: 52001-52010}\n"), second, 3),
		     "link a b interfaces=wl-b,wl-a ports=52002,52001 transfer=fe80::/64\n"
		     "link a d interfaces=wl-d,wl-a ports=52001,52001 transfer=fe80::/64\n");
	expect_table(
		must_compile(
			WITH("routed_links: {transfer: [10.99.0.0/16], link_local: false, interface_prefix: bb}\n"),
			n, 2),
		"link a b interfaces=bbb,bba ports=52000,52000 transfer=10.99.0.0/31\n"
		"link a d interfaces=bbd,bba ports=52001,52000 transfer=10.99.0.2/31\n");
#undef WITH
}

static void test_names(void **state)
{
	struct network *n;

	/* 15 characters are whole, 16 are not; two that begin alike differ. */
	n = must_compile(HEAD "nodes:\n"
			      "  a: {public_key: $1, endpoint: a.example.net}\n"
			      "  twelve-chars: {public_key: $2}\n"
			      "  warehouse-berlin-1: {public_key: $3}\n"
			      "  warehouse-berlin-2: {public_key: $4}\n" ROUTED(
				      "link: {between: [a], and: [all]}"),
			 NULL, 1);
	assert_string_equal(network_routed(n, "a", "twelve-chars")->end[0].interface.s,
			    "wl-twelve-chars");
	assert_string_equal(network_routed(n, "a", "warehouse-berlin-1")->end[1].interface.s,
			    "wl-a");
	assert_memory_equal(network_routed(n, "a", "warehouse-berlin-1")->end[0].interface.s,
			    "wl-warehou_", 11);
	assert_int_equal(strlen(network_routed(n, "a", "warehouse-berlin-1")->end[0].interface.s),
			 15);
	assert_string_not_equal(network_routed(n, "a", "warehouse-berlin-1")->end[0].interface.s,
				network_routed(n, "a", "warehouse-berlin-2")->end[0].interface.s);
	/* With a prefix of 8 too. */
	n = must_compile(
		HEAD NODES ROUTED(
			"link: {between: [a], and: [b]}") "routed_links: {interface_prefix: abcdefgh}\n",
		NULL, 1);
	assert_string_equal(n->routed[0].end[0].interface.s, "abcdefghb");
	expect_error(
		HEAD "interface: wl-b\n" NODES ROUTED("link: {between: [a], and: [b]}"), NULL,
		"the interface of node `a` to `b` would be called wl-b, as another one of that node is");
	expect_error(HEAD "nodes:\n"
			  "  a: {public_key: $1, endpoint: a.example.net, interface: wl-b}\n"
			  "  b: {public_key: $2}\n" ROUTED("mesh: [all]"),
		     NULL, "networks/net.yaml:7:5: error: the interface of node `a` to `b`");
	/* The link was there first: it keeps its name, which is none for the main interface. */
	n = must_compile(HEAD NODES ROUTED("link: {between: [a], and: [b]}"), NULL, 1);
	expect_error(
		HEAD "interface: wl-b\n" NODES ROUTED("link: {between: [a], and: [b]}"), n,
		"the interface of node `a` to `b` would be called wl-b, as another one of that node is");
}

/* ---- what becomes of it ---- */

static void expect_node(const struct network *n, const char *name, const char *want)
{
	struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(node_encode(network_node(n, name), &b), 0);
	assert_string_equal(strstr(b.data, " interface="), want);
	buf_release(&b);
}

static void test_nodes(void **state)
{
	struct network *n;

	n = must_compile(HEAD "nodes:\n"
			      "  a: {public_key: $1, endpoint: a.example.net, tags: [core]}\n"
			      "  b: {public_key: $2, endpoint: b.example.net, tags: [core]}\n"
			      "  c: {public_key: $3}\n"
			      "topology:\n"
			      "  - mesh: [tag:core]\n    interface_per_link: true\n"
			      "  - star: {hubs: [a], spokes: [c]}\n",
			 NULL, 1);
	/* A node with other peers keeps its pool's length, one without has its address alone. */
	expect_node(
		n, "a",
		" interface=net listen_port=51820 mtu=1420 forward=yes addresses=10.20.0.1/24 direct=c routed=tag:core");
	expect_node(
		n, "b",
		" interface=net listen_port=51820 mtu=1420 forward=yes addresses=10.20.0.2/32 routed=tag:core");
	expect_node(
		n, "c",
		" interface=net listen_port=51820 mtu=1420 addresses=10.20.0.3/24 direct=a allow=a:10.20.0.0/24");
	/* A pair may have both. */
	n = must_compile(
		HEAD NODES
		"topology:\n  - mesh: [a, b]\n  - mesh: [a, b]\n    interface_per_link: true\n",
		NULL, 1);
	expect_node(
		n, "a",
		" interface=net listen_port=51820 mtu=1420 forward=yes addresses=10.20.0.1/24 direct=b routed=b");
	/* A hub of routed links passes on what its daemon says, not the pools. */
	n = must_compile(HEAD NODES ROUTED("star: {hubs: [a], spokes: [b, d]}"), NULL, 1);
	expect_node(
		n, "b",
		" interface=net listen_port=51820 mtu=1420 forward=yes addresses=10.20.0.2/32 routed=a");
	assert_int_equal(n->n_routed, 2);
}

static void test_expansion(void **state)
{
	static const struct prefix all[] = { { .family = 4 }, { .family = 6 } };
	char text[PREFIX_STRLEN];
	struct network *n;
	struct config c;
	struct err e = { 0 };

	n = must_compile("version: 1\naddresses: [10.20.0.0/24]\npersistent_keepalive: 25\n" NODES
			 "topology:\n  - mesh: [a, b, c]\n    interface_per_link: true\n"
			 "  - link: {between: [c], and: [d]}\n"
			 "routed_links: {transfer: [10.99.0.0/24]}\n",
			 NULL, 1);
	assert_int_equal(expand(n, network_node(n, "c"), &arena, &c, &e), 0);
	assert_int_equal(c.n_peers, 1);
	assert_string_equal(c.peers[0].name, "d");
	assert_int_equal(c.n_links, 2);
	assert_string_equal(c.links[0].node->interface.s, "wl-a");
	assert_string_equal(c.links[1].node->interface.s, "wl-b");
	c = c.links[1];
	assert_true(c.routed);
	assert_int_equal(c.node->listen_port, 52001);
	assert_int_equal(c.n_peers, 1);
	assert_int_equal(c.n_routes, 0);
	assert_string_equal(c.peers[0].name, "b");
	assert_int_equal(c.peers[0].n_allowed_ips, 2);
	assert_int_equal(prefix_cmp(&c.peers[0].allowed_ips[0], &all[0]), 0);
	assert_int_equal(prefix_cmp(&c.peers[0].allowed_ips[1], &all[1]), 0);
	/* The host is where it is reached; the port is that of the link, whatever its endpoint
	   says. */
	assert_string_equal(c.peers[0].endpoint.host, "b.example.net");
	assert_int_equal(c.peers[0].endpoint.port, 52001);
	assert_int_equal(c.peers[0].keepalive, 25);
	assert_int_equal(c.node->n_addresses, 2);
	assert_string_equal(ifaddr_print(&c.node->addresses[0], text), "10.99.0.5/31");
	assert_string_equal(ifaddr_print(&c.node->addresses[1], text), "fe80::2/64");
	/* Who has no endpoint is waited for. */
	assert_int_equal(expand(n, network_node(n, "b"), &arena, &c, &e), 0);
	assert_null(c.links[1].peers[0].endpoint.host);
	assert_int_equal(c.links[1].peers[0].keepalive, 0);
}

/* Documents that no compiler of ours makes. */
static void test_bad_tables(void **state)
{
	static const struct {
		const char *what, *table, *want;
	} rows[] = {
		{ "no line", "", "the routed link with b is not in the network" },
		{ "one that is gone", "unlinked a b serial=1 ports=1,1\n",
		  "the routed link with b is not in the network" },
		{ "the main interface's name",
		  "link a b interfaces=net,y ports=1,1 transfer=fe80::/64\n"
		  "link a c interfaces=z,y ports=2,1 transfer=fe80::/64\n",
		  "two interfaces would be called net" },
		{ "one name twice",
		  "link a b interfaces=x,y ports=1,1 transfer=fe80::/64\n"
		  "link a c interfaces=x,y ports=2,1 transfer=fe80::/64\n",
		  "two interfaces would be called x" },
		{ "one port twice",
		  "link a b interfaces=x,y ports=1,1 transfer=fe80::/64\n"
		  "link a c interfaces=z,y ports=1,2 transfer=fe80::/64\n",
		  "two interfaces would listen on 1" },
		{ "the main port",
		  "link a b interfaces=x,y ports=51820,1 transfer=fe80::/64\n"
		  "link a c interfaces=z,y ports=1,2 transfer=fe80::/64\n",
		  "two interfaces would listen on 51820" },
	};
	struct network *n =
		must_compile(HEAD NODES ROUTED("link: {between: [a], and: [b, c]}"), NULL, 1);
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct network_builder *b = network_builder_new(&arena, "net");
		struct network got, bad = *n;
		struct err e = { 0 };
		struct config c;
		struct buf page;

		buf_init(&page, 10000);
		buf_addf(&page, "meshrc links 1\nnetwork net\n%s", rows[i].table);
		if (*rows[i].table)
			assert_int_equal(network_builder_add_page(b, TABLE_LINKS, page.data,
								  page.len, &e),
					 0);
		assert_int_equal(network_builder_finish(b, &got, &e), 0);
		bad.routed = got.routed;
		bad.n_routed = got.n_routed;
		ROW_CHECK(expand(&bad, network_node(&bad, "a"), &arena, &c, &e) < 0, i);
		ROW_CHECK(e.class == ERR_INPUT && strstr(e.msg, rows[i].want), i);
		buf_release(&page);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{ HEAD NODES ROUTED("star: {hubs: [a], spokes: [b], transit: true}"),
		  "9:45: error: `transit` says nothing where there is `interface_per_link`" },
		{ HEAD NODES ROUTED("mesh: [a, b]") "routed_links: {link_local: false}\n",
		  "11:28: error: routed links would have no address" },
		{ HEAD NODES ROUTED("mesh: [a, b]") "routed_links: {transfer: [10.20.0.128/25]}\n",
		  "11:27: error: the transfer pool 10.20.0.128/25 overlaps with the pool 10.20.0.0/24" },
		{ HEAD NODES "routed_links: {transfer: [10.99.0.0/16, 10.99.1.0/24]}\n",
		  "8:41: error: the transfer pool 10.99.1.0/24 overlaps with the transfer pool 10.99.0.0/16" },
		{ HEAD NODES "routed_links: {transfer: [10.99.0.0/32]}\n",
		  "8:27: error: the transfer pool 10.99.0.0/32 has one address" },
		{ HEAD NODES "routed_links: {transfer: [127.1.0.0/24]}\n",
		  "holds the loopback addresses" },
		{ HEAD NODES "routed_links: {transfer: [\"fe80::/16\"]}\n",
		  "holds link-local addresses" },
		{ HEAD NODES "routed_links: {ports: 52000}\n",
		  "8:23: error: `52000` is not a range of ports" },
		{ HEAD NODES "routed_links: {ports: 0-5}\n", "the first port is at least 1" },
		{ HEAD NODES "routed_links: {ports: 60000-65536}\n", "the last at most 65535" },
		{ HEAD NODES "routed_links: {ports: 9-5}\n", "not below the first" },
		{ HEAD NODES "routed_links: {interface_prefix: too-long-x}\n",
		  "must have from 1 to 8 bytes" },
		{ HEAD NODES "routed_links: {interface_prefix: \"a/b\"}\n",
		  "is refused as `interface_prefix`" },
		{ HEAD NODES ROUTED("mesh: [a, b]") "routed_links: {ports: 51000-51999}\n",
		  "11:23: error: the ports 51000-51999 of routed links hold 51820, the listen port of the network" },
		{ HEAD "nodes:\n  a: {public_key: $1, endpoint: a, listen_port: 52007}\n"
		       "  b: {public_key: $2}\n" ROUTED("mesh: [a, b]"),
		  "4:91: error: the ports 52000-52999 of routed links hold 52007, the listen port of `a`" },
		{ HEAD "nodes:\n  a: {public_key: $1, endpoint: a, routes: [10.99.7.0/24]}\n"
		       "routed_links: {transfer: [10.99.0.0/16]}\n",
		  "4:87: error: the route 10.99.7.0/24 lies inside the transfer pool 10.99.0.0/16" },
		{ HEAD "nodes:\n  a: {public_key: $1, endpoint: 10.99.7.1}\n"
		       "routed_links: {transfer: [10.99.0.0/16]}\n",
		  "the endpoint of `a` is inside the transfer pool" },
		{ HEAD "mtu: 1200\n" NODES ROUTED("mesh: [a, b]"),
		  "3:6: error: an MTU of 1200 is too small for the IPv6 of routed links" },
		{ HEAD NODES "topology:\n  - interface_per_link: true\n", "error" },
		{ HEAD NODES "topology:\n  - mesh: [a, b]\n    interface_per_link: yes\n",
		  "wants true or false" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		expect_error(rows[i].yaml, NULL, rows[i].want);
	/* A wider route, IPv4 alone with a small MTU: no harm. */
	(void)must_compile(
		HEAD "mtu: 1200\nnodes:\n  a: {public_key: $1, endpoint: a, routes: [10.0.0.0/8]}\n"
		     "  b: {public_key: $2}\n" ROUTED("mesh: [a, b]") POOL,
		NULL, 1);
}

/* A pair that cannot meet, though there is a relay. */
static void test_cannot_meet(void **state)
{
	(void)must_compile(
		HEAD "nodes:\n  a: {public_key: $1}\n  b: {public_key: $2}\n"
		     "  r: {public_key: $3, endpoint: r.example.net, relay: true}\n"
		     "topology:\n  - mesh: [all]\n  - mesh: [a, b]\n    interface_per_link: true\n",
		NULL, 1);
	assert_non_null(
		strstr(text_of_diag(&arena, &diag), "9:5: warning: `a` and `b` cannot meet"));
}

/* One over each limit. */
static void test_limits(void **state)
{
	struct network n;
	struct buf b;
	size_t i, max;

	/* Of one node: a star. Keys: of no importance but that they differ. */
	for (max = MAX_NODE_ROUTED_LINKS; max <= MAX_NODE_ROUTED_LINKS + 1; max++) {
		buf_init(&b, 64 << 20);
		buf_adds(&b, "version: 1\naddresses: [10.0.0.0/8]\nnodes:\n");
		for (i = 0; i <= max; i++) {
			struct wgkey key = { { 9, (uint8_t)i, (uint8_t)(i >> 8), 5 } };
			char text[KEY_STRLEN];

			buf_addf(&b, "  n%04zu: {public_key: \"%s\", endpoint: n%zu.example.net}\n",
				 i, wgkey_print(&key, text), i);
		}
		buf_adds(
			&b,
			"topology:\n  - star: {hubs: [n0000], spokes: [all]}\n    interface_per_link: true\n"
			"routed_links: {ports: 10000-20000}\n");
		if (max == MAX_NODE_ROUTED_LINKS) {
			assert_int_equal(text_compile(&arena, &diag, b.data, NULL, 1, &n), 0);
			assert_int_equal(n.n_routed, max);
		} else {
			expect_error(
				b.data, NULL,
				"node `n0000` has more routed links than the 1024 that are possible");
		}
		buf_release(&b);
	}
}

/* 363 nodes in a mesh have more links than a network may. */
static void test_network_limit(void **state)
{
	struct network n;
	struct buf b;
	size_t i, max;

	for (max = 362; max <= 363; max++) {
		buf_init(&b, 64 << 20);
		buf_adds(&b, "version: 1\naddresses: [10.0.0.0/8]\nnodes:\n");
		for (i = 0; i < max; i++) {
			struct wgkey key = { { 9, (uint8_t)i, (uint8_t)(i >> 8), 5 } };
			char text[KEY_STRLEN];

			buf_addf(&b, "  n%04zu: {public_key: \"%s\", endpoint: n%zu.example.net}\n",
				 i, wgkey_print(&key, text), i);
		}
		buf_adds(&b, "topology:\n  - mesh: [all]\n    interface_per_link: true\n");
		if (max == 362)
			assert_int_equal(text_compile(&arena, &diag, b.data, NULL, 1, &n), 0);
		else
			expect_error(b.data, NULL, "the topology has more than 65536 routed links");
		buf_release(&b);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_lines),		 T(test_transfer_limit), T(test_addresses),
		T(test_manifest),	 T(test_nothing_moves),	 T(test_full),
		T(test_settings_change), T(test_names),		 T(test_nodes),
		T(test_expansion),	 T(test_bad_tables),	 T(test_refused),
		T(test_cannot_meet),	 T(test_limits),	 T(test_network_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
