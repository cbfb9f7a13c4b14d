/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schema/yaml_impl.h"

#include "common/text.h"

/* Does s[0..len) hold `word`, whatever its case and with or without '_' and '-' between? */
static const char *find_word(const char *s, size_t len, const char *word)
{
	size_t i, j, k;

	for (i = 0; i < len; i++) {
		for (j = i, k = 0; j < len && word[k]; j++) {
			char c = s[j];

			if (k && (c == '_' || c == '-' || c == ' '))
				continue;
			if (c >= 'A' && c <= 'Z')
				c = (char)(c - 'A' + 'a');
			if (c != word[k])
				break;
			k++;
		}
		if (!word[k])
			return s + j;
	}
	return NULL;
}

const char *yaml_secret_word(const char *s, size_t len)
{
	const char *end = find_word(s, len, "privatekey");

	if (end)
		return end;
	end = find_word(s, len, "presharedkey");
	/* `preshared_keys` is a switch. */
	return end && !(end < s + len && *end == 's') ? end : NULL;
}

void yaml_hide_secrets(const struct source *s, struct diag *d)
{
	/* Most files hold none of these, and memmem is fast; odd mixtures of cases are left to
	 * the reader. */
	static const char *const hints[] = { "rivate", "RIVATE", "hared", "HARED" };
	const char *p = s->text, *end = s->text + s->len;
	struct pos pos = { .source = s };
	bool found = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(hints); i++)
		found = found || memmem(p, s->len, hints[i], strlen(hints[i]));
	if (!found)
		return;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *eol = nl ? nl : end;
		const char *word = yaml_secret_word(p, (size_t)(eol - p));

		pos.line++;
		if (word) {
			for (pos.col = 1; p < word; p++)
				pos.col += ((unsigned char)*p & 0xc0) != 0x80;
			diag_hide(d, pos, eol - word < 20 ? pos.line + 1 : pos.line);
		}
		p = eol + 1;
	}
}
