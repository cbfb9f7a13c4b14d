#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# alone: it measures
#
# Every shape at once, at the size of a large company: 1,000 nodes behind NAT, 2 relays, 50 sites with
# networks behind them, 100 clients whose gateways are the sites, 200 policy rules, and an assertion for each
# of them. A plan takes less than 2 seconds (counted in instructions); one node, client, site or rule more, and a
# gateway's first client, are a few published lines
# each; and the agent of a node comes to what `render` says.
. "$(dirname "$0")/lib.sh"

repo=$TRASH/repo

have python3 jq wg valgrind || skip_all 'needs python3, jq, wg and valgrind'

# Millions of instructions that a plan may take: 2 seconds of a processor that does 2,500 in one.
PLAN_MILLIONS=5000

# as_fast NAME FACTOR: it took the processor at most so many times as long as `validate`, which reads and
# compiles the same network (not for a build with sanitizers)
as_fast() {
	[ -z "${SAN:-}" ] || return 0
	expect_eq "$1 takes at most $2 times as long as validate ($cpu of $validate ms)" \
		"$((cpu <= $2 * validate))" 1
}

# network NODES SITES CLIENTS RULES [NAME=GATEWAY]...: one client more for each of the last
network() {
	python3 - "$public" "$@" >"$repo/networks/corp.yaml" <<'PY'
import base64, hashlib, sys

public, (nodes, sites, clients, rules), more = sys.argv[1], map(int, sys.argv[2:6]), sys.argv[6:]

def key(name):
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()

print("version: 1\naddresses: [10.0.0.0/8, 'fd20:0:0:1::/64']\npersistent_keepalive: 25\nnodes:")
for i in range(2):
    print(f"  relay{i}: {{public_key: {key(f'relay{i}')}, endpoint: 192.0.2.{i + 1}, relay: true}}")
for i in range(sites):
    print(f"  site{i:02}:\n    public_key: {key(f'site{i}')}\n    endpoint: 198.51.100.{i + 1}\n    routes:")
    print(f"      - 192.168.{i}.0/24\n      - {{cidr: 172.20.{i}.0/24, masquerade: true}}")
for i in range(nodes):
    print(f"  n{i:04}: {{public_key: {public if i == 7 else key(str(i))}, tags: [team{i % 40}]}}")
print("clients:")
for i in range(clients):
    print(f"  phone{i:03}: {{public_key: {key(f'phone{i}')}, gateway: site{i % 50:02}}}")
for one in more:
    name, gateway = one.split("=")
    print(f"  {name}: {{public_key: {key(name)}, gateway: {gateway}}}")
print("policy:")
for i in range(rules):
    who = f"phone{i // 4:03}" if i % 4 == 3 else f"tag:team{i % 40}"
    print(f"  - {{from: [{who}], to: [site{i % 50:02}, 192.168.{i % 50}.0/24, tag:team{i % 37}], on: [tcp/{1000 + i}, icmp]}}")
print("assert:\n  - {from: [all], never_reaches: [all, 192.168.0.0/16], on: [tcp/22]}")
for i in range(rules):
    who = f"phone{i // 4:03}" if i % 4 == 3 else f"tag:team{i % 40}"
    print(f"  - {{from: [{who}], reaches: [site{i % 50:02}, tag:team{i % 37}], on: [tcp/{1000 + i}, icmp]}}")
PY
}

publish() {
	git -C "$repo" add -A && git -C "$repo" commit -qm "$1"
	expect_ok "$1: published" "$MESHRC" apply --auto-approve --quiet --repo "$repo"
}

# one_more NAME MAX-LINES: how many lines of the tables' pages it is; the manifest and indexes change in each
one_more() {
	local lines
	measured "plan: $1" "$MESHRC" plan --repo "$repo"
	as_fast "$1: a plan" 5
	publish "$1"
	git -C "$repo" diff -M1% --numstat published^ published >"$OUT"
	lines=$(awk '/(records|groups|nodes|policy)/ { s += $1 + $2 } END { print s + 0 }' "$OUT")
	note_file "$1: published diff" "$OUT"
	expect_eq "$1: $lines published lines" "$((lines > 0 && lines <= $2))" 1
}

