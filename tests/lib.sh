# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Test Anything Protocol helpers for the shell tests (*.t). A test reads
#
#	#!/bin/bash
#	# SPDX-License-Identifier: GPL-2.0-or-later
#	. "$(dirname "$0")/../lib.sh"
#
#	expect_ok 'help is printed' "$MESHRC" --help
#	expect_match 'and names the commands' "$(<"$OUT")" 'validate'
#	done_testing
#
# The name of the point comes first everywhere. Points are numbered by the helpers, the plan is the
# last line, and a script that ends without done_testing has no plan and so counts as failed.
#
# What a test may use
#	$ROOT $BUILD $MESHRC $AGENT	the tree, its build folder, the two programs
#	$TRASH			a folder of this script alone, removed at its end (KEEP_TRASH=1 keeps it)
#	$OUT $ERR $STATUS	what the last command of `capture` or of an expect_* wrote and returned
#	at_exit COMMAND...	run at the end, last one first, however the script ends
#
# No helper stops the script at a failed point: later points still run and are counted.

set -u
set -o pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
MESHRC=${MESHRC:-$BUILD/meshrc}
AGENT=${AGENT:-$BUILD/meshrc-agent}
export ROOT BUILD MESHRC AGENT LC_ALL=C TZ=UTC
# Nothing of the caller's surroundings may change what the programs print or where git looks.
unset NO_COLOR MESHRC_SIGNING_KEY
unset "${!GIT_@}"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
# A sanitizer's report must not look like a program that refused with status 1.
export ASAN_OPTIONS="abort_on_error=1:exitcode=99${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="halt_on_error=1:abort_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

TRASH=$(mktemp -d "${TMPDIR:-/tmp}/meshrc-test.XXXXXX") || exit 1
OUT=$TRASH/.out
ERR=$TRASH/.err
STATUS=0
: >"$OUT" && : >"$ERR"

tap_count=0
tap_failed=0
tap_at_exit=()

at_exit() {
	tap_at_exit+=("$(printf '%q ' "$@")")
}

tap_finish() {
	local status=$? i
	trap - EXIT
	trap '' INT TERM HUP
	for ((i = ${#tap_at_exit[@]} - 1; i >= 0; i--)); do
		eval "${tap_at_exit[i]}" || :
	done
	if [ "${KEEP_TRASH:-}" = 1 ]; then
		printf '# kept %s\n' "$TRASH"
	else
		rm -rf "$TRASH"
	fi
	exit "$status"
}
trap tap_finish EXIT
# A signal ends the script through the EXIT trap, with the status a shell gives it.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Diagnostics, each line behind a '#'.
note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# At most 40 lines of a file, as diagnostics under a title.
note_file() {
	local total
	[ -s "$2" ] || return 0
	total=$(wc -l <"$2")
	note "$1:"
	sed -n '1,40s/^/#   /p' "$2"
	[ "$total" -le 40 ] || note "  ($((total - 40)) more lines)"
}

ok() {
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "${1//#/}"
}

# not_ok NAME [DETAIL...]
not_ok() {
	local line
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "${1//#/}"
	shift
	for line in "$@"; do note "$line"; done
}

# skip NAME REASON: where everything was said to be there (CI=true), a skip is a failure.
skip() {
	if [ "${CI:-}" = true ]; then
		not_ok "$1" "skipped, which CI does not accept: $2"
		return
	fi
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "${1//#/}" "$2"
}

# The whole script has nothing to stand on: one skipped point, and out.
skip_all() {
	skip "$(basename "$0")" "$1"
	done_testing
}

# The plan, and the end: 0 when every point held.
done_testing() {
	printf '1..%d\n' "$tap_count"
	[ "$tap_failed" -eq 0 ] || exit 1
	exit 0
}

# capture COMMAND...: runs it with its output in $OUT and $ERR; returns and keeps its status.
capture() {
	STATUS=0
	"$@" >"$OUT" 2>"$ERR" </dev/null || STATUS=$?
	return "$STATUS"
}

# must_fail COMMAND...: true when the command refused by itself. Death by a signal (128 and above),
# a command not found or not runnable (126, 127), `timeout` at its end (124, 125) and a sanitizer's
# report (99, set above) are not refusals.
must_fail() {
	local status=0
	"$@" || status=$?
	tap_refused "$status"
}

tap_refused() {
	[ "$1" -gt 0 ] && [ "$1" -lt 124 ] && [ "$1" -ne 99 ]
}

tap_sanitizer_spoke() {
	grep -qsE 'ERROR: (Address|Leak|Undefined|Memory|Thread)Sanitizer|: runtime error: ' "$ERR"
}

tap_blame() {
	local name=$1 why=$2
	shift 2
	not_ok "$name" "$why" "command: $*" "exit status: $STATUS"
	note_file stdout "$OUT"
	note_file stderr "$ERR"
}

# expect_ok NAME COMMAND...: exit status 0
expect_ok() {
	local name=$1
	shift
	if capture "$@" && ! tap_sanitizer_spoke; then
		ok "$name"
	else
		tap_blame "$name" 'should have succeeded' "$@"
		return 1
	fi
}

# expect_fail NAME COMMAND...: a refusal as must_fail defines it
expect_fail() {
	local name=$1
	shift
	capture "$@"
	if tap_refused "$STATUS" && ! tap_sanitizer_spoke; then
		ok "$name"
	else
		tap_blame "$name" 'should have failed by itself' "$@"
		return 1
	fi
}

# expect_status NAME STATUS COMMAND...: exactly that exit status
expect_status() {
	local name=$1 want=$2
	shift 2
	capture "$@"
	if [ "$STATUS" -eq "$want" ] && ! tap_sanitizer_spoke; then
		ok "$name"
	else
		tap_blame "$name" "exit status should have been $want" "$@"
		return 1
	fi
}

# expect_eq NAME GOT WANT
expect_eq() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:  $2" "want: $3"
		return 1
	fi
}

# expect_match NAME TEXT REGEX: some line of the text matches the extended regular expression
expect_match() {
	if grep -qE -e "$3" <<<"$2"; then
		ok "$1"
	else
		not_ok "$1" "no line matches: $3" "text: $2"
		return 1
	fi
}

expect_no_match() {
	if grep -qE -e "$3" <<<"$2"; then
		not_ok "$1" "a line matches: $3" "text: $2"
		return 1
	else
		ok "$1"
	fi
}

# expect_same NAME GOT_FILE WANT_FILE: byte for byte
expect_same() {
	if cmp -s "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "$2 differs from $3:"
		diff -u "$3" "$2" 2>&1 | sed -n '1,40s/^/#   /p'
		return 1
	fi
}

# wait_for SECONDS COMMAND...: tries the command until it succeeds or the time is over
wait_for() {
	local end
	end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# vm [OPTION...] SCRIPT [ARGUMENT...]: the rest of this test is that script on a kernel of its own
# (tests/vm/run.sh has the options). The script itself loads tests/lib.sh and prints the points and
# the plan. By convention tests/vm/NAME.t is a wrapper that calls this with tests/vm/NAME.sh.
vm() {
	local p
	for p in qemu-system-x86_64 busybox cpio dpkg apt-get flock; do
		have "$p" || skip_all "needs $p"
	done
	[ "$(uname -m)" = x86_64 ] || skip_all 'the test machine is an x86-64 one'
	"$ROOT/tests/vm/run.sh" "$@"
	exit
}

# have PROGRAM...: all of them can be found
have() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null 2>&1 || return 1
	done
}
