/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema as a whole: files -> model, merging, limits, order of the files, failing allocations,
 * the JSON Schema, and the golden errors: each folder of tests/golden/errors has the files in/ and
 * the text err that loading them prints. GOLDEN_UPDATE=1 writes the texts anew, for review by diff.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "schema/check.h"
#include "schema/check_impl.h"
#include "schema/grammar.h"
#include "schema/jsonschema.h"
#include "schema/load.h"
#include "tests/unit/dice.h"
#include "tests/unit/fail_alloc.h"

#define KEY_A "9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="
#define KEY_B "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_E "2RzKFbGMx5g7fG0BrWCI7JIpGvcwGkqUaCoENYueJw4="
#define KEY_F "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
#define KEY_C "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="

#define MAX_TEST_FILES 64

struct outcome {
	struct source files[MAX_TEST_FILES];
	size_t n;
	struct arena arena;
	struct diag diag;
	struct model model;
	struct buf text;
	int rc;
};

static void outcome_load(struct outcome *o, const struct source *files, size_t n)
{
	*o = (struct outcome){ .n = 0 };
	arena_init(&o->arena);
	diag_init(&o->diag, &o->arena);
	buf_init(&o->text, 1 << 20);
	o->rc = schema_load(files, n, &o->arena, &o->diag, &o->model);
	diag_render(&o->diag, false, &o->text);
	assert_true(buf_ok(&o->text));
	assert_int_equal(o->rc, o->diag.errors ? -1 : 0);
}

static void outcome_release(struct outcome *o)
{
	buf_release(&o->text);
	arena_release(&o->arena);
}

static struct source source(const char *path, const char *text)
{
	return (struct source){ .path = path, .text = text, .len = strlen(text) };
}

/* meshrc.yaml and networks/prod.yaml with this text. */
static void load_network(struct outcome *o, const char *text)
{
	struct source files[] = { source("meshrc.yaml", "version: 1\n"),
				  source("networks/prod.yaml", text) };

	outcome_load(o, files, 2);
}

static void check_model_clients(const struct m_network *n)
{
	const struct m_client *ben = m_network_client(n, "ben"), *zoe = m_network_client(n, "zoe");

	assert_int_equal(n->n_clients, 2);
	assert_ptr_equal(ben, &n->clients[0]);
	assert_ptr_equal(zoe, &n->clients[1]);
	assert_null(m_network_client(n, "fra1"));
	assert_null(m_network_node(n, "ben"));
	assert_string_equal(ben->gateway.s, "123");
	assert_int_equal(ben->n_allowed_ips, 2);
	assert_int_equal(ben->allowed_ips[0].prefix.len, 0);
	assert_true(ben->node.has_addresses);
	assert_int_equal(ben->node.addresses[0].addr.b[3], 9);
	assert_int_equal(ben->n_dns, 3);
	assert_null(ben->dns[0].domain);
	assert_int_equal(ben->dns[1].addr.family, 6);
	assert_string_equal(ben->dns[2].domain, "corp.example.net");
	assert_true(ben->node.persistent_keepalive.set);
	assert_int_equal(ben->node.persistent_keepalive.v, 0);
	assert_int_equal(ben->node.mtu.v, 1280);
	assert_string_equal(ben->node.description.s, "his phone");
	assert_null(ben->node.endpoint.host);
	assert_string_equal(zoe->gateway.s, "fra1");
	assert_false(zoe->node.has_addresses || zoe->n_allowed_ips || zoe->n_dns ||
		     zoe->node.persistent_keepalive.set || zoe->node.mtu.set);
}

