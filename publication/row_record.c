/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/row.h"

#include "common/limits.h"
#include "common/num.h"
#include "publication/document.h"

static void add_standby(struct buf *out, const struct record *r)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < r->n_standby; i++)
		buf_addf(out, "%s%s@%u",
			 i ? "," : " standby=", prefix_print(&r->standby[i].prefix, text),
			 r->standby[i].metric);
}

int record_encode(const struct record *r, struct buf *out)
{
	char ip[IPADDR_STRLEN], ep[ENDPOINT_STRLEN];
	size_t i;

	buf_adds(out, "record ");
	buf_adds(out, r->name);
	row_put_key(out, &r->key);
	buf_adds(out, " addresses=");
	for (i = 0; i < r->n_addresses; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, ipaddr_print(&r->addresses[i], ip));
	}
	if (r->n_routes) {
		buf_adds(out, " routes=");
		row_put_prefixes(out, r->routes, r->n_routes);
	}
	add_standby(out, r);
	if (r->leads)
		buf_addf(out, " leads=%s@%u", r->leads, r->leads_at);
	if (r->endpoint.host) {
		buf_adds(out, " endpoint=");
		buf_adds(out, endpoint_print(&r->endpoint, ep));
	}
	for (i = 0; i < r->n_seen; i++) {
		buf_adds(out, " at=");
		buf_adds(out, r->seen[i].from);
		buf_addc(out, '/');
		buf_adds(out, endpoint_print(&r->seen[i].endpoint, ep));
	}
	if (r->gateway) {
		buf_adds(out, " gateway=");
		buf_adds(out, r->gateway);
		row_put_settings(out, r->settings);
	}
	if (r->clients)
		buf_adds(out, " clients=yes");
	return buf_ok(out) ? 0 : -1;
}

static int take_addresses(struct words *w, struct arena *a, const struct ipaddr **ret,
			  size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ipaddr *list;

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = row_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; row_item(&p, s + len, &item, &item_len); i++) {
		if (row_address(item, item_len, &list[i]) < 0 ||
		    (i && ipaddr_cmp(&list[i - 1], &list[i]) >= 0))
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* "192.168.10.0/24@20,..." */
static int parse_standby(const char *s, size_t len, struct arena *a, struct record *r)
{
	size_t n = row_items(s, len), i = 0, item_len;
	const char *p = s, *item;
	struct standby *list;

	list = n > MAX_ROUTES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (; row_item(&p, s + len, &item, &item_len); i++) {
		const char *at = memchr(item, '@', item_len);
		size_t prefix_len = at ? (size_t)(at - item) : 0;
		uint64_t metric;

		if (!at || row_prefix(item, prefix_len, &list[i].prefix) < 0 ||
		    num_parse(at + 1, item_len - prefix_len - 1, MAX_METRIC, &metric) < 0 ||
		    !metric || (i && prefix_cmp(&list[i - 1].prefix, &list[i].prefix) >= 0))
			return -1;
		list[i].metric = (uint16_t)metric;
	}
	r->standby = list;
	r->n_standby = n;
	return 0;
}

/* "leads=SITE@N". */
static int parse_leads(const char *s, size_t len, struct arena *a, struct record *r)
{
	const char *at = memchr(s, '@', len);
	size_t n = at ? (size_t)(at - s) : 0;
	uint64_t v;

	if (!at || !name_is_valid(s, n) || num_parse(at + 1, len - n - 1, MAX_LEADERS, &v) < 0 ||
	    !v)
		return -1;
	r->leads = arena_strndup(a, s, n);
	r->leads_at = (uint8_t)v;
	return r->leads ? 0 : -1;
}

static int parse_endpoint(const char *s, size_t len, struct arena *a, struct endpoint *ret)
{
	char text[ENDPOINT_STRLEN];
	const char *why;

	return endpoint_parse(s, len, false, a, ret, &why) < 0 ||
			       !row_same_text(endpoint_print(ret, text), s, len) ?
		       -1 :
		       0;
}

/* "at=VIEWPOINT/ENDPOINT", as many as there are. */
static int take_seen(struct words *w, struct arena *a, struct record *r)
{
	struct seen *list = NULL, *at;
	const char *s, *slash;
	size_t len, n;

	for (; words_field(w, "at", &s, &len); r->n_seen++) {
		slash = memchr(s, '/', len);
		n = slash ? (size_t)(slash - s) : 0;
		list = r->n_seen == MAX_VIEWPOINTS || !slash || !viewpoint_is_valid(s, n) ?
			       NULL :
			       arena_grow(a, list, r->n_seen, sizeof(*list));
		if (!list)
			return -1;
		at = &list[r->n_seen];
		at->from = arena_strndup(a, s, n);
		if (!at->from || parse_endpoint(slash + 1, len - n - 1, a, &at->endpoint) < 0 ||
		    (r->n_seen && strcmp(at[-1].from, at->from) >= 0))
			return -1;
	}
	r->seen = list;
	return 0;
}

int record_words(struct words *w, struct arena *a, struct record *ret)
{
	struct record r = { 0 };
	const char *s;
	size_t len;

	if (!words_is(w, "record") || row_name(w, a, &r.name) < 0 || row_key(w, &r.key) < 0 ||
	    take_addresses(w, a, &r.addresses, &r.n_addresses) < 0)
		return -1;
	if (words_field(w, "routes", &s, &len) &&
	    row_prefixes(s, len, MAX_ROUTES, a, &r.routes, &r.n_routes) < 0)
		return -1;
	if (words_field(w, "standby", &s, &len) && parse_standby(s, len, a, &r) < 0)
		return -1;
	if (words_field(w, "leads", &s, &len) && parse_leads(s, len, a, &r) < 0)
		return -1;
	if (words_field(w, "endpoint", &s, &len) && parse_endpoint(s, len, a, &r.endpoint) < 0)
		return -1;
	if (take_seen(w, a, &r) < 0)
		return -1;
	if (words_field(w, "gateway", &s, &len)) {
		/* A client carries nothing for others and is never reached first. */
		if (!name_is_valid(s, len) || row_same_text(r.name, s, len) || r.n_routes ||
		    r.n_standby || r.leads || r.endpoint.host || r.n_seen)
			return -1;
		r.gateway = arena_strndup(a, s, len);
		if (!r.gateway || row_settings(w, a, &r.settings) < 0)
			return -1;
	}
	if (words_field(w, "clients", &s, &len)) {
		if (!row_same_text("yes", s, len) || r.gateway)
			return -1;
		r.clients = true;
	}
	if (!words_end(w))
		return -1;
	*ret = r;
	return 0;
}

int record_decode(const char *line, size_t len, struct arena *a, struct record *ret, struct err *e)
{
	struct words w = { line, line + len };

	return record_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a record line") : 0;
}
