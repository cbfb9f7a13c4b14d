/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ifindex.h"

#include <net/if.h>

unsigned int ifindex_of(const char *name)
{
	return if_nametoindex(name);
}
