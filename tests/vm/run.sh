#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs a script as root on a real Linux kernel of its own, with WireGuard, under QEMU without any
# need of hardware virtualisation.
#
#	tests/vm/run.sh [-m MB] [-t SECONDS] [-a FILE_OR_DIR[:DEST]]... [-e NAME=VALUE]... [-k LOG]
#			SCRIPT [ARGUMENT...]
#
#	-m	memory (default 1024)
#	-t	give up after so many seconds (default 300)
#	-a	takes a file or folder along (default DEST: its own path). Programs bring their libraries
#	-e	sets a variable for the script
#	-k	keeps the kernel's messages in a file
#
# The script's output, both streams, comes on stdout as it is written. Exit status: the script's own;
# 124 when time ran out, 125 when the machine ended without saying how the script did or its kernel
# had a fault (its messages are then on stderr).
#
# In the guest: everything in memory; /meshrc holds tests/ and examples/ of this tree and the
# programs in build/, and is where the script starts; /tmp and /run are empty; loopback is up, there
# is no other interface; busybox, bash, wg, ip, tc, nft, ping, strace, jq, nsenter, unshare, tcpdump.

set -eu
set -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/stage.sh"

build=${BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
dir=$root/build/vm

usage() {
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 64
}

memory=1024
limit=300
add=()
variables=()
kernel_log=
while getopts m:t:a:e:k: opt; do
	case $opt in
	m) memory=$OPTARG ;;
	t) limit=$OPTARG ;;
	a) add+=("$OPTARG") ;;
	e) variables+=("$OPTARG") ;;
	k) kernel_log=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ -f "${1:-}" ] || usage

"$here/build-image.sh" || exit 125
mkdir -p "$dir"
work=$(mktemp -d "${TMPDIR:-$dir}/run.XXXXXX")
qemu=
watchdog=

finish() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$watchdog" ] || kill "$watchdog" 2>/dev/null || :
	[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || :
	wait
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

stage=$work/stage
mkdir -p "$stage/vm" "$stage/meshrc"
cp "$1" "$stage/vm/script"
chmod 755 "$stage/vm/script"
shift
# Nothing printed by printf %q without arguments, please.
[ "$#" -eq 0 ] || printf '%q ' "$@" >"$stage/vm/arguments"
: >>"$stage/vm/arguments"
{
	for v in CI KEEP_TRASH; do
		[ -z "${!v:-}" ] || printf 'export %s=%q\n' "$v" "${!v}"
	done
	for v in "${variables[@]}"; do
		printf 'export %s=%q\n' "${v%%=*}" "${v#*=}"
	done
} >"$stage/vm/environment"
mkdir -p "$stage/meshrc/tests/vm"
find "$root/tests" -maxdepth 1 -type f -name '*.sh' -exec cp {} "$stage/meshrc/tests/" \;
find "$root/tests/vm" -maxdepth 1 -type f -name '*.sh' -exec cp {} "$stage/meshrc/tests/vm/" \;
[ ! -d "$root/examples" ] || stage_file "$stage" "$root/examples" /meshrc/examples
for p in meshrc meshrc-agent; do
	if [ -x "$build/$p" ]; then
		stage_file "$stage" "$build/$p" "/meshrc/build/$p"
		mkdir -p "$stage/usr/bin"
		ln -s "/meshrc/build/$p" "$stage/usr/bin/$p"
	fi
done
for a in "${add[@]}"; do
	case $a in
	*:*) stage_file "$stage" "${a%%:*}" "${a#*:}" ;;
	*) stage_file "$stage" "$a" "$(realpath "$a")" ;;
	esac
done
stage_archive "$stage" "$work/extra.cpio"
cat "$dir/base.cpio" "$work/extra.cpio" >"$work/initrd"
rm -rf "$stage" "$work/extra.cpio"

mkfifo "$work/serial"
: >"$work/kernel"
setpriv --pdeathsig KILL qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory" \
	-nodefaults -no-user-config -display none -no-reboot \
	-kernel "$dir/kernel" -initrd "$work/initrd" \
	-append 'console=ttyS0 quiet panic=-1 oops=panic random.trust_cpu=on' \
	-serial "file:$work/kernel" -serial "stdio" \
	</dev/null >"$work/serial" 2>"$work/qemu" &
qemu=$!
# Kills by the number of the process it watches, and says that it did.
(
	trap 'kill "$nap"; exit' TERM
	sleep "$limit" &
	nap=$!
	wait "$nap"
	: >"$work/late"
	kill -KILL "$qemu"
) 2>/dev/null &
watchdog=$!

# The marker is the machine's word, not the script's: it is taken out of the stream. (In the
# background, since the shell would not hear a signal while it waits for a command before it.)
sed -u -e 's/\r$//' -e '/MESHRC-VM-EXIT [0-9]\{1,3\}$/{
	h
	s/.*MESHRC-VM-EXIT //
	w '"$work"'/status
	g
	s/MESHRC-VM-EXIT [0-9]*$//
	/^$/d
}' <"$work/serial" &
wait "$!"
wait "$qemu" 2>/dev/null || :
qemu=
kill "$watchdog" 2>/dev/null || :
wait "$watchdog" 2>/dev/null || :
watchdog=

[ -z "$kernel_log" ] || cp "$work/kernel" "$kernel_log"
if [ -e "$work/late" ]; then
	printf 'vm: no end after %s seconds\n' "$limit" >&2
	tail -n 20 "$work/kernel" >&2
	exit 124
fi
status=$(tail -n 1 "$work/status" 2>/dev/null || :)
if [ -z "$status" ]; then
	printf 'vm: the machine stopped without an exit status\n' >&2
	cat "$work/qemu" >&2
	tail -n 40 "$work/kernel" >&2
	exit 125
fi
if grep -qE 'BUG:|Oops|WARNING: CPU|general protection|UBSAN|Kernel panic' "$work/kernel"; then
	printf 'vm: the kernel had a fault\n' >&2
	tail -n 60 "$work/kernel" >&2
	exit 125
fi
exit "$status"
