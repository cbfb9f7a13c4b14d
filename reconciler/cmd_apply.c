/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/apply.h"
#include "reconciler/commands.h"

static struct apply_options opt;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &opt.rev, "REV", "the commit to publish (default: HEAD)", false },
	{ "key", CLI_STRING, &opt.key, "FILE",
	  "the publisher key (default: $MESHRC_SIGNING_KEY, then git config meshrc.signingKey)",
	  false },
	{ "auto-approve", CLI_FLAG, &opt.auto_approve, NULL, "publish without asking", false },
	{ "refresh", CLI_FLAG, &opt.refresh, NULL, "sign every manifest anew, changed or not",
	  false },
	{ "prune", CLI_FLAG, &opt.prune, NULL,
	  "drop networks that were removed and published as gone before", false },
	{ "allow-rewind", CLI_FLAG, &opt.allow_rewind, NULL,
	  "publish a commit that does not descend from the published one", false },
	{ 0 },
};

static int run(int argc, char **argv)
{
	opt.repo_dir = option_repo;
	return apply_run(&opt);
}

const struct cli_command cmd_apply = {
	.name = "apply",
	.summary = "Show the plan, ask, sign and publish",
	.args = "",
	.help = "The publication is one commit on the published branch, and the same tree in publish.directory\n"
		"and on publish.remote where meshrc.yaml names them. Always from a commit, never from uncommitted\n"
		"files. When nothing changed there is no commit; what an interrupted run left undone is finished.\n"
		"A manifest is signed anew when half of its time is over.",
	.options = options,
	.run = run,
};
