/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents of several networks on one host: none takes away what another still needs, the last one
 * leaves the host as the first one found it, whatever fails on the way. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/shared.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "publication/gateway.h"
#include "tests/unit/dice.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/fake_host.h"

#define BOTH (GATEWAY_IPV4 | GATEWAY_IPV6)
#define BOOT "9b7d5e4c-0000-4111-8222-333344445555"
#define N 3

static char top[] = "/tmp/meshrc-shared.XXXXXX";

static const char *const names[N] = { "alpha", "beta", "gamma" };

struct world {
	struct fake_host host;
	struct host_record tables[N]; /* each agent's own */
	unsigned int families[N]; /* that it was converged to last */
	bool good[N]; /* and that went well */
	unsigned int saves;
	struct err error;
	unsigned int sets; /* of the last run */
};

static void world_init(struct world *w)
{
	size_t i;

	memset(w, 0, sizeof(*w));
	fake_host_init(&w->host);
	for (i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "wg%zu", i);
		fake_host_add(&w->host, name)->there = false;
		w->host.m.list[i].hears = false;
	}
	fake_host_add(&w->host, "eth0")->route = true;
}

static char *path_of(char *out, size_t size)
{
	uint64_t number;

	assert_int_equal(os_file_number(AT_FDCWD, "/proc/self/ns/net", &number, NULL), 0);
	snprintf(out, size, "%s/host_%llu", top, (unsigned long long)number);
	return out;
}

static bool file_there(void)
{
	char path[128];

	return os_exists(AT_FDCWD, path_of(path, sizeof(path)));
}

static void no_file(void)
{
	char path[128];

	unlink(path_of(path, sizeof(path)));
}

struct saver {
	struct world *w;
	size_t who;
	struct shared_run *run;
};

static int save(void *arg, const struct host_record *r, struct err *e)
{
	struct saver *s = arg;

	s->w->saves++;
	s->w->tables[s->who] = *r;
	s->w->tables[s->who].n = 0;
	s->w->tables[s->who].boot[0] = '\0';
	return shared_save(s->run, r, e);
}

/* One agent's visit. Its interface is there while it is up. */
static int visit(struct world *w, size_t who, unsigned int families, bool up, bool dry)
{
	struct host_wanted wanted = { .families = families, .rules = "" };
	struct shared_run *run = calloc(1, sizeof(*run));
	struct saver saver = { w, who, run };
	struct host_store store = { save, &saver };
	struct host_result result = { .verified = false };
	struct arena arena;
	int r;

	assert_non_null(run);
	arena_init(&arena);
	w->error = (struct err){ 0 };
	w->sets = 0;
	if (!dry) {
		w->host.m.list[who].there = up;
		if (up && !w->families[who] && !w->good[who]) {
			w->host.m.list[who].forward4 = w->host.m.default4;
			w->host.m.list[who].forward6 = w->host.m.default6;
		}
	}
	if (up)
		snprintf(wanted.interface.s, sizeof(wanted.interface.s), "wg%zu", who);
	r = shared_begin(run, &w->host.h, top, names[who], &wanted, &w->tables[who], dry, &arena,
			 &w->error);
	if (!r)
		r = host_converge(&w->host.h, &run->wanted, names[who], false, dry, &run->record,
				  &store, &arena, &result, &w->error);
	if (shared_end(run, !r, r < 0 ? NULL : &w->error) < 0)
		r = -1;
	w->sets = result.sets;
	arena_release(&arena);
	free(run);
	if (!dry) {
		w->families[who] = families;
		w->good[who] = !r;
	}
	return r;
}

static void must(struct world *w, size_t who, unsigned int families, bool up)
{
	if (visit(w, who, families, up, false) < 0)
		fail_msg("%s: %s", names[who], w->error.msg);
}

static struct host_record peeked(size_t who)
{
	struct host_record r = { .n = 0 };
	struct err e = { 0 };

	if (shared_peek(top, names[who], &r, &e) < 0)
		fail_msg("%s", e.msg);
	return r;
}

