/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/shared.h"

#include <fcntl.h>

#include "agent/words.h"
#include "common/os_file.h"
#include "publication/gateway.h"

/* Short lines, one for each setting and each user. */
#define MAX_SHARED (256u << 10)
/* Others hold the lock for as long as it takes to write a few settings. */
#define LOCK_SECONDS 10
#define LOCK "host_lock"

/* ---- text ---- */

static const char *families_print(unsigned int families)
{
	static const char *const words[] = { "", "4", "6", "46" };

	return words[!!(families & GATEWAY_IPV4) + 2 * !!(families & GATEWAY_IPV6)];
}

static unsigned int families_parse(const char *s, size_t len)
{
	unsigned int f;

	for (f = 1; f <= (GATEWAY_IPV4 | GATEWAY_IPV6); f++)
		if (strlen(families_print(f)) == len && !memcmp(families_print(f), s, len))
			return f;
	return 0;
}

int shared_encode(const struct shared *s, struct buf *out)
{
	size_t start = out->len, i;
	char name[SYSCTL_STRLEN], hex[DIGEST_STRLEN];
	struct digest sum;

	buf_addf(out, "meshrc host 1\nboot %s\n", s->record.boot);
	for (i = 0; i < s->n_users; i++)
		buf_addf(out, "user %s %s %s\n", s->users[i].network, s->users[i].interface.s,
			 families_print(s->users[i].families));
	for (i = 0; i < s->record.n; i++)
		buf_addf(out, "sysctl %s %u %u\n", sysctl_print(&s->record.changes[i].sysctl, name),
			 s->record.changes[i].before, s->record.changes[i].set);
	if (!buf_ok(out))
		return -1;
	digest_of(out->data + start, out->len - start, &sum);
	buf_addf(out, "checksum %s\n", digest_print(&sum, hex));
	return buf_ok(out) ? 0 : -1;
}

static bool decode_user(struct text *t, struct shared *s)
{
	struct shared_user *u = &s->users[s->n_users];

	if (s->n_users == MAX_SHARED_USERS || !word(t) || !name_is_valid(t->word, t->len))
		return false;
	memcpy(u->network, t->word, t->len);
	if (!word(t) || ifname_parse(t->word, t->len, &u->interface) < 0 || !word(t))
		return false;
	u->families = families_parse(t->word, t->len);
	return u->families && (!s->n_users++ || strcmp(u[-1].network, u->network) < 0);
}

static bool decode_sysctl(struct text *t, struct host_record *r)
{
	struct host_change *c = &r->changes[r->n];
	uint64_t before, set;

	if (r->n == MAX_HOST_CHANGES || !word(t) || sysctl_parse(t->word, t->len, &c->sysctl) < 0 ||
	    !word_number(t, UINT32_MAX, &before) || !word_number(t, UINT32_MAX, &set))
		return false;
	c->before = (uint32_t)before;
	c->set = (uint32_t)set;
	return !r->n++ || sysctl_cmp(&r->changes[r->n - 2].sysctl, &c->sysctl) < 0;
}

static bool decode(const char *data, size_t len, struct shared *s)
{
	struct text t = { 0 }, line;
	size_t at = 0;

	if (!next_line(&t, data, len, &at) || !word_is(&t, "meshrc") || !word_is(&t, "host") ||
	    !word_is(&t, "1"))
		return false;
	if (!next_line(&t, data, len, &at) || !word_is(&t, "boot") || !word(&t) ||
	    !boot_id_is_valid(t.word, t.len))
		return false;
	memcpy(s->record.boot, t.word, t.len);
	while (next_line(&t, data, len, &at)) {
		line = t;
		if (word_is(&line, "checksum"))
			return true;
		line = t;
		if (word_is(&line, "user")) {
			if (!decode_user(&line, s))
				return false;
			continue;
		}
		if (!word_is(&t, "sysctl") || !decode_sysctl(&t, &s->record))
			return false;
	}
	return false;
}

int shared_decode(const char *data, size_t len, struct shared *ret, struct err *e)
{
	struct shared *s = calloc(1, sizeof(*s));
	struct buf again;
	bool good;

	if (!s)
		return err_nomem(e);
	buf_init(&again, MAX_SHARED);
	good = decode(data, len, s) && !shared_encode(s, &again) && again.len == len &&
	       !memcmp(again.data, data, len);
	buf_release(&again);
	if (good)
		*ret = *s;
	free(s);
	return good ? 0 :
		      err_set(e, ERR_INPUT,
			      "the record of what was changed on the host is damaged");
}

