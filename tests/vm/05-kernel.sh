#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: the agent's kernel back end on real WireGuard, driven by kern_tool.

. tests/lib.sh
. tests/lib-net.sh

tool=/meshrc/build/kern_tool
cd "$TRASH" || exit 1
umask 077
# The tests' folder is found by its full name from here on.
export ROOT=/meshrc

# field NAME: from the line of figures that the last command printed
field() { sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" "$OUT"; }
# costs NAME FIELD=VALUE...: what the last command cost
costs() {
	local name=$1 f
	shift
	for f in "$@"; do
		expect_eq "$name: $f" "${f%%=*}=$(field "${f%%=*}")" "$f"
	done
}
pub() { wg pubkey <<<"$1"; }

private=$(wg genkey)
a=$(pub "$(wg genkey)") b=$(pub "$(wg genkey)") c=$(pub "$(wg genkey)")
cat >one.spec <<SPEC
private $private
port 51820
mtu 1380
fwmark 77
address 10.9.0.1/24
address fd00:9::1/64
route 10.50.0.0/16
route fd77::/48
peer $a endpoint=192.0.2.9:51820 ips=10.9.0.2/32,10.50.0.0/16
peer $b keepalive=25 ips=10.9.0.3/32,fd00:9::3/128,fd77::/48
SPEC

# What `kern_tool show` should say of a spec: the same words in the order of its output.
shown() {
	$tool kernel show wg0 | grep -E '^(mtu|fwmark|port|address|route|peer) ' | sed 's/ psk=0//; s/ endpoint= / /; s/ keepalive=0//; s/ ips=$//' | sort
}
spec_shown() {
	grep -E '^(mtu|fwmark|port|address|route|peer) ' "$1" | sort
}
expect_state() {
	shown >have
	spec_shown "$2" >want
	# Order of the words of a peer: key, endpoint, keepalive, ips, in both.
	expect_same "$1" have want
}

expect_ok 'this kernel has WireGuard' "$tool" available

# From nothing, and again.
expect_ok 'the first time' "$tool" kernel apply wg0 one.spec
costs 'the first time' verified=1 rounds=1 wg=1 peers=2
expect_state 'all is there' one.spec
expect_eq 'the alias' "$(ip -d link show wg0 | sed -n 's/^ *alias //p')" 'meshrc test'
expect_eq 'the private key' "$(wg show wg0 private-key)" "$private"
expect_match 'IPv4 route' "$(ip route show dev wg0)" '^10.50.0.0/16 proto 77 scope link'
expect_match 'IPv6 route' "$(ip -6 route show dev wg0)" '^fd77::/48 proto 77 '
expect_ok 'again' "$tool" kernel apply wg0 one.spec one.spec
costs 'again' verified=1 rounds=0 set=0 bytes=0
expect_ok 'again, without memory' "$tool" kernel apply wg0 one.spec
costs 'again, without memory' set=0

# A prefix moves, a peer comes, one changes, settings go.
sed -e "s|^peer $a.*|peer $a endpoint=192.0.2.10:51820 ips=10.9.0.2/32|" \
	-e "s|^peer $b.*|peer $b ips=10.9.0.3/32,10.50.0.0/16,fd00:9::3/128|" \
	-e '/^fwmark/d' -e '/fd77/d' -e 's/^mtu.*/mtu 1420/' one.spec >two.spec
echo "peer $c endpoint=[2001:db8::1]:9 keepalive=5 ips=fd77::/48" >>two.spec
echo 'route fd77::/48' >>two.spec
expect_ok 'a change' "$tool" kernel apply wg0 two.spec one.spec
costs 'a change' verified=1 rounds=1
(cat two.spec; echo 'fwmark 0') >two.want
expect_state 'the change is there' two.want
expect_ok 'and back' "$tool" kernel apply wg0 one.spec two.spec
expect_state 'back' one.spec

# Other hands.
drift() {
	local name=$1
	shift
	"$@" || not_ok "$name" 'cannot make the drift'
	expect_ok "$name" "$tool" kernel apply wg0 one.spec one.spec
	costs "$name" verified=1 rounds=1
	expect_state "$name: repaired" one.spec
	"$tool" kernel apply wg0 one.spec one.spec >"$OUT"
	costs "$name: and nothing more" set=0
}
stranger=$(pub "$(wg genkey)")
drift 'a peer by hand' wg set wg0 peer "$stranger" allowed-ips 10.66.0.0/16
drift 'the same peer again' wg set wg0 peer "$stranger" allowed-ips 10.66.0.0/16,10.9.0.2/32
drift 'a peer away' wg set wg0 peer "$a" remove
drift 'a prefix more' wg set wg0 peer "$a" allowed-ips 10.9.0.2/32,10.50.0.0/16,10.67.0.0/16
drift 'a preshared key' wg set wg0 peer "$a" preshared-key <(wg genpsk)
drift 'a keepalive' wg set wg0 peer "$a" persistent-keepalive 7
drift 'another private key' wg set wg0 private-key <(wg genkey)
drift 'another port' wg set wg0 listen-port 4444
drift 'another mark' wg set wg0 fwmark 4444
drift 'another MTU' ip link set wg0 mtu 1300
drift 'down' ip link set wg0 down
drift 'gone' ip link del wg0
drift 'an address more' ip addr add 10.77.0.1/24 dev wg0
drift 'an address less' ip addr del 10.9.0.1/24 dev wg0
drift 'a route less' ip route del 10.50.0.0/16 dev wg0
drift 'a route of our mark more' ip route add 10.88.0.0/16 dev wg0 proto 77
drift 'a route of our mark in another table' ip route add 10.88.0.0/16 dev wg0 proto 77 table 500
drift 'everything' bash -c 'wg setconf wg0 /dev/null && ip addr flush dev wg0'

# What is not ours stays.
ip route add 10.99.0.0/16 dev wg0 proto static
ip route add 10.98.0.0/16 dev wg0 proto static table 500
expect_ok "others' routes" "$tool" kernel apply wg0 one.spec
costs "others' routes" set=0
expect_match 'a static route stays' "$(ip route show dev wg0)" '^10.99.0.0/16 proto static'
expect_match 'one in another table stays' "$(ip route show table 500)" '^10.98.0.0/16'
ip link add dummy1 type dummy && ip link set dummy1 up && ip route add 10.97.0.0/16 dev dummy1
(cat one.spec; echo 'route 10.97.0.0/16'; echo 'route 10.96.0.0/16') >conflict.spec
expect_fail 'a route that another has' "$tool" kernel apply wg0 conflict.spec
expect_match 'it is named' "$(<"$ERR")" '10\.97\.0\.0/16.*not ours'
expect_match 'it stays where it was' "$(ip route show 10.97.0.0/16)" 'dev dummy1'
expect_match 'the other one was added' "$(ip route show 10.96.0.0/16)" 'dev wg0 proto 77'
expect_match 'and where it leads' "$(<"$ERR")" 'through dummy1'
ip route add 10.95.0.0/16 dev dummy1 metric 500
(cat one.spec; echo 'route 10.95.0.0/16') >conflict.spec
expect_fail 'the same with another metric' "$tool" kernel apply wg0 conflict.spec
expect_match 'is left to the other' "$(ip route show 10.95.0.0/16)" '^10.95.0.0/16 dev dummy1'
expect_no_match 'and to it alone' "$(ip route show 10.95.0.0/16)" 'wg0'
ip -6 route add fd95::/48 dev dummy1 metric 500
(cat one.spec; echo 'route fd95::/48') >conflict.spec
expect_fail 'and in IPv6' "$tool" kernel apply wg0 conflict.spec
expect_no_match 'is left to the other' "$(ip -6 route show fd95::/48)" 'wg0'
expect_ok 'without it' "$tool" kernel apply wg0 one.spec
expect_fail 'an interface that is no WireGuard' "$tool" kernel apply dummy1 one.spec
expect_match 'and why' "$(<"$ERR")" 'no WireGuard interface'
expect_fail 'taking it down' "$tool" kernel down dummy1 'meshrc test'
expect_ok 'it is there' ip link show dummy1
ip link add wg7 type wireguard && wg set wg7 private-key <(wg genkey) peer "$stranger" allowed-ips 10.1.0.0/16
expect_fail "somebody's WireGuard" "$tool" kernel apply wg7 one.spec
expect_eq 'keeps its peer' "$(wg show wg7 peers)" "$stranger"
wg set wg7 private-key /dev/null peer "$stranger" remove
sed 's/51820$/51821/; /^address/d; /^route/d; /^peer/d' one.spec >empty.spec
expect_ok 'an empty one is taken' "$tool" kernel apply wg7 empty.spec
expect_ok 'and goes' "$tool" kernel down wg7 'meshrc test'
expect_fail "another network's" "$tool" kernel down wg0 'meshrc other'

# Without rights.
expect_fail 'without rights' setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
	--bounding-set=-all "$tool" kernel plan wg0 one.spec
expect_match 'and why' "$(<"$ERR")" 'CAP_NET_ADMIN|ermission'

# Every netlink message fails once: not sent, or done with the answer lost.
"$tool" kernel apply wg0 one.spec >"$OUT"
for how in '' :lost; do
	bad=
	for ((n = 1; n <= 22; n++)); do
		"$tool" kernel apply wg0 one.spec >/dev/null
		case $((n % 3)) in 0) errno=12 ;; 1) errno=16 ;; 2) errno=105 ;; esac
		KERN_TOOL_FAIL=$n:$errno$how "$tool" kernel apply wg0 two.spec one.spec >"$OUT" 2>"$ERR"
		status=$?
		[ "$status" -le 1 ] || bad+=" $n:status=$status"
		[ "$status" -eq 0 ] || "$tool" kernel apply wg0 two.spec one.spec >"$OUT" 2>"$ERR" || bad+=" $n:again"
		[ "$(field verified)" = 1 ] || bad+=" $n:verified"
		shown >have
		spec_shown two.want >want
		# An endpoint that was set before the failure is not declared anew afterwards.
		cmp -s have want || bad+=" $n:state"
	done
	expect_eq "every message fails once${how:+, its answer lost}" "$bad" ''
