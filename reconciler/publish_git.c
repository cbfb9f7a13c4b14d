/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/publish.h"

#include <fcntl.h>
#include <git2.h>
#include <limits.h>

#include "common/os_file.h"
#include "common/os_time.h"
#include "common/text.h"
#include "reconciler/spawn.h"

#define PUSH_SECONDS 120
#define MAX_GIT_OUTPUT 16384
/* How long another git may hold the branch, and after which age its lock is one that was left. */
#define REF_LOCK_WAIT_MS 2000
#define REF_LOCK_STALE 60

static int branch_ref(const char *branch, char *out, size_t size, struct err *e)
{
	int n = snprintf(out, size, "refs/heads/%s", branch), valid = 0;

	if (n < 0 || (size_t)n >= size || git_reference_name_is_valid(&valid, out) || !valid)
		return err_set(e, ERR_INPUT, "'%s' cannot be the name of a branch", branch);
	return 0;
}

/*
 * Writes the tree of the files that share the first `prefix` bytes of their path. Every object goes
 * through git_odb_write, which leaves alone what the repository has; so what is written follows
 * what changed.
 */
static int write_tree(git_repository *git, git_odb *odb, const struct tree_file *files, size_t n,
		      size_t prefix, git_oid *ret, struct err *e)
{
	git_treebuilder *builder = NULL;
	size_t i = 0;
	int rc = git_treebuilder_new(&builder, git, NULL);

	if (rc)
		return repo_git_error(rc, e, "cannot make a tree");
	while (i < n) {
		const char *rest = files[i].path + prefix;
		size_t len = strcspn(rest, "/"), j = i + 1;
		char name[256];
		git_oid id;

		if (!len || len >= sizeof(name)) {
			rc = err_set(e, ERR_INPUT, "'%s' cannot stand in a tree", files[i].path);
			goto out;
		}
		memcpy(name, rest, len);
		name[len] = '\0';
		if (!rest[len]) {
			rc = git_odb_write(&id, odb, files[i].data, files[i].len, GIT_OBJECT_BLOB);
			if (rc) {
				repo_git_error(rc, e, "cannot write %s", files[i].path);
				goto out;
			}
		} else {
			while (j < n && !strncmp(files[j].path + prefix, rest, len + 1))
				j++;
			rc = write_tree(git, odb, files + i, j - i, prefix + len + 1, &id, e);
			if (rc)
				goto out;
		}
		rc = git_treebuilder_insert(NULL, builder, name, &id,
					    rest[len] ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB);
		if (rc) {
			repo_git_error(rc, e, "cannot add %s to a tree", name);
			goto out;
		}
		i = j;
	}
	rc = git_treebuilder_write(ret, builder);
	if (rc)
		repo_git_error(rc, e, "cannot write a tree");
out:
	git_treebuilder_free(builder);
	return rc ? -1 : 0;
}

static int make_signature(struct repo *r, int64_t now, git_signature **ret, struct err *e)
{
	const char *name, *email;
	struct arena a;
	int rc = -1;

	arena_init(&a);
	if (repo_config(r, "user.name", &a, &name, e) == 0 &&
	    repo_config(r, "user.email", &a, &email, e) == 0) {
		rc = git_signature_new(ret, name && *name ? name : "meshrc",
				       email && *email ? email : "meshrc@localhost", now, 0);
		if (rc)
			repo_git_error(
				rc, e,
				"user.name and user.email of the repository cannot sign a commit");
	}
	arena_release(&a);
	return rc ? -1 : 0;
}

/* The reference itself is made durable: a directory or a remote must never be ahead of it after a
 * crash. */
static int try_swap(git_repository *git, const char *ref, const git_oid *from, const git_oid *to)
{
	git_reference *made = NULL;
	int rc;

	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if (from)
		rc = git_reference_create_matching(&made, git, ref, to, 1, from, "meshrc");
	else
		rc = git_reference_create(&made, git, ref, to, 0, "meshrc");
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 0);
	git_reference_free(made);
	return rc;
}

/*
 * Git locks a reference by a file beside it, for milliseconds; one that was killed in them leaves
 * the file for ever, which a reconciler that nobody watches must get over. No other meshrc is at
 * work (the caller holds its lock), so a file of that age has no owner.
 */
static int swap_ref(struct repo *r, const char *ref, const git_oid *from, const git_oid *to)
{
	int64_t deadline = os_monotonic_ms() + REF_LOCK_WAIT_MS;
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s%s.lock", repo_gitdir(r), ref);
	while ((rc = try_swap(repo_git(r), ref, from, to)) == GIT_ELOCKED) {
		if (os_age(AT_FDCWD, path) > REF_LOCK_STALE && os_unlink(AT_FDCWD, path, NULL) == 0)
			continue;
		if (os_monotonic_ms() > deadline)
			break;
		os_sleep_ms(50);
	}
	return rc;
}

