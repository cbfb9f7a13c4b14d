/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks inside each other: what is warned of is what packets do, on random stars with transit
 * some of whose nodes are joined with each other too; and packets and their answers go one way.
 */
#include "tests/unit/unit.h"

#include "publication/expand.h"
#include "reconciler/compile.h"
#include "reconciler/hidden.h"
#include "schema/load.h"
#include "tests/ref/hops.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/some_network.h"

#define ROUNDS 20000

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

/* ---- random networks ---- */

static void add_selector(struct m_selectors *s, const char *name)
{
	s->list[s->n++] = (struct m_selector){ .kind = SELECT_NODE, .name = name };
}

/* A star of all, and one or two meshes of some. */
static void star_and_mesh(struct dice *d, struct m_network *m)
{
	size_t i, j;

	m->has_topology = true;
	m->n_topology = 2 + dice_throw(d, 2);
	m->topology = arena_array(&arena, m->n_topology, sizeof(*m->topology));
	for (i = 0; i < m->n_topology; i++) {
		struct m_topology *t = &m->topology[i];

		t->kind = i ? TOPOLOGY_MESH : TOPOLOGY_STAR;
		t->transit = true;
		t->a.list = arena_array(&arena, SOME_MAX_NODES, sizeof(*t->a.list));
		t->b.list = arena_array(&arena, SOME_MAX_NODES, sizeof(*t->b.list));
		for (j = 0; j < m->n_nodes; j++) {
			if (!i)
				add_selector(j ? &t->b : &t->a, m->nodes[j].name);
			else if (!j || dice_one_in(d, 2))
				add_selector(&t->a, m->nodes[j].name);
		}
	}
}

/* Each network behind one node. */
static void some_routes(struct dice *d, struct m_network *m)
{
	static const struct prefix list[] = {
		{ 4, 16, { 192, 168 } },       { 4, 17, { 192, 168 } },
		{ 4, 20, { 192, 168 } },       { 4, 24, { 192, 168, 1 } },
		{ 4, 24, { 192, 168, 5 } },    { 4, 25, { 192, 168, 1, 128 } },
		{ 4, 32, { 192, 168, 5, 7 } }, { 4, 29, { 10, 20, 0, 0 } },
		{ 4, 12, { 172, 16 } },
	};
	size_t i;

	for (i = 0; i < m->n_nodes; i++) {
		m->nodes[i].n_routes = 0;
		m->nodes[i].routes =
			arena_array(&arena, ARRAY_LEN(list), sizeof(*m->nodes[i].routes));
	}
	for (i = 0; i < ARRAY_LEN(list); i++) {
		struct m_node *n = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];

		if (dice_one_in(d, 2))
			n->routes[n->n_routes++].prefix = list[i];
	}
}

struct end {
	const struct record *of;
	struct ipaddr address;
};

/* Who has the longest that holds the address: where it should arrive. */
static const struct record *home_of(const struct network *n, const struct ipaddr *a)
{
	const struct record *ret = NULL;
	int len = -1;
	size_t i, j;

	for (i = 0; i < n->n_records; i++) {
		const struct record *r = &n->records[i];

		if (!ipaddr_cmp(&r->addresses[0], a))
			return r;
		for (j = 0; j < r->n_routes; j++)
			if (prefix_contains_addr(&r->routes[j], a) && r->routes[j].len > len) {
				ret = r;
				len = r->routes[j].len;
			}
	}
	return ret;
}

/* The addresses of all nodes, and one in each network. */
static size_t make_ends(const struct network *n, struct end *list)
{
	size_t count = 0, i, j;

	for (i = 0; i < n->n_records; i++) {
		const struct record *r = &n->records[i];

		list[count++] = (struct end){ r, r->addresses[0] };
		for (j = 0; j < r->n_routes; j++) {
			struct ipaddr a = { .family = 4 };

			memcpy(a.b, r->routes[j].b, sizeof(a.b));
			if (r->routes[j].len < 32)
				a.b[3] |= 3;
			if (home_of(n, &a) == r)
				list[count++] = (struct end){ r, a };
		}
	}
	return count;
}

static bool arrives(const struct m_network *m, const struct network *n,
		    const struct config *configs, const struct end *from, const struct end *to,
		    bool *ret_meet, size_t *ret_hops)
{
	struct journey j = hops_from(m, n, configs, from->of, &from->address, &to->address);

	*ret_meet = j.fate != FATE_CANNOT_MEET;
	*ret_hops = j.hops;
	return j.fate == FATE_ARRIVED && !strcmp(j.last, to->of->name);
}

