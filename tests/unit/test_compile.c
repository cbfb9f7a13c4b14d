/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The compiler: YAML text in, records and node documents out, compared as the lines they are
 * published as. */
#include "tests/unit/unit.h"

#include "common/buf.h"
#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "reconciler/compile.h"
#include "tests/unit/text_network.h"

struct fixture {
	struct arena arena;
	struct diag diag;
	struct network network;
	int result;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	arena_init(&f->arena);
	*state = f;
	return f ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_release(&f->arena);
	free(f);
	return 0;
}

static void compile_yaml(struct fixture *f, const char *yaml, const struct network *published,
			 uint64_t serial)
{
	f->result = text_compile(&f->arena, &f->diag, yaml, published, serial, &f->network);
}

static char *messages(struct fixture *f)
{
	return text_of_diag(&f->arena, &f->diag);
}

static void must_compile(struct fixture *f, const char *yaml, const struct network *published,
			 uint64_t serial)
{
	compile_yaml(f, yaml, published, serial);
	if (f->result)
		fail_msg("does not compile:\n%s", messages(f));
}

/* The link words of a node's line, from the first link on. */
static void expect_links(struct fixture *f, const char *node, const char *want)
{
	const struct node *n = network_node(&f->network, node);
	const char *at;
	struct buf b;

	assert_non_null(n);
	buf_init(&b, 1 << 20);
	assert_int_equal(node_encode(n, &b), 0);
	at = strstr(b.data, " addresses=");
	assert_non_null(at);
	at = strchr(at + 1, ' ');
	assert_string_equal(at ? at + 1 : "", want);
	buf_release(&b);
}

static void expect_address(struct fixture *f, const char *node, const char *want)
{
	const struct node *n = network_node(&f->network, node);
	char text[PREFIX_STRLEN], all[256] = "";
	size_t i, len = 0;

	assert_non_null(n);
	for (i = 0; i < n->n_addresses; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? "," : "",
					ifaddr_print(&n->addresses[i], text));
	assert_string_equal(all, want);
}

static void expect_error(struct fixture *f, const char *yaml, const struct network *published,
			 const char *text)
{
	compile_yaml(f, yaml, published, 2);
	assert_int_not_equal(f->result, 0);
	if (!strstr(messages(f), text))
		fail_msg("'%s' is not in:\n%s", text, messages(f));
}

#define TOP "version: 1\naddresses: [10.0.0.0/24]\n"
#define NODE(name, key) "  " name ": {public_key: $" key ", endpoint: '" name ":1'}\n"

#define THREE                                                           \
	"nodes:\n"                                                      \
	"  a: {public_key: $1, endpoint: 'a.example.net'}\n"            \
	"  b: {public_key: $2, endpoint: 'b.example.net', tags: [t]}\n" \
	"  c: {public_key: $3, tags: [t]}\n"

static void no_topology_is_a_full_mesh(void **state)
{
	struct fixture *f = *state;

	must_compile(f, TOP THREE, NULL, 1);
	expect_links(f, "a", "direct=all");
	expect_links(f, "c", "direct=all");
	assert_int_equal(f->network.n_groups, 0);
}

static void a_mesh_joins_its_members_only(void **state)
{
	struct fixture *f = *state;

	must_compile(f, TOP THREE "topology:\n  - mesh: ['tag:t']\n", NULL, 1);
	expect_links(f, "a", "");
	expect_links(f, "b", "direct=tag:t");
	assert_int_equal(f->network.n_groups, 1);
	assert_int_equal(f->network.groups[0].n_members, 2);
	must_compile(f, TOP THREE "topology:\n  - mesh: [a, b]\n", NULL, 1);
	expect_links(f, "a", "direct=b");
	expect_links(f, "b", "direct=a");
	expect_links(f, "c", "");
}

static void a_star_has_transit_unless_told_otherwise(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/24, fd00::/64]\n" THREE
		     "topology:\n  - star: {hubs: [a], spokes: ['tag:t']}\n",
		     NULL, 1);
	expect_links(f, "a", "direct=tag:t");
	expect_links(f, "b", "direct=a routes=a:tag:t allow=a:10.0.0.0/24,fd00::/64");
	must_compile(f,
		     TOP THREE
		     "topology:\n  - star: {hubs: [a], spokes: ['tag:t'], transit: false}\n",
		     NULL, 1);
	expect_links(f, "b", "direct=a");
}

static void a_hub_among_the_spokes_stays_a_hub(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP THREE
		     "topology:\n  - star: {hubs: [a, b], spokes: [all], transit: false}\n",
		     NULL, 1);
	/* Not joined with each other, and nobody with itself. */
	expect_links(f, "a", "direct=all!a!b");
	expect_links(f, "b", "direct=all!a!b");
	expect_links(f, "c", "direct=a direct=b");
	assert_int_equal(f->network.n_groups, 1);
	assert_int_equal(f->network.groups[0].n_members, 1);
}

static void a_link_joins_both_sides(void **state)
{
	struct fixture *f = *state;

	must_compile(f, TOP THREE "topology:\n  - link: {between: ['tag:t'], and: [a, b]}\n", NULL,
		     1);
	expect_links(f, "a", "direct=tag:t");
	expect_links(f, "b", "direct=a direct=tag:t");
	expect_links(f, "c", "direct=a direct=b");
}

static void pairs_that_cannot_meet_are_warned_of(void **state)
{
	struct fixture *f = *state;
	static const char yaml[] = TOP
		"nodes:\n"
		"  a: {public_key: $1}\n  b: {public_key: $2}\n  c: {public_key: $3, endpoint: 'c:1'}\n";

	must_compile(f, yaml, NULL, 1);
	assert_int_equal(f->diag.warnings, 1);
	assert_non_null(strstr(messages(f), "`a` and `b` cannot meet"));
}

static void automatic_addresses_are_handed_out_in_order(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/24, fd00::/64]\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1'}\n"
		     "  b: {public_key: $2, endpoint: 'b:1', addresses: [10.0.0.1]}\n"
		     "  c: {public_key: $3, endpoint: 'c:1'}\n",
		     NULL, 1);
	expect_address(f, "a", "10.0.0.2/24,fd00::1/64");
	expect_address(f, "b", "10.0.0.1/24");
	expect_address(f, "c", "10.0.0.3/24,fd00::2/64");
}

#define POOL "version: 1\naddresses: [10.0.0.0/29]\nnodes:\n"

static void removing_or_adding_a_node_moves_nobody(void **state)
{
	struct fixture *f = *state;
	struct network first, second;

	must_compile(f, POOL NODE("a", "1") NODE("b", "2") NODE("c", "3"), NULL, 1);
	first = f->network;
	must_compile(f, POOL NODE("a", "1") NODE("c", "3"), &first, 2);
	second = f->network;
	expect_address(f, "c", "10.0.0.3/29");
	assert_int_equal(second.n_freed, 1);
	assert_int_equal(second.freed[0].serial, 2);
	assert_string_equal(second.freed[0].node, "b");
	assert_int_equal(second.n_gone, 1);
	assert_string_equal(second.gone[0].name, "b");
	/* A new node, earlier in the alphabet: it gets what was never used. */
	must_compile(f, POOL NODE("a", "1") NODE("aa", "4") NODE("c", "3"), &second, 3);
	expect_address(f, "aa", "10.0.0.4/29");
	expect_address(f, "c", "10.0.0.3/29");
	assert_int_equal(f->network.n_freed, 1);
}

static void a_node_that_comes_back_finds_its_address(void **state)
{
	struct fixture *f = *state;
	struct network first, second;

	must_compile(f, POOL NODE("a", "1") NODE("b", "2"), NULL, 1);
	first = f->network;
	must_compile(f, POOL NODE("a", "1"), &first, 2);
	second = f->network;
	must_compile(f, POOL NODE("a", "1") NODE("b", "2"), &second, 3);
	expect_address(f, "b", "10.0.0.2/29");
	assert_int_equal(f->network.n_freed, 0);
	assert_int_equal(f->network.n_gone, 0);
	/* Another machine under the old name does not. */
	must_compile(f, POOL NODE("a", "1") NODE("b", "5"), &second, 3);
	expect_address(f, "b", "10.0.0.3/29");
}

static void a_freed_address_is_the_last_resort(void **state)
{
	struct fixture *f = *state;
	struct network first, second;
	static const char all[] = POOL NODE("a", "1") NODE("b", "2") NODE("c", "3") NODE("d", "4")
		NODE("e", "5") NODE("f", "6");

	must_compile(f, all, NULL, 1);
	expect_address(f, "f", "10.0.0.6/29");
	first = f->network;
	must_compile(f,
		     POOL NODE("a", "1") NODE("c", "3") NODE("d", "4") NODE("e", "5")
			     NODE("f", "6"),
		     &first, 2);
	second = f->network;
	must_compile(f,
		     POOL NODE("a", "1") NODE("c", "3") NODE("d", "4") NODE("e", "5") NODE("f", "6")
			     NODE("g", "2"),
		     &second, 3);
	expect_address(f, "g", "10.0.0.2/29");
	assert_int_equal(f->network.n_freed, 0);
	/* One leaves and another comes in the same change: its place is free at once. */
	must_compile(f,
		     POOL NODE("a", "1") NODE("b", "2") NODE("c", "3") NODE("d", "4") NODE("e", "5")
			     NODE("z", "6"),
		     &first, 2);
	expect_address(f, "z", "10.0.0.6/29");
}

