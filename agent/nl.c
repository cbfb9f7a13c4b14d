/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/os_file.h"
#include "common/secret.h"

/* Room for the refusals of a whole batch, and for the largest request. */
#define QUEUE (1 << 20)

static void *sys_open(int bus, uint32_t *ret_portid)
{
	struct timeval timeout = { .tv_sec = NL_TIMEOUT_SECONDS };
	int yes = 1, queue = QUEUE, fd, saved;
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!s)
		return NULL;
	fd = mnl_socket_get_fd(s);
	/* None of these is needed for correctness: without them messages are larger, dumps longer
	 * and errors shorter. */
	(void)mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &yes, sizeof(yes));
	(void)mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &yes, sizeof(yes));
	(void)mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		saved = errno;
		mnl_socket_close(s);
		errno = saved;
		return NULL;
	}
	*ret_portid = mnl_socket_get_portid(s);
	return s;
}

static ssize_t sys_send(void *sock, const void *data, size_t len)
{
	return mnl_socket_sendto(sock, data, len);
}

static ssize_t sys_recv(void *sock, void *data, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do {
		n = recvmsg(mnl_socket_get_fd(sock), &msg, 0);
		/* Another process may send to our port; only the kernel has port 0. */
	} while (n >= 0 && (msg.msg_namelen != sizeof(from) || from.nl_pid));
	if (n >= 0 && (msg.msg_flags & MSG_TRUNC)) {
		errno = ENOSPC;
		return -1;
	}
	return n;
}

static void sys_close(void *sock)
{
	mnl_socket_close(sock);
}

static int sys_set(const char *path, const char *value, struct err *e)
{
	return os_write_existing(AT_FDCWD, path, value, strlen(value), e);
}

struct nl_sys nl_sys = {
	.open = sys_open, .send = sys_send, .recv = sys_recv, .close = sys_close, .set = sys_set
};

static int fail(struct nl *nl, int error, const char *text)
{
	nl->error = error;
	snprintf(nl->text, sizeof(nl->text), "%s", text);
	return -1;
}

static int open_socket(struct nl *nl)
{
	if (nl->sock)
		nl_sys.close(nl->sock);
	nl->sock = nl_sys.open(nl->bus, &nl->portid);
	nl->lost = !nl->sock;
	return nl->sock ? 0 : fail(nl, errno, "");
}

int nl_open(struct nl *nl, int bus, struct err *e)
{
	*nl = (struct nl){ .bus = bus, .seq = 0 };
	nl->buf = malloc(NL_RECEIVE_SIZE);
	if (!nl->buf)
		return err_nomem(e);
	if (open_socket(nl) < 0) {
		nl_err(nl, e, "cannot open a netlink socket");
		nl_close(nl);
		return -1;
	}
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		nl_sys.close(nl->sock);
	if (nl->buf)
		nl_wipe(nl);
	free(nl->buf);
	*nl = (struct nl){ 0 };
}

void nl_wipe(struct nl *nl)
{
	secret_wipe(nl->buf, NL_RECEIVE_SIZE);
}

uint32_t nl_next_seq(struct nl *nl)
{
	return ++nl->seq;
}

int nl_err(const struct nl *nl, struct err *e, const char *what)
{
	if (!nl->error)
		return err_prefix(e, "%s", what);
	errno = nl->error;
	if (nl->error == EAGAIN)
		return err_set(e, ERR_IO, "%s: the kernel did not answer within %d seconds", what,
			       NL_TIMEOUT_SECONDS);
	if (nl->error == EPERM)
		return err_set(e, ERR_IO,
			       "%s: not permitted: it takes root, or the capability CAP_NET_ADMIN",
			       what);
	if (nl->text[0])
		return err_set(e, nl->error == ENOENT || nl->error == ENODEV ? ERR_NOENT : ERR_IO,
			       "%s: %s (%s)", what, strerror(nl->error), nl->text);
	if (nl->error == ENODEV)
		return err_set(e, ERR_NOENT, "%s: %s", what, strerror(nl->error));
	return err_errno(e, "%s", what);
}

