/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory and messages of common/: arena, buffers, errors, diagnostics; and each of them when the
 * n-th allocation fails. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdalign.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/diag.h"
#include "common/endpoint.h"
#include "common/err.h"
#include "common/limits.h"
#include "common/text.h"
#include "tests/unit/fail_alloc.h"

/* Without it the address sanitizer ends the program where malloc would return NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void test_arena(void **state)
{
	struct arena a;
	size_t i, j;
	char *s;

	arena_init(&a);
	for (i = 0; i < 20000; i++) {
		size_t size = i % 97 == 0 ? 50000 + i : i % 61;
		unsigned char *p = arena_alloc(&a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (j = 0; j < size; j++)
			assert_int_equal(p[j], 0);
		memset(p, 0xee, size);
	}
	assert_true(a.used >= 20000);
	assert_string_equal(arena_strdup(&a, "fra1"), "fra1");
	s = arena_strndup(&a, "fra1xxx", 4);
	assert_string_equal(s, "fra1");
	assert_string_equal(arena_strndup(&a, NULL, 0), "");
	assert_non_null(arena_array(&a, 0, 8));
	assert_null(arena_array(&a, SIZE_MAX / 8 + 1, 8));
	assert_null(arena_array(&a, SIZE_MAX / 2, 3));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 100));
	assert_null(arena_strndup(&a, "x", SIZE_MAX));
	assert_null(arena_grow(&a, s, SIZE_MAX / 2 + 1, 1));
	/* After a failure all is as before. */
	assert_string_equal(s, "fra1");
	arena_release(&a);
	assert_null(a.blocks);
	assert_int_equal(a.used, 0);
	arena_release(&a);
}

static void test_arena_grow(void **state)
{
	uint32_t *list = NULL;
	struct arena a;
	size_t n, i;

	arena_init(&a);
	for (n = 0; n < 5000; n++) {
		list = arena_grow(&a, list, n, sizeof(*list));
		assert_non_null(list);
		list[n] = (uint32_t)n;
	}
	for (i = 0; i < n; i++)
		assert_int_equal(list[i], i);
	arena_release(&a);
}

static void test_buf(void **state)
{
	struct buf b;
	char *p;
	size_t i;

	buf_init(&b, 10);
	assert_string_equal(b.data, "");
	buf_adds(&b, "12345");
	buf_addc(&b, '6');
	buf_addf(&b, "%d", 789);
	assert_string_equal(b.data, "123456789");
	buf_addc(&b, '0');
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 10);
	/* One over: nothing is added, and the failure stays. */
	buf_addc(&b, 'x');
	assert_false(buf_ok(&b));
	assert_string_equal(b.data, "1234567890");
	buf_adds(&b, "");
	buf_add(&b, "", 0);
	buf_addf(&b, "y");
	assert_null(buf_reserve(&b, 0));
	assert_null(buf_steal(&b));
	assert_string_equal(b.data, "1234567890");
	buf_reset(&b);
	assert_true(buf_ok(&b));
	assert_string_equal(b.data, "");
	buf_adds(&b, "again");
	assert_string_equal(b.data, "again");
	buf_addf(&b, "%s", "123456");
	assert_false(buf_ok(&b));
	buf_release(&b);
	assert_true(buf_ok(&b));
	assert_int_equal(b.max, 10);
	buf_release(&b);

	/* buf_add with a length that would wrap. */
	buf_adds(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX - 1));
	assert_false(buf_ok(&b));
	buf_release(&b);

	buf_init(&b, 0);
	buf_adds(&b, "");
	assert_true(buf_ok(&b));
	buf_addc(&b, 'a');
	assert_false(buf_ok(&b));
	buf_release(&b);

	buf_init(&b, 100000);
	p = buf_steal(&b);
	assert_string_equal(p, "");
	free(p);
	for (i = 0; i < 100000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_true(buf_ok(&b));
	p = buf_reserve(&b, 0);
	assert_non_null(p);
	p = buf_steal(&b);
	assert_int_equal(strlen(p), 100000);
	free(p);
	assert_string_equal(b.data, "");
	buf_addf(&b, "%s%c", "", 'x');
	assert_string_equal(b.data, "x");
	buf_release(&b);
}

