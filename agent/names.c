/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/names.h"

bool names_record_empty(const struct names_record *r)
{
	return !r->hosts && !r->link.s[0];
}

struct run {
	struct names_system *sys;
	const struct names_wanted *wanted;
	const char *network;
	bool look, dry;
	struct names_record *record;
	const struct names_store *store;
	struct arena *arena;
	struct names_result *result;
	struct err first; /* no class: all is well */
};

static int failed(struct run *x, const struct err *e)
{
	if (!x->first.class)
		x->first = *e;
	return -1;
}

static int save(struct run *x, const struct names_record *next)
{
	struct err e = { 0 };

	if (next->hosts == x->record->hosts && !strcmp(next->link.s, x->record->link.s))
		return 0;
	if (x->store->save(x->store->arg, next, &e) < 0)
		return failed(x, &e);
	*x->record = *next;
	return 0;
}

static void note(struct run *x, enum names_op_kind kind, const struct ifname *i)
{
	struct names_op *op = &x->result->ops[x->result->n_ops++];

	*op = (struct names_op){ .kind = kind, .domain = x->wanted->domain };
	if (i)
		op->interface = *i;
}

static int not_as_wanted(struct run *x, const char *what)
{
	struct err e;

	err_set(&e, ERR_CONFLICT, "%s is not what was put there: somebody else changes it", what);
	return failed(x, &e);
}

/* ---- /etc/hosts ---- */

static int hosts(struct run *x, const char *lines, size_t len, bool dry, bool *ret_changed)
{
	struct err e = { 0 };

	if (x->sys->ops->hosts(x->sys, x->network, lines, len, dry, ret_changed, &e) < 0)
		return failed(x, &e);
	x->sys->sets += *ret_changed && !dry;
	return 0;
}

/* Without lines: away with it. */
static int bring_hosts(struct run *x, const char *lines, size_t len)
{
	struct names_record next = *x->record;
	bool changed, again;

	if (hosts(x, lines, len, true, &changed) < 0)
		return -1;
	if (changed)
		note(x, len ? NAMES_HOSTS_SET : NAMES_HOSTS_REMOVE, NULL);
	if (x->dry)
		return 0;
	next.hosts = true;
	if (changed && (save(x, &next) < 0 || hosts(x, lines, len, false, &changed) < 0 ||
			hosts(x, lines, len, true, &again) < 0))
		return -1;
	if (changed && again)
		return not_as_wanted(x, "/etc/hosts");
	next.hosts = len > 0;
	return save(x, &next);
}

/* ---- systemd-resolved ---- */

static bool link_is(const struct link_names *have, const struct link_names *want)
{
	size_t i;

	if (have->other || have->n_servers != want->n_servers || !have->domain != !want->domain ||
	    (have->domain && strcmp(have->domain, want->domain) != 0))
		return false;
	for (i = 0; i < have->n_servers; i++)
		if (ipaddr_cmp(&have->servers[i], &want->servers[i]))
			return false;
	return true;
}

static int set_link(struct run *x, const struct ifname *i, const struct link_names *want)
{
	struct err e = { 0 };

	x->sys->sets++;
	return x->sys->ops->set_link(x->sys, i, want, &e) < 0 ? failed(x, &e) : 0;
}

static int bring_link(struct run *x)
{
	const struct names_wanted *w = x->wanted;
	const struct link_names want = { w->servers, w->n_servers, w->domain, false };
	struct names_record next = *x->record;
	struct link_names have = { 0 };
	struct err e = { 0 };

	if (x->sys->ops->link(x->sys, &w->interface, x->arena, &have, &e) < 0) {
		/* In a dry run it may be yet to come. */
		if (!x->dry || e.class != ERR_NOENT)
			return failed(x, &e);
	}
	next.link = w->interface;
	if (link_is(&have, &want))
		return x->dry ? 0 : save(x, &next);
	note(x, NAMES_LINK_SET, &w->interface);
	if (x->dry)
		return 0;
	if (save(x, &next) < 0 || set_link(x, &w->interface, &want) < 0)
		return -1;
	if (x->sys->ops->link(x->sys, &w->interface, x->arena, &have, &e) < 0)
		return failed(x, &e);
	return link_is(&have, &want) ? 0 : not_as_wanted(x, "the link in systemd-resolved");
}

