/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/merge.h"

#include <stdbool.h>

struct merge {
	struct arena *arena;
	struct diag *diag;
	bool nomem;
};

static void join_lists(struct merge *m, const struct yaml_pair *pairs, const uint32_t *group,
		       uint32_t n, struct yaml_node *ret)
{
	uint64_t total = 0;
	uint32_t i;

	*ret = pairs[group[0]].value;
	for (i = 0; i < n; i++) {
		total += pairs[group[i]].value.n;
		ret->flags |= pairs[group[i]].value.flags & YAML_PARTIAL;
	}
	ret->items = total > UINT32_MAX ? NULL :
					  arena_array(m->arena, (size_t)total, sizeof(*ret->items));
	ret->n = 0;
	if (!ret->items) {
		m->nomem = true;
		return;
	}
	for (i = 0; i < n; i++) {
		const struct yaml_node *list = &pairs[group[i]].value;

		memcpy(ret->items + ret->n, list->items, list->n * sizeof(*list->items));
		ret->n += list->n;
	}
}

static bool all_of_kind(const struct yaml_pair *pairs, const uint32_t *group, uint32_t n,
			enum yaml_kind kind)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (pairs[group[i]].value.kind != kind)
			return false;
	return true;
}

/* What is known of the keys of a mapping. */
struct keys {
	const struct table *table; /* NULL: nothing */
	bool named; /* they are names of what the table describes, not its fields */
	bool top;
};

/* The same of the mappings below them. */
static struct keys keys_below(const struct keys *k, const struct field *f)
{
	if (k->named)
		return (struct keys){ .table = k->table };
	return (struct keys){ .table = f ? f->table : NULL, .named = f && f->type == FIELD_NAMED };
}

static void merge_maps(struct merge *m, const struct yaml_node *maps, uint32_t n,
		       const struct keys *keys, struct yaml_node *ret);

static void merge_below(struct merge *m, const struct yaml_pair *pairs, const uint32_t *group,
			uint32_t n, const struct keys *keys, struct yaml_node *ret)
{
	struct yaml_node *maps = malloc(n * sizeof(*maps));
	uint32_t i;

	if (!maps) {
		m->nomem = true;
		return;
	}
	for (i = 0; i < n; i++)
		maps[i] = pairs[group[i]].value;
	merge_maps(m, maps, n, keys, ret);
	free(maps);
}

static void tell_twice(struct merge *m, const struct yaml_pair *pairs, const uint32_t *group,
		       uint32_t n, bool top)
{
	const struct yaml_pair *first = &pairs[group[0]];
	uint32_t i;

	for (i = 1; i < n; i++) {
		const struct yaml_pair *p = &pairs[group[i]];

		if (top && !strcmp(p->key.text, "version") && p->value.kind == YAML_NODE_SCALAR &&
		    first->value.kind == YAML_NODE_SCALAR && p->value.flags == first->value.flags &&
		    !strcmp(p->value.text, first->value.text))
			continue;
		yaml_duplicate(m->diag, &p->key, yaml_pos(&first->key));
	}
}

/* The pairs of one key, n > 1; `group` is used up. */
static void merge_group(struct merge *m, const struct yaml_pair *pairs, uint32_t *group, uint32_t n,
			const struct keys *keys, struct yaml_node *ret)
{
	const struct yaml_pair *first = &pairs[group[0]];
	const struct field *f =
		keys->table && !keys->named ? table_field(keys->table, first->key.text) : NULL;
	bool list = f && f->type == FIELD_LIST;
	struct keys below = keys_below(keys, f);
	uint32_t i, kept = 0;

	*ret = first->value;
	if (!below.table) {
		if (all_of_kind(pairs, group, n, YAML_NODE_MAP))
			merge_below(m, pairs, group, n, &below, ret);
		else
			tell_twice(m, pairs, group, n, keys->top);
		return;
	}
	for (i = 0; i < n; i++) {
		const struct yaml_pair *p = &pairs[group[i]];

		if (table_shape(m->diag, below.table, f, &p->key, &p->value))
			group[kept++] = group[i];
	}
	if (!kept) {
		ret->kind = YAML_NODE_BAD;
		return;
	}
	*ret = pairs[group[0]].value;
	if (kept > 1 && list)
		join_lists(m, pairs, group, kept, ret);
	else if (kept > 1)
		merge_below(m, pairs, group, kept, &below, ret);
	if (kept < n)
		ret->flags |= YAML_PARTIAL;
}

static void merge_maps(struct merge *m, const struct yaml_node *maps, uint32_t n,
		       const struct keys *keys, struct yaml_node *ret)
{
	struct yaml_pair *pairs;
	uint32_t *order = NULL, i, end, kept = 0;
	uint64_t total = 0;

	*ret = maps[0];
	ret->n = 0;
	for (i = 0; i < n; i++) {
		total += maps[i].n;
		ret->flags |= maps[i].flags & YAML_PARTIAL;
	}
	pairs = total > UINT32_MAX ? NULL : malloc((size_t)total * sizeof(*pairs) + 1);
	ret->pairs = pairs ? arena_array(m->arena, (size_t)total, sizeof(*ret->pairs)) : NULL;
	if (!ret->pairs)
		goto nomem;
	for (i = 0, end = 0; i < n; i++) {
		if (maps[i].n)
			memcpy(pairs + end, maps[i].pairs, maps[i].n * sizeof(*pairs));
		end += maps[i].n;
	}
	order = yaml_sort(pairs, (uint32_t)total);
	if (!order)
		goto nomem;
	for (i = 0; i < total; i = end) {
		for (end = i + 1;
		     end < total && !strcmp(pairs[order[i]].key.text, pairs[order[end]].key.text);
		     end++)
			;
		ret->pairs[kept] = pairs[order[i]];
		if (end - i > 1)
			merge_group(m, pairs, order + i, end - i, keys, &ret->pairs[kept].value);
		kept++;
	}
	ret->n = kept;
	goto out;
nomem:
	m->nomem = true;
out:
	free(pairs);
	free(order);
}

void merge_roots(const struct yaml_node *roots, size_t n, const struct table *t, struct arena *a,
		 struct diag *d, struct yaml_node *ret)
{
	struct keys keys = { .table = t, .top = true };
	struct merge m = { .arena = a, .diag = d };

	merge_maps(&m, roots, (uint32_t)n, &keys, ret);
	if (m.nomem)
		diag_nomem(d);
}
