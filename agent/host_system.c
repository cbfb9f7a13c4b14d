/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host behind agent/host.h: /proc/sys and, through host_nft.c, nftables. */
#include "agent/host.h"

#include <fcntl.h>

#include "agent/host_nft.h"
#include "agent/kern.h"
#include "common/num.h"
#include "common/os_file.h"

#define PROC_SYS "/proc/sys/"

static int read_line(const char *path, struct buf *out, struct err *e)
{
	if (os_read_file(AT_FDCWD, path, 128, out, e) < 0)
		return -1;
	if (out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	return 0;
}

static int system_get(struct host *h, const struct sysctl *s, uint32_t *ret, struct err *e)
{
	char path[sizeof(PROC_SYS) + SYSCTL_STRLEN] = PROC_SYS;
	struct buf text;
	uint64_t v = 0;
	int r;

	sysctl_path(s, path + sizeof(PROC_SYS) - 1);
	buf_init(&text, 129);
	r = read_line(path, &text, e);
	/* Negative values are none that we set or take for a reason to. */
	if (!r && num_parse(text.data, text.len, UINT32_MAX, &v) < 0)
		r = err_set(e, ERR_NOENT, "%s has no value that we know", path);
	buf_release(&text);
	if (!r)
		*ret = (uint32_t)v;
	return r;
}

static int system_set(struct host *h, const struct sysctl *s, uint32_t value, struct err *e)
{
	char path[sizeof(PROC_SYS) + SYSCTL_STRLEN] = PROC_SYS, text[16];

	sysctl_path(s, path + sizeof(PROC_SYS) - 1);
	snprintf(text, sizeof(text), "%u\n", value);
	if (!os_write_existing(AT_FDCWD, path, text, strlen(text), e))
		return 0;
	err_suffix(e, "in a container it has to be set, or made writable, from outside");
	return -1;
}

struct listing {
	struct arena *arena;
	struct host_interface *list;
	size_t n;
};

static bool is_port(const char *interface)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/brport", interface);
	if (os_exists(AT_FDCWD, path))
		return true;
	snprintf(path, sizeof(path), "/sys/class/net/%s/bonding_slave", interface);
	return os_exists(AT_FDCWD, path);
}

/* An interface of a network of meshrc: nothing but what its peers send comes in there. */
static bool is_ours(const char *interface)
{
	char path[64];
	struct buf text;
	bool r;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifalias", interface);
	buf_init(&text, 4097);
	r = !os_read_file(AT_FDCWD, path, 4096, &text, NULL) &&
	    text.len >= sizeof(ALIAS_PREFIX) - 1 &&
	    !memcmp(text.data, ALIAS_PREFIX, sizeof(ALIAS_PREFIX) - 1);
	buf_release(&text);
	return r;
}

static int add_interface(const char *name, bool is_dir, void *arg)
{
	struct host_interface i = { .hears = false }, *grown;
	struct listing *l = arg;

	if (!is_dir || strlen(name) >= sizeof(i.name))
		return 0;
	grown = arena_grow(l->arena, l->list, l->n, sizeof(*grown));
	if (!grown)
		return -1;
	snprintf(i.name, sizeof(i.name), "%s", name);
	i.hears = strcmp(name, "all") != 0 && strcmp(name, "default") != 0 &&
		  strcmp(name, "lo") != 0 && !is_port(name) && !is_ours(name);
	l->list = grown;
	l->list[l->n++] = i;
	return 0;
}

static int system_interfaces(struct host *h, unsigned int version, struct arena *a,
			     struct host_interface **ret, size_t *ret_n, struct err *e)
{
	struct listing l = { .arena = a };
	struct err why = { 0 };

	if (os_list(AT_FDCWD, version == 4 ? PROC_SYS "net/ipv4/conf" : PROC_SYS "net/ipv6/conf",
		    add_interface, &l, &why)) {
		if (why.class != ERR_NOENT)
			return why.class ? (*e = why, -1) : err_nomem(e);
		l.n = 0;
	}
	*ret = l.list;
	*ret_n = l.n;
	return 0;
}

static int system_boot(struct host *h, char ret[static BOOT_ID_LEN + 1], struct err *e)
{
	static const char path[] = PROC_SYS "kernel/random/boot_id";
	struct buf text;
	int r;

	buf_init(&text, 129);
	r = read_line(path, &text, e);
	if (!r && !boot_id_is_valid(text.data, text.len))
		r = err_set(e, ERR_INPUT, "%s has something else than a boot's id", path);
	if (!r)
		memcpy(ret, text.data, BOOT_ID_LEN + 1);
	buf_release(&text);
	return r;
}

static int system_table(struct host *h, const char *name, struct buf *out, struct err *e)
{
	return nft_table_list(name, out, e);
}

static int system_set_table(struct host *h, const char *name, const char *rules, struct err *e)
{
	return nft_table_set(name, rules, e);
}

static void system_free(struct host *h)
{
	free(h);
}

static const struct host_ops system_ops = {
	.get = system_get,
	.set = system_set,
	.interfaces = system_interfaces,
	.boot = system_boot,
	.table = system_table,
	.set_table = system_set_table,
	.free = system_free,
};

struct host *host_system_new(struct err *e)
{
	struct host *h = calloc(1, sizeof(*h));

	if (!h) {
		err_nomem(e);
		return NULL;
	}
	h->ops = &system_ops;
	return h;
}
