/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/jsonschema.h"

#include "common/limits.h"
#include "schema/grammar.h"

#define NAME "[a-z0-9][a-z0-9.-]{0,62}"
#define PREFIX "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"
#define PARTY "^((tag:)?" NAME "|[0-9A-Fa-f:.]+/[0-9]{1,3})$"
#define PORT "[1-9][0-9]{0,4}"
#define SERVICE "^(any|icmp|(tcp|udp)(/" PORT "(-" PORT ")?)?)$"
#define ENDPOINT "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9.-]+)(:[1-9][0-9]{0,4})?$"

/* A JSON text being written, indented by tabs. No object or array in it is empty. */
struct json {
	struct buf *out;
	unsigned int depth;
	bool first; /* nothing stands yet in the innermost object or array */
};

static void put_line(struct json *j)
{
	unsigned int i;

	if (!j->first)
		buf_addc(j->out, ',');
	buf_addc(j->out, '\n');
	for (i = 0; i < j->depth; i++)
		buf_addc(j->out, '\t');
	j->first = false;
}

/* The tables hold printable ASCII alone. */
static void put_quoted(struct json *j, const char *s)
{
	buf_addc(j->out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(j->out, '\\');
		buf_addc(j->out, *s);
	}
	buf_addc(j->out, '"');
}

static void put_key(struct json *j, const char *key)
{
	put_line(j);
	put_quoted(j, key);
	buf_adds(j->out, ": ");
}

static void open_with(struct json *j, char bracket)
{
	buf_addc(j->out, bracket);
	j->depth++;
	j->first = true;
}

static void close_with(struct json *j, char bracket)
{
	unsigned int i;

	j->depth--;
	buf_addc(j->out, '\n');
	for (i = 0; i < j->depth; i++)
		buf_addc(j->out, '\t');
	buf_addc(j->out, bracket);
	j->first = false;
}

static void put_text(struct json *j, const char *key, const char *s)
{
	put_key(j, key);
	put_quoted(j, s);
}

static void put_number(struct json *j, const char *key, uint64_t n)
{
	put_key(j, key);
	buf_addf(j->out, "%llu", (unsigned long long)n);
}

static void put_raw(struct json *j, const char *key, const char *s)
{
	put_key(j, key);
	buf_adds(j->out, s);
}

static void put_string(struct json *j, const char *pattern)
{
	put_text(j, "type", "string");
	if (pattern)
		put_text(j, "pattern", pattern);
}

static void put_strings(struct json *j, const struct field *f, const char *pattern)
{
	put_text(j, "type", "array");
	if (f->min)
		put_number(j, "minItems", f->min);
	put_number(j, "maxItems", f->max);
	if (f->type != FIELD_SELECTORS && f->type != FIELD_PARTIES && f->type != FIELD_SERVICES)
		put_raw(j, "uniqueItems", "true");
	put_key(j, "items");
	open_with(j, '{');
	put_string(j, pattern);
	close_with(j, '}');
}

static void put_table(struct json *j, const struct table *t);

/* A list of which each entry is a text, or a mapping with more to say. */
static void put_texts_or_tables(struct json *j, const struct field *f, const char *pattern)
{
	put_text(j, "type", "array");
	put_number(j, "maxItems", f->max);
	put_raw(j, "uniqueItems", "true");
	put_key(j, "items");
	open_with(j, '{');
	put_key(j, "oneOf");
	open_with(j, '[');
	put_line(j);
	open_with(j, '{');
	put_string(j, pattern);
	close_with(j, '}');
	put_line(j);
	open_with(j, '{');
	put_table(j, f->table);
	close_with(j, '}');
	close_with(j, ']');
	close_with(j, '}');
}

