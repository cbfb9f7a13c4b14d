/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/os_file.h"
#include "common/text.h"
#include "reconciler/client_edit.h"
#include "reconciler/client_file.h"
#include "reconciler/commands.h"
#include "reconciler/compile.h"
#include "reconciler/session.h"
#include "schema/load.h"

#define MAX_REPORT (16u << 20)
#define MAX_RESULT 4096

static const char *network, *gateway, *public_key, *format, *output;

static const struct cli_option options[] = {
	{ "network", CLI_STRING, &network, "NAME", "the network (needed when there are several)",
	  false },
	{ "gateway", CLI_STRING, &gateway, "NODE", "the node that the client connects to", false },
	{ "public-key", CLI_STRING, &public_key, "KEY",
	  "the client's own key; without it a key pair is made here", false },
	{ "format", CLI_STRING, &format, "FORMAT", "print the whole configuration: " CLIENT_FORMATS,
	  false },
	{ "output", CLI_STRING, &output, "FILE",
	  "what is printed goes into a new file, with mode 0600 when it holds a private key",
	  false },
	{ 0 },
};

/* One client on its way into the configuration. */
struct addition {
	struct session s;
	const char *name;
	enum client_format format;
	struct wgkey key;
	struct secret private_key; /* empty when the client made its key itself */
	const struct session_network *net;
	struct client_edit edit;
	/* The configuration as it will be. */
	struct diag diag;
	struct model model;
	const struct m_network *model_net;
	const struct m_client *client;
	struct network compiled;
	struct client_config config;
	struct err err;
};

static int tell(struct diag *d)
{
	struct buf out;

	buf_init(&out, MAX_REPORT);
	diag_render(d, cli_colour(STDERR_FILENO), &out);
	fwrite(out.data, 1, out.len, stderr);
	buf_release(&out);
	cli_error("%zu error%s; nothing was done", d->errors, d->errors == 1 ? "" : "s");
	return EXIT_REFUSED;
}

static int check_usage(struct addition *x)
{
	const char *why;

	if (!name_is_valid(x->name, strlen(x->name)) || !strcmp(x->name, "all"))
		return cli_usage(
			"'%s' is not a name: 1 to 63 of a-z, 0-9, '.' and '-', beginning with a letter or digit, and not 'all'",
			x->name);
	if (!gateway)
		return cli_usage("which node does it connect to? --gateway NODE");
	if (format && client_format_parse(format, &x->format) < 0)
		return cli_usage("unknown format '%s': one of " CLIENT_FORMATS, format);
	if (cli_json && format && x->format != CLIENT_JSON)
		return cli_usage("--json and --format %s do not go together", format);
	if (format && client_format_is_picture(x->format) && !output && isatty(STDOUT_FILENO))
		return cli_usage("a picture is nothing for a terminal: give --output FILE");
	if (format && x->format == CLIENT_JSON && !public_key)
		return cli_usage(
			"--format json has no private key in it, so it would be lost: use --json, or make the key on the client (--public-key)");
	if (output && public_key && !format && !cli_json)
		return cli_usage("there is nothing to put into %s: give --format too", output);
	if (!public_key)
		return 0;
	/* Not echoed: people paste the wrong half. */
	if (wgkey_parse(public_key, strlen(public_key), &x->key) < 0)
		return cli_usage(
			"that is not a WireGuard public key: 44 characters of base64, as `wg pubkey` prints it");
	why = wgkey_weak(&x->key);
	return why ? cli_usage("this public key must not be used: %s", why) : 0;
}

/* Whoever has the name already stays as it is. */
static int check_name(struct addition *x)
{
	const struct m_client *client = m_network_client(x->net->model, x->name);
	const struct m_node *node = m_network_node(x->net->model, x->name);
	struct diag *d = &x->diag;

	if (client)
		diag_help(d,
			  diag_error(d, client->node.pos, "there is a client `%s` already",
				     x->name),
			  "choose another name; its key is changed in the file");
	if (node)
		diag_help(d, diag_error(d, node->pos, "there is a node `%s`", x->name),
			  "nodes and clients share their names: choose another");
	return d->errors ? tell(d) : 0;
}

/* Loads and compiles the files with the edited one in its place. */
static int load_result(struct addition *x)
{
	struct session *s = &x->s;
	struct source *files = arena_array(&s->arena, s->n_files + 1, sizeof(*files));
	struct source edited = { x->edit.path, x->edit.text, x->edit.len };
	const struct published_network *old = x->net->old;
	size_t i, n = 0;

	if (!files) {
		err_nomem(&x->err);
		return cli_fail(&x->err);
	}
	for (i = 0; i < s->n_files; i++)
		if (strncmp(s->files[i].path, "trust/", 6) != 0 && &s->files[i] != x->edit.before)
			files[n++] = s->files[i];
	files[n++] = edited;
	if (schema_load(files, n, &s->arena, &x->diag, &x->model) < 0)
		return tell(&x->diag);
	x->model_net = model_network(&x->model, x->net->name);
	if (compile(x->model_net, old ? &old->network : NULL, old ? old->manifest.serial + 1 : 1,
		    &s->arena, &x->diag, &x->compiled) < 0)
		return tell(&x->diag);
	return 0;
}

