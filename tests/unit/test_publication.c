/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The published documents: golden bytes (their signatures were made with OpenSSL, not with this
 * code), every way to break a small manifest, and random networks there and back.
 */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "publication/manifest.h"
#include "publication/sign.h"
#include "publication/verify.h"
#include "tests/unit/one_arena.h"

/* The public keys of the seeds of 32 bytes of 1 (ROOT1), 2 (ROOT2), 3 (PUB3). */
#define ROOT1 "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w="
#define ROOT2 "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q="
#define PUB3 "7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E="
#define MESH "000102030405060708090a0b0c0d0e0f"

#define ROOT_BODY                                                          \
	"meshrc root 1\nmesh " MESH "\nversion 1\nepoch 1\nmin-format 1\n" \
	"issued 2026-01-02T03:04:05Z\nrenew-by never\nroot-threshold 2\n"  \
	"root-key " ROOT2 "\nroot-key " ROOT1 "\npublisher-key " PUB3 "\n"
#define ROOT_SIG2              \
	"signature " ROOT2 " " \
	"grkgnPtZsqS+lY2st6xTo5qWo6azR8+e6r3yv3sRSauM//4jWua4M2QGlGCGPuWMReKtLmQSKLgH/5iVhwV4Bw==\n"
#define ROOT_SIG1              \
	"signature " ROOT1 " " \
	"CwQg/rQSDz32zCTeNfrhNK1LzhsG8WkKOIqEsPUF5cSUYyYEQJGRh4JD0EYZloCV0owlzu6Az7fN1J070lpbAw==\n"

#define MANIFEST_TOP \
	"meshrc manifest 1\nmesh " MESH "\nnetwork prod\nroot-version 1\nepoch 1\nserial 2\n"
#define MANIFEST_MIDDLE                                                               \
	"previous bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319\n" \
	"commit 0123456789abcdef0123456789abcdef01234567\n"                           \
	"issued 2026-01-02T03:04:05Z\nexpires 2026-02-01T03:04:05Z\n"
#define MANIFEST_TABLES                                                                      \
	"table freed 0 -\ntable gone 0 -\ntable groups 0 -\n"                                \
	"table nodes 123 0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8\n" \
	"table records 456 d161d71145abeec5ef15abcf0459cec60a27321e2f0ac0ef7ace5254f5944476\n"
#define MANIFEST_BODY MANIFEST_TOP MANIFEST_MIDDLE MANIFEST_TABLES
#define MANIFEST_SIG          \
	"signature " PUB3 " " \
	"sD9O5hFhKGuhytTWoFTmaMhfVi4dDaRLR+3R4xNsAPH+aRuPpnIW3n05hO8YZ+X6WX+YUzNE+Mgs7JEd6hzkBQ==\n"

static const char golden_root[] = ROOT_BODY ROOT_SIG2 ROOT_SIG1;
static const char golden_manifest[] = MANIFEST_BODY MANIFEST_SIG;

#define S(literal) (literal), sizeof(literal) - 1

static void seed_of(struct secret *s, uint8_t byte)
{
	struct err e;

	assert_int_equal(secret_init(s, 32, &e), 0);
	memset(s->b, byte, 32);
}

/* A body signed with the seeds made of these bytes, in the arena. */
static const char *sign_with(const char *type, const char *body, const char *seeds)
{
	struct secret list[MAX_SIGNATURES];
	struct buf in, out;
	size_t i, n = strlen(seeds);
	const char *signed_text;
	struct err e;

	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_adds(&in, body);
	for (i = 0; i < n; i++)
		seed_of(&list[i], (uint8_t)seeds[i]);
	assert_int_equal(sign_document(type, &in, list, n, &out, &e), 0);
	signed_text = arena_strndup(&arena, out.data, out.len);
	for (i = 0; i < n; i++)
		secret_release(&list[i]);
	buf_release(&in);
	buf_release(&out);
	return signed_text;
}

static void load_root(struct root *r)
{
	struct err e = { 0 };

	if (verify_pinned_root(S(golden_root), r, &e) < 0)
		fail_msg("%s", e.msg);
}

/* The reason for which a manifest is refused; "" when it is taken. */
static const char *manifest_reason(const struct root *r, const char *data, size_t len)
{
	struct manifest m;
	struct err e = { 0 };

	if (verify_manifest(r, "prod", 1, data, len, &arena, &m, &e) == 0)
		return "";
	assert_int_equal(e.class, ERR_VERIFY);
	assert_non_null(e.reason);
	assert_true(e.msg[0]);
	return e.reason;
}

/* ---- Golden bytes ---- */

static void test_golden(void **state)
{
	struct manifest m;
	struct root r;
	struct err e = { 0 };
	struct buf b;
	char text[KEY_STRLEN];
	struct secret seed;
	struct signkey pub;

	load_root(&r);
	assert_int_equal(r.version, 1);
	assert_int_equal(r.epoch, 1);
	assert_int_equal(r.min_format, 1);
	assert_int_equal(r.root_threshold, 2);
	assert_int_equal(r.n_root_keys, 2);
	assert_int_equal(r.n_publisher_keys, 1);
	assert_true(r.renew_by_never);
	assert_int_equal(r.issued, 1767323045);
	assert_int_equal(r.mesh.b[15], 15);
	assert_string_equal(signkey_print(&r.root_keys[0], text), ROOT2);
	assert_string_equal(signkey_print(&r.publisher_keys[0], text), PUB3);
	assert_int_equal(verify_manifest(&r, "prod", 1, S(golden_manifest), &arena, &m, &e), 0);
	assert_string_equal(m.network, "prod");
	assert_int_equal(m.serial, 2);
	assert_true(m.has_previous);
	assert_string_equal(m.commit, "0123456789abcdef0123456789abcdef01234567");
	assert_int_equal(m.expires - m.issued, 30 * 86400);
	assert_int_equal(m.tables[TABLE_FREED].len, 0);
	assert_int_equal(m.tables[TABLE_NODES].len, 123);
	assert_int_equal(m.tables[TABLE_RECORDS].len, 456);

	buf_init(&b, 10000);
	assert_int_equal(manifest_encode(&m, &b), 0);
	assert_string_equal(b.data, MANIFEST_BODY);
	buf_reset(&b);
	assert_int_equal(root_encode(&r, &b), 0);
	assert_string_equal(b.data, ROOT_BODY);
	buf_release(&b);
	/* Our signatures are those of OpenSSL, whatever the order of the seeds. */
	assert_string_equal(sign_with(SIGN_TYPE_ROOT, ROOT_BODY, "\1\2"), golden_root);
	assert_string_equal(sign_with(SIGN_TYPE_ROOT, ROOT_BODY, "\2\1"), golden_root);
	assert_string_equal(sign_with(SIGN_TYPE_MANIFEST, MANIFEST_BODY, "\3"), golden_manifest);
	seed_of(&seed, 3);
	assert_int_equal(sign_public(&seed, &pub, &e), 0);
	assert_string_equal(signkey_print(&pub, text), PUB3);
	secret_release(&seed);
}

static void test_new_keys_differ(void **state)
{
	struct secret a, b;
	struct signkey pa, pb;
	struct err e;

	assert_int_equal(sign_new_key(&a, &pa, &e), 0);
	assert_int_equal(sign_new_key(&b, &pb, &e), 0);
	assert_int_equal(a.len, 32);
	assert_memory_not_equal(a.b, b.b, 32);
	assert_true(signkey_cmp(&pa, &pb));
	secret_release(&a);
	secret_release(&b);
}

/* ---- Signatures ---- */

/* Every bit of a small manifest, of its body and of its signature. */
static void test_every_flip_is_refused(void **state)
{
	char copy[sizeof(golden_manifest)];
	size_t i, body = sizeof(MANIFEST_BODY) - 1;
	struct root r;
	int bit;

	load_root(&r);
	memcpy(copy, golden_manifest, sizeof(copy));
	assert_string_equal(manifest_reason(&r, copy, sizeof(copy) - 1), "");
	for (i = 0; i < sizeof(copy) - 1; i++)
		for (bit = 0; bit < 8; bit++) {
			const char *reason;

			copy[i] = (char)(copy[i] ^ (1 << bit));
			reason = manifest_reason(&r, copy, sizeof(copy) - 1);
			if (!*reason)
				fail_msg("byte %zu, bit %d: taken", i, bit);
			/* In the body it is the signature that no longer fits, or a byte that no
			 * document holds. */
			if (i < body && strcmp(reason, "BAD-SIG") != 0 &&
			    strcmp(reason, "BAD-FIELD") != 0)
				fail_msg("byte %zu, bit %d: %s", i, bit, reason);
			copy[i] = (char)(copy[i] ^ (1 << bit));
		}
	/* Every byte left out, and every prefix. */
	for (i = 0; i < sizeof(copy) - 1; i++) {
		char shorter[sizeof(copy)];

		memcpy(shorter, copy, i);
		memcpy(shorter + i, copy + i + 1, sizeof(copy) - i - 1);
		assert_true(*manifest_reason(&r, shorter, sizeof(copy) - 2));
		assert_true(*manifest_reason(&r, copy, i));
	}
}

static void test_root_flips_are_refused(void **state)
{
	char copy[sizeof(golden_root)];
	struct root r;
	struct err e;
	size_t i;

	memcpy(copy, golden_root, sizeof(copy));
	for (i = 0; i < sizeof(copy) - 1; i++) {
		copy[i] = (char)(copy[i] ^ 1);
		if (verify_pinned_root(copy, sizeof(copy) - 1, &r, &e) == 0)
			fail_msg("byte %zu: taken", i);
		assert_non_null(e.reason);
		copy[i] = (char)(copy[i] ^ 1);
	}
	assert_int_equal(verify_pinned_root(copy, sizeof(copy) - 1, &r, &e), 0);
}

