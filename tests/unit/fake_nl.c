/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

/* What one dump message may take, as in the kernel with 32 KB receive buffers. */
#define PIECE_SIZE 16000u
#define DATAGRAM_SIZE 65536u

struct datagram {
	struct datagram *next;
	size_t len;
	int error; /* recv fails with this instead */
	uint8_t data[] __attribute__((aligned(8)));
};

struct fake_sock {
	int bus;
	uint32_t portid;
	struct datagram *first, **last;
	struct datagram *open; /* being filled: answers to one send come in few datagrams */
};

static struct fake_nl *fake;
static struct nl_sys saved;
static uint32_t next_port = 4000;

static void die(const char *what)
{
	fprintf(stderr, "fake_nl: %s\n", what);
	abort();
}

static void flush(struct fake_sock *s)
{
	if (!s->open)
		return;
	*s->last = s->open;
	s->last = &s->open->next;
	s->open = NULL;
}

static struct nlmsghdr *begin(struct fake_sock *s, const struct nlmsghdr *to, uint16_t type,
			      uint16_t flags)
{
	struct nlmsghdr *nlh;

	if (s->open && s->open->len > DATAGRAM_SIZE / 2)
		flush(s);
	if (!s->open)
		s->open = calloc(1, sizeof(*s->open) + DATAGRAM_SIZE);
	if (!s->open)
		die("no memory");
	nlh = mnl_nlmsg_put_header(s->open->data + s->open->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = to->nlmsg_seq;
	nlh->nlmsg_pid = s->portid;
	return nlh;
}

static void end(struct fake_sock *s, const struct nlmsghdr *nlh)
{
	s->open->len += MNL_ALIGN(nlh->nlmsg_len);
}

static void answer_error(struct fake_sock *s, const struct nlmsghdr *to, int error)
{
	static const char text[] = "the model\033 says no";
	struct nlmsghdr *nlh;
	struct nlmsgerr *err;

	if (!error && !(to->nlmsg_flags & NLM_F_ACK))
		return;
	nlh = begin(s, to, NLMSG_ERROR, NLM_F_CAPPED | (error ? NLM_F_ACK_TLVS : 0));
	err = mnl_nlmsg_put_extra_header(nlh, sizeof(*err));
	err->error = -error;
	err->msg = *to;
	if (error)
		mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, text);
	end(s, nlh);
}

static void answer_done(struct fake_sock *s, const struct nlmsghdr *to, int error, uint16_t flags)
{
	struct nlmsghdr *nlh = begin(s, to, NLMSG_DONE, NLM_F_MULTI | flags);
	int32_t *code = mnl_nlmsg_put_extra_header(nlh, sizeof(*code));

	*code = -error;
	if (fake->bad == SHORT_DONE)
		nlh->nlmsg_len -= 2;
	end(s, nlh);
}

static bool refuse(struct fake_sock *s, const struct nlmsghdr *nlh)
{
	if (++fake->changes != fake->refuse_at)
		return false;
	answer_error(s, nlh, fake->refuse_errno);
	return true;
}

/* WireGuard: set. */

static struct prefix read_ip(const struct nlattr *nest)
{
	struct prefix p = { 0 };
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == WGALLOWEDIP_A_FAMILY)
			p.family = mnl_attr_get_u16(a) == AF_INET ? 4 : 6;
		else if (mnl_attr_get_type(a) == WGALLOWEDIP_A_IPADDR)
			memcpy(p.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		else if (mnl_attr_get_type(a) == WGALLOWEDIP_A_CIDR_MASK)
			p.len = mnl_attr_get_u8(a);
	}
	return p;
}

static void read_endpoint(const struct nlattr *a, struct sock_endpoint *ep)
{
	const struct sockaddr_in *in4 = mnl_attr_get_payload(a);
	const struct sockaddr_in6 *in6 = mnl_attr_get_payload(a);

	*ep = (struct sock_endpoint){ .family = in4->sin_family == AF_INET ? 4 : 6 };
	if (ep->family == 4) {
		ep->port = ntohs(in4->sin_port);
		memcpy(ep->b, &in4->sin_addr, 4);
	} else {
		ep->port = ntohs(in6->sin6_port);
		ep->scope = in6->sin6_scope_id;
		memcpy(ep->b, &in6->sin6_addr, 16);
	}
}

