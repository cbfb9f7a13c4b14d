/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meshrc-agent: the command line. docs/man/meshrc-agent.8 describes it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "agent/cmd.h"
#include "common/os_file.h"
#include "common/text.h"
#include "common/timefmt.h"

static struct cli_list opt_urls;
static const char *opt_config, *opt[N_CONFIG_KEYS];
static bool opt_offline, opt_print_key;

static const struct cli_option options[] = {
	{ "config", CLI_STRING, &opt_config, "FILE",
	  "settings as `key = value` lines (" CONFIG_FILE ")", false },
	{ "url", CLI_LIST, &opt_urls, "URL",
	  "https:// or file:// of the publication; several are mirrors", false },
	{ "network", CLI_STRING, &opt[CONFIG_NETWORK], "NAME", "the network to take part in",
	  false },
	{ "node", CLI_STRING, &opt[CONFIG_NODE], "NAME", "the name of this node in it", false },
	{ "trust", CLI_STRING, &opt[CONFIG_TRUST], "FILE", "the pinned root document", false },
	{ "private-key", CLI_STRING, &opt[CONFIG_PRIVATE_KEY], "FILE",
	  "made, mode 0600, if missing", false },
	{ "print-public-key", CLI_FLAG, &opt_print_key, NULL,
	  "print the public half of it and do nothing else", false },
	{ "state-dir", CLI_STRING, &opt[CONFIG_STATE], "DIR",
	  "what must last over a reboot (" CONFIG_STATE_DIR ")", false },
	{ "interface", CLI_STRING, &opt[CONFIG_INTERFACE], "NAME",
	  "instead of the published interface name", false },
	{ "backend", CLI_STRING, &opt[CONFIG_BACKEND], "WHICH", "auto, kernel or userspace",
	  false },
	{ "offline", CLI_FLAG, &opt_offline, NULL, "fetch nothing; use what was accepted last",
	  false },
	{ "interval", CLI_STRING, &opt[CONFIG_POLL], "SECONDS", "between two polls of `run` (60)",
	  false },
	{ "names", CLI_STRING, &opt[CONFIG_NAMES], "HOW",
	  "auto (systemd-resolved, else /etc/hosts), hosts or off", false },
	{ "now", CLI_STRING, &opt[CONFIG_NOW], "RFC3339", "take this as the time, for tests",
	  false },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "once", "fetch, verify, bring the interface to it, exit", "",
	  "For cron and for init systems without the daemon. Exit status 0: the newest publication is in force\n"
	  "(with --offline: the last accepted one). When nothing acceptable can be fetched, the last accepted\n"
	  "publication is put in force and the exit status is 1.",
	  0, 0, NULL, cmd_once, false },
	{ "run", "stay and keep the interface as the publication says", "",
	  "Brings up what was accepted last before it fetches anything. SIGHUP polls at once; SIGTERM ends it and\n"
	  "leaves the interface as it is.",
	  0, 0, NULL, cmd_run, false },
	{ "status", "what is in force, since when, and how the peers are", "", NULL, 0, 0, NULL,
	  cmd_status, false },
	{ "verify", "fetch and check only, and say what would be accepted", "", NULL, 0, 0, NULL,
	  cmd_verify, false },
	{ "plan", "what `once` would change on this machine", "", NULL, 0, 0, NULL, cmd_plan,
	  false },
	{ "down", "take the interface and all that was added away", "",
	  "What was accepted is kept: `once` brings the interface up again.", 0, 0, NULL, cmd_down,
	  false },
	{ 0 },
};

static const struct cli_program program = {
	.name = "meshrc-agent",
	.summary = "Keeps one WireGuard interface as a signed publication says",
	.commands = commands,
	.options = options,
};

/* ---- settings ---- */

static struct arena arena;
static struct buf file_text;
static struct source file_source;