static void test_err(void **state)
{
	char longest[sizeof(((struct err *)0)->msg) * 2];
	struct err e = { 0 };

	assert_int_equal(err_set(&e, ERR_LIMIT, "%s %d", "file", 7), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_null(e.reason);
	assert_string_equal(e.msg, "file 7");
	assert_int_equal(err_prefix(&e, "while reading %s", "x"), -1);
	assert_string_equal(e.msg, "while reading x: file 7");
	assert_int_equal(e.class, ERR_LIMIT);
	assert_int_equal(err_refuse(&e, "BAD-SIG", "no"), -1);
	assert_int_equal(e.class, ERR_VERIFY);
	assert_string_equal(e.reason, "BAD-SIG");
	assert_int_equal(err_prefix(&e, "prod"), -1);
	assert_string_equal(e.reason, "BAD-SIG");
	assert_int_equal(err_set(&e, ERR_INPUT, "x"), -1);
	assert_null(e.reason);
	errno = ENOENT;
	assert_int_equal(err_errno(&e, "cannot open %s", "a"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(e.class, ERR_NOENT);
	assert_string_equal(e.msg, "cannot open a: No such file or directory");
	errno = ENOMEM;
	err_errno(&e, "x");
	assert_int_equal(e.class, ERR_NOMEM);
	errno = EIO;
	err_errno(&e, "x");
	assert_int_equal(e.class, ERR_IO);
	assert_int_equal(err_nomem(&e), -1);
	assert_int_equal(e.class, ERR_NOMEM);
	/* Too long: cut, terminated. */
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	err_set(&e, ERR_INPUT, "%s", longest);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_prefix(&e, "%s", longest);
	err_errno(&e, "%s", longest);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	/* NULL is fine everywhere. */
	assert_int_equal(err_set(NULL, ERR_INPUT, "x"), -1);
	assert_int_equal(err_refuse(NULL, "X", "x"), -1);
	assert_int_equal(err_errno(NULL, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	assert_int_equal(err_nomem(NULL), -1);
}

static const char yaml[] =
	"nodes:\n  fra1:\n    endpiont: fra1.example.net\n  m\xc3\xbc: \033[31m\n";
static const struct source file = { "networks/prod.yaml", yaml, sizeof(yaml) - 1 };
static const struct source other_file = { "networks/a.yaml", "x: 1", 4 };

static struct pos at(const struct source *s, uint32_t line, uint32_t col, uint32_t width)
{
	return (struct pos){ .source = s, .line = line, .col = col, .width = width };
}

static void test_diag(void **state)
{
	static const char want[] = "error: no place\n"
				   "networks/a.yaml:1:1: error: first file first\n"
				   "     1 | x: 1\n"
				   "       | ^\n"
				   "networks/prod.yaml:3:5: error: unknown key `endpiont`\n"
				   "     3 |     endpiont: fra1.example.net\n"
				   "       |     ^~~~~~~~\n"
				   "networks/a.yaml:1:4: note: like here\n"
				   "     1 | x: 1\n"
				   "       |    ^\n"
				   "  help: did you mean `endpoint`?\n"
				   "networks/prod.yaml:3:5: error: second at the same place\n"
				   "     3 |     endpiont: fra1.example.net\n"
				   "       |     ^\n"
				   "networks/prod.yaml:4:7: warning: a ?[1m name\n"
				   "     4 |   m\xc3\xbc: ?[31m\n"
				   "       |       ^\n"
				   "networks/prod.yaml:99:1: error: past the end\n";
	struct diag_entry *e;
	struct arena a;
	struct diag d;
	struct buf out;

	arena_init(&a);
	diag_init(&d, &a);
	buf_init(&out, 100000);
	diag_render(&d, false, &out);
	assert_string_equal(out.data, "");
	diag_warn(&d, at(&file, 4, 7, 1), "a %s name", "\033[1m");
	diag_error(&d, at(&file, 99, 1, 1), "past the end");
	e = diag_error(&d, at(&file, 3, 5, 8), "unknown key `%s`", "endpiont");
	diag_help(&d, e, "did you mean `%s`?", "endpoint");
	diag_other(&d, e, at(&other_file, 1, 4, 1), "like %s", "here");
	diag_error(&d, at(&file, 3, 5, 0), "second at the same place");
	diag_error(&d, at(&other_file, 1, 1, 1), "first file first");
	diag_error(&d, (struct pos){ 0 }, "no place");
	assert_int_equal(d.errors, 5);
	assert_int_equal(d.warnings, 1);
	diag_render(&d, false, &out);
	assert_string_equal(out.data, want);
	buf_reset(&out);
	diag_error(&d, at(&file, 0, 0, 0), "the file as a whole");
	diag_render(&d, false, &out);
	assert_non_null(
		strstr(out.data,
		       "networks/prod.yaml: error: the file as a whole\nnetworks/prod.yaml:3:5"));
	diag_strict(&d);
	assert_int_equal(d.errors, 7);
	assert_int_equal(d.warnings, 0);
	buf_reset(&out);
	diag_render(&d, false, &out);
	assert_null(strstr(out.data, "warning"));
	/* Colour adds escape sequences of ours and lets none of the input through. */
	buf_reset(&out);
	diag_render(&d, true, &out);
	assert_non_null(strstr(out.data, "\033[31merror: "));
	assert_null(strstr(out.data, "m\xc3\xbc: \033"));
	buf_release(&out);
	arena_release(&a);
}

static void test_diag_limit(void **state)
{
	struct arena a;
	struct diag d;
	struct buf out;
	size_t i;

	arena_init(&a);
	diag_init(&d, &a);
	buf_init(&out, 1000000);
	for (i = 0; i < MAX_DIAGS; i++)
		assert_non_null(diag_error(&d, at(&file, 1, 1, 1), "error %zu", i));
	diag_render(&d, false, &out);
	assert_null(strstr(out.data, "not shown"));
	/* One over, and the calls that follow an entry that is not there. */
	assert_null(diag_warn(&d, at(&file, 1, 1, 1), "one over"));
	diag_help(&d, NULL, "x");
	diag_other(&d, NULL, at(&file, 1, 1, 1), "x");
	assert_int_equal(d.n, MAX_DIAGS);
	assert_int_equal(d.errors, MAX_DIAGS);
	assert_int_equal(d.warnings, 1);
	assert_false(d.nomem);
	buf_reset(&out);
	diag_render(&d, false, &out);
	assert_non_null(strstr(out.data, "1 more error or warning not shown\n"));
	diag_error(&d, at(&file, 1, 1, 1), "two over");
	buf_reset(&out);
	diag_render(&d, false, &out);
	assert_non_null(strstr(out.data, "2 more errors or warnings not shown\n"));
	buf_release(&out);
	arena_release(&a);
}

/* The caret of a long line stays under its place: the excerpt is cut around it. */
static void test_diag_long_line(void **state)
{
	char line[4000];
	const struct source s = { "x.yaml", line, sizeof(line) };
	uint32_t col;

	memset(line, '.', sizeof(line));
	for (col = 1; col <= sizeof(line); col += 37) {
		const char *text, *caret, *end;
		struct arena a;
		struct diag d;
		struct buf out;

		line[col - 1] = 'X';
		arena_init(&a);
		diag_init(&d, &a);
		buf_init(&out, 10000);
		diag_error(&d, at(&s, 1, col, 500), "here");
		diag_render(&d, false, &out);
		text = strstr(out.data, "     1 | ");
		assert_non_null(text);
		end = strchr(text, '\n');
		assert_true(end - text <= 9 + 120);
		caret = strchr(end, '^');
		assert_non_null(caret);
		assert_int_equal(text[caret - end - 1], 'X');
		assert_true(strlen(end + 1) <= 9 + 120 + 1);
		buf_release(&out);
		arena_release(&a);
		line[col - 1] = '.';
	}
}

/* Everything above when the n-th allocation fails, for every n: a clean result and nothing lost. */
static void test_nth_allocation(void **state)
{
	size_t n;
	bool hit;

	n = 0;
	do {
		struct endpoint ep = { 0 };
		uint32_t *list = NULL, *grown;
		const char *why = NULL;
		size_t i, stored = 0;
		struct arena a;
		int r;

		arena_init(&a);
		fail_alloc_at(++n);
		for (i = 0; i < 40000; i++) {
			grown = arena_grow(&a, list, i, sizeof(*list));
			if (!grown)
				break;
			list = grown;
			list[i] = (uint32_t)i;
			stored++;
		}
		r = endpoint_parse("a:1", 3, false, &a, &ep, &why);
		hit = fail_alloc_stop();
		for (i = 0; i < stored; i++)
			assert_int_equal(list[i], i);
		assert_true(hit == (stored < 40000 || r < 0));
		if (r < 0)
			assert_string_equal(why, "out of memory");
		arena_release(&a);
	} while (hit);
	assert_true(n > 3);

	n = 0;
	do {
		struct arena a;
		struct diag d;
		struct diag_entry *e;
		struct buf out;
		size_t i;

		arena_init(&a);
		diag_init(&d, &a);
		buf_init(&out, 1 << 20);
		fail_alloc_at(++n);
		for (i = 0; i < 10; i++) {
			e = diag_error(&d, at(&file, 3, 5, 8), "unknown key `%s`", "endpiont");
			diag_help(&d, e, "did you mean `%s`?", "endpoint");
			diag_other(&d, e, at(&file, 1, 1, 1), "%s", "here");
		}
		diag_render(&d, false, &out);
		hit = fail_alloc_stop();
		/* No error is forgotten, also when it could not be stored. */
		assert_int_equal(d.errors, 10);
		assert_true(d.n <= 10);
		assert_true(hit || (!d.nomem && d.n == 10 && buf_ok(&out)));
		buf_release(&out);
		arena_release(&a);
	} while (hit);
	assert_true(n > 20);

	n = 0;
	do {
		struct buf b;
		size_t i;
		char *p;

		buf_init(&b, 1 << 20);
		fail_alloc_at(++n);
		for (i = 0; i < 3000; i++)
			buf_addf(&b, "%zu ", i);
		text_safe(&b, "abc", 3);
		p = buf_steal(&b);
		hit = fail_alloc_stop();
		assert_true(hit == !p);
		if (p)
			assert_string_equal(p + strlen(p) - 8, "2999 abc");
		free(p);
		buf_release(&b);
	} while (hit);
	assert_true(n > 3);

	{
		struct buf b;

		buf_init(&b, 10);
		fail_alloc_at(1);
		assert_null(buf_steal(&b));
		assert_true(fail_alloc_stop());
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_grow),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_diag),
		cmocka_unit_test(test_diag_limit),
		cmocka_unit_test(test_diag_long_line),
		cmocka_unit_test(test_nth_allocation),
	};

	return cmocka_run_group_tests_name("common memory", tests, NULL, NULL);
}
