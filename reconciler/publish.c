/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/publish.h"

#include "common/limits.h"
#include "publication/sign.h"
#include "publication/verify.h"
#include "reconciler/names_files.h"

/* A tree to read documents from: a commit, or files that were made just now. */
struct tree_reader {
	/* The whole file into the arena; ERR_NOENT when there is none. */
	int (*read)(const struct tree_reader *t, const char *path, size_t max, struct arena *a,
		    const char **ret, size_t *ret_len, struct err *e);
	struct repo *repo;
	const char *commit;
	const struct tree_file *files;
	size_t n;
};

static int read_committed(const struct tree_reader *t, const char *path, size_t max,
			  struct arena *a, const char **ret, size_t *ret_len, struct err *e)
{
	struct buf b;
	int rc = -1;

	buf_init(&b, max + 1);
	if (repo_blob(t->repo, t->commit, path, max, &b, e) == 0) {
		*ret = arena_strndup(a, b.data, b.len);
		*ret_len = b.len;
		rc = *ret ? 0 : err_nomem(e);
	}
	buf_release(&b);
	return rc;
}

static int cmp_files(const void *a, const void *b)
{
	return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

static int read_made(const struct tree_reader *t, const char *path, size_t max, struct arena *a,
		     const char **ret, size_t *ret_len, struct err *e)
{
	struct tree_file key = { .path = path }, *f;

	f = t->n ? bsearch(&key, t->files, t->n, sizeof(key), cmp_files) : NULL;
	if (!f)
		return err_set(e, ERR_NOENT, "there is no %s", path);
	if (f->len > max)
		return err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", path, max);
	*ret = f->data;
	*ret_len = f->len;
	return 0;
}

static int read_document(const struct tree_reader *t, const char *network, const char *kind,
			 const struct document_ref *ref, size_t max, struct arena *a,
			 const char **ret, size_t *ret_len, struct err *e)
{
	char path[MAX_DOCUMENT_PATH];

	document_path(network, kind, &ref->hash, path);
	if (t->read(t, path, max, a, ret, ret_len, e) < 0)
		return -1;
	return verify_document(ref, *ret, *ret_len, e) < 0 ? err_prefix(e, "%s", path) : 0;
}

static int read_table(const struct tree_reader *t, const struct manifest *m, enum table table,
		      struct network_builder *b, struct arena *a, struct err *e)
{
	const struct document_ref *ref = &m->tables[table];
	struct index index;
	const char *data;
	size_t len, i;

	if (!ref->len)
		return 0;
	if (read_document(t, m->network, "index", ref, MAX_INDEX, a, &data, &len, e) < 0 ||
	    index_decode(data, len, m->network, table, a, &index, e) < 0)
		return -1;
	for (i = 0; i < index.n; i++)
		if (read_document(t, m->network, table_name(table), &index.entries[i].page,
				  MAX_PAGE, a, &data, &len, e) < 0 ||
		    network_builder_add_page(b, table, data, len, e) < 0)
			return -1;
	return 0;
}

/* Only hashes and form where there is no root to check signatures with. */
static int read_manifest(const struct root *roots, size_t n_roots, const char *name,
			 const char *data, size_t len, struct arena *a, struct manifest *ret,
			 struct err *e)
{
	struct signed_doc doc;
	size_t i;

	/* The newest root's error is the one to tell. */
	for (i = n_roots; i; i--)
		if (verify_manifest(&roots[i - 1], name, roots[i - 1].min_format, data, len, a, ret,
				    i == n_roots ? e : NULL) == 0)
			return 0;
	if (n_roots)
		return -1;
	if (signed_split(data, len, &doc, e) < 0 ||
	    manifest_decode(doc.body, doc.body_len, a, ret, e) < 0)
		return -1;
	if (strcmp(ret->network, name) != 0)
		return err_refuse(e, "WRONG-NETWORK", "the manifest is of network %s",
				  ret->network);
	return 0;
}

static int read_network(const struct tree_reader *t, const char *name, const struct root *roots,
			size_t n_roots, struct arena *a, struct published_network *ret,
			struct err *e)
{
	struct network_builder *b;
	char path[MAX_NAME + 16];
	int i;

	snprintf(path, sizeof(path), "%s/manifest", name);
	if (t->read(t, path, MAX_MANIFEST, a, &ret->manifest_bytes, &ret->manifest_len, e) < 0)
		return -1;
	if (read_manifest(roots, n_roots, name, ret->manifest_bytes, ret->manifest_len, a,
			  &ret->manifest, e) < 0)
		return err_prefix(e, "%s", path);
	b = network_builder_new(a, ret->manifest.network);
	if (!b)
		return err_nomem(e);
	for (i = 0; i < N_TABLES; i++)
		if (read_table(t, &ret->manifest, (enum table)i, b, a, e) < 0)
			return err_prefix(e, "%s", name);
	return network_builder_finish(b, &ret->network, e) < 0 ? err_prefix(e, "%s", name) : 0;
}

int published_tip(struct repo *r, const char *branch, const char *remote,
		  char ret_commit[static COMMIT_HEX], struct err *e)
{
	char ref[1024], theirs[COMMIT_HEX];
	struct err ours_err = { 0 }, theirs_err = { 0 };
	bool ours_newer, theirs_newer;
	int n, ours = repo_branch(r, branch, ret_commit, &ours_err);

	if (ours < 0 && ours_err.class != ERR_NOENT)
		goto fail;
	n = remote ? snprintf(ref, sizeof(ref), "refs/remotes/%s/%s", remote, branch) : -1;
	if (n < 0 || (size_t)n >= sizeof(ref) || repo_ref(r, ref, theirs, &theirs_err) < 0) {
		if (theirs_err.class && theirs_err.class != ERR_NOENT) {
			if (e)
				*e = theirs_err;
			return -1;
		}
		if (ours < 0)
			goto fail;
		return 0;
	}
	if (ours == 0 && (repo_descends(r, ret_commit, theirs, &ours_newer, e) < 0 ||
			  repo_descends(r, theirs, ret_commit, &theirs_newer, e) < 0))
		return -1;
	if (ours == 0 && ours_newer)
		return 0;
	if (ours == 0 && !theirs_newer)
		return err_set(
			e, ERR_CONFLICT,
			"the branch '%s' and %s/%s went different ways: both were published to. To go on from what "
			"the remote has: git branch -f %s %s/%s",
			branch, remote, branch, branch, remote, branch);
	memcpy(ret_commit, theirs, sizeof(theirs));
	return 0;
fail:
	if (e)
		*e = ours_err;
	return -1;
}

int published_read_commit(struct repo *r, const char *commit, const struct root *roots,
			  size_t n_roots, struct arena *a, struct published *ret, struct err *e)
{
	struct tree_reader t = { .read = read_committed, .repo = r, .commit = commit };
	struct published p = { .exists = true };
	struct repo_entry *top;
	size_t n, i;

	snprintf(p.commit, sizeof(p.commit), "%s", commit);
	if (repo_folder(r, commit, "", a, &top, &n, e) < 0)
		return -1;
	p.networks = arena_array(a, n, sizeof(*p.networks));
	if (!p.networks)
		return err_nomem(e);
	for (i = 0; i < n; i++) {
		if (!top[i].is_dir || !name_is_valid(top[i].name, strlen(top[i].name)))
			return err_refuse(e, "BAD-FIELD", "'%s' was not put there by meshrc",
					  top[i].name);
		if (!strcmp(top[i].name, "root"))
			continue;
		if (p.n == MAX_NETWORKS)
			return err_set(e, ERR_LIMIT, "more than %d networks are published",
				       MAX_NETWORKS);
		if (read_network(&t, top[i].name, roots, n_roots, a, &p.networks[p.n], e) < 0)
			return -1;
		p.n++;
	}
	*ret = p;
	return 0;
}

const struct published_network *published_network(const struct published *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!strcmp(p->networks[i].network.name, name))
			return &p->networks[i];
	return NULL;
}

