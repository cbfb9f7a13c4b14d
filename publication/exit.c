/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/exit.h"

#include "common/hash.h"
#include "common/limits.h"

#define TABLES_FROM 7700000u
#define SLOTS (EXIT_ALL_PRIORITIES / EXIT_PRIORITIES)
#define PAST 7u /* behind all that lead into the tunnel */

_Static_assert(MAX_EXIT_RULES >= MAX_ADDRESSES + 18, "room for the rules of both families");

/* 16 bits of the name's hash. */
static unsigned int slot(const char *network)
{
	struct digest d;

	digest_of(network, strlen(network), &d);
	return (unsigned int)d.b[0] << 8 | d.b[1];
}

uint32_t exit_table(const char *network)
{
	return TABLES_FROM + slot(network);
}

uint32_t exit_priority(const char *network)
{
	return EXIT_ALL_FIRST + slot(network) % SLOTS * EXIT_PRIORITIES;
}

bool exit_routed(const struct node *n)
{
	return n->exit && !(n->flags & (NODE_HAS_TABLE | NODE_NO_ROUTES));
}

static bool has_family(const struct node *n, unsigned int family)
{
	size_t i;

	for (i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == family)
			return true;
	return false;
}

size_t exit_defaults(const struct node *n, struct prefix out[static 2])
{
	size_t k = 0;

	if (!n->exit || n->flags & NODE_NO_ROUTES)
		return 0;
	if (has_family(n, 4))
		out[k++] = (struct prefix){ .family = 4 };
	if (has_family(n, 6))
		out[k++] = (struct prefix){ .family = 6 };
	return k;
}

bool exit_rule_leads(const struct exit_rule *r)
{
	return r->table && r->table != EXIT_TABLE_MAIN;
}

int exit_rule_cmp(const struct exit_rule *a, const struct exit_rule *b)
{
	int c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	c = prefix_cmp(&a->from, &b->from);
	if (c)
		return c;
	c = prefix_cmp(&a->to, &b->to);
	if (c)
		return c;
	if (a->mark != b->mark)
		return a->mark < b->mark ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->jump != b->jump)
		return a->jump < b->jump ? -1 : 1;
	if (a->dns != b->dns)
		return a->dns < b->dns ? -1 : 1;
	return (int)a->no_default - (int)b->no_default;
}

static int cmp_rules(const void *a, const void *b)
{
	return exit_rule_cmp(a, b);
}

/* The two halves of all IPv6 addresses: the kernel compares a source with no prefix of length 0. */
static struct prefix half(bool second)
{
	struct prefix p = { .family = 6, .len = 1 };

	p.b[0] = second ? 0x80 : 0;
	return p;
}

static struct prefix link_local(unsigned int family)
{
	struct prefix v4 = { .family = 4, .len = 16, .b = { 169, 254 } };
	struct prefix v6 = { .family = 6, .len = 10, .b = { 0xfe, 0x80 } };

	return family == 4 ? v4 : v6;
}

static struct exit_rule *add(struct exit_rule **next, const struct exit_rule *like,
			     uint32_t priority)
{
	struct exit_rule *r = (*next)++;

	*r = *like;
	r->priority = priority;
	return r;
}

static void family_rules(const char *network, const struct node *n, unsigned int family,
			 struct exit_rule **next)
{
	uint32_t first = exit_priority(network);
	struct prefix any = { .family = (uint8_t)family }, none = { .family = 4, .len = 32 };
	const struct exit_rule nothing = { .family = family, .from = any, .to = any };
	struct exit_rule local = nothing, into = nothing, past = nothing;
	size_t i;

	if (!has_family(n, family))
		return;
	local.table = EXIT_TABLE_MAIN;
	local.no_default = true;
	into.table = exit_table(network);
	past.jump = first + PAST;
	add(next, &past, first)->mark = n->fwmark;
	if (n->fwmark != EXIT_MARK)
		add(next, &past, first)->mark = EXIT_MARK;
	add(next, &local, first + 1);
	add(next, &past, first + 2)->dns = 6;
	add(next, &past, first + 2)->dns = 17;
	add(next, &past, first + 2)->to = link_local(family);
	for (i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == family)
			add(next, &into, first + 3)->from = prefix_of_addr(&n->addresses[i].addr);
	if (family == 4) {
		add(next, &into, first + 4)->from = none;
	} else {
		add(next, &past, first + 4)->from = half(false);
		add(next, &past, first + 4)->from = half(true);
		add(next, &into, first + 6);
	}
	add(next, &nothing, first + PAST);
}

size_t exit_rules(const char *network, const struct node *n,
		  struct exit_rule out[static MAX_EXIT_RULES])
{
	struct exit_rule *end = out;
	size_t k;

	if (!exit_routed(n))
		return 0;
	family_rules(network, n, 4, &end);
	family_rules(network, n, 6, &end);
	k = (size_t)(end - out);
	qsort(out, k, sizeof(*out), cmp_rules);
	return k;
}

void exit_rule_print(const struct exit_rule *r, struct buf *out)
{
	char text[PREFIX_STRLEN];

	if (r->from.len)
		buf_addf(out, "from %s ", prefix_print(&r->from, text));
	else
		buf_adds(out, "from all ");
	if (r->to.len)
		buf_addf(out, "to %s ", prefix_print(&r->to, text));
	if (r->mark)
		buf_addf(out, "fwmark 0x%x ", r->mark);
	if (r->dns)
		buf_addf(out, "ipproto %s dport 53 uidrange 0-0 ", r->dns == 6 ? "tcp" : "udp");
	if (r->jump)
		buf_addf(out, "goto %u", r->jump);
	else if (!r->table)
		buf_adds(out, "nop");
	else if (r->table == EXIT_TABLE_MAIN)
		buf_adds(out, "lookup main");
	else
		buf_addf(out, "lookup %u", r->table);
	if (r->no_default)
		buf_adds(out, " suppress_prefixlength 0");
	buf_addf(out, " priority %u", r->priority);
}
