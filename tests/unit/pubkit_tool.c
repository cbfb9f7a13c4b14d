/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pubkit for the shell tests:
 *
 *	pubkit_tool wgkey N FILE			private key number N into a file; prints the
 *public half pubkit_tool root FILE [WORD...]			a root document pubkit_tool publish
 *TREE [WORD...] NODE...	a network's documents and manifest; prints the manifest's hash
 *
 *	pubkit_tool successor ROOT-KEY ROOT-1 PUBLISHER-KEY EPOCH FILE	root version 2, by the keys
 *of files
 *
 * Words: mesh=N (which keys) version=N epoch=N renew-by=TIME publisher=N (a signer of its own)
 *signer=N type=TYPE network=NAME serial=N root-version=N previous=HASH issued=TIME expires=TIME
 *gone=NAME:SERIAL NODE is NAME,KEYNUMBER,ADDRESS[,ENDPOINT].
 */
#include <fcntl.h>

#include "common/num.h"
#include "common/os_file.h"
#include "common/timefmt.h"
#include "publication/sign.h"
#include "publication/verify.h"
#include "tests/unit/pubkit.h"

static struct arena arena;
static struct pubkit kit;
static struct pubkit_root root;
static struct pubkit_manifest manifest;
static struct pubkit_node nodes[1024];
static struct gone gone[64];
static struct secret signer, publisher_secret;
static struct signkey signer_public, publisher;
static struct digest previous;
static size_t n_nodes, n_gone;
static unsigned int mesh = 1;

static void bad(const char *what)
{
	fprintf(stderr, "pubkit_tool: cannot make sense of '%s'\n", what);
	exit(1);
}

static uint64_t number(const char *s)
{
	uint64_t n = 0;

	if (num_parse(s, strlen(s), UINT64_MAX, &n) < 0)
		bad(s);
	return n;
}

static int64_t when(const char *s)
{
	int64_t t = 0;

	if (time_parse(s, strlen(s), &t) < 0)
		bad(s);
	return t;
}

static const char *value(const char *word, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(word, name, len) && word[len] == '=' ? word + len + 1 : NULL;
}

static void take_node(char *s)
{
	struct pubkit_node *n = &nodes[n_nodes++];
	char *part[4] = { s, NULL, NULL, NULL };
	size_t i;

	for (i = 1; i < 4; i++) {
		char *comma = strchr(part[i - 1], ',');

		if (!comma)
			break;
		*comma = '\0';
		part[i] = comma + 1;
	}
	if (!part[2])
		bad(s);
	n->name = part[0];
	pubkit_wgkey((unsigned int)number(part[1]), &n->key);
	n->address = part[2];
	n->endpoint = part[3];
}

static void take(char *word)
{
	const char *v;
	char *colon;

	if ((v = value(word, "mesh")))
		mesh = (unsigned int)number(v);
	else if ((v = value(word, "version")))
		root.version = number(v);
	else if ((v = value(word, "epoch")))
		root.epoch = manifest.epoch = number(v);
	else if ((v = value(word, "renew-by")))
		root.renew_by = when(v);
	else if ((v = value(word, "publisher"))) {
		pubkit_signer((unsigned int)number(v), &publisher_secret, &publisher);
		root.publisher = &publisher;
	} else if ((v = value(word, "signer"))) {
		pubkit_signer((unsigned int)number(v), &signer, &signer_public);
		manifest.signer = &signer;
		root.signers = &signer;
		root.n_signers = 1;
	} else if ((v = value(word, "type")))
		manifest.type = v;
	else if ((v = value(word, "network")))
		manifest.network = v;
	else if ((v = value(word, "serial")))
		manifest.serial = number(v);
	else if ((v = value(word, "root-version")))
		manifest.root_version = number(v);
	else if ((v = value(word, "issued")))
		root.issued = manifest.issued = when(v);
	else if ((v = value(word, "expires")))
		manifest.expires = when(v);
	else if ((v = value(word, "previous"))) {
		if (digest_parse(v, strlen(v), &previous) < 0)
			bad(word);
		manifest.previous = &previous;
	} else if ((v = value(word, "gone"))) {
		colon = strchr(word, ':');
		if (!colon)
			bad(word);
		*colon = '\0';
		gone[n_gone++] = (struct gone){ v, number(colon + 1) };
	} else {
		take_node(word);
	}
}

