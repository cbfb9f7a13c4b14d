/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers for tests: the same on every machine for the same seed. */
#ifndef TESTS_UNIT_DICE_H
#define TESTS_UNIT_DICE_H

#include <stdbool.h>
#include <stdint.h>

/* xorshift64*: small, and ours. */
struct dice {
	uint64_t state;
};

static inline void dice_init(struct dice *d, uint64_t seed)
{
	d->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* 0..n-1 */
static inline uint32_t dice_throw(struct dice *d, uint32_t n)
{
	d->state ^= d->state >> 12;
	d->state ^= d->state << 25;
	d->state ^= d->state >> 27;
	return (uint32_t)((d->state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n);
}

static inline bool dice_one_in(struct dice *d, uint32_t n)
{
	return !dice_throw(d, n);
}

#endif
