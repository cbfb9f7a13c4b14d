/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host around the interface: what is changed for forwarding and masquerading, in which order,
 * what every failure on the way leaves, and that going back leaves what was before. */
#include "tests/unit/unit.h"

#include "publication/gateway.h"
#include "tests/unit/dice.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/fake_host.h"

#define BOTH (GATEWAY_IPV4 | GATEWAY_IPV6)
#define RULES "table inet meshrc-prod { ... }"

struct world {
	struct fake_host host;
	struct host_record record; /* in memory */
	struct host_record disk; /* what a new process would read */
	unsigned int saves;
	bool full; /* the disk */
	struct host_wanted wanted;
	struct host_result result;
	struct arena arena;
	struct err error;
	char ops[4096]; /* of the last run, one a line */
};

static int save(void *arg, const struct host_record *r, struct err *e)
{
	struct world *w = arg;
	int fault = fake_host_fault(&w->host);

	w->saves++;
	if (fault == 1 || w->full)
		return err_set(e, ERR_IO, "the disk is full");
	w->disk = *r;
	return fault ? err_set(e, ERR_IO, "the disk is full") : 0;
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	fake_host_init(&w->host);
	w->wanted = (struct host_wanted){ .interface = { "wg0" }, .rules = "" };
	arena_init(&w->arena);
}

static void world_release(struct world *w)
{
	arena_release(&w->arena);
}

/* Where the frames of what was called before were. */
static void __attribute__((noinline)) use_stack(void)
{
	volatile char all[16384];
	size_t i;

	for (i = 0; i < sizeof(all); i++)
		all[i] = '#';
}

static int run(struct world *w, bool look, bool dry)
{
	struct host_store store = { save, w };
	struct buf text;
	size_t i;
	int r;

	arena_release(&w->arena);
	w->error = (struct err){ 0 };
	w->host.want_table = *w->wanted.rules;
	r = host_converge(&w->host.h, &w->wanted, "prod", look, dry, &w->record, &store, &w->arena,
			  &w->result, &w->error);
	use_stack();
	buf_init(&text, sizeof(w->ops) - 1);
	for (i = 0; i < w->result.n_ops; i++) {
		host_op_print(&w->result.ops[i], &text);
		buf_addc(&text, '\n');
	}
	snprintf(w->ops, sizeof(w->ops), "%s", text.len ? text.data : "");
	buf_release(&text);
	if (r < 0)
		assert_true(w->error.class && w->error.msg[0]);
	return r;
}

static void must_run(struct world *w)
{
	if (run(w, false, false) < 0)
		fail_msg("%s", w->error.msg);
	assert_true(w->result.verified);
}

static void want(struct world *w, unsigned int families, const char *rules)
{
	w->wanted.families = families;
	w->wanted.rules = rules;
}

/* ---- names ---- */

static void names_of_settings(void **unused)
{
	static const struct {
		const char *text, *path; /* path NULL: refused */
	} rows[] = {
		{ "net.ipv4.conf.all.forwarding", "net/ipv4/conf/all/forwarding" },
		{ "net.ipv4.conf.all.accept_redirects", "net/ipv4/conf/all/accept_redirects" },
		{ "net.ipv6.conf.eth0/100.accept_ra", "net/ipv6/conf/eth0.100/accept_ra" },
		{ "net.ipv6.conf.forwarding.forwarding", "net/ipv6/conf/forwarding/forwarding" },
		{ "net.ipv6.conf.abcdefghijklmno.accept_ra",
		  "net/ipv6/conf/abcdefghijklmno/accept_ra" },
		{ "net.ipv6.conf.abcdefghijklmnop.accept_ra", NULL },
		{ "net.ipv6.conf.eth0.100.accept_ra", NULL },
		{ "net.ipv6.conf..accept_ra", NULL },
		{ "net.ipv6.conf./.accept_ra", NULL },
		{ "net.ipv6.conf.//.accept_ra", NULL },
		{ "net.ipv4.conf.all.accept_ra", NULL },
		{ "net.ipv5.conf.all.forwarding", NULL },
		{ "net.ipv4.conf.all.forwardin", NULL },
		{ "net.ipv4.conf.all.forwarding.", NULL },
		{ "net.ipv4.conf.all", NULL },
		{ "net.ipv4.conf", NULL },
		{ "", NULL },
		{ "net.ipv4.conf.all.forwarding.and.so.on.and.so.on.and.so.on.and.so.on.and.so.on",
		  NULL },
	};
	char text[SYSCTL_STRLEN];
	struct sysctl s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int r = sysctl_parse(rows[i].text, strlen(rows[i].text), &s);

		if ((r == 0) != (rows[i].path != NULL))
			fail_msg("%s", rows[i].text);
		if (r < 0)
			continue;
		assert_string_equal(sysctl_print(&s, text), rows[i].text);
		assert_string_equal(sysctl_path(&s, text), rows[i].path);
	}
	assert_false(sysctl_of(SYSCTL_RA6, "a b", &s) || sysctl_of(SYSCTL_RA6, "\xc3\xa9", &s) ||
		     sysctl_of(SYSCTL_RA6, "", &s) || sysctl_of(SYSCTL_RA6, "..", &s));
}

