/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconciler/hooks.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/os_file.h"

#define MAX_HOOK (1u << 20)
/* Stands in every version of our hooks and in nobody else's. */
#define MARK "# From 'meshrc init"

#define PROGRAM "meshrc=$(git config --get meshrc.program) || meshrc=meshrc\n"

static const struct {
	const char *name, *text;
} hooks[] = {
	{ "pre-commit",
	  "#!/bin/sh\n"
	  "# SPDX-License-Identifier: GPL-2.0-or-later\n" MARK
	  "': refuses a commit whose network configuration is not valid.\n"
	  "# It looks at what is being committed, not at the work tree. 'git commit --no-verify' skips it.\n" PROGRAM
	  "tree=$(git write-tree) || exit 1\n"
	  "exec \"$meshrc\" hook pre-commit \"$tree\"\n" },
	{ "pre-receive",
	  "#!/bin/sh\n"
	  "# SPDX-License-Identifier: GPL-2.0-or-later\n" MARK
	  " --hooks': refuses a push whose network configuration is not valid, and a push to\n"
	  "# the published branch that is not a signed publication following the one that stands there.\n" PROGRAM
	  "exec \"$meshrc\" hook pre-receive\n" },
	{ "post-receive",
	  "#!/bin/sh\n"
	  "# SPDX-License-Identifier: GPL-2.0-or-later\n" MARK
	  " --hooks': publishes what was pushed. The publisher key is the file that\n"
	  "# 'git config meshrc.signingKey' or MESHRC_SIGNING_KEY names.\n" PROGRAM
	  "exec \"$meshrc\" hook post-receive\n" },
};

const char *const *hooks_for(const struct repo *r)
{
	static const char *const work_tree[] = { "pre-commit", NULL }, *const bare[] = {
		"pre-receive", "post-receive", NULL
	};

	return repo_is_bare(r) ? bare : work_tree;
}

const char *hook_text(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(hooks); i++)
		if (!strcmp(hooks[i].name, name))
			return hooks[i].text;
	return NULL;
}

static int refuse_other_path(struct repo *r, struct err *e)
{
	const char *path;
	struct arena a;
	int rc;

	arena_init(&a);
	rc = repo_config(r, "core.hooksPath", &a, &path, e);
	if (!rc && path)
		rc = err_set(
			e, ERR_INPUT,
			"the repository takes its hooks from %s (core.hooksPath); put them there yourself",
			path);
	arena_release(&a);
	return rc;
}

int hook_install(struct repo *r, const char *name, enum hook_state *ret, struct err *e)
{
	const char *text = hook_text(name);
	struct buf old;
	char path[64];
	mode_t mask;
	int fd, rc;

	if (!text)
		return err_set(e, ERR_INPUT, "there is no hook '%s'", name);
	if (refuse_other_path(r, e) < 0)
		return -1;
	snprintf(path, sizeof(path), "hooks/%s", name);
	fd = os_open_dir(AT_FDCWD, repo_gitdir(r), e);
	if (fd < 0)
		return -1;
	buf_init(&old, MAX_HOOK + 1);
	mask = umask(022);
	rc = os_mkdir_p(fd, "hooks", 0755, e);
	if (!rc && os_kind_of(fd, path) == OS_MISSING) {
		*ret = HOOK_INSTALLED;
		rc = os_create(fd, path, text, strlen(text), 0755, e);
	} else if (!rc) {
		/* What cannot be read is not ours either. */
		if (os_read_nofollow(fd, path, MAX_HOOK, &old, NULL) < 0)
			buf_reset(&old);
		*ret = !strcmp(old.data, text) ? HOOK_STANDS :
		       strstr(old.data, MARK)  ? HOOK_INSTALLED :
						 HOOK_FOREIGN;
		if (*ret == HOOK_INSTALLED)
			rc = os_replace(fd, path, text, strlen(text), 0755, e);
	}
	umask(mask);
	buf_release(&old);
	os_close(fd);
	return rc;
}
