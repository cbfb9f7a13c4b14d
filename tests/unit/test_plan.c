/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan against the naive difference of every node's two expansions, and its texts. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/expand.h"
#include "reconciler/plan.h"
#include "tests/unit/dice.h"
#include "tests/unit/fail_alloc.h"

/* Without it the address sanitizer ends the program where malloc would return NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

#define MAX_N 12
#define ROUNDS 20000

/* A network that can be changed; turned into a struct network by build(). */
struct draft_node {
	bool in, client;
	unsigned int key, address, endpoint, keepalive, mtu, forward;
	unsigned int from; /* bit set of viewpoints */
	unsigned int at[3]; /* 0: none there */
	unsigned int routes[3], n_routes;
	struct {
		unsigned int kind, target, via;
	} links[5];
	unsigned int n_links;
	unsigned int exit; /* MAX_N: none */
};

struct draft {
	struct draft_node nodes[MAX_N];
	unsigned int groups[3]; /* bit sets of nodes */
};

static const char *const names[MAX_N] = {
	"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"
};
static const char *const viewpoints[3] = { "tag:here", "tag:lan", "tag:there" };
static const char *const group_names[3] = { "tag:x", "tag:y", "tag:z" };
/* Nested, so that one hides another; all in the pool or beside it. */
static const char *const routes[] = { "10.0.0.0/8",	  "10.0.0.0/24",    "10.0.0.0/28",
				      "10.0.0.4/30",	  "192.168.0.0/16", "192.168.1.0/24",
				      "192.168.1.128/25", "10.0.0.3/32" };

static struct prefix prefix_of(const char *s)
{
	struct prefix p;
	bool host_bits;

	assert_int_equal(prefix_parse(s, strlen(s), &p, &host_bits), 0);
	return p;
}

static void random_node(struct dice *d, struct draft_node *n, unsigned int index)
{
	unsigned int i;

	memset(n, 0, sizeof(*n));
	n->in = true;
	n->client = dice_throw(d, 7) == 0;
	n->key = index;
	n->address = index;
	n->endpoint = dice_throw(d, 3);
	n->from = dice_one_in(d, 2) ? dice_throw(d, 8) : 0;
	for (i = 0; i < 3; i++)
		n->at[i] = dice_one_in(d, 3) ? dice_throw(d, 3) : 0;
	n->keepalive = dice_throw(d, 3);
	n->mtu = 1400 + dice_throw(d, 2);
	n->forward = dice_one_in(d, 4);
	n->exit = MAX_N;
	n->n_routes = dice_one_in(d, 2) ? dice_throw(d, 3) : 0;
	for (i = 0; i < n->n_routes; i++)
		n->routes[i] = dice_throw(d, ARRAY_LEN(routes));
}

/* Links are drawn from a few patterns so that nodes share them. */
static void random_links(struct dice *d, struct draft *t)
{
	struct draft_node patterns[3];
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		patterns[i].n_links = dice_throw(d, 5);
		patterns[i].exit = dice_one_in(d, 2) ? MAX_N : dice_throw(d, 4);
		for (j = 0; j < patterns[i].n_links; j++) {
			patterns[i].links[j].kind =
				dice_one_in(d, 2) ? LINK_DIRECT : dice_throw(d, 5);
			patterns[i].links[j].target = dice_throw(d, MAX_N + 4);
			patterns[i].links[j].via = dice_throw(d, 3);
		}
	}
	for (i = 0; i < MAX_N; i++) {
		const struct draft_node *p = &patterns[dice_throw(d, 3)];

		t->nodes[i].n_links = p->n_links;
		t->nodes[i].exit = p->exit;
		memcpy(t->nodes[i].links, p->links, sizeof(p->links));
	}
}

static void random_draft(struct dice *d, struct draft *t)
{
	unsigned int i;

	for (i = 0; i < MAX_N; i++) {
		random_node(d, &t->nodes[i], i);
		t->nodes[i].in = dice_throw(d, 4) != 0;
	}
	for (i = 0; i < 3; i++)
		t->groups[i] = dice_throw(d, 1u << MAX_N);
	random_links(d, t);
}

static void mutate(struct dice *d, struct draft *t)
{
	struct draft_node *n = &t->nodes[dice_throw(d, MAX_N)];
	struct draft_node tmp;
	unsigned int i;

	switch (dice_throw(d, 15)) {
	case 14:
		n->exit = dice_one_in(d, 3) ? MAX_N : dice_throw(d, 4);
		break;
	case 0:
		n->in = !n->in;
		break;
	case 1:
		n->endpoint = dice_throw(d, 4);
		break;
	case 2:
		n->key ^= 64;
		break;
	case 3:
		n->address ^= 16;
		break;
	case 4:
		n->keepalive = dice_throw(d, 3);
		break;
	case 5:
		n->mtu ^= 1;
		break;
	case 6:
		t->groups[dice_throw(d, 3)] ^= 1u << dice_throw(d, MAX_N);
		break;
	case 7:
		/* A route moves or changes. */
		i = dice_throw(d, MAX_N);
		tmp = t->nodes[i];
		t->nodes[i].n_routes = n->n_routes;
		memcpy(t->nodes[i].routes, n->routes, sizeof(n->routes));
		n->n_routes = tmp.n_routes;
		memcpy(n->routes, tmp.routes, sizeof(tmp.routes));
		break;
	case 8:
		n->n_routes = dice_throw(d, 3);
		for (i = 0; i < n->n_routes; i++)
			n->routes[i] = dice_throw(d, ARRAY_LEN(routes));
		break;
	case 9:
		random_links(d, t);
		break;
	case 10:
		n->forward ^= 1;
		break;
	case 11:
		/* A node becomes a client, which changes the gateways of others too. */
		n->client = !n->client;
		break;
	case 12:
		n->from ^= 1u << dice_throw(d, 3);
		break;
	case 13:
		n->at[dice_throw(d, 3)] = dice_throw(d, 3);
		break;
	}
}

/* The gateway of a client; NULL: a node. A draft whose nodes are clients all has a node still. */
static const char *gateway_of(const struct draft *t, unsigned int index)
{
	unsigned int i, j;

	for (i = 1; t->nodes[index].client && i < MAX_N; i++) {
		/* Not the same for all. */
		j = (index + i) % MAX_N;
		if (t->nodes[j].in && !t->nodes[j].client)
			return names[j];
	}
	return NULL;
}

static bool has_clients(const struct draft *t, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < MAX_N; i++)
		if (t->nodes[i].in && gateway_of(t, i) == names[index])
			return true;
	return false;
}

