/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

#include "common/num.h"

/* An IPv6 address that lacks its brackets: which part of it is a port, the digits cannot tell. */
static bool help_ipv6(struct diag *d, struct diag_entry *e, const char *key, const char *s,
		      size_t len)
{
	const char *colon = memrchr(s, ':', len);
	size_t host = colon ? (size_t)(colon - s) : 0;
	struct ipaddr a;
	uint64_t port;
	bool whole = ipaddr_parse(s, len, &a) == 0 && a.family == 6;
	bool parts = ipaddr_parse(s, host, &a) == 0 && a.family == 6 &&
		     num_parse(s + host + 1, len - host - 1, 65535, &port) == 0 && port;

	if (whole && parts)
		diag_help(d, e,
			  "write it in quotes: `%s: \"[%s]\"`, or `%s: \"[%.*s]:%s\"` if "
			  "%s is the port",
			  key, s, key, (int)host, s, s + host + 1, s + host + 1);
	else if (parts)
		diag_help(d, e, "write it in quotes, with brackets: `%s: \"[%.*s]:%s\"`", key,
			  (int)host, s, s + host + 1);
	else if (whole)
		diag_help(d, e, "write it in quotes, with brackets: `%s: \"[%s]\"`", key, s);
	return whole || parts;
}

/* What stands between the scheme and the path of a URL, if that is an endpoint. */
static bool help_url(struct decode *c, struct diag_entry *e, const char *key, const char *s)
{
	const char *host = strstr(s, "://"), *why;
	struct endpoint unused;
	size_t len;

	if (!host)
		return false;
	host += 3;
	len = strcspn(host, "/?#");
	if (endpoint_parse(host, len, true, c->arena, &unused, &why) < 0)
		return false;
	if (host[0] == '[')
		diag_help(c->diag, e, "write it in quotes: `%s: \"%.*s\"`", key, (int)len, host);
	else
		diag_help(c->diag, e, "write `%s: %.*s`", key, (int)len, host);
	return true;
}

static void help_endpoint(struct decode *c, struct diag_entry *e, const char *key,
			  const struct yaml_node *v)
{
	/* Without the quotes the brackets of an IPv6 address made a list of it. */
	const struct yaml_node *s = v->kind == YAML_NODE_LIST && v->n == 1 ? &v->items[0] : v;

	if (s->kind != YAML_NODE_SCALAR ||
	    (!help_ipv6(c->diag, e, key, s->text, s->n) && !help_url(c, e, key, s->text)))
		diag_help(c->diag, e, "write host, host:port or \"[IPv6]:port\"");
}

static bool parse_endpoint(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
			   struct endpoint *ret)
{
	char shown[YAML_SHOWN];
	const char *why;

	if (v->kind == YAML_NODE_LIST || v->kind == YAML_NODE_MAP) {
		help_endpoint(c,
			      diag_error(c->diag, yaml_pos(v), "`%s` wants an endpoint, not %s",
					 key->text, kind_word(v)),
			      key->text, v);
		return false;
	}
	if (!want_text(c, key, v, "an endpoint"))
		return false;
	if (endpoint_parse(v->text, v->n, true, c->arena, ret, &why) < 0) {
		help_endpoint(c,
			      diag_error(c->diag, yaml_pos(v), "`%s` is not an endpoint: %s",
					 yaml_show(v, shown), why),
			      key->text, v);
		return false;
	}
	return true;
}

/* Of `endpoint` and the default of `endpoints`, which are the same. */
static void take_default(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
			 struct endpoint *ret, struct pos *ret_pos)
{
	struct diag_entry *e;

	if (ret_pos->source) {
		e = diag_error(c->diag, yaml_pos(key),
			       "`endpoint` and the default of `endpoints` are the same");
		diag_other(c->diag, e, *ret_pos, "it is given here already");
		diag_help(c->diag, e, "remove one of them");
		return;
	}
	if (parse_endpoint(c, key, v, ret))
		*ret_pos = yaml_pos(v);
}

void read_endpoint(struct decode *c, const struct field *f, const struct yaml_node *key,
		   const struct yaml_node *v, void *obj)
{
	take_default(c, key, v, MEMBER(struct endpoint, obj, f->value),
		     MEMBER(struct pos, obj, f->pos));
}

static bool want_viewpoint(struct decode *c, const struct yaml_node *key)
{
	static const char wanted[] = "default, tag:NAME or site:NAME";
	struct yaml_node name;
	char shown[YAML_SHOWN], guess[GUESS];
	struct diag_entry *e;

	if (!strncmp(key->text, "tag:", 4) && key->n > 4) {
		name = scalar_behind(key, 4);
		return want_name(c, &name, "a tag");
	}
	if (!strncmp(key->text, "site:", 5) && key->n > 5) {
		name = scalar_behind(key, 5);
		return want_name(c, &name, "a site");
	}
	e = diag_error(c->diag, yaml_pos(key), "`%s` is not %s", yaml_show(key, shown), wanted);
	if (guess_selector(key, guess))
		diag_help(c->diag, e, "did you mean `%s`?", guess);
	else if (name_is_valid(key->text, key->n))
		diag_help(c->diag, e,
			  "write `default` for all nodes that no other one is for, or `tag:%s` for "
			  "the nodes with that tag",
			  key->text);
	else
		diag_help(c->diag, e,
			  "`default` is for all nodes that no other one is for, `tag:NAME` for the "
			  "nodes with that tag, `site:NAME` for those at that site");
	return false;
}

void read_endpoints(struct decode *c, const struct field *f, const struct yaml_node *key,
		    const struct yaml_node *v, void *obj)
{
	struct m_seen *list;
	size_t n = 0, j;
	uint32_t i;

	if (!table_shape(c->diag, NULL, f, key, v) || !want_count(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		diag_nomem(c->diag);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *from = &v->pairs[i].key, *at = &v->pairs[i].value;
		struct m_seen s = { .from_pos = yaml_pos(from), .pos = yaml_pos(at) };

		if (!strcmp(from->text, "default")) {
			take_default(c, from, at, MEMBER(struct endpoint, obj, f->has),
				     MEMBER(struct pos, obj, f->pos));
			continue;
		}
		if (!want_viewpoint(c, from) || !parse_endpoint(c, from, at, &s.endpoint))
			continue;
		s.from = arena_strndup(c->arena, from->text, from->n);
		if (!s.from) {
			diag_nomem(c->diag);
			return;
		}
		/* No key stands twice in a mapping; at most MAX_VIEWPOINTS: insertion sorts them.
		 */
		for (j = n++; j > 0 && strcmp(list[j - 1].from, s.from) > 0; j--)
			list[j] = list[j - 1];
		list[j] = s;
	}
	*MEMBER(struct m_seen *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}
