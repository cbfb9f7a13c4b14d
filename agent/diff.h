/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed + desired -> the ordered list of operations that leads from one to the other and touches nothing else. Pure.
 *
 * Order: routes and addresses that go, peers that go, prefixes that go (narrow), device settings, prefixes that move to
 * another peer, then what is added and widened, new peers, new addresses, new routes. At no instant is a key or a prefix
 * admitted that neither side has. Equal -> no operation at all.
 */
#ifndef AGENT_DIFF_H
#define AGENT_DIFF_H

#include "agent/kern.h"
#include "common/buf.h"
#include "publication/expand.h"

/* The expansion with its endpoints resolved. */
struct desired {
	const struct config *config;
	const struct sock_endpoint *endpoints; /* one per config->peers[i]; family 0: none declared, or not resolved */
	struct wgkey public_key; /* of the private key that the interface must have */
	const char *alias; /* "meshrc NETWORK" */
};

/*
 * `previous` is the configuration that was in force before (NULL when unknown): a declared endpoint is set only for a new
 * peer, for a peer without one, and when the declaration itself changed, because an endpoint that roamed is not drift. When
 * previous is NULL, an endpoint that differs is set unless the peer had a handshake within the last 180 seconds before `now`.
 */
int diff_make(const struct observed *o, const struct desired *d, const struct config *previous, int64_t now,
	      struct arena *a, struct op **ret_ops, size_t *ret_n, struct err *e);

/* For `plan` and --verbose: one operation as a sentence. */
void op_print(const struct op *op, struct buf *out);

#endif
