/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/accept.h"

#include "common/limits.h"
#include "common/timefmt.h"

typedef unsigned long long ull;

struct moment accept_moment(int64_t clock, int64_t time_floor)
{
	int64_t floor = time_floor > RELEASE_TIME ? time_floor : RELEASE_TIME;

	return (struct moment){ .t = clock > floor ? clock : floor, .behind = clock < floor };
}

int accept_pin(const struct root *pin, const struct digest *pin_hash, const struct state *s,
	       bool *ret_use_pin, struct err *e)
{
	if (s->root_version && memcmp(&pin->mesh, &s->mesh, sizeof(pin->mesh)) != 0)
		return err_refuse(
			e, "BAD-ROOT",
			"the pinned root is of another mesh than the stored state: use another state folder for it, or "
			"move the old one away");
	if (s->root_version && pin->version == s->root_version && digest_cmp(pin_hash, &s->root))
		return err_refuse(
			e, "BAD-ROOT",
			"the pinned root has version %llu like the stored one, but other bytes: one of them is not genuine",
			(ull)pin->version);
	if (s->root_version && pin->version > s->root_version &&
	    (pin->epoch < s->epoch || pin->min_format < s->format_floor))
		return err_refuse(e, "BAD-ROOT",
				  "the pinned root goes back behind the stored epoch or format");
	*ret_use_pin = pin->version > s->root_version;
	return 0;
}

void accept_root(const struct root *r, uint64_t len, const struct digest *hash, struct state *s)
{
	/* Only the offline root keys can raise the epoch: what a stolen publisher key did to the
	 * floors ends with it. */
	if (r->epoch > s->epoch) {
		s->time_floor = RELEASE_TIME;
		s->epoch = r->epoch;
	}
	if (r->min_format > s->format_floor)
		s->format_floor = r->min_format;
	s->mesh = r->mesh;
	s->root_version = r->version;
	s->root_len = len;
	s->root = *hash;
}

static int check_order(const struct accepted *old, const struct manifest *m,
		       const struct digest *hash, struct acceptance *ret, struct err *e)
{
	char ours[DIGEST_STRLEN], theirs[DIGEST_STRLEN], t1[TIME_STRLEN], t2[TIME_STRLEN];

	/* Serials count within an epoch; verify_manifest saw that the manifest's epoch is the
	 * trusted root's. */
	if (!old->serial || m->epoch > old->epoch)
		return 0;
	if (m->serial < old->serial || m->epoch < old->epoch)
		return err_refuse(
			e, "ROLLBACK",
			"the manifest has serial %llu, but serial %llu was accepted already",
			(ull)m->serial, (ull)old->serial);
	if (m->serial == old->serial) {
		if (digest_cmp(hash, &old->manifest))
			return err_refuse(
				e, "EQUIVOCATION",
				"two different manifests with serial %llu are signed: %s was accepted, %s is served now",
				(ull)m->serial, digest_print(&old->manifest, ours),
				digest_print(hash, theirs));
		ret->verdict = VERDICT_SAME;
		return 0;
	}
	if (m->issued < old->issued)
		return err_refuse(e, "REJECT-ORDER",
				  "serial %llu was issued at %s, before serial %llu (%s)",
				  (ull)m->serial, time_print(m->issued, t1), (ull)old->serial,
				  time_print(old->issued, t2));
	ret->skipped = m->serial - old->serial - 1;
	if (!ret->skipped && (!m->has_previous || digest_cmp(&m->previous, &old->manifest)))
		return err_refuse(
			e, "EQUIVOCATION",
			"serial %llu follows another serial %llu than the one that was accepted (%s)",
			(ull)m->serial, (ull)old->serial, digest_print(&old->manifest, ours));
	return 0;
}

int accept_manifest(const struct state *s, const struct root *r, const struct manifest *m,
		    const struct digest *hash, struct moment now, struct acceptance *ret,
		    struct err *e)
{
	struct acceptance a = { .verdict = VERDICT_NEW };
	char t1[TIME_STRLEN], t2[TIME_STRLEN];

	if (check_order(&s->accepted, m, hash, &a, e) < 0)
		return -1;
	if (a.verdict == VERDICT_SAME) {
		a.stale = m->expires <= now.t;
		*ret = a;
		return 0;
	}
	if (!r->renew_by_never && r->renew_by <= now.t)
		return err_refuse(
			e, "ROOT-EXPIRED",
			"root version %llu was to be renewed by %s; nothing new is accepted before that",
			(ull)r->version, time_print(r->renew_by, t1));
	/* A clock that is known to be behind cannot tell that something comes from the future. */
	if (!now.behind && m->issued > now.t + CLOCK_SKEW_SECONDS)
		return err_refuse(
			e, "CLOCK-BEHIND",
			"the manifest was issued at %s, but it is %s here: this clock is behind, or the publisher's is ahead",
			time_print(m->issued, t1), time_print(now.t, t2));
	if (m->expires <= now.t)
		return err_refuse(e, "EXPIRED",
				  "serial %llu expired at %s (it is %s): ask for a new publication",
				  (ull)m->serial, time_print(m->expires, t1),
				  time_print(now.t, t2));
	*ret = a;
	return 0;
}

int accept_self(const char *name, const struct node *node, const struct gone *gone,
		const struct wgkey *key, const char *key_file, enum standing *ret, struct err *e)
{
	char ours[KEY_STRLEN], theirs[KEY_STRLEN];

	if (!node) {
		if (!gone)
			return err_refuse(
				e, "NOT-LISTED",
				"the publication neither lists node %s nor says that it was removed: is `node` spelled as in the network, and has the change that adds it been published?",
				name);
		*ret = STANDING_GONE;
		return 0;
	}
	if (key && wgkey_cmp(&node->key, key))
		return err_refuse(
			e, "WRONG-NODE",
			"node %s is published with key %s, but %s holds the private half of %s: put that one into the "
			"network as public_key of %s, or give this node the right key file",
			name, wgkey_print(&node->key, theirs), key_file, wgkey_print(key, ours),
			name);
	*ret = STANDING_MEMBER;
	return 0;
}

void accept_floors(struct state *s, const struct manifest *m, uint64_t len,
		   const struct digest *hash, const struct digest *set, struct moment now)
{
	int64_t floor = m->issued;

	if (now.behind && floor > now.t + TIME_FLOOR_STEP)
		floor = now.t + TIME_FLOOR_STEP;
	if (floor > s->time_floor)
		s->time_floor = floor;
	if (m->format > s->format_floor)
		s->format_floor = m->format;
	s->accepted = (struct accepted){ .serial = m->serial,
					 .epoch = m->epoch,
					 .issued = m->issued,
					 .since = now.t,
					 .len = len,
					 .manifest = *hash,
					 .set = *set };
}
