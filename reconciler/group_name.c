/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/group_name.h"

#include "common/hash.h"

/* "!#" and half of a hash */
#define HASHED_LEN 34

char *group_name_join(struct arena *a, const char *first, const char *second)
{
	size_t n = strlen(first), m = strlen(second);
	char *s = arena_alloc(a, n + m + 1);

	if (s) {
		memcpy(s, first, n);
		memcpy(s + n, second, m + 1);
	}
	return s;
}

char *group_name_bounded(struct arena *a, const struct buf *b, size_t max)
{
	size_t begin = max - 1 - HASHED_LEN;
	struct digest digest;
	char hex[DIGEST_STRLEN], *s;

	if (!buf_ok(b))
		return NULL;
	if (b->len <= max)
		return arena_strndup(a, b->data, b->len);
	s = arena_alloc(a, max);
	if (!s)
		return NULL;
	digest_of(b->data, b->len, &digest);
	memcpy(s, b->data, begin);
	snprintf(s + begin, HASHED_LEN + 1, "!#%.32s", digest_print(&digest, hex));
	return s;
}
