/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/diag.h"

#include <stdarg.h>

#include "common/limits.h"
#include "common/text.h"

/* Columns of an excerpt; a longer line is cut around the place. */
#define EXCERPT 120

struct diag_hidden {
	struct pos from;
	uint32_t last_line;
};

void diag_init(struct diag *d, struct arena *arena)
{
	*d = (struct diag){ .arena = arena };
}

static char *format(struct arena *a, const char *fmt, va_list ap)
{
	struct buf b;
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	buf_init(&b, MAX_YAML_SCALAR * 2);
	p = n < 0 ? NULL : buf_reserve(&b, (size_t)n);
	if (p) {
		vsnprintf(p, (size_t)n + 1, fmt, again);
		b.len += (size_t)n;
	}
	va_end(again);
	p = p ? arena_strndup(a, b.data, b.len) : NULL;
	buf_release(&b);
	return p;
}

static struct diag_entry *add(struct diag *d, enum diag_severity severity, struct pos pos,
			      const char *fmt, va_list ap)
{
	struct diag_entry *entries, *e;

	if (severity == DIAG_ERROR)
		d->errors++;
	else
		d->warnings++;
	if (d->n >= MAX_DIAGS)
		return NULL;
	entries = arena_grow(d->arena, d->entries, d->n, sizeof(*entries));
	if (!entries) {
		d->nomem = true;
		return NULL;
	}
	d->entries = entries;
	e = &entries[d->n];
	*e = (struct diag_entry){ .severity = severity, .pos = pos, .order = d->n };
	e->msg = format(d->arena, fmt, ap);
	if (!e->msg) {
		d->nomem = true;
		return NULL;
	}
	d->n++;
	return e;
}

struct diag_entry *diag_error(struct diag *d, struct pos pos, const char *fmt, ...)
{
	struct diag_entry *e;
	va_list ap;

	va_start(ap, fmt);
	e = add(d, DIAG_ERROR, pos, fmt, ap);
	va_end(ap);
	return e;
}

struct diag_entry *diag_warn(struct diag *d, struct pos pos, const char *fmt, ...)
{
	struct diag_entry *e;
	va_list ap;

	va_start(ap, fmt);
	e = add(d, DIAG_WARNING, pos, fmt, ap);
	va_end(ap);
	return e;
}

void diag_help(struct diag *d, struct diag_entry *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	e->help = format(d->arena, fmt, ap);
	va_end(ap);
}

void diag_other(struct diag *d, struct diag_entry *e, struct pos other, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return;
	e->other = other;
	va_start(ap, fmt);
	e->other_msg = format(d->arena, fmt, ap);
	va_end(ap);
}

void diag_nomem(struct diag *d)
{
	d->nomem = true;
	d->errors++;
}

void diag_hide(struct diag *d, struct pos from, uint32_t last_line)
{
	struct diag_hidden *hidden = arena_grow(d->arena, d->hidden, d->n_hidden, sizeof(*hidden));

	if (!hidden) {
		d->nomem = true;
		return;
	}
	hidden[d->n_hidden++] = (struct diag_hidden){ .from = from, .last_line = last_line };
	d->hidden = hidden;
}

/* The first column of this line that must not be shown, or 0. */
static uint32_t hidden_from(const struct diag *d, const struct pos *pos)
{
	uint32_t col = 0, c;
	size_t i;

	for (i = 0; i < d->n_hidden; i++) {
		const struct diag_hidden *h = &d->hidden[i];

		if (h->from.source != pos->source || pos->line < h->from.line ||
		    pos->line > h->last_line)
			continue;
		c = pos->line == h->from.line ? h->from.col : 1;
		if (!col || c < col)
			col = c;
	}
	return col;
}

void diag_strict(struct diag *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		d->entries[i].severity = DIAG_ERROR;
	d->errors += d->warnings;
	d->warnings = 0;
}

static int cmp_entries(const void *pa, const void *pb)
{
	const struct diag_entry *a = pa, *b = pb;
	int c;

	if (!a->pos.source || !b->pos.source)
		c = !!a->pos.source - !!b->pos.source;
	else
		c = strcmp(a->pos.source->path, b->pos.source->path);
	if (!c)
		c = a->pos.line < b->pos.line ? -1 : a->pos.line > b->pos.line;
	if (!c)
		c = a->pos.col < b->pos.col ? -1 : a->pos.col > b->pos.col;
	if (!c)
		c = a->order < b->order ? -1 : a->order > b->order;
	return c;
}

