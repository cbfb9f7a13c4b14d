/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/assert.h"

#include "common/limits.h"

#define MAX_EXPLANATION 2048

struct checker {
	const struct m_network *m;
	struct reach *r;
	struct arena *arena;
	struct diag *d;
	bool warn; /* what does not hold is no error */
};

struct end_list {
	struct reach_end *list;
	size_t n;
};

/* ---- ends ---- */

static int cmp_ends(const void *pa, const void *pb)
{
	const struct reach_end *a = pa, *b = pb;
	int c;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == REACH_NODE)
		return a->id < b->id ? -1 : a->id > b->id;
	c = prefix_cmp(&a->prefix, &b->prefix);
	return c ? c : ipaddr_cmp(&a->address, &b->address);
}

static int add_end(struct arena *a, struct end_list *l, const struct reach_end *e)
{
	struct reach_end *list = arena_grow(a, l->list, l->n, sizeof(*list));

	if (!list)
		return -1;
	l->list = list;
	list[l->n++] = *e;
	return 0;
}

static int add_named(struct reach *r, struct arena *a, struct end_list *l, const char *name)
{
	struct reach_end e = reach_node(reach_id(r, name));

	return e.id == REACH_NOBODY ? 0 : add_end(a, l, &e);
}

static bool has_tag(const struct m_node *n, const char *tag)
{
	size_t i;

	for (i = 0; i < n->n_tags; i++)
		if (!strcmp(n->tags[i].s, tag))
			return true;
	return false;
}

static bool selects(const struct m_selector *s, const struct m_node *n)
{
	switch (s->kind) {
	case SELECT_ALL:
		return true;
	case SELECT_TAG:
		return has_tag(n, s->name);
	case SELECT_NODE:
		return !strcmp(s->name, n->name);
	}
	return false;
}

static int add_selector(struct reach *r, const struct m_network *m, struct arena *a,
			struct end_list *l, const struct m_selector *s)
{
	size_t i;

	if (s->kind == SELECT_NODE)
		return add_named(r, a, l, s->name);
	for (i = 0; i < m->n_nodes; i++)
		if (selects(s, &m->nodes[i]) && add_named(r, a, l, m->nodes[i].name) < 0)
			return -1;
	for (i = 0; s->kind == SELECT_ALL && i < m->n_clients; i++)
		if (add_named(r, a, l, m->clients[i].node.name) < 0)
			return -1;
	return 0;
}

static int add_prefix(struct reach *r, struct arena *a, struct end_list *l, const struct prefix *p,
		      bool *ret_any)
{
	struct reach_end *parts, outside;
	size_t i, n;

	*ret_any = false;
	if (!p->len) {
		*ret_any = reach_outside(r, p->family, &outside);
		outside.prefix = *p;
		return *ret_any ? add_end(a, l, &outside) : 0;
	}
	if (reach_behind(r, p, a, &parts, &n) < 0)
		return -1;
	*ret_any = n > 0;
	for (i = 0; i < n; i++)
		if (add_end(a, l, &parts[i]) < 0)
			return -1;
	return 0;
}

int assert_ends(struct reach *r, const struct m_network *m, const struct m_parties *p,
		struct arena *a, void (*told)(void *arg, const struct m_prefix *p), void *arg,
		struct reach_end **ret, size_t *ret_n)
{
	struct end_list l = { 0 };
	size_t i, kept = 0;
	bool any;

	for (i = 0; i < p->nodes.n; i++)
		if (add_selector(r, m, a, &l, &p->nodes.list[i]) < 0)
			return -1;
	for (i = 0; i < p->n_prefixes; i++) {
		if (add_prefix(r, a, &l, &p->prefixes[i].prefix, &any) < 0)
			return -1;
		if (!any && told)
			told(arg, &p->prefixes[i]);
	}
	if (l.n > 1)
		qsort(l.list, l.n, sizeof(*l.list), cmp_ends);
	for (i = 0; i < l.n; i++)
		if (!kept || cmp_ends(&l.list[kept - 1], &l.list[i]))
			l.list[kept++] = l.list[i];
	*ret = l.list;
	*ret_n = kept;
	return 0;
}

