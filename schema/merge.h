/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of one network -> one tree. Mappings merge at every level; the list `topology` at the
 * top is joined in the order given; `version` at the top may stand in every file as long as it says
 * the same; anything else given twice is an error that names both places.
 */
#ifndef SCHEMA_MERGE_H
#define SCHEMA_MERGE_H

#include "schema/yaml.h"

/*
 * `roots` are mappings, n > 0, in the order of their paths. The keys of *ret are sorted. Errors go
 * to `d`, running out of memory too.
 */
void merge_roots(const struct yaml_node *roots, size_t n, struct arena *a, struct diag *d,
		 struct yaml_node *ret);

#endif
