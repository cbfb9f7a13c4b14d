/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"
#include "agent/show.h"

/* Long enough for slow resolvers: nothing waits behind this command. */
#define RESOLVE_MS (RESOLVE_SECONDS * 1000)

static void tell(const struct once_outcome *o)
{
	const struct agent *a = o->agent;
	const struct convergence *c = o->convergence;
	char serial[96], holds[64];
	struct buf ops;

	if (!a->current || !c)
		return;
	cmd_serial(&a->current->manifest, serial, sizeof(serial));
	if (!c->acted) {
		/* Otherwise an error says why. */
		if (!o->converged)
			return;
		cli_info(
			"%s: %s: node %s was removed from the network, and there is nothing to take away",
			a->config->network, serial, a->config->node);
		return;
	}
	if (cli_verbose && cmd_n_ops(c)) {
		buf_init(&ops, 64u << 20);
		cmd_print_ops(c, &ops);
		fputs(ops.data, stderr);
		buf_release(&ops);
	}
	if (!o->converged && !c->result.verified)
		return;
	cmd_holds(c, holds, sizeof(holds));
	if (!convergence_changes(c) && !c->n_others && !c->exit.sets && !c->host.sets &&
	    !c->names.sets)
		cli_info("%s: %s %s: %s; nothing to change", a->config->network, serial,
			 o->error ? "stays in force" : "in force", holds);
	else
		cli_info("%s: %s %s: %s; %zu changed, %u message%s sent", a->config->network,
			 serial, o->error ? "stays in force" : "in force", holds, o->peers_changed,
			 o->stats.set_messages, o->stats.set_messages == 1 ? "" : "s");
	cmd_tell_exit(a, c);
	if (c->host.sets)
		cli_info("%s: %u setting%s of the host changed", a->config->network, c->host.sets,
			 c->host.sets == 1 ? "" : "s");
	cmd_tell_names(c);
	if (a->current->standing == STANDING_GONE)
		cli_warn("node %s was removed from network %s: it has no peers any more",
			 a->config->node, a->config->network);
}

static int work(struct agent *a)
{
	struct convergence conv = { 0 };
	struct err e = { 0 }, apply_error = { 0 };
	struct cycle cycle = { 0 };
	struct once_outcome o = { .agent = a };
	bool failed = false;
	struct buf json;
	int r;

	if (!a->config->offline) {
		o.cycle = &cycle;
		o.fresh = !agent_fetch(a, &cycle, &e) && !agent_take(a, &cycle, &e);
		failed = !o.fresh;
		cmd_tell_urls(a, &cycle, cycle.url != NULL);
		cmd_tell_cycle(a, &cycle);
	} else if (!a->current) {
		err_set(&e, ERR_NOENT,
			"nothing was accepted yet, so there is nothing to bring up offline");
		failed = true;
	}
	if (failed) {
		o.error = &e;
		cli_fail(&e);
	}
	if (a->current) {
		o.convergence = &conv;
		r = agent_converge(a, false, RESOLVE_MS, &conv, &apply_error);
		o.converged = !r;
		if (a->kern)
			o.stats = a->kern->stats;
		o.peers_changed = cmd_peers_changed(&conv);
		cmd_tell_unresolved(&conv);
		tell(&o);
		if (r < 0) {
			cli_fail(&apply_error);
			if (!o.error)
				o.error = &apply_error;
		}
		/* After a failed fetch, what it brought is kept for the next try. */
		if (!failed)
			agent_tidy(a);
	}
	agent_report(a, o.cycle, o.error);
	r = o.converged && !failed ? EXIT_DONE : EXIT_REFUSED;
	if (cli_json) {
		cmd_output();
		buf_init(&json, 64u << 20);
		if (show_once(&o, &json) < 0 || cli_print(&json) < 0)
			r = EXIT_REFUSED;
		buf_release(&json);
	}
	convergence_release(&conv);
	cycle_release(&cycle);
	return r;
}

int cmd_once(int argc, char **argv)
{
	struct agent_config config;
	struct agent a = { 0 };
	int r = cmd_settings(NEEDS_NODE | NEEDS_TRUST, &config);

	if (r >= 0)
		return r;
	r = cmd_open(&a, &config, STORE_WRITE);
	if (r < 0)
		r = work(&a);
	agent_close(&a);
	return r;
}
