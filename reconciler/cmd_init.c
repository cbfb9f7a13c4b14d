/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/os_file.h"
#include "common/os_time.h"
#include "common/secret.h"
#include "publication/sign.h"
#include "publication/verify.h"
#include "reconciler/commands.h"
#include "reconciler/hooks.h"
#include "reconciler/repo.h"
#include "schema/jsonschema.h"

static const char *opt_keys;
static bool opt_hooks, opt_no_hooks;

static const struct cli_option options[] = {
	{ "keys", CLI_STRING, &opt_keys, "DIR",
	  "where the keys go (default: ~/.config/meshrc/keys/NAME)", false },
	{ "hooks", CLI_FLAG, &opt_hooks, NULL,
	  "in an existing or bare repository: only install the git hooks", false },
	{ "no-hooks", CLI_FLAG, &opt_no_hooks, NULL, "install no git hook", false },
	{ 0 },
};

static const char settings_text[] =
	"# yaml-language-server: $schema=.meshrc/meshrc.schema.json\n"
	"version: 1\n"
	"publish:\n"
	"  branch: published            # what was compiled and signed; only meshrc writes to it\n"
	"  # remote: origin             # push that branch there\n"
	"  # directory: /srv/www/mesh   # put the same tree there, for a web server\n"
	"expires: 30d                   # how long a publication counts as fresh\n";

/* The %s are public keys that are made on the spot and whose private halves are forgotten at once.
 */
static const char example_head[] =
	"# yaml-language-server: $schema=../.meshrc/network.schema.json\n"
	"#\n"
	"# A small network to start from. Rename the file: its name is the network's name, and that of the\n"
	"# WireGuard interface on the nodes.\n"
	"version: 1\n"
	"addresses: [10.20.0.0/16]      # nodes without addresses of their own get one from here\n"
	"persistent_keepalive: 25       # from nodes without an endpoint to nodes with one\n"
	"\n"
	"# The public keys below are placeholders that nobody has the private half of. Replace each by what is\n"
	"# printed on the node itself, which makes its key there and keeps it; for the gateway:\n"
	"#   sudo meshrc-agent once --network example --node gateway --print-public-key\n"
	"# with the network's name in place of 'example'. (Or by what 'wg pubkey' makes of a key you have.)\n"
	"nodes:\n";

struct init {
	struct arena arena;
	struct repo *repo;
	char dir[PATH_MAX]; /* the repository, absolute */
	char keys[PATH_MAX]; /* where the keys go, absolute */
	int fd; /* of dir */
	struct err err;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : "mesh";
}

/* The longest part of a path that exists, resolved, and the rest behind it: where it would be once
 * made. */
static int resolve_future(const char *path, char ret[static PATH_MAX], struct err *e)
{
	char part[PATH_MAX], real[PATH_MAX];
	size_t len = strlen(path), cut;
	int n;

	if (!len || len >= sizeof(part))
		return err_set(e, ERR_INPUT, "'%s' is not a folder's name", path);
	for (cut = len;;) {
		memcpy(part, path, cut);
		part[cut] = '\0';
		if (realpath(cut ? part : *path == '/' ? "/" : ".", real))
			break;
		if (errno != ENOENT || !cut)
			return err_errno(e, "cannot use %s", part);
		while (cut && path[cut - 1] != '/')
			cut--;
		while (cut && path[cut - 1] == '/')
			cut--;
	}
	if (strstr(path + cut, ".."))
		return err_set(e, ERR_INPUT, "'%s' holds '..' behind a folder that does not exist",
			       path);
	while (path[cut] == '/')
		cut++;
	n = path[cut] ? snprintf(ret, PATH_MAX, "%s%s%s", strcmp(real, "/") ? real : "", "/",
				 path + cut) :
			snprintf(ret, PATH_MAX, "%s", real);
	return n < 0 || n >= PATH_MAX ? err_set(e, ERR_LIMIT, "the path is too long: %s", path) : 0;
}

