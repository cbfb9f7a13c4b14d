/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/relay.h"

#include "common/buf.h"
#include "common/hash.h"

#define NO_CLASS UINT32_MAX
/* The names of a class's relays are spelt out in the names of groups up to here. */
#define MAX_SPELT 100
#define GOLDEN 0x9e3779b97f4a7c15u

/* Nodes that are not open and have the same choice of relays. */
struct relay_class {
	uint32_t set, region;
};

/* The members of a group that are of one class; NO_CLASS: those that no relay is joined with. */
struct part {
	uint32_t class;
	size_t n, in_bucket[RELAY_BUCKETS];
	uint32_t first, first_in[RELAY_BUCKETS]; /* the member of the lowest index */
	const char *whole, *bucket[RELAY_BUCKETS]; /* names of groups, once they are used */
	/* Of these, those that the stance at hand meets. */
	size_t n_near, near_in[RELAY_BUCKETS];
};

/* A group that links name, and what it is cut into when one of them is rewritten. */
struct target {
	const char *name;
	const uint32_t *members;
	size_t n;
	uint64_t *relays; /* which of its members can be relays */
	bool split;
	bool used; /* as it is, when all links are rewritten */
	const char *reachable; /* the group of members that are open, once it is used */
	size_t n_reachable;
	/* Its members that are not open and that nodes of one stance meet, of which the group is
	 * made once it is used. */
	uint32_t near_of; /* the stance plus one; 0: none yet */
	uint32_t *near;
	size_t n_near, cap_near;
	const char *near_name;
	struct part *parts;
	size_t n_parts;
};

struct relay_work {
	struct target *targets; /* sorted by name */
	size_t n_targets;
	uint64_t *hash; /* of each relay */
	uint32_t *relay_region;
	const char **regions; /* of relays; region i is regions[i - 1], 0 is any other and none */
	size_t n_regions;
	uint32_t *region_of; /* by node */
	uint8_t *bucket_of;
	uint32_t *class_of; /* by node; NO_CLASS: it has an endpoint, or is joined with no relay */
	struct relay_class *classes;
	size_t n_classes;
	uint32_t *slots; /* hash table of sets: index plus one */
	size_t n_slots;
	/* The relays that the class at hand has in common with others, made when first needed. */
	struct candidates *with; /* by class */
	uint32_t at_hand; /* the class */
	uint32_t stance; /* at hand */
	uint32_t round; /* counts classes and stances at hand, from one */
	uint32_t *pool;
	size_t n_pool, cap_pool;
	uint32_t *part_of; /* by class: scratch of split */
	const char **suffixes; /* by class, once they are made */
	struct group *groups;
	size_t n_groups;
	bool nomem;
};

struct candidates {
	uint32_t made_in; /* the round; 0: not made */
	size_t from, n; /* in the pool: places in the list of relays */
};

static void *get(struct relays *r, size_t n, size_t size)
{
	void *p = arena_array(r->arena, n, size);

	if (!p)
		r->work->nomem = true;
	return p;
}

static bool reachable(const struct relays *r, size_t node)
{
	return viewpoints_open(r->views, node);
}

static bool can_be_relay(const struct relays *r, size_t node)
{
	return r->m->nodes[node].relay && viewpoints_seen(r->views, node);
}

/* Targets. */

static int cmp_targets(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->name, ((const struct target *)b)->name);
}

static struct target *find_target(const struct relays *r, const char *name)
{
	struct target key = { .name = name };

	return bsearch(&key, r->work->targets, r->work->n_targets, sizeof(key), cmp_targets);
}

/* Only what links name. */
static size_t node_index(const struct relays *r, const char *name)
{
	return (size_t)(m_network_node(r->m, name) - r->m->nodes);
}

/* The place of a node in the list of relays, or r->n. */
static size_t relay_index(const struct relays *r, uint32_t node)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->list[mid] == node)
			return mid;
		if (r->list[mid] < node)
			low = mid + 1;
		else
			high = mid;
	}
	return r->n;
}

