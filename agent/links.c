/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/links.h"

static bool was_pending(const struct state *s, const struct ifname *name)
{
	size_t i;

	for (i = 0; i < s->n_pending; i++)
		if (!strcmp(s->pending[i].s, name->s))
			return true;
	return false;
}

/* What was in force on this interface before, towards the same node; NULL: not known. */
static const struct config *link_previous(const struct links_job *job, const struct config *link)
{
	const struct config *was = job->previous;
	size_t i;

	for (i = 0; was && i < was->n_links; i++)
		if (!strcmp(was->links[i].node->interface.s, link->node->interface.s))
			return was_pending(job->state, &link->node->interface) ? NULL :
										 &was->links[i];
	return NULL;
}

static struct desired link_desired(const struct links_job *job, size_t i)
{
	return (struct desired){ .config = &job->config->links[i],
				 .endpoints = &job->endpoints[i],
				 .public_key = job->public_key,
				 .alias = job->alias,
				 .lifelines = job->lifelines,
				 .n_lifelines = job->n_lifelines,
				 .fwmark = job->fwmark };
}

static const struct err *refused(const struct links_job *job, const struct ifname *name)
{
	size_t i;

	for (i = 0; i < job->n_refused; i++)
		if (!strcmp(job->refused[i].name.s, name->s))
			return &job->refused[i].why;
	return NULL;
}

static int converge_one(const struct links_job *job, size_t i, bool dry,
			struct link_convergence *ret)
{
	const struct config *link = &job->config->links[i];
	const struct config *previous = link_previous(job, link);
	const struct err *why = refused(job, &link->node->interface);
	struct desired d = link_desired(job, i);

	ret->error = (struct err){ 0 };
	ret->interface = link->node->interface;
	ret->peer = link->peers[0].name;
	if (!strcmp(ret->interface.s, job->main.s))
		return err_set(
			&ret->error, ERR_CONFLICT,
			"interface %s: it is the main interface here, and is to be the routed link with %s: choose "
			"another name for --interface",
			ret->interface.s, ret->peer);
	if (why) {
		ret->error = *why;
		return -1;
	}
	if (dry) {
		if (apply_plan(job->kern, &ret->interface, &d, previous, job->now, job->arena,
			       &ret->result, &ret->error) < 0)
			return -1;
		if (!ret->result.n_refused)
			return 0;
		lifeline_error(ret->result.refused, ret->result.n_refused, &ret->error);
		return err_prefix(&ret->error, "interface %s", ret->interface.s);
	}
	return apply_desired(job->kern, &ret->interface, &d, previous, job->private_key, job->now,
			     job->arena, &ret->result, &ret->error);
}

int links_plan_one(const struct links_job *job, size_t i, struct err *e)
{
	const struct config *link = &job->config->links[i];
	struct desired d = link_desired(job, i);
	struct apply_result unused;

	return apply_plan(job->kern, &link->node->interface, &d, link_previous(job, link), job->now,
			  job->arena, &unused, e);
}

/* The first try's operations and rounds count too. */
static void add_first_try(struct apply_result *r, const struct apply_result *first)
{
	r->n_changes += first->n_changes;
	r->rounds += first->rounds;
	if (!first->n_ops)
		return;
	r->ops = first->ops;
	r->n_ops = first->n_ops;
	r->before = first->before;
}

static void try_again(const struct links_job *job, size_t i, struct link_convergence *l)
{
	struct apply_result first = l->result;

	if (l->error.class == ERR_CONFLICT || l->error.class == ERR_NOMEM)
		return;
	if (converge_one(job, i, false, l) < 0 && !l->error.class)
		l->error.class = ERR_IO;
	add_first_try(&l->result, &first);
}

int links_converge(const struct links_job *job, bool dry, struct link_convergence **ret,
		   size_t *ret_n, struct err *e)
{
	size_t n = job->config->n_links, i, failed = 0;
	struct link_convergence *list = arena_array(job->arena, n, sizeof(*list));
	const struct err *first = NULL;

	*ret_n = 0;
	if (!list)
		return err_nomem(e);
	*ret = list;
	*ret_n = n;
	for (i = 0; i < n; i++)
		(void)converge_one(job, i, dry, &list[i]);
	for (i = 0; i < n; i++) {
		if (list[i].error.class && !dry)
			try_again(job, i, &list[i]);
		if (!list[i].error.class)
			continue;
		failed++;
		if (!first)
			first = &list[i].error;
	}
	if (!first)
		return 0;
	if (e)
		*e = *first;
	return failed > 1 ? err_prefix(e, "%zu routed links cannot be made; the first", failed) :
			    -1;
}

bool links_holds(const struct links_job *job, const struct ifname *other)
{
	const struct config *was = job->previous, *old = NULL;
	struct apply_result unused;
	struct ifname name;
	struct desired d;
	struct err e = { 0 };
	size_t i;

	for (i = 0; was && i < was->n_links && !old; i++)
		if (!strcmp(was->links[i].node->interface.s, other->s))
			old = &was->links[i];
	for (i = 0; old && i < job->config->n_links; i++) {
		if (wgkey_cmp(&job->config->links[i].peers[0].key, &old->peers[0].key))
			continue;
		name = job->config->links[i].node->interface;
		d = link_desired(job, i);
		return apply_plan(job->kern, &name, &d, NULL, job->now, job->arena, &unused, &e) <
			       0 &&
		       e.class == ERR_CONFLICT;
	}
	return false;
}

void links_pending(const struct link_convergence *links, size_t n, struct state *state)
{
	size_t i;

	state->n_pending = 0;
	for (i = 0; i < n && state->n_pending < MAX_PENDING_LINKS; i++)
		if (!links[i].result.verified && !links[i].result.all_but_routes)
			state->pending[state->n_pending++] = links[i].interface;
}
