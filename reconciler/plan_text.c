/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"
#include "reconciler/plan.h"

/* What is shown of a list without --verbose. */
#define SHOWN_NODES 10
#define SHOWN_OWN 10
#define SHOWN_PEERS 20
/* Peers of which only the names are shown stand on a line each up to here. */
#define SHOWN_NAMES 6
#define SHOWN_PREFIXES 8
#define SHOWN_CLASSES 40
#define SHOWN_CLIENTS 20
#define SHOWN_LOSSES 20

#define ALL SIZE_MAX

struct writer {
	struct buf *out;
	bool colour, verbose, diff;
};

enum colour { BOLD, RED, GREEN, YELLOW, PLAIN };

static void paint(const struct writer *w, enum colour c)
{
	static const char *const codes[] = { "\033[1m", "\033[31m", "\033[32m", "\033[33m",
					     "\033[0m" };

	if (w->colour)
		buf_adds(w->out, codes[c]);
}

static size_t limit(const struct writer *w, size_t n)
{
	return w->verbose ? ALL : n;
}

static void add_safe(const struct writer *w, const char *s)
{
	text_safe(w->out, s, strlen(s));
}

/* 99,990,000 */
static void add_number(const struct writer *w, uint64_t n)
{
	char text[24];
	size_t len, i;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	len = strlen(text);
	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_addc(w->out, ',');
		buf_addc(w->out, text[i]);
	}
}

static void add_names(const struct writer *w, const char *const *names, size_t n)
{
	size_t max = limit(w, SHOWN_NODES), i;

	/* One name more is as short as the words that hide it. */
	for (i = 0; i < n && (i < max || n == max + 1); i++) {
		if (i)
			buf_adds(w->out, ", ");
		add_safe(w, names[i]);
	}
	if (i < n) {
		buf_adds(w->out, ", ... and ");
		add_number(w, n - i);
		buf_adds(w->out, " more");
	}
}

/* "ams1", or "3 nodes (ams1, ams2, ams3)" */
static void add_ends(const struct writer *w, const char *const *names, size_t n, bool clients)
{
	if (n == 1) {
		add_safe(w, names[0]);
		return;
	}
	add_number(w, n);
	buf_adds(w->out, clients ? " nodes and clients (" : " nodes (");
	add_names(w, names, n);
	buf_addc(w->out, ')');
}

static void add_nodes(const struct writer *w, const char *const *names, size_t n)
{
	add_ends(w, names, n, false);
}

static void symbol(const struct writer *w, size_t indent, char c)
{
	buf_addf(w->out, "%*s", (int)indent, "");
	paint(w, c == '+' ? GREEN : c == '-' ? RED : YELLOW);
	buf_addc(w->out, c);
	paint(w, PLAIN);
	buf_addc(w->out, ' ');
}

static void comment(const struct writer *w, size_t indent, const char *s)
{
	buf_addf(w->out, "%*s# %s\n", (int)indent, "", s);
}

/* The values of a[0..n) that are set on that side, cut. */
static void add_values(const struct writer *w, const struct plan_attr *a, size_t n, bool to)
{
	size_t shown = 0, hidden = 0, i;

	for (i = 0; i < n; i++) {
		const char *s = to ? a[i].to : a[i].from;

		if (!s)
			continue;
		if (shown == limit(w, SHOWN_PREFIXES)) {
			hidden++;
			continue;
		}
		if (shown++)
			buf_adds(w->out, ", ");
		add_safe(w, s);
	}
	if (hidden) {
		buf_adds(w->out, ", ... and ");
		add_number(w, hidden);
		buf_adds(w->out, " more");
	}
}

static void attr_line(const struct writer *w, size_t indent, size_t width, char c,
		      const struct plan_attr *a, size_t n)
{
	symbol(w, indent, c);
	buf_addf(w->out, "%-*s = ", (int)width, a[0].name);
	if (c != '+')
		add_values(w, a, n, false);
	if (c == '~')
		buf_adds(w->out, " -> ");
	if (c != '-')
		add_values(w, a, n, true);
	buf_addc(w->out, '\n');
}

