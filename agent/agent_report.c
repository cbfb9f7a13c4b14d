/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

static const char *error_text(struct arena *arena, const struct err *e)
{
	struct buf b;
	const char *s;

	buf_init(&b, sizeof(e->msg) + 64);
	if (e->reason)
		buf_addf(&b, "%s: ", e->reason);
	buf_adds(&b, e->msg);
	s = arena_strndup(arena, b.data, b.len);
	buf_release(&b);
	return s;
}

/* A server that was not asked this time: what it said last still counts. */
static void keep_etag(struct agent *a, struct report_url *u, struct arena *arena)
{
	size_t i;

	for (i = 0; i < a->report.n_urls && u->url; i++)
		if (a->report.urls[i].etag && !strcmp(a->report.urls[i].url, u->url)) {
			u->etag = arena_strdup(arena, a->report.urls[i].etag);
			u->manifest = a->report.urls[i].manifest;
		}
}

void agent_report(struct agent *a, const struct cycle *c, const struct err *e)
{
	struct report next = a->report;
	struct arena arena;
	size_t i;

	if (a->access != STORE_WRITE)
		return;
	arena_init(&arena);
	next.error = e ? error_text(&arena, e) : NULL;
	if (c) {
		next.checked = agent_clock(a->config);
		if (c->url)
			next.fresh = next.checked;
		next.n_urls = a->config->n_urls;
	}
	for (i = 0; c && i < a->config->n_urls; i++) {
		struct report_url *u = &next.urls[i];

		*u = (struct report_url){ .url = arena_strdup(&arena, a->config->urls[i]) };
		if (a->fetcher && i < a->fetcher->n_sites)
			u->reached = a->fetcher->sites[i].reached;
		if (c->failed[i])
			u->error = error_text(&arena, &c->errors[i]);
		if (c->etags[i][0]) {
			u->etag = arena_strdup(&arena, c->etags[i]);
			u->manifest = c->etag_of[i];
		} else if (!c->tried[i]) {
			keep_etag(a, u, &arena);
		}
		if (!u->url)
			next.n_urls = i;
	}
	/* Texts that are kept from before live in the old arena. */
	if (!c)
		for (i = 0; i < next.n_urls; i++) {
			next.urls[i].url = arena_strdup(&arena, next.urls[i].url);
			next.urls[i].etag =
				next.urls[i].etag ? arena_strdup(&arena, next.urls[i].etag) : NULL;
			next.urls[i].error = next.urls[i].error ?
						     arena_strdup(&arena, next.urls[i].error) :
						     NULL;
			if (!next.urls[i].url)
				next.n_urls = i;
		}
	arena_release(&a->report_arena);
	a->report_arena = arena;
	a->report = next;
	/* It is of no weight: a full disk must not keep the network from converging. */
	(void)store_report(a->store, &a->report, NULL);
}
