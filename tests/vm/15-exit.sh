#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: a node that sends everything through another one, and a host outside that knows no way
# back into the network. /data: the publications 1 (with the exit), 2 (with it, in a table of the operator's),
# 3 (without), 4 (with it), root, NODE.key.

. tests/lib.sh
. tests/lib-net.sh
. tests/vm/10-lib.sh

expect_ok 'an exit, a node and a host outside' net_up exit cons far
for n in exit cons; do
	agent_conf "$n" roam "file://$TRASH/www" /data/root /data kernel
	net_exec "$n" ip route add default via "$(net_addr4 far)"
	net_exec "$n" ip -6 route add default via "$(net_addr6 far)"
done
net_exec far ip -batch - <<-BATCH
	addr add 203.0.113.9/32 dev lo
	addr add 2001:db8:f::9/128 dev lo nodad
BATCH
# It counts who asks.
net_exec far nft -f - <<-NFT
	table inet seen {
		counter exit {}
		counter cons {}
		chain in {
			type filter hook input priority filter
			icmp type echo-request ip saddr $(net_addr4 exit) counter name exit
			icmp type echo-request ip saddr $(net_addr4 cons) counter name cons
			icmpv6 type echo-request ip6 saddr $(net_addr6 exit) counter name exit
			icmpv6 type echo-request ip6 saddr $(net_addr6 cons) counter name cons
		}
	}
NFT
# who ADDRESS [OPTION...]: as whom cons is known there, where it gets an answer
who() {
	local address=$1
	shift
	net_exec far nft reset counters >/dev/null
	net_exec cons ping -n -q -c 2 -i 0.3 -W 3 "$@" "$address" >/dev/null 2>&1 || printf 'unanswered '
	net_exec far nft list counters | awk '$1 == "counter" { name = $2 } $1 == "packets" && $2 { printf "%s ", name }'
}
four=203.0.113.9 six=2001:db8:f::9
# What a cautious administrator has: packets are refused that do not come by the way that answers take.
net_exec cons sh -c 'for n in all eth0 default; do echo 1 >/proc/sys/net/ipv4/conf/$n/rp_filter; done'
# WireGuard in the kernel turns these off for all, by itself and for good, when an interface comes up.
for n in exit cons; do net_exec "$n" sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects'; done
pub_switch /data/1
sleep 2 # link-local addresses are in place
for n in exit cons; do net_snapshot "$n" >"$TRASH/fresh.$n"; done
expect_eq 'straight at first' "$(who $four)$(who $six)" 'cons cons '

expect_ok 'the exit' agent exit once
expect_ok 'once' agent_strace "$TRASH/strace1" nsenter -t "${net_holder[cons]}" -m -n --wdns="$PWD" -- \
	meshrc-agent once --config "$TRASH/cons.conf" --json
expect_match 'sends some' "$(sets_in "$TRASH/strace1")" '^[1-9]'
expect_eq 'the default routes stand apart' "$(net_exec cons ip -4 route show table all proto 77 default | awk '{ print $3 }'
	net_exec cons ip -6 route show table all proto 77 default | awk '{ print $3 }')" $'roam\nroam'
expect_match 'the mark of the tunnel is kept out' "$(net_exec cons ip rule)" 'fwmark 0x2077 goto'
expect_eq 'IPv4 and IPv6 leave by the exit' "$(who $four)$(who $six)" 'exit exit '
expect_eq 'what asks for another address gets it' \
	"$(who $four -I "$(net_addr4 cons)")$(who $six -I "$(net_addr6 cons)")" 'cons cons '
expect_ok 'who asks from outside is answered' net_exec far ping -n -q -c 1 -W 3 "$(net_addr4 cons)"
expect_ok 'by IPv6 too' net_exec far ping -n -q -c 1 -W 3 "$(net_addr6 cons)"
expect_ok 'the exit itself is reached inside' net_exec cons ping -n -q -c 1 -W 3 fd77::1
expect_fail 'the other way the policy is against it' net_exec exit ping -n -q -c 1 -W 1 10.77.0.2
net_snapshot cons >"$TRASH/up"
expect_ok 'again' agent_strace "$TRASH/strace2" nsenter -t "${net_holder[cons]}" -m -n --wdns="$PWD" -- \
	meshrc-agent once --config "$TRASH/cons.conf" --json
expect_eq 'sends nothing' "$(stat_of set_messages <"$OUT") $(stat_of operations <"$OUT") $(stat_of host_sets <"$OUT")" '0 0 0'
expect_eq 'by its system calls' "$(sets_in "$TRASH/strace2")" 0
expect_still 'and leaves all as it is' cons "$TRASH/up"
expect_ok 'the exit again' agent exit once --json
expect_eq 'sends nothing' "$(stat_of set_messages <"$OUT") $(stat_of operations <"$OUT") $(stat_of host_sets <"$OUT")" '0 0 0'

slot=$(net_exec cons ip rule | sed -n 's/^\([0-9]*\):.*fwmark 0x2077 goto.*/\1/p')
while IFS='|' read -r name command; do
	net_exec cons sh -c "$command" || not_ok "$name: cannot be done"
	expect_ok "$name" agent cons once
	expect_still "$name: is put back" cons "$TRASH/up"
done <<-DRIFT
	a rule taken away|ip rule del priority $((slot + 4)); ip -6 rule del priority $((slot + 6))
	where others lead to|ip rule del priority $((slot + 7)); ip -6 rule del priority $((slot + 7))
	the mark cleared|wg set roam fwmark 0
	the default routes taken away|ip route flush table all proto 77; ip -6 route flush table all proto 77
DRIFT
expect_eq 'and leads out by the exit' "$(who $four)$(who $six)" 'exit exit '

pub_switch /data/2
expect_ok 'a table of the operator' agent cons once
expect_eq 'has the default routes' "$(net_exec cons ip route show table 100 default | awk '{ print $3 }'
	net_exec cons ip -6 route show table 100 default | awk '{ print $3 }')" $'roam\nroam'
expect_eq 'and nothing looks there' "$(who $four)$(who $six)" 'cons cons '
pub_switch /data/3
expect_ok 'no exit' agent cons once
expect_eq 'straight' "$(who $four)$(who $six)" 'cons cons '
expect_eq 'no rule is left' "$(net_exec cons ip rule; net_exec cons ip -6 rule)" \
	"$(grep -E '^[0-9]+:.*from all lookup' "$TRASH/fresh.cons")"
pub_switch /data/4
expect_ok 'the exit once more' agent cons once
expect_eq 'leads out' "$(who $four)$(who $six)" 'exit exit '
net_exec cons ip link del roam
expect_eq 'when the interface is lost, all goes straight' "$(who $four)$(who $six)" 'cons cons '
expect_ok 'it is found again' agent cons once
for n in cons exit; do
	expect_ok "$n: down" agent "$n" down
	expect_still "$n: leaves nothing" "$n" "$TRASH/fresh.$n"
done
done_testing
