/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML files -> model. The input is one network file, or several files each begun by a line "===
 * PATH". Loading must give an answer that does not depend on the order of the files; every place
 * must be inside its file; the text for people must hold no control character; what was accepted
 * must keep the promises of schema/model.h.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "schema/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FUZZ_FILES 8

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

struct files {
	struct source list[MAX_FUZZ_FILES + 1];
	char paths[MAX_FUZZ_FILES + 1][64];
	size_t n;
};

static void add_file(struct files *f, const char *path, size_t path_len, const char *text,
		     size_t len)
{
	struct source *s = &f->list[f->n];
	size_t i;

	if (path_len >= sizeof(f->paths[0]) || memchr(path, '\0', path_len))
		return;
	memcpy(f->paths[f->n], path, path_len);
	f->paths[f->n][path_len] = '\0';
	/* A tree has a path once; the loader may rely on it. */
	for (i = 0; i < f->n; i++)
		if (!strcmp(f->paths[i], f->paths[f->n]))
			return;
	*s = (struct source){ .path = f->paths[f->n], .text = text, .len = len };
	f->n++;
}

static const char *find_header(const char *p, const char *end)
{
	for (; end - p >= 4; p++) {
		if (!memcmp(p, "=== ", 4))
			return p;
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			break;
	}
	return end;
}

static void split(struct files *f, const char *text, size_t len)
{
	const char *p = text, *end = text + len, *nl, *next;

	if (find_header(p, end) != p)
		add_file(f, "networks/prod.yaml", 18, p, (size_t)(find_header(p, end) - p));
	for (p = find_header(p, end); p < end && f->n < MAX_FUZZ_FILES; p = next) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
		next = find_header(nl + 1, end);
		add_file(f, p + 4, (size_t)(nl - p - 4), nl + 1, (size_t)(next - nl - 1));
	}
	add_file(f, "meshrc.yaml", 11, "version: 1\n", 11);
}

static void check_place(const struct pos *pos)
{
	const struct source *s = pos->source;
	uint32_t lines = 1;
	size_t i;

	if (!s || !pos->line)
		return;
	for (i = 0; i < s->len; i++)
		lines += s->text[i] == '\n';
	must(pos->line <= lines, "a line behind the end of the file");
	must(pos->col >= 1 && pos->col <= s->len + 1, "a column outside of the file");
}

static void check_client(const struct m_network *n, const struct m_client *c)
{
	const struct m_node *gateway = c->gateway.s ? m_network_node(n, c->gateway.s) : NULL;
	size_t i;

	must(name_is_valid(c->node.name, strlen(c->node.name)) && strcmp(c->node.name, "all") != 0,
	     "a client's name");
	must(m_network_client(n, c->node.name) == c, "a client is found");
	must(!m_network_node(n, c->node.name), "a client is no node");
	must(gateway && gateway->endpoint.host, "a client's gateway can be reached");
	must(c->node.public_key_pos.source && !wgkey_weak(&c->node.public_key), "a client's key");
	must(!c->node.endpoint.host && !c->node.n_routes && !c->node.n_tags && !c->node.relay,
	     "a client is only that");
	must(c->node.n_addresses <= MAX_ADDRESSES && c->n_dns <= MAX_DNS, "a client's lists");
	must(!c->node.mtu.set || (c->node.mtu.v >= 576 && c->node.mtu.v <= 65535), "mtu");
	for (i = 0; i < c->n_dns; i++)
		must(!c->dns[i].domain != !c->dns[i].addr.family, "a name server or a domain");
	check_place(&c->node.pos);
	check_place(&c->gateway.pos);
}

static void check_network(const struct m_network *n)
{
	size_t i, j;

	must(name_is_valid(n->name, strlen(n->name)), "a network's name");
	must(n->n_pools >= 1 && n->n_pools <= MAX_POOLS, "pools");
	for (i = 0; i < n->n_nodes; i++) {
		const struct m_node *node = &n->nodes[i];

		must(name_is_valid(node->name, strlen(node->name)) &&
			     strcmp(node->name, "all") != 0,
		     "a node's name");
		must(!i || strcmp(n->nodes[i - 1].name, node->name) < 0, "nodes are sorted");
		must(m_network_node(n, node->name) == node, "a node is found");
		must(node->public_key_pos.source && !wgkey_weak(&node->public_key), "a node's key");
		must(node->n_addresses <= MAX_ADDRESSES &&
			     (node->has_addresses || !node->n_addresses),
		     "addresses");
		must(!node->fwmark.set || (node->fwmark.v && node->fwmark.v <= UINT32_MAX),
		     "fwmark");
		must(!node->mtu.set || (node->mtu.v >= 576 && node->mtu.v <= 65535), "mtu");
		for (j = 1; j < node->n_tags; j++)
			must(strcmp(node->tags[j - 1].s, node->tags[j].s) < 0, "tags are sorted");
		check_place(&node->pos);
		check_place(&node->public_key_pos);
	}
	for (i = 0; i < n->n_clients; i++) {
		must(!i || strcmp(n->clients[i - 1].node.name, n->clients[i].node.name) < 0,
		     "clients are sorted");
		check_client(n, &n->clients[i]);
	}
	must(n->has_topology || !n->n_topology, "topology");
	for (i = 0; i < n->n_topology; i++) {
		const struct m_topology *t = &n->topology[i];

		must(t->a.n && (t->kind == TOPOLOGY_MESH || t->b.n), "selectors");
		for (j = 0; j < t->a.n; j++)
			must(t->a.list[j].kind != SELECT_NODE ||
				     m_network_node(n, t->a.list[j].name),
			     "a reference");
	}
}

static void load(const struct files *f, struct buf *text)
{
	struct arena a;
	struct diag d;
	struct model m;
	size_t i;
	int rc;

	arena_init(&a);
	diag_init(&d, &a);
	rc = schema_load(f->list, f->n, &a, &d, &m);
	must(!d.nomem, "out of memory");
	must((rc == 0) == (d.errors == 0), "errors and the result differ");
	for (i = 0; i < d.n; i++) {
		check_place(&d.entries[i].pos);
		check_place(&d.entries[i].other);
	}
	if (rc == 0) {
		must(m.settings.branch.s && m.settings.expires >= 3600, "settings");
		for (i = 0; i < m.n_networks; i++)
			check_network(&m.networks[i]);
	}
	diag_render(&d, false, text);
	must(buf_ok(text), "the text is too long");
	for (i = 0; i < text->len; i++)
		must(text->data[i] == '\n' ||
			     ((unsigned char)text->data[i] >= 0x20 && text->data[i] != 0x7f),
		     "a control character in a text for people");
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct files f = { .n = 0 }, reversed;
	struct buf text, again;
	size_t i;

	split(&f, (const char *)data, size);
	reversed = f;
	for (i = 0; i < f.n; i++)
		reversed.list[i] = f.list[f.n - 1 - i];
	buf_init(&text, 1 << 22);
	buf_init(&again, 1 << 22);
	load(&f, &text);
	load(&reversed, &again);
	must(!strcmp(text.data, again.data), "the order of the files matters");
	buf_release(&text);
	buf_release(&again);
	return 0;
}
