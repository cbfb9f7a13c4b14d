/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The expansion of a node document to a WireGuard configuration, from documents written as text. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/one_arena.h"

/* Keys that sort as their letters do. */
#define KEY_A "AaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_B "BaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_C "CaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_D "DaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_G "GaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_H "HaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_P "PaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="
#define KEY_E "EaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA="

/* hub has a high key, so that the order by key is not the order by name. */
static const char records[] =
	"meshrc records 1\nnetwork prod\n"
	"record anna key=" KEY_A " addresses=10.20.0.11\n"
	"record bert key=" KEY_B " addresses=10.20.0.12 routes=192.168.12.0/24\n"
	"record carl key=" KEY_C " addresses=10.20.0.13,fd20::13 routes=192.168.13.0/24,fd30::/64\n"
	"record gate key=" KEY_G
	" addresses=10.20.0.3 endpoint=gate.example.net:51820 clients=yes\n"
	"record hub key=" KEY_E " addresses=10.20.0.1,fd20::1 endpoint=hub.example.net:51820\n"
	"record phone key=" KEY_P " addresses=10.20.0.31 gateway=gate\n"
	"record site key=" KEY_D
	" addresses=10.20.0.2 routes=10.20.128.0/17,172.16.0.0/12 endpoint=192.0.2.2:51820\n"
	"record two key=" KEY_H " addresses=10.20.0.21 endpoint=two.example.net:1"
	" at=tag:home/192.168.9.2:2 at=tag:lan/[fd00::2]:3\n";
static const char groups[] = "meshrc groups 1\nnetwork prod\n"
			     "member #clients.gate phone\n"
			     "member tag:all3 anna\nmember tag:all3 bert\nmember tag:all3 carl\n"
			     "member tag:ghost nobody\n"
			     "member tag:one anna\n";

#define NODE(name, key) "node " name " key=" key " interface=prod mtu=1420 "
#define ANNA NODE("anna", KEY_A) "addresses=10.20.0.11/16 "
#define ANNA_KEEPALIVE NODE("anna", KEY_A) "keepalive=25 addresses=10.20.0.11/16 "
#define ANNA_FROM(views) NODE("anna", KEY_A) "from=" views " addresses=10.20.0.11/16 "
#define HUB NODE("hub", KEY_E) "addresses=10.20.0.1/16,fd20::1/64 "

#define GATE NODE("gate", KEY_G) "addresses=10.20.0.3/16 "

static struct network load(void)
{
	struct network_builder *b = network_builder_new(&arena, "prod");
	struct network n;
	struct err e = { 0 };

