/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach_impl.h"

static int addresses_init(struct reach *r)
{
	uint32_t id;

	r->first_address = arena_array(&r->arena, r->w.n, sizeof(*r->first_address));
	if (!r->first_address)
		return -1;
	for (id = 0; id < r->w.n; id++) {
		r->first_address[id] = r->n_addresses;
		r->n_addresses +=
			r->side->records[id] ? (uint32_t)r->side->records[id]->n_addresses : 0;
	}
	return 0;
}

int reach_new(const struct network *n, const struct m_network *m, struct reach **ret, struct err *e)
{
	struct reach *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(e);
	arena_init(&r->arena);
	r->net = n;
	if (plan_work_init(&r->w, NULL, n, &r->arena, e) < 0) {
		reach_free(r);
		return -1;
	}
	r->side = &r->w.sides[NEW];
	if (addresses_init(r) < 0 || reach_networks_init(r, m) < 0 || reach_tables_init(r) < 0 ||
	    reach_ways_init(r) < 0 || reach_policy_init(r) < 0) {
		reach_free(r);
		return err_nomem(e);
	}
	*ret = r;
	return 0;
}

void reach_free(struct reach *r)
{
	if (!r)
		return;
	plan_work_release(&r->w);
	arena_release(&r->arena);
	free(r->answers);
	free(r->on);
	free(r);
}

uint32_t reach_id(const struct reach *r, const char *name)
{
	uint32_t id = plan_work_id(&r->w, name);

	return id != NO_ID && r->side->records[id] ? id : REACH_NOBODY;
}

const char *reach_name(const struct reach *r, uint32_t id)
{
	return r->w.names[id];
}

bool reach_is_client(const struct reach *r, uint32_t id)
{
	return r->side->records[id]->gateway != NULL;
}

size_t reach_count(const struct reach *r)
{
	return r->w.n;
}

int reach_ask(struct reach *r, const struct reach_end *from, const struct reach_end *to,
	      const struct service *on, size_t n, enum reach_answer *ret)
{
	enum reach_answer ways, policy;

	if (reach_policy(r, from, to, on, n, &policy) < 0)
		return -1;
	*ret = REACH_NONE;
	if (policy == REACH_NONE)
		return 0;
	if (reach_ways(r, from, to, &ways, NULL, NULL) < 0)
		return -1;
	*ret = ways == REACH_ALL && policy == REACH_ALL ? REACH_ALL :
	       ways == REACH_NONE			? REACH_NONE :
							  REACH_SOME;
	return 0;
}
