/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reachability worked out from the compiled network against packets that are followed hop by hop
 * through the expanded configurations, and against the rules as they were written; on random
 * networks, between every two ends. The same networks are held against the reference compiler.
 */
#include "tests/unit/unit.h"

#include "publication/expand.h"
#include "reconciler/compile.h"
#include "reconciler/plan.h"
#include "reconciler/reach.h"
#include "tests/ref/admit.h"
#include "tests/ref/hops.h"
#include "tests/ref/reference.h"
#include "tests/unit/check_config.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/some_network.h"

#define ROUNDS 3000
#define MAX_ENDS (SOME_MAX_NODES * 12)

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
	size_t agreed; /* networks that both compilers refuse */
	size_t kinds[N_KINDS], most; /* networks with each kind, and with nearly all of them */
	size_t relayed, at_site; /* pairs of nodes; packets to a network of a site */
};

static const struct record *record_of(const struct world *w, const struct reach_end *e)
{
	return e->id == REACH_NOBODY ? NULL : network_record(&w->n, reach_name(w->reach, e->id));
}

static bool has(const struct record *r, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < r->n_addresses; i++)
		if (!ipaddr_cmp(&r->addresses[i], a))
			return true;
	return false;
}

/* What is in a pool is only behind who owns a part of it. */
static bool owns(const struct world *w, const char *name, const struct ipaddr *a)
{
	const struct m_node *n = m_network_node(w->m, name);
	bool pooled = false;
	size_t i;

	for (i = 0; i < w->m->n_pools; i++)
		pooled |= prefix_contains_addr(&w->m->pools[i].prefix, a);
	for (i = 0; pooled && i < n->n_addresses; i++) {
		struct prefix part = m_addr_prefix(&n->addresses[i]);

		if (n->addresses[i].owned && prefix_contains_addr(&part, a))
			return true;
	}
	return !pooled;
}

/* Whether the journey ends where it should. */
static bool is_there(const struct world *w, const struct journey *j, const struct reach_end *to)
{
	if (to->kind == REACH_OUTSIDE)
		return j->fate == FATE_OUTSIDE;
	if (j->fate != FATE_ARRIVED)
		return false;
	return to->kind == REACH_BEHIND ? owns(w, j->last, &to->address) :
					  !strcmp(j->last, reach_name(w->reach, to->id));
}

/* A pool inside the network behind a node: that draws what the pool has no way for, and it may go
 * round. */
static bool has_pool_inside(const struct m_network *m)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_routes; j++)
			if (prefix_contains(&m->nodes[i].routes[j].prefix, &m->pools[0].prefix))
				return true;
	return false;
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
			there = hops_from(w->m, &w->n, w->configs, a, s, t);
			assert_true(there.fate != FATE_LOOP || has_pool_inside(w->m));
			if (!is_there(w, &there, to))
				continue;
			arrived++;
			back = hops_from(w->m, &w->n, w->configs, network_record(&w->n, there.last),
					 t, s);
			assert_true(back.fate != FATE_LOOP || has_pool_inside(w->m));
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
	return (struct ref_end){ node, a, e->kind == REACH_BEHIND && !has(r, a),
				 e->kind == REACH_OUTSIDE };
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

static bool is_at_site(const struct world *w, const struct reach_end *e)
{
	size_t i, j;

	for (i = 0; i < w->m->n_sites; i++)
		for (j = 0; j < w->m->sites[i].n_routes; j++)
			if (prefix_contains_addr(&w->m->sites[i].routes[j].prefix, &e->address))
				return true;
	return false;
}

/* The peer that the node sends what is for the address to, or NULL. */
static const struct peer *sent_to(const struct config *c, const struct ipaddr *a)
{
	const struct peer *ret = NULL;
	size_t i, j;
	int len = -1;

	for (i = 0; i < c->n_peers; i++)
		for (j = 0; j < c->peers[i].n_allowed_ips; j++) {
			const struct prefix *p = &c->peers[i].allowed_ips[j];

			if (p->len > len && prefix_contains_addr(p, a)) {
				len = p->len;
				ret = &c->peers[i];
			}
		}
	return ret;
}

