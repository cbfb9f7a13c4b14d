#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
#
# What `meshrc reach` works out against packets, as 45-matrix.t, where machines are neighbours: two offices, each
# behind a NAT box, with three machines in its network, a host there that knows nothing of WireGuard, and in one of
# them a network behind one of the machines. They are sites with leaders, or meet by endpoints that they alone see.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/lib-matrix.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace wg-quick python3 nft ping

net=$TRASH/net
nodes=(ber1 ber2 ber3 lis1 lis2 lis3 anna r1 r2)

# ---------------------------------------------------------------- the world
# office NAT NUMBER HOST...: hosts 192.168.NUMBER.2 and so on in a network behind the box
office() {
	local nat=$1 number=$2 host i=1
	shift 2
	net_exec "$nat" ip -batch - <<-BATCH || return 1
		link add lan$number type bridge forward_delay 0 stp_state 0 mcast_snooping 0
		link set lan$number up
		addr add 192.168.$number.1/24 dev lan$number
		addr add fd30:$number::1/64 dev lan$number nodad
	BATCH
	for host in "$@"; do
		i=$((i + 1))
		net_hold "$host" || return 1
		net_exec "$nat" ip link add "to-$host" type veth peer name eth0 netns "${net_holder[$host]}" || return 1
		net_exec "$nat" ip link set "to-$host" master "lan$number" up
		net_exec "$host" ip -batch - <<-BATCH || return 1
			link set eth0 up
			addr add 192.168.$number.$i/24 dev eth0
			addr add fd30:$number::$i/64 dev eth0 nodad
			route add default via 192.168.$number.1
			route add default via fd30:$number::1
		BATCH
	done
}
# box NAT ADDRESS: masquerades, lets nothing in unasked, and passes port 51820 on to the address
box() {
	net_forward "$1" || return 1
	# Where the machine has packets of bridges filtered too, those of neighbours would be.
	net_exec "$1" sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$f" ] || echo 0 >"$f"; done'
	net_exec "$1" nft -f - <<-NFT
		table inet nat {
			chain in { type nat hook prerouting priority dstnat; iifname "eth0" udp dport 51820 dnat ip to $2; }
			chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade random; }
			chain through {
				type filter hook forward priority filter; policy drop
				ct state established,related accept
				ct status dnat accept
				iifname "lan*" oifname "eth0" accept
			}
		}
	NFT
}
expect_ok 'machines on the Internet' net_up r1 r2 nat1 nat2 phone far
expect_ok 'an office' office nat1 1 ber1 ber2 ber3 files
expect_ok 'its NAT box' box nat1 192.168.1.2
expect_ok 'another office' office nat2 2 lis1 lis2 lis3 till
expect_ok 'and its guests' office nat2 3 anna
expect_ok 'their NAT box' box nat2 192.168.2.2
expect_ok 'a host behind one of its machines' net_hold shop
net_exec ber3 ip link add site type veth peer name eth0 netns "${net_holder[shop]}"
net_exec ber3 ip -batch - <<-BATCH
	link set site up
	addr add 192.168.20.1/24 dev site
	addr add fd30:20::1/64 dev site nodad
BATCH
net_exec shop ip -batch - <<-BATCH
	link set eth0 up
	addr add 192.168.20.2/24 dev eth0
	addr add fd30:20::2/64 dev eth0 nodad
	route add default via 192.168.20.1
	route add default via fd30:20::1
BATCH
# The host in the first office sends what is for the networks to the leader; the one in the other knows only
# its NAT box.
net_exec files ip -batch - <<-BATCH
	route add 10.20.0.0/16 via 192.168.1.2
	route add 192.168.2.0/24 via 192.168.1.2
	route add 192.168.20.0/24 via 192.168.1.2
	route add fd20::/64 via fd30:1::2
	route add fd30:2::/64 via fd30:1::2
	route add fd30:20::/64 via fd30:1::2
