/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's settings file. Whatever it holds: no value that was not checked comes out, errors
 * have places inside the file, and what is printed of them holds no control byte.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void check(const struct agent_config *c)
{
	struct ifname again;
	size_t i;

	must(c->n_urls <= MAX_MIRRORS, "too many URLs");
	for (i = 0; i < c->n_urls; i++)
		must(!strncmp(c->urls[i], "https://", 8) || !strncmp(c->urls[i], "http://", 7) ||
			     !strncmp(c->urls[i], "file:///", 8),
		     c->urls[i]);
	must(!c->network || name_is_valid(c->network, strlen(c->network)), "network");
	must(!c->node || name_is_valid(c->node, strlen(c->node)), "node");
	must(!c->interface.s[0] || !ifname_parse(c->interface.s, strlen(c->interface.s), &again),
	     "interface");
	must(c->interval >= 1 && c->interval <= MAX_INTERVAL, "interval");
	must(c->state_dir != NULL, "state-dir");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source s = { "agent.conf", (const char *)data, size };
	struct config_raw raw = { 0 };
	struct agent_config c;
	struct arena a;
	struct diag d;
	struct buf out;
	bool option;
	size_t i;
	int r;

	arena_init(&a);
	diag_init(&d, &a);
	config_parse(&s, &raw, &d);
	r = config_finish(&raw, &a, &c, &d, &option);
	must(!option, "an error in an option that was not given");
	must(r == 0 || d.errors, "refused without a word");
	if (!r)
		check(&c);
	buf_init(&out, 4u << 20);
	diag_render(&d, false, &out);
	for (i = 0; i < out.len; i++)
		must((unsigned char)out.data[i] >= 0x20 || out.data[i] == '\n' ||
			     out.data[i] == '\t',
		     "a control byte");
	buf_release(&out);
	arena_release(&a);
	return 0;
}
