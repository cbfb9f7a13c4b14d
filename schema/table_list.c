/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

#include "common/num.h"

/* What endpoint_parse takes without a port, and no address: a domain, in lower case. */
static const char *parse_domain(struct decode *c, const struct yaml_node *v, const char **ret_why)
{
	struct endpoint host;

	*ret_why =
		v->text[0] == '[' ? "an address has no brackets here" : "a port has no place here";
	if (memchr(v->text, ':', v->n) || v->text[0] == '[')
		return NULL;
	return endpoint_parse(v->text, v->n, true, c->arena, &host, ret_why) < 0 ? NULL : host.host;
}

static bool same_dns(const struct m_dns *a, const struct m_dns *b)
{
	if (a->domain && b->domain)
		return !strcmp(a->domain, b->domain);
	return !a->domain && !b->domain && !ipaddr_cmp(&a->addr, &b->addr);
}

void read_dns(struct decode *c, const struct field *f, const struct yaml_node *key,
	      const struct yaml_node *v, void *obj)
{
	static const char wanted[] = "the address of a name server or a search domain";
	char shown[YAML_SHOWN];
	struct m_dns *list;
	const char *why;
	size_t n = 0, j;
	uint32_t i;

	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < v->n; i++) {
		struct m_dns *d = &list[n];

		*d = (struct m_dns){ .pos = yaml_pos(&v->items[i]) };
		if (!want_text(c, NULL, &v->items[i], wanted))
			continue;
		if (ipaddr_parse(v->items[i].text, v->items[i].n, &d->addr) < 0) {
			d->domain = parse_domain(c, &v->items[i], &why);
			if (!d->domain) {
				TELL(c, &v->items[i],
				     ("`%s` is not %s: %s", yaml_show(&v->items[i], shown), wanted,
				      why),
				     ("write it like 10.20.0.1, fd20::1 or corp.example.net"));
				continue;
			}
		}
		for (j = 0; j < n && !same_dns(&list[j], d); j++)
			;
		if (j == n)
			n++;
		else
			yaml_duplicate(c->diag, &v->items[i], list[j].pos);
	}
	*MEMBER(struct m_dns *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

/* Names in the order written. */
void read_names(struct decode *c, const struct field *f, const struct yaml_node *key,
		const struct yaml_node *v, void *obj)
{
	struct m_text *list;
	size_t n = 0, j;
	uint32_t i;

	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < v->n; i++) {
		if (!want_scalar(c, NULL, &v->items[i], "a name") ||
		    !want_name(c, &v->items[i], "a name"))
			continue;
		for (j = 0; j < n && strcmp(list[j].s, v->items[i].text) != 0; j++)
			;
		if (j < n) {
			yaml_duplicate(c->diag, &v->items[i], list[j].pos);
			continue;
		}
		list[n] = keep_scalar(c, &v->items[i]);
		if (!list[n++].s)
			return;
	}
	*MEMBER(struct m_text *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

void read_tags(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v, void *obj)
{
	struct m_text *list;
	size_t n = 0, j;
	uint32_t i;

	list = want_array(c, f, key, v, sizeof(*list));
	if (!list)
		return;
	for (i = 0; i < v->n; i++) {
		struct m_text tag;
		int cmp = -1;

		if (!want_scalar(c, NULL, &v->items[i], "a tag") ||
		    !want_name(c, &v->items[i], "a tag"))
			continue;
		/* At most MAX_TAGS: insertion keeps them sorted. */
		for (j = n; j > 0; j--) {
			cmp = strcmp(list[j - 1].s, v->items[i].text);
			if (cmp <= 0)
				break;
		}
		if (j > 0 && !cmp) {
			yaml_duplicate(c->diag, &v->items[i], list[j - 1].pos);
			continue;
		}
		tag = keep_scalar(c, &v->items[i]);
		if (!tag.s)
			return;
		memmove(&list[j + 1], &list[j], (n - j) * sizeof(*list));
		list[j] = tag;
		n++;
	}
	*MEMBER(struct m_text *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

void read_services(struct decode *c, const struct field *f, const struct yaml_node *key,
		   const struct yaml_node *v, void *obj)
{
	struct m_services *ret = MEMBER(struct m_services, obj, f->value);
	char shown[YAML_SHOWN];
	const char *why;
	uint64_t port;
	uint32_t i;

	ret->list = want_array(c, f, key, v, sizeof(*ret->list));
	if (!ret->list)
		return;
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *item = &v->items[i];

		if (!want_scalar(c, NULL, item, "a service"))
			continue;
		ret->list[ret->n].pos = yaml_pos(item);
		if (service_parse(item->text, item->n, &ret->list[ret->n].service, &why) == 0) {
			ret->n++;
			continue;
		}
		yaml_show(item, shown);
		if (num_parse(item->text, item->n, 65535, &port) == 0)
			TELL(c, item, ("`%s` is not a service", shown),
			     ("write tcp/%s or udp/%s", shown, shown));
		else
			TELL(c, item, ("`%s` is not a service", shown), ("%s", why));
	}
}
