/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of common/: numbers, names, addresses, endpoints, keys, hashes, times, text. One table
 * per parser. */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "common/endpoint.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/name.h"
#include "common/num.h"
#include "common/prefix.h"
#include "common/secret.h"
#include "common/text.h"
#include "common/timefmt.h"

#define S(literal) (literal), sizeof(literal) - 1

static void repeat(char *out, char c, size_t n)
{
	memset(out, c, n);
	out[n] = '\0';
}

static void test_num(void **state)
{
	static const struct {
		const char *what, *s;
		size_t len;
		uint64_t max;
		int r;
		uint64_t v;
	} rows[] = {
		{ "zero", S("0"), 10, 0, 0 },
		{ "the maximum", S("65535"), 65535, 0, 65535 },
		{ "one over the maximum", S("65536"), 65535, -1, 0 },
		{ "a maximum of 0", S("0"), 0, 0, 0 },
		{ "one over a maximum of 0", S("1"), 0, -1, 0 },
		{ "a maximum below ten", S("8"), 7, -1, 0 },
		{ "two digits over a maximum below ten", S("10"), 7, -1, 0 },
		{ "UINT64_MAX", S("18446744073709551615"), UINT64_MAX, 0, UINT64_MAX },
		{ "UINT64_MAX + 1", S("18446744073709551616"), UINT64_MAX, -1, 0 },
		{ "wraps many times", S("99999999999999999999999999"), UINT64_MAX, -1, 0 },
		{ "empty", S(""), 10, -1, 0 },
		{ "leading zero", S("010"), 100, -1, 0 },
		{ "two zeros", S("00"), 100, -1, 0 },
		{ "plus", S("+5"), 10, -1, 0 },
		{ "minus", S("-5"), 10, -1, 0 },
		{ "strtoul takes this for 1", S("-18446744073709551615"), 10, -1, 0 },
		{ "blank before", S(" 5"), 10, -1, 0 },
		{ "blank after", S("5 "), 10, -1, 0 },
		{ "newline", S("5\n"), 10, -1, 0 },
		{ "NUL inside", S("5\0"), 10, -1, 0 },
		{ "hex", S("0x10"), 100, -1, 0 },
		{ "letters", S("5x"), 100, -1, 0 },
		{ "underscore", S("1_0"), 100, -1, 0 },
		{ "an Arabic digit", S("\xd9\xa5"), 100, -1, 0 },
		{ "a fraction", S("1.0"), 100, -1, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 4711;

		ROW_CHECK(num_parse(rows[i].s, rows[i].len, rows[i].max, &v) == rows[i].r, i);
		ROW_CHECK(v == (rows[i].r ? 4711 : rows[i].v), i);
	}
}

static void test_name(void **state)
{
	static const struct {
		const char *what, *s;
		size_t len;
		bool ok;
	} rows[] = {
		{ "letters", S("fra"), true },
		{ "digits", S("1"), true },
		{ "all characters", S("a0.b-c"), true },
		{ "ends with a dash", S("a-"), true },
		{ "empty", S(""), false },
		{ "starts with a dash", S("-a"), false },
		{ "starts with a dot", S(".a"), false },
		{ "a dot", S("."), false },
		{ "two dots", S(".."), false },
		{ "upper case", S("Fra"), false },
		{ "underscore", S("a_b"), false },
		{ "slash", S("a/b"), false },
		{ "a path upwards", S("../../etc/x"), false },
		{ "colon: a selector", S("tag:x"), false },
		{ "exclamation mark: a made-up group", S("all!a"), false },
		{ "blank", S("a b"), false },
		{ "newline at the end", S("a\n"), false },
		{ "NUL inside", S("a\0b"), false },
		{ "umlaut", S("m\xc3\xbcnchen"), false },
		{ "escape", S("a\033[31m"), false },
	};
	char longest[66];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		ROW_CHECK(name_is_valid(rows[i].s, rows[i].len) == rows[i].ok, i);
	repeat(longest, 'a', MAX_NAME);
	assert_true(name_is_valid(longest, MAX_NAME));
	repeat(longest, 'a', MAX_NAME + 1);
	assert_false(name_is_valid(longest, MAX_NAME + 1));
}

static void test_ifname(void **state)
{
	static const struct {
		const char *what, *s;
		size_t len;
		bool ok;
	} rows[] = {
		{ "usual", S("wg0"), true },
		{ "15 bytes", S("abcdefghijklmno"), true },
		{ "16 bytes", S("abcdefghijklmnop"), false },
		{ "wg-quick's characters", S("aZ09_=+.-"), true },
		{ "empty", S(""), false },
		{ "would be an option of a program", S("-wg0"), false },
		{ "a dot", S("."), false },
		{ "two dots", S(".."), false },
		{ "three dots", S("..."), true },
		{ "slash", S("a/b"), false },
		{ "colon", S("a:b"), false },
		{ "blank", S("a b"), false },
		{ "newline", S("wg0\n"), false },
		{ "NUL inside", S("wg\0"), false },
		{ "percent: the kernel would number it", S("wg%d"), false },
		{ "the loopback", S("lo"), false },
		{ "every interface's settings", S("all"), false },
		{ "settings of those to come", S("default"), false },
		{ "begins like the loopback", S("lo0"), true },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct ifname n = { "old" };

		ROW_CHECK((ifname_parse(rows[i].s, rows[i].len, &n) == 0) == rows[i].ok, i);
		ROW_CHECK(!strcmp(n.s, rows[i].ok ? rows[i].s : "old"), i);
	}
}

static void test_ipaddr(void **state)
{
	/* `out` NULL: refused. */
	static const struct {
		const char *what, *s, *out;
	} rows[] = {
		{ "IPv4", "10.20.0.1", "10.20.0.1" },
		{ "the lowest", "0.0.0.0", "0.0.0.0" },
		{ "the highest", "255.255.255.255", "255.255.255.255" },
		{ "an octet one over", "10.20.0.256", NULL },
		{ "leading zero", "10.20.0.01", NULL },
		{ "three octets", "10.20.1", NULL },
		{ "five octets", "10.20.0.0.1", NULL },
		{ "one number", "167772161", NULL },
		{ "hex", "0x0a.0.0.1", NULL },
		{ "blank", " 10.0.0.1", NULL },
		{ "newline", "10.0.0.1\n", NULL },
		{ "empty", "", NULL },
		{ "IPv6", "fd20:0:0:1::1", "fd20:0:0:1::1" },
		{ "long IPv6", "fd20:0000:0000:0001:0000:0000:0000:0001", "fd20:0:0:1::1" },
		{ "upper case IPv6", "FD20::ABCD", "fd20::abcd" },
		{ "loopback", "0:0:0:0:0:0:0:1", "::1" },
		{ "unspecified", "::", "::" },
		{ "RFC 5952 4.2.2: one zero group is not shortened", "2001:db8:0:1:1:1:1:1",
		  "2001:db8:0:1:1:1:1:1" },
		{ "RFC 5952 4.2.3: the longest run", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "RFC 5952 4.2.3: the first of two", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "IPv4-mapped", "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "a zone", "fe80::1%eth0", NULL },
		{ "two runs", "1::2::3", NULL },
		{ "nine groups", "1:2:3:4:5:6:7:8:9", NULL },
		{ "a group one over", "10000::1", NULL },
		{ "brackets", "[::1]", NULL },
		{ "a name", "localhost", NULL },
	};
	char out[IPADDR_STRLEN], longest[64];
	struct ipaddr a, again;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		memset(&a, 0xee, sizeof(a));
		if (!rows[i].out) {
			ROW_CHECK(ipaddr_parse(rows[i].s, strlen(rows[i].s), &a) == -1, i);
			ROW_CHECK(a.family == 0xee, i);
			continue;
		}
		ROW_CHECK(ipaddr_parse(rows[i].s, strlen(rows[i].s), &a) == 0, i);
		ROW_CHECK(!strcmp(ipaddr_print(&a, out), rows[i].out), i);
		ROW_CHECK(ipaddr_parse(out, strlen(out), &again) == 0 && !ipaddr_cmp(&a, &again),
			  i);
		ROW_CHECK(!memcmp(&a, &again, sizeof(a)), i);
	}
	assert_int_equal(ipaddr_parse("10.0.0.1\0x", 10, &a), -1);
	repeat(longest, '1', IPADDR_STRLEN);
	assert_int_equal(ipaddr_parse(longest, IPADDR_STRLEN, &a), -1);
}

static void test_prefix(void **state)
{
	static const struct {
		const char *what, *s, *out;
		bool host_bits;
	} rows[] = {
		{ "IPv4", "10.20.0.0/16", "10.20.0.0/16", false },
		{ "everything", "0.0.0.0/0", "0.0.0.0/0", false },
		{ "one address", "10.0.0.1/32", "10.0.0.1/32", false },
		{ "host bits", "10.20.0.1/16", "10.20.0.0/16", true },
		{ "host bits within a byte", "10.255.0.0/9", "10.128.0.0/9", true },
		{ "one over 32", "10.0.0.0/33", NULL, false },
		{ "no length", "10.0.0.0", NULL, false },
		{ "empty length", "10.0.0.0/", NULL, false },
		{ "leading zero", "10.0.0.0/08", NULL, false },
		{ "sign", "10.0.0.0/+8", NULL, false },
		{ "a mask", "10.0.0.0/255.0.0.0", NULL, false },
		{ "two lengths", "10.0.0.0/8/8", NULL, false },
		{ "IPv6", "fd20:0:0:1::/64", "fd20:0:0:1::/64", false },
		{ "everything", "::/0", "::/0", false },
		{ "one address", "::1/128", "::1/128", false },
		{ "host bits", "fd20::1/127", "fd20::/127", true },
		{ "one over 128", "::/129", NULL, false },
		{ "far over", "::/256", NULL, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		char out[PREFIX_STRLEN];
		struct prefix p;
		struct ifaddr a;
		bool host_bits = !rows[i].host_bits;
		int r = prefix_parse(rows[i].s, strlen(rows[i].s), &p, &host_bits);

		ROW_CHECK(r == (rows[i].out ? 0 : -1), i);
		ROW_CHECK(ifaddr_parse(rows[i].s, strlen(rows[i].s), &a) == r, i);
		if (r)
			continue;
		ROW_CHECK(host_bits == rows[i].host_bits, i);
		ROW_CHECK(!strcmp(prefix_print(&p, out), rows[i].out), i);
		ROW_CHECK(!strcmp(ifaddr_print(&a, out), rows[i].s), i);
	}
}

static struct prefix P(const char *s) {
	struct prefix p;
	bool host_bits;

	assert_int_equal(prefix_parse(s, strlen(s), &p, &host_bits), 0);
	return p;
}

static void
test_prefix_relations(void **state)
{
	static const struct {
		const char *what, *a, *b;
		bool contains, contained;
	} rows[] = {
		{ "equal", "10.0.0.0/8", "10.0.0.0/8", true, true },
		{ "wider", "10.0.0.0/8", "10.1.0.0/16", true, false },
		{ "wider, the same bytes", "10.0.0.0/8", "10.0.0.0/16", true, false },
		{ "within a byte", "10.128.0.0/9", "10.192.0.0/10", true, false },
		{ "beside, within a byte", "10.0.0.0/9", "10.192.0.0/10", false, false },
		{ "beside", "10.0.0.0/24", "10.0.1.0/24", false, false },
		{ "all of IPv4", "0.0.0.0/0", "255.255.255.255/32", true, false },
		{ "all of IPv4 and IPv6", "0.0.0.0/0", "::/0", false, false },
		{ "IPv6", "fd00::/8", "fd20::1/128", true, false },
		{ "last bit", "::/127", "::1/128", true, false },
		{ "last bit, beside", "::2/127", "::1/128", false, false },
	};
	struct prefix list[8], empty[1];
	struct ipaddr ip;
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct prefix a = P(rows[i].a), b = P(rows[i].b);

		ROW_CHECK(prefix_contains(&a, &b) == rows[i].contains, i);
		ROW_CHECK(prefix_contains(&b, &a) == rows[i].contained, i);
		ROW_CHECK(prefix_overlaps(&a, &b) == (rows[i].contains || rows[i].contained), i);
		ROW_CHECK(prefix_overlaps(&b, &a) == (rows[i].contains || rows[i].contained), i);
		ROW_CHECK((prefix_cmp(&a, &b) == 0) == (rows[i].contains && rows[i].contained), i);
		ROW_CHECK(prefix_cmp(&a, &b) == 0 ||
				  (prefix_cmp(&a, &b) < 0) == (prefix_cmp(&b, &a) > 0),
			  i);
	}
	assert_int_equal(ipaddr_parse(S("10.1.2.3"), &ip), 0);
	list[0] = P("10.1.0.0/16");
	assert_true(prefix_contains_addr(&list[0], &ip));
	list[0] = prefix_of_addr(&ip);
	assert_true(prefix_contains_addr(&list[0], &ip));
	assert_int_equal(list[0].len, 32);

	list[0] = P("::/0");
	list[1] = P("10.1.0.0/16");
	list[2] = P("10.0.0.0/8");
	list[3] = P("10.0.0.0/8");
	list[4] = P("192.0.2.1/32");
	list[5] = P("fd00::/8");
	list[6] = P("9.0.0.0/8");
	n = prefix_canonical(list, 7);
	assert_int_equal(n, 4);
	{
		struct prefix want[] = { P("9.0.0.0/8"), P("10.0.0.0/8"), P("192.0.2.1/32"),
					 P("::/0") };

		for (i = 0; i < n; i++)
			assert_int_equal(prefix_cmp(&list[i], &want[i]), 0);
	}
	assert_int_equal(prefix_canonical(list, n), n);
	assert_int_equal(prefix_canonical(empty, 0), 0);
	assert_int_equal(family_bits(4), 32);
	assert_int_equal(family_bits(6), 128);
}

/* prefix_canonical against the definition, on all lists of up to 4 out of a set in which many cover
 * each other. */
static void test_prefix_canonical_all(void **state)
{
	static const char *const set[] = {
		"0.0.0.0/0",   "0.0.0.0/1", "128.0.0.0/1", "128.0.0.0/2",
		"192.0.0.0/2", "::/0",	    "8000::/1",	   "128.0.0.0/32"
	};
	size_t total = ARRAY_LEN(set), code, len;

	for (len = 0; len <= 4; len++) {
		size_t codes = 1, i, j;

		for (i = 0; i < len; i++)
			codes *= total;
		for (code = 0; code < codes; code++) {
			struct prefix in[4], out[4];
			size_t c = code, n;

			for (i = 0; i < len; i++, c /= total)
				in[i] = out[i] = P(set[c % total]);
			n = prefix_canonical(out, len);
			for (i = 1; i < n; i++)
				assert_true(prefix_cmp(&out[i - 1], &out[i]) < 0);
			for (i = 0; i < n; i++)
				for (j = 0; j < n; j++)
					assert_true(i == j || !prefix_contains(&out[i], &out[j]));
			for (i = 0; i < len; i++) {
				bool covered = false;

				for (j = 0; j < n; j++)
					covered = covered || prefix_contains(&out[j], &in[i]);
				assert_true(covered);
			}
			for (j = 0; j < n; j++) {
				bool given = false;

				for (i = 0; i < len; i++)
					given = given || !prefix_cmp(&out[j], &in[i]);
				assert_true(given);
			}
		}
	}
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *what, *s;
		bool port_optional;
		const char *out; /* NULL: refused */
	} rows[] = {
		{ "a name", "fra1.example.net:51820", false, "fra1.example.net:51820" },
		{ "upper case", "FRA1.Example.NET:51820", false, "fra1.example.net:51820" },
		{ "final dot", "fra1.example.net.:1", false, "fra1.example.net:1" },
		{ "one label", "localhost:65535", false, "localhost:65535" },
		{ "digits first", "4u.example.net:1", false, "4u.example.net:1" },
		{ "IPv4", "192.0.2.1:51820", false, "192.0.2.1:51820" },
		{ "IPv6", "[2001:DB8:0::1]:51820", false, "[2001:db8::1]:51820" },
		{ "no port", "fra1.example.net", true, "fra1.example.net:0" },
		{ "no port, brackets", "[2001:db8::1]", true, "[2001:db8::1]:0" },
		{ "no port, wanted", "fra1.example.net", false, NULL },
		{ "no port, brackets, wanted", "[::1]", false, NULL },
		{ "port 0", "a:0", false, NULL },
		{ "port one over", "a:65536", false, NULL },
		{ "port empty", "a:", true, NULL },
		{ "port with a sign", "a:+1", false, NULL },
		{ "port with a zero", "a:01", false, NULL },
		{ "port by name", "a:http", false, NULL },
		{ "two ports", "a:1:2", false, NULL },
		{ "bare IPv6", "2001:db8::1", true, NULL },
		{ "bare IPv6 that could end in a port", "2001:db8::1:51820", false, NULL },
		{ "IPv4 in brackets", "[192.0.2.1]:1", false, NULL },
		{ "a name in brackets", "[a]:1", false, NULL },
		{ "a zone", "[fe80::1%eth0]:1", false, NULL },
		{ "bracket not closed", "[::1:51820", false, NULL },
		{ "text behind the bracket", "[::1]x:1", false, NULL },
		{ "empty", "", true, NULL },
		{ "no host", ":51820", false, NULL },
		{ "a dot", ".:1", false, NULL },
		{ "empty label", "a..b:1", false, NULL },
		{ "label starts with a dash", "-a.b:1", false, NULL },
		{ "label ends with a dash", "a-.b:1", false, NULL },
		{ "last label ends with a dash", "a.b-:1", false, NULL },
		{ "underscore", "a_b:1", false, NULL },
		{ "blank", "a b:1", false, NULL },
		{ "newline", "a\n:1", false, NULL },
		{ "an octet too large", "192.0.2.256:1", false, NULL },
		{ "three octets", "192.0.2:1", false, NULL },
		{ "a number", "3221225985:1", false, NULL },
		{ "a URL", "http://a:1", false, NULL },
		{ "a path", "../a:1", false, NULL },
	};
	char out[ENDPOINT_STRLEN], text[400];
	struct endpoint e, again, none = { 0 };
	const char *why;
	struct arena a;
	size_t i;

	arena_init(&a);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int r;

		e = (struct endpoint){ .host = "old", .port = 7 };
		why = NULL;
		r = endpoint_parse(rows[i].s, strlen(rows[i].s), rows[i].port_optional, &a, &e,
				   &why);
		ROW_CHECK(r == (rows[i].out ? 0 : -1), i);
		ROW_CHECK(!!why == !rows[i].out, i);
		if (r) {
			ROW_CHECK(!strcmp(e.host, "old") && e.port == 7, i);
			continue;
		}
		ROW_CHECK(!strcmp(endpoint_print(&e, out), rows[i].out), i);
		if (!e.port)
			continue;
		ROW_CHECK(endpoint_parse(out, strlen(out), false, &a, &again, &why) == 0, i);
		ROW_CHECK(endpoint_equal(&e, &again), i);
		ROW_CHECK(!endpoint_equal(&e, &none) && !endpoint_equal(&none, &e), i);
		again.port ^= 1;
		ROW_CHECK(!endpoint_equal(&e, &again), i);
	}
	assert_true(endpoint_equal(&none, &none));

	/* The longest host: four labels of 63, 63, 63 and 61 with three dots are 253 characters. */
	for (i = 0; i < 4; i++)
		repeat(text + i * 64, 'a', 63);
	text[63] = text[127] = text[191] = '.';
	memcpy(text + MAX_HOST, ":65535", 7);
	assert_int_equal(endpoint_parse(text, strlen(text), false, &a, &e, &why), 0);
	assert_int_equal(strlen(e.host), MAX_HOST);
	assert_int_equal(strlen(endpoint_print(&e, out)), MAX_HOST + 6);
	memcpy(text + MAX_HOST, "a:65535", 8);
	assert_int_equal(endpoint_parse(text, strlen(text), false, &a, &e, &why), -1);
	/* A label one over 63. */
	repeat(text, 'a', 64);
	memcpy(text + 64, ".b:1", 5);
	assert_int_equal(endpoint_parse(text, strlen(text), false, &a, &e, &why), -1);
	assert_int_equal(endpoint_parse(text + 1, strlen(text) - 1, false, &a, &e, &why), 0);
	arena_release(&a);
}

