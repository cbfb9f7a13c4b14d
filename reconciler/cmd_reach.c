/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "common/limits.h"
#include "common/text.h"
#include "reconciler/assert.h"
#include "reconciler/commands.h"
#include "reconciler/session.h"

#define MAX_WAY 2048
#define MAX_OUTPUT (256u << 20)

static const char *rev, *network;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &rev, "REV",
	  "in a commit, branch or tag (default: the files as they are)", false },
	{ "network", CLI_STRING, &network, "NAME", "in this network", false },
	{ 0 },
};

struct asked {
	struct session *s;
	const struct session_network *n;
	struct reach *r;
	struct buf out;
	json_t *pairs;
};

/* What there is to say about a pair. */
struct answer {
	bool reaches; /* all addresses, on something */
	struct service *on;
	size_t n_on;
	struct reach_path path;
	bool has_path;
	struct buf why; /* when it does not */
};

/* ---- who is asked about ---- */

static int tell_unknown(const struct asked *q, const char *word)
{
	const struct network *n = q->n->compiled;
	const char **names = malloc((n->n_records + 1) * sizeof(*names)), *near = NULL;
	size_t i;

	for (i = 0; names && i < n->n_records; i++)
		names[i] = n->records[i].name;
	if (names)
		near = text_suggest(word, names, n->n_records);
	free(names);
	cli_error("network %s has no node or client '%s'%s%s%s", q->n->name, word,
		  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return -1;
}

static bool has_tag(const struct m_network *m, const char *tag)
{
	size_t i, j;

	for (i = 0; i < m->n_nodes; i++)
		for (j = 0; j < m->nodes[i].n_tags; j++)
			if (!strcmp(m->nodes[i].tags[j].s, tag))
				return true;
	return false;
}

static int parse_selector(const struct asked *q, const char *word, struct m_selector *ret)
{
	if (!strcmp(word, "all")) {
		*ret = (struct m_selector){ .kind = SELECT_ALL };
	} else if (!strncmp(word, "tag:", 4)) {
		*ret = (struct m_selector){ .kind = SELECT_TAG, .name = word + 4 };
		if (!has_tag(q->n->model, ret->name)) {
			cli_error("no node of network %s has the tag '%s'", q->n->name, ret->name);
			return -1;
		}
	} else {
		*ret = (struct m_selector){ .kind = SELECT_NODE, .name = word };
		if (!network_record(q->n->compiled, word))
			return tell_unknown(q, word);
	}
	return 0;
}

static int tell_nobody(const struct asked *q, const char *word, unsigned int family)
{
	cli_error("%s lies behind no node of network %s; what is outside is %s", word, q->n->name,
		  family == 4 ? "0.0.0.0/0" : "::/0");
	return -1;
}

/* That of a node or client is that node or client. */
static int address_ends(struct asked *q, const char *word, const struct ipaddr *address,
			struct reach_end **ret, size_t *n)
{
	if (assert_address(q->r, address, &q->s->arena, ret, n) < 0) {
		cli_error("out of memory");
		return -1;
	}
	if (!*n)
		return tell_nobody(q, word, address->family);
	if ((*ret)->kind == REACH_NODE)
		cli_warn("%s is %s, and so are the answers", word, reach_name(q->r, (*ret)->id));
	return 0;
}

/* A node, a client, tag:NAME, all, a prefix or an address. */
static int parse_ends(struct asked *q, const char *word, struct reach_end **ret, size_t *n)
{
	struct m_parties parties = { 0 };
	struct m_selector selector;
	struct m_prefix prefix = { 0 };
	struct ipaddr address;
	bool host_bits;

	if (prefix_parse(word, strlen(word), &prefix.prefix, &host_bits) == 0) {
		if (host_bits) {
			cli_error("%s has bits set after the prefix length", word);
			return -1;
		}
		parties.prefixes = &prefix;
		parties.n_prefixes = 1;
	} else if (ipaddr_parse(word, strlen(word), &address) == 0) {
		return address_ends(q, word, &address, ret, n);
	} else {
		if (parse_selector(q, word, &selector) < 0)
			return -1;
		parties.nodes.list = &selector;
		parties.nodes.n = 1;
	}
	if (assert_ends(q->r, q->n->model, &parties, &q->s->arena, NULL, NULL, ret, n) < 0) {
		cli_error("out of memory");
		return -1;
	}
	return !*n && parties.n_prefixes ? tell_nobody(q, word, prefix.prefix.family) : 0;
}

static int add_ends(struct asked *q, const struct reach_end *more, size_t n_more,
		    struct reach_end **list, size_t *n)
{
	size_t i;

	for (i = 0; i < n_more; i++) {
		struct reach_end *grown = arena_grow(&q->s->arena, *list, *n, sizeof(*grown));

		if (!grown)
			return -1;
		*list = grown;
		grown[(*n)++] = more[i];
	}
	return 0;
}

/* -1: out of memory. */
static int led_out(struct asked *q, const struct reach_end *outside)
{
	enum reach_answer answer = REACH_NONE;
	uint32_t id;

	for (id = 0; answer == REACH_NONE && id < reach_count(q->r); id++) {
		struct reach_end e = reach_node(id);

		if (reach_ways(q->r, &e, outside, &answer, NULL, NULL) < 0)
			return -1;
	}
	return answer != REACH_NONE;
}

/* Nodes, clients, and all that is behind them; and what is outside, where some are led there. */
static int all_ends(struct asked *q, struct reach_end **ret, size_t *n)
{
	size_t families, more;
	uint32_t id;

	*ret = NULL;
	*n = 0;
	for (id = 0; id < reach_count(q->r); id++) {
		struct reach_end e = reach_node(id);

		if (add_ends(q, &e, 1, ret, n) < 0)
			return -1;
	}
	for (families = 0; families < 2; families++) {
		struct prefix whole = { .family = families ? 6 : 4 };
		struct reach_end *list, outside;
		int out;

		if (reach_behind(q->r, &whole, &q->s->arena, &list, &more) < 0 ||
		    add_ends(q, list, more, ret, n) < 0)
			return -1;
		out = reach_outside(q->r, whole.family, &outside) ? led_out(q, &outside) : 0;
		if (out < 0 || (out && add_ends(q, &outside, 1, ret, n) < 0))
			return -1;
	}
	return 0;
}

/* ---- answers ---- */

static unsigned int common_family(const struct reach *r, const struct reach_end *from,
				  const struct reach_end *to)
{
	size_t n, m, i, j;
	const struct ipaddr *a = reach_addresses(r, from, &n), *b = reach_addresses(r, to, &m);

	for (i = 0; i < n; i++)
		for (j = 0; j < m; j++)
			if (a[i].family == b[j].family)
				return a[i].family;
	return 0;
}

static int let_in(struct asked *q, const struct reach_end *from, const struct reach_end *to,
		  struct answer *ret)
{
	unsigned int family = common_family(q->r, from, to);
	uint32_t a, b;

	if (!family)
		return 0;
	return reach_class(q->r, from, family, false, &a) < 0 ||
			       reach_class(q->r, to, family, true, &b) < 0 ||
			       reach_services(q->r, a, b, &q->s->arena, &ret->on, &ret->n_on) < 0 ?
		       -1 :
		       0;
}

static int find_answer(struct asked *q, const struct reach_end *from, const struct reach_end *to,
		       struct answer *ret)
{
	enum reach_answer ways;
	const char *client;
	bool back = false;

	if (assert_client(q->r, q->n->model, from, to, &client) != REACH_ALL) {
		buf_addf(&ret->why, "%s has not all of that in its allowed_ips", client);
		return 0;
	}
	if (reach_ways(q->r, from, to, &ways, &ret->path, &back) < 0 ||
	    let_in(q, from, to, ret) < 0)
		return -1;
	if (ways != REACH_ALL) {
		buf_adds(&ret->why, back ? "the answer: " : "");
		reach_path_print(q->r, &ret->path, &ret->why);
		return 0;
	}
	ret->has_path = true;
	ret->reaches = ret->n_on > 0;
	if (!ret->reaches)
		buf_adds(&ret->why, "the policy lets nothing of it in");
	return 0;
}

/* ---- printing ---- */

static void put_text(struct asked *q, const char *from, const char *to, bool outside,
		     const struct answer *a)
{
	char text[SERVICE_STRLEN];
	size_t i;

	buf_addf(&q->out, "%s %s %s", from, a->reaches ? "reaches" : "does not reach", to);
	if (!a->reaches) {
		buf_addf(&q->out, ": %s\n", a->why.data ? a->why.data : "");
		return;
	}
	for (i = 0; i < a->n_on; i++)
		buf_addf(&q->out, "%s%s", i ? ", " : " on ", service_print(&a->on[i], text));
	/* The last on the way to what is outside is the exit. */
	if (a->path.n > (outside ? 1 : 2)) {
		buf_adds(&q->out, ": ");
		reach_path_print(q->r, &a->path, &q->out);
	}
	buf_addc(&q->out, '\n');
}

/* Jansson takes NULL for a failed allocation; it is seen where the pair is appended. */
static int put_json(struct asked *q, const char *from, const char *to, const struct answer *a)
{
	json_t *on = json_array(), *path = json_array(), *pair;
	char text[SERVICE_STRLEN];
	size_t i;
	int bad = 0;

	for (i = 0; a->reaches && i < a->n_on; i++)
		bad |= json_array_append_new(on, json_string(service_print(&a->on[i], text)));
	for (i = 0; a->has_path && i < a->path.n; i++)
		bad |= json_array_append_new(path, json_string(reach_name(q->r, a->path.at[i])));
	pair = json_pack("{s:s, s:s, s:b, s:o, s:o, s:s?}", "from", from, "to", to, "reaches",
			 a->reaches, "on", on, "path", path, "why",
			 a->reaches ? NULL : a->why.data);
	return bad | json_array_append_new(q->pairs, pair) ? -1 : 0;
}

static int put_pair(struct asked *q, const struct reach_end *from, const struct reach_end *to)
{
	char a[REACH_END_STRLEN], b[REACH_END_STRLEN];
	struct answer answer = { 0 };
	int r;

	buf_init(&answer.why, MAX_WAY);
	r = find_answer(q, from, to, &answer);
	reach_end_print(q->r, from, a);
	reach_end_print(q->r, to, b);
	if (!r && cli_json)
		r = put_json(q, a, b, &answer);
	else if (!r)
		put_text(q, a, b, to->kind == REACH_OUTSIDE, &answer);
	buf_release(&answer.why);
	return r;
}

static int put_pairs(struct asked *q, const struct reach_end *from, size_t n_from,
		     const struct reach_end *to, size_t n_to)
{
	size_t i, j;

	for (i = 0; i < n_from; i++)
		for (j = 0; j < n_to; j++)
			if (from[i].kind != REACH_OUTSIDE && !reach_same(q->r, &from[i], &to[j]) &&
			    put_pair(q, &from[i], &to[j]) < 0)
				return -1;
	return 0;
}

static int append(const char *data, size_t len, void *arg)
{
	buf_add(arg, data, len);
	return buf_ok(arg) ? 0 : -1;
}

static int print_all(struct asked *q)
{
	json_t *top;
	int r;

	if (cli_json) {
		top = json_pack("{s:s, s:s, s:O}", "format_version", "1.0", "network", q->n->name,
				"pairs", q->pairs);
		r = top ? json_dump_callback(top, append, &q->out, JSON_INDENT(2)) : -1;
		json_decref(top);
		buf_addc(&q->out, '\n');
		if (r)
			q->out.failed = true;
	}
	if (!buf_ok(&q->out)) {
		cli_error("out of memory");
		return EXIT_REFUSED;
	}
	return cli_print(&q->out) < 0 ? EXIT_REFUSED : EXIT_DONE;
}

static int answer(struct asked *q, const char *from, const char *to)
{
	struct reach_end *ends[2];
	size_t n[2];

	if (!from && all_ends(q, &ends[0], &n[0]) < 0) {
		cli_error("out of memory");
		return EXIT_REFUSED;
	}
	if (!from) {
		ends[1] = ends[0];
		n[1] = n[0];
	} else if (parse_ends(q, from, &ends[0], &n[0]) < 0 ||
		   parse_ends(q, to, &ends[1], &n[1]) < 0) {
		return EXIT_REFUSED;
	}
	if (n[0] == 1 && ends[0]->kind == REACH_OUTSIDE) {
		cli_error("what is outside reaches into no network by itself");
		return EXIT_REFUSED;
	}
	if (n[1] && n[0] > MAX_REACH_PAIRS / n[1]) {
		cli_error("these are %zu times %zu pairs, and %u are shown: say who and whom", n[0],
			  n[1], MAX_REACH_PAIRS);
		return EXIT_REFUSED;
	}
	if (put_pairs(q, ends[0], n[0], ends[1], n[1]) < 0) {
		cli_error("out of memory");
		return EXIT_REFUSED;
	}
	return print_all(q);
}

static int run(int argc, char **argv)
{
	struct session_options o = {
		.repo_dir = option_repo, .rev = rev, .network = network, .explains = true
	};
	struct asked q = { 0 };
	struct err e = { 0 };
	struct session s;
	int r;

	if (argc == 1)
		return cli_usage("an argument is missing: meshrc reach FROM TO");
	r = session_open(&s, &o);
	buf_init(&q.out, MAX_OUTPUT);
	q.pairs = json_array();
	q.s = &s;
	if (!r) {
		q.n = session_network(&s, network);
		r = q.n ? 0 : EXIT_REFUSED;
	}
	if (!r && !q.n->compiled) {
		cli_error("network %s is not in the configuration any more", q.n->name);
		r = EXIT_REFUSED;
	}
	if (!r && reach_new(q.n->compiled, q.n->model, &q.r, &e) < 0)
		r = cli_fail(&e);
	if (!r)
		r = answer(&q, argc ? argv[0] : NULL, argc ? argv[1] : NULL);
	reach_free(q.r);
	json_decref(q.pairs);
	buf_release(&q.out);
	session_close(&s);
	return r;
}

const struct cli_command cmd_reach = {
	.name = "reach",
	.summary = "Show who reaches whom, on what, and on which way",
	.args = "[FROM TO]",
	.max_args = 2,
	.help = "Worked out from the configuration alone, from links, relays, routes and policy together; nothing is\n"
		"sent. FROM and TO: a node, a client, tag:NAME, all, a prefix or an address behind nodes; TO also\n"
		"0.0.0.0/0 or ::/0, what is outside. Without them every pair.",
	.options = options,
	.run = run,
};
