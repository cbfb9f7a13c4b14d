/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy from the model to the packet: permits and guards of whole networks, what a node lets in
 * against the rules as they were written, on random networks, and the nftables table as text.
 */
#include "tests/unit/unit.h"

#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "publication/ruleset.h"
#include "reconciler/compile.h"
#include "tests/ref/admit.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/some_network.h"

#define ROUNDS 3000

static uint64_t seed_now;

/* ---- Services ---- */

static struct service service_of(const char *s)
{
	struct service ret = { 0 };
	const char *why;

	if (service_parse(s, strlen(s), &ret, &why) < 0)
		fail_msg("%s: %s", s, why);
	return ret;
}

static void test_service_words(void **state)
{
	static const char *const good[] = { "any",	   "icmp",	"tcp",	   "udp",
					    "tcp/1",	   "tcp/65535", "udp/1-2", "tcp/2-65535",
					    "udp/1-65534", "tcp/80-90" };
	static const char *const bad[] = { "",	      "TCP",	   "tcp/",
					   "tcp/0",   "tcp/65536", "tcp/08",
					   "tcp/+1",  "tcp/90-80", "tcp/80-80",
					   "tcp/80-", "tcp/-80",   "tcp/1-65535",
					   "icmp/8",  "any/1",	   "sctp/1",
					   "80",      "tcp/80,90", "tcp/80-90-100",
					   "tcp /80", "icmpv6",	   "tcp/99999999999999999999" };
	char text[SERVICE_STRLEN];
	struct service s;
	const char *why;
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		s = service_of(good[i]);
		assert_string_equal(service_print(&s, text), good[i]);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		why = NULL;
		if (!service_parse(bad[i], strlen(bad[i]), &s, &why))
			fail_msg("taken: %s", bad[i]);
		assert_non_null(why);
	}
}

/* Against a list of all packets. */
static void test_services_canonical(void **state)
{
	struct dice d;
	size_t i, j, k;

	for (i = 0; i < 5000; i++) {
		struct service list[8], again[8], packet;
		size_t n = 1 + (size_t)(i % 8), kept;

		dice_init(&d, i + 1);
		for (j = 0; j < n; j++) {
			struct service *s = &list[j];

			*s = (struct service){ .kind = (enum service_kind)(dice_throw(&d, 12) / 4 +
									   1) };
			if (dice_one_in(&d, 40))
				s->kind = SERVICE_ANY;
			if (s->kind >= SERVICE_TCP) {
				s->first = (uint16_t)(1 + dice_throw(&d, 12));
				s->last = (uint16_t)(s->first + dice_throw(&d, 4));
			}
		}
		memcpy(again, list, sizeof(again));
		kept = services_canonical(again, n);
		for (j = 1; j < kept; j++)
			assert_true(service_cmp(&again[j - 1], &again[j]) < 0);
		for (packet.kind = SERVICE_ICMP; packet.kind <= SERVICE_UDP; packet.kind++)
			for (k = 0; k < 20; k++) {
				bool want = false, got = false;

				packet.first = packet.last =
					packet.kind == SERVICE_ICMP ? 0 : (uint16_t)(k + 1);
				for (j = 0; j < n; j++)
					want |= services_cover(&list[j], 1, &packet);
				for (j = 0; j < kept; j++)
					got |= services_cover(&again[j], 1, &packet);
				assert_int_equal(want, got);
				assert_int_equal(services_cover(again, kept, &packet), want);
				assert_int_equal(services_overlap(again, kept, &packet), want);
			}
		memcpy(list, again, sizeof(list));
		assert_int_equal(services_canonical(list, kept), kept);
		assert_true(services_equal(list, kept, again, kept));
	}
	{
		struct service tcp = service_of("tcp/10-20"), wide = service_of("tcp/15-30"),
			       any = service_of("any");

		assert_false(services_cover(&tcp, 1, &wide));
		assert_true(services_overlap(&tcp, 1, &wide));
		assert_false(services_cover(&tcp, 1, &any));
		assert_true(services_overlap(&tcp, 1, &any));
		assert_true(services_cover(&any, 1, &tcp));
		assert_false(services_overlap(&any, 0, &tcp));
	}
}

static size_t some_list(struct dice *d, struct service *list)
{
	size_t n = dice_throw(d, 5), i;

	for (i = 0; i < n; i++) {
		list[i] = (struct service){ .kind = SERVICE_ICMP + dice_throw(d, 3) };
		if (list[i].kind != SERVICE_ICMP) {
			list[i].first =
				(uint16_t)(dice_one_in(d, 4) ? 1 : 65528 + dice_throw(d, 8));
			list[i].last = (uint16_t)(dice_one_in(d, 3) ? 65535 : list[i].first);
		}
	}
	return services_canonical(list, n);
}

static void test_services_subtract(void **state)
{
	static const uint16_t ports[] = { 1,	 2,	65527, 65528, 65529, 65530,
					  65531, 65532, 65533, 65534, 65535 };
	struct service any = { SERVICE_ANY, 0, 0 };
	struct dice d;
	size_t i, j;

	for (i = 0; i < 5000; i++) {
		struct service a[4], b[4], left[8], again[8], packet;
		size_t na, nb, n;

		dice_init(&d, i + 1);
		na = some_list(&d, a);
		nb = some_list(&d, b);
		n = services_subtract(a, na, b, nb, left);
		assert_true(n <= na + nb);
		for (packet.kind = SERVICE_ICMP; packet.kind <= SERVICE_UDP; packet.kind++)
			for (j = 0; j < ARRAY_LEN(ports); j++) {
				packet.first = packet.last =
					packet.kind == SERVICE_ICMP ? 0 : ports[j];
				assert_int_equal(services_cover(left, n, &packet),
						 services_cover(a, na, &packet) &&
							 !services_cover(b, nb, &packet));
			}
		memcpy(again, left, sizeof(again));
		assert_int_equal(services_canonical(again, n), n);
		assert_true(services_equal(left, n, again, n));
		assert_int_equal(services_subtract(a, na, &any, 1, left), 0);
	}
}