static void set_peer(const struct nlattr *nest)
{
	struct prefix *list = calloc(8192, sizeof(*list));
	struct op op = { .allowed_ips = list };
	const struct nlattr *a, *ip;
	uint32_t flags;

	if (!list)
		die("no memory");
	mnl_attr_for_each_nested(a, nest)
	{
		switch (mnl_attr_get_type(a)) {
		case WGPEER_A_PUBLIC_KEY:
			memcpy(op.key.b, mnl_attr_get_payload(a), 32);
			break;
		case WGPEER_A_FLAGS:
			flags = mnl_attr_get_u32(a);
			op.flags |= flags & WGPEER_F_REMOVE_ME ? MODEL_REMOVE : 0;
			op.flags |= flags & WGPEER_F_UPDATE_ONLY ? MODEL_UPDATE_ONLY : 0;
			op.flags |= flags & WGPEER_F_REPLACE_ALLOWEDIPS ? OPP_REPLACE_ALLOWED : 0;
			break;
		case WGPEER_A_PRESHARED_KEY:
			op.flags |= OPP_CLEAR_PSK;
			break;
		case WGPEER_A_ENDPOINT:
			op.flags |= OPP_ENDPOINT;
			read_endpoint(a, &op.endpoint);
			break;
		case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
			op.flags |= OPP_KEEPALIVE;
			op.keepalive = mnl_attr_get_u16(a);
			break;
		case WGPEER_A_ALLOWEDIPS:
			mnl_attr_for_each_nested(ip, a) list[op.n_allowed_ips++] = read_ip(ip);
			break;
		default:
			die("unknown attribute of a peer");
		}
	}
	model_set_peer(fake->m, &op);
	fake->peer_entries++;
	free(list);
}

static void wg_set(struct fake_sock *s, const struct nlmsghdr *nlh)
{
	struct model *m = fake->m;
	const struct nlattr *a, *peer, *peers = NULL, *key = NULL;
	struct wgkey public_key;

	fake->wg_sets++;
	if (nlh->nlmsg_len > fake->largest)
		fake->largest = nlh->nlmsg_len;
	if (refuse(s, nlh))
		return;
	if (!m->exists) {
		answer_error(s, nlh, ENODEV);
		return;
	}
	/* The kernel takes the settings of the device first, whatever their order. */
	mnl_attr_for_each(a, nlh, GENL_HDRLEN)
	{
		switch (mnl_attr_get_type(a)) {
		case WGDEVICE_A_IFNAME:
			if (strcmp(mnl_attr_get_str(a), "wg0") != 0)
				die("another interface");
			break;
		case WGDEVICE_A_FLAGS:
			if (mnl_attr_get_u32(a) == WGDEVICE_F_REPLACE_PEERS) {
				model_remove_peers(m);
				fake->replaced_all++;
			}
			break;
		case WGDEVICE_A_LISTEN_PORT:
			m->listen_port = mnl_attr_get_u16(a) ? mnl_attr_get_u16(a) : 40000;
			break;
		case WGDEVICE_A_FWMARK:
			m->fwmark = mnl_attr_get_u32(a);
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			key = a;
			break;
		case WGDEVICE_A_PEERS:
			peers = a;
			break;
		default:
			die("unknown attribute of a device");
		}
	}
	if (key) {
		wgkey_public(mnl_attr_get_payload(key), &public_key);
		model_set_key(m, &public_key);
		fake->secret_seen = true;
	}
	if (peers)
		mnl_attr_for_each_nested(peer, peers) set_peer(peer);
	answer_error(s, nlh, 0);
}

/* WireGuard: get. */

static void put_unknown(struct nlmsghdr *nlh)
{
	if (fake->unknown)
		mnl_attr_put(nlh, 200, 7, "unknown");
}