/* ---- the straight way ---- */

static void on_and_off(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	/* Nobody who does not forward reads or stores anything. */
	must_run(&w);
	assert_true(!w.host.calls && !w.saves);
	fake_host_add(&w.host, "eth0")->route = true;
	fake_host_add(&w.host, "eth1")->ra = 0;
	fake_host_add(&w.host, "br-port")->hears = false;
	fake_host_add(&w.host, "tap")->forward4 = 1;
	fake_host_add(&w.host, "wg0");
	w.host.m.redirects4 = 0;
	before = w.host.m;
	want(&w, BOTH, RULES);
	assert_int_equal(run(&w, false, true), 0);
	assert_true(host_model_equal(&before, &w.host.m) && !w.saves && !w.host.h.sets);
	must_run(&w);
	assert_string_equal(w.ops, "nftables table inet meshrc-prod added\n"
				   "sysctl net.ipv4.conf.all.forwarding: 0 -> 1\n"
				   "sysctl net.ipv6.conf.eth0.accept_ra: 1 -> 2\n"
				   "sysctl net.ipv6.conf.tap.accept_ra: 1 -> 2\n"
				   "sysctl net.ipv6.conf.all.forwarding: 0 -> 1\n");
	assert_true(w.result.sets == 5 && w.host.h.sets == 5 && w.saves == 2);
	assert_true(w.host.m.list[0].route && w.host.m.has_table);
	assert_true(host_record_equal(&w.record, &w.disk));
	/* Again: nothing is sent, nothing is stored. */
	w.saves = 0;
	must_run(&w);
	assert_true(!w.result.n_ops && !w.result.sets && !w.saves);
	/* The network loses IPv6: only that goes back. */
	want(&w, GATEWAY_IPV4, RULES);
	must_run(&w);
	assert_string_equal(w.ops, "sysctl net.ipv6.conf.all.forwarding: 1 -> 0\n"
				   "sysctl net.ipv6.conf.eth0.accept_ra: 2 -> 1\n"
				   "sysctl net.ipv6.conf.tap.accept_ra: 2 -> 1\n");
	want(&w, 0, "");
	must_run(&w);
	assert_string_equal(w.ops, "sysctl net.ipv4.conf.all.forwarding: 1 -> 0\n"
				   "sysctl net.ipv4.conf.tap.forwarding: 0 -> 1\n"
				   "sysctl net.ipv4.conf.all.accept_redirects: 1 -> 0\n"
				   "nftables table inet meshrc-prod removed\n");
	assert_true(host_model_equal(&before, &w.host.m));
	assert_true(host_record_empty(&w.disk) && !w.disk.boot[0]);
	world_release(&w);
}

static void what_was_on_stays_on(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	fake_host_add(&w.host, "wg0");
	w.host.m.forward4 = w.host.m.forward6 = w.host.m.list[0].forward4 = 1;
	before = w.host.m;
	want(&w, BOTH, "");
	must_run(&w);
	/* Only our own interface was left out of it. */
	assert_string_equal(w.ops, "sysctl net.ipv4.conf.wg0.forwarding: 0 -> 1\n");
	want(&w, 0, "");
	must_run(&w);
	assert_true(host_model_equal(&before, &w.host.m));
	/* Without IPv6 in the kernel there is nothing of it to do. */
	world_release(&w);
	world_init(&w);
	w.host.m.has_ipv6 = false;
	want(&w, BOTH, "");
	must_run(&w);
	assert_string_equal(w.ops, "sysctl net.ipv4.conf.all.forwarding: 0 -> 1\n");
	world_release(&w);
}

static void what_others_set_since_stays(void **unused)
{
	struct world w;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	fake_host_add(&w.host, "eth1");
	want(&w, BOTH, "");
	must_run(&w);
	w.host.m.forward4 = 0;
	w.host.m.list[0].ra = 0;
	w.host.m.list[1].there = false;
	want(&w, 0, "");
	must_run(&w);
	assert_string_equal(w.ops, "sysctl net.ipv6.conf.all.forwarding: 1 -> 0\n");
	assert_int_equal(w.host.m.list[0].ra, 0);
	world_release(&w);
}

