/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed + desired -> the ordered list of operations that leads from one to the other and touches
 * nothing else. Pure.
 *
 * Order: routes and addresses that go, peers that go, prefixes that go (narrow), device settings,
 * prefixes that move to another peer, then what is added and widened, new peers, new addresses, new
 * routes. At no instant is a key or a prefix admitted that neither side has. Equal -> no operation
 * at all.
 *
 * The link itself: made first, its alias and MTU before anything else, brought up when peers and
 * addresses stand and before the routes, which need it up. Two operations on one peer that follow
 * each other directly become one.
 *
 * Who may send from a link-local address of IPv6 could advertise itself as a router: an interface
 * with such a peer is deaf to that before the peer is there. Every new one is made deaf.
 *
 * Managed, so reset when the configuration does not set it: addresses, our routes, peers, allowed
 * IPs, persistent keepalive, preshared key (we declare none, so one that is there is cleared),
 * fwmark, and the listen port when `previous` declared the one that is still in use. Not reset: an
 * endpoint that is no longer declared, since WireGuard cannot unset one; it stays until the peer
 * roams or goes.
 *
 * What the kernel takes away by itself is put back: the IPv4 routes of an interface that loses its
 * last IPv4 address, and the other addresses of a subnet whose first address goes.
 */
#ifndef AGENT_DIFF_H
#define AGENT_DIFF_H

#include "agent/kern.h"
#include "agent/lifeline.h"
#include "common/buf.h"
#include "common/endpoint.h"
#include "publication/expand.h"

/* The expansion with its endpoints resolved. */
struct desired {
	const struct config *config;
	const struct sock_endpoint
		*endpoints; /* one per config->peers[i]; family 0: none declared, or not resolved */
	struct wgkey public_key; /* of the private key that the interface must have */
	const char *alias; /* "meshrc NETWORK" */
	/* Besides those that the configuration and the host tell of. */
	const struct lifeline *lifelines;
	size_t n_lifelines;
	/* What of the configuration is left out (agent/apply.h fills it in). */
	const struct left_out *refused;
	size_t n_refused;
	uint32_t fwmark; /* where the node says none; 0: none */
};

/* A peer whose last handshake is at most this old has a live session (REJECT_AFTER_TIME of
 * WireGuard). */
#define SESSION_SECONDS 180
bool session_lives(const struct observed_peer *p, int64_t now);

/*
 * `previous` is the configuration that was in force before (NULL when unknown). A declared endpoint
 * that differs from the one in use is set for a new peer, for a peer without one, when the
 * declaration itself changed, and for a peer without a live session: its name may have got another
 * address, or could not be looked up when the declaration changed. The endpoint of a live session
 * is left alone, because one that roamed and works is not drift.
 *
 * ERR_CONFLICT: an interface of this name is there and is not ours to change. Ours is one that
 * carries d->alias; and one without an alias that has neither key nor peers (somebody made it for
 * us, or we were stopped right after making it), or that has this very private key (it was set up
 * by hand before; it gets the alias). ERR_INPUT: the node as its own peer.
 */
int diff_make(const struct observed *o, const struct desired *d, const struct config *previous,
	      int64_t now, struct arena *a, struct op **ret_ops, size_t *ret_n, struct err *e);

/*
 * The routes that the interface is to have: those of the configuration in the main table or the
 * node's own, and for an exit the default routes, in a table that only its rules look at
 * (publication/exit.h). Sorted by route_cmp, in `a`.
 */
int desired_routes(const struct config *c, struct arena *a, struct route **ret, size_t *ret_n,
		   struct err *e);
int route_cmp(const struct route *a, const struct route *b);

/* For `plan` and --verbose: one operation as a sentence. */
void op_print(const struct op *op, struct buf *out);

bool sock_endpoint_equal(const struct sock_endpoint *a, const struct sock_endpoint *b);
/* "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%2]:51820"; "" for none. */
char *sock_endpoint_print(const struct sock_endpoint *e, char out[static ENDPOINT_STRLEN]);

#endif
