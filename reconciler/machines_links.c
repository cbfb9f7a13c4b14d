/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routed links of machines that are in several networks: no two of their interfaces may have one
 * name or one port, and what transfer networks come from overlaps with no pool of another network.
 */
#include "reconciler/machines.h"

#include "common/limits.h"
#include "schema/machines.h"

/* A name or a port that an interface of a machine takes. */
struct claim {
	const struct tenant *tenant;
	const char *interface;
	uint16_t port;
	const char *peer; /* of a routed link; NULL: the main interface */
};

struct checker {
	struct arena arena;
	const struct model *model;
	const struct network *const *compiled;
	struct tenant *tenants; /* sorted by machine */
	struct tenant *by_node; /* the same, by network and node */
	size_t n_tenants;
	struct claim *claims;
	size_t n_claims;
	struct diag *diag;
	bool nomem;
};

static size_t network_index(const struct checker *x, const struct m_network *n)
{
	return (size_t)(n - x->model->networks);
}

static int cmp_by_node(const void *pa, const void *pb)
{
	const struct tenant *a = pa, *b = pb;

	if (a->network != b->network)
		return a->network < b->network ? -1 : 1;
	return strcmp(a->node->name, b->node->name);
}

static const struct tenant *find_tenant(const struct checker *x, const struct m_network *n,
					const char *name)
{
	struct m_node node = { .name = name };
	struct tenant key = { .network = n, .node = &node };

	return bsearch(&key, x->by_node, x->n_tenants, sizeof(*x->by_node), cmp_by_node);
}

static void add_claim(struct checker *x, struct claim c)
{
	struct claim *list = arena_grow(&x->arena, x->claims, x->n_claims, sizeof(*list));

	if (!list) {
		x->nomem = true;
		return;
	}
	x->claims = list;
	list[x->n_claims++] = c;
}

static void add_network(struct checker *x, const struct m_network *m, const struct network *n)
{
	size_t i, end;

	for (i = 0; i < n->n_nodes && !x->nomem; i++) {
		const struct node *node = &n->nodes[i];
		const struct tenant *t = find_tenant(x, m, node->name);

		if (t)
			add_claim(x,
				  (struct claim){ t, node->interface.s, node->listen_port, NULL });
	}
	for (i = 0; i < 2 * n->n_routed && !x->nomem; i++) {
		const struct routed_link *l = &n->routed[i / 2];
		const struct tenant *t;

		end = i % 2;
		t = l->freed ? NULL : find_tenant(x, m, l->name[end]);
		if (t)
			add_claim(x, (struct claim){ t, l->end[end].interface.s, l->end[end].port,
						     l->name[!end] });
	}
}

/* Where a network says what the claim comes from. */
static struct pos place_of(const struct claim *c, bool port)
{
	const struct m_network *n = c->tenant->network;
	const struct m_node *node = c->tenant->node;
	size_t i;

	if (!c->peer) {
		if (port)
			return node->listen_port.set ? node->listen_port.pos :
			       n->listen_port.set    ? n->listen_port.pos :
						       node->pos;
		return node->has_interface ? node->interface_pos :
		       n->has_interface	   ? n->interface_pos :
					     node->pos;
	}
	if (port && n->routed.ports.set)
		return n->routed.ports.pos;
	if (!port && n->routed.interface_prefix.pos.source)
		return n->routed.interface_prefix.pos;
	for (i = 0; i < n->n_topology; i++)
		if (n->topology[i].interface_per_link)
			return n->topology[i].interface_per_link_pos;
	return node->pos;
}

static void describe(const struct claim *c, char *out, size_t size)
{
	if (c->peer)
		snprintf(out, size, "the routed link of `%s` and `%s` in network `%s`",
			 c->tenant->node->name, c->peer, c->tenant->network->name);
	else
		snprintf(out, size, "node `%s` of network `%s`", c->tenant->node->name,
			 c->tenant->network->name);
}

static void tell(struct checker *x, const struct claim *a, const struct claim *b, bool port)
{
	char one[3 * MAX_NAME + 64], two[3 * MAX_NAME + 64];
	struct diag_entry *e;

	describe(a, one, sizeof(one));
	describe(b, two, sizeof(two));
	if (port)
		e = diag_error(x->diag, place_of(b, port),
			       "on machine `%s` %s and %s have the same port %u",
			       a->tenant->machine, one, two, a->port);
	else
		e = diag_error(x->diag, place_of(b, port),
			       "on machine `%s` %s and %s have the same interface %s",
			       a->tenant->machine, one, two, a->interface);
	diag_other(x->diag, e, place_of(a, port), "the other one");
	diag_help(
		x->diag, e,
		port ? "give the `routed_links` of one of the networks other `ports`" :
		       "give the `routed_links` of one of the networks another `interface_prefix`");
}

static int cmp_machine(const struct claim *a, const struct claim *b)
{
	return strcmp(a->tenant->machine, b->tenant->machine);
}

