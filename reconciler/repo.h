/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network repository through libgit2: reads from the object database (never a checkout), from
 * the work tree for what is not committed, in bare repositories and inside git's quarantine
 * (receive hooks). The only other file that uses libgit2 is publish_git.c. Symbolic links,
 * submodules, odd names and too large trees under networks/ are refused with their path.
 */
#ifndef RECONCILER_REPO_H
#define RECONCILER_REPO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attr.h"
#include "common/buf.h"
#include "common/diag.h"
#include "common/err.h"

struct repo;

#define COMMIT_HEX 65 /* room for 64 hex digits and the NUL */

/*
 * Opens the repository at or above `dir` (NULL: the current folder; inside a git hook the
 * environment that git set wins, so that quarantined objects are seen). User and system git
 * configuration is read for nothing but safe.directory.
 */
int repo_open(const char *dir, struct repo **ret, struct err *e);
void repo_free(struct repo *r);
bool repo_is_bare(const struct repo *r);
const char *repo_workdir(const struct repo *r); /* NULL when bare; ends with '/' */
const char *
repo_gitdir(const struct repo *r); /* shared by all work trees of the repository; ends with '/' */
/* A new repository with a work tree and the branch "main", which has no commit yet. */
int repo_create(const char *dir, struct repo **ret, struct err *e);
/* A value of the repository's own configuration (not the user's, not the system's); *ret NULL:
 * unset. */
int repo_config(struct repo *r, const char *key, struct arena *a, const char **ret, struct err *e);
int repo_config_set(struct repo *r, const char *key, const char *value, struct err *e);

/* A full or abbreviated hex id, a branch, a tag, "HEAD", or REV~N / REV^ of these -> commit id in
 * hex. */
int repo_resolve(struct repo *r, const char *rev, char ret_commit[static COMMIT_HEX],
		 struct err *e);
/* The commit that a local branch points at; ERR_NOENT when there is no such branch. */
int repo_branch(struct repo *r, const char *branch, char ret_commit[static COMMIT_HEX],
		struct err *e);

/* As repo_branch for a whole reference name ("refs/remotes/origin/published"). Of both: a reference
 * whose commit cannot be read is ERR_IO, never ERR_NOENT. */
int repo_ref(struct repo *r, const char *name, char ret_commit[static COMMIT_HEX], struct err *e);
/* The branch that HEAD names, with a commit or without; ERR_NOENT when HEAD is detached. */
int repo_head_branch(struct repo *r, struct arena *a, const char **ret, struct err *e);
/* True when `ancestor` is `commit` or can be reached from it through parents. ERR_NOENT: one of
 * them is not in the repository; ERR_INPUT: the history between them is not (a shallow clone). */
int repo_descends(struct repo *r, const char *commit, const char *ancestor, bool *ret,
		  struct err *e);
/* The number of commits from this one to the first, along first parents. ERR_INPUT: the history is
 * not complete here. */
int repo_generation(struct repo *r, const char *commit, uint64_t *ret, struct err *e);
/* Appends the first line of a commit's message. */
int repo_subject(struct repo *r, const char *commit, struct buf *out, struct err *e);

/*
 * The files that make up the configuration (meshrc.yaml, networks/ ** / *.yaml|yml, trust/root-*)
 * of a commit or a tree (hex id), or of the work tree when commit is NULL; sorted by path. What
 * must not be there is added to `d`. Bytes live in `a`. Names that begin with a dot (editors'
 * files) and files of other endings are left out; a repository without a meshrc.yaml is ERR_NOENT.
 */
int repo_files(struct repo *r, const char *commit, struct arena *a, struct diag *d,
	       struct source **ret, size_t *ret_n, struct err *e);
/* True when the work tree's configuration files differ from the commit's. Bare: false. */
int repo_differs(struct repo *r, const char *commit, bool *ret, struct err *e);

/* One blob of a commit's tree by path; ERR_NOENT when there is none, ERR_LIMIT when larger than
 * max. */
int repo_blob(struct repo *r, const char *commit, const char *path, size_t max, struct buf *out,
	      struct err *e);

/* Appends what changed between two texts of a file as a unified diff, as `git diff` prints it;
 * nothing when they are the same. Needs an open repository. */
int repo_diff_text(const struct source *old, const struct source *now, struct buf *out,
		   struct err *e);

struct repo_entry {
	const char *name;
	bool is_dir; /* else a file, or something that is refused when it is read */
};
/* What a folder of a commit's tree holds ("" is the top), in git's order. ERR_NOENT when there is
 * none of that path. */
int repo_folder(struct repo *r, const char *commit, const char *path, struct arena *a,
		struct repo_entry **ret, size_t *ret_n, struct err *e);

/* For publish_git.c alone. */
struct git_repository;
struct git_repository *repo_git(struct repo *r);
/* An error of libgit2 (the code that a call returned) as ours, with the library's own words.
 * Returns -1. */
int repo_git_error(int code, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