static void test_random(void **state)
{
	size_t seed, networks = 0, warned = 0, missed = 0, pairs = 0, asymmetric = 0;

	for (seed = 1; seed <= ROUNDS; seed++) {
		struct config configs[SOME_MAX_NODES];
		struct end ends[SOME_MAX_NODES * 8];
		size_t n_ends, i, j, before, bad = 0, hops, back;
		struct m_network *m;
		struct network n;
		struct diag diag;
		struct dice d;
		struct err e;
		bool meet;

		arena_release(&arena);
		dice_init(&d, seed);
		diag_init(&diag, &arena);
		m = some_network(&d, &arena);
		m->n_clients = m->n_policy = m->n_sites = 0;
		m->n_pools = 1;
		m->pools[0].prefix = (struct prefix){ 4, 16, { 10, 20 } };
		for (i = 0; i < m->n_nodes; i++) {
			m->nodes[i].exit_node.s = NULL;
			m->nodes[i].relay = false;
			m->nodes[i].site.s = NULL;
			m->nodes[i].has_addresses = false;
			m->nodes[i].n_seen = 0;
		}
		m->nodes[0].endpoint = (struct endpoint){ "hub.example.net", 1 };
		star_and_mesh(&d, m);
		some_routes(&d, m);
		if (compile(m, NULL, 1, &arena, &diag, &n) < 0)
			continue;
		networks++;
		for (i = 0; i < n.n_nodes; i++)
			assert_int_equal(expand(&n, &n.nodes[i], &arena, &configs[i], &e), 0);
		n_ends = make_ends(&n, ends);
		for (i = 0; i < n_ends; i++)
			for (j = 0; j < n_ends; j++) {
				if (ends[i].of == ends[j].of)
					continue;
				pairs++;
				if (!arrives(m, &n, configs, &ends[i], &ends[j], &meet, &hops)) {
					bad += meet;
					continue;
				}
				/* The answer takes the same way, unless it never sets out. */
				if (!arrives(m, &n, configs, &ends[j], &ends[i], &meet, &back) ||
				    back != hops)
					asymmetric += back != 0;
			}
		before = diag.warnings;
		assert_int_equal(hidden_check(m, &n, &diag), 0);
		if (diag.warnings > before && !bad)
			fail_msg("seed %zu: %s", seed, diag.entries[diag.n - 1].msg);
		warned += diag.warnings > before;
		missed += diag.warnings == before && bad;
	}
	print_message(
		"%zu networks, %zu pairs: %zu asymmetric; %zu networks warned of, %zu missed\n",
		networks, pairs, asymmetric, warned, missed);
	assert_int_equal(asymmetric, 0);
	assert_true(networks > ROUNDS / 10 && warned > networks / 20);
	assert_int_equal(missed, 0);
}

/* ---- what is told ---- */

#define KEYS(a, b, c, d)                                                                                        \
	"version: 1\naddresses: [10.20.0.0/24]\nnodes:\n"                                                       \
	"  hub: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: h, addresses: [10.20.0.1]" \
	"}\n"                                                                                                   \
	"  a: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, addresses: [10.20.0.2]" a              \
	"}\n"                                                                                                   \
	"  b: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, addresses: [10.20.0.3]" b              \
	"}\n"                                                                                                   \
	"  c: {public_key: b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE=, addresses: [10.20.0.4]" c              \
	"}\n"                                                                                                   \
	"  d: {public_key: M5H6qBwkaiVPRZTpP9Plyq2cPvVxW5Pnt7Wk0eXpKBQ=, addresses: [10.20.0.5]" d              \
	"}\n"                                                                                                   \
	"topology:\n  - star: {hubs: [hub], spokes: [a, b, c, d]}\n"

