/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_amend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/num.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/os_time.h"

#define TMP_SUFFIX ".meshrc.tmp"
/* How long to wait for others, in tenths of a second. */
#define LOCK_TRIES 50
/* How often somebody else may come between. */
#define CHANGE_TRIES 5

struct amend {
	char path[PATH_MAX]; /* without symbolic links */
	const char *journal;
	size_t max;
	int fd;
	bool writable;
	struct stat st;
	struct err *err;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return same_file(a, b) && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* ---- opening ---- */

static int open_file(struct amend *x)
{
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	x->fd = os_sys.openat(AT_FDCWD, x->path, O_RDWR | flags, 0);
	x->writable = x->fd >= 0;
	/* It may still be replaced. */
	if (x->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
		x->fd = os_sys.openat(AT_FDCWD, x->path, O_RDONLY | flags, 0);
	if (x->fd < 0)
		return err_errno(x->err, "cannot open %s", x->path);
	if (os_sys.fstat(x->fd, &x->st) < 0)
		return err_errno(x->err, "cannot stat %s", x->path);
	if (!S_ISREG(x->st.st_mode))
		return err_set(x->err, ERR_INPUT, "%s is no regular file", x->path);
	return 0;
}

static void close_file(struct amend *x)
{
	os_close(x->fd);
	x->fd = -1;
}

/* With the lock of the file that stands under the name now. */
static int open_locked(struct amend *x)
{
	unsigned int tries;
	struct stat now;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (open_file(x) < 0)
			return -1;
		if (os_sys.flock(x->fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK && errno != EINTR)
				return err_errno(x->err, "cannot lock %s", x->path);
			close_file(x);
			os_sleep_ms(100);
			continue;
		}
		if (!stat(x->path, &now) && same_file(&now, &x->st))
			return 0;
		/* Another one was put in its place while we waited. */
		close_file(x);
	}
	return err_set(x->err, ERR_CONFLICT, "another process holds %s", x->path);
}

static int read_all(struct amend *x, struct buf *out)
{
	if (lseek(x->fd, 0, SEEK_SET) < 0 || os_sys.fstat(x->fd, &x->st) < 0)
		return err_errno(x->err, "cannot read %s", x->path);
	return os_read_fd(x->fd, x->max, out, x->err) < 0 ? err_prefix(x->err, "%s", x->path) : 0;
}

/* ---- in its place ---- */

static int write_from(struct amend *x, const struct buf *new, size_t from, struct err *e)
{
	if (lseek(x->fd, (off_t)from, SEEK_SET) < 0)
		return err_errno(e, "cannot write %s", x->path);
	if (os_write_all(x->fd, new->data + from, new->len - from, e) < 0)
		return err_prefix(e, "%s", x->path);
	if (ftruncate(x->fd, (off_t) new->len) < 0 || os_sys.fsync(x->fd) < 0)
		return err_errno(e, "cannot write %s", x->path);
	return 0;
}

static size_t common_start(const struct buf *a, const struct buf *b)
{
	size_t i;

	for (i = 0; i < a->len && i < b->len && a->data[i] == b->data[i]; i++)
		;
	return i;
}

/* "OLD LENGTH, NEW LENGTH" and the two. */
static int write_journal(struct amend *x, const struct buf *old, const struct buf *new)
{
	struct buf b;
	int r;

	buf_init(&b, 2 * x->max + 64);
	buf_addf(&b, "%zu %zu\n", old->len, new->len);
	buf_add(&b, old->data, old->len);
	buf_add(&b, new->data, new->len);
	r = buf_ok(&b) ? os_replace(AT_FDCWD, x->journal, b.data, b.len, 0600, x->err) :
			 err_nomem(x->err);
	buf_release(&b);
	return r;
}

static int write_in_place(struct amend *x, const struct buf *old, const struct buf *new)
{
	size_t from = common_start(old, new);

	if (!x->writable)
		return err_set(x->err, ERR_IO, "%s can be neither replaced nor written to",
			       x->path);
	/* Room for all of it first, where the file system can say so. */
	if (new->len > old->len && fallocate(x->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) new->len) < 0 &&
	    errno == ENOSPC)
		return err_errno(x->err, "cannot write %s", x->path);
	if (write_journal(x, old, new) < 0)
		return -1;
	if (write_from(x, new, from, x->err) < 0) {
		/* Back to what it was; failing that, the journal is for the next call. */
		if (write_from(x, old, from, NULL) < 0 || os_unlink(AT_FDCWD, x->journal, NULL) < 0)
			return -1;
		return -1;
	}
	return os_unlink(AT_FDCWD, x->journal, x->err);
}

