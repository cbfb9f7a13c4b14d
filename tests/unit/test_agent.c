/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole cycles of the agent against publications in memory and a model of an interface: what is
 * accepted and put in force, what is refused for which reason and leaves everything as it was, and
 * what every failure on the way may cost.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/agent_impl.h"
#include "agent/hosts_block.h"
#include "agent/shared.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/os_time.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/fake_kern.h"
#include "tests/unit/pubkit.h"

#define DAY INT64_C(86400)
#define T0 PUBKIT_ISSUED

/* ---- a fetcher in memory ---- */

struct fake_fetcher {
	struct fetcher base;
	struct pubkit_tree *trees[2]; /* of "http://a" and "http://b"; NULL: nobody is there */
	const char *missing; /* paths that contain this are not there (at "a") */
	const char *flipped; /* ... have one bit wrong */
	const char *cut; /* ... end early */
	const char *endless; /* ... are larger than asked for */
	bool tags; /* knows ETag */
	uint8_t at; /* "http://a" answers at 192.0.2.X; 0: its name cannot be looked up */
	unsigned int asked, unchanged;
};

static void fail_request(struct fetch_request *r, enum err_class class, const char *reason)
{
	r->status = FETCH_FAILED;
	r->err.class = class;
	r->err.reason = reason;
	snprintf(r->err.msg, sizeof(r->err.msg), "made to fail: %s", r->path);
	buf_reset(&r->body);
}

static bool says(const char *pattern, const char *path)
{
	return pattern && strstr(path, pattern);
}

static void answer(struct fake_fetcher *f, bool first, const struct pubkit_tree *t,
		   struct fetch_request *r)
{
	const struct pubkit_file *file = t ? pubkit_get(t, r->path) : NULL;
	char tag[MAX_ETAG + 1], hex[DIGEST_STRLEN];
	struct digest d;

	f->asked++;
	f->base.requests++;
	if (!t) {
		fail_request(r, ERR_IO, "FETCH");
		return;
	}
	if (!file || (first && says(f->missing, r->path))) {
		fail_request(r, ERR_NOENT, "MISSING");
		return;
	}
	if (file->len > r->max || (first && says(f->endless, r->path))) {
		fail_request(r, ERR_LIMIT, "TOO-LARGE");
		return;
	}
	digest_of(file->data, file->len, &d);
	snprintf(tag, sizeof(tag), "\"%.16s\"", digest_print(&d, hex));
	if (f->tags && !strcmp(tag, r->etag)) {
		f->unchanged++;
		r->status = FETCH_UNCHANGED;
		return;
	}
	buf_reset(&r->body);
	buf_add(&r->body, file->data, first && says(f->cut, r->path) ? file->len / 2 : file->len);
	if (!buf_ok(&r->body)) {
		fail_request(r, ERR_NOMEM, NULL);
		return;
	}
	if (first && says(f->flipped, r->path))
		r->body.data[r->body.len / 2] ^= 1;
	memcpy(r->etag, f->tags ? tag : "", f->tags ? sizeof(tag) : 1);
	r->status = FETCH_DONE;
}

static int fake_get(struct fetcher *base, const char *url, struct fetch_request *requests, size_t n,
		    int64_t deadline)
{
	struct fake_fetcher *f = (struct fake_fetcher *)base;
	bool first = !strcmp(url, "http://a");
	int r = 0;
	size_t i;

	for (i = 0; first && i < base->n_sites; i++)
		if (!strcmp(base->sites[i].url, url)) {
			struct fetch_site *site = &base->sites[i];

			site->lost = !f->at && site->reached.n;
			if (f->at)
				site->reached =
					(struct reached){ { { 4, { 192, 0, 2, f->at } } }, 1 };
		}
	for (i = 0; i < n; i++) {
		answer(f, first, f->trees[first ? 0 : 1], &requests[i]);
		if (requests[i].status == FETCH_FAILED)
			r = -1;
	}
	return r;
}

static void fake_free(struct fetcher *f)
{
}

static const struct fetcher_ops fake_ops = { .get = fake_get, .free = fake_free };

/* ---- an interface that has memory ---- */

/* The model stands for the kernel, whose memory is its own: it does not run out with ours. */
static const struct kern_ops *model_ops;
static struct ifname model_name; /* of the one interface that the model has */
static const char *foreign; /* an interface of somebody else's has this name; NULL: none */

static int kern_apply(struct kern *k, const struct ifname *name, const struct op *ops, size_t n,
		      const struct secret *private_key, const char *alias, struct err *e)
{
	size_t left = fail_alloc_left;
	int r;

	fail_alloc_left = 0;
	if (((struct fake_kern *)k)->m->exists)
		assert_string_equal(name->s, model_name.s);
	model_name = *name;
	r = model_ops->apply(k, name, ops, n, private_key, alias, e);
	fail_alloc_left = left;
	return r;
}

static int kern_observe(struct kern *k, const struct ifname *name, struct arena *a,
			struct observed *ret, struct err *e)
{
	size_t left = fail_alloc_left;
	int r;

	fail_alloc_left = 0;
	r = model_ops->observe(k, name, a, ret, e);
	if (foreign && !strcmp(name->s, foreign))
		*ret = (struct observed){ .exists = true };
	else if (strcmp(name->s, model_name.s) != 0)
		*ret = (struct observed){ 0 };
	fail_alloc_left = left;
	return r;
}

static int kern_marked(struct kern *k, const char *alias, struct arena *a, struct ifname **ret,
		       size_t *ret_n, struct err *e)
{
	const struct model *m = ((struct fake_kern *)k)->m;

	*ret_n = m->exists && !strcmp(m->alias, alias);
	*ret = *ret_n ? &model_name : NULL;
	return 0;
}

static int kern_rules(struct kern *k, uint32_t first, uint32_t n, struct arena *a,
		      struct rules_seen *ret, struct err *e)
{
	size_t left = fail_alloc_left;
	int r;

	fail_alloc_left = 0;
	r = model_ops->rules(k, first, n, a, ret, e);
	fail_alloc_left = left;
	return r;
}

static int kern_set_rules(struct kern *k, const struct rule_op *ops, size_t n, struct err *e)
{
	return model_ops->set_rules(k, ops, n, e);
}

static int kern_way(struct kern *k, const struct ipaddr *to, uint32_t *ret_ifindex, struct err *e)
{
	return model_ops->way(k, to, ret_ifindex, e);
}

static void kern_free(struct kern *k)
{
}

static const struct kern_ops kern_ops = { .name = "fake",
					  .observe = kern_observe,
					  .apply = kern_apply,
					  .rules = kern_rules,
					  .set_rules = kern_set_rules,
					  .way = kern_way,
					  .marked = kern_marked,
					  .free = kern_free };

/* ---- a world ---- */

static char top[64];
static unsigned int dirs;

/* No agent here may come to the machine's own host: one that was given none is a fault of its test.
 */
struct host *__wrap_host_system_new(struct err *e);
struct host *__wrap_host_system_new(struct err *e)
{
	fail_msg("an agent without a host");
	return NULL;
}

/* Nor to its /etc/hosts: this one has a file of its own, in memory. */
static char hosts_file[4096];

static int fake_names_hosts(struct names_system *s, const char *network, const char *lines,
			    size_t len, bool dry, bool *ret_changed, struct err *e)
{
	struct buf b;

	buf_init(&b, sizeof(hosts_file) - 1);
	assert_int_equal(hosts_block_edit(hosts_file, strlen(hosts_file), network, lines, len, &b),
			 0);
	*ret_changed = strcmp(hosts_file, b.len ? b.data : "") != 0;
	if (!dry)
		snprintf(hosts_file, sizeof(hosts_file), "%s", b.len ? b.data : "");
	buf_release(&b);
	return 0;
}

static void fake_names_end(struct names_system *s)
{
}

static const struct names_ops names_ops = { .hosts = fake_names_hosts,
					    .rest = fake_names_end,
					    .free = fake_names_end };

struct names_system *__wrap_names_system_new(const struct names_paths *paths, struct err *e);
struct names_system *__wrap_names_system_new(const struct names_paths *paths, struct err *e)
{
	static struct names_system s = { .ops = &names_ops };

	assert_non_null(strstr(paths->journal, "/hosts.journal"));
	return &s;
}

struct world {
	char dir[128], trust[160], key[160], state[160];
	struct pubkit kit;
	struct pubkit_tree tree, mirror;
	struct fake_fetcher fetcher;
	struct model model;
	struct fake_kern kern;
	struct fake_host host;
	struct agent_config config;
	struct network network;
	struct digest last; /* hash of the manifest published last */
	uint64_t serial;
	/* Of the last once(). */
	char reason[32], message[512];
	size_t changes;
	bool stale;
	unsigned int said;
};

static struct world *now_in;

static void write_out(const char *path, const void *data, size_t len)
{
	struct err e = { 0 };

	if (os_replace(AT_FDCWD, path, data, len, 0600, &e) < 0)
		fail_msg("%s", e.msg);
}

static void count_said(const char *sentence)
{
	now_in->said++;
}

/* Publishes the next serial of w->network to the first tree. */
static void publish(struct world *w)
{
	struct pubkit_manifest m = { .serial = ++w->serial, .issued = T0 + (int64_t)w->serial };

	if (w->serial > 1)
		m.previous = &w->last;
	pubkit_publish(&w->kit, &w->tree, &m, &w->network, &w->last);
}

static void world_init(struct world *w, size_t n_nodes)
{
	char key[KEY_STRLEN + 1];
	struct buf root;

	memset(w, 0, sizeof(*w));
	now_in = w;
	snprintf(w->dir, sizeof(w->dir), "%s/%u", top, dirs++);
	assert_int_equal(mkdir(w->dir, 0700), 0);
	snprintf(w->trust, sizeof(w->trust), "%s/root-1", w->dir);
	snprintf(w->key, sizeof(w->key), "%s/key", w->dir);
	snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
	pubkit_init(&w->kit, 1);
	pubkit_tree_init(&w->tree);
	pubkit_tree_init(&w->mirror);
	buf_init(&root, MAX_ROOT_DOC);
	pubkit_root(&w->kit, &(struct pubkit_root){ 0 }, &root);
	write_out(w->trust, root.data, root.len);
	pubkit_put(&w->tree, "root/1", root.data, root.len);
	buf_release(&root);
	pubkit_wgkey_text(0, key);
	write_out(w->key, key, strlen(key));
	w->fetcher.base.ops = &fake_ops;
	w->fetcher.base.limits = (struct fetch_limits){ 1000, 1000, 5000, 4 };
	w->fetcher.base.wake_fd = -1;
	w->fetcher.trees[0] = &w->tree;
	fake_kern_init(&w->kern, &w->model);
	model_ops = w->kern.k.ops;
	w->kern.k.ops = &kern_ops;
	fake_host_init(&w->host);
	fake_host_add(&w->host, "eth0")->route = true;
	w->config = (struct agent_config){ .urls = { "http://a" },
					   .n_urls = 1,
					   .network = "prod",
					   .node = "n0",
					   .trust = w->trust,
					   .private_key = w->key,
					   .state_dir = w->state,
					   .has_now = true,
					   .now = T0 + 1000 };
	pubkit_mesh(&w->tree.arena, "prod", n_nodes, &w->network);
}

static void world_release(struct world *w)
{
	model_release(&w->model);
	pubkit_tree_release(&w->tree);
	pubkit_tree_release(&w->mirror);
	pubkit_release(&w->kit);
}

static void open_agent(struct world *w, struct agent *a, enum store_access access)
{
	struct err e = { 0 };

	memset(a, 0, sizeof(*a));
	a->fetcher = &w->fetcher.base;
	a->kern = &w->kern.k;
	a->host = &w->host.h;
	if (agent_open(a, &w->config, access, count_said, &e) < 0 || agent_key(a, true, &e) < 0)
		fail_msg("%s", e.msg);
}

/* One `once`: -1 with w->reason when something was refused or failed; what was accepted last is in
 * force all the same. */
static int once(struct world *w)
{
	struct convergence conv = { 0 };
	struct cycle cycle = { 0 };
	struct err e = { 0 }, apply = { 0 };
	struct agent a;
	int r;

	w->said = 0;
	open_agent(w, &a, STORE_WRITE);
	r = agent_fetch(&a, &cycle, &e) < 0 || agent_take(&a, &cycle, &e) < 0 ? -1 : 0;
	if (a.current && agent_converge(&a, false, 5000, &conv, &apply) < 0) {
		if (!r)
			e = apply;
		r = -1;
	}
	w->stale = cycle.stale;
	w->changes = conv.result.n_changes;
	snprintf(w->reason, sizeof(w->reason), "%s", r < 0 && e.reason ? e.reason : "");
	snprintf(w->message, sizeof(w->message), "%s", r < 0 ? e.msg : "");
	agent_report(&a, &cycle, r < 0 ? &e : NULL);
	agent_tidy(&a);
	convergence_release(&conv);
	cycle_release(&cycle);
	agent_close(&a);
	return r;
}

static void must_once(struct world *w)
{
	if (once(w) < 0)
		fail_msg("%s: %s", w->reason, w->message);
}

/* The state that a new process would believe. `network` points at a constant. */
static struct state believed(struct world *w)
{
	struct store *s = NULL;
	struct err e = { 0 };
	struct state state;
	bool lost;

