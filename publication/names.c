/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publication/names.h"

#include "common/num.h"

struct named_address {
	struct ipaddr address;
	const struct record *record;
};

int names_check(const struct network *n, const char *domain, struct err *e)
{
	const char *why = dnsname_domain_wrong(domain, strlen(domain));
	size_t i;

	if (why)
		return err_set(e, ERR_INPUT, "the domain %s cannot be used: %s", domain, why);
	for (i = 0; i < n->n_records; i++)
		if (!dnsname_is_host(n->records[i].name, strlen(n->records[i].name)))
			return err_set(e, ERR_INPUT, "%s.%s is no host name", n->records[i].name,
				       domain);
	return 0;
}

void names_put_hosts(const struct network *n, const char *domain, const char *tail, struct buf *out,
		     size_t *ret_names)
{
	char text[IPADDR_STRLEN];
	size_t i, j;

	for (i = 0; i < n->n_records; i++)
		for (j = 0; j < n->records[i].n_addresses; j++)
			buf_addf(out, "%s\t%s.%s%s\n",
				 ipaddr_print(&n->records[i].addresses[j], text),
				 n->records[i].name, domain, tail);
	if (ret_names)
		*ret_names = n->n_records;
}

/* ---- which zones ---- */

static unsigned int cut_of(const struct prefix *p)
{
	unsigned int step = p->family == 4 ? 8 : 4, most = p->family == 4 ? 24 : 124,
		     len = (p->len + step - 1) / step * step;

	return len < step ? step : len > most ? most : len;
}

/* The name of the reverse zone of a prefix whose length is one that cut_of gives. */
static const char *zone_name(const struct prefix *p, struct arena *a)
{
	unsigned int i, n = p->len / (p->family == 4 ? 8 : 4);
	const char *s;
	struct buf b;

	buf_init(&b, 128);
	for (i = n; i > 0; i--) {
		if (p->family == 4)
			buf_addf(&b, "%u.", p->b[i - 1]);
		else
			buf_addf(&b, "%x.", p->b[(i - 1) / 2] >> (i & 1 ? 4 : 0) & 15);
	}
	buf_adds(&b, p->family == 4 ? "in-addr.arpa" : "ip6.arpa");
	s = buf_ok(&b) ? arena_strndup(a, b.data, b.len) : NULL;
	buf_release(&b);
	return s;
}

struct prefix_list {
	struct prefix *list;
	size_t n;
};

static int add_prefix(struct prefix_list *l, struct arena *a, const struct prefix *p)
{
	struct prefix *grown = arena_grow(a, l->list, l->n, sizeof(*grown));

	if (!grown)
		return -1;
	l->list = grown;
	grown[l->n++] = *p;
	return 0;
}

