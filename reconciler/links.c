/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links.h"

#include "common/hash.h"
#include "common/limits.h"
#include "publication/routed.h"

/* Pairs that cannot meet are named one by one up to here for each entry. */
#define MAX_NAMED_PAIRS 5
/* Characters of a hash in a name, and how often another one is tried when two are alike. */
#define HASH_CHARS 4
#define MAX_SALT 16

struct pair {
	uint32_t node[2]; /* the lower first, which is the order of names too */
	uint32_t entry; /* the first that joins them */
};

/* A port or a transfer network that a link has, or one that is gone had. */
struct use {
	uint32_t node; /* of a port */
	uint16_t port;
	struct prefix transfer;
	uint64_t freed; /* 0: in use */
	size_t line; /* in links, or in spare when it was freed */
	unsigned int end;
	bool reused;
};

struct maker {
	const struct m_network *m;
	const struct viewpoints *views;
	const struct link_entry *entries;
	const struct network *old; /* never NULL; may be empty */
	uint64_t serial;
	struct node *nodes;
	struct arena *arena;
	struct diag *diag;
	struct pair *pairs; /* sorted */
	size_t n, cap;
	struct routed_link *links; /* one for each pair */
	struct prefix **transfer; /* theirs and of the spare ones, in which a length of 0 is none */
	struct routed_link *spare; /* of pairs that are not joined now */
	struct prefix **spare_transfer;
	size_t n_spare;
	bool nomem;
};

static void *get(struct maker *x, size_t n, size_t size)
{
	void *p = arena_array(x->arena, n, size);

	if (!p)
		x->nomem = true;
	return p;
}

/* ---- pairs ---- */

