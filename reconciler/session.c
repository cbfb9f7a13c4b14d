/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/session.h"

#include "common/limits.h"
#include "common/num.h"
#include "common/os_cli.h"
#include "common/text.h"
#include "publication/verify.h"
#include "reconciler/assert.h"
#include "reconciler/compile.h"
#include "reconciler/hidden.h"
#include "reconciler/machines.h"
#include "schema/load.h"
#include "schema/machines.h"

/* Every diagnostic with its excerpts; there are at most MAX_DIAGS. */
#define MAX_REPORT (16u << 20)

int session_report(struct diag *d)
{
	struct buf out;

	if (d->errors || (d->warnings && !cli_quiet) || d->nomem) {
		buf_init(&out, MAX_REPORT);
		diag_render(d, cli_colour(STDERR_FILENO), &out);
		cli_progress_clear();
		fwrite(out.data, 1, out.len, stderr);
		buf_release(&out);
	}
	if (d->nomem) {
		cli_error("out of memory");
		return EXIT_REFUSED;
	}
	if (!d->errors)
		return 0;
	cli_error("%zu error%s; nothing was done", d->errors, d->errors == 1 ? "" : "s");
	return EXIT_REFUSED;
}

static struct pos file_pos(const struct source *file)
{
	return (struct pos){ .source = file };
}

/* root-1, root-2, ...: each must follow from the one before it. */
static int read_roots(struct session *s)
{
	static const char prefix[] = "trust/root-";
	const struct source *byversion[MAX_ROOTS] = { NULL };
	uint64_t version, newest = 0;
	struct err e = { 0 };
	size_t i;

	for (i = 0; i < s->n_files; i++) {
		const struct source *f = &s->files[i];
		const char *number = f->path + sizeof(prefix) - 1;

		if (strncmp(f->path, prefix, sizeof(prefix) - 1) != 0)
			continue;
		if (num_parse(number, strlen(number), MAX_ROOTS, &version) < 0 || !version) {
			diag_error(&s->diag, file_pos(f),
				   "a root document is called root-N, N from 1 to %d", MAX_ROOTS);
			continue;
		}
		byversion[version - 1] = f;
		if (version > newest)
			newest = version;
	}
	s->roots = arena_array(&s->arena, newest, sizeof(*s->roots));
	s->chain = arena_array(&s->arena, newest, sizeof(*s->chain));
	if (!s->roots || !s->chain)
		return err_nomem(NULL);
	for (version = 1; version <= newest; version++) {
		const struct source *f = byversion[version - 1];
		struct root next;
		int rc;

		if (!f) {
			diag_error(&s->diag, (struct pos){ 0 },
				   "trust/root-%llu is missing though there is a later one",
				   (unsigned long long)version);
			return 0;
		}
		rc = version == 1 ? verify_pinned_root(f->text, f->len, &next, &e) :
				    verify_next_root(&s->root, f->text, f->len, &next, &e);
		if (!rc && next.version != version)
			rc = err_refuse(&e, "BAD-ROOT", "the document inside is of version %llu",
					(unsigned long long)next.version);
		if (rc < 0) {
			diag_error(&s->diag, file_pos(f), "%s%s%s", e.reason ? e.reason : "",
				   e.reason ? ": " : "", e.msg);
			return 0;
		}
		s->root = next;
		s->chain[version - 1] = next;
		s->root_bytes = f->text;
		s->root_len = f->len;
		s->roots[version - 1] = (struct root_doc){ .data = f->text, .len = f->len };
		s->n_roots = version;
	}
	s->has_root = newest > 0 && s->n_roots == newest;
	return 0;
}

static int load(struct session *s)
{
	struct source *yaml = arena_array(&s->arena, s->n_files, sizeof(*yaml));
	size_t n = 0, i;

	if (!yaml)
		return err_nomem(NULL);
	for (i = 0; i < s->n_files; i++)
		if (strncmp(s->files[i].path, "trust/", 6) != 0)
			yaml[n++] = s->files[i];
	/* Its result says no more than the diagnostics do. */
	(void)schema_load(yaml, n, &s->arena, &s->diag, &s->model);
	for (i = 0; i < s->model.n_networks && !s->diag.errors; i++)
		if (!strcmp(s->model.networks[i].name, "root"))
			diag_error(
				&s->diag, s->model.networks[i].pos,
				"no network can be called `root`: the root documents are published under that name");
	return 0;
}

