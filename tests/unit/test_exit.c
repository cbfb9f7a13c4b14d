/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exits: the rules as values, as netlink messages, and around an interface that changes. */
#include "tests/unit/unit.h"

#include "agent/apply.h"
#include "agent/exit_route.h"
#include "agent/kern_rule.h"
#include "tests/unit/fake_kern.h"
#include "tests/unit/fake_nl.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define N_ADDRESSES 16 /* MAX_ADDRESSES of common/limits.h */

static const struct ifname wg0 = { "wg0" };

/* ---- values ---- */

static struct ifaddr address(const char *s)
{
	struct ifaddr a;

	assert_int_equal(ifaddr_parse(s, strlen(s), &a), 0);
	return a;
}

static void expect_rules(const struct node *n, const char *const *want)
{
	struct exit_rule rules[MAX_EXIT_RULES];
	size_t k = exit_rules("prod", n, rules), i;
	struct buf b;

	buf_init(&b, 4096);
	for (i = 0; i < k; i++) {
		buf_reset(&b);
		buf_addf(&b, "%u ", rules[i].family);
		exit_rule_print(&rules[i], &b);
		assert_non_null(want[i]);
		assert_string_equal(b.data, want[i]);
	}
	assert_null(want[k]);
	buf_release(&b);
}

/* BLAKE2b-256 of "prod" begins with 09dd. */
static void test_values(void **state)
{
	static const char *const both[] = {
		"4 from all fwmark 0x99 goto 24207 priority 24200",
		"4 from all fwmark 0x2077 goto 24207 priority 24200",
		"4 from all lookup main suppress_prefixlength 0 priority 24201",
		"4 from all ipproto tcp dport 53 uidrange 0-0 goto 24207 priority 24202",
		"4 from all ipproto udp dport 53 uidrange 0-0 goto 24207 priority 24202",
		"4 from all to 169.254.0.0/16 goto 24207 priority 24202",
		"4 from 10.20.0.7/32 lookup 7702525 priority 24203",
		"4 from 0.0.0.0/32 lookup 7702525 priority 24204",
		"4 from all nop priority 24207",
		"6 from all fwmark 0x99 goto 24207 priority 24200",
		"6 from all fwmark 0x2077 goto 24207 priority 24200",
		"6 from all lookup main suppress_prefixlength 0 priority 24201",
		"6 from all ipproto tcp dport 53 uidrange 0-0 goto 24207 priority 24202",
		"6 from all ipproto udp dport 53 uidrange 0-0 goto 24207 priority 24202",
		"6 from all to fe80::/10 goto 24207 priority 24202",
		"6 from fd20::7/128 lookup 7702525 priority 24203",
		"6 from ::/1 goto 24207 priority 24204",
		"6 from 8000::/1 goto 24207 priority 24204",
		"6 from all lookup 7702525 priority 24206",
		"6 from all nop priority 24207",
		NULL,
	};
	static const char *const none[] = { NULL };
	struct ifaddr list[N_ADDRESSES] = { address("10.20.0.7/16"), address("fd20::7/64") };
	struct exit_rule rules[MAX_EXIT_RULES];
	struct node n = { .name = "cons",
			  .exit = "fra1",
			  .flags = NODE_HAS_FWMARK,
			  .fwmark = 0x99,
			  .addresses = list,
			  .n_addresses = 2 };
	struct prefix defaults[2];
	size_t i;

	expect_rules(&n, both);
	assert_int_equal(exit_defaults(&n, defaults), 2);
	/* A family without an address goes as before. */
	n.n_addresses = 1;
	assert_int_equal(exit_defaults(&n, defaults), 1);
	assert_int_equal(defaults[0].family, 4);
	assert_int_equal(exit_rules("prod", &n, rules), 9);
	n.fwmark = EXIT_MARK;
	assert_int_equal(exit_rules("prod", &n, rules), 8);
	n.fwmark = 0x99;
	/* A table of the operator's: the default routes are there, and nothing looks. */
	n.flags |= NODE_HAS_TABLE;
	expect_rules(&n, none);
	assert_int_equal(exit_defaults(&n, defaults), 1);
	n.flags = NODE_NO_ROUTES;
	expect_rules(&n, none);
	assert_int_equal(exit_defaults(&n, defaults), 0);
	n.flags = NODE_HAS_FWMARK;
	n.exit = NULL;
	expect_rules(&n, none);
	assert_int_equal(exit_defaults(&n, defaults), 0);
	/* As many addresses as there can be. */
	n.exit = "fra1";
	for (i = 0; i < N_ADDRESSES; i++) {
		list[i] = address(i < 8 ? "10.20.0.7/16" : "fd20::7/64");
		list[i].addr.b[3] = (uint8_t)i;
	}
	n.n_addresses = N_ADDRESSES;
	assert_int_equal(exit_rules("prod", &n, rules), N_ADDRESSES + 18);
	/* Two networks keep apart. */
	assert_int_not_equal(exit_table("prod"), exit_table("office"));
	assert_int_not_equal(exit_priority("prod"), exit_priority("office"));
}

