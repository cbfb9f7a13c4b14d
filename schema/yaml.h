/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One YAML file -> a tree of typed values, each with its place. Of libyaml, which nothing else
 * uses, it takes the event interface alone, since its document loader takes what must be refused
 * here (measured on 0.2.5): duplicate keys, aliases, tags, several documents, NUL in a scalar, any
 * depth.
 *
 * Refused with their place: all of the above, anchors, merge keys, directives, keys that are no
 * scalar, a top that is no mapping, an empty file, anything but UTF-8 without a byte order mark,
 * control, bidirectional and invisible characters, values of several lines, secrets (a key that
 * names a private or preshared key; its value is hidden from every excerpt), and what is over a
 * limit of common/limits.h. One run reports all that can be told; reading stops early only at a
 * syntax error, at bytes that libyaml would stop at, at a directive, at a second document and at a
 * limit; of a file with the marks of an unresolved merge conflict, the first of them is all.
 *
 * Which type a scalar has is not decided here: schema/table.h knows which one its key wants.
 */
#ifndef SCHEMA_YAML_H
#define SCHEMA_YAML_H

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/diag.h"

/* YAML_NODE_BAD stands where something was refused: the error is told already, users pass over it
 * in silence. */
enum yaml_kind { YAML_NODE_BAD, YAML_NODE_SCALAR, YAML_NODE_LIST, YAML_NODE_MAP };

enum yaml_flags {
	YAML_PLAIN = 1u << 0, /* a scalar without quotes */
	YAML_PARTIAL = 1u << 1, /* a collection that may lack entries, because reading stopped or an
				   entry was refused */
};

struct yaml_pair;

/* 32 bytes: a file of 100,000 nodes has about two million of them. */
struct yaml_node {
	const struct source *source;
	union {
		const char *text; /* NUL-terminated, valid UTF-8 without control characters */
		struct yaml_node *items;
		struct yaml_pair *pairs; /* in the order of the file, keys are unique scalars */
	};
	uint32_t n; /* bytes, items or pairs */
	uint32_t line, col; /* from 1, columns in characters */
	uint16_t width;
	uint8_t kind;
	uint8_t flags;
};

struct yaml_pair {
	struct yaml_node key, value;
};

/* What was read so far; begins as zero and goes on from file to file, so that the files of a
 * network share one limit. */
struct yaml_stats {
	size_t events; /* that were taken from libyaml */
	size_t depth; /* the deepest nesting seen */
};

/*
 * Reads `s` into `ret`, in the arena. Returns 0 when all of the file was read, -1 when reading
 * stopped early (then *ret is YAML_NODE_BAD, or a mapping of what came before, flagged
 * YAML_PARTIAL). Whether there were errors is in `d`.
 */
int yaml_read(const struct source *s, struct arena *a, struct diag *d, struct yaml_node *ret,
	      struct yaml_stats *stats);

struct pos yaml_pos(const struct yaml_node *n);

/*
 * Indices of the pairs sorted by key, pairs with equal keys in their given order; NULL when out of
 * memory. The array is malloc'ed.
 */
uint32_t *yaml_sort(const struct yaml_pair *pairs, uint32_t n);

/* The error of a key or an entry that is given twice, at `again`, naming `first` too. */
void yaml_duplicate(struct diag *d, const struct yaml_node *again, struct pos first);

/* The scalar's text for a message: cut to some 60 bytes at a character. */
#define YAML_SHOWN 72
const char *yaml_show(const struct yaml_node *n, char out[static YAML_SHOWN]);

#endif
