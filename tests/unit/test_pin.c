/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses written into the text of a network's file: every layout that a person or a program may
 * have chosen, and what the loader makes of the result. */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "schema/load.h"
#include "schema/pin.h"
#include "tests/unit/dice.h"
#include "tests/unit/keys.h"

#define TOP "version: 1\naddresses: [10.0.0.0/8, 'fd00::/64']\n"

static struct ipaddr addr(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(s, strlen(s), &a), 0);
	return a;
}

struct loaded {
	struct arena arena;
	struct diag diag;
	struct model model;
	struct source files[2];
	int result;
};

static void load(struct loaded *l, const char *text, size_t len)
{
	arena_init(&l->arena);
	diag_init(&l->diag, &l->arena);
	l->files[0] = (struct source){ "meshrc.yaml", "version: 1\n", 11 };
	l->files[1] = (struct source){ "networks/net.yaml", text, len };
	l->result = schema_load(l->files, 2, &l->arena, &l->diag, &l->model);
}

static void expect_pinned(const struct m_node *m, const struct pin *pin)
{
	size_t i;

	assert_non_null(m);
	assert_true(m->has_addresses);
	assert_int_equal(m->n_addresses, pin->n);
	for (i = 0; i < pin->n; i++)
		assert_int_equal(ipaddr_cmp(&m->addresses[i].addr, &pin->addresses[i]), 0);
}

/* The file is loaded before and after: the same but for what is pinned. */
static void pin_and_load(const char *what, const char *before, const struct pin *pins, size_t n,
			 struct buf *out)
{
	struct source file = { "networks/net.yaml", before, strlen(before) };
	struct loaded old, new;
	struct err e = { 0 };
	size_t i;

