/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_rt.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "agent/diff.h"

/* Since Linux 5.18 an address says who made it (linux/if_addr.h has these only since then). */
#define ADDR_PROTO 11
#define ADDR_PROTO_LAST_OF_KERNEL 3 /* IFAPROT_KERNEL_LL */

bool rt_op(enum op_kind kind)
{
	switch (kind) {
	case OP_LINK_MTU:
	case OP_LINK_UP:
	case OP_LINK_ALIAS:
	case OP_ROUTE_DEL:
	case OP_ADDR_DEL:
	case OP_ADDR_ADD:
	case OP_ROUTE_ADD:
		return true;
	default:
		return false;
	}
}

int rt_open(struct rt *rt, struct kern_stats *stats, struct err *e)
{
	*rt = (struct rt){ .stats = stats };
	rt->batch = malloc(NL_BATCH_SIZE);
	if (!rt->batch)
		return err_nomem(e);
	if (nl_open(&rt->nl, NETLINK_ROUTE, e) < 0) {
		rt_close(rt);
		return -1;
	}
	return 0;
}

void rt_close(struct rt *rt)
{
	nl_close(&rt->nl);
	free(rt->batch);
	*rt = (struct rt){ 0 };
}

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

/* A request with a fixed header of `size` bytes, zeroed. */
static void *put_header(void *buf, uint16_t type, uint16_t flags, size_t size,
			struct nlmsghdr **ret)
{
	*ret = mnl_nlmsg_put_header(buf);
	(*ret)->nlmsg_type = type;
	(*ret)->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(*ret, size);
}

static int collect_link(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	return rt_parse_link(nlh, arg, e);
}

int rt_link_get(struct rt *rt, const struct ifname *name, struct rt_link *ret, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct ifinfomsg *info = put_header(buf, RTM_GETLINK, 0, sizeof(*info), &nlh);

	*ret = (struct rt_link){ 0 };
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name->s);
	if (nl_request(&rt->nl, nlh, collect_link, ret, e) == 0)
		return 0;
	if (rt->nl.error == ENODEV) {
		*ret = (struct rt_link){ 0 };
		return 0;
	}
	return nl_err(&rt->nl, e, "cannot read the link");
}

struct find_marked {
	const char *alias, *only_kind;
	struct arena *arena;
	struct ifname *names;
	size_t n;
};

static void restart_marked(void *arg)
{
	struct find_marked *f = arg;

	f->names = NULL;
	f->n = 0;
}

static int collect_marked(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct find_marked *f = arg;
	struct rt_link link;

	/* A link of somebody else's that we cannot read is none of our business. */
	if (rt_parse_link(nlh, &link, NULL) < 0 || strcmp(link.alias, f->alias) != 0)
		return 0;
	if (f->only_kind ? strcmp(link.kind, f->only_kind) != 0 :
			   strcmp(link.kind, "wireguard") != 0 && strcmp(link.kind, "tun") != 0)
		return 0;
	f->names = arena_grow(f->arena, f->names, f->n, sizeof(*f->names));
	if (!f->names)
		return err_nomem(e);
	f->names[f->n++] = link.name;
	return 0;
}

int rt_marked(struct rt *rt, const char *alias, const char *only_kind, struct arena *a,
	      struct ifname **ret, size_t *ret_n, struct err *e)
{
	struct find_marked f = { .alias = alias, .only_kind = only_kind, .arena = a };
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	put_header(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &nlh);
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart_marked, collect_marked, &f, e) < 0)
		return nl_err(&rt->nl, e, "cannot read the links");
	*ret = f.names;
	*ret_n = f.n;
	return 0;
}

bool kern_userspace_marked(const char *alias)
{
	struct kern_stats unused = { 0 };
	struct ifname *names;
	struct arena a;
	struct rt rt;
	size_t n = 0;

	if (rt_open(&rt, &unused, NULL) < 0)
		return false;
	arena_init(&a);
	if (rt_marked(&rt, alias, "tun", &a, &names, &n, NULL) < 0)
		n = 0;
	arena_release(&a);
	rt_close(&rt);
	return n > 0;
}

/* The name of another interface, for a message. */
static int link_name(struct rt *rt, uint32_t ifindex, struct ifname *ret)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct rt_link link = { 0 };
	struct nlmsghdr *nlh;
	struct ifinfomsg *info = put_header(buf, RTM_GETLINK, 0, sizeof(*info), &nlh);

	info->ifi_index = (int)ifindex;
	if (nl_request(&rt->nl, nlh, collect_link, &link, NULL) < 0)
		return -1;
	*ret = link.name;
	return 0;
}

