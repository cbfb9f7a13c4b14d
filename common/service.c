/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/service.h"

#include "common/num.h"

static const char *const words[] = {
	[SERVICE_ANY] = "any",
	[SERVICE_ICMP] = "icmp",
	[SERVICE_TCP] = "tcp",
	[SERVICE_UDP] = "udp",
};

static bool has_ports(enum service_kind kind)
{
	return kind == SERVICE_TCP || kind == SERVICE_UDP;
}

static int parse_ports(const char *s, size_t len, struct service *ret, const char **ret_why)
{
	const char *dash = memchr(s, '-', len);
	size_t first_len = dash ? (size_t)(dash - s) : len;
	uint64_t first = 0, last;

	*ret_why = "a port is a number from 1 to 65535, a range two of them with '-' between";
	if (num_parse(s, first_len, 65535, &first) < 0 || !first)
		return -1;
	last = first;
	if (dash && num_parse(dash + 1, len - first_len - 1, 65535, &last) < 0)
		return -1;
	if (dash && last <= first) {
		*ret_why = "the second port of a range is higher than the first";
		return -1;
	}
	ret->first = (uint16_t)first;
	ret->last = (uint16_t)last;
	return 0;
}

int service_parse(const char *s, size_t len, struct service *ret, const char **ret_why)
{
	const char *slash = memchr(s, '/', len);
	size_t word = slash ? (size_t)(slash - s) : len, i;
	struct service one = { .kind = SERVICE_ANY };

	*ret_why =
		"a service is any, icmp, tcp, udp, tcp/PORT, udp/PORT, tcp/PORT-PORT or udp/PORT-PORT";
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == word && !memcmp(words[i], s, word))
			break;
	if (i == ARRAY_LEN(words))
		return -1;
	one.kind = (enum service_kind)i;
	if (slash && !has_ports(one.kind)) {
		*ret_why = "only tcp and udp have ports";
		return -1;
	}
	if (has_ports(one.kind)) {
		one.first = 1;
		one.last = 65535;
	}
	if (slash && parse_ports(slash + 1, len - word - 1, &one, ret_why) < 0)
		return -1;
	if (slash && one.first == 1 && one.last == 65535) {
		*ret_why = "every port is written without a range";
		return -1;
	}
	*ret = one;
	return 0;
}

char *service_print(const struct service *s, char out[static SERVICE_STRLEN])
{
	const char *word = words[s->kind];

	if (!has_ports(s->kind) || (s->first == 1 && s->last == 65535))
		snprintf(out, SERVICE_STRLEN, "%s", word);
	else if (s->first == s->last)
		snprintf(out, SERVICE_STRLEN, "%s/%u", word, s->first);
	else
		snprintf(out, SERVICE_STRLEN, "%s/%u-%u", word, s->first, s->last);
	return out;
}

int service_cmp(const struct service *a, const struct service *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->last < b->last ? -1 : a->last > b->last;
}

static int cmp_services(const void *a, const void *b)
{
	return service_cmp(a, b);
}

size_t services_canonical(struct service *list, size_t n)
{
	size_t i, kept = 0;

	if (n > 1)
		qsort(list, n, sizeof(*list), cmp_services);
	if (n && list[0].kind == SERVICE_ANY)
		return 1;
	for (i = 0; i < n; i++) {
		struct service *last = kept ? &list[kept - 1] : NULL;

		if (!last || last->kind != list[i].kind ||
		    (uint32_t)list[i].first > (uint32_t)last->last + 1)
			list[kept++] = list[i];
		else if (list[i].last > last->last)
			last->last = list[i].last;
	}
	return kept;
}

bool services_equal(const struct service *a, size_t na, const struct service *b, size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (service_cmp(&a[i], &b[i]))
			return false;
	return true;
}

bool services_cover(const struct service *list, size_t n, const struct service *s)
{
	size_t i;

	/* Ranges that touch are one, so no two together hold what none of them does. */
	for (i = 0; i < n; i++)
		if (list[i].kind == SERVICE_ANY ||
		    (list[i].kind == s->kind && list[i].first <= s->first &&
		     list[i].last >= s->last))
			return true;
	return false;
}

bool services_overlap(const struct service *list, size_t n, const struct service *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].kind == SERVICE_ANY || s->kind == SERVICE_ANY ||
		    (list[i].kind == s->kind && list[i].first <= s->last &&
		     list[i].last >= s->first))
			return true;
	return false;
}