done
expect_ok 'away' "$tool" kernel down wg0 'meshrc test'
expect_fail 'it has gone' ip link show wg0

# Live sessions: one with three others, of which one changes.
expect_ok 'four nodes' net_up hub n1 n2 n3
peer_key=()
hub_private=$(wg genkey)
{
	printf 'private %s\nport 51820\naddress 10.8.0.100/24\n' "$hub_private"
} >hub.spec
for i in 1 2 3; do
	key=$(wg genkey)
	printf 'private %s\nport 51820\naddress 10.8.0.%d/24\npeer %s endpoint=%s:51820 ips=10.8.0.100/32\n' \
		"$key" "$i" "$(pub "$hub_private")" "$(net_addr4 hub)" >"n$i.spec"
	printf 'peer %s endpoint=%s:51820 ips=10.8.0.%d/32\n' "$(pub "$key")" "$(net_addr4 "n$i")" "$i" >>hub.spec
	peer_key[i]=$(pub "$key")
	expect_ok "n$i" net_exec "n$i" "$tool" kernel apply wg0 "n$i.spec"
done
expect_ok 'hub' net_exec hub "$tool" kernel apply wg0 hub.spec
for i in 1 2 3; do
	expect_ok "n$i is reached" net_exec hub ping -n -q -c 2 -i 0.2 -W 5 "10.8.0.$i"
