/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/check.h"

void schema_check(const struct m_network *n, struct arena *scratch, struct diag *d)
{
}
