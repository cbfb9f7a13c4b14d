/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/words.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/timefmt.h"
#include "publication/verify.h"

/* A slot has a fixed number of short lines. */
#define MAX_STATE (64u << 10)
#define MAX_SET (16u << 20)
#define MAX_REPORT (256u << 10)

static const char *const slot_names[2] = { "state.a", "state.b" };

struct store {
	int dir; /* STATE_DIR/NETWORK; -1: there is none (STORE_READ) */
	int objects;
	int lock;
	enum store_access access;
	char network[MAX_NAME + 1];
	int slot; /* the one that holds what was loaded or saved last; -1: none */
	uint64_t generation;
};

/* ---- text ---- */

static bool word_time(struct text *t, int64_t *ret)
{
	return word(t) && !time_parse(t->word, t->len, ret);
}

static bool word_ref(struct text *t, uint64_t max, uint64_t *ret_len, struct digest *ret)
{
	return word_number(t, max, ret_len) && *ret_len && word_digest(t, ret);
}

static bool is_dash(const struct text *t)
{
	return t->p && t->end - t->p == 1 && *t->p == '-';
}

static void add_time(struct buf *out, int64_t t)
{
	char text[TIME_STRLEN];

	buf_addc(out, ' ');
	buf_adds(out, time_print(t, text));
}

static void add_digest(struct buf *out, const struct digest *d)
{
	char hex[DIGEST_STRLEN];

	buf_addc(out, ' ');
	buf_adds(out, digest_print(d, hex));
}

static void add_number(struct buf *out, uint64_t n)
{
	buf_addf(out, " %llu", (unsigned long long)n);
}

/* ---- a slot ---- */

/* Only there when there is a table; the settings of the host are in agent/shared.h. */
static void encode_table(const struct host_record *r, struct buf *out)
{
	if (!r->has_table)
		return;
	buf_adds(out, "nftables");
	add_digest(out, &r->rules);
	add_digest(out, &r->listing);
	buf_addc(out, '\n');
}

/* "names HOSTS LINK", each "-" where there is nothing; the line only where there is something. */
static void encode_names(const struct names_record *r, struct buf *out)
{
	if (!names_record_empty(r))
		buf_addf(out, "names %s %s\n", r->hosts ? "hosts" : "-",
			 r->link.s[0] ? r->link.s : "-");
}

int state_encode(const struct state *s, struct buf *out)
{
	size_t start = out->len;
	char hex[2 * MESH_ID_LEN + 1];
	struct digest sum;
	size_t i;

	buf_adds(out, "meshrc state 1\ngeneration");
	add_number(out, s->generation);
	buf_addf(out, "\nnetwork %s\nmesh %s\nroot", s->network,
		 hex_print(s->mesh.b, MESH_ID_LEN, hex));
	if (s->root_version) {
		add_number(out, s->root_version);
		add_number(out, s->root_len);
		add_digest(out, &s->root);
	} else {
		buf_adds(out, " -");
	}
	buf_adds(out, "\nepoch");
	add_number(out, s->epoch);
	buf_addf(out, "\nformat %u\ntime-floor", s->format_floor);
	add_time(out, s->time_floor);
	buf_adds(out, "\namnesia");
	if (s->amnesia)
		add_time(out, s->amnesia);
	else
		buf_adds(out, " -");
	buf_adds(out, "\naccepted");
	if (s->accepted.serial) {
		add_number(out, s->accepted.serial);
		add_number(out, s->accepted.epoch);
		add_time(out, s->accepted.issued);
		add_time(out, s->accepted.since);
		add_number(out, s->accepted.len);
		add_digest(out, &s->accepted.manifest);
		add_digest(out, &s->accepted.set);
	} else {
		buf_adds(out, " -");
	}
	buf_adds(out, "\napplied");
	if (s->applied.serial) {
		add_number(out, s->applied.serial);
		add_time(out, s->applied.since);
		buf_addf(out, " %s", s->applied.interface.s);
		add_number(out, s->applied.len);
		add_digest(out, &s->applied.manifest);
		add_digest(out, &s->applied.set);
	} else {
		buf_adds(out, " -");
	}
	buf_addc(out, '\n');
	for (i = 0; i < s->n_pending; i++)
		buf_addf(out, "pending %s\n", s->pending[i].s);
	encode_names(&s->names, out);
	encode_table(&s->host, out);
	if (!buf_ok(out))
		return -1;
	digest_of(out->data + start, out->len - start, &sum);
	buf_adds(out, "checksum");
	add_digest(out, &sum);
	buf_addc(out, '\n');
	return buf_ok(out) ? 0 : -1;
}

