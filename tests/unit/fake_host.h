/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of the host behind agent/host.h: settings as the kernel keeps them (a switch writes those
 * of every interface, turning IPv6 forwarding on forgets the default routes of interfaces that no
 * longer hear advertisements) and one nftables table.
 */
#ifndef TESTS_UNIT_FAKE_HOST_H
#define TESTS_UNIT_FAKE_HOST_H

#include "agent/host.h"

#define FAKE_MAX_INTERFACES (MAX_HOST_CHANGES + 8)

struct fake_interface {
	char name[16];
	bool there;
	bool hears; /* advertisements could come in here */
	bool route; /* it has a default route by one */
	uint32_t forward4, forward6, ra;
};

struct host_model {
	uint32_t forward4, default4, redirects4, forward6, default6;
	bool has_ipv6;
	struct fake_interface list[FAKE_MAX_INTERFACES];
	size_t n;
	bool has_table;
	char table[4096];
	char boot[BOOT_ID_LEN + 1];
};

struct fake_host {
	struct host h;
	struct host_model m;
	/* The n-th call fails, from 1; 0: none. */
	unsigned int calls, fail_at;
	unsigned int lists; /* times that the table was read */
	bool fail_after; /* it is done, and only then told as failed */
	bool dead; /* and so does every one after it, undone: the process has died */
	bool refuse_sysctls, refuse_tables; /* as in a container */
	bool no_nftables; /* as without the kernel's module */
	unsigned int unmasked; /* times that forwarding went on before a wanted table stood */
	bool want_table;
};

void fake_host_init(struct fake_host *f);
/* 1: this call is to fail before it does anything; 2: after. For what is no call of the table, as
 * storing the record. */
int fake_host_fault(struct fake_host *f);
struct fake_interface *fake_host_add(struct fake_host *f, const char *name);
bool host_model_equal(const struct host_model *a, const struct host_model *b);

#endif
