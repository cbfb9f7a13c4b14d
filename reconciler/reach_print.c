/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/reach.h"

char *reach_end_print(const struct reach *r, const struct reach_end *e,
		      char out[static REACH_END_STRLEN])
{
	char text[PREFIX_STRLEN];

	if (e->kind == REACH_NODE)
		snprintf(out, REACH_END_STRLEN, "%s", reach_name(r, e->id));
	else if (e->kind == REACH_BEHIND)
		snprintf(out, REACH_END_STRLEN, "%s behind %s", prefix_print(&e->prefix, text),
			 reach_name(r, e->id));
	else
		snprintf(out, REACH_END_STRLEN, "what is outside (IPv%u)", e->address.family);
	return out;
}

void reach_path_print(const struct reach *r, const struct reach_path *p, struct buf *out)
{
	const char *last = p->n ? reach_name(r, p->at[p->n - 1]) : "",
		   *before = p->n > 1 ? reach_name(r, p->at[p->n - 2]) : "";
	size_t i;

	/* Who does not come far needs no way. */
	for (i = 0; i < p->n && (p->n > 1 || p->fate == REACH_ARRIVES); i++)
		buf_addf(out, "%s%s", i ? " -> " : "", reach_name(r, p->at[i]));
	if (p->fate != REACH_ARRIVES && p->fate != REACH_LOOP && p->n > 1)
		buf_adds(out, ": ");
	switch (p->fate) {
	case REACH_ARRIVES:
		break;
	case REACH_NO_WAY:
		buf_addf(out, "%s has no way there", last);
		break;
	case REACH_NOT_TAKEN:
		buf_addf(out, "%s does not take it from %s", last, before);
		break;
	case REACH_CANNOT_MEET:
		buf_addf(out, "%s and %s cannot meet, neither has an endpoint for the other",
			 before, last);
		break;
	case REACH_NOT_PASSED_ON:
		buf_addf(out, "%s passes nothing on", last);
		break;
	case REACH_ASTRAY:
		buf_addf(out, "it leaves the network at %s", last);
		break;
	case REACH_BY_HAND:
		buf_addf(
			out,
			"%s makes no routes (`table: off`), so it is not known what it sends there",
			last);
		break;
	case REACH_BY_DAEMON:
		buf_addf(out,
			 "over routed links, which is for the routing daemons of %s and %s to say",
			 before, last);
		break;
	case REACH_LOOP:
		buf_adds(out, " -> ...: it goes round");
		break;
	}
}