static bool decode_root(struct text *t, struct state *s)
{
	if (is_dash(t))
		return true;
	return word_number(t, UINT64_MAX, &s->root_version) && s->root_version &&
	       word_ref(t, MAX_ROOT_DOC, &s->root_len, &s->root);
}

static bool decode_accepted(struct text *t, struct accepted *a)
{
	if (is_dash(t))
		return true;
	return word_number(t, UINT64_MAX, &a->serial) && a->serial &&
	       word_number(t, UINT64_MAX, &a->epoch) && word_time(t, &a->issued) &&
	       word_time(t, &a->since) && word_ref(t, MAX_MANIFEST, &a->len, &a->manifest) &&
	       word_digest(t, &a->set);
}

static bool decode_applied(struct text *t, struct applied *a)
{
	if (is_dash(t))
		return true;
	return word_number(t, UINT64_MAX, &a->serial) && a->serial && word_time(t, &a->since) &&
	       word(t) && !ifname_parse(t->word, t->len, &a->interface) &&
	       word_ref(t, MAX_MANIFEST, &a->len, &a->manifest) && word_digest(t, &a->set);
}

/* The lines right behind `applied`; *at stays at the first that is none of them. */
static bool decode_pending(const char *data, size_t len, size_t *at, struct state *s)
{
	size_t next = *at;
	struct text t;

	while (next_line(&t, data, len, &next) && word_is(&t, "pending")) {
		if (s->n_pending == MAX_PENDING_LINKS || !s->applied.serial || !word(&t) ||
		    ifname_parse(t.word, t.len, &s->pending[s->n_pending]) < 0)
			return false;
		if (s->n_pending &&
		    strcmp(s->pending[s->n_pending - 1].s, s->pending[s->n_pending].s) >= 0)
			return false;
		s->n_pending++;
		*at = next;
	}
	return true;
}

/* The line behind `applied`, if it is there. */
static bool decode_names(const char *data, size_t len, size_t *at, struct names_record *r)
{
	struct text t = { 0 };
	size_t next = *at;

	if (!next_line(&t, data, len, &next) || !word_is(&t, "names"))
		return true;
	*at = next;
	if (!word(&t))
		return false;
	r->hosts = t.len == 5;
	return is_dash(&t) || (t.p && !ifname_parse(t.p, (size_t)(t.end - t.p), &r->link));
}

/* The line behind it, if it is there. */
static bool decode_table(struct text *t, const char *data, size_t len, size_t *at,
			 struct host_record *r)
{
	if (!next_line(t, data, len, at))
		return false;
	if (!word_is(t, "nftables"))
		return true;
	r->has_table = true;
	return word_digest(t, &r->rules) && word_digest(t, &r->listing);
}

static bool decode_state(const char *data, size_t len, const char *network, struct state *s)
{
	struct text t = { 0 };
	uint64_t number;
	size_t at = 0;

	*s = (struct state){ .network = network };
	if (!next_line(&t, data, len, &at) || !word_is(&t, "meshrc") || !word_is(&t, "state") ||
	    !word_is(&t, "1"))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "generation") ||
	    !word_number(&t, UINT64_MAX - 1, &s->generation))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "network") || !word_is(&t, network))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "mesh") || !word(&t) ||
	    hex_parse(t.word, t.len, s->mesh.b, MESH_ID_LEN) < 0)
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "root") || !decode_root(&t, s))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "epoch") ||
	    !word_number(&t, UINT64_MAX, &s->epoch))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "format") ||
	    !word_number(&t, UINT32_MAX, &number))
		return false;
	s->format_floor = (unsigned int)number;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "time-floor") ||
	    !word_time(&t, &s->time_floor))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "amnesia") ||
	    (!is_dash(&t) && !word_time(&t, &s->amnesia)))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "accepted") ||
	    !decode_accepted(&t, &s->accepted))
		return false;
	return next_line(&t, data, len, &at) && word_is(&t, "applied") &&
	       decode_applied(&t, &s->applied) && decode_pending(data, len, &at, s) &&
	       decode_names(data, len, &at, &s->names) &&
	       decode_table(&t, data, len, &at, &s->host);
}

