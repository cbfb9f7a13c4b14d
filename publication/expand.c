/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/expand.h"

#include "common/limits.h"
#include "publication/routed.h"

/* One expansion under way. Peers are addressed by the index of their record. */
struct expansion {
	const struct network *net;
	const struct node *node;
	struct arena *arena;
	uint32_t *peer_of; /* record index -> peer index + 1; 0: no peer */
	struct peer *peers;
	size_t *counts; /* prefixes that each peer will get, before reduction */
	struct prefix **lists;
	size_t n_peers;
	size_t via; /* index of the peer that the link at hand goes through */
	uint32_t *alive; /* by record: what its links say of keepalives, plus one; 0: nothing */
	size_t steps, collected; /* members visited and prefixes put so far, both bounded */
	bool *members; /* of expand_members */
	bool hidden; /* keep prefixes that a wider one of the same peer covers */
	bool has_exit; /* it is among the peers */
	struct err *err;
};

typedef int member_fn(struct expansion *x, size_t record, const struct link *link);

static int missing(struct expansion *x, const char *what, const char *name)
{
	return err_set(x->err, ERR_INPUT, "node %s: %s %s is not in the network", x->node->name,
		       what, name);
}

static int record_index(struct expansion *x, const char *name, size_t *ret)
{
	const struct record *r = network_record(x->net, name);

	if (!r)
		return missing(x, "the record of", name);
	*ret = (size_t)(r - x->net->records);
	return 0;
}

static int visit(struct expansion *x, size_t record, const struct link *link, member_fn *fn)
{
	/* Bounded before, not after: a document of a few megabytes can ask for billions of visits.
	 */
	if (++x->steps > MAX_EXPANSION_STEPS || x->collected > MAX_EXPANSION_PREFIXES)
		return err_set(x->err, ERR_LIMIT,
			       "node %s: its links name too many nodes or prefixes", x->node->name);
	return fn(x, record, link);
}

/* Calls fn for each node of the link's target but this node and the link's `via`. */
static int for_each_member(struct expansion *x, const struct link *link, member_fn *fn)
{
	const struct record *records = x->net->records;
	const struct group *g;
	size_t i, at;

	if (!strcmp(link->target, GROUP_ALL)) {
		for (i = 0; i < x->net->n_records; i++)
			if (!records[i].gateway && strcmp(records[i].name, x->node->name) != 0 &&
			    (!link->via || strcmp(records[i].name, link->via) != 0) &&
			    visit(x, i, link, fn) < 0)
				return -1;
		return 0;
	}
	if (!target_is_group(link->target))
		return record_index(x, link->target, &at) < 0 ? -1 :
		       !strcmp(link->target, x->node->name)   ? 0 :
								visit(x, at, link, fn);
	g = network_group(x->net, link->target);
	if (!g)
		return missing(x, "the group", link->target);
	for (i = 0, at = 0; i < g->n_members; i++) {
		const char *name = g->members[i];

		if (!strcmp(name, x->node->name) || (link->via && !strcmp(name, link->via)))
			continue;
		/* Both sides are sorted: the next record is where the last one was, or a search
		 * away. */
		if (at >= x->net->n_records || strcmp(records[at].name, name) != 0)
			if (record_index(x, name, &at) < 0)
				return -1;
		if (visit(x, at, link, fn) < 0)
			return -1;
		at++;
	}
	return 0;
}

static int add_peer(struct expansion *x, size_t record, const struct link *link)
{
	if (x->peer_of[record])
		return 0;
	if (x->n_peers >= MAX_PEERS)
		return err_set(x->err, ERR_LIMIT, "node %s: more than %d peers", x->node->name,
			       MAX_PEERS);
	x->peer_of[record] = (uint32_t)++x->n_peers;
	return 0;
}

static int via_peer(struct expansion *x, const struct link *link, size_t *ret)
{
	size_t at = 0;

	if (record_index(x, link->via, &at) < 0)
		return -1;
	if (!x->peer_of[at])
		return err_set(x->err, ERR_INPUT,
			       "node %s: %s is to carry traffic for others, but is no peer",
			       x->node->name, link->via);
	*ret = x->peer_of[at] - 1;
	return 0;
}

static void put(struct expansion *x, size_t peer, const struct prefix *p)
{
	if (x->lists)
		x->lists[peer][x->counts[peer]] = *p;
	x->counts[peer]++;
	x->collected++;
}