static void test_model(void **state)
{
	struct source files[] = {
		source("networks/prod.yaml",
		       "version: 1\n"
		       "addresses: [10.20.0.0/16, fd20:0:0:1::/64]\n"
		       "listen_port: 51821\n"
		       "mtu: 1400\n"
		       "persistent_keepalive: 25\n"
		       "preshared_keys: false\n"
		       "interface: wg0\n"
		       "description: the one\n"
		       "nodes:\n"
		       "  fra1:\n"
		       "    public_key: " KEY_A "\n"
		       "    endpoint: FRA1.example.net\n"
		       "    addresses: [10.20.0.1, \"fd20:0:0:1::1\"]\n"
		       "    tags: [eu, dc]\n"
		       "    routes: [192.168.10.0/24]\n"
		       "    listen_port: 51820\n"
		       "    mtu: 1380\n"
		       "    persistent_keepalive: 0\n"
		       "    fwmark: 0xCa6c\n"
		       "    interface: wg1\n"
		       "    description: \"no\"\n"
		       "  \"123\":\n"
		       "    public_key: " KEY_B "\n"
		       "    endpoint: \"[2001:DB8::1]:1\"\n"
		       "    fwmark: 51820\n"
		       "  anna: {public_key: " KEY_C "}\n"
		       "clients:\n"
		       "  zoe: {public_key: " KEY_F ", gateway: fra1}\n"
		       "  ben:\n"
		       "    public_key: " KEY_E "\n"
		       "    gateway: \"123\"\n"
		       "    allowed_ips: [0.0.0.0/0, \"::/0\"]\n"
		       "    addresses: [10.20.0.9]\n"
		       "    dns: [10.20.0.1, \"fd20::53\", Corp.Example.net.]\n"
		       "    persistent_keepalive: 0\n"
		       "    mtu: 1280\n"
		       "    description: his phone\n"
		       "topology:\n"
		       "  - mesh: [tag:dc, all]\n"
		       "  - star: {hubs: [fra1], spokes: [anna, \"123\"], transit: false}\n"
		       "  - star: {hubs: [fra1], spokes: [anna]}\n"
		       "  - link: {between: [tag:eu], and: [anna]}\n"),
		source("meshrc.yaml",
		       "version: 1\n"
		       "publish: {branch: live/eu-1, remote: origin, directory: /srv/www}\n"
		       "expires: 2w\n"),
		source("trust/root-1", "not YAML\n"),
		source("networks/README.md", "not YAML\n"),
		source("other.yaml", "[not ours\n"),
	};
	struct outcome o;
	const struct m_network *n;
	const struct m_node *fra1, *anna, *digits;
	char text[ENDPOINT_STRLEN];

	outcome_load(&o, files, ARRAY_LEN(files));
	if (o.rc)
		fail_msg("%s", o.text.data);
	assert_int_equal(o.diag.warnings, 0);
	assert_string_equal(o.model.settings.branch.s, "live/eu-1");
	assert_string_equal(o.model.settings.remote.s, "origin");
	assert_string_equal(o.model.settings.directory.s, "/srv/www");
	assert_int_equal(o.model.settings.branch.pos.line, 2);
	assert_int_equal(o.model.settings.expires, 14 * 86400);

	assert_int_equal(o.model.n_networks, 1);
	assert_null(model_network(&o.model, "pro"));
	assert_null(model_network(&o.model, "prod2"));
	n = model_network(&o.model, "prod");
	assert_non_null(n);
	assert_string_equal(n->name, "prod");
	assert_int_equal(n->n_pools, 2);
	assert_int_equal(n->pools[1].prefix.family, 6);
	assert_int_equal(n->pools[1].prefix.len, 64);
	assert_int_equal(n->pools[1].pos.col, 27);
	assert_true(n->listen_port.set && n->listen_port.v == 51821 &&
		    n->listen_port.pos.line == 3);
	assert_true(n->mtu.set && n->mtu.v == 1400);
	assert_true(n->persistent_keepalive.set && n->persistent_keepalive.v == 25);
	assert_true(n->has_interface);
	assert_string_equal(n->interface.s, "wg0");
	assert_string_equal(n->description.s, "the one");

	/* Sorted by name. */
	assert_int_equal(n->n_nodes, 3);
	digits = m_network_node(n, "123");
	anna = m_network_node(n, "anna");
	fra1 = m_network_node(n, "fra1");
	assert_ptr_equal(digits, &n->nodes[0]);
	assert_ptr_equal(anna, &n->nodes[1]);
	assert_ptr_equal(fra1, &n->nodes[2]);
	assert_null(m_network_node(n, "fra2"));

	assert_int_equal(fra1->pos.line, 10);
	assert_int_equal(fra1->pos.width, 4);
	assert_int_equal(fra1->public_key_pos.line, 11);
	assert_int_equal(fra1->public_key.b[0], 0xf6);
	assert_string_equal(fra1->endpoint.host, "fra1.example.net");
	assert_int_equal(fra1->endpoint.port, 0);
	assert_int_equal(fra1->endpoint_pos.col, 15);
	assert_true(fra1->has_addresses);
	assert_int_equal(fra1->n_addresses, 2);
	assert_int_equal(fra1->addresses[0].addr.b[3], 1);
	assert_int_equal(fra1->n_routes, 1);
	assert_int_equal(fra1->routes[0].prefix.len, 24);
	assert_int_equal(fra1->n_tags, 2);
	assert_string_equal(fra1->tags[0].s, "dc");
	assert_int_equal(fra1->tags[0].pos.col, 16);
	assert_string_equal(fra1->tags[1].s, "eu");
	assert_true(fra1->listen_port.set && fra1->listen_port.v == 51820);
	assert_true(fra1->mtu.set && fra1->mtu.v == 1380);
	assert_true(fra1->persistent_keepalive.set && fra1->persistent_keepalive.v == 0);
	assert_true(fra1->fwmark.set && fra1->fwmark.v == 0xca6c);
	assert_string_equal(fra1->interface.s, "wg1");
	assert_string_equal(fra1->description.s, "no");
	assert_int_equal(digits->fwmark.v, 51820);
	assert_string_equal(endpoint_print(&digits->endpoint, text), "[2001:db8::1]:1");

	assert_false(anna->has_addresses || anna->has_interface || anna->mtu.set ||
		     anna->fwmark.set || anna->listen_port.set || anna->persistent_keepalive.set);
	assert_null(anna->endpoint.host);
	assert_null(anna->description.s);
	assert_int_equal(anna->n_routes + anna->n_tags + anna->n_addresses, 0);

	assert_true(n->has_topology);
	assert_int_equal(n->n_topology, 4);
	assert_int_equal(n->topology[0].kind, TOPOLOGY_MESH);
	assert_int_equal(n->topology[0].a.n, 2);
	assert_int_equal(n->topology[0].a.list[0].kind, SELECT_TAG);
	assert_string_equal(n->topology[0].a.list[0].name, "dc");
	assert_int_equal(n->topology[0].a.list[1].kind, SELECT_ALL);
	assert_null(n->topology[0].a.list[1].name);
	assert_int_equal(n->topology[1].kind, TOPOLOGY_STAR);
	assert_false(n->topology[1].transit);
	assert_int_equal(n->topology[1].b.n, 2);
	assert_int_equal(n->topology[1].b.list[1].kind, SELECT_NODE);
	assert_string_equal(n->topology[1].b.list[1].name, "123");
	assert_int_equal(n->topology[1].pos.line, 40);
	assert_true(n->topology[2].transit);
	assert_int_equal(n->topology[3].kind, TOPOLOGY_LINK);
	assert_int_equal(n->topology[3].b.n, 1);
	check_model_clients(n);
	outcome_release(&o);
}

