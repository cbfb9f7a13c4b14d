/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reachability worked out from the compiled network against packets that are followed hop by hop
 * through the expanded configurations, and against the rules as they were written; on random
 * networks, between every two ends.
 */
#include "tests/unit/unit.h"

#include "publication/expand.h"
#include "reconciler/compile.h"
#include "reconciler/reach.h"
#include "tests/ref/admit.h"
#include "tests/ref/hops.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/some_network.h"

#define ROUNDS 3000
#define MAX_ENDS (SOME_MAX_NODES * 6)

static uint64_t seed_now;

struct world {
	struct m_network *m;
	struct network n;
	struct config configs[SOME_MAX_NODES];
	struct reach *reach;
	struct reach_end ends[MAX_ENDS];
	size_t n_ends;
};

struct tally {
	size_t networks, pairs, all, some, none, behind, outside, clients, admitted, refused;
};

static const struct record *record_of(const struct world *w, const struct reach_end *e)
{
	return e->id == REACH_NOBODY ? NULL :
				       network_record(&w->n, reach_name(w->reach, e->id));
}

static bool has(const struct record *r, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < r->n_addresses; i++)
		if (!ipaddr_cmp(&r->addresses[i], a))
			return true;
	return false;
}

/* Whether the journey ends where it should. */
static bool is_there(const struct world *w, const struct journey *j, const struct reach_end *to)
{
	if (to->kind == REACH_OUTSIDE)
		return j->fate == FATE_OUTSIDE;
	if (j->fate != FATE_ARRIVED)
		return false;
	return to->kind == REACH_BEHIND ||
	       !strcmp(j->last, reach_name(w->reach, to->id));
}

static enum reach_answer ways_by_hops(const struct world *w, const struct reach_end *from,
				      const struct reach_end *to)
{
	const struct record *a = record_of(w, from), *b = record_of(w, to);
	size_t na = from->kind == REACH_NODE ? a->n_addresses : 1,
	       nb = to->kind == REACH_NODE ? b->n_addresses : 1, i, j, pairs = 0, arrived = 0,
	       answered = 0;

	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++) {
			const struct ipaddr *s = from->kind == REACH_NODE ? &a->addresses[i] :
									    &from->address,
					    *t = to->kind == REACH_NODE ? &b->addresses[j] :
									  &to->address;
			struct journey there, back;

			if (s->family != t->family)
				continue;
			pairs++;
			there = hops_from(&w->n, w->configs, a, s, t);
			if (!is_there(w, &there, to))
				continue;
			arrived++;
			back = hops_from(&w->n, w->configs, network_record(&w->n, there.last), t, s);
			answered += is_there(w, &back, from);
		}
	return pairs && answered == pairs ? REACH_ALL : arrived ? REACH_SOME : REACH_NONE;
}

/* A place as the reference has it. */
static struct ref_end ref_end_of(const struct world *w, const struct reach_end *e,
				 const struct ipaddr *a)
{
	const struct record *r = record_of(w, e);
	const struct m_node *node = r ? m_network_node(w->m, r->name) : NULL;

	if (r && !node)
		node = &m_network_client(w->m, r->name)->node;
	return (struct ref_end){ node, a, e->kind == REACH_BEHIND, e->kind == REACH_OUTSIDE };
}

static void check_policy(struct dice *d, struct world *w, const struct reach_end *from,
			 const struct reach_end *to, struct tally *t)
{
	static const struct ipaddr families[] = { { .family = 4 }, { .family = 6 } };
	const struct record *a = record_of(w, from), *b = record_of(w, to);
	struct service packet = some_packet(d);
	size_t f, pairs = 0, good = 0;
	enum reach_answer got;

	for (f = 0; f < 2; f++) {
		const struct ipaddr *s = &from->address, *x = &to->address;
		struct ref_end one, two;
		size_t i;

		/* By name, all addresses of a family are the same to the rules. */
		for (i = 0; from->kind == REACH_NODE && i < a->n_addresses; i++)
			if (a->addresses[i].family == families[f].family)
				s = &a->addresses[i];
		for (i = 0; to->kind == REACH_NODE && i < b->n_addresses; i++)
			if (b->addresses[i].family == families[f].family)
				x = &b->addresses[i];
		if (s->family != families[f].family || x->family != families[f].family ||
		    (from->kind == REACH_NODE && !has(a, s)) ||
		    (to->kind == REACH_NODE && !has(b, x)))
			continue;
		one = ref_end_of(w, from, s);
		two = ref_end_of(w, to, x);
		pairs++;
		good += reference_admits(w->m, &one, &two, &packet);
	}
	if (!pairs)
		return;
	assert_int_equal(reach_policy(w->reach, from, to, &packet, 1, &got), 0);
	if (packet.kind == SERVICE_ANY ? (got == REACH_ALL) != (good == pairs) :
					 got != (good == pairs ? REACH_ALL :
						 good	       ? REACH_SOME :
								 REACH_NONE)) {
		char p[REACH_END_STRLEN], q[REACH_END_STRLEN], on[SERVICE_STRLEN];

		fail_msg("%s to %s on %s: %d, and %zu of %zu", reach_end_print(w->reach, from, p),
			 reach_end_print(w->reach, to, q), service_print(&packet, on), got, good,
			 pairs);
	}
	t->admitted += got == REACH_ALL;
	t->refused += got == REACH_NONE;
}

