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

# What `ip` must show of a node, from its JSON: addresses, MTU, and a route for every AllowedIP that no
# network of the interface's own addresses covers and that is no default route.
cat >"$TRASH/ip_lines.py" <<'PYTHON'
import ipaddress, json, sys

for path in sys.argv[1:]:
    with open(path) as f:
        node = json.load(f)
    prefix = f"{node['network']} {node['node']} "
    own = [ipaddress.ip_interface(a).network for a in node["addresses"]]
    print(f"{prefix}link {node['interface']} mtu {node['mtu']}")
    print(f"{prefix}alias meshrc {node['network']}")
    for a in node["addresses"]:
        print(f"{prefix}addr {a}")
    for peer in node["peers"]:
        for text in peer["allowed_ips"]:
            p = ipaddress.ip_network(text)
            if p.prefixlen and not any(o.version == p.version and p.subnet_of(o) for o in own):
                print(f"{prefix}route {p}")
PYTHON

number=0
for folder in "$ROOT"/examples/networks/*/; do
	example=$(basename "$folder")
	pub_init "$TRASH/$example" || { not_ok "$example: init"; continue; }
	cp -r "$folder/networks/." "$TRASH/$example/repo/networks/"
	rm -f "$TRASH/$example/repo/networks"/*/*.py
	network=
	for f in "$TRASH/$example/repo/networks"/*; do
		network=$(basename "$f" .yaml)
	done
	mkdir -p "$data/$network"
	while read -r file; do
		node=
		while IFS= read -r line; do
			case $line in
			'  '[a-z0-9]*:*) node=${line#  } node=${node%%:*} ;;
			'    public_key: '*) line="    public_key: $(key_pair "$data/$network/$node.key")" ;;
			'    endpoint: '[a-z]*)
				host=${line#*: } host=${host%% *} host=${host%:*}
				if ! grep -q " $host\$" "$data/hosts"; then
					number=$((number + 1))
					printf '198.18.0.%d %s\n' "$number" "$host" >>"$data/hosts"
				fi
				;;
			esac
			printf '%s\n' "$line"
		done <"$file" >"$TRASH/new"
		cp "$TRASH/new" "$file"
	done < <(find "$TRASH/$example/repo/networks" -name '*.yaml')
	pub_apply "$TRASH/$example" "$data/$network/www" || { not_ok "$example: apply"; continue; }
	cp "$TRASH/$example/root" "$data/$network/root"
	for key in "$data/$network"/*.key; do
		node=$(basename "$key" .key)
		printf '@wg %s %s\n' "$network" "$node"
		"$MESHRC" render "$node" --repo "$TRASH/$example/repo" --format wg |
			sed "s|REPLACE_WITH_PRIVATE_KEY|$(<"$key")|"
		"$MESHRC" render "$node" --repo "$TRASH/$example/repo" --format json >"$TRASH/node.json"
		mv "$TRASH/node.json" "$TRASH/$network $node.json"
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
