/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/ruleset.h"

#include "common/limits.h"
#include "publication/expand.h"

/* nft takes comments of at most 128 bytes, the NUL among them. */
#define MAX_COMMENT 127

struct writer {
	const struct ruleset *r;
	struct buf *out;
	bool lines;
	size_t n_interfaces;
	unsigned int depth;
};

void ruleset_add_interface(struct ruleset *r, const char *interface)
{
	size_t i;

	for (i = 0; i < r->n_interfaces; i++)
		if (!strcmp(r->interfaces[i], interface))
			return;
	if (r->n_interfaces < RULESET_INTERFACES)
		r->interfaces[r->n_interfaces++] = interface;
}

void ruleset_add_policy(struct ruleset *r, const struct policy *p)
{
	size_t i;

	for (i = 0; i < r->n_policies; i++)
		if (policy_equal(r->policies[i], p))
			return;
	if (p->guarded && r->n_policies < RULESET_POLICIES)
		r->policies[r->n_policies++] = p;
}

static bool is_exit(const struct node *n)
{
	size_t i;

	for (i = 0; i < n->n_masquerade; i++)
		if (!n->masquerade[i].len)
			return true;
	return false;
}

void ruleset_of(const struct config *c, const char *interface, struct ruleset *ret)
{
	*ret = (struct ruleset){ .network = c->network,
				 .links = c->links,
				 .n_links = c->n_links,
				 .masquerade = c->node->masquerade,
				 .n_masquerade = c->node->n_masquerade,
				 .except = c->node->except,
				 .n_except = c->node->n_except,
				 .is_exit = is_exit(c->node),
				 .behind = c->policy.behind,
				 .n_behind = c->policy.n_behind };
	ruleset_add_interface(ret, interface);
	ruleset_add_policy(ret, &c->policy);
}

/* ---- layout ---- */

static void indent(struct writer *w)
{
	unsigned int i;

	if (!w->lines) {
		if (w->depth)
			buf_addc(w->out, ' ');
		return;
	}
	for (i = 0; i < w->depth; i++)
		buf_addc(w->out, '\t');
}

static void end_line(struct writer *w)
{
	buf_addc(w->out, w->lines ? '\n' : ';');
}

static void line(struct writer *w, const char *text)
{
	indent(w);
	buf_adds(w->out, text);
	end_line(w);
}

static void open_block(struct writer *w, const char *head)
{
	indent(w);
	buf_addf(w->out, "%s {", head);
	if (w->lines)
		buf_addc(w->out, '\n');
	w->depth++;
}

static void close_block(struct writer *w)
{
	w->depth--;
	if (!w->lines)
		buf_addc(w->out, ' ');
	else
		indent(w);
	buf_addc(w->out, '}');
	if (w->lines)
		buf_addc(w->out, '\n');
	else if (w->depth)
		buf_addc(w->out, ';');
}

/* ---- pieces ---- */

static size_t count_family(const struct prefix *list, size_t n, unsigned int family)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += list[i].family == family;
	return count;
}

/* An address alone is written without its length. */
static void add_prefix(struct writer *w, const struct prefix *p)
{
	char text[PREFIX_STRLEN];

	prefix_print(p, text);
	if (p->len == family_bits(p->family))
		*strchr(text, '/') = '\0';
	buf_adds(w->out, text);
}

/* Those of one family; a default route is no address. */
static void add_list(struct writer *w, const struct prefix *list, size_t n, unsigned int family)
{
	bool any = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i].family != family || !list[i].len)
			continue;
		buf_adds(w->out, any ? ", " : "");
		add_prefix(w, &list[i]);
		any = true;
	}
}

/* "10.0.0.1" or "{ 10.0.0.1, 10.0.0.2 }" */
static void add_prefixes(struct writer *w, const struct prefix *list, size_t n, unsigned int family)
{
	bool braces = count_family(list, n, family) > 1, any = false;
	size_t i;

	buf_adds(w->out, braces ? "{ " : "");
	for (i = 0; i < n; i++) {
		if (list[i].family != family)
			continue;
		buf_adds(w->out, any ? ", " : "");
		add_prefix(w, &list[i]);
		any = true;
	}
	buf_adds(w->out, braces ? " }" : "");
}

/* From 0; NULL behind the last. */
static const char *interface_at(const struct ruleset *r, size_t i)
{
	if (i < r->n_interfaces)
		return r->interfaces[i];
	i -= r->n_interfaces;
	return i < r->n_links ? r->links[i].node->interface.s : NULL;
}

