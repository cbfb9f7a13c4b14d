/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nearly every command of meshrc starts with: open the repository, read the configuration of a
 * commit or of the work tree, load and check it, read what is published, compile. Glue for cmd_*.c:
 * it prints diagnostics to stderr.
 */
#ifndef RECONCILER_SESSION_H
#define RECONCILER_SESSION_H

#include "publication/network.h"
#include "reconciler/publish.h"
#include "reconciler/repo.h"
#include "schema/model.h"

struct session_options {
	const char *repo_dir; /* --repo; NULL: the current folder */
	const char *rev; /* --rev; NULL: the work tree, or HEAD of a bare repository */
	const char *tree; /* the id of a tree in place of a revision (what is being committed);
			     NULL: none */
	const char *network; /* only this one is compiled and told of; NULL: all. Clashes on
				machines are looked for between all networks, as ever */
	bool strict; /* warnings are errors */
	bool explains; /* what is compiled is looked at, not put to use: assertions that do not hold
			  are warnings */
	bool settings_only; /* loaded and checked, but nothing is compiled, nor is the published
			       branch looked at */
};

/* One network on both sides; compiled is NULL when it was removed from the configuration, old when
 * it is not published. */
struct session_network {
	const char *name;
	const struct m_network *model;
	const struct network *compiled;
	const struct published_network *old;
};

struct session {
	struct arena arena;
	struct repo *repo;
	char commit[COMMIT_HEX]; /* of rev; empty: the work tree */
	struct source *files;
	size_t n_files;
	struct diag diag;
	struct model model;
	bool has_root; /* trust/root-N stands in the configuration and verified */
	struct root root; /* the newest of them */
	struct root *chain; /* all of them, decoded */
	const char *root_bytes;
	size_t root_len;
	struct root_doc *roots; /* all of them: roots[i] is version i + 1 */
	size_t n_roots;
	bool no_branch; /* no published branch is known here, neither ours nor a remote's */
	struct published published;
	struct session_network *networks; /* sorted by name */
	size_t n_networks;
};

/*
 * `networks` holds those of the configuration and those that are still published with nodes though
 * the configuration has them no more. The published state is that of session_tip.
 *
 * Opens, loads, compiles. Returns 0, or an exit code after having told the user everything that is
 * wrong. The session must be closed in both cases.
 */
int session_open(struct session *s, const struct session_options *o);
void session_close(struct session *s);
/*
 * The commit that holds the published state now: of the local branch, or of
 * refs/remotes/REMOTE/BRANCH where that is ahead or alone (REMOTE: publish.remote, else "origin").
 * Errors: published_tip.
 */
int session_tip(struct session *s, char ret_commit[static COMMIT_HEX], struct err *e);
/* Prints what is in `d`, warnings unless --quiet; an exit code, 0 while there is no error. */
int session_report(struct diag *d);
/* Warns that no published branch is known here though the repository has a remote, and what follows
 * from that ("everything looks new"). */
void session_warn_no_branch(struct session *s, const char *what_follows);
/* The network to work on when a command takes one: by name, or the only one there is; NULL after
 * telling the user. */
const struct session_network *session_network(const struct session *s, const char *name);

#endif