static void put_type(struct json *j, const struct field *f)
{
	switch (f->type) {
	case FIELD_VERSION:
		put_raw(j, "const", "1");
		break;
	case FIELD_UINT:
	case FIELD_MARK:
		put_text(j, "type", "integer");
		put_number(j, "minimum", f->min);
		put_number(j, "maximum", f->max);
		break;
	case FIELD_ROUTES_TABLE:
		/* Plain `off` is false where YAML 1.1 is read. */
		put_key(j, "oneOf");
		open_with(j, '[');
		put_line(j);
		open_with(j, '{');
		put_text(j, "type", "integer");
		put_number(j, "minimum", f->min);
		put_number(j, "maximum", f->max);
		put_raw(j, "not", "{ \"enum\": [253, 255] }");
		close_with(j, '}');
		put_line(j);
		open_with(j, '{');
		put_raw(j, "enum", "[\"off\", false]");
		close_with(j, '}');
		close_with(j, ']');
		break;
	case FIELD_BOOL:
		put_text(j, "type", "boolean");
		break;
	case FIELD_TEXT:
	case FIELD_WORD:
		put_string(j, f->pattern);
		if (f->min)
			put_number(j, "minLength", f->min);
		put_number(j, "maxLength", f->max);
		break;
	case FIELD_DURATION:
		put_string(j, "^[1-9][0-9]*[smhdw]$");
		break;
	case FIELD_KEY:
		/* 32 bytes in base64: the last two bits of the 43rd character are zero. */
		put_string(j, "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$");
		break;
	case FIELD_ENDPOINT:
		put_string(j, ENDPOINT);
		break;
	case FIELD_ENDPOINTS:
		put_text(j, "type", "object");
		put_number(j, "minProperties", f->min);
		put_number(j, "maxProperties", f->max);
		put_raw(j, "additionalProperties", "false");
		put_key(j, "patternProperties");
		open_with(j, '{');
		put_key(j, "^(default|(tag|site):" NAME ")$");
		open_with(j, '{');
		put_string(j, ENDPOINT);
		close_with(j, '}');
		close_with(j, '}');
		break;
	case FIELD_IFNAME:
		put_string(j, "^[A-Za-z0-9_=+.-]{1,15}$");
		break;
	case FIELD_PORTS:
		put_string(j, "^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$");
		break;
	case FIELD_ADDRESSES:
		put_strings(j, f,
			    f->flags & FIELD_WHOLE ? "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$" :
						     "^[0-9A-Fa-f:.]+$");
		break;
	case FIELD_PREFIX:
		put_string(j, PREFIX);
		break;
	case FIELD_PREFIXES:
		put_strings(j, f, PREFIX);
		break;
	case FIELD_ROUTES:
		put_texts_or_tables(j, f, PREFIX);
		break;
	case FIELD_RANGES:
		put_strings(j, f, "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$");
		break;
	case FIELD_DNS:
		put_strings(j, f, "^[0-9A-Za-z:.-]+$");
		break;
	case FIELD_TAGS:
	case FIELD_NAMES:
		put_strings(j, f, "^" NAME "$");
		break;
	case FIELD_SELECTORS:
		put_strings(j, f, "^(tag:)?" NAME "$");
		break;
	case FIELD_PARTIES:
		put_strings(j, f, PARTY);
		break;
	case FIELD_SERVICES:
		put_strings(j, f, SERVICE);
		break;
	case FIELD_TABLE:
		put_table(j, f->table);
		break;
	case FIELD_NAMED:
		put_text(j, "type", "object");
		put_number(j, "maxProperties", f->max);
		put_raw(j, "propertyNames", "{ \"not\": { \"const\": \"all\" } }");
		put_raw(j, "additionalProperties", "false");
		put_key(j, "patternProperties");
		open_with(j, '{');
		put_key(j, "^" NAME "$");
		open_with(j, '{');
		put_table(j, f->table);
		close_with(j, '}');
		close_with(j, '}');
		break;
	case FIELD_LIST:
		put_text(j, "type", "array");
		if (f->min)
			put_number(j, "minItems", f->min);
		put_number(j, "maxItems", f->max);
		put_key(j, "items");
		open_with(j, '{');
		put_table(j, f->table);
		close_with(j, '}');
		break;
	case FIELD_FALSE:
		put_raw(j, "const", "false");
		break;
	}
}

static void put_field(struct json *j, const struct field *f)
{
	put_key(j, f->key);
	open_with(j, '{');
	put_text(j, "description", f->help);
	if (f->fallback &&
	    (f->type == FIELD_WORD || f->type == FIELD_DURATION || f->type == FIELD_PORTS))
		put_text(j, "default", f->fallback);
	else if (f->fallback)
		put_raw(j, "default", f->fallback);
	put_type(j, f);
	close_with(j, '}');
}

/* Exactly one of the keys that do not stand beside another. */
static void put_choice(struct json *j, const struct table *t)
{
	const struct field *f;

	put_key(j, "oneOf");
	open_with(j, '[');
	for (f = t->fields; f->key; f++) {
		if (f->flags & FIELD_BESIDE)
			continue;
		put_line(j);
		buf_addf(j->out, "{ \"required\": [\"%s\"] }", f->key);
	}
	close_with(j, ']');
}

static void put_table(struct json *j, const struct table *t)
{
	const struct field *f;
	bool required = false;

	put_text(j, "type", "object");
	put_raw(j, "additionalProperties", "false");
	if (t->one_of)
		put_choice(j, t);
	for (f = t->fields; f->key; f++)
		required |= f->flags & FIELD_REQUIRED;
	if (required) {
		put_key(j, "required");
		open_with(j, '[');
		for (f = t->fields; f->key; f++) {
			if (!(f->flags & FIELD_REQUIRED))
				continue;
			put_line(j);
			put_quoted(j, f->key);
		}
		close_with(j, ']');
	}
	put_key(j, "properties");
	open_with(j, '{');
	for (f = t->fields; f->key; f++)
		put_field(j, f);
	close_with(j, '}');
}

static int put_schema(struct buf *out, const char *title, const struct table *t)
{
	struct json j = { .out = out };

	open_with(&j, '{');
	put_text(&j, "$schema", "http://json-schema.org/draft-07/schema#");
	put_text(&j, "title", title);
	put_table(&j, t);
	close_with(&j, '}');
	buf_addc(out, '\n');
	return buf_ok(out) ? 0 : -1;
}

int jsonschema_network(struct buf *out)
{
	return put_schema(out,
			  "A meshrc network: networks/NAME.yaml or a file below networks/NAME/",
			  &grammar_network);
}

int jsonschema_meshrc(struct buf *out)
{
	return put_schema(out, "The settings of a meshrc repository: meshrc.yaml", &grammar_meshrc);
}
