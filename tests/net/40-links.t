#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Routed links: four routers, each pair with an interface of its own, and BIRD above them, which speaks
# OSPF in IPv4 and IPv6 over the links and finds another way when one dies. Then a changed network takes
# one link away and touches nothing else; and `down` leaves nothing.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

PATH=$PATH:/usr/sbin
need_userspace nft ping jq bird birdc

net=$TRASH/net
nodes=(r1 r2 r3 r4)
count() { jq "if .stats | has(\"$1\") then .stats.$1 else .$1 end" <"$OUT"; }
host() {
	net_snapshot "$1"
	net_exec "$1" ls /run/wireguard
}
# All about the interfaces of a node but what passes over them.
interfaces() {
	net_exec "$1" sh -c '
		ip -o link show | sed "s/ qlen.*//"; ip -o addr show | sed "s/ *valid_lft.*//"
		wg show all dump' | awk -F '\t' -v OFS='\t' 'NF > 6 { $6 = $7 = $8 = "" } { print }' |
		sed 's/ (none)//' | sort
}
without() { grep -v "$1"; }
way() { net_exec "$1" ip route get "$2" | grep -o 'dev [^ ]*' | cut -d ' ' -f 2; }
goes() { [ "$(way "$1" "$2")" = "$3" ]; }
reaches() { # NODE ADDRESS OWN
	net_exec "$1" ping -n -q -c 1 -W 1 -I "$3" "$2" >/dev/null
}

pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in "${nodes[@]}" anna; do
	key[$node]=$(key_pair "$TRASH/$node.key")
	agent_conf "$node" backbone "file://$net/www" "$net/root" "$TRASH" userspace
