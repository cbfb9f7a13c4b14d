/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the agent's back ends by hand, for tests on real interfaces:
 *
 *	kern_tool kernel|userspace apply NAME SPEC [PREVIOUS]	converge, and say what it cost
 *	kern_tool kernel|userspace plan NAME SPEC [PREVIOUS]	the operations, one a line
 *	kern_tool kernel|userspace down NAME ALIAS
 *	kern_tool kernel|userspace show NAME			what is observed, one thing a line
 *	kern_tool conf SPEC					the same configuration for `wg
 *setconf` kern_tool available					whether the kernel has WireGuard
 *
 * SPEC: lines `private KEY`, `alias TEXT`, `port N`, `mtu N`, `fwmark N`, `address A/LEN`, `route
 *P/LEN`, `peer KEY [endpoint=E] [keepalive=N] [ips=P,P...]`, and `many N P` for N made-up peers
 *with P prefixes each. KERN_TOOL_FAIL=N:ERRNO[:lost] makes the N-th netlink send (from 1) fail with
 *that number; with `lost` it is done, and its answer never comes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/apply.h"
#include "agent/nl.h"
#include "common/hash.h"
#include "common/num.h"
#include "common/os_file.h"
#include "common/os_time.h"

struct spec {
	struct secret private_key;
	struct node node;
	struct config config;
	struct desired desired;
	struct peer *peers;
	struct sock_endpoint *endpoints;
	struct ifaddr *addresses;
	struct prefix *routes;
	const char *alias;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "kern_tool: %s: %s\n", what, why);
	exit(64);
}

static void *must(void *p)
{
	if (!p)
		die("memory", "none left");
	return p;
}

static uint64_t to_number(const char *s, size_t len)
{
	uint64_t n;

	if (num_parse(s, len, UINT32_MAX, &n) < 0)
		die("not a number", s);
	return n;
}

static bool begins(const char *s, size_t len, const char *with, const char **ret, size_t *ret_len)
{
	size_t n = strlen(with);

	if (len < n || memcmp(s, with, n) != 0)
		return false;
	*ret = s + n;
	*ret_len = len - n;
	return true;
}

static void parse_endpoint(const char *s, size_t len, struct arena *a, struct peer *p,
			   struct sock_endpoint *ep)
{
	struct ipaddr addr;
	const char *why;

	if (endpoint_parse(s, len, false, a, &p->endpoint, &why) < 0)
		die("endpoint", why);
	if (ipaddr_parse(p->endpoint.host, strlen(p->endpoint.host), &addr) < 0)
		die("endpoint", "not an address");
	ep->family = addr.family;
	ep->port = p->endpoint.port;
	memcpy(ep->b, addr.b, sizeof(ep->b));
}

static void parse_ips(const char *s, size_t len, struct arena *a, struct peer *p)
{
	struct prefix *list = NULL;
	size_t n = 0;

	while (len) {
		const char *comma = memchr(s, ',', len);
		size_t part = comma ? (size_t)(comma - s) : len;
		bool host_bits;

		list = must(arena_grow(a, list, n, sizeof(*list)));
		if (prefix_parse(s, part, &list[n++], &host_bits) < 0)
			die("prefix", s);
		s += comma ? part + 1 : part;
		len -= comma ? part + 1 : part;
	}
	p->n_allowed_ips = prefix_canonical(list, n);
	p->allowed_ips = list;
}

/* `peer KEY WORD...`; the endpoint is kept beside it until the peers are sorted. */
struct entry {
	struct peer peer;
	struct sock_endpoint endpoint;
};

static void parse_peer(const char *s, size_t len, struct arena *a, struct entry *ret)
{
	const char *v;
	size_t v_len;

	*ret = (struct entry){ .peer.name = NULL };
	while (len) {
		const char *blank = memchr(s, ' ', len);
		size_t part = blank ? (size_t)(blank - s) : len;

		if (begins(s, part, "endpoint=", &v, &v_len))
			parse_endpoint(v, v_len, a, &ret->peer, &ret->endpoint);
		else if (begins(s, part, "keepalive=", &v, &v_len))
			ret->peer.keepalive = (uint16_t)to_number(v, v_len);
		else if (begins(s, part, "ips=", &v, &v_len))
			parse_ips(v, v_len, a, &ret->peer);
		else if (wgkey_parse(s, part, &ret->peer.key) < 0)
			die("peer", s);
		s += blank ? part + 1 : part;
		len -= blank ? part + 1 : part;
	}
}

/* Peer i: a key made from its number, an endpoint in 198.18.0.0/15, prefixes in 10.0.0.0/8 and
 * fd00::/8. */
