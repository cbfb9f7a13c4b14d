/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the decoder share, and nobody else sees: what a value must be before it is read
 * (table_want.c), how other programs read a scalar (table_misread.c), and a reader for each type of
 * field (table_scalar.c, table_endpoint.c, table_address.c, table_list.c, table_selector.c).
 */
#ifndef SCHEMA_TABLE_IMPL_H
#define SCHEMA_TABLE_IMPL_H

#include "common/limits.h"
#include "schema/model.h"
#include "schema/table.h"

#define MEMBER(type, obj, offset) ((type *)(void *)((char *)(obj) + (offset)))

/* A line for the user and how to mend it, at a node. Nothing is formatted past MAX_DIAGS. */
#define TELL(c, n, msg_args, help_args)                                                      \
	do {                                                                                 \
		struct diag_entry *e_ = diag_error((c)->diag, yaml_pos(n), UNPACK msg_args); \
		diag_help((c)->diag, e_, UNPACK help_args);                                  \
	} while (0)
#define UNPACK(...) __VA_ARGS__

/* What YAML 1.1 or 1.2 makes of a plain scalar; of a text for the other two, quoted or not. */
bool scalar_is_null(const struct yaml_node *n);
bool scalar_is_yes(const char *s);
bool scalar_is_no(const char *s);

/* "a list", "a mapping" or "a single value". */
const char *kind_word(const struct yaml_node *n);
/* The help that shows what belongs there: `f` and its value or, f NULL, one that `t` describes. */
void help_shape(struct diag *d, struct diag_entry *e, const struct table *t, const struct field *f);

/*
 * Whether a value is of the kind that is wanted. Anything else is told, in words of `wanted`, or
 * passed over in silence where it is YAML_NODE_BAD. `key` NULL: an entry of a list.
 */
bool want_scalar(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		 const char *wanted);
/* A scalar that every YAML program reads as text. */
bool want_text(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
	       const char *wanted);
/* A scalar that is a name, `what` of it ("a tag"). */
bool want_name(struct decode *c, const struct yaml_node *v, const char *what);
/* As table_shape, for a mapping. */
bool want_map(struct decode *c, const struct table *t, const struct field *f,
	      const struct yaml_node *key, const struct yaml_node *v);
/* From f->min to f->max entries, of a list or a mapping. */
bool want_count(struct decode *c, const struct field *f, const struct yaml_node *key,
		const struct yaml_node *v);
/* A list of so many. */
bool want_list(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v);
/* The same, and room in the arena for its entries, zeroed; NULL after telling. */
void *want_array(struct decode *c, const struct field *f, const struct yaml_node *key,
		 const struct yaml_node *v, size_t size);

/* The scalar's text in the arena and its place; s NULL: out of memory, which is noted. */
struct m_text keep_scalar(struct decode *c, const struct yaml_node *v);
/* What stands behind the first `len` bytes of a scalar; with those, no program misreads it. */
struct yaml_node scalar_behind(const struct yaml_node *v, uint32_t len);

/* Room for "tag:" and a name. */
#define GUESS (MAX_NAME + 5)
/* What was meant by `tags:dc`, `group: dc` (a mapping to YAML) or `node:fra1`. */
bool guess_selector(const struct yaml_node *v, char out[static GUESS]);

/* `key` NULL: an entry of a list. */
bool parse_prefix(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		  struct prefix *ret, struct pos *ret_pos);
/* Tells those that stand twice. They stay in the list: there was an error, so nobody uses it. */
void check_twice(struct decode *c, const struct m_prefix *list, size_t n);

/* Decodes the value of a key into the members of `obj` that the field names; what is wrong is told.
 */
typedef void field_reader(struct decode *c, const struct field *f, const struct yaml_node *key,
			  const struct yaml_node *v, void *obj);

/* table_scalar.c */
field_reader read_version, read_uint, read_bool, read_text, read_duration, read_key, read_ifname,
	read_ports, read_false;
/* table_endpoint.c */
field_reader read_endpoint, read_endpoints;
/* table_address.c */
field_reader read_addresses, read_prefix, read_prefixes, read_routes;
/* table_list.c */
field_reader read_dns, read_names, read_tags, read_services;
/* table_selector.c */
field_reader read_selectors, read_parties;

#endif
