/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings from a file and from options: what is taken, and what is refused at which place. */
#include "tests/unit/unit.h"

#include "agent/config.h"
#include "common/timefmt.h"

static struct arena arena;

static int make_arena(void **unused)
{
	arena_init(&arena);
	return 0;
}

static int drop_arena(void **unused)
{
	arena_release(&arena);
	return 0;
}

/* Parses and finishes; what was wrong comes back rendered. */
static int load(const char *text, size_t len, struct agent_config *ret, char *out, size_t size)
{
	struct source *s = arena_alloc(&arena, sizeof(*s));
	struct config_raw raw = { 0 };
	struct buf shown;
	struct diag d;
	bool option;
	int r;

	*s = (struct source){ "agent.conf", text, len };
	diag_init(&d, &arena);
	config_parse(s, &raw, &d);
	r = config_finish(&raw, &arena, ret, &d, &option);
	assert_false(option);
	if (d.errors)
		r = -1;
	buf_init(&shown, 1u << 20);
	diag_render(&d, false, &shown);
	snprintf(out, size, "%s", shown.data);
	buf_release(&shown);
	return r;
}

static void a_whole_file(void **unused)
{
	static const char text[] = "# the agent of fra1\n"
				   "url = https://mesh.example.net/pub/\n"
				   "  url=file:///srv/www/mesh//  \n"
				   "\n"
				   "network = prod\n"
				   "node\t=\tfra1\n"
				   "trust = /etc/meshrc/root-1\n"
				   "private-key = /etc/meshrc/with blank.key\n"
				   "state-dir = /var/lib/m\n"
				   "interface = wg0\n"
				   "backend = userspace\n"
				   "offline = false\n"
				   "now = 2026-11-21T10:13:00Z\n"
				   "interval = 15";
	struct agent_config c;
	char out[4096], when[TIME_STRLEN];

	if (load(text, strlen(text), &c, out, sizeof(out)) < 0)
		fail_msg("%s", out);
	assert_int_equal(c.n_urls, 2);
	assert_string_equal(c.urls[0], "https://mesh.example.net/pub");
	assert_string_equal(c.urls[1], "file:///srv/www/mesh");
	assert_string_equal(c.network, "prod");
	assert_string_equal(c.node, "fra1");
	assert_string_equal(c.trust, "/etc/meshrc/root-1");
	assert_string_equal(c.private_key, "/etc/meshrc/with blank.key");
	assert_string_equal(c.state_dir, "/var/lib/m");
	assert_string_equal(c.interface.s, "wg0");
	assert_int_equal(c.backend, BACKEND_USERSPACE);
	assert_true(!c.offline && c.has_now && c.interval == 15);
	assert_string_equal(time_print(c.now, when), "2026-11-21T10:13:00Z");
}

static void defaults(void **unused)
{
	struct agent_config c;
	char out[4096];

	assert_int_equal(load("network = prod\n", 15, &c, out, sizeof(out)), 0);
	assert_string_equal(c.state_dir, CONFIG_STATE_DIR);
	assert_string_equal(c.private_key, CONFIG_STATE_DIR "/prod/private.key");
	assert_true(c.n_urls == 0 && !c.node && !c.trust && !c.interface.s[0] &&
		    c.backend == BACKEND_AUTO);
	assert_true(!c.offline && !c.has_now && c.interval == CONFIG_INTERVAL);
	assert_int_equal(load("", 0, &c, out, sizeof(out)), 0);
	assert_null(c.private_key);
}

static const struct {
	const char *what, *text, *wanted[3];
} bad_rows[] = {
	{ "an unknown key",
	  "netwrok = prod\n",
	  { "agent.conf:1:1: error: unknown key `netwrok`", "did you mean `network`?" } },
	{ "the option's name with an underscore",
	  "\nprivate_key = x\n",
	  { "agent.conf:2:1:", "did you mean `private-key`?" } },
	{ "a key twice",
	  "network = a\nnode = b\nnetwork = c\n",
	  { "agent.conf:3:1: error: `network` is given twice",
	    "agent.conf:1:11: note: first given here" } },
	{ "no value", "network =\n", { "agent.conf:1:10: error: `network` has no value" } },
	{ "no equals sign", "network prod\n", { "agent.conf:1:1: error: expected `key = value`" } },
	{ "a section", "[agent]\n", { "agent.conf:1:1: error: expected `key = value`" } },
	{ "CR LF",
	  "network = prod\r\n",
	  { "agent.conf:1:15: error: a control character", "LF alone" } },
	{ "an escape",
	  "network = pr\033[31mod\n",
	  { "agent.conf:1:13: error: a control character" } },
	{ "a bad network name", "network = ../prod\n", { "agent.conf:1:11: error: not a name" } },
	{ "a capital in a node's name", "node = Fra1\n", { "agent.conf:1:8: error: not a name" } },
	{ "a bad interface name",
	  "interface = a/b\n",
	  { "agent.conf:1:13: error: not an interface name" } },
	{ "an interface name of 16",
	  "interface = abcdefghijklmnop\n",
	  { "not an interface name" } },
	{ "a bad back end",
	  "backend = kernal\n",
	  { "agent.conf:1:11: error: not `auto`, `kernel` or `userspace`" } },
	{ "a bad truth", "offline = yes\n", { "agent.conf:1:11: error: not `true` or `false`" } },
	{ "a bad time", "now = tomorrow\n", { "agent.conf:1:7: error: not a time" } },
	{ "an interval of nothing",
	  "interval = 0\n",
	  { "agent.conf:1:12: error: not a number of seconds" } },
	{ "an interval that is too long",
	  "interval = 86401\n",
	  { "agent.conf:1:12: error: not a number of seconds" } },
	{ "an ftp URL",
	  "url = ftp://x/y\n",
	  { "agent.conf:1:7: error: not a URL that starts with" } },
	{ "a URL without a scheme",
	  "url = /srv/mesh\n",
	  { "agent.conf:1:7: error: not a URL that starts with" } },
	{ "a relative file URL",
	  "url = file://srv\n",
	  { "agent.conf:1:7: error: not a URL that starts with" } },
	{ "a URL without a host", "url = https:///x\n", { "no host" } },
	{ "a password in a URL", "url = https://me:secret@x/y\n", { "password" } },
	{ "a query", "url = https://x/y?z\n", { "no '?' part" } },
	{ "a blank in a URL", "url = https://x/ y\n", { "no URL may have" } },
	{ "several errors at once",
	  "nod = a\nurl = x\noffline = 1\n",
	  { "agent.conf:1:1:", "agent.conf:2:7:", "agent.conf:3:11:" } },
};

