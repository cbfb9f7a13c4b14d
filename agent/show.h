/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON forms of `once`, `plan`, `verify` and `status`: the only file of the agent that knows
 * libjansson. Nothing secret is ever in them. */
#ifndef AGENT_SHOW_H
#define AGENT_SHOW_H

#include "agent/agent.h"

struct once_outcome {
	const struct agent *agent;
	const struct cycle *cycle; /* NULL: --offline */
	const struct convergence *convergence; /* NULL: not reached */
	struct kern_stats stats; /* of everything this process did */
	size_t peers_changed;
	bool fresh; /* a publication was fetched and is in order */
	bool converged;
	const struct err *error; /* NULL: none */
};

int show_once(const struct once_outcome *o, struct buf *out);

/* What `plan` found: `convergence` is NULL when nothing was accepted yet, `error` when all is well.
 */
struct plan_outcome {
	const struct agent *agent;
	const struct convergence *convergence;
	size_t peers_changed;
	bool fresh;
	const struct err *error;
};

int show_plan(const struct plan_outcome *o, struct buf *out);
/* `cycle` as agent_fetch left it; `e` (NULL: none) is its error. */
int show_verify(const struct agent *a, const struct cycle *cycle, const struct err *e,
		struct buf *out);

struct status_view {
	const struct agent *agent;
	const struct observed *live; /* NULL: could not be read */
	const char *live_error; /* why, or NULL */
	const struct observed *links; /* one for each link of the configuration; NULL as above */
	size_t n_links;
	struct host_record host; /* what is changed on the host for this network */
	int64_t now;
};

int show_status_json(const struct status_view *v, struct buf *out);
int show_status_text(const struct status_view *v, struct buf *out);
/* One word for the whole: "in force", "stale", "not applied", "removed", "nothing accepted yet". */
const char *show_condition(const struct status_view *v);

#endif
