/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/policy.h"

#include "common/limits.h"
#include "reconciler/exit.h"

/* The nodes that a side of a permit means: by their own addresses, or as the gateways of a prefix
 * or of clients. */
struct side {
	const char *name; /* as it stands in a permit */
	const uint32_t *nodes; /* ascending */
	size_t n;
	const struct prefix *without; /* of a prefix: what is not meant of it, canonical */
	size_t n_without;
};

struct side_list {
	struct side *list;
	size_t n;
};

/* A part of somebody's routes. */
struct behind {
	struct prefix prefix;
	uint32_t node;
};

/* An address of a node or a client, as a prefix. */
struct owned {
	struct prefix address;
	const char *name;
};

struct tagged {
	const char *tag;
	uint32_t node;
};

struct policy_maker {
	const struct m_network *m;
	const struct network *net; /* its records are there */
	struct owned *own; /* addresses of all, sorted */
	size_t n_own;
	struct arena *arena;
	struct diag *d;
	const uint32_t *everybody; /* 0, 1, 2, ... */
	struct tagged *tags; /* sorted by tag, then by node */
	uint32_t *tag_nodes; /* the nodes of `tags` */
	size_t n_tags;
	uint32_t *gateways; /* nodes with clients, ascending */
	size_t n_gateways;
	uint32_t *exits; /* nodes that others may leave the network by, ascending */
	size_t n_exits;
	struct behind *routes; /* of all nodes, sorted by prefix, then by node */
	size_t n_routes;
	struct behind *parts; /* of pools that nodes own, sorted in the same way */
	size_t n_parts;
	struct permit *permits;
	size_t n_permits;
	struct side_list targets; /* of all rules, with repetitions */
	struct side_list sources;
	bool nomem;
};

static void *get(struct policy_maker *p, size_t n, size_t size)
{
	void *ret = arena_array(p->arena, n, size);

	if (!ret)
		p->nomem = true;
	return ret;
}

/* ---- what the sides mean ---- */

static int cmp_tagged(const void *pa, const void *pb)
{
	const struct tagged *a = pa, *b = pb;
	int c = strcmp(a->tag, b->tag);

	return c ? c : a->node < b->node ? -1 : a->node > b->node;
}

static int cmp_behind(const void *pa, const void *pb)
{
	const struct behind *a = pa, *b = pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : a->node < b->node ? -1 : a->node > b->node;
}

static int cmp_prefix_behind(const void *a, const void *b)
{
	return prefix_cmp(&((const struct behind *)a)->prefix, &((const struct behind *)b)->prefix);
}

/* Clients too may send everything to their gateway. */
static void index_gateways(struct policy_maker *p)
{
	const struct m_network *m = p->m;
	bool *clients = get(p, m->n_nodes, sizeof(*clients));
	bool *exits = p->nomem ? NULL : exits_find(m, p->arena);
	size_t i;

	p->gateways = get(p, m->n_nodes, sizeof(*p->gateways));
	p->exits = get(p, m->n_nodes, sizeof(*p->exits));
	p->nomem |= !exits;
	if (p->nomem)
		return;
	for (i = 0; i < m->n_clients; i++) {
		const struct m_node *node = m_network_node(m, m->clients[i].gateway.s);

		if (node)
			clients[node - m->nodes] = true;
	}
	for (i = 0; i < m->n_nodes; i++) {
		if (clients[i])
			p->gateways[p->n_gateways++] = (uint32_t)i;
		if (clients[i] || exits[i])
			p->exits[p->n_exits++] = (uint32_t)i;
	}
}

/* The networks of a site are behind its leader. */
static void index_sites(struct policy_maker *p)
{
	const struct m_network *m = p->m;
	size_t i, j;

	for (i = 0; i < m->n_sites; i++) {
		const struct m_site *s = &m->sites[i];
		const struct m_node *leader =
			s->n_leaders ? m_network_node(m, s->leaders[0].s) : NULL;

		for (j = 0; leader && j < s->n_routes; j++)
			p->routes[p->n_routes++] = (struct behind){ s->routes[j].prefix,
								    (uint32_t)(leader - m->nodes) };
	}
}

