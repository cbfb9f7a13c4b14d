/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a slip of the pen makes of a network: every line of every example is left out, and every
 * value is replaced by what it cannot be, one at a time. Whatever comes out is compiled and its
 * assertions held, or refused with an error; with the sanitizers nothing reads where it should not.
 */
#include "tests/unit/unit.h"

#include "common/buf.h"
#include "reconciler/assert.h"
#include "reconciler/compile.h"
#include "tests/unit/repositories.h"

#define EXAMPLES "examples/networks"
/* What is longer repeats itself. */
#define MAX_TEXT 8192

static size_t n_tried, n_refused;

static void try_files(const struct source *files, size_t n)
{
	struct arena a;
	struct model m;
	struct diag d;
	size_t i;
	int r;

	arena_init(&a);
	diag_init(&d, &a);
	r = schema_load(files, n, &a, &d, &m);
	for (i = 0; !r && i < m.n_networks; i++) {
		struct network net;

		r = compile(&m.networks[i], NULL, 1, &a, &d, &net);
		if (r)
			break;
		assert_int_equal(assert_check(&m.networks[i], &net, false, &a, &d), 0);
	}
	if (r && !d.errors)
		fail_msg("refused without an error:\n%s", files[n - 1].text);
	n_tried++;
	n_refused += r != 0;
	arena_release(&a);
}

/* With the bytes from `at` to `end` replaced. */
static void try_text(const struct repository *x, size_t file, const char *at, const char *end,
		     const char *by)
{
	const struct source *s = &x->list[file];
	struct source files[MAX_TEST_FILES];
	struct buf text;
	size_t i, k = 0;

	buf_init(&text, 2 * MAX_TEXT);
	buf_add(&text, s->text, (size_t)(at - s->text));
	buf_adds(&text, by);
	buf_add(&text, end, (size_t)(s->text + s->len - end));
	for (i = 0; i < x->n; i++)
		if (i != file)
			files[k++] = x->list[i];
	files[k++] = (struct source){ .path = s->path, .text = text.data, .len = text.len };
	try_files(files, k);
	buf_release(&text);
}

/* Where a value that begins here ends: at a comma, a bracket or the line's end of its own depth. */
static const char *value_end(const char *p)
{
	unsigned int depth = 0;

	for (; *p && *p != '\n'; p++) {
		if (*p == '{' || *p == '[')
			depth++;
		if (!depth && (*p == ',' || *p == '}' || *p == ']'))
			break;
		if (*p == '}' || *p == ']')
			depth--;
	}
	return p;
}

static void try_values(const struct repository *x, size_t file, const char *line, const char *end)
{
	static const char *const others[] = { "",
					      " ",
					      " []",
					      " {}",
					      " 0",
					      " -1",
					      " true",
					      " 'a b'",
					      " [1]",
					      " {a: 1}",
					      " 99999999999999999999" };
	const char *p;
	size_t i;

	for (p = line; (p = memchr(p, ':', (size_t)(end - p))); p++) {
		if (p[1] != ' ' && p[1] != '\n')
			continue;
		for (i = 0; i < ARRAY_LEN(others); i++)
			try_text(x, file, p + 1, value_end(p + 1), others[i]);
	}
	for (p = line; p < end && (*p == ' ' || *p == '-'); p++)
		;
	if (p > line && p[-1] == ' ' && p - 1 > line && p[-2] == '-')
		for (i = 0; i < ARRAY_LEN(others); i++)
			try_text(x, file, p, value_end(p), others[i]);
}

static void try_repository(const struct repository *x)
{
	size_t i;

	for (i = 0; i < x->n; i++) {
		const char *line = x->list[i].text, *end = line + x->list[i].len, *next;

		if (x->list[i].len > MAX_TEXT)
			continue;
		for (; line < end; line = next) {
			next = memchr(line, '\n', (size_t)(end - line));
			next = next ? next + 1 : end;
			if (*line == '#')
				continue;
			try_text(x, i, line, next, "");
			try_values(x, i, line, next);
		}
	}
}

static void test_every_slip(void **unused)
{
	repositories_each(EXAMPLES, "", try_repository);
	print_message("%zu tried, %zu refused\n", n_tried, n_refused);
	assert_true(n_refused > 1000 && n_refused < n_tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_slip),
	};

	return cmocka_run_group_tests_name("mutations", tests, NULL, NULL);
}
