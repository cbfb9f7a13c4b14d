/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include "agent/reduce.h"
#include "common/os_time.h"

/* Removed from the network, and what the interface was is not known any more: it goes as a whole.
 */
static int converge_gone(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	if (agent_find_others(a, NULL, NULL, &c->arena, &c->others, &c->n_others, e) < 0)
		return -1;
	if (c->n_others) {
		c->acted = true;
		c->interface = c->others[0];
	}
	return dry || (!agent_remove_others(a, c->others, c->n_others, e) &&
		       !agent_forget_applied(a, e)) ?
		       0 :
		       -1;
}

/* Without its policy nothing may be added. What is in the network no more goes all the same. */
static void reduce_interface(struct agent *a, const struct desired *d,
			     const struct config *previous, struct convergence *c)
{
	struct desired less = *d;
	struct sock_endpoint *none;
	struct config config;
	struct err unused;

	if (!previous || c->n_others || config_reduce(previous, d->config, &c->arena, &config) < 0)
		return;
	none = arena_array(&c->arena, config.n_peers, sizeof(*none));
	if (!none)
		return;
	less.config = &config;
	less.endpoints = none;
	(void)apply_desired(a->kern, &c->interface, &less, previous, &a->private_key, os_now(),
			    &c->arena, &c->result, &unused);
	c->result.verified = c->result.all_but_routes = false;
}

/* The old interfaces stay until the new ones are known to be ours to have. */
static int hold_others(struct agent *a, const struct links_job *job, const struct desired *main,
		       const struct config *previous, struct convergence *c, struct err *e)
{
	const struct ifname *old = &a->state.applied.interface;
	struct apply_result unused;
	size_t i, kept = 0;
	int r = 0;

	if (!c->n_others)
		return 0;
	r = apply_plan(a->kern, &c->interface, main, previous, job->now, &c->arena, &unused, e);
	for (i = 0; i < c->n_others; i++) {
		const struct ifname *name = &c->others[i];
		bool is_main = !a->state.applied.serial || !strcmp(name->s, old->s);

		if (!(is_main && r < 0) && !links_holds(job, name))
			c->others[kept++] = *name;
	}
	c->n_others = kept;
	return r;
}

static int converge_main(struct agent *a, const struct desired *d, const struct config *previous,
			 bool dry, int64_t now, struct convergence *ret, struct err *e)
{
	if (dry)
		return apply_plan(a->kern, &ret->interface, d, previous, now, &ret->arena,
				  &ret->result, e);
	return apply_desired(a->kern, &ret->interface, d, previous, &a->private_key, now,
			     &ret->arena, &ret->result, e);
}

static int converge_interfaces(struct agent *a, bool dry, int64_t resolve_ms,
			       struct convergence *ret, struct err *e)
{
	const struct config *config = &a->current->config, *was, *previous;
	struct sock_endpoint *endpoints = NULL;
	struct links_job job;
	struct err later = { 0 };
	struct desired d;
	bool main_is_right;
	int r;

	ret->acted = true;
	if (a->has_key && a->current->standing == STANDING_MEMBER &&
	    accept_self(a->config->node, config->node, NULL, &a->public_key, a->config->private_key,
			&(enum standing){ 0 }, e) < 0)
		return -1;
	ret->interface = a->config->interface.s[0] ? a->config->interface : config->node->interface;
	ret->n_peers = config->n_peers;
	if (agent_find_others(a, &ret->interface, config, &ret->arena, &ret->others, &ret->n_others,
			      e) < 0)
		return -1;
	was = agent_previous(a);
	previous = strcmp(a->state.applied.interface.s, ret->interface.s) != 0 ? NULL : was;
	if (agent_resolve(a, was, resolve_ms, ret, &endpoints, e) < 0)
		return -1;
	d = (struct desired){ .config = config,
			      .endpoints = endpoints,
			      .public_key = a->public_key,
			      .alias = a->alias };
	/* Handshakes carry the kernel's time, so this is the real clock whatever --now says. */
	if (!dry && agent_guard_first(a, &d, ret, e) < 0) {
		reduce_interface(a, &d, previous, ret);
		return -1;
	}
	job = (struct links_job){ .kern = a->kern,
				  .config = config,
				  .previous = was,
				  .state = &a->state,
				  .endpoints = endpoints + config->n_peers,
				  .main = ret->interface,
				  .public_key = a->public_key,
				  .private_key = &a->private_key,
				  .alias = d.alias,
				  .now = os_now(),
				  .arena = &ret->arena };
	r = dry ? 0 : hold_others(a, &job, &d, previous, ret, e);
	if (!dry)
		r = agent_also(r, agent_remove_others(a, ret->others, ret->n_others, &later),
			       &later, e);
	if (!r)
		r = converge_main(a, &d, previous, dry, job.now, ret, e);
	main_is_right = !r || ret->result.all_but_routes;
	/* What is compared with next is noted with the main interface. */
	if (!main_is_right && !dry)
		job.previous = NULL;
	r = agent_also(r, links_converge(&job, dry, &ret->links, &ret->n_links, &later), &later, e);
	if (dry || !main_is_right)
		return r;
	/* The peers are right, so this is what is compared with next: otherwise each further
	 * attempt would take the endpoints for declared anew and set them again. */
	return agent_also(r, agent_note_applied(a, ret, &later), &later, e);
}

