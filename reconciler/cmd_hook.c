/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_file.h"
#include "reconciler/apply.h"
#include "reconciler/commands.h"
#include "reconciler/session.h"

/* What git writes to a receive hook: one line per reference. */
#define MAX_HOOK_INPUT (64u << 20)

struct update {
	const char *old, *new, *ref;
};

struct hook {
	struct arena arena;
	struct repo *repo;
	const char *branch; /* the one that is validated and published: meshrc.branch, else the one
			       HEAD names */
	char *ref; /* of it */
	bool configured; /* by meshrc.branch */
	struct update *updates;
	size_t n;
	struct err err;
};

static bool is_zero(const char *id)
{
	return strspn(id, "0") == strlen(id);
}

static int split_input(struct hook *h, char *text)
{
	char *line, *next;

	for (line = text; *line; line = next) {
		char *end = strchr(line, '\n'), *a, *b;
		struct update *grown;

		if (!end)
			end = line + strlen(line);
		next = *end ? end + 1 : end;
		*end = '\0';
		a = strchr(line, ' ');
		b = a ? strchr(a + 1, ' ') : NULL;
		if (!b)
			return err_set(&h->err, ERR_INPUT,
				       "git gave the hook a line that is not OLD NEW REF");
		*a = *b = '\0';
		grown = arena_grow(&h->arena, h->updates, h->n, sizeof(*grown));
		if (!grown)
			return err_nomem(&h->err);
		h->updates = grown;
		h->updates[h->n++] = (struct update){ .old = line, .new = a + 1, .ref = b + 1 };
	}
	return 0;
}

static int read_updates(struct hook *h)
{
	struct buf b;
	char *text;
	int rc;

	buf_init(&b, MAX_HOOK_INPUT + 1);
	rc = os_read_fd(STDIN_FILENO, MAX_HOOK_INPUT, &b, &h->err);
	if (!rc) {
		text = arena_strndup(&h->arena, b.data, b.len);
		rc = text ? split_input(h, text) : err_nomem(&h->err);
	}
	buf_release(&b);
	return rc;
}

static int hook_open(struct hook *h)
{
	const char *configured = NULL;
	size_t n;

	*h = (struct hook){ 0 };
	arena_init(&h->arena);
	if (repo_open(option_repo, &h->repo, &h->err) < 0 ||
	    repo_config(h->repo, "meshrc.branch", &h->arena, &configured, &h->err) < 0)
		return -1;
	h->branch = configured;
	if (!h->branch && repo_head_branch(h->repo, &h->arena, &h->branch, &h->err) < 0)
		return -1;
	h->configured = configured != NULL;
	n = strlen(h->branch) + sizeof("refs/heads/");
	h->ref = arena_alloc(&h->arena, n);
	if (!h->ref)
		return err_nomem(&h->err);
	snprintf(h->ref, n, "refs/heads/%s", h->branch);
	return read_updates(h);
}

static void hook_close(struct hook *h)
{
	repo_free(h->repo);
	arena_release(&h->arena);
}

static const struct update *find_update(const struct hook *h, const char *ref)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		if (!strcmp(h->updates[i].ref, ref))
			return &h->updates[i];
	return NULL;
}

static int pre_commit(const char *tree)
{
	struct session_options o = { .repo_dir = option_repo, .tree = tree };
	struct err e = { 0 };
	struct session s;
	struct repo *r;
	struct buf b;
	int rc;

	if (!tree)
		return cli_usage("pre-commit needs the id of a tree");
	if (repo_open(option_repo, &r, &e) < 0)
		return cli_fail(&e);
	buf_init(&b, 1);
	rc = repo_blob(r, tree, "meshrc.yaml", 0, &b, &e);
	buf_release(&b);
	repo_free(r);
	/* A branch of other things, in a repository that also holds networks. */
	if (rc < 0 && e.class == ERR_NOENT)
		return EXIT_DONE;
	rc = session_open(&s, &o);
	session_close(&s);
	return rc;
}