/* All warnings, or errors, of one text. */
static const char *told(const char *yaml)
{
	struct network *n = arena_alloc(&arena, sizeof(*n));
	struct model *m = arena_alloc(&arena, sizeof(*m));
	struct source *files = arena_array(&arena, 2, sizeof(*files));
	struct diag d;
	struct buf b;
	const char *s;

	files[0] = (struct source){ "meshrc.yaml", "version: 1\n", 11 };
	files[1] = (struct source){ "networks/net.yaml", yaml, strlen(yaml) };
	diag_init(&d, &arena);
	if (schema_load(files, 2, &arena, &d, m) == 0 &&
	    compile(&m->networks[0], NULL, 1, &arena, &d, n) == 0)
		assert_int_equal(hidden_check(&m->networks[0], n, &d), 0);
	buf_init(&b, 1 << 20);
	diag_render(&d, false, &b);
	s = arena_strdup(&arena, b.data);
	buf_release(&b);
	return s;
}

static void expect(const char *what, const char *yaml, const char *place, const char *words,
		   const char *other)
{
	const char *text = told(yaml);

	if (!words ? strstr(text, "hides") != NULL :
		     !strstr(text, place) || !strstr(text, words) || !strstr(text, other))
		fail_msg("%s: %s", what, text);
}

static void test_what_is_told(void **state)
{
	expect("one inside the other",
	       KEYS("", ", routes: [192.168.1.0/24]", ", routes: [192.168.0.0/16]",
		    "") "  - link: {between: [hub], and: [a]}\n",
	       NULL, NULL, NULL);
	expect("three, the middle one behind itself",
	       KEYS("", ", routes: [192.168.0.0/20]", ", routes: [192.168.0.0/16]",
		    ", routes: [192.168.1.0/24]"),
	       "networks/net.yaml:6:",
	       "warning: 192.168.0.0/20 behind `b` hides 192.168.1.0/24 behind `d`: `b` does not reach it",
	       "networks/net.yaml:8:98: note: behind `d`");
	expect("in a pool: the address of another", KEYS("", ", routes: [10.20.0.4/31]", "", ""),
	       "networks/net.yaml:6:",
	       "warning: 10.20.0.4/31 behind `b` hides 10.20.0.4 of `c`: `b` does not reach it",
	       "networks/net.yaml:7:77: note: of `c`");
	/* Everybody has an entry of its own for it. */
	expect("in a pool, in a mesh of all",
	       KEYS(", endpoint: x", ", routes: [10.20.0.4/31], endpoint: y", ", endpoint: z",
		    ", endpoint: w") "  - mesh: [a, b, c, d]\n",
	       NULL, NULL, NULL);
	/* The same network behind a spoke that is joined directly too is one prefix under two
	 * peers. */
	expect("a spoke with a network, joined with another spoke",
	       KEYS("", ", routes: [192.168.1.0/24], endpoint: x", "", "") "  - mesh: [a, b]\n",
	       "error:", "192.168.1.0/24 would stand under two peers, `b` and `hub`, on node `a`",
	       "note: `hub` gets it from here");
	/* That way of two is the longer one, and it leads nowhere. */
	expect("two spokes that cannot meet", KEYS("", "", "", "") "  - mesh: [a, b]\n",
	       "networks/net.yaml:11:5: warning: `a` and `b` cannot meet: neither has an endpoint",
	       "networks/net.yaml:10:19: note: as spokes of `hub` they would reach each other, if they were not joined",
	       "help: leave one of them out here");
}

static void test_out_of_memory(void **state)
{
	static const char yaml[] = KEYS("", ", routes: [192.168.0.0/20]",
					", routes: [192.168.0.0/16]", ", routes: [192.168.1.0/24]");
	struct source files[2] = { { "meshrc.yaml", "version: 1\n", 11 },
				   { "networks/net.yaml", yaml, sizeof(yaml) - 1 } };
	struct network n;
	struct model m;
	struct diag d;
	size_t at = 0;
	bool hit;
	int r;

	diag_init(&d, &arena);
	assert_int_equal(schema_load(files, 2, &arena, &d, &m), 0);
	assert_int_equal(compile(&m.networks[0], NULL, 1, &arena, &d, &n), 0);
	do {
		struct arena scratch;

		arena_init(&scratch);
		diag_init(&d, &scratch);
		fail_alloc_at(++at);
		r = hidden_check(&m.networks[0], &n, &d);
		hit = fail_alloc_stop();
		/* It fails, or says what it has to say. */
		assert_true(r < 0 ? hit : d.nomem || d.warnings == 1);
		arena_release(&scratch);
	} while (hit);
	assert_true(at > 10);
	assert_int_equal(d.warnings, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_random),
		T(test_what_is_told),
		T(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
