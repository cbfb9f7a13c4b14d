/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/repo_impl.h"

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
 * large. Files are read by repo_read_blob alone, so nothing else is ever looked up without this.
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

int repo_lookup_tree(struct repo *r, const git_oid *id, const char *what, git_tree **ret,
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

int repo_tree(struct repo *r, const char *hex, git_tree **ret, struct err *e)
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
		return repo_lookup_tree(r, &id, hex, ret, e);
	if (commit_of(r, &id, hex, &commit, e) < 0)
		return -1;
	rc = repo_lookup_tree(r, git_commit_tree_id(commit), hex, ret, e);
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
		if (repo_lookup_tree(r, git_tree_entry_id(entry), path, &next, e) < 0)
			break;
		git_tree_free(tree);
		tree = next;
		p += len + 1;
	}
	git_tree_free(tree);
	return rc;
}

int repo_read_blob(struct repo *r, const git_oid *id, const char *path, size_t max, struct buf *out,
		   struct err *e)
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

	if (repo_tree(r, commit, &tree, e) < 0)
		return -1;
	rc = find_entry(r, tree, path, &entry, e);
	if (!rc && git_tree_entry_filemode(entry) != GIT_FILEMODE_BLOB &&
	    git_tree_entry_filemode(entry) != GIT_FILEMODE_BLOB_EXECUTABLE)
		rc = err_set(e, ERR_INPUT, "%s is not a file", path);
	if (!rc)
		rc = repo_read_blob(r, git_tree_entry_id(entry), path, max, out, e);
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

	if (repo_tree(r, commit, &tree, e) < 0)
		return -1;
	if (*path) {
		rc = find_entry(r, tree, path, &entry, e);
		if (!rc)
			rc = repo_lookup_tree(r, git_tree_entry_id(entry), path, &sub, e);
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