/* The configuration that would stand on the branch after this push; it also says which branch is
 * the published one. */
static int check_branch(const struct hook *h, const struct update *u, struct session *s)
{
	struct session_options o = { .repo_dir = option_repo,
				     .rev = u ? u->new : h->branch,
				     /* What stands on other branches must not stop a push that
				      * does not touch them. */
				     .settings_only = !u };
	int rc;

	if (u && is_zero(u->new)) {
		*s = (struct session){ 0 };
		cli_error("the branch '%s' is what is published from; it cannot be deleted",
			  h->branch);
		return EXIT_REFUSED;
	}
	rc = session_open(s, &o);
	if (rc && u)
		cli_error("push refused: '%s' would not be valid", h->branch);
	return rc;
}

/* A publication that comes from elsewhere must follow the standing one in every network. */
static int compare_published(const struct published *old, const struct published *new,
			     struct err *e)
{
	size_t i;

	for (i = 0; i < old->n; i++) {
		const struct published_network *was = &old->networks[i],
					       *is = published_network(new, was->network.name);
		const char *name = was->network.name;

		if (!is) {
			if (was->network.n_nodes)
				return err_refuse(
					e, "ROLLBACK",
					"network %s is missing, and its nodes were never published as gone",
					name);
			continue;
		}
		if (is->manifest.epoch < was->manifest.epoch ||
		    (is->manifest.epoch == was->manifest.epoch &&
		     is->manifest.serial < was->manifest.serial))
			return err_refuse(e, "ROLLBACK",
					  "network %s goes back from serial %llu to %llu", name,
					  (unsigned long long)was->manifest.serial,
					  (unsigned long long)is->manifest.serial);
		if (is->manifest.epoch == was->manifest.epoch &&
		    is->manifest.serial == was->manifest.serial &&
		    (is->manifest_len != was->manifest_len ||
		     memcmp(is->manifest_bytes, was->manifest_bytes, is->manifest_len) != 0))
			return err_refuse(e, "EQUIVOCATION",
					  "network %s: another manifest of serial %llu", name,
					  (unsigned long long)is->manifest.serial);
	}
	return 0;
}

static int check_published(struct hook *h, const struct update *u, const struct session *s)
{
	struct published old = { 0 }, new;
	bool forward;

	if (is_zero(u->new)) {
		err_set(&h->err, ERR_INPUT, "the published branch cannot be deleted");
		return -1;
	}
	if (!s->has_root)
		return err_set(&h->err, ERR_INPUT,
			       "'%s' has no trust/root-1 to check it with; push that branch first",
			       h->branch);
	if (!is_zero(u->old)) {
		if (repo_descends(h->repo, u->new, u->old, &forward, &h->err) < 0)
			return -1;
		if (!forward)
			return err_refuse(&h->err, "ROLLBACK", "the push is not a fast-forward");
		if (published_read_commit(h->repo, u->old, NULL, 0, &h->arena, &old, &h->err) < 0)
			return -1;
	}
	if (published_read_commit(h->repo, u->new, &s->root, 1, &h->arena, &new, &h->err) < 0 ||
	    published_check_tree(h->repo, &new, s->roots, s->n_roots, &h->arena, &h->err) < 0)
		return -1;
	return compare_published(&old, &new, &h->err);
}

/* The published branch's update in this push, by the configuration of `s`; NULL when it is not
 * touched. */
static const struct update *published_update(struct hook *h, const struct session *s)
{
	size_t n = strlen(s->model.settings.branch.s) + sizeof("refs/heads/");
	char *ref = arena_alloc(&h->arena, n);

	if (!ref)
		return NULL;
	snprintf(ref, n, "refs/heads/%s", s->model.settings.branch.s);
	return find_update(h, ref);
}

/* The branch that is to be checked and published is not there, and this push does not bring it:
 * whatever it brings would be taken unseen, and published never. */
