/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host behind agent/names.h: /etc/hosts and, through names_resolved.c, systemd-resolved. */
#include <fcntl.h>

#include "agent/hosts_block.h"
#include "agent/ifindex.h"
#include "agent/names_resolved.h"
#include "common/limits.h"
#include "common/os_amend.h"
#include "common/os_file.h"

struct system_names {
	struct names_system s;
	struct names_paths paths;
	struct resolved *resolved;
	bool asked; /* whether it is there, successfully */
};

static struct system_names *of(struct names_system *s)
{
	return (struct system_names *)(void *)s;
}

/* ---- who asks systemd-resolved ---- */

/* True when a line of the file begins with `key` and has one of `words` among the words behind it.
 * A file that cannot be read says nothing. */
static bool says(const char *path, const char *key, const char *const *words, size_t n)
{
	struct buf text;
	bool found = false;
	char *p, *line, *word;
	size_t i;

	buf_init(&text, 65537);
	if (os_read_file(AT_FDCWD, path, 65536, &text, NULL) < 0)
		goto out;
	for (p = text.data; p && !found && (line = strsep(&p, "\n"));) {
		line[strcspn(line, "#;")] = '\0';
		line += strspn(line, " \t");
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		while (!found && (word = strsep(&line, " \t")))
			for (i = 0; i < n; i++)
				found |= !strcmp(word, words[i]);
	}
out:
	buf_release(&text);
	return found;
}

/* Through nss-resolve(8), or by the address that it listens on. It may well run and be asked by
 * nobody. */
static bool is_asked(const struct names_paths *p)
{
	static const char *const module[] = { "resolve" };
	static const char *const stub[] = { "127.0.0.53", "127.0.0.54" };

	return says(p->nsswitch, "hosts:", module, ARRAY_LEN(module)) ||
	       says(p->resolv_conf, "nameserver", stub, ARRAY_LEN(stub));
}

static int need_resolved(struct system_names *x, struct err *e)
{
	if (x->asked)
		return 0;
	if (resolved_open(&x->resolved, e) < 0)
		return -1;
	x->asked = true;
	return 0;
}

static int system_resolved(struct names_system *s, bool *ret, struct err *e)
{
	struct system_names *x = of(s);

	*ret = false;
	if (!is_asked(&x->paths))
		return 0;
	if (need_resolved(x, e) < 0)
		return -1;
	*ret = x->resolved;
	return 0;
}

static int no_interface(struct err *e, const struct ifname *i)
{
	return err_set(e, ERR_NOENT, "there is no interface %s", i->s);
}

static int system_link(struct names_system *s, const struct ifname *i, struct arena *a,
		       struct link_names *ret, struct err *e)
{
	unsigned int index = ifindex_of(i->s);
	struct system_names *x = of(s);

	if (!index)
		return no_interface(e, i);
	if (need_resolved(x, e) < 0)
		return -1;
	/* Gone, and what it had with it. */
	if (!x->resolved)
		return err_set(e, ERR_NOENT, "systemd-resolved does not run");
	return resolved_link(x->resolved, index, a, ret, e);
}

static int system_set_link(struct names_system *s, const struct ifname *i,
			   const struct link_names *names, struct err *e)
{
	unsigned int index = ifindex_of(i->s);

	if (!index)
		return no_interface(e, i);
	return resolved_set_link(of(s)->resolved, index, names, e);
}

/* ---- /etc/hosts ---- */

struct edit {
	const char *network, *lines;
	size_t len;
};

static int edit_hosts(const struct buf *old, struct buf *new, void *arg, struct err *e)
{
	const struct edit *x = arg;

	if (hosts_block_edit(old->data ? old->data : "", old->len, x->network, x->lines, x->len,
			     new) < 0)
		return err_set(e, ERR_LIMIT, "the names make a hosts file of more than %u bytes",
			       MAX_HOSTS_FILE);
	return 0;
}

static int system_hosts(struct names_system *s, const char *network, const char *lines, size_t len,
			bool dry, bool *ret_changed, struct err *e)
{
	const struct names_paths *p = &of(s)->paths;
	struct edit x = { network, lines, len };

	return os_amend(p->hosts, p->journal, MAX_HOSTS_FILE, dry, edit_hosts, &x, ret_changed, e);
}

static void system_rest(struct names_system *s)
{
	struct system_names *x = of(s);

	resolved_close(x->resolved);
	x->resolved = NULL;
	x->asked = false;
}

static void system_free(struct names_system *s)
{
	system_rest(s);
	free(of(s));
}

static const struct names_ops system_ops = {
	.resolved = system_resolved,
	.link = system_link,
	.set_link = system_set_link,
	.hosts = system_hosts,
	.rest = system_rest,
	.free = system_free,
};

struct names_system *names_system_new(const struct names_paths *paths, struct err *e)
{
	struct system_names *x = calloc(1, sizeof(*x));

	if (!x) {
		err_nomem(e);
		return NULL;
	}
	x->s.ops = &system_ops;
	x->paths = *paths;
	if (!x->paths.hosts)
		x->paths.hosts = "/etc/hosts";
	if (!x->paths.nsswitch)
		x->paths.nsswitch = "/etc/nsswitch.conf";
	if (!x->paths.resolv_conf)
		x->paths.resolv_conf = "/etc/resolv.conf";
	return (struct names_system *)(void *)x;
}
