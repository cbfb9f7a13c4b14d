/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach_impl.h"

#include "publication/policy.h"

/* Pairs of nodes are remembered up to so many nodes: a byte each. */
#define MAX_REMEMBERED 4096

static uint32_t gateway_of(const struct reach *r, uint32_t id)
{
	return plan_work_id(&r->w, r->side->records[id]->gateway);
}

/* Whether `there` takes a packet from `here` as one of the source. -1: out of memory. */
static int takes(struct reach *r, uint32_t there, uint32_t here, const struct place *from,
		 const struct place *to)
{
	const struct reach_table *t;
	int len;

	if (reach_is_client(r, there))
		return gateway_of(r, there) == here && to->id == there;
	t = reach_table_of(r, there);
	if (!t)
		return -1;
	return reach_next(t, there, from, &len) == here;
}

/* Whether the node sends on what comes out of the tunnel for this address, under its own. */
static bool lets_out(const struct node *n, const struct ipaddr *a)
{
	bool found = false;
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		found |= prefix_contains_addr(&n->masquerade[i], a) &&
			 (n->masquerade[i].len || !policy_is_indoors(a));
	for (i = 0; i < n->n_except; i++)
		found &= !prefix_contains_addr(&n->except[i], a);
	return found;
}

/* Whether it is in a pool that the interface has an address of. */
static bool on_link(const struct node *n, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < n->n_addresses; i++) {
		struct prefix p = prefix_of_ifaddr(&n->addresses[i]);

		if (prefix_contains_addr(&p, a))
			return true;
	}
	return false;
}

static void note(struct reach_path *p, uint32_t at)
{
	if (p->n < REACH_MAX_PATH)
		p->at[p->n++] = at;
}

/*
 * Where the node `at`, not the destination, sends a packet that set out from `start`: *ret, or
 * NO_ID and in *fate what becomes of it there. -1: out of memory.
 */
static int next_hop(struct reach *r, uint32_t at, uint32_t start, const struct place *from,
		    const struct place *to, uint32_t *ret, enum reach_fate *fate)
{
	const struct node *node = r->side->nodes[at];
	const struct reach_table *t = reach_table_of(r, at);
	uint32_t next;
	int len, own;

	if (!t)
		return -1;
	next = reach_next(t, at, to, &len);
	/* A node's exit is for what it sends itself, and for what is of its network. */
	if (!len && (at != start || from->id != start) && !on_link(node, &to->address)) {
		next = NO_ID;
		len = -1;
	}
	*ret = NO_ID;
	own = reach_own_length(r, at, &to->address);
	if (own >= 0 && own >= len)
		*fate = to->id == NO_ID && !to->outside && reach_is_behind(r, at, &to->address) ?
				REACH_ARRIVES :
				REACH_ASTRAY;
	else if (at != start && !(node->flags & NODE_FORWARD))
		*fate = REACH_NOT_PASSED_ON;
	else if (next != NO_ID)
		*ret = next;
	else if (at == start || !lets_out(node, &to->address))
		*fate = REACH_NO_WAY;
	else
		*fate = to->outside ? REACH_ARRIVES : REACH_ASTRAY;
	return 0;
}

/*
 * From `start`, which has the source or has it behind it, to an address. REACH_ARRIVES: *ret_last
 * has it, or has it behind it, or lets it out. -1: out of memory.
 */
static int follow(struct reach *r, uint32_t start, const struct place *from, const struct place *to,
		  struct reach_path *p, uint32_t *ret_last)
{
	uint32_t at = start, hops, next;
	int taken;

	*p = (struct reach_path){ .fate = REACH_LOOP };
	for (hops = 0; hops <= r->w.n + 2; hops++, at = next) {
		note(p, at);
		*ret_last = at;
		if (at == to->id) {
			p->fate = REACH_ARRIVES;
			return 0;
		}
		if (reach_is_client(r, at))
			next = gateway_of(r, at);
		else if (next_hop(r, at, start, from, to, &next, &p->fate) < 0)
			return -1;
		if (next == NO_ID)
			return 0;
		if (!side_meet(r->side, at, next)) {
			note(p, next);
			p->fate = REACH_CANNOT_MEET;
			return 0;
		}
		taken = takes(r, next, at, from, to);
		if (taken < 0)
			return -1;
		if (!taken) {
			note(p, next);
			p->fate = REACH_NOT_TAKEN;
			return 0;
		}
	}
	return 0;
}

struct way {
	bool arrives, answered;
	struct reach_path path;
	bool back; /* it is that of the answer */
};

/* Where a packet from outside, the answer to one that was let out, comes in: where that went out.
 */
static int follow_pair(struct reach *r, const struct reach_end *from, const struct place *a,
		       const struct place *b, struct way *ret)
{
	struct reach_path back;
	uint32_t last = NO_ID, unused;

	*ret = (struct way){ .arrives = false };
	if (follow(r, from->id, a, b, &ret->path, &last) < 0)
		return -1;
	ret->arrives = ret->path.fate == REACH_ARRIVES;
	if (!ret->arrives)
		return 0;
	if (follow(r, last, b, a, &back, &unused) < 0)
		return -1;
	/* The answer finds the way, or the host that it is for is behind another node as well. */
	ret->answered = back.fate == REACH_ARRIVES;
	if (!ret->answered) {
		ret->path = back;
		ret->back = true;
	}
	return 0;
}

