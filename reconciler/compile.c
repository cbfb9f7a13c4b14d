/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile.h"

#include "common/hash.h"
#include "common/limits.h"
#include "reconciler/allocate.h"
#include "reconciler/compile_clients.h"
#include "publication/exit.h"
#include "reconciler/conflict.h"
#include "reconciler/exit.h"
#include "reconciler/links.h"
#include "reconciler/order.h"
#include "reconciler/policy.h"
#include "reconciler/relay.h"
#include "reconciler/site.h"
#include "reconciler/transit.h"
#include "reconciler/viewpoint.h"

/* More single nodes than this in one list of selectors become a group of their own, so that
 * documents stay short. */
#define MAX_SINGLE 8
/* Pairs that cannot meet are named one by one up to here for each topology entry. */
#define MAX_NAMED_PAIRS 5

struct tag {
	const char *name;
	const uint32_t *members; /* node indexes, ascending */
	size_t n;
};

/* One target of links: a node or a group, with its members. */
struct target {
	const char *name; /* as it stands in a link */
	const uint32_t *members; /* ascending */
	size_t n;
};

struct targets {
	struct target *list;
	size_t n;
};

struct link_list {
	struct link *list;
	size_t n, cap;
	bool too_many; /* more than MAX_LINKS different ones */
};

/* The pairs of one topology entry. */
struct joined_sets {
	struct pos pos;
	const bool *a, *b; /* by node */
};

/* A list of links this long is freed of repetitions before it grows. */
#define LINKS_BEFORE_DEDUP 64

struct compiler {
	const struct m_network *m;
	struct arena *arena;
	struct diag *diag;
	struct tag *tags; /* sorted by name */
	size_t n_tags;
	const uint32_t *everybody; /* 0, 1, 2, ... */
	struct link_list *links; /* one per node */
	struct group *groups;
	size_t n_groups;
	struct prefix *pools; /* canonical */
	size_t n_pools;
	struct joined_sets *joined; /* by every topology entry */
	size_t n_joined;
	struct transit *transits; /* stars with transit */
	size_t n_transits;
	struct gateway *gateways; /* nodes with clients */
	size_t n_gateways;
	struct link_entry *routed; /* entries with interface_per_link */
	size_t n_routed;
	bool *forward; /* by node: it carries traffic for others */
	const bool *is_exit; /* by node */
	struct viewpoints views;
	struct sites sites;
	struct order order; /* of gateways for one prefix */
	bool nomem;
};

static void *get(struct compiler *c, size_t n, size_t size)
{
	void *p = arena_array(c->arena, n, size);

	if (!p)
		c->nomem = true;
	return p;
}

/* ---- selectors ---- */

struct tagged {
	const char *tag;
	uint32_t node;
};

static int cmp_tagged(const void *pa, const void *pb)
{
	const struct tagged *a = pa, *b = pb;
	int c = strcmp(a->tag, b->tag);

	return c ? c : a->node < b->node ? -1 : a->node > b->node;
}

static void collect_tags(struct compiler *c)
{
	size_t i, j, n = 0;
	struct tagged *all;
	uint32_t *members;

	for (i = 0; i < c->m->n_nodes; i++)
		n += c->m->nodes[i].n_tags;
	all = get(c, n, sizeof(*all));
	members = get(c, n, sizeof(*members));
	c->tags = get(c, n, sizeof(*c->tags));
	if (c->nomem)
		return;
	for (i = 0, n = 0; i < c->m->n_nodes; i++)
		for (j = 0; j < c->m->nodes[i].n_tags; j++)
			all[n++] = (struct tagged){ c->m->nodes[i].tags[j].s, (uint32_t)i };
	if (n > 1)
		qsort(all, n, sizeof(*all), cmp_tagged);
	for (i = 0; i < n; i++) {
		members[i] = all[i].node;
		if (!i || strcmp(all[i - 1].tag, all[i].tag) != 0)
			c->tags[c->n_tags++] = (struct tag){ all[i].tag, &members[i], 0 };
		c->tags[c->n_tags - 1].n++;
	}
}

