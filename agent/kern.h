/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface as a back end shows it and changes it: one table of functions with two
 * implementations (kern_kernel.c: generic netlink; kern_userspace.c: the WireGuard cross-platform
 * socket), and a fake one in the tests. Link, addresses, MTU and routes go through rtnetlink in
 * both (kern_rt.c).
 */
#ifndef AGENT_KERN_H
#define AGENT_KERN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/key.h"
#include "common/name.h"
#include "common/prefix.h"
#include "common/secret.h"
#include "publication/exit.h"

/* rtm_protocol of every route and FRA_PROTOCOL of every rule that we add, so that only our own are
 * ever removed (free in iproute2's rt_protos). */
#define ROUTE_PROTOCOL 77
/* Interface alias (IFLA_IFALIAS) of an interface that we made: "meshrc NETWORK". */
#define ALIAS_PREFIX "meshrc "

struct route {
	struct prefix dst;
	uint32_t table; /* EXIT_TABLE_MAIN, or another one */
};

struct sock_endpoint {
	uint8_t family; /* 0: none, 4 or 6 */
	uint16_t port; /* host order */
	uint8_t b[16];
	uint32_t scope; /* IPv6 link-local scope id */
};

struct observed_peer {
	struct wgkey key;
	struct sock_endpoint endpoint;
	uint16_t keepalive; /* 0: none */
	bool has_psk;
	const struct prefix *allowed_ips; /* canonical order, not reduced */
	size_t n_allowed_ips;
	int64_t last_handshake; /* seconds since 1970; 0: never */
	uint64_t rx_bytes, tx_bytes;
};

struct observed {
	bool exists;
	bool is_wireguard; /* kernel: IFLA_INFO_KIND; userspace: the socket answered */
	uint32_t ifindex;
	bool up;
	/* It takes routes, addresses and better ways from whoever advertises them (IPv6). */
	bool hears;
	uint32_t mtu;
	char alias[256];
	const struct ifaddr *addresses; /* sorted; IPv6 link-local ones of the kernel's own making
					   are left out */
	size_t n_addresses;
	/* On this interface with ROUTE_PROTOCOL, in whatever table; sorted by route_cmp. */
	const struct route *routes;
	size_t n_routes;
	bool has_private_key;
	struct wgkey public_key; /* when has_private_key */
	uint16_t listen_port; /* 0: none yet */
	uint32_t fwmark;
	const struct observed_peer *peers; /* sorted by key */
	size_t n_peers;
};

enum op_kind {
	OP_LINK_CREATE, /* deaf to advertisements, where the host lets us */
	OP_LINK_DELETE, /* peers first, in one message: see kern_kernel.c */
	OP_LINK_MTU,
	OP_LINK_UP,
	OP_LINK_ALIAS,
	OP_LINK_DEAF, /* to advertisements. When it cannot be done, what follows is done all the
			 same */
	OP_ROUTE_DEL,
	OP_ADDR_DEL,
	OP_DEVICE, /* private key, listen port, fwmark: as the OPD_ flags say */
	OP_PEER_REMOVE,
	OP_PEER_SET,
	OP_ADDR_ADD,
	OP_ROUTE_ADD,
};

enum op_flags {
	OPD_PRIVATE_KEY = 1u << 0,
	OPD_LISTEN_PORT = 1u << 1, /* 0: let the kernel choose */
	OPD_FWMARK = 1u << 2, /* 0: reset */

	OPP_NEW = 1u << 8, /* the peer is not there yet; without it the message must not create one
			      (UPDATE_ONLY) */
	OPP_REPLACE_ALLOWED = 1u << 9, /* allowed_ips are all it has; else they are added */
	OPP_ENDPOINT = 1u << 10,
	OPP_KEEPALIVE = 1u << 11, /* 0: reset */
	OPP_CLEAR_PSK = 1u << 12,
};