int assert_address(struct reach *r, const struct ipaddr *address, struct arena *a,
		   struct reach_end **ret, size_t *ret_n)
{
	struct prefix p = prefix_of_addr(address);
	struct end_list l = { 0 };
	struct reach_end e;
	const struct ipaddr *list;
	uint32_t id;
	size_t i, n;

	for (id = 0; id < reach_count(r) && !l.n; id++) {
		if (reach_id(r, reach_name(r, id)) == REACH_NOBODY)
			continue;
		e = reach_node(id);
		list = reach_addresses(r, &e, &n);
		for (i = 0; i < n && !l.n; i++)
			if (!ipaddr_cmp(&list[i], address) && add_end(a, &l, &e) < 0)
				return -1;
	}
	*ret = l.list;
	*ret_n = l.n;
	return l.n ? 0 : reach_behind(r, &p, a, ret, ret_n);
}

/* ---- clients ---- */

static bool sends_to(const struct m_network *m, const struct m_client *c, const struct ipaddr *a)
{
	const struct m_prefix *list = c->n_allowed_ips ? c->allowed_ips : m->pools;
	size_t n = c->n_allowed_ips ? c->n_allowed_ips : m->n_pools, i;

	for (i = 0; i < n; i++)
		if (prefix_contains_addr(&list[i].prefix, a))
			return true;
	return false;
}

/* How much of the other end's addresses the client sends to. */
static enum reach_answer client_sends(const struct reach *r, const struct m_network *m,
				      const struct reach_end *e, const struct reach_end *other)
{
	const struct ipaddr *list, *own;
	const struct m_client *c;
	size_t n, n_own, i, j, sent = 0, could = 0;

	if (e->kind != REACH_NODE || !reach_is_client(r, e->id))
		return REACH_ALL;
	c = m_network_client(m, reach_name(r, e->id));
	if (!c)
		return REACH_ALL;
	list = reach_addresses(r, other, &n);
	own = reach_addresses(r, e, &n_own);
	for (i = 0; i < n; i++) {
		for (j = 0; j < n_own && own[j].family != list[i].family; j++)
			;
		could += j < n_own;
		sent += j < n_own && sends_to(m, c, &list[i]);
	}
	return sent == could ? REACH_ALL : sent ? REACH_SOME : REACH_NONE;
}

enum reach_answer assert_client(const struct reach *r, const struct m_network *m,
				const struct reach_end *one, const struct reach_end *two,
				const char **ret_name)
{
	enum reach_answer a = client_sends(r, m, one, two), b = client_sends(r, m, two, one);

	*ret_name = a != REACH_ALL ? reach_name(r, one->id) :
		    b != REACH_ALL ? reach_name(r, two->id) :
				     NULL;
	return a < b ? a : b;
}

/* ---- one assertion ---- */

struct broken {
	const struct reach_end *from, *to;
	size_t pairs; /* that break it */
	size_t asked;
};

/* What an assertion is on. */
struct on {
	struct service *list;
	size_t n;
};

static int services_of(struct checker *c, const struct m_assertion *m, struct on *ret)
{
	size_t i;

	ret->list = arena_array(c->arena, m->on.n ? m->on.n : 1, sizeof(*ret->list));
	if (!ret->list)
		return -1;
	for (i = 0; i < m->on.n; i++)
		ret->list[i] = m->on.list[i].service;
	if (!m->on.n)
		ret->list[i++] = (struct service){ .kind = SERVICE_ANY };
	ret->n = services_canonical(ret->list, i);
	return 0;
}

/* A client's own file is no guarantee that it sends nothing else. */
static int ask(struct checker *c, const struct reach_end *from, const struct reach_end *to,
	       const struct on *on, bool positive, enum reach_answer *ret)
{
	const char *unused;
	enum reach_answer most =
		positive ? assert_client(c->r, c->m, from, to, &unused) : REACH_ALL;

	*ret = REACH_NONE;
	if (most == REACH_NONE)
		return 0;
	if (reach_ask(c->r, from, to, on->list, on->n, ret) < 0)
		return -1;
	if (*ret > most)
		*ret = most;
	return 0;
}

