/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "reconciler/commands.h"

const char *option_repo;

static const struct cli_option options[] = {
	{ "repo", CLI_STRING, &option_repo, "DIR",
	  "the network repository (default: the current folder)", false },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct cli_command commands[] = {
		cmd_init,  cmd_validate, cmd_plan, cmd_apply, cmd_render, cmd_client, cmd_names,
		cmd_reach, cmd_diff,	 cmd_pin,  cmd_watch, cmd_hook,	  cmd_schema, { 0 },
	};
	const struct cli_program program = {
		.name = "meshrc",
		.summary = "WireGuard networks from YAML in git",
		.commands = commands,
		.options = options,
	};

	/* A reader that went away is a failed write, which is reported. */
	signal(SIGPIPE, SIG_IGN);
	return cli_main(&program, argc, argv);
}
