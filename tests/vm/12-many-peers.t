#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 4,096 peers with three prefixes each on the kernel's WireGuard: see 12-many-peers.sh.
# timeout: 600

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg python3 || skip_all 'needs git, wg and python3'
data=$TRASH/data
mkdir "$data"
pub_init "$TRASH/net" || skip_all 'init failed'
first=$(key_pair "$data/key")
for p in all half; do
	without=0
	[ "$p" = all ] || without=2048
	python3 "$ROOT/tests/bench/network.py" star 4097 --routes --first "$first" --without "$without" \
		>"$TRASH/net/repo/networks/big.yaml"
	pub_apply "$TRASH/net" "$data/$p" || not_ok "apply: $p"
	{ echo '@wg hub'; "$MESHRC" render node-0 --repo "$TRASH/net/repo" --format wg; } |
		sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$data/key")|" | canon | sort >"$data/$p.want"
	"$MESHRC" render node-0 --repo "$TRASH/net/repo" --format json |
		sed -n 's/.*"\(100\.[^"]*\)".*/\1/p' | sort >"$data/$p.routes"
done
cp "$TRASH/net/root" "$data/root"
[ "$(wc -l <"$data/all.want") $(wc -l <"$data/half.routes")" = '4097 2048' ] || not_ok 'a configuration of 4,096 peers'
[ "$tap_failed" -eq 0 ] || done_testing

vm -t 540 -a "$data:/data" "$ROOT/tests/vm/12-many-peers.sh"