static int cmp_links(const void *a, const void *b)
{
	return link_cmp(a, b);
}

static const char *target_name(const struct draft *t, unsigned int target)
{
	if (target < MAX_N)
		return t->nodes[target].in && !gateway_of(t, target) ? names[target] : NULL;
	return target < MAX_N + 3 ? group_names[target - MAX_N] : GROUP_ALL;
}

/* Leaves out links that no compiler makes: to nodes that are not there and to single clients, over
 * hubs that are no peers. */
static struct link *build_links(const struct draft *t, unsigned int index, struct arena *a,
				size_t *ret_n, const char **ret_exit)
{
	const struct draft_node *n = &t->nodes[index];
	struct link *list = arena_array(a, n->n_links + 1, sizeof(*list));
	unsigned int peers = 0, i, j;
	size_t kept = 0;

	for (i = 0; i < n->n_links; i++) {
		unsigned int target = n->links[i].target;

		if (n->links[i].kind != LINK_DIRECT)
			continue;
		if (target < MAX_N)
			peers |= 1u << target;
		else
			peers |= target < MAX_N + 3 ? t->groups[target - MAX_N] : ~0u;
	}
	if (n->exit < MAX_N && n->exit != index && t->nodes[n->exit].in && peers & 1u << n->exit)
		*ret_exit = names[n->exit];
	for (i = 0; i < n->n_links; i++) {
		unsigned int via = n->links[i].via;
		struct link l = { .kind = (enum link_kind)n->links[i].kind };

		if (l.kind != LINK_ALLOW) {
			l.target = target_name(t, n->links[i].target);
			if (!l.target || (l.kind == LINK_DIRECT && n->links[i].target == index))
				continue;
		}
		if (l.kind == LINK_ALIVE) {
			l.seconds = (uint16_t)(15 * via);
		} else if (l.kind != LINK_DIRECT) {
			if (via == index || !t->nodes[via].in || !(peers & 1u << via) ||
			    gateway_of(t, via))
				continue;
			l.via = names[via];
		}
		if (l.kind == LINK_ALLOW) {
			struct prefix *p = arena_alloc(a, sizeof(*p));

			*p = prefix_of(routes[n->links[i].target % 2]);
			l.prefixes = p;
			l.n_prefixes = 1;
		}
		list[kept++] = l;
	}
	if (has_clients(t, index)) {
		char group[MAX_GROUP_NAME + 1];

		list[kept++] = (struct link){
			.kind = LINK_DIRECT,
			.target = arena_strdup(a, group_of_clients(names[index], group)),
		};
	}
	qsort(list, kept, sizeof(*list), cmp_links);
	for (i = 0, j = 0; i < kept; i++)
		if (!j || link_cmp(&list[j - 1], &list[i]))
			list[j++] = list[i];
	*ret_n = j;
	return list;
}

static struct wgkey key_of(unsigned int k)
{
	struct wgkey key = { { 0 } };

	key.b[0] = (uint8_t)(k * 37 + 1);
	key.b[1] = (uint8_t)k;
	return key;
}

/* What the file of a client has of its own. */
static const struct client_settings *build_settings(const struct draft_node *n, struct arena *a)
{
	static const char *const dns[] = { "10.0.0.1", "corp.example.net" };
	struct client_settings *s = arena_alloc(a, sizeof(*s));
	struct prefix *list = arena_array(a, n->n_routes, sizeof(*list));
	size_t i;

	for (i = 0; i < n->n_routes; i++)
		list[i] = prefix_of(routes[n->routes[i]]);
	s->allowed_ips = list;
	s->n_allowed_ips = prefix_canonical(list, n->n_routes);
	s->dns = dns;
	s->n_dns = n->at[0];
	s->mtu = (uint16_t)(n->mtu & 1 ? n->mtu : 0);
	s->keepalive = (uint16_t)(n->keepalive == 1 ? 0 : n->keepalive ? 7 : 25);
	return n->at[1] ? s : NULL;
}

/* The groups of the clients of each node, which come before all others. */
static size_t add_clients(const struct draft *t, struct group *groups, struct arena *a)
{
	char name[MAX_GROUP_NAME + 1];
	unsigned int i, j;
	size_t n = 0;

	for (i = 0; i < MAX_N; i++) {
		const char **members = arena_array(a, MAX_N, sizeof(*members));

		if (!t->nodes[i].in || !has_clients(t, i))
			continue;
		groups[n] = (struct group){ arena_strdup(a, group_of_clients(names[i], name)),
					    members, 0 };
		for (j = 0; j < MAX_N; j++)
			if (t->nodes[j].in && gateway_of(t, j) == names[i])
				members[groups[n].n_members++] = names[j];
		n++;
	}
	return n;
}

static struct network *build(const struct draft *t, struct arena *a)
{
	struct network *n = arena_alloc(a, sizeof(*n));
	struct record *records = arena_array(a, MAX_N, sizeof(*records));
	struct node *nodes = arena_array(a, MAX_N, sizeof(*nodes));
	struct group *groups = arena_array(a, MAX_N + 3, sizeof(*groups));
	static const char *const hosts[] = { NULL, "one.example.net", "192.0.2.2",
					     "three.example.net" };
	unsigned int i, j;
	size_t k = 0, n_nodes = 0, n_groups;

