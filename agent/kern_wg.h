/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WireGuard's generic netlink messages (linux/wireguard.h): operations -> SET_DEVICE messages,
 * GET_DEVICE replies -> what was observed. Bytes only, no I/O. Neither side of it keeps a key that
 * is secret: a reader of replies looks at the private and the preshared keys only to see whether
 * there are any.
 */
#ifndef AGENT_KERN_WG_H
#define AGENT_KERN_WG_H

#include "agent/kern.h"

struct nlmsghdr;

/*
 * Size of one SET_DEVICE message: the list of peers is one attribute, whose length has 16 bits. The
 * kernel works a message off under the lock of all network configuration; one of this size holds it
 * for about 50 ms.
 */
#define WG_MESSAGE_SIZE 61440u

/* How far a list of operations has been put into messages. Start: { .ops, .n }, the rest zero. */
struct wg_cursor {
	const struct op *ops; /* OP_DEVICE, OP_PEER_REMOVE, OP_PEER_SET */
	size_t n;
	size_t pos; /* the operation that comes next */
	size_t allowed; /* how many of its allowed IPs are in messages already, when it did not fit
			   whole */
	bool split; /* the next entry goes on with a peer whose first part was sent */
	unsigned int peers; /* entries in the last message */
};

/*
 * Writes the next message into buf (aligned for a netlink header), of at most `size` bytes (at
 * least 512), and moves the cursor behind what it holds: as many operations as fit, in their order.
 * Device settings begin a message of their own, because the kernel reads them before the peers. A
 * peer that does not fit goes on in the next message, by key alone, without the flag that replaces
 * its allowed IPs. *ret is NULL when all is done. `private_key` is needed for OPD_PRIVATE_KEY; the
 * buffer then holds it, and the caller wipes the buffer.
 */
int wg_build_set(struct wg_cursor *c, uint16_t family, const struct ifname *name,
		 const struct secret *private_key, void *buf, size_t size, struct nlmsghdr **ret,
		 struct err *e);
/* The one message that removes all peers at once: before a link is deleted, never on one that
 * stays. */
struct nlmsghdr *wg_build_remove_all(uint16_t family, const struct ifname *name, void *buf);
struct nlmsghdr *wg_build_get(uint16_t family, const struct ifname *name, void *buf);

/* Generic netlink's own look-up of a family by name, and its answer. */
struct nlmsghdr *wg_build_family(void *buf);
int wg_parse_family(const struct nlmsghdr *nlh, uint16_t *ret, struct err *e);

/* Reads the messages of one dump, in their order, and makes one entry of a peer that is spread over
 * several. */
struct wg_reader {
	struct arena *arena;
	struct observed *o;
	struct observed_peer *peers;
	size_t n_peers;
	struct prefix *allowed; /* of the last peer */
	size_t n_allowed;
};

/* `o` gets the device's attributes; what it has of the link stays. */
void wg_reader_init(struct wg_reader *r, struct arena *a, struct observed *o);
int wg_reader_message(struct wg_reader *r, const struct nlmsghdr *nlh, struct err *e);
/* Sorts, refuses a peer that came twice, and puts the peers into `o`. */
int wg_reader_finish(struct wg_reader *r, struct err *e);

/* For both back ends: sorts the peers and their prefixes; fails on a key that is there twice. */
int observed_sort_peers(struct observed_peer *peers, size_t n, struct err *e);

#endif
