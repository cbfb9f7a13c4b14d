/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The back end for WireGuard in a daemon (wireguard-go and others) that serves
 * /var/run/wireguard/NAME.sock. The daemon makes the link and ends when the link is taken away.
 * Links, addresses and routes go through rtnetlink as in the other back end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/kern_rt.h"
#include "agent/kern_rule.h"
#include "agent/uapi.h"
#include "common/os_file.h"
#include "common/os_time.h"
#include "common/text.h"

#define SOCKET_PATH "/var/run/wireguard/%s.sock"
#define DEFAULT_PROGRAM "wireguard-go"
#define CHUNK ((size_t)64 << 10)
/* One exchange; setting a key costs the daemon some 100 us for each peer. */
#define EXCHANGE_MS 60000
/* For a daemon to come up, and to end. */
#define START_MS 15000
#define END_MS 10000
#define POLL_MS 10

struct userspace {
	struct kern k;
	struct rt rt;
	char *program;
	char *chunk; /* CHUNK; may hold keys between two wipes */
};

/* -1 with errno: ENOENT and ECONNREFUSED mean that nobody serves this interface. */
static int open_daemon(const struct ifname *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, saved;

	snprintf(addr.sun_path, sizeof(addr.sun_path), SOCKET_PATH, name->s);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool nobody(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == ENOTSOCK;
}

static int remove_stale_socket(const struct ifname *name, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), SOCKET_PATH, name->s);
	return os_unlink(AT_FDCWD, path, e);
}

static void sleep_a_little(void)
{
	(void)poll(NULL, 0, POLL_MS);
}

/* Waits until the descriptor is ready or the time is over. */
static int wait_ready(int fd, short events, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - os_monotonic_ms();
		struct pollfd p = { .fd = fd, .events = events };
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (r > 0)
			return 0;
		if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (errno != EINTR)
			return -1;
	}
}

static int send_request(int fd, const char *data, size_t len, int64_t deadline)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EINTR &&
			   (errno != EAGAIN || wait_ready(fd, POLLOUT, deadline) < 0)) {
			return -1;
		}
	}
	return 0;
}

static int read_answer(struct userspace *u, int fd, struct uapi_reader *r, int64_t deadline,
		       struct err *e)
{
	int done = 0;

	while (!done) {
		ssize_t n = recv(fd, u->chunk, CHUNK, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (wait_ready(fd, POLLIN, deadline) < 0)
				return err_errno(e, "the WireGuard daemon does not answer");
			continue;
		}
		if (n < 0)
			return err_errno(e, "cannot read from the WireGuard daemon");
		if (n == 0)
			return err_set(e, ERR_IO,
				       "the WireGuard daemon hung up in the middle of its answer");
		done = uapi_reader_feed(r, u->chunk, (size_t)n, e);
		secret_wipe(u->chunk, (size_t)n);
		if (done < 0)
			return -1;
		if (!done && os_monotonic_ms() > deadline)
			return err_set(e, ERR_IO,
				       "the WireGuard daemon takes too long for its answer");
	}
	if (r->error) {
		u->k.refused = (int)r->error;
		errno = (int)r->error;
		return err_errno(e, "the WireGuard daemon refused");
	}
	return 0;
}

static int exchange(struct userspace *u, const struct ifname *name, const char *data, size_t len,
		    struct uapi_reader *r, struct err *e)
{
	int64_t deadline = os_monotonic_ms() + EXCHANGE_MS;
	int fd = open_daemon(name), ret = -1;

	if (fd < 0)
		return err_errno(e, "cannot reach the WireGuard daemon");
	if (send_request(fd, data, len, deadline) < 0)
		err_errno(e, "cannot write to the WireGuard daemon");
	else
		ret = read_answer(u, fd, r, deadline, e);
	os_close(fd);
	return ret;
}

/* Reads the whole WireGuard part into `o`. */
static int get(struct userspace *u, const struct ifname *name, struct arena *a, struct observed *o,
	       struct err *e)
{
	static const char request[] = "get=1\n\n";
	struct uapi_reader r;
	int ret;

	u->k.stats.dumps++;
	uapi_reader_init(&r, a, o);
	ret = exchange(u, name, request, sizeof(request) - 1, &r, e);
	if (ret == 0)
		ret = uapi_reader_finish(&r, e);
	/* It may have stopped in the middle of a line with a key. */
	secret_wipe(&r, sizeof(r));
	return ret;
}

