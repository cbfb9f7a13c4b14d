/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a peer can be reached: a host (DNS name or IP literal) and a UDP port. Never resolved here.
 * Text: "host:port", "192.0.2.1:port", "[2001:db8::1]:port".
 */
#ifndef COMMON_ENDPOINT_H
#define COMMON_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attr.h"
#include "common/limits.h"

struct endpoint {
	const char *host; /* NULL: none. A literal in canonical spelling without brackets, or a name
			     in lower case */
	uint16_t port; /* 0 only while a YAML endpoint without a port waits for its default */
};

#define ENDPOINT_STRLEN (MAX_HOST + 9)

/*
 * Takes every spelling of the contract; a missing port gives port 0 when `port_optional`. A bare
 * IPv6 literal needs brackets. On failure *ret_why is a static sentence for the user.
 */
int endpoint_parse(const char *s, size_t len, bool port_optional, struct arena *a,
		   struct endpoint *ret, const char **ret_why) MUST_CHECK;
char *endpoint_print(const struct endpoint *e, char out[static ENDPOINT_STRLEN]);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

#endif
