/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where libyaml stopped, and why, in words for people. */
#ifndef SCHEMA_YAML_ERROR_H
#define SCHEMA_YAML_ERROR_H

#include <yaml.h>

#include "common/diag.h"

struct pos yaml_mark_pos(const struct source *s, const yaml_mark_t *m);

/* Tells the scanner's or the parser's error. Returns the place of a list that is part of the same
 * mistake, or no place. */
struct pos yaml_tell_error(const struct source *source, const yaml_parser_t *p, struct diag *d);

#endif