/* A signature over the same bytes, but made for another type of document. */
static void test_domain_swap(void **state)
{
	struct signed_doc d;
	struct root r;
	struct err e;
	const char *as_root = sign_with(SIGN_TYPE_ROOT, MANIFEST_BODY, "\3");
	const char *as_members = sign_with("members", MANIFEST_BODY, "\3");
	const char *root_as_manifest = sign_with(SIGN_TYPE_MANIFEST, ROOT_BODY, "\1\2");

	load_root(&r);
	assert_string_equal(manifest_reason(&r, as_root, strlen(as_root)), "BAD-SIG");
	assert_string_equal(manifest_reason(&r, as_members, strlen(as_members)), "BAD-SIG");
	assert_int_equal(signed_split(as_root, strlen(as_root), &d, &e), 0);
	assert_true(
		verify_signature(SIGN_TYPE_ROOT, d.body, d.body_len, &d.keys[0], &d.signatures[0]));
	assert_false(verify_signature(SIGN_TYPE_MANIFEST, d.body, d.body_len, &d.keys[0],
				      &d.signatures[0]));
	assert_int_equal(verify_pinned_root(root_as_manifest, strlen(root_as_manifest), &r, &e),
			 -1);
	assert_string_equal(e.reason, "BAD-SIG");
}

static const char *cat(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	char *p = arena_alloc(&arena, na + nb + 1);

	assert_non_null(p);
	memcpy(p, a, na);
	memcpy(p + na, b, nb + 1);
	return p;
}

/* A root body with this version, epoch, threshold and these keys (letters of seeds). */
static const char *root_body(unsigned int version, unsigned int epoch, unsigned int min_format,
			     unsigned int threshold, const char *roots, const char *publishers)
{
	struct root x = { .format = 1,
			  .version = version,
			  .epoch = epoch,
			  .min_format = min_format,
			  .root_threshold = threshold,
			  .issued = 1767323045,
			  .renew_by_never = true };
	struct signkey k;
	struct secret seed;
	struct err e;
	struct buf b;
	const char *text;
	size_t i, j;

	assert_int_equal(hex_parse(MESH, 32, x.mesh.b, 16), 0);
	for (i = 0; roots[i]; i++) {
		seed_of(&seed, (uint8_t)roots[i]);
		assert_int_equal(sign_public(&seed, &k, &e), 0);
		secret_release(&seed);
		for (j = x.n_root_keys++; j && signkey_cmp(&x.root_keys[j - 1], &k) > 0; j--)
			x.root_keys[j] = x.root_keys[j - 1];
		x.root_keys[j] = k;
	}
	for (i = 0; publishers[i]; i++) {
		seed_of(&seed, (uint8_t)publishers[i]);
		assert_int_equal(sign_public(&seed, &k, &e), 0);
		secret_release(&seed);
		for (j = x.n_publisher_keys++; j && signkey_cmp(&x.publisher_keys[j - 1], &k) > 0;
		     j--)
			x.publisher_keys[j] = x.publisher_keys[j - 1];
		x.publisher_keys[j] = k;
	}
	buf_init(&b, MAX_ROOT_DOC);
	assert_int_equal(root_encode(&x, &b), 0);
	text = arena_strndup(&arena, b.data, b.len);
	buf_release(&b);
	return text;
}

/* Root 1 has keys 1 and 2, both needed; who may sign its successor? */
static void test_next_root(void **state)
{
	static const struct {
		const char *what;
		unsigned int version, epoch, min_format, threshold;
		const char *roots, *signers;
		const char *reason; /* NULL: taken */
	} rows[] = {
		{ "the same keys", 2, 1, 1, 2, "\1\2", "\1\2", NULL },
		{ "epoch and format up", 2, 2, 2, 2, "\1\2", "\1\2", NULL },
		{ "one of two old keys", 2, 1, 1, 2, "\1\2", "\1", "BAD-SIG" },
		{ "no old key", 2, 1, 1, 1, "\5", "\5", "UNKNOWN-KEY" },
		{ "new keys, signed by the old alone", 2, 1, 1, 1, "\5", "\1\2", "UNKNOWN-KEY" },
		{ "new keys, signed by old and new", 2, 1, 1, 1, "\5", "\1\2\5", NULL },
		{ "one key exchanged, new one missing", 2, 1, 1, 2, "\1\5", "\1\2", "BAD-SIG" },
		{ "one key exchanged, old one missing", 2, 1, 1, 2, "\1\5", "\1\5", "BAD-SIG" },
		{ "one key exchanged, all sign", 2, 1, 1, 2, "\1\5", "\1\2\5", NULL },
		{ "threshold down: the old one counts for the step", 2, 1, 1, 1, "\1\2", "\1",
		  "BAD-SIG" },
		{ "threshold down", 2, 1, 1, 1, "\1\2", "\1\2", NULL },
		{ "threshold up: the new one counts too", 2, 1, 1, 3, "\1\2\5", "\1\2", "BAD-SIG" },
		{ "threshold up", 2, 1, 1, 3, "\1\2\5", "\1\2\5", NULL },
		{ "a stranger signs too", 2, 1, 1, 2, "\1\2", "\1\2\7", NULL },
		{ "the same version again", 1, 1, 1, 2, "\1\2", "\1\2", "BAD-ROOT" },
		{ "a version left out", 3, 1, 1, 2, "\1\2", "\1\2", "BAD-ROOT" },
		{ "threshold above the keys", 2, 1, 1, 3, "\1\2", "\1\2", "BAD-FIELD" },
		{ "threshold 0", 2, 1, 1, 0, "\1\2", "\1\2", "BAD-FIELD" },
	};
	struct root one, next;
	const char *text;
	struct err e;
	size_t i;

	load_root(&one);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int r;

		text = sign_with(SIGN_TYPE_ROOT,
				 root_body(rows[i].version, rows[i].epoch, rows[i].min_format,
					   rows[i].threshold, rows[i].roots, "\3"),
				 rows[i].signers);
		memset(&e, 0, sizeof(e));
		r = verify_next_root(&one, text, strlen(text), &next, &e);
		if (r != (rows[i].reason ? -1 : 0) || (r && strcmp(e.reason, rows[i].reason) != 0))
			fail_msg("%s: %d %s %s", rows[i].what, r, e.reason ? e.reason : "", e.msg);
		if (!r)
			assert_int_equal(next.version, 2);
	}
	/* From epoch 2 and format 2 there is no way back. */
	text = sign_with(SIGN_TYPE_ROOT, root_body(2, 2, 2, 2, "\1\2", "\3"), "\1\2");
	assert_int_equal(verify_next_root(&one, text, strlen(text), &next, &e), 0);
	text = sign_with(SIGN_TYPE_ROOT, root_body(3, 1, 2, 2, "\1\2", "\3"), "\1\2");
	assert_int_equal(verify_next_root(&next, text, strlen(text), &one, &e), -1);
	assert_string_equal(e.reason, "BAD-ROOT");
	text = sign_with(SIGN_TYPE_ROOT, root_body(3, 2, 1, 2, "\1\2", "\3"), "\1\2");
	assert_int_equal(verify_next_root(&next, text, strlen(text), &one, &e), -1);
	assert_string_equal(e.reason, "BAD-ROOT");
}

/* One key that signs twice counts once: a repeated line is refused as such. */
static void test_signature_lines(void **state)
{
	static const struct {
		const char *what, *text, *reason;
	} rows[] = {
		{ "good", MANIFEST_BODY MANIFEST_SIG, "" },
		{ "none", MANIFEST_BODY, "BAD-FIELD" },
		{ "no body", MANIFEST_SIG, "BAD-FIELD" },
		{ "empty", "", "BAD-FIELD" },
		{ "twice", MANIFEST_BODY MANIFEST_SIG MANIFEST_SIG, "BAD-FIELD" },
		{ "out of order", MANIFEST_BODY ROOT_SIG1 ROOT_SIG2, "BAD-FIELD" },
		{ "strangers alone", MANIFEST_BODY ROOT_SIG2 ROOT_SIG1, "UNKNOWN-KEY" },
		{ "a stranger's beside a good one", MANIFEST_BODY ROOT_SIG1 MANIFEST_SIG, "" },
		{ "body behind", MANIFEST_BODY MANIFEST_SIG "table x\n", "BAD-FIELD" },
		{ "empty line behind", MANIFEST_BODY MANIFEST_SIG "\n", "BAD-FIELD" },
		{ "a byte behind", MANIFEST_BODY MANIFEST_SIG "x", "BAD-FIELD" },
		{ "a blank line between", MANIFEST_BODY "\n" MANIFEST_SIG, "BAD-SIG" },
		{ "CRLF", MANIFEST_BODY "signature " PUB3 "\r\n", "BAD-FIELD" },
		{ "a word missing", MANIFEST_BODY "signature " PUB3 "\n", "BAD-FIELD" },
		{ "a word too many", MANIFEST_BODY "signature " PUB3 " " PUB3 " x\n", "BAD-FIELD" },
		{ "two blanks", MANIFEST_BODY "signature  " PUB3 " " PUB3 "\n", "BAD-FIELD" },
		{ "not signed: another body", MANIFEST_TOP MANIFEST_TABLES MANIFEST_SIG,
		  "BAD-SIG" },
	};
	struct root r;
	size_t i;

	load_root(&r);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *reason = manifest_reason(&r, rows[i].text, strlen(rows[i].text));

		if (strcmp(reason, rows[i].reason) != 0)
			fail_msg("%s: %s", rows[i].what, reason);
	}
	assert_string_equal(manifest_reason(&r, "a\0b", 3), "BAD-FIELD");
}

