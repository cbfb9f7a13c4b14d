/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "reconciler/commands.h"
#include "reconciler/pin.h"

#define MAX_OUTPUT (256u << 20)

static const char *network;
static bool all, dry_run;

static const struct cli_option options[] = {
	{ "network", CLI_STRING, &network, "NAME", "nodes and clients of this network", false },
	{ "all", CLI_FLAG, &all, NULL, "every node and client that has automatic addresses",
	  false },
	{ "dry-run", CLI_FLAG, &dry_run, NULL, "print a unified diff, write nothing", false },
	{ 0 },
};

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static const char *nouns(const struct pin_set *set)
{
	size_t i, clients = 0;

	for (i = 0; i < set->n_nodes; i++)
		clients += !strcmp(set->nodes[i].section, "clients");
	if (!clients)
		return set->n_nodes == 1 ? "node" : "nodes";
	if (clients == set->n_nodes)
		return clients == 1 ? "client" : "clients";
	return "nodes and clients";
}

/* Writing. */

static int full_path(const struct session *s, const struct pin_file *f, struct buf *ret,
		     struct err *e)
{
	buf_init(ret, 8192);
	buf_addf(ret, "%s%s", repo_workdir(s->repo), f->now.path);
	return buf_ok(ret) ? 0 : err_set(e, ERR_LIMIT, "the path is too long: %s", f->now.path);
}

/* What was compiled must still be what stands there, and its mode is kept. */
static int check_unchanged(const struct session *s, const struct pin_file *f, mode_t *ret_mode,
			   struct err *e)
{
	struct buf path, text;
	struct stat st;
	int r;

	buf_init(&text, MAX_YAML_FILE);
	r = full_path(s, f, &path, e);
	if (!r)
		r = os_read_nofollow(AT_FDCWD, path.data, MAX_YAML_FILE, &text, e);
	if (!r && fstatat(AT_FDCWD, path.data, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = err_errno(e, "cannot look at %s", path.data);
	if (!r && (text.len != f->old->len || memcmp(text.data, f->old->text, text.len) != 0))
		r = err_set(e, ERR_CONFLICT,
			    "%s was changed in the meantime; nothing was written: try again",
			    f->now.path);
	if (!r)
		*ret_mode = st.st_mode & 07777;
	buf_release(&text);
	buf_release(&path);
	return r;
}

static int write_file(const struct session *s, const struct pin_file *f, mode_t mode, struct err *e)
{
	struct buf path;
	mode_t mask = umask(0);
	int r = full_path(s, f, &path, e);

	if (!r)
		r = os_replace(AT_FDCWD, path.data, f->now.text, f->now.len, mode, e);
	umask(mask);
	buf_release(&path);
	return r;
}

/* All are looked at before the first is written; each is whole at every moment, and a network of
 * which some files are written is still the same network. */
static int write_files(struct session *s, const struct pin_set *set, struct err *e)
{
	mode_t *modes = arena_array(&s->arena, set->n_files, sizeof(*modes));
	size_t i;

	if (!modes)
		return err_nomem(e);
	for (i = 0; i < set->n_files; i++)
		if (check_unchanged(s, &set->files[i], &modes[i], e) < 0)
			return -1;
	for (i = 0; i < set->n_files; i++)
		if (write_file(s, &set->files[i], modes[i], e) < 0)
			return i ? err_prefix(e, "after %zu of %zu files were written", i,
					      set->n_files) :
				   -1;
	return 0;
}

/* Showing. */

static int add_diffs(const struct pin_set *set, struct buf *out, struct err *e)
{
	size_t i;

	for (i = 0; i < set->n_files; i++) {
		const struct pin_file *f = &set->files[i];

		if (repo_diff_text(f->old, &f->now, out, e) < 0)
			return -1;
	}
	return 0;
}

static void add_lines(const struct pin_set *set, struct buf *out)
{
	char text[IPADDR_STRLEN];
	size_t i, j;

	for (i = 0; i < set->n_nodes; i++) {
		const struct pin_node *p = &set->nodes[i];

		buf_addf(out, "%s: %s", p->node->public_key_pos.source->path, p->node->name);
		for (j = 0; j < p->n; j++)
			buf_addf(out, "%s%s", j ? ", " : " = ",
				 ipaddr_print(&p->addresses[j], text));
		buf_addc(out, '\n');
	}
}

static int append(const char *data, size_t len, void *arg)
{
	buf_add(arg, data, len);
	return buf_ok(arg) ? 0 : -1;
}

static int add_json(const struct pin_set *set, bool written, struct buf *out, struct err *e)
{
	json_t *list = json_array(), *top;
	char text[IPADDR_STRLEN];
	size_t i, j;
	int r = 0;

	for (i = 0; i < set->n_nodes; i++) {
		const struct pin_node *p = &set->nodes[i];
		json_t *addresses = json_array();

		for (j = 0; j < p->n; j++)
			r |= json_array_append_new(addresses,
						   json_string(
							   ipaddr_print(&p->addresses[j], text)));
		r |= json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:o}", "network", p->network,
					!strcmp(p->section, "nodes") ? "node" : "client",
					p->node->name, "file", p->node->public_key_pos.source->path,
					"addresses", addresses));
	}
	top = json_pack("{s:o, s:b}", "pinned", list, "written", (int)written);
	if (!top || r || json_dump_callback(top, append, out, JSON_INDENT(2)) < 0)
		r = -1;
	buf_addc(out, '\n');
	json_decref(top);
	return r < 0 ? err_nomem(e) : 0;
}

