#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An exit on the kernel's WireGuard, and its rules on the kernel of Debian: see 15-exit.sh.
# timeout: 600

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg nft || skip_all 'needs git, wg and nft'
data=$TRASH/data
mkdir "$data"
pub_init "$TRASH/net" || skip_all 'init failed'
declare -A key=()
for n in exit cons; do key[$n]=$(key_pair "$data/$n.key"); done
publish() { # NAME LINE OF cons
	cat >"$TRASH/net/repo/networks/roam.yaml" <<-YAML
		version: 1
		addresses: [10.77.0.0/24, "fd77::/64"]
		nodes:
		  exit: {public_key: ${key[exit]}, endpoint: 192.0.2.1, addresses: [10.77.0.1, "fd77::1"]}
		  cons: {public_key: ${key[cons]}, addresses: [10.77.0.2, "fd77::2"]$2}
		policy:
		  - {from: [cons], to: [exit, 0.0.0.0/0, "::/0"], on: [icmp]}
	YAML
	pub_apply "$TRASH/net" "$data/$1" || not_ok "apply $1"
}
publish 1 ', exit_node: exit'
publish 2 ', exit_node: exit, table: 100'
publish 3 ''
publish 4 ', exit_node: exit'
cp "$TRASH/net/root" "$data/root"
[ "$tap_failed" -eq 0 ] || done_testing

vm -t 560 -a "$data:/data" "$ROOT/tests/vm/15-exit.sh"
