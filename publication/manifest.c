/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/manifest.h"

#include "common/num.h"
#include "common/timefmt.h"
#include "publication/line.h"

/* ---- body and signatures ---- */

int signed_split(const char *data, size_t len, struct signed_doc *ret, struct err *e)
{
	static const char word[] = "signature ";
	struct signed_doc d = { .body = data };
	struct line_reader r;
	struct words w;
	int got;

	line_init(&r, data, len);
	for (;;) {
		const char *s;
		size_t n;

		got = line_next(&r, &w, e);
		if (got < 0)
			return -1;
		if (!got)
			break;
		if ((size_t)(w.end - w.p) < sizeof(word) - 1 ||
		    memcmp(w.p, word, sizeof(word) - 1) != 0) {
			if (d.n)
				return line_bad(&r, e, "a line after the signatures");
			d.body_len = (size_t)(r.p - data);
			continue;
		}
		if (d.n == MAX_SIGNATURES)
			return line_bad(&r, e, "more than %d signatures", MAX_SIGNATURES);
		if (!words_is(&w, "signature") || !words_next(&w, &s, &n) ||
		    signkey_parse(s, n, &d.keys[d.n]) < 0 || !words_next(&w, &s, &n) ||
		    signature_parse(s, n, &d.signatures[d.n]) < 0 || !words_end(&w))
			return line_bad(&r, e, "'signature KEY SIGNATURE' is wanted");
		if (d.n && signkey_cmp(&d.keys[d.n - 1], &d.keys[d.n]) >= 0)
			return line_bad(&r, e, "the signatures are not in the order of their keys");
		d.n++;
	}
	if (!d.body_len || !d.n)
		return line_bad(&r, e, "a signed document has a body and at least one signature");
	*ret = d;
	return 0;
}

void signed_append(struct buf *b, const struct signkey *key, const struct signature *sig)
{
	char k[KEY_STRLEN], s[SIG_STRLEN];

	buf_addf(b, "signature %s %s\n", signkey_print(key, k), signature_print(sig, s));
}

/* ---- fields that both bodies have ---- */

static void put_mesh(struct buf *out, const struct mesh_id *mesh)
{
	char hex[2 * MESH_ID_LEN + 1];

	buf_addf(out, "mesh %s\n", hex_print(mesh->b, sizeof(mesh->b), hex));
}

static void put_time(struct buf *out, const char *key, int64_t t)
{
	char text[TIME_STRLEN];

	buf_addf(out, "%s %s\n", key, time_print(t, text));
}

static int take_first_line(struct line_reader *r, const char *kind, unsigned int *ret_format,
			   struct err *e)
{
	struct words w;
	const char *s;
	uint64_t v;
	size_t len;

	if (line_want(r, &w, e) < 0)
		return -1;
	if (!words_is(&w, "meshrc") || !words_is(&w, kind) || !words_next(&w, &s, &len) ||
	    num_parse(s, len, UINT32_MAX, &v) < 0 || !words_end(&w))
		return line_bad(r, e, "not a document 'meshrc %s'", kind);
	if (v != FORMAT_VERSION)
		return err_refuse(e, "UNKNOWN-FORMAT",
				  "this version reads format %d of a %s, not %llu: upgrade meshrc",
				  FORMAT_VERSION, kind, (unsigned long long)v);
	*ret_format = (unsigned int)v;
	return 0;
}

static int take_mesh(struct line_reader *r, struct mesh_id *ret, struct err *e)
{
	const char *s;
	size_t len;

	if (line_value(r, "mesh", &s, &len, e) < 0)
		return -1;
	return hex_parse(s, len, ret->b, sizeof(ret->b)) < 0 ?
		       line_bad(r, e, "mesh must be 32 hex digits") :
		       0;
}

static int take_time(struct line_reader *r, const char *key, int64_t *ret, struct err *e)
{
	const char *s;
	size_t len;

	if (line_value(r, key, &s, &len, e) < 0)
		return -1;
	return time_parse(s, len, ret) < 0 ?
		       line_bad(r, e, "%s must be a time such as 2026-01-31T12:00:00Z", key) :
		       0;
}

static int want_end(struct line_reader *r, struct err *e)
{
	struct words w;
	int got = line_next(r, &w, e);

	return got > 0 ? line_bad(r, e, "an unknown line") : got;
}

/* ---- manifest ---- */