/* ---- the file ---- */

static int name_of_file(char *ret, size_t size, struct err *e)
{
	struct err why = { 0 };
	uint64_t number = 0;

	/* A kernel without namespaces has one. */
	if (os_file_number(AT_FDCWD, "/proc/self/ns/net", &number, &why) < 0 &&
	    why.class != ERR_NOENT) {
		if (e)
			*e = why;
		return -1;
	}
	snprintf(ret, size, "host_%llu", (unsigned long long)number);
	return 0;
}

/* 1: *ret is filled; 0: there is nothing; ERR_INPUT: it is damaged. */
static int read_file(int dir, const char *name, struct shared *ret, struct err *e)
{
	struct err why = { 0 };
	struct buf text;
	int r;

	buf_init(&text, MAX_SHARED + 1);
	r = os_read_nofollow(dir, name, MAX_SHARED, &text, &why);
	if (!r)
		r = shared_decode(text.data, text.len, ret, &why);
	buf_release(&text);
	if (!r)
		return 1;
	if (why.class == ERR_NOENT)
		return 0;
	if (e)
		*e = why;
	return -1;
}

static struct shared_user *find_user(struct shared *s, const char *network)
{
	size_t i;

	for (i = 0; i < s->n_users; i++)
		if (!strcmp(s->users[i].network, network))
			return &s->users[i];
	return NULL;
}

/* Without a lock: who is listed stays so until it takes itself off the list. */
static int peek(const char *state_dir, struct shared *ret, struct err *e)
{
	struct err why = { 0 };
	char name[32];
	int dir = os_open_dir(AT_FDCWD, state_dir, &why), r;

	if (dir < 0) {
		if (why.class == ERR_NOENT)
			return 0;
		if (e)
			*e = why;
		return -1;
	}
	r = name_of_file(name, sizeof(name), e) < 0 ? -1 : read_file(dir, name, ret, e);
	os_close(dir);
	return r;
}

bool shared_concerned(const char *state_dir, const char *network, const struct host_wanted *wanted)
{
	struct shared *s;
	bool r = true;

	/* The settings are not looked at. */
	if (wanted->table_alone)
		return false;
	if (wanted->families)
		return true;
	s = calloc(1, sizeof(*s));
	/* Whatever keeps us from knowing is told by shared_begin. */
	if (s)
		r = peek(state_dir, s, NULL) != 0 && (!s->record.boot[0] || find_user(s, network));
	free(s);
	return r;
}

int shared_peek(const char *state_dir, const char *network, struct host_record *record,
		struct err *e)
{
	struct shared *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(e);
	r = peek(state_dir, s, e);
	if (r > 0 && find_user(s, network)) {
		memcpy(record->boot, s->record.boot, sizeof(record->boot));
		memcpy(record->changes, s->record.changes, sizeof(record->changes));
		record->n = s->record.n;
	}
	free(s);
	return r < 0 ? -1 : 0;
}

/* ---- who needs what ---- */

static void drop_user(struct shared *s, struct shared_user *u)
{
	size_t at = (size_t)(u - s->users);

	s->n_users--;
	memmove(u, u + 1, (s->n_users - at) * sizeof(*u));
}

static int put_user(struct shared *s, const char *network, const struct host_wanted *wanted,
		    struct err *e)
{
	struct shared_user *u = find_user(s, network);
	size_t at = 0;

	if (!u) {
		if (s->n_users == MAX_SHARED_USERS)
			return err_set(e, ERR_LIMIT, "more than %d networks share this host",
				       MAX_SHARED_USERS);
		while (at < s->n_users && strcmp(s->users[at].network, network) < 0)
			at++;
		u = &s->users[at];
		memmove(u + 1, u, (s->n_users - at) * sizeof(*u));
		s->n_users++;
		*u = (struct shared_user){ .families = 0 };
		snprintf(u->network, sizeof(u->network), "%s", network);
	}
	u->interface = wanted->interface;
	u->families = wanted->families;
	return 0;
}

static int drop_vanished(struct shared_run *x, struct host *h, struct arena *a, struct err *e)
{
	struct host_interface *list;
	size_t n, i, j;

	if (!x->now.n_users)
		return 0;
	if (h->ops->interfaces(h, 4, a, &list, &n, e) < 0)
		return -1;
	for (i = x->now.n_users; i-- > 0;) {
		struct shared_user *u = &x->now.users[i];

		for (j = 0; j < n && strcmp(list[j].name, u->interface.s) != 0; j++)
			;
		if (j == n && strcmp(u->network, x->network) != 0)
			drop_user(&x->now, u);
	}
	return 0;
}