BATCH
# Everywhere what is in no network goes to a provider who does not know the way. But for what is outside: r2 knows it,
# and the NAT box of the first office for the leader alone.
net_exec r1 ip route add default via "$(net_addr4 nat1)"
net_exec r1 ip -6 route add default via "$(net_addr6 nat1)"
net_exec far ip -batch - <<-BATCH
	addr add 203.0.113.9/32 dev lo
	addr add 2001:db8:f::9/128 dev lo nodad
BATCH
net_exec r2 ip route add 203.0.113.9 via "$(net_addr4 far)"
net_exec r2 ip -6 route add 2001:db8:f::9 via "$(net_addr6 far)"
net_exec nat1 ip rule add from 192.168.1.2 lookup 200
net_exec nat1 ip -6 rule add from fd30:1::2 lookup 200
net_exec nat1 ip route add 203.0.113.9 via "$(net_addr4 far)" table 200
net_exec nat1 ip -6 route add 2001:db8:f::9 via "$(net_addr6 far)" table 200

machines() {
	cat <<-HOSTS
		ber1 10.20.0.11 fd20::11
		ber2 10.20.0.12 fd20::12
		ber3 10.20.0.13 fd20::13
		lis1 10.20.0.21 fd20::21
		lis2 10.20.0.22 fd20::22
		lis3 10.20.0.23 fd20::23
		anna 10.20.0.24 fd20::24
		r1 10.20.0.1 fd20::1
		r2 10.20.0.2 fd20::2
		phone 10.20.0.31 fd20::31
		shop 192.168.20.2 fd30:20::2 192.168.20.0/24 fd30:20::/64 ber3
		far 203.0.113.9 2001:db8:f::9 outside
	HOSTS
}
in_the_offices() {
	cat <<-HOSTS
		files 192.168.1.5 fd30:1::5 192.168.1.0/24 fd30:1::/64 ber1
		till 192.168.2.5 fd30:2::5 192.168.2.0/24 fd30:2::/64 lis1 mute
	HOSTS
}
{ machines; in_the_offices; } | matrix_hosts
# In an office all reach its hosts without the network; and who knows the way outside needs nobody.
matrix_beside 'shop ber3' 'ber3 shop' 'r2 far' 'ber1 far' \
	'ber1 files' 'ber2 files' 'ber3 files' 'shop files' 'files ber1' 'files ber2' 'files ber3' \
	'lis1 till' 'lis2 till' 'lis3 till'
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

