/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach.h"

#include "common/limits.h"
#include "reconciler/plan_view.h"

/* Pairs of nodes are remembered up to so many nodes: a byte each. */
#define MAX_REMEMBERED 4096
/* Prefixes of different lengths that hold one address. */
#define MAX_NESTED 130

/* Something wider than a peer's own address, under a peer. */
struct wide {
	struct prefix prefix;
	uint32_t via, by; /* by: whose network it is; NO_ID: nobody's */
	uint32_t parent; /* the narrowest one before this that holds it; NO_ID: none */
};

struct through {
	uint32_t id, via;
};

/* What the nodes of one view do with a packet. */
struct table {
	bool made;
	uint64_t *direct; /* a bit for each number */
	struct through *through; /* sorted by id */
	size_t n_through;
	struct wide *wide; /* sorted by prefix */
	size_t n_wide;
};

/* Names of permits that mean an address, as bits; addresses that share them are one class. */
struct classes {
	const char **names; /* sorted, each once */
	size_t n_names, words;
	uint64_t *list; /* `words` for each class */
	size_t n, cap;
	uint32_t *of; /* by address: its class plus one; 0: not looked at yet */
};

struct reach {
	struct plan_work w;
	const struct side *side;
	const struct network *net;
	struct arena arena;
	struct table *tables; /* by view */
	size_t words; /* of a bit set of numbers */
	uint32_t *first_address; /* by number: index of its first address among all */
	uint32_t n_addresses;
	struct prefix *networks; /* every route and pool part, sorted, each once */
	size_t n_networks;
	bool guarded;
	struct classes from, to;
	uint32_t *from_name; /* by permit: its `from` among from.names */
	size_t *first_permit; /* by name of `to`: the first permit; one more than names */
	struct service *collected; /* room for those of all permits */
	/* Answers of the policy by pair of classes, for the services asked for last. */
	const struct service *on;
	struct service *on_copy;
	size_t n_on;
	uint8_t *answers; /* an answer plus one; 0: not known */
	size_t answers_cap, answers_to;
	uint8_t *ways; /* by pair of numbers: an answer plus one; NULL: not remembered */
};

/* ---- tables ---- */

static bool bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static int add_wide(struct arena *a, struct table *t, const struct prefix *p, uint32_t via,
		    uint32_t by)
{
	struct wide *list = arena_grow(a, t->wide, t->n_wide, sizeof(*list));

	if (!list)
		return -1;
	t->wide = list;
	list[t->n_wide++] = (struct wide){ *p, via, by, NO_ID };
	return 0;
}

static int add_routes(struct arena *a, struct table *t, const struct record *r, uint32_t via,
		      uint32_t by)
{
	size_t i;

	for (i = 0; i < r->n_routes; i++)
		if (add_wide(a, t, &r->routes[i], via, by) < 0)
			return -1;
	return 0;
}

static int cmp_wide(const void *a, const void *b)
{
	const struct wide *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	if (c)
		return c;
	return x->via < y->via ? -1 : x->via > y->via;
}

