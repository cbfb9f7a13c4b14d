/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in the DNS: the domain of a network, and the names of its nodes under it. Host names as
 * RFC 1123 2.1 has them: labels of a-z, 0-9 and '-' of at most 63 bytes, none beginning or ending
 * with '-', in lower case and without a final dot, so that every name has one spelling.
 *
 * A domain that software gives a meaning of its own (localhost, local, arpa, ...) is none: what is
 * published under a network's domain must take the place of nothing that a machine relies on.
 */
#ifndef COMMON_DNSNAME_H
#define COMMON_DNSNAME_H

#include <stdbool.h>
#include <stddef.h>

#include "common/limits.h"

#define DNSNAME_STRLEN (MAX_HOST + 1)

/* NULL: it can be the domain of a network; else why not, as the end of a sentence. At most
 * MAX_DOMAIN bytes, so that every name fits before it. */
const char *dnsname_domain_wrong(const char *s, size_t len);

/* Whether a node of this name (common/name.h) can stand before a domain: "fra1", also "db.fra1". */
bool dnsname_is_host(const char *name, size_t len);

#endif
