#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
#
# What `meshrc reach` works out against packets. A little world: two NAT boxes with a node behind each, three
# public machines, a site behind a public node and one behind a node behind NAT, a telephone, and a host that
# is in no network. On it one network after the other, each of another kind; and in each every ordered pair of
# hosts is probed, with ping and on two TCP ports, with IPv4 and IPv6.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/lib-matrix.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace wg-quick python3 nft ping

net=$TRASH/net
nodes=(anna bert r1 r2 s1)

# ---------------------------------------------------------------- the world
# site NODE HOST NUMBER: a host in a network behind the node
site() {
	net_behind "$2" "$1" "$3" || return 1
	net_exec "$2" ip -batch - <<-BATCH
		route add default via 192.168.$3.1
		route add default via fd30:$3::1
	BATCH
}
expect_ok 'machines on the Internet' net_up r1 r2 s1 nat1 nat2 phone far
expect_ok 'a node behind a NAT box' net_behind_nat anna nat1
expect_ok 'and one behind another' net_behind_nat bert nat2
expect_ok 'a site behind a public node' site s1 desk 30
expect_ok 'and one behind a node behind NAT' site bert shop 20
# Elsewhere what is in no network goes to a provider who does not know the way.
for host in r1 s1; do
	net_exec "$host" ip route add default via "$(net_addr4 nat1)"
	net_exec "$host" ip -6 route add default via "$(net_addr6 nat1)"
done
# What is outside: only r2 knows the way, and far none back to any address of a network.
net_exec far ip -batch - <<-BATCH
	addr add 203.0.113.9/32 dev lo
	addr add 2001:db8:f::9/128 dev lo nodad
BATCH
net_exec r2 ip route add 203.0.113.9 via "$(net_addr4 far)"
net_exec r2 ip -6 route add 2001:db8:f::9 via "$(net_addr6 far)"

matrix_hosts <<-HOSTS
	anna 10.20.0.11 fd20::11
	bert 10.20.0.12 fd20::12
	r1 10.20.0.1 fd20::1
	r2 10.20.0.2 fd20::2
	s1 10.20.0.3 fd20::3
	phone 10.20.0.21 fd20::21
	desk 192.168.30.2 fd30:30::2 192.168.30.0/24 fd30:30::/64 s1
	shop 192.168.20.2 fd30:20::2 192.168.20.0/24 fd30:20::/64 bert
	far 203.0.113.9 2001:db8:f::9 outside
HOSTS
matrix_beside 'desk s1' 's1 desk' 'shop bert' 'bert shop' 'r2 far'
matrix_serve

# ---------------------------------------------------------------- networks
pub_init "$net" || skip_all 'init failed'
declare -A key
for node in "${nodes[@]}" phone; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
agent() { # NODE COMMAND
	net_exec "$1" "$AGENT" "$2" --url "file://$net/www" --network mesh --node "$1" --trust "$net/root" \
		--private-key "$TRASH/$1.key" --state-dir "$TRASH/state-$1" --backend userspace --quiet
}
quick() { WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go net_exec phone wg-quick "$1" "$TRASH/phone/phone.conf"; }
mkdir -m 700 "$TRASH/phone"

# with NODE LINES: what a node has besides in the next network
declare -A extra
with() { extra[$1]=$2; }
node() { # NAME 4 6 [ENDPOINT]
	printf '  %s:\n    public_key: %s\n    addresses: [%s, "%s"]\n    tags: [%s]\n' "$1" "${key[$1]}" "$2" "$3" "$4"
	[ -z "${5:-}" ] || printf '    endpoint: %s\n' "$5"
	[ -z "${extra[$1]:-}" ] || printf '    %s\n' "${extra[$1]}"
}
# converge NAME: the network whose rest is on standard input, on all of them
converge() {
	local name=$1 n
	{
		printf 'version: 1\naddresses: [10.20.0.0/16, "fd20::/64"]\npersistent_keepalive: 1\nnodes:\n'
		with bert "${extra[bert]:-}${extra[bert]:+$'\n'    }routes: [192.168.20.0/24, \"fd30:20::/64\"]"
		node anna 10.20.0.11 fd20::11 home
		node bert 10.20.0.12 fd20::12 home
		node r1 10.20.0.1 fd20::1 public "$(net_addr4 r1)"
		node r2 10.20.0.2 fd20::2 public "$(net_addr4 r2)"
		with s1 "${extra[s1]:-}${extra[s1]:+$'\n'    }routes: [192.168.30.0/24, \"fd30:30::/64\"]"
		node s1 10.20.0.3 fd20::3 'public, site' "$(net_addr4 s1)"
		printf 'clients:\n  phone:\n    public_key: %s\n    addresses: [10.20.0.21, "fd20::21"]\n    %s\n' \
			"${key[phone]}" "${extra[phone]}"
		cat
	} >"$net/repo/networks/mesh.yaml"
	extra=()
	pub_apply "$net" || { not_ok "$name: apply" "$(cat "$net/apply.log")"; return 1; }
	for n in "${nodes[@]}"; do
		expect_ok "$name: the agent of $n" agent "$n" once
	done
	[ ! -e "$TRASH/phone/phone.conf" ] || quick down >/dev/null 2>&1
	rm -f "$TRASH/phone/phone.conf"
	expect_ok "$name: the telephone's configuration" "$MESHRC" render phone --repo "$net/repo" \
		--private-key "$TRASH/phone.key" --output "$TRASH/phone/phone.conf"
	expect_ok "$name: comes up" quick up
}
# Behind NAT through relays, everything with everything.
with r1 'relay: true'
with r2 'relay: true'
with phone 'gateway: s1'
converge 'relays' </dev/null
matrix_compare 'relays' "$net/repo" 250 30