static int cmp_through(const void *a, const void *b)
{
	const struct through *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int add_through(struct arena *a, struct table *t, uint32_t id, uint32_t via)
{
	struct through *list = arena_grow(a, t->through, t->n_through, sizeof(*list));

	if (!list)
		return -1;
	t->through = list;
	list[t->n_through++] = (struct through){ id, via };
	return 0;
}

static int add_link(struct reach *r, struct table *t, const struct view_link *l)
{
	size_t i;

	for (i = 0; i < l->n_prefixes; i++)
		if (add_wide(&r->arena, t, &l->prefixes[i], l->via, l->via) < 0)
			return -1;
	for (i = 0; i < l->target.n; i++) {
		uint32_t by = l->target.v[i];

		if (by == l->via || (l->kind == LINK_THROUGH && bit(t->direct, by)))
			continue;
		if (add_routes(&r->arena, t, r->side->records[by], l->via, by) < 0 ||
		    (l->kind == LINK_THROUGH && add_through(&r->arena, t, by, l->via) < 0))
			return -1;
	}
	return 0;
}

static int table_make(struct reach *r, uint32_t view, struct table *t)
{
	const struct view *v = &r->side->views[view];
	static const struct prefix defaults[] = { { .family = 4 }, { .family = 6 } };
	struct id_list buffer = { 0 };
	struct ids direct;
	size_t i;
	int ret = -1;

	t->direct = arena_array(&r->arena, r->words, sizeof(*t->direct));
	if (!t->direct || view_direct(r->side, view, &buffer, &direct) < 0)
		goto out;
	for (i = 0; i < direct.n; i++)
		set_bit(t->direct, direct.v[i]);
	for (i = 0; i < direct.n; i++)
		if (add_routes(&r->arena, t, r->side->records[direct.v[i]], direct.v[i],
			       direct.v[i]) < 0)
			goto out;
	for (i = 0; i < v->n_links; i++)
		if (v->links[i].via != NO_ID && add_link(r, t, &v->links[i]) < 0)
			goto out;
	for (i = 0; v->exit != NO_ID && i < ARRAY_LEN(defaults); i++)
		if (add_wide(&r->arena, t, &defaults[i], v->exit, NO_ID) < 0)
			goto out;
	if (t->n_through > 1)
		qsort(t->through, t->n_through, sizeof(*t->through), cmp_through);
	if (t->n_wide > 1)
		qsort(t->wide, t->n_wide, sizeof(*t->wide), cmp_wide);
	for (i = 0; i < t->n_wide; i++) {
		uint32_t at = i ? (uint32_t)i - 1 : NO_ID;

		while (at != NO_ID && !prefix_contains(&t->wide[at].prefix, &t->wide[i].prefix))
			at = t->wide[at].parent;
		t->wide[i].parent = at;
	}
	t->made = true;
	ret = 0;
out:
	id_list_release(&buffer);
	return ret;
}

static struct table *table_of(struct reach *r, uint32_t id)
{
	uint32_t view = r->side->view_of[id];
	struct table *t = &r->tables[view];

	return t->made || table_make(r, view, t) == 0 ? t : NULL;
}

/* ---- one packet ---- */

/* An address, and whose it is (NO_ID: none that a record has). */
struct place {
	uint32_t id;
	bool outside; /* it is in no network: whoever lets it out is where it arrives */
	struct ipaddr address;
};

/* The longest network behind the node that holds the address; -1: none. */
static int own_length(const struct record *r, const struct ipaddr *a)
{
	int len = -1;
	size_t i;

	for (i = 0; i < r->n_routes; i++)
		if (prefix_contains_addr(&r->routes[i], a) && r->routes[i].len > len)
			len = r->routes[i].len;
	for (i = 0; i < r->n_standby; i++)
		if (prefix_contains_addr(&r->standby[i].prefix, a) &&
		    r->standby[i].prefix.len > len)
			len = r->standby[i].prefix.len;
	return len;
}

/* Of each peer, the widest of its prefixes that hold an address: of these the longest wins. */
struct match {
	uint32_t via[MAX_NESTED];
	int len[MAX_NESTED];
	size_t n;
};

static void add_match(struct match *m, uint32_t via, int len)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->via[i] == via) {
			/* An exit's way out stands beside what else it has. */
			m->len[i] = len ? len : m->len[i];
			return;
		}
	if (m->n == MAX_NESTED)
		return;
	m->via[m->n] = via;
	m->len[m->n++] = len;
}

/* Under whom the address itself stands, or NO_ID. */
static uint32_t host_of(const struct table *t, uint32_t at, const struct place *to)
{
	struct through key = { to->id, NO_ID }, *found;

	if (to->id == NO_ID || to->id == at)
		return NO_ID;
	if (bit(t->direct, to->id))
		return to->id;
	found = t->n_through ? bsearch(&key, t->through, t->n_through, sizeof(key), cmp_through) :
			       NULL;
	return found && found->via != at ? found->via : NO_ID;
}

/* The peer of the node that the longest allowed IP for the place names, or NO_ID. Under one peer a
 * prefix that another covers is none. */