static int swap_failed(struct repo *r, int rc, const char *branch, struct err *e)
{
	if (rc == GIT_ELOCKED)
		return err_set(
			e, ERR_IO,
			"cannot move the branch '%s': git is at work on it, or was killed there; if no git runs, remove %srefs/heads/%s.lock (meshrc does so itself when it is older than %d seconds)",
			branch, repo_gitdir(r), branch, REF_LOCK_STALE);
	if (rc == GIT_EEXISTS || rc == GIT_EMODIFIED || rc == GIT_ENOTFOUND)
		return err_set(e, ERR_CONFLICT,
			       "the branch '%s' was moved by somebody else meanwhile; run it again",
			       branch);
	return repo_git_error(rc, e, "cannot move the branch '%s'", branch);
}

/* Moving a branch under a work tree would show all its files as changed. */
static int refuse_checked_out(struct repo *r, const char *ref, const char *branch, struct err *e)
{
	git_reference *found = NULL;
	bool checked_out;

	if (git_reference_lookup(&found, repo_git(r), ref))
		return 0;
	checked_out = !repo_is_bare(r) && git_branch_is_checked_out(found) == 1;
	git_reference_free(found);
	return checked_out ?
		       err_set(e, ERR_INPUT,
			       "the branch '%s' is checked out; go to another one first (git switch main): only meshrc writes to it",
			       branch) :
		       0;
}

static int make_commit(struct repo *r, const git_oid *tree_id, const git_oid *parent_id,
		       const char *message, int64_t now, git_oid *ret, bool *ret_same,
		       struct err *e)
{
	git_commit *parent = NULL;
	git_signature *who = NULL;
	git_tree *tree = NULL;
	const git_commit *parents[1];
	int rc = 0;

	*ret_same = false;
	if (parent_id) {
		rc = git_commit_lookup(&parent, repo_git(r), parent_id);
		if (rc) {
			repo_git_error(rc, e, "cannot read the last publication");
			goto out;
		}
		if (git_oid_equal(git_commit_tree_id(parent), tree_id)) {
			*ret_same = true;
			goto out;
		}
	}
	rc = make_signature(r, now, &who, e);
	if (rc)
		goto out;
	parents[0] = parent;
	rc = git_tree_lookup(&tree, repo_git(r), tree_id);
	if (!rc)
		rc = git_commit_create(ret, repo_git(r), NULL, who, who, NULL, message, tree,
				       parent ? 1 : 0, parents);
	if (rc)
		repo_git_error(rc, e, "cannot write the commit");
out:
	git_tree_free(tree);
	git_signature_free(who);
	git_commit_free(parent);
	return rc ? -1 : 0;
}

int publish_to_branch(struct repo *r, const char *branch, const char *parent,
		      const struct tree_file *files, size_t n, const char *message, int64_t now,
		      char ret_commit[static COMMIT_HEX], struct err *e)
{
	git_oid tree_id, parent_id, commit_id;
	git_odb *odb = NULL;
	int rc = -1, fd = -1;
	char ref[1024];
	bool same;

	if (branch_ref(branch, ref, sizeof(ref), e) < 0)
		return -1;
	if (parent && git_oid_fromstr(&parent_id, parent) < 0)
		return err_set(e, ERR_INPUT, "'%s' is not the id of a commit", parent);
	rc = git_repository_odb(&odb, repo_git(r));
	if (rc)
		return repo_git_error(rc, e, "cannot open the object database");
	rc = write_tree(repo_git(r), odb, files, n, 0, &tree_id, e);
	if (rc)
		goto out;
	rc = make_commit(r, &tree_id, parent ? &parent_id : NULL, message, now, &commit_id, &same,
			 e);
	if (rc)
		goto out;
	if (same) {
		snprintf(ret_commit, COMMIT_HEX, "%s", parent);
		goto out;
	}
	rc = refuse_checked_out(r, ref, branch, e);
	if (rc < 0)
		goto out;
	/* One sync for all objects, before anything names them. */
	rc = fd = os_open_dir(AT_FDCWD, repo_gitdir(r), e);
	if (fd < 0 || (rc = os_sync_dir(fd, e)) < 0)
		goto out;
	rc = swap_ref(r, ref, parent ? &parent_id : NULL, &commit_id);
	if (rc) {
		rc = swap_failed(r, rc, branch, e);
		goto out;
	}
	git_oid_tostr(ret_commit, COMMIT_HEX, &commit_id);
out:
	os_close(fd);
	git_odb_free(odb);
	return rc < 0 ? -1 : 0;
}

int publish_move_branch(struct repo *r, const char *branch, const char *from, const char *to,
			struct err *e)
{
	git_reference *found = NULL;
	git_oid from_id, to_id;
	char ref[1024];
	int rc;

