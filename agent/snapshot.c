/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/snapshot.h"

#include "common/limits.h"
#include "publication/names.h"
#include "publication/routed.h"

/* Documents asked for at once: bounds what is held in memory beside the network itself. */
#define BATCH 64

struct snapshot *snapshot_new(const char *data, size_t len)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	arena_init(&s->arena);
	s->data = arena_strndup(&s->arena, data, len);
	s->len = len;
	digest_of(data, len, &s->hash);
	if (!s->data) {
		snapshot_free(s);
		return NULL;
	}
	return s;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	arena_release(&s->arena);
	free(s);
}

/* ---- documents ---- */

struct collector {
	const struct source_of_documents *from;
	struct snapshot *snap;
	const char *network;
	struct err *err;
};

/* One document on its way. */
struct piece {
	const struct document_ref *ref;
	struct fetch_request request; /* its body is where the bytes end up, also when they come
					 from the store */
	bool have;
};

static bool from_store(struct collector *c, struct piece *p)
{
	return c->from->store && !store_get(c->from->store, p->ref, &p->request.body, NULL);
}

/* Why a document is missing, in the words of the one that matters most: lies before gaps before a
 * slow network. */
static void blame(struct err *best, const struct err *e)
{
	static const char *const order[] = { "BAD-HASH", "TOO-LARGE", "MISSING" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(order); i++) {
		if (best->reason && !strcmp(best->reason, order[i]))
			return;
		if (e->reason && !strcmp(e->reason, order[i]))
			break;
	}
	*best = *e;
}

/* Asks one URL for all that is missing. Returns how many are missing still, or -1 when the disk or
 * the memory fails. */
static int from_url(struct collector *c, const char *url, struct piece *pieces, size_t n,
		    struct err *why)
{
	struct fetch_request requests[BATCH];
	struct piece *of[BATCH];
	size_t i, count = 0;
	int missing = 0, r = 0;

	for (i = 0; i < n; i++)
		if (!pieces[i].have) {
			of[count] = &pieces[i];
			requests[count++] = pieces[i].request;
		}
	if (!count)
		return 0;
	(void)c->from->fetcher->ops->get(c->from->fetcher, url, requests, count, c->from->deadline);
	for (i = 0; i < count; i++) {
		struct fetch_request *q = &requests[i];
		struct digest hash;

		if (q->status == FETCH_DONE &&
		    verify_document(of[i]->ref, q->body.data, q->body.len, &q->err) < 0) {
			err_prefix(&q->err, "%s/%s", url, q->path);
			q->status = FETCH_FAILED;
		}
		of[i]->have = q->status == FETCH_DONE;
		if (!of[i]->have) {
			buf_reset(&q->body);
			blame(why, &q->err);
			missing++;
		} else {
			c->snap->n_fetched++;
			if (!r && c->from->writable)
				r = store_put(c->from->store, q->body.data, q->body.len, &hash,
					      c->err);
		}
		of[i]->request = *q;
	}
	return r < 0 ? -1 : missing;
}

/* Gets up to BATCH documents of one kind. On success the bodies are the caller's to release, on
 * failure there are none. */
static int get(struct collector *c, const char *kind, const struct document_ref *const *refs,
	       size_t n, struct piece *pieces)
{
	char path[MAX_DOCUMENT_PATH];
	struct err why = { 0 };
	int missing = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		struct piece *p = &pieces[i];

		p->ref = refs[i];
		fetch_request_init(&p->request,
				   document_path(c->network, kind, &refs[i]->hash, path),
				   refs[i]->len);
		p->have = from_store(c, p);
		missing += !p->have;
	}
	for (i = 0; missing > 0 && i < c->from->n_urls; i++)
		missing = from_url(c, c->from->urls[i], pieces, n, &why);
	if (!missing)
		return 0;
	for (i = 0; i < n; i++)
		buf_release(&pieces[i].request.body);
	if (missing < 0)
		return -1;
	*c->err = why;
	/* The manifest is published last: what it names and is not there was lost, or is not there
	 * yet. */
	if (why.class == ERR_NOENT)
		return err_refuse(c->err, "INCOMPLETE", "the publication is not complete: %s",
				  why.msg);
	return why.msg[0] ? -1 : err_refuse(c->err, "INCOMPLETE", "no URL to get %s from", kind);
}

