/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/client.h"

#include "common/limits.h"

static void put_list(struct buf *out, const char *key, size_t i, const char *text)
{
	if (i)
		buf_adds(out, ", ");
	else
		buf_addf(out, "%s = ", key);
	buf_adds(out, text);
}

/* One pool or prefix more of a list without those that another one covers, each once, in order. */
static void put_allowed(const struct m_prefix *list, size_t n, struct buf *out)
{
	char text[PREFIX_STRLEN];
	const struct prefix *last = NULL;
	size_t shown = 0, i, j;

	for (;;) {
		const struct prefix *next = NULL;

		for (i = 0; i < n; i++) {
			const struct prefix *p = &list[i].prefix;
			bool covered = false;

			for (j = 0; j < n; j++)
				covered |= prefix_cmp(p, &list[j].prefix) &&
					   prefix_contains(&list[j].prefix, p);
			if (!covered && (!last || prefix_cmp(p, last) > 0) &&
			    (!next || prefix_cmp(p, next) < 0))
				next = p;
		}
		if (!next)
			break;
		put_list(out, "AllowedIPs", shown++, prefix_print(next, text));
		last = next;
	}
	if (shown)
		buf_addc(out, '\n');
}

static uint64_t or_else(const struct m_uint *own, const struct m_uint *network, uint64_t fallback)
{
	return own->set ? own->v : network->set ? network->v : fallback;
}

void ref_client_file(const struct m_network *m, const struct m_client *c, const struct record *own,
		     struct buf *out)
{
	const struct m_node *gateway = m_network_node(m, c->gateway.s);
	char text[ENDPOINT_STRLEN], key[KEY_STRLEN];
	struct endpoint endpoint = gateway->endpoint;
	uint64_t v;
	size_t i;

	buf_adds(out, "[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n");
	for (i = 0; i < own->n_addresses; i++) {
		put_list(out, "Address", i, ipaddr_print(&own->addresses[i], text));
		buf_adds(out, own->addresses[i].family == 4 ? "/32" : "/128");
	}
	buf_addc(out, '\n');
	for (i = 0; i < c->n_dns; i++)
		put_list(out, "DNS", i,
			 c->dns[i].domain ? c->dns[i].domain : ipaddr_print(&c->dns[i].addr, text));
	if (i)
		buf_addc(out, '\n');
	v = or_else(&c->node.mtu, &m->mtu, 0);
	if (v)
		buf_addf(out, "MTU = %u\n", (unsigned int)v);
	if (!endpoint.port)
		endpoint.port = (uint16_t)or_else(&gateway->listen_port, &m->listen_port, 51820);
	buf_addf(out, "[Peer]\nPublicKey = %s\nEndpoint = %s\n",
		 wgkey_print(&gateway->public_key, key), endpoint_print(&endpoint, text));
	if (c->n_allowed_ips)
		put_allowed(c->allowed_ips, c->n_allowed_ips, out);
	else
		put_allowed(m->pools, m->n_pools, out);
	v = or_else(&c->node.persistent_keepalive, &m->persistent_keepalive, 25);
	if (v)
		buf_addf(out, "PersistentKeepalive = %u\n", (unsigned int)v);
}
