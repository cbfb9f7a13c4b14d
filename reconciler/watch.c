/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/watch.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "common/os_file.h"

/* Git moves a reference by renaming a lock file over it; packed-refs and HEAD likewise. */
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM)
/* Whole seconds is all that the library offers; the thread has nothing to do in between. */
#define WAIT_SECONDS 3600

/* Wakes the thread out of the library. */
#define WAKE SIGUSR1

static struct {
	pthread_t thread;
	atomic_bool stop;
	int fd;
	char heads[4096];
} watch = { .fd = -1 };

static void on_wake(int signal)
{
}

/* A branch with a slash in its name lives in a folder that may be new. */
static void watch_new_folder(const struct inotify_event *event)
{
	const char *dir = inotifytools_filename_from_wd(event->wd);
	char path[4096];
	int n;

	if (!(event->mask & IN_ISDIR) || !(event->mask & (IN_CREATE | IN_MOVED_TO)) || !dir ||
	    !event->len || strncmp(dir, watch.heads, strlen(watch.heads)) != 0)
		return;
	n = snprintf(path, sizeof(path), "%s%s/", dir, event->name);
	if (n > 0 && (size_t)n < sizeof(path))
		inotifytools_watch_recursively(path, EVENTS);
}

static void *wait_for_events(void *arg)
{
	while (!watch.stop) {
		const struct inotify_event *event = inotifytools_next_event(WAIT_SECONDS);
		const uint64_t one = 1;

		if (!event) {
			/* A time-out. Errors end the hints, not the service: the poll goes on. */
			if (inotifytools_error() && inotifytools_error() != EINTR)
				return NULL;
			continue;
		}
		watch_new_folder(event);
		if (write(watch.fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return NULL;
	}
	return NULL;
}

int watch_start(const char *gitdir, struct err *e)
{
	const struct sigaction wake = { .sa_handler = on_wake };
	int fd, rc, n = snprintf(watch.heads, sizeof(watch.heads), "%srefs/heads/", gitdir);

	if (n < 0 || (size_t)n >= sizeof(watch.heads))
		return err_set(e, ERR_LIMIT, "the path is too long: %s", gitdir);
	if (!inotifytools_initialize()) {
		errno = inotifytools_error();
		return err_errno(e, "cannot watch files");
	}
	if (!inotifytools_watch_file(gitdir, EVENTS) ||
	    !inotifytools_watch_recursively(watch.heads, EVENTS)) {
		errno = inotifytools_error();
		err_errno(e, "cannot watch %s", gitdir);
		inotifytools_cleanup();
		return -1;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		err_errno(e, "cannot watch %s", gitdir);
		inotifytools_cleanup();
		return -1;
	}
	watch.fd = fd;
	watch.stop = false;
	rc = sigaction(WAKE, &wake, NULL) < 0 ?
		     errno :
		     pthread_create(&watch.thread, NULL, wait_for_events, NULL);
	if (rc) {
		errno = rc;
		err_errno(e, "cannot start a thread");
		inotifytools_cleanup();
		os_close(fd);
		watch.fd = -1;
		return -1;
	}
	return fd;
}

void watch_clear(int fd)
{
	uint64_t count;

	if (fd >= 0 && read(fd, &count, sizeof(count)) < 0)
		return;
}

void watch_stop(int fd)
{
	if (fd < 0 || fd != watch.fd)
		return;
	watch.stop = true;
	/* A signal that comes between its look at `stop` and its sleep is lost, so there is another
	 * one. */
	do {
		pthread_kill(watch.thread, WAKE);
		poll(NULL, 0, 5);
	} while (pthread_tryjoin_np(watch.thread, NULL) == EBUSY);
	inotifytools_cleanup();
	os_close(fd);
	watch.fd = -1;
}
