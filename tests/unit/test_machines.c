/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines that are in several networks: what clashes there, by one rule each, and routes against
 * what every node's expansion says, on random networks. */
#include "tests/unit/unit.h"

#include "common/buf.h"
#include "common/limits.h"
#include "publication/expand.h"
#include "reconciler/compile.h"
#include "reconciler/machines.h"
#include "schema/load.h"
#include "schema/machines.h"
#include "tests/unit/dice.h"
#include "tests/unit/keys.h"

#define MAX_NETS 4

struct world {
	struct arena arena;
	struct diag diag;
	struct model model;
	struct network compiled[MAX_NETS];
	struct buf messages;
	int result;
};

/* Networks a, b, c, ... of these texts, compiled as far as they can be. */
static void make(struct world *w, const char *const *texts, size_t n)
{
	static const char *const paths[] = { "networks/a.yaml", "networks/b.yaml",
					     "networks/c.yaml", "networks/d.yaml" };
	const struct network *compiled[MAX_NETS] = { NULL };
	struct source *files;
	size_t i;

	*w = (struct world){ .result = 0 };
	arena_init(&w->arena);
	diag_init(&w->diag, &w->arena);
	buf_init(&w->messages, 1 << 20);
	files = arena_array(&w->arena, n + 1, sizeof(*files));
	assert_non_null(files);
	files[0] = (struct source){ "meshrc.yaml", "version: 1\n", 11 };
	for (i = 0; i < n; i++)
		files[i + 1] = (struct source){ paths[i], texts[i], strlen(texts[i]) };
	w->result = schema_load(files, n + 1, &w->arena, &w->diag, &w->model);
	for (i = 0; i < w->model.n_networks && !w->result; i++) {
		if (compile(&w->model.networks[i], NULL, 1, &w->arena, &w->diag, &w->compiled[i]) <
		    0)
			w->result = -1;
		compiled[i] = &w->compiled[i];
	}
	if (!w->result)
		machines_check_routes(&w->model, compiled, &w->diag);
	if (!w->result)
		machines_check_links(&w->model, compiled, &w->diag);
	if (w->diag.errors)
		w->result = -1;
	diag_render(&w->diag, false, &w->messages);
}

static void end(struct world *w)
{
	buf_release(&w->messages);
	arena_release(&w->arena);
}

static void expect_fine(const char *what, const char *const *texts, size_t n)
{
	struct world w;

	make(&w, texts, n);
	if (w.result)
		fail_msg("%s: %s", what, w.messages.data);
	end(&w);
}

/* Each of `words` up to NULL, and `errors` errors. */
static void expect_clash(const char *what, const char *const *texts, size_t n, size_t errors,
			 const char *const *words)
{
	struct world w;

	make(&w, texts, n);
	if (!w.result)
		fail_msg("%s: no clash", what);
	for (; *words; words++)
		if (!strstr(w.messages.data, *words))
			fail_msg("%s: '%s' is not in:\n%s", what, *words, w.messages.data);
	if (w.diag.errors != errors)
		fail_msg("%s: %zu errors:\n%s", what, w.diag.errors, w.messages.data);
	end(&w);
}

#define NET(pool, more) "version: 1\naddresses: [" pool "]\n" more "nodes:\n"
#define NODE(name, key, more) "  " name ": {public_key: " key ", " more "}\n"
/* x is in both networks; in each of them another node has the same network behind it. */
#define A_WITH_G                               \
	NET("10.1.0.0/24", "listen_port: 1\n") \
	NODE("x", KEY_A, "endpoint: x") NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]")
#define B_WITH_H                               \
	NET("10.2.0.0/24", "listen_port: 2\n") \
	NODE("x", KEY_A, "endpoint: x") NODE("h", KEY_B, "endpoint: h, routes: [192.168.1.0/24]")

struct row {
	const char *what, *a, *b;
	const char *words[6]; /* none: it is fine */
};

