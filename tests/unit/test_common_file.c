/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and time of common/, with every system call failing in turn. The faults go in through
 * os_sys: the n-th call fails with a given error, is cut short, or is where the process dies.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/os_time.h"

/* ---- Faults ---- */

static struct os_sys real;

enum fault { FAULT_NONE, FAULT_ERRNO, FAULT_DIE };

static struct {
	enum fault kind;
	unsigned int at; /* which call from now, from 1 */
	unsigned int calls; /* so far */
	int error;
	bool repeat; /* also all calls after it */
	size_t short_write, short_read; /* at most so many bytes at a time; 0: as asked */
	unsigned int fsyncs; /* that went through */
	int open_fds;
} fault;

static bool hit(void)
{
	fault.calls++;
	if (fault.kind == FAULT_NONE ||
	    !(fault.calls == fault.at || (fault.repeat && fault.calls > fault.at)))
		return false;
	if (fault.kind == FAULT_DIE)
		_exit(99);
	errno = fault.error;
	return true;
}

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = hit() ? -1 : real.openat(dirfd, path, flags, mode);

	/* Close-on-exec everywhere. */
	assert_true(flags & O_CLOEXEC);
	if (fd >= 0)
		fault.open_fds++;
	return fd;
}

static ssize_t f_read(int fd, void *buf, size_t len)
{
	if (hit())
		return -1;
	return real.read(fd, buf,
			 fault.short_read && len > fault.short_read ? fault.short_read : len);
}

static ssize_t f_write(int fd, const void *buf, size_t len)
{
	if (hit())
		return -1;
	return real.write(fd, buf,
			  fault.short_write && len > fault.short_write ? fault.short_write : len);
}

static int f_fsync(int fd)
{
	if (hit())
		return -1;
	fault.fsyncs++;
	return real.fsync(fd);
}

static int f_close(int fd)
{
	int r = real.close(fd);

	/* As Linux does it: the descriptor is gone also when close reports an error. */
	fault.open_fds--;
	return hit() ? -1 : r;
}

static int f_renameat(int od, const char *on, int nd, const char *nn)
{
	return hit() ? -1 : real.renameat(od, on, nd, nn);
}

static int f_renameat_new(int od, const char *on, int nd, const char *nn)
{
	return hit() ? -1 : real.renameat_new(od, on, nd, nn);
}

static int f_unlinkat(int dirfd, const char *path, int flags)
{
	return hit() ? -1 : real.unlinkat(dirfd, path, flags);
}

static int f_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return hit() ? -1 : real.mkdirat(dirfd, path, mode);
}

static int f_fstat(int fd, struct stat *st)
{
	return hit() ? -1 : real.fstat(fd, st);
}

static int f_flock(int fd, int operation)
{
	return hit() ? -1 : real.flock(fd, operation);
}

static ssize_t f_getrandom(void *buf, size_t len, unsigned int flags)
{
	if (hit())
		return -1;
	return real.getrandom(buf,
			      fault.short_read && len > fault.short_read ? fault.short_read : len,
			      flags);
}

static void faults_on(enum fault kind, unsigned int at, int error, bool repeat)
{
	memset(&fault, 0, sizeof(fault));
	fault.kind = kind;
	fault.at = at;
	fault.error = error;
	fault.repeat = repeat;
	os_sys.openat = f_openat;
	os_sys.read = f_read;
	os_sys.write = f_write;
	os_sys.fsync = f_fsync;
	os_sys.close = f_close;
	os_sys.renameat = f_renameat;
	os_sys.renameat_new = f_renameat_new;
	os_sys.unlinkat = f_unlinkat;
	os_sys.mkdirat = f_mkdirat;
	os_sys.fstat = f_fstat;
	os_sys.flock = f_flock;
	os_sys.getrandom = f_getrandom;
}

/* True when the chosen call came. */
static bool faults_off(void)
{
	os_sys = real;
	return fault.kind != FAULT_NONE && fault.calls >= fault.at;
}

/* ---- A folder for each test ---- */

static char dir_name[64];
static int dir;