static uint32_t next_of(const struct table *t, uint32_t at, const struct place *to, int *ret_len)
{
	struct prefix address = prefix_of_addr(&to->address);
	size_t low = 0, high = t->n_wide, best = 0, j;
	uint32_t i, host = host_of(t, at, to);
	struct match m;

	m.n = 0;
	if (host != NO_ID)
		add_match(&m, host, (int)family_bits(to->address.family));
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&t->wide[mid].prefix, &address) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (i = low ? (uint32_t)low - 1 : NO_ID; i != NO_ID; i = t->wide[i].parent) {
		const struct wide *w = &t->wide[i];

		/* No node is its own peer, nor are its own networks under another. */
		if (w->via == at || w->by == at || !prefix_contains(&w->prefix, &address))
			continue;
		add_match(&m, w->via, w->prefix.len);
	}
	*ret_len = -1;
	if (!m.n)
		return NO_ID;
	for (j = 1; j < m.n; j++)
		if (m.len[j] > m.len[best])
			best = j;
	*ret_len = m.len[best];
	return m.via[best];
}

static uint32_t gateway_of(const struct reach *r, uint32_t id)
{
	return plan_work_id(&r->w, r->side->records[id]->gateway);
}

static bool is_client(const struct reach *r, uint32_t id)
{
	return r->side->records[id]->gateway != NULL;
}

/* Whether `there` takes a packet from `here` as one of the source: -1: out of memory. */
static int takes(struct reach *r, uint32_t there, uint32_t here, const struct place *from,
		 const struct place *to)
{
	const struct table *t;
	int len;

	if (is_client(r, there))
		return gateway_of(r, there) == here && to->id == there;
	t = table_of(r, there);
	if (!t)
		return -1;
	return next_of(t, there, from, &len) == here;
}