static const struct row rows[] = {
	{ "other names",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.1.0.0/24", "") NODE("y", KEY_A, "endpoint: x"),
	  { NULL } },
	{ "the default port",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "") NODE("x", KEY_A, "tags: [t]"),
	  { "networks/b.yaml:4:3: error: `x` of network `b` would listen on UDP port 51820, as `x` of "
	    "network `a` does on the same machine\n",
	    "networks/a.yaml:4:3: note: `x` of network `a`",
	    "another `listen_port`; if these are two machines, give one of the nodes another "
	    "`machine`" } },
	{ "a port of its own",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "") NODE("x", KEY_A, "endpoint: x, listen_port: 51821"),
	  { NULL } },
	{ "a port of the network's own",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "listen_port: 51821\n") NODE("x", KEY_A, "endpoint: x"),
	  { NULL } },
	{ "both say the port",
	  NET("10.1.0.0/24", "listen_port: 4500\n") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "") NODE("x", KEY_A, "listen_port: 4500"),
	  { "networks/b.yaml:4:", "UDP port 4500", "networks/a.yaml:3:14: note:" } },
	{ "two machines of one name",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x, machine: x2"),
	  { NULL } },
	{ "two names of one machine",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x, machine: big"),
	  NET("10.2.0.0/24", "") NODE("y", KEY_A, "endpoint: 'x:4', machine: big"),
	  { "`y` of network `b` would listen on UDP port 51820, as `x` of network `a` does on the same "
	    "machine, `big`" } },
	{ "a machine called like another's node",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "") NODE("y", KEY_A, "endpoint: 'x:4', machine: x"),
	  { "as `x` of network `a` does on the same machine, `x`" } },
	{ "one network twice",
	  NET("10.1.0.0/24", "") NODE("x", KEY_A, "endpoint: x")
		  NODE("y", KEY_B, "endpoint: y, machine: x"),
	  NET("10.2.0.0/24", "") NODE("z", KEY_A, "endpoint: z"),
	  { "networks/a.yaml:5:3: error: `x` and `y` of network `a` are on the same machine, `x`",
	    "networks/a.yaml:4:3: note: `x`",
	    "a machine is in a network once: make them one node" } },
	{ "one interface",
	  NET("10.1.0.0/24", "interface: wg0\n") NODE("x", KEY_A, "listen_port: 1"),
	  NET("10.2.0.0/24", "") NODE("x", KEY_A, "listen_port: 2, interface: wg0"),
	  { "networks/b.yaml:4:", "would have the interface `wg0`, as `x` of network `a` does",
	    "networks/a.yaml:3:12: note", "another `interface`" } },
	{ "an interface called like the other network",
	  NET("10.1.0.0/24", "interface: b\n") NODE("x", KEY_A, "listen_port: 1"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "tags: [t]"),
	  { "`x` of network `b` would have the interface `b`, as `x` of network `a` does" } },
	{ "one interface on two machines",
	  NET("10.1.0.0/24", "interface: wg0\n") NODE("x", KEY_A, "listen_port: 1"),
	  NET("10.2.0.0/24", "interface: wg0\n") NODE("y", KEY_A, "listen_port: 1"),
	  { NULL } },
	{ "one endpoint",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: 'x.net:77'"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: 'X.net:77'"),
	  { "networks/b.yaml:5:", "`x` of network `b` has the same endpoint as `x` of network `a`",
	    "networks/a.yaml:5:", "one port leads to one of them" } },
	{ "one endpoint's host",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x.net"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x.net"),
	  { NULL } },
	{ "one endpoint, for some",
	  NET("10.1.0.0/24", "listen_port: 1\n")
		  NODE("x", KEY_A,
		       "tags: [t], endpoints: {default: 'x.net:7', 'tag:t': '10.0.0.1:77'}"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: '10.0.0.1:77'"),
	  { "networks/b.yaml:5:",
	    "`x` of network `b` has the same endpoint as `x` of network `a`" } },
	{ "two exits",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "exit_node: e")
		  NODE("e", KEY_B, "endpoint: e"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "exit_node: f")
		  NODE("f", KEY_B, "endpoint: f"),
	  { "networks/b.yaml:5:",
	    "`x` of network `b` has an exit, as `x` of network `a` has on the same",
	    "networks/a.yaml:5:", "leave one `exit_node` out, or give it a `table`" } },
	{ "two exits, one by a table",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "exit_node: e")
		  NODE("e", KEY_B, "endpoint: e"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "exit_node: f, table: 77")
		  NODE("f", KEY_B, "endpoint: f"),
	  { NULL } },
	{ "a pool inside another",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "tags: [t]"),
	  NET("10.1.7.0/24, 'fd00::/64'", "listen_port: 2\n") NODE("x", KEY_A, "tags: [t]"),
	  { "networks/b.yaml:2:13: error: the pool 10.1.7.0/24 of network `b` overlaps 10.1.0.0/16 of "
	    "network `a`, and `x` is in both, on the same machine",
	    "networks/a.yaml:2:13: note", "choose pools that do not overlap" } },
	{ "a pool around another",
	  NET("'fd00:0:0:1::/64'", "listen_port: 1\n") NODE("x", KEY_A, "tags: [t]"),
	  NET("'fd00::/32'", "listen_port: 2\n") NODE("x", KEY_A, "tags: [t]"),
	  { "networks/b.yaml:2:13: error: the pool fd00::/32 of network `b` overlaps fd00:0:0:1::/64" } },
	{ "one route, on a machine that has both",
	  A_WITH_G,
	  B_WITH_H,
	  { "networks/b.yaml:6:",
	    "192.168.1.0/24 is behind `h` of network `b` and behind `g` of network "
	    "`a`, and `x`, which is in both, can reach only one of them",
	    "networks/a.yaml:6:", "note: behind `g` of network `a`\n", "another `machine`" } },
	{ "one route, of a machine that is in both",
	  NET("10.1.0.0/24", "listen_port: 1\n")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  NET("10.2.0.0/24", "listen_port: 2\n")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  { NULL } },
	{ "one route, of a machine that is in both, and another that is too",
	  A_WITH_G,
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  { "behind `g` of network `b` and behind `g` of network `a`, and `x`, which" } },
	{ "one route, and a machine that is not joined with it",
	  A_WITH_G,
	  B_WITH_H NODE("z", KEY_C,
			"endpoint: z") "topology:\n  - mesh: [x, z]\n  - mesh: [h, z]\n",
	  { NULL } },
	{ "one route, through a hub",
	  A_WITH_G,
	  B_WITH_H NODE("z", KEY_C,
			"endpoint: z") "topology:\n  - star: {hubs: [z], spokes: [x, h]}\n",
	  { "192.168.1.0/24 is behind `h`" } },
	{ "one route, through a relay",
	  A_WITH_G,
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "tags: [t]")
		  NODE("h", KEY_B, "tags: [t], routes: [192.168.1.0/24]")
			  NODE("z", KEY_C, "endpoint: z, relay: true"),
	  { "192.168.1.0/24 is behind `h`" } },
	{ "one route, which the machine stands by for",
	  NET("10.1.0.0/24", "listen_port: 1\n")
		  NODE("x", KEY_A, "endpoint: x, routes: [{cidr: 192.168.1.0/24, metric: 5}]")
			  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  B_WITH_H,
	  { NULL } },
	{ "one route, and others stand by for it",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("f", KEY_C, "endpoint: f, routes: [{cidr: 192.168.1.0/24, metric: 5}]")
			  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  B_WITH_H,
	  { "behind `h` of network `b` and behind `g` of network `a`" } },
	{ "a routed link makes no route",
	  A_WITH_G,
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x") NODE(
		  "h", KEY_B,
		  "endpoint: h, routes: [192.168.1.0/24]") "topology:\n  - mesh: [all]\n    interface_per_link: true\n",
	  { NULL } },
	{ "one route, in two tables",
	  NET("10.1.0.0/24", "listen_port: 1\ntable: 254\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x, table: 77")
		  NODE("h", KEY_B, "endpoint: h, routes: [192.168.1.0/24]"),
	  { NULL } },
	{ "one route, in one table of two names",
	  NET("10.1.0.0/24", "listen_port: 1\ntable: 254\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  B_WITH_H,
	  { "192.168.1.0/24 is behind `h`" } },
	{ "one route, in no table",
	  NET("10.1.0.0/24", "listen_port: 1\ntable: off\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.1.0/24]"),
	  NET("10.2.0.0/24", "listen_port: 2\ntable: off\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [192.168.1.0/24]"),
	  { NULL } },
	{ "a route in a pool, in another table",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "listen_port: 2\ntable: 77\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [10.1.7.0/24]"),
	  { NULL } },
	{ "a route in a wider one",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [192.168.0.0/16]"),
	  B_WITH_H,
	  { NULL } },
	{ "one route, and in one of the networks a wider one behind the same peer",
	  NET("10.1.0.0/24",
	      "listen_port: 1\n") NODE("x", KEY_A,
				       "endpoint: x") NODE("g", KEY_B,
							   "endpoint: g, routes: [192.168.1.0/24]")
		  NODE("w", KEY_C,
		       "endpoint: w, routes: [192.168.0.0/16]") "topology:\n  - star: {hubs: [w], spokes: [x, g]}\n",
	  B_WITH_H,
	  { "192.168.1.0/24 is behind `h`" } },
	{ "a route around a pool",
	  NET("10.1.0.0/24", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [10.0.0.0/8]"),
	  { NULL } },
	{ "a route in a pool",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [10.1.7.0/24]"),
	  { "networks/b.yaml:6:",
	    "10.1.7.0/24 behind `h` of network `b` lies inside 10.1.0.0/16, a pool "
	    "of network `a`, and `x`, which is in both, can reach only one",
	    "networks/a.yaml:2:13: note: a pool of network `a`" } },
	{ "a route like a pool",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [10.2.0.0/24]"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("y", KEY_A, "endpoint: x, machine: x"),
	  { "networks/b.yaml:2:13: error: 10.2.0.0/24 is a pool of network `b` and behind `h` of network "
	    "`a`, and `x` and `y`, on the same machine `x`, can reach only one of them" } },
	{ "a route in a pool, of the machine itself",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x"),
	  NET("10.2.0.0/24", "listen_port: 2\n")
		  NODE("x", KEY_A, "endpoint: x, routes: [10.1.7.0/24]"),
	  { NULL } },
	{ "a route inside its own pool",
	  NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("g", KEY_B, "endpoint: g, routes: [10.1.7.0/24]"),
	  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "endpoint: x")
		  NODE("h", KEY_B, "endpoint: h, routes: [10.1.7.0/24]"),
	  { "10.1.7.0/24 behind `h` of network `b` lies inside 10.1.0.0/16, a pool" } },
	{ "the network of a site",
	  A_WITH_G,
	  NET("10.2.0.0/24",
	      "listen_port: 2\nsites:\n  s: {leaders: [h], routes: [192.168.1.0/24]}\n")
		  NODE("x", KEY_A, "endpoint: x") NODE("h", KEY_B, "endpoint: h, site: s"),
	  { "192.168.1.0/24", "at the site `s` of network `b`", "behind `g` of network `a`" } },
	{ "the network of the machine's own site",
	  A_WITH_G,
	  NET("10.2.0.0/24",
	      "listen_port: 2\nsites:\n  s: {leaders: [h], routes: [192.168.1.0/24]}\n")
		  NODE("x", KEY_A, "site: s") NODE("h", KEY_B, "endpoint: h, site: s"),
	  { NULL } },
};

