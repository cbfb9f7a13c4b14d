/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hint that something in a repository's references changed. The only user of libinotifytools,
 * whose state is one per process and which has no descriptor to wait on: a thread of its own waits
 * in it and writes to an eventfd. Events may be lost or spurious; who uses this looks at the branch
 * itself, and looks now and then without a hint too.
 */
#ifndef RECONCILER_WATCH_H
#define RECONCILER_WATCH_H

#include "common/err.h"

/*
 * Starts watching the references below `gitdir` (one watch per process). Returns a descriptor that
 * becomes readable, or -1: the system has no inotify left, say; polling alone does then.
 */
int watch_start(const char *gitdir, struct err *e);
/* Forgets the hints that arrived so far. */
void watch_clear(int fd);
void watch_stop(int fd);

#endif
