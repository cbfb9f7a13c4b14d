/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host_plan.h"

#include "publication/gateway.h"

/* ---- names of settings ---- */

static const struct {
	const char *family, *word;
} keys[] = {
	[SYSCTL_FORWARD4] = { "ipv4", "forwarding" },
	[SYSCTL_REDIRECTS4] = { "ipv4", "accept_redirects" },
	[SYSCTL_FORWARD6] = { "ipv6", "forwarding" },
	[SYSCTL_RA6] = { "ipv6", "accept_ra" },
};

bool sysctl_of(enum sysctl_key key, const char *of, struct sysctl *ret)
{
	struct sysctl s = { .key = key };
	size_t i;

	for (i = 0; of[i]; i++) {
		if (i + 1 == sizeof(s.of) || of[i] <= ' ' || of[i] > '~' || of[i] == '/')
			return false;
		s.of[i] = of[i];
	}
	if (!i || !strcmp(of, ".") || !strcmp(of, ".."))
		return false;
	*ret = s;
	return true;
}

int sysctl_cmp(const struct sysctl *a, const struct sysctl *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return strcmp(a->of, b->of);
}

static char *print(const struct sysctl *s, char separator, char dot, char *out)
{
	char *p;

	snprintf(out, SYSCTL_STRLEN, "net%c%s%cconf%c%s%c%s", separator, keys[s->key].family,
		 separator, separator, s->of, separator, keys[s->key].word);
	p = out + 4 + strlen(keys[s->key].family) + 6;
	for (size_t i = 0; s->of[i]; i++)
		if (s->of[i] == '.')
			p[i] = dot;
	return out;
}

char *sysctl_print(const struct sysctl *s, char out[static SYSCTL_STRLEN])
{
	return print(s, '.', '/', out);
}

char *sysctl_path(const struct sysctl *s, char out[static SYSCTL_STRLEN])
{
	return print(s, '/', '.', out);
}

int sysctl_parse(const char *s, size_t len, struct sysctl *ret)
{
	char name[SYSCTL_STRLEN], again[SYSCTL_STRLEN], *of, *word;
	struct sysctl one;
	size_t i, k;

	if (len >= sizeof(name) || len < 14)
		return -1;
	memcpy(name, s, len);
	name[len] = '\0';
	of = name + 14; /* behind "net.ipv4.conf." */
	word = strrchr(of, '.');
	if (!word)
		return -1;
	*word = '\0';
	for (i = 0; of[i]; i++)
		if (of[i] == '/')
			of[i] = '.';
	/* Every spelling is tried: the one that prints as it was written is meant. */
	for (k = 0; k < ARRAY_LEN(keys); k++) {
		if (!sysctl_of((enum sysctl_key)k, of, &one))
			return -1;
		if (strlen(sysctl_print(&one, again)) == len && !memcmp(again, s, len)) {
			*ret = one;
			return 0;
		}
	}
	return -1;
}

/* ---- the record ---- */

bool boot_id_is_valid(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] != '-' && !(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	return len == BOOT_ID_LEN;
}

bool host_record_empty(const struct host_record *r)
{
	return !r->n && !r->has_table;
}

bool host_record_equal(const struct host_record *a, const struct host_record *b)
{
	size_t i;

	if (strcmp(a->boot, b->boot) != 0 || a->n != b->n || a->has_table != b->has_table ||
	    (a->has_table &&
	     (digest_cmp(&a->rules, &b->rules) || digest_cmp(&a->listing, &b->listing))))
		return false;
	for (i = 0; i < a->n; i++)
		if (sysctl_cmp(&a->changes[i].sysctl, &b->changes[i].sysctl) ||
		    a->changes[i].before != b->changes[i].before ||
		    a->changes[i].set != b->changes[i].set)
			return false;
	return true;
}

/* False when there is no room. What stands there already stays as it is. */
static bool record_add(struct host_record *r, const struct host_change *c)
{
	size_t at = 0;
	int cmp = 1;

	while (at < r->n && (cmp = sysctl_cmp(&r->changes[at].sysctl, &c->sysctl)) < 0)
		at++;
	if (at < r->n && !cmp)
		return true;
	if (r->n == MAX_HOST_CHANGES)
		return false;
	memmove(&r->changes[at + 1], &r->changes[at], (r->n - at) * sizeof(*r->changes));
	r->changes[at] = *c;
	r->n++;
	return true;
}

static const struct host_change *record_find(const struct host_record *r, enum sysctl_key key,
					     const char *of)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->changes[i].sysctl.key == key && !strcmp(r->changes[i].sysctl.of, of))
			return &r->changes[i];
	return NULL;
}

/* ---- the plan ---- */

