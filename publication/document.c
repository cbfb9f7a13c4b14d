/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/document.h"

#include "common/limits.h"
#include "common/num.h"
#include "publication/line.h"
#include "publication/manifest.h"

static const char *const table_names[N_TABLES] = { "freed", "gone", "groups", "nodes", "records" };

const char *table_name(enum table t)
{
	return table_names[t];
}

char *document_path(const char *network, const char *kind, const struct digest *hash, char out[static MAX_DOCUMENT_PATH])
{
	char hex[DIGEST_STRLEN];

	snprintf(out, MAX_DOCUMENT_PATH, "%s/%s/%s", network, kind, digest_print(hash, hex));
	return out;
}

/* ------------------------------------------------------------------ encoding of lines ------------------ */

static void add_key(struct buf *out, const struct wgkey *k)
{
	char text[KEY_STRLEN];

	buf_adds(out, " key=");
	buf_adds(out, wgkey_print(k, text));
}

static void add_prefixes(struct buf *out, const struct prefix *list, size_t n)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, prefix_print(&list[i], text));
	}
}

int record_encode(const struct record *r, struct buf *out)
{
	char ip[IPADDR_STRLEN], ep[ENDPOINT_STRLEN];
	size_t i;

	buf_adds(out, "record ");
	buf_adds(out, r->name);
	add_key(out, &r->key);
	buf_adds(out, " addresses=");
	for (i = 0; i < r->n_addresses; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, ipaddr_print(&r->addresses[i], ip));
	}
	if (r->n_routes) {
		buf_adds(out, " routes=");
		add_prefixes(out, r->routes, r->n_routes);
	}
	if (r->endpoint.host) {
		buf_adds(out, " endpoint=");
		buf_adds(out, endpoint_print(&r->endpoint, ep));
	}
	return buf_ok(out) ? 0 : -1;
}

static const char *const link_words[] = {
	[LINK_DIRECT] = "direct",
	[LINK_ROUTES] = "routes",
	[LINK_THROUGH] = "through",
	[LINK_ALLOW] = "allow",
};

int node_encode(const struct node *n, struct buf *out)
{
	char text[PREFIX_STRLEN];
	size_t i;

	buf_adds(out, "node ");
	buf_adds(out, n->name);
	add_key(out, &n->key);
	buf_adds(out, " interface=");
	buf_adds(out, n->interface.s);
	if (n->flags & NODE_HAS_LISTEN_PORT)
		buf_addf(out, " listen_port=%u", n->listen_port);
	buf_addf(out, " mtu=%u", n->mtu);
	if (n->flags & NODE_HAS_KEEPALIVE)
		buf_addf(out, " keepalive=%u", n->keepalive);
	if (n->flags & NODE_HAS_FWMARK)
		buf_addf(out, " fwmark=%u", n->fwmark);
	buf_adds(out, " addresses=");
	for (i = 0; i < n->n_addresses; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, ifaddr_print(&n->addresses[i], text));
	}
	for (i = 0; i < n->n_links; i++) {
		const struct link *l = &n->links[i];

		buf_addc(out, ' ');
		buf_adds(out, link_words[l->kind]);
		buf_addc(out, '=');
		if (l->via) {
			buf_adds(out, l->via);
			buf_addc(out, ':');
		}
		if (l->kind == LINK_ALLOW)
			add_prefixes(out, l->prefixes, l->n_prefixes);
		else
			buf_adds(out, l->target);
	}
	return buf_ok(out) ? 0 : -1;
}

static void freed_key(const struct ipaddr *a, char out[static 34])
{
	out[0] = (char)('0' + a->family);
	hex_print(a->b, sizeof(a->b), out + 1);
}

/* ------------------------------------------------------------------ decoding of lines ------------------ */

static int take_name(struct words *w, struct arena *a, const char **ret)
{
	const char *s;
	size_t len;

	if (!words_next(w, &s, &len) || !name_is_valid(s, len))
		return -1;
	*ret = arena_strndup(a, s, len);
	return *ret ? 0 : -1;
}

static int take_key(struct words *w, struct wgkey *ret)
{
	const char *s;
	size_t len;

	return words_field(w, "key", &s, &len) ? wgkey_parse(s, len, ret) : -1;
}