int manifest_encode(const struct manifest *m, struct buf *out)
{
	char hex[DIGEST_STRLEN];
	unsigned int t;

	buf_addf(out, "meshrc manifest %u\n", m->format);
	put_mesh(out, &m->mesh);
	buf_addf(out, "network %s\nroot-version %llu\nepoch %llu\nserial %llu\n", m->network,
		 (unsigned long long)m->root_version, (unsigned long long)m->epoch,
		 (unsigned long long)m->serial);
	buf_addf(out, "previous %s\ncommit %s\n",
		 m->has_previous ? digest_print(&m->previous, hex) : "-", m->commit);
	put_time(out, "issued", m->issued);
	put_time(out, "expires", m->expires);
	for (t = 0; t < N_TABLES; t++) {
		if (!m->tables[t].len && table_is_optional((enum table)t))
			continue;
		buf_addf(out, "table %s %llu %s\n", table_name((enum table)t),
			 (unsigned long long)m->tables[t].len,
			 m->tables[t].len ? digest_print(&m->tables[t].hash, hex) : "-");
	}
	return buf_ok(out) ? 0 : -1;
}

static bool is_commit(const char *s, size_t len)
{
	size_t i;

	if (len != 40 && len != 64)
		return false;
	for (i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

/* Whether the next line is of this table; the reader is a copy. */
static bool names_table(struct line_reader r, enum table t)
{
	struct words w;

	return line_next(&r, &w, NULL) > 0 && words_is(&w, "table") && words_is(&w, table_name(t));
}

static int take_tables(struct line_reader *r, struct manifest *m, struct err *e)
{
	struct words w;
	const char *s;
	size_t len;
	unsigned int t;

	for (t = 0; t < N_TABLES; t++) {
		struct document_ref *ref = &m->tables[t];
		bool optional = table_is_optional((enum table)t);

		if (optional && !names_table(*r, (enum table)t))
			continue;
		if (line_want(r, &w, e) < 0)
			return -1;
		if (!words_is(&w, "table") || !words_is(&w, table_name((enum table)t)) ||
		    !words_next(&w, &s, &len) || num_parse(s, len, MAX_INDEX, &ref->len) < 0 ||
		    !words_next(&w, &s, &len) || !words_end(&w))
			return line_bad(r, e, "'table %s LENGTH HASH' is wanted",
					table_name((enum table)t));
		if (!optional && !ref->len && len == 1 && *s == '-')
			continue;
		if (!ref->len || digest_parse(s, len, &ref->hash) < 0)
			return line_bad(r, e, "'table %s LENGTH HASH' is wanted",
					table_name((enum table)t));
	}
	return 0;
}

int manifest_decode(const char *body, size_t len, struct arena *a, struct manifest *ret,
		    struct err *e)
{
	struct manifest m = { 0 };
	struct line_reader r;
	const char *s;
	size_t n;

	if (len > MAX_MANIFEST)
		return err_refuse(e, "BAD-FIELD", "a manifest of more than %u bytes", MAX_MANIFEST);
	line_init(&r, body, len);
	if (take_first_line(&r, "manifest", &m.format, e) < 0 || take_mesh(&r, &m.mesh, e) < 0 ||
	    line_value(&r, "network", &s, &n, e) < 0)
		return -1;
	if (!name_is_valid(s, n))
		return line_bad(&r, e, "not a network's name");
	m.network = arena_strndup(a, s, n);
	if (!m.network)
		return err_nomem(e);
	if (line_number(&r, "root-version", UINT64_MAX, &m.root_version, e) < 0 ||
	    line_number(&r, "epoch", UINT64_MAX, &m.epoch, e) < 0 ||
	    line_number(&r, "serial", UINT64_MAX, &m.serial, e) < 0 ||
	    line_value(&r, "previous", &s, &n, e) < 0)
		return -1;
	if (!m.root_version || !m.epoch || !m.serial)
		return line_bad(&r, e, "root-version, epoch and serial count from 1");
	if (n != 1 || *s != '-') {
		if (digest_parse(s, n, &m.previous) < 0)
			return line_bad(&r, e, "previous must be a hash or '-'");
		m.has_previous = true;
	}
	if (m.has_previous && m.serial == 1)
		return line_bad(&r, e, "serial 1 has no previous manifest");
	if (line_value(&r, "commit", &s, &n, e) < 0)
		return -1;
	if (!is_commit(s, n))
		return line_bad(&r, e, "commit must be 40 or 64 hex digits");
	m.commit = arena_strndup(a, s, n);
	if (!m.commit)
		return err_nomem(e);
	if (take_time(&r, "issued", &m.issued, e) < 0 ||
	    take_time(&r, "expires", &m.expires, e) < 0)
		return -1;
	if (m.expires <= m.issued)
		return line_bad(&r, e, "expires must be later than issued");
	if (take_tables(&r, &m, e) < 0 || want_end(&r, e) < 0)
		return -1;
	*ret = m;
	return 0;
}

/* ---- root ---- */

static void put_keys(struct buf *out, const char *word, const struct signkey *keys, size_t n)
{
	char text[KEY_STRLEN];
	size_t i;

	for (i = 0; i < n; i++)
		buf_addf(out, "%s %s\n", word, signkey_print(&keys[i], text));
}

int root_encode(const struct root *r, struct buf *out)
{
	buf_addf(out, "meshrc root %u\n", r->format);
	put_mesh(out, &r->mesh);
	buf_addf(out, "version %llu\nepoch %llu\nmin-format %u\n", (unsigned long long)r->version,
		 (unsigned long long)r->epoch, r->min_format);
	put_time(out, "issued", r->issued);
	if (r->renew_by_never)
		buf_adds(out, "renew-by never\n");
	else
		put_time(out, "renew-by", r->renew_by);
	buf_addf(out, "root-threshold %u\n", r->root_threshold);
	put_keys(out, "root-key", r->root_keys, r->n_root_keys);
	put_keys(out, "publisher-key", r->publisher_keys, r->n_publisher_keys);
	return buf_ok(out) ? 0 : -1;
}

/* Lines "word KEY", sorted, as long as they come. */
static int take_keys(struct line_reader *r, const char *word, struct signkey *keys, size_t *ret_n,
		     struct err *e)
{
	size_t n = 0, len;
	struct words w;
	const char *s;

	for (;;) {
		struct line_reader before = *r;
		int got = line_next(r, &w, e);

		if (got < 0)
			return -1;
		if (!got || !words_is(&w, word)) {
			*r = before;
			break;
		}
		if (n == MAX_ROOT_KEYS)
			return line_bad(r, e, "more than %d keys", MAX_ROOT_KEYS);
		if (!words_next(&w, &s, &len) || !words_end(&w) ||
		    signkey_parse(s, len, &keys[n]) < 0)
			return line_bad(r, e, "'%s KEY' is wanted", word);
		if (n && signkey_cmp(&keys[n - 1], &keys[n]) >= 0)
			return line_bad(r, e, "the keys are not in order");
		n++;
	}
	*ret_n = n;
	return n ? 0 : line_bad(r, e, "at least one '%s KEY' is wanted", word);
}

int root_decode(const char *body, size_t len, struct root *ret, struct err *e)
{
	struct root x = { 0 };
	struct line_reader r;
	const char *s;
	uint64_t v;
	size_t n;

	if (len > MAX_ROOT_DOC)
		return err_refuse(e, "BAD-FIELD", "a root document of more than %u bytes",
				  MAX_ROOT_DOC);
	line_init(&r, body, len);
	if (take_first_line(&r, "root", &x.format, e) < 0 || take_mesh(&r, &x.mesh, e) < 0 ||
	    line_number(&r, "version", UINT64_MAX, &x.version, e) < 0 ||
	    line_number(&r, "epoch", UINT64_MAX, &x.epoch, e) < 0 ||
	    line_number(&r, "min-format", UINT32_MAX, &v, e) < 0)
		return -1;
	x.min_format = (unsigned int)v;
	if (!x.version || !x.epoch || !x.min_format)
		return line_bad(&r, e, "version, epoch and min-format count from 1");
	if (take_time(&r, "issued", &x.issued, e) < 0 || line_value(&r, "renew-by", &s, &n, e) < 0)
		return -1;
	if (n == 5 && !memcmp(s, "never", 5))
		x.renew_by_never = true;
	else if (time_parse(s, n, &x.renew_by) < 0)
		return line_bad(&r, e, "renew-by must be a time or 'never'");
	if (line_number(&r, "root-threshold", MAX_ROOT_KEYS, &v, e) < 0)
		return -1;
	x.root_threshold = (unsigned int)v;
	if (take_keys(&r, "root-key", x.root_keys, &x.n_root_keys, e) < 0 ||
	    take_keys(&r, "publisher-key", x.publisher_keys, &x.n_publisher_keys, e) < 0 ||
	    want_end(&r, e) < 0)
		return -1;
	if (!x.root_threshold || x.root_threshold > x.n_root_keys)
		return err_refuse(e, "BAD-FIELD", "a root threshold of %u with %zu root keys",
				  x.root_threshold, x.n_root_keys);
	*ret = x;
	return 0;
}
