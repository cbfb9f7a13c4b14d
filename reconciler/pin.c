/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/pin.h"

#include "common/limits.h"
#include "common/text.h"
#include "publication/document.h"
#include "reconciler/compile.h"
#include "schema/load.h"
#include "schema/pin.h"

static const char in_nodes[] = "nodes", in_clients[] = "clients";

/* Choosing. */

static const char *path_of(const struct pin_node *p)
{
	return p->node->public_key_pos.source->path;
}

static int cmp_nodes(const void *pa, const void *pb)
{
	const struct pin_node *a = pa, *b = pb;
	int c = strcmp(path_of(a), path_of(b));

	c = c ? c : strcmp(a->section, b->section);
	return c ? c : strcmp(a->node->name, b->node->name);
}

static int add_node(const struct session_network *net, const char *section, const struct m_node *m,
		    struct arena *a, struct pin_set *set, struct err *e)
{
	const struct record *r = network_record(net->compiled, m->name);
	struct pin_node *list;

	if (m->has_addresses) {
		set->already++;
		return 0;
	}
	list = arena_grow(a, set->nodes, set->n_nodes, sizeof(*list));
	if (!list)
		return err_nomem(e);
	set->nodes = list;
	list[set->n_nodes++] =
		(struct pin_node){ net->name, section, m, r->addresses, r->n_addresses };
	return 0;
}