static void add_attrs(const struct writer *w, size_t indent, const struct plan_attr *a, size_t n)
{
	size_t i, end, width = 0;

	for (i = 0; i < n; i++)
		width = strlen(a[i].name) > width ? strlen(a[i].name) : width;
	for (i = 0; i < n; i = end) {
		size_t from = 0, to = 0;

		for (end = i; end < n && !strcmp(a[end].name, a[i].name); end++) {
			from += a[end].from != NULL;
			to += a[end].to != NULL;
		}
		if (from == 1 && to == 1) {
			attr_line(w, indent, width, '~', &a[i], end - i);
			continue;
		}
		if (from)
			attr_line(w, indent, width, '-', &a[i], end - i);
		if (to)
			attr_line(w, indent, width, '+', &a[i], end - i);
	}
}

static char symbol_of(enum plan_action action)
{
	return action == PLAN_ADD ? '+' : action == PLAN_REMOVE ? '-' : '~';
}

static void add_more(const struct writer *w, size_t indent, uint64_t n, const char *what)
{
	buf_addf(w->out, "%*s# ... and ", (int)indent, "");
	add_number(w, n);
	buf_addf(w->out, " more %s\n", what);
}

/* Peers by their names alone, on one line. */
static void add_peer_names(const struct writer *w, const struct plan_class *c,
			   enum plan_action action, size_t total)
{
	size_t shown = 0, i;

	symbol(w, 6, symbol_of(action));
	add_number(w, total);
	buf_adds(w->out, " peers (");
	for (i = 0; i < c->n_peers && shown < SHOWN_NODES; i++) {
		if (c->peers[i].action != action)
			continue;
		if (shown++)
			buf_adds(w->out, ", ");
		add_safe(w, c->peers[i].name);
	}
	if (total > shown) {
		buf_adds(w->out, ", ... and ");
		add_number(w, total - shown);
		buf_adds(w->out, " more");
	}
	buf_adds(w->out, ")\n");
}

/* Peers of one action. `total`: how many a node has of them, listed or not. */
static void add_peers(const struct writer *w, const struct plan_class *c, enum plan_action action,
		      size_t total)
{
	static const char *const what[] = { [PLAN_ADD] = "peers to add",
					    [PLAN_CHANGE] = "peers to change",
					    [PLAN_REMOVE] = "peers to remove" };
	/* A node that comes or goes as a whole: its peers say enough with their names. */
	bool details = w->verbose || (c->action == PLAN_CHANGE && action != PLAN_REMOVE);
	size_t shown = 0, max = limit(w, SHOWN_PEERS), i;

	if (!details && total > SHOWN_NAMES) {
		add_peer_names(w, c, action, total);
		return;
	}
	for (i = 0; i < c->n_peers; i++) {
		const struct plan_peer *p = &c->peers[i];

		if (p->action != action)
			continue;
		if (shown == max)
			break;
		shown++;
		symbol(w, 6, symbol_of(action));
		buf_adds(w->out, "peer ");
		add_safe(w, p->name);
		buf_addc(w->out, '\n');
		if (details)
			add_attrs(w, 10, p->attrs, p->n_attrs);
	}
	if (shown < total && (i < c->n_peers || c->peers_cut))
		add_more(w, 6, total - shown, what[action]);
}

static bool lists_itself(const struct plan_class *c)
{
	size_t i = 0, j = 0;

	/* Both are sorted. */
	while (c->n_nodes > 1 && i < c->n_nodes && j < c->n_peers) {
		int cmp = strcmp(c->nodes[i], c->peers[j].name);

		if (!cmp)
			return true;
		i += cmp < 0;
		j += cmp > 0;
	}
	return false;
}

/* A node's routed links; by their names alone when the node comes or goes as a whole. */
static void add_node_links(const struct writer *w, const struct plan_class *c,
			   const struct plan_links *l, size_t indent)
{
	bool details = w->verbose || c->action == PLAN_CHANGE;
	size_t max = limit(w, SHOWN_PEERS), i;

	for (i = 0; i < l->n && (i < max || l->n == max + 1); i++) {
		const struct plan_peer *p = &l->list[i];

		symbol(w, indent, symbol_of(p->action));
		buf_adds(w->out, "routed link with ");
		add_safe(w, p->name);
		buf_addc(w->out, '\n');
		if (details && p->action != PLAN_REMOVE)
			add_attrs(w, indent + 4, p->attrs, p->n_attrs);
	}
	if (i < l->n)
		add_more(w, indent, l->n - i, "routed links");
}

