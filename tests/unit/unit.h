/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every unit program includes before cmocka.h, in the order that cmocka needs. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* In a loop over a table: which row is wrong. */
#define ROW_CHECK(cond, row)                                                                \
	do {                                                                                \
		if (!(cond))                                                                \
			fail_msg("row %zu (%s): %s", (size_t)(row), rows[row].what, #cond); \
	} while (0)

#endif
