/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The back end for WireGuard in the kernel: generic netlink for WireGuard itself, rtnetlink for the
 * rest. */
#include <errno.h>

#include "agent/kern_rt.h"
#include "agent/kern_rule.h"
#include "agent/kern_wg.h"
#include "agent/nl.h"

struct kernel {
	struct kern k;
	struct nl genl;
	struct rt rt;
	uint16_t family; /* of WireGuard; 0 until looked up */
	uint8_t *msg; /* WG_MESSAGE_SIZE */
};

static int collect_family(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	return wg_parse_family(nlh, arg, e);
}

/*
 * Asking for the family by name is also what loads the module: the kernel requests it by the alias
 * that the module has for that. So nothing needs to be made and taken away again to find out.
 */
static int find_family(struct nl *nl, uint16_t *ret, struct err *e)
{
	char buf[256] __attribute__((aligned(8)));

	*ret = 0;
	if (nl_request(nl, wg_build_family(buf), collect_family, ret, e) < 0) {
		if (nl->error == ENOENT)
			return err_set(e, ERR_NOENT,
				       "this kernel has no WireGuard (module wireguard)");
		return nl_err(nl, e, "cannot look for WireGuard in the kernel");
	}
	return *ret ? 0 : err_set(e, ERR_NOENT, "this kernel has no WireGuard (module wireguard)");
}

bool kern_kernel_available(void)
{
	struct nl nl;
	uint16_t family;
	bool found;

	if (nl_open(&nl, NETLINK_GENERIC, NULL) < 0)
		return false;
	found = find_family(&nl, &family, NULL) == 0;
	nl_close(&nl);
	return found;
}

struct dump {
	struct wg_reader reader;
	struct arena *arena;
	struct observed *o;
};

static void restart_dump(void *arg)
{
	struct dump *d = arg;

	wg_reader_init(&d->reader, d->arena, d->o);
}

static int collect_dump(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct dump *d = arg;

	return wg_reader_message(&d->reader, nlh, e);
}

static int kernel_observe(struct kern *k, const struct ifname *name, struct arena *a,
			  struct observed *ret, struct err *e)
{
	struct kernel *kk = (struct kernel *)k;
	struct dump d = { .arena = a, .o = ret };
	char buf[256] __attribute__((aligned(8)));
	struct rt_link link;
	int r;

	*ret = (struct observed){ 0 };
	if (rt_observe(&kk->rt, name, a, &link, ret, e) < 0)
		return -1;
	ret->is_wireguard = strcmp(link.kind, "wireguard") == 0;
	if (!ret->is_wireguard)
		return 0;
	k->stats.dumps++;
	r = nl_dump(&kk->genl, wg_build_get(kk->family, name, buf), restart_dump, collect_dump, &d,
		    e);
	/* The private key and the preshared keys were in there. */
	nl_wipe(&kk->genl);
	if (r < 0)
		return nl_err(&kk->genl, e, "cannot read the WireGuard interface");
	return wg_reader_finish(&d.reader, e);
}

static int apply_wg(struct kernel *kk, const struct ifname *name, const struct op *ops, size_t n,
		    const struct secret *private_key, struct err *e)
{
	struct wg_cursor c = { .ops = ops, .n = n };
	char key[KEY_STRLEN];
	struct nlmsghdr *nlh;

	while (c.pos < n) {
		const struct op *first = &ops[c.pos];
		unsigned int len;
		int r;

		if (wg_build_set(&c, kk->family, name, private_key, kk->msg, WG_MESSAGE_SIZE, &nlh,
				 e) < 0)
			return -1;
		len = nlh->nlmsg_len;
		kk->k.stats.set_messages++;
		kk->k.stats.wg_messages++;
		kk->k.stats.peers_sent += c.peers;
		kk->k.stats.bytes_sent += len;
		r = nl_request(&kk->genl, nlh, NULL, NULL, e);
		secret_wipe(kk->msg, len);
		if (r == 0)
			continue;
		/* A refusal may quote the request. */
		nl_wipe(&kk->genl);
		if (first->kind == OP_DEVICE)
			return nl_err(&kk->genl, e, "cannot set the WireGuard interface");
		nl_err(&kk->genl, e,
		       c.peers == 1 ? "cannot set the peer" :
				      "cannot set the peers from this one on");
		return err_prefix(e, "%s",
				  first->name ? first->name : wgkey_print(&first->key, key));
	}
	return 0;
}