static int userspace_observe(struct kern *k, const struct ifname *name, struct arena *a,
			     struct observed *ret, struct err *e)
{
	struct userspace *u = (struct userspace *)k;
	struct rt_link link;
	int fd;

	*ret = (struct observed){ 0 };
	if (rt_observe(&u->rt, name, a, &link, ret, e) < 0)
		return -1;
	if (!ret->exists)
		return 0;
	if (strcmp(link.kind, "wireguard") == 0)
		return err_set(
			e, ERR_CONFLICT,
			"it is an interface of the kernel's own WireGuard: choose that back end "
			"(--backend kernel)");
	fd = open_daemon(name);
	if (fd < 0 && nobody(errno))
		return 0;
	if (fd < 0)
		return err_errno(e, "cannot reach the WireGuard daemon");
	os_close(fd);
	if (get(u, name, a, ret, e) < 0)
		return -1;
	ret->is_wireguard = true;
	return 0;
}

/* One request that changes something. */
static int set(struct userspace *u, const struct ifname *name, const char *data, size_t len,
	       struct err *e)
{
	struct observed unused = { 0 };
	struct uapi_reader r;
	struct arena a;
	int ret;

	u->k.stats.set_messages++;
	u->k.stats.wg_messages++;
	u->k.stats.bytes_sent += len;
	arena_init(&a);
	uapi_reader_init(&r, &a, &unused);
	ret = exchange(u, name, data, len, &r, e);
	arena_release(&a);
	return ret;
}

static int apply_device(struct userspace *u, const struct ifname *name, const struct op *op,
			const struct secret *private_key, struct err *e)
{
	struct secret text = { 0 };
	int ret;

	if (uapi_build_device(op, private_key, &text, e) < 0)
		return -1;
	ret = set(u, name, (const char *)text.b, text.len, e);
	secret_release(&text);
	return ret;
}

static int apply_peers(struct userspace *u, const struct ifname *name, const struct op *ops,
		       size_t n, struct err *e)
{
	struct uapi_cursor c = { .ops = ops, .n = n };
	char key[KEY_STRLEN];
	struct buf out;
	int ret = 0;

	buf_init(&out, UAPI_SET_SIZE + 1024);
	while (c.pos < n) {
		const struct op *first = &ops[c.pos];

		if (!uapi_build_peers(&c, &out) || !buf_ok(&out)) {
			ret = err_nomem(e);
			break;
		}
		u->k.stats.peers_sent += c.peers;
		ret = set(u, name, out.data, out.len, e);
		if (ret < 0) {
			err_prefix(e, "%s: %s",
				   first->name ? first->name : wgkey_print(&first->key, key),
				   c.peers == 1 ? "cannot set the peer" :
						  "cannot set the peers from this one on");
			break;
		}
	}
	buf_release(&out);
	return ret;
}

/* What the program said before it ended, as far as it fits; -1 when it does not end. */
static int read_words(int fd, struct buf *words, int64_t deadline)
{
	char chunk[512];

	for (;;) {
		ssize_t n;

		if (wait_ready(fd, POLLIN, deadline) < 0)
			return -1;
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (words->len + (size_t)n <= words->max)
			buf_add(words, chunk, (size_t)n);
	}
}

static int wait_for_program(pid_t pid, int fd, int *ret_status, struct buf *words)
{
	int64_t deadline = os_monotonic_ms() + START_MS;
	pid_t r;

	/* The daemon itself has its streams on /dev/null, so the pipe ends with the process that
	 * started it. */
	(void)read_words(fd, words, deadline);
	for (;;) {
		r = waitpid(pid, ret_status, WNOHANG);
		if (r < 0 && errno == ECHILD) {
			/* Somebody else reaps our children: the socket will show how it went. */
			*ret_status = 0;
			return 0;
		}
		if (r == pid)
			return 0;
		if (os_monotonic_ms() > deadline)
			break;
		sleep_a_little();
	}
	/* Its own process group, made by us. */
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, ret_status, 0);
	return -1;
}