int session_tip(struct session *s, char ret_commit[static COMMIT_HEX], struct err *e)
{
	const struct m_settings *settings = &s->model.settings;
	/* In a clone of the repository where a hook publishes, the branch is the remote's: a plan
	 * there needs it too. */
	const char *remote = settings->remote.s ? settings->remote.s : "origin";

	return published_tip(s->repo, settings->branch.s, remote, ret_commit, e);
}

static int read_published(struct session *s, struct err *e)
{
	char commit[COMMIT_HEX];

	if (session_tip(s, commit, e) < 0) {
		if (e->class != ERR_NOENT)
			return -1;
		s->no_branch = true;
		return 0;
	}
	/* What is being replaced may have been signed under an earlier root. */
	if (published_read_commit(s->repo, commit, s->chain, s->has_root ? s->n_roots : 0,
				  &s->arena, &s->published, e) < 0)
		return err_prefix(e, "the branch '%s', which holds the publication",
				  s->model.settings.branch.s);
	return 0;
}

static int cmp_networks(const void *a, const void *b)
{
	return strcmp(((const struct session_network *)a)->name,
		      ((const struct session_network *)b)->name);
}

static int compile_one(struct session *s, struct session_network *n, bool explains)
{
	struct network *compiled = arena_alloc(&s->arena, sizeof(*compiled));
	uint64_t serial = n->old ? n->old->manifest.serial + 1 : 1;

	if (!compiled)
		return err_nomem(NULL);
	cli_progress("compiling %s", n->name);
	if (compile(n->model, n->old ? &n->old->network : NULL, serial, &s->arena, &s->diag,
		    compiled) == 0)
		n->compiled = compiled;
	if (n->compiled && (hidden_check(n->model, compiled, &s->diag) < 0 ||
			    assert_check(n->model, compiled, explains, &s->arena, &s->diag) < 0))
		return err_nomem(NULL);
	cli_progress_clear();
	return 0;
}

/* A network that was not asked for: what is wrong inside of it is not told. *ret NULL: it does not
 * compile. */
static int compile_unsaid(struct session *s, const struct m_network *m, const struct network **ret)
{
	const struct published_network *old = published_network(&s->published, m->name);
	struct network *compiled = arena_alloc(&s->arena, sizeof(*compiled));
	uint64_t serial = old ? old->manifest.serial + 1 : 1;
	struct diag unsaid;

	diag_init(&unsaid, &s->arena);
	if (compiled &&
	    compile(m, old ? &old->network : NULL, serial, &s->arena, &unsaid, compiled) == 0)
		*ret = compiled;
	return compiled && !unsaid.nomem ? 0 : -1;
}

/* Those that share a machine with another one. */
static int compile_neighbours(struct session *s, const struct network **compiled)
{
	bool *done = arena_array(&s->arena, s->model.n_networks, sizeof(*done));
	struct tenant *tenants;
	size_t n, i;
	int r = 0;

	if (!done || machines_tenants(&s->model, &tenants, &n) < 0)
		return -1;
	for (i = 0; i < s->n_networks; i++)
		if (s->networks[i].model)
			done[s->networks[i].model - s->model.networks] = true;
	for (i = 0; i < n && !r; i++) {
		size_t k = (size_t)(tenants[i].network - s->model.networks);

		if (!done[k])
			r = compile_unsaid(s, tenants[i].network, &compiled[k]);
		done[k] = true;
	}
	free(tenants);
	return r;
}

/* What networks do to each other on machines that are in several of them. `all`: none was left
 * out. */
static int check_machines(struct session *s, bool all)
{
	const struct network **compiled =
		arena_array(&s->arena, s->model.n_networks, sizeof(*compiled));
	size_t i;

	if (!compiled)
		return -1;
	for (i = 0; i < s->n_networks; i++)
		if (s->networks[i].model)
			compiled[s->networks[i].model - s->model.networks] =
				s->networks[i].compiled;
	if (!all && s->n_networks && compile_neighbours(s, compiled) < 0)
		return -1;
	machines_check_routes(&s->model, compiled, &s->diag);
	machines_check_links(&s->model, compiled, &s->diag);
	return 0;
}