	if (store_open(w->state, "prod", STORE_READ, &s, &e) < 0 ||
	    store_load(s, T0, &state, &lost, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(lost);
	store_close(s);
	state.network = "prod";
	return state;
}

/* What it would believe to be changed on the host. */
static struct host_record recorded(struct world *w)
{
	struct host_record r = believed(w).host;
	struct err e = { 0 };

	if (shared_peek(w->state, "prod", &r, &e) < 0)
		fail_msg("%s", e.msg);
	return r;
}

static bool same_floors(const struct state *a, const struct state *b)
{
	return a->root_version == b->root_version && a->epoch == b->epoch &&
	       a->format_floor == b->format_floor && a->time_floor == b->time_floor &&
	       a->accepted.serial == b->accepted.serial &&
	       !digest_cmp(&a->accepted.manifest, &b->accepted.manifest);
}

/* A refusal that leaves floors and interface as they were. */
static void refused(struct world *w, const char *what, const char *reason)
{
	struct state before = believed(w), after;
	uint64_t created = w->model.created;
	size_t peers = w->model.n_peers;

	if (!once(w))
		fail_msg("%s: taken", what);
	if (strcmp(w->reason, reason) != 0)
		fail_msg("%s: not %s but %s: %s", what, reason, w->reason, w->message);
	after = believed(w);
	if (!same_floors(&before, &after))
		fail_msg("%s: the floors moved", what);
	if (w->model.created != created || w->model.n_peers != peers || w->changes)
		fail_msg("%s: the interface changed", what);
}

/* ---- the straight way ---- */

static void from_nothing_to_in_force(void **unused)
{
	struct world w;
	struct state s;

	world_init(&w, 5);
	publish(&w);
	must_once(&w);
	assert_true(w.model.exists && w.model.up && w.model.n_peers == 4 && w.changes > 0);
	assert_string_equal(w.model.alias, "meshrc prod");
	s = believed(&w);
	assert_true(s.accepted.serial == 1 && s.applied.serial == 1 && s.root_version == 1 &&
		    s.epoch == 1);
	assert_true(s.time_floor == T0 + 1 && s.accepted.since == T0 + 1000);
	assert_string_equal(s.applied.interface.s, "prod");
	/* Again: nothing is sent, nothing is fetched but the manifest. */
	w.fetcher.asked = 0;
	must_once(&w);
	assert_int_equal(w.changes, 0);
	assert_int_equal(w.fetcher.asked, 2);
	/* A server with tags: the second time it is one conditional request, and one for the next
	 * root, which later polls of one process leave out. */
	w.fetcher.tags = true;
	must_once(&w);
	w.fetcher.asked = 0;
	must_once(&w);
	assert_true(w.fetcher.asked == 2 && w.fetcher.unchanged == 1);
	{
		struct cycle c = { 0 };
		struct err e = { 0 };
		struct agent a;
		unsigned int i;

		open_agent(&w, &a, STORE_WRITE);
		for (i = 0; i < 3; i++) {
			w.fetcher.asked = 0;
			assert_int_equal(agent_fetch(&a, &c, &e), 0);
			cycle_release(&c);
			assert_int_equal(w.fetcher.asked, i ? 1 : 2);
		}
		a.roots_due = os_monotonic_ms();
		w.fetcher.asked = 0;
		assert_int_equal(agent_fetch(&a, &c, &e), 0);
		assert_int_equal(w.fetcher.asked, 2);
		assert_true(a.roots_due > os_monotonic_ms() + ROOT_WALK_MS / 2);
		agent_close(&a);
	}
	world_release(&w);
}

static void only_what_changed_is_fetched(void **unused)
{
	struct record *records;
	struct world w;

	world_init(&w, 500);
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 499);
	records = arena_array(&w.tree.arena, 500, sizeof(*records));
	memcpy(records, w.network.records, 500 * sizeof(*records));
	records[250].endpoint.host = "198.51.100.7";
	w.network.records = records;
	publish(&w);
	w.fetcher.asked = 0;
	w.kern.k.stats.peers_sent = 0;
	must_once(&w);
	/* Manifest, the root that is not there, two indexes (nodes did not change, so theirs is in
	 * the store), one page. */
	assert_true(w.fetcher.asked <= 4);
	assert_int_equal(w.kern.k.stats.peers_sent, 1);
	assert_int_equal(w.changes, 1);
	world_release(&w);
}

static void a_roamed_endpoint_stays(void **unused)
{
	struct model_peer *p;
	struct wgkey key;
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	pubkit_wgkey(1, &key);
	p = model_peer(&w.model, &key);
	assert_non_null(p);
	p->endpoint.b[3] ^= 7;
	p->last_handshake = os_now();
	must_once(&w);
	assert_int_equal(w.changes, 0);
	/* The next serial declares the same: still no reason. */
	publish(&w);
	must_once(&w);
	assert_int_equal(w.changes, 0);
	world_release(&w);
}

/* A name that got another address, or could not be looked up when the declaration changed: set as
 * soon as the session is lost, though the declaration is that of the last time. */
static void a_name_is_followed(void **unused)
{
	struct record *records;
	struct sock_endpoint good;
	struct model_peer *p;
	struct wgkey key;
	struct world w;

	world_init(&w, 3);
	records = arena_array(&w.tree.arena, 3, sizeof(*records));
	memcpy(records, w.network.records, 3 * sizeof(*records));
	records[1].endpoint.host = "localhost";
	w.network.records = records;
	publish(&w);
	must_once(&w);
	pubkit_wgkey(1, &key);
	p = model_peer(&w.model, &key);
	assert_non_null(p);
	good = p->endpoint;
	assert_true(good.family != 0);
	p->endpoint.b[3] ^= 7;
	p->last_handshake = os_now();
	must_once(&w);
	assert_int_equal(w.changes, 0);
	p = model_peer(&w.model, &key);
	p->last_handshake = os_now() - SESSION_SECONDS - 10;
	must_once(&w);
	assert_int_equal(w.changes, 1);
	assert_true(sock_endpoint_equal(&model_peer(&w.model, &key)->endpoint, &good));
	must_once(&w);
	assert_int_equal(w.changes, 0);
	world_release(&w);
}

static void drift_is_repaired(void **unused)
{
	struct wgkey key;
	struct op op = { .kind = OP_PEER_REMOVE };
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	/* T71: somebody removes a peer and adds another. */
	pubkit_wgkey(1, &op.key);
	op.flags = MODEL_REMOVE;
	model_set_peer(&w.model, &op);
	pubkit_wgkey(77, &op.key);
	op.flags = OPP_NEW;
	model_set_peer(&w.model, &op);
	assert_int_equal(w.model.n_peers, 2);
	must_once(&w);
	assert_true(w.changes > 0 && w.model.n_peers == 2);
	pubkit_wgkey(1, &key);
	assert_non_null(model_peer(&w.model, &key));
	assert_null(model_peer(&w.model, &op.key));
	world_release(&w);
}

static void nothing_reachable(void **unused)
{
	struct world w;
	int i;

	world_init(&w, 4);
	w.fetcher.trees[0] = NULL;
	assert_int_equal(once(&w), -1);
	assert_false(w.model.exists);
	w.fetcher.trees[0] = &w.tree;
	publish(&w);
	must_once(&w);
	/* T14: away for 90 days and five reboots. */
	w.fetcher.trees[0] = NULL;
	for (i = 0; i < 5; i++) {
		w.config.now += 18 * DAY;
		model_release(&w.model);
		memset(&w.model, 0, sizeof(w.model));
		assert_int_equal(once(&w), -1);
		assert_string_equal(w.reason, "FETCH");
		assert_int_equal(w.model.n_peers, 3);
	}
	/* Back, expired meanwhile: STALE, and everything goes on. */
	w.fetcher.trees[0] = &w.tree;
	must_once(&w);
	assert_true(w.stale && w.changes == 0 && w.model.n_peers == 3);
	world_release(&w);
}

/* ---- what is refused ---- */

static void every_byte_of_a_manifest(void **unused)
{
	const struct pubkit_file *file;
	struct digest hash;
	struct agent a;
	struct world w;
	size_t i;
	char *data;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	publish(&w);
	file = pubkit_get(&w.tree, "prod/manifest");
	data = arena_strndup(&w.tree.arena, file->data, file->len);
	assert_non_null(data);
	open_agent(&w, &a, STORE_READ);
	for (i = 0; i < file->len; i++) {
		struct cycle c;
		struct err e = { 0 };

		data[i] ^= 1;
		pubkit_put(&w.tree, "prod/manifest", data, file->len);
		if (!agent_fetch(&a, &c, &e))
			fail_msg("byte %zu: taken", i);
		if (e.class != ERR_VERIFY || !e.reason)
			fail_msg("byte %zu: %s", i, e.msg);
		cycle_release(&c);
		data[i] ^= 1;
	}
	/* And every shorter one. */
	for (i = 0; i < file->len; i++) {
		struct cycle c;
		struct err e = { 0 };

		pubkit_put(&w.tree, "prod/manifest", data, i);
		assert_int_equal(agent_fetch(&a, &c, &e), -1);
		cycle_release(&c);
	}
	agent_close(&a);
	pubkit_put(&w.tree, "prod/manifest", data, strlen(data));
	must_once(&w);
	hash = believed(&w).accepted.manifest;
	assert_int_equal(digest_cmp(&hash, &w.last), 0);
	world_release(&w);
}

/* Publishes one manifest that is wrong in its own way and puts the good one back afterwards. */
static void one_refusal(struct world *w, const char *what, const struct pubkit *kit,
			const struct pubkit_manifest *m, const char *reason)
{
	const struct pubkit_file *good = pubkit_get(&w->tree, "prod/manifest");
	const char *data = good->data;
	size_t len = good->len;

	pubkit_publish(kit, &w->tree, m, &w->network, NULL);
	if (m->network && strcmp(m->network, "prod") != 0) {
		char path[100];
		const struct pubkit_file *other;

		snprintf(path, sizeof(path), "%s/manifest", m->network);
		other = pubkit_get(&w->tree, path);
		pubkit_put(&w->tree, "prod/manifest", other->data, other->len);
	}
	refused(w, what, reason);
	pubkit_put(&w->tree, "prod/manifest", data, len);
}

static void manifests_that_are_refused(void **unused)
{
	struct secret stranger = { 0 };
	struct signkey stranger_public;
	struct pubkit other_mesh;
	struct network test;
	struct digest wrong;
	struct world w;

	world_init(&w, 3);
	pubkit_signer(9, &stranger, &stranger_public);
	while (w.serial < 7)
		publish(&w);
	must_once(&w);
	digest_of("wrong", 5, &wrong);
#define MANIFEST(...) (&(struct pubkit_manifest){ __VA_ARGS__ })
	one_refusal(&w, "T02 signed as a root", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 9, .type = "root"),
		    "BAD-SIG");
	one_refusal(&w, "T05 a stranger's signature", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 9,
			     .signer = &stranger),
		    "UNKNOWN-KEY");
	one_refusal(&w, "the root key signs no manifests", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 9,
			     .signer = &w.kit.root),
		    "UNKNOWN-KEY");
	one_refusal(&w, "T07 an older one", &w.kit,
		    MANIFEST(.serial = 6, .previous = &wrong, .issued = T0 + 6), "ROLLBACK");
	one_refusal(&w, "T08 issued before", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 6), "REJECT-ORDER");
	one_refusal(&w, "T12 the same serial, other bytes", &w.kit,
		    MANIFEST(.serial = 7, .previous = &wrong, .issued = T0 + 8), "EQUIVOCATION");
	one_refusal(&w, "another past", &w.kit,
		    MANIFEST(.serial = 8, .previous = &wrong, .issued = T0 + 9), "EQUIVOCATION");
	one_refusal(&w, "expired", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 9,
			     .expires = T0 + 999),
		    "EXPIRED");
	one_refusal(&w, "from the future", &w.kit,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 5000),
		    "CLOCK-BEHIND");
	one_refusal(&w, "an epoch that the root does not know", &w.kit,
		    MANIFEST(.serial = 8, .epoch = 2, .previous = &w.last, .issued = T0 + 9),
		    "WRONG-EPOCH");
	one_refusal(&w, "a root that nobody has", &w.kit,
		    MANIFEST(.serial = 8, .root_version = 2, .previous = &w.last, .issued = T0 + 9),
		    "ROOT-BEHIND");
	/* T20: the same keys, another network, put in the place of this one. */
	test = w.network;
	w.network.name = "test";
	one_refusal(&w, "T20 another network", &w.kit,
		    MANIFEST(.network = "test", .serial = 8, .previous = &w.last, .issued = T0 + 9),
		    "WRONG-NETWORK");
	w.network = test;
	/* The same publisher key in another mesh. */
	other_mesh = w.kit;
	other_mesh.mesh.b[0] ^= 1;
	one_refusal(&w, "another mesh", &other_mesh,
		    MANIFEST(.serial = 8, .previous = &w.last, .issued = T0 + 9), "WRONG-NETWORK");
	/* After all that the good one is still the good one, and the next is taken. */
	must_once(&w);
	assert_int_equal(w.changes, 0);
	publish(&w);
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 8);
	secret_release(&stranger);
	world_release(&w);
}

static void proof_of_equivocation_is_kept(void **unused)
{
	const struct pubkit_file *evil;
	char path[256];
	struct buf kept;
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	pubkit_publish(&w.kit, &w.tree, &(struct pubkit_manifest){ .serial = 1, .issued = T0 + 2 },
		       &w.network, NULL);
	refused(&w, "T12", "EQUIVOCATION");
	evil = pubkit_get(&w.tree, "prod/manifest");
	snprintf(path, sizeof(path), "%s/prod/equivocation", w.state);
	buf_init(&kept, 1u << 16);
	assert_int_equal(os_read_file(AT_FDCWD, path, 1u << 16, &kept, NULL), 0);
	assert_int_equal(kept.len, evil->len);
	assert_memory_equal(kept.data, evil->data, kept.len);
	buf_release(&kept);
	world_release(&w);
}

