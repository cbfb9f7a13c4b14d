/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an agent remembers: codecs, slots, objects, and every failure of the disk that files can
 * show. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/store.h"
#include "common/os_file.h"
#include "common/os_sys.h"

#define T0 INT64_C(1795255980)

static char top[] = "/tmp/meshrc-store.XXXXXX";
static char dir[128];
static unsigned int dirs;

static struct digest digest(const char *s)
{
	struct digest d;

	digest_of(s, strlen(s), &d);
	return d;
}

static struct state example(uint64_t serial)
{
	struct state s = {
		.network = "prod",
		.mesh = { { 1, 2, 3 } },
		.root_version = 2,
		.root_len = 400,
		.root = digest("root"),
		.epoch = 1,
		.format_floor = 1,
		.time_floor = T0,
		.accepted = { .serial = serial,
			      .epoch = 1,
			      .issued = T0,
			      .since = T0 + 1,
			      .len = 500,
			      .manifest = digest("m"),
			      .set = digest("s") },
		.applied = { .serial = serial - 1,
			     .since = T0 + 2,
			     .interface = { "prod" },
			     .len = 400,
			     .manifest = digest("n"),
			     .set = digest("t") },
	};

	return s;
}

/* A fresh folder for each test; what it held is small and goes with the top one. */
static int fresh_dir(void **unused)
{
	snprintf(dir, sizeof(dir), "%s/%u", top, dirs++);
	return 0;
}

static struct store *open_store(enum store_access access)
{
	struct store *s = NULL;
	struct err e = { 0 };

