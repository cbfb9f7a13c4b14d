/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading documents line by line and word by word. A document is lines of printable ASCII, each
 * ended by LF; words are separated by one blank; nothing else is accepted. Inside publication/
 * only.
 */
#ifndef PUBLICATION_LINE_H
#define PUBLICATION_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct line_reader {
	const char *p, *end;
	size_t number; /* of the line returned last, from 1 */
};

struct words {
	const char *p,
		*end; /* what is left of the line; p == NULL: nothing, not even an empty word */
};

void line_init(struct line_reader *r, const char *data, size_t len);
/* 1: *ret holds the next line's words; 0: the end; -1: bytes that no document may hold. */
int line_next(struct line_reader *r, struct words *ret, struct err *e);
/* As line_next, but the end is an error too. */
int line_want(struct line_reader *r, struct words *ret, struct err *e);
/* The next line must be exactly "key value" with this key; *ret is the value. */
int line_value(struct line_reader *r, const char *key, const char **ret, size_t *ret_len,
	       struct err *e);
/* As line_value for a number. */
int line_number(struct line_reader *r, const char *key, uint64_t max, uint64_t *ret, struct err *e);
/* A BAD-FIELD error that names the line last read. */
int line_bad(const struct line_reader *r, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The next word; false at the end of the line or for an empty word. */
bool words_next(struct words *w, const char **ret, size_t *ret_len);
/* The next word must be this one. */
bool words_is(struct words *w, const char *word);
/* If the next word starts with "name=", takes it and gives what follows. */
bool words_field(struct words *w, const char *name, const char **ret, size_t *ret_len);
bool words_end(const struct words *w);
/* All that is left, as one text; false when nothing is. */
bool words_rest(struct words *w, const char **ret, size_t *ret_len);

#endif
