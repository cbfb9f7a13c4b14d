/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent_impl.h"

#include "common/limits.h"
#include "common/os_time.h"

#define SERVER "where the publication comes from"

/* One try at one URL. */
struct attempt {
	struct agent *agent;
	struct cycle *cycle;
	const char *url;
	size_t url_index;
	int64_t deadline;
	struct err *err;
};

/* What goes through the network has one of the interface's addresses as its source. */
static enum lifeline_known way_taken(const struct agent *a, const struct ipaddr *local)
{
	const struct node *n =
		a->current && a->current->has_config ? a->current->config.node : NULL;
	size_t i;

	for (i = 0; n && i < n->n_addresses; i++)
		if (!ipaddr_cmp(&n->addresses[i].addr, local))
			return LIFELINE_INSIDE;
	return LIFELINE_DIRECT;
}

static int get_one(struct attempt *t, struct fetch_request *r)
{
	struct fetcher *f = t->agent->fetcher;
	int ret;

	f->remote.family = 0;
	ret = f->ops->get(f, t->url, r, 1, t->deadline);
	if (f->remote.family)
		t->agent->reached[t->url_index] =
			(struct lifeline){ f->remote, way_taken(t->agent, &f->local), SERVER };
	return ret;
}

/* The address that a URL has instead of a name. */
static int literal(const char *url, struct ipaddr *ret)
{
	const char *host = strstr(url, "://");

	if (!host || !strncmp(url, "file:", 5))
		return -1;
	host += 3;
	if (*host == '[')
		return ipaddr_parse(host + 1, strcspn(host + 1, "]"), ret);
	return ipaddr_parse(host, strcspn(host, ":/?#"), ret);
}

/* Where the server of a URL was reached last, in this run or an earlier one; NULL: never. */
static const struct reached *reported(const struct agent *a, const char *url)
{
	size_t i;

	for (i = 0; i < a->report.n_urls; i++)
		if (!strcmp(a->report.urls[i].url, url))
			return &a->report.urls[i].reached;
	return NULL;
}

size_t agent_lifelines(const struct agent *a, struct lifeline ret[static MAX_MIRRORS])
{
	struct ipaddr addr;
	size_t n = 0, i;

	for (i = 0; i < a->config->n_urls; i++) {
		const struct lifeline *l = &a->reached[i];
		const struct reached *before = reported(a, a->config->urls[i]);

		if (l->addr.family)
			ret[n++] = *l;
		else if (!literal(a->config->urls[i], &addr))
			ret[n++] = (struct lifeline){ addr, LIFELINE_UNKNOWN, SERVER };
		else if (before && before->n)
			ret[n++] = (struct lifeline){ before->list[0], LIFELINE_UNKNOWN, SERVER };
	}
	return n;
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
	} else if (agent_keep_root(a, &root, &r.body, t->err) < 0) {
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

/* What is known of the servers; all names are looked up anew. */
static void set_sites(struct agent *a)
{
	struct fetcher *f = a->fetcher;
	size_t i;

	f->n_sites = a->config->n_urls;
	for (i = 0; i < f->n_sites; i++) {
		const struct reached *before = reported(a, a->config->urls[i]);

		f->sites[i] = (struct fetch_site){ .url = a->config->urls[i] };
		if (before)
			f->sites[i].reached = *before;
	}
}

static void say_lost(struct agent *a)
{
	const struct fetcher *f = a->fetcher;
	size_t i;

	for (i = 0; i < f->n_sites; i++)
		if (f->sites[i].lost)
			agent_say(
				a,
				"the name in %s cannot be looked up: it was asked where it was reached last",
				f->sites[i].url);
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
	/* Always: what is known of exits may be lost, and another network on this host may have
	 * one. */
	a->fetcher->mark = EXIT_MARK;
	set_sites(a);
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
	say_lost(a);
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
	if (agent_save(a, &next, e) < 0)
		goto out;
	agent_pretend(a, c);
	r = 0;
out:
	buf_release(&text);
	return r;
}
