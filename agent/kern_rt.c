/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_rt_impl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "agent/diff.h"

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

	rt_put_header(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg), &nlh);
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

	rt_put_header(buf, RTM_DELLINK, 0, sizeof(struct ifinfomsg), &nlh);
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
	struct ifinfomsg *info = rt_put_header(buf, RTM_SETLINK, 0, sizeof(*info), &nlh);

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
		rt_put_header(buf, add ? RTM_NEWADDR : RTM_DELADDR,
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
	struct rtmsg *info =
		rt_put_header(buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
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

static void no_restart(void *arg)
{
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
			    rt_dump_routes(rt, families[f], 0, r->table, no_restart, find_taken,
					   ret, e) < 0)
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
	if (by && by->ifindex && rt_link_name(rt, by->ifindex, &name) == 0)
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
