/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_wg.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

#include "agent/nl.h"

/* What a peer's entry takes at most before its allowed IPs: key, flags, preshared key, endpoint,
 * keepalive, nests. */
#define PEER_HEAD 160u
/* One allowed IP: nest, family, address, mask. */
#define ALLOWED_SIZE 44u

static struct nlmsghdr *put_header(void *buf, uint16_t type, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	nlh->nlmsg_type = type;
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

struct nlmsghdr *wg_build_family(void *buf)
{
	struct nlmsghdr *nlh = put_header(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	return nlh;
}

/* The attributes of a generic netlink message. */
static int enter(const struct nlmsghdr *nlh, const uint8_t **pos, size_t *left, struct err *e)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return err_set(e, ERR_IO, "a message without its header");
	*pos = (const uint8_t *)mnl_nlmsg_get_payload(nlh) + GENL_HDRLEN;
	*left = len - GENL_HDRLEN;
	return 0;
}

static int malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_IO, "the kernel's answer is malformed (%s)", what);
}

static bool has_size(const struct nlattr *a, size_t size)
{
	return mnl_attr_get_payload_len(a) == size;
}

int wg_parse_family(const struct nlmsghdr *nlh, uint16_t *ret, struct err *e)
{
	const struct nlattr *a;
	const uint8_t *pos = NULL;
	size_t left = 0;
	int r;

	if (nlh->nlmsg_type != GENL_ID_CTRL)
		return malformed(e, "family");
	if (enter(nlh, &pos, &left, e) < 0)
		return -1;
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		if (mnl_attr_get_type(a) != CTRL_ATTR_FAMILY_ID)
			continue;
		if (!has_size(a, sizeof(uint16_t)))
			return malformed(e, "family");
		*ret = mnl_attr_get_u16(a);
	}
	return r < 0 ? malformed(e, "family") : 0;
}

struct nlmsghdr *wg_build_get(uint16_t family, const struct ifname *name, void *buf)
{
	struct nlmsghdr *nlh = put_header(buf, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name->s);
	return nlh;
}

struct nlmsghdr *wg_build_remove_all(uint16_t family, const struct ifname *name, void *buf)
{
	struct nlmsghdr *nlh = put_header(buf, family, WG_CMD_SET_DEVICE, WG_GENL_VERSION);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name->s);
	mnl_attr_put_u32(nlh, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
	return nlh;
}

static void put_endpoint(struct nlmsghdr *nlh, const struct sock_endpoint *ep)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(ep->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(ep->port),
				    .sin6_scope_id = ep->scope };

	memcpy(&in4.sin_addr, ep->b, sizeof(in4.sin_addr));
	memcpy(&in6.sin6_addr, ep->b, sizeof(in6.sin6_addr));
	if (ep->family == 4)
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in4), &in4);
	else
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in6), &in6);
}

static void put_allowed(struct nlmsghdr *nlh, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, p->family == 4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, p->family == 4 ? 4 : 16, p->b);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, p->len);
	mnl_attr_nest_end(nlh, nest);
}

/* Room is made sure of before each piece is put, so that no half entry is ever written. */
static bool fits(const struct nlmsghdr *nlh, size_t size, size_t more)
{
	return nlh->nlmsg_len + more <= size;
}

/* True when all of the operation is in the message. */
static bool put_peer(struct wg_cursor *c, struct nlmsghdr *nlh, size_t size)
{
	static const uint8_t no_key[WG_KEY_LEN];
	const struct op *op = &c->ops[c->pos];
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *list;
	uint32_t flags = 0;

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, op->key.b);
	if (op->kind == OP_PEER_REMOVE) {
		mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
		mnl_attr_nest_end(nlh, nest);
		return true;
	}
	if (!(op->flags & OPP_NEW) || c->split)
		flags |= WGPEER_F_UPDATE_ONLY;
	if ((op->flags & OPP_REPLACE_ALLOWED) && !c->split)
		flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
	if (flags)
		mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, flags);
	if (!c->split) {
		if (op->flags & OPP_CLEAR_PSK)
			mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN, no_key);
		if (op->flags & OPP_ENDPOINT)
			put_endpoint(nlh, &op->endpoint);
		if (op->flags & OPP_KEEPALIVE)
			mnl_attr_put_u16(nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
					 op->keepalive);
	}
	list = op->n_allowed_ips ? mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS) : NULL;
	while (c->allowed < op->n_allowed_ips && fits(nlh, size, ALLOWED_SIZE))
		put_allowed(nlh, &op->allowed_ips[c->allowed++]);
	if (list)
		mnl_attr_nest_end(nlh, list);
	mnl_attr_nest_end(nlh, nest);
	return c->allowed == op->n_allowed_ips;
}

