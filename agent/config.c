/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/config.h"

#include <stdarg.h>

#include "common/num.h"
#include "common/text.h"
#include "common/timefmt.h"

static const char *const key_names[N_CONFIG_KEYS] = {
	[CONFIG_URL] = "url",
	[CONFIG_NETWORK] = "network",
	[CONFIG_NODE] = "node",
	[CONFIG_TRUST] = "trust",
	[CONFIG_PRIVATE_KEY] = "private-key",
	[CONFIG_STATE] = "state-dir",
	[CONFIG_INTERFACE] = "interface",
	[CONFIG_BACKEND] = "backend",
	[CONFIG_OFFLINE] = "offline",
	[CONFIG_NOW] = "now",
	[CONFIG_POLL] = "interval",
	[CONFIG_NAMES] = "names",
};

const char *config_key_name(enum config_key k)
{
	return key_names[k];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **s, size_t *len)
{
	while (*len && is_blank(**s)) {
		++*s;
		--*len;
	}
	while (*len && is_blank((*s)[*len - 1]))
		--*len;
}

static struct pos place(const struct source *s, uint32_t line, const char *start, const char *at,
			size_t width)
{
	uint32_t col = 1;
	const char *p;

	for (p = start; p < at; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			col++;
	return (struct pos){ s, line, col, (uint32_t)width };
}

static void parse_line(const struct source *s, uint32_t number, const char *line, size_t len,
		       struct config_raw *raw, struct diag *d)
{
	const char *key = line, *value, *eq;
	size_t key_len = len, value_len, k, i;
	struct config_value *slot;
	struct diag_entry *entry;
	struct pos key_pos, value_pos;
	char word[64];

	for (i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f) {
			entry = diag_error(d, place(s, number, line, line + i, 1),
					   "a control character");
			if (line[i] == '\r')
				diag_help(d, entry, "end lines with LF alone, not CR LF");
			return;
		}
	trim(&key, &key_len);
	if (!key_len || *key == '#')
		return;
	eq = memchr(key, '=', key_len);
	if (!eq) {
		entry = diag_error(d, place(s, number, line, key, key_len),
				   "expected `key = value`");
		diag_help(d, entry, "a comment starts with `#`");
		return;
	}
	value = eq + 1;
	value_len = (size_t)(key + key_len - value);
	key_len = (size_t)(eq - key);
	trim(&key, &key_len);
	trim(&value, &value_len);
	key_pos = place(s, number, line, key, key_len);
	value_pos = place(s, number, line, value, value_len);
	for (k = 0; k < N_CONFIG_KEYS; k++)
		if (strlen(key_names[k]) == key_len && !memcmp(key_names[k], key, key_len))
			break;
	if (k == N_CONFIG_KEYS) {
		const char *near;

		entry = diag_error(d, key_pos, "unknown key `%.*s`",
				   (int)(key_len < 60 ? key_len : 60), key);
		snprintf(word, sizeof(word), "%.*s", (int)(key_len < 60 ? key_len : 60), key);
		near = text_suggest(word, key_names, N_CONFIG_KEYS);
		if (near)
			diag_help(d, entry, "did you mean `%s`?", near);
		return;
	}
	if (!value_len) {
		diag_error(d, value_pos, "`%s` has no value", key_names[k]);
		return;
	}
	if (k == CONFIG_URL && raw->n_urls == MAX_MIRRORS) {
		diag_error(d, key_pos, "more than %d URLs", MAX_MIRRORS);
		return;
	}
	slot = k == CONFIG_URL ? &raw->urls[raw->n_urls++] : &raw->v[k];
	if (slot->text) {
		entry = diag_error(d, key_pos, "`%s` is given twice", key_names[k]);
		diag_other(d, entry, slot->pos, "first given here");
		return;
	}
	*slot = (struct config_value){ value, value_len, value_pos };
}

void config_parse(const struct source *s, struct config_raw *raw, struct diag *d)
{
	const char *p = s->text, *end = s->text + s->len;
	uint32_t number = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		parse_line(s, ++number, p, len, raw, d);
		if (!nl)
			break;
		p = nl + 1;
	}
}

