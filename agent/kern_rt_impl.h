/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of agent/kern_rt.h share: kern_rt_parse.c reads messages, kern_rt_read.c asks the
 * kernel what there is, kern_rt.c changes it.
 */
#ifndef AGENT_KERN_RT_IMPL_H
#define AGENT_KERN_RT_IMPL_H

#include "agent/kern_rt.h"

/* A request in `buf` (RT_REQUEST_SIZE) with a fixed header of `size` bytes behind it, zeroed: that
 * is returned. */
void *rt_put_header(void *buf, uint16_t type, uint16_t flags, size_t size, struct nlmsghdr **ret);
/* The name of another interface, for a message. */
int rt_link_name(struct rt *rt, uint32_t ifindex, struct ifname *ret);

/* The routes of one interface, of ours (table 0), or of one table (ifindex 0). A family that is
 * switched off, or a table nobody used yet, has none. `restart` and `fn` as in
 * nl_dump. */
int rt_dump_routes(struct rt *rt, int family, uint32_t ifindex, uint32_t table,
		   void (*restart)(void *arg), nl_message_fn *fn, void *arg, struct err *e);

#endif
