/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml_error.h"

#include "common/prefix.h"
#include "common/text.h"
#include "schema/yaml_impl.h"

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

struct pos yaml_mark_pos(const struct source *s, const yaml_mark_t *m)
{
	return (struct pos){ .source = s,
			     .line = (uint32_t)m->line + 1,
			     .col = (uint32_t)m->column + 1 };
}

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
	return yaml_place(s, len);
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

static bool tell_bracketed(const struct source *s, const yaml_mark_t *m, struct diag *d,
			   struct pos *ret_list)
{
	const char *text = s->text;
	struct bracketed b;
	struct pos pos;

	if (!find_bracketed(s, m, &b))
		return false;
	pos = yaml_place(s, b.from);
	pos.width = (uint32_t)(b.end - b.from);
	*ret_list = pos;
	diag_help(d, diag_error(d, pos, "without quotes `[` begins a list, not an address"),
		  "write it in quotes: `%.*s\"%.*s\"`", (int)(b.from - b.key), text + b.key,
		  (int)pos.width, text + b.from);
	return true;
}

static bool problem_is(const yaml_parser_t *p, const char *problem)
{
	return p->problem && !strcmp(p->problem, problem);
}

struct pos yaml_tell_error(const struct source *source, const yaml_parser_t *p, struct diag *d)
{
	struct pos pos = yaml_mark_pos(source, &p->problem_mark), list = { 0 };
	const struct saying *s = find_saying(p);
	struct around at = look_around(source, &p->problem_mark);
	struct diag_entry *e;

	if (tell_bracketed(source, &p->problem_mark, d, &list))
		return list;
	if (!at.c && !p->problem_mark.column)
		pos = last_place(source);
	if (at.tab) {
		e = diag_error(d, pos, "a tab in the indentation");
		diag_help(d, e, "indent with spaces");
	} else if (problem_is(p, "found character that cannot start any token")) {
		e = diag_error(d, pos, "a value cannot begin with `%c`", at.c);
		diag_help(d, e, "put it in quotes");
	} else if (problem_is(p, "did not find expected node content") && at.c == ':') {
		e = diag_error(d, pos, "a value inside brackets cannot begin with `:`");
		diag_help(d, e, "put it in quotes: \"::1\"");
	} else if (problem_is(p, "did not find expected key") && (at.c == '}' || at.c == ']')) {
		e = diag_error(d, pos, "a `%c` that closes nothing", at.c);
	} else if (problem_is(p, "did not find expected key") && !at.first) {
		e = diag_error(d, pos, "something stands behind the end of a value");
		diag_help(d, e,
			  at.quote ? "a ' inside single quotes is written twice: 'it''s'" :
				     "put the whole value in quotes if it is text");
	} else if (s) {
		e = diag_error(d, pos, "%s", s->msg);
		if (s->help)
			diag_help(d, e, "%s", s->help);
	} else {
		e = diag_error(d, pos, "not YAML: %s", p->problem ? p->problem : "unknown problem");
	}
	if (p->context && (p->context_mark.line != p->problem_mark.line ||
			   p->context_mark.column != p->problem_mark.column))
		diag_other(d, e, yaml_mark_pos(source, &p->context_mark), "it began here");
	return list;
}