static void documents_that_are_refused(void **unused)
{
	static const struct {
		const char *what;
		size_t field; /* offset of the pattern in struct fake_fetcher */
		const char *pattern, *reason;
	} faults[] = {
#define FIELD(f) offsetof(struct fake_fetcher, f)
		{ "T17 a bit in an index", FIELD(flipped), "/index/", "BAD-HASH" },
		{ "T17 a bit in a node page", FIELD(flipped), "/nodes/", "BAD-HASH" },
		{ "T17 a bit in a record page", FIELD(flipped), "/records/", "BAD-HASH" },
		{ "T31 half a page", FIELD(cut), "/records/", "BAD-HASH" },
		{ "T23 a page without end", FIELD(endless), "/records/", "TOO-LARGE" },
		{ "T23 a manifest without end", FIELD(endless), "/manifest", "TOO-LARGE" },
		{ "T19 no page yet", FIELD(missing), "/nodes/", "INCOMPLETE" },
		{ "T19 no index yet", FIELD(missing), "/index/", "INCOMPLETE" },
		{ "no manifest", FIELD(missing), "/manifest", "MISSING" },
		{ "a bomb for a root", FIELD(endless), "root/2", "TOO-LARGE" },
	};
	struct wgkey *key;
	struct record *records;
	struct node *nodes;
	struct world w;
	size_t i;

	for (i = 0; i < ARRAY_LEN(faults); i++) {
		const char **field;

		world_init(&w, 3);
		publish(&w);
		must_once(&w);
		/* Every document changes. */
		records = arena_array(&w.tree.arena, 3, sizeof(*records));
		nodes = arena_array(&w.tree.arena, 3, sizeof(*nodes));
		memcpy(records, w.network.records, 3 * sizeof(*records));
		memcpy(nodes, w.network.nodes, 3 * sizeof(*nodes));
		pubkit_wgkey(40, &records[2].key);
		nodes[2].key = records[2].key;
		w.network.records = records;
		w.network.nodes = nodes;
		publish(&w);
		if (!strcmp(faults[i].pattern, "root/2"))
			pubkit_put(&w.tree, "root/2", "x", 1);
		field = (const char **)(void *)((char *)&w.fetcher + faults[i].field);
		*field = faults[i].pattern;
		refused(&w, faults[i].what, faults[i].reason);
		/* T19: the next cycle finds it whole. */
		*field = NULL;
		if (!strcmp(faults[i].pattern, "root/2"))
			pubkit_put(&w.tree, "root/2", NULL, 0);
		must_once(&w);
		assert_true(believed(&w).applied.serial == 2);
		key = &records[2].key;
		assert_non_null(model_peer(&w.model, key));
		world_release(&w);
	}
}

static void pages_of_a_publisher_that_errs(void **unused)
{
	static const struct {
		const char *what, *nodes, *records, *reason;
	} cases[] = {
		{ "T18 another node's key",
		  "node n0 key=OTHER interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "WRONG-NODE" },
		{ "T21 an unknown field",
		  "node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all post-up=rm\n",
		  NULL, "BAD-FIELD" },
		{ "T21 a line of commands",
		  "node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\npost-up rm -rf /\n",
		  NULL, "BAD-FIELD" },
		{ "T21 an endpoint that is a URL", NULL,
		  "record n1 key=OTHER addresses=10.20.0.2 endpoint=http://x/y:51820\n",
		  "BAD-FIELD" },
		{ "T22 a node called ../../etc/x",
		  "node ../../etc/x key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "BAD-FIELD" },
		{ "T22 an interface called a/b",
		  "node n0 key=OWN interface=a/b mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "BAD-FIELD" },
		{ "T22 an interface called ..",
		  "node n0 key=OWN interface=.. mtu=1420 addresses=10.20.0.1/16 direct=all\n", NULL,
		  "BAD-FIELD" },
		{ "T22 an interface of 16 characters",
		  "node n0 key=OWN interface=abcdefghijklmnop mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "BAD-FIELD" },
		{ "T22 a name of 64 characters", NULL,
		  "record aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa key=OTHER addresses=10.20.0.2\n",
		  "BAD-FIELD" },
		{ "lines out of order",
		  "node n1 key=OTHER interface=prod mtu=1420 addresses=10.20.0.2/16 direct=all\n"
		  "node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "BAD-FIELD" },
		{ "no such node, and not removed",
		  "node n5 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\n",
		  NULL, "NOT-LISTED" },
		{ "T57 an all-zero key", NULL,
		  "record n1 key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= addresses=10.20.0.2\n",
		  "BAD-CONFIG" },
		{ "one prefix under two peers", NULL,
		  "record n1 key=OTHER addresses=10.20.0.2\nrecord n2 key=THIRD addresses=10.20.0.2\n",
		  "BAD-CONFIG" },
		{ "a link to nobody",
		  "node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=n9\n",
		  NULL, "BAD-CONFIG" },
		{ "a link to a group that is not there",
		  "node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=tag:dc\n",
		  NULL, "BAD-CONFIG" },
		{ "a byte after the last line", NULL, "record n1 key=OTHER addresses=10.20.0.2\n\n",
		  "BAD-FIELD" },
	};
	char text[KEY_STRLEN];
	struct world w;
	size_t i, j;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct pubkit_page pages[N_TABLES] = {
			[TABLE_NODES] = { cases[i].nodes, "n0" },
			[TABLE_RECORDS] = { cases[i].records, "n1" },
		};
		struct pubkit_manifest m = { .serial = 2, .previous = &w.last, .issued = T0 + 50 };
		struct buf filled[2];

		if (!pages[TABLE_NODES].text)
			pages[TABLE_NODES].text =
				"node n0 key=OWN interface=prod mtu=1420 addresses=10.20.0.1/16 direct=all\n";
		if (!pages[TABLE_RECORDS].text)
			pages[TABLE_RECORDS].text = "record n1 key=OTHER addresses=10.20.0.2\n";
		/* Words become keys. */
		for (j = 0; j < 2; j++) {
			struct pubkit_page *p = &pages[j ? TABLE_RECORDS : TABLE_NODES];
			static const char *const words[] = { "key=OWN", "key=OTHER", "key=THIRD" };
			const char *s = p->text;
			struct wgkey key;
			size_t k;

			buf_init(&filled[j], 4096);
			while (*s) {
				for (k = 0; k < 3 && strncmp(s, words[k], strlen(words[k])) != 0;
				     k++)
					;
				if (k == 3) {
					buf_addc(&filled[j], *s++);
					continue;
				}
				pubkit_wgkey((unsigned int)k, &key);
				buf_addf(&filled[j], "key=%s", wgkey_print(&key, text));
				s += strlen(words[k]);
			}
			p->text = filled[j].data;
		}
		pubkit_publish_pages(&w.kit, &w.tree, &m, pages, NULL);
		refused(&w, cases[i].what, cases[i].reason);
		buf_release(&filled[0]);
		buf_release(&filled[1]);
	}
	world_release(&w);
}

/* ---- roots ---- */

static void put_root(struct world *w, const char *path, const struct pubkit_root *r)
{
	struct buf b;

	buf_init(&b, MAX_ROOT_DOC);
	pubkit_root(&w->kit, r, &b);
	pubkit_put(&w->tree, path, b.data, b.len);
	buf_release(&b);
}

static void a_publisher_key_is_replaced(void **unused)
{
	struct secret fresh = { 0 };
	struct signkey fresh_public;
	struct pubkit_manifest m = {
		.serial = 1, .epoch = 2, .root_version = 2, .issued = T0 + 500, .signer = &fresh
	};
	struct state s;
	struct world w;

	world_init(&w, 3);
	pubkit_signer(5, &fresh, &fresh_public);
	/* T10: the thief signs serial 2^63, which keeps everybody else out. */
	w.serial = UINT64_C(1) << 63;
	publish(&w);
	must_once(&w);
	assert_true(believed(&w).accepted.serial > UINT64_C(1) << 63);
	/* Before the new root a manifest of the new epoch is worth nothing. */
	pubkit_publish(&w.kit, &w.tree, &m, &w.network, NULL);
	refused(&w, "the new key before the new root", "UNKNOWN-KEY");
	put_root(&w, "root/2",
		 &(struct pubkit_root){ .version = 2, .epoch = 2, .publisher = &fresh_public });
	must_once(&w);
	s = believed(&w);
	assert_true(s.root_version == 2 && s.epoch == 2 && s.accepted.serial == 1 &&
		    s.accepted.epoch == 2);
	assert_true(s.time_floor == T0 + 500);
	/* T05: the thief's next one. */
	publish(&w);
	refused(&w, "T05 the old key after the new root", "UNKNOWN-KEY");
	secret_release(&fresh);
	world_release(&w);
}

static void roots_that_are_refused(void **unused)
{
	struct secret stranger = { 0 };
	struct signkey stranger_public;
	struct pubkit_root r = { .version = 2 };
	struct world w;

	world_init(&w, 3);
	pubkit_signer(6, &stranger, &stranger_public);
	publish(&w);
	must_once(&w);
	publish(&w);
	r.signers = &stranger;
	r.n_signers = 1;
	put_root(&w, "root/2", &r);
	refused(&w, "a stranger's root", "BAD-ROOT");
	put_root(&w, "root/2", &(struct pubkit_root){ .version = 3 });
	refused(&w, "T06 version 3 as 2", "BAD-ROOT");
	put_root(&w, "root/2", &(struct pubkit_root){ .version = 1 });
	refused(&w, "version 1 as 2", "BAD-ROOT");
	pubkit_put(&w.tree, "root/2", "", 0);
	refused(&w, "an empty root", "BAD-ROOT");
	/* T15, T16: a root that was to be renewed takes nothing new; its successor does. */
	put_root(&w, "root/2", &(struct pubkit_root){ .version = 2, .renew_by = T0 + 900 });
	{
		int r2 = once(&w);

		assert_int_equal(r2, -1);
		assert_string_equal(w.reason, "ROOT-EXPIRED");
		assert_true(believed(&w).root_version == 2 && believed(&w).accepted.serial == 1);
	}
	refused(&w, "T16", "ROOT-EXPIRED");
	put_root(&w, "root/3", &(struct pubkit_root){ .version = 3 });
	must_once(&w);
	assert_true(believed(&w).root_version == 3 && believed(&w).accepted.serial == 2);
	secret_release(&stranger);
	world_release(&w);
}

static void many_roots(void **unused)
{
	char path[64];
	struct world w;
	uint64_t v;

	world_init(&w, 3);
	for (v = 2; v <= 300; v++) {
		snprintf(path, sizeof(path), "root/%llu", (unsigned long long)v);
		put_root(&w, path, &(struct pubkit_root){ .version = v });
	}
	pubkit_publish(&w.kit, &w.tree,
		       &(struct pubkit_manifest){ .serial = 1, .root_version = 300 }, &w.network,
		       NULL);
	/* T06: as many as fit into one cycle, and they are kept. */
	assert_int_equal(once(&w), -1);
	assert_string_equal(w.reason, "ROOT-BEHIND");
	assert_true(believed(&w).root_version == 1 + MAX_ROOT_STEPS);
	must_once(&w);
	assert_true(believed(&w).root_version == 300 && believed(&w).accepted.serial == 1);
	world_release(&w);
}

/* ---- mirrors ---- */

static void copy_tree(struct pubkit_tree *to, const struct pubkit_tree *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		pubkit_put(to, from->files[i].path, from->files[i].data, from->files[i].len);
}

/* The old publisher key was stolen. One mirror has the root that takes it away, the thief's has
 * not. */
static void a_mirror_that_hides_a_root(void **unused)
{
	struct secret fresh = { 0 };
	struct signkey fresh_public;
	struct pubkit_root next = { .version = 2, .publisher = &fresh_public };
	struct world w;

	world_init(&w, 3);
	pubkit_signer(5, &fresh, &fresh_public);
	w.config.urls[1] = "http://b";
	w.config.n_urls = 2;
	w.fetcher.trees[1] = &w.mirror;
	publish(&w);
	copy_tree(&w.mirror, &w.tree);
	must_once(&w);
	{
		struct buf b;

		buf_init(&b, MAX_ROOT_DOC);
		pubkit_root(&w.kit, &next, &b);
		pubkit_put(&w.mirror, "root/2", b.data, b.len);
		buf_release(&b);
	}
	publish(&w);
	assert_int_equal(once(&w), 0);
	assert_true(believed(&w).root_version == 2 && believed(&w).accepted.serial == 1);
	secret_release(&fresh);
	world_release(&w);
	/* Also while the manifest stays as it is. */
	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	put_root(&w, "root/2", &(struct pubkit_root){ .version = 2 });
	must_once(&w);
	assert_true(believed(&w).root_version == 2);
	world_release(&w);
}

/* The floors outlive the stored root document. */
static void a_damaged_root(void **unused)
{
	struct secret fresh = { 0 };
	struct signkey fresh_public;
	struct pubkit_root next = { .version = 2, .publisher = &fresh_public };
	char path[300], hex[DIGEST_STRLEN];
	struct state s;
	struct world w;

	world_init(&w, 3);
	pubkit_signer(5, &fresh, &fresh_public);
	publish(&w);
	put_root(&w, "root/2", &next);
	assert_int_equal(once(&w), -1);
	pubkit_publish(&w.kit, &w.tree,
		       &(struct pubkit_manifest){
			       .serial = 1, .root_version = 2, .issued = T0 + 1, .signer = &fresh },
		       &w.network, &w.last);
	must_once(&w);
	s = believed(&w);
	assert_int_equal(s.root_version, 2);
	snprintf(path, sizeof(path), "%s/prod/objects/%s", w.state, digest_print(&s.root, hex));
	write_out(path, "", 0);
	/* The thief hides root 2 and signs with the key that it took away. */
	pubkit_put(&w.tree, "root/2", NULL, 0);
	publish(&w);
	refused(&w, "the old key after the stored root was damaged", "ROOT-BEHIND");
	assert_int_equal(believed(&w).root_version, 2);
	/* Another root of the same version is not the one that was trusted. */
	put_root(&w, "root/2", &(struct pubkit_root){ .version = 2, .issued = T0 + 7 });
	refused(&w, "another root 2", "BAD-ROOT");
	/* The genuine one is found again, and kept. */
	put_root(&w, "root/2", &next);
	pubkit_publish(&w.kit, &w.tree,
		       &(struct pubkit_manifest){ .serial = 2,
						  .root_version = 2,
						  .previous = &s.accepted.manifest,
						  .issued = T0 + 2,
						  .signer = &fresh },
		       &w.network, NULL);
	must_once(&w);
	assert_int_equal(w.said, 1);
	must_once(&w);
	assert_int_equal(w.said, 0);
	assert_true(believed(&w).accepted.serial == 2 && believed(&w).root_version == 2);
	secret_release(&fresh);
	world_release(&w);
}

static void mirrors(void **unused)
{
	struct world w;

	world_init(&w, 4);
	w.config.urls[1] = "http://b";
	w.config.n_urls = 2;
	w.fetcher.trees[1] = &w.mirror;
	publish(&w);
	copy_tree(&w.mirror, &w.tree);
	must_once(&w);
	/* T29: the first lies, the second is good. */
	publish(&w);
	copy_tree(&w.mirror, &w.tree);
	w.fetcher.flipped = "/manifest";
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 2);
	w.fetcher.flipped = NULL;
	/* The first is away; the first is captive. */
	publish(&w);
	copy_tree(&w.mirror, &w.tree);
	w.fetcher.trees[0] = NULL;
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 3);
	w.fetcher.trees[0] = &w.tree;
	/* The first has a page too few: the second fills it in. */
	{
		struct record *records = arena_array(&w.tree.arena, 4, sizeof(*records));

		memcpy(records, w.network.records, 4 * sizeof(*records));
		records[1].endpoint.host = "198.51.100.1";
		w.network.records = records;
	}
	publish(&w);
	copy_tree(&w.mirror, &w.tree);
	w.fetcher.missing = "/records/";
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 4);
	w.fetcher.missing = NULL;
	/* The first is frozen at what is in force, which expires: then the second is asked. */
	copy_tree(&w.mirror, &w.tree);
	{
		struct pubkit_manifest m = { .serial = 5,
					     .previous = &w.last,
					     .issued = T0 + 31 * DAY,
					     .expires = T0 + 60 * DAY };

		pubkit_publish(&w.kit, &w.mirror, &m, &w.network, NULL);
	}
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 4);
	w.config.now = T0 + 31 * DAY;
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 5 && !w.stale);
	/* The first is frozen again: the second has something newer. */
	copy_tree(&w.tree, &w.mirror);
	{
		struct pubkit_manifest m = { .serial = 6, .issued = T0 + 31 * DAY };
		struct state s = believed(&w);

		m.previous = &s.accepted.manifest;
		m.expires = T0 + 60 * DAY;
		pubkit_publish(&w.kit, &w.mirror, &m, &w.network, NULL);
	}
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 6);
	/* Both wrong: the gravest reason, not the last. */
	w.fetcher.trees[1] = NULL;
	assert_int_equal(once(&w), -1);
	assert_string_equal(w.reason, "ROLLBACK");
	world_release(&w);
}

