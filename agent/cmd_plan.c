/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"
#include "agent/show.h"

static int show(struct agent *a, const struct convergence *c)
{
	size_t n = cmd_n_ops(c) + c->n_others, i;
	char serial[96];
	struct buf out;
	int r;

	buf_init(&out, 64u << 20);
	buf_addf(&out, "%s: %s: ", a->config->network,
		 cmd_serial(&a->current->manifest, serial, sizeof(serial)));
	if (!c->acted)
		buf_addf(&out, "node %s was removed from the network; nothing to change\n",
			 a->config->node);
	else if (!n)
		buf_addf(&out, "interface %s is as it should be%s; nothing to change\n",
			 c->interface.s, c->n_links ? ", and so are the routed links" : "");
	else
		buf_addf(&out, "interface %s%s: %zu change%s, %zu peer%s\n", c->interface.s,
			 c->n_links ? " and routed links" : "", n, n == 1 ? "" : "s",
			 cmd_peers_changed(c), cmd_peers_changed(c) == 1 ? "" : "s");
	for (i = 0; i < c->n_others; i++)
		buf_addf(&out, "  remove interface %s, which is ours and not wanted any more\n",
			 c->others[i].s);
	cmd_print_ops(c, &out);
	cmd_output();
	r = cli_print(&out) < 0 ? EXIT_REFUSED : EXIT_DONE;
	buf_release(&out);
	return r;
}

static int show_json(struct agent *a, const struct convergence *c, const struct err *e)
{
	struct plan_outcome o = { .agent = a, .convergence = c, .error = e };
	struct buf json;
	int r = EXIT_DONE;

	o.fresh = !e && !a->config->offline;
	o.peers_changed = c ? cmd_peers_changed(c) : 0;
	cmd_output();
	buf_init(&json, 64u << 20);
	if (show_plan(&o, &json) < 0 || cli_print(&json) < 0)
		r = EXIT_REFUSED;
	buf_release(&json);
	return r;
}

static int work(struct agent *a)
{
	struct convergence c = { 0 };
	struct cycle cycle = { 0 };
	struct err e = { 0 }, apply = { 0 };
	int r = EXIT_DONE;

	if (!a->config->offline) {
		if (agent_fetch(a, &cycle, &e) < 0)
			r = EXIT_REFUSED;
		cmd_tell_urls(a, &cycle, r == EXIT_DONE);
		cmd_tell_cycle(a, &cycle);
		if (r != EXIT_DONE) {
			cli_fail(&e);
			if (a->current)
				cli_info("what follows is for what was accepted last");
		}
	}
	if (cycle.next)
		agent_pretend(a, &cycle);
	if (!a->current) {
		if (r == EXIT_DONE) {
			err_set(&e, ERR_NOENT, "nothing was accepted yet");
			r = cli_fail(&e);
		}
	} else if (agent_converge(a, true, RESOLVE_SECONDS * 1000, &c, &apply) < 0) {
		r = cli_fail(&apply);
		if (!e.class)
			e = apply;
		/* What can be done is done, whatever cannot. */
		if (!cli_json && convergence_ops(&c))
			(void)show(a, &c);
	} else {
		cmd_tell_unresolved(&c);
		if (!cli_json && show(a, &c) != EXIT_DONE)
			r = EXIT_REFUSED;
	}
	if (cli_json && show_json(a, a->current ? &c : NULL, e.class ? &e : NULL) != EXIT_DONE)
		r = EXIT_REFUSED;
	convergence_release(&c);
	cycle_release(&cycle);
	return r;
}

int cmd_plan(int argc, char **argv)
{
	struct agent_config config;
	struct agent a = { 0 };
	int r = cmd_settings(NEEDS_NODE | NEEDS_TRUST, &config);

	if (r >= 0)
		return r;
	r = cmd_open(&a, &config, STORE_READ);
	if (r < 0)
		r = work(&a);
	agent_close(&a);
	return r;
}