/* No prefix stands under two peers. */
static void check_prefixes(const struct config *c)
{
	size_t i, j, k, l;

	for (i = 0; i < c->n_peers; i++)
		for (j = i + 1; j < c->n_peers; j++)
			for (k = 0; k < c->peers[i].n_allowed_ips; k++)
				for (l = 0; l < c->peers[j].n_allowed_ips; l++)
					assert_int_not_equal(
						prefix_cmp(&c->peers[i].allowed_ips[k],
							   &c->peers[j].allowed_ips[l]),
						0);
}

/* Whom a relay joins have no entry for each other, and both send to that relay what is for the
 * other.
 */
static void check_relayed(const struct world *w, size_t a, size_t b, struct tally *t)
{
	const struct m_node *relay = reference_relay(w->m, &w->m->nodes[a], &w->m->nodes[b]);
	size_t ends[] = { a, b }, i, j;

	/* A network around the pool covers single addresses that stand beside it under a peer. */
	if (!relay || has_pool_inside(w->m))
		return;
	t->relayed++;
	for (i = 0; i < 2; i++) {
		const struct config *c = &w->configs[ends[i]];
		const struct record *other = network_record(&w->n, w->m->nodes[ends[!i]].name);

		assert_null(config_peer(c, &other->key));
		for (j = 0; j < other->n_addresses; j++) {
			const struct peer *p = sent_to(c, &other->addresses[j]);

			assert_non_null(p);
			assert_string_equal(p->name, relay->name);
		}
	}
}

/* Whether the reference compiler refuses it too; what it has for each node, else. */
static void check_reference(const struct world *w, bool compiled, struct arena *a, struct tally *t)
{
	struct ref_network want;
	size_t i, j;

	reference(w->m, NULL, a, &want);
	assert_int_equal(want.conflict || want.chain || want.loop || want.unclear || want.apart,
			 !compiled);
	t->agreed += !compiled;
	for (i = 0; compiled && i < w->n.n_nodes; i++) {
		check_config(&w->configs[i], &want.configs[i], true);
		check_prefixes(&w->configs[i]);
		for (j = 0; j < i; j++)
			check_relayed(w, i, j, t);
	}
}

static void count_kinds(const struct world *w, struct tally *t)
{
	bool has[N_KINDS];
	size_t i, n = 0;

	some_kinds(w->m, has);
	for (i = 0; i < N_KINDS; i++) {
		t->kinds[i] += has[i];
		n += has[i];
	}
	t->most += n >= N_KINDS * 3 / 4;
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
	if (want != got) {
		struct buf why;

		buf_init(&why, 4096);
		reach_path_print(w->reach, &path, &why);
		fail_msg("%s to %s: %d, not %d (%s)", reach_end_print(w->reach, from, a),
			 reach_end_print(w->reach, to, b), got, want, why.data);
	}
	/* Asked again, what is remembered says the same; and the path says why. */
	assert_int_equal(reach_ways(w->reach, from, to, &again, NULL, NULL), 0);
	assert_int_equal(again, got);
	assert_int_equal(path.fate == REACH_ARRIVES, got == REACH_ALL);
	t->pairs++;
	t->all += got == REACH_ALL;
	t->some += got == REACH_SOME;
	t->none += got == REACH_NONE;
	t->behind += got == REACH_ALL && to->kind == REACH_BEHIND;
	t->at_site += got == REACH_ALL && to->kind == REACH_BEHIND && is_at_site(w, to);
	t->outside += got == REACH_ALL && to->kind == REACH_OUTSIDE;
	t->clients += got == REACH_ALL && to->kind == REACH_NODE && record_of(w, to)->gateway;
}

