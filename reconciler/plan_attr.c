/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan_attr.h"

#include "common/limits.h"

void attr_add(struct attr_list *l, const char *name, const char *from, const char *to)
{
	struct plan_attr *v = l->failed ? NULL : arena_grow(l->a, l->v, l->n, sizeof(*v));

	if (!v) {
		l->failed = true;
		return;
	}
	l->v = v;
	v[l->n++] = (struct plan_attr){ name, from, to };
}

static const char *text_of(struct attr_list *l, const char *s)
{
	const char *copy = arena_strdup(l->a, s);

	l->failed |= !copy;
	return copy;
}

const char *attr_number(struct attr_list *l, bool set, uint32_t v)
{
	char text[16];

	if (!set)
		return NULL;
	snprintf(text, sizeof(text), "%u", v);
	return text_of(l, text);
}

const char *attr_key(struct attr_list *l, const struct wgkey *k)
{
	char text[KEY_STRLEN];

	return k ? text_of(l, wgkey_print(k, text)) : NULL;
}

const char *attr_endpoint(struct attr_list *l, const struct endpoint *e)
{
	char text[ENDPOINT_STRLEN];

	return e && e->host ? text_of(l, endpoint_print(e, text)) : NULL;
}

void attr_change(struct attr_list *l, const char *name, const char *from, const char *to)
{
	if ((from || to) && (!from || !to || strcmp(from, to)))
		attr_add(l, name, from, to);
}

static void attr_prefix(struct attr_list *l, const char *name, const struct prefix *p, bool added)
{
	char text[PREFIX_STRLEN];
	const char *s = text_of(l, prefix_print(p, text));

	attr_add(l, name, added ? NULL : s, added ? s : NULL);
}

void attr_add_prefixes(struct attr_list *l, const char *name, const struct prefix *a, size_t na,
		       const struct prefix *b, size_t nb)
{
	size_t i = 0, j = 0;

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : prefix_cmp(&a[i], &b[j]);

		if (c < 0)
			attr_prefix(l, name, &a[i], false);
		else if (c > 0)
			attr_prefix(l, name, &b[j], true);
		i += c <= 0;
		j += c >= 0;
	}
}

void attr_add_addresses(struct attr_list *l, const struct node *a, const struct node *b)
{
	size_t na = a ? a->n_addresses : 0, nb = b ? b->n_addresses : 0, i = 0, j = 0;
	char text[PREFIX_STRLEN];

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : ifaddr_cmp(&a->addresses[i], &b->addresses[j]);

		if (c < 0)
			attr_add(l, "addresses", text_of(l, ifaddr_print(&a->addresses[i], text)),
				 NULL);
		else if (c > 0)
			attr_add(l, "addresses", NULL,
				 text_of(l, ifaddr_print(&b->addresses[j], text)));
		i += c <= 0;
		j += c >= 0;
	}
}

/* "berlin 2": the site, and which of its leaders the node is. */
static const char *attr_leads(struct attr_list *l, const struct record *r)
{
	char text[MAX_NAME + 16];

	if (!r || !r->leads)
		return NULL;
	snprintf(text, sizeof(text), "%s %u", r->leads, r->leads_at);
	return text_of(l, text);
}

/* "tag:office 192.168.1.1:51820" */
static const char *attr_seen(struct attr_list *l, const struct seen *s)
{
	char text[MAX_NAME + 8 + ENDPOINT_STRLEN], endpoint[ENDPOINT_STRLEN];

	snprintf(text, sizeof(text), "%s %s", s->from, endpoint_print(&s->endpoint, endpoint));
	return text_of(l, text);
}

/* Of a node that comes or goes: one of the two is NULL. */
static void attr_endpoints(struct attr_list *l, const struct record *a, const struct record *b)
{
	const struct record *r = a ? a : b;
	size_t i;

	attr_change(l, "endpoint", attr_endpoint(l, a ? &a->endpoint : NULL),
		    attr_endpoint(l, b ? &b->endpoint : NULL));
	for (i = 0; r && i < r->n_seen; i++) {
		const char *text = attr_seen(l, &r->seen[i]);

		attr_add(l, "endpoints", a ? text : NULL, a ? NULL : text);
	}
}

static void attr_routes(struct attr_list *l, const struct record *a, const struct record *b)
{
	attr_add_prefixes(l, "routes", a ? a->routes : NULL, a ? a->n_routes : 0,
			  b ? b->routes : NULL, b ? b->n_routes : 0);
}

static const char *attr_servers(struct attr_list *l, const struct node *n)
{
	char text[IPADDR_STRLEN];
	const char *s = NULL;
	struct buf b;
	size_t i;

	if (!n || !n->n_nameservers)
		return NULL;
	buf_init(&b, MAX_NAME_SERVERS * (IPADDR_STRLEN + 2));
	for (i = 0; i < n->n_nameservers; i++) {
		if (i)
			buf_adds(&b, ", ");
		buf_adds(&b, ipaddr_print(&n->nameservers[i], text));
	}
	if (buf_ok(&b))
		s = text_of(l, b.data);
	else
		l->failed = true;
	buf_release(&b);
	return s;
}

