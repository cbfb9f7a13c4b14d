/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"
#include "agent/show.h"
#include "common/timefmt.h"

static int tell_json(const struct agent *a, const struct cycle *c, const struct err *e)
{
	struct buf json;
	int r = e ? EXIT_REFUSED : EXIT_DONE;

	cmd_output();
	buf_init(&json, 1u << 20);
	if (show_verify(a, c, e, &json) < 0 || cli_print(&json) < 0)
		r = EXIT_REFUSED;
	buf_release(&json);
	return r;
}

static int work(struct agent *a)
{
	struct cycle cycle = { 0 };
	struct err e = { 0 };
	const struct snapshot *s;
	char serial[96], old[96], t[TIME_STRLEN];
	int r = agent_fetch(a, &cycle, &e) < 0 ? EXIT_REFUSED : EXIT_DONE;

	cmd_tell_urls(a, &cycle, r == EXIT_DONE);
	cmd_tell_cycle(a, &cycle);
	if (r != EXIT_DONE) {
		cli_fail(&e);
		if (cli_json)
			(void)tell_json(a, &cycle, &e);
		cycle_release(&cycle);
		return r;
	}
	if (cli_json) {
		r = tell_json(a, &cycle, NULL);
		cycle_release(&cycle);
		return r;
	}
	cmd_output();
	s = cycle.next ? cycle.next : a->current;
	cmd_serial(&s->manifest, serial, sizeof(serial));
	time_print(s->manifest.expires, t);
	if (!cycle.next)
		printf("%s: %s is the newest and was accepted already; valid until %s\n",
		       a->config->network, serial, t);
	else if (a->current)
		printf("%s: %s would be accepted after %s; valid until %s\n", a->config->network,
		       serial, cmd_serial(&a->current->manifest, old, sizeof(old)), t);
	else
		printf("%s: %s would be accepted; valid until %s\n", a->config->network, serial, t);
	if (s->standing == STANDING_GONE)
		printf("%s: node %s was removed from this network\n", a->config->network,
		       a->config->node);
	else
		printf("%s: node %s: %zu peer%s\n", a->config->network, a->config->node,
		       s->config.n_peers, s->config.n_peers == 1 ? "" : "s");
	cycle_release(&cycle);
	return EXIT_DONE;
}

int cmd_verify(int argc, char **argv)
{
	struct agent_config config;
	struct agent a = { 0 };
	int r = cmd_settings(NEEDS_NODE | NEEDS_TRUST, &config);

	if (r >= 0)
		return r;
	if (config.offline)
		return cli_usage("verify fetches; --offline leaves it nothing to do");
	r = cmd_open(&a, &config, STORE_READ);
	if (r < 0)
		r = work(&a);
	agent_close(&a);
	return r;
}
