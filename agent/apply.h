/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Convergence: observe, diff, apply, observe again and compare. What stands on the interface
 * afterwards is proved by reading it back, never assumed from a row of acknowledgements.
 *
 * A call does at most two rounds: when an operation fails, or the read-back differs from what is
 * wanted (somebody else changed the interface in between), it observes again and does what is still
 * missing, once. A conflict (ERR_CONFLICT: the interface or a route belongs to somebody else) is
 * not tried again.
 */
#ifndef AGENT_APPLY_H
#define AGENT_APPLY_H

#include "agent/diff.h"
#include "agent/kern.h"

struct apply_result {
	bool verified; /* the read-back is what was wanted */
	/*
	 * After an error: the read-back is what was wanted but for link, addresses and routes. So
	 * the peers are right, and this configuration is the `previous` one of the next call.
	 */
	bool all_but_routes;
	unsigned int rounds; /* in which operations were sent: 0 when all was in place, at most 2 */
	size_t n_changes; /* operations that were sent in all rounds, those of a round that failed
			     included */
	struct op *ops; /* those of the first round, in their order: the change as it was meant; see
			   op_print */
	size_t n_ops;
	/* What would cut the host off (agent/lifeline.h): left out, all else was done. An error of
	 * apply_desired; apply_plan only says so here. */
	const struct left_out *refused;
	size_t n_refused;
	struct observed before,
		after; /* `after` is the last read-back; all zero when nothing could be read */
	struct kern_stats stats; /* what this call cost */
};

/*
 * Brings interface `name` to `d`. `previous` and `now` are as for diff_make. 0: it is as wanted,
 * and proved so. -1: `e` says why, the interface may stand between the old and the new state, never
 * outside of both; calling again goes on from there. An interface that this very call made and
 * could not bring up is taken away again; one that was there stays. *ret is filled as far as it
 * came in either case; what it points to lives in `a` and in `d`.
 */
int apply_desired(struct kern *k, const struct ifname *name, const struct desired *d,
		  const struct config *previous, const struct secret *private_key, int64_t now,
		  struct arena *a, struct apply_result *ret, struct err *e);

/* What apply_desired would do, without doing it: fills `ops`, `n_ops`, `refused` and `before` of
 * *ret. */
int apply_plan(struct kern *k, const struct ifname *name, const struct desired *d,
	       const struct config *previous, int64_t now, struct arena *a,
	       struct apply_result *ret, struct err *e);

/*
 * Takes the interface and with it all that was added to it away, and proves that it has gone. No
 * interface: done, no operation. ERR_CONFLICT when one of this name is there whose alias is not
 * `alias`: it is not ours.
 */
int apply_down(struct kern *k, const struct ifname *name, const char *alias, struct arena *a,
	       struct apply_result *ret, struct err *e);

#endif
