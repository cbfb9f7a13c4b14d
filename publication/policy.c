/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/policy.h"

#include "common/limits.h"

const struct prefix policy_indoors[POLICY_N_INDOORS] = {
	{ 4, 8, { 10 } },	   { 4, 10, { 100, 64 } },  { 4, 16, { 169, 254 } },
	{ 4, 12, { 172, 16 } },	   { 4, 16, { 192, 168 } }, { 6, 7, { 0xfc } },
	{ 6, 10, { 0xfe, 0x80 } },
};

bool policy_is_indoors(const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < POLICY_N_INDOORS; i++)
		if (prefix_contains_addr(&policy_indoors[i], a))
			return true;
	return false;
}

struct maker {
	const struct network *net;
	const struct node *node;
	struct arena *arena;
	struct party *sources;
	size_t n_sources;
	const struct permit **first; /* that named each of them */
	uint32_t *index; /* hash table: 1 + number of a source; 0: free */
	size_t index_size; /* a power of two, more than twice their number */
	size_t collected; /* addresses in all sources */
	struct err *err;
};

static int missing(struct maker *m, const char *what, const char *name)
{
	return err_set(m->err, ERR_INPUT,
		       "node %s: its policy needs %s %s, which is not in the network",
		       m->node->name, what, name);
}

static int too_many(struct maker *m)
{
	return err_set(m->err, ERR_LIMIT, "node %s: its policy names more than %d addresses",
		       m->node->name, MAX_SOURCES);
}

static int unclear(struct maker *m, const char *prefix)
{
	return err_set(m->err, ERR_INPUT,
		       "node %s: its policy says of %s in two ways what of it is meant",
		       m->node->name, prefix);
}

static bool same_not(const struct prefix *a, size_t na, const struct prefix *b, size_t nb)
{
	size_t i;

	for (i = 0; i < na && na == nb; i++)
		if (prefix_cmp(&a[i], &b[i]))
			return false;
	return na == nb;
}

static void put_record(const struct record *r, struct prefix *list, size_t *n)
{
	size_t i;

	for (i = 0; i < r->n_addresses; i++)
		list[(*n)++] = prefix_of_addr(&r->addresses[i]);
}

static int finish(struct maker *m, struct prefix *list, size_t n, struct party *ret)
{
	ret->prefixes = list;
	ret->n = prefix_canonical(list, n);
	m->collected += ret->n;
	return m->collected > MAX_SOURCES ? too_many(m) : 0;
}

/* Nodes, all clients, or the clients of one gateway. */
static bool is_one(const struct record *r, bool clients, const char *gateway)
{
	if (!clients)
		return !r->gateway;
	return r->gateway && (!gateway || !strcmp(r->gateway, gateway));
}

static int collect_records(struct maker *m, bool clients, const char *gateway, struct party *ret)
{
	const struct record *r = m->net->records;
	struct prefix *list;
	size_t i, n = 0;

	for (i = 0; i < m->net->n_records; i++)
		n += is_one(&r[i], clients, gateway) ? r[i].n_addresses : 0;
	if (n > MAX_SOURCES)
		return too_many(m);
	list = arena_array(m->arena, n, sizeof(*list));
	if (!list)
		return err_nomem(m->err);
	for (i = 0, n = 0; i < m->net->n_records; i++)
		if (is_one(&r[i], clients, gateway))
			put_record(&r[i], list, &n);
	return finish(m, list, n, ret);
}

static int collect_members(struct maker *m, const char *const *names, size_t n_names,
			   struct party *ret)
{
	const struct record *r;
	struct prefix *list;
	size_t i, n = 0;

	if (n_names > MAX_SOURCES)
		return too_many(m);
	for (i = 0; i < n_names; i++) {
		r = network_record(m->net, names[i]);
		if (!r)
			return missing(m, "the record of", names[i]);
		n += r->n_addresses;
	}
	list = arena_array(m->arena, n, sizeof(*list));
	if (!list)
		return err_nomem(m->err);
	for (i = 0, n = 0; i < n_names; i++)
		put_record(network_record(m->net, names[i]), list, &n);
	return finish(m, list, n, ret);
}

/* How many prefixes are left at most: each that goes leaves one for each bit that it is longer. */
static size_t count_remains(const struct prefix *whole, const struct prefix *without, size_t n)
{
	size_t i, count = 1;

	for (i = 0; i < n; i++)
		count += without[i].len > whole->len ? without[i].len - whole->len : 0;
	return count;
}

/* `without` is canonical, and so is what is left. The stack has a half of each length at most, and
 * the other of the last. */
