#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Routed links on the command line: one more link is a few published lines and moves no other, `render`
# of a node with several interfaces, and wg takes each.

. "$(dirname "$0")/../lib.sh"
export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost
have jq wg || skip_all 'needs jq and wg'

repo=$TRASH/repo
"$MESHRC" init --quiet --no-hooks "$repo" --keys "$TRASH/keys" || skip_all 'init failed'
rm -r "$repo/networks" && mkdir "$repo/networks"
network() { # NODES
	local i
	{
		printf 'version: 1\naddresses: [10.30.0.0/16]\nnodes:\n'
		for ((i = 0; i < $1; i++)); do
			printf '  r%03d: {public_key: "%s", endpoint: r%03d.example.net}\n' "$i" "$(printf '%032d' "$i" | base64 -w0)" "$i"
		done
		printf 'topology:\n  - mesh: [all]\n    interface_per_link: true\nrouted_links:\n  transfer: [10.99.0.0/16, "fd99::/64"]\n'
	} >"$repo/networks/core.yaml"
	git -C "$repo" add -A && git -C "$repo" commit -q -m change
	"$MESHRC" apply --repo "$repo" --key "$TRASH/keys/publisher.key" --auto-approve --quiet >"$TRASH/log" 2>&1
}
render() { "$MESHRC" render "$@" --repo "$repo"; }

expect_ok 'a mesh of 40' network 40
"$MESHRC" render r000 --repo "$repo" --json >"$TRASH/before"
expect_eq 'is 39 links at each' "$(jq '.links | length' <"$TRASH/before")" 39
tip=$(git -C "$repo" rev-parse published)
expect_ok 'one more' network 41
lines() { # COMMIT: those of all tables, wherever they stand
	git -C "$repo" ls-tree -r --name-only "$1" core | grep -vE 'manifest|/index/' | sed "s|^|$1:|" |
		git -C "$repo" cat-file --batch='%(objecttype)' | grep -E '^(link|unlinked|node|record|member|freed|gone) ' | sort
}
lines "$tip" >"$TRASH/old"
lines published >"$TRASH/new"
expect_eq 'is a line for each of its links, its record and its node document' \
	"$(comm -13 "$TRASH/old" "$TRASH/new" | cut -d ' ' -f 1 | sort | uniq -c | awk '{ print $1, $2 }' | xargs)" '40 link 1 node 1 record'
expect_eq 'and no line goes' "$(comm -23 "$TRASH/old" "$TRASH/new")" ''
"$MESHRC" render r000 --repo "$repo" --json >"$TRASH/after"
expect_eq 'and moves nothing' "$(jq -c '.links[] | select(.interface != "wl-r040")' <"$TRASH/after" | sha256sum)" \
	"$(jq -c '.links[]' <"$TRASH/before" | sha256sum)"

# ---------------------------------------------------------------- render
expect_ok 'one interface' render r001 --interface wl-r000 --format wg
expect_eq 'is one section' "$(grep -c '^\[Interface\]' "$OUT") $(grep -c '^# file: ' "$OUT")" '1 0'
expect_match 'lets everything through' "$(<"$OUT")" '^AllowedIPs = 0\.0\.0\.0/0, ::/0$'
expect_ok 'the main one' render r001 --interface core --json
expect_eq 'is without them' "$(jq -c '[.interface, has("links")]' <"$OUT")" '["core",false]'
expect_ok 'all of them' render r001
expect_eq 'each under its file' "$(grep -c '^# file: /etc/wireguard/' "$OUT") $(grep -c '^Table = off$' "$OUT")" '41 40'
expect_status 'an interface that is not there' 1 render r001 --interface wl-r001
expect_match 'those that are' "$(<"$ERR")" "has no interface 'wl-r001'; it has: core, wl-r000, wl-r002"
expect_ok 'networkd' render r001 --format networkd --interface wl-r000
expect_eq 'two files' "$(grep -c '^# file: ' "$OUT")" 2
expect_ok 'validate' "$MESHRC" validate --repo "$repo"
expect_match 'counts them' "$(<"$OUT")" 'ok \(41 nodes, 0 pairs, 820 routed links\)'
done_testing
