/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/repo.h"

#include <ctype.h>
#include <fcntl.h>
#include <git2.h>
#include <limits.h>
#include <stdarg.h>

#include "common/limits.h"
#include "common/num.h"
#include "common/os_file.h"

/* Trees of a publication have up to MAX_PAGES entries of about 100 bytes; each is looked up once
 * per document. */
#define TREE_CACHE (8u << 20)
#define MAX_GENERATIONS 1000000
/* MAX_YAML_FILES entries with names of 255 bytes are 36 MB; what is larger is an attack on our
 * memory. */
#define MAX_TREE_OBJECT (64u << 20)
#define MAX_COMMIT_OBJECT (16u << 20)
#define MAX_TAG_DEPTH 8

struct repo {
	git_repository *git;
	git_config *config; /* of the repository alone */
};

int repo_git_error(int code, struct err *e, const char *fmt, ...)
{
	const git_error *last = git_error_last();
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e,
		       code == GIT_ENOTFOUND ? ERR_NOENT :
		       code == GIT_EEXISTS || code == GIT_EMODIFIED || code == GIT_ELOCKED ?
					       ERR_CONFLICT :
		       last && last->klass == GIT_ERROR_NOMEMORY ? ERR_NOMEM :
								   ERR_IO,
		       "%s: %s", what,
		       last && last->message ? last->message : "libgit2 does not say why");
}

/* NULL: where git looks by default. Read for safe.directory while a repository is opened, and
 * closed again after that. */
static void set_search_paths(const char *path)
{
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_PROGRAMDATA, path);
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, path);
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, path);
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, path);
}

static struct repo *repo_new(struct err *e)
{
	struct repo *r = calloc(1, sizeof(*r));

	if (!r || git_libgit2_init() < 0) {
		free(r);
		err_nomem(e);
		return NULL;
	}
	git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, GIT_OBJECT_TREE, (size_t)TREE_CACHE);
	set_search_paths(NULL);
	return r;
}

/* From here on the repository's own configuration is the only one that is read. */
static int settle(struct repo *r, struct err *e)
{
	git_config *all = NULL;
	int rc;

	set_search_paths("");
	rc = git_repository_config(&all, r->git);
	if (!rc)
		rc = git_config_open_level(&r->config, all, GIT_CONFIG_LEVEL_LOCAL);
	git_config_free(all);
	return rc ? repo_git_error(rc, e, "cannot read the repository's configuration") : 0;
}

static int open_failed(int rc, const char *dir, struct err *e)
{
	const git_error *last = git_error_last();
	char real[PATH_MAX];

	if (rc == GIT_EOWNER ||
	    (last && last->message && strstr(last->message, "safe.directory"))) {
		if (!realpath(dir, real))
			snprintf(real, sizeof(real), "%s", dir);
		return err_set(
			e, ERR_INPUT,
			"the repository %s belongs to another user, and git does not trust it; if you do: "
			"git config --global --add safe.directory %s",
			real, real);
	}
	if (last && last->message && strcasestr(last->message, "objectformat"))
		return err_set(
			e, ERR_INPUT,
			"the repository %s: SHA-256 repositories are not supported by this libgit2",
			dir);
	if (rc == GIT_ENOTFOUND)
		return err_set(
			e, ERR_NOENT,
			"there is no git repository at %s or above it; 'meshrc init' makes one",
			dir);
	return repo_git_error(rc, e, "cannot open the repository at %s", dir);
}

