/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relays: who gets which, what a relay that comes or goes moves, how large the documents are.
 * That configurations are right is test_allpairs's matter.
 */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "reconciler/compile.h"
#include "tests/unit/fail_alloc.h"

/* Without it the address sanitizer ends the program where malloc would return NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

#define MAX_RELAYS 8

/* A full mesh of nodes without an endpoint, "n0000" and so on, and of relays. */
struct shape {
	size_t nodes;
	const char *relays[MAX_RELAYS]; /* sorted */
	const char *relay_regions[MAX_RELAYS];
	const char *const *regions; /* of node i: i modulo n_regions; NULL: none */
	size_t n_regions;
	size_t without; /* this node is left out; 0: none */
};

static void *need(void *p)
{
	assert_non_null(p);
	return p;
}

static struct m_network *make(const struct shape *s, struct arena *a)
{
	struct m_network *m = need(arena_alloc(a, sizeof(*m)));
	size_t i, max = s->nodes + MAX_RELAYS;

	m->name = "net";
	m->pools = need(arena_alloc(a, sizeof(*m->pools)));
	m->pools[0].prefix = (struct prefix){ .family = 4, .len = 8, .b = { 10 } };
	m->n_pools = 1;
	m->nodes = need(arena_array(a, max, sizeof(*m->nodes)));
	for (i = 0; i < max; i++) {
		struct m_node *n = &m->nodes[m->n_nodes];
		size_t r = i - s->nodes;
		char name[32];

		if ((s->without && i == s->without) || (i >= s->nodes && !s->relays[r]))
			continue;
		snprintf(name, sizeof(name), "n%04zu", i);
		n->name = need(arena_strdup(a, name));
		n->public_key.b[0] = (uint8_t)(i + 1);
		n->public_key.b[1] = (uint8_t)((i + 1) >> 8);
		n->has_addresses = true;
		n->addresses = need(arena_alloc(a, sizeof(*n->addresses)));
		n->addresses[0].addr =
			(struct ipaddr){ 4, { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } };
		n->n_addresses = 1;
		if (s->n_regions && i < s->nodes)
			n->region.s = s->regions[i % s->n_regions];
		if (i >= s->nodes) {
			n->name = s->relays[r];
			n->relay = true;
			n->endpoint = (struct endpoint){ s->relays[r], 51820 };
			n->region.s = s->relay_regions[r];
		}
		m->n_nodes++;
	}
	return m;
}

static void compile_shape(const struct shape *s, struct arena *a, struct network *ret)
{
	struct diag d;

	diag_init(&d, a);
	if (compile(make(s, a), NULL, 1, a, &d, ret) < 0)
		fail_msg("%s", d.entries[0].msg);
	assert_int_equal(d.warnings, 0);
}

/* For every pair, the peer that carries it; the same on both sides. */
struct choices {
	size_t n;
	const char **by; /* by[a * n + b] */
};

static struct choices choices_of(const struct network *n, size_t nodes, struct arena *a)
{
	struct choices c = { nodes, need(arena_array(a, nodes * nodes, sizeof(*c.by))) };
	size_t i, j, k;

	for (i = 0; i < nodes; i++) {
		struct config config;
		struct err e;

		assert_int_equal(expand(n, &n->nodes[i], a, &config, &e), 0);
		for (j = 0; j < config.n_peers; j++) {
			const struct peer *p = &config.peers[j];

			/* No entry for any node but relays. */
			assert_non_null(p->endpoint.host);
			for (k = 0; k < p->n_allowed_ips; k++) {
				size_t to = (size_t)p->allowed_ips[k].b[2] << 8 |
					    p->allowed_ips[k].b[3];

				if (to >= nodes)
					continue;
				assert_null(c.by[i * nodes + to]);
				c.by[i * nodes + to] = p->name;
			}
		}
	}
	for (i = 0; i < nodes; i++)
		for (j = 0; j < nodes; j++)
			if (i == j)
				assert_null(c.by[i * nodes + j]);
			else
				assert_string_equal(c.by[i * nodes + j], c.by[j * nodes + i]);
	return c;
}

static size_t carried(const struct choices *c, const char *relay)
{
	size_t i, n = 0;

	for (i = 0; i < c->n * c->n; i++)
		n += c->by[i] && !strcmp(c->by[i], relay);
	return n;
}