static void the_last_one_puts_back(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	before = w.host.m;
	must(&w, 0, BOTH, true);
	assert_true(w.host.m.forward4 && w.host.m.forward6);
	must(&w, 1, GATEWAY_IPV4, true);
	assert_int_equal(w.sets, 0);
	/* Who brings nothing has no part in it. */
	w.host.calls = 0;
	must(&w, 2, 0, true);
	assert_int_equal(w.host.calls, 0);
	assert_int_equal(peeked(2).n, 0);
	assert_true(peeked(0).n && peeked(0).n == peeked(1).n);
	/* The first goes: what the second does not need goes with it. */
	must(&w, 0, 0, false);
	assert_true(w.host.m.forward4 && !w.host.m.forward6);
	assert_int_equal(peeked(0).n, 0);
	must(&w, 0, 0, false);
	must(&w, 1, GATEWAY_IPV4, true);
	assert_true(w.host.m.forward4 && !w.sets);
	must(&w, 1, 0, true); /* a gateway no more, but there */
	must(&w, 1, 0, false);
	must(&w, 2, 0, false);
	assert_true(host_model_equal(&w.host.m, &before));
	assert_false(file_there());
}

/* What is done for the table alone is no going. */
static void a_table_alone(void **unused)
{
	struct host_wanted alone = { .table_alone = true, .rules = "" };
	struct world w;

	world_init(&w);
	must(&w, 0, BOTH, true);
	assert_false(shared_concerned(top, names[0], &alone));
	alone.table_alone = false;
	assert_true(shared_concerned(top, names[0], &alone));
	must(&w, 0, 0, false);
	assert_false(shared_concerned(top, names[0], &alone));
}

/* An agent that is gone without a word: its interface tells. */
static void who_vanished_needs_nothing(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	before = w.host.m;
	must(&w, 0, BOTH, true);
	must(&w, 1, BOTH, true);
	w.host.m.list[0].there = false;
	must(&w, 1, 0, false);
	assert_true(host_model_equal(&w.host.m, &before));
	/* It comes back by itself. */
	must(&w, 0, BOTH, true);
	assert_true(w.host.m.forward4 && w.host.m.forward6);
	must(&w, 0, 0, false);
	assert_true(host_model_equal(&w.host.m, &before));
	assert_false(file_there());
}

static void forwarding_of_others_stays(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	w.host.m.forward4 = w.host.m.default4 = 1;
	w.host.m.redirects4 = 0;
	before = w.host.m;
	must(&w, 0, GATEWAY_IPV4, true);
	must(&w, 1, GATEWAY_IPV4, true);
	assert_false(file_there());
	must(&w, 1, 0, false);
	must(&w, 0, 0, false);
	assert_true(host_model_equal(&w.host.m, &before));
}

static void another_boot(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	before = w.host.m;
	must(&w, 0, BOTH, true);
	must(&w, 1, BOTH, true);
	/* All begins anew, with forwarding on by an administrator's hand. */
	snprintf(w.host.m.boot, sizeof(w.host.m.boot), BOOT);
	w.host.m.list[0].there = w.host.m.list[1].there = false;
	must(&w, 1, 0, false);
	assert_true(w.host.m.forward4 && w.host.m.forward6);
	assert_false(file_there());
	w.host.m = before;
	snprintf(w.host.m.boot, sizeof(w.host.m.boot), BOOT);
	must(&w, 0, BOTH, true);
	must(&w, 0, 0, false);
	assert_true(host_model_equal(&w.host.m, &before));
}

static void dry_changes_nothing(void **unused)
{
	struct host_model before;
	struct world w;
	char path[128];

	world_init(&w);
	before = w.host.m;
	assert_int_equal(visit(&w, 0, BOTH, true, true), 0);
	assert_true(host_model_equal(&w.host.m, &before) && !file_there());
	snprintf(path, sizeof(path), "%s/host_lock", top);
	unlink(path);
	assert_int_equal(visit(&w, 0, BOTH, true, true), 0);
	assert_false(os_exists(AT_FDCWD, path));
	must(&w, 0, BOTH, true);
	before = w.host.m;
	assert_int_equal(visit(&w, 0, 0, false, true), 0);
	assert_int_equal(visit(&w, 1, BOTH, true, true), 0);
	assert_int_equal(peeked(1).n, 0);
	assert_true(host_model_equal(&w.host.m, &before));
	must(&w, 0, 0, false);
}

