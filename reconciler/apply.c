/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/apply.h"

#include <fcntl.h>

#include "common/limits.h"
#include "common/os_cli.h"
#include "common/os_file.h"
#include "common/os_time.h"
#include "common/secret.h"
#include "common/text.h"
#include "publication/sign.h"
#include "reconciler/names_files.h"
#include "reconciler/plan.h"
#include "reconciler/session.h"

#define LOCK_NAME "meshrc.lock"
/* Longer than a push may take, and everything else. */
#define LOCK_SECONDS 600
/* Agents finish a fetch within two minutes; caches and mirrors may be a day behind. */
#define KEEP_SECONDS 86400
/* How often somebody else may publish between our reading and our writing before an unattended run
 * gives up. */
#define MAX_TRIES 10
/* The same for a remote that others push to. */
#define MAX_FETCHES 2
#define MAX_PLAN_TEXT (256u << 20)
#define SHORT_ID 10

struct apply {
	const struct apply_options *o;
	struct session s;
	int64_t now;
	struct outgoing *out;
	size_t n_out;
	struct plan *plans; /* one per network of the session */
	bool work; /* something is to be published */
	bool pruned;
	bool raced; /* somebody published between our reading and our writing */
	bool outrun; /* the remote had publications that we did not know, and now we do */
	const char *rewound; /* the published source commit that ours does not descend from */
	int lock;
};

static int apply_init(struct apply *a, const struct apply_options *o)
{
	struct session_options so = { .repo_dir = o->repo_dir, .rev = o->rev ? o->rev : "HEAD" };
	struct err e = { 0 };
	bool differs;
	int rc;

	*a = (struct apply){ .o = o, .lock = -1 };
	rc = session_open(&a->s, &so);
	if (rc)
		return rc;
	if (!a->s.has_root) {
		cli_error(
			"trust/root-1, which says who may publish, is not in commit %.*s; 'meshrc init' makes it, git add and "
			"git commit bring it in",
			SHORT_ID, a->s.commit);
		return EXIT_REFUSED;
	}
	if (!o->rev && repo_differs(a->s.repo, a->s.commit, &differs, &e) == 0 && differs)
		cli_warn(
			"the work tree differs from commit %.*s; what is not committed is not applied",
			SHORT_ID, a->s.commit);
	a->now = os_now();
	return 0;
}

static void apply_release(struct apply *a)
{
	os_close(a->lock);
	session_close(&a->s);
}

/* A network that left the configuration, but whose manifest stays until `--prune`. */
static bool is_retired(const struct apply *a, const struct published_network *p)
{
	return !p->network.n_nodes && !model_network(&a->s.model, p->network.name);
}

static int make_names(struct apply *a, const struct network *n, struct outgoing *o, struct err *e)
{
	const struct session *s = &a->s;

	return names_files_make(n, s->repo, s->published.exists ? s->published.commit : NULL,
				o->manifest.serial, &a->s.arena, &o->names, &o->n_names, e);
}

static int make_outgoing(struct apply *a, bool refresh, struct err *e)
{
	struct session *s = &a->s;
	int64_t validity = s->model.settings.expires;
	uint64_t first = 1;
	bool new = false;
	size_t i;

	for (i = 0; i < s->n_networks; i++)
		new |= !s->networks[i].old;
	if (new &&published_first_serial(s->repo, &s->published, &first, e) < 0)
		return -1;
	a->n_out = 0;
	a->work = a->pruned = false;
	a->out = arena_array(&s->arena, s->n_networks + s->published.n, sizeof(*a->out));
	if (!a->out)
		return err_nomem(e);
	for (i = 0; i < s->n_networks; i++) {
		const struct session_network *n = &s->networks[i];
		const struct network *compiled = n->compiled;
		struct network retired;

		if (!compiled) {
			if (network_retire(&n->old->network, n->old->manifest.serial + 1, &s->arena,
					   &retired, e) < 0)
				return -1;
			compiled = &retired;
		}
		if (outgoing_make(compiled, n->old, first, &s->root, s->commit, a->now, validity,
				  refresh, &s->arena, &a->out[a->n_out], e) < 0 ||
		    make_names(a, compiled, &a->out[a->n_out], e) < 0)
			return -1;
		a->n_out++;
	}
	for (i = 0; i < s->published.n; i++) {
		const struct published_network *p = &s->published.networks[i];

		if (!is_retired(a, p))
			continue;
		if (a->o->prune) {
			a->pruned = true;
			continue;
		}
		if (outgoing_make(&p->network, p, first, &s->root, s->commit, a->now, validity,
				  refresh, &s->arena, &a->out[a->n_out], e) < 0)
			return -1;
		a->n_out++;
	}
	a->work = a->pruned || !s->published.exists;
	for (i = 0; i < a->n_out; i++)
		a->work |= a->out[i].changed || a->out[i].renewed;
	return 0;
}

