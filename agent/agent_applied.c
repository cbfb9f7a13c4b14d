/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

const struct config *agent_previous(struct agent *a)
{
	const struct applied *p = &a->state.applied;

	if (!p->serial)
		return NULL;
	if (a->current && !digest_cmp(&p->manifest, &a->current->hash) && a->current->has_config)
		return &a->current->config;
	if (a->applied && digest_cmp(&a->applied->hash, &p->manifest)) {
		snapshot_free(a->applied);
		a->applied = NULL;
	}
	if (!a->applied &&
	    snapshot_load(a->store, a->config->network, a->config->node, p->len, &p->manifest,
			  &p->set, &a->applied, &(struct err){ 0 }) < 0)
		return NULL;
	return a->applied->has_config ? &a->applied->config : NULL;
}

int agent_forget_applied(struct agent *a, struct err *e)
{
	struct state next = a->state;

	if (!next.applied.serial)
		return 0;
	next.applied = (struct applied){ 0 };
	next.n_pending = 0;
	return agent_save(a, &next, e);
}

static bool same_pending(const struct state *a, const struct state *b)
{
	size_t i;

	for (i = 0; i < a->n_pending && i < b->n_pending; i++)
		if (strcmp(a->pending[i].s, b->pending[i].s) != 0)
			return false;
	return a->n_pending == b->n_pending;
}

int agent_note_applied(struct agent *a, const struct convergence *c, struct err *e)
{
	struct state next = a->state;
	struct applied *p = &next.applied;
	const struct accepted *now = &a->state.accepted;

	links_pending(c->links, c->n_links, &next);
	if (p->serial && !digest_cmp(&p->manifest, &now->manifest) &&
	    !digest_cmp(&p->set, &now->set) && !strcmp(p->interface.s, c->interface.s) &&
	    same_pending(&next, &a->state))
		return 0;
	/* What becomes of a link later is no other time of being in force. */
	if (!p->serial || digest_cmp(&p->manifest, &now->manifest) ||
	    digest_cmp(&p->set, &now->set) || strcmp(p->interface.s, c->interface.s) != 0)
		*p = (struct applied){ .serial = now->serial,
				       .since = agent_clock(a->config),
				       .interface = c->interface,
				       .len = now->len,
				       .manifest = now->manifest,
				       .set = now->set };
	if (agent_save(a, &next, e) < 0)
		return -1;
	snapshot_free(a->applied);
	a->applied = NULL;
	return 0;
}
