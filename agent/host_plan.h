/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node with a policy, or one that carries traffic for others, needs on its host besides the
 * interface, and the smallest ordered list of changes that leads there, or back. Pure; agent/host.h
 * reads and does.
 *
 * Forwarding. IPv4: net.ipv4.conf.all.forwarding (the same as net.ipv4.ip_forward). The kernel asks
 * the interface that a packet comes in by, and replies come in by whichever interface the routing
 * table and the networks behind it choose, today or tomorrow: so it is the switch for all, not one
 * of them. IPv6: net.ipv6.conf.all.forwarding, since there is no other before Linux 6.17. With it
 * the kernel no longer minds router advertisements where accept_ra is 1, and drops the default
 * routes that it had from them: so accept_ra becomes 2 there first.
 *
 * Going back. Each setting is put back to what it was before we changed it, and only while it still
 * has the value that we gave it. What was on already is nobody's to turn off, so it is not
 * recorded. The two switches write other settings too (forwarding of each interface and of
 * `default`; IPv4: accept_redirects of `all`): those that switching off would leave otherwise than
 * they were are recorded as well.
 *
 * The nftables table is replaced as a whole, in one transaction, before forwarding is turned on, so
 * that no connection begins without masquerading.
 */
#ifndef AGENT_HOST_PLAN_H
#define AGENT_HOST_PLAN_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/name.h"
#include "publication/expand.h"

enum sysctl_key {
	SYSCTL_FORWARD4, /* net.ipv4.conf.X.forwarding */
	SYSCTL_REDIRECTS4, /* net.ipv4.conf.X.accept_redirects */
	SYSCTL_FORWARD6, /* net.ipv6.conf.X.forwarding */
	SYSCTL_RA6, /* net.ipv6.conf.X.accept_ra */
};

/* One setting. `of`: "all", "default" or an interface, as the kernel spells it. */
struct sysctl {
	enum sysctl_key key;
	char of[16];
};

#define SYSCTL_STRLEN 64
/* False for an interface name that no setting of ours is kept for: empty, too long, with a blank or
 * a byte that is not ASCII. */
bool sysctl_of(enum sysctl_key key, const char *of, struct sysctl *ret);
int sysctl_cmp(const struct sysctl *a, const struct sysctl *b);
/* As sysctl(8) prints it: "net.ipv6.conf.eth0/100.accept_ra" is of interface eth0.100. */
char *sysctl_print(const struct sysctl *s, char out[static SYSCTL_STRLEN]);
int sysctl_parse(const char *s, size_t len, struct sysctl *ret);
/* Below /proc/sys: "net/ipv6/conf/eth0.100/accept_ra" */
char *sysctl_path(const struct sysctl *s, char out[static SYSCTL_STRLEN]);

/*
 * A setting that we changed, or that a switch of ours changes: its value before, and ours. The
 * switch itself with `set` 0 is going off: what it overwrites may be as the switch leaves it
 * already, and has yet to be put back.
 */
struct host_change {
	struct sysctl sysctl;
	uint32_t before, set;
};

/* As /proc/sys/kernel/random/boot_id */
#define BOOT_ID_LEN 36
bool boot_id_is_valid(const char *s, size_t len);

/* All that we changed on the host, for as long as it stands: part of the agent's state. */
struct host_record {
	/* The boot that it was in: settings begin anew with each. "" when nothing is recorded. */
	char boot[BOOT_ID_LEN + 1];
	struct host_change changes[MAX_HOST_CHANGES]; /* sorted by sysctl_cmp, distinct */
	size_t n;
	bool has_table;
	struct digest rules; /* the table as we wanted it */
	struct digest listing; /* and as it read back; all zero: not known */
};

bool host_record_empty(const struct host_record *r);
bool host_record_equal(const struct host_record *a, const struct host_record *b);

struct sysctl_value {
	struct sysctl sysctl;
	uint32_t value;
};

struct host_wanted;
/* The interfaces of `wanted`, from 0; NULL behind the last, "" for one that is left out. */
const char *host_own_interface(const struct host_wanted *wanted, size_t i);

/* The host as it is. */
struct host_seen {
	char boot[BOOT_ID_LEN + 1];
	/* Sorted; those that do not exist are missing. SYSCTL_RA6 only of interfaces that may take
	 * router advertisements. */
	const struct sysctl_value *values;
	size_t n;
	const char *table; /* our table as nft lists it; "" when it is not there */
};

struct host_wanted {
	unsigned int families; /* enum gateway_families that are forwarded */
	struct ifname interface; /* ours, the main one */
	const struct config
		*config; /* with our others, those of routed links; NULL: there are none */
	const struct ifname *without; /* those of them that are not ours to touch, or not there */
	size_t n_without;
	const char *rules; /* of the table (publication/ruleset.h); "": no table */
	bool table_alone; /* the settings stay as they are, whatever `families` says */
	const char *listing; /* our table as it was read a moment ago; NULL: it is to be read */
};

enum host_op_kind { HOST_SYSCTL, HOST_TABLE_SET, HOST_TABLE_REMOVE };

/* In this order. One that fails ends the operations of its own phase alone; but without the table
 * nothing is turned on. */
enum host_phase { HOST_OFF4, HOST_OFF6, HOST_TABLE, HOST_ON4, HOST_ON6, HOST_PHASES };

struct host_op {
	enum host_op_kind kind;
	enum host_phase phase;
	struct sysctl sysctl;
	uint32_t from, to;
	bool replaces; /* HOST_TABLE_SET: another table of that name is there */
	const char *table; /* its name */
};

struct host_plan {
	struct host_op *ops;
	size_t n;
	/* To be recorded before the first operation: what stands while they are under way. */
	struct host_record *during;
	/* To be recorded when all is done. Without an operation on the table its listing is filled
	 * in. */
	struct host_record *after;
	/* No class, or ERR_LIMIT: a version of IP for which more settings would have to be changed
	 * than are remembered (MAX_HOST_CHANGES) stays as it is. All else is in the plan. */
	struct err left;
};

/* `table` is the name of ours. */
int host_plan_make(const struct host_record *record, const struct host_seen *seen,
		   const struct host_wanted *wanted, const char *table, struct arena *a,
		   struct host_plan *ret, struct err *e);

/* One operation as a sentence: "sysctl net.ipv4.conf.all.forwarding: 0 -> 1". */
void host_op_print(const struct host_op *op, struct buf *out);

#endif
