/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/relay_impl.h"

/* The rule is in reconciler/relay.h. */
#define GOLDEN 0x9e3779b97f4a7c15u

static void pool_add(struct relays *r, uint32_t relay)
{
	struct relay_work *w = r->work;

	if (w->n_pool == w->cap_pool) {
		size_t cap = w->cap_pool ? 2 * w->cap_pool : 64;
		uint32_t *pool = relay_get(r, cap, sizeof(*pool));

		if (!pool)
			return;
		if (w->n_pool)
			memcpy(pool, w->pool, w->n_pool * sizeof(*pool));
		w->pool = pool;
		w->cap_pool = cap;
	}
	w->pool[w->n_pool++] = relay;
}

/* Adds the relays that two classes have in common to the pool, reduced to the preferred ones. */
static void add_candidates(struct relays *r, uint32_t a, uint32_t b)
{
	struct relay_work *w = r->work;
	const struct relay_class *ca = &w->classes[a], *cb = &w->classes[b];
	size_t i, from = w->n_pool;
	bool near = false;

	for (i = 0; i < r->words; i++) {
		uint64_t both = relay_set(r, ca->set)[i] & relay_set(r, cb->set)[i];

		for (; both; both &= both - 1) {
			uint32_t relay = (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(both);
			uint32_t region = w->relay_region[relay];
			bool preferred = region && (region == ca->region || region == cb->region);

			if (near && !preferred)
				continue;
			if (preferred && !near)
				w->n_pool = from;
			near |= preferred;
			pool_add(r, relay);
		}
	}
}

void relay_take(struct relays *r, uint32_t class, uint32_t stance)
{
	r->work->at_hand = class;
	r->work->stance = stance;
	r->work->round++;
	r->work->n_pool = 0;
}

const struct relay_candidates *relay_candidates_with(struct relays *r, uint32_t class)
{
	struct relay_work *w = r->work;
	struct relay_candidates *c = &w->with[class];

	if (c->made_in != w->round) {
		c->made_in = w->round;
		c->from = w->n_pool;
		add_candidates(r, w->at_hand, class);
		c->n = w->n_pool - c->from;
	}
	return c;
}

uint32_t relay_choose(const struct relays *r, const struct relay_candidates *c, uint8_t a,
		      uint8_t b)
{
	const struct relay_work *w = r->work;
	uint64_t x = a < b ? a : b, y = a < b ? b : a, best = 0;
	uint32_t ret = w->pool[c->from];
	size_t i;

	for (i = 0; i < c->n; i++) {
		uint32_t relay = w->pool[c->from + i];
		uint64_t weight = relay_mix(w->hash[relay] + (RELAY_BUCKETS * x + y + 1) * GOLDEN);

		if (weight > best) {
			best = weight;
			ret = relay;
		}
	}
	return ret;
}

const struct m_node *relays_between(struct relays *r, size_t a, size_t b)
{
	struct relay_work *w = r->work;
	struct relay_candidates c = { 0 };

	if (!r->n || viewpoints_meet(r->views, a, b) || w->class_of[a] == NO_CLASS ||
	    w->class_of[b] == NO_CLASS)
		return NULL;
	c.from = w->n_pool;
	add_candidates(r, w->class_of[a], w->class_of[b]);
	c.n = w->n_pool - c.from;
	w->n_pool = c.from;
	if (!c.n || w->nomem)
		return NULL;
	return &r->m->nodes[r->list[relay_choose(r, &c, w->bucket_of[a], w->bucket_of[b])]];
}