static int read_file(struct config_raw *raw, struct diag *d)
{
	struct err e = { 0 };

	/* The usual way to say "no file". */
	if (opt_config && !strcmp(opt_config, "/dev/null"))
		return -1;
	file_source.path = opt_config ? opt_config : CONFIG_FILE;
	buf_init(&file_text, MAX_CONFIG_FILE);
	if (os_read_file(AT_FDCWD, file_source.path, MAX_CONFIG_FILE, &file_text, &e) < 0)
		/* Only the file that was asked for must be there. */
		return e.class == ERR_NOENT && !opt_config ? -1 : cli_fail(&e);
	file_source.text = file_text.data;
	file_source.len = file_text.len;
	config_parse(&file_source, raw, d);
	return -1;
}

static void take_options(struct config_raw *raw)
{
	size_t i;

	for (i = 0; i < opt_urls.n; i++)
		(void)config_option(raw, CONFIG_URL, opt_urls.v[i]);
	for (i = 0; i < N_CONFIG_KEYS; i++)
		if (opt[i])
			(void)config_option(raw, (enum config_key)i, opt[i]);
	if (opt_offline)
		(void)config_option(raw, CONFIG_OFFLINE, "true");
}

static int missing(const char *what)
{
	return cli_usage("--%s is missing (or `%s = ...` in %s)", what, what,
			 opt_config ? opt_config : CONFIG_FILE);
}

static int print_public_key(const struct agent_config *c)
{
	struct secret private_key = { 0 };
	struct wgkey public_key;
	struct err e = { 0 };
	char text[KEY_STRLEN], dir[8192];

	/* The default place is ours to make; a folder that somebody named must be there. */
	snprintf(dir, sizeof(dir), "%s/%s", c->state_dir, c->network ? c->network : "");
	if (c->network && !strncmp(c->private_key, dir, strlen(dir)) &&
	    os_mkdir_p(AT_FDCWD, dir, 0700, &e) < 0)
		return cli_fail(&e);
	if (agent_load_key(c->private_key, true, &private_key, &public_key, &e) < 0)
		return cli_fail(&e);
	secret_release(&private_key);
	printf("%s\n", wgkey_print(&public_key, text));
	return EXIT_DONE;
}

static int show_diagnostics(struct diag *d, bool usage)
{
	struct buf out;
	size_t i, n = 0;

	/* What an option says has no line to show. */
	for (i = 0; i < d->n; i++) {
		if (d->entries[i].pos.source) {
			d->entries[n++] = d->entries[i];
			continue;
		}
		cli_error("%s", d->entries[i].msg);
		d->errors--;
	}
	d->n = n;
	buf_init(&out, 1u << 20);
	diag_render(d, cli_colour(STDERR_FILENO), &out);
	fputs(out.data, stderr);
	buf_release(&out);
	return usage ? EXIT_WRONG_USAGE : EXIT_REFUSED;
}

int cmd_settings(unsigned int needs, struct agent_config *ret)
{
	struct config_raw raw = { 0 };
	struct diag d;
	bool from_option = false;
	int r;

	diag_init(&d, &arena);
	r = read_file(&raw, &d);
	if (r >= 0)
		return r;
	take_options(&raw);
	if (config_finish(&raw, &arena, ret, &d, &from_option) < 0 || d.errors)
		return show_diagnostics(&d, from_option);
	if (opt_print_key && ret->private_key)
		return print_public_key(ret);
	if (!ret->network)
		return missing("network");
	if ((needs & NEEDS_NODE) && !ret->node)
		return missing("node");
	if ((needs & NEEDS_TRUST) && !ret->trust)
		return missing("trust");
	if ((needs & NEEDS_TRUST) && !ret->n_urls && !ret->offline)
		return missing("url");
	return -1;
}

/* ---- what commands share ---- */

static void say(const char *sentence)
{
	cli_warn("%s", sentence);
}