/* An interface that had another name is gone, and its settings with it. */
static int revert_link(struct run *x)
{
	static const struct link_names none = { .n_servers = 0 };
	const struct ifname link = x->record->link, *i = &link;
	struct names_record next = *x->record;
	struct link_names have;
	struct err e = { 0 };

	next.link = (struct ifname){ { 0 } };
	if (x->sys->ops->link(x->sys, i, x->arena, &have, &e) < 0) {
		if (e.class != ERR_NOENT)
			return failed(x, &e);
		return x->dry ? 0 : save(x, &next);
	}
	if (!link_is(&have, &none)) {
		note(x, NAMES_LINK_REVERT, i);
		if (!x->dry && set_link(x, i, NULL) < 0)
			return -1;
	}
	return x->dry ? 0 : save(x, &next);
}

/* ---- all of it ---- */

/* False: what is there stays as it is, since nobody can say what it should be. */
static bool choose(struct run *x, enum names_how *ret)
{
	const struct names_wanted *w = x->wanted;
	struct err e = { 0 };
	bool there = false;

	*ret = NAMES_NONE;
	if (!w->domain)
		return true;
	if (w->hosts && w->lines_len)
		*ret = NAMES_HOSTS;
	if (!w->n_servers || !w->resolved)
		return true;
	if (x->sys->ops->resolved(x->sys, &there, &e) < 0) {
		failed(x, &e);
		if (!x->record->link.s[0])
			return true;
		*ret = NAMES_RESOLVED;
		return false;
	}
	if (there)
		*ret = NAMES_RESOLVED;
	return true;
}

static void converge(struct run *x)
{
	const struct names_wanted *w = x->wanted;
	enum names_how how;

	if (!choose(x, &how))
		return;
	x->result->how = how;
	/* First what is to be there, so that names are not without an answer in between. */
	if (how == NAMES_RESOLVED && bring_link(x) < 0)
		return;
	if (how == NAMES_HOSTS && bring_hosts(x, w->lines, w->lines_len) < 0)
		return;
	if (how != NAMES_RESOLVED && x->record->link.s[0] && revert_link(x) < 0)
		return;
	if (how != NAMES_HOSTS && (x->record->hosts || x->look))
		(void)bring_hosts(x, NULL, 0);
}

bool names_concerned(const struct names_wanted *wanted, const struct names_record *record,
		     bool look)
{
	return wanted->domain || !names_record_empty(record) || look;
}

int names_converge(struct names_system *s, const struct names_wanted *wanted, const char *network,
		   bool look, bool dry, struct names_record *record,
		   const struct names_store *store, struct arena *a, struct names_result *ret,
		   struct err *e)
{
	struct run x = { .sys = s,
			 .wanted = wanted,
			 .network = network,
			 .look = look,
			 .dry = dry,
			 .record = record,
			 .store = store,
			 .arena = a,
			 .result = ret };
	unsigned int before;

	*ret = (struct names_result){ .verified = true };
	if (!names_concerned(wanted, record, look))
		return 0;
	before = s->sets;
	converge(&x);
	s->ops->rest(s);
	ret->sets = s->sets - before;
	ret->verified = !x.first.class && !dry;
	if (!x.first.class)
		return 0;
	if (e)
		*e = x.first;
	return err_prefix(e, "names on this host");
}

void names_op_print(const struct names_op *op, struct buf *out)
{
	switch (op->kind) {
	case NAMES_HOSTS_SET:
		buf_addf(out, "names under %s into /etc/hosts", op->domain);
		break;
	case NAMES_HOSTS_REMOVE:
		buf_adds(out, "names out of /etc/hosts");
		break;
	case NAMES_LINK_SET:
		buf_addf(out, "systemd-resolved: name servers for %s on %s", op->domain,
			 op->interface.s);
		break;
	case NAMES_LINK_REVERT:
		buf_addf(out, "systemd-resolved: no name servers on %s", op->interface.s);
		break;
	}
}