/*
 * The source commit must descend from every one that a standing manifest names: a branch that was
 * forced elsewhere, even to a sibling with a common ancestor, must not be published unseen.
 */
static int check_descent(struct apply *a, struct err *e)
{
	struct session *s = &a->s;
	size_t i;

	for (i = 0; i < s->published.n; i++) {
		const char *published = s->published.networks[i].manifest.commit;
		struct err inner = { 0 };
		bool descends = false, known = true;

		if (i && !strcmp(published, s->published.networks[i - 1].manifest.commit))
			continue;
		if (repo_descends(s->repo, s->commit, published, &descends, &inner) < 0) {
			if (inner.class != ERR_NOENT && inner.class != ERR_INPUT) {
				*e = inner;
				return -1;
			}
			known = false;
		}
		if (descends)
			continue;
		a->rewound = published;
		if (a->o->allow_rewind)
			return 0;
		return err_refuse(
			e, "NOT-DESCENDANT",
			"commit %.*s does not descend from %.*s, which is published (%s); if the branch was rewritten on "
			"purpose: meshrc apply --allow-rewind",
			SHORT_ID, s->commit, SHORT_ID, published,
			known ? "the branch went back, or another way" :
				"that commit, or the history down to it, is not in this repository; in a shallow clone: "
				"git fetch --unshallow");
	}
	return 0;
}

static int make_plans(struct apply *a, struct err *e)
{
	struct session *s = &a->s;
	size_t i;

	a->plans = arena_array(&s->arena, s->n_networks, sizeof(*a->plans));
	if (!a->plans)
		return err_nomem(e);
	for (i = 0; i < s->n_networks; i++) {
		const struct session_network *n = &s->networks[i];

		if (plan_make(n->old ? &n->old->network : NULL, n->compiled, &s->arena,
			      &a->plans[i], e) < 0)
			return -1;
	}
	return 0;
}

static int show_plans(struct apply *a, struct err *e)
{
	struct session *s = &a->s;
	const struct plan **list = arena_array(&s->arena, s->n_networks, sizeof(*list));
	struct buf out;
	size_t i;
	int rc = 0;

	if (!list)
		return err_nomem(e);
	buf_init(&out, MAX_PLAN_TEXT);
	for (i = 0; i < s->n_networks; i++) {
		list[i] = &a->plans[i];
		if (!cli_json && !plan_empty(&a->plans[i]) && (!cli_quiet || !a->o->auto_approve))
			plan_text(&a->plans[i], cli_colour(STDOUT_FILENO), cli_verbose, &out);
	}
	if (cli_json)
		rc = plan_json(list, s->n_networks, &out, e);
	if (!rc && cli_print(&out) < 0)
		rc = err_set(e, ERR_IO, "the plan could not be shown");
	fflush(stdout);
	buf_release(&out);
	return rc;
}

static const struct outgoing *find_outgoing(const struct apply *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->n_out && strcmp(a->out[i].name, name) != 0; i++)
		;
	return i < a->n_out ? &a->out[i] : NULL;
}