/* A new boot: what stands now is not of our doing. */
static void a_reboot(void **unused)
{
	struct world w;

	world_init(&w);
	want(&w, GATEWAY_IPV4, "");
	must_run(&w);
	w.host.m.boot[35] = '2';
	w.host.m.forward4 = 1; /* by an administrator's file */
	must_run(&w);
	assert_true(host_record_empty(&w.disk));
	want(&w, 0, "");
	must_run(&w);
	assert_int_equal(w.host.m.forward4, 1);
	/* And when it is off after the boot, it is turned on and off again. */
	w.host.m.forward4 = 0;
	want(&w, GATEWAY_IPV4, "");
	must_run(&w);
	w.host.m.boot[35] = '3';
	w.host.m.forward4 = 0;
	must_run(&w);
	assert_string_equal(w.ops, "sysctl net.ipv4.conf.all.forwarding: 0 -> 1\n");
	want(&w, 0, "");
	must_run(&w);
	assert_int_equal(w.host.m.forward4, 0);
	world_release(&w);
}

static void a_table_in_other_hands(void **unused)
{
	struct world w;

	world_init(&w);
	want(&w, 0, RULES);
	must_run(&w);
	snprintf(w.host.m.table, sizeof(w.host.m.table), "%s", RULES " and more");
	must_run(&w);
	assert_string_equal(w.ops, "nftables table inet meshrc-prod replaced\n");
	assert_string_equal(w.host.m.table, RULES);
	w.host.m.has_table = false;
	must_run(&w);
	assert_string_equal(w.ops, "nftables table inet meshrc-prod added\n");
	want(&w, 0, RULES " other");
	must_run(&w);
	assert_string_equal(w.ops, "nftables table inet meshrc-prod replaced\n");
	must_run(&w);
	assert_int_equal(w.result.n_ops, 0);
	/* One that nothing tells of is found only when it is looked for. */
	want(&w, 0, "");
	memset(&w.record, 0, sizeof(w.record));
	must_run(&w);
	assert_true(w.host.m.has_table);
	assert_int_equal(run(&w, true, false), 0);
	assert_false(w.host.m.has_table);
	/* Looking where there are no tables at all is no failure; wanting one is. */
	w.host.no_nftables = true;
	assert_int_equal(run(&w, true, false), 0);
	want(&w, GATEWAY_IPV4, RULES);
	assert_int_equal(run(&w, false, false), -1);
	world_release(&w);
}

/* ---- failures ---- */

static void one_does_not_stop_the_other(void **unused)
{
	struct world w;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	w.host.refuse_tables = true;
	/* Without the table nothing is carried; what is to end ends all the same. */
	want(&w, BOTH, RULES);
	assert_int_equal(run(&w, false, false), -1);
	assert_true(!w.host.m.forward4 && !w.host.m.forward6 && !w.result.verified);
	want(&w, GATEWAY_IPV6, "");
	must_run(&w);
	want(&w, GATEWAY_IPV4, RULES);
	assert_int_equal(run(&w, false, false), -1);
	assert_true(!w.host.m.forward4 && !w.host.m.forward6 && w.host.m.list[0].ra == 1);
	w.host.refuse_tables = false;
	want(&w, BOTH, RULES);
	must_run(&w);
	want(&w, 0, "");
	w.host.refuse_sysctls = true;
	assert_int_equal(run(&w, false, false), -1);
	assert_true(!w.host.m.has_table && w.host.m.forward4);
	assert_int_equal(w.disk.n, 3);
	w.host.refuse_sysctls = false;
	must_run(&w);
	assert_true(!w.host.m.forward4 && !w.host.m.forward6 && w.host.m.list[0].ra == 1);
	/* Where accept_ra cannot be set, IPv6 forwarding is not turned on. */
	w.host.refuse_sysctls = true;
	want(&w, BOTH, "");
	assert_int_equal(run(&w, false, false), -1);
	assert_false(w.host.m.forward6);
	world_release(&w);
}

