/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/client_edit.h"

#include "common/limits.h"
#include "schema/table.h"

#define FOLDER "networks/"
#define OWN_FILE "/clients.yaml"

struct edit {
	const struct client_entry *entry;
	struct arena *arena;
	struct err *err;
	const char *newline; /* of the file */
};

/* A file of the network, and its mapping `clients`. */
struct place {
	const struct source *file;
	struct yaml_node root;
	const struct yaml_pair *clients; /* NULL: not in this file */
};

static bool is_own_file(const char *path, const char *network)
{
	size_t n = strlen(network);

	return !strncmp(path, FOLDER, strlen(FOLDER)) &&
	       !strncmp(path + strlen(FOLDER), network, n) &&
	       !strcmp(path + strlen(FOLDER) + n, OWN_FILE);
}

/* networks/NAME.yaml, networks/NAME.yml or anything under networks/NAME/. */
static bool is_part(const char *path, const char *network, bool *ret_whole)
{
	size_t n = strlen(network);
	const char *rest;

	if (strncmp(path, FOLDER, strlen(FOLDER)) != 0 ||
	    strncmp(path + strlen(FOLDER), network, n) != 0)
		return false;
	rest = path + strlen(FOLDER) + n;
	*ret_whole = !strcmp(rest, ".yaml") || !strcmp(rest, ".yml");
	return *ret_whole || (*rest == '/' && strlen(rest) > 5 &&
			      (!strcmp(rest + strlen(rest) - 5, ".yaml") ||
			       !strcmp(rest + strlen(rest) - 4, ".yml")));
}

static const struct yaml_pair *find_clients(const struct yaml_node *root)
{
	uint32_t i;

	for (i = 0; root->kind == YAML_NODE_MAP && i < root->n; i++)
		if (!strcmp(root->pairs[i].key.text, "clients"))
			return &root->pairs[i];
	return NULL;
}

/* ---- lines ---- */

/* Where line `line` (from 1) begins; the end of the text for one behind the last. */
static size_t line_start(const struct source *f, uint32_t line)
{
	const char *p = f->text, *end = f->text + f->len, *lf;

	for (; line > 1; line--) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			return f->len;
		p = lf + 1;
	}
	return (size_t)(p - f->text);
}

static size_t indent_at(const struct source *f, size_t at)
{
	size_t i = at;

	while (i < f->len && f->text[i] == ' ')
		i++;
	return i - at;
}

/* A line that says nothing of the block above it: empty, a comment not deeper than `indent`, or the
 * end of the document. */
static bool is_idle(const struct source *f, size_t at, size_t indent)
{
	size_t in = indent_at(f, at), i = at + in;

	if (i >= f->len || f->text[i] == '\n' || f->text[i] == '\r')
		return true;
	if (f->text[i] == '#')
		return in <= indent;
	return !in && f->len - i >= 3 && !memcmp(f->text + i, "...", 3);
}