int state_decode(const char *data, size_t len, const char *network, struct state *ret,
		 struct err *e)
{
	struct state s;
	struct buf again;
	bool same;

	buf_init(&again, MAX_STATE);
	same = decode_state(data, len, network, &s) && !state_encode(&s, &again) &&
	       again.len == len && !memcmp(again.data, data, len);
	buf_release(&again);
	if (!same)
		return err_set(e, ERR_INPUT, "not a whole state of network %s", network);
	*ret = s;
	return 0;
}

/* ---- a set ---- */

int set_entry_cmp(const struct set_entry *a, const struct set_entry *b)
{
	if (a->index != b->index)
		return a->index ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	return digest_cmp(&a->ref.hash, &b->ref.hash);
}

int set_encode(const struct set *s, struct buf *out)
{
	size_t i;

	buf_addf(out, "meshrc set 1\ngone %s\n", s->gone ? "yes" : "no");
	for (i = 0; i < s->n; i++) {
		const struct set_entry *x = &s->entries[i];

		buf_addf(out, "%s %s", x->index ? "index" : "page", table_name(x->table));
		add_number(out, x->ref.len);
		add_digest(out, &x->ref.hash);
		buf_addc(out, '\n');
	}
	return buf_ok(out) ? 0 : -1;
}

static bool decode_entry(struct text *t, struct set_entry *x)
{
	unsigned int table;

	if (!word(t))
		return false;
	x->index = t->len == 5;
	if (!word(t))
		return false;
	for (table = 0; table < N_TABLES; table++)
		if (t->len == strlen(table_name(table)) &&
		    !memcmp(t->word, table_name(table), t->len))
			break;
	if (table == N_TABLES)
		return false;
	x->table = (enum table)table;
	return word_ref(t, x->index ? MAX_INDEX : MAX_PAGE, &x->ref.len, &x->ref.hash);
}

int set_decode(const char *data, size_t len, struct arena *a, struct set *ret, struct err *e)
{
	struct set s = { 0 };
	struct text t = { 0 };
	struct buf again;
	size_t at = 0;
	bool same;

	if (!next_line(&t, data, len, &at) || !word_is(&t, "meshrc") || !word_is(&t, "set") ||
	    !word_is(&t, "1") || !next_line(&t, data, len, &at) || !word_is(&t, "gone") ||
	    !word(&t))
		goto bad;
	s.gone = t.len == 3;
	while (next_line(&t, data, len, &at)) {
		struct set_entry *grown = arena_grow(a, s.entries, s.n, sizeof(*grown));

		if (!grown)
			return err_nomem(e);
		s.entries = grown;
		if (!decode_entry(&t, &s.entries[s.n]) ||
		    (s.n && set_entry_cmp(&s.entries[s.n - 1], &s.entries[s.n]) >= 0))
			goto bad;
		s.n++;
	}
	buf_init(&again, MAX_SET);
	same = !set_encode(&s, &again) && again.len == len && !memcmp(again.data, data, len);
	buf_release(&again);
	if (!same)
		goto bad;
	*ret = s;
	return 0;
bad:
	return err_set(e, ERR_INPUT, "not a list of documents");
}

/* ---- the report ---- */

/* Text from outside on a line of its own: whatever would end the line becomes a blank. */
static void add_rest(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_addc(out, (unsigned char)*s < 0x20 ? ' ' : *s);
	buf_addc(out, '\n');
}