static void make_peer(uint32_t i, size_t n_prefixes, struct arena *a, struct entry *ret)
{
	struct prefix *list = must(arena_array(a, n_prefixes, sizeof(*list)));
	char host[32];
	struct digest d;
	size_t j;

	*ret = (struct entry){ .peer.name = NULL };
	digest_of(&i, sizeof(i), &d);
	memcpy(ret->peer.key.b, d.b, sizeof(d.b));
	for (j = 0; j < n_prefixes; j++) {
		uint32_t x = i * 4 + (uint32_t)j;

		if (j == 2)
			list[j] = (struct prefix){ .family = 6,
						   .len = 128,
						   .b = { 0xfd, [12] = (uint8_t)(i >> 24),
							  (uint8_t)(i >> 16), (uint8_t)(i >> 8),
							  (uint8_t)i } };
		else
			list[j] = (struct prefix){ .family = 4,
						   .len = 32,
						   .b = { 10, (uint8_t)(x >> 16), (uint8_t)(x >> 8),
							  (uint8_t)x } };
	}
	ret->peer.n_allowed_ips = prefix_canonical(list, n_prefixes);
	ret->peer.allowed_ips = list;
	snprintf(host, sizeof(host), "198.%u.%u.%u:51820", 18 + (i >> 16 & 1), i >> 8 & 255,
		 i & 255);
	parse_endpoint(host, strlen(host), a, &ret->peer, &ret->endpoint);
}

static int cmp_entry(const void *a, const void *b)
{
	return wgkey_cmp(&((const struct entry *)a)->peer.key,
			 &((const struct entry *)b)->peer.key);
}

static int cmp_ifaddr(const void *a, const void *b)
{
	return ifaddr_cmp(a, b);
}

static void spec_line(struct spec *s, struct entry **entries, size_t *n, const char *line,
		      size_t len, struct arena *a)
{
	struct err e = { 0 };
	const char *v;
	size_t v_len;
	bool host_bits;

	if (begins(line, len, "private ", &v, &v_len)) {
		if (secret_from_base64(&s->private_key, v, v_len, &e) < 0)
			die("private", e.msg);
	} else if (begins(line, len, "alias ", &v, &v_len)) {
		s->alias = must(arena_strndup(a, v, v_len));
	} else if (begins(line, len, "port ", &v, &v_len)) {
		s->node.listen_port = (uint16_t)to_number(v, v_len);
		s->node.flags |= NODE_HAS_LISTEN_PORT;
	} else if (begins(line, len, "mtu ", &v, &v_len)) {
		s->node.mtu = (uint16_t)to_number(v, v_len);
	} else if (begins(line, len, "fwmark ", &v, &v_len)) {
		s->node.fwmark = (uint32_t)to_number(v, v_len);
		s->node.flags |= NODE_HAS_FWMARK;
	} else if (begins(line, len, "address ", &v, &v_len)) {
		s->addresses = must(
			arena_grow(a, s->addresses, s->node.n_addresses, sizeof(*s->addresses)));
		if (ifaddr_parse(v, v_len, &s->addresses[s->node.n_addresses++]) < 0)
			die("address", v);
	} else if (begins(line, len, "route ", &v, &v_len)) {
		s->routes = must(arena_grow(a, s->routes, s->config.n_routes, sizeof(*s->routes)));
		if (prefix_parse(v, v_len, &s->routes[s->config.n_routes++], &host_bits) < 0)
			die("route", v);
	} else if (begins(line, len, "peer ", &v, &v_len)) {
		*entries = must(arena_grow(a, *entries, *n, sizeof(**entries)));
		parse_peer(v, v_len, a, &(*entries)[(*n)++]);
	} else if (begins(line, len, "many ", &v, &v_len)) {
		const char *blank = memchr(v, ' ', v_len);
		size_t count, prefixes, i;

		if (!blank)
			die("many", line);
		count = to_number(v, (size_t)(blank - v));
		prefixes = to_number(blank + 1, v_len - (size_t)(blank + 1 - v));
		for (i = 0; i < count; i++) {
			*entries = must(arena_grow(a, *entries, *n, sizeof(**entries)));
			make_peer((uint32_t)i, prefixes, a, &(*entries)[(*n)++]);
		}
	} else if (len) {
		die("line", line);
	}
}

