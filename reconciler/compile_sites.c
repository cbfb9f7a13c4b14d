/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

static void use_group(struct compiler *c, const struct group *g)
{
	if (!compiler_group(c, g->name))
		compiler_put_group(c, *g);
}

static void add_links(struct compiler *c, size_t node, const struct link_set *links)
{
	size_t i;

	for (i = 0; i < links->n && !c->nomem; i++)
		compiler_put_link(c, node, links->list[i]);
}

static bool target_has(const struct compiler *c, const char *target, const char *name)
{
	const struct group *g = target_is_group(target) ? compiler_group(c, target) : NULL;

	return g ? group_has(g, name) : !strcmp(target, name) || !strcmp(target, GROUP_ALL);
}

/* The clients of those whom a leader meets stand under these by themselves; behind the leader they
 * must be named. */
static struct link_set clients_met(struct compiler *c, const struct site *site)
{
	const struct link_set *l = &c->links[site->leader];
	struct link link = { .kind = LINK_THROUGH, .via = c->m->nodes[site->leader].name };
	struct link_set ret = { 0 };
	size_t i, j;

	for (i = 0; !c->nomem && i < c->n_gateways; i++) {
		const struct gateway *g = &c->gateways[i];

		for (j = 0; j < l->n; j++)
			if (l->list[j].kind == LINK_DIRECT && g->node != site->leader &&
			    target_has(c, l->list[j].target, c->m->nodes[g->node].name))
				break;
		if (j == l->n)
			continue;
		link.target = g->clients.name;
		if (link_set_add(&ret, c->arena, link) < 0)
			c->nomem = true;
	}
	return ret;
}

/* The nodes behind a leader, once its own links are complete. */
static void compile_site(struct compiler *c, const struct site *site)
{
	const struct link_set *leader = &c->links[site->leader];
	struct link_set links, clients = clients_met(c, site);
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
			use_group(c, &group);
		if (!viewpoints_meet(&c->views, node, site->leader))
			compile_warn_pair(c, c->m->nodes[node].site.pos, node, site->leader);
	}
}

void compile_sites(struct compiler *c)
{
	struct link_set links;
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
		link_set_unique(&c->links[c->sites.list[i].leader]);
		if (c->sites.list[i].n_behind)
			use_group(c, &c->sites.list[i].group);
	}
	for (i = 0; i < c->sites.n && !c->nomem; i++)
		compile_site(c, &c->sites.list[i]);
}