static void test_rules(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const texts[] = { rows[i].a, rows[i].b };

		if (rows[i].words[0])
			expect_clash(rows[i].what, texts, 2, 1, rows[i].words);
		else
			expect_fine(rows[i].what, texts, 2);
	}
}

/* One pair of networks, many machines: told once. */
static void test_once_for_all(void **state)
{
	static const char *const nets[] = {
		NET("10.1.0.0/16", "") NODE("x", KEY_A, "endpoint: x")
			NODE("y", KEY_B, "endpoint: y") NODE("z", KEY_C, "endpoint: z"),
		NET("10.1.0.0/16", "") NODE("x", KEY_A, "endpoint: x2")
			NODE("y", KEY_B, "endpoint: y2, listen_port: 5")
				NODE("z", KEY_C, "endpoint: z2"),
	};
	static const char *const words[] = {
		"`x` of network `a` does on the same machine (and so on 1 more)",
		"`x` is in both, on the same machine (and so on 2 more)", NULL
	};
	static const char *const routed[] = {
		NET("10.1.0.0/16", "") NODE("x", KEY_A, "endpoint: x")
			NODE("y", KEY_B, "endpoint: y")
				NODE("g", KEY_C, "endpoint: g, routes: [192.168.1.0/24]"),
		NET("10.2.0.0/16", "listen_port: 5\n") NODE("x", KEY_A, "endpoint: x2")
			NODE("y", KEY_B, "endpoint: y2")
				NODE("h", KEY_C, "endpoint: h, routes: [192.168.1.0/24]"),
	};
	static const char *const routed_words[] = { "behind `g` of network `a`; and so on 1 more",
						    NULL };

	expect_clash("networks", nets, 2, 2, words);
	expect_clash("routes", routed, 2, 1, routed_words);
}

