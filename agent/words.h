/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the agent's own files: lines of words. The decoders that use it are loose about spelling:
 * each encodes its result again and wants the very bytes it was given, which leaves one spelling.
 */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/hash.h"
#include "common/num.h"

struct text {
	const char *p, *end;
	const char *word;
	size_t len;
};

static inline bool next_line(struct text *t, const char *data, size_t len, size_t *at)
{
	const char *nl;

	if (*at >= len)
		return false;
	nl = memchr(data + *at, '\n', len - *at);
	if (!nl)
		return false;
	t->p = data + *at;
	t->end = nl;
	*at = (size_t)(nl - data) + 1;
	return true;
}

static inline bool word(struct text *t)
{
	const char *blank;

	if (!t->p)
		return false;
	blank = memchr(t->p, ' ', (size_t)(t->end - t->p));
	t->word = t->p;
	t->len = (size_t)((blank ? blank : t->end) - t->p);
	t->p = blank ? blank + 1 : NULL;
	return true;
}

static inline bool word_is(struct text *t, const char *s)
{
	return word(t) && t->len == strlen(s) && !memcmp(t->word, s, t->len);
}

static inline bool word_number(struct text *t, uint64_t max, uint64_t *ret)
{
	return word(t) && !num_parse(t->word, t->len, max, ret);
}

static inline bool word_digest(struct text *t, struct digest *ret)
{
	return word(t) && !digest_parse(t->word, t->len, ret);
}

#endif