static void what_is_wrong_and_where(void **unused)
{
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(bad_rows); i++) {
		struct agent_config c;
		char out[8192];

		if (load(bad_rows[i].text, strlen(bad_rows[i].text), &c, out, sizeof(out)) != -1)
			fail_msg("%s: taken", bad_rows[i].what);
		for (j = 0; j < 3 && bad_rows[i].wanted[j]; j++)
			if (!strstr(out, bad_rows[i].wanted[j]))
				fail_msg("%s: no '%s' in:\n%s", bad_rows[i].what,
					 bad_rows[i].wanted[j], out);
		assert_null(strchr(out, '\033'));
	}
}

static void a_nul_byte(void **unused)
{
	struct agent_config c;
	char out[4096];

	assert_int_equal(load("network = pr\0od\n", 16, &c, out, sizeof(out)), -1);
	assert_non_null(strstr(out, "agent.conf:1:13: error: a control character"));
}

static void one_url_too_many(void **unused)
{
	char text[4096] = "", out[4096];
	struct config_raw raw = { 0 };
	struct agent_config c;
	size_t at = 0;
	int i;

	for (i = 0; i < MAX_MIRRORS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "url = https://h%d/x\n", i);
	assert_int_equal(load(text, at, &c, out, sizeof(out)), 0);
	assert_int_equal(c.n_urls, MAX_MIRRORS);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "url = https://more/x\n");
	assert_int_equal(load(text, at, &c, out, sizeof(out)), -1);
	assert_non_null(strstr(out, "agent.conf:17:1: error: more than 16 URLs"));
	for (i = 0; i < MAX_MIRRORS; i++)
		assert_int_equal(config_option(&raw, CONFIG_URL, "https://x/y"), 0);
	assert_int_equal(config_option(&raw, CONFIG_URL, "https://x/y"), -1);
}

static void a_url_one_byte_too_long(void **unused)
{
	char text[MAX_URL + 64] = "url = https://h/", out[8192];
	struct agent_config c;
	size_t start = strlen("url = "), len = strlen(text);

	while (len < start + MAX_URL)
		text[len++] = 'a';
	assert_int_equal(load(text, len, &c, out, sizeof(out)), 0);
	text[len++] = 'a';
	assert_int_equal(load(text, len, &c, out, sizeof(out)), -1);
	assert_non_null(strstr(out, "longer than 2048 bytes"));
}

static void options_override(void **unused)
{
	static const char text[] =
		"url = https://a/x\nurl = https://b/x\nnetwork = prod\nnode = fra1\n";
	struct source s = { "agent.conf", text, sizeof(text) - 1 };
	struct config_raw raw = { 0 };
	struct agent_config c;
	struct diag d;
	bool option = false;

	diag_init(&d, &arena);
	config_parse(&s, &raw, &d);
	assert_int_equal(config_option(&raw, CONFIG_URL, "https://c/x"), 0);
	assert_int_equal(config_option(&raw, CONFIG_URL, "https://d/x"), 0);
	assert_int_equal(config_option(&raw, CONFIG_NODE, "ams1"), 0);
	assert_int_equal(config_option(&raw, CONFIG_OFFLINE, "true"), 0);
	assert_int_equal(config_finish(&raw, &arena, &c, &d, &option), 0);
	assert_int_equal(c.n_urls, 2);
	assert_string_equal(c.urls[0], "https://c/x");
	assert_string_equal(c.urls[1], "https://d/x");
	assert_string_equal(c.network, "prod");
	assert_string_equal(c.node, "ams1");
	assert_true(c.offline);
	/* What is wrong in an option names the option. */
	assert_int_equal(config_option(&raw, CONFIG_BACKEND, "magic"), 0);
	assert_int_equal(config_finish(&raw, &arena, &c, &d, &option), -1);
	assert_true(option);
	assert_non_null(strstr(d.entries[0].msg, "--backend '"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file),
		cmocka_unit_test(defaults),
		cmocka_unit_test(what_is_wrong_and_where),
		cmocka_unit_test(a_nul_byte),
		cmocka_unit_test(one_url_too_many),
		cmocka_unit_test(a_url_one_byte_too_long),
		cmocka_unit_test(options_override),
	};

	return cmocka_run_group_tests_name("agent settings", tests, make_arena, drop_arena);
}