/* ---- leaving and returning ---- */

static void without_us(struct world *w, const struct gone *gone, size_t n_gone)
{
	w->network.records++;
	w->network.n_records--;
	w->network.nodes++;
	w->network.n_nodes--;
	w->network.gone = gone;
	w->network.n_gone = n_gone;
}

static const struct prefix behind[1] = { { 4, 24, { 192, 168, 10 } } };

/* The node itself carries traffic for others from now on. */
static void make_gateway(struct world *w, bool masquerade)
{
	struct node *nodes = arena_array(&w->tree.arena, w->network.n_nodes, sizeof(*nodes));

	assert_non_null(nodes);
	memcpy(nodes, w->network.nodes, w->network.n_nodes * sizeof(*nodes));
	nodes[0].flags |= NODE_FORWARD;
	nodes[0].masquerade = masquerade ? behind : NULL;
	nodes[0].n_masquerade = masquerade;
	w->network.nodes = nodes;
}

static void take_down(struct world *w, int want)
{
	struct ifname name = { 0 };
	struct err e = { 0 };
	struct agent a;
	size_t there;

	open_agent(w, &a, STORE_WRITE);
	assert_int_equal(agent_down(&a, &name, &there, &e), want);
	agent_close(&a);
}

static void a_gateway(void **unused)
{
	static const struct gone gone[] = { { "n0", 4 } };
	struct network full, plain;
	struct host_model before;
	struct world w;

	world_init(&w, 4);
	plain = w.network;
	before = w.host.m;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.host.h.sets, 0);
	w.host.calls = 0;
	must_once(&w);
	assert_int_equal(w.host.calls, 0);
	make_gateway(&w, true);
	full = w.network;
	publish(&w);
	must_once(&w);
	assert_true(w.host.m.forward4 && w.host.m.has_table && w.host.m.list[0].route);
	assert_non_null(strstr(w.host.m.table, "iifname \"prod\" oifname != \"prod\" ip daddr "
					       "{ 192.168.10.0/24 } masquerade;"));
	assert_true(recorded(&w).n && recorded(&w).has_table);
	w.host.h.sets = 0;
	must_once(&w);
	assert_true(!w.host.h.sets && !w.changes);
	/* No gateway any more: the interface stays, the host is as before. */
	w.network = plain;
	publish(&w);
	must_once(&w);
	assert_true(host_model_equal(&w.host.m, &before) && w.model.n_peers == 3);
	/* Nor when it is removed from the network. */
	w.network = full;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.host.m.forward4, 1);
	without_us(&w, gone, 1);
	publish(&w);
	must_once(&w);
	assert_true(host_model_equal(&w.host.m, &before) && w.model.n_peers == 0);
	/* Back, and down. */
	w.network = full;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.host.m.forward4, 1);
	take_down(&w, 0);
	assert_true(host_model_equal(&w.host.m, &before) && !w.model.exists);
	assert_true(!recorded(&w).n && !recorded(&w).has_table);
	world_release(&w);
}

/* Behind the node, before and after: both are masqueraded while the interface changes. */
static void check_masked(struct model *m, void *arg)
{
	const struct world *w = arg;

	if (m->n_peers && !strstr(w->host.m.table, "192.168.10.0/24"))
		fail_msg("a peer before its masquerading: %s", w->host.m.table);
	if (m->n_peers && believed(now_in).accepted.serial > 1 &&
	    !strstr(w->host.m.table, "192.168.20.0/24"))
		fail_msg("a peer before its new masquerading: %s", w->host.m.table);
}

static void masquerading_before_peers(void **unused)
{
	static const struct prefix others[1] = { { 4, 24, { 192, 168, 20 } } };
	struct node *nodes;
	struct world w;

	world_init(&w, 4);
	make_gateway(&w, true);
	publish(&w);
	w.model.step = check_masked;
	w.model.step_arg = &w;
	must_once(&w);
	assert_int_equal(w.model.n_peers, 3);
	/* A new boot. */
	model_delete(&w.model);
	w.host.m.has_table = false;
	w.host.m.table[0] = '\0';
	w.host.m.boot[0] ^= 1;
	must_once(&w);
	w.host.h.sets = 0;
	must_once(&w);
	assert_int_equal(w.host.h.sets, 0);
	/* Another network behind it, and a peer less. */
	make_gateway(&w, true);
	nodes = arena_array(&w.tree.arena, w.network.n_nodes, sizeof(*nodes));
	assert_non_null(nodes);
	memcpy(nodes, w.network.nodes, w.network.n_nodes * sizeof(*nodes));
	nodes[0].masquerade = others;
	w.network.nodes = nodes;
	w.network.n_nodes--;
	w.network.n_records--;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 2);
	assert_null(strstr(w.host.m.table, "192.168.10.0/24"));
	assert_non_null(strstr(w.host.m.table, "192.168.20.0/24"));
	world_release(&w);
}

/* What the host refuses is told, and the peers are in force all the same. */
static void give_domain(struct world *w, const char *domain, bool link_alone)
{
	struct node *nodes = arena_array(&w->tree.arena, w->network.n_nodes, sizeof(*nodes));

	assert_non_null(nodes);
	memcpy(nodes, w->network.nodes, w->network.n_nodes * sizeof(*nodes));
	nodes[0].domain = domain;
	/* No link at all: the names of all come all the same. */
	if (link_alone)
		nodes[0].n_links = 0;
	w->network.nodes = nodes;
}

static unsigned int lines_of_hosts(void)
{
	unsigned int n = 0;
	const char *p;

	for (p = hosts_file; (p = strstr(p, ".mesh.example.net\t# meshrc prod\n")); p++)
		n++;
	return n;
}

static void names_of_all(void **unused)
{
	static const struct gone gone[] = { { "n0", 9 } };
	struct network with;
	struct record *records;
	struct world w;

	snprintf(hosts_file, sizeof(hosts_file), "127.0.0.1 localhost\n");
	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	assert_string_equal(hosts_file, "127.0.0.1 localhost\n");
	give_domain(&w, "mesh.example.net", true);
	with = w.network;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 0);
	assert_true(lines_of_hosts() >= 4);
	assert_true(believed(&w).names.hosts);
	/* But where the publication comes from is not looked for inside of it. */
	assert_non_null(strstr(hosts_file, "\tn3.mesh.example.net\t"));
	w.config.urls[0] = "http://N3.mesh.example.net:8000/";
	assert_int_equal(once(&w), -1); /* nobody is there */
	assert_null(strstr(hosts_file, "\tn3.mesh.example.net\t"));
	assert_non_null(strstr(hosts_file, "\tn1.mesh.example.net\t"));
	w.config.urls[0] = "http://a";
	must_once(&w);
	assert_non_null(strstr(hosts_file, "\tn3.mesh.example.net\t"));
	/* A name that is none: nothing of that publication is taken. */
	records = arena_array(&w.tree.arena, w.network.n_records, sizeof(*records));
	assert_non_null(records);
	memcpy(records, w.network.records, w.network.n_records * sizeof(*records));
	records[3].name = "n3-";
	w.network.records = records;
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_non_null(strstr(w.message, "n3-.mesh.example.net is no host name"));
	assert_true(lines_of_hosts() >= 4);
	/* Down, up, without a domain, with one, and removed. */
	w.network = with;
	publish(&w);
	must_once(&w);
	take_down(&w, 0);
	assert_string_equal(hosts_file, "127.0.0.1 localhost\n");
	assert_false(believed(&w).names.hosts);
	must_once(&w);
	assert_true(lines_of_hosts() >= 4);
	give_domain(&w, NULL, false);
	publish(&w);
	must_once(&w);
	assert_string_equal(hosts_file, "127.0.0.1 localhost\n");
	w.network = with;
	publish(&w);
	must_once(&w);
	assert_true(lines_of_hosts() >= 4);
	w.network.nodes++;
	w.network.n_nodes--;
	w.network.records++;
	w.network.n_records--;
	w.network.gone = gone;
	w.network.n_gone = 1;
	publish(&w);
	must_once(&w);
	assert_string_equal(hosts_file, "127.0.0.1 localhost\n");
	world_release(&w);
}

static void a_gateway_that_cannot(void **unused)
{
	struct host_model before;
	struct world w;

	world_init(&w, 4);
	before = w.host.m;
	make_gateway(&w, true);
	publish(&w);
	w.host.refuse_sysctls = w.host.refuse_tables = true;
	assert_int_equal(once(&w), -1);
	assert_non_null(strstr(w.message, "forwarding and masquerading on this host: "));
	assert_int_equal(w.model.n_peers, 3);
	assert_true(believed(&w).applied.serial == 1);
	w.host.refuse_tables = false;
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.changes, 0);
	assert_true(w.host.m.has_table && !w.host.m.forward4);
	w.host.refuse_sysctls = false;
	must_once(&w);
	assert_int_equal(w.host.m.forward4, 1);
	/* Down: the interface goes though the host does not take it; a second try does the rest. */
	w.host.refuse_sysctls = true;
	take_down(&w, -1);
	assert_true(!w.model.exists && w.host.m.forward4 && !w.host.m.has_table);
	w.host.refuse_sysctls = false;
	take_down(&w, 0);
	assert_true(host_model_equal(&w.host.m, &before));
	world_release(&w);
}

/* ---- policy ---- */

#define GUARDED_PEERS 3
static const uint16_t guarded_ports[] = { 22, 80 };
#define GUARDED_FLOWS (GUARDED_PEERS * ARRAY_LEN(guarded_ports))

/* Which of n1, n2, n3 are peers, and which of them may come to n0 on which port. */
struct guarded {
	unsigned int peers; /* a bit for each */
	bool policy;
	unsigned int flows; /* a bit for each, by peer and then by port; only with `policy` */
};

static void want_guarded(struct world *w, const struct guarded *g)
{
	static const char *const self[] = { "n0" };
	struct arena *a = &w->tree.arena;
	struct node *nodes = arena_array(a, w->network.n_nodes, sizeof(*nodes));
	struct link *links = arena_array(a, GUARDED_PEERS, sizeof(*links));
	struct permit *permits = arena_array(a, GUARDED_PEERS, sizeof(*permits));
	size_t n_links = 0, n_permits = 0, k, p;

	assert_true(nodes && links && permits);
	memcpy(nodes, w->network.nodes, w->network.n_nodes * sizeof(*nodes));
	for (k = 0; k < GUARDED_PEERS; k++) {
		const char *name = w->network.records[k + 1].name;
		struct service *on = arena_array(a, 2, sizeof(*on));
		size_t n = 0;

		if (g->peers >> k & 1)
			links[n_links++] = (struct link){ .kind = LINK_DIRECT, .target = name };
		for (p = 0; p < ARRAY_LEN(guarded_ports); p++)
			if (g->flows >> (k * ARRAY_LEN(guarded_ports) + p) & 1)
				on[n++] = (struct service){ SERVICE_TCP, guarded_ports[p],
							    guarded_ports[p] };
		if (g->policy && n)
			permits[n_permits++] = (struct permit){
				.to = "n0", .from = name, .services = on, .n_services = n
			};
	}
	nodes[0].links = links;
	nodes[0].n_links = n_links;
	nodes[0].flags &= ~(unsigned int)NODE_GUARDED;
	nodes[0].n_guards = 0;
	if (g->policy) {
		nodes[0].flags |= NODE_GUARDED;
		nodes[0].guards = self;
		nodes[0].n_guards = n_permits > 0;
	}
	w->network.nodes = nodes;
	w->network.permits = permits;
	w->network.n_permits = n_permits;
}