struct maker {
	const struct host_seen *seen;
	const struct host_wanted *wanted;
	const char *table;
	struct arena *arena;
	struct host_record *carried; /* what is still as we set it */
	struct host_plan *plan;
	struct err *err;
};

static const struct sysctl_value *value_of(const struct host_seen *s, const struct sysctl *name)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = sysctl_cmp(name, &s->values[mid].sysctl);

		if (!cmp)
			return &s->values[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static const struct sysctl_value *value_named(const struct host_seen *s, enum sysctl_key key,
					      const char *of)
{
	struct sysctl name;

	return sysctl_of(key, of, &name) ? value_of(s, &name) : NULL;
}

const char *host_own_interface(const struct host_wanted *wanted, size_t i)
{
	const char *name = wanted->interface.s;
	size_t j;

	if (i && (!wanted->config || i > wanted->config->n_links))
		return NULL;
	if (i)
		name = wanted->config->links[i - 1].node->interface.s;
	for (j = 0; j < wanted->n_without; j++)
		if (!strcmp(wanted->without[j].s, name))
			return "";
	return name;
}

static bool is_own(const struct maker *m, const char *interface)
{
	const char *own;
	size_t i;

	for (i = 0; (own = host_own_interface(m->wanted, i)); i++)
		if (!strcmp(interface, own))
			return true;
	return false;
}

static int add_op(struct maker *m, const struct host_op *op)
{
	struct host_plan *p = m->plan;
	struct host_op *grown = arena_grow(m->arena, p->ops, p->n, sizeof(*grown));

	if (!grown)
		return err_nomem(m->err);
	p->ops = grown;
	p->ops[p->n++] = *op;
	return 0;
}

static int add_sysctl(struct maker *m, enum host_phase phase, const struct sysctl *s, uint32_t from,
		      uint32_t to)
{
	struct host_op op = {
		.kind = HOST_SYSCTL, .phase = phase, .sysctl = *s, .from = from, .to = to
	};

	return add_op(m, &op);
}

/* Of the same version of IP, but for that of a setting itself; for IPv4, all. */
static size_t count(const struct host_record *r, const struct sysctl *s)
{
	size_t n = 0, i;

	for (i = 0; i < r->n; i++) {
		if (!sysctl_cmp(&r->changes[i].sysctl, s))
			return 0;
		n += s->key < SYSCTL_FORWARD6 || r->changes[i].sysctl.key >= SYSCTL_FORWARD6;
	}
	return n;
}

static int note(struct maker *m, const struct sysctl *s, uint32_t before, uint32_t set)
{
	size_t max = s->key < SYSCTL_FORWARD6 ? MAX_HOST_CHANGES : MAX_HOST_CHANGES6;
	struct host_change c = { *s, before, set };

	if (count(m->plan->during, s) < max && record_add(m->plan->during, &c) &&
	    record_add(m->plan->after, &c))
		return 0;
	return err_set(
		m->err, ERR_LIMIT,
		"IPv%d is not forwarded: more than %zu settings of interfaces would have to be changed for it",
		s->key < SYSCTL_FORWARD6 ? 4 : 6, max);
}

static int change(struct maker *m, enum host_phase phase, const struct sysctl_value *v, uint32_t to)
{
	return note(m, &v->sysctl, v->value, to) < 0 ?
		       -1 :
		       add_sysctl(m, phase, &v->sysctl, v->value, to);
}

static bool of_family(const struct sysctl *s, enum sysctl_key forward)
{
	return (s->key < SYSCTL_FORWARD6) == (forward == SYSCTL_FORWARD4);
}

/* What the switch leaves of a setting when it goes off. */
static uint32_t left_by_switch(const struct sysctl *s)
{
	return s->key == SYSCTL_REDIRECTS4;
}

static int mark_going(struct maker *m, enum sysctl_key forward)
{
	struct host_record *r = m->plan->during;
	struct host_change c = { .before = 0, .set = 0 };
	size_t i;

	if (!sysctl_of(forward, "all", &c.sysctl))
		return -1;
	for (i = 0; i < r->n; i++)
		if (!sysctl_cmp(&r->changes[i].sysctl, &c.sysctl)) {
			r->changes[i] = c;
			return 0;
		}
	/* It stood there when the others were recorded. */
	return record_add(r, &c) ? 0 : err_set(m->err, ERR_LIMIT, "too many settings");
}

static int turn_off(struct maker *m, enum sysctl_key forward, enum host_phase phase)
{
	const struct host_record *r = m->carried;
	const struct host_change *all = record_find(r, forward, "all");
	bool going = all != NULL;
	size_t i;

	if (all && add_sysctl(m, phase, &all->sysctl, all->set, all->before) < 0)
		return -1;
	for (i = 0; i < r->n; i++) {
		const struct host_change *c = &r->changes[i];
		const struct sysctl_value *v = value_of(m->seen, &c->sysctl);
		uint32_t now;

		if (c == all || !of_family(&c->sysctl, forward) || !v)
			continue;
		now = all && c->sysctl.key != SYSCTL_RA6 ? left_by_switch(&c->sysctl) : v->value;
		if (now == c->before)
			continue;
		going |= c->before == c->set;
		if (add_sysctl(m, phase, &c->sysctl, now, c->before) < 0)
			return -1;
	}
	return going ? mark_going(m, forward) : 0;
}

/* Where a router advertisement would go unheard from now on. */
static int keep_advertisements(struct maker *m)
{
	size_t i;

	for (i = 0; i < m->seen->n; i++) {
		const struct sysctl_value *v = &m->seen->values[i];

		if (v->sysctl.key == SYSCTL_RA6 && v->value == 1 && !is_own(m, v->sysctl.of) &&
		    change(m, HOST_ON6, v, 2) < 0)
			return -1;
	}
	return 0;
}

/* What the switch overwrites and its going off would not bring back. */
static int note_overwritten(struct maker *m, enum sysctl_key forward)
{
	const struct sysctl_value *redirects = value_named(m->seen, SYSCTL_REDIRECTS4, "all");
	size_t i;

	for (i = 0; i < m->seen->n; i++) {
		const struct sysctl_value *v = &m->seen->values[i];

		if (v->sysctl.key == forward && v->value && strcmp(v->sysctl.of, "all") != 0 &&
		    !is_own(m, v->sysctl.of) && note(m, &v->sysctl, v->value, 1) < 0)
			return -1;
	}
	if (forward == SYSCTL_FORWARD4 && redirects && !redirects->value)
		return note(m, &redirects->sysctl, 0, 0);
	return 0;
}

static int turn_on(struct maker *m, enum sysctl_key forward, enum host_phase phase)
{
	const struct sysctl_value *all = value_named(m->seen, forward, "all"), *own;
	bool six = forward == SYSCTL_FORWARD6;
	const char *name;
	size_t i;

	/* The kernel does without this family, so there is nothing to carry. */
	if (!all)
		return 0;
	if (!all->value) {
		if ((six && keep_advertisements(m) < 0) || note_overwritten(m, forward) < 0)
			return -1;
		return change(m, phase, all, 1);
	}
	if (six)
		return record_find(m->carried, forward, "all") ? keep_advertisements(m) : 0;
	for (i = 0; (name = host_own_interface(m->wanted, i)); i++) {
		own = value_named(m->seen, forward, name);
		if (own && !own->value && change(m, phase, own, 1) < 0)
			return -1;
	}
	return 0;
}

/* One version of IP that cannot be carried is no reason for the other to wait. */
static int try_turn_on(struct maker *m, enum sysctl_key forward, enum host_phase phase)
{
	struct host_record *during = arena_alloc(m->arena, sizeof(*during)),
			   *after = arena_alloc(m->arena, sizeof(*after));
	struct host_plan *p = m->plan;
	struct err *err = m->err, why = { 0 };
	size_t n = p->n;
	int r;

	if (!during || !after)
		return err_nomem(err);
	*during = *p->during;
	*after = *p->after;
	m->err = &why;
	r = turn_on(m, forward, phase);
	m->err = err;
	if (!r)
		return 0;
	if (why.class != ERR_LIMIT) {
		if (err)
			*err = why;
		return -1;
	}
	*p->during = *during;
	*p->after = *after;
	p->n = n;
	if (!p->left.class)
		p->left = why;
	return 0;
}

static int plan_table(struct maker *m, const struct host_record *record)
{
	struct host_op op = { .kind = HOST_TABLE_SET, .phase = HOST_TABLE, .table = m->table };
	struct host_record *after = m->plan->after;
	bool there = *m->seen->table != '\0';
	struct digest rules, listing;

	if (!*m->wanted->rules) {
		op.kind = HOST_TABLE_REMOVE;
		return there ? add_op(m, &op) : 0;
	}
	digest_of(m->wanted->rules, strlen(m->wanted->rules), &rules);
	digest_of(m->seen->table, strlen(m->seen->table), &listing);
	after->has_table = true;
	after->rules = rules;
	if (there && record->has_table && !digest_cmp(&rules, &record->rules) &&
	    !digest_cmp(&listing, &record->listing)) {
		after->listing = listing;
		return 0;
	}
	op.replaces = there;
	if (!m->plan->during->has_table) {
		m->plan->during->has_table = true;
		m->plan->during->rules = rules;
	}
	return add_op(m, &op);
}

static bool is_switch(const struct sysctl *s)
{
	return (s->key == SYSCTL_FORWARD4 || s->key == SYSCTL_FORWARD6) && !strcmp(s->of, "all");
}

/* True when the setting is still as we left it, *c then being what is to be recorded of it. */
static bool still_ours(const struct host_record *r, const struct sysctl_value *v,
		       struct host_change *c)
{
	const struct host_change *all =
		record_find(r, c->sysctl.key < SYSCTL_FORWARD6 ? SYSCTL_FORWARD4 : SYSCTL_FORWARD6,
			    "all");
	bool going = all && !all->set;

	if (is_switch(&c->sysctl) && going) {
		/* Going off was as far as it came: it is still on. */
		c->set = 1;
		return v->value == 1;
	}
	return v->value == c->set ||
	       (going && c->before == c->set && v->value == left_by_switch(&c->sysctl));
}

/* Settings of an earlier boot are forgotten. */
static void carry_settings(struct maker *m, const struct host_record *r)
{
	const struct sysctl_value *v;
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct host_change c = r->changes[i];
		bool six = c.sysctl.key >= SYSCTL_FORWARD6;

		v = value_of(m->seen, &c.sysctl);
		if (!v || !still_ours(r, v, &c))
			continue;
		m->carried->changes[m->carried->n++] = c;
		if (m->wanted->families & (six ? GATEWAY_IPV6 : GATEWAY_IPV4))
			m->plan->after->changes[m->plan->after->n++] = c;
	}
	m->plan->during->n = m->carried->n;
	memcpy(m->plan->during->changes, m->carried->changes,
	       m->carried->n * sizeof(*m->carried->changes));
}

