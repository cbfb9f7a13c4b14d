/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <fcntl.h>
#include <stdarg.h>

#include "agent/reduce.h"
#include "agent/shared.h"
#include "common/limits.h"
#include "common/os_file.h"
#include "common/os_time.h"
#include "common/timefmt.h"
#include "agent/hosts_block.h"
#include "publication/gateway.h"
#include "publication/names.h"
#include "publication/ruleset.h"

typedef unsigned long long ull;

static void PRINTF_LIKE(2, 3) say(struct agent *a, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!a->say)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	a->say(line);
}

int64_t agent_clock(const struct agent_config *c)
{
	return c->has_now ? c->now : os_now();
}

/* ---- the private key ---- */

static int make_key(const char *path, struct err *e)
{
	struct secret key = { 0 }, text = { 0 };
	int r = -1;

	if (secret_init(&key, 32, e) < 0)
		return -1;
	if (!os_random(key.b, key.len, e)) {
		/* As every WireGuard tool writes them (curve25519_clamp_secret). */
		key.b[0] &= 248;
		key.b[31] = (uint8_t)((key.b[31] & 127) | 64);
		if (!secret_to_base64(&key, &text, e))
			r = os_create(AT_FDCWD, path, text.b, text.len, 0600, e);
	}
	secret_release(&text);
	secret_release(&key);
	return r;
}

static int read_key(const char *path, struct secret *ret, struct err *e)
{
	char bytes[256];
	struct buf text;
	int r;

	/* A buffer that never grows, since growing leaves copies behind, and that is wiped. */
	memset(bytes, 0, sizeof(bytes));
	text = (struct buf){ .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) - 1 };
	r = os_read_secret(AT_FDCWD, path, 128, &text, e);
	if (!r)
		r = secret_from_base64(ret, text.data, text.len, e);
	secret_wipe(bytes, sizeof(bytes));
	return r < 0 ? err_prefix(e, "the private key %s", path) : 0;
}

int agent_load_key(const char *path, bool make, struct secret *ret_private,
		   struct wgkey *ret_public, struct err *e)
{
	const char *why;

	if (make && !os_exists(AT_FDCWD, path) && make_key(path, e) < 0)
		return err_prefix(e, "cannot make the private key");
	if (read_key(path, ret_private, e) < 0)
		return -1;
	wgkey_public(ret_private->b, ret_public);
	why = wgkey_weak(ret_public);
	if (!why)
		return 0;
	secret_release(ret_private);
	return err_set(
		e, ERR_INPUT,
		"the private key %s must not be used: %s; remove the file and a new key is made",
		path, why);
}

int agent_key(struct agent *a, bool make, struct err *e)
{
	const char *path = a->config->private_key;

	/* A new key would end every session: the others know the old one alone. */
	if (make && a->state.accepted.serial && !os_exists(AT_FDCWD, path))
		return err_set(
			e, ERR_NOENT,
			"the private key %s is missing, but serial %llu was accepted with it already: put the file back; or "
			"make a new one (--print-public-key with the same options) and publish its public half as public_key of node %s",
			path, (ull)a->state.accepted.serial,
			a->config->node ? a->config->node : "...");
	if (agent_load_key(a->config->private_key, make, &a->private_key, &a->public_key, e) < 0)
		return -1;
	a->has_key = true;
	return 0;
}

/* ---- opening ---- */

/* A stored root is trusted by the hash in the state, like everything stored. */
static bool load_stored_root(struct agent *a, struct root *ret)
{
	struct document_ref ref = { .hash = a->state.root, .len = a->state.root_len };
	struct signed_doc doc;
	struct buf bytes;
	bool good;

	if (!a->state.root_version)
		return false;
	buf_init(&bytes, MAX_ROOT_DOC);
	good = !store_get(a->store, &ref, &bytes, NULL) &&
	       !signed_split(bytes.data, bytes.len, &doc, NULL) &&
	       !root_decode(doc.body, doc.body_len, ret, NULL) &&
	       ret->version == a->state.root_version;
	buf_release(&bytes);
	return good;
}

static int keep_root(struct agent *a, const struct root *root, const struct buf *bytes,
		     struct err *e)
{
	struct digest hash;

	digest_of(bytes->data, bytes->len, &hash);
	/* On the way from the pin back to a stored root that was damaged: the floors stay. */
	if (root->version < a->state.root_version)
		goto known;
	if (root->version == a->state.root_version && digest_cmp(&hash, &a->state.root))
		return err_refuse(
			e, "BAD-ROOT",
			"it has other bytes than the root of this version that was trusted before: one of them is not genuine");
	if (a->access == STORE_WRITE && store_put(a->store, bytes->data, bytes->len, &hash, e) < 0)
		return -1;
	accept_root(root, bytes->len, &hash, &a->state);
known:
	a->root = *root;
	a->has_root = true;
	return 0;
}

static int open_pin(struct agent *a, bool have_stored, struct err *e)
{
	struct root pin;
	struct digest hash;
	struct buf bytes;
	bool use_pin;
	int r = -1;

	buf_init(&bytes, MAX_ROOT_DOC);
	if (os_read_file(AT_FDCWD, a->config->trust, MAX_ROOT_DOC, &bytes, e) < 0) {
		err_prefix(e, "the pinned root document");
		goto out;
	}
	if (verify_pinned_root(bytes.data, bytes.len, &pin, e) < 0) {
		err_prefix(e, "the pinned root document %s", a->config->trust);
		goto out;
	}
	digest_of(bytes.data, bytes.len, &hash);
	if (accept_pin(&pin, &hash, &a->state, &use_pin, e) < 0)
		goto out;
	if (!use_pin && !have_stored) {
		/* The walk from the pin finds it again; epoch and serial stay as they are, so
		 * nothing older gets in. */
		say(a,
		    "the stored root document version %llu is damaged; going on from the pinned version %llu",
		    (ull)a->state.root_version, (ull)pin.version);
		use_pin = true;
	}
	r = use_pin ? keep_root(a, &pin, &bytes, e) : 0;
out:
	buf_release(&bytes);
	return r;
}

