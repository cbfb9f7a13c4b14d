#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `once`, `plan`, `status` and `down` on a real WireGuard interface (wireguard-go) in a network namespace, with lies in between.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"

net_usable || skip_all "$NET_WHY"
have wireguard-go wg ip python3 || skip_all 'needs wireguard-go, wg, ip and python3'
[ -e /dev/net/tun ] || skip_all 'needs /dev/net/tun'
PUBKIT=$BUILD/tests/pubkit_tool
[ -x "$PUBKIT" ] || make -s -C "$ROOT" ${SAN:+SAN="$SAN"} "$PUBKIT" >&2
cd "$TRASH" || exit 1

"$PUBKIT" wgkey 0 key >/dev/null
k1=$("$PUBKIT" wgkey 1 key1)
k2=$("$PUBKIT" wgkey 2 key2)
k3=$("$PUBKIT" wgkey 3 key3)
"$PUBKIT" root root-1
nodes=('n0,0,10.20.0.1' 'n1,1,10.20.0.2,192.0.2.2:51820' 'n2,2,10.20.0.3,n2.invalid:51820')
hash=-
# publish SERIAL WORD...: the next manifest of a chain
publish() {
	local serial=$1
	shift
	[ "$hash" = - ] || set -- previous="$hash" "$@"
	hash=$("$PUBKIT" publish tree serial="$serial" issued="2026-11-21T10:13:$(printf %02d "$serial")Z" "$@")
}
publish 1 "${nodes[@]}"
cat >agent.conf <<CONF
url = file://$TRASH/tree
network = prod
node = n0
trust = $TRASH/root-1
private-key = $TRASH/key
state-dir = $TRASH/state
backend = userspace
now = 2026-11-22T00:00:00Z
CONF
expect_ok 'a node comes up' net_up one
# The namespace gives the command's own status.
agent() {
	local command=$1
	shift
	net_exec one "$AGENT" "$command" --config agent.conf "$@"
}
show() { net_exec one wg show prod "$@" 2>&1 | sort; }
json() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"d": d}))' "$OUT" "$1"; }

expect_ok 'plan' agent plan
expect_match 'names what it would do' "$(<"$OUT")" 'add peer n1'
expect_fail 'and does nothing' net_exec one ip link show prod
expect_ok 'plan as JSON' agent plan --json
expect_eq 'is JSON' "$(json 'd["serial"], d["interface"], d["peers_changed"], d["changes"][0], d["error"], d["fresh"]')" \
	"(1, 'prod', 2, 'create the interface', None, True)"
expect_ok 'once' agent once
expect_match 'says what it did' "$(<"$ERR")" 'prod: serial 1 \(commit 1111111\) in force: 2 peers; 2 changed, [0-9]+ messages sent'
expect_match 'and whose name was not found' "$(<"$ERR")" 'no address found for n2.invalid'
expect_eq 'nothing on stdout' "$(<"$OUT")" ''
expect_eq 'the peers are there' "$(show peers)" "$(printf '%s\n' "$k1" "$k2" | sort)"
expect_match 'with endpoint' "$(show endpoints)" '192.0.2.2:51820$'
expect_match 'the one that was not found has none' "$(show endpoints)" '\(none\)$'
expect_match 'the address' "$(net_exec one ip -o addr show prod)" '10\.20\.0\.1/16'
expect_ok 'once again' agent once --json
expect_eq 'sends nothing' "$(json 'd["stats"]["set_messages"], d["operations"], d["converged"], d["fresh"], d["serial"]')" \
	'(0, 0, True, True, 1)'
expect_ok 'plan again' agent plan
expect_match 'nothing to change' "$(<"$OUT")" 'nothing to change'
expect_ok 'status' agent status
expect_match 'in force' "$(<"$OUT")" '^condition +in force'
expect_match 'serial' "$(<"$OUT")" '^serial +1$'
expect_match 'since when' "$(<"$OUT")" '^since +2026-11-22T00:00:00Z'
expect_match 'the peers' "$(<"$OUT")" 'n1 .*192.0.2.2:51820 .*no handshake yet'
expect_match 'sorted by name' "$(grep -o '^  n[0-9]' "$OUT" | tr -d ' \n')" '^n1n2$'
expect_ok 'status as JSON' agent status --json
expect_eq 'the same' "$(json 'd["condition"], d["accepted_serial"], sorted(p["name"] for p in d["live"]["peers"])')" \
	"('in force', 1, ['n1', 'n2'])"
private=$(<key)
expect_no_match 'no private key in it' "$(<"$OUT")" "$(sed 's/+/[+]/g' <<<"$private")"
expect_eq 'nor anywhere in the state' "$(grep -rlF "$private" state || true)" ''
expect_eq 'the state is for its owner alone' "$(find state -perm /077)" ''

# One peer changes: one peer in the messages.
publish 2 n0,0,10.20.0.1 n1,1,10.20.0.2,192.0.2.77:51820 n2,2,10.20.0.3,n2.invalid:51820
expect_ok 'a new endpoint' agent once --json
expect_eq 'touches one peer' "$(json 'd["serial"], d["peers_changed"], d["stats"]["peers_sent"]')" '(2, 1, 1)'
expect_match 'which has it' "$(show endpoints)" '192.0.2.77:51820$'
publish 3 n0,0,10.20.0.1 n2,2,10.20.0.3 n3,3,10.20.0.4,192.0.2.4:51820
expect_ok 'a peer goes, another comes' agent once
expect_eq 'so it is' "$(show peers)" "$(printf '%s\n' "$k2" "$k3" | sort)"

