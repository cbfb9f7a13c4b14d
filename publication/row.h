/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single lines of the tables, and the pieces that they have in common: each kind of line is in a
 * file of its own (row_record.c, row_node.c, row_permit.c; routed.c), its encoder and its decoder
 * together. Inside publication/ only.
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
/* One of these, spelt as it is printed. 0 or -1. */
int row_address(const char *s, size_t len, struct ipaddr *ret);
int row_prefix(const char *s, size_t len, struct prefix *ret);
/* 1 to `max` prefixes, canonical and spelt as row_put_prefixes does. 0 or -1. */
int row_prefixes(const char *s, size_t len, size_t max, struct arena *a, const struct prefix **ret,
		 size_t *ret_n);
/* The same, but sorted and each once is enough where `nested`: one may be inside another. */
int row_prefix_list(const char *s, size_t len, size_t max, bool nested, struct arena *a,
		    const struct prefix **ret, size_t *ret_n);
/* "A,B,...": how many items there are, and the next one. *p begins at the list and is NULL behind
 * the last, when it is false. */
size_t row_items(const char *s, size_t len);
bool row_item(const char **p, const char *end, const char **ret, size_t *ret_len);

/* " key=BASE64" */
void row_put_key(struct buf *out, const struct wgkey *k);

/* Each takes the next word of the line; 0, or -1 when it is not what the name says (or memory ran
 * out). */
int row_name(struct words *w, struct arena *a, const char **ret);
int row_key(struct words *w, struct wgkey *ret);
int row_number(struct words *w, const char *name, uint64_t min, uint64_t max, uint64_t *ret);
/* From 1 to `max`; *ret 0 when the next word is not this one. */
int row_number_if(struct words *w, const char *name, uint64_t max, uint64_t *ret);
/* A side of a permit: a name of nodes, or a prefix. */
int row_party(const char *s, size_t len, struct arena *a, const char **ret);
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
