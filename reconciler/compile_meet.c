/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

/* A star through whose hub two of its spokes would reach each other, if they had no entries of
 * their own: these are longer than what the hub carries. NULL: none. */
static const struct transit *hidden_star(struct compiler *c, size_t a, size_t b)
{
	size_t i;

	for (i = 0; i < c->n_transits; i++) {
		const struct transit *t = &c->transits[i];

		if (t->spokes[a] && t->spokes[b] && viewpoints_meet(&c->views, t->hub, a) &&
		    viewpoints_meet(&c->views, t->hub, b))
			return t;
	}
	return NULL;
}

void compile_warn_pair(struct compiler *c, struct pos pos, size_t a, size_t b)
{
	const struct transit *star = hidden_star(c, a, b);
	struct diag_entry *e =
		diag_warn(c->diag, pos, "`%s` and `%s` cannot meet: neither has an endpoint%s",
			  c->m->nodes[a].name, c->m->nodes[b].name,
			  c->m->nodes[a].n_seen || c->m->nodes[b].n_seen ? " for the other" : "");

	if (star) {
		diag_other(c->diag, e, star->star->a.list[0].pos,
			   "as spokes of `%s` they would reach each other, if they were not joined",
			   c->m->nodes[star->hub].name);
		diag_help(
			c->diag, e,
			"leave one of them out here, give one of them an `endpoint`, or join both with a node that has "
			"`relay: true`");
		return;
	}
	diag_help(
		c->diag, e,
		"give one of them an `endpoint`, join both with a node that has `relay: true`, or join both "
		"through a hub (`star`)");
}

/* Who of one set of relays stands on which side of an entry. */
struct tally {
	size_t a, b, both;
};

/* Unordered pairs of different nodes with one in a and the other in b that no relay joins. */
static size_t count_pairs(const struct relays *r, const struct tally *t)
{
	size_t pairs =
		t[0].a * t[0].b - t[0].both - t[0].both * (t[0].both ? t[0].both - 1 : 0) / 2;
	uint32_t p, q;

	for (p = 0; p < r->n_sets; p++)
		for (q = p + 1; q < r->n_sets; q++)
			if (!relays_meet(r, p, q))
				pairs += t[p].a * t[q].b + t[p].b * t[q].a - t[p].both * t[q].both;
	return pairs;
}

static bool relayed(const struct relays *r, size_t a, size_t b)
{
	return relays_meet(r, r->set_of[a], r->set_of[b]);
}

static bool in_entry(const struct joined *s, size_t a, size_t b)
{
	return (s->a[a] && s->b[b]) || (s->a[b] && s->b[a]);
}

/* The pairs of an entry that meet from where they look, and that no relay joins. */
static size_t count_near(struct compiler *c, const struct relays *r, const struct joined *s)
{
	struct view_set near;
	size_t i, j, n = 0;

	for (i = 0; c->views.n && i < c->m->n_nodes; i++) {
		if (!c->views.stance_of[i] || !(s->a[i] || s->b[i]))
			continue;
		if (viewpoints_near(&c->views, c->views.stance_of[i], &near) < 0) {
			c->nomem = true;
			return 0;
		}
		for (j = 0; j < near.n; j++)
			n += near.v[j] > i && in_entry(s, i, near.v[j]) &&
			     !relayed(r, i, near.v[j]);
	}
	return n;
}

/* Counts the pairs of an entry where neither side can be reached first, nor by a relay, and names
 * some. */
static void warn_unreachable(struct compiler *c, const struct relays *r, const struct joined *s,
			     struct tally *tally)
{
	size_t i, j, n = c->m->n_nodes, pairs, named = 0;
	const bool *a = s->a, *b = s->b;

	memset(tally, 0, r->n_sets * sizeof(*tally));
	for (i = 0; i < n; i++) {
		struct tally *t = &tally[r->set_of[i]];

		if (viewpoints_open(&c->views, i))
			continue;
		t->a += a[i];
		t->b += b[i];
		t->both += a[i] && b[i];
	}
	pairs = count_pairs(r, tally) - count_near(c, r, s);
	for (i = 0; i < n && named < MAX_NAMED_PAIRS && named < pairs; i++) {
		if (viewpoints_open(&c->views, i) || !(a[i] || b[i]))
			continue;
		for (j = i + 1; j < n && named < MAX_NAMED_PAIRS && named < pairs; j++)
			if (in_entry(s, i, j) && !viewpoints_meet(&c->views, i, j) &&
			    !relayed(r, i, j)) {
				compile_warn_pair(c, s->pos, i, j);
				named++;
			}
	}
	if (pairs > named)
		diag_warn(c->diag, s->pos, "and %zu more pairs that cannot meet", pairs - named);
}

void compile_meet(struct compiler *c, const struct relays *r)
{
	struct tally *tally = compiler_get(c, r->n_sets, sizeof(*tally));
	size_t i;

	for (i = 0; tally && i < c->n_joined; i++)
		warn_unreachable(c, r, &c->joined[i], tally);
}
