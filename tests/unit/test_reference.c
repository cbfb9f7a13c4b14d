/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docs/reference.md is what the grammar tables say. With --write it is written anew. Runs in the
 * root of the tree.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "schema/grammar.h"

#define REFERENCE "docs/reference.md"

static const char head[] =
	"# The keys of the format\n"
	"\n"
	"Written from the tables in `schema/grammar*.c` by `build/tests/test_reference --write`; a test holds it equal. What the keys mean\n"
	"together, and what YAML is accepted, is told in *meshrc-network*(5) and *meshrc.yaml*(5); whole examples are in\n"
	"[examples/networks](../examples/networks).\n";

static const char *type_of(const struct field *f)
{
	switch (f->type) {
	case FIELD_VERSION:
		return "`1`";
	case FIELD_UINT:
		return "number";
	case FIELD_MARK:
		return "number, also 0x...";
	case FIELD_BOOL:
		return "`true` or `false`";
	case FIELD_TEXT:
		return "text";
	case FIELD_WORD:
		return "word";
	case FIELD_DURATION:
		return "duration";
	case FIELD_ROUTES_TABLE:
		return "number or `off`";
	case FIELD_KEY:
		return "key";
	case FIELD_ENDPOINT:
		return "endpoint";
	case FIELD_ENDPOINTS:
		return "mapping of endpoints";
	case FIELD_IFNAME:
		return "interface name";
	case FIELD_PORTS:
		return "range of ports";
	case FIELD_ADDRESSES:
		return "list of addresses";
	case FIELD_PREFIX:
		return "prefix";
	case FIELD_PREFIXES:
		return "list of prefixes";
	case FIELD_RANGES:
		return "list of prefixes and addresses";
	case FIELD_DNS:
		return "list of addresses and domains";
	case FIELD_ROUTES:
		return "list of prefixes or mappings";
	case FIELD_NAMES:
	case FIELD_TAGS:
		return "list of names";
	case FIELD_SELECTORS:
		return "list of selectors";
	case FIELD_PARTIES:
		return "list of selectors and prefixes";
	case FIELD_SERVICES:
		return "list of services";
	case FIELD_TABLE:
		return "mapping";
	case FIELD_NAMED:
		return "mapping by name";
	case FIELD_LIST:
		return "list";
	case FIELD_FALSE:
		return "`false`";
	}
	return "?";
}

static void add_range(struct buf *b, const struct field *f)
{
	const char *unit = "";

	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_WORD:
		unit = " bytes";
		break;
	case FIELD_DURATION:
		unit = " seconds";
		break;
	case FIELD_ENDPOINTS:
	case FIELD_ADDRESSES:
	case FIELD_PREFIXES:
	case FIELD_RANGES:
	case FIELD_DNS:
	case FIELD_ROUTES:
	case FIELD_NAMES:
	case FIELD_TAGS:
	case FIELD_SELECTORS:
	case FIELD_PARTIES:
	case FIELD_SERVICES:
	case FIELD_NAMED:
	case FIELD_LIST:
		unit = " entries";
		break;
	default:
		break;
	}
	if (f->max)
		buf_addf(b, "%llu to %llu%s", (unsigned long long)f->min,
			 (unsigned long long)f->max, unit);
}

/* A table row must not be cut by a bar. */
static void add_cell(struct buf *b, const char *s)
{
	for (; s && *s; s++)
		if (*s == '|')
			buf_adds(b, "\\|");
		else
			buf_addc(b, *s);
}

