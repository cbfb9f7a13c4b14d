/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files: all that meshrc reads and writes outside git, netlink and sockets passes here. Names are
 * relative to an open directory (AT_FDCWD for the current one), descriptors are close-on-exec,
 * symbolic links are not followed where a name of our own state is meant.
 */
#ifndef COMMON_OS_FILE_H
#define COMMON_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"
#include "common/buf.h"
#include "common/err.h"

/* Opens a directory for the dirfd arguments below; -1 on error. The caller closes it with os_close.
 */
int os_open_dir(int dirfd, const char *path, struct err *e) MUST_CHECK;
void os_close(int fd); /* -1 is fine */
/* As `mkdir -p`; existing folders keep their mode. */
int os_mkdir_p(int dirfd, const char *path, mode_t mode, struct err *e) MUST_CHECK;

/* As os_open_dir for one name in dirfd, which must not be a symbolic link. */
int os_open_subdir(int dirfd, const char *name, struct err *e) MUST_CHECK;

enum os_kind { OS_MISSING, OS_FILE, OS_DIR, OS_SYMLINK, OS_OTHER };
/* What stands under a name; the name itself is not followed. What cannot be looked at counts as
 * missing. */
enum os_kind os_kind_of(int dirfd, const char *name);

/* Appends the whole of a regular file to `out`; more than `max` bytes is ERR_LIMIT, a missing file
 * ERR_NOENT. */
int os_read_file(int dirfd, const char *name, size_t max, struct buf *out,
		 struct err *e) MUST_CHECK;
/* As os_read_file, but a symbolic link is refused. */
int os_read_nofollow(int dirfd, const char *name, size_t max, struct buf *out,
		     struct err *e) MUST_CHECK;
/* As os_read_file for a file of secrets: refuses a symbolic link and a file that group or others
 * may read. */
int os_read_secret(int dirfd, const char *name, size_t max, struct buf *out,
		   struct err *e) MUST_CHECK;
/* All that a descriptor gives until its end, up to `max` bytes. */
int os_read_fd(int fd, size_t max, struct buf *out, struct err *e) MUST_CHECK;
int os_write_all(int fd, const void *data, size_t len, struct err *e) MUST_CHECK;

/*
 * The durable replace: a new file beside it (O_EXCL, O_NOFOLLOW, the final mode from the start),
 * written, fsynced, closed with a check, renamed over `name`, and the directory fsynced. After a
 * crash the old or the new bytes stand there, whole.
 */
int os_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       struct err *e) MUST_CHECK;
/* As os_replace, but an existing `name` is left as it is and gives ERR_CONFLICT. After a crash the
 * file is whole or not there. */
int os_create(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	      struct err *e) MUST_CHECK;
/*
 * As os_replace without the two fsyncs: for a row of files that one os_sync_dir makes durable
 * before the file that names them is replaced.
 */
int os_write_file(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		  struct err *e) MUST_CHECK;
/* Makes everything written so far on the file system of this directory durable (syncfs). */
int os_sync_dir(int dirfd, struct err *e) MUST_CHECK;
/*
 * Writes into a file that is there, in one write, without truncating or replacing it: for settings
 * of the kernel (/proc/sys), which take a value so. Symbolic links are not followed.
 */
int os_write_existing(int dirfd, const char *name, const void *data, size_t len,
		      struct err *e) MUST_CHECK;
/* A missing file is no error. */
int os_unlink(int dirfd, const char *name, struct err *e) MUST_CHECK;
bool os_exists(int dirfd, const char *name);
/* The number of the file (inode) that a name leads to, links followed. A missing one is ERR_NOENT.
 */
int os_file_number(int dirfd, const char *path, uint64_t *ret, struct err *e) MUST_CHECK;
/* Seconds since the last change of a file, by the wall clock; -1: it is not there. */
int64_t os_age(int dirfd, const char *name);

/*
 * Calls fn(name, is_dir, arg) for each entry of a directory except "." and "..", in the order of
 * their bytes. fn returns 0 to go on; anything else stops and is returned.
 */
int os_list(int dirfd, const char *path, int (*fn)(const char *name, bool is_dir, void *arg),
	    void *arg, struct err *e) MUST_CHECK;

/*
 * Takes the lock file `name` (made if missing) and returns its descriptor, which holds the lock
 * until os_close or the end of the process; ERR_CONFLICT when another process has it and `wait` is
 * false.
 */
int os_lock(int dirfd, const char *name, bool wait, struct err *e) MUST_CHECK;
/*
 * The same for a lock that several users share: whoever can read the file can lock it, its mode is
 * that of other files (umask). Waits `seconds` at most, 0: not at all; then ERR_CONFLICT.
 */
int os_lock_shared(int dirfd, const char *name, unsigned int seconds, struct err *e) MUST_CHECK;

#endif