static void a_full_pool_is_an_error(void **state)
{
	expect_error(
		*state,
		"version: 1\naddresses: [10.0.0.0/30]\nnodes:\n" NODE("a", "1") NODE("b", "2")
			NODE("c", "3"),
		NULL,
		"networks/net.yaml:6:3: error: the pool 10.0.0.0/30 has no address left for node `c`");
}

static void a_pin_never_takes_an_automatic_address(void **state)
{
	struct fixture *f = *state;
	struct network first;

	must_compile(f, POOL NODE("a", "1") NODE("b", "2"), NULL, 1);
	first = f->network;
	expect_error(f,
		     POOL NODE("a", "1") NODE(
			     "b",
			     "2") "  c: {public_key: $3, endpoint: 'c:1', addresses: [10.0.0.2]}\n",
		     &first, "10.0.0.2 is the address that node `b` has already");
	assert_non_null(
		strstr(messages(f), "networks/net.yaml:5:3: note: `b` got it automatically"));
	/* Whoever pins the address it has keeps it. */
	must_compile(
		f,
		POOL NODE("a",
			  "1") "  b: {public_key: $2, endpoint: 'b:1', addresses: [10.0.0.2]}\n",
		&first, 2);
	expect_address(f, "b", "10.0.0.2/29");
	assert_int_equal(f->network.n_freed, 0);
}

/* docs/addresses.md, "What happens when": one test for each line of the table, in its order. */

#define NET(pools) "version: 1\naddresses: [" pools "]\n"
#define PIN(name, key, addr) \
	"  " name ": {public_key: $" key ", endpoint: '" name ":1', addresses: [" addr "]}\n"

static struct network publish(struct fixture *f, const char *yaml)
{
	must_compile(f, yaml, NULL, 1);
	return f->network;
}

static void a_pool_that_runs_out_names_each_node_left_over(void **state)
{
	struct fixture *f = *state;
	struct network first =
		publish(f, NET("10.0.0.0/30, fd00::/64") "nodes:\n" NODE("c", "3") NODE("d", "4"));

	expect_error(f,
		     NET("10.0.0.0/30, fd00::/64") "nodes:\n" NODE("a", "1") NODE("b", "2")
			     NODE("c", "3") NODE("d", "4"),
		     &first,
		     "net.yaml:4:3: error: the pool 10.0.0.0/30 has no address left for node `a`");
	assert_non_null(strstr(messages(f), "net.yaml:5:3: error: the pool 10.0.0.0/30 has no"));
	assert_non_null(strstr(messages(f), "who has an address keeps it"));
	assert_null(strstr(messages(f), "reserve less"));
	assert_int_equal(f->diag.errors, 2);
}

static void a_pool_grown_moves_nobody(void **state)
{
	struct fixture *f = *state;
	struct network first =
		publish(f, NET("10.0.0.64/30") "nodes:\n" NODE("b", "1") NODE("c", "2"));

	must_compile(f, NET("10.0.0.0/24") "nodes:\n" NODE("a", "3") NODE("b", "1") NODE("c", "2"),
		     &first, 2);
	expect_address(f, "b", "10.0.0.65/24");
	expect_address(f, "c", "10.0.0.66/24");
	expect_address(f, "a", "10.0.0.1/24");
	assert_int_equal(f->network.n_freed, 0);
}

static void a_pool_made_smaller_moves_who_is_outside(void **state)
{
	struct fixture *f = *state;
	struct network first =
		publish(f, NET("10.0.0.0/24") "nodes:\n" PIN("d", "4", "10.0.0.9") NODE("a", "1")
				   PIN("b", "2", "10.0.0.77") PIN("c", "3", "10.0.0.15"));

	/* One is outside, and one on what is the broadcast address now. */
	must_compile(f,
		     NET("10.0.0.0/28") "nodes:\n" PIN("d", "4", "10.0.0.9") NODE("a", "1")
			     NODE("b", "2") NODE("c", "3"),
		     &first, 2);
	expect_address(f, "a", "10.0.0.1/28");
	expect_address(f, "b", "10.0.0.2/28");
	expect_address(f, "c", "10.0.0.3/28");
	expect_address(f, "d", "10.0.0.9/28");
	assert_int_equal(f->network.n_freed, 2);
}

static void an_address_that_became_an_edge_of_its_pool_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f,
				       NET("10.0.0.4/31") "nodes:\n" NODE("a", "1") NODE("b", "2")),
		       second;

	expect_address(f, "a", "10.0.0.4/31");
	must_compile(f, NET("10.0.0.4/30") "nodes:\n" NODE("a", "1") NODE("b", "2"), &first, 2);
	expect_address(f, "a", "10.0.0.6/30");
	expect_address(f, "b", "10.0.0.5/30");
	second = f->network;
	/* Freed, and the only one left: an edge still is none to hand out. */
	expect_error(f, NET("10.0.0.4/30") "nodes:\n" NODE("a", "1") NODE("b", "2") NODE("c", "3"),
		     &second, "has no address left for node `c`");
	/* Nor for the node itself, when it comes back. */
	must_compile(f, NET("10.0.0.4/30") "nodes:\n" NODE("b", "2"), &second, 3);
	second = f->network;
	must_compile(f, NET("10.0.0.4/30") "nodes:\n" NODE("a", "1") NODE("b", "2"), &second, 4);
	expect_address(f, "a", "10.0.0.6/30");
}

static void a_pool_moved_gives_new_addresses_and_back_the_old_ones(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, NET("10.0.0.0/24, fd00::/64") "nodes:\n" NODE("b", "1")
						  NODE("c", "2")),
		       second;

	must_compile(f,
		     NET("10.9.0.0/24, fd00::/64") "nodes:\n" NODE("a", "3") NODE("b", "1")
			     NODE("c", "2"),
		     &first, 2);
	expect_address(f, "a", "10.9.0.1/24,fd00::3/64");
	expect_address(f, "b", "10.9.0.2/24,fd00::1/64");
	expect_address(f, "c", "10.9.0.3/24,fd00::2/64");
	second = f->network;
	must_compile(f, NET("10.0.0.0/24, fd00::/64") "nodes:\n" NODE("b", "1") NODE("c", "2"),
		     &second, 3);
	expect_address(f, "b", "10.0.0.1/24,fd00::1/64");
	expect_address(f, "c", "10.0.0.2/24,fd00::2/64");
}

static void a_pool_added_adds_and_a_pool_removed_takes_its_own(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f,
				       NET("10.0.0.0/24") "nodes:\n" NODE("b", "1") NODE("c", "2")),
		       second;

	must_compile(f, NET("fd00::/64, 10.0.0.0/24") "nodes:\n" NODE("b", "1") NODE("c", "2"),
		     &first, 2);
	expect_address(f, "b", "10.0.0.1/24,fd00::1/64");
	expect_address(f, "c", "10.0.0.2/24,fd00::2/64");
	second = f->network;
	must_compile(f, NET("fd00::/64") "nodes:\n" NODE("b", "1") NODE("c", "2"), &second, 3);
	expect_address(f, "b", "fd00::1/64");
	expect_address(f, "c", "fd00::2/64");
}

static void a_pin_outside_every_pool_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct network first =
		publish(f, NET("10.0.0.0/24") "nodes:\n" PIN("a", "1", "10.0.0.7") NODE("b", "2"));

	expect_error(f, NET("10.9.0.0/24") "nodes:\n" PIN("a", "1", "10.0.0.7") NODE("b", "2"),
		     &first, "`10.0.0.7` is in none of the network's pools");
	assert_non_null(strstr(messages(f), "net.yaml:2:13: note: the pools are given here"));
}

static void a_pin_goes_before_a_node_that_has_no_address_yet(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("b", "2"));

	must_compile(f, POOL NODE("a", "1") NODE("b", "2") PIN("z", "3", "10.0.0.2"), &first, 2);
	expect_address(f, "a", "10.0.0.3/29");
	expect_address(f, "b", "10.0.0.1/29");
	expect_address(f, "z", "10.0.0.2/29");
}

static void two_pins_of_one_address_name_both_places(void **state)
{
	struct fixture *f = *state;

	expect_error(f, POOL PIN("a", "1", "10.0.0.2") PIN("b", "2", "10.0.0.2"), NULL,
		     "`a` and `b` have the same address 10.0.0.2");
	assert_non_null(strstr(messages(f), "net.yaml:4:"));
	assert_non_null(strstr(messages(f), "net.yaml:5:"));
}

