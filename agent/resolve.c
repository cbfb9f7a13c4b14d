/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/os_sys.h"

/* One name. Shared with the threads: freed by whoever lets go of the batch last. */
struct lookup {
	char host[MAX_HOST + 1];
	struct sock_endpoint found; /* port unused */
	bool done;
};

struct batch {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lookup *lookups;
	size_t n, next, n_done;
	unsigned int holders;
};

struct known {
	char host[MAX_HOST + 1];
	struct sock_endpoint at;
};

struct resolver {
	struct known *known; /* sorted by host */
	size_t n;
};

struct resolver *resolver_new(struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		err_nomem(e);
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	free(r->known);
	free(r);
}

int resolve_literal(const struct endpoint *ep, struct sock_endpoint *ret)
{
	struct ipaddr ip;

	if (ipaddr_parse(ep->host, strlen(ep->host), &ip) < 0)
		return -1;
	*ret = (struct sock_endpoint){ .family = ip.family, .port = ep->port };
	memcpy(ret->b, ip.b, sizeof(ret->b));
	return 0;
}

static void take_sockaddr(const struct sockaddr *sa, struct sock_endpoint *ret)
{
	*ret = (struct sock_endpoint){ 0 };
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		ret->family = 4;
		memcpy(ret->b, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		ret->family = 6;
		memcpy(ret->b, &in6.sin6_addr, 16);
		ret->scope = in6.sin6_scope_id;
	}
}

static void look_up(const char *host, struct sock_endpoint *ret)
{
	/* AI_ADDRCONFIG: no IPv6 address where this machine has no IPv6. */
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL, *i;

	*ret = (struct sock_endpoint){ 0 };
	if (getaddrinfo(host, NULL, &hints, &list))
		return;
	for (i = list; i && !ret->family; i = i->ai_next)
		take_sockaddr(i->ai_addr, ret);
	freeaddrinfo(list);
}

/* Called with the lock held; gives it back. */
static void let_go(struct batch *b)
{
	bool last = !--b->holders;

	pthread_mutex_unlock(&b->lock);
	if (!last)
		return;
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b->lookups);
	free(b);
}

static void *work(void *arg)
{
	struct batch *b = arg;

	pthread_mutex_lock(&b->lock);
	while (b->next < b->n) {
		struct lookup *l = &b->lookups[b->next++];
		struct sock_endpoint found;

		pthread_mutex_unlock(&b->lock);
		look_up(l->host, &found);
		pthread_mutex_lock(&b->lock);
		l->found = found;
		l->done = true;
		b->n_done++;
		pthread_cond_signal(&b->changed);
	}
	let_go(b);
	return NULL;
}

static int cmp_lookups(const void *a, const void *b)
{
	return strcmp(((const struct lookup *)a)->host, ((const struct lookup *)b)->host);
}

static int cmp_known(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->host, ((const struct known *)b)->host);
}

static struct known *find_known(struct resolver *r, const char *host)
{
	struct known key;

	snprintf(key.host, sizeof(key.host), "%s", host);
	return r->n ? bsearch(&key, r->known, r->n, sizeof(key), cmp_known) : NULL;
}

