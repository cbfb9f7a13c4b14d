/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of acceptance, one row for each: what is in force, what comes, and what has to become
 * of it. */
#include "tests/unit/unit.h"

#include "agent/accept.h"
#include "common/limits.h"
#include "tests/unit/pubkit.h"

#define DAY INT64_C(86400)
#define T0 PUBKIT_ISSUED

static struct digest digest(const char *s)
{
	struct digest d;

	digest_of(s, strlen(s), &d);
	return d;
}

/* Serial 7 of epoch 1, issued at T0, whose manifest's bytes hash to "seven". */
static struct state in_force(void)
{
	return (struct state){
		.network = "prod",
		.root_version = 1,
		.epoch = 1,
		.format_floor = 1,
		.time_floor = T0,
		.accepted = { .serial = 7,
			      .epoch = 1,
			      .issued = T0,
			      .since = T0,
			      .len = 500,
			      .manifest = digest("seven") },
	};
}

struct row {
	const char *what;
	bool nothing_yet; /* no manifest was accepted before */
	uint64_t serial, epoch;
	const char *hash, *previous;
	int64_t issued, expires; /* relative to T0 */
	int64_t clock; /* relative to T0 */
	int64_t renew_by; /* of the root, relative to T0; 0: never */
	const char *reason; /* NULL: accepted */
	enum verdict verdict;
	bool stale;
	uint64_t skipped;
};

static const struct row rows[] = {
	{ "the first manifest", true, 1, 1, "one", NULL, 0, 30 * DAY, 0, 0, NULL, VERDICT_NEW,
	  false, 0 },
	{ "any serial is good for a start", true, 900, 1, "x", "y", 0, 30 * DAY, 0, 0, NULL,
	  VERDICT_NEW, false, 0 },
	{ "the next one", false, 8, 1, "eight", "seven", 10, 30 * DAY, 60, 0, NULL, VERDICT_NEW,
	  false, 0 },
	{ "issued in the same second", false, 8, 1, "eight", "seven", 0, 30 * DAY, 60, 0, NULL,
	  VERDICT_NEW, false, 0 },
	{ "T07 a lower serial", false, 6, 1, "six", "five", 10, 30 * DAY, 60, 0, "ROLLBACK",
	  VERDICT_NEW, false, 0 },
	{ "the same again", false, 7, 1, "seven", "six", 0, 30 * DAY, 60, 0, NULL, VERDICT_SAME,
	  false, 0 },
	{ "T13 the same, expired: it runs on", false, 7, 1, "seven", "six", 0, 30 * DAY, 31 * DAY,
	  0, NULL, VERDICT_SAME, true, 0 },
	{ "T13 stale from the very second", false, 7, 1, "seven", "six", 0, 30 * DAY, 30 * DAY, 0,
	  NULL, VERDICT_SAME, true, 0 },
	{ "not stale the second before", false, 7, 1, "seven", "six", 0, 30 * DAY, 30 * DAY - 1, 0,
	  NULL, VERDICT_SAME, false, 0 },
	{ "T12 the same serial, other bytes", false, 7, 1, "SEVEN", "six", 0, 30 * DAY, 60, 0,
	  "EQUIVOCATION", VERDICT_NEW, false, 0 },
	{ "T08 a higher serial issued earlier", false, 8, 1, "eight", "seven", -1, 30 * DAY, 60, 0,
	  "REJECT-ORDER", VERDICT_NEW, false, 0 },
	{ "a gap", false, 10, 1, "ten", "nine", 10, 30 * DAY, 60, 0, NULL, VERDICT_NEW, false, 2 },
	{ "the next one after another past", false, 8, 1, "eight", "SEVEN", 10, 30 * DAY, 60, 0,
	  "EQUIVOCATION", VERDICT_NEW, false, 0 },
	{ "the next one after no past", false, 8, 1, "eight", NULL, 10, 30 * DAY, 60, 0,
	  "EQUIVOCATION", VERDICT_NEW, false, 0 },
	{ "expired as new", false, 8, 1, "eight", "seven", 10, 20, 60, 0, "EXPIRED", VERDICT_NEW,
	  false, 0 },
	{ "expires this second", false, 8, 1, "eight", "seven", 10, 60, 60, 0, "EXPIRED",
	  VERDICT_NEW, false, 0 },
	{ "expires the next second", false, 8, 1, "eight", "seven", 10, 61, 60, 0, NULL,
	  VERDICT_NEW, false, 0 },
	{ "from the future, just so", false, 8, 1, "eight", "seven", 60 + CLOCK_SKEW_SECONDS,
	  30 * DAY, 60, 0, NULL, VERDICT_NEW, false, 0 },
	{ "from the future, one second more", false, 8, 1, "eight", "seven",
	  61 + CLOCK_SKEW_SECONDS, 30 * DAY, 60, 0, "CLOCK-BEHIND", VERDICT_NEW, false, 0 },
	{ "T62 a clock before the floor says nothing of the future", false, 8, 1, "eight", "seven",
	  5 * DAY, 30 * DAY, -9000 * DAY, 0, NULL, VERDICT_NEW, false, 0 },
	{ "a clock before the floor: expired by the floor", false, 8, 1, "eight", "seven", 0, 0,
	  -9000 * DAY, 0, "EXPIRED", VERDICT_NEW, false, 0 },
	{ "T16 an expired root takes nothing new", false, 8, 1, "eight", "seven", 10, 30 * DAY, 60,
	  60, "ROOT-EXPIRED", VERDICT_NEW, false, 0 },
	{ "but keeps what is in force", false, 7, 1, "seven", "six", 0, 30 * DAY, 60, 60, NULL,
	  VERDICT_SAME, false, 0 },
	{ "a root that is good for one second more", false, 8, 1, "eight", "seven", 10, 30 * DAY,
	  60, 61, NULL, VERDICT_NEW, false, 0 },
	{ "T10 a new epoch begins at 1, whatever serial the old one had", false, 1, 2, "one", NULL,
	  -DAY, 30 * DAY, 60, 0, NULL, VERDICT_NEW, false, 0 },
	{ "an older epoch", false, 8, 0, "eight", "seven", 10, 30 * DAY, 60, 0, "ROLLBACK",
	  VERDICT_NEW, false, 0 },
};