static void set_bit(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool has_bit(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static void make_target(struct relays *r, struct target *t, const struct group *g)
{
	uint32_t *members = get(r, g ? g->n_members : r->m->n_nodes, sizeof(*members));
	size_t i, at;

	t->relays = get(r, r->words, sizeof(*t->relays));
	if (!members || !t->relays)
		return;
	t->name = g ? g->name : GROUP_ALL;
	t->n = g ? g->n_members : r->m->n_nodes;
	for (i = 0; i < t->n; i++) {
		members[i] = g ? (uint32_t)node_index(r, g->members[i]) : (uint32_t)i;
		at = relay_index(r, members[i]);
		if (at < r->n)
			set_bit(t->relays, at);
	}
	t->members = members;
}

static void make_targets(struct relays *r, const struct group *groups, size_t n)
{
	struct relay_work *w = r->work;
	size_t i;

	w->targets = get(r, n + 1, sizeof(*w->targets));
	for (i = 0; i <= n && !w->nomem; i++)
		make_target(r, &w->targets[i], i ? &groups[i - 1] : NULL);
	if (w->nomem)
		return;
	w->n_targets = n + 1;
	qsort(w->targets, w->n_targets, sizeof(*w->targets), cmp_targets);
}

/* Who can be a relay, and what the choice depends on. */

static uint64_t name_hash(const char *name)
{
	struct digest d;
	uint64_t h = 0;
	size_t i;

	digest_of(name, strlen(name), &d);
	for (i = 0; i < 8; i++)
		h = h << 8 | d.b[i];
	return h;
}

static int cmp_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A region without a relay is as good as none. */
static uint32_t region_number(const struct relay_work *w, const char *name)
{
	const char **at = NULL;

	if (name && w->n_regions)
		at = bsearch(&name, w->regions, w->n_regions, sizeof(*w->regions), cmp_texts);
	return at ? (uint32_t)(at - w->regions) + 1 : 0;
}

static void make_regions(struct relays *r)
{
	struct relay_work *w = r->work;
	size_t i, n = 0;

	w->regions = get(r, r->n, sizeof(*w->regions));
	w->relay_region = get(r, r->n, sizeof(*w->relay_region));
	w->region_of = get(r, r->m->n_nodes, sizeof(*w->region_of));
	if (w->nomem)
		return;
	for (i = 0; i < r->n; i++)
		if (r->m->nodes[r->list[i]].region.s)
			w->regions[n++] = r->m->nodes[r->list[i]].region.s;
	if (n > 1)
		qsort(w->regions, n, sizeof(*w->regions), cmp_texts);
	for (i = 0; i < n; i++)
		if (!w->n_regions || strcmp(w->regions[w->n_regions - 1], w->regions[i]) != 0)
			w->regions[w->n_regions++] = w->regions[i];
	for (i = 0; i < r->m->n_nodes; i++)
		w->region_of[i] = region_number(w, r->m->nodes[i].region.s);
	for (i = 0; i < r->n; i++)
		w->relay_region[i] = w->region_of[r->list[i]];
}

static void find_relays(struct relays *r)
{
	struct relay_work *w = r->work;
	size_t i, n = 0;

	for (i = 0; i < r->m->n_nodes; i++)
		n += can_be_relay(r, i);
	r->words = (n + 63) / 64;
	r->list = get(r, n, sizeof(*r->list));
	w->hash = get(r, n, sizeof(*w->hash));
	w->bucket_of = get(r, r->m->n_nodes, sizeof(*w->bucket_of));
	if (w->nomem)
		return;
	for (i = 0; i < r->m->n_nodes; i++) {
		const char *name = r->m->nodes[i].name;

		if (can_be_relay(r, i)) {
			w->hash[r->n] = name_hash(name);
			r->list[r->n++] = (uint32_t)i;
		}
		if (n && !reachable(r, i))
			w->bucket_of[i] = (uint8_t)((name_hash(name) >> 56) % RELAY_BUCKETS);
	}
	make_regions(r);
}

/* Sets and classes. */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static const uint64_t *set_at(const struct relays *r, uint32_t set)
{
	return r->sets + set * r->words;
}

/* The number of this set, which is made when it is new. */
static uint32_t set_number(struct relays *r, const uint64_t *set)
{
	struct relay_work *w = r->work;
	uint64_t h = 0;
	size_t i, at;

	for (i = 0; i < r->words; i++)
		h = mix(h ^ set[i]);
	for (at = h & (w->n_slots - 1); w->slots[at]; at = (at + 1) & (w->n_slots - 1))
		if (!memcmp(set_at(r, w->slots[at] - 1), set, r->words * sizeof(*set)))
			return w->slots[at] - 1;
	if (!(r->n_sets & (r->n_sets - 1))) {
		uint64_t *sets = get(r, 2 * r->n_sets * r->words + r->words, sizeof(*sets));

		if (!sets)
			return 0;
		if (r->n_sets)
			memcpy(sets, r->sets, r->n_sets * r->words * sizeof(*sets));
		r->sets = sets;
	}
	memcpy(r->sets + r->n_sets * r->words, set, r->words * sizeof(*set));
	w->slots[at] = (uint32_t)++r->n_sets;
	return (uint32_t)r->n_sets - 1;
}

/* The relays that a node is joined with and meets. */
static void collect_set(const struct relays *r, uint32_t node, const struct link_set *links,
			uint64_t *set)
{
	size_t i, j;

	memset(set, 0, r->words * sizeof(*set));
	for (i = 0; i < links->n && links->list[i].kind == LINK_DIRECT; i++) {
		const char *name = links->list[i].target;

		if (target_is_group(name)) {
			const struct target *t = find_target(r, name);

			for (j = 0; j < r->words; j++)
				set[j] |= t->relays[j];
		} else {
			j = relay_index(r, (uint32_t)node_index(r, name));
			if (j < r->n)
				set_bit(set, j);
		}
	}
	for (i = 0; i < r->n; i++)
		if (!reachable(r, r->list[i]) &&
		    (r->list[i] == node || !viewpoints_meet(r->views, node, r->list[i])))
			set[i / 64] &= ~((uint64_t)1 << (i % 64));
}

static void make_sets(struct relays *r, const struct link_set *links)
{
	struct relay_work *w = r->work;
	uint64_t *set = get(r, r->words, sizeof(*set));
	size_t i;

	for (w->n_slots = 16; w->n_slots < 2 * r->m->n_nodes;)
		w->n_slots *= 2;
	w->slots = get(r, w->n_slots, sizeof(*w->slots));
	if (w->nomem)
		return;
	memset(set, 0, r->words * sizeof(*set));
	set_number(r, set);
	for (i = 0; i < r->m->n_nodes && !w->nomem; i++) {
		if (reachable(r, i))
			continue;
		collect_set(r, (uint32_t)i, &links[i], set);
		r->set_of[i] = set_number(r, set);
	}
}

static void make_classes(struct relays *r)
{
	struct relay_work *w = r->work;
	/* By set and region, a class's number plus one. */
	uint32_t *number = get(r, r->n_sets * (w->n_regions + 1), sizeof(*number));
	size_t i;

	w->class_of = get(r, r->m->n_nodes, sizeof(*w->class_of));
	w->classes = get(r, r->m->n_nodes, sizeof(*w->classes));
	if (w->nomem)
		return;
	for (i = 0; i < r->m->n_nodes; i++) {
		uint32_t set = r->set_of[i], region = w->region_of[i];
		uint32_t *at = &number[set * (w->n_regions + 1) + region];

		w->class_of[i] = NO_CLASS;
		if (!set)
			continue;
		if (!*at) {
			w->classes[w->n_classes] = (struct relay_class){ set, region };
			*at = (uint32_t)++w->n_classes;
		}
		w->class_of[i] = *at - 1;
	}
}

int relays_find(const struct m_network *m, struct viewpoints *views, const struct link_set *links,
		const struct group *groups, size_t n_groups, struct arena *a, struct relays *ret)
{
	*ret = (struct relays){ .m = m, .views = views, .arena = a };
	ret->work = arena_alloc(a, sizeof(*ret->work));
	if (!ret->work)
		return -1;
	ret->set_of = get(ret, m->n_nodes, sizeof(*ret->set_of));
	find_relays(ret);
	if (ret->work->nomem)
		return -1;
	if (!ret->n) {
		ret->n_sets = 1;
		return 0;
	}
	make_targets(ret, groups, n_groups);
	if (!ret->work->nomem)
		make_sets(ret, links);
	if (!ret->work->nomem)
		make_classes(ret);
	return ret->work->nomem ? -1 : 0;
}

bool relays_meet(const struct relays *r, uint32_t set_a, uint32_t set_b)
{
	size_t i;

	for (i = 0; i < r->words; i++)
		if (set_at(r, set_a)[i] & set_at(r, set_b)[i])
			return true;
	return false;
}

/* The choice. */

static void pool_add(struct relays *r, uint32_t relay)
{
	struct relay_work *w = r->work;

	if (w->n_pool == w->cap_pool) {
		size_t cap = w->cap_pool ? 2 * w->cap_pool : 64;
		uint32_t *pool = get(r, cap, sizeof(*pool));

		if (!pool)
			return;
		if (w->n_pool)
			memcpy(pool, w->pool, w->n_pool * sizeof(*pool));
		w->pool = pool;
		w->cap_pool = cap;
	}
	w->pool[w->n_pool++] = relay;
}

/* Adds the relays that two classes have in common to the pool, reduced to the preferred ones. */
static void add_candidates(struct relays *r, uint32_t a, uint32_t b)
{
	struct relay_work *w = r->work;
	const struct relay_class *ca = &w->classes[a], *cb = &w->classes[b];
	size_t i, from = w->n_pool;
	bool near = false;

	for (i = 0; i < r->words; i++) {
		uint64_t both = set_at(r, ca->set)[i] & set_at(r, cb->set)[i];

		for (; both; both &= both - 1) {
			uint32_t relay = (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(both);
			uint32_t region = w->relay_region[relay];
			bool preferred = region && (region == ca->region || region == cb->region);

			if (near && !preferred)
				continue;
			if (preferred && !near)
				w->n_pool = from;
			near |= preferred;
			pool_add(r, relay);
		}
	}
}

static const struct candidates *candidates_with(struct relays *r, uint32_t class)
{
	struct relay_work *w = r->work;
	struct candidates *c = &w->with[class];

	if (c->made_in != w->round) {
		c->made_in = w->round;
		c->from = w->n_pool;
		add_candidates(r, w->at_hand, class);
		c->n = w->n_pool - c->from;
	}
	return c;
}

/* The one of the candidates (at least one) for a pair of these buckets; a place in the list. */
static uint32_t choose(const struct relays *r, const struct candidates *c, uint8_t a, uint8_t b)
{
	const struct relay_work *w = r->work;
	uint64_t x = a < b ? a : b, y = a < b ? b : a, best = 0;
	uint32_t ret = w->pool[c->from];
	size_t i;

	for (i = 0; i < c->n; i++) {
		uint32_t relay = w->pool[c->from + i];
		uint64_t weight = mix(w->hash[relay] + (RELAY_BUCKETS * x + y + 1) * GOLDEN);

		if (weight > best) {
			best = weight;
			ret = relay;
		}
	}
	return ret;
}

const struct m_node *relays_between(struct relays *r, size_t a, size_t b)
{
	struct relay_work *w = r->work;
	struct candidates c = { 0 };

	if (!r->n || viewpoints_meet(r->views, a, b) || w->class_of[a] == NO_CLASS ||
	    w->class_of[b] == NO_CLASS)
		return NULL;
	c.from = w->n_pool;
	add_candidates(r, w->class_of[a], w->class_of[b]);
	c.n = w->n_pool - c.from;
	w->n_pool = c.from;
	if (!c.n || w->nomem)
		return NULL;
	return &r->m->nodes[r->list[choose(r, &c, w->bucket_of[a], w->bucket_of[b])]];
}

/* Parts of groups. */

static void add_to_part(struct part *p, uint32_t node, uint8_t bucket)
{
	if (!p->n++)
		p->first = node;
	if (!p->in_bucket[bucket]++)
		p->first_in[bucket] = node;
}

/* Cuts a group by class. The scratch of numbers is left as it was found. */
static void split(struct relays *r, struct target *t)
{
	struct relay_work *w = r->work;
	size_t i, max = w->n_classes + 1 < t->n ? w->n_classes + 1 : t->n;

	if (t->split)
		return;
	t->parts = get(r, max, sizeof(*t->parts));
	if (!t->parts)
		return;
	t->split = true;
	for (i = 0; i < t->n; i++) {
		uint32_t node = t->members[i], class = w->class_of[node];
		uint32_t *at = &w->part_of[class == NO_CLASS ? w->n_classes : class];

		if (reachable(r, node)) {
			t->n_reachable++;
			continue;
		}
		if (!*at) {
			t->parts[t->n_parts].class = class;
			*at = (uint32_t)++t->n_parts;
		}
		add_to_part(&t->parts[*at - 1], node, w->bucket_of[node]);
	}
	for (i = 0; i < t->n_parts; i++)
		w->part_of[t->parts[i].class == NO_CLASS ? w->n_classes : t->parts[i].class] = 0;
}

static struct part *part_of(const struct target *t, uint32_t class)
{
	size_t i;

	for (i = 0; i < t->n_parts; i++)
		if (t->parts[i].class == class)
			return &t->parts[i];
	return NULL;
}

static bool is_member(const struct target *t, uint32_t node)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->members[mid] == node)
			return true;
		if (t->members[mid] < node)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Whom of a group the stance at hand meets. */
static void find_near(struct relays *r, struct target *t)
{
	struct relay_work *w = r->work;
	struct view_set near;
	size_t i;

	if (t->near_of == w->stance + 1)
		return;
	if (viewpoints_near(r->views, w->stance, &near) < 0) {
		w->nomem = true;
		return;
	}
	if (t->cap_near < near.n) {
		t->near = get(r, near.n, sizeof(*t->near));
		t->cap_near = t->near ? near.n : 0;
		if (!t->near)
			return;
	}
	t->near_of = w->stance + 1;
	t->near_name = NULL;
	t->n_near = 0;
	for (i = 0; i < t->n_parts; i++) {
		t->parts[i].n_near = 0;
		memset(t->parts[i].near_in, 0, sizeof(t->parts[i].near_in));
	}
	for (i = 0; i < near.n; i++) {
		struct part *p;

		if (!is_member(t, near.v[i]))
			continue;
		t->near[t->n_near++] = near.v[i];
		p = part_of(t, w->class_of[near.v[i]]);
		if (p) {
			p->n_near++;
			p->near_in[w->bucket_of[near.v[i]]]++;
		}
	}
}

/* A copy of the text, or of its begin with a hash of the whole where it is longer than `max`. */
static const char *bounded(struct relays *r, const struct buf *b, size_t max)
{
	struct digest digest;
	char hex[DIGEST_STRLEN], *s;

	if (!buf_ok(b)) {
		r->work->nomem = true;
		return NULL;
	}
	s = get(r, b->len + sizeof(hex) + 3, 1);
	if (!s)
		return NULL;
	memcpy(s, b->data, b->len + 1);
	if (b->len <= max)
		return s;
	digest_of(b->data, b->len, &digest);
	snprintf(s + max - 35, sizeof(hex) + 3, "!#%.32s", digest_print(&digest, hex));
	return s;
}

/* What the names of a class's groups end in: "#via!ams1!fra1#in.eu". */
static void add_suffix(const struct relays *r, uint32_t class, struct buf *b)
{
	const struct relay_class *c = &r->work->classes[class];
	size_t i;

	buf_adds(b, "#via");
	for (i = 0; i < r->n; i++) {
		if (!has_bit(set_at(r, c->set), i))
			continue;
		buf_addc(b, '!');
		buf_adds(b, r->m->nodes[r->list[i]].name);
	}
	if (c->region) {
		buf_adds(b, "#in.");
		buf_adds(b, r->work->regions[c->region - 1]);
	}
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
	buf_release(&b);
	return w->suffixes[class];
}

static const char *part_name(struct relays *r, const struct target *t, const char *suffix,
			     const char *bucket)
{
	const char *s;
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	buf_adds(&b, t->name);
	buf_adds(&b, suffix);
	buf_adds(&b, bucket);
	s = bounded(r, &b, MAX_GROUP_NAME);
	buf_release(&b);
	return s;
}

/* The names of parts are made when a link first needs them: a name says that the group is used. */
static const char *use_reachable(struct relays *r, struct target *t)
{
	if (!t->reachable)
		t->reachable = part_name(r, t, "#endpoint", "");
	return t->reachable;
}

static const char *use_whole(struct relays *r, const struct target *t, struct part *p)
{
	const char *suffix = p->class == NO_CLASS ? "#alone" : suffix_of(r, p->class);

	if (!p->whole && suffix)
		p->whole = part_name(r, t, suffix, "");
	return p->whole;
}

static const char *use_bucket(struct relays *r, const struct target *t, struct part *p, uint8_t b)
{
	char bucket[] = { '#', (char)('0' + b), 0 };
	const char *suffix = suffix_of(r, p->class);

	if (!p->bucket[b] && suffix)
		p->bucket[b] = part_name(r, t, suffix, bucket);
	return p->bucket[b];
}

static void emit_group(struct relays *r, const char *name, const char **members, size_t n)
{
	struct relay_work *w = r->work;
	struct group *groups = arena_grow(r->arena, w->groups, w->n_groups, sizeof(*groups));

	if (!groups) {
		w->nomem = true;
		return;
	}
	w->groups = groups;
	groups[w->n_groups++] = (struct group){ name, members, n };
}

static void add_views(const struct relays *r, const char *word, const struct view_set *s,
		      struct buf *b)
{
	size_t i;

	if (s->n)
		buf_adds(b, word);
	for (i = 0; i < s->n; i++) {
		buf_addc(b, '!');
		buf_adds(b, r->views->names[s->v[i]]);
	}
}

/* "G#at!tag:office#from!tag:office": those of G that a node meets which has an endpoint there and
 * looks from there. Stances come one after another, so each makes its group once. */
static const char *use_near(struct relays *r, struct target *t)
{
	const struct stance *s = &r->views->stances[r->work->stance];
	const char **members;
	struct buf b;
	size_t i;

	if (t->near_name)
		return t->near_name;
	buf_init(&b, SIZE_MAX / 2);
	buf_adds(&b, t->name);
	add_views(r, "#at", &s->at, &b);
	add_views(r, "#from", &s->from, &b);
	t->near_name = bounded(r, &b, MAX_GROUP_NAME);
	buf_release(&b);
	members = get(r, t->n_near, sizeof(*members));
	if (!members || !t->near_name)
		return NULL;
	for (i = 0; i < t->n_near; i++)
		members[i] = r->m->nodes[t->near[i]].name;
	emit_group(r, t->near_name, members, t->n_near);
	return t->near_name;
}

/* Links. */

/* The new links of the node at hand. */
struct rewrite {
	struct relays *r;
	uint32_t node;
	struct link *list;
	size_t n, cap;
	bool *forward;
};

static void put(struct rewrite *w, struct link link)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		struct link *list = get(w->r, cap, sizeof(*list));

		if (!list)
			return;
		if (w->n)
			memcpy(list, w->list, w->n * sizeof(*list));
		w->list = list;
		w->cap = cap;
	}
	w->list[w->n++] = link;
}

