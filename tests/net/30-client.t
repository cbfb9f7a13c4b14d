#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A telephone without the agent: its configuration is read back from the QR code that `client add` drew,
# wg-quick brings it up, and it reaches the gateway, a node behind it and one behind a hub behind that;
# and they it. Then it moves to another gateway, and then it is removed.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace wg-quick zbarimg ping

net=$TRASH/net
pub_init "$net" || skip_all 'init failed'
declare -A public
for node in fra1 ams1 berta; do
	public[$node]=$(key_pair "$TRASH/$node.key")
done
# The hub is ams1; the first gateway is one of its spokes.
network() {
	cat >"$net/repo/networks/mesh.yaml" <<YAML
version: 1
addresses: [10.20.0.0/16, "fd20:0:0:1::/64"]
persistent_keepalive: 1
nodes:
  fra1: {public_key: ${public[fra1]}, endpoint: 192.0.2.1, addresses: [10.20.0.1, "fd20:0:0:1::1"]}
  ams1: {public_key: ${public[ams1]}, endpoint: 192.0.2.2, addresses: [10.20.0.2, "fd20:0:0:1::2"]}
  berta: {public_key: ${public[berta]}, addresses: [10.20.0.3, "fd20:0:0:1::3"]}
topology:
  - star: {hubs: [ams1], spokes: [fra1, berta]}
YAML
}
network
expect_ok 'client add draws a code' "$MESHRC" client add phone --gateway fra1 --repo "$net/repo" \
	--format png --output "$TRASH/phone.png"
mkdir -m 700 "$TRASH/phone"
(umask 077 && zbarimg -q --raw "$TRASH/phone.png" >"$TRASH/phone/phone.conf" 2>/dev/null)
expect_match 'which is read back' "$(<"$TRASH/phone/phone.conf")" '^Endpoint = 192\.0\.2\.1:51820$'
pub_apply "$net" || not_ok 'apply'
cp "$net/repo/networks/mesh.yaml" "$TRASH/with-phone.yaml"

expect_ok 'four machines, and one that is in no network' net_up fra1 ams1 berta phone far
once() { # NODE
	net_exec "$1" "$AGENT" once --url "file://$net/www" --network mesh --node "$1" --trust "$net/root" \
		--private-key "$TRASH/$1.key" --state-dir "$TRASH/state-$1" --backend userspace --quiet
}
everybody() {
	local node
	for node in fra1 ams1 berta; do
		expect_ok "the agent of $node" once "$node"
	done
}
everybody
quick() { WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go net_exec phone wg-quick "$1" "$TRASH/phone/phone.conf"; }
pings() { # FROM ADDRESS
	net_exec "$1" ping -n -c 1 -W 2 "$2" >/dev/null 2>&1
}
reaches() { # FROM TO ADDRESS...
	local from=$1 to=$2 address
	shift 2
	for address in "$@"; do
		expect_ok "$from reaches $to at $address" wait_for 15 pings "$from" "$address"
	done
}

expect_ok 'wg-quick brings the telephone up' quick up
phone4=$(net_exec phone ip -4 -o addr show dev phone | awk '{ print $4 }')
phone6=$(net_exec phone ip -6 -o addr show dev phone scope global | awk '{ print $4 }')
expect_match 'with its addresses alone' "$phone4 $phone6" '^10\.20\.[0-9.]+/32 fd20:0:0:1::[0-9a-f]+/128$'
phone4=${phone4%/*} phone6=${phone6%/*}
reaches phone 'the gateway' 10.20.0.1 fd20:0:0:1::1
expect_match 'which sees its handshake' "$(net_exec fra1 wg show mesh latest-handshakes | awk '$2')" '.'
reaches phone 'the hub' 10.20.0.2 fd20:0:0:1::2
reaches phone 'a spoke behind the hub' 10.20.0.3 fd20:0:0:1::3
reaches ams1 'the telephone' "$phone4" "$phone6"
reaches berta 'the telephone' "$phone4" "$phone6"

# Another gateway: what stands in the telephone no longer leads anywhere; its new file does.
sed -i '/^  phone:/,$s/gateway: fra1/gateway: ams1/' "$net/repo/networks/mesh.yaml"
pub_apply "$net" || not_ok 'apply: moved'
everybody
expect_no_match 'the old gateway has it no more' "$(net_exec fra1 wg show mesh allowed-ips)" "\\b${phone4//./\\.}/32"
expect_ok 'down' quick down
key=$(sed -n 's/^PrivateKey = //p' "$TRASH/phone/phone.conf")
(umask 077 && printf '%s\n' "$key" >"$TRASH/phone.key")
expect_ok 'its new code' "$MESHRC" render phone --repo "$net/repo" --private-key "$TRASH/phone.key" --format png --output "$TRASH/moved.png"
zbarimg -q --raw "$TRASH/moved.png" >"$TRASH/phone/phone.conf" 2>/dev/null
expect_match 'has another endpoint' "$(<"$TRASH/phone/phone.conf")" '^Endpoint = 192\.0\.2\.2:51820$'
expect_match 'and the same addresses' "$(<"$TRASH/phone/phone.conf")" "^Address = $phone4/32, $phone6/128\$"
expect_ok 'up again' quick up
reaches phone 'the new gateway' 10.20.0.2 fd20:0:0:1::2
reaches phone 'the old one, through it' 10.20.0.1
reaches berta 'the telephone' "$phone4" "$phone6"

# Everything into the tunnel: the gateway lets it out again under its own address, since nobody outside
# knows a way back to any other.
net_exec far ip addr add 203.0.113.9/32 dev lo
net_exec ams1 ip route add 203.0.113.9 via "$(net_addr4 far)"
expect_fail 'what is outside is not reached' pings phone 203.0.113.9
expect_ok 'down' quick down
sed -i '/^  phone:/a\    allowed_ips: [0.0.0.0/0, "::/0"]' "$net/repo/networks/mesh.yaml"
pub_apply "$net" || not_ok 'apply: everything'
everybody
expect_match 'the gateway masquerades' "$(net_exec ams1 nft list table inet meshrc-mesh)" 'masquerade'
expect_no_match 'and no other node' "$(net_exec fra1 nft list ruleset)" 'masquerade'
expect_ok 'its code' "$MESHRC" render phone --repo "$net/repo" --private-key "$TRASH/phone.key" --format png --output "$TRASH/all.png"
zbarimg -q --raw "$TRASH/all.png" >"$TRASH/phone/phone.conf" 2>/dev/null
expect_match 'says so' "$(<"$TRASH/phone/phone.conf")" '^AllowedIPs = 0\.0\.0\.0/0, ::/0$'
expect_ok 'up once more' quick up
reaches phone 'the outside' 203.0.113.9
reaches phone 'a spoke behind the hub' 10.20.0.3 fd20:0:0:1::3
reaches berta 'the telephone' "$phone4" "$phone6"

# Removed, it reaches nobody.
network
pub_apply "$net" || not_ok 'apply: removed'
everybody
expect_eq 'nobody has a trace of it' "$(for node in fra1 ams1 berta; do net_exec "$node" wg show mesh allowed-ips; done | grep -c "${phone4//./\\.}/32")" 0
expect_fail 'the telephone is cut off' pings phone 10.20.0.2
expect_ok 'and the nodes are not' pings berta 10.20.0.1
expect_ok 'down' quick down
for node in fra1 ams1 berta; do
	expect_ok "$node down" net_exec "$node" "$AGENT" down --network mesh --node "$node" --state-dir "$TRASH/state-$node" --backend userspace --quiet
done
done_testing
