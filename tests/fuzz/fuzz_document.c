/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The immutable documents. The input is one document, or several with a line "%" between them. Each
 * that is accepted by itself is printed again line for line; all accepted pages together make a
 * network, which is encoded, decoded and compared, and each of whose nodes is expanded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "publication/document.h"
#include "publication/expand.h"
#include "publication/names.h"
#include "publication/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NETWORK "prod"

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static void must_say_why(const struct err *e)
{
	must(e->class != ERR_NONE && (e->class != ERR_VERIFY || e->reason) && e->msg[0],
	     "an error without a reason");
}

/* The lines of a document behind its header of two lines. */
static const char *lines_of(const char *data, size_t len, size_t *ret_len)
{
	const char *p = data, *end = data + len;
	int i;

	for (i = 0; i < 2; i++)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	*ret_len = (size_t)(end - p);
	return p;
}

static void try_index(const char *data, size_t len, enum table t)
{
	char hex[DIGEST_STRLEN];
	struct err e = { 0 };
	struct index ix;
	struct arena a;
	struct buf b;
	size_t i, first, n;

	arena_init(&a);
	if (index_decode(data, len, NETWORK, t, &a, &ix, &e) < 0) {
		must_say_why(&e);
		arena_release(&a);
		return;
	}
	buf_init(&b, MAX_INDEX * 2);
	buf_addf(&b, "meshrc index 1\nnetwork %s\ntable %s\n", NETWORK, table_name(t));
	for (i = 0; i < ix.n; i++) {
		buf_addf(&b, "page %llu %s %s\n", (unsigned long long)ix.entries[i].page.len,
			 digest_print(&ix.entries[i].page.hash, hex), ix.entries[i].first);
		/* A page is found by its own first key. */
		n = index_find(&ix, ix.entries[i].first, &first);
		must(n && first <= i && i < first + n, "index_find misses a page");
	}
	must(b.len == len && !memcmp(b.data, data, len), "an index is printed differently");
	buf_release(&b);
	arena_release(&a);
}

/* Encodes; checks that the pages of table t hold exactly these lines, when lines are given; decodes
 * again. */
static void round_trip(const struct network *n, enum table t, const char *lines, size_t len,
		       struct arena *a)
{
	struct document_ref refs[N_TABLES];
	struct network_builder *b = network_builder_new(a, NETWORK);
	struct document *docs;
	struct network again;
	struct err e = { 0 };
	struct index ix;
	size_t n_docs, i, j, at = 0, part_len;
	unsigned int k;

	if (network_encode(n, a, &docs, &n_docs, refs, &e) < 0) {
		must_say_why(&e);
		return;
	}
	for (k = 0; k < N_TABLES; k++) {
		for (i = 0; i < n_docs && refs[k].len; i++) {
			if (strcmp(docs[i].kind, "index") != 0 ||
			    digest_cmp(&docs[i].hash, &refs[k].hash))
				continue;
			must(index_decode(docs[i].data, docs[i].len, NETWORK, (enum table)k, a, &ix,
					  &e) == 0,
			     e.msg);
			break;
		}
		must(!refs[k].len || i < n_docs, "an index is missing");
		for (j = 0; refs[k].len && j < ix.n; j++) {
			for (i = 0; i < n_docs; i++)
				if (!strcmp(docs[i].kind, table_name((enum table)k)) &&
				    !digest_cmp(&docs[i].hash, &ix.entries[j].page.hash))
					break;
			must(i < n_docs, "a page is missing");
			must(network_builder_add_page(b, (enum table)k, docs[i].data, docs[i].len,
						      &e) == 0,
			     e.msg);
			if (!lines || k != t)
				continue;
			{
				const char *part = lines_of(docs[i].data, docs[i].len, &part_len);

				must(at + part_len <= len && !memcmp(lines + at, part, part_len),
				     "a line is printed differently");
				at += part_len;
			}
		}
	}
	must(!lines || at == len, "lines are missing");
	must(network_builder_finish(b, &again, &e) == 0, e.msg);
	must(again.n_records == n->n_records && again.n_nodes == n->n_nodes &&
		     again.n_groups == n->n_groups && again.n_freed == n->n_freed &&
		     again.n_gone == n->n_gone && again.n_permits == n->n_permits &&
		     again.n_routed == n->n_routed,
	     "decoded to another size");
	for (i = 0; i < n->n_permits; i++)
		must(permit_equal(&n->permits[i], &again.permits[i]), "decoded to another permit");
	for (i = 0; i < n->n_records; i++)
		must(record_equal(&n->records[i], &again.records[i]), "decoded to another record");
	for (i = 0; i < n->n_nodes; i++)
		must(node_equal(&n->nodes[i], &again.nodes[i]), "decoded to another node");
	for (i = 0; i < n->n_routed; i++)
		must(routed_link_equal(&n->routed[i], &again.routed[i]), "decoded to another link");
}