static void check_pair(struct dice *d, struct world *w, const struct reach_end *from,
		       const struct reach_end *to, struct tally *t)
{
	char a[REACH_END_STRLEN], b[REACH_END_STRLEN];
	enum reach_answer want, got, again;
	struct reach_path path;
	bool back = false;

	if (reach_same(w->reach, from, to))
		return;
	if (from->kind == REACH_OUTSIDE)
		return;
	want = ways_by_hops(w, from, to);
	/* Where nobody leads out, no rule about it becomes a permit. */
	if (to->kind != REACH_OUTSIDE || want != REACH_NONE)
		check_policy(d, w, from, to, t);
	assert_int_equal(reach_ways(w->reach, from, to, &got, &path, &back), 0);
	if (want != got)
		fail_msg("%s to %s: %d, not %d", reach_end_print(w->reach, from, a),
			 reach_end_print(w->reach, to, b), got, want);
	/* Asked again, what is remembered says the same; and the path says why. */
	assert_int_equal(reach_ways(w->reach, from, to, &again, NULL, NULL), 0);
	assert_int_equal(again, got);
	assert_int_equal(path.fate == REACH_ARRIVES, got == REACH_ALL);
	t->pairs++;
	t->all += got == REACH_ALL;
	t->some += got == REACH_SOME;
	t->none += got == REACH_NONE;
	t->behind += got == REACH_ALL && to->kind == REACH_BEHIND;
	t->outside += got == REACH_ALL && to->kind == REACH_OUTSIDE;
	t->clients += got == REACH_ALL && to->kind == REACH_NODE && record_of(w, to)->gateway;
}

static void make_ends(struct world *w, struct arena *a)
{
	static const char *const wide[] = { "172.20.0.0/16", "fd99::/16" };
	size_t i, j, n;
	uint32_t id;

	w->n_ends = 0;
	for (id = 0; id < reach_count(w->reach); id++)
		w->ends[w->n_ends++] = reach_node(id);
	for (i = 0; i < 2; i++) {
		struct reach_end *list;
		struct prefix p;
		bool host_bits;

		assert_int_equal(prefix_parse(wide[i], strlen(wide[i]), &p, &host_bits), 0);
		assert_int_equal(reach_behind(w->reach, &p, a, &list, &n), 0);
		for (j = 0; j < n; j++)
			w->ends[w->n_ends++] = list[j];
		w->n_ends += reach_outside(w->reach, i ? 6 : 4, &w->ends[w->n_ends]);
	}
	assert_true(w->n_ends <= MAX_ENDS);
}

static void test_random(void **state)
{
	struct tally t = { 0 };
	size_t i, j;

	for (seed_now = 1; seed_now <= ROUNDS; seed_now++) {
		struct err e = { 0 };
		struct world w = { 0 };
		struct arena a;
		struct dice d;
		struct diag diag;

		dice_init(&d, seed_now);
		arena_init(&a);
		diag_init(&diag, &a);
		w.m = some_network(&d, &a);
		assert_non_null(w.m);
		if (compile(w.m, NULL, 1, &a, &diag, &w.n) == 0) {
			for (i = 0; i < w.n.n_nodes; i++)
				if (expand(&w.n, &w.n.nodes[i], &a, &w.configs[i], &e) < 0)
					fail_msg("%s", e.msg);
			assert_int_equal(reach_new(&w.n, &w.reach, &e), 0);
			make_ends(&w, &a);
			for (i = 0; i < w.n_ends; i++)
				for (j = 0; j < w.n_ends; j++)
					check_pair(&d, &w, &w.ends[i], &w.ends[j], &t);
			reach_free(w.reach);
			t.networks++;
		}
		arena_release(&a);
	}
	print_message("%zu networks, %zu pairs: all %zu (%zu behind, %zu outside, %zu clients), some %zu, none %zu; "
		      "policy: %zu admitted, %zu refused\n",
		      t.networks, t.pairs, t.all, t.behind, t.outside, t.clients, t.some, t.none,
		      t.admitted, t.refused);
	assert_true(t.networks > 500);
	assert_true(t.all > 10 * (size_t)ROUNDS && t.none > 10 * (size_t)ROUNDS);
	assert_true(t.behind > ROUNDS && t.outside > ROUNDS / 10 && t.clients > ROUNDS);
	assert_true(t.admitted > ROUNDS && t.refused > ROUNDS);
}

static int say_seed(void **state)
{
	if (seed_now && seed_now <= ROUNDS)
		print_message("failed with seed %llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