static int note(struct collector *c, bool index, enum table t, const struct document_ref *ref)
{
	struct set *set = &c->snap->set;
	struct set_entry *grown = arena_grow(&c->snap->arena, set->entries, set->n, sizeof(*grown));

	if (!grown)
		return err_nomem(c->err);
	set->entries = grown;
	grown[set->n++] = (struct set_entry){ index, t, *ref };
	return 0;
}

/* The index of a table; n = 0 when the table is empty. */
static int get_index(struct collector *c, enum table t, struct index *ret)
{
	const struct document_ref *ref = &c->snap->manifest.tables[t];
	struct piece piece;
	int r;

	*ret = (struct index){ .table = t };
	if (!ref->len)
		return 0;
	if (ref->len > MAX_INDEX)
		return err_refuse(c->err, "TOO-LARGE", "the index of %s has %llu bytes",
				  table_name(t), (unsigned long long)ref->len);
	if (get(c, "index", &ref, 1, &piece) < 0)
		return -1;
	r = index_decode(piece.request.body.data, piece.request.body.len, c->network, t,
			 &c->snap->arena, ret, c->err);
	buf_release(&piece.request.body);
	return r < 0 ? err_prefix(c->err, "index of %s", table_name(t)) : note(c, true, t, ref);
}

/* Pages of one table, in batches, into both builders (`also` may be NULL). */
static int get_pages(struct collector *c, enum table t, const struct document_ref *const *refs,
		     size_t n, struct network_builder *into, struct network_builder *also)
{
	struct piece pieces[BATCH];
	size_t at, i;

	for (at = 0; at < n; at += BATCH) {
		size_t count = n - at < BATCH ? n - at : BATCH;
		int r = 0;

		if (get(c, table_name(t), refs + at, count, pieces) < 0)
			return -1;
		for (i = 0; i < count; i++) {
			const struct buf *b = &pieces[i].request.body;

			if (!r)
				r = network_builder_add_page(into, t, b->data, b->len, c->err);
			if (!r && also)
				r = network_builder_add_page(also, t, b->data, b->len, c->err);
			if (!r)
				r = note(c, false, t, refs[at + i]);
			buf_release(&pieces[i].request.body);
		}
		if (r < 0)
			return err_prefix(c->err, "page of %s", table_name(t));
	}
	return 0;
}

/* ---- what is needed ---- */

/* Marks the pages of an index that can hold `key`. */
static void mark(const struct index *ix, const char *key, bool *wanted)
{
	size_t first, n = index_find(ix, key, &first);

	memset(wanted + first, true, n);
}

static int get_marked(struct collector *c, const struct index *ix, const bool *wanted,
		      struct network_builder *into, struct network_builder *also)
{
	const struct document_ref **refs = arena_array(&c->snap->arena, ix->n, sizeof(*refs));
	size_t i, n = 0;

	if (!refs)
		return err_nomem(c->err);
	for (i = 0; i < ix->n; i++)
		if (wanted[i])
			refs[n++] = &ix->entries[i].page;
	return get_pages(c, ix->table, refs, n, into, also);
}

static struct network_builder *builder(struct collector *c)
{
	struct network_builder *b = network_builder_new(&c->snap->arena, c->network);

	if (!b)
		err_nomem(c->err);
	return b;
}

/* The pages of one table that can hold our own name, into a network of their own. */
static int get_own(struct collector *c, enum table t, struct network_builder *all,
		   struct network *ret)
{
	struct network_builder *own = builder(c);
	struct index ix;
	bool *wanted;

