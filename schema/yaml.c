/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml.h"

#include <yaml.h>

#include "common/limits.h"
#include "common/prefix.h"
#include "common/text.h"

/* Bad characters told per file; the rest of such a file is most often the same. */
#define MAX_BAD_CHARACTERS 8

struct frame {
	struct yaml_node node; /* the collection, without its entries */
	size_t base; /* its first entry in `pending` */
};

struct reader {
	const struct source *source;
	struct arena *arena;
	struct diag *diag;
	yaml_parser_t parser;
	size_t given, given_at_event; /* bytes handed to libyaml: now, and at the last event */
	bool gap; /* the read handler stopped for MAX_YAML_GAP */
	yaml_mark_t last; /* the end of the last event */
	struct frame stack[MAX_YAML_DEPTH];
	size_t depth;
	/* Finished nodes whose collection is still open: all entries of all open collections, the
	 * innermost last. */
	struct yaml_node *pending;
	size_t n_pending, cap_pending;
	char *chunk; /* room for text, so that a word costs its bytes and no alignment */
	size_t chunk_left;
	struct yaml_node root;
	size_t documents;
	struct yaml_stats stats;
};

struct pos yaml_pos(const struct yaml_node *n)
{
	return (struct pos){
		.source = n->source, .line = n->line, .col = n->col, .width = n->width
	};
}

const char *yaml_show(const struct yaml_node *n, char out[static YAML_SHOWN])
{
	size_t len = n->n;

	if (len < YAML_SHOWN - 4) {
		memcpy(out, n->text, len + 1);
		return out;
	}
	len = YAML_SHOWN - 8;
	while (len && ((unsigned char)n->text[len] & 0xc0) == 0x80)
		len--;
	memcpy(out, n->text, len);
	memcpy(out + len, "...", 4);
	return out;
}

/* The bytes, before libyaml sees them. */

static struct pos place_of(const struct source *s, size_t offset)
{
	struct pos pos = { .source = s, .line = 1, .col = 1, .width = 1 };
	size_t i, start = 0;

	for (i = 0; i < offset; i++) {
		if (s->text[i] == '\n') {
			pos.line++;
			start = i + 1;
		}
	}
	for (i = start; i < offset; i++)
		if (((unsigned char)s->text[i] & 0xc0) != 0x80)
			pos.col++;
	return pos;
}

/* Line breaks of Unicode and of YAML 1.1 that editors and git do not count as such: positions would
 * be off. */