static int take_number(struct words *w, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *s;
	size_t len;

	if (!words_field(w, name, &s, &len) || num_parse(s, len, max, ret) < 0 || *ret < min)
		return -1;
	return 0;
}

static bool next_item(const char **p, const char *end, const char **ret, size_t *ret_len)
{
	const char *comma;

	if (!*p)
		return false;
	comma = memchr(*p, ',', (size_t)(end - *p));
	*ret = *p;
	*ret_len = (size_t)((comma ? comma : end) - *p);
	*p = comma ? comma + 1 : NULL;
	return true;
}

static size_t count_items(const char *s, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += s[i] == ',';
	return n;
}

/* Only what the printer writes is accepted: parsing and printing again must give the same text. */
static bool same_text(const char *printed, const char *s, size_t len)
{
	return strlen(printed) == len && !memcmp(printed, s, len);
}

static int parse_prefixes(const char *s, size_t len, size_t max, struct arena *a, const struct prefix **ret, size_t *ret_n)
{
	size_t n = count_items(s, len), i = 0, item_len;
	const char *p = s, *item;
	struct prefix *list;
	char text[PREFIX_STRLEN];
	bool host_bits;

	if (n > max)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++) {
		if (prefix_parse(item, item_len, &list[i], &host_bits) < 0 || host_bits ||
		    !same_text(prefix_print(&list[i], text), item, item_len))
			return -1;
		/* Canonical: sorted, and none inside the one before it. */
		if (i && (prefix_cmp(&list[i - 1], &list[i]) >= 0 || prefix_contains(&list[i - 1], &list[i])))
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int take_addresses(struct words *w, struct arena *a, const struct ipaddr **ret, size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ipaddr *list;
	char text[IPADDR_STRLEN];

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = count_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; next_item(&p, s + len, &item, &item_len); i++) {
		if (ipaddr_parse(item, item_len, &list[i]) < 0 ||
		    !same_text(ipaddr_print(&list[i], text), item, item_len))
			return -1;
		if (i && ipaddr_cmp(&list[i - 1], &list[i]) >= 0)
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int take_ifaddrs(struct words *w, struct arena *a, const struct ifaddr **ret, size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ifaddr *list;
	char text[PREFIX_STRLEN];

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = count_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; next_item(&p, s + len, &item, &item_len); i++) {
		if (ifaddr_parse(item, item_len, &list[i]) < 0 ||
		    !same_text(ifaddr_print(&list[i], text), item, item_len))
			return -1;
		if (i && ipaddr_cmp(&list[i - 1].addr, &list[i].addr) >= 0)
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int record_words(struct words *w, struct arena *a, struct record *ret)
{
	struct record r = { 0 };
	char text[ENDPOINT_STRLEN];
	const char *s, *why;
	size_t len;

	if (!words_is(w, "record") || take_name(w, a, &r.name) < 0 || take_key(w, &r.key) < 0 ||
	    take_addresses(w, a, &r.addresses, &r.n_addresses) < 0)
		return -1;
	if (words_field(w, "routes", &s, &len) && parse_prefixes(s, len, MAX_ROUTES, a, &r.routes, &r.n_routes) < 0)
		return -1;
	if (words_field(w, "endpoint", &s, &len) &&
	    (endpoint_parse(s, len, false, a, &r.endpoint, &why) < 0 || !same_text(endpoint_print(&r.endpoint, text), s, len)))
		return -1;
	if (!words_end(w))
		return -1;
	*ret = r;
	return 0;
}

bool group_name_is_valid(const char *s, size_t len)
{
	size_t i;

	if (!len || len > MAX_GROUP_NAME)
		return false;
	for (i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '!' ||
		      c == '#'))
			return false;
	}
	return true;
}

static int parse_link(enum link_kind kind, const char *s, size_t len, struct arena *a, struct link *ret)
{
	struct link l = { .kind = kind };

	if (kind != LINK_DIRECT) {
		const char *colon = memchr(s, ':', len);

		if (!colon || !name_is_valid(s, (size_t)(colon - s)))
			return -1;
		l.via = arena_strndup(a, s, (size_t)(colon - s));
		if (!l.via)
			return -1;
		len -= (size_t)(colon + 1 - s);
		s = colon + 1;
	}
	if (kind == LINK_ALLOW) {
		if (parse_prefixes(s, len, MAX_ROUTES, a, &l.prefixes, &l.n_prefixes) < 0)
			return -1;
	} else {
		if (!group_name_is_valid(s, len))
			return -1;
		l.target = arena_strndup(a, s, len);
		if (!l.target || (!target_is_group(l.target) && !name_is_valid(s, len)))
			return -1;
	}
	*ret = l;
	return 0;
}

static int take_links(struct words *w, struct arena *a, struct node *n)
{
	struct link *links = NULL;
	const char *s;
	size_t len;
	unsigned int kind = LINK_DIRECT;

	while (!words_end(w)) {
		struct link *grown;

		while (kind <= LINK_ALLOW && !words_field(w, link_words[kind], &s, &len))
			kind++;
		if (kind > LINK_ALLOW || n->n_links == MAX_LINKS)
			return -1;
		grown = arena_grow(a, links, n->n_links, sizeof(*links));
		if (!grown)
			return -1;
		links = grown;
		if (parse_link((enum link_kind)kind, s, len, a, &links[n->n_links]) < 0)
			return -1;
		if (n->n_links && link_cmp(&links[n->n_links - 1], &links[n->n_links]) >= 0)
			return -1;
		n->n_links++;
	}
	n->links = links;
	return 0;
}

static int node_words(struct words *w, struct arena *a, struct node *ret)
{
	struct node n = { 0 };
	struct words old;
	const char *s;
	uint64_t v;
	size_t len;

	if (!words_is(w, "node") || take_name(w, a, &n.name) < 0 || take_key(w, &n.key) < 0)
		return -1;
	if (!words_field(w, "interface", &s, &len) || ifname_parse(s, len, &n.interface) < 0)
		return -1;
	old = *w;
	if (words_field(w, "listen_port", &s, &len)) {
		*w = old;
		if (take_number(w, "listen_port", 1, 65535, &v) < 0)
			return -1;
		n.listen_port = (uint16_t)v;
		n.flags |= NODE_HAS_LISTEN_PORT;
	}
	if (take_number(w, "mtu", 576, 65535, &v) < 0)
		return -1;
	n.mtu = (uint16_t)v;
	old = *w;
	if (words_field(w, "keepalive", &s, &len)) {
		*w = old;
		if (take_number(w, "keepalive", 1, 65535, &v) < 0)
			return -1;
		n.keepalive = (uint16_t)v;
		n.flags |= NODE_HAS_KEEPALIVE;
	}
	old = *w;
	if (words_field(w, "fwmark", &s, &len)) {
		*w = old;
		if (take_number(w, "fwmark", 1, UINT32_MAX, &v) < 0)
			return -1;
		n.fwmark = (uint32_t)v;
		n.flags |= NODE_HAS_FWMARK;
	}
	if (take_ifaddrs(w, a, &n.addresses, &n.n_addresses) < 0 || take_links(w, a, &n) < 0)
		return -1;
	*ret = n;
	return 0;
}

int record_decode(const char *line, size_t len, struct arena *a, struct record *ret, struct err *e)
{
	struct words w = { line, line + len };

	return record_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a record line") : 0;
}

int node_decode(const char *line, size_t len, struct arena *a, struct node *ret, struct err *e)
{
	struct words w = { line, line + len };

	return node_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a node line") : 0;
}

/* ------------------------------------------------------------------ cutting tables into pages ---------- */

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

static int add_document(struct encoder *x, const char *kind, const struct buf *b, struct document_ref *ret)
{
	struct document *docs, *d;

	if (!buf_ok(b))
		return err_set(x->err, ERR_LIMIT, "the %s document of %s is larger than a document may be", kind, x->net->name);
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
	struct document_ref ref;
	char hex[DIGEST_STRLEN];

	if (!x->entries)
		return 0;
	if (add_document(x, table_name(x->table), &x->page, &ref) < 0)
		return -1;
	buf_addf(&x->index, "page %llu %s %s\n", (unsigned long long)ref.len, digest_print(&ref.hash, hex), x->first);
	begin(&x->page, table_name(x->table), x->net->name);
	x->entries = 0;
	return 0;
}

/* True for one key in 64, the same ones everywhere: where a page ends depends on nothing but this line. */
static bool ends_page(const char *key)
{
	struct digest d;

	digest_of(key, strlen(key), &d);
	return !(d.b[0] & 63);
}

static int add_line(struct encoder *x, const char *key, const struct buf *line)
{
	if (!buf_ok(line) || line->len > MAX_LINE)
		return err_set(x->err, ERR_LIMIT, "%s: %s needs a line of more than %u bytes", x->net->name, key, MAX_LINE);
	if ((x->entries == MAX_PAGE_ENTRIES || x->page.len + line->len + 1 > MAX_PAGE) && end_page(x) < 0)
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

static int add_lines(struct encoder *x, struct buf *line)
{
	const struct network *n = x->net;
	char key[34], ip[IPADDR_STRLEN];
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
	case TABLE_GONE:
		for (i = 0; i < n->n_gone; i++) {
			buf_reset(line);
			buf_addf(line, "gone %s serial=%llu", n->gone[i].name, (unsigned long long)n->gone[i].serial);
			if (add_line(x, n->gone[i].name, line) < 0)
				return -1;
		}
		return 0;
	case TABLE_FREED:
		for (i = 0; i < n->n_freed; i++) {
			const struct freed *f = &n->freed[i];

			freed_key(&f->address, key);
			buf_reset(line);
			buf_addf(line, "freed %s serial=%llu node=%s", ipaddr_print(&f->address, ip),
				 (unsigned long long)f->serial, f->node);
			add_key(line, &f->key);
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

int network_encode(const struct network *n, struct arena *a, struct document **ret_documents, size_t *ret_n,
		   struct document_ref ret_tables[static N_TABLES], struct err *e)
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

/* ------------------------------------------------------------------ decoding of documents -------------- */

static int check_header(struct line_reader *r, const char *kind, const char *network, struct err *e)
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
	if (!same_text(network, s, len))
		return err_refuse(e, "WRONG-NETWORK", "the document is not of network %s", network);
	return 0;
}

int index_decode(const char *data, size_t len, const char *network, enum table t, struct arena *a, struct index *ret,
		 struct err *e)
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
	if (check_header(&r, "index", network, e) < 0 || line_value(&r, "table", &s, &s_len, e) < 0)
		return -1;
	if (!same_text(table_name(t), s, s_len))
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
		if (!words_is(&w, "page") || !words_next(&w, &s, &s_len) || num_parse(s, s_len, MAX_PAGE, &v) < 0 || !v)
			return line_bad(&r, e, "'page LENGTH HASH KEY' is wanted");
		x->page.len = v;
		if (!words_next(&w, &s, &s_len) || digest_parse(s, s_len, &x->page.hash) < 0 || !words_rest(&w, &s, &s_len))
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

	/* The first page whose first key is past `key`; the page before it can hold `key` itself. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(ix->entries[mid].first, key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (last = low; last < ix->n; last++)
		if (strncmp(ix->entries[last].first, key, len) != 0 || ix->entries[last].first[len] != ' ')
			break;
	*ret_first = low ? low - 1 : 0;
	return last - *ret_first;
}

struct membership {
	const char *group, *node;
};

struct network_builder {
	struct arena *arena;
	const char *name;
	struct record *records;
	struct node *nodes;
	struct membership *members;
	struct freed *freed;
	struct gone *gone;
	size_t n_records, n_nodes, n_members, n_freed, n_gone;
};

struct network_builder *network_builder_new(struct arena *a, const char *network)
{
	struct network_builder *b = arena_alloc(a, sizeof(*b));

	if (!b)
		return NULL;
	b->arena = a;
	b->name = arena_strdup(a, network);
	return b->name ? b : NULL;
}

/* The line decoders of the small tables; each appends to its array. 0, -1 malformed, -2 no memory or over the limit. */
static int add_record_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct record *list = arena_grow(b->arena, b->records, b->n_records, sizeof(*list));

	if (!list || b->n_records == MAX_NODES)
		return -2;
	b->records = list;
	if (record_words(w, b->arena, &list[b->n_records]) < 0)
		return -1;
	*ret_key = list[b->n_records++].name;
	return 0;
}

static int add_node_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct node *list = arena_grow(b->arena, b->nodes, b->n_nodes, sizeof(*list));

	if (!list || b->n_nodes == MAX_NODES)
		return -2;
	b->nodes = list;
	if (node_words(w, b->arena, &list[b->n_nodes]) < 0)
		return -1;
	*ret_key = list[b->n_nodes++].name;
	return 0;
}

static int add_member_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct membership *list = arena_grow(b->arena, b->members, b->n_members, sizeof(*list)), *m;
	const char *s;
	size_t len;
	char *key;

	if (!list || b->n_members >= (size_t)MAX_NODES * MAX_TAGS)
		return -2;
	b->members = list;
	m = &list[b->n_members];
	if (!words_is(w, "member") || !words_next(w, &s, &len) || !group_name_is_valid(s, len))
		return -1;
	/* Neighbours nearly always share their group: one copy of its name serves them. */
	if (b->n_members && same_text(m[-1].group, s, len))
		m->group = m[-1].group;
	else
		m->group = arena_strndup(b->arena, s, len);
	if (!m->group)
		return -2;
	if (!target_is_group(m->group) || !strcmp(m->group, GROUP_ALL) || take_name(w, b->arena, &m->node) < 0 ||
	    !words_end(w))
		return -1;
	key = arena_alloc(b->arena, len + 1 + strlen(m->node) + 1);
	if (!key)
		return -2;
	memcpy(key, m->group, len);
	key[len] = ' ';
	memcpy(key + len + 1, m->node, strlen(m->node) + 1);
	*ret_key = key;
	b->n_members++;
	return 0;
}

