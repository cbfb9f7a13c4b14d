/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agents of several networks on one host change together. Forwarding is a switch of the
 * host: the agent that turns it on records so where those of the other networks find it, and who
 * still needs it is asked before anybody turns it off.
 *
 *   STATE_DIR/host_N    what was changed, to what it is put back, and for whom. N is the number of
 *                       the network namespace, since each has settings of its own
 *   STATE_DIR/host_lock held from reading to writing it
 *
 * No network has such a name. A network that is listed and whose interface is gone needs nothing
 * any more: its agent comes back by itself at its next cycle.
 *
 * Order of calls: shared_begin; host_converge with x->wanted, x->record and shared_save;
 * shared_end.
 */
#ifndef AGENT_SHARED_H
#define AGENT_SHARED_H

#include "agent/host.h"

struct shared_user {
	char network[MAX_NAME + 1];
	struct ifname interface;
	unsigned int families; /* enum gateway_families, not 0 */
};

struct shared {
	struct host_record record; /* of settings; never of a table */
	struct shared_user users[MAX_SHARED_USERS]; /* sorted by network */
	size_t n_users;
};

/* The text of the file. decode(encode(x)) = x, encode(decode(bytes)) = bytes. */
int shared_encode(const struct shared *s, struct buf *out);
int shared_decode(const char *data, size_t len, struct shared *ret, struct err *e);

struct shared_run {
	const char *network;
	struct host_wanted wanted; /* by all who share, but for the table: that is our own */
	struct host_record record; /* what stands, our table included */
	/* Private. */
	int dir, lock; /* -1: this network has no part in it */
	char name[32];
	struct shared now, disk;
	unsigned int own_families; /* that this network needs */
	bool damaged; /* the file could not be read */
};

/* What stands for this network, without a lock: for `status`. *record has the table already. */
int shared_peek(const char *state_dir, const char *network, struct host_record *record,
		struct err *e);
/*
 * Nothing is read, and no lock taken, when this network neither needs forwarding nor did. `h` is
 * asked for the boot and for the interfaces that are there. With `dry` there is no lock. The caller
 * ends with shared_end whatever this returns.
 */
int shared_begin(struct shared_run *x, struct host *h, const char *state_dir, const char *network,
		 const struct host_wanted *wanted, const struct host_record *table, bool dry,
		 struct arena *a, struct err *e);
/* Makes the settings of the record durable, and that we need them. */
int shared_save(struct shared_run *x, const struct host_record *r, struct err *e);
/* `done`: the host is as x->wanted says. Only then is who needs nothing any more forgotten. */
int shared_end(struct shared_run *x, bool done, struct err *e);
/* True when shared_begin would look at the host: never for a table alone. */
bool shared_concerned(const char *state_dir, const char *network, const struct host_wanted *wanted);

#endif