/* ---- Random networks ---- */

struct checked {
	size_t networks, packets, let_in, behind, clients, outside, encoded;
};

/* A host of a route that is in no narrower prefix that rules speak of, or in one. */
static struct ipaddr host_of(struct dice *d, const struct prefix *p)
{
	static const uint8_t hosts[] = { 1, 9, 70, 130, 200 };
	struct ipaddr a = { .family = p->family };

	memcpy(a.b, p->b, sizeof(a.b));
	a.b[p->family == 4 ? 3 : 15] = hosts[dice_throw(d, ARRAY_LEN(hosts))];
	return a;
}

static void check_packet(struct dice *d, const struct m_network *m, const struct network *n,
			 const struct config *configs, const struct ref_end *from,
			 const struct ref_end *to, struct checked *c)
{
	/* A client cannot guard itself. */
	const struct record *r = network_record(n, to->node->name);
	const struct m_node *guard = m_network_node(m, r->gateway ? r->gateway : r->name);
	const struct config *at = &configs[guard - m->nodes];
	struct service packet = some_packet(d);
	bool want = reference_admits(m, from, to, &packet),
	     got = reference_filter(&at->policy, from->address, to->address,
				    to->behind || to->outside, &packet);
	char a[IPADDR_STRLEN], b[IPADDR_STRLEN], on[SERVICE_STRLEN];

	if (want != got)
		fail_msg("%s to %s on %s: %d, not %d", ipaddr_print(from->address, a),
			 ipaddr_print(to->address, b), service_print(&packet, on), got, want);
	c->packets++;
	c->let_in += got;
	c->behind += from->behind || to->behind;
	c->clients += r->gateway != NULL;
	c->outside += to->outside && got;
	if (r->gateway && at->policy.guarded) {
		size_t i;

		for (i = 0; i < at->policy.clients.n; i++)
			if (prefix_contains_addr(&at->policy.clients.prefixes[i], to->address))
				return;
		fail_msg("%s is not guarded by its gateway", to->node->name);
	}
}

static const struct ipaddr outside[] = { { 4, { 203, 0, 113, 9 } },
					 { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 } } };

static bool is_exit(const struct m_network *m, const struct m_node *n)
{
	size_t i;

	for (i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].exit_node.s && !strcmp(m->nodes[i].exit_node.s, n->name))
			return true;
	for (i = 0; i < m->n_clients; i++)
		if (!strcmp(m->clients[i].gateway.s, n->name))
			return true;
	return false;
}

static void check_pairs(struct dice *d, const struct m_network *m, const struct network *n,
			const struct config *configs, struct checked *c)
{
	struct ref_end ends[SOME_MAX_NODES * 7];
	struct ipaddr hosts[SOME_MAX_NODES * 7];
	size_t i, j, k = 0, from;

	for (i = 0; i < m->n_nodes; i++) {
		const struct record *r = network_record(n, m->nodes[i].name);

		for (j = 0; j < r->n_addresses; j++)
			ends[k++] =
				(struct ref_end){ &m->nodes[i], &r->addresses[j], false, false };
		for (j = 0; j < r->n_routes; j++) {
			hosts[k] = host_of(d, &r->routes[j]);
			ends[k] = (struct ref_end){ &m->nodes[i], &hosts[k], true, false };
			k++;
		}
	}
	/* The networks of a site are behind its leader. */
	for (i = 0; i < m->n_sites; i++)
		for (j = 0; j < m->sites[i].n_routes; j++) {
			hosts[k] = host_of(d, &m->sites[i].routes[j].prefix);
			ends[k] = (struct ref_end){ m_network_node(m, m->sites[i].leaders[0].s),
						    &hosts[k], true, false };
			k++;
		}
	for (i = 0; i < m->n_clients; i++) {
		const struct record *r = network_record(n, m->clients[i].node.name);

		for (j = 0; j < r->n_addresses; j++)
			ends[k++] = (struct ref_end){ &m->clients[i].node, &r->addresses[j], false,
						      false };
	}
	from = k;
	/* Whoever lets out what is in no network. */
	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < 2; j++)
			if (is_exit(m, &m->nodes[i]))
				ends[k++] =
					(struct ref_end){ &m->nodes[i], &outside[j], false, true };
	for (i = 0; i < from; i++)
		for (j = 0; j < k; j++)
			if (ends[i].address->family == ends[j].address->family &&
			    ends[i].node != ends[j].node)
				check_packet(d, m, n, configs, &ends[i], &ends[j], c);
}

/* Encoded, decoded and encoded again: the same bytes, and the same policy. */
static void check_documents(const struct network *n, const struct config *configs, struct arena *a,
			    struct checked *c)
{
	struct document_ref refs[N_TABLES], again[N_TABLES];
	struct network_builder *b = network_builder_new(a, n->name);
	struct document *docs;
	struct network back;
	size_t n_docs, i, t;
	struct err e = { 0 };
	struct config config;

