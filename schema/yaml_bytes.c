/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml_impl.h"

#include "common/text.h"

/* Bad characters told per file; the rest of such a file is most often the same. */
#define MAX_BAD_CHARACTERS 8

struct pos yaml_place(const struct source *s, size_t offset)
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
bool yaml_is_invisible(uint32_t c)
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
		e = diag_error(d, yaml_place(s, at), "byte 0x%02x is not UTF-8",
			       (unsigned char)s->text[at]);
		diag_help(d, e, "save the file as UTF-8");
		/* One error for all of such a run. */
		while (at + *ret_len < s->len && (s->text[at + *ret_len] & 0x80))
			++*ret_len;
	} else if (c == '\r') {
		if (at + 1 < s->len && s->text[at + 1] == '\n')
			return true;
		e = diag_error(d, yaml_place(s, at), "a carriage return without a line feed");
		diag_help(d, e, "end lines with a line feed");
	} else if (is_odd_break(c)) {
		e = diag_error(d, yaml_place(s, at),
			       "a line break U+%04X that most programs do not take for one", c);
		diag_help(d, e, "end lines with a line feed");
	} else if (is_control(c)) {
		e = diag_error(d, yaml_place(s, at), "a control character (U+%04X)", c);
		diag_help(d, e, "remove it");
	} else if (yaml_is_invisible(c)) {
		e = diag_error(d, yaml_place(s, at),
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

static bool check_characters(const struct source *s, struct diag *d)
{
	const char *t = s->text;
	unsigned int told = 0;
	bool ok = true;
	size_t i = 0, n;

	while (i < s->len && told < MAX_BAD_CHARACTERS) {
		if (t[i] == '%' && (!i || t[i - 1] == '\n')) {
			struct pos pos = yaml_place(s, i);
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

bool yaml_check_bytes(const struct source *s, struct diag *d)
{
	return check_encoding(s, d) && check_conflict(s, d) && check_characters(s, d);
}

bool yaml_bad_character(const char *s, size_t len, uint32_t *ret)
{
	size_t i = 0, n;
	uint32_t c;

	while (i < len) {
		if (s[i] >= 0x20 && s[i] < 0x7f) {
			i++;
			continue;
		}
		n = text_decode(s + i, len - i, &c);
		if (!n || is_control(c) || is_odd_break(c) || yaml_is_invisible(c)) {
			*ret = c;
			return true;
		}
		i += n;
	}
	return false;
}
