/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One YAML file: places, what is refused, limits, and hostile files of a mebibyte. */
#include "tests/unit/unit.h"

#include "common/diag.h"
#include "common/limits.h"
#include "schema/yaml.h"
#include "tests/unit/dice.h"

/* The result of one reading. */
struct outcome {
	struct source source;
	struct arena arena;
	struct diag diag;
	struct yaml_node root;
	struct yaml_stats stats;
	struct buf text; /* all diagnostics */
	int rc;
};

static void outcome_read(struct outcome *o, const char *text, size_t len)
{
	*o = (struct outcome){ .source = { .path = "f.yaml", .text = text, .len = len } };
	arena_init(&o->arena);
	diag_init(&o->diag, &o->arena);
	buf_init(&o->text, 1 << 20);
	o->rc = yaml_read(&o->source, &o->arena, &o->diag, &o->root, &o->stats);
	diag_render(&o->diag, false, &o->text);
	assert_true(buf_ok(&o->text));
	assert_false(o->diag.nomem);
}

static void outcome_release(struct outcome *o)
{
	buf_release(&o->text);
	arena_release(&o->arena);
}

static const struct yaml_node *at(const struct yaml_node *map, const char *key)
{
	uint32_t i;

	assert_int_equal(map->kind, YAML_NODE_MAP);
	for (i = 0; i < map->n; i++)
		if (!strcmp(map->pairs[i].key.text, key))
			return &map->pairs[i].value;
	fail_msg("no key %s", key);
	return NULL;
}

static void assert_place(const struct yaml_node *n, uint32_t line, uint32_t col, uint32_t width)
{
	struct pos pos = yaml_pos(n);

	assert_int_equal(pos.line, line);
	assert_int_equal(pos.col, col);
	assert_int_equal(pos.width ? pos.width : 1, width); /* 0 is drawn as 1 */
	assert_string_equal(pos.source->path, "f.yaml");
}

static void test_tree(void **state)
{
	static const char text[] = "# a comment\n"
				   "plain: word\n"
				   "  # indented\n"
				   "quoted: \"two words\"\n"
				   "\"Zürich ☃\": 'ä'  # behind\n"
				   "list: [a, \"b\",  {c: d}]\n"
				   "block:\n"
				   "  - x: 1\n"
				   "    y: 2\n"
				   "  - z\n"
				   "empty:\n"
				   "map: {a: 1,\n"
				   "  b: 2}\n";
	struct outcome o;
	const struct yaml_node *n;

	outcome_read(&o, text, strlen(text));
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.diag.errors, 0);
	assert_int_equal(o.root.n, 7);
	assert_place(&o.root, 2, 1, 1);

	n = at(&o.root, "plain");
	assert_string_equal(n->text, "word");
	assert_int_equal(n->flags, YAML_PLAIN);
	assert_place(n, 2, 8, 4);
	assert_place(&o.root.pairs[0].key, 2, 1, 5);

	n = at(&o.root, "quoted");
	assert_string_equal(n->text, "two words");
	assert_int_equal(n->n, 9);
	assert_int_equal(n->flags, 0);
	assert_place(n, 4, 9, 11);

	/* Columns count characters, not bytes. */
	n = at(&o.root, "Zürich ☃");
	assert_string_equal(n->text, "ä");
	assert_place(n, 5, 13, 3);
	assert_place(&o.root.pairs[2].key, 5, 1, 10);

	n = at(&o.root, "list");
	assert_int_equal(n->kind, YAML_NODE_LIST);
	assert_int_equal(n->n, 3);
	assert_place(n, 6, 7, 17);
	assert_place(&n->items[1], 6, 11, 3);
	assert_place(&n->items[2], 6, 17, 6);
	assert_place(at(&n->items[2], "c"), 6, 21, 1);

	n = at(&o.root, "block");
	assert_place(n, 8, 3, 1);
	assert_place(&n->items[0], 8, 5, 1);
	assert_place(at(&n->items[0], "y"), 9, 8, 1);
	assert_place(&n->items[1], 10, 5, 1);

	n = at(&o.root, "empty");
	assert_int_equal(n->kind, YAML_NODE_SCALAR);
	assert_string_equal(n->text, "");
	assert_int_equal(n->n, 0);

	assert_place(at(&o.root, "map"), 12, 6, 1);
	outcome_release(&o);
}