/* What the plans do not show: manifests that are only signed anew, networks that are dropped. */
static void tell_rest(const struct apply *a)
{
	const struct session *s = &a->s;
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		const struct outgoing *out = find_outgoing(a, s->networks[i].name);

		if (out && out->changed && plan_empty(&a->plans[i]))
			cli_info(
				"%s: no node's configuration changes, but what is published about them does",
				out->name);
	}
	for (i = 0; i < a->n_out; i++)
		if (a->out[i].renewed)
			cli_info("%s: no changes; its manifest is signed anew", a->out[i].name);
	for (i = 0; i < s->published.n; i++) {
		const struct published_network *p = &s->published.networks[i];

		if (a->pruned && is_retired(a, p))
			cli_info(
				"%s: dropped from the publication; agents that still ask for it keep what they have",
				p->network.name);
		if (p->manifest.issued > a->now)
			cli_warn(
				"%s: the last manifest was issued in the future by this machine's clock; is the clock right?",
				p->network.name);
	}
	if (a->rewound)
		cli_warn(
			"NOT-DESCENDANT allowed: commit %.*s does not descend from %.*s; all manifests are signed anew",
			SHORT_ID, s->commit, SHORT_ID, a->rewound);
	if (!s->root.renew_by_never && s->root.renew_by < a->now)
		cli_warn(
			"the root document's renew-by is over: agents accept nothing until there is a new root");
}

static int read_key(struct apply *a, struct secret *ret, struct err *e)
{
	const struct session *s = &a->s;
	const char *path = a->o->key, *configured = NULL;
	char text[KEY_STRLEN];
	struct signkey public;
	struct buf b;
	size_t i;
	int rc;

	if (!path || !*path)
		path = getenv("MESHRC_SIGNING_KEY");
	if (!path || !*path) {
		if (repo_config(s->repo, "meshrc.signingKey", &a->s.arena, &configured, e) < 0)
			return -1;
		path = configured;
	}
	if (!path || !*path)
		return err_set(
			e, ERR_INPUT,
			"no key to sign with: give the publisher key's file with --key FILE, MESHRC_SIGNING_KEY or "
			"git config meshrc.signingKey FILE");
	/* A secret's content in the place of its file's name must not reach a log. */
	if (strlen(path) == KEY_STRLEN - 1 && path[KEY_STRLEN - 2] == '=' &&
	    !os_exists(AT_FDCWD, path))
		return err_set(
			e, ERR_INPUT,
			"--key and MESHRC_SIGNING_KEY take the name of a file, not the key itself "
			"(not shown here; if logs have seen it, make a new one)");
	/* Room for the whole file from the start: a buffer that grows would leave copies behind. */
	buf_init(&b, 4096);
	rc = os_read_secret(AT_FDCWD, path, 1024, &b, e);
	if (!rc)
		rc = secret_from_base64(ret, b.data, b.len, e);
	if (b.cap)
		secret_wipe(b.data, b.cap);
	buf_release(&b);
	if (rc < 0)
		return err_prefix(e, "the signing key %s", path);
	if (sign_public(ret, &public, e) < 0)
		return -1;
	for (i = 0; i < s->root.n_publisher_keys; i++)
		if (!signkey_cmp(&s->root.publisher_keys[i], &public))
			return 0;
	secret_release(ret);
	return err_refuse(
		e, "UNKNOWN-KEY",
		"the key in %s (public half %s) is not a publisher key of trust/root-%llu of commit %.*s: no agent would "
		"accept what it signs",
		path, signkey_print(&public, text), (unsigned long long)s->root.version, SHORT_ID,
		s->commit);
}

static int ask(const struct apply *a)
{
	char answer[16] = "";

	if (a->o->auto_approve)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		cli_error(
			"nobody can be asked here (standard input is no terminal); --auto-approve publishes without asking");
		return EXIT_REFUSED;
	}
	fprintf(stderr, "\nPublish this? Only 'yes' is taken as a yes: ");
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n"))
		return 0;
	cli_error("nothing was published");
	return EXIT_REFUSED;
}

