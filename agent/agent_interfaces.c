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
		      struct arena *arena, struct ifname **ret, size_t *ret_n, struct err *e)
{
	struct ifname *all = NULL;
	size_t n = 0, kept = 0, i;

	if (a->kern->ops->marked(a->kern, a->alias, arena, &all, &n, e) < 0)
		return -1;
	for (i = 0; i < n; i++)
		if (!is_wanted(&all[i], main, config))
			all[kept++] = all[i];
	*ret = all;
	*ret_n = kept;
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