done
handshake() { net_exec hub wg show wg0 latest-handshakes | awk -v k="$1" '$1 == k { print $2 }'; }
received() { net_exec hub wg show wg0 transfer | awk -v k="$1" '$1 == k { print $2 }'; }
before1=$(handshake "${peer_key[1]}") bytes1=$(received "${peer_key[1]}")
net_start hub ping -n -i 0.02 -c 150 10.8.0.1
ping_pid=$NET_PID
sed "s|^\(peer ${peer_key[2]} .*\)ips=.*|\1ips=10.8.0.2/32,10.60.0.0/16|" hub.spec >hub2.spec
for i in 1 2 3 4 5; do
	net_exec hub "$tool" kernel apply wg0 hub2.spec hub.spec >"$OUT"
	costs "one peer changes ($i)" verified=1 set=1 wg=1 peers=1
	net_exec hub "$tool" kernel apply wg0 hub.spec hub2.spec >"$OUT"
	costs "and back ($i)" verified=1 set=1 wg=1 peers=1
done
wait "$ping_pid"
expect_match 'the flow to another lost nothing' "$(tail -n 3 "$NET_DIR/hub.log")" '150 packets transmitted, 150 (packets )?received'
expect_eq 'its handshake is the same' "$(handshake "${peer_key[1]}")" "$before1"
expect_ok 'its counters went on' test "$(received "${peer_key[1]}")" -gt "$bytes1"
# A peer that roamed: it is elsewhere now, and stays reachable.
net_exec n3 ip addr del "$(net_addr4 n3)/24" dev eth0
net_exec n3 ip addr add 192.0.2.200/24 dev eth0
expect_ok 'n3 speaks from another address' net_exec n3 ping -n -q -c 2 -i 0.2 -W 5 10.8.0.100
expect_match 'the hub has followed' "$(net_exec hub wg show wg0 endpoints | grep -F "${peer_key[3]}")" '192.0.2.200:51820'
net_exec hub "$tool" kernel apply wg0 hub.spec hub.spec >"$OUT"
costs 'roaming is no drift' verified=1 set=0
net_exec hub "$tool" kernel apply wg0 hub.spec >"$OUT"
costs 'not without memory either' verified=1 set=0
expect_match 'the hub still follows' "$(net_exec hub wg show wg0 endpoints | grep -F "${peer_key[3]}")" '192.0.2.200:51820'
expect_ok 'the network goes' net_down

