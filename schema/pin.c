/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/pin.h"

#include "common/limits.h"
#include "schema/yaml.h"

/* Bytes that are put in before the byte at `at`. */
struct insertion {
	size_t at;
	const char *text;
};

struct editor {
	const struct source *file;
	struct arena arena;
	size_t *lines; /* where each begins */
	size_t n_lines;
	/* The place that was looked for last: the next is near, also in a file of one long line. */
	uint32_t last_line, last_col;
	size_t last_at;
	struct insertion *list;
	size_t n;
	const char *newline; /* as the first line of the file ends */
	bool nomem;
};

static int find_lines(struct editor *x)
{
	const char *text = x->file->text, *p = text, *end = text + x->file->len;
	size_t n = 1;

	for (; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	x->lines = arena_array(&x->arena, n, sizeof(*x->lines));
	if (!x->lines)
		return -1;
	x->lines[x->n_lines++] = 0;
	for (p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		x->lines[x->n_lines++] = (size_t)(p + 1 - text);
	x->newline = n > 1 && x->lines[1] > 1 && text[x->lines[1] - 2] == '\r' ? "\r\n" : "\n";
	return 0;
}

/* The byte at a line and column, both from 1; the end of the file where there is none. */
static size_t byte_at(struct editor *x, uint32_t line, uint32_t col)
{
	const char *text = x->file->text;
	size_t at, len = x->file->len;
	uint32_t i = 1;

	if (!line || line > x->n_lines)
		return len;
	at = x->lines[line - 1];
	if (line == x->last_line) {
		at = x->last_at;
		i = x->last_col;
	}
	for (; i > col; i--)
		for (at--; ((unsigned char)text[at] & 0xc0) == 0x80; at--)
			;
	for (; i < col && at < len; i++)
		for (at++; at < len && ((unsigned char)text[at] & 0xc0) == 0x80; at++)
			;
	x->last_line = line;
	x->last_col = i;
	x->last_at = at;
	return at;
}

static char char_at(const struct editor *x, size_t at)
{
	return at < x->file->len ? x->file->text[at] : '\n';
}

static size_t skip_blanks(const struct editor *x, size_t at)
{
	while (char_at(x, at) == ' ' || char_at(x, at) == '\t')
		at++;
	return at;
}

static bool at_line_end(const struct editor *x, size_t at)
{
	char c = char_at(x, at);

	return c == '\n' || c == '\r' || c == '#';
}

/* The beginning of the line behind this byte, or the end of the file. */
static size_t next_line(const struct editor *x, size_t at)
{
	const char *nl =
		at < x->file->len ? memchr(x->file->text + at, '\n', x->file->len - at) : NULL;

	return nl ? (size_t)(nl + 1 - x->file->text) : x->file->len;
}

/* A comment that goes on below its first line, further in than the keys, belongs to the entry above
 * it. */
static size_t skip_comment_lines(const struct editor *x, size_t at, uint32_t key_col)
{
	size_t start, text;

	for (start = at; start < x->file->len; start = next_line(x, start)) {
		text = skip_blanks(x, start);
		if (char_at(x, text) != '#' || text - start < key_col)
			break;
	}
	return start;
}

/* The first byte behind blanks, line ends and comments. */
static size_t next_token(const struct editor *x, size_t at)
{
	while (at < x->file->len) {
		at = skip_blanks(x, at);
		if (!at_line_end(x, at) || at >= x->file->len)
			break;
		at = next_line(x, at);
	}
	return at;
}

static void insert(struct editor *x, size_t at, struct buf *text)
{
	struct insertion *list = arena_grow(&x->arena, x->list, x->n, sizeof(*list));
	const char *copy = buf_ok(text) ? arena_strndup(&x->arena, text->data, text->len) : NULL;

	buf_release(text);
	if (!list || !copy) {
		x->nomem = true;
		return;
	}
	x->list = list;
	list[x->n++] = (struct insertion){ at, copy };
}

static char quote_at(struct editor *x, const struct yaml_node *n)
{
	char c = char_at(x, byte_at(x, n->line, n->col));

	return c == '"' || c == '\'' ? c : '\0';
}

static void add_quoted(struct buf *b, char quote, const char *s)
{
	if (quote)
		buf_addc(b, quote);
	buf_adds(b, s);
	if (quote)
		buf_addc(b, quote);
}

/* "addresses: [10.20.0.1, "fd20::1"]", quoted like the entry beside it. */
static void add_entry(struct editor *x, const struct pin *pin, const struct yaml_pair *beside,
		      struct buf *b)
{
	char key_quote = quote_at(x, &beside->key), quote = quote_at(x, &beside->value);
	char text[IPADDR_STRLEN];
	size_t i;

	add_quoted(b, key_quote, "addresses");
	buf_adds(b, ": [");
	for (i = 0; i < pin->n; i++) {
		const struct ipaddr *a = &pin->addresses[i];
		/* A plain word may hold colons, but neither begin nor end with one in brackets. */
		char q = key_quote ? key_quote : a->family == 6 ? (quote ? quote : '"') : '\0';

		if (i)
			buf_adds(b, ", ");
		add_quoted(b, q, ipaddr_print(a, text));
	}
	buf_addc(b, ']');
}

static void add_indent(struct buf *b, const struct editor *x, size_t line_start, size_t to)
{
	/* Whatever stands before the first key of a mapping, the keys below it are indented by
	 * blanks. */
	for (; line_start < to; line_start++)
		if (((unsigned char)x->file->text[line_start] & 0xc0) != 0x80)
			buf_addc(b, ' ');
}

/* A line of its own at `at`, which begins a line or is the end of the file. */
static void insert_line(struct editor *x, size_t at, struct buf *indented)
{
	struct buf b;

	buf_init(&b, MAX_YAML_FILE);
	if (at == x->file->len && at && x->file->text[at - 1] != '\n') {
		buf_adds(&b, x->newline);
		buf_add(&b, indented->data, indented->len);
	} else {
		buf_add(&b, indented->data, indented->len);
		buf_adds(&b, x->newline);
	}
	if (!buf_ok(indented))
		x->nomem = true;
	buf_release(indented);
	insert(x, at, &b);
}

static void edit_block(struct editor *x, const struct yaml_node *map,
		       const struct yaml_pair *beside, const struct pin *pin)
{
	size_t start = x->lines[map->line - 1], first = byte_at(x, map->line, map->col), at;
	struct buf b;

	buf_init(&b, MAX_YAML_FILE);
	if (!beside->value.width) {
		/* A value over several lines, whose end is not known: before the first key. */
		add_entry(x, pin, beside, &b);
		buf_adds(&b, x->newline);
		add_indent(&b, x, start, first);
		insert(x, first, &b);
		return;
	}
	add_indent(&b, x, start, first);
	add_entry(x, pin, beside, &b);
	at = next_line(x, byte_at(x, beside->value.line, beside->value.col));
	insert_line(x, skip_comment_lines(x, at, map->col), &b);
}

/* Whether a key has nothing before it in its line. */
static bool begins_line(struct editor *x, const struct yaml_node *key)
{
	size_t at = byte_at(x, key->line, key->col);

	return skip_blanks(x, x->lines[key->line - 1]) == at;
}

/* An entry in braces that stands in a line of its own; false when it does not, and nothing was
 * done. */
static bool edit_own_line(struct editor *x, const struct yaml_pair *beside, const struct pin *pin,
			  size_t end)
{
	size_t start = x->lines[beside->key.line - 1], at = skip_blanks(x, end), behind;
	bool comma = char_at(x, at) == ',';
	struct buf b;

	behind = comma ? skip_blanks(x, at + 1) : at;
	if (!begins_line(x, &beside->key) || !at_line_end(x, behind))
		return false;
	if (!comma && char_at(x, next_token(x, behind)) != '}')
		return false;
	if (!comma) {
		buf_init(&b, 8);
		buf_addc(&b, ',');
		insert(x, end, &b);
	}
	buf_init(&b, MAX_YAML_FILE);
	buf_add(&b, x->file->text + start, skip_blanks(x, start) - start);
	add_entry(x, pin, beside, &b);
	if (comma)
		buf_addc(&b, ',');
	insert_line(x, skip_comment_lines(x, next_line(x, behind), beside->key.col), &b);
	return true;
}

static void edit_flow(struct editor *x, const struct yaml_node *map, const struct yaml_pair *beside,
		      const struct pin *pin)
{
	const struct yaml_node *v = &beside->value;
	struct buf b;
	size_t end;

	buf_init(&b, MAX_YAML_FILE);
	if (!v->width) {
		add_entry(x, pin, beside, &b);
		buf_adds(&b, ", ");
		insert(x, byte_at(x, map->line, map->col) + 1, &b);
		return;
	}
	end = byte_at(x, v->line, v->col + v->width);
	if (edit_own_line(x, beside, pin, end))
		return;
	buf_adds(&b, ", ");
	add_entry(x, pin, beside, &b);
	insert(x, end, &b);
}

static const struct yaml_pair *find_pair(const struct yaml_node *map, const char *key)
{
	uint32_t i;

	for (i = 0; map->kind == YAML_NODE_MAP && i < map->n; i++)
		if (!strcmp(map->pairs[i].key.text, key))
			return &map->pairs[i];
	return NULL;
}

/* The node's mapping in this file, when it is the one with the public key; 1 when it is not. */
static int edit_node(struct editor *x, const struct yaml_pair *node, const struct pin *pin,
		     struct err *e)
{
	const struct yaml_node *map = &node->value;
	const struct yaml_pair *key = find_pair(map, "public_key");
	const struct yaml_pair *endpoint = find_pair(map, "endpoint");

	if (!key)
		return 1;
	if (find_pair(map, "addresses"))
		return err_set(e, ERR_INPUT, "%s:%u: `%s` has `addresses` already", x->file->path,
			       node->key.line, pin->name);
	/* Its end must be known: within one line, and short enough for the tree to tell. */
	if (endpoint && endpoint->value.kind == YAML_NODE_SCALAR && endpoint->value.width &&
	    endpoint->value.width < UINT16_MAX)
		key = endpoint;
	if (char_at(x, byte_at(x, map->line, map->col)) == '{')
		edit_flow(x, map, key, pin);
	else
		edit_block(x, map, key, pin);
	return 0;
}

static int cmp_pin_name(const void *name, const void *pin)
{
	return strcmp(name, ((const struct pin *)pin)->name);
}

/* All pins of one section. */
static int edit_section(struct editor *x, const struct yaml_node *root, const struct pin *pins,
			size_t n, struct err *e)
{
	const struct yaml_pair *section = find_pair(root, pins->section);
	size_t found = 0;
	uint32_t i;

	for (i = 0; section && section->value.kind == YAML_NODE_MAP && i < section->value.n; i++) {
		const struct yaml_pair *node = &section->value.pairs[i];
		const struct pin *pin =
			bsearch(node->key.text, pins, n, sizeof(*pins), cmp_pin_name);
		int r = pin ? edit_node(x, node, pin, e) : 1;

		if (r < 0)
			return -1;
		found += !r;
	}
	if (found < n)
		return err_set(e, ERR_INPUT, "%s: %zu of %zu to be pinned are not written here",
			       x->file->path, n - found, n);
	return 0;
}

static int cmp_insertions(const void *pa, const void *pb)
{
	const struct insertion *a = pa, *b = pb;

	return a->at < b->at ? -1 : a->at > b->at;
}

static int write_text(const struct editor *x, struct buf *out, struct err *e)
{
	size_t i, done = 0, total = out->len + x->file->len;

	for (i = 0; i < x->n; i++)
		total += strlen(x->list[i].text);
	if (total > out->max)
		return err_set(e, ERR_LIMIT, "%s would have %zu bytes; at most %zu are accepted",
			       x->file->path, total, out->max);
	for (i = 0; i < x->n; i++) {
		buf_add(out, x->file->text + done, x->list[i].at - done);
		buf_adds(out, x->list[i].text);
		done = x->list[i].at;
	}
	buf_add(out, x->file->text + done, x->file->len - done);
	return buf_ok(out) ? 0 : err_nomem(e);
}

static int read_tree(struct editor *x, struct yaml_node *ret, struct err *e)
{
	struct yaml_stats stats = { 0 };
	struct diag d;

	diag_init(&d, &x->arena);
	if (yaml_read(x->file, &x->arena, &d, ret, &stats) < 0 || d.errors)
		return d.nomem ? err_nomem(e) :
				 err_set(e, ERR_INPUT, "%s cannot be read", x->file->path);
	return find_lines(x) < 0 ? err_nomem(e) : 0;
}

int pin_text(const struct source *file, const struct pin *pins, size_t n, struct buf *out,
	     struct err *e)
{
	struct editor x = { .file = file };
	struct yaml_node root;
	size_t i, end;
	int r;

	arena_init(&x.arena);
	r = read_tree(&x, &root, e);
	for (i = 0; !r && i < n; i = end) {
		for (end = i + 1; end < n && !strcmp(pins[i].section, pins[end].section); end++)
			;
		r = edit_section(&x, &root, pins + i, end - i, e);
	}
	if (!r && x.nomem)
		r = err_nomem(e);
	if (!r) {
		if (x.n > 1)
			qsort(x.list, x.n, sizeof(*x.list), cmp_insertions);
		r = write_text(&x, out, e);
	}
	arena_release(&x.arena);
	return r;
}
