/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"
#include "agent/shared.h"
#include "agent/show.h"
#include "common/os_time.h"

/* The interfaces of the links that are in force, or are to be. */
static void observe_links(struct agent *a, struct arena *arena, struct status_view *v)
{
	const struct config *c = a->current && a->current->has_config ? &a->current->config : NULL;
	struct observed *list = c ? arena_array(arena, c->n_links, sizeof(*list)) : NULL;
	struct err e = { 0 };
	size_t i;

	for (i = 0; list && i < c->n_links; i++)
		if (agent_observe(a, &c->links[i].node->interface, arena, &list[i], &e) < 0)
			return;
	v->links = list;
	v->n_links = list ? c->n_links : 0;
}

static int show(struct agent *a)
{
	struct status_view v = { .agent = a, .now = agent_clock(a->config) };
	struct err e = { 0 };
	struct observed live;
	struct arena arena;
	struct buf out;
	int r;

	v.host = a->state.host;
	if (shared_peek(a->config->state_dir, a->config->network, &v.host, &e) < 0)
		cli_warn("%s", e.msg);
	e = (struct err){ 0 };
	arena_init(&arena);
	buf_init(&out, 256u << 20);
	/* Reading an interface needs rights that reading the rest does not: one must not keep us
	 * from the other. */
	if (a->state.applied.serial) {
		if (agent_observe(a, &a->state.applied.interface, &arena, &live, &e) < 0)
			v.live_error = e.msg;
		else
			v.live = &live;
		if (v.live)
			observe_links(a, &arena, &v);
	}
	r = cli_json ? show_status_json(&v, &out) : show_status_text(&v, &out);
	if (r < 0)
		cli_error("the status is too large, or memory ran out");
	cmd_output();
	r = r < 0 || cli_print(&out) < 0 ? EXIT_REFUSED : EXIT_DONE;
	buf_release(&out);
	arena_release(&arena);
	return r;
}

int cmd_status(int argc, char **argv)
{
	struct agent_config config;
	struct agent a = { 0 };
	struct err e = { 0 };
	int r = cmd_settings(NEEDS_NODE, &config);

	if (r >= 0)
		return r;
	/* What was accepted needs no pin to be shown. */
	config.trust = NULL;
	r = agent_open(&a, &config, STORE_READ, NULL, &e) < 0 ? cli_fail(&e) : show(&a);
	agent_close(&a);
	return r;
}