static void put_ip(struct nlmsghdr *nlh, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK,
			fake->bad == BAD_MASK || (fake->bad == BAD_MASK6 && p->family == 6) ?
				129 :
				p->len);
	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY,
			 fake->bad == BAD_FAMILY ? AF_UNIX :
			 p->family == 4		 ? AF_INET :
						   AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, p->family == 4 ? 4 : 16, p->b);
	put_unknown(nlh);
	mnl_attr_nest_end(nlh, nest);
}

static void put_peer_head(struct nlmsghdr *nlh, const struct model_peer *p)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(p->endpoint.port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(p->endpoint.port) };
	int64_t when[2] = { p->last_handshake, 5 };
	uint8_t psk[32] = { 0 };

	psk[31] = p->has_psk;
	mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, sizeof(psk), psk);
	mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(when), when);
	mnl_attr_put_u16(nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, p->keepalive);
	mnl_attr_put_u64(nlh, WGPEER_A_TX_BYTES, p->tx_bytes);
	mnl_attr_put_u64(nlh, WGPEER_A_RX_BYTES, p->rx_bytes);
	mnl_attr_put_u32(nlh, WGPEER_A_PROTOCOL_VERSION, 1);
	memcpy(&in4.sin_addr, p->endpoint.b, 4);
	memcpy(&in6.sin6_addr, p->endpoint.b, 16);
	if (p->endpoint.family == 4)
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT,
			     sizeof(in4) - (fake->bad == BAD_ENDPOINT ? 1 : 0), &in4);
	else if (p->endpoint.family == 6)
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in6), &in6);
	put_unknown(nlh);
}

/* Puts a piece of peer p from its ip-th prefix on; returns the next prefix, or p->n_ips when it is
 * whole. */
static size_t put_peer(struct nlmsghdr *nlh, const struct model_peer *p, size_t ip)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *list;
	size_t n = 0;

	if (fake->bad != NO_KEY)
		mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, fake->bad == SHORT_KEY ? 31 : 32, p->key.b);
	if (!ip)
		put_peer_head(nlh, p);
	list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
	while (ip < p->n_ips && nlh->nlmsg_len < PIECE_SIZE &&
	       (!fake->ips_in_piece || n < fake->ips_in_piece)) {
		put_ip(nlh, &p->ips[ip++]);
		n++;
	}
	mnl_attr_nest_end(nlh, list);
	mnl_attr_nest_end(nlh, nest);
	return ip;
}

static void put_device(struct nlmsghdr *nlh, const struct model *m)
{
	static const uint8_t some_key[32] = { 1, 2, 3 };

	mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, m->listen_port);
	if (fake->bad == LONG_PORT)
		mnl_attr_put_u32(nlh, WGDEVICE_A_LISTEN_PORT, 1);
	mnl_attr_put_u32(nlh, WGDEVICE_A_FWMARK, m->fwmark);
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, m->ifindex);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, "wg0");
	if (m->has_private_key) {
		mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, 32, some_key);
		mnl_attr_put(nlh, WGDEVICE_A_PUBLIC_KEY, 32, m->public_key.b);
	}
	put_unknown(nlh);
}

static void wg_get(struct fake_sock *s, const struct nlmsghdr *to)
{
	struct model *m = fake->m;
	uint16_t flags = NLM_F_MULTI;
	size_t i = 0, ip = 0, more = fake->bad == TWICE ? 2 : 1;

	fake->wg_dumps++;
	if (!m->exists) {
		answer_error(s, to, ENODEV);
		return;
	}
	if (fake->interrupted) {
		fake->interrupted--;
		flags |= NLM_F_DUMP_INTR;
	}
	do {
		struct nlmsghdr *nlh = begin(s, to, FAKE_FAMILY, flags);
		struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
		struct nlattr *peers;
		size_t n = 0;

		genl->cmd = WG_CMD_GET_DEVICE;
		genl->version = 1;
		if (!i && !ip && more == (fake->bad == TWICE ? 2 : 1))
			put_device(nlh, m);
		peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
		while (i < m->n_peers && nlh->nlmsg_len < PIECE_SIZE &&
		       (!fake->peers_in_message || n < fake->peers_in_message)) {
			n++;
			ip = put_peer(nlh, &m->peers[i], ip);
			if (ip < m->peers[i].n_ips)
				break;
			ip = 0;
			i++;
		}
		mnl_attr_nest_end(nlh, peers);
		if (fake->bad == CUT_ATTRIBUTE && m->n_peers)
			((struct nlattr *)((uint8_t *)peers + MNL_ATTR_HDRLEN))->nla_len += 4;
		if (fake->bad == HALF_HEADER)
			nlh->nlmsg_len = NLMSG_HDRLEN + 2;
		end(s, nlh);
		if (i == m->n_peers && --more)
			i = 0;
		if (fake->overrun) {
			fake->overrun--;
			flush(s);
			s->open = calloc(1, sizeof(*s->open) + 1);
			s->open->error = ENOBUFS;
			flush(s);
			return;
		}
	} while (i < m->n_peers);
	if (fake->bad != NO_END)
		answer_done(s, to, fake->dump_errno, flags & NLM_F_DUMP_INTR);
}

