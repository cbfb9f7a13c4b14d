/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/machines.h"

#include "publication/exit.h"
#include "schema/machines.h"

/* A prefix that some machine may have a way to. */
struct way {
	struct prefix prefix;
	size_t network; /* index in the model */
	const struct record *behind; /* NULL: a pool */
	const struct m_site *site; /* whose leader that is, of a site's own routes; or NULL */
};

/* Two ways that no machine may have both of. */
struct pair {
	const struct way *a, *b;
	const struct tenant *on_a, *on_b; /* the first machine found; NULL: none */
	size_t machines;
};

struct checker {
	const struct model *model;
	const struct network *const *compiled;
	struct tenant *tenants;
	size_t n_tenants;
	bool *shared; /* one per network: some machine is in it and in another */
	struct arena arena;
	struct way *ways; /* sorted by prefix */
	size_t n_ways;
	struct pair *pairs;
	size_t n_pairs;
	bool nomem;
};

/* ---- which prefixes there are ---- */

static size_t network_index(const struct checker *x, const struct tenant *t)
{
	return (size_t)(t->network - x->model->networks);
}

static void add_way(struct checker *x, const struct prefix *p, size_t network,
		    const struct record *behind, const struct m_site *site)
{
	struct way *list = arena_grow(&x->arena, x->ways, x->n_ways, sizeof(*list));

	if (!list) {
		x->nomem = true;
		return;
	}
	x->ways = list;
	list[x->n_ways++] = (struct way){ *p, network, behind, site };
}

static int cmp_ways(const void *pa, const void *pb)
{
	const struct way *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	if (!c)
		c = (a->network > b->network) - (a->network < b->network);
	if (!c)
		c = !!a->behind - !!b->behind;
	return c || !a->behind ? c : strcmp(a->behind->name, b->behind->name);
}

/* Others reach a site's networks behind its first leader. */
static void add_site_ways(struct checker *x, const struct m_site *site, size_t network)
{
	const struct record *leader =
		site->n_leaders ? network_record(x->compiled[network], site->leaders[0].s) : NULL;
	size_t i;

	for (i = 0; leader && i < site->n_routes; i++)
		add_way(x, &site->routes[i].prefix, network, leader, site);
}

static void collect_ways(struct checker *x)
{
	size_t i, j, k;

	for (i = 0; i < x->model->n_networks; i++) {
		const struct m_network *m = &x->model->networks[i];
		const struct network *n = x->compiled[i];

		if (!x->shared[i])
			continue;
		for (j = 0; j < m->n_pools; j++)
			add_way(x, &m->pools[j].prefix, i, NULL, NULL);
		for (j = 0; j < n->n_records; j++)
			for (k = 0; k < n->records[j].n_routes; k++)
				add_way(x, &n->records[j].routes[k], i, &n->records[j], NULL);
		for (j = 0; j < m->n_sites; j++)
			add_site_ways(x, &m->sites[j], i);
	}
	if (x->n_ways > 1)
		qsort(x->ways, x->n_ways, sizeof(*x->ways), cmp_ways);
}

static void add_pair(struct checker *x, const struct way *a, const struct way *b)
{
	struct pair *list = arena_grow(&x->arena, x->pairs, x->n_pairs, sizeof(*list));

	if (!list) {
		x->nomem = true;
		return;
	}
	x->pairs = list;
	list[x->n_pairs++] = (struct pair){ .a = a, .b = b };
}

/* What equals a prefix, or lies inside it, comes right behind it. */
static void collect_pairs(struct checker *x)
{
	size_t i, j;

	for (i = 0; i < x->n_ways && !x->nomem; i++) {
		const struct way *a = &x->ways[i];

		for (j = i + 1; j < x->n_ways; j++) {
			const struct way *b = &x->ways[j];
			bool equal = !prefix_cmp(&a->prefix, &b->prefix);

			if (!equal && (a->behind || !prefix_contains(&a->prefix, &b->prefix)))
				break;
			if (a->network != b->network && (a->behind || b->behind))
				add_pair(x, a, b);
		}
	}
}

/* ---- who has them ---- */

