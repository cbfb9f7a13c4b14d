/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#include "agent/cmd.h"
#include "common/os_file.h"
#include "common/os_sys.h"
#include "common/os_time.h"

/* The first try after a failure; doubled with each further one. */
#define RETRY_SECONDS 5
#define RETRY_MAX_SECONDS 300
/* Names are tried again at each poll, so bringing the interface up does not wait long for a
 * resolver that is away. */
#define FIRST_RESOLVE_MS 3000

/* A change in a watched folder is looked at right away. More of them than this, each within
 * WAKE_MS of the look before, wait until that time has passed. */
#define WAKE_MS 1000
#define WAKE_BURST 3

struct daemon {
	struct agent *agent;
	int signals, watch;
	bool stop, poll_now;
	bool hangup; /* SIGHUP asked for this poll */
	unsigned int wakes; /* polls in a row that began within WAKE_MS of the one before */
	unsigned int failures;
	char told[640]; /* the error that was logged last: one that goes on is logged once */
	bool told_stale;
};

/* ---- waiting ---- */

/* Between 80 and 120 percent, so that many agents that start together do not stay together. */
static int64_t jitter(int64_t ms)
{
	uint32_t r = 0;

	if (os_random(&r, sizeof(r), NULL) < 0)
		return ms;
	return ms * 4 / 5 + (int64_t)((uint64_t)ms * 2 / 5 * r / UINT32_MAX);
}

static int64_t next_delay(const struct daemon *d)
{
	int64_t interval = d->agent->config->interval, delay, cap;
	unsigned int i;

	if (!d->failures)
		return jitter(interval * 1000);
	delay = interval < RETRY_SECONDS ? interval : RETRY_SECONDS;
	cap = interval > RETRY_MAX_SECONDS ? interval : RETRY_MAX_SECONDS;
	for (i = 1; i < d->failures && delay < cap; i++)
		delay *= 2;
	return jitter((delay < cap ? delay : cap) * 1000);
}

static void take_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (os_sys.read(d->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			d->poll_now = d->hangup = true;
		else
			d->stop = true;
	}
}

static void take_events(struct daemon *d)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	/* Whatever moved in a watched folder, looking at the manifest tells whether it matters. */
	while ((n = os_sys.read(d->watch, events, sizeof(events))) > 0)
		d->poll_now = true;
}

/* Watches a folder or, when it is not there yet, the nearest one above it that is: there it will
 * appear. */
static void watch_folder(struct daemon *d, char *path, uint32_t events)
{
	char *slash;

	while (inotify_add_watch(d->watch, path, events | IN_ONLYDIR) < 0) {
		slash = strrchr(path, '/');
		if (!slash || slash == path)
			return;
		*slash = '\0';
		events = IN_CREATE | IN_MOVED_TO;
	}
}

/*
 * The folders of file:// trees. Made anew before each look at the publication, since what is
 * watched may have come or gone, and a folder above it is not to wake us for ever. Without any, the
 * poll alone finds changes.
 */
static void set_watches(struct daemon *d)
{
	const struct agent_config *c = d->agent->config;
	char path[MAX_URL + MAX_NAME + 2];
	size_t i;

	os_close(d->watch);
	d->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (i = 0; i < c->n_urls && d->watch >= 0; i++) {
		if (strncmp(c->urls[i], "file://", 7) != 0)
			continue;
		snprintf(path, sizeof(path), "%s", c->urls[i] + 7);
		watch_folder(d, path, IN_CREATE | IN_MOVED_TO);
		snprintf(path, sizeof(path), "%s/%s", c->urls[i] + 7, c->network);
		watch_folder(d, path, IN_MOVED_TO | IN_CLOSE_WRITE);
	}
}

static void wait_until(struct daemon *d, int64_t when)
{
	while (!d->stop && !d->poll_now) {
		struct pollfd fds[2] = { { .fd = d->signals, .events = POLLIN },
					 { .fd = d->watch, .events = POLLIN } };
		int64_t left = when - os_monotonic_ms();

		if (left <= 0)
			return;
		/* poll's own clock stops while the machine sleeps, ours does not: look again every
		 * minute. */
		if (poll(fds, d->watch >= 0 ? 2 : 1, left > 60000 ? 60000 : (int)left) < 0 &&
		    errno != EINTR)
			return;
		if (fds[0].revents)
			take_signals(d);
		if (d->watch >= 0 && fds[1].revents)
			take_events(d);
	}
}

/* Whoever writes to a watched folder without end must not make us work without end. */
static void throttle(struct daemon *d, int64_t started)
{
	int64_t left;

	if (os_monotonic_ms() - started >= WAKE_MS)
		d->wakes = 0;
	else
		d->wakes++;
	while (d->wakes > WAKE_BURST && !d->stop && !d->hangup &&
	       (left = started + WAKE_MS - os_monotonic_ms()) > 0) {
		struct pollfd fd = { .fd = d->signals, .events = POLLIN };

		if (poll(&fd, 1, (int)left) > 0)
			take_signals(d);
	}
}

/* ---- working ---- */

static void tell_error(struct daemon *d, const struct cycle *c, const struct err *e)
{
	char text[sizeof(d->told)];

	snprintf(text, sizeof(text), "%s: %s", e->reason ? e->reason : "", e->msg);
	if (!strcmp(text, d->told))
		return;
	memcpy(d->told, text, sizeof(d->told));
	if (c)
		cmd_tell_urls(d->agent, c, c->url != NULL);
	cli_fail(e);
}

