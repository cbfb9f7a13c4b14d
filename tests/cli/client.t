#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Clients on the command line: render in every format, QR codes read back, client add on every layout
# of YAML, what it refuses, and that a private key is where it belongs and nowhere else.
. "$(dirname "$0")/../lib.sh"

repo=$TRASH/net
mkdir -p "$repo/networks" && git init -q "$repo" && cd "$repo" || exit 1
printf 'version: 1\n' >meshrc.yaml
private=wGoiQ1kKBmJnOSBkbyQnKzSbrqzzZFMdK5ZjLFKa+UQ=
public=$(wg pubkey <<<"$private")
(umask 077 && printf '%s\n' "$private" >"$TRASH/phone.key" && wg genkey >"$TRASH/other.key")
cat >networks/prod.yaml <<YAML
version: 1
addresses: [10.20.0.0/16, "fd20:0:0:1::/64"]
nodes:
  fra1: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: fra1.example.net, addresses: [10.20.0.1, "fd20:0:0:1::1"]}
  ams1: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: "[2001:db8::5]:4500", addresses: [10.20.0.2]}
  anna: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, addresses: [10.20.0.3]}
clients:
  # Anna's telephone
  phone:
    public_key: $public
    gateway: fra1
    addresses: [10.20.0.9]   # as on the sticker
    dns: [10.20.0.1, corp.example.net]
  tablet: {public_key: b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE=, gateway: ams1, addresses: [10.20.0.10], allowed_ips: [10.20.0.2/32, 0.0.0.0/0, "::/0"], persistent_keepalive: 0, mtu: 1280}
YAML
git add -A && git -c user.name=x -c user.email=x@y commit -qm one
render() { "$MESHRC" render "$@"; }
add() { "$MESHRC" client add "$@"; }
decode() { zbarimg -q --raw "$@" 2>/dev/null; }

# The file of a client.
expect_ok 'a client' render phone
expect_eq 'is wg-quick text' "$(<"$OUT")" '# Network prod, client phone, interface prod
[Interface]
PrivateKey = REPLACE_WITH_PRIVATE_KEY
Address = 10.20.0.9/32
DNS = 10.20.0.1, corp.example.net

# fra1
[Peer]
PublicKey = 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=
Endpoint = fra1.example.net:51820
AllowedIPs = 10.20.0.0/16, fd20:0:0:1::/64
PersistentKeepalive = 25'
expect_ok 'with everything into the tunnel' render tablet --format wg-quick
expect_match 'its own MTU' "$(<"$OUT")" '^MTU = 1280$'
expect_match 'prefixes reduced' "$(<"$OUT")" '^AllowedIPs = 0\.0\.0\.0/0, ::/0$'
expect_no_match 'no keepalive' "$(<"$OUT")" 'Keepalive'
expect_no_match 'no DNS' "$(<"$OUT")" 'DNS'
expect_ok 'wg' render phone --format wg
expect_no_match 'has nothing of wg-quick' "$(<"$OUT")" 'Address|DNS'
expect_ok 'json' render phone --json
expect_eq 'is an object' "$(jq -c . "$OUT")" '{"network":"prod","interface":"prod","listen_port":null,"mtu":null,"fwmark":null,"addresses":["10.20.0.9/32"],"peers":[{"name":"fra1","public_key":"9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=","allowed_ips":["10.20.0.0/16","fd20:0:0:1::/64"],"endpoint":"fra1.example.net:51820","persistent_keepalive":25}],"client":"phone","gateway":"fra1","dns":["10.20.0.1","corp.example.net"]}'
expect_ok 'of a commit' render phone --rev HEAD
expect_ok 'the gateway' render fra1
expect_match 'has it as a peer' "$(<"$OUT")" '^# phone$'
expect_ok 'another node' render anna
expect_match 'reaches it through the gateway' "$(<"$OUT")" '^AllowedIPs = 10\.20\.0\.1/32, 10\.20\.0\.9/32'
expect_no_match 'and has it not as a peer' "$(<"$OUT")" '^# phone$'
expect_status 'networkd' 64 render phone --format networkd
expect_match 'is for nodes' "$(<"$ERR")" 'for nodes; of client .phone. there are wg, wg-quick, json, qr, png, svg'
expect_status 'qr of a node' 64 render fra1 --format qr
expect_match 'is for clients' "$(<"$ERR")" "for clients, and 'fra1' is a node"
expect_status 'a private key for a node' 64 render fra1 --private-key "$TRASH/phone.key"
expect_status 'an unknown client' 1 render phoen
expect_match 'gets a guess' "$(<"$ERR")" "no node or client 'phoen'; did you mean 'phone'"