static bool is_odd_break(uint32_t c)
{
	return c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* The zero-width joiners are left out: scripts and emoji need them in comments. */
static bool is_invisible(uint32_t c)
{
	return c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b || c == 0x200e ||
	       c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

static bool check_encoding(const struct source *s, struct diag *d)
{
	const unsigned char *t = (const unsigned char *)s->text;
	struct pos pos = { .source = s, .line = 1, .col = 1 };
	struct diag_entry *e;

	if (s->len >= 3 && t[0] == 0xef && t[1] == 0xbb && t[2] == 0xbf) {
		e = diag_error(d, pos, "the file begins with a byte order mark");
	} else if (s->len >= 2 &&
		   ((t[0] == 0xff && t[1] == 0xfe) || (t[0] == 0xfe && t[1] == 0xff) ||
		    (!t[0] && t[1]) || (t[0] && !t[1]))) {
		pos.line = pos.col = 0; /* an excerpt would be noise */
		e = diag_error(d, pos, "the file is UTF-16 or UTF-32");
	} else {
		return true;
	}
	diag_help(d, e, "save it as UTF-8 without a byte order mark");
	return false;
}

/* One character outside printable ASCII; false when libyaml must not see it. */
static bool check_character(const struct source *s, size_t at, size_t *ret_len, struct diag *d,
			    unsigned int *told)
{
	struct diag_entry *e;
	uint32_t c;
	size_t n = text_decode(s->text + at, s->len - at, &c);

	*ret_len = n ? n : 1;
	if (!n) {
		e = diag_error(d, place_of(s, at), "byte 0x%02x is not UTF-8",
			       (unsigned char)s->text[at]);
		diag_help(d, e, "save the file as UTF-8");
		/* One error for all of such a run. */
		while (at + *ret_len < s->len && (s->text[at + *ret_len] & 0x80))
			++*ret_len;
	} else if (c == '\r') {
		if (at + 1 < s->len && s->text[at + 1] == '\n')
			return true;
		e = diag_error(d, place_of(s, at), "a carriage return without a line feed");
		diag_help(d, e, "end lines with a line feed");
	} else if (is_odd_break(c)) {
		e = diag_error(d, place_of(s, at),
			       "a line break U+%04X that most programs do not take for one", c);
		diag_help(d, e, "end lines with a line feed");
	} else if (is_control(c)) {
		e = diag_error(d, place_of(s, at), "a control character (U+%04X)", c);
		diag_help(d, e, "remove it");
	} else if (is_invisible(c)) {
		e = diag_error(d, place_of(s, at),
			       "an invisible or bidirectional character (U+%04X)", c);
		diag_help(d, e, "remove it: what a reviewer sees must be what meshrc reads");
		++*told;
		return true;
	} else {
		return true;
	}
	++*told;
	return false;
}

static bool check_bytes(const struct source *s, struct diag *d)
{
	const char *t = s->text;
	unsigned int told = 0;
	bool ok = true;
	size_t i = 0, n;

	while (i < s->len && told < MAX_BAD_CHARACTERS) {
		if (t[i] == '%' && (!i || t[i - 1] == '\n')) {
			struct pos pos = place_of(s, i);
			const char *end = memchr(t + i, '\n', s->len - i);

			pos.width = (uint32_t)((end ? end : t + s->len) - (t + i));
			diag_help(d, diag_error(d, pos, "YAML directives are not accepted"),
				  "remove the line");
			return false;
		}
		n = 1;
		if (!(t[i] >= 0x20 && t[i] < 0x7f) && t[i] != '\n' && t[i] != '\t')
			ok &= check_character(s, i, &n, d, &told);
		i += n;
	}
	return ok;
}

/* What git leaves in a file: at least seven times the same character, longer with the attribute
 * conflict-marker-size, and a blank or nothing behind it. No YAML of ours has such a line. */
static bool is_conflict_marker(const char *s, size_t len)
{
	size_t n = 1;

	if (len < 7 || !memchr("<|=>", s[0], 4))
		return false;
	while (n < len && s[n] == s[0])
		n++;
	return n >= 7 && (n == len || s[n] == ' ' || s[n] == '\r');
}

static bool check_conflict(const struct source *s, struct diag *d)
{
	const char *p = s->text, *end = s->text + s->len;
	struct pos pos = { .source = s, .line = 1, .col = 1 };

	for (; p < end; pos.line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		if (is_conflict_marker(p, len)) {
			pos.width = 7;
			diag_help(d, diag_error(d, pos, "an unresolved merge conflict"),
				  "write what is to hold, without the lines that begin with "
				  "<<<<<<<, ======= and >>>>>>>, and `git add` the file");
			return false;
		}
		p += len + 1;
	}
	return true;
}

/* Secrets. */

/* Does s[0..len) hold `word`, whatever its case and with or without '_' and '-' between? */
static const char *find_word(const char *s, size_t len, const char *word)
{
	size_t i, j, k;

	for (i = 0; i < len; i++) {
		for (j = i, k = 0; j < len && word[k]; j++) {
			char c = s[j];

			if (k && (c == '_' || c == '-' || c == ' '))
				continue;
			if (c >= 'A' && c <= 'Z')
				c = (char)(c - 'A' + 'a');
			if (c != word[k])
				break;
			k++;
		}
		if (!word[k])
			return s + j;
	}
	return NULL;
}

static const char *secret_word(const char *s, size_t len)
{
	const char *end = find_word(s, len, "privatekey");

	if (end)
		return end;
	end = find_word(s, len, "presharedkey");
	/* `preshared_keys` is a switch. */
	return end && !(end < s + len && *end == 's') ? end : NULL;
}

/*
 * A line that names a secret may hold it where no event tells (an open quote, a comment), so what
 * follows the word is hidden by the look of it, and the next line too when this one ends at once.
 */
static void hide_secrets(const struct source *s, struct diag *d)
{
	/* Most files hold none of these, and memmem is fast; odd mixtures of cases are left to
	 * push(). */
	static const char *const hints[] = { "rivate", "RIVATE", "hared", "HARED" };
	const char *p = s->text, *end = s->text + s->len;
	struct pos pos = { .source = s };
	bool found = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(hints); i++)
		found = found || memmem(p, s->len, hints[i], strlen(hints[i]));
	if (!found)
		return;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *eol = nl ? nl : end;
		const char *word = secret_word(p, (size_t)(eol - p));

		pos.line++;
		if (word) {
			for (pos.col = 1; p < word; p++)
				pos.col += ((unsigned char)*p & 0xc0) != 0x80;
			diag_hide(d, pos, eol - word < 20 ? pos.line + 1 : pos.line);
		}
		p = eol + 1;
	}
}

/* The tree. */

static struct pos mark_pos(const struct reader *r, const yaml_mark_t *m)
{
	return (struct pos){ .source = r->source,
			     .line = (uint32_t)m->line + 1,
			     .col = (uint32_t)m->column + 1 };
}

static struct pos event_pos(const struct reader *r, const yaml_event_t *ev)
{
	struct pos pos = mark_pos(r, &ev->start_mark);

	if (ev->end_mark.line == ev->start_mark.line)
		pos.width = (uint32_t)(ev->end_mark.column - ev->start_mark.column);
	return pos;
}

