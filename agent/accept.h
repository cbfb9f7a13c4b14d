/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules by which an agent takes a verified manifest or leaves it. Pure: the clock is an
 * argument. Signatures, network, mesh, epoch and the format floor were checked before
 * (publication/verify.h); here come order and time. Each refusal has one reason code
 * (docs/format.md, "Reason codes").
 */
#ifndef AGENT_ACCEPT_H
#define AGENT_ACCEPT_H

#include "agent/store.h"
#include "publication/network.h"
#include "publication/verify.h"

/* No release of meshrc is older: a clock before it is wrong. 2025-01-01T00:00:00Z */
#define RELEASE_TIME INT64_C(1735689600)
/* Roots walked in one cycle. Progress is stored, so that the next cycle goes on. */
#define MAX_ROOT_STEPS 256
/* How often new roots are looked for while the manifest stays the same. */
#define ROOT_WALK_MS INT64_C(3600000)
/* With a clock that is known to be wrong, a document moves the time floor by at most this. */
#define TIME_FLOOR_STEP (INT64_C(30) * 86400)

/* The time of one cycle, frozen at its start. */
struct moment {
	int64_t t; /* the latest of clock, floor and release */
	bool behind; /* the clock is before the floor: it is wrong, and says nothing about the
			future */
};

struct moment accept_moment(int64_t clock, int64_t time_floor);

enum verdict {
	VERDICT_NEW, /* to be taken, once its documents are there */
	VERDICT_SAME, /* what is in force already */
};

struct acceptance {
	enum verdict verdict;
	bool stale; /* VERDICT_SAME only: it has expired and runs on */
	uint64_t skipped; /* serials between the old one and this one that were never seen */
};

/*
 * Takes the pinned root (`data`, from --trust) or keeps the stored one (`stored`, NULL: none). The
 * higher version counts; two of one version must be the same bytes; the mesh must not change.
 */
int accept_pin(const struct root *pin, const struct digest *pin_hash, const struct state *s,
	       bool *ret_use_pin, struct err *e);

/* What a newly trusted root does to the floors: a higher epoch drops serial and time. */
void accept_root(const struct root *r, uint64_t len, const struct digest *hash, struct state *s);

/* `hash` is that of the manifest with its signatures. */
int accept_manifest(const struct state *s, const struct root *r, const struct manifest *m,
		    const struct digest *hash, struct moment now, struct acceptance *ret,
		    struct err *e);

/* How this network sees us. */
enum standing {
	STANDING_MEMBER,
	STANDING_GONE, /* removed */
};

/*
 * `node` is our document and `gone` our line among the removed, each NULL when there is none. `key`
 * is our public key; NULL: not checked.
 */
int accept_self(const char *name, const struct node *node, const struct gone *gone,
		const struct wgkey *key, const char *key_file, enum standing *ret, struct err *e);

/* The floors after a manifest whose every check has passed. */
void accept_floors(struct state *s, const struct manifest *m, uint64_t len,
		   const struct digest *hash, const struct digest *set, struct moment now);

#endif