# The same with a policy.
with r1 'relay: true'
with r2 'relay: true'
with phone 'gateway: s1'
converge 'relays and a policy' <<-YAML
	policy:
	  - {from: [tag:home], to: [tag:public], on: [tcp/80, icmp]}
	  - {from: [anna], to: [192.168.30.0/24, "fd30:30::/64", phone], on: [tcp/80, icmp]}
	  - {from: [192.168.30.0/24], to: [tag:home, r1, 192.168.20.0/24], on: [tcp/80]}
	  - {from: ["fd30:30::/64"], to: [all, "fd30:20::/64"], on: [icmp]}
	  - {from: [phone], to: [s1, bert, 192.168.20.0/24], on: [tcp/80, icmp]}
	  - {from: [s1], to: [phone, r2]}
YAML
matrix_compare 'relays and a policy' "$net/repo" 50 150

# A hub that passes on; the policy is at the ends.
with phone 'gateway: r1'
converge 'a star' <<-YAML
	topology:
	  - star: {hubs: [r1], spokes: [tag:home, r2, s1]}
	policy:
	  - {from: [all], to: [all], on: [icmp, tcp/80]}
	  - {from: [tag:home, r1], to: [192.168.30.0/24], on: [tcp/80]}
	  - {from: [192.168.20.0/24, "fd30:20::/64"], to: [192.168.30.0/24, "fd30:30::/64", s1], on: [icmp, tcp/80]}
YAML
matrix_compare 'a star' "$net/repo" 100 100

# A hub that does not, and a telephone at a spoke that cannot be joined to others by it.
with phone 'gateway: s1'
converge 'a star without transit' <<-YAML
	topology:
	  - star: {hubs: [r1], spokes: [tag:home, r2, s1], transit: false}
YAML
matrix_compare 'a star without transit' "$net/repo" 60 150

# An exit: for a node behind NAT, for a node with a site, and for what is behind it; and for a telephone.
with anna 'exit_node: r2'
with s1 'exit_node: r2'
with phone $'gateway: r2\n    allowed_ips: [0.0.0.0/0, "::/0"]'
converge 'an exit' <<-YAML
	topology:
	  - link: {between: [tag:home, s1], and: [tag:public]}
YAML
matrix_compare 'an exit' "$net/repo" 150 50

with anna 'exit_node: r2'
with s1 'exit_node: r2'
with phone $'gateway: r2\n    allowed_ips: [0.0.0.0/0, "::/0"]'
converge 'an exit and a policy' <<-YAML
	topology:
	  - link: {between: [tag:home, s1], and: [tag:public]}
	policy:
	  - {from: [anna, phone, 192.168.30.0/24], to: [0.0.0.0/0], on: [tcp/80]}
	  - {from: [phone], to: ["::/0"], on: [icmp, tcp/80]}
	  - {from: [tag:public, 192.168.30.0/24], to: [tag:home, phone, 192.168.20.0/24], on: [tcp/80]}
	  - {from: [tag:home], to: [tag:site, 192.168.30.0/24, "fd30:30::/64"], on: [icmp, tcp/80]}
YAML
matrix_compare 'an exit and a policy' "$net/repo" 30 200

# Some with some, and a relay for one pair alone.
with r2 'relay: true'
with phone 'gateway: r1'
converge 'links' <<-YAML
	topology:
	  - link: {between: [anna], and: [bert, r1]}
	  - mesh: [r2, tag:home]
	  - link: {between: [s1], and: [r1]}
	policy:
	  - {from: [all, 192.168.20.0/24, "fd30:20::/64"], to: [all], on: [icmp, tcp/80]}
	  - {from: [all], to: [192.168.20.0/24, "fd30:20::/64", 192.168.30.0/24], on: [tcp/80]}
YAML
matrix_compare 'links' "$net/repo" 40 150

matrix_total
quick down >/dev/null 2>&1
for node in "${nodes[@]}"; do
	expect_ok "$node: down" agent "$node" down
done
done_testing