/* Whether the node sends on what comes out of the tunnel for this address, under its own. */
static bool lets_out(const struct node *n, const struct ipaddr *a)
{
	bool found = false;
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		found |= prefix_contains_addr(&n->masquerade[i], a);
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
 * From `start`, which has the source or has it behind it, to an address. REACH_ARRIVES: *ret_last
 * has it, or has it behind it, or lets it out. -1: out of memory.
 */
static int follow(struct reach *r, uint32_t start, const struct place *from, const struct place *to,
		  struct reach_path *p, uint32_t *ret_last)
{
	uint32_t at = start, hops, next;

	*p = (struct reach_path){ .fate = REACH_LOOP };
	for (hops = 0; hops <= r->w.n + 2; hops++, at = next) {
		const struct record *here = r->side->records[at];
		const struct node *node = r->side->nodes[at];
		const struct table *t;
		int len = -1, own, taken;

		note(p, at);
		*ret_last = at;
		if (at == to->id) {
			p->fate = REACH_ARRIVES;
			return 0;
		}
		if (is_client(r, at)) {
			next = gateway_of(r, at);
		} else {
			t = table_of(r, at);
			if (!t)
				return -1;
			next = next_of(t, at, to, &len);
			/* A node's exit is for what it sends itself, and for what is of its
			 * network. */
			if (!len && (at != start || from->id != start) &&
			    !on_link(node, &to->address)) {
				next = NO_ID;
				len = -1;
			}
			own = own_length(here, &to->address);
			if (own >= 0 && own >= len) {
				p->fate = to->id == NO_ID && !to->outside ? REACH_ARRIVES :
									    REACH_ASTRAY;
				return 0;
			}
			if (at != start && !(node->flags & NODE_FORWARD)) {
				p->fate = REACH_NOT_PASSED_ON;
				return 0;
			}
			if (next == NO_ID) {
				p->fate = at == start || !lets_out(node, &to->address) ?
						  REACH_NO_WAY :
					  to->outside ? REACH_ARRIVES :
							REACH_ASTRAY;
				return 0;
			}
		}
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

/* ---- ends ---- */

uint32_t reach_id(const struct reach *r, const char *name)
{
	uint32_t id = plan_work_id(&r->w, name);

	return id != NO_ID && r->side->records[id] ? id : REACH_NOBODY;
}

const char *reach_name(const struct reach *r, uint32_t id)
{
	return r->w.names[id];
}

const struct ipaddr *reach_addresses(const struct reach *r, uint32_t id, size_t *ret_n)
{
	*ret_n = r->side->records[id]->n_addresses;
	return r->side->records[id]->addresses;
}

size_t reach_count(const struct reach *r)
{
	return r->w.n;
}

struct reach_end reach_node(uint32_t id)
{
	return (struct reach_end){ .kind = REACH_NODE, .id = id };
}

/* The next address behind all of the prefix; false when there is none. */
static bool after(const struct prefix *p, struct ipaddr *ret)
{
	unsigned int i = p->len;

	*ret = (struct ipaddr){ .family = p->family };
	memcpy(ret->b, p->b, sizeof(ret->b));
	while (i-- > 0) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);

		ret->b[i / 8] ^= mask;
		if (ret->b[i / 8] & mask)
			return true;
	}
	return false;
}

static bool in_none(const struct prefix *list, size_t n, const struct prefix *but,
		    const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (prefix_contains_addr(&list[i], a) && prefix_contains(but, &list[i]) &&
		    prefix_cmp(but, &list[i]))
			return false;
	return true;
}

/* The first prefix of the list that does not sort before `p`. */
static size_t find_network(const struct reach *r, const struct prefix *p)
{
	size_t low = 0, high = r->n_networks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&r->networks[mid], p) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* An address of `p` that is in none of the networks inside it; false when these fill it. */
static bool find_address(const struct reach *r, const struct prefix *p, struct ipaddr *ret)
{
	size_t first = find_network(r, p), end = first, i;
	struct ipaddr a = { .family = p->family };

	while (end < r->n_networks && prefix_contains(p, &r->networks[end]))
		end++;
	memcpy(a.b, p->b, sizeof(a.b));
	/* The first address of a network means the network itself, when it has another. */
	if (p->len < family_bits(p->family))
		a.b[p->family == 4 ? 3 : 15] |= 1;
	if (in_none(r->networks + first, end - first, p, &a)) {
		*ret = a;
		return true;
	}
	for (i = first; i < end; i++)
		if (after(&r->networks[i], &a) && prefix_contains_addr(p, &a) &&
		    in_none(r->networks + first, end - first, p, &a)) {
			*ret = a;
			return true;
		}
	return false;
}

/* The first node that has all of the prefix behind it, or NO_ID. */
static uint32_t behind_whom(const struct reach *r, const struct prefix *p)
{
	uint32_t id;
	size_t i;

	for (id = 0; id < r->w.n; id++) {
		const struct record *rec = r->side->records[id];

		for (i = 0; rec && i < rec->n_routes; i++)
			if (prefix_contains(&rec->routes[i], p))
				return id;
	}
	return NO_ID;
}

static int add_end(struct reach *r, const struct prefix *p, struct arena *a,
		   struct reach_end **list, size_t *n)
{
	struct reach_end end = { .kind = REACH_BEHIND, .prefix = *p }, *grown;

	end.id = behind_whom(r, p);
	if (end.id == NO_ID || !find_address(r, p, &end.address))
		return 0;
	grown = arena_grow(a, *list, *n, sizeof(*grown));
	if (!grown)
		return -1;
	*list = grown;
	grown[(*n)++] = end;
	return 0;
}

int reach_behind(struct reach *r, const struct prefix *p, struct arena *a, struct reach_end **list,
		 size_t *n)
{
	size_t i = find_network(r, p);

	*list = NULL;
	*n = 0;
	/* The prefix itself, when it is part of a network; then those inside it. */
	if (p->len && (i == r->n_networks || prefix_cmp(&r->networks[i], p)) &&
	    add_end(r, p, a, list, n) < 0)
		return -1;
	for (; i < r->n_networks && prefix_contains(p, &r->networks[i]); i++)
		if (add_end(r, &r->networks[i], a, list, n) < 0)
			return -1;
	return 0;
}

bool reach_outside(struct reach *r, unsigned int family, struct reach_end *ret)
{
	static const struct ipaddr four[] = { { 4, { 203, 0, 113, 1 } },
					      { 4, { 198, 51, 100, 1 } },
					      { 4, { 192, 0, 2, 1 } },
					      { 4, { 8, 0, 0, 1 } } };
	static const struct ipaddr six[] = { { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
					     { 6, { 0x3f, 0xff, [15] = 1 } },
					     { 6, { 0x20, 0x01, [15] = 1 } },
					     { 6, { 0x2a, 0x00, [15] = 1 } } };
	const struct ipaddr *list = family == 4 ? four : six;
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(four); i++) {
		for (j = 0; j < r->n_networks; j++)
			if (prefix_contains_addr(&r->networks[j], &list[i]))
				break;
		if (j < r->n_networks)
			continue;
		*ret = (struct reach_end){ .kind = REACH_OUTSIDE,
					   .id = REACH_NOBODY,
					   .address = list[i] };
		return true;
	}
	return false;
}

bool reach_same(const struct reach *r, const struct reach_end *a, const struct reach_end *b)
{
	const struct reach_end *net = a->kind == REACH_BEHIND ? a : b, *other = net == a ? b : a;

	if (a->kind == REACH_OUTSIDE || b->kind == REACH_OUTSIDE)
		return a->kind == b->kind;
	if (net->kind == REACH_BEHIND && other->kind == REACH_NODE)
		return own_length(r->side->records[other->id], &net->address) >= 0;
	return a->id == b->id;
}

static size_t addresses_of(const struct reach *r, const struct reach_end *e)
{
	return e->kind == REACH_NODE ? r->side->records[e->id]->n_addresses : 1;
}

static struct place place_of(const struct reach *r, const struct reach_end *e, size_t i)
{
	if (e->kind == REACH_NODE)
		return (struct place){ e->id, false, r->side->records[e->id]->addresses[i] };
	return (struct place){ NO_ID, e->kind == REACH_OUTSIDE, e->address };
}

/* ---- ways ---- */

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

static bool by_routed_links(const struct reach *r, const struct reach_end *from,
			    const struct reach_end *to)
{
	return from->kind == REACH_NODE && to->kind == REACH_NODE &&
	       r->side->routed_net[from->id] == r->side->routed_net[to->id];
}

static uint8_t *remembered(struct reach *r, const struct reach_end *from,
			   const struct reach_end *to)
{
	if (!r->ways || from->kind != REACH_NODE || to->kind != REACH_NODE)
		return NULL;
	return &r->ways[(size_t)from->id * r->w.n + to->id];
}

static int find_ways(struct reach *r, const struct reach_end *from, const struct reach_end *to,
		     enum reach_answer *ret, struct reach_path *path, bool *ret_back)
{
	size_t na = addresses_of(r, from), nb = addresses_of(r, to), i, j, pairs = 0, good = 0,
	       arrived = 0;
	bool told = false;

	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++) {
			struct place a = place_of(r, from, i), b = place_of(r, to, j);
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
	if (known)
		*known = (uint8_t)(*ret + 1);
	return 0;
}

/* ---- policy ---- */

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int classes_init(struct reach *r, struct classes *c, bool to)
{
	const struct network *n = r->net;
	const char **names = arena_array(&r->arena, n->n_permits, sizeof(*names));
	size_t i, kept = 0;

	c->of = arena_array(&r->arena, r->n_addresses, sizeof(*c->of));
	if (!names || !c->of)
		return -1;
	for (i = 0; i < n->n_permits; i++)
		names[i] = to ? n->permits[i].to : n->permits[i].from;
	if (n->n_permits > 1)
		qsort(names, n->n_permits, sizeof(*names), cmp_names);
	for (i = 0; i < n->n_permits; i++)
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	c->names = names;
	c->n_names = kept;
	c->words = kept / 64 + 1;
	return 0;
}

/* Permits are sorted by `to`, as the names are. */
static int index_permits(struct reach *r)
{
	const struct network *n = r->net;
	size_t i, name = 0, total = 0;

	r->from_name = arena_array(&r->arena, n->n_permits, sizeof(*r->from_name));
	r->first_permit = arena_array(&r->arena, r->to.n_names + 1, sizeof(*r->first_permit));
	if (!r->from_name || !r->first_permit)
		return -1;
	for (i = 0; i < n->n_permits; i++) {
		const struct permit *p = &n->permits[i];
		const char **from = bsearch(&p->from, r->from.names, r->from.n_names,
					    sizeof(*r->from.names), cmp_names);

		if (!i || strcmp(n->permits[i - 1].to, p->to) != 0)
			r->first_permit[name++] = i;
		r->from_name[i] = (uint32_t)(from - r->from.names);
		total += p->n_services;
	}
	r->first_permit[name] = n->n_permits;
	r->collected = arena_array(&r->arena, total, sizeof(*r->collected));
	return r->collected ? 0 : -1;
}

/* Whether a name of the policy means this address. */
static bool means(const struct reach *r, const char *name, const struct reach_end *e,
		  const struct ipaddr *a)
{
	const struct record *rec = e->kind == REACH_NODE ? r->side->records[e->id] : NULL;
	const struct group *g;
	struct prefix p;

	if (target_is_outside(name))
		return e->kind == REACH_OUTSIDE && target_is_prefix(name, &p) &&
		       p.family == a->family;
	if (strchr(name, '/'))
		return e->kind != REACH_OUTSIDE && target_is_prefix(name, &p) &&
		       prefix_contains_addr(&p, a);
	if (!rec)
		return false;
	if (!strcmp(name, GROUP_ALL) || !strcmp(name, GROUP_CLIENTS))
		return (rec->gateway != NULL) == !strcmp(name, GROUP_CLIENTS);
	if (!target_is_group(name))
		return !strcmp(name, rec->name);
	g = network_group(r->net, name);
	return g && group_has(g, rec->name);
}

static int class_find(struct reach *r, struct classes *c, const uint64_t *bits, uint32_t *ret)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (!memcmp(c->list + i * c->words, bits, c->words * sizeof(*bits)))
			break;
	if (i == c->n && c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;
		uint64_t *list = arena_array(&r->arena, cap, c->words * sizeof(*list));

		if (!list)
			return -1;
		if (c->n)
			memcpy(list, c->list, c->n * c->words * sizeof(*list));
		c->list = list;
		c->cap = cap;
	}
	if (i == c->n)
		memcpy(c->list + c->n++ * c->words, bits, c->words * sizeof(*bits));
	*ret = (uint32_t)i;
	return 0;
}

