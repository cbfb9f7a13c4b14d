/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"
#include "reconciler/commands.h"
#include "reconciler/compile.h"
#include "reconciler/plan.h"
#include "reconciler/session.h"

#define MAX_OUTPUT (256u << 20)
/* As diff(1): a status of its own for failure. */
#define EXIT_SAME 0
#define EXIT_DIFFERENT 1
#define EXIT_FAILED 2

static const char *network, *node;

static const struct cli_option options[] = {
	{ "network", CLI_STRING, &network, "NAME", "this network only", false },
	{ "node", CLI_STRING, &node, "NODE", "what is different for this node", false },
	{ 0 },
};

/* Two sessions, and the plans from the first to the second. */
struct comparison {
	struct session s[2];
	const struct plan **plans;
	size_t n;
	bool different;
};

static const struct session_network *find(const struct session *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		if (!strcmp(s->networks[i].name, name))
			return &s->networks[i];
	}
	return NULL;
}

/*
 * The newer revision as it would be compiled after the older one was published, so that automatic
 * addresses stay; as it is by itself when it cannot follow (it pins an address that a node of the
 * older one has).
 */
static const struct network *compile_after(struct session *s, const struct session_network *n,
					   const struct network *old)
{
	struct network *ret = arena_alloc(&s->arena, sizeof(*ret));
	uint64_t serial = n->old ? n->old->manifest.serial + 2 : 2;
	struct diag d;

	diag_init(&d, &s->arena);
	if (ret && compile(n->model, old, serial, &s->arena, &d, ret) == 0)
		return ret;
	return n->compiled;
}

/* Returns 0, or -1 after telling the user. */
static int compare_network(struct comparison *c, const char *name)
{
	const struct session_network *a = find(&c->s[0], name), *b = find(&c->s[1], name);
	const struct network *old = a ? a->compiled : NULL, *new = b ? b->compiled : NULL;
	struct arena *arena = &c->s[1].arena;
	struct plan *p = arena_alloc(arena, sizeof(*p));
	struct err e = { 0 };
	int r = p ? 0 : err_nomem(&e);

	if ((!old && !new) || (network && strcmp(network, name) != 0))
		return 0;
	if (old && new)
		new = compile_after(&c->s[1], b, old);
	/* Of a node or of a client. */
	if (node && !(old && network_record(old, node)) && !(new &&network_record(new, node)))
		return 0;
	if (!r)
		r = node ? plan_make_node(old, new, node, arena, p, &e) :
			   plan_make(old, new, arena, p, &e);
	if (r < 0) {
		cli_fail(&e);
		return -1;
	}
	/* How the documents are written is no difference here. */
	p->documents =
		p->n_classes || p->n_clients || p->n_losses || p->n_admissions || !old || !new;
	p->diff = true;
	c->different |= p->documents;
	c->plans[c->n++] = p;
	return 0;
}

/* The networks of both, by name: both lists are sorted. */
static int compare(struct comparison *c)
{
	const struct session *a = &c->s[0], *b = &c->s[1];
	size_t i = 0, j = 0;

	c->plans = arena_array(&c->s[1].arena, a->n_networks + b->n_networks, sizeof(*c->plans));
	if (!c->plans) {
		cli_error("out of memory");
		return -1;
	}
	while (i < a->n_networks || j < b->n_networks) {
		int cmp = i == a->n_networks ? 1 :
			  j == b->n_networks ? -1 :
					       strcmp(a->networks[i].name, b->networks[j].name);

		if (compare_network(c, cmp <= 0 ? a->networks[i].name : b->networks[j].name) < 0)
			return -1;
		i += cmp <= 0;
		j += cmp >= 0;
	}
	return 0;
}

static void tell_unknown_node(const struct comparison *c)
{
	const char *near = NULL;
	size_t i, j, k;

	for (i = 0; i < 2 && !near; i++) {
		for (j = 0; j < c->s[i].n_networks && !near; j++) {
			const struct network *n = c->s[i].networks[j].compiled;
			const char **names = n ? malloc((n->n_records + 1) * sizeof(*names)) : NULL;

			for (k = 0; names && k < n->n_records; k++)
				names[k] = n->records[k].name;
			if (names)
				near = text_suggest(node, names, n->n_records);
			free(names);
		}
	}
	cli_error("neither revision has a node '%s'%s%s%s", node, near ? "; did you mean '" : "",
		  near ? near : "", near ? "'?" : "");
}

static int print(const struct comparison *c, struct err *e)
{
	struct buf out;
	size_t i, shown = 0;
	int r = 0;

	buf_init(&out, MAX_OUTPUT);
	if (cli_json) {
		r = plan_json(c->plans, c->n, &out, e);
		if (r < 0)
			cli_fail(e);
	}
	for (i = 0; !cli_json && i < c->n; i++) {
		if (plan_empty(c->plans[i]))
			continue;
		if (shown++)
			buf_addc(&out, '\n');
		plan_text(c->plans[i], cli_colour(STDOUT_FILENO), cli_verbose, &out);
	}
	if (!r)
		r = cli_print(&out);
	buf_release(&out);
	return r;
}

static int diff(struct comparison *c)
{
	struct err e = { 0 };

	if (compare(c) < 0)
		return EXIT_FAILED;
	if (!c->n && node) {
		tell_unknown_node(c);
		return EXIT_FAILED;
	}
	if (!c->n && network) {
		cli_error("neither revision has a network '%s'", network);
		return EXIT_FAILED;
	}
	if (print(c, &e) < 0)
		return EXIT_FAILED;
	return c->different ? EXIT_DIFFERENT : EXIT_SAME;
}

static int run(int argc, char **argv)
{
	struct comparison c = { 0 };
	bool quiet = cli_quiet;
	size_t i;
	int r = 0;

	/* Warnings were read when these revisions were made. */
	cli_quiet = true;
	for (i = 0; i < 2 && !r; i++) {
		/* A network that only one of them has is a difference, not an error. */
		struct session_options o = { .repo_dir = option_repo, .rev = argv[i] };

		r = session_open(&c.s[i], &o);
		if (r)
			cli_error("revision '%s' could not be read", argv[i]);
	}
	cli_quiet = quiet;
	r = r ? EXIT_FAILED : diff(&c);
	while (i--)
		session_close(&c.s[i]);
	return r;
}

const struct cli_command cmd_diff = {
	.name = "diff",
	.summary = "Show what changed between two revisions, for the nodes",
	.args = "REV1 REV2",
	.help = "Both revisions are compiled and compared: a change of a YAML file that changes nothing for any node\n"
		"is no difference. Nodes without fixed addresses are taken to have what is published.\n"
		"Exit status as diff(1): 0 the same, 1 different, 2 failed.",
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.run = run,
};
