/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/row.h"

#include "common/dnsname.h"
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

static const char *const link_words[] = {
	[LINK_DIRECT] = "direct", [LINK_ROUTES] = "routes", [LINK_THROUGH] = "through",
	[LINK_ALLOW] = "allow",	  [LINK_ALIVE] = "alive",   [LINK_ROUTED] = "routed",
};

static void put_names(struct buf *out, const struct node *n)
{
	char ip[IPADDR_STRLEN];
	size_t i;

	if (!n->domain)
		return;
	buf_adds(out, " domain=");
	buf_adds(out, n->domain);
	for (i = 0; i < n->n_nameservers; i++) {
		buf_adds(out, i ? "," : " nameservers=");
		buf_adds(out, ipaddr_print(&n->nameservers[i], ip));
	}
	if (n->flags & NODE_NO_HOSTS)
		buf_adds(out, " hosts=no");
}

int node_encode(const struct node *n, struct buf *out)
{
	char text[PREFIX_STRLEN];
	size_t i;

	buf_adds(out, "node ");
	buf_adds(out, n->name);
	row_put_key(out, &n->key);
	buf_adds(out, " interface=");
	buf_adds(out, n->interface.s);
	if (n->flags & NODE_HAS_LISTEN_PORT)
		buf_addf(out, " listen_port=%u", n->listen_port);
	buf_addf(out, " mtu=%u", n->mtu);
	if (n->flags & NODE_HAS_KEEPALIVE)
		buf_addf(out, " keepalive=%u", n->keepalive);
	if (n->flags & NODE_HAS_FWMARK)
		buf_addf(out, " fwmark=%u", n->fwmark);
	if (n->flags & NODE_HAS_TABLE)
		buf_addf(out, " table=%u", n->table);
	else if (n->flags & NODE_NO_ROUTES)
		buf_adds(out, " table=off");
	if (n->flags & NODE_FORWARD)
		buf_adds(out, " forward=yes");
	if (n->n_masquerade) {
		buf_adds(out, " masquerade=");
		row_put_prefixes(out, n->masquerade, n->n_masquerade);
	}
	if (n->n_except) {
		buf_adds(out, " except=");
		row_put_prefixes(out, n->except, n->n_except);
	}
	if (n->n_standby) {
		buf_adds(out, " standby=");
		row_put_prefixes(out, n->standby, n->n_standby);
	}
	if (n->exit) {
		buf_adds(out, " exit=");
		buf_adds(out, n->exit);
	}
	if (n->flags & NODE_GUARDED) {
		buf_adds(out, " guards=");
		for (i = 0; i < n->n_guards; i++) {
			if (i)
				buf_addc(out, ',');
			buf_adds(out, n->guards[i]);
		}
		if (!n->n_guards)
			buf_addc(out, '-');
	}
	for (i = 0; i < n->n_from; i++) {
		buf_adds(out, i ? "," : " from=");
		buf_adds(out, n->from[i]);
	}
	put_names(out, n);
	buf_adds(out, " addresses=");
	for (i = 0; i < n->n_addresses; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, ifaddr_print(&n->addresses[i], text));
	}
	for (i = 0; i < n->n_links; i++) {
		const struct link *l = &n->links[i];

		buf_addc(out, ' ');
		buf_adds(out, link_words[l->kind]);
		buf_addc(out, '=');
		if (l->via) {
			buf_adds(out, l->via);
			buf_addc(out, ':');
		}
		if (l->kind == LINK_ALIVE)
			buf_addf(out, "%u:", l->seconds);
		if (l->kind == LINK_ALLOW)
			row_put_prefixes(out, l->prefixes, l->n_prefixes);
		else
			buf_adds(out, l->target);
	}
	return buf_ok(out) ? 0 : -1;
}

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
	return buf_ok(out) ? 0 : -1;
}

void freed_key(const struct ipaddr *a, char out[static 34])
{
	out[0] = (char)('0' + a->family);
	hex_print(a->b, sizeof(a->b), out + 1);
}

/* ---- decoding of lines ---- */

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

int row_number(struct words *w, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *s;
	size_t len;

	if (!words_field(w, name, &s, &len) || num_parse(s, len, max, ret) < 0 || *ret < min)
		return -1;
	return 0;
}

static bool next_item(const char **p, const char *end, const char **ret, size_t *ret_len)
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

static size_t count_items(const char *s, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += s[i] == ',';
	return n;
}

bool row_same_text(const char *printed, const char *s, size_t len)
{
	return strlen(printed) == len && !memcmp(printed, s, len);
}

