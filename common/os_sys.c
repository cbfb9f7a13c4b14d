/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
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
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
	.fstat = fstat,
	.flock = flock,
	.clock_gettime = real_clock_gettime,
	.getrandom = getrandom,
};