/* Texts longer than a chunk of the text store, and thousands of keys, come out as they went in. */
static void test_large_tree(void **state)
{
	struct outcome o;
	struct buf b;
	uint32_t i;

	buf_init(&b, 16 << 20);
	for (i = 0; i < 5000; i++)
		buf_addf(&b, "key-%u: \"%*u\"\n", i * 7919 % 5000, (int)(i % 4000 + 1), i);
	assert_true(buf_ok(&b));
	outcome_read(&o, b.data, b.len);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.diag.errors, 0);
	assert_int_equal(o.root.n, 5000);
	for (i = 0; i < 5000; i++) {
		char want[4100];
		struct pos pos = yaml_pos(&o.root.pairs[i].key);

		snprintf(want, sizeof(want), "%*u", (int)(i % 4000 + 1), i);
		assert_string_equal(o.root.pairs[i].value.text, want);
		assert_int_equal(pos.line, i + 1);
	}
	outcome_release(&o);
	buf_release(&b);
}

struct refusal {
	const char *what, *text;
	size_t len; /* 0: strlen */
	const char *says; /* the beginning of a diagnostic; several are parted by '|' */
	int rc; /* -1: reading stops there */
};

#define ROW(what, text, says, rc)                      \
	{                                              \
		what, text, sizeof(text) - 1, says, rc \
	}

