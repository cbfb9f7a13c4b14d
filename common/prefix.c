/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/prefix.h"

#include <arpa/inet.h>

#include "common/num.h"

unsigned int family_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Four numbers without leading zeros, as inet_pton wants them. IPv4 is read and printed here since
 * a large network has tens of thousands, and the libraries' functions took a tenth of an agent's
 * time. */
static int parse_ipv4(const char *s, size_t len, uint8_t b[4])
{
	const char *end = s + len;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		const char *from = s;
		unsigned int n = 0;

		while (s < end && s - from < 3 && *s >= '0' && *s <= '9')
			n = n * 10 + (unsigned int)(*s++ - '0');
		if (s == from || n > 255 || (*from == '0' && s - from > 1))
			return -1;
		b[i] = (uint8_t)n;
		if (i < 3 && (s == end || *s++ != '.'))
			return -1;
	}
	return s == end ? 0 : -1;
}

int ipaddr_parse(const char *s, size_t len, struct ipaddr *ret)
{
	struct ipaddr a = { .family = 4 };
	char text[IPADDR_STRLEN];

	if (!len || len >= sizeof(text))
		return -1;
	if (!memchr(s, ':', len)) {
		if (parse_ipv4(s, len, a.b) < 0)
			return -1;
	} else {
		if (memchr(s, '\0', len))
			return -1;
		memcpy(text, s, len);
		text[len] = '\0';
		a.family = 6;
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return -1;
	}
	*ret = a;
	return 0;
}

static void mask(uint8_t b[16], unsigned int len)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		unsigned int keep = len > i * 8 ? len - i * 8 : 0;

		if (keep < 8)
			b[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int ifaddr_parse(const char *s, size_t len, struct ifaddr *ret)
{
	const char *slash = memchr(s, '/', len);
	struct ipaddr a;
	uint64_t bits;

	if (!slash || ipaddr_parse(s, (size_t)(slash - s), &a) < 0)
		return -1;
	if (num_parse(slash + 1, len - (size_t)(slash + 1 - s), family_bits(a.family), &bits) < 0)
		return -1;
	*ret = (struct ifaddr){ .addr = a, .len = (uint8_t)bits };
	return 0;
}

int prefix_parse(const char *s, size_t len, struct prefix *ret, bool *ret_host_bits)
{
	struct ifaddr a;
	struct prefix p;

	if (ifaddr_parse(s, len, &a) < 0)
		return -1;
	p = prefix_of_ifaddr(&a);
	*ret_host_bits = memcmp(p.b, a.addr.b, sizeof(p.b)) != 0;
	*ret = p;
	return 0;
}

/*
 * glibc prints IPv6 as RFC 5952 asks, but for IPv4-mapped and -compatible addresses, which it
 * prints in mixed notation; RFC 5952 section 5 recommends that for the well-known prefixes, and
 * inet_pton reads it back.
 */
char *ipaddr_print(const struct ipaddr *a, char out[static IPADDR_STRLEN])
{
	unsigned int i;
	char *p = out;

	if (a->family != 4) {
		if (!inet_ntop(AF_INET6, a->b, out, IPADDR_STRLEN))
			out[0] = '\0';
		return out;
	}
	for (i = 0; i < 4; i++) {
		if (a->b[i] >= 100)
			*p++ = (char)('0' + a->b[i] / 100);
		if (a->b[i] >= 10)
			*p++ = (char)('0' + a->b[i] / 10 % 10);
		*p++ = (char)('0' + a->b[i] % 10);
		*p++ = '.';
	}
	p[-1] = '\0';
	return out;
}

static char *print_with_len(const struct ipaddr *a, unsigned int bits,
			    char out[static PREFIX_STRLEN])
{
	char text[IPADDR_STRLEN];

	snprintf(out, PREFIX_STRLEN, "%s/%u", ipaddr_print(a, text), bits);
	return out;
}

char *prefix_print(const struct prefix *p, char out[static PREFIX_STRLEN])
{
	struct ipaddr a = { .family = p->family };

	memcpy(a.b, p->b, sizeof(a.b));
	return print_with_len(&a, p->len, out);
}

char *ifaddr_print(const struct ifaddr *a, char out[static PREFIX_STRLEN])
{
	return print_with_len(&a->addr, a->len, out);
}

int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	c = memcmp(a->b, b->b, sizeof(a->b));
	if (c)
		return c;
	return a->len < b->len ? -1 : a->len > b->len;
}

int ifaddr_cmp(const struct ifaddr *a, const struct ifaddr *b)
{
	int c = ipaddr_cmp(&a->addr, &b->addr);

	if (c)
		return c;
	return a->len < b->len ? -1 : a->len > b->len;
}

struct prefix prefix_of_addr(const struct ipaddr *a)
{
	struct prefix p = { .family = a->family, .len = (uint8_t)family_bits(a->family) };

	memcpy(p.b, a->b, sizeof(p.b));
	return p;
}

struct prefix prefix_of_ifaddr(const struct ifaddr *a)
{
	struct prefix p = prefix_of_addr(&a->addr);

	p.len = a->len;
	mask(p.b, p.len);
	return p;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, rest = len % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) & (uint8_t)(0xff00 >> rest));
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	return outer->family == inner->family && outer->len <= inner->len &&
	       same_bits(outer->b, inner->b, outer->len);
}

bool prefix_contains_addr(const struct prefix *outer, const struct ipaddr *a)
{
	return outer->family == a->family && same_bits(outer->b, a->b, outer->len);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, b) || prefix_contains(b, a);
}

static int cmp_void(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

size_t prefix_canonical(struct prefix *list, size_t n)
{
	size_t i, kept = 0;

	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_void);
	/* Sorted so, a covering prefix stands before all that it covers, with nothing else between.
	 */
	for (i = 0; i < n; i++)
		if (!kept || !prefix_contains(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	return kept;
}

void prefix_halves(const struct prefix *p, struct prefix ret[static 2])
{
	ret[0] = *p;
	ret[0].len++;
	ret[1] = ret[0];
	ret[1].b[p->len / 8] |= (uint8_t)(0x80 >> p->len % 8);
}
