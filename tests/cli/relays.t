#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Relays in plans: who carries, who loses whom when a relay or an endpoint goes, and --strict.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

have jq || skip_all 'needs jq'
net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
plan() { "$MESHRC" plan "$@"; }
losses() { # NODE:LOST of every pair, from --json
	jq -r '.networks[].losses[] | .nodes[] as $n | .lost[] as $l | select($n != $l) | "\($n):\($l)"' "$OUT" | sort | paste -sd ' '
}
attribute() { # NODE NAME
	jq -c --arg n "$1" --arg a "$2" '.networks[].changes[] | select(.nodes | index($n)) | (.attributes[$a] // .node_attributes[$n][$a])' "$OUT"
}

cat >networks/prod.yaml <<'YAML'
version: 1
addresses: [10.20.0.0/24]
persistent_keepalive: 25
nodes:
  a: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=}
  b: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=}
  r1: {public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, endpoint: r1.example.net}
  r2: {public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, endpoint: r2.example.net}
YAML
expect_ok 'without a relay' "$MESHRC" validate
expect_match 'a pair that cannot meet is warned of' "$(<"$ERR")" 'warning: `a` and `b` cannot meet'
expect_status 'which --strict refuses' 1 "$MESHRC" validate --strict
sed -i 's/endpoint: r1.example.net}/endpoint: r1.example.net, relay: true}/' networks/prod.yaml
expect_ok 'with one' "$MESHRC" validate --strict
git add -A && git commit -qm one && "$MESHRC" apply --auto-approve >/dev/null 2>&1 || exit 1

expect_ok 'a relay that carries' plan --json --rev HEAD
expect_eq 'changes nothing once it is published' "$(jq .changes "$OUT")" false
sed -i 's/, relay: true//; s/r2.example.net}/r2.example.net, relay: true}/' networks/prod.yaml
expect_ok 'another relay instead' plan --json
expect_eq 'forwards from now on' "$(attribute r2 forward)" '{"from":null,"to":"yes"}'
expect_eq 'and the first no longer' "$(attribute r1 forward)" '{"from":"yes","to":null}'
expect_eq 'nobody loses anybody' "$(jq .summary.pairs_lost "$OUT")" 0
expect_ok 'the same as text' plan
expect_match 'says so' "$(<"$OUT")" '^ +- forward = yes$'

sed -i 's/, relay: true//' networks/prod.yaml
expect_ok 'no relay any more' plan --json
expect_eq 'the two lose each other, though they have entries for each other now' "$(losses)" 'a:b b:a'
expect_eq 'and no other pair' "$(jq .summary.pairs_lost "$OUT")" 2
expect_ok 'as text' plan
expect_match 'with the number' "$(<"$OUT")" '^Reachability will be lost: 2 pairs of nodes$'

git checkout -q networks/prod.yaml
sed -i 's/, endpoint: r1.example.net//' networks/prod.yaml
expect_ok 'a relay without an endpoint' plan --json
expect_match 'is none' "$(<"$ERR")" 'warning: `r1` cannot be a relay: it has no endpoint'
expect_eq 'and is lost itself' "$(losses)" 'a:b a:r1 b:a b:r1 r1:a r1:b'

git checkout -q networks/prod.yaml
printf '  c: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=}\n' >>networks/prod.yaml
expect_ok 'one more behind NAT' plan --json
expect_eq 'is under the relay of the others' \
	"$(jq -c '[.networks[].changes[] | select(.nodes | index("a")) | .peers[] | select(.name == "r1") | .attributes.allowed_ips.added]' "$OUT")" \
	'[["10.20.0.5/32"]]'
expect_ok 'its configuration' "$MESHRC" render c --format json
expect_eq 'has an entry for each relay, and none for the others' "$(jq -r '[.peers[].name] | sort | join(" ")' "$OUT")" 'r1 r2'
expect_eq 'with what it carries' "$(jq -c '.peers[] | select(.name == "r1") | .allowed_ips' "$OUT")" \
	'["10.20.0.1/32","10.20.0.2/32","10.20.0.3/32"]'
done_testing