	assert_int_equal(network_encode(n, a, &docs, &n_docs, refs, &e), 0);
	for (i = 0; i < n_docs; i++)
		for (t = 0; t < N_TABLES; t++)
			if (!strcmp(docs[i].kind, table_name((enum table)t)) &&
			    network_builder_add_page(b, (enum table)t, docs[i].data, docs[i].len,
						     &e) < 0)
				fail_msg("%s", e.msg);
	assert_int_equal(network_builder_finish(b, &back, &e), 0);
	assert_int_equal(network_encode(&back, a, &docs, &n_docs, again, &e), 0);
	for (t = 0; t < N_TABLES; t++)
		assert_memory_equal(&refs[t], &again[t], sizeof(refs[t]));
	assert_int_equal(back.n_permits, n->n_permits);
	for (i = 0; i < back.n_nodes; i++) {
		assert_int_equal(expand(&back, &back.nodes[i], a, &config, &e), 0);
		assert_true(policy_equal(&config.policy, &configs[i].policy));
	}
	c->encoded++;
}

static void test_random(void **state)
{
	struct config configs[SOME_MAX_NODES];
	struct checked c = { 0 };
	size_t i;

	for (seed_now = 1; seed_now <= ROUNDS; seed_now++) {
		struct err e = { 0 };
		struct m_network *m;
		struct network n;
		struct arena a;
		struct dice d;
		struct diag diag;

		dice_init(&d, seed_now);
		arena_init(&a);
		diag_init(&diag, &a);
		m = some_network(&d, &a);
		assert_non_null(m);
		if (m->n_policy && compile(m, NULL, 1, &a, &diag, &n) == 0) {
			for (i = 0; i < n.n_nodes; i++) {
				if (expand(&n, &n.nodes[i], &a, &configs[i], &e) < 0)
					fail_msg("%s", e.msg);
				assert_true(configs[i].policy.guarded);
			}
			check_pairs(&d, m, &n, configs, &c);
			check_documents(&n, configs, &a, &c);
			c.networks++;
		}
		arena_release(&a);
	}
	print_message(
		"%zu networks, %zu packets (%zu from or to behind a node, %zu to clients), %zu let in, %zu let out\n",
		c.networks, c.packets, c.behind, c.clients, c.let_in, c.outside);
	assert_true(c.outside > ROUNDS / 10);
	assert_true(c.networks > ROUNDS / 2);
	assert_true(c.packets > 50 * (size_t)ROUNDS);
	assert_true(c.behind > 10 * (size_t)ROUNDS);
	assert_true(c.clients > 10 * (size_t)ROUNDS);
	assert_true(c.let_in > c.packets / 20 && c.let_in < c.packets / 2);
}

/* ---- By hand ---- */

static const struct ipaddr addr_a[] = { { 4, { 10, 0, 0, 1 } }, { 6, { 0xfd, [15] = 1 } } };
static const struct ipaddr addr_b[] = { { 4, { 10, 0, 0, 2 } }, { 6, { 0xfd, [15] = 2 } } };
static const struct ipaddr addr_c[] = { { 4, { 10, 0, 0, 3 } } };
static const struct record records[] = {
	{ .name = "a", .key = { { 1 } }, .addresses = addr_a, .n_addresses = 2 },
	{ .name = "b", .key = { { 2 } }, .addresses = addr_b, .n_addresses = 2 },
	{ .name = "c", .key = { { 3 } }, .addresses = addr_c, .n_addresses = 1 },
};
static const char *const members[] = { "a", "b" };
static const struct group groups[] = { { "tag:x", members, 2 } };
static const struct service ports[] = { { SERVICE_ICMP, 0, 0 },
					{ SERVICE_TCP, 22, 22 },
					{ SERVICE_TCP, 80, 90 },
					{ SERVICE_UDP, 1, 65535 } };
static const struct service any[] = { { SERVICE_ANY, 0, 0 } };
#define PERMIT(to_, from_, list, n)                                         \
	{                                                                   \
		.to = to_, .from = from_, .services = list, .n_services = n \
	}

static const struct permit permits[] = {
	PERMIT("172.16.1.0/24", "tag:x", any, 1),
	PERMIT("all", "a", ports + 1, 1),
	PERMIT("c", "fd77::/48", any, 1),
	PERMIT("c", "tag:x", ports, 4),
};
static const char *const guards[] = { "172.16.1.0/24", "all", "c" };
static const struct ifaddr own[] = { { { 4, { 10, 0, 0, 3 } }, 24 } };
static const struct node node_c = { .name = "c",
				    .key = { { 3 } },
				    .interface = { "wg0" },
				    .flags = NODE_FORWARD | NODE_GUARDED,
				    .mtu = 1420,
				    .guards = guards,
				    .n_guards = 3,
				    .addresses = own,
				    .n_addresses = 1 };
static const struct network by_hand = { .name = "prod",
					.records = records,
					.n_records = 3,
					.groups = groups,
					.n_groups = 1,
					.permits = permits,
					.n_permits = 4 };

static void print_set(const struct ruleset *r, bool lines, struct buf *out)
{
	buf_init(out, 1 << 20);
	ruleset_print(r, lines, out);
	assert_true(buf_ok(out));
}