/* The kernel's own words, from the attributes behind an error or the end of a dump. */
static void read_text(const uint8_t *pos, size_t left, char *out, size_t size)
{
	const struct nlattr *a;
	size_t i, len;

	while (nl_attr_next(&pos, &left, &a) > 0) {
		const char *s = mnl_attr_get_payload(a);

		if (mnl_attr_get_type(a) != NLMSGERR_ATTR_MSG)
			continue;
		len = strnlen(s, mnl_attr_get_payload_len(a));
		if (len >= size)
			len = size - 1;
		for (i = 0; i < len; i++)
			out[i] = s[i] >= ' ' && s[i] <= '~' ? s[i] : '?';
		out[len] = '\0';
	}
}

static void read_error(const struct nlmsghdr *nlh, struct nl_reply *r)
{
	const uint8_t *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh), skip = sizeof(struct nlmsgerr);
	struct nlmsgerr err;

	r->done = true;
	r->seq = nlh->nlmsg_seq;
	if (len < sizeof(err)) {
		r->error = EBADMSG;
		return;
	}
	memcpy(&err, payload, sizeof(err));
	r->error = err.error > 0 || err.error < -4095 ? EBADMSG : -err.error;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && err.msg.nlmsg_len > sizeof(err.msg))
		skip += MNL_ALIGN(err.msg.nlmsg_len - sizeof(err.msg));
	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) && skip <= len)
		read_text(payload + skip, len - skip, r->text, sizeof(r->text));
}

static void read_done(const struct nlmsghdr *nlh, struct nl_reply *r)
{
	const uint8_t *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	int32_t error;

	r->done = true;
	r->seq = nlh->nlmsg_seq;
	/* The end of a dump carries how it ended. */
	if (len < sizeof(error)) {
		r->error = EBADMSG;
		return;
	}
	memcpy(&error, payload, sizeof(error));
	r->error = error > 0 || error < -4095 ? EBADMSG : -error;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		read_text(payload + sizeof(error), len - sizeof(error), r->text, sizeof(r->text));
}

int nl_scan(const void *data, size_t len, uint32_t portid, uint32_t first, uint32_t last,
	    nl_message_fn *fn, void *arg, struct nl_reply *ret, size_t *ret_used, struct err *e)
{
	const uint8_t *p = data;
	size_t left = len;

	*ret = (struct nl_reply){ 0 };
	*ret_used = len;
	while (left) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)p;
		size_t step;

		if (left < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > left) {
			ret->done = true;
			ret->error = EBADMSG;
			return 0;
		}
		step = MNL_ALIGN(nlh->nlmsg_len) < left ? MNL_ALIGN(nlh->nlmsg_len) : left;
		p += step;
		left -= step;
		if (nlh->nlmsg_pid != portid || nlh->nlmsg_seq - first > last - first)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			ret->interrupted = true;
		switch (nlh->nlmsg_type) {
		case NLMSG_NOOP:
			continue;
		case NLMSG_ERROR:
			read_error(nlh, ret);
			break;
		case NLMSG_DONE:
			read_done(nlh, ret);
			break;
		case NLMSG_OVERRUN:
			ret->done = true;
			ret->seq = nlh->nlmsg_seq;
			ret->error = ENOBUFS;
			break;
		default:
			if (fn && fn(nlh, arg, e) < 0)
				return -1;
			continue;
		}
		*ret_used = len - left;
		return 0;
	}
	return 0;
}

