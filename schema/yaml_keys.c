/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml_impl.h"

static bool check_key(struct diag *d, const struct yaml_node *key)
{
	struct diag_entry *e;

	if (key->kind == YAML_NODE_BAD)
		return false;
	if (key->kind != YAML_NODE_SCALAR) {
		e = diag_error(d, yaml_pos(key), "a key must be a word, not a %s",
			       key->kind == YAML_NODE_LIST ? "list" : "mapping");
		diag_help(d, e, "quote it if it begins with '[', '{' or '?'");
		return false;
	}
	if ((key->flags & YAML_PLAIN) && !strcmp(key->text, "<<")) {
		e = diag_error(d, yaml_pos(key), "merge keys (`<<`) are not accepted");
		diag_help(d, e, "write the keys out");
		return false;
	}
	if (yaml_secret_word(key->text, key->n)) {
		char shown[YAML_SHOWN];

		e = diag_error(d, yaml_pos(key), "`%s`: secret keys never belong in the repository",
			       yaml_show(key, shown));
		diag_help(
			d, e,
			"remove it, and replace that key everywhere: it may already be in the history. "
			"The agent makes a node's private key and keeps it on the node");
		return false;
	}
	if (!key->n) {
		diag_error(d, yaml_pos(key), "an empty key");
		return false;
	}
	return true;
}

void yaml_duplicate(struct diag *d, const struct yaml_node *again, struct pos first)
{
	char shown[YAML_SHOWN];
	struct diag_entry *e =
		diag_error(d, yaml_pos(again), "`%s` is given twice", yaml_show(again, shown));

	diag_other(d, e, first, "it is given here already");
}

static int cmp_text(const struct yaml_node *a, const struct yaml_node *b)
{
	size_t len = a->n < b->n ? a->n : b->n;
	int c = memcmp(a->text, b->text, len);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static void merge_halves(const struct yaml_pair *pairs, uint32_t *idx, uint32_t *tmp, uint32_t n)
{
	uint32_t half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	merge_halves(pairs, idx, tmp, half);
	merge_halves(pairs, idx + half, tmp, n - half);
	if (cmp_text(&pairs[idx[half - 1]].key, &pairs[idx[half]].key) <= 0)
		return; /* sorted already, as people and generators write it */
	memcpy(tmp, idx, half * sizeof(*tmp));
	while (i < half && j < n)
		idx[k++] =
			cmp_text(&pairs[tmp[i]].key, &pairs[idx[j]].key) <= 0 ? tmp[i++] : idx[j++];
	while (i < half)
		idx[k++] = tmp[i++];
}

uint32_t *yaml_sort(const struct yaml_pair *pairs, uint32_t n)
{
	uint32_t *idx = malloc(((size_t)n + n / 2 + 1) * sizeof(*idx)), i;

	if (!idx)
		return NULL;
	for (i = 0; i < n; i++)
		idx[i] = i;
	merge_halves(pairs, idx, idx + n, n);
	return idx;
}

static bool has_duplicates(const struct yaml_pair *pairs, uint32_t n)
{
	uint32_t i, j;

	if (n <= 16) {
		for (i = 1; i < n; i++)
			for (j = 0; j < i; j++)
				if (pairs[i].key.n == pairs[j].key.n &&
				    !cmp_text(&pairs[i].key, &pairs[j].key))
					return true;
		return false;
	}
	for (i = 1; i < n; i++)
		if (cmp_text(&pairs[i - 1].key, &pairs[i].key) >= 0)
			return true; /* or merely not sorted: the caller finds out */
	return false;
}

/* Tells all keys that stand there before, marks them bad. */
static int find_duplicates(struct diag *d, struct yaml_pair *pairs, uint32_t n)
{
	uint32_t *idx, i, first = 0;

	if (!has_duplicates(pairs, n))
		return 0;
	idx = yaml_sort(pairs, n);
	if (!idx)
		return -1;
	for (i = 1; i < n; i++) {
		if (cmp_text(&pairs[idx[first]].key, &pairs[idx[i]].key)) {
			first = i;
			continue;
		}
		yaml_duplicate(d, &pairs[idx[i]].key, yaml_pos(&pairs[idx[first]].key));
	}
	for (i = n; i-- > 1;)
		if (!cmp_text(&pairs[idx[i - 1]].key, &pairs[idx[i]].key))
			pairs[idx[i]].value.kind = pairs[idx[i]].key.kind = YAML_NODE_BAD;
	free(idx);
	return 0;
}

static uint32_t drop_bad_keys(struct yaml_pair *pairs, uint32_t n)
{
	uint32_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (pairs[i].key.kind != YAML_NODE_BAD)
			pairs[kept++] = pairs[i];
	return kept;
}

int yaml_check_keys(struct yaml_node *map, struct diag *d)
{
	uint32_t i, kept;

	for (i = 0; i < map->n; i++)
		if (!check_key(d, &map->pairs[i].key))
			map->pairs[i].key.kind = YAML_NODE_BAD;
	kept = drop_bad_keys(map->pairs, map->n);
	/* What was refused may have been the key that is looked for later: `Private_key` for
	 * `public_key`, say. */
	if (kept < map->n)
		map->flags |= YAML_PARTIAL;
	map->n = kept;
	if (find_duplicates(d, map->pairs, map->n) < 0)
		return -1;
	map->n = drop_bad_keys(map->pairs, map->n);
	return 0;
}