static void make_ends(struct world *w, struct arena *a)
{
	static const char *const wide[] = { "172.20.0.0/16", "172.21.0.0/16",  "10.20.128.0/17",
					    "fd99::/16",     "fd21::80:0/105", "10.0.0.0/8",
					    "fd21::/48" };
	size_t i, j, n;
	uint32_t id;

	w->n_ends = 0;
	for (id = 0; id < reach_count(w->reach); id++)
		w->ends[w->n_ends++] = reach_node(id);
	for (i = 0; i < ARRAY_LEN(wide); i++) {
		struct reach_end *list;
		struct prefix p;
		bool host_bits;

		assert_int_equal(prefix_parse(wide[i], strlen(wide[i]), &p, &host_bits), 0);
		assert_int_equal(reach_behind(w->reach, &p, a, &list, &n), 0);
		for (j = 0; j < n; j++)
			w->ends[w->n_ends++] = list[j];
	}
	w->n_ends += reach_outside(w->reach, 4, &w->ends[w->n_ends]);
	w->n_ends += reach_outside(w->reach, 6, &w->ends[w->n_ends]);
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
		bool compiled;

		dice_init(&d, seed_now);
		arena_init(&a);
		diag_init(&diag, &a);
		w.m = some_network(&d, &a);
		assert_non_null(w.m);
		compiled = compile(w.m, NULL, 1, &a, &diag, &w.n) == 0;
		for (i = 0; compiled && i < w.n.n_nodes; i++)
			if (expand(&w.n, &w.n.nodes[i], &a, &w.configs[i], &e) < 0)
				fail_msg("%s", e.msg);
		check_reference(&w, compiled, &a, &t);
		if (compiled) {
			count_kinds(&w, &t);
			assert_int_equal(reach_new(&w.n, w.m, &w.reach, &e), 0);
			make_ends(&w, &a);
			for (i = 0; i < w.n_ends; i++)
				for (j = 0; j < w.n_ends; j++)
					check_pair(&d, &w, &w.ends[i], &w.ends[j], &t);
			reach_free(w.reach);
			t.networks++;
		}
		arena_release(&a);
	}
	print_message(
		"%zu networks, %zu pairs: all %zu (%zu behind, %zu outside, %zu clients), some %zu, none %zu; "
		"policy: %zu admitted, %zu refused\n",
		t.networks, t.pairs, t.all, t.behind, t.outside, t.clients, t.some, t.none,
		t.admitted, t.refused);
	print_message(
		"%zu networks with nearly all kinds, %zu refused by both compilers, %zu relayed "
		"pairs, %zu pairs with a network of a site; of each kind:",
		t.most, t.agreed, t.relayed, t.at_site);
	for (i = 0; i < N_KINDS; i++)
		print_message(" %zu", t.kinds[i]);
	print_message("\n");
	for (i = 0; i < N_KINDS; i++)
		assert_true(t.kinds[i] > ROUNDS / 50);
	assert_true(t.most > ROUNDS / 100 && t.agreed > ROUNDS / 50);
	assert_true(t.relayed > ROUNDS && t.at_site > ROUNDS);
	assert_true(t.networks > 500);
	assert_true(t.all > 10 * (size_t)ROUNDS && t.none > 10 * (size_t)ROUNDS);
	assert_true(t.behind > ROUNDS && t.outside > ROUNDS / 10 && t.clients > ROUNDS);
	assert_true(t.admitted > ROUNDS && t.refused > ROUNDS);
}

/* ---- Who gains and loses by policy ---- */

