#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each header compiles alone, twice: it includes what it uses and guards itself.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
CC=${CC:-gcc}
need "$CC"

force=()
[ ! -e common/banned.h ] || force=(-include common/banned.h)
while IFS= read -r h; do
	case $h in common/banned.h) continue ;; esac
	if ! said=$(printf '#include "%s"\n#include "%s"\n' "$h" "$h" |
		"$CC" -std=c11 -D_GNU_SOURCE -I. "${force[@]}" -Wall -Wextra -Werror \
			-fsyntax-only -x c - 2>&1); then
		finding "$h:1" 'does not compile alone'
		printf '%s\n' "$said" | sed 's/^/  /' | head -n 20 >&2
	fi
done < <(tree_files_of h)
exit "$lint_bad"