static int open_trust(struct agent *a, struct err *e)
{
	struct root stored;
	bool have_stored = load_stored_root(a, &stored);

	if (have_stored) {
		a->root = stored;
		a->has_root = true;
	}
	if (!a->config->trust || !open_pin(a, have_stored, &a->pin_error)) {
		a->pin_error = (struct err){ 0 };
		return 0;
	}
	if (have_stored && a->pin_error.class != ERR_NOMEM) {
		/* A file that is missing at boot must not take the network down. */
		if (a->config->offline)
			say(a, "%s; going on with the stored root version %llu", a->pin_error.msg,
			    (ull)stored.version);
		return 0;
	}
	if (e)
		*e = a->pin_error;
	return -1;
}

static void load_current(struct agent *a)
{
	const struct accepted *c = &a->state.accepted;
	struct err why = { 0 };

	if (!c->serial || !a->config->node)
		return;
	if (snapshot_load(a->store, a->config->network, a->config->node, c->len, &c->manifest,
			  &c->set, &a->current, &why) < 0)
		say(a,
		    "the stored documents of serial %llu cannot be used (%s); they are fetched again",
		    (ull)c->serial, why.msg);
}

int agent_open(struct agent *a, const struct agent_config *config, enum store_access access,
	       void (*fn)(const char *), struct err *e)
{
	int64_t clock = agent_clock(config);
	bool lost;

	a->config = config;
	a->say = fn;
	a->access = access;
	arena_init(&a->report_arena);
	if (store_open(config->state_dir, config->network, access, &a->store, e) < 0 ||
	    store_load(a->store, clock, &a->state, &lost, e) < 0)
		return -1;
	if (lost)
		say(a,
		    "BOTH COPIES OF THE STATE ARE DAMAGED: what was accepted before is not known any more, so an older publication "
		    "could be taken once. Going on from the pinned root");
	(void)store_report_load(a->store, &a->report_arena, &a->report);
	if (open_trust(a, e) < 0)
		return -1;
	load_current(a);
	return 0;
}

void agent_close(struct agent *a)
{
	snapshot_free(a->current);
	snapshot_free(a->applied);
	a->current = a->applied = NULL;
	if (a->fetcher)
		a->fetcher->ops->free(a->fetcher);
	if (a->kern)
		a->kern->ops->free(a->kern);
	if (a->host)
		a->host->ops->free(a->host);
	if (a->names)
		a->names->ops->free(a->names);
	free(a->journal);
	resolver_free(a->resolver);
	secret_release(&a->private_key);
	store_close(a->store);
	arena_release(&a->report_arena);
	*a = (struct agent){ 0 };
}

/* ---- fetching ---- */

/* One try at one URL. */
struct attempt {
	struct agent *agent;
	struct cycle *cycle;
	const char *url;
	size_t url_index;
	int64_t deadline;
	struct err *err;
};

static int get_one(struct attempt *t, struct fetch_request *r)
{
	struct fetcher *f = t->agent->fetcher;

	return f->ops->get(f, t->url, r, 1, t->deadline);
}

/* One more root document. 1: taken; 0: there is none; -1: it is not what may follow ours. */
static int next_root(struct attempt *t)
{
	struct agent *a = t->agent;
	char path[MAX_FETCH_PATH];
	struct fetch_request r;
	struct root root;
	int ret = 0;

	snprintf(path, sizeof(path), "root/%llu", (ull)(a->root.version + 1));
	fetch_request_init(&r, path, MAX_ROOT_DOC);
	if (get_one(t, &r) < 0) {
		/* A server that cannot say so now is no reason to go without the manifest, unless
		 * the document is a bomb. */
		if (r.err.reason && !strcmp(r.err.reason, "TOO-LARGE")) {
			*t->err = r.err;
			ret = -1;
		}
	} else if (verify_next_root(&a->root, r.body.data, r.body.len, &root, t->err) < 0) {
		if (t->err->class == ERR_VERIFY)
			t->err->reason = "BAD-ROOT";
		ret = err_prefix(
			t->err,
			"root version %llu (a server must answer 404 for what it does not have)",
			(ull)(a->root.version + 1));
	} else if (keep_root(a, &root, &r.body, t->err) < 0) {
		ret = -1;
	} else {
		t->cycle->roots++;
		ret = 1;
	}
	buf_release(&r.body);
	/* Each step is kept before the next, so that a long chain is walked once. */
	if (ret == 1 && a->access == STORE_WRITE && store_save(a->store, &a->state, t->err) < 0)
		return -1;
	return ret;
}

/* Not to be waited for: it failed in this cycle or, when it was not asked yet, in the last one. */
static bool is_away(const struct attempt *t, size_t at)
{
	const struct report *r = &t->agent->report;
	const char *url = t->agent->config->urls[at];
	size_t i;

	if (t->cycle->tried[at])
		return t->cycle->failed[at];
	for (i = 0; i < r->n_urls; i++)
		if (r->urls[i].error && !strcmp(r->urls[i].url, url))
			return true;
	return false;
}

static int walk_at(const struct attempt *t, size_t at)
{
	size_t n = t->agent->config->n_urls;
	int64_t now = os_monotonic_ms(), left = t->deadline - now;
	struct cycle *c = t->cycle;
	struct attempt one = { t->agent, c, t->agent->config->urls[at], at, t->deadline, NULL };
	int r = 1;

	one.err = &c->errors[at];
	/* What another server does must leave time for the documents. */
	if (at != t->url_index)
		one.deadline = now + left / 2 / (int64_t)n;
	while (r == 1 && c->roots < MAX_ROOT_STEPS)
		r = next_root(&one);
	if (r < 0)
		c->tried[at] = c->failed[at] = true;
	return r < 0 ? -1 : 0;
}

/*
 * All URLs are asked, since the one that serves a manifest signed with a stolen key will not serve
 * the root that takes this key away.
 */
static int walk_roots(struct attempt *t)
{
	struct agent *a = t->agent;
	size_t n = a->config->n_urls, i;
	bool bad = false;
	uint64_t before;

	while (!t->cycle->walked) {
		before = a->root.version;
		for (i = 0; i < n; i++) {
			size_t at = (t->url_index + i) % n;

			if (!(i && is_away(t, at)) && walk_at(t, at) < 0)
				bad = true;
		}
		/* A later one may have had the step that an earlier one needs. */
		t->cycle->walked = bad || n == 1 || before == a->root.version ||
				   t->cycle->roots >= MAX_ROOT_STEPS;
		if (t->cycle->walked && !bad && t->cycle->roots < MAX_ROOT_STEPS)
			a->roots_due = os_monotonic_ms() + ROOT_WALK_MS;
	}
	/* An epoch's end takes the time floor with it. */
	t->cycle->now = accept_moment(agent_clock(a->config), a->state.time_floor);
	return t->cycle->failed[t->url_index] ? -1 : 0;
}