static int try_pairs(struct checker *c, const struct end_list *from, const struct end_list *to,
		     const struct on *on, bool positive, struct broken *ret)
{
	enum reach_answer answer;
	size_t i, j;

	*ret = (struct broken){ .from = NULL };
	for (i = 0; i < from->n; i++)
		for (j = 0; j < to->n; j++) {
			if (reach_same(c->r, &from->list[i], &to->list[j]))
				continue;
			ret->asked++;
			if (ask(c, &from->list[i], &to->list[j], on, positive, &answer) < 0)
				return -1;
			if (answer == (positive ? REACH_ALL : REACH_NONE))
				continue;
			if (!ret->pairs++) {
				ret->from = &from->list[i];
				ret->to = &to->list[j];
			}
		}
	return 0;
}

/* Whether a side of a rule names an end. */
static bool names_end(struct checker *c, const struct m_parties *p, const struct reach_end *e)
{
	const struct m_client *client;
	const struct m_node *node;
	size_t i;

	if (e->kind != REACH_NODE) {
		for (i = 0; i < p->n_prefixes; i++)
			if (p->prefixes[i].prefix.family == e->address.family &&
			    !p->prefixes[i].prefix.len == (e->kind == REACH_OUTSIDE) &&
			    prefix_contains_addr(&p->prefixes[i].prefix, &e->address))
				return true;
		return false;
	}
	client = m_network_client(c->m, reach_name(c->r, e->id));
	node = client ? &client->node : m_network_node(c->m, reach_name(c->r, e->id));
	for (i = 0; node && i < p->nodes.n; i++)
		if (selects(&p->nodes.list[i], node))
			return true;
	return false;
}

/* The first rule that lets in some of it, or NULL. */
static const struct m_rule *find_rule(struct checker *c, const struct broken *b,
				      const struct on *on)
{
	size_t i, j, k;

	for (i = 0; i < c->m->n_policy; i++) {
		const struct m_rule *r = &c->m->policy[i];

		if (!names_end(c, &r->from, b->from) || !names_end(c, &r->to, b->to))
			continue;
		if (!r->on.n)
			return r;
		for (j = 0; j < r->on.n; j++)
			for (k = 0; k < on->n; k++)
				if (services_overlap(&on->list[k], 1, &r->on.list[j].service))
					return r;
	}
	return NULL;
}

static void print_on(const struct on *on, struct buf *out)
{
	char text[SERVICE_STRLEN];
	size_t i;

	if (on->list[0].kind == SERVICE_ANY)
		return;
	buf_adds(out, " on ");
	for (i = 0; i < on->n && i < 8; i++)
		buf_addf(out, "%s%s", i ? ", " : "", service_print(&on->list[i], text));
	if (i < on->n)
		buf_adds(out, ", ...");
}

/* Why the first pair does not reach each other: the way, or the policy. */
static int explain_missing(struct checker *c, const struct broken *b, const struct on *on,
			   struct buf *out)
{
	char text[REACH_END_STRLEN];
	enum reach_answer ways, policy;
	struct reach_path path;
	const char *client;
	bool back = false;

	if (assert_client(c->r, c->m, b->from, b->to, &client) != REACH_ALL) {
		buf_addf(out, "`%s` has not all of that in its `allowed_ips`", client);
		return 0;
	}
	if (reach_ways(c->r, b->from, b->to, &ways, &path, &back) < 0 ||
	    reach_policy(c->r, b->from, b->to, on->list, on->n, &policy) < 0)
		return -1;
	if (ways != REACH_ALL) {
		buf_adds(out, back ? "the answer: " : "the way: ");
		reach_path_print(c->r, &path, out);
		return 0;
	}
	buf_adds(out, "the way: ");
	reach_path_print(c->r, &path, out);
	buf_addf(out, "; but %s is let in by the policy of %s",
		 policy == REACH_NONE ? "nothing of it" : "not all of it",
		 reach_end_print(c->r, b->to, text));
	return 0;
}

