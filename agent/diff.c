/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/diff.h"

/* How many prefixes of a list op_print shows. */
#define SHOWN_PREFIXES 8

struct op_list {
	struct arena *arena;
	struct op *ops;
	size_t n;
};

static int push(struct op_list *l, const struct op *op, struct err *e)
{
	struct op *ops = arena_grow(l->arena, l->ops, l->n, sizeof(*ops));

	if (!ops)
		return err_nomem(e);
	l->ops = ops;
	l->ops[l->n++] = *op;
	return 0;
}

/* A peer that is not the same on both sides: to be removed (no `want`), added (no `have`) or
 * changed. */
struct pair {
	const struct observed_peer *have;
	const struct peer *want;
	const struct sock_endpoint *endpoint; /* of `want` */
	unsigned int flags; /* OPP_ENDPOINT, OPP_KEEPALIVE, OPP_CLEAR_PSK: what is to be set beside
			       the allowed IPs */
	const struct prefix *kept, *added; /* kept: empty when nothing goes, see `narrow` */
	size_t n_kept, n_added;
	bool narrow; /* something goes: what stays is `kept` */
	bool moves; /* something of `added` was another peer's */
};

bool sock_endpoint_equal(const struct sock_endpoint *a, const struct sock_endpoint *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->b, b->b, a->family == 4 ? 4 : 16) == 0;
}

bool session_lives(const struct observed_peer *p, int64_t now)
{
	return p->last_handshake && now - p->last_handshake <= SESSION_SECONDS;
}

static bool endpoint_wanted(const struct observed_peer *have, const struct peer *want,
			    const struct sock_endpoint *endpoint, const struct config *previous,
			    int64_t now)
{
	const struct peer *before;

	if (!endpoint->family)
		return false;
	if (!have || !have->endpoint.family)
		return true;
	if (sock_endpoint_equal(&have->endpoint, endpoint))
		return false;
	before = previous ? config_peer(previous, &want->key) : NULL;
	if (previous && (!before || !endpoint_equal(&before->endpoint, &want->endpoint)))
		return true;
	return !session_lives(have, now);
}

/* Splits the sorted lists into what both have and what only `want` has; true when `have` has more
 * than that. */
static int split_allowed(struct pair *p, struct arena *a, struct err *e)
{
	size_t n_have = p->have ? p->have->n_allowed_ips : 0, n_want = p->want->n_allowed_ips,
	       i = 0, j = 0;
	struct prefix *kept, *added;

	if (!n_have) {
		p->added = p->want->allowed_ips;
		p->n_added = n_want;
		return 0;
	}
	if (n_have == n_want && memcmp(p->have->allowed_ips, p->want->allowed_ips,
				       n_have * sizeof(*p->have->allowed_ips)) == 0)
		return 0;
	kept = arena_array(a, n_have, sizeof(*kept));
	added = arena_array(a, n_want, sizeof(*added));
	if (!kept || !added)
		return err_nomem(e);
	while (i < n_have || j < n_want) {
		int c = i == n_have ?
				1 :
			j == n_want ?
				-1 :
				prefix_cmp(&p->have->allowed_ips[i], &p->want->allowed_ips[j]);

		if (c < 0) {
			p->narrow = true;
			i++;
		} else if (c > 0) {
			added[p->n_added++] = p->want->allowed_ips[j++];
		} else {
			kept[p->n_kept++] = p->want->allowed_ips[j++];
			i++;
		}
	}
	p->kept = kept;
	p->added = added;
	return 0;
}