static const struct tag *find_tag(const struct compiler *c, const char *name)
{
	size_t low = 0, high = c->n_tags;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = strcmp(name, c->tags[mid].name);

		if (!cmp)
			return &c->tags[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static char *tag_target(struct compiler *c, const char *tag)
{
	size_t len = strlen(tag);
	char *s = get(c, len + 5, 1);

	if (s) {
		memcpy(s, "tag:", 4);
		memcpy(s + 4, tag, len + 1);
	}
	return s;
}

static void add_group(struct compiler *c, const struct target *t)
{
	struct group *groups;
	const char **names;
	size_t i;

	for (i = 0; i < c->n_groups; i++)
		if (!strcmp(c->groups[i].name, t->name))
			return;
	groups = arena_grow(c->arena, c->groups, c->n_groups, sizeof(*groups));
	names = get(c, t->n, sizeof(*names));
	if (!groups || !names) {
		c->nomem = true;
		return;
	}
	for (i = 0; i < t->n; i++)
		names[i] = c->m->nodes[t->members[i]].name;
	c->groups = groups;
	groups[c->n_groups++] = (struct group){ t->name, names, t->n };
}

static struct target named_by(struct compiler *c, const struct m_selector *s)
{
	struct target t = { 0 };
	const struct m_node *node;
	const struct tag *tag;
	uint32_t *one;

	switch (s->kind) {
	case SELECT_ALL:
		return (struct target){ GROUP_ALL, c->everybody, c->m->n_nodes };
	case SELECT_TAG:
		tag = find_tag(c, s->name);
		if (tag)
			t = (struct target){ tag_target(c, tag->name), tag->members, tag->n };
		return t;
	case SELECT_NODE:
		node = m_network_node(c->m, s->name);
		one = node ? get(c, 1, sizeof(*one)) : NULL;
		if (one) {
			*one = (uint32_t)(node - c->m->nodes);
			t = (struct target){ node->name, one, 1 };
		}
		return t;
	}
	return t;
}

/* A leader stands for those behind it. */
static struct target outside(struct compiler *c, struct target t)
{
	const uint32_t *members;
	size_t n, len;
	char *name;

	if (!t.n || c->nomem)
		return t;
	if (sites_outside(&c->sites, t.members, t.n, &members, &n) < 0) {
		c->nomem = true;
		return t;
	}
	if (members == t.members)
		return t;
	if (!target_is_group(t.name))
		return (struct target){ c->m->nodes[members[0]].name, members, n };
	len = strlen(t.name);
	name = get(c, len + sizeof(SITES_OUTSIDE), 1);
	if (name) {
		memcpy(name, t.name, len);
		memcpy(name + len, SITES_OUTSIDE, sizeof(SITES_OUTSIDE));
	}
	return (struct target){ name, members, n };
}

static struct target selector_target(struct compiler *c, const struct m_selector *s)
{
	return outside(c, named_by(c, s));
}

static void targets_add(struct compiler *c, struct targets *ts, struct target t)
{
	struct target *list;
	size_t i;

	if (!t.n || c->nomem)
		return;
	for (i = 0; i < ts->n; i++)
		if (!strcmp(ts->list[i].name, t.name))
			return;
	list = arena_grow(c->arena, ts->list, ts->n, sizeof(*list));
	if (!list) {
		c->nomem = true;
		return;
	}
	ts->list = list;
	list[ts->n++] = t;
	if (target_is_group(t.name) && strcmp(t.name, GROUP_ALL) != 0)
		add_group(c, &t);
}

static int cmp_index(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

/* The single nodes of a long list as one group, named after the place of the list: "#2.spokes". */
static struct target fold_singles(struct compiler *c, const struct m_selectors *s, size_t entry,
				  const char *side)
{
	struct target t = { 0 };
	size_t i, n = 0, kept = 0;
	uint32_t *members;
	char *name;

	for (i = 0; i < s->n; i++)
		n += s->list[i].kind == SELECT_NODE;
	if (n <= MAX_SINGLE)
		return t;
	members = get(c, n, sizeof(*members));
	name = get(c, 64, 1);
	if (!members || !name)
		return t;
	snprintf(name, 64, "#%zu.%s", entry + 1, side);
	for (i = 0, n = 0; i < s->n; i++) {
		const struct m_node *node = s->list[i].kind == SELECT_NODE ?
						    m_network_node(c->m, s->list[i].name) :
						    NULL;

		if (node)
			members[n++] = (uint32_t)(node - c->m->nodes);
	}
	if (n > 1)
		qsort(members, n, sizeof(*members), cmp_index);
	for (i = 0; i < n; i++)
		if (!i || members[i] != members[i - 1])
			members[kept++] = members[i];
	return outside(c, (struct target){ name, members, kept });
}

static struct targets resolve(struct compiler *c, const struct m_selectors *s, size_t entry,
			      const char *side)
{
	struct target folded = fold_singles(c, s, entry, side);
	struct targets ts = { 0 };
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->list[i].kind == SELECT_ALL) {
			targets_add(c, &ts, selector_target(c, &s->list[i]));
			return ts;
		}
	targets_add(c, &ts, folded);
	for (i = 0; i < s->n; i++)
		if (s->list[i].kind != SELECT_NODE || !folded.n)
			targets_add(c, &ts, selector_target(c, &s->list[i]));
	return ts;
}

/* One flag per node that any target holds. */
static bool *mark(struct compiler *c, const struct targets *ts)
{
	bool *in = get(c, c->m->n_nodes, sizeof(*in));
	size_t i, j;

	for (i = 0; in && i < ts->n; i++)
		for (j = 0; j < ts->list[i].n; j++)
			in[ts->list[i].members[j]] = true;
	return in;
}

/* ---- links ---- */

static int cmp_links(const void *a, const void *b)
{
	return link_cmp(a, b);
}

static size_t unique_links(struct link_list *l)
{
	size_t i, kept = 0;

	if (l->n > 1)
		qsort(l->list, l->n, sizeof(*l->list), cmp_links);
	for (i = 0; i < l->n; i++) {
		struct link *last = kept ? &l->list[kept - 1] : NULL, *this = &l->list[i];

		/* Of several keepalives for one target the shortest holds; none comes first. */
		if (last && this->kind == LINK_ALIVE && last->kind == LINK_ALIVE &&
		    !strcmp(last->target, this->target)) {
			if (!last->seconds)
				last->seconds = this->seconds;
			continue;
		}
		if (!last || link_cmp(last, this))
			l->list[kept++] = *this;
	}
	return kept;
}

/* Entries that say the same again are common; what they repeat is dropped before it can fill the
 * memory. */
static void add_link(struct compiler *c, size_t node, struct link link)
{
	struct link_list *l = &c->links[node];
	struct link *list;

	if (l->too_many)
		return;
	/* Nobody is its own peer. */
	if ((link.kind == LINK_DIRECT || link.kind == LINK_ALIVE || link.kind == LINK_ROUTES ||
	     link.kind == LINK_ROUTED) &&
	    !strcmp(link.target, c->m->nodes[node].name))
		return;
	if (l->n == l->cap) {
		if (l->n >= LINKS_BEFORE_DEDUP)
			l->n = unique_links(l);
		if (l->n > l->cap / 2 || !l->cap) {
			size_t cap = l->cap ? 2 * l->cap : 4;

			l->too_many = l->n > MAX_LINKS;
			list = l->too_many ? NULL : get(c, cap, sizeof(*list));
			if (!list)
				return;
			if (l->n)
				memcpy(list, l->list, l->n * sizeof(*list));
			l->list = list;
			l->cap = cap;
		}
	}
	l->list[l->n++] = link;
}

static void add_joins(struct compiler *c, const struct m_topology *t, const bool *who,
		      const struct targets *to)
{
	enum link_kind kind = t->interface_per_link ? LINK_ROUTED : LINK_DIRECT;

	size_t i, j;

	for (i = 0; i < c->m->n_nodes && !c->nomem; i++)
		for (j = 0; who[i] && j < to->n; j++) {
			const char *target = to->list[j].name;

			add_link(c, i, (struct link){ .kind = kind, .target = target });
			if (t->persistent_keepalive.set)
				add_link(c, i,
					 (struct link){
						 .kind = LINK_ALIVE,
						 .target = target,
						 .seconds = (uint16_t)t->persistent_keepalive.v });
		}
}

/* The targets without the nodes marked in `out`; a group that loses members gets a name that says
 * so. */
static struct targets subtract(struct compiler *c, const struct targets *ts, const bool *out,
			       const char *suffix)
{
	struct targets ret = { 0 };
	size_t i, j;

	for (i = 0; i < ts->n && !c->nomem; i++) {
		struct target t = ts->list[i];
		uint32_t *members = get(c, t.n, sizeof(*members));
		size_t n = 0;
		char *name;

		if (!members)
			break;
		for (j = 0; j < t.n; j++)
			if (!out[t.members[j]])
				members[n++] = t.members[j];
		if (n == t.n) {
			targets_add(c, &ret, t);
			continue;
		}
		name = get(c, MAX_GROUP_NAME + 1, 1);
		if (!name)
			break;
		if (strlen(t.name) + strlen(suffix) > MAX_GROUP_NAME) {
			char hex[DIGEST_STRLEN];
			struct digest digest;

			digest_of(suffix, strlen(suffix), &digest);
			snprintf(name, MAX_GROUP_NAME + 1, "%.150s!#%.32s", t.name,
				 digest_print(&digest, hex));
		} else {
			memcpy(name, t.name, strlen(t.name));
			memcpy(name + strlen(t.name), suffix, strlen(suffix) + 1);
		}
		targets_add(c, &ret, (struct target){ name, members, n });
	}
	return ret;
}

/* "!fra1!tag:hub" */
static const char *without_suffix(struct compiler *c, const struct targets *hubs)
{
	size_t i, len = 1;
	char *s, *p;

	for (i = 0; i < hubs->n; i++)
		len += 1 + strlen(hubs->list[i].name);
	s = p = get(c, len, 1);
	for (i = 0; s && i < hubs->n; i++) {
		size_t n = strlen(hubs->list[i].name);

		*p++ = '!';
		memcpy(p, hubs->list[i].name, n);
		p += n;
	}
	return s;
}

static void add_transit(struct compiler *c, const struct m_topology *t, const char *hub,
			const bool *spokes)
{
	struct transit *list = arena_grow(c->arena, c->transits, c->n_transits, sizeof(*list));

	if (!list) {
		c->nomem = true;
		return;
	}
	c->transits = list;
	list[c->n_transits++] =
		(struct transit){ t, (uint32_t)(m_network_node(c->m, hub) - c->m->nodes), spokes };
}

/* The first hub in the order written; inside a tag, by name. */
static const char *first_hub(struct compiler *c, const struct m_selectors *hubs)
{
	struct target t = named_by(c, &hubs->list[0]);
	uint32_t site = t.n && !c->nomem ? c->sites.of[t.members[0]] : 0;

	if (!t.n || c->nomem)
		return NULL;
	return c->m->nodes[site ? c->sites.list[site - 1].leader : t.members[0]].name;
}

/* ---- pairs that cannot meet ---- */

static bool reachable(const struct compiler *c, size_t i)
{
	return viewpoints_open(&c->views, i);
}

/* A star through whose hub two of its spokes would reach each other, if they had no entries of
 * their own: these are longer than what the hub carries. NULL: none. */
static const struct transit *hidden_star(struct compiler *c, size_t a, size_t b)
{
	size_t i;

	for (i = 0; i < c->n_transits; i++) {
		const struct transit *t = &c->transits[i];

		if (t->spokes[a] && t->spokes[b] && viewpoints_meet(&c->views, t->hub, a) &&
		    viewpoints_meet(&c->views, t->hub, b))
			return t;
	}
	return NULL;
}

static void warn_pair(struct compiler *c, struct pos pos, size_t a, size_t b)
{
	const struct transit *star = hidden_star(c, a, b);
	struct diag_entry *e =
		diag_warn(c->diag, pos, "`%s` and `%s` cannot meet: neither has an endpoint%s",
			  c->m->nodes[a].name, c->m->nodes[b].name,
			  c->m->nodes[a].n_seen || c->m->nodes[b].n_seen ? " for the other" : "");

	if (star) {
		diag_other(c->diag, e, star->star->a.list[0].pos,
			   "as spokes of `%s` they would reach each other, if they were not joined",
			   c->m->nodes[star->hub].name);
		diag_help(
			c->diag, e,
			"leave one of them out here, give one of them an `endpoint`, or join both with a node that has "
			"`relay: true`");
		return;
	}
	diag_help(
		c->diag, e,
		"give one of them an `endpoint`, join both with a node that has `relay: true`, or join both "
		"through a hub (`star`)");
}

/* Who of one set of relays stands on which side of an entry. */
struct tally {
	size_t a, b, both;
};

/* Unordered pairs of different nodes with one in a and the other in b that no relay joins. */
static size_t count_pairs(const struct relays *r, const struct tally *t)
{
	size_t pairs =
		t[0].a * t[0].b - t[0].both - t[0].both * (t[0].both ? t[0].both - 1 : 0) / 2;
	uint32_t p, q;

	for (p = 0; p < r->n_sets; p++)
		for (q = p + 1; q < r->n_sets; q++)
			if (!relays_meet(r, p, q))
				pairs += t[p].a * t[q].b + t[p].b * t[q].a - t[p].both * t[q].both;
	return pairs;
}

static bool relayed(const struct relays *r, size_t a, size_t b)
{
	return relays_meet(r, r->set_of[a], r->set_of[b]);
}

static bool in_entry(const struct joined_sets *s, size_t a, size_t b)
{
	return (s->a[a] && s->b[b]) || (s->a[b] && s->b[a]);
}

/* The pairs of an entry that meet from where they look, and that no relay joins. */
static size_t count_near(struct compiler *c, const struct relays *r, const struct joined_sets *s)
{
	struct view_set near;
	size_t i, j, n = 0;

	for (i = 0; c->views.n && i < c->m->n_nodes; i++) {
		if (!c->views.stance_of[i] || !(s->a[i] || s->b[i]))
			continue;
		if (viewpoints_near(&c->views, c->views.stance_of[i], &near) < 0) {
			c->nomem = true;
			return 0;
		}
		for (j = 0; j < near.n; j++)
			n += near.v[j] > i && in_entry(s, i, near.v[j]) &&
			     !relayed(r, i, near.v[j]);
	}
	return n;
}

/* Counts the pairs of an entry where neither side can be reached first, nor by a relay, and names
 * some. */
static void warn_unreachable(struct compiler *c, const struct relays *r,
			     const struct joined_sets *s, struct tally *tally)
{
	size_t i, j, n = c->m->n_nodes, pairs, named = 0;
	const bool *a = s->a, *b = s->b;

	memset(tally, 0, r->n_sets * sizeof(*tally));
	for (i = 0; i < n; i++) {
		struct tally *t = &tally[r->set_of[i]];

		if (reachable(c, i))
			continue;
		t->a += a[i];
		t->b += b[i];
		t->both += a[i] && b[i];
	}
	pairs = count_pairs(r, tally) - count_near(c, r, s);
	for (i = 0; i < n && named < MAX_NAMED_PAIRS && named < pairs; i++) {
		if (reachable(c, i) || !(a[i] || b[i]))
			continue;
		for (j = i + 1; j < n && named < MAX_NAMED_PAIRS && named < pairs; j++)
			if (in_entry(s, i, j) && !viewpoints_meet(&c->views, i, j) &&
			    !relayed(r, i, j)) {
				warn_pair(c, s->pos, i, j);
				named++;
			}
	}
	if (pairs > named)
		diag_warn(c->diag, s->pos, "and %zu more pairs that cannot meet", pairs - named);
}

static void add_routed(struct compiler *c, struct pos pos, const bool *a, const bool *b)
{
	struct link_entry *list = arena_grow(c->arena, c->routed, c->n_routed, sizeof(*list));

	if (!list) {
		c->nomem = true;
		return;
	}
	c->routed = list;
	list[c->n_routed++] = (struct link_entry){ pos, a, b };
}

/* Keeps the entry's pairs until it is known which of them a relay joins. */
static void add_joined(struct compiler *c, const struct m_topology *t, const bool *a, const bool *b)
{
	struct joined_sets *list;

	if (t->interface_per_link) {
		add_routed(c, t->pos, a, b);
		return;
	}
	list = arena_grow(c->arena, c->joined, c->n_joined, sizeof(*list));
	if (!list) {
		c->nomem = true;
		return;
	}
	c->joined = list;
	list[c->n_joined++] = (struct joined_sets){ t->pos, a, b };
}

/* ---- topology ---- */

static void compile_mesh(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets members = resolve(c, &t->a, entry, "mesh");
	bool *in = mark(c, &members);

	if (c->nomem)
		return;
	add_joins(c, t, in, &members);
	add_joined(c, t, in, in);
}

static void compile_star(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets hubs = resolve(c, &t->a, entry, "hubs"),
		       spokes = resolve(c, &t->b, entry, "spokes");
	bool *is_hub = mark(c, &hubs), *is_spoke;
	const char *first;
	size_t i, j;

	if (c->nomem)
		return;
	/* A node on both sides is a hub: the entry does not join hubs with each other. */
	spokes = subtract(c, &spokes, is_hub, without_suffix(c, &hubs));
	is_spoke = mark(c, &spokes);
	if (c->nomem)
		return;
	add_joins(c, t, is_spoke, &hubs);
	add_joins(c, t, is_hub, &spokes);
	add_joined(c, t, is_hub, is_spoke);
	first = t->transit && !t->interface_per_link ? first_hub(c, &t->a) : NULL;
	if (first)
		add_transit(c, t, first, is_spoke);
	for (i = 0; first && i < c->m->n_nodes && !c->nomem; i++) {
		if (!is_spoke[i])
			continue;
		if (c->n_pools)
			add_link(c, i,
				 (struct link){ .kind = LINK_ALLOW,
						.via = first,
						.prefixes = c->pools,
						.n_prefixes = c->n_pools });
		for (j = 0; j < spokes.n; j++)
			add_link(c, i,
				 (struct link){ .kind = LINK_ROUTES,
						.target = spokes.list[j].name,
						.via = first });
	}
}

static void compile_link(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets a = resolve(c, &t->a, entry, "between"), b = resolve(c, &t->b, entry, "and");
	bool *in_a = mark(c, &a), *in_b = mark(c, &b);

	if (c->nomem)
		return;
	add_joins(c, t, in_a, &b);
	add_joins(c, t, in_b, &a);
	add_joined(c, t, in_a, in_b);
}

static void compile_topology(struct compiler *c)
{
	static const struct m_selector all = { .kind = SELECT_ALL };
	struct m_selector everybody = all;
	struct m_topology mesh = { .kind = TOPOLOGY_MESH,
				   .pos = c->m->pos,
				   .a = { &everybody, 1 } };
	size_t i;

	if (!c->m->has_topology)
		compile_mesh(c, &mesh, 0);
	for (i = 0; c->m->has_topology && i < c->m->n_topology && !c->nomem; i++) {
		const struct m_topology *t = &c->m->topology[i];

		switch (t->kind) {
		case TOPOLOGY_MESH:
			compile_mesh(c, t, i);
			break;
		case TOPOLOGY_STAR:
			compile_star(c, t, i);
			break;
		case TOPOLOGY_LINK:
			compile_link(c, t, i);
			break;
		}
	}
}

/* ---- relays ---- */

static void apply_relays(struct compiler *c, struct relays *r, struct link_set *links)
{
	size_t i;

	if (relays_apply(r, links, c->forward, &c->groups, &c->n_groups) < 0) {
		c->nomem = true;
		return;
	}
	for (i = 0; i < c->m->n_nodes; i++)
		if (!c->links[i].too_many)
			c->links[i] =
				(struct link_list){ links[i].list, links[i].n, links[i].n, false };
}

/* What can be told only when it is known who is joined with whom. */
static void compile_pairs(struct compiler *c)
{
	struct link_set *links = get(c, c->m->n_nodes, sizeof(*links));
	struct tally *tally;
	struct relays r;
	size_t i;

	for (i = 0; !c->nomem && i < c->m->n_nodes; i++) {
		c->links[i].n = unique_links(&c->links[i]);
		links[i] = (struct link_set){ c->links[i].list, c->links[i].n };
	}
	if (c->nomem ||
	    relays_find(c->m, &c->views, links, c->groups, c->n_groups, c->arena, &r) < 0) {
		c->nomem = true;
		return;
	}
	tally = get(c, r.n_sets, sizeof(*tally));
	for (i = 0; tally && i < c->n_joined; i++)
		warn_unreachable(c, &r, &c->joined[i], tally);
	if (transit_check(c->m, c->transits, c->n_transits, &r, c->arena, c->diag, c->forward) < 0)
		c->nomem = true;
	if (r.n && !c->nomem)
		apply_relays(c, &r, links);
}

/* ---- clients ---- */

/* After the relays, who make all groups anew. */
static void compile_clients(struct compiler *c)
{
	struct group *groups;
	size_t i;

	if (gateways_make(c->m, c->arena, &c->gateways, &c->n_gateways) < 0)
		c->nomem = true;
	for (i = 0; i < c->n_gateways && !c->nomem; i++) {
		const struct gateway *g = &c->gateways[i];

		groups = arena_grow(c->arena, c->groups, c->n_groups, sizeof(*groups));
		if (!groups) {
			c->nomem = true;
			return;
		}
		c->groups = groups;
		groups[c->n_groups++] = g->clients;
		c->forward[g->node] = true;
		add_link(c, g->node,
			 (struct link){ .kind = LINK_DIRECT, .target = g->clients.name });
	}
}

/* ---- sites ---- */

static void use_group(struct compiler *c, struct group g)
{
	struct group *groups;
	size_t i;

	for (i = 0; i < c->n_groups; i++)
		if (!strcmp(c->groups[i].name, g.name))
			return;
	groups = arena_grow(c->arena, c->groups, c->n_groups, sizeof(*groups));
	if (!groups) {
		c->nomem = true;
		return;
	}
	c->groups = groups;
	groups[c->n_groups++] = g;
}

static void add_links(struct compiler *c, size_t node, const struct site_links *links)
{
	size_t i;

	for (i = 0; i < links->n && !c->nomem; i++)
		add_link(c, node, links->list[i]);
}

static bool target_has(const struct compiler *c, const char *target, const char *name)
{
	size_t i;

	for (i = 0; target_is_group(target) && i < c->n_groups; i++)
		if (!strcmp(c->groups[i].name, target))
			return group_has(&c->groups[i], name);
	return !strcmp(target, name) || !strcmp(target, GROUP_ALL);
}

/* The clients of those whom a leader meets stand under these by themselves; behind the leader they
 * must be named. */
static struct site_links clients_met(struct compiler *c, const struct site *site)
{
	const struct link_list *l = &c->links[site->leader];
	struct site_links ret = { get(c, c->n_gateways, sizeof(*ret.list)), 0 };
	size_t i, j;

	for (i = 0; !c->nomem && i < c->n_gateways; i++) {
		const struct gateway *g = &c->gateways[i];

		for (j = 0; j < l->n; j++)
			if (l->list[j].kind == LINK_DIRECT && g->node != site->leader &&
			    target_has(c, l->list[j].target, c->m->nodes[g->node].name))
				break;
		if (j < l->n)
			ret.list[ret.n++] = (struct link){ .kind = LINK_THROUGH,
							   .target = g->clients.name,
							   .via = c->m->nodes[site->leader].name };
	}
	return ret;
}

/* The nodes behind a leader, once its own links are complete. */
static void compile_site(struct compiler *c, const struct site *site)
{
	const struct link_list *leader = &c->links[site->leader];
	struct site_links links, clients = clients_met(c, site);
	struct group group;
	size_t i;

	c->forward[site->leader] |= site->n_behind || site->n_routes;
	for (i = 0; i < site->n_behind && !c->nomem; i++) {
		uint32_t node = site->behind[i];

		if (sites_behind(&c->sites, &c->views, node, leader->list, leader->n, &links,
				 &group) < 0)
			c->nomem = true;
		else
			add_links(c, node, &links);
		add_links(c, node, &clients);
		if (!c->nomem && group.name)
			use_group(c, group);
		if (!viewpoints_meet(&c->views, node, site->leader))
			warn_pair(c, c->m->nodes[node].site.pos, node, site->leader);
	}
}

/* Last, since all that a leader has must be known. */
static void compile_sites(struct compiler *c)
{
	struct site_links links;
	size_t i;

	if (!c->sites.n)
		return;
	if (sites_groups(&c->sites, c->groups, c->n_groups) < 0)
		c->nomem = true;
	for (i = 0; i < c->m->n_nodes && !c->nomem; i++) {
		if (c->sites.of[i])
			continue;
		if (sites_links(&c->sites, (uint32_t)i, c->links[i].list, c->links[i].n, &links) <
		    0)
			c->nomem = true;
		else
			add_links(c, i, &links);
	}
	for (i = 0; i < c->sites.n && !c->nomem; i++) {
		c->links[c->sites.list[i].leader].n =
			unique_links(&c->links[c->sites.list[i].leader]);
		if (c->sites.list[i].n_behind)
			use_group(c, c->sites.list[i].group);
	}
	for (i = 0; i < c->sites.n && !c->nomem; i++)
		compile_site(c, &c->sites.list[i]);
}

/* ---- records and node documents ---- */

static uint64_t setting(const struct m_uint *own, const struct m_uint *network, uint64_t fallback)
{
	return own->set ? own->v : network->set ? network->v : fallback;
}

/* One without a port is at the node's listen port. */
static struct endpoint with_port(struct endpoint e, uint16_t port)
{
	if (e.host && !e.port)
		e.port = port;
	return e;
}

static int cmp_standby(const void *a, const void *b)
{
	return prefix_cmp(&((const struct standby *)a)->prefix,
			  &((const struct standby *)b)->prefix);
}

/* Which of its site's leaders it is. */
static void fill_leads(const struct compiler *c, const struct m_node *m, struct record *ret)
{
	const struct m_site *s = m->site.s ? m_network_site(c->m, m->site.s) : NULL;
	size_t i;

	for (i = 0; s && i < s->n_leaders && !ret->leads; i++) {
		if (strcmp(s->leaders[i].s, m->name) != 0)
			continue;
		ret->leads = s->name;
		ret->leads_at = (uint8_t)(i + 1);
	}
}

static void fill_record(struct compiler *c, const struct m_node *m, const struct allocation *al,
			struct record *ret)
{
	struct ipaddr *addresses = get(c, al->n, sizeof(*addresses));
	struct prefix *routes = get(c, m->n_routes + m->n_addresses, sizeof(*routes));
	struct seen *seen = get(c, m->n_seen, sizeof(*seen));
	uint16_t port = (uint16_t)setting(&m->listen_port, &c->m->listen_port, DEFAULT_LISTEN_PORT);
	struct standby *standby = get(c, m->n_routes, sizeof(*standby));
	size_t i, n = 0, n_standby = 0;

	if (c->nomem)
		return;
	for (i = 0; i < al->n; i++)
		addresses[i] = al->addresses[i].addr;
	for (i = 0; i < m->n_routes; i++) {
		const struct m_route *r = &m->routes[i];

		if (order_stands_by(&c->order, r))
			standby[n_standby++] = (struct standby){ r->prefix, (uint16_t)r->metric.v };
		else
			routes[n++] = r->prefix;
	}
	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].owned)
			routes[n++] = m_addr_prefix(&m->addresses[i]);
	if (n_standby > 1)
		qsort(standby, n_standby, sizeof(*standby), cmp_standby);
	*ret = (struct record){
		.name = m->name, .key = m->public_key, .addresses = addresses, .n_addresses = al->n
	};
	ret->routes = routes;
	ret->n_routes = prefix_canonical(routes, n);
	ret->standby = standby;
	ret->n_standby = n_standby;
	ret->endpoint = with_port(m->endpoint, port);
	for (i = 0; i < m->n_seen; i++)
		seen[i] = (struct seen){ m->seen[i].from, with_port(m->seen[i].endpoint, port) };
	ret->seen = seen;
	ret->n_seen = m->n_seen;
	fill_leads(c, m, ret);
}