static int setup(void **state)
{
	struct err e;

	real = os_sys;
	snprintf(dir_name, sizeof(dir_name), "/tmp/meshrc-file.XXXXXX");
	if (!mkdtemp(dir_name))
		return -1;
	dir = os_open_dir(AT_FDCWD, dir_name, &e);
	return dir < 0 ? -1 : 0;
}

static int remove_entry(const char *name, bool is_dir, void *arg)
{
	int fd = *(int *)arg;

	if (is_dir) {
		int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct err e;

		(void)!os_list(sub, ".", remove_entry, &sub, &e);
		close(sub);
	}
	return unlinkat(fd, name, is_dir ? AT_REMOVEDIR : 0);
}

static int teardown(void **state)
{
	struct err e;

	os_sys = real;
	(void)!os_list(dir, ".", remove_entry, &dir, &e);
	os_close(dir);
	return rmdir(dir_name);
}

static void put(const char *name, const char *text, mode_t mode)
{
	struct err e;

	assert_int_equal(os_replace(dir, name, text, strlen(text), mode, &e), 0);
}

/* What stands in a file; NULL when there is none. */
static const char *content(const char *name)
{
	static char text[100000];
	struct buf b;
	struct err e;

	buf_init(&b, sizeof(text) - 1);
	if (os_read_file(dir, name, sizeof(text) - 2, &b, &e) < 0) {
		buf_release(&b);
		return NULL;
	}
	memcpy(text, b.data, b.len + 1);
	buf_release(&b);
	return text;
}

static int count_entry(const char *name, bool is_dir, void *arg)
{
	(*(size_t *)arg)++;
	return 0;
}

static size_t entries(void)
{
	size_t n = 0;
	struct err e;

	assert_int_equal(os_list(dir, ".", count_entry, &n, &e), 0);
	return n;
}

/* ---- Tests ---- */

