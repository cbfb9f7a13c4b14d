/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uapi.h"

#include "agent/diff.h"
#include "agent/kern_wg.h"
#include "common/hash.h"
#include "common/num.h"

/* What a peer takes at most before its allowed IPs. */
#define PEER_HEAD 512u
#define ALLOWED_SIZE 64u

static void put_key(struct buf *out, const char *name, const uint8_t key[static 32])
{
	char hex[65];

	buf_addf(out, "%s=%s\n", name, hex_print(key, 32, hex));
}

/* True when all of the operation is in the request. */
static bool put_peer(struct uapi_cursor *c, struct buf *out)
{
	static const uint8_t no_key[32];
	const struct op *op = &c->ops[c->pos];
	char text[ENDPOINT_STRLEN], prefix[PREFIX_STRLEN];

	put_key(out, "public_key", op->key.b);
	if (op->kind == OP_PEER_REMOVE) {
		buf_adds(out, "remove=true\n");
		return true;
	}
	if (!(op->flags & OPP_NEW) || c->split)
		buf_adds(out, "update_only=true\n");
	if (!c->split) {
		if (op->flags & OPP_CLEAR_PSK)
			put_key(out, "preshared_key", no_key);
		if (op->flags & OPP_ENDPOINT)
			buf_addf(out, "endpoint=%s\n", sock_endpoint_print(&op->endpoint, text));
		if (op->flags & OPP_KEEPALIVE)
			buf_addf(out, "persistent_keepalive_interval=%u\n", op->keepalive);
		if (op->flags & OPP_REPLACE_ALLOWED)
			buf_adds(out, "replace_allowed_ips=true\n");
	}
	while (c->allowed < op->n_allowed_ips && out->len + ALLOWED_SIZE <= UAPI_SET_SIZE)
		buf_addf(out, "allowed_ip=%s\n",
			 prefix_print(&op->allowed_ips[c->allowed++], prefix));
	return c->allowed == op->n_allowed_ips;
}

bool uapi_build_peers(struct uapi_cursor *c, struct buf *out)
{
	buf_reset(out);
	c->peers = 0;
	if (c->pos == c->n)
		return false;
	buf_adds(out, "set=1\n");
	while (c->pos < c->n && out->len + PEER_HEAD + ALLOWED_SIZE <= UAPI_SET_SIZE) {
		c->peers++;
		if (!put_peer(c, out)) {
			c->split = true;
			break;
		}
		c->split = false;
		c->allowed = 0;
		c->pos++;
	}
	buf_addc(out, '\n');
	return true;
}

int uapi_build_device(const struct op *op, const struct secret *private_key, struct secret *ret,
		      struct err *e)
{
	struct secret s = { 0 };
	size_t len;
	char *p;

	if ((op->flags & OPD_PRIVATE_KEY) && (!private_key || private_key->len != 32))
		return err_set(e, ERR_INPUT, "there is no private key to set");
	if (secret_init(&s, UAPI_LINE_SIZE, e) < 0)
		return -1;
	p = (char *)s.b;
	len = (size_t)snprintf(p, s.len, "set=1\n");
	if (op->flags & OPD_PRIVATE_KEY) {
		len += (size_t)snprintf(p + len, s.len - len, "private_key=");
		hex_print(private_key->b, private_key->len, p + len);
		len += 64;
		p[len++] = '\n';
	}
	if (op->flags & OPD_LISTEN_PORT)
		len += (size_t)snprintf(p + len, s.len - len, "listen_port=%u\n", op->number);
	if (op->flags & OPD_FWMARK)
		len += (size_t)snprintf(p + len, s.len - len, "fwmark=%u\n", op->fwmark);
	p[len++] = '\n';
	s.len = len;
	*ret = s;
	return 0;
}

void uapi_reader_init(struct uapi_reader *r, struct arena *a, struct observed *o)
{
	*r = (struct uapi_reader){ .arena = a, .o = o };
	o->has_private_key = false;
	o->listen_port = 0;
	o->fwmark = 0;
	o->peers = NULL;
	o->n_peers = 0;
}