static void subtract(const struct prefix *whole, const struct prefix *without, size_t n,
		     struct prefix *list, size_t *ret_n)
{
	struct prefix stack[130], halves[2];
	size_t depth = 1, at = 0;

	*ret_n = 0;
	stack[0] = *whole;
	while (depth) {
		struct prefix p = stack[--depth];

		if (at < n && !prefix_cmp(&without[at], &p)) {
			at++;
		} else if (at < n && prefix_contains(&p, &without[at])) {
			prefix_halves(&p, halves);
			stack[depth++] = halves[1];
			stack[depth++] = halves[0];
		} else {
			list[(*ret_n)++] = p;
		}
	}
}

/* The addresses that a prefix means: all but those that are not meant. */
static int collect_prefix(struct maker *m, const char *name, const struct prefix *without, size_t n,
			  struct party *ret)
{
	struct prefix whole, *list;
	size_t most, kept;

	if (!target_is_prefix(name, &whole))
		return missing(m, "the prefix", name);
	most = count_remains(&whole, without, n);
	if (most > MAX_SOURCES)
		return too_many(m);
	list = arena_array(m->arena, most, sizeof(*list));
	if (!list)
		return err_nomem(m->err);
	subtract(&whole, without, n, list, &kept);
	*ret = (struct party){ .name = name };
	return finish(m, list, kept, ret);
}

/* The addresses of a `from`. */
static int collect(struct maker *m, const struct permit *p, struct party *ret)
{
	const char *from = p->from;
	const struct group *g;

	*ret = (struct party){ .name = from };
	if (strchr(from, '/'))
		return collect_prefix(m, from, p->not_from, p->n_not_from, ret);
	if (!strcmp(from, GROUP_ALL) || !strcmp(from, GROUP_CLIENTS))
		return collect_records(m, strcmp(from, GROUP_CLIENTS) == 0, NULL, ret);
	if (!target_is_group(from))
		return collect_members(m, &from, 1, ret);
	g = network_group(m->net, from);
	return g ? collect_members(m, g->members, g->n_members, ret) :
		   missing(m, "the group", from);
}

static size_t hash(const char *s)
{
	size_t h = 5381;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h;
}

/* Each source is collected once, however many rules name it. */
static int source(struct maker *m, const struct permit *p, size_t *ret)
{
	size_t at = hash(p->from) & (m->index_size - 1);

	for (; m->index[at]; at = (at + 1) & (m->index_size - 1))
		if (!strcmp(m->sources[m->index[at] - 1].name, p->from)) {
			*ret = m->index[at] - 1;
			return same_not(m->first[*ret]->not_from, m->first[*ret]->n_not_from,
					p->not_from, p->n_not_from) ?
				       0 :
				       unclear(m, p->from);
		}
	m->first[m->n_sources] = p;
	if (collect(m, p, &m->sources[m->n_sources]) < 0)
		return -1;
	*ret = m->n_sources++;
	m->index[at] = (uint32_t)m->n_sources;
	return 0;
}

/* What a guard means here: the prefix itself, clients, or the node. */
static int destination(struct maker *m, const char *to, const struct permit *permits, size_t n,
		       const struct party *own, const struct party *clients, struct party *ret)
{
	const struct record *r;
	size_t i;

	if (!strchr(to, '/')) {
		*ret = *own;
		if (!strcmp(to, GROUP_CLIENTS)) {
			*ret = *clients;
		} else if (!target_is_group(to) && strcmp(to, m->node->name) != 0) {
			r = network_record(m->net, to);
			if (!r || !r->gateway || strcmp(r->gateway, m->node->name) != 0)
				return missing(m, "the client", to);
			if (collect_members(m, &to, 1, ret) < 0)
				return -1;
		}
		ret->name = to;
		return 0;
	}
	for (i = 1; i < n; i++)
		if (!same_not(permits[0].not_to, permits[0].n_not_to, permits[i].not_to,
			      permits[i].n_not_to))
			return unclear(m, to);
	return collect_prefix(m, to, n ? permits[0].not_to : NULL, n ? permits[0].n_not_to : 0,
			      ret);
}

static int own_addresses(struct maker *m, struct party *ret)
{
	struct prefix *list = arena_array(m->arena, m->node->n_addresses, sizeof(*list));
	size_t i;

	if (!list)
		return err_nomem(m->err);
	for (i = 0; i < m->node->n_addresses; i++)
		list[i] = prefix_of_addr(&m->node->addresses[i].addr);
	*ret = (struct party){ m->node->name, list, prefix_canonical(list, i) };
	return 0;
}