static int spawn(const char *program, const struct ifname *name, int out, pid_t *ret)
{
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *program_arg = strdup(program), *name_arg = strdup(name->s);
	char *argv[] = { program_arg, name_arg, NULL };
	char *envp[] = { path, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = ENOMEM;

	if (!program_arg || !name_arg)
		goto out_args;
	r = posix_spawn_file_actions_init(&files);
	if (r)
		goto out_args;
	r = posix_spawnattr_init(&attr);
	if (r)
		goto out_files;
	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&files, out, 1);
	r = r ? r : posix_spawn_file_actions_adddup2(&files, out, 2);
	r = r ? r : posix_spawn_file_actions_addclosefrom_np(&files, 3);
	r = r ? r : posix_spawn_file_actions_addchdir_np(&files, "/");
	r = r ? r :
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							POSIX_SPAWN_SETSIGDEF);
	r = r ? r : posix_spawnattr_setpgroup(&attr, 0);
	r = r ? r : posix_spawnattr_setsigmask(&attr, &none);
	r = r ? r : posix_spawnattr_setsigdefault(&attr, &all);
	r = r ? r : posix_spawnp(ret, program, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
out_files:
	posix_spawn_file_actions_destroy(&files);
out_args:
	free(program_arg);
	free(name_arg);
	errno = r;
	return r ? -1 : 0;
}

static int refused_to_start(const struct userspace *u, const struct buf *words, const char *what,
			    struct err *e)
{
	size_t from = words->len > 300 ? words->len - 300 : 0, end = words->len;
	struct buf safe;

	while (end > from && words->data[end - 1] == '\n')
		end--;
	buf_init(&safe, 4096);
	text_safe(&safe, words->data + from, end - from);
	err_set(e, ERR_IO, "%s %s%s%s", u->program, what, safe.len ? ": " : "", safe.data);
	buf_release(&safe);
	return -1;
}

static int run_program(struct userspace *u, const struct ifname *name, struct err *e)
{
	int fds[2], status = 0, ret = -1;
	struct buf words;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, "cannot start %s", u->program);
	if (spawn(u->program, name, fds[1], &pid) < 0) {
		if (errno == ENOENT)
			err_set(e, ERR_NOENT,
				"%s is not installed, and it is needed where the kernel has no WireGuard "
				"(apt-get install wireguard-go)",
				u->program);
		else
			err_errno(e, "cannot start %s", u->program);
		os_close(fds[0]);
		os_close(fds[1]);
		return -1;
	}
	os_close(fds[1]);
	buf_init(&words, 4096);
	if (wait_for_program(pid, fds[0], &status, &words) < 0)
		refused_to_start(u, &words, "did not go into the background, so it was ended", e);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		refused_to_start(u, &words, "failed", e);
	else
		ret = 0;
	os_close(fds[0]);
	buf_release(&words);
	return ret;
}

/* 0 as soon as the socket is served (`served`) or no longer served; -1 when the time is over. */
static int wait_for_socket(const struct ifname *name, bool served, int64_t ms)
{
	int64_t deadline = os_monotonic_ms() + ms;

	for (;;) {
		int fd = open_daemon(name);
		bool open = fd >= 0 || !nobody(errno);

		os_close(fd);
		if (served ? fd >= 0 : !open)
			return 0;
		if (os_monotonic_ms() > deadline)
			return -1;
		sleep_a_little();
	}
}

static int create_link(struct userspace *u, const struct ifname *name, const char *alias,
		       struct err *e)
{
	static const struct op mark = { .kind = OP_LINK_ALIAS };
	struct observed unused = { 0 };
	struct rt_link link;
	struct arena a;
	int r;

	if (rt_link_get(&u->rt, name, &link, e) < 0)
		return -1;
	if (link.exists)
		return err_set(e, ERR_IO,
			       "cannot create the interface: somebody else just made it");
	/* A daemon that just lost its link needs a moment to end. */
	if (wait_for_socket(name, false, END_MS) < 0)
		return err_set(
			e, ERR_IO,
			"a WireGuard daemon serves this interface, but there is no such interface: end it");
	if (remove_stale_socket(name, e) < 0)
		return -1;
	u->k.stats.set_messages++;
	if (run_program(u, name, e) < 0)
		return -1;
	if (wait_for_socket(name, true, START_MS) < 0)
		return err_set(e, ERR_IO, "%s runs, but does not serve " SOCKET_PATH, u->program,
			       name->s);
	/*
	 * The socket may listen before the daemon is there to answer, and until it answers it is
	 * still setting up the link: wireguard-go would put its own MTU over ours.
	 */
	arena_init(&a);
	r = get(u, name, &a, &unused, e);
	arena_release(&a);
	if (r < 0)
		return -1;
	/* Told when it matters: see OP_LINK_DEAF. */
	(void)rt_deafen(name, NULL);
	return rt_apply(&u->rt, name, &mark, 1, alias, e);
}

