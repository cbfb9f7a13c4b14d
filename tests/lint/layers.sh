#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Folders are layers: which folder may include which, and which one file may include the header of a
# library. The table is layers.txt.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"

found=$(tree_files_of c h | xargs -r grep -nE '^[[:space:]]*#[[:space:]]*include' -- /dev/null |
	sed -E 's/^([^:]*:[0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*/\1 /')

# Shell patterns are matched by bash; everything else is a walk over the table.
declare -A may=()
headers=()
system=()
while read -r word name rest; do
	case $word in
	'' | '#'*) ;;
	folder) may[$name]=" $name $rest " ;;
	header) headers+=("$name $rest") ;;
	system)
		read -ra patterns <<<"$name $rest"
		system+=("${patterns[@]}")
		;;
	*) cannot "layers.txt: unknown word $word" ;;
	esac
done <"$here/layers.txt"
[ "${#may[@]}" -gt 0 ] || cannot 'layers.txt names no folder'

matches() { # TEXT PATTERN...
	local text=$1 p
	shift
	for p in "$@"; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $text == $p ]] && return 0
	done
	return 1
}

check_quoted() { # PLACE FOLDER TARGET
	case $3 in
	*/*) ;;
	*) finding "$1" "include \"$3\" is not written from the root of the tree"; return ;;
	esac
	case /$3/ in */../* | */./*) finding "$1" "include \"$3\" goes through . or .."; return ;; esac
	case $3 in *.h) ;; *) finding "$1" "include \"$3\" is not a header" ;; esac
	case ${may[$2]} in
	*" ${3%%/*} "*) ;;
	*) finding "$1" "$2/ must not include from ${3%%/*}/ (\"$3\")" ;;
	esac
	[ -e "$3" ] || finding "$1" "no such file: \"$3\""
}

check_angle() { # PLACE FILE TARGET
	local entry name files patterns known=0
	for entry in "${headers[@]}"; do
		read -r name files <<<"$entry"
		matches "$3" "$name" || continue
		known=1
		read -ra patterns <<<"$files"
		matches "$2" "${patterns[@]}" && return
	done
	if [ "$known" -eq 1 ]; then
		finding "$1" "<$3> must not be included by this file (see layers.txt)"
	elif ! matches "$3" "${system[@]}"; then
		finding "$1" "<$3> is not in the table (layers.txt)"
	fi
}

while read -r place target; do
	[ -n "$place" ] || continue
	file=${place%:*}
	folder=${file%%/*}
	[ -n "${may[$folder]:-}" ] || continue
	case $target in
	'"'*'"'*) target=${target#\"}; check_quoted "$place" "$folder" "${target%%\"*}" ;;
	'<'*'>'*) target=${target#<}; check_angle "$place" "$file" "${target%%>*}" ;;
	*) finding "$place" 'an include that is neither "file" nor <file>' ;;
	esac
done <<<"$found"
exit "$lint_bad"
