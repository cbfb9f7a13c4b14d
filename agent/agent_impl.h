/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the cycle (agent.c, agent_*.c) share, and nobody else sees. agent.h has what
 * they are together; here is what one of them does for another.
 *
 * Whoever fails leaves a->state as it is on the disk: a change of it is made in a copy, which
 * becomes the state when it is saved (agent_save).
 */
#ifndef AGENT_AGENT_IMPL_H
#define AGENT_AGENT_IMPL_H

#include "agent/agent.h"

typedef unsigned long long ull;

/* ---- agent.c ---- */

void PRINTF_LIKE(2, 3) agent_say(struct agent *a, const char *fmt, ...);
/* Makes *next durable and then the state. When it fails the old one stands. */
int agent_save(struct agent *a, struct state *next, struct err *e) MUST_CHECK;
/*
 * Steps of which each is taken whatever became of those before: `r` is what became of them, `step`
 * of this one, *why its error. Returns what became of all; *e (may be NULL) is the error of the
 * first that failed.
 */
int agent_also(int r, int step, const struct err *why, struct err *e) MUST_CHECK;

/* ---- agent_trust.c ---- */

/* Trusts the pinned root document or a stored successor of it: a->root, a->has_root, a->pin_error.
 * -1: neither can be used. */
int agent_open_trust(struct agent *a, struct err *e) MUST_CHECK;
/* Trusts `root`, of which `bytes` were verified, and puts it into the store. The state names it in
 * memory alone; the floors never fall. */
int agent_keep_root(struct agent *a, const struct root *root, const struct buf *bytes,
		    struct err *e) MUST_CHECK;

/* ---- agent_fetch.c ---- */

/* The servers of the publication, as far as their addresses are known; how many. */
size_t agent_lifelines(const struct agent *a, struct lifeline ret[static MAX_MIRRORS]);

/* ---- agent_interfaces.c ---- */

/* Makes a->kern, once. */
int agent_need_kern(struct agent *a, struct err *e) MUST_CHECK;
/*
 * Our interfaces under other names than that of the main one and those of the links of `config`
 * (both NULL: all). The alias is the mark, not the state: what an older document, another
 * --interface or a run that was cut off left would keep its port and its routes. Behind these, from
 * (*ret)[*ret_n] to (*ret)[*ret_all - 1], are those that are wanted and ours already.
 */
int agent_find_others(struct agent *a, const struct ifname *main, const struct config *config,
		      struct arena *arena, struct ifname **ret, size_t *ret_n, size_t *ret_all,
		      struct err *e) MUST_CHECK;
/*
 * Those of the wanted ones, none of them among `ours`, that are not ours to have: c->refused,
 * c->without. `job` has the links, `main` the desired state of c->interface. -1: no memory.
 */
int agent_find_refused(struct agent *a, const struct desired *main, const struct config *previous,
		       const struct links_job *job, const struct ifname *ours, size_t n_ours,
		       struct convergence *c, struct err *e) MUST_CHECK;
/* Adds to c->without those that are not there after all was tried. */
int agent_find_absent(struct agent *a, struct convergence *c, struct err *e) MUST_CHECK;
int agent_remove_others(struct agent *a, const struct ifname *names, size_t n,
			struct err *e) MUST_CHECK;

/* ---- agent_applied.c ---- */

/* What stood on the interfaces before, or NULL when that is not known. It lives as long as
 * a->applied and a->current do. */
const struct config *agent_previous(struct agent *a);
/* Notes that a->current is in force on c->interface, and which links are not. Only a difference is
 * worth a write. */
int agent_note_applied(struct agent *a, const struct convergence *c, struct err *e) MUST_CHECK;
int agent_forget_applied(struct agent *a, struct err *e) MUST_CHECK;

/* ---- agent_endpoints.c ---- */

/*
 * All names at once, so that they share the time there is: *ret has the endpoints of the main
 * interface's peers (its name is in c->interface), and then one for each link. Names without an
 * address are no error: c->unresolved.
 */
int agent_resolve(struct agent *a, const struct config *previous, int64_t resolve_ms,
		  struct convergence *c, struct sock_endpoint **ret, struct err *e) MUST_CHECK;

/* ---- agent_host.c ---- */

/*
 * A policy is there before what it is for. Until the interface has changed as well, a packet must
 * be let in by the old policy and by the new one: so at no instant is more let in than one of the
 * two configurations lets in, and nothing is cut that both let in. When the old one is not known,
 * the new one alone decides.
 *
 * What is masqueraded is so from the first packet on. Where there is a policy and this fails,
 * nothing may change on the interface: it would be open. c->guard is what came of it.
 */
int agent_guard_first(struct agent *a, const struct desired *d, struct convergence *c,
		      struct err *e) MUST_CHECK;
/*
 * A name that is no interface of ours goes from the table: whoever has it, or gets it, has nothing
 * to do with us. For when an interface could not be made.
 */
int agent_guard_after(struct agent *a, struct convergence *c, struct err *e) MUST_CHECK;
/* The host around c->interface as a->current wants it: c->host. The table is not read once more
 * when it was just before the interface changed. */
int agent_host(struct agent *a, bool dry, struct convergence *c, struct err *e) MUST_CHECK;
/* As it was before. */
int agent_host_down(struct agent *a, struct arena *arena, struct err *e) MUST_CHECK;

/* ---- agent_names.c ---- */

/* The same two for the names that this host is to know. */
int agent_names(struct agent *a, bool dry, struct convergence *c, struct err *e) MUST_CHECK;
int agent_names_down(struct agent *a, struct arena *arena, struct err *e) MUST_CHECK;

#endif
