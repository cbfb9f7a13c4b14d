/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node's expanded configuration against what the reference compiler has for it. */
#ifndef TESTS_UNIT_CHECK_CONFIG_H
#define TESTS_UNIT_CHECK_CONFIG_H

#include "publication/expand.h"
#include "tests/ref/reference.h"

/* `fresh`: nothing was published, so ports and addresses of links are those of the reference too.
 */
void check_config(const struct config *c, const struct ref_config *want, bool fresh);

#endif