# The private key: in the output alone, and only the right one.
expect_ok 'with its private key' render phone --private-key "$TRASH/phone.key"
expect_match 'it stands there' "$(<"$OUT")" "^PrivateKey = ${private//+/\\+}\$"
expect_eq 'and nowhere else' "$(grep -cF "$private" "$OUT" "$ERR" | tr '\n' ' ')" "$OUT:1 $ERR:0 "
if have wg-quick; then
	mkdir -m 700 "$TRASH/wq" && cp "$OUT" "$TRASH/wq/phone.conf" && chmod 600 "$TRASH/wq/phone.conf"
	expect_ok 'wg-quick takes it' wg-quick strip "$TRASH/wq/phone.conf"
fi
from_stdin() { "$MESHRC" render phone --private-key - <"$TRASH/phone.key"; }
expect_ok 'from standard input' from_stdin
expect_match 'it stands there too' "$(<"$OUT")" "^PrivateKey = ${private//+/\\+}\$"
expect_status "another's key" 1 render phone --private-key "$TRASH/other.key"
expect_match 'is refused' "$(<"$ERR")" 'not the private key of phone: its public half is .*, the configuration has '
expect_eq 'with nothing printed' "$(<"$OUT")" ''
expect_no_match 'and not shown' "$(<"$ERR")" "$(sed 's/[+]/\\+/g' "$TRASH/other.key")"
chmod 644 "$TRASH/other.key"
expect_status 'a key file that others may read' 1 render phone --private-key "$TRASH/other.key"
expect_match 'is refused' "$(<"$ERR")" 'chmod 600'
printf 'not a key\n' >"$TRASH/bad.key" && chmod 600 "$TRASH/bad.key"
expect_status 'a file without a key' 1 render phone --private-key "$TRASH/bad.key"
expect_no_match 'is not shown' "$(<"$ERR")" 'not a key$'
expect_status 'a file that is not there' 1 render phone --private-key "$TRASH/none.key"
expect_status 'JSON has no private key' 64 render phone --private-key "$TRASH/phone.key" --json

# --output: a new file, for its owner alone when there is a key in it.
expect_ok '--output with a key' render phone --private-key "$TRASH/phone.key" --output "$TRASH/phone.conf"
expect_eq 'has mode 600' "$(stat -c %a "$TRASH/phone.conf")" 600
expect_eq 'and prints nothing' "$(<"$OUT")" ''
expect_match 'but holds it all' "$(<"$TRASH/phone.conf")" '^PersistentKeepalive = 25$'
expect_status 'a file that is there' 1 render phone --output "$TRASH/phone.conf"
expect_match 'stays' "$(<"$ERR")" 'exists already'
expect_match 'as it was' "$(<"$TRASH/phone.conf")" "^PrivateKey = ${private//+/\\+}\$"
(umask 022 && "$MESHRC" render phone --output "$TRASH/plain.conf")
expect_eq 'without a key it is an ordinary file' "$(stat -c %a "$TRASH/plain.conf")" 644
expect_ok '--output of a node' render fra1 --output "$TRASH/fra1.conf"
expect_match 'is its configuration' "$(<"$TRASH/fra1.conf")" '^# Network prod, node fra1'

