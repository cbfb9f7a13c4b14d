/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/relay_impl.h"

#include "common/bits.h"
#include "reconciler/group_name.h"

/* The names of a class's relays are spelt out in the names of groups up to here. */
#define MAX_SPELT 100

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct relay_group *)a)->name, ((const struct relay_group *)b)->name);
}

struct relay_group *relay_group(const struct relays *r, const char *name)
{
	struct relay_group key = { .name = name };

	return bsearch(&key, r->work->groups, r->work->n_groups, sizeof(key), cmp_groups);
}

static void init_group(struct relays *r, const char *name, const char *const *names, size_t n,
		       struct relay_group *g)
{
	uint32_t *members = relay_get(r, n, sizeof(*members));
	size_t i, at;

	g->relays = relay_get(r, r->words, sizeof(*g->relays));
	if (!members || !g->relays)
		return;
	g->name = name;
	g->n = n;
	for (i = 0; i < n; i++) {
		members[i] = names ? relay_node(r, names[i]) : (uint32_t)i;
		at = relay_find(r->list, r->n, members[i]);
		if (at < r->n)
			bits_set(g->relays, at);
	}
	g->members = members;
}

void relay_groups_init(struct relays *r, const struct group *groups, size_t n)
{
	struct relay_work *w = r->work;
	size_t i;

	w->groups = relay_get(r, n + 1, sizeof(*w->groups));
	for (i = 0; i < n && !w->nomem; i++)
		init_group(r, groups[i].name, groups[i].members, groups[i].n_members,
			   &w->groups[i]);
	if (!w->nomem)
		init_group(r, GROUP_ALL, NULL, r->m->n_nodes, &w->groups[n]);
	if (w->nomem)
		return;
	w->n_groups = n + 1;
	qsort(w->groups, w->n_groups, sizeof(*w->groups), cmp_groups);
}

static void add_to_part(struct relay_part *p, uint32_t node, uint8_t bucket)
{
	if (!p->n++)
		p->first = node;
	p->in_bucket[bucket]++;
}

/* By class. The scratch of numbers is left as it was found. */
static void cut(struct relays *r, struct relay_group *g)
{
	struct relay_work *w = r->work;
	size_t i, max = w->n_classes + 1 < g->n ? w->n_classes + 1 : g->n;

	if (g->cut)
		return;
	g->parts = relay_get(r, max, sizeof(*g->parts));
	if (!g->parts)
		return;
	g->cut = true;
	for (i = 0; i < g->n; i++) {
		uint32_t node = g->members[i], class = w->class_of[node];
		uint32_t *at = &w->part_of[class == NO_CLASS ? w->n_classes : class];

		if (viewpoints_open(r->views, node)) {
			g->n_open++;
			continue;
		}
		if (!*at) {
			g->parts[g->n_parts].class = class;
			*at = (uint32_t)++g->n_parts;
		}
		add_to_part(&g->parts[*at - 1], node, w->bucket_of[node]);
	}
	for (i = 0; i < g->n_parts; i++)
		w->part_of[g->parts[i].class == NO_CLASS ? w->n_classes : g->parts[i].class] = 0;
}

bool relay_group_has(const struct relay_group *g, uint32_t node)
{
	return relay_find(g->members, g->n, node) < g->n;
}

static struct relay_part *part_of(const struct relay_group *g, uint32_t class)
{
	size_t i;

	for (i = 0; i < g->n_parts; i++)
		if (g->parts[i].class == class)
			return &g->parts[i];
	return NULL;
}

/* Whom of a group the stance at hand meets. */
static void find_near(struct relays *r, struct relay_group *g)
{
	struct relay_work *w = r->work;
	struct view_set near;
	size_t i;

	if (g->near_of == w->stance + 1)
		return;
	if (viewpoints_near(r->views, w->stance, &near) < 0) {
		w->nomem = true;
		return;
	}
	if (g->cap_near < near.n) {
		g->near = relay_get(r, near.n, sizeof(*g->near));
		g->cap_near = g->near ? near.n : 0;
		if (!g->near)
			return;
	}
	g->near_of = w->stance + 1;
	g->near_name = NULL;
	g->n_near = 0;
	for (i = 0; i < g->n_parts; i++) {
		g->parts[i].n_near = 0;
		memset(g->parts[i].near_in, 0, sizeof(g->parts[i].near_in));
	}
	for (i = 0; i < near.n; i++) {
		struct relay_part *p;

		if (!relay_group_has(g, near.v[i]))
			continue;
		g->near[g->n_near++] = near.v[i];
		p = part_of(g, w->class_of[near.v[i]]);
		if (p) {
			p->n_near++;
			p->near_in[w->bucket_of[near.v[i]]]++;
		}
	}
}

void relay_group_cut(struct relays *r, struct relay_group *g)
{
	cut(r, g);
	find_near(r, g);
}

/* What the names of a class's groups end in: "#via!ams1!fra1#in.eu". */
static void add_suffix(const struct relays *r, uint32_t class, struct buf *b)
{
	const struct relay_class *c = &r->work->classes[class];
	size_t i;

	buf_adds(b, "#via");
	for (i = 0; i < r->n; i++) {
		if (!bits_has(relay_set(r, c->set), i))
			continue;
		buf_addc(b, '!');
		buf_adds(b, r->m->nodes[r->list[i]].name);
	}
	if (c->region) {
		buf_adds(b, "#in.");
		buf_adds(b, r->work->regions[c->region - 1]);
	}
}