struct collect {
	struct arena *arena;
	uint32_t ifindex;
	struct ifaddr *addresses;
	size_t n_addresses;
	struct route *routes;
	size_t n_routes;
};

static void restart_addresses(void *arg)
{
	struct collect *c = arg;

	c->addresses = NULL;
	c->n_addresses = 0;
}

static int collect_address(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct collect *c = arg;
	struct ifaddr addr;
	int r = rt_parse_addr(nlh, c->ifindex, &addr, e);

	if (r <= 0)
		return r;
	c->addresses = arena_grow(c->arena, c->addresses, c->n_addresses, sizeof(*c->addresses));
	if (!c->addresses)
		return err_nomem(e);
	c->addresses[c->n_addresses++] = addr;
	return 0;
}

static void restart_routes(void *arg)
{
	struct collect *c = arg;

	c->routes = NULL;
	c->n_routes = 0;
}

static int collect_route(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct collect *c = arg;
	struct rt_route route;
	int r = rt_parse_route(nlh, &route, e);

	if (r <= 0)
		return r;
	if (route.ifindex != c->ifindex || route.protocol != ROUTE_PROTOCOL)
		return 0;
	c->routes = arena_grow(c->arena, c->routes, c->n_routes, sizeof(*c->routes));
	if (!c->routes)
		return err_nomem(e);
	c->routes[c->n_routes++] = (struct route){ route.dst, route.table };
	return 0;
}

/* Kernels since 4.20 look at the filter (strict checking); older ones send all, and the reader
 * sorts out. */
static int dump_addresses(struct rt *rt, struct collect *c, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct ifaddrmsg *info = put_header(buf, RTM_GETADDR, 0, sizeof(*info), &nlh);

	info->ifa_index = c->ifindex;
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart_addresses, collect_address, c, e) < 0)
		return nl_err(&rt->nl, e, "cannot read the addresses");
	return 0;
}

/* The routes of one interface, of ours (table 0), or of one table (ifindex 0). A family that is
 * switched off, or a table nobody used yet, has none. */
static int dump_routes(struct rt *rt, int family, uint32_t ifindex, uint32_t table,
		       void (*restart)(void *arg), nl_message_fn *fn, void *arg, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct rtmsg *info = put_header(buf, RTM_GETROUTE, 0, sizeof(*info), &nlh);

	info->rtm_family = (uint8_t)family;
	info->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	if (table >= 256)
		mnl_attr_put_u32(nlh, RTA_TABLE, table);
	if (ifindex) {
		info->rtm_protocol = ROUTE_PROTOCOL;
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	}
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart, fn, arg, e) < 0 && rt->nl.error != ENOENT &&
	    rt->nl.error != EOPNOTSUPP)
		return nl_err(&rt->nl, e, "cannot read the routes");
	return 0;
}

static void no_restart(void *arg)
{
}

static int cmp_ifaddr(const void *a, const void *b)
{
	return ifaddr_cmp(a, b);
}

static int cmp_route(const void *a, const void *b)
{
	return route_cmp(a, b);
}

int rt_observe(struct rt *rt, const struct ifname *name, struct arena *a, struct rt_link *ret_link,
	       struct observed *o, struct err *e)
{
	struct collect c = { .arena = a };
	struct route *v4;
	size_t n_v4, i, n;

	if (rt_link_get(rt, name, ret_link, e) < 0)
		return -1;
	o->exists = ret_link->exists;
	o->ifindex = ret_link->ifindex;
	o->up = ret_link->up;
	o->hears = ret_link->hears;
	o->mtu = ret_link->mtu;
	memcpy(o->alias, ret_link->alias, sizeof(o->alias));
	if (!o->exists)
		return 0;
	c.ifindex = o->ifindex;
	if (dump_addresses(rt, &c, e) < 0 ||
	    dump_routes(rt, AF_INET, c.ifindex, 0, restart_routes, collect_route, &c, e) < 0)
		return -1;
	v4 = c.routes;
	n_v4 = c.n_routes;
	restart_routes(&c);
	if (dump_routes(rt, AF_INET6, c.ifindex, 0, restart_routes, collect_route, &c, e) < 0)
		return -1;
	for (i = 0; i < n_v4; i++) {
		c.routes = arena_grow(a, c.routes, c.n_routes, sizeof(*c.routes));
		if (!c.routes)
			return err_nomem(e);
		c.routes[c.n_routes++] = v4[i];
	}
	if (c.n_addresses > 1)
		qsort(c.addresses, c.n_addresses, sizeof(*c.addresses), cmp_ifaddr);
	if (c.n_routes > 1)
		qsort(c.routes, c.n_routes, sizeof(*c.routes), cmp_route);
	/* One prefix may have several routes of ours with different metrics; for us it is there or
	 * it is not. */
	for (i = n = 0; i < c.n_routes; i++)
		if (!n || route_cmp(&c.routes[n - 1], &c.routes[i]) != 0)
			c.routes[n++] = c.routes[i];
	o->addresses = c.addresses;
	o->n_addresses = c.n_addresses;
	o->routes = c.routes;
	o->n_routes = n;
	return 0;
}

