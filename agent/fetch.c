/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/limits.h"
#include "common/os_file.h"
#include "common/os_time.h"
#include "common/version.h"

struct transfer {
	CURL *easy; /* kept from one request to the next */
	struct fetch_request *request; /* NULL: idle */
	struct curl_slist *headers, *instead;
	struct fetch_site *site; /* NULL: none */
	size_t header_bytes;
	int64_t deadline;
	char new_etag[MAX_ETAG + 1];
	char message[CURL_ERROR_SIZE];
	bool too_large, no_memory, bad_headers;
	bool by_address; /* that answered before */
};

struct curl_fetcher {
	struct fetcher base;
	CURLM *multi;
	struct transfer transfers[MAX_PARALLEL];
};

void fetch_request_init(struct fetch_request *r, const char *path, size_t max)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->max = max;
	buf_init(&r->body, max);
}

static void PRINTF_LIKE(4, 5) refuse(struct fetch_request *r, enum err_class class,
				     const char *reason, const char *fmt, ...)
{
	va_list ap;

	r->status = FETCH_FAILED;
	r->err.class = class;
	r->err.reason = reason;
	va_start(ap, fmt);
	vsnprintf(r->err.msg, sizeof(r->err.msg), fmt, ap);
	va_end(ap);
	buf_reset(&r->body);
}

/* ---- file:// ---- */

static void get_file(struct fetcher *f, int dir, struct fetch_request *r, int64_t deadline)
{
	struct err e = { 0 };

	f->requests++;
	if (os_monotonic_ms() > deadline) {
		refuse(r, ERR_IO, "DEADLINE", "%s: out of time", r->path);
		return;
	}
	r->etag[0] = '\0';
	buf_reset(&r->body);
	if (os_read_file(dir, r->path, r->max, &r->body, &e) < 0) {
		refuse(r, e.class,
		       e.class == ERR_NOENT ? "MISSING" :
		       e.class == ERR_LIMIT ? "TOO-LARGE" :
					      "FETCH",
		       "%s", e.msg);
		return;
	}
	r->status = FETCH_DONE;
	f->bytes += r->body.len;
}

static void get_files(struct fetcher *f, const char *path, struct fetch_request *requests, size_t n,
		      int64_t deadline)
{
	struct err e = { 0 };
	size_t i;
	int dir = os_open_dir(AT_FDCWD, path, &e);

	for (i = 0; i < n; i++) {
		if (dir < 0)
			/* Not ERR_NOENT: a folder that is not mounted now does not say that a
			 * document does not exist. */
			refuse(&requests[i], ERR_IO, "FETCH", "%s", e.msg);
		else
			get_file(f, dir, &requests[i], deadline);
	}
	os_close(dir);
}

/* ---- https:// and http:// ---- */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct buf *body = &t->request->body;
	size_t len = size * n;
	long code = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
	if (code != 200)
		/* An error page is of no use: ends the transfer, the status code says why. */
		return 0;
	if (len > t->request->max - body->len) {
		t->too_large = true;
		return 0;
	}
	buf_add(body, data, len);
	if (!buf_ok(body)) {
		t->no_memory = true;
		return 0;
	}
	return len;
}

static bool header_is(const char *data, size_t len, const char *name, const char **ret_value,
		      size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(data, name, n) != 0)
		return false;
	data += n;
	len -= n;
	while (len && (*data == ' ' || *data == '\t')) {
		data++;
		len--;
	}
	while (len && (unsigned char)data[len - 1] <= ' ')
		len--;
	*ret_value = data;
	*ret_len = len;
	return true;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n, value_len, i;
	const char *value;

	t->header_bytes += len;
	if (t->header_bytes > MAX_HEADERS) {
		t->bad_headers = true;
		return 0;
	}
	/* The first line of an answer: what an interim one (1xx) said before does not count. */
	if (len > 5 && !strncasecmp(data, "HTTP/", 5))
		t->new_etag[0] = '\0';
	if (header_is(data, len, "ETag:", &value, &value_len) && value_len &&
	    value_len <= MAX_ETAG) {
		/* It goes into a later request and into a file: visible ASCII or nothing. */
		for (i = 0; i < value_len; i++)
			if (value[i] <= 0x20 || value[i] >= 0x7f)
				return len;
		memcpy(t->new_etag, value, value_len);
		t->new_etag[value_len] = '\0';
	}
	return len;
}

/*
 * Keeps what is fetched out of a tunnel that takes everything else: a changed network may be what
 * brings it back to life. Without the right to mark, the default route has to do.
 */
