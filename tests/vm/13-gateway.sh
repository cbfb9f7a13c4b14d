#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: a gateway with a host behind it that knows no way back. /data: the publications 1
# (with masquerading), 2 (no gateway any more), 3 (masquerading IPv4), root, NODE.key.

. tests/lib.sh
. tests/lib-net.sh
. tests/vm/10-lib.sh

agent() { # NODE COMMAND OPTION...
	local node=$1
	shift
	net_exec "$node" meshrc-agent "$@" --config "$TRASH/$node.conf"
}
publish() {
	ln -sfn "/data/$1" "$TRASH/www.new"
	mv -T "$TRASH/www.new" "$TRASH/www"
}
host() {
	net_exec gate sh -c '
		for f in $(find /proc/sys/net -name "*forwarding" -o -name "accept_r*"); do echo "$f $(cat $f)"; done | sort
		nft list ruleset
		ip rule; ip -6 rule
		ip route show table all; ip -6 route show table all
		ip addr' | sed 's/ [0-9]*sec//g'
}
around() { host | grep -E '^/proc|^table' | grep -v 'conf/office/'; }
reaches() { net_exec far ping -n -q -c 2 -W 2 "$1"; }

expect_ok 'two nodes' net_up gate far
net_hold lan || not_ok 'lan'
net_exec gate ip link add to-lan type veth peer name eth0 netns "${net_holder[lan]}"
net_exec gate ip -batch - <<-BATCH
	link set to-lan up
	addr add 192.168.10.1/24 dev to-lan
	addr add fd30:10::1/64 dev to-lan nodad
BATCH
net_exec lan ip -batch - <<-BATCH
	link set eth0 up
	addr add 192.168.10.2/24 dev eth0
	addr add fd30:10::2/64 dev eth0 nodad
BATCH
for n in gate far; do
	cat >"$TRASH/$n.conf" <<-CONF
		url = file://$TRASH/www
		network = office
		node = $n
		trust = /data/root
		private-key = /data/$n.key
		state-dir = $TRASH/$n.state
		backend = kernel
	CONF
done
# Something to put back that the switches overwrite.
net_exec gate sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects
	echo 1 >/proc/sys/net/ipv4/conf/to-lan/forwarding; echo 1 >/proc/sys/net/ipv6/conf/to-lan/forwarding'
publish 1
sleep 2 # link-local addresses are in place
host >"$TRASH/fresh"
expect_ok 'far' agent far once
expect_ok 'gate' agent gate once --json
expect_eq 'sets the host' "$(($(stat_of host_sets <"$OUT") > 3))" 1
expect_ok 'IPv4 through the gateway' reaches 192.168.10.2
expect_ok 'IPv6 too' reaches fd30:10::2
expect_eq 'and advertisements are heard' "$(net_exec gate cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" 2
host >"$TRASH/up"
expect_ok 'again' agent gate once --json
expect_eq 'sets nothing' "$(stat_of host_sets <"$OUT") $(stat_of set_messages <"$OUT")" '0 0'
net_exec gate nft flush table inet meshrc-office
expect_ok 'another hand in the table' agent gate once
expect_eq 'is put back' "$(host)" "$(<"$TRASH/up")"
publish 2
expect_ok 'no gateway any more' agent gate once
expect_eq 'all around the interface is as before' "$(around)" "$(grep -E '^/proc|^table' "$TRASH/fresh")"
publish 3
expect_ok 'a gateway again' agent gate once
expect_ok 'down' agent gate down
expect_eq 'leaves nothing' "$(host)" "$(<"$TRASH/fresh")"
done_testing