/* The tag that the server gave for the manifest that we hold. */
static void remember_etag(struct attempt *t, char *ret)
{
	const struct agent *a = t->agent;
	size_t i;

	ret[0] = '\0';
	for (i = 0; a->current && i < a->report.n_urls; i++) {
		const struct report_url *u = &a->report.urls[i];

		if (u->etag && !strcmp(u->url, t->url) &&
		    !digest_cmp(&u->manifest, &a->current->hash))
			snprintf(ret, MAX_ETAG + 1, "%s", u->etag);
	}
}

static void note_same(struct attempt *t)
{
	t->cycle->stale = t->agent->current->manifest.expires <= t->cycle->now.t;
	t->cycle->url = t->url;
}

/* Bytes that are not what we hold: verified, judged, completed. */
static int take_manifest(struct attempt *t, const char *data, size_t len)
{
	struct agent *a = t->agent;
	struct source_of_documents from = {
		.store = a->store,
		.writable = a->access == STORE_WRITE,
		.fetcher = a->fetcher,
		.urls = t->agent->config->urls + t->url_index,
		.deadline = t->deadline,
		.node = a->config->node,
		.key = a->has_key ? &a->public_key : NULL,
		.key_file = a->config->private_key,
	};
	const char *urls[MAX_MIRRORS];
	struct snapshot *s = snapshot_new(data, len);
	struct acceptance verdict;

	/* The URL that named a document is asked for it first; any other may fill a gap, since the
	 * hash decides. */
	while (from.n_urls < a->config->n_urls) {
		urls[from.n_urls] =
			a->config->urls[(t->url_index + from.n_urls) % a->config->n_urls];
		from.n_urls++;
	}
	from.urls = urls;
	if (!s)
		return err_nomem(t->err);
	if (a->root.version < a->state.root_version) {
		err_refuse(
			t->err, "ROOT-BEHIND",
			"root version %llu was trusted before, its stored copy is damaged, and version %llu is the newest one found",
			(ull)a->state.root_version, (ull)a->root.version);
		goto fail;
	}
	if (verify_manifest(&a->root, a->config->network, a->state.format_floor, s->data, s->len,
			    &s->arena, &s->manifest, t->err) < 0) {
		if (!a->current && t->err->reason && !strcmp(t->err->reason, "UNKNOWN-KEY"))
			err_suffix(
				t->err,
				"is `trust` the root document of the repository that publishes here?");
		goto fail;
	}
	if (accept_manifest(&a->state, &a->root, &s->manifest, &s->hash, t->cycle->now, &verdict,
			    t->err) < 0) {
		/* Two signed manifests of one serial are proof against their publisher: kept. */
		if (a->access == STORE_WRITE && t->err->reason &&
		    !strcmp(t->err->reason, "EQUIVOCATION"))
			(void)store_equivocation(a->store, s->data, s->len, NULL);
		goto fail;
	}
	if (snapshot_fetch(s, &from, a->current, t->err) < 0)
		goto fail;
	snapshot_free(t->cycle->next);
	t->cycle->next = s;
	t->cycle->stale = verdict.stale;
	t->cycle->skipped = verdict.skipped;
	t->cycle->url = t->url;
	return 0;
fail:
	snapshot_free(s);
	return -1;
}

static int try_url(struct attempt *t)
{
	struct agent *a = t->agent;
	struct fetch_request r;
	char path[MAX_FETCH_PATH];
	struct digest hash;
	int ret = -1;

	snprintf(path, sizeof(path), "%s/manifest", a->config->network);
	fetch_request_init(&r, path, MAX_MANIFEST);
	remember_etag(t, r.etag);
	if (get_one(t, &r) < 0) {
		*t->err = r.err;
		if (!a->current && r.err.class == ERR_NOENT)
			err_suffix(
				t->err,
				"is `network` spelled as in the repository, and has anything been published there?");
		goto out;
	}
	if (r.status == FETCH_DONE)
		digest_of(r.body.data, r.body.len, &hash);
	else
		hash = a->current->hash;
	memcpy(t->cycle->etags[t->url_index], r.etag, sizeof(r.etag));
	t->cycle->etag_of[t->url_index] = hash;
	if (a->current && !digest_cmp(&hash, &a->current->hash)) {
		note_same(t);
		ret = os_monotonic_ms() >= a->roots_due ? walk_roots(t) : 0;
		goto out;
	}
	ret = walk_roots(t) < 0 ? -1 : take_manifest(t, r.body.data, r.body.len);
	if (ret < 0)
		t->cycle->etags[t->url_index][0] = '\0';
out:
	buf_release(&r.body);
	return ret;
}

/* A server that lies weighs more than one that is away. */
static void gravest(struct cycle *c, size_t n_urls, struct err *e)
{
	const struct err *worst = NULL;
	size_t i;

	for (i = 0; i < n_urls; i++)
		if (c->failed[i] &&
		    (!worst || (worst->class != ERR_VERIFY && c->errors[i].class == ERR_VERIFY)))
			worst = &c->errors[i];
	if (worst && e)
		*e = *worst;
}

/* The mark of the tunnel whose exit is, or may be, in force; 0: none. */
static uint32_t fetch_mark(const struct agent *a)
{
	const struct snapshot *known[] = { a->applied, a->current };
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] && known[i]->has_config && exit_routed(known[i]->config.node))
			return known[i]->config.node->fwmark;
	return a->state.amnesia || (!a->current && a->state.accepted.serial) ? EXIT_MARK : 0;
}

