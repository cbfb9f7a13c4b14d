/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who gains and who loses by policy. Nodes and clients that the old and the new policy treat alike
 * are a kind; between two kinds the same comes and goes for all, so the rules are compared once,
 * and only then the ways of each pair are looked for.
 */
#include "reconciler/plan.h"
#include "reconciler/plan_view.h"
#include "reconciler/reach.h"

/* One that is in both networks. */
struct member {
	const char *name;
	bool client;
	uint32_t id[2];
	uint32_t class[2][2]; /* by side, as a source and as a destination */
	uint32_t kind[2]; /* as a source and as a destination */
};

struct kinds {
	uint32_t (*classes)[2]; /* by kind: the class on each side */
	size_t n;
};

/* Those of one kind that have the same way to the same others. */
struct row {
	uint32_t *from;
	size_t n_from;
	uint64_t *to; /* bits by member */
};

/* What one list of services has more than the other. */
struct change {
	struct service *on, *but;
	size_t n_on, n_but;
	bool any; /* everything but `but` */
};

struct entry {
	bool gained;
	struct change change;
	uint64_t *from, *to; /* bits by member */
	size_t words;
};

struct admissions {
	struct reach *reach[2];
	struct member *members; /* sorted by name */
	size_t n, words;
	struct kinds kinds[2];
	const char *only;
	bool same_ways; /* no peer entry changes anywhere */
	struct arena *out, tmp;
	struct plan *plan;
	size_t looked;
	struct entry *entries;
	size_t n_entries;
};

/* ---- members and kinds ---- */

static bool in(const struct network *n, const char *name)
{
	return network_record(n, name) != NULL;
}

static int member_class(struct reach *r, uint32_t id, bool to, uint32_t *ret)
{
	struct reach_end e = reach_node(id);

	return reach_class(r, &e, 0, to, ret);
}

static int find_members(struct admissions *x, const struct network *old, const struct network *new)
{
	size_t i, s, t;

	x->members = arena_array(&x->tmp, new->n_records, sizeof(*x->members));
	if (!x->members)
		return -1;
	for (i = 0; i < new->n_records; i++) {
		struct member *m = &x->members[x->n];

		if (!in(old, new->records[i].name))
			continue;
		m->name = new->records[i].name;
		m->client = new->records[i].gateway != NULL;
		for (s = OLD; s <= NEW; s++) {
			m->id[s] = reach_id(x->reach[s], m->name);
			for (t = 0; t < 2; t++)
				if (member_class(x->reach[s], m->id[s], t, &m->class[s][t]) < 0)
					return -1;
		}
		x->n++;
	}
	x->words = x->n / 64 + 1;
	return 0;
}

static int find_kinds(struct admissions *x, size_t t)
{
	struct kinds *k = &x->kinds[t];
	size_t i, j;

	for (i = 0; i < x->n; i++) {
		struct member *m = &x->members[i];
		uint32_t(*list)[2];

		for (j = 0; j < k->n; j++)
			if (k->classes[j][OLD] == m->class[OLD][t] &&
			    k->classes[j][NEW] == m->class[NEW][t])
				break;
		m->kind[t] = (uint32_t)j;
		if (j < k->n)
			continue;
		list = arena_grow(&x->tmp, k->classes, k->n, sizeof(*list));
		if (!list)
			return -1;
		k->classes = list;
		list[k->n][OLD] = m->class[OLD][t];
		list[k->n++][NEW] = m->class[NEW][t];
	}
	return 0;
}

/* ---- rows ---- */

