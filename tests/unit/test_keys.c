/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No key of the grammar is forgotten. Every row of every table stands in the JSON Schema and in
 * docs/reference.md under its own table, is used in a network of examples/networks, and is refused
 * with its place by some case of tests/golden/errors when its value is wrong. Runs in the root of
 * the tree.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <jansson.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "schema/grammar.h"
#include "schema/load.h"
#include "schema/yaml.h"
#include "tests/unit/repositories.h"

#define EXAMPLES "examples/networks"
#define GOLDEN "tests/golden/errors"
#define REFERENCE "docs/reference.md"

/* ---- Every key ---- */

struct key {
	const struct table *table;
	const struct field *field;
	bool used, refused;
};

static struct key keys[512];
static size_t n_keys;

static struct key *find_key(const struct table *t, const struct field *f)
{
	size_t i;

	for (i = 0; i < n_keys; i++)
		if (keys[i].table == t && keys[i].field == f)
			return &keys[i];
	return NULL;
}

static void collect_keys(const struct table *t)
{
	const struct field *f;

	for (f = t->fields; f->key; f++) {
		if (find_key(t, f))
			continue;
		assert_true(n_keys < ARRAY_LEN(keys));
		keys[n_keys++] = (struct key){ .table = t, .field = f };
		if (f->table)
			collect_keys(f->table);
	}
}

static int setup(void **unused)
{
	collect_keys(&grammar_meshrc);
	collect_keys(&grammar_network);
	return n_keys > 40 ? 0 : -1;
}

/* Tells all that lack something, and fails when any does. */
static void check(bool (*has)(const struct key *k), const char *lack)
{
	size_t i, bad = 0;

	for (i = 0; i < n_keys; i++) {
		if (has(&keys[i]))
			continue;
		print_error("`%s` of %s %s\n", keys[i].field->key, keys[i].table->what, lack);
		bad++;
	}
	if (bad)
		fail_msg("%zu of %zu keys", bad, n_keys);
}

/* ---- Their places ---- */

/* Calls `fn` with every key of the file that is one of the grammar, and its place in that. */
typedef void visit_fn(struct key *k, const struct yaml_pair *p, void *arg);

static void visit(const struct table *t, const struct yaml_node *map, visit_fn *fn, void *arg);

static void visit_below(const struct field *f, const struct yaml_node *v, visit_fn *fn, void *arg)
{
	uint32_t i;

	if (v->kind == YAML_NODE_MAP && f->type != FIELD_NAMED)
		visit(f->table, v, fn, arg);
	for (i = 0; v->kind == YAML_NODE_MAP && f->type == FIELD_NAMED && i < v->n; i++)
		if (v->pairs[i].value.kind == YAML_NODE_MAP)
			visit(f->table, &v->pairs[i].value, fn, arg);
	for (i = 0; v->kind == YAML_NODE_LIST && i < v->n; i++)
		if (v->items[i].kind == YAML_NODE_MAP)
			visit(f->table, &v->items[i], fn, arg);
}

static void visit(const struct table *t, const struct yaml_node *map, visit_fn *fn, void *arg)
{
	uint32_t i;

	for (i = 0; i < map->n; i++) {
		const struct field *f = table_field(t, map->pairs[i].key.text);

		if (!f)
			continue;
		fn(find_key(t, f), &map->pairs[i], arg);
		if (f->table)
			visit_below(f, &map->pairs[i].value, fn, arg);
	}
}

static void visit_files(const struct repository *x, visit_fn *fn, void *arg)
{
	size_t i;

	for (i = 0; i < x->n; i++) {
		bool top = !strchr(x->list[i].path, '/');
		struct yaml_stats stats = { 0 };
		struct yaml_node tree;
		struct arena a;
		struct diag d;

		arena_init(&a);
		diag_init(&d, &a);
		(void)yaml_read(&x->list[i], &a, &d, &tree, &stats);
		if (tree.kind == YAML_NODE_MAP)
			visit(top ? &grammar_meshrc : &grammar_network, &tree, fn, arg);
		arena_release(&a);
	}
}

/* ---- The tests ---- */

static void use(struct key *k, const struct yaml_pair *p, void *arg)
{
	k->used = true;
}

static void use_all(const struct repository *x)
{
	visit_files(x, use, NULL);
}

static bool is_used(const struct key *k)
{
	return k->used;
}

static void test_examples(void **unused)
{
	repositories_each(EXAMPLES, "", use_all);
	check(is_used, "is in no network of " EXAMPLES);
}

