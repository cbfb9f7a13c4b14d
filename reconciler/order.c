/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/order.h"

struct ordered {
	const struct m_route *route;
	const struct m_node *node;
};

static int cmp_ordered(const void *pa, const void *pb)
{
	const struct ordered *a = pa, *b = pb;
	int c = prefix_cmp(&a->route->prefix, &b->route->prefix);

	if (!c && a->route->metric.v != b->route->metric.v)
		return a->route->metric.v < b->route->metric.v ? -1 : 1;
	return c ? c : strcmp(a->node->name, b->node->name);
}

/* The end of the run of one prefix that begins at `i`. */
static size_t run_end(const struct ordered *list, size_t n, size_t i)
{
	size_t end = i + 1;

	while (end < n && !prefix_cmp(&list[i].route->prefix, &list[end].route->prefix))
		end++;
	return end;
}

static struct pos place(const struct m_route *r)
{
	return r->metric.set ? r->metric.pos : r->pos;
}

static void same_place(struct diag *d, const struct ordered *a, const struct ordered *b)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e =
		diag_error(d, place(b->route), "`%s` and `%s` have the same metric %u for %s",
			   a->node->name, b->node->name, (unsigned int)a->route->metric.v,
			   prefix_print(&a->route->prefix, text));

	diag_other(d, e, place(a->route), "the other one");
	diag_help(
		d, e,
		"of the nodes that have one network behind them each needs a `metric` of its own; the lowest comes first");
}

int order_make(const struct m_network *m, struct arena *a, struct diag *d, struct order *ret)
{
	struct ordered *list;
	size_t i, j, end, n = 0, kept = 0;

	*ret = (struct order){ .m = m };
	for (i = 0; i < m->n_nodes; i++)
		n += m->nodes[i].n_routes;
	list = arena_array(a, n, sizeof(*list));
	if (!list)
		return -1;
	for (i = 0, n = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_routes; j++)
			list[n++] = (struct ordered){ &m->nodes[i].routes[j], &m->nodes[i] };
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_ordered);
	for (i = 0; i < n; i = end) {
		end = run_end(list, n, i);
		if (list[i].route->metric.v == list[end - 1].route->metric.v)
			continue;
		for (j = i; j < end; j++) {
			if (j > i && list[j - 1].route->metric.v == list[j].route->metric.v)
				same_place(d, &list[j - 1], &list[j]);
			list[kept++] = list[j];
		}
	}
	ret->list = list;
	ret->n = kept;
	return 0;
}

/* The first of this prefix, or NULL. */
static const struct ordered *find_first(const struct order *o, const struct prefix *p)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&o->list[mid].route->prefix, p) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < o->n && !prefix_cmp(&o->list[low].route->prefix, p) ? &o->list[low] : NULL;
}

bool order_stands_by(const struct order *o, const struct m_route *r)
{
	const struct ordered *first = find_first(o, &r->prefix);

	return first && first->route->metric.v < r->metric.v;
}

static bool target_has(const struct network *n, const char *target, const char *node)
{
	const struct group *g;

	if (!strcmp(target, GROUP_ALL))
		return true;
	if (!target_is_group(target))
		return !strcmp(target, node);
	g = network_group(n, target);
	return g && group_has(g, node);
}

/* Whether some link of the node leads to `to`, itself or through another, or has the prefix. */
static bool leads(const struct network *n, const struct node *from, const char *to,
		  const struct prefix *p, bool directly)
{
	size_t i, j;

	for (i = 0; i < from->n_links; i++) {
		const struct link *l = &from->links[i];

		if ((l->kind == LINK_DIRECT ||
		     (!directly && (l->kind == LINK_ROUTES || l->kind == LINK_THROUGH))) &&
		    target_has(n, l->target, to))
			return true;
		for (j = 0; !directly && j < l->n_prefixes; j++)
			if (prefix_contains(&l->prefixes[j], p))
				return true;
	}
	return false;
}

static bool has_it(const struct ordered *run, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(run[i].node->name, name))
			return true;
	return false;
}

/* run[0] comes first, run[1..n) stand by. */
static void check_run(const struct network *net, const struct ordered *run, size_t n,
		      struct diag *d)
{
	const struct prefix *p = &run[0].route->prefix;
	const struct ordered *by = NULL;
	const char *one = NULL;
	char text[PREFIX_STRLEN], others[48] = "";
	size_t i, j, more = 0;
	struct diag_entry *e;

	for (i = 0; i < net->n_nodes; i++) {
		const struct node *from = &net->nodes[i];

		if (from->exit || has_it(run, n, from->name) ||
		    leads(net, from, run[0].node->name, p, false))
			continue;
		for (j = 1; j < n && !leads(net, from, run[j].node->name, p, true); j++)
			;
		if (j == n)
			continue;
		if (one) {
			more++;
			continue;
		}
		one = from->name;
		by = &run[j];
	}
	if (!one)
		return;
	if (more)
		snprintf(others, sizeof(others), " (and %zu more)", more);
	e = diag_warn(d, by->route->pos,
		      "%s is behind `%s` first, but `%s`%s is joined with `%s` alone",
		      prefix_print(p, text), run[0].node->name, one, others, by->node->name);
	diag_other(d, e, run[0].route->pos, "the first");
	diag_help(d, e, "join `%s` with `%s` too: until then it has no way to %s", one,
		  run[0].node->name, text);
}

void order_check(const struct order *o, const struct network *n, struct diag *d)
{
	size_t i, end;

	for (i = 0; i < o->n; i = end) {
		end = run_end(o->list, o->n, i);
		check_run(n, &o->list[i], end - i, d);
	}
}
