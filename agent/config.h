/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's settings: options of the command line, and the same names as `key = value` lines of a
 * file. One table says what there is. An option overrides the file; several --url options replace
 * all of the file's.
 *
 * A file has one setting on a line, `#` starts a comment line, blank lines are skipped. A value is
 * the rest of its line without the blanks around it: there are no quotes and no escapes. Everything
 * else is an error with its place: an unknown key, a key given twice (but `url`), a value of the
 * wrong kind. Pure: the caller reads the file.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/diag.h"
#include "common/limits.h"
#include "common/name.h"

#define CONFIG_FILE "/etc/meshrc/agent.conf"
#define CONFIG_STATE_DIR "/var/lib/meshrc"
#define MAX_CONFIG_FILE (64u << 10)
/* Seconds between two polls of `run`, before the random share of a fifth. */
#define CONFIG_INTERVAL 60
#define MAX_INTERVAL 86400

enum config_key {
	CONFIG_URL,
	CONFIG_NETWORK,
	CONFIG_NODE,
	CONFIG_TRUST,
	CONFIG_PRIVATE_KEY,
	CONFIG_STATE,
	CONFIG_INTERFACE,
	CONFIG_BACKEND,
	CONFIG_OFFLINE,
	CONFIG_NOW,
	CONFIG_POLL,
	CONFIG_NAMES,
	N_CONFIG_KEYS,
};

struct config_value {
	const char *text; /* NULL: not given */
	size_t len;
	struct pos pos; /* of the value; no source: it came from the command line */
};

/* What was given, not looked at yet. */
struct config_raw {
	struct config_value urls[MAX_MIRRORS];
	size_t n_urls;
	struct config_value v[N_CONFIG_KEYS]; /* v[CONFIG_URL] is unused */
};

enum backend {
	BACKEND_AUTO, /* the kernel where it has WireGuard, else userspace */
	BACKEND_KERNEL,
	BACKEND_USERSPACE,
};

/* What may be done with the network's names on this host. */
enum names_use {
	NAMES_AUTO, /* systemd-resolved where it is asked, else /etc/hosts */
	NAMES_ONLY_HOSTS, /* /etc/hosts alone */
	NAMES_OFF,
};

/* A URL of a publication: scheme and the rest, checked, without slashes at its end. */
struct agent_config {
	const char *urls[MAX_MIRRORS]; /* "https://...", "http://..." or "file:///..." */
	size_t n_urls;
	const char *network, *node; /* valid names; NULL: not given */
	const char *trust; /* NULL: not given */
	const char *private_key; /* default: STATE_DIR/NETWORK/private.key */
	const char *state_dir;
	struct ifname interface; /* s[0] == 0: as the node document says */
	enum backend backend;
	bool offline;
	bool has_now;
	int64_t now;
	unsigned int interval;
	enum names_use names;
};

/* The key's name: of an option (with two dashes before it) and in the file. */
const char *config_key_name(enum config_key k);
/* Adds a file's settings to *raw, which starts zeroed. Texts point into the source. Errors go to
 * `d`. */
void config_parse(const struct source *s, struct config_raw *raw, struct diag *d);
/* An option: overrides what a file gave. -1 when there are too many URLs. `text` must outlive the
 * result. */
int config_option(struct config_raw *raw, enum config_key k, const char *text);
/*
 * Checks every value. *ret_from_option is set when an error was found in a value of the command
 * line. Texts live in `a`. Returns 0, or -1 with at least one error in `d`.
 */
int config_finish(const struct config_raw *raw, struct arena *a, struct agent_config *ret,
		  struct diag *d, bool *ret_from_option);

#endif
