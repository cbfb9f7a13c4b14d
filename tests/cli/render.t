#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../lib.sh"

repo=$TRASH/net
mkdir -p "$repo/networks" && git init -q "$repo" && cd "$repo" || exit 1
printf 'version: 1\n' >meshrc.yaml
cat >networks/prod.yaml <<'YAML'
version: 1
addresses: [10.20.0.0/16, "fd20:0:0:1::/64"]
persistent_keepalive: 25
nodes:
  fra1: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: fra1.example.net, routes: [192.168.10.0/24, "fd77::/48"]}
  ams1: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, endpoint: "[2001:db8::5]:4500", addresses: [10.20.0.2], fwmark: 51}
  anna: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=, mtu: 1380}
YAML
cat >networks/lab.yaml <<'YAML'
version: 1
addresses: [10.30.0.0/24]
listen_port: 51821
nodes:
  fra1: {public_key: 9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=, endpoint: fra1.example.net}
  only: {public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=}
YAML
git add -A && git -c user.name=x -c user.email=x@y commit -qm one
render() { "$MESHRC" render "$@"; }
private=wGoiQ1kKBmJnOSBkbyQnKzSbrqzzZFMdK5ZjLFKa+UQ=
ready() { sed "s|REPLACE_WITH_PRIVATE_KEY|$private|" "$OUT"; }

# Which node.
expect_ok 'a node of one network' render anna
expect_match 'as wg-quick reads it' "$(<"$OUT")" '^Address = 10\.20\.0\.1/16, fd20:0:0:1::1/64$'
expect_status 'a node of two networks' 1 render fra1
expect_match 'needs --network' "$(<"$ERR")" 'more than one network \(lab, prod\).*--network'
expect_ok 'with it' render fra1 --network lab
expect_match 'it is that one' "$(<"$OUT")" '^# Network lab, node fra1'
expect_status 'an unknown node' 1 render ana
expect_match 'gets a guess' "$(<"$ERR")" "no node 'ana'; did you mean 'anna'"
expect_status 'an unknown network' 1 render anna --network pord
expect_status 'an unknown format' 64 render anna --format wgquick
expect_match 'and those there are' "$(<"$ERR")" 'wg, wg-quick, networkd, nft, json'
expect_status '--json with another format' 64 render anna --json --format wg
expect_status 'no node' 64 render
expect_status 'two nodes' 64 render anna fra1

# json
expect_ok 'json' render anna --format json
expect_eq 'is what the documentation shows' "$(jq -c . "$OUT")" \
	'{"network":"prod","node":"anna","interface":"prod","listen_port":51820,"mtu":1380,"fwmark":null,"addresses":["10.20.0.1/16","fd20:0:0:1::1/64"],"peers":[{"name":"ams1","public_key":"TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=","allowed_ips":["10.20.0.2/32"],"endpoint":"[2001:db8::5]:4500","persistent_keepalive":25},{"name":"fra1","public_key":"9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw=","allowed_ips":["10.20.0.3/32","192.168.10.0/24","fd20:0:0:1::2/128","fd77::/48"],"endpoint":"fra1.example.net:51820","persistent_keepalive":25}]}'
cp "$OUT" "$TRASH/json"
expect_ok '--json is the same' render anna --json
expect_same 'to the byte' "$OUT" "$TRASH/json"
expect_ok 'of a node with an fwmark' render ams1 --json
expect_eq 'a number' "$(jq -c '[.fwmark, [.peers[].persistent_keepalive]]' "$OUT")" '[51,[null,null]]'

# --rev: a commit, not the files.
sed -i 's/mtu: 1380/mtu: 1400/' networks/prod.yaml
expect_ok '--rev' render anna --rev HEAD
expect_match 'shows the commit' "$(<"$OUT")" '^MTU = 1380$'
expect_ok 'without it' render anna
expect_match 'the files' "$(<"$OUT")" '^MTU = 1400$'
expect_status '--rev of nothing' 1 render anna --rev nowhere