struct path_set {
	const char **paths;
	size_t n;
};

static int cmp_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_path(struct path_set *set, struct arena *a, const char *path)
{
	const char **grown = arena_grow(a, set->paths, set->n, sizeof(*grown));

	if (!grown)
		return -1;
	set->paths = grown;
	grown[set->n] = arena_strdup(a, path);
	return grown[set->n++] ? 0 : -1;
}

/* The documents that a manifest names, by path and sorted. */
static int name_documents(const struct tree_reader *t, const struct manifest *m, struct arena *a,
			  struct path_set *set, struct err *e)
{
	char path[MAX_DOCUMENT_PATH];
	size_t len, j;
	int i;

	snprintf(path, sizeof(path), "%s/manifest", m->network);
	if (add_path(set, a, path) < 0)
		return err_nomem(e);
	for (i = 0; i < N_TABLES; i++) {
		const struct document_ref *ref = &m->tables[i];
		struct index index;
		const char *data;

		if (!ref->len)
			continue;
		document_path(m->network, "index", &ref->hash, path);
		if (add_path(set, a, path) < 0)
			return err_nomem(e);
		if (read_document(t, m->network, "index", ref, MAX_INDEX, a, &data, &len, e) < 0 ||
		    index_decode(data, len, m->network, (enum table)i, a, &index, e) < 0)
			return -1;
		for (j = 0; j < index.n; j++) {
			document_path(m->network, table_name((enum table)i),
				      &index.entries[j].page.hash, path);
			if (add_path(set, a, path) < 0)
				return err_nomem(e);
		}
	}
	qsort(set->paths, set->n, sizeof(*set->paths), cmp_paths);
	return 0;
}

