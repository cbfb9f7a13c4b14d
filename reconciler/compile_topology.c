/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/compile_impl.h"

static void add_joins(struct compiler *c, const struct m_topology *t, const bool *who,
		      const struct targets *to)
{
	enum link_kind kind = t->interface_per_link ? LINK_ROUTED : LINK_DIRECT;
	size_t i, j;

	for (i = 0; i < c->m->n_nodes && !c->nomem; i++)
		for (j = 0; who[i] && j < to->n; j++) {
			const char *target = to->list[j].name;

			compiler_put_link(c, i, (struct link){ .kind = kind, .target = target });
			if (t->persistent_keepalive.set)
				compiler_put_link(
					c, i,
					(struct link){
						.kind = LINK_ALIVE,
						.target = target,
						.seconds = (uint16_t)t->persistent_keepalive.v });
		}
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

/* Keeps the entry's pairs until it is known which of them a relay joins. */
static void add_joined(struct compiler *c, const struct m_topology *t, const bool *a, const bool *b)
{
	struct joined **list = t->interface_per_link ? &c->routed : &c->joined, *grown;
	size_t *n = t->interface_per_link ? &c->n_routed : &c->n_joined;

	grown = arena_grow(c->arena, *list, *n, sizeof(*grown));
	if (!grown) {
		c->nomem = true;
		return;
	}
	*list = grown;
	grown[(*n)++] = (struct joined){ t->pos, a, b };
}

static void compile_mesh(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets members = compile_targets(c, &t->a, entry, "mesh");
	bool *in = compile_marks(c, &members);

	if (c->nomem)
		return;
	add_joins(c, t, in, &members);
	add_joined(c, t, in, in);
}

static void compile_star(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets hubs = compile_targets(c, &t->a, entry, "hubs"),
		       spokes = compile_targets(c, &t->b, entry, "spokes");
	bool *is_hub = compile_marks(c, &hubs), *is_spoke;
	const char *first;
	size_t i, j;

	if (c->nomem)
		return;
	/* A node on both sides is a hub: the entry does not join hubs with each other. */
	spokes = compile_without(c, &spokes, &hubs, is_hub);
	is_spoke = compile_marks(c, &spokes);
	if (c->nomem)
		return;
	add_joins(c, t, is_spoke, &hubs);
	add_joins(c, t, is_hub, &spokes);
	add_joined(c, t, is_hub, is_spoke);
	first = t->transit && !t->interface_per_link ? compile_first(c, &t->a) : NULL;
	if (first)
		add_transit(c, t, first, is_spoke);
	for (i = 0; first && i < c->m->n_nodes && !c->nomem; i++) {
		if (!is_spoke[i])
			continue;
		if (c->n_pools)
			compiler_put_link(c, i,
					  (struct link){ .kind = LINK_ALLOW,
							 .via = first,
							 .prefixes = c->pools,
							 .n_prefixes = c->n_pools });
		for (j = 0; j < spokes.n; j++)
			compiler_put_link(c, i,
					  (struct link){ .kind = LINK_ROUTES,
							 .target = spokes.list[j].name,
							 .via = first });
	}
}

static void compile_link(struct compiler *c, const struct m_topology *t, size_t entry)
{
	struct targets a = compile_targets(c, &t->a, entry, "between"),
		       b = compile_targets(c, &t->b, entry, "and");
	bool *in_a = compile_marks(c, &a), *in_b = compile_marks(c, &b);

	if (c->nomem)
		return;
	add_joins(c, t, in_a, &b);
	add_joins(c, t, in_b, &a);
	add_joined(c, t, in_a, in_b);
}

void compile_topology(struct compiler *c)
{
	struct m_selector everybody = { .kind = SELECT_ALL };
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
