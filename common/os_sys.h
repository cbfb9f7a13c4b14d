/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seam to the system: every system call that files, time and randomness need, as one table of
 * functions. Tests put failing ones in (the n-th write, a full disk, a clock at 1970); the programs
 * leave it as it is. Only files named os_* and the network and netlink edges call through it, and
 * nothing calls these functions past it.
 */
#ifndef COMMON_OS_SYS_H
#define COMMON_OS_SYS_H

#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct os_sys {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*fsync)(int fd);
	int (*close)(int fd);
	int (*renameat)(int olddir, const char *oldname, int newdir, const char *newname);
	/* As renameat, but an existing newname gives EEXIST and is left as it is. */
	int (*renameat_new)(int olddir, const char *oldname, int newdir, const char *newname);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	int (*mkdirat)(int dirfd, const char *path, mode_t mode);
	int (*fstat)(int fd, struct stat *st);
	int (*flock)(int fd, int operation);
	int (*clock_gettime)(clockid_t clock, struct timespec *ts);
	ssize_t (*getrandom)(void *buf, size_t len, unsigned int flags);
};

extern struct os_sys os_sys;

#endif