/* Three on one machine, of which the first and the last clash. */
static void test_three(void **state)
{
	static const char *const nets[] = {
		NET("10.1.0.0/16", "listen_port: 1\n") NODE("x", KEY_A, "tags: [t]"),
		NET("10.2.0.0/16", "listen_port: 2\n") NODE("x", KEY_A, "tags: [t]"),
		NET("10.1.3.0/24", "listen_port: 1\ninterface: a\n") NODE("x", KEY_A, "tags: [t]"),
	};
	static const char *const words[] = {
		"networks/c.yaml:2:13: error: the pool",
		"`c` would listen on UDP port 1, as `x` of network `a`",
		"the interface `a`, as `x` of network `a`", NULL
	};

	expect_clash("three", nets, 3, 3, words);
}

/* Only what is wrong in itself is told, not what follows from it. */
static void test_after_other_errors(void **state)
{
	static const char *const nets[] = {
		NET("10.1.0.0/16", "") NODE("x", KEY_A, "endpoint: x"),
		NET("10.2.0.0/16", "listen_prot: 5\n") NODE("x", KEY_A, "endpoint: x"),
	};
	static const char *const words[] = { "unknown key `listen_prot`", NULL };

	expect_clash("a typo", nets, 2, 1, words);
}

/* ---- against the expansions ---- */