static int add_freed_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct freed *list = arena_grow(b->arena, b->freed, b->n_freed, sizeof(*list)), *f;
	char text[IPADDR_STRLEN], key[34];
	const char *s;
	size_t len;

	if (!list || b->n_freed == MAX_TOMBSTONES)
		return -2;
	b->freed = list;
	f = &list[b->n_freed];
	if (!words_is(w, "freed") || !words_next(w, &s, &len) || ipaddr_parse(s, len, &f->address) < 0 ||
	    !same_text(ipaddr_print(&f->address, text), s, len))
		return -1;
	if (take_number(w, "serial", 1, UINT64_MAX, &f->serial) < 0 || !words_field(w, "node", &s, &len) ||
	    !name_is_valid(s, len))
		return -1;
	f->node = arena_strndup(b->arena, s, len);
	if (!f->node)
		return -2;
	if (take_key(w, &f->key) < 0 || !words_end(w))
		return -1;
	freed_key(&f->address, key);
	*ret_key = arena_strdup(b->arena, key);
	if (!*ret_key)
		return -2;
	b->n_freed++;
	return 0;
}

static int add_gone_line(struct network_builder *b, struct words *w, const char **ret_key)
{
	struct gone *list = arena_grow(b->arena, b->gone, b->n_gone, sizeof(*list)), *g;

	if (!list || b->n_gone == MAX_TOMBSTONES)
		return -2;
	b->gone = list;
	g = &list[b->n_gone];
	if (!words_is(w, "gone") || take_name(w, b->arena, &g->name) < 0 ||
	    take_number(w, "serial", 1, UINT64_MAX, &g->serial) < 0 || !words_end(w))
		return -1;
	*ret_key = g->name;
	b->n_gone++;
	return 0;
}

