/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names on the host, over a model of it: where they go, that nothing is done twice, that all of it
 * goes away again, and every call failing, or being the last one, in turn.
 */
#include "tests/unit/unit.h"

#include "agent/hosts_block.h"
#include "agent/names.h"
#include "tests/unit/dice.h"
#include "tests/unit/fail_alloc.h"

#define USER "127.0.0.1 localhost\n"
#define LINES "10.20.0.1\ta.mesh.example.net\t# meshrc prod\n"
#define OTHER_LINES "10.20.0.2\tb.mesh.example.net\t# meshrc prod\n"
#define BLOCK(lines) "# BEGIN meshrc prod: kept by meshrc-agent\n" lines "# END meshrc prod\n"

struct model {
	char file[1024];
	bool resolved; /* it runs and is asked */
	bool mute; /* it does not answer */
	bool has_link; /* the interface wg0 is there */
	struct ipaddr servers[4];
	size_t n_servers;
	char domain[64]; /* "": none */
};

struct world {
	struct names_system s;
	struct model m;
	struct names_record disk;
	unsigned int calls, fail_at, saves, asked;
	bool after, dead; /* as in fake_host.h */
	bool stubborn; /* takes everything and keeps nothing */
	struct names_wanted wanted;
	struct names_result result;
	struct arena arena;
	struct err error;
};

static struct world *world_of(struct names_system *s)
{
	return (struct world *)(void *)s;
}

/* 0: goes well; 1: fails undone; 2: done, then told as failed. */
static int fault(struct world *w)
{
	w->calls++;
	if (!w->fail_at || w->calls < w->fail_at)
		return 0;
	if (w->dead)
		return w->calls == w->fail_at && w->after ? 2 : 1;
	return w->calls > w->fail_at ? 0 : w->after ? 2 : 1;
}

#define BEGIN                          \
	struct world *w = world_of(s); \
	int f = fault(w);              \
	if (f == 1)                    \
	return err_set(e, ERR_IO, "made to fail")
#define END return f ? err_set(e, ERR_IO, "made to fail") : 0

static int m_resolved(struct names_system *s, bool *ret, struct err *e)
{
	BEGIN;
	w->asked++;
	if (w->m.mute)
		return err_set(e, ERR_IO, "no answer");
	*ret = w->m.resolved;
	END;
}

static int m_link(struct names_system *s, const struct ifname *i, struct arena *a,
		  struct link_names *ret, struct err *e)
{
	BEGIN;
	w->asked++;
	if (!w->m.has_link || strcmp(i->s, "wg0") != 0 || (!w->m.resolved && !w->m.mute))
		return err_set(e, ERR_NOENT, "no such link");
	if (w->m.mute)
		return err_set(e, ERR_IO, "no answer");
	*ret = (struct link_names){ .servers = w->m.servers,
				    .n_servers = w->m.n_servers,
				    .domain = w->m.domain[0] ? w->m.domain : NULL };
	END;
}

static int m_set_link(struct names_system *s, const struct ifname *i, const struct link_names *n,
		      struct err *e)
{
	BEGIN;
	assert_true(w->m.has_link && w->m.resolved && !w->m.mute);
	assert_string_equal(w->disk.link.s, i->s);
	if (w->stubborn)
		return 0;
	w->m.n_servers = n ? n->n_servers : 0;
	if (n && n->n_servers)
		memcpy(w->m.servers, n->servers, n->n_servers * sizeof(*n->servers));
	snprintf(w->m.domain, sizeof(w->m.domain), "%s", n ? n->domain : "");
	END;
}

static int m_hosts(struct names_system *s, const char *network, const char *lines, size_t len,
		   bool dry, bool *ret_changed, struct err *e)
{
	struct buf b;
	BEGIN;
	buf_init(&b, sizeof(w->m.file) - 1);
	if (hosts_block_edit(w->m.file, strlen(w->m.file), network, lines, len, &b) < 0) {
		buf_release(&b);
		return err_nomem(e);
	}
	*ret_changed = strcmp(w->m.file, b.len ? b.data : "") != 0;
	if (!dry && !w->stubborn) {
		/* Before anything of ours is there, it is recorded. */
		assert_true(w->disk.hosts || !len);
		snprintf(w->m.file, sizeof(w->m.file), "%s", b.len ? b.data : "");
	}
	buf_release(&b);
	END;
}

static void m_rest(struct names_system *s)
{
}

static int m_save(void *arg, const struct names_record *r, struct err *e)
{
	struct world *w = arg;
	int f = fault(w);

	if (f == 1)
		return err_set(e, ERR_IO, "made to fail");
	w->saves++;
	w->disk = *r;
	END;
}

static const struct names_ops ops = {
	.resolved = m_resolved,
	.link = m_link,
	.set_link = m_set_link,
	.hosts = m_hosts,
	.rest = m_rest,
};

static const struct ipaddr servers[] = { { 4, { 10, 20, 0, 1 } }, { 6, { 0xfd } } };