int report_encode(const struct report *r, struct buf *out)
{
	char at[IPADDR_STRLEN];
	size_t i, k;

	buf_adds(out, "meshrc report 1\n");
	if (r->checked) {
		buf_adds(out, "checked");
		add_time(out, r->checked);
		buf_addc(out, '\n');
	}
	if (r->fresh) {
		buf_adds(out, "fresh");
		add_time(out, r->fresh);
		buf_addc(out, '\n');
	}
	if (r->error) {
		buf_adds(out, "error ");
		add_rest(out, r->error);
	}
	for (i = 0; i < r->n_urls; i++) {
		buf_adds(out, "url ");
		add_rest(out, r->urls[i].url);
		if (r->urls[i].etag) {
			buf_adds(out, "etag");
			add_digest(out, &r->urls[i].manifest);
			buf_addc(out, ' ');
			add_rest(out, r->urls[i].etag);
		}
		if (r->urls[i].error) {
			buf_adds(out, "url-error ");
			add_rest(out, r->urls[i].error);
		}
		for (k = 0; k < r->urls[i].reached.n; k++)
			buf_addf(out, "reached %s\n",
				 ipaddr_print(&r->urls[i].reached.list[k], at));
	}
	return buf_ok(out) ? 0 : -1;
}

static const char *rest(struct text *t, struct arena *a)
{
	const char *p;

	/* report_encode writes no control byte, so a line that has one is damaged. */
	for (p = t->p; p && p < t->end; p++)
		if ((unsigned char)*p < 0x20)
			return NULL;
	return t->p && t->p < t->end ? arena_strndup(a, t->p, (size_t)(t->end - t->p)) : NULL;
}

void report_decode(const char *data, size_t len, struct arena *a, struct report *ret)
{
	struct report_url *u = NULL;
	struct text t = { 0 };
	size_t at = 0;

	*ret = (struct report){ 0 };
	if (!next_line(&t, data, len, &at) || !word_is(&t, "meshrc") || !word_is(&t, "report") ||
	    !word_is(&t, "1"))
		return;
	while (next_line(&t, data, len, &at)) {
		struct text line = t;

		if (word_is(&line, "checked"))
			(void)word_time(&line, &ret->checked);
		else if (line = t, word_is(&line, "fresh"))
			(void)word_time(&line, &ret->fresh);
		else if (line = t, word_is(&line, "error"))
			ret->error = rest(&line, a);
		else if (line = t, word_is(&line, "url") && ret->n_urls < MAX_MIRRORS) {
			const char *url = rest(&line, a);

			u = url ? &ret->urls[ret->n_urls++] : NULL;
			if (u)
				u->url = url;
		} else if (line = t, u && word_is(&line, "etag")) {
			if (word_digest(&line, &u->manifest))
				u->etag = rest(&line, a);
		} else if (line = t, u && word_is(&line, "url-error")) {
			u->error = rest(&line, a);
		} else if (line = t, u && word_is(&line, "reached") && u->reached.n < MAX_REACHED &&
					     word(&line) &&
					     !ipaddr_parse(line.word, line.len,
							   &u->reached.list[u->reached.n])) {
			u->reached.n++;
		}
	}
}

/* ---- the folder ---- */

/* Who may write to our folder may choose what we believe. */
static int check_folder(int fd, const char *what, struct err *e)
{
	struct stat st;

	if (os_sys.fstat(fd, &st) < 0)
		return err_errno(e, "cannot stat the state folder %s", what);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(
			e, ERR_INPUT,
			"the state folder %s belongs to user %u: chown it to the user that runs the agent",
			what, (unsigned int)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERR_INPUT,
			       "the state folder %s may be written by others: chmod go-w it", what);
	return 0;
}