/* RFC 7748 section 6.1: Alice's private and public key, as base64. */
#define ALICE_PRIVATE "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define ALICE_PUBLIC "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

/* Each text with one byte changed to each value: taken exactly when libsodium takes it, for the
 * same bytes; but no byte above 127, all of which libsodium 1.0.18 takes for digits. */
static void test_base64_like_libsodium(void **state)
{
	char text[SIG_STRLEN];
	struct signature sig, want;
	size_t i, n, taken = 0;
	unsigned int byte;
	struct wgkey k;

	for (i = 0; i < 44 * 256; i++) {
		snprintf(text, sizeof(text), "%s", ALICE_PUBLIC);
		text[i / 256] = (char)(i % 256);
		n = 0;
		if (i % 256 > 127 ||
		    sodium_base642bin(want.b, 32, text, 44, NULL, &n, NULL,
				      sodium_base64_VARIANT_ORIGINAL) != 0 ||
		    n != 32) {
			assert_int_equal(wgkey_parse(text, 44, &k), -1);
			continue;
		}
		taken++;
		assert_int_equal(wgkey_parse(text, 44, &k), 0);
		assert_memory_equal(k.b, want.b, 32);
	}
	assert_true(taken > 42 * 64 && taken < 44 * 64);
	for (i = 0; i < sizeof(want.b); i++)
		want.b[i] = (uint8_t)(i * 37 + 11);
	for (i = 0; i < 88; i++)
		for (byte = 0; byte < 256; byte++) {
			struct signature other;

			signature_print(&want, text);
			text[i] = (char)byte;
			n = 0;
			if (byte > 127 ||
			    sodium_base642bin(other.b, 64, text, 88, NULL, &n, NULL,
					      sodium_base64_VARIANT_ORIGINAL) != 0 ||
			    n != 64) {
				assert_int_equal(signature_parse(text, 88, &sig), -1);
				continue;
			}
			assert_int_equal(signature_parse(text, 88, &sig), 0);
			assert_memory_equal(sig.b, other.b, 64);
		}
}