	if (network_builder_add_page(b, TABLE_RECORDS, records, sizeof(records) - 1, &e) < 0 ||
	    network_builder_add_page(b, TABLE_GROUPS, groups, sizeof(groups) - 1, &e) < 0 ||
	    network_builder_finish(b, &n, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

/* "name[allowed,ips]@endpoint+keepalive name[...] | routes" */
static const char *print_config(const struct config *c)
{
	char text[ENDPOINT_STRLEN];
	const char *out;
	struct buf b;
	size_t i, j;

	buf_init(&b, 1 << 20);
	for (i = 0; i < c->n_peers; i++) {
		const struct peer *p = &c->peers[i];

		buf_addf(&b, "%s%s[", i ? " " : "", p->name);
		for (j = 0; j < p->n_allowed_ips; j++)
			buf_addf(&b, "%s%s", j ? "," : "", prefix_print(&p->allowed_ips[j], text));
		buf_addc(&b, ']');
		if (p->endpoint.host)
			buf_addf(&b, "@%s", endpoint_print(&p->endpoint, text));
		if (p->keepalive)
			buf_addf(&b, "+%u", p->keepalive);
	}
	buf_adds(&b, " |");
	for (i = 0; i < c->n_routes; i++)
		buf_addf(&b, " %s", prefix_print(&c->routes[i], text));
	out = arena_strndup(&arena, b.data, b.len);
	buf_release(&b);
	return out;
}

static void test_expand(void **state)
{
	/* `out` starts with "!" for an error whose text follows. */
	static const struct {
		const char *what, *node, *out;
	} rows[] = {
		{ "no link", NODE("anna", KEY_A) "addresses=10.20.0.11/16", " |" },
		{ "one node", ANNA "direct=hub",
		  "hub[10.20.0.1/32,fd20::1/128]@hub.example.net:51820 | fd20::1/128" },
		{ "itself", ANNA "direct=anna", " |" },
		{ "a client is a peer of its gateway", GATE "direct=#clients.gate direct=anna",
		  "anna[10.20.0.11/32] phone[10.20.0.31/32] |" },
		{ "also where the gateway is in its own group",
		  GATE "direct=#clients.gate direct=gate", "phone[10.20.0.31/32] |" },
		{ "and behind it for others", ANNA_KEEPALIVE "direct=gate",
		  "gate[10.20.0.3/32,10.20.0.31/32]@gate.example.net:51820+25 |" },
		{ "not where the gateway itself is behind another",
		  ANNA "direct=hub through=hub:gate",
		  "hub[10.20.0.1/32,10.20.0.3/32,fd20::1/128]@hub.example.net:51820 | fd20::1/128" },
		{ "not where they are peers themselves", ANNA "direct=#clients.gate direct=gate",
		  "gate[10.20.0.3/32]@gate.example.net:51820 phone[10.20.0.31/32] |" },
		{ "a wider prefix covers it", ANNA "direct=gate allow=gate:10.20.0.0/16",
		  "gate[10.20.0.0/16]@gate.example.net:51820 |" },
		{ "keepalive towards an endpoint, and to no other",
		  ANNA_KEEPALIVE "direct=bert direct=hub",
		  "bert[10.20.0.12/32,192.168.12.0/24] hub[10.20.0.1/32,fd20::1/128]@hub.example.net:51820+25"
		  " | 192.168.12.0/24 fd20::1/128" },
		{ "an endpoint, from nowhere", ANNA "direct=two",
		  "two[10.20.0.21/32]@two.example.net:1 |" },
		{ "an endpoint, from elsewhere", ANNA_FROM("tag:a,tag:z") "direct=two",
		  "two[10.20.0.21/32]@two.example.net:1 |" },
		{ "an endpoint at a viewpoint", ANNA_FROM("tag:lan") "direct=two",
		  "two[10.20.0.21/32]@[fd00::2]:3 |" },
		{ "of several viewpoints the first",
		  ANNA_FROM("tag:a,tag:home,tag:lan") "direct=two",
		  "two[10.20.0.21/32]@192.168.9.2:2 |" },
		{ "who is a peer is not reached through another",
		  ANNA "direct=bert direct=hub through=hub:tag:all3",
		  "bert[10.20.0.12/32,192.168.12.0/24]"
		  " hub[10.20.0.1/32,10.20.0.13/32,192.168.13.0/24,fd20::1/128,fd20::13/128,fd30::/64]"
		  "@hub.example.net:51820 | 192.168.12.0/24 192.168.13.0/24 fd20::1/128 fd20::13/128"
		  " fd30::/64" },
		{ "keepalive of a link, before the node's own",
		  ANNA_KEEPALIVE "direct=hub direct=site alive=15:hub",
		  "site[10.20.0.2/32,10.20.128.0/17,172.16.0.0/12]@192.0.2.2:51820+25"
		  " hub[10.20.0.1/32,fd20::1/128]@hub.example.net:51820+15 | 172.16.0.0/12 fd20::1/128" },
		{ "none, before the node's own", ANNA_KEEPALIVE "direct=hub alive=0:hub",
		  "hub[10.20.0.1/32,fd20::1/128]@hub.example.net:51820 | fd20::1/128" },
		{ "of several the shortest that is not 0",
		  ANNA "direct=hub alive=20:all alive=0:hub alive=30:hub",
		  "hub[10.20.0.1/32,fd20::1/128]@hub.example.net:51820+20 | fd20::1/128" },
		{ "keepalive of a link towards no endpoint, and towards no peer",
		  ANNA "direct=bert alive=15:bert alive=15:hub",
		  "bert[10.20.0.12/32,192.168.12.0/24] | 192.168.12.0/24" },
		{ "keepalive of a link with a node that is not there", ANNA "alive=15:nobody",
		  "!the record of nobody is not in the network" },
		{ "a group without itself", ANNA "direct=tag:all3",
		  "bert[10.20.0.12/32,192.168.12.0/24] carl[10.20.0.13/32,192.168.13.0/24,fd20::13/128,fd30::/64]"
		  " | 192.168.12.0/24 192.168.13.0/24 fd20::13/128 fd30::/64" },
		{ "a group of itself alone", ANNA "direct=tag:one", " |" },
		{ "a node in two links is one peer", ANNA "direct=bert direct=tag:all3",
		  "bert[10.20.0.12/32,192.168.12.0/24] carl[10.20.0.13/32,192.168.13.0/24,fd20::13/128,fd30::/64]"
		  " | 192.168.12.0/24 192.168.13.0/24 fd20::13/128 fd30::/64" },
		{ "all", HUB "direct=all",
		  "anna[10.20.0.11/32] bert[10.20.0.12/32,192.168.12.0/24]"
		  " carl[10.20.0.13/32,192.168.13.0/24,fd20::13/128,fd30::/64]"
		  " site[10.20.0.2/32,10.20.128.0/17,172.16.0.0/12]@192.0.2.2:51820"
		  " gate[10.20.0.3/32,10.20.0.31/32]@gate.example.net:51820"
		  " two[10.20.0.21/32]@two.example.net:1 | 172.16.0.0/12 192.168.12.0/24 192.168.13.0/24 fd30::/64" },
		{ "routes of a group by way of the hub", ANNA "direct=hub routes=hub:tag:all3",
		  "hub[10.20.0.1/32,192.168.12.0/24,192.168.13.0/24,fd20::1/128,fd30::/64]@hub.example.net:51820"
		  " | 192.168.12.0/24 192.168.13.0/24 fd20::1/128 fd30::/64" },
		{ "addresses too", ANNA "direct=hub through=hub:bert",
		  "hub[10.20.0.1/32,10.20.0.12/32,192.168.12.0/24,fd20::1/128]@hub.example.net:51820"
		  " | 192.168.12.0/24 fd20::1/128" },
		{ "through a hub to all: not itself, not the hub again",
		  ANNA "direct=hub through=hub:all",
		  "hub[10.20.0.1/32,10.20.0.2/32,10.20.0.3/32,10.20.0.12/32,10.20.0.13/32,10.20.0.21/32,10.20.128.0/17,172.16.0.0/12,"
		  "192.168.12.0/24,192.168.13.0/24,fd20::1/128,fd20::13/128,fd30::/64]@hub.example.net:51820"
		  " | 172.16.0.0/12 192.168.12.0/24 192.168.13.0/24 fd20::1/128 fd20::13/128 fd30::/64" },
		{ "a pool covers what is in it",
		  ANNA "direct=hub through=hub:all allow=hub:10.20.0.0/16",
		  "hub[10.20.0.0/16,172.16.0.0/12,192.168.12.0/24,192.168.13.0/24,fd20::1/128,fd20::13/128,fd30::/64]"
		  "@hub.example.net:51820"
		  " | 172.16.0.0/12 192.168.12.0/24 192.168.13.0/24 fd20::1/128 fd20::13/128 fd30::/64" },
		{ "a prefix inside another peer's wider one",
		  ANNA "direct=bert direct=hub allow=hub:10.20.0.0/16,192.168.0.0/16",
		  "bert[10.20.0.12/32,192.168.12.0/24] hub[10.20.0.0/16,192.168.0.0/16,fd20::1/128]@hub.example.net:51820"
		  " | 192.168.0.0/16 192.168.12.0/24 fd20::1/128" },
		{ "a default route needs more than a route",
		  ANNA "direct=hub allow=hub:0.0.0.0/0,::/0",
		  "hub[0.0.0.0/0,::/0]@hub.example.net:51820 |" },
		{ "the same prefix under two peers",
		  ANNA "direct=bert direct=hub allow=hub:192.168.12.0/24",
		  "!192.168.12.0/24 would stand under two peers, bert and hub" },
		{ "a node that is not there", ANNA "direct=nobody",
		  "!the record of nobody is not in the network" },
		{ "a group that is not there", ANNA "direct=tag:none",
		  "!the group tag:none is not in the network" },
		{ "a member that is not there", ANNA "direct=tag:ghost",
		  "!the record of nobody is not" },
		{ "via a node that is not joined", ANNA "direct=bert through=hub:bert",
		  "!hub is to carry traffic for others, but" },
		{ "via a node that is not there", ANNA "direct=bert routes=nobody:bert",
		  "!the record of nobody is not" },
		{ "allow for a node that is not joined", ANNA "allow=hub:10.0.0.0/8",
		  "!hub is to carry traffic" },
		{ "a peer has this node's key",
		  NODE("dora", KEY_B) "addresses=10.20.0.14/16 direct=bert",
		  "!bert has the same public key" },
		{ "a node that has no record of its own",
		  NODE("dora",
		       "FaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA=") "addresses=10.20.0.14/16 direct=anna",
		  "anna[10.20.0.11/32] |" },
	};
	struct network n = load();
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };
		const char *out;
		struct config c;
		struct node node;

		if (node_decode(rows[i].node, strlen(rows[i].node), &arena, &node, &e) < 0)
			fail_msg("%s: %s", rows[i].what, e.msg);
		if (expand(&n, &node, &arena, &c, &e) < 0) {
			if (rows[i].out[0] != '!' || !strstr(e.msg, rows[i].out + 1) ||
			    e.class != ERR_INPUT)
				fail_msg("%s: %s", rows[i].what, e.msg);
			continue;
		}
		out = print_config(&c);
		if (strcmp(out, rows[i].out) != 0)
			fail_msg("%s:\n%s\n%s", rows[i].what, out, rows[i].out);
		assert_string_equal(c.network, "prod");
		assert_ptr_equal(c.node, &node);
		for (j = 0; j < c.n_peers; j++) {
			assert_ptr_equal(config_peer(&c, &c.peers[j].key), &c.peers[j]);
			assert_true(peer_equal(&c.peers[j], &c.peers[j]));
		}
		assert_null(config_peer(&c, &node.key));
	}
}

static void test_conflicts(void **state)
{
	static const char line[] = ANNA
		"direct=bert direct=hub direct=site allow=hub:172.16.0.0/12,192.168.12.0/24,192.168.99.0/24";
	static const char hidden[] =
		ANNA "direct=bert direct=hub routes=hub:bert allow=hub:192.168.0.0/16";
	struct prefix_conflict found[3];
	struct network n = load();
	struct node node;
	struct err e = { 0 };
	size_t count;

	assert_int_equal(node_decode(line, sizeof(line) - 1, &arena, &node, &e), 0);
	assert_int_equal(expand_conflicts(&n, &node, false, &arena, found, 3, &count, &e), 0);
	assert_int_equal(count, 2);
	assert_string_equal(found[0].a, "hub");
	assert_string_equal(found[0].b, "site");
	assert_int_equal(found[0].prefix.len, 12);
	assert_string_equal(found[1].a, "bert");
	assert_string_equal(found[1].b, "hub");
	assert_int_equal(expand_conflicts(&n, &node, false, &arena, found, 1, &count, &e), 0);
	assert_int_equal(count, 1);
	/* hub's own wider prefix hides that it names bert's too. */
	assert_int_equal(node_decode(hidden, sizeof(hidden) - 1, &arena, &node, &e), 0);
	assert_int_equal(expand_conflicts(&n, &node, false, &arena, found, 3, &count, &e), 0);
	assert_int_equal(count, 0);
	assert_int_equal(expand_conflicts(&n, &node, true, &arena, found, 3, &count, &e), 0);
	assert_int_equal(count, 1);
	assert_string_equal(found[0].a, "bert");
}

static void test_peer_equal(void **state)
{
	struct prefix p = { .family = 4, .len = 8, .b = { 10 } },
		      q = { .family = 4, .len = 8, .b = { 11 } };
	struct peer a = { .name = "a", .allowed_ips = &p, .n_allowed_ips = 1 }, b = a;

	assert_true(peer_equal(&a, &b));
	b.keepalive = 1;
	assert_false(peer_equal(&a, &b));
	b = a;
	b.allowed_ips = &q;
	assert_false(peer_equal(&a, &b));
	b.n_allowed_ips = 0;
	assert_false(peer_equal(&a, &b));
	b = a;
	b.endpoint = (struct endpoint){ "x", 1 };
	assert_false(peer_equal(&a, &b));
	b = a;
	b.name = "b";
	assert_false(peer_equal(&a, &b));
	b = a;
	b.key.b[31] = 1;
	assert_false(peer_equal(&a, &b));
}

/* n records with `prefixes` routes each; the node is joined with all of them. */
static int expand_many(size_t n, size_t prefixes, struct err *e)
{
	struct record *list = arena_array(&arena, n, sizeof(*list));
	struct link all = { .kind = LINK_DIRECT, .target = GROUP_ALL };
	struct node node = { .name = "zz", .interface = { "prod" }, .links = &all, .n_links = 1 };
	struct network net = { .name = "prod", .records = list, .n_records = n };
	struct config c;
	char name[32];
	size_t i, j;

	memset(&node.key, 0xff, sizeof(node.key));
	for (i = 0; i < n; i++) {
		struct ipaddr *a = arena_alloc(&arena, sizeof(*a));
		struct prefix *routes = arena_array(&arena, prefixes, sizeof(*routes));

		snprintf(name, sizeof(name), "n%06zu", i);
		list[i].name = arena_strdup(&arena, name);
		list[i].key.b[0] = (uint8_t)(i >> 16);
		list[i].key.b[1] = (uint8_t)(i >> 8);
		list[i].key.b[2] = (uint8_t)i;
		*a = (struct ipaddr){
			.family = 4, .b = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i }
		};
		list[i].addresses = a;
		list[i].n_addresses = 1;
		for (j = 0; j < prefixes; j++)
			routes[j] = (struct prefix){ .family = 6,
						     .len = 64,
						     .b = { 0xfd, (uint8_t)(i >> 16),
							    (uint8_t)(i >> 8), (uint8_t)i,
							    (uint8_t)(j >> 8), (uint8_t)j } };
		list[i].routes = routes;
		list[i].n_routes = prefixes;
	}
	if (expand(&net, &node, &arena, &c, e) < 0)
		return -1;
	assert_int_equal(c.n_peers, n);
	assert_int_equal(c.n_routes, n * (prefixes + 1));
	return 0;
}

