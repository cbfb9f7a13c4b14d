/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/load.h"

#include "common/limits.h"
#include "schema/check.h"
#include "schema/grammar.h"
#include "schema/machines.h"
#include "schema/merge.h"
#include "schema/table.h"
#include "schema/yaml.h"

/* A file of some network. */
struct part {
	const struct source *source;
	const char *name; /* of the network; not terminated */
	size_t len;
	bool whole; /* networks/NAME.yaml, not one of networks/NAME/ */
};

struct load {
	struct arena *arena;
	struct diag *diag;
	struct part *parts; /* sorted by network, then by path */
	size_t n_parts;
	const struct source *settings, *misnamed;
};

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(s + len - n, end, n);
}

static int cmp_parts(const void *pa, const void *pb)
{
	const struct part *a = pa, *b = pb;
	int c = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);

	if (!c)
		c = (a->len > b->len) - (a->len < b->len);
	return c ? c : strcmp(a->source->path, b->source->path);
}

static bool same_network(const struct part *a, const struct part *b)
{
	return a->len == b->len && !memcmp(a->name, b->name, a->len);
}

/* Which file is what; files that are neither settings nor a network's are left to others. */
static void sort_file(struct load *l, const struct source *s)
{
	static const char folder[] = "networks/";
	const char *name = s->path + sizeof(folder) - 1, *slash, *p;
	size_t len = strlen(s->path), suffix, depth = 0;
	struct part *part;

	if (!strcmp(s->path, "meshrc.yaml"))
		l->settings = s;
	else if (!strcmp(s->path, "meshrc.yml"))
		l->misnamed = s;
	suffix = ends_with(s->path, len, ".yaml") ? 5 : ends_with(s->path, len, ".yml") ? 4 : 0;
	if (!suffix || strncmp(s->path, folder, sizeof(folder) - 1))
		return;
	for (p = name; *p; p++)
		depth += *p == '/';
	if (depth > MAX_TREE_DEPTH) {
		diag_error(l->diag, (struct pos){ .source = s },
			   "more than %d folders below networks/", MAX_TREE_DEPTH);
		return;
	}
	slash = strchr(name, '/');
	part = &l->parts[l->n_parts++];
	*part = (struct part){ .source = s, .name = name, .whole = !slash };
	part->len = slash ? (size_t)(slash - name) : strlen(name) - suffix;
}

static int sort_files(struct load *l, const struct source *files, size_t n)
{
	struct pos nowhere = { 0 };
	size_t i, total = 0;

	if (n > MAX_YAML_FILES) {
		diag_error(l->diag, nowhere, "%zu files; at most %d are accepted", n,
			   MAX_YAML_FILES);
		return -1;
	}
	for (i = 0; i < n; i++)
		total += files[i].len;
	if (total > MAX_YAML_TOTAL) {
		diag_error(l->diag, nowhere,
			   "the files have %zu bytes together; at most %u MiB are accepted", total,
			   MAX_YAML_TOTAL >> 20);
		return -1;
	}
	l->parts = malloc(n * sizeof(*l->parts) + 1);
	if (!l->parts) {
		diag_nomem(l->diag);
		return -1;
	}
	for (i = 0; i < n; i++)
		sort_file(l, &files[i]);
	qsort(l->parts, l->n_parts, sizeof(*l->parts), cmp_parts);
	return 0;
}

static void load_settings(struct load *l, struct m_settings *ret)
{
	struct decode c = { .arena = l->arena, .diag = l->diag, .top = &grammar_meshrc };
	struct yaml_stats stats = { 0 };
	struct yaml_node root;
	struct arena scratch;
	struct diag_entry *e;

	if (!l->settings) {
		if (l->misnamed) {
			e = diag_error(l->diag, (struct pos){ .source = l->misnamed },
				       "the settings must be called meshrc.yaml");
			diag_help(l->diag, e, "`git mv meshrc.yml meshrc.yaml`");
		} else {
			e = diag_error(l->diag, (struct pos){ 0 }, "there is no meshrc.yaml");
			diag_help(l->diag, e,
				  "`meshrc init` makes one; at least it says `version: 1`");
		}
		return;
	}
	arena_init(&scratch);
	yaml_read(l->settings, &scratch, l->diag, &root, &stats);
	if (root.kind == YAML_NODE_MAP)
		table_decode(&c, &grammar_meshrc, &root,
			     (struct pos){ .source = l->settings, .line = 1, .col = 1 }, ret);
	arena_release(&scratch);
}

/* One tree out of the files of a network; returns 0 when all of it could be read. */
static int read_parts(struct load *l, const struct part *parts, size_t n, struct arena *scratch,
		      struct yaml_node *ret)
{
	struct yaml_node *roots = arena_array(scratch, n, sizeof(*roots));
	struct yaml_stats stats = { 0 };
	size_t i, found = 0;
	int rc = 0;