static void index_nodes(struct policy_maker *p)
{
	const struct m_network *m = p->m;
	uint32_t *everybody = get(p, m->n_nodes, sizeof(*everybody));
	size_t i, j, tags = 0, routes = 0, parts = 0;

	for (i = 0; i < m->n_nodes; i++) {
		tags += m->nodes[i].n_tags;
		routes += m->nodes[i].n_routes + m->nodes[i].n_addresses;
		parts += m->nodes[i].n_addresses;
	}
	p->tags = get(p, tags, sizeof(*p->tags));
	p->tag_nodes = get(p, tags, sizeof(*p->tag_nodes));
	for (i = 0; i < m->n_sites; i++)
		routes += m->sites[i].n_routes;
	p->routes = get(p, routes, sizeof(*p->routes));
	p->parts = get(p, parts, sizeof(*p->parts));
	if (p->nomem)
		return;
	index_sites(p);
	for (i = 0; i < m->n_nodes; i++) {
		everybody[i] = (uint32_t)i;
		for (j = 0; j < m->nodes[i].n_tags; j++)
			p->tags[p->n_tags++] =
				(struct tagged){ m->nodes[i].tags[j].s, (uint32_t)i };
		for (j = 0; j < m->nodes[i].n_routes; j++)
			p->routes[p->n_routes++] =
				(struct behind){ m->nodes[i].routes[j].prefix, (uint32_t)i };
		for (j = 0; j < m->nodes[i].n_addresses; j++)
			if (m->nodes[i].addresses[j].owned)
				p->parts[p->n_parts++] = p->routes[p->n_routes++] =
					(struct behind){ m_addr_prefix(&m->nodes[i].addresses[j]),
							 (uint32_t)i };
	}
	if (tags > 1)
		qsort(p->tags, tags, sizeof(*p->tags), cmp_tagged);
	for (i = 0; i < tags; i++)
		p->tag_nodes[i] = p->tags[i].node;
	p->everybody = everybody;
	index_gateways(p);
	if (p->n_routes > 1)
		qsort(p->routes, p->n_routes, sizeof(*p->routes), cmp_behind);
	if (p->n_parts > 1)
		qsort(p->parts, p->n_parts, sizeof(*p->parts), cmp_behind);
}

static void add_side(struct policy_maker *p, struct side_list *l, struct side s)
{
	struct side *list;

	if (!s.n || !s.name || p->nomem)
		return;
	list = arena_grow(p->arena, l->list, l->n, sizeof(*list));
	if (!list) {
		p->nomem = true;
		return;
	}
	l->list = list;
	list[l->n++] = s;
}

static struct side tag_side(struct policy_maker *p, const char *tag)
{
	size_t low = 0, high = p->n_tags, end, len = strlen(tag);
	char *name;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(p->tags[mid].tag, tag) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < p->n_tags && !strcmp(p->tags[end].tag, tag); end++)
		;
	name = get(p, len + 5, 1);
	if (!name)
		return (struct side){ 0 };
	memcpy(name, "tag:", 4);
	memcpy(name + 4, tag, len + 1);
	return (struct side){ .name = name, .nodes = p->tag_nodes + low, .n = end - low };
}

static struct side node_side(struct policy_maker *p, const char *name)
{
	const struct m_node *node = m_network_node(p->m, name);
	const struct m_client *client = node ? NULL : m_network_client(p->m, name);

	if (client) {
		node = m_network_node(p->m, client->gateway.s);
		return (struct side){ .name = client->node.name,
				      .nodes = node ? p->everybody + (node - p->m->nodes) : NULL,
				      .n = node != NULL };
	}
	if (!node)
		return (struct side){ 0 };
	return (struct side){ .name = node->name,
			      .nodes = p->everybody + (node - p->m->nodes),
			      .n = 1 };
}

static int cmp_owned(const void *pa, const void *pb)
{
	return prefix_cmp(&((const struct owned *)pa)->address,
			  &((const struct owned *)pb)->address);
}

static void index_addresses(struct policy_maker *p)
{
	const struct network *n = p->net;
	size_t i, j, k = 0;

	for (i = 0; i < n->n_records; i++)
		k += n->records[i].n_addresses;
	p->own = get(p, k, sizeof(*p->own));
	for (i = 0; i < n->n_records && p->own; i++)
		for (j = 0; j < n->records[i].n_addresses; j++)
			p->own[p->n_own++] =
				(struct owned){ prefix_of_addr(&n->records[i].addresses[j]),
						n->records[i].name };
	if (p->n_own > 1)
		qsort(p->own, p->n_own, sizeof(*p->own), cmp_owned);
}