static int cmp_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Marks the pairs that get a prefix which another peer, one that stays, has now. */
static int find_moves(struct pair *pairs, size_t n, struct arena *a, struct err *e)
{
	struct prefix *lost;
	size_t n_lost = 0, i, j;

	for (i = 0; i < n; i++)
		if (pairs[i].narrow)
			n_lost += pairs[i].have->n_allowed_ips - pairs[i].n_kept;
	if (!n_lost)
		return 0;
	lost = arena_array(a, n_lost, sizeof(*lost));
	if (!lost)
		return err_nomem(e);
	n_lost = 0;
	for (i = 0; i < n; i++) {
		size_t k = 0;

		for (j = 0; pairs[i].narrow && j < pairs[i].have->n_allowed_ips; j++) {
			if (k < pairs[i].n_kept &&
			    prefix_cmp(&pairs[i].kept[k], &pairs[i].have->allowed_ips[j]) == 0)
				k++;
			else
				lost[n_lost++] = pairs[i].have->allowed_ips[j];
		}
	}
	qsort(lost, n_lost, sizeof(*lost), cmp_prefix);
	for (i = 0; i < n; i++)
		for (j = 0; j < pairs[i].n_added && !pairs[i].moves; j++)
			pairs[i].moves = bsearch(&pairs[i].added[j], lost, n_lost, sizeof(*lost),
						 cmp_prefix) != NULL;
	return 0;
}

static int find_pairs(const struct observed *o, const struct desired *d,
		      const struct config *previous, int64_t now, struct arena *a,
		      struct pair **ret, size_t *ret_n, struct err *e)
{
	const struct config *c = d->config;
	struct pair *pairs = NULL;
	size_t n = 0, n_have = o->exists ? o->n_peers : 0, i = 0, j = 0;

	while (i < n_have || j < c->n_peers) {
		int order = i == n_have	    ? 1 :
			    j == c->n_peers ? -1 :
					      wgkey_cmp(&o->peers[i].key, &c->peers[j].key);
		struct pair p = { 0 };

		if (order <= 0)
			p.have = &o->peers[i++];
		if (order >= 0) {
			p.want = &c->peers[j];
			p.endpoint = &d->endpoints[j++];
			if (wgkey_cmp(&p.want->key, &d->public_key) == 0)
				return err_set(e, ERR_INPUT, "peer %s has this node's own key",
					       p.want->name);
			if (endpoint_wanted(p.have, p.want, p.endpoint, previous, now))
				p.flags |= OPP_ENDPOINT;
			if (p.want->keepalive != (p.have ? p.have->keepalive : 0))
				p.flags |= OPP_KEEPALIVE;
			if (p.have && p.have->has_psk)
				p.flags |= OPP_CLEAR_PSK;
			if (split_allowed(&p, a, e) < 0)
				return -1;
			if (p.have && !p.flags && !p.narrow && !p.n_added)
				continue;
		}
		pairs = arena_grow(a, pairs, n, sizeof(*pairs));
		if (!pairs)
			return err_nomem(e);
		pairs[n++] = p;
	}
	*ret = pairs;
	*ret_n = n;
	return find_moves(pairs, n, a, e);
}

static int push_peer(struct op_list *l, const struct pair *p, unsigned int flags,
		     const struct prefix *allowed, size_t n, struct err *e)
{
	struct op op = {
		.kind = OP_PEER_SET,
		.flags = flags,
		.key = p->want->key,
		.name = p->want->name,
		.keepalive = p->want->keepalive,
		.allowed_ips = allowed,
		.n_allowed_ips = n,
	};

	if (flags & OPP_ENDPOINT)
		op.endpoint = *p->endpoint;
	return push(l, &op, e);
}

static int remove_and_narrow(struct op_list *l, const struct pair *pairs, size_t n,
			     const struct config *previous, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!pairs[i].want) {
			const struct peer *was =
				previous ? config_peer(previous, &pairs[i].have->key) : NULL;
			struct op op = {
				.kind = OP_PEER_REMOVE,
				.key = pairs[i].have->key,
				.name = was ? was->name : NULL,
			};

			if (push(l, &op, e) < 0)
				return -1;
		}
	}
	for (i = 0; i < n; i++)
		if (pairs[i].narrow && push_peer(l, &pairs[i], OPP_REPLACE_ALLOWED, pairs[i].kept,
						 pairs[i].n_kept, e) < 0)
			return -1;
	return 0;
}

static int move_and_add(struct op_list *l, const struct pair *pairs, size_t n, struct arena *a,
			struct err *e)
{
	size_t i;
	int moves;