static struct yaml_node make_node(const struct reader *r, enum yaml_kind kind,
				  const yaml_event_t *ev)
{
	struct pos pos = event_pos(r, ev);

	return (struct yaml_node){
		.source = r->source,
		.kind = (uint8_t)kind,
		.line = pos.line,
		.col = pos.col,
		.width = pos.width > UINT16_MAX ? UINT16_MAX : (uint16_t)pos.width,
	};
}

#define CHUNK ((size_t)16 << 10)

static const char *keep_text(struct reader *r, const char *s, size_t len)
{
	char *p;

	if (len >= r->chunk_left) {
		size_t size = len + 1 > CHUNK ? len + 1 : CHUNK;

		/* A short file needs no whole chunk. */
		if (!r->chunk && r->source->len < CHUNK && len < r->source->len)
			size = r->source->len + 1;
		p = arena_alloc(r->arena, size);
		if (!p)
			return NULL;
		r->chunk = p;
		r->chunk_left = size;
	}
	p = r->chunk;
	memcpy(p, s, len);
	p[len] = '\0';
	r->chunk += len + 1;
	r->chunk_left -= len + 1;
	return p;
}

/* True when the next finished node is a value whose key, already pending, names a secret. */
static bool at_secret(const struct reader *r)
{
	const struct frame *f;
	const struct yaml_node *key;

	if (!r->depth)
		return false;
	f = &r->stack[r->depth - 1];
	if (f->node.kind != YAML_NODE_MAP || (r->n_pending - f->base) % 2 == 0)
		return false;
	key = &r->pending[r->n_pending - 1];
	return key->kind == YAML_NODE_SCALAR && secret_word(key->text, key->n);
}

static int push(struct reader *r, struct yaml_node n, const yaml_mark_t *end)
{
	if (!r->depth) {
		r->root = n;
		return 0;
	}
	if (at_secret(r)) {
		const struct yaml_node *key = &r->pending[r->n_pending - 1];
		struct pos from = yaml_pos(key);

		from.col += from.width;
		diag_hide(r->diag, from, (uint32_t)end->line + 1);
		n = (struct yaml_node){
			.source = n.source, .line = n.line, .col = n.col, .kind = YAML_NODE_BAD
		};
	}
	if (r->n_pending == r->cap_pending) {
		size_t cap = r->cap_pending ? r->cap_pending * 2 : 64;
		struct yaml_node *p = realloc(r->pending, cap * sizeof(*p));

		if (!p)
			return -1;
		r->pending = p;
		r->cap_pending = cap;
	}
	r->pending[r->n_pending++] = n;
	return 0;
}

static bool check_key(struct reader *r, const struct yaml_node *key)
{
	struct diag_entry *e;

	if (key->kind == YAML_NODE_BAD)
		return false;
	if (key->kind != YAML_NODE_SCALAR) {
		e = diag_error(r->diag, yaml_pos(key), "a key must be a word, not a %s",
			       key->kind == YAML_NODE_LIST ? "list" : "mapping");
		diag_help(r->diag, e, "quote it if it begins with '[', '{' or '?'");
		return false;
	}
	if ((key->flags & YAML_PLAIN) && !strcmp(key->text, "<<")) {
		e = diag_error(r->diag, yaml_pos(key), "merge keys (`<<`) are not accepted");
		diag_help(r->diag, e, "write the keys out");
		return false;
	}
	if (secret_word(key->text, key->n)) {
		char shown[YAML_SHOWN];

		e = diag_error(r->diag, yaml_pos(key),
			       "`%s`: secret keys never belong in the repository",
			       yaml_show(key, shown));
		diag_help(
			r->diag, e,
			"remove it, and replace that key everywhere: it may already be in the history. "
			"The agent makes a node's private key and keeps it on the node");
		return false;
	}
	if (!key->n) {
		diag_error(r->diag, yaml_pos(key), "an empty key");
		return false;
	}
	return true;
}

void yaml_duplicate(struct diag *d, const struct yaml_node *again, struct pos first)
{
	char shown[YAML_SHOWN];
	struct diag_entry *e =
		diag_error(d, yaml_pos(again), "`%s` is given twice", yaml_show(again, shown));

	diag_other(d, e, first, "it is given here already");
}

