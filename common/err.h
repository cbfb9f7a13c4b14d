/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One error as a value. Library functions return 0 or -1 and fill a `struct err` on -1; nothing
 * below a program's main prints. The first (lowest) message is kept: callers add context in front
 * of it with err_prefix and never replace it.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/attr.h"

enum err_class {
	ERR_NONE = 0,
	ERR_INPUT, /* bytes or arguments that break a rule */
	ERR_LIMIT, /* over a limit of common/limits.h */
	ERR_NOMEM,
	ERR_NOENT, /* the thing asked for is not there */
	ERR_IO, /* disk, network or kernel refused */
	ERR_VERIFY, /* a published document was refused; `reason` says why */
	ERR_CONFLICT, /* somebody else changed it first */
};

struct err {
	enum err_class class;
	/* A stable code such as "BAD-SIG" (static storage), or NULL. docs/format.md lists them. */
	const char *reason;
	char msg[512];
};

/* Fills `e` (which may be NULL) and returns -1, so that `return err_set(...)` reads well. Keeps
 * errno. */
int err_set(struct err *e, enum err_class class, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set with ERR_VERIFY and a reason code of static storage. */
int err_refuse(struct err *e, const char *reason, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set with ERR_IO and ": strerror(errno)" at the end; ENOENT becomes ERR_NOENT, ENOMEM
 * ERR_NOMEM. */
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "context: " before the message that stands in `e`. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts ": sentence" behind it: how to mend it. */
void err_suffix(struct err *e, const char *sentence);
/* err_set for a failed allocation. Returns -1. */
int err_nomem(struct err *e);

#endif
