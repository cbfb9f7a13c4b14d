/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/limits.h"
#include "common/num.h"
#include "publication/row.h"

#define MIN_MTU 576

bool client_settings_default(const struct client_settings *s)
{
	return !s || (!s->n_allowed_ips && !s->n_dns && !s->mtu &&
		      s->keepalive == DEFAULT_CLIENT_KEEPALIVE);
}

bool client_settings_equal(const struct client_settings *a, const struct client_settings *b)
{
	size_t i;

	if (client_settings_default(a) || client_settings_default(b))
		return client_settings_default(a) && client_settings_default(b);
	if (a->n_allowed_ips != b->n_allowed_ips || a->n_dns != b->n_dns || a->mtu != b->mtu ||
	    a->keepalive != b->keepalive)
		return false;
	for (i = 0; i < a->n_allowed_ips; i++)
		if (prefix_cmp(&a->allowed_ips[i], &b->allowed_ips[i]))
			return false;
	for (i = 0; i < a->n_dns; i++)
		if (strcmp(a->dns[i], b->dns[i]) != 0)
			return false;
	return true;
}

void row_put_settings(struct buf *out, const struct client_settings *s)
{
	size_t i;

	if (client_settings_default(s))
		return;
	if (s->n_allowed_ips) {
		buf_adds(out, " allowed_ips=");
		row_put_prefixes(out, s->allowed_ips, s->n_allowed_ips);
	}
	for (i = 0; i < s->n_dns; i++) {
		buf_adds(out, i ? "," : " dns=");
		buf_adds(out, s->dns[i]);
	}
	if (s->mtu)
		buf_addf(out, " mtu=%u", s->mtu);
	if (s->keepalive != DEFAULT_CLIENT_KEEPALIVE)
		buf_addf(out, " keepalive=%u", s->keepalive);
}

/* The address of a name server, or a search domain; NULL: neither, or not as it is printed. */
static const char *parse_dns_item(const char *s, size_t len, struct arena *a)
{
	char text[IPADDR_STRLEN];
	struct endpoint host;
	struct ipaddr ip;
	const char *why;

	if (ipaddr_parse(s, len, &ip) == 0)
		return row_same_text(ipaddr_print(&ip, text), s, len) ? arena_strndup(a, s, len) :
									NULL;
	/* Neither a port nor brackets. */
	if (memchr(s, ':', len) || memchr(s, '[', len) ||
	    endpoint_parse(s, len, true, a, &host, &why) < 0)
		return NULL;
	return row_same_text(host.host, s, len) ? host.host : NULL;
}

static int parse_dns(const char *s, size_t len, struct arena *a, struct client_settings *ret)
{
	const char **list = arena_array(a, MAX_DNS, sizeof(*list)), *end = s + len, *comma;
	size_t n = 0, i;

	for (; list; s = comma + 1) {
		comma = memchr(s, ',', (size_t)(end - s));
		if (n == MAX_DNS)
			return -1;
		list[n] = parse_dns_item(s, (size_t)((comma ? comma : end) - s), a);
		if (!list[n])
			return -1;
		for (i = 0; i < n; i++)
			if (!strcmp(list[i], list[n]))
				return -1;
		n++;
		if (!comma)
			break;
	}
	ret->dns = list;
	ret->n_dns = n;
	return list ? 0 : -1;
}

int row_settings(struct words *w, struct arena *a, const struct client_settings **ret)
{
	struct client_settings x = { .keepalive = DEFAULT_CLIENT_KEEPALIVE }, *settings;
	const char *s;
	size_t len;
	uint64_t v;

	*ret = NULL;
	if (words_field(w, "allowed_ips", &s, &len) &&
	    row_prefixes(s, len, MAX_ROUTES, a, &x.allowed_ips, &x.n_allowed_ips) < 0)
		return -1;
	if (words_field(w, "dns", &s, &len) && parse_dns(s, len, a, &x) < 0)
		return -1;
	if (words_field(w, "mtu", &s, &len)) {
		if (num_parse(s, len, 65535, &v) < 0 || v < MIN_MTU)
			return -1;
		x.mtu = (uint16_t)v;
	}
	if (words_field(w, "keepalive", &s, &len)) {
		if (num_parse(s, len, 65535, &v) < 0 || v == DEFAULT_CLIENT_KEEPALIVE)
			return -1;
		x.keepalive = (uint16_t)v;
	}
	if (client_settings_default(&x))
		return 0;
	settings = arena_alloc(a, sizeof(*settings));
	if (!settings)
		return -1;
	*settings = x;
	*ret = settings;
	return 0;
}