static void damaged(void **unused)
{
	char path[128];
	struct world w;
	int fd;

	world_init(&w);
	must(&w, 0, BOTH, true);
	fd = open(path_of(path, sizeof(path)), O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, "meshrc host 1\n", 14) == 14 && !close(fd));
	/* Not known what was before: it stays on, and who needs it goes on. */
	must(&w, 0, BOTH, true);
	assert_true(w.host.m.forward4 && w.host.m.forward6);
	assert_false(file_there());
	must(&w, 0, 0, false);
	assert_true(w.host.m.forward4 && w.host.m.forward6);
	/* Not somebody else's file. */
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(visit(&w, 0, BOTH, true, false), -1);
	unlink(path);
}

/* Never less than who is up needs, and in the end what was before; each call may fail, or be the
 * last one of its process. */
static void any_order(void **unused)
{
	unsigned int round, step, faults = 0;
	struct dice d;
	size_t i;

	dice_init(&d, 3);
	for (round = 0; round < 700; round++) {
		struct host_model before;
		struct world w;

		world_init(&w);
		w.host.m.forward4 = dice_one_in(&d, 6);
		w.host.m.forward6 = dice_one_in(&d, 6);
		w.host.m.default4 = dice_one_in(&d, 5);
		w.host.m.redirects4 = dice_throw(&d, 2);
		before = w.host.m;
		for (step = 0; step < 10; step++) {
			size_t who = dice_throw(&d, N);
			unsigned int families = dice_throw(&d, 4);
			bool up = families || dice_one_in(&d, 2);

			w.host.calls = 0;
			w.host.fail_at = dice_one_in(&d, 3) ? 1 + dice_throw(&d, 25) : 0;
			w.host.dead = dice_one_in(&d, 2);
			w.host.fail_after = dice_one_in(&d, 2);
			faults += visit(&w, who, families, up, false) < 0;
			w.host.fail_at = 0;
			if (dice_one_in(&d, 2))
				must(&w, who, families, up);
			for (i = 0; i < N; i++) {
				if (!w.good[i])
					continue;
				if (w.families[i] & GATEWAY_IPV4 && !w.host.m.forward4)
					fail_msg("round %u: %s is without IPv4", round, names[i]);
				if (w.families[i] & GATEWAY_IPV6 && !w.host.m.forward6)
					fail_msg("round %u: %s is without IPv6", round, names[i]);
			}
		}
		/* Those that failed are gone over once more. */
		for (i = 0; i < N; i++)
			must(&w, i, w.families[i], w.host.m.list[i].there);
		for (i = 0; i < N; i++)
			must(&w, i, 0, false);
		if (!host_model_equal(&w.host.m, &before))
			fail_msg("round %u: not as it was", round);
		if (file_there())
			fail_msg("round %u: the record stays", round);
	}
	assert_true(faults > 200);
}

/* ---- codec ---- */

static void fill(struct shared *s, size_t users, size_t changes)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	snprintf(s->record.boot, sizeof(s->record.boot), BOOT);
	for (i = 0; i < users; i++) {
		snprintf(s->users[i].network, sizeof(s->users[i].network), "net%03zu", i);
		snprintf(s->users[i].interface.s, sizeof(s->users[i].interface.s), "wg%u",
			 (unsigned int)(i % 100));
		s->users[i].families = 1 + (unsigned int)i % 3;
	}
	s->n_users = users;
	for (i = 0; i < changes; i++) {
		char name[32];

		snprintf(name, sizeof(name), "eth%04zu", i);
		assert_true(sysctl_of(SYSCTL_RA6, name, &s->record.changes[i].sysctl));
		s->record.changes[i].before = 1;
		s->record.changes[i].set = 2;
	}
	s->record.n = changes;
}

