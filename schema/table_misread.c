/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/table_impl.h"

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

bool scalar_is_null(const struct yaml_node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return n->kind == YAML_NODE_SCALAR && (n->flags & YAML_PLAIN) &&
	       is_one_of(n->text, words, ARRAY_LEN(words));
}

bool scalar_is_yes(const char *s)
{
	static const char *const words[] = { "true", "True", "TRUE", "yes", "Yes",
					     "YES",  "on",   "On",   "ON" };

	return is_one_of(s, words, ARRAY_LEN(words));
}

bool scalar_is_no(const char *s)
{
	static const char *const words[] = { "false", "False", "FALSE", "no", "No",
					     "NO",    "off",   "Off",	"OFF" };

	return is_one_of(s, words, ARRAY_LEN(words));
}

const char *table_misread(const struct yaml_node *n)
{
	if (n->kind != YAML_NODE_SCALAR || !(n->flags & YAML_PLAIN))
		return NULL;
	if (scalar_is_null(n))
		return "nothing";
	if (scalar_is_yes(n->text) || scalar_is_no(n->text))
		return "a truth value";
	if (is_number(n->text))
		return "a number";
	return is_date(n->text) ? "a date" : NULL;
}
