/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"
#include "reconciler/commands.h"
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

static const struct network *compiled(const struct session *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		if (!strcmp(s->networks[i].name, name))
			return s->networks[i].compiled;
	}
	return NULL;
}

static bool plan_shows(const struct plan *p)
{
	return node ? p->n_classes || p->n_losses : !plan_empty(p);
}

static int compare_network(struct comparison *c, const char *name, struct err *e)
{
	const struct network *old = compiled(&c->s[0], name), *new = compiled(&c->s[1], name);
	struct arena *a = &c->s[1].arena;
	struct plan *p = arena_alloc(a, sizeof(*p));

	if (!p)
		return err_nomem(e);
	if ((!old && !new) || (network && strcmp(network, name) != 0))
		return 0;
	if (node) {
		if (!(old && network_node(old, node)) && !(new && network_node(new, node)))
			return 0;
		if (plan_make_node(old, new, node, a, p, e) < 0)
			return -1;
		p->documents = p->n_classes || p->n_losses;
	} else if (plan_make(old, new, a, p, e) < 0) {
		return -1;
	}
	p->diff = true;
	c->different |= plan_shows(p);
	c->plans[c->n++] = p;
	return 0;
}

/* The networks of both, by name: both lists are sorted. */
static int compare(struct comparison *c, struct err *e)
{
	const struct session *a = &c->s[0], *b = &c->s[1];
	size_t i = 0, j = 0;

	c->plans = arena_array(&c->s[1].arena, a->n_networks + b->n_networks, sizeof(*c->plans));
	if (!c->plans)
		return err_nomem(e);
	while (i < a->n_networks || j < b->n_networks) {
		int cmp = i == a->n_networks ? 1 :
			  j == b->n_networks ? -1 :
					       strcmp(a->networks[i].name, b->networks[j].name);

		if (compare_network(c, cmp <= 0 ? a->networks[i].name : b->networks[j].name, e) < 0)
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
			const char **names = n ? malloc((n->n_nodes + 1) * sizeof(*names)) : NULL;

			for (k = 0; names && k < n->n_nodes; k++)
				names[k] = n->nodes[k].name;
			if (names)
				near = text_suggest(node, names, n->n_nodes);
			free(names);
		}
	}
	cli_error("neither revision has a node '%s'%s%s%s", node, near ? "; did you mean '" : "", near ? near : "",
		  near ? "'?" : "");
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
		if (!plan_shows(c->plans[i]))
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

	if (compare(c, &e) < 0) {
		cli_fail(&e);
		return EXIT_FAILED;
	}
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