/* ---- messages ---- */

static void test_messages(void **state)
{
	struct ifaddr list[] = { address("10.20.0.7/16"), address("fd20::7/64") };
	struct node n = { .exit = "fra1",
			  .flags = NODE_HAS_FWMARK,
			  .fwmark = 0x80000001u,
			  .addresses = list,
			  .n_addresses = 2 };
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct exit_rule rules[MAX_EXIT_RULES], back;
	size_t k = exit_rules("prod", &n, rules), i;
	struct err e;

	for (i = 0; i < k; i++) {
		struct rule_op op = { true, rules[i] };
		struct nlmsghdr *nlh = rule_build(&op, buf);

		assert_int_equal(nlh->nlmsg_type, RTM_NEWRULE);
		assert_true(nlh->nlmsg_flags & NLM_F_EXCL);
		assert_true(nlh->nlmsg_len <= RT_REQUEST_SIZE);
		assert_int_equal(rule_parse(nlh, &back, &e), 1);
		assert_int_equal(exit_rule_cmp(&back, &rules[i]), 0);
		op.add = false;
		nlh = rule_build(&op, buf);
		assert_int_equal(nlh->nlmsg_type, RTM_DELRULE);
		assert_int_equal(nlh->nlmsg_flags & NLM_F_EXCL, 0);
	}
}