static int cmp_text(const struct yaml_node *a, const struct yaml_node *b)
{
	size_t len = a->n < b->n ? a->n : b->n;
	int c = memcmp(a->text, b->text, len);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static void merge_halves(const struct yaml_pair *pairs, uint32_t *idx, uint32_t *tmp, uint32_t n)
{
	uint32_t half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	merge_halves(pairs, idx, tmp, half);
	merge_halves(pairs, idx + half, tmp, n - half);
	if (cmp_text(&pairs[idx[half - 1]].key, &pairs[idx[half]].key) <= 0)
		return; /* sorted already, as people and generators write it */
	memcpy(tmp, idx, half * sizeof(*tmp));
	while (i < half && j < n)
		idx[k++] =
			cmp_text(&pairs[tmp[i]].key, &pairs[idx[j]].key) <= 0 ? tmp[i++] : idx[j++];
	while (i < half)
		idx[k++] = tmp[i++];
}

uint32_t *yaml_sort(const struct yaml_pair *pairs, uint32_t n)
{
	uint32_t *idx = malloc(((size_t)n + n / 2 + 1) * sizeof(*idx)), i;

	if (!idx)
		return NULL;
	for (i = 0; i < n; i++)
		idx[i] = i;
	merge_halves(pairs, idx, idx + n, n);
	return idx;
}

static bool has_duplicates(const struct yaml_pair *pairs, uint32_t n)
{
	uint32_t i, j;

	if (n <= 16) {
		for (i = 1; i < n; i++)
			for (j = 0; j < i; j++)
				if (pairs[i].key.n == pairs[j].key.n &&
				    !cmp_text(&pairs[i].key, &pairs[j].key))
					return true;
		return false;
	}
	for (i = 1; i < n; i++)
		if (cmp_text(&pairs[i - 1].key, &pairs[i].key) >= 0)
			return true; /* or merely not sorted: the caller finds out */
	return false;
}

/* Tells all keys that stand there before, marks them bad. */
static int find_duplicates(struct reader *r, struct yaml_pair *pairs, uint32_t n)
{
	uint32_t *idx, i, first = 0;

	if (!has_duplicates(pairs, n))
		return 0;
	idx = yaml_sort(pairs, n);
	if (!idx)
		return -1;
	for (i = 1; i < n; i++) {
		if (cmp_text(&pairs[idx[first]].key, &pairs[idx[i]].key)) {
			first = i;
			continue;
		}
		yaml_duplicate(r->diag, &pairs[idx[i]].key, yaml_pos(&pairs[idx[first]].key));
	}
	for (i = n; i-- > 1;)
		if (!cmp_text(&pairs[idx[i - 1]].key, &pairs[idx[i]].key))
			pairs[idx[i]].value.kind = pairs[idx[i]].key.kind = YAML_NODE_BAD;
	free(idx);
	return 0;
}

static uint32_t drop_bad_keys(struct yaml_pair *pairs, uint32_t n)
{
	uint32_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (pairs[i].key.kind != YAML_NODE_BAD)
			pairs[kept++] = pairs[i];
	return kept;
}

static int finish_map(struct reader *r, struct yaml_node *map, const struct yaml_node *entries,
		      size_t n)
{
	uint32_t i, kept;

	map->n = (uint32_t)(n / 2);
	map->pairs = arena_array(r->arena, map->n, sizeof(*map->pairs));
	if (!map->pairs)
		return -1;
	/* No entries, no pairs: NULL only with n of 0. */
	for (i = 0; entries && i < map->n; i++) {
		map->pairs[i] =
			(struct yaml_pair){ .key = entries[2 * i], .value = entries[2 * i + 1] };
		if (!check_key(r, &map->pairs[i].key))
			map->pairs[i].key.kind = YAML_NODE_BAD;
	}
	kept = drop_bad_keys(map->pairs, map->n);
	/* What was refused may have been the key that is looked for later: `Private_key` for
	 * `public_key`, say. */
	if (kept < map->n)
		map->flags |= YAML_PARTIAL;
	map->n = kept;
	if (find_duplicates(r, map->pairs, map->n) < 0)
		return -1;
	map->n = drop_bad_keys(map->pairs, map->n);
	return 0;
}

static int close_collection(struct reader *r, const yaml_mark_t *end)
{
	struct frame f = r->stack[--r->depth];
	size_t n = r->n_pending - f.base;
	const struct yaml_node *entries = n ? r->pending + f.base : NULL;

	r->n_pending = f.base;
	if (f.node.kind == YAML_NODE_MAP) {
		if (finish_map(r, &f.node, entries, n) < 0)
			return -1;
	} else {
		f.node.n = (uint32_t)n;
		f.node.items = arena_array(r->arena, n, sizeof(*f.node.items));
		if (!f.node.items)
			return -1;
		if (n)
			memcpy(f.node.items, entries, n * sizeof(*entries));
	}
	if (end->line + 1 == f.node.line && end->column + 1 > f.node.col &&
	    end->column - f.node.col < UINT16_MAX)
		f.node.width = (uint16_t)(end->column + 1 - f.node.col);
	return push(r, f.node, end);
}

/* What stands so far becomes the tree: the values in it are checked all the same. */
static void close_all(struct reader *r)
{
	while (r->depth) {
		struct frame *f = &r->stack[r->depth - 1];

		f->node.flags |= YAML_PARTIAL;
		if (f->node.kind == YAML_NODE_MAP && (r->n_pending - f->base) % 2)
			r->n_pending--;
		if (close_collection(r, &r->last) < 0) {
			diag_nomem(r->diag);
			return;
		}
	}
}

static void refuse_properties(struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor,
			      const yaml_char_t *tag)
{
	struct pos pos = mark_pos(r, &ev->start_mark);

	if (anchor)
		diag_help(r->diag,
			  diag_error(r->diag, pos, "YAML anchors (`&name`) are not accepted"),
			  "write the value out");
	if (tag)
		diag_help(r->diag, diag_error(r->diag, pos, "YAML tags (`!tag`) are not accepted"),
			  "remove the tag: the key decides which type its value has");
}

static int take_open(struct reader *r, const yaml_event_t *ev, enum yaml_kind kind)
{
	if (kind == YAML_NODE_MAP)
		refuse_properties(r, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
	else
		refuse_properties(r, ev, ev->data.sequence_start.anchor,
				  ev->data.sequence_start.tag);
	if (r->depth == MAX_YAML_DEPTH) {
		struct diag_entry *e = diag_error(r->diag, event_pos(r, ev),
						  "more than %d levels of nesting", MAX_YAML_DEPTH);

		diag_help(r->diag, e,
			  "a network needs six at most; the rest of the file was not read");
		return 1;
	}
	r->stack[r->depth++] =
		(struct frame){ .node = make_node(r, kind, ev), .base = r->n_pending };
	/* The start event of a flow collection covers its bracket; of a block collection, nothing.
	 */
	if (r->depth > r->stats.depth)
		r->stats.depth = r->depth;
	return 0;
}

/* A character that the value of a scalar may not hold (escapes and folding make what the bytes of
 * the file do not show). */
static bool has_bad_character(const char *s, size_t len, uint32_t *ret)
{
	size_t i = 0, n;
	uint32_t c;

	while (i < len) {
		if (s[i] >= 0x20 && s[i] < 0x7f) {
			i++;
			continue;
		}
		n = text_decode(s + i, len - i, &c);
		if (!n || is_control(c) || is_odd_break(c) || is_invisible(c)) {
			*ret = c;
			return true;
		}
		i += n;
	}
	return false;
}

static int take_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct yaml_node n = make_node(r, YAML_NODE_SCALAR, ev);
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct pos pos = yaml_pos(&n);
	struct diag_entry *e = NULL;
	uint32_t c = 0;

	refuse_properties(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		n.flags |= YAML_PLAIN;
	if (len > MAX_YAML_SCALAR) {
		e = diag_error(r->diag, pos, "a value of %zu bytes; the longest accepted is %d",
			       len, MAX_YAML_SCALAR);
		n.kind = YAML_NODE_BAD;
	} else if (has_bad_character(text, len, &c)) {
		if (at_secret(r)) {
			/* push hides it; check_key tells what matters. */
		} else if (c == '\n') {
			e = diag_error(r->diag, pos, "a value of several lines");
			diag_help(r->diag, e, "write it in one line, in quotes");
		} else if (c == '\t') {
			e = diag_error(r->diag, pos, "a value with a tab");
			diag_help(r->diag, e, "write a space");
		} else if (!is_invisible(c)) {
			e = diag_error(r->diag, pos, "a value with a control character (U+%04X)",
				       c);
			diag_help(r->diag, e, "remove it");
		} else if (ev->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE) {
			/* Perhaps told already for the bytes of the file, but "\u202e" is told only
			 * here. */
			e = diag_error(
				r->diag, pos,
				"a value with an invisible or bidirectional character (U+%04X)", c);
			diag_help(r->diag, e, "remove it");
		}
		n.kind = YAML_NODE_BAD;
	} else {
		n.n = (uint32_t)len;
		n.text = keep_text(r, text, len);
		if (!n.text)
			return -1;
	}
	return push(r, n, &ev->end_mark);
}

/* Returns 0 to go on, 1 at the end, 2 to stop early (told already), -1 when out of memory. */
static int take(struct reader *r, const yaml_event_t *ev)
{
	struct diag_entry *e;

	switch (ev->type) {
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_DOCUMENT_START_EVENT:
		if (!r->documents++)
			return 0;
		e = diag_error(r->diag, event_pos(r, ev), "a second YAML document in one file");
		diag_help(r->diag, e, "put it into a file of its own");
		return 2;
	case YAML_ALIAS_EVENT:
		e = diag_error(r->diag, event_pos(r, ev),
			       "YAML aliases (`*name`) are not accepted");
		diag_help(r->diag, e, "write the value out");
		return push(r, make_node(r, YAML_NODE_BAD, ev), &ev->end_mark);
	case YAML_SCALAR_EVENT:
		return take_scalar(r, ev);
	case YAML_SEQUENCE_START_EVENT:
		return take_open(r, ev, YAML_NODE_LIST) ? 2 : 0;
	case YAML_MAPPING_START_EVENT:
		return take_open(r, ev, YAML_NODE_MAP) ? 2 : 0;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_collection(r, &ev->end_mark);
	default:
		return 0;
	}
}

/* Syntax errors, in words for people. */

struct saying {
	const char *context, *problem; /* libyaml's words (0.2.5); context NULL: any */
	const char *msg, *help;
};

static const struct saying sayings[] = {
	{ NULL, "mapping values are not allowed in this context", "a `:` where no key can stand",
	  "is the line above indented differently, or does a value hold ': ' and need quotes?" },
	{ NULL, "block sequence entries are not allowed in this context",
	  "a `-` where no list can begin",
	  "begin the list on a line of its own, indented below its key" },
	{ NULL, "mapping keys are not allowed in this context", "a `?` where no key can stand",
	  "quote it if it is text" },
	{ "while scanning a simple key", "could not find expected ':'", "a key without `:`",
	  "write `key: value` with a space behind the colon" },
	{ NULL, "did not find expected ',' or ']'",
	  "a list in brackets that is not closed, or lacks a comma", "end it with ']'" },
	{ NULL, "did not find expected ',' or '}'",
	  "a mapping in braces that is not closed, or lacks a comma", "end it with '}'" },
	{ NULL, "did not find expected key",
	  "this line is indented neither like the keys above nor like their values",
	  "indent all keys of a mapping alike, with spaces" },
	{ NULL, "did not find expected '-' indicator",
	  "an entry of this list does not begin with `- `", "indent all entries of a list alike" },
	{ NULL, "did not find expected node content",
	  "a value is missing here, or a bracket further up is not closed", NULL },
	{ NULL, "did not find expected <document start>",
	  "something stands behind the end of the document", NULL },
	{ NULL, "found unexpected ':'", "a value inside brackets cannot end with `:`",
	  "put it in quotes, or write what is missing behind it" },
	{ NULL, "found unexpected end of stream", "a quote that is opened is never closed", NULL },
	{ NULL, "found unexpected document indicator", "a quote that is opened is never closed",
	  NULL },
	{ NULL, "found unknown escape character", "an escape that YAML does not know",
	  "in single quotes '\\' is just a character" },
	{ NULL, "did not find expected hexdecimal number", "an escape that YAML does not know",
	  "in single quotes '\\' is just a character" },
	{ NULL, "found invalid Unicode character escape code", "an escape for no character", NULL },
	{ NULL, "found a tab character that violates indentation", "a tab in the indentation",
	  "indent with spaces" },
	{ NULL, "found a tab character where an indentation space is expected",
	  "a tab in the indentation", "indent with spaces" },
	{ "while scanning an anchor", NULL, "YAML anchors (`&name`) are not accepted",
	  "quote text that begins with '&'" },
	{ "while scanning an alias", NULL, "YAML aliases (`*name`) are not accepted",
	  "quote text that begins with '*'" },
	{ "while parsing a tag", NULL, "YAML tags (`!tag`) are not accepted",
	  "quote text that begins with '!'" },
	{ "while scanning a tag", NULL, "YAML tags (`!tag`) are not accepted",
	  "quote text that begins with '!'" },
	{ "while scanning a block scalar", NULL, "a badly formed block of text",
	  "write the text in one line, in quotes" },
	{ NULL, "found undefined tag handle", "YAML tags (`!tag`) are not accepted",
	  "quote text that begins with '!'" },
};

static const struct saying *find_saying(const yaml_parser_t *p)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(sayings); i++) {
		const struct saying *s = &sayings[i];

		if (s->context && (!p->context || strcmp(p->context, s->context)))
			continue;
		if (s->problem && (!p->problem || strcmp(p->problem, s->problem)))
			continue;
		return s;
	}
	return NULL;
}

