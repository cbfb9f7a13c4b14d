/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/apply.h"

#include <errno.h>

#define MAX_ROUNDS 2

static int observe(struct kern *k, const struct ifname *name, struct arena *a, struct observed *ret,
		   struct err *e)
{
	struct observed o = { 0 };

	if (k->ops->observe(k, name, a, &o, e) < 0)
		return err_prefix(e, "interface %s", name->s);
	*ret = o;
	return 0;
}

/* What `now` counts minus what `before` counted. */
static struct kern_stats stats_since(const struct kern_stats *now, const struct kern_stats *before)
{
	return (struct kern_stats){
		.set_messages = now->set_messages - before->set_messages,
		.wg_messages = now->wg_messages - before->wg_messages,
		.peers_sent = now->peers_sent - before->peers_sent,
		.bytes_sent = now->bytes_sent - before->bytes_sent,
		.dumps = now->dumps - before->dumps,
	};
}

static int not_as_wanted(const struct ifname *name, const struct op *ops, size_t n, struct err *e)
{
	struct buf first;

	buf_init(&first, 400);
	op_print(ops, &first);
	err_set(e, ERR_CONFLICT,
		"interface %s is not as wanted after two attempts: somebody else changes it, or the kernel "
		"does not take it. Left to do: %s%s",
		name->s, buf_ok(&first) ? first.data : "...", n > 1 ? ", and more" : "");
	buf_release(&first);
	return -1;
}

/* *ret is `d` without what would cut the host off. */
static int leave_out(struct kern *k, const struct ifname *name, const struct desired *d,
		     struct arena *a, struct apply_result *result, struct desired *ret,
		     struct err *e)
{
	uint32_t table = lifeline_table(d);
	struct ways main = { 0 }, other = { 0 };
	struct left_out *list = NULL;

	*ret = *d;
	if (!k->ops->ways || (!table && !d->config->node->n_addresses))
		return 0;
	if (k->ops->ways(k, name, EXIT_TABLE_MAIN, a, &main, e) < 0 ||
	    (table && table != EXIT_TABLE_MAIN && k->ops->ways(k, name, table, a, &other, e) < 0) ||
	    lifeline_check(d, &result->before, &main, table == EXIT_TABLE_MAIN ? &main : &other, a,
			   &list, &result->n_refused, e) < 0)
		return err_prefix(e, "interface %s", name->s);
	ret->refused = result->refused = list;
	ret->n_refused = result->n_refused;
	return 0;
}

/* Nothing is left to do on WireGuard itself. */
static bool only_around(const struct op *ops, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ops[i].kind == OP_LINK_CREATE || ops[i].kind == OP_DEVICE ||
		    ops[i].kind == OP_PEER_SET || ops[i].kind == OP_PEER_REMOVE)
			return false;
	return true;
}

/* The kernel says this when the interface comes up, a daemon when it is told the port. */
static void tell_port(const struct kern *k, const struct desired *d, struct err *e)
{
	const struct node *n = d->config->node;
	char text[200];

	if (k->refused != EADDRINUSE || !(n->flags & NODE_HAS_LISTEN_PORT))
		return;
	snprintf(
		text, sizeof(text),
		"UDP port %u is taken on this host (`ss -ulnp sport = :%u` shows by whom): end that, "
		"or give this node another `listen_port`",
		n->listen_port, n->listen_port);
	err_suffix(e, text);
}

static int converge(struct kern *k, const struct ifname *name, const struct desired *whole,
		    const struct config *previous, const struct secret *private_key, int64_t now,
		    struct arena *a, struct apply_result *ret, struct err *e)
{
	const struct config *was = previous;
	struct desired mine, *d = &mine;
	struct err why = { 0 };
	struct op *ops;
	size_t n;

