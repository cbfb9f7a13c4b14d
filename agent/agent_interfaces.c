/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

int agent_need_kern(struct agent *a, struct err *e)
{
	enum backend want = a->config->backend;

	if (a->kern)
		return 0;
	/* An interface of ours that runs in userspace stays there: the kernel cannot take it over
	 * without ending its sessions. */
	if (want == BACKEND_AUTO)
		want = kern_kernel_available() && !kern_userspace_marked(a->alias) ?
			       BACKEND_KERNEL :
			       BACKEND_USERSPACE;
	a->kern = want == BACKEND_KERNEL ? kern_kernel_new(e) : kern_userspace_new(NULL, e);
	return a->kern ? 0 : -1;
}

static bool is_wanted(const struct ifname *name, const struct ifname *main,
		      const struct config *config)
{
	size_t i;

	if (main && !strcmp(name->s, main->s))
		return true;
	for (i = 0; config && i < config->n_links; i++)
		if (!strcmp(name->s, config->links[i].node->interface.s))
			return true;
	return false;
}

int agent_find_others(struct agent *a, const struct ifname *main, const struct config *config,
		      struct arena *arena, struct ifname **ret, size_t *ret_n, size_t *ret_all,
		      struct err *e)
{
	struct ifname *all = NULL, swap;
	size_t n = 0, kept = 0, i;

	if (a->kern->ops->marked(a->kern, a->alias, arena, &all, &n, e) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		if (is_wanted(&all[i], main, config))
			continue;
		swap = all[kept];
		all[kept++] = all[i];
		all[i] = swap;
	}
	*ret = all;
	*ret_n = kept;
	*ret_all = n;
	return 0;
}

static bool among(const struct ifname *list, size_t n, const struct ifname *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(list[i].s, name->s))
			return true;
	return false;
}

static int leave_out(struct convergence *c, const struct ifname *name, struct err *e)
{
	struct ifname *grown;

	if (among(c->without, c->n_without, name))
		return 0;
	grown = arena_grow(&c->arena, c->without, c->n_without, sizeof(*grown));
	if (!grown)
		return err_nomem(e);
	c->without = grown;
	c->without[c->n_without++] = *name;
	return 0;
}

static int refuse(struct convergence *c, const struct ifname *name, const struct err *why,
		  struct err *e)
{
	struct refusal *grown;

	if (why->class == ERR_NOMEM)
		return err_nomem(e);
	grown = arena_grow(&c->arena, c->refused, c->n_refused, sizeof(*grown));
	if (!grown)
		return err_nomem(e);
	c->refused = grown;
	c->refused[c->n_refused++] = (struct refusal){ *name, *why };
	return leave_out(c, name, e);
}

int agent_find_refused(struct agent *a, const struct desired *main, const struct config *previous,
		       const struct links_job *job, const struct ifname *ours, size_t n_ours,
		       struct convergence *c, struct err *e)
{
	struct apply_result unused;
	struct err why = { 0 };
	size_t i;

	if (!among(ours, n_ours, &c->interface) &&
	    apply_plan(a->kern, &c->interface, main, previous, job->now, &c->arena, &unused, &why) <
		    0 &&
	    refuse(c, &c->interface, &why, e) < 0)
		return -1;
	for (i = 0; i < job->config->n_links; i++) {
		const struct ifname *name = &job->config->links[i].node->interface;

		why = (struct err){ 0 };
		/* One that has the main one's name is told of by itself. */
		if (strcmp(name->s, c->interface.s) != 0 && !among(ours, n_ours, name) &&
		    links_plan_one(job, i, &why) < 0 && refuse(c, name, &why, e) < 0)
			return -1;
	}
	return 0;
}

/* Only what is known to be absent counts: what cannot be read may be there. */
static bool is_absent(struct agent *a, const struct ifname *name, struct arena *arena)
{
	struct observed o = { 0 };

	return !a->kern->ops->observe(a->kern, name, arena, &o, NULL) && !o.exists;
}

int agent_find_absent(struct agent *a, struct convergence *c, struct err *e)
{
	size_t i;

	if (!c->result.verified && is_absent(a, &c->interface, &c->arena) &&
	    leave_out(c, &c->interface, e) < 0)
		return -1;
	for (i = 0; i < c->n_links; i++)
		if (!c->links[i].result.verified &&
		    strcmp(c->links[i].interface.s, c->interface.s) != 0 &&
		    is_absent(a, &c->links[i].interface, &c->arena) &&
		    leave_out(c, &c->links[i].interface, e) < 0)
			return -1;
	return 0;
}

int agent_remove_others(struct agent *a, const struct ifname *names, size_t n, struct err *e)
{
	static const struct op op = { .kind = OP_LINK_DELETE };
	size_t i;

	for (i = 0; i < n; i++)
		if (a->kern->ops->apply(a->kern, &names[i], &op, 1, NULL, a->alias, e) < 0)
			return err_prefix(e, "cannot take the old interface %s away", names[i].s);
	return 0;
}

int agent_observe(struct agent *a, const struct ifname *name, struct arena *arena,
		  struct observed *ret, struct err *e)
{
	return agent_need_kern(a, e) < 0 ? -1 : a->kern->ops->observe(a->kern, name, arena, ret, e);
}
