#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"

repo=$TRASH/net
mkdir -p "$repo/networks" && git init -q "$repo" && cd "$repo" || exit 1
validate() { "$MESHRC" validate "$@"; }
printf 'version: 1\n' >meshrc.yaml
expect_ok 'no network yet' validate
expect_match 'says how to go on' "$(<"$OUT")" 'networks/NAME\.yaml'
cat >networks/prod.yaml <<'YAML'
version: 1
addresses: [10.20.0.0/24]
nodes:
  a: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: a.example.net}
  b: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: b.example.net}
  c: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=}
YAML
mkdir networks/lab
printf 'version: 1\naddresses: [10.30.0.0/24]\n' >networks/lab/a.yaml
printf 'nodes:\n  one: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: one.example.net}\n' >networks/lab/b.yaml
"$MESHRC" validate >/dev/null 2>&1 || sed -i '1i version: 1' networks/lab/b.yaml
expect_ok 'two networks' validate
expect_eq 'are summed up' "$(<"$OUT")" 'networks/lab/: ok (1 node, 0 pairs)
networks/prod.yaml: ok (3 nodes, 3 pairs)'
expect_ok '--quiet' validate --quiet
expect_eq 'prints nothing' "$(cat "$OUT" "$ERR")" ''
expect_ok '--json' validate --json
expect_eq 'without findings is empty' "$(jq -c . "$OUT")" '[]'

# Warnings.
printf '  d: {public_key: /oPs4xRmTmRHTEEDJVzkfbUPl0GxnJ0Z/z1X7LUFrAA=}\n' >>networks/prod.yaml
expect_ok 'a warning is no error' validate
expect_match 'it is printed' "$(<"$ERR")" 'warning: .*`c` and `d` cannot meet'
expect_no_match 'without errors nothing is summed up' "$(<"$ERR")" 'nothing was done'
expect_status 'with --strict it is' 1 validate --strict
expect_match 'and called so' "$(<"$ERR")" 'error: .*cannot meet'
expect_ok '--json of a warning' validate --json
expect_eq 'has its severity' "$(jq -r '.[0].severity' "$OUT")" warning

# Errors: all in one run, with place and help.
git add -A && git -c user.name=x -c user.email=x@y commit -qm good
sed -i -e 's/^  b: .*/  b: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpiont: b.example.net}/' networks/prod.yaml
sed -i 's/10\.30\.0\.0/10.30.0.1/' networks/lab/a.yaml
expect_status 'errors in two networks' 1 validate
expect_match 'one is told' "$(<"$ERR")" '^networks/lab/a\.yaml:2:[0-9]+: error: '
expect_match 'and the other' "$(<"$ERR")" '^networks/prod\.yaml:5:[0-9]+: error: .*endpiont'
expect_match 'with a guess' "$(<"$ERR")" 'help: .*`endpoint`'
expect_eq 'nothing on stdout' "$(<"$OUT")" ''
expect_eq 'the last line sums up' "$(tail -n 1 "$ERR")" 'meshrc: error: 3 errors; nothing was done'
expect_status '--json of errors' 1 validate --json
expect_eq 'has all places' "$(jq -r '[.[] | "\(.path):\(.line)"] | unique | join(" ")' "$OUT")" 'networks/lab/a.yaml:2 networks/prod.yaml:5'
expect_eq 'and the help' "$(jq -r '[.[] | select(.message | test("endpiont")) | .help | test("endpoint")] | join(" ")' "$OUT")" true
expect_ok '--rev of a good commit' validate --rev HEAD
git add -A && git -c user.name=x -c user.email=x@y commit -qm bad
expect_status '--rev of a bad one' 1 validate --rev HEAD
expect_status '--rev of nothing' 1 validate --rev nowhere
expect_status 'outside of a repository' 1 validate --repo "$TRASH"
expect_status 'an argument' 64 validate prod

# What only compiling finds.
git reset -q --hard HEAD~1
sed -i 's/^  a: .*/  a: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: a.example.net, routes: [192.168.1.0\/24]}/
	s/^  c: .*/  c: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, routes: [192.168.1.0\/24]}/' networks/prod.yaml
expect_status 'one network behind two nodes' 1 validate
expect_match 'names both places' "$(tr '\n' ' ' <"$ERR")" 'prod\.yaml:4:[0-9]+: error: 192\.168\.1\.0/24 .*prod\.yaml:6:[0-9]+: note'
expect_status '--json of it' 1 validate --json
expect_eq 'has the second place' "$(jq -r '.[] | select(.message | test("192.168")) | "\(.line) \(.related.line)"' "$OUT")" '4 6'
done_testing