/* What each node has of its own: attributes and routed links. */
static void add_own(const struct writer *w, const struct plan_class *c)
{
	size_t i, shown = 0, hidden = 0;

	for (i = 0; (c->own || c->links) && i < c->n_nodes; i++) {
		bool attrs = c->own && c->own[i].n, links = c->links && c->links[i].n;

		if (!attrs && !links)
			continue;
		if (c->n_nodes == 1 && !attrs) {
			add_node_links(w, c, &c->links[i], 6);
			return;
		}
		if (shown == limit(w, SHOWN_OWN)) {
			hidden++;
			continue;
		}
		shown++;
		symbol(w, 6, symbol_of(c->action));
		buf_adds(w->out, "node ");
		add_safe(w, c->nodes[i]);
		buf_addc(w->out, '\n');
		if (attrs)
			add_attrs(w, 10, c->own[i].list, c->own[i].n);
		if (links)
			add_node_links(w, c, &c->links[i], 10);
	}
	if (hidden)
		add_more(w, 6, hidden, "nodes, each with its own");
}

static const char *fate_of(const struct writer *w, enum plan_action action)
{
	static const char *const will[] = { [PLAN_ADD] = "will be added",
					    [PLAN_CHANGE] = "will be changed",
					    [PLAN_REMOVE] = "will be removed" };
	static const char *const was[] = {
		[PLAN_ADD] = "added", [PLAN_CHANGE] = "changed", [PLAN_REMOVE] = "removed"
	};

	return w->diff ? was[action] : will[action];
}

/* All clients that change as the one at `i`, which is the first of them; returns how many. */
static size_t add_clients(const struct writer *w, const struct plan *p, size_t i)
{
	const struct plan_client *c = &p->clients[i];
	size_t n = 1, at, shown = 0, max = limit(w, SHOWN_NODES);

	for (at = c->next; at; at = p->clients[at].next)
		n++;
	buf_adds(w->out, "\n  ");
	paint(w, BOLD);
	buf_adds(w->out, "# ");
	if (n == 1)
		buf_adds(w->out, "client ");
	else
		add_number(w, n);
	buf_adds(w->out, n == 1 ? "" : " clients (");
	for (at = i; !shown || (at && (shown < max || n == max + 1)); at = p->clients[at].next) {
		buf_adds(w->out, shown++ ? ", " : "");
		add_safe(w, p->clients[at].name);
	}
	if (shown < n) {
		buf_adds(w->out, ", ... and ");
		add_number(w, n - shown);
		buf_adds(w->out, " more");
	}
	buf_addf(w->out, "%s %s", n == 1 ? "" : ")", fate_of(w, c->action));
	if (c->file == PLAN_FILE_STALE)
		buf_adds(w->out, n == 1 ? ", and needs a new file" : ", and need new files");
	else if (c->file == PLAN_FILE_CUT_OFF)
		buf_adds(w->out, n == 1 ? ", and cut off until it has a new file" :
					  ", and cut off until they have new files");
	paint(w, PLAIN);
	buf_addc(w->out, '\n');
	symbol(w, 2, symbol_of(c->action));
	if (n == 1) {
		buf_adds(w->out, "client ");
		add_safe(w, c->name);
	} else {
		add_number(w, n);
		buf_adds(w->out, " clients, each");
	}
	buf_addc(w->out, '\n');
	add_attrs(w, 6, c->attrs, c->n_attrs);
	return n;
}

static void add_all_clients(const struct writer *w, const struct plan *p)
{
	size_t i, blocks = 0, told = 0;

	for (i = 0; i < p->n_clients && blocks < limit(w, SHOWN_CLIENTS); i++) {
		if (p->clients[i].like != i)
			continue;
		told += add_clients(w, p, i);
		blocks++;
	}
	if (told < p->n_clients) {
		buf_addc(w->out, '\n');
		add_more(w, 2, p->n_clients - told, "clients (--verbose lists all)");
	}
}

