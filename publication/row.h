/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single lines of the tables: a record, a node, and the pieces that other lines have too. Inside
 * publication/ only.
 */
#ifndef PUBLICATION_ROW_H
#define PUBLICATION_ROW_H

#include "common/arena.h"
#include "common/buf.h"
#include "publication/line.h"
#include "publication/network.h"

/* The sort key of a freed address: its family's digit and 32 hex digits, so that strcmp sorts as
 * ipaddr_cmp does. */
#define FREED_KEY_SIZE 34
void freed_key(const struct ipaddr *a, char out[static FREED_KEY_SIZE]);

/* "P,P,..." */
void row_put_prefixes(struct buf *out, const struct prefix *list, size_t n);
/* 1 to `max` prefixes, canonical and spelt as row_put_prefixes does. 0 or -1. */
int row_prefixes(const char *s, size_t len, size_t max, struct arena *a, const struct prefix **ret,
		 size_t *ret_n);

/* " key=BASE64" */
void row_put_key(struct buf *out, const struct wgkey *k);

/* Each takes the next word of the line; 0, or -1 when it is not what the name says (or memory ran
 * out). */
int row_name(struct words *w, struct arena *a, const char **ret);
int row_key(struct words *w, struct wgkey *ret);
int row_number(struct words *w, const char *name, uint64_t min, uint64_t max, uint64_t *ret);
/* " allowed_ips=... dns=... mtu=N keepalive=N": what is not as without it; and back, *ret NULL
 * where nothing is. */
void row_put_settings(struct buf *out, const struct client_settings *s);
int row_settings(struct words *w, struct arena *a, const struct client_settings **ret);
/* Whole lines. */
int record_words(struct words *w, struct arena *a, struct record *ret);
int node_words(struct words *w, struct arena *a, struct node *ret);
int permit_words(struct words *w, struct arena *a, struct permit *ret);

/* The two first lines of every document of a network. */
int document_header(struct line_reader *r, const char *kind, const char *network, struct err *e);

/* Only what the printer writes is accepted: parsing and printing again must give the same text. */
bool row_same_text(const char *printed, const char *s, size_t len);

#endif
