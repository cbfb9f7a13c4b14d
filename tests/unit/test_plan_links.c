/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans of routed links: from one YAML text to the next, as text, JSON and markdown. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "reconciler/plan.h"
#include "tests/unit/one_arena.h"
#include "tests/unit/text_network.h"

#define NET(topology)                                                               \
	"version: 1\naddresses: [10.20.0.0/24]\npersistent_keepalive: 25\nnodes:\n" \
	"  a: {public_key: $1, endpoint: a}\n"                                      \
	"  b: {public_key: $2, endpoint: b}\n"                                      \
	"  c: {public_key: $3, endpoint: c}\n"                                      \
	"  n: {public_key: $4}\n" topology                                          \
	"routed_links: {transfer: [10.99.0.0/24], link_local: false}\n"
#define MESH(members) "topology:\n  - mesh: [" members "]\n    interface_per_link: true\n"

static struct network *compiled(const char *yaml, const struct network *old, uint64_t serial)
{
	struct diag d;

	return text_must_compile(&arena, &d, yaml, old, serial);
}

static struct plan *planned(const char *before, const char *after)
{
	const struct network *old = compiled(before, NULL, 1);
	struct plan *p = arena_alloc(&arena, sizeof(*p));
	struct err e = { 0 };

	if (plan_make(old, compiled(after, old, 2), &arena, p, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

static const char *as_text(const struct plan *p)
{
	struct buf b;
	char *s;

	buf_init(&b, 1 << 20);
	plan_text(p, false, false, &b);
	s = arena_strdup(&arena, b.data);
	buf_release(&b);
	return s;
}

static void test_same(void **state)
{
	struct plan *p = planned(NET(MESH("a, b")), NET(MESH("b, a")));

	assert_true(plan_empty(p));
	assert_int_equal(p->links_unchanged, 1);
}

static void test_added_and_removed(void **state)
{
	static const char want[] =
		"Network net\n"
		"\n"
		"  # a will be changed\n"
		"  ~ node a\n"
		"      - routed link with b\n"
		"\n"
		"  # b will be changed\n"
		"  ~ node b\n"
		"      - routed link with a\n"
		"      + routed link with c\n"
		"          + interface   = wl-c\n"
		"          + addresses   = 10.99.0.6/31\n"
		"          + listen_port = 52002\n"
		"          + public_key  = gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=\n"
		"          + endpoint    = c:52001\n"
		"\n"
		"  # c will be changed\n"
		"  ~ node c\n"
		"      + routed link with b\n"
		"          + interface   = wl-b\n"
		"          + addresses   = 10.99.0.7/31\n"
		"          + listen_port = 52001\n"
		"          + public_key  = 2RzKFbGMx5g7fG0BrWCI7JIpGvcwGkqUaCoENYueJw4=\n"
		"          + endpoint    = b:52002\n"
		"\n"
		"Plan: 0 nodes to add, 3 to change, 0 to remove; 0 peer entries to add, 0 to change, 0 to remove; "
		"1 routed link to add, 0 to change, 1 to remove.\n";
	static const char more[] =
		"topology:\n  - link: {between: [b], and: [n, c]}\n"
		"    interface_per_link: true\n"
		"  - link: {between: [a], and: [c]}\n    interface_per_link: true\n";
	static const char few[] =
		"topology:\n  - link: {between: [b], and: [n, a]}\n"
		"    interface_per_link: true\n"
		"  - link: {between: [a], and: [c]}\n    interface_per_link: true\n";
	char before[2048], after[2048];
	struct plan *p;

	snprintf(before, sizeof(before), NET("%s"), few);
	snprintf(after, sizeof(after), NET("%s"), more);
	p = planned(before, after);
	assert_string_equal(as_text(p), want);
	assert_int_equal(p->links_unchanged, 2);
	/* The row of links that joins all is another one, and joins them still. */
	assert_int_equal(p->pairs_lost, 0);
}

static void test_markdown_and_json(void **state)
{
	const struct plan *p = planned(NET(MESH("a, b")), NET(MESH("a, c")));
	struct err e = { 0 };
	struct buf b;

	buf_init(&b, 1 << 20);
	plan_markdown(&p, 1, 60000, &b);
	assert_non_null(strstr(b.data, "0 peer entries touched, 2 routed links.\n"));
	assert_non_null(strstr(b.data, "\n-       routed link with b\n"));
	buf_reset(&b);
	assert_int_equal(plan_json(&p, 1, &b, &e), 0);
	/* Of the summaries: members are sorted by name. */
	assert_non_null(strstr(b.data, "\"links\": {\n          \"add\": 1,\n"));
	assert_non_null(strstr(b.data, "\"links\": {\n      \"add\": 1,\n"));
	assert_non_null(strstr(b.data, "\"to\": \"wl-c\""));
	assert_non_null(strstr(b.data, "\"action\": \"remove\""));
	assert_non_null(strstr(b.data, "\"from\": \"wl-b\""));
	buf_release(&b);
}

/* What others see of a node is a change of their links with it; each is counted once. */
static void test_changed(void **state)
{
	const char *text;
	char after[2048];
	struct plan *p;
	char *at;

	snprintf(after, sizeof(after), "%s", NET(MESH("a, b, n")));
	at = strstr(after, "endpoint: b}");
	memcpy(at, "endpoint: z}", 12);
	p = planned(NET(MESH("a, b, n")), after);
	assert_int_equal(p->links[PLAN_CHANGE], 2);
	assert_int_equal(p->links_unchanged, 1);
	assert_int_equal(p->nodes_changed, 2);
	text = as_text(p);
	assert_non_null(strstr(text, "  ~ node a\n      ~ routed link with b\n"
				     "          ~ endpoint = b:52000 -> z:52000\n"));
	/* For one node alone. */
	{
		const struct network *old = compiled(NET(MESH("a, b, n")), NULL, 1);
		struct plan one;
		struct err e = { 0 };

		assert_int_equal(plan_make_node(old, compiled(after, old, 2), "n", &arena, &one,
						&e),
				 0);
		assert_int_equal(one.links[PLAN_CHANGE], 1);
		assert_int_equal(one.links_unchanged, 1);
	}
}

/* The keepalive of an entry is that of its links. */
static void test_keepalive(void **state)
{
	struct plan *p =
		planned(NET(MESH("a, b")), NET(MESH("a, b") "    persistent_keepalive: 7\n"));

	assert_int_equal(p->links[PLAN_CHANGE], 1);
	assert_non_null(strstr(as_text(p), "+ persistent_keepalive = 7"));
}

/* A pair that moves from the main interface to a routed link loses nobody; a row of links that is
 * cut does; a link that cannot come up joins nobody. */
static void test_losses(void **state)
{
	static const struct {
		const char *what, *before, *after;
		uint64_t lost;
	} rows[] = {
		{ "from the main interface to a link", NET("topology:\n  - mesh: [a, b]\n"),
		  NET(MESH("a, b")), 0 },
		{ "from a link to the main interface", NET(MESH("a, b")),
		  NET("topology:\n  - mesh: [a, b]\n"), 0 },
		{ "one of three links", NET(MESH("a, b, c")),
		  NET("topology:\n  - link: {between: [a], and: [b, c]}\n    interface_per_link: true\n"),
		  0 },
		{ "the row is cut",
		  NET("topology:\n  - link: {between: [a], and: [b, c]}\n    interface_per_link: true\n"),
		  NET(MESH("a, b")), 4 },
		{ "no links any more", NET(MESH("a, b")), NET("topology: []\n"), 2 },
		{ "from the main interface to a row of links", NET("topology:\n  - mesh: [b, c]\n"),
		  NET("topology:\n  - link: {between: [a], and: [b, c]}\n    interface_per_link: true\n"),
		  0 },
		{ "behind one without an endpoint",
		  NET("topology:\n  - link: {between: [n], and: [a, b]}\n    interface_per_link: true\n"),
		  NET(MESH("a, b")), 4 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct plan *p = planned(rows[i].before, rows[i].after);

		if (p->pairs_lost != rows[i].lost)
			fail_msg("%s: %llu pairs lost:\n%s", rows[i].what,
				 (unsigned long long)p->pairs_lost, as_text(p));
	}
}

/* Nodes that come and go as a whole have their links without details. */
static void test_whole(void **state)
{
	const struct network *n = compiled(NET(MESH("a, b")), NULL, 1);
	struct plan *p = arena_alloc(&arena, sizeof(*p));
	struct err e = { 0 };

	assert_int_equal(plan_make(NULL, n, &arena, p, &e), 0);
	assert_non_null(
		strstr(as_text(p), "      + forward     = yes\n      + routed link with b\n\n"));
	assert_int_equal(p->links[PLAN_ADD], 1);
	assert_int_equal(plan_make(n, NULL, &arena, p, &e), 0);
	assert_int_equal(p->links[PLAN_REMOVE], 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_same),	 T(test_added_and_removed), T(test_markdown_and_json),
		T(test_changed), T(test_keepalive),	    T(test_losses),
		T(test_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