/* Every link: whose it is and its name. */
struct known_link {
	uint32_t ifindex;
	struct ifname name;
	bool ours;
};

struct find_ways {
	struct arena *arena;
	uint32_t ifindex, table; /* of the interface itself; 0: it is not there */
	struct known_link *links;
	size_t n_links;
	struct way *list;
	size_t n;
};

static void restart_known(void *arg)
{
	struct find_ways *f = arg;

	f->links = NULL;
	f->n_links = 0;
}

static int collect_known(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct find_ways *f = arg;
	struct rt_link link;

	if (rt_parse_link(nlh, &link, NULL) < 0)
		return 0;
	f->links = arena_grow(f->arena, f->links, f->n_links, sizeof(*f->links));
	if (!f->links)
		return err_nomem(e);
	f->links[f->n_links++] = (struct known_link){
		.ifindex = link.ifindex,
		.name = link.name,
		.ours = !strncmp(link.alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)),
	};
	return 0;
}

static int cmp_known(const void *a, const void *b)
{
	uint32_t x = ((const struct known_link *)a)->ifindex,
		 y = ((const struct known_link *)b)->ifindex;

	return x < y ? -1 : x > y;
}

static void restart_ways(void *arg)
{
	struct find_ways *f = arg;

	f->list = NULL;
	f->n = 0;
}

/* Network managers that make the network of an address themselves say one of these. */
static bool of_an_address(uint8_t protocol)
{
	return protocol == RTPROT_KERNEL || protocol == RTPROT_RA || protocol == RTPROT_DHCP;
}

static int add_way(struct find_ways *f, const struct rt_route *route, const struct rt_hop *hop,
		   struct err *e)
{
	struct known_link key = { .ifindex = hop->ifindex }, *link = NULL;
	struct way w = { .dst = route->dst, .via = hop->via };

	if (hop->ifindex && hop->ifindex == f->ifindex)
		return 0;
	if (f->n_links)
		link = bsearch(&key, f->links, f->n_links, sizeof(key), cmp_known);
	if (link) {
		w.dev = link->name;
		w.ours = link->ours;
	}
	w.on_link = !hop->via.family && route->dst.len && of_an_address(route->protocol) &&
		    !(route->dst.family == 6 && route->dst.b[0] == 0xfe &&
		      (route->dst.b[1] & 0xc0) == 0x80);
	f->list = arena_grow(f->arena, f->list, f->n, sizeof(*f->list));
	if (!f->list)
		return err_nomem(e);
	f->list[f->n++] = w;
	return 0;
}

static int collect_ways(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct rt_hop hops[RT_MAX_HOPS];
	struct find_ways *f = arg;
	struct rt_route route;
	int r = rt_parse_route(nlh, &route, e);
	size_t n, i;

	if (r <= 0 || route.table != f->table)
		return r < 0 ? -1 : 0;
	if (rt_parse_hops(nlh, hops, &n, e) < 0)
		return -1;
	for (i = 0; i < n; i++)
		if (add_way(f, &route, &hops[i], e) < 0)
			return -1;
	return 0;
}

int rt_ways(struct rt *rt, const struct ifname *name, uint32_t table, struct arena *a,
	    struct ways *ret, struct err *e)
{
	struct find_ways f = { .arena = a, .table = table };
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct way *v4;
	size_t n_v4, i;

