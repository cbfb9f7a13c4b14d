#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# common/banned.h really refuses each function it names, it names all that it must, nobody goes
# around it, and no object calls such a function all the same.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
CC=${CC:-gcc}
need "$CC" nm

header=common/banned.h
[ -e "$header" ] || cannot "no $header"

# Whoever takes one of these out of the header takes it out of here too, with a reason.
must='strcpy strcat strncpy strncat strtok sprintf vsprintf gets scanf sscanf atoi atol atoll
	strtol strtoll strtoul strtoull gmtime localtime ctime asctime system popen mktemp tmpnam
	rand random alloca'

named=$(sed -nE 's/^#define ([a-z0-9_]+)\(([^)]*)\) BANNED\(.*/\1 \2/p' "$header" | tr -d ',')

for f in $must; do
	grep -qE "^$f( |\$)" <<<"$named" || finding "$header:1" "$f is not banned"
done

compiles() { # with or without the header: compiles FUNCTION ARGUMENTS [OPTION...]
	local f=$1 arguments=$2
	shift 2
	printf '#include <alloca.h>\nvoid probe(void);\nvoid probe(void)\n{\n\t(void)%s(%s);\n}\n' \
		"$f" "$arguments" |
		"$CC" -std=gnu11 -D_GNU_SOURCE -I. -w "$@" -fsyntax-only -x c - 2>/dev/null
}

while read -r f parameters; do
	[ -n "$f" ] || continue
	line=$(grep -nE "^#define $f\(" "$header" | cut -d: -f1)
	arguments=0
	# shellcheck disable=SC2086 # one word for each parameter
	set -- $parameters
	while [ "$#" -gt 1 ]; do
		arguments+=', 0'
		shift
	done
	[ "$#" -gt 0 ] || arguments=
	case $f in
	sprintf) arguments='0, ""' ;;
	vsprintf) arguments='0, "", *(__builtin_va_list *)0' ;;
	scanf) arguments='""' ;;
	sscanf) arguments='"", ""' ;;
	esac
	if ! compiles "$f" "$arguments" -include stdio.h -include stdlib.h -include string.h \
		-include time.h; then
		finding "$header:$line" "the probe for $f is wrong: it does not compile without the ban either"
	elif compiles "$f" "$arguments" -include "$header"; then
		finding "$header:$line" "$f compiles all the same"
	fi
done <<<"$named"

names=$(awk '{ print $1 }' <<<"$named" | paste -sd '|')
while IFS=: read -r file line text; do
	[ -n "$file" ] || continue
	[ "$file" = "$header" ] || finding "$file:$line" "takes a ban away: $text"
done < <(tree_files_of c h |
	xargs -r grep -nE "^[[:space:]]*#[[:space:]]*(undef|define)[[:space:]]+($names)\>" -- /dev/null)

# By the name in brackets, or by a pointer, a function escapes the preprocessor, but not the linker.
if [ -d "$BUILD/obj" ]; then
	while read -r object symbol; do
		finding "${object%:}" "calls $symbol, which is banned"
	done < <(find "$BUILD/obj" -name '*.o' -not -path "$BUILD/obj/tests/*" -exec nm -A -P -u {} + |
		awk '{ print $1, $2 }' |
		grep -E " (__)?(isoc99_)?($names)(_chk)?\$")
fi
exit "$lint_bad"
