#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The shipped examples: each is a whole repository that validates without a warning, each of its nodes
# renders in every format, each file names the JSON Schema it follows and follows it, and what a program
# wrote is what that program writes.

. "$(dirname "$0")/../lib.sh"

examples=$ROOT/examples/networks

# names KEY FILES: what stands under this key of a network or of all, an entry's name on a line of its own
names() {
	find "$2" -name '*.yaml' -exec cat {} + |
		awk -v want="$1:" '/^[a-z]/ { top = $1 } top == want && /^  [a-z0-9.-]+:( *#.*)?$/ { sub(/:.*/, ""); print $1 }'
}

for folder in "$examples"/*/; do
	name=$(basename "$folder")
	repo=$TRASH/$name
	cp -r "$folder" "$repo"
	git -C "$repo" init -q -b main
	git -C "$repo" add -A
	git -C "$repo" -c user.name=test -c user.email=test@example.net commit -q -m example
	expect_ok "$name: validates without a warning" "$MESHRC" validate --strict --repo "$repo"
	expect_ok "$name: as a commit too" "$MESHRC" validate --strict --repo "$repo" --rev HEAD
	expect_ok "$name: plan works without a key" "$MESHRC" plan --repo "$repo" --json
	for format in wg wg-quick networkd nft json; do
		bad=
		for network in "$repo"/networks/*; do
			while read -r node; do
				"$MESHRC" render "$node" --network "$(basename "$network" .yaml)" --repo "$repo" --format "$format" \
					>/dev/null 2>&1 || bad+=" $node"
			done < <(names nodes "$network")
		done
		expect_eq "$name: every node renders as $format" "$bad" ''
	done
	for format in wg wg-quick json qr png svg; do
		bad=
		while read -r client; do
			"$MESHRC" render "$client" --repo "$repo" --format "$format" >/dev/null 2>&1 || bad+=" $client"
		done < <(names clients "$repo/networks")
		expect_eq "$name: every client renders as $format" "$bad" ''
	done
	while read -r file; do
		line=$(head -n 1 "$file")
		path=${line#'# yaml-language-server: $schema='}
		expect_ok "$name: ${file#"$folder"} names its schema" test "$line" != "$path" -a -f "$(dirname "$file")/$path"
	done < <(find "$folder" -name '*.yaml' | sort)
done

expect_ok 'hub-50 is what its generator writes' sh -c \
	"'$examples/hub-50/generate.py' | cmp - '$examples/hub-50/networks/fleet.yaml'"

if python3 -c 'import jsonschema, yaml' 2>/dev/null; then
	expect_ok 'every file follows the JSON Schema that it names' python3 - "$examples" <<'PYTHON'
import json, pathlib, sys
import jsonschema, yaml

bad = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    text = path.read_text()
    name = text.split("\n")[0].split("$schema=")[1]
    schema = json.loads((path.parent / name).read_text())
    for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text)):
        print(f"{path}: {error.message}", file=sys.stderr)
        bad = 1
sys.exit(bad)
PYTHON
else
	skip 'every file follows the JSON Schema that it names' 'needs python3-jsonschema and python3-yaml'
fi
done_testing
