/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/publish.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "common/timefmt.h"
#include "publication/verify.h"
#include "reconciler/names_files.h"

#define LOCK_NAME ".meshrc.lock"
#define LOCK_SECONDS 600
#define UNREFERENCED_NAME ".meshrc-unreferenced"
#define MAX_UNREFERENCED_FILE (64u << 20)

struct stale {
	const char *path;
	int64_t since;
};

struct directory {
	int fd;
	const struct tree_file *files;
	size_t n;
	struct arena arena;
	struct err *err;
	int64_t now, keep;
	bool changed;
	struct root *roots; /* of the files */
	size_t n_roots;
	struct stale *before, *after; /* unreferenced documents: as the last run left them, sorted;
					 as this one does */
	size_t n_before, n_after;
	/* While a folder is listed. */
	const char *network, *kind;
};

static int cmp_files(const void *a, const void *b)
{
	return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

static const struct tree_file *find_file(const struct directory *d, const char *path)
{
	struct tree_file key = { .path = path };

	return d->n ? bsearch(&key, d->files, d->n, sizeof(key), cmp_files) : NULL;
}

static bool is_manifest(const char *path)
{
	const char *slash = strchr(path, '/');

	return slash && !strcmp(slash, "/manifest");
}

/* NETWORK/dns/FILE: changes under its name, as a manifest does. */
static bool is_names(const char *path)
{
	const char *slash = strchr(path, '/');

	return slash && !strncmp(slash, "/" NAMES_FOLDER "/", sizeof(NAMES_FOLDER) + 1);
}

/* 1: the file stands there with these bytes; 0: it is missing or differs; -1 failed. */
static int stands(struct directory *d, const struct tree_file *f)
{
	struct err inner = { 0 };
	struct buf b;
	int rc;

	buf_init(&b, f->len + 1);
	rc = os_read_nofollow(d->fd, f->path, f->len, &b, &inner);
	if (!rc)
		rc = b.len == f->len && !memcmp(b.data, f->data, f->len);
	else if (inner.class == ERR_NOENT || inner.class == ERR_LIMIT || inner.class == ERR_INPUT)
		rc = 0;
	else if (d->err)
		*d->err = inner;
	buf_release(&b);
	return rc;
}

static int make_folder_of(struct directory *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return err_set(d->err, ERR_INPUT, "'%s' cannot stand in a publication", path);
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return os_mkdir_p(d->fd, dir, 0755, d->err);
}

/* The roots among the files to be written; they were verified by who made them. */
static int read_roots(struct directory *d)
{
	uint64_t version;
	char path[32];

	d->roots = arena_array(&d->arena, MAX_ROOTS, sizeof(*d->roots));
	if (!d->roots)
		return err_nomem(d->err);

	for (version = 1; version <= MAX_ROOTS; version++) {
		const struct tree_file *f;

		snprintf(path, sizeof(path), "root/%llu", (unsigned long long)version);
		f = find_file(d, path);
		if (!f)
			break;
		if ((version == 1 ? verify_pinned_root(f->data, f->len, &d->roots[0], d->err) :
				    verify_next_root(&d->roots[version - 2], f->data, f->len,
						     &d->roots[version - 1], d->err)) < 0)
			return -1;
		d->n_roots = version;
	}
	return d->n_roots ? 0 : err_set(d->err, ERR_INPUT, "there is no root document to publish");
}

/* A copy of the repository that does not know the newest root is behind in all else too. */
static int check_root_ahead(struct directory *d)
{
	const struct root *ours = &d->roots[d->n_roots - 1];
	struct root theirs;
	char path[32];
	struct buf b;
	int rc = 0;

	snprintf(path, sizeof(path), "root/%zu", d->n_roots + 1);
	buf_init(&b, MAX_ROOT_DOC + 1);
	if (os_read_nofollow(d->fd, path, MAX_ROOT_DOC, &b, NULL) == 0 &&
	    verify_next_root(ours, b.data, b.len, &theirs, NULL) == 0)
		rc = err_set(
			d->err, ERR_CONFLICT,
			"root version %zu stands there, this repository knows only %zu: git pull first",
			d->n_roots + 1, d->n_roots);
	buf_release(&b);
	return rc;
}

/* Under any root of the chain: what stands there may be older than the newest. */
static bool verifies(const struct directory *d, const char *network, const struct buf *b,
		     struct arena *a, struct manifest *ret)
{
	size_t i;

	for (i = d->n_roots; i; i--)
		if (verify_manifest(&d->roots[i - 1], network, 1, b->data, b->len, a, ret, NULL) ==
		    0)
			return true;
	return false;
}

static int check_mesh(struct directory *d)
{
	const struct tree_file *f = find_file(d, "root/1");
	struct root theirs;
	struct buf b;
	int rc = 0;

	buf_init(&b, MAX_ROOT_DOC + 1);
	/* What is no root document at all is damage, and is mended. */
	if (f && os_read_nofollow(d->fd, "root/1", MAX_ROOT_DOC, &b, NULL) == 0 &&
	    (b.len != f->len || memcmp(b.data, f->data, b.len) != 0) &&
	    verify_pinned_root(b.data, b.len, &theirs, NULL) == 0)
		rc = err_set(
			d->err, ERR_CONFLICT,
			"another mesh is published there (root/1 is not ours); choose an empty directory");
	buf_release(&b);
	return rc;
}

/* Agents that took the standing manifest refuse a next one that follows another: EQUIVOCATION. */
static int check_succession(struct directory *d, const char *network, const struct buf *standing,
			    const struct manifest *ours)
{
	struct digest hash;

	digest_of(standing->data, standing->len, &hash);
	if (ours->has_previous && !digest_cmp(&hash, &ours->previous))
		return 0;
	return err_set(
		d->err, ERR_CONFLICT,
		"network %s: serial %llu follows another serial %llu than the one that stands "
		"there: two copies of the repository publish. Let one of them stop; then `meshrc "
		"apply --refresh` in the other takes over",
		network, (unsigned long long)ours->serial, (unsigned long long)ours->serial - 1);
}

/* Refuses to put a manifest over one that agents may have accepted already and that is not an older
 * one. */
static int check_manifest(struct directory *d, const struct tree_file *f, const char *network)
{
	const struct root *root = &d->roots[d->n_roots - 1];
	struct manifest ours, theirs;
	struct arena a;
	struct buf b;
	int rc = 0;

	arena_init(&a);
	buf_init(&b, MAX_MANIFEST + 1);
	if (os_read_nofollow(d->fd, f->path, MAX_MANIFEST, &b, NULL) < 0 ||
	    (b.len == f->len && !memcmp(b.data, f->data, b.len)) ||
	    !verifies(d, network, &b, &a, &theirs))
		goto out;
	rc = verify_manifest(root, network, 1, f->data, f->len, &a, &ours, d->err);
	if (!rc && theirs.epoch == ours.epoch && theirs.serial >= ours.serial)
		rc = err_set(
			d->err, ERR_CONFLICT,
			"network %s: serial %llu stands there already, and this publication is %s serial %llu; it comes from "
			"another copy of the repository",
			network, (unsigned long long)theirs.serial,
			theirs.serial == ours.serial ? "another" : "only",
			(unsigned long long)ours.serial);
	else if (!rc && theirs.epoch == ours.epoch && theirs.serial + 1 == ours.serial)
		rc = check_succession(d, network, &b, &ours);
out:
	buf_release(&b);
	arena_release(&a);
	return rc;
}

static int check_manifests(struct directory *d)
{
	size_t i;

	if (read_roots(d) < 0 || check_root_ahead(d) < 0)
		return -1;
	for (i = 0; i < d->n; i++) {
		char network[MAX_NAME + 1];
		size_t len = strcspn(d->files[i].path, "/");

		if (!is_manifest(d->files[i].path))
			continue;
		if (len > MAX_NAME)
			return err_set(d->err, ERR_INPUT, "'%s' cannot stand in a publication",
				       d->files[i].path);
		memcpy(network, d->files[i].path, len);
		network[len] = '\0';
		if (check_manifest(d, &d->files[i], network) < 0)
			return -1;
	}
	return 0;
}

static int write_documents(struct directory *d)
{
	bool wrote = false;
	size_t i;

	for (i = 0; i < d->n; i++) {
		const struct tree_file *f = &d->files[i];
		int rc;

		if (is_manifest(f->path))
			continue;
		rc = stands(d, f);
		if (rc < 0)
			return -1;
		if (rc)
			continue;
		if (make_folder_of(d, f->path) < 0 ||
		    (is_names(f->path) ? os_replace : os_write_file)(d->fd, f->path, f->data,
								     f->len, 0644, d->err) < 0)
			return -1;
		wrote = true;
	}
	if (wrote)
		d->changed = true;
	return wrote ? os_sync_dir(d->fd, d->err) : 0;
}

static int write_manifests(struct directory *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		const struct tree_file *f = &d->files[i];
		int rc;

		if (!is_manifest(f->path))
			continue;
		rc = stands(d, f);
		if (rc < 0)
			return -1;
		if (rc)
			continue;
		if (make_folder_of(d, f->path) < 0 ||
		    os_replace(d->fd, f->path, f->data, f->len, 0644, d->err) < 0)
			return -1;
		d->changed = true;
	}
	return 0;
}

