/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/document.h"

#include "common/limits.h"
#include "common/num.h"
#include "publication/line.h"
#include "publication/manifest.h"
#include "publication/routed.h"
#include "publication/row.h"

static const char *const table_names[N_TABLES] = {
	"freed", "gone", "groups", "links", "nodes", "policy", "records",
};

const char *table_name(enum table t)
{
	return table_names[t];
}

bool table_is_optional(enum table t)
{
	return t == TABLE_LINKS || t == TABLE_POLICY;
}

char *document_path(const char *network, const char *kind, const struct digest *hash,
		    char out[static MAX_DOCUMENT_PATH])
{
	char hex[DIGEST_STRLEN];

	snprintf(out, MAX_DOCUMENT_PATH, "%s/%s/%s", network, kind, digest_print(hash, hex));
	return out;
}

struct encoder {
	const struct network *net;
	struct arena *arena;
	struct document *docs;
	size_t n_docs;
	enum table table;
	struct buf page, index;
	const char *first; /* key of the page's first line */
	size_t entries;
	struct err *err;
};

static void begin(struct buf *b, const char *kind, const char *network)
{
	buf_reset(b);
	buf_addf(b, "meshrc %s %d\nnetwork %s\n", kind, FORMAT_VERSION, network);
}

static int add_document(struct encoder *x, const char *kind, const struct buf *b,
			struct document_ref *ret)
{
	struct document *docs, *d;

	if (!buf_ok(b))
		return err_set(x->err, ERR_LIMIT,
			       "the %s document of %s is larger than a document may be", kind,
			       x->net->name);
	docs = arena_grow(x->arena, x->docs, x->n_docs, sizeof(*docs));
	if (!docs)
		return err_nomem(x->err);
	x->docs = docs;
	d = &docs[x->n_docs];
	d->kind = kind;
	d->len = b->len;
	d->data = arena_strndup(x->arena, b->data, b->len);
	if (!d->data)
		return err_nomem(x->err);
	digest_of(d->data, d->len, &d->hash);
	ret->hash = d->hash;
	ret->len = d->len;
	x->n_docs++;
	return 0;
}

static int end_page(struct encoder *x)
{
	struct document_ref ref = { 0 };
	char hex[DIGEST_STRLEN];

	if (!x->entries)
		return 0;
	if (add_document(x, table_name(x->table), &x->page, &ref) < 0)
		return -1;
	buf_addf(&x->index, "page %llu %s %s\n", (unsigned long long)ref.len,
		 digest_print(&ref.hash, hex), x->first);
	begin(&x->page, table_name(x->table), x->net->name);
	x->entries = 0;
	return 0;
}

/* True for one key in 64, the same ones everywhere: where a page ends depends on nothing but this
 * line. */
static bool ends_page(const char *key)
{
	struct digest d;

	digest_of(key, strlen(key), &d);
	return !(d.b[0] & 63);
}

static int add_line(struct encoder *x, const char *key, const struct buf *line)
{
	if (!buf_ok(line) || line->len > MAX_LINE)
		return err_set(x->err, ERR_LIMIT, "%s: %s needs a line of more than %u bytes",
			       x->net->name, key, MAX_LINE);
	if ((x->entries == MAX_PAGE_ENTRIES || x->page.len + line->len + 1 > MAX_PAGE) &&
	    end_page(x) < 0)
		return -1;
	if (!x->entries) {
		x->first = arena_strdup(x->arena, key);
		if (!x->first)
			return err_nomem(x->err);
	}
	buf_add(&x->page, line->data, line->len);
	buf_addc(&x->page, '\n');
	x->entries++;
	return ends_page(key) ? end_page(x) : 0;
}

