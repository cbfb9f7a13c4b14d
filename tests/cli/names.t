#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `meshrc names`, and the files of names beside what is published: zones that name servers load, serials that
# rise with a change and with nothing else, and what a push may not bring.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/net.sh"

have jq named-checkzone || skip_all 'needs jq and named-checkzone'
net=$TRASH/net
new_net "$net" || exit 1
cd "$net" || exit 1
apply() { "$MESHRC" apply --auto-approve --quiet "$@"; }
at() { git show "published:prod/dns/$1"; }
zone_serial() { at "$1" | sed -n 's/^@ IN SOA .* hostmaster[^ ]* \([0-9]*\) .*/\1/p'; }
publication() { git rev-parse published; }

expect_status 'a network without dns' 1 "$MESHRC" names
expect_match 'has no names' "$(<"$ERR")" 'network prod has no names'
expect_ok 'which as JSON' "$MESHRC" names --json
expect_eq 'is no error' "$(jq -c . "$OUT")" '{"network":"prod","domain":null,"names":[],"zones":[]}'
expect_ok 'apply' apply
expect_eq 'publishes no names' "$(git ls-tree published:prod | grep -c dns)" 0

printf 'dns: {domain: mesh.example.net, servers: [10.20.0.1]}\n' >>networks/prod.yaml
sed -i 's/^addresses: .*/addresses: [10.20.0.0\/15, "fd20::\/64"]/; s/^    endpoint: a.example.net/&\n    addresses: [10.20.0.1, "fd20::1"]/' networks/prod.yaml
expect_ok 'names' "$MESHRC" names
expect_match 'are lines for /etc/hosts' "$(<"$OUT")" $'^10.20.0.1\ta.mesh.example.net$'
expect_match 'with IPv6' "$(<"$OUT")" $'^fd20::1\ta.mesh.example.net$'
expect_eq 'and nothing but addresses and names' "$(grep -v '^#' "$OUT" | grep -cvE $'^[0-9a-f:.]+\t[a-z]+\\.mesh\\.example\\.net$')" 0
expect_ok 'as JSON' "$MESHRC" names --json
expect_eq 'every node' "$(jq -r '.names[].node' "$OUT" | tr '\n' ' ')" 'a b c '
mapfile -t zones < <(jq -r '.zones[]' "$OUT")
expect_eq 'and every zone' "${zones[*]}" \
	'mesh.example.net 20.10.in-addr.arpa 21.10.in-addr.arpa 0.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa'
for zone in "${zones[@]}"; do
	expect_ok "zone $zone" "$MESHRC" names --format zone --zone "$zone"
	cp "$OUT" "$TRASH/zone"
	expect_ok 'is one' named-checkzone -i local "$zone" "$TRASH/zone"
	expect_no_match 'without a warning' "$(cat "$OUT" "$ERR")" 'warning|ignor'
done
expect_status 'another zone' 1 "$MESHRC" names --format zone --zone mesh.example.ne
expect_match 'is not known' "$(<"$ERR")" "did you mean 'mesh.example.net'"
expect_status 'a format that there is not' 64 "$MESHRC" names --format dns
expect_status 'a zone without --format zone' 64 "$MESHRC" names --zone a
expect_status '--json with another format' 64 "$MESHRC" names --json --format zone
expect_status 'a network that there is not' 1 "$MESHRC" names --network lab
commit . 'Names'
expect_ok 'of a commit' "$MESHRC" names --rev HEAD
expect_status 'of the commit before' 1 "$MESHRC" names --rev HEAD^

# Published.
expect_ok 'plan' "$MESHRC" plan
expect_match 'shows the domain' "$(<"$OUT")" 'domain += mesh.example.net'
expect_match 'and who is asked' "$(<"$OUT")" 'nameservers += 10.20.0.1'
"$MESHRC" names --format zone >"$TRASH/zone"
expect_ok 'apply' apply
expect_eq 'the files' "$(git ls-tree --name-only published:prod/dns | tr '\n' ' ')" \
	'0.0.0.0.0.0.0.0.0.0.0.0.0.2.d.f.ip6.arpa.zone 20.10.in-addr.arpa.zone 21.10.in-addr.arpa.zone hosts mesh.example.net.zone '
expect_eq 'the hosts file' "$(at hosts)" "$("$MESHRC" names)"
expect_eq 'the zone that was shown before' "$(at mesh.example.net.zone)" "$(cat "$TRASH/zone")"
expect_eq 'with the serial of the publication' "$(zone_serial mesh.example.net.zone)" "$(serial . prod)"
first=$(zone_serial mesh.example.net.zone)
expect_ok 'applied again' apply
expect_eq 'nothing is published' "$(zone_serial mesh.example.net.zone)" "$first"