static int open_folders(struct store *s, const char *state_dir, const char *network, struct err *e)
{
	int base, r = -1;

	if (s->access == STORE_WRITE && os_mkdir_p(AT_FDCWD, state_dir, 0700, e) < 0)
		return -1;
	base = os_open_dir(AT_FDCWD, state_dir, e);
	if (base < 0)
		return -1;
	if (check_folder(base, state_dir, e) < 0)
		goto out;
	if (s->access == STORE_WRITE && os_mkdir_p(base, network, 0700, e) < 0)
		goto out;
	s->dir = os_open_dir(base, network, e);
	if (s->dir < 0 || check_folder(s->dir, network, e) < 0)
		goto out;
	if (s->access == STORE_WRITE && os_mkdir_p(s->dir, "objects", 0700, e) < 0)
		goto out;
	s->objects = os_open_dir(s->dir, "objects", e);
	r = s->objects < 0 ? -1 : 0;
out:
	os_close(base);
	return r;
}

/* Temporary files that a killed write left. We hold the lock, so nobody is writing them. */
static int sweep_temporary(const char *name, bool is_dir, void *arg)
{
	static const char *const ours[] = { "state.a.", "state.b.", "report.", "equivocation." };
	struct store *s = arg;
	size_t len = strlen(name), i;

	if (is_dir || len < 4 || strcmp(name + len - 4, ".tmp") != 0)
		return 0;
	for (i = 0; i < ARRAY_LEN(ours); i++)
		/* One that cannot go costs a few bytes, and no more. */
		if (!strncmp(name, ours[i], strlen(ours[i])) && os_unlink(s->dir, name, NULL) < 0)
			break;
	return 0;
}

int store_open(const char *state_dir, const char *network, enum store_access access,
	       struct store **ret, struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	struct err why = { 0 };

	if (!s)
		return err_nomem(e);
	s->dir = s->objects = s->lock = s->slot = -1;
	s->access = access;
	snprintf(s->network, sizeof(s->network), "%s", network);
	if (open_folders(s, state_dir, network, &why) < 0) {
		/* Nothing there yet is an empty store to who only reads. */
		if (access == STORE_READ && why.class == ERR_NOENT)
			goto done;
		goto fail;
	}
	if (access == STORE_WRITE) {
		s->lock = os_lock(s->dir, "lock", false, &why);
		if (s->lock < 0) {
			if (why.class == ERR_CONFLICT)
				err_set(&why, ERR_CONFLICT,
					"another meshrc-agent works on network %s (it holds %s/%s/lock); stop it first, or let it "
					"do the work",
					network, state_dir, network);
			goto fail;
		}
		if (os_list(s->dir, ".", sweep_temporary, s, &why))
			goto fail;
	}
done:
	*ret = s;
	return 0;
fail:
	if (e)
		*e = why;
	store_close(s);
	return -1;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	os_close(s->objects);
	os_close(s->dir);
	os_close(s->lock);
	free(s);
}

/* 1: *ret is filled; 0: no such slot; -1: there is one and it cannot be used, or (*ret_unreadable)
 * not be read now. */
static int load_slot(struct store *s, int slot, struct state *ret, bool *ret_unreadable,
		     struct err *e)
{
	struct err why = { 0 };
	struct buf text;
	int r = -1;

	buf_init(&text, MAX_STATE + 1);
	if (os_read_file(s->dir, slot_names[slot], MAX_STATE, &text, &why) < 0) {
		r = why.class == ERR_NOENT ? 0 : -1;
		*ret_unreadable |= why.class == ERR_IO || why.class == ERR_NOMEM;
	} else if (!state_decode(text.data, text.len, s->network, ret, &why)) {
		r = 1;
	}
	buf_release(&text);
	if (r < 0 && e)
		*e = why;
	return r;
}

