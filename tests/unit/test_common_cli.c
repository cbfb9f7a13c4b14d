/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of common/os_cli.c, each case in a process of its own, since it has the state of
 * a program. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "common/os_cli.h"
#include "common/os_file.h"
#include "common/version.h"

static bool flag;
static const char *string;
static struct cli_list list;

static const struct cli_option program_options[] = {
	{ "repo", CLI_STRING, &string, "DIR", "where the repository is", false },
	{ 0 },
};

static const struct cli_option plan_options[] = {
	{ "strict", CLI_FLAG, &flag, NULL, "warnings are errors", false },
	{ "url", CLI_LIST, &list, "URL", "a mirror", false },
	{ "secret", CLI_FLAG, &flag, NULL, "not shown", true },
	{ 0 },
};

static int cmd_plan(int argc, char **argv)
{
	size_t i;
	int k;

	printf("strict=%d repo=%s json=%d", flag, string ? string : "-", cli_json);
	for (i = 0; i < list.n; i++)
		printf(" url=%s", list.v[i]);
	for (k = 0; k < argc; k++)
		printf(" arg=%s", argv[k]);
	putchar('\n');
	cli_info("info");
	cli_debug("debug");
	cli_warn("warn \033[31m");
	return argc ? EXIT_CHANGES : EXIT_DONE;
}

static int cmd_fail(int argc, char **argv)
{
	struct err e = { 0 };

	err_refuse(&e, "BAD-SIG", "no key matches");
	return cli_fail(&e);
}

static int cmd_big(int argc, char **argv)
{
	struct buf b;

	buf_init(&b, 3);
	buf_adds(&b, "1234");
	return cli_print(&b) < 0 ? EXIT_REFUSED : EXIT_DONE;
}

static const struct cli_command commands[] = {
	{ .name = "plan",
	  .summary = "show what would change",
	  .args = "[A] [B]",
	  .help = "More text.",
	  .max_args = 2,
	  .options = plan_options,
	  .run = cmd_plan },
	{ .name = "render",
	  .summary = "needs one",
	  .args = "NODE",
	  .min_args = 1,
	  .max_args = 1,
	  .run = cmd_plan },
	{ .name = "fail", .summary = "fails", .args = "", .run = cmd_fail },
	{ .name = "big", .summary = "prints a failed buffer", .args = "", .run = cmd_big },
	{ .name = "inside",
	  .summary = "for scripts alone",
	  .args = "",
	  .hidden = true,
	  .run = cmd_plan },
	{ 0 },
};

static const struct cli_program prog = { "meshrc", "Networks from git", commands, program_options };

