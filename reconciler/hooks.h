/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The git hooks: their text (the files of hooks/ in this source tree, a test holds them equal) and
 * putting them into a repository. */
#ifndef RECONCILER_HOOKS_H
#define RECONCILER_HOOKS_H

#include "reconciler/repo.h"

enum hook_state {
	HOOK_INSTALLED, /* now, or an older one of ours replaced */
	HOOK_STANDS, /* the same one stood there */
	HOOK_FOREIGN, /* somebody's own hook stands there and was left alone */
};

/* The hooks that a repository of this kind runs: pre-commit with a work tree; pre-receive and
 * post-receive when bare. Ends with NULL. */
const char *const *hooks_for(const struct repo *r);
/* Its text, or NULL. */
const char *hook_text(const char *name);
/* Refused (ERR_INPUT) when core.hooksPath of the repository says that hooks stand elsewhere. */
int hook_install(struct repo *r, const char *name, enum hook_state *ret, struct err *e);

#endif