/* The clients with that file, on one line. */
static void add_files(const struct writer *w, const struct plan *p, enum plan_file file, uint64_t n)
{
	size_t shown = 0, max = limit(w, SHOWN_NODES), i;

	if (!n)
		return;
	symbol(w, 2, file == PLAN_FILE_CUT_OFF ? '-' : '~');
	buf_adds(w->out, file != PLAN_FILE_CUT_OFF ? "not right any more: " :
			 w->diff		   ? "cut off: " :
						     "will be cut off: ");
	for (i = 0; i < p->n_clients && (shown < max || n == max + 1); i++) {
		if (p->clients[i].file != file)
			continue;
		buf_adds(w->out, shown++ ? ", " : "");
		add_safe(w, p->clients[i].name);
	}
	if (shown < n) {
		buf_adds(w->out, ", ... and ");
		add_number(w, n - shown);
		buf_adds(w->out, " more");
	}
	buf_addc(w->out, '\n');
}

/* What no agent does: somebody has to hand over new files. */
static void add_needed_files(const struct writer *w, const struct plan *p)
{
	if (!p->files_needed)
		return;
	buf_addc(w->out, '\n');
	paint(w, p->files_cut_off ? RED : YELLOW);
	buf_adds(w->out, "New files for clients: ");
	add_number(w, p->files_needed);
	if (p->files_cut_off) {
		buf_adds(w->out, ", without which ");
		add_number(w, p->files_cut_off);
		buf_adds(w->out, p->files_cut_off == 1 ? " is cut off" : " are cut off");
	}
	paint(w, PLAIN);
	buf_addc(w->out, '\n');
	add_files(w, p, PLAN_FILE_CUT_OFF, p->files_cut_off);
	add_files(w, p, PLAN_FILE_STALE, p->files_needed - p->files_cut_off);
}

static void add_class(const struct writer *w, const struct plan_class *c)
{
	buf_adds(w->out, "\n  ");
	paint(w, BOLD);
	buf_adds(w->out, "# ");
	add_nodes(w, c->nodes, c->n_nodes);
	buf_addf(w->out, " %s", fate_of(w, c->action));
	paint(w, PLAIN);
	buf_addc(w->out, '\n');
	symbol(w, 2, symbol_of(c->action));
	if (c->n_nodes == 1) {
		buf_adds(w->out, "node ");
		add_safe(w, c->nodes[0]);
	} else {
		add_number(w, c->n_nodes);
		buf_adds(w->out, " nodes, each");
	}
	buf_addc(w->out, '\n');
	add_attrs(w, 6, c->attrs, c->n_attrs);
	add_own(w, c);
	add_peers(w, c, PLAN_REMOVE, c->peers_removed);
	add_peers(w, c, PLAN_CHANGE, c->peers_changed);
	add_peers(w, c, PLAN_ADD, c->peers_added);
	if (lists_itself(c))
		comment(w, 6, "each without the peer of its own name");
	if (c->peers_unchanged) {
		buf_adds(w->out, "      # (");
		add_number(w, c->peers_unchanged);
		buf_addf(w->out, " unchanged peer%s)\n", c->peers_unchanged == 1 ? "" : "s");
	}
}

static bool same_losers(const struct plan_loss *a, const struct plan_loss *b)
{
	return a->n_class_nodes == b->n_class_nodes &&
	       (a->class_nodes == b->class_nodes ||
		(a->n_class_nodes == 1 && !strcmp(a->node, b->node)));
}

static void add_lost(const struct writer *w, const struct plan_loss *l, size_t n)
{
	size_t max = limit(w, SHOWN_NODES), i;

	if (n > 1) {
		add_number(w, n);
		buf_adds(w->out, " nodes (");
	}
	for (i = 0; i < n && (i < max || n == max + 1); i++) {
		if (i)
			buf_adds(w->out, ", ");
		add_safe(w, l[i].lost);
	}
	if (i < n) {
		buf_adds(w->out, ", ... and ");
		add_number(w, n - i);
		buf_adds(w->out, " more");
	}
	if (n > 1)
		buf_addc(w->out, ')');
}