static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static int choose_keys(struct init *x)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int n;

	if (opt_keys)
		n = snprintf(path, sizeof(path), "%s", opt_keys);
	else if (config && *config == '/')
		n = snprintf(path, sizeof(path), "%s/meshrc/keys/%s", config, base_name(x->dir));
	else if (home && *home == '/')
		n = snprintf(path, sizeof(path), "%s/.config/meshrc/keys/%s", home,
			     base_name(x->dir));
	else
		return err_set(&x->err, ERR_INPUT,
			       "there is no home folder; say with --keys DIR where the keys go");
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(&x->err, ERR_LIMIT, "the path of the keys is too long");
	if (resolve_future(path, x->keys, &x->err) < 0)
		return -1;
	if (is_inside(x->keys, x->dir))
		return err_set(
			&x->err, ERR_INPUT,
			"private keys must not lie in the repository: choose a folder outside %s with --keys",
			x->dir);
	return 0;
}

/* A word that a shell takes as it is. */
static const char *shell_word(struct arena *a, const char *s)
{
	char *word, *p;

	if (*s &&
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@-")] ==
		    '\0')
		return s;
	p = word = arena_alloc(a, 4 * strlen(s) + 3);
	if (!word)
		return s;
	for (*p++ = '\''; *s; s++) {
		if (*s == '\'') {
			memcpy(p, "'\\'", 3);
			p += 3;
		}
		*p++ = *s;
	}
	*p++ = '\'';
	*p = '\0';
	return word;
}

/* Everything that could stand in the way, before anything is written. */
static int check_room(struct init *x)
{
	static const char *const files[] = { "meshrc.yaml", "networks", "trust" }, *const keys[] = {
		"root.key", "publisher.key"
	};
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_LEN(files); i++)
		if (os_kind_of(x->fd, files[i]) != OS_MISSING)
			return err_set(
				&x->err, ERR_CONFLICT,
				"%s/%s exists already, and init overwrites nothing; 'meshrc init --hooks %s' installs the "
				"hooks alone",
				x->dir, files[i], shell_word(&x->arena, x->dir));
	fd = os_open_dir(AT_FDCWD, x->keys, NULL);
	for (i = 0; i < ARRAY_LEN(keys) && fd >= 0; i++)
		if (os_kind_of(fd, keys[i]) != OS_MISSING) {
			os_close(fd);
			return err_set(
				&x->err, ERR_CONFLICT,
				"%s/%s exists already, and init overwrites nothing; choose another folder with --keys",
				x->keys, keys[i]);
		}
	os_close(fd);
	return 0;
}

static int write_key(struct init *x, int fd, const char *name, const struct secret *seed)
{
	struct secret text = { 0 };
	int rc;

	if (secret_to_base64(seed, &text, &x->err) < 0)
		return -1;
	rc = os_create(fd, name, text.b, text.len, 0600, &x->err);
	secret_release(&text);
	return rc;
}

static int make_root(struct init *x, const struct secret *seed, const struct signkey *root_key,
		     const struct signkey *publisher, struct buf *out)
{
	struct root r = {
		.format = FORMAT_VERSION,
		.version = 1,
		.epoch = 1,
		.min_format = 1,
		.issued = os_now(),
		.renew_by_never = true,
		.root_threshold = 1,
		.n_root_keys = 1,
		.n_publisher_keys = 1,
	}, check;
	struct buf body;
	int rc;

	r.root_keys[0] = *root_key;
	r.publisher_keys[0] = *publisher;
	if (os_random(r.mesh.b, sizeof(r.mesh.b), &x->err) < 0)
		return -1;
	buf_init(&body, MAX_ROOT_DOC);
	rc = root_encode(&r, &body);
	if (rc < 0)
		err_set(&x->err, ERR_INPUT, "the root document cannot be written");
	else
		rc = sign_document(SIGN_TYPE_ROOT, &body, seed, 1, out, &x->err);
	buf_release(&body);
	return rc < 0 ? -1 : verify_pinned_root(out->data, out->len, &check, &x->err);
}