	if (!own || get_index(c, t, &ix) < 0)
		return -1;
	wanted = arena_array(&c->snap->arena, ix.n, sizeof(*wanted));
	if (!wanted)
		return err_nomem(c->err);
	mark(&ix, c->from->node, wanted);
	if (get_marked(c, &ix, wanted, all, own) < 0)
		return -1;
	return network_builder_finish(own, ret, c->err);
}

/* The permits that our node enforces, and perhaps others that stand on the same pages. */
static int get_permits(struct collector *c, const struct node *node, struct network_builder *all,
		       struct network *ret)
{
	struct network_builder *permits = builder(c);
	struct index ix;
	bool *wanted;
	size_t i;

	if (!permits)
		return -1;
	if (!node->n_guards)
		return network_builder_finish(permits, ret, c->err);
	if (get_index(c, TABLE_POLICY, &ix) < 0)
		return -1;
	wanted = arena_array(&c->snap->arena, ix.n, sizeof(*wanted));
	if (!wanted)
		return err_nomem(c->err);
	for (i = 0; i < node->n_guards; i++)
		mark(&ix, node->guards[i], wanted);
	if (get_marked(c, &ix, wanted, all, permits) < 0)
		return -1;
	return network_builder_finish(permits, ret, c->err);
}

/* Names of nodes and groups that our configuration needs: of its links, and who is permitted. */
struct needed {
	const char **list;
	size_t n;
	bool all; /* GROUP_ALL is one of them */
};

static int add_name(struct collector *c, struct needed *needed, const char *name)
{
	const char **list;

	if (!name || strchr(name, '/'))
		return 0;
	if (!strcmp(name, GROUP_ALL) || !strcmp(name, GROUP_CLIENTS)) {
		needed->all = true;
		return 0;
	}
	list = arena_grow(&c->snap->arena, needed->list, needed->n, sizeof(*list));
	if (!list)
		return err_nomem(c->err);
	needed->list = list;
	list[needed->n++] = name;
	return 0;
}

static int collect_needed(struct collector *c, const struct node *node,
			  const struct network *permits, struct needed *ret)
{
	size_t i, j, n;

	*ret = (struct needed){ .all = node_needs_names(node) };
	for (i = 0; i < node->n_links; i++)
		if (add_name(c, ret, node->links[i].via) < 0 ||
		    add_name(c, ret, node->links[i].target) < 0)
			return -1;
	for (i = 0; i < node->n_guards; i++) {
		const struct permit *list = network_permits(permits, node->guards[i], &n);

		/* A client: of nodes and groups it is known that they mean this node. */
		if (!target_is_group(node->guards[i]) && strcmp(node->guards[i], node->name) != 0 &&
		    add_name(c, ret, node->guards[i]) < 0)
			return -1;
		/* What is behind this node is not outside: its own record says it. */
		if (target_is_outside(node->guards[i]) && add_name(c, ret, node->name) < 0)
			return -1;
		for (j = 0; j < n; j++)
			if (add_name(c, ret, list[j].from) < 0)
				return -1;
	}
	return 0;
}

/* The pages of one table, fetched in several steps. */
struct pages {
	enum table table;
	struct index ix;
	bool *wanted, *had; /* NULL: the index was not needed yet */
};

static int open_pages(struct collector *c, struct pages *p)
{
	if (p->wanted)
		return 0;
	if (get_index(c, p->table, &p->ix) < 0)
		return -1;
	p->had = arena_array(&c->snap->arena, p->ix.n, sizeof(*p->had));
	p->wanted = arena_array(&c->snap->arena, p->ix.n, sizeof(*p->wanted));
	return p->wanted && p->had ? 0 : err_nomem(c->err);
}

static int want(struct collector *c, struct pages *p, const char *key)
{
	if (open_pages(c, p) < 0)
		return -1;
	mark(&p->ix, key, p->wanted);
	return 0;
}

/* Gets what is wanted and was not fetched before; *ret is all that was fetched so far, and holds
 * until the next step. */
static int get_step(struct collector *c, struct pages *p, struct network_builder *all,
		    struct network *ret)
{
	size_t i;

