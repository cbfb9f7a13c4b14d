/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the n-th allocation fail. Include it in one file of a unit program and link that program
 * with $(WRAP_ALLOC) of tests/tests.mk. Only allocations of our own objects are seen, not those
 * inside shared libraries.
 *
 *	for (n = 1; fail_alloc_at(n), r = thing_under_test(), fail_alloc_stop(); n++)
 *		... r must be a clean error, with nothing leaked (SAN=address tells) ...
 *	... here r is of a run in which nothing failed ...
 */
#ifndef TESTS_UNIT_FAIL_ALLOC_H
#define TESTS_UNIT_FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static size_t fail_alloc_left; /* 0: never */
static bool fail_alloc_hit;

/* The n-th allocation from now on fails, and all after it too, as on a machine that is out of
 * memory. */
static inline void fail_alloc_at(size_t n)
{
	fail_alloc_left = n;
	fail_alloc_hit = false;
}

/* Back to normal; true when an allocation was made to fail. */
static inline bool fail_alloc_stop(void)
{
	fail_alloc_left = 0;
	return fail_alloc_hit;
}

static inline bool fail_alloc_now(void)
{
	if (!fail_alloc_left)
		return false;
	if (fail_alloc_left > 1) {
		fail_alloc_left--;
		return false;
	}
	fail_alloc_hit = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fail_alloc_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_alloc_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fail_alloc_now() ? NULL : __real_realloc(p, size);
}

#endif