/* Unreferenced documents: lines "TIME PATH", sorted by path. A lost or damaged list only keeps
 * documents longer. */

static int cmp_stale(const void *a, const void *b)
{
	return strcmp(((const struct stale *)a)->path, ((const struct stale *)b)->path);
}

static void read_unreferenced(struct directory *d)
{
	const char *p, *end;
	struct buf b;

	buf_init(&b, MAX_UNREFERENCED_FILE + 1);
	if (os_read_nofollow(d->fd, UNREFERENCED_NAME, MAX_UNREFERENCED_FILE, &b, NULL) < 0)
		goto out;
	p = b.data;
	end = b.data + b.len;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct stale *grown;
		int64_t since;

		if (!nl || nl - p < TIME_STRLEN + 1 || p[TIME_STRLEN - 1] != ' ' ||
		    time_parse(p, TIME_STRLEN - 1, &since) < 0)
			break;
		grown = arena_grow(&d->arena, d->before, d->n_before, sizeof(*grown));
		if (!grown)
			break;
		d->before = grown;
		grown[d->n_before].since = since;
		grown[d->n_before].path =
			arena_strndup(&d->arena, p + TIME_STRLEN, (size_t)(nl - p) - TIME_STRLEN);
		if (!grown[d->n_before].path)
			break;
		d->n_before++;
		p = nl + 1;
	}
	if (d->n_before > 1)
		qsort(d->before, d->n_before, sizeof(*d->before), cmp_stale);