# QR codes, read back.
want='[Interface]
PrivateKey = '$private'
Address = 10.20.0.9/32
DNS = 10.20.0.1, corp.example.net
[Peer]
PublicKey = 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=
Endpoint = fra1.example.net:51820
AllowedIPs = 10.20.0.0/16, fd20:0:0:1::/64
PersistentKeepalive = 25'
expect_ok 'a PNG' render phone --private-key "$TRASH/phone.key" --format png
cp "$OUT" "$TRASH/phone.png"
expect_ok 'an SVG' render phone --private-key "$TRASH/phone.key" --format svg
cp "$OUT" "$TRASH/phone.svg"
expect_ok 'a code in the terminal' render phone --private-key "$TRASH/phone.key" --format qr
cp "$OUT" "$TRASH/phone.txt"
expect_no_match 'piped, without colours' "$(<"$TRASH/phone.txt")" $'\033'
in_terminal() { TERM=xterm script -qec "$(printf '%q ' "$MESHRC" render phone --quiet --private-key "$TRASH/phone.key" --format qr)" /dev/null </dev/null; }
have script && expect_ok 'on a terminal' in_terminal && tr -d '\r' <"$OUT" >"$TRASH/phone.ansi"
# What a camera sees of the text: 2 modules for each character, drawn as a PBM picture.
camera() {
	python3 - "$1" "$2" <<'PY'
import re, sys
lines, scale = [], 6
for line in open(sys.argv[1], encoding='utf-8').read().splitlines():
    colours = re.search(r'\033\[38;5;(\d+);48;5;(\d+)m', line)
    # Without colours: light on dark, as most terminals are.
    ink = 1 if colours and colours.groups() == ('16', '231') else 0
    text = re.sub(r'\033\[[0-9;]*m', '', line)
    if not text:
        continue
    upper = [ink if c in '\u2580\u2588' else 1 - ink for c in text]
    lower = [ink if c in '\u2584\u2588' else 1 - ink for c in text]
    lines += [upper, lower]
with open(sys.argv[2], 'w') as out:
    out.write('P1\n%d %d\n' % (len(lines[0]) * scale, len(lines) * scale))
    for line in lines:
        row = ' '.join(' '.join([str(v)] * scale) for v in line)
        out.write((row + '\n') * scale)
PY
}
if have zbarimg python3; then
	expect_eq 'the PNG holds the configuration' "$(decode "$TRASH/phone.png")" "$want"
	if have rsvg-convert; then
		rsvg-convert "$TRASH/phone.svg" -o "$TRASH/svg.png"
		expect_eq 'the SVG holds it' "$(decode "$TRASH/svg.png")" "$want"
	else
		skip 'the SVG holds it' 'needs rsvg-convert'
	fi
	camera "$TRASH/phone.txt" "$TRASH/txt.pbm"
	expect_eq 'the text holds it' "$(decode "$TRASH/txt.pbm")" "$want"
	if [ -s "$TRASH/phone.ansi" ]; then
		expect_match 'a terminal gets its colours said' "$(<"$TRASH/phone.ansi")" $'^\033\\[38;5;16;48;5;231m'
		camera "$TRASH/phone.ansi" "$TRASH/ansi.pbm"
		expect_eq 'and shows the same' "$(decode "$TRASH/ansi.pbm")" "$want"
	else
		skip 'a terminal shows the same' 'needs script'
	fi
else
	skip 'codes are read back' 'needs zbarimg and python3'
fi
expect_match 'the PNG is one' "$(file -b "$TRASH/phone.png" 2>/dev/null || echo PNG)" 'PNG'
expect_match 'the SVG has a frame of 4 modules' "$(<"$TRASH/phone.svg")" '^<path fill="#000000" d="$'
expect_eq 'above the first module' "$(grep -n -m1 '^M' "$TRASH/phone.svg" | cut -d: -f1)" 8
if have xmllint; then expect_ok 'and is XML' xmllint --noout "$TRASH/phone.svg"; fi
expect_ok 'a code without the key' render phone --format qr
expect_match 'is warned of' "$(<"$ERR")" 'placeholder.*--private-key'
if have script; then
	png_on_terminal() { TERM=xterm script -qec "$(printf '%q ' "$MESHRC" render phone --format png)" /dev/null </dev/null; }
	expect_status 'a picture on a terminal' 64 png_on_terminal
	expect_match 'is refused' "$(<"$OUT")" '--output FILE'
fi
# One byte more than the largest code holds.
long=$(for i in $(seq 1 255); do printf '172.16.%d.0/24, ' "$i"; done)
sed -i "s#gateway: fra1#gateway: fra1\n    allowed_ips: [${long%, }]#" networks/prod.yaml
expect_status 'a configuration too long for a code' 1 render phone --format png
expect_match 'is refused with both sizes' "$(<"$ERR")" '[0-9]+ bytes do not fit into a QR code, which holds 2953'
expect_ok 'as text it is fine' render phone
git checkout -q networks/prod.yaml