static int mark_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct fetcher *f = arg;

	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &f->mark, sizeof(f->mark));
	return CURL_SOCKOPT_OK;
}

/* ---- names that cannot be looked up ---- */

static struct fetch_site *find_site(struct fetcher *f, const char *url)
{
	size_t i;

	for (i = 0; i < f->n_sites; i++)
		if (!strcmp(f->sites[i].url, url))
			return &f->sites[i];
	return NULL;
}

/* A scope is lost on the way, so a link-local address is no use. */
static bool usable(const struct ipaddr *a)
{
	return !(a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static void note_reached(const struct transfer *t)
{
	struct reached *r = t->site ? &t->site->reached : NULL;
	const char *text = NULL;
	struct ipaddr at;
	size_t i;

	if (!r || curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &text) || !text ||
	    ipaddr_parse(text, strlen(text), &at) < 0 || !usable(&at))
		return;
	for (i = 0; i < r->n && ipaddr_cmp(&r->list[i], &at); i++)
		;
	if (i == r->n && r->n < MAX_REACHED)
		r->n++;
	if (i == MAX_REACHED)
		i--;
	memmove(r->list + 1, r->list, i * sizeof(*r->list));
	r->list[0] = at;
}

/* "+HOST:PORT:ADDRESS,ADDRESS", as CURLOPT_RESOLVE takes it; with the plus it is forgotten like any
 * other answer. NULL: there is none. */
static struct curl_slist *known_addresses(const struct reached *r, const char *url)
{
	char text[IPADDR_STRLEN], *host = NULL, *port = NULL;
	struct curl_slist *list = NULL;
	CURLU *u = curl_url();
	struct buf line;
	size_t i;

	buf_init(&line, MAX_URL + 1024);
	if (u && !curl_url_set(u, CURLUPART_URL, url, 0) &&
	    !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		buf_addf(&line, "+%s:%s:", host, port);
		for (i = 0; i < r->n; i++)
			buf_addf(&line, r->list[i].family == 6 ? "%s[%s]" : "%s%s", i ? "," : "",
				 ipaddr_print(&r->list[i], text));
		if (buf_ok(&line))
			list = curl_slist_append(NULL, line.data);
	}
	buf_release(&line);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return list;
}

/* It ended before there was an address to connect to, and others are known. */
static bool is_lost(const struct transfer *t, CURLcode result)
{
	curl_off_t looked_up = 0;

	if (!t->site || !t->site->reached.n || t->by_address)
		return false;
	curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
	return result == CURLE_COULDNT_RESOLVE_HOST ||
	       (result == CURLE_OPERATION_TIMEDOUT && !looked_up);
}

/* Sets one option; the first that fails is remembered. */
#define SET(option, value)                                              \
	do {                                                            \
		if (!bad)                                               \
			bad = curl_easy_setopt(t->easy, option, value); \
	} while (0)

static CURLcode set_up(struct curl_fetcher *f, struct transfer *t, const char *url)
{
	int64_t left = t->deadline - os_monotonic_ms();
	CURLcode bad = CURLE_OK;

	if (left < 1)
		left = 1;
	curl_easy_reset(t->easy);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, strncmp(url, "https:", 6) ? "http" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_MAXREDIRS, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->request->max);
	SET(CURLOPT_TIMEOUT_MS, (long)left);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(f->base.limits.connect_ms < left ? f->base.limits.connect_ms : left));
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_USERAGENT, "meshrc-agent/" MESHRC_VERSION);
	SET(CURLOPT_ERRORBUFFER, t->message);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PRIVATE, t);
	if (f->base.mark) {
		SET(CURLOPT_SOCKOPTFUNCTION, mark_socket);
		SET(CURLOPT_SOCKOPTDATA, &f->base);
	}
	if (f->base.ca_file)
		SET(CURLOPT_CAINFO, f->base.ca_file);
	if (t->headers)
		SET(CURLOPT_HTTPHEADER, t->headers);
	if (t->instead)
		SET(CURLOPT_RESOLVE, t->instead);
	return bad;
}

static void end_transfer(struct curl_fetcher *f, struct transfer *t)
{
	curl_multi_remove_handle(f->multi, t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->instead);
	t->headers = t->instead = NULL;
	t->request = NULL;
}

static void start(struct curl_fetcher *f, struct transfer *t, const char *base,
		  struct fetch_request *r, int64_t deadline)
{
	char url[MAX_URL + MAX_FETCH_PATH + 2], line[MAX_ETAG + 32];
	int64_t own = os_monotonic_ms() + f->base.limits.document_ms;
	CURLcode bad;

