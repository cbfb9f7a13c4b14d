#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: 4,096 peers, half of them gone, back again, down. /data: the publications `all`
# and `half`, what must stand for each in .want and .routes, root and key.

. tests/lib.sh
. tests/vm/10-lib.sh

cat >"$TRASH/conf" <<-CONF
	url = file://$TRASH/www
	network = big
	node = node-0
	trust = /data/root
	private-key = /data/key
	state-dir = $TRASH/state
	backend = kernel
CONF
snapshot() {
	ip addr
	ip route show table all
	wg show interfaces
}
snapshot >"$TRASH/before"
for step in 'all 4096 0' 'half 2048 2048' 'back 4096 2048' 'down 0 0'; do
	read -r name count peers <<<"$step"
	from=${EPOCHREALTIME/./}
	if [ "$name" = down ]; then
		expect_ok 'down' meshrc-agent down --config "$TRASH/conf"
		took=$(((${EPOCHREALTIME/./} - from) / 1000))
		note "down of 4,096 peers: $took ms"
		# Where each peer waits for the kernel one by one, it takes more than a minute.
		expect_eq 'is a matter of seconds' "$((took < 20000))" 1
		snapshot >"$TRASH/after"
		expect_same 'and leaves nothing' "$TRASH/after" "$TRASH/before"
		continue
	fi
	tree=$name
	if [ "$name" = back ]; then
		# What was accepted is the newest; the older one again is a new start.
		tree=all
		rm -r "$TRASH/state"
	fi
	ln -sfn "/data/$tree" "$TRASH/www"
	expect_ok "$name: once" meshrc-agent once --config "$TRASH/conf" --json --quiet
	note "$name: $(((${EPOCHREALTIME/./} - from) / 1000)) ms, $(stat_of wg_messages <"$OUT") messages to WireGuard, $(stat_of bytes_sent <"$OUT") bytes"
	[ "$peers" = 0 ] || expect_eq "$name: peers sent" "$(stat_of peers_sent <"$OUT")" "$peers"
	expect_eq "$name: peers in the kernel" "$(wg show big dump | awk 'NF == 8' | wc -l)" "$count"
	{ echo '@wg hub'; wg showconf big; } | canon | sort >"$TRASH/got"
	expect_same "$name: as rendered" "$TRASH/got" "/data/$tree.want"
	ip route show dev big proto 77 | awk '{ print $1 }' | sort >"$TRASH/got"
	expect_same "$name: the routes too" "$TRASH/got" "/data/$tree.routes"
	expect_ok "$name: once more" meshrc-agent once --config "$TRASH/conf" --json --quiet
	expect_eq "$name: sends nothing" "$(stat_of set_messages <"$OUT")" 0
done
done_testing
