# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Figures of a command, for the tests of this folder. Times are printed and not judged: the machine is
# shared. What is judged is memory, instructions, and ratios of times of processor within one run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost

# measured NAME COMMAND...: its figures in $ms, $kb and $cpu (milliseconds of processor), its output in
# $OUT; the better of two runs
measured() {
	local name=$1 again_ms again_cpu
	shift
	read -r ms kb STATUS cpu < <(python3 "$ROOT/tests/perf/measure.py" "$OUT" "$@" 2>"$ERR")
	read -r again_ms _ _ again_cpu < <(python3 "$ROOT/tests/perf/measure.py" "$OUT" "$@" 2>>"$ERR")
	[ "$again_ms" -ge "$ms" ] || ms=$again_ms
	[ "$again_cpu" -ge "$cpu" ] || cpu=$again_cpu
	note "$name: $ms ms, $cpu of them the processor's, $kb kB"
}

# instructions COMMAND...: how many millions it takes, in $millions; 0 with sanitizers, which cannot be counted
instructions() {
	millions=0
	[ -z "${SAN:-}" ] || return 0
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" >"$OUT" 2>"$ERR"
	millions=$(awk '/I +refs:/ { gsub(/,/, "", $NF); print int($NF / 1000000) }' "$ERR")
	note "$(basename "$1") ${*:2:1}: $millions million instructions"
}
