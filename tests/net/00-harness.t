#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The namespaces harness itself: two nodes with wireguard-go set up by hand, and nothing left after.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"

net_usable || skip_all "$NET_WHY"
have wireguard-go wg ping || skip_all 'needs wireguard-go, wg and ping'
[ -e /dev/net/tun ] || skip_all 'needs /dev/net/tun'

outside() {
	ip -o link | sed 's/ *state .*//'
	ip -o addr | awk '{ print $2, $4 }'
	ls /run/wireguard /run/netns 2>/dev/null
}
before=$(outside)

expect_ok 'a switch and two nodes come up' net_up one two
expect_ok 'they reach each other by IPv4' \
	net_exec one ping -n -q -c 1 -W 5 192.0.2.2
expect_ok 'and by IPv6, by name' net_exec two ping -6 -n -q -c 1 -W 5 one
expect_ok 'and the switch' net_exec two ping -n -q -c 1 -W 5 192.0.2.254

declare -A key=()
for n in one two; do
	key[$n]=$(wg genkey)
done
for n in one two; do
	[ "$n" = one ] && other=two || other=one
	expect_ok "$n: wireguard-go runs" net_exec "$n" wireguard-go wg0
	cat >"$TRASH/$n.conf" <<-CONF
		[Interface]
		PrivateKey = ${key[$n]}
		ListenPort = 51820
		[Peer]
		PublicKey = $(wg pubkey <<<"${key[$other]}")
		AllowedIPs = 10.9.0.0/24
		Endpoint = $(net_addr4 "$other"):51820
	CONF
	expect_ok "$n: takes its configuration" net_exec "$n" wg setconf wg0 "$TRASH/$n.conf"
done
expect_ok 'one: address' net_exec one sh -c 'ip addr add 10.9.0.1/24 dev wg0 && ip link set wg0 up'
expect_ok 'two: address' net_exec two sh -c 'ip addr add 10.9.0.2/24 dev wg0 && ip link set wg0 up'
expect_ok 'a ping through the tunnel' net_exec one ping -n -q -c 2 -i 0.2 -W 5 10.9.0.2
capture net_exec two wg show wg0 latest-handshakes
expect_match 'which made a handshake' "$(<"$OUT")" '[1-9][0-9]*$'
expect_eq 'the sockets are not visible outside' "$(outside)" "$before"

expect_ok 'a node without its cable' net_link two down
expect_fail 'is not reached' net_exec one ping -n -q -c 1 -W 1 192.0.2.2
expect_ok 'with its cable' net_link two up
expect_ok 'it is' net_exec one ping -n -q -c 1 -W 5 192.0.2.2

net_start one sleep 300
started=$NET_PID
expect_ok 'a started process is the command itself' wait_for 5 grep -q '^sleep$' "/proc/$started/comm"
capture net_stop "$started"
expect_eq 'and ends when told' "$STATUS" 143

expect_ok 'a third node joins' net_add three
expect_ok 'and is reached' net_exec three ping -n -q -c 1 -W 5 one
net_start three sleep 300
expect_ok 'it leaves with all it runs' net_del three
expect_fail 'which has gone' kill -0 "$NET_PID"

inodes=" ${net_inode[*]} "
dir=$NET_DIR
pids=$(net_pids one two)
expect_ok 'the network goes' net_down
capture stat -c %N /proc/[0-9]*/ns/net
left=$(awk -v want="$inodes" -v q="'" '{ gsub(q, ""); if (index(want, " " $3 " ")) print }' "$OUT")
expect_eq 'no process is left in it' "$left" ''
expect_match 'of those there were' "$pids" '^[0-9]+$'
expect_eq 'nor anything outside' "$(outside)" "$before"
expect_ok 'nor its folder' test ! -e "$dir"

# The same by a script that is interrupted, and by one that cannot even clean up.
cat >"$TRASH/victim" <<'VICTIM'
. "$ROOT/tests/lib-net.sh"
net_up one two || exit 1
net_exec one sh -c 'sleep 301 &' # no child of this script any more
net_start two bash -c 'trap "" TERM; while :; do sleep 302; done'
echo "$NET_DIR ${net_inode[*]}" >"$1.tmp"
mv "$1.tmp" "$1"
while :; do sleep 0.1; done
VICTIM
gone() { # DIR INODE...
	local dir=$1 inode
	shift
	[ ! -e "$dir" ] || return 1
	for inode in "$@"; do
		! stat -c %N /proc/[0-9]*/ns/net 2>/dev/null | grep -qF "$inode" || return 1
	done
}
for signal in INT TERM KILL; do
	# A background job ignores INT unless told otherwise.
	env --default-signal=INT bash "$TRASH/victim" "$TRASH/$signal" 2>/dev/null &
	victim=$!
	wait_for 20 test -s "$TRASH/$signal" || not_ok "$signal: the victim comes up"
	read -r dir inodes <"$TRASH/$signal"
	kill "-$signal" "$victim"
	wait "$victim" 2>/dev/null
	# shellcheck disable=SC2086 # one word for each namespace
	if wait_for 10 gone "$dir" $inodes; then
		ok "$signal: nothing is left of an interrupted network"
	else
		not_ok "$signal: nothing is left of an interrupted network" "$dir $inodes"
	fi
done
expect_eq 'nor anything outside, at the end' "$(outside)" "$before"

done_testing
