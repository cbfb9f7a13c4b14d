/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing a part of a file that belongs to the system and that others change too, such as
 * /etc/hosts.
 *
 * Replaced by rename where that is possible, with its mode, owner and extended attributes: a reader
 * finds the old or the new file, whole. Where it is not (the name is a mount point, as in
 * containers; the folder is read-only; it has a second name), it is written in place, from the
 * first byte that changes; before that both contents go into a journal, from which the next call
 * finishes what was cut short. A symbolic link is followed, and stays.
 *
 * Those who change it through here wait for one another (flock on the file). A change by somebody
 * else between our reading and our writing makes us begin again.
 */
#ifndef COMMON_OS_AMEND_H
#define COMMON_OS_AMEND_H

#include <stdbool.h>

#include "common/attr.h"
#include "common/buf.h"
#include "common/err.h"

/* Appends to `new` what the file is to be; `old` is empty when there is none. */
typedef int os_amend_fn(const struct buf *old, struct buf *new, void *arg, struct err *e);

/*
 * *ret_changed: the file is not what `edit` makes of it, and, without `dry`, was changed. Nothing
 * is written when it is. `journal` names a file in a folder of our own. A missing file is made with
 * mode 0644. ERR_LIMIT: longer than `max`; ERR_CONFLICT: others hold or change it all the time.
 */
int os_amend(const char *path, const char *journal, size_t max, bool dry, os_amend_fn *edit,
	     void *arg, bool *ret_changed, struct err *e) MUST_CHECK;

#endif
