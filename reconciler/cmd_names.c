/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "common/text.h"
#include "reconciler/commands.h"
#include "reconciler/names_files.h"
#include "reconciler/session.h"

#define FORMATS "hosts, zone, json"

enum format { NAMES_HOSTS, NAMES_ZONE, NAMES_JSON };

static const char *rev, *network, *format, *zone;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "of a commit, branch or tag (default: the files as they are)", false },
	{ "network", CLI_STRING, &network, "NAME", "of this network", false },
	{ "format", CLI_STRING, &format, "FORMAT", FORMATS " (default: hosts)", false },
	{ "zone", CLI_STRING, &zone, "ZONE",
	  "this zone, with --format zone (default: that of the domain)", false },
	{ 0 },
};

static json_t *json_addresses(const struct record *r)
{
	json_t *list = json_array();
	char text[IPADDR_STRLEN];
	size_t i;
	int bad = 0;

	for (i = 0; i < r->n_addresses; i++)
		bad |= json_array_append_new(list,
					     json_string(ipaddr_print(&r->addresses[i], text)));
	if (!bad)
		return list;
	json_decref(list);
	return NULL;
}

static int put_json(const struct names *n, struct buf *out)
{
	json_t *names = json_array(), *zones = json_array(), *top;
	char name[DNSNAME_STRLEN];
	char *text;
	size_t i;
	int bad = 0;

	for (i = 0; n->domain && i < n->network->n_records; i++) {
		const struct record *r = &n->network->records[i];

		snprintf(name, sizeof(name), "%s.%s", r->name, n->domain);
		bad |= json_array_append_new(names,
					     json_pack("{s:s, s:s, s:o}", "name", name,
						       r->gateway ? "client" : "node", r->name,
						       "addresses", json_addresses(r)));
	}
	for (i = 0; i < n->n_zones; i++)
		bad |= json_array_append_new(zones, json_string(n->zones[i].name));
	top = json_pack("{s:s, s:o, s:o, s:o}", "network", n->network->name, "domain",
			n->domain ? json_string(n->domain) : json_null(), "names", names, "zones",
			zones);
	text = top && !bad ? json_dumps(top, JSON_INDENT(2)) : NULL;
	if (text) {
		buf_adds(out, text);
		buf_addc(out, '\n');
	}
	bad = !text;
	free(text);
	json_decref(top);
	return bad ? -1 : 0;
}

/* The zone as `apply` would publish it, with its serial. */
static int put_zone(struct session *s, const struct session_network *n, const struct names *names,
		    struct buf *out, struct err *e)
{
	const struct published *p = &s->published;
	const char *words[64], *near, *name = zone ? zone : names->domain;
	char path[MAX_NAMES_PATH];
	struct tree_file *files;
	size_t n_files, i;

	for (i = 0; i < names->n_zones && strcmp(names->zones[i].name, name) != 0; i++)
		if (i < ARRAY_LEN(words))
			words[i] = names->zones[i].name;
	if (i == names->n_zones) {
		near = text_suggest(name, words, i < ARRAY_LEN(words) ? i : ARRAY_LEN(words));
		return err_set(
			e, ERR_INPUT,
			"network %s has no zone of this name%s%s%s; `meshrc names --json` lists "
			"its zones",
			n->name, near ? "; did you mean '" : "", near ? near : "",
			near ? "'?" : "");
	}
	if (names_files_make(n->compiled, s->repo, p->exists ? p->commit : NULL,
			     n->old ? n->old->manifest.serial + 1 : 1, &s->arena, &files, &n_files,
			     e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/" NAMES_FOLDER "/%s.zone", n->name, name);
	for (i = 0; i < n_files; i++)
		if (!strcmp(files[i].path, path))
			buf_add(out, files[i].data, files[i].len);
	return 0;
}

static int print_names(struct session *s, enum format how)
{
	const struct session_network *n = session_network(s, network);
	struct err e = { 0 };
	struct names names;
	struct buf out;
	int r;

	if (!n)
		return EXIT_REFUSED;
	if (!n->compiled) {
		cli_error("network %s is not in the configuration any more", n->name);
		return EXIT_REFUSED;
	}
	if (names_make(n->compiled, &s->arena, &names, &e) < 0)
		return cli_fail(&e);
	if (!names.domain && how != NAMES_JSON) {
		cli_error("network %s has no names: it needs `dns` with a `domain`, and nodes",
			  n->name);
		return EXIT_REFUSED;
	}
	buf_init(&out, MAX_NAMES_FILE);
	if (how == NAMES_JSON)
		r = put_json(&names, &out) < 0 ? err_nomem(&e) : 0;
	else if (how == NAMES_ZONE)
		r = put_zone(s, n, &names, &out, &e);
	else
		r = (names_put_hosts_file(n->compiled, names.domain, &out), 0);
	if (r < 0)
		r = cli_fail(&e);
	else
		r = cli_print(&out) < 0 ? EXIT_REFUSED : EXIT_DONE;
	buf_release(&out);
	return r;
}

static int run(int argc, char **argv)
{
	static const char *const words[] = { "hosts", "zone", "json" };
	struct session_options o = { .repo_dir = option_repo, .rev = rev, .network = network };
	enum format how = cli_json ? NAMES_JSON : NAMES_HOSTS;
	struct session s;
	size_t i;
	int r;

	for (i = 0; format && i < ARRAY_LEN(words) && strcmp(words[i], format) != 0; i++)
		;
	if (format && i == ARRAY_LEN(words))
		return cli_usage("unknown format '%s': one of " FORMATS, format);
	if (format)
		how = (enum format)i;
	if (cli_json && how != NAMES_JSON)
		return cli_usage("--json and --format %s do not go together", format);
	if (zone && how != NAMES_ZONE)
		return cli_usage("--zone needs --format zone");
	r = session_open(&s, &o);
	if (!r)
		r = print_names(&s, how);
	session_close(&s);
	return r;
}

const struct cli_command cmd_names = {
	.name = "names",
	.summary = "Print the names of a network's nodes, for /etc/hosts or a name server",
	.args = "",
	.help = "Formats: hosts, lines for /etc/hosts; zone, an RFC 1035 zone file, of the domain or of the addresses of\n"
		"a pool (20.10.in-addr.arpa); json, with the list of zones. `apply` publishes the same files under\n"
		"NETWORK/dns/.",
	.options = options,
	.run = run,
};
