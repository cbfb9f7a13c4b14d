#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing stays: nodes that have everything a network can give them, and that are then without it, by `down`,
# by a changed network that takes away one thing after the other, and by their removal. Each time all that
# an agent could have touched is compared with what was before: links, addresses, routes of all tables,
# rules, nftables, every setting under net.ipv4.conf and net.ipv6.conf, /etc/hosts.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace nft

net=$TRASH/net
machines='gate anna tab rt'
# Of all interfaces together.
count() { stat_of "$1" <"$OUT" | awk '{ n += $1 } END { print n }'; }

pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in $machines phone; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
for node in $machines; do
	agent_conf "$node" prod "file://$net/www" "$net/root" "$TRASH" userspace
done

# Everything, by one word each; network WORD... writes the YAML that has these. No policy goes with routed
# links, so each comes in its turn.
both='ipv6 mtu port fwmark keepalive owned routes masquerade relay exit table names clients'
linked="$both links"
guarded="$both policy"
network() {
	local words=" $* " v6='' v6_pool=''
	has() { [[ $words == *" $1 "* ]]; }
	with() { ! has "$1" || printf '%s\n' "$2"; }
	six() { ! has ipv6 || printf ', "fd20::%s"' "$1"; }
	! has ipv6 || v6_pool=', "fd20::/64"' v6=', "fd30:10::/64"'
	{
		printf 'version: 1\naddresses: [10.20.0.0/16%s]\ninterface: wg0\n' "$v6_pool"
		with mtu 'mtu: 1380'
		with names 'dns: {domain: mesh.example.net}'
		with links 'routed_links: {transfer: [10.99.0.0/24], ports: 52000-52099}'
		printf 'nodes:\n  gate:\n    public_key: %s\n    endpoint: 192.0.2.1\n' "${key[gate]}"
		printf '    addresses: [10.20.0.1%s%s]\n' "$(with owned ', 10.20.4.1/24')" "$(six 1)"
		with port '    listen_port: 4500'
		with fwmark '    fwmark: 51'
		with keepalive '    persistent_keepalive: 7'
		with relay '    relay: true'
		if has masquerade; then
			printf '    routes: [{cidr: 192.168.10.0/24, masquerade: true}, 192.168.20.0/24%s]\n' "$v6"
		else
			with routes "    routes: [192.168.10.0/24$v6]"
		fi
		printf '  anna:\n    public_key: %s\n    endpoint: 192.0.2.2\n    addresses: [10.20.0.2%s]\n' "${key[anna]}" "$(six 2)"
		with exit '    exit_node: gate'
		printf '  tab:\n    public_key: %s\n    endpoint: 192.0.2.3\n    addresses: [10.20.0.3%s]\n' "${key[tab]}" "$(six 3)"
		with table '    table: 100'
		printf '  rt:\n    public_key: %s\n    endpoint: 192.0.2.4\n    addresses: [10.20.0.4%s]\n' "${key[rt]}" "$(six 4)"
		with clients "clients: {phone: {public_key: ${key[phone]}, gateway: gate}}"
		with policy 'policy: [{from: [anna], to: [gate], on: [icmp, tcp/22]}]'
		printf 'topology:\n  - mesh: [gate, anna, tab]\n  - link: {between: [gate, tab], and: [rt]}\n'
		with links '    interface_per_link: true'
	} >"$net/repo/networks/prod.yaml"
	pub_apply "$net" 2>"$TRASH/apply.err" && return
	not_ok "apply with: $*" "$(cat "$TRASH/apply.err" "$net/repo/networks/prod.yaml")"
	done_testing
	exit 1
}
# A new interface has an address and a secret of the kernel's own choice, and a number.
plain() { grep -vE 'fe80::|stable_secret' | sed 's/^[0-9]*: //' | sort; }
snapshots() { # NAME: of all nodes
	local node
	for node in $machines; do
		net_snapshot "$node" >"$TRASH/$1.$node"
		plain <"$TRASH/$1.$node" >"$TRASH/$1.$node.plain"
	done
}
converge() { # NAME: all nodes, twice, of which the second time changes nothing
	local node what=$1
	for node in $machines; do
		expect_ok "$what: $node" agent "$node" once
	done
	for node in $machines; do
		expect_ok "$what: $node again" agent "$node" once --json
		expect_eq "$what: $node changes nothing" "$(count host_sets) $(count set_messages) $(count operations)" '0 0 0'
	done
}
same() { # NAME SNAPSHOT SNAPSHOT [.plain]
	local node
	for node in $machines; do
		expect_same "$1: $node" "$TRASH/$2.$node${4:-}" "$TRASH/$3.$node${4:-}"
	done
}
down() { # NAME
	local node
	for node in $machines; do
		expect_ok "$1: $node" agent "$node" down
	done
}