	for (i = 0; i < MAX_N; i++) {
		const struct draft_node *from = &t->nodes[i];
		struct record *r = &records[k];
		struct node *m = &nodes[n_nodes];
		struct ipaddr *address = arena_alloc(a, sizeof(*address));
		struct ifaddr *own = arena_alloc(a, sizeof(*own));
		struct prefix *list = arena_array(a, from->n_routes, sizeof(*list));
		struct seen *seen;
		const char **looks;

		if (!from->in)
			continue;
		*address = (struct ipaddr){ 4, { 10, 0, 0, (uint8_t)(from->address + 1) } };
		*own = (struct ifaddr){ *address, 24 };
		for (j = 0; j < from->n_routes; j++)
			list[j] = prefix_of(routes[from->routes[j]]);
		*r = (struct record){ .name = names[i],
				      .key = key_of(from->key),
				      .addresses = address,
				      .n_addresses = 1,
				      .gateway = gateway_of(t, i) };
		k++;
		if (r->gateway) {
			r->settings = build_settings(from, a);
			continue;
		}
		r->clients = has_clients(t, i);
		r->routes = list;
		r->n_routes = prefix_canonical(list, from->n_routes);
		if (from->mtu & 1) {
			struct standby *standby = arena_alloc(a, sizeof(*standby));

			*standby = (struct standby){ prefix_of("172.30.0.0/16"),
						     (uint16_t)(1 + from->mtu % 7) };
			r->standby = standby;
			r->n_standby = 1;
		}
		r->endpoint = (struct endpoint){ hosts[from->endpoint],
						 hosts[from->endpoint] ? 51820 : 0 };
		seen = arena_array(a, 3, sizeof(*seen));
		looks = arena_array(a, 3, sizeof(*looks));
		r->seen = seen;
		for (j = 0; j < 3; j++)
			if (from->at[j])
				seen[r->n_seen++] =
					(struct seen){ viewpoints[j],
						       { hosts[from->at[j]], (uint16_t)(1 + j) } };
		*m = (struct node){ .name = names[i],
				    .key = r->key,
				    .interface = { "mesh" },
				    .mtu = (uint16_t)from->mtu };
		m->addresses = own;
		m->n_addresses = 1;
		m->from = looks;
		for (j = 0; j < 3; j++)
			if (from->from & 1u << j)
				looks[m->n_from++] = viewpoints[j];
		if (r->n_routes) {
			m->flags |= NODE_FORWARD;
			m->masquerade = r->routes;
			m->n_masquerade = from->mtu & 1 ? r->n_routes : 0;
		}
		if (from->keepalive) {
			m->flags |= NODE_HAS_KEEPALIVE;
			m->keepalive = (uint16_t)(from->keepalive * 10);
		}
		if (from->forward)
			m->flags |= NODE_FORWARD;
		m->links = build_links(t, i, a, &m->n_links, &m->exit);
		n_nodes++;
	}
	n_groups = add_clients(t, groups, a);
	for (i = 0; i < 3; i++, n_groups++) {
		const char **members = arena_array(a, MAX_N, sizeof(*members));
		struct group *g = &groups[n_groups];

		*g = (struct group){ group_names[i], members, 0 };
		for (j = 0; j < MAX_N; j++)
			if (t->nodes[j].in && !gateway_of(t, j) && t->groups[i] & 1u << j)
				members[g->n_members++] = names[j];
	}
	*n = (struct network){ .name = "mesh",
			       .records = records,
			       .n_records = k,
			       .nodes = nodes,
			       .n_nodes = n_nodes,
			       .groups = groups,
			       .n_groups = n_groups };
	return n;
}

/* Expansions of every node; false when one cannot be expanded (no compiler would give that network
 * out). */
static bool expand_all(const struct network *n, struct arena *a, struct config *ret)
{
	struct err e;
	size_t i;

	for (i = 0; i < n->n_nodes; i++)
		if (expand(n, &n->nodes[i], a, &ret[i], &e) < 0)
			return false;
	return true;
}

static const struct config *config_of(const struct network *n, const struct config *configs,
				      const char *name)
{
	const struct node *node = n ? network_node(n, name) : NULL;

	return node ? &configs[node - n->nodes] : NULL;
}

static const struct peer *peer_named(const struct config *c, const char *name)
{
	size_t i;

	for (i = 0; c && i < c->n_peers; i++)
		if (!strcmp(c->peers[i].name, name))
			return &c->peers[i];
	return NULL;
}

static bool sees(const struct network *n, const char *from, const char *to)
{
	const struct record *r = network_record(n, to);
	const struct node *viewer = network_node(n, from);
	size_t i, j;

	for (i = 0; i < r->n_seen; i++)
		for (j = 0; viewer && j < viewer->n_from; j++)
			if (!strcmp(viewer->from[j], r->seen[i].from))
				return true;
	return r->endpoint.host;
}

/* `from` has `to` as a peer, and one of the two reaches the other first. */
static bool meets(const struct network *n, const struct config *configs, const char *from,
		  const char *to)
{
	return peer_named(config_of(n, configs, from), to) &&
	       (sees(n, from, to) || sees(n, to, from));
}

static bool in_target(const struct network *n, const char *target, const char *name)
{
	const struct record *r = network_record(n, name);

	if (!strcmp(target, GROUP_ALL))
		return !r->gateway;
	return target_is_group(target) ? group_has(network_group(n, target), name) :
					 !strcmp(target, name);
}

/* Whether a link of the node leads to `to` by way of another. */
static bool leads(const struct link *l, const struct network *n, const char *to)
{
	const struct record *r = network_record(n, to);
	size_t i, j;

	if (l->kind == LINK_THROUGH)
		return in_target(n, l->target, to);
	for (i = 0; l->kind == LINK_ALLOW && i < l->n_prefixes; i++)
		for (j = 0; j < r->n_addresses; j++)
			if (prefix_contains_addr(&l->prefixes[i], &r->addresses[j]))
				return true;
	return false;
}

/* Whether a hub passes on what is for a node, over so many others at most. */
static bool passes_on(const struct network *n, const struct config *configs, const char *hub,
		      const char *to, unsigned int others)
{
	const struct record *r = network_record(n, to);
	const struct node *node = network_node(n, hub);
	size_t i;

	if (meets(n, configs, hub, to))
		return true;
	if (r->gateway && meets(n, configs, hub, r->gateway) && meets(n, configs, r->gateway, to))
		return true;
	if (!others || !node || peer_named(config_of(n, configs, hub), to))
		return false;
	for (i = 0; i < node->n_links; i++) {
		const struct link *l = &node->links[i];

		if (l->via && strcmp(l->via, to) != 0 && leads(l, n, to) &&
		    meets(n, configs, hub, l->via) && passes_on(n, configs, l->via, to, others - 1))
			return true;
	}
	return false;
}

static bool reaches(const struct network *n, const struct config *configs, const char *from,
		    const char *to)
{
	const struct config *c = config_of(n, configs, from);
	const struct record *r = network_record(n, to);
	size_t i, j, k;

	if (meets(n, configs, from, to))
		return true;
	for (i = 0; i < c->n_peers; i++) {
		const struct peer *hub = &c->peers[i];

		if (!meets(n, configs, from, hub->name) || !passes_on(n, configs, hub->name, to, 4))
			continue;
		for (j = 0; j < hub->n_allowed_ips; j++)
			for (k = 0; k < r->n_addresses; k++)
				/* An exit is the way out of the network, none into it. */
				if (hub->allowed_ips[j].len &&
				    prefix_contains_addr(&hub->allowed_ips[j], &r->addresses[k]))
					return true;
	}
	return false;
}

