#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Policy and assertions as the commands show them: who gains and loses by a change, what does not hold,
# and who reaches whom.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
prod=networks/prod.yaml
# file POLICY AND ASSERTIONS: three nodes and a client; c has no endpoint and a network behind it
file() {
	printf 'version: 1\naddresses: [10.20.0.0/16, "fd20::/64"]\nnodes:\n'
	node a a.example.net | sed 's/^  a:/&\n    tags: [web]/'
	node b b.example.net | sed 's/^  b:/&\n    tags: [db]/'
	node c | sed 's/^  c:/&\n    routes: [192.168.40.0\/24]/'
	printf 'clients:\n  phone:\n    public_key: %s\n    gateway: a\n' "$(key phone)"
	cat
}
reach() { "$MESHRC" reach "$@"; }

file </dev/null >$prod
commit . 'Without a policy'
"$MESHRC" apply --auto-approve >/dev/null 2>&1 || exit 1

# The first rules: what was let in before and is not any more.
file >$prod <<-EOF
	policy:
	  - {from: [tag:web, phone], to: [tag:db], on: [tcp/5432, icmp]}
	  - {from: [all], to: [c]}
EOF
expect_ok 'plan of the first rules' "$MESHRC" plan
expect_match 'counts who reaches less' "$(<"$OUT")" \
	'^Will be lost by policy: 9 pairs reach each other on less$'
expect_match 'says on what' "$(<"$OUT")" \
	'^  - 2 nodes and clients \(a, phone\) will no longer reach b on anything but icmp, tcp/5432$'
expect_match 'and who that is all for' "$(<"$OUT")" \
	'^  - 2 nodes \(b, c\) will no longer reach 3 nodes and clients \(a, b, phone\), each but itself, on anything$'
expect_fail 'nobody gains' grep -q 'gained by policy' "$OUT"
expect_ok '--json' "$MESHRC" plan --json
expect_eq 'has the same' "$(jq -c '.networks[0] | [.summary.pairs_refused, .summary.pairs_admitted, .policy_not_listed,
	(.policy[] | select(.to == ["b"] and .but != []))]' "$OUT")" \
	'[9,0,0,{"action":"lose","but":["icmp","tcp/5432"],"from":["a","phone"],"on":["any"],"to":["b"]}]'
expect_ok '--markdown' "$MESHRC" plan --markdown
expect_match 'says it outside the fold' "$(sed '/<details>/,$d' "$OUT")" \
	'^\*\*9 pairs will reach each other on less by policy\.\*\*$'
commit . 'With a policy'
"$MESHRC" apply --auto-approve >/dev/null 2>&1 || exit 1

# A rule that becomes another one.
sed -i 's|tcp/5432, icmp|tcp/5432-5433|' $prod
expect_ok 'plan of a changed rule' "$MESHRC" plan
expect_match 'what is lost' "$(<"$OUT")" '^  - 2 nodes and clients \(a, phone\) will no longer reach b on icmp$'
expect_match 'what is gained' "$(<"$OUT")" '^Will be gained by policy: 2 pairs reach each other on more$'
expect_match 'by whom' "$(<"$OUT")" '^  \+ 2 nodes and clients \(a, phone\) will reach b on tcp/5433$'
sed -i 's/^  - {from: \[all\], to: \[c\]}$/&  # the same/' $prod
git -C . checkout -q $prod
expect_ok 'plan of what is published' "$MESHRC" plan
expect_eq 'is empty' "$(<"$OUT")" 'No changes. The published networks match the configuration.'

# Who reaches whom.
expect_ok 'reach of two' reach a b
expect_eq 'says on what' "$(<"$OUT")" 'a reaches b on icmp, tcp/5432'
expect_ok 'by way of a gateway' reach phone b
expect_eq 'has the way' "$(<"$OUT")" 'phone reaches b on icmp, tcp/5432: phone -> a -> b'
expect_ok 'where the policy refuses' reach tag:db tag:web
expect_eq 'says so' "$(<"$OUT")" 'b does not reach a: the policy lets nothing of it in'
expect_ok 'a network behind a node' reach a 192.168.40.0/24
expect_eq 'has its own rules' "$(<"$OUT")" \
	'a does not reach 192.168.40.0/24 behind c: the policy lets nothing of it in'
