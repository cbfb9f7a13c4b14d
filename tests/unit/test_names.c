/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: what may be one, the lines and zones that are made of a network, its block in a hosts
 * file. */
#include "tests/unit/unit.h"

#include "agent/hosts_block.h"
#include "common/prefix.h"
#include "publication/document.h"
#include "publication/names.h"
#include "tests/unit/dice.h"

/* ---- Domains and hosts ---- */

static void test_domains(void **unused)
{
	static const struct {
		const char *what;
		bool good;
	} rows[] = {
		{ "mesh.example.net", true },
		{ "wg", true },
		{ "a-b.c1", true },
		{ "home.arpa", true },
		{ "mesh.home.arpa", true },
		{ "mylocal", true },
		{ "local.example.net", true },
		{ "xn--bcher-kva.example", true },
		{ "0.example", true },
		{ "", false },
		{ ".", false },
		{ "a..b", false },
		{ ".a", false },
		{ "a.", false },
		{ "-a", false },
		{ "a-", false },
		{ "a.-b", false },
		{ "A.example", false },
		{ "a_b.example", false },
		{ "a b", false },
		{ "a\nb", false },
		{ "a\tb", false },
		{ "a#b", false },
		{ "10.20", false },
		{ "example.1", false },
		{ "localhost", false },
		{ "x.localhost", false },
		{ "localdomain", false },
		{ "local", false },
		{ "office.local", false },
		{ "invalid", false },
		{ "a.onion", false },
		{ "arpa", false },
		{ "10.in-addr.arpa", false },
		{ "nothome.arpa", false },
	};
	char label[65], longest[MAX_DOMAIN + 2];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		ROW_CHECK(!dnsname_domain_wrong(rows[i].what, strlen(rows[i].what)) == rows[i].good,
			  i);
	assert_non_null(dnsname_domain_wrong("a\0b", 3));
	memset(label, 'a', 64);
	assert_null(dnsname_domain_wrong(label, 63));
	assert_non_null(dnsname_domain_wrong(label, 64));
	memset(longest, 'a', sizeof(longest));
	for (i = 60; i < MAX_DOMAIN; i += 60)
		longest[i] = '.';
	assert_null(dnsname_domain_wrong(longest, MAX_DOMAIN));
	assert_non_null(dnsname_domain_wrong(longest, MAX_DOMAIN + 1));
}

