/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/site.h"

#include "reconciler/group_name.h"

static const char *node_name(const struct sites *s, uint32_t node)
{
	return s->m->nodes[node].name;
}

static const struct site *site_of(const struct sites *s, uint32_t node)
{
	return s->of[node] ? &s->list[s->of[node] - 1] : NULL;
}

/* The names of nodes, as a group has them. */
static int make_group(const struct sites *s, const char *name, const uint32_t *members, size_t n,
		      struct group *ret)
{
	const char **names = arena_array(s->arena, n, sizeof(*names));
	size_t i;

	if (!names || !name)
		return -1;
	for (i = 0; i < n; i++)
		names[i] = node_name(s, members[i]);
	*ret = (struct group){ name, names, n };
	return 0;
}

static int fill_site(struct sites *s, struct site *site, uint32_t *behind)
{
	struct prefix *routes = arena_array(s->arena, site->m->n_routes, sizeof(*routes));
	size_t i;

	if (!routes)
		return -1;
	for (i = 0; i < site->m->n_routes; i++)
		routes[i] = site->m->routes[i].prefix;
	site->routes = routes;
	site->n_routes = prefix_canonical(routes, site->m->n_routes);
	site->behind = behind;
	return 0;
}

static int find_members(struct sites *s)
{
	uint32_t *all = arena_array(s->arena, s->m->n_nodes, sizeof(*all));
	uint32_t *number = arena_array(s->arena, s->m->n_sites, sizeof(*number));
	size_t i, used = 0;

	if (!all || !number)
		return -1;
	for (i = 0; i < s->n; i++)
		number[s->list[i].m - s->m->sites] = (uint32_t)i + 1;
	for (i = 0; i < s->m->n_nodes; i++) {
		const struct m_text *name = &s->m->nodes[i].site;
		const struct m_site *m = name->s ? m_network_site(s->m, name->s) : NULL;
		uint32_t at = m ? number[m - s->m->sites] : 0;

		if (!at || s->list[at - 1].leader == i)
			continue;
		s->of[i] = at;
		s->list[at - 1].n_behind++;
	}
	for (i = 0; i < s->n; i++) {
		if (fill_site(s, &s->list[i], all + used) < 0)
			return -1;
		used += s->list[i].n_behind;
		s->list[i].n_behind = 0;
	}
	for (i = 0; i < s->m->n_nodes; i++) {
		struct site *site = s->of[i] ? &s->list[s->of[i] - 1] : NULL;

		/* Into the part of `all` that was set apart above. */
		if (site)
			all[(size_t)(site->behind - all) + site->n_behind++] = (uint32_t)i;
	}
	return 0;
}

int sites_find(const struct m_network *m, struct arena *a, struct sites *ret)
{
	struct sites s = { .m = m, .arena = a };
	size_t i;

	s.list = arena_array(a, m->n_sites, sizeof(*s.list));
	s.of = arena_array(a, m->n_nodes, sizeof(*s.of));
	s.led = arena_array(a, m->n_nodes, sizeof(*s.led));
	if (!s.list || !s.of || !s.led)
		return -1;
	for (i = 0; i < m->n_sites; i++) {
		const struct m_node *leader =
			m->sites[i].n_leaders ? m_network_node(m, m->sites[i].leaders[0].s) : NULL;

		if (!leader)
			continue;
		s.list[s.n].m = &m->sites[i];
		s.list[s.n].leader = (uint32_t)(leader - m->nodes);
		s.led[leader - m->nodes] = (uint32_t)++s.n;
	}
	if (s.n && find_members(&s) < 0)
		return -1;
	for (i = 0; i < s.n; i++)
		if (s.list[i].n_behind &&
		    make_group(&s, group_name_join(a, "site:", s.list[i].m->name), s.list[i].behind,
			       s.list[i].n_behind, &s.list[i].group) < 0)
			return -1;
	*ret = s;
	return 0;
}

