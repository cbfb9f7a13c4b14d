/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

#include "common/num.h"
#include "common/timefmt.h"

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
		v = v << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
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
	else if (scalar_is_no(s) && !f->min)
		diag_help(c->diag, e, "write 0 for none");
	else
		diag_help(c->diag, e, "write digits alone: no sign, point, exponent, '_' or ':'");
}

static bool parse_number(struct decode *c, const struct field *f, const struct yaml_node *key,
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
static bool parse_routes_table(struct decode *c, const struct field *f, const struct yaml_node *key,
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

static bool parse_bool(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
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
	if (scalar_is_yes(v->text) || scalar_is_no(v->text))
		diag_help(c->diag, e, "write %s, in lower case and without quotes",
			  scalar_is_yes(v->text) ? "true" : "false");
	return false;
}

void read_version(struct decode *c, const struct field *f, const struct yaml_node *key,
		  const struct yaml_node *v, void *obj)
{
	static const struct field any = { .max = UINT64_MAX };
	uint64_t n;

	if (!parse_number(c, &any, key, v, &n) || n == 1)
		return;
	TELL(c, v,
	     ("version %llu of the format is not known to this version of meshrc",
	      (unsigned long long)n),
	     ("write `version: 1`"));
}

void read_uint(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v, void *obj)
{
	struct m_uint *number = MEMBER(struct m_uint, obj, f->value);

	number->set = f->type == FIELD_ROUTES_TABLE ? parse_routes_table(c, f, key, v, &number->v) :
						      parse_number(c, f, key, v, &number->v);
	number->pos = yaml_pos(v);
}

void read_bool(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v, void *obj)
{
	parse_bool(c, key, v, MEMBER(bool, obj, f->value));
	if (f->pos)
		*MEMBER(struct pos, obj, f->pos) = yaml_pos(v);
}

void read_false(struct decode *c, const struct field *f, const struct yaml_node *key,
		const struct yaml_node *v, void *obj)
{
	bool on;

	if (parse_bool(c, key, v, &on) && on)
		TELL(c, v, ("`%s: true` is not supported by this version of meshrc", key->text),
		     ("write false, or remove the line"));
}

void read_text(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v, void *obj)
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
	*MEMBER(struct m_text, obj, f->value) = keep_scalar(c, v);
}

void read_duration(struct decode *c, const struct field *f, const struct yaml_node *key,
		   const struct yaml_node *v, void *obj)
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
	*MEMBER(int64_t, obj, f->value) = t;
}

void read_key(struct decode *c, const struct field *f, const struct yaml_node *key,
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

void read_ifname(struct decode *c, const struct field *f, const struct yaml_node *key,
		 const struct yaml_node *v, void *obj)
{
	char shown[YAML_SHOWN];

	if (!want_text(c, key, v, "an interface name"))
		return;
	if (ifname_parse(v->text, v->n, MEMBER(struct ifname, obj, f->value)) < 0) {
		TELL(c, v, ("`%s` is not an interface name", yaml_show(v, shown)),
		     ("1 to 15 letters, digits or '_', '=', '+', '.', '-'; not lo, all or default"));
		return;
	}
	*MEMBER(struct pos, obj, f->pos) = yaml_pos(v);
	*MEMBER(bool, obj, f->extra) = true;
}

/* "52000-52999" */
void read_ports(struct decode *c, const struct field *f, const struct yaml_node *key,
		const struct yaml_node *v, void *obj)
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
	*MEMBER(struct m_ports, obj, f->value) =
		(struct m_ports){ true, (uint16_t)first, (uint16_t)last, yaml_pos(v) };
}