	if (store_open(dir, "prod", access, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void write_file(const char *name, const void *data, size_t len)
{
	char path[256];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/prod/%s", dir, name);
	assert_int_equal(os_write_file(AT_FDCWD, path, data, len, 0600, &e), 0);
}

static void read_file(const char *name, struct buf *out)
{
	char path[256];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/prod/%s", dir, name);
	buf_init(out, 1u << 20);
	if (os_read_file(AT_FDCWD, path, 1u << 20, out, &e) < 0)
		fail_msg("%s", e.msg);
}

static bool there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/prod/%s", dir, name);
	return os_exists(AT_FDCWD, path);
}

/* ---- codecs ---- */

static void add_table(struct state *s)
{
	s->host.has_table = true;
	s->host.rules = digest("rules");
	s->host.listing = digest("listing");
}

static void state_round_trip(void **unused)
{
	struct state cases[8] = { example(7), example(1), example(9), { .network = "prod" },
				  example(5), example(5), example(5), example(5) },
		     back;
	struct buf text, again;
	struct err e = { 0 };
	size_t i;

	add_table(&cases[4]);
	add_table(&cases[5]);
	cases[5].names = (struct names_record){ true, { "" } };
	cases[6].names = (struct names_record){ false, { "wg0" } };
	cases[7].names = (struct names_record){ true, { "hosts" } };
	cases[6].n_pending = 2;
	cases[6].pending[0] = (struct ifname){ "wl-a" };
	cases[6].pending[1] = (struct ifname){ "wl-b" };
	cases[2].amnesia = T0 + 9;
	cases[2].generation = 41;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		buf_init(&text, 8192);
		buf_init(&again, 8192);
		assert_int_equal(state_encode(&cases[i], &text), 0);
		if (state_decode(text.data, text.len, "prod", &back, &e) < 0)
			fail_msg("case %zu: %s", i, e.msg);
		assert_int_equal(state_encode(&back, &again), 0);
		assert_string_equal(text.data, again.data);
		assert_true(back.accepted.serial == cases[i].accepted.serial);
		assert_true(back.applied.serial == cases[i].applied.serial);
		assert_true(host_record_equal(&back.host, &cases[i].host));
		assert_int_equal(back.n_pending, cases[i].n_pending);
		assert_string_equal(back.pending[1].s, cases[i].pending[1].s);
		assert_true(back.names.hosts == cases[i].names.hosts);
		assert_string_equal(back.names.link.s, cases[i].names.link.s);
		assert_true(back.amnesia == cases[i].amnesia &&
			    back.generation == cases[i].generation);
		assert_int_equal(state_decode(text.data, text.len, "other", &back, &e), -1);
		buf_release(&text);
		buf_release(&again);
	}
}

static void state_has_one_spelling(void **unused)
{
	struct state s = example(7), back;
	struct buf text;
	size_t i;
	char *copy;

	buf_init(&text, 8192);
	assert_int_equal(state_encode(&s, &text), 0);
	for (i = 0; i < text.len; i++) {
		assert_int_equal(state_decode(text.data, i, "prod", &back, NULL), -1);
		text.data[i] ^= 1;
		assert_int_equal(state_decode(text.data, text.len, "prod", &back, NULL), -1);
		text.data[i] ^= 1;
	}
	copy = malloc(text.len + 1);
	assert_non_null(copy);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\n';
	assert_int_equal(state_decode(copy, text.len + 1, "prod", &back, NULL), -1);
	assert_int_equal(state_decode(copy, text.len, "prod", &back, NULL), 0);
	free(copy);
	buf_release(&text);
}

/* The line of the table, by itself: each is put between a good state and its checksum. */
static void state_of_the_host(void **unused)
{
#define HASH "e4cfa39a3d37be31c59609e807970799caa68a19bfaa15135f165085e01d41a5"
	static const struct {
		const char *what, *lines;
		bool good;
	} rows[] = {
		{ "nothing", "", true },
		{ "a table", "nftables " HASH " " HASH "\n", true },
		{ "two tables", "nftables " HASH " " HASH "\nnftables " HASH " " HASH "\n", false },
		{ "a table without its listing", "nftables " HASH "\n", false },
		{ "a table and more", "nftables " HASH " " HASH " " HASH "\n", false },
		{ "a setting", "sysctl net.ipv4.conf.all.forwarding 0 1\n", false },
		{ "a link that is not in force", "pending wl-a\n", true },
		{ "two, names and a table",
		  "pending wl-a\npending wl-b\nnames hosts -\nnftables " HASH " " HASH "\n", true },
		{ "links out of order", "pending wl-b\npending wl-a\n", false },
		{ "a link twice", "pending wl-a\npending wl-a\n", false },
		{ "links behind names", "names hosts -\npending wl-a\n", false },
		{ "no link", "pending\n", false },
		{ "a link of a path", "pending a/b\n", false },
		{ "a link and more", "pending wl-a x\n", false },
		{ "names", "names hosts -\n", true },
		{ "names of a link", "names - wg0\n", true },
		{ "names and a table", "names hosts wg0\nnftables " HASH " " HASH "\n", true },
		{ "names behind a table", "nftables " HASH " " HASH "\nnames hosts -\n", false },
		{ "no names", "names - -\n", false },
		{ "names elsewhere", "names /etc/h -\n", false },
		{ "names without a link", "names hosts\n", false },
		{ "names of a path", "names - a/b\n", false },
		{ "names twice", "names hosts -\nnames hosts -\n", false },
		{ "names and more", "names hosts - x\n", false },
		{ "another line", "route 10.0.0.0/8\n", false },
	};
	char hex[DIGEST_STRLEN], *checksum;
	struct state s = example(7), back;
	struct digest sum;
	struct buf text;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		buf_init(&text, 1 << 16);
		assert_int_equal(state_encode(&s, &text), 0);
		checksum = strstr(text.data, "checksum ");
		assert_non_null(checksum);
		text.len = (size_t)(checksum - text.data);
		buf_adds(&text, rows[i].lines);
		digest_of(text.data, text.len, &sum);
		buf_addf(&text, "checksum %s\n", digest_print(&sum, hex));
		ROW_CHECK((state_decode(text.data, text.len, "prod", &back, NULL) == 0) ==
				  rows[i].good,
			  i);
		buf_release(&text);
	}
}