static int show(const struct pin_set *set, bool written)
{
	struct err e = { 0 };
	struct buf out;
	int r = 0;

	buf_init(&out, MAX_OUTPUT);
	if (cli_json)
		r = add_json(set, written, &out, &e);
	else if (dry_run)
		r = add_diffs(set, &out, &e);
	else
		add_lines(set, &out);
	r = r < 0 ? cli_fail(&e) : cli_print(&out) < 0 ? EXIT_REFUSED : EXIT_DONE;
	buf_release(&out);
	return r;
}

static int pin_session(struct session *s, const char *const *names, size_t n)
{
	struct pin_set set;
	struct err e = { 0 };
	struct diag refused;
	bool write;
	int r;

	diag_init(&refused, &s->arena);
	session_warn_no_branch(s, "these are the addresses that a first publication would give");
	if (pin_choose(s, names, n, &s->arena, &set, &e) < 0)
		return cli_fail(&e);
	if (set.n_nodes && pin_make(s, &s->arena, &set, &refused, &e) < 0)
		return refused.errors ? session_report(&refused) : cli_fail(&e);
	write = set.n_nodes && !dry_run;
	if (write && write_files(s, &set, &e) < 0)
		return cli_fail(&e);
	r = show(&set, write);
	if (!set.n_nodes)
		cli_info("nothing to pin: %s", set.already == 1 ?
						       "it has `addresses` of its own" :
						       "all have `addresses` of their own");
	else
		cli_info("%zu %s %s in %zu file%s", set.n_nodes, nouns(&set),
			 write ? "pinned" : "would be pinned", set.n_files, plural(set.n_files));
	return r;
}

/* Told before anything else: what HEAD holds does not matter. */
static int refuse_bare(void)
{
	struct repo *repo = NULL;
	struct err e = { 0 };
	int r = repo_open(option_repo, &repo, &e);

	if (!r && repo_is_bare(repo))
		r = err_set(&e, ERR_INPUT,
			    "a bare repository has no files to write into; pin in a clone of it");
	repo_free(repo);
	return r < 0 ? cli_fail(&e) : 0;
}

static int run(int argc, char **argv)
{
	struct session_options o = { .repo_dir = option_repo, .network = network };
	struct session s;
	int r;

	if (all ? argc > 0 : !argc)
		return cli_usage(all ? "either --all or names" :
				       "which nodes or clients? Name them, or say --all");
	r = refuse_bare();
	if (r)
		return r;
	r = session_open(&s, &o);
	if (!r)
		r = pin_session(&s, (const char *const *)argv, (size_t)argc);
	session_close(&s);
	return r;
}

const struct cli_command cmd_pin = {
	.name = "pin",
	.summary = "Write automatic addresses into the YAML",
	.args = "[NAME...]",
	.help = "The addresses that nodes and clients have by themselves become `addresses` of their own, which depend on no history.\n"
		"Edits the files of the work tree and keeps comments, order and layout. The network stays exactly as it\n"
		"is: that is checked before the first file is written.",
	.max_args = 65536,
	.options = options,
	.run = run,
};