/* Both keys and the root document that ties them together. */
static int make_trust(struct init *x)
{
	struct secret root = { 0 }, publisher = { 0 };
	struct signkey root_public, publisher_public;
	struct buf document;
	int fd = -1, rc = -1;

	buf_init(&document, MAX_ROOT_DOC);
	if (sign_new_key(&root, &root_public, &x->err) < 0 ||
	    sign_new_key(&publisher, &publisher_public, &x->err) < 0 ||
	    make_root(x, &root, &root_public, &publisher_public, &document) < 0 ||
	    os_mkdir_p(AT_FDCWD, x->keys, 0700, &x->err) < 0)
		goto out;
	fd = os_open_dir(AT_FDCWD, x->keys, &x->err);
	if (fd < 0 || write_key(x, fd, "root.key", &root) < 0 ||
	    write_key(x, fd, "publisher.key", &publisher) < 0 ||
	    os_mkdir_p(x->fd, "trust", 0755, &x->err) < 0)
		goto out;
	rc = os_create(x->fd, "trust/root-1", document.data, document.len, 0644, &x->err);
out:
	secret_release(&root);
	secret_release(&publisher);
	buf_release(&document);
	os_close(fd);
	return rc;
}

static int placeholder_key(struct init *x, char out[static KEY_STRLEN])
{
	struct wgkey public;
	uint8_t private[32];
	int rc = os_random(private, sizeof(private), &x->err);

	if (!rc)
		wgkey_public(private, &public);
	secret_wipe(private, sizeof(private));
	if (!rc)
		wgkey_print(&public, out);
	return rc;
}

static int make_example(struct init *x, struct buf *out)
{
	static const struct {
		const char *name, *rest;
	} nodes[] = {
		{ "gateway",
		  "    endpoint: gateway.example.net   # where the others reach it; UDP port 51820 unless it says otherwise\n"
		  "    tags: [server]\n" },
		{ "files", "    tags: [server]\n"
			   "    # routes: [192.168.10.0/24]    # networks behind this node\n" },
		{ "laptop", "    description: no endpoint, so it is the one that connects\n" },
	};
	char key[KEY_STRLEN];
	size_t i;

	buf_adds(out, example_head);
	for (i = 0; i < ARRAY_LEN(nodes); i++) {
		if (placeholder_key(x, key) < 0)
			return -1;
		buf_addf(out, "  %s:\n    public_key: %s\n%s", nodes[i].name, key, nodes[i].rest);
	}
	buf_adds(
		out,
		"\n# Who is joined with whom. Without this every node is joined with every other one.\n"
		"topology:\n"
		"  - star: {hubs: [gateway], spokes: [files, laptop]}\n");
	return buf_ok(out) ? 0 : err_nomem(&x->err);
}

static int make_files(struct init *x)
{
	struct buf b;
	int rc = -1;

	buf_init(&b, 1u << 20);
	if (os_mkdir_p(x->fd, ".meshrc", 0755, &x->err) < 0 ||
	    os_mkdir_p(x->fd, "networks", 0755, &x->err) < 0)
		goto out;
	if ((jsonschema_network(&b) < 0 && err_nomem(&x->err)) ||
	    os_replace(x->fd, ".meshrc/network.schema.json", b.data, b.len, 0644, &x->err) < 0)
		goto out;
	buf_reset(&b);
	if ((jsonschema_meshrc(&b) < 0 && err_nomem(&x->err)) ||
	    os_replace(x->fd, ".meshrc/meshrc.schema.json", b.data, b.len, 0644, &x->err) < 0)
		goto out;
	buf_reset(&b);
	if (make_example(x, &b) < 0 ||
	    os_create(x->fd, "networks/example.yaml", b.data, b.len, 0644, &x->err) < 0)
		goto out;
	/* Last: what follows is a network repository once this file stands there. */
	rc = os_create(x->fd, "meshrc.yaml", settings_text, sizeof(settings_text) - 1, 0644,
		       &x->err);
out:
	buf_release(&b);
	return rc;
}