/* Sorted, each once; with `nested` false, none inside another. */
static int parse_list(const char *s, size_t len, size_t max, bool nested, struct arena *a,
		      const struct prefix **ret, size_t *ret_n)
{
	size_t n = count_items(s, len), i = 0, item_len;
	const char *p = s, *item;
	struct prefix *list;
	char text[PREFIX_STRLEN];
	bool host_bits;

	if (n > max)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++) {
		if (prefix_parse(item, item_len, &list[i], &host_bits) < 0 || host_bits ||
		    !row_same_text(prefix_print(&list[i], text), item, item_len))
			return -1;
		if (i && (prefix_cmp(&list[i - 1], &list[i]) >= 0 ||
			  (!nested && prefix_contains(&list[i - 1], &list[i]))))
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* A canonical list. */
int row_prefixes(const char *s, size_t len, size_t max, struct arena *a, const struct prefix **ret,
		 size_t *ret_n)
{
	return parse_list(s, len, max, false, a, ret, ret_n);
}

/* "192.168.10.0/24@20,..." */
static int parse_standby(const char *s, size_t len, struct arena *a, struct record *r)
{
	size_t n = count_items(s, len), i = 0, item_len;
	const char *p = s, *item;
	struct standby *list;
	char text[PREFIX_STRLEN];
	bool host_bits;

	list = n > MAX_ROUTES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++) {
		const char *at = memchr(item, '@', item_len);
		size_t prefix_len = at ? (size_t)(at - item) : 0;
		uint64_t metric;

		if (!at || prefix_parse(item, prefix_len, &list[i].prefix, &host_bits) < 0 ||
		    host_bits ||
		    !row_same_text(prefix_print(&list[i].prefix, text), item, prefix_len) ||
		    num_parse(at + 1, item_len - prefix_len - 1, MAX_METRIC, &metric) < 0 ||
		    !metric || (i && prefix_cmp(&list[i - 1].prefix, &list[i].prefix) >= 0))
			return -1;
		list[i].metric = (uint16_t)metric;
	}
	r->standby = list;
	r->n_standby = n;
	return 0;
}

static int take_addresses(struct words *w, struct arena *a, const struct ipaddr **ret,
			  size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ipaddr *list;
	char text[IPADDR_STRLEN];

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = count_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; next_item(&p, s + len, &item, &item_len); i++) {
		if (ipaddr_parse(item, item_len, &list[i]) < 0 ||
		    !row_same_text(ipaddr_print(&list[i], text), item, item_len))
			return -1;
		if (i && ipaddr_cmp(&list[i - 1], &list[i]) >= 0)
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* In the order written, which is that of asking. */
static int parse_servers(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = count_items(s, len), i = 0, j, item_len;
	char text[IPADDR_STRLEN];
	const char *p = s, *item;
	struct ipaddr *list;

	list = count > MAX_NAME_SERVERS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++) {
		if (ipaddr_parse(item, item_len, &list[i]) < 0 ||
		    !row_same_text(ipaddr_print(&list[i], text), item, item_len))
			return -1;
		for (j = 0; j < i; j++)
			if (!ipaddr_cmp(&list[j], &list[i]))
				return -1;
	}
	n->nameservers = list;
	n->n_nameservers = count;
	return 0;
}

static int take_names(struct words *w, struct arena *a, struct node *n)
{
	const char *s;
	size_t len;

	if (!words_field(w, "domain", &s, &len))
		return 0;
	if (dnsname_domain_wrong(s, len))
		return -1;
	n->domain = arena_strndup(a, s, len);
	if (!n->domain)
		return -1;
	if (words_field(w, "nameservers", &s, &len) && parse_servers(s, len, a, n) < 0)
		return -1;
	if (words_field(w, "hosts", &s, &len)) {
		if (!row_same_text("no", s, len))
			return -1;
		n->flags |= NODE_NO_HOSTS;
	}
	return 0;
}