struct naive {
	uint64_t nodes[3], nodes_same, clients[3], clients_same, peers[3], peers_same, lost;
	uint64_t files, cut_off;
	bool clients_lost;
};

/* What the class of a node says of its peers, as counts by action. */
static void class_counts(const struct plan *p, const char *node, size_t ret[3], bool *ret_found,
			 bool *ret_attrs)
{
	size_t i, j, k;

	memset(ret, 0, 3 * sizeof(*ret));
	*ret_found = *ret_attrs = false;
	for (i = 0; i < p->n_classes; i++) {
		const struct plan_class *c = &p->classes[i];

		for (j = 0; j < c->n_nodes; j++) {
			if (strcmp(c->nodes[j], node) != 0)
				continue;
			assert_false(*ret_found);
			*ret_found = true;
			*ret_attrs = c->n_attrs || (c->own && c->own[j].n);
			for (k = 0; k < c->n_peers; k++)
				if (strcmp(c->peers[k].name, node) != 0)
					ret[c->peers[k].action]++;
		}
	}
}

static bool node_config_equal(const struct node *a, const struct node *b)
{
	size_t i;

	if (!a->exit != !b->exit || (a->exit && strcmp(a->exit, b->exit)))
		return false;
	if (a->n_masquerade != b->n_masquerade ||
	    (a->flags & NODE_FORWARD) != (b->flags & NODE_FORWARD))
		return false;
	for (i = 0; i < a->n_masquerade; i++)
		if (prefix_cmp(&a->masquerade[i], &b->masquerade[i]))
			return false;
	return !wgkey_cmp(&a->key, &b->key) && a->mtu == b->mtu &&
	       (a->flags & NODE_FORWARD) == (b->flags & NODE_FORWARD) &&
	       !ipaddr_cmp(&a->addresses[0].addr, &b->addresses[0].addr);
}

static bool has_allowed(const struct peer *p, const char *text)
{
	char own[PREFIX_STRLEN];
	size_t i;

	for (i = 0; p && i < p->n_allowed_ips; i++) {
		if (!strcmp(prefix_print(&p->allowed_ips[i], own), text))
			return true;
	}
	return false;
}

static bool is_own(const struct network *n, const char *name, const char *text)
{
	const struct record *r = n ? network_record(n, name) : NULL;
	struct prefix own = prefix_of(text);
	struct prefix address;
	size_t i;

	for (i = 0; r && i < r->n_routes; i++) {
		if (!prefix_cmp(&r->routes[i], &own))
			return true;
	}
	if (!r)
		return false;
	address = prefix_of_addr(&r->addresses[0]);
	return !prefix_cmp(&address, &own);
}

/* One scalar attribute of a listed peer; absent: unchanged, or not set. */
static void check_scalar(const struct plan_peer *p, const char *name, const char *before,
			 const char *after)
{
	const struct plan_attr *a = NULL;
	size_t i;

	for (i = 0; i < p->n_attrs; i++) {
		if (!strcmp(p->attrs[i].name, name))
			a = &p->attrs[i];
	}
	if ((!before && !after) || (before && after && !strcmp(before, after))) {
		assert_null(a);
		return;
	}
	assert_non_null(a);
	assert_int_equal(!a->from, !before);
	assert_int_equal(!a->to, !after);
	if (before)
		assert_string_equal(a->from, before);
	if (after)
		assert_string_equal(a->to, after);
}

static const char *endpoint_text(const struct peer *p, char out[static ENDPOINT_STRLEN])
{
	return p && p->endpoint.host ? endpoint_print(&p->endpoint, out) : NULL;
}

static const char *keepalive_text(const struct peer *p, char out[static 8])
{
	if (!p || !p->keepalive)
		return NULL;
	snprintf(out, 8, "%u", p->keepalive);
	return out;
}

/* Every listed prefix changes for this node, or is its own; every one that changes is listed. */
static void check_allowed(const struct network *old, const struct network *new, const char *name,
			  const struct plan_peer *p, const struct peer *x, const struct peer *y)
{
	char text[PREFIX_STRLEN];
	size_t i, j, seen = 0, changes = 0;

	for (i = 0; i < p->n_attrs; i++) {
		const struct plan_attr *a = &p->attrs[i];
		const char *s = a->from ? a->from : a->to;

		if (strcmp(a->name, "allowed_ips") != 0)
			continue;
		assert_true(!a->from != !a->to);
		if (has_allowed(x, s) == !!a->from && has_allowed(y, s) == !!a->to)
			seen++;
		else
			assert_true(is_own(old, name, s) || is_own(new, name, s));
	}
	for (j = 0; j < 2; j++) {
		const struct peer *here = j ? y : x, *there = j ? x : y;

		for (i = 0; here && i < here->n_allowed_ips; i++)
			changes += !has_allowed(there, prefix_print(&here->allowed_ips[i], text));
	}
	assert_int_equal(seen, changes);
}

static void check_listed(const struct network *old, const struct network *new, const char *name,
			 const struct plan *p, const struct config *a, const struct config *b)
{
	char key[2][KEY_STRLEN], endpoint[2][ENDPOINT_STRLEN], keepalive[2][8];
	size_t i, j;

	for (i = 0; i < p->n_classes; i++) {
		const struct plan_class *c = &p->classes[i];

		for (j = 0; j < c->n_nodes && strcmp(c->nodes[j], name) != 0; j++)
			;
		for (size_t k = 0; j < c->n_nodes && k < c->n_peers; k++) {
			const struct plan_peer *listed = &c->peers[k];
			const struct peer *x = peer_named(a, listed->name),
					  *y = peer_named(b, listed->name);

			if (!strcmp(listed->name, name))
				continue;
			assert_int_equal(listed->action, !x ? PLAN_ADD :
							 !y ? PLAN_REMOVE :
							      PLAN_CHANGE);
			check_scalar(listed, "public_key", x ? wgkey_print(&x->key, key[0]) : NULL,
				     y ? wgkey_print(&y->key, key[1]) : NULL);
			check_scalar(listed, "endpoint", endpoint_text(x, endpoint[0]),
				     endpoint_text(y, endpoint[1]));
			check_scalar(listed, "persistent_keepalive",
				     keepalive_text(x, keepalive[0]),
				     keepalive_text(y, keepalive[1]));
			check_allowed(old, new, name, listed, x, y);
		}
	}
}

static void check_node(const struct network *old, const struct network *new, const struct config *a,
		       const struct config *b, const char *name, const struct plan *p,
		       struct naive *sum)
{
	const struct config *x = config_of(old, a, name), *y = config_of(new, b, name);
	size_t n[3] = { 0 }, listed[3], same = 0, i;
	bool found, attrs, changed;

