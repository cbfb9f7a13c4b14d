/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_rt_impl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* Since Linux 5.18 an address says who made it (linux/if_addr.h has these only since then). */
#define ADDR_PROTO 11
#define ADDR_PROTO_LAST_OF_KERNEL 3 /* IFAPROT_KERNEL_LL */

static int malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_IO, "the kernel's answer is malformed (%s)", what);
}

/* The attributes behind a fixed header. */
static int enter(const struct nlmsghdr *nlh, size_t header, const uint8_t **pos, size_t *left)
{
	if (nlh->nlmsg_len < NLMSG_HDRLEN + header)
		return -1;
	*pos = (const uint8_t *)mnl_nlmsg_get_payload(nlh) + header;
	*left = mnl_nlmsg_get_payload_len(nlh) - header;
	return 0;
}

static bool has_size(const struct nlattr *a, size_t size)
{
	return mnl_attr_get_payload_len(a) == size;
}

/* A string attribute, with its NUL or without. */
static int get_text(const struct nlattr *a, char *out, size_t size)
{
	size_t len = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));

	if (len >= size)
		return -1;
	memcpy(out, mnl_attr_get_payload(a), len);
	out[len] = '\0';
	return 0;
}

static int parse_linkinfo(const struct nlattr *info, struct rt_link *ret)
{
	const struct nlattr *a;
	const uint8_t *pos;
	size_t left;
	int r;

	nl_attr_enter(info, &pos, &left);
	while ((r = nl_attr_next(&pos, &left, &a)) > 0)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
		    get_text(a, ret->kind, sizeof(ret->kind)) < 0)
			ret->kind[0] = '\0';
	return r;
}

/* Indices of IFLA_INET6_CONF (linux/ipv6.h). */
enum {
	CONF_ACCEPT_RA = 3,
	CONF_ACCEPT_REDIRECTS = 4,
	CONF_AUTOCONF = 5,
	CONF_DISABLED = 26,
	CONF_NEEDED,
};

/* The settings of IPv6. */
static int parse_families(const struct nlattr *families, struct rt_link *ret)
{
	int32_t conf[CONF_NEEDED];
	const struct nlattr *a, *b;
	const uint8_t *pos, *in;
	size_t left, inner;
	int r;

	nl_attr_enter(families, &pos, &left);
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		if (mnl_attr_get_type(a) != AF_INET6)
			continue;
		nl_attr_enter(a, &in, &inner);
		while ((r = nl_attr_next(&in, &inner, &b)) > 0) {
			if (mnl_attr_get_type(b) != IFLA_INET6_CONF ||
			    mnl_attr_get_payload_len(b) < sizeof(conf))
				continue;
			memcpy(conf, mnl_attr_get_payload(b), sizeof(conf));
			ret->hears = !conf[CONF_DISABLED] &&
				     (conf[CONF_ACCEPT_RA] || conf[CONF_ACCEPT_REDIRECTS] ||
				      conf[CONF_AUTOCONF]);
		}
		if (r < 0)
			return -1;
	}
	return r;
}

int rt_parse_link(const struct nlmsghdr *nlh, struct rt_link *ret, struct err *e)
{
	const struct nlattr *a;
	const uint8_t *pos = NULL;
	struct ifinfomsg info;
	size_t left = 0;
	int r;

	*ret = (struct rt_link){ 0 };
	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    enter(nlh, NLMSG_ALIGN(sizeof(info)), &pos, &left) < 0)
		return malformed(e, "link");
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	ret->exists = true;
	ret->ifindex = (uint32_t)info.ifi_index;
	ret->up = info.ifi_flags & IFF_UP;
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			if (get_text(a, ret->name.s, sizeof(ret->name.s)) < 0)
				return malformed(e, "name");
			break;
		case IFLA_MTU:
			if (!has_size(a, sizeof(uint32_t)))
				return malformed(e, "MTU");
			ret->mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_IFALIAS:
			if (get_text(a, ret->alias, sizeof(ret->alias)) < 0)
				return malformed(e, "alias");
			break;
		case IFLA_AF_SPEC:
			if (parse_families(a, ret) < 0)
				return malformed(e, "settings of a link");
			break;
		case IFLA_LINKINFO:
			if (parse_linkinfo(a, ret) < 0)
				return malformed(e, "link kind");
			break;
		default:
			break;
		}
	}
	return r < 0 || !ret->ifindex ? malformed(e, "link") : 0;
}

