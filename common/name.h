/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names. A node, network or tag name is [a-z0-9][a-z0-9.-]* of at most MAX_NAME bytes. An interface
 * name is what the kernel takes (dev_valid_name: 1 to 15 bytes, not "." or "..", no '/', ':' or
 * blank) and wg-quick too
 * ([a-zA-Z0-9_=+.-]{1,15}), and that no program takes for an option (no '-' in front).
 */
#ifndef COMMON_NAME_H
#define COMMON_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define IFNAME_SIZE 16 /* with the NUL: IFNAMSIZ of linux/if.h */

struct ifname {
	char s[IFNAME_SIZE];
};

bool name_is_valid(const char *s, size_t len);
/* 0, or -1 with *ret untouched: no name, or one that no interface of ours can have (lo, all,
 * default). */
int ifname_parse(const char *s, size_t len, struct ifname *ret) MUST_CHECK;

#endif
