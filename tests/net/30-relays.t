#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two nodes behind two NAT boxes that masquerade, both with the same addresses inside, and two relays
# with public ones: from YAML to packets that arrive, both ways, over one relay, in IPv4 and IPv6.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace nft ping jq

net=$TRASH/net

expect_ok 'two relays and two NAT boxes' net_up r1 r2 nat1 nat2
expect_ok 'anna behind one' net_behind_nat anna nat1
expect_ok 'bert behind the other' net_behind_nat bert nat2
pings() { net_exec "$1" ping -q -n -c 1 -W "${3:-5}" "$2"; }
expect_ok 'anna reaches what is public' pings anna "$(net_addr4 r1)"
expect_fail 'nobody reaches anna by her address' pings r1 192.168.1.2 1

# ---------------------------------------------------------------- YAML to interfaces
pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in anna bert r1 r2; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
cat >"$net/repo/networks/mesh.yaml" <<YAML
version: 1
addresses: [10.20.0.0/24, "fd20::/64"]
persistent_keepalive: 1
nodes:
  anna: {public_key: ${key[anna]}, addresses: [10.20.0.11, "fd20::11"]}
  bert: {public_key: ${key[bert]}, addresses: [10.20.0.12, "fd20::12"], routes: [10.77.0.0/24]}
  r1: {public_key: ${key[r1]}, endpoint: $(net_addr4 r1), addresses: [10.20.0.1, "fd20::1"], relay: true}
  r2: {public_key: ${key[r2]}, endpoint: $(net_addr4 r2), addresses: [10.20.0.2, "fd20::2"], relay: true}
YAML
expect_ok 'no pair is without a way' "$MESHRC" validate --strict --repo "$net/repo"
expect_ok 'published' pub_apply "$net"
cp -a "$net/www" "$TRASH/www"

agent() { # NODE COMMAND...
	net_exec "$1" "$AGENT" "$2" --url "file://$TRASH/www" --network mesh --node "$1" --trust "$net/root" \
		--private-key "$TRASH/$1.key" --state-dir "$TRASH/state-$1" --backend userspace "${@:3}"
}
for node in anna bert r1 r2; do
	expect_ok "$node converges" agent "$node" once
done
expect_ok 'again, with nothing to do' agent anna once --json
expect_eq 'and nothing done' "$(stat_of operations <"$OUT")" 0
# What a document with forward=yes asks for; on machines that forward already it changes nothing.
net_forward r1
net_forward r2
net_exec bert ip addr add 10.77.0.1/32 dev lo

entries() { net_exec "$1" wg show mesh allowed-ips; }
relay_of() { # NODE ADDRESS: under which relay the address stands
	entries "$1" | awk -v r1="${key[r1]}" -v r2="${key[r2]}" -v a="$2" '
		index($0 " ", " " a " ") || index($0, "\t" a " ") { print $1 == r1 ? "r1" : $1 == r2 ? "r2" : "another" }'
}
expect_eq 'anna has entries for the relays alone' "$(entries anna | wc -l)" 2
relay=$(relay_of anna 10.20.0.12/32)
expect_match 'one of which carries bert' "$relay" '^r[12]$'
expect_eq 'and what is behind him' "$(relay_of anna 10.77.0.0/24)" "$relay"
expect_eq 'the same carries anna for bert' "$(relay_of bert 10.20.0.11/32)" "$relay"

# ---------------------------------------------------------------- packets
both_know() { # the relay has heard from both: keepalives hold the ways through NAT open
	[ "$(net_exec "$relay" wg show mesh latest-handshakes | awk '$2 > 0' | wc -l)" -ge 2 ]
}
expect_ok 'both are known to the relay' wait_for 20 both_know
carried() { net_exec "$relay" wg show mesh transfer | awk -v k="${key[$1]}" '$1 == k { print $2 }'; }
before=$(carried anna)
for to in 'anna 10.20.0.12' 'bert 10.20.0.11' 'anna fd20::12' 'bert fd20::11' 'anna 10.77.0.1'; do
	# shellcheck disable=SC2086 # two words
	expect_ok "from $to" pings $to
done
hops() { net_exec "$1" ping -n -c 1 -W 5 "$2" | sed -n 's/.*ttl=\([0-9]*\).*/\1/p'; }
expect_eq 'over one node in between' "$(hops anna 10.20.0.12) $(hops bert 10.20.0.11) $(hops anna fd20::12)" '63 63 63'
expect_ok 'which is the relay' test "$(carried anna)" -gt "$before"
expect_ok 'large ones too' net_exec anna ping -q -n -c 3 -i 0.2 -s 4000 -W 5 10.20.0.12
expect_eq 'the relay reaches both itself' "$(pings "$relay" 10.20.0.11 >/dev/null && pings "$relay" 10.20.0.12 >/dev/null && echo yes)" yes
net_exec "$relay" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
expect_fail 'without forwarding it carries nothing' pings anna 10.20.0.12 1
net_forward "$relay"
expect_ok 'with it again' pings anna 10.20.0.12

# ---------------------------------------------------------------- the relay goes, the other takes over
other=r1
[ "$relay" = r2 ] || other=r2
sed -i "/^  $relay:/s/, relay: true//" "$net/repo/networks/mesh.yaml"
expect_ok 'a plan without it' "$MESHRC" plan --json --repo "$net/repo"
expect_eq 'loses nobody' "$(jq .summary.pairs_lost "$OUT")" 0
expect_ok 'published' pub_apply "$net"
rm -r "$TRASH/www" && cp -a "$net/www" "$TRASH/www"
for node in anna bert r1 r2; do
	expect_ok "$node follows" agent "$node" once
done
net_forward "$other"
expect_eq 'the other one carries bert' "$(relay_of anna 10.20.0.12/32)" "$other"
expect_ok 'from anna to bert' pings anna 10.20.0.12
expect_ok 'and back' pings bert 10.20.0.11
net_exec "$relay" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
expect_ok 'without the first one' pings anna 10.20.0.12

for node in anna bert r1 r2; do
	expect_ok "$node: down" agent "$node" down
	expect_fail "$node: no interface is left" net_exec "$node" ip link show mesh
done
done_testing