	for (i = 0; x && i < x->n_peers; i++) {
		const struct peer *peer = peer_named(y, x->peers[i].name);

		if (!peer)
			n[PLAN_REMOVE]++;
		else if (!peer_equal(&x->peers[i], peer))
			n[PLAN_CHANGE]++;
		else
			same++;
	}
	for (i = 0; y && i < y->n_peers; i++)
		n[PLAN_ADD] += !peer_named(x, y->peers[i].name);
	for (i = 0; i < 3; i++)
		sum->peers[i] += n[i];
	sum->peers_same += same;
	class_counts(p, name, listed, &found, &attrs);
	check_listed(old, new, name, p, x, y);
	changed = !x || !y || n[0] || n[1] || n[2] || !node_config_equal(x->node, y->node);
	assert_int_equal(found, changed);
	if (!x)
		sum->nodes[PLAN_ADD]++;
	else if (!y)
		sum->nodes[PLAN_REMOVE]++;
	else if (changed)
		sum->nodes[PLAN_CHANGE]++;
	else
		sum->nodes_same++;
	assert_int_equal(listed[PLAN_ADD], n[PLAN_ADD]);
	assert_int_equal(listed[PLAN_REMOVE], n[PLAN_REMOVE]);
	/* A shared list may name a hub for what is this node's own contribution. */
	assert_true(listed[PLAN_CHANGE] >= n[PLAN_CHANGE]);
	if (x && y)
		assert_int_equal(attrs, !node_config_equal(x->node, y->node));
}

static bool plan_says_lost(const struct plan *p, const char *from, const char *to)
{
	size_t i, j;

	for (i = 0; i < p->n_losses; i++) {
		const struct plan_loss *l = &p->losses[i];

		if (strcmp(l->lost, to) != 0 || !strcmp(from, to))
			continue;
		if (l->node && strcmp(l->node, from) != 0)
			continue;
		for (j = 0; j < l->n_class_nodes; j++)
			if (!strcmp(l->class_nodes[j], from))
				return true;
	}
	return false;
}

/* In both networks, as a node or as a client. */
static bool same_kind(const struct network *old, const struct network *new, const char *name)
{
	const struct record *a = network_record(old, name), *b = network_record(new, name);

	return a && b && !a->gateway == !b->gateway;
}

static const struct record *client_named(const struct network *n, const char *name)
{
	const struct record *r = n ? network_record(n, name) : NULL;

	return r && r->gateway ? r : NULL;
}

/* A client's file, value by value, by rules of its own. */
struct naive_file {
	char text[2048];
	struct prefix allowed[3];
	size_t n_allowed;
};

static void naive_file(const struct network *n, const char *name, struct naive_file *ret)
{
	const struct record *r = network_record(n, name), *gateway = network_record(n, r->gateway);
	const struct client_settings *s = r->settings;
	char key[2][KEY_STRLEN], endpoint[ENDPOINT_STRLEN], address[IPADDR_STRLEN];
	char prefix[PREFIX_STRLEN];
	size_t i, len;

	memset(ret, 0, sizeof(*ret));
	if (s && s->n_allowed_ips) {
		ret->n_allowed = s->n_allowed_ips;
		memcpy(ret->allowed, s->allowed_ips, s->n_allowed_ips * sizeof(*s->allowed_ips));
	} else {
		/* Every node's interface is a /24. */
		ret->allowed[ret->n_allowed++] = prefix_of("10.0.0.0/24");
	}
	/* First what a packet needs to get through at all. */
	len = (size_t)snprintf(ret->text, sizeof(ret->text), "%s %s %s %s|",
			       wgkey_print(&r->key, key[0]), wgkey_print(&gateway->key, key[1]),
			       ipaddr_print(&r->addresses[0], address),
			       gateway->endpoint.host ?
				       endpoint_print(&gateway->endpoint, endpoint) :
				       "-");
	len += (size_t)snprintf(ret->text + len, sizeof(ret->text) - len, "%u %u", s ? s->mtu : 0,
				s ? s->keepalive : 25);
	for (i = 0; s && i < s->n_dns; i++)
		len += (size_t)snprintf(ret->text + len, sizeof(ret->text) - len, " %s", s->dns[i]);
	for (i = 0; i < ret->n_allowed; i++)
		len += (size_t)snprintf(ret->text + len, sizeof(ret->text) - len, " %s",
					prefix_print(&ret->allowed[i], prefix));
}

/* What becomes of the file in the hands of a client that is there before and after. */
static enum plan_file file_fate(const struct network *old, const struct network *new,
				const char *name)
{
	struct naive_file x, y;
	size_t i, j;
	bool meet = false;

	naive_file(old, name, &x);
	naive_file(new, name, &y);
	for (i = 0; i < x.n_allowed; i++)
		for (j = 0; j < y.n_allowed; j++)
			meet |= prefix_contains(&x.allowed[i], &y.allowed[j]) ||
				prefix_contains(&y.allowed[j], &x.allowed[i]);
	if (!meet || strncmp(x.text, y.text, strcspn(x.text, "|") + 1))
		return PLAN_FILE_CUT_OFF;
	return strcmp(x.text, y.text) ? PLAN_FILE_STALE : PLAN_FILE_SAME;
}

static void check_client(const struct network *old, const struct network *new, const char *name,
			 const struct plan *p, struct arena *arena, struct naive *sum)
{
	const struct record *a = client_named(old, name), *b = client_named(new, name);
	const struct plan_client *said = NULL;
	struct plan alone;
	struct err e;
	size_t i;

	for (i = 0; i < p->n_clients; i++) {
		if (!strcmp(p->clients[i].name, name)) {
			assert_null(said);
			said = &p->clients[i];
		}
	}
	if (!a && !b) {
		assert_null(said);
		return;
	}
	if (a && b && file_fate(old, new, name) == PLAN_FILE_SAME &&
	    !strcmp(a->gateway, b->gateway)) {
		assert_null(said);
		sum->clients_same++;
		return;
	}
	assert_non_null(said);
	assert_int_equal(said->file, a && b ? file_fate(old, new, name) : PLAN_FILE_SAME);
	sum->files += said->file != PLAN_FILE_SAME;
	sum->cut_off += said->file == PLAN_FILE_CUT_OFF;
	assert_int_equal(said->action, !a ? PLAN_ADD : !b ? PLAN_REMOVE : PLAN_CHANGE);
	assert_int_equal(said->n_attrs > 0, true);
	sum->clients[said->action]++;
	for (i = 0; i < said->n_attrs; i++) {
		const struct plan_attr *attr = &said->attrs[i];

		if (!strcmp(attr->name, "gateway")) {
			assert_string_equal(attr->from ? attr->from : "", a ? a->gateway : "");
			assert_string_equal(attr->to ? attr->to : "", b ? b->gateway : "");
		}
	}
	assert_int_equal(plan_make_node(old, new, name, arena, &alone, &e), 0);
	assert_int_equal(alone.n_clients, 1);
	assert_string_equal(alone.clients[0].name, name);
}