	for (moves = 1; moves >= 0; moves--) {
		for (i = 0; i < n; i++) {
			const struct pair *p = &pairs[i];
			struct op *last = l->n ? &l->ops[l->n - 1] : NULL;

			if (!p->want || !p->have || p->moves != (moves == 1) ||
			    (!p->flags && !p->n_added))
				continue;
			/* With nothing in between, narrowing and widening a peer is one and the
			 * same change. */
			if (last && last->kind == OP_PEER_SET &&
			    wgkey_cmp(&last->key, &p->want->key) == 0) {
				last->flags |= p->flags;
				last->allowed_ips = p->want->allowed_ips;
				last->n_allowed_ips = p->want->n_allowed_ips;
				if (p->flags & OPP_ENDPOINT)
					last->endpoint = *p->endpoint;
				continue;
			}
			if (push_peer(l, p, p->flags, p->added, p->n_added, e) < 0)
				return -1;
		}
	}
	for (i = 0; i < n; i++)
		if (!pairs[i].have &&
		    push_peer(l, &pairs[i], pairs[i].flags | OPP_NEW | OPP_REPLACE_ALLOWED,
			      pairs[i].added, pairs[i].n_added, e) < 0)
			return -1;
	return 0;
}

static int device(struct op_list *l, const struct observed *o, const struct desired *d,
		  const struct config *previous, struct err *e)
{
	const struct node *n = d->config->node;
	uint32_t fwmark = n->flags & NODE_HAS_FWMARK ? n->fwmark : d->fwmark;
	struct op op = { .kind = OP_DEVICE };

	if (!o->exists || !o->has_private_key || wgkey_cmp(&o->public_key, &d->public_key) != 0)
		op.flags |= OPD_PRIVATE_KEY;
	if (fwmark != (o->exists ? o->fwmark : 0)) {
		op.flags |= OPD_FWMARK;
		op.fwmark = fwmark;
	}
	if (n->flags & NODE_HAS_LISTEN_PORT) {
		if (!o->exists || o->listen_port != n->listen_port) {
			op.flags |= OPD_LISTEN_PORT;
			op.number = n->listen_port;
		}
	} else if (previous && o->exists && (previous->node->flags & NODE_HAS_LISTEN_PORT) &&
		   o->listen_port == previous->node->listen_port) {
		op.flags |= OPD_LISTEN_PORT;
	}
	return op.flags ? push(l, &op, e) : 0;
}

static bool same_subnet(const struct ifaddr *a, const struct ifaddr *b)
{
	struct prefix x = prefix_of_ifaddr(a), y = prefix_of_ifaddr(b);

	return a->addr.family == b->addr.family && prefix_cmp(&x, &y) == 0;
}

static bool has_address(const struct ifaddr *list, size_t n, const struct ifaddr *a)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ifaddr_cmp(&list[i], a) == 0)
			return true;
	return false;
}

static bool address_refused(const struct desired *d, const struct ifaddr *a)
{
	size_t i;

	for (i = 0; i < d->n_refused; i++)
		if (d->refused[i].is_address && !ifaddr_cmp(&d->refused[i].address, a))
			return true;
	return false;
}

/* *ret is the node with the addresses that its interface is to have. */
static int with_addresses(const struct desired *d, struct arena *a, struct node *ret, struct err *e)
{
	const struct node *n = d->config->node;
	struct ifaddr *list;
	size_t i;

	*ret = *n;
	if (!d->n_refused)
		return 0;
	list = arena_array(a, n->n_addresses, sizeof(*list));
	if (!list)
		return err_nomem(e);
	ret->addresses = list;
	ret->n_addresses = 0;
	for (i = 0; i < n->n_addresses; i++)
		if (!address_refused(d, &n->addresses[i]))
			list[ret->n_addresses++] = n->addresses[i];
	return 0;
}

/* The addresses that go; those that come, or that the kernel takes away with one that goes, into
 * `later`. */