static const struct refusal refusals[] = {
	ROW("an anchor", "a: &x 1\n", "1:4: error: YAML anchors", 0),
	ROW("an anchor on a list", "a: &x [1]\n", "1:4: error: YAML anchors", 0),
	ROW("an anchor on a mapping", "a: &x\n  b: 1\n", "1:4: error: YAML anchors", 0),
	ROW("an anchor on a key", "&x a: 1\n", "1:1: error: YAML anchors", 0),
	ROW("an anchor that is never used", "a: 1\nb: &unused 2\n", "2:4: error: YAML anchors", 0),
	ROW("an alias", "a: *x\n", "1:4: error: YAML aliases", 0),
	ROW("a thing that holds itself", "a: &x [*x]\n",
	    "1:4: error: YAML anchors|1:8: error: YAML aliases", 0),
	ROW("an alias as a key", "*x : 1\n", "1:1: error: YAML aliases", 0),
	ROW("a tag", "a: !!str 1\n", "1:4: error: YAML tags", 0),
	ROW("a local tag", "a: !x 1\n", "1:4: error: YAML tags", 0),
	ROW("a tag of Python", "a: !!python/object:os.system x\n", "1:4: error: YAML tags", 0),
	ROW("a verbatim tag", "a: !<tag:x> 1\n", "1:4: error: YAML tags", 0),
	ROW("a bare tag", "a: ! 1\n", "1:4: error: YAML tags", 0),
	ROW("a tag and an anchor", "a: !x &y [1]\n",
	    "1:4: error: YAML anchors|1:4: error: YAML tags", 0),
	ROW("a merge key", "a: 1\n<<: {b: 2}\n", "2:1: error: merge keys", 0),
	ROW("a merge key of an alias", "<<: *x\n",
	    "1:1: error: merge keys|1:5: error: YAML aliases", 0),
	ROW("a directive", "%YAML 1.1\n---\na: 1\n", "1:1: error: YAML directives", -1),
	ROW("a directive that libyaml does not know", "# x\n%FOO bar\n---\na: 1\n",
	    "2:1: error: YAML directives", -1),
	ROW("a second document", "a: 1\n---\nb: 2\n", "2:1: error: a second YAML document", -1),
	ROW("a second document behind '...'", "a: 1\n...\n---\nb: 2\n",
	    "3:1: error: a second YAML document", -1),
	ROW("two empty documents", "---\n---\n", "2:1: error: a second YAML document", -1),
	ROW("text behind the end", "a: 1\n...\nb: 2\n", "3:1: error: something stands behind", -1),
	ROW("a key twice", "a: 1\nb: 2\na: 3\n",
	    "3:1: error: `a` is given twice|1:1: note: it is given here already", 0),
	ROW("a key three times", "{a: 1, 'a': 2, \"a\": 3}\n",
	    "1:8: error: `a` is given twice|1:16: error: `a` is given twice", 0),
	ROW("a key twice, escaped", "a: 1\n\"\\x61\": 2\n", "2:1: error: `a` is given twice", 0),
	ROW("a key twice, deep", "a:\n  - b: {c: 1, c: 2}\n", "2:15: error: `c` is given twice", 0),
	ROW("a list for a key", "[a]: 1\n", "1:1: error: a key must be a word, not a list", 0),
	ROW("a mapping for a key", "{a: 1}: 1\n", "1:1: error: a key must be a word, not a mapping",
	    0),
	ROW("an explicit list for a key", "? - a\n: 1\n", "1:3: error: a key must be a word", 0),
	ROW("an empty key", "\"\": 1\n", "1:1: error: an empty key", 0),
	ROW("no key", "? \n: 1\n", "1:2: error: an empty key", 0),
	ROW("NUL in a scalar", "a: \"x\\0y\"\n",
	    "1:4: error: a value with a control character (U+0000)", 0),
	ROW("NUL in a key", "\"x\\0y\": 1\n",
	    "1:1: error: a value with a control character (U+0000)", 0),
	ROW("NUL in the file", "a: x\0y\n", "1:5: error: a control character (U+0000)", -1),
	ROW("NUL in a comment", "a: 1\n# \0\n", "2:3: error: a control character (U+0000)", -1),
	ROW("an escape for ESC", "a: \"\\e[31m\"\n",
	    "1:4: error: a value with a control character (U+001B)", 0),
	ROW("an escape for BEL", "a: \"\\a\"\n",
	    "1:4: error: a value with a control character (U+0007)", 0),
	ROW("an escape for DEL", "a: \"\\x7f\"\n",
	    "1:4: error: a value with a control character (U+007F)", 0),
	ROW("an escape for C1", "a: \"\\x9b\"\n",
	    "1:4: error: a value with a control character (U+009B)", 0),
	ROW("an escape for NEL", "a: \"\\N\"\n",
	    "1:4: error: a value with a control character (U+0085)", 0),
	ROW("an escape for a line separator", "a: \"\\L\"\n",
	    "1:4: error: a value with a control character (U+2028)", 0),
	ROW("an escape for a paragraph separator", "a: \"\\P\"\n",
	    "1:4: error: a value with a control character (U+2029)", 0),
	ROW("an escape for a bidi override", "a: \"\\u202e\"\n",
	    "1:4: error: a value with an invisible or bidirectional character (U+202E)", 0),
	ROW("an escape for a soft hyphen", "a: \"\\xad\"\n",
	    "1:4: error: a value with an invisible or bidirectional character (U+00AD)", 0),
	ROW("an escape for a language tag", "a: \"\\U000e0041\"\n",
	    "1:4: error: a value with an invisible or bidirectional character (U+E0041)", 0),
	ROW("an escaped line feed", "a: \"x\\ny\"\n", "1:4: error: a value of several lines", 0),
	ROW("a literal block", "a: |\n  x\n", "1:4: error: a value of several lines", 0),
	ROW("a folded block", "a: >\n  x\n", "1:4: error: a value of several lines", 0),
	ROW("a tab in a value", "a: \"x\ty\"\n", "1:4: error: a value with a tab", 0),
	ROW("a raw ESC", "a: \x1b[31m\n", "1:4: error: a control character (U+001B)", -1),
	ROW("a raw DEL", "a: x\x7f\n", "1:5: error: a control character (U+007F)", -1),
	ROW("a raw C1", "a: \xc2\x9b\n", "1:4: error: a control character (U+009B)", -1),
	ROW("a raw bidi override", "a: x\xe2\x80\xaey\n",
	    "1:5: error: an invisible or bidirectional character (U+202E)", 0),
	ROW("a raw bidi override in a comment", "a: 1 # \xe2\x81\xa6\n",
	    "1:8: error: an invisible or bidirectional character (U+2066)", 0),
	ROW("a byte order mark inside", "a: \xef\xbb\xbf\n",
	    "1:4: error: an invisible or bidirectional character (U+FEFF)", 0),
	ROW("a byte order mark",
	    "\xef\xbb\xbf"
	    "a: 1\n",
	    "1:1: error: the file begins with a byte order mark", -1),
	ROW("UTF-16, little end first",
	    "\xff\xfe"
	    "a\0:\0 \0001\0",
	    ": error: the file is UTF-16", -1),
	ROW("UTF-16, big end first", "\xfe\xff\0a\0:\0 \0001", ": error: the file is UTF-16", -1),
	ROW("UTF-16 without a mark", "a\0:\0 \0001\0", ": error: the file is UTF-16", -1),
	ROW("UTF-16 without a mark, big end first", "\0a\0:\0 \0001", ": error: the file is UTF-16",
	    -1),
	ROW("Latin-1", "a: caf\xe9\n", "1:7: error: byte 0xe9 is not UTF-8", -1),
	ROW("UTF-8 of too many bytes", "a: \xc0\xaf\n", "1:4: error: byte 0xc0 is not UTF-8", -1),
	ROW("a surrogate in UTF-8", "a: \xed\xa0\x80\n", "1:4: error: byte 0xed is not UTF-8", -1),
	ROW("UTF-8 cut off", "a: x\xe2\x82", "1:5: error: byte 0xe2 is not UTF-8", -1),
	ROW("a carriage return alone", "a: 1\rb: 2\n", "1:5: error: a carriage return without", -1),
	ROW("a line separator",
	    "a: 1\xe2\x80\xa8"
	    "b: 2\n",
	    "1:5: error: a line break U+2028", -1),
	ROW("NEL for a line break",
	    "a: 1\xc2\x85"
	    "b: 2\n",
	    "1:5: error: a line break U+0085", -1),
	ROW("nothing", "", "1:1: error: the file says nothing", -1),
	ROW("a comment alone", "# x\n", "1:1: error: the file says nothing", -1),
	ROW("blank lines", "\n\n", "1:1: error: the file says nothing", -1),
	ROW("an empty document", "---\n", "1:1: error: the file says nothing", -1),
	ROW("a list", "- a\n", "1:1: error: the file is a list", -1),
	ROW("a word", "\n\nword\n", "3:1: error: the file is a single value", -1),
	ROW("an alias alone", "*x\n", "1:1: error: YAML aliases", -1),
	ROW("a tab before a key", "a:\n\tb: 1\n", "2:1: error: a tab in the indentation", -1),
	ROW("a tab behind spaces", "a:\n  b: 1\n \tc: 1\n", "3:2: error: a tab in the indentation",
	    -1),
	ROW("a list that is not closed", "a: [1, 2\nb: 3\n",
	    "2:2: error: a list in brackets that is not closed|1:4: note: it began here", -1),
	ROW("a quote that is not closed", "a: \"x\nb: 3\n",
	    "2:5: error: a quote that is opened is never closed|1:4: note: it began here", -1),
	ROW("a colon in a value", "a: b: c\n", "1:5: error: a `:` where no key can stand", -1),
	ROW("no colon", "a: 1\nb\nc: 1\n", "3:1: error: a key without `:`|2:1: note: it began here",
	    -1),
	ROW("an odd indentation", "a:\n    b: 1\n  c: 1\n",
	    "3:3: error: this line is indented neither", -1),
	ROW("an at sign", "a: @x\n", "1:4: error: a value cannot begin with `@`", -1),
	ROW("an unquoted ::", "a: [::1]\n",
	    "1:5: error: a value inside brackets cannot begin with `:`", -1),
	ROW("text behind a quote", "a: 'x' y\n",
	    "1:8: error: something stands behind the end of a value", -1),
	ROW("a bracket too many", "a: 1\n]\n", "2:1: error: a `]` that closes nothing", -1),
	ROW("an unknown escape", "a: \"\\q\"\n", "1:5: error: an escape that YAML does not know",
	    -1),
	ROW("a merge conflict", "a: &x 1\n<<<<<<< HEAD\nb: [\n=======\nb: \xff\n>>>>>>> other\n",
	    "2:1: error: an unresolved merge conflict", -1),
	ROW("a merge conflict with CRLF", "a: 1\r\n=======\r\n>>>>>>> other\r\n",
	    "2:1: error: an unresolved merge conflict", -1),
	ROW("the end of a merge conflict", "a: 1\n>>>>>>> other", "2:1: error: an unresolved merge",
	    -1),
	ROW("the base in a merge conflict", "||||||| 1234567\na: 1\n",
	    "1:1: error: an unresolved merge", -1),
	ROW("long marks of a merge conflict", "<<<<<<<<<<<<< HEAD\n", "1:1: error: an unresolved",
	    -1),
	ROW("six equal signs", "======\n", "1:1: error: the file is a single value", -1),
	ROW("seven equal signs and more", "=======x: 1\n=======: &x 1\n",
	    "2:10: error: YAML anchors", 0),
	ROW("a second error behind a first", "a: &x 1\na: 2\nb: *x\nc: [\n",
	    "1:4: error: YAML anchors|2:1: error: `a` is given twice|3:4: error: YAML aliases|"
	    "4:5: error: a value is missing here",
	    -1),
};