# with NODE LINE...: what a node, or the client, has besides in the next network
declare -A extra
with() {
	local node=$1
	shift
	extra[$node]=$(printf '    %s\n' "$@")
}
# converge NAME: the network whose rest is on standard input, on all of them
converge() {
	local name=$1 n four six rest
	{
		printf 'version: 1\naddresses: [10.20.0.0/16, "fd20::/64"]\npersistent_keepalive: 1\nnodes:\n'
		while read -r n four six rest; do
			[ -n "${key[$n]:-}" ] || continue
			[ "$n" != phone ] || printf 'clients:\n'
			printf '  %s:\n    public_key: %s\n    addresses: [%s, "%s"]\n' "$n" "${key[$n]}" "$four" "$six"
			[ "$n" != ber3 ] || printf '    routes: [192.168.20.0/24, "fd30:20::/64"]\n'
			[ -z "${extra[$n]:-}" ] || printf '%s\n' "${extra[$n]}"
		done < <(machines)
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
seen_at() { # NODE PEER: where the node sends what is for the peer
	net_exec "$1" wg show mesh endpoints | awk -v k="${key[$2]}" '$1 == k { print $2 }'
}
berlin() {
	with ber1 'site: berlin' "endpoints: {${1:-}site:berlin: 192.168.1.2}"
	with ber2 'site: berlin' 'endpoints: {site:berlin: 192.168.1.3}' "${@:2}"
	with ber3 'site: berlin'
}
lisbon() {
	with lis1 'site: lisbon' 'endpoints: {site:lisbon: 192.168.2.2}'
	with lis2 'site: lisbon'
	with lis3 'site: lisbon' 'endpoints: {site:lisbon: 192.168.2.4}'
}
sites='sites:
  berlin: {leaders: [ber1, ber2], routes: [192.168.1.0/24, "fd30:1::/64"]}
  lisbon: {leaders: [lis1], inside: leader, routes: [{cidr: 192.168.2.0/24, masquerade: true}, {cidr: "fd30:2::/64", masquerade: true}]}'
nat1=$(net_addr4 nat1)

# Leaders: one behind a port that its NAT box passes on, the gateway of a telephone too; one that nobody reaches
# first, with two who meet and may not. anna is behind the same NAT box, not at the site.
berlin "default: $nat1, "
lisbon
with r1 "endpoint: $(net_addr4 r1)"
with r2 "endpoint: $(net_addr4 r2)"
with phone 'gateway: ber1' 'allowed_ips: [10.20.0.0/16, "fd20::/64", 192.168.2.0/24, 192.168.20.0/24, "fd30:20::/64"]'
converge 'sites' <<<"$sites"
matrix_compare 'sites' "$net/repo" 700 100
expect_eq 'neighbours use the addresses of their office' "$(seen_at ber2 ber1) $(seen_at ber3 ber2) $(seen_at lis2 lis1)" \
	'192.168.1.2:51820 192.168.1.3:51820 192.168.2.2:51820'
expect_eq 'others come by the NAT box' "$(seen_at r1 ber1 | cut -d : -f 1) $(seen_at lis1 ber1 | cut -d : -f 1)" \
	"$nat1 $nat1"
expect_eq 'those at the one site are no peers, at the other they are' \
	"$(seen_at lis2 lis3)$(seen_at r1 ber2) $(net_exec ber3 wg show mesh peers | grep -c "${key[ber2]}")" ' 1'

# Both leaders behind NAT, through relays, with a policy.
berlin
lisbon
with r1 "endpoint: $(net_addr4 r1)" 'relay: true' 'tags: [public]'
with r2 "endpoint: $(net_addr4 r2)" 'relay: true' 'tags: [public]'
with phone 'gateway: r1' 'allowed_ips: [10.20.0.0/16, "fd20::/64", 192.168.1.0/24, "fd30:2::/64"]'
converge 'sites, relays and a policy' <<-YAML
	$sites
	policy:
	  - {from: [tag:public, anna], to: [ber2, lis2, 192.168.1.0/24, "fd30:2::/64"], on: [tcp/80, icmp]}
	  - {from: [ber1, ber3, 192.168.1.0/24], to: [lis1, 192.168.2.0/24, phone, tag:public], on: [tcp/80]}
	  - {from: [192.168.20.0/24, "fd30:20::/64"], to: [all, 192.168.2.0/24, "fd30:1::/64"], on: [icmp]}
	  - {from: [all], to: [ber3, 192.168.20.0/24], on: [icmp, tcp/80]}
	  - {from: [phone, lis2], to: [ber1, ber2, lis1, 192.168.1.0/24], on: [tcp/80, icmp]}
	  - {from: [lis1], to: [lis2, "fd30:20::/64"]}
YAML
matrix_compare 'sites, relays and a policy' "$net/repo" 150 600

# A hub that passes on; one leader is the exit of a machine of its site, r2 of one elsewhere and of the telephone.
berlin '' 'exit_node: ber1'
lisbon
with anna 'exit_node: r2'
with r1 "endpoint: $(net_addr4 r1)"
with r2 "endpoint: $(net_addr4 r2)"
with phone 'gateway: r2' 'allowed_ips: [0.0.0.0/0, "::/0"]'
converge 'sites at a hub, and exits' <<-YAML
	$sites
	topology:
	  - star: {hubs: [r1], spokes: [ber2, lis1, anna, r2]}
	  - link: {between: [anna], and: [r2]}
	policy:
	  - {from: [all, 192.168.1.0/24, "fd30:20::/64"], to: [all, 192.168.20.0/24, "fd30:1::/64"], on: [icmp, tcp/80]}
	  - {from: [all], to: [192.168.1.0/24, 192.168.2.0/24, 0.0.0.0/0], on: [tcp/80]}
	  - {from: [ber2, phone], to: ["::/0"], on: [icmp]}
YAML
matrix_compare 'sites at a hub, and exits' "$net/repo" 400 350

expect_eq 'out by the exit at the site, out by the other, and not at all' \
	"$(grep -cE '^(ber2 far 6 icmp|anna far 4 tcp/80|phone far 6 icmp|(ber3|lis1|files) far)' "$TRASH/got")" 3

# No sites: endpoints for those with a tag.
machines | matrix_hosts
neighbours() {
	with ber1 'tags: [berlin]' "endpoints: {${1:-}tag:berlin: 192.168.1.2}"
	with ber2 'tags: [berlin]' 'endpoints: {tag:berlin: 192.168.1.3}'
	with ber3 'tags: [berlin]'
	with lis1 'tags: [lisbon]' 'endpoints: {tag:lisbon: 192.168.2.2}'
	with lis2 'tags: [lisbon]'
	with lis3 'tags: [lisbon, people]' 'endpoints: {tag:lisbon: 192.168.2.4}'
}
neighbours
with r1 "endpoint: $(net_addr4 r1)" 'relay: true'
with r2 "endpoint: $(net_addr4 r2)"
with phone 'gateway: r2' 'allowed_ips: [10.20.0.0/16, "fd20::/64", "fd30:20::/64"]'
converge 'neighbours and a relay' </dev/null
matrix_compare 'neighbours and a relay' "$net/repo" 600 50
expect_eq 'neighbours meet in their office' "$(seen_at ber3 ber1) $(seen_at lis2 lis3) $(seen_at lis1 lis3)" \
	'192.168.1.2:51820 192.168.2.4:51820 192.168.2.4:51820'
expect_eq 'all others go through the relay' "$(seen_at ber1 lis1)$(seen_at anna ber2)" ''

# The same without a relay, some with some, one by a port that its NAT box passes on.
neighbours "default: $nat1, "
with r1 "endpoint: $(net_addr4 r1)"
with r2 "endpoint: $(net_addr4 r2)"
with lis3 'tags: [lisbon, people]' 'endpoints: {tag:lisbon: 192.168.2.4}' 'exit_node: r2'
with anna 'tags: [people]'
with phone 'gateway: ber1'
converge 'neighbours, links and a policy' <<-YAML
	topology:
	  - mesh: [tag:berlin]
	  - mesh: [tag:lisbon]
	  - link: {between: [ber1, ber2, r2], and: [tag:lisbon]}
	  - star: {hubs: [r1], spokes: [ber3, r2, anna], transit: false}
	policy:
	  - {from: [tag:berlin, phone, r2], to: [tag:lisbon, 192.168.20.0/24, r1], on: [tcp/80, icmp]}
	  - {from: [tag:lisbon, anna], to: [tag:berlin, r1, r2, phone, "::/0", "fd30:20::/64"], on: [tcp/80]}
	  - {from: [192.168.20.0/24], to: [all], on: [icmp]}
YAML
matrix_compare 'neighbours, links and a policy' "$net/repo" 60 550
expect_eq 'one is seen at two places' "$(seen_at ber2 ber1) $(seen_at lis1 ber1 | cut -d : -f 1)" "192.168.1.2:51820 $nat1"

matrix_total
quick down >/dev/null 2>&1
for node in "${nodes[@]}"; do
	expect_ok "$node: down" agent "$node" down
done
done_testing