static bool left_out(const struct ruleset *r, const char *interface)
{
	size_t i;

	for (i = 0; i < r->n_without; i++)
		if (!strcmp(r->without[i].s, interface))
			return true;
	return false;
}

static size_t count_interfaces(const struct ruleset *r)
{
	const char *name;
	size_t i, n = 0;

	for (i = 0; (name = interface_at(r, i)); i++)
		n += !left_out(r, name);
	return n;
}

static void add_interfaces(struct writer *w)
{
	bool braces = w->n_interfaces > 1, any = false;
	const char *name;
	size_t i;

	buf_adds(w->out, braces ? "{ " : "");
	for (i = 0; (name = interface_at(w->r, i)); i++) {
		if (left_out(w->r, name))
			continue;
		buf_addf(w->out, "%s\"%s\"", any ? ", " : "", name);
		any = true;
	}
	buf_adds(w->out, braces ? " }" : "");
}

static const char *ip(unsigned int family)
{
	return family == 4 ? "ip" : "ip6";
}

static const char *original(bool asked)
{
	return asked ? "ct original " : "";
}

/* ---- policy ---- */

/* "from2v6"; of the second policy "also2v6" */
static void set_name(size_t policy, size_t source, unsigned int family, char out[static 40])
{
	snprintf(out, 40, "%s%zuv%u", policy ? "also" : "from", source + 1, family);
}

static void add_sets(struct writer *w, size_t policy)
{
	const struct policy *p = w->r->policies[policy];
	char name[40], head[48];
	unsigned int family;
	size_t i;

	for (i = 0; i < p->n_sources; i++) {
		const struct party *s = &p->sources[i];

		for (family = 4; family <= 6; family += 2) {
			if (count_family(s->prefixes, s->n, family) < 2)
				continue;
			set_name(policy, i, family, name);
			snprintf(head, sizeof(head), "set %s", name);
			open_block(w, head);
			line(w, family == 4 ? "type ipv4_addr" : "type ipv6_addr");
			line(w, "flags interval");
			indent(w);
			buf_adds(w->out, "elements = ");
			add_prefixes(w, s->prefixes, s->n, family);
			end_line(w);
			close_block(w);
		}
	}
}

/* The end of the services that begin at `i` and stand in one rule: those of one kind. */
static size_t same_kind(const struct policy_rule *rule, size_t i, bool asked)
{
	size_t end = i + 1;

	while (!asked && end < rule->n_services &&
	       rule->services[end].kind == rule->services[i].kind)
		end++;
	return end;
}

/* One at a time: nft 1.0 cannot print a set of them. */
static void add_asked_service(struct writer *w, const struct service *s)
{
	buf_addf(w->out, "meta l4proto %d ct original proto-dst %u",
		 s->kind == SERVICE_TCP ? 6 : 17, s->first);
	if (s->last > s->first)
		buf_addf(w->out, "-%u", s->last);
	buf_addc(w->out, ' ');
}

static void add_services(struct writer *w, const struct service *s, size_t n, unsigned int family,
			 bool asked)
{
	bool tcp = s->kind == SERVICE_TCP;
	size_t i;

	if (s->kind == SERVICE_ANY)
		return;
	/* Numbers of IANA: the names are looked up in /etc/protocols, which a small host has not.
	 */
	if (s->kind == SERVICE_ICMP) {
		buf_addf(w->out, "meta l4proto %d ", family == 4 ? 1 : 58);
		return;
	}
	if (s->first == 1 && s->last == 65535) {
		buf_addf(w->out, "meta l4proto %d ", tcp ? 6 : 17);
		return;
	}
	if (asked) {
		add_asked_service(w, s);
		return;
	}
	buf_addf(w->out, "%s dport %s", tcp ? "tcp" : "udp", n > 1 ? "{ " : "");
	for (i = 0; i < n; i++) {
		buf_addf(w->out, "%s%u", i ? ", " : "", s[i].first);
		if (s[i].last > s[i].first)
			buf_addf(w->out, "-%u", s[i].last);
	}
	buf_adds(w->out, n > 1 ? " } " : " ");
}

static void add_source(struct writer *w, size_t policy, const struct party *s, unsigned int family)
{
	char name[40];

	if (count_family(s->prefixes, s->n, family) < 2) {
		add_prefixes(w, s->prefixes, s->n, family);
		return;
	}
	set_name(policy, (size_t)(s - w->r->policies[policy]->sources), family, name);
	buf_addf(w->out, "@%s", name);
}

/*
 * Not for this host, not back into the network, for none of the networks behind the node. The first
 * two are told apart because the same rules are asked at every hook.
 */