static int take_ifaddrs(struct words *w, struct arena *a, const struct ifaddr **ret, size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ifaddr *list;
	char text[PREFIX_STRLEN];

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = count_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; next_item(&p, s + len, &item, &item_len); i++) {
		if (ifaddr_parse(item, item_len, &list[i]) < 0 ||
		    !row_same_text(ifaddr_print(&list[i], text), item, item_len))
			return -1;
		if (i && ipaddr_cmp(&list[i - 1].addr, &list[i].addr) >= 0)
			return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
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

/* "from=VIEWPOINT,...". */
static int parse_from(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = count_items(s, len), i = 0, item_len;
	const char *p = s, *item, **list;

	list = count > MAX_VIEWS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++) {
		list[i] = viewpoint_is_valid(item, item_len) ? arena_strndup(a, item, item_len) :
							       NULL;
		if (!list[i] || (i && strcmp(list[i - 1], list[i]) >= 0))
			return -1;
	}
	n->from = list;
	n->n_from = count;
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

/* A side of a permit. */
static int parse_party(const char *s, size_t len, struct arena *a, const char **ret)
{
	char text[PREFIX_STRLEN];
	struct prefix p;
	bool host_bits;

	if (memchr(s, '/', len)) {
		if (prefix_parse(s, len, &p, &host_bits) < 0 || host_bits ||
		    !row_same_text(prefix_print(&p, text), s, len))
			return -1;
	} else if (!group_name_is_valid(s, len)) {
		return -1;
	}
	*ret = arena_strndup(a, s, len);
	if (!*ret)
		return -1;
	return strchr(*ret, '/') || target_is_group(*ret) || name_is_valid(s, len) ? 0 : -1;
}

static int take_guards(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = count_items(s, len), i = 0, item_len;
	const char **list, *p = s, *item;

	n->flags |= NODE_GUARDED;
	if (row_same_text("-", s, len))
		return 0;
	list = count > MAX_GUARDS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; next_item(&p, s + len, &item, &item_len); i++)
		if (parse_party(item, item_len, a, &list[i]) < 0 ||
		    (i && strcmp(list[i - 1], list[i]) >= 0))
			return -1;
	n->guards = list;
	n->n_guards = count;
	return 0;
}