"$MESHRC" init --quiet --no-hooks "$repo" --keys "$TRASH/keys" || exit 1
rm "$repo"/networks/*
printf 'version: 1\npublish: {directory: %s}\n' "$TRASH/www" >"$repo/meshrc.yaml"
(umask 077 && wg genkey >"$TRASH/n0007.key")
public=$(wg pubkey <"$TRASH/n0007.key")

network 1000 50 100 200
measured 'validate' "$MESHRC" validate --strict --repo "$repo"
expect_eq 'no pair is without a way' "$STATUS" 0
validate=$cpu
measured 'the first plan' "$MESHRC" plan --repo "$repo"
as_fast 'the first plan' 3
# Each NATed node with 52 others, and back; those 52 with each other; a gateway with each of its clients.
expect_eq 'counts every peer' "$(tail -1 "$OUT")" \
	'Plan: 1,052 nodes to add, 0 to change, 0 to remove; 100 clients to add, 0 to change, 0 to remove; 106,752 peer entries to add, 0 to change, 0 to remove.'
instructions "$MESHRC" plan --repo "$repo"
expect_eq "within what 2 seconds are enough for ($millions million instructions)" "$((millions < PLAN_MILLIONS))" 1
publish 'all of it'
note "$(git -C "$repo" ls-tree -r -l published | awk '/records|groups|nodes|policy/ { s += $4 } END { print s }') bytes in pages"

# An agent gets there from its own document, by the groups and records that it leads to.
agent() {
	"$AGENT" "$1" --url "file://$TRASH/www" --network corp --node n0007 --trust "$repo/trust/root-1" \
		--private-key "$TRASH/n0007.key" --state-dir "$TRASH/state" "${@:2}"
}
measured 'an agent from nothing' "$AGENT" verify --url "file://$TRASH/www" --network corp --node n0007 \
	--trust "$repo/trust/root-1" --private-key "$TRASH/n0007.key" --state-dir "$TRASH/state" --json
expect_eq 'has 52 peers' "$(jq .peers "$OUT")" 52
agent plan >"$OUT" 2>"$ERR"
sed -n 's/^  add peer \([^ ]*\) .*: allowed IPs \(.*\), endpoint .*/\1 \2/p' "$OUT" | sort >"$TRASH/agent"
"$MESHRC" render n0007 --repo "$repo" --json >"$OUT"
# Two of each node and client but itself, and two for each site.
expect_eq 'and every address is under one of them' "$(jq '[.peers[].allowed_ips | length] | add' "$OUT")" $((2 * (1051 + 100 + 50)))
# The plan names eight and counts the rest.
jq -r '.peers[] | .name + " " + (.allowed_ips | (.[:8] | join(", ")) +
	(if length > 8 then " and \(length - 8) more" else "" end))' "$OUT" | sort >"$TRASH/rendered"
expect_same 'as render has them' "$TRASH/agent" "$TRASH/rendered"

measured 'plan with nothing to do' "$MESHRC" plan --repo "$repo"
as_fast 'a plan with nothing to do' 4
expect_match 'there is nothing to do' "$(<"$OUT")" '^No changes\.'

# What is lost and gained by policy, between every two.
sed -i 's/^assert:$/  - {from: [all], to: [all], on: [udp\/53]}\n&/' "$repo/networks/corp.yaml"
measured 'plan: a rule for all' "$MESHRC" plan --repo "$repo"
as_fast 'a plan in which every pair gains by policy' 12
expect_match 'names every pair' "$(<"$OUT")" '^Will be gained by policy: 1,325,952 pairs reach each other on more$'
network 1001 50 100 200
one_more 'one node behind NAT' 6
network 1001 50 101 200
one_more 'one client' 3
network 1001 50 101 200 first=relay0
one_more 'the first client of a node' 6
network 1001 51 101 200 first=relay0
one_more 'one site' 6
network 1001 51 101 201 first=relay0
one_more 'one rule' 12
done_testing