static void test_client_limit(void **state)
{
	static struct m_node node = { .name = "a", .endpoint = { "a", 1 } };
	struct m_network n = { .name = "prod", .nodes = &node, .n_nodes = 1 };
	size_t i, over;

	n.clients = calloc(MAX_NODES, sizeof(*n.clients));
	assert_non_null(n.clients);
	for (i = 0; i < MAX_NODES; i++)
		n.clients[i].node.name = "b";
	for (over = 0; over < 2; over++) {
		struct arena a;
		struct diag d;

		arena_init(&a);
		diag_init(&d, &a);
		n.n_clients = MAX_NODES - 1 + over;
		check_clients(&(struct check){ .n = &n, .scratch = &a, .d = &d });
		assert_int_equal(d.errors, over);
		if (over)
			assert_string_equal(
				d.entries[0].msg,
				"1 nodes and 131072 clients; at most 131072 are accepted together");
		arena_release(&a);
	}
	free(n.clients);
}

static void test_defaults(void **state)
{
	struct outcome o;
	const struct m_network *n;

	load_network(&o, "version: 1\naddresses: [10.20.0.0/16]\n");
	assert_int_equal(o.rc, 0);
	assert_string_equal(o.model.settings.branch.s, "published");
	assert_null(o.model.settings.remote.s);
	assert_null(o.model.settings.directory.s);
	assert_int_equal(o.model.settings.expires, DEFAULT_EXPIRES);
	n = &o.model.networks[0];
	assert_false(n->has_topology || n->has_interface || n->listen_port.set || n->mtu.set ||
		     n->persistent_keepalive.set);
	assert_int_equal(n->n_nodes, 0);
	assert_null(m_network_node(n, "x"));
	outcome_release(&o);

	/* The defaults that the tables print are those of the model. */
	load_network(&o, "version: 1\naddresses: [10.20.0.0/16]\ntopology: []\n");
	assert_int_equal(o.rc, 0);
	assert_true(o.model.networks[0].has_topology);
	assert_int_equal(o.model.networks[0].n_topology, 0);
	outcome_release(&o);
}

/* The fallbacks in the tables, which people read, and the constants, which the compiler uses, say
 * the same. */
static void test_fallbacks(void **state)
{
	const struct field *f;
	unsigned int seen = 0;
	char text[24];

	for (f = grammar_network.fields; f->key; f++) {
		if (!strcmp(f->key, "listen_port"))
			snprintf(text, sizeof(text), "%d", DEFAULT_LISTEN_PORT);
		else if (!strcmp(f->key, "mtu"))
			snprintf(text, sizeof(text), "%d", DEFAULT_MTU);
		else
			continue;
		assert_string_equal(f->fallback, text);
		seen++;
	}
	assert_int_equal(seen, 2);
}

/* Every row of every table is complete, and no table has a key twice. */
static void check_table(const struct table *t)
{
	const struct field *f, *g;

	for (f = t->fields; f->key; f++) {
		for (g = t->fields; g < f; g++)
			assert_string_not_equal(f->key, g->key);
		assert_true(f - t->fields < 32);
		assert_non_null(f->help);
		assert_true(f->help[strlen(f->help) - 1] == '.');
		assert_true(!f->synonyms || f->synonyms[strlen(f->synonyms) - 1] == ' ');
		assert_true(f->min <= f->max);
		if (f->flags & (FIELD_REQUIRED | FIELD_REQUIRED_ONCE))
			assert_non_null(f->example);
		if (f->type == FIELD_WORD)
			assert_true(f->check && f->pattern);
		assert_int_equal(f->type == FIELD_TABLE || f->type == FIELD_NAMED ||
					 f->type == FIELD_LIST || f->type == FIELD_ROUTES,
				 f->table != NULL);
		if (f->table)
			check_table(f->table);
	}
}

static void test_tables(void **state)
{
	check_table(&grammar_meshrc);
	check_table(&grammar_network);
}

static const struct source split[] = {
	{ "meshrc.yaml", "version: 1\n", 11 },
#define FILE_ROW(path, text)                 \
	{                                    \
		path, text, sizeof(text) - 1 \
	}
	FILE_ROW("networks/prod/a.yaml", "version: 1\naddresses: [10.20.0.0/16]\n"
					 "topology:\n  - mesh: [fra1, ams1]\n"),
	FILE_ROW("networks/prod/nodes/fra1.yaml",
		 "version: 1\nnodes:\n  fra1:\n    public_key: " KEY_A "\n"),
	FILE_ROW("networks/prod/nodes/ams1.yml",
		 "nodes:\n  ams1:\n    public_key: " KEY_B "\n    tags: [x]\n"),
	FILE_ROW("networks/prod/deep/er/still/more.yaml",
		 "nodes:\n  fra1: {mtu: 1400}\n  ber1: {public_key: " KEY_C "}\n"
		 "topology:\n  - mesh: [all]\n"),
	FILE_ROW("networks/prod/z.yaml", "mtu: 1380\ntopology: []\n"),
	FILE_ROW("networks/prod.2/a.yaml", "version: 1\naddresses: [10.30.0.0/16]\n"),
	FILE_ROW("networks/prod-2.yaml", "version: 1\naddresses: [10.30.0.0/16]\n"),
};

