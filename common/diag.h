/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with the files a person wrote: a bounded list of errors and warnings, each with its
 * place. One run reports all of them. Rendered as
 *
 *   networks/prod.yaml:12:7: error: unknown key `endpiont`
 *      12 |     endpiont: fra1.example.net
 *         |     ^~~~~~~~
 *     help: did you mean `endpoint`?
 *
 * The excerpt is cut from the bytes that were parsed. All text passes through text_safe.
 */
#ifndef COMMON_DIAG_H
#define COMMON_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attr.h"
#include "common/buf.h"

/* One file held in memory. `text` stays valid as long as any position in it is used. */
struct source {
	const char *path;
	const char *text;
	size_t len;
};

/* A place in a source; lines and columns count from 1, columns in characters. source == NULL: no
 * place. */
struct pos {
	const struct source *source;
	uint32_t line, col;
	uint32_t width; /* characters to underline; 0 or 1: a caret alone */
};

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag_entry {
	enum diag_severity severity;
	struct pos pos;
	const char *msg;
	const char *help; /* how to mend it, or NULL; further lines show what to write */
	struct pos other; /* the second place ("first given here"), when other.source is set */
	const char *other_msg;
	size_t order; /* in which it was added: ties of the sort */
};

struct diag {
	struct arena *arena; /* owns the texts */
	struct diag_entry *entries; /* at most MAX_DIAGS */
	size_t n;
	size_t errors, warnings; /* all, also those past MAX_DIAGS */
	bool nomem; /* an entry could not be stored; errors is counted all the same */
	struct diag_hidden *hidden; /* what no excerpt shows */
	size_t n_hidden;
};

void diag_init(struct diag *d, struct arena *arena);
/* Adds one; the returned entry (NULL past MAX_DIAGS) may be given a help or a second place with the
 * calls below. */
struct diag_entry *diag_error(struct diag *d, struct pos pos, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
struct diag_entry *diag_warn(struct diag *d, struct pos pos, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void diag_help(struct diag *d, struct diag_entry *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_other(struct diag *d, struct diag_entry *e, struct pos other, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* Counts an error that cannot be told: memory ran out. */
void diag_nomem(struct diag *d);
/*
 * No excerpt shows what stands from `from` to the end of the line `last_line` of the same source: a
 * secret that somebody put into a file. Running out of memory sets d->nomem, after which no excerpt
 * is shown at all.
 */
void diag_hide(struct diag *d, struct pos from, uint32_t last_line);
/* Turns every warning into an error (`--strict`). */
void diag_strict(struct diag *d);
/* Renders all, sorted by path, line and column, with a closing line when some were only counted. */
void diag_render(struct diag *d, bool colour, struct buf *out);

#endif
