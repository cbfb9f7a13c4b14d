/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include "agent/reduce.h"
#include "common/os_time.h"

static const struct config *current_config(const struct agent *a)
{
	const struct snapshot *s = a->current;

	return s->has_config && s->standing == STANDING_MEMBER ? &s->config : NULL;
}

static void look_exit(struct agent *a, struct convergence *c)
{
	if (exit_look(a->kern, current_config(a), a->config->network, &c->interface, &c->arena,
		      &c->exit, &c->exit_error) == 0)
		c->exit_error.class = 0;
}

static int begin_exit(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	if (c->exit_error.class)
		*e = c->exit_error;
	if (c->exit_error.class || (!dry && exit_before(a->kern, &c->exit, e) < 0))
		return err_prefix(e, "the way to the exit");
	return 0;
}

/* The node that all else went through is in the network no more. */
static bool exit_goes(const struct config *was, const struct config *next)
{
	size_t i;

	if (!was || !was->node->exit)
		return false;
	for (i = 0; i < was->n_peers; i++)
		if (!strcmp(was->peers[i].name, was->node->exit))
			return !config_peer(next, &was->peers[i].key);
	return false;
}

/*
 * Rules that lead into the tunnel may be left, and could not be read or taken away: then nothing
 * may be changed about the tunnel. Another network's in our place lead nowhere near it.
 */
static bool exit_holds(struct agent *a, const struct config *was, const struct convergence *c,
		       const struct err *why)
{
	struct observed o = { 0 };
	struct arena arena;
	bool there;

	if (why->class == ERR_CONFLICT || (was && !exit_routed(was->node)))
		return false;
	arena_init(&arena);
	there = a->kern->ops->observe(a->kern, &c->interface, &arena, &o, NULL) < 0 || o.exists;
	arena_release(&arena);
	return there;
}

/* Removed from the network, and what the interface was is not known any more: it goes as a whole.
 */