static void pins_may_change_places_in_one_step(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("a", "1") NODE("b", "2") NODE("c", "3"));

	must_compile(f, POOL PIN("a", "1", "10.0.0.2") PIN("b", "2", "10.0.0.1") NODE("c", "3"),
		     &first, 2);
	expect_address(f, "a", "10.0.0.2/29");
	expect_address(f, "b", "10.0.0.1/29");
	expect_address(f, "c", "10.0.0.3/29");
	assert_int_equal(f->network.n_freed, 0);
}

static void a_freed_address_may_be_pinned(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("a", "1") NODE("b", "2")), second;

	must_compile(f, POOL NODE("a", "1"), &first, 2);
	second = f->network;
	must_compile(f, POOL NODE("a", "1") PIN("c", "3", "10.0.0.2"), &second, 3);
	expect_address(f, "c", "10.0.0.2/29");
	assert_int_equal(f->network.n_freed, 0);
	/* Then the one who had it gets another, and nobody moves. */
	second = f->network;
	must_compile(f, POOL NODE("a", "1") NODE("b", "2") PIN("c", "3", "10.0.0.2"), &second, 4);
	expect_address(f, "a", "10.0.0.1/29");
	expect_address(f, "b", "10.0.0.3/29");
}

static void a_pin_taken_away_leaves_the_address(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, NET("10.0.0.0/24, fd00::/64") "nodes:\n" NODE("a", "1")
						  PIN("b", "2", "10.0.0.9, 10.0.0.7"));

	must_compile(f, NET("10.0.0.0/24, fd00::/64") "nodes:\n" NODE("a", "1") NODE("b", "2"),
		     &first, 2);
	expect_address(f, "a", "10.0.0.1/24,fd00::1/64");
	expect_address(f, "b", "10.0.0.7/24,fd00::2/64");
	assert_int_equal(f->network.n_freed, 1);
}

#define RESERVED(pools, ranges) NET(pools) "reserved: [" ranges "]\nnodes:\n"

static void what_is_reserved_is_not_handed_out(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     RESERVED("10.0.0.0/24, fd00::/32",
			      "10.0.0.0/30, 10.0.0.5, 'fd00::/64', 10.0.0.0/31") NODE("a", "1")
			     NODE("b", "2") PIN("c", "3", "10.0.0.2, 'fd00::9'"),
		     NULL, 1);
	expect_address(f, "a", "10.0.0.4/24,fd00:0:0:1::/32");
	expect_address(f, "b", "10.0.0.6/24,fd00:0:0:1::1/32");
	expect_address(f, "c", "10.0.0.2/24,fd00::9/32");
	assert_int_equal(f->diag.warnings, 0);
}

static void what_is_reserved_later_is_kept_with_a_warning(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("a", "1") NODE("b", "2") NODE("c", "3"));

	must_compile(f,
		     RESERVED("10.0.0.0/29", "10.0.0.2/31") NODE("a", "1") NODE("b", "2")
			     NODE("c", "3") NODE("d", "4"),
		     &first, 2);
	expect_address(f, "b", "10.0.0.2/29");
	expect_address(f, "c", "10.0.0.3/29");
	expect_address(f, "d", "10.0.0.4/29");
	assert_int_equal(f->diag.warnings, 1);
	assert_non_null(strstr(messages(f),
			       "net.yaml:3:12: warning: node `b` and 1 more got an "
			       "address of 10.0.0.2/31 before it was reserved, and keeps it"));
	assert_non_null(strstr(messages(f), "`meshrc pin b`"));
	must_compile(f,
		     RESERVED("10.0.0.0/29", "10.0.0.2/31") NODE("a", "1") PIN("b", "2", "10.0.0.2")
			     PIN("c", "3", "10.0.0.3"),
		     &first, 2);
	assert_int_equal(f->diag.warnings, 0);
}

static void what_was_freed_and_reserved_stays_free(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("a", "1") NODE("b", "2")), second;

	must_compile(f, POOL NODE("a", "1"), &first, 2);
	second = f->network;
	must_compile(f, RESERVED("10.0.0.0/29", "10.0.0.2") NODE("a", "1") NODE("b", "2"), &second,
		     3);
	expect_address(f, "b", "10.0.0.3/29");
	/* Not as the last resort either. */
	expect_error(f,
		     RESERVED("10.0.0.0/29", "10.0.0.2/31, 10.0.0.4/30") NODE("a", "1")
			     NODE("c", "3"),
		     &second, "the pool 10.0.0.0/29 has no address left for node `c`");
	assert_non_null(strstr(messages(f), "or reserve less of it; who has an address keeps it"));
	expect_error(f, RESERVED("10.0.0.0/29", "10.0.0.0/29") NODE("c", "3"), NULL,
		     "the pool 10.0.0.0/29 has no address left for node `c`");
}

static void another_name_is_another_node(void **state)
{
	struct fixture *f = *state;
	struct network first = publish(f, POOL NODE("a", "1") NODE("b", "2"));

	must_compile(f, POOL NODE("b", "2") NODE("new", "1"), &first, 2);
	expect_address(f, "b", "10.0.0.2/29");
	expect_address(f, "new", "10.0.0.3/29");
	/* Another key is not. */
	must_compile(f, POOL NODE("a", "5") NODE("b", "2"), &first, 2);
	expect_address(f, "a", "10.0.0.1/29");
}

static void one_prefix_under_two_peers_names_both_places(void **state)
{
	struct fixture *f = *state;

	expect_error(f,
		     TOP "nodes:\n"
			 "  a: {public_key: $1, endpoint: 'a:1', routes: [192.168.1.0/24]}\n"
			 "  b: {public_key: $2, endpoint: 'b:1', routes: [192.168.1.0/24]}\n"
			 "  c: {public_key: $3, endpoint: 'c:1'}\n",
		     NULL, "networks/net.yaml:4:");
	assert_non_null(
		strstr(messages(f), "192.168.1.0/24 would stand under two peers, `a` and `b`"));
	assert_non_null(strstr(messages(f), "networks/net.yaml:5:"));
}

static void the_same_route_twice_is_fine_where_nobody_sees_both(void **state)
{
	must_compile(
		*state,
		TOP
		"nodes:\n"
		"  a: {public_key: $1, endpoint: 'a:1', routes: [192.168.1.0/24]}\n"
		"  b: {public_key: $2, endpoint: 'b:1', routes: [192.168.1.0/24]}\n"
		"  c: {public_key: $3, endpoint: 'c:1'}\n  d: {public_key: $4, endpoint: 'd:1'}\n"
		"topology:\n  - mesh: [a, c]\n  - mesh: [b, d]\n",
		NULL, 1);
}

#define GATE(name, key, metric)                                                               \
	"  " name ": {public_key: $" key ", endpoint: " name ".example.net, routes: [{cidr: " \
	"192.168.1.0/24, metric: " metric "}]}\n"

/* The record's line from its addresses on, without the key. */
static void expect_record(struct fixture *f, const char *node, const char *want)
{
	const struct record *r = network_record(&f->network, node);
	struct buf b;

	assert_non_null(r);
	buf_init(&b, 1 << 20);
	assert_int_equal(record_encode(r, &b), 0);
	assert_string_equal(strstr(b.data, " addresses=") + 1, want);
	buf_release(&b);
}

static bool has_route(struct fixture *f, const char *node, const char *peer)
{
	struct config c;
	struct err e;
	size_t i, j;
	char text[PREFIX_STRLEN];
	bool found = false, routed = false;

	assert_int_equal(expand(&f->network, network_node(&f->network, node), &f->arena, &c, &e),
			 0);
	for (i = 0; i < c.n_peers; i++)
		for (j = 0; j < c.peers[i].n_allowed_ips; j++)
			if (!strcmp(prefix_print(&c.peers[i].allowed_ips[j], text),
				    "192.168.1.0/24")) {
				assert_string_equal(c.peers[i].name, peer);
				found = true;
			}
	assert_true(found);
	for (i = 0; i < c.n_routes; i++)
		routed |= !strcmp(prefix_print(&c.routes[i], text), "192.168.1.0/24");
	return routed;
}