int config_option(struct config_raw *raw, enum config_key k, const char *text)
{
	struct config_value v = { text, strlen(text), { 0 } };

	if (k != CONFIG_URL) {
		raw->v[k] = v;
		return 0;
	}
	/* The first --url puts the file's away. */
	if (raw->n_urls && raw->urls[0].pos.source)
		raw->n_urls = 0;
	if (raw->n_urls == MAX_MIRRORS)
		return -1;
	raw->urls[raw->n_urls++] = v;
	return 0;
}

/* What config_finish works on. */
struct finish {
	struct arena *arena;
	struct diag *diag;
	bool failed, from_option;
};

static void PRINTF_LIKE(4, 5) wrong(struct finish *f, enum config_key k,
				    const struct config_value *v, const char *fmt, ...)
{
	char msg[512], before[128] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (!v->pos.source) {
		snprintf(before, sizeof(before), "--%s '%.*s'%s: ", key_names[k],
			 (int)(v->len < 60 ? v->len : 60), v->text, v->len < 60 ? "" : "...");
		f->from_option = true;
	}
	f->failed = true;
	diag_error(f->diag, v->pos, "%s%s", before, msg);
}

static const char *copy(struct finish *f, const char *s, size_t len)
{
	const char *p = arena_strndup(f->arena, s, len);

	if (!p) {
		f->failed = true;
		diag_error(f->diag, (struct pos){ 0 }, "out of memory");
	}
	return p;
}

static const char *finish_name(struct finish *f, enum config_key k, const struct config_value *v)
{
	if (!v->text)
		return NULL;
	if (!name_is_valid(v->text, v->len)) {
		wrong(f, k, v,
		      "not a name: small letters, digits, '.' and '-', at most %d, a letter or digit first",
		      MAX_NAME);
		return NULL;
	}
	return copy(f, v->text, v->len);
}

static const char *finish_path(struct finish *f, enum config_key k, const struct config_value *v)
{
	if (!v->text)
		return NULL;
	if (!v->len || v->len > 4000) {
		wrong(f, k, v, "not a path");
		return NULL;
	}
	return copy(f, v->text, v->len);
}

static bool starts(const struct config_value *v, const char *with)
{
	return v->len > strlen(with) && !memcmp(v->text, with, strlen(with));
}

static const char *finish_url(struct finish *f, const struct config_value *v)
{
	bool file = starts(v, "file:///");
	const char *host;
	size_t i, len = v->len, host_len;

	if (len > MAX_URL) {
		wrong(f, CONFIG_URL, v, "longer than %d bytes", MAX_URL);
		return NULL;
	}
	if (!file && !starts(v, "https://") && !starts(v, "http://")) {
		wrong(f, CONFIG_URL, v, "not a URL that starts with https://, http:// or file:///");
		return NULL;
	}
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)v->text[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{}|", c)) {
			wrong(f, CONFIG_URL, v, "a character that no URL may have, at its byte %zu",
			      i + 1);
			return NULL;
		}
		if (c == '?' || c == '#') {
			wrong(f, CONFIG_URL, v, "a publication's URL has no '%c' part", c);
			return NULL;
		}
		if (file && c == '%') {
			wrong(f, CONFIG_URL, v,
			      "a file:// URL is taken as it stands; '%%' escapes are not known here");
			return NULL;
		}
	}
	if (!file) {
		host = strchr(v->text, ':') + 3;
		host_len = (size_t)(v->text + len - host);
		for (i = 0; i < host_len && host[i] != '/'; i++)
			if (host[i] == '@') {
				wrong(f, CONFIG_URL, v,
				      "a user or password in a URL is not supported");
				return NULL;
			}
		if (!i) {
			wrong(f, CONFIG_URL, v, "no host in the URL");
			return NULL;
		}
	}
	while (len > strlen("file:///") && v->text[len - 1] == '/')
		len--;
	return copy(f, v->text, len);
}

static void finish_backend(struct finish *f, const struct config_value *v, struct agent_config *ret)
{
	static const char *const names[] = { "auto", "kernel", "userspace" };
	size_t i;

	for (i = 0; v->text && i < ARRAY_LEN(names); i++)
		if (v->len == strlen(names[i]) && !memcmp(v->text, names[i], v->len)) {
			ret->backend = (enum backend)i;
			return;
		}
	if (v->text)
		wrong(f, CONFIG_BACKEND, v, "not `auto`, `kernel` or `userspace`");
}