static void round_trip(void **unused)
{
	static const struct {
		size_t users, changes;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 3, 2 }, { MAX_SHARED_USERS, MAX_HOST_CHANGES } };
	struct shared *s = calloc(2, sizeof(*s));
	struct buf text, again;
	struct err e = { 0 };
	size_t i;

	assert_non_null(s);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		buf_init(&text, 1 << 18);
		buf_init(&again, 1 << 18);
		fill(&s[0], cases[i].users, cases[i].changes);
		assert_int_equal(shared_encode(&s[0], &text), 0);
		if (shared_decode(text.data, text.len, &s[1], &e) < 0)
			fail_msg("case %zu: %s", i, e.msg);
		assert_int_equal(shared_encode(&s[1], &again), 0);
		assert_string_equal(text.data, again.data);
		assert_true(host_record_equal(&s[0].record, &s[1].record));
		assert_int_equal(s[1].n_users, cases[i].users);
		buf_release(&text);
		buf_release(&again);
	}
	free(s);
}

/* The text with its checksum made right. */
static int decode_body(const char *body)
{
	struct shared *s = calloc(1, sizeof(*s));
	char hex[DIGEST_STRLEN];
	struct err e = { 0 };
	struct digest sum;
	struct buf b;
	int r;

	assert_non_null(s);
	buf_init(&b, 1 << 18);
	buf_adds(&b, body);
	digest_of(body, strlen(body), &sum);
	buf_addf(&b, "checksum %s\n", digest_print(&sum, hex));
	r = shared_decode(b.data, b.len, s, &e);
	assert_true(!r || strstr(e.msg, "is damaged"));
	buf_release(&b);
	free(s);
	return r;
}

#define HEAD "meshrc host 1\nboot " BOOT "\n"

