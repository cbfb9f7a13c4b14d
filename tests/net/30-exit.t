#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An exit: what a node sends to the outside leaves through another one, for IPv4 and IPv6, seen at a host
# outside by the address that it comes from; the tunnel's own packets, the fetch of the publication and the
# name lookups for it go straight out; who is logged in from outside stays so; and nothing is left of it.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace python3 nft ping

net=$TRASH/net

# ---------------------------------------------------------------- a world outside
# cons and the exits have a router as their default gateway; behind it is a host that says who asks (port
# 7000), serves the publication (8000) and knows names (53).
pub_init "$net" || skip_all 'init failed'
declare -A key=()
for node in eu us cons; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
own='[10.20.0.3, "fd20::3"]'
network() { # what cons has besides, as lines of YAML
	cat >"$net/repo/networks/prod.yaml" <<-YAML
		version: 1
		addresses: [10.20.0.0/16, "fd20::/64"]
		interface: wg0
		persistent_keepalive: 5
		nodes:
		  eu:
		    public_key: ${key[eu]}
		    endpoint: 192.0.2.1
		    addresses: [10.20.0.1, "fd20::1"]
		    routes: [192.168.30.0/24]
		  us:
		    public_key: ${key[us]}
		    endpoint: 192.0.2.2
		    addresses: [10.20.0.2, "fd20::2"]
		  cons:
		    public_key: ${key[cons]}
		    addresses: $own
	YAML
	[ -z "$1" ] || printf '    %s\n' "$@" >>"$net/repo/networks/prod.yaml"
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}
network 'exit_node: eu'
for node in eu us cons; do
	agent_conf "$node" prod http://publication.test:8000 "$net/root" "$TRASH" userspace
done
cat >"$TRASH/outside.py" <<'PYTHON'
import http.server, os, socket, socketserver, sys, threading
log = open(sys.argv[1], "a", buffering=1)
os.chdir(sys.argv[2])

