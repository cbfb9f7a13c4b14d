/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must not be drawn away from the host: every rule of agent/lifeline.h as a row, and what
 * agent/apply.h makes of it. */
#include "tests/unit/unit.h"

#include "agent/apply.h"
#include "tests/unit/fake_kern.h"

#define NOW INT64_C(1000000)
#define MAX_WAYS 12

static const struct ifname wg0 = { "wg0" };

static struct prefix net(const char *text)
{
	struct prefix p;
	bool bits;

	assert_int_equal(prefix_parse(text, strlen(text), &p, &bits), 0);
	return p;
}

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, strlen(text), &a), 0);
	return a;
}

/*
 * The host's routes: "192.0.2.0/24=eth0 0.0.0.0/0>192.0.2.3 10.9.0.0/24!wg7": on a link, by a next
 * hop, through an interface of meshrc; "10.0.0.0/8~tun0": an interface of somebody else's tunnel.
 */
static size_t ways_of(const char *text, struct way *ret)
{
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, " "), cut = strcspn(text, "=>!~");
		struct way *w = &ret[n++];
		char word[64];

		assert_true(n <= MAX_WAYS && len < sizeof(word));
		snprintf(word, sizeof(word), "%.*s", (int)cut, text);
		*w = (struct way){ .dst = net(word) };
		snprintf(word, sizeof(word), "%.*s", (int)(len - cut - 1), text + cut + 1);
		w->on_link = text[cut] == '=' || text[cut] == '!';
		w->ours = text[cut] == '!';
		if (text[cut] == '>')
			w->via = addr(word);
		else
			snprintf(w->dev.s, sizeof(w->dev.s), "%s", word);
		text += len;
		text += *text == ' ';
	}
	return n;
}

struct row {
	const char *wanted; /* in the language of fake_kern.h */
	const char *host;
	const char *line; /* a lifeline: "198.51.100.2", "10.1.1.1 direct", "10.1.1.1 inside" */
	const char *left; /* the route that is left out; NULL: none */
	const char *why; /* a part of it */
};

#define LAN "192.0.2.0/24=eth0 0.0.0.0/0>192.0.2.3"

static const struct row rows[] = {
	/* a server of the publication, or an endpoint, behind the default route */
	{ "route=198.51.100.0/24", LAN, "198.51.100.2", "198.51.100.0/24",
	  "198.51.100.2 (server)" },
	{ "route=198.51.100.2/32", LAN, "198.51.100.2", "198.51.100.2/32", "198.51.100.2" },
	{ "route=198.51.0.0/16", LAN " 198.51.100.0/24>192.0.2.4", "198.51.100.2", NULL, NULL },
	{ "route=198.51.0.0/16", LAN " 198.0.0.0/8>192.0.2.4", "198.51.100.2", "198.51.0.0/16",
	  "" },
	{ "route=203.0.113.0/24", LAN, "198.51.100.2", NULL, NULL },
	{ "route=198.51.100.0/24", LAN, "198.51.100.2 inside", NULL, NULL },
	{ "route=198.51.100.0/24|A 10.0.0.2/32 ep=198.51.100.7:5", LAN, NULL, "198.51.100.0/24",
	  "198.51.100.7 (A)" },
	{ "route=0.0.0.0/1 route=128.0.0.0/1|A 10.0.0.2/32 ep=198.51.100.7:5", LAN, NULL,
	  "128.0.0.0/1", "" },
	{ "route=2001:db8:1::/48", "2001:db8::/64=eth0 ::/0>fe80::1", "2001:db8:1::2",
	  "2001:db8:1::/48", "" },
	/* where nothing leads there is nothing to draw away */
	{ "route=198.51.100.0/24", "192.0.2.0/24=eth0", "198.51.100.2", NULL, NULL },
	{ "route=198.51.100.0/24", "", "198.51.100.2", NULL, NULL },
	/* private addresses are most often behind the tunnel */
	{ "route=192.168.30.0/24", LAN, "192.168.30.5", NULL, NULL },
	{ "route=192.168.30.0/24", LAN, "192.168.30.5 direct", "192.168.30.0/24", "" },
	{ "route=192.168.30.0/24", LAN " 192.168.0.0/16>192.0.2.4", "192.168.30.5",
	  "192.168.30.0/24", "" },
	{ "route=fd30::/64", "2001:db8::/64=eth0 ::/0>fe80::1", "fd30::5", NULL, NULL },
	/* the host's own networks, and its gateways */
	{ "route=192.0.2.0/25", LAN, NULL, "192.0.2.0/25", "192.0.2.0/24" },
	{ "route=192.0.2.128/25", LAN, NULL, "192.0.2.128/25", "eth0" },
	{ "route=192.0.0.0/16", LAN, NULL, NULL, NULL },
	{ "route=172.31.0.0/16", "172.31.1.1/32~eth0 0.0.0.0/0>172.31.1.1", NULL, NULL, NULL },
	{ "route=172.31.0.0/16", "0.0.0.0/0>172.31.1.1", NULL, "172.31.0.0/16",
	  "172.31.1.1 (a gateway of this host)" },
	/* what goes through a tunnel, ours or another's, is no network that the host is in */
	{ "route=10.9.0.128/25", LAN " 10.9.0.0/24!wg7", NULL, NULL, NULL },
	{ "route=10.9.0.128/25", LAN " 10.9.0.0/24~tun0", NULL, NULL, NULL },
	/* addresses */
	{ "addr=192.0.2.101/24", LAN, NULL, "192.0.2.101/24", "192.0.2.0/24" },
	{ "addr=192.0.2.101/25", LAN, NULL, "192.0.2.101/25", "eth0" },
	{ "addr=192.0.2.101/32", LAN, NULL, "192.0.2.101/32", "eth0" },
	{ "addr=192.0.2.3/16", LAN, NULL, "192.0.2.3/16", "a gateway of this host" },
	{ "addr=192.0.77.1/16", LAN, NULL, NULL, NULL },
	{ "addr=10.20.0.1/16", LAN " 10.20.0.0/16!wg7", NULL, NULL, NULL },
	{ "addr=2001:db8::5/64", "2001:db8::/64=eth0", NULL, "2001:db8::5/64", "eth0" },
	{ "addr=2001:db8::1/48", "::/0>2001:db8::1", NULL, "2001:db8::1/48", "gateway" },
	{ "addr=fe80::1/64", "::/0>fe80::1", NULL, NULL, NULL },
	/* the same prefix: a conflict, told by kern_rt.c */
	{ "route=192.0.2.0/24", LAN, NULL, NULL, NULL },
};

