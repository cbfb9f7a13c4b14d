/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/transit.h"

static bool has_endpoint(const struct m_network *m, size_t node)
{
	return m->nodes[node].endpoint.host != NULL;
}

static struct pos hub_pos(const struct transit *t)
{
	return t->star->a.list[0].pos;
}

/* One error for each star: its other spokes are told by a number. */
static void check_relayed(const struct m_network *m, const struct transit *t, struct relays *r,
			  struct diag *d)
{
	const struct m_node *hub = &m->nodes[t->hub], *relay = NULL;
	size_t i, spoke = 0, n = 0;
	struct diag_entry *e;

	if (has_endpoint(m, t->hub))
		return;
	for (i = 0; i < m->n_nodes; i++) {
		const struct m_node *by = NULL;

		if (t->spokes[i] && !has_endpoint(m, i))
			by = relays_between(r, i, t->hub);
		if (!by)
			continue;
		if (!n++) {
			relay = by;
			spoke = i;
		}
	}
	if (!n)
		return;
	if (n == 1)
		e = diag_error(d, hub_pos(t),
			       "the spoke `%s` reaches its hub `%s` only through the relay `%s`",
			       m->nodes[spoke].name, hub->name, relay->name);
	else
		e = diag_error(
			d, hub_pos(t),
			"the spoke `%s` and %zu more reach their hub `%s` only through a relay, as `%s` through `%s`",
			m->nodes[spoke].name, n - 1, hub->name, m->nodes[spoke].name, relay->name);
	diag_other(d, e, relay->relay_pos, "`%s` is a relay", relay->name);
	diag_help(
		d, e,
		"a relay and a hub behind it would be two in a row: give `%s` an `endpoint`, let `%s` be the hub, or "
		"write `transit: false`",
		hub->name, relay->name);
}

/* True when the hub of `from` is a spoke of `to`, and so sends to its hub. */
static bool leads(const struct transit *from, const struct transit *to)
{
	return to->spokes[from->hub];
}

/*
 * Two stars after one another in a circle. Stars that lead to none, or only to such, are taken away
 * until those are left that lead into a circle: whoever goes on from there comes into it.
 * count[i]: to how many of the stars that are left star i leads.
 */
static int find_circle(const struct transit *list, size_t n, struct arena *a, size_t *ret_from,
		       size_t *ret_to, bool *ret)
{
	size_t *count = arena_array(a, n, sizeof(*count)), *out = arena_array(a, n, sizeof(*out));
	size_t i, j, n_out = 0, from = n, to = n, steps;

	if (!count || !out)
		return -1;
	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++)
			count[i] += leads(&list[i], &list[j]);
		if (!count[i])
			out[n_out++] = i;
	}
	for (i = 0; i < n_out; i++)
		for (j = 0; j < n; j++)
			if (leads(&list[j], &list[out[i]]) && !--count[j])
				out[n_out++] = j;
	for (i = 0; i < n && to == n; i++)
		if (count[i])
			to = i;
	*ret = to < n;
	for (steps = 0; *ret && steps <= n; steps++) {
		from = to;
		for (to = 0; !count[to] || !leads(&list[from], &list[to]); to++)
			;
	}
	*ret_from = from;
	*ret_to = to;
	return 0;
}

static int check_circle(const struct m_network *m, const struct transit *list, size_t n,
			struct arena *a, struct diag *d)
{
	struct diag_entry *e;
	size_t one, two;
	bool circle;

	if (find_circle(list, n, a, &one, &two, &circle) < 0)
		return -1;
	if (!circle)
		return 0;
	e = diag_error(
		d, hub_pos(&list[one]),
		"a loop: the hub `%s` sends what it does not know to the hub `%s`, from where it comes back",
		m->nodes[list[one].hub].name, m->nodes[list[two].hub].name);
	diag_other(d, e, hub_pos(&list[two]), "`%s` is a spoke of this star",
		   m->nodes[list[one].hub].name);
	diag_help(
		d, e,
		"let one of them be the first hub of all spokes, or write `transit: false` for a star of the two");
	return 0;
}

/* The hub of several stars counts the spokes of all. */
static void mark_forward(const struct m_network *m, const struct transit *list, size_t n,
			 uint32_t *spoke_of, bool *forward)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < m->n_nodes; j++) {
			uint32_t *seen = &spoke_of[list[i].hub];

			if (!list[i].spokes[j])
				continue;
			if (*seen && *seen != j + 1)
				forward[list[i].hub] = true;
			*seen = (uint32_t)j + 1;
		}
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			if (leads(&list[i], &list[j]) && spoke_of[list[i].hub])
				forward[list[i].hub] = true;
}

int transit_check(const struct m_network *m, const struct transit *list, size_t n, struct relays *r,
		  struct arena *a, struct diag *d, bool *forward)
{
	uint32_t *spoke_of = arena_array(a, m->n_nodes, sizeof(*spoke_of));
	size_t i;

	if (!spoke_of)
		return -1;
	for (i = 0; i < n; i++)
		check_relayed(m, &list[i], r, d);
	mark_forward(m, list, n, spoke_of, forward);
	return check_circle(m, list, n, a, d);
}