	put_header(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &nlh);
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart_known, collect_known, &f, e) < 0)
		return nl_err(&rt->nl, e, "cannot read the links");
	for (i = 0; i < f.n_links; i++)
		if (!strcmp(f.links[i].name.s, name->s))
			f.ifindex = f.links[i].ifindex;
	if (f.n_links > 1)
		qsort(f.links, f.n_links, sizeof(*f.links), cmp_known);
	if (dump_routes(rt, AF_INET, 0, table, restart_ways, collect_ways, &f, e) < 0)
		return -1;
	v4 = f.list;
	n_v4 = f.n;
	restart_ways(&f);
	if (dump_routes(rt, AF_INET6, 0, table, restart_ways, collect_ways, &f, e) < 0)
		return -1;
	for (i = 0; i < n_v4; i++) {
		f.list = arena_grow(a, f.list, f.n, sizeof(*f.list));
		if (!f.list)
			return err_nomem(e);
		f.list[f.n++] = v4[i];
	}
	*ret = (struct ways){ f.list, f.n };
	return 0;
}

int rt_deafen(const struct ifname *name, struct err *e)
{
	static const char *const settings[] = { "accept_ra", "accept_redirects", "autoconf" };
	char path[64 + IFNAME_SIZE];
	struct err why = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_LEN(settings); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", name->s, settings[i]);
		if (!nl_sys.set(path, "0\n", &why) || why.class == ERR_NOENT)
			continue;
		if (!r && e)
			*e = why;
		r = -1;
	}
	if (r < 0 && e)
		err_suffix(
			e,
			"a peer could turn this host's IPv6 routes to itself; in a container it has "
			"to be set, or made writable, from outside");
	return r;
}

int rt_link_create(struct rt *rt, const struct ifname *name, const char *kind, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	put_header(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg), &nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name->s);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, nest);
	rt->stats->set_messages++;
	rt->stats->bytes_sent += nlh->nlmsg_len;
	if (nl_request(&rt->nl, nlh, NULL, NULL, e) == 0)
		return 0;
	if (rt->nl.error == EOPNOTSUPP)
		return err_set(e, ERR_IO,
			       "cannot create the interface: this kernel knows no links of kind %s",
			       kind);
	return nl_err(&rt->nl, e, "cannot create the interface");
}

int rt_link_delete(struct rt *rt, const struct ifname *name, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	put_header(buf, RTM_DELLINK, 0, sizeof(struct ifinfomsg), &nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name->s);
	rt->stats->set_messages++;
	rt->stats->bytes_sent += nlh->nlmsg_len;
	if (nl_request(&rt->nl, nlh, NULL, NULL, e) < 0 && rt->nl.error != ENODEV)
		return nl_err(&rt->nl, e, "cannot delete the interface");
	return 0;
}

static struct nlmsghdr *build_link(const struct op *op, uint32_t ifindex, const char *alias,
				   void *buf)
{
	struct nlmsghdr *nlh;
	struct ifinfomsg *info = put_header(buf, RTM_SETLINK, 0, sizeof(*info), &nlh);

	info->ifi_index = (int)ifindex;
	if (op->kind == OP_LINK_MTU) {
		mnl_attr_put_u32(nlh, IFLA_MTU, op->number);
	} else if (op->kind == OP_LINK_ALIAS) {
		mnl_attr_put(nlh, IFLA_IFALIAS, strnlen(alias, 255), alias);
	} else {
		info->ifi_flags = IFF_UP;
		info->ifi_change = IFF_UP;
	}
	return nlh;
}

static struct nlmsghdr *build_addr(const struct op *op, uint32_t ifindex, void *buf)
{
	bool add = op->kind == OP_ADDR_ADD, v4 = op->address.addr.family == 4;
	struct nlmsghdr *nlh;
	/* REPLACE: one that the kernel kept against expectation is no error. */
	struct ifaddrmsg *info =
		put_header(buf, add ? RTM_NEWADDR : RTM_DELADDR,
			   add ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof(*info), &nlh);

	info->ifa_family = v4 ? AF_INET : AF_INET6;
	info->ifa_prefixlen = op->address.len;
	info->ifa_index = ifindex;
	/* There is nobody on a tunnel to ask for duplicates, and until asked an address cannot be
	 * used. */
	if (!v4)
		info->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(nlh, IFA_LOCAL, v4 ? 4 : 16, op->address.addr.b);
	mnl_attr_put(nlh, IFA_ADDRESS, v4 ? 4 : 16, op->address.addr.b);
	return nlh;
}