static void check_losses(const struct network *old, const struct network *new,
			 const struct config *a, const struct config *b, const struct plan *p,
			 struct naive *sum)
{
	unsigned int i, j;

	for (i = 0; old && new &&i < MAX_N; i++) {
		if (!network_node(old, names[i]) || !network_node(new, names[i]))
			continue;
		for (j = 0; j < MAX_N; j++) {
			bool lost;

			if (i == j || !same_kind(old, new, names[j]))
				continue;
			lost = reaches(old, a, names[i], names[j]) &&
			       !(reaches(new, b, names[i], names[j]) &&
				 !(client_named(new, names[j]) &&
				   file_fate(old, new, names[j]) == PLAN_FILE_CUT_OFF));
			sum->lost += lost;
			sum->clients_lost |= lost && network_record(old, names[j])->gateway;
			assert_int_equal(plan_says_lost(p, names[i], names[j]), lost);
		}
	}
}

/* The plan for one node says the same as the whole plan says of it. */
static void check_alone(const struct network *old, const struct network *new, const char *name,
			const struct plan *whole, struct arena *a)
{
	size_t n[3], m[3];
	bool found, attrs, found_alone, attrs_alone;
	struct plan p;
	struct err e;

	assert_int_equal(plan_make_node(old, new, name, a, &p, &e), 0);
	assert_true(p.n_classes <= 1);
	class_counts(whole, name, n, &found, &attrs);
	class_counts(&p, name, m, &found_alone, &attrs_alone);
	assert_int_equal(found, found_alone);
	assert_int_equal(attrs, attrs_alone);
	assert_int_equal(m[PLAN_ADD], p.peers_added);
	assert_int_equal(m[PLAN_CHANGE], p.peers_changed);
	assert_int_equal(m[PLAN_REMOVE], p.peers_removed);
}

/* Clients that change alike are chained, each chain from its first one, and none is left out. */
static void check_alike(const struct plan *p)
{
	size_t i, at, chained = 0;

	for (i = 0; i < p->n_clients; i++) {
		const struct plan_client *c = &p->clients[i];

		assert_true(c->like <= i && p->clients[c->like].like == c->like);
		assert_ptr_equal(c->attrs, p->clients[c->like].attrs);
		assert_int_equal(c->file, p->clients[c->like].file);
		assert_int_equal(c->action, p->clients[c->like].action);
		assert_true(!c->next || c->next > i);
		for (at = i; c->like == i; at = p->clients[at].next) {
			assert_int_equal(p->clients[at].like, i);
			chained++;
			if (!p->clients[at].next)
				break;
		}
	}
	assert_int_equal(chained, p->n_clients);
}

static uint64_t seed_now;

static void check_pair(const struct network *old, const struct network *new, const struct config *a,
		       const struct config *b, struct arena *arena)
{
	struct naive sum = { 0 };
	struct plan p;
	struct err e;
	unsigned int i;

	assert_int_equal(plan_make(old, new, arena, &p, &e), 0);
	for (i = 0; i < MAX_N; i++) {
		check_client(old, new, names[i], &p, arena, &sum);
		if (!(old && network_node(old, names[i])) && !(new &&network_node(new, names[i])))
			continue;
		check_node(old, new, a, b, names[i], &p, &sum);
		check_alone(old, new, names[i], &p, arena);
	}
	assert_int_equal(p.nodes_added, sum.nodes[PLAN_ADD]);
	assert_int_equal(p.nodes_changed, sum.nodes[PLAN_CHANGE]);
	assert_int_equal(p.nodes_removed, sum.nodes[PLAN_REMOVE]);
	assert_int_equal(p.nodes_unchanged, sum.nodes_same);
	assert_int_equal(p.peers_added, sum.peers[PLAN_ADD]);
	assert_int_equal(p.peers_changed, sum.peers[PLAN_CHANGE]);
	assert_int_equal(p.peers_removed, sum.peers[PLAN_REMOVE]);
	assert_int_equal(p.peers_unchanged, sum.peers_same);
	check_losses(old, new, a, b, &p, &sum);
	assert_int_equal(p.pairs_lost, sum.lost);
	assert_int_equal(p.clients_lost, sum.clients_lost);
	assert_int_equal(p.clients_added, sum.clients[PLAN_ADD]);
	assert_int_equal(p.clients_changed, sum.clients[PLAN_CHANGE]);
	assert_int_equal(p.clients_removed, sum.clients[PLAN_REMOVE]);
	assert_int_equal(p.clients_unchanged, sum.clients_same);
	assert_int_equal(p.files_needed, sum.files);
	assert_int_equal(p.files_cut_off, sum.cut_off);
	check_alike(&p);
}

static void test_random(void **state)
{
	size_t done = 0, hubs = 0, tried;

	for (tried = 0; done < ROUNDS && tried < 60 * ROUNDS; tried++) {
		struct config a[MAX_N], b[MAX_N];
		struct network *old, *new;
		struct arena arena;
		struct draft t;
		struct dice d;
		unsigned int i, n;

		seed_now = tried;
		dice_init(&d, seed_now);
		arena_init(&arena);
		random_draft(&d, &t);
		old = build(&t, &arena);
		if (expand_all(old, &arena, a)) {
			n = dice_throw(&d, 5);
			for (i = 0; i <= n; i++)
				mutate(&d, &t);
			new = build(&t, &arena);
			if (expand_all(new, &arena, b)) {
				for (i = 0, n = 0; i < old->n_nodes; i++)
					n += (unsigned int)old->nodes[i].n_links;
				hubs += n > 10;
				check_pair(old, new, a, b, &arena);
				if (done % 16 == 0) {
					check_pair(NULL, new, NULL, b, &arena);
					check_pair(old, NULL, a, NULL, &arena);
					check_pair(old, old, a, a, &arena);
				}
				done++;
			}
		}
		arena_release(&arena);
	}
	print_message("%zu pairs of networks of %zu tried, %zu with hubs\n", done, tried, hubs);
	assert_int_equal(done, ROUNDS);
	assert_true(hubs > ROUNDS / 10);
}

