/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include "agent/shared.h"
#include "common/limits.h"
#include "common/os_time.h"
#include "publication/gateway.h"
#include "publication/ruleset.h"

struct host_saver {
	struct agent *agent;
	struct shared_run *shared;
};

static int save_host(void *arg, const struct host_record *r, struct err *e)
{
	const struct host_saver *s = arg;
	struct state next = s->agent->state;

	next.host = *r;
	next.host.n = 0;
	next.host.boot[0] = '\0';
	if (!host_record_equal(&next.host, &s->agent->state.host) &&
	    agent_save(s->agent, &next, e) < 0)
		return -1;
	return shared_save(s->shared, r, e);
}

static int converge_host(struct agent *a, const struct host_wanted *wanted, bool look, bool dry,
			 struct arena *arena, struct host_result *ret, struct err *e)
{
	const char *dir = a->config->state_dir, *network = a->config->network;
	struct shared_run *shared;
	struct host_saver saver = { a, NULL };
	struct host_store store = { save_host, &saver };
	int r;

	/* After the state was lost, a table of ours may stand there that nothing tells of. */
	look |= a->state.amnesia != 0;
	*ret = (struct host_result){ .verified = true };
	if (!host_concerned(wanted, &a->state.host, look) &&
	    !shared_concerned(dir, network, wanted))
		return 0;
	if (!a->host) {
		a->host = host_system_new(e);
		if (!a->host)
			return -1;
	}
	shared = malloc(sizeof(*shared));
	if (!shared)
		return err_nomem(e);
	saver.shared = shared;
	r = shared_begin(shared, a->host, dir, network, wanted, &a->state.host, dry, arena, e);
	if (shared->damaged)
		agent_say(
			a,
			"the record of what was changed on this host for forwarding is damaged: it is not put back by itself");
	if (!r)
		r = host_converge(a->host, &shared->wanted, network, look, dry, &shared->record,
				  &store, arena, ret, e);
	if (shared_end(shared, !r, r < 0 ? NULL : e) < 0)
		r = -1;
	free(shared);
	return r;
}

/* In the arena; NULL: out of memory, or too long. */
static const char *rules_text(const struct ruleset *r, struct arena *arena, struct err *e)
{
	const char *text = NULL;
	struct buf b;

	buf_init(&b, MAX_RULESET);
	ruleset_print(r, false, &b);
	if (buf_ok(&b))
		text = arena_strndup(arena, b.data ? b.data : "", b.len);
	buf_release(&b);
	if (!text)
		err_nomem(e);
	return text;
}

/* What the host around the interface is to be for a->current. */
static int want_host(struct agent *a, const struct ifname *interface, struct arena *arena,
		     struct host_wanted *ret, struct err *e)
{
	const struct snapshot *s = a->current;
	struct host_wanted w = { .interface = *interface,
				 .config = s->has_config ? &s->config : NULL,
				 .rules = "" };
	struct ruleset rules;

	if (s->has_config && s->standing == STANDING_MEMBER) {
		w.families = gateway_families(&s->config);
		ruleset_of(&s->config, interface->s, &rules);
		w.rules = rules_text(&rules, arena, e);
		if (!w.rules)
			return -1;
	}
	*ret = w;
	return 0;
}

int agent_host(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	struct host_wanted wanted;
	int r = want_host(a, &c->interface, &c->arena, &wanted, e);

	wanted.listing = c->guard.listing;
	if (!r)
		r = converge_host(a, &wanted, false, dry, &c->arena, &c->host, e);
	c->host.sets += c->guard.sets;
	return r;
}

int agent_host_down(struct agent *a, struct arena *arena, struct err *e)
{
	static const struct host_wanted nothing = { .rules = "" };
	struct host_result unused;

	return converge_host(a, &nothing, true, false, arena, &unused, e);
}

int agent_guard_first(struct agent *a, const struct desired *d, struct convergence *c,
		      struct err *e)
{
	const struct config *next = &a->current->config, *old = agent_previous(a);
	struct host_wanted w = { .interface = c->interface, .table_alone = true };
	struct apply_result plan;
	struct ruleset rules;
	size_t i;

	if (!next->policy.guarded || a->current->standing != STANDING_MEMBER)
		return 0;
	ruleset_of(next, c->interface.s, &rules);
	if (old && old->policy.guarded && !policy_equal(&old->policy, &next->policy)) {
		/* One transaction does, when it is the only change. */
		if (apply_plan(a->kern, &c->interface, d, old, os_now(), &c->arena, &plan, e) < 0)
			return -1;
		if (!plan.n_ops && !c->n_others)
			return 0;
		ruleset_add_policy(&rules, &old->policy);
	}
	if (old) {
		rules.masquerade = old->node->masquerade;
		rules.n_masquerade = old->node->n_masquerade;
		rules.except = old->node->except;
		rules.n_except = old->node->n_except;
	}
	if (a->state.applied.serial)
		ruleset_add_interface(&rules, a->state.applied.interface.s);
	for (i = 0; i < c->n_others; i++)
		ruleset_add_interface(&rules, c->others[i].s);
	w.rules = rules_text(&rules, &c->arena, e);
	if (!w.rules)
		return -1;
	return converge_host(a, &w, false, false, &c->arena, &c->guard, e);
}