/* The byte at a mark and the start of its line. libyaml's own offset counts characters. */
static const char *find_mark(const struct source *s, const yaml_mark_t *m, const char **ret_line)
{
	const char *p = s->text, *end = s->text + s->len;
	size_t line = m->line, col = m->column;

	while (line-- && p < end) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
	*ret_line = p;
	while (col-- && p < end) {
		p++;
		while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
			p++;
	}
	return p;
}

/* What stands around a mark. */
struct around {
	char c; /* the byte at it; NUL at the end of the file */
	bool tab; /* there is a tab in the indentation of the line, before the mark or at it */
	bool first; /* nothing but blanks stands before it in the line */
	bool quote; /* a quote stands right before it */
};

static struct around look_around(const struct source *s, const yaml_mark_t *m)
{
	const char *p, *mark = find_mark(s, m, &p);
	struct around ret = { .c = mark < s->text + s->len ? *mark : '\0' };

	ret.quote = mark > p && (mark[-1] == '"' || mark[-1] == '\'');
	for (; p < mark && (*p == ' ' || *p == '\t'); p++)
		ret.tab |= *p == '\t';
	ret.first = p == mark;
	ret.tab |= ret.first && ret.c == '\t';
	return ret;
}

/* Behind the last text of a file: libyaml's own mark is in the line behind it, which may not be
 * there. */
