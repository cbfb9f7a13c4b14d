/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/qr.h"

#include <errno.h>
#include <qrencode.h>

#include "common/buf.h"

/* Black on white of the 6 by 6 by 6 colour cube, which unlike the first 16 colours has no theme. */
#define COLOURS "\033[38;5;16;48;5;231m"
#define PLAIN "\033[0m"

int qr_make(const void *data, size_t len, enum qr_level level, struct qr *ret, struct err *e)
{
	struct qr q = { 0 };
	QRcode *code = NULL;
	size_t i, n;
	int r = -1;

	if (len > MAX_QR_BYTES)
		return err_set(e, ERR_LIMIT,
			       "%zu bytes do not fit into a QR code, which holds %d at most", len,
			       MAX_QR_BYTES);
	if (level == QR_STURDY)
		code = QRcode_encodeData((int)len, data, 0, QR_ECLEVEL_M);
	if (!code)
		code = QRcode_encodeData((int)len, data, 0, QR_ECLEVEL_L);
	if (!code)
		return errno == ENOMEM ? err_nomem(e) : err_errno(e, "cannot make a QR code");
	n = (size_t)code->width * (size_t)code->width;
	if (secret_init(&q.modules, n, e) == 0) {
		q.size = (unsigned int)code->width;
		/* The other bits say what a module is for. */
		for (i = 0; i < n; i++)
			q.modules.b[i] = code->data[i] & 1;
		*ret = q;
		r = 0;
	}
	secret_wipe(code->data, n);
	QRcode_free(code);
	return r;
}

void qr_release(struct qr *q)
{
	secret_release(&q->modules);
	*q = (struct qr){ 0 };
}

/* Dark or not; the quiet zone around the code is light. */
static bool dark(const struct qr *q, unsigned int row, unsigned int col)
{
	if (row < QR_QUIET || col < QR_QUIET || row >= QR_QUIET + q->size ||
	    col >= QR_QUIET + q->size)
		return false;
	return q->modules.b[(size_t)(row - QR_QUIET) * q->size + col - QR_QUIET];
}

/* A buffer of a fixed size over guarded memory: it never grows, so it leaves no copies behind. */
static int fixed(size_t size, struct secret *memory, struct buf *ret, struct err *e)
{
	if (secret_init(memory, size, e) < 0)
		return -1;
	*ret = (struct buf){ .data = (char *)memory->b, .cap = size, .max = size - 1 };
	return 0;
}

/* What was written, without the room behind it. */
static int finish(const struct buf *b, struct secret *memory, struct secret *ret, struct err *e)
{
	struct secret out = { 0 };
	int r = buf_ok(b) ? secret_init(&out, b->len, e) :
			    err_set(e, ERR_LIMIT, "the picture is too large");

	if (!r) {
		memcpy(out.b, b->data, b->len);
		*ret = out;
	}
	secret_release(memory);
	return r;
}

int qr_text(const struct qr *q, bool colour, struct secret *ret, struct err *e)
{
	/* By what is drawn of the upper and the lower module. */
	static const char *const blocks[] = { " ", "\u2584", "\u2580", "\u2588" };
	unsigned int width = q->size + 2 * QR_QUIET, row, col;
	struct secret memory;
	struct buf b;

	/* Three bytes for each block, and room for the colours of each line. */
	if (fixed(((size_t)width * 3 + 32) * ((width + 1) / 2) + 1, &memory, &b, e) < 0)
		return -1;
	for (row = 0; row < width; row += 2) {
		if (colour)
			buf_adds(&b, COLOURS);
		for (col = 0; col < width; col++) {
			/* A code has an odd number of rows: below the last one there is nothing. */
			bool upper = dark(q, row, col) == colour;
			bool lower = row + 1 < width ? dark(q, row + 1, col) == colour : false;

			buf_adds(&b, blocks[2 * upper + lower]);
		}
		buf_adds(&b, colour ? PLAIN "\n" : "\n");
	}
	return finish(&b, &memory, ret, e);
}

int qr_svg(const struct qr *q, struct secret *ret, struct err *e)
{
	unsigned int width = q->size + 2 * QR_QUIET, row, col, end;
	struct secret memory;
	struct buf b;

	/* At most half of the modules of a row begin a run, each of 24 bytes at most. */
	if (fixed((size_t)width * width / 2 * 24 + 1024, &memory, &b, e) < 0)
		return -1;
	buf_addf(
		&b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" shape-rendering=\"crispEdges\">\n"
		"<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n<path fill=\"#000000\" d=\"",
		width * 8, width * 8, width, width, width, width);
	for (row = 0; row < width; row++) {
		for (col = 0; col < width; col = end) {
			for (end = col + 1; end < width && dark(q, row, end) == dark(q, row, col);
			     end++)
				;
			if (dark(q, row, col))
				buf_addf(&b, "M%u %uh%uv1H%uz", col, row, end - col, col);
		}
		buf_addc(&b, '\n');
	}
	buf_adds(&b, "\"/>\n</svg>\n");
	return finish(&b, &memory, ret, e);
}
