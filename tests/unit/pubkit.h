/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Publications for tests: keys, root documents, networks, manifests and trees of files, in memory
 * and on disk. Everything comes from numbers, so that two runs make the same bytes. A call that
 * cannot do its work ends the program: a test has no use for half a publication.
 */
#ifndef TESTS_UNIT_PUBKIT_H
#define TESTS_UNIT_PUBKIT_H

#include "common/arena.h"
#include "common/secret.h"
#include "publication/document.h"
#include "publication/manifest.h"
#include "publication/network.h"

/* 2026-11-21T10:13:00Z, and a month later */
#define PUBKIT_ISSUED INT64_C(1795255980)
#define PUBKIT_EXPIRES (PUBKIT_ISSUED + INT64_C(30) * 86400)

struct pubkit {
	struct secret root, publisher; /* seeds */
	struct signkey root_public, publisher_public;
	struct mesh_id mesh;
};

/* The keys of mesh number `seed`. */
void pubkit_init(struct pubkit *k, unsigned int seed);
void pubkit_release(struct pubkit *k);
/* A signing key of its own. */
void pubkit_signer(unsigned int seed, struct secret *ret_seed, struct signkey *ret_public);
/* WireGuard key number n. */
void pubkit_wgkey(unsigned int n, struct wgkey *ret);
/* Its private half as the line of a key file. */
void pubkit_wgkey_text(unsigned int n, char out[static KEY_STRLEN + 1]);

struct pubkit_root {
	uint64_t version, epoch; /* 0: 1 */
	unsigned int min_format; /* 0: 1 */
	int64_t issued; /* 0: PUBKIT_ISSUED */
	int64_t renew_by; /* 0: never */
	const struct signkey *publisher; /* NULL: the kit's */
	const struct secret *signers; /* NULL: the kit's root key */
	size_t n_signers;
};

void pubkit_root(const struct pubkit *k, const struct pubkit_root *r, struct buf *out);

/* A tree of files. */
struct pubkit_file {
	const char *path;
	const char *data;
	size_t len;
};

struct pubkit_tree {
	struct arena arena;
	struct pubkit_file *files;
	size_t n;
};

void pubkit_tree_init(struct pubkit_tree *t);
void pubkit_tree_release(struct pubkit_tree *t);
/* Puts or replaces; data NULL removes. */
void pubkit_put(struct pubkit_tree *t, const char *path, const void *data, size_t len);
const struct pubkit_file *pubkit_get(const struct pubkit_tree *t, const char *path);
/* Below a folder, which is made. Files that are there already and not in the tree stay. */
void pubkit_write(const struct pubkit_tree *t, const char *dir);

struct pubkit_node {
	const char *name;
	struct wgkey key;
	const char *address; /* "10.20.0.1": the interface gets it with /16 */
	const char *endpoint; /* NULL: none */
	const char *target; /* whom it is linked with directly: GROUP_ALL, a group or a node; NULL:
			       GROUP_ALL */
};

/* One record and one node document for each, sorted by name; a listen port of 51820. */
void pubkit_network(struct arena *a, const char *name, const struct pubkit_node *nodes, size_t n,
		    struct network *ret);
/* n nodes "n0", "n1", ... with key number i, address 10.20.x.y and endpoint 192.0.2.x:51820. */
void pubkit_mesh(struct arena *a, const char *name, size_t n, struct network *ret);

struct pubkit_manifest {
	const char *network; /* NULL: "prod" */
	uint64_t serial, epoch, root_version; /* 0: 1 */
	const struct digest *previous; /* NULL: "-" */
	const char *commit; /* NULL: forty '1' */
	int64_t issued, expires; /* 0: the constants above */
	const char *type; /* what the signature says it is; NULL: SIGN_TYPE_MANIFEST */
	const struct secret *signer; /* NULL: the kit's publisher key */
};

/* Adds the network's documents and the manifest to the tree. *ret_hash (may be NULL) is the
 * manifest's. */
void pubkit_publish(const struct pubkit *k, struct pubkit_tree *t, const struct pubkit_manifest *m,
		    const struct network *n, struct digest *ret_hash);

/*
 * As pubkit_publish, but each table is one page of this text after the two lines of its head ("" or
 * NULL: no table), however wrong: for publishers that make mistakes. `first` is the key that the
 * index gives for it.
 */
struct pubkit_page {
	const char *text, *first;
};

void pubkit_publish_pages(const struct pubkit *k, struct pubkit_tree *t,
			  const struct pubkit_manifest *m,
			  const struct pubkit_page pages[static N_TABLES], struct digest *ret_hash);

#endif