static bool in_target(const struct network *n, const char *target, const char *name)
{
	const struct group *g;

	if (!strcmp(target, GROUP_ALL))
		return true;
	if (!target_is_group(target))
		return !strcmp(target, name);
	g = network_group(n, target);
	return g && group_has(g, name);
}

static bool allows(const struct link *l, const struct prefix *p)
{
	size_t i;

	for (i = 0; l->kind == LINK_ALLOW && i < l->n_prefixes; i++)
		if (prefix_contains(&l->prefixes[i], p))
			return true;
	return false;
}

/* As publication/expand.h would find it, for one prefix: whether the machine routes it. */
static bool routes(const struct checker *x, const struct tenant *t, const struct way *w)
{
	const struct network *n = x->compiled[w->network];
	const struct node *node = network_node(n, t->node->name);
	size_t i;

	if (!node || !strcmp(w->behind->name, node->name))
		return false;
	for (i = 0; i < node->n_standby; i++)
		if (!prefix_cmp(&node->standby[i], &w->prefix))
			return false;
	/* What lies in the interface's own network is no route of the system. */
	for (i = 0; i < node->n_addresses; i++) {
		struct prefix own = prefix_of_ifaddr(&node->addresses[i]);

		if (prefix_contains(&own, &w->prefix))
			return false;
	}
	for (i = 0; i < node->n_links; i++) {
		const struct link *l = &node->links[i];

		if (w->site && allows(l, &w->prefix))
			return true;
		/* A routed link makes no route. */
		if (!w->site &&
		    (l->kind == LINK_DIRECT || l->kind == LINK_ROUTES || l->kind == LINK_THROUGH) &&
		    (!l->via || strcmp(l->via, w->behind->name) != 0) &&
		    in_target(n, l->target, w->behind->name))
			return true;
	}
	return false;
}

/* Where the way goes: a pool is with its addresses, in the main table. 0: nowhere. */
static uint64_t table_of(const struct tenant *t, const struct way *w)
{
	if (!w->behind)
		return EXIT_TABLE_MAIN;
	return t->node->table.set    ? t->node->table.v :
	       t->network->table.set ? t->network->table.v :
				       EXIT_TABLE_MAIN;
}

/* Whoever is in a network sends what is for its pools there. Two pools are schema/machines.h's. */
static void check_pair(struct checker *x, struct pair *p, const struct tenant *a,
		       const struct tenant *b)
{
	if (table_of(a, p->a) != table_of(b, p->b) || !table_of(a, p->a))
		return;
	if ((p->a->behind && !routes(x, a, p->a)) || (p->b->behind && !routes(x, b, p->b)))
		return;
	if (!p->machines++) {
		p->on_a = a;
		p->on_b = b;
	}
}

static const struct tenant *tenant_in(const struct checker *x, const struct tenant *list, size_t n,
				      size_t network)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (network_index(x, &list[i]) == network)
			return &list[i];
	return NULL;
}

static void check_machine(struct checker *x, const struct tenant *list, size_t n)
{
	size_t i;

	for (i = 0; i < x->n_pairs; i++) {
		struct pair *p = &x->pairs[i];
		const struct tenant *a = tenant_in(x, list, n, p->a->network);
		const struct tenant *b = a ? tenant_in(x, list, n, p->b->network) : NULL;

		if (b)
			check_pair(x, p, a, b);
	}
}

/* ---- telling ---- */

static struct pos place_of(const struct checker *x, const struct way *w)
{
	const struct m_network *m = &x->model->networks[w->network];
	const struct m_node *node = w->behind ? m_network_node(m, w->behind->name) : NULL;
	size_t i;

	for (i = 0; w->site && i < w->site->n_routes; i++)
		if (!prefix_cmp(&w->site->routes[i].prefix, &w->prefix))
			return w->site->routes[i].pos;
	for (i = 0; node && i < node->n_routes; i++)
		if (!prefix_cmp(&node->routes[i].prefix, &w->prefix))
			return node->routes[i].pos;
	for (i = 0; !node && i < m->n_pools; i++)
		if (!prefix_cmp(&m->pools[i].prefix, &w->prefix))
			return m->pools[i].pos;
	return node ? node->pos : m->pos;
}

