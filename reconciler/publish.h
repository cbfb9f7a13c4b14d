/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The published tree: reading what stands on the published branch, writing the next commit there, and writing the same tree
 * into a directory for a web server.
 */
#ifndef RECONCILER_PUBLISH_H
#define RECONCILER_PUBLISH_H

#include "common/arena.h"
#include "common/err.h"
#include "publication/document.h"
#include "publication/manifest.h"
#include "reconciler/repo.h"

/* One network as published. */
struct published_network {
	struct manifest manifest;
	const char *manifest_bytes; /* whole, with signatures */
	size_t manifest_len;
	struct network network;
};

struct published {
	bool exists; /* false: the branch is not there yet */
	char commit[COMMIT_HEX]; /* of the published branch */
	struct published_network *networks; /* sorted by name */
	size_t n;
};

/* A file of the tree to be published. Sorted by path. */
struct tree_file {
	const char *path; /* "root/1", "prod/manifest", "prod/records/<hash>" */
	const void *data;
	size_t len;
};

/*
 * Reads and decodes the published branch; hashes are checked (a branch somebody edited by hand is an error, not a plan). The
 * signatures are checked against `root` when it is not NULL. Needs no key and no network.
 */
int published_read(struct repo *r, const char *branch, const struct root *root, struct arena *a, struct published *ret,
		   struct err *e);

/*
 * One commit on `branch` whose tree is exactly `files`, whose parent is `parent` (hex, or NULL for the first) and which names
 * its source commit. Compare-and-swap: ERR_CONFLICT when the branch is no longer at parent. Objects that exist already are
 * not written again.
 */
int publish_to_branch(struct repo *r, const char *branch, const char *parent, const struct tree_file *files, size_t n,
		      const char *message, int64_t now, char ret_commit[static COMMIT_HEX], struct err *e);
/*
 * The same tree in a directory, atomically for readers: immutable documents first, made durable, manifests last by rename.
 * Documents that no manifest names any more are removed once they have been unreferenced for `keep_seconds`.
 */
int publish_to_directory(const char *directory, const struct tree_file *files, size_t n, int64_t now, int64_t keep_seconds,
			 struct err *e);
/* Pushes the branch to a remote, fast-forward only, with `git push`; bounded in time. */
int publish_push(struct repo *r, const char *remote, const char *branch, struct err *e);

#endif