static void test_split(void **state)
{
	struct outcome o;
	const struct m_network *n;

	outcome_load(&o, split, ARRAY_LEN(split));
	if (o.rc)
		fail_msg("%s", o.text.data);
	assert_int_equal(o.model.n_networks, 3);
	assert_string_equal(o.model.networks[0].name, "prod");
	assert_string_equal(o.model.networks[1].name, "prod-2");
	assert_string_equal(o.model.networks[2].name, "prod.2");
	n = &o.model.networks[0];
	assert_int_equal(n->n_nodes, 3);
	assert_int_equal(n->mtu.v, 1380);
	assert_string_equal(n->pos.source->path, "networks/prod/a.yaml");
	assert_string_equal(n->nodes[0].name, "ams1");
	assert_string_equal(n->nodes[1].name, "ber1");
	/* A node from two files: keys from both; the first path has its name. */
	assert_string_equal(n->nodes[2].name, "fra1");
	assert_int_equal(n->nodes[2].mtu.v, 1400);
	assert_string_equal(n->nodes[2].mtu.pos.source->path,
			    "networks/prod/deep/er/still/more.yaml");
	assert_string_equal(n->nodes[2].public_key_pos.source->path,
			    "networks/prod/nodes/fra1.yaml");
	assert_string_equal(n->nodes[2].pos.source->path, "networks/prod/deep/er/still/more.yaml");
	/* Topology in the order of the paths. */
	assert_int_equal(n->n_topology, 2);
	assert_int_equal(n->topology[0].a.n, 2);
	assert_int_equal(n->topology[1].a.n, 1);
	outcome_release(&o);
}

/* A model as text, places too, so that two can be compared. */
static void describe(const struct model *m, struct buf *out)
{
	size_t i, j, k;

	for (i = 0; i < m->n_networks; i++) {
		const struct m_network *n = &m->networks[i];

		buf_addf(out, "network %s %s\n", n->name, n->pos.source->path);
		for (j = 0; j < n->n_nodes; j++) {
			const struct m_node *node = &n->nodes[j];

			buf_addf(out, "node %s %s:%u key %s:%u mtu %d %s\n", node->name,
				 node->pos.source->path, node->pos.line,
				 node->public_key_pos.source->path, node->public_key_pos.line,
				 (int)node->mtu.v,
				 node->mtu.set ? node->mtu.pos.source->path : "-");
		}
		for (j = 0; j < n->n_topology; j++)
			for (k = 0; k < n->topology[j].a.n; k++)
				buf_addf(out, "topology %zu %s\n", j,
					 n->topology[j].a.list[k].name ?
						 n->topology[j].a.list[k].name :
						 "all");
	}
}

static void test_file_order(void **state)
{
	struct source files[ARRAY_LEN(split)];
	struct buf first, again;
	struct outcome o;
	struct dice d;
	unsigned int round;
	size_t i;

	buf_init(&first, 1 << 16);
	buf_init(&again, 1 << 16);
	memcpy(files, split, sizeof(split));
	dice_init(&d, 7);
	for (round = 0; round < 50; round++) {
		outcome_load(&o, files, ARRAY_LEN(files));
		assert_int_equal(o.rc, 0);
		buf_reset(&again);
		describe(&o.model, round ? &again : &first);
		if (round)
			assert_string_equal(again.data, first.data);
		outcome_release(&o);
		for (i = ARRAY_LEN(files) - 1; i > 0; i--) {
			size_t j = dice_throw(&d, (uint32_t)i + 1);
			struct source s = files[i];

			files[i] = files[j];
			files[j] = s;
		}
	}
	buf_release(&first);
	buf_release(&again);
}

/* Limits: one over each is one error, the largest none. */

static void expect(const char *what, const struct source *files, size_t n, const char *error)
{
	struct outcome o;

	outcome_load(&o, files, n);
	if (!error && o.rc)
		fail_msg("%s: refused: %.2000s", what, o.text.data);
	if (error && (o.diag.errors != 1 || !strstr(o.text.data, error)))
		fail_msg("%s: wanted one error, %s; got %zu: %.2000s", what, error, o.diag.errors,
			 o.text.data);
	outcome_release(&o);
}

static void expect_network(const char *what, const struct buf *b, const char *error)
{
	struct source files[] = { source("meshrc.yaml", "version: 1\n"),
				  { .path = "networks/p.yaml", .text = b->data, .len = b->len } };

	assert_true(buf_ok(b));
	expect(what, files, 2, error);
}

static void add_node(struct buf *b, unsigned int i)
{
	struct wgkey key = { { 9 } };
	char text[KEY_STRLEN];

	memcpy(&key.b[8], &i, sizeof(i));
	buf_addf(b, " n%u: {public_key: %s", i, wgkey_print(&key, text));
}

#define TOP "version: 1\naddresses: [10.0.0.0/8]\n"

