/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host.h"

#include "publication/gateway.h"
#include "publication/ruleset.h"

/* Rounds of doing and reading back. */
#define MAX_TRIES 3

struct run {
	struct host *host;
	const struct host_wanted *wanted;
	const char *table; /* in the arena: the operations name it, and outlive this */
	bool look;
	const char *listing; /* of the table as it is; NULL: not known */
	struct arena *arena;
	/* The record could not be saved since it changed last; no class: it is saved. */
	struct err unsaved;
	struct err *err;
};

struct reading {
	struct run *run;
	const struct host_record *record;
	struct sysctl_value *values;
	size_t n;
};

static bool recorded(const struct host_record *r, unsigned int version)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if ((r->changes[i].sysctl.key >= SYSCTL_FORWARD6) == (version == 6))
			return true;
	return false;
}

static bool has_change(const struct host_record *r, const struct sysctl *s)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (!sysctl_cmp(&r->changes[i].sysctl, s))
			return true;
	return false;
}

/* What does not exist is left out. 1: read. */
static int read_value(struct reading *rd, const struct sysctl *s)
{
	struct sysctl_value v = { .sysctl = *s }, *grown;
	struct run *x = rd->run;
	struct err why = { 0 };

	if (x->host->ops->get(x->host, s, &v.value, &why) < 0) {
		if (why.class == ERR_NOENT)
			return 0;
		*x->err = why;
		return -1;
	}
	grown = arena_grow(x->arena, rd->values, rd->n, sizeof(*grown));
	if (!grown)
		return err_nomem(x->err);
	rd->values = grown;
	rd->values[rd->n++] = v;
	return 1;
}

static int read_named(struct reading *rd, enum sysctl_key key, const char *of)
{
	struct sysctl s;

	return sysctl_of(key, of, &s) ? read_value(rd, &s) : 0;
}

static int read_interface(struct reading *rd, unsigned int version, const struct host_interface *i)
{
	struct sysctl s;

	if (strcmp(i->name, "all") != 0 &&
	    read_named(rd, version == 4 ? SYSCTL_FORWARD4 : SYSCTL_FORWARD6, i->name) < 0)
		return -1;
	if (version == 4 || !sysctl_of(SYSCTL_RA6, i->name, &s) ||
	    (!i->hears && !has_change(rd->record, &s)))
		return 0;
	return read_value(rd, &s) < 0 ? -1 : 0;
}

static int read_own(struct reading *rd)
{
	const char *name;
	size_t i;

	for (i = 0; (name = host_own_interface(rd->run->wanted, i)); i++)
		if (read_named(rd, SYSCTL_FORWARD4, name) < 0)
			return -1;
	return 0;
}

/* A switch that was on before we came, and with nothing of ours beside it, is all there is to know.
 */
static int read_version(struct reading *rd, unsigned int version)
{
	bool wanted = rd->run->wanted->families & (version == 4 ? GATEWAY_IPV4 : GATEWAY_IPV6);
	enum sysctl_key forward = version == 4 ? SYSCTL_FORWARD4 : SYSCTL_FORWARD6;
	bool ours = recorded(rd->record, version);
	struct run *x = rd->run;
	struct host_interface *list;
	size_t n, i, at = rd->n;
	int r;

	if (!wanted && !ours)
		return 0;
	r = read_named(rd, forward, "all");
	if (r <= 0)
		return r;
	if (version == 4 && read_named(rd, SYSCTL_REDIRECTS4, "all") < 0)
		return -1;
	if (!ours && rd->values[at].value)
		return version == 4 ? read_own(rd) : 0;
	if (x->host->ops->interfaces(x->host, version, x->arena, &list, &n, x->err) < 0)
		return -1;
	for (i = 0; i < n; i++)
		if (read_interface(rd, version, &list[i]) < 0)
			return -1;
	return 0;
}

static int cmp_values(const void *a, const void *b)
{
	return sysctl_cmp(&((const struct sysctl_value *)a)->sysctl,
			  &((const struct sysctl_value *)b)->sysctl);
}

