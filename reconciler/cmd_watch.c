/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "common/num.h"
#include "common/os_file.h"
#include "common/os_time.h"
#include "reconciler/apply.h"
#include "reconciler/commands.h"
#include "reconciler/repo.h"
#include "reconciler/watch.h"

#define LOCK_NAME "meshrc-watch.lock"
#define DEFAULT_POLL 30
#define MAX_POLL 3600
/* A manifest whose time is half over is signed anew though the branch did not move. */
#define RENEW_MS (3600 * INT64_C(1000))
/* After a failure the same commit is tried again: what failed may have been a disk, a remote,
 * somebody else's apply. */
#define FIRST_BACKOFF_MS 5000
#define MAX_BACKOFF_MS (600 * INT64_C(1000))
/* One push moves several files; a moment's patience makes one event of them. */
#define SETTLE_MS 20

static const char *opt_rev, *opt_key, *opt_poll;

static const struct cli_option options[] = {
	{ "rev", CLI_STRING, &opt_rev, "BRANCH",
	  "the branch to publish (default: the one HEAD names)", false },
	{ "key", CLI_STRING, &opt_key, "FILE", "the publisher key (default: $MESHRC_SIGNING_KEY)",
	  false },
	{ "poll", CLI_STRING, &opt_poll, "SECONDS",
	  "how often to look without a hint from the system (default: 30)", false },
	{ 0 },
};

struct service {
	struct repo *repo;
	struct arena arena;
	const char *branch;
	uint64_t poll_seconds;
	int lock, signals, hints;
	char done[COMMIT_HEX]; /* the last commit that an apply was tried with */
	int64_t due; /* when to apply again though the branch did not move */
	int64_t backoff; /* 0 after a success */
	bool stop;
};

static int service_open(struct service *s, struct err *e)
{
	sigset_t set;
	int dir;

	if (repo_open(option_repo, &s->repo, e) < 0)
		return -1;
	if (opt_rev)
		s->branch = opt_rev;
	else if (repo_head_branch(s->repo, &s->arena, &s->branch, e) < 0)
		return -1;
	dir = os_open_dir(AT_FDCWD, repo_gitdir(s->repo), e);
	if (dir < 0)
		return -1;
	s->lock = os_lock_shared(dir, LOCK_NAME, 0, e);
	os_close(dir);
	if (s->lock < 0)
		return e->class == ERR_CONFLICT ?
			       err_set(e, ERR_CONFLICT,
				       "another meshrc watch runs on this repository") :
			       -1;
	/* Blocked in every thread: they arrive at the descriptor, so an apply that has begun is
	 * finished first. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(e, "cannot block signals");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_errno(e, "cannot wait for signals") : 0;
}

static void service_close(struct service *s)
{
	watch_stop(s->hints);
	os_close(s->signals);
	os_close(s->lock);
	repo_free(s->repo);
	arena_release(&s->arena);
}

static void apply_commit(struct service *s, const char *commit)
{
	struct apply_options o = {
		.repo_dir = option_repo,
		.rev = commit,
		.key = opt_key,
		.auto_approve = true,
		.quiet_unchanged = true,
	};
	bool moved = strcmp(commit, s->done) != 0;
	int64_t wait = RENEW_MS;

	if (moved)
		cli_info("%s is at %.10s", s->branch, commit);
	snprintf(s->done, sizeof(s->done), "%s", commit);
	if (apply_run(&o) == 0) {
		s->backoff = 0;
	} else {
		s->backoff = moved || !s->backoff ? FIRST_BACKOFF_MS : s->backoff * 2;
		if (s->backoff > MAX_BACKOFF_MS)
			s->backoff = MAX_BACKOFF_MS;
		wait = s->backoff;
		cli_info("%.10s is not published; trying again in %lld seconds, or when %s moves",
			 commit, (long long)(wait / 1000), s->branch);
	}
	s->due = os_monotonic_ms() + wait;
}

static void look(struct service *s)
{
	char commit[COMMIT_HEX];
	struct err e = { 0 };

	if (repo_branch(s->repo, s->branch, commit, &e) < 0) {
		/* Said once: an empty repository waits for its first push. */
		if (strcmp(s->done, "-") != 0)
			cli_warn("%s; waiting for it", e.msg);
		snprintf(s->done, sizeof(s->done), "-");
		return;
	}
	if (strcmp(commit, s->done) != 0 || os_monotonic_ms() >= s->due)
		apply_commit(s, commit);
}

static void wait_for_hint(struct service *s)
{
	int64_t left = s->due - os_monotonic_ms(), poll_ms = (int64_t)s->poll_seconds * 1000;
	struct pollfd fds[] = { { .fd = s->signals, .events = POLLIN },
				{ .fd = s->hints, .events = POLLIN } };
	struct signalfd_siginfo info;

	if (*s->done && strcmp(s->done, "-") != 0 && left < poll_ms)
		poll_ms = left < 0 ? 0 : left;
	if (poll(fds, ARRAY_LEN(fds), (int)poll_ms) < 0 && errno != EINTR)
		return;
	if (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		cli_info("ending on signal %u", info.ssi_signo);
		s->stop = true;
		return;
	}
	if (fds[1].revents) {
		poll(NULL, 0, SETTLE_MS);
		watch_clear(s->hints);
	}
}

static int run(int argc, char **argv)
{
	struct service s = { .poll_seconds = DEFAULT_POLL, .lock = -1, .signals = -1, .hints = -1 };
	struct err e = { 0 };
	int rc = EXIT_DONE;

	if (opt_poll && (num_parse(opt_poll, strlen(opt_poll), MAX_POLL, &s.poll_seconds) < 0 ||
			 !s.poll_seconds))
		return cli_usage("--poll takes seconds from 1 to %d", MAX_POLL);
	arena_init(&s.arena);
	if (service_open(&s, &e) < 0) {
		rc = cli_fail(&e);
		goto out;
	}
	s.hints = watch_start(repo_gitdir(s.repo), &e);
	if (s.hints < 0)
		cli_warn("%s; looking every %llu seconds instead", e.msg,
			 (unsigned long long)s.poll_seconds);
	cli_info("watching branch %s of %s", s.branch, repo_gitdir(s.repo));
	while (!s.stop) {
		look(&s);
		wait_for_hint(&s);
	}
out:
	service_close(&s);
	return rc;
}

const struct cli_command cmd_watch = {
	.name = "watch",
	.summary = "Publish whenever a branch moves, until stopped",
	.args = "",
	.help = "Runs 'meshrc apply --auto-approve' for the branch's commit at the start, whenever the branch moves, and\n"
		"once an hour so that manifests are signed anew in time. One runs per repository. A failure is tried\n"
		"again with growing pauses. SIGTERM and SIGINT end it after the apply that is under way.",
	.options = options,
	.run = run,
};