int agent_fetch(struct agent *a, struct cycle *ret, struct err *e)
{
	size_t n = a->config->n_urls, i;
	int64_t deadline;
	bool good = false;

	*ret = (struct cycle){ .now = accept_moment(agent_clock(a->config), a->state.time_floor) };
	if (a->pin_error.class) {
		if (e)
			*e = a->pin_error;
		return -1;
	}
	if (!a->has_root)
		return err_set(e, ERR_INPUT,
			       "no root document is trusted yet: give one with --trust");
	if (!a->fetcher) {
		a->fetcher = fetcher_new(e);
		if (!a->fetcher)
			return -1;
	}
	a->fetcher->mark = fetch_mark(a);
	deadline = os_monotonic_ms() + a->fetcher->limits.cycle_ms;
	/* One that has nothing new may be frozen, so the next one is asked too. */
	for (i = 0; i < n && !ret->next; i++) {
		size_t at = (a->first_url + i) % n;
		int64_t left = deadline - os_monotonic_ms();
		struct attempt t = { a, ret, a->config->urls[at], at, 0, &ret->errors[at] };

		if (ret->failed[at])
			continue;
		/* What is left is shared, so that one slow server leaves time for the others. */
		ret->tried[at] = true;
		t.deadline = deadline - (i + 1 < n ? left - left / (int64_t)(n - i) : 0);
		if (try_url(&t) < 0) {
			ret->failed[at] = true;
			if (t.err->reason && !strcmp(t.err->reason, "INTERRUPTED"))
				break;
		} else {
			good = true;
		}
	}
	if (good)
		return 0;
	if (!n)
		return err_set(e, ERR_INPUT, "no URL is configured");
	gravest(ret, n, e);
	return -1;
}

void cycle_release(struct cycle *c)
{
	snapshot_free(c->next);
	c->next = NULL;
}

void agent_pretend(struct agent *a, struct cycle *c)
{
	const struct applied *p = &a->state.applied;

	/* What stands on the interface is still the old one: the difference needs it. */
	if (!a->applied && a->current && p->serial && !digest_cmp(&a->current->hash, &p->manifest))
		a->applied = a->current;
	else
		snapshot_free(a->current);
	a->current = c->next;
	c->next = NULL;
}

int agent_take(struct agent *a, struct cycle *c, struct err *e)
{
	struct state next = a->state;
	struct digest manifest, set;
	struct buf text;
	int r = -1;

	if (!c->next)
		return 0;
	buf_init(&text, 16u << 20);
	if (set_encode(&c->next->set, &text) < 0) {
		err_set(e, ERR_LIMIT, "too many documents");
		goto out;
	}
	if (store_put(a->store, c->next->data, c->next->len, &manifest, e) < 0 ||
	    store_put(a->store, text.data, text.len, &set, e) < 0)
		goto out;
	accept_floors(&next, &c->next->manifest, c->next->len, &manifest, &set, c->now);
	if (store_save(a->store, &next, e) < 0)
		goto out;
	a->state = next;
	agent_pretend(a, c);
	r = 0;
out:
	buf_release(&text);
	return r;
}

/* ---- converging ---- */

static char *alias_of(struct agent *a, char *out, size_t size)
{
	snprintf(out, size, ALIAS_PREFIX "%s", a->config->network);
	return out;
}

static int need_kern(struct agent *a, struct err *e)
{
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)];
	enum backend want = a->config->backend;

	if (a->kern)
		return 0;
	/* An interface of ours that runs in userspace stays there: the kernel cannot take it over
	 * without ending its sessions. */
	if (want == BACKEND_AUTO)
		want = kern_kernel_available() &&
				       !kern_userspace_marked(alias_of(a, alias, sizeof(alias))) ?
			       BACKEND_KERNEL :
			       BACKEND_USERSPACE;
	a->kern = want == BACKEND_KERNEL ? kern_kernel_new(e) : kern_userspace_new(NULL, e);
	return a->kern ? 0 : -1;
}

/* What stood on the interface before, or NULL when that is not known. */
static const struct config *previous_config(struct agent *a)
{
	const struct applied *p = &a->state.applied;

	if (!p->serial)
		return NULL;
	if (a->current && !digest_cmp(&p->manifest, &a->current->hash) && a->current->has_config)
		return &a->current->config;
	if (a->applied && digest_cmp(&a->applied->hash, &p->manifest)) {
		snapshot_free(a->applied);
		a->applied = NULL;
	}
	if (!a->applied &&
	    snapshot_load(a->store, a->config->network, a->config->node, p->len, &p->manifest,
			  &p->set, &a->applied, &(struct err){ 0 }) < 0)
		return NULL;
	return a->applied->has_config ? &a->applied->config : NULL;
}

static bool has_names(const struct peer *peers, size_t n)
{
	struct sock_endpoint literal;
	size_t i;

	for (i = 0; i < n; i++)
		if (peers[i].endpoint.host && resolve_literal(&peers[i].endpoint, &literal) < 0)
			return true;
	return false;
}

static int cmp_key_to_peer(const void *key, const void *peer)
{
	return wgkey_cmp(key, &((const struct observed_peer *)peer)->key);
}

/*
 * Whose name must be looked up now: the endpoint of a live session is only set for a new
 * declaration (see diff.h), so asking the resolver for all of those at each poll would be for
 * nothing.
 */
static int names_wanted(struct agent *a, const struct config *c, const struct config *previous,
			const struct ifname *name, struct arena *arena, bool *wanted, struct err *e)
{
	struct observed o;
	size_t i;

	if (!has_names(c->peers, c->n_peers))
		return 0;
	if (a->kern->ops->observe(a->kern, name, arena, &o, e) < 0)
		return -1;
	for (i = 0; i < c->n_peers; i++) {
		const struct peer *p = &c->peers[i],
				  *old = previous ? config_peer(previous, &p->key) : NULL;
		const struct observed_peer *seen =
			o.n_peers ? bsearch(&p->key, o.peers, o.n_peers, sizeof(*o.peers),
					    cmp_key_to_peer) :
				    NULL;

		wanted[i] = !seen || !seen->endpoint.family || !old ||
			    !endpoint_equal(&old->endpoint, &p->endpoint) ||
			    !session_lives(seen, os_now());
	}
	return 0;
}

/* The links of what was in force that go by this name. */
static const struct config *previous_link(const struct config *previous, const struct ifname *name)
{
	size_t i;

	for (i = 0; previous && i < previous->n_links; i++)
		if (!strcmp(previous->links[i].node->interface.s, name->s))
			return &previous->links[i];
	return NULL;
}