static void gateways_have_an_order(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP "nodes:\n" GATE("a", "1", "20") GATE("b", "2", "10") GATE("c", "3", "300")
			     NODE("d", "4"),
		     NULL, 1);
	assert_int_equal(f->diag.n, 0);
	expect_record(f, "a",
		      "addresses=10.0.0.1 standby=192.168.1.0/24@20 endpoint=a.example.net:51820");
	expect_record(f, "b",
		      "addresses=10.0.0.2 routes=192.168.1.0/24 endpoint=b.example.net:51820");
	expect_record(f, "c",
		      "addresses=10.0.0.3 standby=192.168.1.0/24@300 endpoint=c.example.net:51820");
	/* Who has it behind itself does not send it into the tunnel. */
	assert_true(has_route(f, "d", "b"));
	assert_false(has_route(f, "a", "b"));
	assert_int_equal(network_node(&f->network, "a")->n_standby, 1);
	assert_int_equal(network_node(&f->network, "b")->n_standby, 0);
	assert_true(network_node(&f->network, "a")->flags & NODE_FORWARD);
	/* No metric is 0, the first. */
	must_compile(
		f,
		TOP "nodes:\n" GATE(
			"a", "1",
			"1") "  b: {public_key: $2, endpoint: 'b:1', routes: [192.168.1.0/24]}\n" NODE("d",
												       "4"),
		NULL, 1);
	assert_true(has_route(f, "d", "b"));
	/* What is in another prefix has nothing to do with it. */
	must_compile(
		f,
		TOP "nodes:\n" GATE(
			"a", "1",
			"1") "  b: {public_key: $2, endpoint: 'b:1', routes: [192.168.0.0/16]}\n" NODE("d",
												       "4"),
		NULL, 1);
	assert_int_equal(network_record(&f->network, "a")->n_standby, 0);
	assert_true(has_route(f, "d", "a"));
}

static void an_order_must_be_clear(void **state)
{
	struct fixture *f = *state;

	expect_error(f,
		     TOP "nodes:\n" GATE("a", "1", "10") GATE("b", "2", "20") GATE("c", "3", "20")
			     NODE("d", "4"),
		     NULL, "networks/net.yaml:6:");
	assert_non_null(
		strstr(messages(f), "`b` and `c` have the same metric 20 for 192.168.1.0/24"));
	expect_error(f, TOP "nodes:\n" GATE("a", "1", "10") GATE("b", "2", "10") NODE("d", "4"),
		     NULL, "192.168.1.0/24 would stand under two peers, `a` and `b`");
	assert_non_null(strstr(messages(f), "give each a `metric`"));
}

static void who_knows_the_second_alone_is_warned(void **state)
{
	struct fixture *f = *state;

	must_compile(
		f,
		TOP
		"nodes:\n" GATE("a", "1", "10") GATE("b", "2", "20") NODE("c", "3") NODE("d", "4")
			NODE("e",
			     "5") "topology:\n  - mesh: [a, c]\n  - mesh: [b, d]\n  - mesh: [b, e]\n",
		NULL, 1);
	assert_non_null(strstr(
		messages(f),
		"192.168.1.0/24 is behind `a` first, but `d` (and 1 more) is joined with `b` alone"));
	assert_int_equal(f->diag.n, 1);
	/* Through a hub that carries it all is well. */
	must_compile(
		f,
		TOP "nodes:\n" GATE("a", "1", "10") GATE("b", "2", "20") NODE("c", "3") NODE(
			"d",
			"4") "topology:\n  - star: {hubs: [c], spokes: [a, d]}\n  - mesh: [b, d]\n  - mesh: [b, c]\n",
		NULL, 1);
	assert_int_equal(f->diag.n, 0);
	assert_true(has_route(f, "d", "c"));
}

/* The words of a node's line from its MTU to its addresses. */
static void expect_settings(struct fixture *f, const char *node, const char *want)
{
	const struct node *n = network_node(&f->network, node);
	char *from, *to;
	struct buf b;

	assert_non_null(n);
	buf_init(&b, 1 << 20);
	assert_int_equal(node_encode(n, &b), 0);
	from = strstr(b.data, " mtu=1420");
	to = strstr(b.data, " addresses=");
	assert_true(from && to);
	*to = '\0';
	assert_string_equal(from + strlen(" mtu=1420"), want);
	buf_release(&b);
}

#define EXIT(name, key, more) "  " name ": {public_key: $" key ", exit_node: " more "}\n"

static void an_exit_carries_everything(void **state)
{
	struct fixture *f = *state;
	struct config c;
	struct err e;
	char text[PREFIX_STRLEN];

	must_compile(
		f,
		"version: 1\naddresses: [10.0.0.0/24, 'fd00::/64']\nnodes:\n"
		"  a: {public_key: $1, endpoint: a.example.net, routes: [192.168.1.0/24, {cidr: "
		"192.168.2.0/24, masquerade: true}, 'fd77::/48']}\n" NODE("b", "2")
			EXIT("c", "3", "a") EXIT("d", "4", "a, table: 'off'")
				EXIT("e", "5", "b, fwmark: 7") EXIT("f", "6", "b, table: 254"),
		NULL, 1);
	expect_settings(
		f, "a",
		" forward=yes masquerade=0.0.0.0/0,192.168.2.0/24,::/0 except=192.168.1.0/24,fd77::/48");
	expect_settings(f, "b", " forward=yes masquerade=0.0.0.0/0,::/0");
	expect_settings(f, "c", " fwmark=8311 exit=a");
	expect_settings(f, "d", " table=off exit=a");
	expect_settings(f, "e", " fwmark=7 exit=b");
	expect_settings(f, "f", " fwmark=8311 exit=b");
	/* Beside its own, which a wider one of another peer would beat otherwise. */
	assert_int_equal(expand(&f->network, network_node(&f->network, "e"), &f->arena, &c, &e), 0);
	for (size_t i = 0; i < c.n_peers; i++)
		if (!strcmp(c.peers[i].name, "b")) {
			assert_int_equal(c.peers[i].n_allowed_ips, 4);
			assert_string_equal(prefix_print(&c.peers[i].allowed_ips[0], text),
					    "0.0.0.0/0");
			assert_string_equal(prefix_print(&c.peers[i].allowed_ips[1], text),
					    "10.0.0.2/32");
			assert_string_equal(prefix_print(&c.peers[i].allowed_ips[2], text), "::/0");
		}
	assert_int_equal(c.n_routes, 3);
}

static void exits_that_cannot_be(void **state)
{
	struct fixture *f = *state;

	expect_error(f,
		     TOP "nodes:\n" NODE("a", "1") NODE("b", "2")
			     EXIT("c", "3", "a") "topology:\n  - mesh: [a, b]\n  - mesh: [b, c]\n",
		     NULL, "networks/net.yaml:6:");
	assert_non_null(strstr(messages(f), "`c` is not joined with its exit `a`"));
	/* A hub that sends what it does not know to one of its own spokes. */
	expect_error(f,
		     TOP
		     "nodes:\n"
		     "  a: {public_key: $1, endpoint: a.example.net, exit_node: b}\n" NODE("b", "2")
			     NODE("c", "3") "topology:\n  - star: {hubs: [a], spokes: [b, c]}\n",
		     NULL, "networks/net.yaml:4:");
	assert_non_null(
		strstr(messages(f), "a loop: `a` sends what it does not know to its exit `b`"));
	/* Through a second hub. */
	expect_error(
		f,
		TOP
		"nodes:\n"
		"  a: {public_key: $1, endpoint: a.example.net, exit_node: b}\n" NODE("b", "2") NODE(
			"c",
			"3") "topology:\n  - star: {hubs: [c], spokes: [b]}\n  - star: {hubs: [a], spokes: [c]}\n  - mesh: [a, b]\n",
		NULL, "a loop");
	/* Without transit all is well. */
	must_compile(
		f,
		TOP
		"nodes:\n"
		"  a: {public_key: $1, endpoint: a.example.net, exit_node: b}\n" NODE("b", "2") NODE(
			"c",
			"3") "topology:\n  - star: {hubs: [a], spokes: [b, c], transit: false}\n",
		NULL, 1);
	/* The exit could, the node cannot. */
	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/24, 'fd00::/64']\nnodes:\n" NODE("a", "1")
			     EXIT("c", "3", "a, addresses: [10.0.0.9]"),
		     NULL, 1);
	assert_non_null(strstr(messages(f), "the IPv6 of `c` does not go through its exit"));
	must_compile(f, TOP "nodes:\n" NODE("a", "1") EXIT("c", "3", "a"), NULL, 1);
	assert_int_equal(f->diag.n, 0);
}

static void a_table_for_the_routes(void **state)
{
	struct fixture *f = *state;

	must_compile(
		f,
		TOP "table: 100\nnodes:\n" NODE(
			"a",
			"1") "  b: {public_key: $2, table: off}\n  c: {public_key: $3, table: 254, endpoint: 'c:1'}\n"
			     "  d: {public_key: $4, table: 4294967295, endpoint: 'd:1'}\n",
		NULL, 1);
	expect_settings(f, "a", " table=100");
	expect_settings(f, "b", " table=off");
	expect_settings(f, "c", "");
	expect_settings(f, "d", " table=4294967295");
}

static void a_clash_between_two_hubs_is_found(void **state)
{
	struct fixture *f = *state;

	expect_error(
		f,
		TOP "nodes:\n" NODE("a", "1") NODE("b", "2") NODE(
			"c",
			"3") "topology:\n  - star: {hubs: [a], spokes: [c]}\n  - star: {hubs: [b], spokes: [c]}\n",
		NULL, "10.0.0.0/24 would stand under two peers, `a` and `b`, on node `c`");
}

