/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/routed.h"

#include "common/limits.h"
#include "common/num.h"
#include "publication/row.h"

const struct prefix routed_link_local = { 6, 64, { 0xfe, 0x80 } };

static bool is_link_local(const struct prefix *p)
{
	return p->family == 6 && p->b[0] == 0xfe && (p->b[1] & 0xc0) == 0x80;
}

bool routed_transfer_is_valid(const struct prefix *p)
{
	if (!prefix_cmp(p, &routed_link_local))
		return true;
	return p->len == family_bits(p->family) - 1 && !is_link_local(p);
}

struct ifaddr routed_address(const struct prefix *transfer, unsigned int end)
{
	struct ifaddr a = { .addr.family = transfer->family, .len = transfer->len };

	memcpy(a.addr.b, transfer->b, sizeof(a.addr.b));
	if (!prefix_cmp(transfer, &routed_link_local))
		a.addr.b[15] = (uint8_t)(1 + end);
	else
		a.addr.b[family_bits(transfer->family) / 8 - 1] |= (uint8_t)end;
	return a;
}

/* ---- the line ---- */

char *routed_key(const struct routed_link *l, char out[static ROUTED_KEY_SIZE])
{
	snprintf(out, ROUTED_KEY_SIZE, "%s %s", l->name[0], l->name[1]);
	return out;
}

int routed_encode(const struct routed_link *l, struct buf *out)
{
	buf_addf(out, "%s %s %s", l->freed ? "unlinked" : "link", l->name[0], l->name[1]);
	if (l->freed)
		buf_addf(out, " serial=%llu", (unsigned long long)l->freed);
	else
		buf_addf(out, " interfaces=%s,%s", l->end[0].interface.s, l->end[1].interface.s);
	buf_addf(out, " ports=%u,%u", l->end[0].port, l->end[1].port);
	if (l->n_transfer) {
		buf_adds(out, " transfer=");
		row_put_prefixes(out, l->transfer, l->n_transfer);
	}
	return buf_ok(out) ? 0 : -1;
}

/* "ONE,TWO" cut at its only comma. */
static bool take_two(struct words *w, const char *name, const char *ret[static 2],
		     size_t ret_len[static 2])
{
	const char *s, *comma;
	size_t len;

	if (!words_field(w, name, &s, &len))
		return false;
	comma = memchr(s, ',', len);
	if (!comma)
		return false;
	ret[0] = s;
	ret_len[0] = (size_t)(comma - s);
	ret[1] = comma + 1;
	ret_len[1] = len - ret_len[0] - 1;
	return true;
}

static int take_transfer(struct words *w, struct arena *a, struct routed_link *l)
{
	const char *s;
	size_t len, i;

	if (!words_field(w, "transfer", &s, &len))
		return l->freed ? 0 : -1;
	if (row_prefixes(s, len, MAX_POOLS, a, &l->transfer, &l->n_transfer) < 0)
		return -1;
	for (i = 0; i < l->n_transfer; i++)
		if (!routed_transfer_is_valid(&l->transfer[i]) ||
		    (l->freed && is_link_local(&l->transfer[i])))
			return -1;
	return 0;
}

int routed_words(struct words *w, struct arena *a, struct routed_link *ret)
{
	struct routed_link l = { 0 };
	const char *two[2];
	uint64_t port;
	size_t len[2], i;

	if (!words_next(w, &two[0], &len[0]))
		return -1;
	if (row_same_text("unlinked", two[0], len[0]))
		l.freed = 1;
	else if (!row_same_text("link", two[0], len[0]))
		return -1;
	if (row_name(w, a, &l.name[0]) < 0 || row_name(w, a, &l.name[1]) < 0 ||
	    strcmp(l.name[0], l.name[1]) >= 0)
		return -1;
	if (l.freed) {
		if (row_number(w, "serial", 1, UINT64_MAX, &l.freed) < 0)
			return -1;
	} else {
		if (!take_two(w, "interfaces", two, len))
			return -1;
		for (i = 0; i < 2; i++)
			if (ifname_parse(two[i], len[i], &l.end[i].interface) < 0)
				return -1;
	}
	if (!take_two(w, "ports", two, len))
		return -1;
	for (i = 0; i < 2; i++) {
		if (num_parse(two[i], len[i], 65535, &port) < 0 || (!port && !l.freed))
			return -1;
		l.end[i].port = (uint16_t)port;
	}
	if (take_transfer(w, a, &l) < 0 || !words_end(w))
		return -1;
	/* One that remembers nothing is no line. */
	if (l.freed && !l.end[0].port && !l.end[1].port && !l.n_transfer)
		return -1;
	*ret = l;
	return 0;
}

/* ---- expansion ---- */

static const struct prefix everything[2] = { { .family = 4 }, { .family = 6 } };

