/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/kern_rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define DNS_PORT 53

static int malformed(struct err *e)
{
	return err_set(e, ERR_IO, "the kernel's answer is malformed (rule)");
}

static struct nlmsghdr *header(void *buf, uint16_t type, uint16_t flags, unsigned int family,
			       struct fib_rule_hdr **ret)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	*ret = mnl_nlmsg_put_extra_header(nlh, sizeof(**ret));
	(*ret)->family = family == 4 ? AF_INET : AF_INET6;
	return nlh;
}

static uint8_t action_of(const struct exit_rule *r)
{
	if (r->table)
		return FR_ACT_TO_TBL;
	return r->jump ? FR_ACT_GOTO : FR_ACT_NOP;
}

struct nlmsghdr *rule_build(const struct rule_op *op, void *buf)
{
	const struct exit_rule *r = &op->rule;
	struct fib_rule_port_range port = { DNS_PORT, DNS_PORT };
	struct fib_rule_uid_range root = { 0, 0 };
	struct fib_rule_hdr *h;
	/* EXCL: the same rule of somebody else is not taken for ours. */
	struct nlmsghdr *nlh = header(buf, op->add ? RTM_NEWRULE : RTM_DELRULE,
				      op->add ? NLM_F_CREATE | NLM_F_EXCL : 0, r->family, &h);

	h->action = action_of(r);
	h->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	h->src_len = r->from.len;
	h->dst_len = r->to.len;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	if (r->jump)
		mnl_attr_put_u32(nlh, FRA_GOTO, r->jump);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (r->from.len)
		mnl_attr_put(nlh, FRA_SRC, r->family == 4 ? 4 : 16, r->from.b);
	if (r->to.len)
		mnl_attr_put(nlh, FRA_DST, r->family == 4 ? 4 : 16, r->to.b);
	if (r->mark) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, UINT32_MAX);
	}
	if (r->no_default)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, 0);
	if (r->dns) {
		mnl_attr_put_u8(nlh, FRA_IP_PROTO, r->dns);
		mnl_attr_put(nlh, FRA_DPORT_RANGE, sizeof(port), &port);
		mnl_attr_put(nlh, FRA_UID_RANGE, sizeof(root), &root);
	}
	return nlh;
}

/* What a rule has besides what we look for. */
struct extra {
	bool ours, other;
	bool port, uid;
};

static bool has_size(const struct nlattr *a, size_t size)
{
	return mnl_attr_get_payload_len(a) == size;
}

static int take_range(const struct nlattr *a, struct extra *x)
{
	struct fib_rule_port_range port;
	struct fib_rule_uid_range uid;

	if (mnl_attr_get_type(a) == FRA_DPORT_RANGE) {
		if (!has_size(a, sizeof(port)))
			return -1;
		memcpy(&port, mnl_attr_get_payload(a), sizeof(port));
		x->port = true;
		x->other |= port.start != DNS_PORT || port.end != DNS_PORT;
		return 0;
	}
	if (!has_size(a, sizeof(uid)))
		return -1;
	memcpy(&uid, mnl_attr_get_payload(a), sizeof(uid));
	x->uid = true;
	x->other |= uid.start || uid.end;
	return 0;
}

static int take_number(const struct nlattr *a, struct exit_rule *r, struct extra *x)
{
	uint32_t v;

	if (!has_size(a, sizeof(v)))
		return -1;
	v = mnl_attr_get_u32(a);
	switch (mnl_attr_get_type(a)) {
	case FRA_PRIORITY:
		r->priority = v;
		break;
	case FRA_TABLE:
		r->table = v;
		break;
	case FRA_GOTO:
		r->jump = v;
		break;
	case FRA_FWMARK:
		r->mark = v;
		break;
	case FRA_FWMASK:
		x->other |= v && v != UINT32_MAX;
		break;
	default:
		/* All bits set: nothing is suppressed. */
		if (v != UINT32_MAX) {
			r->no_default = !v;
			x->other |= v != 0;
		}
		break;
	}
	return 0;
}

static int take(const struct nlattr *a, size_t size, struct exit_rule *r, struct extra *x)
{
	switch (mnl_attr_get_type(a)) {
	case FRA_PROTOCOL:
	case FRA_IP_PROTO:
		if (!has_size(a, 1))
			return -1;
		if (mnl_attr_get_type(a) == FRA_PROTOCOL)
			x->ours = mnl_attr_get_u8(a) == ROUTE_PROTOCOL;
		else
			r->dns = mnl_attr_get_u8(a);
		return 0;
	case FRA_SRC:
		if (!has_size(a, size))
			return -1;
		memcpy(r->from.b, mnl_attr_get_payload(a), size);
		return 0;
	case FRA_DST:
		if (!has_size(a, size))
			return -1;
		memcpy(r->to.b, mnl_attr_get_payload(a), size);
		return 0;
	case FRA_PRIORITY:
	case FRA_TABLE:
	case FRA_GOTO:
	case FRA_FWMARK:
	case FRA_FWMASK:
	case FRA_SUPPRESS_PREFIXLEN:
		return take_number(a, r, x);
	case FRA_DPORT_RANGE:
	case FRA_UID_RANGE:
		return take_range(a, x);
	case FRA_IIFNAME:
	case FRA_OIFNAME:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_L3MDEV:
	case FRA_SPORT_RANGE:
		/* The group comes with every rule: all bits set for none. */
		x->other |= mnl_attr_get_type(a) != FRA_SUPPRESS_IFGROUP || !has_size(a, 4) ||
			    mnl_attr_get_u32(a) != UINT32_MAX;
		return 0;
	default:
		return 0;
	}
}