/* An error at this place. */
static bool error_at(const struct diag *d, const struct yaml_node *n)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];

		if (e->severity == DIAG_ERROR && e->pos.source == n->source &&
		    e->pos.line == n->line && e->pos.col == n->col)
			return true;
	}
	return false;
}

static void look_for_error(struct key *k, const struct yaml_pair *p, void *arg)
{
	const struct diag *d = arg;
	const struct yaml_node *v = &p->value;
	uint32_t i;

	/* At the key it is one about the value only where there is none. */
	k->refused |=
		error_at(d, v) || (v->kind == YAML_NODE_SCALAR && !v->n && error_at(d, &p->key));
	for (i = 0; v->kind == YAML_NODE_LIST && i < v->n; i++)
		k->refused |= error_at(d, &v->items[i]);
	/* The entry that is too much, or whose name is none. */
	for (i = 0; v->kind == YAML_NODE_MAP && k->field->type == FIELD_NAMED && i < v->n; i++)
		k->refused |= error_at(d, &v->pairs[i].key);
}

static void refuse_all(const struct repository *x)
{
	struct arena a;
	struct model m;
	struct diag d;

	arena_init(&a);
	diag_init(&d, &a);
	(void)schema_load(x->list, x->n, &a, &d, &m);
	visit_files(x, look_for_error, &d);
	arena_release(&a);
}

static bool is_refused(const struct key *k)
{
	return k->refused;
}

static void test_refused(void **unused)
{
	repositories_each(GOLDEN, "/in", refuse_all);
	check(is_refused, "is refused with a wrong value by no case of " GOLDEN);
}

/* The first object at or below `j` that has properties. */
static json_t *with_properties(json_t *j)
{
	json_t *v, *found;
	const char *key;
	size_t i;

	if (json_is_object(j) && json_is_object(json_object_get(j, "properties")))
		return j;
	if (json_is_object(j)) {
		json_object_foreach(j, key, v)
		{
			found = with_properties(v);
			if (found)
				return found;
		}
	}
	json_array_foreach(j, i, v)
	{
		found = with_properties(v);
		if (found)
			return found;
	}
	return NULL;
}

static void check_schema(const struct table *t, json_t *j)
{
	json_t *object = with_properties(j), *property;
	const struct field *f;
	size_t n = 0;

	if (!object)
		fail_msg("%s has no properties in the JSON Schema", t->what);
	for (f = t->fields; f->key; f++) {
		property = json_object_get(json_object_get(object, "properties"), f->key);
		if (!property)
			fail_msg("`%s` of %s is not in the JSON Schema", f->key, t->what);
		assert_string_equal(json_string_value(json_object_get(property, "description")),
				    f->help);
		n++;
		if (f->table)
			check_schema(f->table, property);
	}
	assert_int_equal(json_object_size(json_object_get(object, "properties")), n);
	assert_true(json_is_false(json_object_get(object, "additionalProperties")));
}

static void check_schema_file(const char *path, const struct table *t)
{
	json_error_t e;
	json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &e);

	if (!j)
		fail_msg("%s: %s", path, e.text);
	check_schema(t, j);
	json_decref(j);
}

static void test_schema(void **unused)
{
	check_schema_file("schema/network.schema.json", &grammar_network);
	check_schema_file("schema/meshrc.schema.json", &grammar_meshrc);
}

static struct buf page;

/* A table of the page that has these rows, in this order and no others. */
static bool has_section(const struct table *t)
{
	const struct field *f;
	const char *p = page.data;
	char row[80];

	while ((p = strstr(p, "|---|---|---|---|---|\n"))) {
		p = strchr(p, '\n') + 1;
		for (f = t->fields; f->key && p; f++) {
			snprintf(row, sizeof(row), "| `%s` | ", f->key);
			if (strncmp(p, row, strlen(row)) != 0)
				break;
			p = strchr(p, '\n') + 1;
		}
		if (!f->key && *p != '|')
			return true;
	}
	return false;
}

static bool is_in_reference(const struct key *k)
{
	return has_section(k->table);
}

static void test_reference(void **unused)
{
	struct err e;

	buf_init(&page, 1 << 20);
	if (os_read_file(AT_FDCWD, REFERENCE, 1 << 20, &page, &e) < 0)
		fail_msg("%s", e.msg);
	check(is_in_reference, "is not under its table in " REFERENCE);
	buf_release(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("keys", tests, setup, NULL);
}