static int read_table(struct run *x, const struct host_record *record, const char **ret)
{
	bool needed = record->has_table || *x->wanted->rules;
	struct buf b;
	int r;

	*ret = x->listing ? x->listing : "";
	if (x->listing || (!needed && !x->look))
		return 0;
	buf_init(&b, MAX_RULESET);
	r = x->host->ops->table(x->host, x->table, &b, x->err);
	/* A kernel without nftables has no table of ours. */
	if (r < 0 && !needed) {
		*x->err = (struct err){ 0 };
		r = 0;
		buf_reset(&b);
	}
	if (!r) {
		x->listing = arena_strndup(x->arena, b.data ? b.data : "", b.len);
		*ret = x->listing;
		r = *ret ? 0 : err_nomem(x->err);
	}
	buf_release(&b);
	return r;
}

static int observe(struct run *x, const struct host_record *record, struct host_seen *ret)
{
	struct reading rd = { .run = x, .record = record };
	struct host_seen s = { .n = 0 };

	if (x->host->ops->boot(x->host, s.boot, x->err) < 0 || read_table(x, record, &s.table) < 0)
		return -1;
	if (!x->wanted->table_alone && (read_version(&rd, 4) < 0 || read_version(&rd, 6) < 0))
		return -1;
	if (rd.n > 1)
		qsort(rd.values, rd.n, sizeof(*rd.values), cmp_values);
	s.values = rd.values;
	s.n = rd.n;
	*ret = s;
	return 0;
}

static int do_op(struct run *x, const struct host_op *op, struct err *e)
{
	const char *rules = op->kind == HOST_TABLE_SET ? x->wanted->rules : NULL;
	struct host *h = x->host;
	int r = op->kind == HOST_SYSCTL ? h->ops->set(h, &op->sysctl, op->to, e) :
					  h->ops->set_table(h, x->table, rules, e);

	h->sets += r >= 0;
	return r;
}

/* Without the table nothing begins to be carried: it would go unmasked and unguarded. */
static void skip_after(enum host_phase phase, bool skip[static HOST_PHASES])
{
	skip[phase] = true;
	if (phase == HOST_TABLE)
		skip[HOST_ON4] = skip[HOST_ON6] = true;
}

/* The first error is told; the phases that it does not concern are done all the same. */
static int do_ops(struct run *x, const struct host_plan *p)
{
	bool skip[HOST_PHASES] = { false };
	struct err why;
	size_t i;
	int r = 0;

	for (i = 0; i < p->n; i++) {
		const struct host_op *op = &p->ops[i];

		if (skip[op->phase])
			continue;
		why = (struct err){ 0 };
		if (!do_op(x, op, &why))
			continue;
		skip_after(op->phase, skip);
		if (!r)
			*x->err = why;
		r = -1;
	}
	return r;
}

/*
 * A disk that is full, or read-only, does not keep a relay off for which others wait, perhaps those
 * who would come to clear it: then what is changed is remembered for as long as this call takes,
 * and it is tried again with the next change.
 */
static int record_it(struct run *x, struct host_record *record, const struct host_record *next,
		     const struct host_store *store)
{
	struct err why = { 0 };

	if (!x->unsaved.class && host_record_equal(record, next))
		return 0;
	if (store->save(store->arg, next, &why) < 0 && why.class == ERR_NOMEM) {
		*x->err = why;
		return -1;
	}
	x->unsaved = why;
	*record = *next;
	return 0;
}

static int tell_unsaved(struct run *x)
{
	/* Tables are found by their names. */
	if (!x->unsaved.class || x->wanted->table_alone)
		return 0;
	*x->err = x->unsaved;
	err_suffix(x->err,
		   "it was done all the same, but `down` will not put back what is not recorded");
	return -1;
}

static int not_as_wanted(const struct host_plan *p, struct err *e)
{
	struct buf first;

	buf_init(&first, 300);
	if (p->n)
		host_op_print(p->ops, &first);
	err_set(e, ERR_CONFLICT,
		"somebody else changes it, or the kernel does not take it. Left to do: %s%s",
		buf_ok(&first) && first.len ? first.data : "...", p->n > 1 ? ", and more" : "");
	buf_release(&first);
	return -1;
}

static const struct sysctl_value *seen_value(const struct host_seen *seen, const struct sysctl *s)
{
	size_t i;

	for (i = 0; i < seen->n; i++)
		if (!sysctl_cmp(&seen->values[i].sysctl, s))
			return &seen->values[i];
	return NULL;
}

/* Nobody changed it, and neither did we. */
static bool is_undone(const struct host_seen *seen, const struct host_record *before,
		      const struct host_change *c)
{
	const struct sysctl_value *v = seen_value(seen, &c->sysctl);

	return v && c->before != c->set && v->value == c->before && !has_change(before, &c->sysctl);
}