# shellcheck disable=SC2086 # words
expect_ok 'four machines' net_up $machines
number=9
for node in $machines; do
	number=$((number + 1))
	# Each has an /etc/hosts of its own, and something of an administrator's.
	net_exec "$node" sh -c 'cp /etc/hosts /run/hosts && mount --bind /run/hosts /etc/hosts'
	net_exec "$node" ip -batch - <<-BATCH
		link add lan type veth peer name lan-peer
		link set lan up
		addr add 192.168.$((number)).1/24 dev lan
		route add 198.51.100.0/24 dev lan proto static
		rule add fwmark 7 lookup 77 priority 1000
		route add 203.0.113.0/24 dev lan table 77
	BATCH
	net_exec "$node" nft 'table inet admin { chain input { type filter hook input priority 0; policy accept; }; }'
	net_exec "$node" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/lan/forwarding; echo 2 >/proc/sys/net/ipv4/conf/lan/rp_filter'
done
snapshots fresh

# ---------------------------------------------------------------- down
# What is looked at is really there.
looks() { # WHAT NODE WORDS
	expect_eq "there is $1" "$(grep -cE "$3" "$TRASH/full.$2" | sed 's/^[1-9][0-9]*$/yes/')" yes
}
# shellcheck disable=SC2086 # words
network $linked
converge 'with routed links'
snapshots full
looks 'an interface' gate 'wg0: .* mtu 1380'
looks 'one of a routed link' gate 'wl-rt: '
looks 'an address of a transfer network' gate 'inet 10\.99\.0\.[0-9]+/31'
looks 'forwarding' gate 'net/ipv4/conf/all/forwarding 1'
looks 'IPv6 forwarding' gate 'net/ipv6/conf/all/forwarding 1'
looks 'masquerading' gate 'masquerade'
looks 'an address of a prefix owned' gate 'inet 10\.20\.4\.1/16'
looks 'a name' gate 'anna\.mesh\.example\.net'
looks 'a rule for the exit' anna 'lookup [0-9]{4,}'
looks 'a default route through it' anna 'default dev wg0 table [0-9]+'
looks 'a route in a table' tab '192\.168\.20\.0/24 dev wg0 table 100'
down 'down'
snapshots got
same 'down leaves nothing' got fresh
# shellcheck disable=SC2086 # words
network $guarded
converge 'with a policy'
snapshots full
looks 'a policy' gate 'type filter hook .*;$'
down 'down'
snapshots got
same 'down leaves nothing' got fresh
down 'down once more'
snapshots got
same 'and does nothing then' got fresh

# ---------------------------------------------------------------- one thing after the other
# What a network without any of it makes of a fresh machine is what must be left of one that had it all.
network ''
converge 'with nothing but peers'
snapshots least
down 'down'
# shellcheck disable=SC2086 # words
network $linked
converge 'with everything again'
left=$guarded
for word in links policy masquerade exit owned names fwmark ipv6 relay table clients routes port keepalive mtu; do
	# shellcheck disable=SC2086 # words
	left=$(printf '%s\n' $left | grep -vx "$word" | paste -sd ' ')
	# shellcheck disable=SC2086 # words
	network $left
	converge "without $word"
done
expect_eq 'everything was taken away' "$left" ''
snapshots got
same 'nothing is left of it' got least .plain
# And all at once.
for all in "$linked" "$guarded"; do
	# shellcheck disable=SC2086 # words
	network $all
	converge 'with everything once more'
	network ''
	converge 'with nothing at once'
	snapshots got
	same 'nothing is left of it' got least .plain
done
down 'down'
snapshots got
same 'down leaves nothing' got fresh

# ---------------------------------------------------------------- removed
# shellcheck disable=SC2086 # words
network $linked
converge 'with everything'
rm "$net/repo/networks/prod.yaml"
expect_ok 'the network is removed' pub_apply "$net"
for node in $machines; do
	expect_ok "removed: $node" agent "$node" once
	expect_ok "removed: $node goes" agent "$node" down
done
snapshots got
same 'a removed network leaves nothing' got fresh
done_testing