static int cmp_rest(const struct claim *a, const struct claim *b)
{
	if (a->tenant->network != b->tenant->network)
		return a->tenant->network < b->tenant->network ? -1 : 1;
	return !a->peer || !b->peer ? !!a->peer - !!b->peer : strcmp(a->peer, b->peer);
}

static int cmp_names(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int c = cmp_machine(a, b);

	if (!c)
		c = strcmp(a->interface, b->interface);
	return c ? c : cmp_rest(a, b);
}

static int cmp_ports(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int c = cmp_machine(a, b);

	if (!c)
		c = (int)a->port - (int)b->port;
	return c ? c : cmp_rest(a, b);
}

/* Two networks that clash once do so at many links: the first is told. */
static void check_claims(struct checker *x, bool port)
{
	size_t n = x->model->n_networks, i, p, q;
	bool *told = arena_array(&x->arena, n * n, sizeof(*told));

	if (!told) {
		x->nomem = true;
		return;
	}
	if (x->n_claims > 1)
		qsort(x->claims, x->n_claims, sizeof(*x->claims), port ? cmp_ports : cmp_names);
	for (i = 1; i < x->n_claims; i++) {
		const struct claim *a = &x->claims[i - 1], *b = &x->claims[i];

		/* Main interfaces among themselves: schema/machines.h. One network: the compiler.
		 */
		if (cmp_machine(a, b) || a->tenant->network == b->tenant->network ||
		    (!a->peer && !b->peer) ||
		    (port ? a->port != b->port : strcmp(a->interface, b->interface) != 0))
			continue;
		p = network_index(x, a->tenant->network);
		q = network_index(x, b->tenant->network);
		if (!told[p * n + q])
			tell(x, a, b, port);
		told[p * n + q] = true;
	}
}

static void check_pools(struct checker *x, const struct m_network *a, const struct m_prefix *list,
			size_t n, const char *what, const struct m_network *b)
{
	char one[PREFIX_STRLEN], two[PREFIX_STRLEN];
	struct diag_entry *e;
	size_t i, j;

	for (i = 0; i < b->routed.n_transfer; i++) {
		const struct m_prefix *p = &b->routed.transfer[i];

		for (j = 0; j < n; j++) {
			if (!prefix_overlaps(&p->prefix, &list[j].prefix))
				continue;
			e = diag_error(
				x->diag, p->pos,
				"the transfer pool %s of network `%s` overlaps with the %s %s of "
				"network `%s`, and they share a machine",
				prefix_print(&p->prefix, one), b->name, what,
				prefix_print(&list[j].prefix, two), a->name);
			diag_other(x->diag, e, list[j].pos, "the other one");
		}
	}
}

/* Networks that share a machine, each pair once. */
static void check_all_pools(struct checker *x)
{
	size_t n = x->model->n_networks, i, j, k, end;
	bool *done = arena_array(&x->arena, n * n, sizeof(*done));

	if (!done) {
		x->nomem = true;
		return;
	}
	for (i = 0; i < x->n_tenants; i = end) {
		end = machines_end(x->tenants, x->n_tenants, i);
		for (j = i; j < end; j++) {
			for (k = i; k < end; k++) {
				const struct m_network *a = x->tenants[j].network,
						       *b = x->tenants[k].network;
				size_t at = network_index(x, a) * n + network_index(x, b);

				if (a == b || done[at])
					continue;
				done[at] = true;
				check_pools(x, a, a->pools, a->n_pools, "pool", b);
				/* Of two transfer pools once. */
				if (a < b)
					check_pools(x, a, a->routed.transfer, a->routed.n_transfer,
						    "transfer pool", b);
			}
		}
	}
}

static bool any_links(const struct model *m)
{
	size_t i, j;

	for (i = 0; i < m->n_networks; i++)
		for (j = 0; j < m->networks[i].n_topology; j++)
			if (m->networks[i].topology[j].interface_per_link)
				return true;
	return false;
}

static void check(struct checker *x)
{
	size_t i;

	x->by_node = arena_array(&x->arena, x->n_tenants, sizeof(*x->by_node));
	if (!x->by_node) {
		x->nomem = true;
		return;
	}
	memcpy(x->by_node, x->tenants, x->n_tenants * sizeof(*x->by_node));
	qsort(x->by_node, x->n_tenants, sizeof(*x->by_node), cmp_by_node);
	for (i = 0; i < x->model->n_networks; i++)
		if (x->compiled[i])
			add_network(x, &x->model->networks[i], x->compiled[i]);
	check_claims(x, false);
	check_claims(x, true);
	check_all_pools(x);
}

void machines_check_links(const struct model *m, const struct network *const *compiled,
			  struct diag *d)
{
	struct checker x = { .model = m, .compiled = compiled, .diag = d };

	if (!any_links(m))
		return;
	arena_init(&x.arena);
	x.nomem = machines_tenants(m, &x.tenants, &x.n_tenants) < 0;
	if (!x.nomem && x.n_tenants)
		check(&x);
	if (x.nomem)
		diag_nomem(d);
	free(x.tenants);
	arena_release(&x.arena);
}
