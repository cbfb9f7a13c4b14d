/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/row.h"

#include "common/dnsname.h"
#include "common/limits.h"
#include "common/num.h"
#include "publication/document.h"

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

static void put_list(struct buf *out, const char *name, const struct prefix *list, size_t n)
{
	if (!n)
		return;
	buf_adds(out, name);
	row_put_prefixes(out, list, n);
}

static void put_guards(struct buf *out, const struct node *n)
{
	size_t i;

	if (!(n->flags & NODE_GUARDED))
		return;
	buf_adds(out, " guards=");
	for (i = 0; i < n->n_guards; i++) {
		if (i)
			buf_addc(out, ',');
		buf_adds(out, n->guards[i]);
	}
	if (!n->n_guards)
		buf_addc(out, '-');
}

static void put_link(struct buf *out, const struct link *l)
{
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
	put_list(out, " masquerade=", n->masquerade, n->n_masquerade);
	put_list(out, " except=", n->except, n->n_except);
	put_list(out, " standby=", n->standby, n->n_standby);
	if (n->exit) {
		buf_adds(out, " exit=");
		buf_adds(out, n->exit);
	}
	put_guards(out, n);
	for (i = 0; i < n->n_from; i++) {
		buf_adds(out, i ? "," : " from=");
		buf_adds(out, n->from[i]);
	}
	put_names(out, n);
	for (i = 0; i < n->n_addresses; i++) {
		buf_adds(out, i ? "," : " addresses=");
		buf_adds(out, ifaddr_print(&n->addresses[i], text));
	}
	for (i = 0; i < n->n_links; i++)
		put_link(out, &n->links[i]);
	return buf_ok(out) ? 0 : -1;
}

static int take_ifaddrs(struct words *w, struct arena *a, const struct ifaddr **ret, size_t *ret_n)
{
	size_t len, n, i = 0, item_len;
	const char *s, *p, *item;
	struct ifaddr *list;
	char text[PREFIX_STRLEN];

	if (!words_field(w, "addresses", &s, &len))
		return -1;
	n = row_items(s, len);
	list = n > MAX_ADDRESSES ? NULL : arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (p = s; row_item(&p, s + len, &item, &item_len); i++) {
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

static int parse_masquerade(const char *s, size_t len, struct arena *a, struct node *n)
{
	const struct prefix *list;
	size_t i;

	if (row_prefix_list(s, len, MAX_ROUTES + 2, true, a, &list, &n->n_masquerade) < 0)
		return -1;
	for (i = 1; i < n->n_masquerade; i++)
		if (list[i - 1].len && prefix_contains(&list[i - 1], &list[i]))
			return -1;
	n->masquerade = list;
	return 0;
}

static int parse_except(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t i;

	if (row_prefixes(s, len, MAX_ROUTES, a, &n->except, &n->n_except) < 0)
		return -1;
	for (i = 0; i < n->n_except; i++)
		if (!n->except[i].len)
			return -1;
	return 0;
}

static int parse_guards(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = row_items(s, len), i = 0, item_len;
	const char **list, *p = s, *item;

	n->flags |= NODE_GUARDED;
	if (row_same_text("-", s, len))
		return 0;
	list = count > MAX_GUARDS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; row_item(&p, s + len, &item, &item_len); i++)
		if (row_party(item, item_len, a, &list[i]) < 0 ||
		    (i && strcmp(list[i - 1], list[i]) >= 0))
			return -1;
	n->guards = list;
	n->n_guards = count;
	return 0;
}

/* "from=VIEWPOINT,...". */
static int parse_from(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = row_items(s, len), i = 0, item_len;
	const char *p = s, *item, **list;

	list = count > MAX_VIEWS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; row_item(&p, s + len, &item, &item_len); i++) {
		list[i] = viewpoint_is_valid(item, item_len) ? arena_strndup(a, item, item_len) :
							       NULL;
		if (!list[i] || (i && strcmp(list[i - 1], list[i]) >= 0))
			return -1;
	}
	n->from = list;
	n->n_from = count;
	return 0;
}