/*
 * All names at once, so that they share the time there is: *ret has the endpoints of the main
 * interface's peers, and then one for each link.
 */
static int resolve(struct agent *a, const struct config *previous, int64_t resolve_ms,
		   struct convergence *c, struct sock_endpoint **ret, struct err *e)
{
	const struct config *config = &a->current->config;
	size_t n = config->n_peers + config->n_links, i;
	struct peer *peers = arena_array(&c->arena, n, sizeof(*peers));
	bool *wanted = arena_array(&c->arena, n, sizeof(*wanted));
	struct config all = { .peers = peers, .n_peers = n };

	if (!peers || !wanted)
		return err_nomem(e);
	if (!a->resolver) {
		a->resolver = resolver_new(e);
		if (!a->resolver)
			return -1;
	}
	if (config->n_peers)
		memcpy(peers, config->peers, config->n_peers * sizeof(*peers));
	if (names_wanted(a, config, previous, &c->interface, &c->arena, wanted, e) < 0)
		return -1;
	for (i = 0; i < config->n_links; i++) {
		const struct config *link = &config->links[i];
		const struct ifname *name = &link->node->interface;

		peers[config->n_peers + i] = link->peers[0];
		/* One that cannot be read holds up no other. */
		if (names_wanted(a, link, previous_link(previous, name), name, &c->arena,
				 &wanted[config->n_peers + i], NULL) < 0)
			wanted[config->n_peers + i] = true;
	}
	return resolve_peers(a->resolver, &all, wanted, resolve_ms, &c->arena, ret, &c->unresolved,
			     &c->n_unresolved, e);
}

static bool is_wanted(const struct ifname *name, const struct ifname *main,
		      const struct config *config)
{
	size_t i;

	if (main && !strcmp(name->s, main->s))
		return true;
	for (i = 0; config && i < config->n_links; i++)
		if (!strcmp(name->s, config->links[i].node->interface.s))
			return true;
	return false;
}

/*
 * Our interfaces under other names than that of the main one and those of the links of `config`
 * (both NULL: all). The alias is the mark, not the state: what an older document, another
 * --interface or a run that was cut off left would keep its port and its routes.
 */
static int find_others(struct agent *a, const struct ifname *main, const struct config *config,
		       struct arena *arena, struct ifname **ret, size_t *ret_n, struct err *e)
{
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)];
	struct ifname *all = NULL;
	size_t n = 0, kept = 0, i;

	if (a->kern->ops->marked(a->kern, alias_of(a, alias, sizeof(alias)), arena, &all, &n, e) <
	    0)
		return -1;
	for (i = 0; i < n; i++)
		if (!is_wanted(&all[i], main, config))
			all[kept++] = all[i];
	*ret = all;
	*ret_n = kept;
	return 0;
}

static int remove_others(struct agent *a, const struct ifname *names, size_t n, struct err *e)
{
	static const struct op op = { .kind = OP_LINK_DELETE };
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)];
	size_t i;

	for (i = 0; i < n; i++)
		if (a->kern->ops->apply(a->kern, &names[i], &op, 1, NULL,
					alias_of(a, alias, sizeof(alias)), e) < 0)
			return err_prefix(e, "cannot take the old interface %s away", names[i].s);
	return 0;
}

static int forget_applied(struct agent *a, struct err *e)
{
	struct state next = a->state;

	if (!next.applied.serial)
		return 0;
	next.applied = (struct applied){ 0 };
	next.n_pending = 0;
	if (store_save(a->store, &next, e) < 0)
		return -1;
	a->state = next;
	return 0;
}

struct host_saver {
	struct agent *agent;
	struct shared_run *shared;
};

static int save_host(void *arg, const struct host_record *r, struct err *e)
{
	const struct host_saver *s = arg;
	struct state next = s->agent->state;

	next.host = *r;
	next.host.n = 0;
	next.host.boot[0] = '\0';
	if (!host_record_equal(&next.host, &s->agent->state.host)) {
		if (store_save(s->agent->store, &next, e) < 0)
			return -1;
		s->agent->state = next;
	}
	return shared_save(s->shared, r, e);
}

static int converge_host(struct agent *a, const struct host_wanted *wanted, bool look, bool dry,
			 struct arena *arena, struct host_result *ret, struct err *e)
{
	const char *dir = a->config->state_dir, *network = a->config->network;
	struct shared_run *shared;
	struct host_saver saver = { a, NULL };
	struct host_store store = { save_host, &saver };
	int r;

	/* After the state was lost, a table of ours may stand there that nothing tells of. */
	look |= a->state.amnesia != 0;
	*ret = (struct host_result){ .verified = true };
	if (!host_concerned(wanted, &a->state.host, look) &&
	    !shared_concerned(dir, network, wanted))
		return 0;
	if (!a->host) {
		a->host = host_system_new(e);
		if (!a->host)
			return -1;
	}
	shared = malloc(sizeof(*shared));
	if (!shared)
		return err_nomem(e);
	saver.shared = shared;
	r = shared_begin(shared, a->host, dir, network, wanted, &a->state.host, dry, arena, e);
	if (shared->damaged)
		say(a,
		    "the record of what was changed on this host for forwarding is damaged: it is not put back by itself");
	if (!r)
		r = host_converge(a->host, &shared->wanted, network, look, dry, &shared->record,
				  &store, arena, ret, e);
	if (shared_end(shared, !r, r < 0 ? NULL : e) < 0)
		r = -1;
	free(shared);
	return r;
}

/* In the arena; NULL: out of memory, or too long. */
static const char *rules_text(const struct ruleset *r, struct arena *arena, struct err *e)
{
	const char *text = NULL;
	struct buf b;

	buf_init(&b, MAX_RULESET);
	ruleset_print(r, false, &b);
	if (buf_ok(&b))
		text = arena_strndup(arena, b.data ? b.data : "", b.len);
	buf_release(&b);
	if (!text)
		err_nomem(e);
	return text;
}

/* What the host around the interface is to be for a->current. */
static int want_host(struct agent *a, const struct ifname *interface, struct arena *arena,
		     struct host_wanted *ret, struct err *e)
{
	const struct snapshot *s = a->current;
	struct host_wanted w = { .interface = *interface,
				 .config = s->has_config ? &s->config : NULL,
				 .rules = "" };
	struct ruleset rules;

