/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of a client, a device without the agent: its own interface and one peer, its
 * gateway. Made from the model, since the publication holds no more of a client than its peers
 * need, and from the compiled network, which has its addresses. Pure.
 *
 * Its addresses have the full length (/32, /128), so that what goes into the tunnel is what
 * `allowed_ips` says, and nothing for a pool's prefix.
 */
#ifndef RECONCILER_RENDER_CLIENT_H
#define RECONCILER_RENDER_CLIENT_H

#include "reconciler/render.h"
#include "schema/model.h"

struct client_config {
	struct node node; /* without port and links; mtu 0: none is written */
	struct peer gateway;
	struct config config; /* of these two */
	struct render_client own;
};

/* Since most clients are behind NAT. */
#define DEFAULT_CLIENT_KEEPALIVE 25

/* `c` is one of m->clients, and `n` what `m` was compiled to. The result lives in `a` and points
 * into all of them and into itself. */
int client_config_make(const struct m_network *m, const struct network *n, const struct m_client *c,
		       struct arena *a, struct client_config *ret, struct err *e);
/* As render(), for RENDER_WG, RENDER_WG_QUICK and RENDER_JSON. `bare`: without comments. */
int client_config_render(const struct client_config *c, enum render_format format, bool bare,
			 struct buf *out, struct err *e);

#endif