int repo_open(const char *dir, struct repo **ret, struct err *e)
{
	const char *git_dir = getenv("GIT_DIR"), *work_tree = getenv("GIT_WORK_TREE");
	struct repo *r = repo_new(e);
	int rc;

	if (!r)
		return -1;
	if (dir)
		rc = git_repository_open_ext(&r->git, dir, 0, NULL);
	else if (git_dir && getenv("GIT_OBJECT_DIRECTORY"))
		/* A receive hook: what was pushed is in quarantine, and only the environment says
		 * where. */
		rc = git_repository_open_ext(&r->git, NULL, GIT_REPOSITORY_OPEN_FROM_ENV, NULL);
	else if (git_dir)
		rc = git_repository_open_ext(&r->git, git_dir, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	else
		rc = git_repository_open_ext(&r->git, ".", 0, NULL);
	if (!rc && !dir && git_dir && work_tree)
		rc = git_repository_set_workdir(r->git, work_tree, 0);
	if (rc)
		open_failed(rc, dir ? dir : git_dir ? git_dir : ".", e);
	if (rc || settle(r, e) < 0) {
		repo_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

int repo_create(const char *dir, struct repo **ret, struct err *e)
{
	git_repository_init_options o;
	struct repo *r = repo_new(e);
	int rc;

	if (!r)
		return -1;
	git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	o.flags = GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_REINIT;
	o.initial_head = "main";
	rc = git_repository_init_ext(&r->git, dir, &o);
	if (rc)
		repo_git_error(rc, e, "cannot make a repository in %s", dir);
	if (rc || settle(r, e) < 0) {
		repo_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

void repo_free(struct repo *r)
{
	if (!r)
		return;
	git_config_free(r->config);
	git_repository_free(r->git);
	git_libgit2_shutdown();
	free(r);
}

struct git_repository *repo_git(struct repo *r)
{
	return r->git;
}

bool repo_is_bare(const struct repo *r)
{
	return git_repository_is_bare(r->git);
}

const char *repo_workdir(const struct repo *r)
{
	return git_repository_workdir(r->git);
}

const char *repo_gitdir(const struct repo *r)
{
	return git_repository_commondir(r->git);
}

int repo_config(struct repo *r, const char *key, struct arena *a, const char **ret, struct err *e)
{
	git_buf value = { 0 };
	int rc = git_config_get_string_buf(&value, r->config, key);

	*ret = NULL;
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return repo_git_error(rc, e, "cannot read %s of the repository's configuration",
				      key);
	*ret = arena_strdup(a, value.ptr);
	git_buf_dispose(&value);
	return *ret ? 0 : err_nomem(e);
}

int repo_config_set(struct repo *r, const char *key, const char *value, struct err *e)
{
	int rc = git_config_set_string(r->config, key, value);

	return rc ? repo_git_error(rc, e, "cannot set %s in the repository's configuration", key) :
		    0;
}

/* Names of commits. */

static bool is_hex(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!strchr("0123456789abcdef", s[i]))
			return false;
	return len > 0;
}

/*
 * The size before the bytes: an object of gigabytes must not be unpacked to learn that it is too
 * large. Files are read by read_blob alone, so nothing else is ever looked up without this.
 */
static int check_object(struct repo *r, const git_oid *id, const char *what, git_object_t *ret_type,
			struct err *e)
{
	git_odb *odb = NULL;
	size_t len = 0;
	int rc = git_repository_odb(&odb, r->git);

	if (!rc)
		rc = git_odb_read_header(&len, ret_type, odb, id);
	git_odb_free(odb);
	if (rc)
		return repo_git_error(rc, e, "cannot read '%s'", what);
	if ((*ret_type == GIT_OBJECT_TREE && len > MAX_TREE_OBJECT) ||
	    ((*ret_type == GIT_OBJECT_COMMIT || *ret_type == GIT_OBJECT_TAG) &&
	     len > MAX_COMMIT_OBJECT))
		return err_set(e, ERR_LIMIT, "'%s' is an object of %zu bytes, which is too large",
			       what, len);
	return 0;
}

static int commit_of(struct repo *r, const git_oid *id, const char *what, git_commit **ret,
		     struct err *e)
{
	git_oid at = *id;
	int depth;

	for (depth = 0; depth < MAX_TAG_DEPTH; depth++) {
		git_object_t type;
		git_tag *tag = NULL;
		int rc;

		if (check_object(r, &at, what, &type, e) < 0)
			return -1;
		if (type == GIT_OBJECT_COMMIT) {
			rc = git_commit_lookup(ret, r->git, &at);
			return rc ? repo_git_error(rc, e, "cannot read the commit '%s'", what) : 0;
		}
		if (type != GIT_OBJECT_TAG)
			return err_set(e, ERR_INPUT, "'%s' is not a commit", what);
		rc = git_tag_lookup(&tag, r->git, &at);
		if (rc)
			return repo_git_error(rc, e, "cannot read the tag '%s'", what);
		at = *git_tag_target_id(tag);
		git_tag_free(tag);
	}
	return err_set(e, ERR_LIMIT, "'%s' is a tag of a tag of a tag ...", what);
}

static int lookup_tree(struct repo *r, const git_oid *id, const char *what, git_tree **ret,
		       struct err *e)
{
	git_object_t type;
	int rc;

	if (check_object(r, id, what, &type, e) < 0)
		return -1;
	if (type != GIT_OBJECT_TREE)
		return err_set(e, ERR_INPUT, "'%s' is not a folder", what);
	rc = git_tree_lookup(ret, r->git, id);
	return rc ? repo_git_error(rc, e, "cannot read the folder '%s'", what) : 0;
}

static int commit_of_hex(struct repo *r, const char *hex, git_commit **ret, struct err *e)
{
	git_oid id;

	if (strlen(hex) != GIT_OID_HEXSZ || !is_hex(hex, GIT_OID_HEXSZ) ||
	    git_oid_fromstr(&id, hex) < 0)
		return err_set(e, ERR_INPUT, "'%s' is not the id of a commit", hex);
	return commit_of(r, &id, hex, ret, e);
}

static void commit_hex(const git_commit *c, char ret[static COMMIT_HEX])
{
	git_oid_tostr(ret, COMMIT_HEX, git_commit_id(c));
}

/* The id behind a reference: 0 found, 1 there is none, -1 failed. */
static int ref_target(struct repo *r, const char *name, git_oid *ret, struct err *e)
{
	int valid = 0, rc = git_reference_name_is_valid(&valid, name);

	if (rc || !valid)
		return 1;
	rc = git_reference_name_to_id(ret, r->git, name);
	if (rc == GIT_ENOTFOUND)
		return 1;
	return rc ? repo_git_error(rc, e, "cannot read %s", name) : 0;
}

int repo_ref(struct repo *r, const char *name, char ret_commit[static COMMIT_HEX], struct err *e)
{
	git_commit *commit = NULL;
	git_oid id;
	int rc = ref_target(r, name, &id, e);

	if (rc < 0)
		return -1;
	if (rc)
		return err_set(e, ERR_NOENT, "there is no %s", name);
	if (commit_of(r, &id, name, &commit, e) < 0) {
		/* The reference is there: a damaged repository, and not one without it. */
		if (e && e->class == ERR_NOENT)
			e->class = ERR_IO;
		return -1;
	}
	commit_hex(commit, ret_commit);
	git_commit_free(commit);
	return 0;
}

int repo_branch(struct repo *r, const char *branch, char ret_commit[static COMMIT_HEX],
		struct err *e)
{
	char name[1024];
	int n = snprintf(name, sizeof(name), "refs/heads/%s", branch);

	if (n < 0 || (size_t)n >= sizeof(name))
		return err_set(e, ERR_INPUT, "the name of the branch is too long");
	if (repo_ref(r, name, ret_commit, e) < 0)
		return e && e->class == ERR_NOENT ?
			       err_set(e, ERR_NOENT, "there is no branch '%s'", branch) :
			       -1;
	return 0;
}

int repo_head_branch(struct repo *r, struct arena *a, const char **ret, struct err *e)
{
	static const char heads[] = "refs/heads/";
	git_reference *head = NULL;
	const char *target;
	int rc = git_reference_lookup(&head, r->git, "HEAD");

	if (rc)
		return repo_git_error(rc, e, "cannot read HEAD");
	target = git_reference_symbolic_target(head);
	if (!target || strncmp(target, heads, sizeof(heads) - 1) != 0) {
		git_reference_free(head);
		return err_set(e, ERR_NOENT, "HEAD names a commit, not a branch");
	}
	*ret = arena_strdup(a, target + sizeof(heads) - 1);
	git_reference_free(head);
	return *ret ? 0 : err_nomem(e);
}

/* A name of the grammar without its ~N and ^. libgit2's own revision parser never sees what a user
 * typed. */
static int resolve_base(struct repo *r, const char *base, git_commit **ret, struct err *e)
{
	static const char *const places[] = { "refs/heads/%s", "refs/tags/%s", "refs/remotes/%s" };
	size_t len = strlen(base), i;
	git_object *object = NULL;
	bool found = false;
	git_oid id, other;
	char name[512];
	int rc;

	if (len == GIT_OID_HEXSZ && is_hex(base, len))
		return commit_of_hex(r, base, ret, e);
	if (!strcmp(base, "HEAD")) {
		rc = git_reference_name_to_id(&id, r->git, "HEAD");
		if (rc == GIT_ENOTFOUND || rc == GIT_EUNBORNBRANCH)
			return err_set(
				e, ERR_NOENT,
				"HEAD has no commit yet; make the first one with git commit");
		return rc ? repo_git_error(rc, e, "cannot read HEAD") :
			    commit_of(r, &id, base, ret, e);
	}
	for (i = 0; i < ARRAY_LEN(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name, sizeof(name), places[i], base);
#pragma GCC diagnostic pop
		rc = ref_target(r, name, found ? &other : &id, e);
		if (rc < 0)
			return -1;
		if (rc)
			continue;
		if (found && i < 2 && !git_oid_equal(&id, &other))
			return err_set(e, ERR_INPUT,
				       "'%s' is a branch and a tag; give the commit's id", base);
		found = true;
		if (i)
			break;
	}
	if (found)
		return commit_of(r, &id, base, ret, e);
	if (len < 4 || len > GIT_OID_HEXSZ || !is_hex(base, len))
		return err_set(e, ERR_NOENT, "there is no branch, tag or commit '%s'", base);
	if (git_oid_fromstrn(&id, base, len) < 0)
		return err_set(e, ERR_INPUT, "'%s' is not the id of a commit", base);
	rc = git_object_lookup_prefix(&object, r->git, &id, len, GIT_OBJECT_COMMIT);
	if (rc == GIT_ENOTFOUND)
		return err_set(e, ERR_NOENT, "there is no branch, tag or commit '%s'", base);
	if (rc == GIT_EAMBIGUOUS)
		return err_set(e, ERR_INPUT,
			       "more than one commit begins with '%s'; give more digits", base);
	if (rc)
		return repo_git_error(rc, e, "cannot find the commit '%s'", base);
	*ret = (git_commit *)object;
	return 0;
}

int repo_resolve(struct repo *r, const char *rev, char ret_commit[static COMMIT_HEX], struct err *e)
{
	size_t len = strcspn(rev, "~^"), i;
	const char *step = rev + len;
	git_commit *commit = NULL;
	char base[256];

	if (!len || len >= sizeof(base) || *rev == '-')
		return err_set(e, ERR_INPUT, "'%s' names no commit", rev);
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)rev[i]) && !strchr("._/+-", rev[i]))
			return err_set(
				e, ERR_INPUT,
				"'%s' names no commit: a branch, a tag, HEAD or a commit's id is wanted, and ~N or ^ "
				"behind it",
				rev);
	memcpy(base, rev, len);
	base[len] = '\0';
	if (resolve_base(r, base, &commit, e) < 0)
		return -1;
	while (*step) {
		uint64_t n = 1;
		size_t digits = 0;
		bool bad = false;

		if (*step == '~') {
			digits = strspn(step + 1, "0123456789");
			bad = digits && num_parse(step + 1, digits, MAX_GENERATIONS, &n) < 0;
		}
		step += 1 + digits;
		if (bad || (*step && *step != '~' && *step != '^')) {
			git_commit_free(commit);
			return err_set(e, ERR_INPUT,
				       "'%s' names no commit: only ~N and ^ may follow '%s'", rev,
				       base);
		}
		while (n--) {
			git_commit *parent = NULL;
			int rc = git_commit_parent(&parent, commit, 0);

			git_commit_free(commit);
			commit = parent;
			if (rc == GIT_ENOTFOUND)
				return err_set(e, ERR_NOENT,
					       "'%s': the history does not go back that far", rev);
			if (rc)
				return repo_git_error(rc, e, "cannot read a parent of '%s'", rev);
		}
	}
	commit_hex(commit, ret_commit);
	git_commit_free(commit);
	return 0;
}

static int walk_failed(int rc, const char *commit, struct err *e)
{
	if (rc == GIT_ENOTFOUND)
		return err_set(
			e, ERR_INPUT,
			"the history of %s is not complete here (a shallow clone?): git fetch --unshallow",
			commit);
	return repo_git_error(rc, e, "cannot walk the history of %s", commit);
}

int repo_descends(struct repo *r, const char *commit, const char *ancestor, bool *ret,
		  struct err *e)
{
	git_commit *c = NULL, *a = NULL;
	int rc = -1;

	if (commit_of_hex(r, commit, &c, e) < 0 || commit_of_hex(r, ancestor, &a, e) < 0)
		goto out;
	if (git_oid_equal(git_commit_id(c), git_commit_id(a))) {
		*ret = true;
		rc = 0;
		goto out;
	}
	rc = git_graph_descendant_of(r->git, git_commit_id(c), git_commit_id(a));
	if (rc < 0) {
		rc = walk_failed(rc, commit, e);
		goto out;
	}
	*ret = rc == 1;
	rc = 0;
out:
	git_commit_free(c);
	git_commit_free(a);
	return rc;
}

int repo_generation(struct repo *r, const char *commit, uint64_t *ret, struct err *e)
{
	git_commit *c = NULL, *parent;
	uint64_t n = 1;
	int rc = 0;

	if (commit_of_hex(r, commit, &c, e) < 0)
		return -1;
	while (git_commit_parentcount(c)) {
		rc = git_commit_parent(&parent, c, 0);
		if (rc) {
			rc = walk_failed(rc, commit, e);
			break;
		}
		git_commit_free(c);
		c = parent;
		n++;
	}
	git_commit_free(c);
	*ret = n;
	return rc;
}

int repo_subject(struct repo *r, const char *commit, struct buf *out, struct err *e)
{
	const char *summary;
	git_commit *c = NULL;

	if (commit_of_hex(r, commit, &c, e) < 0)
		return -1;
	summary = git_commit_summary(c);
	buf_adds(out, summary ? summary : "");
	git_commit_free(c);
	return 0;
}

/* Single blobs and folders. */

static int tree_of_hex(struct repo *r, const char *hex, git_tree **ret, struct err *e)
{
	git_commit *commit = NULL;
	git_object_t type;
	git_oid id;
	int rc;

	if (strlen(hex) != GIT_OID_HEXSZ || !is_hex(hex, GIT_OID_HEXSZ) ||
	    git_oid_fromstr(&id, hex) < 0)
		return err_set(e, ERR_INPUT, "'%s' is not the id of a commit", hex);
	if (check_object(r, &id, hex, &type, e) < 0)
		return -1;
	if (type == GIT_OBJECT_TREE)
		return lookup_tree(r, &id, hex, ret, e);
	if (commit_of(r, &id, hex, &commit, e) < 0)
		return -1;
	rc = lookup_tree(r, git_commit_tree_id(commit), hex, ret, e);
	git_commit_free(commit);
	return rc;
}

/* The entry of a path below `top`; ERR_NOENT when there is none. The caller frees it. */
static int find_entry(struct repo *r, const git_tree *top, const char *path, git_tree_entry **ret,
		      struct err *e)
{
	git_tree *tree = NULL;
	const char *p = path;
	int rc = -1;

	for (;;) {
		size_t len = strcspn(p, "/");
		const git_tree_entry *entry;
		git_tree *next = NULL;
		char name[256];

		if (!len || len >= sizeof(name)) {
			err_set(e, ERR_INPUT, "'%s' cannot stand in a tree", path);
			break;
		}
		memcpy(name, p, len);
		name[len] = '\0';
		entry = git_tree_entry_byname(tree ? tree : top, name);
		if (!entry) {
			err_set(e, ERR_NOENT, "there is no %s", path);
			break;
		}
		if (!p[len]) {
			rc = git_tree_entry_dup(ret, entry) ? err_nomem(e) : 0;
			break;
		}
		if (git_tree_entry_filemode(entry) != GIT_FILEMODE_TREE) {
			err_set(e, ERR_NOENT, "there is no %s", path);
			break;
		}
		if (lookup_tree(r, git_tree_entry_id(entry), path, &next, e) < 0)
			break;
		git_tree_free(tree);
		tree = next;
		p += len + 1;
	}
	git_tree_free(tree);
	return rc;
}

static int read_blob(struct repo *r, const git_oid *id, const char *path, size_t max,
		     struct buf *out, struct err *e)
{
	git_odb_object *object = NULL;
	git_odb *odb = NULL;
	git_object_t type;
	size_t len;
	int rc;

	rc = git_repository_odb(&odb, r->git);
	if (!rc)
		/* The size first: an object of gigabytes must not be unpacked to learn that it is
		 * too large. */
		rc = git_odb_read_header(&len, &type, odb, id);
	if (rc) {
		repo_git_error(rc, e, "cannot read %s", path);
		if (e && e->class == ERR_NOENT)
			e->class = ERR_IO;
	} else if (type != GIT_OBJECT_BLOB) {
		rc = err_set(e, ERR_INPUT, "%s is not a file", path);
	} else if (len > max) {
		rc = err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", path, max);
	} else {
		rc = git_odb_read(&object, odb, id);
		if (rc) {
			repo_git_error(rc, e, "cannot read %s", path);
		} else {
			buf_add(out, git_odb_object_data(object), git_odb_object_size(object));
			if (!buf_ok(out))
				rc = err_nomem(e);
		}
	}
	git_odb_object_free(object);
	git_odb_free(odb);
	return rc ? -1 : 0;
}

int repo_blob(struct repo *r, const char *commit, const char *path, size_t max, struct buf *out,
	      struct err *e)
{
	git_tree_entry *entry = NULL;
	git_tree *tree = NULL;
	int rc;

	if (tree_of_hex(r, commit, &tree, e) < 0)
		return -1;
	rc = find_entry(r, tree, path, &entry, e);
	if (!rc && git_tree_entry_filemode(entry) != GIT_FILEMODE_BLOB &&
	    git_tree_entry_filemode(entry) != GIT_FILEMODE_BLOB_EXECUTABLE)
		rc = err_set(e, ERR_INPUT, "%s is not a file", path);
	if (!rc)
		rc = read_blob(r, git_tree_entry_id(entry), path, max, out, e);
	git_tree_entry_free(entry);
	git_tree_free(tree);
	return rc ? -1 : 0;
}

int repo_folder(struct repo *r, const char *commit, const char *path, struct arena *a,
		struct repo_entry **ret, size_t *ret_n, struct err *e)
{
	git_tree *tree = NULL, *sub = NULL;
	git_tree_entry *entry = NULL;
	struct repo_entry *list;
	size_t n, i;
	int rc = -1;

	if (tree_of_hex(r, commit, &tree, e) < 0)
		return -1;
	if (*path) {
		rc = find_entry(r, tree, path, &entry, e);
		if (!rc)
			rc = lookup_tree(r, git_tree_entry_id(entry), path, &sub, e);
		if (rc)
			goto out;
	}
	n = git_tree_entrycount(sub ? sub : tree);
	list = arena_array(a, n, sizeof(*list));
	if (!list) {
		rc = err_nomem(e);
		goto out;
	}
	for (i = 0; i < n; i++) {
		const git_tree_entry *t = git_tree_entry_byindex(sub ? sub : tree, i);

		list[i].name = arena_strdup(a, git_tree_entry_name(t));
		list[i].is_dir = git_tree_entry_filemode(t) == GIT_FILEMODE_TREE;
		if (!list[i].name) {
			rc = err_nomem(e);
			goto out;
		}
	}
	*ret = list;
	*ret_n = n;
	rc = 0;
out:
	git_tree_entry_free(entry);
	git_tree_free(sub);
	git_tree_free(tree);
	return rc ? -1 : 0;
}

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
		return lookup_tree(w->repo, &entry->id, entry->name, &ret->tree, w->err);
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
	rc = f->tree ? read_blob(w->repo, &entry->id, path, max, &b, &e) :
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
		if (tree_of_hex(r, commit, &top.tree, e) < 0)
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

int repo_diff_text(const struct source *old, const struct source *now, struct buf *out,
		   struct err *e)
{
	git_diff_options options;
	git_patch *patch = NULL;
	git_buf text = { 0 };
	int rc = git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);

	if (!rc)
		rc = git_patch_from_buffers(&patch, old->text, old->len, old->path, now->text,
					    now->len, now->path, &options);
	if (!rc)
		rc = git_patch_to_buf(&text, patch);
	if (!rc)
		buf_add(out, text.ptr, text.size);
	else
		repo_git_error(rc, e, "cannot compare %s", now->path);
	git_buf_dispose(&text);
	git_patch_free(patch);
	return rc ? -1 : 0;
}