static int take_lock(struct apply *a, struct err *e)
{
	const char *path = repo_gitdir(a->s.repo);
	int dir = os_open_dir(AT_FDCWD, path, e);

	if (dir < 0)
		return -1;
	a->lock = os_lock_shared(dir, LOCK_NAME, 0, e);
	if (a->lock < 0 && e->class == ERR_CONFLICT) {
		cli_info("another apply is running; waiting for it (it holds %s%s)", path,
			 LOCK_NAME);
		*e = (struct err){ 0 };
		a->lock = os_lock_shared(dir, LOCK_NAME, LOCK_SECONDS, e);
	}
	os_close(dir);
	return a->lock < 0 ? err_prefix(e, "%s", path) : 0;
}

/* With the lock held: nobody may have published since the plan was made. */
static int check_tip(struct apply *a, struct err *e)
{
	char commit[COMMIT_HEX] = "";

	if (session_tip(&a->s, commit, e) < 0 && e->class != ERR_NOENT)
		return -1;
	a->raced = strcmp(commit, a->s.published.exists ? a->s.published.commit : "") != 0;
	if (a->raced)
		return err_set(
			e, ERR_CONFLICT,
			"somebody else published meanwhile, so this plan is not what would happen; run it again");
	return 0;
}

static int make_tree(struct apply *a, struct tree_file **files, size_t *n, struct err *e)
{
	struct session *s = &a->s;
	size_t i;

	if (tree_make(s->roots, s->n_roots, a->out, a->n_out, &s->arena, files, n, e) < 0)
		return -1;
	for (i = 0; i < a->n_out; i++)
		if ((a->out[i].changed || a->out[i].renewed) &&
		    tree_verify(*files, *n, a->out[i].name, &s->root, &s->arena, e) < 0)
			return err_prefix(e, "what was made does not read back");
	return 0;
}

static const char *counts_of(const struct apply *a, const char *name, char *out, size_t size)
{
	const struct session *s = &a->s;
	size_t i;

	*out = '\0';
	for (i = 0; i < s->n_networks; i++) {
		const struct plan *p = &a->plans[i];

		int n;

		if (strcmp(s->networks[i].name, name) != 0)
			continue;
		n = snprintf(out, size, ", nodes: %llu added, %llu changed, %llu removed",
			     (unsigned long long)p->nodes_added,
			     (unsigned long long)p->nodes_changed,
			     (unsigned long long)p->nodes_removed);
		if (n > 0 && (size_t)n < size &&
		    (p->clients_added || p->clients_changed || p->clients_removed))
			n += snprintf(out + n, size - (size_t)n,
				      ", clients: %llu added, %llu changed, %llu removed",
				      (unsigned long long)p->clients_added,
				      (unsigned long long)p->clients_changed,
				      (unsigned long long)p->clients_removed);
		if (n > 0 && (size_t)n < size && p->files_needed)
			snprintf(out + n, size - (size_t)n, ", new files: %llu",
				 (unsigned long long)p->files_needed);
	}
	return out;
}

static int make_message(struct apply *a, struct buf *out, struct err *e)
{
	struct buf subject;
	char counts[192];
	size_t i;
	int rc;

	buf_init(&subject, 1u << 20);
	rc = repo_subject(a->s.repo, a->s.commit, &subject, e);
	buf_addf(out, "publish %.*s: ", SHORT_ID, a->s.commit);
	text_safe(out, subject.data, subject.len < 200 ? subject.len : 200);
	buf_adds(out, "\n\n");
	buf_release(&subject);
	for (i = 0; i < a->n_out; i++) {
		const struct outgoing *o = &a->out[i];

		if (o->changed || o->renewed)
			buf_addf(out, "%s: serial %llu%s\n", o->name,
				 (unsigned long long)o->manifest.serial,
				 o->changed ? counts_of(a, o->name, counts, sizeof(counts)) :
					      ", signed anew");
	}
	for (i = 0; i < a->s.published.n; i++)
		if (a->pruned && is_retired(a, &a->s.published.networks[i]))
			buf_addf(out, "%s: dropped\n", a->s.published.networks[i].network.name);
	buf_addf(out, "\nSource-Commit: %s\n", a->s.commit);
	if (a->rewound)
		buf_addf(out, "Rewound-From: %s\n", a->rewound);
	if (!rc && !buf_ok(out))
		rc = err_nomem(e);
	return rc;
}

