/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

static int take_down(struct agent *a, struct ifname *ret_name, size_t *ret_n, struct err *e)
{
	struct apply_result result;
	struct ifname *all;
	struct arena arena;
	size_t n, n_all;
	int r = -1;

	*ret_n = 0;
	if (agent_need_kern(a, e) < 0)
		return -1;
	arena_init(&arena);
	if (agent_find_others(a, NULL, NULL, &arena, &all, &n, &n_all, e) < 0)
		goto out;
	if (n) {
		*ret_name = all[0];
		*ret_n = n;
		r = agent_remove_others(a, all, n, e);
		goto out;
	}
	if (a->state.applied.serial)
		*ret_name = a->state.applied.interface;
	else if (a->config->interface.s[0])
		*ret_name = a->config->interface;
	else if (a->current && a->current->has_config)
		*ret_name = a->current->config.node->interface;
	else {
		err_set(e, ERR_NOENT,
			"nothing of network %s was brought up from this state folder; name what is to go with --interface",
			a->config->network);
		goto out;
	}
	r = apply_down(a->kern, ret_name, a->alias, &arena, &result, e);
	if (!r)
		*ret_n = result.before.exists;
out:
	arena_release(&arena);
	return r;
}

/* The default route leaves the tunnel before the tunnel goes. */
static int take_rules_away(struct agent *a, struct arena *arena, struct err *e)
{
	struct exit_result rules;

	return agent_need_kern(a, e) < 0 ||
			       exit_look(a->kern, NULL, a->config->network, NULL, arena, &rules,
					 e) < 0 ||
			       exit_before(a->kern, &rules, e) < 0 ?
		       -1 :
		       0;
}

int agent_down(struct agent *a, struct ifname *ret_name, size_t *ret_n, struct err *e)
{
	struct err rules_error = { 0 }, later = { 0 };
	struct arena arena;
	int rules, r;

	arena_init(&arena);
	/* None of the three must keep the others up. */
	rules = take_rules_away(a, &arena, &rules_error);
	r = take_down(a, ret_name, ret_n, e);
	r = agent_also(r, rules, &rules_error, e);
	r = agent_also(r, agent_host_down(a, &arena, &later), &later, e);
	r = agent_also(r, agent_names_down(a, &arena, &later), &later, e);
	arena_release(&arena);
	return r < 0 ? -1 : agent_forget_applied(a, e);
}
