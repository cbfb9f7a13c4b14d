/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of one network -> one tree. Mappings merge at every level; a list of entries
 * (`topology`) is joined in the order given; `version` at the top may stand in every file as long
 * as it says the same; anything else given twice is an error that names both places.
 */
#ifndef SCHEMA_MERGE_H
#define SCHEMA_MERGE_H

#include "schema/table.h"
#include "schema/yaml.h"

/*
 * `roots` are mappings, n > 0, in the order of their paths; `t` describes them. The keys of *ret
 * are sorted. Errors go to `d`, running out of memory too. Where `t` wants a mapping or a list of
 * entries, a value of another kind is told by itself and left out: the files that are right are not
 * blamed for the one that is not. What lost something is flagged YAML_PARTIAL.
 */
void merge_roots(const struct yaml_node *roots, size_t n, const struct table *t, struct arena *a,
		 struct diag *d, struct yaml_node *ret);

#endif
