/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table.h"

#include "common/limits.h"
#include "common/num.h"
#include "common/text.h"
#include "common/timefmt.h"
#include "schema/model.h"

#define MEMBER(type, obj, offset) ((type *)(void *)((char *)(obj) + (offset)))
#define NAME_RULE "a name has 1 to 63 of a-z, 0-9, '.' and '-', and begins with a letter or digit"

static void out_of_memory(struct decode *c)
{
	c->diag->nomem = true;
	c->diag->errors++;
}

/* A line for the user and how to mend it, at a node. Nothing is formatted past MAX_DIAGS. */
#define TELL(c, n, msg_args, help_args)                                                      \
	do {                                                                                 \
		struct diag_entry *e_ = diag_error((c)->diag, yaml_pos(n), UNPACK msg_args); \
		diag_help((c)->diag, e_, UNPACK help_args);                                  \
	} while (0)
#define UNPACK(...) __VA_ARGS__

/* What other YAML programs read in a plain scalar. */

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	size_t i;

	if (strnlen(s, 6) > 5) /* longer than any such word, as most values are */
		return false;
	for (i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t span_digits(const char *s)
{
	size_t i = 0;

	while (is_digit(s[i]) || (i && s[i] == '_'))
		i++;
	return i;
}

static bool is_number(const char *s)
{
	size_t whole, part = 0;

	if (*s == '+' || *s == '-')
		s++;
	if (!strcmp(s, ".inf") || !strcmp(s, ".Inf") || !strcmp(s, ".INF") || !strcmp(s, ".nan") ||
	    !strcmp(s, ".NaN") || !strcmp(s, ".NAN"))
		return true;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b') && s[2])
		return s[2 + strspn(s + 2, "0123456789abcdefABCDEF_")] == '\0';
	whole = span_digits(s);
	s += whole;
	if (whole && *s == ':') { /* base 60 */
		while (*s == ':' && is_digit(s[1]))
			s += 1 + span_digits(s + 1);
		if (*s == '.')
			s += 1 + span_digits(s + 1);
		return !*s;
	}
	if (*s == '.') {
		part = span_digits(s + 1);
		s += 1 + part;
	}
	if (!whole && !part)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '+' || *s == '-')
			s++;
		whole = span_digits(s);
		return whole && !s[whole];
	}
	return !*s;
}

static bool is_date(const char *s)
{
	size_t i;

	for (i = 0; i < 4; i++)
		if (!is_digit(s[i]))
			return false;
	for (i = 0, s += 4; i < 2; i++) {
		if (s[0] != '-' || !is_digit(s[1]))
			return false;
		s += is_digit(s[2]) ? 3 : 2;
	}
	return !*s || *s == 'T' || *s == 't' || *s == ' ';
}

static bool is_null(const struct yaml_node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return n->kind == YAML_NODE_SCALAR && (n->flags & YAML_PLAIN) &&
	       is_one_of(n->text, words, ARRAY_LEN(words));
}

static bool is_yes(const char *s)
{
	static const char *const words[] = { "true", "True", "TRUE", "yes", "Yes",
					     "YES",  "on",   "On",   "ON" };

	return is_one_of(s, words, ARRAY_LEN(words));
}

static bool is_no(const char *s)
{
	static const char *const words[] = { "false", "False", "FALSE", "no", "No",
					     "NO",    "off",   "Off",	"OFF" };

	return is_one_of(s, words, ARRAY_LEN(words));
}

const char *table_misread(const struct yaml_node *n)
{
	if (n->kind != YAML_NODE_SCALAR || !(n->flags & YAML_PLAIN))
		return NULL;
	if (is_null(n))
		return "nothing";
	if (is_yes(n->text) || is_no(n->text))
		return "a truth value";
	if (is_number(n->text))
		return "a number";
	return is_date(n->text) ? "a date" : NULL;
}

/* Scalars. */

static const char *kind_word(const struct yaml_node *n)
{
	switch (n->kind) {
	case YAML_NODE_LIST:
		return "a list";
	case YAML_NODE_MAP:
		return "a mapping";
	default:
		return "a single value";
	}
}

const struct field *table_field(const struct table *t, const char *key)
{
	const struct field *f;

	for (f = t->fields; f->key; f++)
		if (f->key[0] == key[0] && !strcmp(f->key, key))
			return f;
	return NULL;
}

/* The help that shows what belongs there: `f` and its value or, f NULL, one that `t` describes. */
static void help_shape(struct diag *d, struct diag_entry *e, const struct table *t,
		       const struct field *f)
{
	const char *shape = f ? f->shape : t->shape;

	if (shape)
		diag_help(d, e, "write it like this:\n%s", shape);
	else if (f && f->example)
		diag_help(d, e, "write it like this: `%s: %s`", f->key, f->example);
}

static bool has_shape(struct diag *d, const struct table *t, const struct field *f,
		      const struct yaml_node *key, const struct yaml_node *v, bool list)
{
	char shown[YAML_SHOWN];
	struct diag_entry *e;

	if (v->kind == YAML_NODE_BAD)
		return false;
	if (v->kind == (list ? YAML_NODE_LIST : YAML_NODE_MAP))
		return true;
	yaml_show(key, shown);
	if (is_null(v)) {
		e = diag_error(d, yaml_pos(v->n ? v : key), "`%s` has no value", shown);
		diag_help(d, e, "give it %s, or remove the line",
			  list ? "a list" : "keys, indented below it");
		return false;
	}
	e = diag_error(d, yaml_pos(v), "`%s` wants %s, not %s", shown,
		       list ? "a list" : "a mapping (`key: value` lines)", kind_word(v));
	help_shape(d, e, t, f);
	return false;
}

bool table_shape(struct diag *d, const struct table *t, const struct field *f,
		 const struct yaml_node *key, const struct yaml_node *v)
{
	return has_shape(d, t, f, key, v, f && f->type == FIELD_LIST);
}

/* True for a scalar; anything else is told, `wanted` being what stands in its place. `key` NULL: an
 * entry of a list. */