typedef int add_line_fn(struct network_builder *b, struct words *w, const char **ret_key);

static add_line_fn *const add_line_fns[N_TABLES] = {
	[TABLE_FREED] = add_freed_line,	    [TABLE_GONE] = add_gone_line, [TABLE_GROUPS] = add_member_line,
	[TABLE_NODES] = add_node_line, [TABLE_RECORDS] = add_record_line,
};

int network_builder_add_page(struct network_builder *b, enum table t, const char *data, size_t len, struct err *e)
{
	const char *last = NULL, *key = NULL;
	struct line_reader r;
	struct words w;
	size_t entries = 0;
	int got, added;

	if (len > MAX_PAGE)
		return err_refuse(e, "BAD-FIELD", "a page of more than %u bytes", MAX_PAGE);
	line_init(&r, data, len);
	if (check_header(&r, table_name(t), b->name, e) < 0)
		return -1;
	while ((got = line_next(&r, &w, e)) > 0) {
		if (++entries > MAX_PAGE_ENTRIES)
			return line_bad(&r, e, "more than %d lines in a page", MAX_PAGE_ENTRIES);
		added = add_line_fns[t](b, &w, &key);
		if (added == -2)
			return err_set(e, ERR_LIMIT, "%s: line %zu: out of memory, or more entries than a network may have",
				       table_name(t), r.number);
		if (added < 0)
			return line_bad(&r, e, "not a line of table %s", table_name(t));
		if (last && strcmp(last, key) >= 0)
			return line_bad(&r, e, "the lines are not in order");
		last = key;
	}
	if (got < 0)
		return -1;
	if (!entries)
		return line_bad(&r, e, "a page without a line");
	return 0;
}

