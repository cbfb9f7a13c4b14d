/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces of a node's routed links, beside its main one. Each is converged by itself
 * (agent/apply.h), so that one that cannot be made holds no other up.
 */
#ifndef AGENT_LINKS_H
#define AGENT_LINKS_H

#include "agent/apply.h"
#include "agent/store.h"
#include "common/secret.h"

struct link_convergence {
	struct ifname interface;
	const char *peer; /* the node at the other end */
	struct apply_result result;
	struct err error; /* no class: none */
};

/* An interface that is wanted and is somebody else's: it is left alone in whatever is done. */
struct refusal {
	struct ifname name;
	struct err why;
};

struct links_job {
	struct kern *kern;
	const struct config *config; /* of the node; its links are the matter here */
	/* What was in force before, and what of it was not; NULL: not known. */
	const struct config *previous;
	const struct state *state;
	const struct sock_endpoint *endpoints; /* one per config->links[i] */
	struct ifname main; /* what the main interface is called here */
	const struct refusal *refused; /* of these */
	size_t n_refused;
	struct wgkey public_key;
	const struct secret *private_key;
	const char *alias;
	const struct lifeline *lifelines;
	size_t n_lifelines;
	uint32_t fwmark; /* where the node says none; 0: none */
	int64_t now;
	struct arena *arena;
};

/*
 * Brings every link to what is wanted; with `dry`, only says what it would do. One that failed is
 * tried once more when the others are done, since what stood in its way may have been one of them.
 * *ret has one entry for each link, in their order. -1: some could not be brought there, *e tells
 * of the first and how many more; or memory ran out, and *ret_n is 0.
 */
int links_converge(const struct links_job *job, bool dry, struct link_convergence **ret,
		   size_t *ret_n, struct err *e);

/* What apply_plan says of one link, as it would be done. */
int links_plan_one(const struct links_job *job, size_t i, struct err *e);

/*
 * True when an interface of ours that is not wanted under this name must stay for now: the link
 * that it is comes back under another name, which belongs to somebody else.
 */
bool links_holds(const struct links_job *job, const struct ifname *other);

/* The links that are not in force, for the state. */
void links_pending(const struct link_convergence *links, size_t n, struct state *state);

#endif
