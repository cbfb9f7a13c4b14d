/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/commands.h"
#include "schema/jsonschema.h"

/* Several times what the schemas are. */
#define MAX_SCHEMA (4u << 20)

static const char *const names[] = { "network", "meshrc" };

static int run(int argc, char **argv)
{
	struct buf out;
	int rc = EXIT_REFUSED;

	if (strcmp(argv[0], names[0]) != 0 && strcmp(argv[0], names[1]) != 0)
		return cli_usage("there is no schema '%s': network and meshrc are known", argv[0]);
	buf_init(&out, MAX_SCHEMA);
	if ((!strcmp(argv[0], names[0]) ? jsonschema_network(&out) : jsonschema_meshrc(&out)) < 0)
		cli_error("out of memory");
	else if (cli_print(&out) == 0)
		rc = EXIT_DONE;
	buf_release(&out);
	return rc;
}

const struct cli_command cmd_schema = {
	.name = "schema",
	.summary = "Print the JSON Schema of a network file or of meshrc.yaml",
	.args = "network|meshrc",
	.help = "For editors and other tools (draft-07). 'meshrc init' writes both into .meshrc/ of the repository.",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