static int not_ours(struct err *e, const char *path)
{
	return err_refuse(e, "BAD-FIELD", "'%s' is no part of the publication", path);
}

/* Every file in or below a folder is one of the set. */
static int check_folder(struct repo *r, const char *commit, const char *folder,
			const struct path_set *set, unsigned int depth, struct arena *a,
			struct err *e)
{
	struct repo_entry *list;
	size_t n, i;

	if (repo_folder(r, commit, folder, a, &list, &n, e) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		char path[1024];
		const char *key = path;

		snprintf(path, sizeof(path), "%s/%s", folder, list[i].name);
		if (list[i].is_dir && depth) {
			if (check_folder(r, commit, path, set, depth - 1, a, e) < 0)
				return -1;
		} else if (list[i].is_dir ||
			   !bsearch(&key, set->paths, set->n, sizeof(key), cmp_paths)) {
			return not_ours(e, path);
		}
	}
	return 0;
}

static int check_roots(const struct tree_reader *t, const struct root_doc *roots, size_t n_roots,
		       uint64_t newest, struct arena *a, struct err *e)
{
	struct path_set set = { 0 };
	const char *data;
	size_t len, i;
	char path[32];

	for (i = 0; i < n_roots; i++) {
		struct err inner = { 0 };

		snprintf(path, sizeof(path), "root/%zu", i + 1);
		if (t->read(t, path, MAX_ROOT_DOC, a, &data, &len, &inner) < 0) {
			if (inner.class == ERR_NOENT && i >= newest)
				break;
			if (e)
				*e = inner;
			return -1;
		}
		if (len != roots[i].len || memcmp(data, roots[i].data, len) != 0)
			return err_refuse(e, "BAD-ROOT",
					  "%s is not the trust/root-%zu of the configuration", path,
					  i + 1);
		if (add_path(&set, a, path) < 0)
			return err_nomem(e);
	}
	if (set.n)
		qsort(set.paths, set.n, sizeof(*set.paths), cmp_paths);
	return check_folder(t->repo, t->commit, "root", &set, 0, a, e);
}

static int check_names(struct repo *r, const struct published *p, const struct published_network *n,
		       struct arena *a, struct path_set *set, struct err *e)
{
	struct tree_file *files;
	size_t n_files, i;

	if (names_files_check(&n->network, r, p->commit, a, &files, &n_files, e) < 0)
		return -1;
	for (i = 0; i < n_files; i++)
		if (add_path(set, a, files[i].path) < 0)
			return err_nomem(e);
	if (set->n)
		qsort(set->paths, set->n, sizeof(*set->paths), cmp_paths);
	return 0;
}

int published_check_tree(struct repo *r, const struct published *p, const struct root_doc *roots,
			 size_t n_roots, struct arena *a, struct err *e)
{
	struct tree_reader t = { .read = read_committed, .repo = r, .commit = p->commit };
	uint64_t newest = 1;
	size_t i;

	for (i = 0; i < p->n; i++) {
		const struct manifest *m = &p->networks[i].manifest;
		struct path_set set = { 0 };

		if (name_documents(&t, m, a, &set, e) < 0 ||
		    check_names(r, p, &p->networks[i], a, &set, e) < 0 ||
		    check_folder(r, p->commit, m->network, &set, 1, a, e) < 0)
			return -1;
		if (m->root_version > newest)
			newest = m->root_version;
	}
	return check_roots(&t, roots, n_roots, newest, a, e);
}