static void pairs_are_spread(void **state)
{
	struct shape s = { .nodes = 200, .relays = { "ra", "rb", "rc", "rd" } };
	struct network n;
	struct choices c;
	struct arena a;
	size_t i, j, all = 200 * 199;

	for (i = 1; i <= 4; i++) {
		for (j = 0; j < MAX_RELAYS; j++)
			if (j >= i)
				s.relays[j] = NULL;
		arena_init(&a);
		s.relays[i - 1] = (const char *[]){ "ra", "rb", "rc", "rd" }[i - 1];
		compile_shape(&s, &a, &n);
		c = choices_of(&n, s.nodes, &a);
		/* With eight buckets it is no exact share: at least half of one. */
		for (j = 0; j < i; j++)
			assert_true(carried(&c, s.relays[j]) >= all / i / 2);
		arena_release(&a);
	}
}

/* What one of four relays had is spread over the others, and nothing else moves. */
static void a_relay_that_goes_moves_its_own_pairs(void **state)
{
	struct shape four = { .nodes = 120, .relays = { "ra", "rb", "rc", "rd" } };
	struct shape three = { .nodes = 120, .relays = { "ra", "rb", "rd" } };
	struct network old, new;
	struct choices before, after;
	struct arena a;
	size_t i, moved = 0;

	arena_init(&a);
	compile_shape(&four, &a, &old);
	compile_shape(&three, &a, &new);
	before = choices_of(&old, 120, &a);
	after = choices_of(&new, 120, &a);
	for (i = 0; i < 120 * 120; i++) {
		if (!before.by[i])
			continue;
		if (!strcmp(before.by[i], "rc"))
			moved++;
		else
			assert_string_equal(before.by[i], after.by[i]);
	}
	assert_int_equal(moved, carried(&before, "rc"));
	assert_true(moved > 0);
	for (i = 0; i < 3; i++)
		assert_true(carried(&after, three.relays[i]) > carried(&before, three.relays[i]));
	arena_release(&a);
}

static void the_region_of_either_side_is_preferred(void **state)
{
	static const char *const regions[] = { "eu", "us", "jp", NULL };
	struct shape s = { .nodes = 80,
			   .relays = { "ra", "rb", "rc" },
			   .relay_regions = { "eu", "us", NULL },
			   .regions = regions,
			   .n_regions = 4 };
	size_t i, j, mixed[2] = { 0 }, far[3] = { 0 };
	struct choices c;
	struct network n;
	struct arena a;

	arena_init(&a);
	compile_shape(&s, &a, &n);
	c = choices_of(&n, s.nodes, &a);
	for (i = 0; i < s.nodes; i++)
		for (j = 0; j < s.nodes; j++) {
			size_t x = i % 4, y = j % 4;
			bool eu = x == 0 || y == 0, us = x == 1 || y == 1;
			const char *by = c.by[i * s.nodes + j];

			if (i == j)
				continue;
			if (eu && us)
				mixed[by[1] - 'a']++;
			else if (eu)
				assert_string_equal(by, "ra");
			else if (us)
				assert_string_equal(by, "rb");
			else
				far[by[1] - 'a']++;
		}
	/* Both regions are right: both carry. No region is: all carry. */
	assert_true(mixed[0] > 0 && mixed[1] > 0);
	assert_true(far[0] > 0 && far[1] > 0 && far[2] > 0);
	arena_release(&a);
}

static void a_lonely_node_needs_no_relay(void **state)
{
	struct shape s = { .nodes = 1, .relays = { "ra" } };
	struct network n;
	struct arena a;

	arena_init(&a);
	compile_shape(&s, &a, &n);
	assert_int_equal(n.n_groups, 0);
	assert_int_equal(n.nodes[0].n_links, 1);
	assert_string_equal(n.nodes[0].links[0].target, GROUP_ALL);
	assert_false(network_node(&n, "ra")->flags & NODE_FORWARD);
	arena_release(&a);
}

struct size {
	size_t lines, max_links;
};

static struct size size_of(const struct network *n)
{
	struct size s = { n->n_records + n->n_nodes, 0 };
	size_t i;

	for (i = 0; i < n->n_groups; i++)
		s.lines += n->groups[i].n_members;
	for (i = 0; i < n->n_nodes; i++)
		if (n->nodes[i].n_links > s.max_links)
			s.max_links = n->nodes[i].n_links;
	return s;
}

