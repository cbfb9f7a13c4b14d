#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an exit must not touch on the machine that uses it: another network beside it, whose tunnel and
# fetch go straight and live on when the exit is dead; and the way to the publication that takes the exit
# away, also where the resolver is no program of root's and asks through the tunnel.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

net_usable || skip_all "$NET_WHY"
have git wg wireguard-go nft ping python3 || skip_all 'needs git, wg, wireguard-go, nft, ping and python3'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'

net=$TRASH/net
agent() { # NODE NETWORK URL COMMAND OPTION...
	local node=$1 network=$2 url=$3
	shift 3
	net_exec "$node" "$AGENT" "$1" --url "$url" --network "$network" --node "$node" --trust "$net/root" \
		--private-key "$TRASH/$node.key" --state-dir "$TRASH/state-$node" --backend userspace "${@:2}"
}
publish() { pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"; }

pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in eu cons outside; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
with_exit() { # LINE: of cons
	cat >"$net/repo/networks/exit.yaml" <<-YAML
		version: 1
		addresses: [10.20.0.0/16]
		interface: wg0
		nodes:
		  eu: {public_key: ${key[eu]}, endpoint: 192.0.2.1, addresses: [10.20.0.1]}
		  cons: {public_key: ${key[cons]}, addresses: [10.20.0.2]${1:+, $1}}
	YAML
}
cat >"$net/repo/networks/other.yaml" <<-YAML
	version: 1
	addresses: [10.30.0.0/16]
	interface: wg1
	listen_port: 51821
	persistent_keepalive: 1
	nodes:
	  outside: {public_key: ${key[outside]}, endpoint: 198.51.100.2, addresses: [10.30.0.1]}
	  cons: {public_key: ${key[cons]}, addresses: [10.30.0.2]}
YAML
with_exit 'exit_node: eu'
publish

cat >"$TRASH/files.py" <<'PYTHON'
import http.server, sys
log = open(sys.argv[2], "a", buffering=1)
class Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *a):
        super().__init__(*a, directory=sys.argv[1])
    def log_message(self, *a):
        log.write(self.client_address[0] + "\n")
http.server.ThreadingHTTPServer(("198.51.100.2", 8000), Files).serve_forever()
PYTHON
expect_ok 'an exit, who uses it, and a router' net_up eu cons router
net_forward router
expect_ok 'and somebody outside' net_hold outside
net_exec router ip link add out type veth peer name eth0 netns "${net_holder[outside]}"
net_exec router ip -batch - <<-BATCH
	link set out up
	addr add 198.51.100.1/24 dev out
BATCH
net_exec outside ip -batch - <<-BATCH
	link set eth0 up
	addr add 198.51.100.2/24 dev eth0
	route add default via 198.51.100.1
BATCH
for node in eu cons; do
	net_exec "$node" ip route add default via "$(net_addr4 router)"
done
seen=$TRASH/seen
net_start outside python3 "$TRASH/files.py" "$net/www" "$seen"
expect_ok 'the publication is served' wait_for 10 net_exec outside python3 -c \
	'import socket; socket.create_connection(("198.51.100.2", 8000), 1)'
web=http://198.51.100.2:8000
straight=$(net_addr4 cons)
peer_at() { net_exec outside wg show wg1 endpoints | sed 's/.*\t//; s/:.*//'; }
other_lives() { net_exec cons ping -n -q -c 2 -i 0.5 -W 3 10.30.0.1; }

expect_ok 'the other network' agent outside other "file://$net/www" once
expect_ok 'on both sides' agent cons other "$web" once
expect_ok 'connects' other_lives
expect_eq 'straight' "$(peer_at)" "$straight"
expect_eq 'without a mark' "$(net_exec cons wg show wg1 fwmark)" off
expect_ok 'the exit' agent eu exit "file://$net/www" once
expect_ok 'is used' agent cons exit "$web" once
expect_eq 'for everything else' "$(net_exec cons ip route get 198.51.100.9 | grep -o 'dev [^ ]*')" 'dev wg0'
: >"$seen"
expect_ok 'the next poll of the other network' agent cons other "$web" once
expect_eq 'is straight' "$(sort -u "$seen")" "$straight"
expect_eq 'and gives it the mark' "$(net_exec cons wg show wg1 fwmark)" 0x2077
expect_ok 'once' agent cons other "$web" once --json
expect_eq 'and for all' "$(stat_of operations <"$OUT")" 0
expect_ok 'it connects' other_lives
expect_eq 'straight' "$(peer_at)" "$straight"
net_link eu down
expect_ok 'with a dead exit too' other_lives
expect_ok 'and is fetched' agent cons other "$web" once
rm -r "$TRASH/state-cons"
expect_ok 'so is the one with the exit when its state is lost' agent cons exit "$web" once
with_exit ''
publish
expect_ok 'and that it has none any more' agent cons exit "$web" once
expect_eq 'everything goes straight' "$(net_exec cons ip route get 198.51.100.9 | grep -o 'dev [^ ]*')" 'dev eth0'
expect_ok 'the other network' agent cons other "$web" once
expect_eq 'needs no mark' "$(net_exec cons wg show wg1 fwmark)" off

# ---------------------------------------------------------------- a resolver that asks through the tunnel
cat >"$TRASH/names.py" <<'PYTHON'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("198.51.100.2", 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(0, 12) + 5
    known = q[12:end - 4] == b"\x0bpublication\x04test\x00"
    a = known and q[end - 4:end - 2] == b"\x00\x01"
    answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton("198.51.100.2") if a else b""
    s.sendto(q[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\x00\x01\x00" + bytes([bool(a)]) + b"\x00\x00\x00\x00" + q[12:end] + answer, who)
PYTHON
cat >"$TRASH/forward.py" <<'PYTHON'
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
os.setuid(65534)
while True:
    q, who = s.recvfrom(512)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(1)
    try:
        u.sendto(q, ("198.51.100.2", 53))
        s.sendto(u.recv(512), who)
    except OSError:
        pass
    u.close()
PYTHON
net_start outside python3 "$TRASH/names.py"
net_start cons python3 "$TRASH/forward.py"
printf 'nameserver 127.0.0.53\noptions timeout:2 attempts:1\n' >"$NET_DIR/resolv.conf"
named=http://publication.test:8000
net_link eu up
with_exit 'exit_node: eu'
publish
expect_ok 'by name' wait_for 10 agent cons exit "$named" once
expect_eq 'the exit again' "$(net_exec cons ip route get 198.51.100.9 | grep -o 'dev [^ ]*')" 'dev wg0'
net_link eu down
expect_eq 'which is dead' "$(net_exec cons setpriv --reuid 65534 --clear-groups getent hosts publication.test)" ''
: >"$seen"
expect_ok 'nothing is new' agent cons exit "$named" once
expect_match 'where the name cannot be looked up' "$(<"$ERR")" 'cannot be looked up'
expect_eq 'but it is fetched, straight' "$(sort -u "$seen")" "$straight"
with_exit ''
publish
expect_ok 'so is what takes the exit away' agent cons exit "$named" once
expect_eq 'and all goes straight' "$(net_exec cons ip route get 198.51.100.9 | grep -o 'dev [^ ]*')" 'dev eth0'
expect_ok 'with its name again' agent cons exit "$named" once
expect_no_match 'as told by nothing' "$(<"$ERR")" 'looked up'

expect_ok 'down' agent cons exit "$web" down
expect_ok 'and down' agent cons other "$web" down
done_testing
