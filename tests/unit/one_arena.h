/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For unit programs in which each test has an arena to itself: it, and their setup and teardown. */
#ifndef TESTS_UNIT_ONE_ARENA_H
#define TESTS_UNIT_ONE_ARENA_H

#include "common/arena.h"

static struct arena arena;

static inline int setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

#endif
