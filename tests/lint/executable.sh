#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What names its interpreter in its first line has the executable bit, and so has every test script:
# tests/run starts them by their name. Of what git tracks, the bit that git has is the one that counts:
# the one in the work tree does not come to others.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"

declare -A modes=()
while IFS=$'\t' read -r entry f; do
	modes[$f]=${entry%% *}
done < <(git -c safe.directory='*' -c core.quotePath=false ls-files -s 2>/dev/null)

while IFS= read -r f; do
	[ ! -L "$f" ] || continue
	IFS= read -r -n 2 start <"$f"
	case $f in
	tests/*.t) ;;
	*) [ "$start" = '#!' ] || continue ;;
	esac
	mode=${modes[$f]-}
	if [ ! -x "$f" ]; then
		finding "$f:1" 'is not executable: chmod +x'
	elif [ "${mode:-100755}" != 100755 ]; then
		finding "$f:1" 'is not executable for git: git update-index --chmod=+x'
	fi
done < <(tree_files)
exit "$lint_bad"
