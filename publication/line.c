/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/line.h"

#include <stdarg.h>

#include "common/limits.h"
#include "common/num.h"

void line_init(struct line_reader *r, const char *data, size_t len)
{
	*r = (struct line_reader){ .p = data, .end = data + len };
}

int line_bad(const struct line_reader *r, struct err *e, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_refuse(e, "BAD-FIELD", "line %zu: %s", r->number, msg);
}

int line_next(struct line_reader *r, struct words *ret, struct err *e)
{
	const char *nl, *p;

	if (r->p == r->end)
		return 0;
	r->number++;
	nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	if (!nl)
		return line_bad(r, e, "the last line has no end");
	if (nl - r->p > (ptrdiff_t)MAX_LINE)
		return line_bad(r, e, "longer than %u bytes", MAX_LINE);
	for (p = r->p; p < nl; p++)
		if (*p < 0x20 || *p > 0x7e)
			return line_bad(r, e, "a byte that is not printable ASCII");
	*ret = (struct words){ .p = r->p, .end = nl };
	r->p = nl + 1;
	return 1;
}

int line_want(struct line_reader *r, struct words *ret, struct err *e)
{
	int got = line_next(r, ret, e);

	if (!got) {
		r->number++;
		return line_bad(r, e, "the document ends too early");
	}
	return got < 0 ? -1 : 0;
}

int line_value(struct line_reader *r, const char *key, const char **ret, size_t *ret_len,
	       struct err *e)
{
	struct words w;

	if (line_want(r, &w, e) < 0)
		return -1;
	if (!words_is(&w, key) || !words_next(&w, ret, ret_len) || !words_end(&w))
		return line_bad(r, e, "'%s VALUE' is wanted", key);
	return 0;
}

int line_number(struct line_reader *r, const char *key, uint64_t max, uint64_t *ret, struct err *e)
{
	const char *s;
	size_t len;

	if (line_value(r, key, &s, &len, e) < 0)
		return -1;
	if (num_parse(s, len, max, ret) < 0)
		return line_bad(r, e, "%s must be a number of at most %llu", key,
				(unsigned long long)max);
	return 0;
}

bool words_next(struct words *w, const char **ret, size_t *ret_len)
{
	const char *blank;

	if (!w->p)
		return false;
	blank = memchr(w->p, ' ', (size_t)(w->end - w->p));
	*ret = w->p;
	*ret_len = (size_t)((blank ? blank : w->end) - w->p);
	w->p = blank ? blank + 1 : NULL;
	return *ret_len > 0;
}

bool words_is(struct words *w, const char *word)
{
	const char *s;
	size_t len;

	return words_next(w, &s, &len) && len == strlen(word) && !memcmp(s, word, len);
}

bool words_field(struct words *w, const char *name, const char **ret, size_t *ret_len)
{
	size_t n = strlen(name);
	struct words old = *w;
	const char *s;
	size_t len;

	if (!words_next(w, &s, &len) || len <= n || memcmp(s, name, n) != 0 || s[n] != '=') {
		*w = old;
		return false;
	}
	*ret = s + n + 1;
	*ret_len = len - n - 1;
	return true;
}

bool words_end(const struct words *w)
{
	return !w->p;
}

bool words_rest(struct words *w, const char **ret, size_t *ret_len)
{
	if (!w->p || w->p == w->end)
		return false;
	*ret = w->p;
	*ret_len = (size_t)(w->end - w->p);
	w->p = NULL;
	return true;
}