/* Runs in a child; stdout goes to /dev/full when `full`. */
static int run(bool full, struct buf *out, struct buf *err, char **argv)
{
	char out_name[] = "/tmp/meshrc-cli-out.XXXXXX", err_name[] = "/tmp/meshrc-cli-err.XXXXXX";
	int fd_out = mkstemp(out_name), fd_err = mkstemp(err_name), status, argc = 0;
	struct err e;
	pid_t pid;

	assert_true(fd_out >= 0 && fd_err >= 0);
	while (argv[argc])
		argc++;
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int fd = full ? open("/dev/full", O_WRONLY | O_CLOEXEC) : fd_out;

		dup2(fd, STDOUT_FILENO);
		dup2(fd_err, STDERR_FILENO);
		status = cli_main(&prog, argc, argv);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	buf_reset(out);
	buf_reset(err);
	assert_int_equal(os_read_file(AT_FDCWD, out_name, 100000, out, &e), 0);
	assert_int_equal(os_read_file(AT_FDCWD, err_name, 100000, err, &e), 0);
	close(fd_out);
	close(fd_err);
	unlink(out_name);
	unlink(err_name);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_cli(void **state)
{
	/* out and err: what must be found there; "" means nothing at all was written. */
	static const struct {
		const char *what;
		const char *argv[24];
		int code;
		const char *out, *err;
	} rows[] = {
		{ "nothing", { "meshrc" }, 64, "", "Usage: meshrc COMMAND" },
		{ "help", { "meshrc", "--help" }, 0, "show what would change", "" },
		{ "help, short", { "meshrc", "-h" }, 0, "meshrc(1)", "" },
		{ "help as a command", { "meshrc", "help" }, 0, "Commands:", "" },
		{ "help of a command",
		  { "meshrc", "help", "plan" },
		  0,
		  "Usage: meshrc plan [A] [B] [OPTIONS]",
		  "" },
		{ "help of a command, the other way",
		  { "meshrc", "plan", "--help" },
		  0,
		  "--url URL",
		  "" },
		{ "help of no command",
		  { "meshrc", "help", "plam" },
		  64,
		  "",
		  "did you mean 'plan'?" },
		{ "version", { "meshrc", "--version" }, 0, "meshrc " MESHRC_VERSION "\n", "" },
		{ "version after a command",
		  { "meshrc", "plan", "--version" },
		  0,
		  "meshrc " MESHRC_VERSION "\n",
		  "" },
		{ "an option before the command",
		  { "meshrc", "--quiet" },
		  64,
		  "",
		  "the command comes first" },
		{ "a hidden command", { "meshrc", "inside" }, 0, "strict=0", "info" },
		{ "unknown command",
		  { "meshrc", "plna" },
		  64,
		  "",
		  "unknown command 'plna': did you mean 'plan'?" },
		{ "unknown command, none near",
		  { "meshrc", "frobnicate" },
		  64,
		  "",
		  "unknown command 'frobnicate'\n" },
		{ "control bytes in a command",
		  { "meshrc", "\033[31m" },
		  64,
		  "",
		  "unknown command '?[31m'" },
		{ "unknown option",
		  { "meshrc", "plan", "--strickt" },
		  64,
		  "",
		  "did you mean '--strict'?" },
		{ "unknown option with a value",
		  { "meshrc", "plan", "--strickt=1" },
		  64,
		  "",
		  "'--strickt': did you" },
		{ "unknown short option",
		  { "meshrc", "plan", "-x" },
		  64,
		  "",
		  "unknown option '-x'" },
		{ "value missing",
		  { "meshrc", "plan", "--url" },
		  64,
		  "",
		  "option '--url' needs an argument" },
		{ "value for a flag",
		  { "meshrc", "plan", "--strict=1" },
		  64,
		  "",
		  "takes no argument" },
		{ "usage names the help",
		  { "meshrc", "plan", "-x" },
		  64,
		  "",
		  "Try 'meshrc plan --help'." },
		{ "all of it",
		  { "meshrc", "plan", "a", "--strict", "--repo", "r", "--json", "b", "--url=1",
		    "--url", "2" },
		  2,
		  "strict=1 repo=r json=1 url=1 url=2 arg=a arg=b\n",
		  "meshrc: info\nmeshrc: warning: warn ?[31m\n" },
		{ "the last string counts",
		  { "meshrc", "plan", "--repo=1", "--repo=2" },
		  0,
		  "repo=2",
		  "info" },
		{ "verbose", { "meshrc", "plan", "--verbose" }, 0, "strict=0", "meshrc: debug\n" },
		{ "two dashes",
		  { "meshrc", "plan", "--", "--strict" },
		  2,
		  "strict=0 repo=- json=0 arg=--strict",
		  "info" },
		{ "argument missing",
		  { "meshrc", "render" },
		  64,
		  "",
		  "an argument is missing: meshrc render NODE" },
		{ "one argument too many",
		  { "meshrc", "plan", "a", "b", "c" },
		  64,
		  "",
		  "one argument too many: 'c'" },
		{ "a refusal",
		  { "meshrc", "fail" },
		  1,
		  "",
		  "meshrc: error: BAD-SIG: no key matches\n" },
		{ "a buffer that failed", { "meshrc", "big" }, 1, "", "too large" },
		{ "a list at its limit",
		  { "meshrc", "plan", "--url=1", "--url=2", "--url=3", "--url=4", "--url=5",
		    "--url=6", "--url=7", "--url=8", "--url=9", "--url=10", "--url=11", "--url=12",
		    "--url=13", "--url=14", "--url=15", "--url=16" },
		  0,
		  "url=16\n",
		  "info" },
		{ "a list one over",
		  { "meshrc", "plan", "--url=1", "--url=2", "--url=3", "--url=4", "--url=5",
		    "--url=6", "--url=7", "--url=8", "--url=9", "--url=10", "--url=11", "--url=12",
		    "--url=13", "--url=14", "--url=15", "--url=16", "--url=17" },
		  64,
		  "",
		  "--url is given too often (at most 16 times)" },
	};
	struct buf out, err;
	size_t i, k;

	buf_init(&out, 100000);
	buf_init(&err, 100000);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		char *argv[ARRAY_LEN(rows[0].argv) + 1] = { 0 };
		int code;

		for (k = 0; rows[i].argv[k]; k++) {
			argv[k] = strdup(rows[i].argv[k]);
			assert_non_null(argv[k]);
		}
		code = run(false, &out, &err, argv);
		for (k = 0; rows[i].argv[k]; k++)
			free(argv[k]);
		if (code != rows[i].code)
			fail_msg("%s: exit code %d\n%s%s", rows[i].what, code, out.data, err.data);
		if (*rows[i].out ? !strstr(out.data, rows[i].out) : out.len != 0)
			fail_msg("%s: stdout: %s", rows[i].what, out.data);
		if (*rows[i].err ? !strstr(err.data, rows[i].err) : err.len != 0)
			fail_msg("%s: stderr: %s", rows[i].what, err.data);
		assert_null(strstr(out.data, "--secret"));
		assert_null(strstr(out.data, "inside"));
	}
	buf_release(&out);
	buf_release(&err);
}

static void test_cli_quiet_and_full(void **state)
{
	char name[] = "meshrc", plan[] = "plan", quiet[] = "--quiet", help[] = "--help";
	char *quiet_argv[] = { name, plan, quiet, NULL }, *help_argv[] = { name, help, NULL };
	struct buf out, err;

	buf_init(&out, 100000);
	buf_init(&err, 100000);
	assert_int_equal(run(false, &out, &err, quiet_argv), 0);
	assert_null(strstr(err.data, "info"));
	assert_non_null(strstr(err.data, "warn"));
	/* What was not written is not done. */
	assert_int_equal(run(true, &out, &err, quiet_argv), 1);
	assert_non_null(strstr(err.data, "cannot write to standard output"));
	assert_int_equal(run(true, &out, &err, help_argv), 1);
	buf_release(&out);
	buf_release(&err);
}

static void test_cli_colour(void **state)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_false(cli_colour(fd));
	close(fd);
	assert_false(cli_colour(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli),
		cmocka_unit_test(test_cli_quiet_and_full),
		cmocka_unit_test(test_cli_colour),
	};

	return cmocka_run_group_tests_name("command line", tests, NULL, NULL);
}