static int cmp_number(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

int sites_outside(const struct sites *s, const uint32_t *members, size_t n, const uint32_t **ret,
		  size_t *ret_n)
{
	uint32_t *list;
	size_t i, kept = 0;

	for (i = 0; i < n && !s->of[members[i]]; i++)
		;
	*ret = members;
	*ret_n = n;
	if (i == n)
		return 0;
	list = arena_array(s->arena, n, sizeof(*list));
	if (!list)
		return -1;
	for (i = 0; i < n; i++) {
		const struct site *site = site_of(s, members[i]);

		list[i] = site ? site->leader : members[i];
	}
	qsort(list, n, sizeof(*list), cmp_number);
	for (i = 0; i < n; i++)
		if (!kept || list[kept - 1] != list[i])
			list[kept++] = list[i];
	*ret = list;
	*ret_n = kept;
	return 0;
}

/* What leaders bring. */

static int cmp_groups(const void *a, const void *b)
{
	return strcmp(((const struct site_group *)a)->name, ((const struct site_group *)b)->name);
}

int sites_groups(struct sites *s, const struct group *groups, size_t n)
{
	size_t i, j;

	s->n_groups = 0;
	s->groups = arena_array(s->arena, n, sizeof(*s->groups));
	if (!s->groups)
		return -1;
	for (i = 0; s->n && i < n; i++) {
		uint32_t *in = NULL;
		size_t k = 0;

		for (j = 0; j < s->n; j++) {
			if (!group_has(&groups[i], node_name(s, s->list[j].leader)))
				continue;
			if (!in)
				in = arena_array(s->arena, s->n - j, sizeof(*in));
			if (!in)
				return -1;
			in[k++] = (uint32_t)j;
		}
		if (k)
			s->groups[s->n_groups++] = (struct site_group){ groups[i].name, in, k };
	}
	if (s->n_groups > 1)
		qsort(s->groups, s->n_groups, sizeof(*s->groups), cmp_groups);
	return 0;
}

/* Links under construction. */
struct builder {
	const struct sites *s;
	struct link_set out;
	bool nomem;
};

static void put(struct builder *b, struct link link)
{
	if (link_set_add(&b->out, b->s->arena, link) < 0)
		b->nomem = true;
}

/* What stands under `via` because the leader of this site does, or is it. */
static void put_site(struct builder *b, const struct site *site, const char *via,
		     enum link_kind kind)
{
	if (site->n_behind)
		put(b, (struct link){ .kind = kind, .target = site->group.name, .via = via });
	if (site->n_routes)
		put(b, (struct link){ .kind = LINK_ALLOW,
				      .via = via,
				      .prefixes = site->routes,
				      .n_prefixes = site->n_routes });
}

/* Calls fn for every site whose leader is in the target. */
static void for_each_site(struct builder *b, uint32_t node, const struct link *link, bool *direct,
			  void (*fn)(struct builder *, const struct link *, uint32_t, bool *))
{
	const struct sites *s = b->s;
	struct site_group key = { .name = link->target };
	const struct site_group *g;
	size_t i;

	if (!target_is_group(link->target)) {
		const struct m_node *n = m_network_node(s->m, link->target);

		/* A client is no node. */
		if (n && s->led[n - s->m->nodes] && (uint32_t)(n - s->m->nodes) != node)
			fn(b, link, s->led[n - s->m->nodes] - 1, direct);
		return;
	}
	if (!strcmp(link->target, GROUP_ALL)) {
		for (i = 0; i < s->n; i++)
			if (s->list[i].leader != node)
				fn(b, link, (uint32_t)i, direct);
		return;
	}
	g = s->n_groups ? bsearch(&key, s->groups, s->n_groups, sizeof(*s->groups), cmp_groups) :
			  NULL;
	for (i = 0; g && i < g->n; i++)
		if (s->list[g->sites[i]].leader != node)
			fn(b, link, g->sites[i], direct);
}

static void mark_direct(struct builder *b, const struct link *link, uint32_t site, bool *direct)
{
	if (link->kind == LINK_DIRECT)
		direct[site] = true;
}

static void put_indirect(struct builder *b, const struct link *link, uint32_t site, bool *direct)
{
	/* Of what goes through another, what is met is left out. */
	if ((link->kind == LINK_THROUGH && !direct[site]) || link->kind == LINK_ROUTES)
		put_site(b, &b->s->list[site], link->via, link->kind);
}

int sites_links(const struct sites *s, uint32_t node, const struct link *links, size_t n,
		struct link_set *ret)
{
	struct builder b = { .s = s };
	bool *direct = arena_array(s->arena, s->n, sizeof(*direct));
	size_t i;

	if (!direct)
		return -1;
	for (i = 0; i < n; i++)
		if (links[i].kind == LINK_DIRECT)
			for_each_site(&b, node, &links[i], direct, mark_direct);
	for (i = 0; i < s->n; i++)
		if (direct[i])
			put_site(&b, &s->list[i], node_name(s, s->list[i].leader), LINK_THROUGH);
	for (i = 0; i < n; i++)
		if (links[i].kind == LINK_THROUGH || links[i].kind == LINK_ROUTES)
			for_each_site(&b, node, &links[i], direct, put_indirect);
	if (s->led[node] && s->list[s->led[node] - 1].n_behind)
		put(&b, (struct link){ .kind = LINK_DIRECT,
				       .target = s->list[s->led[node] - 1].group.name });
	*ret = b.out;
	return b.nomem ? -1 : 0;
}

/* Inside. */

/* "site:berlin#met#at!site:berlin": those behind the leader whom nodes of a stance meet. */
static char *met_name(const struct sites *s, const struct viewpoints *v, const struct site *site,
		      uint32_t stance)
{
	struct buf b;
	char *name;

	buf_init(&b, SIZE_MAX / 2);
	buf_adds(&b, site->group.name);
	buf_adds(&b, "#met");
	viewpoints_put_stance(v, stance, &b);
	name = group_name_bounded(s->arena, &b, MAX_GROUP_NAME);
	buf_release(&b);
	return name;
}

/* The nodes of its site that a node may have as peers. */
static int put_mates(struct builder *b, const struct site *site, struct viewpoints *v,
		     uint32_t node, struct group *ret_group)
{
	uint32_t *met = arena_array(b->s->arena, site->n_behind, sizeof(*met));
	size_t i, n = 0, others = 0;
	const char *name;

	if (!met)
		return -1;
	for (i = 0; i < site->n_behind; i++) {
		if (viewpoints_meet(v, node, site->behind[i]))
			met[n++] = site->behind[i];
		else
			others += site->behind[i] != node;
	}
	/* Itself is no peer of its own. */
	if (!n || (n == 1 && met[0] == node))
		return 0;
	if (!others) {
		put(b, (struct link){ .kind = LINK_DIRECT, .target = site->group.name });
		return 0;
	}
	name = met_name(b->s, v, site, v->stance_of[node]);
	put(b, (struct link){ .kind = LINK_DIRECT, .target = name });
	return make_group(b->s, name, met, n, ret_group);
}

/* What the leader has of others, under the leader. */
static void put_outward(struct builder *b, const struct site *site, const struct link *l)
{
	struct link link = *l;

	link.via = node_name(b->s, site->leader);
	switch (l->kind) {
	case LINK_DIRECT:
		/* A peer's own clients stand under it by themselves. */
		if (!strcmp(l->target, site->group.name) ||
		    !strncmp(l->target, GROUP_CLIENTS_OF, strlen(GROUP_CLIENTS_OF)))
			return;
		link.kind = LINK_THROUGH;
		break;
	case LINK_ROUTES:
	case LINK_THROUGH:
	case LINK_ALLOW:
		break;
	case LINK_ALIVE:
	case LINK_ROUTED:
		return;
	}
	put(b, link);
}

int sites_behind(const struct sites *s, struct viewpoints *v, uint32_t node,
		 const struct link *links, size_t n, struct link_set *ret, struct group *ret_group)
{
	const struct site *site = &s->list[s->of[node] - 1];
	const char *leader = node_name(s, site->leader);
	struct builder b = { .s = s };
	size_t i;

	*ret_group = (struct group){ 0 };
	put(&b, (struct link){ .kind = LINK_DIRECT, .target = leader });
	if (!strcmp(site->m->inside.s, "direct") && put_mates(&b, site, v, node, ret_group) < 0)
		return -1;
	put(&b, (struct link){ .kind = LINK_THROUGH, .target = site->group.name, .via = leader });
	for (i = 0; i < n; i++)
		put_outward(&b, site, &links[i]);
	*ret = b.out;
	return b.nomem ? -1 : 0;
}