static void test_keys(void **state)
{
	static const struct {
		const char *what, *s;
		size_t len;
		bool ok;
	} rows[] = {
		{ "a key", S("9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="), true },
		{ "zero", S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), true },
		{ "empty (libsodium takes it)", S(""), false },
		{ "short (libsodium takes it)", S("AAAA"), false },
		{ "31 bytes", S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="), false },
		{ "33 bytes", S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), false },
		{ "no padding", S("9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw"), false },
		{ "second spelling: unused bits", S("9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCx="),
		  false },
		{ "URL alphabet", S("9jalV3EEBnVXahro0pRMQ-cHlmjE33Slo9tddzCVtCw="), false },
		{ "newline", S("9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=\n"), false },
		{ "blank inside", S("9jalV3EEBnVXahro0pRM +cHlmjE33Slo9tddzCVtCw="), false },
		{ "hex", S("f636a5577104067557"), false },
	};
	struct signature sig;
	char out[KEY_STRLEN], sigtext[SIG_STRLEN], again[SIG_STRLEN];
	struct wgkey k, k2;
	struct signkey s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		ROW_CHECK((wgkey_parse(rows[i].s, rows[i].len, &k) == 0) == rows[i].ok, i);
		ROW_CHECK((signkey_parse(rows[i].s, rows[i].len, &s) == 0) == rows[i].ok, i);
		if (!rows[i].ok)
			continue;
		ROW_CHECK(!strcmp(wgkey_print(&k, out), rows[i].s), i);
		ROW_CHECK(!strcmp(signkey_print(&s, out), rows[i].s), i);
	}
	assert_int_equal(wgkey_parse(S(ALICE_PUBLIC), &k), 0);
	assert_int_equal(wgkey_parse(S(ALICE_PRIVATE), &k2), 0);
	assert_true(wgkey_cmp(&k, &k2) > 0 && wgkey_cmp(&k2, &k) < 0 && !wgkey_cmp(&k, &k));
	wgkey_public(k2.b, &k2);
	assert_memory_equal(k.b, k2.b, sizeof(k.b));

	for (i = 0; i < sizeof(sig.b); i++)
		sig.b[i] = (uint8_t)(i * 37);
	signature_print(&sig, sigtext);
	assert_int_equal(strlen(sigtext), SIG_STRLEN - 1);
	memset(&sig, 0, sizeof(sig));
	assert_int_equal(signature_parse(sigtext, SIG_STRLEN - 1, &sig), 0);
	assert_string_equal(signature_print(&sig, again), sigtext);
	assert_int_equal(signature_parse(sigtext, SIG_STRLEN - 2, &sig), -1);
	sigtext[SIG_STRLEN - 4]++;
	assert_int_equal(signature_parse(sigtext, SIG_STRLEN - 1, &sig), -1);
}

