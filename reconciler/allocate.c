/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/allocate.h"

#include "common/limits.h"

/* An address that must not be handed out: in use in the new network, or used once. */
struct taken {
	struct ipaddr addr;
	const struct m_node
		*node; /* who has it in the new network; NULL: nobody, it was used before */
	const struct pos *pinned; /* where it is written, or NULL */
};

/* A prefix that a node owns as a whole. */
struct owned {
	struct prefix prefix;
	const struct m_node *node;
	const struct pos *pos;
};

struct allocator {
	const struct m_network *net;
	const struct network *old; /* never NULL; may be empty */
	uint64_t serial;
	struct arena *arena;
	struct diag *diag;
	struct allocation *ret; /* one per node */
	struct taken *taken; /* sorted by address once all that is known has been collected */
	size_t n_taken;
	struct freed *spare; /* addresses that were used once and that nobody has in the new
				network: freed earlier or now */
	size_t n_spare;
	/* What is reserved, and what nodes own: canonical (sorted, none inside another). */
	struct prefix *reserved;
	size_t n_reserved;
	struct owned *owned; /* sorted likewise */
	size_t n_owned;
	bool *reused; /* one per spare[]: handed out again */
	bool nomem;
};

/* By address; one that somebody has comes before the same one as history. */
static int cmp_taken(const void *pa, const void *pb)
{
	const struct taken *a = pa, *b = pb;
	int c = ipaddr_cmp(&a->addr, &b->addr);

	return c ? c : !a->node - !b->node;
}

static void sort_taken(struct taken *list, size_t n)
{
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_taken);
}

static const char *kind_of(const struct allocator *x, const struct m_node *m)
{
	return m_network_client(x->net, m->name) ? "client" : "node";
}

static const struct m_prefix *pool_of(const struct m_network *m, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < m->n_pools; i++)
		if (prefix_contains_addr(&m->pools[i].prefix, a))
			return &m->pools[i];
	return NULL;
}

static void take(struct allocator *x, const struct ipaddr *addr, const struct m_node *node,
		 const struct pos *pinned)
{
	struct taken *list = arena_grow(x->arena, x->taken, x->n_taken, sizeof(*list));

	if (!list) {
		x->nomem = true;
		return;
	}
	x->taken = list;
	list[x->n_taken++] = (struct taken){ *addr, node, pinned };
}

static void give(struct allocator *x, size_t node, const struct ipaddr *addr, uint8_t len)
{
	struct allocation *al = &x->ret[node];

	al->addresses[al->n++] = (struct ifaddr){ *addr, len };
}

/* A frozen copy of the addresses pinned now, for look-ups while others are still being added. */
struct pin_index {
	const struct taken *list;
	size_t n;
};

