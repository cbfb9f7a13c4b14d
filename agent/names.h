/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names on this host: the network's own servers for its domain in systemd-resolved, on our
 * interface alone, where programs ask it; else the names in a block of /etc/hosts
 * (agent/hosts_block.h). The convergence over a table of functions, with one implementation
 * (names_system.c) and a fake in the tests: look, record, do, look again and compare.
 *
 * What is about to be there is recorded, durably, before it is; what is there no more, after. The
 * settings in systemd-resolved vanish with the interface.
 */
#ifndef AGENT_NAMES_H
#define AGENT_NAMES_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/name.h"
#include "common/prefix.h"

/* The settings of one link in systemd-resolved. */
struct link_names {
	const struct ipaddr *servers;
	size_t n_servers;
	const char *
		domain; /* questions for it go to the servers, and it is not searched; NULL: none */
	bool other; /* it has something else besides: never in what is wanted */
};

struct names_system;

struct names_ops {
	/* Whether systemd-resolved runs and the programs of this host ask it. An error: it does not
	 * say in time. */
	int (*resolved)(struct names_system *s, bool *ret, struct err *e);
	/* ERR_NOENT: there is no such interface. */
	int (*link)(struct names_system *s, const struct ifname *i, struct arena *a,
		    struct link_names *ret, struct err *e);
	/* NULL: back to none. */
	int (*set_link)(struct names_system *s, const struct ifname *i,
			const struct link_names *names, struct err *e);
	/* The block of this network in /etc/hosts; without lines: none. *ret_changed: it was not
	 * so. With `dry` it is left. */
	int (*hosts)(struct names_system *s, const char *network, const char *lines, size_t len,
		     bool dry, bool *ret_changed, struct err *e);
	/* All is done for now: lets go of what is open. */
	void (*rest)(struct names_system *s);
	void (*free)(struct names_system *s);
};

struct names_system {
	const struct names_ops *ops;
	unsigned int sets; /* changes made, for `once --json` */
};

/* Where the system has its files; NULL: as usual. */
struct names_paths {
	const char *hosts; /* /etc/hosts */
	const char *journal; /* of writes in place (common/os_amend.h); must be given */
	const char *nsswitch; /* /etc/nsswitch.conf */
	const char *resolv_conf; /* /etc/resolv.conf */
};

/* The real one; the paths must outlive it. The bus is that of DBUS_SYSTEM_BUS_ADDRESS, as usual. */
struct names_system *names_system_new(const struct names_paths *paths, struct err *e);

/* What was put into the host and not taken out: part of the agent's state. */
struct names_record {
	bool hosts; /* a block in /etc/hosts */
	struct ifname link; /* settings in systemd-resolved; "" for none */
};

bool names_record_empty(const struct names_record *r);

struct names_store {
	int (*save)(void *arg, const struct names_record *r, struct err *e);
	void *arg;
};

struct names_wanted {
	struct ifname interface; /* ours */
	const char *domain; /* NULL: no names */
	const struct ipaddr *servers;
	size_t n_servers;
	bool resolved; /* systemd-resolved may be used */
	bool hosts; /* /etc/hosts may be written */
	const char *lines; /* for it, with the network's tail */
	size_t lines_len;
};

enum names_how { NAMES_NONE, NAMES_HOSTS, NAMES_RESOLVED };

enum names_op_kind { NAMES_HOSTS_SET, NAMES_HOSTS_REMOVE, NAMES_LINK_SET, NAMES_LINK_REVERT };

struct names_op {
	enum names_op_kind kind;
	struct ifname interface;
	const char *domain;
};

struct names_result {
	enum names_how how; /* where programs get the names from */
	bool verified;
	struct names_op ops[4];
	size_t n_ops;
	unsigned int sets;
};

/*
 * Brings the host to `wanted`. `look`: look into /etc/hosts even when nothing is recorded of it.
 * With `dry`, only says what it would do. Nothing wanted and nothing recorded: `s` is not needed.
 * When systemd-resolved cannot be asked, what is in force stays, or else /etc/hosts serves, and it
 * is an error. -1: the first error; what does not depend on it is done all the same.
 */
int names_converge(struct names_system *s, const struct names_wanted *wanted, const char *network,
		   bool look, bool dry, struct names_record *record,
		   const struct names_store *store, struct arena *a, struct names_result *ret,
		   struct err *e);

/* False when names_converge would return at once. */
bool names_concerned(const struct names_wanted *wanted, const struct names_record *record,
		     bool look);

/* "names of mesh.example.net into /etc/hosts" */
void names_op_print(const struct names_op *op, struct buf *out);

#endif