static int converge(struct daemon *d, bool fresh, int64_t resolve_ms, struct err *e)
{
	struct agent *a = d->agent;
	struct convergence c = { 0 };
	uint64_t before = a->state.applied.serial;
	unsigned int messages;
	size_t i;
	char serial[96], holds[64];
	struct buf ops;
	int r;

	r = agent_converge(a, false, resolve_ms, &c, e);
	messages = c.result.stats.set_messages;
	for (i = 0; i < c.n_links; i++)
		messages += c.links[i].result.stats.set_messages;
	if (!r && c.acted &&
	    (convergence_changes(&c) || before != a->state.applied.serial || c.n_others)) {
		cli_info("%s: %s %s: %s; %zu changed, %u message%s sent", a->config->network,
			 cmd_serial(&a->current->manifest, serial, sizeof(serial)),
			 fresh || before != a->state.applied.serial ? "in force" :
								      "put back in force",
			 cmd_holds(&c, holds, sizeof(holds)), cmd_peers_changed(&c), messages,
			 messages == 1 ? "" : "s");
		cmd_tell_unresolved(&c);
	}
	cmd_tell_exit(a, &c);
	if (c.host.sets)
		cli_info("%s: %u setting%s of the host changed", a->config->network, c.host.sets,
			 c.host.sets == 1 ? "" : "s");
	cmd_tell_names(&c);
	if (cli_verbose && cmd_n_ops(&c)) {
		buf_init(&ops, 64u << 20);
		cmd_print_ops(&c, &ops);
		fputs(ops.data, stderr);
		buf_release(&ops);
	}
	convergence_release(&c);
	return r;
}

static void tell_outcome(struct daemon *d, const struct cycle *c, bool news,
			 const struct err *error)
{
	if (error) {
		tell_error(d, c, error);
		d->failures++;
		return;
	}
	if (d->failures)
		cli_info("%s: in order again", d->agent->config->network);
	d->failures = 0;
	d->told[0] = '\0';
	if (news || c->roots || (c->stale && !d->told_stale))
		cmd_tell_cycle(d->agent, c);
	d->told_stale = c->stale;
}

static void cycle(struct daemon *d)
{
	struct agent *a = d->agent;
	struct err fetch_error = { 0 }, apply_error = { 0 };
	const struct err *error = NULL;
	struct cycle c = { 0 };
	bool news = false;

	if (!a->config->offline) {
		if (agent_fetch(a, &c, &fetch_error) < 0)
			error = &fetch_error;
		take_signals(d);
		if (d->stop || (error && error->reason && !strcmp(error->reason, "INTERRUPTED"))) {
			cycle_release(&c);
			return;
		}
		news = c.next != NULL;
		if (news && agent_take(a, &c, &fetch_error) < 0)
			error = &fetch_error;
		/* Another URL is asked first the next time, so that no single one decides what we
		 * see for long. */
		a->first_url = (a->first_url + 1) % a->config->n_urls;
	}
	if (a->current && converge(d, news, RESOLVE_SECONDS * 1000, &apply_error) < 0 && !error)
		error = &apply_error;
	tell_outcome(d, &c, news, error);
	agent_report(a, a->config->offline ? NULL : &c, error);
	if (news)
		agent_tidy(a);
	cycle_release(&c);
}

static int set_up(struct daemon *d)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_LEN(wanted); i++) {
		/* One that our parent had ignored (a shell's background job, nohup) would never
		 * arrive. */
		signal(wanted[i], SIG_DFL);
		sigaddset(&set, wanted[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signals < 0 ? -1 : 0;
}

static int work(struct agent *a)
{
	struct daemon d = { .agent = a, .signals = -1, .watch = -1 };
	struct err e = { 0 };

	if (set_up(&d) < 0) {
		cli_error("cannot set signals up: %s", strerror(errno));
		return EXIT_REFUSED;
	}
	if (!a->config->offline) {
		a->fetcher = fetcher_new(&e);
		if (!a->fetcher) {
			os_close(d.signals);
			os_close(d.watch);
			return cli_fail(&e);
		}
		a->fetcher->wake_fd = d.signals;
	}
	/* What was in force comes back before anything is asked of anybody: the network may be what
	 * we need to ask. */
	if (a->current && converge(&d, true, FIRST_RESOLVE_MS, &e) < 0)
		tell_error(&d, NULL, &e);
	while (!d.stop) {
		int64_t started = os_monotonic_ms();

		d.poll_now = d.hangup = false;
		/* Before looking, so that a change in between is seen by one of the two. */
		set_watches(&d);
		cycle(&d);
		wait_until(&d, os_monotonic_ms() + next_delay(&d));
		throttle(&d, started);
	}
	cli_info("%s: stopped; the interface stays as it is", a->config->network);
	os_close(d.signals);
	os_close(d.watch);
	return EXIT_DONE;
}

int cmd_run(int argc, char **argv)
{
	struct agent_config config;
	struct agent a = { 0 };
	int r = cmd_settings(NEEDS_NODE | NEEDS_TRUST, &config);

	if (r >= 0)
		return r;
	r = cmd_open(&a, &config, STORE_WRITE);
	if (r < 0)
		r = work(&a);
	agent_close(&a);
	return r;
}
