/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/relay_impl.h"

#include "common/bits.h"
#include "common/hash.h"

void *relay_get(struct relays *r, size_t n, size_t size)
{
	void *p = arena_array(r->arena, n, size);

	if (!p)
		r->work->nomem = true;
	return p;
}

size_t relay_find(const uint32_t *list, size_t n, uint32_t v)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list[mid] == v)
			return mid;
		if (list[mid] < v)
			low = mid + 1;
		else
			high = mid;
	}
	return n;
}

uint32_t relay_node(const struct relays *r, const char *name)
{
	return (uint32_t)(m_network_node(r->m, name) - r->m->nodes);
}

static bool can_be_relay(const struct relays *r, size_t node)
{
	return r->m->nodes[node].relay && viewpoints_seen(r->views, node);
}

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

	w->regions = relay_get(r, r->n, sizeof(*w->regions));
	w->relay_region = relay_get(r, r->n, sizeof(*w->relay_region));
	w->region_of = relay_get(r, r->m->n_nodes, sizeof(*w->region_of));
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
	r->words = BITS_WORDS(n);
	r->list = relay_get(r, n, sizeof(*r->list));
	w->hash = relay_get(r, n, sizeof(*w->hash));
	w->bucket_of = relay_get(r, r->m->n_nodes, sizeof(*w->bucket_of));
	if (w->nomem)
		return;
	for (i = 0; i < r->m->n_nodes; i++) {
		const char *name = r->m->nodes[i].name;

		if (can_be_relay(r, i)) {
			w->hash[r->n] = name_hash(name);
			r->list[r->n++] = (uint32_t)i;
		}
		if (n && !viewpoints_open(r->views, i))
			w->bucket_of[i] = (uint8_t)((name_hash(name) >> 56) % RELAY_BUCKETS);
	}
	make_regions(r);
}

uint64_t relay_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

const uint64_t *relay_set(const struct relays *r, uint32_t set)
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
		h = relay_mix(h ^ set[i]);
	for (at = h & (w->n_slots - 1); w->slots[at]; at = (at + 1) & (w->n_slots - 1))
		if (!memcmp(relay_set(r, w->slots[at] - 1), set, r->words * sizeof(*set)))
			return w->slots[at] - 1;
	if (!(r->n_sets & (r->n_sets - 1))) {
		uint64_t *sets = relay_get(r, 2 * r->n_sets * r->words + r->words, sizeof(*sets));

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
			const struct relay_group *g = relay_group(r, name);

			for (j = 0; j < r->words; j++)
				set[j] |= g->relays[j];
		} else {
			j = relay_find(r->list, r->n, relay_node(r, name));
			if (j < r->n)
				bits_set(set, j);
		}
	}
	for (i = 0; i < r->n; i++)
		if (!viewpoints_open(r->views, r->list[i]) &&
		    (r->list[i] == node || !viewpoints_meet(r->views, node, r->list[i])))
			bits_clear(set, i);
}

static void make_sets(struct relays *r, const struct link_set *links)
{
	struct relay_work *w = r->work;
	uint64_t *set = relay_get(r, r->words, sizeof(*set));
	size_t i;

	for (w->n_slots = 16; w->n_slots < 2 * r->m->n_nodes;)
		w->n_slots *= 2;
	w->slots = relay_get(r, w->n_slots, sizeof(*w->slots));
	if (w->nomem)
		return;
	set_number(r, set); /* the empty one is the first */
	for (i = 0; i < r->m->n_nodes && !w->nomem; i++) {
		if (viewpoints_open(r->views, i))
			continue;
		collect_set(r, (uint32_t)i, &links[i], set);
		r->set_of[i] = set_number(r, set);
	}
}

static void make_classes(struct relays *r)
{
	struct relay_work *w = r->work;
	/* By set and region, a class's number plus one. */
	uint32_t *number = relay_get(r, r->n_sets * (w->n_regions + 1), sizeof(*number));
	size_t i;

	w->class_of = relay_get(r, r->m->n_nodes, sizeof(*w->class_of));
	w->classes = relay_get(r, r->m->n_nodes, sizeof(*w->classes));
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
	ret->set_of = relay_get(ret, m->n_nodes, sizeof(*ret->set_of));
	find_relays(ret);
	if (ret->work->nomem)
		return -1;
	if (!ret->n) {
		ret->n_sets = 1;
		return 0;
	}
	relay_groups_init(ret, groups, n_groups);
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
		if (relay_set(r, set_a)[i] & relay_set(r, set_b)[i])
			return true;
	return false;
}