static void test_hosts_names(void **unused)
{
	static const struct {
		const char *what;
		bool good;
	} rows[] = {
		{ "fra1", true }, { "db.fra1", true }, { "1", true },	 { "a-b", true },
		{ "a-", false },  { "a..b", false },   { "a.", false },	 { "a.-b", false },
		{ "", false },	  { "a\tb", false },   { "a b", false }, { "*", false },
		{ "@", false },	  { "a.b-.c", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		ROW_CHECK(dnsname_is_host(rows[i].what, strlen(rows[i].what)) == rows[i].good, i);
}

/* ---- A network ---- */

struct net {
	struct arena a;
	struct network n;
	struct record records[8];
	struct node nodes[8];
	size_t count;
};

static struct ipaddr addr(const char *s)
{
	struct ipaddr ip;

	assert_int_equal(ipaddr_parse(s, strlen(s), &ip), 0);
	return ip;
}

static void net_init(struct net *t)
{
	*t = (struct net){ .count = 0 };
	arena_init(&t->a);
	t->n.name = "prod";
	t->n.records = t->records;
	t->n.nodes = t->nodes;
}

/* `addresses`: "10.20.0.1/16 fd20::1/64" */
static struct node *net_add(struct net *t, const char *name, const char *addresses)
{
	struct record *r = &t->records[t->count];
	struct node *n = &t->nodes[t->count];
	struct ifaddr *ifs = arena_array(&t->a, 4, sizeof(*ifs));
	struct ipaddr *ips = arena_array(&t->a, 4, sizeof(*ips));
	const char *p = addresses;
	size_t k = 0;

	while (*p) {
		size_t len = strcspn(p, " ");

		assert_int_equal(ifaddr_parse(p, len, &ifs[k]), 0);
		ips[k] = ifs[k].addr;
		k++;
		p += len + (p[len] == ' ');
	}
	*r = (struct record){ .name = name, .addresses = ips, .n_addresses = k };
	*n = (struct node){
		.name = name, .domain = "mesh.example.net", .addresses = ifs, .n_addresses = k
	};
	t->n.n_records = t->n.n_nodes = ++t->count;
	return n;
}

static const char *zone_text(struct net *t, const char *name, uint32_t serial)
{
	struct names names;
	struct buf b;
	size_t i;
	char *s = NULL;

	assert_int_equal(names_make(&t->n, &t->a, &names, NULL), 0);
	buf_init(&b, 1u << 20);
	for (i = 0; i < names.n_zones; i++)
		if (!strcmp(names.zones[i].name, name)) {
			names_put_zone(&names, &names.zones[i], serial, &b);
			s = arena_strndup(&t->a, b.data, b.len);
		}
	buf_release(&b);
	return s;
}

static void test_zones(void **unused)
{
	struct ipaddr server = addr("10.20.0.1");
	struct node *n;
	struct net t;

	net_init(&t);
	net_add(&t, "ams1", "10.20.0.2/16 fd20::2/64");
	n = net_add(&t, "fra1", "10.20.0.1/16 fd20::1/64");
	n->nameservers = &server;
	n->n_nameservers = 1;
	assert_string_equal(
		zone_text(&t, "mesh.example.net", 7),
		"; Network prod, written by meshrc\n"
		"$ORIGIN mesh.example.net.\n"
		"$TTL 300\n"
		"@ IN SOA fra1.mesh.example.net. hostmaster.mesh.example.net. 7 3600 600 2592000 300\n"
		"@ IN NS fra1.mesh.example.net.\n"
		"ams1 IN A 10.20.0.2\n"
		"ams1 IN AAAA fd20::2\n"
		"fra1 IN A 10.20.0.1\n"
		"fra1 IN AAAA fd20::1\n");
	assert_string_equal(
		zone_text(&t, "20.10.in-addr.arpa", 7),
		"; Network prod, written by meshrc\n"
		"$ORIGIN 20.10.in-addr.arpa.\n"
		"$TTL 300\n"
		"@ IN SOA fra1.mesh.example.net. hostmaster.mesh.example.net. 7 3600 600 2592000 300\n"
		"@ IN NS fra1.mesh.example.net.\n"
		"1.0 IN PTR fra1.mesh.example.net.\n"
		"2.0 IN PTR ams1.mesh.example.net.\n");
	assert_non_null(
		strstr(zone_text(&t, "0.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa", 7),
		       "\n2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR ams1.mesh.example.net.\n"));
	/* Nobody of the network serves it. */
	server = addr("192.0.2.53");
	assert_non_null(strstr(zone_text(&t, "mesh.example.net", 4294967295u),
			       "@ IN SOA localhost. hostmaster.mesh.example.net. 4294967295 3600"));
	assert_non_null(strstr(zone_text(&t, "mesh.example.net", 1), "\n@ IN NS localhost.\n"));
	arena_release(&t.a);
}

/* Where the networks of the interfaces are cut. */
static void test_reverse_zones(void **unused)
{
	static const struct {
		const char *what; /* an interface's address */
		size_t n;
		const char *first, *last;
	} rows[] = {
		{ "10.20.0.1/16", 1, "20.10.in-addr.arpa", "20.10.in-addr.arpa" },
		{ "10.20.0.1/15", 2, "20.10.in-addr.arpa", "21.10.in-addr.arpa" },
		{ "10.0.0.1/8", 1, "10.in-addr.arpa", "10.in-addr.arpa" },
		{ "10.0.0.1/9", 128, "0.10.in-addr.arpa", "127.10.in-addr.arpa" },
		{ "10.20.4.1/22", 4, "4.20.10.in-addr.arpa", "7.20.10.in-addr.arpa" },
		{ "10.20.4.1/24", 1, "4.20.10.in-addr.arpa", "4.20.10.in-addr.arpa" },
		{ "10.20.4.129/25", 1, "4.20.10.in-addr.arpa", "4.20.10.in-addr.arpa" },
		{ "10.20.4.1/32", 1, "4.20.10.in-addr.arpa", "4.20.10.in-addr.arpa" },
		{ "fd20::1/61", 8, "0.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa",
		  "7.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa" },
		{ "fd20::1/8", 1, "d.f.ip6.arpa", "d.f.ip6.arpa" },
		{ "fd20:a0::1/27", 2, "a.0.0.0.2.d.f.ip6.arpa", "b.0.0.0.2.d.f.ip6.arpa" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct names names;
		struct net t;

		net_init(&t);
		net_add(&t, "a", rows[i].what);
		net_add(&t, "b", rows[i].what);
		assert_int_equal(names_make(&t.n, &t.a, &names, NULL), 0);
		if (i == 10) { /* /27 of hexadecimal digits: 28 */
			ROW_CHECK(names.n_zones == 3, i);
			arena_release(&t.a);
			continue;
		}
		ROW_CHECK(names.n_zones == rows[i].n + 1, i);
		ROW_CHECK(!strcmp(names.zones[0].name, "mesh.example.net"), i);
		ROW_CHECK(!strcmp(names.zones[1].name, rows[i].first), i);
		ROW_CHECK(!strcmp(names.zones[rows[i].n].name, rows[i].last), i);
		arena_release(&t.a);
	}
}

static void test_no_domain(void **unused)
{
	struct names names;
	struct net t;

	net_init(&t);
	assert_int_equal(names_make(&t.n, &t.a, &names, NULL), 0);
	assert_null(names.domain);
	net_add(&t, "a", "10.20.0.1/16")->domain = NULL;
	assert_int_equal(names_make(&t.n, &t.a, &names, NULL), 0);
	assert_true(!names.domain && !names.n_zones);
	arena_release(&t.a);
}

/* What a document could try to bring in. */
static void test_refused_names(void **unused)
{
	static const char *const bad[] = { "a-", "a..b", "a.", "a\tlocalhost", "a localhost", "" };
	struct names names;
	struct err e;
	struct net t;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		net_init(&t);
		net_add(&t, bad[i], "10.20.0.1/16");
		assert_int_equal(names_make(&t.n, &t.a, &names, &e), -1);
		assert_int_equal(e.class, ERR_INPUT);
		arena_release(&t.a);
	}
	net_init(&t);
	net_add(&t, "a", "10.20.0.1/16");
	assert_int_equal(names_check(&t.n, "mesh.example.net", &e), 0);
	assert_int_equal(names_check(&t.n, "localhost", &e), -1);
	assert_int_equal(names_check(&t.n, "x\n10.0.0.1 y", &e), -1);
	arena_release(&t.a);
}

static void test_zone_serial(void **unused)
{
	static const char head[] = "; x\n$ORIGIN a.\n$TTL 300\n@ IN SOA n. h. ";
	struct net t;
	const char *s;
	uint32_t v;
	char text[256];

	net_init(&t);
	net_add(&t, "a", "10.20.0.1/16");
	s = zone_text(&t, "mesh.example.net", 4294967295u);
	assert_int_equal(names_zone_serial(s, strlen(s), &v), 0);
	assert_int_equal(v, 4294967295u);
	assert_int_equal(names_zone_serial("", 0, &v), -1);
	assert_int_equal(names_zone_serial(head, strlen(head), &v), -1);
	snprintf(text, sizeof(text), "%s4294967296 1", head);
	assert_int_equal(names_zone_serial(text, strlen(text), &v), -1);
	snprintf(text, sizeof(text), "%s-1 1", head);
	assert_int_equal(names_zone_serial(text, strlen(text), &v), -1);
	arena_release(&t.a);
}

/* ---- The node line ---- */

#define KEY "key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define NODE(fields) "node a " KEY " interface=wg0 mtu=1420" fields " addresses=10.20.0.1/16"

static void test_node_lines(void **unused)
{
	static const struct {
		const char *what;
		bool good;
	} rows[] = {
		{ NODE(" domain=mesh.example.net"), true },
		{ NODE(" domain=mesh.example.net nameservers=10.20.0.1"), true },
		{ NODE(" domain=mesh.example.net nameservers=fd20::1,10.20.0.1"), true },
		{ NODE(" domain=mesh.example.net hosts=no"), true },
		{ NODE(" domain=mesh.example.net nameservers=10.20.0.1 hosts=no"), true },
		{ NODE(" domain="), false },
		{ NODE(" domain=localhost"), false },
		{ NODE(" domain=Mesh.example.net"), false },
		{ NODE(" domain=mesh.example.net."), false },
		{ NODE(" nameservers=10.20.0.1"), false },
		{ NODE(" hosts=no"), false },
		{ NODE(" domain=a.b hosts=yes"), false },
		{ NODE(" domain=a.b nameservers="), false },
		{ NODE(" domain=a.b nameservers=10.20.0.1,"), false },
		{ NODE(" domain=a.b nameservers=10.20.0.1,10.20.0.1"), false },
		{ NODE(" domain=a.b nameservers=10.20.0.01"), false },
		{ NODE(" domain=a.b nameservers=FD20::1"), false },
		{ NODE(" domain=a.b hosts=no nameservers=10.20.0.1"), false },
		{ NODE(" domain=a.b nameservers=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,"
		       "10.0.0.6,10.0.0.7,10.0.0.8"),
		  true },
		{ NODE(" domain=a.b nameservers=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,"
		       "10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9"),
		  false },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		struct node n;
		struct buf b;

		arena_init(&a);
		ROW_CHECK(!node_decode(rows[i].what, strlen(rows[i].what), &a, &n, NULL) ==
				  rows[i].good,
			  i);
		if (rows[i].good) {
			buf_init(&b, 4096);
			assert_int_equal(node_encode(&n, &b), 0);
			assert_string_equal(b.data, rows[i].what);
			assert_true(node_equal(&n, &n));
			ROW_CHECK(node_needs_names(&n) == !strstr(rows[i].what, "hosts=no"), i);
			buf_release(&b);
		}
		arena_release(&a);
	}
}

/* ---- The block ---- */

#define L1 "10.20.0.1\tfra1.mesh.example.net\t# meshrc prod\n"
#define L2 "fd20::2\tams1.mesh.example.net\t# meshrc prod\n"
#define O1 "10.30.0.1\tx.lab\t# meshrc prod.eu\n"
#define BEGIN "# BEGIN meshrc prod: kept by meshrc-agent\n"
#define ADDED "# BEGIN meshrc prod: kept by meshrc-agent, after an added line end\n"
#define END "# END meshrc prod\n"
#define BLOCK BEGIN L1 L2 END
#define OTHER "# BEGIN meshrc prod.eu: kept by meshrc-agent\n" O1 "# END meshrc prod.eu\n"
#define USER "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n"

static char *edit(const char *old, size_t len, const char *lines)
{
	struct buf b;

	buf_init(&b, 1u << 20);
	assert_int_equal(hosts_block_edit(old, len, "prod", lines, strlen(lines), &b), 0);
	if (!b.len)
		buf_adds(&b, "");
	return buf_steal(&b);
}

static void test_block(void **unused)
{
	static const struct {
		const char *what, *with, *without;
	} rows[] = {
		{ "", BLOCK, "" },
		{ USER, USER BLOCK, USER },
		{ USER BLOCK, USER BLOCK, USER },
		{ BLOCK USER, BLOCK USER, USER },
		/* Another network's, in front and behind. */
		{ USER OTHER, USER OTHER BLOCK, USER OTHER },
		{ USER BLOCK OTHER, USER BLOCK OTHER, USER OTHER },
		/* Older names. */
		{ USER BEGIN "10.20.0.9\told.mesh.example.net\t# meshrc prod\n" END "# end\n",
		  USER BLOCK "# end\n", USER "# end\n" },
		/* No end of the last line. */
		{ "127.0.0.1 localhost", "127.0.0.1 localhost\n" ADDED L1 L2 END,
		  "127.0.0.1 localhost" },
		{ "127.0.0.1 localhost\n" ADDED L1 END, "127.0.0.1 localhost\n" ADDED L1 L2 END,
		  "127.0.0.1 localhost" },
		{ "127.0.0.1 localhost\n" ADDED L1 END "1.2.3.4 mine\n",
		  "127.0.0.1 localhost\n" BLOCK "1.2.3.4 mine\n",
		  "127.0.0.1 localhost\n1.2.3.4 mine\n" },
		{ USER BLOCK "1.2.3.4 mine", USER BLOCK "1.2.3.4 mine", USER "1.2.3.4 mine" },
		/* Damaged by hand: somebody's lines stay, ours go. */
		{ USER BEGIN L1 L2 "1.2.3.4 mine\n", USER BLOCK "1.2.3.4 mine\n",
		  USER "1.2.3.4 mine\n" },
		{ USER L1 L2 END "1.2.3.4 mine\n", USER BLOCK "1.2.3.4 mine\n",
		  USER "1.2.3.4 mine\n" },
		{ USER BEGIN L1 "1.2.3.4 mine\n" L2 END, USER BLOCK "1.2.3.4 mine\n",
		  USER "1.2.3.4 mine\n" },
		{ USER BEGIN "10.20.0.1\tfra1.mesh.example.net\n" END,
		  USER BLOCK "10.20.0.1\tfra1.mesh.example.net\n",
		  USER "10.20.0.1\tfra1.mesh.example.net\n" },
		{ USER BEGIN "#" L1 END, USER BLOCK "#" L1, USER "#" L1 },
		{ BLOCK "a\n" BLOCK "b\n" END, BLOCK "a\nb\n", "a\nb\n" },
		{ USER L1, USER BLOCK, USER },
		{ USER END, USER BLOCK, USER },
		{ USER BEGIN, USER BLOCK, USER },
		/* Ends of lines that an editor changed. */
		{ "127.0.0.1 localhost\r\n# BEGIN meshrc prod: kept by meshrc-agent\r\n"
		  "10.20.0.1\tfra1.mesh.example.net\t# meshrc prod\r\n# END meshrc prod\r\nx\r\n",
		  "127.0.0.1 localhost\r\n" BLOCK "x\r\n", "127.0.0.1 localhost\r\nx\r\n" },
		/* Nearly ours. */
		{ "# BEGIN meshrc prod2\n", "# BEGIN meshrc prod2\n" BLOCK,
		  "# BEGIN meshrc prod2\n" },
		{ "# END meshrc produce\n", "# END meshrc produce\n" BLOCK,
		  "# END meshrc produce\n" },
		{ "10.20.0.1 fra1\t# meshrc prod\n", "10.20.0.1 fra1\t# meshrc prod\n" BLOCK,
		  "10.20.0.1 fra1\t# meshrc prod\n" },
		{ "\t# meshrc prod\n", "\t# meshrc prod\n" BLOCK, "\t# meshrc prod\n" },
		{ "10.20.0.1\ta b\t# meshrc prod\n", "10.20.0.1\ta b\t# meshrc prod\n" BLOCK,
		  "10.20.0.1\ta b\t# meshrc prod\n" },
		{ "\n\n", "\n\n" BLOCK, "\n\n" },
		{ "\xff\xfe junk\n", "\xff\xfe junk\n" BLOCK, "\xff\xfe junk\n" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *old = rows[i].what;
		char *with = edit(old, strlen(old), L1 L2), *again, *without, *both;

		again = edit(with, strlen(with), L1 L2);
		without = edit(old, strlen(old), "");
		both = edit(with, strlen(with), "");
		ROW_CHECK(!strcmp(with, rows[i].with), i);
		ROW_CHECK(!strcmp(again, with), i);
		ROW_CHECK(!strcmp(without, rows[i].without), i);
		ROW_CHECK(!strcmp(both, rows[i].without), i);
		free(with);
		free(again);
		free(without);
		free(both);
	}
}

/* Bytes that are no text at all stay too. */
static void test_block_bytes(void **unused)
{
	static const char old[] = "a\0b\n\0\n" BLOCK "c\0";
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(hosts_block_edit(old, sizeof(old) - 1, "prod", "", 0, &b), 0);
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "a\0b\n\0\nc\0", 8);
	buf_release(&b);
	buf_init(&b, 60);
	assert_int_equal(hosts_block_edit(USER, strlen(USER), "prod", L1, strlen(L1), &b), -1);
	buf_release(&b);
}

/* Random files of random pieces: what is somebody else's comes out as it went in, in its order. */
static void test_block_random(void **unused)
{
	static const char *const ours[] = { BEGIN, ADDED, END, L1, L2 };
	static const char *const foreign[] = { USER,	      OTHER,  O1,
					       "x",	      "\n",   "# BEGIN meshrc\n",
					       "1.2.3.4 a\n", "#" L1, "tail" };
	struct dice d;
	unsigned int round, i, n;

	dice_init(&d, 3);
	for (round = 0; round < 20000; round++) {
		struct buf file, kept, out, out2;
		bool start = true;

		buf_init(&file, 65536);
		buf_init(&kept, 65536);
		buf_init(&out, 65536);
		buf_init(&out2, 65536);
		n = dice_throw(&d, 8);
		for (i = 0; i < n; i++) {
			const char *s =
				start && dice_one_in(&d, 2) ? ours[dice_throw(&d, 5)] : NULL;

			if (!s) {
				s = foreign[dice_throw(&d, 9)];
				buf_adds(&kept, s);
			}
			buf_adds(&file, s);
			start = s[strlen(s) - 1] == '\n';
		}
		assert_int_equal(hosts_block_edit(file.data ? file.data : "", file.len, "prod", L1,
						  strlen(L1), &out),
				 0);
		assert_int_equal(hosts_block_edit(out.data, out.len, "prod", "", 0, &out2), 0);
		/* At most one end of a line is not as it was: one that said to be ours. */
		if (out2.len != kept.len) {
			assert_true(out2.len + 1 == kept.len && kept.data[kept.len - 1] == '\n');
			kept.len--;
		}
		assert_true(!kept.len || !memcmp(out2.data, kept.data, kept.len));
		buf_release(&file);
		buf_release(&kept);
		buf_release(&out);
		buf_release(&out2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),	     cmocka_unit_test(test_hosts_names),
		cmocka_unit_test(test_zones),	     cmocka_unit_test(test_reverse_zones),
		cmocka_unit_test(test_no_domain),    cmocka_unit_test(test_refused_names),
		cmocka_unit_test(test_zone_serial),  cmocka_unit_test(test_node_lines),
		cmocka_unit_test(test_block),	     cmocka_unit_test(test_block_bytes),
		cmocka_unit_test(test_block_random),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
