/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cmd.h"

int cmd_down(int argc, char **argv)
{
	struct agent_config config;
	struct ifname name = { 0 };
	struct agent a = { 0 };
	struct err e = { 0 };
	size_t n = 0;
	int r = cmd_settings(0, &config);

	if (r >= 0)
		return r;
	/* Neither the pin nor the key is needed to take something away. */
	config.trust = NULL;
	if (agent_open(&a, &config, STORE_WRITE, NULL, &e) < 0 ||
	    agent_down(&a, &name, &n, &e) < 0) {
		r = cli_fail(&e);
	} else {
		if (n > 1)
			cli_info("%s: took away interface %s and %zu more", config.network, name.s,
				 n - 1);
		else
			cli_info("%s: %s %s", config.network,
				 n ? "took away interface" : "there was no interface", name.s);
		r = EXIT_DONE;
	}
	agent_close(&a);
	return r;
}
