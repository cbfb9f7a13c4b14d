/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/pubkit.h"

#include <fcntl.h>

#include "common/os_file.h"
#include "publication/sign.h"
#include "publication/verify.h"

#define MUST(x)                                                                                   \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "pubkit: %s:%d: %s failed: %s\n", __FILE__, __LINE__, #x, \
				e.msg);                                                           \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

static struct err e;

static void seed_of(const char *what, unsigned int n, uint8_t out[static 32])
{
	struct digest d;
	char text[64];

	snprintf(text, sizeof(text), "meshrc test %s %u", what, n);
	digest_of(text, strlen(text), &d);
	memcpy(out, d.b, 32);
}

static void signer(const char *what, unsigned int n, struct secret *ret_seed,
		   struct signkey *ret_public)
{
	MUST(!secret_init(ret_seed, 32, &e));
	seed_of(what, n, ret_seed->b);
	MUST(!sign_public(ret_seed, ret_public, &e));
}

void pubkit_init(struct pubkit *k, unsigned int seed)
{
	uint8_t mesh[32];

	*k = (struct pubkit){ 0 };
	signer("root", seed, &k->root, &k->root_public);
	signer("publisher", seed, &k->publisher, &k->publisher_public);
	seed_of("mesh", seed, mesh);
	memcpy(k->mesh.b, mesh, sizeof(k->mesh.b));
}

void pubkit_release(struct pubkit *k)
{
	secret_release(&k->root);
	secret_release(&k->publisher);
}

void pubkit_signer(unsigned int seed, struct secret *ret_seed, struct signkey *ret_public)
{
	signer("signer", seed, ret_seed, ret_public);
}

void pubkit_wgkey(unsigned int n, struct wgkey *ret)
{
	uint8_t key[32];

	seed_of("node", n, key);
	wgkey_public(key, ret);
}

void pubkit_wgkey_text(unsigned int n, char out[static KEY_STRLEN + 1])
{
	struct secret key = { 0 }, text = { 0 };

	MUST(!secret_init(&key, 32, &e));
	seed_of("node", n, key.b);
	MUST(!secret_to_base64(&key, &text, &e));
	memcpy(out, text.b, KEY_STRLEN);
	out[KEY_STRLEN] = '\0';
	secret_release(&key);
	secret_release(&text);
}

void pubkit_root(const struct pubkit *k, const struct pubkit_root *r, struct buf *out)
{
	struct root root = {
		.format = 1,
		.mesh = k->mesh,
		.version = r->version ? r->version : 1,
		.epoch = r->epoch ? r->epoch : 1,
		.min_format = r->min_format ? r->min_format : 1,
		.issued = r->issued ? r->issued : PUBKIT_ISSUED,
		.renew_by_never = !r->renew_by,
		.renew_by = r->renew_by,
		.root_threshold = 1,
		.n_root_keys = 1,
		.n_publisher_keys = 1,
	};
	struct buf body;

	root.root_keys[0] = k->root_public;
	root.publisher_keys[0] = r->publisher ? *r->publisher : k->publisher_public;
	buf_init(&body, MAX_ROOT_DOC);
	MUST(!root_encode(&root, &body));
	MUST(!sign_document(SIGN_TYPE_ROOT, &body, r->signers ? r->signers : &k->root,
			    r->signers ? r->n_signers : 1, out, &e));
	buf_release(&body);
}

void pubkit_tree_init(struct pubkit_tree *t)
{
	*t = (struct pubkit_tree){ 0 };
	arena_init(&t->arena);
}

void pubkit_tree_release(struct pubkit_tree *t)
{
	arena_release(&t->arena);
	*t = (struct pubkit_tree){ 0 };
}

static struct pubkit_file *find(const struct pubkit_tree *t, const char *path)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (!strcmp(t->files[i].path, path))
			return &t->files[i];
	return NULL;
}

const struct pubkit_file *pubkit_get(const struct pubkit_tree *t, const char *path)
{
	return find(t, path);
}

