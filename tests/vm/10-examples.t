#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every node of every shipped example on the kernel's WireGuard: see 10-examples.sh. The examples' public
# keys are replaced by ones whose private halves are known here.
# timeout: 900

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/vm/10-lib.sh"

have git wg python3 || skip_all 'needs git, wg and python3'
data=$TRASH/data
mkdir "$data"
printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$data/hosts"

# What `ip` must show of a node's main interface, from its JSON: addresses, MTU, and a route for every AllowedIP that
# no network of the interface's own addresses covers, and for which the node is not a gateway itself, standing by.
# Default routes are only for who has an exit node; `table: off` is no route at all.
cat >"$TRASH/ip_lines.py" <<'PYTHON'
import ipaddress, json, os, sys

for path in sys.argv[1:]:
    with open(path) as f:
        node = json.load(f)
    prefix = os.path.basename(path).removesuffix(".json") + " "
    own = [ipaddress.ip_interface(a).network for a in node["addresses"]]
    print(f"{prefix}link {node['interface']} mtu {node['mtu']}")
    print(f"{prefix}alias meshrc {node['network']}")
    for a in node["addresses"]:
        print(f"{prefix}addr {a}")
    for peer in node["peers"]:
        for text in peer["allowed_ips"]:
            p = ipaddress.ip_network(text)
            if not p.prefixlen and "exit_node" not in node or node.get("table") == "off":
                continue
            if text not in node.get("standby", []) and not any(o.version == p.version and p.subnet_of(o) for o in own):
                print(f"{prefix}route {p}")
PYTHON

# own_keys FILE FOLDER: the nodes of a network's file get keys whose private halves go to FOLDER/NODE.key.
own_keys() {
	local line section='' node=''
	while IFS= read -r line; do
		case $line in
		[a-z]*) section=${line%%:*} ;;
		'  '[a-z0-9]*:*) node=${line#  } node=${node%%:*} ;;
		'    public_key: '*) [ "$section" != nodes ] || line="    public_key: $(key_pair "$2/$node.key")" ;;
		esac
		printf '%s\n' "$line"
	done <"$1" >"$TRASH/new"
	cat "$TRASH/new" >"$1"
}

# Folders of /data, and what stands before a node's lines: EXAMPLE for the publication, EXAMPLE.NETWORK NODE
# for its nodes.
number=0
for folder in "$ROOT"/examples/networks/*/; do
	example=$(basename "$folder")
	repo=$TRASH/$example/repo
	pub_init "$TRASH/$example" || { not_ok "$example: init"; continue; }
	cp -r "$folder/networks/." "$repo/networks/"
	rm -f "$repo/networks"/*/*.py
	mkdir "$data/$example"
	while read -r file; do
		network=${file#"$repo/networks/"} network=${network%%/*} network=${network%.yaml}
		mkdir -p "$data/$example/$network"
		own_keys "$file" "$data/$example/$network"
		while read -r host; do
			grep -q " $host\$" "$data/hosts" && continue
			number=$((number + 1))
			printf '198.18.%d.%d %s\n' $((number / 250)) $((number % 250 + 1)) "$host" >>"$data/hosts"
		done < <(sed 's/#.*//' "$file" | grep -oE '[a-z0-9.-]+\.example\.(net|org|com)' | sort -u)
	done < <(find "$repo/networks" -name '*.yaml' | sort)
	pub_apply "$TRASH/$example" "$data/$example/www" || { not_ok "$example: apply"; continue; }
	cp "$TRASH/$example/root" "$data/$example/root"
	for key in "$data/$example"/*/*.key; do
		node=$(basename "$key" .key)
		network=$(basename "$(dirname "$key")")
		json="$TRASH/$example.$network $node.json"
		"$MESHRC" render "$node" --network "$network" --repo "$repo" --format json >"$json"
		name=$(sed -n 's/^  "interface": "\(.*\)",$/\1/p' "$json")
		printf '@wg %s %s\n' "$example.$network" "$node"
		"$MESHRC" render "$node" --network "$network" --interface "$name" --repo "$repo" --format wg |
			sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$key")|"
	done >>"$TRASH/wg"
done
python3 "$TRASH/ip_lines.py" "$TRASH"/*.json >"$TRASH/ip"
canon <"$TRASH/wg" >"$TRASH/lines"
# Names as what the test machine resolves them to.
sort -u "$TRASH/lines" "$TRASH/ip" | awk '
	NR == FNR { if ($2 ~ /example/) address[$2] = $1; next }
	{
		for (i = 1; i <= NF; i++)
			if ($i ~ /^Endpoint=[a-z]/) {
				split($i, part, /[=:]/)
				$i = "Endpoint=" address[part[2]] ":" part[3]
			}
		print
	}' "$data/hosts" - | sort >"$data/want"

vm -t 840 -a "$data:/data" "$ROOT/tests/vm/10-examples.sh"