static bool same_client(const struct m_client *a, const struct m_client *b)
{
	return a && b && !wgkey_cmp(&a->node.public_key, &b->node.public_key) &&
	       !strcmp(a->gateway.s, b->gateway.s);
}

/* Text was edited: it must have become one client more, and nothing else. */
static bool is_as_meant(struct addition *x)
{
	const struct m_network *before = x->net->model, *after = x->model_net;
	const struct m_client *c = m_network_client(after, x->name);
	size_t i;

	if (!c || wgkey_cmp(&c->node.public_key, &x->key) || strcmp(c->gateway.s, gateway) != 0 ||
	    after->n_clients != before->n_clients + 1 || after->n_nodes != before->n_nodes ||
	    after->n_topology != before->n_topology)
		return false;
	for (i = 0; i < before->n_clients; i++)
		if (!same_client(&before->clients[i],
				 m_network_client(after, before->clients[i].node.name)))
			return false;
	x->client = c;
	return true;
}

static int try_entry(struct addition *x, const struct client_entry *entry)
{
	struct session *s = &x->s;
	int r;

	if (client_edit(s->files, s->n_files, x->net->name, entry, &s->arena, &x->edit, &x->err) <
	    0)
		return cli_fail(&x->err);
	r = load_result(x);
	if (r)
		return r;
	if (!is_as_meant(x)) {
		cli_error(
			"%s: no place for the client was found in its text; add it by hand (`%s: {public_key: ..., gateway: %s}`)",
			x->edit.path, x->name, gateway);
		return EXIT_REFUSED;
	}
	if (client_config_make(&x->compiled, x->name, client_interface(x->model_net), &s->arena,
			       &x->config, &x->err) < 0)
		return cli_fail(&x->err);
	return 0;
}

/*
 * What is handed over with an address in it must stay right. An automatic address is safe from the
 * publication on; until then whoever is added before this client in the order of names moves it.
 */
static int make_result(struct addition *x)
{
	struct client_entry entry = { .name = x->name, .gateway = gateway, .key = x->key };
	int r = try_entry(x, &entry);

	if (r || (!format && !cli_json))
		return r;
	entry.n_addresses = x->config.node.n_addresses;
	entry.addresses = x->config.node.addresses;
	return try_entry(x, &entry);
}

/* Names, keys and addresses need no escaping. */
static void add_json(const struct addition *x, const struct secret *base64, struct buf *out)
{
	const struct node *n = &x->config.node;
	char key[KEY_STRLEN], ip[IPADDR_STRLEN];
	size_t i;

	buf_addf(out, "{\n  \"network\": \"%s\",\n  \"client\": \"%s\",\n  \"gateway\": \"%s\",\n",
		 x->net->name, x->name, gateway);
	buf_addf(out, "  \"public_key\": \"%s\",\n  \"private_key\": ", wgkey_print(&x->key, key));
	if (base64->b) {
		buf_addc(out, '"');
		buf_add(out, base64->b, KEY_STRLEN - 1);
		buf_adds(out, "\",\n  \"addresses\": [");
	} else {
		buf_adds(out, "null,\n  \"addresses\": [");
	}
	for (i = 0; i < n->n_addresses; i++)
		buf_addf(out, "%s\"%s\"", i ? ", " : "", ipaddr_print(&n->addresses[i].addr, ip));
	buf_addf(out, "]\n}\n");
}

/* The private key alone, or as JSON; empty when there is nothing to say. */
static int make_key_text(struct addition *x, struct secret *ret)
{
	struct secret base64 = { 0 }, room = { 0 };
	struct buf out;
	int r = -1;

	if (x->private_key.b && secret_to_base64(&x->private_key, &base64, &x->err) < 0)
		return -1;
	if (!cli_json) {
		*ret = base64;
		return 0;
	}
	if (secret_init(&room, MAX_RESULT, &x->err) == 0) {
		/* It never grows, so it leaves no copies behind. */
		out = (struct buf){ .data = (char *)room.b,
				    .cap = MAX_RESULT,
				    .max = MAX_RESULT - 1 };
		add_json(x, &base64, &out);
		r = buf_ok(&out) ? secret_init(ret, out.len, &x->err) :
				   err_set(&x->err, ERR_LIMIT, "the result is too long");
		if (!r)
			memcpy(ret->b, out.data, out.len);
	}
	secret_release(&room);
	secret_release(&base64);
	return r;
}

static int print_result(struct addition *x)
{
	struct secret bytes = { 0 };
	bool secret = x->private_key.b != NULL;
	int r;

	if (format && !secret && x->format != CLIENT_JSON)
		cli_warn(
			"a placeholder stands where the private key belongs, which only the client has");
	r = format ? client_file_make(&x->config, x->format, secret ? &x->private_key : NULL,
				      cli_colour(STDOUT_FILENO) && !output, &bytes, &x->err) :
		     make_key_text(x, &bytes);
	if (!r && bytes.b)
		r = client_file_write(&bytes, output, secret, &x->err);
	secret_release(&bytes);
	return r;
}

