/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network repository through libgit2: reads from the object database (never a checkout), from the work tree for what is
 * not committed, in bare repositories and inside git's quarantine (receive hooks). The only other file that uses libgit2 is
 * publish_git.c. Symbolic links, submodules, odd names and too large trees under networks/ are refused with their path.
 */
#ifndef RECONCILER_REPO_H
#define RECONCILER_REPO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/diag.h"
#include "common/err.h"

struct repo;

#define COMMIT_HEX 65 /* room for 64 hex digits and the NUL */

/*
 * Opens the repository at or above `dir` (NULL: the current folder; inside a git hook the environment that git set wins, so
 * that quarantined objects are seen). User and system git configuration is read for nothing but safe.directory.
 */
int repo_open(const char *dir, struct repo **ret, struct err *e);
void repo_free(struct repo *r);
bool repo_is_bare(const struct repo *r);
const char *repo_workdir(const struct repo *r); /* NULL when bare; ends with '/' */
const char *repo_gitdir(const struct repo *r); /* ends with '/' */

/* A full or abbreviated hex id, a branch, a tag, "HEAD", or REV~N / REV^ of these -> commit id in hex. */
int repo_resolve(struct repo *r, const char *rev, char ret_commit[static COMMIT_HEX], struct err *e);
/* The commit that a local branch points at; ERR_NOENT when there is no such branch. */
int repo_branch(struct repo *r, const char *branch, char ret_commit[static COMMIT_HEX], struct err *e);

/*
 * The files that make up the configuration (meshrc.yaml, networks/ ** / *.yaml|yml, trust/root-*) of a commit (hex id), or of
 * the work tree when commit is NULL. What must not be there is added to `d`. Bytes live in `a`.
 */
int repo_files(struct repo *r, const char *commit, struct arena *a, struct diag *d, struct source **ret, size_t *ret_n,
	       struct err *e);
/* True when the work tree's configuration files differ from the commit's. Bare: false. */
int repo_differs(struct repo *r, const char *commit, bool *ret, struct err *e);

/* One blob of a commit's tree by path; ERR_NOENT when there is none, ERR_LIMIT when larger than max. */
int repo_blob(struct repo *r, const char *commit, const char *path, size_t max, struct buf *out, struct err *e);

#endif