static void test_limits(void **state)
{
	struct err e = { 0 };

	assert_int_equal(expand_many(MAX_PEERS, 3, &e), 0); /* exactly MAX_ALLOWED_IPS too */
	assert_int_equal(expand_many(MAX_PEERS + 1, 0, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_non_null(strstr(e.msg, "peers"));
	/* 4,033 peers of 65 prefixes are one prefix more than the limit. */
	assert_int_equal(expand_many(4033, 64, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_non_null(strstr(e.msg, "allowed IPs"));
	assert_int_equal(expand_many(256, 1023, &e), 0);
}

/* A short document that asks for a great many visits is refused before they are made. */
static void test_bounded_work(void **state)
{
	enum { RECORDS = 20000 };
	struct record *list = arena_array(&arena, RECORDS, sizeof(*list));
	size_t n_links = MAX_EXPANSION_STEPS / RECORDS + 2, i;
	struct link *links = arena_array(&arena, n_links, sizeof(*links));
	struct node node = { .name = "zz", .interface = { "prod" }, .links = links };
	struct network net = { .name = "prod", .records = list, .n_records = RECORDS };
	struct err e = { 0 };
	struct config c;
	char name[32];

	memset(&node.key, 0xff, sizeof(node.key));
	for (i = 0; i < RECORDS; i++) {
		struct ipaddr *a = arena_alloc(&arena, sizeof(*a));

		snprintf(name, sizeof(name), "n%06zu", i);
		*a = (struct ipaddr){ .family = 4, .b = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } };
		list[i] = (struct record){ .name = arena_strdup(&arena, name),
					   .addresses = a,
					   .n_addresses = 1 };
		list[i].key.b[0] = (uint8_t)(i >> 8);
		list[i].key.b[1] = (uint8_t)i;
	}
	links[0] = (struct link){ .kind = LINK_DIRECT, .target = GROUP_ALL };
	for (i = 1; i < n_links; i++)
		links[i] = (struct link){ .kind = LINK_ROUTES,
					  .target = GROUP_ALL,
					  .via = list[i].name };
	/* The records have no routes: what is bounded here is the visits alone. */
	node.n_links = 4;
	assert_int_equal(expand(&net, &node, &arena, &c, &e), 0);
	node.n_links = n_links;
	assert_int_equal(expand(&net, &node, &arena, &c, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_non_null(strstr(e.msg, "too many nodes"));
	/* Addresses too: each link puts 20,000 prefixes, since only one node is met. */
	links[0].target = list[0].name;
	for (i = 1; i < n_links; i++) {
		links[i].kind = LINK_THROUGH;
		links[i].via = list[0].name;
	}
	node.n_links = MAX_EXPANSION_PREFIXES / RECORDS + 2;
	assert_int_equal(expand(&net, &node, &arena, &c, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
}

static void test_nth_allocation(void **state)
{
	size_t n = 0;
	bool hit;

	do {
		struct network net = { 0 };
		struct config c;
		struct node node;
		struct err e = { 0 };
		struct document_ref refs[N_TABLES];
		struct network_builder *b;
		struct document *docs;
		struct arena a;
		size_t n_docs;
		int r = -1;

		arena_init(&a);
		fail_alloc_at(++n);
		b = network_builder_new(&a, "prod");
		if (!b)
			err_nomem(&e);
		else if (network_builder_add_page(b, TABLE_RECORDS, records, sizeof(records) - 1,
						  &e) == 0 &&
			 network_builder_add_page(b, TABLE_GROUPS, groups, sizeof(groups) - 1,
						  &e) == 0 &&
			 network_builder_finish(b, &net, &e) == 0 &&
			 node_decode(HUB "direct=all", strlen(HUB "direct=all"), &a, &node, &e) ==
				 0)
			r = expand(&net, &node, &a, &c, &e) < 0 ?
				    -1 :
				    network_encode(&net, &a, &docs, &n_docs, refs, &e);
		hit = fail_alloc_stop();
		assert_int_equal(r, hit ? -1 : 0);
		assert_true(!hit || e.class != ERR_NONE);
		arena_release(&a);
	} while (hit);
	assert_true(n > 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void test_clients_that_are_not_there(void **state)
{
	static const char *const pages[] = {
		"meshrc records 1\nnetwork prod\n"
		"record gate key=" KEY_G " addresses=10.20.0.3 clients=yes\n",
		"meshrc groups 1\nnetwork prod\nmember #clients.gate phone\n",
	};
	static const char *const why[] = { "the group #clients.gate is not in the network",
					   "the record of phone is not in the network" };
	static const char text[] = ANNA "direct=gate";
	size_t i;

	for (i = 0; i < 2; i++) {
		struct network_builder *b = network_builder_new(&arena, "prod");
		struct err e = { 0 };
		struct network n;
		struct config c;
		struct node node;

		assert_int_equal(network_builder_add_page(b, TABLE_RECORDS, pages[0],
							  strlen(pages[0]), &e),
				 0);
		if (i)
			assert_int_equal(network_builder_add_page(b, TABLE_GROUPS, pages[1],
								  strlen(pages[1]), &e),
					 0);
		assert_int_equal(network_builder_finish(b, &n, &e), 0);
		assert_int_equal(node_decode(text, strlen(text), &arena, &node, &e), 0);
		assert_int_equal(expand(&n, &node, &arena, &c, &e), -1);
		assert_int_equal(e.class, ERR_INPUT);
		assert_non_null(strstr(e.msg, why[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_expand),		T(test_clients_that_are_not_there),
		T(test_conflicts),	T(test_peer_equal),
		T(test_limits),		T(test_bounded_work),
		T(test_nth_allocation),
	};

	return cmocka_run_group_tests_name("expansion", tests, NULL, NULL);
}