static void one_spelling(void **unused)
{
	static const char *const wrong[] = {
		"",
		"meshrc host 2\nboot " BOOT "\n",
		"meshrc host 1\nboot -\n",
		"meshrc host 1\n",
		HEAD "user b wg0 4\nuser a wg1 4\n",
		HEAD "user a wg0 4\nuser a wg0 4\n",
		HEAD "user a wg0 64\n",
		HEAD "user a wg0\n",
		HEAD "user a wg0 \n",
		HEAD "user a a/b 4\n",
		HEAD "user A wg0 4\n",
		HEAD "user a wg0 4 4\n",
		HEAD "sysctl net.ipv4.conf.all.rp_filter 0 1\n",
		HEAD "sysctl net.ipv4.conf.all.forwarding 0 01\n",
		HEAD "sysctl net.ipv4.conf.all.forwarding 0\n",
		HEAD "sysctl net.ipv4.conf.all.forwarding 0 4294967296\n",
		HEAD "sysctl net.ipv4.conf.all.forwarding 0 1\nuser a wg0 4\n",
		HEAD
		"sysctl net.ipv6.conf.all.forwarding 0 1\nsysctl net.ipv4.conf.all.forwarding 0 1\n",
		HEAD "user a wg0 4\nuser a/b wg1 4\n",
		HEAD
		"sysctl net.ipv4.conf.all.forwarding 0 1\nsysctl net.ipv4.conf.all.forwarding 0 1\n",
		HEAD "sysctl net.ipv4.conf.a/../b.forwarding 0 1\n",
		HEAD "sysctl net.ipv4.conf.//.forwarding 0 1\n",
		HEAD "sysctl net.ipv4.conf..forwarding 0 1\n",
		HEAD "sysctl net.ipv4.conf.abcdefghijklmnop.forwarding 0 1\n",
		HEAD "sysctl net.ipv4.conf.all.forwarding 0 -1\n",
		"meshrc host 1\nboot 9b7d5e4c\n",
		"meshrc host 1\nboot 9B7D5E4C-0000-4111-8222-333344445555\n",
		HEAD "nftables a b\n",
		HEAD "\n",
	};
	struct shared *s = calloc(1, sizeof(*s));
	struct buf b;
	size_t i;

	assert_non_null(s);
	assert_int_equal(decode_body(HEAD "user a wg0 46\nuser b wg1 6\n"
					  "sysctl net.ipv4.conf.all.forwarding 0 1\n"
					  "sysctl net.ipv4.conf.eth0/7.forwarding 0 4294967295\n"),
			 0);
	for (i = 0; i < ARRAY_LEN(wrong); i++)
		if (!decode_body(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
	/* One over each limit. */
	buf_init(&b, 1 << 18);
	buf_adds(&b, HEAD);
	for (i = 0; i <= MAX_SHARED_USERS; i++)
		buf_addf(&b, "user n%03zu wg0 4\n", i);
	assert_int_equal(decode_body(b.data), -1);
	buf_reset(&b);
	buf_adds(&b, HEAD);
	for (i = 0; i <= MAX_HOST_CHANGES; i++)
		buf_addf(&b, "sysctl net.ipv6.conf.e%04zu.accept_ra 1 2\n", i);
	assert_int_equal(decode_body(b.data), -1);
	/* A flipped byte, or a missing one. */
	buf_reset(&b);
	fill(s, 2, 2);
	assert_int_equal(shared_encode(s, &b), 0);
	for (i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_int_equal(shared_decode(b.data, b.len, s, NULL), -1);
		b.data[i] ^= 1;
		assert_int_equal(shared_decode(b.data, i, s, NULL), -1);
	}
	buf_release(&b);
	free(s);
}

static void too_many_networks(void **unused)
{
	struct shared *s = calloc(1, sizeof(*s));
	char path[128];
	struct world w;
	struct buf b;
	size_t i;

	assert_non_null(s);
	world_init(&w);
	must(&w, 0, GATEWAY_IPV4, true);
	fill(s, MAX_SHARED_USERS, 0);
	memcpy(s->record.boot, w.host.m.boot, sizeof(s->record.boot));
	for (i = 0; i < MAX_SHARED_USERS; i++)
		snprintf(s->users[i].interface.s, sizeof(s->users[i].interface.s), "eth0");
	s->record = peeked(0);
	buf_init(&b, 1 << 16);
	assert_int_equal(shared_encode(s, &b), 0);
	assert_int_equal(os_replace(AT_FDCWD, path_of(path, sizeof(path)), b.data, b.len, 0600,
				    NULL),
			 0);
	assert_int_equal(visit(&w, 1, GATEWAY_IPV4, true, false), -1);
	assert_int_equal(w.error.class, ERR_LIMIT);
	assert_int_equal(w.host.m.forward4, 1);
	buf_release(&b);
	free(s);
	no_file();
}

/* Every allocation fails once: told, or done all the same. */
static void no_memory(void **unused)
{
	unsigned int nth;

	for (nth = 1;; nth++) {
		struct host_model before;
		struct world w;
		bool failed;
		int r;

		world_init(&w);
		before = w.host.m;
		must(&w, 0, GATEWAY_IPV4, true);
		fail_alloc_at(nth + 1); /* the first one is the test's own */
		r = visit(&w, 1, BOTH, true, false);
		failed = fail_alloc_stop();
		if (r)
			assert_int_equal(w.error.class, ERR_NOMEM);
		assert_int_equal(w.host.m.forward4, 1);
		must(&w, 1, BOTH, true);
		must(&w, 0, 0, false);
		must(&w, 1, 0, false);
		assert_true(host_model_equal(&w.host.m, &before));
		if (!failed)
			break;
	}
	print_message("%u allocations\n", nth);
	assert_true(nth > 5);
}

/* Thousands of records: that they reach the disk is tested with the agent. */
static int no_fsync(int fd)
{
	return 0;
}

static int make_top(void **state)
{
	os_sys.fsync = no_fsync;
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	char path[128];

	no_file();
	snprintf(path, sizeof(path), "%s/host_lock", top);
	unlink(path);
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_puts_back),
		cmocka_unit_test(a_table_alone),
		cmocka_unit_test(who_vanished_needs_nothing),
		cmocka_unit_test(forwarding_of_others_stays),
		cmocka_unit_test(another_boot),
		cmocka_unit_test(dry_changes_nothing),
		cmocka_unit_test(damaged),
		cmocka_unit_test(any_order),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(one_spelling),
		cmocka_unit_test(too_many_networks),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