/* rtnetlink. */

static void put_link(struct fake_sock *s, const struct nlmsghdr *to, uint16_t flags)
{
	struct nlmsghdr *nlh = begin(s, to, RTM_NEWLINK, flags);
	struct model *m = fake->m;
	struct nlattr *nest, *inner;
	struct ifinfomsg *info;
	int32_t conf[60] = { 0 };

	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = (int)m->ifindex;
	info->ifi_flags = m->up ? IFF_UP : 0;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "wg0");
	mnl_attr_put_u32(nlh, IFLA_MTU, m->mtu);
	if (m->alias[0])
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, m->alias);
	conf[0] = 1;
	conf[3] = m->hears && !m->no_ipv6;
	nest = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inner = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put(nlh, IFLA_INET6_CONF, sizeof(conf), conf);
	mnl_attr_nest_end(nlh, inner);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, m->wireguard ? "wireguard" : "dummy");
	mnl_attr_nest_end(nlh, nest);
	end(s, nlh);
}

static int fake_set(const char *path, const char *value, struct err *e)
{
	static const char ours[] = "/proc/sys/net/ipv6/conf/wg0/";

	if (strncmp(path, ours, sizeof(ours) - 1) != 0 || strcmp(value, "0\n") != 0)
		die(path);
	if (!fake->m->exists || fake->m->no_ipv6)
		return err_set(e, ERR_NOENT, "no such setting");
	if (fake->m->stays_hearing)
		return err_set(e, ERR_IO, "%s: read-only", path);
	fake->settings++;
	if (strstr(path, "accept_ra"))
		fake->m->hears = false;
	return 0;
}

static void link_get(struct fake_sock *s, const struct nlmsghdr *to)
{
	if (!fake->m->exists) {
		answer_error(s, to, ENODEV);
		return;
	}
	put_link(s, to, 0);
	answer_error(s, to, 0);
}

static void link_dump(struct fake_sock *s, const struct nlmsghdr *to)
{
	if (fake->m->exists)
		put_link(s, to, NLM_F_MULTI);
	answer_done(s, to, 0, 0);
}

static int link_set(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct model *m = fake->m;
	const struct nlattr *a;

	if (!m->exists || info->ifi_index != (int)m->ifindex)
		return ENODEV;
	if (info->ifi_change & info->ifi_flags & IFF_UP)
		m->up = true;
	mnl_attr_for_each(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFLA_MTU)
			m->mtu = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == IFLA_IFALIAS)
			snprintf(m->alias, sizeof(m->alias), "%.*s",
				 (int)mnl_attr_get_payload_len(a),
				 (const char *)mnl_attr_get_payload(a));
	}
	model_step(m);
	return 0;
}

