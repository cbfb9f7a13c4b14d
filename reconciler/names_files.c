/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/names_files.h"

#include "common/limits.h"

#define ZONE_SUFFIX ".zone"

bool names_file_is(const char *name)
{
	size_t len = strlen(name), tail = sizeof(ZONE_SUFFIX) - 1;

	if (!strcmp(name, "hosts"))
		return true;
	/* Labels may begin with '-' nowhere and end in no dot: neither hidden files nor options. */
	return len > tail && !strcmp(name + len - tail, ZONE_SUFFIX) && len - tail <= MAX_HOST &&
	       dnsname_is_host(name, len - tail);
}

void names_put_hosts_file(const struct network *n, const char *domain, struct buf *out)
{
	buf_addf(out, "# Network %s, written by meshrc\n", n->name);
	names_put_hosts(n, domain, "", out, NULL);
}

struct maker {
	struct names names;
	struct repo *repo;
	const char *commit;
	uint64_t serial;
	bool check;
	struct arena *arena;
	struct tree_file *files;
	size_t n;
	struct err *err;
};

/* What stands under the path; nothing when there is no such file. */
static int read_standing(struct maker *m, const char *path, struct buf *out)
{
	struct err inner = { 0 };

	if (!m->commit || !repo_blob(m->repo, m->commit, path, MAX_NAMES_FILE, out, &inner))
		return 0;
	buf_reset(out);
	if (inner.class == ERR_NOENT || inner.class == ERR_LIMIT)
		return 0;
	if (m->err)
		*m->err = inner;
	return -1;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

/* RFC 1982: whether a secondary server that has `old` asks for `next`. */
static bool is_newer(uint32_t next, uint32_t old)
{
	return next != old && next - old < UINT32_C(1) << 31;
}

/* The zone with the serial it has, if that is what stands; else with its next one. */
static void make_zone(struct maker *m, const struct names_zone *z, const struct buf *standing,
		      struct buf *out)
{
	uint32_t old = 0, next = (uint32_t)m->serial;
	bool known = standing->len && !names_zone_serial(standing->data, standing->len, &old);

	if (known) {
		names_put_zone(&m->names, z, old, out);
		if (m->check || same(out, standing))
			return;
		buf_reset(out);
		if (!is_newer(next, old))
			next = old + 1;
	}
	names_put_zone(&m->names, z, next, out);
}

static int add_file(struct maker *m, const char *path, const struct buf *b)
{
	struct tree_file *grown = arena_grow(m->arena, m->files, m->n, sizeof(*grown));

	if (!grown)
		return err_nomem(m->err);
	m->files = grown;
	grown[m->n] = (struct tree_file){ .path = arena_strdup(m->arena, path),
					  .data = arena_strndup(m->arena, b->data, b->len),
					  .len = b->len };
	return grown[m->n].path && grown[m->n++].data ? 0 : err_nomem(m->err);
}

/* `z` NULL: the hosts file. */
static int make_file(struct maker *m, const struct names_zone *z)
{
	const struct network *n = m->names.network;
	char path[MAX_NAMES_PATH];
	struct buf text, standing;
	int r;

	snprintf(path, sizeof(path), "%s/" NAMES_FOLDER "/%s%s", n->name, z ? z->name : "hosts",
		 z ? ZONE_SUFFIX : "");
	buf_init(&text, MAX_NAMES_FILE);
	buf_init(&standing, MAX_NAMES_FILE + 1);
	r = z || m->check ? read_standing(m, path, &standing) : 0;
	if (!r && z)
		make_zone(m, z, &standing, &text);
	else if (!r)
		names_put_hosts_file(n, m->names.domain, &text);
	if (!r && !buf_ok(&text))
		r = err_set(m->err, ERR_LIMIT, "%s would be longer than %u bytes", path,
			    MAX_NAMES_FILE);
	if (!r && m->check && standing.len && !same(&text, &standing))
		r = err_refuse(m->err, "BAD-FIELD", "'%s' is not what the documents say", path);
	if (!r)
		r = add_file(m, path, &text);
	buf_release(&text);
	buf_release(&standing);
	return r;
}

static int cmp_files(const void *a, const void *b)
{
	return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

static int make_files(struct maker *m, const struct network *n, struct tree_file **ret,
		      size_t *ret_n)
{
	size_t i;

	*ret = NULL;
	*ret_n = 0;
	if (names_make(n, m->arena, &m->names, m->err) < 0)
		return err_prefix(m->err, "network %s", n->name);
	if (!m->names.domain)
		return 0;
	if (make_file(m, NULL) < 0)
		return -1;
	for (i = 0; i < m->names.n_zones; i++)
		if (make_file(m, &m->names.zones[i]) < 0)
			return -1;
	qsort(m->files, m->n, sizeof(*m->files), cmp_files);
	*ret = m->files;
	*ret_n = m->n;
	return 0;
}

int names_files_make(const struct network *n, struct repo *r, const char *commit, uint64_t serial,
		     struct arena *a, struct tree_file **ret, size_t *ret_n, struct err *e)
{
	struct maker m = { .repo = r, .commit = commit, .serial = serial, .arena = a, .err = e };

	return make_files(&m, n, ret, ret_n);
}

int names_files_check(const struct network *n, struct repo *r, const char *commit, struct arena *a,
		      struct tree_file **ret, size_t *ret_n, struct err *e)
{
	struct maker m = { .repo = r, .commit = commit, .arena = a, .check = true, .err = e };

	return make_files(&m, n, ret, ret_n);
}
