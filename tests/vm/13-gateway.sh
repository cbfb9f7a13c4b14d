#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: a gateway with a host behind it that knows no way back. /data: the publications 1
# (with masquerading), 2 (no gateway any more), 3 (masquerading IPv4), root, NODE.key.

. tests/lib.sh
. tests/lib-net.sh
. tests/vm/10-lib.sh

# Of a snapshot, what is not the interface's.
around() { grep -E '^/proc|^table' | grep -v 'conf/office/'; }
reaches() { net_exec far ping -n -q -c 2 -W 2 "$1"; }

expect_ok 'two nodes' net_up gate far
expect_ok 'a host behind one of them' net_behind lan gate 10
for n in gate far; do
	agent_conf "$n" office "file://$TRASH/www" /data/root /data kernel
done
# Something to put back that the switches overwrite.
net_exec gate sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects
	echo 1 >/proc/sys/net/ipv4/conf/to-lan/forwarding; echo 1 >/proc/sys/net/ipv6/conf/to-lan/forwarding'
# WireGuard in the kernel turns these off for all, by itself and for good, when an interface comes up.
net_exec gate sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects'
pub_switch /data/1
sleep 2 # link-local addresses are in place
net_snapshot gate >"$TRASH/fresh"
expect_ok 'far' agent far once
expect_ok 'gate' agent gate once --json
expect_eq 'sets the host' "$(($(stat_of host_sets <"$OUT") > 3))" 1
expect_ok 'IPv4 through the gateway' reaches 192.168.10.2
expect_ok 'IPv6 too' reaches fd30:10::2
expect_eq 'and advertisements are heard' "$(net_exec gate cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" 2
net_snapshot gate >"$TRASH/up"
expect_ok 'again' agent gate once --json
expect_eq 'sets nothing' "$(stat_of host_sets <"$OUT") $(stat_of set_messages <"$OUT")" '0 0'
net_exec gate nft flush table inet meshrc-office
expect_ok 'another hand in the table' agent gate once
expect_still 'is put back' gate "$TRASH/up"
pub_switch /data/2
expect_ok 'no gateway any more' agent gate once
net_snapshot gate | around >"$TRASH/got"
around <"$TRASH/fresh" >"$TRASH/want"
expect_same 'all around the interface is as before' "$TRASH/got" "$TRASH/want"
pub_switch /data/3
expect_ok 'a gateway again' agent gate once
expect_ok 'down' agent gate down
expect_still 'leaves nothing' gate "$TRASH/fresh"
done_testing
