/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach_impl.h"

#include "common/bits.h"

/* What a name of the policy means. */
struct reach_meaning {
	enum {
		MEANS_NOBODY,
		MEANS_OUTSIDE,
		MEANS_PREFIX,
		MEANS_NODES, /* every one */
		MEANS_CLIENTS,
		MEANS_ONE, /* the node or client of that name */
		MEANS_GROUP,
	} kind;
	struct prefix prefix;
	const struct prefix *without; /* what is not meant of it */
	size_t n_without;
	const struct group *group;
};

static struct reach_meaning meaning_of(const struct network *n, const char *name)
{
	struct reach_meaning m = { .kind = MEANS_NOBODY };

	if (target_is_prefix(name, &m.prefix)) {
		m.kind = target_is_outside(name) ? MEANS_OUTSIDE : MEANS_PREFIX;
	} else if (!strcmp(name, GROUP_ALL)) {
		m.kind = MEANS_NODES;
	} else if (!strcmp(name, GROUP_CLIENTS)) {
		m.kind = MEANS_CLIENTS;
	} else if (!target_is_group(name)) {
		m.kind = MEANS_ONE;
	} else {
		m.group = network_group(n, name);
		m.kind = m.group ? MEANS_GROUP : MEANS_NOBODY;
	}
	return m;
}

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int classes_init(struct reach *r, struct reach_classes *c, bool to)
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
	c->meanings = arena_array(&r->arena, kept, sizeof(*c->meanings));
	if (!c->meanings)
		return -1;
	for (i = 0; i < kept; i++)
		c->meanings[i] = meaning_of(n, names[i]);
	for (i = 0; i < n->n_permits; i++) {
		const struct permit *p = &n->permits[i];
		const char **name =
			bsearch(to ? &p->to : &p->from, names, kept, sizeof(*names), cmp_names);

		c->meanings[name - names].without = to ? p->not_to : p->not_from;
		c->meanings[name - names].n_without = to ? p->n_not_to : p->n_not_from;
	}
	c->words = BITS_WORDS(kept + 1);
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

int reach_policy_init(struct reach *r)
{
	uint32_t id;

	for (id = 0; id < r->w.n; id++)
		r->guarded |= r->side->nodes[id] && r->side->nodes[id]->flags & NODE_GUARDED;
	return classes_init(r, &r->from, false) < 0 || classes_init(r, &r->to, true) < 0 ?
		       -1 :
		       index_permits(r);
}

static bool in_some(const struct prefix *list, size_t n, const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (prefix_contains_addr(&list[i], a))
			return true;
	return false;
}

/* Whether the policy means this address of the end by a name. */
static bool means(const struct reach *r, const struct reach_meaning *m, const char *name,
		  const struct reach_end *e, const struct ipaddr *a)
{
	bool own = e->kind == REACH_NODE ||
		   (e->kind == REACH_BEHIND && reach_has_address(r, e->id, a));
	const struct record *rec = own ? r->side->records[e->id] : NULL;

	switch (m->kind) {
	case MEANS_NOBODY:
		return false;
	case MEANS_OUTSIDE:
		return e->kind == REACH_OUTSIDE && m->prefix.family == a->family;
	case MEANS_PREFIX:
		return e->kind != REACH_OUTSIDE && prefix_contains_addr(&m->prefix, a) &&
		       !in_some(m->without, m->n_without, a);
	case MEANS_NODES:
		return rec && !rec->gateway;
	case MEANS_CLIENTS:
		return rec && rec->gateway;
	case MEANS_ONE:
		return rec && !strcmp(name, rec->name);
	case MEANS_GROUP:
		return rec && group_has(m->group, rec->name);
	}
	return false;
}

static int class_find(struct reach *r, struct reach_classes *c, const uint64_t *bits, uint32_t *ret)
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

static int class_make(struct reach *r, struct reach_classes *c, const struct reach_end *e,
		      const struct ipaddr *a, uint32_t *ret)
{
	uint64_t *bits = calloc(c->words, sizeof(*bits));
	size_t i;
	int rc;

	if (!bits)
		return -1;
	for (i = 0; i < c->n_names; i++)
		if (means(r, &c->meanings[i], c->names[i], e, a))
			bits_set(bits, i);
	rc = class_find(r, c, bits, ret);
	free(bits);
	return rc;
}

/* The class of an end's i-th address. */
static int class_of(struct reach *r, struct reach_classes *c, const struct reach_end *e, size_t i,
		    uint32_t *ret)
{
	uint32_t *known;

	if (e->kind != REACH_NODE)
		return class_make(r, c, e, &e->address, ret);
	known = &c->of[r->first_address[e->id] + i];
	if (!*known) {
		if (class_make(r, c, e, &r->side->records[e->id]->addresses[i], ret) < 0)
			return -1;
		*known = *ret + 1;
	}
	*ret = *known - 1;
	return 0;
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
		if (!bits_has(to_bits, name))
			continue;
		for (i = r->first_permit[name]; i < r->first_permit[name + 1]; i++) {
			const struct permit *p = &r->net->permits[i];

			for (j = 0; bits_has(from_bits, r->from_name[i]) && j < p->n_services; j++)
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
	copy = realloc(r->on, n * sizeof(*copy));
	if (!copy)
		return -1;
	memcpy(copy, on, n * sizeof(*copy));
	r->on = copy;
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
	const struct ipaddr *list;
	size_t n, i = 0;

	list = reach_addresses(r, e, &n);
	while (family && i < n && list[i].family != family)
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

int reach_policy(struct reach *r, const struct reach_end *from, const struct reach_end *to,
		 const struct service *on, size_t n, enum reach_answer *ret)
{
	size_t na, nb, i, j, pairs = 0, full = 0, empty = 0;
	const struct ipaddr *as = reach_addresses(r, from, &na), *bs = reach_addresses(r, to, &nb);

	*ret = REACH_ALL;
	if (!r->guarded)
		return 0;
	if (ask_for(r, on, n) < 0)
		return -1;
	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++) {
			uint32_t a, b;
			uint8_t *known;

			if (as[i].family != bs[j].family)
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