static int addresses(struct op_list *l, struct op_list *later, const struct observed *o,
		     const struct node *n, bool *ret_v4_routes_lost, struct err *e)
{
	size_t n_have = o->exists ? o->n_addresses : 0, i, j;
	bool v4_goes = false, v4_stays = false;

	for (i = 0; i < n_have; i++) {
		struct op op = { .kind = OP_ADDR_DEL, .address = o->addresses[i] };

		if (has_address(n->addresses, n->n_addresses, &o->addresses[i]))
			continue;
		v4_goes |= o->addresses[i].addr.family == 4;
		if (push(l, &op, e) < 0)
			return -1;
	}
	for (i = 0; i < n->n_addresses; i++) {
		struct op op = { .kind = OP_ADDR_ADD, .address = n->addresses[i] };
		bool there = has_address(o->addresses, n_have, &n->addresses[i]);

		for (j = 0; there && j < n_have; j++)
			if (o->addresses[j].addr.family == 4 &&
			    same_subnet(&o->addresses[j], &n->addresses[i]) &&
			    !has_address(n->addresses, n->n_addresses, &o->addresses[j]))
				there = false;
		if (there && n->addresses[i].addr.family == 4)
			v4_stays = true;
		if (!there && push(later, &op, e) < 0)
			return -1;
	}
	*ret_v4_routes_lost = v4_goes && !v4_stays;
	return 0;
}

int route_cmp(const struct route *a, const struct route *b)
{
	int c = prefix_cmp(&a->dst, &b->dst);

	return c ? c : a->table < b->table ? -1 : a->table > b->table;
}

static int cmp_routes(const void *a, const void *b)
{
	return route_cmp(a, b);
}

int desired_routes(const struct config *c, struct arena *a, struct route **ret, size_t *ret_n,
		   struct err *e)
{
	const struct node *n = c->node;
	uint32_t table = n->flags & NODE_HAS_TABLE ? n->table : EXIT_TABLE_MAIN;
	struct route *list = arena_array(a, c->n_routes + 2, sizeof(*list));
	struct prefix defaults[2];
	size_t i, k = 0, n_defaults;

	if (!list)
		return err_nomem(e);
	for (i = 0; !(n->flags & NODE_NO_ROUTES) && i < c->n_routes; i++)
		list[k++] = (struct route){ c->routes[i], table };
	n_defaults = exit_defaults(n, defaults);
	if (exit_routed(n))
		table = exit_table(c->network);
	for (i = 0; i < n_defaults; i++)
		list[k++] = (struct route){ defaults[i], table };
	if (k > 1)
		qsort(list, k, sizeof(*list), cmp_routes);
	*ret = list;
	*ret_n = k;
	return 0;
}

static bool is_refused(const struct desired *d, const struct route *r)
{
	size_t i;

	for (i = 0; i < d->n_refused; i++)
		if (!d->refused[i].is_address && !route_cmp(&d->refused[i].route, r))
			return true;
	return false;
}

