/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a server was reached. Between the fetcher, which finds it out, and the report, which keeps
 * it for the day when its name cannot be looked up: behind a dead exit a resolver on this host may
 * ask through the tunnel, and it is the publication that would end this.
 */
#ifndef AGENT_REACHED_H
#define AGENT_REACHED_H

#include "common/prefix.h"

#define MAX_REACHED 4

struct reached {
	struct ipaddr list[MAX_REACHED]; /* distinct, the last one first */
	size_t n;
};

#endif