static void rules_of_manifests(void **unused)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct root root = { .version = 1,
				     .renew_by_never = !r->renew_by,
				     .renew_by = T0 + r->renew_by };
		struct manifest m = { .format = 1,
				      .serial = r->serial,
				      .epoch = r->epoch,
				      .issued = T0 + r->issued,
				      .expires = T0 + r->expires,
				      .has_previous = r->previous != NULL };
		struct state s = in_force();
		struct digest hash = digest(r->hash);
		struct acceptance a = { .verdict = 77 };
		struct err e = { 0 };
		int result;

		if (r->nothing_yet)
			s.accepted = (struct accepted){ 0 };
		if (r->previous)
			m.previous = digest(r->previous);
		result = accept_manifest(&s, &root, &m, &hash,
					 accept_moment(T0 + r->clock, s.time_floor), &a, &e);
		if (r->reason) {
			ROW_CHECK(result == -1, i);
			ROW_CHECK(e.class == ERR_VERIFY, i);
			ROW_CHECK(e.reason && !strcmp(e.reason, r->reason), i);
			ROW_CHECK(a.verdict == 77, i);
			continue;
		}
		ROW_CHECK(result == 0, i);
		ROW_CHECK(a.verdict == r->verdict, i);
		ROW_CHECK(a.stale == r->stale, i);
		ROW_CHECK(a.skipped == r->skipped, i);
	}
}

static void the_time_of_a_cycle(void **unused)
{
	struct moment m = accept_moment(T0, T0 - 5);

	assert_true(m.t == T0 && !m.behind);
	m = accept_moment(T0 - 6, T0 - 5);
	assert_true(m.t == T0 - 5 && m.behind);
	m = accept_moment(0, 0);
	assert_true(m.t == RELEASE_TIME && m.behind);
	m = accept_moment(RELEASE_TIME, 0);
	assert_true(m.t == RELEASE_TIME && !m.behind);
}

static void floors_only_rise(void **unused)
{
	struct manifest m = {
		.format = 1, .serial = 8, .epoch = 1, .issued = T0 + 100, .expires = T0 + 30 * DAY
	};
	struct digest hash = digest("eight"), set = digest("set");
	struct state s = in_force();

	accept_floors(&s, &m, 123, &hash, &set, accept_moment(T0 + 200, s.time_floor));
	assert_true(s.time_floor == T0 + 100);
	assert_true(s.accepted.serial == 8 && s.accepted.epoch == 1 &&
		    s.accepted.issued == T0 + 100);
	assert_true(s.accepted.since == T0 + 200 && s.accepted.len == 123);
	assert_int_equal(digest_cmp(&s.accepted.manifest, &hash), 0);
	assert_int_equal(digest_cmp(&s.accepted.set, &set), 0);
	/* Taken as first of a lower `issued`, it leaves the floor where it is. */
	m.issued = T0 - 50;
	accept_floors(&s, &m, 123, &hash, &set, accept_moment(T0 + 200, s.time_floor));
	assert_true(s.time_floor == T0 + 100);
	/* T11: with a clock that is known to be wrong, nobody flings it to the year 2099. */
	m.issued = T0 + 26000 * DAY;
	accept_floors(&s, &m, 123, &hash, &set, accept_moment(0, s.time_floor));
	assert_true(s.time_floor == T0 + 100 + TIME_FLOOR_STEP);
}

