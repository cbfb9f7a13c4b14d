/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links_impl.h"

#include "publication/routed.h"

/* A transfer network that a link has, or one that is gone had. */
struct transfer_use {
	struct prefix transfer;
	bool reused;
	size_t line; /* in links, or in spare when it was freed */
	size_t at; /* which one of the spare one's */
	uint64_t freed; /* 0: in use */
};

void links_transfer_keep(struct link_maker *x, const struct routed_link *was, struct prefix *ret)
{
	size_t i, j;

	for (i = 0; i < x->m->routed.n_transfer; i++)
		for (j = 0; j < was->n_transfer && !ret[i].len; j++)
			if (prefix_contains(&x->m->routed.transfer[i].prefix, &was->transfer[j]))
				ret[i] = was->transfer[j];
}

static int cmp_uses(const void *pa, const void *pb)
{
	const struct transfer_use *a = pa, *b = pb;
	int c = prefix_cmp(&a->transfer, &b->transfer);

	if (c)
		return c;
	if (a->freed != b->freed)
		return a->freed < b->freed ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static struct transfer_use *find_uses(struct link_maker *x, size_t pool, size_t *ret_n)
{
	const struct prefix *p = &x->m->routed.transfer[pool].prefix;
	size_t room = x->n, i, j, n = 0;
	struct transfer_use *list;

	for (i = 0; i < x->n_spare; i++)
		room += x->spare[i].n_transfer;
	list = links_get(x, room, sizeof(*list));
	for (i = 0; list && i < x->n; i++)
		if (x->transfer[i][pool].len)
			list[n++] = (struct transfer_use){ .transfer = x->transfer[i][pool],
							   .line = i };
	for (i = 0; list && i < x->n_spare; i++)
		for (j = 0; j < x->spare[i].n_transfer; j++)
			if (x->spare_transfer[i][j].len &&
			    prefix_contains(p, &x->spare_transfer[i][j]))
				list[n++] =
					(struct transfer_use){ .transfer = x->spare_transfer[i][j],
							       .freed = x->spare[i].freed,
							       .line = i,
							       .at = j };
	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_uses);
	*ret_n = n;
	return list;
}

/* Walks a pool upwards past everything that is or was somebody's. */
struct transfer_cursor {
	struct prefix next;
	bool exhausted;
	size_t at;
};

/* Two addresses on; false when that leaves the pool. */
static bool step(struct prefix *p, const struct prefix *pool)
{
	int i = (int)family_bits(p->family) / 8 - 1;

	p->b[i] = (uint8_t)(p->b[i] + 2);
	while (!p->b[i] && --i >= 0)
		p->b[i]++;
	return i >= 0 && prefix_contains(pool, p);
}

static bool next_transfer(struct transfer_cursor *c, const struct prefix *pool,
			  const struct transfer_use *uses, size_t n, struct prefix *ret)
{
	while (!c->exhausted) {
		struct prefix p = c->next;

		c->exhausted = !step(&c->next, pool);
		while (c->at < n && prefix_cmp(&uses[c->at].transfer, &p) < 0)
			c->at++;
		if (c->at < n && !prefix_cmp(&uses[c->at].transfer, &p))
			continue;
		*ret = p;
		return true;
	}
	return false;
}

static bool oldest_transfer(const struct link_maker *x, struct transfer_use *uses, size_t n,
			    struct prefix *ret)
{
	struct transfer_use *best = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		struct transfer_use *u = &uses[i];

		if (!u->freed || u->reused || (i && !prefix_cmp(&u[-1].transfer, &u->transfer)))
			continue;
		if (!best || u->freed < best->freed)
			best = u;
	}
	if (!best)
		return false;
	*ret = best->transfer;
	for (i = 0; i < n; i++)
		if (uses[i].freed && !prefix_cmp(&uses[i].transfer, ret)) {
			uses[i].reused = true;
			x->spare_transfer[uses[i].line][uses[i].at].len = 0;
		}
	return true;
}

static void make_transfer(struct link_maker *x, size_t pool)
{
	const struct m_prefix *p = &x->m->routed.transfer[pool];
	struct transfer_cursor c = { .next = p->prefix };
	char text[PREFIX_STRLEN];
	size_t n = 0, i;
	struct transfer_use *uses = find_uses(x, pool, &n);

	c.next.len = (uint8_t)(family_bits(p->prefix.family) - 1);
	for (i = 1; uses && i < n; i++)
		if (!uses[i].freed && !prefix_cmp(&uses[i - 1].transfer, &uses[i].transfer))
			x->transfer[uses[i].line][pool].len = 0;
	for (i = 0; uses && i < x->n; i++) {
		struct prefix *ret = &x->transfer[i][pool];

		if (ret->len || next_transfer(&c, &p->prefix, uses, n, ret) ||
		    oldest_transfer(x, uses, n, ret))
			continue;
		diag_help(x->diag,
			  diag_error(
				  x->diag, p->pos,
				  "the pool %s has no transfer network left for the routed link of "
				  "`%s` and `%s`",
				  prefix_print(&p->prefix, text), x->links[i].name[0],
				  x->links[i].name[1]),
			  "write a wider pool (a shorter prefix): each link takes two addresses");
		return;
	}
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* All that a link has, of each pool and its own, as it is published. */
static void fill_transfer(struct link_maker *x, size_t i)
{
	size_t n = x->m->routed.n_transfer;

	if (x->m->routed.link_local)
		x->transfer[i][n++] = routed_link_local;
	if (n > 1)
		qsort(x->transfer[i], n, sizeof(**x->transfer), cmp_prefixes);
	x->links[i].transfer = x->transfer[i];
	x->links[i].n_transfer = n;
}

void links_transfer(struct link_maker *x)
{
	size_t i;

	for (i = 0; !x->nomem && i < x->m->routed.n_transfer; i++)
		make_transfer(x, i);
	for (i = 0; !x->nomem && i < x->n; i++)
		fill_transfer(x, i);
}