expect_ok 'an address in it' reach 192.168.40.9 c
expect_eq 'is its host' "$(<"$OUT")" ''
expect_ok 'what is outside' reach a 0.0.0.0/0
expect_match 'has no way without an exit' "$(<"$OUT")" '^a does not reach what is outside \(IPv4\): a has no way there$'
expect_ok 'every pair' reach
expect_eq 'has one line' "$(wc -l <"$OUT")" 18
expect_ok '--json' reach --json
expect_eq 'has one element' "$(jq '.pairs | length' "$OUT")" 18
expect_eq 'with all of it' "$(jq -c '.pairs[] | select(.from == "phone" and .to == "b")' "$OUT")" \
	'{"from":"phone","to":"b","reaches":true,"on":["icmp","tcp/5432"],"path":["phone","a","b"],"why":null}'
expect_eq 'as it was' "$(reach --rev HEAD~1 b a)" 'b reaches a on any'
expect_status 'an unknown node' 1 reach a d
expect_match 'is told' "$(<"$ERR")" "network prod has no node or client 'd'"
expect_status 'an unknown tag' 1 reach a tag:dbs
expect_match 'is told' "$(<"$ERR")" "no node of network prod has the tag 'dbs'"
expect_status 'a prefix behind nobody' 1 reach a 192.168.41.0/24
expect_status 'bits after the prefix length' 1 reach a 192.168.40.1/24
expect_status 'from outside' 1 reach 0.0.0.0/0 a
expect_status 'one argument' 64 reach a
expect_status 'three arguments' 64 reach a b c

# Assertions.
file >$prod <<-EOF
	policy:
	  - {from: [tag:web], to: [tag:db], on: [tcp/5432, icmp]}
	  - {from: [all], to: [c]}
	assert:
	  - {from: [tag:web], reaches: [tag:db], on: [tcp/5432]}
	  - {from: [phone], never_reaches: [tag:db]}
EOF
expect_ok 'assertions that hold' "$MESHRC" validate
sed -i 's/^  - {from: \[tag:web\], to/  - {from: [all], to/' $prod
expect_status 'one that does not' 1 "$MESHRC" validate
expect_match 'with its place' "$(<"$ERR")" \
	"^$prod:[0-9]+:[0-9]+: error: this assertion does not hold: phone reaches b\$"
expect_match 'the way' "$(<"$ERR")" 'the way: phone -> a -> b'
expect_match 'and the rule' "$(<"$ERR")" "^$prod:[0-9]+:[0-9]+: note: this rule lets it in"
expect_status 'nor is it planned' 1 "$MESHRC" plan
commit . 'An assertion that does not hold'
expect_status 'nor published' 1 "$MESHRC" apply --auto-approve
sed -i 's/tcp\/5432, icmp\]}/tcp\/5433]}/' $prod
expect_status 'what is not reached' 1 "$MESHRC" validate
expect_match 'with the reason' "$(<"$ERR")" 'but nothing of it is let in by the policy of b'

# The networks of a site are behind its leader, and at hand for those who are there.
at_site() { # POLICY AND ASSERTIONS
	file | sed 's/^    tags: \[web\]/&\n    site: office/; s/^  c:/&\n    site: office/; s/192\.168\.40\.0\/24/192.168.0.0\/16/'
	printf 'sites:\n  office: {leaders: [a], routes: [192.168.50.0/24]}\n'
}
at_site >$prod <<-EOF
	policy:
	  - {from: [b], to: [192.168.50.0/24], on: [tcp/80]}
	assert:
	  - {from: [b], never_reaches: [192.168.50.0/24], on: [tcp/22]}
EOF
expect_ok 'an assertion about a site' "$MESHRC" validate
expect_ok 'reach of a network of a site' reach b 192.168.50.0/24
expect_eq 'is that of its leader' "$(<"$OUT")" 'b reaches 192.168.50.0/24 behind a on tcp/80'
expect_ok 'though another one has a wider network' reach 192.168.50.7 b
expect_match 'behind it' "$(<"$OUT")" '^192\.168\.50\.7/32 behind a does not reach b: the policy'
expect_ok 'from the site itself' reach c 192.168.50.0/24
expect_eq 'there is nothing to say' "$(<"$OUT")" ''
sed -i 's/tcp\/22/any/' $prod
expect_status 'one that does not hold' 1 "$MESHRC" validate
expect_match 'is told' "$(<"$ERR")" 'error: this assertion does not hold: b reaches 192\.168\.50\.0/24 behind a'
# What is outside is no network of the site, though no record has that.
at_site >$prod <<-EOF
	policy:
	  - {from: [b], to: [0.0.0.0/0]}
EOF
expect_ok 'rules about what is outside' "$MESHRC" render a --format nft
expect_match 'leave the site out' "$(<"$OUT")" 'ip daddr != \{? ?.*192\.168\.50\.0/24'