# wg-quick reads it back.
if have wg-quick; then
	mkdir -m 700 "$TRASH/wq"
	expect_ok 'wg-quick' render ams1 --format wg-quick
	ready >"$TRASH/wq/wgq.conf" && chmod 600 "$TRASH/wq/wgq.conf"
	expect_ok 'wg-quick strip takes it' wg-quick strip "$TRASH/wq/wgq.conf"
	cp "$OUT" "$TRASH/stripped"
	expect_ok 'wg' render ams1 --format wg
	ready | grep -v '^#' | grep -v '^$' >"$TRASH/plain"
	grep -v '^#' "$TRASH/stripped" | grep -v '^$' >"$TRASH/stripped2"
	expect_same 'and leaves what wg is given' "$TRASH/stripped2" "$TRASH/plain"
else
	skip 'wg-quick strip takes it' 'needs wg-quick'
fi

# wg setconf takes it, and shows the same again.
try_setconf() {
	unshare -n bash -c '
		mkdir -p "$2/run" && mount -t tmpfs none /var/run 2>/dev/null; mkdir -p /var/run/wireguard
		WG_PROCESS_FOREGROUND=1 wireguard-go -f wgr0 >/dev/null 2>&1 &
		pid=$!
		for i in $(seq 100); do [ -S /var/run/wireguard/wgr0.sock ] && break; sleep 0.05; done
		wg setconf wgr0 "$1" && wg showconf wgr0
		status=$?
		kill "$pid"; wait "$pid" 2>/dev/null
		exit $status' - "$1" "$TRASH"
}
if have wireguard-go wg unshare && unshare -nm true 2>/dev/null && [ -c /dev/net/tun ]; then
	for node in ams1 anna; do
		expect_ok "wg of $node" render "$node" --format wg
		# No name server in there: names become addresses.
		ready | sed 's/fra1\.example\.net/192.0.2.1/' >"$TRASH/$node.conf"
		expect_ok "wg setconf takes it" unshare -m bash -c "$(declare -f try_setconf); TRASH=$TRASH; try_setconf '$TRASH/$node.conf'"
		grep -E '^(ListenPort|FwMark|PublicKey|AllowedIPs|Endpoint|PersistentKeepalive)' "$OUT" |
			sed 's/, /,/g' | tr ',' '\n' | sed 's/.* = //' | sort >"$TRASH/shown"
		grep -E '^(ListenPort|FwMark|PublicKey|AllowedIPs|Endpoint|PersistentKeepalive)' "$TRASH/$node.conf" |
			sed 's/, /,/g' | tr ',' '\n' | sed 's/.* = //' | sort >"$TRASH/given"
		expect_same "and shows the same" "$TRASH/shown" "$TRASH/given"
	done
else
	skip 'wg setconf takes it' 'needs root, /dev/net/tun and wireguard-go'
fi

# networkd: two files, each under its name.
expect_ok 'networkd' render anna --format networkd
expect_eq 'two files' "$(grep -c '^# file: ' "$OUT")" 2
expect_match 'the key is a path' "$(<"$OUT")" '^PrivateKeyFile=/etc/systemd/network/70-prod\.key$'
expect_match 'routes for what is outside the pools' "$(<"$OUT")" '^Destination=192\.168\.10\.0/24$'
expect_no_match 'and not for what is inside' "$(<"$OUT")" '^Destination=10\.20'
expect_no_match 'no private key' "$(<"$OUT")" '^PrivateKey='
if have systemd-analyze && systemd-analyze cat-config --help >/dev/null 2>&1; then
	awk -v d="$TRASH" '/^# file: / { n = split($3, p, "/"); f = d "/" p[n] } { print > f }' "$OUT"
	expect_ok 'split into files' test -s "$TRASH/70-prod.netdev" -a -s "$TRASH/70-prod.network"
	expect_eq 'sections of a netdev' "$(grep '^\[' "$TRASH/70-prod.netdev" | LC_ALL=C sort -u | tr '\n' ' ')" '[NetDev] [WireGuardPeer] [WireGuard] '
	expect_eq 'sections of a network' "$(grep '^\[' "$TRASH/70-prod.network" | LC_ALL=C sort -u | tr '\n' ' ')" '[Match] [Network] [Route] '
fi
done_testing