static void test_weak_keys(void **state)
{
	/* https://cr.yp.to/ecdh.html#validate, and p+2..p+18 less 2^255: little-endian hex of the
	 * u-coordinate. */
	static const char *const weak[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct wgkey k;
	size_t i;

	for (i = 0; i < ARRAY_LEN(weak); i++) {
		assert_int_equal(hex_parse(weak[i], 64, k.b, 32), 0);
		assert_non_null(wgkey_weak(&k));
		/* X25519 ignores the top bit, so the same point with it set is as weak. */
		k.b[31] |= 0x80;
		assert_non_null(wgkey_weak(&k));
	}
	assert_int_equal(wgkey_parse(S(ALICE_PUBLIC), &k), 0);
	assert_non_null(wgkey_weak(&k));
	assert_int_equal(wgkey_parse(S("3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="), &k), 0);
	assert_non_null(wgkey_weak(&k));
	assert_int_equal(wgkey_parse(S("9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="), &k), 0);
	assert_null(wgkey_weak(&k));
}

static void test_secret(void **state)
{
	struct secret s = { 0 }, text = { 0 };
	struct err e = { 0 };
	struct wgkey pub;
	char out[KEY_STRLEN];

	assert_int_equal(secret_from_base64(&s,
					    S("\xff"
					      "wdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="),
					    &e),
			 -1);
	assert_int_equal(secret_from_base64(&s, S(ALICE_PRIVATE "\n"), &e), 0);
	assert_int_equal(s.len, 32);
	wgkey_public(s.b, &pub);
	assert_string_equal(wgkey_print(&pub, out), ALICE_PUBLIC);
	assert_int_equal(secret_to_base64(&s, &text, &e), 0);
	assert_int_equal(text.len, KEY_STRLEN);
	assert_memory_equal(text.b, ALICE_PRIVATE "\n", KEY_STRLEN);
	secret_release(&s);
	secret_release(&s);
	assert_null(s.b);
	assert_int_equal(secret_to_base64(&s, &text, &e), -1);
	secret_release(&text);

	assert_int_equal(secret_from_base64(&s, S(""), &e), -1);
	assert_int_equal(secret_from_base64(&s, S(ALICE_PRIVATE "\n\n"), &e), -1);
	assert_int_equal(secret_from_base64(&s, S(ALICE_PRIVATE "x"), &e), -1);
	assert_int_equal(secret_from_base64(&s, S("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp="),
					    &e),
			 -1);
	assert_int_equal(e.class, ERR_INPUT);
	/* The message says what is wanted and nothing of what was given. */
	assert_null(strstr(e.msg, "dwdt"));
	assert_null(s.b);
	assert_int_equal(secret_init(&s, SIZE_MAX, &e), -1);
	assert_int_equal(e.class, ERR_NOMEM);
	secret_release(&s);
}

static void test_hash(void **state)
{
	/* BLAKE2b-256 of "" and "abc" (b2sum -l 256). */
	static const char empty[] =
		"0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";
	static const char abc[] =
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
	char out[DIGEST_STRLEN];
	struct digest d, d2;
	uint8_t b[2];

	digest_of("", 0, &d);
	assert_string_equal(digest_print(&d, out), empty);
	digest_of("abc", 3, &d2);
	assert_string_equal(digest_print(&d2, out), abc);
	assert_true(digest_cmp(&d, &d2) < 0 && digest_cmp(&d2, &d) > 0 && !digest_cmp(&d, &d));
	assert_int_equal(digest_parse(abc, 64, &d), 0);
	assert_int_equal(digest_cmp(&d, &d2), 0);
	assert_int_equal(digest_parse(abc, 63, &d), -1);
	assert_int_equal(digest_parse(abc, 65, &d), -1);
	out[10] = 'A';
	assert_int_equal(digest_parse(out, 64, &d), -1);
	out[10] = 'g';
	assert_int_equal(digest_parse(out, 64, &d), -1);
	assert_int_equal(digest_cmp(&d, &d2), 0);
	assert_int_equal(hex_parse("0aff", 4, b, 2), 0);
	assert_int_equal(b[0], 0x0a);
	assert_int_equal(b[1], 0xff);
	assert_string_equal(hex_print(b, 2, out), "0aff");
	assert_string_equal(hex_print(b, 0, out), "");
}

static void test_time(void **state)
{
	static const struct {
		const char *what, *s;
		int64_t t; /* -1: refused */
	} rows[] = {
		{ "the beginning", "1970-01-01T00:00:00Z", 0 },
		{ "a second", "1970-01-01T00:00:01Z", 1 },
		{ "leap day", "2000-02-29T23:59:59Z", 951868799 },
		{ "after a leap day", "2000-03-01T00:00:00Z", 951868800 },
		{ "2^31", "2038-01-19T03:14:08Z", INT64_C(2147483648) },
		{ "no leap day in 2100", "2100-03-01T00:00:00Z", INT64_C(4107542400) },
		{ "the end", "9999-12-31T23:59:59Z", TIME_MAX },
		{ "29 February 2100", "2100-02-29T00:00:00Z", -1 },
		{ "31 April", "2026-04-31T00:00:00Z", -1 },
		{ "month 0", "2026-00-01T00:00:00Z", -1 },
		{ "month 13", "2026-13-01T00:00:00Z", -1 },
		{ "day 0", "2026-01-00T00:00:00Z", -1 },
		{ "hour 24", "2026-01-01T24:00:00Z", -1 },
		{ "minute 60", "2026-01-01T00:60:00Z", -1 },
		{ "a leap second", "2016-12-31T23:59:60Z", -1 },
		{ "before 1970", "1969-12-31T23:59:59Z", -1 },
		{ "an offset", "2026-01-01T00:00:00+00:00", -1 },
		{ "lower case", "2026-01-01t00:00:00z", -1 },
		{ "a blank", "2026-01-01 00:00:00Z", -1 },
		{ "fraction", "2026-01-01T00:00:00.0Z", -1 },
		{ "a sign", "+026-01-01T00:00:00Z", -1 },
		{ "date alone", "2026-01-01", -1 },
		{ "empty", "", -1 },
	};
	char out[TIME_STRLEN];
	int64_t t;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		t = 4711;
		ROW_CHECK(time_parse(rows[i].s, strlen(rows[i].s), &t) == (rows[i].t < 0 ? -1 : 0),
			  i);
		ROW_CHECK(t == (rows[i].t < 0 ? 4711 : rows[i].t), i);
		if (rows[i].t >= 0)
			ROW_CHECK(!strcmp(time_print(rows[i].t, out), rows[i].s), i);
	}
	/* Every day of the calendar there and back, at different times of day. */
	for (t = 12345; t <= TIME_MAX; t += 86400 * 3 + 3601) {
		int64_t back = -1;

		time_print(t, out);
		if (time_parse(out, TIME_STRLEN - 1, &back) < 0 || back != t)
			fail_msg("%s", out);
	}
	assert_string_equal(time_print(-1, out), "1970-01-01T00:00:00Z");
	assert_string_equal(time_print(TIME_MAX + 1, out), "9999-12-31T23:59:59Z");
}

