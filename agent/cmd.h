/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of meshrc-agent and what they share: settings from options and file, and how results
 * are told. Only main.c and the cmd_*.c files print.
 */
#ifndef AGENT_CMD_H
#define AGENT_CMD_H

#include "agent/agent.h"
#include "common/os_cli.h"

enum cmd_needs {
	NEEDS_NODE = 1u << 0, /* --node */
	NEEDS_TRUST = 1u << 1, /* --trust, and --url unless --offline */
};

int cmd_once(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_down(int argc, char **argv);

/*
 * The settings, checked; --network is always needed. -1: go on. Otherwise the exit code to end
 * with: something was wrong and is told, or --print-public-key was given and is done.
 */
int cmd_settings(unsigned int needs, struct agent_config *ret);

/* agent_open with its warnings on stderr, and the key. Returns an exit code, or -1 to go on. The
 * caller ends with agent_close. */
int cmd_open(struct agent *a, const struct agent_config *config, enum store_access access);
/* What became of each URL that failed, when another one did it or there are several. */
void cmd_tell_urls(const struct agent *a, const struct cycle *c, bool good);
/* Warnings about a publication that is in force: expired, serials that were never seen. */
void cmd_tell_cycle(const struct agent *a, const struct cycle *c);
void cmd_tell_unresolved(const struct convergence *c);
/* What was done about names, if anything. */
void cmd_tell_names(const struct convergence *c);
/* Before data goes to stdout: from here on a reader that has seen enough (`| head`) ends us
 * quietly. */
void cmd_output(void);
/* "serial 7 (commit 1a2b3c4)" */
const char *cmd_serial(const struct manifest *m, char *out, size_t size);
/* How many different peers the operations touch, on all interfaces. */
size_t cmd_peers_changed(const struct convergence *c);
/* "3 peers", "1 peer, 2 routed links" */
const char *cmd_holds(const struct convergence *c, char *out, size_t size);
/* Operations, one a line: on the interfaces, then on the host around them. */
void cmd_print_ops(const struct convergence *c, struct buf *out);
/* Says that the default route goes into the tunnel now, or no more. */
void cmd_tell_exit(const struct agent *a, const struct convergence *c);
/* How many those are. */
size_t cmd_n_ops(const struct convergence *c);

#endif