static unsigned int flows_of(const struct guarded *g)
{
	unsigned int ret = 0;
	size_t i;

	for (i = 0; i < GUARDED_FLOWS; i++)
		if (g->peers >> i / ARRAY_LEN(guarded_ports) & 1 &&
		    (!g->policy || g->flows >> i & 1))
			ret |= 1u << i;
	return ret;
}

/* Whether a chain of the table lets such a packet go on. */
static bool chain_lets(const char *table, const char *chain, const struct ipaddr *from,
		       uint16_t port)
{
	char head[40], ports[2][40], source[80], ip[IPADDR_STRLEN];
	const char *p = NULL, *end, *rule;

	snprintf(head, sizeof(head), "chain %s {", chain);
	p = strstr(table, head);
	if (!p)
		return true;
	end = strstr(p, "drop;");
	assert_non_null(end);
	snprintf(ports[0], sizeof(ports[0]), "tcp dport %u ", port);
	snprintf(ports[1], sizeof(ports[1]), "tcp dport { 22, 80 } ");
	snprintf(source, sizeof(source), "saddr %s return", ipaddr_print(from, ip));
	for (rule = p; rule && rule < end; rule = strchr(rule + 1, ';')) {
		const char *next = strchr(rule + 1, ';'), *at = strstr(rule + 1, source);

		if (!at || !next || at > next)
			continue;
		at = strstr(rule + 1, ports[0]);
		if (!at || at > next)
			at = strstr(rule + 1, ports[1]);
		if (at && at < next)
			return true;
	}
	return false;
}

/* What the host lets in at this moment. */
static unsigned int flows_now(const struct world *w)
{
	const char *table = w->host.m.has_table ? w->host.m.table : "";
	unsigned int ret = 0;
	size_t i, j;

	for (i = 0; i < GUARDED_FLOWS && w->model.exists; i++) {
		const struct record *r = &w->network.records[i / ARRAY_LEN(guarded_ports) + 1];
		uint16_t port = guarded_ports[i % ARRAY_LEN(guarded_ports)];
		bool peer = false;

		for (j = 0; j < w->model.n_peers; j++)
			peer |= !wgkey_cmp(&w->model.peers[j].key, &r->key) &&
				w->model.peers[j].n_ips;
		if (peer && chain_lets(table, "permitted", &r->addresses[0], port) &&
		    chain_lets(table, "also_permitted", &r->addresses[0], port))
			ret |= 1u << i;
	}
	return ret;
}

static struct {
	struct world *w;
	struct guarded old, new;
	unsigned int before; /* what was let in when the change began */
	unsigned int steps;
	bool on;
} watch;

/* At no instant is more let in than by one of the two, nor is anything cut that both let in. */
static void check_flows(void)
{
	unsigned int now, either, both;

	if (!watch.on)
		return;
	now = flows_now(watch.w);
	either = flows_of(&watch.old) | flows_of(&watch.new);
	both = flows_of(&watch.old) & flows_of(&watch.new) & watch.before;
	if (now & ~either || both & ~now)
		fail_msg("peers %x policy %d:%x to peers %x policy %d:%x: step %u lets %x in: %s",
			 watch.old.peers, watch.old.policy, watch.old.flows, watch.new.peers,
			 watch.new.policy, watch.new.flows, watch.steps, now,
			 watch.w->host.m.table);
	watch.steps++;
}

static void check_model_step(struct model *m, void *arg)
{
	check_flows();
}

static const struct host_ops *host_model_ops;

static int checked_set_table(struct host *h, const char *name, const char *rules, struct err *e)
{
	int r = host_model_ops->set_table(h, name, rules, e);

	check_flows();
	return r;
}

static void watch_world(struct world *w, struct host_ops *ops)
{
	host_model_ops = w->host.h.ops;
	*ops = *host_model_ops;
	ops->set_table = checked_set_table;
	w->host.h.ops = ops;
	w->model.step = check_model_step;
	memset(&watch, 0, sizeof(watch));
	watch.w = w;
}

static struct guarded random_guarded(uint32_t *state)
{
	uint32_t x = *state = *state * 1664525u + 1013904223u;

	return (struct guarded){ x >> 8 & 7, (x >> 16 & 3) != 0, x >> 20 & 63 };
}

/* The change from one to the other, with the n-th call of the host or operation failing. */
static void change_guarded(struct world *w, const struct guarded *to, unsigned int host_fails,
			   unsigned int kern_fails, bool dead)
{
	unsigned int i;

	watch.new = *to;
	watch.before = flows_now(w);
	watch.on = true;
	want_guarded(w, to);
	publish(w);
	w->host.calls = w->kern.n_ops = 0;
	w->host.fail_at = host_fails;
	w->kern.fail_at = kern_fails;
	w->host.dead = w->kern.fail_for_ever = dead;
	(void)once(w);
	w->host.fail_at = w->kern.fail_at = 0;
	w->host.dead = w->kern.fail_for_ever = false;
	for (i = 0; i < 2 && once(w) < 0; i++)
		;
	watch.on = false;
	if (i == 2)
		fail_msg("%s: %s", w->reason, w->message);
	assert_int_equal(flows_now(w), flows_of(to));
	w->host.h.sets = 0;
	must_once(w);
	assert_true(!w->host.h.sets && !w->changes);
	watch.old = *to;
}

static void policy_before_and_after_peers(void **unused)
{
	uint32_t seed;
	unsigned int total = 0;

	for (seed = 1; seed <= 12; seed++) {
		uint32_t state = seed * 2654435761u, round;
		struct host_ops ops;
		struct world w;

		world_init(&w, 1 + GUARDED_PEERS);
		watch_world(&w, &ops);
		for (round = 0; round < 12; round++) {
			struct guarded to = random_guarded(&state);

			change_guarded(&w, &to, round % 3 == 1 ? 1 + (state >> 5) % 12 : 0,
				       round % 3 == 2 ? 1 + (state >> 5) % 6 : 0, state >> 12 & 1);
			if (round % 5 == 4) {
				/* A new boot: no interface, no table. */
				model_delete(&w.model);
				w.host.m.has_table = false;
				w.host.m.table[0] = '\0';
				w.host.m.boot[0] ^= 1;
				watch.before = 0;
				watch.on = true;
				must_once(&w);
				watch.on = false;
				assert_int_equal(flows_now(&w), flows_of(&to));
			}
		}
		total += watch.steps;
		world_release(&w);
	}
	assert_true(total > 300);
}

/* A policy alone that changes is one transaction, and touches no peer. */
static void a_policy_alone(void **unused)
{
	struct guarded g = { 7, true, 0x15 };
	struct host_ops ops;
	struct world w;
	uint64_t created;

	world_init(&w, 1 + GUARDED_PEERS);
	watch_world(&w, &ops);
	change_guarded(&w, &g, 0, 0, false);
	assert_non_null(strstr(w.host.m.table, "chain permitted { tcp dport 22 ip daddr "));
	/* The table is read once in a cycle that finds it right. */
	w.host.lists = 0;
	must_once(&w);
	assert_int_equal(w.host.lists, 1);
	created = w.model.created;
	g.flows = 0x2a;
	want_guarded(&w, &g);
	publish(&w);
	w.host.h.sets = w.host.lists = 0;
	must_once(&w);
	assert_int_equal(w.host.h.sets, 1);
	assert_int_equal(w.host.lists, 2);
	assert_int_equal(w.changes, 0);
	assert_true(w.model.created == created);
	assert_int_equal(flows_now(&w), flows_of(&g));
	/* With a peer that goes as well, there are two, and the first has both policies. */
	g.flows = 0x3f;
	g.peers = 3;
	watch.old = (struct guarded){ 7, true, 0x2a };
	w.host.h.sets = 0;
	change_guarded(&w, &g, 0, 0, false);
	assert_null(strstr(w.host.m.table, "also_permitted"));
	/* Taken away by hand: put back before anything else. */
	w.host.m.has_table = false;
	w.host.lists = 0;
	must_once(&w);
	assert_true(w.host.m.has_table);
	assert_int_equal(w.host.lists, 2);
	take_down(&w, 0);
	assert_true(!w.host.m.has_table && !w.model.exists);
	world_release(&w);
}

/* The state folder is gone, and the network has no policy any more: the table goes all the same. */
static void a_policy_that_nothing_tells_of(void **unused)
{
	struct guarded g = { 7, true, 0x15 };
	char old[200];
	struct world w;

	world_init(&w, 1 + GUARDED_PEERS);
	want_guarded(&w, &g);
	publish(&w);
	must_once(&w);
	assert_true(w.host.m.has_table);
	snprintf(old, sizeof(old), "%s.old", w.state);
	assert_int_equal(rename(w.state, old), 0);
	g.policy = false;
	want_guarded(&w, &g);
	publish(&w);
	must_once(&w);
	assert_false(w.host.m.has_table);
	assert_int_equal(w.model.n_peers, 3);
	/* Where tables cannot be looked at there is none. */
	snprintf(old, sizeof(old), "%s.older", w.state);
	assert_int_equal(rename(w.state, old), 0);
	w.host.no_nftables = true;
	must_once(&w);
	world_release(&w);
}

/* Where the kernel has no nftables, a policy keeps the interface as it is: neither open nor cut. */
static void a_policy_that_cannot(void **unused)
{
	struct guarded g = { 3, false, 0 };
	struct world w;
	uint64_t created;

	world_init(&w, 1 + GUARDED_PEERS);
	w.host.no_nftables = true;
	want_guarded(&w, &g);
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 2);
	g = (struct guarded){ 7, true, 0x3f };
	want_guarded(&w, &g);
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_non_null(
		strstr(w.message, "the policy cannot be enforced on this host: no nftables"));
	assert_int_equal(w.model.n_peers, 2);
	assert_true(believed(&w).accepted.serial == 2 && believed(&w).applied.serial == 1);
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.n_peers, 2);
	/* Who is in the network no more goes all the same, and nobody comes. */
	created = w.model.created;
	g.peers = 6;
	want_guarded(&w, &g);
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.n_peers, 1);
	assert_non_null(model_peer(&w.model, &w.network.records[2].key));
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.changes, 0);
	assert_true(w.model.created == created);
	/* From an interface that is to have another name as well. */
	snprintf(w.config.interface.s, sizeof(w.config.interface.s), "other");
	g.peers = 4;
	want_guarded(&w, &g);
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_true(w.model.n_peers == 0 && !strcmp(model_name.s, "prod"));
	w.config.interface.s[0] = '\0';
	g.peers = 7;
	/* As soon as it can, or need not. */
	g.policy = false;
	want_guarded(&w, &g);
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 3);
	g.policy = true;
	want_guarded(&w, &g);
	publish(&w);
	assert_int_equal(once(&w), -1);
	w.host.no_nftables = false;
	must_once(&w);
	assert_true(w.host.m.has_table);
	world_release(&w);
	/* And a node that has nothing yet gets nothing. */
	world_init(&w, 1 + GUARDED_PEERS);
	w.host.no_nftables = true;
	want_guarded(&w, &g);
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_false(w.model.exists);
	/* Nor does one that had it before it was started anew. */
	w.host.no_nftables = false;
	must_once(&w);
	model_delete(&w.model);
	w.host.m.has_table = false;
	w.host.no_nftables = true;
	assert_int_equal(once(&w), -1);
	assert_false(w.model.exists);
	world_release(&w);
}

/* A table of ours names no interface of somebody else's, whatever it was before. */
static void a_policy_and_a_foreign_interface(void **unused)
{
	struct guarded g = { 7, true, 0x15 };
	struct world w;

	world_init(&w, 1 + GUARDED_PEERS);
	want_guarded(&w, &g);
	publish(&w);
	foreign = "prod";
	assert_int_equal(once(&w), -1);
	assert_non_null(strstr(w.message, "interface prod: it is there and is no WireGuard"));
	assert_true(!w.host.m.has_table && !w.host.h.sets && !w.model.exists);
	foreign = NULL;
	must_once(&w);
	assert_true(w.host.m.has_table && w.model.exists);
	/* Ours went away, and somebody else took the name. */
	model_delete(&w.model);
	foreign = "prod";
	assert_int_equal(once(&w), -1);
	assert_true(!w.host.m.has_table && !w.model.exists);
	assert_int_equal(once(&w), -1);
	foreign = NULL;
	must_once(&w);
	assert_non_null(strstr(w.host.m.table, "iifname \"prod\" jump guard"));
	/* The same where there is no policy, but masquerading. */
	g.policy = false;
	want_guarded(&w, &g);
	make_gateway(&w, true);
	publish(&w);
	must_once(&w);
	assert_non_null(strstr(w.host.m.table, "masquerade"));
	model_delete(&w.model);
	foreign = "prod";
	assert_int_equal(once(&w), -1);
	assert_false(w.host.m.has_table);
	foreign = NULL;
	must_once(&w);
	assert_true(w.host.m.has_table);
	world_release(&w);
	/* What cannot be read is not known to be ours. */
	world_init(&w, 1 + GUARDED_PEERS);
	g.policy = true;
	want_guarded(&w, &g);
	publish(&w);
	w.kern.fail_observe_at = 1;
	assert_int_equal(once(&w), -1);
	assert_true(!w.host.m.has_table && !w.model.exists);
	must_once(&w);
	assert_true(w.host.m.has_table);
	world_release(&w);
}

