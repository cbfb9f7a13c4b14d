/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The links of one node while a network is compiled. Part of the compiler.
 */
#ifndef RECONCILER_LINK_SET_H
#define RECONCILER_LINK_SET_H

#include "common/arena.h"
#include "publication/network.h"

struct link_set {
	struct link *list;
	size_t n, cap;
};

/* Makes room for as many again. -1: out of memory. The list lives in `a`; the old one stays there.
 */
int link_set_grow(struct link_set *s, struct arena *a);
/* Adds a link behind the others. -1: out of memory. */
int link_set_add(struct link_set *s, struct arena *a, struct link link);
/* Makes *to hold what `from` does, in a list that is no longer than that when it needs a new one.
 * -1: out of memory. */
int link_set_copy(struct link_set *to, struct arena *a, const struct link_set *from);
/* Sorts by link_cmp, each once. Of several keepalives for one target the shortest stays; none is
 * longer than any. */
void link_set_unique(struct link_set *s);

#endif
