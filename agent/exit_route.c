/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/exit_route.h"

#include "agent/diff.h"

static bool has_prefix(const struct prefix *list, size_t n, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!prefix_cmp(&list[i], p))
			return true;
	return false;
}

static bool has_route(const struct observed *o, const struct route *r)
{
	size_t i;

	for (i = 0; i < o->n_routes; i++)
		if (!route_cmp(&o->routes[i], r))
			return true;
	return false;
}

static const struct observed_peer *find_exit(const struct observed *o, const struct config *c)
{
	size_t i, j;

	for (i = 0; i < c->n_peers; i++) {
		if (strcmp(c->peers[i].name, c->node->exit) != 0)
			continue;
		for (j = 0; j < o->n_peers; j++)
			if (!wgkey_cmp(&o->peers[j].key, &c->peers[i].key))
				return &o->peers[j];
	}
	return NULL;
}

/* When they change, the kernel may take routes away with them. */
static bool same_addresses(const struct observed *o, const struct node *n)
{
	size_t i;

	if (o->n_addresses != n->n_addresses)
		return false;
	for (i = 0; i < n->n_addresses; i++)
		if (ifaddr_cmp(&o->addresses[i], &n->addresses[i]))
			return false;
	return true;
}

bool exit_tunnel_is_there(const struct observed *o, const struct config *c)
{
	const struct observed_peer *exit;
	struct prefix defaults[2];
	size_t i, n;

	if (!c || !exit_routed(c->node) || !o->exists || !o->is_wireguard || !o->up ||
	    o->fwmark != c->node->fwmark || !same_addresses(o, c->node))
		return false;
	exit = find_exit(o, c);
	/* Its name, when it could not be looked up yet, would be asked for through the tunnel. */
	if (!exit || !exit->endpoint.family)
		return false;
	n = exit_defaults(c->node, defaults);
	for (i = 0; i < n; i++) {
		struct route r = { defaults[i], exit_table(c->network) };

		if (!has_prefix(exit->allowed_ips, exit->n_allowed_ips, &defaults[i]) ||
		    !has_route(o, &r))
			return false;
	}
	return true;
}

static bool has_rule(const struct exit_rule *list, size_t n, const struct exit_rule *r)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!exit_rule_cmp(&list[i], r))
			return true;
	return false;
}

/* Some rule leads into another network's tunnel. */
static bool foreign(const struct rules_seen *seen, uint32_t table)
{
	size_t i;

	for (i = 0; i < seen->n; i++)
		if (exit_rule_leads(&seen->list[i]) && seen->list[i].table != table)
			return true;
	return false;
}

int exit_plan_make(const struct rules_seen *seen, const struct config *c, const char *network,
		   bool there, struct arena *a, struct exit_plan *ret, struct err *e)
{
	struct exit_rule want[MAX_EXIT_RULES];
	struct rule_op *before = arena_array(a, seen->n, sizeof(*before)), *after;
	size_t n_want = c ? exit_rules(network, c->node, want) : 0, n_before = 0, n_after = 0, i;
	int pass;

	after = arena_array(a, n_want, sizeof(*after));
	if (!before || !after)
		return err_nomem(e);
	*ret = (struct exit_plan){ .before = before, .after = after };
	if (foreign(seen, exit_table(network)))
		return !n_want ?
			       0 :
			       err_set(e, ERR_CONFLICT,
				       "another network on this host has its policy rules at priority %u: "
				       "let one of the two do without `exit_node`, or with a `table`",
				       exit_priority(network));
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < seen->n; i++) {
			const struct exit_rule *r = &seen->list[i];

			if (exit_rule_leads(r) != (pass == 0))
				continue;
			if (!has_rule(want, n_want, r) || (exit_rule_leads(r) && !there))
				before[n_before++] = (struct rule_op){ false, *r };
		}
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < n_want; i++) {
			const struct exit_rule *r = &want[i];
			bool gone = !there && exit_rule_leads(r);

			if (exit_rule_leads(r) != (pass == 1))
				continue;
			if (gone || !has_rule(seen->list, seen->n, r))
				after[n_after++] = (struct rule_op){ true, *r };
		}
	ret->n_before = n_before;
	ret->n_after = n_after;
	return 0;
}

static int look(struct kern *k, const char *network, struct arena *a, struct rules_seen *ret,
		bool *ret_others, struct err *e)
{
	uint32_t first = exit_priority(network);
	struct rules_seen all;
	struct exit_rule *own;
	size_t n = 0, i;

	if (k->ops->rules(k, EXIT_ALL_FIRST, EXIT_ALL_PRIORITIES, a, &all, e) < 0)
		return -1;
	own = arena_array(a, all.n, sizeof(*own));
	if (!own)
		return err_nomem(e);
	*ret_others = foreign(&all, exit_table(network));
	for (i = 0; i < all.n; i++)
		if (all.list[i].priority - first < EXIT_PRIORITIES)
			own[n++] = all.list[i];
	*ret = (struct rules_seen){ own, n };
	return 0;
}

