/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/timefmt.h"

#include <stdbool.h>

#include "common/num.h"

/* Days since 1970-01-01 of a Gregorian date: years counted from March, so that the leap day comes
 * last. */
static int64_t days_from_date(int64_t y, unsigned int m, unsigned int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_from_days(int64_t days, int64_t *y, unsigned int *m, unsigned int *d)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*d = (unsigned int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (unsigned int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static bool field(const char *s, size_t at, size_t len, unsigned int *ret)
{
	unsigned int v = 0;
	size_t i;

	for (i = at; i < at + len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned int)(s[i] - '0');
	}
	*ret = v;
	return true;
}

int time_parse(const char *s, size_t len, int64_t *ret)
{
	unsigned int y, mo, d, h, mi, sec, m2, d2;
	int64_t days, y2;

	if (len != TIME_STRLEN - 1 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
	    s[16] != ':' || s[19] != 'Z')
		return -1;
	if (!field(s, 0, 4, &y) || !field(s, 5, 2, &mo) || !field(s, 8, 2, &d) ||
	    !field(s, 11, 2, &h) || !field(s, 14, 2, &mi) || !field(s, 17, 2, &sec))
		return -1;
	if (y < 1970 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || sec > 59)
		return -1;
	days = days_from_date(y, mo, d);
	date_from_days(days, &y2, &m2, &d2);
	if (y2 != y || m2 != mo || d2 != d)
		return -1;
	*ret = days * 86400 + h * 3600 + mi * 60 + sec;
	return 0;
}

char *time_print(int64_t t, char out[static TIME_STRLEN])
{
	unsigned int m, d, rest;
	int64_t y;

	if (t < 0)
		t = 0;
	if (t > TIME_MAX)
		t = TIME_MAX;
	date_from_days(t / 86400, &y, &m, &d);
	rest = (unsigned int)(t % 86400);
	snprintf(out, TIME_STRLEN, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned int)y % 10000,
		 m % 100, d % 100, rest / 3600 % 100, rest / 60 % 60, rest % 60);
	return out;
}

static const struct unit {
	char suffix;
	const char *word;
	int64_t seconds;
} units[] = {
	{ 'w', NULL, 7 * 86400 }, { 'd', "day", 86400 }, { 'h', "hour", 3600 },
	{ 'm', "minute", 60 },	  { 's', "second", 1 },
};

int duration_parse(const char *s, size_t len, int64_t *ret)
{
	uint64_t n;
	size_t i;

	if (len < 2 || num_parse(s, len - 1, 400 * 86400, &n) < 0 || !n)
		return -1;
	for (i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].suffix != s[len - 1])
			continue;
		if ((int64_t)n > 400 * 86400 / units[i].seconds)
			return -1;
		*ret = (int64_t)n * units[i].seconds;
		return 0;
	}
	return -1;
}

char *duration_print(int64_t seconds, char out[static AGO_STRLEN])
{
	int64_t n;
	size_t i;

	if (seconds < 0)
		seconds = 0;
	for (i = 1; i < ARRAY_LEN(units) - 1 && seconds < units[i].seconds; i++)
		;
	n = seconds / units[i].seconds;
	snprintf(out, AGO_STRLEN, "%lld %s%s", (long long)n, units[i].word, n == 1 ? "" : "s");
	return out;
}