done
network() { # with whom r4 has links
	local i
	{
		cat <<-YAML
			version: 1
			addresses: [10.30.0.0/24, "fd30::/64"]
			interface: bb0
			nodes:
			  anna: {public_key: "${key[anna]}", addresses: [10.30.0.9, "fd30::9"]}
		YAML
		for i in 1 2 3 4; do
			echo "  r$i: {public_key: \"${key[r$i]}\", endpoint: 192.0.2.$i, addresses: [10.30.0.$i, \"fd30::$i\"]}"
		done
		cat <<-YAML
			topology:
			  - mesh: [r1, r2, r3]
			    interface_per_link: true
			  - link: {between: [r4], and: $1}
			    interface_per_link: true
			  - link: {between: [r1], and: [anna]}
			routed_links:
			  transfer: [10.99.0.0/24, "fd99::/64"]
		YAML
	} >"$net/repo/networks/backbone.yaml"
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
network '[r1, r2, r3]'
expect_ok 'four nodes' net_up "${nodes[@]}" anna
for node in "${nodes[@]}"; do
	host "$node" >"$TRASH/$node.fresh"
done

# ---------------------------------------------------------------- one that cannot be made
net_exec r1 ip link add wl-r3 type veth peer name theirs
expect_status 'a link whose name somebody else has' 1 agent r1 once --json
expect_match 'is named' "$(<"$ERR")" 'interface wl-r3: it is there and is no WireGuard interface'
expect_eq 'and holds no other up' "$(net_exec r1 wg show interfaces | xargs -n 1 | sort | xargs)" 'bb0 wl-r2 wl-r4'
expect_eq 'each is told' "$(jq -r '.links[] | "\(.interface) \(.peer) \(.converged)"' <"$OUT" | xargs)" \
	'wl-r2 r2 true wl-r3 r3 false wl-r4 r4 true'
expect_ok 'status' agent r1 status
expect_match 'says so' "$(<"$OUT")" 'condition +in force, but not all routed links'
expect_match 'with the reason' "$(<"$OUT")" 'last error +interface wl-r3'
expect_eq 'what is not ours stays' "$(net_exec r1 ip -d link show wl-r3 | grep -c veth)" 1
net_exec r1 ip link del wl-r3
expect_ok 'plan' agent r1 plan
expect_match 'says what is left to do' "$(<"$OUT")" 'wl-r3: create the interface'
expect_ok 'once' agent r1 once
expect_ok 'status' agent r1 status --json
expect_eq 'all is well' "$(jq -r .condition <"$OUT")" 'in force'

# ---------------------------------------------------------------- up
for node in r2 r3 r4 anna; do
	expect_ok "$node: once" agent "$node" once
done
expect_eq 'a link has its own addresses' "$(net_exec r1 ip -o addr show dev wl-r2 | awk '{ print $4 }' | grep -v '^fe80::[0-9a-f]*:' | xargs)" \
	'10.99.0.0/31 fd99::/127 fe80::1/64'
expect_eq 'at the other end too' "$(net_exec r2 ip -o addr show dev wl-r1 | awk '{ print $4 }' | grep -v '^fe80::[0-9a-f]*:' | xargs)" \
	'10.99.0.1/31 fd99::1/127 fe80::2/64'
expect_eq 'it lets everything through' "$(net_exec r1 wg show wl-r2 allowed-ips | cut -f 2)" '0.0.0.0/0 ::/0'
expect_eq 'and makes no route' "$(net_exec r1 ip route show proto 77; net_exec r1 ip -6 route show proto 77)" ''
expect_eq 'a router without other peers has its address alone' "$(net_exec r2 ip -o -4 addr show dev bb0 | awk '{ print $4 }')" 10.30.0.2/32
expect_eq 'it forwards' "$(net_exec r2 cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | xargs)" '1 1'
for a in 10.99.0.1 fd99::1 fe80::2%wl-r2; do
	expect_ok "the other end answers at $a" net_exec r1 ping -n -q -c 1 -W 5 "$a"
done
expect_ok 'anna, on the main interface' net_exec anna ping -n -q -c 1 -W 5 10.30.0.1
expect_ok 'once more' agent r1 once --json
expect_eq 'sends nothing' "$(count set_messages) $(count operations) $(count host_sets)" '0 0 0'
expect_ok 'status' agent r1 status
expect_match 'has the links' "$(<"$OUT")" 'routed links 3'
expect_match 'each with its peer' "$(<"$OUT")" 'wl-r2 +r2 +192\.0\.2\.2:52000 +handshake'

# ---------------------------------------------------------------- BIRD
for i in 1 2 3 4; do
	cat >"$TRASH/r$i.bird" <<-BIRD
		log stderr all;
		router id 10.30.0.$i;
		protocol device { scan time 1; }
		protocol kernel { ipv4 { export where source ~ [ RTS_OSPF, RTS_OSPF_IA, RTS_OSPF_EXT1, RTS_OSPF_EXT2 ]; }; }
		protocol kernel { ipv6 { export where source ~ [ RTS_OSPF, RTS_OSPF_IA, RTS_OSPF_EXT1, RTS_OSPF_EXT2 ]; }; }
		protocol ospf v2 {
			ipv4 { };
			area 0 {
				interface "wl-*" { type ptp; hello 1; dead count 3; };
				interface "bb0" { stub yes; };
			};
		}
		protocol ospf v3 {
			ipv6 { };
			area 0 {
				interface "wl-*" { type ptp; hello 1; dead count 3; };
				interface "bb0" { stub yes; };
			};
		}
	BIRD
	net_start "r$i" bird -f -c "$TRASH/r$i.bird" -s "$TRASH/r$i.ctl"
done
all_reach() {
	local i j
	for i in 1 2 3 4; do
		for j in 1 2 3 4; do
			[ "$i" = "$j" ] || { reaches "r$i" "10.30.0.$j" "10.30.0.$i" && reaches "r$i" "fd30::$j" "fd30::$i"; } || return 1
		done
	done
}
expect_ok 'every router reaches every other, in IPv4 and IPv6' wait_for 40 all_reach
expect_eq 'by the shortest way' "$(way r1 10.30.0.4) $(way r1 fd30::4)" 'wl-r4 wl-r4'
anna_reaches() { net_exec anna ping -n -q -c 1 -W 1 "$1" >/dev/null; }
expect_ok 'anna has her way to r1' anna_reaches 10.30.0.1

# One link dies: its packets are lost, in both directions.
port=$(net_exec r1 wg show wl-r4 listen-port)
net_exec r1 nft "table inet cut { chain in { type filter hook input priority 0; udp dport $port drop; }; }"
other() { case $(way "$1" "$2") in wl-r2 | wl-r3) ;; *) false ;; esac; }
expect_ok 'a link dies: IPv4 finds another way' wait_for 20 other r1 10.30.0.4
expect_ok 'and IPv6' wait_for 20 other r1 fd30::4
expect_ok 'and back' wait_for 20 other r4 10.30.0.1
expect_ok 'all reach all' wait_for 20 all_reach
net_exec r1 nft delete table inet cut
expect_ok 'the link lives again, and is taken again' wait_for 30 goes r1 10.30.0.4 wl-r4

# ---------------------------------------------------------------- one link less
for node in "${nodes[@]}"; do interfaces "$node" >"$TRASH/$node.before"; done
before=$(git -C "$net/repo" rev-parse published)
network '[r2, r3]'
git -C "$net/repo" diff --unified=0 "$before" published -- backbone >"$TRASH/diff"
expect_eq 'what is published of it: a line of links and two of nodes' \
	"$(grep -hE '^\+(link|unlinked|node|record|member|freed|gone) ' "$TRASH/diff" | cut -d ' ' -f 1-3 | sed 's/ key=.*//' | sort | xargs)" \
	'+node r1 +node r4 +unlinked r1 r4'