int wg_build_set(struct wg_cursor *c, uint16_t family, const struct ifname *name,
		 const struct secret *private_key, void *buf, size_t size, struct nlmsghdr **ret,
		 struct err *e)
{
	struct nlattr *peers = NULL;
	struct nlmsghdr *nlh;

	c->peers = 0;
	*ret = NULL;
	if (c->pos == c->n)
		return 0;
	nlh = put_header(buf, family, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name->s);
	if (c->ops[c->pos].kind == OP_DEVICE) {
		const struct op *op = &c->ops[c->pos++];

		if (op->flags & OPD_PRIVATE_KEY) {
			if (!private_key || private_key->len != WG_KEY_LEN)
				return err_set(e, ERR_INPUT, "there is no private key to set");
			mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN, private_key->b);
		}
		if (op->flags & OPD_LISTEN_PORT)
			mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, (uint16_t)op->number);
		if (op->flags & OPD_FWMARK)
			mnl_attr_put_u32(nlh, WGDEVICE_A_FWMARK, op->fwmark);
	}
	while (c->pos < c->n && c->ops[c->pos].kind != OP_DEVICE &&
	       fits(nlh, size, PEER_HEAD + ALLOWED_SIZE)) {
		if (!peers)
			peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
		c->peers++;
		if (!put_peer(c, nlh, size)) {
			c->split = true;
			break;
		}
		c->split = false;
		c->allowed = 0;
		c->pos++;
	}
	if (peers)
		mnl_attr_nest_end(nlh, peers);
	*ret = nlh;
	return 0;
}

void wg_reader_init(struct wg_reader *r, struct arena *a, struct observed *o)
{
	*r = (struct wg_reader){ .arena = a, .o = o };
	o->has_private_key = false;
	o->listen_port = 0;
	o->fwmark = 0;
	o->peers = NULL;
	o->n_peers = 0;
}

/* Looks at every byte, so that the time does not tell where the first one is. */
static bool any_bit(const uint8_t *b, size_t len)
{
	uint8_t or = 0;
	size_t i;

	for (i = 0; i < len; i++)
		or |= b[i];
	return or != 0;
}

static int read_allowed(const struct nlattr *nest, struct prefix *ret, struct err *e)
{
	uint16_t family = 0;
	uint8_t bits = 255;
	const uint8_t *addr = NULL, *pos;
	size_t addr_len = 0, left;
	const struct nlattr *a;
	struct ifaddr host = { 0 };
	int r;

	nl_attr_enter(nest, &pos, &left);
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		switch (mnl_attr_get_type(a)) {
		case WGALLOWEDIP_A_FAMILY:
			if (!has_size(a, sizeof(uint16_t)))
				return malformed(e, "family of an allowed IP");
			family = mnl_attr_get_u16(a);
			break;
		case WGALLOWEDIP_A_IPADDR:
			addr = mnl_attr_get_payload(a);
			addr_len = mnl_attr_get_payload_len(a);
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			if (!has_size(a, sizeof(uint8_t)))
				return malformed(e, "mask of an allowed IP");
			bits = mnl_attr_get_u8(a);
			break;
		default:
			break;
		}
	}
	if (r < 0 || !addr ||
	    !((family == AF_INET && addr_len == 4 && bits <= 32) ||
	      (family == AF_INET6 && addr_len == 16 && bits <= 128)))
		return malformed(e, "allowed IP");
	host.addr.family = family == AF_INET ? 4 : 6;
	memcpy(host.addr.b, addr, addr_len);
	host.len = bits;
	*ret = prefix_of_ifaddr(&host);
	return 0;
}