/* The start of the line before the one that starts at `at`. */
static size_t previous_line(const struct source *f, size_t at)
{
	if (at)
		at--;
	while (at && f->text[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the block of a top-level key: where the next one begins, less what is idle before it. */
static size_t block_end(const struct place *p)
{
	uint32_t next = UINT32_MAX, i;
	size_t end, before;

	for (i = 0; i < p->root.n; i++) {
		uint32_t line = p->root.pairs[i].key.line;

		if (line > p->clients->key.line && line < next)
			next = line;
	}
	end = next == UINT32_MAX ? p->file->len : line_start(p->file, next);
	while (end) {
		before = previous_line(p->file, end);
		if (!is_idle(p->file, before, p->clients->key.col - 1))
			break;
		end = before;
	}
	return end;
}

/* ---- the entry ---- */

/* What other YAML programs would not read as text needs quotes. */
static void add_word(struct buf *out, const char *s)
{
	struct yaml_node plain = {
		.text = s, .n = (uint32_t)strlen(s), .kind = YAML_NODE_SCALAR, .flags = YAML_PLAIN
	};
	const char *quote = table_misread(&plain) ? "\"" : "";

	buf_addf(out, "%s%s%s", quote, s, quote);
}

static void add_addresses(const struct client_entry *e, struct buf *out)
{
	char text[IPADDR_STRLEN];
	size_t i;

	buf_adds(out, "addresses: [");
	for (i = 0; i < e->n_addresses; i++) {
		/* The colons of IPv6 mean something else in a list. */
		const char *quote = e->addresses[i].addr.family == 6 ? "\"" : "";

		buf_addf(out, "%s%s%s%s", i ? ", " : "", quote,
			 ipaddr_print(&e->addresses[i].addr, text), quote);
	}
	buf_addc(out, ']');
}

static void add_entry(const struct edit *x, size_t indent, size_t step, struct buf *out)
{
	const struct client_entry *e = x->entry;
	int inner = (int)(indent + step);
	char key[KEY_STRLEN];

	buf_addf(out, "%*s", (int)indent, "");
	add_word(out, e->name);
	buf_addf(out, ":%s%*spublic_key: %s%s%*sgateway: ", x->newline, inner, "",
		 wgkey_print(&e->key, key), x->newline, inner, "");
	add_word(out, e->gateway);
	buf_adds(out, x->newline);
	if (!e->n_addresses)
		return;
	buf_addf(out, "%*s", inner, "");
	add_addresses(e, out);
	buf_adds(out, x->newline);
}

static void add_flow_entry(const struct edit *x, struct buf *out)
{
	const struct client_entry *e = x->entry;
	char key[KEY_STRLEN];

	add_word(out, e->name);
	buf_addf(out, ": {public_key: %s, gateway: ", wgkey_print(&e->key, key));
	add_word(out, e->gateway);
	if (e->n_addresses) {
		buf_adds(out, ", ");
		add_addresses(e, out);
	}
	buf_addc(out, '}');
}

static void add_range(struct buf *out, const struct source *f, size_t from, size_t to)
{
	buf_add(out, f->text + from, to - from);
}

/* What came before must end its line. */
static void end_line(const struct edit *x, struct buf *out)
{
	if (out->len && out->data[out->len - 1] != '\n')
		buf_adds(out, x->newline);
}

/* `clients: {...}`: in front of what is there. */
static int into_flow(const struct edit *x, const struct place *p, size_t brace, struct buf *out)
{
	add_range(out, p->file, 0, brace + 1);
	add_flow_entry(x, out);
	if (p->clients->value.n)
		buf_adds(out, ", ");
	add_range(out, p->file, brace + 1, p->file->len);
	return 0;
}

static int into_block(const struct edit *x, const struct place *p, struct buf *out)
{
	const struct yaml_node *value = &p->clients->value;
	size_t own = p->clients->key.col - 1, indent, end = block_end(p);

	indent = value->pairs[0].key.col - 1;
	add_range(out, p->file, 0, end);
	end_line(x, out);
	add_entry(x, indent, indent > own ? indent - own : 2, out);
	add_range(out, p->file, end, p->file->len);
	return 0;
}

/* The byte of a column, which counts characters. */
static size_t byte_of(const struct source *f, uint32_t line, uint32_t col)
{
	size_t at = line_start(f, line);

	for (; col > 1 && at < f->len; col--)
		for (at++; at < f->len && ((unsigned char)f->text[at] & 0xc0) == 0x80; at++)
			;
	return at;
}

static int into_mapping(const struct edit *x, const struct place *p, struct buf *out)
{
	const struct yaml_node *value = &p->clients->value;
	size_t at = byte_of(p->file, value->line, value->col);

	if (value->kind != YAML_NODE_MAP)
		return err_set(x->err, ERR_INPUT, "%s: `clients` is no mapping", p->file->path);
	if (at < p->file->len && p->file->text[at] == '{')
		return into_flow(x, p, at, out);
	if (!value->n)
		return err_set(x->err, ERR_INPUT,
			       "%s: `clients` has no entry to put another behind", p->file->path);
	return into_block(x, p, out);
}

/* A new `clients:` at the end of a file, or as the whole of one. */
static void append_mapping(const struct edit *x, const struct place *p, struct buf *out)
{
	size_t indent = 0, end, before;

	if (p) {
		if (p->root.n)
			indent = p->root.pairs[0].key.col - 1;
		end = p->file->len;
		/* Before the end of the document, if it is marked. */
		for (before = previous_line(p->file, end);
		     end - before >= 3 && !memcmp(p->file->text + before, "...", 3);
		     before = previous_line(p->file, end))
			end = before;
		add_range(out, p->file, 0, end);
		end_line(x, out);
		buf_addf(out, "%s%*sclients:%s", x->newline, (int)indent, "", x->newline);
	} else {
		end = 0;
		buf_adds(
			out,
			"# Devices without the agent: phones, appliances. 'meshrc client add' adds one, 'meshrc render NAME'\n"
			"# prints the configuration of one.\n"
			"clients:\n");
	}
	add_entry(x, indent + 2, 2, out);
	if (p)
		add_range(out, p->file, end, p->file->len);
}

static int read_place(const struct edit *x, const struct source *f, struct diag *d,
		      struct place *ret)
{
	struct yaml_stats stats = { 0 };

	*ret = (struct place){ .file = f };
	if (yaml_read(f, x->arena, d, &ret->root, &stats) < 0 || d->errors)
		return err_set(x->err, ERR_INPUT, "%s cannot be read", f->path);
	ret->clients = find_clients(&ret->root);
	return 0;
}

static int find_place(const struct edit *x, const struct source *files, size_t n,
		      const char *network, struct place *ret, bool *ret_whole)
{
	struct place found = { 0 }, own = { 0 }, p;
	struct diag d;
	bool whole;
	size_t i;

	diag_init(&d, x->arena);
	*ret_whole = false;
	for (i = 0; i < n; i++) {
		if (!is_part(files[i].path, network, &whole))
			continue;
		if (read_place(x, &files[i], &d, &p) < 0)
			return -1;
		*ret_whole |= whole;
		if (whole || is_own_file(files[i].path, network))
			own = p;
		if (p.clients && (!found.file || is_own_file(files[i].path, network)))
			found = p;
	}
	*ret = found.file ? found : own;
	return 0;
}

int client_edit(const struct source *files, size_t n, const char *network,
		const struct client_entry *entry, struct arena *a, struct client_edit *ret,
		struct err *e)
{
	struct edit x = { .entry = entry, .arena = a, .err = e, .newline = "\n" };
	struct place p;
	struct buf out;
	const char *lf;
	char *path;
	bool whole;
	int r = 0;

	if (find_place(&x, files, n, network, &p, &whole) < 0)
		return -1;
	lf = p.file ? memchr(p.file->text, '\n', p.file->len) : NULL;
	if (lf && lf > p.file->text && lf[-1] == '\r')
		x.newline = "\r\n";
	buf_init(&out, MAX_YAML_FILE);
	if (p.clients)
		r = into_mapping(&x, &p, &out);
	else
		append_mapping(&x, p.file ? &p : NULL, &out);
	*ret = (struct client_edit){ .before = p.file, .len = out.len };
	path = arena_alloc(a, strlen(FOLDER) + strlen(network) + sizeof(OWN_FILE));
	if (path)
		snprintf(path, strlen(FOLDER) + strlen(network) + sizeof(OWN_FILE), "%s%s%s",
			 FOLDER, network, OWN_FILE);
	ret->path = p.file ? p.file->path : path;
	if (!r && !buf_ok(&out))
		r = err_set(e, ERR_LIMIT, "%s would be too long", ret->path);
	if (!r) {
		ret->text = arena_strndup(a, out.data, out.len);
		if (!ret->text || !path)
			r = err_nomem(e);
	}
	buf_release(&out);
	return r;
}