static int fill_config(const struct network *n, const struct node *node,
		       const struct routed_link *l, const struct record *r, uint16_t keepalive,
		       struct arena *a, struct config *ret, struct err *e)
{
	unsigned int own = strcmp(l->name[0], node->name) != 0;
	struct ifaddr *addresses = arena_array(a, l->n_transfer, sizeof(*addresses));
	struct node *copy = arena_alloc(a, sizeof(*copy));
	struct peer *peer = arena_alloc(a, sizeof(*peer));
	size_t i;

	if (!addresses || !copy || !peer)
		return err_nomem(e);
	for (i = 0; i < l->n_transfer; i++)
		addresses[i] = routed_address(&l->transfer[i], own);
	*copy = (struct node){
		.name = node->name,
		.key = node->key,
		.interface = l->end[own].interface,
		.flags = (node->flags & (NODE_HAS_FWMARK | NODE_FORWARD)) | NODE_HAS_LISTEN_PORT,
		.listen_port = l->end[own].port,
		.mtu = node->mtu,
		.fwmark = node->fwmark,
		.addresses = addresses,
		.n_addresses = l->n_transfer,
	};
	*peer = (struct peer){ .name = r->name,
			       .key = r->key,
			       .allowed_ips = everything,
			       .n_allowed_ips = ARRAY_LEN(everything),
			       .endpoint = *record_endpoint(r, node),
			       .keepalive = keepalive };
	if (peer->endpoint.host)
		peer->endpoint.port = l->end[!own].port;
	if (!wgkey_cmp(&r->key, &node->key))
		return err_set(e, ERR_INPUT, "node %s: %s has the same public key", node->name,
			       r->name);
	*ret = (struct config){
		.network = n->name, .node = copy, .peers = peer, .n_peers = 1, .routed = true
	};
	return 0;
}

static int cmp_configs(const void *pa, const void *pb)
{
	const struct config *a = pa, *b = pb;

	return strcmp(a->node->interface.s, b->node->interface.s);
}

static int cmp_ports(const void *pa, const void *pb)
{
	return (int)*(const uint16_t *)pa - (int)*(const uint16_t *)pb;
}

static int check_different(const struct node *node, const struct config *list, size_t n,
			   struct arena *a, struct err *e)
{
	uint16_t *ports = arena_array(a, n + 1, sizeof(*ports));
	size_t i;

	if (!ports)
		return err_nomem(e);
	for (i = 0; i < n; i++) {
		const char *name = list[i].node->interface.s;

		if ((i && !strcmp(list[i - 1].node->interface.s, name)) ||
		    !strcmp(node->interface.s, name))
			return err_set(e, ERR_INPUT, "node %s: two interfaces would be called %s",
				       node->name, name);
		ports[i] = list[i].node->listen_port;
	}
	ports[n] = node->flags & NODE_HAS_LISTEN_PORT ? node->listen_port : 0;
	qsort(ports, n + 1, sizeof(*ports), cmp_ports);
	for (i = 1; i <= n; i++)
		if (ports[i - 1] == ports[i])
			return err_set(e, ERR_INPUT, "node %s: two interfaces would listen on %u",
				       node->name, ports[i]);
	return 0;
}

int routed_expand(const struct network *n, const struct node *node, struct arena *a,
		  const struct config **ret, size_t *ret_n, struct err *e)
{
	bool *in;
	uint16_t *keepalives;
	struct config *list;
	size_t i, count = 0;

	*ret = NULL;
	*ret_n = 0;
	for (i = 0; i < node->n_links && node->links[i].kind != LINK_ROUTED; i++)
		;
	if (i == node->n_links)
		return 0;
	in = arena_array(a, n->n_records, sizeof(*in));
	if (!in)
		return err_nomem(e);
	if (expand_keepalives(n, node, a, &keepalives, e) < 0 ||
	    expand_members(n, node, LINK_ROUTED, a, in, e) < 0)
		return -1;
	for (i = 0; i < n->n_records; i++)
		count += in[i];
	if (count > MAX_NODE_ROUTED_LINKS)
		return err_set(e, ERR_LIMIT, "node %s: more than %d routed links", node->name,
			       MAX_NODE_ROUTED_LINKS);
	list = arena_array(a, count, sizeof(*list));
	if (!list)
		return err_nomem(e);
	for (i = 0, count = 0; i < n->n_records; i++) {
		const struct record *r = &n->records[i];
		const struct routed_link *l = in[i] ? network_routed(n, node->name, r->name) : NULL;

		if (!in[i])
			continue;
		if (!l || l->freed)
			return err_set(e, ERR_INPUT,
				       "node %s: the routed link with %s is not in the network",
				       node->name, r->name);
		if (fill_config(n, node, l, r, keepalives[i], a, &list[count++], e) < 0)
			return -1;
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), cmp_configs);
	*ret = list;
	*ret_n = count;
	return count ? check_different(node, list, count, a, e) : 0;
}
