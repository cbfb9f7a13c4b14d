/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that come, change and go. A client has its configuration as a file that was handed over
 * once, and no agent: so the file as it was published is made again (reconciler/client_config.h)
 * and compared with the next one, value by value. What a change does to the peers of nodes is
 * counted with all peers.
 */
#include "reconciler/client_config.h"
#include "reconciler/plan_attr.h"
#include "reconciler/plan_view.h"

/* One client on both sides. */
struct files {
	const struct record *a, *b;
	struct client_config old, new;
};

/* What changed for the client of a gateway that was looked at last. */
struct last_change {
	struct plan_attrs attrs;
	enum plan_file file;
	size_t like;
};

static const char *text_of(struct attr_list *l, const struct buf *b)
{
	const char *s = buf_ok(b) ? arena_strndup(l->a, b->data, b->len) : NULL;

	l->failed |= !s;
	return s;
}

static const char *attr_words(struct attr_list *l, const char *const *list, size_t n)
{
	const char *ret;
	struct buf b;
	size_t i;

	if (!n)
		return NULL;
	buf_init(&b, 1u << 16);
	for (i = 0; i < n; i++) {
		buf_adds(&b, i ? ", " : "");
		buf_adds(&b, list[i]);
	}
	ret = text_of(l, &b);
	buf_release(&b);
	return ret;
}

static void add_addresses(struct attr_list *l, const struct record *a, const struct record *b)
{
	static const struct record nobody;
	char text[IPADDR_STRLEN];
	size_t i = 0, j = 0;

	a = a ? a : &nobody;
	b = b ? b : &nobody;
	while (i < a->n_addresses || j < b->n_addresses) {
		int c = i == a->n_addresses ? 1 :
			j == b->n_addresses ? -1 :
					      ipaddr_cmp(&a->addresses[i], &b->addresses[j]);

		if (c < 0)
			attr_add(l, "addresses",
				 arena_strdup(l->a, ipaddr_print(&a->addresses[i], text)), NULL);
		else if (c > 0)
			attr_add(l, "addresses", NULL,
				 arena_strdup(l->a, ipaddr_print(&b->addresses[j], text)));
		i += c <= 0;
		j += c >= 0;
	}
}

/* What its record says, of a client that comes or goes. */
static void add_record(struct attr_list *l, const struct record *a, const struct record *b)
{
	static const struct client_settings none = { .keepalive = DEFAULT_CLIENT_KEEPALIVE };
	const struct client_settings *x = a && a->settings ? a->settings : &none,
				     *y = b && b->settings ? b->settings : &none;

	attr_add(l, "public_key", attr_key(l, a ? &a->key : NULL), attr_key(l, b ? &b->key : NULL));
	add_addresses(l, a, b);
	attr_change(l, "dns", attr_words(l, x->dns, x->n_dns), attr_words(l, y->dns, y->n_dns));
	attr_change(l, "mtu", attr_number(l, x->mtu, x->mtu), attr_number(l, y->mtu, y->mtu));
	attr_add(l, "gateway", a ? a->gateway : NULL, b ? b->gateway : NULL);
	attr_add_prefixes(l, "allowed_ips", x->allowed_ips, x->n_allowed_ips, y->allowed_ips,
			  y->n_allowed_ips);
	if (x->keepalive != y->keepalive)
		attr_change(l, "persistent_keepalive",
			    attr_number(l, a && x->keepalive, x->keepalive),
			    attr_number(l, b && y->keepalive, y->keepalive));
}

/* All that differs in the two files, and the gateway's name, which stands in none of their
 * values. */
static void add_files(struct attr_list *l, const struct files *f)
{
	const struct node *a = &f->old.node, *b = &f->new.node;
	const struct peer *x = &f->old.gateway, *y = &f->new.gateway;

	if (wgkey_cmp(&a->key, &b->key))
		attr_add(l, "public_key", attr_key(l, &a->key), attr_key(l, &b->key));
	add_addresses(l, f->a, f->b);
	attr_change(l, "dns", attr_words(l, f->old.own.dns, f->old.own.n_dns),
		    attr_words(l, f->new.own.dns, f->new.own.n_dns));
	attr_change(l, "mtu", attr_number(l, a->mtu, a->mtu), attr_number(l, b->mtu, b->mtu));
	attr_change(l, "gateway", x->name, y->name);
	if (wgkey_cmp(&x->key, &y->key))
		attr_add(l, "gateway_key", attr_key(l, x->name ? &x->key : NULL),
			 attr_key(l, y->name ? &y->key : NULL));
	attr_change(l, "endpoint", attr_endpoint(l, &x->endpoint), attr_endpoint(l, &y->endpoint));
	attr_add_prefixes(l, "allowed_ips", x->allowed_ips, x->n_allowed_ips, y->allowed_ips,
			  y->n_allowed_ips);
	attr_change(l, "persistent_keepalive", attr_number(l, x->keepalive, x->keepalive),
		    attr_number(l, y->keepalive, y->keepalive));
}