static int class_of(struct reach *r, struct classes *c, const struct reach_end *e, size_t address,
		    uint32_t *ret)
{
	uint32_t *known = e->kind == REACH_NODE ? &c->of[r->first_address[e->id] + address] : NULL;
	struct place p = place_of(r, e, address);
	uint64_t *bits;
	size_t i;
	int rc;

	if (known && *known) {
		*ret = *known - 1;
		return 0;
	}
	bits = calloc(c->words, sizeof(*bits));
	if (!bits)
		return -1;
	for (i = 0; i < c->n_names; i++)
		if (means(r, c->names[i], e, &p.address))
			set_bit(bits, (uint32_t)i);
	rc = class_find(r, c, bits, ret);
	free(bits);
	if (!rc && known)
		*known = *ret + 1;
	return rc;
}

/* What all permits between two classes let in together: r->collected, and how many. */
static size_t collect(struct reach *r, uint32_t from, uint32_t to)
{
	const uint64_t *to_bits = r->to.list + to * r->to.words,
		       *from_bits = r->from.list + from * r->from.words;
	struct service *all = r->collected;
	size_t i, j, total = 0;
	uint32_t name;

	for (name = 0; name < r->to.n_names; name++) {
		if (!bit(to_bits, name))
			continue;
		for (i = r->first_permit[name]; i < r->first_permit[name + 1]; i++) {
			const struct permit *p = &r->net->permits[i];

			for (j = 0; bit(from_bits, r->from_name[i]) && j < p->n_services; j++)
				all[total++] = p->services[j];
		}
	}
	return services_canonical(all, total);
}