/* The first address of anybody that does not sort before the prefix. */
static size_t find_address(const struct policy_maker *p, const struct prefix *want)
{
	size_t low = 0, high = p->n_own;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&p->own[mid].address, want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The prefix of that length around another, or itself. */
static struct prefix widened(const struct prefix *p, unsigned int len)
{
	struct ifaddr masked = { .addr.family = p->family, .len = (uint8_t)len };

	memcpy(masked.addr.b, p->b, sizeof(p->b));
	return prefix_of_ifaddr(&masked);
}

/* Who owns the narrowest part of a pool with all of the prefix in it, or NULL. */
static const char *owner_of(const struct policy_maker *p, const struct prefix *want)
{
	const struct behind *found = NULL;
	unsigned int len;

	for (len = want->len; len && p->n_parts && !found; len--) {
		struct behind key = { .prefix = widened(want, len) };

		found = bsearch(&key, p->parts, p->n_parts, sizeof(key), cmp_prefix_behind);
	}
	return found ? p->m->nodes[found->node].name : NULL;
}

/*
 * What is in the prefix and yet behind no node: pools, but for the parts that nodes own, and the
 * addresses of all but the owner of such a part. False when it is all of it.
 */
static bool find_without(struct policy_maker *p, const struct prefix *want, struct side *ret)
{
	const char *owner = owner_of(p, want);
	size_t first = find_address(p, want), end = first, i, n = 0;
	struct prefix *list;

	while (end < p->n_own && prefix_contains(want, &p->own[end].address))
		end++;
	list = get(p, end - first + p->m->n_pools, sizeof(*list));
	if (!list)
		return false;
	for (i = 0; i < p->m->n_pools && !owner; i++) {
		const struct prefix *pool = &p->m->pools[i].prefix;

		if (prefix_contains(pool, want))
			return false;
		if (prefix_contains(want, pool))
			list[n++] = *pool;
	}
	for (i = first; i < end; i++)
		if (!owner || strcmp(p->own[i].name, owner) != 0)
			list[n++] = p->own[i].address;
	ret->without = list;
	ret->n_without = prefix_canonical(list, n);
	return !n || prefix_cmp(&list[0], want) != 0;
}

static struct side prefix_side(struct policy_maker *p, const struct behind *list, size_t n)
{
	uint32_t *nodes = get(p, n, sizeof(*nodes));
	char text[PREFIX_STRLEN];
	size_t i, kept = 0;
	char *name = arena_strdup(p->arena, prefix_print(&list[0].prefix, text));

	p->nomem |= !name;
	for (i = 0; nodes && i < n; i++)
		if (!kept || nodes[kept - 1] != list[i].node)
			nodes[kept++] = list[i].node;
	return (struct side){ .name = name, .nodes = nodes, .n = kept };
}

/* The first route that does not sort before the prefix. */
static size_t find_route(const struct policy_maker *p, const struct prefix *want)
{
	size_t low = 0, high = p->n_routes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (prefix_cmp(&p->routes[mid].prefix, want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void add_part(struct policy_maker *p, struct behind **parts, size_t *n,
		     const struct prefix *prefix, uint32_t node)
{
	struct behind *list = arena_grow(p->arena, *parts, *n, sizeof(*list));

	if (!list) {
		p->nomem = true;
		return;
	}
	*parts = list;
	list[(*n)++] = (struct behind){ *prefix, node };
}

/* The routes inside the prefix stand together; those around it are looked for by their length. */
static size_t find_parts(struct policy_maker *p, const struct prefix *want, struct behind **ret)
{
	struct behind *parts = NULL;
	unsigned int len;
	size_t n = 0, at;

	for (len = 1; len < want->len; len++) {
		struct prefix around = widened(want, len);

		for (at = find_route(p, &around);
		     !p->nomem && at < p->n_routes && !prefix_cmp(&p->routes[at].prefix, &around);
		     at++)
			add_part(p, &parts, &n, want, p->routes[at].node);
	}
	for (at = find_route(p, want);
	     !p->nomem && at < p->n_routes && prefix_contains(want, &p->routes[at].prefix); at++)
		add_part(p, &parts, &n, &p->routes[at].prefix, p->routes[at].node);
	if (n > 1 && !p->nomem)
		qsort(parts, n, sizeof(*parts), cmp_behind);
	*ret = parts;
	return p->nomem ? 0 : n;
}

/* Behind the exits: what is in no network behind a node. */
static size_t add_outside(struct policy_maker *p, struct side_list *l, const struct prefix *want)
{
	char text[PREFIX_STRLEN];
	char *name = arena_strdup(p->arena, prefix_print(want, text));

	p->nomem |= !name;
	add_side(p, l, (struct side){ .name = name, .nodes = p->exits, .n = p->n_exits });
	return p->n_exits;
}

static void tell_nobody(struct policy_maker *p, const struct m_prefix *want, bool to)
{
	char text[PREFIX_STRLEN];
	struct diag_entry *e = diag_warn(p->d, want->pos, "%s lies behind no node",
					 prefix_print(&want->prefix, text));

	if (want->prefix.len)
		diag_help(
			p->d, e,
			"a prefix means what is in the `routes` of nodes; a node itself is meant by its name");
	else
		diag_help(
			p->d, e, "%s",
			to ? "it means what is outside, behind an `exit_node` or the gateway of clients" :
			     "what comes from outside comes from no node");
}

static void tell_too_mixed(struct policy_maker *p, const struct m_prefix *want,
			   const struct side *side)
{
	diag_help(
		p->d,
		diag_error(p->d, want->pos,
			   "in %s more than %d other nodes and clients have their addresses",
			   side->name, MAX_NOT_MEANT),
		"give them addresses outside of a prefix that a node owns, or name a narrower prefix");
}

/* The parts of a prefix that lie behind nodes, each with all of them that have it. */
static void add_prefix(struct policy_maker *p, struct side_list *l, bool to,
		       const struct m_prefix *want)
{
	struct behind *parts = NULL;
	size_t i, end, n = 0, outside = 0, meant = 0;
	struct side side;

	if (want->prefix.len)
		n = find_parts(p, &want->prefix, &parts);
	else if (to)
		outside = add_outside(p, l, &want->prefix);
	for (i = 0; i < n && !p->nomem; i = end) {
		for (end = i + 1; end < n && !prefix_cmp(&parts[i].prefix, &parts[end].prefix);
		     end++)
			;
		side = prefix_side(p, &parts[i], end - i);
		if (!find_without(p, &parts[i].prefix, &side))
			continue;
		if (side.n_without > MAX_NOT_MEANT)
			tell_too_mixed(p, want, &side);
		add_side(p, l, side);
		meant++;
	}
	if (!meant && !outside && !p->nomem)
		tell_nobody(p, want, to);
}

static void add_parties(struct policy_maker *p, struct side_list *l, bool to,
			const struct m_parties *m)
{
	size_t i;

	for (i = 0; i < m->nodes.n && !p->nomem; i++) {
		const struct m_selector *s = &m->nodes.list[i];

		switch (s->kind) {
		case SELECT_ALL:
			add_side(p, l,
				 (struct side){ .name = GROUP_ALL,
						.nodes = p->everybody,
						.n = p->m->n_nodes });
			add_side(p, l,
				 (struct side){ .name = GROUP_CLIENTS,
						.nodes = p->gateways,
						.n = p->n_gateways });
			break;
		case SELECT_TAG:
			add_side(p, l, tag_side(p, s->name));
			break;
		case SELECT_NODE:
			add_side(p, l, node_side(p, s->name));
			break;
		}
	}
	for (i = 0; i < m->n_prefixes && !p->nomem; i++)
		add_prefix(p, l, to, &m->prefixes[i]);
}

/* ---- permits ---- */

/* One pair of one rule. */
struct pair {
	const struct side *to, *from;
	const struct m_rule *rule;
};

struct pair_list {
	struct pair *list;
	size_t n;
};

static int cmp_pairs(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;
	int c = strcmp(a->to->name, b->to->name);

	if (!c)
		c = strcmp(a->from->name, b->from->name);
	return c ? c : a->rule < b->rule ? -1 : a->rule > b->rule;
}

static void tell_too_many(struct policy_maker *p, const struct m_rule *rule)
{
	diag_help(p->d,
		  diag_error(p->d, rule->pos, "the policy names more than %d pairs", MAX_PERMITS),
		  "name groups (`tag:NAME`) rather than single nodes");
}

/* False when there is no going on. */
static bool add_pairs(struct policy_maker *p, struct pair_list *pairs, const struct m_rule *rule,
		      const struct side_list *from, const struct side_list *to)
{
	size_t i, j;

	if (from->n && to->n > MAX_PERMITS / from->n) {
		tell_too_many(p, rule);
		return false;
	}
	for (i = 0; i < to->n; i++)
		for (j = 0; j < from->n; j++) {
			struct pair *list =
				arena_grow(p->arena, pairs->list, pairs->n, sizeof(*list));

			if (!list) {
				p->nomem = true;
				return false;
			}
			pairs->list = list;
			list[pairs->n++] = (struct pair){ &to->list[i], &from->list[j], rule };
		}
	/* What rules say again is dropped later; much more than is possible is not collected. */
	if (pairs->n > 4 * (size_t)MAX_PERMITS) {
		tell_too_many(p, rule);
		return false;
	}
	return true;
}

static size_t count_services(const struct m_rule *rule)
{
	return rule->on.n ? rule->on.n : 1;
}

/* What all rules of one pair allow together. */
static void make_permit(struct policy_maker *p, const struct pair *pairs, size_t n)
{
	struct permit *out = &p->permits[p->n_permits];
	struct service *list;
	size_t i, j, total = 0;

	for (i = 0; i < n; i++)
		total += count_services(pairs[i].rule);
	list = get(p, total, sizeof(*list));
	if (!list)
		return;
	for (i = 0, total = 0; i < n; i++) {
		for (j = 0; j < pairs[i].rule->on.n; j++)
			list[total++] = pairs[i].rule->on.list[j].service;
		if (!pairs[i].rule->on.n)
			list[total++] = (struct service){ .kind = SERVICE_ANY };
	}
	*out = (struct permit){ .to = pairs->to->name,
				.from = pairs->from->name,
				.services = list,
				.n_services = services_canonical(list, total),
				.not_to = pairs->to->without,
				.n_not_to = pairs->to->n_without,
				.not_from = pairs->from->without,
				.n_not_from = pairs->from->n_without };
	p->n_permits++;
	if (out->n_services > MAX_SERVICES)
		diag_help(p->d,
			  diag_error(p->d, pairs[n - 1].rule->pos,
				     "`%s` may reach `%s` on more than %d ranges of ports",
				     out->from, out->to, MAX_SERVICES),
			  "name wider ranges");
}

static void make_permits(struct policy_maker *p, struct pair_list *pairs)
{
	size_t i, end;

	if (pairs->n > 1)
		qsort(pairs->list, pairs->n, sizeof(*pairs->list), cmp_pairs);
	p->permits = get(p, pairs->n, sizeof(*p->permits));
	for (i = 0; i < pairs->n && !p->nomem; i = end) {
		const struct pair *first = &pairs->list[i];

		for (end = i + 1;
		     end < pairs->n && !strcmp(pairs->list[end].to->name, first->to->name) &&
		     !strcmp(pairs->list[end].from->name, first->from->name);
		     end++)
			;
		if (p->n_permits == MAX_PERMITS) {
			tell_too_many(p, pairs->list[end - 1].rule);
			return;
		}
		make_permit(p, first, end - i);
	}
}

static void compile_rules(struct policy_maker *p)
{
	struct pair_list pairs = { 0 };
	size_t i, j;

	for (i = 0; i < p->m->n_policy && !p->nomem; i++) {
		const struct m_rule *rule = &p->m->policy[i];
		struct side_list from = { 0 }, to = { 0 };

		add_parties(p, &from, false, &rule->from);
		add_parties(p, &to, true, &rule->to);
		if (!add_pairs(p, &pairs, rule, &from, &to))
			return;
		for (j = 0; j < to.n && from.n; j++)
			add_side(p, &p->targets, to.list[j]);
		for (j = 0; j < from.n && to.n; j++)
			add_side(p, &p->sources, from.list[j]);
	}
	make_permits(p, &pairs);
}

/* ---- guards and groups ---- */

static int cmp_sides(const void *a, const void *b)
{
	return strcmp(((const struct side *)a)->name, ((const struct side *)b)->name);
}

static void unique_sides(struct side_list *l)
{
	size_t i, kept = 0;

	if (l->n > 1)
		qsort(l->list, l->n, sizeof(*l->list), cmp_sides);
	for (i = 0; i < l->n; i++)
		if (!kept || strcmp(l->list[kept - 1].name, l->list[i].name) != 0)
			l->list[kept++] = l->list[i];
	l->n = kept;
}

static void fill_guards(struct policy_maker *p, struct node *nodes)
{
	size_t n_nodes = p->m->n_nodes, i, j;
	size_t *counts = get(p, n_nodes, sizeof(*counts));
	const char ***lists = get(p, n_nodes, sizeof(*lists));

	if (p->nomem)
		return;
	for (i = 0; i < p->targets.n; i++)
		for (j = 0; j < p->targets.list[i].n; j++)
			counts[p->targets.list[i].nodes[j]]++;
	for (i = 0; i < n_nodes && !p->nomem; i++) {
		nodes[i].flags |= NODE_GUARDED;
		lists[i] = get(p, counts[i], sizeof(**lists));
		nodes[i].guards = lists[i];
		if (counts[i] > MAX_GUARDS)
			diag_help(
				p->d,
				diag_error(
					p->d, p->m->nodes[i].pos,
					"the policy names node `%s` in more than the %d ways that are possible",
					p->m->nodes[i].name, MAX_GUARDS),
				"use fewer tags, or wider prefixes");
	}
	if (p->nomem)
		return;
	/* The targets are sorted, so each list is too. */
	for (i = 0; i < p->targets.n; i++)
		for (j = 0; j < p->targets.list[i].n; j++) {
			uint32_t at = p->targets.list[i].nodes[j];

			lists[at][nodes[at].n_guards++] = p->targets.list[i].name;
		}
}

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

/* The tags that the topology does not name. */
static void add_groups(struct policy_maker *p, const struct side_list *sides, struct group **groups,
		       size_t *n_groups)
{
	size_t had = *n_groups, n = had, i, j;
	struct group *list = get(p, had + sides->n, sizeof(*list));
	const char **members;

	if (!list)
		return;
	if (had)
		memcpy(list, *groups, had * sizeof(*list));
	if (had > 1)
		qsort(list, had, sizeof(*list), cmp_groups);
	for (i = 0; i < sides->n; i++) {
		const struct side *s = &sides->list[i];
		struct group g = { .name = s->name, .n_members = s->n };

		if (strncmp(s->name, "tag:", 4) != 0 ||
		    (had && bsearch(&g, list, had, sizeof(g), cmp_groups)))
			continue;
		members = get(p, s->n, sizeof(*members));
		if (!members)
			return;
		for (j = 0; j < s->n; j++)
			members[j] = p->m->nodes[s->nodes[j]].name;
		g.members = members;
		list[n++] = g;
	}
	*groups = list;
	*n_groups = n;
}

/* What comes over a routed link may come in anybody's name: WireGuard allows every source there. */
static void refuse_routed(const struct m_network *m, struct diag *d)
{
	struct diag_entry *e;
	size_t i;

	for (i = 0; i < m->n_topology; i++) {
		if (!m->topology[i].interface_per_link)
			continue;
		e = diag_error(d, m->topology[i].interface_per_link_pos,
			       "a network with a policy has no routed links");
		diag_other(d, e, m->policy[0].pos, "its first rule");
		diag_help(
			d, e,
			"what comes over a routed link may come in anybody's name, so no rule could hold: make them a network of their own");
		return;
	}
}

int policy_compile(const struct m_network *m, struct arena *a, struct diag *d, struct network *n,
		   struct node *nodes, struct group **groups, size_t *n_groups)
{
	struct policy_maker p = { .m = m, .net = n, .arena = a, .d = d };

	if (!m->n_policy)
		return 0;
	refuse_routed(m, d);
	index_nodes(&p);
	if (!p.nomem)
		index_addresses(&p);
	if (!p.nomem)
		compile_rules(&p);
	unique_sides(&p.targets);
	unique_sides(&p.sources);
	if (!p.nomem)
		fill_guards(&p, nodes);
	if (!p.nomem)
		add_groups(&p, &p.sources, groups, n_groups);
	if (!p.nomem)
		add_groups(&p, &p.targets, groups, n_groups);
	n->permits = p.permits;
	n->n_permits = p.n_permits;
	return p.nomem ? -1 : 0;
}