/*
 * What was about to be changed and could not be is none of ours: whoever does it in our place is
 * not to find it put back by us.
 */
static void forget_undone(struct run *x, const struct host_record *before,
			  struct host_record *record, const struct host_store *store)
{
	struct err *first = x->err, unused = { 0 };
	struct host_record *next = arena_alloc(x->arena, sizeof(*next));
	struct host_seen seen;
	size_t i;

	x->err = &unused;
	if (next && !x->wanted->table_alone && !observe(x, record, &seen)) {
		*next = *record;
		next->n = 0;
		for (i = 0; i < record->n; i++)
			if (!is_undone(&seen, before, &record->changes[i]))
				next->changes[next->n++] = record->changes[i];
		if (host_record_empty(next))
			next->boot[0] = '\0';
		(void)record_it(x, record, next, store);
	}
	x->err = first;
}

/* Does what p says, and makes *p what is left then, and what stands. */
static int do_plan(struct run *x, struct host_plan *p, struct host_record *record,
		   const struct host_store *store)
{
	struct host_record *before = arena_alloc(x->arena, sizeof(*before));
	struct host_seen seen;
	struct host_plan again;

	if (!before)
		return err_nomem(x->err);
	*before = *record;
	if (record_it(x, record, p->during, store) < 0)
		return -1;
	x->listing = NULL;
	if (do_ops(x, p) < 0) {
		forget_undone(x, before, record, store);
		return -1;
	}
	if (observe(x, record, &seen) < 0)
		return -1;
	/* How nft lists the table is known only now. */
	if (p->after->has_table)
		digest_of(seen.table, strlen(seen.table), &p->after->listing);
	if (host_plan_make(p->after, &seen, x->wanted, x->table, x->arena, &again, x->err) < 0)
		return -1;
	*p = again;
	return 0;
}

static int converge(struct run *x, bool dry, struct host_record *record,
		    const struct host_store *store, struct host_result *ret)
{
	struct host_seen seen;
	struct host_plan p;
	unsigned int tries;

	if (observe(x, record, &seen) < 0 ||
	    host_plan_make(record, &seen, x->wanted, x->table, x->arena, &p, x->err) < 0)
		return -1;
	ret->ops = p.ops;
	ret->n_ops = p.n;
	if (dry)
		return 0;
	/* An interface may have come meanwhile. */
	for (tries = 0; p.n && tries < MAX_TRIES; tries++)
		if (do_plan(x, &p, record, store) < 0)
			return -1;
	if (p.n)
		return not_as_wanted(&p, x->err);
	if (record_it(x, record, p.after, store) < 0 || tell_unsaved(x) < 0)
		return -1;
	if (p.left.class) {
		*x->err = p.left;
		return -1;
	}
	ret->verified = true;
	return 0;
}

bool host_concerned(const struct host_wanted *wanted, const struct host_record *record, bool look)
{
	return wanted->families || *wanted->rules || !host_record_empty(record) || look;
}

static const char *table_name(const char *network, struct arena *a)
{
	size_t size = sizeof(RULESET_TABLE) + strlen(network);
	char *name = arena_alloc(a, size);

	if (name)
		snprintf(name, size, RULESET_TABLE "%s", network);
	return name;
}

int host_converge(struct host *h, const struct host_wanted *wanted, const char *network, bool look,
		  bool dry, struct host_record *record, const struct host_store *store,
		  struct arena *a, struct host_result *ret, struct err *e)
{
	struct err unused = { 0 };
	struct run x = { .wanted = wanted,
			 .look = look,
			 .listing = wanted->listing,
			 .arena = a,
			 .host = h,
			 .err = e ? e : &unused };
	unsigned int before;
	int r;

	*ret = (struct host_result){ .verified = true };
	if (!host_concerned(wanted, record, look))
		return 0;
	ret->verified = false;
	x.table = table_name(network, a);
	if (!x.table)
		return err_nomem(e);
	before = h->sets;
	r = converge(&x, dry, record, store, ret);
	ret->sets = h->sets - before;
	ret->listing = x.listing;
	if (!r)
		return 0;
	return err_prefix(x.err, wanted->table_alone ?
					 "the policy cannot be enforced on this host" :
					 "forwarding and masquerading on this host");
}