static void put_record(struct expansion *x, size_t peer, const struct record *r, bool addresses)
{
	size_t i;

	for (i = 0; addresses && i < r->n_addresses; i++) {
		struct prefix p = prefix_of_addr(&r->addresses[i]);

		put(x, peer, &p);
	}
	for (i = 0; i < r->n_routes; i++)
		put(x, peer, &r->routes[i]);
}

static int put_through(struct expansion *x, size_t record, const struct link *link)
{
	/* Whoever is met needs no way round. */
	if (link->kind == LINK_THROUGH && x->peer_of[record])
		return 0;
	put_record(x, x->via, &x->net->records[record], link->kind == LINK_THROUGH);
	return 0;
}

/* The clients of a peer stand under it too. */
static int put_clients(struct expansion *x, size_t record)
{
	char group[MAX_GROUP_NAME + 1];
	struct link link = { .kind = LINK_THROUGH,
			     .target = group_of_clients(x->net->records[record].name, group),
			     .via = x->net->records[record].name };

	x->via = x->peer_of[record] - 1;
	return for_each_member(x, &link, put_through);
}

/* Run twice: without lists it counts, with lists of that size it fills them. */
static int collect_prefixes(struct expansion *x)
{
	size_t i, j;

	x->collected = 0;
	memset(x->counts, 0, x->n_peers * sizeof(*x->counts));
	for (i = 0; i < x->net->n_records && x->collected <= MAX_EXPANSION_PREFIXES; i++)
		if (x->peer_of[i]) {
			put_record(x, x->peer_of[i] - 1, &x->net->records[i], true);
			if (x->net->records[i].clients && put_clients(x, i) < 0)
				return -1;
		}
	if (x->collected > MAX_EXPANSION_PREFIXES)
		return err_set(x->err, ERR_LIMIT, "node %s: its peers have too many prefixes",
			       x->node->name);
	for (i = 0; i < x->node->n_links; i++) {
		const struct link *link = &x->node->links[i];

		if (!link->via)
			continue;
		if (via_peer(x, link, &x->via) < 0)
			return -1;
		if (link->kind != LINK_ALLOW && for_each_member(x, link, put_through) < 0)
			return -1;
		for (j = 0; j < link->n_prefixes; j++)
			put(x, x->via, &link->prefixes[j]);
	}
	return 0;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static size_t sort_unique(struct prefix *list, size_t n)
{
	size_t i, kept = 0;

	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_prefixes);
	for (i = 0; i < n; i++)
		if (!kept || prefix_cmp(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	return kept;
}

static int put_alive(struct expansion *x, size_t record, const struct link *link)
{
	uint32_t *at = &x->alive[record];

	if (*at <= 1 || (link->seconds && link->seconds < *at - 1))
		*at = 1 + (uint32_t)link->seconds;
	return 0;
}

static int collect_alive(struct expansion *x)
{
	size_t i;

	x->alive = arena_array(x->arena, x->net->n_records, sizeof(*x->alive));
	if (!x->alive)
		return err_nomem(x->err);
	for (i = 0; i < x->node->n_links; i++)
		if (x->node->links[i].kind == LINK_ALIVE &&
		    for_each_member(x, &x->node->links[i], put_alive) < 0)
			return -1;
	return 0;
}

static uint16_t keepalive_of(const struct expansion *x, size_t record)
{
	if (!record_endpoint(&x->net->records[record], x->node)->host)
		return 0;
	if (x->alive[record])
		return (uint16_t)(x->alive[record] - 1);
	return x->node->flags & NODE_HAS_KEEPALIVE ? x->node->keepalive : 0;
}

/*
 * 0.0.0.0/0 and ::/0 stand beside the exit's own prefixes: those would lose to a wider one of
 * another peer, such as the pool under a hub.
 */
static int widen_exit(struct expansion *x, struct peer *p)
{
	size_t n = p->n_allowed_ips;
	struct prefix *list = arena_array(x->arena, n + 2, sizeof(*list));

	if (!list)
		return err_nomem(x->err);
	list[0].family = 4;
	list[1].family = 6;
	if (n)
		memcpy(list + 2, p->allowed_ips, n * sizeof(*list));
	x->has_exit = true;
	p->allowed_ips = list;
	p->n_allowed_ips = sort_unique(list, n + 2);
	return 0;
}

static int fill_peers(struct expansion *x, size_t *ret_total)
{
	size_t i, total = 0;
	struct prefix *all;

	if (collect_prefixes(x) < 0 || collect_alive(x) < 0)
		return -1;
	for (i = 0; i < x->n_peers; i++)
		total += x->counts[i];
	all = arena_array(x->arena, total, sizeof(*all));
	x->lists = arena_array(x->arena, x->n_peers, sizeof(*x->lists));
	if (!all || !x->lists)
		return err_nomem(x->err);
	for (i = 0; i < x->n_peers; i++) {
		x->lists[i] = all;
		all += x->counts[i];
	}
	if (collect_prefixes(x) < 0)
		return -1;
	for (i = 0, total = 0; i < x->net->n_records; i++) {
		const struct record *r = &x->net->records[i];
		struct peer *p;
		size_t at;

		if (!x->peer_of[i])
			continue;
		at = x->peer_of[i] - 1;
		p = &x->peers[at];
		p->name = r->name;
		p->key = r->key;
		p->endpoint = *record_endpoint(r, x->node);
		p->keepalive = keepalive_of(x, i);
		p->allowed_ips = x->lists[at];
		p->n_allowed_ips = x->hidden ? sort_unique(x->lists[at], x->counts[at]) :
					       prefix_canonical(x->lists[at], x->counts[at]);
		if (x->node->exit && !strcmp(x->node->exit, r->name) && widen_exit(x, p) < 0)
			return -1;
		total += p->n_allowed_ips;
	}
	if (!x->hidden && total > MAX_ALLOWED_IPS)
		return err_set(x->err, ERR_LIMIT, "node %s: more than %d allowed IPs",
			       x->node->name, MAX_ALLOWED_IPS);
	if (x->node->exit && !x->has_exit)
		return err_set(x->err, ERR_INPUT,
			       "node %s: %s is to carry everything, but is no peer", x->node->name,
			       x->node->exit);
	*ret_total = total;
	return 0;
}

struct owned_prefix {
	struct prefix prefix;
	const struct peer *peer;
};

static int cmp_owned(const void *a, const void *b)
{
	return prefix_cmp(&((const struct owned_prefix *)a)->prefix,
			  &((const struct owned_prefix *)b)->prefix);
}

static int cmp_peer_keys(const void *a, const void *b)
{
	return wgkey_cmp(&((const struct peer *)a)->key, &((const struct peer *)b)->key);
}

/* No key twice: the second peer would take the first one's place. */
static int check_keys(struct expansion *x)
{
	size_t i;

	for (i = 0; i < x->n_peers; i++) {
		if (i && !wgkey_cmp(&x->peers[i - 1].key, &x->peers[i].key))
			return err_set(x->err, ERR_INPUT,
				       "node %s: %s and %s have the same public key", x->node->name,
				       x->peers[i - 1].name, x->peers[i].name);
		if (!wgkey_cmp(&x->peers[i].key, &x->node->key))
			return err_set(x->err, ERR_INPUT, "node %s: %s has the same public key",
				       x->node->name, x->peers[i].name);
	}
	return 0;
}

/* The peers sorted by key, and all prefixes with their owners, sorted. */
static int expand_peers(struct expansion *x, struct owned_prefix **ret_all, size_t *ret_n)
{
	struct owned_prefix *all;
	size_t i, j, total = 0;

	x->peer_of = arena_array(x->arena, x->net->n_records, sizeof(*x->peer_of));
	if (!x->peer_of)
		return err_nomem(x->err);
	for (i = 0; i < x->node->n_links; i++)
		if (x->node->links[i].kind == LINK_DIRECT &&
		    for_each_member(x, &x->node->links[i], add_peer) < 0)
			return -1;
	x->peers = arena_array(x->arena, x->n_peers, sizeof(*x->peers));
	x->counts = arena_array(x->arena, x->n_peers, sizeof(*x->counts));
	if (!x->peers || !x->counts)
		return err_nomem(x->err);
	if (fill_peers(x, &total) < 0)
		return -1;
	if (x->n_peers > 1)
		qsort(x->peers, x->n_peers, sizeof(*x->peers), cmp_peer_keys);
	all = arena_array(x->arena, total, sizeof(*all));
	if (!all)
		return err_nomem(x->err);
	for (i = 0, total = 0; i < x->n_peers; i++)
		for (j = 0; j < x->peers[i].n_allowed_ips; j++)
			all[total++] =
				(struct owned_prefix){ x->peers[i].allowed_ips[j], &x->peers[i] };
	if (total > 1)
		qsort(all, total, sizeof(*all), cmp_owned);
	*ret_all = all;
	*ret_n = total;
	return check_keys(x);
}

static bool needs_route(const struct node *node, const struct prefix *p)
{
	size_t i;

	if (!p->len)
		return false;
	for (i = 0; i < node->n_standby; i++)
		if (!prefix_cmp(&node->standby[i], p))
			return false;
	for (i = 0; i < node->n_addresses; i++) {
		struct prefix own = prefix_of_ifaddr(&node->addresses[i]);

		if (prefix_contains(&own, p))
			return false;
	}
	return true;
}

int expand(const struct network *n, const struct node *node, struct arena *a, struct config *ret,
	   struct err *e)
{
	struct expansion x = { .net = n, .node = node, .arena = a, .err = e };
	size_t i, total, n_routes = 0;
	char text[PREFIX_STRLEN];
	struct owned_prefix *all;
	const struct config *links = NULL;
	struct prefix *routes;
	size_t n_links = 0;
	struct policy policy;

	if (expand_peers(&x, &all, &total) < 0 ||
	    routed_expand(n, node, a, &links, &n_links, e) < 0 ||
	    policy_expand(n, node, a, &policy, e) < 0)
		return -1;
	/* The kernel would silently give such a prefix to the peer that names it last. */
	for (i = 1; i < total; i++)
		if (!prefix_cmp(&all[i - 1].prefix, &all[i].prefix))
			return err_set(e, ERR_INPUT,
				       "node %s: %s would stand under two peers, %s and %s",
				       node->name, prefix_print(&all[i].prefix, text),
				       all[i - 1].peer->name, all[i].peer->name);
	routes = arena_array(a, total, sizeof(*routes));
	if (!routes)
		return err_nomem(e);
	for (i = 0; i < total; i++)
		if (needs_route(node, &all[i].prefix))
			routes[n_routes++] = all[i].prefix;
	*ret = (struct config){ .network = n->name,
				.node = node,
				.peers = x.peers,
				.n_peers = x.n_peers,
				.links = links,
				.n_links = n_links,
				.routes = routes,
				.n_routes = n_routes,
				.policy = policy };
	return 0;
}

int expand_conflicts(const struct network *n, const struct node *node, bool hidden, struct arena *a,
		     struct prefix_conflict *ret, size_t max, size_t *ret_n, struct err *e)
{
	struct expansion x = { .net = n, .node = node, .arena = a, .hidden = hidden, .err = e };
	struct owned_prefix *all;
	size_t i, total, found = 0;

	if (expand_peers(&x, &all, &total) < 0)
		return -1;
	for (i = 1; i < total && found < max; i++) {
		const char *one = all[i - 1].peer->name, *two = all[i].peer->name;

		if (prefix_cmp(&all[i - 1].prefix, &all[i].prefix))
			continue;
		ret[found].prefix = all[i].prefix;
		ret[found].a = strcmp(one, two) < 0 ? one : two;
		ret[found].b = strcmp(one, two) < 0 ? two : one;
		found++;
	}
	*ret_n = found;
	return 0;
}

static int mark_member(struct expansion *x, size_t record, const struct link *link)
{
	x->members[record] = true;
	return 0;
}

int expand_members(const struct network *n, const struct node *node, enum link_kind kind,
		   struct arena *a, bool *in, struct err *e)
{
	struct expansion x = { .net = n, .node = node, .arena = a, .members = in, .err = e };
	size_t i;

	for (i = 0; i < node->n_links; i++)
		if (node->links[i].kind == kind &&
		    for_each_member(&x, &node->links[i], mark_member) < 0)
			return -1;
	return 0;
}

int expand_keepalives(const struct network *n, const struct node *node, struct arena *a,
		      uint16_t **ret, struct err *e)
{
	struct expansion x = { .net = n, .node = node, .arena = a, .err = e };
	uint16_t *list = arena_array(a, n->n_records, sizeof(*list));
	size_t i;

	if (!list)
		return err_nomem(e);
	if (collect_alive(&x) < 0)
		return -1;
	for (i = 0; i < n->n_records; i++)
		list[i] = keepalive_of(&x, i);
	*ret = list;
	return 0;
}

const struct peer *config_peer(const struct config *c, const struct wgkey *key)
{
	size_t low = 0, high = c->n_peers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = wgkey_cmp(key, &c->peers[mid].key);

		if (!cmp)
			return &c->peers[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

bool peer_equal(const struct peer *a, const struct peer *b)
{
	size_t i;

	if (strcmp(a->name, b->name) != 0 || wgkey_cmp(&a->key, &b->key) ||
	    a->keepalive != b->keepalive || !endpoint_equal(&a->endpoint, &b->endpoint) ||
	    a->n_allowed_ips != b->n_allowed_ips)
		return false;
	for (i = 0; i < a->n_allowed_ips; i++)
		if (prefix_cmp(&a->allowed_ips[i], &b->allowed_ips[i]))
			return false;
	return true;
}