	if (observe(k, name, a, &ret->before, e) < 0 ||
	    leave_out(k, name, whole, a, ret, &mine, e) < 0)
		return -1;
	ret->after = ret->before;
	if (diff_make(&ret->before, d, previous, now, a, &ops, &n, e) < 0)
		return err_prefix(e, "interface %s", name->s);
	ret->ops = ops;
	ret->n_ops = n;
	while (n) {
		int r;

		if (ret->rounds == MAX_ROUNDS) {
			ret->all_but_routes = only_around(ops, n);
			return not_as_wanted(name, ops, n, e);
		}
		ret->rounds++;
		ret->n_changes += n;
		r = k->ops->apply(k, name, ops, n, private_key, d->alias, &why);
		if (r < 0)
			tell_port(k, d, &why);
		/* Whatever it said: part of it may have been done. What is left is found out, not
		 * guessed. */
		if (observe(k, name, a, &ret->after, r < 0 ? NULL : e) < 0) {
			if (r == 0)
				return -1;
			*e = why;
			return err_prefix(e, "interface %s", name->s);
		}
		if (r < 0 && diff_make(&ret->after, d, d->config, now, a, &ops, &n, NULL) == 0)
			ret->all_but_routes = only_around(ops, n);
		if (r < 0 && (ret->rounds == MAX_ROUNDS || why.class == ERR_CONFLICT)) {
			*e = why;
			return err_prefix(e, "interface %s", name->s);
		}
		/* The endpoints were set just now, so one that differs has roamed: the new
		 * configuration is the old one. */
		if (r == 0)
			was = d->config;
		if (diff_make(&ret->after, d, was, now, a, &ops, &n, e) < 0)
			return err_prefix(e, "interface %s", name->s);
	}
	if (ret->n_refused) {
		ret->all_but_routes = true;
		lifeline_error(ret->refused, ret->n_refused, e);
		return err_prefix(e, "interface %s", name->s);
	}
	ret->verified = true;
	return 0;
}

/*
 * One that was made just now and never came up is of no use to anybody, and keeps its addresses
 * from whoever else has them. One that was there before stays, whatever state it is in.
 */
static void take_back(struct kern *k, const struct ifname *name, const char *alias, struct arena *a,
		      struct apply_result *ret)
{
	static const struct op gone = { .kind = OP_LINK_DELETE };
	struct err unused;

	if (ret->before.exists || !ret->after.exists || ret->after.up ||
	    strcmp(ret->after.alias, alias) != 0)
		return;
	ret->n_changes++;
	ret->all_but_routes = false;
	if (!k->ops->apply(k, name, &gone, 1, NULL, alias, &unused))
		(void)observe(k, name, a, &ret->after, &unused);
}

int apply_desired(struct kern *k, const struct ifname *name, const struct desired *d,
		  const struct config *previous, const struct secret *private_key, int64_t now,
		  struct arena *a, struct apply_result *ret, struct err *e)
{
	struct kern_stats before = k->stats;
	struct err unused;
	int r;

	*ret = (struct apply_result){ 0 };
	r = converge(k, name, d, previous, private_key, now, a, ret, e ? e : &unused);
	if (r < 0)
		take_back(k, name, d->alias, a, ret);
	ret->stats = stats_since(&k->stats, &before);
	return r;
}

int apply_plan(struct kern *k, const struct ifname *name, const struct desired *d,
	       const struct config *previous, int64_t now, struct arena *a,
	       struct apply_result *ret, struct err *e)
{
	struct kern_stats before = k->stats;
	struct desired mine;
	int r;

	*ret = (struct apply_result){ 0 };
	r = observe(k, name, a, &ret->before, e);
	if (r == 0)
		r = leave_out(k, name, d, a, ret, &mine, e);
	if (r == 0 &&
	    diff_make(&ret->before, &mine, previous, now, a, &ret->ops, &ret->n_ops, e) < 0)
		r = err_prefix(e, "interface %s", name->s);
	ret->stats = stats_since(&k->stats, &before);
	return r;
}

static int take_down(struct kern *k, const struct ifname *name, const char *alias, struct arena *a,
		     struct apply_result *ret, struct err *e)
{
	struct op *op;

	if (observe(k, name, a, &ret->before, e) < 0)
		return -1;
	ret->after = ret->before;
	if (ret->before.exists) {
		if (!ret->before.is_wireguard || strcmp(ret->before.alias, alias) != 0)
			return err_set(
				e, ERR_CONFLICT,
				"interface %s is not ours (its alias is not \"%s\"), so it stays",
				name->s, alias);
		op = arena_alloc(a, sizeof(*op));
		if (!op)
			return err_nomem(e);
		op->kind = OP_LINK_DELETE;
		ret->ops = op;
		ret->n_ops = ret->n_changes = 1;
		ret->rounds = 1;
		if (k->ops->apply(k, name, op, 1, NULL, alias, e) < 0)
			return err_prefix(e, "interface %s", name->s);
		if (observe(k, name, a, &ret->after, e) < 0)
			return -1;
		if (ret->after.exists)
			return err_set(e, ERR_IO,
				       "interface %s is still there after it was deleted", name->s);
	}
	ret->verified = true;
	return 0;
}

int apply_down(struct kern *k, const struct ifname *name, const char *alias, struct arena *a,
	       struct apply_result *ret, struct err *e)
{
	struct kern_stats before = k->stats;
	int r;

	*ret = (struct apply_result){ 0 };
	r = take_down(k, name, alias, a, ret, e);
	ret->stats = stats_since(&k->stats, &before);
	return r;
}
