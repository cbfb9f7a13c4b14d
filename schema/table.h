/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar as data: a table per mapping of the format, a row per key. Three things are made from
 * the same rows: the decoder here (YAML tree -> model), the JSON Schema (schema/jsonschema.h) and
 * its help texts. The rows themselves are in schema/grammar*.c.
 */
#ifndef SCHEMA_TABLE_H
#define SCHEMA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/diag.h"
#include "schema/yaml.h"

/* What a key's value is, and the type of the model's member at `value` (`pos` and `extra`: see
 * each). */
enum field_type {
	FIELD_VERSION, /* the number 1; nothing is stored */
	FIELD_UINT, /* struct m_uint */
	FIELD_MARK, /* struct m_uint; also in hexadecimal */
	FIELD_ROUTES_TABLE, /* struct m_uint; 0: the word off */
	FIELD_BOOL, /* bool; pos, where not 0 */
	FIELD_TEXT, /* struct m_text, any text of min to max bytes */
	FIELD_WORD, /* struct m_text, text that `check` takes */
	FIELD_DURATION, /* int64_t seconds */
	FIELD_KEY, /* struct wgkey; pos */
	FIELD_ENDPOINT, /* struct endpoint; pos */
	FIELD_ENDPOINTS, /* a mapping of `default` and tags to endpoints: struct m_seen *, sorted;
			    extra: size_t count; the default: struct endpoint at `has`; pos */
	FIELD_IFNAME, /* struct ifname; pos; extra: bool */
	FIELD_PORTS, /* struct m_ports: FIRST-LAST, each from min to max */
	FIELD_ADDRESSES, /* struct m_addr *; extra: size_t count; has: bool */
	FIELD_PREFIX, /* struct prefix; pos */
	FIELD_PREFIXES, /* struct m_prefix *; extra: size_t count; has, where not 0: bool, one was
			   refused */
	FIELD_RANGES, /* as FIELD_PREFIXES; a single address may stand for its own prefix */
	FIELD_ROUTES, /* a list of prefixes, or of mappings by `table`; struct m_route *; extra:
			 size_t count */
	FIELD_DNS, /* struct m_dns *, in order; extra: size_t count */
	FIELD_TAGS, /* struct m_text *, sorted; extra: size_t count */
	FIELD_NAMES, /* struct m_text *, in order, unique; extra: size_t count */
	FIELD_SELECTORS, /* struct m_selectors */
	FIELD_PARTIES, /* selectors and prefixes: struct m_parties */
	FIELD_SERVICES, /* struct m_services */
	FIELD_TABLE, /* a mapping with keys of its own, in the struct at `value` */
	FIELD_NAMED, /* a mapping of names to structs by `table`: array sorted by name; extra:
			size_t count */
	FIELD_LIST, /* a list of structs by `table`, in order; extra: size_t count; has: bool */
	FIELD_FALSE, /* only false; true comes with a later version; nothing is stored */
};

enum field_flags {
	FIELD_REQUIRED = 1u << 0,
	/* A split network needs it once, not in every file: the JSON Schema, which sees one file,
	   cannot demand it. */
	FIELD_REQUIRED_ONCE = 1u << 1,
	/* Of a table with `one_of`: may stand beside the one. */
	FIELD_BESIDE = 1u << 2,
	/* FIELD_ADDRESSES: one may be a prefix that is owned as a whole. */
	FIELD_WHOLE = 1u << 3,
};

struct table;

struct field {
	const char *key;
	enum field_type type;
	unsigned int flags;
	uint64_t min, max; /* numbers: the value; text: bytes; durations: seconds; lists and
			      FIELD_NAMED: entries */
	const char *fallback; /* what holds when the key is absent, as it would be written; NULL:
				 nothing */
	const struct table *table;
	/* FIELD_WORD: why the text is refused, or NULL; and the same rule as a regular expression,
	 * for the JSON Schema. */
	const char *(*check)(const char *s, size_t len);
	const char *pattern;
	size_t value, pos, extra, has; /* offsets into the struct of the table */
	int choice; /* of a table with `one_of`: what is stored at table->kind */
	const char *synonyms; /* words of other programs for this key, each followed by a blank */
	const char *help; /* one line */
	const char *example; /* as it would be written; NULL: the fallback */
	const char *shape; /* key and value in lines, for who wrote another kind of value; NULL: in
			      one line, with the example */
};

struct table {
	const char *what; /* "a node" */
	const struct field *fields; /* key NULL ends it */
	size_t size; /* of the struct */
	bool one_of; /* exactly one key that is not FIELD_BESIDE, and its `choice` is stored as int
			(an enum) at `kind` */
	size_t kind;
	size_t name, pos; /* FIELD_NAMED: const char * and its place; FIELD_LIST: pos alone */
	const char *shape; /* FIELD_NAMED and FIELD_LIST: one of them in lines, as above */
};

struct decode {
	struct arena *arena; /* for what the model keeps */
	struct diag *diag;
	const struct table *top; /* to tell where a misplaced key belongs */
	bool incomplete; /* set when names or whole parts were lost, so that checking references
			    would mislead */
};

/*
 * Decodes the mapping `map` into `obj`, which is zeroed. Every error is told; `where` is where a
 * missing key is missed. Never stops at an error.
 */
void table_decode(struct decode *c, const struct table *t, const struct yaml_node *map,
		  struct pos where, void *obj);

/* The row of that key, or NULL. */
const struct field *table_field(const struct table *t, const char *key);

/*
 * Whether `v` is a mapping, as each of the named ones that `t` describes (f NULL) and a field that
 * has a table are, or a list, as FIELD_LIST is. False after telling what it should look like, or in
 * silence for YAML_NODE_BAD. Only for such fields.
 */
bool table_shape(struct diag *d, const struct table *t, const struct field *f,
		 const struct yaml_node *key, const struct yaml_node *v);

/*
 * What YAML programs other than meshrc make of this plain scalar when it is not text ("a truth
 * value"), or NULL. YAML 1.1 and 1.2 together: what one of them misreads is refused.
 */
const char *table_misread(const struct yaml_node *n);

#endif