/* Others reach all of it; the node's interface has one address, with the length of the pool. */
static void a_node_owns_a_prefix(void **state)
{
	struct fixture *f = *state;
	struct network first;
	const struct node *n;
	const struct record *r;

	must_compile(
		f,
		"version: 1\naddresses: [10.0.0.0/24, 'fd00::/64']\nnodes:\n"
		"  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.0.0/29, 'fd00::5:7/112']}\n"
		"  b: {public_key: $2}\n"
		"  c: {public_key: $3, addresses: [10.0.0.3], routes: [192.168.0.0/16]}\n",
		NULL, 1);
	r = network_record(&f->network, "a");
	n = network_node(&f->network, "a");
	expect_address(f, "a", "10.0.0.1/24,fd00::5:7/64");
	assert_int_equal(r->n_routes, 2);
	assert_int_equal(r->routes[0].len, 29);
	assert_int_equal(r->routes[1].len, 112);
	assert_int_equal(r->routes[1].b[13], 5);
	assert_true(n->flags & NODE_FORWARD);
	assert_int_equal(n->n_masquerade, 0);
	/* Nobody gets an address of it by itself, but may be given one. */
	expect_address(f, "b", "10.0.0.8/24,fd00::1/64");
	first = f->network;
	/* What an automatic node has already cannot be owned by another. */
	expect_error(
		f,
		"version: 1\naddresses: [10.0.0.0/24, 'fd00::/64']\nnodes:\n"
		"  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.0.1/28]}\n"
		"  b: {public_key: $2}\n",
		&first,
		"`a` cannot own 10.0.0.0/28: 10.0.0.8 in it is the address that node `b` has already");
	/* What was owned is free again. */
	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/24, 'fd00::/64']\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.0.1]}\n"
		     "  b: {public_key: $2}\n  d: {public_key: $4}\n",
		     &first, 2);
	expect_address(f, "b", "10.0.0.8/24,fd00::1/64");
	expect_address(f, "d", "10.0.0.2/24,fd00::2/64");
	assert_false(network_node(&f->network, "a")->flags & NODE_FORWARD);
}

static void two_nodes_own_what_is_nested(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/16]\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.4.0/22]}\n"
		     "  b: {public_key: $2, endpoint: 'b:1', addresses: [10.0.4.128/25]}\n"
		     "  c: {public_key: $3, endpoint: 'c:1', addresses: [10.0.4.9]}\n",
		     NULL, 1);
	/* A route that is what another owns stands under two peers. */
	expect_error(f,
		     "version: 1\naddresses: [10.0.0.0/16]\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.4.0/22]}\n"
		     "  b: {public_key: $2, endpoint: 'b:1', routes: [10.0.4.0/22]}\n"
		     "  c: {public_key: $3, endpoint: 'c:1'}\n",
		     NULL, "10.0.4.0/22 would stand under two peers, `a` and `b`, on node `c`");
	expect_error(f,
		     "version: 1\naddresses: [10.0.0.0/29]\nnodes:\n"
		     "  a: {public_key: $1, addresses: [10.0.0.4/30]}\n  b: {public_key: $2}\n"
		     "  c: {public_key: $3}\n  d: {public_key: $4}\n  e: {public_key: $5}\n",
		     NULL, "the pool 10.0.0.0/29 has no address left for node `e`");
}

#define TWO_SITES                                                                                  \
	TOP "sites:\n"                                                                             \
	    "  x: {leaders: [x1, x2], routes: [192.168.1.0/24, {cidr: 172.16.0.0/12, masquerade: " \
	    "true}]}\n"                                                                            \
	    "  y: {leaders: [y1], inside: leader}\nnodes:\n"                                       \
	    "  a: {public_key: $1}\n"                                                              \
	    "  x1: {public_key: $2, site: x, endpoint: x.example.net}\n"                           \
	    "  x2: {public_key: $3, site: x, tags: [t], endpoints: {site:x: 192.168.1.2}}\n"       \
	    "  x3: {public_key: $4, site: x, routes: [192.168.3.0/24]}\n"                          \
	    "  x4: {public_key: $5, site: x}\n"                                                    \
	    "  y1: {public_key: $6, site: y, endpoint: y.example.net}\n"                           \
	    "  y2: {public_key: $7, site: y, endpoints: {site:y: 192.168.1.9}}\n"

/* docs/format.md names the groups. */
static void leaders_stand_for_their_sites(void **state)
{
	struct fixture *f = *state;
	const struct group *g;

	must_compile(f, TWO_SITES, NULL, 1);
	expect_links(f, "a",
		     "direct=all#outside through=x1:site:x through=y1:site:y "
		     "allow=x1:172.16.0.0/12,192.168.1.0/24");
	expect_links(f, "x1", "direct=all#outside direct=site:x through=y1:site:y");
	/* x2 is met by all of the site, x3 and x4 meet but x2. */
	expect_links(f, "x2",
		     "direct=site:x direct=x1 through=x1:all#outside through=x1:site:x "
		     "through=x1:site:y");
	expect_links(f, "x3",
		     "direct=site:x#met#from!site:x direct=x1 through=x1:all#outside "
		     "through=x1:site:x through=x1:site:y");
	expect_links(f, "x4",
		     "direct=site:x#met#from!site:x direct=x1 through=x1:all#outside "
		     "through=x1:site:x through=x1:site:y");
	/* Through the leader, though they could meet. */
	expect_links(f, "y2",
		     "direct=y1 through=y1:all#outside through=y1:site:x through=y1:site:y "
		     "allow=y1:172.16.0.0/12,192.168.1.0/24");
	g = network_group(&f->network, "all#outside");
	assert_int_equal(g->n_members, 3);
	assert_string_equal(g->members[1], "x1");
	assert_string_equal(network_record(&f->network, "x1")->leads, "x");
	assert_int_equal(network_record(&f->network, "x1")->leads_at, 1);
	assert_int_equal(network_record(&f->network, "x2")->leads_at, 2);
	assert_null(network_record(&f->network, "x3")->leads);
	assert_int_equal(network_record(&f->network, "x1")->n_routes, 0);
	assert_int_equal(network_node(&f->network, "x1")->n_masquerade, 1);
	assert_true(network_node(&f->network, "x1")->flags & NODE_FORWARD);
	assert_true(network_node(&f->network, "y1")->flags & NODE_FORWARD);
	assert_false(network_node(&f->network, "x2")->flags & NODE_FORWARD);
}

/* Selecting any node of a site joins the leader, and once. */
static void entries_select_sites(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TWO_SITES "topology:\n  - link: {between: [a], and: [x3, x4, tag:t]}\n"
			       "  - star: {hubs: [y2], spokes: [a, x4], transit: false}\n",
		     NULL, 1);
	expect_links(f, "a",
		     "direct=tag:t#outside direct=x1 direct=y1 "
		     "through=x1:site:x through=y1:site:y allow=x1:172.16.0.0/12,192.168.1.0/24");
	expect_links(f, "y1",
		     "direct=a direct=site:y direct=x1 through=x1:site:x "
		     "allow=x1:172.16.0.0/12,192.168.1.0/24");
	/* By a hub: what is at the site of another spoke, without the addresses. */
	must_compile(f, TWO_SITES "topology:\n  - star: {hubs: [y2], spokes: [a, x4]}\n", NULL, 1);
	expect_links(f, "a",
		     "direct=y1 routes=y1:site:x routes=y1:x1 through=y1:site:y "
		     "allow=y1:10.0.0.0/24 allow=y1:172.16.0.0/12,192.168.1.0/24");
	expect_links(f, "x3",
		     "direct=site:x#met#from!site:x direct=x1 routes=x1:a "
		     "through=x1:site:x through=x1:site:y through=x1:y1 allow=x1:10.0.0.0/24");
}

static void sites_that_clash(void **state)
{
	struct fixture *f = *state;

	expect_error(f,
		     TOP "sites:\n"
			 "  x: {leaders: [b], routes: [192.168.1.0/24]}\nnodes:\n"
			 "  a: {public_key: $1, endpoint: 'a:1'}\n"
			 "  b: {public_key: $2, endpoint: 'b:1', site: x}\n"
			 "  c: {public_key: $3, endpoint: 'c:1', routes: [192.168.1.0/24]}\n",
		     NULL, "the site `x` and the node `c` both have 192.168.1.0/24");
	must_compile(f,
		     TOP "sites:\n  x: {leaders: [b]}\nnodes:\n"
			 "  a: {public_key: $1, site: x}\n  b: {public_key: $2, site: x}\n",
		     NULL, 1);
	assert_non_null(strstr(messages(f), "`a` and `b` cannot meet: neither has an endpoint"));
}