/* In the order written, which is that of asking. */
static int parse_servers(const char *s, size_t len, struct arena *a, struct node *n)
{
	size_t count = row_items(s, len), i = 0, j, item_len;
	const char *p = s, *item;
	struct ipaddr *list;

	list = count > MAX_NAME_SERVERS ? NULL : arena_array(a, count, sizeof(*list));
	if (!list)
		return -1;
	for (; row_item(&p, s + len, &item, &item_len); i++) {
		if (row_address(item, item_len, &list[i]) < 0)
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

static int take_interface(struct words *w, struct node *n)
{
	const char *s;
	size_t len;
	uint64_t v;

	if (!words_field(w, "interface", &s, &len) || ifname_parse(s, len, &n->interface) < 0 ||
	    row_number_if(w, "listen_port", 65535, &v) < 0)
		return -1;
	n->listen_port = (uint16_t)v;
	n->flags |= v ? NODE_HAS_LISTEN_PORT : 0;
	if (row_number(w, "mtu", 576, 65535, &v) < 0)
		return -1;
	n->mtu = (uint16_t)v;
	if (row_number_if(w, "keepalive", 65535, &v) < 0)
		return -1;
	n->keepalive = (uint16_t)v;
	n->flags |= v ? NODE_HAS_KEEPALIVE : 0;
	if (row_number_if(w, "fwmark", UINT32_MAX, &v) < 0)
		return -1;
	n->fwmark = (uint32_t)v;
	n->flags |= v ? NODE_HAS_FWMARK : 0;
	return 0;
}

static int take_table(struct words *w, struct node *n)
{
	struct words number = *w;
	const char *s;
	size_t len;
	uint64_t v;

	if (words_field(w, "table", &s, &len) && row_same_text("off", s, len)) {
		n->flags |= NODE_NO_ROUTES;
		return 0;
	}
	*w = number;
	if (row_number_if(w, "table", UINT32_MAX, &v) < 0)
		return -1;
	n->table = (uint32_t)v;
	n->flags |= v ? NODE_HAS_TABLE : 0;
	return 0;
}

/* What the node does for others. */
static int take_gateway(struct words *w, struct arena *a, struct node *n)
{
	const char *s;
	size_t len;

	if (words_field(w, "forward", &s, &len)) {
		if (!row_same_text("yes", s, len))
			return -1;
		n->flags |= NODE_FORWARD;
	}
	if (words_field(w, "masquerade", &s, &len) &&
	    (!(n->flags & NODE_FORWARD) || parse_masquerade(s, len, a, n) < 0))
		return -1;
	if (words_field(w, "except", &s, &len) &&
	    (!(n->flags & NODE_FORWARD) || parse_except(s, len, a, n) < 0))
		return -1;
	if (words_field(w, "standby", &s, &len) &&
	    (!(n->flags & NODE_FORWARD) ||
	     row_prefix_list(s, len, MAX_ROUTES, true, a, &n->standby, &n->n_standby) < 0))
		return -1;
	return 0;
}

static int take_exit(struct words *w, struct arena *a, struct node *n)
{
	const char *s;
	size_t len;

	if (!words_field(w, "exit", &s, &len))
		return 0;
	n->exit = name_is_valid(s, len) ? arena_strndup(a, s, len) : NULL;
	/* The tunnel's own packets are told from others by the mark. */
	return !n->exit || !strcmp(n->exit, n->name) ||
			       !(n->flags & (NODE_HAS_FWMARK | NODE_HAS_TABLE | NODE_NO_ROUTES)) ?
		       -1 :
		       0;
}

int node_words(struct words *w, struct arena *a, struct node *ret)
{
	struct node n = { 0 };
	const char *s;
	size_t len;

	if (!words_is(w, "node") || row_name(w, a, &n.name) < 0 || row_key(w, &n.key) < 0 ||
	    take_interface(w, &n) < 0 || take_table(w, &n) < 0 || take_gateway(w, a, &n) < 0 ||
	    take_exit(w, a, &n) < 0)
		return -1;
	if (words_field(w, "guards", &s, &len) && parse_guards(s, len, a, &n) < 0)
		return -1;
	if (words_field(w, "from", &s, &len) && parse_from(s, len, a, &n) < 0)
		return -1;
	if (take_names(w, a, &n) < 0 || take_ifaddrs(w, a, &n.addresses, &n.n_addresses) < 0 ||
	    take_links(w, a, &n) < 0)
		return -1;
	*ret = n;
	return 0;
}

int node_decode(const char *line, size_t len, struct arena *a, struct node *ret, struct err *e)
{
	struct words w = { line, line + len };

	return node_words(&w, a, ret) < 0 ? err_refuse(e, "BAD-FIELD", "not a node line") : 0;
}