# Size.
header="private $private
port 51820
address 10.0.0.1/8"
printf '%s\nmany 4096 3\n' "$header" >many.spec
expect_ok '4,096 peers with 3 prefixes' "$tool" kernel apply wg1 many.spec
costs '4,096 peers' verified=1 rounds=1 peers=4096
note "4,096 peers with 3 prefixes: $(<"$OUT")"
"$tool" conf many.spec | awk -F ' = ' '/^PublicKey/ { k = $2 } /^AllowedIPs/ { n = split($2, p, ", "); for (i = 1; i <= n; i++) print k, p[i] }' | sort >want
wg show wg1 allowed-ips | awk '{ for (i = 2; i <= NF; i++) print $1, $i }' | sort >have
expect_eq '12,288 prefixes' "$(wc -l <have)" 12288
expect_same 'as wg reads them' have want
expect_ok 'again' "$tool" kernel apply wg1 many.spec
costs 'again' set=0
printf '%s\nmany 4095 3\n' "$header" >fewer.spec
expect_ok 'one peer less' "$tool" kernel apply wg1 fewer.spec many.spec
costs 'one peer less' verified=1 set=1 wg=1 peers=1
expect_ok 'and back' "$tool" kernel apply wg1 many.spec fewer.spec
costs 'and back' verified=1 set=1 wg=1 peers=1
expect_ok 'down' "$tool" kernel down wg1 'meshrc test'

# One peer whose allowed IPs fill many messages, in both directions.
{
	printf '%s\n' "$header"
	printf 'peer %s ips=' "$a"
	for ((i = 0; i < 6000; i++)); do
		printf '%s172.%d.%d.%d/32' "${sep:-}" $((16 + i / 65536)) $((i / 256 % 256)) $((i % 256))
		sep=,
	done
	printf '\npeer %s ips=10.0.0.2/32\n' "$b"
} >wide.spec
expect_ok 'a peer with 6,000 prefixes' "$tool" kernel apply wg1 wide.spec
costs 'a peer with 6,000 prefixes' verified=1 rounds=1
expect_eq 'are all there' "$(wg show wg1 allowed-ips | wc -w)" 6003
expect_ok 'again' "$tool" kernel apply wg1 wide.spec
costs 'again' set=0
{
	printf '%s\n' "$header"
	for ((i = 0; i < 2000; i++)); do printf 'route 172.%d.%d.0/24\n' $((16 + i / 256)) $((i % 256)); done
} >routes.spec
expect_ok '2,000 routes' "$tool" kernel apply wg1 routes.spec
costs '2,000 routes' verified=1
note "2,000 routes: $(<"$OUT")"
expect_eq 'are all there' "$(ip route show dev wg1 proto 77 | wc -l)" 2000
expect_ok 'down' "$tool" kernel down wg1 'meshrc test'

# 10,000, beside wg.
now() { echo $((${EPOCHREALTIME/./} / 1000)); }
least() { [ "$1" -lt "$2" ] && echo "$1" || echo "$2"; }
printf '%s\nmany 10000 1\n' "$header" >large.spec
"$tool" conf large.spec >large.conf
ip link add wg2 type wireguard
start=$(now)
wg setconf wg2 large.conf
wg_ms=$(($(now) - start))
expect_eq 'wg sets 10,000' "$(wg show wg2 peers | wc -l)" 10000
expect_ok '10,000 peers' "$tool" kernel apply wg1 large.spec
costs '10,000 peers' verified=1 rounds=1 peers=10000
our_ms=$(field ms)
sync_ms=100000 again_ms=100000
for i in 1 2 3; do
	start=$(now)
	wg syncconf wg2 large.conf
	sync_ms=$(least "$sync_ms" $(($(now) - start)))
	"$tool" kernel apply wg1 large.spec large.spec >"$OUT"
	costs "nothing changed ($i)" verified=1 set=0
	again_ms=$(least "$again_ms" "$(field ms)")
done
wg setconf wg2 /dev/null && ip link del wg2
sed 's/^many 10000 1$/many 9999 1/' large.spec >large2.spec
expect_ok 'one changed' "$tool" kernel apply wg1 large2.spec large.spec
costs 'one changed' verified=1 peers=1
one_ms=$(field ms)
start=$(now)
expect_ok 'down' "$tool" kernel down wg1 'meshrc test'
down_ms=$(($(now) - start))
note "10,000 peers, ms: set and proved $our_ms (wg setconf $wg_ms), nothing changed $again_ms (wg syncconf $sync_ms)," \
	"one of them changed and proved $one_ms, down $down_ms"
# Other work on this machine makes these figures tremble.
expect_ok 'about as fast as wg setconf' test "$our_ms" -le $((wg_ms * 2))
expect_ok 'an unchanged run beats wg syncconf' test "$again_ms" -le "$sync_ms"
expect_ok 'down in seconds, not minutes' test "$down_ms" -le 30000
done_testing