int cmd_open(struct agent *a, const struct agent_config *config, enum store_access access)
{
	struct err e = { 0 };

	if (agent_open(a, config, access, say, &e) < 0)
		return cli_fail(&e);
	if (access == STORE_READ && !os_exists(AT_FDCWD, config->private_key)) {
		cli_warn(
			"there is no private key %s yet; `once` would make one, whose public half is not what is published",
			config->private_key);
		return -1;
	}
	return agent_key(a, access == STORE_WRITE, &e) < 0 ? cli_fail(&e) : -1;
}

void cmd_tell_urls(const struct agent *a, const struct cycle *c, bool good)
{
	const struct agent_config *config = a->config;
	size_t i;

	/* The one URL's error is the command's. */
	if (!good && config->n_urls == 1)
		return;
	for (i = 0; i < config->n_urls; i++) {
		const struct err *e = &c->errors[i];
		bool named = !strncmp(e->msg, config->urls[i], strlen(config->urls[i]));

		if (c->failed[i])
			cli_warn("%s%s%s%s%s", named ? "" : config->urls[i], named ? "" : ": ",
				 e->reason ? e->reason : "", e->reason ? ": " : "", e->msg);
	}
}

void cmd_tell_cycle(const struct agent *a, const struct cycle *c)
{
	char t[TIME_STRLEN];

	if (c->roots)
		cli_info("%s: root version %llu is trusted now", a->config->network,
			 (unsigned long long)a->root.version);
	if (c->now.behind)
		cli_warn(
			"CLOCK-BEHIND: the clock is before %s, which cannot be; that time is used instead",
			time_print(c->now.t, t));
	if (c->skipped)
		cli_debug("%s: %llu serials were published in between", a->config->network,
			  (unsigned long long)c->skipped);
	if (c->stale && a->current)
		cli_warn(
			"STALE: serial %llu expired at %s and nothing newer is published where we look; it stays in force",
			(unsigned long long)a->current->manifest.serial,
			time_print(a->current->manifest.expires, t));
}

void cmd_tell_unresolved(const struct convergence *c)
{
	size_t i;

	for (i = 0; i < c->n_unresolved && i < 5; i++)
		cli_warn("no address found for %s; its peer has no endpoint for now",
			 c->unresolved[i]);
	if (c->n_unresolved > i)
		cli_warn("no address found for %zu more names", c->n_unresolved - i);
}

void cmd_tell_names(const struct convergence *c)
{
	struct buf line;
	size_t i;

	buf_init(&line, 1024);
	for (i = 0; c->names.sets && i < c->names.n_ops; i++) {
		buf_reset(&line);
		names_op_print(&c->names.ops[i], &line);
		cli_info("%s", line.data);
	}
	buf_release(&line);
}

void cmd_output(void)
{
	signal(SIGPIPE, SIG_DFL);
}

const char *cmd_serial(const struct manifest *m, char *out, size_t size)
{
	snprintf(out, size, "serial %llu (commit %.7s)", (unsigned long long)m->serial, m->commit);
	return out;
}

static int cmp_op_keys(const void *pa, const void *pb)
{
	const struct op *const *a = pa, *const *b = pb;

	return wgkey_cmp(&(*a)->key, &(*b)->key);
}

static size_t peers_changed(const struct apply_result *r)
{
	const struct op **list = calloc(r->n_ops ? r->n_ops : 1, sizeof(*list));
	size_t i, n = 0, distinct = 0;

	if (!list)
		return 0;
	for (i = 0; i < r->n_ops; i++)
		if (r->ops[i].kind == OP_PEER_SET || r->ops[i].kind == OP_PEER_REMOVE)
			list[n++] = &r->ops[i];
	if (n)
		qsort(list, n, sizeof(*list), cmp_op_keys);
	for (i = 0; i < n; i++)
		distinct += !i || cmp_op_keys(&list[i - 1], &list[i]) != 0;
	free(list);
	return distinct;
}

static void print_rules(const struct rule_op *ops, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		buf_adds(out, "  ");
		exit_op_print(&ops[i], out);
		buf_addc(out, '\n');
	}
}

size_t cmd_peers_changed(const struct convergence *c)
{
	size_t n = peers_changed(&c->result), i;

	for (i = 0; i < c->n_links; i++)
		n += peers_changed(&c->links[i].result);
	return n;
}