static void test_duration(void **state)
{
	static const struct {
		const char *what, *s;
		int64_t t; /* -1: refused */
	} rows[] = {
		{ "seconds", "90s", 90 },
		{ "minutes", "15m", 900 },
		{ "hours", "12h", 43200 },
		{ "days", "30d", 30 * 86400 },
		{ "weeks", "2w", 14 * 86400 },
		{ "least", "1s", 1 },
		{ "400 days", "400d", 400 * 86400 },
		{ "one over in days", "401d", -1 },
		{ "400 days in seconds", "34560000s", 34560000 },
		{ "one over in seconds", "34560001s", -1 },
		{ "57 weeks", "57w", 57 * 7 * 86400 },
		{ "58 weeks", "58w", -1 },
		{ "would wrap", "18446744073709551615d", -1 },
		{ "zero", "0s", -1 },
		{ "no unit", "30", -1 },
		{ "no number", "d", -1 },
		{ "empty", "", -1 },
		{ "blank", "30 d", -1 },
		{ "upper case", "30D", -1 },
		{ "months", "1y", -1 },
		{ "sign", "-1d", -1 },
		{ "leading zero", "01d", -1 },
		{ "two units", "1d1h", -1 },
	};
	static const struct {
		const char *what;
		int64_t t;
		const char *s;
	} prints[] = {
		{ "", 0, "0 seconds" }, { "", -5, "0 seconds" },
		{ "", 1, "1 second" },	{ "", 59, "59 seconds" },
		{ "", 60, "1 minute" }, { "", 3599, "59 minutes" },
		{ "", 3600, "1 hour" }, { "", 86399, "23 hours" },
		{ "", 86400, "1 day" }, { "", 14 * 86400, "14 days" },
	};
	char out[AGO_STRLEN];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t t = 4711;

		ROW_CHECK(duration_parse(rows[i].s, strlen(rows[i].s), &t) ==
				  (rows[i].t < 0 ? -1 : 0),
			  i);
		ROW_CHECK(t == (rows[i].t < 0 ? 4711 : rows[i].t), i);
	}
	for (i = 0; i < ARRAY_LEN(prints); i++)
		assert_string_equal(duration_print(prints[i].t, out), prints[i].s);
}

