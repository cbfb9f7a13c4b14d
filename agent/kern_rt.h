/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of an interface that is no WireGuard: the link, its MTU, alias and addresses, and our
 * routes through it (rtnetlink). Used by both back ends. Our routes are those with ROUTE_PROTOCOL,
 * in whatever table, with the interface as their only way; no other route is ever changed or taken
 * away.
 */
#ifndef AGENT_KERN_RT_H
#define AGENT_KERN_RT_H

#include "agent/kern.h"
#include "agent/nl.h"

struct rt {
	struct nl nl;
	struct kern_stats *stats;
	uint8_t *batch; /* NL_BATCH_SIZE */
};

struct rt_link {
	bool exists, up;
	bool hears; /* as in struct observed */
	uint32_t ifindex, mtu;
	struct ifname name;
	char kind[16]; /* "wireguard", "tun"; "" for hardware */
	char alias[256];
};

int rt_open(struct rt *rt, struct kern_stats *stats, struct err *e) MUST_CHECK;
void rt_close(struct rt *rt); /* all zero is fine */

/* No interface of this name: 0 with ret->exists false. */
int rt_link_get(struct rt *rt, const struct ifname *name, struct rt_link *ret,
		struct err *e) MUST_CHECK;
/* The names of all links of kind "wireguard" or "tun" with this alias, in `a`; `only_kind` (NULL:
 * both) asks for one kind. */
int rt_marked(struct rt *rt, const char *alias, const char *only_kind, struct arena *a,
	      struct ifname **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* Link, addresses and routes of `o`; the WireGuard part stays as it is. */
int rt_observe(struct rt *rt, const struct ifname *name, struct arena *a, struct rt_link *ret_link,
	       struct observed *o, struct err *e) MUST_CHECK;

/* The routes of a table that do not go through this interface. */
int rt_ways(struct rt *rt, const struct ifname *name, uint32_t table, struct arena *a,
	    struct ways *ret, struct err *e) MUST_CHECK;

/* net.ipv6.conf.NAME: accept_ra, accept_redirects and autoconf become 0. Nothing to do, and no
 * error, where the kernel does without IPv6. */
int rt_deafen(const struct ifname *name, struct err *e);

/* Makes a link of this kind; one that exists already is an error. */
int rt_link_create(struct rt *rt, const struct ifname *name, const char *kind,
		   struct err *e) MUST_CHECK;
/* No such link is no error. */
int rt_link_delete(struct rt *rt, const struct ifname *name, struct err *e) MUST_CHECK;

/*
 * Does a row of OP_LINK_MTU, _UP, _ALIAS, OP_ADDR_*, OP_ROUTE_* in one stream. The kernel goes on
 * behind one that it refuses, so all of a batch that can be done is done; the error is about the
 * first that was refused, and says how many more were. A route or address to be removed that is not
 * there is no error. ERR_CONFLICT when a route to the same prefix exists in the same table that is
 * not ours, whatever its metric; all else is done then.
 */
int rt_apply(struct rt *rt, const struct ifname *name, const struct op *ops, size_t n,
	     const char *alias, struct err *e) MUST_CHECK;

bool rt_op(enum op_kind kind); /* one of those that rt_apply does */

/* The bytes, for tests: one request (`size` is never more than RT_REQUEST_SIZE), and readers of one
 * message each. */
#define RT_REQUEST_SIZE 384u
struct nlmsghdr *rt_build(const struct op *op, uint32_t ifindex, const char *alias, void *buf);
int rt_parse_link(const struct nlmsghdr *nlh, struct rt_link *ret, struct err *e);
/* 1: *ret is an address of this interface that counts; 0: not one; -1 */
int rt_parse_addr(const struct nlmsghdr *nlh, uint32_t ifindex, struct ifaddr *ret, struct err *e);

struct rt_route {
	struct prefix dst;
	uint32_t table;
	uint8_t protocol;
	uint32_t ifindex; /* 0: several ways, or none */
};

/* 1: *ret is a route to other hosts, of any table; 0: not one; -1 */
int rt_parse_route(const struct nlmsghdr *nlh, struct rt_route *ret, struct err *e);

/* A next hop of a route. */
struct rt_hop {
	struct ipaddr via; /* family 0: none */
	uint32_t ifindex;
};

#define RT_MAX_HOPS 64
/* Those of a message that rt_parse_route knows, at most RT_MAX_HOPS; -1: malformed. */
int rt_parse_hops(const struct nlmsghdr *nlh, struct rt_hop ret[static RT_MAX_HOPS], size_t *ret_n,
		  struct err *e);

#endif
