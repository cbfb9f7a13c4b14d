/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of clients: made from the publication they are what the YAML says, and a plan asks for
 * a new one exactly where the one that was handed over is not the same any more.
 */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/document.h"
#include "reconciler/compile.h"
#include "reconciler/plan.h"
#include "reconciler/render_client.h"
#include "schema/load.h"
#include "tests/ref/client.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/some_network.h"

#define ROUNDS 4000

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

/* ---- random networks ---- */

static const struct m_prefix prefixes[] = {
	{ .prefix = { 4, 0, { 0 } } },
	{ .prefix = { 6, 0, { 0 } } },
	{ .prefix = { 4, 16, { 10, 20 } } },
	{ .prefix = { 4, 24, { 10, 20, 1 } } },
	{ .prefix = { 4, 24, { 192, 168, 7 } } },
	{ .prefix = { 6, 64, { 0xfd, 0x20 } } },
};

static void some_settings(struct dice *d, struct m_client *c)
{
	static const char *const domains[] = { "lan", "corp.example.net" };
	size_t i;

	c->allowed_ips = arena_array(&arena, 4, sizeof(*c->allowed_ips));
	c->n_allowed_ips = dice_one_in(d, 2) ? dice_throw(d, 4) : 0;
	for (i = 0; i < c->n_allowed_ips; i++)
		c->allowed_ips[i] = prefixes[dice_throw(d, ARRAY_LEN(prefixes))];
	c->dns = arena_array(&arena, 4, sizeof(*c->dns));
	c->n_dns = dice_one_in(d, 2) ? dice_throw(d, 3) : 0;
	for (i = 0; i < c->n_dns; i++) {
		c->dns[i].addr = (struct ipaddr){ 4, { 10, 20, 0, (uint8_t)(i + 1) } };
		if (dice_one_in(d, 2))
			c->dns[i].domain = domains[i];
	}
	c->node.mtu = (struct m_uint){ .v = 1280 + dice_throw(d, 2), .set = dice_one_in(d, 3) };
	c->node.persistent_keepalive =
		(struct m_uint){ .v = 25 * dice_throw(d, 2), .set = dice_one_in(d, 3) };
	/* Some of a network's, and one of another. */
	c->node.has_addresses = dice_one_in(d, 4);
	c->node.addresses = arena_array(&arena, 1, sizeof(*c->node.addresses));
	c->node.n_addresses = c->node.has_addresses;
}

static void one_change(struct dice *d, struct m_network *m)
{
	struct m_node *n = &m->nodes[dice_throw(d, (uint32_t)m->n_nodes)];

	switch (dice_throw(d, 8)) {
	case 0:
		m->mtu = (struct m_uint){ .v = 1300 + dice_throw(d, 2), .set = dice_one_in(d, 2) };
		break;
	case 1:
		m->persistent_keepalive =
			(struct m_uint){ .v = 20 + 5 * dice_throw(d, 2), .set = dice_one_in(d, 2) };
		break;
	case 2:
		m->n_pools = 1 + dice_throw(d, 2);
		break;
	case 3:
		n->public_key.b[5] ^= 1;
		break;
	case 4:
		n->endpoint.port ^= n->endpoint.host ? 7 : 0;
		break;
	case 5:
		n->listen_port = (struct m_uint){ .v = 4500, .set = dice_one_in(d, 2) };
		break;
	default:
		if (m->n_clients)
			some_settings(d, &m->clients[dice_throw(d, (uint32_t)m->n_clients)]);
		break;
	}
}

/* As an agent, or the next plan, has it. */
static void read_back(struct network *n)
{
	struct record *records = arena_array(&arena, n->n_records, sizeof(*records));
	struct err e = { 0 };
	struct buf b;
	size_t i;

	buf_init(&b, MAX_LINE);
	for (i = 0; i < n->n_records; i++) {
		buf_reset(&b);
		assert_int_equal(record_encode(&n->records[i], &b), 0);
		if (record_decode(b.data, b.len, &arena, &records[i], &e) < 0)
			fail_msg("%s: %s", e.msg, b.data);
		assert_true(record_equal(&n->records[i], &records[i]));
	}
	n->records = records;
	buf_release(&b);
}

static bool compiles(const struct m_network *m, const struct network *old, uint64_t serial,
		     struct network *ret)
{
	struct diag d;

