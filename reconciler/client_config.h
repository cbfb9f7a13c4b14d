/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of a client, a device without the agent: its own interface and one peer, its
 * gateway. Made from the compiled network alone, its record and its gateway's, as it is published:
 * so a plan makes the file that was handed over again, and compares it with the next one. Pure.
 *
 * Its addresses have the full length (/32, /128), so that what goes into the tunnel is what
 * `allowed_ips` says, and nothing for a pool's prefix.
 */
#ifndef RECONCILER_CLIENT_CONFIG_H
#define RECONCILER_CLIENT_CONFIG_H

#include "reconciler/render.h"

struct client_config {
	struct node node; /* without port and links; mtu 0: none is written */
	struct peer gateway;
	struct config config; /* of these two */
	struct render_client own;
};

/* The client of this name, with an interface of that one, which is not published: it is what the
 * file is called. The result lives in `a` and points into `n` and into itself. ERR_INPUT: there is
 * no such client, or it has no gateway. */
int client_config_make(const struct network *n, const char *name, struct ifname interface,
		       struct arena *a, struct client_config *ret, struct err *e);

/* What a client of this gateway sends into the tunnel when nothing else is said: canonical. -1: out
 * of memory. */
int client_allowed_ips(const struct node *gateway, struct arena *a, const struct prefix **ret,
		       size_t *ret_n);

#endif