static struct pos last_place(const struct source *s)
{
	size_t len = s->len;

	while (len && (s->text[len - 1] == '\n' || s->text[len - 1] == '\r'))
		len--;
	return place_of(s, len);
}

/* `[2001:db8::1]:51820` without quotes, in the line of a mark that lies in it. */
struct bracketed {
	size_t key, from, end; /* offsets of the key's word, of the '[', behind the port */
};

static bool find_bracketed(const struct source *s, const yaml_mark_t *m, struct bracketed *ret)
{
	const char *line, *mark = find_mark(s, m, &line), *end = s->text + s->len, *p, *q;
	struct ipaddr a;

	p = memrchr(line, '[', (size_t)(mark - line) + (mark < end));
	for (q = p; q && q < end && *q != ']' && *q != '\n'; q++)
		;
	if (!p || end - q < 3 || *q != ']' || q[1] != ':' || q[2] < '0' || q[2] > '9' ||
	    ipaddr_parse(p + 1, (size_t)(q - p - 1), &a) < 0 || a.family != 6)
		return false;
	ret->from = (size_t)(p - s->text);
	for (q += 2; q < end && *q >= '0' && *q <= '9'; q++)
		;
	ret->end = (size_t)(q - s->text);
	while (p > line && (p[-1] == ' ' || p[-1] == ':'))
		p--;
	while (p > line && (p[-1] == '_' || (p[-1] >= 'a' && p[-1] <= 'z')))
		p--;
	ret->key = (size_t)(p - s->text);
	return mark <= q;
}

