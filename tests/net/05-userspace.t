#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The agent's userspace back end on wireguard-go in network namespaces, driven by kern_tool.

. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../lib-net.sh"

net_usable || skip_all "$NET_WHY"
have wireguard-go wg || skip_all 'needs wireguard-go and wg'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'

tool=$BUILD/kern_tool
cd "$TRASH" || exit 1
umask 077

field() { sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" "$OUT"; }
costs() {
	local name=$1 f
	shift
	for f in "$@"; do
		expect_eq "$name: $f" "${f%%=*}=$(field "${f%%=*}")" "$f"
	done
}
on() { net_exec "$1" "$tool" userspace "${@:2}"; }
# The daemons of a node, but for those that have ended and wait to be seen.
daemons() {
	local pid
	for pid in $(net_pids "$1"); do
		grep -qs '^wireguard-go' "/proc/$pid/comm" && ! grep -qs '^State:.Z' "/proc/$pid/status" && echo "$pid"
	done
}

expect_ok 'three nodes' net_up hub n1 n2
peer_key=()
hub_private=$(wg genkey)
hub_key=$(wg pubkey <<<"$hub_private")
cat >hub.spec <<SPEC
private $hub_private
port 51820
mtu 1380
fwmark 5
address 10.8.0.100/24
address fd00:8::100/64
route 10.50.0.0/16
SPEC
for i in 1 2; do
	key=$(wg genkey)
	printf 'private %s\nport 51820\nmtu 1380\naddress 10.8.0.%d/24\npeer %s endpoint=%s:51820 ips=10.8.0.100/32\n' \
		"$key" "$i" "$hub_key" "$(net_addr4 hub)" >"n$i.spec"
	printf 'peer %s endpoint=%s:51820 ips=10.8.0.%d/32\n' "$(wg pubkey <<<"$key")" "$(net_addr4 "n$i")" "$i" >>hub.spec
	peer_key[i]=$(wg pubkey <<<"$key")
done

# A socket file that nobody serves any more.
net_exec hub sh -c 'mkdir -p /run/wireguard && : >/run/wireguard/wg0.sock'
expect_ok 'from nothing, over a stale file' on hub apply wg0 hub.spec
costs 'from nothing' verified=1 rounds=1 peers=2
expect_eq 'one daemon' "$(daemons hub | wc -l)" 1
expect_eq 'the alias' "$(net_exec hub ip -d link show wg0 | sed -n 's/^ *alias //p')" 'meshrc test'
expect_match 'the MTU' "$(net_exec hub ip link show wg0)" 'mtu 1380'
expect_match 'the route' "$(net_exec hub ip route show dev wg0)" '^10.50.0.0/16 proto 77 scope link'
expect_eq 'the private key' "$(net_exec hub wg show wg0 private-key)" "$hub_private"
expect_match 'the link-local address of the kernel stays' "$(net_exec hub ip -6 addr show dev wg0)" 'inet6 fe80:'
expect_ok 'again' on hub apply wg0 hub.spec
costs 'again' verified=1 rounds=0 set=0 bytes=0
pid=$(daemons hub)
expect_eq 'the daemon has a clean environment' "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -cE '^(HOME|TRASH|OUT|BUILD)=')" 0
# What every wireguard-go has of its own: three streams, the tunnel, sockets, epoll and inotify.
expect_eq 'and none of our descriptors' "$(find "/proc/$pid/fd" -lname "$TRASH*" | wc -l)" 0

for i in 1 2; do
	expect_ok "n$i" on "n$i" apply wg0 "n$i.spec"
	expect_ok "n$i is reached" net_exec hub ping -n -q -c 2 -i 0.2 -W 5 "10.8.0.$i"
done
before=$(net_exec hub wg show wg0 latest-handshakes | grep -F "${peer_key[1]}")
sed "s|^\(peer ${peer_key[2]} .*\)ips=.*|\1ips=10.8.0.2/32,10.60.0.0/16|" hub.spec >hub2.spec
net_start hub ping -n -i 0.02 -c 100 10.8.0.1
ping_pid=$NET_PID
for i in 1 2 3; do
	on hub apply wg0 hub2.spec hub.spec >"$OUT"
	costs "one peer changes ($i)" verified=1 set=1 wg=1 peers=1
	on hub apply wg0 hub.spec hub2.spec >"$OUT"
	costs "and back ($i)" verified=1 set=1 wg=1 peers=1
done
wait "$ping_pid"
expect_match 'the flow to the other lost nothing' "$(tail -n 3 "$NET_DIR/hub.log")" '100 packets transmitted, 100 (packets )?received'
expect_eq 'its handshake is the same' "$(net_exec hub wg show wg0 latest-handshakes | grep -F "${peer_key[1]}")" "$before"

# Other hands.
drift() {
	local name=$1
	shift
	net_exec hub "$@" || not_ok "$name" 'cannot make the drift'
	expect_ok "$name" on hub apply wg0 hub.spec hub.spec
	costs "$name" verified=1
	on hub apply wg0 hub.spec hub.spec >"$OUT"
	costs "$name: and nothing more" set=0
}
stranger=$(wg genkey | wg pubkey)
wg genpsk >psk
wg genkey >other
drift 'a peer by hand' wg set wg0 peer "$stranger" allowed-ips 10.66.0.0/16
drift 'a peer away' wg set wg0 peer "${peer_key[1]}" remove
drift 'a prefix taken' wg set wg0 peer "${peer_key[1]}" allowed-ips 10.8.0.1/32,10.8.0.2/32
drift 'a preshared key' wg set wg0 peer "${peer_key[1]}" preshared-key psk
drift 'another private key' wg set wg0 private-key other
drift 'another port and mark' wg set wg0 listen-port 4444 fwmark 9
drift 'another MTU' ip link set wg0 mtu 1300
drift 'down' ip link set wg0 down
drift 'gone' ip link del wg0
expect_ok 'its sessions come back' net_exec hub ping -n -q -c 3 -i 0.3 -W 5 10.8.0.1

# The daemon dies.
kill -KILL "$(daemons hub)"
wait_for 10 bash -c "! nsenter -t ${net_holder[hub]} -n ip link show wg0"
expect_ok 'a daemon that was killed' on hub apply wg0 hub.spec hub.spec
costs 'a daemon that was killed' verified=1
expect_eq 'is one again' "$(daemons hub | wc -l)" 1

# Whose it is.
expect_fail "another network's" on hub down wg0 'meshrc other'
expect_ok 'a bridge' net_exec hub ip link add br1 type bridge
expect_fail 'an interface that is no WireGuard' on hub apply br1 hub.spec
expect_fail 'and taking it down' on hub down br1 'meshrc test'
expect_ok 'it stays' net_exec hub ip link show br1

# Size.
{
	grep -vE '^(peer|address|route)' hub.spec
	echo 'address 10.0.0.1/8'
	echo 'many 2000 3'
} >many.spec
sed -i 's/^port.*/port 51999/' many.spec
expect_ok '2,000 peers with 3 prefixes' on hub apply wg1 many.spec
costs '2,000 peers' verified=1 rounds=1 peers=2000
net_exec hub wg show wg1 allowed-ips | awk '{ for (i = 2; i <= NF; i++) print $1, $i }' | sort >have
"$tool" conf many.spec | awk -F ' = ' '/^PublicKey/ { k = $2 } /^AllowedIPs/ { n = split($2, p, ", "); for (i = 1; i <= n; i++) print k, p[i] }' | sort >want
expect_same 'as wg reads them' have want
expect_ok 'again' on hub apply wg1 many.spec
costs 'again' set=0

for i in 0 1; do
	expect_ok "wg$i down" on hub down "wg$i" 'meshrc test'
	expect_fail "wg$i has gone" net_exec hub ip link show "wg$i"
	expect_ok "wg$i: nothing is left to take down" on hub down "wg$i" 'meshrc test'
done
expect_ok 'the daemons end' wait_for 10 bash -c "$(declare -p net_holder net_inode); $(declare -f net_pids daemons); [ -z \"\$(daemons hub)\" ]"
expect_eq 'and leave no socket' "$(net_exec hub ls /run/wireguard)" ''

# Daemons that lie: an error, at once, and nothing is changed.
expect_ok 'a link' net_exec n1 sh -c "ip link add wg3 type bridge && ip link set wg3 alias 'meshrc test'"
for mode in hangup garbage endless half refuse; do
	net_start n1 "$tool" liar /run/wireguard/wg3.sock "$mode"
	liar=$NET_PID
	wait_for 5 net_exec n1 test -S /run/wireguard/wg3.sock
	expect_fail "a daemon that lies: $mode" timeout 30 nsenter -t "${net_holder[n1]}" -m -n \
		"$tool" userspace apply wg3 "$TRASH/n1.spec"
	expect_match "$mode: says so" "$(<"$ERR")" 'WireGuard daemon'
	net_stop "$liar"
	net_exec n1 rm -f /run/wireguard/wg3.sock
done

# No such program, and one that fails.
mkdir empty broken
printf '#!/bin/sh\necho "no luck" >&2\nexit 3\n' >broken/wireguard-go
chmod +x broken/wireguard-go
expect_fail 'wireguard-go is missing' net_exec hub env PATH="$TRASH/empty" "$tool" userspace apply wg0 hub.spec
expect_match 'and how to mend it' "$(<"$ERR")" 'apt-get install wireguard-go'
expect_fail 'wireguard-go fails' net_exec hub env PATH="$TRASH/broken:$PATH" "$tool" userspace apply wg0 hub.spec
expect_match 'and what it said' "$(<"$ERR")" 'no luck'
done_testing