class Who(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall((self.client_address[0] + "\n").encode())

class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        log.write("http %s\n" % self.client_address[0])

def names():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("198.51.100.2", 53))
    while True:
        q, who = s.recvfrom(512)
        end = q.index(0, 12) + 5
        known = q[12:end - 4] == b"\x0bpublication\x04test\x00"
        a = known and q[end - 4:end - 2] == b"\x00\x01"
        log.write("name %s %s\n" % (who[0], "known" if known else "other"))
        answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton("198.51.100.2") if a else b""
        s.sendto(q[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\x00\x01\x00" + bytes([bool(a)]) + b"\x00\x00\x00\x00" + q[12:end] + answer, who)

class V4(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
class V6(V4):
    address_family = socket.AF_INET6

servers = [V4(("198.51.100.2", 7000), Who), V6(("2001:db8:f::2", 7000), Who), V4(("198.51.100.2", 8000), Files)]
for s in servers:
    threading.Thread(target=s.serve_forever, daemon=True).start()
log.write("ready\n")
names()
PYTHON
expect_ok 'three nodes and a router' net_up eu us cons router
net_forward router
net_hold outside || not_ok 'a host outside'
net_exec router ip link add out type veth peer name eth0 netns "${net_holder[outside]}"
net_exec router ip -batch - <<-BATCH
	link set out up
	addr add 198.51.100.1/24 dev out
	addr add 2001:db8:f::1/64 dev out nodad
BATCH
net_exec outside ip -batch - <<-BATCH
	link set eth0 up
	addr add 198.51.100.2/24 dev eth0
	addr add 2001:db8:f::2/64 dev eth0 nodad
	route add default via 198.51.100.1
BATCH
net_exec outside ip -6 route add default via 2001:db8:f::1
for node in eu us cons; do
	net_exec "$node" ip route add default via "$(net_addr4 router)"
	net_exec "$node" ip -6 route add default via "$(net_addr6 router)"
done
printf 'nameserver 198.51.100.2\noptions timeout:1 attempts:2\n' >"$NET_DIR/resolv.conf"
seen=$TRASH/seen
: >"$seen"
net_start outside python3 "$TRASH/outside.py" "$seen" "$net/www"
expect_ok 'the world outside' wait_for 10 grep -q ready "$seen"

seen_as() { # NODE FAMILY [SOURCE]: by which address the host outside knows a node
	local node=$1
	shift
	net_exec "$node" python3 - "$@" <<'PYTHON'
import socket, sys
v6 = sys.argv[1] == "6"
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
s.settimeout(6)
if len(sys.argv) > 2:
    s.bind((sys.argv[2], 0))
try:
    s.connect(("2001:db8:f::2" if v6 else "198.51.100.2", 7000))
    print(s.recv(100).decode().strip())
except OSError as e:
    print(e.strerror or e)
PYTHON
}
who() { # FAMILY [SOURCE]
	seen_as cons "$@"
}
straight4=$(net_addr4 cons) straight6=$(net_addr6 cons)
expect_eq 'straight at first' "$(who 4) $(who 6)" "$straight4 $straight6"
# What a cautious administrator has: packets are refused that do not come by the way that answers take.
net_exec cons sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter
	echo 1 >/proc/sys/net/ipv4/conf/default/rp_filter'
# Two who are logged in from outside, and a service that answers without knowing by which address it was asked.
cat >"$TRASH/login.py" <<'PYTHON'
import socket, socketserver, sys, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class V6(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True
V6(("::", 22), Echo).serve_forever()
PYTHON
net_start cons python3 "$TRASH/login.py"
cat >"$TRASH/session.py" <<'PYTHON'
import socket, sys, time
s = socket.create_connection((sys.argv[1], 22), 5)
s.settimeout(5)
while True:
    try:
        s.sendall(b"x\n")
        ok = s.recv(10) == b"x\n"
    except OSError:
        ok = False
    with open(sys.argv[2], "a") as f:
        f.write("ok\n" if ok else "LOST\n")
    if not ok:
        break
    time.sleep(0.1)
PYTHON
sleep 0.5
net_start outside python3 "$TRASH/session.py" "$straight4" "$TRASH/login4"
net_start outside python3 "$TRASH/session.py" "$straight6" "$TRASH/login6"
expect_ok 'somebody is logged in' wait_for 5 test -s "$TRASH/login4" -a -s "$TRASH/login6"
logged_in() {
	local before after
	before=$(cat "$TRASH"/login[46] | wc -l)
	sleep 0.7
	after=$(cat "$TRASH"/login[46] | wc -l)
	[ "$after" -ge $((before + 4)) ] && ! grep -q LOST "$TRASH"/login[46]
}
new_login() { # ADDRESS: somebody else logs in
	net_exec outside python3 -c 'import socket, sys
s = socket.create_connection((sys.argv[1], 22), 5)
s.sendall(b"new\n")
sys.exit(s.recv(10) != b"new\n")' "$1"
}
net_exec eu sh -c 'ip link add lan type veth peer name nal && ip addr add 192.168.30.1/24 dev lan && ip link set lan up'
net_snapshot cons >"$TRASH/fresh"
net_snapshot eu >"$TRASH/fresh.eu"

# ---------------------------------------------------------------- in force
expect_ok 'the exit' agent eu once
expect_ok 'the other one' agent us once
expect_ok 'plan' agent cons plan
expect_match 'says where the default route is to go' "$(<"$OUT")" 'add the route 0\.0\.0\.0/0 in table 77[0-9]*'
expect_match 'and by which rules' "$(<"$OUT")" 'add the IPv4 rule from 0\.0\.0\.0/32 lookup 77[0-9]* priority'
expect_still 'and changes nothing' cons "$TRASH/fresh"
expect_ok 'once' agent cons once
expect_match 'says so' "$(<"$ERR")" 'everything else goes through eu'
net_snapshot cons >"$TRASH/up"
expect_eq 'IPv4 leaves by the exit' "$(who 4)" "$(net_addr4 eu)"
expect_eq 'IPv6 too' "$(who 6)" "$(net_addr6 eu)"
expect_eq 'what asks for another address gets it' "$(who 4 "$straight4") $(who 6 "$straight6")" "$straight4 $straight6"
expect_eq 'and with that of the tunnel it is the exit' "$(who 4 10.20.0.3) $(who 6 fd20::3)" "$(net_addr4 eu) $(net_addr6 eu)"
expect_ok 'who was logged in still is' logged_in
expect_ok 'and anybody can' new_login "$straight4"
expect_ok 'by IPv6 too' new_login "$straight6"
expect_ok 'hosts beside it are reached as before' net_exec cons ping -n -q -c 1 -W 3 "$(net_addr4 us)"
expect_ok 'nodes of the network too' net_exec cons ping -n -q -c 1 -W 3 10.20.0.2
expect_ok 'and the networks behind the exit' net_exec cons ping -n -q -c 1 -W 3 192.168.30.1
# Private neighbours of the exit, which the network does not name, are not outside.
net_exec outside ip -batch - <<-BATCH
	addr add 172.16.5.2/32 dev lo
	addr add fd05::2/128 dev lo nodad
BATCH
net_exec router ip route add 172.16.5.2 via 198.51.100.2
net_exec router ip -6 route add fd05::2 via 2001:db8:f::2
for a in 172.16.5.2 fd05::2; do
	expect_ok "the exit reaches $a" net_exec eu ping -n -q -c 1 -W 3 "$a"
	expect_fail 'but lets nobody there' net_exec cons ping -n -q -c 1 -W 1 "$a"
done
out_of() { # ADDRESS OPTION...: by which interface
	net_exec cons ip route get "$@" 2>&1 | grep -o 'dev [^ ]*' | head -n 1
}
expect_eq 'what a cloud has at link-local addresses is not sent there' "$(out_of 169.254.169.254), $(out_of 169.255.0.1)" \
	'dev eth0, dev wg0'
expect_eq 'nor by IPv6, wherever they are' "$(net_exec cons ip -6 route add fe80:9::/64 dev eth0; out_of fe80:9::1; net_exec \
	cons ip -6 route del fe80:9::/64 dev eth0; out_of fe80:a::1)" 'dev eth0
dev eth0'
counters() { net_exec cons wg show wg0 transfer | awk '{ print $2 + $3 }' | sort -n | tail -n 1; }
before=$(counters)
: >"$seen"
expect_ok 'again' agent cons once --json
expect_eq 'sends nothing' "$(count set_messages) $(count operations) $(count host_sets)" '0 0 0'
expect_still 'and leaves all as it is' cons "$TRASH/up"
expect_eq 'the publication was fetched straight' "$(grep ^http "$seen" | sort -u)" "http $straight4"
expect_eq 'and its name looked up straight' "$(grep ^name "$seen" | sort -u)" "name $straight4 known"
expect_eq 'the exit changes nothing either' "$(agent eu once --json | stat_of operations)" 0

# ---------------------------------------------------------------- other hands
drift() { # NAME COMMAND...
	net_exec cons sh -c "$2" || not_ok "$1" 'cannot make the drift'
	expect_ok "$1" agent cons once
	expect_still "$1: is put back" cons "$TRASH/up"
}
slot=$(net_exec cons ip rule | sed -n 's/^\([0-9]*\):.*fwmark 0x2077 goto.*/\1/p')
drift 'a rule taken away' "ip rule del priority $((slot + 4)); ip -6 rule del priority $((slot + 6))"
drift 'a rule that leads past it' "ip rule del priority $slot; ip -6 rule del from 8000::/1 priority $((slot + 4))"
drift 'where that leads to' "ip rule del priority $((slot + 7)); ip -6 rule del priority $((slot + 7))"
drift 'the mark cleared' 'wg set wg0 fwmark 0'
drift 'the default route taken away' 'ip -6 route flush table all proto 77; ip route flush table all proto 77'
expect_ok 'somebody else has rules' net_exec cons ip rule add from 10.9.9.9 lookup 100 priority "$((slot + 4))"
expect_ok 'and' agent cons once
expect_match 'they stay' "$(net_exec cons ip rule)" 'from 10\.9\.9\.9 lookup 100'
net_exec cons ip rule del from 10.9.9.9 lookup 100
expect_eq 'IPv4 leaves by the exit' "$(who 4)" "$(net_addr4 eu)"
again() { # what comes first: `once` makes its rules anew
	net_exec cons sh -c "$1; ip rule del priority $((slot + 4))"
	expect_ok "$1" agent cons once
	expect_no_match 'it does not say that everything goes there' "$(<"$ERR")" 'everything else goes through'
	expect_match 'but what does not' "$(<"$ERR")" "and yet $2 does not go there"
	net_exec cons sh -c "$3; ip rule del priority $((slot + 4))"
	expect_ok 'without it' agent cons once
	expect_match 'it says so' "$(<"$ERR")" 'everything else goes through eu'
}
again 'ip rule add lookup main priority 100' '12\.0\.0\.1' 'ip rule del priority 100'
again "ip route add 128.0.0.0/1 via $(net_addr4 router)" '198\.41\.0\.4' 'ip route del 128.0.0.0/1'

# ---------------------------------------------------------------- forwarded for others
# Beside the exit, cons is the router of somebody who knows nothing of this network.
net_hold guest || not_ok 'a guest of cons'
net_exec cons ip link add lan type veth peer name eth0 netns "${net_holder[guest]}"
net_exec cons ip -batch - <<-BATCH
	link set lan up
	addr add 192.168.77.1/24 dev lan
	addr add 2001:db8:77::1/64 dev lan nodad
BATCH
net_exec guest ip -batch - <<-BATCH
	link set eth0 up
	addr add 192.168.77.2/24 dev eth0
	addr add 2001:db8:77::2/64 dev eth0 nodad
	route add default via 192.168.77.1
BATCH
net_exec guest ip -6 route add default via 2001:db8:77::1
net_exec router ip route add 192.168.77.0/24 via "$straight4"
net_exec router ip -6 route add 2001:db8:77::/64 via "$straight6"
net_forward cons
net_exec cons nft 'table inet probe { chain out { type filter hook forward priority 0; oifname "wg0" counter; }; }'
into_tunnel() { # packets that were forwarded into it
	net_exec cons nft list table inet probe | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}
way() { # FAMILY OPTION...: of what has the mark of the tunnel
	local to=198.51.100.2
	[ "$1" = 4 ] || to=2001:db8:f::2
	net_exec cons ip "-$1" route get "$to" "${@:2}" 2>&1 | grep -oE 'dev [^ ]+|unreachable' | head -n 1
}
guest='192.168.77.2 2001:db8:77::2'
expect_eq 'what is forwarded goes as before' "$(seen_as guest 4) $(seen_as guest 6)" "$guest"
expect_eq 'as do the tunnel and the fetch' "$(way 4 mark 0x2077) $(way 6 mark 0x2077)" 'dev eth0 dev eth0'
# An administrator's own rules, and then no default route beside them.
for v in 4 6; do
	straight=straight$v router=$(net_addr$v router)
	net_exec cons sh -c "ip -$v route add default via $router table 101
		ip -$v rule add from ${!straight} lookup 101 priority 30000; ip -$v route del default"
done
expect_eq 'without a default route what is forwarded goes nowhere' "$(seen_as guest 4), $(seen_as guest 6)" \
	'Network is unreachable, Network is unreachable'
expect_eq 'no packet of it went to the exit' "$(into_tunnel)" 0
expect_eq 'nor do the tunnel and the fetch' "$(way 4 mark 0x2077) $(way 6 mark 0x2077)" 'unreachable unreachable'
expect_eq 'what the host sends does' "$(who 4) $(who 6)" "$(net_addr4 eu) $(net_addr6 eu)"
expect_eq 'but for what has another address' "$(who 4 "$straight4") $(who 6 "$straight6")" "$straight4 $straight6"
expect_ok 'who was logged in still is' logged_in
expect_ok 'and anybody can' new_login "$straight4"
expect_ok 'by IPv6 too' new_login "$straight6"
for v in 4 6; do
	lan=192.168.77.0/24
	[ "$v" = 4 ] || lan=2001:db8:77::/64
	net_exec cons ip "-$v" rule add from "$lan" lookup 101 priority 30001
done
expect_eq 'with a rule for it, it goes that way' "$(seen_as guest 4) $(seen_as guest 6)" "$guest"
expect_eq 'no packet of it went to the exit' "$(into_tunnel)" 0
expect_no_match 'the network is beyond the guest' "$(net_exec guest ping -n -c 2 -W 1 10.20.0.1)" ' 0% packet loss'
expect_ok 'which is what was counted' [ "$(into_tunnel)" -ge 1 ]
for v in 4 6; do
	net_exec cons sh -c "ip -$v route add default via $(net_addr$v router); ip -$v route flush table 101
		ip -$v rule del priority 30000; ip -$v rule del priority 30001"
done
net_exec cons sh -c 'ip link del lan; nft delete table inet probe
	echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
expect_still 'all is as it was' cons "$TRASH/up"

# ---------------------------------------------------------------- another exit, and a dead one
network 'exit_node: us'
: >"$seen"
expect_ok 'the other exit takes over' agent us once
expect_ok 'and cons goes there' agent cons once
expect_eq 'IPv4 leaves by it' "$(who 4) $(who 6)" "$(net_addr4 us) $(net_addr6 us)"
expect_ok 'the first is none any more' agent eu once
expect_eq 'and masquerades no more' "$(net_exec eu nft list ruleset)" ''
net_link us down
expect_no_match 'with a dead exit nothing goes out' "$(who 4)" '^[0-9]+\.'
: >"$seen"
expect_ok 'but the publication is fetched' agent cons once
expect_eq 'straight' "$(grep -c "^http $straight4" "$seen" | sed 's/[1-9][0-9]*/some/')" some
expect_ok 'and who was logged in still is' logged_in
network 'exit_node: eu'
expect_ok 'the first again' agent eu once
expect_ok 'so a change brings it back to life' agent cons once
expect_eq 'out of there' "$(who 4) $(who 6)" "$(net_addr4 eu) $(net_addr6 eu)"
net_link us up

# ---------------------------------------------------------------- tables, no routes, none
network 'exit_node: eu' 'table: 100'
expect_ok 'a table of the operator' agent cons once
expect_eq 'has the default routes' "$(net_exec cons ip route show table 100 default | awk '{ print $1, $3 }')" 'default wg0'
expect_eq 'and nothing looks there' "$(net_exec cons ip rule | grep -cE "lookup (77|100)")" 0
expect_eq 'straight out' "$(who 4) $(who 6)" "$straight4 $straight6"
network 'exit_node: eu' 'table: off'
expect_ok 'no routes at all' agent cons once
expect_eq 'none' "$(net_exec cons ip route show table all proto 77; net_exec cons ip -6 route show table all proto 77)" ''
network 'exit_node: eu' 'fwmark: 0x99'
expect_ok 'a mark of the operator' agent cons once
expect_match 'is the one that is kept out' "$(net_exec cons ip rule)" 'fwmark 0x99 goto'
expect_eq 'IPv4 leaves by the exit' "$(who 4)" "$(net_addr4 eu)"
network ''
expect_ok 'no exit' agent cons once
expect_match 'says so' "$(<"$ERR")" 'everything else goes as without'
expect_eq 'straight out' "$(who 4) $(who 6)" "$straight4 $straight6"
expect_eq 'no rule is left' "$(net_exec cons ip rule; net_exec cons ip -6 rule)" "$(grep -E '^[0-9]+:.*(from all lookup)' "$TRASH/fresh")"

# ---------------------------------------------------------------- no IPv6 in the tunnel
own='[10.20.0.3]'
network 'exit_node: eu'
expect_ok 'without an IPv6 address' agent cons once
expect_eq 'IPv4 leaves by the exit' "$(who 4)" "$(net_addr4 eu)"
expect_eq 'IPv6 goes as before' "$(who 6)" "$straight6"
expect_ok 'and by IPv6 one can still log in' new_login "$straight6"

# ---------------------------------------------------------------- down, and a killed agent
expect_ok 'down' agent cons down
expect_still 'leaves nothing' cons "$TRASH/fresh"
expect_ok 'down once more' agent cons down
expect_still 'leaves nothing' cons "$TRASH/fresh"
own='[10.20.0.3, "fd20::3"]'
network 'exit_node: eu'
expect_ok 'up' agent cons once
rm -r "$TRASH/cons.state"
expect_ok 'down, without the state' agent cons down --interface wg0
expect_still 'leaves nothing' cons "$TRASH/fresh"
expect_ok 'up' agent cons once
net_exec cons ip link del wg0
expect_eq 'when the interface is lost, all goes straight' "$(who 4) $(who 6)" "$straight4 $straight6"
expect_ok 'and is found again' agent cons once
expect_eq 'out of the exit' "$(who 4) $(who 6)" "$(net_addr4 eu) $(net_addr6 eu)"
expect_ok 'down' agent cons down
expect_ok 'down' agent eu down
expect_still 'leaves nothing on the exit' eu "$TRASH/fresh.eu"
expect_ok 'down' agent us down
expect_ok 'nobody was logged out by all of this' logged_in
done_testing
