/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network's block in a hosts file. Pure.
 *
 *   # BEGIN meshrc prod: kept by meshrc-agent
 *   10.20.0.1<tab>fra1.mesh.example.net<tab># meshrc prod
 *   # END meshrc prod
 *
 * Ours is a line that says so itself: the two marks, and what is an address, a name and our
 * comment. Every other line of the file is somebody else's and stays as it is, byte for byte, also
 * between the marks, or where one of them is missing. A file whose last line has no end gets one
 * when the block comes behind it, the first mark says so (", after an added line end"), and it goes
 * with the block.
 */
#ifndef AGENT_HOSTS_BLOCK_H
#define AGENT_HOSTS_BLOCK_H

#include <stddef.h>

#include "common/buf.h"
#include "common/limits.h"

/* The end of each line of the block, for names_put_hosts (publication/names.h). */
#define HOSTS_TAIL_STRLEN (MAX_NAME + 16)
char *hosts_block_tail(const char *network, char out[static HOSTS_TAIL_STRLEN]);

/*
 * Appends the file `old` to `out` with `lines`, which end in the network's tail, as its block:
 * where a part of it stood first, else at the end. No lines: without it. -1: `out` has no room.
 */
int hosts_block_edit(const char *old, size_t len, const char *network, const char *lines,
		     size_t lines_len, struct buf *out);

#endif
