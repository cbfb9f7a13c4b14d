/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/grammar_impl.h"

#include "common/limits.h"

static const char *check_inside(const char *s, size_t len)
{
	if ((len == 6 && !memcmp(s, "direct", 6)) || (len == 6 && !memcmp(s, "leader", 6)))
		return NULL;
	return "inside of a site nodes meet `direct` or through their `leader`";
}

static const struct field site_fields[] = {
	{ .key = "leaders",
	  .type = FIELD_NAMES,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = MAX_LEADERS,
	  .value = AT(m_site, leaders),
	  .extra = AT(m_site, n_leaders),
	  .synonyms = "leader gateway gateways ",
	  .example = "[ber1, ber2]",
	  .help = "Nodes of the site, in order: the first is joined with all others for the whole site, the rest stand by." },
	{ .key = "inside",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 16,
	  .fallback = "direct",
	  .check = check_inside,
	  .pattern = "^(direct|leader)$",
	  .value = AT(m_site, inside),
	  .help = "How its nodes reach each other: `direct`, those that meet, and the others through the leader; or `leader`, all through it." },
	{ .key = "routes",
	  .type = FIELD_ROUTES,
	  .table = &grammar_route,
	  .min = 0,
	  .max = MAX_ROUTES,
	  .value = AT(m_site, routes),
	  .extra = AT(m_site, n_routes),
	  .synonyms = "route subnets subnet networks lan ",
	  .example = "[192.168.10.0/24]",
	  .help = "Networks at the place, behind its leader for all who are not there; each a prefix or a mapping with `cidr`." },
	{ 0 },
};

const struct table grammar_site = {
	.what = "a site",
	.fields = site_fields,
	.size = sizeof(struct m_site),
	.name = AT(m_site, name),
	.pos = AT(m_site, pos),
	.shape = "berlin:\n  leaders: [ber1]",
};
