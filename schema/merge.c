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

static void merge_maps(struct merge *m, const struct yaml_node *maps, uint32_t n, bool top,
		       struct yaml_node *ret);

/* The pairs of one key, n > 1. */
static void merge_group(struct merge *m, const struct yaml_pair *pairs, const uint32_t *group,
			uint32_t n, bool top, struct yaml_node *ret)
{
	const struct yaml_pair *first = &pairs[group[0]];
	uint32_t i;

	*ret = first->value;
	if (all_of_kind(pairs, group, n, YAML_NODE_MAP)) {
		struct yaml_node *maps = malloc(n * sizeof(*maps));

		if (!maps) {
			m->nomem = true;
			return;
		}
		for (i = 0; i < n; i++)
			maps[i] = pairs[group[i]].value;
		merge_maps(m, maps, n, false, ret);
		free(maps);
		return;
	}
	if (top && !strcmp(first->key.text, "topology") &&
	    all_of_kind(pairs, group, n, YAML_NODE_LIST)) {
		join_lists(m, pairs, group, n, ret);
		return;
	}
	for (i = 1; i < n; i++) {
		const struct yaml_pair *p = &pairs[group[i]];

		if (top && !strcmp(p->key.text, "version") && p->value.kind == YAML_NODE_SCALAR &&
		    first->value.kind == YAML_NODE_SCALAR && p->value.flags == first->value.flags &&
		    !strcmp(p->value.text, first->value.text))
			continue;
		yaml_duplicate(m->diag, &p->key, &first->key);
	}
}

static void merge_maps(struct merge *m, const struct yaml_node *maps, uint32_t n, bool top,
		       struct yaml_node *ret)
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
			merge_group(m, pairs, order + i, end - i, top, &ret->pairs[kept].value);
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

void merge_roots(const struct yaml_node *roots, size_t n, struct arena *a, struct diag *d,
		 struct yaml_node *ret)
{
	struct merge m = { .arena = a, .diag = d };

	merge_maps(&m, roots, (uint32_t)n, true, ret);
	if (m.nomem) {
		d->nomem = true;
		d->errors++;
	}
}