static void finish_names(struct finish *f, const struct config_value *v, struct agent_config *ret)
{
	static const char *const words[] = { "auto", "hosts", "off" };
	size_t i;

	for (i = 0; v->text && i < ARRAY_LEN(words); i++)
		if (v->len == strlen(words[i]) && !memcmp(v->text, words[i], v->len)) {
			ret->names = (enum names_use)i;
			return;
		}
	if (v->text)
		wrong(f, CONFIG_NAMES, v, "not `auto`, `hosts` or `off`");
}

static void finish_offline(struct finish *f, const struct config_value *v, struct agent_config *ret)
{
	if (!v->text)
		return;
	ret->offline = v->len == 4 && !memcmp(v->text, "true", 4);
	if (!ret->offline && !(v->len == 5 && !memcmp(v->text, "false", 5)))
		wrong(f, CONFIG_OFFLINE, v, "not `true` or `false`");
}

int config_finish(const struct config_raw *raw, struct arena *a, struct agent_config *ret,
		  struct diag *d, bool *ret_from_option)
{
	struct finish f = { .arena = a, .diag = d };
	struct agent_config c = { .interval = CONFIG_INTERVAL };
	const struct config_value *v = raw->v;
	uint64_t number;
	int64_t seconds;
	struct buf path;
	size_t i;

	for (i = 0; i < raw->n_urls; i++)
		c.urls[c.n_urls++] = finish_url(&f, &raw->urls[i]);
	c.network = finish_name(&f, CONFIG_NETWORK, &v[CONFIG_NETWORK]);
	c.node = finish_name(&f, CONFIG_NODE, &v[CONFIG_NODE]);
	c.trust = finish_path(&f, CONFIG_TRUST, &v[CONFIG_TRUST]);
	c.private_key = finish_path(&f, CONFIG_PRIVATE_KEY, &v[CONFIG_PRIVATE_KEY]);
	c.state_dir = finish_path(&f, CONFIG_STATE, &v[CONFIG_STATE]);
	if (!c.state_dir)
		c.state_dir = CONFIG_STATE_DIR;
	if (v[CONFIG_INTERFACE].text &&
	    ifname_parse(v[CONFIG_INTERFACE].text, v[CONFIG_INTERFACE].len, &c.interface) < 0)
		wrong(&f, CONFIG_INTERFACE, &v[CONFIG_INTERFACE],
		      "not an interface name: at most 15 of letters, digits and _=+.-");
	finish_backend(&f, &v[CONFIG_BACKEND], &c);
	finish_offline(&f, &v[CONFIG_OFFLINE], &c);
	finish_names(&f, &v[CONFIG_NAMES], &c);
	if (v[CONFIG_NOW].text) {
		c.has_now = true;
		if (time_parse(v[CONFIG_NOW].text, v[CONFIG_NOW].len, &c.now) < 0)
			wrong(&f, CONFIG_NOW, &v[CONFIG_NOW],
			      "not a time such as 2026-11-21T10:13:00Z");
	}
	if (v[CONFIG_POLL].text) {
		const struct config_value *p = &v[CONFIG_POLL];

		if (!num_parse(p->text, p->len, MAX_INTERVAL, &number) && number)
			c.interval = (unsigned int)number;
		else if (!duration_parse(p->text, p->len, &seconds) && seconds <= MAX_INTERVAL)
			c.interval = (unsigned int)seconds;
		else
			wrong(&f, CONFIG_POLL, p, "not a number of seconds from 1 to %d",
			      MAX_INTERVAL);
	}
	if (!f.failed && !c.private_key && c.network) {
		buf_init(&path, 8192);
		buf_addf(&path, "%s/%s/private.key", c.state_dir, c.network);
		c.private_key = buf_ok(&path) ? copy(&f, path.data, path.len) : NULL;
		buf_release(&path);
		f.failed |= !c.private_key;
	}
	*ret_from_option = f.from_option;
	if (f.failed)
		return -1;
	*ret = c;
	return 0;
}
