/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>

#include "common/os_file.h"
#include "tests/unit/repositories.h"

static void read_files(struct repository *x, const char *below);

struct below {
	struct repository *repository;
	const char *folder;
};

static int add_file(const char *name, bool is_dir, void *arg)
{
	const struct below *b = arg;
	struct repository *x = b->repository;
	size_t len = strlen(name);
	char path[512], rel[256];
	struct buf text;
	struct err e;

	snprintf(rel, sizeof(rel), "%s%s%s", b->folder, *b->folder ? "/" : "", name);
	if (is_dir) {
		read_files(x, rel);
		return 0;
	}
	if (len < 5 || strcmp(name + len - 5, ".yaml") != 0)
		return 0;
	assert_true(x->n < MAX_TEST_FILES);
	snprintf(path, sizeof(path), "%s/%s", x->top, rel);
	buf_init(&text, 1 << 20);
	if (os_read_file(AT_FDCWD, path, 1 << 20, &text, &e) < 0)
		fail_msg("%s", e.msg);
	x->list[x->n++] = (struct source){ .path = arena_strdup(&x->arena, rel),
					   .text = arena_strndup(&x->arena, text.data, text.len),
					   .len = text.len };
	buf_release(&text);
	return 0;
}

static void read_files(struct repository *x, const char *below)
{
	struct below b = { x, below };
	char path[512];
	struct err e;

	snprintf(path, sizeof(path), "%s%s%s", x->top, *below ? "/" : "", below);
	if (os_list(AT_FDCWD, path, add_file, &b, &e))
		fail_msg("%s", e.msg);
}

void repositories_each(const char *dir, const char *below, void (*fn)(const struct repository *x))
{
	struct dirent *entry;
	unsigned int n = 0;
	char top[512];
	DIR *handle = opendir(dir);

	if (!handle)
		fail_msg("%s is not there: run from the top of the tree", dir);
	while ((entry = readdir(handle))) {
		struct repository x = { .top = top };

		if (entry->d_name[0] == '.')
			continue;
		snprintf(top, sizeof(top), "%s/%s%s", dir, entry->d_name, below);
		arena_init(&x.arena);
		read_files(&x, "");
		fn(&x);
		arena_release(&x.arena);
		n++;
	}
	closedir(handle);
	assert_true(n > 4);
}