static int addr_change(const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct ifaddr x = { .addr.family = info->ifa_family == AF_INET ? 4 : 6,
			    .len = info->ifa_prefixlen };
	const struct nlattr *a;

	if (!fake->m->exists || info->ifa_index != fake->m->ifindex)
		return ENODEV;
	mnl_attr_for_each(a, nlh, sizeof(*info)) if (mnl_attr_get_type(a) == IFA_LOCAL)
		memcpy(x.addr.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	return model_addr(fake->m, nlh->nlmsg_type == RTM_NEWADDR, &x);
}

static int route_change(const struct nlmsghdr *nlh)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	struct route p = { { .family = info->rtm_family == AF_INET ? 4 : 6,
			     .len = info->rtm_dst_len },
			   info->rtm_table };
	const struct nlattr *a;

	if (!fake->m->exists)
		return ENODEV;
	if (info->rtm_protocol != ROUTE_PROTOCOL)
		die("a route that is not ours");
	mnl_attr_for_each(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == RTA_DST)
			memcpy(p.dst.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		if (mnl_attr_get_type(a) == RTA_TABLE)
			p.table = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_get_u32(a) != fake->m->ifindex)
			return ENODEV;
	}
	return model_route(fake->m, nlh->nlmsg_type == RTM_NEWROUTE, &p);
}

static void put_addr(struct fake_sock *s, const struct nlmsghdr *to, const struct ifaddr *x,
		     uint32_t ifindex, uint32_t flags)
{
	struct nlmsghdr *nlh = begin(s, to, RTM_NEWADDR, NLM_F_MULTI);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	size_t size = x->addr.family == 4 ? 4 : 16;

	info->ifa_family = size == 4 ? AF_INET : AF_INET6;
	info->ifa_prefixlen = x->len;
	info->ifa_index = ifindex;
	mnl_attr_put(nlh, IFA_ADDRESS, size, x->addr.b);
	if (size == 4)
		mnl_attr_put(nlh, IFA_LOCAL, size, x->addr.b);
	mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	end(s, nlh);
}

/* With what must not count: another interface's address, and a link-local one that the kernel made.
 */
static void addr_dump(struct fake_sock *s, const struct nlmsghdr *to)
{
	struct model *m = fake->m;
	struct ifaddr other, own;
	size_t i;

	if (ifaddr_parse("192.168.1.1/24", 14, &other) < 0 ||
	    ifaddr_parse("fe80::1234/64", 13, &own) < 0)
		die("address");
	put_addr(s, to, &other, m->ifindex + 1, IFA_F_PERMANENT);
	put_addr(s, to, &own, m->ifindex, IFA_F_PERMANENT | IFA_F_STABLE_PRIVACY);
	for (i = 0; i < m->n_addresses; i++)
		put_addr(s, to, &m->addresses[i], m->ifindex, IFA_F_PERMANENT);
	answer_done(s, to, 0, 0);
}

static void put_route(struct fake_sock *s, const struct nlmsghdr *to, const struct prefix *p,
		      uint32_t ifindex, uint8_t protocol, uint32_t table)
{
	struct nlmsghdr *nlh = begin(s, to, RTM_NEWROUTE, NLM_F_MULTI);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->rtm_family = p->family == 4 ? AF_INET : AF_INET6;
	info->rtm_dst_len = p->len;
	info->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	info->rtm_protocol = protocol;
	info->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	if (p->len)
		mnl_attr_put(nlh, RTA_DST, p->family == 4 ? 4 : 16, p->b);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	end(s, nlh);
}

/* As an old kernel: whatever was asked for, everything comes. */
static void route_dump(struct fake_sock *s, const struct nlmsghdr *to)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(to);
	uint8_t family = info->rtm_family == AF_INET ? 4 : 6;
	struct prefix any = { .family = family };
	struct model *m = fake->m;
	size_t i;

	put_route(s, to, &any, m->ifindex + 1, RTPROT_STATIC, RT_TABLE_MAIN);
	put_route(s, to, &any, m->ifindex, RTPROT_STATIC, 1000);
	any.len = 8;
	put_route(s, to, &any, m->ifindex, RTPROT_KERNEL, RT_TABLE_MAIN);
	put_route(s, to, &any, m->ifindex + 1, ROUTE_PROTOCOL, RT_TABLE_MAIN);
	if (m->other_route.family == family)
		put_route(s, to, &m->other_route, m->ifindex + 1, RTPROT_STATIC, RT_TABLE_MAIN);
	for (i = 0; i < m->n_routes; i++)
		if (m->routes[i].dst.family == family)
			put_route(s, to, &m->routes[i].dst, m->ifindex, ROUTE_PROTOCOL,
				  m->routes[i].table);
	answer_done(s, to, 0, 0);
}

