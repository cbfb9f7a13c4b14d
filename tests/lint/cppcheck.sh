#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cppcheck finds nothing, or what it finds is explained in cppcheck.txt. Results are kept in
# build/cppcheck, so that only changed files are looked at again.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need cppcheck

list=${LINT_EXCEPTIONS:-$here/cppcheck.txt}
mkdir -p build/cppcheck || exit 1
while IFS= read -r place; do
	finding "$place" 'a suppression without a reason'
done < <(awk '!/^[[:space:]]*(#|$)/ && !/#[[:space:]]*[^[:space:]]/ { print FILENAME ":" FNR }' "$list")
sed -E 's/[[:space:]]*#.*//; /^$/d' "$list" >build/cppcheck.list

# Tests are left to the compiler: cmocka's macros never return, which cppcheck does not know.
files=$(tree_files_of c | grep -v '^tests/')
[ -n "$files" ] || cannot 'no C file'
# shellcheck disable=SC2086 # one word for each file
said=$(cppcheck --quiet --std=c11 --platform=unix64 -I. -D_GNU_SOURCE -j2 \
	--enable=warning,performance,portability --inconclusive --suppress=missingIncludeSystem \
	--suppressions-list=build/cppcheck.list --cppcheck-build-dir=build/cppcheck \
	--template='{file}:{line}: {severity}: {message} [{id}]' --error-exitcode=2 $files 2>&1)
status=$?
if [ "$status" -ne 0 ] || [ -n "$said" ]; then
	printf '%s\n' "$said" >&2
	lint_bad=1
fi
exit "$lint_bad"