static void test_count_limits(void **state)
{
	struct buf b;
	unsigned int over, i;

	buf_init(&b, 64 << 20);
	for (over = 0; over < 2; over++) {
		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		for (i = 0; i < MAX_NODES + over; i++) {
			add_node(&b, i);
			buf_adds(&b, "}\n");
		}
		expect_network("nodes", &b,
			       over ? "`nodes` has 131073 entries; at most 131072" : NULL);

		buf_reset(&b);
		buf_adds(&b, "version: 1\naddresses: [");
		for (i = 0; i < MAX_POOLS + over; i++)
			buf_addf(&b, "10.%u.0.0/16,", i);
		buf_adds(&b, "]\n");
		expect_network("pools", &b, over ? "`addresses` has 17 entries; at most 16" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "reserved: [");
		for (i = 0; i < MAX_RESERVED + over; i++)
			buf_addf(&b, "10.0.%u.%u,", i / 256, i % 256);
		buf_adds(&b, "]\n");
		expect_network("reserved", &b,
			       over ? "`reserved` has 1025 entries; at most 1024" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, ", addresses: [");
		for (i = 0; i < MAX_ADDRESSES + over; i++)
			buf_addf(&b, "10.0.0.%u,", i + 1);
		buf_adds(&b, "]}\n");
		expect_network("addresses", &b,
			       over ? "`addresses` has 17 entries; at most 16" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, ", routes: [");
		for (i = 0; i < MAX_ROUTES + over; i++)
			buf_addf(&b, "172.16.%u.%u/32,", i / 256, i % 256);
		buf_adds(&b, "]}\n");
		expect_network("routes", &b,
			       over ? "`routes` has 1025 entries; at most 1024" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, ", endpoints: {default: a,");
		for (i = 0; i < MAX_VIEWPOINTS + over; i++)
			buf_addf(&b, "tag:t%u: a,", i);
		buf_adds(&b, "}}\n");
		expect_network("endpoints", &b,
			       over ? "`endpoints` has 66 entries; at most 65" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "sites:\n x: {leaders: [");
		for (i = 0; i < MAX_LEADERS + over; i++)
			buf_addf(&b, "n%u,", i);
		buf_adds(&b, "]}\nnodes:\n");
		for (i = 0; i < MAX_LEADERS + over; i++) {
			add_node(&b, i);
			buf_adds(&b, ", site: x}\n");
		}
		expect_network("leaders", &b, over ? "`leaders` has 17 entries; at most 16" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "sites:\n");
		for (i = 0; i < MAX_SITES + over; i++)
			buf_addf(&b, " s%u: {leaders: [n%u]}\n", i, i);
		buf_adds(&b, "nodes:\n");
		for (i = 0; i < MAX_SITES + over; i++) {
			add_node(&b, i);
			buf_addf(&b, ", site: s%u}\n", i);
		}
		expect_network("sites", &b, over ? "`sites` has 257 entries; at most 256" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, ", tags: [");
		for (i = 0; i < MAX_TAGS + over; i++)
			buf_addf(&b, "t%u,", i);
		buf_adds(&b, "]}\n");
		expect_network("tags", &b, over ? "`tags` has 65 entries; at most 64" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, "}\n");
		add_node(&b, 2);
		buf_adds(&b, "}\ntopology:\n");
		for (i = 0; i < MAX_TOPOLOGY + over; i++)
			buf_adds(&b, " - mesh: [all]\n");
		expect_network("topology", &b,
			       over ? "`topology` has 4097 entries; at most 4096" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n");
		add_node(&b, 1);
		buf_adds(&b, "}\n");
		add_node(&b, 2);
		buf_adds(&b, "}\ntopology:\n - mesh: [");
		for (i = 0; i < MAX_SELECTORS + over; i++)
			buf_adds(&b, "all,");
		buf_adds(&b, "]\n");
		expect_network("selectors", &b,
			       over ? "`mesh` has 4097 entries; at most 4096" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "description: ");
		for (i = 0; i < MAX_DESCRIPTION + over; i++)
			buf_addc(&b, 'x');
		buf_addc(&b, '\n');
		expect_network("description", &b,
			       over ? "must have from 0 to 256 bytes, not 257" : NULL);

		buf_reset(&b);
		buf_adds(&b, TOP "nodes:\n ");
		for (i = 0; i < MAX_NAME + over; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, ": {public_key: " KEY_A "}\n");
		expect_network("name", &b, over ? "is not a name" : NULL);
	}
	buf_release(&b);
}

static void add_list(struct buf *b, const char *before, const char *item, unsigned int n,
		     const char *after)
{
	unsigned int i;

	buf_reset(b);
	buf_adds(b, TOP "nodes:\n");
	add_node(b, 1);
	buf_adds(b, "}\n");
	buf_adds(b, before);
	for (i = 0; i < n; i++)
		buf_adds(b, item);
	buf_adds(b, after);
}

static void test_policy_limits(void **state)
{
	struct buf b;
	unsigned int over;

	buf_init(&b, 8 << 20);
	for (over = 0; over < 2; over++) {
		add_list(&b, "policy:\n", " - {from: [all], to: [all]}\n", MAX_RULES + over, "");
		expect_network("policy", &b,
			       over ? "`policy` has 4097 entries; at most 4096" : NULL);
		add_list(&b, "assert:\n", " - {from: [all], reaches: [all]}\n",
			 MAX_ASSERTIONS + over, "");
		expect_network("assert", &b,
			       over ? "`assert` has 4097 entries; at most 4096" : NULL);
		add_list(&b, "policy:\n - {to: [all], from: [", "all,", MAX_PARTIES + over, "]}\n");
		expect_network("from", &b, over ? "`from` has 257 entries; at most 256" : NULL);
		add_list(&b, "policy:\n - {to: [all], from: [all], on: [", "udp/53,",
			 MAX_SERVICES + over, "]}\n");
		expect_network("on", &b, over ? "`on` has 257 entries; at most 256" : NULL);
	}
	buf_release(&b);
}

/* What stands in the model, and its places. */
static void test_policy_model(void **state)
{
	const struct m_assertion *a;
	const struct m_rule *r;
	struct outcome o;

	load_network(&o, TOP "nodes:\n  a: {public_key: " KEY_A ", tags: [app]}\n"
			     "policy:\n"
			     "  - {from: [a, 10.9.0.0/16, tag:app, all], to: [fd00::/8], "
			     "on: [tcp/80-90, icmp], description: why}\n"
			     "  - {from: [all], to: [all]}\n"
			     "assert:\n"
			     "  - {from: [a], never_reaches: [all], on: [udp]}\n");
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.model.networks[0].n_policy, 2);
	r = &o.model.networks[0].policy[0];
	assert_int_equal(r->pos.line, 6);
	assert_int_equal(r->from.nodes.n, 3);
	assert_int_equal(r->from.nodes.list[1].kind, SELECT_TAG);
	assert_int_equal(r->from.n_prefixes, 1);
	assert_int_equal(r->from.prefixes[0].pos.col, 16);
	assert_int_equal(r->to.nodes.n, 0);
	assert_int_equal(r->to.prefixes[0].prefix.family, 6);
	assert_int_equal(r->on.n, 2);
	assert_int_equal(r->on.list[0].service.first, 80);
	assert_int_equal(r->on.list[0].service.last, 90);
	assert_int_equal(r->on.list[1].service.kind, SERVICE_ICMP);
	assert_string_equal(r->description.s, "why");
	assert_int_equal(r[1].on.n, 0);
	a = o.model.networks[0].assertions;
	assert_int_equal(o.model.networks[0].n_assertions, 1);
	assert_int_equal(a->pos.line, 9);
	assert_int_equal(a->reaches.nodes.n, 0);
	assert_int_equal(a->never_reaches.nodes.n, 1);
	assert_int_equal(a->on.list[0].service.last, 65535);
	outcome_release(&o);
}

