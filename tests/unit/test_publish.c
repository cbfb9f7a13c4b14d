/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Manifests to come, trees, and the directory with every system call failing in turn. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/secret.h"
#include "publication/sign.h"
#include "publication/verify.h"
#include "reconciler/publish.h"

#define COMMIT_A "1111111111111111111111111111111111111111"
#define NOW INT64_C(1800000000)
#define DAY 86400

struct fixture {
	char dir[64];
	struct arena arena;
	struct err err;
	struct secret root_seed, seed;
	struct root root;
	struct root_doc root_doc;
	struct record records[3];
	struct node nodes[3];
	struct ipaddr addrs[3];
	struct ifaddr ifaddrs[3];
	struct network network;
};

static int make_root(struct fixture *f)
{
	struct buf body, out;
	int rc;

	f->root = (struct root){
		.format = 1,
		.mesh = { { 1, 2, 3 } },
		.version = 1,
		.epoch = 1,
		.min_format = 1,
		.issued = NOW,
		.renew_by_never = true,
		.root_threshold = 1,
		.n_root_keys = 1,
		.n_publisher_keys = 1,
	};
	if (sign_new_key(&f->root_seed, &f->root.root_keys[0], &f->err) < 0 ||
	    sign_new_key(&f->seed, &f->root.publisher_keys[0], &f->err) < 0)
		return -1;
	buf_init(&body, MAX_ROOT_DOC);
	buf_init(&out, MAX_ROOT_DOC);
	rc = root_encode(&f->root, &body);
	if (!rc)
		rc = sign_document(SIGN_TYPE_ROOT, &body, &f->root_seed, 1, &out, &f->err);
	f->root_doc = (struct root_doc){ arena_strndup(&f->arena, out.data, out.len), out.len };
	buf_release(&body);
	buf_release(&out);
	return rc;
}

