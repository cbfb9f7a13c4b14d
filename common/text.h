/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people. Everything that came from outside (YAML, documents, the kernel, a server) goes
 * through text_safe before it reaches a terminal or a log: control bytes, DEL, C1, bidirectional
 * and zero-width characters and invalid UTF-8 become '?'.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

void text_safe(struct buf *out, const char *s, size_t len);

/* The length of the UTF-8 character at s (RFC 3629: no overlong form, no surrogate), or 0 if the
 * bytes are none. len > 0. */
size_t text_decode(const char *s, size_t len, uint32_t *ret);

/*
 * The word of list[0..n) that a user most probably meant by `word`, or NULL when none is near:
 * Damerau-Levenshtein distance of at most a third of its length, and at least one.
 */
const char *text_suggest(const char *word, const char *const *list, size_t n);

#endif
