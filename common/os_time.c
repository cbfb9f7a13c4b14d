/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_time.h"

#include <errno.h>

#include "common/os_sys.h"

int64_t os_now(void)
{
	struct timespec ts = { 0 };

	/* Cannot fail for this clock (clock_gettime(2)); 1970 is what the rules for bad clocks
	 * expect if it does. */
	(void)os_sys.clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int64_t os_monotonic_ms(void)
{
	struct timespec ts = { 0 };

	(void)os_sys.clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void os_sleep_ms(unsigned int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int os_random(void *buf, size_t len, struct err *e)
{
	char *p = buf;

	while (len) {
		ssize_t n = os_sys.getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(e, "cannot get random bytes");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
