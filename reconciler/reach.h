/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who reaches whom, worked out from a compiled network alone: links, relays, hubs, networks behind
 * nodes, exits, clients, routed links and policy together. Pure.
 *
 * A packet is followed hop by hop, as WireGuard and the kernel take it: at each node the longest
 * AllowedIP that holds the destination names the next one, unless a network behind the node is at
 * least as long; the next one takes the packet only when its own longest match for the source is
 * where it came from; one of the two must be able to reach the other first; and who is not the
 * destination passes it on only when its document says that it forwards. An end reaches another
 * when a packet arrives, its answer comes back, and the policy at the destination lets the packet
 * in.
 *
 * Nodes with the same links share their tables (reconciler/plan_view.h), so that a full mesh of a
 * thousand nodes has one, and following a packet takes a few searches. What a routing daemon sends
 * over routed links is taken to arrive wherever a row of such links leads.
 */
#ifndef RECONCILER_REACH_H
#define RECONCILER_REACH_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "publication/network.h"
#include "schema/model.h"

enum reach_kind {
	REACH_NODE, /* a node or a client, by all of its addresses */
	REACH_BEHIND, /* a network behind nodes, by one address in it */
	REACH_OUTSIDE, /* what is in no network, by one address */
};

struct reach_end {
	enum reach_kind kind;
	uint32_t id; /* of the node or client; of the (first) node that the network is behind; of
			what is outside none: REACH_NOBODY */
	struct prefix prefix; /* REACH_BEHIND: what the address stands for */
	struct ipaddr address; /* REACH_BEHIND, REACH_OUTSIDE */
};

#define REACH_NOBODY UINT32_MAX

enum reach_fate {
	REACH_ARRIVES,
	REACH_NO_WAY, /* no allowed IP holds the destination */
	REACH_NOT_TAKEN, /* the next one has no such peer, or another one for the source */
	REACH_CANNOT_MEET, /* neither of two can reach the other first */
	REACH_NOT_PASSED_ON, /* who is in between does not forward */
	REACH_ASTRAY, /* it leaves the network somewhere else */
	REACH_LOOP,
	REACH_BY_HAND, /* the node has `table: "off"`: it is not said who gets what goes to its exit
			*/
	REACH_BY_DAEMON, /* over routed links, as a routing daemon will have it */
};

#define REACH_MAX_PATH 8

struct reach_path {
	enum reach_fate fate;
	uint32_t at[REACH_MAX_PATH]; /* from the first to the last; a longer way ends early */
	size_t n;
};

struct reach;

/*
 * `n` must stay. `m`: what it was compiled from, for the networks of sites, which are behind the
 * leader and in no record; NULL: they are nowhere, and no end may lie in them. Freed with
 * reach_free (NULL is fine).
 */
int reach_new(const struct network *n, const struct m_network *m, struct reach **ret,
	      struct err *e);
void reach_free(struct reach *r);

/* By name; REACH_NOBODY when there is no such node or client. */
uint32_t reach_id(const struct reach *r, const char *name);
const char *reach_name(const struct reach *r, uint32_t id);
bool reach_is_client(const struct reach *r, uint32_t id);
size_t reach_count(const struct reach *r); /* numbers are below */

/* An end of each kind. */
struct reach_end reach_node(uint32_t id);
/*
 * One end for each different part of `p` that lies behind nodes, as far as routes or the policy
 * tell parts of it apart, in `a`; of 0.0.0.0/0 or ::/0 all that is behind nodes. -1: out of memory.
 */
int reach_behind(struct reach *r, const struct prefix *p, struct arena *a, struct reach_end **list,
		 size_t *n);
/* False when every address of the family lies in some network. */
bool reach_outside(struct reach *r, unsigned int family, struct reach_end *ret);

/* All of a node or client, else the one. */
const struct ipaddr *reach_addresses(const struct reach *r, const struct reach_end *e,
				     size_t *ret_n);

/* Two ends that no packet through the network joins: the same node, one host's networks, a node and
 * a network of its site. */
bool reach_same(const struct reach *r, const struct reach_end *a, const struct reach_end *b);

enum reach_answer {
	REACH_NONE, /* no packet arrives */
	REACH_SOME, /* between some addresses, or on some services; or not all are answered */
	REACH_ALL, /* all arrive and are answered, and there is one at least */
};

/*
 * Packets and answers between two ends, whatever the policy says. *path, where not NULL, is the way
 * of the first packet that does not arrive or is not answered, *ret_back saying which; when all
 * are, of the first packet. -1: out of memory.
 */
int reach_ways(struct reach *r, const struct reach_end *from, const struct reach_end *to,
	       enum reach_answer *ret, struct reach_path *path, bool *ret_back);
/*
 * The policy alone, of the node that guards `to`: REACH_ALL when everything of `on` (canonical, at
 * least one) is let in, REACH_NONE when nothing is. -1: out of memory.
 */
int reach_policy(struct reach *r, const struct reach_end *from, const struct reach_end *to,
		 const struct service *on, size_t n, enum reach_answer *ret);
/* The two together: REACH_ALL when both are, REACH_NONE when one is. */
int reach_ask(struct reach *r, const struct reach_end *from, const struct reach_end *to,
	      const struct service *on, size_t n, enum reach_answer *ret);

/*
 * Ends that the policy treats alike, as sources or (`to`) as destinations, have the same number, by
 * their first address of the family (0: of any). -1: out of memory.
 */
int reach_class(struct reach *r, const struct reach_end *e, unsigned int family, bool to,
		uint32_t *ret);
/* What is let in from one class to another: canonical, in `a`. -1: out of memory. */
int reach_services(struct reach *r, uint32_t from_class, uint32_t to_class, struct arena *a,
		   struct service **ret, size_t *ret_n);

/* "db1", "192.168.10.0/24 behind gw1", "what is outside (IPv4)" */
#define REACH_END_STRLEN (PREFIX_STRLEN + 16 + 64)
char *reach_end_print(const struct reach *r, const struct reach_end *e,
		      char out[static REACH_END_STRLEN]);
/* "app1 -> hub: hub passes nothing on" */
void reach_path_print(const struct reach *r, const struct reach_path *p, struct buf *out);

#endif