static const char *const some_keys[] = { KEY_A, KEY_B, KEY_C, KEY_D };

static void random_network(struct dice *d, unsigned int index, struct buf *b)
{
	/* None inside another of the same network: a node would have the wider one alone. */
	static const char *const routes[][4] = {
		{ "192.168.1.0/24", "10.1.7.0/24", "10.2.0.0/16", "172.16.0.0/12" },
		{ "192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.0.2.0/24" },
		{ "192.168.1.128/25", "192.168.1.0/25", "10.1.0.0/16", "10.3.0.0/16" },
	};
	static const char *const topologies[] = {
		"",
		"topology:\n  - star: {hubs: [n0], spokes: [n1, n2, n3]}\n",
		"topology:\n  - mesh: [n0, n1]\n  - mesh: [n1, n2, n3]\n",
		"topology:\n  - link: {between: [n0, n2], and: [n1, n3]}\n",
	};
	unsigned int i, list = dice_throw(d, ARRAY_LEN(routes));

	buf_addf(b, "version: 1\naddresses: [10.%u.0.0/16]\nlisten_port: %u\nnodes:\n", index + 1,
		 index + 1);
	for (i = 0; i < 4; i++) {
		buf_addf(b, "  n%u: {public_key: %s, endpoint: n%u", i, some_keys[i], i);
		if (dice_one_in(d, 2))
			buf_addf(b, ", routes: [%s]", routes[list][i]);
		if (dice_one_in(d, 3))
			buf_addf(b, ", machine: m%u", dice_throw(d, 2) ? i : index * 10 + i);
		buf_adds(b, "}\n");
	}
	buf_adds(b, topologies[dice_throw(d, ARRAY_LEN(topologies))]);
}

static bool has_route(const struct config *c, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < c->n_routes; i++)
		if (!prefix_cmp(&c->routes[i], p))
			return true;
	return false;
}

/* By the routes that the two nodes of one machine would set. */
static bool collide(struct world *w, const struct tenant *a, const struct tenant *b)
{
	const struct tenant *both[] = { a, b };
	struct config c[2];
	struct err e = { 0 };
	size_t i, j, k;

	for (i = 0; i < 2; i++) {
		const struct network *n = &w->compiled[both[i]->network - w->model.networks];

		assert_int_equal(expand(n, network_node(n, both[i]->node->name), &w->arena, &c[i],
					&e),
				 0);
	}
	for (i = 0; i < 2; i++)
		for (j = 0; j < c[i].n_routes; j++) {
			const struct m_network *other = both[1 - i]->network;

			if (has_route(&c[1 - i], &c[i].routes[j]))
				return true;
			for (k = 0; k < other->n_pools; k++)
				if (prefix_contains(&other->pools[k].prefix, &c[i].routes[j]))
					return true;
		}
	return false;
}

static bool any_collision(struct world *w)
{
	struct tenant *list;
	bool found = false;
	size_t n, i, j;

	assert_int_equal(machines_tenants(&w->model, &list, &n), 0);
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n && !strcmp(list[i].machine, list[j].machine); j++)
			found |= list[i].network != list[j].network &&
				 collide(w, &list[i], &list[j]);
	free(list);
	return found;
}

static uint64_t seed_now;