static void join(struct shared_run *x)
{
	size_t i;

	for (i = 0; i < x->now.n_users; i++)
		if (strcmp(x->now.users[i].network, x->network) != 0)
			x->wanted.families |= x->now.users[i].families;
	memcpy(x->record.boot, x->now.record.boot, sizeof(x->record.boot));
	memcpy(x->record.changes, x->now.record.changes, sizeof(x->record.changes));
	x->record.n = x->now.record.n;
}

static int load(struct shared_run *x, struct host *h, struct err *e)
{
	char boot[BOOT_ID_LEN + 1];
	struct err why = { 0 };

	if (read_file(x->dir, x->name, &x->disk, &why) < 0) {
		if (why.class != ERR_INPUT && why.class != ERR_LIMIT) {
			*e = why;
			return -1;
		}
		/* What was before is not known any more; who needs it says so again. */
		x->damaged = true;
	}
	if (h->ops->boot(h, boot, e) < 0)
		return -1;
	x->now = x->disk;
	if (strcmp(x->now.record.boot, boot) != 0) {
		x->now.record = (struct host_record){ .n = 0 };
		x->now.n_users = 0;
		memcpy(x->now.record.boot, boot, sizeof(boot));
	}
	return 0;
}

int shared_begin(struct shared_run *x, struct host *h, const char *state_dir, const char *network,
		 const struct host_wanted *wanted, const struct host_record *table, bool dry,
		 struct arena *a, struct err *e)
{
	struct err why = { 0 };

	*x = (struct shared_run){ .network = network,
				  .wanted = *wanted,
				  .record = *table,
				  .own_families = wanted->families,
				  .dir = -1,
				  .lock = -1 };
	if (!shared_concerned(state_dir, network, wanted))
		return 0;
	x->dir = os_open_dir(AT_FDCWD, state_dir, &why);
	if (x->dir < 0 && !(dry && why.class == ERR_NOENT)) {
		*e = why;
		return -1;
	}
	if (name_of_file(x->name, sizeof(x->name), e) < 0)
		return -1;
	if (!dry) {
		x->lock = os_lock_shared(x->dir, LOCK, LOCK_SECONDS, e);
		if (x->lock < 0)
			return -1;
	}
	if ((x->dir >= 0 && load(x, h, e) < 0) || drop_vanished(x, h, a, e) < 0)
		return -1;
	if (wanted->families && put_user(&x->now, network, wanted, e) < 0)
		return -1;
	join(x);
	return 0;
}

static bool same(const struct shared *a, const struct shared *b)
{
	size_t i;

	if (!host_record_equal(&a->record, &b->record) || a->n_users != b->n_users)
		return false;
	for (i = 0; i < a->n_users; i++)
		if (strcmp(a->users[i].network, b->users[i].network) != 0 ||
		    strcmp(a->users[i].interface.s, b->users[i].interface.s) != 0 ||
		    a->users[i].families != b->users[i].families)
			return false;
	return true;
}

static int write_file(struct shared_run *x, struct err *e)
{
	struct buf text;
	int r;

	/* Where nothing was changed, nobody has anything to put back. */
	if (!x->now.record.n) {
		if (!x->disk.record.n && !x->damaged)
			return 0;
		if (os_unlink(x->dir, x->name, e) < 0)
			return -1;
		x->disk = (struct shared){ .n_users = 0 };
		x->damaged = false;
		return 0;
	}
	if (same(&x->now, &x->disk) && !x->damaged)
		return 0;
	buf_init(&text, MAX_SHARED);
	r = shared_encode(&x->now, &text) < 0 ?
		    err_nomem(e) :
		    os_replace(x->dir, x->name, text.data, text.len, 0600, e);
	buf_release(&text);
	if (!r) {
		x->disk = x->now;
		x->damaged = false;
	}
	return r;
}

int shared_save(struct shared_run *x, const struct host_record *r, struct err *e)
{
	if (x->dir < 0)
		return 0;
	memcpy(x->now.record.changes, r->changes, sizeof(r->changes));
	x->now.record.n = r->n;
	return write_file(x, e);
}

int shared_end(struct shared_run *x, bool done, struct err *e)
{
	struct shared_user *me;
	int r = 0;

	if (x->lock >= 0 && done) {
		me = find_user(&x->now, x->network);
		if (me && !x->own_families)
			drop_user(&x->now, me);
		r = write_file(x, e);
	}
	os_close(x->lock);
	os_close(x->dir);
	x->lock = x->dir = -1;
	return r;
}
