/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of one machine's interface, as WireGuard and the network stack treat it: an allowed IP
 * given to one peer leaves the one that had it, a peer with the device's own key is ignored, an
 * update of a peer that is not there does nothing, losing the last IPv4 address loses the IPv4
 * routes, a route needs the link up. Two ways lead to it: a back end of its own (fake_kern_new),
 * and a kernel behind the seam of agent/nl.h (fake_nl.h), which reads real messages.
 *
 * And a short language for states, so that a test's table shows both sides:
 *
 *	"addr=10.0.0.1/24 route=10.5.0.0/16 mtu=1380 port=5 mark=7 key=K alias=x
 * down|A 10.0.0.2/32,10.5.0.0/16 ep=192.0.2.1:5 ka=25 psk hs=100|B"
 *
 * before the first bar the device, behind each bar a peer, whose key is its letter. "-" is no
 * interface at all.
 */
#ifndef TESTS_UNIT_FAKE_KERN_H
#define TESTS_UNIT_FAKE_KERN_H

#include "agent/diff.h"
#include "agent/kern.h"

#define FAKE_ALIAS ALIAS_PREFIX "test"

struct model_peer {
	struct wgkey key;
	struct sock_endpoint endpoint;
	uint16_t keepalive;
	bool has_psk;
	int64_t last_handshake;
	uint64_t rx_bytes, tx_bytes;
	struct prefix *ips; /* unsorted */
	size_t n_ips;
};

struct model {
	bool exists, wireguard, up;
	bool hears; /* router advertisements */
	bool stays_hearing; /* its settings cannot be written */
	uint32_t ifindex, mtu;
	char alias[256];
	struct ifaddr addresses[32];
	size_t n_addresses;
	struct route *routes; /* ours on this interface */
	size_t n_routes;
	struct prefix other_route; /* somebody else's to this prefix; family 0: none */
	const struct way *ways; /* the host's own routes; those of table `ways_table` */
	size_t n_ways;
	uint32_t ways_table; /* 0: the main one */
	struct exit_rule rules[64]; /* policy rules of ours */
	size_t n_rules;
	uint8_t straight; /* the first byte of addresses that somebody else's route or rule takes */
	bool no_way; /* the kernel does not say */
	bool no_ipv6; /* this kernel has no rules of IPv6 */
	bool has_private_key;
	struct wgkey public_key;
	uint16_t listen_port;
	uint32_t fwmark;
	struct model_peer *peers;
	size_t n_peers;
	bool promote; /* secondary addresses stay when the first of their subnet goes */
	uint64_t
		created; /* how often a peer came to be: a session lost when one was there before */
	/* Called after each change, however small. */
	void (*step)(struct model *m, void *arg);
	void *step_arg;
};

void model_release(struct model *m);
struct model_peer *model_peer(struct model *m, const struct wgkey *key);
void model_remove_peers(struct model *m);
/* Each returns 0 or the errno value that the kernel would. */
int model_create(struct model *m);
int model_delete(struct model *m);
int model_addr(struct model *m, bool add, const struct ifaddr *a);
int model_route(struct model *m, bool add, const struct route *p);
int model_rule(struct model *m, const struct rule_op *op);
void model_set_key(struct model *m, const struct wgkey *public_key);
/*
 * One peer entry of a set message; flags: those of struct op, and MODEL_REMOVE, MODEL_UPDATE_ONLY.
 * A `psk` is told by OPP_CLEAR_PSK alone.
 */
#define MODEL_REMOVE (1u << 30)
#define MODEL_UPDATE_ONLY (1u << 31)
void model_set_peer(struct model *m, const struct op *op);
void model_step(struct model *m);
/* Interface 99 is the way out of the machine. */
int model_way(const struct model *m, const struct ipaddr *to, uint32_t *ret_ifindex);
void model_observe(const struct model *m, struct arena *a, struct observed *ret);

/* Builds states from the short language; aborts the test on a mistake in it. */
struct wgkey fake_key(char letter);
void fake_private_key(char letter, struct secret *ret, struct wgkey *ret_public);
void fake_model(const char *text, struct model *ret);

struct fake_desired {
	struct node node;
	struct config config;
	struct desired desired;
};

void fake_desired(const char *text, struct arena *a, struct fake_desired *ret);
/* True when the model is what the desired state says (endpoints too where one is declared), else
 * says why on stderr. */
bool fake_is(const struct model *m, const struct fake_desired *d, bool endpoints);

/* The back end: `fail_at`-th operation (from 1) fails, and every one after it when `fail_for_ever`.
 */
struct fake_kern {
	struct kern k;
	struct model *m;
	unsigned int n_ops, fail_at;
	bool fail_for_ever,
		fail_after; /* fail_after: it is done, and only then reported as failed */
	unsigned int n_observes, fail_observe_at;
	unsigned int n_looks, fail_look_at; /* at the rules */
	enum err_class fail_class;
	int fail_errno;
	bool fail_this_kind; /* each operation of fail_kind fails */
	enum op_kind fail_kind;
	void (*before_observe)(struct fake_kern *f, unsigned int n); /* somebody else's hand */
};

void fake_kern_init(struct fake_kern *f, struct model *m);

#endif