static void test_replace(void **state)
{
	struct err e;
	struct stat st;

	faults_on(FAULT_NONE, 0, 0, false);
	fault.short_write = 3;
	assert_int_equal(os_replace(dir, "a", "hello world", 11, 0640, &e), 0);
	/* The file and its folder. */
	assert_int_equal(fault.fsyncs, 2);
	assert_int_equal(fault.open_fds, 0);
	faults_off();
	assert_string_equal(content("a"), "hello world");
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(os_replace(dir, "a", "", 0, 0600, &e), 0);
	assert_string_equal(content("a"), "");
	assert_int_equal(entries(), 1);

	/* A symbolic link in its place is replaced, not followed. */
	put("target", "safe", 0600);
	assert_int_equal(symlinkat("target", dir, "link"), 0);
	assert_int_equal(os_replace(dir, "link", "new", 3, 0600, &e), 0);
	assert_string_equal(content("target"), "safe");
	assert_string_equal(content("link"), "new");

	assert_int_equal(os_mkdir_p(dir, "x/y", 0700, &e), 0);
	assert_int_equal(os_replace(dir, "x/y/f", "deep", 4, 0600, &e), 0);
	assert_string_equal(content("x/y/f"), "deep");
	assert_int_equal(os_replace(dir, "no/f", "deep", 4, 0600, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);

	faults_on(FAULT_NONE, 0, 0, false);
	assert_int_equal(os_write_file(dir, "b", "quick", 5, 0600, &e), 0);
	assert_int_equal(fault.fsyncs, 0);
	faults_off();
	assert_string_equal(content("b"), "quick");
	assert_int_equal(os_sync_dir(dir, &e), 0);
}

static void test_create(void **state)
{
	struct err e;

	assert_int_equal(os_create(dir, "key", "1", 1, 0600, &e), 0);
	assert_int_equal(os_create(dir, "key", "2", 1, 0600, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_string_equal(content("key"), "1");
	/* Also when it is a link that leads nowhere. */
	assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
	assert_int_equal(os_create(dir, "link", "2", 1, 0600, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_null(content("nowhere"));
}

static void test_file_number(void **state)
{
	uint64_t a = 0, b = 0, c = 0;
	struct err e = { 0 };

	put("one", "1", 0600);
	put("two", "2", 0600);
	assert_int_equal(symlinkat("one", dir, "link"), 0);
	assert_int_equal(os_file_number(dir, "one", &a, &e), 0);
	assert_int_equal(os_file_number(dir, "two", &b, &e), 0);
	assert_int_equal(os_file_number(dir, "link", &c, &e), 0);
	assert_true(a && a != b && a == c);
	assert_int_equal(os_file_number(dir, "none", &a, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_int_equal(os_unlink(dir, "link", &e), 0);
	assert_int_equal(os_unlink(dir, "one", &e), 0);
	assert_int_equal(os_unlink(dir, "two", &e), 0);
}

/*
 * Every system call of the durable replace fails in turn, with each error that a disk gives: the
 * old bytes or the new ones stand there, whole; success is reported only when the new ones do;
 * nothing is left beside them.
 */
/* One write into what is there: never made, never cut, never through a link. */
static void test_write_existing(void **state)
{
	struct err e = { 0 };
	struct buf text;

	assert_int_equal(os_write_existing(dir, "setting", "1", 1, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_false(os_exists(dir, "setting"));
	put("setting", "0\nmore", 0600);
	assert_int_equal(os_write_existing(dir, "setting", "1", 1, &e), 0);
	buf_init(&text, 64);
	assert_int_equal(os_read_file(dir, "setting", 64, &text, &e), 0);
	assert_string_equal(text.data, "1\nmore");
	buf_release(&text);
	assert_int_equal(symlinkat("setting", dir, "way"), 0);
	assert_int_equal(os_write_existing(dir, "way", "1", 1, &e), -1);
	assert_int_equal(os_unlink(dir, "way", &e), 0);
	assert_int_equal(os_unlink(dir, "setting", &e), 0);
}

static void test_replace_nth_call_fails(void **state)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT, ENOMEM, EMFILE };
	unsigned int at, seen = 0, refused = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(errors); i++) {
		for (at = 1;; at++) {
			struct err e = { 0 };
			const char *now;
			int r;

			put("f", "old contents", 0600);
			faults_on(FAULT_ERRNO, at, errors[i], false);
			fault.short_write = 4;
			r = os_replace(dir, "f", "new contents", 12, 0600, &e);
			assert_int_equal(fault.open_fds, 0);
			if (!faults_off()) {
				assert_int_equal(r, 0);
				break;
			}
			seen++;
			refused += r < 0;
			now = content("f");
			assert_non_null(now);
			if (!r)
				assert_string_equal(now, "new contents");
			else
				assert_true(!strcmp(now, "old contents") ||
					    !strcmp(now, "new contents"));
			if (r) {
				assert_true(e.class == (errors[i] == ENOMEM ? ERR_NOMEM : ERR_IO));
				assert_non_null(strstr(e.msg, strerror(errors[i])));
			}
			assert_int_equal(entries(), 1);
		}
	}
	/* random, open, 3 writes, fsync, close, rename, open, fsync: 10; the final close is not
	 * checked, but counted. */
	assert_int_equal(seen, 11 * ARRAY_LEN(errors));
	assert_int_equal(refused, 10 * ARRAY_LEN(errors));
}

/* When the disk fails for good from the n-th call on, even the clean-up fails: the old file is
 * whole all the same. */
static void test_replace_disk_dies(void **state)
{
	unsigned int at;

	for (at = 1;; at++) {
		const char *now;
		struct err e;
		int r;

		put("f", "old contents", 0600);
		faults_on(FAULT_ERRNO, at, EIO, true);
		r = os_replace(dir, "f", "new contents", 12, 0600, &e);
		if (!faults_off()) {
			assert_int_equal(r, 0);
			break;
		}
		now = content("f");
		assert_non_null(now);
		assert_true(!strcmp(now, "old contents") || !strcmp(now, "new contents"));
	}
	assert_true(at > 6);
}

/* The process dies before the n-th call: the same, and a temporary file is all that may be left. */
static void test_replace_killed(void **state)
{
	unsigned int at;
	bool was_new = false;

	for (at = 1;; at++) {
		const char *now;
		struct err e;
		int status;
		pid_t pid;

		put("f", "old contents", 0600);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			faults_on(FAULT_DIE, at, 0, false);
			fault.short_write = 4;
			_exit(os_replace(dir, "f", "new contents", 12, 0600, &e) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		now = content("f");
		assert_non_null(now);
		if (WEXITSTATUS(status) == 0) {
			assert_string_equal(now, "new contents");
			break;
		}
		assert_int_equal(WEXITSTATUS(status), 99);
		/* Once new, it stays so at every later point. */
		assert_true(!strcmp(now, "new contents") ||
			    (!was_new && !strcmp(now, "old contents")));
		was_new = !strcmp(now, "new contents");
	}
	assert_true(was_new);
}

static void test_create_nth_call_fails(void **state)
{
	unsigned int at, refused = 0;

	for (at = 1;; at++) {
		struct err e;
		const char *now;
		int r;

		faults_on(FAULT_ERRNO, at, ENOSPC, false);
		fault.short_write = 4;
		r = os_create(dir, "key", "secret bytes", 12, 0600, &e);
		assert_int_equal(fault.open_fds, 0);
		if (!faults_off()) {
			assert_int_equal(r, 0);
			break;
		}
		/* Whole or not there: half a key would be worse than none. */
		now = content("key");
		assert_true(!now || !strcmp(now, "secret bytes"));
		assert_true(r < 0 || now);
		refused += r < 0;
		if (now)
			assert_int_equal(unlinkat(dir, "key", 0), 0);
	}
	/* random, open, 3 writes, fsync, close, rename, open and fsync of the folder; its close is
	 * not checked. */
	assert_int_equal(refused, 10);
}

/* Killed at each call: the file is whole or not there, so that the next attempt is not kept from
 * making it by an empty one. */
static void test_create_killed(void **state)
{
	unsigned int at;
	bool done = false;

	for (at = 1; !done; at++) {
		struct err e;
		const char *now;
		int status = 0;
		pid_t pid = fork();

		if (!pid) {
			faults_on(FAULT_DIE, at, 0, false);
			fault.short_write = 4;
			_exit(os_create(dir, "new key", "secret bytes", 12, 0600, &e) < 0);
		}
		assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		done = WEXITSTATUS(status) == 0;
		now = content("new key");
		assert_true(!now || !strcmp(now, "secret bytes"));
		assert_true(!done || now);
		if (now)
			assert_int_equal(unlinkat(dir, "new key", 0), 0);
	}
	assert_true(at > 10);
}

static void test_read(void **state)
{
	struct buf b;
	struct err e;
	size_t i;

	buf_init(&b, 1000);
	assert_int_equal(os_read_file(dir, "none", 10, &b, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	put("f", "0123456789", 0600);
	assert_int_equal(os_read_file(dir, "f", 10, &b, &e), 0);
	assert_string_equal(b.data, "0123456789");
	/* Appends. */
	assert_int_equal(os_read_file(dir, "f", 10, &b, &e), 0);
	assert_int_equal(b.len, 20);
	buf_reset(&b);
	assert_int_equal(os_read_file(dir, "f", 9, &b, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	buf_release(&b);
	/* A buffer that is exactly as large as the limit and the file. */
	buf_init(&b, 10);
	assert_int_equal(os_read_file(dir, "f", 10, &b, &e), 0);
	assert_string_equal(b.data, "0123456789");
	buf_release(&b);
	buf_init(&b, 9);
	assert_int_equal(os_read_file(dir, "f", 10, &b, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	buf_release(&b);

	/* Not regular: refused, and a FIFO without a writer does not hang us. */
	buf_init(&b, 1000);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(os_read_file(dir, "fifo", 10, &b, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);
	assert_int_equal(os_mkdir_p(dir, "d", 0700, &e), 0);
	assert_int_equal(os_read_file(dir, "d", 10, &b, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);

	/* A file that grows while it is read: the limit holds for what was read, not for what stat
	 * said. */
	{
		int p[2];

		assert_int_equal(pipe(p), 0);
		for (i = 0; i < 20; i++)
			assert_int_equal(write(p[1], "x", 1), 1);
		close(p[1]);
		faults_on(FAULT_NONE, 0, 0, false);
		fault.short_read = 7;
		assert_int_equal(os_read_fd(p[0], 19, &b, &e), -1);
		assert_int_equal(e.class, ERR_LIMIT);
		faults_off();
		close(p[0]);
	}
	buf_release(&b);
}

static void test_read_secret(void **state)
{
	static const struct {
		const char *what;
		mode_t mode;
		bool ok;
	} rows[] = {
		{ "owner alone", 0600, true },	    { "owner, read only", 0400, true },
		{ "group may read", 0640, false },  { "others may read", 0604, false },
		{ "group may write", 0620, false }, { "others may run", 0601, false },
	};
	struct buf b;
	struct err e;
	size_t i;

	buf_init(&b, 1000);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		put("key", "k", 0600);
		assert_int_equal(fchmodat(dir, "key", rows[i].mode, 0), 0);
		ROW_CHECK((os_read_secret(dir, "key", 100, &b, &e) == 0) == rows[i].ok, i);
		ROW_CHECK(rows[i].ok || strstr(e.msg, "chmod 600"), i);
	}
	put("key", "k", 0600);
	assert_int_equal(symlinkat("key", dir, "link"), 0);
	assert_int_equal(os_read_file(dir, "link", 100, &b, &e), 0);
	assert_int_equal(os_read_secret(dir, "link", 100, &b, &e), -1);
	buf_release(&b);
}

static void test_read_nth_call_fails(void **state)
{
	unsigned int at;
	struct buf b;

	put("f", "0123456789", 0600);
	for (at = 1;; at++) {
		struct err e = { 0 };
		int r;

		buf_init(&b, 1000);
		faults_on(FAULT_ERRNO, at, EIO, false);
		fault.short_read = 4;
		r = os_read_file(dir, "f", 100, &b, &e);
		assert_int_equal(fault.open_fds, 0);
		if (!faults_off()) {
			assert_int_equal(r, 0);
			break;
		}
		/* A close that fails after all was read takes nothing away. */
		if (!r)
			assert_string_equal(b.data, "0123456789");
		else
			assert_int_equal(e.class, ERR_IO);
		buf_release(&b);
	}
	buf_release(&b);
	/* The calls are: open, fstat, 3 reads with bytes, 1 at the end, close */
	assert_int_equal(at, 8);
}

/* A signal may interrupt every call that can block: the result is the same. */
static void test_eintr(void **state)
{
	unsigned int at;
	int fd;

	for (at = 1; at < 20; at++) {
		struct err e = { 0 };
		struct buf b;
		uint8_t rnd[8] = { 0 };

		fd = openat(dir, "w", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		buf_init(&b, 1000);
		faults_on(FAULT_ERRNO, at, EINTR, false);
		fault.short_write = fault.short_read = 3;
		assert_int_equal(os_write_all(fd, "0123456789", 10, &e), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(os_read_fd(fd, 10, &b, &e), 0);
		assert_int_equal(os_random(rnd, sizeof(rnd), &e), 0);
		faults_off();
		assert_string_equal(b.data, "0123456789");
		buf_release(&b);
		close(fd);
	}
	/* A write that takes nothing would loop for ever. */
	{
		struct err e = { 0 };

		fd = openat(dir, "w", O_RDONLY | O_CLOEXEC);
		assert_int_equal(os_write_all(fd, "x", 1, &e), -1);
		assert_int_equal(e.class, ERR_IO);
		close(fd);
	}
}

static void test_mkdir(void **state)
{
	char longest[5000];
	struct err e;
	struct stat st;

	assert_int_equal(os_mkdir_p(dir, "a/b/c", 0750, &e), 0);
	assert_int_equal(os_mkdir_p(dir, "a/b/c", 0700, &e), 0);
	assert_int_equal(os_mkdir_p(dir, "a/b/c/", 0700, &e), 0);
	assert_int_equal(fstatat(dir, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	put("file", "x", 0600);
	assert_int_equal(os_mkdir_p(dir, "file/x", 0700, &e), -1);
	assert_int_equal(os_mkdir_p(dir, "file", 0700, &e), -1);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(os_mkdir_p(dir, longest, 0700, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_int_equal(os_replace(dir, longest, "x", 1, 0600, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	faults_on(FAULT_ERRNO, 2, EACCES, false);
	assert_int_equal(os_mkdir_p(dir, "p/q", 0700, &e), -1);
	assert_int_equal(e.class, ERR_IO);
	faults_off();
}

static int join(const char *name, bool is_dir, void *arg)
{
	buf_addf(arg, "%s%s ", name, is_dir ? "/" : "");
	return strcmp(name, "stop") ? 0 : 7;
}

static void test_list_unlink(void **state)
{
	struct buf b;
	struct err e;

	put("b", "x", 0600);
	put("a", "x", 0600);
	put("B", "x", 0600);
	put(".hidden", "x", 0600);
	assert_int_equal(os_mkdir_p(dir, "c", 0700, &e), 0);
	assert_int_equal(symlinkat("c", dir, "link"), 0);
	buf_init(&b, 1000);
	assert_int_equal(os_list(dir, ".", join, &b, &e), 0);
	assert_string_equal(b.data, ".hidden B a b c/ link ");
	put("stop", "x", 0600);
	put("z", "x", 0600);
	buf_reset(&b);
	assert_int_equal(os_list(dir, ".", join, &b, &e), 7);
	assert_null(strchr(b.data, 'z'));
	buf_release(&b);
	assert_int_equal(os_list(dir, "none", join, &b, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);

	assert_true(os_exists(dir, "a"));
	assert_int_equal(os_unlink(dir, "a", &e), 0);
	assert_false(os_exists(dir, "a"));
	assert_int_equal(os_unlink(dir, "a", &e), 0);
	assert_int_equal(os_unlink(dir, "c", &e), -1);
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	assert_true(os_exists(dir, "dangling"));
	os_close(-1);
}

static void test_lock(void **state)
{
	struct err e;
	int fd, status;
	pid_t pid;

	fd = os_lock(dir, "lock", false, &e);
	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int second = os_lock(dir, "lock", false, &e);

		_exit(second < 0 && e.class == ERR_CONFLICT ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	os_close(fd);
	fd = os_lock(dir, "lock", true, &e);
	assert_true(fd >= 0);
	os_close(fd);
	/* It goes with the process that held it. */
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(os_lock(dir, "lock", false, &e) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd = os_lock(dir, "lock", false, &e);
	assert_true(fd >= 0);
	os_close(fd);
	assert_int_equal(symlinkat("lock", dir, "link"), 0);
	assert_int_equal(os_lock(dir, "link", false, &e), -1);
	faults_on(FAULT_ERRNO, 2, EINTR, false);
	fd = os_lock(dir, "lock", false, &e);
	faults_off();
	assert_true(fd >= 0);
	os_close(fd);
	faults_on(FAULT_ERRNO, 2, ENOLCK, false);
	assert_int_equal(os_lock(dir, "lock", false, &e), -1);
	assert_int_equal(fault.open_fds, 0);
	faults_off();
	assert_int_equal(e.class, ERR_IO);
}

static int bad_clock(clockid_t clock, struct timespec *ts)
{
	errno = EINVAL;
	return -1;
}

static int fixed_clock(clockid_t clock, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = clock == CLOCK_BOOTTIME ? 7 : 1234567890,
				 .tv_nsec = 999999999 };
	return 0;
}

static void test_time(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	struct err e;

	assert_true(os_now() > 1700000000);
	assert_true(os_monotonic_ms() > 0);
	os_sys.clock_gettime = fixed_clock;
	assert_int_equal(os_now(), 1234567890);
	assert_int_equal(os_monotonic_ms(), 7999);
	os_sys.clock_gettime = bad_clock;
	assert_int_equal(os_now(), 0);
	os_sys = real;
	assert_int_equal(os_random(a, sizeof(a), &e), 0);
	assert_int_equal(os_random(b, sizeof(b), &e), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	faults_on(FAULT_ERRNO, 1, ENOSYS, false);
	assert_int_equal(os_random(a, sizeof(a), &e), -1);
	assert_int_equal(e.class, ERR_IO);
	faults_off();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_replace),
		T(test_create),
		T(test_write_existing),
		T(test_file_number),
		T(test_replace_nth_call_fails),
		T(test_replace_disk_dies),
		T(test_replace_killed),
		T(test_create_nth_call_fails),
		T(test_create_killed),
		T(test_read),
		T(test_read_secret),
		T(test_read_nth_call_fails),
		T(test_eintr),
		T(test_mkdir),
		T(test_list_unlink),
		T(test_lock),
		T(test_time),
	};

	return cmocka_run_group_tests_name("common files", tests, NULL, NULL);
}