static int parse_journal(const struct buf *b, struct buf *old, struct buf *new)
{
	const char *nl = memchr(b->data, '\n', b->len), *blank;
	uint64_t n_old, n_new;
	size_t head;

	if (!nl)
		return -1;
	head = (size_t)(nl + 1 - b->data);
	blank = memchr(b->data, ' ', head);
	if (!blank || num_parse(b->data, (size_t)(blank - b->data), b->len, &n_old) < 0 ||
	    num_parse(blank + 1, (size_t)(nl - blank - 1), b->len, &n_new) < 0 ||
	    head + n_old + n_new != b->len)
		return -1;
	*old = (struct buf){ .data = b->data + head, .len = n_old };
	*new = (struct buf){ .data = b->data + head + n_old, .len = n_new };
	return 0;
}

/* True when `now` is what a write of `new` over `old` leaves that was cut short. */
static bool is_torn(const struct buf *now, const struct buf *old, const struct buf *new)
{
	size_t k = common_start(now, new);

	if (now->len < old->len || now->len > (k > old->len ? k : old->len))
		return false;
	return k >= now->len || !memcmp(now->data + k, old->data + k, now->len - k);
}

/* Finishes a write in place that was cut short. What somebody made of the file since then counts
 * more. */
static int recover(struct amend *x)
{
	struct err why = { 0 };
	struct buf b, now, old, new;
	int r = 0;

	buf_init(&b, 2 * x->max + 64);
	buf_init(&now, x->max + 1);
	if (os_read_nofollow(AT_FDCWD, x->journal, 2 * x->max + 63, &b, &why) < 0) {
		if (why.class != ERR_NOENT) {
			*x->err = why;
			r = -1;
		}
		goto out;
	}
	r = read_all(x, &now);
	if (!r && x->writable && !parse_journal(&b, &old, &new) && is_torn(&now, &old, &new))
		r = write_from(x, &new, common_start(&now, &new), x->err);
	if (!r)
		r = os_unlink(AT_FDCWD, x->journal, x->err);
out:
	buf_release(&b);
	buf_release(&now);
	return r;
}

/* ---- by rename ---- */

/* Access lists, the label of SELinux. */
static int copy_attributes(struct amend *x, int to)
{
	char names[4096], value[4096];
	ssize_t len = flistxattr(x->fd, names, sizeof(names)), n;
	const char *p;

	if (len < 0)
		return errno == ENOTSUP ? 0 : -1;
	for (p = names; p < names + len; p += strlen(p) + 1) {
		n = fgetxattr(x->fd, p, value, sizeof(value));
		if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
			continue;
		if (n < 0 || (fsetxattr(to, p, value, (size_t)n, 0) < 0 && errno != ENOTSUP))
			return -1;
	}
	return 0;
}

static int make_new(struct amend *x, const char *tmp, const struct buf *new)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd, r = -1;

	/* One that a killed run left: we hold the lock. */
	(void)os_sys.unlinkat(AT_FDCWD, tmp, 0);
	fd = os_sys.openat(AT_FDCWD, tmp, flags, 0600);
	if (fd < 0)
		return -1;
	if (os_write_all(fd, new->data, new->len, NULL) == 0 &&
	    fchown(fd, x->st.st_uid, x->st.st_gid) == 0 && fchmod(fd, x->st.st_mode & 07777) == 0 &&
	    copy_attributes(x, fd) == 0 && os_sys.fsync(fd) == 0)
		r = 0;
	if (os_sys.close(fd) < 0)
		r = -1;
	if (r < 0)
		(void)os_sys.unlinkat(AT_FDCWD, tmp, 0);
	return r;
}

