/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/network.h"

/* Every element type of a network starts with its name, so one search serves them all. */
static const void *find(const void *list, size_t n, size_t size, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const void *item = (const char *)list + mid * size;
		int c = strcmp(name, *(const char *const *)item);

		if (!c)
			return item;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct record *network_record(const struct network *n, const char *name)
{
	return find(n->records, n->n_records, sizeof(*n->records), name);
}

const struct group *network_group(const struct network *n, const char *name)
{
	return find(n->groups, n->n_groups, sizeof(*n->groups), name);
}

const struct node *network_node(const struct network *n, const char *name)
{
	return find(n->nodes, n->n_nodes, sizeof(*n->nodes), name);
}

const struct gone *network_gone(const struct network *n, const char *name)
{
	return find(n->gone, n->n_gone, sizeof(*n->gone), name);
}

const struct routed_link *network_routed(const struct network *n, const char *a, const char *b)
{
	struct routed_link key = { .name = { a, b } };
	size_t low = 0, high = n->n_routed;

	if (strcmp(a, b) > 0) {
		key.name[0] = b;
		key.name[1] = a;
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = routed_link_cmp(&key, &n->routed[mid]);

		if (!c)
			return &n->routed[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

bool group_has(const struct group *g, const char *node_name)
{
	return find(g->members, g->n_members, sizeof(*g->members), node_name) != NULL;
}

const struct permit *network_permits(const struct network *n, const char *to, size_t *ret_n)
{
	size_t low = 0, high = n->n_permits, end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(n->permits[mid].to, to) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < n->n_permits && !strcmp(n->permits[end].to, to); end++)
		;
	*ret_n = end - low;
	return n->permits + low;
}

int permit_cmp(const struct permit *a, const struct permit *b)
{
	int c = strcmp(a->to, b->to);

	return c ? c : strcmp(a->from, b->from);
}

static bool prefixes_equal(const struct prefix *a, size_t na, const struct prefix *b, size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (prefix_cmp(&a[i], &b[i]))
			return false;
	return true;
}

bool permit_equal(const struct permit *a, const struct permit *b)
{
	return !permit_cmp(a, b) &&
	       services_equal(a->services, a->n_services, b->services, b->n_services) &&
	       prefixes_equal(a->not_to, a->n_not_to, b->not_to, b->n_not_to) &&
	       prefixes_equal(a->not_from, a->n_not_from, b->not_from, b->n_not_from);
}

bool target_is_outside(const char *target)
{
	return !strcmp(target, "0.0.0.0/0") || !strcmp(target, "::/0");
}

bool target_is_prefix(const char *target, struct prefix *ret)
{
	bool host_bits;

	return strchr(target, '/') && prefix_parse(target, strlen(target), ret, &host_bits) == 0;
}

bool target_is_group(const char *target)
{
	return !strcmp(target, GROUP_ALL) || strpbrk(target, ":!#") != NULL;
}

const struct endpoint *record_endpoint(const struct record *r, const struct node *from)
{
	const struct seen *at = NULL;
	size_t i;

	for (i = 0; from && r->n_seen && i < from->n_from && !at; i++)
		at = find(r->seen, r->n_seen, sizeof(*r->seen), from->from[i]);
	return at ? &at->endpoint : &r->endpoint;
}

bool viewpoint_is_valid(const char *s, size_t len)
{
	return (len > 4 && !memcmp(s, "tag:", 4) && name_is_valid(s + 4, len - 4)) ||
	       (len > 5 && !memcmp(s, "site:", 5) && name_is_valid(s + 5, len - 5));
}

static int text_cmp(const char *a, const char *b)
{
	if (!a || !b)
		return !!a - !!b;
	return strcmp(a, b);
}

bool record_equal(const struct record *a, const struct record *b)
{
	size_t i;

	if (strcmp(a->name, b->name) != 0 || wgkey_cmp(&a->key, &b->key) ||
	    a->n_addresses != b->n_addresses || !endpoint_equal(&a->endpoint, &b->endpoint) ||
	    text_cmp(a->gateway, b->gateway) || a->clients != b->clients ||
	    text_cmp(a->leads, b->leads) || a->leads_at != b->leads_at ||
	    !client_settings_equal(a->settings, b->settings))
		return false;
	for (i = 0; i < a->n_addresses; i++)
		if (ipaddr_cmp(&a->addresses[i], &b->addresses[i]))
			return false;
	if (a->n_seen != b->n_seen)
		return false;
	for (i = 0; i < a->n_seen; i++)
		if (strcmp(a->seen[i].from, b->seen[i].from) != 0 ||
		    !endpoint_equal(&a->seen[i].endpoint, &b->seen[i].endpoint))
			return false;
	if (a->n_standby != b->n_standby)
		return false;
	for (i = 0; i < a->n_standby; i++)
		if (prefix_cmp(&a->standby[i].prefix, &b->standby[i].prefix) ||
		    a->standby[i].metric != b->standby[i].metric)
			return false;
	return prefixes_equal(a->routes, a->n_routes, b->routes, b->n_routes);
}

int link_cmp(const struct link *a, const struct link *b)
{
	size_t i;
	int c;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	c = text_cmp(a->via, b->via);
	if (!c)
		c = text_cmp(a->target, b->target);
	for (i = 0; !c && i < a->n_prefixes && i < b->n_prefixes; i++)
		c = prefix_cmp(&a->prefixes[i], &b->prefixes[i]);
	if (!c)
		c = a->n_prefixes < b->n_prefixes ? -1 : a->n_prefixes > b->n_prefixes;
	if (!c)
		c = (a->seconds > b->seconds) - (a->seconds < b->seconds);
	return c;
}

static bool nameservers_equal(const struct node *a, const struct node *b)
{
	size_t i;

	if (a->n_nameservers != b->n_nameservers || text_cmp(a->domain, b->domain))
		return false;
	for (i = 0; i < a->n_nameservers; i++)
		if (ipaddr_cmp(&a->nameservers[i], &b->nameservers[i]))
			return false;
	return true;
}

bool node_needs_names(const struct node *n)
{
	return n->domain && !(n->flags & NODE_NO_HOSTS);
}

bool node_equal(const struct node *a, const struct node *b)
{
	size_t i;

	if (strcmp(a->name, b->name) != 0 || wgkey_cmp(&a->key, &b->key) ||
	    strcmp(a->interface.s, b->interface.s) != 0 || a->flags != b->flags || a->mtu != b->mtu)
		return false;
	if ((a->flags & NODE_HAS_LISTEN_PORT && a->listen_port != b->listen_port) ||
	    (a->flags & NODE_HAS_KEEPALIVE && a->keepalive != b->keepalive) ||
	    (a->flags & NODE_HAS_FWMARK && a->fwmark != b->fwmark) ||
	    (a->flags & NODE_HAS_TABLE && a->table != b->table) || text_cmp(a->exit, b->exit))
		return false;
	if (a->n_addresses != b->n_addresses || a->n_links != b->n_links ||
	    a->n_guards != b->n_guards ||
	    !prefixes_equal(a->masquerade, a->n_masquerade, b->masquerade, b->n_masquerade) ||
	    !prefixes_equal(a->except, a->n_except, b->except, b->n_except) ||
	    !prefixes_equal(a->standby, a->n_standby, b->standby, b->n_standby) ||
	    !nameservers_equal(a, b))
		return false;
	for (i = 0; i < a->n_guards; i++)
		if (strcmp(a->guards[i], b->guards[i]) != 0)
			return false;
	for (i = 0; i < a->n_addresses; i++)
		if (ifaddr_cmp(&a->addresses[i], &b->addresses[i]))
			return false;
	if (a->n_from != b->n_from)
		return false;
	for (i = 0; i < a->n_from; i++)
		if (strcmp(a->from[i], b->from[i]) != 0)
			return false;
	for (i = 0; i < a->n_links; i++)
		if (link_cmp(&a->links[i], &b->links[i]))
			return false;
	return true;
}

char *group_of_clients(const char *node, char out[static MAX_GROUP_NAME + 1])
{
	snprintf(out, MAX_GROUP_NAME + 1, GROUP_CLIENTS_OF "%s", node);
	return out;
}

int routed_link_cmp(const struct routed_link *a, const struct routed_link *b)
{
	int c = strcmp(a->name[0], b->name[0]);

	return c ? c : strcmp(a->name[1], b->name[1]);
}

bool routed_link_equal(const struct routed_link *a, const struct routed_link *b)
{
	size_t i;

	for (i = 0; i < 2; i++)
		if (strcmp(a->end[i].interface.s, b->end[i].interface.s) != 0 ||
		    a->end[i].port != b->end[i].port)
			return false;
	return !routed_link_cmp(a, b) && a->freed == b->freed &&
	       prefixes_equal(a->transfer, a->n_transfer, b->transfer, b->n_transfer);
}
