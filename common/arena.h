/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region: things that live and die together (a model, a decoded network, a plan). Allocation
 * never fails half: NULL means out of memory, and everything already made stays valid until
 * arena_release. Memory comes zeroed and aligned for any type.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used; /* bytes handed out, for tests and figures */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);
/* n * size, checked for overflow; n = 0 gives a valid pointer. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copies len bytes and adds a NUL. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);

/*
 * Makes room for one more element in an array of `n` elements that was grown only by this call,
 * starting from NULL and 0. Returns the array, perhaps moved (the old one stays in the arena), or
 * NULL. Capacity is the next power of two of n, so no capacity is stored.
 */
void *arena_grow(struct arena *a, void *array, size_t n, size_t size);

#endif