int exit_look(struct kern *k, const struct config *c, const char *network,
	      const struct ifname *interface, struct arena *a, struct exit_result *ret,
	      struct err *e)
{
	bool wanted = c && exit_routed(c->node);
	struct observed o = { 0 };
	struct rules_seen seen;

	*ret = (struct exit_result){ .others = true };
	if (look(k, network, a, &seen, &ret->others, e) < 0)
		return -1;
	if (wanted && seen.n && k->ops->observe(k, interface, a, &o, e) < 0)
		return err_prefix(e, "interface %s", interface->s);
	return exit_plan_make(&seen, c, network, wanted && exit_tunnel_is_there(&o, c), a,
			      &ret->plan, e);
}

int exit_before(struct kern *k, struct exit_result *ret, struct err *e)
{
	ret->sets += (unsigned int)ret->plan.n_before;
	if (k->ops->set_rules(k, ret->plan.before, ret->plan.n_before, e) < 0)
		return -1;
	ret->verified = !ret->plan.n_before && !ret->plan.n_after;
	return 0;
}

static int not_as_wanted(const struct exit_plan *p, struct err *e)
{
	struct buf first;

	buf_init(&first, 400);
	exit_op_print(p->n_before ? p->before : p->after, &first);
	err_set(e, ERR_CONFLICT,
		"the policy rules are not as wanted: somebody else changes them, or the kernel does not take "
		"them. Left to do: %s%s",
		buf_ok(&first) ? first.data : "...",
		p->n_before + p->n_after > 1 ? ", and more" : "");
	buf_release(&first);
	return -1;
}

/*
 * Far from any network that a host has a route of its own for: in either half of IPv4, which are
 * what takes everything without being a default route.
 */
static const struct ipaddr outside[] = {
	{ 4, { 12, 0, 0, 1 } },
	{ 4, { 198, 41, 0, 4 } },
	{ 6, { 0x26, 0x00, [15] = 1 } },
};

/* A rule before ours, or a route in the main table, may be somebody else's. */
static void ask_ways(struct kern *k, const struct node *n, const struct observed *o,
		     struct exit_result *ret)
{
	struct prefix defaults[2];
	size_t n_defaults = exit_defaults(n, defaults), i, f;
	uint32_t by;

	for (i = 0; i < ARRAY_LEN(outside); i++)
		for (f = 0; f < n_defaults; f++) {
			if (defaults[f].family != outside[i].family)
				continue;
			if (k->ops->way(k, &outside[i], &by, NULL) < 0)
				return;
			if (by != o->ifindex) {
				ret->elsewhere = outside[i];
				return;
			}
		}
	ret->all = true;
}

int exit_after(struct kern *k, const struct config *c, const char *network,
	       const struct observed *o, struct arena *a, struct exit_result *ret, struct err *e)
{
	bool wanted = c && exit_routed(c->node), there = wanted && exit_tunnel_is_there(o, c);
	struct rules_seen seen;
	struct exit_plan p;
	bool others;

	if (ret->verified && there == wanted)
		return 0;
	ret->verified = false;
	if (look(k, network, a, &seen, &others, e) < 0 ||
	    exit_plan_make(&seen, c, network, there, a, &p, e) < 0)
		return -1;
	ret->sets += (unsigned int)p.n_before;
	if (k->ops->set_rules(k, p.before, p.n_before, e) < 0)
		return -1;
	/* Why it is not there was told. */
	if (there != wanted)
		return 0;
	if (p.n_before || p.n_after) {
		ret->sets += (unsigned int)p.n_after;
		if (k->ops->set_rules(k, p.after, p.n_after, e) < 0 ||
		    look(k, network, a, &seen, &others, e) < 0 ||
		    exit_plan_make(&seen, c, network, there, a, &p, e) < 0)
			return -1;
		if (p.n_before || p.n_after)
			return not_as_wanted(&p, e);
	}
	ret->verified = true;
	if (wanted && ret->sets)
		ask_ways(k, c->node, o, ret);
	return 0;
}

void exit_op_print(const struct rule_op *op, struct buf *out)
{
	buf_addf(out, "%s the IPv%u rule ", op->add ? "add" : "remove", op->rule.family);
	exit_rule_print(&op->rule, out);
}