/* An interface that cannot be set up is not left behind, nor named; one that was there stays. */
static void a_policy_and_an_interface_that_cannot(void **unused)
{
	static const enum op_kind kinds[] = { OP_DEVICE, OP_PEER_SET, OP_ADDR_ADD, OP_LINK_UP };
	struct guarded g = { 3, true, 0x15 };
	struct world w;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		world_init(&w, 1 + GUARDED_PEERS);
		want_guarded(&w, &g);
		publish(&w);
		w.kern.fail_kind = kinds[i];
		w.kern.fail_this_kind = true;
		assert_int_equal(once(&w), -1);
		assert_true(!w.model.exists && !w.host.m.has_table);
		assert_int_equal(believed(&w).applied.serial, 0);
		assert_int_equal(once(&w), -1);
		assert_true(!w.model.exists && !w.host.m.has_table);
		w.kern.fail_this_kind = false;
		must_once(&w);
		assert_true(w.model.exists && w.host.m.has_table);
		/* Down, as by hand: the same failure takes nothing away. */
		w.model.up = false;
		w.model.listen_port = 1;
		g.peers = 7;
		want_guarded(&w, &g);
		publish(&w);
		w.kern.fail_this_kind = true;
		if (kinds[i] != OP_ADDR_ADD)
			assert_int_equal(once(&w), -1);
		assert_true(w.model.exists && w.host.m.has_table);
		w.kern.fail_this_kind = false;
		must_once(&w);
		world_release(&w);
		g.peers = 3;
	}
}

static void removed_from_the_network(void **unused)
{
	static const struct gone gone[] = { { "n0", 2 } };
	struct network full;
	struct world w;

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	full = w.network;
	without_us(&w, gone, 1);
	publish(&w);
	must_once(&w);
	/* No peers; the interface stays, and so does what we know. */
	assert_true(w.model.exists && w.model.n_peers == 0);
	assert_true(believed(&w).applied.serial == 2);
	must_once(&w);
	assert_int_equal(w.changes, 0);
	/* A peer that somebody puts back goes again. */
	{
		struct op op = { .kind = OP_PEER_SET, .flags = OPP_NEW };

		pubkit_wgkey(1, &op.key);
		model_set_peer(&w.model, &op);
	}
	must_once(&w);
	assert_int_equal(w.model.n_peers, 0);
	/* Also after a reboot, offline or not. */
	model_release(&w.model);
	memset(&w.model, 0, sizeof(w.model));
	w.fetcher.trees[0] = NULL;
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.n_peers, 0);
	w.fetcher.trees[0] = &w.tree;
	/* And back. */
	w.network = full;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 3);
	world_release(&w);
	/* One that was removed before it ever took part has nothing to take away. */
	world_init(&w, 4);
	without_us(&w, gone, 1);
	publish(&w);
	must_once(&w);
	assert_false(w.model.exists);
	assert_true(believed(&w).accepted.serial == 1 && believed(&w).applied.serial == 0);
	world_release(&w);
}

static void not_listed_is_not_removed(void **unused)
{
	static const struct gone gone[] = { { "n00", 2 }, { "n9", 2 } };
	struct world w;

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	without_us(&w, gone, 2);
	publish(&w);
	refused(&w, "neither listed nor removed", "NOT-LISTED");
	assert_int_equal(w.model.n_peers, 3);
	world_release(&w);
}

static int damage_one(const char *name, bool is_dir, void *arg)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	write_out(path, "damaged", 7);
	return 0;
}

static void another_interface_name(void **unused)
{
	struct node *nodes;
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	nodes = arena_array(&w.tree.arena, 3, sizeof(*nodes));
	memcpy(nodes, w.network.nodes, 3 * sizeof(*nodes));
	assert_int_equal(ifname_parse("wg7", 3, &nodes[0].interface), 0);
	w.network.nodes = nodes;
	publish(&w);
	must_once(&w);
	assert_string_equal(believed(&w).applied.interface.s, "wg7");
	assert_true(w.model.exists && w.model.n_peers == 2);
	/* --interface wins over the document. */
	assert_int_equal(ifname_parse("mine", 4, &w.config.interface), 0);
	must_once(&w);
	assert_string_equal(believed(&w).applied.interface.s, "mine");
	assert_string_equal(model_name.s, "mine");
	/* Onto one that somebody else has: refused, and what was there stays. */
	foreign = "theirs";
	assert_int_equal(ifname_parse("theirs", 6, &w.config.interface), 0);
	assert_int_equal(once(&w), -1);
	assert_string_equal(model_name.s, "mine");
	assert_true(w.model.exists && w.model.n_peers == 2);
	/* The old name became somebody else's: theirs stays, and the new one comes. */
	foreign = "mine";
	assert_int_equal(model_delete(&w.model), 0);
	assert_int_equal(ifname_parse("wg8", 3, &w.config.interface), 0);
	must_once(&w);
	assert_true(w.model.exists && w.model.n_peers == 2);
	/* The state does not know of it (cut off, or another folder), the alias does. */
	foreign = NULL;
	assert_int_equal(ifname_parse("wg5", 3, &model_name), 0);
	must_once(&w);
	assert_string_equal(model_name.s, "wg8");
	assert_int_equal(ifname_parse("wg5", 3, &model_name), 0);
	{
		struct ifname name = { 0 };
		struct err e = { 0 };
		struct agent a;
		size_t there = 0;

		open_agent(&w, &a, STORE_WRITE);
		assert_int_equal(agent_down(&a, &name, &there, &e), 0);
		agent_close(&a);
		assert_true(there && !w.model.exists);
		assert_string_equal(name.s, "wg5");
	}
	world_release(&w);
}

/* Removed while all stored documents are lost: what the interface was is not known, so it goes. */
static void removed_with_damaged_documents(void **unused)
{
	static const struct gone gone[] = { { "n0", 2 } };
	struct world w;
	char path[256];

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 3);
	snprintf(path, sizeof(path), "%s/prod/objects", w.state);
	assert_int_equal(os_list(AT_FDCWD, path, damage_one, path, NULL), 0);
	without_us(&w, gone, 1);
	publish(&w);
	must_once(&w);
	assert_false(w.model.exists);
	assert_true(believed(&w).applied.serial == 0 && believed(&w).accepted.serial == 2);
	must_once(&w);
	world_release(&w);
}

/* While something around WireGuard cannot be done, each attempt must leave the endpoints alone. */
static void endpoints_stay_while_something_else_fails(void **unused)
{
	struct record *records;
	struct model_peer *p;
	struct ifaddr address;
	struct node *nodes;
	struct wgkey key;
	struct world w;
	uint8_t roamed;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	nodes = arena_array(&w.tree.arena, 3, sizeof(*nodes));
	records = arena_array(&w.tree.arena, 3, sizeof(*records));
	memcpy(nodes, w.network.nodes, 3 * sizeof(*nodes));
	memcpy(records, w.network.records, 3 * sizeof(*records));
	address = nodes[0].addresses[0];
	address.addr.b[2] = 9;
	nodes[0].addresses = &address;
	nodes[0].n_addresses = 1;
	records[1].endpoint.host = "198.51.100.1";
	w.network.nodes = nodes;
	w.network.records = records;
	publish(&w);
	w.kern.fail_kind = OP_ADDR_ADD;
	w.kern.fail_this_kind = true;
	assert_int_equal(once(&w), -1);
	assert_true(believed(&w).applied.serial == 2);
	pubkit_wgkey(1, &key);
	p = model_peer(&w.model, &key);
	p->endpoint.b[3] ^= 7;
	p->last_handshake = os_now();
	roamed = p->endpoint.b[3];
	assert_int_equal(once(&w), -1);
	assert_int_equal(model_peer(&w.model, &key)->endpoint.b[3], roamed);
	w.kern.fail_this_kind = false;
	must_once(&w);
	assert_true(w.model.n_addresses == 1 && !ifaddr_cmp(&w.model.addresses[0], &address));
	assert_int_equal(model_peer(&w.model, &key)->endpoint.b[3], roamed);
	world_release(&w);
}

static void down_and_up(void **unused)
{
	struct ifname name = { 0 };
	struct err e = { 0 };
	struct agent a;
	struct world w;
	size_t there;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	open_agent(&w, &a, STORE_WRITE);
	assert_int_equal(agent_down(&a, &name, &there, &e), 0);
	agent_close(&a);
	assert_true(there && !w.model.exists);
	assert_string_equal(name.s, "prod");
	assert_true(believed(&w).applied.serial == 0 && believed(&w).accepted.serial == 1);
	open_agent(&w, &a, STORE_WRITE);
	assert_int_equal(agent_down(&a, &name, &there, &e), 0);
	agent_close(&a);
	assert_false(there);
	must_once(&w);
	assert_int_equal(w.model.n_peers, 2);
	world_release(&w);
}

static void looking_changes_nothing(void **unused)
{
	struct convergence conv = { 0 };
	struct cycle c = { 0 };
	struct err e = { 0 };
	struct agent a;
	struct world w;

	world_init(&w, 3);
	publish(&w);
	open_agent(&w, &a, STORE_READ);
	assert_int_equal(agent_fetch(&a, &c, &e), 0);
	assert_non_null(c.next);
	agent_pretend(&a, &c);
	assert_int_equal(agent_converge(&a, true, 100, &conv, &e), 0);
	assert_true(conv.result.n_ops > 0 && conv.n_peers == 2);
	agent_report(&a, &c, NULL);
	agent_tidy(&a);
	convergence_release(&conv);
	cycle_release(&c);
	agent_close(&a);
	assert_false(os_exists(AT_FDCWD, w.state));
	assert_false(w.model.exists);
	/* What was planned is what is done. */
	must_once(&w);
	assert_int_equal(w.changes, conv.result.n_ops);
	world_release(&w);
}

/* ---- damage ---- */

static void damaged_documents_are_fetched_again(void **unused)
{
	char path[256];
	struct world w;

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	snprintf(path, sizeof(path), "%s/prod/objects", w.state);
	assert_int_equal(os_list(AT_FDCWD, path, damage_one, path, NULL), 0);
	must_once(&w);
	assert_true(w.said > 0 && w.changes == 0 && w.model.n_peers == 3);
	must_once(&w);
	assert_int_equal(w.said, 0);
	/* Floors are in the state: an older manifest is refused even when all documents are lost.
	 */
	publish(&w);
	must_once(&w);
	assert_int_equal(os_list(AT_FDCWD, path, damage_one, path, NULL), 0);
	pubkit_publish(&w.kit, &w.tree, &(struct pubkit_manifest){ .serial = 1, .issued = T0 + 1 },
		       &w.network, NULL);
	assert_int_equal(once(&w), -1);
	assert_string_equal(w.reason, "ROLLBACK");
	world_release(&w);
}

static void both_slots_lost(void **unused)
{
	char path[256];
	struct world w;
	struct state s;

	world_init(&w, 4);
	publish(&w);
	publish(&w);
	must_once(&w);
	snprintf(path, sizeof(path), "%s/prod/state.a", w.state);
	write_out(path, "", 0);
	snprintf(path, sizeof(path), "%s/prod/state.b", w.state);
	write_out(path, "meshrc state 1\n", 15);
	/* Nothing reachable: the interface is left as it is. */
	w.fetcher.trees[0] = NULL;
	assert_int_equal(once(&w), -1);
	assert_true(w.said > 0 && w.model.n_peers == 3);
	w.fetcher.trees[0] = &w.tree;
	must_once(&w);
	assert_true(w.said > 0 && w.changes == 0);
	s = believed(&w);
	assert_true(s.amnesia && s.accepted.serial == 2);
	world_release(&w);
}

static void a_wrong_clock(void **unused)
{
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	/* T62: 1970 after a reboot without a clock: runs on, and takes what is new. */
	w.config.now = 0;
	must_once(&w);
	publish(&w);
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 2);
	/* T63: ten years ahead: nothing is taken, and nothing is lost. */
	w.config.now = T0 + 3650 * DAY;
	must_once(&w);
	assert_true(w.stale);
	publish(&w);
	refused(&w, "T63", "EXPIRED");
	w.config.now = T0 + 2000;
	must_once(&w);
	assert_true(believed(&w).accepted.serial == 3 && believed(&w).time_floor == T0 + 3);
	world_release(&w);
}

/* ---- keys and pins ---- */

