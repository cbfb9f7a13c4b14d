/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getting documents: https://, http:// (integrity is in the signatures, so a plain mirror is sound;
 * it is used only where somebody wrote it down) and file://. The only file that knows libcurl.
 *
 * A server is not trusted with anything: bytes are counted as they come, every document and every
 * cycle has an absolute deadline on a clock that does not jump, a redirect is an error, no proxy,
 * cookie, .netrc or content decoding is used, and what is asked for is always a fixed name or a
 * hash below the configured URL.
 *
 * `struct fetcher` is the seam: tests put their own functions in.
 */
#ifndef AGENT_FETCH_H
#define AGENT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/reached.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"
#include "common/prefix.h"
#include "publication/document.h"

/* Of an HTTP answer before its body. */
#define MAX_HEADERS (64u << 10)
#define MAX_ETAG 255
#define MAX_PARALLEL 16

/* "root/18446744073709551615" or a document's path; and the longest of them all. */
#define MAX_FETCH_PATH (MAX_DOCUMENT_PATH + 32)

enum fetch_status {
	FETCH_FAILED, /* `err` says why; class ERR_NOENT when the server says that there is no such
			 document */
	FETCH_DONE, /* `body` holds it */
	FETCH_UNCHANGED, /* still what `etag` stands for */
};

struct fetch_request {
	char path[MAX_FETCH_PATH]; /* below the URL */
	size_t max; /* more bytes are TOO-LARGE */
	/* In: what the caller holds has this tag ("": none). Out, when FETCH_DONE: the new one. */
	char etag[MAX_ETAG + 1];
	enum fetch_status status;
	struct buf body; /* made by fetch_request_init, released by the caller */
	struct err err; /* reason TOO-LARGE, DEADLINE, REDIRECT, FETCH, MISSING or INTERRUPTED */
};

struct fetch_limits {
	int64_t connect_ms, document_ms, cycle_ms;
	unsigned int parallel; /* 1..MAX_PARALLEL */
};

struct fetcher;

/* A server of ours. */
struct fetch_site {
	const char *url;
	/* In and out: the addresses that answered. When the name cannot be looked up, or not in
	 * time, these are tried in its place; the name remains what certificates are checked for.
	 */
	struct reached reached;
	bool lost; /* out: it could not be */
};

struct fetcher_ops {
	/*
	 * Does all requests below one URL, several at once. Every request gets its status; returns
	 * 0 when all of them are done or unchanged. `deadline` is absolute (os_monotonic_ms); a
	 * document's own limit may end it earlier.
	 */
	int (*get)(struct fetcher *f, const char *url, struct fetch_request *requests, size_t n,
		   int64_t deadline);
	void (*free)(struct fetcher *f);
};

struct fetcher {
	const struct fetcher_ops *ops;
	struct fetch_limits limits;
	/* When readable, everything under way ends with INTERRUPTED: a signalfd. -1: none. */
	int wake_fd;
	uint32_t mark; /* of all sockets (SO_MARK), where it may be set; 0: none */
	struct fetch_site sites[MAX_MIRRORS]; /* others are asked by their name alone */
	size_t n_sites;
	const char *ca_file; /* NULL: the system's certificates */
	/* The two ends of the connection of the last answer; no family: none came, or over none.
	 */
	struct ipaddr remote, local;
	/* What it cost. */
	unsigned int requests;
	uint64_t bytes;
};

/* The real one, with the limits of common/limits.h; NULL when libcurl cannot be set up. Once in a
 * process at a time. */
struct fetcher *fetcher_new(struct err *e);

void fetch_request_init(struct fetch_request *r, const char *path, size_t max);

#endif
