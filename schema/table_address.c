/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

/* The first address of a prefix means the prefix itself, where there are others. */
static void step_inside(struct ifaddr *a)
{
	struct prefix p = prefix_of_ifaddr(a);
	unsigned int bits = family_bits(p.family);

	if (bits - p.len >= 2 && !memcmp(p.b, a->addr.b, sizeof(p.b)))
		a->addr.b[bits / 8 - 1]++;
}

static bool parse_address(struct decode *c, const struct field *f, const struct yaml_node *v,
			  struct m_addr *ret)
{
	char shown[YAML_SHOWN], text[IPADDR_STRLEN];
	struct ifaddr with_len;

	if (!want_scalar(c, NULL, v, "an IP address"))
		return false;
	yaml_show(v, shown);
	if (ipaddr_parse(v->text, v->n, &ret->addr) < 0) {
		bool ok = ifaddr_parse(v->text, v->n, &with_len) == 0;

		if (ok && f->flags & FIELD_WHOLE &&
		    with_len.len < family_bits(with_len.addr.family)) {
			step_inside(&with_len);
			*ret = (struct m_addr){ with_len.addr, yaml_pos(v), with_len.len };
			return true;
		}
		if (ok && f->flags & FIELD_WHOLE)
			TELL(c, v, ("`%s` is one address", shown),
			     ("write %s", ipaddr_print(&with_len.addr, text)));
		else if (ok)
			TELL(c, v,
			     ("`%s` has a prefix length; an address here is a plain IP", shown),
			     ("write %s: the interface gets it with the length of the pool",
			      ipaddr_print(&with_len.addr, text)));
		else
			TELL(c, v, ("`%s` is not an IP address", shown),
			     ("write it like 10.20.0.1 or fd20::1, without leading zeros"));
		return false;
	}
	ret->pos = yaml_pos(v);
	return true;
}

void read_addresses(struct decode *c, const struct field *f, const struct yaml_node *key,
		    const struct yaml_node *v, void *obj)
{
	struct m_addr *list;
	size_t n = 0, j;
	uint32_t i;

	*MEMBER(bool, obj, f->has) = true;
	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < v->n; i++) {
		if (!parse_address(c, f, &v->items[i], &list[n]))
			continue;
		for (j = 0; j < n && ipaddr_cmp(&list[j].addr, &list[n].addr); j++)
			;
		if (j < n)
			yaml_duplicate(c->diag, &v->items[i], list[j].pos);
		else
			n++;
	}
	*MEMBER(struct m_addr *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

bool parse_prefix(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		  struct prefix *ret, struct pos *ret_pos)
{
	char shown[YAML_SHOWN], text[PREFIX_STRLEN];
	struct ipaddr bare;
	bool host_bits;

	if (!want_scalar(c, key, v, "a prefix"))
		return false;
	yaml_show(v, shown);
	if (prefix_parse(v->text, v->n, ret, &host_bits) < 0) {
		struct prefix p;

		if (ipaddr_parse(v->text, v->n, &bare) == 0) {
			p = prefix_of_addr(&bare);
			TELL(c, v, ("`%s` has no prefix length", shown),
			     ("write %s for this address alone", prefix_print(&p, text)));
		} else {
			TELL(c, v, ("`%s` is not a prefix", shown),
			     ("write it like 10.20.0.0/16 or fd20::/64, without leading zeros"));
		}
		return false;
	}
	if (host_bits) {
		TELL(c, v, ("`%s` has bits set behind its prefix length", shown),
		     ("write %s", prefix_print(ret, text)));
		return false;
	}
	*ret_pos = yaml_pos(v);
	return true;
}

/* A prefix, or a single address that stands for its own. */
static bool parse_range(struct decode *c, const struct yaml_node *v, struct prefix *ret,
			struct pos *ret_pos)
{
	struct ipaddr bare;

	if (v->kind != YAML_NODE_SCALAR || ipaddr_parse(v->text, v->n, &bare) < 0)
		return parse_prefix(c, NULL, v, ret, ret_pos);
	*ret = prefix_of_addr(&bare);
	*ret_pos = yaml_pos(v);
	return true;
}

void read_prefix(struct decode *c, const struct field *f, const struct yaml_node *key,
		 const struct yaml_node *v, void *obj)
{
	parse_prefix(c, key, v, MEMBER(struct prefix, obj, f->value),
		     MEMBER(struct pos, obj, f->pos));
}

static int cmp_prefix_at(const void *pa, const void *pb)
{
	const struct m_prefix *a = *(const struct m_prefix *const *)pa,
			      *b = *(const struct m_prefix *const *)pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : (a > b) - (a < b);
}

void check_twice(struct decode *c, const struct m_prefix *list, size_t n)
{
	const struct m_prefix **sorted;
	char text[PREFIX_STRLEN];
	size_t i;

	if (n < 2)
		return;
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted) {
		diag_nomem(c->diag);
		return;
	}
	for (i = 0; i < n; i++)
		sorted[i] = &list[i];
	qsort(sorted, n, sizeof(*sorted), cmp_prefix_at);
	for (i = 1; i < n; i++) {
		struct diag_entry *e;

		if (prefix_cmp(&sorted[i - 1]->prefix, &sorted[i]->prefix))
			continue;
		e = diag_error(c->diag, sorted[i]->pos, "`%s` is given twice",
			       prefix_print(&sorted[i]->prefix, text));
		diag_other(c->diag, e, sorted[i - 1]->pos, "it is given here already");
	}
	free(sorted);
}

void read_prefixes(struct decode *c, const struct field *f, const struct yaml_node *key,
		   const struct yaml_node *v, void *obj)
{
	struct m_prefix *list;
	size_t n = 0;
	uint32_t i;

	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < v->n; i++)
		n += f->type == FIELD_RANGES ?
			     parse_range(c, &v->items[i], &list[n].prefix, &list[n].pos) :
			     parse_prefix(c, NULL, &v->items[i], &list[n].prefix, &list[n].pos);
	if (f->has)
		*MEMBER(bool, obj, f->has) = n < v->n;
	check_twice(c, list, n);
	*MEMBER(struct m_prefix *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

void read_routes(struct decode *c, const struct field *f, const struct yaml_node *key,
		 const struct yaml_node *v, void *obj)
{
	struct m_prefix *prefixes;
	struct m_route *list;
	size_t n = 0;
	uint32_t i;

	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	prefixes = calloc(v->n ? v->n : 1, sizeof(*prefixes));
	if (!prefixes) {
		diag_nomem(c->diag);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *item = &v->items[i];
		struct m_route r = { 0 };

		if (item->kind == YAML_NODE_MAP)
			table_decode(c, f->table, item, yaml_pos(item), &r);
		else if (!parse_prefix(c, NULL, item, &r.prefix, &r.pos))
			continue;
		/* Without a prefix: that was told. */
		if (!r.pos.source)
			continue;
		prefixes[n] = (struct m_prefix){ r.prefix, r.pos };
		list[n++] = r;
	}
	check_twice(c, prefixes, n);
	free(prefixes);
	*MEMBER(struct m_route *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}