static int malformed(struct err *e, const char *key)
{
	return err_set(e, ERR_IO, "the WireGuard daemon's answer is malformed (%s)", key);
}

static bool is(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(key, name, len) == 0;
}

static int number(const char *name, const char *v, size_t len, uint64_t max, uint64_t *ret,
		  struct err *e)
{
	return num_parse(v, len, max, ret) < 0 ? malformed(e, name) : 0;
}

static int read_private_key(struct uapi_reader *r, const char *v, size_t len, struct err *e)
{
	uint8_t key[32], any = 0;
	size_t i;

	if (hex_parse(v, len, key, sizeof(key)) < 0)
		return malformed(e, "private_key");
	for (i = 0; i < sizeof(key); i++)
		any |= key[i];
	r->o->has_private_key = any != 0;
	if (any)
		wgkey_public(key, &r->o->public_key);
	secret_wipe(key, sizeof(key));
	return 0;
}

static int read_endpoint(const char *v, size_t len, struct sock_endpoint *ret)
{
	const char *colon = memrchr(v, ':', len), *zone;
	struct ipaddr addr;
	uint64_t port, scope = 0;
	size_t host;

	if (!colon || num_parse(colon + 1, len - (size_t)(colon + 1 - v), 65535, &port) < 0)
		return -1;
	host = (size_t)(colon - v);
	if (host > 2 && v[0] == '[' && v[host - 1] == ']') {
		v++;
		host -= 2;
		zone = memchr(v, '%', host);
		if (zone) {
			/* A zone may be a name too, which says nothing without asking the system.
			 */
			if (num_parse(zone + 1, host - (size_t)(zone + 1 - v), UINT32_MAX, &scope) <
			    0)
				scope = 0;
			host = (size_t)(zone - v);
		}
	}
	if (ipaddr_parse(v, host, &addr) < 0)
		return -1;
	*ret = (struct sock_endpoint){ .family = addr.family,
				       .port = (uint16_t)port,
				       .scope = (uint32_t)scope };
	memcpy(ret->b, addr.b, sizeof(ret->b));
	return 0;
}

static int new_peer(struct uapi_reader *r, const char *v, size_t len, struct err *e)
{
	struct wgkey key;

	if (hex_parse(v, len, key.b, sizeof(key.b)) < 0)
		return malformed(e, "public_key");
	r->peers = arena_grow(r->arena, r->peers, r->n_peers, sizeof(*r->peers));
	if (!r->peers)
		return err_nomem(e);
	r->peers[r->n_peers++] = (struct observed_peer){ .key = key };
	r->allowed = NULL;
	r->n_allowed = 0;
	return 0;
}

static int read_psk(struct observed_peer *p, const char *v, size_t len, struct err *e)
{
	uint8_t key[32], any = 0;
	size_t i;

	if (hex_parse(v, len, key, sizeof(key)) < 0)
		return malformed(e, "preshared_key");
	for (i = 0; i < sizeof(key); i++)
		any |= key[i];
	secret_wipe(key, sizeof(key));
	p->has_psk = any != 0;
	return 0;
}

static int read_allowed(struct uapi_reader *r, struct observed_peer *p, const char *v, size_t len,
			struct err *e)
{
	bool host_bits;

	r->allowed = arena_grow(r->arena, r->allowed, r->n_allowed, sizeof(*r->allowed));
	if (!r->allowed)
		return err_nomem(e);
	if (prefix_parse(v, len, &r->allowed[r->n_allowed], &host_bits) < 0)
		return malformed(e, "allowed_ip");
	p->allowed_ips = r->allowed;
	p->n_allowed_ips = ++r->n_allowed;
	return 0;
}