/* "behind `gw` of network `prod`", "a pool of network `lab`" */
static void describe(const struct checker *x, const struct way *w, struct buf *out)
{
	const char *network = x->model->networks[w->network].name;

	if (w->site)
		buf_addf(out, "at the site `%s` of network `%s`", w->site->name, network);
	else if (w->behind)
		buf_addf(out, "behind `%s` of network `%s`", w->behind->name, network);
	else
		buf_addf(out, "a pool of network `%s`", network);
}

static void tell(const struct checker *x, const struct pair *p, struct diag *d)
{
	/* The place that comes later is the error's, whichever was found first. */
	bool swap = p->a->network > p->b->network;
	const struct way *first = swap ? p->b : p->a, *second = swap ? p->a : p->b;
	char text[PREFIX_STRLEN], wide[PREFIX_STRLEN];
	struct diag_entry *e;
	struct buf what, where, note;

	buf_init(&what, 1024);
	buf_init(&where, 1024);
	buf_init(&note, 1024);
	prefix_print(&p->b->prefix, text);
	if (!prefix_cmp(&p->a->prefix, &p->b->prefix)) {
		buf_addf(&what, "%s is ", text);
		describe(x, second, &what);
		buf_adds(&what, " and ");
		describe(x, first, &what);
	} else {
		buf_addf(&what, "%s ", text);
		describe(x, p->b, &what);
		buf_addf(&what, " lies inside %s, ", prefix_print(&p->a->prefix, wide));
		describe(x, p->a, &what);
	}
	if (strcmp(p->on_a->node->name, p->on_b->node->name) != 0)
		buf_addf(&where, "`%s` and `%s`, on the same machine `%s`,", p->on_a->node->name,
			 p->on_b->node->name, p->on_a->machine);
	else
		buf_addf(&where, "`%s`, which is in both,", p->on_a->node->name);
	describe(x, first, &note);
	e = diag_error(d, place_of(x, second), "%s, and %s can reach only one of them", what.data,
		       where.data);
	if (p->machines > 1)
		diag_other(d, e, place_of(x, first), "%s; and so on %zu more machines", note.data,
			   p->machines - 1);
	else
		diag_other(d, e, place_of(x, first), "%s", note.data);
	diag_help(
		d, e,
		"join it with one of them alone, or use different prefixes; if these are two machines, "
		"give one of the nodes another `machine`");
	buf_release(&what);
	buf_release(&where);
	buf_release(&note);
}

/* Networks that share no machine with another have nothing to be compared. */
static bool mark_shared(struct checker *x)
{
	size_t i, end, j, n = 0;

	x->shared = arena_array(&x->arena, x->model->n_networks, sizeof(*x->shared));
	if (!x->shared) {
		x->nomem = true;
		return false;
	}
	for (i = 0; i < x->n_tenants; i = end) {
		end = machines_end(x->tenants, x->n_tenants, i);
		for (j = i; j < end; j++) {
			size_t k = network_index(x, &x->tenants[j]);

			n += x->compiled[k] && !x->shared[k];
			x->shared[k] = x->compiled[k] != NULL;
		}
	}
	return n > 1;
}

void machines_check_routes(const struct model *m, const struct network *const *compiled,
			   struct diag *d)
{
	struct checker x = { .model = m, .compiled = compiled };
	size_t i, end;

	arena_init(&x.arena);
	x.nomem = machines_tenants(m, &x.tenants, &x.n_tenants) < 0;
	if (!x.nomem && x.n_tenants && mark_shared(&x)) {
		collect_ways(&x);
		collect_pairs(&x);
		for (i = 0; i < x.n_tenants && x.n_pairs && !x.nomem; i = end) {
			end = machines_end(x.tenants, x.n_tenants, i);
			check_machine(&x, x.tenants + i, end - i);
		}
		for (i = 0; i < x.n_pairs && !x.nomem; i++)
			if (x.pairs[i].machines)
				tell(&x, &x.pairs[i], d);
	}
	if (x.nomem)
		diag_nomem(d);
	free(x.tenants);
	arena_release(&x.arena);
}
