/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program run to its end, in a session of its own, with its output captured and its time bounded.
 * Never through a shell. */
#ifndef RECONCILER_SPAWN_H
#define RECONCILER_SPAWN_H

#include "common/buf.h"
#include "common/err.h"

/*
 * Runs argv[0] (found through PATH) in the folder `dir`. The environment is ours without what git
 * sets for hooks, plus the "NAME=VALUE" strings of `env` (ends with NULL). Standard input is empty;
 * stdout and stderr are appended to `out` up to its maximum. Returns 0 and the exit status (128 + N
 * for death by signal N), or -1: it could not be started, or was stopped after `seconds`.
 */
int spawn(const char *dir, const char *const *argv, const char *const *env, unsigned int seconds,
	  struct buf *out, int *ret_status, struct err *e) MUST_CHECK;

#endif
