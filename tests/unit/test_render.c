/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formats of render, whole; that other tools read them is tested in tests/cli/render.t. */
#include "tests/unit/unit.h"

#include "publication/gateway.h"
#include "publication/ruleset.h"
#include "reconciler/render.h"

static struct prefix prefix_of(const char *s)
{
	struct prefix p;
	bool host_bits;

	assert_int_equal(prefix_parse(s, strlen(s), &p, &host_bits), 0);
	return p;
}

static struct wgkey key_of(uint8_t first)
{
	struct wgkey k = { { first } };

	return k;
}

struct sample {
	struct prefix prefixes[3], routes[2];
	struct ifaddr addresses[2];
	struct peer peers[2];
	struct node node;
	struct config config;
};

static void sample_init(struct sample *s)
{
	*s = (struct sample){ 0 };
	s->prefixes[0] = prefix_of("10.20.0.2/32");
	s->prefixes[1] = prefix_of("192.168.10.0/24");
	s->prefixes[2] = prefix_of("fd20:0:0:1::2/128");
	s->routes[0] = prefix_of("192.168.10.0/24");
	assert_int_equal(ifaddr_parse("10.20.0.1/16", 12, &s->addresses[0]), 0);
	assert_int_equal(ifaddr_parse("fd20:0:0:1::1/64", 16, &s->addresses[1]), 0);
	s->peers[0] = (struct peer){
		.name = "ams1", .key = key_of(1), .allowed_ips = s->prefixes, .n_allowed_ips = 3
	};
	s->peers[0].endpoint = (struct endpoint){ "2001:db8::1", 51820 };
	s->peers[0].keepalive = 25;
	s->peers[1] = (struct peer){ .name = "anna", .key = key_of(2) };
	s->node = (struct node){ .name = "fra1",
				 .interface = { "prod" },
				 .flags = NODE_HAS_LISTEN_PORT | NODE_HAS_FWMARK,
				 .listen_port = 51820,
				 .mtu = 1420,
				 .fwmark = 51,
				 .addresses = s->addresses,
				 .n_addresses = 2 };
	s->config = (struct config){ .network = "prod",
				     .node = &s->node,
				     .peers = s->peers,
				     .n_peers = 2,
				     .routes = s->routes,
				     .n_routes = 1 };
}

static void check(const struct config *c, enum render_format format, const char *want)
{
	struct buf out;
	struct err e;

	buf_init(&out, 1 << 16);
	assert_int_equal(render(c, format, &out, &e), 0);
	assert_string_equal(out.data, want);
	buf_release(&out);
}

#define PEERS_WG                                                          \
	"\n# ams1\n[Peer]\n"                                              \
	"PublicKey = AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"      \
	"Endpoint = [2001:db8::1]:51820\n"                                \
	"AllowedIPs = 10.20.0.2/32, 192.168.10.0/24, fd20:0:0:1::2/128\n" \
	"PersistentKeepalive = 25\n"                                      \
	"\n# anna\n[Peer]\n"                                              \
	"PublicKey = AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static void test_wg(void **state)
{
	struct sample s;

	sample_init(&s);
	check(&s.config, RENDER_WG,
	      "# Network prod, node fra1, interface prod\n[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n"
	      "ListenPort = 51820\nFwMark = 0x33\n" PEERS_WG);
	check(&s.config, RENDER_WG_QUICK,
	      "# Network prod, node fra1, interface prod\n[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n"
	      "ListenPort = 51820\nFwMark = 0x33\nAddress = 10.20.0.1/16, fd20:0:0:1::1/64\nMTU = 1420\n" PEERS_WG);
	s.node.flags = 0;
	s.config.n_peers = 0;
	check(&s.config, RENDER_WG,
	      "# Network prod, node fra1, interface prod\n[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n");
}

static void test_networkd(void **state)
{
	struct sample s;

	sample_init(&s);
	check(&s.config, RENDER_NETWORKD,
	      "# file: /etc/systemd/network/70-prod.netdev\n[NetDev]\nName=prod\nKind=wireguard\nMTUBytes=1420\n"
	      "\n[WireGuard]\nPrivateKeyFile=/etc/systemd/network/70-prod.key\nListenPort=51820\nFirewallMark=51\n"
	      "\n# ams1\n[WireGuardPeer]\nPublicKey=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	      "Endpoint=[2001:db8::1]:51820\nAllowedIPs=10.20.0.2/32,192.168.10.0/24,fd20:0:0:1::2/128\n"
	      "PersistentKeepalive=25\n"
	      "\n# anna\n[WireGuardPeer]\nPublicKey=AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	      "\n# file: /etc/systemd/network/70-prod.network\n[Match]\nName=prod\n\n[Network]\n"
	      "Address=10.20.0.1/16\nAddress=fd20:0:0:1::1/64\n"
	      "\n[Route]\nDestination=192.168.10.0/24\n");
}