expect_ok 'plan' agent r1 plan
expect_match 'says which interface goes' "$(<"$OUT")" 'remove interface wl-r4'
for node in "${nodes[@]}"; do
	expect_ok "$node: once" agent "$node" once --json
	case $node in
	r2 | r3) expect_eq "$node: has nothing to do" "$(count set_messages)" 0 ;;
	*) expect_eq "$node: one message" "$(count set_messages)" 1 ;;
	esac
done
expect_fail 'the interface has gone' net_exec r1 ip link show wl-r4
for node in "${nodes[@]}"; do
	interfaces "$node" >"$TRASH/$node.after"
	case $node in
	r1) without wl-r4 <"$TRASH/$node.before" >"$TRASH/want" ;;
	r4) without wl-r1 <"$TRASH/$node.before" >"$TRASH/want" ;;
	*) cp "$TRASH/$node.before" "$TRASH/want" ;;
	esac
	expect_same "$node: nothing else is touched" "$TRASH/$node.after" "$TRASH/want"
done
expect_ok 'and all reach all' wait_for 20 all_reach
network '[r1, r2, r3]'
for node in "${nodes[@]}"; do
	expect_ok "$node: the link comes back" agent "$node" once
done
expect_eq 'with what it had' "$(net_exec r1 wg show wl-r4 listen-port) $(net_exec r1 ip -o -4 addr show dev wl-r4 | awk '{ print $4 }')" \
	"$port $(awk '/wl-r4 +inet /{ print $4 }' "$TRASH/r1.before")"
expect_ok 'and is used' wait_for 30 goes r1 10.30.0.4 wl-r4

# ---------------------------------------------------------------- what somebody else does
net_exec r1 ip link del wl-r2
net_exec r1 ip addr del 10.99.0.2/31 dev wl-r3
net_exec r1 wg set wl-r4 listen-port 40000
expect_ok 'once' agent r1 once
expect_eq 'puts it back' "$(net_exec r1 wg show wl-r4 listen-port) $(net_exec r1 ip -o -4 addr show dev wl-r3 | awk '{ print $4 }') $(net_exec r1 wg show wl-r2 peers)" \
	"$port 10.99.0.2/31 ${key[r2]}"
expect_ok 'all reach all' wait_for 40 all_reach

# ---------------------------------------------------------------- killed in the middle
for node in "${nodes[@]}"; do
	for pid in $(net_pids "$node"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != bird ] || kill "$pid"
	done
done
# Without the endpoint of anna, who has yet to call.
settings() { interfaces r1 | grep -v '^[0-9]*: ' | sed 's/(none)//g' | awk -F '\t' -v OFS='\t' -v anna="${key[anna]}" '$2 == anna { $4 = "" } { print }'; }
settings >"$TRASH/whole"
if have strace; then
	killed=0
	for step in sendto renameat; do
		for ((n = 1; n < 200; n += 5)); do
			agent r1 down --quiet 2>/dev/null
			rm -rf "$TRASH/r1.state"
			ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 net_exec r1 strace -o /dev/null -e "trace=$step" \
				-e "inject=$step:signal=KILL:when=$n" \
				"$AGENT" once --config "$TRASH/r1.conf" --quiet >/dev/null 2>&1 && break
			killed=$((killed + 1))
			capture agent r1 once --json || tap_blame "killed at $step number $n: converges" 'should have converged' agent r1 once
			capture agent r1 once --json --offline
			[ "$STATUS $(count set_messages)" = '0 0' ] ||
				tap_blame "killed at $step number $n: rests" 'should have rested' agent r1 once --offline
		done
	done
	expect_eq "an agent killed at $killed steps is not held up" "$((killed > 5))" 1
	settings >"$TRASH/got"
	expect_same 'all is as it was' "$TRASH/got" "$TRASH/whole"
else
	skip 'an agent killed in the middle' 'needs strace'
fi

# ---------------------------------------------------------------- down
rm -rf "$TRASH/r2.state"
for node in "${nodes[@]}"; do
	expect_ok "$node: down" agent "$node" down --interface bb0
	[ "$node" = r2 ] || expect_eq "$node: leaves nothing" "$(host "$node")" "$(<"$TRASH/$node.fresh")"
done
expect_eq 'without its state, the agent still knows its own interfaces' "$(net_exec r2 ls /run/wireguard)" ''
expect_ok 'anna: down' agent anna down
done_testing
