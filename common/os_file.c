/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/os_sys.h"
#include "common/os_time.h"

int os_open_dir(int dirfd, const char *path, struct err *e)
{
	int fd = os_sys.openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	return fd < 0 ? err_errno(e, "cannot open the folder %s", path) : fd;
}

int os_open_subdir(int dirfd, const char *name, struct err *e)
{
	int fd = os_sys.openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);

	return fd < 0 ? err_errno(e, "cannot open the folder %s", name) : fd;
}

enum os_kind os_kind_of(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return OS_MISSING;
	return S_ISREG(st.st_mode) ? OS_FILE :
	       S_ISDIR(st.st_mode) ? OS_DIR :
	       S_ISLNK(st.st_mode) ? OS_SYMLINK :
				     OS_OTHER;
}

void os_close(int fd)
{
	if (fd >= 0)
		(void)os_sys.close(fd);
}

int os_mkdir_p(int dirfd, const char *path, mode_t mode, struct err *e)
{
	char part[4096];
	size_t len = strlen(path), i;
	bool existed = false;
	int fd;

	if (len >= sizeof(part))
		return err_set(e, ERR_LIMIT, "the path is too long: %s", path);
	for (i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		existed = os_sys.mkdirat(dirfd, part, mode) < 0;
		if (existed && errno != EEXIST)
			return err_errno(e, "cannot make the folder %s", part);
	}
	if (!existed)
		return 0;
	/* What existed may be a file. */
	fd = os_open_dir(dirfd, path, e);
	if (fd < 0)
		return -1;
	os_close(fd);
	return 0;
}

int os_read_fd(int fd, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->len;

	for (;;) {
		size_t room = out->max - out->len;
		char over, *p = &over;
		ssize_t n;

		if (room > 64 << 10)
			room = 64 << 10;
		/* When the buffer is full, one byte more tells "exactly as long" from "too long".
		 */
		if (room)
			p = buf_reserve(out, room);
		if (!p)
			return err_nomem(e);
		n = os_sys.read(fd, p, room ? room : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot read");
		if (n && (!room || out->len + (size_t)n - start > max))
			return err_set(e, ERR_LIMIT, "longer than %zu bytes", max);
		if (room) {
			p[n] = '\0';
			out->len += (size_t)n;
		}
		if (!n)
			return 0;
	}
}

static int read_named(int dirfd, const char *name, int flags, mode_t refuse, size_t max,
		      struct buf *out, struct err *e)
{
	struct stat st;
	int fd, r = -1;

	/* O_NONBLOCK: a FIFO in the place of a file must not hang us. */
	fd = os_sys.openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0);
	if (fd < 0)
		return err_errno(e, "cannot open %s", name);
	if (os_sys.fstat(fd, &st) < 0)
		err_errno(e, "cannot stat %s", name);
	else if (!S_ISREG(st.st_mode))
		err_set(e, ERR_INPUT, "%s is not a regular file", name);
	else if (st.st_mode & refuse)
		err_set(e, ERR_INPUT, "%s may be read by others than its owner: chmod 600 it",
			name);
	else if ((uint64_t)st.st_size > max)
		err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", name, max);
	else if (os_read_fd(fd, max, out, e) < 0)
		err_prefix(e, "%s", name);
	else
		r = 0;
	os_close(fd);
	return r;
}

int os_read_file(int dirfd, const char *name, size_t max, struct buf *out, struct err *e)
{
	return read_named(dirfd, name, 0, 0, max, out, e);
}

int os_read_nofollow(int dirfd, const char *name, size_t max, struct buf *out, struct err *e)
{
	return read_named(dirfd, name, O_NOFOLLOW, 0, max, out, e);
}

int os_read_secret(int dirfd, const char *name, size_t max, struct buf *out, struct err *e)
{
	return read_named(dirfd, name, O_NOFOLLOW, S_IRWXG | S_IRWXO, max, out, e);
}

