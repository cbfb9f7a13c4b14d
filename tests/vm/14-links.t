#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Routed links on the kernel's WireGuard: see 14-links.sh.
# timeout: 300

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg || skip_all 'needs git and wg'
data=$TRASH/data
mkdir "$data"
pub_init "$TRASH/net" || skip_all 'init failed'
declare -A key=()
for n in a b c; do key[$n]=$(key_pair "$data/$n.key"); done
publish() { # NAME PEERS-OF-a PREFIX
	cat >"$TRASH/net/repo/networks/bone.yaml" <<-YAML
		version: 1
		addresses: [10.77.0.0/24, "fd77::/64"]
		nodes:
		  a: {public_key: ${key[a]}, endpoint: 192.0.2.1, addresses: [10.77.0.1, "fd77::1"]}
		  b: {public_key: ${key[b]}, endpoint: 192.0.2.2, addresses: [10.77.0.2, "fd77::2"]}
		  c: {public_key: ${key[c]}, endpoint: 192.0.2.3, addresses: [10.77.0.3, "fd77::3"]}
		topology:
		  - link: {between: [a], and: $2}
		    interface_per_link: true
		routed_links: {transfer: [10.99.0.0/24, "fd99::/64"], interface_prefix: $3}
	YAML
	pub_apply "$TRASH/net" "$data/$1" || not_ok "apply $1"
}
publish 1 '[b, c]' wl-
publish 2 '[b]' wl-
publish 3 '[b]' bone.
cp "$TRASH/net/root" "$data/root"
[ "$tap_failed" -eq 0 ] || done_testing

vm -t 240 -a "$data:/data" "$ROOT/tests/vm/14-links.sh"
