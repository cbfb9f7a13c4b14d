/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/viewpoint.h"

static int cmp_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int cmp_number(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static size_t unique_numbers(uint32_t *list, size_t n)
{
	size_t i, kept = 0;

	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_number);
	for (i = 0; i < n; i++)
		if (!kept || list[kept - 1] != list[i])
			list[kept++] = list[i];
	return kept;
}

static int name_viewpoints(struct viewpoints *v)
{
	size_t i, j, n = 0;

	for (i = 0; i < v->m->n_nodes; i++)
		n += v->m->nodes[i].n_seen;
	v->names = arena_array(v->arena, n, sizeof(*v->names));
	if (!v->names)
		return -1;
	for (i = 0, n = 0; i < v->m->n_nodes; i++)
		for (j = 0; j < v->m->nodes[i].n_seen; j++)
			v->names[n++] = v->m->nodes[i].seen[j].from;
	if (n > 1)
		qsort(v->names, n, sizeof(*v->names), cmp_texts);
	for (i = 0; i < n; i++)
		if (!v->n || strcmp(v->names[v->n - 1], v->names[i]) != 0)
			v->names[v->n++] = v->names[i];
	return 0;
}

/* The number of "KIND:NAME" in two parts, or v->n. */
static uint32_t number_of(const struct viewpoints *v, const char *kind, const char *name)
{
	size_t low = 0, high = v->n, len = strlen(kind);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strncmp(kind, v->names[mid], len);

		if (!c)
			c = strcmp(name, v->names[mid] + len);
		if (!c)
			return (uint32_t)mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return (uint32_t)v->n;
}

/* The views of a node, by their numbers, which are in the order of their names. */
static int make_from(struct viewpoints *v, size_t node)
{
	const struct m_node *m = &v->m->nodes[node];
	uint32_t *list = arena_array(v->arena, m->n_tags + 1, sizeof(*list));
	size_t i, n = 0;

	if (!list)
		return -1;
	if (m->site.s) {
		list[n] = number_of(v, "site:", m->site.s);
		n += list[n] < v->n;
	}
	for (i = 0; i < m->n_tags; i++) {
		list[n] = number_of(v, "tag:", m->tags[i].s);
		n += list[n] < v->n;
	}
	v->from[node] = (struct view_set){ list, unique_numbers(list, n) };
	return 0;
}

static int make_at(const struct viewpoints *v, size_t node, struct view_set *ret)
{
	const struct m_node *m = &v->m->nodes[node];
	uint32_t *list = arena_array(v->arena, m->n_seen, sizeof(*list));
	size_t i;

	if (!list)
		return -1;
	for (i = 0; i < m->n_seen; i++)
		list[i] = number_of(v, "", m->seen[i].from);
	*ret = (struct view_set){ list, m->n_seen };
	return 0;
}