static void start_threads(struct batch *b)
{
	pthread_attr_t attr;
	sigset_t all, old;
	size_t i;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are for the main thread alone. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < RESOLVE_THREADS && i < b->n; i++) {
		pthread_t thread;

		pthread_mutex_lock(&b->lock);
		b->holders++;
		pthread_mutex_unlock(&b->lock);
		if (pthread_create(&thread, &attr, work, b)) {
			pthread_mutex_lock(&b->lock);
			b->holders--;
			pthread_mutex_unlock(&b->lock);
			break;
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

/* Takes over `lookups`. Adds what was found by the deadline to what is known. */
static int run_batch(struct resolver *r, struct lookup *lookups, size_t n, int64_t timeout_ms,
		     struct err *e)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct known *grown = NULL;
	size_t i, at, found = 0;
	pthread_condattr_t attr;
	struct timespec end = { 0 };

	if (!b) {
		free(lookups);
		return err_nomem(e);
	}
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &attr);
	pthread_condattr_destroy(&attr);
	b->lookups = lookups;
	b->n = n;
	b->holders = 1;
	(void)os_sys.clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)(timeout_ms / 1000);
	end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	start_threads(b);
	pthread_mutex_lock(&b->lock);
	/* holders == 1: no thread could be started, and nothing will ever come. */
	while (b->n_done < b->n && b->holders > 1 &&
	       pthread_cond_timedwait(&b->changed, &b->lock, &end) != ETIMEDOUT)
		;
	b->next = b->n; /* no new look-up after the deadline */
	for (i = 0; i < n; i++) {
		struct known *k;

		if (!lookups[i].done || !lookups[i].found.family)
			continue;
		k = find_known(r, lookups[i].host);
		if (k)
			k->at = lookups[i].found;
		else
			found++;
	}
	grown = found ? calloc(r->n + found, sizeof(*grown)) : NULL;
	if (found && !grown) {
		let_go(b);
		return err_nomem(e);
	}
	if (grown) {
		if (r->n)
			memcpy(grown, r->known, r->n * sizeof(*grown));
		for (i = 0, at = r->n; i < n; i++)
			if (lookups[i].done && lookups[i].found.family &&
			    !find_known(r, lookups[i].host)) {
				memcpy(grown[at].host, lookups[i].host, sizeof(grown[at].host));
				grown[at++].at = lookups[i].found;
			}
		free(r->known);
		r->known = grown;
		r->n += found;
		qsort(r->known, r->n, sizeof(*r->known), cmp_known);
	}
	let_go(b);
	return 0;
}

/* The distinct names that are wanted. */
static int collect(const struct config *c, const bool *wanted, struct lookup **ret, size_t *ret_n,
		   struct err *e)
{
	struct lookup *list = calloc(c->n_peers ? c->n_peers : 1, sizeof(*list));
	struct sock_endpoint literal;
	size_t i, n = 0, distinct = 0;

	if (!list)
		return err_nomem(e);
	for (i = 0; i < c->n_peers; i++) {
		const struct endpoint *ep = &c->peers[i].endpoint;

		if (!ep->host || (wanted && !wanted[i]) || !resolve_literal(ep, &literal))
			continue;
		snprintf(list[n++].host, sizeof(list->host), "%s", ep->host);
	}
	if (n)
		qsort(list, n, sizeof(*list), cmp_lookups);
	for (i = 0; i < n; i++)
		if (!i || strcmp(list[i].host, list[distinct - 1].host) != 0)
			memmove(&list[distinct++], &list[i], sizeof(*list));
	*ret = list;
	*ret_n = distinct;
	return 0;
}

int resolve_peers(struct resolver *r, const struct config *c, const bool *wanted,
		  int64_t timeout_ms, struct arena *a, struct sock_endpoint **ret,
		  const char ***ret_failed, size_t *ret_n_failed, struct err *e)
{
	struct sock_endpoint *out = arena_array(a, c->n_peers, sizeof(*out));
	const char **failed = arena_array(a, c->n_peers, sizeof(*failed));
	size_t n_lookups = 0, n_failed = 0, i;
	struct lookup *lookups = NULL;

	if (!out || !failed)
		return err_nomem(e);
	if (collect(c, wanted, &lookups, &n_lookups, e) < 0)
		return -1;
	if (!n_lookups)
		free(lookups);
	else if (run_batch(r, lookups, n_lookups, timeout_ms, e) < 0)
		return -1;
	for (i = 0; i < c->n_peers; i++) {
		const struct endpoint *ep = &c->peers[i].endpoint;
		const struct known *k;

		if (!ep->host || !resolve_literal(ep, &out[i]))
			continue;
		k = find_known(r, ep->host);
		if (k) {
			out[i] = k->at;
			out[i].port = ep->port;
		} else if (!wanted || wanted[i]) {
			failed[n_failed++] = ep->host;
		}
	}
	*ret = out;
	if (ret_failed)
		*ret_failed = failed;
	if (ret_n_failed)
		*ret_n_failed = n_failed;
	return 0;
}