static void run_row(const struct row *row, struct arena *a)
{
	struct lifeline line = { .what = "server" };
	struct observed o = { 0 };
	struct fake_desired want;
	struct left_out *list;
	struct way ways[MAX_WAYS];
	char text[PREFIX_STRLEN];
	struct ways host = { ways, ways_of(row->host, ways) };
	struct err e;
	size_t n;

	fake_desired(row->wanted, a, &want);
	if (row->line) {
		size_t len = strcspn(row->line, " ");

		assert_int_equal(ipaddr_parse(row->line, len, &line.addr), 0);
		line.known = !row->line[len]	       ? LIFELINE_UNKNOWN :
			     row->line[len + 1] == 'd' ? LIFELINE_DIRECT :
							 LIFELINE_INSIDE;
		want.desired.lifelines = &line;
		want.desired.n_lifelines = 1;
	}
	assert_int_equal(lifeline_check(&want.desired, &o, &host, &host, a, &list, &n, &e), 0);
	if ((n == 1) != (row->left != NULL) || n > 1)
		fail_msg("%s on %s: %zu left out", row->wanted, row->host, n);
	if (!n)
		return;
	if (list->is_address)
		ifaddr_print(&list->address, text);
	else
		prefix_print(&list->route.dst, text);
	assert_string_equal(text, row->left);
	if (!strstr(list->why, row->why))
		fail_msg("%s: %s", row->wanted, list->why);
	assert_int_equal(lifeline_error(list, n, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, row->left));
}

static void test_rows(void **unused)
{
	struct arena a;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		arena_init(&a);
		run_row(&rows[i], &a);
		arena_release(&a);
	}
}

struct scene {
	struct arena a;
	struct model m;
	struct fake_kern f;
	struct fake_desired want;
	struct way ways[MAX_WAYS];
	struct secret key;
	struct apply_result result;
	struct err e;
};

static int apply(struct scene *s)
{
	s->e = (struct err){ 0 };
	return apply_desired(&s->f.k, &wg0, &s->want.desired, &s->want.config, &s->key, NOW, &s->a,
			     &s->result, &s->e);
}

