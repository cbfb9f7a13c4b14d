/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check_impl.h"

static const struct special {
	struct prefix prefix;
	const char *what;
} specials[] = {
	{ { 4, 8, { 0 } }, "the unspecified addresses 0.0.0.0/8" },
	{ { 4, 8, { 127 } }, "the loopback addresses 127.0.0.0/8" },
	{ { 4, 16, { 169, 254 } }, "the link-local addresses 169.254.0.0/16" },
	{ { 4, 4, { 224 } }, "the multicast addresses 224.0.0.0/4" },
	{ { 4, 32, { 255, 255, 255, 255 } }, "the broadcast address 255.255.255.255" },
	{ { 6, 127, { 0 } }, "the unspecified and the loopback address" },
	{ { 6, 10, { 0xfe, 0x80 } }, "the link-local addresses fe80::/10" },
	{ { 6, 8, { 0xff } }, "the multicast addresses ff00::/8" },
	{ { 6, 96, { [10] = 0xff, [11] = 0xff } }, "the IPv4-mapped addresses ::ffff:0:0/96" },
};

const char *check_special(const struct prefix *p)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++)
		if (prefix_overlaps(p, &specials[i].prefix))
			return specials[i].what;
	return NULL;
}

const char *check_inside_special(const struct prefix *p)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++)
		if (prefix_contains(&specials[i].prefix, p))
			return specials[i].what;
	return NULL;
}

const char *check_special_address(const struct ipaddr *a)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++) {
		const struct prefix *p = &specials[i].prefix;

		if (p->b[0] == 127 || (p->len == 127 && a->b[15] == 1))
			continue;
		if (prefix_contains_addr(p, a))
			return specials[i].what;
	}
	return NULL;
}