out:
	buf_release(&b);
}

static int write_unreferenced(struct directory *d)
{
	char time[TIME_STRLEN];
	struct buf b;
	size_t i;
	int rc = 0;

	if (!d->n_after) {
		if (os_exists(d->fd, UNREFERENCED_NAME))
			rc = os_unlink(d->fd, UNREFERENCED_NAME, d->err);
		return rc;
	}
	buf_init(&b, MAX_UNREFERENCED_FILE);
	if (d->n_after > 1)
		qsort(d->after, d->n_after, sizeof(*d->after), cmp_stale);
	rc = d->n_after != d->n_before;
	for (i = 0; i < d->n_after; i++) {
		rc = rc || d->after[i].since != d->before[i].since ||
		     strcmp(d->after[i].path, d->before[i].path) != 0;
		buf_addf(&b, "%s %s\n", time_print(d->after[i].since, time), d->after[i].path);
	}
	if (rc)
		rc = buf_ok(&b) ?
			     os_replace(d->fd, UNREFERENCED_NAME, b.data, b.len, 0644, d->err) :
			     err_nomem(d->err);
	buf_release(&b);
	return rc;
}

static bool is_hash(const char *name, size_t len)
{
	return len == DIGEST_STRLEN - 1 && strspn(name, "0123456789abcdef") >= len;
}

/* What a write that was cut short left behind: "NAME.<16 hex digits>.tmp". We hold the lock, so
 * nobody is writing it. */
static bool is_leftover(const char *name)
{
	static const char tail[] = ".0123456789abcdef.tmp";
	size_t len = strlen(name), n = sizeof(tail) - 1;
	const char *t = name + len - n;

	return len > n && *t == '.' && strspn(t + 1, "0123456789abcdef") == 16 &&
	       !strcmp(t + 17, ".tmp");
}

static int judge_document(const char *name, bool is_dir, void *arg)
{
	struct directory *d = arg;
	struct stale key, *known, *grown;
	char path[512];
	int64_t since;

	if (is_dir || snprintf(path, sizeof(path), "%s/%s/%s", d->network, d->kind, name) >=
			      (int)sizeof(path))
		return 0;
	if (is_leftover(name) && is_hash(name, strcspn(name, ".")))
		return os_unlink(d->fd, path, d->err);
	if (!is_hash(name, strlen(name)) || find_file(d, path))
		return 0;
	key.path = path;
	known = d->n_before ? bsearch(&key, d->before, d->n_before, sizeof(key), cmp_stale) : NULL;
	/* A clock that was set back must not keep it for ever. */
	since = known && known->since <= d->now ? known->since : d->now;
	if (known && d->now - since >= d->keep)
		return os_unlink(d->fd, path, d->err);
	grown = arena_grow(&d->arena, d->after, d->n_after, sizeof(*grown));
	if (!grown)
		return err_nomem(d->err);
	d->after = grown;
	grown[d->n_after].since = since;
	grown[d->n_after].path = arena_strdup(&d->arena, path);
	return grown[d->n_after++].path ? 0 : err_nomem(d->err);
}

