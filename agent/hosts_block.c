/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hosts_block.h"

#include "common/dnsname.h"
#include "common/prefix.h"

#define BEGIN "# BEGIN meshrc "
#define END "# END meshrc "
#define KEPT ": kept by meshrc-agent"
#define ADDED ", after an added line end"

char *hosts_block_tail(const char *network, char out[static HOSTS_TAIL_STRLEN])
{
	snprintf(out, HOSTS_TAIL_STRLEN, "\t# meshrc %s", network);
	return out;
}

enum line_kind { LINE_FOREIGN, LINE_OURS, LINE_BEGIN, LINE_BEGIN_ADDED };

static bool starts(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(s, with, n);
}

static bool is_text(const char *s, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(s, text, len);
}

/* "ADDRESS<tab>NAME" */
static bool is_entry(const char *s, size_t len)
{
	const char *tab = memchr(s, '\t', len);
	struct ipaddr a;

	return tab && !ipaddr_parse(s, (size_t)(tab - s), &a) &&
	       dnsname_is_host(tab + 1, (size_t)(s + len - tab - 1));
}

static enum line_kind kind_of(const char *s, size_t len, const char *network)
{
	char tail[HOSTS_TAIL_STRLEN];
	size_t n;

	/* An editor may have changed the ends of all lines. */
	while (len && (s[len - 1] == '\n' || s[len - 1] == '\r' || s[len - 1] == ' ' ||
		       s[len - 1] == '\t'))
		len--;
	if (starts(s, len, END))
		return is_text(s + strlen(END), len - strlen(END), network) ? LINE_OURS :
									      LINE_FOREIGN;
	if (starts(s, len, BEGIN)) {
		s += strlen(BEGIN);
		len -= strlen(BEGIN);
		n = strlen(network);
		if (!starts(s, len, network) || (len > n && s[n] != ':'))
			return LINE_FOREIGN;
		return is_text(s + n, len - n, KEPT ADDED) ? LINE_BEGIN_ADDED : LINE_BEGIN;
	}
	n = strlen(hosts_block_tail(network, tail));
	return len > n && !memcmp(s + len - n, tail, n) && is_entry(s, len - n) ? LINE_OURS :
										  LINE_FOREIGN;
}

static void put_block(const char *network, bool added, const char *lines, size_t len,
		      struct buf *out)
{
	buf_addf(out, BEGIN "%s" KEPT "%s\n", network, added ? ADDED : "");
	buf_add(out, lines, len);
	buf_addf(out, END "%s\n", network);
}

/* What is somebody else's, into `before` the place of our block and `behind` it. */
struct parting {
	struct buf before, behind;
	bool found; /* there was a part of it */
	bool added; /* and it said that the line end before it is ours */
};

static void part(const char *old, size_t len, const char *network, struct parting *p)
{
	const char *s = old, *end = old + len;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((nl ? nl + 1 : end) - s);
		enum line_kind kind = kind_of(s, n, network);

		if (kind == LINE_FOREIGN)
			buf_add(p->found ? &p->behind : &p->before, s, n);
		p->found |= kind != LINE_FOREIGN;
		p->added |= kind == LINE_BEGIN_ADDED;
		s += n;
	}
}

int hosts_block_edit(const char *old, size_t len, const char *network, const char *lines,
		     size_t lines_len, struct buf *out)
{
	struct parting p = { .found = false };
	struct buf *before = &p.before;
	bool added;
	int r;

	buf_init(&p.before, out->max);
	buf_init(&p.behind, out->max);
	part(old, len, network, &p);
	/* What came behind the block since then needs the line end. */
	added = p.added && !p.behind.len && before->len;
	if (!lines_len) {
		if (added && before->data[before->len - 1] == '\n')
			before->len--;
		buf_add(out, before->data, before->len);
	} else {
		if (before->len && before->data[before->len - 1] != '\n') {
			buf_addc(before, '\n');
			added = !p.behind.len;
		}
		buf_add(out, before->data, before->len);
		put_block(network, added, lines, lines_len, out);
	}
	buf_add(out, p.behind.data, p.behind.len);
	r = buf_ok(before) && buf_ok(&p.behind) && buf_ok(out) ? 0 : -1;
	buf_release(&p.before);
	buf_release(&p.behind);
	return r;
}
