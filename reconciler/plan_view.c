/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan_view.h"

bool ids_has(struct ids ids, uint32_t id)
{
	size_t lo = 0, hi = ids.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ids.v[mid] == id)
			return true;
		if (ids.v[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

int id_list_add(struct id_list *l, uint32_t id)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		uint32_t *v = cap > SIZE_MAX / sizeof(*v) ? NULL : realloc(l->v, cap * sizeof(*v));

		if (!v)
			return -1;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = id;
	return 0;
}

void id_list_release(struct id_list *l)
{
	free(l->v);
	*l = (struct id_list){ 0 };
}

uint32_t plan_work_id(const struct plan_work *w, const char *name)
{
	uint32_t lo = 0, hi = w->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = strcmp(w->names[mid], name);

		if (!c)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NO_ID;
}

/* Merges the sorted names of `list` (n names, one every `stride` bytes) into w->names. */
static int merge_names(struct plan_work *w, const char *list, size_t n, size_t stride)
{
	const char **out = arena_array(&w->tmp, w->n + n, sizeof(*out));
	size_t i = 0, j = 0, k = 0;

	if (!out)
		return -1;
	while (i < w->n || j < n) {
		const char *name = NULL;
		int c = -1;

		if (j < n)
			memcpy(&name, list + j * stride, sizeof(name));
		if (i < w->n)
			c = name ? strcmp(w->names[i], name) : -1;
		else
			c = 1;
		out[k++] = c <= 0 ? w->names[i] : name;
		i += c <= 0;
		j += c >= 0;
	}
	w->names = out;
	w->n = (uint32_t)k;
	return 0;
}

static int number_names(struct plan_work *w)
{
	size_t s;

	for (s = OLD; s <= NEW; s++) {
		const struct network *n = w->sides[s].network;

		/* The name is the first member of both. */
		if (n &&
		    (merge_names(w, (const char *)n->records, n->n_records, sizeof(*n->records)) <
			     0 ||
		     merge_names(w, (const char *)n->nodes, n->n_nodes, sizeof(*n->nodes)) < 0))
			return -1;
	}
	return 0;
}

static int missing(const struct side *s, const char *what, const char *name, struct err *e)
{
	return err_set(e, ERR_INPUT, "network %s: %s '%s' is named but not there", s->network->name,
		       what, name);
}

static int number_groups(struct plan_work *w, struct side *s, struct err *e)
{
	const struct network *n = s->network;
	uint32_t *v, id;
	size_t i, j;

	v = arena_array(&w->tmp, n->n_records, sizeof(*v));
	s->groups = arena_array(&w->tmp, n->n_groups, sizeof(*s->groups));
	if (!v || !s->groups)
		return err_nomem(e);
	for (i = 0, id = 0; id < w->n; id++) {
		if (s->records[id] && !s->records[id]->gateway)
			v[i++] = id;
	}
	s->all = (struct ids){ v, i };
	for (i = 0; i < n->n_groups; i++) {
		const struct group *g = &n->groups[i];

		v = arena_array(&w->tmp, g->n_members, sizeof(*v));
		if (!v)
			return err_nomem(e);
		for (j = 0; j < g->n_members; j++) {
			v[j] = plan_work_id(w, g->members[j]);
			if (v[j] == NO_ID || !s->records[v[j]])
				return missing(s, "member", g->members[j], e);
		}
		s->groups[i] = (struct ids){ v, g->n_members };
	}
	return 0;
}

static int find_gateways(struct plan_work *w, struct side *s, struct err *e)
{
	char name[MAX_GROUP_NAME + 1];
	size_t n = 0;
	uint32_t id;

	for (id = 0; id < w->n; id++)
		n += s->records[id] && s->records[id]->clients;
	s->gateways = arena_array(&w->tmp, n, sizeof(*s->gateways));
	if (!s->gateways)
		return err_nomem(e);
	for (id = 0; id < w->n; id++) {
		const struct group *g;

		if (!s->records[id] || !s->records[id]->clients)
			continue;
		g = network_group(s->network, group_of_clients(w->names[id], name));
		if (!g)
			return missing(s, "group", name, e);
		s->gateways[s->n_gateways++] =
			(struct side_gateway){ id, s->groups[g - s->network->groups] };
	}
	return 0;
}

static int resolve_target(struct plan_work *w, const struct side *s, const char *target,
			  struct ids *ret, struct err *e)
{
	const struct group *g;
	uint32_t *v;

	if (!strcmp(target, GROUP_ALL)) {
		*ret = s->all;
		return 0;
	}
	if (target_is_group(target)) {
		g = network_group(s->network, target);
		if (!g)
			return missing(s, "group", target, e);
		*ret = s->groups[g - s->network->groups];
		return 0;
	}
	v = arena_alloc(&w->tmp, sizeof(*v));
	if (!v)
		return err_nomem(e);
	*v = plan_work_id(w, target);
	if (*v == NO_ID || !s->records[*v])
		return missing(s, "node", target, e);
	*ret = (struct ids){ v, 1 };
	return 0;
}

static bool is_direct(const struct view *v, uint32_t id)
{
	size_t i;

	for (i = 0; i < v->source->n_links; i++)
		if (v->links[i].kind == LINK_DIRECT && ids_has(v->links[i].target, id))
			return true;
	return false;
}

static void add_clients(const struct side *s, struct view *view)
{
	size_t i;

	for (i = 0; i < s->n_gateways; i++)
		if (is_direct(view, s->gateways[i].id))
			view->links[view->n_links++] =
				(struct view_link){ .kind = LINK_THROUGH,
						    .via = s->gateways[i].id,
						    .target = s->gateways[i].clients };
}

static int resolve_view(struct plan_work *w, const struct side *s, const struct node *node,
			struct view *view, struct err *e)
{
	size_t i;

	view->source = node;
	view->exit = NO_ID;
	if (node->exit) {
		view->exit = plan_work_id(w, node->exit);
		if (view->exit == NO_ID || !s->records[view->exit])
			return missing(s, "node", node->exit, e);
	}
	view->n_links = node->n_links;
	view->links = arena_array(&w->tmp, node->n_links + s->n_gateways, sizeof(*view->links));
	if (!view->links)
		return err_nomem(e);
	for (i = 0; i < node->n_links; i++) {
		const struct link *l = &node->links[i];
		struct view_link *v = &view->links[i];

		*v = (struct view_link){ .kind = l->kind,
					 .via = NO_ID,
					 .prefixes = l->prefixes,
					 .n_prefixes = l->n_prefixes,
					 .seconds = l->seconds };
		if (l->via) {
			v->via = plan_work_id(w, l->via);
			if (v->via == NO_ID || !s->records[v->via])
				return missing(s, "node", l->via, e);
		}
		if (l->target && resolve_target(w, s, l->target, &v->target, e) < 0)
			return -1;
	}
	add_clients(s, view);
	return 0;
}

static uint32_t hash_bytes(uint32_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

static uint32_t hash_links(const struct node *n)
{
	uint32_t h = 2166136261u;
	size_t i;

	if (n->exit)
		h = hash_bytes(h, n->exit, strlen(n->exit) + 1);
	for (i = 0; i < n->n_links; i++) {
		const struct link *l = &n->links[i];

		h = hash_bytes(h, &l->kind, sizeof(l->kind));
		if (l->target)
			h = hash_bytes(h, l->target, strlen(l->target) + 1);
		if (l->via)
			h = hash_bytes(h, l->via, strlen(l->via) + 1);
		h = hash_bytes(h, &l->n_prefixes, sizeof(l->n_prefixes));
		h = hash_bytes(h, &l->seconds, sizeof(l->seconds));
	}
	for (i = 0; i < n->n_from; i++)
		h = hash_bytes(h, n->from[i], strlen(n->from[i]) + 1);
	return h;
}

static bool same_view(const struct view *v, const struct node *n)
{
	size_t i;

	if (v->source->n_links != n->n_links || v->source->n_from != n->n_from ||
	    !v->source->exit != !n->exit || (n->exit && strcmp(v->source->exit, n->exit)))
		return false;
	for (i = 0; i < n->n_from; i++) {
		if (strcmp(v->source->from[i], n->from[i]))
			return false;
	}
	if (v->source->links == n->links)
		return true;
	for (i = 0; i < n->n_links; i++) {
		if (link_cmp(&v->source->links[i], &n->links[i]))
			return false;
	}
	return true;
}

static int sort_into_views(struct plan_work *w, struct side *s, struct err *e)
{
	size_t slots = 16, at;
	uint32_t *table, id;

	while (slots < 2 * s->network->n_nodes)
		slots *= 2;
	table = arena_array(&w->tmp, slots, sizeof(*table));
	s->views = arena_array(&w->tmp, s->network->n_nodes, sizeof(*s->views));
	if (!table || !s->views)
		return err_nomem(e);
	for (id = 0; id < w->n; id++) {
		const struct node *n = s->nodes[id];

		if (!n)
			continue;
		/* A slot holds a view's number plus one. */
		for (at = hash_links(n) & (slots - 1); table[at]; at = (at + 1) & (slots - 1)) {
			if (same_view(&s->views[table[at] - 1], n))
				break;
		}
		if (!table[at]) {
			if (resolve_view(w, s, n, &s->views[s->n_views], e) < 0)
				return -1;
			table[at] = (uint32_t)++s->n_views;
		}
		s->view_of[id] = table[at] - 1;
	}
	return 0;
}

static bool same_seen(const struct record *a, const struct record *b)
{
	size_t i;

	if (a->n_seen != b->n_seen)
		return false;
	for (i = 0; i < a->n_seen; i++) {
		if (strcmp(a->seen[i].from, b->seen[i].from))
			return false;
	}
	return true;
}

/* Records by who reaches them first. */
static int number_seen(struct plan_work *w, struct side *s, struct err *e)
{
	size_t slots = 16, at, i;
	uint32_t *table, id, next = SEEN_BY_SOME;

	while (slots < 2 * s->network->n_records)
		slots *= 2;
	table = arena_array(&w->tmp, slots, sizeof(*table));
	if (!table)
		return err_nomem(e);
	for (id = 0; id < w->n; id++) {
		const struct record *r = s->records[id];
		uint32_t h = 2166136261u;

		if (r && r->endpoint.host)
			s->seen_as[id] = SEEN_BY_ALL;
		if (!r || r->endpoint.host || !r->n_seen)
			continue;
		for (i = 0; i < r->n_seen; i++)
			h = hash_bytes(h, r->seen[i].from, strlen(r->seen[i].from) + 1);
		/* A slot holds the number of such a record plus one. */
		for (at = h & (slots - 1); table[at]; at = (at + 1) & (slots - 1)) {
			if (same_seen(s->records[table[at] - 1], r))
				break;
		}
		if (!table[at]) {
			table[at] = id + 1;
			s->seen_as[id] = next++;
		} else {
			s->seen_as[id] = s->seen_as[table[at] - 1];
		}
	}
	return 0;
}

static int side_init(struct plan_work *w, struct side *s, struct err *e)
{
	const struct network *n = s->network;
	size_t r = 0, m = 0;
	uint32_t id;

	s->records = arena_array(&w->tmp, w->n, sizeof(struct record *));
	s->nodes = arena_array(&w->tmp, w->n, sizeof(struct node *));
	s->view_of = arena_array(&w->tmp, w->n, sizeof(*s->view_of));
	s->seen_as = arena_array(&w->tmp, w->n, sizeof(*s->seen_as));
	if (!s->records || !s->nodes || !s->view_of || !s->seen_as)
		return err_nomem(e);
	for (id = 0; id < w->n; id++) {
		if (n && r < n->n_records && !strcmp(n->records[r].name, w->names[id]))
			s->records[id] = &n->records[r++];
		if (n && m < n->n_nodes && !strcmp(n->nodes[m].name, w->names[id]))
			s->nodes[id] = &n->nodes[m++];
		s->view_of[id] = NO_ID;
	}
	if (!n)
		return 0;
	if (number_groups(w, s, e) < 0 || find_gateways(w, s, e) < 0 || number_seen(w, s, e) < 0)
		return -1;
	return sort_into_views(w, s, e);
}

int plan_work_init(struct plan_work *w, const struct network *old, const struct network *new,
		   struct arena *out, struct err *e)
{
	*w = (struct plan_work){ .out = out };
	arena_init(&w->tmp);
	w->sides[OLD].network = old;
	w->sides[NEW].network = new;
	if (number_names(w) < 0)
		return err_nomem(e);
	if (side_init(w, &w->sides[OLD], e) < 0 || side_init(w, &w->sides[NEW], e) < 0)
		return -1;
	return plan_links_init(w, e);
}

void plan_work_release(struct plan_work *w)
{
	arena_release(&w->tmp);
}

static int cmp_id(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void sort_unique(struct id_list *l)
{
	size_t i, k = 0;

	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), cmp_id);
	for (i = 0; i < l->n; i++) {
		if (!k || l->v[k - 1] != l->v[i])
			l->v[k++] = l->v[i];
	}
	l->n = k;
}

int view_direct(const struct side *s, uint32_t view, struct id_list *buffer, struct ids *ret)
{
	const struct view *v = view == NO_ID ? NULL : &s->views[view];
	const struct ids *only = NULL;
	size_t i, j, n = 0;

	*ret = (struct ids){ NULL, 0 };
	for (i = 0; v && i < v->n_links; i++) {
		if (v->links[i].kind == LINK_DIRECT && v->links[i].target.n) {
			only = &v->links[i].target;
			n++;
		}
	}
	if (n <= 1) {
		if (n)
			*ret = *only;
		return 0;
	}
	buffer->n = 0;
	for (i = 0; i < v->n_links; i++) {
		for (j = 0; v->links[i].kind == LINK_DIRECT && j < v->links[i].target.n; j++) {
			if (id_list_add(buffer, v->links[i].target.v[j]) < 0)
				return -1;
		}
	}
	sort_unique(buffer);
	*ret = (struct ids){ buffer->v, buffer->n };
	return 0;
}

const struct endpoint *view_endpoint(const struct side *s, uint32_t view, uint32_t to)
{
	const struct record *r = s->records[to];
	const struct node *from = view == NO_ID ? NULL : s->views[view].source;
	const struct endpoint *e = r ? record_endpoint(r, from) : NULL;

	return e && e->host ? e : NULL;
}

bool side_meet(const struct side *s, uint32_t a, uint32_t b)
{
	return view_endpoint(s, s->view_of[a], b) || view_endpoint(s, s->view_of[b], a);
}

bool side_joined(const struct side *s, uint32_t from, uint32_t to)
{
	const struct view *v;
	size_t i;

	if (s->view_of[from] == NO_ID || from == to)
		return false;
	v = &s->views[s->view_of[from]];
	for (i = 0; i < v->n_links; i++) {
		if (v->links[i].kind == LINK_DIRECT && ids_has(v->links[i].target, to))
			return true;
	}
	return false;
}

static int cmp_view_prefix(const void *a, const void *b)
{
	const struct view_prefix *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	return c ? c : cmp_id(&x->by, &y->by);
}

static void add_record(struct view_entry *ret, const struct record *r, uint32_t by, bool addresses)
{
	size_t i;

	for (i = 0; addresses && i < r->n_addresses; i++)
		ret->raw[ret->n++] = (struct view_prefix){ prefix_of_addr(&r->addresses[i]), by };
	for (i = 0; i < r->n_routes; i++)
		ret->raw[ret->n++] = (struct view_prefix){ r->routes[i], by };
}

int view_entry_make(const struct side *s, const struct view *view, struct ids direct, uint32_t via,
		    struct arena *a, struct view_entry *ret)
{
	size_t max = 2 + s->records[via]->n_addresses + s->records[via]->n_routes, i, j;

	for (i = 0; i < view->n_links; i++) {
		const struct view_link *l = &view->links[i];

		if (l->via != via)
			continue;
		max += l->n_prefixes;
		for (j = 0; j < l->target.n; j++)
			max += s->records[l->target.v[j]]->n_routes +
			       s->records[l->target.v[j]]->n_addresses;
	}
	*ret = (struct view_entry){ .raw = arena_array(a, max, sizeof(*ret->raw)) };
	if (!ret->raw)
		return -1;
	if (view->exit == via) {
		ret->raw[ret->n++] = (struct view_prefix){ { .family = 4 }, NO_ID };
		ret->raw[ret->n++] = (struct view_prefix){ { .family = 6 }, NO_ID };
	}
	add_record(ret, s->records[via], NO_ID, true);
	for (i = 0; i < view->n_links; i++) {
		const struct view_link *l = &view->links[i];

		if (l->via != via)
			continue;
		for (j = 0; j < l->n_prefixes; j++)
			ret->raw[ret->n++] = (struct view_prefix){ l->prefixes[j], NO_ID };
		for (j = 0; j < l->target.n; j++) {
			uint32_t id = l->target.v[j];
			bool through = l->kind == LINK_THROUGH;

			if (id != via && !(through && ids_has(direct, id)))
				add_record(ret, s->records[id], id, through);
		}
	}
	if (ret->n > 1)
		qsort(ret->raw, ret->n, sizeof(*ret->raw), cmp_view_prefix);
	return 0;
}

int view_entry_prefixes(const struct view_entry *e, uint32_t without, struct arena *a,
			struct prefix **ret, size_t *ret_n)
{
	struct prefix *list = arena_array(a, e->n, sizeof(*list));
	size_t i, n = 0;

	if (!list)
		return -1;
	for (i = 0; i < e->n; i++) {
		if (without != NO_ID && e->raw[i].by == without)
			continue;
		/* Sorted as they are, a prefix comes after all that cover it. Those of length 0
		 * stand beside the rest. */
		if (!n || !list[n - 1].len || !prefix_contains(&list[n - 1], &e->raw[i].prefix))
			list[n++] = e->raw[i].prefix;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int record_prefixes(const struct record *r, struct arena *a, struct prefix **ret, size_t *ret_n)
{
	struct prefix *list = arena_array(a, r->n_addresses + r->n_routes, sizeof(*list));
	size_t i, n = 0;

	if (!list)
		return -1;
	for (i = 0; i < r->n_addresses; i++)
		list[n++] = prefix_of_addr(&r->addresses[i]);
	for (i = 0; i < r->n_routes; i++)
		list[n++] = r->routes[i];
	*ret_n = prefix_canonical(list, n);
	*ret = list;
	return 0;
}