/* True when a shell that is told "meshrc" would run this very program. */
static bool is_on_path(const char *self)
{
	const char *p = getenv("PATH");
	char path[PATH_MAX], real[PATH_MAX];

	while (p && *p) {
		size_t n = strcspn(p, ":");

		if (n && n + 8 < sizeof(path)) {
			snprintf(path, sizeof(path), "%.*s/meshrc", (int)n, p);
			if (access(path, X_OK) == 0)
				return realpath(path, real) && !strcmp(real, self);
		}
		p += n + (p[n] == ':');
	}
	return false;
}

/* How a shell calls this program. */
static const char *program_word(struct init *x)
{
	char path[PATH_MAX];
	const char *self = NULL;

	if (realpath("/proc/self/exe", path) && !is_on_path(path))
		self = arena_strdup(&x->arena, path);
	return self ? shell_word(&x->arena, self) : "meshrc";
}

/* What the receive hooks look at is the branch that HEAD names, unless meshrc.branch says another.
 */
static void warn_of_head(struct init *x)
{
	const char *branch = NULL, *configured = NULL;
	char commit[COMMIT_HEX];
	struct err e = { 0 };

	if (!repo_is_bare(x->repo) ||
	    repo_config(x->repo, "meshrc.branch", &x->arena, &configured, &e) < 0 || configured ||
	    repo_head_branch(x->repo, &x->arena, &branch, &e) < 0 ||
	    repo_branch(x->repo, branch, commit, &e) == 0 || e.class != ERR_NOENT)
		return;
	cli_warn(
		"HEAD names '%s', which does not exist here: it must be pushed before any other branch. If yours has another name "
		"(NAME): git -C %s symbolic-ref HEAD refs/heads/NAME",
		branch, shell_word(&x->arena, x->dir));
}

/* Returns an exit code. A hook of somebody else's is left alone; with --hooks that is a failure. */
static int install_hooks(struct init *x)
{
	const char *const *names = hooks_for(x->repo);
	char self[PATH_MAX];
	int rc = EXIT_DONE;

	for (; *names; names++) {
		enum hook_state state;

		if (hook_install(x->repo, *names, &state, &x->err) < 0) {
			if (opt_hooks)
				return cli_fail(&x->err);
			cli_warn("no hooks installed: %s", x->err.msg);
			return EXIT_DONE;
		}
		if (state == HOOK_FOREIGN) {
			cli_warn(
				"%shooks/%s is a hook of your own and stays; to have both, end it with: %s hook %s%s",
				repo_gitdir(x->repo), *names, program_word(x), *names,
				!strcmp(*names, "pre-commit") ?
					" \"$(git write-tree)\"" :
					" (which reads the same standard input)");
			rc = opt_hooks ? EXIT_REFUSED : rc;
		} else {
			cli_info("%shooks/%s %s", repo_gitdir(x->repo), *names,
				 state == HOOK_STANDS ? "stands there already" : "installed");
		}
	}
	if (realpath("/proc/self/exe", self) && !is_on_path(self) &&
	    repo_config_set(x->repo, "meshrc.program", self, &x->err) < 0)
		return cli_fail(&x->err);
	return rc;
}

/* Each line works as it stands, but for the words in capitals. */
static void tell_next_steps(struct init *x)
{
	const char *program = program_word(x);
	char cwd[PATH_MAX];
	int step = 1;

	cli_info("a network repository in %s, its keys in %s", x->dir, x->keys);
	if (cli_quiet)
		return;
	fputs("\nNext:\n", stderr);
	if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, x->dir) != 0)
		fprintf(stderr, "  %d. cd %s\n", step++, shell_word(&x->arena, x->dir));
	fprintf(stderr,
		"  %d. Describe your network in networks/example.yaml. The public keys there are placeholders; on each node\n"
		"       sudo meshrc-agent once --network example --node NODE --print-public-key\n"
		"     makes its key and prints what belongs there.\n"
		"  %d. %s validate\n"
		"  %d. git add meshrc.yaml networks trust .meshrc && git commit -m 'First network'\n"
		"  %d. %s plan\n"
		"     %s apply        (it signs with publisher.key)\n"
		"  %d. On each node, with a copy of trust/root-1 (URL: of the 'directory' in meshrc.yaml, on a web server or file://):\n"
		"       sudo meshrc-agent once --url URL --network example --node NODE --trust root-1\n"
		"\nTake root.key off this machine and keep it safe: it alone can name a new publisher key.\n",
		step, step + 1, program, step + 2, step + 3, program, program, step + 4);
}