static int read_peer_line(struct uapi_reader *r, const char *key, size_t key_len, const char *v,
			  size_t len, struct err *e)
{
	struct observed_peer *p = &r->peers[r->n_peers - 1];
	uint64_t n = 0;

	if (is(key, key_len, "allowed_ip"))
		return read_allowed(r, p, v, len, e);
	if (is(key, key_len, "preshared_key"))
		return read_psk(p, v, len, e);
	if (is(key, key_len, "endpoint"))
		return read_endpoint(v, len, &p->endpoint) < 0 ? malformed(e, "endpoint") : 0;
	if (is(key, key_len, "persistent_keepalive_interval")) {
		if (number("persistent_keepalive_interval", v, len, UINT16_MAX, &n, e) < 0)
			return -1;
		p->keepalive = (uint16_t)n;
	} else if (is(key, key_len, "last_handshake_time_sec")) {
		if (number("last_handshake_time_sec", v, len, INT64_MAX, &n, e) < 0)
			return -1;
		p->last_handshake = (int64_t)n;
	} else if (is(key, key_len, "rx_bytes")) {
		return number("rx_bytes", v, len, UINT64_MAX, &p->rx_bytes, e);
	} else if (is(key, key_len, "tx_bytes")) {
		return number("tx_bytes", v, len, UINT64_MAX, &p->tx_bytes, e);
	}
	return 0;
}

static int read_line(struct uapi_reader *r, const char *line, size_t len, struct err *e)
{
	const char *eq = memchr(line, '=', len), *v;
	size_t key_len, v_len;
	uint64_t n = 0;

	if (!len) {
		r->done = true;
		return r->has_errno ? 0 : malformed(e, "no errno");
	}
	if (!eq || r->has_errno)
		return malformed(e, "line");
	key_len = (size_t)(eq - line);
	v = eq + 1;
	v_len = len - key_len - 1;
	if (is(line, key_len, "errno")) {
		/* Some say what went wrong as a negative number. */
		if (v_len && v[0] == '-') {
			v++;
			v_len--;
		}
		r->has_errno = true;
		return number("errno", v, v_len, INT32_MAX, &r->error, e);
	}
	if (is(line, key_len, "public_key"))
		return new_peer(r, v, v_len, e);
	if (r->n_peers)
		return read_peer_line(r, line, key_len, v, v_len, e);
	if (is(line, key_len, "private_key"))
		return read_private_key(r, v, v_len, e);
	if (is(line, key_len, "listen_port")) {
		if (number("listen_port", v, v_len, UINT16_MAX, &n, e) < 0)
			return -1;
		r->o->listen_port = (uint16_t)n;
	} else if (is(line, key_len, "fwmark")) {
		if (number("fwmark", v, v_len, UINT32_MAX, &n, e) < 0)
			return -1;
		r->o->fwmark = (uint32_t)n;
	}
	return 0;
}

int uapi_reader_feed(struct uapi_reader *r, const char *data, size_t len, struct err *e)
{
	r->total += len;
	if (r->total > UAPI_REPLY_MAX)
		return err_set(e, ERR_LIMIT, "the WireGuard daemon's answer is longer than %u MB",
			       UAPI_REPLY_MAX >> 20);
	while (len) {
		const char *nl = memchr(data, '\n', len);
		size_t part = nl ? (size_t)(nl - data) : len;
		int failed;

		if (r->done)
			return malformed(e, "bytes behind its end");
		if (part > sizeof(r->line) - r->line_len)
			return malformed(e, "a line too long");
		memcpy(r->line + r->line_len, data, part);
		r->line_len += part;
		if (!nl)
			return 0;
		failed = read_line(r, r->line, r->line_len, e);
		secret_wipe(r->line, r->line_len);
		r->line_len = 0;
		if (failed)
			return -1;
		data += part + 1;
		len -= part + 1;
	}
	return r->done;
}

int uapi_reader_finish(struct uapi_reader *r, struct err *e)
{
	if (!r->done)
		return malformed(e, "its end is missing");
	if (observed_sort_peers(r->peers, r->n_peers, e) < 0)
		return -1;
	r->o->peers = r->peers;
	r->o->n_peers = r->n_peers;
	return 0;
}
