/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"

size_t text_decode(const char *text, size_t len, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;
	uint32_t c;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	c = s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

static bool unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       c >= 0xe0000;
}

void text_safe(struct buf *out, const char *s, size_t len)
{
	size_t i = 0, n;
	uint32_t c;

	while (i < len) {
		n = text_decode(s + i, len - i, &c);
		if (!n || unsafe(c))
			buf_addc(out, '?');
		else
			buf_add(out, s + i, n);
		i += n ? n : 1;
	}
}

#define MAX_SUGGEST 64

static size_t min3(size_t a, size_t b, size_t c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[3][MAX_SUGGEST + 1], i, j;

	for (j = 0; j <= nb; j++)
		row[1][j] = j;
	memset(row[0], 0, sizeof(row[0]));
	for (i = 1; i <= na; i++) {
		size_t *prev2 = row[(i + 2) % 3], *prev = row[i % 3], *cur = row[(i + 1) % 3];

		cur[0] = i;
		for (j = 1; j <= nb; j++) {
			cur[j] = min3(prev[j] + 1, cur[j - 1] + 1,
				      prev[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    prev2[j - 2] + 1 < cur[j])
				cur[j] = prev2[j - 2] + 1;
		}
	}
	return row[(na + 1) % 3][nb];
}

const char *text_suggest(const char *word, const char *const *list, size_t n)
{
	size_t len = strlen(word), best = len / 3 + 1, i;
	const char *found = NULL;

	if (!len || len > MAX_SUGGEST)
		return NULL;
	for (i = 0; i < n; i++) {
		size_t other = strlen(list[i]), d;

		if (other > MAX_SUGGEST)
			continue;
		d = distance(word, len, list[i], other);
		if (d <= best && d < other && (!found || d < best)) {
			best = d;
			found = list[i];
		}
	}
	return found;
}