/* docs/format.md names the parts. */
static void relays_cut_groups_into_parts(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP
		     "nodes:\n"
		     "  ra: {public_key: $1, endpoint: ra.example.net, relay: true, region: eu}\n"
		     "  rb: {public_key: $2, endpoint: rb.example.net, relay: true}\n"
		     "  a: {public_key: $3, tags: [t], region: eu}\n"
		     "  b: {public_key: $4, tags: [t]}\n"
		     "  c: {public_key: $5, tags: [t], region: us}\n"
		     "  d: {public_key: $6, tags: [t]}\n"
		     "topology:\n"
		     "  - star: {hubs: [ra, rb], spokes: [a, b, c], transit: false}\n"
		     "  - mesh: [tag:t, ra]\n"
		     "  - link: {between: [a], and: [b]}\n",
		     NULL, 1);
	/* d is joined with ra by the mesh; of a's pairs ra carries all, for its region. */
	expect_links(f, "a",
		     "direct=ra direct=rb through=ra:b through=ra:tag:t#via!ra "
		     "through=ra:tag:t#via!ra!rb");
	expect_links(f, "d",
		     "direct=ra through=ra:tag:t#via!ra!rb through=ra:tag:t#via!ra!rb#in.eu");
	/* For b and c no region counts: c is in bucket 5, for which rb is chosen. */
	expect_links(f, "b",
		     "direct=ra direct=rb through=ra:a through=ra:tag:t#via!ra "
		     "through=ra:tag:t#via!ra!rb#in.eu through=rb:tag:t#via!ra!rb#5");
	expect_links(f, "ra", "direct=a direct=b direct=c direct=tag:t");
	assert_true(network_node(&f->network, "ra")->flags & NODE_FORWARD);
}

/* Of four nodes behind NAT, three are in one LAN and two of these can be reached there. */
static void who_meets_in_a_lan_needs_no_relay(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP
		     "nodes:\n"
		     "  ra: {public_key: $1, endpoint: ra.example.net, relay: true}\n"
		     "  a: {public_key: $2, tags: [lan, z], endpoints: {tag:lan: 192.168.1.2}}\n"
		     "  b: {public_key: $3, tags: [lan], endpoints: {tag:lan: '192.168.1.3:5'}}\n"
		     "  c: {public_key: $4, tags: [lan, a]}\n"
		     "  d: {public_key: $5}\n",
		     NULL, 1);
	expect_links(
		f, "a",
		"direct=all#at!tag:lan#from!tag:lan direct=all#endpoint through=ra:all#via!ra");
	expect_links(f, "c", "direct=all#endpoint direct=all#from!tag:lan through=ra:all#via!ra");
	expect_links(f, "d", "direct=all#endpoint through=ra:all#via!ra");
	expect_links(f, "ra", "direct=all");
	assert_int_equal(network_group(&f->network, "all#at!tag:lan#from!tag:lan")->n_members, 3);
	assert_int_equal(network_group(&f->network, "all#from!tag:lan")->n_members, 2);
	assert_string_equal(network_record(&f->network, "a")->seen[0].from, "tag:lan");
	/* Without a port, and with one; only viewpoints that some record names are told. */
	assert_int_equal(network_record(&f->network, "a")->seen[0].endpoint.port, 51820);
	assert_int_equal(network_record(&f->network, "b")->seen[0].endpoint.port, 5);
	assert_int_equal(network_node(&f->network, "c")->n_from, 1);
	assert_int_equal(network_node(&f->network, "d")->n_from, 0);
	/* All of them in the LAN: nobody is left for the relay. */
	must_compile(f,
		     TOP "nodes:\n"
			 "  ra: {public_key: $1, endpoint: ra.example.net, relay: true}\n"
			 "  a: {public_key: $2, tags: [lan], endpoints: {tag:lan: 192.168.1.2}}\n"
			 "  b: {public_key: $3, tags: [lan], endpoints: {tag:lan: 192.168.1.3}}\n",
		     NULL, 1);
	expect_links(f, "a", "direct=all");
	assert_false(network_node(&f->network, "ra")->flags & NODE_FORWARD);
	assert_int_equal(f->network.n_groups, 0);
}

/* It can be reached in one LAN alone: it is a relay for those who are there, not for others. */
static void a_relay_that_is_seen_by_some(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP "nodes:\n"
			 "  ra: {public_key: $1, relay: true, endpoints: {tag:lan: 192.168.1.1}}\n"
			 "  a: {public_key: $2, tags: [lan]}\n"
			 "  b: {public_key: $3, tags: [lan]}\n"
			 "  c: {public_key: $4}\n",
		     NULL, 1);
	expect_links(f, "a", "direct=all#alone direct=all#from!tag:lan through=ra:all#via!ra");
	expect_links(f, "c", "direct=all");
	assert_non_null(strstr(messages(f), "`a` and `c` cannot meet: neither has an endpoint"));
	assert_non_null(strstr(messages(f),
			       "`c` and `ra` cannot meet: neither has an endpoint for the other"));
	assert_null(strstr(messages(f), "`a` and `b` cannot meet"));
}

static void parts_without_a_relay_stay_direct(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP "nodes:\n"
			 "  ra: {public_key: $1, endpoint: ra.example.net, relay: true}\n"
			 "  rb: {public_key: $2, endpoint: rb.example.net, relay: true}\n"
			 "  a: {public_key: $3, tags: [t]}\n"
			 "  b: {public_key: $4, tags: [t]}\n"
			 "  c: {public_key: $5, tags: [t]}\n"
			 "  d: {public_key: $6, tags: [t], endpoint: d.example.net}\n"
			 "topology:\n"
			 "  - link: {between: [ra], and: [a, b]}\n"
			 "  - mesh: [tag:t]\n",
		     NULL, 1);
	expect_links(f, "a",
		     "direct=ra direct=tag:t#alone direct=tag:t#endpoint through=ra:tag:t#via!ra");
	expect_links(f, "c", "direct=tag:t");
	expect_links(f, "d", "direct=tag:t");
	expect_links(f, "rb", "");
	assert_false(network_node(&f->network, "rb")->flags & NODE_FORWARD);
	/* All four of the network: no relay, no part. */
	must_compile(f, TOP THREE, NULL, 1);
	assert_int_equal(f->network.n_groups, 0);
	assert_int_equal(network_node(&f->network, "a")->flags & NODE_FORWARD, 0);
}

static void who_carries_for_others_says_so(void **state)
{
	static const struct {
		const char *topology, *forward;
	} rows[] = {
		{ "  - star: {hubs: [a], spokes: [b, c]}\n", "a" },
		{ "  - star: {hubs: [a], spokes: [b]}\n", "" },
		{ "  - star: {hubs: [a, b], spokes: [c]}\n", "" },
		{ "  - star: {hubs: [a], spokes: [b, c], transit: false}\n", "" },
		{ "  - star: {hubs: [a], spokes: [b]}\n  - star: {hubs: [a], spokes: [c]}\n", "a" },
		{ "  - star: {hubs: [a], spokes: [b]}\n  - star: {hubs: [b], spokes: [c]}\n", "b" },
		{ "  - mesh: [all]\n", "" },
	};
	struct fixture *f = *state;
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[1024], got[8] = "";

		snprintf(text, sizeof(text), TOP "%stopology:\n%s", THREE, rows[i].topology);
		must_compile(f, text, NULL, 1);
		for (j = 0; j < f->network.n_nodes; j++)
			if (f->network.nodes[j].flags & NODE_FORWARD)
				snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s",
					 f->network.nodes[j].name);
		if (strcmp(got, rows[i].forward) != 0)
			fail_msg("%s: '%s' forward, not '%s'", rows[i].topology, got,
				 rows[i].forward);
	}
	must_compile(f,
		     TOP
		     "nodes:\n"
		     "  a: {public_key: $1, endpoint: a.example.net, routes: [192.168.1.0/24]}\n",
		     NULL, 1);
	assert_true(network_node(&f->network, "a")->flags & NODE_FORWARD);
}

static void long_lists_become_a_group(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	int i;

	buf_init(&b, 1 << 16);
	buf_adds(&b, TOP "nodes:\n");
	for (i = 0; i < 12; i++) {
		struct wgkey key = { { (uint8_t)(i + 9), 7, 7 } };
		char text[KEY_STRLEN];

		buf_addf(&b, "  n%02d: {public_key: %s, endpoint: 'n:1'}\n", i,
			 wgkey_print(&key, text));
	}
	buf_adds(&b, "topology:\n  - mesh: [n00, n01, n02, n03, n04, n05, n06, n07, n08, n09]\n");
	must_compile(f, b.data, NULL, 1);
	expect_links(f, "n03", "direct=#1.mesh");
	expect_links(f, "n11", "");
	buf_release(&b);
}

static void what_is_said_again_costs_nothing(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	int i;

	buf_init(&b, 1 << 20);
	buf_adds(&b, TOP THREE "topology:\n");
	for (i = 0; i < 1000; i++)
		buf_adds(&b, "  - mesh: [a, b, c, 'tag:t']\n");
	must_compile(f, b.data, NULL, 1);
	expect_links(f, "a", "direct=b direct=c direct=tag:t");
	buf_release(&b);
}

