#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One machine in two networks: two agents side by side, each with an interface, routes and a table of its
# own, and one switch for forwarding between them. Whichever goes first, the other's traffic goes on, and
# the last one leaves the machine as the first one found it.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace nft ping

net=$TRASH/net
agent() { # NODE NETWORK COMMAND OPTION...
	local node=$1 network=$2
	shift 2
	net_exec "$node" "$AGENT" "$1" --url "file://$net/www" --network "$network" --node "$node" --trust "$net/root" \
		--private-key "$TRASH/$node.key" --state-dir "$TRASH/state-$node" --backend userspace "${@:2}"
}
setting() { net_exec gate cat "/proc/sys/net/$1"; }
reaches() { net_exec "$1" ping -n -q -c 2 -i 0.2 -W 5 "$2"; }
# An interface that was made anew has no session: the side that knows it begins one.
wake() { net_exec gate ping -n -q -c 1 -W 5 "10.2$1.0.2"; }
records() { find "$TRASH/state-gate" -maxdepth 1 -name 'host_[0-9]*'; }

pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in gate east west; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
network() { # NAME NUMBER ROUTES
	cat >"$net/repo/networks/$1.yaml" <<-YAML
		version: 1
		addresses: [10.2$2.0.0/24, "fd2$2::/64"]
		listen_port: 5182$2
		nodes:
		  gate: {public_key: ${key[gate]}, endpoint: 192.0.2.1, addresses: [10.2$2.0.1, "fd2$2::1"], routes: $3}
		  $1: {public_key: ${key[$1]}, endpoint: 192.0.2.$((1 + $2)), addresses: [10.2$2.0.2, "fd2$2::2"]}
	YAML
}
publish() { pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"; }
masqueraded='[{cidr: 192.168.10.0/24, masquerade: true}, {cidr: "fd30:10::/64", masquerade: true}]'
network east 1 "$masqueraded"
network west 2 "$masqueraded"
publish

expect_ok 'three machines' net_up gate east west
expect_ok 'and one behind the first' net_behind lan gate 10
net_exec gate nft 'table inet admin { chain input { type filter hook input priority 0; policy accept; }; }'
net_snapshot gate >"$TRASH/fresh"

# ---------------------------------------------------------------- both at once
both() { # COMMAND: of both networks on gate, at the same time
	local status=0
	agent gate east "$@" >"$TRASH/east.out" 2>&1 &
	agent gate west "$@" >"$TRASH/west.out" 2>&1 || status=1
	wait $! || status=1
	[ "$status" -eq 0 ] || cat "$TRASH/east.out" "$TRASH/west.out"
	return "$status"
}
expect_ok 'both agents at the same time' both once
for node in east west; do
	expect_ok "$node" agent "$node" "$node" once
	expect_ok "$node reaches what is behind" reaches "$node" 192.168.10.2
	expect_ok "$node reaches it by IPv6" reaches "$node" fd30:10::2
	expect_ok "$node: again" agent gate "$node" once --json
	expect_eq "$node: sets nothing" "$(count host_sets) $(count set_messages) $(count operations)" '0 0 0'
	expect_ok "$node: status" agent gate "$node" status
	expect_match "$node: says what is changed" "$(<"$OUT")" 'host +sysctl net\.ipv4\.conf\.all\.forwarding: 0 -> 1'
	expect_match "$node: with its own table" "$(<"$OUT")" "host +nftables table inet meshrc-$node"
done
expect_eq 'one record for both' "$(records | wc -l) $(grep -c ^user "$(records)")" '1 2'
expect_eq 'and two tables' "$(net_exec gate nft list tables | sort | paste -sd ' ')" \
	'table inet admin table inet meshrc-east table inet meshrc-west'
expect_fail 'the networks do not reach each other by it' net_exec east ping -n -q -c 1 -W 1 10.22.0.2
net_snapshot gate >"$TRASH/up"

# ---------------------------------------------------------------- one goes
flow() { # NODE: what is lost of 40 packets while the given command runs
	local node=$1 pid
	shift
	net_exec "$node" ping -n -q -c 40 -i 0.1 -W 2 192.168.10.2 >"$TRASH/flow" 2>&1 &
	pid=$!
	sleep 0.5
	"$@" >>"$TRASH/flow.log" 2>&1
	wait "$pid"
	sed -nE 's/.* ([0-9.]+)% packet loss.*/\1/p' "$TRASH/flow"
}
expect_eq 'east goes, west loses nothing' "$(flow west agent gate east down)" 0
expect_eq 'its table has gone' "$(net_exec gate nft list tables | grep -c meshrc-east)" 0
expect_ok 'and its interface' sh -c "! nsenter -t ${net_holder[gate]} -n ip link show east 2>/dev/null"
expect_eq 'forwarding stays' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '1 1'
expect_ok 'east: status' agent gate east status
expect_no_match 'says that nothing is changed for it' "$(<"$OUT")" '^host'
expect_eq 'east comes back, west loses nothing' "$(flow west agent gate east once)" 0
# The kernel chooses an address of its own for each new interface, and a number. One that the other agent saw
# before it had its mark may have been taken for one that hears advertisements.
plain() { grep -vE 'fe80::|stable_secret|ipv6.conf.(east|west).accept_ra ' | sed 's/^[0-9]*: //' | sort; }
net_snapshot gate | plain >"$TRASH/got"
plain <"$TRASH/up" >"$TRASH/want"
expect_ok 'its packets too' wake 1
expect_same 'all is as it was with both' "$TRASH/got" "$TRASH/want"
expect_eq 'west goes, east loses nothing' "$(flow east agent gate west down)" 0
expect_ok 'west comes back' agent gate west once
expect_ok 'with its packets' wake 2

# One of them is no gateway any more, and then none.
network west 2 '[]'
publish
expect_ok 'west without routes' agent gate west once
expect_eq 'forwarding stays for east' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '1 1'
expect_eq 'who alone needs it' "$(grep ^user "$(records)" | cut -d ' ' -f 2)" east
expect_ok 'east reaches what is behind' reaches east 192.168.10.2
network east 1 '[]'
publish
expect_ok 'east without routes' agent gate east once
expect_eq 'forwarding is off' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '0 0'
expect_eq 'and nothing is recorded' "$(records)" ''

# An agent that is killed, and whose interface goes, needs nothing; the other puts all back.
network east 1 "$masqueraded"
network west 2 "$masqueraded"
publish
expect_ok 'both again' both once
net_exec gate ip link del east
wait_for 5 sh -c "! nsenter -t ${net_holder[gate]} -n ip link show east 2>/dev/null"
expect_ok 'west goes' agent gate west down
expect_eq 'forwarding is off' "$(setting ipv4/ip_forward) $(setting ipv6/conf/all/forwarding)" '0 0'
expect_ok 'east comes back by itself' agent gate east once
expect_ok 'with its packets' wake 1
expect_ok 'and reaches what is behind' reaches east 192.168.10.2
expect_ok 'both go' both down
net_snapshot gate >"$TRASH/got"
expect_same 'the machine is as it was' "$TRASH/got" "$TRASH/fresh"
expect_eq 'nothing is recorded' "$(records)" ''
done_testing