static bool want_scalar(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
			const char *wanted)
{
	char shown[YAML_SHOWN];

	if (v->kind == YAML_NODE_BAD)
		return false;
	if (v->kind != YAML_NODE_SCALAR) {
		if (key)
			diag_error(c->diag, yaml_pos(v), "`%s` wants %s, not %s",
				   yaml_show(key, shown), wanted, kind_word(v));
		else
			diag_error(c->diag, yaml_pos(v), "%s is wanted here, not %s", wanted,
				   kind_word(v));
		return false;
	}
	if (!is_null(v))
		return true;
	if (key)
		TELL(c, v->n ? v : key, ("`%s` has no value", yaml_show(key, shown)),
		     ("give it %s, or remove the line", wanted));
	else
		TELL(c, v, ("an entry without a value"), ("give it %s, or remove it", wanted));
	return false;
}

/* True for a scalar that every YAML program reads as text. */
static bool want_text(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		      const char *wanted)
{
	char shown[YAML_SHOWN];
	const char *misread;

	if (!want_scalar(c, key, v, wanted))
		return false;
	misread = table_misread(v);
	if (!misread)
		return true;
	yaml_show(v, shown);
	TELL(c, v,
	     ("`%s` without quotes is %s to YAML programs; %s is wanted here", shown, misread,
	      wanted),
	     ("write \"%s\" with the quotes if that is meant", shown));
	return false;
}

static bool read_name(struct decode *c, const struct yaml_node *v, const char *what)
{
	char shown[YAML_SHOWN], better[MAX_NAME + 1];
	struct diag_entry *e;
	const char *misread = table_misread(v);
	uint32_t i;

	yaml_show(v, shown);
	if (!misread && name_is_valid(v->text, v->n))
		return true;
	c->incomplete = true;
	if (misread && name_is_valid(v->text, v->n)) {
		TELL(c, v,
		     ("`%s` without quotes is %s to YAML programs; %s is wanted here", shown,
		      misread, what),
		     ("write \"%s\" with the quotes if that is meant", shown));
		return false;
	}
	e = diag_error(c->diag, yaml_pos(v), "`%s` is not %s", shown, what);
	for (i = 0; i < v->n && i < MAX_NAME; i++) {
		char ch = v->text[i];

		better[i] = ch == '_' || ch == ' ' ? '-' :
			    ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') :
						     ch;
	}
	better[i] = '\0';
	if (i == v->n && name_is_valid(better, i))
		diag_help(c->diag, e, "%s; write `%s`?", NAME_RULE, better);
	else
		diag_help(c->diag, e, "%s", NAME_RULE);
	return false;
}