	for (i = 0; p->wanted && i < p->ix.n; i++) {
		p->wanted[i] &= !p->had[i];
		p->had[i] |= p->wanted[i];
	}
	if (p->wanted && get_marked(c, &p->ix, p->wanted, all, NULL) < 0)
		return -1;
	for (i = 0; p->wanted && i < p->ix.n; i++)
		p->wanted[i] = false;
	return network_builder_finish(all, ret, c->err);
}

static int want_members(struct collector *c, struct pages *records, const struct network *so_far,
			const char *group)
{
	const struct group *g = network_group(so_far, group);
	size_t i;

	for (i = 0; g && i < g->n_members; i++)
		if (want(c, records, g->members[i]) < 0)
			return -1;
	return 0;
}

static int get_groups(struct collector *c, const struct needed *needed, struct pages *groups,
		      struct network_builder *all, struct network *ret)
{
	size_t i;

	for (i = 0; i < needed->n; i++)
		if (target_is_group(needed->list[i]) && want(c, groups, needed->list[i]) < 0)
			return -1;
	return get_step(c, groups, all, ret);
}

static int get_records(struct collector *c, const struct needed *needed, struct pages *records,
		       struct network_builder *all, struct network *so_far)
{
	size_t i;
	int r = 0;

	if (needed->all) {
		r = open_pages(c, records);
		for (i = 0; !r && i < records->ix.n; i++)
			records->wanted[i] = true;
	}
	for (i = 0; i < needed->n && !needed->all && !r; i++)
		r = target_is_group(needed->list[i]) ?
			    want_members(c, records, so_far, needed->list[i]) :
			    want(c, records, needed->list[i]);
	return r < 0 ? -1 : get_step(c, records, all, so_far);
}

static bool is_direct_peer(const struct node *node, const struct network *so_far, const char *name)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < node->n_links; i++) {
		const char *target = node->links[i].target;

		if (node->links[i].kind != LINK_DIRECT)
			continue;
		g = target_is_group(target) ? network_group(so_far, target) : NULL;
		if (!strcmp(target, GROUP_ALL) || !strcmp(target, name) ||
		    (g && group_has(g, name)))
			return true;
	}
	return false;
}

/* The clients of every direct peer that has any: who they are, and their records. */
static int get_clients(struct collector *c, const struct node *node, struct pages *groups,
		       struct pages *records, struct network_builder *all, struct network *so_far)
{
	char name[MAX_GROUP_NAME + 1];
	bool any = false;
	size_t i;

	for (i = 0; i < so_far->n_records; i++) {
		const struct record *r = &so_far->records[i];

		if (!r->clients || !is_direct_peer(node, so_far, r->name))
			continue;
		any = true;
		if (want(c, groups, group_of_clients(r->name, name)) < 0)
			return -1;
	}
	if (!any)
		return 0;
	if (get_step(c, groups, all, so_far) < 0)
		return -1;
	/* Of those that are no peers nothing was fetched, or nothing that matters. */
	for (i = 0; i < so_far->n_records; i++)
		if (so_far->records[i].clients &&
		    want_members(c, records, so_far,
				 group_of_clients(so_far->records[i].name, name)) < 0)
			return -1;
	return get_step(c, records, all, so_far);
}

/* The line of the routed link with this node. */
static void mark_routed(struct collector *c, const struct index *ix, const char *other,
			bool *wanted)
{
	bool first = strcmp(c->from->node, other) < 0;
	struct routed_link l = { .name = { first ? c->from->node : other,
					   first ? other : c->from->node } };
	char key[ROUTED_KEY_SIZE];

	mark(ix, routed_key(&l, key), wanted);
}

static int get_routed(struct collector *c, const struct node *node, const struct network *groups,
		      struct network_builder *all)
{
	struct index ix = { 0 };
	bool *wanted = NULL;
	size_t i, j;