static int cmp_freed(const void *a, const void *b)
{
	return ipaddr_cmp(&((const struct freed *)a)->address, &((const struct freed *)b)->address);
}

static int cmp_gone(const void *a, const void *b)
{
	return strcmp(((const struct gone *)a)->name, ((const struct gone *)b)->name);
}

int network_retire(const struct network *old, uint64_t serial, struct arena *a, struct network *ret,
		   struct err *e)
{
	size_t n_freed = old->n_freed, n_gone = old->n_gone, i, j;
	struct freed *freed;
	struct gone *gone;

	for (i = 0; i < old->n_records; i++)
		n_freed += old->records[i].n_addresses;
	freed = arena_array(a, n_freed, sizeof(*freed));
	gone = arena_array(a, n_gone + old->n_nodes, sizeof(*gone));
	if (!freed || !gone)
		return err_nomem(e);
	/* Nothing stands in both: an address in use is not freed, a node that is there is not gone.
	 */
	for (i = 0; i < old->n_freed; i++)
		freed[i] = old->freed[i];
	n_freed = i;
	for (i = 0; i < old->n_records; i++)
		for (j = 0; j < old->records[i].n_addresses; j++)
			freed[n_freed++] = (struct freed){ .address = old->records[i].addresses[j],
							   .serial = serial,
							   .node = old->records[i].name,
							   .key = old->records[i].key };
	for (i = 0; i < old->n_gone; i++)
		gone[i] = old->gone[i];
	for (i = 0; i < old->n_nodes; i++)
		gone[n_gone++] = (struct gone){ .name = old->nodes[i].name, .serial = serial };
	if (n_freed > MAX_TOMBSTONES || n_gone > MAX_TOMBSTONES)
		return err_set(e, ERR_LIMIT,
			       "network %s: more than %d nodes or addresses were removed over time",
			       old->name, MAX_TOMBSTONES);
	if (n_freed > 1)
		qsort(freed, n_freed, sizeof(*freed), cmp_freed);
	if (n_gone > 1)
		qsort(gone, n_gone, sizeof(*gone), cmp_gone);
	*ret = (struct network){
		.name = old->name,
		.freed = freed,
		.n_freed = n_freed,
		.gone = gone,
		.n_gone = n_gone,
	};
	return 0;
}

static bool same_tables(const struct document_ref *a, const struct document_ref *b)
{
	int i;

	for (i = 0; i < N_TABLES; i++)
		if (a[i].len != b[i].len || (a[i].len && digest_cmp(&a[i].hash, &b[i].hash)))
			return false;
	return true;
}

/* A commit raises no serial by more than one, so none is above the number of commits. */
int published_first_serial(struct repo *r, const struct published *p, uint64_t *ret, struct err *e)
{
	uint64_t n = 0;

	if (p->exists && repo_generation(r, p->commit, &n, e) < 0)
		return err_prefix(e, "the published branch");
	*ret = n + 1;
	return 0;
}

const char *manifest_is_due(const struct manifest *m, const struct root *root, int64_t now,
			    int64_t validity)
{
	if (m->epoch != root->epoch || m->root_version != root->version ||
	    memcmp(&m->mesh, &root->mesh, sizeof(root->mesh)) != 0)
		return "there is a new root document";
	if (m->expires - m->issued != validity)
		return "expires was changed in meshrc.yaml";
	if (m->expires - now < validity / 2)
		return "half of its time is over";
	return NULL;
}