static bool parse_hex(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i, n;

	if (s[0] != '0' || s[1] != 'x')
		return false;
	s += 2;
	n = strspn(s, "0123456789abcdefABCDEF");
	if (!n || s[n] || n > 8)
		return false;
	for (i = 0; i < n; i++)
		v = v << 4 | (uint64_t)(is_digit(s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
	*ret = v;
	return true;
}

static void help_number(struct decode *c, struct diag_entry *e, const struct field *f,
			const struct yaml_node *v)
{
	const char *s = v->text;
	size_t zeros = strspn(s, "0");
	uint64_t n;

	if (!(v->flags & YAML_PLAIN) && num_parse(s, v->n, UINT64_MAX, &n) == 0)
		diag_help(c->diag, e, "write %s without quotes", s);
	else if (parse_hex(s, &n))
		diag_help(c->diag, e, "write it in decimal: %llu", (unsigned long long)n);
	else if (zeros && zeros < v->n && num_parse(s + zeros, v->n - zeros, UINT64_MAX, &n) == 0)
		diag_help(
			c->diag, e,
			"without the leading 0, with which some YAML programs read it in base 8: %s",
			s + zeros);
	else if (is_no(s) && !f->min)
		diag_help(c->diag, e, "write 0 for none");
	else
		diag_help(c->diag, e, "write digits alone: no sign, point, exponent, '_' or ':'");
}

static bool read_number(struct decode *c, const struct field *f, const struct yaml_node *key,
			const struct yaml_node *v, uint64_t *ret)
{
	char shown[YAML_SHOWN];
	uint64_t n;

	if (!want_scalar(c, key, v, "a number"))
		return false;
	if (!(v->flags & YAML_PLAIN) || (num_parse(v->text, v->n, UINT64_MAX, &n) < 0 &&
					 !(f->type == FIELD_MARK && parse_hex(v->text, &n)))) {
		size_t digits = strspn(v->text, "0123456789");

		/* More digits than 64 bits hold are out of range, not misspelt. */
		if (!(v->flags & YAML_PLAIN) || digits != v->n || v->text[0] == '0') {
			help_number(c,
				    diag_error(c->diag, yaml_pos(v),
					       "`%s` is not a number that `%s` takes",
					       yaml_show(v, shown), key->text),
				    f, v);
			return false;
		}
		n = UINT64_MAX;
	}
	if (n < f->min || n > f->max) {
		diag_error(c->diag, yaml_pos(v), "`%s` must be from %llu to %llu", key->text,
			   (unsigned long long)f->min, (unsigned long long)f->max);
		return false;
	}
	*ret = n;
	return true;
}

/* Plain `off` is false to YAML 1.1; that is what the schema of an editor sees then. */
static bool read_routes_table(struct decode *c, const struct field *f, const struct yaml_node *key,
			      const struct yaml_node *v, uint64_t *ret)
{
	char shown[YAML_SHOWN];
	uint64_t n;

	if (!want_scalar(c, key, v, "a number or `off`"))
		return false;
	if (!strcmp(v->text, "off")) {
		*ret = 0;
		return true;
	}
	if (!(v->flags & YAML_PLAIN) || num_parse(v->text, v->n, UINT64_MAX, &n) < 0) {
		TELL(c, v,
		     ("`%s` is no routing table that `%s` takes", yaml_show(v, shown), key->text),
		     ("a number without quotes, or `off` for no routes at all"));
		return false;
	}
	if (n < f->min || n > f->max) {
		diag_error(c->diag, yaml_pos(v), "`%s` must be from %llu to %llu, or `off`",
			   key->text, (unsigned long long)f->min, (unsigned long long)f->max);
		return false;
	}
	if (n == 253 || n == 255) {
		TELL(c, v, ("the routing table %llu is the kernel's own", (unsigned long long)n),
		     ("254 is the main one, where routes go without `%s`", key->text));
		return false;
	}
	*ret = n;
	return true;
}

static bool read_bool(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		      bool *ret)
{
	char shown[YAML_SHOWN];
	struct diag_entry *e;

	if (!want_scalar(c, key, v, "true or false"))
		return false;
	if ((v->flags & YAML_PLAIN) && (!strcmp(v->text, "true") || !strcmp(v->text, "false"))) {
		*ret = v->text[0] == 't';
		return true;
	}
	e = diag_error(c->diag, yaml_pos(v), "`%s` wants true or false, not `%s`", key->text,
		       yaml_show(v, shown));
	if (is_yes(v->text) || is_no(v->text))
		diag_help(c->diag, e, "write %s, in lower case and without quotes",
			  is_yes(v->text) ? "true" : "false");
	return false;
}

static struct m_text keep(struct decode *c, const struct yaml_node *v)
{
	struct m_text t = { .s = arena_strndup(c->arena, v->text, v->n), .pos = yaml_pos(v) };

	if (!t.s)
		out_of_memory(c);
	return t;
}

static void read_text(struct decode *c, const struct field *f, const struct yaml_node *key,
		      const struct yaml_node *v, struct m_text *ret)
{
	char shown[YAML_SHOWN];
	const char *why;

	if (!want_text(c, key, v, "text"))
		return;
	if (v->n < f->min || v->n > f->max) {
		diag_error(c->diag, yaml_pos(v), "`%s` must have from %llu to %llu bytes, not %u",
			   key->text, (unsigned long long)f->min, (unsigned long long)f->max, v->n);
		return;
	}
	why = f->check ? f->check(v->text, v->n) : NULL;
	if (why) {
		TELL(c, v, ("`%s` is refused as `%s`", yaml_show(v, shown), key->text),
		     ("%s", why));
		return;
	}
	*ret = keep(c, v);
}

static void read_duration(struct decode *c, const struct field *f, const struct yaml_node *key,
			  const struct yaml_node *v, int64_t *ret)
{
	char shown[YAML_SHOWN];
	int64_t t;

	if (!want_scalar(c, key, v, "a duration"))
		return;
	if (duration_parse(v->text, v->n, &t) < 0 || (uint64_t)t < f->min || (uint64_t)t > f->max) {
		TELL(c, v,
		     ("`%s` is not a duration that `%s` takes", yaml_show(v, shown), key->text),
		     ("a number and h, d or w, from %lluh to %llud",
		      (unsigned long long)f->min / 3600, (unsigned long long)f->max / 86400));
		return;
	}
	*ret = t;
}

static void read_key(struct decode *c, const struct field *f, const struct yaml_node *key,
		     const struct yaml_node *v, void *obj)
{
	if (!want_text(c, key, v, "a public key"))
		return;
	if (wgkey_parse(v->text, v->n, MEMBER(struct wgkey, obj, f->value)) < 0) {
		/* Not echoed: people paste the wrong half. */
		struct diag_entry *e =
			diag_error(c->diag, yaml_pos(v), "this is not a WireGuard public key");

		if (v->n != KEY_STRLEN - 1)
			diag_help(c->diag, e,
				  "a key has 44 characters, this has %u; `wg pubkey` prints it",
				  v->n);
		else
			diag_help(c->diag, e,
				  "a key is 44 characters of base64, as `wg pubkey` prints it");
		return;
	}
	*MEMBER(struct pos, obj, f->pos) = yaml_pos(v);
}

/* `words` are in lower case, each followed by a blank; s may be in capitals. */
static bool is_word_for(const char *words, const char *s, size_t len)
{
	const char *p;
	size_t n, i;

	for (p = words; *p; p += n + 1) {
		n = strcspn(p, " ");
		for (i = 0; i < n && n == len; i++)
			if ((s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i]) != p[i])
				break;
		if (n == len && i == n)
			return true;
	}
	return false;
}

#define GUESS (MAX_NAME + 5)

/* What was meant by `tags:dc`, `group: dc` (a mapping to YAML) or `node:fra1`. */
static bool guess_selector(const struct yaml_node *v, char out[static GUESS])
{
	const char *word, *name;
	size_t word_len, len;
	bool tag;

	if (v->kind == YAML_NODE_MAP && v->n == 1 && v->pairs[0].value.kind == YAML_NODE_SCALAR) {
		word = v->pairs[0].key.text;
		word_len = v->pairs[0].key.n;
		name = v->pairs[0].value.text;
	} else if (v->kind == YAML_NODE_SCALAR) {
		word = v->text;
		word_len = strcspn(word, ": ");
		name = word + word_len;
		name += strspn(name, ": ");
	} else {
		return false;
	}
	tag = is_word_for("tag tags tagged group groups label labels role roles ", word, word_len);
	if (!tag && !is_word_for("node nodes name host hosts peer peers ", word, word_len))
		return false;
	len = strcspn(name, " ");
	if (name[len + strspn(name + len, " ")] || !name_is_valid(name, len))
		return false;
	snprintf(out, GUESS, "%s%.*s", tag ? "tag:" : "", (int)len, name);
	return true;
}

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
static void read_endpoint(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
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

static bool read_viewpoint(struct decode *c, const struct yaml_node *key)
{
	static const char wanted[] = "default, tag:NAME or site:NAME";
	struct yaml_node name = *key;
	char shown[YAML_SHOWN], guess[GUESS];
	struct diag_entry *e;

	if (!strncmp(key->text, "tag:", 4) && key->n > 4) {
		name.text += 4;
		name.n -= 4;
		name.flags &= (uint8_t)~YAML_PLAIN;
		return read_name(c, &name, "a tag");
	}
	if (!strncmp(key->text, "site:", 5) && key->n > 5) {
		name.text += 5;
		name.n -= 5;
		name.flags &= (uint8_t)~YAML_PLAIN;
		return read_name(c, &name, "a site");
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

static void read_endpoints(struct decode *c, const struct field *f, const struct yaml_node *key,
			   const struct yaml_node *v, void *obj)
{
	struct m_seen *list;
	size_t n = 0, j;
	uint32_t i;

	if (!table_shape(c->diag, NULL, f, key, v))
		return;
	if (v->n < f->min && !(v->flags & YAML_PARTIAL)) {
		TELL(c, v, ("`%s` is empty", key->text), ("name at least one, or remove the line"));
		return;
	}
	if (v->n > f->max) {
		diag_error(c->diag, yaml_pos(&v->pairs[f->max].key),
			   "`%s` has %u entries; at most %llu are accepted", key->text, v->n,
			   (unsigned long long)f->max);
		return;
	}
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *from = &v->pairs[i].key, *at = &v->pairs[i].value;
		struct m_seen s = { .from_pos = yaml_pos(from), .pos = yaml_pos(at) };

		if (!strcmp(from->text, "default")) {
			read_endpoint(c, from, at, MEMBER(struct endpoint, obj, f->has),
				      MEMBER(struct pos, obj, f->pos));
			continue;
		}
		if (!read_viewpoint(c, from) || !parse_endpoint(c, from, at, &s.endpoint))
			continue;
		s.from = arena_strndup(c->arena, from->text, from->n);
		if (!s.from) {
			out_of_memory(c);
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

static void read_ifname(struct decode *c, const struct field *f, const struct yaml_node *key,
			const struct yaml_node *v, void *obj)
{
	char shown[YAML_SHOWN];

	if (!want_text(c, key, v, "an interface name"))
		return;
	if (ifname_parse(v->text, v->n, MEMBER(struct ifname, obj, f->value)) < 0) {
		TELL(c, v, ("`%s` is not an interface name", yaml_show(v, shown)),
		     ("1 to 15 letters, digits or '_', '=', '+', '.', '-'"));
		return;
	}
	*MEMBER(struct pos, obj, f->pos) = yaml_pos(v);
	*MEMBER(bool, obj, f->extra) = true;
}

/* "52000-52999" */
static void read_ports(struct decode *c, const struct field *f, const struct yaml_node *key,
		       const struct yaml_node *v, struct m_ports *ret)
{
	char shown[YAML_SHOWN];
	const char *dash;
	uint64_t first, last;

	if (!want_scalar(c, key, v, "a range of ports"))
		return;
	dash = memchr(v->text, '-', v->n);
	if (!dash || num_parse(v->text, (size_t)(dash - v->text), UINT64_MAX, &first) < 0 ||
	    num_parse(dash + 1, v->n - (size_t)(dash + 1 - v->text), UINT64_MAX, &last) < 0) {
		TELL(c, v, ("`%s` is not a range of ports", yaml_show(v, shown)),
		     ("write the first and the last port: `%s: %s`", f->key, f->fallback));
		return;
	}
	if (first < f->min || last > f->max || first > last) {
		TELL(c, v, ("`%s` is not a range of ports", yaml_show(v, shown)),
		     ("the first port is at least %llu, the last at most %llu, and not below the first",
		      (unsigned long long)f->min, (unsigned long long)f->max));
		return;
	}
	*ret = (struct m_ports){ true, (uint16_t)first, (uint16_t)last, yaml_pos(v) };
}

/* Lists. */

static bool want_list(struct decode *c, const struct field *f, const struct yaml_node *key,
		      const struct yaml_node *v)
{
	char shown[YAML_SHOWN];

	c->incomplete |= v->kind != YAML_NODE_LIST || v->n > f->max || (v->flags & YAML_PARTIAL);
	if (v->kind == YAML_NODE_SCALAR && f->type != FIELD_LIST && !is_null(v)) {
		TELL(c, v, ("`%s` wants a list", key->text), ("write [%s]", yaml_show(v, shown)));
		return false;
	}
	if (!has_shape(c->diag, f->table, f, key, v, true))
		return false;
	if (v->n < f->min && !(v->flags & YAML_PARTIAL)) {
		TELL(c, v, ("`%s` is empty", key->text), ("name at least one, or remove the line"));
		return false;
	}
	if (v->n > f->max) {
		diag_error(c->diag, yaml_pos(v->n > f->max ? &v->items[f->max] : v),
			   "`%s` has %u entries; at most %llu are accepted", key->text, v->n,
			   (unsigned long long)f->max);
		return false;
	}
	return true;
}

/* The first address of a prefix means the prefix itself, where there are others. */
static void step_inside(struct ifaddr *a)
{
	struct prefix p = prefix_of_ifaddr(a);
	unsigned int bits = family_bits(p.family);

	if (bits - p.len >= 2 && !memcmp(p.b, a->addr.b, sizeof(p.b)))
		a->addr.b[bits / 8 - 1]++;
}

static bool read_address(struct decode *c, const struct field *f, const struct yaml_node *v,
			 struct m_addr *ret)
{
	char shown[YAML_SHOWN], text[IPADDR_STRLEN];
	struct ifaddr with_len;

	if (!want_scalar(c, NULL, v, "an IP address"))
		return false;
	yaml_show(v, shown);
	if (ipaddr_parse(v->text, v->n, &ret->addr) < 0) {
		bool ok = ifaddr_parse(v->text, v->n, &with_len) == 0;

		if (ok && f->flags & FIELD_WHOLE &&
		    with_len.len < family_bits(with_len.addr.family)) {
			step_inside(&with_len);
			*ret = (struct m_addr){ with_len.addr, yaml_pos(v), with_len.len };
			return true;
		}
		if (ok && f->flags & FIELD_WHOLE)
			TELL(c, v, ("`%s` is one address", shown),
			     ("write %s", ipaddr_print(&with_len.addr, text)));
		else if (ok)
			TELL(c, v,
			     ("`%s` has a prefix length; an address here is a plain IP", shown),
			     ("write %s: the interface gets it with the length of the pool",
			      ipaddr_print(&with_len.addr, text)));
		else
			TELL(c, v, ("`%s` is not an IP address", shown),
			     ("write it like 10.20.0.1 or fd20::1, without leading zeros"));
		return false;
	}
	ret->pos = yaml_pos(v);
	return true;
}

static void read_addresses(struct decode *c, const struct field *f, const struct yaml_node *key,
			   const struct yaml_node *v, void *obj)
{
	struct m_addr *list;
	size_t n = 0, j;
	uint32_t i;

	*MEMBER(bool, obj, f->has) = true;
	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		if (!read_address(c, f, &v->items[i], &list[n]))
			continue;
		for (j = 0; j < n && ipaddr_cmp(&list[j].addr, &list[n].addr); j++)
			;
		if (j < n)
			yaml_duplicate(c->diag, &v->items[i],
				       &(struct yaml_node){ .source = list[j].pos.source,
							    .line = list[j].pos.line,
							    .col = list[j].pos.col,
							    .width = (uint16_t)list[j].pos.width });
		else
			n++;
	}
	*MEMBER(struct m_addr *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

/* `key` NULL: an entry of a list. */
static bool read_prefix(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
			struct prefix *ret, struct pos *ret_pos)
{
	char shown[YAML_SHOWN], text[PREFIX_STRLEN];
	struct ipaddr bare;
	bool host_bits;

	if (!want_scalar(c, key, v, "a prefix"))
		return false;
	yaml_show(v, shown);
	if (prefix_parse(v->text, v->n, ret, &host_bits) < 0) {
		struct prefix p;

		if (ipaddr_parse(v->text, v->n, &bare) == 0) {
			p = prefix_of_addr(&bare);
			TELL(c, v, ("`%s` has no prefix length", shown),
			     ("write %s for this address alone", prefix_print(&p, text)));
		} else {
			TELL(c, v, ("`%s` is not a prefix", shown),
			     ("write it like 10.20.0.0/16 or fd20::/64, without leading zeros"));
		}
		return false;
	}
	if (host_bits) {
		TELL(c, v, ("`%s` has bits set behind its prefix length", shown),
		     ("write %s", prefix_print(ret, text)));
		return false;
	}
	*ret_pos = yaml_pos(v);
	return true;
}

/* A prefix, or a single address that stands for its own. */
static bool read_range(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
		       struct prefix *ret, struct pos *ret_pos)
{
	struct ipaddr bare;

	if (v->kind != YAML_NODE_SCALAR || ipaddr_parse(v->text, v->n, &bare) < 0)
		return read_prefix(c, key, v, ret, ret_pos);
	*ret = prefix_of_addr(&bare);
	*ret_pos = yaml_pos(v);
	return true;
}

static int cmp_prefix_at(const void *pa, const void *pb)
{
	const struct m_prefix *a = *(const struct m_prefix *const *)pa,
			      *b = *(const struct m_prefix *const *)pb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : (a > b) - (a < b);
}

/* Tells those that stand twice. They stay in the list: there was an error, so nobody uses it. */
static void check_twice(struct decode *c, const struct m_prefix *list, size_t n)
{
	const struct m_prefix **sorted;
	char text[PREFIX_STRLEN];
	size_t i;

	if (n < 2)
		return;
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < n; i++)
		sorted[i] = &list[i];
	qsort(sorted, n, sizeof(*sorted), cmp_prefix_at);
	for (i = 1; i < n; i++) {
		struct diag_entry *e;

		if (prefix_cmp(&sorted[i - 1]->prefix, &sorted[i]->prefix))
			continue;
		e = diag_error(c->diag, sorted[i]->pos, "`%s` is given twice",
			       prefix_print(&sorted[i]->prefix, text));
		diag_other(c->diag, e, sorted[i - 1]->pos, "it is given here already");
	}
	free(sorted);
}

static void read_prefixes(struct decode *c, const struct field *f, const struct yaml_node *key,
			  const struct yaml_node *v, void *obj)
{
	bool (*read_item)(struct decode *, const struct yaml_node *, const struct yaml_node *,
			  struct prefix *, struct pos *) =
		f->type == FIELD_RANGES ? read_range : read_prefix;
	struct m_prefix *list;
	size_t n = 0;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++)
		n += read_item(c, NULL, &v->items[i], &list[n].prefix, &list[n].pos);
	if (f->has)
		*MEMBER(bool, obj, f->has) = n < v->n;
	check_twice(c, list, n);
	*MEMBER(struct m_prefix *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_routes(struct decode *c, const struct field *f, const struct yaml_node *key,
			const struct yaml_node *v, void *obj)
{
	struct m_prefix *prefixes;
	struct m_route *list;
	size_t n = 0;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	prefixes = calloc(v->n ? v->n : 1, sizeof(*prefixes));
	if (!list || !prefixes) {
		free(prefixes);
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *item = &v->items[i];
		struct m_route r = { 0 };

		if (item->kind == YAML_NODE_MAP)
			table_decode(c, f->table, item, yaml_pos(item), &r);
		else if (!read_prefix(c, NULL, item, &r.prefix, &r.pos))
			continue;
		/* Without a prefix: that was told. */
		if (!r.pos.source)
			continue;
		prefixes[n] = (struct m_prefix){ r.prefix, r.pos };
		list[n++] = r;
	}
	check_twice(c, prefixes, n);
	free(prefixes);
	*MEMBER(struct m_route *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

/* What endpoint_parse takes without a port, and no address: a domain, in lower case. */
static const char *read_domain(struct decode *c, const struct yaml_node *v, const char **ret_why)
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

static void read_dns(struct decode *c, const struct field *f, const struct yaml_node *key,
		     const struct yaml_node *v, void *obj)
{
	static const char wanted[] = "the address of a name server or a search domain";
	char shown[YAML_SHOWN];
	struct m_dns *list;
	const char *why;
	size_t n = 0, j;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		struct m_dns *d = &list[n];

		*d = (struct m_dns){ .pos = yaml_pos(&v->items[i]) };
		if (!want_text(c, NULL, &v->items[i], wanted))
			continue;
		if (ipaddr_parse(v->items[i].text, v->items[i].n, &d->addr) < 0) {
			d->domain = read_domain(c, &v->items[i], &why);
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
			diag_other(c->diag,
				   diag_error(c->diag, d->pos, "`%s` is given twice",
					      yaml_show(&v->items[i], shown)),
				   list[j].pos, "it is given here already");
	}
	*MEMBER(struct m_dns *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

/* Names in the order written. */
static void read_names(struct decode *c, const struct field *f, const struct yaml_node *key,
		       const struct yaml_node *v, void *obj)
{
	struct m_text *list;
	size_t n = 0, j;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		if (!want_scalar(c, NULL, &v->items[i], "a name") ||
		    !read_name(c, &v->items[i], "a name"))
			continue;
		for (j = 0; j < n && strcmp(list[j].s, v->items[i].text) != 0; j++)
			;
		if (j < n) {
			diag_other(c->diag,
				   diag_error(c->diag, yaml_pos(&v->items[i]),
					      "`%s` is given twice", list[j].s),
				   list[j].pos, "it is given here already");
			continue;
		}
		list[n] = keep(c, &v->items[i]);
		if (!list[n++].s)
			return;
	}
	*MEMBER(struct m_text *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_tags(struct decode *c, const struct field *f, const struct yaml_node *key,
		      const struct yaml_node *v, void *obj)
{
	struct m_text *list;
	size_t n = 0, j;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, sizeof(*list));
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		struct m_text tag;
		int cmp = -1;

		if (!want_scalar(c, NULL, &v->items[i], "a tag") ||
		    !read_name(c, &v->items[i], "a tag"))
			continue;
		/* At most MAX_TAGS: insertion keeps them sorted. */
		for (j = n; j > 0; j--) {
			cmp = strcmp(list[j - 1].s, v->items[i].text);
			if (cmp <= 0)
				break;
		}
		if (j > 0 && !cmp) {
			struct diag_entry *e = diag_error(c->diag, yaml_pos(&v->items[i]),
							  "`%s` is given twice", list[j - 1].s);

			diag_other(c->diag, e, list[j - 1].pos, "it is given here already");
			continue;
		}
		tag = keep(c, &v->items[i]);
		if (!tag.s)
			return;
		memmove(&list[j + 1], &list[j], (n - j) * sizeof(*list));
		list[j] = tag;
		n++;
	}
	*MEMBER(struct m_text *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static bool read_selector(struct decode *c, const struct yaml_node *v, struct m_selector *ret)
{
	static const char wanted[] = "a node's name, tag:NAME or all";
	struct yaml_node name = *v;
	char shown[YAML_SHOWN], guess[GUESS];
	bool guessed = guess_selector(v, guess);

	if (v->kind == YAML_NODE_MAP) {
		struct diag_entry *e = diag_error(c->diag, yaml_pos(v),
						  "%s is wanted here, not a mapping", wanted);

		if (guessed)
			diag_help(c->diag, e, "did you mean `%s`, without a blank?", guess);
		else
			diag_help(c->diag, e, "write tag:NAME without a blank");
		return false;
	}
	if (!want_scalar(c, NULL, v, wanted))
		return false;
	if (guessed && strcmp(guess, v->text) != 0) {
		TELL(c, v, ("`%s` is not %s", yaml_show(v, shown), wanted),
		     ("did you mean `%s`?", guess));
		return false;
	}
	ret->pos = yaml_pos(v);
	if (!strcmp(v->text, "all")) {
		ret->kind = SELECT_ALL;
		return true;
	}
	ret->kind = SELECT_NODE;
	if (!strncmp(v->text, "tag:", 4)) {
		ret->kind = SELECT_TAG;
		name.text += 4;
		name.n -= 4;
		name.flags &=
			(uint8_t)~YAML_PLAIN; /* with tag: before it, no program misreads it */
	}
	if (!read_name(c, &name, ret->kind == SELECT_TAG ? "a tag" : wanted))
		return false;
	ret->name = arena_strndup(c->arena, name.text, name.n);
	if (!ret->name)
		out_of_memory(c);
	return ret->name;
}

static void read_selectors(struct decode *c, const struct field *f, const struct yaml_node *key,
			   const struct yaml_node *v, struct m_selectors *ret)
{
	char guess[GUESS];
	uint32_t i;

	if (v->kind != YAML_NODE_LIST && guess_selector(v, guess)) {
		ret->lost = true;
		TELL(c, v, ("`%s` wants a list, not %s", key->text, kind_word(v)),
		     ("did you mean `%s: [%s]`?", key->text, guess));
		return;
	}
	if (!want_list(c, f, key, v))
		return;
	ret->list = arena_array(c->arena, v->n, sizeof(*ret->list));
	if (!ret->list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++)
		ret->n += read_selector(c, &v->items[i], &ret->list[ret->n]);
	ret->lost = ret->n < v->n;
}

/* A prefix has a '/', which no selector has; an address without one is told as a prefix. */
static bool is_prefix(const struct yaml_node *v)
{
	struct ipaddr unused;

	return v->kind == YAML_NODE_SCALAR &&
	       (memchr(v->text, '/', v->n) || ipaddr_parse(v->text, v->n, &unused) == 0);
}

static void read_parties(struct decode *c, const struct field *f, const struct yaml_node *key,
			 const struct yaml_node *v, struct m_parties *ret)
{
	struct m_selectors *nodes = &ret->nodes;
	char guess[GUESS];
	uint32_t i;

	if (v->kind != YAML_NODE_LIST && guess_selector(v, guess)) {
		nodes->lost = true;
		TELL(c, v, ("`%s` wants a list, not %s", key->text, kind_word(v)),
		     ("did you mean `%s: [%s]`?", key->text, guess));
		return;
	}
	if (!want_list(c, f, key, v)) {
		nodes->lost = true;
		return;
	}
	nodes->list = arena_array(c->arena, v->n, sizeof(*nodes->list));
	ret->prefixes = arena_array(c->arena, v->n, sizeof(*ret->prefixes));
	if (!nodes->list || !ret->prefixes) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		struct m_prefix *p = &ret->prefixes[ret->n_prefixes];

		if (is_prefix(&v->items[i]))
			ret->n_prefixes += read_prefix(c, NULL, &v->items[i], &p->prefix, &p->pos);
		else
			nodes->n += read_selector(c, &v->items[i], &nodes->list[nodes->n]);
	}
	nodes->lost = nodes->n + ret->n_prefixes < v->n;
	check_twice(c, ret->prefixes, ret->n_prefixes);
}

static void read_services(struct decode *c, const struct field *f, const struct yaml_node *key,
			  const struct yaml_node *v, struct m_services *ret)
{
	char shown[YAML_SHOWN];
	const char *why;
	uint64_t port;
	uint32_t i;

	if (!want_list(c, f, key, v))
		return;
	ret->list = arena_array(c->arena, v->n, sizeof(*ret->list));
	if (!ret->list) {
		out_of_memory(c);
		return;
	}
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

/* Mappings. */

static bool want_map(struct decode *c, const struct table *t, const struct field *f,
		     const struct yaml_node *key, const struct yaml_node *v)
{
	c->incomplete |= v->kind != YAML_NODE_MAP || (v->flags & YAML_PARTIAL);
	return table_shape(c->diag, t, f, key, v);
}

static void read_named(struct decode *c, const struct field *f, const struct yaml_node *key,
		       const struct yaml_node *v, void *obj)
{
	const struct table *t = f->table;
	uint32_t *order, i;
	size_t n = 0;
	char *list;

	if (!want_map(c, t, f, key, v))
		return;
	if (v->n > f->max) {
		c->incomplete = true;
		diag_error(c->diag, yaml_pos(key), "`%s` has %u entries; at most %llu are accepted",
			   key->text, v->n, (unsigned long long)f->max);
		return;
	}
	order = yaml_sort(v->pairs, v->n);
	list = arena_array(c->arena, v->n, t->size);
	if (!order || !list) {
		free(order);
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_pair *p = &v->pairs[order[i]];
		char *item = list + n * t->size;
		const char *name;

		/* The entry is checked even when its name is refused. */
		if (!strcmp(p->key.text, "all"))
			TELL(c, &p->key, ("nothing can be called `all`"),
			     ("`all` means every node in the topology"));
		else
			read_name(c, &p->key, "a name");
		name = arena_strndup(c->arena, p->key.text, p->key.n);
		if (!name) {
			out_of_memory(c);
			break;
		}
		*MEMBER(const char *, item, t->name) = name;
		*MEMBER(struct pos, item, t->pos) = yaml_pos(&p->key);
		if (want_map(c, t, NULL, &p->key, &p->value))
			table_decode(c, t, &p->value, yaml_pos(&p->key), item);
		n++;
	}
	free(order);
	*MEMBER(void *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_list(struct decode *c, const struct field *f, const struct yaml_node *key,
		      const struct yaml_node *v, void *obj)
{
	const struct table *t = f->table;
	size_t n = 0;
	uint32_t i;
	char *list;

	*MEMBER(bool, obj, f->has) = true;
	if (!want_list(c, f, key, v))
		return;
	list = arena_array(c->arena, v->n, t->size);
	if (!list) {
		out_of_memory(c);
		return;
	}
	for (i = 0; i < v->n; i++) {
		const struct yaml_node *item = &v->items[i];

		if (item->kind == YAML_NODE_BAD)
			continue;
		if (item->kind != YAML_NODE_MAP) {
			help_shape(c->diag,
				   diag_error(c->diag, yaml_pos(item), "%s is a mapping, not %s",
					      t->what, kind_word(item)),
				   t, NULL);
			continue;
		}
		*MEMBER(struct pos, list + n * t->size, t->pos) = yaml_pos(item);
		table_decode(c, t, item, yaml_pos(item), list + n * t->size);
		n++;
	}
	*MEMBER(void *, obj, f->value) = list;
	*MEMBER(size_t, obj, f->extra) = n;
}

static void read_version(struct decode *c, const struct yaml_node *key, const struct yaml_node *v)
{
	static const struct field any = { .max = UINT64_MAX };
	uint64_t n;

	if (!read_number(c, &any, key, v, &n) || n == 1)
		return;
	TELL(c, v,
	     ("version %llu of the format is not known to this version of meshrc",
	      (unsigned long long)n),
	     ("write `version: 1`"));
}

static void read_false(struct decode *c, const struct yaml_node *key, const struct yaml_node *v)
{
	bool on;

	if (read_bool(c, key, v, &on) && on)
		TELL(c, v, ("`%s: true` is not supported by this version of meshrc", key->text),
		     ("write false, or remove the line"));
}

static void read_field(struct decode *c, const struct field *f, const struct yaml_pair *p,
		       void *obj)
{
	const struct yaml_node *key = &p->key, *v = &p->value;
	struct m_uint *number;

	switch (f->type) {
	case FIELD_VERSION:
		read_version(c, key, v);
		break;
	case FIELD_UINT:
	case FIELD_MARK:
		number = MEMBER(struct m_uint, obj, f->value);
		number->set = read_number(c, f, key, v, &number->v);
		number->pos = yaml_pos(v);
		break;
	case FIELD_ROUTES_TABLE:
		number = MEMBER(struct m_uint, obj, f->value);
		number->set = read_routes_table(c, f, key, v, &number->v);
		number->pos = yaml_pos(v);
		break;
	case FIELD_BOOL:
		read_bool(c, key, v, MEMBER(bool, obj, f->value));
		if (f->pos)
			*MEMBER(struct pos, obj, f->pos) = yaml_pos(v);
		break;
	case FIELD_TEXT:
	case FIELD_WORD:
		read_text(c, f, key, v, MEMBER(struct m_text, obj, f->value));
		break;
	case FIELD_DURATION:
		read_duration(c, f, key, v, MEMBER(int64_t, obj, f->value));
		break;
	case FIELD_KEY:
		read_key(c, f, key, v, obj);
		break;
	case FIELD_ENDPOINT:
		read_endpoint(c, key, v, MEMBER(struct endpoint, obj, f->value),
			      MEMBER(struct pos, obj, f->pos));
		break;
	case FIELD_ENDPOINTS:
		read_endpoints(c, f, key, v, obj);
		break;
	case FIELD_IFNAME:
		read_ifname(c, f, key, v, obj);
		break;
	case FIELD_PORTS:
		read_ports(c, f, key, v, MEMBER(struct m_ports, obj, f->value));
		break;
	case FIELD_ADDRESSES:
		read_addresses(c, f, key, v, obj);
		break;
	case FIELD_PREFIX:
		read_prefix(c, key, v, MEMBER(struct prefix, obj, f->value),
			    MEMBER(struct pos, obj, f->pos));
		break;
	case FIELD_PREFIXES:
	case FIELD_RANGES:
		read_prefixes(c, f, key, v, obj);
		break;
	case FIELD_ROUTES:
		read_routes(c, f, key, v, obj);
		break;
	case FIELD_DNS:
		read_dns(c, f, key, v, obj);
		break;
	case FIELD_NAMES:
		read_names(c, f, key, v, obj);
		break;
	case FIELD_TAGS:
		read_tags(c, f, key, v, obj);
		break;
	case FIELD_SELECTORS:
		read_selectors(c, f, key, v, MEMBER(struct m_selectors, obj, f->value));
		break;
	case FIELD_PARTIES:
		read_parties(c, f, key, v, MEMBER(struct m_parties, obj, f->value));
		break;
	case FIELD_SERVICES:
		read_services(c, f, key, v, MEMBER(struct m_services, obj, f->value));
		break;
	case FIELD_TABLE:
		if (want_map(c, f->table, f, key, v))
			table_decode(c, f->table, v, yaml_pos(key), (char *)obj + f->value);
		break;
	case FIELD_NAMED:
		read_named(c, f, key, v, obj);
		break;
	case FIELD_LIST:
		read_list(c, f, key, v, obj);
		break;
	case FIELD_FALSE:
		read_false(c, key, v);
		break;
	}
}

/* The table at or below `t`, other than `except`, that has this key. */
static const struct table *find_owner(const struct table *t, const struct table *except,
				      const char *key)
{
	const struct table *found;
	const struct field *f;

	f = t == except ? NULL : table_field(t, key);
	if (f)
		return t;
	for (f = t->fields; f->key; f++) {
		found = f->table ? find_owner(f->table, except, key) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

static const char *find_synonym(const struct table *t, const char *key)
{
	const struct field *f;
	size_t len = strlen(key);
	const char *p;

	for (f = t->fields; f->key; f++)
		for (p = f->synonyms; p && (p = strstr(p, key)); p += len)
			if (p[len] == ' ' && (p == f->synonyms || p[-1] == ' '))
				return f->key;
	return NULL;
}

#define MAX_FIELDS 32

static void unknown_key(struct decode *c, const struct table *t, const struct yaml_node *key)
{
	const char *words[MAX_FIELDS], *better;
	const struct table *owner;
	const struct field *f;
	char shown[YAML_SHOWN];
	struct diag_entry *e;
	size_t n = 0;

	e = diag_error(c->diag, yaml_pos(key), "unknown key `%s` in %s", yaml_show(key, shown),
		       t->what);
	if (!e)
		return;
	better = find_synonym(t, key->text);
	owner = better ? NULL : find_owner(c->top, t, key->text);
	if (owner) {
		diag_help(c->diag, e, "it is a key of %s; is it indented as meant?", owner->what);
		return;
	}
	for (f = t->fields; f->key; f++)
		words[n++] = f->key;
	if (!better)
		better = text_suggest(key->text, words, n);
	if (better)
		diag_help(c->diag, e, "did you mean `%s`?", better);
}

static void set_defaults(const struct table *t, void *obj)
{
	const struct field *f;

	for (f = t->fields; f->key; f++) {
		if (f->type == FIELD_TABLE && !t->one_of)
			set_defaults(f->table, (char *)obj + f->value);
		if (!f->fallback)
			continue;
		if (f->type == FIELD_BOOL)
			*MEMBER(bool, obj, f->value) = !strcmp(f->fallback, "true");
		else if (f->type == FIELD_WORD)
			MEMBER(struct m_text, obj, f->value)->s = f->fallback;
		else if (f->type == FIELD_DURATION &&
			 duration_parse(f->fallback, strlen(f->fallback),
					MEMBER(int64_t, obj, f->value)) < 0)
			*MEMBER(int64_t, obj, f->value) = (int64_t)f->min;
	}
}

static void check_choice(struct decode *c, const struct table *t, const struct yaml_node *map,
			 struct pos where)
{
	const struct yaml_node *second = NULL;
	const struct field *first = NULL;
	struct diag_entry *e = NULL;
	char shown[YAML_SHOWN];
	uint32_t i;

	for (i = 0; i < map->n && !second; i++) {
		const struct field *f = table_field(t, map->pairs[i].key.text);

		/* What is unknown is told as such. */
		if (!f || f->flags & FIELD_BESIDE)
			continue;
		if (first)
			second = &map->pairs[i].key;
		first = f;
	}
	if (second) {
		e = diag_error(c->diag, yaml_pos(second),
			       "%s has exactly one kind; `%s` is a second one", t->what,
			       yaml_show(second, shown));
		diag_help(c->diag, e, "begin another entry with `- `");
	} else if (!first && map->n && !(map->flags & YAML_PARTIAL)) {
		for (i = 0; i < map->n && table_field(t, map->pairs[i].key.text); i++)
			;
		if (i < map->n)
			return;
		e = diag_error(c->diag, where, "%s joins nobody: `%s` alone does not say whom",
			       t->what, yaml_show(&map->pairs[0].key, shown));
		diag_help(c->diag, e, "add what it is: `%s`, for example", t->shape);
	} else if (!map->n && !(map->flags & YAML_PARTIAL)) {
		e = diag_error(c->diag, where, "%s is empty", t->what);
		diag_help(c->diag, e, "write one of its keys: `%s`, for example", t->fields[0].key);
	}
}

void table_decode(struct decode *c, const struct table *t, const struct yaml_node *map,
		  struct pos where, void *obj)
{
	const struct field *f;
	uint32_t seen = 0, i;
	bool chosen = false;

	set_defaults(t, obj);
	if (t->one_of)
		check_choice(c, t, map, where);
	for (i = 0; i < map->n; i++) {
		f = table_field(t, map->pairs[i].key.text);
		if (!f) {
			unknown_key(c, t, &map->pairs[i].key);
			continue;
		}
		/* Both would be read into the same place: check_choice has refused the second. */
		if (t->one_of && !(f->flags & FIELD_BESIDE)) {
			if (chosen)
				continue;
			chosen = true;
			*MEMBER(int, obj, t->kind) = f->choice;
		}
		seen |= UINT32_C(1) << (f - t->fields);
		read_field(c, f, &map->pairs[i], obj);
	}
	if (map->flags & YAML_PARTIAL)
		return;
	for (f = t->fields; f->key; f++) {
		struct diag_entry *e;

		if (!(f->flags & (FIELD_REQUIRED | FIELD_REQUIRED_ONCE)) ||
		    (seen & UINT32_C(1) << (f - t->fields)))
			continue;
		e = diag_error(c->diag, where, "`%s` is missing in %s", f->key, t->what);
		diag_help(c->diag, e, "add `%s: %s`", f->key, f->example);
	}
}