int rule_parse(const struct nlmsghdr *nlh, struct exit_rule *ret, struct err *e)
{
	struct exit_rule r = { 0 };
	struct extra x = { 0 };
	struct fib_rule_hdr h;
	const struct nlattr *a;
	const uint8_t *pos;
	size_t left, size;
	int more;

	if (nlh->nlmsg_type != RTM_NEWRULE || nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(h))
		return malformed(e);
	memcpy(&h, mnl_nlmsg_get_payload(nlh), sizeof(h));
	if (h.family != AF_INET && h.family != AF_INET6)
		return 0;
	size = h.family == AF_INET ? 4 : 16;
	pos = (const uint8_t *)mnl_nlmsg_get_payload(nlh) + sizeof(h);
	left = mnl_nlmsg_get_payload_len(nlh) - sizeof(h);
	r.family = size == 4 ? 4 : 6;
	r.table = h.table;
	if (h.src_len > size * 8 || h.dst_len > size * 8)
		return malformed(e);
	r.from.family = (uint8_t)r.family;
	r.from.len = h.src_len;
	r.to.family = (uint8_t)r.family;
	r.to.len = h.dst_len;
	while ((more = nl_attr_next(&pos, &left, &a)) > 0)
		if (take(a, size, &r, &x) < 0)
			return malformed(e);
	if (more < 0)
		return malformed(e);
	if (!x.ours)
		return 0;
	x.other |= h.action != action_of(&r) || (r.table && r.jump) || h.tos ||
		   h.flags & FIB_RULE_INVERT;
	/* All of the three, or none. */
	x.other |= x.port != !!r.dns || x.uid != !!r.dns || (r.dns && r.dns != 6 && r.dns != 17);
	if (x.other)
		return 0;
	*ret = r;
	return 1;
}

struct collect {
	struct arena *arena;
	uint32_t first, n_priorities;
	struct exit_rule *list;
	size_t n, kept; /* kept: of the families before */
};

static void restart(void *arg)
{
	struct collect *c = arg;

	c->n = c->kept;
}

static int collect(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct collect *c = arg;
	struct exit_rule r, *grown;
	int is = rule_parse(nlh, &r, e);

	if (is <= 0 || r.priority - c->first >= c->n_priorities)
		return is < 0 ? -1 : 0;
	grown = arena_grow(c->arena, c->list, c->n, sizeof(*grown));
	if (!grown)
		return err_nomem(e);
	c->list = grown;
	c->list[c->n++] = r;
	return 0;
}

static int cmp_rules(const void *a, const void *b)
{
	return exit_rule_cmp(a, b);
}

int rule_list(struct rt *rt, uint32_t first, uint32_t n, struct arena *a, struct rules_seen *ret,
	      struct err *e)
{
	struct collect c = { .arena = a, .first = first, .n_priorities = n };
	struct rules_seen seen = { .n = 0 };
	size_t f;

	for (f = 0; f < 2; f++) {
		char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
		struct fib_rule_hdr *h;
		struct nlmsghdr *nlh = header(buf, RTM_GETRULE, 0, f ? 6 : 4, &h);

		c.kept = c.n;
		rt->stats->dumps++;
		if (!nl_dump(&rt->nl, nlh, restart, collect, &c, e))
			continue;
		if (rt->nl.error != EAFNOSUPPORT && rt->nl.error != EOPNOTSUPP)
			return nl_err(&rt->nl, e, "cannot read the policy rules");
		/* The kernel does without this family. */
		c.n = c.kept;
	}
	if (c.n > 1)
		qsort(c.list, c.n, sizeof(*c.list), cmp_rules);
	seen.list = c.list;
	seen.n = c.n;
	*ret = seen;
	return 0;
}

static int refused(struct rt *rt, const struct rule_op *op, struct err *e)
{
	struct buf what;

	buf_init(&what, 512);
	buf_addf(&what, "cannot %s the policy rule: ", op->add ? "add" : "remove");
	exit_rule_print(&op->rule, &what);
	nl_err(&rt->nl, e, buf_ok(&what) ? what.data : "cannot change a policy rule");
	buf_release(&what);
	return -1;
}

int rule_set(struct rt *rt, const struct rule_op *ops, size_t n, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	size_t i;

	for (i = 0; i < n; i++) {
		struct nlmsghdr *nlh = rule_build(&ops[i], buf);

		rt->stats->set_messages++;
		rt->stats->bytes_sent += nlh->nlmsg_len;
		if (nl_request(&rt->nl, nlh, NULL, NULL, e) < 0 &&
		    !(!ops[i].add && rt->nl.error == ENOENT))
			return refused(rt, &ops[i], e);
	}
	return 0;
}

static int take_way(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	uint32_t *ifindex = arg;
	struct rt_route r;
	struct rtmsg m;

	if (nlh->nlmsg_type != RTM_NEWROUTE || nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(m))
		return malformed(e);
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	/* IPv6 tells of no way by a route of its own. */
	*ifindex = 0;
	if (m.rtm_type != RTN_UNICAST)
		return 0;
	if (rt_parse_route(nlh, &r, e) < 0)
		return -1;
	*ifindex = r.ifindex;
	return 0;
}

int rule_way(struct rt *rt, const struct ipaddr *to, uint32_t *ret_ifindex, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *m;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->rtm_family = to->family == 4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = to->family == 4 ? 32 : 128;
	mnl_attr_put(nlh, RTA_DST, to->family == 4 ? 4 : 16, to->b);
	*ret_ifindex = 0;
	if (!nl_request(&rt->nl, nlh, take_way, ret_ifindex, e))
		return 0;
	switch (rt->nl.error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EACCES:
	case EINVAL:
		return 0;
	default:
		return nl_err(&rt->nl, e, "cannot ask for a way");
	}
}
