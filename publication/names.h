/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of a network: NAME.DOMAIN for every record, as lines of a hosts file and as zones of
 * the DNS (RFC 1035; reverse zones for the networks of the interfaces). The agent makes its block
 * of /etc/hosts of it, the reconciler the files beside the manifest. Pure and deterministic.
 */
#ifndef PUBLICATION_NAMES_H
#define PUBLICATION_NAMES_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/dnsname.h"
#include "common/err.h"
#include "publication/network.h"

/* ERR_INPUT when a record of `n` makes no host name under `domain`. */
int names_check(const struct network *n, const char *domain, struct err *e);

/*
 * "ADDRESS<tab>NAME.DOMAIN<tail><newline>" for every address of every record, by name. *ret_names
 * (may be NULL): how many names.
 */
void names_put_hosts(const struct network *n, const char *domain, const char *tail, struct buf *out,
		     size_t *ret_names);

/* A zone: of the domain, or of the addresses of a prefix. */
struct names_zone {
	const char *name; /* without the final dot: "mesh.example.net", "20.10.in-addr.arpa" */
	struct prefix prefix; /* family 0: the domain's */
};

struct names {
	const struct network *network;
	const char *domain; /* of its nodes; NULL: they have none, and there is nothing else here */
	struct names_zone *zones; /* the domain's first, then by prefix */
	size_t n_zones;
	const char *const *servers; /* records that have an address which some node asks: NS */
	size_t n_servers;
	struct named_address *addresses; /* sorted */
	size_t n_addresses;
};

/*
 * The names of a whole network. The reverse zones are those of the networks that the nodes'
 * interfaces stand in: cut at the next byte (IPv4, /24 at most) or at the next digit (IPv6, /124
 * at most), so that a pool of 10.20.0.0/15 has two. Lives in `a` and points into `n`.
 */
int names_make(const struct network *n, struct arena *a, struct names *ret, struct err *e);

/*
 * The zone file (master file, RFC 1035 5) with this serial. The name servers are n->servers;
 * without any `localhost.`, since whoever serves it is asked by address.
 */
void names_put_zone(const struct names *n, const struct names_zone *z, uint32_t serial,
		    struct buf *out);
/* The serial in a zone file that names_put_zone wrote; -1: it is not such a file. */
int names_zone_serial(const char *text, size_t len, uint32_t *ret);

#endif
