/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host around the interface, behind one table of functions as the interface is (kern.h): the
 * settings under /proc/sys and our nftables table, with one implementation (host_system.c) and a
 * fake in the tests; and the convergence over it: read, plan (host_plan.h), record, do, read again
 * and compare.
 *
 * What is about to be changed is recorded, durably, before it is: whoever goes on after a crash
 * knows what may have been changed, and finds out by reading what was. Where it cannot be recorded,
 * it is done all the same, and an error.
 */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include "agent/host_plan.h"

struct host;

/* An interface, "all" or "default". */
struct host_interface {
	char name[16];
	/* It may hear router advertisements: no loopback, no port of a bridge or a bond, no
	 * interface of ours. */
	bool hears;
};

struct host_ops {
	/* ERR_NOENT: there is no such setting. */
	int (*get)(struct host *h, const struct sysctl *s, uint32_t *ret, struct err *e);
	int (*set)(struct host *h, const struct sysctl *s, uint32_t value, struct err *e);
	/* Everything that has settings of this IP version (4, 6); none where the kernel does
	 * without it. */
	int (*interfaces)(struct host *h, unsigned int version, struct arena *a,
			  struct host_interface **ret, size_t *ret_n, struct err *e);
	int (*boot)(struct host *h, char ret[static BOOT_ID_LEN + 1], struct err *e);
	/* Appends the inet table as nft lists it; nothing when it is not there. */
	int (*table)(struct host *h, const char *name, struct buf *out, struct err *e);
	/* Makes it what `rules` say, in one transaction; NULL: takes it away. */
	int (*set_table)(struct host *h, const char *name, const char *rules, struct err *e);
	void (*free)(struct host *h);
};

struct host {
	const struct host_ops *ops;
	/* Settings written and transactions of the table, those that failed left out. */
	unsigned int sets;
};

/* The real one; the caller frees it with h->ops->free(h). */
struct host *host_system_new(struct err *e);

/* How the record is made durable. */
struct host_store {
	int (*save)(void *arg, const struct host_record *r, struct err *e);
	void *arg;
};

struct host_result {
	bool verified; /* the read-back is what was wanted */
	struct host_op *ops; /* what there was to do, in its order */
	size_t n_ops;
	unsigned int sets; /* what was sent */
	const char *listing; /* our table as it was read last, in the arena; NULL: it was not */
};

/*
 * Brings the host to `wanted`; with wanted->table_alone, only the table. `network` names the table.
 * `look`: ask for the table even when nothing is recorded of it. With `dry`, only says what it
 * would do. Nothing wanted and nothing recorded: nothing is read, and `h` is not needed. -1: `e`
 * says why, *record is what may stand now and was saved, or could not be; calling again goes on
 * from there. What *ret points to lives in `a`.
 */
int host_converge(struct host *h, const struct host_wanted *wanted, const char *network, bool look,
		  bool dry, struct host_record *record, const struct host_store *store,
		  struct arena *a, struct host_result *ret, struct err *e);

/* False when host_converge would return at once. */
bool host_concerned(const struct host_wanted *wanted, const struct host_record *record, bool look);

#endif