static void test_table(void **state)
{
	static const struct prefix behind[] = { { 4, 24, { 172, 16, 1 } }, { 6, 48, { 0xfd, 9 } } };
	static const char want[] =
		"table inet meshrc-prod {\n"
		"\tset from1v4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
		"\t\telements = { 10.0.0.1, 10.0.0.2 }\n\t}\n"
		"\tset from1v6 {\n\t\ttype ipv6_addr\n\t\tflags interval\n"
		"\t\telements = { fd00::1, fd00::2 }\n\t}\n"
		"\tchain asked_for {\n"
		"\t\tct original ip daddr 172.16.1.0/24 ip saddr @from1v4 return comment \"tag:x to 172.16.1.0/24\"\n"
		"\t\tmeta l4proto 6 ct original proto-dst 22 ct original ip daddr 10.0.0.3 ip saddr 10.0.0.1 return comment \"a to all\"\n"
		"\t\tmeta l4proto 1 ct original ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tmeta l4proto 6 ct original proto-dst 22 ct original ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tmeta l4proto 6 ct original proto-dst 80-90 ct original ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tmeta l4proto 17 ct original ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tcounter drop\n\t}\n"
		"\tchain permitted {\n"
		"\t\tip daddr 172.16.1.0/24 ip saddr @from1v4 return comment \"tag:x to 172.16.1.0/24\"\n"
		"\t\ttcp dport 22 ip daddr 10.0.0.3 ip saddr 10.0.0.1 return comment \"a to all\"\n"
		"\t\tmeta l4proto 1 ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\ttcp dport { 22, 80-90 } ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tmeta l4proto 17 ip daddr 10.0.0.3 ip saddr @from1v4 return comment \"tag:x to c\"\n"
		"\t\tct status dnat goto asked_for\n"
		"\t\tcounter drop\n\t}\n"
		"\tchain guard {\n\t\tct state established ct direction reply accept\n"
		"\t\tct state related accept\n"
		"\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
		"\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept\n"
		"\t\tjump permitted\n\t\taccept\n\t}\n"
		"\tchain input {\n\t\ttype filter hook input priority filter; policy accept\n"
		"\t\tiifname \"wg0\" jump guard\n\t}\n"
		"\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept\n"
		"\t\tiifname \"wg0\" oifname != \"wg0\" jump guard\n\t}\n"
		"\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept\n"
		"\t\tiifname \"wg0\" oifname != \"wg0\" ip daddr { 172.16.1.0/24 } masquerade\n"
		"\t\tiifname \"wg0\" oifname != \"wg0\" ip6 daddr { fd09::/48 } masquerade\n\t}\n"
		"}\n";
	static const struct ifname names[] = { { "wg1" }, { "wg0" } };
	struct node node = node_c, other = node_c;
	struct config c, o;
	struct ruleset r;
	struct err e;
	struct arena a;
	struct buf out;

	arena_init(&a);
	node.masquerade = behind;
	node.n_masquerade = 2;
	assert_int_equal(expand(&by_hand, &node, &a, &c, &e), 0);
	ruleset_of(&c, "wg0", &r);
	print_set(&r, true, &out);
	assert_string_equal(out.data, want);
	buf_release(&out);
	/* In one line, guarding two interfaces with two policies. */
	other.n_guards = 0;
	assert_int_equal(expand(&by_hand, &other, &a, &o, &e), 0);
	assert_true(o.policy.guarded && !o.policy.n_rules);
	assert_false(policy_equal(&c.policy, &o.policy));
	ruleset_of(&o, "wg1", &r);
	ruleset_add_policy(&r, &o.policy);
	ruleset_add_policy(&r, &c.policy);
	ruleset_add_interface(&r, "wg0");
	ruleset_add_interface(&r, "wg1");
	assert_int_equal(r.n_interfaces, 2);
	assert_int_equal(r.n_policies, 2);
	print_set(&r, false, &out);
	assert_null(strchr(out.data, '\n'));
	assert_non_null(
		strstr(out.data, "chain permitted { counter drop; }; chain also_asked_for { "));
	assert_non_null(strstr(out.data, "set also1v4 { type ipv4_addr; flags interval; "
					 "elements = { 10.0.0.1, 10.0.0.2 }; };"));
	assert_non_null(strstr(out.data, "ip saddr @also1v4 return"));
	assert_non_null(strstr(out.data, "jump permitted; jump also_permitted; accept; };"));
	assert_non_null(strstr(out.data, "iifname { \"wg1\", \"wg0\" } oifname != { \"wg1\", "
					 "\"wg0\" } jump guard; }; }"));
	buf_release(&out);
	/* Without one of them, and without any. */
	r.without = names;
	r.n_without = 1;
	print_set(&r, false, &out);
	assert_non_null(strstr(out.data, "iifname \"wg0\" oifname != \"wg0\" jump guard; }; }"));
	assert_null(strstr(out.data, "wg1"));
	buf_release(&out);
	r.n_without = 2;
	print_set(&r, false, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
	/* Nothing to say: no table. */
	other.flags &= ~(unsigned int)NODE_GUARDED;
	assert_int_equal(expand(&by_hand, &other, &a, &o, &e), 0);
	assert_false(o.policy.guarded);
	ruleset_of(&o, "wg0", &r);
	print_set(&r, false, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
	arena_release(&a);
}

/* What is outside: not the host, not the network, not what is behind the node. */
static void test_outside(void **state)
{
	static const struct prefix routes[] = { { 4, 24, { 172, 16, 1 } } },
				   standby[] = { { 4, 24, { 172, 16, 2 } } };
	static const struct standby by[] = { { .prefix = { 4, 24, { 172, 16, 2 } }, .metric = 5 } };
	static const struct permit out_permits[] = { PERMIT("0.0.0.0/0", "a", any, 1),
						     PERMIT("::/0", "a", ports + 1, 1) };
	static const char *const out_guards[] = { "0.0.0.0/0", "::/0" };
	struct network n = by_hand;
	struct record list[3];
	struct node node = node_c;
	struct config c;
	struct ruleset r;
	struct arena a;
	struct err e;
	struct buf out;

	arena_init(&a);
	memcpy(list, records, sizeof(list));
	list[2].routes = routes;
	list[2].n_routes = 1;
	list[2].standby = by;
	list[2].n_standby = 1;
	n.records = list;
	n.permits = out_permits;
	n.n_permits = 2;
	node.guards = out_guards;
	node.n_guards = 2;
	assert_int_equal(expand(&n, &node, &a, &c, &e), 0);
	assert_int_equal(c.policy.n_behind, 3);
	assert_int_equal(prefix_cmp(&c.policy.behind[2], &standby[0]), 0);
	ruleset_of(&c, "wg0", &r);
	print_set(&r, false, &out);
	assert_non_null(strstr(
		out.data,
		"chain permitted { ct status ! dnat fib daddr type != local oifname != \"wg0\" "
		"ip daddr != { 10.0.0.3, 172.16.1.0/24, 172.16.2.0/24 } "
		"ip saddr 10.0.0.1 return comment \"a to 0.0.0.0/0\"; "
		"tcp dport 22 ct status ! dnat fib daddr type != local oifname != \"wg0\" "
		"ip6 saddr fd00::1 return comment \"a to ::/0\"; ct status dnat goto asked_for; counter drop; };"));
	assert_non_null(strstr(
		out.data,
		"chain asked_for { fib daddr type != local oifname != \"wg0\" "
		"ct original ip daddr != { 10.0.0.3, 172.16.1.0/24, 172.16.2.0/24 } "
		"ip saddr 10.0.0.1 return comment \"a to 0.0.0.0/0\"; "
		"meta l4proto 6 ct original proto-dst 22 fib daddr type != local oifname != \"wg0\" "
		"ip6 saddr fd00::1 return comment \"a to ::/0\"; counter drop; };"));
	buf_release(&out);
	/* Without its own record it does not know. */
	n.n_records = 2;
	assert_int_equal(policy_expand(&n, &node, &a, &c.policy, &e), -1);
	assert_non_null(strstr(e.msg, "the record of c"));
	arena_release(&a);
}

/* An exit, without a policy: what is private and not behind it is not let out. */
static void test_indoors(void **state)
{
	static const struct prefix routes[] = { { 4, 24, { 172, 16, 1 } } },
				   all[] = { { 4, 0, { 0 } }, { 6, 0, { 0 } } };
	struct network n = by_hand;
	struct record list[3];
	struct node node = node_c;
	struct config c;
	struct ruleset r;
	struct arena a;
	struct err e;
	struct buf out;

	arena_init(&a);
	memcpy(list, records, sizeof(list));
	list[2].routes = routes;
	list[2].n_routes = 1;
	n.records = list;
	node.flags = NODE_FORWARD;
	node.n_guards = 0;
	node.masquerade = all;
	node.n_masquerade = 2;
	assert_int_equal(expand(&n, &node, &a, &c, &e), 0);
	ruleset_of(&c, "wg0", &r);
	print_set(&r, false, &out);
	assert_string_equal(
		out.data,
		"table inet meshrc-prod { chain indoors { ct direction reply return; ct status dnat return; "
		"ip daddr { 10.0.0.3, 172.16.1.0/24 } return; "
		"ip daddr { 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16 } counter drop; "
		"ip6 daddr { fc00::/7, fe80::/10 } counter drop; }; "
		"chain forward { type filter hook forward priority filter; policy accept; "
		"iifname \"wg0\" oifname != \"wg0\" jump indoors; }; "
		"chain postrouting { type nat hook postrouting priority srcnat; policy accept; "
		"iifname \"wg0\" oifname != \"wg0\" meta nfproto ipv4 masquerade; "
		"iifname \"wg0\" oifname != \"wg0\" meta nfproto ipv6 masquerade; }; }");
	buf_release(&out);
	arena_release(&a);
}

/* Of a prefix, only what is behind nodes. */
static void test_not_meant(void **state)
{
	static const struct prefix pool[] = { { 4, 24, { 10, 0, 0 } } },
				   halves[] = { { 6, 49, { 0xfd, 0x77 } },
						{ 6, 49, { 0xfd, 0x77, 0, 0, 0, 0, 0x80 } } },
				   guest[] = { { 4, 32, { 172, 16, 1, 3 } } };
	struct permit list[] = { PERMIT("172.16.1.0/30", "fd77::/48", any, 1),
				 PERMIT("c", "10.0.0.0/23", any, 1),
				 PERMIT("c", "fd77::/48", any, 1) };
	static const char *const to[] = { "172.16.1.0/30", "c" };
	struct network n = by_hand;
	struct node node = node_c;
	struct config c;
	struct ruleset r;
	struct arena a;
	struct err e;
	struct buf out;

	arena_init(&a);
	list[0].not_to = guest;
	list[1].not_from = pool;
	list[0].not_from = list[2].not_from = halves;
	list[0].n_not_to = list[1].n_not_from = 1;
	list[0].n_not_from = list[2].n_not_from = 2;
	n.permits = list;
	n.n_permits = 3;
	node.guards = to;
	node.n_guards = 2;
	assert_int_equal(expand(&n, &node, &a, &c, &e), 0);
	ruleset_of(&c, "wg0", &r);
	print_set(&r, false, &out);
	assert_non_null(strstr(out.data, "chain permitted { ip daddr 10.0.0.3 ip saddr "
					 "10.0.1.0/24 return comment \"10.0.0.0/23 to c\"; "
					 "ct status dnat goto asked_for; counter drop; };"));
	buf_release(&out);
	list[0].from = "10.0.0.0/23";
	list[0].not_from = pool;
	list[0].n_not_from = 1;
	assert_int_equal(expand(&n, &node, &a, &c, &e), 0);
	ruleset_of(&c, "wg0", &r);
	print_set(&r, false, &out);
	assert_non_null(strstr(out.data, "chain permitted { ip daddr { 172.16.1.0/31, "
					 "172.16.1.2 } ip saddr 10.0.1.0/24 return"));
	buf_release(&out);
	/* The permits of a prefix agree on what it means. */
	list[0].n_not_from = 0;
	assert_int_equal(policy_expand(&n, &node, &a, &c.policy, &e), -1);
	assert_non_null(strstr(e.msg, "says of 10.0.0.0/23 in two ways what of it is meant"));
	list[0] = (struct permit)PERMIT("172.16.1.0/30", "a", any, 1);
	list[1] = (struct permit)PERMIT("172.16.1.0/30", "tag:x", any, 1);
	list[1].not_to = guest;
	list[1].n_not_to = 1;
	assert_int_equal(policy_expand(&n, &node, &a, &c.policy, &e), -1);
	assert_non_null(strstr(e.msg, "says of 172.16.1.0/30 in two ways what of it is meant"));
	arena_release(&a);
}

/* What is missing is told, and what is too much. */
static void test_refused(void **state)
{
	struct network n = by_hand;
	struct policy p;
	struct arena a;
	struct err e;

	arena_init(&a);
	n.n_groups = 0;
	assert_int_equal(policy_expand(&n, &node_c, &a, &p, &e), -1);
	assert_int_equal(e.class, ERR_INPUT);
	assert_non_null(strstr(e.msg, "the group tag:x"));
	n = by_hand;
	n.records++;
	n.n_records--;
	assert_int_equal(policy_expand(&n, &node_c, &a, &p, &e), -1);
	assert_non_null(strstr(e.msg, "the record of a"));
	arena_release(&a);
}

static void test_too_many_sources(void **state)
{
	static const struct permit to_c[] = { PERMIT("c", "all", any, 1),
					      PERMIT("c", "tag:x", any, 1) };
	static const char *const only_c[] = { "c" };
	size_t n_records = MAX_SOURCES / 2, i;
	struct record *list = calloc(n_records + 1, sizeof(*list));
	struct ipaddr *addresses = calloc(2 * (n_records + 1), sizeof(*addresses));
	char(*name)[16] = calloc(n_records + 1, sizeof(*name));
	struct network n = by_hand;
	struct node node = node_c;
	struct policy p;
	struct arena a;
	struct err e;

	assert_true(list && addresses && name);
	for (i = 0; i <= n_records; i++) {
		snprintf(name[i], sizeof(name[i]), "n%06zu", i);
		addresses[2 * i].family = 4;
		addresses[2 * i].b[0] = 10;
		addresses[2 * i + 1].family = 6;
		addresses[2 * i + 1].b[0] = 0xfd;
		memcpy(&addresses[2 * i].b[1],
		       (uint8_t[]){ (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i }, 3);
		memcpy(&addresses[2 * i + 1].b[13], &addresses[2 * i].b[1], 3);
		list[i] = (struct record){ .name = name[i],
					   .addresses = &addresses[2 * i],
					   .n_addresses = 2 };
	}
	n.records = list;
	n.n_records = n_records;
	n.permits = to_c;
	n.n_permits = 1;
	node.guards = only_c;
	node.n_guards = 1;
	arena_init(&a);
	if (policy_expand(&n, &node, &a, &p, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(p.sources[0].n, MAX_SOURCES);
	n.n_records++;
	assert_int_equal(policy_expand(&n, &node, &a, &p, &e), -1);
	assert_int_equal(e.class, ERR_LIMIT);
	/* Of several sources together. */
	n = by_hand;
	n.permits = to_c;
	n.n_permits = 2;
	assert_int_equal(policy_expand(&n, &node, &a, &p, &e), 0);
	assert_int_equal(p.n_sources, 2);
	arena_release(&a);
	free(list);
	free(addresses);
	free(name);
}

static void test_out_of_memory(void **state)
{
	struct policy p, good;
	struct arena a, b;
	struct err e;
	size_t n;
	int r;

	arena_init(&b);
	assert_int_equal(policy_expand(&by_hand, &node_c, &b, &good, &e), 0);
	for (n = 1;; n++) {
		bool hit;

		arena_init(&a);
		fail_alloc_at(n);
		r = policy_expand(&by_hand, &node_c, &a, &p, &e);
		hit = fail_alloc_stop();
		assert_int_equal(r, hit ? -1 : 0);
		if (hit)
			assert_int_equal(e.class, ERR_NOMEM);
		else
			assert_true(policy_equal(&p, &good));
		arena_release(&a);
		if (!hit)
			break;
	}
	arena_release(&b);
}

/* ---- Lines of the documents ---- */

static void test_lines(void **state)
{
	static const char key[] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	static const struct {
		const char *guards;
		bool good;
	} nodes[] = {
		{ "-", true },		 { "all", true },
		{ "a,all,tag:x", true }, { "10.0.0.0/8,all", true },
		{ "fd77::/48", true },	 { "", false },
		{ "-,all", false },	 { "all,a", false },
		{ "all,all", false },	 { "10.0.0.1/8", false },
		{ "10.0.0.0", true },	 { "fd77:0::/48", false },
		{ "A", false },		 { "a,", false },
		{ "tag:x,", false },
	};
	static const struct {
		const char *line;
		bool good;
	} lines[] = {
		{ "permit tag:db tag:app on=any", true },
		{ "permit tag:db tag:app on=icmp,tcp/22,tcp/80-90,udp", true },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp", true },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_to=10.20.0.0/16,10.21.0.1/32", true },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_to=10.20.0.0/16 not_from=fd77::1/128",
		  true },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_from=fd77::/49", true },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_from=fd77::/48", false },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_from=fd78::/64", false },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_from=10.20.0.0/16", false },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_to=10.20.0.0/16,10.20.1.0/24", false },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_to=", false },
		{ "permit 10.0.0.0/8 fd77::/48 on=tcp not_from=fd77::1/128 not_to=10.20.0.0/16",
		  false },
		{ "permit 10.0.0.0/8 a on=tcp not_from=10.20.0.0/16", false },
		{ "permit 0.0.0.0/0 a on=tcp not_to=10.20.0.0/16", false },
		{ "permit all a on=any", true },
		{ "permit tag:db tag:app", false },
		{ "permit tag:db on=any", false },
		{ "permit tag:db tag:app on=", false },
		{ "permit tag:db tag:app on=any,tcp/22", false },
		{ "permit tag:db tag:app on=tcp/22,icmp", false },
		{ "permit tag:db tag:app on=tcp/22,tcp/22", false },
		{ "permit tag:db tag:app on=tcp/22,tcp/23", false },
		{ "permit tag:db tag:app on=tcp/22-30,tcp/25", false },
		{ "permit tag:db tag:app on=tcp/022", false },
		{ "permit tag:db tag:app on=any x", false },
		{ "permit 10.0.0.1/8 a on=any", false },
		{ "permit a 10.0.0.0/08 on=any", false },
		{ "permit a B on=any", false },
		{ "permit - a on=any", false },
		{ "allow a b on=any", false },
	};
	struct err e;
	struct arena a;
	char line[400];
	size_t i;

	arena_init(&a);
	for (i = 0; i < ARRAY_LEN(nodes); i++) {
		struct node n;
		struct buf out;
		int r;

		snprintf(
			line, sizeof(line),
			"node a key=%s interface=wg0 mtu=1420 forward=yes guards=%s addresses=10.0.0.1/8",
			key, nodes[i].guards);
		r = node_decode(line, strlen(line), &a, &n, &e);
		if ((r == 0) != nodes[i].good)
			fail_msg("%s: %d", line, r);
		if (r < 0)
			continue;
		buf_init(&out, 1000);
		assert_int_equal(node_encode(&n, &out), 0);
		assert_string_equal(out.data, line);
		buf_release(&out);
	}
	for (i = 0; i < ARRAY_LEN(lines); i++) {
		struct network_builder *b = network_builder_new(&a, "prod");
		int r;

		snprintf(line, sizeof(line), "meshrc policy 1\nnetwork prod\n%s\n", lines[i].line);
		r = network_builder_add_page(b, TABLE_POLICY, line, strlen(line), &e);
		if ((r == 0) != lines[i].good)
			fail_msg("%s: %d", lines[i].line, r);
	}
	arena_release(&a);
}