/* What could not be set is not ours when somebody else sets it. */
static void set_by_others_meanwhile(void **unused)
{
	struct host_model theirs;
	struct world w;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	w.host.refuse_sysctls = true;
	want(&w, BOTH, "");
	assert_int_equal(run(&w, false, false), -1);
	assert_true(host_record_empty(&w.record) && host_record_empty(&w.disk));
	assert_int_equal(w.result.sets, 0);
	w.host.m.forward4 = w.host.m.forward6 = 1;
	must_run(&w);
	theirs = w.host.m;
	want(&w, 0, "");
	must_run(&w);
	assert_true(host_model_equal(&w.host.m, &theirs));
	/* What was set before the refusal stays ours. */
	w.host.refuse_sysctls = false;
	w.host.m.forward4 = w.host.m.forward6 = 0;
	want(&w, GATEWAY_IPV4, "");
	must_run(&w);
	w.host.refuse_sysctls = true;
	want(&w, BOTH, "");
	assert_int_equal(run(&w, false, false), -1);
	assert_true(w.disk.n == 1 && w.disk.changes[0].sysctl.key == SYSCTL_FORWARD4);
	world_release(&w);
}

/* After a reboot with a full disk a relay carries all the same; it is told each time, until there
 * is room. */
static void full_disk(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	before = w.host.m;
	w.full = true;
	want(&w, BOTH, "rules");
	assert_int_equal(run(&w, false, false), -1);
	assert_non_null(strstr(w.error.msg, "the disk is full"));
	assert_non_null(strstr(w.error.msg, "`down` will not put back"));
	assert_true(w.host.m.forward4 && w.host.m.forward6 && w.host.m.has_table);
	assert_int_equal(w.host.m.list[0].ra, 2);
	assert_int_equal(w.disk.n, 0);
	/* The policy alone is in force, which is all that was asked for. */
	w.record = w.disk;
	want(&w, 0, "other");
	w.wanted.table_alone = true;
	must_run(&w);
	w.wanted.table_alone = false;
	world_release(&w);

	/* There is room again before the end: nothing is lost. */
	world_init(&w);
	fake_host_add(&w.host, "eth0");
	before = w.host.m;
	want(&w, BOTH, "rules");
	w.host.fail_at = 1;
	for (w.host.fail_at = 1; !w.saves; w.host.fail_at++) {
		w.host.calls = 0;
		(void)run(&w, false, false);
	}
	w.host.fail_at = 0;
	want(&w, 0, "");
	must_run(&w);
	assert_true(host_model_equal(&before, &w.host.m));
	world_release(&w);
}

/* One too many for IPv6: that stays as it is and is told, and IPv4 is forwarded all the same. */
static void too_many_interfaces(void **unused)
{
	struct host_model *before = malloc(sizeof(*before));
	struct world *w = malloc(sizeof(*w));
	char name[16];
	unsigned int i;

	assert_true(before && w);
	world_init(w);
	for (i = 0; i < MAX_HOST_CHANGES6 - 1; i++) {
		snprintf(name, sizeof(name), "eth%u", i);
		fake_host_add(&w->host, name);
	}
	*before = w->host.m;
	want(w, GATEWAY_IPV6, "");
	must_run(w);
	assert_int_equal(w->disk.n, MAX_HOST_CHANGES6);
	want(w, BOTH, "");
	must_run(w);
	want(w, 0, "");
	must_run(w);
	assert_true(host_model_equal(before, &w->host.m));
	fake_host_add(&w->host, "one-more");
	*before = w->host.m;
	want(w, BOTH, "");
	assert_int_equal(run(w, false, false), -1);
	assert_int_equal(w->error.class, ERR_LIMIT);
	assert_non_null(strstr(w->error.msg, "IPv6 is not forwarded"));
	assert_int_equal(w->host.m.forward4, 1);
	assert_int_equal(w->host.m.forward6, 0);
	want(w, 0, "");
	must_run(w);
	assert_true(host_model_equal(before, &w->host.m));
	/* One that comes later is told, and takes nothing away. */
	w->host.m.n--;
	want(w, BOTH, "");
	must_run(w);
	fake_host_add(&w->host, "later");
	assert_int_equal(run(w, false, false), -1);
	assert_int_equal(w->error.class, ERR_LIMIT);
	assert_true(w->host.m.forward4 && w->host.m.forward6);
	world_release(w);
	free(w);
	free(before);
}

static void random_model(struct dice *d, struct world *w)
{
	struct host_model *m = &w->host.m;
	char name[16];
	unsigned int i;

	m->forward4 = dice_one_in(d, 4);
	m->forward6 = dice_one_in(d, 4);
	m->default4 = dice_one_in(d, 4);
	m->default6 = dice_one_in(d, 4);
	m->redirects4 = dice_throw(d, 2);
	m->has_ipv6 = !dice_one_in(d, 8);
	for (i = 0; i < 4; i++) {
		struct fake_interface *f;

		snprintf(name, sizeof(name), i ? "eth%u" : "wg%u", i);
		f = fake_host_add(&w->host, name);
		f->forward4 = dice_one_in(d, 3);
		f->forward6 = dice_one_in(d, 3);
		f->ra = dice_throw(d, 3);
		f->hears = dice_one_in(d, 2);
		f->route = f->ra == 2 || (f->ra == 1 && f->hears && !m->forward6);
	}
}