static void make_network(struct fixture *f)
{
	static const char *const names[] = { "a", "b", "c" };
	size_t i;

	for (i = 0; i < 3; i++) {
		f->addrs[i] = (struct ipaddr){ 4, { 10, 0, 0, (uint8_t)(i + 1) } };
		f->ifaddrs[i] = (struct ifaddr){ f->addrs[i], 24 };
		f->records[i] = (struct record){ .name = names[i],
						 .addresses = &f->addrs[i],
						 .n_addresses = 1 };
		memset(f->records[i].key.b, (int)i + 65, 32);
		f->nodes[i] = (struct node){ .name = names[i],
					     .key = f->records[i].key,
					     .interface = { "net" },
					     .mtu = 1420,
					     .addresses = &f->ifaddrs[i],
					     .n_addresses = 1 };
	}
	f->network = (struct network){
		.name = "net",
		.records = f->records,
		.n_records = 3,
		.nodes = f->nodes,
		.n_nodes = 3,
	};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	arena_init(&f->arena);
	make_network(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/meshrc-unit.XXXXXX");
	return mkdtemp(f->dir) ? make_root(f) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	secret_release(&f->seed);
	secret_release(&f->root_seed);
	arena_release(&f->arena);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static struct outgoing make(struct fixture *f, const struct published_network *old, int64_t now,
			    bool refresh)
{
	struct outgoing o;

	if (outgoing_make(&f->network, old, 7, &f->root, COMMIT_A, now, 30 * DAY, refresh,
			  &f->arena, &o, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	if ((o.changed || o.renewed) &&
	    outgoing_sign(&o, &f->seed, &f->root, &f->arena, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	return o;
}

/* What would be read back of it. */
static struct published_network as_published(struct fixture *f, const struct outgoing *o)
{
	return (struct published_network){
		.manifest = o->manifest,
		.manifest_bytes = o->manifest_bytes,
		.manifest_len = o->manifest_len,
		.network = f->network,
	};
}

static void test_first_manifest(void **state)
{
	struct fixture *f = *state;
	struct outgoing o = make(f, NULL, NOW, false);

	assert_true(o.changed);
	assert_false(o.renewed);
	assert_int_equal(o.manifest.serial, 7);
	assert_false(o.manifest.has_previous);
	assert_true(o.manifest.issued == NOW && o.manifest.expires == NOW + 30 * DAY);
	assert_string_equal(o.manifest.commit, COMMIT_A);
	assert_int_equal(o.manifest.root_version, 1);
	assert_int_equal(o.manifest.tables[TABLE_GONE].len, 0);
	assert_int_not_equal(o.manifest.tables[TABLE_RECORDS].len, 0);
}

static void test_when_a_manifest_is_new(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *what;
		int64_t after;
		bool refresh, moved, renewed, changed;
		int64_t issued_after;
	} rows[] = {
		{ "nothing new", 60, false, false, false, false, 0 },
		{ "one second before the half", 15 * DAY, false, false, false, false, 0 },
		{ "past the half of its time", 15 * DAY + 1, false, false, true, false,
		  15 * DAY + 1 },
		{ "long expired", 300 * DAY, false, false, true, false, 300 * DAY },
		{ "asked for", 60, true, false, true, false, 60 },
		{ "a change", 60, false, true, false, true, 60 },
		{ "a change, asked for", 60, true, true, false, true, 60 },
		{ "a change while the clock is behind", -3600, false, true, false, true, 0 },
		{ "asked for while the clock is behind", -400 * DAY, true, false, true, false, 0 },
	};
	struct outgoing first = make(f, NULL, NOW, false);
	struct published_network old = as_published(f, &first);
	struct digest hash;
	size_t i;

	digest_of(first.manifest_bytes, first.manifest_len, &hash);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct outgoing o;

		f->nodes[1].mtu = rows[i].moved ? 1380 : 1420;
		o = make(f, &old, NOW + rows[i].after, rows[i].refresh);
		ROW_CHECK(o.changed == rows[i].changed && o.renewed == rows[i].renewed, i);
		if (!o.changed && !o.renewed) {
			ROW_CHECK(o.manifest_bytes == first.manifest_bytes &&
					  o.manifest.serial == 7,
				  i);
			continue;
		}
		ROW_CHECK(o.manifest.serial == 8 && o.manifest.has_previous, i);
		ROW_CHECK(!digest_cmp(&o.manifest.previous, &hash), i);
		ROW_CHECK(o.manifest.issued == NOW + rows[i].issued_after, i);
		ROW_CHECK(o.manifest.expires == o.manifest.issued + 30 * DAY, i);
	}
}

static void test_new_epoch(void **state)
{
	struct fixture *f = *state;
	struct outgoing first = make(f, NULL, NOW, false), o;
	struct published_network old = as_published(f, &first);

	f->root.epoch = 2;
	o = make(f, &old, NOW + 60, false);
	assert_true(o.renewed);
	assert_int_equal(o.manifest.epoch, 2);
	assert_int_equal(o.manifest.serial, 1);
	assert_false(o.manifest.has_previous);
}

static void test_wrong_key(void **state)
{
	struct fixture *f = *state;
	struct outgoing o;

	assert_int_equal(outgoing_make(&f->network, NULL, 7, &f->root, COMMIT_A, NOW, DAY, false,
				       &f->arena, &o, &f->err),
			 0);
	assert_int_equal(outgoing_sign(&o, &f->root_seed, &f->root, &f->arena, &f->err), -1);
	assert_string_equal(f->err.reason, "UNKNOWN-KEY");
}

static void test_retire(void **state)
{
	struct fixture *f = *state;
	const struct freed freed[] = {
		{ .address = { 4, { 10, 0, 0, 2 } }, .serial = 3, .node = "z" },
	};
	const struct gone gone[] = { { "bb", 3 } };
	struct network n;

	f->records[1].n_addresses = 0;
	f->network.freed = freed;
	f->network.n_freed = 1;
	f->network.gone = gone;
	f->network.n_gone = 1;
	assert_int_equal(network_retire(&f->network, 7, &f->arena, &n, &f->err), 0);
	assert_true(!n.n_nodes && !n.n_records && !n.n_groups);
	assert_int_equal(n.n_gone, 4);
	assert_string_equal(n.gone[0].name, "a");
	assert_int_equal(n.gone[0].serial, 7);
	assert_string_equal(n.gone[2].name, "bb");
	assert_int_equal(n.gone[2].serial, 3);
	assert_int_equal(n.n_freed, 3);
	assert_int_equal(n.freed[0].address.b[3], 1);
	assert_string_equal(n.freed[0].node, "a");
	assert_int_equal(n.freed[0].serial, 7);
	assert_string_equal(n.freed[1].node, "z");
	assert_int_equal(n.freed[1].serial, 3);
	assert_int_equal(n.freed[2].address.b[3], 3);
}

static void test_retire_limit(void **state)
{
	struct fixture *f = *state;
	struct gone *gone = arena_array(&f->arena, MAX_TOMBSTONES, sizeof(*gone));
	struct network n;

	f->network.gone = gone;
	f->network.n_gone = MAX_TOMBSTONES - 3;
	for (size_t i = 0; i < MAX_TOMBSTONES; i++)
		gone[i] = (struct gone){ "x", 1 };
	assert_int_equal(network_retire(&f->network, 7, &f->arena, &n, &f->err), 0);
	f->network.n_gone++;
	assert_int_equal(network_retire(&f->network, 7, &f->arena, &n, &f->err), -1);
	assert_int_equal(f->err.class, ERR_LIMIT);
}

static void make_tree(struct fixture *f, const struct outgoing *o, struct tree_file **files,
		      size_t *n)
{
	if (tree_make(&f->root_doc, 1, o, 1, &f->arena, files, n, &f->err) < 0)
		fail_msg("%s", f->err.msg);
}

static void test_tree(void **state)
{
	struct fixture *f = *state;
	struct outgoing o = make(f, NULL, NOW, false);
	struct tree_file *files;
	size_t n, i;

	make_tree(f, &o, &files, &n);
	/* The root, the manifest, and a page and an index for records and for nodes. */
	assert_int_equal(n, 6);
	assert_string_equal(files[n - 1].path, "root/1");
	for (i = 1; i < n; i++)
		assert_true(strcmp(files[i - 1].path, files[i].path) < 0);
	assert_int_equal(tree_verify(files, n, "net", &f->root, &f->arena, &f->err), 0);
	assert_int_equal(tree_verify(files, n, "other", &f->root, &f->arena, &f->err), -1);
	/* Every file of the network counts, and every byte of it. */
	for (i = 0; i < n - 1; i++) {
		struct tree_file kept = files[i];
		char *bad = arena_strndup(&f->arena, kept.data, kept.len);

		bad[kept.len / 2] ^= 1;
		files[i].data = bad;
		assert_int_equal(tree_verify(files, n, "net", &f->root, &f->arena, &f->err), -1);
		files[i] = kept;
		files[i].len--;
		assert_int_equal(tree_verify(files, n, "net", &f->root, &f->arena, &f->err), -1);
		files[i] = kept;
	}
	assert_int_equal(tree_verify(files, n, "net", &f->root, &f->arena, &f->err), 0);
	o.name = "root";
	assert_int_equal(tree_make(&f->root_doc, 1, &o, 1, &f->arena, &files, &n, &f->err), -1);
}

/* The directory. */

static int publish(struct fixture *f, const struct tree_file *files, size_t n, int64_t now,
		   bool *changed)
{
	return publish_to_directory(f->dir, files, n, now, DAY, changed, &f->err);
}

/* What a reader of the directory sees: everything from the manifest down. */
static bool reads_back(struct fixture *f, uint64_t *ret_serial)
{
	struct tree_file files[64];
	size_t n = 0;
	struct manifest m;
	struct index index;
	struct buf b;
	char path[512];
	int i, fd = os_open_dir(AT_FDCWD, f->dir, NULL);
	bool good = false;

	buf_init(&b, MAX_PAGE);
	if (fd < 0 || os_read_file(fd, "net/manifest", MAX_MANIFEST, &b, NULL) < 0)
		goto out;
	if (verify_manifest(&f->root, "net", 1, b.data, b.len, &f->arena, &m, NULL) < 0)
		goto out;
	files[n++] = (struct tree_file){ "net/manifest", arena_strndup(&f->arena, b.data, b.len),
					 b.len };
	for (i = 0; i < N_TABLES; i++) {
		const char *data;
		size_t j;

		if (!m.tables[i].len)
			continue;
		document_path("net", "index", &m.tables[i].hash, path);
		buf_reset(&b);
		if (os_read_file(fd, path, MAX_INDEX, &b, NULL) < 0)
			goto out;
		data = arena_strndup(&f->arena, b.data, b.len);
		files[n++] = (struct tree_file){ arena_strdup(&f->arena, path), data, b.len };
		if (index_decode(data, b.len, "net", (enum table)i, &f->arena, &index, NULL) < 0)
			goto out;
		for (j = 0; j < index.n; j++) {
			document_path("net", table_name((enum table)i), &index.entries[j].page.hash,
				      path);
			buf_reset(&b);
			if (os_read_file(fd, path, MAX_PAGE, &b, NULL) < 0)
				goto out;
			files[n++] = (struct tree_file){ arena_strdup(&f->arena, path),
							 arena_strndup(&f->arena, b.data, b.len),
							 b.len };
		}
	}
	for (size_t k = 1; k < n; k++)
		for (size_t j = k; j && strcmp(files[j - 1].path, files[j].path) > 0; j--) {
			struct tree_file t = files[j];

			files[j] = files[j - 1];
			files[j - 1] = t;
		}
	good = tree_verify(files, n, "net", &f->root, &f->arena, NULL) == 0;
	*ret_serial = m.serial;
out:
	buf_release(&b);
	os_close(fd);
	return good;
}

/* Calls of the seam that change something; the n-th fails. */
static struct os_sys real;
static int calls, fail_at;

static bool fails(void)
{
	return ++calls == fail_at;
}

static int bad_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_CREAT) && fails()) {
		errno = ENOSPC;
		return -1;
	}
	return real.openat(dirfd, path, flags, mode);
}

static ssize_t bad_write(int fd, const void *data, size_t len)
{
	if (fails()) {
		errno = ENOSPC;
		return -1;
	}
	return real.write(fd, data, len);
}

static int bad_fsync(int fd)
{
	if (fails()) {
		errno = EIO;
		return -1;
	}
	return real.fsync(fd);
}

static int bad_renameat(int a, const char *b, int c, const char *d)
{
	if (fails()) {
		errno = ENOSPC;
		return -1;
	}
	return real.renameat(a, b, c, d);
}

static int bad_unlinkat(int dirfd, const char *path, int flags)
{
	if (fails()) {
		errno = EROFS;
		return -1;
	}
	return real.unlinkat(dirfd, path, flags);
}

static int bad_mkdirat(int dirfd, const char *path, mode_t mode)
{
	if (fails()) {
		errno = ENOSPC;
		return -1;
	}
	return real.mkdirat(dirfd, path, mode);
}

static void inject(int at)
{
	calls = 0;
	fail_at = at;
	os_sys.openat = bad_openat;
	os_sys.write = bad_write;
	os_sys.fsync = bad_fsync;
	os_sys.renameat = bad_renameat;
	os_sys.unlinkat = bad_unlinkat;
	os_sys.mkdirat = bad_mkdirat;
}

static void test_directory_faults(void **state)
{
	struct fixture *f = *state;
	struct outgoing first = make(f, NULL, NOW, false), second;
	struct published_network old = as_published(f, &first);
	struct tree_file *files, *next;
	size_t n, n_next;
	uint64_t serial = 0;
	bool changed;
	int at;

	make_tree(f, &first, &files, &n);
	f->nodes[1].mtu = 1380;
	second = make(f, &old, NOW + 60, false);
	make_tree(f, &second, &next, &n_next);
	assert_int_equal(publish(f, files, n, NOW, &changed), 0);
	assert_true(changed);
	real = os_sys;
	for (at = 1; at < 1000; at++) {
		int rc;

		inject(at);
		rc = publish(f, next, n_next, NOW + 60, &changed);
		os_sys = real;
		if (!reads_back(f, &serial))
			fail_msg("after call %d failed, the directory does not read back", at);
		if (calls < at)
			break;
		if (rc == 0 && serial != 8)
			fail_msg("call %d failed and nobody noticed", at);
	}
	assert_in_range(at, 10, 999);
	assert_int_equal(serial, 8);
	/* Nothing is left of all the attempts. */
	assert_int_equal(publish(f, next, n_next, NOW + 61, &changed), 0);
	assert_false(changed);
}

static bool exists(struct fixture *f, const char *path)
{
	int fd = os_open_dir(AT_FDCWD, f->dir, NULL);
	bool there = os_exists(fd, path);

	os_close(fd);
	return there;
}

static void test_directory_keeps(void **state)
{
	struct fixture *f = *state;
	struct outgoing first = make(f, NULL, NOW, false), second;
	struct published_network old = as_published(f, &first);
	char page[MAX_DOCUMENT_PATH] = "";
	struct tree_file *files, *next;
	size_t n, n_next, i;
	bool changed;

	make_tree(f, &first, &files, &n);
	for (i = 0; i < n; i++)
		if (!strncmp(files[i].path, "net/nodes/", 10))
			snprintf(page, sizeof(page), "%s", files[i].path);
	f->nodes[1].mtu = 1380;
	second = make(f, &old, NOW + 60, false);
	make_tree(f, &second, &next, &n_next);
	assert_int_equal(publish(f, files, n, NOW, &changed), 0);
	assert_int_equal(publish(f, next, n_next, NOW + 60, &changed), 0);
	assert_true(exists(f, page));
	assert_int_equal(publish(f, next, n_next, NOW + 60 + DAY - 1, &changed), 0);
	assert_true(exists(f, page));
	/* A clock that is set back starts the time anew rather than never. */
	assert_int_equal(publish(f, next, n_next, NOW - DAY, &changed), 0);
	assert_int_equal(publish(f, next, n_next, NOW - 1, &changed), 0);
	assert_true(exists(f, page));
	assert_int_equal(publish(f, next, n_next, NOW, &changed), 0);
	assert_false(exists(f, page));
	assert_false(exists(f, ".meshrc-unreferenced"));
	assert_false(changed);
}

static void test_directory_never_back(void **state)
{
	struct fixture *f = *state;
	struct outgoing first = make(f, NULL, NOW, false), second, twin;
	struct published_network old = as_published(f, &first);
	struct tree_file *a, *b, *c;
	size_t n_a, n_b, n_c;
	bool changed;

	make_tree(f, &first, &a, &n_a);
	second = make(f, &old, NOW + 60, true);
	twin = make(f, &old, NOW + 61, true);
	make_tree(f, &second, &b, &n_b);
	make_tree(f, &twin, &c, &n_c);
	assert_int_equal(publish(f, b, n_b, NOW, &changed), 0);
	assert_int_equal(publish(f, a, n_a, NOW, &changed), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(publish(f, c, n_c, NOW, &changed), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(publish(f, b, n_b, NOW, &changed), 0);
	assert_false(changed);
}

static void test_shared_lock(void **state)
{
	struct fixture *f = *state;
	int dir = os_open_dir(AT_FDCWD, f->dir, &f->err), first, second;

	assert_true(dir >= 0);
	first = os_lock_shared(dir, "shared", 0, &f->err);
	assert_true(first >= 0);
	second = os_lock_shared(dir, "shared", 0, &f->err);
	assert_int_equal(second, -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	/* It is given up after its time, and not waited for without end. */
	second = os_lock_shared(dir, "shared", 1, &f->err);
	assert_int_equal(second, -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	os_close(first);
	second = os_lock_shared(dir, "shared", 1, &f->err);
	assert_true(second >= 0);
	os_close(second);
	os_close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_manifest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_when_a_manifest_is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_epoch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retire, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retire_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_never_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_lock, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