static void try_page(const char *data, size_t len, enum table t, struct network_builder *all)
{
	struct err e = { 0 };
	struct network_builder *b;
	struct network n;
	struct arena a;
	const char *lines;
	size_t lines_len;

	arena_init(&a);
	b = network_builder_new(&a, NETWORK);
	if (network_builder_add_page(b, t, data, len, &e) < 0) {
		must_say_why(&e);
	} else {
		must(network_builder_finish(b, &n, &e) == 0, e.msg);
		lines = lines_of(data, len, &lines_len);
		round_trip(&n, t, lines, lines_len, &a);
		must(network_builder_add_page(all, t, data, len, &e) == 0, e.msg);
	}
	arena_release(&a);
}

/* What goes to nft is one line, whatever the documents say. */
static void try_ruleset(const struct config *c)
{
	struct ruleset r;
	struct buf b;

	buf_init(&b, MAX_RULESET);
	ruleset_of(c, "wg0", &r);
	ruleset_print(&r, false, &b);
	must(!buf_ok(&b) || !b.len || !strpbrk(b.data, "\n'$`\\"), "a rule with a strange byte");
	buf_release(&b);
}

static void expand_all(const struct network *n, struct arena *a)
{
	struct config c;
	struct err e;
	size_t i, j, k;

	for (i = 0; i < n->n_nodes && i < 64; i++) {
		memset(&e, 0, sizeof(e));
		if (expand(n, &n->nodes[i], a, &c, &e) < 0) {
			must(e.class != ERR_NONE && e.msg[0], "an error without a reason");
			continue;
		}
		try_ruleset(&c);
		for (j = 0; j < c.n_links; j++) {
			const struct config *l = &c.links[j];

			must(l->routed && l->n_peers == 1 && !l->n_routes && !l->n_links,
			     "a link that is none");
			must(strcmp(l->node->interface.s, c.node->interface.s) != 0 &&
				     (!j || strcmp(c.links[j - 1].node->interface.s,
						   l->node->interface.s) < 0),
			     "links out of order");
			must(l->node->listen_port && l->peers[0].n_allowed_ips == 2,
			     "a link with holes");
		}
		for (j = 0; j < c.n_peers; j++) {
			must(!j || wgkey_cmp(&c.peers[j - 1].key, &c.peers[j].key) < 0,
			     "peers out of order");
			must(config_peer(&c, &c.peers[j].key) == &c.peers[j],
			     "config_peer misses a peer");
			must(strcmp(c.peers[j].name, n->nodes[i].name) != 0,
			     "a node is its own peer");
			for (k = 1; k < c.peers[j].n_allowed_ips; k++)
				must(prefix_cmp(&c.peers[j].allowed_ips[k - 1],
						&c.peers[j].allowed_ips[k]) < 0,
				     "allowed IPs out of order");
		}
	}
}

/* Whatever is published: a line for a hosts file is an address and a name under the domain. */
static void name_all(const struct network *n, struct arena *a)
{
	char name[DNSNAME_STRLEN];
	const char *p, *end, *nl;
	struct names names;
	struct err e = { 0 };
	struct buf b;
	size_t i, j;

	if (names_make(n, a, &names, &e) < 0) {
		must_say_why(&e);
		return;
	}
	if (!names.domain)
		return;
	must(!dnsname_domain_wrong(names.domain, strlen(names.domain)), "a bad domain");
	buf_init(&b, 64u << 20);
	names_put_hosts(n, names.domain, "", &b, NULL);
	p = b.data;
	end = p + b.len;
	for (i = 0; i < n->n_records; i++)
		for (j = 0; j < n->records[i].n_addresses; j++) {
			struct ipaddr ip;
			const char *tab;

			nl = p ? memchr(p, '\n', (size_t)(end - p)) : NULL;
			tab = nl ? memchr(p, '\t', (size_t)(nl - p)) : NULL;
			must(tab && !ipaddr_parse(p, (size_t)(tab - p), &ip), "no address");
			snprintf(name, sizeof(name), "%s.%s", n->records[i].name, names.domain);
			must((size_t)(nl - tab - 1) == strlen(name) &&
				     !memcmp(tab + 1, name, strlen(name)) &&
				     dnsname_is_host(name, strlen(name)),
			     "another name");
			p = nl + 1;
		}
	must(p == end, "more lines than addresses");
	for (i = 0; i < names.n_zones && i < 16; i++) {
		uint32_t serial;

		buf_reset(&b);
		names_put_zone(&names, &names.zones[i], (uint32_t)i, &b);
		must(buf_ok(&b) && !names_zone_serial(b.data, b.len, &serial) && serial == i,
		     "a zone without its serial");
	}
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size, *cut;
	struct network_builder *all;
	struct network n;
	struct err e = { 0 };
	struct arena a;
	unsigned int t;

	arena_init(&a);
	all = network_builder_new(&a, NETWORK);
	while (p < end) {
		cut = memmem(p, (size_t)(end - p), "\n%\n", 3);
		cut = cut ? cut + 1 : end;
		for (t = 0; t < N_TABLES; t++) {
			try_index(p, (size_t)(cut - p), (enum table)t);
			try_page(p, (size_t)(cut - p), (enum table)t, all);
		}
		p = cut == end ? end : cut + 2;
	}
	if (network_builder_finish(all, &n, &e) < 0) {
		must_say_why(&e);
	} else {
		round_trip(&n, N_TABLES, NULL, 0, &a);
		expand_all(&n, &a);
		name_all(&n, &a);
	}
	arena_release(&a);
	return 0;
}