static void state_of_the_links(void **unused)
{
	struct state s = example(7), back;
	char hex[DIGEST_STRLEN];
	struct digest sum;
	struct buf text;
	size_t n, i;

	for (n = MAX_PENDING_LINKS; n <= MAX_PENDING_LINKS + 1; n++) {
		s.n_pending = 0;
		buf_init(&text, 1 << 16);
		assert_int_equal(state_encode(&s, &text), 0);
		text.len = (size_t)(strstr(text.data, "checksum ") - text.data);
		for (i = 0; i < n; i++)
			buf_addf(&text, "pending wl-%03zu\n", i);
		digest_of(text.data, text.len, &sum);
		buf_addf(&text, "checksum %s\n", digest_print(&sum, hex));
		assert_int_equal(state_decode(text.data, text.len, "prod", &back, NULL),
				 n <= MAX_PENDING_LINKS ? 0 : -1);
		if (n <= MAX_PENDING_LINKS)
			assert_int_equal(back.n_pending, n);
		buf_release(&text);
	}
	/* Of nothing that is applied there is nothing pending. */
	s = (struct state){ .network = "prod" };
	buf_init(&text, 1 << 16);
	assert_int_equal(state_encode(&s, &text), 0);
	text.len = (size_t)(strstr(text.data, "checksum ") - text.data);
	buf_adds(&text, "pending wl-a\n");
	digest_of(text.data, text.len, &sum);
	buf_addf(&text, "checksum %s\n", digest_print(&sum, hex));
	assert_int_equal(state_decode(text.data, text.len, "prod", &back, NULL), -1);
	buf_release(&text);
}

static void set_round_trip(void **unused)
{
	struct set_entry entries[] = {
		{ true, TABLE_NODES, { digest("a"), 10 } },
		{ true, TABLE_RECORDS, { digest("b"), 20 } },
		{ false, TABLE_GROUPS, { digest("c"), 30 } },
		{ false, TABLE_NODES, { digest("d"), MAX_PAGE } },
	};
	struct set s = { .gone = true, .entries = entries, .n = ARRAY_LEN(entries) }, back;
	struct err e = { 0 };
	struct arena a;
	struct buf text;

	arena_init(&a);
	buf_init(&text, 8192);
	assert_int_equal(set_encode(&s, &text), 0);
	assert_int_equal(set_decode(text.data, text.len, &a, &back, &e), 0);
	assert_true(back.gone && back.n == 4 && back.entries[3].ref.len == MAX_PAGE);
	assert_int_equal(set_entry_cmp(&back.entries[2], &entries[2]), 0);
	assert_int_equal(set_decode(text.data, text.len - 1, &a, &back, &e), -1);
	/* Out of order, and one length too long. */
	entries[3].ref.len = MAX_PAGE + 1;
	buf_reset(&text);
	assert_int_equal(set_encode(&s, &text), 0);
	assert_int_equal(set_decode(text.data, text.len, &a, &back, &e), -1);
	entries[3] = entries[2];
	buf_reset(&text);
	assert_int_equal(set_encode(&s, &text), 0);
	assert_int_equal(set_decode(text.data, text.len, &a, &back, &e), -1);
	buf_release(&text);
	arena_release(&a);
}