static int refuse_unwatched(const struct hook *h)
{
	static const char heads[] = "refs/heads/";
	size_t i;

	for (i = 0; i < h->n; i++) {
		const struct update *u = &h->updates[i];

		if (is_zero(u->new) || strncmp(u->ref, heads, sizeof(heads) - 1) != 0)
			continue;
		cli_error(
			"push refused: %s names '%s', which does not exist here; push that branch first, or in the repository "
			"that is pushed to: git symbolic-ref HEAD refs/heads/main, or git config meshrc.branch main",
			h->configured ? "meshrc.branch" : "HEAD", h->branch);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int check_push(struct hook *h, struct session *s)
{
	const struct update *ours = find_update(h, h->ref), *theirs;
	char commit[COMMIT_HEX];
	int rc;

	if (!ours && repo_ref(h->repo, h->ref, commit, &h->err) < 0)
		return h->err.class == ERR_NOENT ? refuse_unwatched(h) : cli_fail(&h->err);
	/* Warnings of a branch that is not part of the push would only puzzle. */
	if (!ours)
		cli_quiet = true;
	rc = check_branch(h, ours, s);
	if (rc)
		return rc;
	theirs = published_update(h, s);
	if (!theirs || check_published(h, theirs, s) == 0)
		return EXIT_DONE;
	err_prefix(&h->err, "push to '%s' refused; only a signed publication goes there",
		   s->model.settings.branch.s);
	return cli_fail(&h->err);
}

static int pre_receive(void)
{
	struct session s = { 0 };
	int rc = EXIT_DONE;
	struct hook h;
	size_t i;

	if (hook_open(&h) < 0) {
		rc = cli_fail(&h.err);
		goto out;
	}
	for (i = 0; i < h.n && !rc; i++)
		if (!strncmp(h.updates[i].ref, "refs/meshrc/", 12)) {
			cli_error("push refused: refs/meshrc/ belongs to meshrc");
			rc = EXIT_REFUSED;
		}
	if (!rc && h.n)
		rc = check_push(&h, &s);
out:
	session_close(&s);
	hook_close(&h);
	return rc;
}

static int post_receive(void)
{
	struct apply_options o = { .repo_dir = option_repo, .auto_approve = true };
	char commit[COMMIT_HEX];
	const struct update *u;
	int rc = EXIT_DONE;
	struct hook h;

	if (hook_open(&h) < 0) {
		rc = cli_fail(&h.err);
		goto out;
	}
	u = find_update(&h, h.ref);
	if (!u || is_zero(u->new))
		goto out;
	/* Where the branch is now, not where this push put it: of two pushes in a row the later one
	 * wins. */
	if (repo_branch(h.repo, h.branch, commit, &h.err) < 0) {
		rc = cli_fail(&h.err);
		goto out;
	}
	o.rev = commit;
	rc = apply_run(&o);
	if (rc)
		cli_error("the push was taken, but it is not published");
out:
	hook_close(&h);
	return rc;
}

static int run(int argc, char **argv)
{
	static const char *const names[] = { "pre-commit", "pre-receive", "post-receive" };

	if (!strcmp(argv[0], names[0]))
		return pre_commit(argc > 1 ? argv[1] : NULL);
	if (argc > 1)
		return cli_usage("one argument too many: '%s'", argv[1]);
	if (!strcmp(argv[0], names[1]))
		return pre_receive();
	if (!strcmp(argv[0], names[2]))
		return post_receive();
	return cli_usage(
		"there is no hook '%s': pre-commit, pre-receive and post-receive are known",
		argv[0]);
}

const struct cli_command cmd_hook = {
	.name = "hook",
	.summary = "What the git hooks call",
	.args = "NAME [TREE]",
	.help = "The hooks that 'meshrc init' installs call this; nobody needs to type it.",
	.min_args = 1,
	.max_args = 2,
	.run = run,
	.hidden = true,
};