	f->base.requests++;
	t->request = r;
	t->deadline = own < deadline ? own : deadline;
	t->header_bytes = 0;
	t->too_large = t->no_memory = t->bad_headers = false;
	t->new_etag[0] = t->message[0] = '\0';
	buf_reset(&r->body);
	snprintf(url, sizeof(url), "%s/%s", base, r->path);
	if (r->etag[0]) {
		snprintf(line, sizeof(line), "If-None-Match: %s", r->etag);
		t->headers = curl_slist_append(NULL, line);
	}
	t->site = find_site(&f->base, base);
	if (t->site && t->site->lost)
		t->instead = known_addresses(&t->site->reached, base);
	t->by_address = t->instead != NULL;
	if (!t->easy)
		t->easy = curl_easy_init();
	if (!t->easy || (r->etag[0] && !t->headers)) {
		refuse(r, ERR_NOMEM, NULL, "out of memory");
		curl_slist_free_all(t->headers);
		curl_slist_free_all(t->instead);
		t->headers = t->instead = NULL;
		t->request = NULL;
		return;
	}
	bad = set_up(f, t, url);
	if (bad || curl_multi_add_handle(f->multi, t->easy)) {
		refuse(r, ERR_IO, "FETCH", "%s: %s", url,
		       bad ? curl_easy_strerror(bad) : "cannot start the transfer");
		end_transfer(f, t);
	}
}

static void judge_status(struct transfer *t, const char *url, long code)
{
	struct fetch_request *r = t->request;

	if (code == 304 && r->etag[0])
		r->status = FETCH_UNCHANGED;
	else if (code >= 300 && code < 400 && code != 304)
		refuse(r, ERR_IO, "REDIRECT",
		       "%s/%s: the server redirects (HTTP %ld), which is not followed: configure the "
		       "URL that holds the publication itself",
		       url, r->path, code);
	else if (code == 404 || code == 410)
		refuse(r, ERR_NOENT, "MISSING", "%s/%s: HTTP %ld", url, r->path, code);
	else
		refuse(r, ERR_IO, "FETCH", "%s/%s: HTTP %ld", url, r->path, code);
}

static void note_ends(struct curl_fetcher *f, const struct transfer *t)
{
	const char *remote = NULL, *local = NULL;
	struct ipaddr r, l;

	if (curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &remote) || !remote ||
	    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_IP, &local) || !local ||
	    ipaddr_parse(remote, strlen(remote), &r) < 0 ||
	    ipaddr_parse(local, strlen(local), &l) < 0)
		return;
	f->base.remote = r;
	f->base.local = l;
}

static void judge(struct curl_fetcher *f, struct transfer *t, const char *url, CURLcode result)
{
	struct fetch_request *r = t->request;
	long code = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
	f->base.bytes += r->body.len;
	if (code) {
		note_ends(f, t);
		note_reached(t);
	}
	if (t->no_memory)
		refuse(r, ERR_NOMEM, NULL, "out of memory");
	else if (t->bad_headers)
		refuse(r, ERR_LIMIT, "TOO-LARGE", "%s/%s: more than %u bytes of headers", url,
		       r->path, MAX_HEADERS);
	else if (result == CURLE_OPERATION_TIMEDOUT)
		refuse(r, ERR_IO, "DEADLINE", "%s/%s: %s", url, r->path,
		       t->message[0] ? t->message : "timed out");
	else if (code != 200 && (result == CURLE_WRITE_ERROR || result == CURLE_FILESIZE_EXCEEDED))
		/* We ended it ourselves, at the first byte of an error page. */
		judge_status(t, url, code);
	else if (t->too_large || result == CURLE_FILESIZE_EXCEEDED)
		refuse(r, ERR_LIMIT, "TOO-LARGE", "%s/%s: longer than %zu bytes", url, r->path,
		       r->max);
	else if (result)
		refuse(r, ERR_IO, "FETCH", "%s/%s: %s", url, r->path,
		       t->message[0] ? t->message : curl_easy_strerror(result));
	else if (code != 200)
		judge_status(t, url, code);
	else {
		r->status = FETCH_DONE;
		memcpy(r->etag, t->new_etag, sizeof(r->etag));
	}
	if (!code && t->by_address)
		err_suffix(&r->err, "(where it was reached last: its name cannot be looked up)");
	end_transfer(f, t);
}

