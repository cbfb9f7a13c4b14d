#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Publications and servers that lie, as `meshrc-agent verify` sees them: nothing is accepted, the reason is named, nothing
# is written. No rights and no interface are needed.

. "$(dirname "$0")/../lib.sh"

have python3 || skip_all 'needs python3'
PUBKIT=$BUILD/tests/pubkit_tool
[ -x "$PUBKIT" ] || make -s -C "$ROOT" ${SAN:+SAN="$SAN"} "$PUBKIT" >&2
cd "$TRASH" || exit 1

nodes=('n0,0,10.20.0.1,192.0.2.1:51820' 'n1,1,10.20.0.2,192.0.2.2:51820' 'n2,2,10.20.0.3')
"$PUBKIT" wgkey 0 key >/dev/null
"$PUBKIT" root root-1
mkdir -p tree/root && cp root-1 tree/root/1
"$PUBKIT" publish tree serial=1 "${nodes[@]}" >/dev/null

# The server's standard input is kept open by a descriptor of ours; it ends with us.
# shellcheck disable=SC2034 # that it is open is all
exec {hold}> >(exec python3 "$ROOT/tests/cli/hostile-server.py" --tree tree --log requests >ports)
wait_for 10 grep -q ' ' ports || skip_all 'the server does not start'
read -r port _ <ports
at() { printf 'http://127.0.0.1:%s/%s' "$port" "$1"; }
agent() {
	local command=$1
	shift
	"$AGENT" "$command" --config /dev/null --network prod --node n0 --trust root-1 --private-key key \
		--state-dir "$TRASH/state" --now 2026-11-22T00:00:00Z "$@"
}

expect_ok 'a good publication over http' agent verify --url "$(at tree)"
expect_match 'would be accepted' "$(<"$OUT")" 'prod: serial 1 \(commit 1111111\) would be accepted'
expect_match 'with its peers' "$(<"$OUT")" 'node n0: 2 peers'
expect_ok 'as JSON' agent verify --json --url "$(at tree)"
expect_eq 'is JSON' "$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1])); print(d["serial"], d["acceptable"], d["new"], d["peers"], d["error"])' "$OUT")" '1 True True 2 None'
expect_status 'a refusal as JSON' 1 agent verify --json --url "$(at flipped-pages)"
expect_eq 'is JSON too' "$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1])); print(d["serial"], d["acceptable"], d["error"]["reason"])' "$OUT")" 'None False BAD-HASH'
expect_ok 'the same from a folder' agent verify --url "file://$TRASH/tree"
expect_ok 'and from a folder with a slash' agent verify --url "file://$TRASH/tree//"

# A key as a regular expression.
literal() { sed 's/+/[+]/g' <<<"$1"; }

# refuse NAME REASON URL...
refuse() {
	local name=$1 reason=$2 urls=()
	shift 2
	for u in "$@"; do urls+=(--url "$u"); done
	expect_status "$name" 1 agent verify "${urls[@]}"
	expect_match "  ... $reason" "$(<"$ERR")" "error: $reason: "
	expect_eq '  ... nothing on stdout' "$(<"$OUT")" ''
}
refuse 'T23 a manifest without end' TOO-LARGE "$(at manifest-endless)"
refuse 'T23 pages without end' TOO-LARGE "$(at pages-endless)"
refuse 'T26 a gzip bomb is taken as the bytes it is' BAD-FIELD "$(at manifest-gzip)"
refuse 'T30 a redirect' REDIRECT "$(at manifest-redirect)"
refuse 'T31 a captive portal' BAD-FIELD "$(at manifest-captive)"
refuse 'T31 304 without a cache' FETCH "$(at manifest-not-modified)"
refuse 'T31 500' FETCH "$(at error-500)"
refuse 'T17 a bit wrong in a page' BAD-HASH "$(at flipped-pages)"
refuse 'T01 a bit wrong in the manifest' '(BAD-SIG|UNKNOWN-KEY|BAD-FIELD)' "$(at flipped-manifest)"
refuse 'T19 pages that are not there yet' INCOMPLETE "$(at pages-missing)"
refuse 'no publication' MISSING "$(at tree/elsewhere)"
expect_eq 'T30 no second request after the redirect' \
	"$(grep -A1 '^/manifest-redirect/prod/manifest' requests | sed -n 2p)" '/manifest-captive/prod/manifest'
expect_no_match 'no cookie, no password, no encoding was offered' "$(<requests)" 'cookie$|authorization|accept-encoding'