static int make_key(const char *n, const char *file)
{
	char text[KEY_STRLEN + 1], public_text[KEY_STRLEN];
	struct err e = { 0 };
	struct wgkey key;

	pubkit_wgkey_text((unsigned int)number(n), text);
	if (os_replace(AT_FDCWD, file, text, strlen(text), 0600, &e) < 0) {
		fprintf(stderr, "pubkit_tool: %s\n", e.msg);
		return 1;
	}
	pubkit_wgkey((unsigned int)number(n), &key);
	printf("%s\n", wgkey_print(&key, public_text));
	return 0;
}

static int make_root(const char *file)
{
	struct err e = { 0 };
	struct buf out;
	int r;

	buf_init(&out, MAX_ROOT_DOC);
	pubkit_root(&kit, &root, &out);
	r = os_write_file(AT_FDCWD, file, out.data, out.len, 0644, &e);
	if (r < 0)
		fprintf(stderr, "pubkit_tool: %s\n", e.msg);
	buf_release(&out);
	return r < 0;
}

static int publish(const char *dir)
{
	struct pubkit_tree tree;
	struct network network;
	char hex[DIGEST_STRLEN];
	struct digest hash;

	pubkit_tree_init(&tree);
	pubkit_network(&arena, manifest.network ? manifest.network : "prod", nodes, n_nodes,
		       &network);
	network.gone = gone;
	network.n_gone = n_gone;
	pubkit_publish(&kit, &tree, &manifest, &network, &hash);
	pubkit_write(&tree, dir);
	pubkit_tree_release(&tree);
	printf("%s\n", digest_print(&hash, hex));
	return 0;
}

static int read_file(const char *path, size_t max, struct buf *b, struct err *e)
{
	buf_init(b, max + 1);
	return os_read_nofollow(AT_FDCWD, path, max, b, e);
}

/* argv: ROOT-KEY ROOT-1 PUBLISHER-KEY EPOCH FILE */
static int make_successor(char **argv)
{
	struct buf key, old, seed, body, out;
	struct secret publisher_seed = { 0 };
	struct err e = { 0 };
	struct root next;
	int r;

	buf_init(&body, MAX_ROOT_DOC);
	buf_init(&out, MAX_ROOT_DOC);
	r = read_file(argv[0], 1024, &key, &e) | read_file(argv[1], MAX_ROOT_DOC, &old, &e) |
	    read_file(argv[2], 1024, &seed, &e);
	r = r || secret_from_base64(&signer, key.data, key.len, &e) ||
	    secret_from_base64(&publisher_seed, seed.data, seed.len, &e) ||
	    sign_public(&publisher_seed, &publisher, &e) ||
	    verify_pinned_root(old.data, old.len, &next, &e);
	if (!r) {
		next.version = 2;
		next.epoch = number(argv[3]);
		next.publisher_keys[0] = publisher;
		next.n_publisher_keys = 1;
		r = root_encode(&next, &body) ||
		    sign_document(SIGN_TYPE_ROOT, &body, &signer, 1, &out, &e) ||
		    os_write_file(AT_FDCWD, argv[4], out.data, out.len, 0644, &e);
	}
	if (r)
		fprintf(stderr, "pubkit_tool: %s\n", e.msg);
	buf_release(&key);
	buf_release(&old);
	buf_release(&seed);
	buf_release(&body);
	buf_release(&out);
	secret_release(&publisher_seed);
	secret_release(&signer);
	return r != 0;
}

int main(int argc, char **argv)
{
	int i, r = 1;

	if (argc == 7 && !strcmp(argv[1], "successor"))
		return make_successor(argv + 2);

	if (argc == 4 && !strcmp(argv[1], "wgkey"))
		return make_key(argv[2], argv[3]);
	if (argc < 3)
		bad(argc > 1 ? argv[1] : "");
	arena_init(&arena);
	for (i = 3; i < argc; i++)
		take(argv[i]);
	pubkit_init(&kit, mesh);
	if (!strcmp(argv[1], "root"))
		r = make_root(argv[2]);
	else if (!strcmp(argv[1], "publish"))
		r = publish(argv[2]);
	else
		bad(argv[1]);
	pubkit_release(&kit);
	secret_release(&signer);
	secret_release(&publisher_secret);
	arena_release(&arena);
	return r;
}