static struct nlmsghdr *build_route(const struct op *op, uint32_t ifindex, void *buf)
{
	bool add = op->kind == OP_ROUTE_ADD, v4 = op->route.dst.family == 4;
	struct nlmsghdr *nlh;
	/* EXCL: a route that somebody else made to the same prefix is never replaced. */
	struct rtmsg *info = put_header(buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
					add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*info), &nlh);

	info->rtm_family = v4 ? AF_INET : AF_INET6;
	info->rtm_dst_len = op->route.dst.len;
	info->rtm_table = op->route.table < 256 ? (uint8_t)op->route.table : RT_TABLE_UNSPEC;
	info->rtm_protocol = ROUTE_PROTOCOL;
	info->rtm_scope = RT_SCOPE_LINK;
	info->rtm_type = RTN_UNICAST;
	mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, op->route.dst.b);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (op->route.table >= 256)
		mnl_attr_put_u32(nlh, RTA_TABLE, op->route.table);
	return nlh;
}

struct nlmsghdr *rt_build(const struct op *op, uint32_t ifindex, const char *alias, void *buf)
{
	switch (op->kind) {
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		return build_addr(op, ifindex, buf);
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		return build_route(op, ifindex, buf);
	default:
		return build_link(op, ifindex, alias, buf);
	}
}

struct refusals {
	const struct op *const *ops; /* of this batch */
	const struct op *first; /* that was refused */
	size_t n;
	int error;
	char text[sizeof(((struct nl *)NULL)->text)];
};

static int refused(size_t index, int error, const char *text, void *arg)
{
	struct refusals *r = arg;
	const struct op *op = r->ops[index];

	/* It has gone already: the kernel takes secondary addresses and the routes of a lost
	 * address away by itself. */
	if ((op->kind == OP_ADDR_DEL && error == EADDRNOTAVAIL) ||
	    (op->kind == OP_ROUTE_DEL && error == ESRCH))
		return 0;
	if (!r->n++) {
		r->first = op;
		r->error = error;
		snprintf(r->text, sizeof(r->text), "%s", text);
	}
	return -1;
}

/* The routes that are wanted, sorted by prefix, and which of them somebody else has. */
struct wanted {
	struct route dst;
	size_t index; /* of the operation */
	bool taken;
	struct rt_route by;
};

struct find_taken {
	struct wanted *list;
	size_t n;
	uint32_t ifindex;
};

static int cmp_wanted(const void *a, const void *b)
{
	return route_cmp(&((const struct wanted *)a)->dst, &((const struct wanted *)b)->dst);
}

static int find_taken(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct find_taken *f = arg;
	struct wanted key = { 0 }, *w;
	int r = rt_parse_route(nlh, &key.by, e);

	if (r <= 0)
		return r;
	if (key.by.ifindex == f->ifindex && key.by.protocol == ROUTE_PROTOCOL)
		return 0;
	key.dst = (struct route){ key.by.dst, key.by.table };
	w = bsearch(&key, f->list, f->n, sizeof(*f->list), cmp_wanted);
	if (w) {
		w->taken = true;
		w->by = key.by;
	}
	return 0;
}

/*
 * The kernel itself would refuse a second route to a prefix only if its metric is the same: with
 * another metric the two would stand side by side, and ours could draw a network away from the
 * interface that it is really on.
 */
static int find_conflicts(struct rt *rt, const struct op *ops, size_t n, uint32_t ifindex,
			  struct arena *a, struct find_taken *ret, struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i, j, f;

	*ret = (struct find_taken){ .ifindex = ifindex };
	for (i = 0; i < n; i++) {
		if (ops[i].kind != OP_ROUTE_ADD)
			continue;
		ret->list = arena_grow(a, ret->list, ret->n, sizeof(*ret->list));
		if (!ret->list)
			return err_nomem(e);
		ret->list[ret->n++] = (struct wanted){ .dst = ops[i].route, .index = i };
	}
	if (!ret->n)
		return 0;
	qsort(ret->list, ret->n, sizeof(*ret->list), cmp_wanted);
	/* Each table of each family once: there are two of them at most. */
	for (f = 0; f < 2; f++)
		for (i = 0; i < ret->n; i++) {
			const struct route *r = &ret->list[i].dst;

			for (j = 0; j < i && (ret->list[j].dst.table != r->table ||
					      ret->list[j].dst.dst.family != r->dst.family);
			     j++)
				;
			if (j == i && (r->dst.family == 4) == (f == 0) &&
			    dump_routes(rt, families[f], 0, r->table, no_restart, find_taken, ret,
					e) < 0)
				return -1;
		}
	return 0;
}