/* Rules of another form, and answers that are none. */
static void test_others(void **state)
{
	static const struct {
		const char *what;
		uint16_t type;
		uint8_t data[8];
		size_t len;
		int result;
	} rows[] = {
		{ "nothing more", 0, { 0 }, 0, 1 },
		{ "an interface", FRA_IIFNAME, "eth0", 5, 0 },
		{ "another interface", FRA_OIFNAME, "eth0", 5, 0 },
		{ "a jump", FRA_GOTO, { 1, 2, 0, 0 }, 4, 0 },
		{ "a port alone", FRA_DPORT_RANGE, { 53, 0, 53, 0 }, 4, 0 },
		{ "another port", FRA_DPORT_RANGE, { 53, 0, 54, 0 }, 4, 0 },
		{ "a user alone", FRA_UID_RANGE, { 0 }, 8, 0 },
		{ "a protocol alone", FRA_IP_PROTO, { 17 }, 1, 0 },
		{ "a part of a mark", FRA_FWMASK, { 255, 0, 0, 0 }, 4, 0 },
		{ "a longer suppressed length", FRA_SUPPRESS_PREFIXLEN, { 8, 0, 0, 0 }, 4, 0 },
		{ "a suppressed group", FRA_SUPPRESS_IFGROUP, { 1, 0, 0, 0 }, 4, 0 },
		{ "another protocol number", FRA_PROTOCOL, { 4 }, 1, 0 },
		{ "something new", 200, { 1 }, 1, 1 },
		{ "a short priority", FRA_PRIORITY, { 1 }, 2, -1 },
		{ "a short jump", FRA_GOTO, { 1 }, 3, -1 },
		{ "a short mark", FRA_FWMARK, { 1 }, 3, -1 },
		{ "a long protocol number", FRA_PROTOCOL, { 77, 0 }, 2, -1 },
		{ "a short source", FRA_SRC, { 10 }, 3, -1 },
		{ "a long destination", FRA_DST, { 10 }, 5, -1 },
		{ "a short port", FRA_DPORT_RANGE, { 53 }, 2, -1 },
		{ "a short user", FRA_UID_RANGE, { 0 }, 4, -1 },
	};
	struct rule_op op = { true,
			      { .family = 4, .priority = 5, .from.family = 4, .table = 300 } };
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct exit_rule back;
	struct nlmsghdr *nlh;
	struct fib_rule_hdr *h;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		nlh = rule_build(&op, buf);
		if (rows[i].len)
			mnl_attr_put(nlh, rows[i].type, rows[i].len, rows[i].data);
		ROW_CHECK(rule_parse(nlh, &back, &e) == rows[i].result, i);
	}
	nlh = rule_build(&op, buf);
	h = mnl_nlmsg_get_payload(nlh);
	h->action = FR_ACT_BLACKHOLE;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	/* With a table, and where to? */
	h->action = FR_ACT_NOP;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	h->action = FR_ACT_GOTO;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	h->action = FR_ACT_TO_TBL;
	h->flags = FIB_RULE_INVERT;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	h->flags = 0;
	h->tos = 4;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	h->tos = 0;
	h->src_len = 33;
	assert_int_equal(rule_parse(nlh, &back, &e), -1);
	h->src_len = 0;
	h->dst_len = 33;
	assert_int_equal(rule_parse(nlh, &back, &e), -1);
	h->dst_len = 0;
	h->family = AF_BRIDGE;
	assert_int_equal(rule_parse(nlh, &back, &e), 0);
	h->family = AF_INET;
	assert_int_equal(rule_parse(nlh, &back, &e), 1);
	nlh->nlmsg_len -= 4;
	assert_int_equal(rule_parse(nlh, &back, &e), -1);
	nlh->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(rule_parse(nlh, &back, &e), -1);
	nlh->nlmsg_type = RTM_NEWROUTE;
	assert_int_equal(rule_parse(nlh, &back, &e), -1);
}

/* ---- around the interface ---- */

struct machine {
	struct model m;
	struct fake_nl nl;
	struct kern *k;
	struct arena a;
	struct secret key;
	struct wgkey public_key;
	const struct config *now; /* wanted; NULL: none */
	struct exit_result rules; /* of the last time */
	bool watch, no_endpoints;
};

static struct config *config_of(struct machine *x, const char *text, const char *exit,
				uint32_t mark)
{
	struct fake_desired *d = arena_alloc(&x->a, sizeof(*d));

	assert_non_null(d);
	fake_desired(text, &x->a, d);
	d->node.exit = exit;
	if (mark) {
		d->node.fwmark = mark;
		d->node.flags |= NODE_HAS_FWMARK;
	}
	d->desired.public_key = x->public_key;
	return &d->config;
}

/* Jumps to a rule that is there, and that looks nowhere. */
static bool led_past(const struct model *m, const struct exit_rule *r)
{
	size_t i;

	for (i = 0; r->jump && i < m->n_rules; i++) {
		const struct exit_rule *to = &m->rules[i];

		if (to->family == r->family && to->priority == r->jump && !to->table && !to->jump)
			return true;
	}
	return false;
}

/* The exit is the peer that has 0.0.0.0/0 just now; the mark is the one that some rule keeps out.
 */
