/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The number of an interface; apart, since <net/if.h> has a struct ifaddr of its own. */
#ifndef AGENT_IFINDEX_H
#define AGENT_IFINDEX_H

/* 0: there is no such interface. */
unsigned int ifindex_of(const char *name);

#endif
