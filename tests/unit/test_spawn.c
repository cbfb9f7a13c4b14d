/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs run to their end: output, status, environment, and the time that they get. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>

#include "common/num.h"
#include "common/os_time.h"
#include "reconciler/spawn.h"

static const char *const no_env[] = { NULL };

static int run(const char *script, unsigned int seconds, struct buf *out, int *status,
	       struct err *e)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	buf_init(out, 4096);
	return spawn("/", argv, no_env, seconds, out, status, e);
}

static void test_output_and_status(void **state)
{
	static const struct {
		const char *what, *script, *out;
		int status;
	} rows[] = {
		{ "stdout", "echo a", "a\n", 0 },
		{ "stderr too", "echo a; echo b >&2", "a\nb\n", 0 },
		{ "a status", "exit 7", "", 7 },
		{ "a signal", "kill -9 $$", "", 137 },
		{ "no input", "cat", "", 0 },
		{ "the folder", "pwd", "/\n", 0 },
		{ "default signals", "kill -PIPE $$", "", 128 + SIGPIPE },
		{ "a session of its own",
		  "test \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ && echo yes", "yes\n", 0 },
	};
	struct err e = { 0 };
	struct buf out;
	int status;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		ROW_CHECK(run(rows[i].script, 20, &out, &status, &e) == 0, i);
		ROW_CHECK(status == rows[i].status, i);
		ROW_CHECK(!strcmp(out.data, rows[i].out), i);
		buf_release(&out);
	}
}

static void test_much_output(void **state)
{
	struct err e = { 0 };
	struct buf out;
	int status;

	/* More than the buffer takes must not stop the program. */
	assert_int_equal(run("head -c 1000000 /dev/zero; exit 3", 20, &out, &status, &e), 0);
	assert_int_equal(status, 3);
	assert_true(out.len <= 4096 && buf_ok(&out));
	buf_release(&out);
}

static void test_environment(void **state)
{
	const char *argv[] = { "sh", "-c",
			       "echo ${GIT_DIR-unset} ${GIT_QUARANTINE_PATH-unset} $A $B", NULL };
	const char *const env[] = { "A=new", NULL };
	struct err e = { 0 };
	struct buf out;
	int status;

	setenv("GIT_DIR", "/somewhere", 1);
	setenv("GIT_QUARANTINE_PATH", "/somewhere", 1);
	setenv("A", "old", 1);
	setenv("B", "kept", 1);
	buf_init(&out, 4096);
	assert_int_equal(spawn("/", argv, env, 20, &out, &status, &e), 0);
	assert_string_equal(out.data, "unset unset new kept\n");
	buf_release(&out);
	unsetenv("GIT_DIR");
	unsetenv("GIT_QUARANTINE_PATH");
}

static void test_time(void **state)
{
	int64_t start = os_monotonic_ms();
	struct err e = { 0 };
	uint64_t child;
	struct buf out;
	int status;

	/* What it started ends with it, also what does not care for SIGTERM. */
	assert_int_equal(run("trap '' TERM; sleep 60 & echo $!; wait; sleep 60", 1, &out, &status,
			     &e),
			 -1);
	assert_in_range(os_monotonic_ms() - start, 900, 20000);
	assert_non_null(strstr(e.msg, "did not end within 1 seconds"));
	assert_int_equal(num_parse(out.data, strcspn(out.data, "\n"), 1u << 30, &child), 0);
	/* An orphan is reaped by init, which takes a moment. */
	for (start = os_monotonic_ms();
	     kill((pid_t)child, 0) == 0 && os_monotonic_ms() - start < 3000;)
		usleep(10000);
	if (kill((pid_t)child, 0) == 0) {
		char path[64], stat[64] = "";
		FILE *f;

		/* Where nobody reaps, a zombie is as dead as it gets. */
		snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)child);
		f = fopen(path, "r");
		if (f && fgets(stat, sizeof(stat), f))
			assert_non_null(strstr(stat, ") Z"));
		if (f)
			fclose(f);
	}
	buf_release(&out);
}

static void test_not_there(void **state)
{
	const char *argv[] = { "meshrc-no-such-program", NULL };
	struct err e = { 0 };
	struct buf out;
	int status;

	buf_init(&out, 4096);
	assert_int_equal(spawn("/", argv, no_env, 20, &out, &status, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	argv[0] = "true";
	assert_int_equal(spawn("/no/such/folder", argv, no_env, 20, &out, &status, &e), -1);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status), cmocka_unit_test(test_much_output),
		cmocka_unit_test(test_environment),	  cmocka_unit_test(test_time),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
