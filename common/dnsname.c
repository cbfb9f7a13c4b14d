/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/dnsname.h"

#include "common/attr.h"

#define MAX_LABEL 63

static bool is_label(const char *s, size_t len)
{
	size_t i;

	if (!len || len > MAX_LABEL || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (i = 0; i < len; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return false;
	return true;
}

static bool are_labels(const char *s, size_t len)
{
	size_t i, from = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && s[i] != '.')
			continue;
		if (!is_label(s + from, i - from))
			return false;
		from = i + 1;
	}
	return true;
}

bool dnsname_is_host(const char *name, size_t len)
{
	return are_labels(name, len);
}

/* True for `domain` and everything under it. */
static bool is_under(const char *s, size_t len, const char *domain)
{
	size_t n = strlen(domain);

	return len >= n && !memcmp(s + len - n, domain, n) && (len == n || s[len - n - 1] == '.');
}

const char *dnsname_domain_wrong(const char *s, size_t len)
{
	static const struct {
		const char *domain, *why;
	} special[] = {
		{ "localhost", "`localhost` is every machine itself (RFC 6761)" },
		{ "localdomain", "`localdomain` is every machine itself" },
		{ "local", "names under `local` are asked for by multicast (RFC 6762)" },
		{ "invalid", "names under `invalid` do not exist (RFC 6761)" },
		{ "onion", "names under `onion` belong to Tor (RFC 7686)" },
		{ "arpa",
		  "names under `arpa` belong to the DNS itself; `home.arpa` is for everybody" },
	};
	size_t i, last = 0;

	for (i = 0; i < len; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			return "write it in lower case";
	if (len && s[len - 1] == '.')
		return "write it without the final dot";
	if (len > MAX_DOMAIN)
		return "with a node's name before it, it would be longer than a name may be";
	if (!are_labels(s, len))
		return "a domain is words of a-z, 0-9 and '-', each of 1 to 63 and neither beginning nor "
		       "ending with '-', joined by '.'";
	for (i = 0; i < len; i++)
		if (s[i] == '.')
			last = i + 1;
	for (i = last; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		;
	if (i == len)
		return "its last word is a number, as in an IP address";
	if (is_under(s, len, "home.arpa"))
		return NULL;
	for (i = 0; i < ARRAY_LEN(special); i++)
		if (is_under(s, len, special[i].domain))
			return special[i].why;
	return NULL;
}