/* The list that the brackets made is part of the same mistake. */
static void forget_list(struct reader *r, const struct pos *pos)
{
	struct yaml_node *n = NULL;

	if (r->depth && r->stack[r->depth - 1].node.kind == YAML_NODE_LIST)
		n = &r->stack[r->depth - 1].node;
	if (n && n->line == pos->line && n->col == pos->col)
		n->kind = YAML_NODE_BAD;
	n = r->n_pending ? &r->pending[r->n_pending - 1] : NULL;
	if (n && n->kind == YAML_NODE_LIST && n->line == pos->line && n->col == pos->col)
		n->kind = YAML_NODE_BAD;
}

static bool tell_bracketed(struct reader *r)
{
	const char *text = r->source->text;
	struct bracketed b;
	struct pos pos;

	if (!find_bracketed(r->source, &r->parser.problem_mark, &b))
		return false;
	pos = place_of(r->source, b.from);
	pos.width = (uint32_t)(b.end - b.from);
	forget_list(r, &pos);
	diag_help(r->diag,
		  diag_error(r->diag, pos, "without quotes `[` begins a list, not an address"),
		  "write it in quotes: `%.*s\"%.*s\"`", (int)(b.from - b.key), text + b.key,
		  (int)pos.width, text + b.from);
	return true;
}

static bool problem_is(const yaml_parser_t *p, const char *problem)
{
	return p->problem && !strcmp(p->problem, problem);
}

static void tell_syntax_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct pos pos = mark_pos(r, &p->problem_mark);
	const struct saying *s = find_saying(p);
	struct around at = look_around(r->source, &p->problem_mark);
	struct diag_entry *e;

	if (tell_bracketed(r))
		return;
	if (!at.c && !p->problem_mark.column)
		pos = last_place(r->source);
	if (at.tab) {
		e = diag_error(r->diag, pos, "a tab in the indentation");
		diag_help(r->diag, e, "indent with spaces");
	} else if (problem_is(p, "found character that cannot start any token")) {
		e = diag_error(r->diag, pos, "a value cannot begin with `%c`", at.c);
		diag_help(r->diag, e, "put it in quotes");
	} else if (problem_is(p, "did not find expected node content") && at.c == ':') {
		e = diag_error(r->diag, pos, "a value inside brackets cannot begin with `:`");
		diag_help(r->diag, e, "put it in quotes: \"::1\"");
	} else if (problem_is(p, "did not find expected key") && (at.c == '}' || at.c == ']')) {
		e = diag_error(r->diag, pos, "a `%c` that closes nothing", at.c);
	} else if (problem_is(p, "did not find expected key") && !at.first) {
		e = diag_error(r->diag, pos, "something stands behind the end of a value");
		diag_help(r->diag, e,
			  at.quote ? "a ' inside single quotes is written twice: 'it''s'" :
				     "put the whole value in quotes if it is text");
	} else if (s) {
		e = diag_error(r->diag, pos, "%s", s->msg);
		if (s->help)
			diag_help(r->diag, e, "%s", s->help);
	} else {
		e = diag_error(r->diag, pos, "not YAML: %s",
			       p->problem ? p->problem : "unknown problem");
	}
	if (p->context && (p->context_mark.line != p->problem_mark.line ||
			   p->context_mark.column != p->problem_mark.column))
		diag_other(r->diag, e, mark_pos(r, &p->context_mark), "it began here");
}

