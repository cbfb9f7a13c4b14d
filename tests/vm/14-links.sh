#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: a node with two routed links. /data: the publications 1 (a with b and c), 2 (a with
# b), 3 (the same under another name of the interface), root, NODE.key.

. tests/lib.sh
. tests/lib-net.sh
. tests/vm/10-lib.sh

link() { # INTERFACE: all about it but what passed over it
	net_exec a ip -d link show "$1" | sed 's/ qlen.*//'
	net_exec a ip -o addr show "$1"
	net_exec a wg show "$1" dump | awk -F '\t' -v OFS='\t' 'NF > 4 { $5 = $6 = $7 = "" } { print }'
}
reaches() { net_exec a ping -n -q -c 1 -W 5 "$1"; }

expect_ok 'three nodes' net_up a b c
for n in a b c; do
	agent_conf "$n" bone "file://$TRASH/www" /data/root /data kernel
done
# WireGuard in the kernel turns these off for all, by itself and for good, when an interface comes up.
net_exec a sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects'
pub_switch /data/1
sleep 2 # link-local addresses are in place
net_snapshot a >"$TRASH/fresh"
for n in a b c; do expect_ok "$n" agent "$n" once; done
for address in 10.99.0.1 fd99::1 fe80::2%wl-b 10.99.0.3 fd99::3 fe80::2%wl-c; do
	expect_ok "a link carries $address" reaches "$address"
done
expect_eq 'it has those addresses and no others' "$(net_exec a ip -o addr show wl-b | awk '{ print $4 }' | xargs)" \
	'10.99.0.0/31 fd99::/127 fe80::1/64'
expect_eq 'no route of ours' "$(net_exec a ip route show proto 77; net_exec a ip -6 route show proto 77)" ''
# A routing daemon's hand: a route by a link, to what only the other end knows.
expect_ok 'what a daemon routes there' net_exec a ip route add 10.77.0.2/32 via 10.99.0.1 dev wl-b proto bird
expect_ok 'arrives' reaches 10.77.0.2
expect_ok 'again' agent a once --json
expect_eq 'sends nothing' "$(stat_of set_messages <"$OUT")" 0
expect_ok 'and leaves the route' reaches 10.77.0.2
link wl-b >"$TRASH/link"
pub_switch /data/2
expect_ok 'without c' agent a once
expect_fail 'its interface has gone' net_exec a ip link show wl-c
expect_eq 'the other link is as it was' "$(link wl-b)" "$(<"$TRASH/link")"
expect_ok 'with its route' reaches 10.77.0.2

# Another name, which somebody else has at first: then nothing is taken away.
net_exec a ip link add bone.b type veth peer name theirs
pub_switch /data/3
expect_fail 'a name that somebody else has' agent a once
expect_eq 'the link stays under the old one' "$(link wl-b)" "$(<"$TRASH/link")"
net_exec a ip link del bone.b
expect_ok 'once it is free' agent a once
expect_fail 'the old one goes' net_exec a ip link show wl-b
expect_ok 'and the link is there' net_exec a ip link show bone.b
expect_ok 'b follows' agent b once
expect_ok 'and it works' reaches 10.99.0.1
expect_ok 'down' agent a down
expect_still 'leaves nothing' a "$TRASH/fresh"
expect_ok 'up' agent a once
# What was changed on the host is forgotten with the state, the interfaces are not.
rm -r "$TRASH/a.state"
expect_ok 'down, without its state' agent a down --interface bone
expect_eq 'takes all interfaces away' "$(net_exec a wg show interfaces)" ''
done_testing
