#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Golden networks: every repository in examples/networks/ and in compile/*/in here is validated, planned
# and rendered for every node in every format, and the output is compared with the expected files
# (examples/NAME/ and compile/CASE/expected/). GOLDEN_UPDATE=1, or `make golden-update`, writes those
# files anew; the review is the diff.
. "$(dirname "$0")/../lib.sh"

GOLDEN=$ROOT/tests/golden
have jq || skip_all 'needs jq'

# A repository of its own, so that nothing above it is found.
prepare() {
	rm -rf "$TRASH/repo" && cp -r "$1" "$TRASH/repo" && git init -q "$TRASH/repo"
}

meshrc() {
	"$MESHRC" "$1" --repo "$TRASH/repo" "${@:2}"
}

# Everything that is said about one repository, into a folder.
produce() {
	local out=$1 status=0 network node format
	mkdir -p "$out"
	meshrc validate >"$out/validate" 2>&1 || status=$?
	tap_refused "$status" && return 0
	[ "$status" -eq 0 ] || return 1
	meshrc plan >"$out/plan" 2>&1 || return 1
	while read -r network node; do
		for format in json wg wg-quick networkd nft; do
			printf '==> %s\n' "$node"
			meshrc render "$node" --network "$network" --format "$format" 2>/dev/null || return 1
		done >>"$out/$network.all"
	done < <(meshrc plan --json 2>/dev/null |
		jq -r '.networks[] | .name as $n | [.changes[].nodes[]] | sort[] | "\($n) \(.)"')
	while read -r network node; do
		for format in wg-quick json; do
			printf '==> %s as %s\n' "$node" "$format"
			meshrc render "$node" --network "$network" --format "$format" 2>/dev/null || return 1
		done >>"$out/$network.clients"
	done < <(meshrc plan --json 2>/dev/null |
		jq -r '.networks[] | .name as $n | [.clients[].name] | sort[] | "\($n) \(.)"')
	# One file for each format: the sections of a node come in this order.
	for network in "$out"/*.all; do
		[ -e "$network" ] || continue
		awk -v base="${network%.all}" '
			/^==> / { file = base "." substr("json    wg      wg-quicknetworkdnft     ", n++ % 5 * 8 + 1, 8); gsub(/ /, "", file) }
			{ print > file }' "$network" && rm "$network"
	done
	# Of a network where no node has a table there is nothing to see.
	for network in "$out"/*.nft; do
		[ ! -e "$network" ] || grep -q '{$' "$network" || rm "$network"
	done
}

# compare NAME REPOSITORY EXPECTED
compare() {
	local name=$1 got=$TRASH/got/$1 f
	prepare "$2"
	if ! produce "$got"; then
		not_ok "$name: meshrc works" "see $got"
		return
	fi
	if [ "${GOLDEN_UPDATE:-}" = 1 ]; then
		rm -rf "$3" && mkdir -p "$3" && cp "$got"/* "$3"/
	fi
	for f in "$got"/*; do
		if [ -e "$3/${f##*/}" ]; then
			expect_same "$name: ${f##*/}" "$f" "$3/${f##*/}"
		else
			not_ok "$name: ${f##*/}" "$3/${f##*/} is missing: make golden-update"
		fi
	done
	for f in "$3"/*; do
		[ -e "$got/${f##*/}" ] || not_ok "$name: ${f##*/}" 'expected, but not produced'
	done
}

cases=0
for dir in "$ROOT"/examples/networks/*/; do
	name=$(basename "$dir")
	compare "examples/$name" "$dir" "$GOLDEN/examples/$name"
	expect_match "examples/$name is valid without a warning" "$(<"$TRASH/got/examples/$name/validate")" ': ok \('
	expect_no_match "examples/$name has no warning" "$(<"$TRASH/got/examples/$name/validate")" 'warning|error'
	cases=$((cases + 1))
done
for dir in "$GOLDEN"/compile/*/in; do
	name=compile/$(basename "$(dirname "$dir")")
	compare "$name" "$dir" "$GOLDEN/$name/expected"
	cases=$((cases + 1))
done
expect_eq 'there are cases' "$((cases >= 15))" 1
done_testing