static void stop_all(struct curl_fetcher *f, const char *url, const char *reason, const char *why)
{
	size_t i;

	for (i = 0; i < MAX_PARALLEL; i++) {
		struct transfer *t = &f->transfers[i];

		if (!t->request)
			continue;
		refuse(t->request, ERR_IO, reason, "%s/%s: %s", url, t->request->path, why);
		end_transfer(f, t);
	}
}

/* Waits for the network, the wake-up descriptor or the nearest deadline. 1: woken up. */
static int wait_some(struct curl_fetcher *f, int64_t deadline)
{
	struct curl_waitfd wake = { .fd = f->base.wake_fd, .events = CURL_WAIT_POLLIN };
	int64_t left = deadline - os_monotonic_ms();

	if (left < 0)
		left = 0;
	if (left > 1000)
		left = 1000;
	if (curl_multi_poll(f->multi, &wake, f->base.wake_fd >= 0 ? 1 : 0, (int)left, NULL))
		return 0;
	return f->base.wake_fd >= 0 && wake.revents;
}

static void reap(struct curl_fetcher *f, const char *url, int64_t deadline)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		if (is_lost(t, m->data.result)) {
			struct fetch_request *r = t->request;

			t->site->lost = true;
			end_transfer(f, t);
			start(f, t, url, r, deadline);
		} else {
			judge(f, t, url, m->data.result);
		}
	}
}

static void get_http(struct curl_fetcher *f, const char *url, struct fetch_request *requests,
		     size_t n, int64_t deadline)
{
	unsigned int parallel = f->base.limits.parallel;
	bool stopped = false;
	size_t next = 0, i;
	int running = 0;

	if (!parallel || parallel > MAX_PARALLEL)
		parallel = MAX_PARALLEL;
	for (;;) {
		size_t active = 0;

		for (i = 0; i < parallel; i++) {
			struct transfer *t = &f->transfers[i];

			while (!t->request && next < n && !stopped)
				start(f, t, url, &requests[next++], deadline);
			active += t->request != NULL;
		}
		if (!active)
			break;
		if (curl_multi_perform(f->multi, &running)) {
			stop_all(f, url, "FETCH", "the transfer broke down");
			continue;
		}
		reap(f, url, deadline);
		if (os_monotonic_ms() >= deadline) {
			stop_all(f, url, "DEADLINE", "out of time");
			stopped = true;
		} else if (running && wait_some(f, deadline)) {
			stop_all(f, url, "INTERRUPTED", "stopped");
			stopped = true;
		}
	}
	for (; next < n; next++)
		refuse(&requests[next], ERR_IO, "DEADLINE", "%s/%s: out of time", url,
		       requests[next].path);
}

static int get(struct fetcher *base, const char *url, struct fetch_request *requests, size_t n,
	       int64_t deadline)
{
	struct curl_fetcher *f = (struct curl_fetcher *)base;
	size_t i;

	if (!strncmp(url, "file://", 7))
		get_files(base, url + 7, requests, n, deadline);
	else
		get_http(f, url, requests, n, deadline);
	for (i = 0; i < n; i++)
		if (requests[i].status == FETCH_FAILED)
			return -1;
	return 0;
}

static void free_fetcher(struct fetcher *base)
{
	struct curl_fetcher *f = (struct curl_fetcher *)base;
	size_t i;

	for (i = 0; i < MAX_PARALLEL; i++)
		if (f->transfers[i].easy)
			curl_easy_cleanup(f->transfers[i].easy);
	curl_multi_cleanup(f->multi);
	curl_global_cleanup();
	free(f);
}

static const struct fetcher_ops curl_ops = { .get = get, .free = free_fetcher };

struct fetcher *fetcher_new(struct err *e)
{
	struct curl_fetcher *f;

	/* With it set, the TLS library would write session keys to a file of the caller's choice.
	 */
	unsetenv("SSLKEYLOGFILE");
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		err_set(e, ERR_IO, "cannot set libcurl up");
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (f)
		f->multi = curl_multi_init();
	if (!f || !f->multi) {
		free(f);
		curl_global_cleanup();
		err_nomem(e);
		return NULL;
	}
	curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MAX_PARALLEL);
	f->base = (struct fetcher){
		.ops = &curl_ops,
		.limits = { .connect_ms = FETCH_CONNECT_SECONDS * 1000,
			    .document_ms = FETCH_DOCUMENT_SECONDS * 1000,
			    .cycle_ms = FETCH_CYCLE_SECONDS * 1000,
			    .parallel = 8 },
		.wake_fd = -1,
	};
	return (struct fetcher *)f;
}