static void check_instant(struct model *m, void *arg)
{
	struct machine *x = arg;
	bool into[2] = { false, false }, way[2] = { false, false }, out[2] = { false, false };
	bool marked[2] = { false, false }, carried[2] = { false, false }, any[2] = { false, false };
	size_t others[2] = { 0, 0 }, i, j;

	if (!x->watch)
		return;
	for (i = 0; i < m->n_rules; i++) {
		const struct exit_rule *r = &m->rules[i];
		size_t f = r->family == 6;

		into[f] |= exit_rule_leads(r);
		others[f] += r->from.len && led_past(m, r);
		any[f] |= exit_rule_leads(r) && !r->from.len;
		out[f] |= r->no_default;
		marked[f] |= r->mark && r->mark == m->fwmark && led_past(m, r);
	}
	for (i = 0; i < m->n_routes; i++)
		if (!m->routes[i].dst.len && m->routes[i].table == exit_table("test"))
			way[m->routes[i].dst.family == 6] = true;
	for (i = 0; i < m->n_peers; i++)
		for (j = 0; j < m->peers[i].n_ips; j++)
			if (!m->peers[i].ips[j].len)
				carried[m->peers[i].ips[j].family == 6] = true;
	for (i = 0; i < 2; i++) {
		if (!into[i])
			continue;
		if (any[i] && others[i] != 2)
			fail_msg("IPv%d leads what is forwarded for others into the tunnel",
				 i ? 6 : 4);
		if (!m->exists || !m->up || !way[i] || !out[i] || !marked[i] || !carried[i])
			fail_msg(
				"IPv%d leads into a tunnel that is not there: exists %d up %d way %d local %d mark %d peer %d",
				i ? 6 : 4, m->exists, m->up, way[i], out[i], marked[i], carried[i]);
	}
}

/* As agent_converge does it. */
static int converge(struct machine *x, const struct config *c, unsigned int *ret_sets)
{
	struct sock_endpoint endpoints[8] = { { 0 } };
	struct desired d = { .config = c,
			     .endpoints = endpoints,
			     .public_key = x->public_key,
			     .alias = FAKE_ALIAS };
	struct apply_result result = { 0 };
	struct exit_result rules;
	struct err e = { 0 };
	size_t i;
	int r;

	for (i = 0; i < c->n_peers && !x->no_endpoints; i++)
		endpoints[i] = (struct sock_endpoint){ 4, 51820, { 192, 0, 2, (uint8_t)i }, 0 };
	if (exit_look(x->k, c, "test", &wg0, &x->a, &rules, &e) < 0 ||
	    exit_before(x->k, &rules, &e) < 0)
		return -1;
	r = apply_desired(x->k, &wg0, &d, NULL, &x->key, 1000, &x->a, &result, &e);
	if (r < 0 && !result.rounds)
		return -1;
	if (exit_after(x->k, c, "test", &result.after, &x->a, &rules, &e) < 0)
		r = -1;
	x->rules = rules;
	if (ret_sets)
		*ret_sets = rules.sets + (unsigned int)result.n_changes;
	return r;
}

static void machine_init(struct machine *x)
{
	struct err e;

	memset(x, 0, sizeof(*x));
	arena_init(&x->a);
	fake_private_key('P', &x->key, &x->public_key);
	fake_model("-", &x->m);
	x->m.step = check_instant;
	x->m.step_arg = x;
	fake_nl_start(&x->nl, &x->m);
	x->k = kern_kernel_new(&e);
	assert_non_null(x->k);
}

static void machine_release(struct machine *x)
{
	x->k->ops->free(x->k);
	fake_nl_stop();
	model_release(&x->m);
	secret_release(&x->key);
	arena_release(&x->a);
}

static void check_rules(const struct machine *x, const struct config *c)
{
	struct exit_rule want[MAX_EXIT_RULES];
	size_t n = exit_rules("test", c->node, want), i, j;

	assert_int_equal(x->m.n_rules, n);
	for (i = 0; i < n; i++) {
		for (j = 0; j < n && exit_rule_cmp(&want[i], &x->m.rules[j]); j++)
			;
		assert_true(j < n);
	}
}

