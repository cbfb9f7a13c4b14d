/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growable byte buffer with a maximum that is stated at init. Failure is sticky: after an append
 * that did not fit or could not be allocated, all further appends do nothing and buf_ok is false,
 * so a row of appends needs one check at its end. `data` is always NUL-terminated behind `len` (a
 * buffer that never held anything points at an empty string).
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

struct buf {
	char *data;
	size_t len;
	size_t cap; /* 0: `data` is not ours to free */
	size_t max;
	bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees the contents; the buffer is as after buf_init */
void buf_reset(struct buf *b); /* empties it, keeps the memory, clears a failure */
bool buf_ok(const struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Room for `len` bytes at the end, to be filled by the caller, who then adds to `b->len`; NULL on
 * failure. */
char *buf_reserve(struct buf *b, size_t len);
/* Gives the bytes (malloc'ed, NUL-terminated) to the caller and leaves the buffer empty; NULL if
 * failed. */
char *buf_steal(struct buf *b);

#endif