static void route_get(struct fake_sock *s, const struct nlmsghdr *to)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(to);
	const struct nlattr *dst = mnl_nlmsg_get_payload_offset(to, sizeof(*info));
	struct ipaddr a = { .family = info->rtm_family == AF_INET ? 4 : 6 };
	struct prefix p;
	uint32_t ifindex = 0;
	int error;

	if (mnl_attr_get_type(dst) != RTA_DST ||
	    info->rtm_dst_len != mnl_attr_get_payload_len(dst) * 8)
		die("a question for a route");
	memcpy(a.b, mnl_attr_get_payload(dst), mnl_attr_get_payload_len(dst));
	p = prefix_of_addr(&a);
	error = model_way(fake->m, &a, &ifindex);
	if (!error)
		put_route(s, to, &p, ifindex, RTPROT_UNSPEC, RT_TABLE_MAIN);
	answer_error(s, to, error);
}

/* Policy rules. */

static uint8_t action_of(const struct exit_rule *r)
{
	return r->table ? FR_ACT_TO_TBL : r->jump ? FR_ACT_GOTO : FR_ACT_NOP;
}

/* Where there is no rule to jump to, the kernel says so. */
static bool unresolved(const struct exit_rule *r)
{
	size_t i;

	for (i = 0; i < fake->m->n_rules; i++)
		if (fake->m->rules[i].family == r->family && fake->m->rules[i].priority == r->jump)
			return false;
	return r->jump != 0;
}

static struct rule_op read_rule(const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	struct rule_op op = { .add = nlh->nlmsg_type == RTM_NEWRULE };
	struct exit_rule *r = &op.rule;
	const struct nlattr *a;
	bool ours = false;

	r->family = h->family == AF_INET ? 4 : 6;
	r->table = h->table;
	r->from = (struct prefix){ .family = (uint8_t)r->family, .len = h->src_len };
	r->to = (struct prefix){ .family = (uint8_t)r->family, .len = h->dst_len };
	mnl_attr_for_each(a, nlh, sizeof(*h))
	{
		switch (mnl_attr_get_type(a)) {
		case FRA_PRIORITY:
			r->priority = mnl_attr_get_u32(a);
			break;
		case FRA_TABLE:
			r->table = mnl_attr_get_u32(a);
			break;
		case FRA_GOTO:
			r->jump = mnl_attr_get_u32(a);
			break;
		case FRA_PROTOCOL:
			ours = mnl_attr_get_u8(a) == ROUTE_PROTOCOL;
			break;
		case FRA_DST:
			memcpy(r->to.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
			break;
		case FRA_SRC:
			memcpy(r->from.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
			break;
		case FRA_FWMARK:
			r->mark = mnl_attr_get_u32(a);
			break;
		case FRA_FWMASK:
			break;
		case FRA_SUPPRESS_PREFIXLEN:
			r->no_default = mnl_attr_get_u32(a) == 0;
			break;
		case FRA_IP_PROTO:
			r->dns = mnl_attr_get_u8(a);
			break;
		case FRA_DPORT_RANGE:
		case FRA_UID_RANGE:
			break;
		default:
			die("unknown attribute of a rule");
		}
	}
	if (!ours)
		die("a rule that is not ours");
	if (h->action != action_of(r) || (r->table && r->jump))
		die("another action of a rule");
	/* As the kernel has it. */
	if (r->jump && r->jump <= r->priority)
		die("a rule that jumps back");
	return op;
}

static void put_rule(struct fake_sock *s, const struct nlmsghdr *to, const struct exit_rule *r,
		     uint8_t protocol, bool other)
{
	struct nlmsghdr *nlh = begin(s, to, RTM_NEWRULE, NLM_F_MULTI);
	struct fib_rule_hdr *h = mnl_nlmsg_put_extra_header(nlh, sizeof(*h));
	struct fib_rule_port_range port = { 53, 53 };
	struct fib_rule_uid_range uid = { 0, 0 };

	h->family = r->family == 4 ? AF_INET : AF_INET6;
	h->src_len = r->from.len;
	h->dst_len = r->to.len;
	h->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	h->action = action_of(r);
	h->flags = unresolved(r) ? FIB_RULE_UNRESOLVED : 0;
	if (r->jump)
		mnl_attr_put_u32(nlh, FRA_GOTO, r->jump);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, protocol);
	mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, r->no_default ? 0 : UINT32_MAX);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u32(nlh, FRA_SUPPRESS_IFGROUP, UINT32_MAX);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	if (r->mark) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, UINT32_MAX);
	}
	if (r->from.len)
		mnl_attr_put(nlh, FRA_SRC, r->family == 4 ? 4 : 16, r->from.b);
	if (r->to.len)
		mnl_attr_put(nlh, FRA_DST, r->family == 4 ? 4 : 16, r->to.b);
	if (r->dns) {
		mnl_attr_put_u8(nlh, FRA_IP_PROTO, r->dns);
		mnl_attr_put(nlh, FRA_DPORT_RANGE, sizeof(port), &port);
		mnl_attr_put(nlh, FRA_UID_RANGE, sizeof(uid), &uid);
	}
	if (other)
		mnl_attr_put_strz(nlh, FRA_IIFNAME, "eth0");
	end(s, nlh);
}

