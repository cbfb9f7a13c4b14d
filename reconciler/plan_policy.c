/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/plan_policy.h"

#include "common/buf.h"
#include "common/limits.h"

enum { OLD, NEW };

/* The names under one `from`. Sorted. */
struct members {
	const char *const *names;
	size_t n;
};

/* -1: out of memory. */
static int members_of(const struct network *n, const char *from, struct arena *a,
		      struct members *ret)
{
	bool clients = !strcmp(from, GROUP_CLIENTS), all = clients || !strcmp(from, GROUP_ALL);
	const struct group *g = all ? NULL : network_group(n, from);
	const char **names;
	size_t i;

	*ret = (struct members){ 0 };
	if (strchr(from, '/'))
		return 0;
	if (g) {
		*ret = (struct members){ g->members, g->n_members };
		return 0;
	}
	names = arena_array(a, all ? n->n_records : 1, sizeof(*names));
	if (!names)
		return -1;
	ret->names = names;
	for (i = 0; all && i < n->n_records; i++)
		if (!n->records[i].gateway != clients)
			names[ret->n++] = n->records[i].name;
	if (!all && network_record(n, from))
		names[ret->n++] = from;
	return 0;
}

static const char *print_member(struct attr_list *l, const char *name, const char *from)
{
	const char *text = NULL;
	struct buf b;

	buf_init(&b, MAX_NAME + MAX_GROUP_NAME + 16);
	buf_addf(&b, "%s in %s", name, from);
	if (buf_ok(&b))
		text = arena_strndup(l->a, b.data, b.len);
	buf_release(&b);
	l->failed |= !text;
	return text;
}

static int source_make(struct policy_diff *d, const char *from, struct arena *a)
{
	struct attr_list l = { .a = a };
	struct policy_source *list;
	struct members old, new;
	size_t i = 0, j = 0;

	if (members_of(d->net[OLD], from, a, &old) < 0 ||
	    members_of(d->net[NEW], from, a, &new) < 0)
		return -1;
	while ((i < old.n || j < new.n) && !l.failed) {
		int c = i == old.n ? 1 : j == new.n ? -1 : strcmp(old.names[i], new.names[j]);

		if (c < 0)
			attr_add(&l, "policy", print_member(&l, old.names[i], from), NULL);
		else if (c > 0)
			attr_add(&l, "policy", NULL, print_member(&l, new.names[j], from));
		i += c <= 0;
		j += c >= 0;
	}
	if (l.failed)
		return -1;
	if (!l.n)
		return 0;
	list = arena_grow(a, d->sources, d->n_sources, sizeof(*list));
	if (!list)
		return -1;
	d->sources = list;
	list[d->n_sources++] = (struct policy_source){ from, l.v, l.n };
	return 0;
}

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int policy_diff_init(struct policy_diff *d, const struct network *old, const struct network *new,
		     struct arena *a)
{
	size_t n = (old ? old->n_permits : 0) + (new ? new->n_permits : 0), i, k = 0;
	const char **names = arena_array(a, n, sizeof(*names));

	*d = (struct policy_diff){ .net = { old, new } };
	if (!names)
		return -1;
	/* Of a network that comes or goes as a whole the permits say everything. */
	if (!old || !new)
		return 0;
	for (i = 0; i < old->n_permits; i++)
		names[k++] = old->permits[i].from;
	for (i = 0; i < new->n_permits; i++)
		names[k++] = new->permits[i].from;
	if (n > 1)
		qsort(names, n, sizeof(*names), cmp_names);
	for (i = 0; i < n; i++)
		if ((!i || strcmp(names[i - 1], names[i]) != 0) && source_make(d, names[i], a) < 0)
			return -1;
	return 0;
}

/* "tag:web to tag:db on icmp tcp/5432" */
static const char *print_permit(struct attr_list *l, const struct permit *p)
{
	const char *text = NULL;
	char service[SERVICE_STRLEN];
	struct buf b;
	size_t i;

	buf_init(&b, 2 * MAX_GROUP_NAME + 16 + MAX_SERVICES * SERVICE_STRLEN);
	buf_addf(&b, "%s to %s on", p->from, p->to);
	for (i = 0; i < p->n_services; i++)
		buf_addf(&b, " %s", service_print(&p->services[i], service));
	if (buf_ok(&b))
		text = arena_strndup(l->a, b.data, b.len);
	buf_release(&b);
	l->failed |= !text;
	return text;
}

/* The permits of one node, in the order of their keys. */
struct walk {
	const struct network *net;
	const struct node *node;
	size_t guard;
	const struct permit *at;
	size_t left;
};

static const struct permit *walk_get(struct walk *w)
{
	while (!w->left) {
		if (!w->node || w->guard == w->node->n_guards)
			return NULL;
		w->at = network_permits(w->net, w->node->guards[w->guard++], &w->left);
	}
	return w->at;
}

static void walk_next(struct walk *w)
{
	w->at++;
	w->left--;
}

static void diff_permits(const struct policy_diff *d, struct attr_list *l, const struct node *old,
			 const struct node *new)
{
	struct walk a = { .net = d->net[OLD], .node = old },
		    b = { .net = d->net[NEW], .node = new };
	const struct permit *p, *q;

	while ((p = walk_get(&a), q = walk_get(&b), p || q) && !l->failed) {
		int c = !p ? 1 : !q ? -1 : permit_cmp(p, q);
		bool same = !c && permit_equal(p, q);

		if (c <= 0 && !same)
			attr_add(l, "policy", print_permit(l, p), NULL);
		if (c >= 0 && !same)
			attr_add(l, "policy", NULL, print_permit(l, q));
		if (c <= 0)
			walk_next(&a);
		if (c >= 0)
			walk_next(&b);
	}
}

static int cmp_source(const void *key, const void *source)
{
	return strcmp(key, ((const struct policy_source *)source)->name);
}

/* Who joins or leaves what the node permits before and after. */
static void diff_sources(const struct policy_diff *d, struct attr_list *l, const struct node *old,
			 const struct node *new)
{
	struct walk a = { .net = d->net[OLD], .node = old },
		    b = { .net = d->net[NEW], .node = new };
	const struct policy_source **seen;
	const struct permit *p, *q;
	size_t n = 0, i, k;

	if (!d->n_sources || !old || !new)
		return;
	seen = arena_array(l->a, d->n_sources, sizeof(*seen));
	if (!seen) {
		l->failed = true;
		return;
	}
	while ((p = walk_get(&a)) && (q = walk_get(&b))) {
		int c = permit_cmp(p, q);

		if (!c) {
			const struct policy_source *s =
				bsearch(p->from, d->sources, d->n_sources, sizeof(*s), cmp_source);

			for (i = 0; i < n && seen[i] != s; i++)
				;
			if (s && i == n)
				seen[n++] = s;
		}
		if (c <= 0)
			walk_next(&a);
		if (c >= 0)
			walk_next(&b);
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < seen[i]->n_attrs; k++)
			attr_add(l, "policy", seen[i]->attrs[k].from, seen[i]->attrs[k].to);
}

void policy_diff_node(const struct policy_diff *d, struct attr_list *l, const struct node *old,
		      const struct node *new)
{
	bool was = old && old->flags & NODE_GUARDED, will = new &&new->flags &NODE_GUARDED;

	if (was != will)
		attr_add(l, "guarded", was ? "yes" : NULL, will ? "yes" : NULL);
	diff_permits(d, l, old, new);
	diff_sources(d, l, old, new);
}