	*ret = (struct yaml_node){ .kind = YAML_NODE_BAD };
	if (!roots) {
		diag_nomem(l->diag);
		return -1;
	}
	for (i = 0; i < n; i++) {
		rc |= yaml_read(parts[i].source, scratch, l->diag, &roots[found], &stats);
		if (roots[found].kind == YAML_NODE_MAP)
			found++;
	}
	if (found == 1)
		*ret = roots[0];
	else if (found)
		merge_roots(roots, found, &grammar_network, scratch, l->diag, ret);
	if (rc < 0)
		ret->flags |= YAML_PARTIAL;
	return rc < 0 || ret->kind != YAML_NODE_MAP || (ret->flags & YAML_PARTIAL) ? -1 : 0;
}

static void check_name(struct load *l, const struct part *parts, size_t n, const char *name)
{
	struct pos where = { .source = parts[0].source };
	struct diag_entry *e;
	size_t i;

	if (!name_is_valid(parts[0].name, parts[0].len)) {
		e = diag_error(l->diag, where, "`%.70s` is not a name for a network", name);
		diag_help(
			l->diag, e,
			"a name has 1 to 63 of a-z, 0-9, '.' and '-', and begins with a letter or digit");
	}
	for (i = 1; i < n; i++) {
		if (!parts[i].whole && !parts[0].whole)
			continue;
		e = diag_error(l->diag, (struct pos){ .source = parts[i].source },
			       "the network `%.63s` stands in two places", name);
		diag_other(l->diag, e, where, "it stands here already");
		diag_help(l->diag, e, "use one file, or one folder");
		return;
	}
}

static void load_network(struct load *l, const struct part *parts, size_t n, struct m_network *ret)
{
	struct decode c = { .arena = l->arena, .diag = l->diag, .top = &grammar_network };
	struct yaml_node root;
	struct arena scratch;
	int rc;

	arena_init(&scratch);
	ret->pos = (struct pos){ .source = parts[0].source, .line = 1, .col = 1 };
	ret->name = arena_strndup(l->arena, parts[0].name, parts[0].len);
	if (!ret->name) {
		diag_nomem(l->diag);
		return;
	}
	check_name(l, parts, n, ret->name);
	rc = read_parts(l, parts, n, &scratch, &root);
	if (root.kind == YAML_NODE_MAP)
		table_decode(&c, &grammar_network, &root, ret->pos, ret);
	if (rc == 0 && !c.incomplete) {
		arena_release(&scratch); /* the tree is not needed any more */
		schema_check(ret, &scratch, l->diag);
	}
	arena_release(&scratch);
}

static void load_networks(struct load *l, struct model *m)
{
	size_t i, end, n = 0;

	for (i = 0; i < l->n_parts; i++)
		n += !i || !same_network(&l->parts[i - 1], &l->parts[i]);
	if (n > MAX_NETWORKS) {
		diag_error(l->diag, (struct pos){ 0 }, "%zu networks; at most %d are accepted", n,
			   MAX_NETWORKS);
		return;
	}
	m->networks = arena_array(l->arena, n, sizeof(*m->networks));
	if (!m->networks) {
		diag_nomem(l->diag);
		return;
	}
	for (i = 0; i < l->n_parts; i = end) {
		for (end = i + 1; end < l->n_parts && same_network(&l->parts[i], &l->parts[end]);
		     end++)
			;
		load_network(l, &l->parts[i], end - i, &m->networks[m->n_networks++]);
	}
}

int schema_load(const struct source *files, size_t n, struct arena *a, struct diag *d,
		struct model *ret)
{
	struct load l = { .arena = a, .diag = d };
	size_t before = d->errors;

	*ret = (struct model){ .settings = { .branch = { .s = "published" },
					     .expires = DEFAULT_EXPIRES } };
	if (sort_files(&l, files, n) == 0) {
		load_settings(&l, &ret->settings);
		load_networks(&l, ret);
	}
	free(l.parts);
	/* Of what could not be read whole, every second thing said would be wrong. */
	if (d->errors == before && !d->nomem) {
		machines_check(ret, d);
		schema_check_domains(ret, d);
	}
	return d->errors > before || d->nomem ? -1 : 0;
}

const char *m_node_machine(const struct m_node *n)
{
	return n->machine.s ? n->machine.s : n->name;
}

const struct m_network *model_network(const struct model *m, const char *name)
{
	size_t lo = 0, hi = m->n_networks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, m->networks[mid].name);

		if (!c)
			return &m->networks[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const struct m_site *m_network_site(const struct m_network *n, const char *name)
{
	size_t lo = 0, hi = n->n_sites;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, n->sites[mid].name);

		if (!c)
			return &n->sites[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const struct m_client *m_network_client(const struct m_network *n, const char *name)
{
	size_t lo = 0, hi = n->n_clients;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, n->clients[mid].node.name);

		if (!c)
			return &n->clients[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

struct prefix m_addr_prefix(const struct m_addr *a)
{
	struct ifaddr whole = { a->addr, a->owned };

	return a->owned ? prefix_of_ifaddr(&whole) : prefix_of_addr(&a->addr);
}

const struct m_node *m_network_node(const struct m_network *n, const char *name)
{
	size_t lo = 0, hi = n->n_nodes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, n->nodes[mid].name);

		if (!c)
			return &n->nodes[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