int store_load(struct store *s, int64_t now, struct state *ret, bool *ret_lost, struct err *e)
{
	struct state slots[2];
	struct err why = { 0 }, unreadable_why = { 0 };
	bool unreadable = false, damaged = false;
	int i, best = -1;

	*ret_lost = false;
	for (i = 0; i < 2 && s->dir >= 0; i++) {
		bool now_unreadable = false;
		int r = load_slot(s, i, &slots[i], &now_unreadable, &why);

		damaged |= r < 0;
		if (now_unreadable) {
			unreadable = true;
			unreadable_why = why;
		}
		if (r > 0 && (best < 0 || slots[i].generation > slots[best].generation))
			best = i;
	}
	/* A slot that the disk does not give now may come back, and may hold the newer floors: that
	 * is no reason to begin anew, or to go on from the older ones. */
	if (unreadable) {
		if (e)
			*e = unreadable_why;
		return err_prefix(
			e,
			"cannot read the state; mend the disk, or take the unreadable file away to go on from the other copy");
	}
	if (best < 0) {
		*ret_lost = damaged;
		*ret = (struct state){ .network = s->network, .amnesia = damaged ? now : 0 };
		s->slot = -1;
		s->generation = 0;
		return 0;
	}
	*ret = slots[best];
	ret->network = s->network;
	s->slot = best;
	s->generation = ret->generation;
	return 0;
}

int store_save(struct store *s, struct state *state, struct err *e)
{
	int slot = s->slot == 0 ? 1 : 0, r = -1;
	struct state next = *state;
	struct buf text;

	if (s->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "the state was opened for reading only");
	next.generation = s->generation + 1;
	buf_init(&text, MAX_STATE);
	if (state_encode(&next, &text) < 0)
		err_set(e, ERR_LIMIT, "the state does not fit into %d bytes", MAX_STATE);
	else if (!os_sync_dir(s->objects, e) &&
		 !os_replace(s->dir, slot_names[slot], text.data, text.len, 0600, e)) {
		s->slot = slot;
		s->generation = state->generation = next.generation;
		r = 0;
	}
	buf_release(&text);
	return r < 0 ? err_prefix(e, "cannot save the state") : 0;
}

/* ---- objects ---- */

int store_get(struct store *s, const struct document_ref *ref, struct buf *out, struct err *e)
{
	char hex[DIGEST_STRLEN];
	size_t start = out->len;

	digest_print(&ref->hash, hex);
	if (s->objects < 0)
		return err_set(e, ERR_NOENT, "no stored documents");
	if (os_read_file(s->objects, hex, ref->len, out, e) < 0) {
		out->len = start;
		if (e && e->class != ERR_NOMEM)
			e->class = ERR_NOENT;
		return -1;
	}
	if (verify_document(ref, out->data + start, out->len - start, e) < 0) {
		out->len = start;
		if (e)
			e->class = ERR_NOENT;
		return err_prefix(e, "the stored document %s is damaged", hex);
	}
	return 0;
}

int store_put(struct store *s, const void *data, size_t len, struct digest *ret, struct err *e)
{
	char hex[DIGEST_STRLEN];
	struct document_ref ref;
	struct buf old;
	bool there;

	digest_of(data, len, &ref.hash);
	ref.len = len;
	*ret = ref.hash;
	if (s->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "the state was opened for reading only");
	buf_init(&old, len + 1);
	there = !store_get(s, &ref, &old, NULL);
	buf_release(&old);
	/* No fsync here: store_save makes them durable together, before the slot that names them.
	 */
	return there ? 0 :
		       os_write_file(s->objects, digest_print(&ref.hash, hex), data, len, 0600, e);
}

struct keep {
	struct arena arena;
	struct digest *list;
	size_t n;
};

