/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd-resolved over the system bus: org.freedesktop.resolve1 (systemd 252,
 * org.freedesktop.resolve1(5)). Every call ends within seconds, whatever the bus and the service
 * do.
 */
#ifndef AGENT_NAMES_RESOLVED_H
#define AGENT_NAMES_RESOLVED_H

#include "agent/names.h"

struct resolved;

/* *ret NULL: there is no bus, or no such service on it. */
int resolved_open(struct resolved **ret, struct err *e);
void resolved_close(struct resolved *r); /* NULL is fine */
int resolved_link(struct resolved *r, unsigned int ifindex, struct arena *a, struct link_names *ret,
		  struct err *e);
/* NULL: reverted. */
int resolved_set_link(struct resolved *r, unsigned int ifindex, const struct link_names *names,
		      struct err *e);

#endif
