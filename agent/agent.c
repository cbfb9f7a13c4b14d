/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include <stdarg.h>

#include "common/os_time.h"

void agent_say(struct agent *a, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!a->say)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	a->say(line);
}

int64_t agent_clock(const struct agent_config *c)
{
	return c->has_now ? c->now : os_now();
}

int agent_save(struct agent *a, struct state *next, struct err *e)
{
	if (store_save(a->store, next, e) < 0)
		return -1;
	a->state = *next;
	return 0;
}

int agent_also(int r, int step, const struct err *why, struct err *e)
{
	if (step >= 0)
		return r;
	if (!r && e)
		*e = *why;
	return -1;
}

static void load_current(struct agent *a)
{
	const struct accepted *c = &a->state.accepted;
	struct err why = { 0 };

	if (!c->serial || !a->config->node)
		return;
	if (snapshot_load(a->store, a->config->network, a->config->node, c->len, &c->manifest,
			  &c->set, &a->current, &why) < 0)
		agent_say(
			a,
			"the stored documents of serial %llu cannot be used (%s); they are fetched again",
			(ull)c->serial, why.msg);
}

int agent_open(struct agent *a, const struct agent_config *config, enum store_access access,
	       void (*fn)(const char *), struct err *e)
{
	int64_t clock = agent_clock(config);
	bool lost;

	a->config = config;
	a->say = fn;
	a->access = access;
	snprintf(a->alias, sizeof(a->alias), ALIAS_PREFIX "%s", config->network);
	arena_init(&a->report_arena);
	if (store_open(config->state_dir, config->network, access, &a->store, e) < 0 ||
	    store_load(a->store, clock, &a->state, &lost, e) < 0)
		return -1;
	if (lost)
		agent_say(
			a,
			"BOTH COPIES OF THE STATE ARE DAMAGED: what was accepted before is not known any more, so an older publication "
			"could be taken once. Going on from the pinned root");
	(void)store_report_load(a->store, &a->report_arena, &a->report);
	if (agent_open_trust(a, e) < 0)
		return -1;
	load_current(a);
	return 0;
}

void agent_close(struct agent *a)
{
	snapshot_free(a->current);
	snapshot_free(a->applied);
	a->current = a->applied = NULL;
	if (a->fetcher)
		a->fetcher->ops->free(a->fetcher);
	if (a->kern)
		a->kern->ops->free(a->kern);
	if (a->host)
		a->host->ops->free(a->host);
	if (a->names)
		a->names->ops->free(a->names);
	free(a->journal);
	resolver_free(a->resolver);
	secret_release(&a->private_key);
	store_close(a->store);
	arena_release(&a->report_arena);
	*a = (struct agent){ 0 };
}

void agent_tidy(struct agent *a)
{
	if (a->access == STORE_WRITE)
		(void)store_collect(a->store, &a->state, NULL);
}
