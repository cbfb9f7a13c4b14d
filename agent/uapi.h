/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text that a WireGuard daemon speaks on its socket (https://www.wireguard.com/xplatform/):
 * `key=value` lines, a blank line ends a request and its answer, whose last line is `errno=N`.
 * Bytes only, no I/O.
 */
#ifndef AGENT_UAPI_H
#define AGENT_UAPI_H

#include "agent/kern.h"
#include "common/buf.h"

/* Longer than any line that means something: an allowed IP takes 55 bytes, a key 80. */
#define UAPI_LINE_SIZE 256u
/* An answer for 65,536 peers and 262,144 prefixes takes about 40 MB. */
#define UAPI_REPLY_MAX (64u << 20)
/* One request that sets peers: a daemon holds its lock while it works one off. */
#define UAPI_SET_SIZE (64u << 10)

/* How far a list of peer operations has been put into requests. Start: { .ops, .n }, the rest zero.
 */
struct uapi_cursor {
	const struct op *ops; /* OP_PEER_REMOVE, OP_PEER_SET */
	size_t n;
	size_t pos, allowed; /* as in struct wg_cursor */
	bool split;
	unsigned int peers; /* entries in the last request */
};

/*
 * Writes the next request into `out` (emptied first; its maximum has to be above UAPI_SET_SIZE +
 * 1024): as many operations as fit, in their order. A peer with more allowed IPs than fit goes on
 * in the next one. False when all is done.
 */
bool uapi_build_peers(struct uapi_cursor *c, struct buf *out);
/* The request of one OP_DEVICE, in guarded memory because of the private key; ret->len is its
 * length. */
int uapi_build_device(const struct op *op, const struct secret *private_key, struct secret *ret,
		      struct err *e);

struct uapi_reader {
	struct arena *arena;
	struct observed *o;
	struct observed_peer *peers;
	size_t n_peers;
	struct prefix *allowed; /* of the last peer */
	size_t n_allowed;
	char line[UAPI_LINE_SIZE];
	size_t line_len;
	uint64_t total;
	bool has_errno, done;
	uint64_t error; /* what `errno=` said */
};

/* `o` gets the WireGuard part; what it has of the link stays. Only the public half of a private key
 * is kept. */
void uapi_reader_init(struct uapi_reader *r, struct arena *a, struct observed *o);
/* Takes the next bytes of the answer. 1: that was all of it (r->error says how it went); 0: more is
 * needed; -1: refused. */
int uapi_reader_feed(struct uapi_reader *r, const char *data, size_t len, struct err *e);
/* After a whole answer: sorts, refuses a peer that came twice, and puts the peers into `o`. */
int uapi_reader_finish(struct uapi_reader *r, struct err *e);

#endif
