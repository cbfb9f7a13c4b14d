#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# alone: it measures time
#
# 1,000 nodes behind NAT in a full mesh with two relays: 999,000 ways from one to another, of which none
# may be written down by itself. Times are printed, not judged.
. "$(dirname "$0")/lib.sh"

nodes=1000
repo=$TRASH/repo

have python3 || skip_all 'needs python3'

# network NODES OPTION...: relays without a region, or one in each of two (with --regions)
network() {
	python3 - "$@" >"$repo/networks/nat.yaml" <<'PY'
import base64, hashlib, sys

count, regions = int(sys.argv[1]), "--regions" in sys.argv
relays = [r for r in ("relay1", "relay2") if f"--without-{r}" not in sys.argv]

def key(name):
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()

print("version: 1\naddresses: [10.0.0.0/8]\npersistent_keepalive: 25\nnodes:")
for i, name in enumerate(("relay1", "relay2")):
    print(f"  {name}:\n    public_key: {key(name)}\n    endpoint: {name}.example.net")
    if name in relays:
        print("    relay: true")
    if regions:
        print(f"    region: {('eu', 'us')[i]}")
for i in range(count):
    print(f"  n{i:04}:\n    public_key: {key(str(i))}")
    if regions:
        print(f"    region: {('eu', 'us', 'elsewhere')[i % 3]}")
PY
}

apply() {
	git -C "$repo" add -A && git -C "$repo" commit -qm "$1"
	"$MESHRC" apply --auto-approve --quiet --repo "$repo" >/dev/null || not_ok "apply: $1"
}

# How many lines of what is published are tables' own; the manifest and the indexes change in each.
published_lines() {
	git -C "$repo" ls-tree -r --name-only published | grep -E '/(records|groups|nodes)/' |
		sed 's/^/published:/' | (cd "$repo" && xargs -n 100 git show) | wc -l
}

changed_lines() {
	git -C "$repo" diff -M1% --numstat published^ published >"$OUT"
	awk '/(records|groups|nodes)/ { s += $1 + $2 } END { print s + 0 }' "$OUT"
}

"$MESHRC" init --quiet --no-hooks "$repo" --keys "$TRASH/keys" || exit 1
rm "$repo"/networks/*
for how in '' --regions; do
	network $nodes $how
	measured "${how:-no regions}: validate" "$MESHRC" validate --strict --repo "$repo"
	expect_eq 'no pair is without a way' "$STATUS" 0
	measured "${how:-no regions}: plan" "$MESHRC" plan --repo "$repo"
	[ -n "$how" ] || expect_eq 'nodes have entries for the relays alone' "$(tail -1 "$OUT")" \
		'Plan: 1,002 nodes to add, 0 to change, 0 to remove; 4,002 peer entries to add, 0 to change, 0 to remove.'
	apply "first $how"
	lines=$(published_lines)
	note "$lines lines are published"
	expect_eq 'a few lines for each node' "$((lines < 5 * nodes))" 1

	network $((nodes + 1)) $how
	measured "${how:-no regions}: plan of one node more" "$MESHRC" plan --repo "$repo"
	expect_match 'everybody changes' "$(tail -1 "$OUT")" '^Plan: 1 node to add, 1,002 to change,'
	apply "one more $how"
	lines=$(changed_lines)
	note_file 'published diff' "$OUT"
	expect_eq "its publication: $lines lines" "$((lines > 0 && lines <= 12))" 1
done

# A relay that goes leaves the pairs to the other; the last one leaves them alone.
network $((nodes + 1)) --without-relay1
measured 'plan without one of two relays' "$MESHRC" plan --repo "$repo"
expect_no_match 'nobody is lost' "$(<"$OUT")" 'Reachability will be lost'
network $((nodes + 1)) --without-relay1 --without-relay2
measured 'plan without any relay' "$MESHRC" plan --repo "$repo"
expect_match 'every pair is lost' "$(<"$OUT")" "^Reachability will be lost: 1,001,000 pairs of nodes$"
done_testing