static void put_direct(struct rewrite *w, const char *target)
{
	if (target)
		put(w, (struct link){ .kind = LINK_DIRECT, .target = target });
}

static void put_through(struct rewrite *w, uint32_t relay, const char *target)
{
	uint32_t node = w->r->list[relay];

	if (!target)
		return;
	put(w, (struct link){
		       .kind = LINK_THROUGH, .target = target, .via = w->r->m->nodes[node].name });
	w->forward[node] = true;
}

/* The node at hand, where it is one of those of a part or bucket that are not near: it would be
 * counted among the others. */
static size_t counts_itself(const struct rewrite *w, const struct target *t, const struct part *p)
{
	return w->r->work->class_of[w->node] == p->class && is_member(t, w->node) &&
	       !viewpoints_meet(w->r->views, w->node, w->node);
}

/* True when there is anybody in the part that the node at hand reaches through a relay. */
static bool is_relayed(const struct rewrite *w, const struct target *t, const struct part *p)
{
	return p->class != NO_CLASS && p->n > p->n_near + counts_itself(w, t, p) &&
	       candidates_with(w->r, p->class)->n;
}

static void rewrite_part(struct rewrite *w, const struct target *t, struct part *p)
{
	const struct candidates *c = candidates_with(w->r, p->class);
	uint8_t own = w->r->work->bucket_of[w->node], b, same = 1;
	uint32_t relay[RELAY_BUCKETS];

	for (b = 0; b < RELAY_BUCKETS; b++)
		relay[b] = choose(w->r, c, own, b);
	while (same < RELAY_BUCKETS && relay[same] == relay[0])
		same++;
	if (same == RELAY_BUCKETS) {
		put_through(w, relay[0], use_whole(w->r, t, p));
		return;
	}
	for (b = 0; b < RELAY_BUCKETS; b++)
		if (p->in_bucket[b] > p->near_in[b] + (b == own ? counts_itself(w, t, p) : 0))
			put_through(w, relay[b], use_bucket(w->r, t, p, b));
}