/* The remote refused: it has publications that we do not know, so ours must not stand under the
 * same serial. */
static int take_back(struct apply *a, const char *made, struct err *e)
{
	const struct m_settings *m = &a->s.model.settings;
	struct err inner = { 0 };

	if (made &&
	    publish_move_branch(a->s.repo, m->branch.s, made,
				a->s.published.exists ? a->s.published.commit : NULL, &inner) < 0)
		return err_prefix(e, "the commit %.*s on '%s' could not be taken back (%s)",
				  SHORT_ID, made, m->branch.s, inner.msg);
	/* An unattended run makes its plan again from what the remote has. */
	if (a->o->auto_approve && publish_fetch(a->s.repo, m->remote.s, m->branch.s, &inner) == 0) {
		a->outrun = true;
		return -1;
	}
	cli_info("to go on: git fetch %s, then meshrc apply again", m->remote.s);
	return -1;
}

/* Push and directory: each finished here or by the next apply. `made` is the new commit, NULL when
 * there is none. */
static int deliver(struct apply *a, const char *made, const struct tree_file *files, size_t n,
		   bool *ret_changed, struct err *e)
{
	const struct m_settings *m = &a->s.model.settings;
	char local[COMMIT_HEX];
	struct err push = { 0 };
	bool changed = false;

	if (m->remote.s && repo_branch(a->s.repo, m->branch.s, local, NULL) == 0) {
		cli_progress("pushing to %s", m->remote.s);
		if (publish_push(a->s.repo, m->remote.s, m->branch.s, &push) < 0) {
			cli_progress_clear();
			*e = push;
			if (push.class == ERR_CONFLICT)
				return take_back(a, made, e);
			cli_info("'%s' has the publication; the next meshrc apply pushes it%s",
				 m->branch.s, m->directory.s ? " and writes the directory" : "");
			return -1;
		}
		cli_progress_clear();
	}
	if (!m->directory.s)
		return 0;
	if (publish_to_directory(m->directory.s, files, n, a->now, KEEP_SECONDS, &changed, e) < 0) {
		cli_info("'%s' has the publication; the next meshrc apply finishes the directory",
			 m->branch.s);
		return -1;
	}
	*ret_changed = changed;
	return 0;
}

static void tell_done(const struct apply *a, const char *commit)
{
	size_t i;

	for (i = 0; i < a->n_out; i++)
		if (a->out[i].changed || a->out[i].renewed)
			cli_info("%s: serial %llu published", a->out[i].name,
				 (unsigned long long)a->out[i].manifest.serial);
	cli_info("commit %.*s is published as %.*s on '%s'", SHORT_ID, a->s.commit, SHORT_ID,
		 commit, a->s.model.settings.branch.s);
}

/* What was read came from the remote's branch: ours catches up first. */
static int catch_up(struct apply *a, struct err *e)
{
	const char *branch = a->s.model.settings.branch.s;
	char local[COMMIT_HEX] = "";
	struct err inner = { 0 };

	if (!a->s.published.exists)
		return 0;
	if (repo_branch(a->s.repo, branch, local, &inner) < 0 && inner.class != ERR_NOENT) {
		*e = inner;
		return -1;
	}
	if (!strcmp(local, a->s.published.commit))
		return 0;
	return publish_move_branch(a->s.repo, branch, *local ? local : NULL, a->s.published.commit,
				   e);
}