/* A network of n nodes in which each has links, and so a view, of its own; joined: each with all.
 */
static struct network *many_views(size_t n, bool joined, struct arena *a)
{
	struct network *net = arena_alloc(a, sizeof(*net));
	struct record *records = arena_array(a, n, sizeof(*records));
	struct node *nodes = arena_array(a, n, sizeof(*nodes));
	size_t i;

	for (i = 0; i < n; i++) {
		struct ipaddr *address = arena_alloc(a, sizeof(*address));
		struct link *links = arena_array(a, 2, sizeof(*links));
		char name[16];

		snprintf(name, sizeof(name), "n%05zu", i);
		*address = (struct ipaddr){
			4, { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i }
		};
		records[i] = (struct record){ .name = arena_strdup(a, name),
					      .addresses = address,
					      .n_addresses = 1,
					      .endpoint = { "one.example.net", 51820 } };
		records[i].key.b[0] = (uint8_t)i;
		records[i].key.b[1] = (uint8_t)(i >> 8);
		nodes[i] = (struct node){ .name = records[i].name,
					  .key = records[i].key,
					  .interface = { "mesh" },
					  .mtu = 1420 };
		links[0] = (struct link){ .kind = LINK_DIRECT, .target = GROUP_ALL };
		links[1] = (struct link){ .kind = LINK_DIRECT, .target = records[i].name };
		nodes[i].links = links;
		nodes[i].n_links = joined ? 2 : 0;
	}
	*net = (struct network){
		.name = "mesh", .records = records, .n_records = n, .nodes = nodes, .n_nodes = n
	};
	return net;
}

/* More than a plan lists: all is counted, the lists end at their limits. */
static void test_list_limits(void **state)
{
	const size_t n = 4200;
	struct network *net;
	size_t listed = 0, i;
	struct arena a;
	struct plan p;
	const struct plan *one = &p;
	struct buf json;
	const char *at;
	struct err e;

	arena_init(&a);
	net = many_views(n, true, &a);
	assert_int_equal(plan_make(NULL, net, &a, &p, &e), 0);
	assert_int_equal(p.peers_added, (uint64_t)n * (n - 1));
	assert_int_equal(p.n_classes, n);
	for (i = 0; i < p.n_classes; i++) {
		listed += p.classes[i].n_peers;
		assert_int_equal(p.classes[i].peers_added, n - 1);
		assert_true(p.classes[i].n_peers + p.classes[i].peers_cut >= n - 1);
	}
	assert_true(listed <= MAX_PLAN_PEERS);
	assert_true(listed > MAX_PLAN_PEERS - 8192);
	/* JSON lists fewer still, and says so. */
	buf_init(&json, 64u << 20);
	assert_int_equal(plan_json(&one, 1, &json, &e), 0);
	for (listed = 0, at = json.data; (at = strstr(at, "\"name\": ")); at++)
		listed++;
	/* The network itself has a name, too. */
	assert_int_equal(listed, MAX_JSON_PEERS + 1);
	assert_non_null(strstr(json.data, "\"peers_not_listed\": 4200,"));
	buf_release(&json);
	arena_release(&a);

	/* One node fewer than it takes is listed whole. */
	arena_init(&a);
	net = many_views(512, true, &a);
	assert_int_equal(plan_make(NULL, net, &a, &p, &e), 0);
	for (i = 0; i < p.n_classes; i++)
		assert_int_equal(p.classes[i].peers_cut, 0);
	arena_release(&a);
}

static void test_loss_limits(void **state)
{
	struct network *old, *new;
	struct link *links;
	struct arena a;
	struct plan p;
	struct err e;
	size_t i;

	/* Views that lose the same are told together, a node that loses itself is not. */
	arena_init(&a);
	old = many_views(300, true, &a);
	new = many_views(300, false, &a);
	assert_int_equal(plan_make(old, new, &a, &p, &e), 0);
	assert_int_equal(p.pairs_lost, 300 * 299);
	assert_int_equal(p.n_losses, 300);
	for (i = 0; i < p.n_losses; i++)
		assert_int_equal(p.losses[i].n_class_nodes, 300);
	arena_release(&a);

	/* Each node loses others than the rest: only its neighbour stays. */
	arena_init(&a);
	old = many_views(300, true, &a);
	new = many_views(300, false, &a);
	for (i = 0; i < 300; i++) {
		links = arena_alloc(&a, sizeof(*links));
		*links = (struct link){ .kind = LINK_DIRECT,
					.target = new->records[(i + 1) % 300].name };
		((struct node *)(uintptr_t) new->nodes)[i].links = links;
		((struct node *)(uintptr_t) new->nodes)[i].n_links = 1;
	}
	assert_int_equal(plan_make(old, new, &a, &p, &e), 0);
	assert_int_equal(p.pairs_lost, 300 * 298);
	assert_int_equal(p.n_losses, MAX_PLAN_LOSSES);
	arena_release(&a);
}

/* The texts, of a plan that no network can have: every name is an attack. */

#define HOSTILE "\033[31mred\xe2\x80\xae\n```` @all #1 <b>"

static struct plan hostile_plan(void)
{
	static struct plan_attr attrs[] = { { "endpoint", HOSTILE, "b" },
					    { "allowed_ips", HOSTILE, NULL },
					    { "allowed_ips", NULL, "10.0.0.0/8" } };
	static struct plan_peer peers[] = { { PLAN_CHANGE, HOSTILE, attrs, 3 } };
	static const char *nodes[] = { HOSTILE, "zoe" };
	static struct plan_class classes[] = { {
		.action = PLAN_CHANGE,
		.nodes = nodes,
		.n_nodes = 2,
		.attrs = attrs,
		.n_attrs = 1,
		.peers = peers,
		.n_peers = 1,
		.peers_changed = 1,
	} };
	static struct plan_loss losses[] = { { NULL, nodes, 2, HOSTILE } };
	static struct plan_client clients[] = { { .action = PLAN_CHANGE,
						  .name = HOSTILE,
						  .attrs = attrs,
						  .n_attrs = 3,
						  .file = PLAN_FILE_CUT_OFF } };

