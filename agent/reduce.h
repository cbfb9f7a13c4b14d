/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a configuration when all that another one does not have is taken away. Pure. */
#ifndef AGENT_REDUCE_H
#define AGENT_REDUCE_H

#include "publication/expand.h"

/*
 * *ret is `old` without the peers that `new` does not have (by key), without the allowed IPs that
 * no allowed IP of the same peer in `new` holds, and without the routes that then lead nowhere: it
 * admits nothing that one of the two does not. But for the default routes of the old exit: as long
 * as its node is in the network it stays one, since otherwise all else of this host would end in a
 * tunnel. Lives in `a` and points into `old`. -1: out of
 * memory.
 */
int config_reduce(const struct config *old, const struct config *new, struct arena *a,
		  struct config *ret);

#endif
