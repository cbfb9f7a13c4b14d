/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points in time as seconds since 1970-01-01T00:00:00Z, printed as RFC 3339 in UTC with whole
 * seconds
 * ("2026-11-21T10:13:00Z", one spelling), years 1970 to 9999; and durations as "90s", "15m", "12h",
 * "30d", "2w".
 */
#ifndef COMMON_TIMEFMT_H
#define COMMON_TIMEFMT_H

#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define TIME_STRLEN 21
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

int time_parse(const char *s, size_t len, int64_t *ret) MUST_CHECK;
char *time_print(int64_t t, char out[static TIME_STRLEN]);
/* At least 1 second, at most 400 days. */
int duration_parse(const char *s, size_t len, int64_t *ret) MUST_CHECK;
/* "3 days", "12 minutes", "1 second": the largest whole unit, for people. */
#define AGO_STRLEN 32
char *duration_print(int64_t seconds, char out[static AGO_STRLEN]);

#endif