static void add_losses(const struct writer *w, const struct plan *p)
{
	size_t i, end, lines = 0;

	if (!p->pairs_lost)
		return;
	buf_addc(w->out, '\n');
	paint(w, RED);
	buf_adds(w->out, w->diff ? "Reachability lost: " : "Reachability will be lost: ");
	add_number(w, p->pairs_lost);
	buf_addf(w->out, " pair%s of nodes%s", p->pairs_lost == 1 ? "" : "s",
		 p->clients_lost ? " and clients" : "");
	paint(w, PLAIN);
	buf_addc(w->out, '\n');
	for (i = 0; i < p->n_losses; i = end) {
		const struct plan_loss *l = &p->losses[i];

		for (end = i + 1; end < p->n_losses && same_losers(l, &p->losses[end]); end++)
			;
		if (lines++ == limit(w, SHOWN_LOSSES)) {
			comment(w, 2, "... and more (--verbose lists all)");
			return;
		}
		symbol(w, 2, '-');
		add_nodes(w, l->class_nodes, l->n_class_nodes);
		buf_adds(w->out, w->diff ? (l->n_class_nodes == 1 ? " no longer reaches " :
								    " no longer reach ") :
					   " will no longer reach ");
		add_lost(w, l, end - i);
		buf_addc(w->out, '\n');
	}
	if (p->n_losses == MAX_PLAN_LOSSES)
		comment(w, 2, "... and more than are listed");
}

/* "anything", "anything but icmp, tcp/22", "tcp/22, udp/53" */
static void add_services(const struct writer *w, const struct plan_admission *a)
{
	const char *const *list = a->n_on ? a->on : a->but;
	size_t n = a->n_on ? a->n_on : a->n_but, i;

	if (!a->n_on)
		buf_adds(w->out, a->n_but ? "anything but " : "anything");
	for (i = 0; i < n && i < limit(w, SHOWN_PREFIXES); i++)
		buf_addf(w->out, "%s%s", i ? ", " : "", list[i]);
	if (i < n)
		buf_addf(w->out, ", ... and %zu more", n - i);
}

static bool meets_itself(const struct plan_admission *a)
{
	size_t i = 0, j = 0;

	while (a->n_from > 1 && i < a->n_from && j < a->n_to) {
		int c = strcmp(a->from[i], a->to[j]);

		if (!c)
			return true;
		i += c < 0;
		j += c > 0;
	}
	return false;
}

static void add_admission(const struct writer *w, const struct plan_admission *a)
{
	bool one = a->n_from == 1;

	symbol(w, 2, a->gained ? '+' : '-');
	add_ends(w, a->from, a->n_from, a->from_clients);
	if (w->diff)
		buf_adds(w->out, a->gained ? (one ? " reaches " : " reach ") :
				 one	   ? " no longer reaches " :
					     " no longer reach ");
	else
		buf_adds(w->out, a->gained ? " will reach " : " will no longer reach ");
	add_ends(w, a->to, a->n_to, a->to_clients);
	if (meets_itself(a))
		buf_adds(w->out, ", each but itself,");
	buf_adds(w->out, " on ");
	add_services(w, a);
	buf_addc(w->out, '\n');
}

/* What the policy lets in no more, or from now on. */
static void add_admissions(const struct writer *w, const struct plan *p, bool gained)
{
	uint64_t pairs = gained ? p->pairs_admitted : p->pairs_refused;
	size_t i, lines = 0;

	if (!pairs)
		return;
	buf_addc(w->out, '\n');
	paint(w, gained ? GREEN : RED);
	buf_addf(w->out, "%s by policy: ",
		 w->diff ? (gained ? "Gained" : "Lost") :
		 gained	 ? "Will be gained" :
			   "Will be lost");
	add_number(w, pairs);
	buf_addf(w->out, " pair%s reach%s each other on %s", pairs == 1 ? "" : "s",
		 pairs == 1 ? "es" : "", gained ? "more" : "less");
	paint(w, PLAIN);
	buf_addc(w->out, '\n');
	for (i = 0; i < p->n_admissions; i++) {
		if (p->admissions[i].gained != gained)
			continue;
		if (lines++ == limit(w, SHOWN_LOSSES)) {
			comment(w, 2, "... and more (--verbose lists all)");
			return;
		}
		add_admission(w, &p->admissions[i]);
	}
	if (p->admissions_cut)
		comment(w, 2, "... and more than are listed");
	if (p->ways_unknown)
		comment(w, 2, "as far as they are joined, which was not looked at for all of them");
}

