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
static int want_host(struct agent *a, struct convergence *c, struct host_wanted *ret, struct err *e)
{
	const struct snapshot *s = a->current;
	struct host_wanted w = { .interface = c->interface,
				 .config = s->has_config ? &s->config : NULL,
				 .without = c->without,
				 .n_without = c->n_without,
				 .rules = "" };
	struct ruleset rules;

	if (s->has_config && s->standing == STANDING_MEMBER) {
		w.families = gateway_families(&s->config);
		ruleset_of(&s->config, c->interface.s, &rules);
		rules.without = c->without;
		rules.n_without = c->n_without;
		w.rules = rules_text(&rules, &c->arena, e);
		if (!w.rules)
			return -1;
	}
	*ret = w;
	return 0;
}

int agent_host(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	struct host_wanted wanted;
	int r = want_host(a, c, &wanted, e);

	wanted.listing = c->guard.listing;
	if (!r)
		r = converge_host(a, &wanted, c->first, dry, &c->arena, &c->host, e);
	c->host.sets += c->guard.sets;
	return r;
}

int agent_host_down(struct agent *a, struct arena *arena, struct err *e)
{
	static const struct host_wanted nothing = { .rules = "" };
	struct host_result unused;

	return converge_host(a, &nothing, true, false, arena, &unused, e);
}

static bool is_guarded(const struct agent *a)
{
	return a->current->standing == STANDING_MEMBER && a->current->config.policy.guarded;
}

/* The old policy is another one. */
static bool policy_changes(struct agent *a)
{
	const struct config *next = &a->current->config, *old = agent_previous(a);

	return is_guarded(a) && old && old->policy.guarded &&
	       !policy_equal(&old->policy, &next->policy);
}

/* For whoever is told what was done; without memory it stays untold. */
static void keep_ops(struct convergence *c, const struct host_result *result)
{
	size_t i;

	for (i = 0; i < result->n_ops; i++) {
		struct host_op *grown =
			arena_grow(&c->arena, c->guard.ops, c->guard.n_ops, sizeof(*grown));

		if (!grown)
			return;
		c->guard.ops = grown;
		c->guard.ops[c->guard.n_ops++] = result->ops[i];
	}
}

static bool has(const struct prefix *list, size_t n, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!prefix_cmp(&list[i], p))
			return true;
	return false;
}

static bool is_exit(const struct prefix *masquerade, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!masquerade[i].len)
			return true;
	return false;
}

/*
 * What one of the two masquerades is masqueraded: a flow that begins without stays without. Where
 * they are the same, so is the table.
 */
static int add_masquerade(struct ruleset *r, const struct node *old, struct arena *arena,
			  struct err *e)
{
	size_t n = r->n_masquerade, n_except = 0, i;
	struct prefix *list = arena_array(arena, n + old->n_masquerade, sizeof(*list));
	struct prefix *except = arena_array(arena, r->n_except, sizeof(*except));

	if (!list || !except)
		return err_nomem(e);
	if (n)
		memcpy(list, r->masquerade, n * sizeof(*list));
	for (i = 0; i < old->n_masquerade; i++)
		if (!has(r->masquerade, r->n_masquerade, &old->masquerade[i]))
			list[n++] = old->masquerade[i];
	if (!is_exit(r->masquerade, r->n_masquerade)) {
		r->except = old->except;
		r->n_except = old->n_except;
	} else if (is_exit(old->masquerade, old->n_masquerade)) {
		for (i = 0; i < r->n_except; i++)
			if (has(old->except, old->n_except, &r->except[i]))
				except[n_except++] = r->except[i];
		r->except = except;
		r->n_except = n_except;
	}
	r->masquerade = list;
	r->n_masquerade = n;
	return 0;
}

/* For while the interfaces are changed from one configuration to the other. */
static int put_table(struct agent *a, struct convergence *c, struct err *e)
{
	const struct config *next = &a->current->config, *old = agent_previous(a);
	struct host_wanted w = { .interface = c->interface, .table_alone = true };
	struct ruleset rules = { .network = next->network };
	struct host_result result;
	size_t i;
	int r;

	if (a->current->standing == STANDING_MEMBER) {
		ruleset_of(next, c->interface.s, &rules);
		if (policy_changes(a))
			ruleset_add_policy(&rules, &old->policy);
		if (old && add_masquerade(&rules, old->node, &c->arena, e) < 0)
			return -1;
		for (i = 0; i < c->n_others; i++)
			ruleset_add_interface(&rules, c->others[i].s);
		rules.without = c->without;
		rules.n_without = c->n_without;
	}
	w.rules = rules_text(&rules, &c->arena, e);
	if (!w.rules)
		return -1;
	w.listing = c->guard.listing;
	r = converge_host(a, &w, c->first, false, &c->arena, &result, e);
	keep_ops(c, &result);
	c->guard.sets += result.sets;
	c->guard.listing = result.listing;
	return r;
}

/* The state may have been lost, and the table not. */
static bool may_have_table(const struct agent *a, const struct convergence *c)
{
	return a->state.host.has_table || a->state.amnesia || c->first;
}

static bool masquerades(const struct agent *a)
{
	return a->current->standing == STANDING_MEMBER && a->current->config.node->n_masquerade;
}

int agent_guard_first(struct agent *a, const struct desired *d, struct convergence *c,
		      struct err *e)
{
	struct apply_result plan;

	if (!is_guarded(a) && !masquerades(a) && !(c->n_without && may_have_table(a, c)))
		return 0;
	if (policy_changes(a) && !c->n_without) {
		/* One transaction does, when it is the only change. */
		if (apply_plan(a->kern, &c->interface, d, agent_previous(a), os_now(), &c->arena,
			       &plan, e) < 0)
			return -1;
		if (!plan.n_ops && !c->n_others)
			return 0;
	}
	return put_table(a, c, e);
}

int agent_guard_after(struct agent *a, struct convergence *c, struct err *e)
{
	size_t before = c->n_without;

	if (!may_have_table(a, c))
		return 0;
	if (agent_find_absent(a, c, e) < 0)
		return -1;
	return c->n_without > before ? put_table(a, c, e) : 0;
}
