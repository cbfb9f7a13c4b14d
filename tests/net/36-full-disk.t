#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A relay comes back from a reboot with a full disk: it carries all the same, since whoever would clear the
# disk may come through it.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

net_usable || skip_all "$NET_WHY"
have git wg wireguard-go python3 nft || skip_all 'needs git, wg, wireguard-go, python3 and nft'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'

net=$TRASH/net
agent() { # COMMAND OPTION...
	net_exec r "$AGENT" "$@" --config "$TRASH/r.conf"
}
pub_init "$net" || skip_all 'init failed'
r=$(key_pair "$TRASH/r.key")
p=$(key_pair "$TRASH/p.key")
cat >"$TRASH/r.conf" <<-CONF
	url = file://$net/www
	network = prod
	node = r
	trust = $net/root
	private-key = $TRASH/r.key
	state-dir = $TRASH/r.state
	backend = userspace
CONF
cat >"$net/repo/networks/prod.yaml" <<-YAML
	version: 1
	addresses: [10.20.0.0/16]
	interface: wg0
	nodes:
	  r: {public_key: "$r", endpoint: 192.0.2.1, addresses: [10.20.0.1], relay: true, routes: [{cidr: 192.168.30.0/24, masquerade: true}]}
	  p: {public_key: "$p", addresses: [10.20.0.2]}
	policy:
	  - {from: [p], to: [r, 192.168.30.0/24]}
YAML
pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
state() { net_exec r sh -c 'cat /proc/sys/net/ipv4/ip_forward; ip -br link show wg0 | wc -l; nft list tables'; }

expect_ok 'a host' net_up r
mkdir "$TRASH/r.state"
net_exec r mount -t tmpfs -o size=600k,mode=700 tmpfs "$TRASH/r.state" || skip_all 'no tmpfs'
expect_ok 'once' agent once
up=$(state)
expect_match 'it forwards' "$up" '^1$'
echo 11111111-2222-3333-4444-555555555555 >"$TRASH/boot"
net_exec r sh -c "ip link del wg0
	nft flush ruleset
	echo 0 >/proc/sys/net/ipv4/ip_forward
	mount --bind '$TRASH/boot' /proc/sys/kernel/random/boot_id
	dd if=/dev/zero of='$TRASH/r.state/fill' bs=1k count=2000 2>/dev/null"
expect_fail 'after a reboot, with a full disk' agent once
expect_match 'is told' "$(<"$ERR")" 'No space left on device: it was done all the same, but `down` will not put back'
expect_eq 'and all stands' "$(state)" "$up"
net_exec r rm "$TRASH/r.state/fill"
expect_ok 'with room again' agent once
expect_eq 'all stands' "$(state)" "$up"
expect_ok 'down' agent down
done_testing