static void test_random(void **state)
{
	unsigned int seen[2] = { 0, 0 };

	for (seed_now = 1; seed_now <= 4000; seed_now++) {
		struct buf text[3];
		const char *texts[3];
		struct world w;
		struct dice d;
		unsigned int i;

		dice_init(&d, seed_now);
		for (i = 0; i < 3; i++) {
			buf_init(&text[i], 1 << 16);
			random_network(&d, i, &text[i]);
			texts[i] = text[i].data;
		}
		make(&w, texts, 2 + dice_throw(&d, 2));
		/* Others are refused for what is in one network alone, or for two nodes on one
		 * machine. */
		if (!w.result || strstr(w.messages.data, "can reach only one of them")) {
			bool want = any_collision(&w);

			seen[want]++;
			if (want != (w.result != 0))
				fail_msg("%s:\n%s---\n%s---\n%s---\n%s", want ? "missed" : "wrong",
					 texts[0], texts[1], texts[2], w.messages.data);
		}
		end(&w);
		for (i = 0; i < 3; i++)
			buf_release(&text[i]);
	}
	assert_true(seen[0] > 300 && seen[1] > 300);
}

static int say_seed(void **state)
{
	if (seed_now <= 4000)
		print_message("seed %llu\n", (unsigned long long)seed_now);
	return 0;
}

/* Routed links: names and ports of all interfaces of a machine, and where their addresses come
 * from. */
static void test_routed_links(void **state)
{
#define TWO(port, more, links)                                                            \
	NET("10." port ".0.0/24", "listen_port: " port "\ninterface: net" port "\n" more) \
	NODE("x", KEY_A, "endpoint: x" port)                                              \
	NODE("y", KEY_B, "endpoint: y" port)                                              \
	"topology:\n  - mesh: [all]\n    interface_per_link: true\n" links
	static const char a[] = TWO("1", "", "");
	static const struct row links[] = {
		{ "all different",
		  a,
		  TWO("2", "", "routed_links: {ports: 700-799, interface_prefix: b-}\n"),
		  { NULL } },
		{ "one name",
		  a,
		  TWO("2", "", "routed_links: {ports: 700-799}\n"),
		  { "networks/b.yaml:10:25: error: on machine `x` the routed link of `x` and `y` in network `a` and "
		    "the routed link of `x` and `y` in network `b` have the same interface wl-y",
		    "give the `routed_links` of one of the networks another `interface_prefix`",
		    NULL } },
		{ "one port",
		  a,
		  TWO("2", "", "routed_links: {interface_prefix: b-}\n"),
		  { "on machine `x` the routed link of `x` and `y` in network `a` and "
		    "the routed link of `x` and `y` in network `b` have the same port 52000",
		    "networks/a.yaml:10:25: note: the other one", NULL } },
		{ "the main port of the other",
		  TWO("1", "", "routed_links: {ports: 2-2}\n"),
		  TWO("2", "", "routed_links: {interface_prefix: b-}\n"),
		  { "on machine `x` the routed link of `x` and `y` in network `a` and node `x` of network `b` have the same port 2",
		    NULL } },
		{ "the main interface of the other",
		  a,
		  NET("10.2.0.0/24", "listen_port: 2\n") NODE("x", KEY_A, "interface: wl-y"),
		  { "have the same interface wl-y", "networks/b.yaml:5:", NULL } },
		{ "transfer pools",
		  TWO("1", "", "routed_links: {transfer: [10.99.0.0/16]}\n"),
		  TWO("2", "",
		      "routed_links: {ports: 700-799, interface_prefix: b-, transfer: [10.99.4.0/24]}\n"),
		  { "the transfer pool 10.99.4.0/24 of network `b` overlaps with the transfer pool 10.99.0.0/16 of network `a`",
		    NULL } },
		{ "a transfer pool and a pool",
		  NET("10.99.0.0/16", "interface: net1\nlisten_port: 1\n")
			  NODE("y", KEY_B, "endpoint: y"),
		  TWO("2", "", "routed_links: {transfer: [10.99.4.0/24]}\n"),
		  { "the transfer pool 10.99.4.0/24 of network `b` overlaps with the pool 10.99.0.0/16 of network `a`",
		    NULL } },
		{ "another machine",
		  a,
		  NET("10.2.0.0/24", "listen_port: 2\ninterface: wl-y\n")
			  NODE("z", KEY_A, "endpoint: z"),
		  { NULL } },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(links); i++) {
		const char *texts[] = { links[i].a, links[i].b };

		if (links[i].words[0])
			expect_clash(links[i].what, texts, 2, 1, links[i].words);
		else
			expect_fine(links[i].what, texts, 2);
	}
#undef TWO
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_routed_links),
		cmocka_unit_test(test_once_for_all),
		cmocka_unit_test(test_three),
		cmocka_unit_test(test_after_other_errors),
		cmocka_unit_test_teardown(test_random, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