/* One more guard, and one more service, than a line may have. */
static void test_line_limits(void **state)
{
	size_t over, i;

	for (over = 0; over < 2; over++) {
		struct err e;
		struct arena a;
		struct node n;
		struct buf line;
		struct network_builder *b;

		arena_init(&a);
		buf_init(&line, 1 << 20);
		buf_adds(&line,
			 "node a key=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= interface=wg0 "
			 "mtu=1420 guards=");
		for (i = 0; i < MAX_GUARDS + over; i++)
			buf_addf(&line, "%sn%05zu", i ? "," : "", i);
		buf_adds(&line, " addresses=10.0.0.1/8");
		assert_int_equal(node_decode(line.data, line.len, &a, &n, &e), over ? -1 : 0);
		buf_reset(&line);
		buf_adds(&line, "meshrc policy 1\nnetwork prod\npermit a b on=");
		for (i = 0; i < MAX_SERVICES + over; i++)
			buf_addf(&line, "%stcp/%zu", i ? "," : "", 1 + 2 * i);
		buf_addc(&line, '\n');
		b = network_builder_new(&a, "prod");
		assert_int_equal(network_builder_add_page(b, TABLE_POLICY, line.data, line.len, &e),
				 over ? -1 : 0);
		buf_release(&line);
		arena_release(&a);
	}
}

