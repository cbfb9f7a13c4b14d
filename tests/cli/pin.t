#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"

# Commits to sign with, and a name for them.
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@y GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@y
repo=$TRASH/net
pin() { "$MESHRC" pin --repo "$repo" "$@"; }
meshrc() { "$MESHRC" "$1" --repo "$repo" "${@:2}"; }

expect_ok 'a repository' "$MESHRC" init "$repo" --keys "$TRASH/keys"
cd "$repo" || exit 1
rm -f networks/example.yaml
cat >networks/prod.yaml <<'YAML'
# The whole of it.
version: 1
addresses: [10.20.0.0/16, "fd20:0:0:1::/64"]
reserved: [10.20.0.0/28]
nodes:
  # the first
  fra1:                                  # in Frankfurt
    public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=   # made in
                                         # 2024
    # reachable from everywhere
    endpoint:   fra1.example.net

    tags: [dc]
  ams1: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: "[2001:db8::5]:4500", tags: [dc]}   # one line
  anna:
    'public_key': gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
  bela: {
    public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, # his
    tags: [people]
  }
  old: {public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, endpoint: old:1, addresses: [10.20.0.3]}
topology:
  - star: {hubs: [fra1], spokes: [all]}
YAML
mkdir -p networks/lab/eu
printf 'version: 1\naddresses: [10.30.0.0/24]\nlisten_port: 51821\n' >networks/lab/lab.yaml
# No line end at the end of the file, and a mode of its own.
printf 'nodes:\r\n  fra1:\r\n    public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=\r\n    endpoint: fra1:1' >networks/lab/eu/fra1.yaml
printf '{"nodes": {"only": {"public_key": "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=", "endpoint": "only:1"}}}' >networks/lab/only.yaml
# A node in two files: the key is in one, the rest in the other.
printf 'nodes:\n  two:\n    public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\n' >networks/lab/two-key.yaml
printf 'nodes:\n  two:\n    endpoint: two:1\n' >networks/lab/two.yaml
chmod 664 networks/lab/eu/fra1.yaml
git add -A && git commit -qm one

# Every node's configuration, whichever files it is read from.
everything() {
	local n
	for n in fra1 ams1 anna bela old; do "$MESHRC" render "$n" --network prod --repo "$repo" --json; done
	for n in fra1 only two; do "$MESHRC" render "$n" --network lab --repo "$repo" --json; done
}
everything >"$TRASH/before" 2>&1
expect_eq 'eight nodes' "$(grep -c '"addresses"' "$TRASH/before")" 8

# Wrong usage, and what cannot be pinned.
expect_status 'no node' 64 pin
expect_match 'says what is missing' "$(<"$ERR")" 'say --all'
expect_status '--all and a node' 64 pin --all anna
expect_status 'an unknown node' 1 pin ana
expect_match 'gets a guess' "$(<"$ERR")" "no node 'ana'; did you mean 'anna'"
expect_status 'a node of two networks' 1 pin anna fra1
expect_match 'needs --network' "$(<"$ERR")" 'more than one network \(lab, prod\).*--network'
expect_status 'an unknown network' 1 pin --all --network pord
expect_eq 'nothing was written by any of them' "$(git status --porcelain)" ''

# --dry-run
expect_ok '--dry-run' pin --all --dry-run
cp "$OUT" "$TRASH/patch"
expect_match 'prints a diff' "$(<"$OUT")" '^\+\+\+ b/networks/lab/eu/fra1\.yaml$'
expect_match 'says what would be' "$(<"$ERR")" '7 nodes would be pinned in 4 files'
expect_eq 'and writes nothing' "$(git status --porcelain)" ''
expect_ok 'git takes the diff' git apply --check "$TRASH/patch"

# One node, and no other line of its file.
expect_ok 'one node' pin anna
expect_eq 'says which and what' "$(<"$OUT")" 'networks/prod.yaml: anna = 10.20.0.17, fd20:0:0:1::2'
expect_match 'and how many' "$(<"$ERR")" '^meshrc: 1 node pinned in 1 file$'
expect_eq 'one line more' "$(git diff --numstat | tr '\t' ' ')" '1 0 networks/prod.yaml'
expect_match 'that line' "$(git diff -U0)" "^\+    'addresses': \['10\.20\.0\.17', 'fd20:0:0:1::2'\]$"
everything >"$TRASH/after" 2>&1
expect_same 'every configuration is what it was' "$TRASH/before" "$TRASH/after"
expect_ok 'a node of two networks, with --network' pin fra1 --network lab
expect_eq 'the right one' "$(<"$OUT")" 'networks/lab/eu/fra1.yaml: fra1 = 10.30.0.1'

