/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of a client (reconciler/client_config.h) as its file. Pure. */
#ifndef RECONCILER_RENDER_CLIENT_H
#define RECONCILER_RENDER_CLIENT_H

#include "reconciler/client_config.h"
#include "schema/model.h"

/* What the clients of a network call their interface: as its nodes do. */
struct ifname client_interface(const struct m_network *m);
/* As render(), for RENDER_WG, RENDER_WG_QUICK and RENDER_JSON. `bare`: without comments. */
int client_config_render(const struct client_config *c, enum render_format format, bool bare,
			 struct buf *out, struct err *e);

#endif
