/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing a part of somebody else's file: by rename, in place, through links, against others, and
 * with the process dying at every system call.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/os_amend.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "tests/unit/fail_alloc.h"

static struct os_sys real;

static struct {
	bool no_rename; /* as for a mount point */
	bool no_new_files; /* as in a read-only folder, but for the journal */
	unsigned int die_at, calls; /* from 1; 0: never */
	unsigned int fail_at;
	bool full; /* the failing write has no room */
	size_t short_write;
} fault;

static bool hit(void)
{
	fault.calls++;
	if (fault.die_at && fault.calls == fault.die_at)
		_exit(99);
	if (!fault.fail_at || fault.calls != fault.fail_at)
		return false;
	errno = EIO;
	return true;
}

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if (fault.no_new_files && flags & O_CREAT && !strstr(path, "journal")) {
		errno = EROFS;
		return -1;
	}
	return hit() ? -1 : real.openat(dirfd, path, flags, mode);
}

static ssize_t f_write(int fd, const void *buf, size_t len)
{
	if (hit()) {
		errno = fault.full ? ENOSPC : EIO;
		return -1;
	}
	return real.write(fd, buf,
			  fault.short_write && len > fault.short_write ? fault.short_write : len);
}

static int f_fsync(int fd)
{
	return hit() ? -1 : real.fsync(fd);
}

static int f_renameat(int od, const char *on, int nd, const char *nn)
{
	if (fault.no_rename && !strstr(nn, "journal")) {
		errno = EBUSY;
		return -1;
	}
	return hit() ? -1 : real.renameat(od, on, nd, nn);
}

static int f_unlinkat(int fd, const char *path, int flags)
{
	return hit() ? -1 : real.unlinkat(fd, path, flags);
}

static int f_fstat(int fd, struct stat *st)
{
	return hit() ? -1 : real.fstat(fd, st);
}

static int f_flock(int fd, int op)
{
	return hit() ? -1 : real.flock(fd, op);
}

static char dir[64];

