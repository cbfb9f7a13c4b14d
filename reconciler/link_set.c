/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/link_set.h"

int link_set_grow(struct link_set *s, struct arena *a)
{
	size_t cap = s->cap ? 2 * s->cap : 4;
	struct link *list = arena_array(a, cap, sizeof(*list));

	if (!list)
		return -1;
	if (s->n)
		memcpy(list, s->list, s->n * sizeof(*list));
	s->list = list;
	s->cap = cap;
	return 0;
}

int link_set_add(struct link_set *s, struct arena *a, struct link link)
{
	if (s->n == s->cap && link_set_grow(s, a) < 0)
		return -1;
	s->list[s->n++] = link;
	return 0;
}

int link_set_copy(struct link_set *to, struct arena *a, const struct link_set *from)
{
	if (to->cap < from->n) {
		struct link *list = arena_array(a, from->n, sizeof(*list));

		if (!list)
			return -1;
		to->list = list;
		to->cap = from->n;
	}
	if (from->n)
		memcpy(to->list, from->list, from->n * sizeof(*to->list));
	to->n = from->n;
	return 0;
}

static int cmp_links(const void *a, const void *b)
{
	return link_cmp(a, b);
}

void link_set_unique(struct link_set *s)
{
	size_t i, kept = 0;

	if (s->n > 1)
		qsort(s->list, s->n, sizeof(*s->list), cmp_links);
	for (i = 0; i < s->n; i++) {
		struct link *last = kept ? &s->list[kept - 1] : NULL, *this = &s->list[i];

		/* They come sorted by their seconds, none (0) first. */
		if (last && this->kind == LINK_ALIVE && last->kind == LINK_ALIVE &&
		    !strcmp(last->target, this->target)) {
			if (!last->seconds)
				last->seconds = this->seconds;
			continue;
		}
		if (!last || link_cmp(last, this))
			s->list[kept++] = *this;
	}
	s->n = kept;
}
