#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Changes under live traffic, drift and sudden death on the kernel's WireGuard: see 11-changes.sh.
# timeout: 600

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg || skip_all 'needs git and wg'
data=$TRASH/data
mkdir "$data"
pub_init "$TRASH/net" || skip_all 'init failed'

declare -A public=()
for node in a b c d; do
	public[$node]=$(key_pair "$data/$node.key")
done
# nodes C_ENDPOINT C_ROUTES: with the addresses that the nodes get from net_up
network() {
	cat <<-YAML
		version: 1
		addresses: [10.77.0.0/24, "fd77::/64"]
		listen_port: 51820
		nodes:
		  a: {public_key: ${public[a]}, endpoint: 192.0.2.1, addresses: [10.77.0.1, "fd77::1"], routes: [10.91.0.0/24]}
		  b: {public_key: ${public[b]}, endpoint: 192.0.2.2, addresses: [10.77.0.2, "fd77::2"], routes: [10.92.0.0/24, "fd92::/64"]}
		  d: {public_key: ${public[d]}, endpoint: "192.0.2.4:51820", addresses: [10.77.0.4, "fd77::4"], persistent_keepalive: 25}
	YAML
	[ -z "$1" ] || cat <<-YAML
		#
		  c: {public_key: ${public[c]}, endpoint: $1, addresses: [10.77.0.3, "fd77::3"], routes: [$2]}
	YAML
}
publish() { # NAME ENDPOINT ROUTES
	local node
	network "$2" "$3" | sed '/^#/d' >"$TRASH/net/repo/networks/office.yaml"
	pub_apply "$TRASH/net" "$data/$1" || not_ok "apply $1"
	for node in a b c d; do
		[ "$node" != c ] || [ -n "$2" ] || continue
		printf '@wg %s\n' "$node"
		"$MESHRC" render "$node" --repo "$TRASH/net/repo" --format wg |
			sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$data/$node.key")|"
	done | canon | sort >"$data/$1.want"
}
publish 1 192.0.2.3 10.93.0.0/24
publish 2 192.0.2.103 10.93.0.0/24
publish 3 192.0.2.103 '10.93.0.0/24, 10.193.0.0/24'
publish 4 '' ''
publish 5 192.0.2.103 10.93.0.0/24
cp "$TRASH/net/root" "$data/root"
[ "$tap_failed" -eq 0 ] || done_testing

vm -t 540 -a "$data:/data" "$ROOT/tests/vm/11-changes.sh"
