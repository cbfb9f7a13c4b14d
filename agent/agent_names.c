/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include <strings.h>

#include "agent/hosts_block.h"
#include "common/limits.h"
#include "publication/names.h"

static int save_names(void *arg, const struct names_record *r, struct err *e)
{
	struct agent *a = arg;
	struct state next = a->state;

	next.names = *r;
	return agent_save(a, &next, e);
}

static int need_names(struct agent *a, struct err *e)
{
	struct names_paths paths = { .hosts = NULL };
	struct buf b;

	if (a->names)
		return 0;
	buf_init(&b, 8192);
	buf_addf(&b, "%s/%s/hosts.journal", a->config->state_dir, a->config->network);
	free(a->journal);
	a->journal = buf_steal(&b);
	if (!a->journal)
		return err_nomem(e);
	paths.journal = a->journal;
	a->names = names_system_new(&paths, e);
	return a->names ? 0 : -1;
}

static int converge_names(struct agent *a, const struct names_wanted *wanted, bool look, bool dry,
			  struct arena *arena, struct names_result *ret, struct err *e)
{
	struct names_record record = a->state.names;
	struct names_store store = { save_names, a };

	look |= a->state.amnesia != 0;
	if (names_concerned(wanted, &record, look) && need_names(a, e) < 0)
		return -1;
	return names_converge(a->names, wanted, a->config->network, look, dry, &record, &store,
			      arena, ret, e);
}

static bool is_server(const struct agent *a, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < a->config->n_urls; i++) {
		const char *host = strstr(a->config->urls[i], "://");

		if (host && strcspn(host + 3, ":/?#") == len && !strncasecmp(host + 3, name, len))
			return true;
	}
	return false;
}

/* Whoever publishes is found as before, and not inside the network that is to be fetched. Each line
 * is ADDRESS, a tab, NAME, a tab and what marks it as ours. */
static void leave_out_servers(const struct agent *a, struct buf *lines)
{
	size_t at = 0, kept = 0;

	while (at < lines->len) {
		const char *line = lines->data + at, *name = strchr(line, '\t') + 1;
		size_t len = strcspn(line, "\n") + 1;

		if (!is_server(a, name, strcspn(name, "\t\n"))) {
			memmove(lines->data + kept, line, len);
			kept += len;
		}
		at += len;
	}
	lines->len = kept;
}

/* The names that this host is to know for a->current. */
static int want_names(struct agent *a, const struct ifname *interface, struct arena *arena,
		      struct names_wanted *ret, struct err *e)
{
	const struct snapshot *s = a->current;
	const struct node *n = s->has_config ? s->config.node : NULL;
	struct names_wanted w = { .interface = *interface };
	char tail[HOSTS_TAIL_STRLEN];
	struct buf lines;

	*ret = w;
	if (!n || s->standing != STANDING_MEMBER || !n->domain || a->config->names == NAMES_OFF)
		return 0;
	w.domain = n->domain;
	w.servers = n->nameservers;
	w.n_servers = n->n_nameservers;
	w.resolved = a->config->names == NAMES_AUTO;
	w.hosts = node_needs_names(n);
	if (w.hosts) {
		buf_init(&lines, MAX_HOSTS_FILE);
		names_put_hosts(&s->network, n->domain, hosts_block_tail(a->config->network, tail),
				&lines, NULL);
		if (buf_ok(&lines))
			leave_out_servers(a, &lines);
		w.lines = buf_ok(&lines) ?
				  arena_strndup(arena, lines.data ? lines.data : "", lines.len) :
				  NULL;
		w.lines_len = lines.len;
		buf_release(&lines);
		if (!w.lines)
			return err_nomem(e);
	}
	*ret = w;
	return 0;
}

int agent_names(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	struct names_wanted wanted;

	return want_names(a, &c->interface, &c->arena, &wanted, e) < 0 ?
		       -1 :
		       converge_names(a, &wanted, false, dry, &c->arena, &c->names, e);
}

int agent_names_down(struct agent *a, struct arena *arena, struct err *e)
{
	static const struct names_wanted nothing = { .domain = NULL };
	struct names_result unused;

	return converge_names(a, &nothing, true, false, arena, &unused, e);
}
