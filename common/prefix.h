/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IP addresses and prefixes. One spelling each: IPv4 in dotted decimal without leading zeros, IPv6
 * as RFC 5952 prints it (lower case, longest run of zeros shortened), a prefix length without
 * leading zeros, host bits zero.
 */
#ifndef COMMON_PREFIX_H
#define COMMON_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* family: 4 or 6. The unused bytes of an IPv4 address are zero, so memcmp of whole structs is
 * equality. */
struct ipaddr {
	uint8_t family;
	uint8_t b[16];
};

struct prefix {
	uint8_t family;
	uint8_t len; /* bits: 0..32 or 0..128 */
	uint8_t b[16]; /* masked */
};

/* An address with the prefix length it has on an interface ("10.20.0.1/16"): host bits are kept. */
struct ifaddr {
	struct ipaddr addr;
	uint8_t len;
};

#define IPADDR_STRLEN 46
#define PREFIX_STRLEN 50

/* The parsers accept any spelling that inet_pton takes (no zone, no leading zeros in IPv4). 0 or
 * -1. */
int ipaddr_parse(const char *s, size_t len, struct ipaddr *ret) MUST_CHECK;
/* "ADDRESS/LEN"; *ret is masked, *ret_host_bits says whether that changed it. */
int prefix_parse(const char *s, size_t len, struct prefix *ret, bool *ret_host_bits) MUST_CHECK;
int ifaddr_parse(const char *s, size_t len, struct ifaddr *ret) MUST_CHECK;

/* The printers write the one canonical spelling, NUL-terminated, and return `out`. */
char *ipaddr_print(const struct ipaddr *a, char out[static IPADDR_STRLEN]);
char *prefix_print(const struct prefix *p, char out[static PREFIX_STRLEN]);
char *ifaddr_print(const struct ifaddr *a, char out[static PREFIX_STRLEN]);

/* IPv4 before IPv6, then by bytes, then the shorter prefix first. */
int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b);
int prefix_cmp(const struct prefix *a, const struct prefix *b);
int ifaddr_cmp(const struct ifaddr *a, const struct ifaddr *b);

/* The number of bits of the family: 32 or 128. */
unsigned int family_bits(uint8_t family);
/* The address as /32 or /128. */
struct prefix prefix_of_addr(const struct ipaddr *a);
/* The network that an interface address stands in. */
struct prefix prefix_of_ifaddr(const struct ifaddr *a);
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_contains_addr(const struct prefix *outer, const struct ipaddr *a);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/*
 * Makes a list of prefixes canonical in place: sorted, and without one that another of the list
 * covers (or repeats). Returns the new length.
 */
size_t prefix_canonical(struct prefix *list, size_t n);
/* The two halves of a prefix that is no single address. */
void prefix_halves(const struct prefix *p, struct prefix ret[static 2]);

#endif