	load(&old, before, strlen(before));
	if (old.result)
		fail_msg("%s: %s", what, old.diag.n ? old.diag.entries[0].msg : "?");
	if (pin_text(&file, pins, n, out, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
	load(&new, out->data, out->len);
	if (new.result)
		fail_msg("%s: %s in\n%s", what, new.diag.n ? new.diag.entries[0].msg : "?",
			 out->data);
	for (i = 0; i < n; i++)
		expect_pinned(m_network_node(&new.model.networks[0], pins[i].name), &pins[i]);
	assert_int_equal(old.model.networks[0].n_nodes, new.model.networks[0].n_nodes);
	arena_release(&old.arena);
	arena_release(&new.arena);
}

struct layout {
	const char *what, *before, *after;
};

/* `a` gets 10.0.0.1 and fd00::1; `b` stays. */
static const struct layout layouts[] = {
	{ "block style, behind the key",
	  TOP "nodes:\n  a:\n    public_key: " KEY_A "\n    tags: [x]\n",
	  TOP "nodes:\n  a:\n    public_key: " KEY_A
	      "\n    addresses: [10.0.0.1, \"fd00::1\"]\n    tags: [x]\n" },
	{ "behind the endpoint",
	  TOP "nodes:\n  a:\n    public_key: " KEY_A
	      "\n    endpoint: a.example.net\n  b:\n    public_key: " KEY_B "\n",
	  TOP
	  "nodes:\n  a:\n    public_key: " KEY_A
	  "\n    endpoint: a.example.net\n    addresses: [10.0.0.1, \"fd00::1\"]\n  b:\n    public_key: " KEY_B
	  "\n" },
	{ "comments stay where they are",
	  TOP "nodes:\n  # the first\n  a:          # one\n    # its key\n    public_key: " KEY_A
	      "   # two\n    # three\n    tags: [x]\n",
	  TOP "nodes:\n  # the first\n  a:          # one\n    # its key\n    public_key: " KEY_A
	      "   # two\n    addresses: [10.0.0.1, \"fd00::1\"]\n    # three\n    tags: [x]\n" },
	{ "a comment over two lines",
	  TOP "nodes:\n  a:\n    public_key: " KEY_A
	      " # made in\n                # 2024\n    tags: [x]\n",
	  TOP
	  "nodes:\n  a:\n    public_key: " KEY_A
	  " # made in\n                # 2024\n    addresses: [10.0.0.1, \"fd00::1\"]\n    tags: [x]\n" },
	{ "the end of a file without a line end", TOP "nodes:\n  a:\n    public_key: " KEY_A,
	  TOP "nodes:\n  a:\n    public_key: " KEY_A "\n    addresses: [10.0.0.1, \"fd00::1\"]" },
	{ "carriage returns",
	  "version: 1\r\naddresses: [10.0.0.0/8, 'fd00::/64']\r\nnodes:\r\n  a:\r\n    public_key: " KEY_A
	  "\r\n    tags: [x]\r\n",
	  "version: 1\r\naddresses: [10.0.0.0/8, 'fd00::/64']\r\nnodes:\r\n  a:\r\n    public_key: " KEY_A
	  "\r\n    addresses: [10.0.0.1, \"fd00::1\"]\r\n    tags: [x]\r\n" },
	{ "the value below its key",
	  TOP "nodes:\n  a:\n    public_key:\n      " KEY_A "\n    tags: [x]\n",
	  TOP "nodes:\n  a:\n    public_key:\n      " KEY_A
	      "\n    addresses: [10.0.0.1, \"fd00::1\"]\n    tags: [x]\n" },
	{ "a value over several lines",
	  TOP "nodes:\n  a:\n    tags: [x]\n    public_key: >-\n      " KEY_A "\n",
	  TOP
	  "nodes:\n  a:\n    addresses: [10.0.0.1, \"fd00::1\"]\n    tags: [x]\n    public_key: >-\n      " KEY_A
	  "\n" },
	{ "an endpoint over several lines",
	  TOP "nodes:\n  a:\n    public_key: " KEY_A
	      "\n    endpoint: \"a.example.\\\n      net\"\n",
	  TOP
	  "nodes:\n  a:\n    public_key: " KEY_A
	  "\n    addresses: [10.0.0.1, \"fd00::1\"]\n    endpoint: \"a.example.\\\n      net\"\n" },
	{ "single quotes", TOP "nodes:\n  a:\n    public_key: '" KEY_A "'\n",
	  TOP "nodes:\n  a:\n    public_key: '" KEY_A "'\n    addresses: [10.0.0.1, 'fd00::1']\n" },
	{ "quoted keys", TOP "nodes:\n  a:\n    'public_key': " KEY_A "\n",
	  TOP "nodes:\n  a:\n    'public_key': " KEY_A
	      "\n    'addresses': ['10.0.0.1', 'fd00::1']\n" },
	{ "keys with question marks",
	  TOP "nodes:\n  ? a\n  : public_key: " KEY_A "\n    tags: [x]\n",
	  TOP "nodes:\n  ? a\n  : public_key: " KEY_A
	      "\n    addresses: [10.0.0.1, \"fd00::1\"]\n    tags: [x]\n" },
	{ "question marks within", TOP "nodes:\n  a:\n    ? public_key\n    : " KEY_A "\n",
	  TOP "nodes:\n  a:\n    ? public_key\n    : " KEY_A
	      "\n    addresses: [10.0.0.1, \"fd00::1\"]\n" },
	{ "letters of more than one byte",
	  TOP
	  "nodes:\n  a: {description: \"f\xc3\xbcr Zo\xc3\xab \xf0\x9f\x9a\x80\", public_key: " KEY_A
	  ", tags: [x]} # \xc3\xa9\n",
	  TOP
	  "nodes:\n  a: {description: \"f\xc3\xbcr Zo\xc3\xab \xf0\x9f\x9a\x80\", public_key: " KEY_A
	  ", addresses: [10.0.0.1, \"fd00::1\"], tags: [x]} # \xc3\xa9\n" },
	{ "in braces", TOP "nodes:\n  a: {public_key: " KEY_A "}\n  b: {public_key: " KEY_B "}\n",
	  TOP "nodes:\n  a: {public_key: " KEY_A
	      ", addresses: [10.0.0.1, \"fd00::1\"]}\n  b: {public_key: " KEY_B "}\n" },
	{ "in braces with blanks", TOP "nodes:\n  a: { public_key: " KEY_A " , endpoint: 'a:1' }\n",
	  TOP "nodes:\n  a: { public_key: " KEY_A
	      " , endpoint: 'a:1', addresses: [10.0.0.1, 'fd00::1'] }\n" },
	{ "all in braces",
	  "{version: 1, addresses: [10.0.0.0/8, 'fd00::/64'], nodes: {b: {public_key: " KEY_B
	  "}, a: {public_key: " KEY_A "}}}",
	  "{version: 1, addresses: [10.0.0.0/8, 'fd00::/64'], nodes: {b: {public_key: " KEY_B
	  "}, a: {public_key: " KEY_A ", addresses: [10.0.0.1, \"fd00::1\"]}}}" },
	{ "JSON",
	  "{\"version\":1,\"addresses\":[\"10.0.0.0/8\",\"fd00::/64\"],\"nodes\":{\"a\":{\"public_key\":\"" KEY_A
	  "\",\"tags\":[\"x\"]}}}\n",
	  "{\"version\":1,\"addresses\":[\"10.0.0.0/8\",\"fd00::/64\"],\"nodes\":{\"a\":{\"public_key\":\"" KEY_A
	  "\", \"addresses\": [\"10.0.0.1\", \"fd00::1\"],\"tags\":[\"x\"]}}}\n" },
	{ "JSON in lines",
	  "{\n\"version\": 1,\n\"addresses\": [\"10.0.0.0/8\", \"fd00::/64\"],\n\"nodes\": {\n  \"a\": {\n    \"public_key\": \"" KEY_A
	  "\"\n  }\n}\n}\n",
	  "{\n\"version\": 1,\n\"addresses\": [\"10.0.0.0/8\", \"fd00::/64\"],\n\"nodes\": {\n  \"a\": {\n    \"public_key\": \"" KEY_A
	  "\",\n    \"addresses\": [\"10.0.0.1\", \"fd00::1\"]\n  }\n}\n}\n" },
	{ "braces over several lines",
	  TOP "nodes:\n  a: {\n    public_key: " KEY_A ", # the key\n    tags: [x],\n  }\n",
	  TOP "nodes:\n  a: {\n    public_key: " KEY_A
	      ", # the key\n    addresses: [10.0.0.1, \"fd00::1\"],\n    tags: [x],\n  }\n" },
	{ "the last one over several lines",
	  TOP "nodes:\n  a: {\n    tags: [x],\n    public_key: " KEY_A
	      " # the key\n    # the end\n  }\n",
	  TOP "nodes:\n  a: {\n    tags: [x],\n    public_key: " KEY_A
	      ", # the key\n    addresses: [10.0.0.1, \"fd00::1\"]\n    # the end\n  }\n" },
	{ "commas in front",
	  TOP "nodes:\n  a: { tags: [x]\n     , public_key: " KEY_A "\n     , mtu: 1400\n     }\n",
	  TOP "nodes:\n  a: { tags: [x]\n     , public_key: " KEY_A
	      ", addresses: [10.0.0.1, \"fd00::1\"]\n     , mtu: 1400\n     }\n" },
	{ "a comma on a line of its own",
	  TOP "nodes:\n  a: {\n     public_key: " KEY_A "\n     , mtu: 1400\n     }\n",
	  TOP "nodes:\n  a: {\n     public_key: " KEY_A
	      ", addresses: [10.0.0.1, \"fd00::1\"]\n     , mtu: 1400\n     }\n" },
	{ "a value over several lines in braces",
	  TOP
	  "nodes:\n  a: {public_key: \"9jalV3EEBnVXahro0pRMQ+\\\n     cHlmjE33Slo9tddzCVtCw=\", mtu: 1400}\n",
	  TOP
	  "nodes:\n  a: {addresses: [10.0.0.1, \"fd00::1\"], public_key: \"9jalV3EEBnVXahro0pRMQ+\\\n     cHlmjE33Slo9tddzCVtCw=\", mtu: 1400}\n" },
	{ "the end of a document",
	  "---\n" TOP "nodes:\n  a:\n    public_key: " KEY_A "\n...\n# behind\n",
	  "---\n" TOP "nodes:\n  a:\n    public_key: " KEY_A
	  "\n    addresses: [10.0.0.1, \"fd00::1\"]\n...\n# behind\n" },
	{ "a name like a key",
	  TOP "nodes:\n  a:\n    tags: [nodes, a]\n    public_key: " KEY_A "\n"
	      "topology:\n  - mesh: [a]\n  - mesh: [all]\n",
	  TOP "nodes:\n  a:\n    tags: [nodes, a]\n    public_key: " KEY_A
	      "\n    addresses: [10.0.0.1, \"fd00::1\"]\n"
	      "topology:\n  - mesh: [a]\n  - mesh: [all]\n" },
};

static void test_layouts(void **state)
{
	struct ipaddr both[] = { addr("10.0.0.1"), addr("fd00::1") };
	struct pin pin = { "nodes", "a", both, 2 };
	size_t i;

	for (i = 0; i < ARRAY_LEN(layouts); i++) {
		const struct layout *l = &layouts[i];
		struct buf out;

		buf_init(&out, MAX_YAML_FILE);
		pin_and_load(l->what, l->before, &pin, 1, &out);
		if (strcmp(out.data, l->after) != 0)
			fail_msg("%s:\n%s\nwanted:\n%s", l->what, out.data, l->after);
		buf_release(&out);
	}
}

static void expect_refused(const char *text, const char *node, size_t max, enum err_class class,
			   const char *words)
{
	struct source file = { "networks/net.yaml", text, strlen(text) };
	struct ipaddr one = addr("10.0.0.1");
	struct pin pin = { "nodes", node, &one, 1 };
	struct err e = { 0 };
	struct buf out;

	buf_init(&out, max);
	assert_int_equal(pin_text(&file, &pin, 1, &out, &e), -1);
	assert_int_equal(e.class, class);
	if (!strstr(e.msg, words))
		fail_msg("'%s' is not in: %s", words, e.msg);
	buf_release(&out);
}

static void test_refusals(void **state)
{
	static const char text[] = TOP "nodes:\n  a: {public_key: " KEY_A "}\n  b: {mtu: 1400}\n"
				       "  c: {public_key: " KEY_B ", addresses: [10.0.0.9]}\n";

	expect_refused(text, "nobody", 4096, ERR_INPUT, "1 of 1 to be pinned");
	expect_refused(text, "b", 4096, ERR_INPUT, "are not written here");
	expect_refused(text, "c", 4096, ERR_INPUT, "net.yaml:6: `c` has `addresses` already");
	expect_refused("nodes: [", "a", 4096, ERR_INPUT, "cannot be read");
	expect_refused(TOP, "a", 4096, ERR_INPUT, "are not written here");
	expect_refused(TOP "nodes: 5\n", "a", 4096, ERR_INPUT, "are not written here");
	expect_refused(text, "a", sizeof(text), ERR_LIMIT, "at most");
}

/* Random files: nodes in every style, with and without comments, some pinned. */

#define MAX_N 12

static void comment(struct dice *d, struct buf *b)
{
	static const char *const words[] = { " # nodes:", "\t# {a: b}", "   #", " # 'x",
					     " # \xc3\xa9" };

	if (dice_one_in(d, 3))
		buf_adds(b, words[dice_throw(d, ARRAY_LEN(words))]);
}

static void value(struct dice *d, struct buf *b, const char *text)
{
	static const char *const quotes[] = { "", "'", "\"" };
	const char *q = quotes[dice_throw(d, 3)];

	buf_addf(b, "%s%s%s", q, text, q);
}

static void random_pair(struct dice *d, struct buf *b, int what, unsigned int index)
{
	struct wgkey key = { { (uint8_t)(index + 1), 9, 9 } };
	char text[KEY_STRLEN + 16];

	switch (what) {
	case 0:
		buf_adds(b, "public_key: ");
		value(d, b, wgkey_print(&key, text));
		break;
	case 1:
		buf_adds(b, "endpoint: ");
		snprintf(text, sizeof(text), "h%u.example.net:%u", index, 1000 + index);
		value(d, b, text);
		break;
	case 2:
		buf_adds(b, "tags: [a, 'b', \"c\"]");
		break;
	default:
		buf_adds(b, "description: \"\xc3\xa4 { # [ 'x' : \"");
		break;
	}
}

static void random_node(struct dice *d, struct buf *b, unsigned int index)
{
	uint32_t style = dice_throw(d, 3), first = dice_throw(d, 4), n = 1 + dice_throw(d, 4), i;
	uint32_t key_at = dice_throw(d, n), others = 0;

	buf_addf(b, "  n%02u:%s", index, style ? " {" : "");
	for (i = 0; i < n; i++) {
		int what = i == key_at ? 0 : 1 + (int)((first + others++) % 3);

		if (style == 1 && i) {
			buf_adds(b, dice_one_in(d, 2) ? ", " : " ,");
		} else if (style != 1) {
			if (style == 2 && i)
				buf_addc(b, ',');
			comment(d, b);
			buf_adds(b, "\n      ");
		}
		random_pair(d, b, what, index);
	}
	if (style == 2) {
		if (dice_one_in(d, 3))
			buf_addc(b, ',');
		if (dice_one_in(d, 2)) {
			comment(d, b);
			buf_adds(b, "\n  ");
		}
	}
	if (style)
		buf_addc(b, '}');
	comment(d, b);
	buf_addc(b, '\n');
}

static uint64_t seed_now;

static void test_random(void **state)
{
	for (seed_now = 1; seed_now <= 3000; seed_now++) {
		struct ipaddr list[MAX_N][2];
		struct pin pins[MAX_N];
		char names[MAX_N][8];
		struct buf before, out;
		struct dice d;
		size_t n = 0;
		unsigned int i;

		dice_init(&d, seed_now);
		buf_init(&before, 1 << 16);
		buf_init(&out, 1 << 16);
		buf_adds(&before, TOP "nodes:\n");
		for (i = 0; i < MAX_N; i++) {
			random_node(&d, &before, i);
			if (dice_one_in(&d, 3))
				continue;
			snprintf(names[n], sizeof(names[n]), "n%02u", i);
			list[n][0] = addr("10.0.0.1");
			list[n][1] = addr("fd00::1");
			list[n][0].b[3] = list[n][1].b[15] = (uint8_t)(i + 1);
			pins[n] = (struct pin){ "nodes", names[n], list[n], 1 + dice_throw(&d, 2) };
			n++;
		}
		if (dice_one_in(&d, 3))
			before.data[--before.len] = '\0';
		if (n)
			pin_and_load("random", before.data, pins, n, &out);
		buf_release(&before);
		buf_release(&out);
	}
}

static int say_seed(void **state)
{
	if (seed_now <= 3000)
		print_message("seed %llu\n", (unsigned long long)seed_now);
	return 0;
}

/* One line of a whole network: the time must not grow with its square. */
static void test_one_long_line(void **state)
{
	enum { N = 20000 };
	struct pin *pins = calloc(N, sizeof(*pins));
	char(*names)[8] = calloc(N, sizeof(*names));
	struct ipaddr *list = calloc(N, sizeof(*list));
	struct buf b, out;
	unsigned int i;

	assert_true(pins && names && list);
	buf_init(&b, 16 << 20);
	buf_init(&out, 16 << 20);
	buf_adds(&b, "{version: 1, addresses: [10.0.0.0/8], nodes: {");
	for (i = 0; i < N; i++) {
		struct wgkey key = { { (uint8_t)i, (uint8_t)(i >> 8), 9, 9 } };
		char text[KEY_STRLEN];

		buf_addf(&b, "n%05u: {public_key: %s}, ", i, wgkey_print(&key, text));
		snprintf(names[i], sizeof(names[i]), "n%05u", i);
		list[i] = addr("10.0.0.0");
		list[i].b[2] = (uint8_t)((i + 1) >> 8);
		list[i].b[3] = (uint8_t)(i + 1);
		pins[i] = (struct pin){ "nodes", names[i], &list[i], 1 };
		if (list[i].b[3] == 0 || list[i].b[3] == 255)
			list[i].b[1] = 1;
	}
	buf_adds(&b, "}}\n");
	pin_and_load("one line", b.data, pins, N, &out);
	buf_release(&b);
	buf_release(&out);
	free(pins);
	free(names);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test_teardown(test_random, say_seed),
		cmocka_unit_test(test_one_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
