/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/render_client.h"

struct ifname client_interface(const struct m_network *m)
{
	struct ifname name = { "wg0" };

	if (m->has_interface)
		return m->interface;
	/* A network of a longer name names the interfaces of its nodes one by one. */
	(void)!ifname_parse(m->name, strlen(m->name), &name);
	return name;
}

int client_config_render(const struct client_config *c, enum render_format format, bool bare,
			 struct buf *out, struct err *e)
{
	struct render_client own = c->own;

	own.bare = bare;
	return render_for(&c->config, &own, format, out, e);
}