static void report_round_trip(void **unused)
{
	struct report r = {
		.checked = T0,
		.fresh = T0 - 5,
		.error = "BAD-SIG: an\nerror",
		.urls = { { "https://a.example/x", "\"tag\"", digest("m"), NULL }, { "file:///y", NULL, { { 0 } }, "MISSING: y" } },
		.n_urls = 2,
	}, back;
	struct arena a;
	struct buf text;
	size_t i;

	arena_init(&a);
	buf_init(&text, 8192);
	r.urls[0].reached.n = 2;
	assert_int_equal(ipaddr_parse("192.0.2.7", 9, &r.urls[0].reached.list[0]), 0);
	assert_int_equal(ipaddr_parse("2001:db8::7", 11, &r.urls[0].reached.list[1]), 0);
	assert_int_equal(report_encode(&r, &text), 0);
	report_decode(text.data, text.len, &a, &back);
	assert_true(back.checked == T0 && back.fresh == T0 - 5 && back.n_urls == 2);
	assert_string_equal(back.error, "BAD-SIG: an error");
	assert_string_equal(back.urls[0].etag, "\"tag\"");
	assert_null(back.urls[0].error);
	assert_string_equal(back.urls[1].error, "MISSING: y");
	assert_true(back.urls[0].reached.n == 2 && back.urls[1].reached.n == 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(ipaddr_cmp(&back.urls[0].reached.list[i],
					    &r.urls[0].reached.list[i]),
				 0);
	/* One too many, and what is none. */
	buf_reset(&text);
	buf_adds(&text, "meshrc report 1\nreached 192.0.2.1\nurl x\nreached here\nreached \n");
	for (i = 0; i < MAX_REACHED + 1; i++)
		buf_addf(&text, "reached 192.0.2.%zu\n", i);
	report_decode(text.data, text.len, &a, &back);
	assert_int_equal(back.urls[0].reached.n, MAX_REACHED);
	assert_int_equal(back.urls[0].reached.list[MAX_REACHED - 1].b[3], MAX_REACHED - 1);
	report_decode("meshrc report 1\nurl \netag x\nchecked never\nwhat is this\n", 54, &a,
		      &back);
	assert_true(back.n_urls == 0 && back.checked == 0);
	buf_release(&text);
	arena_release(&a);
}

/* ---- slots ---- */

static void save_serial(struct store *s, uint64_t serial)
{
	struct state state = example(serial);
	struct err e = { 0 };

	if (store_save(s, &state, &e) < 0)
		fail_msg("%s", e.msg);
}

/* Opens anew and gives the serial that is believed; 0 for none. */
static uint64_t believed(bool *ret_lost)
{
	struct store *s = open_store(STORE_READ);
	struct err e = { 0 };
	struct state state;
	bool lost;

	if (store_load(s, T0, &state, &lost, &e) < 0)
		fail_msg("%s", e.msg);
	store_close(s);
	if (ret_lost)
		*ret_lost = lost;
	return state.accepted.serial;
}

static void slots_take_turns(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct state state;
	struct err e = { 0 };
	bool lost = true;
	uint64_t i;

	assert_int_equal(store_load(s, T0, &state, &lost, &e), 0);
	assert_false(lost);
	assert_true(state.root_version == 0 && state.accepted.serial == 0 && state.amnesia == 0);
	for (i = 2; i < 7; i++) {
		save_serial(s, i);
		assert_true(believed(NULL) == i);
	}
	assert_true(there("state.a") && there("state.b"));
	store_close(s);
	/* A new process goes on with the generation, and with the other slot. */
	s = open_store(STORE_WRITE);
	assert_int_equal(store_load(s, T0, &state, &lost, &e), 0);
	assert_true(state.generation == 5 && state.accepted.serial == 6);
	save_serial(s, 7);
	assert_true(believed(NULL) == 7);
	store_close(s);
}

static void a_torn_slot_costs_nothing(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct buf newest, older;
	struct err e = { 0 };
	struct state state;
	size_t cut;
	bool lost;

	save_serial(s, 5); /* state.a */
	save_serial(s, 6); /* state.b */
	store_close(s);
	read_file("state.a", &older);
	read_file("state.b", &newest);
	for (cut = 0; cut < newest.len; cut += 7) {
		write_file("state.b", newest.data, cut);
		assert_true(believed(&lost) == 5);
		assert_false(lost);
	}
	/* Written over the torn one, not over the good one. */
	s = open_store(STORE_WRITE);
	assert_int_equal(store_load(s, T0, &state, &lost, &e), 0);
	write_file("state.b", "", 0);
	save_serial(s, 7);
	store_close(s);
	assert_true(believed(NULL) == 7);
	write_file("state.b", "", 0);
	assert_true(believed(&lost) == 5);
	/* Both: loud, and with nothing. */
	write_file("state.a", older.data, 40);
	assert_true(believed(&lost) == 0);
	assert_true(lost);
	s = open_store(STORE_WRITE);
	assert_int_equal(store_load(s, T0 + 77, &state, &lost, &e), 0);
	assert_true(lost && state.amnesia == T0 + 77);
	save_serial(s, 8);
	assert_true(believed(&lost) == 8);
	assert_false(lost);
	store_close(s);
	/* Too long is as bad as torn. */
	buf_reset(&newest);
	while (newest.len < 5000)
		buf_addc(&newest, 'x');
	write_file("state.b", newest.data, newest.len);
	assert_true(believed(NULL) == 8);
	buf_release(&newest);
	buf_release(&older);
}

/* ---- faults ---- */

static struct os_sys real;
static unsigned int calls, fail_call;
static int fail_errno;
static bool only_reads;

static bool faulty(void)
{
	if (++calls != fail_call)
		return false;
	errno = fail_errno;
	return true;
}

static int openat_faulty(int dirfd, const char *path, int flags, mode_t mode)
{
	return faulty() ? -1 : real.openat(dirfd, path, flags, mode);
}

static ssize_t read_faulty(int fd, void *buf, size_t len)
{
	return faulty() ? -1 : real.read(fd, buf, len);
}

static ssize_t write_faulty(int fd, const void *buf, size_t len)
{
	/* A disk that fills up takes a part first. */
	if (faulty()) {
		(void)real.write(fd, buf, len / 2);
		errno = fail_errno;
		return -1;
	}
	return real.write(fd, buf, len);
}

static int fsync_faulty(int fd)
{
	return faulty() ? -1 : real.fsync(fd);
}

static int close_faulty(int fd)
{
	int r = real.close(fd);

	return faulty() ? -1 : r;
}

static int renameat_faulty(int olddir, const char *oldname, int newdir, const char *newname)
{
	return faulty() ? -1 : real.renameat(olddir, oldname, newdir, newname);
}

static int fstat_faulty(int fd, struct stat *st)
{
	return faulty() ? -1 : real.fstat(fd, st);
}

static void break_system(unsigned int at, int error)
{
	real = os_sys;
	calls = 0;
	fail_call = at;
	fail_errno = error;
	os_sys.read = read_faulty;
	if (only_reads)
		return;
	os_sys.openat = openat_faulty;
	os_sys.write = write_faulty;
	os_sys.fsync = fsync_faulty;
	os_sys.close = close_faulty;
	os_sys.renameat = renameat_faulty;
	os_sys.fstat = fstat_faulty;
}

static bool mend_system(void)
{
	os_sys = real;
	return calls >= fail_call;
}

/* T73: every call of an update fails in turn: the old state stands or the new one does, whole, and
 * objects too. */
static void every_call_fails_in_turn(void **unused)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };
	size_t k;

	for (k = 0; k < ARRAY_LEN(errors); k++) {
		unsigned int at;
		bool hit = true;

		fresh_dir(NULL);
		for (at = 1; hit; at++) {
			struct store *s;
			struct state state = { 0 }, next;
			struct err e = { 0 };
			struct document_ref ref;
			struct buf got;
			char object[32];
			bool lost;
			uint64_t before, after;
			int r;

			s = open_store(STORE_WRITE);
			assert_int_equal(store_load(s, T0, &state, &lost, &e), 0);
			assert_false(lost);
			before = state.accepted.serial;
			next = example(before + 2);
			snprintf(object, sizeof(object), "object %u", at);
			break_system(at, errors[k]);
			r = store_put(s, object, strlen(object), &ref.hash, &e);
			if (!r)
				r = store_save(s, &next, &e);
			hit = mend_system();
			store_close(s);
			after = believed(&lost);
			assert_false(lost);
			if (!r)
				assert_true(after == before + 2);
			else
				assert_true(after == before || after == before + 2);
			assert_true(r == 0 || hit);
			assert_true(r == 0 || e.msg[0]);
			/* What the new state names is there. */
			if (after == before + 2) {
				s = open_store(STORE_READ);
				ref.len = strlen(object);
				buf_init(&got, 100);
				assert_int_equal(store_get(s, &ref, &got, &e), 0);
				buf_release(&got);
				store_close(s);
			}
		}
		assert_true(at > 10);
	}
}

