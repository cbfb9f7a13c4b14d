/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables that the files of the grammar share, and nobody else sees: a file for each part of it.
 */
#ifndef SCHEMA_GRAMMAR_IMPL_H
#define SCHEMA_GRAMMAR_IMPL_H

#include "schema/grammar.h"
#include "schema/model.h"

#define AT(type, member) offsetof(struct type, member)

/* name_is_valid as a regular expression; the length is up to min and max. */
#define NAME_PATTERN "^[a-z0-9][a-z0-9.-]*$"

extern const struct table grammar_node; /* -> struct m_node */
extern const struct table grammar_route; /* of a node or a site -> struct m_route */
extern const struct table grammar_client; /* -> struct m_client */
extern const struct table grammar_site; /* -> struct m_site */
extern const struct table grammar_topology; /* an entry -> struct m_topology */
extern const struct table grammar_routed; /* `routed_links` -> struct m_routed */
extern const struct table grammar_rule; /* of `policy` -> struct m_rule */
extern const struct table grammar_assertion; /* of `assert` -> struct m_assertion */

#endif