/* Where its routes go, and what it needs for an exit. */
static void fill_routing(struct compiler *c, const struct m_node *m, struct node *n)
{
	const struct m_uint *table = m->table.set ? &m->table : &c->m->table;

	if (table->set && !table->v)
		n->flags |= NODE_NO_ROUTES;
	if (table->set && table->v && table->v != EXIT_TABLE_MAIN) {
		n->flags |= NODE_HAS_TABLE;
		n->table = (uint32_t)table->v;
	}
	n->exit = m->exit_node.s;
	if (exit_routed(n) && !(n->flags & NODE_HAS_FWMARK)) {
		n->flags |= NODE_HAS_FWMARK;
		n->fwmark = EXIT_MARK;
	}
}

/* What is in a prefix of its own is behind the node, but for its own address. */
static bool owns_any(const struct m_node *m)
{
	size_t i;

	for (i = 0; i < m->n_addresses; i++)
		if (m->addresses[i].owned)
			return true;
	return false;
}

static void fill_node(struct compiler *c, size_t index, const struct allocation *al,
		      struct node *ret)
{
	const struct m_node *m = &c->m->nodes[index];
	struct node n = { .name = m->name,
			  .key = m->public_key,
			  .addresses = al->addresses,
			  .n_addresses = al->n };
	uint64_t keepalive = 0;