static bool same_set(const struct view_set *a, const struct view_set *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

static size_t hash_set(size_t h, const struct view_set *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		h = (h ^ s->v[i]) * 1099511628211u;
	return (h ^ s->n) * 1099511628211u;
}

static int make_stances(struct viewpoints *v)
{
	size_t slots = 16, i, at;
	uint32_t *table;

	while (slots < 2 * v->m->n_nodes + 2)
		slots *= 2;
	table = arena_array(v->arena, slots, sizeof(*table));
	v->stances = arena_array(v->arena, v->m->n_nodes + 1, sizeof(*v->stances));
	v->stance_of = arena_array(v->arena, v->m->n_nodes, sizeof(*v->stance_of));
	v->from = arena_array(v->arena, v->m->n_nodes, sizeof(*v->from));
	if (!table || !v->stances || !v->stance_of || !v->from)
		return -1;
	v->n_stances = 1;
	for (i = 0; v->n && i < v->m->n_nodes; i++) {
		struct stance s = { 0 };

		if (make_from(v, i) < 0)
			return -1;
		if (viewpoints_open(v, i))
			continue;
		if (make_at(v, i, &s.at) < 0)
			return -1;
		s.from = v->from[i];
		if (!s.at.n && !s.from.n)
			continue;
		/* A slot holds a stance's number. */
		for (at = hash_set(hash_set(14695981039346656037u, &s.at), &s.from) & (slots - 1);
		     table[at] && !(same_set(&v->stances[table[at]].at, &s.at) &&
				    same_set(&v->stances[table[at]].from, &s.from));
		     at = (at + 1) & (slots - 1))
			;
		if (!table[at]) {
			table[at] = (uint32_t)v->n_stances;
			v->stances[v->n_stances++] = s;
		}
		v->stance_of[i] = table[at];
	}
	return 0;
}

/* Which nodes that are not open have each viewpoint in their set. */
static int turn_round(struct viewpoints *v, bool at, struct view_set **ret)
{
	struct view_set *by = arena_array(v->arena, v->n, sizeof(*by));
	uint32_t **lists = arena_array(v->arena, v->n, sizeof(*lists));
	size_t i, j;

	if (!by || !lists)
		return -1;
	for (i = 0; i < v->m->n_nodes; i++) {
		const struct stance *s = &v->stances[v->stance_of[i]];
		const struct view_set *set = at ? &s->at : &s->from;

		for (j = 0; j < set->n; j++)
			by[set->v[j]].n++;
	}
	for (i = 0; i < v->n; i++) {
		lists[i] = arena_array(v->arena, by[i].n, sizeof(**lists));
		if (!lists[i])
			return -1;
		by[i] = (struct view_set){ lists[i], 0 };
	}
	for (i = 0; i < v->m->n_nodes; i++) {
		const struct stance *s = &v->stances[v->stance_of[i]];
		const struct view_set *set = at ? &s->at : &s->from;

		for (j = 0; j < set->n; j++)
			lists[set->v[j]][by[set->v[j]].n++] = (uint32_t)i;
	}
	*ret = by;
	return 0;
}

int viewpoints_find(const struct m_network *m, struct arena *a, struct viewpoints *ret)
{
	*ret = (struct viewpoints){ .m = m, .arena = a };
	if (name_viewpoints(ret) < 0 || make_stances(ret) < 0)
		return -1;
	return turn_round(ret, true, &ret->closed_at) < 0 ||
			       turn_round(ret, false, &ret->closed_from) < 0 ?
		       -1 :
		       0;
}

const char **viewpoints_of(const struct viewpoints *v, size_t node, size_t *ret_n)
{
	const struct view_set *from = &v->from[node];
	const char **list = arena_array(v->arena, from->n, sizeof(*list));
	size_t i;

	for (i = 0; list && i < from->n; i++)
		list[i] = v->names[from->v[i]];
	*ret_n = list ? from->n : 0;
	return list;
}

bool viewpoints_open(const struct viewpoints *v, size_t node)
{
	return v->m->nodes[node].endpoint.host != NULL;
}

bool viewpoints_seen(const struct viewpoints *v, size_t node)
{
	return viewpoints_open(v, node) || v->m->nodes[node].n_seen;
}

static bool overlap(const struct view_set *a, const struct view_set *b)
{
	size_t i = 0, j = 0;

	while (i < a->n && j < b->n) {
		if (a->v[i] == b->v[j])
			return true;
		if (a->v[i] < b->v[j])
			i++;
		else
			j++;
	}
	return false;
}

bool viewpoints_meet(const struct viewpoints *v, size_t a, size_t b)
{
	const struct stance *s = &v->stances[v->stance_of[a]], *t = &v->stances[v->stance_of[b]];

	return viewpoints_open(v, a) || viewpoints_open(v, b) || overlap(&s->at, &t->from) ||
	       overlap(&t->at, &s->from);
}

static size_t add_all(uint32_t *list, size_t n, const struct view_set *which,
		      const struct view_set *by)
{
	size_t i;

	for (i = 0; i < which->n; i++) {
		const struct view_set *s = &by[which->v[i]];

		if (s->n)
			memcpy(list + n, s->v, s->n * sizeof(*list));
		n += s->n;
	}
	return n;
}

int viewpoints_near(struct viewpoints *v, uint32_t stance, struct view_set *ret)
{
	struct stance *s = &v->stances[stance];
	size_t i, n = 0;

	if (!s->made) {
		for (i = 0; i < s->at.n; i++)
			n += v->closed_from[s->at.v[i]].n;
		for (i = 0; i < s->from.n; i++)
			n += v->closed_at[s->from.v[i]].n;
		s->near = arena_array(v->arena, n, sizeof(*s->near));
		if (!s->near)
			return -1;
		n = add_all(s->near, 0, &s->at, v->closed_from);
		n = add_all(s->near, n, &s->from, v->closed_at);
		s->n_near = unique_numbers(s->near, n);
		s->made = true;
	}
	*ret = (struct view_set){ s->near, s->n_near };
	return 0;
}

static void put_views(const struct viewpoints *v, const char *word, const struct view_set *set,
		      struct buf *out)
{
	size_t i;

	if (set->n)
		buf_adds(out, word);
	for (i = 0; i < set->n; i++) {
		buf_addc(out, '!');
		buf_adds(out, v->names[set->v[i]]);
	}
}

void viewpoints_put_stance(const struct viewpoints *v, uint32_t stance, struct buf *out)
{
	put_views(v, "#at", &v->stances[stance].at, out);
	put_views(v, "#from", &v->stances[stance].from, out);
}