static void carry(struct maker *m, const struct host_record *r)
{
	if (strcmp(r->boot, m->seen->boot) == 0) {
		if (m->wanted->table_alone) {
			*m->plan->during = *r;
			*m->plan->after = *r;
		} else {
			carry_settings(m, r);
		}
	}
	m->plan->after->has_table = false;
	m->plan->during->has_table = r->has_table;
	m->plan->during->rules = r->rules;
	m->plan->during->listing = r->listing;
}

static void set_boot(struct host_record *r, const char *boot)
{
	if (!host_record_empty(r))
		memcpy(r->boot, boot, sizeof(r->boot));
}

int host_plan_make(const struct host_record *record, const struct host_seen *seen,
		   const struct host_wanted *wanted, const char *table, struct arena *a,
		   struct host_plan *ret, struct err *e)
{
	struct host_plan p = { .during = arena_alloc(a, sizeof(*p.during)),
			       .after = arena_alloc(a, sizeof(*p.after)) };
	struct maker m = { .seen = seen,
			   .wanted = wanted,
			   .table = table,
			   .arena = a,
			   .carried = arena_alloc(a, sizeof(*m.carried)),
			   .plan = &p,
			   .err = e };

	if (!p.during || !p.after || !m.carried)
		return err_nomem(e);
	carry(&m, record);
	if (wanted->table_alone) {
		if (plan_table(&m, record) < 0)
			return -1;
		set_boot(p.during, seen->boot);
		set_boot(p.after, seen->boot);
		*ret = p;
		return 0;
	}
	if (!(wanted->families & GATEWAY_IPV4) && turn_off(&m, SYSCTL_FORWARD4, HOST_OFF4) < 0)
		return -1;
	if (!(wanted->families & GATEWAY_IPV6) && turn_off(&m, SYSCTL_FORWARD6, HOST_OFF6) < 0)
		return -1;
	if (plan_table(&m, record) < 0)
		return -1;
	if (wanted->families & GATEWAY_IPV4 && try_turn_on(&m, SYSCTL_FORWARD4, HOST_ON4) < 0)
		return -1;
	if (wanted->families & GATEWAY_IPV6 && try_turn_on(&m, SYSCTL_FORWARD6, HOST_ON6) < 0)
		return -1;
	set_boot(p.during, seen->boot);
	set_boot(p.after, seen->boot);
	*ret = p;
	return 0;
}

void host_op_print(const struct host_op *op, struct buf *out)
{
	char name[SYSCTL_STRLEN];

	if (op->kind == HOST_SYSCTL)
		buf_addf(out, "sysctl %s: %u -> %u", sysctl_print(&op->sysctl, name), op->from,
			 op->to);
	else
		buf_addf(out, "nftables table inet %s %s", op->table,
			 op->kind == HOST_TABLE_REMOVE ? "removed" :
			 op->replaces		       ? "replaced" :
							 "added");
}