#define ADDR "addr=10.0.0.1/24 addr=fd00::1/64 "

/* What a node may be, one after the other. */
static const struct {
	const char *text, *exit;
	uint32_t mark;
} states[] = {
	{ ADDR "|A 10.0.0.2/32|B 10.0.0.3/32", NULL, 0 },
	{ ADDR "|A 0.0.0.0/0,10.0.0.2/32,::/0|B 10.0.0.3/32", "A", 0x2077 },
	{ ADDR "|A 10.0.0.2/32|B 0.0.0.0/0,10.0.0.3/32,::/0", "B", 0x2077 },
	{ ADDR "|A 10.0.0.2/32|B 0.0.0.0/0,10.0.0.3/32,::/0", "B", 0x99 },
	{ "addr=10.0.0.9/24 |B 0.0.0.0/0,10.0.0.3/32,::/0", "B", 0x99 },
	{ ADDR "|B 0.0.0.0/0,10.0.0.3/32,::/0", "B", 0x99 },
	{ ADDR "|A 10.0.0.2/32", NULL, 0 },
};

static void test_states(void **state)
{
	struct machine x;
	unsigned int sets;
	size_t i;

	machine_init(&x);
	x.watch = true;
	for (i = 0; i < ARRAY_LEN(states); i++) {
		struct config *c = config_of(&x, states[i].text, states[i].exit, states[i].mark);

		assert_int_equal(converge(&x, c, &sets), 0);
		assert_true(sets > 0);
		check_rules(&x, c);
		assert_int_equal(x.m.n_routes, states[i].exit ? x.m.n_addresses : 0);
		x.nl.changes = 0;
		assert_int_equal(converge(&x, c, &sets), 0);
		assert_int_equal(sets, 0);
		assert_int_equal(x.nl.changes, 0);
	}
	machine_release(&x);
}

/*
 * From each state to the next with the n-th change refused, the n-th message lost, or all from the
 * n-th on (as if the agent was killed): at no instant the default route leads into a tunnel that is
 * not there; and the next run makes it good.
 */
static void test_faults(void **state)
{
	unsigned int how, tried = 0;
	size_t i;

	for (how = 0; how < 3; how++)
		for (i = 0; i + 1 < ARRAY_LEN(states); i++) {
			bool hit = true;
			unsigned int at;

			for (at = 1; hit; at++) {
				struct config *from, *to;
				struct machine x;

				machine_init(&x);
				from = config_of(&x, states[i].text, states[i].exit,
						 states[i].mark);
				to = config_of(&x, states[i + 1].text, states[i + 1].exit,
					       states[i + 1].mark);
				assert_int_equal(converge(&x, from, NULL), 0);
				x.watch = true;
				x.nl.changes = x.nl.sends = 0;
				if (how == 0) {
					x.nl.refuse_at = at;
					x.nl.refuse_errno = EINVAL;
				} else {
					x.nl.fail_send_at = at;
					x.nl.fail_errno = ENOBUFS;
					x.nl.lost = how == 2;
				}
				(void)converge(&x, to, NULL);
				hit = how == 0 ? x.nl.changes >= at : x.nl.sends >= at;
				x.nl.refuse_at = x.nl.fail_send_at = 0;
				assert_int_equal(converge(&x, to, NULL), 0);
				check_rules(&x, to);
				machine_release(&x);
				tried++;
			}
		}
	print_message("%u faults\n", tried);
	assert_true(tried > 300);
}

/* The interface is lost, by whose hand ever: the rules look into an empty table, and go before a
 * new interface comes. */