static const struct taken *find_taken(const struct taken *list, size_t n, const struct ipaddr *addr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = ipaddr_cmp(addr, &list[mid].addr);

		if (!c)
			return &list[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static int pin_all(struct allocator *x)
{
	size_t i, j;

	for (i = 0; i < x->net->n_nodes; i++) {
		const struct m_node *m = &x->net->nodes[i];
		size_t room = m->has_addresses ? m->n_addresses : x->net->n_pools;

		x->ret[i].addresses = arena_array(x->arena, room, sizeof(struct ifaddr));
		if (!x->ret[i].addresses)
			return -1;
		for (j = 0; m->has_addresses && j < m->n_addresses; j++) {
			const struct m_prefix *pool = pool_of(x->net, &m->addresses[j].addr);

			take(x, &m->addresses[j].addr, m, &m->addresses[j].pos);
			give(x, i, &m->addresses[j].addr,
			     pool ? pool->prefix.len :
				    (uint8_t)family_bits(m->addresses[j].addr.family));
		}
	}
	return x->nomem ? -1 : 0;
}

/* The range that an address is reserved by, or NULL. */
static const struct prefix *reserved_by(const struct allocator *x, const struct ipaddr *a)
{
	struct prefix whole = prefix_of_addr(a);
	size_t low = 0, high = x->n_reserved;

	/* Of disjoint ranges, only the last that begins at or before an address can hold it. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&x->reserved[mid], &whole) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && prefix_contains_addr(&x->reserved[low - 1], a) ? &x->reserved[low - 1] : NULL;
}

static bool may_hand_out(const struct prefix *pool, const struct ipaddr *a)
{
	unsigned int bits = family_bits(pool->family), i;
	struct prefix whole = prefix_of_addr(a);

	if (pool->len >= bits - 1)
		return true;
	if (!memcmp(whole.b, pool->b, sizeof(whole.b)))
		return false;
	if (pool->family == 6)
		return true;
	for (i = pool->len; i < bits; i++)
		if (!(a->b[i / 8] & (0x80 >> i % 8)))
			return true;
	return false;
}

/* True when an address that nobody has now may be given to somebody. */
static bool is_free_in(const struct allocator *x, const struct prefix *pool, const struct ipaddr *a)
{
	return prefix_contains_addr(pool, a) && may_hand_out(pool, a) && !reserved_by(x, a);
}

/*
 * The address of this pool that the node has in the publication, or NULL. One that a change of the
 * pool made its first or its last means something else now; one that was reserved since is kept.
 */
static const struct ipaddr *published_address(const struct allocator *x, const char *name,
					      const struct prefix *pool)
{
	const struct record *r = network_record(x->old, name);
	size_t i;

	for (i = 0; r && i < r->n_addresses; i++)
		if (prefix_contains_addr(pool, &r->addresses[i]) &&
		    may_hand_out(pool, &r->addresses[i]))
			return &r->addresses[i];
	return NULL;
}

static void report_pin_clash(struct allocator *x, const struct m_node *m, const struct taken *pin)
{
	char text[IPADDR_STRLEN];
	struct diag_entry *d;

	ipaddr_print(&pin->addr, text);
	d = diag_error(x->diag, *pin->pinned, "%s is the address that %s `%s` has already", text,
		       kind_of(x, m), m->name);
	diag_other(x->diag, d, m->pos, "`%s` got it automatically", m->name);
	diag_help(
		x->diag, d,
		"automatic addresses never move: pin a free address here, or give `%s` `addresses` of its own first",
		m->name);
}

static const struct owned *owned_by(const struct allocator *x, const struct ipaddr *a)
{
	struct prefix whole = prefix_of_addr(a);
	size_t low = 0, high = x->n_owned;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&x->owned[mid].prefix, &whole) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && prefix_contains_addr(&x->owned[low - 1].prefix, a) ? &x->owned[low - 1] :
									   NULL;
}

static void report_owned(struct allocator *x, const struct m_node *m, const struct ipaddr *addr,
			 const struct owned *o)
{
	char text[IPADDR_STRLEN], prefix[PREFIX_STRLEN];
	struct diag_entry *d;

	d = diag_error(x->diag, *o->pos,
		       "`%s` cannot own %s: %s in it is the address that %s `%s` has already",
		       o->node->name, prefix_print(&o->prefix, prefix), ipaddr_print(addr, text),
		       kind_of(x, m), m->name);
	diag_other(x->diag, d, m->pos, "`%s` got it automatically", m->name);
	diag_help(
		x->diag, d,
		"automatic addresses never move: choose another prefix here, or give `%s` `addresses` of its own first",
		m->name);
}

/*
 * One pass over all automatic addresses that can be kept or given back. What is found is appended
 * behind the pins, which stay sorted in front.
 */
static int keep_all(struct allocator *x)
{
	struct pin_index pins = { x->taken, x->n_taken };
	struct taken *copy = arena_array(x->arena, x->n_taken, sizeof(*copy));
	size_t i, j;

	if (!copy)
		return -1;
	if (x->n_taken)
		memcpy(copy, x->taken, x->n_taken * sizeof(*copy));
	pins.list = copy;
	for (i = 0; i < x->net->n_nodes; i++) {
		const struct m_node *m = &x->net->nodes[i];

		for (j = 0; !m->has_addresses && j < x->net->n_pools; j++) {
			const struct prefix *pool = &x->net->pools[j].prefix;
			const struct ipaddr *addr = published_address(x, m->name, pool);
			const struct taken *pin = addr ? find_taken(pins.list, pins.n, addr) : NULL;

			const struct owned *o = addr ? owned_by(x, addr) : NULL;

			if (!addr)
				continue;
			if (pin) {
				report_pin_clash(x, m, pin);
				continue;
			}
			if (o) {
				report_owned(x, m, addr, o);
				continue;
			}
			take(x, addr, m, NULL);
			give(x, i, addr, pool->len);
		}
	}
	return x->nomem ? -1 : 0;
}

static bool has_address_in(const struct allocation *al, const struct prefix *pool)
{
	size_t i;

	for (i = 0; i < al->n; i++)
		if (prefix_contains_addr(pool, &al->addresses[i].addr))
			return true;
	return false;
}

struct returning {
	const char *node;
	size_t freed; /* index in spare */
};

static int cmp_returning(const void *pa, const void *pb)
{
	const struct returning *a = pa, *b = pb;
	int c = strcmp(a->node, b->node);

	return c ? c : a->freed < b->freed ? -1 : a->freed > b->freed;
}

static void give_back_one(struct allocator *x, size_t node, const struct prefix *pool,
			  const struct returning *list, size_t n)
{
	const struct m_node *m = &x->net->nodes[node];
	const struct freed *best = NULL;
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(list[mid].node, m->name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && !strcmp(list[low].node, m->name); low++) {
		const struct freed *f = &x->spare[list[low].freed];

		if (wgkey_cmp(&f->key, &m->public_key) || !is_free_in(x, pool, &f->address))
			continue;
		if (!best || f->serial > best->serial)
			best = f;
	}
	if (!best)
		return;
	x->reused[best - x->spare] = true;
	give(x, node, &best->address, pool->len);
}

/* A node that comes back under its name and key (a revert) finds its address again. */
static int give_back_all(struct allocator *x)
{
	struct returning *list = arena_array(x->arena, x->n_spare, sizeof(*list));
	size_t i, j, n = x->n_spare;

	if (!list)
		return -1;
	for (i = 0; i < n; i++)
		list[i] = (struct returning){ x->spare[i].node, i };
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_returning);
	for (i = 0; n && i < x->net->n_nodes; i++)
		for (j = 0; !x->net->nodes[i].has_addresses && j < x->net->n_pools; j++)
			if (!has_address_in(&x->ret[i], &x->net->pools[j].prefix))
				give_back_one(x, i, &x->net->pools[j].prefix, list, n);
	return 0;
}

/* Adds one to an address; false when it leaves the pool. */
static bool next_address(struct ipaddr *a, const struct prefix *pool)
{
	int i = a->family == 4 ? 3 : 15;

	for (; i >= 0; i--)
		if (++a->b[i])
			break;
	return i >= 0 && prefix_contains_addr(pool, a);
}

/* The last address of a range. */
static void go_to_end(struct ipaddr *a, const struct prefix *range)
{
	unsigned int i, bits = family_bits(range->family);

	for (i = range->len; i < bits; i++)
		a->b[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* Walks a pool upwards past everything in the sorted list of what is taken. */
struct cursor {
	struct ipaddr next;
	bool exhausted;
	size_t at; /* in x->taken */
};

static void cursor_init(struct cursor *c, const struct prefix *pool)
{
	*c = (struct cursor){ .next = { .family = pool->family } };
	memcpy(c->next.b, pool->b, sizeof(c->next.b));
}

static bool cursor_take(struct cursor *c, const struct allocator *x, const struct prefix *pool,
			struct ipaddr *ret)
{
	while (!c->exhausted) {
		struct ipaddr addr = c->next;
		const struct prefix *range = reserved_by(x, &addr);

		if (range)
			go_to_end(&c->next, range);
		c->exhausted = !next_address(&c->next, pool);
		if (range)
			continue;
		while (c->at < x->n_taken && ipaddr_cmp(&x->taken[c->at].addr, &addr) < 0)
			c->at++;
		if (c->at < x->n_taken && !ipaddr_cmp(&x->taken[c->at].addr, &addr))
			continue;
		if (!may_hand_out(pool, &addr))
			continue;
		*ret = addr;
		return true;
	}
	return false;
}

/* The address of the pool that was freed longest ago and is free still. */
static const struct freed *oldest_spare(struct allocator *x, const struct prefix *pool)
{
	const struct freed *best = NULL;
	size_t i;

	for (i = 0; i < x->n_spare; i++) {
		const struct freed *f = &x->spare[i];

		if (!x->reused[i] && (!best || f->serial < best->serial) &&
		    is_free_in(x, pool, &f->address))
			best = f;
	}
	return best;
}

static bool is_reserved_in(const struct allocator *x, const struct prefix *pool)
{
	size_t i;

	for (i = 0; i < x->net->n_reserved; i++)
		if (prefix_contains(pool, &x->net->reserved[i].prefix))
			return true;
	return false;
}

static void hand_out_pool(struct allocator *x, const struct m_prefix *pool)
{
	char text[PREFIX_STRLEN];
	struct cursor c;
	size_t i;

	cursor_init(&c, &pool->prefix);
	for (i = 0; i < x->net->n_nodes; i++) {
		const struct m_node *m = &x->net->nodes[i];
		const struct freed *f;
		struct ipaddr addr;

		if (m->has_addresses || has_address_in(&x->ret[i], &pool->prefix))
			continue;
		if (cursor_take(&c, x, &pool->prefix, &addr)) {
			give(x, i, &addr, pool->prefix.len);
			continue;
		}
		f = oldest_spare(x, &pool->prefix);
		if (f) {
			x->reused[f - x->spare] = true;
			give(x, i, &f->address, pool->prefix.len);
			continue;
		}
		diag_help(x->diag,
			  diag_error(x->diag, m->pos, "the pool %s has no address left for %s `%s`",
				     prefix_print(&pool->prefix, text), kind_of(x, m), m->name),
			  "write a wider pool (a shorter prefix)%s; who has an address keeps it",
			  is_reserved_in(x, &pool->prefix) ? ", or reserve less of it" : "");
	}
}

static int cmp_owned(const void *pa, const void *pb)
{
	const struct owned *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : strcmp(a->node->name, b->node->name);
}

/* What nodes own, each but once and none inside another. */
static int read_owned(struct allocator *x)
{
	size_t i, j, n = 0;

	for (i = 0; i < x->net->n_nodes; i++)
		for (j = 0; j < x->net->nodes[i].n_addresses; j++)
			n += x->net->nodes[i].addresses[j].owned != 0;
	x->owned = arena_array(x->arena, n, sizeof(*x->owned));
	if (!x->owned)
		return -1;
	for (i = 0, n = 0; i < x->net->n_nodes; i++)
		for (j = 0; j < x->net->nodes[i].n_addresses; j++) {
			const struct m_addr *a = &x->net->nodes[i].addresses[j];

			if (a->owned)
				x->owned[n++] = (struct owned){ m_addr_prefix(a), &x->net->nodes[i],
								&a->pos };
		}
	if (n > 1)
		qsort(x->owned, n, sizeof(*x->owned), cmp_owned);
	for (i = 0; i < n; i++)
		if (!x->n_owned ||
		    !prefix_contains(&x->owned[x->n_owned - 1].prefix, &x->owned[i].prefix))
			x->owned[x->n_owned++] = x->owned[i];
	return 0;
}

static int read_reserved(struct allocator *x)
{
	size_t i, n = 0;

	if (read_owned(x) < 0)
		return -1;
	x->reserved = arena_array(x->arena, x->net->n_reserved + x->n_owned, sizeof(*x->reserved));
	if (!x->reserved)
		return -1;
	for (i = 0; i < x->net->n_reserved; i++)
		x->reserved[n++] = x->net->reserved[i].prefix;
	for (i = 0; i < x->n_owned; i++)
		x->reserved[n++] = x->owned[i].prefix;
	x->n_reserved = prefix_canonical(x->reserved, n);
	return 0;
}

/* Addresses that were reserved after nodes had got them; one warning for each range written. */
static void warn_of_kept(struct allocator *x)
{
	size_t i, j, k;

	for (k = 0; k < x->net->n_reserved; k++) {
		const struct m_prefix *range = &x->net->reserved[k];
		const struct m_node *first = NULL;
		char text[PREFIX_STRLEN], more[32] = "";
		struct diag_entry *d;
		size_t n = 0;

		for (i = 0; i < x->net->n_nodes; i++) {
			const struct m_node *m = &x->net->nodes[i];

			for (j = 0; !m->has_addresses && j < x->ret[i].n; j++) {
				if (!prefix_contains_addr(&range->prefix,
							  &x->ret[i].addresses[j].addr))
					continue;
				first = first ? first : m;
				n++;
				break;
			}
		}
		if (!n)
			continue;
		if (n > 1)
			snprintf(more, sizeof(more), " and %zu more", n - 1);
		d = diag_warn(x->diag, range->pos,
			      "%s `%s`%s got an address of %s before it was reserved, and keeps it",
			      kind_of(x, first), first->name, more,
			      prefix_print(&range->prefix, text));
		diag_other(x->diag, d, first->pos, "`%s` has no `addresses` of its own",
			   first->name);
		diag_help(x->diag, d,
			  "`meshrc pin %s` writes it down as pinned; nobody else gets one of these",
			  first->name);
	}
}

static bool in_use_now(const struct allocator *x, const struct ipaddr *a)
{
	return find_taken(x->taken, x->n_taken, a) != NULL;
}

/* Needs x->taken sorted and holding what the new network has pinned or kept. */
static int collect_spare(struct allocator *x)
{
	size_t i, j, room = x->old->n_freed;

	for (i = 0; i < x->old->n_records; i++)
		room += x->old->records[i].n_addresses;
	x->spare = arena_array(x->arena, room, sizeof(*x->spare));
	x->reused = arena_array(x->arena, room, sizeof(*x->reused));
	if (!x->spare || !x->reused)
		return -1;
	for (i = 0; i < x->old->n_freed; i++)
		if (!in_use_now(x, &x->old->freed[i].address))
			x->spare[x->n_spare++] = x->old->freed[i];
	for (i = 0; i < x->old->n_records; i++) {
		const struct record *r = &x->old->records[i];

		for (j = 0; j < r->n_addresses; j++)
			if (!in_use_now(x, &r->addresses[j]))
				x->spare[x->n_spare++] = (struct freed){ r->addresses[j], x->serial,
									 r->name, r->key };
	}
	return 0;
}

/* Everything that was ever used counts as taken for those who need a new address. */
static int add_history(struct allocator *x)
{
	size_t i;

	for (i = 0; i < x->n_spare; i++)
		take(x, &x->spare[i].address, NULL, NULL);
	if (x->nomem)
		return -1;
	sort_taken(x->taken, x->n_taken);
	return 0;
}

static int cmp_ifaddrs(const void *a, const void *b)
{
	return ifaddr_cmp(a, b);
}

static int cmp_freed(const void *a, const void *b)
{
	return ipaddr_cmp(&((const struct freed *)a)->address, &((const struct freed *)b)->address);
}

/* The latest first. */
static int cmp_freed_age(const void *pa, const void *pb)
{
	const struct freed *a = pa, *b = pb;

	return a->serial > b->serial ? -1 : a->serial < b->serial ? 1 : cmp_freed(pa, pb);
}

static int cmp_gone_age(const void *pa, const void *pb)
{
	const struct gone *a = pa, *b = pb;

	return a->serial > b->serial ? -1 : a->serial < b->serial ? 1 : strcmp(a->name, b->name);
}

static int cmp_gone(const void *a, const void *b)
{
	return strcmp(((const struct gone *)a)->name, ((const struct gone *)b)->name);
}

static size_t drop_oldest_gone(struct gone *list, size_t n)
{
	qsort(list, n, sizeof(*list), cmp_gone_age);
	qsort(list, MAX_TOMBSTONES, sizeof(*list), cmp_gone);
	return MAX_TOMBSTONES;
}

/* The freed addresses of the new network are the spare ones that nobody got again. */
static int make_tombstones(struct allocator *x, struct network *ret)
{
	struct freed *freed = arena_array(x->arena, x->n_spare, sizeof(*freed));
	struct gone *gone = arena_array(x->arena, x->old->n_gone + x->old->n_nodes, sizeof(*gone));
	size_t i, j, n = 0, n_gone = 0;

	if (!freed || !gone)
		return -1;
	for (i = 0; i < x->n_spare; i++)
		if (!x->reused[i])
			freed[n++] = x->spare[i];
	/* Past the limit the oldest are forgotten: their addresses count as never used again. */
	if (n > MAX_TOMBSTONES) {
		qsort(freed, n, sizeof(*freed), cmp_freed_age);
		n = MAX_TOMBSTONES;
	}
	if (n > 1)
		qsort(freed, n, sizeof(*freed), cmp_freed);
	/* Both lists are sorted and share no name: a merge keeps the order. */
	for (i = 0, j = 0; i < x->old->n_gone || j < x->old->n_nodes;) {
		bool from_gone = j == x->old->n_nodes ||
				 (i < x->old->n_gone &&
				  strcmp(x->old->gone[i].name, x->old->nodes[j].name) < 0);
		struct gone g = from_gone ? x->old->gone[i++] :
					    (struct gone){ x->old->nodes[j++].name, x->serial };

		/* A node that became a client is gone as a node. */
		if (!m_network_node(x->net, g.name) || m_network_client(x->net, g.name))
			gone[n_gone++] = g;
	}
	/* An agent that sleeps through this many removals is told that it is not listed. */
	if (n_gone > MAX_TOMBSTONES)
		n_gone = drop_oldest_gone(gone, n_gone);
	ret->freed = freed;
	ret->n_freed = n;
	ret->gone = gone;
	ret->n_gone = n_gone;
	return 0;
}

int allocate(const struct m_network *m, const struct network *published, uint64_t serial,
	     struct arena *a, struct diag *d, struct allocation *ret,
	     struct network *ret_tombstones)
{
	static const struct network nothing;
	struct allocator x = {
		.net = m,
		.old = published ? published : &nothing,
		.serial = serial,
		.arena = a,
		.diag = d,
		.ret = ret,
	};
	size_t i, errors = d->errors;

	if (read_reserved(&x) < 0 || pin_all(&x) < 0)
		goto nomem;
	sort_taken(x.taken, x.n_taken);
	if (keep_all(&x) < 0)
		goto nomem;
	sort_taken(x.taken, x.n_taken);
	if (collect_spare(&x) < 0 || give_back_all(&x) < 0 || add_history(&x) < 0)
		goto nomem;
	for (i = 0; i < m->n_pools; i++)
		hand_out_pool(&x, &m->pools[i]);
	for (i = 0; i < m->n_nodes; i++) {
		if (ret[i].n > 1)
			qsort(ret[i].addresses, ret[i].n, sizeof(*ret[i].addresses), cmp_ifaddrs);
		if (!ret[i].n && d->errors == errors)
			diag_help(
				d,
				diag_error(d, m->nodes[i].pos, "%s `%s` has no address",
					   kind_of(&x, &m->nodes[i]), m->nodes[i].name),
				"give the network pools (`addresses: [10.20.0.0/16]`), or the %s `addresses` of its own",
				kind_of(&x, &m->nodes[i]));
	}
	if (make_tombstones(&x, ret_tombstones) < 0)
		goto nomem;
	warn_of_kept(&x);
	return d->errors == errors ? 0 : -1;
nomem:
	diag_error(d, m->pos, "out of memory");
	d->nomem = true;
	return -1;
}