/* `n` nodes and one more, which is joined with each of them by a link of its own. */
static void compile_many_links(struct fixture *f, int n)
{
	struct buf b;
	int i;

	buf_init(&b, 8 << 20);
	buf_adds(&b, "version: 1\naddresses: [10.0.0.0/8]\nnodes:\n");
	for (i = 0; i <= n; i++) {
		struct wgkey key = { { (uint8_t)i, (uint8_t)(i >> 8), 7, 9 } };
		char text[KEY_STRLEN];

		buf_addf(&b, "  n%05d: {public_key: %s, endpoint: 'n:%d'}\n", i,
			 wgkey_print(&key, text), i + 1);
	}
	buf_adds(&b, "topology:\n");
	for (i = 1; i <= n; i++)
		buf_addf(&b, "%sn%05d%s",
			 i % 8 == 1 ? "  - link: {between: [n00000], and: [" : ", ", i,
			 i % 8 == 0 || i == n ? "]}\n" : "");
	compile_yaml(f, b.data, NULL, 1);
	buf_release(&b);
}

static void a_node_has_a_bounded_number_of_links(void **state)
{
	struct fixture *f = *state;

	compile_many_links(f, MAX_LINKS);
	assert_int_equal(f->result, 0);
	assert_int_equal(network_node(&f->network, "n00000")->n_links, MAX_LINKS);
	compile_many_links(f, MAX_LINKS + 1);
	assert_int_not_equal(f->result, 0);
	assert_non_null(strstr(messages(f),
			       "node `n00000` has more links than the 16384 that are possible"));
}

static void keepalive_follows_the_endpoint(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP "persistent_keepalive: 25\nnodes:\n"
			 "  a: {public_key: $1, endpoint: 'a:1'}\n  b: {public_key: $2}\n"
			 "  c: {public_key: $3, endpoint: 'c:1', persistent_keepalive: 7}\n"
			 "  d: {public_key: $4, persistent_keepalive: 0, endpoint: 'd:1'}\n",
		     NULL, 1);
	assert_false(network_node(&f->network, "a")->flags & NODE_HAS_KEEPALIVE);
	assert_int_equal(network_node(&f->network, "b")->keepalive, 25);
	assert_int_equal(network_node(&f->network, "c")->keepalive, 7);
	assert_false(network_node(&f->network, "d")->flags & NODE_HAS_KEEPALIVE);
}

