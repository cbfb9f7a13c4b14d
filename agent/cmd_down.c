/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"

int cmd_down(int argc, char **argv)
{
	struct agent_config config;
	struct ifname name = { 0 };
	struct agent a = { 0 };
	struct err e = { 0 };
	bool was_there = false;
	int r = cmd_settings(0, &config);

	if (r >= 0)
		return r;
	/* Neither the pin nor the key is needed to take something away. */
	config.trust = NULL;
	if (agent_open(&a, &config, STORE_WRITE, NULL, &e) < 0 ||
	    agent_down(&a, &name, &was_there, &e) < 0) {
		r = cli_fail(&e);
	} else {
		cli_info("%s: %s %s", config.network,
			 was_there ? "took away interface" : "there was no interface", name.s);
		r = EXIT_DONE;
	}
	agent_close(&a);
	return r;
}
