/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/endpoint.h"

#include "common/num.h"
#include "common/prefix.h"

/* RFC 1123 2.1 host names, underscores not allowed; the last label may not be all digits (it would
 * be an address). */
static const char *parse_host_name(const char *s, size_t len, char out[static MAX_HOST + 1])
{
	size_t i, label = 0;
	bool digits = true;

	if (len && s[len - 1] == '.')
		len--;
	if (!len || len > MAX_HOST)
		return "a host name has 1 to 253 characters";
	for (i = 0; i < len; i++) {
		char c = s[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c == '.') {
			if (!label || s[i - 1] == '-')
				return "a label of a host name is empty or ends with '-'";
			label = 0;
			digits = true;
		} else {
			if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			      (c == '-' && label)))
				return "a host name has only letters, digits, '-' and '.'";
			if (++label > 63)
				return "a label of a host name has at most 63 characters";
			digits = digits && c >= '0' && c <= '9';
		}
		out[i] = c;
	}
	out[len] = '\0';
	if (!label || s[len - 1] == '-')
		return "a label of a host name is empty or ends with '-'";
	return digits ? "neither an IP address nor a host name" : NULL;
}

/* With or without a port behind it. */
static bool is_bare_ipv6(const char *s, size_t len)
{
	const char *colon = len ? memrchr(s, ':', len) : NULL;
	struct ipaddr ip;

	return (ipaddr_parse(s, len, &ip) == 0 ||
		(colon && ipaddr_parse(s, (size_t)(colon - s), &ip) == 0)) &&
	       ip.family == 6;
}

int endpoint_parse(const char *s, size_t len, bool port_optional, struct arena *a,
		   struct endpoint *ret, const char **ret_why)
{
	char host[MAX_HOST + 1];
	struct endpoint e = { 0 };
	struct ipaddr ip;
	const char *end = s + len, *host_end, *port = NULL;
	bool bracket = len && s[0] == '[';
	uint64_t n;

	*ret_why = NULL;
	if (bracket) {
		host_end = memchr(s, ']', len);
		if (!host_end) {
			*ret_why = "']' is missing";
			return -1;
		}
		if (ipaddr_parse(s + 1, (size_t)(host_end - s - 1), &ip) < 0 || ip.family != 6) {
			*ret_why = "there is no IPv6 address between the brackets";
			return -1;
		}
		if (host_end + 1 < end) {
			if (host_end[1] != ':') {
				*ret_why = "only ':PORT' may follow ']'";
				return -1;
			}
			port = host_end + 2;
		}
		ipaddr_print(&ip, host);
	} else {
		if (is_bare_ipv6(s, len)) {
			*ret_why = "an IPv6 address needs brackets here: [ADDRESS]:PORT";
			return -1;
		}
		if (memmem(s, len, "://", 3)) {
			*ret_why = "it is host:port alone, not a URL";
			return -1;
		}
		host_end = memchr(s, ':', len);
		if (host_end)
			port = host_end + 1;
		else
			host_end = end;
		if (ipaddr_parse(s, (size_t)(host_end - s), &ip) == 0)
			ipaddr_print(&ip, host);
		else
			*ret_why = parse_host_name(s, (size_t)(host_end - s), host);
		if (*ret_why)
			return -1;
	}
	if (port) {
		if (num_parse(port, (size_t)(end - port), 65535, &n) < 0 || !n) {
			*ret_why = "the port must be a number from 1 to 65535";
			return -1;
		}
		e.port = (uint16_t)n;
	} else if (!port_optional) {
		*ret_why = "the port is missing";
		return -1;
	}
	e.host = arena_strdup(a, host);
	if (!e.host) {
		*ret_why = "out of memory";
		return -1;
	}
	*ret = e;
	return 0;
}

char *endpoint_print(const struct endpoint *e, char out[static ENDPOINT_STRLEN])
{
	size_t len = strlen(e->host), at = 0, digits = 1;
	bool bracket = memchr(e->host, ':', len) != NULL;
	unsigned int rest;

	if (len > MAX_HOST)
		len = MAX_HOST;
	for (rest = e->port; rest >= 10; rest /= 10)
		digits++;
	if (bracket)
		out[at++] = '[';
	memcpy(out + at, e->host, len);
	at += len;
	if (bracket)
		out[at++] = ']';
	out[at++] = ':';
	at += digits;
	out[at] = '\0';
	for (rest = e->port; digits--; rest /= 10)
		out[--at] = (char)('0' + rest % 10);
	return out;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (!a->host || !b->host)
		return !a->host && !b->host;
	return a->port == b->port && !strcmp(a->host, b->host);
}