static void an_entry_says_the_keepalive_of_what_it_joins(void **state)
{
	struct fixture *f = *state;
	const struct node *n;
	struct config c;
	struct err e;

	must_compile(
		f,
		TOP "persistent_keepalive: 25\nnodes:\n"
		    "  a: {public_key: $1, endpoint: 'a:1'}\n  b: {public_key: $2}\n"
		    "  c: {public_key: $3, endpoint: 'c:1', persistent_keepalive: 7}\n"
		    "topology:\n  - mesh: [all]\n  - link: {between: [b], and: [a]}\n"
		    "    persistent_keepalive: 10\n  - mesh: [b, a]\n"
		    "    persistent_keepalive: 0\n  - persistent_keepalive: 30\n    mesh: [a, b]\n",
		NULL, 1);
	n = network_node(&f->network, "b");
	if (expand(&f->network, n, &f->arena, &c, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(config_peer(&c, &network_record(&f->network, "a")->key)->keepalive, 10);
	assert_int_equal(config_peer(&c, &network_record(&f->network, "c")->key)->keepalive, 25);
	/* Three entries, one of them with a number for the pair: one link says it. */
	assert_int_equal(n->n_links, 3);
	assert_int_equal(n->links[2].kind, LINK_ALIVE);
	assert_int_equal(n->links[2].seconds, 10);
	n = network_node(&f->network, "a");
	if (expand(&f->network, n, &f->arena, &c, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(config_peer(&c, &network_record(&f->network, "b")->key)->keepalive, 0);
}

static void an_endpoint_without_port_uses_the_listen_port(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP "listen_port: 4000\nnodes:\n"
			 "  a: {public_key: $1, endpoint: a.example.net}\n"
			 "  b: {public_key: $2, endpoint: b.example.net, listen_port: 5000}\n"
			 "  c: {public_key: $3, endpoint: 'c.example.net:6000'}\n",
		     NULL, 1);
	assert_int_equal(network_record(&f->network, "a")->endpoint.port, 4000);
	assert_int_equal(network_record(&f->network, "b")->endpoint.port, 5000);
	assert_int_equal(network_record(&f->network, "c")->endpoint.port, 6000);
}

static void the_order_of_nodes_does_not_matter(void **state)
{
	struct fixture *f = *state;
	struct document *one, *two;
	struct document_ref tables_one[N_TABLES], tables_two[N_TABLES];
	size_t n_one, n_two;
	struct err e;

	must_compile(f, POOL NODE("a", "1") NODE("b", "2") NODE("c", "3"), NULL, 1);
	assert_int_equal(network_encode(&f->network, &f->arena, &one, &n_one, tables_one, &e), 0);
	must_compile(f, POOL NODE("c", "3") NODE("a", "1") NODE("b", "2"), NULL, 1);
	assert_int_equal(network_encode(&f->network, &f->arena, &two, &n_two, tables_two, &e), 0);
	assert_int_equal(n_one, n_two);
	assert_memory_equal(tables_one, tables_two, sizeof(tables_one));
}

static void expect_group(struct fixture *f, const char *name, const char *want)
{
	const struct group *g = network_group(&f->network, name);
	char all[256] = "";
	size_t i, len = 0;

	assert_non_null(g);
	for (i = 0; i < g->n_members; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? " " : "",
					g->members[i]);
	assert_string_equal(all, want);
}

static void clients_are_reached_through_their_gateway(void **state)
{
	struct fixture *f = *state;

	must_compile(f,
		     TOP THREE "clients:\n"
			       "  z: {public_key: $4, gateway: a}\n"
			       "  aa: {public_key: $5, gateway: a, addresses: [10.0.0.9]}\n"
			       "  bb: {public_key: $6, gateway: b}\n",
		     NULL, 1);
	expect_links(f, "a", "direct=#clients.a direct=all");
	expect_links(f, "b", "direct=#clients.b direct=all");
	expect_links(f, "c", "direct=all");
	expect_group(f, "#clients.a", "aa z");
	expect_group(f, "#clients.b", "bb");
	assert_int_equal(f->network.n_records, 6);
	assert_int_equal(f->network.n_nodes, 3);
	/* From the pool, in the order of all names: a, bb, b, c, z around the pin. */
	expect_record(f, "aa", "addresses=10.0.0.9 gateway=a");
	expect_record(f, "b", "addresses=10.0.0.2 endpoint=b.example.net:51820 clients=yes");
	expect_record(f, "bb", "addresses=10.0.0.3 gateway=b");
	expect_record(f, "z", "addresses=10.0.0.5 gateway=a");
	assert_true(network_node(&f->network, "a")->flags & NODE_FORWARD);
	assert_true(network_node(&f->network, "b")->flags & NODE_FORWARD);
	assert_false(network_node(&f->network, "c")->flags & NODE_FORWARD);
}

/* Whether `peer` on `node` has this prefix. */
static bool peer_has(struct fixture *f, const char *node, const char *peer, const char *prefix)
{
	char text[PREFIX_STRLEN];
	struct config c;
	struct err e;
	size_t i, j;

	assert_int_equal(expand(&f->network, network_node(&f->network, node), &f->arena, &c, &e),
			 0);
	for (i = 0; i < c.n_peers; i++)
		for (j = 0; !strcmp(c.peers[i].name, peer) && j < c.peers[i].n_allowed_ips; j++)
			if (!strcmp(prefix_print(&c.peers[i].allowed_ips[j], text), prefix))
				return true;
	return false;
}

static void only_who_is_joined_with_the_gateway_gets_its_clients(void **state)
{
	struct fixture *f = *state;

	/* By its name, by a tag, by a list that became a group, and not at all. */
	must_compile(f,
		     TOP THREE "clients:\n  p: {public_key: $4, gateway: b}\n"
			       "topology:\n  - link: {between: [c], and: [b]}\n",
		     NULL, 1);
	expect_links(f, "a", "");
	expect_links(f, "b", "direct=#clients.b direct=c");
	expect_links(f, "c", "direct=b");
	assert_true(peer_has(f, "b", "p", "10.0.0.4/32"));
	assert_true(peer_has(f, "c", "b", "10.0.0.4/32"));
	must_compile(f,
		     TOP THREE "clients:\n  p: {public_key: $4, gateway: b}\n"
			       "topology:\n  - star: {hubs: [a], spokes: ['tag:t']}\n",
		     NULL, 1);
	expect_links(f, "a", "direct=tag:t");
	expect_links(f, "b", "direct=#clients.b direct=a routes=a:tag:t allow=a:10.0.0.0/24");
	expect_links(f, "c", "direct=a routes=a:tag:t allow=a:10.0.0.0/24");
	assert_true(peer_has(f, "a", "b", "10.0.0.4/32"));
	assert_true(peer_has(f, "c", "a", "10.0.0.0/24"));
}

#define CLIENT(name, key, gateway) "  " name ": {public_key: $" key ", gateway: " gateway "}\n"

static void a_client_that_comes_or_goes_changes_no_document(void **state)
{
	struct fixture *f = *state;
	static const char top[] = TOP THREE "clients:\n";
	struct network first;
	char yaml[2048];
	size_t i;

	snprintf(yaml, sizeof(yaml), "%s%s", top, CLIENT("p", "4", "a"));
	must_compile(f, yaml, NULL, 1);
	first = f->network;
	snprintf(yaml, sizeof(yaml), "%s%s%s", top, CLIENT("p", "4", "a"), CLIENT("c2", "5", "a"));
	must_compile(f, yaml, &first, 2);
	for (i = 0; i < first.n_nodes; i++)
		assert_true(node_equal(&first.nodes[i], &f->network.nodes[i]));
	assert_true(record_equal(network_record(&first, "p"), network_record(&f->network, "p")));
	expect_record(f, "c2", "addresses=10.0.0.5 gateway=a");
	/* The first one of a node changes that node alone. */
	snprintf(yaml, sizeof(yaml), "%s%s%s", top, CLIENT("p", "4", "a"), CLIENT("c2", "5", "b"));
	must_compile(f, yaml, &first, 2);
	for (i = 0; i < first.n_nodes; i++) {
		const char *name = first.nodes[i].name;
		bool same = strcmp(name, "b") != 0;

		assert_int_equal(node_equal(&first.nodes[i], &f->network.nodes[i]), same);
		assert_int_equal(record_equal(network_record(&first, name),
					      network_record(&f->network, name)),
				 same);
	}
}

static void a_clients_address_is_kept_freed_and_given_back(void **state)
{
	struct fixture *f = *state;
	static const char top[] = TOP THREE "clients:\n";
	struct network first, second;
	char yaml[2048];

	snprintf(yaml, sizeof(yaml), "%s%s%s", top, CLIENT("p", "4", "a"), CLIENT("q", "5", "a"));
	must_compile(f, yaml, NULL, 1);
	first = f->network;
	expect_record(f, "p", "addresses=10.0.0.4 gateway=a");
	snprintf(yaml, sizeof(yaml), "%s%s%s", top, CLIENT("q", "5", "b"), CLIENT("n", "6", "a"));
	must_compile(f, yaml, &first, 2);
	second = f->network;
	/* The gateway may change; a freed address is not handed out; a client is never gone. */
	expect_record(f, "q", "addresses=10.0.0.5 gateway=b");
	expect_record(f, "n", "addresses=10.0.0.6 gateway=a");
	assert_int_equal(second.n_freed, 1);
	assert_string_equal(second.freed[0].node, "p");
	assert_int_equal(second.n_gone, 0);
	snprintf(yaml, sizeof(yaml), "%s%s%s", top, CLIENT("p", "4", "b"), CLIENT("q", "5", "b"));
	must_compile(f, yaml, &second, 3);
	expect_record(f, "p", "addresses=10.0.0.4 gateway=b");
}

static void a_node_that_becomes_a_client_is_gone_as_a_node(void **state)
{
	struct fixture *f = *state;
	struct network first, second;

	must_compile(f, TOP THREE, NULL, 1);
	first = f->network;
	must_compile(f,
		     TOP "nodes:\n"
			 "  a: {public_key: $1, endpoint: 'a.example.net'}\n"
			 "  b: {public_key: $2, endpoint: 'b.example.net', tags: [t]}\n"
			 "clients:\n  c: {public_key: $3, gateway: a}\n",
		     &first, 2);
	second = f->network;
	expect_record(f, "c", "addresses=10.0.0.3 gateway=a");
	assert_int_equal(second.n_gone, 1);
	assert_string_equal(second.gone[0].name, "c");
	/* It stays gone while it is a client, and is not when it is a node again. */
	must_compile(f,
		     TOP "nodes:\n"
			 "  a: {public_key: $1, endpoint: 'a.example.net'}\n"
			 "clients:\n  c: {public_key: $3, gateway: a}\n",
		     &second, 3);
	assert_int_equal(f->network.n_gone, 2);
	must_compile(f, TOP THREE, &f->network, 4);
	assert_int_equal(f->network.n_gone, 0);
	expect_record(f, "c", "addresses=10.0.0.3");
}

static void errors_of_addresses_call_a_client_so(void **state)
{
	struct fixture *f = *state;
	struct network first;

	must_compile(f,
		     "version: 1\naddresses: [10.0.0.0/30]\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1'}\n"
		     "clients:\n  p: {public_key: $2, gateway: a}\n",
		     NULL, 1);
	first = f->network;
	expect_error(
		f,
		"version: 1\naddresses: [10.0.0.0/30]\nnodes:\n"
		"  a: {public_key: $1, endpoint: 'a:1'}\n"
		"clients:\n  p: {public_key: $2, gateway: a}\n"
		"  q: {public_key: $3, gateway: a}\n",
		&first,
		"networks/net.yaml:7:3: error: the pool 10.0.0.0/30 has no address left for client `q`");
	expect_error(f,
		     "version: 1\naddresses: [10.0.0.0/30]\nnodes:\n"
		     "  a: {public_key: $1, endpoint: 'a:1', addresses: [10.0.0.2]}\n"
		     "clients:\n  p: {public_key: $2, gateway: a}\n",
		     &first, "10.0.0.2 is the address that client `p` has already");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(no_topology_is_a_full_mesh),
		TEST(a_mesh_joins_its_members_only),
		TEST(a_star_has_transit_unless_told_otherwise),
		TEST(a_hub_among_the_spokes_stays_a_hub),
		TEST(a_link_joins_both_sides),
		TEST(pairs_that_cannot_meet_are_warned_of),
		TEST(automatic_addresses_are_handed_out_in_order),
		TEST(removing_or_adding_a_node_moves_nobody),
		TEST(a_node_that_comes_back_finds_its_address),
		TEST(a_freed_address_is_the_last_resort),
		TEST(a_full_pool_is_an_error),
		TEST(clients_are_reached_through_their_gateway),
		TEST(only_who_is_joined_with_the_gateway_gets_its_clients),
		TEST(a_client_that_comes_or_goes_changes_no_document),
		TEST(a_clients_address_is_kept_freed_and_given_back),
		TEST(a_node_that_becomes_a_client_is_gone_as_a_node),
		TEST(errors_of_addresses_call_a_client_so),
		TEST(a_pin_never_takes_an_automatic_address),
		TEST(a_pool_that_runs_out_names_each_node_left_over),
		TEST(a_pool_grown_moves_nobody),
		TEST(a_pool_made_smaller_moves_who_is_outside),
		TEST(an_address_that_became_an_edge_of_its_pool_is_given_up),
		TEST(a_pool_moved_gives_new_addresses_and_back_the_old_ones),
		TEST(a_pool_added_adds_and_a_pool_removed_takes_its_own),
		TEST(a_pin_outside_every_pool_is_an_error),
		TEST(a_pin_goes_before_a_node_that_has_no_address_yet),
		TEST(two_pins_of_one_address_name_both_places),
		TEST(pins_may_change_places_in_one_step),
		TEST(a_freed_address_may_be_pinned),
		TEST(a_pin_taken_away_leaves_the_address),
		TEST(what_is_reserved_is_not_handed_out),
		TEST(what_is_reserved_later_is_kept_with_a_warning),
		TEST(what_was_freed_and_reserved_stays_free),
		TEST(another_name_is_another_node),
		TEST(one_prefix_under_two_peers_names_both_places),
		TEST(the_same_route_twice_is_fine_where_nobody_sees_both),
		TEST(gateways_have_an_order),
		TEST(an_order_must_be_clear),
		TEST(who_knows_the_second_alone_is_warned),
		TEST(an_exit_carries_everything),
		TEST(exits_that_cannot_be),
		TEST(a_table_for_the_routes),
		TEST(a_clash_between_two_hubs_is_found),
		TEST(a_node_owns_a_prefix),
		TEST(two_nodes_own_what_is_nested),
		TEST(leaders_stand_for_their_sites),
		TEST(entries_select_sites),
		TEST(sites_that_clash),
		TEST(relays_cut_groups_into_parts),
		TEST(who_meets_in_a_lan_needs_no_relay),
		TEST(a_relay_that_is_seen_by_some),
		TEST(parts_without_a_relay_stay_direct),
		TEST(who_carries_for_others_says_so),
		TEST(long_lists_become_a_group),
		TEST(what_is_said_again_costs_nothing),
		TEST(a_node_has_a_bounded_number_of_links),
		TEST(keepalive_follows_the_endpoint),
		TEST(an_entry_says_the_keepalive_of_what_it_joins),
		TEST(an_endpoint_without_port_uses_the_listen_port),
		TEST(the_order_of_nodes_does_not_matter),
	};

	return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