/* Pages of the most permits that there can be, and of one more. */
static void test_permit_limit(void **state)
{
	struct network_builder *b;
	struct buf page;
	struct arena a;
	struct err e = { 0 };
	size_t i, n = 0;
	int r = 0;

	arena_init(&a);
	b = network_builder_new(&a, "prod");
	buf_init(&page, MAX_PAGE);
	while (n <= MAX_PERMITS && !r) {
		buf_reset(&page);
		buf_adds(&page, "meshrc policy 1\nnetwork prod\n");
		for (i = 0; i < 1000 && n <= MAX_PERMITS; i++, n++)
			buf_addf(&page, "permit a n%06zu on=any\n", n);
		r = network_builder_add_page(b, TABLE_POLICY, page.data, page.len, &e);
		assert_int_equal(r, n > MAX_PERMITS ? -1 : 0);
	}
	assert_int_equal(n, MAX_PERMITS + 1);
	assert_int_equal(e.class, ERR_LIMIT);
	buf_release(&page);
	arena_release(&a);
}

/* ---- What the compiler refuses ---- */

/* Nodes with every one of n_tags tags. */
static struct m_network *network_of(struct arena *a, size_t n_nodes, size_t n_tags)
{
	static struct m_prefix pool = { .prefix = { 4, 8, { 10 } } };
	struct m_network *m = arena_alloc(a, sizeof(*m));
	char text[16];
	size_t i, j;