static int add_groups(struct encoder *x, struct buf *line)
{
	char key[MAX_GROUP_NAME + 1 + MAX_NAME + 1];
	size_t i, j;

	for (i = 0; i < x->net->n_groups; i++)
		for (j = 0; j < x->net->groups[i].n_members; j++) {
			const struct group *g = &x->net->groups[i];

			snprintf(key, sizeof(key), "%s %s", g->name, g->members[j]);
			buf_reset(line);
			buf_addf(line, "member %s", key);
			if (add_line(x, key, line) < 0)
				return -1;
		}
	return 0;
}

static int add_permits(struct encoder *x, struct buf *line)
{
	char key[2 * (MAX_GROUP_NAME + 1)];
	size_t i;

	for (i = 0; i < x->net->n_permits; i++) {
		const struct permit *p = &x->net->permits[i];

		snprintf(key, sizeof(key), "%s %s", p->to, p->from);
		buf_reset(line);
		permit_encode(p, line);
		if (add_line(x, key, line) < 0)
			return -1;
	}
	return 0;
}

static int add_routed(struct encoder *x, struct buf *line)
{
	char key[ROUTED_KEY_SIZE];
	size_t i;

	for (i = 0; i < x->net->n_routed; i++) {
		buf_reset(line);
		routed_encode(&x->net->routed[i], line);
		if (add_line(x, routed_key(&x->net->routed[i], key), line) < 0)
			return -1;
	}
	return 0;
}

static int add_lines(struct encoder *x, struct buf *line)
{
	const struct network *n = x->net;
	char key[FREED_KEY_SIZE], ip[IPADDR_STRLEN];
	size_t i;

	switch (x->table) {
	case TABLE_RECORDS:
		for (i = 0; i < n->n_records; i++) {
			buf_reset(line);
			record_encode(&n->records[i], line);
			if (add_line(x, n->records[i].name, line) < 0)
				return -1;
		}
		return 0;
	case TABLE_NODES:
		for (i = 0; i < n->n_nodes; i++) {
			buf_reset(line);
			node_encode(&n->nodes[i], line);
			if (add_line(x, n->nodes[i].name, line) < 0)
				return -1;
		}
		return 0;
	case TABLE_GROUPS:
		return add_groups(x, line);
	case TABLE_POLICY:
		return add_permits(x, line);
	case TABLE_LINKS:
		return add_routed(x, line);
	case TABLE_GONE:
		for (i = 0; i < n->n_gone; i++) {
			buf_reset(line);
			buf_addf(line, "gone %s serial=%llu", n->gone[i].name,
				 (unsigned long long)n->gone[i].serial);
			if (add_line(x, n->gone[i].name, line) < 0)
				return -1;
		}
		return 0;
	case TABLE_FREED:
		for (i = 0; i < n->n_freed; i++) {
			const struct freed *f = &n->freed[i];

			freed_key(&f->address, key);
			buf_reset(line);
			buf_addf(line, "freed %s serial=%llu node=%s",
				 ipaddr_print(&f->address, ip), (unsigned long long)f->serial,
				 f->node);
			row_put_key(line, &f->key);
			if (add_line(x, key, line) < 0)
				return -1;
		}
		return 0;
	case N_TABLES:
		break;
	}
	return 0;
}

static int cmp_documents(const void *pa, const void *pb)
{
	const struct document *a = pa, *b = pb;
	int c = strcmp(a->kind, b->kind);

	return c ? c : digest_cmp(&a->hash, &b->hash);
}

int network_encode(const struct network *n, struct arena *a, struct document **ret_documents,
		   size_t *ret_n, struct document_ref ret_tables[static N_TABLES], struct err *e)
{
	struct encoder x = { .net = n, .arena = a, .err = e };
	struct buf line;
	int r = -1;
	unsigned int t;

	buf_init(&x.page, MAX_PAGE + MAX_LINE);
	buf_init(&x.index, MAX_INDEX);
	buf_init(&line, MAX_LINE);
	for (t = 0; t < N_TABLES; t++) {
		size_t before = x.n_docs;

		x.table = (enum table)t;
		x.entries = 0;
		ret_tables[t] = (struct document_ref){ 0 };
		begin(&x.page, table_name(x.table), n->name);
		begin(&x.index, "index", n->name);
		buf_addf(&x.index, "table %s\n", table_name(x.table));
		if (add_lines(&x, &line) < 0 || end_page(&x) < 0)
			goto out;
		if (x.n_docs > before && add_document(&x, "index", &x.index, &ret_tables[t]) < 0)
			goto out;
	}
	if (x.n_docs > 1)
		qsort(x.docs, x.n_docs, sizeof(*x.docs), cmp_documents);
	*ret_documents = x.docs;
	*ret_n = x.n_docs;
	r = 0;
out:
	buf_release(&x.page);
	buf_release(&x.index);
	buf_release(&line);
	return r;
}

