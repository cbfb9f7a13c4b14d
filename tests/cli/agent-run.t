#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon: comes up from what it had, follows a file:// tree at once and a server by polling, mends, keeps quiet, and stops.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"

net_usable || skip_all "$NET_WHY"
have wireguard-go wg ip python3 || skip_all 'needs wireguard-go, wg, ip and python3'
[ -e /dev/net/tun ] || skip_all 'needs /dev/net/tun'
PUBKIT=$BUILD/tests/pubkit_tool
[ -x "$PUBKIT" ] || make -s -C "$ROOT" ${SAN:+SAN="$SAN"} "$PUBKIT" >&2
cd "$TRASH" || exit 1

"$PUBKIT" wgkey 0 key >/dev/null
k1=$("$PUBKIT" wgkey 1 key1)
"$PUBKIT" root root-1
hash=-
publish() {
	local serial=$1
	shift
	[ "$hash" = - ] || set -- previous="$hash" "$@"
	hash=$("$PUBKIT" publish tree serial="$serial" issued="2026-11-21T10:13:$(printf %02d "$serial")Z" "$@")
}
cat >agent.conf <<CONF
network = prod
node = n0
trust = $TRASH/root-1
private-key = $TRASH/key
state-dir = $TRASH/state
backend = userspace
now = 2026-11-22T00:00:00Z
CONF
expect_ok 'a node comes up' net_up one
log=$NET_DIR/one.log
peers() { net_exec one wg show prod peers 2>/dev/null | wc -l; }
has_peers() { [ "$(peers)" = "$1" ]; }
lines() { grep -c . "$log"; }
# expect_log NAME REGEX: the log comes to say it; the interface may be right a moment earlier
expect_log() {
	wait_for 5 grep -qE "$2" "$log"
	expect_match "$1" "$(<"$log")" "$2"
}
# start ARGUMENT...: the daemon in the background
start() {
	: >"$log"
	net_start one "$AGENT" run --config agent.conf "$@"
	daemon=$NET_PID
}
stop() { # NAME
	local status=0
	net_stop "$daemon" "${2:-TERM}" || status=$?
	expect_eq "$1" "$status" 0
}

# A tree that is not there yet: found when it comes, long before the next poll.
mkdir tree
start --url "file://$TRASH/tree" --interval 3600
sleep 0.5
publish 1 n0,0,10.20.0.1 n1,1,10.20.0.2,192.0.2.2:51820
if wait_for 10 has_peers 1; then ok 'it waits for the first publication'; else not_ok 'it waits for the first publication' "$(<"$log")"; fi
publish 2 n0,0,10.20.0.1 n1,1,10.20.0.2,192.0.2.2:51820 n2,2,10.20.0.3
if wait_for 5 has_peers 2; then ok 'a change in the tree is followed at once'; else not_ok 'a change in the tree is followed at once' "$(<"$log")"; fi
expect_log 'one line tells' 'prod: serial 2 \(commit 1111111\) in force: 2 peers; 1 changed'
expect_match 'it leaves no core file' "$(<"/proc/$daemon/limits")" '^Max core file size +0 +0 '
sleep 0.5
count=$(lines)
kill -HUP "$daemon"
sleep 0.5
expect_eq 'nothing new: nothing is said' "$(lines)" "$count"
# Each look writes the report anew. Somebody who writes to the folder without end gets a few at once, then one a second.
sleep 1
looks=0 last=$(stat -c %i%y state/prod/report)
for i in $(seq 1 60); do
	: >"tree/noise$i"
	sleep 0.03
	now=$(stat -c %i%y state/prod/report)
	[ "$now" = "$last" ] || looks=$((looks + 1))
	last=$now
done
rm tree/noise*
expect_eq 'a busy folder is not looked at for ever' "$((looks > 0 && looks <= 12))" 1
sleep 1.5
# Mends on a poll.
net_exec one wg set prod peer "$k1" remove
kill -HUP "$daemon"
if wait_for 5 has_peers 2; then ok 'SIGHUP looks at once, and mends'; else not_ok 'SIGHUP looks at once, and mends' "$(<"$log")"; fi
expect_log 'which is told' 'put back in force'
# A lie is logged once, and everything stays.
cp -r tree good
saved=$hash hash=-
publish 1 n0,0,10.20.0.1 n1,1,10.20.0.2
if wait_for 5 grep -q ROLLBACK "$log"; then ok 'T07 a replay is refused'; else not_ok 'T07 a replay is refused' "$(<"$log")"; fi
for _ in 1 2 3; do
	kill -HUP "$daemon"
	sleep 0.2
done
expect_eq 'and told once' "$(grep -c ROLLBACK "$log")" 1
expect_eq 'both peers stay' "$(peers)" 2
expect_ok 'status meanwhile' net_exec one "$AGENT" status --config agent.conf
expect_match 'tells the last error' "$(<"$OUT")" '^last error +ROLLBACK'
rm -rf tree/prod/manifest && cp -r good/. tree/ && hash=$saved
if wait_for 5 grep -q 'in order again' "$log"; then ok 'back in order'; else not_ok 'back in order' "$(<"$log")"; fi
stop 'SIGTERM ends it well'
expect_match 'with a word' "$(<"$log")" 'stopped; the interface stays'
expect_eq 'and the interface stays' "$(peers)" 2

# Nobody there, no interface: what was in force comes up before anything is fetched.
expect_ok 'down' net_exec one "$AGENT" down --config agent.conf
start --url http://192.0.2.99:9/nobody --interval 3600
if wait_for 5 has_peers 2; then ok 'up from what was accepted last'; else not_ok 'up from what was accepted last' "$(<"$log")"; fi
start_time=$(date +%s%N)
stop 'SIGINT in the middle of a fetch ends it' INT
expect_eq 'without waiting for the fetch' "$((($(date +%s%N) - start_time) / 1000000 < 3000))" 1

# Killed outright: the next one goes on.
start --url "file://$TRASH/tree" --interval 3600
wait_for 5 has_peers 2
net_stop "$daemon" KILL
publish 3 n0,0,10.20.0.1 n1,1,10.20.0.2,192.0.2.2:51820
start --url "file://$TRASH/tree" --interval 3600
if wait_for 5 has_peers 1; then ok 'after kill -9 the next one goes on'; else not_ok 'after kill -9 the next one goes on' "$(<"$log")"; fi
stop 'and ends'

# A server: polled, with conditional requests.
: >"$log"
# shellcheck disable=SC2016 # expanded by the inner shell
net_start one sh -c 'sleep 300 | exec python3 "$0/tests/cli/hostile-server.py" --tree tree --log requests' "$ROOT"
server=$NET_PID
wait_for 10 grep -q '^[0-9]* [0-9]*$' "$log"
port=$(sed -n 's/^\([0-9]*\) [0-9]*$/\1/p' "$log")
if [ -n "$port" ]; then
	start --url "http://127.0.0.1:$port/tree" --interval 1
	sleep 1.5
	publish 4 n0,0,10.20.0.1 n1,1,10.20.0.2,192.0.2.2:51820 n2,2,10.20.0.3
	if wait_for 6 has_peers 2; then ok 'a server is polled'; else not_ok 'a server is polled' "$(<"$log")"; fi
	sleep 2.5
	expect_eq 'an idle poll is one conditional request' "$(tail -n 2 requests | sort -u)" '/tree/prod/manifest if-none-match'
	stop 'SIGTERM ends it'
else
	not_ok 'a server is polled' 'the server did not start' "$(<"$log")"
fi
net_stop "$server" KILL 2>/dev/null
done_testing
