/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hosts file, as anybody may have left it: our block goes in and comes out, twice makes no
 * difference, and what is somebody else's stays.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hosts_block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES "10.20.0.1\ta.mesh.example.net\t# meshrc prod\n"

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static void edit(const char *old, size_t len, const char *lines, struct buf *out)
{
	buf_init(out, 1u << 20);
	must(hosts_block_edit(old, len, "prod", lines, strlen(lines), out) == 0, "no room");
}

static bool same(const struct buf *a, const char *b, size_t len)
{
	return a->len == len && (!len || !memcmp(a->data, b, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf with, again, without, both;

	edit(text, size, LINES, &with);
	edit(with.data, with.len, LINES, &again);
	must(same(&again, with.data, with.len), "the same names change the file");
	edit(text, size, "", &without);
	edit(with.data, with.len, "", &both);
	must(same(&both, without.data, without.len), "the block leaves something behind");
	must(without.len <= size, "without the block the file is longer");
	if (!memmem(text, size, "meshrc prod", 11))
		must(same(&without, text, size), "somebody else's lines were changed");
	buf_release(&with);
	buf_release(&again);
	buf_release(&without);
	buf_release(&both);
	return 0;
}