static void attr_names(struct attr_list *l, const struct node *a, const struct node *b)
{
	attr_change(l, "domain", a ? a->domain : NULL, b ? b->domain : NULL);
	attr_change(l, "nameservers", attr_servers(l, a), attr_servers(l, b));
	attr_change(l, "hosts", a && a->flags & NODE_NO_HOSTS ? "no" : NULL,
		    b && b->flags & NODE_NO_HOSTS ? "no" : NULL);
}

static const char *standby_text(struct attr_list *l, const struct standby *s)
{
	char prefix[PREFIX_STRLEN], text[PREFIX_STRLEN + 16];

	snprintf(text, sizeof(text), "%s metric %u", prefix_print(&s->prefix, prefix), s->metric);
	return text_of(l, text);
}

static int cmp_standby(const struct standby *a, const struct standby *b)
{
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : (int)a->metric - (int)b->metric;
}

static void attr_standby(struct attr_list *l, const struct record *a, const struct record *b)
{
	size_t na = a ? a->n_standby : 0, nb = b ? b->n_standby : 0, i = 0, j = 0;

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : cmp_standby(&a->standby[i], &b->standby[j]);

		if (c < 0)
			attr_add(l, "standby", standby_text(l, &a->standby[i]), NULL);
		else if (c > 0)
			attr_add(l, "standby", NULL, standby_text(l, &b->standby[j]));
		i += c <= 0;
		j += c >= 0;
	}
}

static const char *attr_table(struct attr_list *l, const struct node *n)
{
	if (n && n->flags & NODE_NO_ROUTES)
		return "off";
	return attr_number(l, n && n->flags & NODE_HAS_TABLE, n ? n->table : 0);
}

void attr_add_node(struct attr_list *l, struct attr_side old, struct attr_side new)
{
	const struct node *a = old.node, *b = new.node;
	bool whole = !a || !b;
	struct {
		bool set;
		uint32_t v;
	} port[2] = { 0 }, mark[2] = { 0 }, mtu[2] = { 0 };
	const struct node *n[] = { a, b };
	bool forward[2] = { false, false };
	size_t s;

	for (s = 0; s < 2; s++) {
		if (!n[s])
			continue;
		port[s].set = n[s]->flags & NODE_HAS_LISTEN_PORT;
		port[s].v = n[s]->listen_port;
		mark[s].set = n[s]->flags & NODE_HAS_FWMARK;
		mark[s].v = n[s]->fwmark;
		mtu[s].set = true;
		mtu[s].v = n[s]->mtu;
		forward[s] = n[s]->flags & NODE_FORWARD;
	}
	if (!a || !b || strcmp(a->interface.s, b->interface.s))
		attr_add(l, "interface", a ? a->interface.s : NULL, b ? b->interface.s : NULL);
	if (!a || !b || wgkey_cmp(&a->key, &b->key))
		attr_add(l, "public_key", attr_key(l, a ? &a->key : NULL),
			 attr_key(l, b ? &b->key : NULL));
	if (whole)
		attr_endpoints(l, old.record, new.record);
	attr_add_addresses(l, a, b);
	attr_change(l, "leads", attr_leads(l, old.record), attr_leads(l, new.record));
	if (whole)
		attr_routes(l, old.record, new.record);
	attr_standby(l, old.record, new.record);
	if (port[0].set != port[1].set || port[0].v != port[1].v)
		attr_change(l, "listen_port", attr_number(l, port[0].set, port[0].v),
			    attr_number(l, port[1].set, port[1].v));
	if (mtu[0].set != mtu[1].set || mtu[0].v != mtu[1].v)
		attr_change(l, "mtu", attr_number(l, mtu[0].set, mtu[0].v),
			    attr_number(l, mtu[1].set, mtu[1].v));
	if (mark[0].set != mark[1].set || mark[0].v != mark[1].v)
		attr_change(l, "fwmark", attr_number(l, mark[0].set, mark[0].v),
			    attr_number(l, mark[1].set, mark[1].v));
	attr_change(l, "table", attr_table(l, a), attr_table(l, b));
	attr_change(l, "exit_node", a ? a->exit : NULL, b ? b->exit : NULL);
	if (forward[0] != forward[1])
		attr_add(l, "forward", forward[0] ? "yes" : NULL, forward[1] ? "yes" : NULL);
	attr_names(l, a, b);
	attr_add_prefixes(l, "masquerade", a ? a->masquerade : NULL, a ? a->n_masquerade : 0,
			  b ? b->masquerade : NULL, b ? b->n_masquerade : 0);
	attr_add_prefixes(l, "except", a ? a->except : NULL, a ? a->n_except : 0,
			  b ? b->except : NULL, b ? b->n_except : 0);
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool attr_equal(const struct plan_attr *a, const struct plan_attr *b)
{
	return !strcmp(a->name, b->name) && text_equal(a->from, b->from) &&
	       text_equal(a->to, b->to);
}

bool attrs_equal(const struct plan_attrs *a, const struct plan_attrs *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (!attr_equal(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

bool attrs_have(const struct plan_attrs *a, const struct plan_attr *attr)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (attr_equal(&a->list[i], attr))
			return true;
	}
	return false;
}