static int cmp_pairs(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;
	size_t i;

	for (i = 0; i < 2; i++)
		if (a->node[i] != b->node[i])
			return a->node[i] < b->node[i] ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static bool same_pair(const struct pair *a, const struct pair *b)
{
	return a->node[0] == b->node[0] && a->node[1] == b->node[1];
}

static void unique_pairs(struct maker *x)
{
	size_t i, kept = 0;

	if (x->n > 1)
		qsort(x->pairs, x->n, sizeof(*x->pairs), cmp_pairs);
	for (i = 0; i < x->n; i++)
		if (!kept || !same_pair(&x->pairs[kept - 1], &x->pairs[i]))
			x->pairs[kept++] = x->pairs[i];
	x->n = kept;
}

static bool too_many(struct maker *x, const struct link_entry *entry)
{
	diag_help(x->diag,
		  diag_error(x->diag, entry->pos,
			     "the topology has more than %d routed links, up to this entry",
			     MAX_ROUTED_LINKS),
		  "join fewer nodes with `interface_per_link`, or through hubs (`star`)");
	return false;
}

static size_t members(const struct maker *x, const bool *in, uint32_t *list)
{
	size_t i, n = 0;

	for (i = 0; i < x->m->n_nodes; i++)
		if (in[i])
			list[n++] = (uint32_t)i;
	return n;
}

/* Room for this many more pairs; entries that say the same again are dropped before it grows. */
static bool make_room(struct maker *x, size_t more)
{
	struct pair *list;

	if (more <= x->cap - x->n)
		return true;
	unique_pairs(x);
	if (more <= (x->cap - x->n) / 2)
		return true;
	x->cap = 2 * (x->n + more);
	list = get(x, x->cap, sizeof(*list));
	if (list && x->n)
		memcpy(list, x->pairs, x->n * sizeof(*list));
	x->pairs = list;
	return list != NULL;
}

/* False when there are too many, or memory ran out. `a` and `b` have room for all nodes. */
static bool add_pairs(struct maker *x, uint32_t number, uint32_t *a, uint32_t *b)
{
	const struct link_entry *entry = &x->entries[number];
	size_t n_a = members(x, entry->a, a), n_b = members(x, entry->b, b), i, j;

	/* Of a mesh each pair comes twice, and each node with itself. */
	if (n_b && n_a > (2 * (size_t)MAX_ROUTED_LINKS + n_a) / n_b)
		return too_many(x, entry);
	if (!make_room(x, n_a * n_b))
		return false;
	for (i = 0; i < n_a; i++)
		for (j = 0; j < n_b; j++) {
			uint32_t p = a[i], q = b[j];

			if (p != q)
				x->pairs[x->n++] =
					(struct pair){ { p < q ? p : q, p < q ? q : p }, number };
		}
	return true;
}

static bool make_pairs(struct maker *x, size_t n_entries)
{
	uint32_t *a = get(x, x->m->n_nodes, sizeof(*a)), *b = get(x, x->m->n_nodes, sizeof(*b));
	size_t i;

	for (i = 0; !x->nomem && i < n_entries; i++)
		if (!add_pairs(x, (uint32_t)i, a, b))
			return false;
	unique_pairs(x);
	return !x->nomem && (x->n <= MAX_ROUTED_LINKS || too_many(x, &x->entries[n_entries - 1]));
}

static const struct m_node *node_of(const struct maker *x, const struct pair *p, unsigned int end)
{
	return &x->m->nodes[p->node[end]];
}

static void check_counts(struct maker *x)
{
	size_t *count = get(x, x->m->n_nodes, sizeof(*count)), i;

	for (i = 0; count && i < 2 * x->n; i++)
		if (++count[x->pairs[i / 2].node[i % 2]] == MAX_NODE_ROUTED_LINKS + 1)
			diag_error(x->diag, node_of(x, &x->pairs[i / 2], i % 2)->pos,
				   "node `%s` has more routed links than the %d that are possible",
				   node_of(x, &x->pairs[i / 2], i % 2)->name,
				   MAX_NODE_ROUTED_LINKS);
}

/* A relay cannot help: it passes on what has an address, not the link itself. */
static void warn_unreachable(struct maker *x, size_t n_entries)
{
	size_t *found = get(x, n_entries, sizeof(*found)), i;

	for (i = 0; found && i < x->n; i++) {
		const struct pair *p = &x->pairs[i];
		const struct m_node *a = node_of(x, p, 0), *b = node_of(x, p, 1);

		if (viewpoints_meet(x->views, p->node[0], p->node[1]) ||
		    ++found[p->entry] > MAX_NAMED_PAIRS)
			continue;
		diag_help(x->diag,
			  diag_warn(x->diag, x->entries[p->entry].pos,
				    "`%s` and `%s` cannot meet: neither has an endpoint", a->name,
				    b->name),
			  "give one of them an `endpoint`: a routed link goes through no relay");
	}
	for (i = 0; found && i < n_entries; i++)
		if (found[i] > MAX_NAMED_PAIRS)
			diag_warn(x->diag, x->entries[i].pos, "and %zu more pairs that cannot meet",
				  found[i] - MAX_NAMED_PAIRS);
}

static bool any_ipv6(const struct m_routed *r)
{
	size_t i;

	for (i = 0; i < r->n_transfer; i++)
		if (r->transfer[i].prefix.family == 6)
			return true;
	return r->link_local;
}

static void check_mtu(struct maker *x)
{
	bool *told = get(x, x->m->n_nodes, sizeof(*told)), network = false;
	size_t i;

	for (i = 0; told && any_ipv6(&x->m->routed) && i < 2 * x->n; i++) {
		uint32_t node = x->pairs[i / 2].node[i % 2];
		const struct m_uint *own = &x->m->nodes[node].mtu;
		bool *done = own->set ? &told[node] : &network;

		if (x->nodes[node].mtu >= 1280 || *done)
			continue;
		*done = true;
		diag_help(x->diag,
			  diag_error(x->diag, own->set ? own->pos : x->m->mtu.pos,
				     "an MTU of %u is too small for the IPv6 of routed links",
				     x->nodes[node].mtu),
			  "IPv6 needs at least 1280 (RFC 8200, section 5); without an IPv6 pool in "
			  "`transfer`, `link_local: false` leaves IPv4 alone");
	}
}

/* ---- what there was ---- */

static const struct pair *find_pair(const struct maker *x, const char *a, const char *b)
{
	const struct m_node *p = m_network_node(x->m, a), *q = m_network_node(x->m, b);
	struct pair key;
	size_t low = 0, high = x->n;

	if (!p || !q)
		return NULL;
	key = (struct pair){ { (uint32_t)(p - x->m->nodes), (uint32_t)(q - x->m->nodes) }, 0 };
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (same_pair(&x->pairs[mid], &key))
			return &x->pairs[mid];
		if (cmp_pairs(&x->pairs[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool is_link_local(const struct prefix *p)
{
	return !prefix_cmp(p, &routed_link_local);
}

/* What was used before and is nobody's now. */
static void collect_spare(struct maker *x)
{
	size_t i, j;

	x->spare = get(x, x->old->n_routed, sizeof(*x->spare));
	x->spare_transfer = get(x, x->old->n_routed, sizeof(*x->spare_transfer));
	for (i = 0; !x->nomem && i < x->old->n_routed; i++) {
		struct routed_link l = x->old->routed[i];
		struct prefix *transfer;

		if (find_pair(x, l.name[0], l.name[1]))
			continue;
		transfer = get(x, l.n_transfer, sizeof(*transfer));
		if (!transfer)
			return;
		for (j = 0; j < l.n_transfer; j++)
			if (!is_link_local(&l.transfer[j]))
				transfer[j] = l.transfer[j];
		if (!l.freed)
			l.freed = x->serial;
		l.end[0].interface.s[0] = l.end[1].interface.s[0] = '\0';
		x->spare_transfer[x->n_spare] = transfer;
		x->spare[x->n_spare++] = l;
	}
}

static uint16_t first_port(const struct m_network *m)
{
	return m->routed.ports.set ? m->routed.ports.first : DEFAULT_LINK_PORTS_FIRST;
}

static uint16_t last_port(const struct m_network *m)
{
	return m->routed.ports.set ? m->routed.ports.last : DEFAULT_LINK_PORTS_LAST;
}

/* The name of the interface to this node; `salt` 0 unless two would be alike. */
static struct ifname interface_to(const struct maker *x, const char *node, unsigned int salt)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	const char *prefix = x->m->routed.interface_prefix.s;
	char text[MAX_NAME + 16], hash[HASH_CHARS + 1] = "";
	struct ifname ret = { "" };
	struct digest d;
	int room = (int)(IFNAME_SIZE - 1 - strlen(prefix));
	size_t i;

	if (strlen(node) <= (size_t)room && !salt) {
		snprintf(ret.s, sizeof(ret.s), "%s%s", prefix, node);
		return ret;
	}
	snprintf(text, sizeof(text), salt ? "%s#%u" : "%s", node, salt);
	digest_of(text, strlen(text), &d);
	for (i = 0; i < HASH_CHARS; i++)
		hash[i] = digits[d.b[i] & 31];
	snprintf(ret.s, sizeof(ret.s), "%s%.*s_%s", prefix, room - HASH_CHARS - 1, node, hash);
	return ret;
}

/* The name is one that this link may have. */
static bool is_interface_to(const struct maker *x, const struct ifname *name, const char *node)
{
	unsigned int salt;

	for (salt = 0; salt < MAX_SALT; salt++) {
		struct ifname may = interface_to(x, node, salt);

		if (!strcmp(may.s, name->s))
			return true;
	}
	return false;
}

static void keep_transfer(struct maker *x, const struct routed_link *was, struct prefix *ret)
{
	size_t i, j;

	for (i = 0; i < x->m->routed.n_transfer; i++)
		for (j = 0; j < was->n_transfer && !ret[i].len; j++)
			if (prefix_contains(&x->m->routed.transfer[i].prefix, &was->transfer[j]))
				ret[i] = was->transfer[j];
}

static void keep(struct maker *x, size_t i)
{
	struct routed_link *l = &x->links[i];
	const struct routed_link *was;
	unsigned int end;

	x->transfer[i] = get(x, x->m->routed.n_transfer + 1, sizeof(**x->transfer));
	if (!x->transfer[i])
		return;
	for (end = 0; end < 2; end++)
		l->name[end] = node_of(x, &x->pairs[i], end)->name;
	was = network_routed(x->old, l->name[0], l->name[1]);
	if (!was)
		return;
	keep_transfer(x, was, x->transfer[i]);
	for (end = 0; end < 2; end++) {
		uint16_t port = was->end[end].port;

		if (port >= first_port(x->m) && port <= last_port(x->m))
			l->end[end].port = port;
		if (is_interface_to(x, &was->end[end].interface, l->name[!end]))
			l->end[end].interface = was->end[end].interface;
	}
}

/* ---- ports ---- */

static int cmp_port_uses(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->freed != b->freed)
		return a->freed < b->freed ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static struct use *port_uses(struct maker *x, size_t *ret_n)
{
	struct use *list = get(x, 2 * (x->n + x->n_spare), sizeof(*list));
	size_t i, n = 0;

	for (i = 0; list && i < 2 * x->n; i++) {
		const struct routed_end *e = &x->links[i / 2].end[i % 2];

		if (e->port)
			list[n++] = (struct use){ .node = x->pairs[i / 2].node[i % 2],
						  .port = e->port,
						  .line = i / 2,
						  .end = i % 2 };
	}
	for (i = 0; list && i < 2 * x->n_spare; i++) {
		const struct routed_link *l = &x->spare[i / 2];
		const struct m_node *node = m_network_node(x->m, l->name[i % 2]);

		if (node && l->end[i % 2].port)
			list[n++] = (struct use){ .node = (uint32_t)(node - x->m->nodes),
						  .port = l->end[i % 2].port,
						  .freed = l->freed,
						  .line = i / 2,
						  .end = i % 2 };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_port_uses);
	*ret_n = n;
	return list;
}

/* The ports of one node while they are handed out. */
struct port_cursor {
	size_t first, n; /* its uses */
	size_t at;
	uint32_t next;
	bool told;
};

static uint16_t next_port(const struct maker *x, struct port_cursor *c, const struct use *uses)
{
	while (c->next <= last_port(x->m)) {
		uint16_t port = (uint16_t)c->next++;

		while (c->at < c->n && uses[c->first + c->at].port < port)
			c->at++;
		if (c->at == c->n || uses[c->first + c->at].port != port)
			return port;
	}
	return 0;
}

static uint16_t oldest_port(const struct maker *x, const struct port_cursor *c, struct use *uses)
{
	struct use *best = NULL;
	size_t i;

	for (i = c->first; i < c->first + c->n; i++) {
		struct use *u = &uses[i];

		/* The same port may be in use, and have been freed twice. */
		if (!u->freed || u->reused || (i > c->first && u[-1].port == u->port) ||
		    u->port < first_port(x->m) || u->port > last_port(x->m))
			continue;
		if (!best || u->freed < best->freed)
			best = u;
	}
	if (!best)
		return 0;
	for (i = c->first; i < c->first + c->n; i++)
		if (uses[i].freed && uses[i].port == best->port) {
			uses[i].reused = true;
			x->spare[uses[i].line].end[uses[i].end].port = 0;
		}
	return best->port;
}

static void hand_out_port(struct maker *x, size_t i, unsigned int end, struct port_cursor *c,
			  struct use *uses)
{
	uint16_t port = next_port(x, c, uses);

	if (!port)
		port = oldest_port(x, c, uses);
	x->links[i].end[end].port = port;
	if (port || c->told)
		return;
	c->told = true;
	diag_help(x->diag,
		  diag_error(x->diag,
			     x->m->routed.ports.set ? x->m->routed.ports.pos :
						      x->entries[x->pairs[i].entry].pos,
			     "no port is left for the routed links of node `%s`",
			     node_of(x, &x->pairs[i], end)->name),
		  "widen `ports` of `routed_links`: a node needs one for each of its links");
}

static void make_ports(struct maker *x)
{
	struct port_cursor *cursors = get(x, x->m->n_nodes, sizeof(*cursors));
	size_t n = 0, i;
	struct use *uses = port_uses(x, &n);

	for (i = 0; !x->nomem && i < x->m->n_nodes; i++)
		cursors[i].next = first_port(x->m);
	for (i = 0; !x->nomem && i < n; i++) {
		struct port_cursor *c = &cursors[uses[i].node];

		if (!c->n++)
			c->first = i;
		/* No publication of ours says so. */
		if (!uses[i].freed && i && !uses[i - 1].freed && uses[i].node == uses[i - 1].node &&
		    uses[i].port == uses[i - 1].port)
			x->links[uses[i].line].end[uses[i].end].port = 0;
	}
	for (i = 0; !x->nomem && i < 2 * x->n; i++)
		if (!x->links[i / 2].end[i % 2].port)
			hand_out_port(x, i / 2, i % 2, &cursors[x->pairs[i / 2].node[i % 2]], uses);
}

/* ---- transfer networks ---- */

static int cmp_transfer_uses(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = prefix_cmp(&a->transfer, &b->transfer);

	if (c)
		return c;
	if (a->freed != b->freed)
		return a->freed < b->freed ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static struct use *transfer_uses(struct maker *x, size_t pool, size_t *ret_n)
{
	const struct prefix *p = &x->m->routed.transfer[pool].prefix;
	size_t room = x->n, i, j, n = 0;
	struct use *list;

	for (i = 0; i < x->n_spare; i++)
		room += x->spare[i].n_transfer;
	list = get(x, room, sizeof(*list));
	for (i = 0; list && i < x->n; i++)
		if (x->transfer[i][pool].len)
			list[n++] = (struct use){ .transfer = x->transfer[i][pool], .line = i };
	for (i = 0; list && i < x->n_spare; i++)
		for (j = 0; j < x->spare[i].n_transfer; j++)
			if (x->spare_transfer[i][j].len &&
			    prefix_contains(p, &x->spare_transfer[i][j]))
				list[n++] = (struct use){ .transfer = x->spare_transfer[i][j],
							  .freed = x->spare[i].freed,
							  .line = i,
							  .end = (unsigned int)j };
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_transfer_uses);
	*ret_n = n;
	return list;
}

/* Walks a pool upwards past everything that is or was somebody's. */
struct transfer_cursor {
	struct prefix next;
	bool exhausted;
	size_t at;
};

/* Two addresses on; false when that leaves the pool. */
static bool step(struct prefix *p, const struct prefix *pool)
{
	int i = (int)family_bits(p->family) / 8 - 1;

	p->b[i] = (uint8_t)(p->b[i] + 2);
	while (!p->b[i] && --i >= 0)
		p->b[i]++;
	return i >= 0 && prefix_contains(pool, p);
}

static bool next_transfer(struct transfer_cursor *c, const struct prefix *pool,
			  const struct use *uses, size_t n, struct prefix *ret)
{
	while (!c->exhausted) {
		struct prefix p = c->next;

		c->exhausted = !step(&c->next, pool);
		while (c->at < n && prefix_cmp(&uses[c->at].transfer, &p) < 0)
			c->at++;
		if (c->at < n && !prefix_cmp(&uses[c->at].transfer, &p))
			continue;
		*ret = p;
		return true;
	}
	return false;
}

static bool oldest_transfer(const struct maker *x, struct use *uses, size_t n, struct prefix *ret)
{
	struct use *best = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		struct use *u = &uses[i];

		if (!u->freed || u->reused || (i && !prefix_cmp(&u[-1].transfer, &u->transfer)))
			continue;
		if (!best || u->freed < best->freed)
			best = u;
	}
	if (!best)
		return false;
	*ret = best->transfer;
	for (i = 0; i < n; i++)
		if (uses[i].freed && !prefix_cmp(&uses[i].transfer, ret)) {
			uses[i].reused = true;
			x->spare_transfer[uses[i].line][uses[i].end].len = 0;
		}
	return true;
}

static void make_transfer(struct maker *x, size_t pool)
{
	const struct m_prefix *p = &x->m->routed.transfer[pool];
	struct transfer_cursor c = { .next = p->prefix };
	char text[PREFIX_STRLEN];
	size_t n = 0, i;
	struct use *uses = transfer_uses(x, pool, &n);

	c.next.len = (uint8_t)(family_bits(p->prefix.family) - 1);
	for (i = 1; uses && i < n; i++)
		if (!uses[i].freed && !prefix_cmp(&uses[i - 1].transfer, &uses[i].transfer))
			x->transfer[uses[i].line][pool].len = 0;
	for (i = 0; uses && i < x->n; i++) {
		struct prefix *ret = &x->transfer[i][pool];

		if (ret->len || next_transfer(&c, &p->prefix, uses, n, ret) ||
		    oldest_transfer(x, uses, n, ret))
			continue;
		diag_help(x->diag,
			  diag_error(
				  x->diag, p->pos,
				  "the pool %s has no transfer network left for the routed link of "
				  "`%s` and `%s`",
				  prefix_print(&p->prefix, text), x->links[i].name[0],
				  x->links[i].name[1]),
			  "write a wider pool (a shorter prefix): each link takes two addresses");
		return;
	}
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static void fill_transfer(struct maker *x, size_t i)
{
	size_t n = x->m->routed.n_transfer;

	if (x->m->routed.link_local)
		x->transfer[i][n++] = routed_link_local;
	if (n > 1)
		qsort(x->transfer[i], n, sizeof(**x->transfer), cmp_prefixes);
	x->links[i].transfer = x->transfer[i];
	x->links[i].n_transfer = n;
}

/* ---- interfaces ---- */

struct named {
	uint32_t node;
	struct ifname name;
	size_t line; /* SIZE_MAX: the node's main interface */
	unsigned int end;
	bool kept;
};

/* What stays first, so that the later of two neighbours gives way. */
static int cmp_named(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	int c = a->node < b->node ? -1 : a->node > b->node;

	if (!c)
		c = strcmp(a->name.s, b->name.s);
	if (!c)
		c = (int)b->kept - (int)a->kept;
	return c ? c : a->line < b->line ? -1 : a->line > b->line;
}

static void tell_same_name(struct maker *x, const struct named *n)
{
	const struct m_node *node = &x->m->nodes[n->node];
	struct diag_entry *e = diag_error(
		x->diag, x->entries[x->pairs[n->line].entry].pos,
		"the interface of node `%s` to `%s` would be called %s, as another one of "
		"that node is",
		node->name, x->links[n->line].name[!n->end], n->name.s);

	if (node->has_interface)
		diag_other(x->diag, e, node->interface_pos, "the node's main interface");
	else if (x->m->has_interface)
		diag_other(x->diag, e, x->m->interface_pos, "the main interface");
	diag_help(x->diag, e, "choose another `interface_prefix` in `routed_links`");
}

static void make_interfaces(struct maker *x)
{
	struct named *list = get(x, 2 * x->n + x->m->n_nodes, sizeof(*list));
	size_t i, n = 0, alike = 1;
	unsigned int salt;

	for (i = 0; list && i < x->m->n_nodes; i++)
		list[n++] = (struct named){ (uint32_t)i, x->nodes[i].interface, SIZE_MAX, 0, true };
	for (i = 0; list && i < 2 * x->n; i++) {
		struct ifname *own = &x->links[i / 2].end[i % 2].interface;
		bool kept = own->s[0];

		if (!kept)
			*own = interface_to(x, x->links[i / 2].name[!(i % 2)], 0);
		list[n++] = (struct named){ x->pairs[i / 2].node[i % 2], *own, i / 2, i % 2, kept };
	}
	for (salt = 1; alike && salt <= MAX_SALT; salt++) {
		alike = 0;
		qsort(list, n, sizeof(*list), cmp_named);
		for (i = 1; i < n; i++) {
			struct named *d = &list[i];

			if (d->node != d[-1].node || strcmp(d->name.s, d[-1].name.s) != 0)
				continue;
			/* A whole name has no other spelling. */
			if (salt == MAX_SALT || d->kept || !strchr(d->name.s, '_') ||
			    d[-1].line == SIZE_MAX) {
				if (d->line != SIZE_MAX)
					tell_same_name(x, d);
				return;
			}
			alike++;
			d->name = interface_to(x, x->links[d->line].name[!d->end], salt);
			x->links[d->line].end[d->end].interface = d->name;
		}
	}
}

/* ---- the whole ---- */

static void host_addresses(struct maker *x, struct node *n)
{
	struct ifaddr *list = get(x, n->n_addresses, sizeof(*list));
	size_t i;

	for (i = 0; list && i < n->n_addresses; i++) {
		list[i] = n->addresses[i];
		list[i].len = (uint8_t)family_bits(list[i].addr.family);
	}
	if (list)
		n->addresses = list;
}

/* Whether the node has a peer on its main interface. */
static bool has_peer(const struct network *n, const struct node *node)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < node->n_links && node->links[i].kind == LINK_DIRECT; i++) {
		const char *target = node->links[i].target;

		if (!target_is_group(target))
			return true;
		if (!strcmp(target, GROUP_ALL)) {
			if (n->n_nodes > 1)
				return true;
			continue;
		}
		g = network_group(n, target);
		if (g && (g->n_members > 1 || strcmp(g->members[0], node->name) != 0))
			return true;
	}
	return false;
}

static void change_nodes(struct maker *x, const struct network *network)
{
	bool *linked = get(x, x->m->n_nodes, sizeof(*linked));
	size_t i;

	for (i = 0; linked && i < 2 * x->n; i++)
		linked[x->pairs[i / 2].node[i % 2]] = true;
	for (i = 0; linked && i < x->m->n_nodes; i++) {
		struct node *n = &x->nodes[i];

		if (!linked[i])
			continue;
		n->flags |= NODE_FORWARD;
		if (!has_peer(network, n))
			host_addresses(x, n);
	}
}

/* What is left of a spare line; false: nothing. */
static bool fill_spare(struct maker *x, size_t i)
{
	struct routed_link *l = &x->spare[i];
	struct prefix *list = x->spare_transfer[i];
	size_t j, n = 0;

	for (j = 0; j < l->n_transfer; j++)
		if (list[j].len)
			list[n++] = list[j];
	l->transfer = list;
	l->n_transfer = n;
	return n || l->end[0].port || l->end[1].port;
}

static int cmp_latest(const void *pa, const void *pb)
{
	const struct routed_link *a = pa, *b = pb;

	return a->freed > b->freed ? -1 : a->freed < b->freed ? 1 : routed_link_cmp(a, b);
}

static int cmp_lines(const void *a, const void *b)
{
	return routed_link_cmp(a, b);
}

static void fill_table(struct maker *x, struct network *ret)
{
	struct routed_link *all = get(x, x->n + x->n_spare, sizeof(*all));
	size_t i, n = 0;

	if (!all)
		return;
	for (i = 0; i < x->n_spare; i++)
		if (fill_spare(x, i))
			all[n++] = x->spare[i];
	/* Past the limit the oldest are forgotten. */
	if (n > MAX_ROUTED_LINES - x->n) {
		qsort(all, n, sizeof(*all), cmp_latest);
		n = MAX_ROUTED_LINES - x->n;
	}
	for (i = 0; i < x->n; i++)
		all[n++] = x->links[i];
	if (n > 1)
		qsort(all, n, sizeof(*all), cmp_lines);
	ret->routed = all;
	ret->n_routed = n;
}

static void make_links(struct maker *x, size_t n_entries, struct network *ret)
{
	size_t i, errors = x->diag->errors;

	if (!make_pairs(x, n_entries))
		return;
	check_counts(x);
	warn_unreachable(x, n_entries);
	check_mtu(x);
	collect_spare(x);
	x->links = get(x, x->n, sizeof(*x->links));
	x->transfer = get(x, x->n, sizeof(*x->transfer));
	for (i = 0; !x->nomem && i < x->n; i++)
		keep(x, i);
	if (x->nomem || x->diag->errors != errors)
		return;
	make_ports(x);
	for (i = 0; !x->nomem && i < x->m->routed.n_transfer; i++)
		make_transfer(x, i);
	if (x->nomem)
		return;
	make_interfaces(x);
	for (i = 0; i < x->n; i++)
		fill_transfer(x, i);
	change_nodes(x, ret);
	fill_table(x, ret);
}

int links_make(const struct m_network *m, const struct viewpoints *views,
	       const struct link_entry *entries, size_t n_entries, const struct network *published,
	       uint64_t serial, struct node *nodes, struct arena *a, struct diag *d,
	       struct network *ret)
{
	static const struct network nothing;
	struct maker x = {
		.m = m,
		.views = views,
		.entries = entries,
		.old = published ? published : &nothing,
		.serial = serial,
		.nodes = nodes,
		.arena = a,
		.diag = d,
	};

	if (n_entries || x.old->n_routed)
		make_links(&x, n_entries, ret);
	return x.nomem ? -1 : 0;
}