/* As it was read, byte for byte: somebody may be editing it. */
static int check_unchanged(const struct addition *x, int dir, mode_t *ret_mode, struct err *e)
{
	const struct source *before = x->edit.before;
	struct buf now;
	struct stat st;
	int r;

	buf_init(&now, MAX_YAML_FILE + 1);
	r = os_read_nofollow(dir, x->edit.path, MAX_YAML_FILE, &now, e);
	if (!r && (now.len != before->len || memcmp(now.data, before->text, now.len)))
		r = err_set(e, ERR_CONFLICT, "%s was changed meanwhile; try again", x->edit.path);
	buf_release(&now);
	*ret_mode = !r && !fstatat(dir, x->edit.path, &st, AT_SYMLINK_NOFOLLOW) ?
			    st.st_mode & 0777 :
			    0644;
	return r;
}

static int write_edit(struct addition *x)
{
	const struct client_edit *edit = &x->edit;
	int dir = os_open_dir(AT_FDCWD, repo_workdir(x->s.repo), &x->err), r;
	mode_t mode;

	if (dir < 0)
		return -1;
	if (!edit->before)
		r = os_create(dir, edit->path, edit->text, edit->len, 0644, &x->err);
	else if (check_unchanged(x, dir, &mode, &x->err) < 0)
		r = -1;
	else
		r = os_replace(dir, edit->path, edit->text, edit->len, mode, &x->err);
	os_close(dir);
	return r;
}

static void tell_done(const struct addition *x)
{
	const struct node *n = &x->config.node;
	char ip[IPADDR_STRLEN];
	struct buf list;
	size_t i;

	buf_init(&list, 4096);
	for (i = 0; i < n->n_addresses; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", ipaddr_print(&n->addresses[i].addr, ip));
	cli_info("client %s of network %s, gateway %s, %s: added to %s", x->name, x->net->name,
		 gateway, list.data, x->edit.path);
	if (x->client->node.has_addresses)
		cli_info(
			"pinned there, so that what was printed stays right; now commit the file, then `meshrc apply`");
	else
		cli_info(
			"the address%s final once this is published: commit the file, then `meshrc apply`",
			n->n_addresses == 1 ? " is" : "es are");
	if (x->private_key.b)
		cli_info("the private key %s kept nowhere else",
			 output ? "in the file is" : "printed above is");
	buf_release(&list);
}

static int add(struct addition *x)
{
	struct err inner;
	int r;

	if (repo_is_bare(x->s.repo)) {
		cli_error(
			"a bare repository has no files to add a client to: do it in a clone, commit, and push");
		return EXIT_REFUSED;
	}
	x->net = session_network(&x->s, network);
	if (!x->net)
		return EXIT_REFUSED;
	if (!x->net->model) {
		cli_error("network %s is not in the configuration any more", x->net->name);
		return EXIT_REFUSED;
	}
	diag_init(&x->diag, &x->s.arena);
	r = check_name(x);
	if (r)
		return r;
	if (!public_key) {
		client_keep_secret();
		if (client_key_make(&x->private_key, &x->key, &x->err) < 0)
			return cli_fail(&x->err);
	}
	r = make_result(x);
	if (r)
		return r;
	/* First handed over, then written: a client whose key nobody has would be of no use. */
	if (print_result(x) < 0)
		return cli_fail(&x->err);
	if (write_edit(x) < 0) {
		if (output)
			(void)!os_unlink(AT_FDCWD, output, &inner);
		err_prefix(&x->err, "client %s was not added, and its key is of no use", x->name);
		return cli_fail(&x->err);
	}
	tell_done(x);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct session_options o = { .repo_dir = option_repo, .network = network };
	struct addition x = { .name = argc > 1 ? argv[1] : NULL };
	int r;

	if (strcmp(argv[0], "add") != 0)
		return cli_usage("unknown word '%s' after 'client': there is 'add'", argv[0]);
	if (!x.name)
		return cli_usage("an argument is missing: meshrc client add NAME");
	r = check_usage(&x);
	if (r)
		return r;
	r = session_open(&x.s, &o);
	if (!r)
		r = add(&x);
	secret_release(&x.private_key);
	session_close(&x.s);
	return r;
}

const struct cli_command cmd_client = {
	.name = "client",
	.summary = "Add a client, a device without the agent",
	.args = "add NAME",
	.help = "Puts the client into the network's YAML, where comments and layout stay, after checking the result.\n"
		"Without --public-key it makes a key pair and prints the private key, this once: alone, or with --format\n"
		"inside the whole configuration, whose addresses it pins. The key is kept nowhere. An existing client is\n"
		"never changed.",
	.min_args = 1,
	.max_args = 2,
	.options = options,
	.run = run,
};
