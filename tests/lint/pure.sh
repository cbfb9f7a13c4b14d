#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The core is pure, and the linker proves it: what the objects of the pure files need from outside,
# minus what they define among themselves, must stand in pure-allow.txt. No file, clock, stream,
# environment or process can be reached from there.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/files.bash"
need nm

# The pure files.
is_pure() {
	case $1 in
	common/os_*) return 1 ;;
	common/*.c | schema/*.c | publication/*.c) return 0 ;;
	reconciler/allocate*.c | reconciler/compile*.c | reconciler/conflict*.c | reconciler/group_name.c | reconciler/link_set.c) return 0 ;;
	reconciler/links*.c | reconciler/machines*.c | reconciler/pin.c | reconciler/plan*.c | reconciler/render*.c) return 0 ;;
	reconciler/assert.c | reconciler/client_config.c | reconciler/exit.c | reconciler/hidden.c | reconciler/order.c | reconciler/policy.c | reconciler/reach*.c | reconciler/relay*.c) return 0 ;;
	reconciler/site.c | reconciler/transit.c | reconciler/viewpoint.c) return 0 ;;
	agent/accept.c | agent/diff.c | agent/host_plan.c | agent/desired.c | agent/reduce.c) return 0 ;;
	esac
	return 1
}

objects=()
while IFS= read -r f; do
	is_pure "$f" || continue
	o=$BUILD/obj/${f%.c}.o
	if [ ! -e "$o" ]; then
		finding "$f" "not compiled ($o): run make first"
	elif [ "$f" -nt "$o" ]; then
		finding "$f" "newer than $o: run make first"
	else
		objects+=("$o")
	fi
done < <(tree_files_of c)
# Without some of them, everything they define would look as if it came from outside.
[ "$lint_bad" -eq 0 ] || exit 1
[ "${#objects[@]}" -gt 0 ] || cannot "no pure object in $BUILD/obj: run make first"

# "SYMBOL [PATTERN]": allowed everywhere, or in the source files that match.
nm -A -P "${objects[@]}" | awk -v prefix="$BUILD/obj/" '
	{ file = substr($1, length(prefix) + 1); sub(/\.o:$/, ".c", file) }
	$3 ~ /^[Uvw]$/ { print "need", file, $2; next }
	{ print "have", file, $2 }' | awk -v allow="$here/pure-allow.txt" '
	function glob(p) { gsub(/[.]/, "\\.", p); gsub(/\*/, ".*", p); return "^" p "$" }
	BEGIN {
		while ((getline line < allow) > 0) {
			sub(/[ \t]*#.*/, "", line)
			if (line == "") continue
			n = split(line, w, " ")
			where[w[1]] = where[w[1]] " " (n > 1 ? glob(w[2]) : ".")
		}
	}
	function allowed(symbol, file,	i, n, p) {
		# What the compiler itself calls: stack protector, sanitizers, position-independent code.
		if (symbol ~ /^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$/) return 1
		if (symbol ~ /^__(asan|ubsan|lsan|sanitizer|sancov|gcov)_/) return 1
		n = split(where[symbol], p, " ")
		for (i = 1; i <= n; i++) if (file ~ p[i]) return 1
		return 0
	}
	$1 == "have" { defined[$3] = 1; next }
	{ needs[++k] = $2 " " $3 }
	END {
		for (i = 1; i <= k; i++) {
			split(needs[i], w, " ")
			if (w[2] in defined || allowed(w[2], w[1])) continue
			printf "%s:1: needs %s, which pure code may not\n", w[1], w[2] > "/dev/stderr"
			bad = 1
		}
		exit bad
	}' || lint_bad=1
exit "$lint_bad"
