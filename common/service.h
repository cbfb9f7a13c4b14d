/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services: what a packet asks for, as policy rules and assertions name it. One spelling each:
 *
 *	any		every packet
 *	icmp		ICMP and ICMPv6
 *	tcp udp		every port
 *	tcp/5432	one port
 *	udp/6000-6010	from one port to a higher one
 *
 * A list of services is canonical when it is sorted, its ranges of ports neither overlap nor touch,
 * and `any` stands alone.
 */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

enum service_kind { SERVICE_ANY, SERVICE_ICMP, SERVICE_TCP, SERVICE_UDP };

struct service {
	enum service_kind kind;
	uint16_t first, last; /* ports, 1 to 65535; 0 for SERVICE_ANY and SERVICE_ICMP */
};

#define SERVICE_STRLEN 16

/* 0, or -1 with *ret untouched and *ret_why how it should be written. */
int service_parse(const char *s, size_t len, struct service *ret, const char **ret_why) MUST_CHECK;
/* The one spelling, NUL-terminated; returns `out`. */
char *service_print(const struct service *s, char out[static SERVICE_STRLEN]);

/* Sorts by kind, then by port. */
int service_cmp(const struct service *a, const struct service *b);
/* Makes a list canonical in place and returns the new length. */
size_t services_canonical(struct service *list, size_t n);
bool services_equal(const struct service *a, size_t na, const struct service *b, size_t nb);
/* True when the canonical list holds everything that `s` means. */
bool services_cover(const struct service *list, size_t n, const struct service *s);
/* True when it holds something that `s` means. */
bool services_overlap(const struct service *list, size_t n, const struct service *s);

#endif