	for (i = 0; i < node->n_links; i++) {
		const char *target = node->links[i].target;
		const struct group *g;

		if (node->links[i].kind != LINK_ROUTED)
			continue;
		if (!wanted) {
			if (get_index(c, TABLE_LINKS, &ix) < 0)
				return -1;
			wanted = arena_array(&c->snap->arena, ix.n, sizeof(*wanted));
			if (!wanted)
				return err_nomem(c->err);
		}
		if (!strcmp(target, GROUP_ALL)) {
			memset(wanted, true, ix.n);
		} else if (!target_is_group(target)) {
			mark_routed(c, &ix, target, wanted);
		} else {
			g = network_group(groups, target);
			for (j = 0; g && j < g->n_members; j++)
				mark_routed(c, &ix, g->members[j], wanted);
		}
	}
	return wanted ? get_marked(c, &ix, wanted, all, NULL) : 0;
}

static int get_needed(struct collector *c, const struct node *node, struct network_builder *all)
{
	struct pages groups = { .table = TABLE_GROUPS }, records = { .table = TABLE_RECORDS };
	struct network permits, so_far;
	struct needed needed;

	if (get_permits(c, node, all, &permits) < 0 ||
	    collect_needed(c, node, &permits, &needed) < 0 ||
	    get_groups(c, &needed, &groups, all, &so_far) < 0 ||
	    get_records(c, &needed, &records, all, &so_far) < 0 ||
	    get_routed(c, node, &so_far, all) < 0)
		return -1;
	return get_clients(c, node, &groups, &records, all, &so_far);
}

/* ---- the whole ---- */

static int cmp_entries(const void *a, const void *b)
{
	return set_entry_cmp(a, b);
}

/* Sorted, each once. */
static void tidy_set(struct set *set)
{
	size_t i, n = 0;

	if (!set->n)
		return;
	qsort(set->entries, set->n, sizeof(*set->entries), cmp_entries);
	for (i = 0; i < set->n; i++)
		if (!n || set_entry_cmp(&set->entries[n - 1], &set->entries[i]))
			set->entries[n++] = set->entries[i];
	set->n = n;
}

/* Refused by the reconciler too; a peer with such a key is one that anybody could be. */
static int check_keys(const struct config *c, struct err *e)
{
	size_t i;

	for (i = 0; i < c->n_links; i++)
		if (check_keys(&c->links[i], e) < 0)
			return -1;
	for (i = 0; i < c->n_peers; i++) {
		const char *why = wgkey_weak(&c->peers[i].key);

		if (why)
			return err_set(e, ERR_INPUT, "peer %s: its public key cannot be used: %s",
				       c->peers[i].name, why);
	}
	return 0;
}

static int finish(struct snapshot *s, struct network_builder *all, const char *name, struct err *e)
{
	const struct node *node;
	struct node *alone;

	if (network_builder_finish(all, &s->network, e) < 0)
		return -1;
	node = network_node(&s->network, name);
	if (s->standing == STANDING_GONE) {
		s->has_config = node != NULL;
		if (!node)
			return 0;
		alone = arena_alloc(&s->arena, sizeof(*alone));
		if (!alone)
			return err_nomem(e);
		*alone = *node;
		alone->links = NULL;
		alone->exit = NULL;
		alone->n_links = 0;
		/* It carries and guards nothing any more, and what for is not to be had. */
		alone->n_masquerade = alone->n_except = alone->n_guards = 0;
		node = alone;
	}
	if (!node)
		return err_refuse(e, "NOT-LISTED", "node %s is not in the stored documents", name);
	if (expand(&s->network, node, &s->arena, &s->config, e) < 0 ||
	    check_keys(&s->config, e) < 0 ||
	    (node->domain && names_check(&s->network, node->domain, e) < 0)) {
		if (e->class == ERR_INPUT || e->class == ERR_LIMIT) {
			e->class = ERR_VERIFY;
			e->reason = "BAD-CONFIG";
		}
		return -1;
	}
	s->has_config = true;
	return 0;
}

