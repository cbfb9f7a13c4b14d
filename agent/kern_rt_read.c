/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_rt_impl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "agent/diff.h"

void *rt_put_header(void *buf, uint16_t type, uint16_t flags, size_t size, struct nlmsghdr **ret)
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
	struct ifinfomsg *info = rt_put_header(buf, RTM_GETLINK, 0, sizeof(*info), &nlh);

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

	rt_put_header(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &nlh);
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

int rt_link_name(struct rt *rt, uint32_t ifindex, struct ifname *ret)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct rt_link link = { 0 };
	struct nlmsghdr *nlh;
	struct ifinfomsg *info = rt_put_header(buf, RTM_GETLINK, 0, sizeof(*info), &nlh);

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
	struct ifaddrmsg *info = rt_put_header(buf, RTM_GETADDR, 0, sizeof(*info), &nlh);

	info->ifa_index = c->ifindex;
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart_addresses, collect_address, c, e) < 0)
		return nl_err(&rt->nl, e, "cannot read the addresses");
	return 0;
}

int rt_dump_routes(struct rt *rt, int family, uint32_t ifindex, uint32_t table,
		   void (*restart)(void *arg), nl_message_fn *fn, void *arg, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct rtmsg *info = rt_put_header(buf, RTM_GETROUTE, 0, sizeof(*info), &nlh);

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
	    rt_dump_routes(rt, AF_INET, c.ifindex, 0, restart_routes, collect_route, &c, e) < 0)
		return -1;
	v4 = c.routes;
	n_v4 = c.n_routes;
	restart_routes(&c);
	if (rt_dump_routes(rt, AF_INET6, c.ifindex, 0, restart_routes, collect_route, &c, e) < 0)
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

	rt_put_header(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &nlh);
	rt->stats->dumps++;
	if (nl_dump(&rt->nl, nlh, restart_known, collect_known, &f, e) < 0)
		return nl_err(&rt->nl, e, "cannot read the links");
	for (i = 0; i < f.n_links; i++)
		if (!strcmp(f.links[i].name.s, name->s))
			f.ifindex = f.links[i].ifindex;
	if (f.n_links > 1)
		qsort(f.links, f.n_links, sizeof(*f.links), cmp_known);
	if (rt_dump_routes(rt, AF_INET, 0, table, restart_ways, collect_ways, &f, e) < 0)
		return -1;
	v4 = f.list;
	n_v4 = f.n;
	restart_ways(&f);
	if (rt_dump_routes(rt, AF_INET6, 0, table, restart_ways, collect_ways, &f, e) < 0)
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