	if (branch_ref(branch, ref, sizeof(ref), e) < 0 ||
	    refuse_checked_out(r, ref, branch, e) < 0)
		return -1;
	if ((from && git_oid_fromstr(&from_id, from) < 0) ||
	    (to && git_oid_fromstr(&to_id, to) < 0))
		return err_set(e, ERR_INPUT, "not the id of a commit");
	if (to) {
		rc = swap_ref(r, ref, from ? &from_id : NULL, &to_id);
		return rc ? swap_failed(r, rc, branch, e) : 0;
	}
	rc = git_reference_lookup(&found, repo_git(r), ref);
	if (!rc && (!git_reference_target(found) || !from ||
		    !git_oid_equal(git_reference_target(found), &from_id)))
		rc = GIT_EMODIFIED;
	if (!rc)
		rc = git_reference_delete(found);
	git_reference_free(found);
	return rc ? swap_failed(r, rc, branch, e) : 0;
}

/* A remote is named in a file that a pull request can change: only what the repository's owner
 * configured is pushed to. */
static int check_remote(struct repo *r, const char *remote, struct err *e)
{
	const char *url = NULL;
	struct arena a;
	char key[512];
	int valid = 0, rc = 0;

	arena_init(&a);
	if (git_remote_name_is_valid(&valid, remote) || !valid || *remote == '-' ||
	    strlen(remote) > 255)
		valid = 0;
	snprintf(key, sizeof(key), "remote.%s.url", remote);
	if (valid)
		rc = repo_config(r, key, &a, &url, e);
	if (!rc && !url)
		rc = err_set(
			e, ERR_INPUT,
			"publish.remote: this repository has no remote '%s'; git remote add %s URL makes one",
			remote, remote);
	arena_release(&a);
	return rc;
}

/* The last line of git's output that says something, for the error message. */
static void last_words(const struct buf *out, struct buf *ret)
{
	size_t end = out->len, start;

	while (end && strchr(" \t\r\n", out->data[end - 1]))
		end--;
	start = end > 600 ? end - 600 : 0;
	text_safe(ret, out->data + start, end - start);
}

static const char *const git_env[] = { "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", NULL };

static const char *git_folder(struct repo *r)
{
	return repo_is_bare(r) ? repo_gitdir(r) : repo_workdir(r);
}

int publish_fetch(struct repo *r, const char *remote, const char *branch, struct err *e)
{
	char ref[1024], refspec[2100];
	const char *argv[] = { "git", "fetch", "--quiet", remote, refspec, NULL };
	struct buf out, words;
	int status = 0, rc;

	if (branch_ref(branch, ref, sizeof(ref), e) < 0 || check_remote(r, remote, e) < 0)
		return -1;
	snprintf(refspec, sizeof(refspec), "+%s:refs/remotes/%s/%s", ref, remote, branch);
	buf_init(&out, MAX_GIT_OUTPUT);
	buf_init(&words, 4 * MAX_GIT_OUTPUT);
	rc = spawn(git_folder(r), argv, git_env, PUSH_SECONDS, &out, &status, e);
	if (rc < 0) {
		err_prefix(e, "fetching '%s' from %s", branch, remote);
	} else if (status) {
		last_words(&out, &words);
		rc = err_set(e, ERR_IO, "git fetch from %s failed: %s", remote, words.data);
	}
	buf_release(&out);
	buf_release(&words);
	return rc < 0 ? -1 : 0;
}

int publish_push(struct repo *r, const char *remote, const char *branch, struct err *e)
{
	char local[COMMIT_HEX], pushed[COMMIT_HEX], marker[1024], refspec[2100], ref[1024];
	const char *argv[] = { "git", "push", "--porcelain", remote, refspec, NULL };
	struct buf out, words;
	git_oid id;
	int status = 0, rc;

	if (branch_ref(branch, ref, sizeof(ref), e) < 0 || check_remote(r, remote, e) < 0 ||
	    repo_branch(r, branch, local, e) < 0)
		return -1;
	rc = snprintf(marker, sizeof(marker), "refs/meshrc/pushed/%s/%s", remote, branch);
	if (rc < 0 || (size_t)rc >= sizeof(marker))
		return err_set(e, ERR_INPUT, "the name of the remote is too long");
	if (repo_ref(r, marker, pushed, NULL) == 0 && !strcmp(pushed, local))
		return 0;
	snprintf(refspec, sizeof(refspec), "%s:%s", ref, ref);
	buf_init(&out, MAX_GIT_OUTPUT);
	buf_init(&words, 4 * MAX_GIT_OUTPUT);
	rc = spawn(git_folder(r), argv, git_env, PUSH_SECONDS, &out, &status, e);
	if (rc < 0) {
		err_prefix(e, "pushing '%s' to %s", branch, remote);
	} else if (status) {
		last_words(&out, &words);
		rc = strstr(out.data, "[rejected]") ?
			     err_set(e, ERR_CONFLICT,
				     "%s refused '%s': it has publications that are not here",
				     remote, branch) :
			     err_set(e, ERR_IO, "git push to %s failed: %s", remote, words.data);
	} else if (git_oid_fromstr(&id, local) == 0) {
		git_reference *made = NULL;

		/* Without the marker the next run pushes once more, which does no harm. */
		(void)git_reference_create(&made, repo_git(r), marker, &id, 1, NULL);
		git_reference_free(made);
	}
	buf_release(&out);
	buf_release(&words);
	return rc < 0 ? -1 : 0;
}