static void spec_read(const char *path, struct arena *a, struct spec *s)
{
	struct entry *entries = NULL;
	struct buf text;
	struct err e = { 0 };
	size_t n = 0, i, pos = 0;

	*s = (struct spec){ .node.mtu = 1420, .alias = ALIAS_PREFIX "test" };
	buf_init(&text, 64 << 20);
	if (os_read_file(-100, path, 64 << 20, &text, &e) < 0)
		die(path, e.msg);
	while (pos < text.len) {
		char *nl = memchr(text.data + pos, '\n', text.len - pos);
		size_t end = nl ? (size_t)(nl - text.data) : text.len;

		text.data[end] = '\0';
		spec_line(s, &entries, &n, text.data + pos, end - pos, a);
		pos = end + 1;
	}
	if (n)
		qsort(entries, n, sizeof(*entries), cmp_entry);
	s->peers = must(arena_array(a, n, sizeof(*s->peers)));
	s->endpoints = must(arena_array(a, n, sizeof(*s->endpoints)));
	for (i = 0; i < n; i++) {
		s->peers[i] = entries[i].peer;
		s->endpoints[i] = entries[i].endpoint;
	}
	if (s->node.n_addresses)
		qsort(s->addresses, s->node.n_addresses, sizeof(*s->addresses), cmp_ifaddr);
	s->node.addresses = s->addresses;
	s->config.n_routes = prefix_canonical(s->routes, s->config.n_routes);
	s->config.routes = s->routes;
	s->config.network = "test";
	s->config.node = &s->node;
	s->config.peers = s->peers;
	s->config.n_peers = n;
	s->desired = (struct desired){ .config = &s->config,
				       .endpoints = s->endpoints,
				       .alias = s->alias };
	if (s->private_key.b)
		wgkey_public(s->private_key.b, &s->desired.public_key);
	buf_release(&text);
}

static void print_conf(const struct spec *s)
{
	char key[KEY_STRLEN], text[ENDPOINT_STRLEN];
	struct secret base64 = { 0 };
	size_t i, j;

	if (secret_to_base64(&s->private_key, &base64, NULL) < 0)
		die("private", "none");
	printf("[Interface]\nPrivateKey = %.*s", (int)base64.len, (const char *)base64.b);
	secret_release(&base64);
	if (s->node.flags & NODE_HAS_LISTEN_PORT)
		printf("ListenPort = %u\n", s->node.listen_port);
	for (i = 0; i < s->config.n_peers; i++) {
		const struct peer *p = &s->peers[i];

		printf("[Peer]\nPublicKey = %s\n", wgkey_print(&p->key, key));
		for (j = 0; j < p->n_allowed_ips; j++)
			printf("%s%s",
			       j ? ", " : "AllowedIPs = ", prefix_print(&p->allowed_ips[j], text));
		printf("%s", p->n_allowed_ips ? "\n" : "");
		if (p->endpoint.host)
			printf("Endpoint = %s\n", endpoint_print(&p->endpoint, text));
		if (p->keepalive)
			printf("PersistentKeepalive = %u\n", p->keepalive);
	}
}

static void print_observed(const struct observed *o)
{
	char key[KEY_STRLEN], text[ENDPOINT_STRLEN];
	size_t i, j;

	printf("exists %d\n", o->exists);
	if (!o->exists)
		return;
	printf("wireguard %d\nup %d\nmtu %u\nalias %s\n", o->is_wireguard, o->up, o->mtu, o->alias);
	for (i = 0; i < o->n_addresses; i++)
		printf("address %s\n", ifaddr_print(&o->addresses[i], text));
	for (i = 0; i < o->n_routes; i++)
		printf("route %s\n", prefix_print(&o->routes[i].dst, text));
	if (o->has_private_key)
		printf("public %s\n", wgkey_print(&o->public_key, key));
	printf("port %u\nfwmark %u\n", o->listen_port, o->fwmark);
	for (i = 0; i < o->n_peers; i++) {
		const struct observed_peer *p = &o->peers[i];

		printf("peer %s psk=%d endpoint=%s keepalive=%u ips=", wgkey_print(&p->key, key),
		       p->has_psk, sock_endpoint_print(&p->endpoint, text), p->keepalive);
		for (j = 0; j < p->n_allowed_ips; j++)
			printf("%s%s", j ? "," : "", prefix_print(&p->allowed_ips[j], text));
		printf("\n");
	}
}

static void print_ops(const struct apply_result *r)
{
	struct buf out;
	size_t i;

	buf_init(&out, 64 << 20);
	for (i = 0; i < r->n_ops; i++) {
		op_print(&r->ops[i], &out);
		buf_addc(&out, '\n');
	}
	fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
}

static void print_cost(const struct apply_result *r, int64_t ms)
{
	printf("verified=%d rounds=%u ops=%zu set=%u wg=%u peers=%u bytes=%llu dumps=%u ms=%lld\n",
	       r->verified, r->rounds, r->n_changes, r->stats.set_messages, r->stats.wg_messages,
	       r->stats.peers_sent, (unsigned long long)r->stats.bytes_sent, r->stats.dumps,
	       (long long)ms);
}

static struct nl_sys real_sys;
static uint64_t fail_at, sends;
static int fail_with;
static bool fail_lost, lost_now;