static void want(struct world *w, size_t n_servers, const char *lines)
{
	w->wanted = (struct names_wanted){ .interface = { "wg0" },
					   .domain = "mesh.example.net",
					   .servers = servers,
					   .n_servers = n_servers,
					   .resolved = true,
					   .hosts = *lines != '\0',
					   .lines = lines,
					   .lines_len = strlen(lines) };
}

static void want_nothing(struct world *w)
{
	w->wanted = (struct names_wanted){ .interface = { "wg0" } };
}

static void world_init(struct world *w)
{
	*w = (struct world){ .s = { .ops = &ops }, .m = { .has_link = true, .resolved = true } };
	snprintf(w->m.file, sizeof(w->m.file), "%s", USER);
	arena_init(&w->arena);
}

static int run(struct world *w, bool look, bool dry)
{
	struct names_record record = w->disk;
	struct names_store store = { m_save, w };

	w->error = (struct err){ 0 };
	w->calls = w->saves = w->asked = 0;
	return names_converge(&w->s, &w->wanted, "prod", look, dry, &record, &store, &w->arena,
			      &w->result, &w->error);
}

static void must_run(struct world *w)
{
	if (run(w, false, false) < 0)
		fail_msg("%s", w->error.msg);
	assert_true(w->result.verified);
}

/* Once more: nothing is written and nothing is to be done. */
static void must_stay(struct world *w)
{
	struct model before = w->m;

	must_run(w);
	assert_int_equal(w->result.n_ops, 0);
	assert_int_equal(w->result.sets, 0);
	assert_int_equal(w->saves, 0);
	assert_memory_equal(&before, &w->m, sizeof(before));
}

static void test_hosts(void **unused)
{
	struct world w;

	world_init(&w);
	want(&w, 0, LINES);
	assert_int_equal(run(&w, false, true), 0);
	assert_int_equal(w.result.n_ops, 1);
	assert_string_equal(w.m.file, USER);
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_HOSTS);
	assert_string_equal(w.m.file, USER BLOCK(LINES));
	/* Without a server nobody asks systemd-resolved anything. */
	assert_int_equal(w.asked, 0);
	assert_true(w.disk.hosts);
	must_stay(&w);
	want(&w, 0, OTHER_LINES);
	must_run(&w);
	assert_string_equal(w.m.file, USER BLOCK(OTHER_LINES));
	want_nothing(&w);
	must_run(&w);
	assert_string_equal(w.m.file, USER);
	assert_true(names_record_empty(&w.disk));
	must_stay(&w);
	arena_release(&w.arena);
}

static void test_resolved(void **unused)
{
	struct world w;

	world_init(&w);
	want(&w, 2, LINES);
	w.m.has_link = false;
	assert_int_equal(run(&w, false, true), 0);
	assert_int_equal(w.result.n_ops, 1);
	w.m.has_link = true;
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_RESOLVED);
	assert_int_equal(w.m.n_servers, 2);
	assert_string_equal(w.m.domain, "mesh.example.net");
	assert_string_equal(w.m.file, USER);
	assert_string_equal(w.disk.link.s, "wg0");
	must_stay(&w);
	/* Somebody changed it. */
	w.m.n_servers = 1;
	must_run(&w);
	assert_int_equal(w.m.n_servers, 2);
	/* It does not say: what is there stays. */
	w.m.mute = true;
	assert_int_equal(run(&w, false, false), -1);
	assert_string_equal(w.m.file, USER);
	assert_int_equal(w.m.n_servers, 2);
	w.m.mute = false;
	/* It is stopped for good: /etc/hosts serves. */
	w.m.resolved = false;
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_HOSTS);
	assert_string_equal(w.m.file, USER BLOCK(LINES));
	assert_string_equal(w.disk.link.s, "");
	must_stay(&w);
	/* And is started again. */
	w.m.n_servers = 0;
	w.m.domain[0] = '\0';
	w.m.resolved = true;
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_RESOLVED);
	assert_string_equal(w.m.file, USER);
	assert_false(w.disk.hosts);
	/* Not wanted any more. */
	want_nothing(&w);
	must_run(&w);
	assert_int_equal(w.m.n_servers, 0);
	assert_true(names_record_empty(&w.disk));
	arena_release(&w.arena);
}

static void test_choices(void **unused)
{
	struct world w;

	world_init(&w);
	/* Neither may be used. */
	want(&w, 2, "");
	w.wanted.resolved = false;
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_NONE);
	/* /etc/hosts alone. */
	want(&w, 2, LINES);
	w.wanted.resolved = false;
	must_run(&w);
	assert_int_equal(w.result.how, NAMES_HOSTS);
	assert_int_equal(w.asked, 0);
	/* No answer from the start: /etc/hosts serves, and it is told. */
	want_nothing(&w);
	must_run(&w);
	want(&w, 2, LINES);
	w.m.mute = true;
	assert_int_equal(run(&w, false, false), -1);
	assert_int_equal(w.result.how, NAMES_HOSTS);
	assert_string_equal(w.m.file, USER BLOCK(LINES));
	assert_non_null(strstr(w.error.msg, "no answer"));
	/* `down`, when the interface has gone already: the bus is not needed. */
	w.m.has_link = false;
	want_nothing(&w);
	assert_int_equal(run(&w, true, false), 0);
	assert_string_equal(w.m.file, USER);
	arena_release(&w.arena);
}