/* With what must not count: the kernel's own, somebody else's of the same look, and one of our
 * protocol that is of another form. */
static void rule_dump(struct fake_sock *s, const struct nlmsghdr *to)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(to);
	unsigned int family = h->family == AF_INET ? 4 : 6;
	struct exit_rule noise = { .family = family,
				   .from.family = (uint8_t)family,
				   .table = RT_TABLE_LOCAL };
	struct model *m = fake->m;
	size_t i;

	if (family == 6 && m->no_ipv6) {
		answer_error(s, to, EAFNOSUPPORT);
		return;
	}
	put_rule(s, to, &noise, RTPROT_KERNEL, false);
	for (i = 0; i < m->n_rules; i++)
		if (m->rules[i].family == family) {
			put_rule(s, to, &m->rules[i], ROUTE_PROTOCOL, false);
			put_rule(s, to, &m->rules[i], ROUTE_PROTOCOL, true);
		}
	noise.priority = exit_priority("test");
	noise.table = exit_table("test");
	put_rule(s, to, &noise, RTPROT_STATIC, false);
	noise.priority += EXIT_PRIORITIES;
	put_rule(s, to, &noise, ROUTE_PROTOCOL, false);
	noise.table = RT_TABLE_MAIN;
	noise.priority = 32766;
	put_rule(s, to, &noise, RTPROT_KERNEL, false);
	answer_done(s, to, 0, 0);
}

static int rule_change(const struct nlmsghdr *nlh)
{
	struct rule_op op = read_rule(nlh);

	return model_rule(fake->m, &op);
}

