#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A gateway on the kernel's WireGuard and the kernel of Debian: see 13-gateway.sh.
# timeout: 300

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg nft || skip_all 'needs git, wg and nft'
data=$TRASH/data
mkdir "$data"
pub_init "$TRASH/net" || skip_all 'init failed'
gate=$(key_pair "$data/gate.key")
far=$(key_pair "$data/far.key")
publish() { # NAME ROUTES
	cat >"$TRASH/net/repo/networks/office.yaml" <<-YAML
		version: 1
		addresses: [10.77.0.0/24, "fd77::/64"]
		nodes:
		  gate: {public_key: $gate, endpoint: 192.0.2.1, addresses: [10.77.0.1, "fd77::1"], routes: [$2]}
		  far: {public_key: $far, endpoint: 192.0.2.2, addresses: [10.77.0.2, "fd77::2"]}
	YAML
	pub_apply "$TRASH/net" "$data/$1" || not_ok "apply $1"
}
publish 1 '{cidr: 192.168.10.0/24, masquerade: true}, {cidr: "fd30:10::/64", masquerade: true}'
publish 2 ''
publish 3 '{cidr: 192.168.10.0/24, masquerade: true}'
cp "$TRASH/net/root" "$data/root"
[ "$tap_failed" -eq 0 ] || done_testing

vm -t 240 -a "$data:/data" "$ROOT/tests/vm/13-gateway.sh"