	assert_non_null(m);
	m->name = "prod";
	m->pools = &pool;
	m->n_pools = 1;
	m->nodes = arena_array(a, n_nodes, sizeof(*m->nodes));
	assert_non_null(m->nodes);
	/* Nobody is joined: this is not about peers. */
	m->has_topology = true;
	for (i = 0; i < n_nodes; i++) {
		struct m_node *n = &m->nodes[m->n_nodes++];

		snprintf(text, sizeof(text), "n%05zu", i);
		n->name = arena_strdup(a, text);
		n->endpoint.host = "one.example.net";
		n->public_key.b[0] = (uint8_t)(i + 3);
		n->public_key.b[1] = (uint8_t)(i >> 8);
		n->public_key.b[5] = 1;
		n->tags = arena_array(a, n_tags, sizeof(*n->tags));
		for (j = 0; j < n_tags; j++) {
			snprintf(text, sizeof(text), "t%05zu", j);
			n->tags[n->n_tags++].s = arena_strdup(a, text);
		}
	}
	return m;
}

static void add_rules(struct arena *a, struct m_network *m, size_t n)
{
	m->policy = arena_array(a, n, sizeof(*m->policy));
	assert_non_null(m->policy);
	m->n_policy = n;
}

/* The nodes from first on, or their tags. */
static void name_nodes(struct arena *a, struct m_parties *p, const struct m_network *m,
		       size_t first, size_t n, bool tags)
{
	size_t i;

	p->nodes.list = arena_array(a, n, sizeof(*p->nodes.list));
	assert_non_null(p->nodes.list);
	for (i = 0; i < n; i++)
		p->nodes.list[p->nodes.n++] = (struct m_selector){
			.kind = tags ? SELECT_TAG : SELECT_NODE,
			.name = tags ? m->nodes[0].tags[first + i].s : m->nodes[first + i].name,
		};
}