struct op {
	enum op_kind kind;
	unsigned int flags;
	uint32_t number; /* MTU, fwmark or listen port */
	uint32_t fwmark;
	struct ifaddr address;
	struct route route;
	/* peers */
	struct wgkey key;
	const char *name; /* of the peer, for messages; may be NULL */
	struct sock_endpoint endpoint;
	uint16_t keepalive;
	const struct prefix *allowed_ips;
	size_t n_allowed_ips;
};

/* Policy rules of ours: those with ROUTE_PROTOCOL at some priorities. */
struct rules_seen {
	const struct exit_rule *list; /* sorted by exit_rule_cmp */
	size_t n;
};

struct rule_op {
	bool add;
	struct exit_rule rule;
};

/* What a conversation cost: counted by every back end, shown by `once --verbose` and `--json`,
 * compared in tests. */
struct kern_stats {
	unsigned int set_messages; /* messages (or socket transactions) that change something, of
				      every kind */
	unsigned int wg_messages; /* of those, to WireGuard itself */
	unsigned int peers_sent; /* peer entries in them */
	uint64_t bytes_sent;
	unsigned int dumps;
};

/* A route of the host beside an interface of ours, and not through it; one for each next hop. */
struct way {
	struct prefix dst;
	struct ipaddr via; /* family 0: none */
	struct ifname dev; /* "": not known */
	bool ours; /* through an interface of some network of meshrc */
	/* The network of an address of `dev`: what the kernel, a DHCP client or a router's
	 * advertisement made for it. */
	bool on_link;
};

struct ways {
	const struct way *list;
	size_t n;
};

struct kern;

struct kern_ops {
	const char *name; /* "kernel", "userspace" */
	/* Reads everything about one interface. exists = false is no error. Interrupted dumps are
	 * retried, bounded. */
	int (*observe)(struct kern *k, const struct ifname *name, struct arena *a,
		       struct observed *ret, struct err *e);
	/*
	 * Does ops[0..n) in their order, packing neighbouring peer operations into as few messages
	 * as fit. Stops at the first that fails. `private_key` is for OPD_PRIVATE_KEY. For
	 * OP_LINK_CREATE see `alias`.
	 */
	int (*apply)(struct kern *k, const struct ifname *name, const struct op *ops, size_t n,
		     const struct secret *private_key, const char *alias, struct err *e);
	/* The rules of ours from priority `first` on, `n` of them. Those of another form than
	 * struct exit_rule are left out. */
	int (*rules)(struct kern *k, uint32_t first, uint32_t n, struct arena *a,
		     struct rules_seen *ret, struct err *e);
	/* One after the other, each acknowledged before the next. A rule to be removed that is not
	 * there is no error. */
	int (*set_rules)(struct kern *k, const struct rule_op *ops, size_t n, struct err *e);
	/* The routes of one table that do not go through this interface (which need not be there).
	 */
	int (*ways)(struct kern *k, const struct ifname *name, uint32_t table, struct arena *a,
		    struct ways *ret, struct err *e);
	/* By which interface (0: by none) a packet of this host would leave for `to` whose sender
	 * has chosen no source address. Nothing is sent. */
	int (*way)(struct kern *k, const struct ipaddr *to, uint32_t *ret_ifindex, struct err *e);
	/* The WireGuard links, of either back end, whose alias is exactly this one. */
	int (*marked)(struct kern *k, const char *alias, struct arena *a, struct ifname **ret,
		      size_t *ret_n, struct err *e);
	void (*free)(struct kern *k);
};

struct kern {
	const struct kern_ops *ops;
	/* errno value of the refusal that ended the last apply(); 0: none, or something else. */
	int refused;
	struct kern_stats stats;
};

/* Both return a back end that the caller frees with k->ops->free(k), or NULL. */
struct kern *kern_kernel_new(struct err *e);
struct kern *kern_userspace_new(const char *program,
				struct err *e); /* NULL: wireguard-go, found on PATH */
/* True when this kernel can make WireGuard interfaces (tried once with a generic netlink family
 * look-up, loading the module). */
bool kern_kernel_available(void);
/* True when a userspace interface (kind "tun") carries this alias. */
bool kern_userspace_marked(const char *alias);

#endif
