/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int real_renameat_new(int olddir, const char *oldname, int newdir, const char *newname)
{
	if (renameat2(olddir, oldname, newdir, newname, RENAME_NOREPLACE) == 0)
		return 0;
	/* Not every file system can do it. */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(olddir, oldname, newdir, newname, 0) < 0)
		return -1;
	(void)unlinkat(olddir, oldname, 0);
	return 0;
}

static int real_clock_gettime(clockid_t clock, struct timespec *ts)
{
	return clock_gettime(clock, ts);
}

struct os_sys os_sys = {
	.openat = real_openat,
	.read = read,
	.write = write,
	.fsync = fsync,
	.close = close,
	.renameat = renameat,
	.renameat_new = real_renameat_new,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
	.fstat = fstat,
	.flock = flock,
	.clock_gettime = real_clock_gettime,
	.getrandom = getrandom,
};