static void rewrite_group(struct rewrite *w, const struct link *link)
{
	struct target *t = find_target(w->r, link->target);
	bool any = false;
	size_t i;

	if (t) {
		split(w->r, t);
		find_near(w->r, t);
	}
	for (i = 0; t && i < t->n_parts && !any; i++)
		any = is_relayed(w, t, &t->parts[i]);
	if (!any) {
		put(w, *link);
		return;
	}
	if (t->n_reachable)
		put_direct(w, use_reachable(w->r, t));
	if (t->n_near > 1 || (t->n_near && t->near[0] != w->node))
		put_direct(w, use_near(w->r, t));
	for (i = 0; i < t->n_parts; i++) {
		struct part *p = &t->parts[i];

		if (is_relayed(w, t, p))
			rewrite_part(w, t, p);
		else if (p->n > 1 || p->first != w->node)
			put_direct(w, use_whole(w->r, t, p));
	}
}

static void rewrite_node(struct rewrite *w, const struct link *link)
{
	size_t node = node_index(w->r, link->target);
	uint32_t class = w->r->work->class_of[node];
	const struct candidates *c;

	c = class == NO_CLASS || viewpoints_meet(w->r->views, w->node, node) ?
		    NULL :
		    candidates_with(w->r, class);
	if (c && c->n)
		put_through(w,
			    choose(w->r, c, w->r->work->bucket_of[w->node],
				   w->r->work->bucket_of[node]),
			    link->target);
	else
		put(w, *link);
}

