/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fetching from servers that do everything wrong (tests/cli/hostile-server.py, on 127.0.0.1), with
 * small limits. Run from the top of the tree.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/fetch.h"
#include "common/num.h"
#include "common/os_file.h"
#include "common/os_time.h"

#define BODY "hello, this is a document\n"
#define CAP 4096

static char top[] = "/tmp/meshrc-fetch.XXXXXX";
static bool no_server; /* no python3: those tests are skipped */

struct server {
	pid_t pid;
	int in; /* closing it ends the server */
	unsigned int port, silent;
};

static struct server plain = { .in = -1 }, tls = { .in = -1 };

static int start_server(struct server *s, const char *cert)
{
	char log[256], line[64] = "";
	int in[2], out[2];
	uint64_t port = 0, silent = 0;
	char *blank, *nl;
	size_t len = 0;
	ssize_t n;

	snprintf(log, sizeof(log), "%s/log", top);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	s->pid = fork();
	if (!s->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		if (cert)
			execlp("python3", "python3", "tests/cli/hostile-server.py", "--log", log,
			       "--cert", cert, (char *)NULL);
		else
			execlp("python3", "python3", "tests/cli/hostile-server.py", "--log", log,
			       (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	/* The line may come in pieces. */
	while (len < sizeof(line) - 1 && !strchr(line, '\n') &&
	       (n = read(out[0], line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)n;
	close(out[0]);
	blank = strchr(line, ' ');
	nl = strchr(line, '\n');
	if (!blank || !nl || num_parse(line, (size_t)(blank - line), 65535, &port) < 0 ||
	    num_parse(blank + 1, (size_t)(nl - blank - 1), 65535, &silent) < 0)
		return -1;
	s->port = (unsigned int)port;
	s->silent = (unsigned int)silent;
	return 0;
}

static void stop_server(struct server *s)
{
	if (s->in < 0)
		return;
	close(s->in);
	waitpid(s->pid, NULL, 0);
	s->in = -1;
}

static char *url_of(const char *behaviour)
{
	static char url[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", plain.port, behaviour);
	return url;
}

static struct fetcher *small(void)
{
	struct err e = { 0 };
	struct fetcher *f = fetcher_new(&e);

	assert_non_null(f);
	f->limits = (struct fetch_limits){
		.connect_ms = 20000, .document_ms = 20000, .cycle_ms = 20000, .parallel = 4
	};
	return f;
}

static void get_one(struct fetcher *f, const char *url, size_t max, struct fetch_request *r)
{
	char etag[MAX_ETAG + 1];

	memcpy(etag, r->etag, sizeof(etag));
	fetch_request_init(r, "prod/manifest", max);
	memcpy(r->etag, etag, sizeof(etag));
	(void)f->ops->get(f, url, r, 1, os_monotonic_ms() + f->limits.cycle_ms);
}

#define NEEDS_SERVER()          \
	do {                    \
		if (no_server)  \
			skip(); \
	} while (0)

static void a_good_server(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };
	char tag[MAX_ETAG + 1];

	NEEDS_SERVER();
	f = small();
	get_one(f, url_of("good"), CAP, &r);
	if (r.status != FETCH_DONE)
		fail_msg("%s", r.err.msg);
	assert_string_equal(r.body.data, BODY);
	assert_int_equal(strlen(r.etag), 18);
	memcpy(tag, r.etag, sizeof(tag));
	buf_release(&r.body);
	/* An idle poll: one conditional request and no body. */
	get_one(f, url_of("good"), CAP, &r);
	assert_int_equal(r.status, FETCH_UNCHANGED);
	assert_int_equal(r.body.len, 0);
	assert_string_equal(r.etag, tag);
	assert_true(f->requests == 2 && f->bytes == strlen(BODY));
	buf_release(&r.body);
	/* A tag that does not match brings the body and the new one. */
	snprintf(r.etag, sizeof(r.etag), "\"old\"");
	get_one(f, url_of("good"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	assert_string_equal(r.etag, tag);
	buf_release(&r.body);
	f->ops->free(f);
}

/* No resolver is asked for a label of 64 characters. */
#define NO_NAME "x123456789012345678901234567890123456789012345678901234567890123.test"

static struct ipaddr address(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(s, strlen(s), &a), 0);
	return a;
}

/* The name cannot be looked up: asked is where it was reached last. */
static void a_lost_name(void **unused)
{
	char url[256], known[256];
	struct fetch_request r = { 0 }, many[6];
	struct fetch_site *site;
	struct fetcher *f;
	size_t i;

	NEEDS_SERVER();
	f = small();
	snprintf(url, sizeof(url), "http://" NO_NAME ":%u/good", plain.port);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "FETCH");
	buf_release(&r.body);
	/* Another one is of no use, and a site of which nothing is known. */
	f->n_sites = 2;
	site = &f->sites[1];
	f->sites[0] = (struct fetch_site){ .url = "http://other", .reached.n = 1 };
	f->sites[0].reached.list[0] = address("127.0.0.1");
	*site = (struct fetch_site){ .url = url };
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_false(site->lost);
	buf_release(&r.body);
	site->reached.list[0] = address("127.0.0.1");
	site->reached.n = 1;
	f->requests = 0;
	get_one(f, url, CAP, &r);
	if (r.status != FETCH_DONE)
		fail_msg("%s", r.err.msg);
	assert_true(site->lost);
	assert_int_equal(f->requests, 2);
	assert_string_equal(r.body.data, BODY);
	buf_release(&r.body);
	/* Known from then on, for all that goes there; and forgotten when the caller says so. */
	for (i = 0; i < ARRAY_LEN(many); i++)
		fetch_request_init(&many[i], "prod/manifest", CAP);
	assert_int_equal(f->ops->get(f, url, many, ARRAY_LEN(many), os_monotonic_ms() + 20000), 0);
	assert_int_equal(f->requests, 2 + ARRAY_LEN(many));
	for (i = 0; i < ARRAY_LEN(many); i++)
		buf_release(&many[i].body);
	f->ops->free(f);
	/* The second of two; nobody is there: said so, once. */
	f = small();
	f->n_sites = 1;
	site = f->sites;
	*site = (struct fetch_site){ .url = url, .reached.n = 2 };
	site->reached.list[0] = address("::1");
	site->reached.list[1] = address("127.0.0.1");
	r.etag[0] = '\0';
	get_one(f, url, CAP, &r);
	if (r.status != FETCH_DONE)
		fail_msg("%s", r.err.msg);
	assert_int_equal(ipaddr_cmp(&site->reached.list[0],
				    &(struct ipaddr){ 4, { 127, 0, 0, 1 } }),
			 0);
	assert_int_equal(site->reached.n, 2);
	buf_release(&r.body);
	snprintf(known, sizeof(known), "http://" NO_NAME ":1/good");
	*site = (struct fetch_site){ .url = known, .reached.n = 1 };
	site->reached.list[0] = address("127.0.0.1");
	f->requests = 0;
	get_one(f, known, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_int_equal(f->requests, 2);
	assert_non_null(strstr(r.err.msg, "reached last"));
	buf_release(&r.body);
	f->ops->free(f);
}

/* Where a server answers is noted, the last first, and no more than there is room for. */
static void where_it_was_reached(void **unused)
{
	struct fetch_request r = { 0 };
	struct fetch_site *site;
	struct fetcher *f;
	char url[256];
	size_t i;

	NEEDS_SERVER();
	f = small();
	snprintf(url, sizeof(url), "%s", url_of("missing-page"));
	f->n_sites = 1;
	site = f->sites;
	*site = (struct fetch_site){ .url = url, .reached.n = MAX_REACHED };
	for (i = 0; i < MAX_REACHED; i++)
		site->reached.list[i] = (struct ipaddr){ 4, { 192, 0, 2, (uint8_t)i } };
	for (i = 0; i < 2; i++) {
		get_one(f, url, CAP, &r);
		assert_int_equal(r.status, FETCH_FAILED);
		buf_release(&r.body);
		assert_int_equal(site->reached.n, MAX_REACHED);
		assert_int_equal(site->reached.list[0].b[0], 127);
		assert_int_equal(site->reached.list[1].b[3], 0);
		assert_int_equal(site->reached.list[MAX_REACHED - 1].b[3], MAX_REACHED - 2);
	}
	assert_false(site->lost);
	f->ops->free(f);
}

static void exactly_the_maximum(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };

	NEEDS_SERVER();
	f = small();
	get_one(f, url_of("good"), strlen(BODY), &r);
	assert_int_equal(r.status, FETCH_DONE);
	buf_release(&r.body);
	r.etag[0] = '\0';
	get_one(f, url_of("good"), strlen(BODY) - 1, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "TOO-LARGE");
	buf_release(&r.body);
	f->ops->free(f);
}

static const struct {
	const char *what, *behaviour, *reason, *contains;
	enum err_class class;
} rows[] = {
	{ "T23 chunked without end", "chunked-endless", "TOO-LARGE", "4096", ERR_LIMIT },
	{ "T24 no length and no end", "close-endless", "TOO-LARGE", "4096", ERR_LIMIT },
	{ "T25 an announced terabyte", "length-huge", "TOO-LARGE", "4096", ERR_LIMIT },
	{ "T26 a bomb with Content-Encoding", "gzip-bomb", "TOO-LARGE", "4096", ERR_LIMIT },
	{ "T27 600 bytes a second", "drip", "DEADLINE", "", ERR_IO },
	{ "T28 headers that drip", "drip-header", "DEADLINE", "", ERR_IO },
	{ "T28 no answer", "silent", "DEADLINE", "", ERR_IO },
	{ "headers without end", "header-endless", "TOO-LARGE", "headers", ERR_LIMIT },
	{ "interim answers without end", "interim-endless", "TOO-LARGE", "headers", ERR_LIMIT },
	{ "T30 a redirect to http", "redirect-http", "REDIRECT", "302", ERR_IO },
	{ "T30 a redirect to a file", "redirect-file", "REDIRECT", "302", ERR_IO },
	{ "T30 a redirect to https", "redirect-https", "REDIRECT", "302", ERR_IO },
	{ "T30 a redirect in a loop", "redirect-loop", "REDIRECT", "302", ERR_IO },
	{ "T31 shorter than announced", "short", "FETCH", "", ERR_IO },
	{ "T31 status 500", "error-500", "FETCH", "HTTP 500", ERR_IO },
	{ "T31 status 304 that was not asked for", "not-modified", "FETCH", "HTTP 304", ERR_IO },
	{ "status 403", "forbidden", "FETCH", "HTTP 403", ERR_IO },
	{ "status 206", "partial", "FETCH", "HTTP 206", ERR_IO },
	{ "status 404 with a page larger than the document", "missing-page", "MISSING", "HTTP 404",
	  ERR_NOENT },
	{ "HTTP/0.9", "old-http", "FETCH", "", ERR_IO },
	{ "the connection is closed at once", "nothing", "FETCH", "", ERR_IO },
};

static void what_servers_do(void **unused)
{
	size_t i;

	NEEDS_SERVER();
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetcher *f = small();
		struct fetch_request r = { 0 };
		bool deadline = !strcmp(rows[i].reason, "DEADLINE");
		int64_t start = os_monotonic_ms();

		/* Short only where it is what is tested: the machine may be busy. */
		if (deadline)
			f->limits.connect_ms = f->limits.document_ms = 700;
		get_one(f, url_of(rows[i].behaviour), CAP, &r);
		if (r.status != FETCH_FAILED)
			fail_msg("%s: taken: %s", rows[i].what, r.body.data);
		if (!r.err.reason || strcmp(r.err.reason, rows[i].reason) != 0)
			fail_msg("%s: %s: %s", rows[i].what,
				 r.err.reason ? r.err.reason : "no reason", r.err.msg);
		ROW_CHECK(strstr(r.err.msg, rows[i].contains), i);
		ROW_CHECK(r.err.class == rows[i].class, i);
		ROW_CHECK(r.body.len == 0, i);
		/* One request on the wire, a bounded answer, a bounded time. */
		ROW_CHECK(f->requests == 1, i);
		ROW_CHECK(f->bytes <= CAP, i);
		ROW_CHECK(!deadline || os_monotonic_ms() - start < 5000, i);
		buf_release(&r.body);
		f->ops->free(f);
	}
}

/* T25: what is past the announced length is not part of the document; it is judged by its hash or
 * signature. */
static void bytes_past_the_length(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };

	NEEDS_SERVER();
	f = small();
	get_one(f, url_of("length-lie"), CAP, &r);
	assert_true(r.status == FETCH_FAILED || r.body.len == 10);
	assert_true(r.body.len <= CAP);
	buf_release(&r.body);
	f->ops->free(f);
}

static void no_content_decoding(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };

	NEEDS_SERVER();
	f = small();
	get_one(f, url_of("gzip-small"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	assert_memory_equal(r.body.data, "\x1f\x8b", 2);
	buf_release(&r.body);
	f->ops->free(f);
}

static void tags_that_are_not_kept(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };

	NEEDS_SERVER();
	f = small();
	get_one(f, url_of("bad-tag"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	assert_string_equal(r.etag, "");
	buf_release(&r.body);
	get_one(f, url_of("long-tag"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	assert_string_equal(r.etag, "");
	buf_release(&r.body);
	f->ops->free(f);
}

static void read_log(struct buf *log)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/log", top);
	buf_init(log, 1u << 20);
	(void)!os_read_file(AT_FDCWD, path, 1u << 20, log, NULL);
}

/* Cookies, proxies and passwords of the surroundings, and no second request after a redirect. */
static void nothing_from_the_surroundings(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };
	char path[256];
	struct buf log;

	NEEDS_SERVER();
	snprintf(path, sizeof(path), "%s/log", top);
	(void)unlink(path);
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
	setenv("HOME", top, 1);
	snprintf(path, sizeof(path), "%s/.netrc", top);
	assert_int_equal(os_write_file(AT_FDCWD, path, "machine 127.0.0.1 login me password pw\n",
				       39, 0600, NULL),
			 0);
	snprintf(path, sizeof(path), "%s/keys", top);
	setenv("SSLKEYLOGFILE", path, 1);
	f = small();
	assert_null(getenv("SSLKEYLOGFILE"));
	get_one(f, url_of("cookie"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	buf_release(&r.body);
	get_one(f, url_of("cookie"), CAP, &r);
	assert_int_equal(r.status, FETCH_DONE);
	buf_release(&r.body);
	get_one(f, url_of("redirect-http"), CAP, &r);
	buf_release(&r.body);
	f->ops->free(f);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	read_log(&log);
	assert_string_equal(
		log.data,
		"/cookie/prod/manifest\n/cookie/prod/manifest\n/redirect-http/prod/manifest\n");
	buf_release(&log);
}

static void many_at_once(void **unused)
{
	struct fetch_request r[50];
	struct fetcher *f;
	size_t i;

	NEEDS_SERVER();
	f = small();
	for (i = 0; i < ARRAY_LEN(r); i++)
		fetch_request_init(&r[i], "prod/records/x", CAP);
	assert_int_equal(f->ops->get(f, url_of("good"), r, ARRAY_LEN(r), os_monotonic_ms() + 5000),
			 0);
	for (i = 0; i < ARRAY_LEN(r); i++) {
		assert_int_equal(r[i].status, FETCH_DONE);
		assert_string_equal(r[i].body.data, BODY);
		buf_release(&r[i].body);
	}
	assert_true(f->requests == ARRAY_LEN(r));
	/* A server that hangs: the deadline of the cycle ends all of them, those that were not
	 * begun included. */
	for (i = 0; i < ARRAY_LEN(r); i++)
		fetch_request_init(&r[i], "prod/records/x", CAP);
	assert_int_equal(f->ops->get(f, url_of("silent"), r, ARRAY_LEN(r),
				     os_monotonic_ms() + 1000),
			 -1);
	for (i = 0; i < ARRAY_LEN(r); i++) {
		assert_int_equal(r[i].status, FETCH_FAILED);
		assert_string_equal(r[i].err.reason, "DEADLINE");
		buf_release(&r[i].body);
	}
	f->ops->free(f);
}

static void nobody_is_there(void **unused)
{
	struct fetcher *f = small();
	struct fetch_request r = { 0 };

	/* Port 1 of this machine: refused at once. */
	get_one(f, "http://127.0.0.1:1/x", CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "FETCH");
	buf_release(&r.body);
	f->ops->free(f);
}

static void silence_inside_tls(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };
	char url[128];

	NEEDS_SERVER();
	f = small();
	f->limits.connect_ms = f->limits.document_ms = 700;
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", plain.silent);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "DEADLINE");
	buf_release(&r.body);
	f->ops->free(f);
}

static void certificates_are_checked(void **unused)
{
	struct fetcher *f;
	struct fetch_request r = { 0 };
	char url[128], cert[256];

	if (tls.in < 0)
		skip();
	f = small();
	snprintf(cert, sizeof(cert), "%s/cert.pem", top);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/good", tls.port);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "FETCH");
	buf_release(&r.body);
	f->ca_file = cert;
	get_one(f, url, CAP, &r);
	if (r.status != FETCH_DONE)
		fail_msg("%s", r.err.msg);
	assert_string_equal(r.body.data, BODY);
	buf_release(&r.body);
	/* The right authority and the wrong name. */
	snprintf(url, sizeof(url), "https://localhost:%u/good", tls.port);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	buf_release(&r.body);
	f->ops->free(f);
}

static void a_signal_ends_it(void **unused)
{
	struct fetch_request r[3];
	struct fetcher *f;
	int64_t start;
	int fds[2];
	size_t i;

	NEEDS_SERVER();
	f = small();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f->wake_fd = fds[0];
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (i = 0; i < ARRAY_LEN(r); i++)
		fetch_request_init(&r[i], "x", CAP);
	start = os_monotonic_ms();
	assert_int_equal(f->ops->get(f, url_of("silent"), r, ARRAY_LEN(r), start + 20000), -1);
	assert_true(os_monotonic_ms() - start < 10000);
	for (i = 0; i < ARRAY_LEN(r); i++) {
		assert_string_equal(r[i].err.reason, "INTERRUPTED");
		buf_release(&r[i].body);
	}
	close(fds[0]);
	close(fds[1]);
	f->ops->free(f);
}

static void files(void **unused)
{
	struct fetcher *f = small();
	struct fetch_request r = { 0 };
	char url[300], path[300];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/tree/prod", top);
	assert_int_equal(os_mkdir_p(AT_FDCWD, path, 0700, &e), 0);
	snprintf(path, sizeof(path), "%s/tree/prod/manifest", top);
	assert_int_equal(os_write_file(AT_FDCWD, path, BODY, strlen(BODY), 0600, &e), 0);
	snprintf(url, sizeof(url), "file://%s/tree", top);
	get_one(f, url, strlen(BODY), &r);
	assert_int_equal(r.status, FETCH_DONE);
	assert_string_equal(r.body.data, BODY);
	buf_release(&r.body);
	get_one(f, url, strlen(BODY) - 1, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_string_equal(r.err.reason, "TOO-LARGE");
	buf_release(&r.body);
	/* A FIFO in its place does not hang us. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	buf_release(&r.body);
	assert_int_equal(unlink(path), 0);
	get_one(f, url, CAP, &r);
	assert_int_equal(r.status, FETCH_FAILED);
	assert_int_equal(r.err.class, ERR_NOENT);
	assert_string_equal(r.err.reason, "MISSING");
	buf_release(&r.body);
	/* A folder that is not there says nothing about its documents. */
	snprintf(url, sizeof(url), "file://%s/not-mounted", top);
	get_one(f, url, CAP, &r);
	assert_string_equal(r.err.reason, "FETCH");
	assert_true(r.err.class != ERR_NOENT);
	buf_release(&r.body);
	f->ops->free(f);
}

/* Nothing of all this may take memory: the bodies that were served have half a gigabyte each. */
static void memory_stayed_small(void **unused)
{
	struct rusage u;

	NEEDS_SERVER();
	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	/* Sanitizers keep freed memory for a while. */
#ifdef __SANITIZE_ADDRESS__
	assert_true(u.ru_maxrss < 400 << 10);
#else
	assert_true(u.ru_maxrss < 48 << 10);
#endif
}

static int make_certificate(const char *path)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		execlp("openssl", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
		       "-days", "3650", "-subj", "/CN=test", "-addext",
		       "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return status;
}

static int join(const char *path)
{
	/* openssl writes key and certificate to one file, the second after the first: both must be
	 * in it. */
	struct buf b;
	int r;

	buf_init(&b, 1u << 16);
	r = os_read_file(AT_FDCWD, path, 1u << 16, &b, NULL) || !strstr(b.data, "PRIVATE KEY") ||
	    !strstr(b.data, "CERTIFICATE");
	buf_release(&b);
	return r;
}

static int set_up(void **unused)
{
	char cert[256];

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(top))
		return -1;
	if (start_server(&plain, NULL) < 0) {
		no_server = true;
		print_message("python3 does not run here: no server\n");
		return 0;
	}
	snprintf(cert, sizeof(cert), "%s/cert.pem", top);
	if (make_certificate(cert) || join(cert) || start_server(&tls, cert) < 0) {
		print_message("openssl makes no certificate here: no TLS server\n");
		stop_server(&tls);
	}
	return 0;
}

static int remove_one(const char *name, bool is_dir, void *arg)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (is_dir && os_list(AT_FDCWD, path, remove_one, path, NULL))
		return -1;
	return is_dir ? rmdir(path) : unlink(path);
}

static int tear_down(void **unused)
{
	stop_server(&plain);
	stop_server(&tls);
	return os_list(AT_FDCWD, top, remove_one, top, NULL) || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_server),
		cmocka_unit_test(a_lost_name),
		cmocka_unit_test(where_it_was_reached),
		cmocka_unit_test(exactly_the_maximum),
		cmocka_unit_test(what_servers_do),
		cmocka_unit_test(bytes_past_the_length),
		cmocka_unit_test(no_content_decoding),
		cmocka_unit_test(tags_that_are_not_kept),
		cmocka_unit_test(nothing_from_the_surroundings),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(silence_inside_tls),
		cmocka_unit_test(certificates_are_checked),
		cmocka_unit_test(a_signal_ends_it),
		cmocka_unit_test(files),
		cmocka_unit_test(memory_stayed_small),
	};

	return cmocka_run_group_tests_name("fetch", tests, set_up, tear_down);
}
