/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake_host.h"

int fake_host_fault(struct fake_host *f)
{
	f->calls++;
	if (!f->fail_at || f->calls < f->fail_at)
		return 0;
	if (f->dead)
		return f->calls == f->fail_at && f->fail_after ? 2 : 1;
	return f->calls > f->fail_at ? 0 : f->fail_after ? 2 : 1;
}

static int made_to_fail(struct err *e)
{
	return err_set(e, ERR_IO, "made to fail");
}

/* A call's frame: BEGIN fails before it does anything, END after. */
#define BEGIN                                                \
	struct fake_host *f = (struct fake_host *)(void *)h; \
	int fault = fake_host_fault(f);                      \
	if (fault == 1)                                      \
	return made_to_fail(e)
#define END return fault ? made_to_fail(e) : 0

static struct fake_interface *find(struct host_model *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->list[i].there && !strcmp(m->list[i].name, name))
			return &m->list[i];
	return NULL;
}

static uint32_t *place(struct host_model *m, const struct sysctl *s)
{
	bool all = !strcmp(s->of, "all"), fallback = !strcmp(s->of, "default");
	struct fake_interface *i = find(m, s->of);

	if (s->key >= SYSCTL_FORWARD6 && !m->has_ipv6)
		return NULL;
	switch (s->key) {
	case SYSCTL_FORWARD4:
		return all ? &m->forward4 : fallback ? &m->default4 : i ? &i->forward4 : NULL;
	case SYSCTL_REDIRECTS4:
		return all ? &m->redirects4 : NULL;
	case SYSCTL_FORWARD6:
		return all ? &m->forward6 : fallback ? &m->default6 : i ? &i->forward6 : NULL;
	case SYSCTL_RA6:
		return i ? &i->ra : NULL;
	}
	return NULL;
}

static int fake_get(struct host *h, const struct sysctl *s, uint32_t *ret, struct err *e)
{
	uint32_t *at;
	BEGIN;
	at = place(&f->m, s);
	if (!at)
		return err_set(e, ERR_NOENT, "no such setting");
	*ret = *at;
	END;
}

/* net/ipv4/devinet.c: inet_forward_change */
static void switch4(struct host_model *m, uint32_t v)
{
	size_t i;

	m->redirects4 = !v;
	m->default4 = v;
	for (i = 0; i < m->n; i++)
		m->list[i].forward4 = v;
}

/* net/ipv6/addrconf.c: addrconf_fixup_forwarding, rt6_purge_dflt_routers */
static void switch6(struct host_model *m, uint32_t v)
{
	size_t i;

	m->default6 = v;
	for (i = 0; i < m->n; i++) {
		m->list[i].forward6 = v;
		if (v && m->list[i].ra != 2)
			m->list[i].route = false;
	}
}

static int fake_set(struct host *h, const struct sysctl *s, uint32_t value, struct err *e)
{
	uint32_t *at;
	bool changes;
	BEGIN;
	at = place(&f->m, s);
	if (!at)
		return err_set(e, ERR_NOENT, "no such setting");
	if (f->refuse_sysctls)
		return err_set(e, ERR_IO, "read-only");
	changes = *at != value;
	*at = value;
	if (changes && at == &f->m.forward4)
		switch4(&f->m, value);
	if (changes && at == &f->m.forward6)
		switch6(&f->m, value);
	if (changes && value && (at == &f->m.forward4 || at == &f->m.forward6) && f->want_table &&
	    !f->m.has_table)
		f->unmasked++;
	END;
}

static int fake_interfaces(struct host *h, unsigned int version, struct arena *a,
			   struct host_interface **ret, size_t *ret_n, struct err *e)
{
	struct host_interface *list;
	size_t i, n = 0;
	BEGIN;
	list = arena_array(a, f->m.n + 2, sizeof(*list));
	if (!list)
		return err_nomem(e);
	snprintf(list[n++].name, sizeof(list->name), "all");
	snprintf(list[n++].name, sizeof(list->name), "default");
	for (i = 0; i < f->m.n; i++) {
		if (!f->m.list[i].there)
			continue;
		memcpy(list[n].name, f->m.list[i].name, sizeof(list->name));
		list[n++].hears = f->m.list[i].hears;
	}
	*ret = list;
	*ret_n = n;
	END;
}

static int fake_boot(struct host *h, char ret[static BOOT_ID_LEN + 1], struct err *e)
{
	BEGIN;
	memcpy(ret, f->m.boot, BOOT_ID_LEN + 1);
	END;
}

static int fake_table(struct host *h, const char *name, struct buf *out, struct err *e)
{
	BEGIN;
	f->lists++;
	if (f->no_nftables)
		return err_set(e, ERR_IO, "no nftables here");
	if (f->m.has_table) {
		buf_adds(out, "listed: ");
		buf_adds(out, f->m.table);
	}
	END;
}

static int fake_set_table(struct host *h, const char *name, const char *rules, struct err *e)
{
	BEGIN;
	if (f->refuse_tables || f->no_nftables)
		return err_set(e, ERR_IO, "no nftables here");
	f->m.has_table = rules != NULL;
	snprintf(f->m.table, sizeof(f->m.table), "%s", rules ? rules : "");
	END;
}

static void fake_free(struct host *h)
{
}

static const struct host_ops fake_ops = {
	.get = fake_get,
	.set = fake_set,
	.interfaces = fake_interfaces,
	.boot = fake_boot,
	.table = fake_table,
	.set_table = fake_set_table,
	.free = fake_free,
};

void fake_host_init(struct fake_host *f)
{
	memset(f, 0, sizeof(*f));
	f->h.ops = &fake_ops;
	f->m.redirects4 = 1;
	f->m.has_ipv6 = true;
	snprintf(f->m.boot, sizeof(f->m.boot), "00000000-0000-4000-8000-000000000001");
}

struct fake_interface *fake_host_add(struct fake_host *f, const char *name)
{
	struct fake_interface *i = &f->m.list[f->m.n++];

	*i = (struct fake_interface){ .there = true,
				      .hears = true,
				      .forward4 = f->m.default4,
				      .forward6 = f->m.default6,
				      .ra = 1 };
	snprintf(i->name, sizeof(i->name), "%s", name);
	return i;
}

bool host_model_equal(const struct host_model *a, const struct host_model *b)
{
	size_t i;

	if (a->forward4 != b->forward4 || a->default4 != b->default4 ||
	    a->redirects4 != b->redirects4 || a->forward6 != b->forward6 ||
	    a->default6 != b->default6 || a->n != b->n || a->has_table != b->has_table ||
	    strcmp(a->table, b->table) != 0)
		return false;
	for (i = 0; i < a->n; i++)
		if (a->list[i].there != b->list[i].there ||
		    (a->list[i].there &&
		     (a->list[i].forward4 != b->list[i].forward4 ||
		      a->list[i].forward6 != b->list[i].forward6 ||
		      a->list[i].ra != b->list[i].ra || a->list[i].route != b->list[i].route)))
			return false;
	return true;
}
