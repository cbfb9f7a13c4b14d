/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/watch.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "common/os_file.h"

/* Git moves a reference by renaming a lock file over it; packed-refs and HEAD likewise. */
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM)
/* Whole seconds is all that the library offers; the thread has nothing to do in between. */
#define WAIT_SECONDS 3600

static struct {
	pthread_t thread;
	int fd;
	char heads[4096];
} watch = { .fd = -1 };

static void *wait_for_events(void *arg)
{
	for (;;) {
		const struct inotify_event *event = inotifytools_next_event(WAIT_SECONDS);
		const uint64_t one = 1;

		if (!event) {
			/* A time-out. Errors end the hints, not the service: the poll goes on. */
			if (inotifytools_error() && inotifytools_error() != EINTR)
				return NULL;
			continue;
		}
		/* A branch with a slash in its name lives in a folder that may be new. */
		if ((event->mask & IN_ISDIR) && (event->mask & (IN_CREATE | IN_MOVED_TO)))
			inotifytools_watch_recursively(watch.heads, EVENTS);
		if (write(watch.fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return NULL;
	}
}

int watch_start(const char *gitdir, struct err *e)
{
	int fd, rc, n = snprintf(watch.heads, sizeof(watch.heads), "%srefs/heads/", gitdir);

	if (n < 0 || (size_t)n >= sizeof(watch.heads))
		return err_set(e, ERR_LIMIT, "the path is too long: %s", gitdir);
	if (!inotifytools_initialize()) {
		errno = inotifytools_error();
		return err_errno(e, "cannot watch files");
	}
	if (!inotifytools_watch_file(gitdir, EVENTS) || !inotifytools_watch_recursively(watch.heads, EVENTS)) {
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
	rc = pthread_create(&watch.thread, NULL, wait_for_events, NULL);
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
	/* It sleeps in select(), where a thread can be cancelled. */
	pthread_cancel(watch.thread);
	pthread_join(watch.thread, NULL);
	inotifytools_cleanup();
	os_close(fd);
	watch.fd = -1;
}
