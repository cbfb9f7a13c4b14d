/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"
#include "reconciler/commands.h"
#include "reconciler/render.h"
#include "reconciler/session.h"

#define MAX_OUTPUT (256u << 20)

static const char *rev, *network, *format;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "of a commit, branch or tag (default: the files as they are)", false },
	{ "network", CLI_STRING, &network, "NAME", "the node of this network", false },
	{ "format", CLI_STRING, &format, "FORMAT", RENDER_FORMATS " (default: wg-quick)", false },
	{ 0 },
};

static void tell_unknown_node(const struct session *s, const char *name)
{
	const char *near = NULL;
	size_t i, j;

	for (i = 0; i < s->n_networks && !near; i++) {
		const struct network *n = s->networks[i].compiled;
		const char **names = n ? malloc((n->n_nodes + 1) * sizeof(*names)) : NULL;

		for (j = 0; names && j < n->n_nodes; j++)
			names[j] = n->nodes[j].name;
		if (names)
			near = text_suggest(name, names, n->n_nodes);
		free(names);
	}
	cli_error("there is no node '%s'%s%s%s%s%s", name, network ? " in network " : "",
		  network ? network : "", near ? "; did you mean '" : "", near ? near : "",
		  near ? "'?" : "");
}

/* The network that has the node; NULL after telling the user. */
static const struct network *find_network(const struct session *s, const char *name)
{
	const struct network *found = NULL;
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		const struct network *n = s->networks[i].compiled;

		if (!n || !network_node(n, name))
			continue;
		if (found) {
			cli_error(
				"node '%s' is in more than one network (%s, %s): choose with --network",
				name, found->name, n->name);
			return NULL;
		}
		found = n;
	}
	if (!found)
		tell_unknown_node(s, name);
	return found;
}

static int render_node(struct session *s, const char *name, enum render_format how)
{
	const struct network *n = find_network(s, name);
	struct err e = { 0 };
	struct config c;
	struct buf out;
	int r = EXIT_REFUSED;

	if (!n)
		return r;
	if (expand(n, network_node(n, name), &s->arena, &c, &e) < 0)
		return cli_fail(&e);
	buf_init(&out, MAX_OUTPUT);
	if (render(&c, how, &out, &e) < 0)
		r = cli_fail(&e);
	else if (cli_print(&out) == 0)
		r = EXIT_DONE;
	buf_release(&out);
	return r;
}

static int run(int argc, char **argv)
{
	struct session_options o = { .repo_dir = option_repo, .rev = rev, .network = network };
	enum render_format how = cli_json ? RENDER_JSON : RENDER_WG_QUICK;
	struct session s;
	int r;

	if (format && render_format_parse(format, &how) < 0)
		return cli_usage("unknown format '%s': one of " RENDER_FORMATS, format);
	if (format && cli_json && how != RENDER_JSON)
		return cli_usage("--json and --format %s do not go together", format);
	r = session_open(&s, &o);
	if (!r)
		r = render_node(&s, argv[0], how);
	session_close(&s);
	return r;
}

const struct cli_command cmd_render = {
	.name = "render",
	.summary = "Print a node's complete configuration",
	.args = "NODE",
	.help = "Formats: wg for 'wg setconf', wg-quick with addresses and MTU, networkd as a .netdev and a .network\n"
		"file, nft for 'nft -f' (policy and masquerading), json. The private key is not known here: " RENDER_KEY_PLACEHOLDER
		" stands in its place\n"
		"(in networkd's format, the name of a file).",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.run = run,
};