	diag_init(&d, &arena);
	if (compile(m, old, serial, &arena, &d, ret) < 0)
		return false;
	read_back(ret);
	return true;
}

/* The file from the publication; it must be what the model says. */
static const char *file_of(const struct m_network *m, const struct network *n, const char *name)
{
	const struct m_client *client = m_network_client(m, name);
	struct client_config c;
	struct err e = { 0 };
	struct buf want, got;
	const char *ret;

	buf_init(&want, 1 << 16);
	buf_init(&got, 1 << 16);
	ref_client_file(m, client, network_record(n, name), &want);
	if (client_config_make(n, name, client_interface(m), &arena, &c, &e) < 0 ||
	    client_config_render(&c, RENDER_WG_QUICK, true, &got, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(got.data, want.data);
	ret = arena_strdup(&arena, got.data);
	buf_release(&want);
	buf_release(&got);
	return ret;
}

static const struct plan_client *told(const struct plan *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n_clients; i++)
		if (!strcmp(p->clients[i].name, name))
			return &p->clients[i];
	return NULL;
}

static void test_random(void **state)
{
	size_t tried, done = 0, same = 0, changed = 0, cut_off = 0;

	for (tried = 0; done < ROUNDS && tried < 20 * ROUNDS; tried++) {
		const char *files[3] = { NULL };
		struct network old, new;
		struct m_network *m;
		struct plan p;
		struct dice d;
		struct err e;
		size_t i, n;

		arena_release(&arena);
		dice_init(&d, tried);
		m = some_network(&d, &arena);
		for (i = 0; i < m->n_clients; i++)
			some_settings(&d, &m->clients[i]);
		for (i = 0; i < m->n_clients; i++)
			if (m->clients[i].node.has_addresses)
				m->clients[i].node.addresses[0].addr =
					(struct ipaddr){ 4, { 10, 20, 9, (uint8_t)i } };
		if (!m->n_clients || !compiles(m, NULL, 1, &old))
			continue;
		for (i = 0; i < m->n_clients; i++)
			files[i] = file_of(m, &old, m->clients[i].node.name);
		for (n = 1 + dice_throw(&d, 3), i = 0; i < n; i++)
			one_change(&d, m);
		for (i = 0; i < m->n_clients; i++)
			if (m->clients[i].node.has_addresses)
				m->clients[i].node.addresses[0].addr =
					(struct ipaddr){ 4, { 10, 20, 9, (uint8_t)i } };
		if (!compiles(m, &old, 2, &new))
			continue;
		assert_int_equal(plan_make(&old, &new, &arena, &p, &e), 0);
		for (i = 0; i < m->n_clients; i++) {
			const char *name = m->clients[i].node.name, *file = file_of(m, &new, name);
			const struct plan_client *c = told(&p, name);

			if ((c && c->file != PLAN_FILE_SAME) != (strcmp(files[i], file) != 0))
				fail_msg("seed %zu, %s:\n%s%s", tried, name, files[i], file);
			same += !c;
			changed += c != NULL;
			cut_off += c && c->file == PLAN_FILE_CUT_OFF;
		}
		done++;
	}
	print_message("%zu networks: %zu files stay, %zu change, %zu are cut off\n", done, same,
		      changed, cut_off);
	assert_int_equal(done, ROUNDS);
	assert_true(same > ROUNDS / 10 && changed > ROUNDS / 10 && cut_off > ROUNDS / 10);
}

/* ---- what is told ---- */

#define KEY_A "9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="
#define KEY_B "2RzKFbGMx5g7fG0BrWCI7JIpGvcwGkqUaCoENYueJw4="
#define KEY_C "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
#define KEY_P "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define KEY_Q "b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE="
#define KEY_R "M5H6qBwkaiVPRZTpP9Plyq2cPvVxW5Pnt7Wk0eXpKBQ="

struct texts {
	const char *top, *a, *p;
};

#define POOLS "addresses: [10.0.0.0/24, \"fd00::/64\"]\n"
#define NODE_A "endpoint: a.example.net, addresses: [10.0.0.1, \"fd00::1\"]"
#define PHONE "gateway: a, addresses: [10.0.0.9, \"fd00::9\"]"

/* Its usual key, unless it names another. */
static const char *with_key(const char *entry, const char *key)
{
	char text[128];

	snprintf(text, sizeof(text), "public_key: %s, ", key);
	return strncmp(entry, "public_key", 10) ? arena_strdup(&arena, text) : "";
}

static const char *yaml_of(const struct texts *t)
{
	struct buf b;
	const char *s;

	buf_init(&b, 1 << 16);
	buf_addf(&b,
		 "version: 1\n%snodes:\n"
		 "  a: {%s%s}\n"
		 "  b: {public_key: " KEY_B
		 ", endpoint: b.example.net, addresses: [10.0.0.2, \"fd00::2\"]}\n"
		 "  c: {public_key: " KEY_C ", addresses: [10.0.0.3, \"fd00::3\"]}\n"
		 "clients:\n  p: {%s%s}\n"
		 "  q: {public_key: " KEY_Q ", gateway: a, addresses: [10.0.0.10]}\n"
		 "  r: {public_key: " KEY_R ", gateway: a, addresses: [10.0.0.11]}\n",
		 t->top, with_key(t->a, KEY_A), t->a, with_key(t->p, KEY_P), t->p);
	s = arena_strdup(&arena, b.data);
	buf_release(&b);
	return s;
}

static struct network *compiled(const struct texts *t, const struct network *old, uint64_t serial)
{
	struct network *n = arena_alloc(&arena, sizeof(*n));
	struct model *m = arena_alloc(&arena, sizeof(*m));
	struct source *files = arena_array(&arena, 2, sizeof(*files));
	const char *yaml = yaml_of(t);
	struct diag d;
	struct buf b;

	files[0] = (struct source){ "meshrc.yaml", "version: 1\n", 11 };
	files[1] = (struct source){ "networks/net.yaml", yaml, strlen(yaml) };
	diag_init(&d, &arena);
	if (schema_load(files, 2, &arena, &d, m) == 0 &&
	    compile(&m->networks[0], old, serial, &arena, &d, n) == 0)
		return n;
	buf_init(&b, 1 << 20);
	diag_render(&d, false, &b);
	fail_msg("%s%s", b.data, yaml);
	return NULL;
}

/* "cut_off endpoint dns" */
static const char *say(const struct plan *p, const char *name)
{
	static const char *const words[] = { "same", "stale", "cut_off" };
	const struct plan_client *c = told(p, name);
	struct buf b;
	const char *s;
	size_t i;

	if (!c)
		return "";
	buf_init(&b, 1 << 16);
	buf_adds(&b, words[c->file]);
	for (i = 0; i < c->n_attrs; i++)
		if (!i || strcmp(c->attrs[i].name, c->attrs[i - 1].name) != 0)
			buf_addf(&b, " %s", c->attrs[i].name);
	s = arena_strdup(&arena, b.data);
	buf_release(&b);
	return s;
}

static void test_what_a_change_means(void **state)
{
	static const struct texts usual = { POOLS, NODE_A, PHONE };
	static const struct {
		const char *what;
		struct texts before, after;
		const char *p, *q; /* what becomes of the clients p and q */
		uint64_t lost;
	} rows[] = {
		{ "nothing", { 0 }, { POOLS, NODE_A, PHONE }, "", "", 0 },
		{ "the endpoint of the gateway",
		  { 0 },
		  { POOLS, "endpoint: z.example.net, addresses: [10.0.0.1, \"fd00::1\"]", PHONE },
		  "cut_off endpoint",
		  "cut_off endpoint",
		  9 },
		{ "its port",
		  { 0 },
		  { POOLS, NODE_A ", listen_port: 4500", PHONE },
		  "cut_off endpoint",
		  "cut_off endpoint",
		  9 },
		{ "its key",
		  { 0 },
		  { POOLS, "public_key: ECb1sVP0oX0LfLbvJ0qWAuhS5zv2nAXZVzKYVYGOyBw=, " NODE_A,
		    PHONE },
		  "cut_off gateway_key",
		  "cut_off gateway_key",
		  9 },
		{ "where others than clients reach it",
		  { 0 },
		  { POOLS,
		    "endpoints: {default: a.example.net, \"tag:lan\": 192.168.1.1}, addresses: [10.0.0.1, \"fd00::1\"], tags: [lan]",
		    PHONE },
		  "",
		  "",
		  0 },
		{ "another gateway",
		  { 0 },
		  { POOLS, NODE_A, "gateway: b, addresses: [10.0.0.9, \"fd00::9\"]" },
		  "cut_off gateway gateway_key endpoint",
		  "",
		  3 },
		{ "its own key",
		  { 0 },
		  { POOLS, NODE_A,
		    "public_key: ECb1sVP0oX0LfLbvJ0qWAuhS5zv2nAXZVzKYVYGOyBw=, " PHONE },
		  "cut_off public_key",
		  "",
		  3 },
		{ "its addresses",
		  { 0 },
		  { POOLS, NODE_A, "gateway: a, addresses: [10.0.0.19, \"fd00::19\"]" },
		  "cut_off addresses",
		  "",
		  3 },
		{ "one of them: the other is still reached",
		  { 0 },
		  { POOLS, NODE_A, "gateway: a, addresses: [10.0.0.19, \"fd00::9\"]" },
		  "cut_off addresses",
		  "",
		  0 },
		{ "one of them goes: there is nothing of that version to miss",
		  { 0 },
		  { POOLS, NODE_A, "gateway: a, addresses: [\"fd00::9\"]" },
		  "stale addresses",
		  "",
		  0 },
		{ "one more", { 0 }, { POOLS, NODE_A, PHONE ", mtu: 1300" }, "stale mtu", "", 0 },
		{ "name servers",
		  { POOLS, NODE_A, PHONE ", dns: [10.0.0.1, lan]" },
		  { POOLS, NODE_A, PHONE ", dns: [lan, 10.0.0.1]" },
		  "stale dns",
		  "",
		  0 },
		{ "no keepalive any more",
		  { 0 },
		  { POOLS, NODE_A, PHONE ", persistent_keepalive: 0" },
		  "stale persistent_keepalive",
		  "",
		  0 },
		{ "the network's keepalive",
		  { 0 },
		  { POOLS "persistent_keepalive: 20\n", NODE_A, PHONE },
		  "stale persistent_keepalive",
		  "stale persistent_keepalive",
		  0 },
		{ "the usual keepalive, written",
		  { 0 },
		  { POOLS, NODE_A, PHONE ", persistent_keepalive: 25" },
		  "",
		  "",
		  0 },
		{ "more into the tunnel",
		  { 0 },
		  { POOLS, NODE_A, PHONE ", allowed_ips: [0.0.0.0/0]" },
		  "stale allowed_ips",
		  "",
		  0 },
		{ "the pools, written",
		  { 0 },
		  { POOLS, NODE_A, PHONE ", allowed_ips: [\"fd00::/64\", 10.0.0.0/24]" },
		  "",
		  "",
		  0 },
		{ "nothing of what went into the tunnel",
		  { POOLS, NODE_A, PHONE ", allowed_ips: [10.0.0.1/32]" },
		  { POOLS, NODE_A, PHONE ", allowed_ips: [10.0.0.2/32]" },
		  "cut_off allowed_ips",
		  "",
		  3 },
		{ "a pool more",
		  { 0 },
		  { "addresses: [10.0.0.0/24, \"fd00::/64\", 10.9.0.0/24]\n", NODE_A, PHONE },
		  "stale allowed_ips",
		  "stale allowed_ips",
		  0 },
		{ "an MTU of the network",
		  { 0 },
		  { POOLS "mtu: 1400\n", NODE_A, PHONE },
		  "stale mtu",
		  "stale mtu",
		  0 },
		{ "a description",
		  { 0 },
		  { POOLS, NODE_A, PHONE ", description: \"Anna's\"" },
		  "",
		  "",
		  0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const struct network *old =
			compiled(rows[i].before.top ? &rows[i].before : &usual, NULL, 1);
		struct plan p;
		struct err e = { 0 };

		assert_int_equal(plan_make(old, compiled(&rows[i].after, old, 2), &arena, &p, &e),
				 0);
		if (strcmp(say(&p, "p"), rows[i].p) != 0 || strcmp(say(&p, "q"), rows[i].q) != 0 ||
		    p.pairs_lost != rows[i].lost)
			fail_msg("%s: '%s' and '%s', %llu pairs lost", rows[i].what, say(&p, "p"),
				 say(&p, "q"), (unsigned long long)p.pairs_lost);
		/* q and r change alike, p mostly too: then they share it. */
		if (*rows[i].q)
			assert_ptr_equal(told(&p, "q")->attrs, told(&p, "r")->attrs);
	}
}

/* A gateway that is called otherwise is the same one to its clients. */
static void test_another_name(void **state)
{
	static const char before[] =
		"version: 1\naddresses: [10.0.0.0/24]\nnodes:\n"
		"  a: {public_key: " KEY_A ", endpoint: a.example.net, addresses: [10.0.0.1]}\n"
		"clients:\n  p: {public_key: " KEY_P ", gateway: a, addresses: [10.0.0.9]}\n";
	struct network old, new;
	struct record *records;
	struct model m;
	struct diag d;
	struct source files[2] = { { "meshrc.yaml", "version: 1\n", 11 },
				   { "networks/net.yaml", before, sizeof(before) - 1 } };
	struct plan p;
	struct err e;

	diag_init(&d, &arena);
	assert_int_equal(schema_load(files, 2, &arena, &d, &m), 0);
	assert_int_equal(compile(&m.networks[0], NULL, 1, &arena, &d, &old), 0);
	m.networks[0].nodes[0].name = "z";
	m.networks[0].clients[0].gateway.s = "z";
	assert_int_equal(compile(&m.networks[0], &old, 2, &arena, &d, &new), 0);
	assert_int_equal(plan_make(&old, &new, &arena, &p, &e), 0);
	assert_string_equal(say(&p, "p"), "same gateway");
	assert_int_equal(p.files_needed, 0);

	/* A publication whose client has no gateway is no reason to give up. */
	records = arena_array(&arena, 2, sizeof(*records));
	records[0] = *network_record(&old, "p");
	old.records = records;
	old.n_records = 1;
	old.n_nodes = 0;
	assert_int_equal(plan_make(&old, &new, &arena, &p, &e), 0);
	assert_string_equal(say(&p, "p"), "cut_off public_key gateway gateway_key endpoint "
					  "allowed_ips persistent_keepalive");
}

static const char *as_text(const struct plan *p, bool verbose)
{
	struct buf b;
	char *s;

	buf_init(&b, 1 << 20);
	plan_text(p, false, verbose, &b);
	s = arena_strdup(&arena, b.data);
	buf_release(&b);
	return s;
}

static void test_texts(void **state)
{
	static const struct texts
		usual = { POOLS, NODE_A, PHONE },
		other = { POOLS, "endpoint: 192.0.2.7, addresses: [10.0.0.1, \"fd00::1\"]",
			  "gateway: b, addresses: [10.0.0.9, \"fd00::9\"]" },
		part = { POOLS, NODE_A, PHONE ", mtu: 1300, dns: [lan]" };
	const struct network *old = compiled(&usual, NULL, 1);
	const struct plan *list;
	struct plan p;
	struct buf b;
	struct err e = { 0 };

	assert_int_equal(plan_make(old, compiled(&other, old, 2), &arena, &p, &e), 0);
	assert_non_null(strstr(as_text(&p, false),
			       "\nReachability will be lost: 9 pairs of nodes and clients\n"
			       "  - 3 nodes (a, b, c) will no longer reach 3 nodes (p, q, r)\n"
			       "\nNew files for clients: 3, without which 3 are cut off\n"
			       "  - will be cut off: p, q, r\n"));
	assert_non_null(strstr(
		as_text(&p, false),
		"\n  # client p will be changed, and cut off until it has a new file\n"
		"  ~ client p\n"
		"      ~ gateway     = a -> b\n"
		"      ~ gateway_key = " KEY_A " -> " KEY_B "\n"
		"      ~ endpoint    = a.example.net:51820 -> b.example.net:51820\n"
		"\n  # 2 clients (q, r) will be changed, and cut off until they have new files\n"
		"  ~ 2 clients, each\n"
		"      ~ endpoint = a.example.net:51820 -> 192.0.2.7:51820\n"
		"\nPlan: "));
	list = &p;
	buf_init(&b, 1 << 20);
	plan_markdown(&list, 1, 60000, &b);
	assert_non_null(strstr(b.data, "\n**3 clients will be cut off without a new file.**\n\n"));
	assert_null(strstr(b.data, "not right any more"));
	buf_reset(&b);
	assert_int_equal(plan_json(&list, 1, &b, &e), 0);
	assert_non_null(strstr(b.data, "\"name\": \"r\",\n          \"new_file\": \"cut_off\""));
	assert_non_null(strstr(b.data, "\"clients_cut_off\": 3,"));
	assert_non_null(strstr(b.data, "\"new_files\": 3,"));
	p.diff = true;
	assert_non_null(strstr(as_text(&p, false), "\n  - cut off: p, q, r\n"));

	/* Nobody is cut off. */
	assert_int_equal(plan_make(old, compiled(&part, old, 2), &arena, &p, &e), 0);
	assert_non_null(strstr(as_text(&p, false),
			       "Network net\n"
			       "\nNew files for clients: 1\n"
			       "  ~ not right any more: p\n"
			       "\n  # client p will be changed, and needs a new file\n"
			       "  ~ client p\n"
			       "      + dns = lan\n"
			       "      + mtu = 1300\n"));
	buf_reset(&b);
	plan_markdown(&list, 1, 60000, &b);
	assert_non_null(
		strstr(b.data,
		       "\n**1 client's file is not right any more: new ones are needed.**\n\n"));
	buf_reset(&b);
	assert_int_equal(plan_json(&list, 1, &b, &e), 0);
	assert_non_null(strstr(b.data, "\"new_file\": \"stale\""));
	/* Of one client, and of one node. */
	assert_int_equal(plan_make_node(old, compiled(&other, old, 2), "q", &arena, &p, &e), 0);
	assert_int_equal(p.n_clients, 1);
	assert_int_equal(p.files_cut_off, 1);
	assert_int_equal(plan_make_node(old, compiled(&other, old, 2), "c", &arena, &p, &e), 0);
	assert_int_equal(p.n_clients, 0);
	assert_int_equal(p.files_needed, 0);
	assert_int_equal(p.pairs_lost, 3);
	buf_release(&b);
}

/* Many clients that change alike are one block with a cut list of names; others are listed up to a
 * number of blocks. */
static void test_cut_lists(void **state)
{
	static struct plan_attr attr = { "mtu", "1300", "1400" };
	static struct plan_client clients[60];
	static char names[60][8];
	struct plan p = { .network = "n",
			  .documents = true,
			  .clients = clients,
			  .n_clients = 60,
			  .clients_changed = 60,
			  .files_needed = 60 };
	const char *text;
	size_t i;

	/* 30 alike, every second one; 30 each for itself. */
	for (i = 0; i < 60; i++) {
		snprintf(names[i], sizeof(names[i]), "c%02zu", i);
		clients[i] = (struct plan_client){ .action = PLAN_CHANGE,
						   .name = names[i],
						   .attrs = &attr,
						   .n_attrs = 1,
						   .file = PLAN_FILE_STALE,
						   .like = i % 2 ? i : 0,
						   .next = i % 2 || i == 58 ? 0 : i + 2 };
	}
	text = as_text(&p, false);
	assert_non_null(strstr(text,
			       "  ~ not right any more: c00, c01, c02, c03, c04, c05, c06, c07, "
			       "c08, c09, ... and 50 more\n"));
	assert_non_null(strstr(text,
			       "# 30 clients (c00, c02, c04, c06, c08, c10, c12, c14, c16, c18, "
			       "... and 20 more) will be changed, and need new files\n"));
	assert_non_null(strstr(text, "\n  # ... and 11 more clients (--verbose lists all)\n"));
	text = as_text(&p, true);
	assert_non_null(strstr(text, "c56, c58) will be changed"));
	assert_non_null(strstr(text, "# client c59 will be changed"));
	assert_null(strstr(text, "... and"));
}

static void test_out_of_memory(void **state)
{
	static const struct texts before = { POOLS, NODE_A, PHONE ", dns: [10.0.0.1]" },
				  after = { POOLS, NODE_A ", listen_port: 4500",
					    PHONE ", mtu: 1300, allowed_ips: [10.0.0.0/25]" };
	const struct network *old = compiled(&before, NULL, 1), *new = compiled(&after, old, 2);
	struct arena out;
	struct plan p;
	struct err e;
	size_t n = 0;
	bool hit;
	int r;

	do {
		arena_init(&out);
		fail_alloc_at(++n);
		r = plan_make(old, new, &out, &p, &e);
		hit = fail_alloc_stop();
		assert_int_equal(hit, r < 0);
		if (hit)
			assert_int_equal(e.class, ERR_NOMEM);
		arena_release(&out);
	} while (hit);
	assert_true(n > 5);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_random), T(test_what_a_change_means), T(test_another_name),
		T(test_texts),	T(test_cut_lists),	     T(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