/* Well signed, but wrong: what the rules after the signature refuse. */
static void test_signed_manifests(void **state)
{
	static const char hash[] =
		"previous bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319\n";
	/* The body with `from` replaced by `to`. */
	static const struct {
		const char *what, *from, *to, *reason;
	} rows[] = {
		{ "unchanged", "", "", "" },
		{ "format 2", "manifest 1", "manifest 2", "UNKNOWN-FORMAT" },
		{ "format 0", "manifest 1", "manifest 0", "UNKNOWN-FORMAT" },
		{ "format with a zero", "manifest 1", "manifest 01", "BAD-FIELD" },
		{ "another kind", "meshrc manifest", "meshrc root", "BAD-FIELD" },
		{ "another program", "meshrc manifest", "meshrd manifest", "BAD-FIELD" },
		{ "another mesh", "mesh 00", "mesh 01", "WRONG-NETWORK" },
		{ "mesh in upper case", "0a0b", "0A0b", "BAD-FIELD" },
		{ "mesh too short", "0e0f", "0e", "BAD-FIELD" },
		{ "another network", "network prod", "network test", "WRONG-NETWORK" },
		{ "a network that starts alike", "network prod", "network prod2", "WRONG-NETWORK" },
		{ "a path for a network", "network prod", "network ../x", "BAD-FIELD" },
		{ "no network", "network prod\n", "", "BAD-FIELD" },
		{ "network twice", "network prod\n", "network prod\nnetwork prod\n", "BAD-FIELD" },
		{ "root version 0", "root-version 1", "root-version 0", "BAD-FIELD" },
		{ "a root that we do not know", "root-version 1", "root-version 2", "ROOT-BEHIND" },
		{ "epoch 0", "epoch 1", "epoch 0", "BAD-FIELD" },
		{ "another epoch", "epoch 1", "epoch 2", "WRONG-EPOCH" },
		{ "serial 0", "serial 2", "serial 0", "BAD-FIELD" },
		{ "serial 1 with a previous", "serial 2", "serial 1", "BAD-FIELD" },
		{ "serial 2 without a previous", hash, "previous -\n", "" },
		{ "serial 2^64 - 1", "serial 2", "serial 18446744073709551615", "" },
		{ "serial 2^64", "serial 2", "serial 18446744073709551616", "BAD-FIELD" },
		{ "serial with a sign", "serial 2", "serial +2", "BAD-FIELD" },
		{ "serial with a zero", "serial 2", "serial 02", "BAD-FIELD" },
		{ "two blanks", "serial 2", "serial  2", "BAD-FIELD" },
		{ "blank at the end", "serial 2", "serial 2 ", "BAD-FIELD" },
		{ "tab", "serial 2", "serial\t2", "BAD-FIELD" },
		{ "commit of 41 digits", "commit 0", "commit 00", "BAD-FIELD" },
		{ "commit in upper case", "commit 0123456789abcdef", "commit 0123456789ABCDEF",
		  "BAD-FIELD" },
		{ "an option for a commit", "commit 0123456", "commit --upload", "BAD-FIELD" },
		{ "a date that is none", "2026-02-01", "2026-02-30", "BAD-FIELD" },
		{ "an offset", "05Z\nexpires", "05+00:00\nexpires", "BAD-FIELD" },
		{ "expires when issued", "2026-02-01", "2026-01-02", "BAD-FIELD" },
		{ "tables out of order", "table freed 0 -\ntable gone 0 -\n",
		  "table gone 0 -\ntable freed 0 -\n", "BAD-FIELD" },
		{ "a table left out", "table gone 0 -\n", "", "BAD-FIELD" },
		{ "a table unknown", "table gone 0 -\n", "table gone 0 -\ntable hooks 0 -\n",
		  "BAD-FIELD" },
		{ "an empty table with a hash", "table gone 0 -", "table gone 5 -", "BAD-FIELD" },
		{ "a length without a hash", "table nodes 123", "table nodes 0", "BAD-FIELD" },
		{ "an index at its limit", "table nodes 123", "table nodes 4194304", "" },
		{ "an index one over", "table nodes 123", "table nodes 4194305", "BAD-FIELD" },
		{ "an unknown line", "table freed", "post-up rm -rf /\ntable freed", "BAD-FIELD" },
		{ "a URL", "table freed", "url http://192.0.2.1/\ntable freed", "BAD-FIELD" },
		{ "an unknown line at the end", "5944476\n", "5944476\ntable x 0 -\n",
		  "BAD-FIELD" },
		{ "an empty line", "table freed", "\ntable freed", "BAD-FIELD" },
		{ "a control byte", "network prod", "network pr\033od", "BAD-FIELD" },
		{ "a letter beyond ASCII", "network prod",
		  "network pr\xc3\xb6"
		  "d",
		  "BAD-FIELD" },
	};
	struct root r;
	size_t i;

	load_root(&r);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = strstr(MANIFEST_BODY, rows[i].from), *reason, *text;
		char body[4096];

		ROW_CHECK(at != NULL, i);
		snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - MANIFEST_BODY), MANIFEST_BODY,
			 rows[i].to, at + strlen(rows[i].from));
		text = sign_with(SIGN_TYPE_MANIFEST, body, "\3");
		reason = manifest_reason(&r, text, strlen(text));
		if (strcmp(reason, rows[i].reason) != 0)
			fail_msg("%s: '%s' instead of '%s'", rows[i].what, reason, rows[i].reason);
	}
}

static void test_floors(void **state)
{
	struct manifest m;
	struct root r;
	struct err e;

	load_root(&r);
	assert_int_equal(verify_manifest(&r, "prod", 2, S(golden_manifest), &arena, &m, &e), -1);
	assert_string_equal(e.reason, "FORMAT-FLOOR");
	r.min_format = 2;
	assert_int_equal(verify_manifest(&r, "prod", 1, S(golden_manifest), &arena, &m, &e), -1);
	assert_string_equal(e.reason, "FORMAT-FLOOR");
	load_root(&r);
	/* The publisher was dropped by a later root. */
	memset(&r.publisher_keys[0], 9, sizeof(r.publisher_keys[0]));
	assert_string_equal(manifest_reason(&r, S(golden_manifest)), "UNKNOWN-KEY");
}