static int unknown_node(const struct session *s, const char *name, struct err *e)
{
	const char *near = NULL;
	bool clients = false;
	size_t i, j;

	for (i = 0; i < s->n_networks; i++) {
		const struct m_network *m = s->networks[i].model;
		size_t n = m ? m->n_nodes + m->n_clients : 0;
		const char **names = m && !near ? malloc((n + 1) * sizeof(*names)) : NULL;

		clients |= m && m->n_clients;
		for (j = 0; names && j < n; j++)
			names[j] = j < m->n_nodes ? m->nodes[j].name :
						    m->clients[j - m->n_nodes].node.name;
		if (names)
			near = text_suggest(name, names, n);
		free(names);
	}
	return err_set(e, ERR_NOENT, "there is no node %s'%s'%s%s%s", clients ? "or client " : "",
		       name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int choose_named(const struct session *s, const char *name, struct arena *a,
			struct pin_set *set, struct err *e)
{
	const struct session_network *found = NULL;
	const struct m_client *client;
	size_t i;

	for (i = 0; i < s->n_networks; i++) {
		const struct session_network *net = &s->networks[i];

		if (!net->compiled || !network_record(net->compiled, name))
			continue;
		if (found)
			return err_set(
				e, ERR_CONFLICT,
				"'%s' is in more than one network (%s, %s): choose with --network",
				name, found->name, net->name);
		found = net;
	}
	if (!found)
		return unknown_node(s, name, e);
	client = m_network_client(found->model, name);
	if (client)
		return add_node(found, in_clients, &client->node, a, set, e);
	return add_node(found, in_nodes, m_network_node(found->model, name), a, set, e);
}

int pin_choose(const struct session *s, const char *const *names, size_t n, struct arena *a,
	       struct pin_set *ret, struct err *e)
{
	size_t i, j, kept = 0;

	*ret = (struct pin_set){ 0 };
	for (i = 0; i < n; i++)
		if (choose_named(s, names[i], a, ret, e) < 0)
			return -1;
	for (i = 0; !n && i < s->n_networks; i++) {
		const struct session_network *net = &s->networks[i];

		for (j = 0; net->compiled && j < net->model->n_nodes; j++)
			if (add_node(net, in_nodes, &net->model->nodes[j], a, ret, e) < 0)
				return -1;
		for (j = 0; net->compiled && j < net->model->n_clients; j++)
			if (add_node(net, in_clients, &net->model->clients[j].node, a, ret, e) < 0)
				return -1;
	}
	if (ret->n_nodes > 1)
		qsort(ret->nodes, ret->n_nodes, sizeof(*ret->nodes), cmp_nodes);
	/* A name given twice. */
	for (i = 0; i < ret->n_nodes; i++)
		if (!kept || ret->nodes[kept - 1].node != ret->nodes[i].node)
			ret->nodes[kept++] = ret->nodes[i];
	ret->n_nodes = kept;
	return 0;
}

/* The new texts. */

static int make_file(const struct pin_node *nodes, size_t n, struct arena *a, struct pin_file *ret,
		     struct err *e)
{
	struct pin *pins = arena_array(a, n, sizeof(*pins));
	struct buf out;
	size_t i;
	int r;

	ret->old = nodes->node->public_key_pos.source;
	if (!pins)
		return err_nomem(e);
	for (i = 0; i < n; i++)
		pins[i] = (struct pin){ nodes[i].section, nodes[i].node->name, nodes[i].addresses,
					nodes[i].n };
	buf_init(&out, MAX_YAML_FILE);
	r = pin_text(ret->old, pins, n, &out, e);
	if (!r) {
		ret->now = (struct source){ ret->old->path, arena_strndup(a, out.data, out.len),
					    out.len };
		r = ret->now.text ? 0 : err_nomem(e);
	}
	buf_release(&out);
	return r;
}

/* Of the first n nodes. */
static int make_files(struct arena *a, struct pin_set *set, size_t n, struct err *e)
{
	size_t i, end;

	set->files = arena_array(a, n, sizeof(*set->files));
	set->n_files = 0;
	if (!set->files)
		return err_nomem(e);
	for (i = 0; i < n; i = end) {
		for (end = i + 1;
		     end < n && !strcmp(path_of(&set->nodes[i]), path_of(&set->nodes[end])); end++)
			;
		if (make_file(&set->nodes[i], end - i, a, &set->files[set->n_files++], e) < 0)
			return -1;
	}
	return 0;
}

/* The proof. */

static int load_result(const struct session *s, const struct pin_set *set, struct arena *a,
		       struct diag *d, struct model *ret, struct err *e)
{
	struct source *files = arena_array(a, s->n_files, sizeof(*files));
	size_t i, n = 0, k = 0;

	if (!files)
		return err_nomem(e);
	/* Both lists are sorted by path. */
	for (i = 0; i < s->n_files; i++) {
		if (!strncmp(s->files[i].path, "trust/", 6))
			continue;
		files[n] = s->files[i];
		if (k < set->n_files && !strcmp(set->files[k].now.path, files[n].path))
			files[n] = set->files[k++].now;
		n++;
	}
	if (schema_load(files, n, a, d, ret) < 0)
		return d->nomem ? err_nomem(e) :
				  err_set(e, ERR_INPUT, "%s",
					  d->n ? d->entries[0].msg : "it cannot be read");
	return k == set->n_files ? 0 : err_set(e, ERR_INPUT, "a file is not found again");
}

static int encode(const struct network *n, struct arena *a,
		  struct document_ref ret_tables[static N_TABLES], struct err *e)
{
	struct document *documents;
	size_t count;

	return network_encode(n, a, &documents, &count, ret_tables, e);
}

/* What is published of a network is the same when the hashes of its tables are. */
static int compare_compiled(const struct session_network *net, const struct m_network *now,
			    struct arena *a, struct diag *d, struct err *e)
{
	struct document_ref before[N_TABLES], after[N_TABLES];
	uint64_t serial = net->old ? net->old->manifest.serial + 1 : 1;
	struct network compiled;
	size_t i;

	if (compile(now, net->old ? &net->old->network : NULL, serial, a, d, &compiled) < 0)
		return d->nomem ? err_nomem(e) :
				  err_set(e, ERR_INPUT, "%s",
					  d->n ? d->entries[0].msg : "it does not compile");
	if (encode(net->compiled, a, before, e) < 0 || encode(&compiled, a, after, e) < 0)
		return -1;
	for (i = 0; i < N_TABLES; i++)
		if (before[i].len != after[i].len || digest_cmp(&before[i].hash, &after[i].hash))
			return err_set(e, ERR_INPUT, "its %s would change",
				       table_name((enum table)i));
	return 0;
}

static bool is_chosen(const struct pin_set *set, size_t n, const char *section,
		      const struct m_node *m)
{
	struct pin_node key = { .section = section, .node = m };

	return n && bsearch(&key, set->nodes, n, sizeof(key), cmp_nodes) != NULL;
}

static int compare_one(const struct pin_set *set, size_t n, const char *section,
		       const struct m_node *old, const struct m_node *new, struct err *e)
{
	bool want = old->has_addresses || is_chosen(set, n, section, old);

	if (strcmp(old->name, new->name) || new->has_addresses != want)
		return err_set(e, ERR_INPUT, "'%s' would be another %s", old->name,
			       section == in_nodes ? "node" : "client");
	return 0;
}

static int compare_pinned(const struct pin_set *set, size_t n, const struct m_network *before,
			  const struct m_network *now, struct err *e)
{
	size_t i;

	if (!now || before->n_nodes != now->n_nodes || before->n_clients != now->n_clients)
		return err_set(e, ERR_INPUT, "its nodes or clients would be others");
	for (i = 0; i < before->n_nodes; i++)
		if (compare_one(set, n, in_nodes, &before->nodes[i], &now->nodes[i], e) < 0)
			return -1;
	for (i = 0; i < before->n_clients; i++)
		if (compare_one(set, n, in_clients, &before->clients[i].node, &now->clients[i].node,
				e) < 0)
			return -1;
	return 0;
}

/* Pins the first n nodes, and holds the result against what was compiled. */
static int make_first(const struct session *s, struct arena *a, struct pin_set *set, size_t n,
		      struct err *e)
{
	const char *what = "the result";
	struct model model;
	struct diag d;
	size_t i;
	int r;

	diag_init(&d, a);
	if (make_files(a, set, n, e) < 0)
		return -1;
	r = load_result(s, set, a, &d, &model, e);
	for (i = 0; !r && i < s->n_networks; i++) {
		const struct session_network *net = &s->networks[i];
		const struct m_network *now = model_network(&model, net->name);

		if (!net->compiled)
			continue;
		what = net->name;
		r = compare_pinned(set, n, net->model, now, e);
		if (!r)
			r = compare_compiled(net, now, a, &d, e);
	}
	if (r && e->class == ERR_INPUT)
		err_prefix(e, "%s would not stay as it is", what);
	return r;
}

/* One attempt, in memory of its own. */
static int try_first(const struct session *s, struct pin_set *set, size_t n, struct err *e)
{
	struct pin_set copy = *set;
	struct arena arena;
	int r;

	*e = (struct err){ 0 };
	arena_init(&arena);
	r = make_first(s, &arena, &copy, n, e);
	arena_release(&arena);
	return r;
}

/*
 * A node with which it does not come out, though it does with those before it. What stands in `e`
 * is about it then.
 */
static const struct pin_node *find_culprit(const struct session *s, struct pin_set *set,
					   struct err *e)
{
	size_t good = 0, bad = set->n_nodes;
	struct err now;

	if (try_first(s, set, 0, &now) < 0) {
		*e = now;
		return NULL;
	}
	while (bad - good > 1) {
		size_t mid = good + (bad - good) / 2;

		if (!try_first(s, set, mid, &now)) {
			good = mid;
			continue;
		}
		*e = now;
		bad = mid;
		if (e->class != ERR_INPUT)
			return NULL;
	}
	return &set->nodes[bad - 1];
}

int pin_make(const struct session *s, struct arena *a, struct pin_set *set, struct diag *d,
	     struct err *e)
{
	const struct pin_node *culprit;
	char text[IPADDR_STRLEN];
	struct diag_entry *entry;
	struct buf help;
	size_t i;

	if (!make_first(s, a, set, set->n_nodes, e))
		return 0;
	culprit = e->class == ERR_INPUT && set->n_nodes ? find_culprit(s, set, e) : NULL;
	if (!culprit)
		return -1;
	entry = diag_error(d, culprit->node->pos,
			   "`%s` cannot be pinned by an edit of this file: %s", culprit->node->name,
			   e->msg);
	buf_init(&help, 4096);
	for (i = 0; i < culprit->n; i++)
		buf_addf(&help, "%s\"%s\"", i ? ", " : "",
			 ipaddr_print(&culprit->addresses[i], text));
	diag_help(d, entry, "nothing was written; give it `addresses: [%s]` yourself", help.data);
	buf_release(&help);
	return -1;
}