	if (s->has_config && s->standing == STANDING_MEMBER) {
		w.families = gateway_families(&s->config);
		ruleset_of(&s->config, interface->s, &rules);
		w.rules = rules_text(&rules, arena, e);
		if (!w.rules)
			return -1;
	}
	*ret = w;
	return 0;
}

/*
 * A policy is there before what it is for. Until the interface has changed as well, a packet must
 * be let in by the old policy and by the new one: so at no instant is more let in than one of the
 * two configurations lets in, and nothing is cut that both let in. When the old one is not known,
 * the new one alone decides.
 *
 * Where this fails nothing may change on the interface: it would be open.
 */
static int guard_first(struct agent *a, const struct desired *d, struct convergence *c,
		       struct err *e)
{
	const struct config *next = &a->current->config, *old = previous_config(a);
	struct host_wanted w = { .interface = c->interface, .table_alone = true };
	struct host_result result;
	struct apply_result plan;
	struct ruleset rules;
	size_t i;
	int r;

	if (!next->policy.guarded || a->current->standing != STANDING_MEMBER)
		return 0;
	ruleset_of(next, c->interface.s, &rules);
	if (old && old->policy.guarded && !policy_equal(&old->policy, &next->policy)) {
		/* One transaction does, when it is the only change. */
		if (apply_plan(a->kern, &c->interface, d, old, os_now(), &c->arena, &plan, e) < 0)
			return -1;
		if (!plan.n_ops && !c->n_others)
			return 0;
		ruleset_add_policy(&rules, &old->policy);
	}
	if (old) {
		rules.masquerade = old->node->masquerade;
		rules.n_masquerade = old->node->n_masquerade;
		rules.except = old->node->except;
		rules.n_except = old->node->n_except;
	}
	if (a->state.applied.serial)
		ruleset_add_interface(&rules, a->state.applied.interface.s);
	for (i = 0; i < c->n_others; i++)
		ruleset_add_interface(&rules, c->others[i].s);
	w.rules = rules_text(&rules, &c->arena, e);
	if (!w.rules)
		return -1;
	r = converge_host(a, &w, false, false, &c->arena, &result, e);
	c->host_sets += result.sets;
	return r;
}

static int save_names(void *arg, const struct names_record *r, struct err *e)
{
	struct agent *a = arg;
	struct state next = a->state;

	next.names = *r;
	if (store_save(a->store, &next, e) < 0)
		return -1;
	a->state = next;
	return 0;
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

/* Removed from the network, and what the interface was is not known any more: it goes as a whole.
 */
static int converge_gone(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	if (find_others(a, NULL, NULL, &c->arena, &c->others, &c->n_others, e) < 0)
		return -1;
	if (c->n_others) {
		c->acted = true;
		c->interface = c->others[0];
	}
	return dry || (!remove_others(a, c->others, c->n_others, e) && !forget_applied(a, e)) ? 0 :
												-1;
}

static bool same_pending(const struct state *a, const struct state *b)
{
	size_t i;

	for (i = 0; i < a->n_pending && i < b->n_pending; i++)
		if (strcmp(a->pending[i].s, b->pending[i].s) != 0)
			return false;
	return a->n_pending == b->n_pending;
}

/* Notes what is proved to be in force. Only a difference is worth a write. */
static int note_applied(struct agent *a, const struct convergence *c, struct err *e)
{
	struct state next = a->state;
	struct applied *p = &next.applied;
	const struct accepted *now = &a->state.accepted;

	links_pending(c->links, c->n_links, &next);
	if (p->serial && !digest_cmp(&p->manifest, &now->manifest) &&
	    !digest_cmp(&p->set, &now->set) && !strcmp(p->interface.s, c->interface.s) &&
	    same_pending(&next, &a->state))
		return 0;
	/* What becomes of a link later is no other time of being in force. */
	if (!p->serial || digest_cmp(&p->manifest, &now->manifest) ||
	    digest_cmp(&p->set, &now->set) || strcmp(p->interface.s, c->interface.s) != 0)
		*p = (struct applied){ .serial = now->serial,
				       .since = agent_clock(a->config),
				       .interface = c->interface,
				       .len = now->len,
				       .manifest = now->manifest,
				       .set = now->set };
	if (store_save(a->store, &next, e) < 0)
		return -1;
	a->state = next;
	snapshot_free(a->applied);
	a->applied = NULL;
	return 0;
}

/* Without its policy nothing may be added. What is in the network no more goes all the same. */
static void reduce_interface(struct agent *a, const struct desired *d,
			     const struct config *previous, struct convergence *c)
{
	struct desired less = *d;
	struct sock_endpoint *none;
	struct config config;
	struct err unused;

	if (!previous || c->n_others || config_reduce(previous, d->config, &c->arena, &config) < 0)
		return;
	none = arena_array(&c->arena, config.n_peers, sizeof(*none));
	if (!none)
		return;
	less.config = &config;
	less.endpoints = none;
	(void)apply_desired(a->kern, &c->interface, &less, previous, &a->private_key, os_now(),
			    &c->arena, &c->result, &unused);
	c->result.verified = c->result.all_but_routes = false;
}

/* The old interfaces stay until the new ones are known to be ours to have. */
static int hold_others(struct agent *a, const struct links_job *job, const struct desired *main,
		       const struct config *previous, struct convergence *c, struct err *e)
{
	const struct ifname *old = &a->state.applied.interface;
	struct apply_result unused;
	size_t i, kept = 0;
	int r = 0;

	if (!c->n_others)
		return 0;
	r = apply_plan(a->kern, &c->interface, main, previous, job->now, &c->arena, &unused, e);
	for (i = 0; i < c->n_others; i++) {
		const struct ifname *name = &c->others[i];
		bool is_main = !a->state.applied.serial || !strcmp(name->s, old->s);

		if (!(is_main && r < 0) && !links_holds(job, name))
			c->others[kept++] = *name;
	}
	c->n_others = kept;
	return r;
}

static int converge_main(struct agent *a, const struct desired *d, const struct config *previous,
			 bool dry, int64_t now, struct convergence *ret, struct err *e)
{
	if (dry)
		return apply_plan(a->kern, &ret->interface, d, previous, now, &ret->arena,
				  &ret->result, e);
	return apply_desired(a->kern, &ret->interface, d, previous, &a->private_key, now,
			     &ret->arena, &ret->result, e);
}

static int converge_interfaces(struct agent *a, bool dry, int64_t resolve_ms,
			       struct convergence *ret, struct err *e)
{
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)];
	const struct config *config = &a->current->config, *was, *previous;
	struct sock_endpoint *endpoints = NULL;
	struct links_job job;
	struct err later = { 0 };
	struct desired d;
	bool main_is_right;
	int r;

	ret->acted = true;
	if (a->has_key && a->current->standing == STANDING_MEMBER &&
	    accept_self(a->config->node, config->node, NULL, &a->public_key, a->config->private_key,
			&(enum standing){ 0 }, e) < 0)
		return -1;
	ret->interface = a->config->interface.s[0] ? a->config->interface : config->node->interface;
	ret->n_peers = config->n_peers;
	if (find_others(a, &ret->interface, config, &ret->arena, &ret->others, &ret->n_others, e) <
	    0)
		return -1;
	was = previous_config(a);
	previous = strcmp(a->state.applied.interface.s, ret->interface.s) != 0 ? NULL : was;
	if (resolve(a, was, resolve_ms, ret, &endpoints, e) < 0)
		return -1;
	d = (struct desired){ .config = config,
			      .endpoints = endpoints,
			      .public_key = a->public_key,
			      .alias = alias_of(a, alias, sizeof(alias)) };
	/* Handshakes carry the kernel's time, so this is the real clock whatever --now says. */
	if (!dry && guard_first(a, &d, ret, e) < 0) {
		reduce_interface(a, &d, previous, ret);
		return -1;
	}
	job = (struct links_job){ .kern = a->kern,
				  .config = config,
				  .previous = was,
				  .state = &a->state,
				  .endpoints = endpoints + config->n_peers,
				  .main = ret->interface,
				  .public_key = a->public_key,
				  .private_key = &a->private_key,
				  .alias = d.alias,
				  .now = os_now(),
				  .arena = &ret->arena };
	r = dry ? 0 : hold_others(a, &job, &d, previous, ret, e);
	if (!dry && remove_others(a, ret->others, ret->n_others, &later) < 0 && !r) {
		*e = later;
		r = -1;
	}
	if (!r)
		r = converge_main(a, &d, previous, dry, job.now, ret, e);
	main_is_right = !r || ret->result.all_but_routes;
	/* What is compared with next is noted with the main interface. */
	if (!main_is_right && !dry)
		job.previous = NULL;
	if (links_converge(&job, dry, &ret->links, &ret->n_links, &later) < 0 && !r) {
		*e = later;
		r = -1;
	}
	if (dry || !main_is_right)
		return r;
	/* The peers are right, so this is what is compared with next: otherwise each further
	 * attempt would take the endpoints for declared anew and set them again. */
	if (note_applied(a, ret, &later) < 0 && !r) {
		*e = later;
		r = -1;
	}
	return r;
}

