/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/lifeline.h"

#include "agent/diff.h"

struct check {
	const struct desired *desired;
	const struct observed *observed;
	const struct ways *ways;
	/* The wanted routes, and the lifelines that lie in one of them. */
	const struct route *wanted;
	size_t n_wanted;
	struct found {
		struct lifeline line;
		unsigned int best; /* length of the closest route of the host */
		bool reached; /* there is one */
	} * lines;
	size_t n_lines;
	/* Next hops that were looked at. */
	struct ipaddr *hops;
	size_t n_hops;
	struct left_out *list;
	size_t n;
	struct arena *arena;
	struct err *err;
};

bool lifeline_is_private(const struct ipaddr *a)
{
	if (a->family == 6)
		return (a->b[0] & 0xfe) == 0xfc;
	return a->b[0] == 10 || (a->b[0] == 172 && (a->b[1] & 0xf0) == 16) ||
	       (a->b[0] == 192 && a->b[1] == 168);
}

uint32_t lifeline_table(const struct desired *d)
{
	const struct node *n = d->config->node;

	if (n->flags & NODE_NO_ROUTES || !d->config->n_routes)
		return 0;
	return n->flags & NODE_HAS_TABLE ? n->table : EXIT_TABLE_MAIN;
}

static bool drawn(const struct check *c, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < c->n_wanted; i++)
		if (prefix_contains_addr(&c->wanted[i].dst, a))
			return true;
	return false;
}

static int add_line(struct check *c, const struct lifeline *l)
{
	struct found f = { .line = *l };
	size_t i;

	if (!l->addr.family || l->known == LIFELINE_INSIDE)
		return 0;
	for (i = 0; i < c->n_lines; i++)
		if (!ipaddr_cmp(&c->lines[i].line.addr, &l->addr)) {
			if (l->known == LIFELINE_DIRECT)
				c->lines[i].line.known = LIFELINE_DIRECT;
			return 0;
		}
	if (!drawn(c, &l->addr))
		return 0;
	for (i = 0; i < c->ways->n; i++) {
		const struct way *w = &c->ways->list[i];

		if (!prefix_contains_addr(&w->dst, &l->addr) || (f.reached && w->dst.len <= f.best))
			continue;
		f.reached = true;
		f.best = w->dst.len;
	}
	c->lines = arena_grow(c->arena, c->lines, c->n_lines, sizeof(*c->lines));
	if (!c->lines)
		return err_nomem(c->err);
	c->lines[c->n_lines++] = f;
	return 0;
}

/* A table of a million routes has a handful of them. */
static bool seen_hop(struct check *c, const struct ipaddr *via, bool *ret_failed)
{
	size_t i;

	for (i = c->n_hops; i-- > 0;)
		if (!ipaddr_cmp(&c->hops[i], via))
			return true;
	c->hops = arena_grow(c->arena, c->hops, c->n_hops, sizeof(*c->hops));
	*ret_failed = !c->hops;
	if (c->hops)
		c->hops[c->n_hops++] = *via;
	return false;
}

static int add_hops(struct check *c)
{
	bool failed = false;
	size_t i;

	for (i = 0; i < c->ways->n; i++) {
		const struct way *w = &c->ways->list[i];
		struct lifeline l = { w->via, LIFELINE_DIRECT, "a gateway of this host" };

		if (w->ours || !w->via.family || seen_hop(c, &w->via, &failed))
			continue;
		if (failed)
			return err_nomem(c->err);
		if (add_line(c, &l) < 0)
			return -1;
	}
	return 0;
}

static int add_others(struct check *c)
{
	const struct desired *d = c->desired;
	size_t i;

	for (i = 0; i < d->n_lifelines; i++)
		if (add_line(c, &d->lifelines[i]) < 0)
			return -1;
	for (i = 0; i < d->config->n_peers; i++) {
		const struct sock_endpoint *s = &d->endpoints[i];
		struct lifeline l = { { .family = s->family },
				      LIFELINE_UNKNOWN,
				      d->config->peers[i].name };

		memcpy(l.addr.b, s->b, s->family == 4 ? 4 : 16);
		if (s->family && add_line(c, &l) < 0)
			return -1;
	}
	return 0;
}

static int refuse(struct check *c, const struct left_out *what)
{
	c->list = arena_grow(c->arena, c->list, c->n, sizeof(*c->list));
	if (!c->list)
		return err_nomem(c->err);
	c->list[c->n++] = *what;
	return 0;
}

static bool stands(const struct check *c, const struct route *r)
{
	size_t i;

	for (i = 0; c->observed->exists && i < c->observed->n_routes; i++)
		if (!route_cmp(&c->observed->routes[i], r))
			return true;
	return false;
}

