/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/gateway.h"

static unsigned int family(unsigned int f)
{
	return f == 4 ? GATEWAY_IPV4 : GATEWAY_IPV6;
}

unsigned int gateway_families(const struct config *c)
{
	const struct node *n = c->node;
	unsigned int found = 0;
	size_t i, j;

	if (!(n->flags & NODE_FORWARD))
		return 0;
	for (i = 0; i < n->n_addresses; i++)
		found |= family(n->addresses[i].addr.family);
	for (i = 0; i < n->n_masquerade; i++)
		found |= family(n->masquerade[i].family);
	for (i = 0; i < c->n_links; i++)
		found |= gateway_families(&c->links[i]);
	for (i = 0; !c->routed && i < c->n_peers && found != (GATEWAY_IPV4 | GATEWAY_IPV6); i++)
		for (j = 0; j < c->peers[i].n_allowed_ips; j++)
			if (c->peers[i].allowed_ips[j].len)
				found |= family(c->peers[i].allowed_ips[j].family);
	return found;
}