static int converge_gone(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	size_t n_all;

	look_exit(a, c);
	if (begin_exit(a, dry, c, e) < 0 ||
	    agent_find_others(a, NULL, NULL, &c->arena, &c->others, &c->n_others, &n_all, e) < 0)
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

/* NULL: the name of the main interface is ours to use. */
static const struct err *main_refusal(const struct convergence *c)
{
	size_t i;

	for (i = 0; i < c->n_refused; i++)
		if (!strcmp(c->refused[i].name.s, c->interface.s))
			return &c->refused[i].why;
	return NULL;
}

/*
 * When nothing may be added, what is in the network no more goes all the same, from the interface
 * that stands, whatever it is called now. One that is not there is not made.
 */
static void reduce_interface(struct agent *a, const struct desired *d, const struct config *was,
			     struct convergence *c)
{
	const struct ifname *name = &a->state.applied.interface;
	struct observed there = { 0 };
	struct desired less = *d;
	struct sock_endpoint *none;
	struct config config;
	struct err unused;

	if (!was || a->kern->ops->observe(a->kern, name, &c->arena, &there, &unused) < 0 ||
	    strcmp(there.alias, a->alias) != 0 ||
	    config_reduce(was, d->config, &c->arena, &config) < 0)
		return;
	none = arena_array(&c->arena, config.n_peers, sizeof(*none));
	if (!none)
		return;
	less.config = &config;
	less.endpoints = none;
	(void)apply_desired(a->kern, name, &less, was, &a->private_key, os_now(), &c->arena,
			    &c->result, &unused);
	c->result.verified = c->result.all_but_routes = false;
}

/* The old interfaces stay until the new ones are known to be ours to have. */
static void hold_others(struct agent *a, const struct links_job *job, struct convergence *c)
{
	const struct ifname *old = &a->state.applied.interface;
	bool no_main = main_refusal(c) != NULL;
	size_t i, kept = 0;

	for (i = 0; i < c->n_others; i++) {
		const struct ifname *name = &c->others[i];
		bool is_main = !a->state.applied.serial || !strcmp(name->s, old->s);

		if (!(is_main && no_main) && !links_holds(job, name))
			c->others[kept++] = *name;
	}
	c->n_others = kept;
}

static int converge_main(struct agent *a, const struct desired *d, const struct config *previous,
			 bool dry, int64_t now, struct convergence *ret, struct err *e)
{
	const struct err *why = main_refusal(ret);

	if (why) {
		*e = *why;
		return -1;
	}
	if (dry) {
		if (apply_plan(a->kern, &ret->interface, d, previous, now, &ret->arena,
			       &ret->result, e) < 0)
			return -1;
		if (!ret->result.n_refused)
			return 0;
		lifeline_error(ret->result.refused, ret->result.n_refused, e);
		return err_prefix(e, "interface %s", ret->interface.s);
	}
	return apply_desired(a->kern, &ret->interface, d, previous, &a->private_key, now,
			     &ret->arena, &ret->result, e);
}

static int converge_interfaces(struct agent *a, bool dry, int64_t resolve_ms,
			       struct convergence *ret, struct err *e)
{
	const struct config *config = &a->current->config, *was, *previous;
	struct sock_endpoint *endpoints = NULL;
	struct lifeline lines[MAX_MIRRORS];
	struct links_job job;
	struct err later = { 0 }, table_error = { 0 }, exit_error = { 0 };
	struct desired d;
	bool main_is_right;
	size_t n_all;
	int r, table, exit;

	ret->acted = true;
	if (a->has_key && a->current->standing == STANDING_MEMBER &&
	    accept_self(a->config->node, config->node, NULL, &a->public_key, a->config->private_key,
			&(enum standing){ 0 }, e) < 0)
		return -1;
	ret->interface = a->config->interface.s[0] ? a->config->interface : config->node->interface;
	ret->n_peers = config->n_peers;
	if (agent_find_others(a, &ret->interface, config, &ret->arena, &ret->others, &ret->n_others,
			      &n_all, e) < 0)
		return -1;
	look_exit(a, ret);
	was = agent_previous(a);
	previous = strcmp(a->state.applied.interface.s, ret->interface.s) != 0 ? NULL : was;
	if (agent_resolve(a, was, resolve_ms, ret, &endpoints, e) < 0)
		return -1;
	d = (struct desired){ .config = config,
			      .endpoints = endpoints,
			      .public_key = a->public_key,
			      .alias = a->alias,
			      .fwmark = ret->exit.others ? EXIT_MARK : 0 };
	d.lifelines = lines;
	d.n_lifelines = agent_lifelines(a, lines);
	/* Handshakes carry the kernel's time, so this is the real clock whatever --now says. */
	job = (struct links_job){ .kern = a->kern,
				  .config = config,
				  .previous = was,
				  .state = &a->state,
				  .endpoints = endpoints + config->n_peers,
				  .main = ret->interface,
				  .public_key = a->public_key,
				  .private_key = &a->private_key,
				  .alias = d.alias,
				  .lifelines = d.lifelines,
				  .n_lifelines = d.n_lifelines,
				  .fwmark = d.fwmark,
				  .now = os_now(),
				  .arena = &ret->arena };
	/* Whose a name is, before anything is done that says it. */
	if (agent_find_refused(a, &d, previous, &job, ret->others + ret->n_others,
			       n_all - ret->n_others, ret, e) < 0)
		return -1;
	job.refused = ret->refused;
	job.n_refused = ret->n_refused;
	table = dry ? 0 : agent_guard_first(a, &d, ret, &table_error);
	if (table < 0 && a->current->config.policy.guarded) {
		*e = table_error;
		ret->exit_held = !exit_goes(was, config);
		if (!ret->exit_held)
			(void)begin_exit(a, false, ret, &later);
		reduce_interface(a, &d, was, ret);
		return -1;
	}
	exit = begin_exit(a, dry, ret, &exit_error);
	if (exit < 0 && exit_holds(a, was, ret, &exit_error)) {
		*e = exit_error;
		ret->exit_held = true;
		if (!dry)
			reduce_interface(a, &d, was, ret);
		return -1;
	}
	r = 0;
	if (!dry) {
		hold_others(a, &job, ret);
		r = agent_remove_others(a, ret->others, ret->n_others, e);
	}
	if (!r)
		r = converge_main(a, &d, previous, dry, job.now, ret, e);
	main_is_right = !r || ret->result.all_but_routes;
	/* What is compared with next is noted with the main interface. */
	if (!main_is_right && !dry)
		job.previous = NULL;
	r = agent_also(r, links_converge(&job, dry, &ret->links, &ret->n_links, &later), &later, e);
	if (r < 0 && !dry)
		table = agent_also(table, agent_guard_after(a, ret, &later), &later, &table_error);
	/* Where there is no policy, agent_host tells of what is still amiss with the table. */
	if (!main_is_right || a->current->config.policy.guarded)
		r = agent_also(r, table, &table_error, e);
	r = agent_also(r, exit, &exit_error, e);
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

/* `r`: what became of the interface. */
static int end_exit(struct agent *a, int r, struct convergence *c, struct err *e)
{
	/* Nothing was done, and nothing is known: then all stays as it is. */
	if (c->exit_held || (r < 0 && !c->result.rounds))
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
	ret->first = !a->state.applied.serial;
	if (!a->current)
		return err_set(e, ERR_NOENT, "nothing was accepted yet");
	if (agent_need_kern(a, e) < 0)
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
