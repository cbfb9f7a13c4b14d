# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Medians of whole commands, process start included.

BENCH_OUT=$(mktemp) || exit 1
declare -A taken=()

# take NAME [-p PREPARE] COMMAND...: runs PREPARE (a shell command, not timed), then the command, timed;
# adds the time in microseconds to what NAME has. A command that fails ends the benchmark.
take() {
	local name=$1 prepare=: from to
	shift
	if [ "$1" = -p ]; then
		prepare=$2
		shift 2
	fi
	eval "$prepare" >"$BENCH_OUT" 2>&1 || bench_die "$prepare"
	from=${EPOCHREALTIME/./}
	"$@" >"$BENCH_OUT" 2>&1 </dev/null || bench_die "$*"
	to=${EPOCHREALTIME/./}
	taken[$name]+="$((to - from)) "
}

bench_die() {
	printf 'bench: failed: %s\n' "$1" >&2
	tail -n 5 "$BENCH_OUT" >&2
	exit 1
}

# median NAME: in microseconds
median() {
	# shellcheck disable=SC2086 # a word for each time
	printf '%s\n' ${taken[$1]} | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# ms MICROSECONDS: for people
ms() {
	awk -v us="$1" 'BEGIN {
		v = us / 1000
		if (v >= 10000) printf "%.1f s", v / 1000
		else if (v >= 100) printf "%.0f ms", v
		else printf "%.1f ms", v
	}'
}

# ratio A B: how many times B goes into A
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { r = a / b; printf((r >= 100 ? "%.0f" : r >= 10 ? "%.1f" : "%.2f"), r) }'
}