/* Names that there are no more. */
static int judge_names(const char *name, bool is_dir, void *arg)
{
	struct directory *d = arg;
	char path[512], plain[512];
	size_t len = strlen(name), tail = sizeof(".0123456789abcdef.tmp") - 1;
	bool leftover = is_leftover(name);

	if (is_dir || snprintf(path, sizeof(path), "%s/" NAMES_FOLDER "/%s", d->network, name) >=
			      (int)sizeof(path))
		return 0;
	snprintf(plain, sizeof(plain), "%.*s", (int)(leftover ? len - tail : len), name);
	if (!names_file_is(plain) || (!leftover && find_file(d, path)))
		return 0;
	if (!leftover)
		d->changed = true;
	return os_unlink(d->fd, path, d->err);
}

static bool is_kind(const char *name)
{
	int i;

	for (i = 0; i < N_TABLES; i++)
		if (!strcmp(name, table_name((enum table)i)))
			return true;
	return !strcmp(name, "index");
}

/* A manifest that is not to be there any more (`apply --prune`), if it is one at all. */
static int drop_manifest(struct directory *d, const char *path)
{
	static const char first[] = "meshrc manifest ";
	struct buf b;
	int rc = 0;

	buf_init(&b, MAX_MANIFEST + 1);
	if (os_read_nofollow(d->fd, path, MAX_MANIFEST, &b, NULL) == 0 &&
	    !strncmp(b.data, first, sizeof(first) - 1)) {
		rc = os_unlink(d->fd, path, d->err);
		d->changed = true;
	}
	buf_release(&b);
	return rc;
}

static int judge_in_network(const char *name, bool is_dir, void *arg)
{
	struct directory *d = arg;
	char path[512];

	if (snprintf(path, sizeof(path), "%s/%s", d->network, name) >= (int)sizeof(path))
		return 0;
	if (is_dir && !strcmp(name, NAMES_FOLDER))
		return os_list(d->fd, path, judge_names, d, d->err);
	if (is_dir) {
		d->kind = name;
		return is_kind(name) ? os_list(d->fd, path, judge_document, d, d->err) : 0;
	}
	if (is_leftover(name) && !strncmp(name, "manifest.", 9))
		return os_unlink(d->fd, path, d->err);
	return !strcmp(name, "manifest") && !find_file(d, path) ? drop_manifest(d, path) : 0;
}

static int judge_root(const char *name, bool is_dir, void *arg)
{
	struct directory *d = arg;
	char path[512];

	if (is_dir || !is_leftover(name) ||
	    snprintf(path, sizeof(path), "root/%s", name) >= (int)sizeof(path))
		return 0;
	return os_unlink(d->fd, path, d->err);
}

static int judge_top(const char *name, bool is_dir, void *arg)
{
	struct directory *d = arg;

	if (!is_dir || !name_is_valid(name, strlen(name)))
		return 0;
	if (!strcmp(name, "root"))
		return os_list(d->fd, name, judge_root, d, d->err);
	d->network = name;
	return os_list(d->fd, name, judge_in_network, d, d->err);
}

int publish_to_directory(const char *directory, const struct tree_file *files, size_t n,
			 int64_t now, int64_t keep_seconds, bool *ret_changed, struct err *e)
{
	struct directory d = {
		.fd = -1, .files = files, .n = n, .err = e, .now = now, .keep = keep_seconds
	};
	/* A web server's user must be able to read it, whatever the umask of who publishes. */
	mode_t mask = umask(022);
	int lock = -1, rc = -1;

	arena_init(&d.arena);
	if (os_mkdir_p(AT_FDCWD, directory, 0755, e) < 0)
		goto out;
	d.fd = os_open_dir(AT_FDCWD, directory, e);
	if (d.fd < 0)
		goto out;
	lock = os_lock_shared(d.fd, LOCK_NAME, LOCK_SECONDS, e);
	if (lock < 0 || check_mesh(&d) < 0 || check_manifests(&d) < 0 || write_documents(&d) < 0 ||
	    write_manifests(&d) < 0)
		goto out;
	read_unreferenced(&d);
	if (os_list(d.fd, ".", judge_top, &d, e) != 0 || write_unreferenced(&d) < 0)
		goto out;
	*ret_changed = d.changed;
	rc = 0;
out:
	os_close(lock);
	os_close(d.fd);
	arena_release(&d.arena);
	umask(mask);
	return rc < 0 ? err_prefix(e, "publishing to the directory %s", directory) : 0;
}
