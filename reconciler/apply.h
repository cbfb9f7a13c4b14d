/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One apply, from a commit to the published tree: what `meshrc apply`, `meshrc watch` and the
 * post-receive hook run. Glue: it prints.
 *
 * Order: compile, plan, ask; then under the repository's lock: sign, read the new tree back as an
 * agent would, commit it to the published branch (compare-and-swap), push it (when `publish.remote`
 * is set: the remote's fast-forward rule decides which of two reconcilers wins a serial, so a
 * commit that it refuses is taken back, and an unattended run fetches and starts again), write the
 * directory. Each step is repeated by the next apply when it did not finish.
 */
#ifndef RECONCILER_APPLY_H
#define RECONCILER_APPLY_H

#include <stdbool.h>

struct apply_options {
	const char *repo_dir; /* NULL: the current folder */
	const char *rev; /* NULL: HEAD */
	const char *key; /* --key; NULL: MESHRC_SIGNING_KEY, then meshrc.signingKey of the
			    repository's configuration */
	bool auto_approve;
	bool refresh; /* sign every manifest anew */
	bool prune; /* drop networks whose nodes were all published as gone before */
	bool allow_rewind; /* the source commit need not descend from what is published */
	bool quiet_unchanged; /* say nothing when there is nothing to do */
};

/* Returns an exit code, after telling the user. */
int apply_run(const struct apply_options *o);

#endif
