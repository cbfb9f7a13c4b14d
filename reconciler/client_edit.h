/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client put into the YAML of its network, on the text: what stood there keeps every byte, so
 * comments and layout stay. Pure; what comes out must still be loaded, since text alone does not
 * tell whether it is what was meant.
 *
 * Where it goes: into the file of the network that has `clients:` (networks/NAME/clients.yaml, when
 * several have it, else the first), behind its last entry and in its indentation; else, in a
 * network of one file, as `clients:` at its end; else into networks/NAME/clients.yaml, which is
 * made when it is not there.
 */
#ifndef RECONCILER_CLIENT_EDIT_H
#define RECONCILER_CLIENT_EDIT_H

#include "common/arena.h"
#include "common/diag.h"
#include "common/err.h"
#include "common/key.h"
#include "common/prefix.h"

/* What is put in. */
struct client_entry {
	const char *name, *gateway;
	struct wgkey key;
	const struct ifaddr *addresses; /* pinned, their lengths left out */
	size_t n_addresses; /* 0: automatic ones */
};

struct client_edit {
	const char *path;
	const struct source *before; /* one of `files`; NULL: a new file */
	const char *text; /* all of the file, as it is to be */
	size_t len;
};

/*
 * `files`: all of the configuration, which loads without an error. The result lives in `a`. Fails
 * (ERR_INPUT) when there is no place for an entry that can be found.
 */
int client_edit(const struct source *files, size_t n, const char *network,
		const struct client_entry *entry, struct arena *a, struct client_edit *ret,
		struct err *e);

#endif