static int delete_link(struct userspace *u, const struct ifname *name, struct err *e)
{
	if (rt_link_delete(&u->rt, name, e) < 0)
		return -1;
	/* Daemons watch their link, and their socket too: they end when either goes. */
	(void)wait_for_socket(name, false, END_MS);
	return remove_stale_socket(name, e);
}

static bool peer_op(enum op_kind kind)
{
	return kind == OP_PEER_REMOVE || kind == OP_PEER_SET;
}

static int userspace_apply(struct kern *k, const struct ifname *name, const struct op *ops,
			   size_t n, const struct secret *private_key, const char *alias,
			   struct err *e)
{
	struct userspace *u = (struct userspace *)k;
	struct err heard = { 0 };
	size_t i = 0, end;
	int r;

	k->refused = 0;
	for (; i < n; i = end) {
		end = i + 1;
		if (ops[i].kind == OP_LINK_CREATE) {
			r = create_link(u, name, alias, e);
		} else if (ops[i].kind == OP_LINK_DEAF) {
			r = 0;
			(void)rt_deafen(name, &heard);
		} else if (ops[i].kind == OP_LINK_DELETE) {
			r = delete_link(u, name, e);
		} else if (ops[i].kind == OP_DEVICE) {
			r = apply_device(u, name, &ops[i], private_key, e);
		} else if (peer_op(ops[i].kind)) {
			while (end < n && peer_op(ops[end].kind))
				end++;
			r = apply_peers(u, name, ops + i, end - i, e);
		} else {
			while (end < n && rt_op(ops[end].kind))
				end++;
			r = rt_apply(&u->rt, name, ops + i, end - i, alias, e);
		}
		if (r < 0)
			return -1;
	}
	if (!heard.class)
		return 0;
	if (e)
		*e = heard;
	return -1;
}

static int userspace_marked(struct kern *k, const char *alias, struct arena *a, struct ifname **ret,
			    size_t *ret_n, struct err *e)
{
	return rt_marked(&((struct userspace *)k)->rt, alias, NULL, a, ret, ret_n, e);
}

static int userspace_ways(struct kern *k, const struct ifname *name, uint32_t table,
			  struct arena *a, struct ways *ret, struct err *e)
{
	return rt_ways(&((struct userspace *)k)->rt, name, table, a, ret, e);
}

static int userspace_rules(struct kern *k, uint32_t first, uint32_t n, struct arena *a,
			   struct rules_seen *ret, struct err *e)
{
	return rule_list(&((struct userspace *)k)->rt, first, n, a, ret, e);
}

static int userspace_set_rules(struct kern *k, const struct rule_op *ops, size_t n, struct err *e)
{
	return rule_set(&((struct userspace *)k)->rt, ops, n, e);
}

static int userspace_way(struct kern *k, const struct ipaddr *to, uint32_t *ret_ifindex,
			 struct err *e)
{
	return rule_way(&((struct userspace *)k)->rt, to, ret_ifindex, e);
}

static void userspace_free(struct kern *k)
{
	struct userspace *u = (struct userspace *)k;

	if (!u)
		return;
	rt_close(&u->rt);
	if (u->chunk)
		secret_wipe(u->chunk, CHUNK);
	free(u->chunk);
	free(u->program);
	free(u);
}

static const struct kern_ops userspace_ops = {
	.name = "userspace",
	.observe = userspace_observe,
	.apply = userspace_apply,
	.rules = userspace_rules,
	.set_rules = userspace_set_rules,
	.ways = userspace_ways,
	.way = userspace_way,
	.marked = userspace_marked,
	.free = userspace_free,
};

struct kern *kern_userspace_new(const char *program, struct err *e)
{
	struct userspace *u = calloc(1, sizeof(*u));

	if (!u) {
		err_nomem(e);
		return NULL;
	}
	u->k.ops = &userspace_ops;
	u->chunk = malloc(CHUNK);
	u->program = strdup(program ? program : DEFAULT_PROGRAM);
	if (!u->chunk || !u->program) {
		err_nomem(e);
		goto fail;
	}
	if (rt_open(&u->rt, &u->k.stats, e) < 0)
		goto fail;
	return &u->k;
fail:
	userspace_free(&u->k);
	return NULL;
}