static int sync_folder(struct amend *x)
{
	char *slash = strrchr(x->path, '/');
	int fd, r = 0;

	*slash = '\0';
	fd = os_open_dir(AT_FDCWD, slash == x->path ? "/" : x->path, x->err);
	*slash = '/';
	if (fd < 0)
		return -1;
	if (os_sys.fsync(fd) < 0)
		r = err_errno(x->err, "cannot sync the folder of %s", x->path);
	os_close(fd);
	return r;
}

/* 1: replaced; 0: it cannot be replaced here; -1 failed, 2: somebody changed it meanwhile. */
static int replace(struct amend *x, const struct buf *new)
{
	char tmp[PATH_MAX + sizeof(TMP_SUFFIX)];
	struct stat now, under;

	snprintf(tmp, sizeof(tmp), "%s" TMP_SUFFIX, x->path);
	if (x->st.st_nlink > 1 || make_new(x, tmp, new) < 0)
		return 0;
	if (os_sys.fstat(x->fd, &now) < 0 || !same_state(&now, &x->st) ||
	    stat(x->path, &under) < 0 || !same_file(&under, &x->st)) {
		(void)os_sys.unlinkat(AT_FDCWD, tmp, 0);
		return 2;
	}
	if (os_sys.renameat(AT_FDCWD, tmp, AT_FDCWD, x->path) < 0) {
		(void)os_sys.unlinkat(AT_FDCWD, tmp, 0);
		return 0;
	}
	return sync_folder(x) < 0 ? -1 : 1;
}

/* ---- all of it ---- */

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

/* 0: done; 1: once more. */
static int amend_once(struct amend *x, bool dry, os_amend_fn *edit, void *arg, bool *ret_changed)
{
	struct buf old, new;
	struct stat now;
	int r;

	buf_init(&old, x->max + 1);
	buf_init(&new, x->max + 1);
	r = read_all(x, &old);
	if (!r)
		r = edit(&old, &new, arg, x->err);
	if (!r && (!buf_ok(&new) || new.len > x->max))
		r = err_set(x->err, ERR_LIMIT, "%s would be longer than %zu bytes", x->path,
			    x->max);
	if (r < 0)
		goto out;
	*ret_changed = !same_bytes(&old, &new);
	if (dry || !*ret_changed)
		goto out;
	r = replace(x, &new);
	if (r == 0) {
		if (os_sys.fstat(x->fd, &now) < 0 || !same_state(&now, &x->st))
			r = 2;
		else
			r = write_in_place(x, &old, &new);
	}
	r = r < 0 ? -1 : r == 2;
out:
	buf_release(&old);
	buf_release(&new);
	return r;
}

/* There is no file. */
static int amend_missing(struct amend *x, const char *path, bool dry, os_amend_fn *edit, void *arg,
			 bool *ret_changed)
{
	const struct buf none = { .data = NULL };
	struct buf new;
	int r;

	buf_init(&new, x->max + 1);
	r = edit(&none, &new, arg, x->err);
	*ret_changed = new.len > 0;
	if (!r && new.len && !dry)
		r = os_create(AT_FDCWD, path, new.data, new.len, 0644, x->err);
	/* The umask has had its say. */
	if (!r && new.len && !dry && chmod(path, 0644) < 0)
		r = err_errno(x->err, "cannot make %s readable", path);
	buf_release(&new);
	return r;
}

int os_amend(const char *path, const char *journal, size_t max, bool dry, os_amend_fn *edit,
	     void *arg, bool *ret_changed, struct err *e)
{
	struct err unused = { 0 };
	struct amend x = { .journal = journal, .max = max, .fd = -1, .err = e ? e : &unused };
	unsigned int tries;
	int r = 1;

	*ret_changed = false;
	if (!realpath(path, x.path)) {
		if (errno == ENOENT)
			return amend_missing(&x, path, dry, edit, arg, ret_changed);
		return err_errno(x.err, "%s", path);
	}
	for (tries = 0; r == 1 && tries < CHANGE_TRIES; tries++) {
		r = dry ? open_file(&x) : open_locked(&x);
		if (!r && !dry)
			r = recover(&x);
		if (!r)
			r = amend_once(&x, dry, edit, arg, ret_changed);
		close_file(&x);
	}
	return r == 1 ? err_set(x.err, ERR_CONFLICT, "%s is changed all the time", path) : r;
}