static int read_endpoint(const struct nlattr *a, struct sock_endpoint *ret, struct err *e)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	sa_family_t family;

	if (mnl_attr_get_payload_len(a) < sizeof(family))
		return malformed(e, "endpoint");
	memcpy(&family, mnl_attr_get_payload(a), sizeof(family));
	*ret = (struct sock_endpoint){ 0 };
	if (family == AF_INET && has_size(a, sizeof(in4))) {
		memcpy(&in4, mnl_attr_get_payload(a), sizeof(in4));
		ret->family = 4;
		ret->port = ntohs(in4.sin_port);
		memcpy(ret->b, &in4.sin_addr, sizeof(in4.sin_addr));
	} else if (family == AF_INET6 && has_size(a, sizeof(in6))) {
		memcpy(&in6, mnl_attr_get_payload(a), sizeof(in6));
		ret->family = 6;
		ret->port = ntohs(in6.sin6_port);
		ret->scope = in6.sin6_scope_id;
		memcpy(ret->b, &in6.sin6_addr, sizeof(in6.sin6_addr));
	} else {
		return malformed(e, "endpoint");
	}
	return 0;
}

static int read_handshake(const struct nlattr *a, int64_t *ret, struct err *e)
{
	struct {
		int64_t sec, nsec;
	} t;

	if (!has_size(a, sizeof(t)))
		return malformed(e, "handshake time");
	memcpy(&t, mnl_attr_get_payload(a), sizeof(t));
	*ret = t.sec;
	return 0;
}

static int read_peer_attr(struct wg_reader *r, const struct nlattr *a, struct observed_peer *p,
			  const struct nlattr **ret_ips, struct err *e)
{
	switch (mnl_attr_get_type(a)) {
	case WGPEER_A_PRESHARED_KEY:
		if (!has_size(a, WG_KEY_LEN))
			return malformed(e, "preshared key");
		p->has_psk = any_bit(mnl_attr_get_payload(a), WG_KEY_LEN);
		return 0;
	case WGPEER_A_ENDPOINT:
		return read_endpoint(a, &p->endpoint, e);
	case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		if (!has_size(a, sizeof(uint16_t)))
			return malformed(e, "keepalive");
		p->keepalive = mnl_attr_get_u16(a);
		return 0;
	case WGPEER_A_LAST_HANDSHAKE_TIME:
		return read_handshake(a, &p->last_handshake, e);
	case WGPEER_A_RX_BYTES:
		if (!has_size(a, sizeof(uint64_t)))
			return malformed(e, "counter");
		p->rx_bytes = mnl_attr_get_u64(a);
		return 0;
	case WGPEER_A_TX_BYTES:
		if (!has_size(a, sizeof(uint64_t)))
			return malformed(e, "counter");
		p->tx_bytes = mnl_attr_get_u64(a);
		return 0;
	case WGPEER_A_ALLOWEDIPS:
		*ret_ips = a;
		return 0;
	default:
		return 0;
	}
}

static int read_peer(struct wg_reader *r, const struct nlattr *nest, struct err *e)
{
	const struct nlattr *a, *ips = NULL;
	struct observed_peer p = { 0 }, *last;
	const uint8_t *pos;
	bool has_key = false;
	size_t left;
	int more;

	nl_attr_enter(nest, &pos, &left);
	while ((more = nl_attr_next(&pos, &left, &a)) > 0) {
		if (mnl_attr_get_type(a) != WGPEER_A_PUBLIC_KEY) {
			if (read_peer_attr(r, a, &p, &ips, e) < 0)
				return -1;
			continue;
		}
		if (!has_size(a, WG_KEY_LEN))
			return malformed(e, "public key");
		memcpy(p.key.b, mnl_attr_get_payload(a), WG_KEY_LEN);
		has_key = true;
	}
	if (more < 0 || !has_key)
		return malformed(e, "peer");

	last = r->n_peers ? &r->peers[r->n_peers - 1] : NULL;
	/* A peer with more allowed IPs than fit goes on in the next message: key and list alone. */
	if (!last || wgkey_cmp(&last->key, &p.key) != 0) {
		r->peers = arena_grow(r->arena, r->peers, r->n_peers, sizeof(*r->peers));
		if (!r->peers)
			return err_nomem(e);
		last = &r->peers[r->n_peers++];
		*last = p;
		r->allowed = NULL;
		r->n_allowed = 0;
	}
	if (!ips)
		return 0;
	nl_attr_enter(ips, &pos, &left);
	while ((more = nl_attr_next(&pos, &left, &a)) > 0) {
		r->allowed = arena_grow(r->arena, r->allowed, r->n_allowed, sizeof(*r->allowed));
		if (!r->allowed)
			return err_nomem(e);
		if (read_allowed(a, &r->allowed[r->n_allowed], e) < 0)
			return -1;
		r->n_allowed++;
	}
	last->allowed_ips = r->allowed;
	last->n_allowed_ips = r->n_allowed;
	return more < 0 ? malformed(e, "allowed IPs") : 0;
}