static void private_keys(void **unused)
{
	struct secret key = { 0 };
	struct wgkey first, again;
	struct err e = { 0 };
	struct stat st;
	char path[200];
	struct world w;

	world_init(&w, 3);
	snprintf(path, sizeof(path), "%s/new.key", w.dir);
	assert_int_equal(agent_load_key(path, false, &key, &first, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_int_equal(agent_load_key(path, true, &key, &first, &e), 0);
	secret_release(&key);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 45);
	assert_int_equal(agent_load_key(path, true, &key, &again, &e), 0);
	secret_release(&key);
	assert_int_equal(wgkey_cmp(&first, &again), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(agent_load_key(path, true, &key, &again, &e), -1);
	assert_non_null(strstr(e.msg, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	/* A link to it is refused, whatever it points at. */
	{
		char link[200];

		snprintf(link, sizeof(link), "%s/link.key", w.dir);
		assert_int_equal(symlink(path, link), 0);
		assert_int_equal(agent_load_key(link, true, &key, &again, &e), -1);
	}
	write_out(path, "not a key at all\n", 17);
	assert_int_equal(agent_load_key(path, true, &key, &again, &e), -1);
	write_out(path, "", 0);
	assert_int_equal(agent_load_key(path, true, &key, &again, &e), -1);
	world_release(&w);
}

static int open_error(struct world *w, char *out, size_t size)
{
	struct cycle c = { 0 };
	struct err e = { 0 };
	struct agent a = { 0 };
	int r;

	a.fetcher = &w->fetcher.base;
	a.kern = &w->kern.k;
	a.host = &w->host.h;
	r = agent_open(&a, &w->config, STORE_WRITE, count_said, &e);
	/* With a stored root the last good state goes on, and nothing is fetched. */
	if (!r) {
		assert_non_null(a.current);
		r = agent_fetch(&a, &c, &e);
		cycle_release(&c);
	}
	snprintf(out, size, "%s: %s", e.reason ? e.reason : "", e.msg);
	agent_close(&a);
	return r;
}

/* A key that is lost or replaced must not end every session. */
static void another_key_than_the_published_one(void **unused)
{
	char other[KEY_STRLEN + 1], ours[KEY_STRLEN + 1];
	struct err e = { 0 };
	struct wgkey before;
	struct agent a = { 0 };
	struct world w;

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	before = w.model.public_key;
	pubkit_wgkey_text(0, ours);
	pubkit_wgkey_text(9, other);
	write_out(w.key, other, strlen(other));
	refused(&w, "another key", "WRONG-NODE");
	assert_int_equal(wgkey_cmp(&before, &w.model.public_key), 0);
	assert_int_equal(unlink(w.key), 0);
	a.fetcher = &w.fetcher.base;
	a.kern = &w.kern.k;
	assert_int_equal(agent_open(&a, &w.config, STORE_WRITE, NULL, &e), 0);
	assert_int_equal(agent_key(&a, true, &e), -1);
	assert_int_equal(e.class, ERR_NOENT);
	assert_non_null(strstr(e.msg, "put the file back"));
	agent_close(&a);
	assert_false(os_exists(AT_FDCWD, w.key));
	write_out(w.key, ours, strlen(ours));
	must_once(&w);
	assert_int_equal(w.changes, 0);
	world_release(&w);
}

static void pins(void **unused)
{
	struct pubkit other;
	struct world w;
	struct buf root;
	char msg[700];

	world_init(&w, 3);
	publish(&w);
	must_once(&w);
	/* Another mesh's root in the place of ours. */
	pubkit_init(&other, 2);
	buf_init(&root, MAX_ROOT_DOC);
	pubkit_root(&other, &(struct pubkit_root){ 0 }, &root);
	write_out(w.trust, root.data, root.len);
	assert_int_equal(open_error(&w, msg, sizeof(msg)), -1);
	assert_non_null(strstr(msg, "BAD-ROOT"));
	/* The same version, other bytes. */
	buf_reset(&root);
	pubkit_root(&w.kit, &(struct pubkit_root){ .issued = T0 + 1 }, &root);
	write_out(w.trust, root.data, root.len);
	assert_int_equal(open_error(&w, msg, sizeof(msg)), -1);
	assert_non_null(strstr(msg, "BAD-ROOT"));
	/* Not a root at all, one bit wrong, and none. */
	write_out(w.trust, "hello\n", 6);
	assert_int_equal(open_error(&w, msg, sizeof(msg)), -1);
	root.data[30] ^= 1;
	write_out(w.trust, root.data, root.len);
	assert_int_equal(open_error(&w, msg, sizeof(msg)), -1);
	assert_int_equal(unlink(w.trust), 0);
	assert_int_equal(open_error(&w, msg, sizeof(msg)), -1);
	assert_non_null(strstr(msg, "pinned root"));
	/* A reboot without the file: what was accepted comes back all the same. */
	model_release(&w.model);
	memset(&w.model, 0, sizeof(w.model));
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.n_peers, 2);
	/* Without a stored root there is nothing to go on with. */
	{
		char state[160];
		struct err e = { 0 };
		struct agent a = { 0 };

		snprintf(state, sizeof(state), "%s", w.state);
		snprintf(w.state, sizeof(w.state), "%s/empty", w.dir);
		assert_int_equal(agent_open(&a, &w.config, STORE_WRITE, NULL, &e), -1);
		agent_close(&a);
		snprintf(w.state, sizeof(w.state), "%s", state);
	}
	/* A new pin of a later version is taken over the stored one. */
	buf_reset(&root);
	pubkit_root(&w.kit, &(struct pubkit_root){ .version = 4 }, &root);
	write_out(w.trust, root.data, root.len);
	publish(&w);
	must_once(&w);
	assert_true(believed(&w).root_version == 4);
	buf_release(&root);
	pubkit_release(&other);
	world_release(&w);
}

/* ---- every failure ---- */

static struct os_sys real;
static unsigned int calls, fail_call;
static int fail_errno; /* 0: the process dies */

static bool faulty(void)
{
	if (++calls != fail_call)
		return false;
	if (!fail_errno)
		_exit(137);
	errno = fail_errno;
	return true;
}

static int openat_faulty(int dirfd, const char *path, int flags, mode_t mode)
{
	return faulty() ? -1 : real.openat(dirfd, path, flags, mode);
}

static ssize_t read_faulty(int fd, void *buf, size_t len)
{
	return faulty() ? -1 : real.read(fd, buf, len);
}

static ssize_t write_faulty(int fd, const void *buf, size_t len)
{
	calls++;
	if (calls == fail_call)
		(void)!real.write(fd, buf, len / 2);
	calls--;
	return faulty() ? -1 : real.write(fd, buf, len);
}

static int fsync_faulty(int fd)
{
	return faulty() ? -1 : real.fsync(fd);
}

static int renameat_faulty(int olddir, const char *oldname, int newdir, const char *newname)
{
	return faulty() ? -1 : real.renameat(olddir, oldname, newdir, newname);
}

static int unlinkat_faulty(int dirfd, const char *path, int flags)
{
	return faulty() ? -1 : real.unlinkat(dirfd, path, flags);
}

static int fstat_faulty(int fd, struct stat *st)
{
	return faulty() ? -1 : real.fstat(fd, st);
}

static void break_system(unsigned int at, int error)
{
	real = os_sys;
	calls = 0;
	fail_call = at;
	fail_errno = error;
	os_sys.openat = openat_faulty;
	os_sys.read = read_faulty;
	os_sys.write = write_faulty;
	os_sys.fsync = fsync_faulty;
	os_sys.renameat = renameat_faulty;
	os_sys.unlinkat = unlinkat_faulty;
	os_sys.fstat = fstat_faulty;
}

static bool mend_system(void)
{
	os_sys = real;
	return calls >= fail_call;
}

/* A cycle whose opening may fail too. */
static int try_once(struct world *w, struct err *e)
{
	struct convergence conv = { 0 };
	struct cycle cycle = { 0 };
	struct agent a = { 0 };
	int r;

	a.fetcher = &w->fetcher.base;
	a.kern = &w->kern.k;
	a.host = &w->host.h;
	r = agent_open(&a, &w->config, STORE_WRITE, NULL, e);
	if (!r)
		r = agent_key(&a, false, e);
	if (!r)
		r = agent_fetch(&a, &cycle, e);
	if (!r)
		r = agent_take(&a, &cycle, e);
	if (a.current && a.has_key &&
	    agent_converge(&a, false, 100, &conv, r ? &(struct err){ 0 } : e) < 0)
		r = -1;
	if (a.store) {
		agent_report(&a, &cycle, r < 0 ? e : NULL);
		agent_tidy(&a);
	}
	convergence_release(&conv);
	cycle_release(&cycle);
	agent_close(&a);
	return r;
}

/* Serial 1 in force, serial 2 published: a peer more, and the node is a gateway. */
static void before_an_update(struct world *w)
{
	struct network small;

	world_init(w, 6);
	small = w->network;
	small.n_records = small.n_nodes = 5;
	pubkit_publish(&w->kit, &w->tree,
		       &(struct pubkit_manifest){ .serial = 1, .issued = T0 + 1 }, &small,
		       &w->last);
	w->serial = 1;
	must_once(w);
	assert_int_equal(w->model.n_peers, 4);
	make_gateway(w, true);
	publish(w);
}

/* After all that went wrong: the host is as serial 2 wants it, and goes back to what it was. */
static void check_host(struct world *w, unsigned int at)
{
	struct host_model before = w->host.m;

	if (!w->host.m.forward4 || !w->host.m.has_table || !w->host.m.list[0].route)
		fail_msg("call %u: the host does not forward", at);
	take_down(w, 0);
	before.forward4 = before.forward6 = before.default4 = before.default6 = 0;
	before.redirects4 = 1;
	before.has_table = false;
	before.table[0] = '\0';
	before.list[0].forward4 = before.list[0].forward6 = 0;
	before.list[0].ra = 1;
	if (!host_model_equal(&before, &w->host.m))
		fail_msg("call %u: the host is not as it was", at);
}

static void check_in_between(struct world *w, unsigned int at)
{
	struct state s = believed(w);

	if ((s.accepted.serial != 1 && s.accepted.serial != 2) ||
	    s.applied.serial > s.accepted.serial || s.root_version != 1)
		fail_msg("call %u: accepted %llu, applied %llu", at,
			 (unsigned long long)s.accepted.serial,
			 (unsigned long long)s.applied.serial);
	if (w->model.n_peers != 4 && w->model.n_peers != 5)
		fail_msg("call %u: %zu peers", at, w->model.n_peers);
	/* What the interface has was accepted before. */
	if (w->model.n_peers == 5)
		assert_true(s.accepted.serial == 2);
}

/* T73: ENOSPC, EIO, ... at each system call of an update, then a cycle in which nothing fails. */
static void every_call_fails(void **unused)
{
	static const int errors[] = { ENOSPC, EIO };
	size_t k;

	for (k = 0; k < ARRAY_LEN(errors); k++) {
		bool hit = true;
		unsigned int at;

		for (at = 1; hit; at++) {
			struct err e = { 0 };
			struct world w;
			int r;

			before_an_update(&w);
			break_system(at, errors[k]);
			r = try_once(&w, &e);
			hit = mend_system();
			if (r < 0 && !e.msg[0])
				fail_msg("call %u: failed without a word", at);
			check_in_between(&w, at);
			must_once(&w);
			assert_int_equal(w.model.n_peers, 5);
			assert_true(believed(&w).applied.serial == 2);
			check_host(&w, at);
			world_release(&w);
		}
		print_message("%u calls\n", at - 2);
		assert_true(at > 60);
	}
}

/* T66: the process is killed at each system call; a new one finds a whole state and goes on. */
static void killed_at_every_call(void **unused)
{
	bool killed = true;
	unsigned int at;

	for (at = 1; killed; at++) {
		struct err e = { 0 };
		struct world w;
		int status = 0;
		pid_t pid;

		before_an_update(&w);
		pid = fork();
		if (!pid) {
			break_system(at, 0);
			_exit(try_once(&w, &e) < 0);
		}
		assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		killed = WEXITSTATUS(status) == 137;
		if (!killed)
			assert_int_equal(WEXITSTATUS(status), 0);
		/* The interface was changed in the child alone, as if it had been lost with the
		 * power. */
		check_in_between(&w, at);
		must_once(&w);
		assert_int_equal(w.model.n_peers, 5);
		assert_true(believed(&w).applied.serial == 2);
		check_host(&w, at);
		world_release(&w);
	}
	assert_true(at > 60);
}

/* T69: each operation on the interface fails in turn: refused or finished in the second round,
 * never less than before. */
static void every_operation_fails(void **unused)
{
	bool hit = true;
	unsigned int at;

	for (at = 1; hit; at++) {
		struct err e = { 0 };
		struct world w;

		before_an_update(&w);
		w.kern.n_ops = 0;
		w.kern.fail_at = at;
		w.kern.fail_for_ever = true;
		(void)try_once(&w, &e);
		hit = w.kern.n_ops >= at;
		assert_true(w.model.n_peers >= 4);
		check_in_between(&w, at);
		w.kern.fail_at = 0;
		must_once(&w);
		assert_int_equal(w.model.n_peers, 5);
		world_release(&w);
	}
}

/* T74: memory runs out at the n-th allocation and stays out: a clean error, floors and interface
 * whole. */
static void memory_runs_out(void **unused)
{
	bool hit = true;
	unsigned int at;

	for (at = 1; hit; at++) {
		struct err e = { 0 };
		struct world w;
		int r;

		before_an_update(&w);
		fail_alloc_at(at);
		r = try_once(&w, &e);
		hit = fail_alloc_stop();
		assert_true(r == 0 || hit);
		check_in_between(&w, at);
		must_once(&w);
		assert_int_equal(w.model.n_peers, 5);
		world_release(&w);
	}
	print_message("%u allocations\n", at - 2);
	assert_true(at > 60);
}

/* ---- names of servers ---- */

/* Where a server was reached is known to the next agent, until another place is known. */
static void where_servers_were(void **unused)
{
	struct lifeline lines[MAX_MIRRORS];
	struct fetch_site *sites;
	struct agent a;
	struct world w;
	int i;

	world_init(&w, 4);
	sites = w.fetcher.base.sites;
	w.config.urls[1] = "http://b";
	w.config.n_urls = 2;
	w.fetcher.trees[1] = &w.tree;
	publish(&w);
	must_once(&w);
	assert_int_equal(sites[0].reached.n, 0);
	w.fetcher.at = 7;
	must_once(&w);
	/* That is where no route may lead, for an agent too that has fetched nothing yet. */
	open_agent(&w, &a, STORE_READ);
	assert_int_equal(agent_lifelines(&a, lines), 1);
	assert_int_equal(lines[0].addr.b[3], 7);
	agent_close(&a);
	w.fetcher.at = 0;
	for (i = 0; i < 3; i++) {
		must_once(&w);
		assert_true(sites[0].lost && !sites[1].lost);
		assert_int_equal(w.said, 1);
		assert_int_equal(sites[0].reached.list[0].b[3], 7);
		assert_int_equal(sites[1].reached.n, 0);
	}
	w.fetcher.at = 8;
	must_once(&w);
	assert_int_equal(w.said, 0);
	assert_false(sites[0].lost);
	/* Nobody is there at all: it is not forgotten. */
	w.fetcher.trees[0] = w.fetcher.trees[1] = NULL;
	w.fetcher.at = 0;
	assert_int_equal(once(&w), -1);
	assert_int_equal(once(&w), -1);
	assert_int_equal(sites[0].reached.list[0].b[3], 8);
	world_release(&w);
}

/* ---- exits ---- */

/* n0 sends everything through this node; NULL: through nobody. */
static void set_exit(struct world *w, const char *exit)
{
	struct node *nodes = arena_array(&w->tree.arena, w->network.n_nodes, sizeof(*nodes));

	assert_non_null(nodes);
	memcpy(nodes, w->network.nodes, w->network.n_nodes * sizeof(*nodes));
	nodes[0].exit = exit;
	nodes[0].flags &= ~(unsigned int)NODE_HAS_FWMARK;
	if (exit) {
		nodes[0].flags |= NODE_HAS_FWMARK;
		nodes[0].fwmark = EXIT_MARK;
	}
	w->network.nodes = nodes;
	publish(w);
}

static bool leads_in(const struct model *m)
{
	size_t i;

	for (i = 0; i < m->n_rules; i++)
		if (exit_rule_leads(&m->rules[i]))
			return true;
	return false;
}

/* At no instant the default route leads into a tunnel that is not there. */
static void check_way(struct model *m, void *arg)
{
	bool carried = false, way = false;
	size_t i, j;

	for (i = 0; i < m->n_peers; i++)
		for (j = 0; j < m->peers[i].n_ips; j++)
			carried |= !m->peers[i].ips[j].len;
	for (i = 0; i < m->n_routes; i++)
		way |= !m->routes[i].dst.len && m->routes[i].table == exit_table("prod");
	if (leads_in(m) && (!m->exists || !m->up || !carried || !way || m->fwmark != EXIT_MARK))
		fail_msg("the default route leads nowhere");
}

static void an_exit(void **unused)
{
	static const struct gone gone[] = { { "n0", 5 } };
	struct network full;
	struct world w;

	world_init(&w, 4);
	w.model.step = check_way;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_rules, 0);
	set_exit(&w, "n1");
	must_once(&w);
	assert_int_equal(w.model.n_rules, 8);
	assert_true(leads_in(&w.model));
	must_once(&w);
	assert_int_equal(w.changes, 0);
	set_exit(&w, "n2");
	must_once(&w);
	assert_int_equal(w.model.n_rules, 8);
	set_exit(&w, NULL);
	must_once(&w);
	assert_int_equal(w.model.n_rules + w.model.n_routes, 0);
	assert_int_equal(w.model.fwmark, 0);
	must_once(&w);
	/* Removed from the network while it uses one. */
	set_exit(&w, "n1");
	must_once(&w);
	assert_true(leads_in(&w.model));
	full = w.network;
	w.network.nodes++;
	w.network.n_nodes--;
	w.network.records++;
	w.network.n_records--;
	w.network.gone = gone;
	w.network.n_gone = 1;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.n_rules, 0);
	assert_int_equal(w.model.n_peers, 0);
	w.network = full;
	publish(&w);
	must_once(&w);
	assert_true(leads_in(&w.model));
	take_down(&w, 0);
	assert_int_equal(w.model.n_rules, 0);
	assert_false(w.model.exists);
	world_release(&w);
}

/*
 * Another network's exit on this host carries neither what is fetched nor the tunnel's packets; a
 * mark of the node's own is the operator's matter.
 */
static void an_exit_of_another_network(void **unused)
{
	static const struct exit_rule theirs = { .family = 4,
						 .priority = EXIT_ALL_FIRST,
						 .from = { .family = 4, .len = 32 },
						 .table = 7700001 };
	struct node *nodes;
	struct world w;

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	assert_int_equal(w.fetcher.base.mark, EXIT_MARK);
	assert_int_equal(w.model.fwmark, 0);
	w.model.rules[w.model.n_rules++] = theirs;
	must_once(&w);
	assert_int_equal(w.model.fwmark, EXIT_MARK);
	must_once(&w);
	assert_int_equal(w.changes, 0);
	/* Not known whether it stands: as if it did. */
	w.kern.fail_look_at = w.kern.n_looks + 1;
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.fwmark, EXIT_MARK);
	w.kern.fail_look_at = 0;
	nodes = arena_array(&w.tree.arena, w.network.n_nodes, sizeof(*nodes));
	assert_non_null(nodes);
	memcpy(nodes, w.network.nodes, w.network.n_nodes * sizeof(*nodes));
	nodes[0].flags |= NODE_HAS_FWMARK;
	nodes[0].fwmark = 0x99;
	w.network.nodes = nodes;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.fwmark, 0x99);
	nodes[0].flags &= ~(unsigned int)NODE_HAS_FWMARK;
	publish(&w);
	must_once(&w);
	assert_int_equal(w.model.fwmark, EXIT_MARK);
	assert_int_equal(w.model.n_rules, 1);
	w.model.n_rules = 0;
	must_once(&w);
	assert_int_equal(w.model.fwmark, 0);
	world_release(&w);
}

