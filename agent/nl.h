/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversation with the kernel over one netlink socket (libmnl): requests with their
 * acknowledgement, batches of requests, dumps. Every reply is matched by sequence number, port and
 * sender; nothing is accepted in part.
 *
 * A function returns 0, or -1 with nl->error (an errno value; 0 when a callback failed and filled
 * `e`) and nl->text (what the kernel said about it, or ""); nl_err makes a `struct err` of it.
 */
#ifndef AGENT_NL_H
#define AGENT_NL_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"
#include "common/err.h"
/* linux/netlink.h has a number of netlink protocols under this name, which nobody needs;
 * common/limits.h has another. */
#undef MAX_LINKS

/* The kernel fills at most 32 KB in one receive of a dump; acknowledgements may carry a whole
 * request. */
#define NL_RECEIVE_SIZE ((size_t)64 << 10)
/* Requests in one send: well under the default send buffer of 208 KB. */
#define NL_BATCH_SIZE ((size_t)32 << 10)
/* A dump that the kernel reports as interrupted, or whose messages were lost, is read again this
 * often at most. */
#define NL_DUMP_TRIES 5
/* How long the kernel may take for one answer: it takes under a second for 10,000 peers at once. */
#define NL_TIMEOUT_SECONDS 60

/*
 * The seam: how sockets are made and used. Tests put a model of the kernel or failing functions in;
 * the program leaves it as it is. `recv` gives one datagram of the kernel (from port 0), -1 with
 * ENOSPC when it did not fit.
 */
struct nl_sys {
	void *(*open)(int bus, uint32_t *ret_portid); /* NULL with errno */
	ssize_t (*send)(void *sock, const void *data, size_t len);
	ssize_t (*recv)(void *sock, void *data, size_t size);
	void (*close)(void *sock);
	/* Writes a setting for which there is no message, a file below /proc/sys. ERR_NOENT: there
	 * is no such setting. */
	int (*set)(const char *path, const char *value, struct err *e);
};

extern struct nl_sys nl_sys;

struct nl {
	int bus;
	void *sock;
	uint32_t portid, seq;
	uint8_t *buf; /* NL_RECEIVE_SIZE */
	bool lost; /* the stream is out of step: a new socket before the next request */
	int error;
	char text[128];
};

int nl_open(struct nl *nl, int bus, struct err *e) MUST_CHECK;
/* A conversation that was never opened (all zero) is fine. */
void nl_close(struct nl *nl);

/* A message that is neither an acknowledgement nor the end. 0, or -1 with `e` set: the conversation
 * fails. */
typedef int nl_message_fn(const struct nlmsghdr *nlh, void *arg, struct err *e);

/* Gives the next sequence number; each request of a batch needs its own, in rising order. */
uint32_t nl_next_seq(struct nl *nl);

/*
 * Sends one request (its sequence number and NLM_F_ACK are set here) and waits for its
 * acknowledgement; `fn` (may be NULL) gets what comes before that.
 */
int nl_request(struct nl *nl, struct nlmsghdr *nlh, nl_message_fn *fn, void *arg,
	       struct err *e) MUST_CHECK;

/*
 * Sends `n` requests that lie one behind the other in data[0..len), numbered from nl_next_seq,
 * without NLM_F_ACK but for the last, and reads until that is answered. `failed` is called for each
 * that the kernel refused (`index` in 0..n), and returns 0 when that is no failure. The kernel goes
 * on behind a request that it refused. 0 when none failed.
 */
typedef int nl_failed_fn(size_t index, int error, const char *text, void *arg);
int nl_batch(struct nl *nl, const void *data, size_t len, uint32_t first_seq, size_t n,
	     nl_failed_fn *failed, void *arg, struct err *e) MUST_CHECK;

/*
 * Sends a dump request and hands every message to `fn`. `restart` is called before each attempt, so
 * that what an interrupted one brought is dropped. Errors as in nl_request, and EINTR when it was
 * interrupted NL_DUMP_TRIES times.
 */
int nl_dump(struct nl *nl, struct nlmsghdr *nlh, void (*restart)(void *arg), nl_message_fn *fn,
	    void *arg, struct err *e) MUST_CHECK;

/* Wipes what was received last: it may hold keys. */
void nl_wipe(struct nl *nl);

/* Fills `e` after a call that failed: "WHAT: strerror (the kernel's text)". Returns -1. */
int nl_err(const struct nl *nl, struct err *e, const char *what);

/* What one received datagram said about the request `seq`. Pure. */
struct nl_reply {
	bool done; /* acknowledged, refused, or the end of a dump */
	bool interrupted; /* some message carried NLM_F_DUMP_INTR */
	uint32_t seq; /* of the message that `done` or `error` is about */
	int error; /* errno value; EBADMSG for bytes that are no netlink messages */
	char text[128];
};

/*
 * Walks the messages of a datagram whose numbers lie in first..last, skipping those of older
 * requests, until the end or until one says `done`; *ret_used says how far. -1 when `fn` failed.
 */
int nl_scan(const void *data, size_t len, uint32_t portid, uint32_t first, uint32_t last,
	    nl_message_fn *fn, void *arg, struct nl_reply *ret, size_t *ret_used,
	    struct err *e) MUST_CHECK;

/*
 * The next of the attributes in *pos[0..*left): 1, with *ret set; 0 at the end; -1 when what is
 * there is no whole attribute. (libmnl's own loop ends silently there.)
 */
static inline int nl_attr_next(const uint8_t **pos, size_t *left, const struct nlattr **ret)
{
	struct nlattr a;
	size_t step;

	if (!*left)
		return 0;
	if (*left < sizeof(a))
		return -1;
	memcpy(&a, *pos, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > *left)
		return -1;
	*ret = (const struct nlattr *)(const void *)*pos;
	step = MNL_ALIGN(a.nla_len);
	if (step > *left)
		step = *left;
	*pos += step;
	*left -= step;
	return 1;
}

/* The attributes inside a nested one. */
static inline void nl_attr_enter(const struct nlattr *a, const uint8_t **pos, size_t *left)
{
	*pos = mnl_attr_get_payload(a);
	*left = mnl_attr_get_payload_len(a);
}

#endif