# The plan.
keys=$TRASH/keys
expect_ok 'a repository with keys' "$MESHRC" init "$TRASH/pub" --keys "$keys" --no-hooks
rm -f "$TRASH"/pub/networks/* && cp networks/prod.yaml "$TRASH/pub/networks/"
commit() { git -C "$TRASH/pub" add -A && git -C "$TRASH/pub" -c user.name=x -c user.email=x@y commit -qm "$1"; }
apply() { "$MESHRC" apply --repo "$TRASH/pub" --key "$keys/publisher.key" --auto-approve; }
plan() { "$MESHRC" plan --repo "$TRASH/pub" "$@"; }
commit one
expect_ok 'a network with clients' apply
expect_match 'is published with a line' "$(git -C "$TRASH/pub" log -1 --format=%B published)" 'clients: 2 added'
expect_ok 'nothing more' plan
expect_match 'to do' "$(<"$OUT")" '^No changes'
records=$(git -C "$TRASH/pub" grep -h '^record phone ' published)
expect_match 'the gateway says that it has clients' "$(git -C "$TRASH/pub" grep -h '^record fra1 ' published)" ' clients=yes$'
expect_eq 'the record of a client' "$records" "record phone key=$public addresses=10.20.0.9 gateway=fra1 dns=10.20.0.1,corp.example.net"
expect_eq 'its group' "$(git -C "$TRASH/pub" grep -h '^member ' published)" 'member #clients.ams1 tablet
member #clients.fra1 phone'
expect_match 'the gateway forwards' "$(git -C "$TRASH/pub" grep -h '^node fra1 ' published)" ' forward=yes .* direct=#clients\.fra1 '
expect_match 'the documents of others do not say a word' "$(git -C "$TRASH/pub" grep -h '^node anna ' published)" ' direct=all$'
expect_no_match 'a client has no document' "$(git -C "$TRASH/pub" grep -h '^node ' published)" '^node (phone|tablet) '
sed -i 's/gateway: fra1/gateway: ams1/; /^  tablet/d' "$TRASH/pub/networks/prod.yaml"
printf '  watch: {public_key: %s, gateway: fra1}\n' "$(wg genkey | wg pubkey)" >>"$TRASH/pub/networks/prod.yaml"
expect_status 'a client moves, one goes, one comes' 2 plan --detailed-exitcode
expect_eq 'is said of clients' "$(grep -E '^  [-+~] client|^  # client|gateway |endpoint ' "$OUT")" '  # client tablet will be removed
  - client tablet
      - gateway     = ams1
  # client phone will be changed, and cut off until it has a new file
  ~ client phone
      ~ gateway     = fra1 -> ams1
      ~ endpoint    = fra1.example.net:51820 -> [2001:db8::5]:4500
  # client watch will be added
  + client watch
      + gateway    = fra1'
expect_match 'and counted' "$(<"$OUT")" '^Plan: 0 nodes to add, 3 to change, 0 to remove; 1 client to add, 1 to change, 1 to remove; 2 peer entries to add, 4 to change, 2 to remove\.$'
expect_ok 'as JSON' plan --json
expect_eq 'too' "$(jq -c '[.networks[0].clients[] | [.action, .name, .attributes.gateway.from, .attributes.gateway.to]]' "$OUT")" \
	'[["remove","tablet","ams1",null],["change","phone","fra1","ams1"],["add","watch",null,"fra1"]]'
expect_eq 'with counts' "$(jq -c '.summary.clients' "$OUT")" '{"add":1,"change":1,"remove":1,"unchanged":0}'
expect_ok 'as markdown' plan --markdown
expect_match 'in bold' "$(<"$OUT")" '^\*\*1 client will be removed\.\*\*$'
expect_match 'with counts' "$(<"$OUT")" 'to remove; 1 client to add, 1 to change, 1 to remove; 8 peer entries touched'
commit two
expect_ok 'diff' "$MESHRC" diff --repo "$TRASH/pub" HEAD HEAD
expect_status 'of one client' 1 "$MESHRC" diff --repo "$TRASH/pub" HEAD~1 HEAD --node tablet
expect_match 'says what became of it' "$(<"$OUT")" '^  # client tablet removed$'
expect_ok 'published' apply
expect_eq 'its address is kept free' "$(git -C "$TRASH/pub" grep -h '^freed ' published)" \
	'freed 10.20.0.10 serial=2 node=tablet key=b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE='
# Who loses a client: the topology no longer joins anna with the new gateway.
printf 'topology:\n  - mesh: [fra1, anna]\n  - mesh: [fra1, ams1]\n' >>"$TRASH/pub/networks/prod.yaml"
expect_ok 'a node cut off from a gateway' plan
expect_match 'loses the gateway and the client' "$(<"$OUT")" '^  - anna will no longer reach 2 nodes \(ams1, phone\)$'
expect_match 'and is counted' "$(<"$OUT")" '^Reachability will be lost: 3 pairs of nodes and clients$'

# A node that becomes a client is gone as a node.
cp "$TRASH/pub/networks/prod.yaml" "$TRASH/prod.before"
sed -i '/^topology/,$d; /^  anna: /d' "$TRASH/pub/networks/prod.yaml"
printf '  anna: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, gateway: fra1}\n' >>"$TRASH/pub/networks/prod.yaml"
expect_ok 'a node that becomes a client' plan
expect_match 'goes' "$(<"$OUT")" '^  # anna will be removed$'
expect_match 'and comes' "$(<"$OUT")" '^  # client anna will be added$'
commit three
expect_ok 'published' apply
expect_eq 'its agent is told' "$(git -C "$TRASH/pub" grep -h '^gone ' published)" 'gone anna serial=3'
expect_match 'it keeps its address' "$(git -C "$TRASH/pub" grep -h '^record anna ' published)" 'addresses=10\.20\.0\.3,'

# The file that a client has in its hands.
sed -i 's/corp\.example\.net/corp2.example.net/' "$TRASH/pub/networks/prod.yaml"
expect_status 'a change of the file alone' 2 plan --detailed-exitcode
expect_match 'asks for a new one' "$(<"$OUT")" '^New files for clients: 1$'
expect_match 'and says why' "$(<"$OUT")" '^      ~ dns = 10\.20\.0\.1, corp\.example\.net -> 10\.20\.0\.1, corp2\.example\.net$'
expect_no_match 'no node changes' "$(<"$OUT")" '^  ~ node'
commit four
expect_ok 'published' apply
expect_eq 'it is one changed line' "$(git -C "$TRASH/pub" diff published~1 published -- prod/records | grep -c '^[-+]record')" 2
expect_eq 'and nothing else' "$(git -C "$TRASH/pub" diff --name-only --no-renames published~1 published | sed 's#/[0-9a-f]\{64\}$##' | sort | uniq -c | tr -s ' \n' ' ')" \
	' 2 prod/index 1 prod/manifest 2 prod/records '
expect_match 'the commit says so' "$(git -C "$TRASH/pub" log -1 --format=%B published)" 'clients: 0 added, 1 changed, 0 removed, new files: 1$'
sed -i 's/::5\]:4500/::5]:4501/' "$TRASH/pub/networks/prod.yaml"
expect_ok 'the gateway at another endpoint' plan --json
expect_eq 'cuts off its clients' "$(jq -c '[.networks[0].clients[] | select(.new_file == "cut_off") | .name, .attributes.endpoint.to]' "$OUT")" \
	'["phone","[2001:db8::5]:4501"]'
expect_eq 'and no others' "$(jq -c '[.summary.new_files, .summary.clients_cut_off, .summary.clients.change]' "$OUT")" '[1,1,1]'
expect_eq 'which is lost reachability' "$(jq -c '.networks[0].losses' "$OUT")" '[{"lost":["phone"],"nodes":["ams1","fra1"]}]'
expect_ok 'as markdown' plan --markdown
expect_match 'in bold' "$(<"$OUT")" '^\*\*1 client will be cut off without a new file\.\*\*$'
commit five
expect_ok 'published' apply
expect_ok 'what was lost' plan
expect_match 'is told once' "$(<"$OUT")" '^No changes'

# client add: what it refuses, before anything is written.
snapshot() { git add -A . && git -c user.name=x -c user.email=x@y commit -qm "$1"; }
unchanged() { expect_eq "$1: nothing is written" "$(git status --porcelain)" ''; }
refused() { # NAME STATUS REGEX ARGUMENTS...
	local name=$1 status=$2 regex=$3
	shift 3
	expect_status "$name" "$status" add "$@"
	expect_match "$name: says why" "$(<"$ERR")" "$regex"
	expect_eq "$name: prints nothing" "$(<"$OUT")" ''
	unchanged "$name"
}
refused 'no gateway' 64 '--gateway NODE' laptop
refused 'a bad name' 64 "'Laptop' is not a name" Laptop --gateway fra1
refused 'the name all' 64 "not 'all'" all --gateway fra1
refused 'a bad key' 64 'not a WireGuard public key' laptop --gateway fra1 --public-key short
refused 'a weak key' 64 'must not be used' laptop --gateway fra1 --public-key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
refused "another's key" 1 '^networks/prod\.yaml:[0-9]+:[0-9]+: error: `laptop` and `phone` have the same public key' laptop --gateway fra1 --public-key "$public"
refused 'an unknown gateway' 1 '^networks/prod\.yaml:[0-9]+:14: error: there is no node `fra2`' laptop --gateway fra2
refused 'a gateway without an endpoint' 1 '`anna` cannot be a gateway' laptop --gateway anna
refused 'a client as gateway' 1 'there is no node `phone`' laptop --gateway phone
refused 'a client that is there' 1 '^networks/prod\.yaml:9:3: error: there is a client `phone` already' phone --gateway fra1
refused 'the name of a node' 1 '^networks/prod\.yaml:6:3: error: there is a node `anna`' anna --gateway fra1
refused 'an unknown network' 1 "no network 'pord'; did you mean 'prod'" laptop --gateway fra1 --network pord
refused 'an unknown format' 64 "unknown format 'pdf'" laptop --gateway fra1 --format pdf
refused 'networkd' 64 "unknown format 'networkd'" laptop --gateway fra1 --format networkd
refused 'JSON without the key' 64 'it would be lost' laptop --gateway fra1 --format json
refused 'an output of nothing' 64 'nothing to put into' laptop --gateway fra1 --public-key "$(wg genkey | wg pubkey)" --output x
refused 'a file that is there' 1 'exists already' laptop --gateway fra1 --output "$TRASH/phone.conf"
expect_status 'another word' 64 "$MESHRC" client remove phone
expect_match 'is not known' "$(<"$ERR")" "there is 'add'"
expect_status 'no name' 64 "$MESHRC" client add
if [ -c /dev/full ]; then
	to_full() { "$MESHRC" client add laptop --gateway fra1 >/dev/full; }
	expect_status 'a key that cannot be printed' 1 to_full
	unchanged 'a key that cannot be printed'
fi
git clone -q --bare . "$TRASH/bare.git"
expect_status 'a bare repository' 1 add laptop --gateway fra1 --repo "$TRASH/bare.git"
expect_match 'has no files' "$(<"$ERR")" 'do it in a clone'
printf 'oops\n' >>networks/prod.yaml
expect_status 'a repository with an error' 1 add laptop --gateway fra1
git checkout -q networks/prod.yaml

# client add: the private key once, the YAML with one entry more and nothing else.
expect_ok 'a key pair' add laptop --gateway fra1
key=$(<"$OUT")
expect_eq 'its private half is printed' "$(printf '%s\n' "$key" | wc -l) ${#key}" '1 44'
expect_match 'its public half is in the file' "$(<networks/prod.yaml)" "^    public_key: $(wg pubkey <<<"$key" | sed 's/[+]/\\+/g')\$"
expect_no_match 'the private one is not' "$(grep -rF "$key" . .git 2>/dev/null | cat)" '.'
expect_match 'the address is told' "$(<"$ERR")" 'client laptop of network prod, gateway fra1, 10\.20\.0\.4, fd20:0:0:1::2: added to networks/prod\.yaml'
expect_match 'as not yet final' "$(<"$ERR")" 'final once this is published'
expect_eq 'the diff is three lines' "$(git diff --numstat | cut -f1,2 | tr '\t' ' ')" '3 0'
expect_eq 'behind the last client' "$(tail -n 3 networks/prod.yaml | head -n 1)" '  laptop:'
expect_ok 'and it is valid' "$MESHRC" validate
snapshot laptop
own=$(wg genkey)
expect_ok 'a key of its own' add watch --gateway ams1 --public-key "$(wg pubkey <<<"$own")"
expect_eq 'prints nothing' "$(<"$OUT")" ''
expect_eq 'is put in' "$(git diff --numstat | cut -f1,2 | tr '\t' ' ')" '3 0'
snapshot watch
expect_ok 'JSON' add json1 --gateway ams1 --json
expect_eq 'says all' "$(jq -r '[.network, .client, .gateway, (.addresses | join(","))] | join(" ")' "$OUT")" 'prod json1 ams1 10.20.0.4,fd20:0:0:1::2'
expect_eq 'the key pair belongs together' "$(jq -r .private_key "$OUT" | wg pubkey)" "$(jq -r .public_key "$OUT")"
expect_match 'the address is pinned' "$(<networks/prod.yaml)" '^    addresses: \[10\.20\.0\.4, "fd20:0:0:1::2"\]$'
snapshot json1
expect_ok 'JSON of a key of its own' add json2 --gateway ams1 --json --public-key "$(wg genkey | wg pubkey)"
expect_eq 'has no private key' "$(jq .private_key "$OUT")" null
snapshot json2
if have zbarimg; then
	expect_ok 'a code' add coded --gateway fra1 --format png --output "$TRASH/coded.png"
	expect_eq 'in a file for its owner' "$(stat -c %a "$TRASH/coded.png")" 600
	decode "$TRASH/coded.png" >"$TRASH/coded.conf"
	expect_match 'of the whole configuration' "$(<"$TRASH/coded.conf")" '^AllowedIPs = 10\.20\.0\.0/16, fd20:0:0:1::/64$'
	key=$(sed -n 's/^PrivateKey = //p' "$TRASH/coded.conf")
	expect_match 'with the key of the file' "$(grep -A1 '^  coded:' networks/prod.yaml)" "public_key: $(wg pubkey <<<"$key" | sed 's/[+]/\\+/g')\$"
	expect_eq 'and the addresses of the file' \
		"$(sed -n 's/^Address = //p' "$TRASH/coded.conf" | tr -d ' ')" \
		"$(sed -n '/^  coded:/,$s/^    addresses: \[\(.*\)\]$/\1/p' networks/prod.yaml | tr -d ' "' | sed 's#,#/32,#; s#$#/128#')"
	snapshot coded
fi
expect_ok 'the configuration as text' add texted --gateway fra1 --format wg-quick
expect_match 'has a real key' "$(<"$OUT")" '^PrivateKey = [A-Za-z0-9+/]{43}=$'
printed=$(sed -n 's/^Address = //p' "$OUT")
# Somebody whose name comes first does not move what was handed over.
expect_ok 'one more' add aaa --gateway fra1 --format wg-quick
expect_ok 'does not move it' render texted
expect_eq 'its address' "$(sed -n 's/^Address = //p' "$OUT")" "$printed"
expect_ok 'a placeholder where the client has the key' add hers --gateway fra1 --format wg-quick --public-key "$(wg genkey | wg pubkey)"
expect_match 'stands there' "$(<"$OUT")" '^PrivateKey = REPLACE_WITH_PRIVATE_KEY$'
expect_match 'and is warned of' "$(<"$ERR")" 'placeholder'

# Layouts. Each: what stood there keeps every byte, and the result is as it should look.
layout() { # NAME FILE CONTENT-BEFORE WANTED ; the network is t
	local dir=$TRASH/layout k
	rm -rf "$dir" && mkdir -p "$dir/networks/t" && git init -q "$dir"
	printf 'version: 1\n' >"$dir/meshrc.yaml"
	k=TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
	case $2 in t.yaml) rmdir "$dir/networks/t" ;; *) printf '%b' "$base" >"$dir/networks/t/base.yaml" ;; esac
	[ -z "$3" ] || printf '%b' "$3" >"$dir/networks/$2"
	expect_ok "$1" add new --gateway g --repo "$dir" --public-key "$k"
	printf '%b' "$4" >"$TRASH/wanted"
	expect_same "$1: the text" "$dir/networks/$2" "$TRASH/wanted"
	expect_ok "$1: is valid" "$MESHRC" validate --repo "$dir"
}
base='version: 1\naddresses: [10.1.0.0/16]\nnodes:\n  g: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: 192.0.2.1}\n'
k=TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
new="new:\n    public_key: $k\n    gateway: g\n"
one="one: {public_key: b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE=, gateway: g}"
layout 'one file without clients' t.yaml "$base" "$base\nclients:\n  $new"
layout 'one file without a newline at its end' t.yaml "${base%\\n}" "$base\nclients:\n  $new"
layout 'a folder' t/clients.yaml '' "# Devices without the agent: phones, appliances. 'meshrc client add' adds one, 'meshrc render NAME'\n# prints the configuration of one.\nclients:\n  $new"
layout 'a folder with clients elsewhere' t/people.yaml "clients:\n  $one\n" "clients:\n  $one\n  $new"
layout 'a clients.yaml of something else' t/clients.yaml 'mtu: 1400\n' "mtu: 1400\n\nclients:\n  $new"
layout 'comments and keys behind' t.yaml "${base}clients:\n  $one # her own\n  # more to come\n\n# The shape\ntopology:\n  - mesh: [all]\n" \
	"${base}clients:\n  $one # her own\n  # more to come\n  $new\n# The shape\ntopology:\n  - mesh: [all]\n"
layout 'four blanks' t.yaml "${base}clients:\n    $one\nmtu: 1400\n" "${base}clients:\n    $one\n    new:\n        public_key: $k\n        gateway: g\nmtu: 1400\n"
layout 'an entry in a block' t.yaml "${base}clients:\n  one:\n    public_key: b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE=\n    gateway: g # x" \
	"${base}clients:\n  one:\n    public_key: b2hBLMt0rCRdVgX2Pxm1W5XsSL3XdmJZ0ZmEwyRJ1xE=\n    gateway: g # x\n  $new"
layout 'an empty mapping' t.yaml "${base}clients: {} # none yet\n" "${base}clients: {new: {public_key: $k, gateway: g}} # none yet\n"
layout 'a mapping in braces' t.yaml "${base}clients: { $one }\nmtu: 1400\n" "${base}clients: {new: {public_key: $k, gateway: g},  $one }\nmtu: 1400\n"
layout 'braces over several lines' t.yaml "${base}clients:\n  {\n    $one,\n  }\n" "${base}clients:\n  {new: {public_key: $k, gateway: g}, \n    $one,\n  }\n"
layout 'lines that end as on Windows' t.yaml "${base//\\n/\\r\\n}clients:\r\n  $one\r\n" "${base//\\n/\\r\\n}clients:\r\n  $one\r\n  ${new//\\n/\\r\\n}"
layout 'marks of the document' t.yaml "---\n${base}...\n" "---\n$base\nclients:\n  $new...\n"
layout 'letters of several bytes' t.yaml "${base}description: grün\nclients: {} # für später\n" "${base}description: grün\nclients: {new: {public_key: $k, gateway: g}} # für später\n"
layout 'everything indented' t.yaml "  ${base//\\n/\\n  }mtu: 1400\n" "  ${base//\\n/\\n  }mtu: 1400\n\n  clients:\n    new:\n      public_key: $k\n      gateway: g\n"

# A name that other YAML programs would read as a number is quoted; the file keeps its mode.
dir=$TRASH/layout
chmod 640 "$dir/networks/t.yaml"
expect_ok 'a name of digits' add 007 --gateway g --repo "$dir" --public-key "$(wg genkey | wg pubkey)"
expect_match 'is quoted' "$(<"$dir/networks/t.yaml")" '^    "007":$'
expect_eq 'the mode stays' "$(stat -c %a "$dir/networks/t.yaml")" 640
expect_ok 'a word that is a truth value' add on --gateway g --repo "$dir" --public-key "$(wg genkey | wg pubkey)"
expect_match 'is quoted too' "$(<"$dir/networks/t.yaml")" '^    "on":$'
# In a file that is one mapping in braces there is no line for it.
printf '{version: 1, addresses: [10.1.0.0/16], nodes: {g: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: 192.0.2.1}}}\n' >"$dir/networks/t.yaml"
cp "$dir/networks/t.yaml" "$TRASH/braces"
expect_status 'a file in braces' 1 add new --gateway g --repo "$dir"
expect_same 'stays' "$dir/networks/t.yaml" "$TRASH/braces"
expect_eq 'and no key is printed' "$(<"$OUT")" ''
# Two networks: which one must be said.
printf '%b' "$base" >"$dir/networks/t.yaml"
printf '%b' "${base//10.1./10.2.}listen_port: 51821\n" >"$dir/networks/u.yaml"
expect_status 'two networks' 1 add new --gateway g --repo "$dir"
expect_match 'want --network' "$(<"$ERR")" 'name one with --network: t, u'
expect_ok 'with it' add new --gateway g --network u --repo "$dir" --public-key "$k"
expect_no_match 'the other one stays' "$(<"$dir/networks/t.yaml")" 'clients'
done_testing
