/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routed links (struct routed_link): their line, and the addresses of their ends. Inside
 * publication/ and where links are made.
 */
#ifndef PUBLICATION_ROUTED_H
#define PUBLICATION_ROUTED_H

#include "common/arena.h"
#include "common/buf.h"
#include "publication/expand.h"
#include "publication/line.h"
#include "publication/network.h"

/* The two names and a blank: the key of the line. */
#define ROUTED_KEY_SIZE (2 * (MAX_NAME + 1))
char *routed_key(const struct routed_link *l, char out[static ROUTED_KEY_SIZE]);

int routed_encode(const struct routed_link *l, struct buf *out);
/* The routed links of a node: see struct config. */
int routed_expand(const struct network *n, const struct node *node, struct arena *a,
		  const struct config **ret, size_t *ret_n, struct err *e);
/* A whole line; 0, or -1 when it is none (or memory ran out). */
int routed_words(struct words *w, struct arena *a, struct routed_link *ret);

/* fe80::/64, the network of the link-local addresses of every link. */
extern const struct prefix routed_link_local;
/* A network that a link may have: /31, /127 or fe80::/64. */
bool routed_transfer_is_valid(const struct prefix *p);
/*
 * The address of an end, with its length: of a /31 or /127 the first node has the lower address,
 * the second the higher one; of fe80::/64 the first has fe80::1, the second fe80::2.
 */
struct ifaddr routed_address(const struct prefix *transfer, unsigned int end);

#endif