int reach_ways_init(struct reach *r)
{
	if (!r->w.n || r->w.n > MAX_REMEMBERED)
		return 0;
	r->ways = arena_array(&r->arena, r->w.n, r->w.n);
	return r->ways ? 0 : -1;
}

static bool by_routed_links(const struct reach *r, const struct reach_end *from,
			    const struct reach_end *to)
{
	return from->kind == REACH_NODE && to->kind == REACH_NODE &&
	       r->side->routed_net[from->id] == r->side->routed_net[to->id];
}

/* Networks behind the ends of routed links: a routing daemon may carry them, or not. */
static bool by_daemon(const struct reach *r, const struct reach_end *from,
		      const struct reach_end *to)
{
	return from->kind != REACH_OUTSIDE && to->kind != REACH_OUTSIDE && from->id != to->id &&
	       (from->kind == REACH_BEHIND || to->kind == REACH_BEHIND) &&
	       r->side->routed_net[from->id] == r->side->routed_net[to->id];
}

/* What is sure is less where others than the agent make the routes. */
static void be_unsure(const struct reach *r, const struct reach_end *from,
		      const struct reach_end *to, enum reach_answer *ret, struct reach_path *path,
		      bool *ret_back)
{
	const struct node *n = r->side->nodes[from->id];
	struct reach_path why = { .at = { from->id }, .n = 1 };

	if (*ret == REACH_ALL && to->kind == REACH_OUTSIDE && from->kind == REACH_NODE && n &&
	    n->flags & NODE_NO_ROUTES) {
		why.fate = REACH_BY_HAND;
	} else if (*ret != REACH_ALL && by_daemon(r, from, to)) {
		why.fate = REACH_BY_DAEMON;
		note(&why, to->id);
	} else {
		return;
	}
	*ret = REACH_SOME;
	if (path) {
		*path = why;
		*ret_back = false;
	}
}

static uint8_t *remembered(struct reach *r, const struct reach_end *from,
			   const struct reach_end *to)
{
	if (!r->ways || from->kind != REACH_NODE || to->kind != REACH_NODE)
		return NULL;
	return &r->ways[(size_t)from->id * r->w.n + to->id];
}

static struct place place_of(const struct reach *r, const struct reach_end *e,
			     const struct ipaddr *a)
{
	bool its = e->kind == REACH_NODE ||
		   (e->kind == REACH_BEHIND && reach_has_address(r, e->id, a));

	return (struct place){ its ? e->id : NO_ID, e->kind == REACH_OUTSIDE, *a };
}

static int find_ways(struct reach *r, const struct reach_end *from, const struct reach_end *to,
		     enum reach_answer *ret, struct reach_path *path, bool *ret_back)
{
	size_t na, nb, i, j, pairs = 0, good = 0, arrived = 0;
	const struct ipaddr *as = reach_addresses(r, from, &na), *bs = reach_addresses(r, to, &nb);
	bool told = false;

	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++) {
			struct place a = place_of(r, from, &as[i]), b = place_of(r, to, &bs[j]);
			struct way w;

			if (a.address.family != b.address.family)
				continue;
			if (follow_pair(r, from, &a, &b, &w) < 0)
				return -1;
			pairs++;
			arrived += w.arrives;
			good += w.answered;
			/* The first that fails tells more than the first. */
			if (path && (pairs == 1 || (!told && !w.answered))) {
				*path = w.path;
				*ret_back = w.back;
			}
			told |= !w.answered;
		}
	if (path && !pairs) {
		*path = (struct reach_path){ .fate = REACH_NO_WAY, .at = { from->id }, .n = 1 };
		*ret_back = false;
	}
	*ret = pairs && good == pairs ? REACH_ALL : arrived ? REACH_SOME : REACH_NONE;
	return 0;
}

int reach_ways(struct reach *r, const struct reach_end *from, const struct reach_end *to,
	       enum reach_answer *ret, struct reach_path *path, bool *ret_back)
{
	uint8_t *known = remembered(r, from, to);

	if (from->kind == REACH_OUTSIDE) {
		/* Nobody outside begins: the exit's own address is all it knows. */
		if (path)
			*path = (struct reach_path){ .fate = REACH_NO_WAY };
		*ret = REACH_NONE;
		return 0;
	}
	if (by_routed_links(r, from, to)) {
		if (path)
			*path = (struct reach_path){ REACH_ARRIVES, { from->id, to->id }, 2 };
		*ret = REACH_ALL;
		return 0;
	}
	if (known && *known && !path) {
		*ret = (enum reach_answer)(*known - 1);
		return 0;
	}
	if (find_ways(r, from, to, ret, path, ret_back) < 0)
		return -1;
	be_unsure(r, from, to, ret, path, ret_back);
	if (known)
		*known = (uint8_t)(*ret + 1);
	return 0;
}
