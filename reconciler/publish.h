/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The published tree: reading what stands on the published branch, writing the next commit there,
 * and writing the same tree into a directory for a web server.
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
 * Reads and decodes a commit (hex id) of the published branch; hashes are checked (a branch
 * somebody edited by hand is an error, not a plan). Each manifest's signature is checked against
 * the roots, of which one must accept it: what stands may be older than the newest of them (n_roots
 * 0: it is not checked). Needs no key and no network.
 */
int published_read_commit(struct repo *r, const char *commit, const struct root *roots,
			  size_t n_roots, struct arena *a, struct published *ret, struct err *e);
/*
 * What a push may bring: nothing stands in the tree of a commit but root documents as roots[] has
 * them (all up to the newest that a manifest names), the manifests, the documents that these name,
 * and files of names as these documents make them. `p` is what published_read_commit read of it.
 */
struct root_doc;
int published_check_tree(struct repo *r, const struct published *p, const struct root_doc *roots,
			 size_t n_roots, struct arena *a, struct err *e);
const struct published_network *published_network(const struct published *p, const char *name);
/*
 * The commit to read the publication from: the local branch, or refs/remotes/REMOTE/BRANCH where
 * that is ahead or alone (remote NULL: none). ERR_NOENT: nothing is published; ERR_CONFLICT: the
 * two went different ways.
 */
int published_tip(struct repo *r, const char *branch, const char *remote,
		  char ret_commit[static COMMIT_HEX], struct err *e);

/* What a network that left the configuration is published as: no nodes, all of them gone, their
 * addresses freed. */
int network_retire(const struct network *old, uint64_t serial, struct arena *a, struct network *ret,
		   struct err *e);

/* Why a manifest is signed anew though nothing in its network changed: another root, mesh or epoch,
 * another validity, or half of its time is over. NULL: it need not be. */
const char *manifest_is_due(const struct manifest *m, const struct root *root, int64_t now,
			    int64_t validity);

/* A network on its way into the tree. */
struct outgoing {
	const char *name;
	bool changed; /* its tables are not those that are published */
	bool renewed; /* nothing changed, but the manifest is signed anew */
	struct manifest manifest;
	struct document *documents;
	size_t n_documents;
	const char *manifest_bytes; /* with signatures: the old ones, or those of outgoing_sign */
	size_t manifest_len;
	struct tree_file *names; /* reconciler/names_files.h */
	size_t n_names;
};

/*
 * Encodes `n` and decides whether it needs a new manifest: when its tables differ from `old` (NULL:
 * not published yet), when manifest_is_due says so, or with `refresh`. A new manifest has the next
 * serial, the old one's hash, issued = now but never before the old one, and expires `validity`
 * seconds later.
 *
 * A network that is not published has serial `first`: 1, or one that is above all that were signed
 * under its name in this epoch (published_first_serial). Under a higher epoch serials begin at 1.
 */
int published_first_serial(struct repo *r, const struct published *p, uint64_t *ret, struct err *e);
int outgoing_make(const struct network *n, const struct published_network *old, uint64_t first,
		  const struct root *root, const char *commit, int64_t now, int64_t validity,
		  bool refresh, struct arena *a, struct outgoing *ret, struct err *e);
/* Signs a new manifest, and checks the result against `root`. */
struct secret;
int outgoing_sign(struct outgoing *o, const struct secret *seed, const struct root *root,
		  struct arena *a, struct err *e);

/* The whole tree, sorted by path. roots[i] is the root document of version i + 1. */
struct root_doc {
	const char *data;
	size_t len;
};
int tree_make(const struct root_doc *roots, size_t n_roots, const struct outgoing *networks,
	      size_t n, struct arena *a, struct tree_file **ret, size_t *ret_n, struct err *e);
/* Reads one network back out of a tree that was made, as an agent would: signature, hashes,
 * documents. */
int tree_verify(const struct tree_file *files, size_t n, const char *network,
		const struct root *root, struct arena *a, struct err *e);

/*
 * One commit on `branch` whose tree is exactly `files`, whose parent is `parent` (hex, or NULL for
 * the first) and which names its source commit. Compare-and-swap: ERR_CONFLICT when the branch is
 * no longer at parent. Objects that exist already are not written again. *ret_commit is `parent`
 * when that has this tree already.
 */
int publish_to_branch(struct repo *r, const char *branch, const char *parent,
		      const struct tree_file *files, size_t n, const char *message, int64_t now,
		      char ret_commit[static COMMIT_HEX], struct err *e);
/*
 * Moves a branch from one commit to another, compare-and-swap; from NULL: it must not exist yet; to
 * NULL: it is removed. ERR_CONFLICT when it stands elsewhere.
 */
int publish_move_branch(struct repo *r, const char *branch, const char *from, const char *to,
			struct err *e);

/*
 * The same tree in a directory, atomically for readers: root documents, immutable documents and
 * files of names first, made durable, manifests last by rename. What stands there is compared with
 * what should, so a crash at any step is mended by the next run; *ret_changed says whether anything
 * was written. Documents that no manifest names are removed once they have been unreferenced for
 * `keep_seconds` (the file .meshrc-unreferenced says since when); files that are not of a
 * publication's shape are left alone.
 *
 * ERR_CONFLICT: the directory belongs to another mesh, or holds a manifest that is newer than ours
 * (or as new, with other bytes) and verifies: writing there would roll agents back.
 */
int publish_to_directory(const char *directory, const struct tree_file *files, size_t n,
			 int64_t now, int64_t keep_seconds, bool *ret_changed, struct err *e);

/*
 * Pushes the branch to a remote of the repository's own configuration, fast-forward only, with `git
 * push`; bounded in time. Does nothing when this commit was pushed there before. ERR_CONFLICT: the
 * remote has publications that the branch does not have.
 */
int publish_push(struct repo *r, const char *remote, const char *branch, struct err *e);
/* Brings what the remote has into refs/remotes/REMOTE/BRANCH, with `git fetch`; bounded in time. */
int publish_fetch(struct repo *r, const char *remote, const char *branch, struct err *e);

#endif
