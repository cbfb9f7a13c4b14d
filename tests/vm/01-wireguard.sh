#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: two namespaces, the kernel's WireGuard, a ping.

. tests/lib.sh
. tests/lib-net.sh

expect_ok 'a switch and two nodes come up' net_up one two
expect_ok 'they reach each other' net_exec one ping -n -q -c 1 -W 5 two

declare -A key=()
for n in one two; do
	key[$n]=$(wg genkey)
done
for n in one two; do
	[ "$n" = one ] && other=two || other=one
	cat >"$TRASH/$n.conf" <<-CONF
		[Interface]
		PrivateKey = ${key[$n]}
		ListenPort = 51820
		[Peer]
		PublicKey = $(wg pubkey <<<"${key[$other]}")
		AllowedIPs = 10.9.0.0/24, fd00:9::/64
		Endpoint = $(net_addr4 "$other"):51820
	CONF
	expect_ok "$n: interface" net_exec "$n" ip link add wg0 type wireguard
	expect_ok "$n: configuration" net_exec "$n" wg setconf wg0 "$TRASH/$n.conf"
	expect_ok "$n: addresses" net_exec "$n" sh -c "ip addr add 10.9.0.${net_number[$n]}/24 dev wg0 &&
		ip addr add fd00:9::${net_number[$n]}/64 dev wg0 nodad && ip link set wg0 up"
done
expect_ok 'a ping through the tunnel' net_exec one ping -n -q -c 2 -i 0.2 -W 5 10.9.0.2
expect_ok 'and one by IPv6' net_exec two ping -n -q -c 2 -i 0.2 -W 5 fd00:9::1
capture net_exec two wg show wg0 latest-handshakes
expect_match 'which made a handshake' "$(<"$OUT")" '[1-9][0-9]*$'

# The rest of what tests in here stand on.
expect_ok 'ip netns' bash -c 'ip netns add x && ip netns exec x ip link show lo && ip netns del x'
expect_ok 'nft' nft add table inet t
expect_ok 'strace' strace -f -o "$TRASH/strace" true
expect_ok 'jq' jq -n '{}'
expect_ok 'tc' net_exec one tc qdisc add dev eth0 root netem delay 10ms
expect_ok 'tun' test -c /dev/net/tun
if [ -x "$AGENT" ]; then
	expect_ok 'the agent starts' "$AGENT" --help
fi
if [ -x "$MESHRC" ]; then
	expect_ok 'the program starts' "$MESHRC" --help
fi

expect_ok 'the network goes' net_down
done_testing