static int take_services(struct words *w, struct arena *a, struct permit *ret)
{
	const char *s, *p, *item, *why;
	size_t len, n, i = 0, item_len;
	struct service *list, *again;
	char text[SERVICE_STRLEN];

	if (!words_field(w, "on", &s, &len))
		return -1;
	n = count_items(s, len);
	if (n > MAX_SERVICES)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	again = arena_array(a, n, sizeof(*again));
	if (!list || !again)
		return -1;
	for (p = s; next_item(&p, s + len, &item, &item_len); i++)
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

int permit_words(struct words *w, struct arena *a, struct permit *ret)
{
	struct permit p = { 0 };
	const char *s;
	size_t len;

	if (!words_is(w, "permit") || !words_next(w, &s, &len) ||
	    parse_party(s, len, a, &p.to) < 0 || !words_next(w, &s, &len) ||
	    parse_party(s, len, a, &p.from) < 0 || take_services(w, a, &p) < 0 || !words_end(w))
		return -1;
	*ret = p;
	return 0;
}

static int parse_link(enum link_kind kind, const char *s, size_t len, struct arena *a,
		      struct link *ret)
{
	struct link l = { .kind = kind };
	uint64_t seconds;

	if (kind != LINK_DIRECT && kind != LINK_ROUTED) {
		const char *colon = memchr(s, ':', len);
		size_t n = colon ? (size_t)(colon - s) : 0;

		if (kind == LINK_ALIVE) {
			if (!colon || num_parse(s, n, UINT16_MAX, &seconds) < 0)
				return -1;
			l.seconds = (uint16_t)seconds;
		} else {
			if (!colon || !name_is_valid(s, n))
				return -1;
			l.via = arena_strndup(a, s, n);
			if (!l.via)
				return -1;
		}
		len -= n + 1;
		s = colon + 1;
	}
	if (kind == LINK_ALLOW) {
		if (row_prefixes(s, len, MAX_ROUTES, a, &l.prefixes, &l.n_prefixes) < 0)
			return -1;
	} else {
		if (!group_name_is_valid(s, len))
			return -1;
		l.target = arena_strndup(a, s, len);
		if (!l.target || (!target_is_group(l.target) && !name_is_valid(s, len)))
			return -1;
	}
	*ret = l;
	return 0;
}

static int take_links(struct words *w, struct arena *a, struct node *n)
{
	struct link *links = NULL;
	const char *s;
	size_t len;
	unsigned int kind = LINK_DIRECT;

	while (!words_end(w)) {
		struct link *grown;

		while (kind < ARRAY_LEN(link_words) && !words_field(w, link_words[kind], &s, &len))
			kind++;
		if (kind == ARRAY_LEN(link_words) || n->n_links == MAX_LINKS)
			return -1;
		grown = arena_grow(a, links, n->n_links, sizeof(*links));
		if (!grown)
			return -1;
		links = grown;
		if (parse_link((enum link_kind)kind, s, len, a, &links[n->n_links]) < 0)
			return -1;
		if (n->n_links && link_cmp(&links[n->n_links - 1], &links[n->n_links]) >= 0)
			return -1;
		n->n_links++;
	}
	n->links = links;
	return 0;
}

static int parse_masquerade(const char *s, size_t len, struct arena *a, struct node *n)
{
	const struct prefix *list;
	size_t i;

	if (parse_list(s, len, MAX_ROUTES + 2, true, a, &list, &n->n_masquerade) < 0)
		return -1;
	for (i = 1; i < n->n_masquerade; i++)
		if (list[i - 1].len && prefix_contains(&list[i - 1], &list[i]))
			return -1;
	n->masquerade = list;
	return 0;
}

static bool masquerades_all(const struct node *n, unsigned int family)
{
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		if (n->masquerade[i].family == family && !n->masquerade[i].len)
			return true;
	return false;
}

static int parse_except(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t i;

	if (row_prefixes(s, len, MAX_ROUTES, a, &n->except, &n->n_except) < 0)
		return -1;
	for (i = 0; i < n->n_except; i++)
		if (!n->except[i].len || !masquerades_all(n, n->except[i].family))
			return -1;
	return 0;
}

int node_words(struct words *w, struct arena *a, struct node *ret)
{
	struct node n = { 0 };
	struct words old;
	const char *s;
	uint64_t v;
	size_t len;

	if (!words_is(w, "node") || row_name(w, a, &n.name) < 0 || row_key(w, &n.key) < 0)
		return -1;
	if (!words_field(w, "interface", &s, &len) || ifname_parse(s, len, &n.interface) < 0)
		return -1;
	old = *w;
	if (words_field(w, "listen_port", &s, &len)) {
		*w = old;
		if (row_number(w, "listen_port", 1, 65535, &v) < 0)
			return -1;
		n.listen_port = (uint16_t)v;
		n.flags |= NODE_HAS_LISTEN_PORT;
	}
	if (row_number(w, "mtu", 576, 65535, &v) < 0)
		return -1;
	n.mtu = (uint16_t)v;
	old = *w;
	if (words_field(w, "keepalive", &s, &len)) {
		*w = old;
		if (row_number(w, "keepalive", 1, 65535, &v) < 0)
			return -1;
		n.keepalive = (uint16_t)v;
		n.flags |= NODE_HAS_KEEPALIVE;
	}
	old = *w;
	if (words_field(w, "fwmark", &s, &len)) {
		*w = old;
		if (row_number(w, "fwmark", 1, UINT32_MAX, &v) < 0)
			return -1;
		n.fwmark = (uint32_t)v;
		n.flags |= NODE_HAS_FWMARK;
	}
	old = *w;
	if (words_field(w, "table", &s, &len)) {
		if (row_same_text("off", s, len)) {
			n.flags |= NODE_NO_ROUTES;
		} else {
			*w = old;
			if (row_number(w, "table", 1, UINT32_MAX, &v) < 0)
				return -1;
			n.table = (uint32_t)v;
			n.flags |= NODE_HAS_TABLE;
		}
	}
	if (words_field(w, "forward", &s, &len)) {
		if (!row_same_text("yes", s, len))
			return -1;
		n.flags |= NODE_FORWARD;
	}
	if (words_field(w, "masquerade", &s, &len) &&
	    (!(n.flags & NODE_FORWARD) || parse_masquerade(s, len, a, &n) < 0))
		return -1;
	if (words_field(w, "except", &s, &len) && parse_except(s, len, a, &n) < 0)
		return -1;
	if (words_field(w, "standby", &s, &len) &&
	    (!(n.flags & NODE_FORWARD) ||
	     parse_list(s, len, MAX_ROUTES, true, a, &n.standby, &n.n_standby) < 0))
		return -1;
	if (words_field(w, "exit", &s, &len)) {
		n.exit = name_is_valid(s, len) ? arena_strndup(a, s, len) : NULL;
		/* The tunnel's own packets are told from others by the mark. */
		if (!n.exit || !strcmp(n.exit, n.name) ||
		    !(n.flags & (NODE_HAS_FWMARK | NODE_HAS_TABLE | NODE_NO_ROUTES)))
			return -1;
	}
	if (words_field(w, "guards", &s, &len) && take_guards(s, len, a, &n) < 0)
		return -1;
	if (words_field(w, "from", &s, &len) && parse_from(s, len, a, &n) < 0)
		return -1;
	if (take_names(w, a, &n) < 0)
		return -1;
	if (take_ifaddrs(w, a, &n.addresses, &n.n_addresses) < 0 || take_links(w, a, &n) < 0)
		return -1;
	*ret = n;
	return 0;
}

int record_decode(const char *line, size_t len, struct arena *a, struct record *ret, struct err *e)
{
	struct words w = { line, line + len };

	return record_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a record line") : 0;
}

int node_decode(const char *line, size_t len, struct arena *a, struct node *ret, struct err *e)
{
	struct words w = { line, line + len };

	return node_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a node line") : 0;
}
