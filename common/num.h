/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict unsigned decimal numbers: ASCII digits, no sign, no blank, no leading zero, at most `max`.
 */
#ifndef COMMON_NUM_H
#define COMMON_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* 0, or -1 with *ret untouched. */
int num_parse(const char *s, size_t len, uint64_t max, uint64_t *ret) MUST_CHECK;

#endif