/* The record was lost with the state: the block is found all the same. */
static void test_look(void **unused)
{
	struct world w;

	world_init(&w);
	snprintf(w.m.file, sizeof(w.m.file), "%s", USER BLOCK(LINES));
	want_nothing(&w);
	must_run(&w);
	assert_string_equal(w.m.file, USER BLOCK(LINES));
	assert_int_equal(run(&w, true, false), 0);
	assert_string_equal(w.m.file, USER);
	arena_release(&w.arena);
}

static void test_not_kept(void **unused)
{
	struct world w;

	world_init(&w);
	w.stubborn = true;
	want(&w, 0, LINES);
	assert_int_equal(run(&w, false, false), -1);
	assert_int_equal(w.error.class, ERR_CONFLICT);
	want(&w, 1, LINES);
	assert_int_equal(run(&w, false, false), -1);
	assert_int_equal(w.error.class, ERR_CONFLICT);
	arena_release(&w.arena);
}

static void random_want(struct dice *d, struct world *w)
{
	static const char *const lines[] = { "", LINES, OTHER_LINES };

	want(w, dice_throw(d, 3), lines[dice_throw(d, 3)]);
	if (dice_one_in(d, 4))
		want_nothing(w);
	if (dice_one_in(d, 4))
		w->m.resolved = !w->m.resolved;
}

static void check_all(struct world *w)
{
	const struct names_wanted *x = &w->wanted;
	bool servers_in_force = x->domain && x->n_servers && w->m.resolved;
	char text[1024] = USER;

	if (w->m.resolved) {
		assert_int_equal(w->m.n_servers, servers_in_force ? x->n_servers : 0);
		assert_string_equal(w->m.domain, servers_in_force ? x->domain : "");
	}
	if (x->domain && !servers_in_force && x->hosts)
		snprintf(text, sizeof(text),
			 USER "# BEGIN meshrc prod: kept by meshrc-agent\n%s# END meshrc prod\n",
			 x->lines);
	assert_string_equal(w->m.file, text);
}

/* Every call fails in turn, or the process dies there; the next run puts all right, and at the end
 * nothing of ours is left. */
static void test_every_call_fails(void **unused)
{
	unsigned int round, n, hits = 0;
	struct dice d;

	dice_init(&d, 5);
	for (round = 0; round < 2000; round++) {
		struct world start;

		world_init(&start);
		random_want(&d, &start);
		must_run(&start);
		/* What it knows of a link dies with it. */
		if (!start.m.resolved)
			start.m.n_servers = start.m.domain[0] = 0;
		check_all(&start);
		random_want(&d, &start);
		if (!start.m.resolved)
			start.m.n_servers = start.m.domain[0] = 0;
		start.dead = dice_one_in(&d, 2);
		start.after = dice_one_in(&d, 2);
		for (n = 1;; n++) {
			struct world w = start;

			arena_init(&w.arena);
			w.s.ops = &ops;
			w.fail_at = n;
			(void)run(&w, false, false);
			if (w.calls < n) {
				assert_true(w.result.verified);
				check_all(&w);
				arena_release(&w.arena);
				break;
			}
			hits++;
			w.fail_at = 0;
			must_run(&w);
			check_all(&w);
			must_stay(&w);
			want_nothing(&w);
			must_run(&w);
			check_all(&w);
			assert_true(names_record_empty(&w.disk));
			arena_release(&w.arena);
		}
		arena_release(&start.arena);
	}
	assert_true(hits > 2000);
}

static void test_no_memory(void **unused)
{
	struct world w;
	size_t n;
	int r;

	for (n = 1;; n++) {
		world_init(&w);
		want(&w, 0, LINES);
		fail_alloc_at(n);
		r = run(&w, false, false);
		if (!fail_alloc_stop())
			break;
		assert_int_equal(r, -1);
		must_run(&w);
		check_all(&w);
		arena_release(&w.arena);
	}
	assert_int_equal(r, 0);
	arena_release(&w.arena);
}

static void test_print(void **unused)
{
	static const struct {
		const char *what;
		struct names_op op;
	} rows[] = {
		{ "names under a.b into /etc/hosts", { NAMES_HOSTS_SET, { "" }, "a.b" } },
		{ "names out of /etc/hosts", { NAMES_HOSTS_REMOVE, { "" }, NULL } },
		{ "systemd-resolved: name servers for a.b on wg0",
		  { NAMES_LINK_SET, { "wg0" }, "a.b" } },
		{ "systemd-resolved: no name servers on wg0",
		  { NAMES_LINK_REVERT, { "wg0" }, NULL } },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		buf_init(&b, 200);
		names_op_print(&rows[i].op, &b);
		assert_string_equal(b.data, rows[i].what);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),	  cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_choices),	  cmocka_unit_test(test_look),
		cmocka_unit_test(test_not_kept),  cmocka_unit_test(test_every_call_fails),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("names_host", tests, NULL, NULL);
}
