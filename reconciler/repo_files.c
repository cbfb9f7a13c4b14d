/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/repo_impl.h"

#include <ctype.h>
#include <fcntl.h>

#include "common/limits.h"
#include "common/os_file.h"

/*
 * The walk over the configuration's files, the same for a tree and for a work tree: list a folder,
 * judge every name and kind, then read or descend.
 */

enum kind { KIND_FILE, KIND_DIR, KIND_SYMLINK, KIND_SUBMODULE, KIND_OTHER };

struct entry {
	const char *name;
	enum kind kind;
	git_oid id; /* of a tree's entry */
};

struct walk {
	struct repo *repo;
	struct arena *arena;
	struct diag *diag;
	struct err *err;
	struct source *files;
	size_t n_files;
	size_t entries, bytes;
	bool full; /* a limit was passed: the rest is not looked at */
};

/* A folder: of a tree, or of the work tree when `tree` is NULL. */
struct folder {
	git_tree *tree;
	int fd;
};

static void folder_close(struct folder *f)
{
	git_tree_free(f->tree);
	os_close(f->fd);
	*f = (struct folder){ .fd = -1 };
}

static struct pos place_of(struct walk *w, const char *path)
{
	struct source *s = arena_alloc(w->arena, sizeof(*s));

	if (!s)
		return (struct pos){ 0 };
	*s = (struct source){ .path = path, .text = "" };
	return (struct pos){ .source = s };
}

/* Adds "path: error: ..." and, when given, how to mend it. */
static void refuse(struct walk *w, const char *path, const char *what, const char *help)
{
	struct diag_entry *d = diag_error(w->diag, place_of(w, path), "%s", what);

	if (help)
		diag_help(w->diag, d, "%s", help);
}

static bool stop_at_limit(struct walk *w, const char *path, bool over, const char *what)
{
	if (over && !w->full) {
		refuse(w, path, what, NULL);
		w->full = true;
	}
	return w->full;
}