/* Lines that are in one of the two and not in the other. */
static size_t lines_between(const struct network *a, const struct network *b)
{
	size_t i, j, n = 0;

	for (i = 0; i < a->n_records; i++) {
		const struct record *r = network_record(b, a->records[i].name);

		n += !r || !record_equal(r, &a->records[i]);
	}
	for (i = 0; i < a->n_nodes; i++) {
		const struct node *o = network_node(b, a->nodes[i].name);

		n += !o || !node_equal(o, &a->nodes[i]);
	}
	for (i = 0; i < a->n_groups; i++) {
		const struct group *g = network_group(b, a->groups[i].name);

		for (j = 0; j < a->groups[i].n_members; j++)
			n += !g || !group_has(g, a->groups[i].members[j]);
	}
	return n;
}

static void it_stays_small(void **state)
{
	static const char *const regions[] = { "eu", "us" };
	struct shape s = { .nodes = 1000, .relays = { "ra", "rb" } };
	struct network n, less;
	struct size size;
	struct arena a;

	arena_init(&a);
	compile_shape(&s, &a, &n);
	size = size_of(&n);
	/* A record, a document, and at most a line for the class and one for its bucket. */
	assert_true(size.lines <= 4 * 1002 + 2);
	assert_true(size.max_links <= 1 + 8);
	s.without = 500;
	compile_shape(&s, &a, &less);
	assert_int_equal(lines_between(&less, &n), 0);
	assert_in_range(lines_between(&n, &less), 3, 4);

	s.relay_regions[0] = "eu";
	s.relay_regions[1] = "us";
	s.regions = regions;
	s.n_regions = 2;
	compile_shape(&s, &a, &less);
	s.without = 0;
	compile_shape(&s, &a, &n);
	size = size_of(&n);
	assert_true(size.lines <= 4 * 1002 + 2);
	assert_true(size.max_links <= 1 + 1 + 8);
	assert_int_equal(lines_between(&less, &n), 0);
	assert_in_range(lines_between(&n, &less), 3, 4);
	arena_release(&a);
}

/* Names of groups stay within their bounds and apart, whatever the relays are called. */
static void long_names_are_hashed(void **state)
{
	struct shape s = { .nodes = 40 };
	struct choices c;
	struct network n;
	struct arena a;
	size_t i, j;

	arena_init(&a);
	for (i = 0; i < MAX_RELAYS; i++) {
		char name[MAX_NAME + 1];

		memset(name, 'r', sizeof(name) - 1);
		name[0] = 'x';
		name[MAX_NAME - 1] = (char)('0' + i);
		name[MAX_NAME] = 0;
		s.relays[i] = need(arena_strdup(&a, name));
	}
	compile_shape(&s, &a, &n);
	c = choices_of(&n, s.nodes, &a);
	assert_true(carried(&c, s.relays[0]) > 0);
	for (i = 0; i < n.n_groups; i++) {
		assert_true(group_name_is_valid(n.groups[i].name, strlen(n.groups[i].name)));
		assert_true(strlen(n.groups[i].name) < MAX_NAME * 3);
		for (j = 0; j < i; j++)
			assert_string_not_equal(n.groups[i].name, n.groups[j].name);
	}
	assert_true(n.n_groups > 4);
	arena_release(&a);
}

static void memory_runs_out(void **state)
{
	static const char *const regions[] = { "eu", "us" };
	struct shape s = { .nodes = 400,
			   .relays = { "ra", "rb" },
			   .relay_regions = { "eu", NULL },
			   .regions = regions,
			   .n_regions = 2 };
	struct arena a, b;
	struct m_network *m;
	struct network n;
	struct diag d;
	size_t at = 0;
	bool hit;
	int r;

	arena_init(&a);
	m = make(&s, &a);
	do {
		arena_init(&b);
		diag_init(&d, &b);
		fail_alloc_at(++at);
		r = compile(m, NULL, 1, &b, &d, &n);
		hit = fail_alloc_stop();
		if (r)
			assert_true(hit && d.nomem);
		arena_release(&b);
	} while (hit);
	assert_int_equal(r, 0);
	assert_true(at > 5);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_spread),
		cmocka_unit_test(a_relay_that_goes_moves_its_own_pairs),
		cmocka_unit_test(the_region_of_either_side_is_preferred),
		cmocka_unit_test(a_lonely_node_needs_no_relay),
		cmocka_unit_test(it_stays_small),
		cmocka_unit_test(long_names_are_hashed),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