static void add_table(struct buf *b, const char *title, const char *intro, const struct table *t)
{
	const struct field *f;

	buf_addf(b, "\n## %s\n\n%s\n", title, intro);
	buf_adds(b, "\n| key | value | range | when absent | |\n|---|---|---|---|---|\n");
	for (f = t->fields; f->key; f++) {
		buf_addf(b, "| `%s` | %s | ", f->key, type_of(f));
		add_range(b, f);
		buf_adds(b, " | ");
		if (f->flags & FIELD_REQUIRED)
			buf_adds(b, "an error");
		else if (f->flags & FIELD_REQUIRED_ONCE)
			buf_adds(b, "an error, unless another file of the network has it");
		else if (f->fallback)
			buf_addf(b, "`%s`", f->fallback);
		buf_adds(b, " | ");
		add_cell(b, f->help);
		if (f->example) {
			buf_adds(b, " Example: `");
			add_cell(b, f->example);
			buf_addc(b, '`');
		}
		buf_adds(b, " |\n");
	}
}

static const struct table *sub_table(const struct table *t, const char *key)
{
	const struct field *f;

	for (f = t->fields; f->key; f++)
		if (!strcmp(f->key, key))
			return f->table;
	fail_msg("no key %s in %s", key, t->what);
	return NULL;
}

static void make_reference(struct buf *b)
{
	const struct table *topology = sub_table(&grammar_network, "topology");

	buf_adds(b, head);
	add_table(b, "meshrc.yaml", "At the top of the repository.", &grammar_meshrc);
	add_table(b, "publish", "In meshrc.yaml.", sub_table(&grammar_meshrc, "publish"));
	add_table(b, "A network",
		  "`networks/NAME.yaml`, or all files under `networks/NAME/` together.",
		  &grammar_network);
	add_table(b, "A node", "Under `nodes`, by its name.", sub_table(&grammar_network, "nodes"));
	add_table(b, "A client",
		  "Under `clients`, by its name, which no node has: a device without the agent.",
		  sub_table(&grammar_network, "clients"));
	add_table(b, "A route", "An entry of `routes`, in place of a prefix alone.",
		  sub_table(sub_table(&grammar_network, "nodes"), "routes"));
	add_table(b, "dns of a network", "Under `dns` of a network.",
		  sub_table(&grammar_network, "dns"));
	add_table(b, "dns of a node", "Under `dns` of a node.",
		  sub_table(sub_table(&grammar_network, "nodes"), "dns"));
	add_table(b, "A site", "Under `sites`, by its name.", sub_table(&grammar_network, "sites"));
	add_table(b, "A topology entry",
		  "In the list `topology`: exactly one of `mesh`, `star` and `link`, and what may "
		  "stand beside it.",
		  topology);
	add_table(b, "star", "In a topology entry.", sub_table(topology, "star"));
	add_table(b, "link", "In a topology entry.", sub_table(topology, "link"));
	add_table(b, "A rule", "An entry of `policy`.", sub_table(&grammar_network, "policy"));
	add_table(b, "An assertion", "An entry of `assert`: one of `reaches` and `never_reaches`.",
		  sub_table(&grammar_network, "assert"));
	add_table(b, "routed_links",
		  "What the links of topology entries with `interface_per_link` get.",
		  sub_table(&grammar_network, "routed_links"));
}

static void test_reference(void **state)
{
	struct buf want, have;
	struct err e;

	buf_init(&want, 1 << 20);
	buf_init(&have, 1 << 20);
	make_reference(&want);
	if (os_read_file(AT_FDCWD, REFERENCE, 1 << 20, &have, &e) < 0)
		fail_msg("%s", e.msg);
	if (strcmp(want.data, have.data) != 0)
		fail_msg(
			REFERENCE
			" is not what schema/grammar*.c say: run build/tests/test_reference --write");
	buf_release(&want);
	buf_release(&have);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_reference) };

	if (argc == 2 && !strcmp(argv[1], "--write")) {
		struct buf b;
		struct err e;
		int r;

		buf_init(&b, 1 << 20);
		make_reference(&b);
		r = os_replace(AT_FDCWD, REFERENCE, b.data, b.len, 0644, &e);
		if (r < 0)
			fprintf(stderr, "%s\n", e.msg);
		buf_release(&b);
		return r < 0;
	}
	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
