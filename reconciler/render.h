/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node's complete configuration (publication/expand.h) as other tools read it. Pure. The
 * private key is never known here: a placeholder (wg, wg-quick) or a path (networkd) stands in its
 * place.
 */
#ifndef RECONCILER_RENDER_H
#define RECONCILER_RENDER_H

#include "common/buf.h"
#include "common/err.h"
#include "publication/expand.h"

enum render_format {
	RENDER_WG, /* wg(8) setconf and syncconf */
	RENDER_WG_QUICK, /* wg-quick(8): the same with Address and MTU; it makes the routes itself
			  */
	RENDER_NETWORKD, /* systemd.netdev(5) and systemd.network(5), each under a line "# file:
			    PATH" */
	RENDER_NFT, /* nft(8) -f: the node's table, its policy and masquerading */
	RENDER_JSON, /* the contract's object; peers sorted by public key, what is not set is null
		      */
};

#define RENDER_FORMATS "wg, wg-quick, networkd, nft, json"
/* What stands for the private key; 32 bytes in base64 belong there. */
#define RENDER_KEY_PLACEHOLDER "REPLACE_WITH_PRIVATE_KEY"
#define RENDER_KEY_LINE "PrivateKey = " RENDER_KEY_PLACEHOLDER

/* What the configuration of a client (reconciler/render_client.h) has that a node's has not. */
struct render_client {
	const char *gateway;
	const char *const *dns; /* addresses of name servers and search domains */
	size_t n_dns;
	bool bare; /* without comments, for where every byte costs */
};

/* One of RENDER_FORMATS; -1 for any other word. */
int render_format_parse(const char *word, enum render_format *ret);
/*
 * All append to `out`, with the routed links of `c`: in RENDER_JSON as its "links", else each under
 * a line "# file: PATH". `client` NULL: a node's; a client has no RENDER_NETWORKD.
 */
int render(const struct config *c, enum render_format format, struct buf *out, struct err *e);
int render_for(const struct config *c, const struct render_client *client,
	       enum render_format format, struct buf *out, struct err *e);
int render_json(const struct config *c, const struct render_client *client, struct buf *out,
		struct err *e);

#endif