/* ---- decoding of documents ---- */

int document_header(struct line_reader *r, const char *kind, const char *network, struct err *e)
{
	struct words w;
	const char *s;
	size_t len;

	if (line_want(r, &w, e) < 0)
		return -1;
	if (!words_is(&w, "meshrc") || !words_is(&w, kind) || !words_is(&w, "1") || !words_end(&w))
		return line_bad(r, e, "not a document 'meshrc %s 1'", kind);
	if (line_value(r, "network", &s, &len, e) < 0)
		return -1;
	if (!row_same_text(network, s, len))
		return err_refuse(e, "WRONG-NETWORK", "the document is not of network %s", network);
	return 0;
}

int index_decode(const char *data, size_t len, const char *network, enum table t, struct arena *a,
		 struct index *ret, struct err *e)
{
	struct index ix = { .table = t };
	struct line_reader r;
	struct words w;
	const char *s;
	size_t s_len;
	uint64_t v;
	int got;

	line_init(&r, data, len);
	if (len > MAX_INDEX)
		return err_refuse(e, "BAD-FIELD", "an index of more than %u bytes", MAX_INDEX);
	if (document_header(&r, "index", network, e) < 0 ||
	    line_value(&r, "table", &s, &s_len, e) < 0)
		return -1;
	if (!row_same_text(table_name(t), s, s_len))
		return line_bad(&r, e, "not the index of table %s", table_name(t));
	while ((got = line_next(&r, &w, e)) > 0) {
		struct index_entry *entries, *x;

		if (ix.n == MAX_PAGES)
			return line_bad(&r, e, "more than %d pages", MAX_PAGES);
		entries = arena_grow(a, ix.entries, ix.n, sizeof(*entries));
		if (!entries)
			return err_nomem(e);
		ix.entries = entries;
		x = &entries[ix.n];
		if (!words_is(&w, "page") || !words_next(&w, &s, &s_len) ||
		    num_parse(s, s_len, MAX_PAGE, &v) < 0 || !v)
			return line_bad(&r, e, "'page LENGTH HASH KEY' is wanted");
		x->page.len = v;
		if (!words_next(&w, &s, &s_len) || digest_parse(s, s_len, &x->page.hash) < 0 ||
		    !words_rest(&w, &s, &s_len))
			return line_bad(&r, e, "'page LENGTH HASH KEY' is wanted");
		x->first = arena_strndup(a, s, s_len);
		if (!x->first)
			return err_nomem(e);
		if (ix.n && strcmp(entries[ix.n - 1].first, x->first) >= 0)
			return line_bad(&r, e, "the pages are not in order");
		ix.n++;
	}
	if (got < 0)
		return -1;
	if (!ix.n)
		return line_bad(&r, e, "an index without a page");
	*ret = ix;
	return 0;
}

size_t index_find(const struct index *ix, const char *key, size_t *ret_first)
{
	size_t len = strlen(key), low = 0, high = ix->n, last;

	/* The first page whose first key is past `key`; the page before it can hold `key` itself.
	 */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(ix->entries[mid].first, key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (last = low; last < ix->n; last++)
		if (strncmp(ix->entries[last].first, key, len) != 0 ||
		    ix->entries[last].first[len] != ' ')
			break;
	*ret_first = low ? low - 1 : 0;
	return last - *ret_first;
}