# A node that owns a part of the pool is reached by its own entry, though its hub is sent all of the pool.
{
	printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
	node a a.example.net
	node b b.example.net
	node c c.example.net | sed 's/^  c:/&\n    addresses: [10.20.9.1\/24]/'
	printf 'topology:\n  - star: {hubs: [a], spokes: [b, c]}\n  - mesh: [b, c]\n'
} >$prod
expect_ok 'a part of a pool' reach b 10.20.9.0/24
expect_eq 'is reached straight, its owner in it too' "$(<"$OUT")" \
	$'b reaches 10.20.9.0/24 behind c on any\nb reaches 10.20.9.1/32 behind c on any'
address=$("$MESHRC" render a --format json | jq -r '.addresses[0] | split("/")[0]')
expect_ok 'that of another node' reach b "$address"
expect_eq 'is that node' "$(<"$OUT")" 'b reaches a on any'
expect_match 'and told' "$(<"$ERR")" "$address is a, and so are the answers"
expect_status 'an address of nobody' 1 reach b 8.8.8.8
expect_match 'what is outside is named' "$(<"$ERR")" '8.8.8.8 lies behind no node of network prod; what is outside is 0.0.0.0/0'

# A prefix never means another node: neither the pool in it, nor a guest in the part that somebody owns.
wide() { # POLICY
	printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
	node a a.example.net | sed 's/^  a:/&\n    routes: [10.0.0.0\/8]/'
	node b b.example.net | sed 's/^  b:/&\n    addresses: [10.20.0.2]/'
	node c c.example.net | sed 's/^  c:/&\n    addresses: [10.20.9.1\/24]/'
	node guest g.example.net | sed 's/^  guest:/&\n    addresses: [10.20.9.9]/'
	cat
}
wide >$prod <<-EOF
	policy:
	  - {from: [10.0.0.0/8], to: [b], on: [tcp/22]}
	  - {from: [b], to: [10.20.9.0/24], on: [tcp/23]}
	assert:
	  - {from: [guest], never_reaches: [b]}
	  - {from: [b], never_reaches: [guest]}
	  - {from: [10.0.0.0/8], reaches: [b], on: [tcp/22]}
EOF
expect_ok 'prefixes around other nodes' "$MESHRC" validate --strict
expect_ok 'what the node lets in' "$MESHRC" render b --format nft
expect_match 'leaves out the pool' "$(tr -d '\n\t' <"$OUT")" \
	'10\.0\.0\.0/12, 10\.16\.0\.0/14, 10\.21\.0\.0/16, 10\.22\.0\.0/15, 10\.24\.0\.0/13, 10\.32\.0\.0/11, 10\.64\.0\.0/10, 10\.128\.0\.0/9'
expect_match 'and the guest in what is owned' "$(tr -d '\n\t' <"$OUT")" \
	'10\.20\.9\.0/29, 10\.20\.9\.8, 10\.20\.9\.10/31, 10\.20\.9\.12/30, 10\.20\.9\.16/28,'
expect_ok 'reach' reach guest b
expect_eq 'agrees' "$(<"$OUT")" 'guest does not reach b: the policy lets nothing of it in'

# An assertion that does not hold stops neither reach nor render, which are to look into it.
wide >$prod <<-EOF
	policy:
	  - {from: [a], to: [b], on: [tcp/22]}
	assert:
	  - {from: [a], never_reaches: [b]}
EOF
expect_status 'an assertion that does not hold' 1 "$MESHRC" validate
expect_ok 'reach answers' reach a b
expect_eq 'all the same' "$(<"$OUT")" 'a reaches b on tcp/22'
expect_match 'and tells it' "$(<"$ERR")" 'warning: this assertion does not hold: a reaches b'
expect_ok 'render too' "$MESHRC" render a
expect_match 'tells it' "$(<"$ERR")" 'warning: this assertion does not hold: a reaches b'

# A client's own file is no guarantee.
of_client() { # ALLOWED WORD NODE
	printf 'version: 1\naddresses: [10.20.0.0/16, "fd20::/64"]\nnodes:\n'
	node a a.example.net
	node b b.example.net
	printf 'clients:\n  phone:\n    public_key: %s\n    gateway: a\n    addresses: [10.20.0.5]\n    allowed_ips: [%s]\n' \
		"$(key phone)" "$1"
	printf 'assert:\n  - {from: [phone], %s: [%s]}\n' "$2" "$3"
}
of_client 10.99.0.0/16 never_reaches b >$prod
expect_status 'a client that has no way there in its file' 1 "$MESHRC" validate
expect_match 'may be given one' "$(<"$ERR")" 'this assertion does not hold: phone reaches b'
of_client 10.99.0.0/16 reaches b >$prod
expect_status 'but is not said to reach it' 1 "$MESHRC" validate
expect_match 'for its file' "$(<"$ERR")" "phone.* has not all of that in its .allowed_ips"
of_client 10.20.0.0/16 reaches a >$prod
expect_ok 'addresses of a family that it has not do not count' "$MESHRC" validate