static void check_says(const struct refusal *row, size_t i, const struct outcome *o)
{
	const char *p = row->says;
	size_t errors = 0;

	while (p) {
		const char *end = strchr(p, '|');
		size_t len = end ? (size_t)(end - p) : strlen(p);
		char want[160];

		snprintf(want, sizeof(want), "%sf.yaml%s%.*s", "", *p == ':' ? "" : ":", (int)len,
			 p);
		if (!strstr(o->text.data, want))
			fail_msg("row %zu (%s): wanted\n%s\nin\n%s", i, row->what, want,
				 o->text.data);
		errors += !strstr(want, ": note:");
		p = end ? end + 1 : NULL;
	}
	if (errors != o->diag.errors)
		fail_msg("row %zu (%s): %zu errors, not %zu:\n%s", i, row->what, o->diag.errors,
			 errors, o->text.data);
}

static void test_refusals(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(refusals); i++) {
		struct outcome o;

		outcome_read(&o, refusals[i].text, refusals[i].len);
		check_says(&refusals[i], i, &o);
		if (o.rc != refusals[i].rc)
			fail_msg("row %zu (%s): returned %d", i, refusals[i].what, o.rc);
		outcome_release(&o);
	}
}

static void test_accepted(void **state)
{
	static const struct {
		const char *what, *text;
	} rows[] = {
		{ "the start of a document", "---\na: 1\n" },
		{ "the end of a document", "a: 1\n...\n" },
		{ "CRLF", "a: 1\r\nb: 2\r\n" },
		{ "no line feed at the end", "a: 1" },
		{ "JSON", "{\"a\": [1, true, \"x\"], \"b\": {}}\n" },
		{ "a percent sign inside", "a: 50%\n" },
		{ "joiners in a comment", "a: 1 # \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb\n" },
		{ "a value folded over lines", "a: one\n  two\n" },
		{ "what looks like a merge conflict in a comment", "a: 1\n# =======\n #\n" },
		{ "<< in quotes", "\"<<\": 1\n" },
		{ "a value that looks like an alias", "a: \"*x\"\n" },
		{ "a preshared switch", "preshared_keys: false\n" },
		{ "escapes for printable text", "a: \"\\u00e4\\x41\"\n" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o;

		outcome_read(&o, rows[i].text, strlen(rows[i].text));
		if (o.rc || o.diag.errors || o.root.kind != YAML_NODE_MAP)
			fail_msg("row %zu (%s): %s", i, rows[i].what, o.text.data);
		outcome_release(&o);
	}
}

/* Secrets: refused under every spelling, and never shown, wherever an error stands. */

#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

static void test_secrets(void **state)
{
	static const struct {
		const char *what, *text;
		size_t errors;
	} rows[] = {
		{ "plain", "private_key: " SECRET "\n", 1 },
		{ "as wg writes it", "PrivateKey: " SECRET "\n", 1 },
		{ "capitals", "PRIVATE_KEY: " SECRET "\n", 1 },
		{ "odd capitals", "pRiVaTe-KeY: " SECRET "\nx: &a 1\n", 2 },
		{ "with more around", "wg_private_key_b64: " SECRET "\n", 1 },
		{ "in quotes", "\"private key\": \"" SECRET "\"\n", 1 },
		{ "a preshared key", "preshared_key: " SECRET "\n", 1 },
		{ "an error behind it in the line", "{private_key: " SECRET ", a: &x 1}\n", 2 },
		{ "an error in its value", "private_key: &x " SECRET "\n", 2 },
		{ "a tag on its value", "private_key: !x " SECRET "\n", 2 },
		{ "in the next line", "private_key:\n  " SECRET "\n", 1 },
		{ "an error in the next line", "private_key:\n  &x " SECRET "\n", 2 },
		{ "a block", "private_key: |\n  " SECRET "\n  " SECRET "\n", 1 },
		{ "a list", "private_key:\n  - &x a\n  - &y " SECRET "\n", 3 },
		{ "a mapping", "private_key:\n  a: 1\n  b: &y " SECRET "\n", 2 },
		{ "a quote that is not closed", "private_key: \"" SECRET "\n", 1 },
		{ "a bracket that is not closed", "a: {private_key: " SECRET "\n", 2 },
		{ "a control character behind it", "private_key: " SECRET " \x1b\n", 1 },
		{ "a bad byte behind it", "private_key: " SECRET " \xff\n", 1 },
		{ "twice", "private_key: a\nprivate_key: " SECRET "\n", 2 },
		{ "a colon too many", "private_key: a: " SECRET "\n", 2 },
		{ "a comment, with an error", "a: &x 1 # private_key " SECRET "\n", 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o;

		outcome_read(&o, rows[i].text, strlen(rows[i].text));
		if (strstr(o.text.data, "yAnz5TF+lX"))
			fail_msg("row %zu (%s): shown:\n%s", i, rows[i].what, o.text.data);
		if (o.diag.errors != rows[i].errors)
			fail_msg("row %zu (%s): %zu errors:\n%s", i, rows[i].what, o.diag.errors,
				 o.text.data);
		outcome_release(&o);
	}
}

/* Limits: the largest that is taken, and one more. */

static void expect(const char *text, size_t len, const char *error)
{
	struct outcome o;

	outcome_read(&o, text, len);
	if (!error && (o.diag.errors || o.rc))
		fail_msg("refused: %s", o.text.data);
	if (error && (o.diag.errors != 1 || !strstr(o.text.data, error)))
		fail_msg("wanted one error, %s; got: %s", error, o.text.data);
	outcome_release(&o);
}

static void test_depth_limit(void **state)
{
	struct buf b;
	unsigned int depth, i;

	for (depth = MAX_YAML_DEPTH; depth <= MAX_YAML_DEPTH + 1; depth++) {
		buf_init(&b, 1 << 10);
		buf_adds(&b, "a: "); /* the first level */
		for (i = 1; i < depth; i++)
			buf_addc(&b, '[');
		for (i = 1; i < depth; i++)
			buf_addc(&b, ']');
		expect(b.data, b.len,
		       depth > MAX_YAML_DEPTH ? "f.yaml:1:19: error: more than 16 levels" : NULL);
		buf_release(&b);
	}
}

static void test_scalar_limit(void **state)
{
	struct buf b;
	unsigned int len, key;

	for (key = 0; key < 2; key++) {
		for (len = MAX_YAML_SCALAR; len <= MAX_YAML_SCALAR + 1; len++) {
			buf_init(&b, 1 << 14);
			if (!key)
				buf_adds(&b, "a: ");
			else
				buf_adds(&b, "? "); /* a long key must be an explicit one */
			memset(buf_reserve(&b, len), 'x', len);
			b.len += len;
			buf_adds(&b, key ? "\n: 1\n" : "\n");
			expect(b.data, b.len,
			       len > MAX_YAML_SCALAR ?
				       "a value of 4097 bytes; the longest accepted is 4096" :
				       NULL);
			buf_release(&b);
		}
	}
}

static void test_file_limit(void **state)
{
	/* Comments in lines of 4 KiB with a key before each, so that nothing else is over a limit.
	 */
	size_t len = MAX_YAML_FILE + 1, i;
	char *text = malloc(len);
	unsigned int n = 0;

	assert_non_null(text);
	memset(text, 'x', len);
	for (i = 0; i + 4096 <= len; i += 4096) {
		char key[24];
		int k = snprintf(key, sizeof(key), "k%u: 1 #", n++);

		memcpy(text + i, key, (size_t)k);
		text[i + 4095] = '\n';
	}
	text[len - 2] = text[len - 1] = '\n';
	expect(text, len - 1, NULL);
	expect(text, len, "f.yaml: error: the file has 67108865 bytes");
	free(text);
}

static void test_gap_limit(void **state)
{
	size_t len = MAX_YAML_GAP + (1u << 20);
	char *text = malloc(len);
	struct outcome o;

	assert_non_null(text);
	/* One comment just below the limit is fine; libyaml reads ahead by less than 128 KiB. */
	memset(text, 'x', len);
	memcpy(text, "a: 1\n#", 6);
	memcpy(text + MAX_YAML_GAP - (128u << 10), "\nb: 1\n", 6);
	expect(text, MAX_YAML_GAP - (128u << 10) + 6, NULL);

	memset(text, 'x', len);
	memcpy(text, "a: 1\n#", 6);
	expect(text, len, "error: one value or comment of more than 4 MiB");
	memcpy(text, "a: \"x", 5);
	outcome_read(&o, text, len);
	assert_int_equal(o.diag.errors, 1);
	assert_int_equal(o.rc, -1);
	assert_non_null(strstr(o.text.data, "error: one value or comment of more than 4 MiB"));
	outcome_release(&o);
	free(text);
}

/* A list of as many entries as there may be, and of one more; and the same over two files. */
static void test_event_limit(void **state)
{
	/* Stream, document, mapping and list begin and end, and the key. */
	size_t entries = MAX_YAML_EVENTS - 9, i;
	char *text = malloc((entries + 1) * 2 + 16);
	struct outcome o;

	assert_non_null(text);
	memcpy(text, "a: [", 4);
	for (i = 0; i <= entries; i++)
		memcpy(text + 4 + i * 2, "x,", 2);
	text[4 + entries * 2] = ']';
	expect(text, 4 + entries * 2 + 1, NULL);
	text[4 + entries * 2] = 'x';
	text[4 + entries * 2 + 2] = ']';
	expect(text, 4 + entries * 2 + 3, "error: more than 4194304 YAML events");
	free(text);

	o = (struct outcome){ .source = { .path = "f.yaml", .text = "a: 1", .len = 4 } };
	arena_init(&o.arena);
	diag_init(&o.diag, &o.arena);
	o.stats.events = MAX_YAML_EVENTS - 8;
	assert_int_equal(yaml_read(&o.source, &o.arena, &o.diag, &o.root, &o.stats), 0);
	assert_int_equal(o.stats.events, MAX_YAML_EVENTS);
	assert_int_equal(yaml_read(&o.source, &o.arena, &o.diag, &o.root, &o.stats), -1);
	assert_int_equal(o.diag.errors, 1);
	arena_release(&o.arena);
}

/*
 * Hostile files of a mebibyte, each a pattern repeated: read or refused within so many events,
 * which bounds time and memory. With `head` before and `tail` behind the repetitions.
 */
struct hostile {
	const char *what, *head, *body, *tail;
	size_t max_events;
	size_t min_errors;
};

static const struct hostile hostiles[] = {
	{ "open brackets", "", "[", "", 32, 1 },
	{ "open brackets behind a key", "a: ", "[", "", 32, 1 },
	{ "open braces", "", "{", "", 32, 1 },
	{ "open braces with keys", "", "{a: ", "", 64, 1 },
	{ "brackets and braces", "", "[{a: ", "", 64, 1 },
	{ "brackets in lines", "", "[\n", "", 32, 1 },
	{ "dashes", "", "- ", "", 32, 1 },
	{ "dashes of nothing", "", "-\n", "", 1 << 20, 1 },
	{ "question marks", "", "? ", "", 32, 1 },
	{ "colons", "", ": ", "", 64, 1 },
	{ "colons in brackets", "[", ":", "", 64, 1 },
	{ "commas in brackets", "[", ",", "", 64, 1 },
	{ "a staircase of mappings", "", "a: b: ", "", 64, 1 },
	{ "documents", "", "---\n", "", 16, 1 },
	{ "ends of documents", "a: 1\n", "...\n", "", 16, 0 },
	{ "anchors", "", "- &a x\n", "", 1 << 20, 1 },
	{ "anchors in a row", "a: ", "&a ", "", 64, 1 },
	{ "aliases", "a: [", "*x,", "]\n", 1 << 20, 1 },
	{ "aliases as keys", "", "*x : 1\n", "", 1 << 20, 1 },
	{ "a billion laughs", "a: &a [x,x]\n", "b: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n", "", 1 << 20,
	  1 },
	{ "merge keys", "", "<<: *a\n", "", 1 << 20, 1 },
	{ "tags", "", "- !!x y\n", "", 1 << 20, 1 },
	{ "one long tag", "a: !", "x", " y\n", 64, 1 },
	{ "one long anchor", "a: &", "x", " y\n", 64, 1 },
	{ "tag directives", "", "%TAG !a! tag:x\n", "", 0, 1 },
	{ "version directives", "", "%YAML 1.1\n", "", 0, 1 },
	{ "the same key", "", "a: 1\n", "", 1 << 20, 1 },
	{ "the same key in mappings", "", "? {a: 1, a: 2}\n: 1\n", "", 1 << 20, 1 },
	{ "a long word", "a: ", "x", "\n", 64, 1 },
	{ "a long key", "", "x", ": 1\n", 64, 1 },
	{ "a long text in quotes", "a: \"", "x", "\"\n", 64, 1 },
	{ "a long text of escapes", "a: \"", "\\x41", "\"\n", 64, 1 },
	{ "a text of NULs", "a: \"", "\\0", "\"\n", 64, 1 },
	{ "a quote that is not closed", "a: '", "''", "x\n", 64, 1 },
	{ "a text of lines", "a: \"", "x\n\n", "\"\n", 64, 1 },
	{ "a word of lines", "a:\n", "  x\n", "", 64, 1 },
	{ "a literal block", "a: |\n", "  x\n", "", 64, 1 },
	{ "a folded block", "a: >\n", "  x\n\n", "", 64, 1 },
	{ "block headers", "", "a: |9\n", "", 1 << 20, 1 },
	{ "a long comment", "a: 1 #", "x", "\n", 64, 0 },
	{ "comments", "a: 1\n", "#\n", "", 64, 0 },
	{ "blanks", "a: 1\n", " ", "\n", 64, 0 },
	{ "line feeds", "a: 1\n", "\n", "", 64, 0 },
	{ "tabs", "a: 1\n", "\t", "\n", 64, 1 },
	{ "CRLF", "a: 1\n", "\r\n", "", 64, 0 },
	{ "carriage returns", "a: 1\n", "\r", "", 0, 8 },
	{ "0xff", "", "\xff", "", 0, 1 },
	{ "half characters", "a: ", "\xe2\x82 ", "", 0, 8 },
	{ "bidi overrides", "# ", "\xe2\x80\xae", "\na: 1\n", 64, 8 },
	{ "byte order marks", "", "\xef\xbb\xbf", "", 0, 1 },
	{ "secrets", "", "- private_key: x\n", "", 1 << 20, 1 },
	{ "secrets in comments", "a: 1\n", "# private_key: x\n", "", 64, 0 },
	{ "empty mappings", "a: [", "{},", "]\n", 1 << 20, 0 },
	{ "mappings of one pair", "a: [", "a: 1,", "]\n", 2 << 20, 0 },
	{ "empty lists", "a: [", "[],", "]\n", 1 << 20, 0 },
	{ "fourteen levels", "a: [", "[[[[[[[[[[[[[[]]]]]]]]]]]]]],", "]\n", 2 << 20, 0 },
	{ "plus signs", "a: ", "|+\n ", "", 64, 1 },
	{ "percent signs", "a: ", "%", "", 64, 1 },
	{ "at signs", "", "@", "", 64, 1 },
};

#define HOSTILE ((size_t)1 << 20)

static void test_hostile(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(hostiles); i++) {
		const struct hostile *h = &hostiles[i];
		struct outcome o;
		struct buf b;

		buf_init(&b, HOSTILE + 4096);
		buf_adds(&b, h->head);
		while (b.len < HOSTILE)
			buf_adds(&b, h->body);
		buf_adds(&b, h->tail);
		assert_true(buf_ok(&b));
		outcome_read(&o, b.data, b.len);
		if (o.stats.events > h->max_events)
			fail_msg("%s: %zu events", h->what, o.stats.events);
		if (o.stats.depth > MAX_YAML_DEPTH)
			fail_msg("%s: depth %zu", h->what, o.stats.depth);
		if (o.diag.errors < h->min_errors || (!h->min_errors && o.diag.errors))
			fail_msg("%s: %zu errors: %.500s", h->what, o.diag.errors, o.text.data);
		/* A tree costs no more than a few times the text that it came from. */
		if (o.arena.used > 64 * HOSTILE)
			fail_msg("%s: %zu bytes", h->what, o.arena.used);
		outcome_release(&o);
		buf_release(&b);
	}
}

/* A mebibyte of distinct keys, sorted and not, and one duplicate in the middle that must be found.
 */
static void test_many_keys(void **state)
{
	unsigned int order;

	for (order = 0; order < 2; order++) {
		struct outcome o;
		struct buf b;
		unsigned int i, n = 1u << 16;

		buf_init(&b, 2 << 20);
		for (i = 0; i < n; i++)
			buf_addf(&b, "k%06u: 1\n", order ? i * 40503u % n : i);
		buf_addf(&b, "k%06u: 2\n", n / 2);
		outcome_read(&o, b.data, b.len);
		assert_int_equal(o.diag.errors, 1);
		assert_non_null(strstr(o.text.data, "`k032768` is given twice"));
		assert_int_equal(o.root.n, n);
		outcome_release(&o);
		buf_release(&b);
	}
}

/* Random texts of YAML's own characters: nothing but an answer is expected, with the places inside
 * the file. */
static void test_random(void **state)
{
	static const char alphabet[] = "ab:-?[]{},#&*!|>'\"%@` \n\n  \t\\0x<~.\r";
	struct dice d;
	unsigned int i, j;

	dice_init(&d, 20261121);
	for (i = 0; i < 20000; i++) {
		char text[64];
		size_t len = dice_throw(&d, sizeof(text)), lines = 1;
		struct outcome o;

		for (j = 0; j < len; j++) {
			text[j] = alphabet[dice_throw(&d, sizeof(alphabet) - 1)];
			lines += text[j] == '\n';
		}
		outcome_read(&o, text, len);
		assert_true(o.rc == 0 || o.diag.errors);
		for (j = 0; j < o.diag.n; j++) {
			if (o.diag.entries[j].pos.line > lines ||
			    o.diag.entries[j].pos.col > len + 1)
				fail_msg("a place outside of \"%.*s\": %s", (int)len, text,
					 o.text.data);
		}
		outcome_release(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	     cmocka_unit_test(test_large_tree),
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_secrets),	     cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_scalar_limit), cmocka_unit_test(test_file_limit),
		cmocka_unit_test(test_gap_limit),    cmocka_unit_test(test_event_limit),
		cmocka_unit_test(test_hostile),	     cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