static void a_new_epoch_takes_the_time_floor_back(void **unused)
{
	struct root r = { .version = 2, .epoch = 2, .min_format = 3 };
	struct state s = in_force();
	struct digest hash = digest("root 2");

	s.time_floor = T0 + 20000 * DAY;
	accept_root(&r, 400, &hash, &s);
	assert_true(s.time_floor == RELEASE_TIME && s.epoch == 2 && s.format_floor == 3);
	assert_true(s.root_version == 2 && s.root_len == 400);
	/* The same epoch again takes nothing back, and a lower min-format lowers nothing. */
	s.time_floor = T0;
	r.version = 3;
	r.min_format = 1;
	accept_root(&r, 400, &hash, &s);
	assert_true(s.time_floor == T0 && s.format_floor == 3 && s.root_version == 3);
}

static void the_pin_and_the_stored_root(void **unused)
{
	struct state s = in_force();
	struct root pin = { .version = 1, .epoch = 1, .min_format = 1 };
	struct digest same = digest("root"), other = digest("another");
	struct err e = { 0 };
	bool use_pin = false;

	s.root = same;
	s.root_version = 3;
	/* The chain has been walked past the pin. */
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), 0);
	assert_false(use_pin);
	pin.version = 3;
	assert_int_equal(accept_pin(&pin, &same, &s, &use_pin, &e), 0);
	assert_false(use_pin);
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), -1);
	assert_string_equal(e.reason, "BAD-ROOT");
	/* A new pin, put there by hand. */
	pin.version = 4;
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), 0);
	assert_true(use_pin);
	s.epoch = 2;
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), -1);
	s.epoch = 1;
	pin.mesh.b[0] = 1;
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), -1);
	assert_string_equal(e.reason, "BAD-ROOT");
	/* Nothing stored: the pin it is, of whatever mesh. */
	s = (struct state){ .network = "prod" };
	assert_int_equal(accept_pin(&pin, &other, &s, &use_pin, &e), 0);
	assert_true(use_pin);
}

static void who_we_are(void **unused)
{
	struct node node = { .name = "fra1" };
	struct gone gone = { "fra1", 6 };
	enum standing standing;
	struct wgkey ours, other;
	struct err e = { 0 };

	pubkit_wgkey(1, &ours);
	pubkit_wgkey(2, &other);
	node.key = ours;
	assert_int_equal(accept_self("fra1", &node, NULL, &ours, "/key", &standing, &e), 0);
	assert_int_equal(standing, STANDING_MEMBER);
	/* A name that was removed and is listed again is a member. */
	assert_int_equal(accept_self("fra1", &node, &gone, &ours, "/key", &standing, &e), 0);
	assert_int_equal(standing, STANDING_MEMBER);
	assert_int_equal(accept_self("fra1", &node, NULL, NULL, "/key", &standing, &e), 0);
	assert_int_equal(accept_self("fra1", NULL, &gone, &ours, "/key", &standing, &e), 0);
	assert_int_equal(standing, STANDING_GONE);
	assert_int_equal(accept_self("fra1", NULL, NULL, &ours, "/key", &standing, &e), -1);
	assert_string_equal(e.reason, "NOT-LISTED");
	/* T18: both keys are shown, and the file. */
	assert_int_equal(accept_self("fra1", &node, NULL, &other, "/etc/k", &standing, &e), -1);
	assert_string_equal(e.reason, "WRONG-NODE");
	assert_non_null(strstr(e.msg, "/etc/k"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_of_manifests),
		cmocka_unit_test(the_time_of_a_cycle),
		cmocka_unit_test(floors_only_rise),
		cmocka_unit_test(a_new_epoch_takes_the_time_floor_back),
		cmocka_unit_test(the_pin_and_the_stored_root),
		cmocka_unit_test(who_we_are),
	};

	return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