static void begin(struct scene *s, const char *stands, const char *wanted, const char *host)
{
	struct wgkey unused;

	*s = (struct scene){ .result = { 0 } };
	arena_init(&s->a);
	fake_model(stands, &s->m);
	fake_kern_init(&s->f, &s->m);
	fake_desired(wanted, &s->a, &s->want);
	fake_private_key('K', &s->key, &unused);
	s->want.desired.public_key = unused;
	s->m.ways = s->ways;
	s->m.n_ways = ways_of(host, s->ways);
}

static void end(struct scene *s)
{
	secret_release(&s->key);
	model_release(&s->m);
	arena_release(&s->a);
}

#define WANTED                                                                  \
	"addr=10.0.0.1/24 route=198.51.100.0/24 route=203.0.113.0/24 mtu=1380 " \
	"key=K|A 10.0.0.2/32 ep=198.51.100.7:5"

/* Left out alone, told each time; everything else converges, and a second run sends nothing. */
static void test_left_out(void **unused)
{
	struct apply_result plan;
	struct scene s;
	struct prefix good = net("203.0.113.0/24");

	begin(&s, "-", WANTED, LAN);
	assert_int_equal(apply_plan(&s.f.k, &wg0, &s.want.desired, NULL, NOW, &s.a, &plan, &s.e),
			 0);
	assert_int_equal(plan.n_refused, 1);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_non_null(strstr(s.e.msg, "198.51.100.0/24"));
	assert_non_null(strstr(s.e.msg, "interface wg0"));
	assert_true(s.result.all_but_routes && !s.result.verified);
	assert_true(s.m.up && s.m.n_peers == 1 && s.m.n_addresses == 1);
	assert_int_equal(s.m.n_routes, 1);
	assert_int_equal(prefix_cmp(&s.m.routes[0].dst, &good), 0);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_int_equal(s.result.n_changes, 0);
	assert_int_equal(s.result.stats.set_messages, 0);
	/* A closer route of the host's own, and it is no harm any more. */
	s.m.n_ways += ways_of("198.51.100.7/32>192.0.2.3", s.ways + s.m.n_ways);
	assert_int_equal(apply(&s), 0);
	assert_true(s.result.verified);
	assert_int_equal(s.m.n_routes, 2);
	end(&s);
}

/* The host came to another place, where a route that stands is the way to its gateway. */
static void test_taken_away(void **unused)
{
	struct scene s;

	begin(&s, "-", "addr=10.0.0.1/24 route=192.168.1.0/24 mtu=1380 key=K", LAN);
	assert_int_equal(apply(&s), 0);
	assert_int_equal(s.m.n_routes, 1);
	s.m.n_ways = ways_of("192.168.1.0/24=wlan0 0.0.0.0/0>192.168.1.254", s.ways);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_non_null(strstr(s.e.msg, "wlan0"));
	assert_int_equal(s.m.n_routes, 0);
	end(&s);
}

/* An address in the host's own network: left out, and the rest stands. */
static void test_address(void **unused)
{
	struct scene s;

	begin(&s, "-", "addr=192.0.2.101/24 addr=fd00::1/64 route=10.5.0.0/16 mtu=1380 key=K|A",
	      LAN);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.e.class, ERR_CONFLICT);
	assert_non_null(strstr(s.e.msg, "192.0.2.101/24"));
	assert_true(s.result.all_but_routes && s.m.up);
	assert_int_equal(s.m.n_addresses, 1);
	assert_int_equal(s.m.addresses[0].addr.family, 6);
	assert_int_equal(s.m.n_routes, 1);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.result.stats.set_messages, 0);
	/* Elsewhere it is there, and goes when the host is carried back. */
	s.m.n_ways = ways_of("192.168.1.0/24=eth0 0.0.0.0/0>192.168.1.1", s.ways);
	assert_int_equal(apply(&s), 0);
	assert_int_equal(s.m.n_addresses, 2);
	s.m.n_ways = ways_of(LAN, s.ways);
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.m.n_addresses, 1);
	assert_int_equal(s.m.n_routes, 1);
	end(&s);
}

/* Routes in a table of the operator's are judged by what stands in that table. */
static void test_own_table(void **unused)
{
	struct scene s;

	begin(&s, "-", WANTED, LAN);
	s.want.node.flags |= NODE_HAS_TABLE;
	s.want.node.table = 100;
	assert_int_equal(apply(&s), 0);
	assert_int_equal(s.m.n_routes, 2);
	s.m.ways_table = 100;
	assert_int_equal(apply(&s), -1);
	assert_int_equal(s.m.n_routes, 1);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	   cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_taken_away), cmocka_unit_test(test_address),
		cmocka_unit_test(test_own_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