static bool some_right(const struct convergence *c)
{
	size_t i;

	for (i = 0; i < c->n_links; i++)
		if (c->links[i].result.verified)
			return true;
	return c->result.verified || c->result.all_but_routes;
}

static const struct config *current_config(const struct agent *a)
{
	const struct snapshot *s = a->current;

	return s->has_config && s->standing == STANDING_MEMBER ? &s->config : NULL;
}

static struct ifname wanted_interface(const struct agent *a)
{
	if (a->config->interface.s[0] || !a->current->has_config)
		return a->config->interface;
	return a->current->config.node->interface;
}

static int begin_exit(struct agent *a, bool dry, struct convergence *c, struct err *e)
{
	struct ifname name = wanted_interface(a);

	if (exit_before(a->kern, current_config(a), a->config->network, &name, dry, &c->arena,
			&c->exit, e) < 0)
		return err_prefix(e, "the way to the exit");
	return 0;
}

/* `r`: what became of the interface. */
static int end_exit(struct agent *a, int r, struct convergence *c, struct err *e)
{
	/* Nothing was done, and nothing is known: then all stays as it is. */
	if (r < 0 && !c->result.rounds)
		return 0;
	if (exit_after(a->kern, current_config(a), a->config->network, &c->result.after, &c->arena,
		       &c->exit, e) < 0)
		return err_prefix(e, "the way to the exit");
	return 0;
}

int agent_converge(struct agent *a, bool dry, int64_t resolve_ms, struct convergence *ret,
		   struct err *e)
{
	struct err host_error = { 0 }, names_error = { 0 }, own;
	struct names_wanted names;
	struct host_wanted wanted;
	bool main_is_right;
	int r;

	if (!e)
		e = &own;
	*ret = (struct convergence){ 0 };
	arena_init(&ret->arena);
	if (!a->current)
		return err_set(e, ERR_NOENT, "nothing was accepted yet");
	if (need_kern(a, e) < 0)
		return -1;
	if (begin_exit(a, dry, ret, e) < 0)
		return -1;
	r = a->current->has_config ? converge_interfaces(a, dry, resolve_ms, ret, e) :
				     converge_gone(a, dry, ret, e);
	if (!dry && end_exit(a, r, ret, &host_error) < 0) {
		if (!r && e)
			*e = host_error;
		r = -1;
	}
	/* Where the peers of some interface are right, the host is seen to, whatever else went
	 * wrong; names go with the main one. */
	if (r < 0 && !some_right(ret)) {
		ret->host.sets = ret->host_sets;
		return -1;
	}
	main_is_right = !r || ret->result.verified || ret->result.all_but_routes;
	if (want_host(a, &ret->interface, &ret->arena, &wanted, &host_error) < 0 ||
	    converge_host(a, &wanted, false, dry, &ret->arena, &ret->host, &host_error) < 0) {
		if (!r)
			*e = host_error;
		r = -1;
	}
	ret->host.sets += ret->host_sets;
	if (main_is_right &&
	    (want_names(a, &ret->interface, &ret->arena, &names, &names_error) < 0 ||
	     converge_names(a, &names, false, dry, &ret->arena, &ret->names, &names_error) < 0)) {
		if (!r)
			*e = names_error;
		r = -1;
	}
	return r;
}