/* ---- what the old file is still good for ---- */

/* Of one IP version (0: of any): it has addresses before and after, but none of those before. */
static bool loses_addresses(const struct node *a, const struct node *b, uint8_t family)
{
	size_t i, j, before = 0, after = 0;

	for (j = 0; j < b->n_addresses; j++)
		after += !family || b->addresses[j].addr.family == family;
	for (i = 0; i < a->n_addresses; i++) {
		if (family && a->addresses[i].addr.family != family)
			continue;
		before++;
		for (j = 0; j < b->n_addresses; j++)
			if (!ipaddr_cmp(&a->addresses[i].addr, &b->addresses[j].addr))
				return false;
	}
	return before && after;
}

/* Nothing of what should go into the tunnel does. */
static bool goes_elsewhere(const struct peer *x, const struct peer *y)
{
	size_t i, j;

	for (i = 0; i < x->n_allowed_ips; i++)
		for (j = 0; j < y->n_allowed_ips; j++)
			if (prefix_overlaps(&x->allowed_ips[i], &y->allowed_ips[j]))
				return false;
	return y->n_allowed_ips;
}

/* No packet gets through with the old file. */
static bool nothing_passes(const struct files *f)
{
	return wgkey_cmp(&f->old.node.key, &f->new.node.key) ||
	       wgkey_cmp(&f->old.gateway.key, &f->new.gateway.key) ||
	       !endpoint_equal(&f->old.gateway.endpoint, &f->new.gateway.endpoint) ||
	       loses_addresses(&f->old.node, &f->new.node, 0) ||
	       goes_elsewhere(&f->old.gateway, &f->new.gateway);
}

static enum plan_file file_of(const struct files *f, const struct attr_list *l)
{
	if (nothing_passes(f) || loses_addresses(&f->old.node, &f->new.node, 4) ||
	    loses_addresses(&f->old.node, &f->new.node, 6))
		return PLAN_FILE_CUT_OFF;
	/* A gateway that has got another name alone is the same one. */
	return !l->n || (l->n == 1 && !strcmp(l->v[0].name, "gateway")) ? PLAN_FILE_SAME :
									  PLAN_FILE_STALE;
}

/* ---- the clients of a plan ---- */

static const struct record *client_of(const struct side *s, uint32_t id)
{
	const struct record *r = s->records[id];

	return r && r->gateway ? r : NULL;
}

static int cmp_clients(const void *pa, const void *pb)
{
	static const int order[] = { [PLAN_REMOVE] = 0, [PLAN_CHANGE] = 1, [PLAN_ADD] = 2 };
	const struct plan_client *a = pa, *b = pb;

	if (a->action != b->action)
		return order[a->action] - order[b->action];
	return strcmp(a->name, b->name);
}

struct client_maker {
	struct plan_work *w;
	struct plan *plan;
	struct plan_client *list;
	size_t n;
	struct last_change *last; /* by the number of the gateway */
	struct arena scratch; /* of one client */
};

static int keep_attrs(struct arena *out, const struct attr_list *l, struct plan_attrs *ret)
{
	struct plan_attr *list = arena_array(out, l->n, sizeof(*list));
	size_t i;

	for (i = 0; list && i < l->n; i++) {
		const struct plan_attr *a = &l->v[i];

		list[i] = (struct plan_attr){ a->name, a->from ? arena_strdup(out, a->from) : NULL,
					      a->to ? arena_strdup(out, a->to) : NULL };
		if (!list[i].from != !a->from || !list[i].to != !a->to)
			return -1;
	}
	*ret = (struct plan_attrs){ list, l->n };
	return list ? 0 : -1;
}

/* Those of one gateway mostly change alike, with it: they share one list. */
static int keep_client(struct client_maker *m, uint32_t id, enum plan_action action,
		       enum plan_file file, const struct attr_list *l, uint32_t gateway)
{
	struct plan_client *c = &m->list[m->n];
	struct plan_attrs attrs = { l->v, l->n };
	struct last_change *last =
		action == PLAN_CHANGE && gateway != NO_ID ? &m->last[gateway] : NULL;
	bool same =
		last && last->attrs.n && last->file == file && attrs_equal(&last->attrs, &attrs);