static int commit_tree(struct apply *a, const struct tree_file *files, size_t n,
		       char ret_commit[static COMMIT_HEX], struct err *e)
{
	const char *parent = a->s.published.exists ? a->s.published.commit : NULL;
	struct buf message;
	int rc;

	if (catch_up(a, e) < 0)
		return -1;
	buf_init(&message, 1u << 20);
	rc = make_message(a, &message, e);
	if (!rc)
		rc = publish_to_branch(a->s.repo, a->s.model.settings.branch.s, parent, files, n,
				       message.data, a->now, ret_commit, e);
	buf_release(&message);
	return rc;
}

static int publish_tree(struct apply *a, const struct secret *key, struct err *e)
{
	struct tree_file *files;
	char commit[COMMIT_HEX];
	bool changed = false;
	size_t n, i;

	for (i = 0; i < a->n_out; i++)
		if ((a->out[i].changed || a->out[i].renewed) &&
		    outgoing_sign(&a->out[i], key, &a->s.root, &a->s.arena, e) < 0)
			return -1;
	if (make_tree(a, &files, &n, e) < 0)
		return -1;
	if (commit_tree(a, files, n, commit, e) < 0 ||
	    deliver(a, commit, files, n, &changed, e) < 0)
		return -1;
	tell_done(a, commit);
	return 0;
}

/* Nothing to publish; what an earlier run did not finish is finished now. */
static int finish_earlier(struct apply *a, struct err *e)
{
	struct tree_file *files;
	char commit[COMMIT_HEX];
	bool changed = false, mended;
	size_t n;

	/* Who asked for JSON gets an object in any case, here one without changes. */
	if (cli_json && (make_plans(a, e) < 0 || show_plans(a, e) < 0))
		return -1;
	if (take_lock(a, e) < 0 || check_tip(a, e) < 0 || make_tree(a, &files, &n, e) < 0 ||
	    commit_tree(a, files, n, commit, e) < 0)
		return -1;
	mended = strcmp(commit, a->s.published.commit) != 0;
	if (deliver(a, mended ? commit : NULL, files, n, &changed, e) < 0)
		return -1;
	if (mended)
		cli_warn(
			"'%s' held other files than a publication does; commit %.*s puts that right",
			a->s.model.settings.branch.s, SHORT_ID, commit);
	if (changed)
		cli_info(
			"nothing to publish; the directory was not as it should be and is repaired");
	else if (!a->o->quiet_unchanged)
		cli_info("nothing to publish: what is published is what commit %.*s says", SHORT_ID,
			 a->s.commit);
	return 0;
}

/* Returns an exit code, or -1 with *e filled. */
static int run_once(struct apply *a, struct err *e)
{
	struct secret key = { 0 };
	int rc;

	if (make_outgoing(a, a->o->refresh, e) < 0)
		return -1;
	if (!a->work)
		return finish_earlier(a, e);
	if (check_descent(a, e) < 0 || (a->rewound && make_outgoing(a, true, e) < 0) ||
	    make_plans(a, e) < 0 || show_plans(a, e) < 0)
		return -1;
	tell_rest(a);
	rc = read_key(a, &key, e);
	if (!rc)
		rc = ask(a);
	if (!rc)
		rc = take_lock(a, e) < 0 || check_tip(a, e) < 0 ? -1 : publish_tree(a, &key, e);
	secret_release(&key);
	return rc;
}

int apply_run(const struct apply_options *o)
{
	unsigned int tries = 0, fetches = 0;
	struct apply a;
	struct err e;
	int rc;

	do {
		e = (struct err){ 0 };
		rc = apply_init(&a, o);
		if (!rc)
			rc = run_once(&a, &e);
		apply_release(&a);
		/* An unattended run that lost a race makes its plan again from what is published
		 * now. */
	} while (rc < 0 && o->auto_approve &&
		 ((a.raced && ++tries < MAX_TRIES) || (a.outrun && ++fetches <= MAX_FETCHES)));
	return rc < 0 ? cli_fail(&e) : rc;
}