static int explain_way(struct checker *c, const struct broken *b, struct buf *out)
{
	enum reach_answer ways;
	struct reach_path path;
	bool back = false;

	if (reach_ways(c->r, b->from, b->to, &ways, &path, &back) < 0)
		return -1;
	buf_adds(out, "the way: ");
	if (path.fate == REACH_BY_HAND || path.fate == REACH_BY_DAEMON ||
	    (!back && path.fate == REACH_ARRIVES))
		reach_path_print(c->r, &path, out);
	else
		buf_adds(out, "some of its packets arrive, though not all are answered");
	return 0;
}

static int tell(struct checker *c, const struct m_assertion *m, bool positive,
		const struct broken *b, const struct on *on)
{
	char from[REACH_END_STRLEN], to[REACH_END_STRLEN];
	const struct m_rule *rule;
	struct diag_entry *e;
	struct buf what, why;
	int r;

	buf_init(&what, MAX_EXPLANATION);
	buf_init(&why, MAX_EXPLANATION);
	reach_end_print(c->r, b->from, from);
	reach_end_print(c->r, b->to, to);
	buf_addf(&what, positive ? "%s does not reach %s" : "%s reaches %s", from, to);
	print_on(on, &what);
	if (b->pairs > 1)
		buf_addf(&what, ", and %zu more pair%s like it", b->pairs - 1,
			 b->pairs == 2 ? "" : "s");
	r = positive ? explain_missing(c, b, on, &why) : explain_way(c, b, &why);
	e = (c->warn ? diag_warn : diag_error)(c->d, m->pos, "this assertion does not hold: %s",
					       what.data ? what.data : "");
	diag_help(c->d, e, "%s", why.data ? why.data : "");
	rule = positive ? NULL : find_rule(c, b, on);
	if (rule)
		diag_other(c->d, e, rule->pos, "this rule lets it in");
	buf_release(&what);
	buf_release(&why);
	return r;
}

static void behind_nobody(void *arg, const struct m_prefix *p)
{
	struct checker *c = arg;
	char text[PREFIX_STRLEN];

	diag_warn(c->d, p->pos, "%s lies behind no node, so nothing is asserted of it",
		  prefix_print(&p->prefix, text));
}

/* What is outside begins nothing. */
static void drop_outside(struct checker *c, const struct m_assertion *m, struct end_list *from)
{
	size_t i, kept = 0;

	for (i = 0; i < m->from.n_prefixes; i++)
		if (!m->from.prefixes[i].prefix.len)
			behind_nobody(c, &m->from.prefixes[i]);
	for (i = 0; i < from->n; i++)
		if (from->list[i].kind != REACH_OUTSIDE)
			from->list[kept++] = from->list[i];
	from->n = kept;
}

static int check_one(struct checker *c, const struct m_assertion *m)
{
	bool positive = m->reaches.nodes.n || m->reaches.n_prefixes;
	const struct m_parties *side = positive ? &m->reaches : &m->never_reaches;
	struct end_list from, to;
	struct broken b;
	struct on on;

	if (assert_ends(c->r, c->m, &m->from, c->arena, behind_nobody, c, &from.list, &from.n) < 0)
		return -1;
	drop_outside(c, m, &from);
	if (assert_ends(c->r, c->m, side, c->arena, behind_nobody, c, &to.list, &to.n) < 0 ||
	    services_of(c, m, &on) < 0 || try_pairs(c, &from, &to, &on, positive, &b) < 0)
		return -1;
	/* A tag that nobody has was told already. */
	if (!b.asked && from.n && to.n)
		diag_help(c->d,
			  diag_warn(c->d, m->pos, "this assertion is about no two different ends"),
			  "what is on one node alone does not go through the network");
	return b.pairs ? tell(c, m, positive, &b, &on) : 0;
}

/* Everybody who is at the other end of something, or has it behind. */
static int lets_somebody_ask(struct checker *c, const struct reach_end *server, bool *ret)
{
	static const struct service names[] = { { SERVICE_UDP, 53, 53 } };
	enum reach_answer answer;
	uint32_t id;

	*ret = false;
	for (id = 0; id < reach_count(c->r) && !*ret; id++) {
		struct reach_end e = reach_node(id);

		if (reach_id(c->r, reach_name(c->r, id)) == REACH_NOBODY ||
		    reach_same(c->r, &e, server))
			continue;
		if (reach_policy(c->r, &e, server, names, 1, &answer) < 0)
			return -1;
		*ret = answer != REACH_NONE;
	}
	return 0;
}