/* What is ours has gone with the interface, as it does before the host goes back. */
static void without_ours(struct world *w)
{
	w->host.m.list[0].there = false;
}

static void random_want(struct dice *d, struct world *w)
{
	static const char *const rules[] = { "", RULES, RULES " other" };

	want(w, dice_throw(d, 4), rules[dice_throw(d, 3)]);
}

/* Whatever the host was, and in whichever order it is forwarded, it is in the end as it was. */
static void there_and_back(void **unused)
{
	struct dice d;
	unsigned int round, i;

	dice_init(&d, 7);
	for (round = 0; round < 3000; round++) {
		struct host_model before;
		struct world w;

		world_init(&w);
		random_model(&d, &w);
		before = w.host.m;
		for (i = 0; i < 4; i++) {
			random_want(&d, &w);
			must_run(&w);
			if (w.wanted.families & GATEWAY_IPV4)
				assert_true(w.host.m.forward4 && w.host.m.list[0].forward4);
			if (w.wanted.families & GATEWAY_IPV6 && w.host.m.has_ipv6)
				assert_int_equal(w.host.m.forward6, 1);
			assert_true(w.host.m.has_table == (*w.wanted.rules != '\0'));
			assert_int_equal(w.host.unmasked, 0);
			w.saves = 0;
			must_run(&w);
			assert_true(!w.result.n_ops && !w.saves);
		}
		want(&w, 0, "");
		without_ours(&w);
		before.list[0].there = false;
		must_run(&w);
		if (!host_model_equal(&before, &w.host.m))
			fail_msg("round %u: not as it was", round);
		assert_true(host_record_empty(&w.disk));
		world_release(&w);
	}
}

/* Every call, and every write of the record, fails in turn; or the process dies at it, and a new
 * one goes on from what is on the disk. */
static void every_call_fails(void **unused)
{
	struct dice d;
	unsigned int round, n, hits = 0;

	dice_init(&d, 11);
	for (round = 0; round < 400; round++) {
		bool dead = dice_one_in(&d, 2), after = dice_one_in(&d, 2);
		struct host_wanted last;
		struct host_model before;
		struct world start;

		world_init(&start);
		random_model(&d, &start);
		before = start.host.m;
		before.list[0].there = false;
		random_want(&d, &start);
		must_run(&start);
		random_want(&d, &start);
		last = start.wanted;
		for (n = 1;; n++) {
			struct world w = start;
			int r;

			arena_init(&w.arena);
			w.host.calls = 0;
			w.host.fail_at = n;
			w.host.dead = dead;
			w.host.fail_after = after;
			r = run(&w, false, false);
			if (w.host.calls < n) {
				assert_int_equal(r, 0);
				world_release(&w);
				break;
			}
			hits++;
			w.host.fail_at = 0;
			if (dead)
				w.record = w.disk;
			must_run(&w);
			assert_true(w.host.m.has_table == (*last.rules != '\0'));
			want(&w, 0, "");
			without_ours(&w);
			must_run(&w);
			if (!host_model_equal(&before, &w.host.m))
				fail_msg("round %u, call %u: not as it was", round, n);
			world_release(&w);
		}
		world_release(&start);
	}
	assert_true(hits > 2000);
}

static void memory_runs_out(void **unused)
{
	struct host_model before;
	struct world w;
	size_t n;
	int r;

	world_init(&w);
	fake_host_add(&w.host, "eth0");
	before = w.host.m;
	for (n = 1;; n++) {
		want(&w, BOTH, RULES);
		fail_alloc_at(n);
		r = run(&w, false, false);
		if (!fail_alloc_stop())
			break;
		want(&w, 0, "");
		must_run(&w);
		assert_true(host_model_equal(&before, &w.host.m));
	}
	assert_int_equal(r, 0);
	assert_true(n > 2);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_settings),
		cmocka_unit_test(on_and_off),
		cmocka_unit_test(what_was_on_stays_on),
		cmocka_unit_test(what_others_set_since_stays),
		cmocka_unit_test(a_reboot),
		cmocka_unit_test(a_table_in_other_hands),
		cmocka_unit_test(one_does_not_stop_the_other),
		cmocka_unit_test(set_by_others_meanwhile),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(too_many_interfaces),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(every_call_fails),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
