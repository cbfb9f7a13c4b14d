/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes addresses into the text of a network's file, as a person would: an `addresses` entry in
 * the mapping of each node, and every other byte stays as it is. Pure.
 *
 * The entry is put behind `endpoint`, or `public_key` where there is none: in a mapping in block
 * style on a line of its own, indented like the keys beside it; in one in braces behind a comma, on
 * a line of its own where the entry before has one. Line ends are those of the file; keys and
 * values are quoted as those beside them.
 *
 * Text edited by rule may always come out different from what was meant: the caller loads the
 * result and compares.
 */
#ifndef SCHEMA_PIN_H
#define SCHEMA_PIN_H

#include "common/buf.h"
#include "common/diag.h"
#include "common/err.h"
#include "common/prefix.h"

struct pin {
	const char *section; /* the key at the top that holds the mapping: "clients", "nodes" */
	const char *name; /* of the node or client */
	const struct ipaddr *addresses;
	size_t n; /* > 0 */
};

/*
 * Appends the new text of `file` to `out`. `pins` are sorted by section, then by name, n > 0; the
 * file is one that schema/load.h took without an error, and has the `public_key` of each of them.
 * ERR_INPUT when it has not, or has `addresses` of it already; ERR_LIMIT when `out` is full.
 */
int pin_text(const struct source *file, const struct pin *pins, size_t n, struct buf *out,
	     struct err *e);

#endif
