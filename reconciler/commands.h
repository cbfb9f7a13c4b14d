/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of meshrc: each reconciler/cmd_NAME.c defines the one of its name, main.c puts them
 * into the table. */
#ifndef RECONCILER_COMMANDS_H
#define RECONCILER_COMMANDS_H

#include "common/os_cli.h"

extern const struct cli_command cmd_apply, cmd_client, cmd_diff, cmd_hook, cmd_init, cmd_names,
	cmd_pin, cmd_plan, cmd_reach, cmd_render, cmd_schema, cmd_validate, cmd_watch;

/* --repo DIR, which every command takes; NULL: the current folder. */
extern const char *option_repo;

#endif