static void tell_parser_error(struct reader *r)
{
	struct diag_entry *e;

	if (r->gap) {
		e = diag_error(r->diag, mark_pos(r, &r->last),
			       "one value or comment of more than %u MiB begins behind here",
			       MAX_YAML_GAP >> 20);
		diag_help(r->diag, e, "the rest of the file was not read");
		return;
	}
	switch (r->parser.error) {
	case YAML_SCANNER_ERROR:
	case YAML_PARSER_ERROR:
		tell_syntax_error(r);
		break;
	case YAML_READER_ERROR:
		/* check_bytes leaves nothing that the reader refuses; fail closed all the same. */
		diag_error(r->diag, mark_pos(r, &r->parser.mark), "not YAML: %s",
			   r->parser.problem ? r->parser.problem : "unreadable");
		break;
	default:
		diag_nomem(r->diag);
		break;
	}
}

static int give_bytes(void *data, unsigned char *out, size_t size, size_t *ret_size)
{
	struct reader *r = data;
	size_t left = r->source->len - r->given;

	if (r->given - r->given_at_event > MAX_YAML_GAP) {
		r->gap = true;
		return 0;
	}
	if (size > left)
		size = left;
	if (size)
		memcpy(out, r->source->text + r->given, size);
	r->given += size;
	*ret_size = size;
	return 1;
}

static int read_events(struct reader *r)
{
	int rc = 0;

	while (!rc) {
		yaml_event_t ev;

		if (r->stats.events == MAX_YAML_EVENTS) {
			diag_error(r->diag, mark_pos(r, &r->last),
				   "more than %u YAML events in the files of one network",
				   MAX_YAML_EVENTS);
			return 2;
		}
		if (!yaml_parser_parse(&r->parser, &ev)) {
			tell_parser_error(r);
			return 2;
		}
		r->stats.events++;
		r->given_at_event = r->given;
		rc = take(r, &ev);
		r->last = ev.end_mark;
		yaml_event_delete(&ev);
	}
	if (rc < 0)
		diag_nomem(r->diag);
	return rc;
}

static int check_root(struct reader *r, bool whole)
{
	struct pos pos = { .source = r->source, .line = 1, .col = 1 };
	struct diag_entry *e;

	if (!whole && (!r->root.source || r->root.kind != YAML_NODE_MAP))
		return -1;
	if (!r->documents ||
	    (r->root.kind == YAML_NODE_SCALAR && !r->root.n && (r->root.flags & YAML_PLAIN))) {
		e = diag_error(r->diag, pos, "the file says nothing");
		diag_help(r->diag, e, "remove it, or begin with `version: 1`");
		return -1;
	}
	if (r->root.kind != YAML_NODE_MAP) {
		if (r->root.kind != YAML_NODE_BAD) {
			e = diag_error(r->diag, yaml_pos(&r->root),
				       "the file is a %s; it must be a mapping",
				       r->root.kind == YAML_NODE_LIST ? "list" : "single value");
			diag_help(r->diag, e,
				  "write `key: value` lines, beginning with `version: 1`");
		}
		return -1;
	}
	return whole ? 0 : -1;
}

int yaml_read(const struct source *s, struct arena *a, struct diag *d, struct yaml_node *ret,
	      struct yaml_stats *stats)
{
	struct reader *r;
	int rc = -1;

	*ret = (struct yaml_node){ .source = s, .line = 1, .col = 1, .kind = YAML_NODE_BAD };
	if (s->len > MAX_YAML_FILE) {
		diag_error(d, (struct pos){ .source = s },
			   "the file has %zu bytes; the largest accepted is %u MiB", s->len,
			   MAX_YAML_FILE >> 20);
		return -1;
	}
	hide_secrets(s, d);
	if (!check_encoding(s, d) || !check_conflict(s, d) || !check_bytes(s, d))
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r || !yaml_parser_initialize(&r->parser)) {
		free(r);
		diag_nomem(d);
		return -1;
	}
	r->source = s;
	r->arena = a;
	r->diag = d;
	r->stats = *stats;
	yaml_parser_set_input(&r->parser, give_bytes, r);
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	rc = read_events(r);
	if (rc >= 0) {
		bool whole = rc == 1;

		close_all(r);
		rc = check_root(r, whole);
		if (r->root.kind == YAML_NODE_MAP)
			*ret = r->root;
	}
	*stats = r->stats;
	yaml_parser_delete(&r->parser);
	free(r->pending);
	free(r);
	return rc < 0 ? -1 : 0;
}
