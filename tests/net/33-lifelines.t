#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a host must not lose to its network, however mistaken that is: the way to the publication, its
# gateway, its own link, the endpoints. What would take it away is left out and told; all else is done.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

net_usable || skip_all "$NET_WHY"
have git wg wireguard-go python3 ping || skip_all 'needs git, wg, wireguard-go, python3 and ping'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'

net=$TRASH/net
agent() { # NODE COMMAND OPTION...
	local node=$1
	shift
	net_exec "$node" "$AGENT" "$@" --config "$TRASH/$node.conf"
}
pub_init "$net" || skip_all 'init failed'
declare -A key=()
for n in gw b; do
	key[$n]=$(key_pair "$TRASH/$n.key")
	cat >"$TRASH/$n.conf" <<-CONF
		url = file://$net/www
		network = prod
		node = $n
		trust = $net/root
		private-key = $TRASH/$n.key
		state-dir = $TRASH/$n.state
		backend = userspace
	CONF
done
sed -i 's|^url = .*|url = http://publication.test:8000|' "$TRASH/b.conf"
network() { # ROUTES-OF-GW [ADDRESS-OF-B [POOL]]
	cat >"$net/repo/networks/prod.yaml" <<-YAML
		version: 1
		addresses: [${3:-10.20.0.0/16}]
		interface: wg0
		nodes:
		  gw: {public_key: "${key[gw]}", endpoint: gw.test, addresses: [${4:-10.20.0.1}], routes: [$1]}
		  b: {public_key: "${key[b]}", addresses: [${2:-10.20.0.2}]}
	YAML
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
routes() { net_exec b ip route show dev wg0 | awk '{ print $1 }' | tr '\n' ' '; }
reaches() { net_exec b ping -n -q -c 1 -W 2 "$1" >/dev/null; }

expect_ok 'three hosts' net_up gw b router
# The publication is behind the router.
net_forward router
net_hold outside || not_ok 'outside'
net_exec router ip link add out type veth peer name eth0 netns "${net_holder[outside]}"
net_exec router ip link set out up
net_exec router ip addr add 198.51.100.1/24 dev out
net_exec outside ip link set eth0 up
net_exec outside ip addr add 198.51.100.2/24 dev eth0
net_exec outside ip route add default via 198.51.100.1
for n in gw b; do net_exec "$n" ip route add default via 192.0.2.3; done
printf '192.0.2.1 gw.test\n198.51.100.2 publication.test\n' >>"$NET_DIR/hosts"
net_start outside python3 -m http.server -d "$net/www" 8000
wait_for 5 net_exec b bash -c 'exec 3<>/dev/tcp/198.51.100.2/8000' || not_ok 'the server answers'

# ---------------------------------------------------------------- routes
network '192.168.30.0/24'
expect_ok 'the gateway' agent gw once
expect_ok 'once' agent b once
expect_eq 'has its route' "$(routes)" '10.20.0.0/16 192.168.30.0/24 '
network '198.51.100.0/24, 192.168.31.0/24'
expect_fail 'a route to where the publication comes from' agent b once
expect_match 'is told' "$(<"$ERR")" 'route 198\.51\.100\.0/24 is left out: it would draw 198\.51\.100\.2 \(where the publication comes from\)'
expect_eq 'and all else is done' "$(routes)" '10.20.0.0/16 192.168.31.0/24 '
expect_fail 'again' agent b once --json
expect_match 'it is told' "$(<"$ERR")" '198\.51\.100\.0/24 is left out'
network '192.168.31.0/24'
expect_ok 'and can be taken back' agent b once
network '192.0.2.128/25, 192.0.2.0/25'
expect_fail 'a part of the network that the host is in' agent b once
expect_match 'is told' "$(<"$ERR")" '192\.0\.2\.0/25 is left out, and 1 more are: it lies in 192\.0\.2\.0/24, the network that this host is in with eth0'
expect_eq 'and left out' "$(routes)" '10.20.0.0/16 '
expect_ok 'the router is reached' reaches 192.0.2.3
expect_ok 'and the other node' reaches 10.20.0.1
network '192.0.0.0/16'
expect_ok 'a wider one is no harm' agent b once
expect_eq 'and there' "$(routes)" '10.20.0.0/16 192.0.0.0/16 '
expect_ok 'the router is reached' reaches 192.0.2.3
network '192.168.30.0/24'
expect_ok 'a route' agent b once
# The host is carried into a network that has the prefix of that route.
net_exec b ip link add wlan0 type veth peer name wlan1
net_exec b ip addr add 192.168.30.7/24 dev wlan0 metric 600
net_exec b ip link set wlan0 up
net_exec b ip link set wlan1 up
expect_fail 'in a network of the same prefix' agent b once
expect_match 'it is told' "$(<"$ERR")" '192\.168\.30\.0/24'
expect_eq 'the route goes' "$(routes)" '10.20.0.0/16 '
net_exec b ip link del wlan0
expect_ok 'and comes back' agent b once
expect_eq 'as it was' "$(routes)" '10.20.0.0/16 192.168.30.0/24 '
expect_ok 'once' agent b once --json
expect_eq 'changes nothing then' "$(stat_of set_messages <"$OUT")" 0

# ---------------------------------------------------------------- addresses
network '192.168.30.0/24' '192.0.2.102, "fd20::2"' '192.0.2.0/24, "fd20::/64"' '192.0.2.101, "fd20::1"'
net_exec b ip route show >"$TRASH/before"
expect_fail 'an address in the network that the host is in' agent b once
expect_match 'is told' "$(<"$ERR")" 'address 192\.0\.2\.102/24 is left out: it lies in 192\.0\.2\.0/24, the network that this host is in with eth0'
expect_eq 'and left out' "$(net_exec b ip -4 addr show dev wg0)" ''
expect_match 'the other one is there' "$(net_exec b ip -6 addr show dev wg0)" 'fd20::2/64'
# The uplink loses its address, and gets it back.
net_exec b ip addr del 192.0.2.2/24 dev eth0
net_exec b ip addr add 192.0.2.2/24 dev eth0
net_exec b ip route add default via 192.0.2.3
expect_ok 'the router is reached' reaches 192.0.2.3
expect_fail 'again' agent b once --json
expect_ok 'and reached' reaches 192.0.2.3
network '192.168.30.0/24' '192.0.2.3, "fd20::2"' '192.0.0.0/16, "fd20::/64"' '192.0.9.101, "fd20::1"'
expect_fail 'the address of the gateway' agent b once
expect_match 'is told' "$(<"$ERR")" 'address 192\.0\.2\.3/16 is left out: it is that of a gateway of this host'
expect_ok 'and stays the gateway' reaches 192.0.2.3
expect_ok 'down' agent b down
done_testing