static const char *bounded(struct relays *r, struct buf *b, size_t max)
{
	const char *s = group_name_bounded(r->arena, b, max);

	r->work->nomem |= !s;
	buf_release(b);
	return s;
}

static const char *suffix_of(struct relays *r, uint32_t class)
{
	struct relay_work *w = r->work;
	struct buf b;

	if (w->suffixes[class])
		return w->suffixes[class];
	buf_init(&b, SIZE_MAX / 2);
	add_suffix(r, class, &b);
	w->suffixes[class] = bounded(r, &b, MAX_SPELT);
	return w->suffixes[class];
}

static const char *part_name(struct relays *r, const struct relay_group *g, const char *suffix,
			     const char *bucket)
{
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	buf_adds(&b, g->name);
	buf_adds(&b, suffix);
	buf_adds(&b, bucket);
	return bounded(r, &b, MAX_GROUP_NAME);
}

/* A name says that the group is used. */
const char *relay_group_open(struct relays *r, struct relay_group *g)
{
	if (!g->open)
		g->open = part_name(r, g, "#endpoint", "");
	return g->open;
}

const char *relay_part_whole(struct relays *r, const struct relay_group *g, struct relay_part *p)
{
	const char *suffix = p->class == NO_CLASS ? "#alone" : suffix_of(r, p->class);

	if (!p->whole && suffix)
		p->whole = part_name(r, g, suffix, "");
	return p->whole;
}

const char *relay_part_bucket(struct relays *r, const struct relay_group *g, struct relay_part *p,
			      uint8_t b)
{
	char bucket[] = { '#', (char)('0' + b), 0 };
	const char *suffix = suffix_of(r, p->class);

	if (!p->bucket[b] && suffix)
		p->bucket[b] = part_name(r, g, suffix, bucket);
	return p->bucket[b];
}

static void put_group(struct relays *r, const char *name, const char **members, size_t n)
{
	struct relay_work *w = r->work;
	struct group *groups = arena_grow(r->arena, w->made, w->n_made, sizeof(*groups));

	if (!groups) {
		w->nomem = true;
		return;
	}
	w->made = groups;
	groups[w->n_made++] = (struct group){ name, members, n };
}

/* "G#at!tag:office#from!tag:office": those of G that a node meets which has an endpoint there and
 * looks from there. Stances come one after another, so each makes its group once. */
const char *relay_group_near(struct relays *r, struct relay_group *g)
{
	const char **members;
	struct buf b;
	size_t i;

	if (g->near_name)
		return g->near_name;
	buf_init(&b, SIZE_MAX / 2);
	buf_adds(&b, g->name);
	viewpoints_put_stance(r->views, r->work->stance, &b);
	g->near_name = bounded(r, &b, MAX_GROUP_NAME);
	members = relay_get(r, g->n_near, sizeof(*members));
	if (!members || !g->near_name)
		return NULL;
	for (i = 0; i < g->n_near; i++)
		members[i] = r->m->nodes[g->near[i]].name;
	put_group(r, g->near_name, members, g->n_near);
	return g->near_name;
}

/* Which members of a group another one has. */
struct choice {
	bool all, open; /* else those that are neither open nor of another class and bucket */
	uint32_t class;
	int bucket; /* -1: any */
};

static bool chosen(const struct relays *r, const struct choice *c, uint32_t node)
{
	const struct relay_work *w = r->work;
	bool open = viewpoints_open(r->views, node);

	if (c->all || c->open)
		return c->all || open;
	return !open && w->class_of[node] == c->class &&
	       (c->bucket < 0 || w->bucket_of[node] == c->bucket);
}

/* `n`: how many there are. */
static void put_chosen(struct relays *r, const struct relay_group *g, const char *name, size_t n,
		       struct choice c)
{
	const char **members = relay_get(r, n, sizeof(*members));
	size_t i, k = 0;

	if (!members)
		return;
	for (i = 0; i < g->n; i++)
		if (chosen(r, &c, g->members[i]))
			members[k++] = r->m->nodes[g->members[i]].name;
	put_group(r, name, members, k);
}

static void put_parts(struct relays *r, const struct relay_group *g)
{
	size_t i;
	int b;

	if (g->open)
		put_chosen(r, g, g->open, g->n_open, (struct choice){ .open = true });
	for (i = 0; i < g->n_parts; i++) {
		const struct relay_part *p = &g->parts[i];

		if (p->whole)
			put_chosen(r, g, p->whole, p->n,
				   (struct choice){ .class = p->class, .bucket = -1 });
		for (b = 0; b < RELAY_BUCKETS; b++)
			if (p->bucket[b])
				put_chosen(r, g, p->bucket[b], p->in_bucket[b],
					   (struct choice){ .class = p->class, .bucket = b });
	}
}

static void mark_used(struct relays *r, const struct link_set *links)
{
	size_t i;

	for (i = 0; i < links->n; i++) {
		const char *name = links->list[i].target;
		struct relay_group *g = name && target_is_group(name) ? relay_group(r, name) : NULL;

		if (g)
			g->used = true;
	}
}

void relay_groups_make(struct relays *r, const struct link_set *links)
{
	struct relay_work *w = r->work;
	size_t i;

	for (i = 0; i < r->m->n_nodes; i++)
		mark_used(r, &links[i]);
	for (i = 0; i < w->n_groups && !w->nomem; i++) {
		const struct relay_group *g = &w->groups[i];

		if (g->used && strcmp(g->name, GROUP_ALL) != 0)
			put_chosen(r, g, g->name, g->n, (struct choice){ .all = true });
		put_parts(r, g);
	}
}
