/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that come, change and go. What that does to the peers of nodes is counted with all peers.
 */
#include "reconciler/plan_attr.h"
#include "reconciler/plan_view.h"

static void add_addresses(struct attr_list *l, const struct record *a, const struct record *b)
{
	static const struct record nobody;
	char text[IPADDR_STRLEN];
	size_t i = 0, j = 0;

	a = a ? a : &nobody;
	b = b ? b : &nobody;
	while (i < a->n_addresses || j < b->n_addresses) {
		int c = i == a->n_addresses ? 1 :
			j == b->n_addresses ? -1 :
					      ipaddr_cmp(&a->addresses[i], &b->addresses[j]);

		if (c < 0)
			attr_add(l, "addresses",
				 arena_strdup(l->a, ipaddr_print(&a->addresses[i], text)), NULL);
		else if (c > 0)
			attr_add(l, "addresses", NULL,
				 arena_strdup(l->a, ipaddr_print(&b->addresses[j], text)));
		i += c <= 0;
		j += c >= 0;
	}
}

static void add_attrs(struct attr_list *l, const struct record *a, const struct record *b)
{
	if (!a || !b || wgkey_cmp(&a->key, &b->key))
		attr_add(l, "public_key", attr_key(l, a ? &a->key : NULL),
			 attr_key(l, b ? &b->key : NULL));
	add_addresses(l, a, b);
	if (!a || !b || strcmp(a->gateway, b->gateway) != 0)
		attr_add(l, "gateway", a ? a->gateway : NULL, b ? b->gateway : NULL);
}

static const struct record *client_of(const struct side *s, uint32_t id)
{
	const struct record *r = s->records[id];

	return r && r->gateway ? r : NULL;
}

static int cmp_clients(const void *pa, const void *pb)
{
	static const int order[] = { [PLAN_REMOVE] = 0, [PLAN_CHANGE] = 1, [PLAN_ADD] = 2 };
	const struct plan_client *a = pa, *b = pb;

	if (a->action != b->action)
		return order[a->action] - order[b->action];
	return strcmp(a->name, b->name);
}

int plan_clients(struct plan_work *w, uint32_t only, struct plan *ret)
{
	struct plan_client *list = NULL;
	size_t n = 0;
	uint32_t id;

	for (id = 0; id < w->n; id++)
		n += client_of(&w->sides[OLD], id) || client_of(&w->sides[NEW], id);
	list = arena_array(w->out, n, sizeof(*list));
	if (!list)
		return -1;
	for (n = 0, id = 0; id < w->n; id++) {
		const struct record *a = client_of(&w->sides[OLD], id),
				    *b = client_of(&w->sides[NEW], id);
		struct attr_list l = { .a = w->out };

		if ((!a && !b) || (only != NO_ID && only != id))
			continue;
		add_attrs(&l, a, b);
		if (l.failed)
			return -1;
		ret->clients_added += !a;
		ret->clients_removed += !b;
		ret->clients_changed += a && b && l.n;
		ret->clients_unchanged += a && b && !l.n;
		if (!l.n)
			continue;
		list[n++] = (struct plan_client){ .action = !a ? PLAN_ADD :
							    !b ? PLAN_REMOVE :
								 PLAN_CHANGE,
						  .name = w->names[id],
						  .attrs = l.v,
						  .n_attrs = l.n };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_clients);
	ret->clients = list;
	ret->n_clients = n;
	return 0;
}
