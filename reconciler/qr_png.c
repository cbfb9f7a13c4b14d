/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <png.h>
#include <setjmp.h>

#include "common/buf.h"
#include "reconciler/qr.h"

#define SCALE 8
/* A module is a byte of a row, so nothing is shifted. */
#define MAX_ROW (177 + 2 * QR_QUIET)

struct writer {
	struct buf out; /* over guarded memory */
	char why[128];
	jmp_buf fail;
};

static void on_error(png_structp png, png_const_charp msg)
{
	struct writer *w = png_get_error_ptr(png);

	snprintf(w->why, sizeof(w->why), "%s", msg);
	longjmp(w->fail, 1);
}

static void on_warning(png_structp png, png_const_charp msg)
{
}

static void on_write(png_structp png, png_bytep data, size_t len)
{
	struct writer *w = png_get_io_ptr(png);

	buf_add(&w->out, data, len);
	if (!buf_ok(&w->out))
		png_error(png, "the picture is too large");
}

static void on_flush(png_structp png)
{
}

static void draw_row(const struct qr *q, unsigned int row, png_byte *out)
{
	unsigned int col;

	/* White is all ones. */
	memset(out, 0xff, q->size + 2 * QR_QUIET);
	for (col = 0; row >= QR_QUIET && row < QR_QUIET + q->size && col < q->size; col++)
		if (q->modules.b[(size_t)(row - QR_QUIET) * q->size + col])
			out[QR_QUIET + col] = 0;
}

/* Apart from its caller, whose variables setjmp must not spoil. */
static int write_png(struct writer *w, const struct qr *q, png_structp png, png_infop info)
{
	unsigned int width = q->size + 2 * QR_QUIET, row, i;
	png_byte line[MAX_ROW];

	if (setjmp(w->fail))
		return -1;
	png_set_write_fn(png, w, on_write, on_flush);
	png_set_IHDR(png, info, width * SCALE, width * SCALE, 1, PNG_COLOR_TYPE_GRAY,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (row = 0; row < width; row++) {
		draw_row(q, row, line);
		for (i = 0; i < SCALE; i++)
			png_write_row(png, line);
	}
	png_write_end(png, NULL);
	secret_wipe(line, sizeof(line));
	return 0;
}

int qr_png(const struct qr *q, struct secret *ret, struct err *e)
{
	unsigned int width = q->size + 2 * QR_QUIET;
	/* Uncompressed it is a bit for each pixel and a byte for each row. */
	size_t max = (size_t)width * SCALE * (width + 1) + 4096;
	struct secret memory = { 0 }, out = { 0 };
	struct writer w = { .why = "" };
	png_infop info = NULL;
	png_structp png;
	int r = -1;

	if (secret_init(&memory, max, e) < 0)
		return -1;
	w.out = (struct buf){ .data = (char *)memory.b, .cap = max, .max = max - 1 };
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
	if (png)
		info = png_create_info_struct(png);
	if (!info)
		err_nomem(e);
	else if (write_png(&w, q, png, info) < 0)
		err_set(e, ERR_IO, "cannot make a PNG picture: %s", w.why);
	else if (secret_init(&out, w.out.len, e) == 0) {
		memcpy(out.b, w.out.data, w.out.len);
		*ret = out;
		r = 0;
	}
	png_destroy_write_struct(&png, &info);
	secret_release(&memory);
	return r;
}