/* That against what is asked for. */
static enum reach_answer judge(struct reach *r, uint32_t from, uint32_t to)
{
	size_t total = collect(r, from, to), covered = 0, i;
	const struct service *all = r->collected;
	bool some = false;

	for (i = 0; i < r->n_on; i++) {
		covered += services_cover(all, total, &r->on[i]);
		some |= services_overlap(all, total, &r->on[i]);
	}
	return covered == r->n_on ? REACH_ALL : some ? REACH_SOME : REACH_NONE;
}

static int ask_for(struct reach *r, const struct service *on, size_t n)
{
	struct service *copy;

	if (r->on && services_equal(r->on, r->n_on, on, n))
		return 0;
	copy = realloc(r->on_copy, n * sizeof(*copy));
	if (!copy)
		return -1;
	memcpy(copy, on, n * sizeof(*copy));
	r->on = r->on_copy = copy;
	r->n_on = n;
	if (r->answers_cap)
		memset(r->answers, 0, r->answers_cap);
	return 0;
}

/* The place of the answer for two classes; everything is forgotten when there are more of them. */
static uint8_t *answer_at(struct reach *r, uint32_t from, uint32_t to)
{
	size_t want = r->from.cap * r->to.cap;

	if (r->answers_cap != want || r->answers_to != r->to.cap) {
		uint8_t *list = realloc(r->answers, want);

		if (!list)
			return NULL;
		memset(list, 0, want);
		r->answers = list;
		r->answers_cap = want;
		r->answers_to = r->to.cap;
	}
	return &r->answers[from * r->to.cap + to];
}

