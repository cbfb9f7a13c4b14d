/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "common/os_file.h"
#include "common/text.h"
#include "reconciler/client_file.h"
#include "reconciler/commands.h"
#include "reconciler/render.h"
#include "reconciler/session.h"

#define MAX_OUTPUT (256u << 20)

static const char *rev, *network, *format, *interface, *private_key, *output;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "of a commit, branch or tag (default: the files as they are)", false },
	{ "network", CLI_STRING, &network, "NAME", "the node or client of this network", false },
	{ "interface", CLI_STRING, &interface, "NAME",
	  "this interface alone, of a node that has several", false },
	{ "format", CLI_STRING, &format, "FORMAT",
	  RENDER_FORMATS "; of a client also qr, png, svg (default: wg-quick)", false },
	{ "private-key", CLI_STRING, &private_key, "FILE",
	  "put the client's private key in, from a file or - (standard input)", false },
	{ "output", CLI_STRING, &output, "FILE",
	  "into a new file, with mode 0600 when it holds a private key", false },
	{ 0 },
};

/* What was asked for; a word may be a format of nodes, of clients or of both. */
struct wanted {
	const char *name;
	bool of_node, of_client;
	enum render_format node;
	enum client_format client;
};

static void tell_unknown(const struct session *s, const char *name)
{
	const char *near = NULL;
	bool clients = false;
	size_t i, j;

	for (i = 0; i < s->n_networks; i++) {
		const struct network *n = s->networks[i].compiled;
		const char **names =
			n && !near ? malloc((n->n_records + 1) * sizeof(*names)) : NULL;

		clients |= n && n->n_records > n->n_nodes;
		for (j = 0; names && j < n->n_records; j++)
			names[j] = n->records[j].name;
		if (names)
			near = text_suggest(name, names, n->n_records);
		free(names);
	}
	cli_error("there is no node %s'%s'%s%s%s%s%s", clients ? "or client " : "", name,
		  network ? " in network " : "", network ? network : "",
		  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* The network that has the node or client; NULL after telling the user. */
static const struct session_network *find_network(const struct session *s, const char *name)
{
	const struct session_network *found = NULL;
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		const struct session_network *n = &s->networks[i];

		if (!n->compiled || !network_record(n->compiled, name))
			continue;
		if (found) {
			cli_error(
				"%s '%s' is in more than one network (%s, %s): choose with --network",
				network_node(n->compiled, name) ? "node" : "client", name,
				found->name, n->name);
			return NULL;
		}
		found = n;
	}
	if (!found)
		tell_unknown(s, name);
	return found;
}

/* Makes `c` the one that --interface asks for. */
static int choose_interface(struct config *c)
{
	struct buf names;
	size_t i;

	if (!interface)
		return 0;
	if (!strcmp(c->node->interface.s, interface)) {
		c->n_links = 0;
		return 0;
	}
	for (i = 0; i < c->n_links; i++) {
		if (!strcmp(c->links[i].node->interface.s, interface)) {
			*c = c->links[i];
			return 0;
		}
	}
	buf_init(&names, 1u << 16);
	buf_adds(&names, c->node->interface.s);
	for (i = 0; i < c->n_links; i++)
		buf_addf(&names, ", %s", c->links[i].node->interface.s);
	cli_error("node '%s' has no interface '%s'; it has: %s", c->node->name, interface,
		  names.data);
	buf_release(&names);
	return -1;
}

static int put_text(const struct buf *out)
{
	struct err e = { 0 };

	if (!output)
		return cli_print(out) == 0 ? EXIT_DONE : EXIT_REFUSED;
	if (os_create(AT_FDCWD, output, out->data, out->len, 0644, &e) < 0)
		return cli_fail(&e);
	return EXIT_DONE;
}

static int render_node(struct session *s, const struct network *n, const struct wanted *w)
{
	struct err e = { 0 };
	struct config c;
	struct buf out;
	int r;

	if (!w->of_node)
		return cli_usage("--format %s is for clients, and '%s' is a node", format, w->name);
	if (private_key)
		return cli_usage("--private-key is for clients; the agent of node '%s' has its own",
				 w->name);
	if (expand(n, network_node(n, w->name), &s->arena, &c, &e) < 0)
		return cli_fail(&e);
	if (choose_interface(&c) < 0)
		return EXIT_REFUSED;
	buf_init(&out, MAX_OUTPUT);
	if (render(&c, w->node, &out, &e) < 0)
		r = cli_fail(&e);
	else
		r = put_text(&out);
	buf_release(&out);
	return r;
}

static int client_usage(const struct wanted *w)
{
	if (!w->of_client)
		return cli_usage(
			"--format %s is for nodes; of client '%s' there are " CLIENT_FORMATS,
			format, w->name);
	if (w->client == CLIENT_JSON && private_key)
		return cli_usage("--private-key and JSON do not go together");
	if (client_format_is_picture(w->client) && !output && isatty(STDOUT_FILENO))
		return cli_usage("a picture is nothing for a terminal: give --output FILE");
	return 0;
}

static int render_client(struct session *s, const struct session_network *n,
			 const struct m_client *client, const struct wanted *w)
{
	struct secret key = { 0 }, bytes = { 0 };
	struct client_config c;
	struct err e = { 0 };
	int r = client_usage(w);

	if (r)
		return r;
	if (client_config_make(n->compiled, w->name, client_interface(n->model), &s->arena, &c,
			       &e) < 0)
		goto fail;
	if (private_key) {
		client_keep_secret();
		if (client_key_read(private_key, &key, &e) < 0 ||
		    client_key_check(&key, &client->node.public_key, w->name, &e) < 0)
			goto fail;
	} else if (w->client == CLIENT_QR || client_format_is_picture(w->client)) {
		cli_warn(
			"this code holds a placeholder where the private key belongs, which no app takes: give --private-key FILE");
	}
	if (client_file_make(&c, w->client, private_key ? &key : NULL,
			     cli_colour(STDOUT_FILENO) && !output, &bytes, &e) < 0 ||
	    client_file_write(&bytes, output, private_key != NULL, &e) < 0)
		goto fail;
	secret_release(&bytes);
	secret_release(&key);
	return EXIT_DONE;
fail:
	secret_release(&bytes);
	secret_release(&key);
	return cli_fail(&e);
}

static int run(int argc, char **argv)
{
	struct session_options o = {
		.repo_dir = option_repo, .rev = rev, .network = network, .explains = true
	};
	struct wanted w = { .name = argv[0],
			    .of_node = true,
			    .of_client = true,
			    .node = cli_json ? RENDER_JSON : RENDER_WG_QUICK,
			    .client = cli_json ? CLIENT_JSON : CLIENT_WG_QUICK };
	const struct session_network *n;
	const struct m_client *client;
	struct session s;
	int r;

	if (format) {
		w.of_node = render_format_parse(format, &w.node) == 0;
		w.of_client = client_format_parse(format, &w.client) == 0;
		if (!w.of_node && !w.of_client)
			return cli_usage("unknown format '%s': one of " RENDER_FORMATS
					 "; of a client also qr, png, svg",
					 format);
		if (cli_json && strcmp(format, "json") != 0)
			return cli_usage("--json and --format %s do not go together", format);
	}
	r = session_open(&s, &o);
	if (!r) {
		n = find_network(&s, w.name);
		client = n && n->model ? m_network_client(n->model, w.name) : NULL;
		r = !n	   ? EXIT_REFUSED :
		    client ? render_client(&s, n, client, &w) :
			     render_node(&s, n->compiled, &w);
	}
	session_close(&s);
	return r;
}

const struct cli_command cmd_render = {
	.name = "render",
	.summary = "Print the complete configuration of a node or a client",
	.args = "NAME",
	.help = "Formats: wg for 'wg setconf', wg-quick with addresses and MTU, networkd as a .netdev and a .network\n"
		"file, nft for 'nft -f' (policy and masquerading), json. A private key is not known here: " RENDER_KEY_PLACEHOLDER
		" stands in its place\n"
		"(in networkd's format, the name of a file). A node with routed links has an interface for each: all are\n"
		"printed, one after the other, or the one that --interface names. Of a client, a device without the agent,\n"
		"also qr (a code in the terminal), png and svg (the code as a picture); --private-key puts its key in.",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.run = run,
};