static void test_signed_limits(void **state)
{
	struct secret seeds[MAX_SIGNATURES + 1];
	struct signed_doc d;
	struct buf body, out;
	struct err e;
	struct root r;
	size_t i;
	char *big;

	buf_init(&body, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_adds(&body, MANIFEST_BODY);
	for (i = 0; i < ARRAY_LEN(seeds); i++)
		seed_of(&seeds[i], (uint8_t)(i + 1));
	assert_int_equal(sign_document(SIGN_TYPE_MANIFEST, &body, seeds, MAX_SIGNATURES, &out, &e),
			 0);
	assert_int_equal(signed_split(out.data, out.len, &d, &e), 0);
	assert_int_equal(d.n, MAX_SIGNATURES);
	assert_int_equal(d.body_len, body.len);
	load_root(&r);
	assert_string_equal(manifest_reason(&r, out.data, out.len), "");
	/* One signature over: the maker refuses, and the reader does. */
	assert_int_equal(sign_document(SIGN_TYPE_MANIFEST, &body, seeds, MAX_SIGNATURES + 1, &out,
				       &e),
			 -1);
	assert_int_equal(e.class, ERR_LIMIT);
	assert_int_equal(sign_document(SIGN_TYPE_MANIFEST, &body, seeds, 0, &out, &e), -1);
	buf_reset(&out);
	buf_add(&out, body.data, body.len);
	for (i = 0; i <= MAX_SIGNATURES; i++) {
		struct signkey k;
		struct signature sig = { { 0 } };

		memset(&k, (int)i, sizeof(k));
		signed_append(&out, &k, &sig);
	}
	assert_int_equal(signed_split(out.data, out.len, &d, &e), -1);
	assert_string_equal(e.reason, "BAD-FIELD");
	/* The same seed twice. */
	buf_reset(&out);
	memset(seeds[1].b, 1, 32);
	assert_int_equal(sign_document(SIGN_TYPE_MANIFEST, &body, seeds, 2, &out, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);
	/* A seed of another size. */
	seeds[0].len = 31;
	assert_int_equal(sign_document(SIGN_TYPE_MANIFEST, &body, seeds, 1, &out, &e), -1);
	seeds[0].len = 32;
	for (i = 0; i < ARRAY_LEN(seeds); i++)
		secret_release(&seeds[i]);
	buf_release(&body);
	buf_release(&out);

	/* Bytes one over, before anything is looked at. */
	big = arena_alloc(&arena, MAX_MANIFEST + 1);
	memset(big, 'a', MAX_MANIFEST + 1);
	assert_string_equal(manifest_reason(&r, big, MAX_MANIFEST + 1), "TOO-LARGE");
	assert_string_equal(manifest_reason(&r, big, MAX_MANIFEST), "BAD-FIELD");
	assert_int_equal(verify_pinned_root(big, MAX_ROOT_DOC + 1, &r, &e), -1);
	assert_string_equal(e.reason, "TOO-LARGE");
	/* Keys one over. */
	{
		char keys[MAX_ROOT_KEYS + 2];

		for (i = 0; i <= MAX_ROOT_KEYS; i++)
			keys[i] = (char)(i + 1);
		keys[MAX_ROOT_KEYS] = '\0';
		assert_int_equal(root_decode(root_body(1, 1, 1, 1, keys, keys),
					     strlen(root_body(1, 1, 1, 1, keys, keys)), &r, &e),
				 0);
		assert_int_equal(r.n_root_keys, MAX_ROOT_KEYS);
		buf_init(&out, 10000);
		assert_int_equal(root_encode(&r, &out), 0);
		{
			/* One more publisher key, sorted behind the others. */
			const char *text =
				cat(out.data,
				    "publisher-key //////////////////////////////////////////8=\n");

			assert_int_equal(root_decode(text, strlen(text), &r, &e), -1);
			assert_non_null(strstr(e.msg, "more than 16 keys"));
		}
		buf_release(&out);
	}
}

static void test_verify_document(void **state)
{
	struct document_ref ref = { .len = 3 };
	struct err e;

	digest_of("abc", 3, &ref.hash);
	assert_int_equal(verify_document(&ref, "abc", 3, &e), 0);
	assert_int_equal(verify_document(&ref, "abd", 3, &e), -1);
	assert_string_equal(e.reason, "BAD-HASH");
	assert_int_equal(verify_document(&ref, "abcd", 4, &e), -1);
	assert_string_equal(e.reason, "BAD-HASH");
	assert_int_equal(verify_document(&ref, "ab", 2, &e), -1);
}

/* ---- Single lines ---- */

/* Each line of the rows is taken and written again as it stands there, or refused. */
#define CHECK_LINES(type)                                                                          \
	do {                                                                                       \
		struct type line_;                                                                 \
		struct buf b_;                                                                     \
		struct err e_;                                                                     \
		size_t i_;                                                                         \
                                                                                                   \
		buf_init(&b_, MAX_LINE);                                                           \
		for (i_ = 0; i_ < ARRAY_LEN(rows); i_++) {                                         \
			const char *text_ = rows[i_].line;                                         \
			int r_ = type##_decode(text_, strlen(text_), &arena, &line_, &e_);         \
                                                                                                   \
			ROW_CHECK((r_ == 0) == rows[i_].ok, i_);                                   \
			if (r_) {                                                                  \
				ROW_CHECK(!strcmp(e_.reason, "BAD-FIELD"), i_);                    \
				continue;                                                          \
			}                                                                          \
			buf_reset(&b_);                                                            \
			ROW_CHECK(type##_encode(&line_, &b_) == 0 && !strcmp(b_.data, text_), i_); \
			ROW_CHECK(type##_equal(&line_, &line_), i_);                               \
		}                                                                                  \
		buf_release(&b_);                                                                  \
	} while (0)

#define KEY1 "9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="
#define REC "record fra1 key=" KEY1
#define CLIENT REC " addresses=10.20.0.1 gateway=ams1"
#define NODE "node fra1 key=" KEY1 " interface=prod"

static void test_record_lines(void **state)
{
	static const struct {
		const char *what, *line;
		bool ok;
	} rows[] = {
		{ "least", REC " addresses=10.20.0.1", true },
		{ "all",
		  REC
		  " addresses=10.20.0.1,fd20::1 routes=192.168.0.0/24,fd30::/64 endpoint=[2001:db8::1]:51820",
		  true },
		{ "a leader", REC " addresses=10.20.0.1 leads=berlin@1 endpoint=fra1.example.net:1",
		  true },
		{ "the last leader", REC " addresses=10.20.0.1 leads=berlin@16", true },
		{ "a leader one over", REC " addresses=10.20.0.1 leads=berlin@17", false },
		{ "leader 0", REC " addresses=10.20.0.1 leads=berlin@0", false },
		{ "a leader of nothing", REC " addresses=10.20.0.1 leads=@1", false },
		{ "a leader without a number", REC " addresses=10.20.0.1 leads=berlin", false },
		{ "a leader behind the endpoint",
		  REC " addresses=10.20.0.1 endpoint=fra1.example.net:1 leads=berlin@1", false },
		{ "a viewpoint that is a site",
		  REC " addresses=10.20.0.1 at=site:berlin/192.168.1.1:1 at=tag:a/192.168.1.1:1",
		  true },
		{ "a viewpoint that is a site without a name",
		  REC " addresses=10.20.0.1 at=site:/192.168.1.1:1", false },
		{ "endpoints at viewpoints",
		  REC
		  " addresses=10.20.0.1 endpoint=fra1.example.net:1 at=tag:home/[fd00::1]:5 at=tag:lan/192.168.1.1:51820",
		  true },
		{ "no other endpoint", REC " addresses=10.20.0.1 at=tag:lan/192.168.1.1:51820",
		  true },
		{ "a viewpoint twice",
		  REC " addresses=10.20.0.1 at=tag:lan/192.168.1.1:1 at=tag:lan/192.168.1.2:1",
		  false },
		{ "viewpoints out of order",
		  REC " addresses=10.20.0.1 at=tag:lan/192.168.1.1:1 at=tag:home/192.168.1.1:1",
		  false },
		{ "a viewpoint before the endpoint",
		  REC " addresses=10.20.0.1 at=tag:lan/192.168.1.1:1 endpoint=fra1.example.net:1",
		  false },
		{ "a viewpoint without an endpoint", REC " addresses=10.20.0.1 at=tag:lan", false },
		{ "a viewpoint with an empty endpoint", REC " addresses=10.20.0.1 at=tag:lan/",
		  false },
		{ "a node for a viewpoint", REC " addresses=10.20.0.1 at=ams1/192.168.1.1:1",
		  false },
		{ "a viewpoint without a name", REC " addresses=10.20.0.1 at=tag:/192.168.1.1:1",
		  false },
		{ "a viewpoint of another kind", REC " addresses=10.20.0.1 at=all/192.168.1.1:1",
		  false },
		{ "an endpoint at a viewpoint, without a port",
		  REC " addresses=10.20.0.1 at=tag:lan/192.168.1.1", false },
		{ "endpoint alone", REC " addresses=10.20.0.1 endpoint=fra1.example.net:1", true },
		{ "a client", REC " addresses=10.20.0.1,fd20::1 gateway=ams1", true },
		{ "a node with clients",
		  REC " addresses=10.20.0.1 endpoint=192.0.2.1:1 clients=yes", true },
		{ "a node without clients", REC " addresses=10.20.0.1 clients=no", false },
		{ "a client with clients", REC " addresses=10.20.0.1 gateway=ams1 clients=yes",
		  false },
		{ "clients before the endpoint",
		  REC " addresses=10.20.0.1 clients=yes endpoint=192.0.2.1:1", false },
		{ "a client of itself", REC " addresses=10.20.0.1 gateway=fra1", false },
		{ "a client of a group", REC " addresses=10.20.0.1 gateway=tag:dc", false },
		{ "a client of nobody", REC " addresses=10.20.0.1 gateway=", false },
		{ "a client with routes",
		  REC " addresses=10.20.0.1 routes=192.168.0.0/24 gateway=ams1", false },
		{ "a client with an endpoint",
		  REC " addresses=10.20.0.1 endpoint=192.0.2.1:1 gateway=ams1", false },
		{ "a client that stands by",
		  REC " addresses=10.20.0.1 standby=192.168.0.0/24@2 gateway=ams1", false },
		{ "a client's file",
		  CLIENT " allowed_ips=10.0.0.0/8,::/0 dns=fd20::53,10.20.0.1,corp.example.net"
			 " mtu=576 keepalive=0",
		  true },
		{ "of which a part", CLIENT " dns=lan keepalive=65535", true },
		{ "an MTU alone", CLIENT " mtu=65535", true },
		{ "in another order", CLIENT " mtu=1280 dns=10.20.0.1", false },
		{ "of a node", REC " addresses=10.20.0.1 mtu=1280", false },
		{ "before the gateway", REC " addresses=10.20.0.1 dns=10.20.0.1 gateway=ams1",
		  false },
		{ "nothing for the tunnel", CLIENT " allowed_ips=", false },
		{ "prefixes out of order", CLIENT " allowed_ips=10.1.0.0/16,10.0.0.0/16", false },
		{ "a prefix inside another", CLIENT " allowed_ips=0.0.0.0/0,10.0.0.0/16", false },
		{ "a prefix with host bits", CLIENT " allowed_ips=10.0.0.1/16", false },
		{ "no name server", CLIENT " dns=", false },
		{ "an empty name server", CLIENT " dns=10.20.0.1,", false },
		{ "a name server twice", CLIENT " dns=10.20.0.1,lan,10.20.0.1", false },
		{ "a name server spelt otherwise", CLIENT " dns=fd20:0::53", false },
		{ "a name server with a port", CLIENT " dns=10.20.0.1:53", false },
		{ "a name server in brackets", CLIENT " dns=[fd20::53]", false },
		{ "a search domain in upper case", CLIENT " dns=Lan", false },
		{ "a search domain with a final dot", CLIENT " dns=lan.", false },
		{ "a search domain with a port", CLIENT " dns=lan:53", false },
		{ "no domain", CLIENT " dns=a_b", false },
		{ "an MTU one under", CLIENT " mtu=575", false },
		{ "an MTU one over", CLIENT " mtu=65536", false },
		{ "an MTU of nothing", CLIENT " mtu=0", false },
		{ "a keepalive one over", CLIENT " keepalive=65536", false },
		{ "the keepalive that stands for itself", CLIENT " keepalive=25", false },
		{ "a keepalive spelt otherwise", CLIENT " keepalive=07", false },
		{ "a file and clients", CLIENT " mtu=1280 clients=yes", false },
		{ "the gateway before the addresses", REC " gateway=ams1 addresses=10.20.0.1",
		  false },
		{ "two gateways", REC " addresses=10.20.0.1 gateway=ams1 gateway=ams2", false },
		{ "another kind", "node fra1 key=" KEY1 " addresses=10.20.0.1", false },
		{ "no key", "record fra1 addresses=10.20.0.1", false },
		{ "a name in upper case", "record Fra1 key=" KEY1 " addresses=10.20.0.1", false },
		{ "a path for a name", "record ../x key=" KEY1 " addresses=10.20.0.1", false },
		{ "no address", REC, false },
		{ "empty address", REC " addresses=", false },
		{ "addresses out of order", REC " addresses=10.20.0.2,10.20.0.1", false },
		{ "an address twice", REC " addresses=10.20.0.1,10.20.0.1", false },
		{ "IPv6 first", REC " addresses=fd20::1,10.20.0.1", false },
		{ "an address with a length", REC " addresses=10.20.0.1/32", false },
		{ "second spelling", REC " addresses=fd20:0::1", false },
		{ "comma at the end", REC " addresses=10.20.0.1,", false },
		{ "fields swapped", REC " routes=192.168.0.0/24 addresses=10.20.0.1", false },
		{ "host bits", REC " addresses=10.20.0.1 routes=192.168.0.1/24", false },
		{ "routes out of order",
		  REC " addresses=10.20.0.1 routes=192.168.1.0/24,192.168.0.0/24", false },
		{ "a route inside another",
		  REC " addresses=10.20.0.1 routes=192.168.0.0/16,192.168.1.0/24", false },
		{ "no routes", REC " addresses=10.20.0.1 routes=", false },
		{ "standby",
		  REC
		  " addresses=10.20.0.1 routes=192.168.0.0/24 standby=10.8.0.0/16@1,10.8.1.0/24@65535,fd30::/48@7 endpoint=a:1",
		  true },
		{ "standby without a metric", REC " addresses=10.20.0.1 standby=10.8.0.0/16",
		  false },
		{ "standby with metric 0", REC " addresses=10.20.0.1 standby=10.8.0.0/16@0",
		  false },
		{ "a metric one over", REC " addresses=10.20.0.1 standby=10.8.0.0/16@65536",
		  false },
		{ "a metric in another spelling", REC " addresses=10.20.0.1 standby=10.8.0.0/16@07",
		  false },
		{ "standby twice", REC " addresses=10.20.0.1 standby=10.8.0.0/16@1,10.8.0.0/16@2",
		  false },
		{ "standby out of order",
		  REC " addresses=10.20.0.1 standby=10.9.0.0/16@1,10.8.0.0/16@2", false },
		{ "standby with host bits", REC " addresses=10.20.0.1 standby=10.8.0.1/16@1",
		  false },
		{ "standby before routes",
		  REC " addresses=10.20.0.1 standby=10.8.0.0/16@1 routes=192.168.0.0/24", false },
		{ "endpoint without a port", REC " addresses=10.20.0.1 endpoint=fra1.example.net",
		  false },
		{ "endpoint in upper case", REC " addresses=10.20.0.1 endpoint=FRA1.example.net:1",
		  false },
		{ "unknown field", REC " addresses=10.20.0.1 hook=x", false },
		{ "a blank at the end", REC " addresses=10.20.0.1 ", false },
		{ "two blanks", REC "  addresses=10.20.0.1", false },
		{ "a field twice", REC " addresses=10.20.0.1 addresses=10.20.0.1", false },
		{ "empty", "", false },
		{ "a URL for an endpoint", REC " addresses=10.20.0.1 endpoint=http://a/:1", false },
	};

	CHECK_LINES(record);
}

static void test_node_lines(void **state)
{
	static const struct {
		const char *what, *line;
		bool ok;
	} rows[] = {
		{ "least", NODE " mtu=1420 addresses=10.20.0.1/16", true },
		{ "all",
		  NODE
		  " listen_port=51820 mtu=1280 keepalive=25 fwmark=4294967295 forward=yes masquerade=10.9.0.0/16,fd09::/48 addresses=10.20.0.1/16,fd20::1/64"
		  " direct=all direct=ams1 direct=tag:dc routes=ams1:tag:dc through=ams1:x"
		  " allow=ams1:10.20.0.0/16,fd20::/64 alive=0:ams1 alive=25:tag:dc alive=65535:x",
		  true },
		{ "viewpoints", NODE " mtu=1420 from=tag:home,tag:lan addresses=10.20.0.1/16",
		  true },
		{ "viewpoints out of order",
		  NODE " mtu=1420 from=tag:lan,tag:home addresses=10.20.0.1/16", false },
		{ "a viewpoint twice", NODE " mtu=1420 from=tag:lan,tag:lan addresses=10.20.0.1/16",
		  false },
		{ "no viewpoint", NODE " mtu=1420 from= addresses=10.20.0.1/16", false },
		{ "a node for a viewpoint", NODE " mtu=1420 from=ams1 addresses=10.20.0.1/16",
		  false },
		{ "viewpoints behind the addresses",
		  NODE " mtu=1420 addresses=10.20.0.1/16 from=tag:lan", false },
		{ "keepalives of a link, one over",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a alive=65536:a", false },
		{ "keepalives of a link without a number",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a alive=:a", false },
		{ "keepalives of a link without a target",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a alive=25", false },
		{ "keepalives of a link, another spelling",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a alive=025:a", false },
		{ "keepalives of links, out of order",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a alive=25:a alive=15:a", false },
		{ "no interface", "node fra1 key=" KEY1 " mtu=1420 addresses=10.20.0.1/16", false },
		{ "a path for an interface",
		  "node fra1 key=" KEY1 " interface=../x mtu=1420 addresses=10.20.0.1/16", false },
		{ "an interface of 16 bytes",
		  "node fra1 key=" KEY1 " interface=abcdefghijklmnop mtu=1420 addresses=10.0.0.1/8",
		  false },
		{ "port 0", NODE " listen_port=0 mtu=1420 addresses=10.20.0.1/16", false },
		{ "port one over", NODE " listen_port=65536 mtu=1420 addresses=10.20.0.1/16",
		  false },
		{ "no MTU", NODE " addresses=10.20.0.1/16", false },
		{ "MTU one under", NODE " mtu=575 addresses=10.20.0.1/16", false },
		{ "MTU at the minimum", NODE " mtu=576 addresses=10.20.0.1/16", true },
		{ "MTU one over", NODE " mtu=65536 addresses=10.20.0.1/16", false },
		{ "keepalive 0", NODE " mtu=1420 keepalive=0 addresses=10.20.0.1/16", false },
		{ "keepalive one over", NODE " mtu=1420 keepalive=65536 addresses=10.20.0.1/16",
		  false },
		{ "fwmark 0", NODE " mtu=1420 fwmark=0 addresses=10.20.0.1/16", false },
		{ "fwmark one over", NODE " mtu=1420 fwmark=4294967296 addresses=10.20.0.1/16",
		  false },
		{ "masquerade without forward",
		  NODE " mtu=1420 masquerade=10.9.0.0/16 addresses=10.20.0.1/16", false },
		{ "masquerade of nothing",
		  NODE " mtu=1420 forward=yes masquerade= addresses=10.20.0.1/16", false },
		{ "masquerade, not canonical",
		  NODE
		  " mtu=1420 forward=yes masquerade=10.0.0.0/8,10.9.0.0/16 addresses=10.20.0.1/16",
		  false },
		{ "masquerade with host bits",
		  NODE " mtu=1420 forward=yes masquerade=10.9.0.1/16 addresses=10.20.0.1/16",
		  false },
		{ "masquerade before forward",
		  NODE " mtu=1420 masquerade=10.9.0.0/16 forward=yes addresses=10.20.0.1/16",
		  false },
		{ "an exit for others",
		  NODE
		  " mtu=1420 forward=yes masquerade=0.0.0.0/0,10.9.0.0/16,::/0 except=10.8.0.0/16,fd08::/48 addresses=10.20.0.1/16",
		  true },
		{ "except of another family",
		  NODE
		  " mtu=1420 forward=yes masquerade=0.0.0.0/0 except=fd08::/48 addresses=10.20.0.1/16",
		  true },
		{ "except without masquerade",
		  NODE " mtu=1420 forward=yes except=10.8.0.0/16 addresses=10.20.0.1/16", true },
		{ "except without forward",
		  NODE " mtu=1420 except=10.8.0.0/16 addresses=10.20.0.1/16", false },
		{ "except everything",
		  NODE
		  " mtu=1420 forward=yes masquerade=0.0.0.0/0 except=0.0.0.0/0 addresses=10.20.0.1/16",
		  false },
		{ "masquerade everything and one inside another",
		  NODE
		  " mtu=1420 forward=yes masquerade=0.0.0.0/0,10.0.0.0/8,10.9.0.0/16 addresses=10.20.0.1/16",
		  false },
		{ "an exit", NODE " mtu=1420 fwmark=1 exit=ams1 addresses=10.20.0.1/16 direct=all",
		  true },
		{ "an exit and a table",
		  NODE " mtu=1420 table=100 exit=ams1 addresses=10.20.0.1/16 direct=all", true },
		{ "an exit and no routes",
		  NODE " mtu=1420 table=off exit=ams1 addresses=10.20.0.1/16 direct=all", true },
		{ "an exit without a mark", NODE " mtu=1420 exit=ams1 addresses=10.20.0.1/16",
		  false },
		{ "its own exit", NODE " mtu=1420 fwmark=1 exit=fra1 addresses=10.20.0.1/16",
		  false },
		{ "a group for an exit",
		  NODE " mtu=1420 fwmark=1 exit=tag:dc addresses=10.20.0.1/16", false },
		{ "no name for an exit", NODE " mtu=1420 fwmark=1 exit= addresses=10.20.0.1/16",
		  false },
		{ "exit before forward",
		  NODE " mtu=1420 fwmark=1 exit=ams1 forward=yes addresses=10.20.0.1/16", false },
		{ "the last table", NODE " mtu=1420 table=4294967295 addresses=10.20.0.1/16",
		  true },
		{ "a table one over", NODE " mtu=1420 table=4294967296 addresses=10.20.0.1/16",
		  false },
		{ "table 0", NODE " mtu=1420 table=0 addresses=10.20.0.1/16", false },
		{ "a word for a table", NODE " mtu=1420 table=main addresses=10.20.0.1/16", false },
		{ "table before fwmark", NODE " mtu=1420 table=5 fwmark=1 addresses=10.20.0.1/16",
		  false },
		{ "standby",
		  NODE
		  " mtu=1420 forward=yes masquerade=10.9.0.0/16 standby=10.8.0.0/16,10.8.1.0/24 addresses=10.20.0.1/16",
		  true },
		{ "standby without forward",
		  NODE " mtu=1420 standby=10.8.0.0/16 addresses=10.20.0.1/16", false },
		{ "standby of nothing",
		  NODE " mtu=1420 forward=yes standby= addresses=10.20.0.1/16", false },
		{ "standby twice",
		  NODE
		  " mtu=1420 forward=yes standby=10.8.0.0/16,10.8.0.0/16 addresses=10.20.0.1/16",
		  false },
		{ "standby with a metric",
		  NODE " mtu=1420 forward=yes standby=10.8.0.0/16@5 addresses=10.20.0.1/16",
		  false },
		{ "standby before masquerade",
		  NODE
		  " mtu=1420 forward=yes standby=10.8.0.0/16 masquerade=10.9.0.0/16 addresses=10.20.0.1/16",
		  false },
		{ "forward, and not yes", NODE " mtu=1420 forward=no addresses=10.20.0.1/16",
		  false },
		{ "an address without a length", NODE " mtu=1420 addresses=10.20.0.1", false },
		{ "an address twice", NODE " mtu=1420 addresses=10.20.0.1/16,10.20.0.1/24", false },
		{ "links out of order", NODE " mtu=1420 addresses=10.20.0.1/16 direct=b direct=a",
		  false },
		{ "a link twice", NODE " mtu=1420 addresses=10.20.0.1/16 direct=a direct=a",
		  false },
		{ "kinds out of order", NODE " mtu=1420 addresses=10.20.0.1/16 routes=a:b direct=a",
		  false },
		{ "no via", NODE " mtu=1420 addresses=10.20.0.1/16 direct=a routes=tag", false },
		{ "allow without a prefix",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a allow=a:", false },
		{ "allow with host bits",
		  NODE " mtu=1420 addresses=10.20.0.1/16 direct=a allow=a:10.0.0.1/8", false },
		{ "a target with a slash", NODE " mtu=1420 addresses=10.20.0.1/16 direct=a/b",
		  false },
		{ "an empty target", NODE " mtu=1420 addresses=10.20.0.1/16 direct=", false },
		{ "a command", NODE " mtu=1420 addresses=10.20.0.1/16 post-up=reboot", false },
		{ "a private key", NODE " private_key=" KEY1 " mtu=1420 addresses=10.20.0.1/16",
		  false },
	};

	CHECK_LINES(node);
}

/* A line with n times a text that has a number in it. */
static const char *viewpoints_line(const char *head, const char *before, const char *after,
				   size_t n)
{
	struct buf b;
	const char *text;
	size_t i;

	buf_init(&b, 1 << 20);
	buf_adds(&b, head);
	for (i = 0; i < n; i++)
		buf_addf(&b, "%s%03zu%s", before, i, after);
	text = arena_strndup(&arena, b.data, b.len);
	buf_release(&b);
	return text;
}

/* A line whose list has n elements made by fmt from a number. */
static const char *list_line(const char *head, size_t n, bool prefixes)
{
	struct buf b;
	const char *text;
	size_t i;

	buf_init(&b, 1 << 20);
	buf_adds(&b, head);
	for (i = 0; i < n; i++)
		buf_addf(&b, "%s10.%zu.%zu.%s", i ? "," : "", i / 256, i % 256,
			 prefixes ? "0/24" : "1");
	text = arena_strndup(&arena, b.data, b.len);
	buf_release(&b);
	return text;
}

static void test_line_limits(void **state)
{
	const char *line;
	struct record r;
	struct node n;
	struct err e;
	struct buf b;
	size_t i;

	line = list_line(REC " addresses=", MAX_ADDRESSES, false);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), 0);
	line = list_line(REC " addresses=", MAX_ADDRESSES + 1, false);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), -1);
	line = viewpoints_line(REC " addresses=10.0.0.1", " at=tag:t", "/a:1", MAX_VIEWPOINTS);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), 0);
	line = viewpoints_line(REC " addresses=10.0.0.1", " at=tag:t", "/a:1", MAX_VIEWPOINTS + 1);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), -1);
	line = viewpoints_line(NODE " mtu=1420 from=tag:a", ",tag:t", "", MAX_VIEWS - 1);
	assert_int_equal(node_decode(cat(line, " addresses=10.0.0.1/8"), strlen(line) + 21, &arena,
				     &n, &e),
			 0);
	line = viewpoints_line(NODE " mtu=1420 from=tag:a", ",tag:t", "", MAX_VIEWS);
	assert_int_equal(node_decode(cat(line, " addresses=10.0.0.1/8"), strlen(line) + 21, &arena,
				     &n, &e),
			 -1);
	line = list_line(CLIENT " dns=", MAX_DNS, false);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), 0);
	line = list_line(CLIENT " dns=", MAX_DNS + 1, false);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), -1);
	line = list_line(CLIENT " allowed_ips=", MAX_ROUTES, true);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), 0);
	line = list_line(CLIENT " allowed_ips=", MAX_ROUTES + 1, true);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), -1);
	line = list_line(REC " addresses=10.0.0.1 routes=", MAX_ROUTES, true);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), 0);
	line = list_line(REC " addresses=10.0.0.1 routes=", MAX_ROUTES + 1, true);
	assert_int_equal(record_decode(line, strlen(line), &arena, &r, &e), -1);
	buf_init(&b, 2 * MAX_LINE);
	buf_adds(&b, NODE " mtu=1420 addresses=10.20.0.1/16");
	for (i = 0; i < MAX_LINKS; i++)
		buf_addf(&b, " direct=n%05zu", i);
	assert_int_equal(node_decode(b.data, b.len, &arena, &n, &e), 0);
	assert_int_equal(n.n_links, MAX_LINKS);
	buf_adds(&b, " direct=z");
	assert_int_equal(node_decode(b.data, b.len, &arena, &n, &e), -1);
	buf_release(&b);
}

