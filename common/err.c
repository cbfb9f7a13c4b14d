/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>

static void fill(struct err *e, enum err_class class, const char *reason, const char *fmt,
		 va_list ap)
{
	int saved = errno;

	if (e) {
		e->class = class;
		e->reason = reason;
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	}
	errno = saved;
}

int err_set(struct err *e, enum err_class class, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, class, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

int err_refuse(struct err *e, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, ERR_VERIFY, reason, fmt, ap);
	va_end(ap);
	return -1;
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t len;

	if (!e)
		return -1;
	va_start(ap, fmt);
	fill(e, saved == ENOENT ? ERR_NOENT : saved == ENOMEM ? ERR_NOMEM : ERR_IO, NULL, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", strerror(saved));
	errno = saved;
	return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	size_t len;

	if (!e)
		return -1;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", old);
	return -1;
}

void err_suffix(struct err *e, const char *sentence)
{
	size_t len = strlen(e->msg);

	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", sentence);
}

int err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}