static int send_all(struct nl *nl, const void *data, size_t len)
{
	ssize_t n;

	nl->error = 0;
	nl->text[0] = '\0';
	if (nl->lost && open_socket(nl) < 0)
		return -1;
	do {
		n = nl_sys.send(nl->sock, data, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(nl, errno, "");
	/* A datagram goes whole or not at all. */
	return (size_t)n == len ? 0 : fail(nl, EMSGSIZE, "");
}

static ssize_t receive(struct nl *nl)
{
	ssize_t n;

	do {
		n = nl_sys.recv(nl->sock, nl->buf, NL_RECEIVE_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		nl->lost = true;
		return fail(nl, n < 0 ? errno : ECONNRESET, "");
	}
	return n;
}

int nl_request(struct nl *nl, struct nlmsghdr *nlh, nl_message_fn *fn, void *arg, struct err *e)
{
	struct nl_reply r = { 0 };
	uint32_t seq = nl_next_seq(nl);

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = seq;
	if (send_all(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	while (!r.done) {
		ssize_t n = receive(nl);
		size_t used;

		if (n < 0)
			return -1;
		if (nl_scan(nl->buf, (size_t)n, nl->portid, seq, seq, fn, arg, &r, &used, e) < 0) {
			nl->lost = true;
			return fail(nl, 0, "");
		}
	}
	if (r.error == EBADMSG)
		nl->lost = true;
	return r.error ? fail(nl, r.error, r.text) : 0;
}

int nl_batch(struct nl *nl, const void *data, size_t len, uint32_t first_seq, size_t n,
	     nl_failed_fn *failed, void *arg, struct err *e)
{
	uint32_t last = first_seq + (uint32_t)n - 1;
	bool over = false, bad = false;

	if (send_all(nl, data, len) < 0)
		return -1;
	while (!over) {
		ssize_t got = receive(nl);
		size_t pos = 0, used;

		if (got < 0)
			return -1;
		for (; pos < (size_t)got && !over; pos += used) {
			struct nl_reply r;

			if (nl_scan(nl->buf + pos, (size_t)got - pos, nl->portid, first_seq, last,
				    NULL, NULL, &r, &used, e) < 0)
				return -1;
			if (!r.done)
				break;
			if (r.error == EBADMSG) {
				nl->lost = true;
				return fail(nl, EBADMSG, "");
			}
			if (r.error && failed(r.seq - first_seq, r.error, r.text, arg) != 0 &&
			    !bad) {
				bad = true;
				fail(nl, r.error, r.text);
			}
			over = r.seq == last;
		}
	}
	return bad ? -1 : 0;
}

/* One attempt; EINTR and ENOBUFS are worth another. */
static int dump_once(struct nl *nl, struct nlmsghdr *nlh, nl_message_fn *fn, void *arg,
		     struct err *e)
{
	uint32_t seq = nl_next_seq(nl);
	struct nl_reply r = { 0 };
	bool interrupted = false;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	if (send_all(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	while (!r.done) {
		ssize_t n = receive(nl);
		size_t used;

		if (n < 0)
			return -1;
		/* What an interrupted dump still brings is read, so that the socket is free for the
		 * next one. */
		if (nl_scan(nl->buf, (size_t)n, nl->portid, seq, seq, interrupted ? NULL : fn, arg,
			    &r, &used, e) < 0) {
			nl->lost = true;
			return fail(nl, 0, "");
		}
		interrupted |= r.interrupted;
	}
	if (r.error == EBADMSG)
		nl->lost = true;
	if (r.error)
		return fail(nl, r.error, r.text);
	return interrupted ? fail(nl, EINTR, "it changed while it was read") : 0;
}

int nl_dump(struct nl *nl, struct nlmsghdr *nlh, void (*restart)(void *arg), nl_message_fn *fn,
	    void *arg, struct err *e)
{
	int tries;

	for (tries = 0; tries < NL_DUMP_TRIES; tries++) {
		restart(arg);
		if (dump_once(nl, nlh, fn, arg, e) == 0)
			return 0;
		if (nl->error != EINTR && nl->error != ENOBUFS)
			return -1;
	}
	return -1;
}
