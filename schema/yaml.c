/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml.h"

#include <yaml.h>

#include "common/limits.h"
#include "schema/yaml_error.h"
#include "schema/yaml_impl.h"

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

static struct pos event_pos(const struct reader *r, const yaml_event_t *ev)
{
	struct pos pos = yaml_mark_pos(r->source, &ev->start_mark);

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
	return key->kind == YAML_NODE_SCALAR && yaml_secret_word(key->text, key->n);
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

static int finish_map(struct reader *r, struct yaml_node *map, const struct yaml_node *entries,
		      size_t n)
{
	uint32_t i;

	map->n = (uint32_t)(n / 2);
	map->pairs = arena_array(r->arena, map->n, sizeof(*map->pairs));
	if (!map->pairs)
		return -1;
	/* No entries, no pairs: NULL only with n of 0. */
	for (i = 0; entries && i < map->n; i++)
		map->pairs[i] =
			(struct yaml_pair){ .key = entries[2 * i], .value = entries[2 * i + 1] };
	return yaml_check_keys(map, r->diag);
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
	struct pos pos = yaml_mark_pos(r->source, &ev->start_mark);

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
	} else if (yaml_bad_character(text, len, &c)) {
		if (at_secret(r)) {
			/* push hides it; yaml_check_keys tells what matters. */
		} else if (c == '\n') {
			e = diag_error(r->diag, pos, "a value of several lines");
			diag_help(r->diag, e, "write it in one line, in quotes");
		} else if (c == '\t') {
			e = diag_error(r->diag, pos, "a value with a tab");
			diag_help(r->diag, e, "write a space");
		} else if (!yaml_is_invisible(c)) {
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

static void tell_parser_error(struct reader *r)
{
	struct diag_entry *e;
	struct pos list;

	if (r->gap) {
		e = diag_error(r->diag, yaml_mark_pos(r->source, &r->last),
			       "one value or comment of more than %u MiB begins behind here",
			       MAX_YAML_GAP >> 20);
		diag_help(r->diag, e, "the rest of the file was not read");
		return;
	}
	switch (r->parser.error) {
	case YAML_SCANNER_ERROR:
	case YAML_PARSER_ERROR:
		list = yaml_tell_error(r->source, &r->parser, r->diag);
		if (list.source)
			forget_list(r, &list);
		break;
	case YAML_READER_ERROR:
		/* yaml_check_bytes leaves nothing that the reader refuses; fail closed all the
		 * same. */
		diag_error(r->diag, yaml_mark_pos(r->source, &r->parser.mark), "not YAML: %s",
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
			diag_error(r->diag, yaml_mark_pos(r->source, &r->last),
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
	yaml_hide_secrets(s, d);
	if (!yaml_check_bytes(s, d))
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