/* The families are those that the interface carries; what is not IPv6 leaves IPv6 alone. */
static void test_gateway(void **state)
{
	struct prefix masquerade[2] = { prefix_of("192.168.10.0/24"), prefix_of("fd30::/48") };
	struct sample s;
	struct ruleset table;
	struct buf out;

	sample_init(&s);
	s.node.flags = NODE_FORWARD;
	s.node.n_addresses = 1;
	s.config.n_routes = 0;
	s.config.n_peers = 0;
	assert_int_equal(gateway_families(&s.config), GATEWAY_IPV4);
	check(&s.config, RENDER_WG_QUICK,
	      "# Network prod, node fra1, interface prod\n[Interface]\nPrivateKey = REPLACE_WITH_PRIVATE_KEY\n"
	      "Address = 10.20.0.1/16\nMTU = 1420\n"
	      "# Forwarding stays on when the interface goes down\n"
	      "PostUp = sysctl -q -w net.ipv4.conf.all.forwarding=1\n");
	s.node.masquerade = masquerade;
	s.node.n_masquerade = 1;
	check(&s.config, RENDER_NETWORKD,
	      "# file: /etc/systemd/network/70-prod.netdev\n[NetDev]\nName=prod\nKind=wireguard\nMTUBytes=1420\n"
	      "\n[WireGuard]\nPrivateKeyFile=/etc/systemd/network/70-prod.key\n"
	      "\n# file: /etc/systemd/network/70-prod.network\n[Match]\nName=prod\n\n[Network]\n"
	      "Address=10.20.0.1/16\nIPForward=ipv4\n"
	      "# networkd masquerades for an interface or not at all; for nft(8), besides:\n"
	      "# table inet meshrc-prod { chain postrouting { type nat hook postrouting priority srcnat; policy accept;"
	      " iifname \"prod\" oifname != \"prod\" ip daddr { 192.168.10.0/24 } masquerade; }; }\n");
	s.node.n_masquerade = 2;
	assert_int_equal(gateway_families(&s.config), GATEWAY_IPV4 | GATEWAY_IPV6);
	s.config.n_peers = 0;
	s.node.n_addresses = 0;
	check(&s.config, RENDER_JSON,
	      "{\n  \"network\": \"prod\",\n  \"node\": \"fra1\",\n  \"interface\": \"prod\",\n  \"listen_port\": null,\n"
	      "  \"mtu\": 1420,\n  \"fwmark\": null,\n  \"addresses\": [],\n  \"peers\": [],\n  \"forward\": true,\n"
	      "  \"masquerade\": [\n    \"192.168.10.0/24\",\n    \"fd30::/48\"\n  ]\n}\n");
	s.node.n_masquerade = 0;
	s.config.n_peers = 2;
	assert_int_equal(gateway_families(&s.config), GATEWAY_IPV4 | GATEWAY_IPV6);
	s.node.flags = 0;
	assert_int_equal(gateway_families(&s.config), 0);
	buf_init(&out, 100);
	ruleset_of(&s.config, "prod", &table);
	ruleset_print(&table, false, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

static void test_json(void **state)
{
	struct sample s;

	sample_init(&s);
	s.node.flags = 0;
	s.node.n_addresses = 0;
	s.config.n_peers = 0;
	check(&s.config, RENDER_JSON,
	      "{\n  \"network\": \"prod\",\n  \"node\": \"fra1\",\n  \"interface\": \"prod\",\n  \"listen_port\": null,\n"
	      "  \"mtu\": 1420,\n  \"fwmark\": null,\n  \"addresses\": [],\n  \"peers\": []\n}\n");
}

/* Names are checked long before; a comment line cannot be left all the same. */
static void test_hostile_name(void **state)
{
	struct sample s;
	struct buf out;
	struct err e;
	int format;

	sample_init(&s);
	s.peers[0].name = "x\nPrivateKey = stolen";
	for (format = RENDER_WG; format <= RENDER_JSON; format++) {
		buf_init(&out, 1 << 16);
		assert_int_equal(render(&s.config, (enum render_format)format, &out, &e), 0);
		assert_null(strstr(out.data, "\nPrivateKey = stolen"));
		buf_release(&out);
	}
}

static void test_limits(void **state)
{
	enum render_format f = RENDER_WG;
	struct sample s;
	struct buf out;
	struct err e;
	int format;

	sample_init(&s);
	for (format = RENDER_WG; format <= RENDER_JSON; format++) {
		buf_init(&out, 100);
		assert_int_equal(render(&s.config, (enum render_format)format, &out, &e), -1);
		buf_release(&out);
	}
	assert_int_equal(render_format_parse("networkd", &f), 0);
	assert_int_equal(f, RENDER_NETWORKD);
	assert_int_equal(render_format_parse("", &f), -1);
	assert_int_equal(render_format_parse("WG", &f), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wg),	     cmocka_unit_test(test_networkd),
		cmocka_unit_test(test_gateway),	     cmocka_unit_test(test_json),
		cmocka_unit_test(test_hostile_name), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