int reach_class(struct reach *r, const struct reach_end *e, unsigned int family, bool to,
		uint32_t *ret)
{
	const struct ipaddr *list = NULL;
	size_t n = 0, i = 0;

	if (e->kind == REACH_NODE && family)
		list = reach_addresses(r, e->id, &n);
	while (i < n && list[i].family != family)
		i++;
	return class_of(r, to ? &r->to : &r->from, e, i < n ? i : 0, ret);
}

int reach_services(struct reach *r, uint32_t from_class, uint32_t to_class, struct arena *a,
		   struct service **ret, size_t *ret_n)
{
	static const struct service any = { .kind = SERVICE_ANY };
	const struct service *list = r->guarded ? r->collected : &any;
	size_t n = r->guarded ? collect(r, from_class, to_class) : 1;

	*ret = arena_array(a, n, sizeof(**ret));
	if (!*ret)
		return -1;
	if (n)
		memcpy(*ret, list, n * sizeof(*list));
	*ret_n = n;
	return 0;
}

static int policy_answer(struct reach *r, const struct reach_end *from, const struct reach_end *to,
			 const struct service *on, size_t n, enum reach_answer *ret)
{
	size_t na = addresses_of(r, from), nb = addresses_of(r, to), i, j, pairs = 0, full = 0,
	       empty = 0;

	*ret = REACH_ALL;
	if (!r->guarded)
		return 0;
	if (ask_for(r, on, n) < 0)
		return -1;
	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++) {
			uint32_t a, b;
			uint8_t *known;

			if (place_of(r, from, i).address.family !=
			    place_of(r, to, j).address.family)
				continue;
			if (class_of(r, &r->from, from, i, &a) < 0 ||
			    class_of(r, &r->to, to, j, &b) < 0)
				return -1;
			known = answer_at(r, a, b);
			if (!known)
				return -1;
			if (!*known)
				*known = (uint8_t)(judge(r, a, b) + 1);
			pairs++;
			full += *known == REACH_ALL + 1;
			empty += *known == REACH_NONE + 1;
		}
	*ret = full == pairs ? REACH_ALL : empty == pairs ? REACH_NONE : REACH_SOME;
	return 0;
}

int reach_policy(struct reach *r, const struct reach_end *from, const struct reach_end *to,
		 const struct service *on, size_t n, enum reach_answer *ret)
{
	return policy_answer(r, from, to, on, n, ret);
}

int reach_ask(struct reach *r, const struct reach_end *from, const struct reach_end *to,
	      const struct service *on, size_t n, enum reach_answer *ret)
{
	enum reach_answer ways, policy;

	if (policy_answer(r, from, to, on, n, &policy) < 0)
		return -1;
	*ret = REACH_NONE;
	if (policy == REACH_NONE)
		return 0;
	if (reach_ways(r, from, to, &ways, NULL, NULL) < 0)
		return -1;
	*ret = ways == REACH_ALL && policy == REACH_ALL ? REACH_ALL :
	       ways == REACH_NONE			? REACH_NONE :
							  REACH_SOME;
	return 0;
}