	if (m->has_interface)
		n.interface = m->interface;
	else if (c->m->has_interface)
		n.interface = c->m->interface;
	else if (ifname_parse(c->m->name, strlen(c->m->name), &n.interface) < 0)
		diag_help(c->diag,
			  diag_error(c->diag, m->pos,
				     "the network's name `%s` is no interface name", c->m->name),
			  "add `interface: NAME` with at most 15 characters to the network");
	n.listen_port = (uint16_t)setting(&m->listen_port, &c->m->listen_port, DEFAULT_LISTEN_PORT);
	n.flags |= NODE_HAS_LISTEN_PORT;
	n.mtu = (uint16_t)setting(&m->mtu, &c->m->mtu, DEFAULT_MTU);
	if (m->persistent_keepalive.set)
		keepalive = m->persistent_keepalive.v;
	else if (!m->endpoint.host && c->m->persistent_keepalive.set)
		keepalive = c->m->persistent_keepalive.v;
	if (keepalive) {
		n.keepalive = (uint16_t)keepalive;
		n.flags |= NODE_HAS_KEEPALIVE;
	}
	if (m->fwmark.set && m->fwmark.v) {
		n.fwmark = (uint32_t)m->fwmark.v;
		n.flags |= NODE_HAS_FWMARK;
	}
	fill_routing(c, m, &n);
	if (c->forward[index] || m->n_routes || owns_any(m))
		n.flags |= NODE_FORWARD;
	n.from = viewpoints_of(&c->views, index, &n.n_from);
	c->nomem |= !n.from;
	n.n_links = unique_links(&c->links[index]);
	n.links = c->links[index].list;
	if (c->links[index].too_many || n.n_links > MAX_LINKS)
		diag_help(c->diag,
			  diag_error(c->diag, m->pos,
				     "node `%s` has more links than the %d that are possible",
				     m->name, MAX_LINKS),
			  "join groups (`tag:NAME`) rather than single nodes");
	*ret = n;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static const struct m_site *led_site(const struct compiler *c, size_t node)
{
	uint32_t led = c->sites.led[node];

	return led ? c->sites.list[led - 1].m : NULL;
}

/* What the node does for the networks behind it, and at the site that it leads. */
static void fill_gateway(struct compiler *c, const struct m_node *m, struct node *n)
{
	const struct m_site *site = led_site(c, (size_t)(m - c->m->nodes));
	size_t i, k = 0, n_standby = 0, n_site = site ? site->n_routes : 0;
	struct prefix *list = get(c, m->n_routes + n_site, sizeof(*list)),
		      *standby = get(c, m->n_routes, sizeof(*standby));

	if (!list || !standby || !(m->n_routes + n_site))
		return;
	n->flags |= NODE_FORWARD;
	for (i = 0; i < n_site; i++)
		if (site->routes[i].masquerade)
			list[k++] = site->routes[i].prefix;
	for (i = 0; i < m->n_routes; i++) {
		if (m->routes[i].masquerade)
			list[k++] = m->routes[i].prefix;
		if (order_stands_by(&c->order, &m->routes[i]))
			standby[n_standby++] = m->routes[i].prefix;
	}
	n->masquerade = list;
	n->n_masquerade = prefix_canonical(list, k);
	if (n_standby > 1)
		qsort(standby, n_standby, sizeof(*standby), cmp_prefixes);
	n->standby = standby;
	n->n_standby = n_standby;
}

/* Names under the domain, and who is asked for them. */
static void fill_names(struct compiler *c, const struct m_node *m, struct node *n)
{
	const struct m_names *all = &c->m->names, *names = m->names.has_servers ? &m->names : all;
	struct ipaddr *servers;
	size_t i;

	if (!all->domain.s)
		return;
	n->domain = all->domain.s;
	if (!(m->names.hosts_pos.source ? m->names.hosts : all->hosts))
		n->flags |= NODE_NO_HOSTS;
	servers = get(c, names->n_servers, sizeof(*servers));
	if (!servers)
		return;
	for (i = 0; i < names->n_servers; i++)
		servers[i] = names->servers[i].addr;
	n->nameservers = servers;
	n->n_nameservers = names->n_servers;
}

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

static void fill_pools(struct compiler *c)
{
	size_t i;

	c->pools = get(c, c->m->n_pools, sizeof(*c->pools));
	for (i = 0; c->pools && i < c->m->n_pools; i++)
		c->pools[i] = c->m->pools[i].prefix;
	c->n_pools = c->pools ? prefix_canonical(c->pools, c->m->n_pools) : 0;
}

static void fill_everybody(struct compiler *c)
{
	uint32_t *list = get(c, c->m->n_nodes, sizeof(*list));
	size_t i;

	for (i = 0; list && i < c->m->n_nodes; i++)
		list[i] = (uint32_t)i;
	c->everybody = list;
}

int compile(const struct m_network *m, const struct network *published, uint64_t serial,
	    struct arena *a, struct diag *d, struct network *ret)
{
	struct compiler c = { .m = m, .arena = a, .diag = d };
	struct network n = { .name = m->name, .n_nodes = m->n_nodes };
	struct holders holders = { .all = { .name = NULL } };
	struct allocation *al = get(&c, m->n_nodes + m->n_clients, sizeof(*al));
	struct record *records = get(&c, m->n_nodes + m->n_clients, sizeof(*records));
	struct node *nodes = get(&c, m->n_nodes, sizeof(*nodes));
	size_t i, errors = d->errors;