/* What is behind the node is not outside, nor is the node. */
static int own_networks(struct maker *m, struct policy *ret)
{
	const struct record *r = network_record(m->net, m->node->name);
	struct prefix *list;
	size_t i, n;

	if (!r)
		return missing(m, "the record of", m->node->name);
	list = arena_array(m->arena,
			   r->n_routes + r->n_standby + m->node->n_masquerade + m->node->n_except +
				   m->node->n_addresses,
			   sizeof(*list));
	if (!list)
		return err_nomem(m->err);
	for (n = 0; n < r->n_routes; n++)
		list[n] = r->routes[n];
	for (i = 0; i < r->n_standby; i++)
		list[n++] = r->standby[i].prefix;
	/* Those of a site are in the document of its leader alone. */
	for (i = 0; i < m->node->n_masquerade; i++)
		if (m->node->masquerade[i].len)
			list[n++] = m->node->masquerade[i];
	for (i = 0; i < m->node->n_except; i++)
		list[n++] = m->node->except[i];
	for (i = 0; i < m->node->n_addresses; i++)
		list[n++] = prefix_of_addr(&m->node->addresses[i].addr);
	ret->behind = list;
	ret->n_behind = prefix_canonical(list, n);
	return 0;
}

static int prepare(struct maker *m, size_t n_permits)
{
	for (m->index_size = 16; m->index_size <= 2 * n_permits; m->index_size *= 2)
		;
	m->sources = arena_array(m->arena, n_permits, sizeof(*m->sources));
	m->first = arena_array(m->arena, n_permits, sizeof(*m->first));
	m->index = arena_array(m->arena, m->index_size, sizeof(*m->index));
	return m->sources && m->first && m->index ? 0 : err_nomem(m->err);
}

static bool lets_out(const struct node *n)
{
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		if (!n->masquerade[i].len)
			return true;
	return false;
}

int policy_expand(const struct network *n, const struct node *node, struct arena *a,
		  struct policy *ret, struct err *e)
{
	struct maker m = { .net = n, .node = node, .arena = a, .err = e };
	const struct permit *permits;
	struct party own, *targets;
	struct policy_rule *rules;
	size_t i, j, at, count, total = 0, n_rules = 0;

	*ret = (struct policy){ .guarded = node->flags & NODE_GUARDED };
	if (lets_out(node) && own_networks(&m, ret) < 0)
		return -1;
	if (!ret->guarded)
		return 0;
	for (i = 0; i < node->n_guards; i++) {
		network_permits(n, node->guards[i], &count);
		total += count;
	}
	targets = arena_array(a, node->n_guards, sizeof(*targets));
	rules = arena_array(a, total, sizeof(*rules));
	if (!targets || !rules)
		return err_nomem(e);
	if (prepare(&m, total) < 0 || own_addresses(&m, &own) < 0 ||
	    collect_records(&m, true, node->name, &ret->clients) < 0)
		return -1;
	ret->clients.name = node->name;
	for (i = 0; i < node->n_guards; i++) {
		permits = network_permits(n, node->guards[i], &count);
		if (destination(&m, node->guards[i], permits, count, &own, &ret->clients,
				&targets[i]) < 0)
			return -1;
		if (target_is_outside(node->guards[i]) && !ret->behind && own_networks(&m, ret) < 0)
			return -1;
		for (j = 0; j < count; j++) {
			if (source(&m, &permits[j], &at) < 0)
				return -1;
			rules[n_rules++] =
				(struct policy_rule){ &m.sources[at], &targets[i],
						      permits[j].services, permits[j].n_services };
		}
	}
	ret->sources = m.sources;
	ret->n_sources = m.n_sources;
	ret->rules = rules;
	ret->n_rules = n_rules;
	return 0;
}

static bool party_equal(const struct party *a, const struct party *b)
{
	size_t i;

	if (strcmp(a->name, b->name) != 0 || a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (prefix_cmp(&a->prefixes[i], &b->prefixes[i]))
			return false;
	return true;
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	size_t i;

	if (a->guarded != b->guarded || a->n_rules != b->n_rules || a->n_sources != b->n_sources)
		return false;
	if (a->n_behind != b->n_behind || (a->guarded && !party_equal(&a->clients, &b->clients)))
		return false;
	for (i = 0; i < a->n_behind; i++)
		if (prefix_cmp(&a->behind[i], &b->behind[i]))
			return false;
	for (i = 0; i < a->n_sources; i++)
		if (!party_equal(&a->sources[i], &b->sources[i]))
			return false;
	for (i = 0; i < a->n_rules; i++) {
		const struct policy_rule *x = &a->rules[i], *y = &b->rules[i];

		if (x->from - a->sources != y->from - b->sources || !party_equal(x->to, y->to) ||
		    !services_equal(x->services, x->n_services, y->services, y->n_services))
			return false;
	}
	return true;
}