static int routes(struct op_list *l, struct op_list *later, const struct observed *o,
		  const struct desired *d, bool again_v4, struct err *e)
{
	size_t n_have = o->exists ? o->n_routes : 0, n_want, n = 0, i = 0, j = 0;
	struct route *want;

	if (desired_routes(d->config, l->arena, &want, &n_want, e) < 0)
		return -1;
	for (i = 0; i < n_want; i++)
		if (!is_refused(d, &want[i]))
			want[n++] = want[i];
	n_want = n;
	i = 0;
	while (i < n_have || j < n_want) {
		int order = i == n_have ? 1 : j == n_want ? -1 : route_cmp(&o->routes[i], &want[j]);
		bool again = order == 0 && again_v4 && o->routes[i].dst.family == 4;

		if (order < 0 || again) {
			struct op op = { .kind = OP_ROUTE_DEL, .route = o->routes[i] };

			if (push(l, &op, e) < 0)
				return -1;
		}
		if (order > 0 || again) {
			struct op op = { .kind = OP_ROUTE_ADD, .route = want[j] };

			if (push(later, &op, e) < 0)
				return -1;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static int check_ours(const struct observed *o, const struct desired *d, struct err *e)
{
	if (!o->is_wireguard)
		return err_set(
			e, ERR_CONFLICT,
			"it is there and is no WireGuard interface: give the network another one "
			"(`interface:`), or take that one away");
	if (strcmp(o->alias, d->alias) == 0)
		return 0;
	if (strncmp(o->alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) == 0)
		return err_set(e, ERR_CONFLICT,
			       "it belongs to another network (its alias is \"%s\")", o->alias);
	if (!o->alias[0] && !o->has_private_key && !o->n_peers)
		return 0;
	if (o->has_private_key && wgkey_cmp(&o->public_key, &d->public_key) == 0)
		return 0;
	return err_set(
		e, ERR_CONFLICT,
		"it is there, in use, and was not made by meshrc: take it away (ip link del), or hand it "
		"over (ip link set ... alias \"%s\")",
		d->alias);
}

static int append(struct op_list *l, const struct op_list *more, struct err *e)
{
	size_t i;

	for (i = 0; i < more->n; i++)
		if (push(l, &more->ops[i], e) < 0)
			return -1;
	return 0;
}

/* Routers speak from link-local addresses, so only who may send from one can say that it is one. */
static bool may_advertise(const struct config *c)
{
	static const struct prefix local = { .family = 6, .len = 10, .b = { 0xfe, 0x80 } };
	size_t i, j;

	for (i = 0; i < c->n_peers; i++)
		for (j = 0; j < c->peers[i].n_allowed_ips; j++)
			if (prefix_overlaps(&c->peers[i].allowed_ips[j], &local))
				return true;
	return false;
}

int diff_make(const struct observed *o, const struct desired *d, const struct config *previous,
	      int64_t now, struct arena *a, struct op **ret_ops, size_t *ret_n, struct err *e)
{
	const struct node *node = d->config->node;
	struct node addressed;
	struct op_list l = { .arena = a }, addrs_gone = { .arena = a }, addrs_new = { .arena = a },
		       routes_new = { .arena = a };
	struct pair *pairs = NULL;
	size_t n_pairs = 0;
	bool v4_routes_lost = false;
	struct op op = { 0 };

	if (o->exists && check_ours(o, d, e) < 0)
		return -1;
	if (find_pairs(o, d, previous, now, a, &pairs, &n_pairs, e) < 0)
		return -1;
	if (!o->exists) {
		op.kind = OP_LINK_CREATE;
		if (push(&l, &op, e) < 0)
			return -1;
	} else if (strcmp(o->alias, d->alias) != 0) {
		op.kind = OP_LINK_ALIAS;
		if (push(&l, &op, e) < 0)
			return -1;
	}
	if (o->exists && o->hears && may_advertise(d->config)) {
		op.kind = OP_LINK_DEAF;
		if (push(&l, &op, e) < 0)
			return -1;
	}
	if (!o->exists || o->mtu != node->mtu) {
		op.kind = OP_LINK_MTU;
		op.number = node->mtu;
		if (push(&l, &op, e) < 0)
			return -1;
	}
	if (with_addresses(d, a, &addressed, e) < 0 ||
	    addresses(&addrs_gone, &addrs_new, o, &addressed, &v4_routes_lost, e) < 0 ||
	    routes(&l, &routes_new, o, d, v4_routes_lost, e) < 0 ||
	    append(&l, &addrs_gone, e) < 0 ||
	    remove_and_narrow(&l, pairs, n_pairs, previous, e) < 0 ||
	    device(&l, o, d, previous, e) < 0 || move_and_add(&l, pairs, n_pairs, a, e) < 0 ||
	    append(&l, &addrs_new, e) < 0)
		return -1;
	if (!o->exists || !o->up) {
		op = (struct op){ .kind = OP_LINK_UP };
		if (push(&l, &op, e) < 0)
			return -1;
	}
	if (append(&l, &routes_new, e) < 0)
		return -1;
	*ret_ops = l.ops;
	*ret_n = l.n;
	return 0;
}

char *sock_endpoint_print(const struct sock_endpoint *e, char out[static ENDPOINT_STRLEN])
{
	struct ipaddr addr = { .family = e->family };
	char text[IPADDR_STRLEN];

	out[0] = '\0';
	if (!e->family)
		return out;
	memcpy(addr.b, e->b, e->family == 4 ? 4 : 16);
	ipaddr_print(&addr, text);
	if (e->family == 4)
		snprintf(out, ENDPOINT_STRLEN, "%s:%u", text, e->port);
	else if (e->scope)
		snprintf(out, ENDPOINT_STRLEN, "[%s%%%u]:%u", text, e->scope, e->port);
	else
		snprintf(out, ENDPOINT_STRLEN, "[%s]:%u", text, e->port);
	return out;
}

static void print_prefixes(const struct op *op, struct buf *out)
{
	char text[PREFIX_STRLEN];
	size_t i;

	for (i = 0; i < op->n_allowed_ips && i < SHOWN_PREFIXES; i++)
		buf_addf(out, "%s%s", i ? ", " : " ", prefix_print(&op->allowed_ips[i], text));
	if (op->n_allowed_ips > SHOWN_PREFIXES)
		buf_addf(out, " and %zu more", op->n_allowed_ips - SHOWN_PREFIXES);
	if (!op->n_allowed_ips)
		buf_adds(out, " none");
}

static void print_peer(const struct op *op, struct buf *out)
{
	char text[ENDPOINT_STRLEN], key[KEY_STRLEN];
	const char *verb = op->kind == OP_PEER_REMOVE ? "remove" :
			   op->flags & OPP_NEW	      ? "add" :
							"change";
	const char *sep = ":";

	wgkey_print(&op->key, key);
	if (op->name)
		buf_addf(out, "%s peer %s (%s)", verb, op->name, key);
	else
		buf_addf(out, "%s peer %s", verb, key);
	if (op->kind == OP_PEER_REMOVE)
		return;
	if (op->n_allowed_ips || (op->flags & OPP_REPLACE_ALLOWED)) {
		buf_addf(out, "%s %s", sep,
			 op->flags & OPP_NEW		 ? "allowed IPs" :
			 op->flags & OPP_REPLACE_ALLOWED ? "allowed IPs are now" :
							   "allowed IPs also");
		print_prefixes(op, out);
		sep = ",";
	}
	if (op->flags & OPP_ENDPOINT) {
		buf_addf(out, "%s endpoint %s", sep, sock_endpoint_print(&op->endpoint, text));
		sep = ",";
	}
	if (op->flags & OPP_KEEPALIVE) {
		if (op->keepalive)
			buf_addf(out, "%s keepalive every %u s", sep, op->keepalive);
		else
			buf_addf(out, "%s no keepalive", sep);
		sep = ",";
	}
	if (op->flags & OPP_CLEAR_PSK)
		buf_addf(out, "%s no preshared key", sep);
}

static void print_device(const struct op *op, struct buf *out)
{
	const char *sep = "set";

	if (op->flags & OPD_PRIVATE_KEY) {
		buf_addf(out, "%s the private key", sep);
		sep = ",";
	}
	if (op->flags & OPD_LISTEN_PORT) {
		if (op->number)
			buf_addf(out, "%s the listen port to %u", sep, op->number);
		else
			buf_addf(out, "%s the listen port to any free one", sep);
		sep = ",";
	}
	if (op->flags & OPD_FWMARK)
		buf_addf(out, "%s the firewall mark to %#x", sep, op->fwmark);
}

void op_print(const struct op *op, struct buf *out)
{
	char text[PREFIX_STRLEN];

	switch (op->kind) {
	case OP_LINK_CREATE:
		buf_adds(out, "create the interface");
		break;
	case OP_LINK_DELETE:
		buf_adds(out, "delete the interface");
		break;
	case OP_LINK_MTU:
		buf_addf(out, "set the MTU to %u", op->number);
		break;
	case OP_LINK_UP:
		buf_adds(out, "bring the interface up");
		break;
	case OP_LINK_DEAF:
		buf_adds(out, "take no routes, addresses or redirects that a peer advertises");
		break;
	case OP_LINK_ALIAS:
		buf_adds(out, "mark the interface as ours");
		break;
	case OP_ROUTE_DEL:
	case OP_ROUTE_ADD:
		buf_addf(out, "%s the route %s", op->kind == OP_ROUTE_ADD ? "add" : "remove",
			 prefix_print(&op->route.dst, text));
		if (op->route.table != EXIT_TABLE_MAIN)
			buf_addf(out, " in table %u", op->route.table);
		break;
	case OP_ADDR_DEL:
		buf_addf(out, "remove the address %s", ifaddr_print(&op->address, text));
		break;
	case OP_ADDR_ADD:
		buf_addf(out, "add the address %s", ifaddr_print(&op->address, text));
		break;
	case OP_DEVICE:
		print_device(op, out);
		break;
	case OP_PEER_REMOVE:
	case OP_PEER_SET:
		print_peer(op, out);
		break;
	}
}
