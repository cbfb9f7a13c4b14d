/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoint names to addresses. Each name stands for itself: one that cannot be looked up, or hangs,
 * costs its own peer the endpoint and nobody anything else, and the whole call ends by its deadline
 * whatever the resolver does (look-ups run in threads; a late one is left to end by itself).
 * Literals need no look-up.
 *
 * An answer is kept for the life of the resolver: when a later look-up fails, the last address
 * stands.
 */
#ifndef AGENT_RESOLVE_H
#define AGENT_RESOLVE_H

#include "agent/kern.h"
#include "common/arena.h"
#include "publication/expand.h"

#define RESOLVE_SECONDS 10
#define RESOLVE_THREADS 16

struct resolver;

struct resolver *resolver_new(struct err *e);
void resolver_free(struct resolver *r); /* NULL is fine */

/*
 * One address for each config->peers[i] in *ret (in `a`); family 0 where there is no endpoint or
 * none was found. `wanted[i]` false (wanted may be NULL: all) leaves a name out: only its last
 * address, if known, is given. *ret_failed (may be NULL) gets the names that were not found,
 * *ret_n_failed how many. -1 only when memory runs out.
 */
int resolve_peers(struct resolver *r, const struct config *c, const bool *wanted,
		  int64_t timeout_ms, struct arena *a, struct sock_endpoint **ret,
		  const char ***ret_failed, size_t *ret_n_failed, struct err *e);

/* A literal to an address: 0, or -1 when `host` is a name. */
int resolve_literal(const struct endpoint *ep, struct sock_endpoint *ret);

#endif