static void test_file_limits(void **state)
{
	static const char network[] = "version: 1\naddresses: [10.20.0.0/16]\n";
	struct source *files = calloc(MAX_YAML_FILES + 1, sizeof(*files));
	char(*paths)[32] = calloc(MAX_NETWORKS + 1, sizeof(*paths));
	char deep[256];
	size_t i, len;

	assert_true(files && paths);
	files[0] = source("meshrc.yaml", "version: 1\n");

	/* Nobody looks into files when there are too many of them, or too large ones together. */
	for (i = 1; i <= MAX_YAML_FILES; i++)
		files[i] = source("README", "");
	expect("files", files, MAX_YAML_FILES, NULL);
	expect("files", files, MAX_YAML_FILES + 1, "131073 files; at most 131072");
	for (i = 1; i < 4; i++)
		files[i].len = MAX_YAML_FILE;
	files[4].len = MAX_YAML_FILE - files[0].len;
	expect("total", files, 5, NULL);
	files[5].len = 1;
	expect("total", files, 6, "268435457 bytes together; at most 256 MiB");

	for (i = 1; i <= MAX_NETWORKS + 1; i++) {
		snprintf(paths[i - 1], sizeof(paths[0]), "networks/n%zu.yaml", i);
		files[i] = source(paths[i - 1], network);
	}
	expect("networks", files, MAX_NETWORKS + 1, NULL);
	expect("networks", files, MAX_NETWORKS + 2, "1025 networks; at most 1024");

	for (i = MAX_TREE_DEPTH; i <= MAX_TREE_DEPTH + 1; i++) {
		len = (size_t)snprintf(deep, sizeof(deep), "networks/prod");
		for (size_t j = 1; j < i; j++)
			len += (size_t)snprintf(deep + len, sizeof(deep) - len, "/d");
		snprintf(deep + len, sizeof(deep) - len, "/f.yaml");
		files[1] = source(deep, network);
		expect("folders", files, 2,
		       i > MAX_TREE_DEPTH ? "more than 16 folders below" : NULL);
	}
	free(paths);
	free(files);
}

/* The numbers of a table: both ends are taken, one beyond each is refused. */
static void check_bounds(const struct table *t, const char *before, const char *after)
{
	const struct field *f;
	struct buf b;
	int end;

	buf_init(&b, 4096);
	for (f = t->fields; f->key; f++) {
		if (f->type != FIELD_UINT && f->type != FIELD_MARK && f->type != FIELD_ROUTES_TABLE)
			continue;
		for (end = 0; end < 4; end++) {
			/* An unsigned 0 - 1 is out of range as well. */
			uint64_t v = end == 0 ? f->min :
				     end == 1 ? f->max :
				     end == 2 ? f->min - 1 :
						f->max + 1;
			char error[80];

			buf_reset(&b);
			buf_addf(&b, "%s%s: %llu%s", before, f->key, (unsigned long long)v, after);
			snprintf(error, sizeof(error), "`%s` must be from %llu to %llu", f->key,
				 (unsigned long long)f->min, (unsigned long long)f->max);
			expect_network(f->key, &b, end < 2 ? NULL : error);
		}
	}
	buf_release(&b);
}

static void test_bounds(void **state)
{
	static const struct {
		const char *s;
		bool good;
	} durations[] = { { "1h", true },     { "400d", true },	     { "3600s", true },
			  { "3599s", false }, { "59m", false },	     { "401d", false },
			  { "0d", false },    { "34560001s", false } };
	const struct field *f;
	char text[64];
	size_t i;

	check_bounds(&grammar_network, TOP, "\n");
	for (f = grammar_network.fields; f->type != FIELD_NAMED; f++)
		;
	check_bounds(f->table, TOP "nodes: {a: {public_key: " KEY_A ", ", "}}\n");
	for (i = 0; i < ARRAY_LEN(durations); i++) {
		struct source file;

		snprintf(text, sizeof(text), "version: 1\nexpires: %s\n", durations[i].s);
		file = source("meshrc.yaml", text);
		expect(durations[i].s, &file, 1, durations[i].good ? NULL : "is not a duration");
	}
}