int outgoing_make(const struct network *n, const struct published_network *old, uint64_t first,
		  const struct root *root, const char *commit, int64_t now, int64_t validity,
		  bool refresh, struct arena *a, struct outgoing *ret, struct err *e)
{
	struct outgoing o = { .name = n->name };
	const struct manifest *was = old ? &old->manifest : NULL;
	struct manifest *m = &o.manifest;

	if (network_encode(n, a, &o.documents, &o.n_documents, m->tables, e) < 0)
		return err_prefix(e, "network %s", n->name);
	o.changed = !was || !same_tables(m->tables, was->tables);
	o.renewed = !o.changed && (refresh || manifest_is_due(was, root, now, validity));
	if (!o.changed && !o.renewed) {
		o.manifest = *was;
		o.manifest_bytes = old->manifest_bytes;
		o.manifest_len = old->manifest_len;
		*ret = o;
		return 0;
	}
	m->format = FORMAT_VERSION;
	m->mesh = root->mesh;
	m->network = n->name;
	m->root_version = root->version;
	m->epoch = root->epoch;
	m->commit = commit;
	m->serial = was ? 1 : first;
	m->issued = now;
	if (was && was->epoch == root->epoch) {
		m->serial = was->serial + 1;
		m->has_previous = true;
		digest_of(old->manifest_bytes, old->manifest_len, &m->previous);
		if (m->issued < was->issued)
			m->issued = was->issued;
	}
	m->expires = m->issued + validity;
	*ret = o;
	return 0;
}

int outgoing_sign(struct outgoing *o, const struct secret *seed, const struct root *root,
		  struct arena *a, struct err *e)
{
	struct manifest check;
	struct buf body, out;
	int rc = -1;

	buf_init(&body, MAX_MANIFEST);
	buf_init(&out, MAX_MANIFEST);
	if (manifest_encode(&o->manifest, &body) < 0) {
		err_set(e, ERR_INPUT, "network %s: the manifest cannot be written", o->name);
		goto out;
	}
	if (sign_document(SIGN_TYPE_MANIFEST, &body, seed, 1, &out, e) < 0 ||
	    verify_manifest(root, o->name, FORMAT_VERSION, out.data, out.len, a, &check, e) < 0) {
		err_prefix(e, "network %s", o->name);
		goto out;
	}
	o->manifest_bytes = arena_strndup(a, out.data, out.len);
	o->manifest_len = out.len;
	rc = o->manifest_bytes ? 0 : err_nomem(e);
out:
	buf_release(&body);
	buf_release(&out);
	return rc;
}

static int add_file(struct tree_file *f, struct arena *a, const char *path, const void *data,
		    size_t len)
{
	*f = (struct tree_file){ .path = arena_strdup(a, path), .data = data, .len = len };
	return f->path ? 0 : -1;
}

int tree_make(const struct root_doc *roots, size_t n_roots, const struct outgoing *networks,
	      size_t n, struct arena *a, struct tree_file **ret, size_t *ret_n, struct err *e)
{
	size_t room = n_roots, count = 0, i, j;
	char path[MAX_DOCUMENT_PATH];
	struct tree_file *files;

	for (i = 0; i < n; i++)
		room += networks[i].n_documents + networks[i].n_names + 1;
	files = arena_array(a, room, sizeof(*files));
	if (!files)
		return err_nomem(e);
	for (i = 0; i < n_roots; i++) {
		snprintf(path, sizeof(path), "root/%zu", i + 1);
		if (add_file(&files[count++], a, path, roots[i].data, roots[i].len) < 0)
			return err_nomem(e);
	}
	for (i = 0; i < n; i++) {
		const struct outgoing *o = &networks[i];

		if (!strcmp(o->name, "root"))
			return err_set(
				e, ERR_INPUT,
				"no network can be called root: the root documents stand there");
		snprintf(path, sizeof(path), "%s/manifest", o->name);
		if (add_file(&files[count++], a, path, o->manifest_bytes, o->manifest_len) < 0)
			return err_nomem(e);
		for (j = 0; j < o->n_names; j++)
			files[count++] = o->names[j];
		for (j = 0; j < o->n_documents; j++) {
			const struct document *d = &o->documents[j];

			document_path(o->name, d->kind, &d->hash, path);
			if (add_file(&files[count++], a, path, d->data, d->len) < 0)
				return err_nomem(e);
		}
	}
	if (count > 1)
		qsort(files, count, sizeof(*files), cmp_files);
	*ret = files;
	*ret_n = count;
	return 0;
}

int tree_verify(const struct tree_file *files, size_t n, const char *network,
		const struct root *root, struct arena *a, struct err *e)
{
	struct tree_reader t = { .read = read_made, .files = files, .n = n };
	struct published_network p;

	return read_network(&t, network, root, 1, a, &p, e);
}
