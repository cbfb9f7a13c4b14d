/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cycle: load what is in force -> fetch -> accept -> store -> converge. Each step is one call,
 * so that `verify` stops after accepting, `plan` before changing anything, and `run` repeats it.
 * Nothing here prints: what a person should know that is no error goes through agent->say.
 *
 * Order of calls: agent_open; agent_key; then agent_fetch, agent_take, agent_converge, agent_report
 * as often as wanted; agent_close.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/apply.h"
#include "agent/config.h"
#include "agent/exit_route.h"
#include "agent/host.h"
#include "agent/links.h"
#include "agent/names.h"
#include "agent/resolve.h"
#include "agent/snapshot.h"
#include "common/secret.h"

struct agent {
	const struct agent_config *config;
	/* Warnings, one sentence each. NULL: nobody listens. */
	void (*say)(const char *sentence);
	struct store *store;
	enum store_access access;
	/* Made on the first use unless a test put one in; agent_close frees them. */
	struct fetcher *fetcher;
	struct kern *kern;
	struct host *host;
	struct names_system *names;
	char *journal; /* of the names */
	struct resolver *resolver;
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)]; /* of our interfaces */
	struct secret private_key;
	struct wgkey public_key;
	bool has_key;
	bool has_root;
	struct root root; /* the trusted one */
	/* The pin cannot be used, but there is a stored root: what was accepted stays in force and
	 * nothing is fetched. No class: all is well. */
	struct err pin_error;
	int64_t roots_due; /* when to look for new root documents though the manifest is the same */
	struct state state;
	struct report report;
	struct arena report_arena;
	/* What was accepted last; NULL: nothing yet, or its documents are lost. */
	struct snapshot *current;
	/* What stands on the interface; NULL: unknown, or the same as `current`. */
	struct snapshot *applied;
	/* The server that answered for each URL last, and how it was reached. No family: none did.
	 */
	struct lifeline reached[MAX_MIRRORS];
	/* Rotates in `run`, so that one server cannot hold us back for long. */
	unsigned int first_url;
};

/* What one fetch brought. */
struct cycle {
	struct moment now;
	struct snapshot *next; /* NULL: what is in force is the newest. agent_take takes it over,
				  cycle_release frees it */
	bool stale; /* what is in force has expired: nobody publishes, or somebody keeps us from
		       seeing it */
	uint64_t skipped;
	const char *url; /* that gave it */
	struct err errors[MAX_MIRRORS]; /* of each URL that was tried and failed, in the order of
					   the settings */
	bool tried[MAX_MIRRORS], failed[MAX_MIRRORS];
	bool walked; /* all URLs were asked for new root documents */
	unsigned int roots; /* new root documents that were taken */
	char etags[MAX_MIRRORS][MAX_ETAG + 1]; /* "" where none was given */
	struct digest etag_of[MAX_MIRRORS]; /* the manifest it stands for */
};

/* Opens the store, reads the pin and the state, loads what is in force. `say` may be called
 * already. */
int agent_open(struct agent *a, const struct agent_config *config, enum store_access access,
	       void (*say)(const char *), struct err *e);
void agent_close(struct agent *a);
/* Reads the private key; with `make`, makes it (mode 0600) when it is missing. Without, a missing
 * file is ERR_NOENT. */
int agent_key(struct agent *a, bool make, struct err *e);
/* The same without an agent, for --print-public-key. */
int agent_load_key(const char *path, bool make, struct secret *ret_private,
		   struct wgkey *ret_public, struct err *e);

/* -1: no URL gave anything acceptable; *e is the gravest reason, ret->errors has all. *ret is to be
 * released either way. */
int agent_fetch(struct agent *a, struct cycle *ret, struct err *e);
void cycle_release(struct cycle *c);
/* Stores c->next and its floors, durably, and makes it the current one. Nothing to do without
 * c->next. */
int agent_take(struct agent *a, struct cycle *c, struct err *e);

/* For a dry run: c->next becomes the current one in memory alone. */
void agent_pretend(struct agent *a, struct cycle *c);

struct convergence {
	struct arena arena;
	bool acted; /* false: there is nothing to bring up, or to take away (removed before anything
		       was in force) */
	/* Nothing was in force as far as the state knows: what a lost one knew may still stand. */
	bool first;
	struct ifname interface;
	size_t n_peers;
	struct apply_result result;
	struct link_convergence *links; /* the interfaces of routed links */
	size_t n_links;
	struct exit_result exit; /* policy rules of an exit */
	struct err exit_error; /* no class: the rules are known, and may be as wanted */
	bool exit_held; /* they stay as they are, since the interface does */
	struct host_result host; /* policy, forwarding and masquerading; `sets` has all of it */
	/* Of it, the table, as far as it had to be made before an interface changed, or had to be
	 * mended since one could not be made. */
	struct host_result guard;
	struct names_result names;
	const char **unresolved; /* names without an address */
	size_t n_unresolved;
	/* Interfaces that are wanted under names of somebody else's. They are not touched, nor does
	 * anything of ours name them. */
	struct refusal *refused;
	size_t n_refused;
	/* The same, and those that could not be made: not in the table. */
	struct ifname *without;
	size_t n_without;
	/* Interfaces that carry our alias and are not wanted under their names: taken away. */
	struct ifname *others;
	size_t n_others;
};

/* What was to be done, and was done, on all interfaces together. */
size_t convergence_ops(const struct convergence *c);
size_t convergence_changes(const struct convergence *c);

/*
 * Brings the interfaces to a->current, and then the host around them and the names; a policy is
 * there before the interface changes, or the interface does not change (*e says so). With `dry`,
 * only says what it would do. *ret is to be released either way. What goes wrong with one interface
 * or with the host is an error and holds nothing else up: ret->result.verified is about the main
 * interface, ret->links has each of the others.
 */
int agent_converge(struct agent *a, bool dry, int64_t resolve_ms, struct convergence *ret,
		   struct err *e);
void convergence_release(struct convergence *c);
/* Takes the interfaces away and puts the host back as it was. *ret_name is the (first) one that was
 * there, or, when *ret_n is 0, that was not. */
int agent_down(struct agent *a, struct ifname *ret_name, size_t *ret_n, struct err *e);
/* Reads the interface as it is: for `status`. */
int agent_observe(struct agent *a, const struct ifname *name, struct arena *arena,
		  struct observed *ret, struct err *e);
/* Keeps what happened for `status`: `c` may be NULL (nothing was fetched), `e` too (all is well).
 */
void agent_report(struct agent *a, const struct cycle *c, const struct err *e);
/* Removes documents that nothing needs any more. */
void agent_tidy(struct agent *a);

/* The clock, or what --now says. */
int64_t agent_clock(const struct agent_config *c);

#endif