static void litter_of_killed_writes_goes(void **unused)
{
	static const char *const litter[] = { "state.a.0123456789abcdef.tmp",
					      "state.b.0123456789abcdef.tmp",
					      "report.0123456789abcdef.tmp",
					      "equivocation.0123456789abcdef.tmp" };
	struct store *s = open_store(STORE_WRITE);
	struct err e = { 0 };
	char path[300];
	size_t i;

	store_close(s);
	for (i = 0; i < ARRAY_LEN(litter); i++) {
		snprintf(path, sizeof(path), "%s/prod/%s", dir, litter[i]);
		assert_int_equal(os_replace(AT_FDCWD, path, "x", 1, 0600, &e), 0);
	}
	snprintf(path, sizeof(path), "%s/prod/notes.tmp", dir);
	assert_int_equal(os_replace(AT_FDCWD, path, "x", 1, 0600, &e), 0);
	store_close(open_store(STORE_WRITE));
	assert_true(os_exists(AT_FDCWD, path));
	for (i = 0; i < ARRAY_LEN(litter); i++) {
		snprintf(path, sizeof(path), "%s/prod/%s", dir, litter[i]);
		assert_false(os_exists(AT_FDCWD, path));
	}
}

static void a_slot_that_cannot_be_read(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct state state;
	struct err e = { 0 };
	bool lost;
	int r;

	save_serial(s, 5);
	save_serial(s, 6);
	only_reads = true;
	/* The first read is of state.a, the older one. */
	break_system(1, EIO);
	r = store_load(s, T0, &state, &lost, &e);
	mend_system();
	assert_true(r < 0 && strstr(e.msg, "mend the disk"));
	/* With the newer one unreadable the older one would mean older floors. */
	break_system(3, EIO);
	r = store_load(s, T0, &state, &lost, &e);
	mend_system();
	assert_int_equal(r, -1);
	/* Only one slot, and it cannot be read: that is no loss, and nothing is begun anew. */
	assert_int_equal(os_unlink(AT_FDCWD,
				   (snprintf(dir + strlen(dir), 32, "/prod/state.a"), dir), &e),
			 0);
	*strstr(dir, "/prod/") = '\0';
	break_system(1, EIO);
	r = store_load(s, T0, &state, &lost, &e);
	mend_system();
	only_reads = false;
	assert_int_equal(r, -1);
	store_close(s);
}

