#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"

repo=$TRASH/net
mkdir -p "$repo/networks" && git init -q "$repo" && cd "$repo" || exit 1
commit() { git add -A && git -c user.name=x -c user.email=x@y commit -qm "$1" --allow-empty; }
mdiff() { "$MESHRC" diff "$@"; }
printf 'version: 1\n' >meshrc.yaml
cat >networks/prod.yaml <<'YAML'
version: 1
addresses: [10.20.0.0/24]
nodes:
  a: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: a.example.net}
  b: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: b.example.net}
  c: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: c.example.net}
YAML
commit one && git tag one

expect_status 'a revision and itself' 0 mdiff HEAD HEAD
expect_eq 'prints nothing' "$(<"$OUT")" ''
printf '\n# a comment\n' >>networks/prod.yaml
sed -i 's/^  a: .*/&\n/' networks/prod.yaml
commit two && git tag two
expect_status 'a change of the text alone' 0 mdiff one two

# Automatic addresses: b goes, nobody is renumbered.
sed -i '/^  b:/d' networks/prod.yaml
commit three && git tag three
expect_status 'a node went' 1 mdiff one three
expect_match 'it is named' "$(<"$OUT")" '^  # b removed$'
expect_match 'and nothing else changed' "$(<"$OUT")" \
	'^Diff: 0 nodes added, 2 changed, 1 removed; 0 peer entries added, 0 changed, 4 removed\.$'
expect_no_match 'no address moved' "$(<"$OUT")" '~ (addresses|allowed_ips)'
expect_status 'the other way round' 1 mdiff three one
expect_match 'it came' "$(<"$OUT")" '^Diff: 1 node added, 2 changed, 0 removed; 4 peer entries added, 0 changed, 0 removed\.$'

# One node.
sed -i 's/a\.example\.net/a2.example.net/' networks/prod.yaml
commit four && git tag four
expect_status '--node that sees it' 1 mdiff three four --node c
expect_match 'what it sees' "$(<"$OUT")" '^          ~ endpoint = a\.example\.net:51820 -> a2\.example\.net:51820$'
expect_status '--node itself' 0 mdiff three four --node a
expect_eq 'sees nothing' "$(<"$OUT")" ''
expect_status '--node that went' 1 mdiff one four --node b
expect_match 'is shown to go' "$(<"$OUT")" '^  # b removed$'
expect_status '--node nobody knows' 2 mdiff one four --node bb
expect_match 'is refused' "$(<"$ERR")" "neither revision has a node 'bb'"
expect_status '--json' 1 mdiff three four --json
expect_eq 'has the shape of a plan' "$(jq -r '[.format_version, .changes, .summary.nodes.change] | join(" ")' "$OUT")" '1.1 true 1'

# Losses, networks that come and go.
printf 'topology: []\n' >>networks/prod.yaml
"$MESHRC" validate >/dev/null 2>&1 || sed -i 's/^topology: .*/topology:\n  - mesh: [a]/' networks/prod.yaml
commit five && git tag five
expect_status 'everything taken apart' 1 mdiff four five
expect_match 'who lost whom' "$(<"$OUT")" '^Reachability lost: 2 pairs of nodes$'
git mv networks/prod.yaml networks/next.yaml
commit six && git tag six
expect_status 'a network renamed' 1 mdiff five six
expect_match 'one went' "$(<"$OUT")" '^Network prod \(removed\)$'
expect_match 'one came' "$(<"$OUT")" '^Network next \(new\)$'
expect_status '--network' 1 mdiff five six --network next
expect_no_match 'shows that alone' "$(<"$OUT")" 'Network prod'
expect_status '--network nobody knows' 2 mdiff five six --network zzz

# What fails.
expect_status 'a revision that is not there' 2 mdiff one seven
expect_match 'is named' "$(<"$ERR")" 'seven'
printf 'nonsense: [\n' >networks/next.yaml
commit broken
expect_status 'a revision that is wrong' 2 mdiff six HEAD
expect_match 'is told where' "$(<"$ERR")" '^networks/next\.yaml:[0-9]+:[0-9]+: error'
expect_status 'one revision alone' 64 mdiff one
expect_status 'three' 64 mdiff one two three
done_testing