# Lies: each is refused, and everything stays.
before=$(show dump)
floors=$(cat state/prod/state.?)
cp -r tree good
keeps() { # NAME REASON
	expect_status "$1" 1 agent once
	expect_match "  ... $2" "$(<"$ERR")" "error: $2: "
	expect_match '  ... and says what stays' "$(<"$ERR")" 'serial 3 .* stays in force'
	expect_eq '  ... it does' "$(show dump)" "$before"
	expect_eq '  ... floors too' "$(cat state/prod/state.?)" "$floors"
	rm -rf tree && cp -r good tree
}
saved=$hash
publish 2 "${nodes[@]}"
keeps 'T07 an older serial, rightly signed' ROLLBACK
hash=$saved
publish 3 "${nodes[@]}"
keeps 'T12 another serial 3' EQUIVOCATION
expect_ok '  ... whose proof is kept' test -s state/prod/equivocation
hash=$saved
"$PUBKIT" publish tree serial=4 previous="$hash" issued=2026-11-21T10:13:01Z "${nodes[@]}" >/dev/null
keeps 'T08 a later serial, issued earlier' REJECT-ORDER
"$PUBKIT" publish tree serial=4 previous="$hash" issued=2026-11-21T11:00:00Z signer=8 "${nodes[@]}" >/dev/null
keeps 'T05 a stranger' UNKNOWN-KEY
"$PUBKIT" publish tree serial=4 previous="$hash" issued=2026-11-21T11:00:00Z "${nodes[@]}" >/dev/null
rm tree/prod/records/*
objects=$(find state/prod/objects -type f | wc -l)
keeps 'T19 no records yet' INCOMPLETE
expect_eq '  ... what came is kept for the next try' "$(($(find state/prod/objects -type f | wc -l) > objects))" 1
rm -rf tree
keeps 'no publication at all' FETCH

# T13: it expires while it is in force.
expect_ok 'T13 expired: it stays' agent once --now 2027-03-01T00:00:00Z
expect_match '  ... STALE' "$(<"$ERR")" 'STALE: serial 3 expired'
expect_eq '  ... untouched' "$(show dump)" "$before"

# Damage by others is mended; without a publication too.
net_exec one wg set prod peer "$k2" remove
net_exec one wg set prod peer "$k1" allowed-ips 10.20.0.9/32
expect_ok 'T71 what somebody changed' agent once
expect_eq 'is put back' "$(show peers)" "$(printf '%s\n' "$k2" "$k3" | sort)"
rm -rf tree
expect_ok 'down' agent down
expect_fail 'the interface is gone' net_exec one ip link show prod
expect_ok 'down again' agent down
expect_match 'there was none' "$(<"$ERR")" 'there was no interface prod'
expect_ok 'status of what is down' agent status
expect_match 'not applied' "$(<"$OUT")" '^condition +not applied'
expect_status 'with the publication gone' 1 agent once
expect_match 'the last good one comes up' "$(<"$ERR")" 'serial 3 .* stays in force: 2 peers; 2 changed'
expect_eq 'whole' "$(show peers)" "$(printf '%s\n' "$k2" "$k3" | sort)"
expect_ok 'offline that is no failure' agent once --offline
expect_match 'and nothing to change' "$(<"$ERR")" 'serial 3 .* in force: 2 peers; nothing to change'
cp -r good tree

# Removal of this node.
publish 4 gone=n0:4 n2,2,10.20.0.3 n3,3,10.20.0.4,192.0.2.4:51820
expect_ok 'removed from the network' agent once
expect_match 'which is told' "$(<"$ERR")" 'node n0 was removed from network prod'
expect_eq 'no peers' "$(show peers)" ''
expect_ok 'the interface is still there' net_exec one ip link show prod
publish 5 "${nodes[@]}"
expect_ok 'and back' agent once
expect_eq 'two peers' "$(show peers | wc -l)" 2

# Somebody else's interface is left alone.
expect_ok 'down' agent down
net_exec one ip link add prod type bridge
expect_status 'an interface of somebody else' 1 agent once
expect_match 'is told' "$(<"$ERR")" 'error: '
expect_match 'and left alone' "$(net_exec one ip -d link show prod)" 'bridge'
expect_status 'down leaves it too' 1 agent down --interface prod
net_exec one ip link del prod
expect_ok 'under another name' agent once --interface mesh7
expect_eq 'it is there' "$(net_exec one wg show interfaces)" mesh7
expect_ok 'down' agent down

# One at a time.
net_exec one flock state/prod/lock sleep 5 &
holder=$!
wait_for 5 sh -c "! flock -n state/prod/lock true"
expect_status 'a second agent' 1 agent once
expect_match 'is told about the first' "$(<"$ERR")" 'another meshrc-agent works on network prod'
expect_ok 'status goes on meanwhile' agent status
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
done_testing