/* ---- Pages and indexes ---- */

static const char *page_reason(enum table t, const char *network, const char *data, size_t len)
{
	struct network_builder *b = network_builder_new(&arena, network);
	struct network n;
	struct err e = { 0 };

	assert_non_null(b);
	if (network_builder_add_page(b, t, data, len, &e) == 0 &&
	    network_builder_finish(b, &n, &e) == 0)
		return "";
	return e.reason ? e.reason : "(none)";
}

static void test_pages(void **state)
{
	static const char head[] = "meshrc gone 1\nnetwork prod\n";
	static const struct {
		const char *what;
		enum table t;
		const char *text, *reason;
	} rows[] = {
		{ "gone", TABLE_GONE,
		  "meshrc gone 1\nnetwork prod\ngone a serial=1\ngone b serial=2\n", "" },
		{ "no line", TABLE_GONE, "meshrc gone 1\nnetwork prod\n", "BAD-FIELD" },
		{ "another version", TABLE_GONE, "meshrc gone 2\nnetwork prod\ngone a serial=1\n",
		  "BAD-FIELD" },
		{ "another table", TABLE_FREED, "meshrc gone 1\nnetwork prod\ngone a serial=1\n",
		  "BAD-FIELD" },
		{ "another network", TABLE_GONE, "meshrc gone 1\nnetwork test\ngone a serial=1\n",
		  "WRONG-NETWORK" },
		{ "out of order", TABLE_GONE,
		  "meshrc gone 1\nnetwork prod\ngone b serial=1\ngone a serial=2\n", "BAD-FIELD" },
		{ "twice", TABLE_GONE,
		  "meshrc gone 1\nnetwork prod\ngone a serial=1\ngone a serial=2\n", "BAD-FIELD" },
		{ "serial 0", TABLE_GONE, "meshrc gone 1\nnetwork prod\ngone a serial=0\n",
		  "BAD-FIELD" },
		{ "no end", TABLE_GONE, "meshrc gone 1\nnetwork prod\ngone a serial=1",
		  "BAD-FIELD" },
		{ "trailing word", TABLE_GONE, "meshrc gone 1\nnetwork prod\ngone a serial=1 x\n",
		  "BAD-FIELD" },
		{ "trailing NUL", TABLE_GONE, "meshrc gone 1\nnetwork prod\ngone a serial=1\n\1",
		  "BAD-FIELD" },
		{ "members", TABLE_GROUPS,
		  "meshrc groups 1\nnetwork prod\nmember tag:a x\nmember tag:a y\nmember tag:b x\n",
		  "" },
		{ "a member twice", TABLE_GROUPS,
		  "meshrc groups 1\nnetwork prod\nmember tag:a x\nmember tag:a x\n", "BAD-FIELD" },
		{ "a group called all", TABLE_GROUPS,
		  "meshrc groups 1\nnetwork prod\nmember all x\n", "BAD-FIELD" },
		{ "a group with a node's name", TABLE_GROUPS,
		  "meshrc groups 1\nnetwork prod\nmember fra1 x\n", "BAD-FIELD" },
		{ "freed", TABLE_FREED,
		  "meshrc freed 1\nnetwork prod\nfreed 10.0.0.9 serial=3 node=a key=" KEY1 "\n"
		  "freed 10.0.0.10 serial=3 node=a key=" KEY1
		  "\nfreed fd20::1 serial=3 node=a key=" KEY1 "\n",
		  "" },
		{ "freed by text", TABLE_FREED,
		  "meshrc freed 1\nnetwork prod\nfreed 10.0.0.10 serial=3 node=a key=" KEY1 "\n"
		  "freed 10.0.0.9 serial=3 node=a key=" KEY1 "\n",
		  "BAD-FIELD" },
		{ "freed, second spelling", TABLE_FREED,
		  "meshrc freed 1\nnetwork prod\nfreed fd20:0::1 serial=3 node=a key=" KEY1 "\n",
		  "BAD-FIELD" },
		{ "empty", TABLE_GONE, "", "BAD-FIELD" },
	};
	struct network_builder *nb;
	struct network n;
	struct buf b;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *reason =
			page_reason(rows[i].t, "prod", rows[i].text, strlen(rows[i].text));

		if (strcmp(reason, rows[i].reason) != 0)
			fail_msg("%s: '%s'", rows[i].what, reason);
	}
	/* Across pages: the same entry in two, and pages in any order. */
	nb = network_builder_new(&arena, "prod");
	assert_int_equal(
		network_builder_add_page(nb, TABLE_GONE,
					 S("meshrc gone 1\nnetwork prod\ngone b serial=1\n"), &e),
		0);
	assert_int_equal(
		network_builder_add_page(nb, TABLE_GONE,
					 S("meshrc gone 1\nnetwork prod\ngone a serial=1\n"), &e),
		0);
	assert_int_equal(network_builder_finish(nb, &n, &e), 0);
	assert_string_equal(n.gone[0].name, "a");
	assert_int_equal(network_gone(&n, "b")->serial, 1);
	assert_null(network_gone(&n, "c"));
	assert_int_equal(
		network_builder_add_page(nb, TABLE_GONE,
					 S("meshrc gone 1\nnetwork prod\ngone a serial=2\n"), &e),
		0);
	assert_int_equal(network_builder_finish(nb, &n, &e), -1);
	assert_string_equal(e.reason, "BAD-FIELD");
	/* A line twice in one page is seen at once. */
	nb = network_builder_new(&arena, "prod");
	assert_int_equal(
		network_builder_add_page(
			nb, TABLE_GONE,
			S("meshrc gone 1\nnetwork prod\ngone a serial=1\ngone a serial=1\n"), &e),
		-1);
	/* A page at its limit of lines and one over. */
	buf_init(&b, 1 << 20);
	buf_adds(&b, head);
	for (i = 0; i < MAX_PAGE_ENTRIES; i++)
		buf_addf(&b, "gone n%04zu serial=1\n", i);
	assert_string_equal(page_reason(TABLE_GONE, "prod", b.data, b.len), "");
	buf_addf(&b, "gone z serial=1\n");
	assert_string_equal(page_reason(TABLE_GONE, "prod", b.data, b.len), "BAD-FIELD");
	buf_release(&b);
	/* Bytes one over. */
	{
		char *big = arena_alloc(&arena, MAX_PAGE + 1);

		memset(big, '\n', MAX_PAGE + 1);
		memcpy(big, head, sizeof(head) - 1);
		assert_string_equal(page_reason(TABLE_GONE, "prod", big, MAX_PAGE + 1),
				    "BAD-FIELD");
	}
	/* A line at its limit fails for what it holds, one over for its length. */
	buf_init(&b, MAX_PAGE);
	buf_adds(&b, head);
	for (i = 0; i <= MAX_LINE; i++)
		buf_addc(&b, 'a');
	buf_addc(&b, '\n');
	nb = network_builder_new(&arena, "prod");
	assert_int_equal(network_builder_add_page(nb, TABLE_GONE, b.data, b.len, &e), -1);
	assert_non_null(strstr(e.msg, "line 3: longer than"));
	buf_release(&b);
}

