#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Plans of a full mesh of N (10,000) nodes from cold YAML: 99,990,000 peer entries. Prints one line for
# each figure, "NAME: MILLISECONDS ms, KILOBYTES kB", and holds what was promised: less than 200 MB, every
# peer entry counted, and one changed endpoint published as a diff of a few lines. Times are printed, not
# judged: a second was promised too, and docs/benchmarks.md says what was measured.
#
#	tests/perf/plan-10000.sh [N]		as part of the tests: tests/perf/plan-10000.t
. "$(dirname "$0")/lib.sh"

n=${1:-10000}
repo=$TRASH/repo

have python3 || skip_all 'needs python3'

# holds NAME: the promise of memory, where it was made (not for a build with sanitizers)
holds() {
	[ -z "${SAN:-}" ] || return 0
	expect_eq "$1 with less than 200 MB ($kb kB)" "$((kb < 200 * 1024))" 1
}

thousands() {
	sed -E ':a;s/^([0-9]+)([0-9]{3})/\1,\2/;ta' <<<"$1"
}

"$MESHRC" init --quiet --no-hooks "$repo" --keys "$TRASH/keys" || exit 1
rm "$repo"/networks/*
python3 "$ROOT/tests/perf/full-mesh.py" "$n" >"$repo/networks/big.yaml"
git -C "$repo" add -A && git -C "$repo" commit -qm first

measured 'validate' "$MESHRC" validate --repo "$repo"
holds 'validate'
measured 'first plan' "$MESHRC" plan --repo "$repo"
holds 'the first plan'
expect_eq 'every peer entry is counted' "$(tail -1 "$OUT")" \
	"Plan: $(thousands "$n") nodes to add, 0 to change, 0 to remove; $(thousands $((n * (n - 1)))) peer entries to add, 0 to change, 0 to remove."
measured 'first plan, JSON' "$MESHRC" plan --json --repo "$repo"
expect_eq 'which is JSON with the same sum' "$(sed -n '/"summary"/,$p' "$OUT" | grep -c "$((n * (n - 1)))")" 2
measured 'render' "$MESHRC" render n00007 --repo "$repo"
expect_eq 'a node has every other as a peer' "$(grep -c '^\[Peer\]' "$OUT")" $((n - 1))

"$MESHRC" apply --auto-approve --quiet --repo "$repo" >/dev/null || exit 1
measured 'plan with nothing to do' "$MESHRC" plan --repo "$repo"
holds 'a plan with nothing to do'
expect_match 'there is nothing to do' "$(<"$OUT")" '^No changes\.'

sed -i 's/n00005\.example\.net/moved.example.net/' "$repo/networks/big.yaml"
measured 'plan of one changed endpoint' "$MESHRC" plan --repo "$repo"
holds 'a plan of one changed endpoint'
expect_eq 'one peer of every other node changes' "$(tail -1 "$OUT")" \
	"Plan: 0 nodes to add, $(thousands $((n - 1))) to change, 0 to remove; 0 peer entries to add, $(thousands $((n - 1))) to change, 0 to remove."
expect_eq 'which is told once' "$(grep -c endpoint "$OUT")" 1
git -C "$repo" commit -qam second
"$MESHRC" apply --auto-approve --quiet --repo "$repo" >/dev/null || exit 1
git -C "$repo" diff -M1% --numstat published^ published >"$OUT"
note_file 'published diff' "$OUT"
expect_eq 'its publication: one line of the records' \
	"$(grep -c 'big/records\|big/{records\|records/' "$OUT") $(awk '/records/ { print $1, $2 }' "$OUT")" '1 1 1'
expect_eq 'and a few lines besides' "$(($(awk '{ s += $1 + $2 } END { print s }' "$OUT") <= 40))" 1

# The network falls apart into two halves: losses are counted, not listed.
half=$((n / 2))
python3 - "$repo/networks/big.yaml" "$half" <<'PY'
import re, sys
path, half = sys.argv[1], int(sys.argv[2])
text = open(path).read()
text = re.sub(r"  n(\d+):\n", lambda m: f"{m.group(0)}    tags: [{'east' if int(m.group(1)) < half else 'west'}]\n", text)
open(path, "w").write(text + "topology:\n  - mesh: [tag:east]\n  - mesh: [tag:west]\n")
PY
measured 'plan of a network cut in two' "$MESHRC" plan --repo "$repo"
holds 'a plan of a network cut in two'
expect_match 'every lost pair is counted' "$(<"$OUT")" \
	"^Reachability will be lost: $(thousands $((2 * half * (n - half)))) pairs of nodes$"
expect_eq 'and every removed peer entry' "$(tail -1 "$OUT")" \
	"Plan: 0 nodes to add, $(thousands "$n") to change, 0 to remove; 0 peer entries to add, 0 to change, $(thousands $((2 * half * (n - half)))) to remove."
done_testing
