/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_cli.h"

#include <getopt.h>
#include <stdarg.h>

#include "common/text.h"
#include "common/version.h"

bool cli_quiet, cli_verbose, cli_json;

static const struct cli_program *program;
static const struct cli_command *command;
static bool progress_shown, want_help, want_version;

static const struct cli_option common_options[] = {
	{ "help", CLI_FLAG, &want_help, NULL, "show this help", false },
	{ "version", CLI_FLAG, &want_version, NULL, "show the version", false },
	{ "quiet", CLI_FLAG, &cli_quiet, NULL,
	  "no progress and no notes; data is printed all the same", false },
	{ "verbose", CLI_FLAG, &cli_verbose, NULL, "say what is done, and print lists whole",
	  false },
	{ "json", CLI_FLAG, &cli_json, NULL, "print data as JSON", false },
	{ 0 },
};

#define MAX_OPTIONS 64

bool cli_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && strcmp(term, "dumb") && isatty(fd);
}

void cli_progress(const char *fmt, ...)
{
	va_list ap;

	if (cli_quiet || !isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	progress_shown = true;
}

void cli_progress_clear(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

static void say(const char *kind, const char *fmt, va_list ap)
{
	char line[4096];
	struct buf out;

	cli_progress_clear();
	vsnprintf(line, sizeof(line), fmt, ap);
	buf_init(&out, 4 * sizeof(line));
	text_safe(&out, line, strlen(line));
	fprintf(stderr, "%s: %s%s\n", program ? program->name : "meshrc", kind, out.data);
	buf_release(&out);
}

#define SAY_FUNCTION(name, kind, condition) \
	void name(const char *fmt, ...)     \
	{                                   \
		va_list ap;                 \
                                            \
		if (!(condition))           \
			return;             \
		va_start(ap, fmt);          \
		say(kind, fmt, ap);         \
		va_end(ap);                 \
	}

SAY_FUNCTION(cli_error, "error: ", true)
SAY_FUNCTION(cli_warn, "warning: ", true)
SAY_FUNCTION(cli_info, "", !cli_quiet)
SAY_FUNCTION(cli_debug, "", cli_verbose)

int cli_fail(const struct err *e)
{
	if (e->reason)
		cli_error("%s: %s", e->reason, e->msg);
	else
		cli_error("%s", e->msg);
	return EXIT_REFUSED;
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("error: ", fmt, ap);
	va_end(ap);
	if (command)
		fprintf(stderr, "Try '%s %s --help'.\n", program->name, command->name);
	else
		fprintf(stderr, "Try '%s --help'.\n", program->name);
	return EXIT_WRONG_USAGE;
}

int cli_print(const struct buf *b)
{
	if (!buf_ok(b)) {
		cli_error("the output is too large, or memory ran out");
		return -1;
	}
	if (fwrite(b->data, 1, b->len, stdout) != b->len) {
		cli_error("cannot write to standard output");
		return -1;
	}
	return 0;
}

static void print_options(const struct cli_option *o, FILE *f)
{
	for (; o && o->name; o++) {
		char left[64];

		if (o->hidden)
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		fprintf(f, "  %-26s %s\n", left, o->help);
	}
}

static void print_command_help(void)
{
	bool has_own = command->options && command->options->name;

	printf("Usage: %s %s%s%s [OPTIONS]\n\n%s.\n", program->name, command->name,
	       *command->args ? " " : "", command->args, command->summary);
	if (command->help)
		printf("\n%s\n", command->help);
	if (has_own)
		printf("\nOptions:\n");
	print_options(command->options, stdout);
	printf("\nCommon options:\n");
	print_options(program->options, stdout);
	print_options(common_options, stdout);
}

static void print_program_help(FILE *f)
{
	const struct cli_command *c;

	fprintf(f, "Usage: %s COMMAND [OPTIONS]\n\n%s.\n\nCommands:\n", program->name,
		program->summary);
	for (c = program->commands; c->name; c++)
		if (!c->hidden)
			fprintf(f, "  %-12s %s\n", c->name, c->summary);
	fprintf(f, "\n'%s COMMAND --help' tells more about each; the manual page is %s(%s).\n",
		program->name, program->name, strcmp(program->name, "meshrc") ? "8" : "1");
}

static int unknown_command(const char *word)
{
	const struct cli_command *c;
	const char *names[64], *near;
	size_t n = 0;

	for (c = program->commands; c->name && n < ARRAY_LEN(names); c++)
		if (!c->hidden)
			names[n++] = c->name;
	near = text_suggest(word, names, n);
	cli_error("unknown command '%s'%s%s%s", word, near ? ": did you mean '" : "",
		  near ? near : "", near ? "'?" : "");
	fprintf(stderr, "Try '%s --help'.\n", program->name);
	return EXIT_WRONG_USAGE;
}

static int unknown_option(const char *word, const struct cli_option *const *all, size_t n)
{
	char bare[64];
	const char *names[MAX_OPTIONS], *near;
	size_t i, len = strcspn(word, "=");

	while (len && *word == '-') {
		word++;
		len--;
	}
	snprintf(bare, sizeof(bare), "%.*s", (int)(len < 60 ? len : 60), word);
	for (i = 0; i < n; i++)
		names[i] = all[i]->name;
	near = text_suggest(bare, names, n);
	return near ? cli_usage("unknown option '--%s': did you mean '--%s'?", bare, near) :
		      cli_usage("unknown option '--%s'", bare);
}

static int store(const struct cli_option *o, const char *value)
{
	struct cli_list *list;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->dest = true;
		return 0;
	case CLI_STRING:
		*(const char **)o->dest = value;
		return 0;
	case CLI_LIST:
		list = o->dest;
		if (list->n == CLI_LIST_MAX)
			return cli_usage("--%s is given too often (at most %d times)", o->name,
					 CLI_LIST_MAX);
		list->v[list->n++] = value;
		return 0;
	}
	return 0;
}

/* getopt_long with the tables of program and command; positional arguments end up in
 * argv[optind...]. */
static int parse_options(int argc, char **argv)
{
	const struct cli_option *all[MAX_OPTIONS], *const tables[] = {
		command ? command->options : NULL,
		program->options,
		common_options,
	};
	struct option longs[MAX_OPTIONS + 1] = { 0 };
	size_t n = 0, i;
	int c, index, r;

	for (i = 0; i < ARRAY_LEN(tables); i++) {
		const struct cli_option *o;

		for (o = tables[i]; o && o->name && n < MAX_OPTIONS; o++) {
			all[n] = o;
			longs[n] = (struct option){ o->name,
						    o->kind == CLI_FLAG ? no_argument :
									  required_argument,
						    NULL, 256 };
			n++;
		}
	}
	opterr = 0;
	optind = 1;
	while (index = -1, (c = getopt_long(argc, argv, ":h", longs, &index)) != -1) {
		if (c == 'h') {
			want_help = true;
		} else if (c == ':') {
			return cli_usage("option '%s' needs an argument", argv[optind - 1]);
		} else if (c == '?') {
			if (optopt && optopt != 256)
				return cli_usage("unknown option '-%c'", optopt);
			if (optopt == 256)
				return cli_usage("option '%s' takes no argument", argv[optind - 1]);
			return unknown_option(argv[optind - 1], all, n);
		} else if (index >= 0) {
			r = store(all[index], optarg);
			if (r)
				return r;
		}
	}
	return 0;
}

static int finish(int code)
{
	cli_progress_clear();
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "%s: error: cannot write to standard output\n", program->name);
		return code ? code : EXIT_REFUSED;
	}
	return code;
}