/* At most MAX_DIAGS are kept, all are counted. */
static void test_many_errors(void **state)
{
	struct outcome o;
	struct buf b;
	unsigned int i;

	buf_init(&b, 1 << 20);
	buf_adds(&b, TOP "nodes:\n");
	for (i = 0; i < 1000; i++)
		buf_addf(&b, " n%u: {public_key: x, mtu: 1}\n", i);
	load_network(&o, b.data);
	assert_int_equal(o.diag.errors, 2000);
	assert_int_equal(o.diag.n, MAX_DIAGS);
	assert_non_null(strstr(o.text.data, "1950 more errors"));
	outcome_release(&o);
	buf_release(&b);
}

/* What is fine and stays without a word. */
static void test_accepted(void **state)
{
	static const struct {
		const char *what, *text;
	} rows[] = {
		{ "no nodes", TOP },
		{ "two pools of one size", "version: 1\naddresses: [10.0.0.0/16, 10.1.0.0/16]\n" },
		{ "an MTU below 1280 without IPv6", TOP "mtu: 576\n" },
		{ "an MTU of 1280 with IPv6", "version: 1\naddresses: [fd20::/64]\nmtu: 1280\n" },
		{ "a small MTU of a node with IPv4 alone",
		  "version: 1\naddresses: [10.0.0.0/8, fd20::/64]\n"
		  "nodes: {a: {public_key: " KEY_A ", addresses: [10.0.0.1], mtu: 576}}\n" },
		{ "a pool of one address",
		  "version: 1\naddresses: [10.0.0.1/32]\n"
		  "nodes: {a: {public_key: " KEY_A ", addresses: [10.0.0.1]}}\n" },
		{ "both addresses of a /31",
		  "version: 1\naddresses: [10.0.0.0/31]\n"
		  "nodes: {a: {public_key: " KEY_A ", addresses: [10.0.0.0]},"
		  " b: {public_key: " KEY_B ", addresses: [10.0.0.1]}}\n" },
		{ "the last address of an IPv6 pool",
		  "version: 1\naddresses: [\"fd20::/64\"]\n"
		  "nodes: {a: {public_key: " KEY_A
		  ", addresses: [\"fd20::ffff:ffff:ffff:ffff\"]}}\n" },
		{ "one host with two ports",
		  TOP "nodes: {a: {public_key: " KEY_A
		      ", endpoint: \"h:1\"}, b: {public_key: " KEY_B ", endpoint: \"h:2\"}}\n" },
		{ "an endpoint on this machine",
		  TOP "nodes: {a: {public_key: " KEY_A ", endpoint: 127.0.0.1}}\n" },
		{ "a key of JSON",
		  "{\"version\": 1, \"addresses\": [\"10.0.0.0/8\"], \"nodes\": {}}\n" },
		{ "an empty description", TOP "description: \"\"\n" },
		{ "names that only look odd",
		  TOP "nodes: {1.2.3.4: {public_key: " KEY_A "}, 0-x: {public_key: " KEY_B
		      ", tags: [1a, all, e1]}}\n" },
		{ "a topology with every form", TOP
		  "nodes: {a: {public_key: " KEY_A ", tags: [x]}, b: {public_key: " KEY_B "}}\n"
		  "topology: [mesh: [all], star: {hubs: [a], spokes: [all]}, link: {between: [tag:x], and: [b]}]\n" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o;

		load_network(&o, rows[i].text);
		if (o.rc || o.diag.warnings)
			fail_msg("row %zu (%s): %s", i, rows[i].what, o.text.data);
		outcome_release(&o);
	}
}

static void test_misread(void **state)
{
	static const struct {
		const char *s, *what;
	} rows[] = {
		{ "", "nothing" },
		{ "~", "nothing" },
		{ "null", "nothing" },
		{ "NULL", "nothing" },
		{ "no", "a truth value" },
		{ "On", "a truth value" },
		{ "FALSE", "a truth value" },
		{ "0", "a number" },
		{ "010", "a number" },
		{ "0x1F", "a number" },
		{ "0o17", "a number" },
		{ "0b11", "a number" },
		{ "1e3", "a number" },
		{ "1E-3", "a number" },
		{ "1.5", "a number" },
		{ "1.", "a number" },
		{ ".5", "a number" },
		{ "-1", "a number" },
		{ "+1", "a number" },
		{ "1_000", "a number" },
		{ "12:30:45", "a number" },
		{ "12:30", "a number" },
		{ "1:2.5", "a number" },
		{ ".inf", "a number" },
		{ "-.Inf", "a number" },
		{ ".NaN", "a number" },
		{ "2026-01-02", "a date" },
		{ "2026-1-2", "a date" },
		{ "2026-01-02T03:04:05Z", "a date" },
		{ "nul", NULL },
		{ "nO", NULL },
		{ "y", NULL },
		{ "n", NULL },
		{ "1.2.3", NULL },
		{ "1.2.3.4", NULL },
		{ "e3", NULL },
		{ "1e", NULL },
		{ "1e+", NULL },
		{ ".", NULL },
		{ "-", NULL },
		{ "_1", NULL },
		{ "0x", NULL },
		{ "0xg", NULL },
		{ "12:", NULL },
		{ "12:x", NULL },
		{ "2026-01", NULL },
		{ "2026-01-02x", NULL },
		{ "10.0.0.0/8", NULL },
		{ "fd20::1", NULL },
		{ "1a", NULL },
		{ "inf", NULL },
		{ "truetrue", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct yaml_node n = { .text = rows[i].s,
				       .n = (uint32_t)strlen(rows[i].s),
				       .kind = YAML_NODE_SCALAR,
				       .flags = YAML_PLAIN };
		const char *got = table_misread(&n);

		if (!got != !rows[i].what || (got && strcmp(got, rows[i].what)))
			fail_msg("`%s` is %s, not %s", rows[i].s, got ? got : "text",
				 rows[i].what ? rows[i].what : "text");
		n.flags = 0;
		assert_null(table_misread(&n));
	}
}

/* Golden errors. */

static void read_whole(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	if (!f)
		fail_msg("%s cannot be read", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
	assert_true(buf_ok(out));
}

/* All files below `dir`, in whatever order the file system has them, with paths relative to `dir`.
 */
static void collect(struct outcome *keep, const char *dir, const char *below)
{
	char path[512], rel[256];
	struct dirent *d;
	DIR *handle;

	snprintf(path, sizeof(path), "%s%s%s", dir, *below ? "/" : "", below);
	handle = opendir(path);
	assert_non_null(handle);
	while ((d = readdir(handle))) {
		struct stat st;
		struct buf b;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		assert_true((size_t)snprintf(rel, sizeof(rel), "%s%s%s", below, *below ? "/" : "",
					     d->d_name) < sizeof(rel));
		assert_true((size_t)snprintf(path, sizeof(path), "%s/%s", dir, rel) < sizeof(path));
		assert_int_equal(stat(path, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			collect(keep, dir, rel);
			continue;
		}
		assert_true(keep->n < MAX_TEST_FILES);
		buf_init(&b, 1 << 20);
		read_whole(path, &b);
		keep->files[keep->n++] = (struct source){
			.path = arena_strdup(&keep->arena, rel),
			.text = arena_strndup(&keep->arena, b.data, b.len),
			.len = b.len,
		};
		buf_release(&b);
	}
	closedir(handle);
}

#define GOLDEN "tests/golden/errors"

static bool golden_case(const char *name)
{
	char path[512];
	struct outcome files = { .n = 0 }, o;
	struct buf want;
	bool same = true;

	arena_init(&files.arena);
	snprintf(path, sizeof(path), GOLDEN "/%s/in", name);
	collect(&files, path, "");
	outcome_load(&o, files.files, files.n);
	snprintf(path, sizeof(path), GOLDEN "/%s/err", name);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *f = fopen(path, "wb");

		assert_non_null(f);
		assert_int_equal(fwrite(o.text.data, 1, o.text.len, f), o.text.len);
		assert_int_equal(fclose(f), 0);
	}
	buf_init(&want, 1 << 20);
	read_whole(path, &want);
	same = want.len == o.text.len && !memcmp(want.data, o.text.data, want.len);
	if (!same)
		print_error("%s: wanted\n%s\ngot\n%s\n", path, want.data, o.text.data);
	if (!o.text.len) {
		print_error("%s: no error\n", path);
		same = false;
	}
	buf_release(&want);
	outcome_release(&o);
	arena_release(&files.arena);
	return same;
}

static void test_golden(void **state)
{
	DIR *handle = opendir(GOLDEN);
	unsigned int cases = 0, bad = 0;
	struct dirent *d;

	if (!handle)
		fail_msg(GOLDEN " is not there: run from the top of the tree");
	while ((d = readdir(handle))) {
		if (d->d_name[0] == '.')
			continue;
		cases++;
		bad += !golden_case(d->d_name);
	}
	closedir(handle);
	assert_true(cases >= 25);
	if (bad)
		fail_msg("%u of %u golden errors differ", bad, cases);
}

static void check_same(const char *path, int (*print)(struct buf *))
{
	struct buf want, got;

	buf_init(&want, 1 << 20);
	buf_init(&got, 1 << 20);
	assert_int_equal(print(&got), 0);
	read_whole(path, &want);
	if (strcmp(want.data, got.data))
		fail_msg("%s is not what the tables say; `meshrc schema` prints it anew", path);
	buf_reset(&got);
	got.max = 64;
	assert_int_equal(print(&got), -1);
	buf_release(&want);
	buf_release(&got);
}

static void test_json_schema(void **state)
{
	check_same("schema/network.schema.json", jsonschema_network);
	check_same("schema/meshrc.schema.json", jsonschema_meshrc);
}

/* Every allocation fails once: an answer, nothing leaked. */
static void test_no_memory(void **state)
{
	struct source files[ARRAY_LEN(split) + 1];
	size_t n = 0;
	bool hit = true;

	memcpy(files, split, sizeof(split));
	files[ARRAY_LEN(split)] =
		source("networks/bad.yaml",
		       "version: 1\nmtu: x\nnodes:\n  a: {public_key: " KEY_A ", tags: [b]}\n"
		       "  c: {public_key: " KEY_A
		       "}\n  a: 1\nprivate_key: x\ntopology: [mesh: [d]]\n");
	while (hit) {
		struct arena a;
		struct diag d;
		struct model m;
		int rc;

		arena_init(&a);
		diag_init(&d, &a);
		fail_alloc_at(++n);
		rc = schema_load(files, ARRAY_LEN(files), &a, &d, &m);
		hit = fail_alloc_stop();
		assert_int_equal(rc, -1);
		if (hit)
			assert_true(d.nomem);
		assert_true(d.errors > 0);
		arena_release(&a);
	}
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_limit), cmocka_unit_test(test_model),
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_fallbacks),
		cmocka_unit_test(test_tables),	     cmocka_unit_test(test_split),
		cmocka_unit_test(test_file_order),   cmocka_unit_test(test_count_limits),
		cmocka_unit_test(test_file_limits),  cmocka_unit_test(test_policy_limits),
		cmocka_unit_test(test_policy_model), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_many_errors),  cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_misread),	     cmocka_unit_test(test_golden),
		cmocka_unit_test(test_json_schema),  cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
