/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/row.h"

#include "common/limits.h"
#include "publication/document.h"

int permit_encode(const struct permit *p, struct buf *out)
{
	char text[SERVICE_STRLEN];
	size_t i;

	buf_adds(out, "permit ");
	buf_adds(out, p->to);
	buf_addc(out, ' ');
	buf_adds(out, p->from);
	buf_adds(out, " on=");
	for (i = 0; i < p->n_services; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, service_print(&p->services[i], text));
	}
	if (p->n_not_to) {
		buf_adds(out, " not_to=");
		row_put_prefixes(out, p->not_to, p->n_not_to);
	}
	if (p->n_not_from) {
		buf_adds(out, " not_from=");
		row_put_prefixes(out, p->not_from, p->n_not_from);
	}
	return buf_ok(out) ? 0 : -1;
}

int row_party(const char *s, size_t len, struct arena *a, const char **ret)
{
	bool prefix = memchr(s, '/', len) != NULL;
	struct prefix p;

	if (prefix ? row_prefix(s, len, &p) < 0 : !group_name_is_valid(s, len))
		return -1;
	*ret = arena_strndup(a, s, len);
	if (!*ret)
		return -1;
	return prefix || target_is_group(*ret) || name_is_valid(s, len) ? 0 : -1;
}

static int take_services(struct words *w, struct arena *a, struct permit *ret)
{
	const char *s, *p, *item, *why;
	size_t len, n, i = 0, item_len;
	struct service *list, *again;
	char text[SERVICE_STRLEN];

	if (!words_field(w, "on", &s, &len))
		return -1;
	n = row_items(s, len);
	if (n > MAX_SERVICES)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	again = arena_array(a, n, sizeof(*again));
	if (!list || !again)
		return -1;
	for (p = s; row_item(&p, s + len, &item, &item_len); i++)
		if (service_parse(item, item_len, &list[i], &why) < 0 ||
		    !row_same_text(service_print(&list[i], text), item, item_len))
			return -1;
	memcpy(again, list, n * sizeof(*list));
	if (!services_equal(list, n, again, services_canonical(again, n)))
		return -1;
	ret->services = list;
	ret->n_services = n;
	return 0;
}

/* Of a prefix, what is not meant of it. */
static int take_not(struct words *w, const char *word, const char *side, struct arena *a,
		    const struct prefix **ret, size_t *ret_n)
{
	struct prefix whole;
	const char *s;
	size_t len, i;

	if (!words_field(w, word, &s, &len))
		return 0;
	if (!target_is_prefix(side, &whole) || !whole.len ||
	    row_prefixes(s, len, MAX_NOT_MEANT, a, ret, ret_n) < 0)
		return -1;
	for (i = 0; i < *ret_n; i++)
		if (!prefix_contains(&whole, &(*ret)[i]) || (*ret)[i].len == whole.len)
			return -1;
	return 0;
}

int permit_words(struct words *w, struct arena *a, struct permit *ret)
{
	struct permit p = { 0 };
	const char *s;
	size_t len;

	if (!words_is(w, "permit") || !words_next(w, &s, &len) || row_party(s, len, a, &p.to) < 0 ||
	    !words_next(w, &s, &len) || row_party(s, len, a, &p.from) < 0 ||
	    take_services(w, a, &p) < 0 ||
	    take_not(w, "not_to", p.to, a, &p.not_to, &p.n_not_to) < 0 ||
	    take_not(w, "not_from", p.from, a, &p.not_from, &p.n_not_from) < 0 || !words_end(w))
		return -1;
	*ret = p;
	return 0;
}