static void rt_request(struct fake_sock *s, const struct nlmsghdr *nlh)
{
	int error = 0;

	switch (nlh->nlmsg_type) {
	case RTM_GETLINK:
		if ((nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
			link_dump(s, nlh);
		else
			link_get(s, nlh);
		return;
	case RTM_GETADDR:
		addr_dump(s, nlh);
		return;
	case RTM_GETROUTE:
		if (!(nlh->nlmsg_flags & NLM_F_DUMP))
			route_get(s, nlh);
		else
			route_dump(s, nlh);
		return;
	case RTM_GETRULE:
		rule_dump(s, nlh);
		return;
	default:
		break;
	}
	if (refuse(s, nlh))
		return;
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
		error = model_create(fake->m);
		break;
	case RTM_DELLINK:
		error = model_delete(fake->m);
		break;
	case RTM_SETLINK:
		error = link_set(nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		error = addr_change(nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		error = route_change(nlh);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		error = rule_change(nlh);
		break;
	default:
		die("unknown request");
	}
	answer_error(s, nlh, error);
}

static void genl_request(struct fake_sock *s, const struct nlmsghdr *to)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(to);
	struct nlmsghdr *nlh;

	if (to->nlmsg_type == FAKE_FAMILY) {
		if (genl->cmd == WG_CMD_SET_DEVICE)
			wg_set(s, to);
		else
			wg_get(s, to);
		return;
	}
	if (fake->no_family) {
		answer_error(s, to, ENOENT);
		return;
	}
	nlh = begin(s, to, GENL_ID_CTRL, 0);
	mnl_nlmsg_put_extra_header(nlh, GENL_HDRLEN);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAKE_FAMILY);
	end(s, nlh);
	answer_error(s, to, 0);
}

static void *fake_open(int bus, uint32_t *ret_portid)
{
	struct fake_sock *s = calloc(1, sizeof(*s));

	if (!s)
		die("no memory");
	s->bus = bus;
	s->portid = *ret_portid = next_port++;
	s->last = &s->first;
	return s;
}

static void put_stale(struct fake_sock *s, const struct nlmsghdr *to)
{
	struct nlmsghdr old = *to, *nlh;

	old.nlmsg_seq--;
	old.nlmsg_flags |= NLM_F_ACK;
	answer_error(s, &old, EPERM);
	answer_error(s, &old, 0);
	nlh = begin(s, to, NLMSG_DONE, 0);
	mnl_nlmsg_put_extra_header(nlh, 4);
	nlh->nlmsg_pid++;
	end(s, nlh);
	flush(s);
}

static ssize_t fake_send(void *sock, const void *data, size_t len)
{
	struct fake_sock *s = sock;
	const struct nlmsghdr *nlh = data;
	bool fails = ++fake->sends == fake->fail_send_at;
	int left = (int)len;

	if (fails && !fake->lost) {
		errno = fake->fail_errno;
		return -1;
	}
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (fake->stale)
			put_stale(s, nlh);
		if (s->bus == NETLINK_ROUTE)
			rt_request(s, nlh);
		else
			genl_request(s, nlh);
	}
	if (left)
		die("bytes behind the last request");
	flush(s);
	while (fails && s->first) {
		struct datagram *d = s->first;

		s->first = d->next;
		free(d);
	}
	if (!s->first)
		s->last = &s->first;
	return (ssize_t)len;
}

static ssize_t fake_recv(void *sock, void *data, size_t size)
{
	struct fake_sock *s = sock;
	struct datagram *d = s->first;
	ssize_t ret;

	if (!d) {
		/* The time is over. */
		errno = EAGAIN;
		return -1;
	}
	s->first = d->next;
	if (!s->first)
		s->last = &s->first;
	if (d->len > size)
		die("a datagram that does not fit");
	memcpy(data, d->data, d->len);
	errno = d->error;
	ret = d->error ? -1 : (ssize_t)d->len;
	free(d);
	return ret;
}

static void fake_close(void *sock)
{
	struct fake_sock *s = sock;

	while (s->first) {
		struct datagram *d = s->first;

		s->first = d->next;
		free(d);
	}
	free(s->open);
	free(s);
}

static void *outer_open(int bus, uint32_t *ret_portid)
{
	void *s;

	if (fake->pause)
		fake->pause();
	s = fake_open(bus, ret_portid);
	if (fake->resume)
		fake->resume();
	return s;
}

static ssize_t outer_send(void *sock, const void *data, size_t len)
{
	ssize_t n;

	if (fake->pause)
		fake->pause();
	n = fake_send(sock, data, len);
	if (fake->resume)
		fake->resume();
	return n;
}

void fake_nl_start(struct fake_nl *f, struct model *m)
{
	*f = (struct fake_nl){ .m = m };
	if (!fake)
		saved = nl_sys;
	fake = f;
	nl_sys = (struct nl_sys){
		.open = outer_open,
		.send = outer_send,
		.recv = fake_recv,
		.close = fake_close,
		.set = fake_set,
	};
}

void fake_nl_stop(void)
{
	nl_sys = saved;
	fake = NULL;
}
