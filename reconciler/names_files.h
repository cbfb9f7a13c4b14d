/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a network's names in the published tree, for name servers and people; agents do not
 * read them:
 *
 *   NETWORK/dns/hosts        lines for /etc/hosts
 *   NETWORK/dns/ZONE.zone    a zone file for each zone (publication/names.h)
 *
 * They change under their names, each whole and at once, and only when a name or an address does:
 * a zone's serial is that of the publication that changed it last. They are made of nothing but
 * what the documents say, so that whoever has those can tell whether they are right.
 */
#ifndef RECONCILER_NAMES_FILES_H
#define RECONCILER_NAMES_FILES_H

#include "publication/names.h"
#include "reconciler/publish.h"

#define NAMES_FOLDER "dns"
#define MAX_NAMES_FILE (256u << 20)
/* True for what a file of this folder can be called. */
bool names_file_is(const char *name);

/* "NETWORK/dns/ZONE.zone" */
#define MAX_NAMES_PATH (MAX_NAME + MAX_HOST + 16)

/*
 * The files that belong to `n`, sorted by path; none where it has no domain. What stands is read
 * from the published commit (r and commit NULL: nothing stands): a zone that is as it was keeps its
 * serial, a changed one gets `serial`, or one more than it had where that is not higher.
 */
int names_files_make(const struct network *n, struct repo *r, const char *commit, uint64_t serial,
		     struct arena *a, struct tree_file **ret, size_t *ret_n, struct err *e);

/* Refuses a file of the commit that is not what names_files_make writes; one that is missing is no
 * error. *ret has those that may stand there. */
int names_files_check(const struct network *n, struct repo *r, const char *commit, struct arena *a,
		      struct tree_file **ret, size_t *ret_n, struct err *e);

/* The hosts file. */
void names_put_hosts_file(const struct network *n, const char *domain, struct buf *out);

#endif