static int conflict(struct rt *rt, const struct route *dst, const struct rt_route *by, size_t more,
		    struct err *e)
{
	char text[PREFIX_STRLEN + 24], others[48] = "", where[64] = "";
	struct ifname name;

	prefix_print(&dst->dst, text);
	if (dst->table != EXIT_TABLE_MAIN)
		snprintf(text + strlen(text), 24, " table %u", dst->table);
	if (more)
		snprintf(others, sizeof(others), ", and %zu more of the kind", more);
	if (by && by->ifindex && link_name(rt, by->ifindex, &name) == 0)
		snprintf(where, sizeof(where), " (through %s)", name.s);
	return err_set(
		e, ERR_CONFLICT,
		"cannot add the route %s: there is one that is not ours%s, and it stays%s: take it away "
		"(ip route del %s), or the prefix out of the network",
		text, where, others, text);
}

static int report(struct rt *rt, const struct refusals *r, struct err *e)
{
	struct buf what;

	if (r->first->kind == OP_ROUTE_ADD && r->error == EEXIST)
		return conflict(rt, &r->first->route, NULL, r->n - 1, e);
	rt->nl.error = r->error;
	snprintf(rt->nl.text, sizeof(rt->nl.text), "%s", r->text);
	buf_init(&what, 256);
	buf_adds(&what, "cannot ");
	op_print(r->first, &what);
	if (r->n > 1)
		buf_addf(&what, " (and %zu more)", r->n - 1);
	nl_err(&rt->nl, e, what.data);
	buf_release(&what);
	return -1;
}

/* One batch from ops[*pos] on, without those to skip. */
static int send_batch(struct rt *rt, const struct op *ops, size_t n, const bool *skip,
		      uint32_t ifindex, const char *alias, size_t *pos, struct err *e)
{
	const struct op *sent[NL_BATCH_SIZE / 32];
	struct refusals r = { .ops = sent };
	uint32_t first_seq = rt->nl.seq + 1;
	struct nlmsghdr *last = NULL;
	size_t used = 0, count = 0;

	for (; *pos < n && used + RT_REQUEST_SIZE <= NL_BATCH_SIZE && count < ARRAY_LEN(sent);
	     (*pos)++) {
		if (skip[*pos])
			continue;
		last = rt_build(&ops[*pos], ifindex, alias, rt->batch + used);
		last->nlmsg_seq = nl_next_seq(&rt->nl);
		sent[count++] = &ops[*pos];
		used += NLMSG_ALIGN(last->nlmsg_len);
	}
	if (!last)
		return 0;
	last->nlmsg_flags |= NLM_F_ACK;
	rt->stats->set_messages += (unsigned int)count;
	rt->stats->bytes_sent += used;
	if (nl_batch(&rt->nl, rt->batch, used, first_seq, count, refused, &r, e) < 0)
		return r.n ? report(rt, &r, e) :
			     nl_err(&rt->nl, e, "cannot change links, addresses or routes");
	return 0;
}

static int apply_all(struct rt *rt, const struct op *ops, size_t n, uint32_t ifindex,
		     const char *alias, struct arena *a, struct err *e)
{
	bool *skip = arena_array(a, n, sizeof(*skip));
	const struct wanted *first = NULL;
	struct find_taken f;
	size_t pos = 0, i, n_taken = 0;

	if (!skip)
		return err_nomem(e);
	if (find_conflicts(rt, ops, n, ifindex, a, &f, e) < 0)
		return -1;
	for (i = 0; i < f.n; i++) {
		if (!f.list[i].taken)
			continue;
		skip[f.list[i].index] = true;
		if (!n_taken++)
			first = &f.list[i];
	}
	while (pos < n)
		if (send_batch(rt, ops, n, skip, ifindex, alias, &pos, e) < 0)
			return -1;
	return first ? conflict(rt, &first->dst, &first->by, n_taken - 1, e) : 0;
}

int rt_apply(struct rt *rt, const struct ifname *name, const struct op *ops, size_t n,
	     const char *alias, struct err *e)
{
	struct rt_link link;
	struct arena a;
	int r;

	if (!n)
		return 0;
	if (rt_link_get(rt, name, &link, e) < 0)
		return -1;
	if (!link.exists)
		return err_set(e, ERR_NOENT, "the interface has gone");
	arena_init(&a);
	r = apply_all(rt, ops, n, link.ifindex, alias, &a, e);
	arena_release(&a);
	return r;
}