static void test_lost_interface(void **state)
{
	struct machine x;
	struct config *c;

	machine_init(&x);
	c = config_of(&x, states[1].text, states[1].exit, states[1].mark);
	assert_int_equal(converge(&x, c, NULL), 0);
	assert_int_equal(model_delete(&x.m), 0);
	assert_int_equal(converge(&x, c, NULL), 0);
	check_rules(&x, c);
	/* Somebody's hand in the tunnel. */
	x.m.fwmark = 0;
	assert_int_equal(converge(&x, c, NULL), 0);
	check_rules(&x, c);
	machine_release(&x);
}

/* As long as nobody knows where the exit is, nothing is led there, and its name can be asked for.
 */
static void test_no_endpoint(void **state)
{
	struct machine x;
	struct config *c;
	size_t i;

	machine_init(&x);
	c = config_of(&x, states[1].text, states[1].exit, states[1].mark);
	x.no_endpoints = true;
	assert_int_equal(converge(&x, c, NULL), 0);
	for (i = 0; i < x.m.n_rules; i++)
		assert_false(exit_rule_leads(&x.m.rules[i]));
	x.no_endpoints = false;
	assert_int_equal(converge(&x, c, NULL), 0);
	check_rules(&x, c);
	/* One that is known stays so when its name is lost later. */
	x.no_endpoints = true;
	assert_int_equal(converge(&x, c, NULL), 0);
	check_rules(&x, c);
	machine_release(&x);
}

/* That everything goes there is only said when the kernel says so. */
static void test_elsewhere(void **state)
{
	static const struct {
		const char *what;
		uint8_t straight;
		bool no_way, all;
		uint8_t family;
	} rows[] = {
		{ "everything", 0, false, true, 0 },
		{ "the lower half is somebody else's", 12, false, false, 4 },
		{ "the upper half is", 198, false, false, 4 },
		{ "IPv6 is", 0x26, false, false, 6 },
		{ "the kernel does not say", 0, true, false, 0 },
	};
	struct machine x;
	struct config *c, *none;
	size_t i;

	machine_init(&x);
	c = config_of(&x, states[1].text, states[1].exit, states[1].mark);
	none = config_of(&x, states[0].text, NULL, 0);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		x.m.straight = rows[i].straight;
		x.m.no_way = rows[i].no_way;
		assert_int_equal(converge(&x, c, NULL), 0);
		ROW_CHECK(x.rules.all == rows[i].all, i);
		ROW_CHECK(x.rules.elsewhere.family == rows[i].family, i);
		ROW_CHECK(!rows[i].family || x.rules.elsewhere.b[0] == rows[i].straight, i);
		assert_int_equal(converge(&x, none, NULL), 0);
		assert_true(!x.rules.all && !x.rules.elsewhere.family);
	}
	/* A family that does not go there is not asked for. */
	c = config_of(&x, "addr=10.0.0.1/24 |A 0.0.0.0/0,10.0.0.2/32,::/0", "A", 0x2077);
	x.m.straight = 0x26;
	x.m.no_way = false;
	assert_int_equal(converge(&x, c, NULL), 0);
	assert_true(x.rules.all);
	machine_release(&x);
}

static void test_foreign_rules(void **state)
{
	struct exit_rule theirs = { .family = 4,
				    .from.family = 4,
				    .priority = exit_priority("test") + 4,
				    .table = 7799999 };
	struct exit_result result;
	struct machine x;
	struct config *c;
	struct err e = { 0 };

	machine_init(&x);
	x.m.rules[x.m.n_rules++] = theirs;
	c = config_of(&x, states[1].text, states[1].exit, states[1].mark);
	assert_int_equal(exit_look(x.k, c, "test", &wg0, &x.a, &result, &e), -1);
	assert_true(result.others);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "another network"));
	/* Who wants none lets them be. */
	assert_int_equal(exit_look(x.k, NULL, "test", &wg0, &x.a, &result, &e), 0);
	assert_true(result.others);
	assert_int_equal(exit_before(x.k, &result, &e), 0);
	assert_true(result.verified);
	assert_int_equal(x.m.n_rules, 1);
	machine_release(&x);
}