# What the agent makes no routes for.
by_hand() { # LINE WORD
	printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
	node a a.example.net
	node b b.example.net | sed "s/^  b:/&\n    exit_node: a$1/"
	printf 'assert:\n  - {from: [b], %s: [0.0.0.0/0]}\n' "$2"
}
by_hand '' reaches >$prod
expect_ok 'an exit' "$MESHRC" validate
expect_ok 'reach of what is outside' reach b 0.0.0.0/0
expect_eq 'names it' "$(<"$OUT")" 'b reaches what is outside (IPv4) on any: b -> a'
by_hand '\n    table: "off"' reaches >$prod
expect_status 'an exit that no route leads to' 1 "$MESHRC" validate
expect_match 'is not sure' "$(<"$ERR")" 'b makes no routes'
by_hand '\n    table: "off"' never_reaches >$prod
expect_status 'nor is the contrary' 1 "$MESHRC" validate

# A network behind the other end of a routed link: its daemon may carry it.
routed() { # WORD
	printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
	node a a.example.net | sed 's/^  a:/&\n    routes: [192.168.40.0\/24]/'
	node b b.example.net
	printf 'topology:\n  - {mesh: [a, b], interface_per_link: true}\n'
	printf 'assert:\n  - {from: [b], %s: [192.168.40.0/24]}\n' "$1"
}
routed never_reaches >$prod
expect_status 'behind a routed link' 1 "$MESHRC" validate
expect_match 'it is for the daemons to say' "$(<"$ERR")" 'over routed links, which is for the routing daemons of b and a to say'
routed reaches >$prod
expect_status 'neither is it sure' 1 "$MESHRC" validate

# The policy has to let somebody ask the servers of names.
file >$prod <<-EOF
	dns: {domain: mesh.example, servers: [192.168.40.53]}
	policy:
	  - {from: [a], to: [192.168.40.0/24], on: [tcp]}
EOF
expect_ok 'a policy without the servers of names' "$MESHRC" validate
expect_match 'is warned of' "$(<"$ERR")" 'warning: the policy lets nobody ask the server of names 192.168.40.53'
sed -i 's/on: \[tcp\]/on: [udp]/' $prod
expect_ok 'with them' "$MESHRC" validate
expect_fail 'it is not' grep -q 'nobody ask' "$ERR"

# As many pairs as are shown, and one too many.
{
	printf 'version: 1\naddresses: [10.20.0.0/16]\nnodes:\n'
	for ((i = 0; i < 256; i++)); do
		printf '  n%s: {endpoint: a.example.net, public_key: %s}\n' "$i" "$(printf '%032d' "$i" | base64 -w0)"
	done
} >$prod
expect_ok '65,536 pairs' reach
expect_eq 'but no node with itself' "$(wc -l <"$OUT")" 65280
printf '  n256: {endpoint: a.example.net, public_key: %s}\n' "$(printf '%032d' 256 | base64 -w0)" >>$prod
expect_status 'more' 1 reach
expect_match 'have to be chosen' "$(<"$ERR")" 'these are 257 times 257 pairs, and 65536 are shown: say who and whom'
expect_ok 'then it works' reach n1 all

# As many others in a prefix that a node owns as a rule may leave out, and one too many.
owned() {
	printf 'version: 1\naddresses: [10.0.0.0/8]\npolicy: [{from: [10.0.0.0/16], to: [db]}]\nnodes:\n'
	printf '  hq: {endpoint: a.example.net, public_key: %s, addresses: [10.0.0.0/16]}\n' "$(key hq)"
	printf '  db: {endpoint: b.example.net, public_key: %s, addresses: [10.1.0.1]}\n' "$(key db)"
	for ((i = 0; i < $1; i++)); do
		printf '  n%s: {endpoint: "n%s.example.net", public_key: %s, addresses: [10.0.%s.%s]}\n' "$i" "$i" \
			"$(printf '%032d' "$i" | base64 -w0)" $((1 + i / 200)) $((1 + i % 200))
	done
}
owned 1024 >$prod
expect_ok '1,024 others in an owned prefix' "$MESHRC" validate
owned 1025 >$prod
expect_fail 'one more' "$MESHRC" validate
expect_match 'is told with its place' "$(<"$ERR")" \
	'^networks/prod.yaml:3:18: error: in 10.0.0.0/16 more than 1024 other nodes and clients have their addresses$'

done_testing