static int cmp_links(const void *a, const void *b)
{
	return link_cmp(a, b);
}

static void rewrite_links(struct relays *r, uint32_t node, struct link_set *links, bool *forward)
{
	struct rewrite w = { .r = r, .node = node, .forward = forward };
	size_t i, kept = 0;

	for (i = 0; i < links->n; i++) {
		if (links->list[i].kind != LINK_DIRECT)
			put(&w, links->list[i]);
		else if (target_is_group(links->list[i].target))
			rewrite_group(&w, &links->list[i]);
		else
			rewrite_node(&w, &links->list[i]);
	}
	if (w.n > 1)
		qsort(w.list, w.n, sizeof(*w.list), cmp_links);
	for (i = 0; i < w.n; i++)
		if (!kept || link_cmp(&w.list[kept - 1], &w.list[i]))
			w.list[kept++] = w.list[i];
	*links = (struct link_set){ w.list, kept };
}

/* Groups. */

static void put_group(struct relays *r, const struct target *t, const char *name, size_t max,
		      uint32_t class, int bucket)
{
	struct relay_work *w = r->work;
	const char **members = get(r, max, sizeof(*members));
	size_t i, n = 0;

	if (!members)
		return;
	for (i = 0; i < t->n; i++) {
		uint32_t node = t->members[i];

		if (name == t->name ||
		    (name == t->reachable ? reachable(r, node) :
					    !reachable(r, node) && w->class_of[node] == class &&
						    (bucket < 0 || w->bucket_of[node] == bucket)))
			members[n++] = r->m->nodes[node].name;
	}
	emit_group(r, name, members, n);
}