/* ---- folder and objects ---- */

static void others_must_not_write(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct err e = { 0 };
	char path[256];

	store_close(s);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(store_open(dir, "prod", STORE_WRITE, &s, &e), -1);
	assert_non_null(strstr(e.msg, "chmod go-w"));
	assert_int_equal(store_open(dir, "prod", STORE_READ, &s, &e), -1);
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/prod", dir);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(store_open(dir, "prod", STORE_WRITE, &s, &e), -1);
	assert_int_equal(chmod(path, 0700), 0);
	if (!geteuid()) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(store_open(dir, "prod", STORE_WRITE, &s, &e), -1);
		assert_non_null(strstr(e.msg, "chown"));
	}
}

static void one_at_a_time(void **unused)
{
	struct store *s = open_store(STORE_WRITE), *second = NULL, *reader;
	struct err e = { 0 };

	assert_int_equal(store_open(dir, "prod", STORE_WRITE, &second, &e), -1);
	assert_int_equal(e.class, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "another meshrc-agent"));
	reader = open_store(STORE_READ);
	store_close(reader);
	store_close(s);
	s = open_store(STORE_WRITE);
	store_close(s);
}

static void reading_makes_nothing(void **unused)
{
	struct store *s = open_store(STORE_READ);
	struct document_ref ref = { digest("x"), 1 };
	struct report report;
	struct state state;
	struct err e = { 0 };
	struct arena a;
	struct buf b;
	bool lost;

	arena_init(&a);
	buf_init(&b, 10);
	assert_int_equal(store_load(s, T0, &state, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(store_get(s, &ref, &b, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_int_equal(store_report_load(s, &a, &report), -1);
	assert_int_equal(store_save(s, &state, &e), -1);
	store_close(s);
	assert_false(os_exists(AT_FDCWD, dir));
	arena_release(&a);
	buf_release(&b);
}

static void damaged_objects_are_not_there(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct document_ref ref = { .len = 5 };
	char name[100], hex[DIGEST_STRLEN];
	struct err e = { 0 };
	struct digest again;
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(store_put(s, "hello", 5, &ref.hash, &e), 0);
	assert_int_equal(store_get(s, &ref, &b, &e), 0);
	assert_string_equal(b.data, "hello");
	snprintf(name, sizeof(name), "objects/%s", digest_print(&ref.hash, hex));
	write_file(name, "hellO", 5);
	buf_reset(&b);
	assert_int_equal(store_get(s, &ref, &b, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_int_equal(b.len, 0);
	/* Putting it again mends it. */
	assert_int_equal(store_put(s, "hello", 5, &again, &e), 0);
	assert_int_equal(store_get(s, &ref, &b, &e), 0);
	buf_reset(&b);
	write_file(name, "hello, and more", 15);
	assert_int_equal(store_get(s, &ref, &b, &e), -1);
	write_file(name, "", 0);
	assert_int_equal(store_get(s, &ref, &b, &e), -1);
	buf_release(&b);
	store_close(s);
}

static struct digest put(struct store *s, const char *text)
{
	struct err e = { 0 };
	struct digest d;

	if (store_put(s, text, strlen(text), &d, &e) < 0)
		fail_msg("%s", e.msg);
	return d;
}

static bool has(struct store *s, const char *text)
{
	struct document_ref ref = { digest(text), strlen(text) };
	struct buf b;
	bool r;

	buf_init(&b, 4096);
	r = !store_get(s, &ref, &b, NULL);
	buf_release(&b);
	return r;
}

static struct digest put_set(struct store *s, const char *page)
{
	struct set_entry entry = { false, TABLE_NODES, { digest(page), strlen(page) } };
	struct set set = { .entries = &entry, .n = 1 };
	struct buf b;
	struct digest d;

	buf_init(&b, 4096);
	assert_int_equal(set_encode(&set, &b), 0);
	d = put(s, b.data);
	buf_release(&b);
	return d;
}

static void only_what_is_named_stays(void **unused)
{
	struct store *s = open_store(STORE_WRITE);
	struct state state = example(8);
	struct err e = { 0 };

	state.root = put(s, "root");
	state.accepted.manifest = put(s, "manifest 7");
	put(s, "page 7");
	state.accepted.set = put_set(s, "page 7");
	state.applied = (struct applied){ 0 };
	assert_int_equal(store_save(s, &state, &e), 0);
	state.applied = (struct applied){ .serial = 7,
					  .interface = { "prod" },
					  .len = 10,
					  .manifest = state.accepted.manifest,
					  .set = state.accepted.set };
	state.accepted.manifest = put(s, "manifest 8");
	put(s, "page 8");
	state.accepted.set = put_set(s, "page 8");
	assert_int_equal(store_save(s, &state, &e), 0);
	put(s, "left over");
	write_file("objects/0123.tmp", "x", 1);
	assert_int_equal(store_collect(s, &state, &e), 0);
	assert_true(has(s, "root") && has(s, "manifest 7") && has(s, "page 7") &&
		    has(s, "manifest 8") && has(s, "page 8"));
	assert_false(has(s, "left over"));
	assert_false(there("objects/0123.tmp"));
	/* 7 goes when neither slot names it any more. */
	state.applied.manifest = state.accepted.manifest;
	state.applied.set = state.accepted.set;
	assert_int_equal(store_save(s, &state, &e), 0);
	assert_int_equal(store_collect(s, &state, &e), 0);
	assert_true(has(s, "page 7"));
	assert_int_equal(store_save(s, &state, &e), 0);
	assert_int_equal(store_collect(s, &state, &e), 0);
	assert_false(has(s, "page 7") || has(s, "manifest 7"));
	assert_true(has(s, "page 8") && has(s, "manifest 8") && has(s, "root"));
	store_close(s);
}

static int make_top(void **unused)
{
	return mkdtemp(top) ? 0 : -1;
}

static int remove_one(const char *name, bool is_dir, void *arg)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (is_dir && os_list(AT_FDCWD, path, remove_one, path, NULL))
		return -1;
	return is_dir ? rmdir(path) : unlink(path);
}

static int remove_top(void **unused)
{
	return os_list(AT_FDCWD, top, remove_one, top, NULL) || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_round_trip),
		cmocka_unit_test(state_of_the_host),
		cmocka_unit_test(state_of_the_links),
		cmocka_unit_test(state_has_one_spelling),
		cmocka_unit_test(set_round_trip),
		cmocka_unit_test(report_round_trip),
		cmocka_unit_test_setup(slots_take_turns, fresh_dir),
		cmocka_unit_test_setup(a_torn_slot_costs_nothing, fresh_dir),
		cmocka_unit_test(every_call_fails_in_turn),
		cmocka_unit_test_setup(litter_of_killed_writes_goes, fresh_dir),
		cmocka_unit_test_setup(a_slot_that_cannot_be_read, fresh_dir),
		cmocka_unit_test_setup(others_must_not_write, fresh_dir),
		cmocka_unit_test_setup(one_at_a_time, fresh_dir),
		cmocka_unit_test_setup(reading_makes_nothing, fresh_dir),
		cmocka_unit_test_setup(damaged_objects_are_not_there, fresh_dir),
		cmocka_unit_test_setup(only_what_is_named_stays, fresh_dir),
	};

	return cmocka_run_group_tests_name("store", tests, make_top, remove_top);
}