/* Without a key the hooks of a server check, but publish nothing. */
static void tell_of_key(struct init *x)
{
	const char *key = NULL;
	struct err e = { 0 };

	if (cli_quiet || !repo_is_bare(x->repo) ||
	    repo_config(x->repo, "meshrc.signingKey", &x->arena, &key, &e) < 0 || key)
		return;
	fprintf(stderr,
		"\nNext, so that what is pushed is published (KEY: the publisher key's file, for the user who runs the hooks):\n"
		"  git -C %s config meshrc.signingKey KEY\n",
		shell_word(&x->arena, x->dir));
}

static int open_or_make(struct init *x, const char *dir, bool named)
{
	if (repo_open(dir, &x->repo, &x->err) == 0) {
		const char *top = repo_workdir(x->repo);

		if (!top || opt_hooks ||
		    (is_inside(x->dir, top) && strlen(x->dir) + 1 == strlen(top)))
			return 0;
		/* A folder inside another repository becomes a repository of its own only when it
		 * was named. */
		if (!named)
			return err_set(
				&x->err, ERR_INPUT,
				"this is a folder of the repository %s; run init at its top, or name a folder",
				top);
		repo_free(x->repo);
		x->repo = NULL;
	} else if (x->err.class != ERR_NOENT) {
		return -1;
	}
	if (opt_hooks)
		return err_set(&x->err, ERR_NOENT,
			       "there is no git repository in %s to install hooks into", x->dir);
	return repo_create(x->dir, &x->repo, &x->err);
}

static int make_repository(struct init *x)
{
	char key[PATH_MAX + 16];

	if (choose_keys(x) < 0 || check_room(x) < 0 || make_trust(x) < 0 || make_files(x) < 0)
		return cli_fail(&x->err);
	snprintf(key, sizeof(key), "%s/publisher.key", x->keys);
	if (repo_config_set(x->repo, "meshrc.signingKey", key, &x->err) < 0)
		return cli_fail(&x->err);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	const char *dir = argc ? argv[0] : option_repo ? option_repo : ".";
	struct init x = { .fd = -1 };
	int rc;

	if (opt_hooks && opt_no_hooks)
		return cli_usage("--hooks and --no-hooks exclude each other");
	arena_init(&x.arena);
	if (resolve_future(dir, x.dir, &x.err) < 0 ||
	    (!opt_hooks && os_mkdir_p(AT_FDCWD, x.dir, 0755, &x.err) < 0) ||
	    open_or_make(&x, dir, argc > 0) < 0) {
		rc = cli_fail(&x.err);
		goto out;
	}
	if (opt_hooks) {
		rc = install_hooks(&x);
		warn_of_head(&x);
		if (!rc)
			tell_of_key(&x);
		goto out;
	}
	if (repo_is_bare(x.repo)) {
		cli_error(
			"a bare repository holds no files of its own: run init in a clone of it; 'meshrc init --hooks %s' installs "
			"the hooks here",
			dir);
		rc = EXIT_REFUSED;
		goto out;
	}
	x.fd = os_open_dir(AT_FDCWD, x.dir, &x.err);
	rc = x.fd < 0 ? cli_fail(&x.err) : make_repository(&x);
	if (!rc && !opt_no_hooks)
		rc = install_hooks(&x);
	if (!rc)
		tell_next_steps(&x);
out:
	os_close(x.fd);
	repo_free(x.repo);
	arena_release(&x.arena);
	return rc;
}

const struct cli_command cmd_init = {
	.name = "init",
	.summary = "Make a network repository with an example, keys and hooks",
	.args = "[DIR]",
	.help = "Makes a git repository where there is none. Nothing that exists is overwritten. The root key and the\n"
		"publisher key are made outside the repository; what agents trust is trust/root-1 inside it.",
	.max_args = 1,
	.options = options,
	.run = run,
};
