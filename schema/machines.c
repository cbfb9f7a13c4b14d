/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/machines.h"

#include "common/buf.h"
#include "common/limits.h"

enum clash_kind {
	CLASH_PORT,
	CLASH_INTERFACE,
	CLASH_ENDPOINT,
	CLASH_POOL,
	CLASH_EXIT,
	CLASH_NETWORK
};

/* What two nodes on one machine both have. When it is their networks that say so, it is told once,
 * however many machines are in both. */
struct clash {
	enum clash_kind kind;
	const struct tenant *a, *b;
	struct pos pos_a, pos_b;
	const void *from_a, *from_b; /* the node, network or pool that says it */
	const struct m_prefix *pool_a, *pool_b;
	size_t machines;
};

/* One thing of one node, to be compared with those of the others on its machine. */
struct claim {
	const struct tenant *tenant;
	struct pos pos;
	const void *from;
	uint64_t port;
	const char *text; /* an interface's name, or an endpoint's host */
	const struct m_prefix *pool;
};

struct checker {
	struct arena arena;
	struct diag *diag;
	struct clash *clashes;
	size_t n_clashes;
	struct claim *claims;
	size_t n_claims;
	bool nomem;
};

/* ---- who shares a machine ---- */

static int cmp_tenants(const void *pa, const void *pb)
{
	const struct tenant *a = pa, *b = pb;
	int c = strcmp(a->machine, b->machine);

	if (c)
		return c;
	/* Both arrays of the model are sorted by name. */
	if (a->network != b->network)
		return a->network < b->network ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

size_t machines_end(const struct tenant *list, size_t n, size_t from)
{
	size_t end = from + 1;

	while (end < n && !strcmp(list[from].machine, list[end].machine))
		end++;
	return end;
}

int machines_tenants(const struct model *m, struct tenant **ret, size_t *ret_n)
{
	size_t i, j, n = 0, kept = 0, end;
	struct tenant *list;
	bool named = false;

	*ret = NULL;
	*ret_n = 0;
	for (i = 0; i < m->n_networks; i++) {
		n += m->networks[i].n_nodes;
		for (j = 0; j < m->networks[i].n_nodes && !named; j++)
			named = m->networks[i].nodes[j].machine.s != NULL;
	}
	if (n < 2 || (m->n_networks < 2 && !named))
		return 0;
	list = malloc(n * sizeof(*list));
	if (!list)
		return -1;
	for (i = 0, n = 0; i < m->n_networks; i++)
		for (j = 0; j < m->networks[i].n_nodes; j++) {
			const struct m_node *node = &m->networks[i].nodes[j];

			list[n++] = (struct tenant){ m_node_machine(node), &m->networks[i], node };
		}
	qsort(list, n, sizeof(*list), cmp_tenants);
	for (i = 0; i < n; i = end) {
		end = machines_end(list, n, i);
		for (j = i; j < end && end - i > 1; j++)
			list[kept++] = list[j];
	}
	if (!kept) {
		free(list);
		return 0;
	}
	*ret = list;
	*ret_n = kept;
	return 0;
}

/* ---- what they claim ---- */

static void claim(struct checker *x, const struct claim *c)
{
	struct claim *list = arena_grow(&x->arena, x->claims, x->n_claims, sizeof(*list));

	if (!list) {
		x->nomem = true;
		return;
	}
	x->claims = list;
	list[x->n_claims++] = *c;
}

static uint64_t port_of(const struct tenant *t, const struct m_uint **ret_said)
{
	*ret_said = t->node->listen_port.set	? &t->node->listen_port :
		    t->network->listen_port.set ? &t->network->listen_port :
						  NULL;
	return *ret_said ? (*ret_said)->v : DEFAULT_LISTEN_PORT;
}

static void claim_port(struct checker *x, const struct tenant *t)
{
	const struct m_uint *said;
	struct claim c = { .tenant = t, .port = port_of(t, &said), .from = t->network };

	c.pos = said ? said->pos : t->node->pos;
	if (t->node->listen_port.set)
		c.from = t->node;
	claim(x, &c);
}

static void claim_interface(struct checker *x, const struct tenant *t)
{
	struct claim c = { .tenant = t, .from = t->network };

	if (t->node->has_interface) {
		c.text = t->node->interface.s;
		c.pos = t->node->interface_pos;
		c.from = t->node;
	} else if (t->network->has_interface) {
		c.text = t->network->interface.s;
		c.pos = t->network->interface_pos;
	} else {
		c.text = t->network->name;
		c.pos = t->node->pos;
	}
	claim(x, &c);
}

static void claim_one_endpoint(struct checker *x, const struct tenant *t, const struct endpoint *e,
			       struct pos pos)
{
	const struct m_uint *said;
	struct claim c = { .tenant = t, .pos = pos, .from = e, .text = e->host };

	if (!e->host)
		return;
	c.port = e->port ? e->port : port_of(t, &said);
	claim(x, &c);
}

static void claim_endpoints(struct checker *x, const struct tenant *t)
{
	size_t i;

	claim_one_endpoint(x, t, &t->node->endpoint, t->node->endpoint_pos);
	for (i = 0; i < t->node->n_seen; i++)
		claim_one_endpoint(x, t, &t->node->seen[i].endpoint, t->node->seen[i].pos);
}

static void claim_pools(struct checker *x, const struct tenant *t)
{
	size_t i;

	for (i = 0; i < t->network->n_pools; i++) {
		const struct m_prefix *p = &t->network->pools[i];
		struct claim c = { .tenant = t, .pos = p->pos, .from = p, .pool = p };

		claim(x, &c);
	}
}

/* Where the operator has a table of their own, what leads there is theirs too. */
static void claim_exit(struct checker *x, const struct tenant *t)
{
	struct claim c = { .tenant = t, .pos = t->node->exit_node.pos, .from = t->node };

	if (t->node->exit_node.s && !t->node->table.set && !t->network->table.set)
		claim(x, &c);
}

/* ---- clashes ---- */

static bool same_clash(const struct clash *a, const struct clash *b)
{
	return a->kind == b->kind && a->from_a == b->from_a && a->from_b == b->from_b;
}

static void add_clash(struct checker *x, enum clash_kind kind, const struct claim *a,
		      const struct claim *b)
{
	struct clash c = { kind,    a->tenant, b->tenant, a->pos,  b->pos,
			   a->from, b->from,   a->pool,	  b->pool, 1 };
	struct clash *list;
	size_t i;

	/* The latest are the ones that repeat: one pair of networks clashes on machine after
	 * machine. */
	for (i = x->n_clashes; i > 0 && x->n_clashes - i < MAX_DIAGS; i--)
		if (same_clash(&x->clashes[i - 1], &c)) {
			x->clashes[i - 1].machines++;
			return;
		}
	list = arena_grow(&x->arena, x->clashes, x->n_clashes, sizeof(*list));
	if (!list) {
		x->nomem = true;
		return;
	}
	x->clashes = list;
	list[x->n_clashes++] = c;
}

static int cmp_claims(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int c = a->pool ? prefix_cmp(&a->pool->prefix, &b->pool->prefix) :
		a->text ? strcmp(a->text, b->text) :
			  0;

	if (!c)
		c = (a->port > b->port) - (a->port < b->port);
	return c ? c : (a->tenant > b->tenant) - (a->tenant < b->tenant);
}

static bool clashes(const struct claim *a, const struct claim *b)
{
	if (a->tenant->network == b->tenant->network)
		return false;
	if (a->pool)
		return prefix_contains(&a->pool->prefix, &b->pool->prefix);
	return a->port == b->port && (!a->text || !strcmp(a->text, b->text));
}

/* Two endpoints without a port clash by their listen ports, which is told. */
static bool told_as_port(const struct claim *a, const struct claim *b)
{
	const struct m_uint *said;

	return port_of(a->tenant, &said) == port_of(b->tenant, &said);
}

/* Compares what all nodes of one machine claim. */
static void compare(struct checker *x, enum clash_kind kind)
{
	const struct claim *first = NULL;
	size_t i;

	if (x->n_claims > 1)
		qsort(x->claims, x->n_claims, sizeof(*x->claims), cmp_claims);
	/* What equals a claim, or lies inside its pool, comes right behind it. */
	for (i = 0; i < x->n_claims; i++) {
		const struct claim *c = &x->claims[i];

		if (!first || !clashes(first, c)) {
			if (!first || !first->pool ||
			    !prefix_contains(&first->pool->prefix, &c->pool->prefix))
				first = c;
			continue;
		}
		if (kind == CLASH_ENDPOINT && told_as_port(first, c))
			continue;
		if (first->tenant < c->tenant)
			add_clash(x, kind, first, c);
		else
			add_clash(x, kind, c, first);
	}
	x->claims = NULL;
	x->n_claims = 0;
}

static void check_machine(struct checker *x, const struct tenant *list, size_t n)
{
	static void (*const claims[])(struct checker *, const struct tenant *) = {
		[CLASH_PORT] = claim_port,	    [CLASH_INTERFACE] = claim_interface,
		[CLASH_ENDPOINT] = claim_endpoints, [CLASH_POOL] = claim_pools,
		[CLASH_EXIT] = claim_exit,
	};
	size_t i, k;

	for (k = 0; k < ARRAY_LEN(claims); k++) {
		for (i = 0; i < n; i++)
			claims[k](x, &list[i]);
		compare(x, (enum clash_kind)k);
	}
	for (i = 1; i < n; i++) {
		struct claim a = { .tenant = &list[i - 1],
				   .pos = list[i - 1].node->pos,
				   .from = list[i - 1].node },
			     b = { .tenant = &list[i],
				   .pos = list[i].node->pos,
				   .from = list[i].node };

		if (list[i - 1].network == list[i].network)
			add_clash(x, CLASH_NETWORK, &a, &b);
	}
}

/* ---- telling ---- */

static const char *interface_of(const struct tenant *t)
{
	return t->node->has_interface	 ? t->node->interface.s :
	       t->network->has_interface ? t->network->interface.s :
					   t->network->name;
}

/* What is wrong, without where: "`fra1` of network `prod` would ..., as `fra1` of network `lab`" */
static struct diag_entry *tell_what(struct diag *d, const struct clash *c, const char *where,
				    const char **ret_mend)
{
	const char *node_a = c->a->node->name, *net_a = c->a->network->name,
		   *node_b = c->b->node->name, *net_b = c->b->network->name;
	char text[PREFIX_STRLEN], other[PREFIX_STRLEN];
	const struct m_uint *said;

	switch (c->kind) {
	case CLASH_PORT:
		*ret_mend = "give one of them, or its network, another `listen_port`";
		return diag_error(d, c->pos_b,
				  "`%s` of network `%s` would listen on UDP port %u, as `%s` of "
				  "network `%s` does %s",
				  node_b, net_b, (unsigned int)port_of(c->b, &said), node_a, net_a,
				  where);
	case CLASH_INTERFACE:
		*ret_mend = "give one of them another `interface`";
		return diag_error(d, c->pos_b,
				  "`%s` of network `%s` would have the interface `%s`, as `%s` of "
				  "network `%s` does %s",
				  node_b, net_b, interface_of(c->b), node_a, net_a, where);
	case CLASH_ENDPOINT:
		*ret_mend =
			"one port leads to one of them: give one another port in its `endpoint`";
		return diag_error(d, c->pos_b,
				  "`%s` of network `%s` has the same endpoint as `%s` of network "
				  "`%s` %s",
				  node_b, net_b, node_a, net_a, where);
	case CLASH_POOL:
		*ret_mend = "choose pools that do not overlap";
		prefix_print(&c->pool_b->prefix, text);
		prefix_print(&c->pool_a->prefix, other);
		if (!strcmp(node_a, node_b))
			return diag_error(
				d, c->pos_b,
				"the pool %s of network `%s` overlaps %s of network `%s`, "
				"and `%s` is in both, %s",
				text, net_b, other, net_a, node_b, where);
		return diag_error(
			d, c->pos_b,
			"the pool %s of network `%s` overlaps %s of network `%s`, and `%s` "
			"and `%s` are %s",
			text, net_b, other, net_a, node_b, node_a, where);
	case CLASH_EXIT:
		*ret_mend =
			"what is for everywhere goes one way: leave one `exit_node` out, or give it "
			"a `table`";
		return diag_error(
			d, c->pos_b,
			"`%s` of network `%s` has an exit, as `%s` of network `%s` has %s", node_b,
			net_b, node_a, net_a, where);
	case CLASH_NETWORK:
		break;
	}
	*ret_mend = "a machine is in a network once: make them one node";
	return diag_error(d, c->pos_b, "`%s` and `%s` of network `%s` are %s", node_a, node_b,
			  net_b, where);
}

static void tell(struct diag *d, const struct clash *c)
{
	const char *machine = c->b->machine, *mend;
	struct diag_entry *e;
	struct buf where;

	buf_init(&where, 512);
	buf_adds(&where, "on the same machine");
	if (strcmp(c->a->node->name, machine) != 0 || strcmp(c->b->node->name, machine) != 0)
		buf_addf(&where, ", `%s`", machine);
	if (c->machines > 1)
		buf_addf(&where, " (and so on %zu more)", c->machines - 1);
	e = tell_what(d, c, where.data ? where.data : "", &mend);
	diag_other(d, e, c->pos_a, "`%s` of network `%s`", c->a->node->name, c->a->network->name);
	diag_help(d, e, "%s; if these are two machines, give one of the nodes another `machine`",
		  mend);
	buf_release(&where);
}

void machines_check(const struct model *m, struct diag *d)
{
	struct checker x = { .diag = d };
	struct tenant *list;
	size_t n, i, end;

	arena_init(&x.arena);
	x.nomem = machines_tenants(m, &list, &n) < 0;
	for (i = 0; i < n && !x.nomem; i = end) {
		end = machines_end(list, n, i);
		check_machine(&x, list + i, end - i);
	}
	for (i = 0; i < x.n_clashes && !x.nomem; i++)
		tell(d, &x.clashes[i]);
	if (x.nomem)
		diag_nomem(d);
	free(list);
	arena_release(&x.arena);
}