#define HASH0 "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
#define INDEX "meshrc index 1\nnetwork prod\ntable groups\n"

static void test_index(void **state)
{
	static const struct {
		const char *what, *text;
		bool ok;
	} rows[] = {
		{ "one page", INDEX "page 10 " HASH0 " tag:a x\n", true },
		{ "two", INDEX "page 10 " HASH0 " a\npage 10 " HASH0 " b\n", true },
		{ "none", INDEX, false },
		{ "out of order", INDEX "page 10 " HASH0 " b\npage 10 " HASH0 " a\n", false },
		{ "the same key", INDEX "page 10 " HASH0 " a\npage 10 " HASH0 " a\n", false },
		{ "length 0", INDEX "page 0 " HASH0 " a\n", false },
		{ "length at the limit", INDEX "page 4194304 " HASH0 " a\n", true },
		{ "length one over", INDEX "page 4194305 " HASH0 " a\n", false },
		{ "no key", INDEX "page 10 " HASH0 "\n", false },
		{ "empty key", INDEX "page 10 " HASH0 " \n", false },
		{ "short hash", INDEX "page 10 0e57 a\n", false },
		{ "another table",
		  "meshrc index 1\nnetwork prod\ntable nodes\npage 10 " HASH0 " a\n", false },
		{ "another network",
		  "meshrc index 1\nnetwork test\ntable groups\npage 10 " HASH0 " a\n", false },
		{ "another version",
		  "meshrc index 2\nnetwork prod\ntable groups\npage 10 " HASH0 " a\n", false },
		{ "DEL in a key", INDEX "page 10 " HASH0 " a\x7f\n", false },
		{ "a blank in a key", INDEX "page 10 " HASH0 " a b\n", true },
		{ "a URL", INDEX "url http://192.0.2.1/\n", false },
	};
	struct index ix;
	struct err e;
	size_t i, first;
	char *big;
	struct buf b;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		ROW_CHECK((index_decode(rows[i].text, strlen(rows[i].text), "prod", TABLE_GROUPS,
					&arena, &ix, &e) == 0) == rows[i].ok,
			  i);
	/* Which pages can hold a key, or all members of a group. */
	{
		static const char text[] =
			INDEX "page 1 " HASH0 " tag:a n1\npage 1 " HASH0 " tag:b n5\npage 1 " HASH0
			      " tag:b n7\npage 1 " HASH0 " tag:bb n1\npage 1 " HASH0 " tag:c n1\n";

		assert_int_equal(index_decode(S(text), "prod", TABLE_GROUPS, &arena, &ix, &e), 0);
		assert_int_equal(index_find(&ix, "tag:b", &first),
				 3); /* the end of page 0 may hold "tag:b n1" */
		assert_int_equal(first, 0);
		assert_int_equal(index_find(&ix, "tag:a", &first), 1);
		assert_int_equal(first, 0);
		assert_int_equal(index_find(&ix, "tag:c", &first), 2);
		assert_int_equal(first, 3);
		assert_int_equal(index_find(&ix, "tag:z", &first), 1);
		assert_int_equal(first, 4);
		assert_int_equal(index_find(&ix, "tag:b n6", &first), 1);
		assert_int_equal(first, 1);
		assert_int_equal(index_find(&ix, "tag:0", &first), 0);
		assert_int_equal(index_find(&ix, "tag:b n5", &first),
				 1); /* a page's own first key */
		assert_int_equal(first, 1);
	}
	big = arena_alloc(&arena, MAX_INDEX + 1);
	memset(big, 'a', MAX_INDEX + 1);
	assert_int_equal(index_decode(big, MAX_INDEX + 1, "prod", TABLE_GROUPS, &arena, &ix, &e),
			 -1);
	/* Pages one over need more bytes than an index may have: the limit of bytes comes first. */
	buf_init(&b, 64u << 20);
	buf_adds(&b, INDEX);
	for (i = 0; i <= MAX_PAGES; i++)
		buf_addf(&b, "page 1 " HASH0 " n%06zu\n", i);
	assert_int_equal(index_decode(b.data, b.len, "prod", TABLE_GROUPS, &arena, &ix, &e), -1);
	buf_release(&b);
}

