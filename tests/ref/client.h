/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of a client as the YAML says it, from the model alone but for the addresses, which are
 * handed out: what is made from the publication must be the same.
 */
#ifndef TESTS_REF_CLIENT_H
#define TESTS_REF_CLIENT_H

#include "common/buf.h"
#include "publication/network.h"
#include "schema/model.h"

/* As wg-quick(8) reads it, without comments; `own` is the client's record. */
void ref_client_file(const struct m_network *m, const struct m_client *c, const struct record *own,
		     struct buf *out);

#endif