	c.links = get(&c, m->n_nodes, sizeof(*c.links));
	c.forward = get(&c, m->n_nodes, sizeof(*c.forward));
	fill_everybody(&c);
	fill_pools(&c);
	collect_tags(&c);
	c.is_exit = exits_find(m, a);
	if (!c.is_exit || order_make(m, a, d, &c.order) < 0 || holders_make(m, a, &holders) < 0)
		c.nomem = true;
	if (!c.nomem && allocate(&holders.all, published, serial, a, d, al, &n) < 0)
		return -1;
	c.nomem |= viewpoints_find(m, a, &c.views) < 0 || sites_find(m, a, &c.sites) < 0;
	if (!c.nomem && m->n_nodes)
		compile_topology(&c);
	if (!c.nomem && m->n_nodes)
		compile_pairs(&c);
	if (!c.nomem)
		compile_clients(&c);
	if (!c.nomem)
		compile_sites(&c);
	for (i = 0; i < m->n_nodes && !c.nomem; i++) {
		struct record *r = &records[holders.node_at[i]];

		fill_record(&c, &m->nodes[i], &al[holders.node_at[i]], r);
		fill_node(&c, i, &al[holders.node_at[i]], &nodes[i]);
		fill_gateway(&c, &m->nodes[i], &nodes[i]);
		if (c.is_exit[i] && exit_fill(&m->nodes[i], led_site(&c, i), a, &nodes[i]) < 0)
			c.nomem = true;
		fill_names(&c, &m->nodes[i], &nodes[i]);
	}
	for (i = 0; i < m->n_clients && !c.nomem; i++) {
		struct record *r = &records[holders.client_at[i]];

		fill_record(&c, &m->clients[i].node, &al[holders.client_at[i]], r);
		r->gateway = m->clients[i].gateway.s;
		if (client_settings_make(m, &m->clients[i], nodes, a, &r->settings) < 0)
			c.nomem = true;
	}
	for (i = 0; i < c.n_gateways && !c.nomem; i++)
		records[holders.node_at[c.gateways[i].node]].clients = true;
	if (!c.nomem && policy_compile(m, a, d, &n, nodes, &c.groups, &c.n_groups) < 0)
		c.nomem = true;
	if (c.n_groups > 1)
		qsort(c.groups, c.n_groups, sizeof(*c.groups), cmp_groups);
	n.groups = c.groups;
	n.n_groups = c.n_groups;
	if (!c.nomem &&
	    links_make(m, &c.views, c.routed, c.n_routed, published, serial, nodes, a, d, &n) < 0)
		c.nomem = true;
	if (c.nomem) {
		d->nomem = true;
		diag_error(d, m->pos, "out of memory");
		return -1;
	}
	n.records = records;
	n.n_records = m->n_nodes + m->n_clients;
	n.nodes = nodes;
	if (exits_check(m, &n, c.transits, c.n_transits, a, d) < 0) {
		d->nomem = true;
		diag_error(d, m->pos, "out of memory");
		return -1;
	}
	if (d->errors == errors)
		conflict_check(m, &n, a, d);
	if (d->errors == errors)
		order_check(&c.order, &n, d);
	if (d->errors != errors)
		return -1;
	*ret = n;
	return 0;
}