void pubkit_put(struct pubkit_tree *t, const char *path, const void *data, size_t len)
{
	struct pubkit_file *f = find(t, path);

	if (!data) {
		if (f)
			*f = t->files[--t->n];
		return;
	}
	if (!f) {
		/* arena_grow wants an array that never shrank, so this one is copied. */
		struct pubkit_file *grown = arena_array(&t->arena, t->n + 1, sizeof(*grown));

		MUST(grown);
		if (t->n)
			memcpy(grown, t->files, t->n * sizeof(*grown));
		t->files = grown;
		f = &grown[t->n++];
		f->path = arena_strdup(&t->arena, path);
	}
	f->data = arena_strndup(&t->arena, data, len);
	f->len = len;
	MUST(f->path && f->data);
}

void pubkit_write(const struct pubkit_tree *t, const char *dir)
{
	char path[4096], *slash;
	int pass;
	size_t i;

	/* Manifests last, as a publisher does. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < t->n; i++) {
			const struct pubkit_file *f = &t->files[i];
			size_t len = strlen(f->path);
			bool manifest = len > 9 && !strcmp(f->path + len - 9, "/manifest");

			if (manifest != (pass == 1))
				continue;
			snprintf(path, sizeof(path), "%s/%s", dir, f->path);
			slash = strrchr(path, '/');
			*slash = '\0';
			MUST(!os_mkdir_p(AT_FDCWD, path, 0755, &e));
			*slash = '/';
			MUST(!os_write_file(AT_FDCWD, path, f->data, f->len, 0644, &e));
		}
}

static int cmp_nodes(const void *pa, const void *pb)
{
	const struct pubkit_node *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

void pubkit_network(struct arena *a, const char *name, const struct pubkit_node *list, size_t n,
		    struct network *ret)
{
	struct pubkit_node *nodes = arena_array(a, n, sizeof(*nodes));
	struct record *records = arena_array(a, n, sizeof(*records));
	struct node *docs = arena_array(a, n, sizeof(*docs));
	size_t i;

	MUST(nodes && records && docs);
	if (n)
		memcpy(nodes, list, n * sizeof(*nodes));
	if (n > 1)
		qsort(nodes, n, sizeof(*nodes), cmp_nodes);
	for (i = 0; i < n; i++) {
		struct ipaddr *address = arena_alloc(a, sizeof(*address));
		struct ifaddr *on_interface = arena_alloc(a, sizeof(*on_interface));
		struct link *link = arena_alloc(a, sizeof(*link));
		struct record *r = &records[i];
		struct node *d = &docs[i];
		const char *why;

		MUST(address && on_interface && link);
		MUST(!ipaddr_parse(nodes[i].address, strlen(nodes[i].address), address));
		*on_interface = (struct ifaddr){ *address, address->family == 4 ? 16 : 64 };
		r->name = arena_strdup(a, nodes[i].name);
		MUST(r->name);
		r->key = nodes[i].key;
		r->addresses = address;
		r->n_addresses = 1;
		if (nodes[i].endpoint)
			MUST(!endpoint_parse(nodes[i].endpoint, strlen(nodes[i].endpoint), false, a,
					     &r->endpoint, &why));
		d->name = r->name;
		d->key = r->key;
		MUST(!ifname_parse(name, strlen(name), &d->interface));
		d->flags = NODE_HAS_LISTEN_PORT;
		d->listen_port = 51820;
		d->mtu = 1420;
		d->addresses = on_interface;
		d->n_addresses = 1;
		link->kind = LINK_DIRECT;
		link->target = nodes[i].target ? nodes[i].target : GROUP_ALL;
		d->links = link;
		d->n_links = 1;
	}
	*ret = (struct network){ .name = arena_strdup(a, name),
				 .records = records,
				 .n_records = n,
				 .nodes = docs,
				 .n_nodes = n };
	MUST(ret->name);
}

void pubkit_mesh(struct arena *a, const char *name, size_t n, struct network *ret)
{
	struct pubkit_node *nodes = arena_array(a, n, sizeof(*nodes));
	char text[64];
	size_t i;

	MUST(nodes);
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "n%zu", i);
		nodes[i].name = arena_strdup(a, text);
		snprintf(text, sizeof(text), "10.20.%zu.%zu", i / 250, i % 250 + 1);
		nodes[i].address = arena_strdup(a, text);
		snprintf(text, sizeof(text), "192.0.2.%zu:51820", i % 250 + 1);
		nodes[i].endpoint = arena_strdup(a, text);
		MUST(nodes[i].name && nodes[i].address && nodes[i].endpoint);
		pubkit_wgkey((unsigned int)i, &nodes[i].key);
	}
	pubkit_network(a, name, nodes, n, ret);
}

static void sign_manifest(const struct pubkit *k, struct pubkit_tree *t,
			  const struct pubkit_manifest *p,
			  const struct document_ref tables[static N_TABLES],
			  struct digest *ret_hash)
{
	struct manifest m = {
		.format = 1,
		.mesh = k->mesh,
		.network = p->network ? p->network : "prod",
		.root_version = p->root_version ? p->root_version : 1,
		.epoch = p->epoch ? p->epoch : 1,
		.serial = p->serial ? p->serial : 1,
		.commit = p->commit ? p->commit : "1111111111111111111111111111111111111111",
		.issued = p->issued ? p->issued : PUBKIT_ISSUED,
		.expires = p->expires ? p->expires : PUBKIT_EXPIRES,
	};
	char path[MAX_DOCUMENT_PATH];
	struct buf body, whole;

	if (p->previous) {
		m.has_previous = true;
		m.previous = *p->previous;
	}
	memcpy(m.tables, tables, sizeof(m.tables));
	buf_init(&body, MAX_MANIFEST);
	buf_init(&whole, MAX_MANIFEST);
	MUST(!manifest_encode(&m, &body));
	MUST(!sign_document(p->type ? p->type : SIGN_TYPE_MANIFEST, &body,
			    p->signer ? p->signer : &k->publisher, 1, &whole, &e));
	snprintf(path, sizeof(path), "%s/manifest", m.network);
	pubkit_put(t, path, whole.data, whole.len);
	if (ret_hash)
		digest_of(whole.data, whole.len, ret_hash);
	buf_release(&body);
	buf_release(&whole);
}

void pubkit_publish(const struct pubkit *k, struct pubkit_tree *t, const struct pubkit_manifest *p,
		    const struct network *n, struct digest *ret_hash)
{
	const char *network = p->network ? p->network : "prod";
	struct document_ref tables[N_TABLES];
	char path[MAX_DOCUMENT_PATH];
	struct document *docs;
	size_t n_docs, i;

	MUST(!network_encode(n, &t->arena, &docs, &n_docs, tables, &e));
	for (i = 0; i < n_docs; i++)
		pubkit_put(t, document_path(network, docs[i].kind, &docs[i].hash, path),
			   docs[i].data, docs[i].len);
	sign_manifest(k, t, p, tables, ret_hash);
}

static struct document_ref put_document(struct pubkit_tree *t, const char *network,
					const char *kind, const struct buf *text)
{
	char path[MAX_DOCUMENT_PATH];
	struct document_ref ref = { .len = text->len };

	digest_of(text->data, text->len, &ref.hash);
	pubkit_put(t, document_path(network, kind, &ref.hash, path), text->data, text->len);
	return ref;
}

void pubkit_publish_pages(const struct pubkit *k, struct pubkit_tree *t,
			  const struct pubkit_manifest *p,
			  const struct pubkit_page pages[static N_TABLES], struct digest *ret_hash)
{
	const char *network = p->network ? p->network : "prod";
	struct document_ref tables[N_TABLES] = { 0 }, page;
	char hex[DIGEST_STRLEN];
	struct buf text;
	unsigned int i;

	buf_init(&text, MAX_PAGE);
	for (i = 0; i < N_TABLES; i++) {
		if (!pages[i].text || !*pages[i].text)
			continue;
		buf_reset(&text);
		buf_addf(&text, "meshrc %s 1\nnetwork %s\n%s", table_name((enum table)i), network,
			 pages[i].text);
		page = put_document(t, network, table_name((enum table)i), &text);
		buf_reset(&text);
		buf_addf(&text, "meshrc index 1\nnetwork %s\ntable %s\npage %llu %s %s\n", network,
			 table_name((enum table)i), (unsigned long long)page.len,
			 digest_print(&page.hash, hex), pages[i].first);
		tables[i] = put_document(t, network, "index", &text);
	}
	buf_release(&text);
	sign_manifest(k, t, p, tables, ret_hash);
}