	return (struct plan){ .network = HOSTILE,
			      .documents = true,
			      .classes = classes,
			      .n_classes = 1,
			      .losses = losses,
			      .n_losses = 1,
			      .pairs_lost = 1,
			      .clients = clients,
			      .n_clients = 1,
			      .clients_changed = 1,
			      .files_needed = 1,
			      .files_cut_off = 1,
			      .nodes_changed = 2,
			      .peers_changed = 2 };
}

static size_t count(const char *s, const char *what)
{
	size_t n = 0;

	for (; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

static void test_hostile_names(void **state)
{
	struct plan p = hostile_plan();
	const struct plan *list[] = { &p };
	struct buf out;
	struct err e;

	buf_init(&out, 1 << 20);
	plan_text(&p, false, true, &out);
	assert_true(buf_ok(&out));
	assert_null(strchr(out.data, '\033'));
	assert_null(strstr(out.data, "\xe2\x80\xae"));
	assert_non_null(strstr(out.data, "?[31mred??```` @all"));
	/* Colour is ours alone. */
	buf_reset(&out);
	plan_text(&p, true, false, &out);
	assert_null(strstr(out.data, "\033[31mred"));
	buf_reset(&out);
	plan_markdown(list, 1, 60000, &out);
	assert_true(buf_ok(&out));
	assert_int_equal(count(out.data, "\n`````diff\n"), 1);
	assert_int_equal(count(out.data, "\n`````\n"), 1);
	assert_null(memchr(out.data, '\033', out.len));
	/* All of it stands between the fences. */
	assert_true(strstr(out.data, "@all") > strstr(out.data, "`````diff"));
	assert_null(strstr(strstr(out.data, "\n`````\n") + 1, "@all"));
	assert_int_equal(plan_json(list, 1, &out, &e), 0);
	buf_release(&out);
}

static void test_limits(void **state)
{
	struct plan p = hostile_plan();
	const struct plan *many[40];
	struct buf out;
	size_t i, max;

	for (i = 0; i < ARRAY_LEN(many); i++)
		many[i] = &p;
	buf_init(&out, 1 << 20);
	plan_markdown(many, ARRAY_LEN(many), 60000, &out);
	i = out.len;
	assert_true(i < 60000);
	assert_null(strstr(out.data, "the rest is cut"));
	for (max = i - 1; max > 1000; max -= 997) {
		buf_reset(&out);
		plan_markdown(many, ARRAY_LEN(many), max, &out);
		assert_true(buf_ok(&out));
		assert_true(out.len <= max);
		assert_int_equal(count(out.data, "the rest is cut"), 1);
		assert_int_equal(count(out.data, "\n`````\n"), 1);
		assert_string_equal(out.data + out.len - 11, "</details>\n");
	}
	buf_reset(&out);
	plan_markdown(many, 0, 60000, &out);
	assert_non_null(strstr(out.data, "No changes."));
	buf_release(&out);
	/* A buffer that is too small is an error, not half a text. */
	buf_init(&out, 100);
	plan_text(&p, false, false, &out);
	assert_false(buf_ok(&out));
	buf_release(&out);
}

/* What hides nothing and what is cut, in numbers. */
static void test_cut_lists(void **state)
{
	static const char *nodes[30];
	static char text[30][8];
	struct plan_peer peers[30] = { 0 };
	struct plan_class c = {
		.action = PLAN_CHANGE, .nodes = nodes, .peers = peers, .peers_removed = 30
	};
	struct plan p = { .network = "n", .documents = true, .classes = &c, .n_classes = 1 };
	struct buf out;
	size_t i;

	for (i = 0; i < 30; i++) {
		snprintf(text[i], sizeof(text[i]), "n%02zu", i);
		nodes[i] = text[i];
		peers[i] = (struct plan_peer){ PLAN_ADD, text[i], NULL, 0 };
	}
	buf_init(&out, 1 << 20);
	c.n_nodes = 11;
	c.n_peers = 20;
	c.peers_added = 20;
	c.peers_removed = 0;
	plan_text(&p, false, false, &out);
	assert_non_null(
		strstr(out.data,
		       "11 nodes (n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, n10) will"));
	assert_null(strstr(out.data, "more"));
	buf_reset(&out);
	c.n_nodes = 12;
	c.n_peers = 30;
	c.peers_added = 30;
	plan_text(&p, false, false, &out);
	assert_non_null(strstr(
		out.data,
		"12 nodes (n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, ... and 2 more) will"));
	assert_non_null(strstr(out.data, "# ... and 10 more peers to add\n"));
	/* What the plan itself did not list is counted, also with --verbose. */
	buf_reset(&out);
	c.peers_cut = 1000;
	c.peers_added = 1030;
	plan_text(&p, false, true, &out);
	assert_non_null(strstr(out.data, "# ... and 1,000 more peers to add\n"));
	buf_release(&out);
}

/* Every allocation of the plan and of its text fails once. */
static void test_out_of_memory(void **state)
{
	struct config a[MAX_N], b[MAX_N];
	struct network *old = NULL, *new = NULL;
	struct arena arena, out;
	struct draft t;
	struct dice d;
	struct plan p;
	struct err e;
	struct buf text;
	size_t n = 0, i;
	bool hit;
	int r;

	/* One with hubs, losses and changes. */
	for (i = 0;; i++) {
		arena_init(&arena);
		dice_init(&d, i);
		random_draft(&d, &t);
		old = build(&t, &arena);
		random_draft(&d, &t);
		new = build(&t, &arena);
		if (expand_all(old, &arena, a) && expand_all(new, &arena, b)) {
			arena_init(&out);
			assert_int_equal(plan_make(old, new, &out, &p, &e), 0);
			r = p.n_losses > 5 && p.peers_changed > 5 && p.n_classes > 5;
			arena_release(&out);
			if (r)
				break;
		}
		arena_release(&arena);
	}
	do {
		arena_init(&out);
		buf_init(&text, 1 << 20);
		fail_alloc_at(++n);
		r = plan_make(old, new, &out, &p, &e);
		if (!r) {
			const struct plan *list = &p;

			plan_text(&p, true, true, &text);
			plan_markdown(&list, 1, 5000, &text);
		}
		hit = fail_alloc_stop();
		assert_int_equal(hit, r < 0 || !buf_ok(&text));
		if (r < 0)
			assert_int_equal(e.class, ERR_NOMEM);
		buf_release(&text);
		arena_release(&out);
	} while (hit);
	assert_true(n > 10);
	arena_release(&arena);
}

static int say_seed(void **state)
{
	print_message("last seed: %llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, say_seed),
		cmocka_unit_test(test_list_limits),
		cmocka_unit_test(test_loss_limits),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cut_lists),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