static int delete_link(struct kernel *kk, const struct ifname *name, struct err *e)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = wg_build_remove_all(kk->family, name, buf);

	/*
	 * Deleting a link with peers costs a grace period for each of them (17 s for 1,000 on
	 * Linux 6.1); taking them all away first costs one for all.
	 */
	kk->k.stats.set_messages++;
	kk->k.stats.wg_messages++;
	kk->k.stats.bytes_sent += nlh->nlmsg_len;
	/* A userspace device that we made before has none of its peers in the kernel. */
	if (nl_request(&kk->genl, nlh, NULL, NULL, e) < 0 && kk->genl.error != ENODEV &&
	    kk->genl.error != EOPNOTSUPP)
		return nl_err(&kk->genl, e, "cannot remove the peers");
	return rt_link_delete(&kk->rt, name, e);
}

static bool wg_op(enum op_kind kind)
{
	return kind == OP_DEVICE || kind == OP_PEER_REMOVE || kind == OP_PEER_SET;
}

static int kernel_apply(struct kern *k, const struct ifname *name, const struct op *ops, size_t n,
			const struct secret *private_key, const char *alias, struct err *e)
{
	static const struct op mark = { .kind = OP_LINK_ALIAS };
	struct kernel *kk = (struct kernel *)k;
	struct err heard = { 0 };
	size_t i = 0, end;
	int r;

	k->refused = 0;
	for (; i < n; i = end) {
		end = i + 1;
		if (ops[i].kind == OP_LINK_CREATE) {
			r = rt_link_create(&kk->rt, name, "wireguard", e);
			if (r == 0)
				r = rt_apply(&kk->rt, name, &mark, 1, alias, e);
			/* Told when it matters: see OP_LINK_DEAF. */
			(void)rt_deafen(name, NULL);
		} else if (ops[i].kind == OP_LINK_DEAF) {
			r = 0;
			(void)rt_deafen(name, &heard);
		} else if (ops[i].kind == OP_LINK_DELETE) {
			r = delete_link(kk, name, e);
		} else if (wg_op(ops[i].kind)) {
			while (end < n && wg_op(ops[end].kind))
				end++;
			r = apply_wg(kk, name, ops + i, end - i, private_key, e);
		} else {
			while (end < n && rt_op(ops[end].kind))
				end++;
			r = rt_apply(&kk->rt, name, ops + i, end - i, alias, e);
		}
		if (r < 0) {
			k->refused = wg_op(ops[i].kind) ? kk->genl.error : kk->rt.nl.error;
			return -1;
		}
	}
	if (!heard.class)
		return 0;
	if (e)
		*e = heard;
	return -1;
}

static int kernel_marked(struct kern *k, const char *alias, struct arena *a, struct ifname **ret,
			 size_t *ret_n, struct err *e)
{
	return rt_marked(&((struct kernel *)k)->rt, alias, NULL, a, ret, ret_n, e);
}

static int kernel_ways(struct kern *k, const struct ifname *name, uint32_t table, struct arena *a,
		       struct ways *ret, struct err *e)
{
	return rt_ways(&((struct kernel *)k)->rt, name, table, a, ret, e);
}

static int kernel_rules(struct kern *k, uint32_t first, uint32_t n, struct arena *a,
			struct rules_seen *ret, struct err *e)
{
	return rule_list(&((struct kernel *)k)->rt, first, n, a, ret, e);
}

static int kernel_set_rules(struct kern *k, const struct rule_op *ops, size_t n, struct err *e)
{
	return rule_set(&((struct kernel *)k)->rt, ops, n, e);
}

static int kernel_way(struct kern *k, const struct ipaddr *to, uint32_t *ret_ifindex, struct err *e)
{
	return rule_way(&((struct kernel *)k)->rt, to, ret_ifindex, e);
}

static void kernel_free(struct kern *k)
{
	struct kernel *kk = (struct kernel *)k;

	if (!kk)
		return;
	nl_close(&kk->genl);
	rt_close(&kk->rt);
	free(kk->msg);
	free(kk);
}

static const struct kern_ops kernel_ops = {
	.name = "kernel",
	.observe = kernel_observe,
	.apply = kernel_apply,
	.rules = kernel_rules,
	.set_rules = kernel_set_rules,
	.ways = kernel_ways,
	.way = kernel_way,
	.marked = kernel_marked,
	.free = kernel_free,
};

struct kern *kern_kernel_new(struct err *e)
{
	struct kernel *kk = calloc(1, sizeof(*kk));

	if (!kk) {
		err_nomem(e);
		return NULL;
	}
	kk->k.ops = &kernel_ops;
	kk->msg = malloc(WG_MESSAGE_SIZE);
	if (!kk->msg) {
		err_nomem(e);
		goto fail;
	}
	if (nl_open(&kk->genl, NETLINK_GENERIC, e) < 0 ||
	    find_family(&kk->genl, &kk->family, e) < 0 || rt_open(&kk->rt, &kk->k.stats, e) < 0)
		goto fail;
	return &kk->k;
fail:
	kernel_free(&kk->k);
	return NULL;
}
