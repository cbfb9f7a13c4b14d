/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host_nft.h"

#include <errno.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include "common/os_file.h"

/* The library ends the process when it cannot open this socket. */
static int can_open(struct err *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return err_errno(e, "nftables: cannot open a netfilter socket");
	os_close(fd);
	return 0;
}

static struct nft_ctx *open_ctx(struct err *e)
{
	struct nft_ctx *ctx;

	if (can_open(e) < 0)
		return NULL;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx || nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx)) {
		if (ctx)
			nft_ctx_free(ctx);
		err_set(e, ERR_IO, "libnftables cannot be set up");
		return NULL;
	}
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
	return ctx;
}

static int run(struct nft_ctx *ctx, const char *commands, struct err *e)
{
	const char *said;

	if (!nft_run_cmd_from_buffer(ctx, commands))
		return 0;
	said = nft_ctx_get_error_buffer(ctx);
	if (said && strstr(said, strerror(EPERM)))
		return err_set(
			e, ERR_IO,
			"nftables: not permitted: it takes root, or the capability CAP_NET_ADMIN");
	/* The lines behind the first show the place in our own text. */
	return err_set(e, ERR_IO, "nftables: %.*s", said ? (int)strcspn(said, "\n") : 0,
		       said ? said : "");
}

/* True when a line of `text` is "table inet NAME". */
static bool lists(const char *text, const char *name)
{
	static const char before[] = "table inet ";
	size_t len = strlen(name);
	const char *p;

	for (p = text; p && (p = strstr(p, before)); p++) {
		const char *n = p + sizeof(before) - 1;

		if ((p == text || p[-1] == '\n') && !strncmp(n, name, len) &&
		    (n[len] == '\n' || !n[len]))
			return true;
	}
	return false;
}

static int list(struct nft_ctx *ctx, const char *name, struct buf *out, struct err *e)
{
	struct buf command;
	int r = -1;

	/* A table that is not there is no failure, so it is looked for and not asked for. */
	if (run(ctx, "list tables inet\n", e) < 0)
		return -1;
	if (!lists(nft_ctx_get_output_buffer(ctx), name))
		return 0;
	buf_init(&command, 1024);
	buf_addf(&command, "list table inet %s\n", name);
	if (!buf_ok(&command)) {
		err_nomem(e);
	} else if (!run(ctx, command.data, e)) {
		buf_adds(out, nft_ctx_get_output_buffer(ctx));
		r = buf_ok(out) ? 0 :
				  err_set(e, ERR_LIMIT, "nftables: the table %s is too long", name);
	}
	buf_release(&command);
	return r;
}

int nft_table_list(const char *name, struct buf *out, struct err *e)
{
	struct nft_ctx *ctx = open_ctx(e);
	int r;

	if (!ctx)
		return -1;
	r = list(ctx, name, out, e);
	nft_ctx_free(ctx);
	return r;
}

int nft_table_set(const char *name, const char *rules, struct err *e)
{
	struct nft_ctx *ctx = open_ctx(e);
	struct buf commands;
	int r = -1;

	if (!ctx)
		return -1;
	buf_init(&commands, (rules ? strlen(rules) : 0) + 1024);
	/* Added first, since what is not there cannot be deleted. */
	buf_addf(&commands, "add table inet %s\ndelete table inet %s\n", name, name);
	if (rules) {
		buf_adds(&commands, rules);
		buf_addc(&commands, '\n');
	}
	if (buf_ok(&commands))
		r = run(ctx, commands.data, e);
	else
		err_nomem(e);
	buf_release(&commands);
	nft_ctx_free(ctx);
	return r;
}