/* The policy may have forgotten the servers of names. */
static int check_servers(struct checker *c)
{
	char text[IPADDR_STRLEN];
	struct reach_end *ends;
	size_t i, n;
	bool asked;

	for (i = 0; i < c->m->names.n_servers; i++) {
		const struct m_addr *s = &c->m->names.servers[i];

		if (assert_address(c->r, &s->addr, c->arena, &ends, &n) < 0)
			return -1;
		if (!n)
			continue;
		if (lets_somebody_ask(c, &ends[0], &asked) < 0)
			return -1;
		if (!asked)
			diag_help(c->d,
				  diag_warn(c->d, s->pos,
					    "the policy lets nobody ask the server of names %s",
					    ipaddr_print(&s->addr, text)),
				  "add a rule that lets them reach it on udp/53 and tcp/53");
	}
	return 0;
}

static bool has_family(const struct reach *r, const struct reach_end *e, unsigned int family)
{
	const struct ipaddr *list;
	size_t n;

	for (list = reach_addresses(r, e, &n); n > 0; n--)
		if (list[n - 1].family == family)
			return true;
	return false;
}

/* Whether the policy lets nothing of this node or client out, in no IP version. */
static int is_kept_in(struct checker *c, const char *name, bool *ret)
{
	static const struct service any[] = { { SERVICE_ANY, 0, 0 } };
	struct reach_end from = reach_node(reach_id(c->r, name)), outside;
	enum reach_answer answer;
	unsigned int family;

	*ret = from.id != REACH_NOBODY;
	for (family = 4; *ret && family <= 6; family += 2) {
		if (!has_family(c->r, &from, family) || !reach_outside(c->r, family, &outside))
			continue;
		if (reach_policy(c->r, &from, &outside, any, ARRAY_LEN(any), &answer) < 0)
			return -1;
		*ret = answer == REACH_NONE;
	}
	return 0;
}

static int check_exit(struct checker *c, const char *name, const char *exit, struct pos pos)
{
	bool kept;

	if (is_kept_in(c, name, &kept) < 0)
		return -1;
	if (kept)
		diag_help(c->d,
			  diag_warn(c->d, pos,
				    "`%s` sends everything through `%s`, and the policy lets "
				    "nothing of it out",
				    name, exit),
			  "add a rule such as {from: [%s], to: [0.0.0.0/0, \"::/0\"]}", name);
	return 0;
}

/* With the first rule, who went out through an exit does no more unless a rule says so. */
static int check_exits(struct checker *c)
{
	const struct m_network *m = c->m;
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].exit_node.s &&
		    check_exit(c, m->nodes[i].name, m->nodes[i].exit_node.s,
			       m->nodes[i].exit_node.pos) < 0)
			return -1;
	for (i = 0; i < m->n_clients; i++) {
		const struct m_client *client = &m->clients[i];

		for (j = 0; j < client->n_allowed_ips && client->allowed_ips[j].prefix.len; j++)
			;
		if (j < client->n_allowed_ips && check_exit(c, client->node.name, client->gateway.s,
							    client->allowed_ips[j].pos) < 0)
			return -1;
	}
	return 0;
}

int assert_check(const struct m_network *m, const struct network *n, bool warn, struct arena *a,
		 struct diag *d)
{
	struct checker c = { .m = m, .arena = a, .d = d, .warn = warn };
	struct err e = { 0 };
	size_t i;
	int r = 0;

	if (!m->n_assertions && !m->n_policy)
		return 0;
	if (reach_new(n, m, &c.r, &e) < 0)
		return -1;
	for (i = 0; i < m->n_assertions && !r; i++)
		r = check_one(&c, &m->assertions[i]);
	if (!r && m->n_policy)
		r = check_servers(&c);
	if (!r && m->n_policy)
		r = check_exits(&c);
	reach_free(c.r);
	return r;
}