static void test_text_safe(void **state)
{
	static const struct {
		const char *what, *s;
		size_t len;
		const char *out;
	} rows[] = {
		{ "plain", S("prod: fra1 -> ams1"), "prod: fra1 -> ams1" },
		{ "UTF-8", S("M\xc3\xbcnchen \xe2\x86\x92 \xf0\x9f\x90\xa7"),
		  "M\xc3\xbcnchen \xe2\x86\x92 \xf0\x9f\x90\xa7" },
		{ "escape sequence", S("\033[31mred"), "?[31mred" },
		{ "title", S("\033]0;x\a"), "?]0;x?" },
		{ "newline, tab, return", S("a\nb\tc\rd"), "a?b?c?d" },
		{ "NUL", S("a\0b"), "a?b" },
		{ "DEL", S("a\x7f"), "a?" },
		{ "C1 CSI as UTF-8",
		  S("\xc2\x9b"
		    "31m"),
		  "?31m" },
		{ "C1 CSI as a byte",
		  S("\x9b"
		    "31m"),
		  "?31m" },
		{ "right-to-left override",
		  S("a\xe2\x80\xae"
		    "b"),
		  "a?b" },
		{ "isolate", S("\xe2\x81\xa6"), "?" },
		{ "zero-width space",
		  S("a\xe2\x80\x8b"
		    "b"),
		  "a?b" },
		{ "byte order mark",
		  S("\xef\xbb\xbf"
		    "a"),
		  "?a" },
		{ "line separator", S("\xe2\x80\xa8"), "?" },
		{ "soft hyphen", S("\xc2\xad"), "?" },
		{ "overlong slash", S("\xc0\xaf"), "??" },
		{ "overlong escape in 3 bytes", S("\xe0\x80\x9b"), "???" },
		{ "surrogate", S("\xed\xa0\x80"), "???" },
		{ "over U+10FFFF", S("\xf4\x90\x80\x80"), "????" },
		{ "cut short", S("a\xe2\x86"), "a??" },
		{ "a lone continuation byte",
		  S("\x80"
		    "a"),
		  "?a" },
		{ "tag characters", S("\xf3\xa0\x81\x81"), "?" },
		{ "empty", S(""), "" },
	};
	struct buf b;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		buf_init(&b, 1000);
		text_safe(&b, rows[i].s, rows[i].len);
		ROW_CHECK(!strcmp(b.data, rows[i].out), i);
		buf_release(&b);
	}
	/* No byte that is a control, whatever the input: all pairs of bytes. */
	for (i = 0; i < 65536; i++) {
		char in[2] = { (char)(i >> 8), (char)i };
		size_t j;

		buf_init(&b, 16);
		text_safe(&b, in, 2);
		for (j = 0; j < b.len; j++)
			assert_true((unsigned char)b.data[j] >= 0x20 && b.data[j] != 0x7f);
		buf_release(&b);
	}
}

