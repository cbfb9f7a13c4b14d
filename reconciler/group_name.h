/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of groups that the compiler makes up. Part of the compiler. All are in `a`; NULL: out of
 * memory.
 */
#ifndef RECONCILER_GROUP_NAME_H
#define RECONCILER_GROUP_NAME_H

#include "common/arena.h"
#include "common/buf.h"

/* The one text behind the other: "tag:" and "dc". */
char *group_name_join(struct arena *a, const char *first, const char *second);
/* What stands in the buffer; where that is longer than `max`, its begin and 32 digits of the hash
 * of all of it behind "!#", `max` - 1 characters together. NULL also for a buffer that failed. */
char *group_name_bounded(struct arena *a, const struct buf *b, size_t max);

#endif