static bool lists_name(const char *const *list, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static size_t services_of(const char *const *texts, size_t n, struct service *out)
{
	const char *why;
	size_t i;

	for (i = 0; i < n; i++)
		assert_int_equal(service_parse(texts[i], strlen(texts[i]), &out[i], &why), 0);
	return n;
}

/* The one entry that is about the pair and says that it gains, or loses. */
static const struct plan_admission *entry_of(const struct plan *p, bool gained, const char *from,
					     const char *to)
{
	const struct plan_admission *ret = NULL;
	size_t i;

	for (i = 0; i < p->n_admissions; i++) {
		const struct plan_admission *a = &p->admissions[i];

		if (a->gained != gained || !lists_name(a->from, a->n_from, from) ||
		    !lists_name(a->to, a->n_to, to))
			continue;
		assert_null(ret);
		ret = a;
	}
	return ret;
}

static bool entry_has(const struct plan_admission *a, const struct service *s)
{
	struct service list[64];
	size_t n;

	if (!a)
		return false;
	assert_true(a->n_on < ARRAY_LEN(list) && a->n_but < ARRAY_LEN(list));
	if (a->n_on) {
		n = services_of(a->on, a->n_on, list);
		return services_cover(list, n, s);
	}
	n = services_of(a->but, a->n_but, list);
	return !services_overlap(list, n, s);
}

static bool admits(struct reach *r, const char *from, const char *to, const struct service *s)
{
	struct reach_end a = reach_node(reach_id(r, from)), b = reach_node(reach_id(r, to));
	enum reach_answer answer;

	assert_int_equal(reach_policy(r, &a, &b, s, 1, &answer), 0);
	return answer == REACH_ALL;
}

static bool joined(struct reach *r, const char *from, const char *to)
{
	struct reach_end a = reach_node(reach_id(r, from)), b = reach_node(reach_id(r, to));
	enum reach_answer answer;

	assert_int_equal(reach_ways(r, &a, &b, &answer, NULL, NULL), 0);
	return answer != REACH_NONE;
}

static void check_admissions(struct dice *d, const struct network n[2], const struct plan *p,
			     size_t counts[2])
{
	struct reach *r[2];
	struct err e = { 0 };
	uint64_t pairs[2] = { 0 };
	char text[SERVICE_STRLEN];
	size_t i, j, k;

	for (i = 0; i < 2; i++)
		assert_int_equal(reach_new(&n[i], NULL, &r[i], &e), 0);
	for (i = 0; i < n[0].n_records; i++)
		for (j = 0; j < n[0].n_records; j++) {
			const char *from = n[0].records[i].name, *to = n[0].records[j].name;
			const struct plan_admission *less = entry_of(p, false, from, to),
						    *more = entry_of(p, true, from, to);
			bool both = joined(r[0], from, to) && joined(r[1], from, to);

			if (i == j)
				continue;
			pairs[0] += less != NULL;
			pairs[1] += more != NULL;
			if (!both)
				assert_true(!less && !more);
			for (k = 0; both && k < 8; k++) {
				struct service s = some_packet(d);
				bool was = admits(r[0], from, to, &s),
				     is = admits(r[1], from, to, &s);

				/* What stands for more than one packet can be lost in part. */
				if (s.kind == SERVICE_ANY)
					continue;
				if (entry_has(less, &s) != (was && !is) ||
				    entry_has(more, &s) != (!was && is))
					fail_msg("%s to %s on %s: %d, then %d", from, to,
						 service_print(&s, text), was, is);
				counts[0] += was && !is;
				counts[1] += !was && is;
			}
		}
	assert_int_equal(pairs[0], p->pairs_refused);
	assert_int_equal(pairs[1], p->pairs_admitted);
	reach_free(r[0]);
	reach_free(r[1]);
}

static void test_admissions(void **state)
{
	size_t networks = 0, counts[2] = { 0 };

	for (seed_now = 1; seed_now <= ROUNDS / 3; seed_now++) {
		struct network n[2] = { 0 };
		struct plan p = { 0 };
		struct err e = { 0 };
		struct m_network *m;
		struct arena a;
		struct dice d;
		struct diag diag;

		dice_init(&d, seed_now);
		arena_init(&a);
		diag_init(&diag, &a);
		m = some_network(&d, &a);
		assert_non_null(m);
		if (compile(m, NULL, 1, &a, &diag, &n[0]) == 0 &&
		    some_other_policy(&d, &a, m) == 0 &&
		    compile(m, NULL, 2, &a, &diag, &n[1]) == 0) {
			assert_int_equal(plan_make(&n[0], &n[1], &a, &p, &e), 0);
			assert_false(p.ways_unknown);
			check_admissions(&d, n, &p, counts);
			networks++;
		}
		arena_release(&a);
	}
	seed_now = 0;
	print_message("%zu networks: %zu times lost, %zu gained\n", networks, counts[0], counts[1]);
	assert_true(networks > 500 && counts[0] > ROUNDS && counts[1] > ROUNDS);
}

/* ---- Out of memory ---- */

/* A network with relays, clients, networks behind nodes and rules. */
static int ask_all(const struct network *n, struct arena *a, size_t *ret_all)
{
	struct reach_end ends[64], *list;
	struct prefix p = { .family = 4 };
	struct service on = { SERVICE_TCP, 22, 22 };
	enum reach_answer answer;
	struct reach *r = NULL;
	struct err e = { 0 };
	size_t i, j, n_ends = 0, n_list = 0;
	uint32_t id;
	int ret = -1;

	*ret_all = 0;
	if (reach_new(n, NULL, &r, &e) < 0) {
		assert_int_equal(e.class, ERR_NOMEM);
		return -1;
	}
	for (id = 0; id < reach_count(r); id++)
		ends[n_ends++] = reach_node(id);
	if (reach_behind(r, &p, a, &list, &n_list) < 0)
		goto out;
	for (i = 0; i < n_list; i++)
		ends[n_ends++] = list[i];
	assert_true(n_ends < ARRAY_LEN(ends));
	for (i = 0; i < n_ends; i++)
		for (j = 0; j < n_ends; j++) {
			if (reach_ask(r, &ends[i], &ends[j], &on, 1, &answer) < 0)
				goto out;
			*ret_all += answer == REACH_ALL;
		}
	ret = 0;
out:
	reach_free(r);
	return ret;
}

static void test_no_memory(void **state)
{
	struct network n[2] = { 0 };
	struct plan p = { 0 };
	struct arena a;
	struct diag diag;
	size_t i, want, got;
	bool hit;

	arena_init(&a);
	diag_init(&diag, &a);
	for (seed_now = 1; !p.n_admissions || n[1].n_nodes < 6 || !n[1].n_permits; seed_now++) {
		struct m_network *m;
		struct err e = { 0 };
		struct dice d;

		dice_init(&d, seed_now);
		m = some_network(&d, &a);
		memset(n, 0, sizeof(n));
		if (!m || compile(m, NULL, 1, &a, &diag, &n[0]) < 0 ||
		    some_other_policy(&d, &a, m) < 0 || compile(m, NULL, 2, &a, &diag, &n[1]) < 0)
			memset(n, 0, sizeof(n));
		else
			assert_int_equal(plan_make(&n[0], &n[1], &a, &p, &e), 0);
	}
	assert_int_equal(ask_all(&n[1], &a, &want), 0);
	for (i = 1;; i++) {
		struct arena b;
		int r;

		arena_init(&b);
		fail_alloc_at(i);
		r = ask_all(&n[1], &b, &got);
		hit = fail_alloc_stop();
		arena_release(&b);
		assert_int_equal(r, hit ? -1 : 0);
		if (!hit)
			break;
	}
	assert_int_equal(got, want);
	for (i = 1, hit = true; hit; i++) {
		struct err e = { 0 };
		struct arena b;
		int r;

		arena_init(&b);
		memset(&p, 0, sizeof(p));
		fail_alloc_at(i);
		r = plan_make(&n[0], &n[1], &b, &p, &e);
		hit = fail_alloc_stop();
		assert_int_equal(r, hit ? -1 : 0);
		if (hit)
			assert_int_equal(e.class, ERR_NOMEM);
		else
			assert_true(p.n_admissions);
		arena_release(&b);
	}
	arena_release(&a);
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
		cmocka_unit_test_teardown(test_admissions, say_seed),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
