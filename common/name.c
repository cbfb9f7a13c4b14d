/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/name.h"

#include "common/limits.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *s, size_t len)
{
	size_t i;

	if (!len || len > MAX_NAME || !is_lower_alnum(s[0]))
		return false;
	for (i = 1; i < len; i++)
		if (!is_lower_alnum(s[i]) && s[i] != '.' && s[i] != '-')
			return false;
	return true;
}

/* The loopback, and what stands for interfaces in the names of settings: not to be made by anybody.
 */
static bool is_taken(const char *name)
{
	return !strcmp(name, "lo") || !strcmp(name, "all") || !strcmp(name, "default");
}

int ifname_parse(const char *s, size_t len, struct ifname *ret)
{
	struct ifname name = { { 0 } };
	size_t i;

	if (!len || len >= IFNAME_SIZE)
		return -1;
	/* Not "-x" either: the name is an argument of programs. */
	if (s[0] == '-')
		return -1;
	if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
		return -1;
	for (i = 0; i < len; i++) {
		char c = s[i];

		if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '=' &&
		    c != '+' && c != '.' && c != '-')
			return -1;
		name.s[i] = c;
	}
	if (is_taken(name.s))
		return -1;
	*ret = name;
	return 0;
}
