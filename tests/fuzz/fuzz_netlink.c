/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel answers. The first byte chooses the reader; the rest is one datagram, whose
 * messages are for request 7 of port 4242. A WireGuard dump that is accepted is made into set
 * messages again, of a size that the second byte chooses, which are read with libmnl: every peer
 * and every prefix stands there once.
 */
#include "agent/kern_rt.h"
#include "agent/kern_rule.h"
#include "agent/kern_wg.h"
#include "agent/nl.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORT 4242u
#define SEQ 7u

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static int read_wg(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	return wg_reader_message(arg, nlh, e);
}

static int read_family(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	uint16_t family = 0;

	return wg_parse_family(nlh, &family, e);
}

static int read_link(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct rt_link link;

	if (rt_parse_link(nlh, &link, e) < 0)
		return -1;
	must(strlen(link.alias) < sizeof(link.alias) && strlen(link.kind) < sizeof(link.kind),
	     "a string without end");
	return 0;
}

static int read_addr(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct ifaddr x = { 0 };
	int r = rt_parse_addr(nlh, 3, &x, e);

	if (r > 0)
		must((x.addr.family == 4 || x.addr.family == 6) &&
			     x.len <= family_bits(x.addr.family),
		     "no address");
	return r < 0 ? -1 : 0;
}

static int read_route(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	struct rt_route x = { 0 };
	int r = rt_parse_route(nlh, &x, e);

	if (r > 0)
		must((x.dst.family == 4 || x.dst.family == 6) &&
			     x.dst.len <= family_bits(x.dst.family),
		     "no route");
	return r < 0 ? -1 : 0;
}

static int read_rule(const struct nlmsghdr *nlh, void *arg, struct err *e)
{
	char buf[RT_REQUEST_SIZE] __attribute__((aligned(8)));
	struct exit_rule again;
	struct rule_op op = { .add = true };
	int r = rule_parse(nlh, &op.rule, e);

	if (r > 0)
		must((op.rule.family == 4 || op.rule.family == 6) &&
			     op.rule.from.len <= family_bits(op.rule.family) &&
			     rule_parse(rule_build(&op, buf), &again, e) == 1 &&
			     !exit_rule_cmp(&op.rule, &again),
		     "no rule");
	return r < 0 ? -1 : 0;
}

static void count_set(const struct nlmsghdr *nlh, size_t *entries, size_t *prefixes)
{
	const struct nlattr *a, *peer, *in, *ip;

	mnl_attr_for_each(a, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(a) != WGDEVICE_A_PEERS)
			continue;
		mnl_attr_for_each_nested(peer, a)
		{
			(*entries)++;
			must(mnl_attr_get_type(mnl_attr_get_payload(peer)) == WGPEER_A_PUBLIC_KEY,
			     "a peer without its key");
			mnl_attr_for_each_nested(in, peer) if (mnl_attr_get_type(in) ==
							       WGPEER_A_ALLOWEDIPS)
				mnl_attr_for_each_nested(ip, in)(*prefixes)++;
		}
	}
}

static void build(const struct observed *o, size_t size, struct arena *a)
{
	static const struct ifname name = { "wg0" };
	struct op *ops = arena_array(a, o->n_peers, sizeof(*ops));
	struct wg_cursor c = { .ops = ops, .n = o->n_peers };
	size_t i, want = 0, prefixes = 0, entries = 0, told = 0;
	struct nlmsghdr *nlh;
	void *buf = malloc(size);

	must(ops && buf, "no memory");
	for (i = 0; i < o->n_peers; i++) {
		const struct observed_peer *p = &o->peers[i];

		must(!i || wgkey_cmp(&p[-1].key, &p->key) < 0, "peers are not sorted");
		ops[i] = (struct op){
			.kind = OP_PEER_SET,
			.flags = OPP_NEW | OPP_REPLACE_ALLOWED | OPP_KEEPALIVE | OPP_CLEAR_PSK |
				 (p->endpoint.family ? OPP_ENDPOINT : 0),
			.key = p->key,
			.endpoint = p->endpoint,
			.allowed_ips = p->allowed_ips,
			.n_allowed_ips = p->n_allowed_ips,
		};
		want += p->n_allowed_ips;
	}
	for (;;) {
		must(wg_build_set(&c, 0x1d, &name, NULL, buf, size, &nlh, NULL) == 0,
		     "cannot build");
		if (!nlh)
			break;
		must(nlh->nlmsg_len <= size, "a message too long");
		count_set(nlh, &entries, &prefixes);
		told += c.peers;
	}
	must(prefixes == want && entries >= o->n_peers && told == entries, "something was lost");
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static nl_message_fn *const readers[] = { read_wg,   read_family, read_link,
						  read_addr, read_route,  read_rule };
	struct observed o = { 0 };
	struct wg_reader reader;
	struct nl_reply reply;
	struct err e = { 0 };
	struct arena a;
	size_t used;
	void *copy;
	int r;

	if (size < 4)
		return 0;
	/* Aligned, as a receive buffer is, and not a byte longer than it is. */
	copy = malloc(size - 3);
	must(copy != NULL, "no memory");
	memcpy(copy, data + 4, size - 4);
	arena_init(&a);
	wg_reader_init(&reader, &a, &o);
	r = nl_scan(copy, size - 4, PORT, SEQ, SEQ, readers[data[0] % ARRAY_LEN(readers)], &reader,
		    &reply, &used, &e);
	must(r == 0 || (e.class != ERR_NONE && e.msg[0]), "an error without a reason");
	must(used <= size - 4, "more than there is");
	if (r == 0) {
		must(!reply.error || reply.done, "an error that is not the end");
		must(reply.error >= 0 && reply.error <= 4095, "no error number");
		must(strlen(reply.text) < sizeof(reply.text), "a text without end");
	}
	if (r == 0 && data[0] % ARRAY_LEN(readers) == 0 && wg_reader_finish(&reader, &e) == 0)
		build(&o, 512 + data[1] * 16u, &a);
	arena_release(&a);
	free(copy);
	return 0;
}
