/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pinning a whole configuration: what is chosen, and that a result which is not the same network is
 * never let through. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "reconciler/compile.h"
#include "reconciler/pin.h"
#include "schema/load.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/keys.h"

static const char one[] = "version: 1\naddresses: [10.1.0.0/24]\nnodes:\n"
			  "  a: {public_key: " KEY_A ", endpoint: 'a:1'}\n"
			  "  b: {public_key: " KEY_B ", endpoint: 'b:1'}\n"
			  "  c: {public_key: " KEY_C ", endpoint: 'c:1', addresses: [10.1.0.9]}\n";
static const char two[] = "version: 1\naddresses: [10.2.0.0/24]\nlisten_port: 5\nnodes:\n"
			  "  b: {public_key: " KEY_B ", endpoint: 'b:2'}\n"
			  "  z: {public_key: " KEY_A ", endpoint: 'z:1'}\n"
			  "clients:\n"
			  "  zz: {public_key: " KEY_C ", gateway: z}\n";

/* A session without a repository: networks one and two, compiled. */
static void open_session(struct session *s)
{
	size_t i;

	*s = (struct session){ 0 };
	arena_init(&s->arena);
	diag_init(&s->diag, &s->arena);
	s->n_files = 4;
	s->files = arena_array(&s->arena, s->n_files, sizeof(*s->files));
	assert_non_null(s->files);
	s->files[0] = (struct source){ "meshrc.yaml", "version: 1\n", 11 };
	s->files[1] = (struct source){ "networks/one.yaml", one, strlen(one) };
	s->files[2] = (struct source){ "networks/two.yaml", two, strlen(two) };
	s->files[3] = (struct source){ "trust/root-1", "not YAML: {", 11 };
	assert_int_equal(schema_load(s->files, 3, &s->arena, &s->diag, &s->model), 0);
	s->n_networks = s->model.n_networks;
	assert_int_equal(s->n_networks, 2);
	s->networks = arena_array(&s->arena, s->n_networks, sizeof(*s->networks));
	assert_non_null(s->networks);
	for (i = 0; i < s->n_networks; i++) {
		const struct m_network *m = &s->model.networks[i];
		struct network *compiled = arena_alloc(&s->arena, sizeof(*compiled));

		assert_non_null(compiled);
		assert_int_equal(compile(m, NULL, 1, &s->arena, &s->diag, compiled), 0);
		s->networks[i] = (struct session_network){ m->name, m, compiled, NULL };
	}
}

static void choose(struct session *s, const char *const *names, size_t n, struct pin_set *set)
{
	struct err e = { 0 };

	if (pin_choose(s, names, n, &s->arena, set, &e) < 0)
		fail_msg("%s", e.msg);
}