static int cmp_digests(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

static int keep(struct keep *k, const struct digest *d, struct err *e)
{
	struct digest *grown = arena_grow(&k->arena, k->list, k->n, sizeof(*grown));

	if (!grown)
		return err_nomem(e);
	k->list = grown;
	k->list[k->n++] = *d;
	return 0;
}

/* A set's own entry does not say its length, so any length up to the maximum will do. */
static int read_set(struct store *s, const struct digest *hash, struct arena *a, struct set *ret,
		    struct err *e)
{
	char hex[DIGEST_STRLEN];
	struct digest sum;
	struct buf text;
	int r;

	buf_init(&text, MAX_SET + 1);
	r = os_read_file(s->objects, digest_print(hash, hex), MAX_SET, &text, e);
	if (!r) {
		digest_of(text.data, text.len, &sum);
		r = digest_cmp(&sum, hash) ?
			    err_set(e, ERR_NOENT, "the stored list %s is damaged", hex) :
			    set_decode(text.data, text.len, a, ret, e);
	}
	buf_release(&text);
	return r;
}

int store_get_set(struct store *s, const struct digest *hash, struct arena *a, struct set *ret,
		  struct err *e)
{
	return s->objects < 0 ? err_set(e, ERR_NOENT, "no stored documents") :
				read_set(s, hash, a, ret, e);
}

static int keep_set(struct store *s, struct keep *k, const struct digest *manifest,
		    const struct digest *hash, struct err *e)
{
	struct set set;
	size_t i;

	if (keep(k, manifest, e) < 0 || keep(k, hash, e) < 0)
		return -1;
	/* A damaged list keeps nothing: what it named is fetched again. */
	if (read_set(s, hash, &k->arena, &set, NULL) < 0)
		return 0;
	for (i = 0; i < set.n; i++)
		if (keep(k, &set.entries[i].ref.hash, e) < 0)
			return -1;
	return 0;
}

static int keep_state(struct store *s, struct keep *k, const struct state *state, struct err *e)
{
	if (state->root_version && keep(k, &state->root, e) < 0)
		return -1;
	if (state->accepted.serial &&
	    keep_set(s, k, &state->accepted.manifest, &state->accepted.set, e) < 0)
		return -1;
	if (state->applied.serial &&
	    keep_set(s, k, &state->applied.manifest, &state->applied.set, e) < 0)
		return -1;
	return 0;
}

static int keep_slot(struct store *s, struct keep *k, int slot, struct err *e)
{
	bool unreadable = false;
	struct state state;
	int r = load_slot(s, slot, &state, &unreadable, e);

	if (unreadable)
		return -1;
	return r > 0 ? keep_state(s, k, &state, e) : 0;
}

struct sweep {
	struct store *store;
	struct keep *keep;
	struct err *err;
};

static int sweep_one(const char *name, bool is_dir, void *arg)
{
	struct sweep *w = arg;
	struct digest d;

	if (is_dir)
		return 0;
	/* What is not named by a hash is a temporary file that a crash left: we hold the lock, so
	 * nobody is writing it. */
	if (!digest_parse(name, strlen(name), &d) && w->keep->n &&
	    bsearch(&d, w->keep->list, w->keep->n, sizeof(d), cmp_digests))
		return 0;
	return os_unlink(w->store->objects, name, w->err);
}

int store_collect(struct store *s, const struct state *now, struct err *e)
{
	struct sweep w = { .store = s, .err = e };
	struct keep k = { 0 };
	int r = -1;

	arena_init(&k.arena);
	w.keep = &k;
	if (keep_slot(s, &k, 0, e) < 0 || keep_slot(s, &k, 1, e) < 0 ||
	    keep_state(s, &k, now, e) < 0)
		goto out;
	if (k.n)
		qsort(k.list, k.n, sizeof(*k.list), cmp_digests);
	r = os_list(s->objects, ".", sweep_one, &w, e);
out:
	arena_release(&k.arena);
	return r;
}

/* ---- the rest ---- */

int store_report(struct store *s, const struct report *r, struct err *e)
{
	struct buf text;
	int ret;

	buf_init(&text, MAX_REPORT);
	ret = report_encode(r, &text) < 0 ?
		      err_set(e, ERR_LIMIT, "the report is too long") :
		      os_write_file(s->dir, "report", text.data, text.len, 0600, e);
	buf_release(&text);
	return ret;
}

int store_report_load(struct store *s, struct arena *a, struct report *ret)
{
	struct buf text;
	int r;

	*ret = (struct report){ 0 };
	if (s->dir < 0)
		return -1;
	buf_init(&text, MAX_REPORT + 1);
	r = os_read_file(s->dir, "report", MAX_REPORT, &text, NULL);
	if (!r)
		report_decode(text.data, text.len, a, ret);
	buf_release(&text);
	return r;
}

int store_equivocation(struct store *s, const void *data, size_t len, struct err *e)
{
	return os_replace(s->dir, "equivocation", data, len, 0600, e);
}
