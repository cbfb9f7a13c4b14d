/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What repo.c (references, commits, blobs) and repo_files.c (the walk over the configuration's
 * files) share, and nobody else sees.
 */
#ifndef RECONCILER_REPO_IMPL_H
#define RECONCILER_REPO_IMPL_H

#include <git2.h>

#include "reconciler/repo.h"

struct repo {
	git_repository *git;
	git_config *config; /* of the repository alone */
};

/* The tree of a commit, or that tree itself, by its hex id. The caller frees it. */
int repo_tree(struct repo *r, const char *hex, git_tree **ret, struct err *e);
/* The tree of an id, of which its size is looked at before it is read; `what` is for messages. The
 * caller frees it. */
int repo_lookup_tree(struct repo *r, const git_oid *id, const char *what, git_tree **ret,
		     struct err *e);
/* Appends a blob; ERR_LIMIT when it is longer than max, before it is read. */
int repo_read_blob(struct repo *r, const git_oid *id, const char *path, size_t max, struct buf *out,
		   struct err *e);

#endif