static void add_outside(struct writer *w, const struct policy *p, unsigned int family, bool asked)
{
	/* What was sent to the node is not outside, wherever the host sends it on to. */
	if (!asked)
		buf_adds(w->out, "ct status ! dnat ");
	buf_adds(w->out, "fib daddr type != local oifname != ");
	add_interfaces(w);
	buf_addc(w->out, ' ');
	if (count_family(p->behind, p->n_behind, family)) {
		buf_addf(w->out, "%s%s daddr != { ", original(asked), ip(family));
		add_list(w, p->behind, p->n_behind, family);
		buf_adds(w->out, " } ");
	}
}

/* `asked`: by what the packet was sent to, where the host has translated that. */
static void add_rule(struct writer *w, size_t policy, const struct policy_rule *rule,
		     unsigned int family, bool asked)
{
	char comment[MAX_COMMENT + 1];
	size_t i, end;

	bool outside;

	if (!count_family(rule->from->prefixes, rule->from->n, family) ||
	    !count_family(rule->to->prefixes, rule->to->n, family))
		return;
	outside = !rule->to->prefixes[0].len;
	snprintf(comment, sizeof(comment), "%s to %s", rule->from->name, rule->to->name);
	/* The cheapest test first: every packet passes here. */
	for (i = 0; i < rule->n_services; i = end) {
		end = same_kind(rule, i, asked);
		indent(w);
		add_services(w, &rule->services[i], end - i, family, asked);
		if (outside) {
			add_outside(w, w->r->policies[policy], family, asked);
		} else {
			buf_addf(w->out, "%s%s daddr ", original(asked), ip(family));
			add_prefixes(w, rule->to->prefixes, rule->to->n, family);
			buf_addc(w->out, ' ');
		}
		buf_addf(w->out, "%s saddr ", ip(family));
		add_source(w, policy, rule->from, family);
		buf_addf(w->out, " return comment \"%s\"", comment);
		end_line(w);
	}
}

static void add_permitted(struct writer *w, size_t policy, bool asked)
{
	const struct policy *p = w->r->policies[policy];
	const char *also = policy ? "also_" : "";
	char text[64];
	size_t i;

	snprintf(text, sizeof(text), "chain %s%s", also, asked ? "asked_for" : "permitted");
	open_block(w, text);
	for (i = 0; i < p->n_rules; i++) {
		add_rule(w, policy, &p->rules[i], 4, asked);
		add_rule(w, policy, &p->rules[i], 6, asked);
	}
	if (p->n_rules && !asked) {
		snprintf(text, sizeof(text), "ct status dnat goto %sasked_for", also);
		line(w, text);
	}
	line(w, "counter drop");
	close_block(w);
}

static void add_guard(struct writer *w)
{
	open_block(w, "chain guard");
	line(w, "ct state established ct direction reply accept");
	line(w, "ct state related accept");
	line(w, "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept");
	line(w,
	     "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept");
	line(w, "jump permitted");
	if (w->r->n_policies > 1)
		line(w, "jump also_permitted");
	line(w, "accept");
	close_block(w);
}

/* Of all policies: one that has clients no more may still have their peers. */
static size_t count_clients(const struct writer *w, unsigned int family)
{
	size_t i, n = 0;

	for (i = 0; i < w->r->n_policies; i++)
		n += count_family(w->r->policies[i]->clients.prefixes, w->r->policies[i]->clients.n,
				  family);
	return n;
}

/* What is for a client, however it came. */
static void add_clients(struct writer *w, bool comes)
{
	unsigned int family;
	size_t i;

	for (family = 4; family <= 6; family += 2)
		for (i = 0; i < w->r->n_policies; i++) {
			const struct party *c = &w->r->policies[i]->clients;

			if (!count_family(c->prefixes, c->n, family))
				continue;
			indent(w);
			if (comes) {
				buf_adds(w->out, "iifname ");
				add_interfaces(w);
				buf_addc(w->out, ' ');
			}
			buf_adds(w->out, "oifname ");
			add_interfaces(w);
			buf_addf(w->out, " %s daddr ", ip(family));
			add_prefixes(w, c->prefixes, c->n, family);
			buf_adds(w->out, " jump guard");
			end_line(w);
		}
}

static void add_output(struct writer *w)
{
	open_block(w, "chain output");
	line(w, "type filter hook output priority filter; policy accept");
	add_clients(w, false);
	close_block(w);
}