# T29: mirrors. The first lies, the second is good.
for wrong in flipped-manifest flipped-pages pages-missing manifest-endless error-500 manifest-redirect manifest-captive; do
	expect_ok "T29 $wrong, then a good mirror" agent verify --url "$(at "$wrong")" --url "$(at tree)"
	expect_match '  ... which is told' "$(<"$OUT")" 'serial 1 .* would be accepted'
done
expect_match 'the one that was wrong is named' "$(<"$ERR")" "warning: $(at manifest-captive): BAD-FIELD"
expect_ok 'nobody there, then a good mirror' agent verify --url http://127.0.0.1:1/x --url "file://$TRASH/tree"
refuse 'two that lie: the gravest is the reason' BAD-HASH http://127.0.0.1:1/x "$(at flipped-pages)"
expect_match '  ... and each is told' "$(<"$ERR")" 'warning: FETCH: http://127.0.0.1:1/x'

# Publications that are wrong themselves.
publish() { "$PUBKIT" publish tree "$@" >/dev/null; }
again() { publish serial=1 "${nodes[@]}"; }
url=file://$TRASH/tree
publish serial=1 network=test "${nodes[@]}"
cp tree/prod/manifest good
cp tree/test/manifest tree/prod/manifest
refuse 'T20 the manifest of another network' WRONG-NETWORK "$url"
publish serial=1 signer=5 "${nodes[@]}"
refuse 'T05 signed by a stranger' UNKNOWN-KEY "$url"
publish serial=1 type=root "${nodes[@]}"
refuse 'T02 signed as something else' BAD-SIG "$url"
publish serial=1 mesh=2 "${nodes[@]}"
refuse 'another mesh' UNKNOWN-KEY "$url"
publish serial=1 issued=2026-10-01T00:00:00Z expires=2026-11-01T00:00:00Z "${nodes[@]}"
refuse 'T13 expired' EXPIRED "$url"
publish serial=1 issued=2026-12-01T00:00:00Z expires=2026-12-31T00:00:00Z "${nodes[@]}"
refuse 'from the future' CLOCK-BEHIND "$url"
publish serial=1 root-version=2 "${nodes[@]}"
refuse 'a root that is not there' ROOT-BEHIND "$url"
publish serial=1 n0,7,10.20.0.1 "${nodes[@]:1}"
refuse 'T18 another key under our name' WRONG-NODE "$url"
expect_match '  ... with the key that we have' "$(<"$ERR")" "$(literal "$("$PUBKIT" wgkey 0 key)")"
expect_match '  ... and the key that is published' "$(<"$ERR")" "$(literal "$("$PUBKIT" wgkey 7 other.key)")"
publish serial=1 "${nodes[@]:1}"
refuse 'not listed' NOT-LISTED "$url"
publish serial=1 gone=n0:1 "${nodes[@]:1}"
expect_ok 'removed' agent verify --url "$url"
expect_match '  ... is told' "$(<"$OUT")" 'node n0 was removed'

# Roots.
again
"$PUBKIT" root tree/root/2 version=2 signer=3
refuse 'a root of strangers' BAD-ROOT "$url"
"$PUBKIT" root tree/root/2 version=3
refuse 'T06 version 3 as 2' BAD-ROOT "$url"
"$PUBKIT" root tree/root/2 version=2 publisher=4 epoch=2
refuse 'T05 a publisher that the new root does not know' UNKNOWN-KEY "$url"
publish serial=1 epoch=2 root-version=2 signer=4 "${nodes[@]}"
expect_ok 'the new publisher in its epoch' agent verify --url "$url"
head -c 100000 /dev/zero >tree/root/2
refuse 'a root that is too large' TOO-LARGE "$url"
rm tree/root/2
again
"$PUBKIT" root root-expired renew-by=2026-11-21T12:00:00Z
expect_status 'T16 a root that was to be renewed' 1 agent verify --url "$url" --trust root-expired
expect_match '  ... ROOT-EXPIRED' "$(<"$ERR")" 'error: ROOT-EXPIRED'

# Names and control bytes that come from outside reach no terminal.
printf 'meshrc manifest 1\n\033]0;owned\a\n' >tree/prod/manifest
refuse 'T54 escapes in a manifest' BAD-FIELD "$url"
expect_eq '  ... are not printed' "$(LC_ALL=C tr -d '\n\t -~' <"$ERR" | wc -c)" 0
mkfifo fifo && mv fifo tree/prod/manifest
refuse 'a FIFO in the place of the manifest' FETCH "$url"
rm tree/prod/manifest
again
expect_ok 'after all this the good one is good' agent verify --url "$url"
expect_eq 'and nothing was written' "$(ls -d state 2>/dev/null)" ''
done_testing