/* ---- Random networks ---- */

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	/* xorshift64*: the same numbers on every machine. */
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (uint32_t)((rng_state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static struct wgkey key_of(uint32_t n)
{
	struct wgkey k;

	digest_of(&n, sizeof(n), (struct digest *)&k);
	return k;
}

static const char *name_of(uint32_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "n%05u", n);
	return arena_strdup(&arena, text);
}

static struct ipaddr addr_of(uint32_t n, bool six)
{
	struct ipaddr a = { .family = six ? 6 : 4 };

	a.b[0] = six ? 0xfd : 10;
	a.b[six ? 13 : 1] = (uint8_t)(n >> 16);
	a.b[six ? 14 : 2] = (uint8_t)(n >> 8);
	a.b[six ? 15 : 3] = (uint8_t)n;
	return a;
}

/* Nodes numbered by `numbers` (ascending), in `groups` groups; each number always gives the same
 * record. */
static struct network make_network(const uint32_t *numbers, size_t n, unsigned int groups)
{
	struct record *records = arena_array(&arena, n, sizeof(*records));
	struct node *nodes = arena_array(&arena, n, sizeof(*nodes));
	struct group *group_list = arena_array(&arena, groups, sizeof(*group_list));
	struct network net = {
		.name = "prod", .records = records, .n_records = n, .nodes = nodes, .n_nodes = n
	};
	size_t i, j, used = 0;
	unsigned int g;
	char text[32];

	for (i = 0; i < n; i++) {
		uint32_t id = numbers[i];
		struct ipaddr *addresses = arena_array(&arena, 2, sizeof(*addresses));
		struct ifaddr *ifaddrs = arena_array(&arena, 2, sizeof(*ifaddrs));
		struct prefix *routes = arena_array(&arena, 2, sizeof(*routes));
		struct link *links = arena_array(&arena, 8, sizeof(*links));
		struct seen *seen = arena_array(&arena, 2, sizeof(*seen));
		static const char *const from[] = { "tag:g0", "tag:g1" };
		struct record *r = &records[i];
		struct node *d = &nodes[i];

		rng_state = id + 1;
		seen[0] = (struct seen){ "tag:g0",
					 { "lan.example.net", (uint16_t)(1 + id % 65535) } };
		seen[1] = (struct seen){ "tag:g1", { "192.168.1.1", 51820 } };
		r->seen = seen;
		r->n_seen = rng(3);
		d->from = from;
		d->n_from = rng(3);
		r->name = d->name = name_of(id);
		r->key = d->key = key_of(id);
		addresses[0] = addr_of(id, false);
		addresses[1] = addr_of(id, true);
		r->addresses = addresses;
		r->n_addresses = 1 + rng(2);
		if (rng(3) == 0) {
			routes[0] =
				(struct prefix){ .family = 4,
						 .len = 24,
						 .b = { 172, (uint8_t)(id >> 8), (uint8_t)id } };
			r->routes = routes;
			r->n_routes = 1;
		} else if (rng(3) == 0) {
			struct standby *standby = arena_alloc(&arena, sizeof(*standby));

			standby->prefix =
				(struct prefix){ .family = 4, .len = 16, .b = { 10, (uint8_t)id } };
			standby->metric = (uint16_t)(1 + rng(MAX_METRIC));
			r->standby = standby;
			r->n_standby = 1;
		}
		if (rng(2)) {
			const char *why;

			snprintf(text, sizeof(text), "h%u.example.net:%u", id, 1 + rng(65535));
			assert_int_equal(endpoint_parse(text, strlen(text), false, &arena,
							&r->endpoint, &why),
					 0);
		}
		assert_int_equal(ifname_parse("prod", 4, &d->interface), 0);
		d->mtu = (uint16_t)(1280 + rng(200));
		if (rng(2)) {
			d->flags |= NODE_HAS_LISTEN_PORT;
			d->listen_port = (uint16_t)(1 + rng(65535));
		}
		if (rng(2)) {
			d->flags |= NODE_HAS_KEEPALIVE;
			d->keepalive = (uint16_t)(1 + rng(65535));
		}
		if (rng(4) == 0) {
			d->flags |= NODE_HAS_FWMARK;
			d->fwmark = 1 + rng(1000000);
		}
		if (rng(4) == 0)
			d->flags |= NODE_FORWARD;
		if (d->flags & NODE_FORWARD && r->n_routes) {
			d->masquerade = r->routes;
			d->n_masquerade = rng(2) ? r->n_routes : 0;
		}
		for (j = 0; j < r->n_addresses; j++)
			ifaddrs[j] =
				(struct ifaddr){ addresses[j], addresses[j].family == 4 ? 8 : 64 };
		d->addresses = ifaddrs;
		d->n_addresses = r->n_addresses;
		for (g = 0; g < groups; g++) {
			snprintf(text, sizeof(text), "tag:g%u", g);
			links[d->n_links++] = (struct link){ .kind = LINK_DIRECT,
							     .target = arena_strdup(&arena, text) };
		}
		if (groups && rng(3) == 0)
			links[d->n_links++] = (struct link){ .kind = LINK_ALIVE,
							     .target = "tag:g0",
							     .seconds = (uint16_t)rng(65536) };
		d->links = links;
	}
	for (g = 0; g < groups; g++) {
		const char **members = arena_array(&arena, n, sizeof(*members));
		struct group *gr = &group_list[used];

		snprintf(text, sizeof(text), "tag:g%u", g);
		gr->name = arena_strdup(&arena, text);
		gr->n_members = 0;
		for (i = 0; i < n; i++)
			if ((numbers[i] * 2654435761u >> (8 + g)) % 3 == 0)
				members[gr->n_members++] = records[i].name;
		gr->members = members;
		if (gr->n_members)
			used++;
	}
	net.groups = group_list;
	net.n_groups = used;
	if (n > 3) {
		struct gone *gone = arena_array(&arena, 2, sizeof(*gone));
		struct freed *freed = arena_array(&arena, 2, sizeof(*freed));

		gone[0] = (struct gone){ "a", 1 };
		gone[1] = (struct gone){ "b", UINT64_MAX };
		freed[0] = (struct freed){ addr_of(1, false), 1, "a", key_of(1) };
		freed[1] = (struct freed){ addr_of(1, true), 7, "b", key_of(2) };
		net.gone = gone;
		net.n_gone = 2;
		net.freed = freed;
		net.n_freed = 2;
	}
	return net;
}

static const struct document *find_document(const struct document *docs, size_t n, const char *kind,
					    const struct digest *hash)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(docs[i].kind, kind) && !digest_cmp(&docs[i].hash, hash))
			return &docs[i];
	return NULL;
}

