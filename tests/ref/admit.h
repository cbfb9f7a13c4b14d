/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy as the documentation has it, rule by rule, and a packet filter that does what a node's
 * rules say. Slow and plain on purpose; nothing is shared with the compiler or the expansion but
 * types.
 */
#ifndef TESTS_REF_ADMIT_H
#define TESTS_REF_ADMIT_H

#include "publication/policy.h"
#include "schema/model.h"

/* A node by its own address, what is behind it, or what is in no network at all. */
struct ref_end {
	const struct m_node *node; /* outside: who lets it out */
	const struct ipaddr *address;
	bool behind, outside;
};

/* `packet`: SERVICE_ANY is a protocol that has no name; TCP and UDP have one port. */
bool reference_admits(const struct m_network *m, const struct ref_end *from,
		      const struct ref_end *to, const struct service *packet);

/* What a node with this policy does with such a packet, when it is the first of its connection.
 * `leaves`: it is not for this host, and goes on by another interface. */
bool reference_filter(const struct policy *p, const struct ipaddr *from, const struct ipaddr *to,
		      bool leaves, const struct service *packet);

#endif