static int list_tree(struct walk *w, git_tree *tree, struct entry **ret, size_t *ret_n)
{
	size_t n = git_tree_entrycount(tree), i;
	struct entry *list = arena_array(w->arena, n, sizeof(*list));

	if (!list)
		return err_nomem(w->err);
	for (i = 0; i < n; i++) {
		const git_tree_entry *t = git_tree_entry_byindex(tree, i);

		list[i].name = arena_strdup(w->arena, git_tree_entry_name(t));
		if (!list[i].name)
			return err_nomem(w->err);
		list[i].id = *git_tree_entry_id(t);
		switch (git_tree_entry_filemode(t)) {
		case GIT_FILEMODE_BLOB:
		case GIT_FILEMODE_BLOB_EXECUTABLE:
			list[i].kind = KIND_FILE;
			break;
		case GIT_FILEMODE_TREE:
			list[i].kind = KIND_DIR;
			break;
		case GIT_FILEMODE_LINK:
			list[i].kind = KIND_SYMLINK;
			break;
		case GIT_FILEMODE_COMMIT:
			list[i].kind = KIND_SUBMODULE;
			break;
		default:
			list[i].kind = KIND_OTHER;
		}
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

struct listing {
	struct walk *walk;
	int fd;
	struct entry *list;
	size_t n;
};

static int list_one(const char *name, bool is_dir, void *arg)
{
	struct listing *l = arg;
	struct entry *grown = arena_grow(l->walk->arena, l->list, l->n, sizeof(*grown)), *entry;

	if (!grown)
		return err_nomem(l->walk->err);
	l->list = grown;
	entry = &grown[l->n];
	*entry = (struct entry){ .name = arena_strdup(l->walk->arena, name) };
	if (!entry->name)
		return err_nomem(l->walk->err);
	switch (os_kind_of(l->fd, name)) {
	case OS_FILE:
		entry->kind = KIND_FILE;
		break;
	case OS_DIR:
		entry->kind = KIND_DIR;
		break;
	case OS_SYMLINK:
		entry->kind = KIND_SYMLINK;
		break;
	case OS_MISSING: /* went away while we looked */
		return 0;
	case OS_OTHER:
		entry->kind = KIND_OTHER;
	}
	l->n++;
	return 0;
}

static int list_folder(struct walk *w, const struct folder *f, struct entry **ret, size_t *ret_n)
{
	struct listing l = { .walk = w, .fd = f->fd };

	if (f->tree)
		return list_tree(w, f->tree, ret, ret_n);
	if (os_list(f->fd, ".", list_one, &l, w->err) != 0)
		return -1;
	*ret = l.list;
	*ret_n = l.n;
	return 0;
}

static int open_folder(struct walk *w, const struct folder *in, const struct entry *entry,
		       struct folder *ret)
{
	*ret = (struct folder){ .fd = -1 };
	if (in->tree)
		return repo_lookup_tree(w->repo, &entry->id, entry->name, &ret->tree, w->err);
	ret->fd = os_open_subdir(in->fd, entry->name, w->err);
	return ret->fd < 0 ? -1 : 0;
}

static bool ends_in(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len > n && !strcmp(s + len - n, suffix);
}

static bool is_yaml(const char *name)
{
	return ends_in(name, ".yaml") || ends_in(name, ".yml");
}

/* What git itself refuses to check out, and what would deceive a reader: never, wherever it stands.
 */
static const char *name_is_odd(const char *name)
{
	const unsigned char *p;

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || !strcasecmp(name, ".git"))
		return "this name must not stand in a repository";
	for (p = (const unsigned char *)name; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return "the name holds a control byte";
		if (*p == '/' || *p == '\\')
			return "the name holds a slash";
	}
	return NULL;
}

/* Names that are read or descended into: no byte of them means anything to a shell, a terminal or
 * another file system. */
static bool name_is_plain(const char *name)
{
	return isalnum((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(name);
}

static int cmp_folded(const void *pa, const void *pb)
{
	const struct entry *const *a = pa, *const *b = pb;
	int c = strcasecmp((*a)->name, (*b)->name);

	return c ? c : strcmp((*a)->name, (*b)->name);
}

static const char *join(struct walk *w, const char *dir, const char *name)
{
	size_t n = strlen(dir), m = strlen(name);
	char *p = arena_alloc(w->arena, n + m + 2);

	if (!p)
		return NULL;
	memcpy(p, dir, n);
	if (n)
		p[n++] = '/';
	memcpy(p + n, name, m + 1);
	return p;
}

/* Two names that are one on a file system without case; or one name twice, which a hand-made tree
 * may hold. */
static int refuse_collisions(struct walk *w, const char *path, struct entry *list, size_t n)
{
	struct entry **sorted = arena_array(w->arena, n, sizeof(*sorted));
	size_t i;

	if (!sorted)
		return err_nomem(w->err);
	for (i = 0; i < n; i++)
		sorted[i] = &list[i];
	if (n > 1)
		qsort(sorted, n, sizeof(*sorted), cmp_folded);
	for (i = 1; i < n; i++) {
		const char *one;

		if (strcasecmp(sorted[i - 1]->name, sorted[i]->name) != 0)
			continue;
		one = join(w, path, sorted[i]->name);
		if (!one)
			return err_nomem(w->err);
		diag_help(w->diag,
			  diag_error(w->diag, place_of(w, one),
				     "the name differs from `%s` by nothing or by case alone",
				     sorted[i - 1]->name),
			  "some file systems cannot hold both; rename one of them");
	}
	return 0;
}

static int take_file(struct walk *w, const struct folder *f, const struct entry *entry,
		     const char *path, size_t max)
{
	struct source *grown;
	struct err e = { 0 };
	struct buf b;
	char *text;
	int rc;

	if (stop_at_limit(w, path, w->n_files >= MAX_YAML_FILES,
			  "too many files: this is one more than meshrc reads"))
		return 0;
	buf_init(&b, max + 1);
	rc = f->tree ? repo_read_blob(w->repo, &entry->id, path, max, &b, &e) :
		       os_read_nofollow(f->fd, entry->name, max, &b, &e);
	if (rc < 0) {
		buf_release(&b);
		if (e.class == ERR_NOMEM || e.class == ERR_IO) {
			if (w->err)
				*w->err = e;
			return -1;
		}
		refuse(w, path, e.msg, NULL);
		return 0;
	}
	w->bytes += b.len;
	if (stop_at_limit(w, path, w->bytes > MAX_YAML_TOTAL, "the files are too large together")) {
		buf_release(&b);
		return 0;
	}
	text = arena_strndup(w->arena, b.data, b.len);
	grown = arena_grow(w->arena, w->files, w->n_files, sizeof(*grown));
	if (!text || !grown) {
		buf_release(&b);
		return err_nomem(w->err);
	}
	w->files = grown;
	w->files[w->n_files++] = (struct source){ .path = path, .text = text, .len = b.len };
	buf_release(&b);
	return 0;
}

/* True when the entry may be used; else it was refused, or is one to leave alone. */
static bool admit(struct walk *w, const struct entry *entry, const char *path)
{
	const char *odd = name_is_odd(entry->name);
	bool wanted = entry->kind == KIND_DIR || is_yaml(entry->name);

	if (odd) {
		refuse(w, path, odd, NULL);
		return false;
	}
	if (entry->name[0] == '.')
		return false;
	switch (entry->kind) {
	case KIND_SYMLINK:
		refuse(w, path, "a symbolic link is not followed", "put the file itself here");
		return false;
	case KIND_SUBMODULE:
		refuse(w, path, "a submodule is not followed",
		       "keep the files in this repository itself");
		return false;
	case KIND_OTHER:
		refuse(w, path, "neither a file nor a folder", NULL);
		return false;
	case KIND_FILE:
	case KIND_DIR:
		break;
	}
	if (wanted && !name_is_plain(entry->name)) {
		refuse(w, path,
		       "a name that meshrc reads has only letters, digits, '.', '_' and '-', and begins with a "
		       "letter or digit",
		       NULL);
		return false;
	}
	return wanted;
}

static int walk_networks(struct walk *w, const struct folder *f, const char *path,
			 unsigned int depth)
{
	struct entry *list = NULL;
	size_t n = 0, i;

	if (stop_at_limit(w, path, depth > MAX_TREE_DEPTH, "folders nested too deep"))
		return 0;
	if (list_folder(w, f, &list, &n) < 0)
		return -1;
	w->entries += n;
	if (stop_at_limit(w, path, w->entries > MAX_YAML_FILES,
			  "too many files in and below this folder"))
		return 0;
	if (refuse_collisions(w, path, list, n) < 0)
		return -1;
	/* A repository of its own inside a work tree is what a commit shows as a submodule. */
	for (i = 0; i < n && !f->tree; i++)
		if (!strcmp(list[i].name, ".git")) {
			refuse(w, path, "a repository inside the repository is not followed", NULL);
			return 0;
		}
	for (i = 0; i < n && !w->full; i++) {
		const char *sub = join(w, path, list[i].name);
		struct folder child;
		int rc;

		if (!sub)
			return err_nomem(w->err);
		if (!admit(w, &list[i], sub))
			continue;
		if (list[i].kind == KIND_FILE) {
			if (take_file(w, f, &list[i], sub, MAX_YAML_FILE) < 0)
				return -1;
			continue;
		}
		if (open_folder(w, f, &list[i], &child) < 0)
			return -1;
		rc = walk_networks(w, &child, sub, depth + 1);
		folder_close(&child);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int walk_trust(struct walk *w, const struct folder *f, const char *path)
{
	struct entry *list = NULL;
	size_t n = 0, i;

	if (list_folder(w, f, &list, &n) < 0 || refuse_collisions(w, path, list, n) < 0)
		return -1;
	for (i = 0; i < n && !w->full; i++) {
		const char *sub = join(w, path, list[i].name);

		if (!sub)
			return err_nomem(w->err);
		if (strncmp(list[i].name, "root-", 5) != 0)
			continue;
		if (list[i].kind != KIND_FILE)
			refuse(w, sub, "a root document is a plain file", NULL);
		else if (take_file(w, f, &list[i], sub, MAX_ROOT_DOC) < 0)
			return -1;
	}
	return 0;
}

/* The three names at the top that are ours; everything else there belongs to the user. */
static int walk_top(struct walk *w, const struct folder *f)
{
	static const char *const ours[] = { "meshrc.yaml", "networks", "trust" };
	struct entry *list = NULL;
	size_t n = 0, i, j;
	int rc = 0;

	if (list_folder(w, f, &list, &n) < 0)
		return -1;
	for (i = 0; i < n && !rc && !w->full; i++) {
		struct folder child = { .fd = -1 };

		for (j = 0; j < ARRAY_LEN(ours) && strcasecmp(list[i].name, ours[j]) != 0; j++)
			;
		if (j == ARRAY_LEN(ours))
			continue;
		if (strcmp(list[i].name, ours[j]) != 0) {
			diag_error(w->diag, place_of(w, list[i].name),
				   "the name must be written `%s`", ours[j]);
			continue;
		}
		if (list[i].kind != (j ? KIND_DIR : KIND_FILE)) {
			refuse(w, list[i].name,
			       j ? "this must be a folder" : "this must be a plain file",
			       list[i].kind == KIND_SYMLINK ? "symbolic links are not followed" :
							      NULL);
			continue;
		}
		if (!j) {
			rc = take_file(w, f, &list[i], ours[j], MAX_YAML_FILE);
			continue;
		}
		if (open_folder(w, f, &list[i], &child) < 0)
			return -1;
		rc = j == 1 ? walk_networks(w, &child, ours[j], 1) : walk_trust(w, &child, ours[j]);
		folder_close(&child);
	}
	return rc;
}

static int cmp_sources(const void *pa, const void *pb)
{
	const struct source *a = pa, *b = pb;

	return strcmp(a->path, b->path);
}

int repo_files(struct repo *r, const char *commit, struct arena *a, struct diag *d,
	       struct source **ret, size_t *ret_n, struct err *e)
{
	struct walk w = { .repo = r, .arena = a, .diag = d, .err = e };
	struct folder top = { .fd = -1 };
	size_t before = d->errors, i;
	int rc;

	if (commit) {
		if (repo_tree(r, commit, &top.tree, e) < 0)
			return -1;
	} else {
		if (repo_is_bare(r))
			return err_set(
				e, ERR_INPUT,
				"a bare repository has no files of its own; name a commit with --rev");
		top.fd = os_open_dir(AT_FDCWD, repo_workdir(r), e);
		if (top.fd < 0)
			return -1;
	}
	rc = walk_top(&w, &top);
	folder_close(&top);
	if (rc < 0)
		return -1;
	for (i = 0; i < w.n_files && strcmp(w.files[i].path, "meshrc.yaml") != 0; i++)
		;
	if (i == w.n_files && d->errors == before)
		return err_set(
			e, ERR_NOENT,
			"there is no meshrc.yaml at the top of %s%s; 'meshrc init' makes one",
			commit ? "the commit " : repo_workdir(r), commit ? commit : "");
	if (w.n_files > 1)
		qsort(w.files, w.n_files, sizeof(*w.files), cmp_sources);
	*ret = w.files;
	*ret_n = w.n_files;
	return 0;
}

int repo_differs(struct repo *r, const char *commit, bool *ret, struct err *e)
{
	struct source *ours = NULL, *theirs = NULL;
	size_t n = 0, m = 0, i;
	struct arena arena;
	struct diag diag;
	int rc;

	*ret = false;
	if (repo_is_bare(r))
		return 0;
	arena_init(&arena);
	diag_init(&diag, &arena);
	rc = repo_files(r, commit, &arena, &diag, &theirs, &m, e);
	if (!rc && repo_files(r, NULL, &arena, &diag, &ours, &n, e) < 0) {
		rc = !e || e->class != ERR_NOENT ? -1 : 0;
		n = 0;
	}
	*ret = n != m || diag.errors;
	for (i = 0; i < n && !*ret; i++)
		*ret = strcmp(ours[i].path, theirs[i].path) != 0 || ours[i].len != theirs[i].len ||
		       memcmp(ours[i].text, theirs[i].text, ours[i].len) != 0;
	arena_release(&arena);
	return rc;
}