static void test_choose(void **state)
{
	static const char *const twice[] = { "z", "a", "z", "c" }, *const client[] = { "zz" },
				 *const both[] = { "b" }, *const wrong[] = { "aa" };
	struct pin_set set;
	struct err e = { 0 };
	struct session s;

	open_session(&s);
	choose(&s, NULL, 0, &set);
	assert_int_equal(set.n_nodes, 5);
	assert_int_equal(set.already, 1);
	choose(&s, twice, 4, &set);
	assert_int_equal(set.n_nodes, 2);
	assert_int_equal(set.already, 1);
	assert_string_equal(set.nodes[0].node->name, "a");
	assert_string_equal(set.nodes[1].network, "two");
	choose(&s, client, 1, &set);
	assert_int_equal(set.n_nodes, 1);
	assert_string_equal(set.nodes[0].section, "clients");
	assert_string_equal(set.nodes[0].node->name, "zz");
	assert_int_equal(pin_choose(&s, both, 1, &s.arena, &set, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_int_equal(pin_choose(&s, wrong, 1, &s.arena, &set, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	/* A network that is published still, but no longer written. */
	s.networks[0].model = NULL;
	s.networks[0].compiled = NULL;
	choose(&s, NULL, 0, &set);
	assert_int_equal(set.n_nodes, 3);
	choose(&s, both, 1, &set);
	assert_string_equal(set.nodes[0].network, "two");
	arena_release(&s.arena);
}

static void test_make(void **state)
{
	struct pin_set set;
	struct err e = { 0 };
	struct session s;

	open_session(&s);
	choose(&s, NULL, 0, &set);
	if (pin_make(&s, &s.arena, &set, &s.diag, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(set.n_files, 2);
	assert_string_equal(set.files[0].old->path, "networks/one.yaml");
	assert_string_equal(set.files[0].now.path, "networks/one.yaml");
	assert_ptr_equal(set.files[0].old->text, one);
	assert_non_null(strstr(set.files[0].now.text, "'a:1', addresses: [10.1.0.1]}"));
	assert_non_null(strstr(set.files[1].now.text, "'z:1', addresses: [10.2.0.2]}"));
	assert_non_null(strstr(set.files[1].now.text, ", addresses: [10.2.0.3], gateway: z}"));
	assert_int_equal(strlen(set.files[1].now.text), set.files[1].now.len);
	arena_release(&s.arena);
}

/* `place`: where it is told to be, NULL: at no node. */
static void expect_refused(struct session *s, struct pin_set *set, const char *place,
			   const char *words)
{
	struct err e = { 0 };
	struct diag d;
	struct buf out;

	diag_init(&d, &s->arena);
	buf_init(&out, 1 << 16);
	assert_int_equal(pin_make(s, &s->arena, set, &d, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);
	assert_int_equal(d.errors, place ? 1 : 0);
	buf_addf(&out, "%s\n", e.msg);
	diag_render(&d, false, &out);
	if (!strstr(out.data, words) || (place && !strstr(out.data, place)))
		fail_msg("'%s' and '%s' are not in: %s", words, place, out.data);
	if (place)
		assert_non_null(
			strstr(out.data, "help: nothing was written; give it `addresses: ["));
	buf_release(&out);
	arena_release(&s->arena);
}

/* The result is compared with what was compiled: so what was compiled is made another here. */
static void test_another_network_is_refused(void **state)
{
	static const char *const names[] = { "a" }, *const client[] = { "zz" };
	static const struct ipaddr taken = { 4, { 10, 1, 0, 2 } }, pool = { 4, { 10, 1, 0, 0 } },
				   free_one = { 4, { 10, 1, 0, 77 } },
				   other_one = { 4, { 10, 2, 0, 77 } };
	struct m_network changed;
	struct network other;
	struct pin_set set;
	struct session s;

	/* Another address than the node has. */
	open_session(&s);
	choose(&s, names, 1, &set);
	set.nodes[0].addresses = &free_one;
	expect_refused(&s, &set, "networks/one.yaml:4:3: error: `a` cannot be pinned",
		       "one would not stay as it is: its nodes would change");

	/* That of somebody who then gets another. */
	open_session(&s);
	choose(&s, names, 1, &set);
	set.nodes[0].addresses = &taken;
	expect_refused(&s, &set, "give it `addresses: [\"10.1.0.2\"]` yourself",
		       "one would not stay as it is: its nodes would change");

	/* One that the loader refuses. */
	open_session(&s);
	choose(&s, names, 1, &set);
	set.nodes[0].addresses = &pool;
	expect_refused(&s, &set, "networks/one.yaml:4:3", "cannot be a node's address");

	/* Of all, the one that is wrong is found. */
	open_session(&s);
	choose(&s, NULL, 0, &set);
	/* In a file clients come before nodes. */
	assert_string_equal(set.nodes[3].node->name, "b");
	set.nodes[3].addresses = &free_one;
	expect_refused(&s, &set, "networks/two.yaml:5:3: error: `b` cannot",
		       "in none of the network's pools");

	/* A network that is not edited counts too. */
	open_session(&s);
	choose(&s, names, 1, &set);
	changed = *s.networks[1].model;
	changed.mtu = (struct m_uint){ true, 1300, { 0 } };
	assert_int_equal(compile(&changed, NULL, 1, &s.arena, &s.diag, &other), 0);
	s.networks[1].compiled = &other;
	expect_refused(&s, &set, NULL, "two would not stay as it is: its nodes would change");

	/* Another node became pinned than the one that was chosen. */
	open_session(&s);
	choose(&s, names, 1, &set);
	s.model.networks[0].nodes[1].has_addresses = true;
	expect_refused(&s, &set, NULL, "one would not stay as it is: 'b' would be another node");

	/* The same of a client, and an address that it has not. */
	open_session(&s);
	choose(&s, names, 1, &set);
	s.model.networks[1].clients[0].node.has_addresses = true;
	expect_refused(&s, &set, NULL, "two would not stay as it is: 'zz' would be another client");
	open_session(&s);
	choose(&s, client, 1, &set);
	set.nodes[0].addresses = &other_one;
	expect_refused(&s, &set, "networks/two.yaml:8:3: error: `zz` cannot",
		       "two would not stay as it is: its records would change");

	/* The files are others than those that were loaded. */
	open_session(&s);
	choose(&s, names, 1, &set);
	s.n_files = 1;
	expect_refused(&s, &set, NULL, "its nodes or clients would be others");
	open_session(&s);
	choose(&s, names, 1, &set);
	s.files[2].len = 10;
	expect_refused(&s, &set, NULL, "the result would not stay as it is");
}

/* Every allocation failed once: told as such, never let through. */
static void test_no_memory(void **state)
{
	unsigned int nth;

	for (nth = 1;; nth++) {
		struct pin_set set;
		struct err e = { 0 };
		struct session s;
		bool failed;
		int r;

		open_session(&s);
		fail_alloc_at(nth);
		r = pin_choose(&s, NULL, 0, &s.arena, &set, &e);
		if (!r)
			r = pin_make(&s, &s.arena, &set, &s.diag, &e);
		failed = fail_alloc_stop();
		/* network_encode tells a line without memory as one that is too long. */
		if (r)
			assert_true(e.class == ERR_NOMEM || e.class == ERR_LIMIT);
		arena_release(&s.arena);
		if (!failed)
			break;
	}
	assert_true(nth > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_another_network_is_refused),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