static void add_leaving(struct writer *w)
{
	indent(w);
	buf_adds(w->out, "iifname ");
	add_interfaces(w);
	buf_adds(w->out, " oifname != ");
	add_interfaces(w);
	buf_addc(w->out, ' ');
}

static void add_indoors(struct writer *w)
{
	const struct ruleset *r = w->r;
	unsigned int family;

	open_block(w, "chain indoors");
	line(w, "ct direction reply return");
	line(w, "ct status dnat return");
	for (family = 4; family <= 6; family += 2) {
		if (count_family(r->behind, r->n_behind, family)) {
			indent(w);
			buf_addf(w->out, "%s daddr { ", ip(family));
			add_list(w, r->behind, r->n_behind, family);
			buf_adds(w->out, " } return");
			end_line(w);
		}
		indent(w);
		buf_addf(w->out, "%s daddr { ", ip(family));
		add_list(w, policy_indoors, POLICY_N_INDOORS, family);
		buf_adds(w->out, " } counter drop");
		end_line(w);
	}
	close_block(w);
}

static void add_hook(struct writer *w, const char *name, bool leaves)
{
	char head[32], hook[64];

	snprintf(head, sizeof(head), "chain %s", name);
	snprintf(hook, sizeof(hook), "type filter hook %s priority filter; policy accept", name);
	open_block(w, head);
	line(w, hook);
	if (leaves && w->r->is_exit) {
		add_leaving(w);
		buf_adds(w->out, "jump indoors");
		end_line(w);
	}
	if (w->r->n_policies) {
		if (leaves) {
			add_leaving(w);
		} else {
			indent(w);
			buf_adds(w->out, "iifname ");
			add_interfaces(w);
			buf_addc(w->out, ' ');
		}
		buf_adds(w->out, "jump guard");
		end_line(w);
	}
	if (leaves)
		add_clients(w, true);
	close_block(w);
}

/* ---- masquerading ---- */

/* "ip daddr { ... }" */
static void add_destinations(struct writer *w, const char *is, const struct prefix *list, size_t n,
			     unsigned int family)
{
	buf_addf(w->out, "%s daddr %s{ ", ip(family), is);
	add_list(w, list, n, family);
	buf_adds(w->out, " }");
}

static size_t count_defaults(const struct prefix *list, size_t n, unsigned int family)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += list[i].family == family && !list[i].len;
	return count;
}

static void add_masquerade(struct writer *w, unsigned int family)
{
	const struct ruleset *r = w->r;
	size_t all = count_defaults(r->masquerade, r->n_masquerade, family);

	if (count_family(r->masquerade, r->n_masquerade, family) > all) {
		add_leaving(w);
		add_destinations(w, "", r->masquerade, r->n_masquerade, family);
		buf_adds(w->out, " masquerade");
		end_line(w);
	}
	if (all) {
		add_leaving(w);
		if (count_family(r->except, r->n_except, family))
			add_destinations(w, "!= ", r->except, r->n_except, family);
		else
			buf_addf(w->out, "meta nfproto ipv%u", family);
		buf_adds(w->out, " masquerade");
		end_line(w);
	}
}

static void add_postrouting(struct writer *w)
{
	open_block(w, "chain postrouting");
	line(w, "type nat hook postrouting priority srcnat; policy accept");
	add_masquerade(w, 4);
	add_masquerade(w, 6);
	close_block(w);
}

void ruleset_print(const struct ruleset *r, bool lines, struct buf *out)
{
	struct writer w = {
		.r = r, .out = out, .lines = lines, .n_interfaces = count_interfaces(r)
	};
	char head[sizeof("table inet " RULESET_TABLE) + MAX_NAME];
	size_t i;

	if ((!r->n_policies && !r->n_masquerade) || !w.n_interfaces)
		return;
	snprintf(head, sizeof(head), "table inet " RULESET_TABLE "%s", r->network);
	open_block(&w, head);
	for (i = 0; i < r->n_policies; i++)
		add_sets(&w, i);
	for (i = 0; i < r->n_policies; i++) {
		if (r->policies[i]->n_rules)
			add_permitted(&w, i, true);
		add_permitted(&w, i, false);
	}
	if (r->n_policies) {
		add_guard(&w);
		add_hook(&w, "input", false);
	}
	if (r->is_exit)
		add_indoors(&w);
	if (r->n_policies || r->is_exit)
		add_hook(&w, "forward", true);
	if (r->n_policies) {
		if (count_clients(&w, 4) || count_clients(&w, 6))
			add_output(&w);
	}
	if (r->n_masquerade)
		add_postrouting(&w);
	close_block(&w);
}