static ssize_t failing_send(void *sock, const void *data, size_t len)
{
	if (++sends == fail_at && !fail_lost) {
		errno = fail_with;
		return -1;
	}
	lost_now = sends == fail_at;
	return real_sys.send(sock, data, len);
}

static ssize_t failing_recv(void *sock, void *data, size_t size)
{
	if (lost_now) {
		lost_now = false;
		errno = fail_with;
		return -1;
	}
	return real_sys.recv(sock, data, size);
}

static void set_up_failures(void)
{
	const char *s = getenv("KERN_TOOL_FAIL"), *colon = s ? strchr(s, ':') : NULL, *second;

	if (!colon)
		return;
	second = strchr(colon + 1, ':');
	fail_at = to_number(s, (size_t)(colon - s));
	fail_with = (int)to_number(colon + 1,
				   second ? (size_t)(second - colon - 1) : strlen(colon + 1));
	fail_lost = second != NULL;
	real_sys = nl_sys;
	nl_sys.send = failing_send;
	nl_sys.recv = failing_recv;
}

static int run(struct kern *k, int argc, char **argv, struct arena *a, struct err *e)
{
	struct spec s = { 0 }, was;
	const struct config *previous = NULL;
	struct apply_result r = { 0 };
	struct observed o;
	struct ifname name;
	int64_t start;
	int ret;

	if (argc < 2 || ifname_parse(argv[1], strlen(argv[1]), &name) < 0)
		die("usage", "kern_tool BACKEND COMMAND NAME ...");
	start = os_monotonic_ms();
	if (strcmp(argv[0], "show") == 0) {
		ret = k->ops->observe(k, &name, a, &o, e);
		if (ret == 0)
			print_observed(&o);
		return ret;
	}
	if (argc < 3)
		die("usage", "kern_tool BACKEND COMMAND NAME ...");
	if (strcmp(argv[0], "down") == 0) {
		ret = apply_down(k, &name, argv[2], a, &r, e);
		print_cost(&r, os_monotonic_ms() - start);
		return ret;
	}
	spec_read(argv[2], a, &s);
	if (argc > 3) {
		spec_read(argv[3], a, &was);
		secret_release(&was.private_key);
		previous = &was.config;
	}
	start = os_monotonic_ms();
	if (strcmp(argv[0], "plan") == 0) {
		ret = apply_plan(k, &name, &s.desired, previous, os_now(), a, &r, e);
		print_ops(&r);
	} else {
		ret = apply_desired(k, &name, &s.desired, previous, &s.private_key, os_now(), a, &r,
				    e);
		print_cost(&r, os_monotonic_ms() - start);
	}
	secret_release(&s.private_key);
	return ret;
}

/* Answers every request in the same wrong way, until it is killed. */
static void liar(const char *path, const char *mode)
{
	static char lines[1 << 16], request[1 << 16];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	size_t i;

	for (i = 0; i < sizeof(lines); i += 4)
		memcpy(lines + i, "a=b\n", 4);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (s < 0 || bind(s, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(s, 5) < 0)
		die(path, "cannot listen");
	signal(SIGPIPE, SIG_IGN);
	while ((fd = accept4(s, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		const char *say = "";

		if (recv(fd, request, sizeof(request), 0) > 0) {
			if (strcmp(mode, "garbage") == 0)
				say = "\x7f"
				      "ELF\n\n\n";
			else if (strcmp(mode, "half") == 0)
				say = "listen_port=5\npublic_key=41";
			else if (strcmp(mode, "refuse") == 0)
				say = "errno=22\n\n";
			while (strcmp(mode, "endless") == 0 &&
			       send(fd, lines, sizeof(lines), 0) > 0)
				;
			(void)send(fd, say, strlen(say), 0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct kern *k;
	struct arena a;
	struct spec s;
	int ret = 0;

	if (argc == 2 && strcmp(argv[1], "available") == 0)
		return kern_kernel_available() ? 0 : 1;
	if (argc < 3)
		die("usage", "kern_tool kernel|userspace|conf|available|liar ...");
	if (argc == 4 && strcmp(argv[1], "liar") == 0)
		liar(argv[2], argv[3]);
	arena_init(&a);
	if (strcmp(argv[1], "conf") == 0) {
		spec_read(argv[2], &a, &s);
		print_conf(&s);
		secret_release(&s.private_key);
	} else {
		set_up_failures();
		k = strcmp(argv[1], "kernel") == 0 ? kern_kernel_new(&e) :
						     kern_userspace_new(NULL, &e);
		ret = k ? run(k, argc - 2, argv + 2, &a, &e) : -1;
		if (k)
			k->ops->free(k);
		if (ret < 0)
			fprintf(stderr, "kern_tool: %s\n", e.msg);
	}
	arena_release(&a);
	return ret < 0 ? 1 : 0;
}