static void test_text_suggest(void **state)
{
	static const char *const list[] = { "endpoint", "addresses", "routes", "tags", "mtu" };
	static const struct {
		const char *what, *word, *out;
	} rows[] = {
		{ "two swapped", "endpiont", "endpoint" },
		{ "one missing", "endpint", "endpoint" },
		{ "one too many", "routess", "routes" },
		{ "one wrong", "tagz", "tags" },
		{ "plural", "address", "addresses" },
		{ "far", "frobnicate", NULL },
		{ "nothing shared", "xyz", NULL },
		{ "empty", "", NULL },
		{ "short", "mtv", "mtu" },
	};
	char longest[80];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *s = text_suggest(rows[i].word, list, ARRAY_LEN(list));

		ROW_CHECK(!s == !rows[i].out, i);
		ROW_CHECK(!s || !strcmp(s, rows[i].out), i);
	}
	repeat(longest, 'e', 65);
	assert_null(text_suggest(longest, list, ARRAY_LEN(list)));
	repeat(longest, 'e', 64);
	assert_null(text_suggest(longest, list, ARRAY_LEN(list)));
	assert_null(text_suggest("endpoint", list, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_num),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_ifname),
		cmocka_unit_test(test_ipaddr),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_relations),
		cmocka_unit_test(test_prefix_canonical_all),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_base64_like_libsodium),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_weak_keys),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_text_safe),
		cmocka_unit_test(test_text_suggest),
	};

	return cmocka_run_group_tests_name("common", tests, NULL, NULL);
}