static void add_summary(const struct writer *w, const struct plan *p)
{
	const char *to = w->diff ? "" : "to ", *ed = w->diff ? "ed" : "", *d = w->diff ? "d" : "";

	paint(w, BOLD);
	buf_adds(w->out, w->diff ? "Diff: " : "Plan: ");
	paint(w, PLAIN);
	add_number(w, p->nodes_added);
	buf_addf(w->out, " node%s %sadd%s, ", p->nodes_added == 1 ? "" : "s", to, ed);
	add_number(w, p->nodes_changed);
	buf_addf(w->out, " %schange%s, ", to, d);
	add_number(w, p->nodes_removed);
	buf_addf(w->out, " %sremove%s; ", to, d);
	if (p->clients_added || p->clients_changed || p->clients_removed) {
		add_number(w, p->clients_added);
		buf_addf(w->out, " client%s %sadd%s, ", p->clients_added == 1 ? "" : "s", to, ed);
		add_number(w, p->clients_changed);
		buf_addf(w->out, " %schange%s, ", to, d);
		add_number(w, p->clients_removed);
		buf_addf(w->out, " %sremove%s; ", to, d);
	}
	add_number(w, p->peers_added);
	buf_addf(w->out, " peer entr%s %sadd%s, ", p->peers_added == 1 ? "y" : "ies", to, ed);
	add_number(w, p->peers_changed);
	buf_addf(w->out, " %schange%s, ", to, d);
	add_number(w, p->peers_removed);
	buf_addf(w->out, " %sremove%s", to, d);
	if (p->links[PLAN_ADD] || p->links[PLAN_CHANGE] || p->links[PLAN_REMOVE]) {
		buf_adds(w->out, "; ");
		add_number(w, p->links[PLAN_ADD]);
		buf_addf(w->out, " routed link%s %sadd%s, ", p->links[PLAN_ADD] == 1 ? "" : "s", to,
			 ed);
		add_number(w, p->links[PLAN_CHANGE]);
		buf_addf(w->out, " %schange%s, ", to, d);
		add_number(w, p->links[PLAN_REMOVE]);
		buf_addf(w->out, " %sremove%s", to, d);
	}
	buf_adds(w->out, ".\n");
}

void plan_text(const struct plan *p, bool colour, bool verbose, struct buf *out)
{
	struct writer w = { out, colour, verbose, p->diff };
	size_t i;

	if (plan_empty(p)) {
		buf_adds(out,
			 p->diff ? "No differences.\n" :
				   "No changes. The published networks match the configuration.\n");
		return;
	}
	paint(&w, BOLD);
	buf_adds(out, "Network ");
	add_safe(&w, p->network);
	paint(&w, PLAIN);
	buf_adds(out, p->first ? " (new)\n" :
		      p->gone  ? (p->diff ? " (removed)\n" : " (will be removed as a whole)\n") :
				 "\n");
	add_losses(&w, p);
	add_needed_files(&w, p);
	add_admissions(&w, p, false);
	add_admissions(&w, p, true);
	for (i = 0; i < p->n_classes && i < limit(&w, SHOWN_CLASSES); i++)
		add_class(&w, &p->classes[i]);
	if (i < p->n_classes) {
		buf_addc(out, '\n');
		add_more(&w, 2, p->n_classes - i, "kinds of changes (--verbose lists all)");
	}
	add_all_clients(&w, p);
	if (!p->n_classes && !p->n_clients)
		buf_adds(out,
			 "\n  No node's configuration changes; only the published documents do.\n");
	buf_addc(out, '\n');
	add_summary(&w, p);
}