size_t convergence_ops(const struct convergence *c)
{
	size_t i, n = c->result.n_ops;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].result.n_ops;
	return n;
}

size_t convergence_changes(const struct convergence *c)
{
	size_t i, n = c->result.n_changes;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].result.n_changes;
	return n;
}

void convergence_release(struct convergence *c)
{
	arena_release(&c->arena);
}

static int take_down(struct agent *a, struct ifname *ret_name, size_t *ret_n, struct err *e)
{
	char alias[MAX_NAME + sizeof(ALIAS_PREFIX)];
	struct apply_result result;
	struct ifname *all;
	struct arena arena;
	size_t n;
	int r = -1;

	*ret_n = 0;
	if (need_kern(a, e) < 0)
		return -1;
	arena_init(&arena);
	if (find_others(a, NULL, NULL, &arena, &all, &n, e) < 0)
		goto out;
	if (n) {
		*ret_name = all[0];
		*ret_n = n;
		r = remove_others(a, all, n, e);
		goto out;
	}
	if (a->state.applied.serial)
		*ret_name = a->state.applied.interface;
	else if (a->config->interface.s[0])
		*ret_name = a->config->interface;
	else if (a->current && a->current->has_config)
		*ret_name = a->current->config.node->interface;
	else {
		err_set(e, ERR_NOENT,
			"nothing of network %s was brought up from this state folder; name what is to go with --interface",
			a->config->network);
		goto out;
	}
	r = apply_down(a->kern, ret_name, alias_of(a, alias, sizeof(alias)), &arena, &result, e);
	if (!r)
		*ret_n = result.before.exists;
out:
	arena_release(&arena);
	return r;
}

/* The default route leaves the tunnel before the tunnel goes. */
static int take_rules_away(struct agent *a, struct arena *arena, struct err *e)
{
	struct exit_result unused;

	return need_kern(a, e) < 0 || exit_before(a->kern, NULL, a->config->network, NULL, false,
						  arena, &unused, e) < 0 ?
		       -1 :
		       0;
}

int agent_down(struct agent *a, struct ifname *ret_name, size_t *ret_n, struct err *e)
{
	static const struct host_wanted nothing = { .rules = "" };
	static const struct names_wanted no_names = { .domain = NULL };
	struct err rules_error = { 0 }, host_error = { 0 }, names_error = { 0 };
	struct names_result names;
	struct host_result result;
	struct arena arena;
	int rules, r;

	arena_init(&arena);
	/* None of the three must keep the others up. */
	rules = take_rules_away(a, &arena, &rules_error);
	r = take_down(a, ret_name, ret_n, e);
	if (!r && rules < 0 && e)
		*e = rules_error;
	r = r < 0 || rules < 0 ? -1 : 0;
	if (converge_host(a, &nothing, true, false, &arena, &result, &host_error) < 0) {
		if (!r && e)
			*e = host_error;
		r = -1;
	}
	if (converge_names(a, &no_names, true, false, &arena, &names, &names_error) < 0) {
		if (!r && e)
			*e = names_error;
		r = -1;
	}
	arena_release(&arena);
	return r < 0 ? -1 : forget_applied(a, e);
}

int agent_observe(struct agent *a, const struct ifname *name, struct arena *arena,
		  struct observed *ret, struct err *e)
{
	return need_kern(a, e) < 0 ? -1 : a->kern->ops->observe(a->kern, name, arena, ret, e);
}

/* ---- afterwards ---- */

static const char *error_text(struct arena *arena, const struct err *e)
{
	struct buf b;
	const char *s;

	buf_init(&b, sizeof(e->msg) + 64);
	if (e->reason)
		buf_addf(&b, "%s: ", e->reason);
	buf_adds(&b, e->msg);
	s = arena_strndup(arena, b.data, b.len);
	buf_release(&b);
	return s;
}

/* A server that was not asked this time: what it said last still counts. */
static void keep_etag(struct agent *a, struct report_url *u, struct arena *arena)
{
	size_t i;

	for (i = 0; i < a->report.n_urls && u->url; i++)
		if (a->report.urls[i].etag && !strcmp(a->report.urls[i].url, u->url)) {
			u->etag = arena_strdup(arena, a->report.urls[i].etag);
			u->manifest = a->report.urls[i].manifest;
		}
}

void agent_report(struct agent *a, const struct cycle *c, const struct err *e)
{
	struct report next = a->report;
	struct arena arena;
	size_t i;

	if (a->access != STORE_WRITE)
		return;
	arena_init(&arena);
	next.error = e ? error_text(&arena, e) : NULL;
	if (c) {
		next.checked = agent_clock(a->config);
		if (c->url)
			next.fresh = next.checked;
		next.n_urls = a->config->n_urls;
	}
	for (i = 0; c && i < a->config->n_urls; i++) {
		struct report_url *u = &next.urls[i];

		*u = (struct report_url){ .url = arena_strdup(&arena, a->config->urls[i]) };
		if (c->failed[i])
			u->error = error_text(&arena, &c->errors[i]);
		if (c->etags[i][0]) {
			u->etag = arena_strdup(&arena, c->etags[i]);
			u->manifest = c->etag_of[i];
		} else if (!c->tried[i]) {
			keep_etag(a, u, &arena);
		}
		if (!u->url)
			next.n_urls = i;
	}
	/* Texts that are kept from before live in the old arena. */
	if (!c)
		for (i = 0; i < next.n_urls; i++) {
			next.urls[i].url = arena_strdup(&arena, next.urls[i].url);
			next.urls[i].etag =
				next.urls[i].etag ? arena_strdup(&arena, next.urls[i].etag) : NULL;
			next.urls[i].error = next.urls[i].error ?
						     arena_strdup(&arena, next.urls[i].error) :
						     NULL;
			if (!next.urls[i].url)
				next.n_urls = i;
		}
	arena_release(&a->report_arena);
	a->report_arena = arena;
	a->report = next;
	/* It is of no weight: a full disk must not keep the network from converging. */
	(void)store_report(a->store, &a->report, NULL);
}

void agent_tidy(struct agent *a)
{
	if (a->access == STORE_WRITE)
		(void)store_collect(a->store, &a->state, NULL);
}