/* As an agent does it: from the index references alone, each document checked against its hash. */
static struct network decode_all(const struct document *docs, size_t n_docs,
				 const struct document_ref refs[])
{
	struct network_builder *b = network_builder_new(&arena, "prod");
	struct network n;
	struct err e = { 0 };
	size_t seen = 0, i;
	unsigned int t;

	for (t = 0; t < N_TABLES; t++) {
		const struct document *d;
		struct index ix;

		if (!refs[t].len)
			continue;
		d = find_document(docs, n_docs, "index", &refs[t].hash);
		assert_non_null(d);
		assert_int_equal(verify_document(&refs[t], d->data, d->len, &e), 0);
		assert_int_equal(index_decode(d->data, d->len, "prod", (enum table)t, &arena, &ix,
					      &e),
				 0);
		seen++;
		for (i = 0; i < ix.n; i++) {
			d = find_document(docs, n_docs, table_name((enum table)t),
					  &ix.entries[i].page.hash);
			assert_non_null(d);
			assert_int_equal(verify_document(&ix.entries[i].page, d->data, d->len, &e),
					 0);
			if (network_builder_add_page(b, (enum table)t, d->data, d->len, &e) < 0)
				fail_msg("%s", e.msg);
			seen++;
		}
	}
	assert_int_equal(seen, n_docs);
	assert_int_equal(network_builder_finish(b, &n, &e), 0);
	return n;
}

static void test_random_networks(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 10, 64, 65, 300, 1500 };
	size_t s, i, j, k;

	for (s = 0; s < ARRAY_LEN(sizes); s++) {
		uint32_t *numbers = arena_array(&arena, sizes[s], sizeof(*numbers));
		struct document_ref refs[N_TABLES], refs2[N_TABLES];
		struct document *docs, *docs2;
		size_t n_docs, n_docs2;
		struct network n, m;
		struct err e;

		for (i = 0; i < sizes[s]; i++)
			numbers[i] = (uint32_t)(i * 7 + s);
		n = make_network(numbers, sizes[s], 3);
		assert_int_equal(network_encode(&n, &arena, &docs, &n_docs, refs, &e), 0);
		for (i = 1; i < n_docs; i++) {
			int c = strcmp(docs[i - 1].kind, docs[i].kind);

			assert_true(c < 0 ||
				    (!c && digest_cmp(&docs[i - 1].hash, &docs[i].hash) < 0));
		}
		m = decode_all(docs, n_docs, refs);
		assert_int_equal(m.n_records, n.n_records);
		assert_int_equal(m.n_nodes, n.n_nodes);
		assert_int_equal(m.n_groups, n.n_groups);
		for (i = 0; i < n.n_records; i++) {
			assert_true(record_equal(&n.records[i], &m.records[i]));
			assert_true(node_equal(&n.nodes[i], &m.nodes[i]));
			assert_ptr_equal(network_record(&m, n.records[i].name), &m.records[i]);
			assert_ptr_equal(network_node(&m, n.records[i].name), &m.nodes[i]);
		}
		for (i = 0; i < n.n_groups; i++) {
			assert_string_equal(n.groups[i].name, m.groups[i].name);
			assert_int_equal(n.groups[i].n_members, m.groups[i].n_members);
			for (j = 0; j < n.groups[i].n_members; j++)
				assert_string_equal(n.groups[i].members[j], m.groups[i].members[j]);
			assert_true(group_has(&m.groups[i], n.groups[i].members[0]));
			assert_false(group_has(&m.groups[i], "zz"));
		}
		assert_int_equal(m.n_freed, n.n_freed);
		assert_int_equal(m.n_gone, n.n_gone);
		for (i = 0; i < n.n_freed; i++) {
			assert_int_equal(ipaddr_cmp(&n.freed[i].address, &m.freed[i].address), 0);
			assert_int_equal(n.freed[i].serial, m.freed[i].serial);
			assert_string_equal(n.freed[i].node, m.freed[i].node);
			assert_int_equal(n.gone[i].serial, m.gone[i].serial);
		}
		assert_int_equal(network_encode(&m, &arena, &docs2, &n_docs2, refs2, &e), 0);
		assert_int_equal(n_docs, n_docs2);
		for (i = 0; i < n_docs; i++)
			assert_int_equal(digest_cmp(&docs[i].hash, &docs2[i].hash), 0);
		for (k = 0; k < N_TABLES; k++)
			assert_int_equal(refs[k].len, refs2[k].len);
		arena_release(&arena);
	}
}

/* What the second set has that the first has not, by kind. */
static size_t count_new(const struct document *a, size_t na, const struct document *b, size_t nb,
			const char *kind)
{
	size_t i, n = 0;

	for (i = 0; i < nb; i++)
		n += !strcmp(b[i].kind, kind) && !find_document(a, na, kind, &b[i].hash);
	return n;
}

static void test_page_locality(void **state)
{
	enum { N = 3000, TRIES = 60 };
	uint32_t numbers[N + 1];
	struct document_ref refs[N_TABLES];
	struct document *before, *after;
	size_t n_before, n_after, try, i;
	struct network n;
	struct err e;

	for (i = 0; i < N; i++)
		numbers[i] = (uint32_t)i * 2;
	n = make_network(numbers, N, 0);
	assert_int_equal(network_encode(&n, &arena, &before, &n_before, refs, &e), 0);
	/* 64 lines a page on average. */
	assert_true(n_before > 2 * N / 64 / 2 && n_before < 2 * N / 64 * 2);
	for (try = 0; try < TRIES; try++) {
		/* At the beginning, at the end, and in between. */
		uint32_t at = try == 0 ? 0 : try == 1 ? N : (uint32_t)(try * 7919 % N);
		struct record *records;

		/* One more. */
		for (i = N; i > at; i--)
			numbers[i] = numbers[i - 1];
		numbers[at] = at ? numbers[at - 1] + 1 : 1;
		if (!at) {
			/* Before all others: no even number is free there. */
			for (i = 1; i <= N; i++)
				numbers[i] += 2;
			numbers[0] = 0;
			for (i = 1; i <= N; i++)
				numbers[i] -= 2;
			numbers[0] = 0;
			numbers[1] = 1;
		}
		n = make_network(numbers, N + 1, 0);
		assert_int_equal(network_encode(&n, &arena, &after, &n_after, refs, &e), 0);
		assert_true(count_new(before, n_before, after, n_after, "records") <= 2);
		assert_true(count_new(before, n_before, after, n_after, "nodes") <= 2);
		assert_int_equal(count_new(before, n_before, after, n_after, "index"), 2);
		assert_true(count_new(after, n_after, before, n_before, "records") <= 2);
		for (i = 0; i < N; i++)
			numbers[i] = (uint32_t)i * 2;

		/* One changed: one page of records, none of nodes. */
		n = make_network(numbers, N, 0);
		records = arena_array(&arena, N, sizeof(*records));
		memcpy(records, n.records, N * sizeof(*records));
		records[at % N].endpoint =
			(struct endpoint){ .host = "changed.example.net", .port = 1 };
		n.records = records;
		assert_int_equal(network_encode(&n, &arena, &after, &n_after, refs, &e), 0);
		assert_int_equal(count_new(before, n_before, after, n_after, "records"), 1);
		assert_int_equal(count_new(before, n_before, after, n_after, "nodes"), 0);
		assert_int_equal(count_new(before, n_before, after, n_after, "index"), 1);
	}
}

static void test_encode_limits(void **state)
{
	struct document_ref refs[N_TABLES];
	struct link *links = arena_array(&arena, MAX_LINKS, sizeof(*links));
	struct node node = { .name = "fra1", .interface = { "prod" }, .mtu = 1420 };
	struct network n = { .name = "prod", .nodes = &node, .n_nodes = 1 };
	struct ifaddr address = { addr_of(1, false), 8 };
	struct document *docs;
	size_t n_docs, i;
	struct err e = { 0 };
	char text[64];

	node.addresses = &address;
	node.n_addresses = 1;
	node.links = links;
	node.n_links = MAX_LINKS;
	for (i = 0; i < MAX_LINKS; i++) {
		snprintf(text, sizeof(text), "n%056zu", i);
		links[i] =
			(struct link){ .kind = LINK_DIRECT, .target = arena_strdup(&arena, text) };
	}
	/* 16,384 links of 65 bytes are more than a line may have. */
	assert_int_equal(network_encode(&n, &arena, &docs, &n_docs, refs, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	node.n_links = 16000;
	assert_int_equal(network_encode(&n, &arena, &docs, &n_docs, refs, &e), 0);
	assert_int_equal(n_docs, 2);
}

static void test_document_path(void **state)
{
	char path[MAX_DOCUMENT_PATH], network[MAX_NAME + 1];
	struct digest d;

	digest_of("", 0, &d);
	assert_string_equal(document_path("prod", "records", &d, path), "prod/records/" HASH0);
	memset(network, 'a', MAX_NAME);
	network[MAX_NAME] = '\0';
	document_path(network, "records", &d, path);
	assert_int_equal(strlen(path), MAX_NAME + 1 + 7 + 1 + 64);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_golden),
		T(test_new_keys_differ),
		T(test_every_flip_is_refused),
		T(test_root_flips_are_refused),
		T(test_domain_swap),
		T(test_next_root),
		T(test_signature_lines),
		T(test_signed_manifests),
		T(test_floors),
		T(test_signed_limits),
		T(test_verify_document),
		T(test_record_lines),
		T(test_node_lines),
		T(test_line_limits),
		T(test_pages),
		T(test_index),
		T(test_random_networks),
		T(test_page_locality),
		T(test_encode_limits),
		T(test_document_path),
	};

	return cmocka_run_group_tests_name("publication", tests, NULL, NULL);
}
