/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML text -> model. Pure: takes the files as bytes, whether they came from a work tree, a commit
 * or git's quarantine.
 */
#ifndef SCHEMA_LOAD_H
#define SCHEMA_LOAD_H

#include "common/arena.h"
#include "common/diag.h"
#include "schema/model.h"

/*
 * `files` are meshrc.yaml and everything under networks/ that ends in .yaml or .yml, in any order,
 * with paths relative to the top of the repository. They must stay valid as long as the model and
 * the diag: both point into them.
 *
 * networks/NAME.yaml is one network in one file; networks/NAME/ ** /X.yaml are merged: mappings
 * merge (so one node per file merges cleanly), `topology` lists are joined in the order of the
 * paths, a scalar or list given twice is an error that names both places. The result does not
 * depend on the order of `files`.
 *
 * Every error is added to `d`; the model is complete and usable only when d->errors == 0
 * afterwards. Returns 0 then, else -1. Running out of memory sets d->nomem. schema_load includes
 * schema/check.h and, when there was no error, schema/machines.h.
 */
int schema_load(const struct source *files, size_t n, struct arena *a, struct diag *d,
		struct model *ret);

#endif
