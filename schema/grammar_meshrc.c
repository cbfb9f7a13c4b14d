/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/grammar_impl.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One part of a path of a branch: what git takes (git-check-ref-format) and no shell, URL or option
 * parser minds. */
static bool good_part(const char *s, size_t len)
{
	size_t i;

	if (!len || !is_alnum(s[0]) || s[len - 1] == '.' ||
	    (len >= 5 && !memcmp(s + len - 5, ".lock", 5)))
		return false;
	for (i = 0; i < len; i++) {
		if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
		if (i && s[i] == '.' && s[i - 1] == '.')
			return false;
	}
	return true;
}

static const char *check_branch(const char *s, size_t len)
{
	static const char why[] =
		"a branch name here is parts of letters, digits, '.', '_' and '-', joined by '/', each "
		"beginning with a letter or digit, none ending in '.' or '.lock', without '..'";
	size_t i, from = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && s[i] != '/')
			continue;
		if (!good_part(s + from, i - from))
			return why;
		from = i + 1;
	}
	if (len == 4 && !memcmp(s, "HEAD", 4))
		return "HEAD is no branch of its own";
	return NULL;
}

static const char *check_remote(const char *s, size_t len)
{
	if (!good_part(s, len))
		return "a remote is named by the name that `git remote` gives it (letters, digits, '.', '_', '-'), not by its URL";
	return NULL;
}

static const char *check_directory(const char *s, size_t len)
{
	size_t i, from = 1;

	if (s[0] != '/')
		return "a directory must be an absolute path";
	for (i = 1; i <= len; i++) {
		if (i < len && s[i] != '/')
			continue;
		if (i == from && i < len)
			return "a directory must not hold '//'";
		if ((i - from == 1 && s[from] == '.') ||
		    (i - from == 2 && s[from] == '.' && s[from + 1] == '.'))
			return "a directory must not hold '.' or '..'";
		from = i + 1;
	}
	return len == 1 ? "the root directory cannot be published into" : NULL;
}

static const struct field publish_fields[] = {
	{ .key = "branch",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 100,
	  .fallback = "published",
	  .check = check_branch,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
	  .value = AT(m_settings, branch),
	  .help = "The branch of this repository that holds what was compiled and signed." },
	{ .key = "remote",
	  .type = FIELD_WORD,
	  .min = 1,
	  .max = 100,
	  .check = check_remote,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
	  .value = AT(m_settings, remote),
	  .example = "origin",
	  .help = "The git remote that the branch is pushed to; absent: it is not pushed." },
	{ .key = "directory",
	  .type = FIELD_WORD,
	  .min = 2,
	  .max = 1024,
	  .check = check_directory,
	  .pattern = "^/.+$",
	  .value = AT(m_settings, directory),
	  .example = "/srv/www/mesh",
	  .help = "A directory that gets the same tree, for any web server; absent: none." },
	{ 0 },
};

static const struct table publish_table = {
	.what = "`publish`",
	.fields = publish_fields,
};

static const struct field meshrc_fields[] = {
	{ .key = "version",
	  .type = FIELD_VERSION,
	  .flags = FIELD_REQUIRED,
	  .example = "1",
	  .help = "The version of the format." },
	{ .key = "publish",
	  .type = FIELD_TABLE,
	  .table = &publish_table,
	  .shape = "publish:\n  branch: published",
	  .help = "Where to publish." },
	{ .key = "expires",
	  .type = FIELD_DURATION,
	  .min = 3600,
	  .max = 400 * 86400,
	  .fallback = "30d",
	  .value = AT(m_settings, expires),
	  .help = "How long a publication counts as fresh: a number and h, d or w, from 1h to 400d." },
	{ 0 },
};

const struct table grammar_meshrc = {
	.what = "meshrc.yaml",
	.fields = meshrc_fields,
	.size = sizeof(struct m_settings),
};
