/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The repositories of a folder (examples/networks, tests/golden/errors), for tests that go through
 * all of them. Paths are relative to the top of the tree, where the tests are run.
 */
#ifndef TESTS_UNIT_REPOSITORIES_H
#define TESTS_UNIT_REPOSITORIES_H

#include "common/arena.h"
#include "schema/load.h"

#define MAX_TEST_FILES 256

/* All *.yaml of one repository. */
struct repository {
	struct arena arena;
	struct source list[MAX_TEST_FILES];
	size_t n;
	const char *top; /* the folder that paths are relative to */
};

/* Each folder of `dir`, at its subfolder `below` ("" or "/in"). Fails when there are hardly any. */
void repositories_each(const char *dir, const char *below, void (*fn)(const struct repository *x));

#endif
