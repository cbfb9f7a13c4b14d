/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The repository through libgit2: names of commits, single blobs, and the published branch's
 * compare-and-swap. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "common/os_file.h"
#include "reconciler/publish.h"

struct fixture {
	char dir[64];
	struct repo *repo;
	struct arena arena;
	struct err err;
	char commits[3][COMMIT_HEX]; /* a line of three on the branch "p" */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int commit(struct fixture *f, const char *parent, const char *text,
		  char ret[static COMMIT_HEX])
{
	const struct tree_file files[] = {
		{ "a/b/same", "the same\n", 9 },
		{ "a/b/text", text, strlen(text) },
		{ "top", "", 0 },
	};

	return publish_to_branch(f->repo, "p", parent, files, ARRAY_LEN(files), text, 1000000000,
				 ret, &f->err);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	arena_init(&f->arena);
	snprintf(f->dir, sizeof(f->dir), "/tmp/meshrc-unit.XXXXXX");
	if (!mkdtemp(f->dir) || repo_create(f->dir, &f->repo, &f->err) < 0)
		return -1;
	return commit(f, NULL, "one\n", f->commits[0]) ||
	       commit(f, f->commits[0], "two\n", f->commits[1]) ||
	       commit(f, f->commits[1], "three\n", f->commits[2]);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	repo_free(f->repo);
	arena_release(&f->arena);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void test_resolve(void **state)
{
	struct fixture *f = *state;
	char id[COMMIT_HEX], text[64];
	static const struct {
		const char *rev;
		int commit; /* -1: refused */
	} rows[] = {
		{ "p", 2 },
		{ "p~", 1 },
		{ "p~1", 1 },
		{ "p^", 1 },
		{ "p~2", 0 },
		{ "p^^", 0 },
		{ "p~1^", 0 },
		{ "p~0", 2 },
		{ "p~3", -1 },
		{ "p^^^", -1 },
		{ "p^1", -1 },
		{ "p~01", -1 },
		{ "p~x", -1 },
		{ "p~1000001", -1 },
		{ "", -1 },
		{ "~1", -1 },
		{ "-p", -1 },
		{ "p:a", -1 },
		{ "p@{0}", -1 },
		{ "@", -1 },
		{ "p..p", -1 },
		{ "HEAD", -1 },
		{ "refs/heads/p", -1 },
		{ "p/", -1 },
		{ "p.lock", -1 },
		{ "P", -1 },
		{ "p ", -1 },
		{ "p\n", -1 },
		{ ":/one", -1 },
		{ "p^{tree}", -1 },
		{ "../p", -1 },
		{ "abc", -1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = repo_resolve(f->repo, rows[i].rev, id, &f->err);

		if (rc != (rows[i].commit < 0 ? -1 : 0))
			fail_msg("'%s' gave %d", rows[i].rev, rc);
		if (!rc)
			assert_string_equal(id, f->commits[rows[i].commit]);
	}
	assert_int_equal(repo_resolve(f->repo, f->commits[1], id, &f->err), 0);
	snprintf(text, sizeof(text), "%.8s", f->commits[1]);
	assert_int_equal(repo_resolve(f->repo, text, id, &f->err), 0);
	assert_string_equal(id, f->commits[1]);
	snprintf(text, sizeof(text), "%.3s", f->commits[1]);
	assert_int_equal(repo_resolve(f->repo, text, id, &f->err), -1);
	snprintf(text, sizeof(text), "%.8s~1", f->commits[1]);
	assert_int_equal(repo_resolve(f->repo, text, id, &f->err), 0);
	assert_string_equal(id, f->commits[0]);
}

static void test_branches(void **state)
{
	struct fixture *f = *state;
	const char *head;
	char id[COMMIT_HEX];

	assert_int_equal(repo_branch(f->repo, "p", id, &f->err), 0);
	assert_string_equal(id, f->commits[2]);
	assert_int_equal(repo_branch(f->repo, "q", id, &f->err), -1);
	assert_int_equal(f->err.class, ERR_NOENT);
	assert_int_equal(repo_branch(f->repo, "../heads/p", id, &f->err), -1);
	assert_int_equal(repo_head_branch(f->repo, &f->arena, &head, &f->err), 0);
	assert_string_equal(head, "main");
}

static void test_descends(void **state)
{
	struct fixture *f = *state;
	char other[COMMIT_HEX];
	bool yes;

	assert_int_equal(repo_descends(f->repo, f->commits[2], f->commits[0], &yes, &f->err), 0);
	assert_true(yes);
	assert_int_equal(repo_descends(f->repo, f->commits[1], f->commits[1], &yes, &f->err), 0);
	assert_true(yes);
	assert_int_equal(repo_descends(f->repo, f->commits[0], f->commits[2], &yes, &f->err), 0);
	assert_false(yes);
	/* A sibling with a common ancestor. */
	assert_int_equal(publish_move_branch(f->repo, "p", f->commits[2], f->commits[0], &f->err),
			 0);
	assert_int_equal(commit(f, f->commits[0], "sibling\n", other), 0);
	assert_int_equal(repo_descends(f->repo, other, f->commits[2], &yes, &f->err), 0);
	assert_false(yes);
	assert_int_equal(repo_descends(f->repo, other, "0123456789012345678901234567890123456789",
				       &yes, &f->err),
			 -1);
	assert_int_equal(f->err.class, ERR_NOENT);
}

static void test_blobs(void **state)
{
	struct fixture *f = *state;
	struct repo_entry *list;
	struct buf b;
	size_t n;

	buf_init(&b, 100);
	assert_int_equal(repo_blob(f->repo, f->commits[0], "a/b/text", 4, &b, &f->err), 0);
	assert_string_equal(b.data, "one\n");
	buf_reset(&b);
	assert_int_equal(repo_blob(f->repo, f->commits[0], "a/b/text", 3, &b, &f->err), -1);
	assert_int_equal(f->err.class, ERR_LIMIT);
	assert_int_equal(b.len, 0);
	assert_int_equal(repo_blob(f->repo, f->commits[0], "a/b/none", 9, &b, &f->err), -1);
	assert_int_equal(f->err.class, ERR_NOENT);
	assert_int_equal(repo_blob(f->repo, f->commits[0], "a/b", 9, &b, &f->err), -1);
	assert_int_equal(f->err.class, ERR_INPUT);
	assert_int_equal(repo_blob(f->repo, "p", "a/b/text", 9, &b, &f->err), -1);
	buf_release(&b);
	assert_int_equal(repo_folder(f->repo, f->commits[0], "", &f->arena, &list, &n, &f->err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "a");
	assert_true(list[0].is_dir);
	assert_string_equal(list[1].name, "top");
	assert_false(list[1].is_dir);
	assert_int_equal(repo_folder(f->repo, f->commits[0], "a/c", &f->arena, &list, &n, &f->err),
			 -1);
	assert_int_equal(f->err.class, ERR_NOENT);
}

static void test_compare_and_swap(void **state)
{
	struct fixture *f = *state;
	char id[COMMIT_HEX], now[COMMIT_HEX];

	/* Onto something else than the tip; as if there were no branch; and onto a commit that is
	 * not there. */
	assert_int_equal(commit(f, f->commits[1], "late\n", id), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(commit(f, NULL, "first\n", id), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(commit(f, "0123456789012345678901234567890123456789", "lost\n", id), -1);
	assert_int_equal(repo_branch(f->repo, "p", now, &f->err), 0);
	assert_string_equal(now, f->commits[2]);
	/* The same tree again is no commit. */
	assert_int_equal(commit(f, f->commits[2], "three\n", id), 0);
	assert_string_equal(id, f->commits[2]);

	assert_int_equal(publish_move_branch(f->repo, "p", f->commits[0], f->commits[1], &f->err),
			 -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(publish_move_branch(f->repo, "p", NULL, f->commits[1], &f->err), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(publish_move_branch(f->repo, "p", f->commits[0], NULL, &f->err), -1);
	assert_int_equal(f->err.class, ERR_CONFLICT);
	assert_int_equal(publish_move_branch(f->repo, "p", f->commits[2], NULL, &f->err), 0);
	assert_int_equal(repo_branch(f->repo, "p", now, &f->err), -1);
	assert_int_equal(publish_move_branch(f->repo, "p", NULL, f->commits[1], &f->err), 0);
	assert_int_equal(commit(f, f->commits[1], "on top\n", id), 0);
	assert_int_equal(publish_move_branch(f->repo, "a..b", NULL, f->commits[1], &f->err), -1);
}

/* What a git that was killed leaves behind is got over when it is old, and told when it is not. */
static void test_left_lock(void **state)
{
	struct fixture *f = *state;
	char id[COMMIT_HEX], path[160];
	struct timespec old[2] = { { .tv_sec = time(NULL) - 120 }, { .tv_sec = time(NULL) - 120 } };
	FILE *lock;

	snprintf(path, sizeof(path), "%s/.git/refs/heads/p.lock", f->dir);
	lock = fopen(path, "w");
	assert_non_null(lock);
	assert_int_equal(fclose(lock), 0);
	assert_int_equal(commit(f, f->commits[2], "four\n", id), -1);
	assert_int_equal(f->err.class, ERR_IO);
	assert_non_null(strstr(f->err.msg, "refs/heads/p.lock"));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(commit(f, f->commits[2], "four\n", id), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static int objects;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	objects += type == FTW_F;
	return 0;
}

static int count_objects(const struct fixture *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.git/objects", f->dir);
	objects = 0;
	nftw(path, count_one, 16, FTW_PHYS);
	return objects;
}

static void test_writes_what_changed(void **state)
{
	struct fixture *f = *state;
	int before = count_objects(f);
	char id[COMMIT_HEX];

	/* One blob, the trees a/b, a and the top, and the commit; "same" and "top" are there. */
	assert_int_equal(commit(f, f->commits[2], "four\n", id), 0);
	assert_int_equal(count_objects(f), before + 5);
	/* Back to a tree that stood there: the commit alone. */
	assert_int_equal(commit(f, id, "two\n", id), 0);
	assert_int_equal(count_objects(f), before + 6);
}

static void test_odd_trees(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", "/x", "x//y", "x/", "../x", "x/.git/y", "." };
	char id[COMMIT_HEX];
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		struct tree_file file = { bad[i], "x", 1 };

		if (publish_to_branch(f->repo, "p", f->commits[2], &file, 1, "x", 1, id, &f->err) ==
		    0)
			fail_msg("'%s' was written", bad[i]);
	}
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	const char *value = "";

	assert_int_equal(repo_config(f->repo, "meshrc.signingKey", &f->arena, &value, &f->err), 0);
	assert_null(value);
	assert_int_equal(repo_config_set(f->repo, "meshrc.signingKey", "/a b/\"c\"", &f->err), 0);
	assert_int_equal(repo_config(f->repo, "meshrc.signingKey", &f->arena, &value, &f->err), 0);
	assert_string_equal(value, "/a b/\"c\"");
}

/* The user's own configuration must not reach us: not even a name for commits. */
static void test_user_config_ignored(void **state)
{
	struct fixture *f = *state;
	const char *value = "", *home = getenv("HOME");
	static const char text[] = "[user]\n\tname = somebody\n";
	char path[128], *saved = home ? strdup(home) : NULL;
	struct repo *r;

	snprintf(path, sizeof(path), "%s/.gitconfig", f->dir);
	assert_int_equal(os_create(AT_FDCWD, path, text, sizeof(text) - 1, 0600, &f->err), 0);
	setenv("HOME", f->dir, 1);
	assert_int_equal(repo_open(f->dir, &r, &f->err), 0);
	assert_int_equal(repo_config(r, "user.name", &f->arena, &value, &f->err), 0);
	assert_null(value);
	repo_free(r);
	if (saved)
		setenv("HOME", saved, 1);
	free(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resolve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_branches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blobs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_compare_and_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writes_what_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_trees, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_config_ignored, setup, teardown),
	};

	/* What a hook's environment says would misdirect the tests. */
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_OBJECT_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