static void put_parts(struct relays *r, const struct target *t)
{
	size_t i;
	int b;

	if (t->reachable)
		put_group(r, t, t->reachable, t->n_reachable, NO_CLASS, -1);
	for (i = 0; i < t->n_parts; i++) {
		const struct part *p = &t->parts[i];

		if (p->whole)
			put_group(r, t, p->whole, p->n, p->class, -1);
		for (b = 0; b < RELAY_BUCKETS; b++)
			if (p->bucket[b])
				put_group(r, t, p->bucket[b], p->in_bucket[b], p->class, b);
	}
}

/* The nodes with a choice of relays, those of one stance and class after one another. */
struct turn {
	uint32_t stance, class, node;
};

static int cmp_turns(const void *pa, const void *pb)
{
	const struct turn *a = pa, *b = pb;

	if (a->stance != b->stance)
		return a->stance < b->stance ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static void mark_used(struct relays *r, const struct link_set *links)
{
	size_t i;

	for (i = 0; i < links->n; i++) {
		const char *name = links->list[i].target;
		struct target *t = name && target_is_group(name) ? find_target(r, name) : NULL;

		if (t)
			t->used = true;
	}
}

int relays_apply(struct relays *r, struct link_set *links, bool *forward, struct group **ret_groups,
		 size_t *ret_n_groups)
{
	struct relay_work *w = r->work;
	struct turn *turns = get(r, r->m->n_nodes, sizeof(*turns));
	size_t i, n = 0;

	w->with = get(r, w->n_classes, sizeof(*w->with));
	w->part_of = get(r, w->n_classes + 1, sizeof(*w->part_of));
	w->suffixes = get(r, w->n_classes, sizeof(*w->suffixes));
	if (w->nomem)
		return -1;
	for (i = 0; i < r->m->n_nodes; i++)
		if (w->class_of[i] != NO_CLASS)
			turns[n++] = (struct turn){ r->views->stance_of[i], w->class_of[i],
						    (uint32_t)i };
	if (n > 1)
		qsort(turns, n, sizeof(*turns), cmp_turns);
	for (i = 0; i < n && !w->nomem; i++) {
		const struct turn *t = &turns[i];

		if (!i || t[-1].stance != t->stance || t[-1].class != t->class) {
			w->at_hand = t->class;
			w->stance = t->stance;
			w->round++;
			w->n_pool = 0;
		}
		rewrite_links(r, t->node, &links[t->node], forward);
	}
	for (i = 0; i < r->m->n_nodes && !w->nomem; i++)
		mark_used(r, &links[i]);
	for (i = 0; i < w->n_targets && !w->nomem; i++) {
		if (w->targets[i].used && strcmp(w->targets[i].name, GROUP_ALL) != 0)
			put_group(r, &w->targets[i], w->targets[i].name, w->targets[i].n, NO_CLASS,
				  -1);
		put_parts(r, &w->targets[i]);
	}
	if (w->nomem)
		return -1;
	*ret_groups = w->groups;
	*ret_n_groups = w->n_groups;
	return 0;
}