# A change of something else.
sed -i 's/b\.example\.net/b2.example.net/' networks/prod.yaml
commit . 'Move b'
expect_ok 'another endpoint' apply
expect_eq 'changes no file of names' "$(git diff --name-only published^ published -- prod/dns | wc -l)" 0
expect_ok '--refresh' apply --refresh
expect_eq 'neither' "$(git diff --name-only published^ published -- prod/dns | wc -l)" 0

# A node more.
sed -i 's/^  c:$/  bb:\n    public_key: '"$(key bb | sed 's/[\/&]/\\&/g')"'\n    endpoint: bb.example.net\n&/' networks/prod.yaml
commit . 'Add bb'
expect_ok 'a node more' apply
expect_eq 'is two lines of the hosts file' "$(git diff --numstat published^ published -- prod/dns/hosts | cut -f1,2)" $'2\t0'
expect_eq 'two of the zone, and its serial' "$(git diff --numstat published^ published -- prod/dns/mesh.example.net.zone | cut -f1,2)" $'3\t1'
expect_eq 'which rises' "$(($(zone_serial mesh.example.net.zone) > first))" 1
expect_eq 'that of a zone without a change stays' "$(zone_serial 21.10.in-addr.arpa.zone)" "$first"

# The directory has the same, and forgets what is not there any more.
sed -i "s|^publish:|&\n  directory: $TRASH/www|" meshrc.yaml
commit . 'Publish to a directory'
expect_ok 'a directory' apply
git archive published | (mkdir "$TRASH/tree" && tar -x -C "$TRASH/tree")
expect_ok 'with the names' diff -r "$TRASH/www/prod/dns" "$TRASH/tree/prod/dns"
: >"$TRASH/www/prod/dns/mesh.example.net.zone"
: >"$TRASH/www/prod/dns/hosts.0123456789abcdef.tmp"
: >"$TRASH/www/prod/dns/README"
expect_ok 'one that was damaged' apply
expect_ok 'is mended, and what a write left is gone' diff -r -x README "$TRASH/www/prod/dns" "$TRASH/tree/prod/dns"
expect_ok 'what is not of ours stays' test -e "$TRASH/www/prod/dns/README"
sed -i 's/domain: mesh.example.net/domain: vpn.example.net/' networks/prod.yaml
commit . 'Another domain'
expect_ok 'plan of another domain' "$MESHRC" plan
expect_match 'shows both' "$(<"$OUT")" 'domain += mesh.example.net -> vpn.example.net'
expect_ok 'and in JSON' "$MESHRC" plan --json
expect_eq 'too' "$(jq -c '.networks[0].changes[0].attributes.domain' "$OUT")" '{"from":"mesh.example.net","to":"vpn.example.net"}'
expect_ok 'another domain' apply
expect_ok 'has another zone' test -s "$TRASH/www/prod/dns/vpn.example.net.zone"
expect_fail 'and the old one is gone' test -e "$TRASH/www/prod/dns/mesh.example.net.zone"
expect_eq 'reverse zones have the new names' "$(grep -c vpn "$TRASH/www/prod/dns/20.10.in-addr.arpa.zone")" 6

# What a push may not bring: a file of names that says something else.
head=$(publication)
tamper() { # FILE CONTENT: the published commit with it
	local blob tree
	blob=$(git hash-object -w --stdin <<<"$2")
	git read-tree --index-output="$TRASH/index" "$head" && GIT_INDEX_FILE=$TRASH/index git update-index --add \
		--cacheinfo "100644,$blob,$1" && tree=$(GIT_INDEX_FILE=$TRASH/index git write-tree) &&
		git commit-tree -p "$head" -m tampered "$tree"
}
hook() { "$MESHRC" hook pre-receive --repo "$net" <<<"$head $1 refs/heads/published"; }
while read -r file; do
	expect_fail "a push with another $file" hook "$(tamper "prod/dns/$file" "$(at "$file" 2>/dev/null | sed 's/10.20.0.1\b/192.0.2.66/; s/^2\.0 /66.0 /')x")"
	expect_match 'is refused' "$(<"$ERR")" "prod/dns/$file"
done <<-LIST
	hosts
	vpn.example.net.zone
	20.10.in-addr.arpa.zone
	README
LIST
expect_ok 'one as it is' hook "$(git commit-tree -p "$head" -m same "$head^{tree}")"

# Without names.
sed -i '/^dns:/d' networks/prod.yaml
commit . 'No names'
expect_ok 'without dns' apply
expect_fail 'there are no files' git rev-parse -q --verify published:prod/dns
expect_eq 'in the directory neither' "$(ls "$TRASH/www/prod/dns")" README
done_testing