/* Both sides side by side; the networks of the configuration compiled. */
static int pair_networks(struct session *s, const char *only, bool explains)
{
	size_t i;

	s->networks =
		arena_array(&s->arena, s->model.n_networks + s->published.n, sizeof(*s->networks));
	if (!s->networks)
		return err_nomem(NULL);
	for (i = 0; i < s->model.n_networks; i++) {
		const struct m_network *m = &s->model.networks[i];
		struct session_network *n = &s->networks[s->n_networks];

		if (only && strcmp(only, m->name) != 0)
			continue;
		*n = (struct session_network){ .name = m->name,
					       .model = m,
					       .old = published_network(&s->published, m->name) };
		s->n_networks++;
		if (compile_one(s, n, explains) < 0)
			return -1;
	}
	for (i = 0; i < s->published.n; i++) {
		const struct published_network *p = &s->published.networks[i];

		if (!p->network.n_nodes || model_network(&s->model, p->network.name) ||
		    (only && strcmp(only, p->network.name) != 0))
			continue;
		s->networks[s->n_networks++] =
			(struct session_network){ .name = p->network.name, .old = p };
	}
	if (s->n_networks > 1)
		qsort(s->networks, s->n_networks, sizeof(*s->networks), cmp_networks);
	return check_machines(s, !only);
}

static void tell_unknown_network(const struct session *s, const char *name)
{
	const char *names[64], *near;
	size_t n = 0, i;

	for (i = 0; i < s->model.n_networks && n < ARRAY_LEN(names); i++)
		names[n++] = s->model.networks[i].name;
	near = text_suggest(name, names, n);
	cli_error("there is no network '%s'%s%s%s", name, near ? "; did you mean '" : "",
		  near ? near : "", near ? "'?" : "");
}

int session_open(struct session *s, const struct session_options *o)
{
	const char *rev = o->rev;
	struct err e = { 0 };
	int rc;

	*s = (struct session){ 0 };
	arena_init(&s->arena);
	diag_init(&s->diag, &s->arena);
	if (repo_open(o->repo_dir, &s->repo, &e) < 0)
		return cli_fail(&e);
	if (!rev && !o->tree && repo_is_bare(s->repo))
		rev = "HEAD";
	if (rev && repo_resolve(s->repo, rev, s->commit, &e) < 0)
		return cli_fail(&e);
	if (repo_files(s->repo,
		       o->tree ? o->tree :
		       rev     ? s->commit :
				 NULL,
		       &s->arena, &s->diag, &s->files, &s->n_files, &e) < 0)
		return cli_fail(&e);
	if (load(s) < 0 || read_roots(s) < 0) {
		err_nomem(&e);
		return cli_fail(&e);
	}
	if (s->diag.errors) {
		if (o->strict)
			diag_strict(&s->diag);
		return session_report(&s->diag);
	}
	if (o->settings_only)
		return 0;
	if (read_published(s, &e) < 0)
		return cli_fail(&e);
	if (pair_networks(s, o->network, o->explains) < 0) {
		err_nomem(&e);
		return cli_fail(&e);
	}
	if (o->strict)
		diag_strict(&s->diag);
	rc = session_report(&s->diag);
	if (!rc && o->network && !s->n_networks) {
		tell_unknown_network(s, o->network);
		return EXIT_REFUSED;
	}
	return rc;
}

void session_close(struct session *s)
{
	repo_free(s->repo);
	arena_release(&s->arena);
	*s = (struct session){ 0 };
}

/* A clone that fetched one branch alone, as CI does, has nothing to compare with. */
void session_warn_no_branch(struct session *s, const char *what_follows)
{
	const struct m_settings *m = &s->model.settings;
	const char *remote = m->remote.s ? m->remote.s : "origin", *url = NULL;
	char key[512];

	if (!s->no_branch ||
	    snprintf(key, sizeof(key), "remote.%s.url", remote) >= (int)sizeof(key) ||
	    repo_config(s->repo, key, &s->arena, &url, NULL) < 0 || !url)
		return;
	cli_warn("no published branch is known here, so %s: git fetch %s %s:refs/remotes/%s/%s",
		 what_follows, remote, m->branch.s, remote, m->branch.s);
}

const struct session_network *session_network(const struct session *s, const char *name)
{
	struct buf names;
	size_t i;

	for (i = 0; i < s->n_networks && name; i++)
		if (!strcmp(s->networks[i].name, name))
			return &s->networks[i];
	if (name) {
		tell_unknown_network(s, name);
		return NULL;
	}
	if (s->n_networks == 1)
		return &s->networks[0];
	if (!s->n_networks) {
		cli_error("there is no network yet: describe one in networks/NAME.yaml");
		return NULL;
	}
	buf_init(&names, 2048);
	for (i = 0; i < s->n_networks && names.len < 1024; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", s->networks[i].name);
	cli_error("there is more than one network; name one with --network: %s%s", names.data,
		  i < s->n_networks ? ", ..." : "");
	buf_release(&names);
	return NULL;
}
