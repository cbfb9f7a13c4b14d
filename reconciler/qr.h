/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QR codes (ISO/IEC 18004) of a client's configuration, and three pictures of them. A code mostly
 * holds a private key, so the code and its pictures live in guarded memory; the libraries that make
 * them have buffers of their own, which are wiped only as far as they can be reached.
 */
#ifndef RECONCILER_QR_H
#define RECONCILER_QR_H

#include <stdbool.h>

#include "common/err.h"
#include "common/secret.h"

struct qr {
	struct secret modules; /* size * size bytes, row by row: 1 is dark */
	unsigned int size; /* 21 to 177 */
};

/* The light frame around a code, in modules (ISO/IEC 18004, 5.3.8). */
#define QR_QUIET 4
/* What the largest code (version 40) holds at the lowest level of error correction. */
#define MAX_QR_BYTES 2953

enum qr_level {
	QR_SMALL, /* level L: as few modules as possible, for a screen */
	QR_STURDY, /* level M where it fits, for what is printed */
};

/* ERR_LIMIT past MAX_QR_BYTES. */
int qr_make(const void *data, size_t len, enum qr_level level, struct qr *ret, struct err *e);
void qr_release(struct qr *q);

/*
 * As text: two modules above each other are one UTF-8 half block. With `colour` the blocks are
 * black on white, said in colours that no terminal's theme changes; without, what is light is
 * drawn, as it must be on a dark terminal.
 */
int qr_text(const struct qr *q, bool colour, struct secret *ret, struct err *e);
int qr_svg(const struct qr *q, struct secret *ret, struct err *e);
/* 8 by 8 pixels for each module, one bit deep. */
int qr_png(const struct qr *q, struct secret *ret, struct err *e);

#endif
