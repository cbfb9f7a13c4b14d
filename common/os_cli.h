/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of both programs: a table of commands, each with a table of options, from which
 * parsing, help and did-you-mean come. Data goes to stdout, everything else to stderr; the end of
 * cli_main checks that stdout was really written. Exit codes: docs/man/meshrc.1, EXIT STATUS.
 */
#ifndef COMMON_OS_CLI_H
#define COMMON_OS_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "common/buf.h"
#include "common/err.h"

#define EXIT_DONE 0
#define EXIT_REFUSED 1 /* refused or failed */
#define EXIT_CHANGES 2 /* plan --detailed-exitcode, with changes */
#define EXIT_WRONG_USAGE 64

enum cli_kind {
	CLI_FLAG, /* bool *: set to true */
	CLI_STRING, /* const char **: the last one counts */
	CLI_LIST, /* struct cli_list *: may be given several times */
};

#define CLI_LIST_MAX 16

struct cli_list {
	const char *v[CLI_LIST_MAX];
	size_t n;
};

struct cli_option {
	const char *name; /* long name without dashes; NULL ends the table */
	enum cli_kind kind;
	void *dest;
	const char *arg; /* what the help calls the argument; NULL for flags */
	const char *help; /* one line */
	bool hidden;
};

struct cli_command {
	const char *name; /* NULL ends the table */
	const char *summary; /* one line */
	const char *args; /* of the usage line: "NODE", "[DIR]", "REV1 REV2", or "" */
	const char *help; /* more text for --help, or NULL */
	int min_args, max_args;
	const struct cli_option *options; /* may be NULL; the common ones are added */
	/* Returns the exit code. */
	int (*run)(int argc, char **argv);
	bool hidden; /* for scripts alone: not in the list of commands */
};

struct cli_program {
	const char *name;
	const char *summary;
	const struct cli_command *commands;
	const struct cli_option *options; /* of every command; may be NULL */
};

/* The options every command has, set by cli_main before run. */
extern bool cli_quiet, cli_verbose, cli_json;

/* Parses, runs, checks stdout; returns the exit code for main. */
int cli_main(const struct cli_program *p, int argc, char **argv);

/* True when colour is wanted on this descriptor: a terminal, TERM not "dumb", NO_COLOR unset or
 * empty. */
bool cli_colour(int fd);
/* Long work: a line on a terminal's stderr that the next one replaces; nothing elsewhere or with
 * --quiet. NULL clears it. */
void cli_progress(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cli_progress_clear(void);
/* One line to stderr, "meshrc: ..."; escaped by text_safe. cli_info is silent with --quiet,
 * cli_debug needs --verbose. */
void cli_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cli_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cli_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cli_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Prints "NAME: error: MESSAGE" for `e` and returns EXIT_REFUSED. */
int cli_fail(const struct err *e);
/* Wrong usage of the running command: prints the message and where to find help; returns
 * EXIT_WRONG_USAGE. */
int cli_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Writes a buffer to stdout; a buffer that failed is an error. Returns 0 or -1 after telling the
 * user. */
int cli_print(const struct buf *b);

#endif
