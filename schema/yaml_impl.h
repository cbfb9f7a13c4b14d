/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the YAML reader share, and nobody else sees: the bytes before libyaml sees them
 * (yaml_bytes.c), secrets in them (yaml_secret.c), the keys of a mapping (yaml_keys.c).
 */
#ifndef SCHEMA_YAML_IMPL_H
#define SCHEMA_YAML_IMPL_H

#include <stdbool.h>

#include "schema/yaml.h"

/* The place of a byte. */
struct pos yaml_place(const struct source *s, size_t offset);
/* False after telling what libyaml must not see; what is told and true, it may. */
bool yaml_check_bytes(const struct source *s, struct diag *d);
/* A character of UTF-8 that the value of a scalar may not hold (escapes and folding make what the
 * bytes of the file do not show). */
bool yaml_bad_character(const char *s, size_t len, uint32_t *ret);
/* One of those: a reviewer does not see it, or sees others in another order. */
bool yaml_is_invisible(uint32_t c);

/* Where the word ends that says that a private or preshared key follows; NULL: there is none. */
const char *yaml_secret_word(const char *s, size_t len);
/*
 * A line that names a secret may hold it where no event tells (an open quote, a comment), so what
 * follows the word is hidden by the look of it, and the next line too when this one ends at once.
 */
void yaml_hide_secrets(const struct source *s, struct diag *d);

/* Tells the keys that are refused and those that are given twice, and drops them. -1: out of
 * memory. */
int yaml_check_keys(struct yaml_node *map, struct diag *d);

#endif
