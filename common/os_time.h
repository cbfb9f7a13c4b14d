/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time and randomness from the system, through the seam of os_sys.h. */
#ifndef COMMON_OS_TIME_H
#define COMMON_OS_TIME_H

#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/err.h"

/* Seconds since 1970 by the wall clock. */
int64_t os_now(void);
/* Milliseconds by a clock that never jumps and counts while suspended (CLOCK_BOOTTIME). */
int64_t os_monotonic_ms(void);
/* Waits at least so many milliseconds. */
void os_sleep_ms(unsigned int ms);
int os_random(void *buf, size_t len, struct err *e) MUST_CHECK;

#endif
