#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# gcc -fanalyzer finds nothing, or what it finds is explained in analyzer.txt. Logs are kept in
# build/analyze, so that only changed files are looked at again.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need gcc make

list=${LINT_EXCEPTIONS:-$here/analyzer.txt}
files=$(tree_files_of c | grep -v '^tests/' | tr '\n' ' ')
[ -n "$files" ] || cannot 'no C file'
force=
[ ! -e common/banned.h ] || force='-include common/banned.h'
if ! env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -s -j2 -k -f "$here/analyzer.mk" \
	CC=gcc FILES="$files" FORCE="$force" >&2; then
	cannot 'some files do not compile'
fi

logs=()
for f in $files; do
	logs+=("build/analyze/${f%.c}.log")
done
awk -v list="$list" '
	function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
	BEGIN {
		while ((getline line < list) > 0) {
			number++
			if (line ~ /^[ \t]*(#|$)/) continue
			hash = index(line, "#")
			if (!hash || trim(substr(line, hash + 1)) == "" ||
			    split(substr(line, 1, hash - 1), w, "|") != 3) {
				printf "%s:%d: not \"file|option|message # reason\"\n", list, number > "/dev/stderr"
				bad = 1
				continue
			}
			file[++n] = trim(w[1]); option[n] = trim(w[2]); text[n] = trim(w[3]); at[n] = number
		}
	}
	/: warning: .*\[-Wanalyzer|: warning: .*\[CWE/ {
		for (i = 1; i <= n; i++)
			if (index($0, file[i] ":") == 1 && index($0, "[-W" option[i] "]") && index($0, text[i])) {
				used[i] = 1
				next
			}
		if (!seen[$0]++) print > "/dev/stderr"
		bad = 1
	}
	END {
		for (i = 1; i <= n; i++)
			if (!used[i]) {
				printf "%s:%d: excuses nothing any more\n", list, at[i] > "/dev/stderr"
				bad = 1
			}
		exit bad
	}' "${logs[@]}" || lint_bad=1
exit "$lint_bad"