/* Both slots of the state are lost while it is in force: what is fetched is marked all the same. */
static void an_exit_and_no_state(void **unused)
{
	char path[256];
	struct world w;

	world_init(&w, 4);
	set_exit(&w, "n1");
	must_once(&w);
	snprintf(path, sizeof(path), "%s/prod/state.a", w.state);
	write_out(path, "", 0);
	snprintf(path, sizeof(path), "%s/prod/state.b", w.state);
	write_out(path, "", 0);
	must_once(&w);
	assert_int_equal(w.fetcher.base.mark, EXIT_MARK);
	assert_int_equal(w.model.n_rules, 8);
	world_release(&w);
}

/* Rules of another network stand in the place of ours: all but the way to the exit is as it should
 * be. */
static void an_exit_in_anothers_place(void **unused)
{
	struct exit_rule theirs = { .family = 4,
				    .priority = exit_priority("prod"),
				    .from = { 4, 0, { 0 } },
				    .table = 4711 };
	struct network full;
	struct wgkey gone;
	struct world w;

	world_init(&w, 4);
	publish(&w);
	must_once(&w);
	full = w.network;
	w.model.rules[w.model.n_rules++] = theirs;
	set_exit(&w, "n1");
	assert_int_equal(once(&w), -1);
	assert_non_null(strstr(w.message, "the way to the exit: another network on this host"));
	assert_true(w.model.n_rules == 1 && !exit_rule_cmp(&w.model.rules[0], &theirs));
	assert_int_equal(believed(&w).applied.serial, 2);
	/* Whoever leaves the network leaves the interface. */
	gone = w.network.records[3].key;
	assert_non_null(model_peer(&w.model, &gone));
	w.network.n_nodes--;
	w.network.n_records--;
	publish(&w);
	assert_int_equal(once(&w), -1);
	assert_null(model_peer(&w.model, &gone));
	assert_int_equal(w.model.n_peers, 2);
	/* And a machine that was started anew has its interface. */
	model_delete(&w.model);
	assert_int_equal(once(&w), -1);
	assert_true(w.model.exists && w.model.up && w.model.n_peers == 2);
	w.network = full;
	w.model.n_rules = 0;
	set_exit(&w, "n1");
	must_once(&w);
	assert_int_equal(w.model.n_rules, 8);
	/* Rules of ours that cannot be read: nobody comes, and whoever left goes. */
	w.network.n_nodes--;
	w.network.n_records--;
	publish(&w);
	w.model.step = check_way;
	w.kern.n_looks = 0;
	w.kern.fail_look_at = 1;
	assert_int_equal(once(&w), -1);
	assert_null(model_peer(&w.model, &gone));
	assert_true(w.model.n_peers == 2 && leads_in(&w.model));
	must_once(&w);
	world_release(&w);
}

/* Without its policy nothing changes about the way to the exit. */
static void an_exit_and_a_policy_that_cannot(void **unused)
{
	struct guarded g = { 7, true, 0x3f };
	struct world w;

	world_init(&w, 1 + GUARDED_PEERS);
	want_guarded(&w, &g);
	set_exit(&w, "n1");
	must_once(&w);
	assert_int_equal(w.model.n_rules, 8);
	w.model.step = check_way;
	w.host.no_nftables = true;
	set_exit(&w, "n2");
	assert_int_equal(once(&w), -1);
	assert_int_equal(w.model.n_rules, 8);
	assert_true(leads_in(&w.model) && w.model.n_peers == 3);
	/* The exit itself leaves: then all goes as without one. */
	w.host.no_nftables = false;
	must_once(&w);
	w.host.no_nftables = true;
	g.peers = 5;
	want_guarded(&w, &g);
	set_exit(&w, NULL);
	assert_int_equal(once(&w), -1);
	assert_false(leads_in(&w.model));
	assert_int_equal(w.model.n_peers, 2);
	w.host.no_nftables = false;
	must_once(&w);
	world_release(&w);
}

/*
 * From one exit to another, to none, and down, with the n-th operation failing, or all from it on,
 * as if the agent had been killed. The next run makes it good.
 */
static void every_operation_of_an_exit_fails(void **unused)
{
	static const char *const steps[][2] = {
		{ NULL, "n1" }, { "n1", "n2" }, { "n1", NULL }, { "n1", "down" }
	};
	unsigned int at, how, tried = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(steps); i++)
		for (how = 0; how < 4; how++) {
			bool hit = true, down = steps[i][1] && !strcmp(steps[i][1], "down");

			for (at = 1; hit; at++, tried++) {
				struct err e = { 0 };
				struct world w;

				world_init(&w, 4);
				set_exit(&w, steps[i][0]);
				must_once(&w);
				if (!down)
					set_exit(&w, steps[i][1]);
				w.model.step = check_way;
				w.kern.n_ops = 0;
				w.kern.fail_at = at;
				w.kern.fail_for_ever = how & 1;
				w.kern.fail_after = how & 2;
				if (down) {
					struct ifname name;
					struct agent a;
					size_t there;

					open_agent(&w, &a, STORE_WRITE);
					/* Without a tunnel, what is left leads nowhere else. */
					w.model.step = NULL;
					(void)agent_down(&a, &name, &there, &e);
					agent_close(&a);
				} else {
					(void)try_once(&w, &e);
				}
				hit = w.kern.n_ops >= at;
				w.kern.fail_at = 0;
				if (down) {
					take_down(&w, 0);
					assert_int_equal(w.model.n_rules, 0);
				} else {
					must_once(&w);
					assert_int_equal(w.model.n_rules, steps[i][1] ? 8 : 0);
				}
				world_release(&w);
			}
		}
	print_message("%u failures\n", tried);
	assert_true(tried > 60);
}

/* ---- main ---- */

static int make_top(void **unused)
{
	/* In memory where that can be had: each of the many updates below syncs its file system. */
	snprintf(top, sizeof(top), "%s/meshrc-agent.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	return mkdtemp(top) ? 0 : -1;
}

static int remove_one(const char *name, bool is_dir, void *arg)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (is_dir && os_list(AT_FDCWD, path, remove_one, path, NULL))
		return -1;
	return is_dir ? rmdir(path) : unlink(path);
}

static int remove_top(void **unused)
{
	return os_list(AT_FDCWD, top, remove_one, top, NULL) || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_nothing_to_in_force),
		cmocka_unit_test(only_what_changed_is_fetched),
		cmocka_unit_test(a_roamed_endpoint_stays),
		cmocka_unit_test(a_name_is_followed),
		cmocka_unit_test(drift_is_repaired),
		cmocka_unit_test(nothing_reachable),
		cmocka_unit_test(every_byte_of_a_manifest),
		cmocka_unit_test(manifests_that_are_refused),
		cmocka_unit_test(proof_of_equivocation_is_kept),
		cmocka_unit_test(documents_that_are_refused),
		cmocka_unit_test(pages_of_a_publisher_that_errs),
		cmocka_unit_test(a_publisher_key_is_replaced),
		cmocka_unit_test(roots_that_are_refused),
		cmocka_unit_test(many_roots),
		cmocka_unit_test(a_mirror_that_hides_a_root),
		cmocka_unit_test(a_damaged_root),
		cmocka_unit_test(mirrors),
		cmocka_unit_test(a_gateway),
		cmocka_unit_test(masquerading_before_peers),
		cmocka_unit_test(names_of_all),
		cmocka_unit_test(a_gateway_that_cannot),
		cmocka_unit_test(policy_before_and_after_peers),
		cmocka_unit_test(a_policy_alone),
		cmocka_unit_test(a_policy_that_nothing_tells_of),
		cmocka_unit_test(a_policy_that_cannot),
		cmocka_unit_test(a_policy_and_a_foreign_interface),
		cmocka_unit_test(a_policy_and_an_interface_that_cannot),
		cmocka_unit_test(removed_from_the_network),
		cmocka_unit_test(not_listed_is_not_removed),
		cmocka_unit_test(another_interface_name),
		cmocka_unit_test(removed_with_damaged_documents),
		cmocka_unit_test(endpoints_stay_while_something_else_fails),
		cmocka_unit_test(down_and_up),
		cmocka_unit_test(looking_changes_nothing),
		cmocka_unit_test(damaged_documents_are_fetched_again),
		cmocka_unit_test(both_slots_lost),
		cmocka_unit_test(a_wrong_clock),
		cmocka_unit_test(private_keys),
		cmocka_unit_test(another_key_than_the_published_one),
		cmocka_unit_test(pins),
		cmocka_unit_test(every_call_fails),
		cmocka_unit_test(killed_at_every_call),
		cmocka_unit_test(every_operation_fails),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(an_exit),
		cmocka_unit_test(where_servers_were),
		cmocka_unit_test(an_exit_of_another_network),
		cmocka_unit_test(an_exit_and_no_state),
		cmocka_unit_test(an_exit_in_anothers_place),
		cmocka_unit_test(an_exit_and_a_policy_that_cannot),
		cmocka_unit_test(every_operation_of_an_exit_fails),
	};

	return cmocka_run_group_tests_name("agent", tests, make_top, remove_top);
}
