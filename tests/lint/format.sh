#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Layout as .clang-format says. `format.sh --fix` applies it to every file.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need clang-format
[ -e .clang-format ] || cannot 'no .clang-format'

if [ "${1:-}" = --fix ]; then
	tree_files_of c h | xargs -r clang-format -i
	exit
fi
# The tool shows each place with its line; the first of each file is enough to find the rest.
said=$(tree_files_of c h | xargs -r clang-format --dry-run --Werror 2>&1) && exit 0
printf '%s\n' "$said" | sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error: .*/\1/p' | awk -F: '
	!n[$1]++ { first[++k] = $0; name[k] = $1 }
	END { for (i = 1; i <= k; i++)
		printf "%s: layout differs from .clang-format here and in %d more places\n", \
			first[i], n[name[i]] - 1 }' >&2
printf 'tests/lint/format.sh --fix sets it right\n' >&2
exit 1