static bool link_local(const struct ipaddr *a)
{
	return a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

int rt_parse_addr(const struct nlmsghdr *nlh, uint32_t ifindex, struct ifaddr *ret, struct err *e)
{
	const struct nlattr *a, *local = NULL, *addr = NULL;
	const uint8_t *pos = NULL;
	struct ifaddrmsg info;
	uint32_t flags;
	uint8_t proto = 0;
	size_t left = 0, size;
	int r;

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    enter(nlh, NLMSG_ALIGN(sizeof(info)), &pos, &left) < 0)
		return malformed(e, "address");
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	flags = info.ifa_flags;
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		switch (mnl_attr_get_type(a)) {
		case IFA_LOCAL:
			local = a;
			break;
		case IFA_ADDRESS:
			addr = a;
			break;
		case IFA_FLAGS:
			if (!has_size(a, sizeof(uint32_t)))
				return malformed(e, "address flags");
			flags = mnl_attr_get_u32(a);
			break;
		case ADDR_PROTO:
			if (!has_size(a, sizeof(uint8_t)))
				return malformed(e, "address origin");
			proto = mnl_attr_get_u8(a);
			break;
		default:
			break;
		}
	}
	if (r < 0)
		return malformed(e, "address");
	if (info.ifa_index != ifindex ||
	    (info.ifa_family != AF_INET && info.ifa_family != AF_INET6))
		return 0;
	size = info.ifa_family == AF_INET ? 4 : 16;
	/* With a peer address IFA_ADDRESS is the other side's. */
	if (local)
		addr = local;
	if (!addr || !has_size(addr, size) || info.ifa_prefixlen > size * 8)
		return malformed(e, "address");
	*ret = (struct ifaddr){ .addr.family = size == 4 ? 4 : 6, .len = info.ifa_prefixlen };
	memcpy(ret->addr.b, mnl_attr_get_payload(addr), size);
	/* What the kernel gave the interface by itself; before 5.18 a stable-privacy address tells
	 * itself by its flag alone. */
	if ((proto && proto <= ADDR_PROTO_LAST_OF_KERNEL) ||
	    (link_local(&ret->addr) && (flags & IFA_F_STABLE_PRIVACY)))
		return 0;
	return 1;
}

int rt_parse_route(const struct nlmsghdr *nlh, struct rt_route *ret, struct err *e)
{
	const struct nlattr *a, *dst = NULL;
	const uint8_t *pos = NULL;
	struct rtmsg info;
	struct ifaddr host = { 0 };
	size_t left = 0, size;
	int r;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    enter(nlh, NLMSG_ALIGN(sizeof(info)), &pos, &left) < 0)
		return malformed(e, "route");
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	*ret = (struct rt_route){ .protocol = info.rtm_protocol };
	ret->table = info.rtm_table;
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		switch (mnl_attr_get_type(a)) {
		case RTA_DST:
			dst = a;
			break;
		case RTA_OIF:
			if (!has_size(a, sizeof(uint32_t)))
				return malformed(e, "interface of a route");
			ret->ifindex = mnl_attr_get_u32(a);
			break;
		case RTA_TABLE:
			if (!has_size(a, sizeof(uint32_t)))
				return malformed(e, "table of a route");
			ret->table = mnl_attr_get_u32(a);
			break;
		default:
			break;
		}
	}
	if (r < 0)
		return malformed(e, "route");
	if (info.rtm_type != RTN_UNICAST || (info.rtm_flags & RTM_F_CLONED) ||
	    (info.rtm_family != AF_INET && info.rtm_family != AF_INET6))
		return 0;
	size = info.rtm_family == AF_INET ? 4 : 16;
	if (info.rtm_dst_len > size * 8 || (dst ? !has_size(dst, size) : info.rtm_dst_len))
		return malformed(e, "route");
	host.addr.family = size == 4 ? 4 : 6;
	host.len = info.rtm_dst_len;
	if (dst)
		memcpy(host.addr.b, mnl_attr_get_payload(dst), size);
	ret->dst = prefix_of_ifaddr(&host);
	return 1;
}

