/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "common/os_file.h"
#include "common/os_time.h"

/* Between a request to end and the kill. */
#define GRACE_MS 2000
/* How long output is waited for once the program itself has ended: a helper of its may hold the
 * pipe. */
#define DRAIN_MS 1000

extern char **environ;

/* What git tells hooks about the repository they run in would misdirect another git. */
static bool is_git_context(const char *var)
{
	static const char *const names[] = {
		"GIT_DIR=",	  "GIT_WORK_TREE=",	   "GIT_INDEX_FILE=",
		"GIT_PREFIX=",	  "GIT_OBJECT_DIRECTORY=", "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
		"GIT_NAMESPACE=", "GIT_COMMON_DIR=",	   "GIT_QUARANTINE_PATH=",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strncmp(var, names[i], strlen(names[i])))
			return true;
	return false;
}

static const char **make_env(const char *const *more)
{
	size_t n = 0, m = 0, count = 0, i;
	const char **env;

	while (environ[n])
		n++;
	while (more[m])
		m++;
	env = calloc(n + m + 1, sizeof(*env));
	if (!env)
		return NULL;
	for (i = 0; i < n; i++) {
		size_t j;

		if (is_git_context(environ[i]))
			continue;
		for (j = 0; j < m && strncmp(environ[i], more[j], strcspn(more[j], "=") + 1) != 0;
		     j++)
			;
		if (j == m)
			env[count++] = environ[i];
	}
	for (i = 0; i < m; i++)
		env[count++] = more[i];
	return env;
}

static int start(const char *dir, const char *const *argv, const char *const *env, int out,
		 pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc) {
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	if (!(rc = posix_spawn_file_actions_addchdir_np(&actions, dir)) &&
	    !(rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) &&
	    !(rc = posix_spawn_file_actions_adddup2(&actions, out, 1)) &&
	    !(rc = posix_spawn_file_actions_adddup2(&actions, out, 2)) &&
	    !(rc = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) &&
	    !(rc = posix_spawnattr_setsigmask(&attr, &none)) &&
	    !(rc = posix_spawnattr_setsigdefault(&attr, &all)) &&
	    !(rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							   POSIX_SPAWN_SETSIGDEF)))
		/* posix_spawnp does not write to the strings; its type is older than const. */
		rc = posix_spawnp(ret, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
				  (char *const *)(uintptr_t)env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Reads what is there; false at the end of the output. */
static bool drain(int fd, struct buf *out)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && out->len + (size_t)n <= out->max)
			buf_add(out, chunk, (size_t)n);
	return n < 0 && errno == EAGAIN;
}

static bool ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

/* True when the program ended within the time; its output is read all the while. */
static bool wait_until(pid_t pid, int fd, int64_t deadline, struct buf *out, int *status)
{
	bool open = true;
	int64_t left;

	for (;;) {
		struct pollfd p = { .fd = open ? fd : -1, .events = POLLIN };

		if (ended(pid, status))
			break;
		left = deadline - os_monotonic_ms();
		if (left <= 0)
			return false;
		/* The end of the program is noticed by the end of its output, else within a tenth
		 * of a second. */
		poll(&p, 1, left > 100 ? 100 : (int)left);
		open = open && drain(fd, out);
	}
	deadline = os_monotonic_ms() + DRAIN_MS;
	while (open && drain(fd, out) && os_monotonic_ms() < deadline) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 100) == 0)
			break;
	}
	return true;
}

int spawn(const char *dir, const char *const *argv, const char *const *env, unsigned int seconds,
	  struct buf *out, int *ret_status, struct err *e)
{
	const char **whole = make_env(env);
	int fds[2], rc, status = 0;
	bool in_time;
	pid_t pid;

	if (!whole)
		return err_nomem(e);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(whole);
		return err_errno(e, "cannot make a pipe");
	}
	/* Only our end is to be non-blocking. */
	(void)fcntl(fds[1], F_SETFL, 0);
	rc = start(dir, argv, whole, fds[1], &pid);
	free(whole);
	os_close(fds[1]);
	if (rc) {
		os_close(fds[0]);
		errno = rc;
		return err_errno(e, "cannot run %s", argv[0]);
	}
	in_time =
		wait_until(pid, fds[0], os_monotonic_ms() + (int64_t)seconds * 1000, out, &status);
	if (!in_time) {
		int ignored;

		kill(-pid, SIGTERM);
		if (!wait_until(pid, fds[0], os_monotonic_ms() + GRACE_MS, out, &ignored)) {
			kill(-pid, SIGKILL);
			waitpid(pid, &ignored, 0);
		}
		/* What it started may care less for SIGTERM than it did itself. */
		kill(-pid, SIGKILL);
	}
	os_close(fds[0]);
	if (!in_time)
		return err_set(e, ERR_IO, "%s did not end within %u seconds", argv[0], seconds);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}