/* Another network's exit, wherever its rules are, and what of it tells that it stands. */
static void test_others_exit(void **state)
{
	struct exit_rule theirs = { .family = 6, .from.family = 6, .table = 7799999 };
	uint32_t at[] = { EXIT_ALL_FIRST, EXIT_ALL_FIRST + EXIT_ALL_PRIORITIES - 1,
			  EXIT_ALL_FIRST - 1, EXIT_ALL_FIRST + EXIT_ALL_PRIORITIES };
	struct exit_result result;
	struct machine x;
	struct err e;
	size_t i;

	machine_init(&x);
	x.m.n_rules = 1;
	for (i = 0; i < ARRAY_LEN(at); i++) {
		theirs.priority = at[i];
		x.m.rules[0] = theirs;
		assert_int_equal(exit_look(x.k, NULL, "test", &wg0, &x.a, &result, &e), 0);
		assert_int_equal(result.others, i < 2);
		assert_int_equal(result.plan.n_before, 0);
	}
	/* Led nowhere by it; our own. */
	theirs.priority = EXIT_ALL_FIRST;
	theirs.table = EXIT_TABLE_MAIN;
	x.m.rules[0] = theirs;
	assert_int_equal(exit_look(x.k, NULL, "test", &wg0, &x.a, &result, &e), 0);
	assert_false(result.others);
	theirs.priority = exit_priority("test") + 4;
	theirs.table = exit_table("test");
	x.m.rules[0] = theirs;
	assert_int_equal(exit_look(x.k, NULL, "test", &wg0, &x.a, &result, &e), 0);
	assert_false(result.others);
	/* Not known. */
	x.nl.sends = 0;
	x.nl.fail_send_at = 1;
	x.nl.fail_errno = ENOBUFS;
	x.nl.lost = true;
	assert_int_equal(exit_look(x.k, NULL, "test", &wg0, &x.a, &result, &e), -1);
	assert_true(result.others);
	machine_release(&x);
}

/* A kernel without IPv6, and a network without. */
static void test_no_ipv6(void **state)
{
	struct machine x;
	struct config *c;

	machine_init(&x);
	x.m.no_ipv6 = true;
	c = config_of(&x, "addr=10.0.0.1/24 |A 0.0.0.0/0,10.0.0.2/32,::/0", "A", 0x2077);
	assert_int_equal(converge(&x, c, NULL), 0);
	check_rules(&x, c);
	machine_release(&x);
}

static void test_plan_says(void **state)
{
	struct exit_result result;
	struct machine x;
	struct config *c;
	struct err e;
	struct buf b;

	machine_init(&x);
	c = config_of(&x, "addr=10.0.0.1/24 |A 0.0.0.0/0,10.0.0.2/32,::/0", "A", 0x2077);
	x.nl.changes = 0;
	assert_int_equal(exit_look(x.k, c, "test", &wg0, &x.a, &result, &e), 0);
	assert_false(result.others);
	assert_int_equal(x.nl.changes, 0);
	assert_int_equal(result.plan.n_before, 0);
	assert_int_equal(result.plan.n_after, 8);
	buf_init(&b, 1000);
	/* What leads into the tunnel is last. */
	exit_op_print(&result.plan.after[7], &b);
	assert_non_null(strstr(b.data, "add the IPv4 rule from 0.0.0.0/32 lookup 77"));
	buf_release(&b);
	machine_release(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	      cmocka_unit_test(test_messages),
		cmocka_unit_test(test_others),	      cmocka_unit_test(test_states),
		cmocka_unit_test(test_faults),	      cmocka_unit_test(test_lost_interface),
		cmocka_unit_test(test_foreign_rules), cmocka_unit_test(test_no_ipv6),
		cmocka_unit_test(test_elsewhere),     cmocka_unit_test(test_no_endpoint),
		cmocka_unit_test(test_plan_says),     cmocka_unit_test(test_others_exit),
	};

	return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}