static void expect_compile(const struct m_network *m, struct arena *a, const char *want)
{
	struct network n;
	struct diag d;
	int r;

	diag_init(&d, a);
	r = compile(m, NULL, 1, a, &d, &n);
	assert_false(d.nomem);
	if (!want) {
		if (r < 0)
			fail_msg("%s", d.entries[0].msg);
		return;
	}
	assert_int_equal(r, -1);
	assert_int_equal(d.errors, 1);
	if (!strstr(d.entries[0].msg, want))
		fail_msg("%s", d.entries[0].msg);
	assert_non_null(d.entries[0].help);
}

static void test_compile_limits(void **state)
{
	size_t over, i;

	for (over = 0; over < 2; over++) {
		struct m_network *m;
		struct arena a;

		/* Pairs: 256 times 256, and one more. */
		arena_init(&a);
		m = network_of(&a, 257, 0);
		add_rules(&a, m, 2);
		for (i = 0; i < 2; i++) {
			name_nodes(&a, &m->policy[i].from, m, 0, i ? 1 : 256, false);
			name_nodes(&a, &m->policy[i].to, m, i ? 255 + over : 0, i ? 1 : 256, false);
		}
		expect_compile(m, &a, over ? "more than 65536 pairs" : NULL);
		arena_release(&a);

		/* Ranges of ports of one pair, over two rules. */
		arena_init(&a);
		m = network_of(&a, 2, 0);
		add_rules(&a, m, 2);
		for (i = 0; i < MAX_SERVICES + over; i++) {
			struct m_rule *r = &m->policy[i % 2];

			if (!r->on.list)
				r->on.list = arena_array(&a, MAX_SERVICES, sizeof(*r->on.list));
			r->on.list[r->on.n++].service =
				(struct service){ SERVICE_TCP, (uint16_t)(2 * i + 1),
						  (uint16_t)(2 * i + 1) };
		}
		for (i = 0; i < 2; i++) {
			name_nodes(&a, &m->policy[i].from, m, 0, 1, false);
			name_nodes(&a, &m->policy[i].to, m, 1, 1, false);
		}
		expect_compile(m, &a, over ? "more than 256 ranges of ports" : NULL);
		arena_release(&a);

		/* Ways to name one node: a tag each, over many rules. */
		arena_init(&a);
		m = network_of(&a, 1, MAX_GUARDS + over);
		add_rules(&a, m, (MAX_GUARDS + over + 255) / 256);
		for (i = 0; i < m->n_policy; i++) {
			size_t left = MAX_GUARDS + over - 256 * i;

			name_nodes(&a, &m->policy[i].from, m, 0, 1, false);
			name_nodes(&a, &m->policy[i].to, m, 256 * i, left < 256 ? left : 256, true);
		}
		expect_compile(m, &a, over ? "in more than the 4096 ways" : NULL);
		arena_release(&a);
	}
}

/* A prefix that nobody has behind it, and the default route, are told and permit nothing. */
static void test_behind_nobody(void **state)
{
	static struct m_prefix wide = { .prefix = { 4, 12, { 172, 16 } } },
			       none = { .prefix = { 4, 0, { 0 } } };
	struct m_network *m;
	struct network n;
	struct arena a;
	struct diag d;

	arena_init(&a);
	diag_init(&d, &a);
	m = network_of(&a, 2, 0);
	add_rules(&a, m, 2);
	name_nodes(&a, &m->policy[0].from, m, 0, 1, false);
	name_nodes(&a, &m->policy[1].from, m, 0, 1, false);
	m->policy[0].to.prefixes = &wide;
	m->policy[0].to.n_prefixes = 1;
	m->policy[1].to.prefixes = &none;
	m->policy[1].to.n_prefixes = 1;
	assert_int_equal(compile(m, NULL, 1, &a, &d, &n), 0);
	assert_int_equal(d.warnings, 2);
	assert_non_null(strstr(d.entries[0].msg, "172.16.0.0/12 lies behind no node"));
	assert_non_null(strstr(d.entries[1].msg, "0.0.0.0/0 lies behind no node"));
	assert_int_equal(n.n_permits, 0);
	assert_true(n.nodes[0].flags & NODE_GUARDED && !n.nodes[0].n_guards);
	arena_release(&a);
}

static int say_seed(void **state)
{
	if (seed_now && seed_now <= ROUNDS)
		print_message("failed with seed %llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_words),
		cmocka_unit_test(test_services_canonical),
		cmocka_unit_test(test_services_subtract),
		cmocka_unit_test_teardown(test_random, say_seed),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_indoors),
		cmocka_unit_test(test_not_meant),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many_sources),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_limits),
		cmocka_unit_test(test_permit_limit),
		cmocka_unit_test(test_compile_limits),
		cmocka_unit_test(test_behind_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