int os_write_all(int fd, const void *data, size_t len, struct err *e)
{
	const char *p = data;

	while (len) {
		ssize_t n = os_sys.write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			errno = ENOSPC;
		if (n <= 0)
			return err_errno(e, "cannot write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The folder part of a name, for the fsync after a rename. */
static int sync_parent(int dirfd, const char *name, struct err *e)
{
	const char *slash = strrchr(name, '/');
	char dir[4096];
	int fd, r = 0;

	if (slash && (size_t)(slash - name) < sizeof(dir)) {
		memcpy(dir, name, (size_t)(slash - name));
		dir[slash - name] = '\0';
	}
	fd = os_open_dir(dirfd, !slash ? "." : slash == name ? "/" : dir, e);
	if (fd < 0)
		return -1;
	if (os_sys.fsync(fd) < 0)
		r = err_errno(e, "cannot sync the folder of %s", name);
	os_close(fd);
	return r;
}

enum put_flags {
	PUT_DURABLE = 1u << 0,
	PUT_NEW = 1u << 1, /* replaces nothing */
};

static int put(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       unsigned int flags, struct err *e)
{
	char tmp[4096], hex[17];
	uint8_t rnd[8];
	int fd, n;

	if (os_random(rnd, sizeof(rnd), e) < 0)
		return -1;
	n = snprintf(tmp, sizeof(tmp), "%s.%s.tmp", name, hex_print(rnd, sizeof(rnd), hex));
	if (n < 0 || (size_t)n >= sizeof(tmp))
		return err_set(e, ERR_LIMIT, "the path is too long: %s", name);
	fd = os_sys.openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(e, "cannot make %s", tmp);
	if (os_write_all(fd, data, len, e) < 0) {
		err_prefix(e, "%s", name);
		os_close(fd);
		goto fail;
	}
	if ((flags & PUT_DURABLE) && os_sys.fsync(fd) < 0) {
		err_errno(e, "cannot sync %s", name);
		os_close(fd);
		goto fail;
	}
	if (os_sys.close(fd) < 0) {
		err_errno(e, "cannot close %s", name);
		goto fail;
	}
	if ((flags & PUT_NEW ? os_sys.renameat_new : os_sys.renameat)(dirfd, tmp, dirfd, name) <
	    0) {
		if (errno == EEXIST)
			err_set(e, ERR_CONFLICT, "%s exists already", name);
		else
			err_errno(e, "cannot rename %s", name);
		goto fail;
	}
	return flags & PUT_DURABLE ? sync_parent(dirfd, name, e) : 0;
fail:
	(void)os_sys.unlinkat(dirfd, tmp, 0);
	return -1;
}

int os_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       struct err *e)
{
	return put(dirfd, name, data, len, mode, PUT_DURABLE, e);
}

int os_write_file(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		  struct err *e)
{
	return put(dirfd, name, data, len, mode, 0, e);
}

int os_write_existing(int dirfd, const char *name, const void *data, size_t len, struct err *e)
{
	int fd = os_sys.openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0),
	    r = -1;
	ssize_t n;

	if (fd < 0)
		return err_errno(e, "cannot open %s", name);
	do {
		n = os_sys.write(fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		r = 0;
	else if (n < 0)
		err_errno(e, "cannot write to %s", name);
	else
		err_set(e, ERR_IO, "%s took a part of what was written", name);
	os_close(fd);
	return r;
}

int os_create(int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e)
{
	if (os_exists(dirfd, name))
		return err_set(e, ERR_CONFLICT, "%s exists already", name);
	return put(dirfd, name, data, len, mode, PUT_NEW | PUT_DURABLE, e);
}

int os_sync_dir(int dirfd, struct err *e)
{
	int fd = os_open_dir(dirfd, ".", e), r = 0;

	if (fd < 0)
		return -1;
	if (syncfs(fd) < 0)
		r = err_errno(e, "cannot sync the file system");
	os_close(fd);
	return r;
}

int os_unlink(int dirfd, const char *name, struct err *e)
{
	if (os_sys.unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_errno(e, "cannot remove %s", name);
	return 0;
}

bool os_exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int os_file_number(int dirfd, const char *path, uint64_t *ret, struct err *e)
{
	int fd = os_sys.openat(dirfd, path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return err_errno(e, "cannot open %s", path);
	r = os_sys.fstat(fd, &st) < 0 ? err_errno(e, "cannot stat %s", path) : 0;
	os_close(fd);
	if (!r)
		*ret = st.st_ino;
	return r;
}

int64_t os_age(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return st.st_mtime < os_now() ? os_now() - st.st_mtime : 0;
}

struct dir_name {
	char *name;
	bool is_dir;
};

static int cmp_names(const void *pa, const void *pb)
{
	const struct dir_name *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

int os_list(int dirfd, const char *path, int (*fn)(const char *name, bool is_dir, void *arg),
	    void *arg, struct err *e)
{
	struct dir_name *names = NULL;
	struct dirent *entry;
	struct arena arena;
	size_t n = 0, i;
	DIR *dir = NULL;
	int fd, r = -1;

	arena_init(&arena);
	fd = os_open_dir(dirfd, path, e);
	if (fd < 0)
		goto out;
	dir = fdopendir(fd);
	if (!dir) {
		err_errno(e, "cannot list %s", path);
		os_close(fd);
		goto out;
	}
	while (errno = 0, (entry = readdir(dir))) {
		struct dir_name *grown;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		grown = arena_grow(&arena, names, n, sizeof(*names));
		if (!grown) {
			err_nomem(e);
			goto out;
		}
		names = grown;
		names[n].name = arena_strdup(&arena, entry->d_name);
		names[n].is_dir = entry->d_type == DT_DIR;
		if (entry->d_type == DT_UNKNOWN) {
			struct stat st;

			names[n].is_dir = !fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
					  S_ISDIR(st.st_mode);
		}
		if (!names[n].name) {
			err_nomem(e);
			goto out;
		}
		n++;
	}
	if (errno) {
		err_errno(e, "cannot list %s", path);
		goto out;
	}
	if (n > 1)
		qsort(names, n, sizeof(*names), cmp_names);
	r = 0;
	for (i = 0; i < n && !r; i++)
		r = fn(names[i].name, names[i].is_dir, arg);
out:
	if (dir)
		closedir(dir);
	arena_release(&arena);
	return r;
}

int os_lock(int dirfd, const char *name, bool wait, struct err *e)
{
	int fd = os_sys.openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), r;

	if (fd < 0)
		return err_errno(e, "cannot open the lock %s", name);
	do {
		r = os_sys.flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
	} while (r < 0 && errno == EINTR);
	if (!r)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_CONFLICT, "another process holds the lock %s", name);
	else
		err_errno(e, "cannot take the lock %s", name);
	os_close(fd);
	return -1;
}

int os_lock_shared(int dirfd, const char *name, unsigned int seconds, struct err *e)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW;
	unsigned long tries = seconds * 10ul;
	int fd = os_sys.openat(dirfd, name, O_RDWR | O_CREAT | flags, 0666);

	/* Made by another user, whose umask lets us read it, or the disk is read-only: that is
	 * enough for flock. */
	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = os_sys.openat(dirfd, name, O_RDONLY | flags, 0);
	if (fd < 0)
		return err_errno(e, "cannot open the lock %s", name);
	while (os_sys.flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK && tries--) {
			os_sleep_ms(100);
			continue;
		}
		if (errno == EWOULDBLOCK)
			err_set(e, ERR_CONFLICT, "another process holds the lock %s", name);
		else
			err_errno(e, "cannot take the lock %s", name);
		os_close(fd);
		return -1;
	}
	return fd;
}