static const char *line_start(const struct source *s, uint32_t line, size_t *ret_len)
{
	const char *p = s->text, *end = s->text + s->len, *nl;

	while (--line && p) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (p)
			p++;
	}
	if (!p)
		return NULL;
	nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	*ret_len = (size_t)((nl ? nl : end) - p);
	return p;
}

/* Bytes that the first `chars` characters of a UTF-8 line take. */
static size_t skip_chars(const char *s, size_t len, size_t chars)
{
	size_t i = 0;

	while (i < len && chars) {
		i++;
		while (i < len && ((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
		chars--;
	}
	return i;
}

/* Further lines stand below the first, so that what they show keeps its own indentation. */
static void render_help(const char *help, struct buf *out)
{
	const char *indent = "  help: ";

	for (;; help++, indent = "        ") {
		size_t len = strcspn(help, "\n");

		buf_adds(out, indent);
		text_safe(out, help, len);
		buf_addc(out, '\n');
		help += len;
		if (!*help)
			return;
	}
}

static void render_excerpt(const struct diag *d, const struct pos *pos, struct buf *out)
{
	size_t len, at, from = 0, width = pos->width ? pos->width : 1, i;
	const char *line = line_start(pos->source, pos->line, &len);
	uint32_t hidden = hidden_from(d, pos);

	if (!line || d->nomem)
		return;
	if (len && line[len - 1] == '\r')
		len--;
	if (hidden)
		len = skip_chars(line, len, hidden - 1);
	at = pos->col ? pos->col - 1 : 0;
	if (at > EXCERPT - 40)
		from = at - (EXCERPT - 40);
	i = skip_chars(line, len, from);
	line += i;
	len -= i;
	len = skip_chars(line, len, EXCERPT);
	at -= from;
	buf_addf(out, "%6u | ", pos->line);
	text_safe(out, line, len);
	if (hidden)
		buf_adds(out, "(hidden)");
	buf_adds(out, "\n       | ");
	for (i = 0; i < at; i++)
		buf_addc(out, ' ');
	buf_addc(out, '^');
	for (i = 1; i < width && at + i < EXCERPT; i++)
		buf_addc(out, '~');
	buf_addc(out, '\n');
}

static void render_place(const struct diag *d, const struct pos *pos, const char *kind,
			 const char *paint, bool colour, const char *msg, struct buf *out)
{
	if (colour)
		buf_adds(out, "\033[1m");
	if (pos->source) {
		text_safe(out, pos->source->path, strlen(pos->source->path));
		if (pos->line)
			buf_addf(out, ":%u:%u", pos->line, pos->col);
		buf_adds(out, ": ");
	}
	if (colour)
		buf_adds(out, paint);
	buf_adds(out, kind);
	buf_adds(out, ": ");
	if (colour)
		buf_adds(out, "\033[0m");
	text_safe(out, msg, strlen(msg));
	buf_addc(out, '\n');
	if (pos->source && pos->line)
		render_excerpt(d, pos, out);
}

void diag_render(struct diag *d, bool colour, struct buf *out)
{
	size_t i, all = d->errors + d->warnings;

	if (d->n > 1)
		qsort(d->entries, d->n, sizeof(*d->entries), cmp_entries);
	for (i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];

		if (e->severity == DIAG_ERROR)
			render_place(d, &e->pos, "error", "\033[31m", colour, e->msg, out);
		else
			render_place(d, &e->pos, "warning", "\033[35m", colour, e->msg, out);
		if (e->other.source && e->other_msg)
			render_place(d, &e->other, "note", "\033[36m", colour, e->other_msg, out);
		if (e->help)
			render_help(e->help, out);
	}
	if (all > d->n)
		buf_addf(out, "%zu more error%s or warning%s not shown\n", all - d->n,
			 all - d->n == 1 ? "" : "s", all - d->n == 1 ? "" : "s");
}