static int read_device_attr(struct wg_reader *r, const struct nlattr *a, struct err *e)
{
	struct observed *o = r->o;
	const struct nlattr *peer;
	const uint8_t *pos;
	size_t left;
	int more;

	switch (mnl_attr_get_type(a)) {
	case WGDEVICE_A_PRIVATE_KEY:
		if (!has_size(a, WG_KEY_LEN))
			return malformed(e, "private key");
		o->has_private_key = any_bit(mnl_attr_get_payload(a), WG_KEY_LEN);
		return 0;
	case WGDEVICE_A_PUBLIC_KEY:
		if (!has_size(a, WG_KEY_LEN))
			return malformed(e, "public key");
		memcpy(o->public_key.b, mnl_attr_get_payload(a), WG_KEY_LEN);
		return 0;
	case WGDEVICE_A_LISTEN_PORT:
		if (!has_size(a, sizeof(uint16_t)))
			return malformed(e, "listen port");
		o->listen_port = mnl_attr_get_u16(a);
		return 0;
	case WGDEVICE_A_FWMARK:
		if (!has_size(a, sizeof(uint32_t)))
			return malformed(e, "fwmark");
		o->fwmark = mnl_attr_get_u32(a);
		return 0;
	case WGDEVICE_A_PEERS:
		nl_attr_enter(a, &pos, &left);
		while ((more = nl_attr_next(&pos, &left, &peer)) > 0)
			if (read_peer(r, peer, e) < 0)
				return -1;
		return more < 0 ? malformed(e, "peers") : 0;
	default:
		return 0;
	}
}

int wg_reader_message(struct wg_reader *r, const struct nlmsghdr *nlh, struct err *e)
{
	const struct nlattr *a;
	const uint8_t *pos = NULL;
	size_t left = 0;
	int more;

	if (enter(nlh, &pos, &left, e) < 0)
		return -1;
	while ((more = nl_attr_next(&pos, &left, &a)) > 0)
		if (read_device_attr(r, a, e) < 0)
			return -1;
	return more < 0 ? malformed(e, "device") : 0;
}

static int cmp_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int cmp_peer(const void *a, const void *b)
{
	const struct observed_peer *x = a, *y = b;

	return wgkey_cmp(&x->key, &y->key);
}

int observed_sort_peers(struct observed_peer *peers, size_t n, struct err *e)
{
	char key[KEY_STRLEN];
	size_t i;

	for (i = 0; i < n; i++) {
		/* The lists were made by the reader that calls this; `const` is for those who get
		 * them. */
		union {
			const struct prefix *in;
			struct prefix *list;
		} u = { .in = peers[i].allowed_ips };

		if (peers[i].n_allowed_ips > 1)
			qsort(u.list, peers[i].n_allowed_ips, sizeof(*u.list), cmp_prefix);
	}
	if (n > 1)
		qsort(peers, n, sizeof(*peers), cmp_peer);
	for (i = 1; i < n; i++)
		if (cmp_peer(&peers[i - 1], &peers[i]) == 0)
			return err_set(e, ERR_IO, "peer %s was told twice",
				       wgkey_print(&peers[i].key, key));
	return 0;
}

int wg_reader_finish(struct wg_reader *r, struct err *e)
{
	if (observed_sort_peers(r->peers, r->n_peers, e) < 0)
		return -1;
	r->o->peers = r->peers;
	r->o->n_peers = r->n_peers;
	return 0;
}