int cli_main(const struct cli_program *p, int argc, char **argv)
{
	const struct cli_command *c;
	int r, n;

	program = p;
	if (argc < 2) {
		print_program_help(stderr);
		return EXIT_WRONG_USAGE;
	}
	if (argv[1][0] == '-') {
		r = parse_options(argc, argv);
		if (r)
			return r;
		if (want_version)
			printf("%s %s\n", p->name, MESHRC_VERSION);
		else if (want_help)
			print_program_help(stdout);
		else
			return cli_usage("the command comes first");
		return finish(EXIT_DONE);
	}
	if (!strcmp(argv[1], "help")) {
		if (argc < 3) {
			print_program_help(stdout);
			return finish(EXIT_DONE);
		}
		argv[1] = argv[2];
		argc = 2;
		want_help = true;
	}
	for (c = p->commands; c->name && strcmp(c->name, argv[1]); c++)
		;
	if (!c->name)
		return unknown_command(argv[1]);
	command = c;
	r = parse_options(argc - 1, argv + 1);
	if (r)
		return r;
	if (want_version) {
		printf("%s %s\n", p->name, MESHRC_VERSION);
		return finish(EXIT_DONE);
	}
	if (want_help) {
		print_command_help();
		return finish(EXIT_DONE);
	}
	n = argc - 1 - optind;
	if (n < c->min_args)
		return cli_usage("an argument is missing: %s %s %s", p->name, c->name, c->args);
	if (n > c->max_args)
		return cli_usage("one argument too many: '%s'", argv[1 + optind + c->max_args]);
	return finish(c->run(n, argv + 1 + optind));
}