# All the rest.
expect_ok 'the dry run of the rest' pin --all --dry-run --quiet
expect_eq '--quiet says nothing but the data' "$(<"$ERR")" ''
expect_ok 'the rest, as JSON' pin --all --json
expect_eq 'what was done' "$(jq -c '[.written, [.pinned[] | [.network, .node, .file, .addresses]]]' "$OUT")" \
	'[true,[["lab","only","networks/lab/only.yaml",["10.30.0.2"]],["lab","two","networks/lab/two-key.yaml",["10.30.0.3"]],["prod","ams1","networks/prod.yaml",["10.20.0.16","fd20:0:0:1::1"]],["prod","bela","networks/prod.yaml",["10.20.0.18","fd20:0:0:1::3"]],["prod","fra1","networks/prod.yaml",["10.20.0.19","fd20:0:0:1::4"]]]]'
cat >"$TRASH/want" <<'YAML'
# The whole of it.
version: 1
addresses: [10.20.0.0/16, "fd20:0:0:1::/64"]
reserved: [10.20.0.0/28]
nodes:
  # the first
  fra1:                                  # in Frankfurt
    public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=   # made in
                                         # 2024
    # reachable from everywhere
    endpoint:   fra1.example.net
    addresses: [10.20.0.19, "fd20:0:0:1::4"]

    tags: [dc]
  ams1: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: "[2001:db8::5]:4500", addresses: [10.20.0.16, "fd20:0:0:1::1"], tags: [dc]}   # one line
  anna:
    'public_key': gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
    'addresses': ['10.20.0.17', 'fd20:0:0:1::2']
  bela: {
    public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, # his
    addresses: [10.20.0.18, "fd20:0:0:1::3"],
    tags: [people]
  }
  old: {public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, endpoint: old:1, addresses: [10.20.0.3]}
topology:
  - star: {hubs: [fra1], spokes: [all]}
YAML
expect_same 'the file: comments, order and layout stay' networks/prod.yaml "$TRASH/want"
expect_eq 'carriage returns stay, and the end without a line end' "$(tail -c 48 networks/lab/eu/fra1.yaml | od -An -c | tr -d ' \n')" \
	'endpoint:fra1:1\r\naddresses:[10.30.0.1]'
expect_eq 'JSON stays JSON' "$(jq -c .nodes.only networks/lab/only.yaml)" \
	'{"public_key":"gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=","endpoint":"only:1","addresses":["10.30.0.2"]}'
expect_eq 'a file keeps its mode' "$(stat -c %a networks/lab/eu/fra1.yaml)" 664
expect_eq 'where the key is not, nothing changes' "$(git status --porcelain networks/lab/two.yaml)" ''
expect_eq 'no file is left beside them' "$(git status --porcelain | grep -c '^?')" 0
everything >"$TRASH/after" 2>&1
expect_same 'every configuration is what it was' "$TRASH/before" "$TRASH/after"
git diff >"$TRASH/done"
git stash -q && git apply "$TRASH/patch"
expect_eq 'the diff of the dry run is the same' "$(git diff | git patch-id)" "$(git patch-id <"$TRASH/done")"

# Nothing to do.
before=$(stat -c '%i %y' networks/prod.yaml)
expect_ok 'again' pin --all
expect_eq 'nothing is printed' "$(<"$OUT")" ''
expect_match 'nothing to pin' "$(<"$ERR")" 'nothing to pin: all have `addresses` of their own'
expect_ok 'one of them' pin anna anna
expect_match 'says so too' "$(<"$ERR")" 'nothing to pin'
expect_ok 'as JSON' pin anna --json
expect_eq 'an empty list' "$(jq -c . "$OUT")" '{"pinned":[],"written":false}'
expect_eq 'the file was not touched' "$(stat -c '%i %y' networks/prod.yaml)" "$before"
git checkout -q . && git stash drop -q

# What is published counts, not what a first publication would give.
git commit -qam two --allow-empty
expect_ok 'publish' meshrc apply --auto-approve
sed -i '/^  ams1:/d' networks/prod.yaml && git commit -qam 'without ams1'
expect_ok 'publish again' meshrc apply --auto-approve
sed -i 's/^  anna:$/  zoe: {public_key: 2RzKFbGMx5g7fG0BrWCI7JIpGvcwGkqUaCoENYueJw4=}\n&/' networks/prod.yaml
expect_ok 'pin' pin --all --network prod
expect_eq 'what they have, and for a new one what was never used' "$(sed 's/.*: //' "$OUT" | tr '\n' ';')" \
	'anna = 10.20.0.17, fd20:0:0:1::2;bela = 10.20.0.18, fd20:0:0:1::3;fra1 = 10.20.0.19, fd20:0:0:1::4;zoe = 10.20.0.20, fd20:0:0:1::5;'
git checkout -q . && expect_ok 'pin what is published' pin --all && git commit -qam pinned
expect_ok 'then' meshrc plan
expect_match 'nothing changes' "$(<"$OUT")" '^No changes\.'