const char *cmd_holds(const struct convergence *c, char *out, size_t size)
{
	int n = snprintf(out, size, "%zu peer%s", c->n_peers, c->n_peers == 1 ? "" : "s");

	if (c->n_links && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, ", %zu routed link%s", c->n_links,
			 c->n_links == 1 ? "" : "s");
	return out;
}

static void print_ops(const struct apply_result *r, const char *link, struct buf *out)
{
	size_t i;

	for (i = 0; i < r->n_ops; i++) {
		buf_adds(out, "  ");
		if (link)
			buf_addf(out, "%s: ", link);
		op_print(&r->ops[i], out);
		buf_addc(out, '\n');
	}
}

void cmd_tell_exit(const struct agent *a, const struct convergence *c)
{
	const struct snapshot *s = a->current;
	char text[IPADDR_STRLEN];

	if (!c->exit.sets || !c->exit.verified)
		return;
	if (s && s->has_config && exit_routed(s->config.node) && c->exit.elsewhere.family)
		cli_warn(
			"%s: the rules for what goes through %s are in place, and yet %s does not go there: a rule or a route of "
			"somebody else's comes first (ip rule; ip route get %s)",
			a->config->network, s->config.node->exit,
			ipaddr_print(&c->exit.elsewhere, text), text);
	else if (s && s->has_config && exit_routed(s->config.node) && !c->exit.all)
		cli_info("%s: the rules for what goes through %s are in place", a->config->network,
			 s->config.node->exit);
	else if (s && s->has_config && exit_routed(s->config.node))
		cli_info("%s: everything else goes through %s", a->config->network,
			 s->config.node->exit);
	else
		cli_info("%s: everything else goes as without the network", a->config->network);
}

size_t cmd_n_ops(const struct convergence *c)
{
	return c->exit.plan.n_before + c->guard.n_ops + convergence_ops(c) + c->exit.plan.n_after +
	       c->host.n_ops + c->names.n_ops;
}

static void print_host_ops(const struct host_result *r, struct buf *out)
{
	size_t i;

	for (i = 0; i < r->n_ops; i++) {
		buf_adds(out, "  ");
		host_op_print(&r->ops[i], out);
		buf_addc(out, '\n');
	}
}

void cmd_print_ops(const struct convergence *c, struct buf *out)
{
	size_t i;

	print_rules(c->exit.plan.before, c->exit.plan.n_before, out);
	print_host_ops(&c->guard, out);
	print_ops(&c->result, NULL, out);
	for (i = 0; i < c->n_links; i++)
		print_ops(&c->links[i].result, c->links[i].interface.s, out);
	print_rules(c->exit.plan.after, c->exit.plan.n_after, out);
	print_host_ops(&c->host, out);
	for (i = 0; i < c->names.n_ops; i++) {
		buf_adds(out, "  ");
		names_op_print(&c->names.ops[i], out);
		buf_addc(out, '\n');
	}
}

/* ---- main ---- */

int main(int argc, char **argv)
{
	static char *with_command[CLI_LIST_MAX + 4 * N_CONFIG_KEYS];
	struct rlimit none = { 0, 0 };
	int r, i;

	/* The private key is in here: no core file, and no other process of this user looks in. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	/* `meshrc-agent --print-public-key ...` needs no command. */
	for (i = 1; i < argc && argv[1][0] == '-' && (size_t)argc < ARRAY_LEN(with_command) - 1;
	     i++)
		if (!strcmp(argv[i], "--print-public-key")) {
			static char once[] = "once";

			with_command[0] = argv[0];
			with_command[1] = once;
			memcpy(with_command + 2, argv + 1, (size_t)(argc - 1) * sizeof(*argv));
			argv = with_command;
			argc++;
			break;
		}
	r = cli_main(&program, argc, argv);
	buf_release(&file_text);
	arena_release(&arena);
	return r;
}