	if (last && same)
		attrs = last->attrs;
	else if (keep_attrs(m->w->out, l, &attrs) < 0)
		return -1;
	*c = (struct plan_client){ .action = action,
				   .name = m->w->names[id],
				   .attrs = attrs.list,
				   .n_attrs = attrs.n,
				   .file = file,
				   .like = last && same ? last->like : m->n };
	if (last)
		*last = (struct last_change){ attrs, file, c->like };
	m->n++;
	return 0;
}

/* A publication that has a client without its gateway never let anything through: as a file of
 * nothing. */
static int make_config(struct client_maker *m, int side, const struct record *r,
		       struct client_config *ret)
{
	struct err e;

	*ret = (struct client_config){ 0 };
	return client_config_make(m->w->sides[side].network, r->name, (struct ifname){ "" },
				  &m->scratch, ret, &e) < 0 &&
			       e.class == ERR_NOMEM ?
		       -1 :
		       0;
}

/* `listed`: it is to be told of, not only looked at. */
static int plan_client(struct client_maker *m, uint32_t id, bool listed)
{
	struct plan_work *w = m->w;
	const struct record *a = client_of(&w->sides[OLD], id), *b = client_of(&w->sides[NEW], id);
	struct attr_list l = { .a = &m->scratch };
	enum plan_file file = PLAN_FILE_SAME;
	struct files f = { .a = a, .b = b };

	if (!a || !b) {
		add_record(&l, a, b);
	} else {
		if (make_config(m, OLD, a, &f.old) < 0 || make_config(m, NEW, b, &f.new) < 0)
			return -1;
		add_files(&l, &f);
		file = file_of(&f, &l);
		w->cut_off[id] = nothing_passes(&f);
	}
	if (l.failed)
		return -1;
	if (!listed)
		return 0;
	m->plan->clients_added += !a;
	m->plan->clients_removed += !b;
	m->plan->clients_changed += a && b && l.n;
	m->plan->clients_unchanged += a && b && !l.n;
	m->plan->files_needed += file != PLAN_FILE_SAME;
	m->plan->files_cut_off += file == PLAN_FILE_CUT_OFF;
	return l.n ? keep_client(m, id,
				 !a ? PLAN_ADD :
				 !b ? PLAN_REMOVE :
				      PLAN_CHANGE,
				 file, &l, b ? plan_work_id(w, b->gateway) : NO_ID) :
		     0;
}

/* `like` was the number of a change; now it leads to the first client with it, and `next` from each
 * to the next one. */
static int link_clients(struct client_maker *m)
{
	size_t *last = arena_array(&m->scratch, m->n, sizeof(*last)), i;

	if (!last)
		return -1;
	for (i = 0; i < m->n; i++) {
		struct plan_client *c = &m->list[i];
		size_t *at = &last[c->like];

		if (*at) {
			c->like = m->list[*at - 1].like;
			m->list[*at - 1].next = i;
		} else {
			c->like = i;
		}
		*at = i + 1;
	}
	return 0;
}

int plan_clients(struct plan_work *w, uint32_t only, struct plan *ret)
{
	struct client_maker m = { .w = w, .plan = ret };
	size_t n = 0;
	uint32_t id;
	int r = -1;

	arena_init(&m.scratch);
	for (id = 0; id < w->n; id++)
		n += client_of(&w->sides[OLD], id) || client_of(&w->sides[NEW], id);
	m.list = arena_array(w->out, n, sizeof(*m.list));
	m.last = arena_array(&w->tmp, w->n, sizeof(*m.last));
	w->cut_off = arena_array(&w->tmp, w->n, sizeof(*w->cut_off));
	if (!m.list || !m.last || !w->cut_off)
		goto out;
	for (id = 0; n && id < w->n; id++) {
		if (!client_of(&w->sides[OLD], id) && !client_of(&w->sides[NEW], id))
			continue;
		if (plan_client(&m, id, only == NO_ID || only == id) < 0)
			goto out;
		if (m.scratch.used > 1u << 20)
			arena_release(&m.scratch);
	}
	if (m.n > 1)
		qsort(m.list, m.n, sizeof(*m.list), cmp_clients);
	if (link_clients(&m) < 0)
		goto out;
	ret->clients = m.list;
	ret->n_clients = m.n;
	r = 0;
out:
	arena_release(&m.scratch);
	return r;
}