/* The node pages of what is in force: from them the interface of a removed node is known. */
static int keep_last(struct collector *c, const struct snapshot *last, struct network_builder *all)
{
	size_t i;

	for (i = 0; last && i < last->set.n; i++) {
		const struct document_ref *ref = &last->set.entries[i].ref;

		if (last->set.entries[i].index || last->set.entries[i].table != TABLE_NODES)
			continue;
		if (get_pages(c, TABLE_NODES, &ref, 1, all, NULL) < 0)
			return -1;
	}
	return 0;
}

static int collect(struct collector *c, const struct snapshot *last, struct network_builder **ret)
{
	const struct source_of_documents *from = c->from;
	struct network_builder *all = builder(c), *gone_only;
	struct network own, gone = { 0 };
	const struct node *node;

	if (!all || get_own(c, TABLE_NODES, all, &own) < 0)
		return -1;
	node = network_node(&own, from->node);
	if (!node) {
		gone_only = builder(c);
		/* What was collected for a member is of no use now: a removed node keeps other
		 * pages. */
		c->snap->set.n = 0;
		c->snap->set.entries = NULL;
		if (!gone_only || get_own(c, TABLE_GONE, gone_only, &gone) < 0)
			return -1;
		all = gone_only;
	}
	if (accept_self(from->node, node, network_gone(&gone, from->node), from->key,
			from->key_file, &c->snap->standing, c->err) < 0)
		return -1;
	c->snap->set.gone = c->snap->standing == STANDING_GONE;
	if (node) {
		if (get_needed(c, node, all) < 0)
			return -1;
	} else if (keep_last(c, last, all) < 0) {
		return -1;
	}
	*ret = all;
	return 0;
}

int snapshot_fetch(struct snapshot *s, const struct source_of_documents *from,
		   const struct snapshot *last, struct err *e)
{
	struct err own;
	struct collector c = {
		.from = from, .snap = s, .network = s->manifest.network, .err = e ? e : &own
	};
	struct network_builder *all;

	if (collect(&c, last, &all) < 0)
		return -1;
	tidy_set(&s->set);
	return finish(s, all, from->node, c.err);
}

static int decode_stored(struct store *store, struct snapshot *s, const char *network,
			 struct err *e)
{
	struct signed_doc doc;

	if (signed_split(s->data, s->len, &doc, e) < 0 ||
	    manifest_decode(doc.body, doc.body_len, &s->arena, &s->manifest, e) < 0)
		return -1;
	if (strcmp(s->manifest.network, network) != 0)
		return err_refuse(e, "WRONG-NETWORK", "the stored manifest is of network %s",
				  s->manifest.network);
	return 0;
}

int snapshot_load(struct store *store, const char *network, const char *node, uint64_t len,
		  const struct digest *manifest, const struct digest *set, struct snapshot **ret,
		  struct err *e)
{
	struct document_ref ref = { .hash = *manifest, .len = len };
	struct network_builder *all;
	struct snapshot *s = NULL;
	struct buf bytes;
	size_t i;
	int r = -1;

	buf_init(&bytes, MAX_PAGE > MAX_INDEX ? MAX_PAGE : MAX_INDEX);
	if (store_get(store, &ref, &bytes, e) < 0)
		goto out;
	s = snapshot_new(bytes.data, bytes.len);
	all = s ? network_builder_new(&s->arena, network) : NULL;
	if (!all) {
		err_nomem(e);
		goto out;
	}
	if (decode_stored(store, s, network, e) < 0 ||
	    store_get_set(store, set, &s->arena, &s->set, e) < 0)
		goto out;
	s->standing = s->set.gone ? STANDING_GONE : STANDING_MEMBER;
	for (i = 0; i < s->set.n; i++) {
		const struct set_entry *x = &s->set.entries[i];

		if (x->index)
			continue;
		buf_reset(&bytes);
		if (store_get(store, &x->ref, &bytes, e) < 0 ||
		    network_builder_add_page(all, x->table, bytes.data, bytes.len, e) < 0)
			goto out;
	}
	r = finish(s, all, node, e);
out:
	buf_release(&bytes);
	if (r < 0)
		snapshot_free(s);
	else
		*ret = s;
	return r;
}