# A clone that knows no published branch is told so.
git clone -q --single-branch "$repo" "$TRASH/clone" 2>/dev/null
sed -i '/addresses: .10.20.0.19/d' "$TRASH/clone/networks/prod.yaml"
expect_ok 'in a clone' "$MESHRC" pin fra1 --network prod --dry-run --repo "$TRASH/clone"
expect_match 'a warning' "$(<"$ERR")" 'no published branch is known here, so these are the addresses that a first publication would give: git fetch origin published:'

# Clients have automatic addresses too. A node and a client stand in one file, in one order of names.
mkdir -p "$TRASH/phones/networks" && git init -q "$TRASH/phones" && printf 'version: 1\n' >"$TRASH/phones/meshrc.yaml"
cat >"$TRASH/phones/networks/home.yaml" <<'YAML'
version: 1
addresses: [10.20.0.0/24, "fd20::/64"]
clients:
  phone:                                 # in a pocket
    public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
    gateway: m
  a-tablet: {public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, gateway: m}
  old: {public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, gateway: m, addresses: [10.20.0.200]}
nodes:
  m: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, endpoint: m.example.net}
YAML
phones() { "$MESHRC" "$1" --repo "$TRASH/phones" "${@:2}"; }
every_client() { for n in phone a-tablet old m; do phones render "$n" --json; done; }
every_client >"$TRASH/before"
expect_ok 'a client' phones pin phone --json
expect_eq 'is said to be one' "$(jq -c '.pinned[0]' "$OUT")" \
	'{"network":"home","client":"phone","file":"networks/home.yaml","addresses":["10.20.0.3","fd20::3"]}'
expect_match 'is counted as one' "$(<"$ERR")" '1 client pinned in 1 file'
expect_eq 'is pinned behind its key' "$(grep -A1 'TrMvSoP4' "$TRASH/phones/networks/home.yaml" | tail -n 1)" '    addresses: [10.20.0.3, "fd20::3"]'
expect_ok 'all' phones pin --all
expect_eq 'clients and nodes' "$(tr '\n' ';' <"$OUT")" \
	'networks/home.yaml: a-tablet = 10.20.0.1, fd20::1;networks/home.yaml: m = 10.20.0.2, fd20::2;'
expect_match 'are counted as both' "$(<"$ERR")" '2 nodes and clients pinned in 1 file'
every_client >"$TRASH/after"
expect_same 'every configuration is what it was' "$TRASH/before" "$TRASH/after"
expect_status 'an unknown name' 1 phones pin fone
expect_match 'may be that of a client' "$(<"$ERR")" "no node or client 'fone'; did you mean 'phone'"

# A bare repository has no files.
git clone -q --bare "$repo" "$TRASH/bare.git" 2>/dev/null
expect_status 'in a bare repository' 1 "$MESHRC" pin --all --repo "$TRASH/bare.git"
expect_match 'refused with a reason' "$(<"$ERR")" 'a bare repository has no files to write into; pin in a clone of it'

# Nothing is written when anything is wrong.
git checkout -q 'HEAD~1' -- networks
sed -i 's/^topology:/topolgy:/' networks/prod.yaml
cp networks/lab/only.yaml "$TRASH/only"
expect_status 'a mistake in one network' 1 pin only
expect_match 'is told' "$(<"$ERR")" 'prod.yaml:.*unknown key `topolgy`'
expect_same 'and no other is touched' networks/lab/only.yaml "$TRASH/only"
git checkout -q 'HEAD~1' -- networks

# A disk that is full: the file that could not be written is whole, and the network is the same.
{ sed '/^nodes:/,$d' networks/prod.yaml; printf 'nodes: {}\n'; } >"$TRASH/short"
{ cat networks/lab/two-key.yaml; head -c 5000 /dev/zero | tr '\0' '#'; printf '\n'; } >"$TRASH/long"
cp "$TRASH/long" networks/lab/two-key.yaml
everything >"$TRASH/before" 2>&1
short_of_space() { (trap '' XFSZ; ulimit -f 4; pin two only --network lab); }
expect_status 'no room for the second file' 1 short_of_space
expect_match 'says how far it got' "$(<"$ERR")" 'after 1 of 2 files were written: .*File too large'
expect_same 'the second is as it was' networks/lab/two-key.yaml "$TRASH/long"
expect_match 'the first is written' "$(<networks/lab/only.yaml)" '"addresses": \["10\.30\.0\.2"\]'
expect_eq 'nothing is left of it' "$(git status --porcelain | grep -c '^?')" 0
everything >"$TRASH/after" 2>&1
expect_same 'and every configuration is what it was' "$TRASH/before" "$TRASH/after"
expect_ok 'with room again' pin two only --network lab
expect_eq 'the rest is done' "$(<"$OUT")" 'networks/lab/two-key.yaml: two = 10.30.0.3'
done_testing
