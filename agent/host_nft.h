/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One nftables table of family inet, through libnftables: the only file that knows it. */
#ifndef AGENT_HOST_NFT_H
#define AGENT_HOST_NFT_H

#include "common/buf.h"
#include "common/err.h"

/* Appends the table as nft lists it, numbers as numbers, without counters and handles; nothing when
 * there is none of this name. */
int nft_table_list(const char *name, struct buf *out, struct err *e);
/* Replaces the table by `rules` ("table inet NAME { ... }"), or takes it away (NULL), in one
 * transaction. One that is not there is no error. */
int nft_table_set(const char *name, const char *rules, struct err *e);

#endif