/* The network of an address of the host's own, which `p` is or lies in. */
static const struct way *network_around(const struct ways *ways, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < ways->n; i++) {
		const struct way *w = &ways->list[i];

		if (!w->ours && w->on_link && prefix_contains(&w->dst, p))
			return w;
	}
	return NULL;
}

static const struct found *line_drawn_by(const struct check *c, const struct route *r)
{
	size_t i;

	for (i = 0; i < c->n_lines; i++) {
		const struct found *f = &c->lines[i];

		if (!f->reached || r->dst.len < f->best ||
		    !prefix_contains_addr(&r->dst, &f->line.addr))
			continue;
		if (f->best || f->line.known == LIFELINE_DIRECT ||
		    !lifeline_is_private(&f->line.addr))
			return f;
	}
	return NULL;
}

static void lies_in(struct left_out *l, const struct way *around)
{
	char text[PREFIX_STRLEN];

	snprintf(l->why, sizeof(l->why), "it lies in %s, the network that this host is in with %s",
		 prefix_print(&around->dst, text), around->dev.s);
}

static int check_route(struct check *c, const struct route *r)
{
	const struct way *around = network_around(c->ways, &r->dst);
	struct left_out out = { .route = *r };
	const struct found *line;
	char text[IPADDR_STRLEN];

	if (around) {
		lies_in(&out, around);
		return refuse(c, &out);
	}
	line = line_drawn_by(c, r);
	if (!line)
		return 0;
	snprintf(out.why, sizeof(out.why), "it would draw %s (%s) into the tunnel",
		 ipaddr_print(&line->line.addr, text), line->line.what);
	return refuse(c, &out);
}

static int check_address(struct check *c, const struct ways *main, const struct ifaddr *a)
{
	struct prefix net = prefix_of_ifaddr(a);
	const struct way *around = network_around(main, &net);
	struct left_out out = { .is_address = true, .address = *a };
	size_t i;

	/* Each link has its own. */
	if (a->addr.family == 6 && a->addr.b[0] == 0xfe && (a->addr.b[1] & 0xc0) == 0x80)
		return 0;
	for (i = 0; i < main->n; i++)
		if (!main->list[i].ours && !ipaddr_cmp(&main->list[i].via, &a->addr)) {
			snprintf(out.why, sizeof(out.why), "it is that of a gateway of this host");
			return refuse(c, &out);
		}
	if (!around)
		return 0;
	lies_in(&out, around);
	return refuse(c, &out);
}

static bool is_taken(const struct check *c, const struct route *r)
{
	size_t i;

	for (i = 0; i < c->ways->n; i++)
		if (!prefix_cmp(&c->ways->list[i].dst, &r->dst))
			return true;
	return false;
}

static int check_routes(struct check *c)
{
	uint32_t table = lifeline_table(c->desired);
	struct route *wanted;
	size_t n, i;

	if (!table || !c->ways->n)
		return 0;
	if (desired_routes(c->desired->config, c->arena, &wanted, &n, c->err) < 0)
		return -1;
	for (i = 0; i < n; i++)
		if (wanted[i].table == table && wanted[i].dst.len)
			wanted[c->n_wanted++] = wanted[i];
	c->wanted = wanted;
	if (add_hops(c) < 0 || add_others(c) < 0)
		return -1;
	for (i = 0; i < c->n_wanted; i++)
		if ((stands(c, &wanted[i]) || !is_taken(c, &wanted[i])) &&
		    check_route(c, &wanted[i]) < 0)
			return -1;
	return 0;
}

int lifeline_check(const struct desired *d, const struct observed *o, const struct ways *main,
		   const struct ways *own, struct arena *a, struct left_out **ret, size_t *ret_n,
		   struct err *e)
{
	struct check c = { .desired = d, .observed = o, .ways = own, .arena = a, .err = e };
	const struct node *n = d->config->node;
	size_t i;

	*ret = NULL;
	*ret_n = 0;
	for (i = 0; i < n->n_addresses; i++)
		if (check_address(&c, main, &n->addresses[i]) < 0)
			return -1;
	if (check_routes(&c) < 0)
		return -1;
	*ret = c.list;
	*ret_n = c.n;
	return 0;
}

int lifeline_error(const struct left_out *list, size_t n, struct err *e)
{
	char text[PREFIX_STRLEN], others[48] = "";

	if (n > 1)
		snprintf(others, sizeof(others), ", and %zu more are", n - 1);
	if (list->is_address)
		return err_set(
			e, ERR_CONFLICT,
			"the address %s is left out%s: %s. Give the network other addresses, "
			"or this host's own network another prefix",
			ifaddr_print(&list->address, text), others, list->why);
	return err_set(
		e, ERR_CONFLICT,
		"the route %s is left out%s: %s. Take it out of the network, or, where that is meant, "
		"give this host a closer route of its own there",
		prefix_print(&list->route.dst, text), others, list->why);
}