/* ---- making ---- */

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int collect_networks(struct reach *r)
{
	const struct network *n = r->net;
	struct prefix *list, p;
	size_t i, j, k = 0, kept = 0;

	for (i = 0; i < n->n_records; i++)
		k += n->records[i].n_routes + n->records[i].n_standby + n->records[i].n_addresses;
	k += 2 * n->n_permits;
	list = arena_array(&r->arena, k, sizeof(*list));
	if (!list)
		return -1;
	for (i = 0, k = 0; i < n->n_records; i++) {
		const struct record *rec = &n->records[i];

		for (j = 0; j < rec->n_routes; j++)
			list[k++] = rec->routes[j];
		for (j = 0; j < rec->n_standby; j++)
			list[k++] = rec->standby[j].prefix;
		for (j = 0; j < rec->n_addresses; j++)
			list[k++] = prefix_of_addr(&rec->addresses[j]);
	}
	for (i = 0; i < n->n_permits; i++) {
		if (target_is_prefix(n->permits[i].to, &p) && p.len)
			list[k++] = p;
		if (target_is_prefix(n->permits[i].from, &p) && p.len)
			list[k++] = p;
	}
	if (k > 1)
		qsort(list, k, sizeof(*list), cmp_prefixes);
	for (i = 0; i < k; i++)
		if (!kept || prefix_cmp(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	r->networks = list;
	r->n_networks = kept;
	return 0;
}

static int prepare(struct reach *r)
{
	uint32_t id;

	r->words = r->w.n / 64 + 1;
	r->tables = arena_array(&r->arena, r->side->n_views, sizeof(*r->tables));
	r->first_address = arena_array(&r->arena, r->w.n, sizeof(*r->first_address));
	if (!r->tables || !r->first_address)
		return -1;
	for (id = 0; id < r->w.n; id++) {
		r->first_address[id] = r->n_addresses;
		r->n_addresses +=
			r->side->records[id] ? (uint32_t)r->side->records[id]->n_addresses : 0;
	}
	if (r->w.n && r->w.n <= MAX_REMEMBERED) {
		r->ways = arena_array(&r->arena, r->w.n, r->w.n);
		if (!r->ways)
			return -1;
	}
	for (id = 0; id < r->w.n; id++)
		r->guarded |= r->side->nodes[id] && r->side->nodes[id]->flags & NODE_GUARDED;
	return collect_networks(r) < 0 || classes_init(r, &r->from, false) < 0 ||
			       classes_init(r, &r->to, true) < 0 || index_permits(r) < 0 ?
		       -1 :
		       0;
}

int reach_new(const struct network *n, struct reach **ret, struct err *e)
{
	struct reach *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(e);
	arena_init(&r->arena);
	r->net = n;
	if (plan_work_init(&r->w, NULL, n, &r->arena, e) < 0) {
		reach_free(r);
		return -1;
	}
	r->side = &r->w.sides[NEW];
	if (prepare(r) < 0) {
		reach_free(r);
		return err_nomem(e);
	}
	*ret = r;
	return 0;
}

void reach_free(struct reach *r)
{
	if (!r)
		return;
	plan_work_release(&r->w);
	arena_release(&r->arena);
	free(r->answers);
	free(r->on_copy);
	free(r);
}

/* ---- words ---- */

char *reach_end_print(const struct reach *r, const struct reach_end *e,
		      char out[static REACH_END_STRLEN])
{
	char text[PREFIX_STRLEN];

	if (e->kind == REACH_NODE)
		snprintf(out, REACH_END_STRLEN, "%s", r->w.names[e->id]);
	else if (e->kind == REACH_BEHIND)
		snprintf(out, REACH_END_STRLEN, "%s behind %s", prefix_print(&e->prefix, text),
			 r->w.names[e->id]);
	else
		snprintf(out, REACH_END_STRLEN, "what is outside (IPv%u)", e->address.family);
	return out;
}

void reach_path_print(const struct reach *r, const struct reach_path *p, struct buf *out)
{
	const char *last = p->n ? r->w.names[p->at[p->n - 1]] : "",
		   *before = p->n > 1 ? r->w.names[p->at[p->n - 2]] : "";
	size_t i;

	/* Who does not come far needs no way. */
	for (i = 0; i < p->n && (p->n > 1 || p->fate == REACH_ARRIVES); i++)
		buf_addf(out, "%s%s", i ? " -> " : "", r->w.names[p->at[i]]);
	if (p->fate != REACH_ARRIVES && p->fate != REACH_LOOP && p->n > 1)
		buf_adds(out, ": ");
	switch (p->fate) {
	case REACH_ARRIVES:
		break;
	case REACH_NO_WAY:
		buf_addf(out, "%s has no way there", last);
		break;
	case REACH_NOT_TAKEN:
		buf_addf(out, "%s does not take it from %s", last, before);
		break;
	case REACH_CANNOT_MEET:
		buf_addf(out, "%s and %s cannot meet, neither has an endpoint for the other",
			 before, last);
		break;
	case REACH_NOT_PASSED_ON:
		buf_addf(out, "%s passes nothing on", last);
		break;
	case REACH_ASTRAY:
		buf_addf(out, "it leaves the network at %s", last);
		break;
	case REACH_LOOP:
		buf_adds(out, " -> ...: it goes round");
		break;
	}
}
