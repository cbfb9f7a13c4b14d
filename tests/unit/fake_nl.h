/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel behind the seam of agent/nl.h: it reads real netlink messages (with libmnl's own
 * readers, not ours), does them to a model (fake_kern.h), and answers as Linux does:
 * acknowledgements, refusals, dumps in many pieces. And it misbehaves as told.
 */
#ifndef TESTS_UNIT_FAKE_NL_H
#define TESTS_UNIT_FAKE_NL_H

#include "agent/nl.h"
#include "tests/unit/fake_kern.h"

#define FAKE_FAMILY 0x1d

struct fake_nl {
	struct model *m;
	unsigned int settings; /* that were written */
	bool no_family; /* this kernel has no WireGuard */

	/* The n-th send from 1; `lost`: it is done, but no answer ever comes; else it fails with
	 * fail_errno. */
	unsigned int sends, fail_send_at;
	int fail_errno;
	bool lost;
	/* The n-th request that changes something from 1 is refused with refuse_errno. */
	unsigned int changes, refuse_at;
	int refuse_errno;

	/* Dumps of WireGuard. */
	unsigned int wg_dumps;
	unsigned int interrupted; /* so many of the next dumps carry NLM_F_DUMP_INTR */
	unsigned int overrun; /* so many of the next dumps lose a message: ENOBUFS */
	int dump_errno; /* stands in NLMSG_DONE */
	size_t peers_in_message, ips_in_piece; /* 0: as many as fit */
	bool unknown; /* attributes that nobody knows everywhere */
	enum {
		WELL_FORMED,
		SHORT_KEY,
		LONG_PORT,
		CUT_ATTRIBUTE,
		NO_KEY,
		BAD_MASK,
		BAD_MASK6,
		BAD_FAMILY,
		BAD_ENDPOINT,
		TWICE,
		NO_END,
		HALF_HEADER,
		SHORT_DONE,
	} bad;
	bool stale; /* every answer is preceded by one of an older request and one of another port
		     */

	/* Around everything it does, when they are there. */
	void (*pause)(void);
	void (*resume)(void);

	/* What was sent. */
	unsigned int wg_sets, peer_entries, replaced_all;
	size_t largest;
	bool secret_seen; /* a private key was set */
};

/* Puts itself into nl_sys, until fake_nl_stop. One at a time. */
void fake_nl_start(struct fake_nl *f, struct model *m);
void fake_nl_stop(void);

#endif