static int cmp_by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int cmp_freed(const void *a, const void *b)
{
	return ipaddr_cmp(&((const struct freed *)a)->address, &((const struct freed *)b)->address);
}

static int cmp_members(const void *pa, const void *pb)
{
	const struct membership *a = pa, *b = pb;
	int c = strcmp(a->group, b->group);

	return c ? c : strcmp(a->node, b->node);
}

/* Pages mostly arrive in order; sorts only when they did not. Fails on a duplicate. */
static int sort_unique(void *list, size_t n, size_t size, int (*cmp)(const void *, const void *), enum table t,
		       struct err *e)
{
	bool sorted = true;
	size_t i;

	for (i = 1; i < n && sorted; i++)
		sorted = cmp((char *)list + (i - 1) * size, (char *)list + i * size) < 0;
	if (sorted)
		return 0;
	qsort(list, n, size, cmp);
	for (i = 1; i < n; i++)
		if (!cmp((char *)list + (i - 1) * size, (char *)list + i * size))
			return err_refuse(e, "BAD-FIELD", "an entry of table %s stands in two pages", table_name(t));
	return 0;
}

static int make_groups(struct network_builder *b, struct network *ret, struct err *e)
{
	struct group *groups = NULL;
	const char **names = arena_array(b->arena, b->n_members, sizeof(*names));
	size_t i, n = 0;

	if (!names)
		return err_nomem(e);
	for (i = 0; i < b->n_members; i++) {
		const struct membership *m = &b->members[i];

		names[i] = m->node;
		if (!i || strcmp(m[-1].group, m->group) != 0) {
			struct group *grown = arena_grow(b->arena, groups, n, sizeof(*groups));

			if (!grown)
				return err_nomem(e);
			groups = grown;
			groups[n++] = (struct group){ .name = m->group, .members = &names[i] };
		}
		groups[n - 1].n_members++;
	}
	ret->groups = groups;
	ret->n_groups = n;
	return 0;
}

int network_builder_finish(struct network_builder *b, struct network *ret, struct err *e)
{
	struct network n = { .name = b->name };

	if (sort_unique(b->records, b->n_records, sizeof(*b->records), cmp_by_name, TABLE_RECORDS, e) < 0 ||
	    sort_unique(b->nodes, b->n_nodes, sizeof(*b->nodes), cmp_by_name, TABLE_NODES, e) < 0 ||
	    sort_unique(b->members, b->n_members, sizeof(*b->members), cmp_members, TABLE_GROUPS, e) < 0 ||
	    sort_unique(b->freed, b->n_freed, sizeof(*b->freed), cmp_freed, TABLE_FREED, e) < 0 ||
	    sort_unique(b->gone, b->n_gone, sizeof(*b->gone), cmp_by_name, TABLE_GONE, e) < 0 ||
	    make_groups(b, &n, e) < 0)
		return -1;
	n.records = b->records;
	n.n_records = b->n_records;
	n.nodes = b->nodes;
	n.n_nodes = b->n_nodes;
	n.freed = b->freed;
	n.n_freed = b->n_freed;
	n.gone = b->gone;
	n.n_gone = b->n_gone;
	*ret = n;
	return 0;
}