/* RTA_GATEWAY has an address of the route's family, RTA_VIA one that tells its own. */
static int parse_via(const struct nlattr *a, int family, struct ipaddr *ret)
{
	const uint8_t *b = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);
	uint16_t own;

	if (mnl_attr_get_type(a) == RTA_VIA) {
		if (len < sizeof(own))
			return -1;
		memcpy(&own, b, sizeof(own));
		family = own;
		b += sizeof(own);
		len -= sizeof(own);
	}
	if ((family != AF_INET && family != AF_INET6) || len != (family == AF_INET ? 4u : 16u))
		return -1;
	*ret = (struct ipaddr){ .family = family == AF_INET ? 4 : 6 };
	memcpy(ret->b, b, len);
	return 0;
}

static int parse_multipath(const struct nlattr *all, int family, struct rt_hop *ret, size_t *ret_n)
{
	const uint8_t *at, *pos;
	const struct nlattr *a;
	struct rtnexthop nh;
	size_t left, inner;
	int r;

	nl_attr_enter(all, &at, &left);
	while (left >= sizeof(nh) && *ret_n < RT_MAX_HOPS) {
		struct rt_hop *hop = &ret[*ret_n];

		memcpy(&nh, at, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left)
			return -1;
		*hop = (struct rt_hop){ .ifindex = (uint32_t)nh.rtnh_ifindex };
		pos = at + sizeof(nh);
		inner = nh.rtnh_len - sizeof(nh);
		while ((r = nl_attr_next(&pos, &inner, &a)) > 0)
			if ((mnl_attr_get_type(a) == RTA_GATEWAY ||
			     mnl_attr_get_type(a) == RTA_VIA) &&
			    parse_via(a, family, &hop->via) < 0)
				return -1;
		if (r < 0)
			return -1;
		++*ret_n;
		inner = RTNH_ALIGN(nh.rtnh_len);
		at += inner < left ? inner : left;
		left -= inner < left ? inner : left;
	}
	return 0;
}

int rt_parse_hops(const struct nlmsghdr *nlh, struct rt_hop ret[static RT_MAX_HOPS], size_t *ret_n,
		  struct err *e)
{
	const uint8_t *pos = NULL;
	struct rt_hop only = { 0 };
	const struct nlattr *a;
	struct rtmsg info;
	size_t left = 0;
	int r;

	*ret_n = 0;
	if (enter(nlh, NLMSG_ALIGN(sizeof(info)), &pos, &left) < 0)
		return malformed(e, "route");
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	while ((r = nl_attr_next(&pos, &left, &a)) > 0) {
		int bad = 0;

		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			bad = !has_size(a, sizeof(uint32_t));
			only.ifindex = bad ? 0 : mnl_attr_get_u32(a);
			break;
		case RTA_GATEWAY:
		case RTA_VIA:
			bad = parse_via(a, info.rtm_family, &only.via);
			break;
		case RTA_MULTIPATH:
			bad = parse_multipath(a, info.rtm_family, ret, ret_n);
			break;
		default:
			break;
		}
		if (bad)
			return malformed(e, "next hop of a route");
	}
	if (r < 0)
		return malformed(e, "route");
	if (!*ret_n)
		ret[(*ret_n)++] = only;
	return 0;
}
