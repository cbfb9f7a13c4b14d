/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks from YAML text, by way of the schema and the compiler, as `meshrc` makes them. */
#ifndef TESTS_UNIT_TEXT_NETWORK_H
#define TESTS_UNIT_TEXT_NETWORK_H

#include "common/arena.h"
#include "common/diag.h"
#include "publication/network.h"

/*
 * Loads the text as the only network, called net, and compiles it; what schema_load or compile
 * returned. `$1` in the text stands for the first key of tests/unit/keys.h, and so on.
 * Begins `d`.
 */
int text_compile(struct arena *a, struct diag *d, const char *yaml, const struct network *published,
		 uint64_t serial, struct network *ret);

/* The same in the arena; where it does not compile, the test fails with what was said. */
struct network *text_must_compile(struct arena *a, struct diag *d, const char *yaml,
				  const struct network *published, uint64_t serial);

/* All that was said, as it is shown, in the arena. */
char *text_of_diag(struct arena *a, struct diag *d);

#endif
