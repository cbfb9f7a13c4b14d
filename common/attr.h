/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiler attributes and two macros that every file may use.
 */
#ifndef COMMON_ATTR_H
#define COMMON_ATTR_H

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
