#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The test machine: what its script prints and returns is what comes out, and a machine that dies,
# hangs or panics is never a success.
# timeout: 600

. "$(dirname "$0")/../lib.sh"

vm_run() { TMPDIR=$TRASH/tmp "$ROOT/tests/vm/run.sh" "$@"; }
mkdir "$TRASH/tmp"

have qemu-system-x86_64 busybox cpio || skip_all 'needs qemu-system-x86_64, busybox and cpio'

script() { printf '#!/bin/bash\n%s\n' "$1" >"$TRASH/script"; }

script 'echo "got $# $2 $WORD"; cat /data/file; [ -t 1 ] || echo no terminal; printf unended; exit 7'
mkdir "$TRASH/data"
echo carried >"$TRASH/data/file"
expect_status 'the exit status of the script comes out' 7 \
	vm_run -e WORD="a 'b\" c" -a "$TRASH/data:/data" "$TRASH/script" one 'two  words'
expect_eq 'and its output, alone' "$(<"$OUT")" "got 2 two  words a 'b\" c
carried
no terminal
unended"

script 'echo before; echo c >/proc/sysrq-trigger; sleep 60'
expect_status 'a panic is a failure' 125 vm_run "$TRASH/script"
expect_match 'which shows the kernel log' "$(<"$ERR")" 'sysrq'
script 'echo before; reboot -f'
expect_status 'an end without a status too' 125 vm_run "$TRASH/script"
script 'sleep 100'
expect_status 'and a script that does not end' 124 vm_run -t 8 "$TRASH/script"

script 'echo running; sleep 100'
TMPDIR=$TRASH/tmp "$ROOT/tests/vm/run.sh" "$TRASH/script" >"$TRASH/running" &
run=$!
expect_ok 'a run under way' wait_for 60 grep -q running "$TRASH/running"
qemu=$(pgrep -P "$run" qemu)
kill "$run"
wait "$run"
expect_eq 'ends when it is told to' "$?" 143
expect_match 'of which the machine was a child' "$qemu" '^[0-9]+$'
expect_fail 'and so does the machine' kill -0 "$qemu"
expect_eq 'nothing is left behind' "$(ls "$TRASH/tmp")" ''

done_testing
