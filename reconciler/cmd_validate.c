/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "reconciler/commands.h"
#include "reconciler/plan.h"
#include "reconciler/session.h"

#define MAX_OUTPUT (16u << 20)

static const char *rev;
static bool strict;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "a commit, branch or tag (default: the files as they are)", false },
	{ "strict", CLI_FLAG, &strict, NULL, "warnings are errors", false },
	{ 0 },
};

/* "networks/prod.yaml", or "networks/prod/" for a network in several files. */
static void add_place(const struct m_network *n, struct buf *out)
{
	const char *path = n->pos.source ? n->pos.source->path : "";
	size_t len = strlen("networks/") + strlen(n->name);

	if (strlen(path) > len && path[len] == '/')
		buf_add(out, path, len + 1);
	else
		buf_adds(out, path);
}

/* The plan of a network that was never published has every peer entry of it; a pair has two. */
static int add_network(const struct session_network *n, struct arena *a, struct buf *out,
		       struct err *e)
{
	size_t clients = n->model->n_clients;
	uint64_t pairs;
	struct plan p;

	if (plan_make(NULL, n->compiled, a, &p, e) < 0)
		return -1;
	/* But for clients, which are a peer of their gateway and have no entries of ours. */
	pairs = (p.peers_added - clients) / 2;
	add_place(n->model, out);
	buf_addf(out, ": ok (%zu node%s, ", n->compiled->n_nodes,
		 n->compiled->n_nodes == 1 ? "" : "s");
	if (clients)
		buf_addf(out, "%zu client%s, ", clients, clients == 1 ? "" : "s");
	buf_addf(out, "%llu pair%s", (unsigned long long)pairs, pairs == 1 ? "" : "s");
	if (p.links[PLAN_ADD])
		buf_addf(out, ", %llu routed link%s", (unsigned long long)p.links[PLAN_ADD],
			 p.links[PLAN_ADD] == 1 ? "" : "s");
	buf_adds(out, ")\n");
	return 0;
}

static int print_summary(struct session *s)
{
	struct err e = { 0 };
	struct buf out;
	size_t i;
	int r = 0;

	buf_init(&out, MAX_OUTPUT);
	if (!s->model.n_networks)
		buf_adds(&out, "ok, but there is no network: describe one in networks/NAME.yaml\n");
	for (i = 0; !r && i < s->n_networks; i++) {
		if (s->networks[i].compiled &&
		    add_network(&s->networks[i], &s->arena, &out, &e) < 0)
			r = cli_fail(&e);
	}
	if (!r && !cli_quiet && cli_print(&out) < 0)
		r = EXIT_REFUSED;
	buf_release(&out);
	return r;
}

/* Members path, line and column; null where there is no place. */
static int set_place(json_t *object, const struct pos *p)
{
	return json_object_set_new(object, "path",
				   p->source ? json_string(p->source->path) : json_null()) |
	       json_object_set_new(object, "line",
				   p->source && p->line ? json_integer(p->line) : json_null()) |
	       json_object_set_new(object, "column",
				   p->source && p->line ? json_integer(p->col) : json_null());
}

static json_t *entry_object(const struct diag_entry *d)
{
	json_t *object = json_object(), *other;
	const char *severity = d->severity == DIAG_ERROR ? "error" : "warning";
	int r = set_place(object, &d->pos);

	r |= json_object_set_new(object, "severity", json_string(severity));
	r |= json_object_set_new(object, "message", json_string(d->msg));
	r |= json_object_set_new(object, "help", d->help ? json_string(d->help) : json_null());
	other = d->other.source && d->other_msg ? json_object() : json_null();
	if (json_is_object(other)) {
		r |= set_place(other, &d->other);
		r |= json_object_set_new(other, "message", json_string(d->other_msg));
	}
	r |= json_object_set_new(object, "related", other);
	if (r) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int append(const char *data, size_t len, void *arg)
{
	buf_add(arg, data, len);
	return buf_ok(arg) ? 0 : -1;
}

static int print_json(const struct diag *d)
{
	json_t *array = json_array();
	struct err e = { 0 };
	struct buf out;
	size_t i;
	int r = array ? 0 : -1;

	buf_init(&out, MAX_OUTPUT);
	for (i = 0; !r && i < d->n; i++)
		r = json_array_append_new(array, entry_object(&d->entries[i]));
	if (!r)
		r = json_dump_callback(array, append, &out, JSON_INDENT(2) | JSON_SORT_KEYS);
	buf_addc(&out, '\n');
	if (r) {
		err_nomem(&e);
		cli_fail(&e);
	} else {
		r = cli_print(&out);
	}
	json_decref(array);
	buf_release(&out);
	return r;
}

static int run(int argc, char **argv)
{
	/* What is published counts: a pinned address may be one that another node has. */
	struct session_options o = { .repo_dir = option_repo, .rev = rev, .strict = strict };
	struct session s;
	int r = session_open(&s, &o);

	if (cli_json) {
		if (print_json(&s.diag) < 0)
			r = EXIT_REFUSED;
	} else if (!r) {
		r = print_summary(&s);
	}
	session_close(&s);
	return r;
}

const struct cli_command cmd_validate = {
	.name = "validate",
	.summary = "Check the configuration",
	.args = "",
	.help = "Every check of every network, compiling included; all errors in one run, each with its place and how\n"
		"to mend it (stderr). Needs no key and no network. --json prints them as an array, [] when there are none.",
	.options = options,
	.run = run,
};
