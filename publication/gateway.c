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

/* One name, or a set of them. */
static void add_interfaces(const struct config *c, const char *interface, struct buf *out)
{
	size_t i;

	buf_addf(out, "%s\"%s\"", c->n_links ? "{ " : "", interface);
	for (i = 0; i < c->n_links; i++)
		buf_addf(out, ", \"%s\"", c->links[i].node->interface.s);
	if (c->n_links)
		buf_adds(out, " }");
}

static void add_match(const struct config *c, const char *interface, struct buf *out)
{
	buf_adds(out, " iifname ");
	add_interfaces(c, interface, out);
	buf_adds(out, " oifname != ");
	add_interfaces(c, interface, out);
	buf_addc(out, ' ');
}

/* The prefixes of one family but 0.0.0.0/0 and ::/0, as "ip daddr { ... }"; false when there is
 * none. */
static bool add_set(const struct prefix *list, size_t n, unsigned int f, const char *before,
		    struct buf *out)
{
	char text[PREFIX_STRLEN];
	bool any = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i].family != f || !list[i].len)
			continue;
		buf_addf(out, "%s%s", any ? ", " : before, prefix_print(&list[i], text));
		any = true;
	}
	if (any)
		buf_adds(out, " }");
	return any;
}

static bool has_family(const struct prefix *list, size_t n, unsigned int f, bool whole)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].family == f && !list[i].len == whole)
			return true;
	return false;
}

static void add_rules(const struct config *c, unsigned int f, const char *interface,
		      struct buf *out)
{
	const struct node *n = c->node;

	if (has_family(n->masquerade, n->n_masquerade, f, false)) {
		add_match(c, interface, out);
		add_set(n->masquerade, n->n_masquerade, f, f == 4 ? "ip daddr { " : "ip6 daddr { ",
			out);
		buf_adds(out, " masquerade;");
	}
	if (has_family(n->masquerade, n->n_masquerade, f, true)) {
		add_match(c, interface, out);
		if (!add_set(n->except, n->n_except, f,
			     f == 4 ? "ip daddr != { " : "ip6 daddr != { ", out))
			buf_addf(out, "meta nfproto ipv%u", f);
		buf_adds(out, " masquerade;");
	}
}

void gateway_rules(const struct config *c, const char *interface, struct buf *out)
{
	if (!c->node->n_masquerade)
		return;
	buf_addf(
		out,
		"table inet " GATEWAY_TABLE
		"%s { chain postrouting { type nat hook postrouting priority srcnat; policy accept;",
		c->network);
	add_rules(c, 4, interface, out);
	add_rules(c, 6, interface, out);
	buf_adds(out, " }; }");
}