static bool some_right(const struct convergence *c)
{
	size_t i;

	for (i = 0; i < c->n_links; i++)
		if (c->links[i].result.verified)
			return true;
	return c->result.verified || c->result.all_but_routes;
}

static const struct config *current_config(const struct agent *a)
{
	const struct snapshot *s = a->current;

	return s->has_config && s->standing == STANDING_MEMBER ? &s->config : NULL;
}

static struct ifname wanted_interface(const struct agent *a)
{
	if (a->config->interface.s[0] || !a->current->has_config)
		return a->config->interface;
	return a->current->config.node->interface;
}

static int begin_exit(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	struct ifname name = wanted_interface(a);

	if (exit_before(a->kern, current_config(a), a->config->network, &name, dry, &c->arena,
			&c->exit, e) < 0)
		return err_prefix(e, "the way to the exit");
	return 0;
}

/* `r`: what became of the interface. */
static int end_exit(struct agent *a, int r, struct convergence *c, struct err *e)
{
	/* Nothing was done, and nothing is known: then all stays as it is. */
	if (r < 0 && !c->result.rounds)
		return 0;
	if (exit_after(a->kern, current_config(a), a->config->network, &c->result.after, &c->arena,
		       &c->exit, e) < 0)
		return err_prefix(e, "the way to the exit");
	return 0;
}

int agent_converge(struct agent *a, bool dry, int64_t resolve_ms, struct convergence *ret,
		   struct err *e)
{
	struct err later = { 0 }, own;
	bool main_is_right;
	int r;

	if (!e)
		e = &own;
	*ret = (struct convergence){ 0 };
	arena_init(&ret->arena);
	if (!a->current)
		return err_set(e, ERR_NOENT, "nothing was accepted yet");
	if (agent_need_kern(a, e) < 0)
		return -1;
	if (begin_exit(a, dry, ret, e) < 0)
		return -1;
	r = a->current->has_config ? converge_interfaces(a, dry, resolve_ms, ret, e) :
				     converge_gone(a, dry, ret, e);
	if (!dry)
		r = agent_also(r, end_exit(a, r, ret, &later), &later, e);
	/* Where the peers of some interface are right, the host is seen to, whatever else went
	 * wrong; names go with the main one. */
	if (r < 0 && !some_right(ret)) {
		ret->host.sets = ret->guard.sets;
		return -1;
	}
	main_is_right = !r || ret->result.verified || ret->result.all_but_routes;
	r = agent_also(r, agent_host(a, dry, ret, &later), &later, e);
	if (main_is_right)
		r = agent_also(r, agent_names(a, dry, ret, &later), &later, e);
	return r;
}

size_t convergence_ops(const struct convergence *c)
{
	size_t i, n = c->result.n_ops;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].result.n_ops;
	return n;
}

size_t convergence_changes(const struct convergence *c)
{
	size_t i, n = c->result.n_changes;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].result.n_changes;
	return n;
}

void convergence_release(struct convergence *c)
{
	arena_release(&c->arena);
}
