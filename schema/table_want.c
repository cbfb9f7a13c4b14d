/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

#define NAME_RULE "a name has 1 to 63 of a-z, 0-9, '.' and '-', and begins with a letter or digit"

const char *kind_word(const struct yaml_node *n)
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

void help_shape(struct diag *d, struct diag_entry *e, const struct table *t, const struct field *f)
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
	if (scalar_is_null(v)) {
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

bool want_scalar(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
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
	if (!scalar_is_null(v))
		return true;
	if (key)
		TELL(c, v->n ? v : key, ("`%s` has no value", yaml_show(key, shown)),
		     ("give it %s, or remove the line", wanted));
	else
		TELL(c, v, ("an entry without a value"), ("give it %s, or remove it", wanted));
	return false;
}

static void tell_misread(struct decode *c, const struct yaml_node *v, const char *misread,
			 const char *wanted)
{
	char shown[YAML_SHOWN];

	yaml_show(v, shown);
	TELL(c, v,
	     ("`%s` without quotes is %s to YAML programs; %s is wanted here", shown, misread,
	      wanted),
	     ("write \"%s\" with the quotes if that is meant", shown));
}

bool want_text(struct decode *c, const struct yaml_node *key, const struct yaml_node *v,
	       const char *wanted)
{
	const char *misread;

	if (!want_scalar(c, key, v, wanted))
		return false;
	misread = table_misread(v);
	if (misread)
		tell_misread(c, v, misread, wanted);
	return !misread;
}

bool want_name(struct decode *c, const struct yaml_node *v, const char *what)
{
	char shown[YAML_SHOWN], better[MAX_NAME + 1];
	struct diag_entry *e;
	const char *misread = table_misread(v);
	bool valid = name_is_valid(v->text, v->n);
	uint32_t i;

	if (!misread && valid)
		return true;
	c->incomplete = true;
	if (valid) {
		tell_misread(c, v, misread, what);
		return false;
	}
	e = diag_error(c->diag, yaml_pos(v), "`%s` is not %s", yaml_show(v, shown), what);
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

bool want_map(struct decode *c, const struct table *t, const struct field *f,
	      const struct yaml_node *key, const struct yaml_node *v)
{
	c->incomplete |= v->kind != YAML_NODE_MAP || (v->flags & YAML_PARTIAL);
	return table_shape(c->diag, t, f, key, v);
}

bool want_count(struct decode *c, const struct field *f, const struct yaml_node *key,
		const struct yaml_node *v)
{
	const struct yaml_node *over;

	if (v->n < f->min && !(v->flags & YAML_PARTIAL)) {
		TELL(c, v, ("`%s` is empty", key->text), ("name at least one, or remove the line"));
		return false;
	}
	if (v->n <= f->max)
		return true;
	over = v->kind == YAML_NODE_LIST ? &v->items[f->max] : &v->pairs[f->max].key;
	diag_error(c->diag, yaml_pos(over), "`%s` has %u entries; at most %llu are accepted",
		   key->text, v->n, (unsigned long long)f->max);
	return false;
}

bool want_list(struct decode *c, const struct field *f, const struct yaml_node *key,
	       const struct yaml_node *v)
{
	char shown[YAML_SHOWN];

	c->incomplete |= v->kind != YAML_NODE_LIST || v->n > f->max || (v->flags & YAML_PARTIAL);
	if (v->kind == YAML_NODE_SCALAR && f->type != FIELD_LIST && !scalar_is_null(v)) {
		TELL(c, v, ("`%s` wants a list", key->text), ("write [%s]", yaml_show(v, shown)));
		return false;
	}
	return has_shape(c->diag, f->table, f, key, v, true) && want_count(c, f, key, v);
}

void *want_array(struct decode *c, const struct field *f, const struct yaml_node *key,
		 const struct yaml_node *v, size_t size)
{
	void *list;

	if (!want_list(c, f, key, v))
		return NULL;
	list = arena_array(c->arena, v->n, size);
	if (!list)
		diag_nomem(c->diag);
	return list;
}

struct m_text keep_scalar(struct decode *c, const struct yaml_node *v)
{
	struct m_text t = { .s = arena_strndup(c->arena, v->text, v->n), .pos = yaml_pos(v) };

	if (!t.s)
		diag_nomem(c->diag);
	return t;
}

struct yaml_node scalar_behind(const struct yaml_node *v, uint32_t len)
{
	struct yaml_node rest = *v;

	rest.text += len;
	rest.n -= len;
	rest.flags &= (uint8_t)~YAML_PLAIN;
	return rest;
}