static const char *in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static int setup(void **unused)
{
	memset(&fault, 0, sizeof(fault));
	real = os_sys;
	snprintf(dir, sizeof(dir), "/tmp/meshrc-amend-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_entry(const char *name, bool is_dir, void *arg)
{
	return unlink(in_dir(name)) && rmdir(in_dir(name)) ? -1 : 0;
}

static int teardown(void **unused)
{
	os_sys = real;
	return os_list(AT_FDCWD, dir, remove_entry, NULL, NULL) ? -1 : rmdir(dir);
}

static void with_faults(void)
{
	os_sys.openat = f_openat;
	os_sys.write = f_write;
	os_sys.fsync = f_fsync;
	os_sys.renameat = f_renameat;
	os_sys.unlinkat = f_unlinkat;
	os_sys.fstat = f_fstat;
	os_sys.flock = f_flock;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static const char *got(const char *name)
{
	static char text[65536];
	FILE *f = fopen(in_dir(name), "r");
	size_t n;

	if (!f)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* The middle word is ours. */
static int set_word(const struct buf *old, struct buf *new, void *arg, struct err *e)
{
	const char *open = old->len ? memchr(old->data, '<', old->len) : NULL,
		   *close = old->len ? memchr(old->data, '>', old->len) : NULL;

	if (!open || !close) {
		buf_add(new, old->data, old->len);
		buf_addf(new, "<%s>", (const char *)arg);
		return 0;
	}
	buf_add(new, old->data, (size_t)(open + 1 - old->data));
	buf_adds(new, arg);
	buf_add(new, close, (size_t)(old->data + old->len - close));
	return 0;
}

static struct err err;

static int amend(const char *word, bool *changed)
{
	char path[128], journal[128], copy[4096];

	snprintf(path, sizeof(path), "%s/hosts", dir);
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	snprintf(copy, sizeof(copy), "%s", word);
	err = (struct err){ 0 };
	return os_amend(path, journal, 60000, false, set_word, copy, changed, &err);
}

static void test_rename(void **unused)
{
	struct stat before, after;
	bool changed;

	put("hosts", "a <x> b\n");
	assert_int_equal(chmod(in_dir("hosts"), 0640), 0);
	assert_int_equal(chown(in_dir("hosts"), geteuid() ? geteuid() : 7, getegid()), 0);
	(void)setxattr(in_dir("hosts"), "user.mine", "yes", 3, 0);
	stat(in_dir("hosts"), &before);
	assert_int_equal(amend("longer", &changed), 0);
	assert_true(changed);
	assert_string_equal(got("hosts"), "a <longer> b\n");
	stat(in_dir("hosts"), &after);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	if (getxattr(in_dir("hosts"), "user.mine", NULL, 0) < 0)
		assert_int_equal(errno, ENOTSUP);
	/* As it should be: nothing is written. */
	before = after;
	assert_int_equal(amend("longer", &changed), 0);
	assert_false(changed);
	stat(in_dir("hosts"), &after);
	assert_true(before.st_ino == after.st_ino &&
		    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	assert_null(got("hosts.meshrc.tmp"));
	assert_null(got("journal"));
}

static void test_dry(void **unused)
{
	char path[128], word[] = "y";
	bool changed;

	put("hosts", "a <x> b\n");
	snprintf(path, sizeof(path), "%s", in_dir("hosts"));
	assert_int_equal(os_amend(path, "/nowhere/journal", 100, true, set_word, word, &changed,
				  &err),
			 0);
	assert_true(changed);
	assert_string_equal(got("hosts"), "a <x> b\n");
}

static void test_symlink(void **unused)
{
	struct stat st;
	bool changed;

	put("real", "a <x> b\n");
	assert_int_equal(symlink("real", in_dir("hosts")), 0);
	assert_int_equal(amend("y", &changed), 0);
	assert_string_equal(got("real"), "a <y> b\n");
	assert_int_equal(lstat(in_dir("hosts"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* One that leads nowhere is not ours to mend. */
	assert_int_equal(unlink(in_dir("real")), 0);
	assert_int_equal(amend("z", &changed), -1);
	assert_int_equal(lstat(in_dir("hosts"), &st), 0);
}

static void test_missing(void **unused)
{
	struct stat st;
	bool changed;
	mode_t old = umask(077);

	assert_int_equal(amend("y", &changed), 0);
	umask(old);
	assert_true(changed);
	assert_string_equal(got("hosts"), "<y>");
	stat(in_dir("hosts"), &st);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_no_file(void **unused)
{
	bool changed;

	assert_int_equal(mkdir(in_dir("hosts"), 0755), 0);
	assert_int_equal(amend("y", &changed), -1);
	assert_int_equal(rmdir(in_dir("hosts")), 0);
	assert_int_equal(mkfifo(in_dir("hosts"), 0644), 0);
	assert_int_equal(amend("y", &changed), -1);
	assert_int_equal(err.class, ERR_INPUT);
}

static void test_limit(void **unused)
{
	static char big[60010];
	bool changed;

	memset(big, 'a', sizeof(big) - 1);
	big[60000] = '\0';
	put("hosts", big);
	assert_int_equal(amend("y", &changed), -1);
	assert_int_equal(err.class, ERR_LIMIT);
	big[59998] = '\0';
	put("hosts", big);
	assert_int_equal(amend("y", &changed), -1);
	assert_int_equal(err.class, ERR_LIMIT);
	big[59997] = '\0';
	put("hosts", big);
	assert_int_equal(amend("y", &changed), 0);
}

static void check_in_place(void)
{
	struct stat before, after;
	bool changed;

	put("hosts", "a <x> b\n");
	stat(in_dir("hosts"), &before);
	with_faults();
	assert_int_equal(amend("longer", &changed), 0);
	assert_string_equal(got("hosts"), "a <longer> b\n");
	assert_int_equal(amend("", &changed), 0);
	assert_string_equal(got("hosts"), "a <> b\n");
	stat(in_dir("hosts"), &after);
	assert_true(before.st_ino == after.st_ino);
	assert_null(got("journal"));
	assert_null(got("hosts.meshrc.tmp"));
}

static void test_mount_point(void **unused)
{
	fault.no_rename = true;
	check_in_place();
}

static void test_read_only_folder(void **unused)
{
	fault.no_new_files = true;
	check_in_place();
}

static void test_second_name(void **unused)
{
	bool changed;

	put("hosts", "a <x> b\n");
	assert_int_equal(link(in_dir("hosts"), in_dir("also")), 0);
	assert_int_equal(amend("y", &changed), 0);
	assert_string_equal(got("also"), "a <y> b\n");
}

static void add_a_line(void)
{
	FILE *f = fopen(in_dir("hosts"), "a");

	fputs("theirs\n", f);
	fclose(f);
}

static void put_another(void)
{
	put("new", "another <x> c\n");
	assert_int_equal(rename(in_dir("new"), in_dir("hosts")), 0);
}

/* Somebody else writes between our reading and our writing: theirs is not lost. The last moment is
 * that of the rename itself, which nobody can guard; here it is before the look at the file. */
static void (*meanwhile_at_fsync)(void);

static int f_fsync_meanwhile(int fd)
{
	void (*fn)(void) = meanwhile_at_fsync;

	meanwhile_at_fsync = NULL;
	if (fn)
		fn();
	return real.fsync(fd);
}

static void test_meanwhile(void **unused)
{
	bool changed;

	put("hosts", "a <x> b\n");
	os_sys.fsync = f_fsync_meanwhile;
	meanwhile_at_fsync = add_a_line;
	assert_int_equal(amend("y", &changed), 0);
	assert_string_equal(got("hosts"), "a <y> b\ntheirs\n");
	meanwhile_at_fsync = put_another;
	assert_int_equal(amend("z", &changed), 0);
	assert_string_equal(got("hosts"), "another <z> c\n");
}

static void test_locked(void **unused)
{
	bool changed;
	int fd;

	put("hosts", "a <x> b\n");
	fd = open(in_dir("hosts"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(amend("y", &changed), -1);
	assert_int_equal(err.class, ERR_CONFLICT);
	assert_string_equal(got("hosts"), "a <x> b\n");
	close(fd);
	assert_int_equal(amend("y", &changed), 0);
}

/* Two of ours at once, many times: each change of both is there in the end. */
static int add_own(const struct buf *old, struct buf *new, void *arg, struct err *e)
{
	buf_add(new, old->data, old->len);
	buf_adds(new, arg);
	return 0;
}

static void test_two_at_once(void **unused)
{
	char path[128], journal[2][128], words[2][2] = { "1", "2" };
	unsigned int i, n[2] = { 0, 0 };
	const char *p;
	bool changed;
	pid_t pid;
	int status;

	put("hosts", "x");
	snprintf(path, sizeof(path), "%s/hosts", dir);
	for (i = 0; i < 2; i++)
		snprintf(journal[i], sizeof(journal[i]), "%s/journal%u", dir, i);
	pid = fork();
	for (i = 0; i < 100; i++)
		if (os_amend(path, journal[!pid], 60000, false, add_own, words[!pid], &changed,
			     NULL) < 0)
			break;
	if (!pid)
		_exit(i != 100);
	assert_int_equal(i, 100);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (p = got("hosts") + 1; *p; p++)
		n[*p == '2']++;
	assert_int_equal(n[0], 100);
	assert_int_equal(n[1], 100);
}

/* Runs in a process that dies at the n-th call; true when it did. */
static bool dies_at(unsigned int n, const char *word)
{
	bool changed;
	int status;
	pid_t pid = fork();

	if (!pid) {
		fault.calls = 0;
		fault.die_at = n;
		with_faults();
		_exit(amend(word, &changed) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
	return WEXITSTATUS(status) == 99;
}

#define OLD "a long first line\n<one two three>\nand what is behind it, not ours\n"
#define NEW "a long first line\n<1>\nand what is behind it, not ours\n"
#define WIDE "a long first line\n<one two three four five six>\nand what is behind it, not ours\n"

static void die_everywhere(const char *old, const char *word, const char *new, bool whole)
{
	unsigned int n, torn = 0;
	bool changed, died;

	for (n = 1, died = true; died; n++) {
		put("hosts", old);
		died = dies_at(n, word);
		if (strcmp(got("hosts"), old) != 0 && strcmp(got("hosts"), new) != 0)
			torn++;
		/* The next run has nothing of the faults, and mends all. */
		os_sys = real;
		assert_int_equal(amend(word, &changed), 0);
		assert_string_equal(got("hosts"), new);
		assert_null(got("journal"));
	}
	assert_true(n > 8);
	if (whole)
		assert_int_equal(torn, 0);
	else
		assert_true(torn > 0);
}

static void test_death(void **unused)
{
	die_everywhere(OLD, "1", NEW, true);
	die_everywhere(OLD, "one two three four five six", WIDE, true);
}

static void test_death_in_place(void **unused)
{
	fault.no_rename = true;
	fault.short_write = 7;
	die_everywhere(OLD, "1", NEW, false);
	die_everywhere(OLD, "one two three four five six", WIDE, false);
}

/* After such a death somebody mends the file by hand: that counts. */
static void test_mended_by_hand(void **unused)
{
	unsigned int n;
	bool changed;

	fault.no_rename = true;
	fault.short_write = 7;
	for (n = 1;; n++) {
		(void)unlink(in_dir("journal"));
		put("hosts", OLD);
		assert_true(dies_at(n, "1"));
		if (strcmp(got("hosts"), OLD) != 0)
			break;
	}
	assert_non_null(got("journal"));
	put("hosts", "mine alone <x>\n");
	os_sys = real;
	assert_int_equal(amend("1", &changed), 0);
	assert_string_equal(got("hosts"), "mine alone <1>\n");
	assert_null(got("journal"));
	/* A journal that makes no sense does no harm. */
	put("journal", "12 junk");
	assert_int_equal(amend("2", &changed), 0);
	assert_string_equal(got("hosts"), "mine alone <2>\n");
	assert_null(got("journal"));
	put("journal", "99999999999999999999 1\n");
	assert_int_equal(amend("3", &changed), 0);
	assert_string_equal(got("hosts"), "mine alone <3>\n");
}

/* Every call fails once: the file is the old one or the new one, and the next run is fine. */
static void fail_everywhere(void)
{
	unsigned int n, fails = 0;
	bool changed;
	int r;

	for (n = 1;; n++) {
		put("hosts", OLD);
		fault.calls = 0;
		fault.fail_at = n;
		with_faults();
		r = amend("1", &changed);
		os_sys = real;
		if (strcmp(got("hosts"), r < 0 ? OLD : NEW) != 0 && strcmp(got("hosts"), NEW) != 0)
			fail_msg("call %u: neither the old nor the new file: %s", n, got("hosts"));
		fails += r < 0;
		assert_int_equal(amend("1", &changed), 0);
		assert_string_equal(got("hosts"), NEW);
		if (fault.calls < n)
			break;
	}
	assert_true(fails > 2);
}

static void test_failures(void **unused)
{
	fail_everywhere();
}

static void test_failures_in_place(void **unused)
{
	fault.no_rename = true;
	fail_everywhere();
	fault.full = true;
	fail_everywhere();
}

static void test_no_memory(void **unused)
{
	bool changed;
	size_t n;
	int r;

	for (n = 1;; n++) {
		put("hosts", OLD);
		fail_alloc_at(n);
		r = amend("1", &changed);
		if (!fail_alloc_stop())
			break;
		if (r < 0)
			assert_string_equal(got("hosts"), OLD);
	}
	assert_int_equal(r, 0);
	assert_true(n > 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rename),
		T(test_dry),
		T(test_symlink),
		T(test_missing),
		T(test_no_file),
		T(test_limit),
		T(test_mount_point),
		T(test_read_only_folder),
		T(test_second_name),
		T(test_meanwhile),
		T(test_locked),
		T(test_two_at_once),
		T(test_death),
		T(test_death_in_place),
		T(test_mended_by_hand),
		T(test_failures),
		T(test_failures_in_place),
		T(test_no_memory),
	};

	return cmocka_run_group_tests_name("amend", tests, NULL, NULL);
}