static bool bit(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* 1: packets find their way before and after; -1: out of memory. */
static int joined(struct admissions *x, const struct member *a, const struct member *b)
{
	size_t s;

	if (x->looked++ >= MAX_ADMISSION_PAIRS) {
		x->plan->ways_unknown = true;
		return 1;
	}
	for (s = x->same_ways ? NEW : OLD; s <= NEW; s++) {
		struct reach_end from = reach_node(a->id[s]), to = reach_node(b->id[s]);
		enum reach_answer answer;

		if (reach_ways(x->reach[s], &from, &to, &answer, NULL, NULL) < 0)
			return -1;
		if (answer == REACH_NONE)
			return 0;
	}
	return 1;
}

/* Whom of a kind the member reaches; it itself counts as reached, so that rows of one kind with
 * itself are alike. 0 when nobody. */
static int reached(struct admissions *x, size_t who, uint32_t kind, uint64_t *bits)
{
	const struct member *a = &x->members[who];
	size_t i;
	int r, any = 0;

	memset(bits, 0, x->words * sizeof(*bits));
	for (i = 0; i < x->n; i++) {
		const struct member *b = &x->members[i];

		if (b->kind[1] != kind)
			continue;
		if (x->only && strcmp(a->name, x->only) != 0 && strcmp(b->name, x->only) != 0)
			continue;
		r = i == who ? 1 : joined(x, a, b);
		if (r < 0)
			return -1;
		if (!r)
			continue;
		set_bit(bits, i);
		any = 1;
	}
	return any;
}

static int add_to_row(struct admissions *x, struct row **rows, size_t *n, uint32_t who,
		      const uint64_t *bits)
{
	struct row *list = *rows;
	uint32_t *from;
	size_t i;

	for (i = 0; i < *n; i++)
		if (!memcmp(list[i].to, bits, x->words * sizeof(*bits)))
			break;
	if (i == *n) {
		list = arena_grow(&x->tmp, *rows, *n, sizeof(*list));
		if (!list)
			return -1;
		list[i] = (struct row){ .to = arena_array(&x->tmp, x->words, sizeof(*bits)) };
		if (!list[i].to)
			return -1;
		memcpy(list[i].to, bits, x->words * sizeof(*bits));
		*rows = list;
		(*n)++;
	}
	from = arena_grow(&x->tmp, list[i].from, list[i].n_from, sizeof(*from));
	if (!from)
		return -1;
	list[i].from = from;
	from[list[i].n_from++] = who;
	return 0;
}

static int find_rows(struct admissions *x, uint32_t from, uint32_t to, struct row **ret,
		     size_t *ret_n)
{
	uint64_t *bits = arena_array(&x->tmp, x->words, sizeof(*bits));
	size_t i;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (!bits)
		return -1;
	for (i = 0; i < x->n; i++) {
		if (x->members[i].kind[0] != from)
			continue;
		r = reached(x, i, to, bits);
		if (r < 0 || (r && add_to_row(x, ret, ret_n, (uint32_t)i, bits) < 0))
			return -1;
	}
	return 0;
}

/* ---- what comes and goes ---- */

static bool is_any(const struct service *list, size_t n)
{
	return n && list[0].kind == SERVICE_ANY;
}

/* -1: out of memory; 0: nothing; 1: something. */
static int compare(struct arena *a, struct service *more, size_t n_more, struct service *less,
		   size_t n_less, struct change *ret)
{
	*ret = (struct change){ .any = is_any(more, n_more) && !is_any(less, n_less) };
	if (ret->any) {
		ret->but = less;
		ret->n_but = n_less;
		return 1;
	}
	if (is_any(more, n_more))
		return 0;
	ret->on = arena_array(a, n_more + n_less, sizeof(*ret->on));
	if (!ret->on)
		return -1;
	ret->n_on = services_subtract(more, n_more, less, n_less, ret->on);
	return ret->n_on > 0;
}

static int emit(struct admissions *x, const struct row *row, bool gained, const struct change *c)
{
	struct entry *list, *e;
	uint64_t to = 0, itself = 0, pairs;
	size_t i;

	for (i = 0; i < x->n; i++)
		to += bit(row->to, i);
	for (i = 0; i < row->n_from; i++)
		itself += bit(row->to, row->from[i]);
	pairs = row->n_from * to - itself;
	if (!pairs)
		return 0;
	*(gained ? &x->plan->pairs_admitted : &x->plan->pairs_refused) += pairs;
	if (x->n_entries == MAX_PLAN_ADMISSIONS) {
		x->plan->admissions_cut++;
		return 0;
	}
	list = arena_grow(&x->tmp, x->entries, x->n_entries, sizeof(*list));
	if (!list)
		return -1;
	x->entries = list;
	e = &list[x->n_entries];
	*e = (struct entry){ .gained = gained, .change = *c, .words = x->words };
	e->from = arena_array(&x->tmp, x->words, sizeof(*e->from));
	e->to = arena_array(&x->tmp, x->words, sizeof(*e->to));
	if (!e->from || !e->to)
		return -1;
	memcpy(e->to, row->to, x->words * sizeof(*e->to)); /* entries grow */
	for (i = 0; i < row->n_from; i++)
		set_bit(e->from, row->from[i]);
	x->n_entries++;
	return 0;
}

static int compare_kinds(struct admissions *x, uint32_t from, uint32_t to)
{
	struct service *list[2];
	struct change lost, gained;
	struct row *rows;
	size_t n[2], s, i, n_rows;
	int less, more;

	for (s = OLD; s <= NEW; s++)
		if (reach_services(x->reach[s], x->kinds[0].classes[from][s],
				   x->kinds[1].classes[to][s], &x->tmp, &list[s], &n[s]) < 0)
			return -1;
	if (services_equal(list[OLD], n[OLD], list[NEW], n[NEW]))
		return 0;
	less = compare(&x->tmp, list[OLD], n[OLD], list[NEW], n[NEW], &lost);
	more = compare(&x->tmp, list[NEW], n[NEW], list[OLD], n[OLD], &gained);
	if (less < 0 || more < 0 || find_rows(x, from, to, &rows, &n_rows) < 0)
		return -1;
	for (i = 0; i < n_rows; i++)
		if ((less && emit(x, &rows[i], false, &lost) < 0) ||
		    (more && emit(x, &rows[i], true, &gained) < 0))
			return -1;
	return 0;
}

/* ---- fewer and larger entries ---- */

static int cmp_size(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int cmp_services(const struct service *a, size_t na, const struct service *b, size_t nb)
{
	size_t i;
	int c = cmp_size(na, nb);

	for (i = 0; !c && i < na; i++) {
		c = cmp_size(a[i].kind, b[i].kind);
		c = c ? c : cmp_size(a[i].first, b[i].first);
		c = c ? c : cmp_size(a[i].last, b[i].last);
	}
	return c;
}

/* Who has the first member comes first. */
static int cmp_bits(const uint64_t *a, const uint64_t *b, size_t words)
{
	size_t i;

	for (i = 0; i < words; i++)
		if (a[i] != b[i])
			return (a[i] ^ b[i]) & -(a[i] ^ b[i]) & a[i] ? -1 : 1;
	return 0;
}

static int cmp_change(const struct entry *a, const struct entry *b)
{
	int c = cmp_size(a->gained, b->gained);

	c = c ? c : cmp_size(b->change.any, a->change.any);
	c = c ? c : cmp_services(a->change.on, a->change.n_on, b->change.on, b->change.n_on);
	return c ? c : cmp_services(a->change.but, a->change.n_but, b->change.but, b->change.n_but);
}

static int by_from(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int c = cmp_change(a, b);

	c = c ? c : cmp_bits(a->from, b->from, a->words);
	return c ? c : cmp_bits(a->to, b->to, a->words);
}

static int by_to(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int c = cmp_change(a, b);

	c = c ? c : cmp_bits(a->to, b->to, a->words);
	return c ? c : cmp_bits(a->from, b->from, a->words);
}

static int as_shown(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int c = cmp_size(a->gained, b->gained);

	c = c ? c : cmp_bits(a->from, b->from, a->words);
	c = c ? c : cmp_bits(a->to, b->to, a->words);
	return c ? c : cmp_change(a, b);
}

/* Makes one of those of the same change that are alike on one side. */
static void merge(struct admissions *x, bool from)
{
	size_t i, n = 0, w;

	qsort(x->entries, x->n_entries, sizeof(*x->entries), from ? by_from : by_to);
	for (i = 0; i < x->n_entries; i++) {
		struct entry *e = &x->entries[i], *last = &x->entries[n ? n - 1 : 0];

		if (!n || cmp_change(last, e) != 0 ||
		    cmp_bits(from ? last->from : last->to, from ? e->from : e->to, x->words) != 0) {
			x->entries[n++] = *e;
			continue;
		}
		for (w = 0; w < x->words; w++)
			*(from ? &last->to[w] : &last->from[w]) |= from ? e->to[w] : e->from[w];
	}
	x->n_entries = n;
}

/* ---- the plan's ---- */

static int names_of(struct admissions *x, const uint64_t *bits, const char *const **ret,
		    size_t *ret_n, bool *ret_clients)
{
	const char **list;
	size_t i, n = 0;

	for (i = 0; i < x->n; i++) {
		n += bit(bits, i);
		*ret_clients |= bit(bits, i) && x->members[i].client;
	}
	list = arena_array(x->out, n, sizeof(*list));
	if (!list)
		return -1;
	for (i = 0, n = 0; i < x->n; i++)
		if (bit(bits, i))
			list[n++] = x->members[i].name;
	*ret = list;
	*ret_n = n;
	return 0;
}

static int texts_of(struct arena *a, const struct service *list, size_t n, const char *const **ret)
{
	const char **texts = arena_array(a, n, sizeof(*texts));
	char text[SERVICE_STRLEN];
	size_t i;

	for (i = 0; texts && i < n; i++) {
		texts[i] = arena_strdup(a, service_print(&list[i], text));
		if (!texts[i])
			return -1;
	}
	*ret = texts;
	return texts ? 0 : -1;
}

static int list_entry(struct admissions *x, struct entry *e, struct plan_admission *ret)
{
	size_t w;

	ret->gained = e->gained;
	if (names_of(x, e->from, &ret->from, &ret->n_from, &ret->from_clients) < 0)
		return -1;
	/* That one alone does not mean itself goes without saying. */
	for (w = 0; ret->n_from == 1 && w < x->words; w++)
		e->to[w] &= ~e->from[w];
	ret->n_on = e->change.n_on;
	ret->n_but = e->change.n_but;
	return names_of(x, e->to, &ret->to, &ret->n_to, &ret->to_clients) < 0 ||
			       texts_of(x->out, e->change.on, ret->n_on, &ret->on) < 0 ||
			       texts_of(x->out, e->change.but, ret->n_but, &ret->but) < 0 ?
		       -1 :
		       0;
}

static int list_entries(struct admissions *x)
{
	struct plan_admission *list;
	size_t i;

	if (!x->n_entries)
		return 0;
	merge(x, true);
	merge(x, false);
	qsort(x->entries, x->n_entries, sizeof(*x->entries), as_shown);
	list = arena_array(x->out, x->n_entries, sizeof(*list));
	for (i = 0; list && i < x->n_entries; i++)
		if (list_entry(x, &x->entries[i], &list[i]) < 0)
			return -1;
	x->plan->admissions = list;
	x->plan->n_admissions = list ? x->n_entries : 0;
	return list ? 0 : -1;
}

/* ---- the whole ---- */

static bool guarded(const struct network *n)
{
	return n->n_nodes && n->nodes[0].flags & NODE_GUARDED;
}

static bool same_members(const struct network *a, const struct network *b, const char *name)
{
	const struct group *x = network_group(a, name), *y = network_group(b, name);
	size_t i;

	if (!x || !y || x->n_members != y->n_members)
		return x == y;
	for (i = 0; i < x->n_members; i++)
		if (strcmp(x->members[i], y->members[i]) != 0)
			return false;
	return true;
}

/* What nobody's policy can differ by: the same permits between groups of the same members. */
static bool same_policy(const struct network *a, const struct network *b)
{
	size_t i;

	if (guarded(a) != guarded(b) || a->n_permits != b->n_permits)
		return false;
	for (i = 0; i < a->n_permits; i++)
		if (!permit_equal(&a->permits[i], &b->permits[i]) ||
		    !same_members(a, b, a->permits[i].from) ||
		    !same_members(a, b, a->permits[i].to))
			return false;
	return true;
}

static int make(struct admissions *x, const struct network *old, const struct network *new)
{
	uint32_t i, j;

	if (find_members(x, old, new) < 0 || find_kinds(x, 0) < 0 || find_kinds(x, 1) < 0)
		return -1;
	for (i = 0; i < x->kinds[0].n; i++)
		for (j = 0; j < x->kinds[1].n; j++)
			if (compare_kinds(x, i, j) < 0)
				return -1;
	return list_entries(x);
}

int plan_admissions(const struct network *old, const struct network *new, const char *only,
		    struct arena *a, struct plan *ret, struct err *e)
{
	struct admissions x = { .only = only, .out = a, .plan = ret };
	int r = -1;

	if (!old || !new || !old->n_nodes || !new->n_nodes || same_policy(old, new))
		return 0;
	x.same_ways = !only && !(ret->nodes_added | ret->nodes_removed | ret->peers_added |
				 ret->peers_changed | ret->peers_removed);
	arena_init(&x.tmp);
	if (reach_new(old, NULL, &x.reach[OLD], e) == 0 &&
	    reach_new(new, NULL, &x.reach[NEW], e) == 0)
		r = make(&x, old, new) < 0 ? err_nomem(e) : 0;
	reach_free(x.reach[OLD]);
	reach_free(x.reach[NEW]);
	arena_release(&x.tmp);
	return r;
}
