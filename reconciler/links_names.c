/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/links_impl.h"

#include "common/hash.h"
#include "common/limits.h"

/* Characters of a hash in a name, and how often another one is tried when two are alike. */
#define HASH_CHARS 4
#define MAX_SALT 16

/* The name of the interface to this node; `salt` 0 unless two would be alike. */
static struct ifname interface_to(const struct link_maker *x, const char *node, unsigned int salt)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	const char *prefix = x->m->routed.interface_prefix.s;
	char text[MAX_NAME + 16], hash[HASH_CHARS + 1] = "";
	struct ifname ret = { "" };
	struct digest d;
	int room = (int)(IFNAME_SIZE - 1 - strlen(prefix));
	size_t i;

	if (strlen(node) <= (size_t)room && !salt) {
		snprintf(ret.s, sizeof(ret.s), "%s%s", prefix, node);
		return ret;
	}
	snprintf(text, sizeof(text), salt ? "%s#%u" : "%s", node, salt);
	digest_of(text, strlen(text), &d);
	for (i = 0; i < HASH_CHARS; i++)
		hash[i] = digits[d.b[i] & 31];
	snprintf(ret.s, sizeof(ret.s), "%s%.*s_%s", prefix, room - HASH_CHARS - 1, node, hash);
	return ret;
}

/* The name is one that this link may have. */
bool links_name_holds(const struct link_maker *x, const struct ifname *name, const char *node)
{
	unsigned int salt;

	for (salt = 0; salt < MAX_SALT; salt++) {
		struct ifname may = interface_to(x, node, salt);

		if (!strcmp(may.s, name->s))
			return true;
	}
	return false;
}

struct named {
	uint32_t node;
	struct ifname name;
	size_t line; /* SIZE_MAX: the node's main interface */
	unsigned int end;
	bool kept;
};

/* What stays first, so that the later of two neighbours gives way. */
static int cmp_named(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	int c = a->node < b->node ? -1 : a->node > b->node;

	if (!c)
		c = strcmp(a->name.s, b->name.s);
	if (!c)
		c = (int)b->kept - (int)a->kept;
	return c ? c : a->line < b->line ? -1 : a->line > b->line;
}

static void tell_same_name(struct link_maker *x, const struct named *n)
{
	const struct m_node *node = &x->m->nodes[n->node];
	struct diag_entry *e = diag_error(
		x->diag, x->entries[x->pairs[n->line].entry].pos,
		"the interface of node `%s` to `%s` would be called %s, as another one of "
		"that node is",
		node->name, x->links[n->line].name[!n->end], n->name.s);

	if (node->has_interface)
		diag_other(x->diag, e, node->interface_pos, "the node's main interface");
	else if (x->m->has_interface)
		diag_other(x->diag, e, x->m->interface_pos, "the main interface");
	diag_help(x->diag, e, "choose another `interface_prefix` in `routed_links`");
}

void links_names(struct link_maker *x)
{
	struct named *list = links_get(x, 2 * x->n + x->m->n_nodes, sizeof(*list));
	size_t i, n = 0, alike = 1;
	unsigned int salt;

	for (i = 0; list && i < x->m->n_nodes; i++)
		list[n++] = (struct named){ (uint32_t)i, x->nodes[i].interface, SIZE_MAX, 0, true };
	for (i = 0; list && i < 2 * x->n; i++) {
		struct ifname *own = &x->links[i / 2].end[i % 2].interface;
		bool kept = own->s[0];

		if (!kept)
			*own = interface_to(x, x->links[i / 2].name[!(i % 2)], 0);
		list[n++] = (struct named){ x->pairs[i / 2].node[i % 2], *own, i / 2, i % 2, kept };
	}
	for (salt = 1; alike && salt <= MAX_SALT; salt++) {
		alike = 0;
		qsort(list, n, sizeof(*list), cmp_named);
		for (i = 1; i < n; i++) {
			struct named *d = &list[i];

			if (d->node != d[-1].node || strcmp(d->name.s, d[-1].name.s) != 0)
				continue;
			/* A whole name has no other spelling. */
			if (salt == MAX_SALT || d->kept || !strchr(d->name.s, '_') ||
			    d[-1].line == SIZE_MAX) {
				/* The main interface may be the one that came later. */
				tell_same_name(x, d->line != SIZE_MAX ? d : &d[-1]);
				return;
			}
			alike++;
			d->name = interface_to(x, x->links[d->line].name[!d->end], salt);
			x->links[d->line].end[d->end].interface = d->name;
		}
	}
}
