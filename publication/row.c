/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/row.h"

#include "common/limits.h"
#include "common/num.h"
#include "publication/document.h"

void row_put_key(struct buf *out, const struct wgkey *k)
{
	char text[KEY_STRLEN];

	buf_adds(out, " key=");
	buf_adds(out, wgkey_print(k, text));
}

void row_put_prefixes(struct buf *out, const struct prefix *list, size_t n)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, prefix_print(&list[i], text));
	}
}

void freed_key(const struct ipaddr *a, char out[static FREED_KEY_SIZE])
{
	out[0] = (char)('0' + a->family);
	hex_print(a->b, sizeof(a->b), out + 1);
}

bool row_same_text(const char *printed, const char *s, size_t len)
{
	return strlen(printed) == len && !memcmp(printed, s, len);
}

int row_name(struct words *w, struct arena *a, const char **ret)
{
	const char *s;
	size_t len;

	if (!words_next(w, &s, &len) || !name_is_valid(s, len))
		return -1;
	*ret = arena_strndup(a, s, len);
	return *ret ? 0 : -1;
}

int row_key(struct words *w, struct wgkey *ret)
{
	const char *s;
	size_t len;

	return words_field(w, "key", &s, &len) ? wgkey_parse(s, len, ret) : -1;
}

static int parse_number(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *ret)
{
	return num_parse(s, len, max, ret) < 0 || *ret < min ? -1 : 0;
}

int row_number(struct words *w, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *s;
	size_t len;

	return words_field(w, name, &s, &len) ? parse_number(s, len, min, max, ret) : -1;
}

int row_number_if(struct words *w, const char *name, uint64_t max, uint64_t *ret)
{
	const char *s;
	size_t len;

	*ret = 0;
	return words_field(w, name, &s, &len) ? parse_number(s, len, 1, max, ret) : 0;
}

int row_address(const char *s, size_t len, struct ipaddr *ret)
{
	char text[IPADDR_STRLEN];

	return ipaddr_parse(s, len, ret) < 0 || !row_same_text(ipaddr_print(ret, text), s, len) ?
		       -1 :
		       0;
}

int row_prefix(const char *s, size_t len, struct prefix *ret)
{
	char text[PREFIX_STRLEN];
	bool host_bits;

	return prefix_parse(s, len, ret, &host_bits) < 0 || host_bits ||
			       !row_same_text(prefix_print(ret, text), s, len) ?
		       -1 :
		       0;
}

bool row_item(const char **p, const char *end, const char **ret, size_t *ret_len)
{
	const char *comma;

	if (!*p)
		return false;
	comma = memchr(*p, ',', (size_t)(end - *p));
	*ret = *p;
	*ret_len = (size_t)((comma ? comma : end) - *p);
	*p = comma ? comma + 1 : NULL;
	return true;
}

size_t row_items(const char *s, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += s[i] == ',';
	return n;
}

int row_prefix_list(const char *s, size_t len, size_t max, bool nested, struct arena *a,
		    const struct prefix **ret, size_t *ret_n)
{
	size_t n = row_items(s, len), i = 0, item_len;
	const char *p = s, *item;
	struct prefix *list;

	if (n > max)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (; row_item(&p, s + len, &item, &item_len); i++) {
		if (row_prefix(item, item_len, &list[i]) < 0)
			return -1;
		if (i && (prefix_cmp(&list[i - 1], &list[i]) >= 0 ||
			  (!nested && prefix_contains(&list[i - 1], &list[i]))))
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int row_prefixes(const char *s, size_t len, size_t max, struct arena *a, const struct prefix **ret,
		 size_t *ret_n)
{
	return row_prefix_list(s, len, max, false, a, ret, ret_n);
}

bool group_name_is_valid(const char *s, size_t len)
{
	size_t i;

	if (!len || len > MAX_GROUP_NAME)
		return false;
	for (i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
		      c == ':' || c == '!' || c == '#'))
			return false;
	}
	return true;
}