/* All prefixes of length `cut` in `net`, or the one that it lies in. */
static int add_cuts(struct prefix_list *l, struct arena *a, const struct prefix *net)
{
	unsigned int cut = cut_of(net), extra = cut > net->len ? cut - net->len : 0, i;
	struct ifaddr at = { .addr = { .family = net->family }, .len = (uint8_t)cut };

	for (i = 0; i < 1u << extra; i++) {
		unsigned int shift = (8 - cut % 8) % 8, byte = (cut - 1) / 8;
		struct prefix p;

		/* The bits between the two lengths lie in one byte, or end at its end. */
		memcpy(at.addr.b, net->b, sizeof(at.addr.b));
		at.addr.b[byte] |= (uint8_t)(i << shift);
		p = prefix_of_ifaddr(&at);
		if (add_prefix(l, a, &p) < 0)
			return -1;
	}
	return 0;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* The networks of all interfaces: the nodes of one pool share one. */
static int find_nets(const struct network *n, struct arena *a, struct prefix_list *ret)
{
	size_t i, j, k;

	for (i = 0; i < n->n_nodes; i++)
		for (j = 0; j < n->nodes[i].n_addresses; j++) {
			struct prefix p = prefix_of_ifaddr(&n->nodes[i].addresses[j]);

			for (k = ret->n; k > 0 && prefix_cmp(&ret->list[k - 1], &p); k--)
				if (ret->n - k == 2 * MAX_POOLS) {
					k = 0;
					break;
				}
			if (!k && add_prefix(ret, a, &p) < 0)
				return -1;
		}
	if (ret->n > 1)
		qsort(ret->list, ret->n, sizeof(*ret->list), cmp_prefixes);
	ret->n = prefix_canonical(ret->list, ret->n);
	return 0;
}

static int find_zones(struct names *x, struct arena *a)
{
	struct prefix_list nets = { 0 }, cuts = { 0 };
	size_t i;

	if (find_nets(x->network, a, &nets) < 0)
		return -1;
	for (i = 0; i < nets.n; i++)
		if (nets.list[i].len && add_cuts(&cuts, a, &nets.list[i]) < 0)
			return -1;
	cuts.n = prefix_canonical(cuts.list, cuts.n);
	x->zones = arena_array(a, cuts.n + 1, sizeof(*x->zones));
	if (!x->zones)
		return -1;
	x->zones[x->n_zones++].name = x->domain;
	for (i = 0; i < cuts.n; i++) {
		struct names_zone *z = &x->zones[x->n_zones++];

		z->prefix = cuts.list[i];
		z->name = zone_name(&z->prefix, a);
		if (!z->name)
			return -1;
	}
	return 0;
}

static int cmp_addresses(const void *a, const void *b)
{
	return ipaddr_cmp(&((const struct named_address *)a)->address,
			  &((const struct named_address *)b)->address);
}

static int find_addresses(struct names *x, struct arena *a)
{
	const struct network *n = x->network;
	size_t i, j, total = 0;

	for (i = 0; i < n->n_records; i++)
		total += n->records[i].n_addresses;
	x->addresses = arena_array(a, total, sizeof(*x->addresses));
	if (!x->addresses)
		return -1;
	for (i = 0; i < n->n_records; i++)
		for (j = 0; j < n->records[i].n_addresses; j++)
			x->addresses[x->n_addresses++] =
				(struct named_address){ n->records[i].addresses[j],
							&n->records[i] };
	if (total > 1)
		qsort(x->addresses, total, sizeof(*x->addresses), cmp_addresses);
	return 0;
}

static const struct record *record_of(const struct names *x, const struct ipaddr *address)
{
	struct named_address key = { .address = *address }, *found;

	found = x->n_addresses ?
			bsearch(&key, x->addresses, x->n_addresses, sizeof(key), cmp_addresses) :
			NULL;
	return found ? found->record : NULL;
}

static int cmp_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int find_servers(struct names *x, struct arena *a)
{
	const struct network *n = x->network;
	const char **list = NULL;
	size_t i, j, k, count = 0;

	for (i = 0; i < n->n_nodes; i++)
		for (j = 0; j < n->nodes[i].n_nameservers; j++) {
			const struct record *r = record_of(x, &n->nodes[i].nameservers[j]);
			const char **grown;

			for (k = 0; r && k < count && strcmp(list[k], r->name) != 0; k++)
				;
			if (!r || k < count)
				continue;
			grown = arena_grow(a, list, count, sizeof(*grown));
			if (!grown)
				return -1;
			list = grown;
			list[count++] = r->name;
		}
	if (count > 1)
		qsort(list, count, sizeof(*list), cmp_texts);
	x->servers = list;
	x->n_servers = count;
	return 0;
}

int names_make(const struct network *n, struct arena *a, struct names *ret, struct err *e)
{
	struct names x = { .network = n };
	size_t i;

	for (i = 0; i < n->n_nodes && !x.domain; i++)
		x.domain = n->nodes[i].domain;
	if (x.domain && (names_check(n, x.domain, e) < 0))
		return -1;
	if (x.domain &&
	    (find_addresses(&x, a) < 0 || find_servers(&x, a) < 0 || find_zones(&x, a) < 0))
		return err_nomem(e);
	*ret = x;
	return 0;
}

/* ---- a zone file ---- */

/* Seconds: a secondary server asks hourly, tries again after ten minutes, and goes on for a month.
 * Names that are there or not are kept for five minutes. */
#define TIMES " 3600 600 2592000 300"
#define SOA "@ IN SOA "

static void put_head(const struct names *n, const struct names_zone *z, uint32_t serial,
		     struct buf *out)
{
	size_t i;

	buf_addf(out, "; Network %s, written by meshrc\n$ORIGIN %s.\n$TTL 300\n" SOA,
		 n->network->name, z->name);
	if (n->n_servers)
		buf_addf(out, "%s.%s.", n->servers[0], n->domain);
	else
		buf_adds(out, "localhost.");
	buf_addf(out, " hostmaster.%s. %u" TIMES "\n", n->domain, serial);
	for (i = 0; i < n->n_servers; i++)
		buf_addf(out, "@ IN NS %s.%s.\n", n->servers[i], n->domain);
	if (!n->n_servers)
		buf_adds(out, "@ IN NS localhost.\n");
}

/* The part of an address behind the prefix, last digits first. */
static void put_owner(const struct ipaddr *a, unsigned int len, struct buf *out)
{
	unsigned int from = len / (a->family == 4 ? 8 : 4), i;

	for (i = family_bits(a->family) / (a->family == 4 ? 8 : 4); i > from; i--) {
		if (a->family == 4)
			buf_addf(out, "%u", a->b[i - 1]);
		else
			buf_addf(out, "%x", a->b[(i - 1) / 2] >> (i & 1 ? 4 : 0) & 15);
		if (i > from + 1)
			buf_addc(out, '.');
	}
}

static void put_reverse(const struct names *n, const struct prefix *p, struct buf *out)
{
	size_t low = 0, high = n->n_addresses;
	struct ipaddr first = { .family = p->family };

	memcpy(first.b, p->b, sizeof(first.b));
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ipaddr_cmp(&n->addresses[mid].address, &first) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n->n_addresses && prefix_contains_addr(p, &n->addresses[low].address); low++) {
		put_owner(&n->addresses[low].address, p->len, out);
		buf_addf(out, " IN PTR %s.%s.\n", n->addresses[low].record->name, n->domain);
	}
}

void names_put_zone(const struct names *n, const struct names_zone *z, uint32_t serial,
		    struct buf *out)
{
	char text[IPADDR_STRLEN];
	size_t i, j;

	put_head(n, z, serial, out);
	if (z->prefix.family) {
		put_reverse(n, &z->prefix, out);
		return;
	}
	for (i = 0; i < n->network->n_records; i++) {
		const struct record *r = &n->network->records[i];

		for (j = 0; j < r->n_addresses; j++)
			buf_addf(out, "%s IN %s %s\n", r->name,
				 r->addresses[j].family == 4 ? "A" : "AAAA",
				 ipaddr_print(&r->addresses[j], text));
	}
}

int names_zone_serial(const char *text, size_t len, uint32_t *ret)
{
	const char *p = memmem(text, len, "\n" SOA, sizeof("\n" SOA) - 1), *end;
	unsigned int words;
	uint64_t v;

	if (!p)
		return -1;
	p += sizeof("\n" SOA) - 1;
	/* Behind two names. */
	for (words = 0; words < 2; words++) {
		p = memchr(p, ' ', (size_t)(text + len - p));
		if (!p)
			return -1;
		p++;
	}
	end = memchr(p, ' ', (size_t)(text + len - p));
	if (!end || num_parse(p, (size_t)(end - p), UINT32_MAX, &v) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}
