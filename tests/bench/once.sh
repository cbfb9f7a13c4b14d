#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `meshrc-agent once` beside `wg setconf` and `wg syncconf`, whole commands, on the kernel's WireGuard
# (in the test machine) or wireguard-go (in namespaces of its own). DATA as run.sh makes it: for each
# size N: N/key N/root N/www.0 ... and N/conf.0 ..., what `meshrc render` says for each publication.
#
#	once.sh kernel|userspace DATA ROUNDS SIZE...

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -e "$here/lib.sh" ] || here=/bench
. "$here/lib.sh"

backend=$1 data=$2 rounds=$3
shift 3
work=$(mktemp -d)
interface=big
ip link set lo up

fresh_interface() {
	no_interface
	if [ "$backend" = kernel ]; then
		ip link add "$interface" type wireguard
	else
		wireguard-go "$interface" 2>/dev/null
	fi
}
# The peers first: taking an interface with many away is slow in the kernel.
no_interface() {
	local tries
	if [ "$backend" = kernel ]; then
		[ -e "/sys/class/net/$interface" ] || return 0
		printf '[Interface]\n' | wg setconf "$interface" /dev/stdin
		ip link del "$interface"
	else
		# It ends when its socket goes. Processes are those of this namespace alone.
		rm -f "/run/wireguard/$interface.sock"
		for ((tries = 0; tries < 200; tries++)); do
			pgrep -x wireguard-go >/dev/null || return 0
			sleep 0.05
		done
		return 1
	fi
}
no_state() { rm -rf "$work/state"; }
serve() { ln -sfn "$data/$size/www.$1" "$work/www"; }
once() { meshrc-agent once --config "$work/conf" --quiet "$@"; }

# calls COMMAND...: system calls; sends and receives on sockets; bytes in them
calls() {
	strace -y -o "$work/strace" "$@" >"$BENCH_OUT" 2>&1 || bench_die "strace $*"
	awk '
		{ n++ }
		/^(sendto|sendmsg|write)\([0-9]+<(socket|UNIX|NETLINK)/ && /= [0-9]+$/ { sent++; out += $NF }
		/^(recvfrom|recvmsg|read)\([0-9]+<(socket|UNIX|NETLINK)/ && /= [0-9]+$/ { got++; inn += $NF }
		END { printf "%d %d %d %d %d\n", n, sent, got, out, inn }' "$work/strace"
}

row() { # WHAT WG OURS
	local wg ours
	wg=$(median "$2") ours=$(median "$3")
	printf '| %s | %s | %s | %s | %s |\n' "$size" "$1" "$(ms "$wg")" "$(ms "$ours")" "$(ratio "$wg" "$ours")"
}

# In turn, so that a machine that is busy for a while is so for both.
for ((i = 0; i < 7; i++)); do
	take wg wg --version
	take ours meshrc-agent --version
done
printf '| peers | work | wg | meshrc-agent once | times as fast |\n|---|---|---|---|---|\n'
size=-
row 'nothing: process start alone (`--version`)' wg ours

counts=()
for size; do
	cat >"$work/conf" <<-CONF
		url = file://$work/www
		network = $interface
		node = node-0
		trust = $data/$size/root
		private-key = $data/$size/key
		state-dir = $work/state
		backend = $backend
	CONF
	serve 0
	taken=()
	for ((i = 0; i < rounds; i++)); do
		take wg -p fresh_interface wg setconf "$interface" "$data/$size/conf.0"
		take new -p 'fresh_interface; no_state' once
		take stored -p fresh_interface once
	done
	row '`wg setconf`; `once` with nothing stored: empty interface' wg new
	row '`wg setconf`; `once` with the publication stored: empty interface' wg stored
	taken=()
	for ((i = 0; i < rounds + 2; i++)); do
		take wg wg syncconf "$interface" "$data/$size/conf.0"
		take ours once
	done
	row '`wg syncconf`; `once`: nothing changed' wg ours
	counts+=("| $size | \`wg syncconf\`: nothing changed | $(calls wg syncconf "$interface" "$data/$size/conf.0")")
	counts+=("| $size | \`once\`: nothing changed | $(calls meshrc-agent once --config "$work/conf")")
	taken=()
	for ((i = 1; i < 5; i++)); do
		take wg wg syncconf "$interface" "$data/$size/conf.$i"
		wg syncconf "$interface" "$data/$size/conf.$((i - 1))"
		take ours -p "serve $i" once
	done
	row '`wg syncconf`; `once`: one endpoint changed' wg ours
	# Still what it should be?
	wg showconf "$interface" | grep -c '^\[Peer\]' | grep -qx "$size" || bench_die "$size peers are not there"
	serve 5
	counts+=("| $size | \`once\`: one endpoint changed | $(calls meshrc-agent once --config "$work/conf")")
	counts+=("| $size | \`wg syncconf\`: one endpoint changed | $(calls wg syncconf "$interface" "$data/$size/conf.0")")
	fresh_interface
	counts+=("| $size | \`wg setconf\`: empty interface | $(calls wg setconf "$interface" "$data/$size/conf.0")")
	fresh_interface
	counts+=("| $size | \`once\`: empty interface | $(calls meshrc-agent once --config "$work/conf")")
	no_interface
	no_state
done

printf '\n| peers | work | system calls | sends | receives | bytes sent | received |\n|---|---|---|---|---|---|---|\n'
for line in "${counts[@]}"; do
	sed -E 's/([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+)$/\1 | \2 | \3 | \4 | \5 |/' <<<"$line"
done
rm -rf "$work" "$BENCH_OUT"
