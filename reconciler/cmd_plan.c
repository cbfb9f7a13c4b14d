/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/os_time.h"
#include "reconciler/commands.h"
#include "reconciler/plan.h"
#include "reconciler/session.h"

#define MAX_OUTPUT (256u << 20)
/* What code forges take for one comment, with some room. */
#define MAX_COMMENT 60000

static const char *rev, *network;
static bool markdown, detailed;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "plan a commit, branch or tag (default: the files as they are)", false },
	{ "network", CLI_STRING, &network, "NAME", "this network only", false },
	{ "markdown", CLI_FLAG, &markdown, NULL, "print a comment for a pull request", false },
	{ "detailed-exitcode", CLI_FLAG, &detailed, NULL,
	  "exit 2 when there are changes, 0 when there are none", false },
	{ 0 },
};

/* Manifests that apply signs anew though nothing in their networks changes. */
static void add_due(const struct session *s, const struct plan *const *plans, struct buf *out)
{
	size_t i;

	for (i = 0; i < s->n_networks && s->has_root; i++) {
		const struct session_network *n = &s->networks[i];
		const char *why = !n->old || !plan_empty(plans[i]) ?
					  NULL :
					  manifest_is_due(&n->old->manifest, &s->root, os_now(),
							  s->model.settings.expires);

		if (why)
			buf_addf(out, "%s: apply signs its manifest anew: %s.\n", n->name, why);
	}
}

static int print(const struct session *s, const struct plan *const *plans, bool changes)
{
	size_t n = s->n_networks;
	struct err e = { 0 };
	struct buf out;
	size_t i, shown = 0;
	int r = 0;

	buf_init(&out, MAX_OUTPUT);
	if (cli_json) {
		r = plan_json(plans, n, &out, &e);
	} else if (markdown) {
		plan_markdown(plans, n, MAX_COMMENT, &out);
	} else if (!changes) {
		buf_adds(&out, "No changes. The published networks match the configuration.\n");
	} else {
		for (i = 0; i < n; i++) {
			if (plan_empty(plans[i]))
				continue;
			if (shown++)
				buf_addc(&out, '\n');
			plan_text(plans[i], cli_colour(STDOUT_FILENO), cli_verbose, &out);
		}
	}
	if (!cli_json && !markdown)
		add_due(s, plans, &out);
	if (r < 0)
		cli_fail(&e);
	else
		r = cli_print(&out);
	buf_release(&out);
	return r;
}

static int plan_session(struct session *s)
{
	const struct plan **plans = arena_array(&s->arena, s->n_networks, sizeof(*plans));
	struct err e = { 0 };
	bool changes = false;
	size_t i;

	for (i = 0; plans && i < s->n_networks; i++) {
		const struct session_network *n = &s->networks[i];
		struct plan *p = arena_alloc(&s->arena, sizeof(*p));

		if (!p) {
			err_nomem(&e);
			return cli_fail(&e);
		}
		cli_progress("planning %s", n->name);
		if (plan_make(n->old ? &n->old->network : NULL, n->compiled, &s->arena, p, &e) < 0)
			return cli_fail(&e);
		changes |= !plan_empty(p);
		plans[i] = p;
	}
	cli_progress_clear();
	if (!plans) {
		err_nomem(&e);
		return cli_fail(&e);
	}
	session_warn_no_branch(s, "everything looks new");
	if (print(s, plans, changes) < 0)
		return EXIT_REFUSED;
	return detailed && changes ? EXIT_CHANGES : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct session_options o = { .repo_dir = option_repo, .rev = rev, .network = network };
	struct session s;
	int r;

	if (markdown && cli_json)
		return cli_usage("--json and --markdown do not go together");
	r = session_open(&s, &o);
	if (!r)
		r = plan_session(&s);
	session_close(&s);
	return r;
}

const struct cli_command cmd_plan = {
	.name = "plan",
	.summary = "Show what apply would change against what is published",
	.args = "",
	.help = "Nodes added, changed and removed, the peers of each, and who loses reachability. Nodes that change\n"
		"in the same way are shown once. Needs no key and no network, and writes nothing.\n"
		"Exit status: 0; 1 when the plan could not be made; with --detailed-exitcode 2 when there are changes.",
	.options = options,
	.run = run,
};
