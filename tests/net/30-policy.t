#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A policy on real interfaces and in the kernel's nftables: what is permitted is let in, all else is not,
# for a node itself and for a network behind a gateway, with IPv4 and IPv6; answers come back; a rule set is
# replaced while connections go on, and what is no longer permitted ends; all of it goes with `down`.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace python3 nft ping

net=$TRASH/net
nodes=(app db gate guest)
all_once() {
	local node
	for node in "${nodes[@]}"; do
		agent "$node" once >"$TRASH/once.$node" 2>&1 || not_ok "$node: once" "$(<"$TRASH/once.$node")"
	done
}

pub_init "$net" || skip_all 'init failed'
declare -A key
n=0
for node in "${nodes[@]}"; do
	key[$node]=$(key_pair "$TRASH/$node.key")
	agent_conf "$node" prod "file://$net/www" "$net/root" "$TRASH" userspace
done
network() { # the policy as YAML on standard input
	{
		cat <<-YAML
			version: 1
			addresses: [10.20.0.0/16, "fd20::/64"]
			interface: wg0
			nodes:
		YAML
		n=0
		for node in "${nodes[@]}"; do
			n=$((n + 1))
			cat <<-YAML
				  $node:
				    public_key: ${key[$node]}
				    endpoint: 192.0.2.$n
				    addresses: [10.20.0.$n, "fd20::$n"]
				    tags: [$node]
			YAML
			[ "$node" != gate ] || printf '    routes: [192.168.10.0/24, "fd30:10::/64"]\n'
		done
		cat
	} >"$net/repo/networks/prod.yaml"
	pub_apply "$net" || not_ok 'apply' "$(cat "$net/apply.log")"
}

expect_ok 'four nodes' net_up "${nodes[@]}"
expect_ok 'and a host behind one of them' net_behind lan gate 10
net_exec lan ip route add default via 192.168.10.1
net_exec lan ip -6 route add default via fd30:10::1

# Every host answers on a few ports: a line with its own name on TCP and UDP.
cat >"$TRASH/server.py" <<'PYTHON'
import socket, sys, threading
name = sys.argv[1].encode()
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        c, _ = s.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()
def talk(c):
    with c:
        c.sendall(name + b"\n")
        while True:
            data = c.recv(4096)
            if not data:
                return
            c.sendall(data)
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    while True:
        data, peer = s.recvfrom(4096)
        s.sendto(name, peer)
for p in (22, 80, 5432):
    threading.Thread(target=tcp, args=(p,), daemon=True).start()
udp(53)
PYTHON
cat >"$TRASH/ask.py" <<'PYTHON'
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(3)
try:
    s.connect((address, port))
    if kind == "udp":
        s.settimeout(1)
        s.send(b"?")
    sys.exit(not s.recv(100))
except OSError:
    sys.exit(1)
PYTHON
for host in "${nodes[@]}" lan; do
	net_start "$host" python3 "$TRASH/server.py" "$host"
done
asks() { # FROM KIND ADDRESS [PORT]: whether there is an answer
	case $2 in
	ping) net_exec "$1" ping -n -q -c 1 -W 2 "$3" >/dev/null 2>&1 ;;
	*) net_exec "$1" python3 "$TRASH/ask.py" "$2" "$3" "$4" ;;
	esac
}
# probe FROM KIND[/PORT] ADDRESS...: "yes" or "no" for each, all at once
probe() {
	local from=$1 kind=${2%/*} port=${2#*/} a i=0 pids=() out=''
	shift 2
	for a; do
		asks "$from" "$kind" "$a" "$port" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		if wait "$i"; then out+=' yes'; else out+=' no'; fi
	done
	echo "${out# }"
}
db='10.20.0.2 fd20::2'
gate='10.20.0.3 fd20::3'
gate_lan='192.168.10.1 fd30:10::1'
lan='192.168.10.2 fd30:10::2'
# shellcheck disable=SC2086 # lists of addresses
try() { # NAME FROM KIND ADDRESSES WANTED
	expect_eq "$1: $2 $3 ${4%% *}" "$(probe "$2" "$3" $4)" "$5"
}
yes='yes yes' no='no no'
for node in "${nodes[@]}"; do
	net_exec "$node" nft -f - <<-NFT
		table inet admin { chain input { type filter hook input priority 10; policy accept; tcp dport 9999 drop; }; }
	NFT
done
net_snapshot db >"$TRASH/fresh"

# ---------------------------------------------------------------- without rules
network </dev/null
all_once
try 'without rules' app tcp/5432 "$db" "$yes"
try 'without rules' guest tcp/22 "$db" "$yes"
try 'without rules' guest ping "$lan" "$yes"
expect_eq 'and no table' "$(net_exec db nft list tables)" 'table inet admin'

# ---------------------------------------------------------------- the first rule
network <<-YAML
	policy:
	  - {from: [tag:app], to: [tag:db], on: [tcp/5432, udp/53, icmp]}
	  - {from: [tag:app], to: [192.168.10.0/24, "fd30:10::/64"], on: [tcp/80, icmp]}
	  - {from: [192.168.10.0/24, "fd30:10::/64"], to: [tag:db], on: [tcp/22]}
YAML
expect_ok 'plan' agent db plan
expect_match 'says so' "$(<"$OUT")" 'nftables table inet meshrc-prod added'
expect_eq 'and changes nothing' "$(net_exec db nft list tables)" 'table inet admin'
expect_ok 'once' agent db once --json
expect_eq 'sets the table and nothing else' "$(count host_sets) $(count set_messages)" '1 0'
all_once
try 'permitted' app tcp/5432 "$db" "$yes"
try 'permitted' app udp/53 "$db" "$yes"
try 'permitted' app ping "$db" "$yes"
try 'another port' app tcp/22 "$db" "$no"
try 'another node' guest tcp/5432 "$db" "$no"
try 'another node' guest ping "$db" "$no"
try 'a node that no rule names' app tcp/80 "$gate" "$no"
try 'a node that no rule names' db ping "$gate" "$no"
try 'the other direction' db tcp/5432 '10.20.0.1 fd20::1' "$no"
try 'behind the gateway' app tcp/80 "$lan" "$yes"
try 'behind the gateway' app ping "$lan" "$yes"
try 'behind the gateway, another port' app tcp/22 "$lan" "$no"
try 'behind the gateway, another node' guest tcp/80 "$lan" "$no"
try 'behind the gateway, another node' guest ping "$lan" "$no"
try 'the gateway where it is behind itself' app tcp/80 "$gate_lan" "$yes"
try 'the gateway where it is behind itself' guest tcp/80 "$gate_lan" "$no"
try 'from behind the gateway' lan tcp/22 "$db" "$yes"
try 'from behind the gateway, another port' lan tcp/5432 "$db" "$no"
try 'from behind the gateway, another node' lan tcp/22 '10.20.0.4 fd20::4' "$no"
for node in "${nodes[@]}"; do
	expect_eq "$node: other tables stay" "$(net_exec "$node" nft list table inet admin | grep -c 9999)" 1
	expect_ok "$node: once more" agent "$node" once --json
	expect_eq "$node: sets nothing" "$(count host_sets) $(count set_messages) $(count operations)" '0 0 0'
	"$MESHRC" render "$node" --repo "$net/repo" --format nft >"$TRASH/$node.nft"
	net_exec "$node" nft -s list table inet meshrc-prod >"$TRASH/got"
	net_exec switch unshare -n sh -c "nft -f '$TRASH/$node.nft' && nft -s list table inet meshrc-prod" >"$TRASH/want"
	expect_same "$node: has what render prints" "$TRASH/got" "$TRASH/want"
	expect_match "$node: what was dropped is counted" "$(net_exec "$node" nft list chain inet meshrc-prod permitted)" 'counter packets [0-9]+ bytes [0-9]+ drop'
	expect_ok "$node: which nft checks" net_exec "$node" nft -c -f "$TRASH/$node.nft"
done
# A service that the host publishes on its own address for somebody behind it (as container engines do) is
# let in by a rule for that address and port, and by no other.
for family in 4 6; do
	[ "$family" = 4 ] && f=ip a=192.168.10.2 || f=ip6 a='[fd30:10::2]'
	net_exec gate nft -f - <<-NFT
		table $f publish {
			chain in { type nat hook prerouting priority dstnat; iifname wg0 tcp dport { 8080, 8081 } dnat to $a:22; }
			chain out { type nat hook postrouting priority srcnat; oifname to-lan masquerade; }
		}
	NFT
done
try 'published, not permitted' app tcp/8080 "$gate" "$no"
network <<-YAML
	policy:
	  - {from: [tag:app], to: [tag:gate], on: [tcp/8070-8080]}
	  - {from: [tag:guest], to: ["0.0.0.0/0", "::/0"]}
YAML
expect_ok 'a rule for what is published' agent gate once
try 'published and permitted' app tcp/8080 "$gate" "$yes"
try 'published, another port' app tcp/8081 "$gate" "$no"
try 'published, another node' guest tcp/8080 "$gate" "$no"
try 'nor directly' app tcp/22 "$lan" "$no"
net_exec gate sh -c 'nft delete table ip publish; nft delete table ip6 publish'
network <<-YAML
	policy:
	  - {from: [tag:app], to: [tag:db], on: [tcp/5432, udp/53, icmp]}
	  - {from: [tag:app], to: [192.168.10.0/24, "fd30:10::/64"], on: [tcp/80, icmp]}
YAML
expect_ok 'and without it' agent gate once

# An error of ICMP is heard though nothing of that kind is permitted.
net_exec lan sh -c 'ip link set eth0 mtu 1300'
net_exec gate sh -c 'ip link set to-lan mtu 1300'
expect_ok 'a path MTU is found' net_exec app sh -c 'ping -n -q -c 3 -i 0.3 -W 2 -M do -s 1350 192.168.10.2; ip route get 192.168.10.2 | grep -q "mtu 1300"'
expect_ok 'and for IPv6' net_exec app sh -c 'ping -n -q -c 3 -i 0.3 -W 2 -M do -s 1350 fd30:10::2; ip -6 route get fd30:10::2 | grep -q "mtu 1300"'

# ---------------------------------------------------------------- other hands
drift() { # NAME COMMAND
	net_exec db sh -c "$2" || not_ok "$1" 'cannot make the drift'
	expect_ok "$1" agent db once --json
	expect_eq "$1: is put back" "$(count host_sets)" 1
	try "$1" guest tcp/5432 "$db" "$no"
}
drift 'a rule added by hand' 'nft insert rule inet meshrc-prod guard accept'
drift 'a chain emptied' 'nft flush chain inet meshrc-prod input'
drift 'the table taken away' 'nft delete table inet meshrc-prod'

# ---------------------------------------------------------------- replaced while connections go on
cat >"$TRASH/flow.py" <<'PYTHON'
# A line every 20 ms, each of which must come back, until the file is there; then how many, and the longest wait.
import os, socket, sys, time
address, stop = sys.argv[1], sys.argv[2]
s = socket.create_connection((address, 5432), timeout=20)
f = s.makefile("rw")
f.readline()
open(stop + ".up", "w").close()
n, worst = 0, 0.0
while not os.path.exists(stop):
    began = time.monotonic()
    f.write(f"{n}\n")
    f.flush()
    if f.readline() != f"{n}\n":
        sys.exit("lost")
    worst = max(worst, time.monotonic() - began)
    n += 1
    time.sleep(0.02)
print(n, f"{worst:.3f}")
PYTHON
for family in 4 6; do
	[ "$family" = 4 ] && a=10.20.0.2 || a=fd20::2
	net_exec app python3 "$TRASH/flow.py" "$a" "$TRASH/stop$family" >"$TRASH/flow$family" 2>&1 &
	flows[family]=$!
	expect_ok "a connection with IPv$family" wait_for 10 test -e "$TRASH/stop$family.up"
done
net_exec app ping -n -q -i 0.02 -c 150 10.20.0.2 >"$TRASH/pings" &
pings=$!
for extra in tag:guest tag:gate 'tag:guest, tag:gate'; do
	network <<-YAML
		policy:
		  - {from: [tag:app], to: [tag:db], on: [tcp/5432, udp/53, icmp]}
		  - {from: [$extra], to: [tag:db], on: [tcp/5432]}
	YAML
	expect_ok "the rules replaced for $extra" agent db once --json
	expect_eq 'in one transaction' "$(count host_sets) $(count set_messages)" '1 0'
	sleep 0.3
done
wait "$pings"
expect_match 'no ping was lost' "$(<"$TRASH/pings")" '150 packets transmitted, 150 received'
try 'the new rule holds' guest tcp/5432 "$db" "$yes"
for family in 4 6; do
	touch "$TRASH/stop$family"
	expect_ok "IPv$family: the connection went on" wait "${flows[family]}"
	read -r n worst <"$TRASH/flow$family"
	expect_ok "IPv$family: with $n lines" test "$n" -gt 20
	note "the slowest of them took $worst s"
done

# What is no longer permitted ends, though its connection stands.
rm -f "$TRASH/stop4" "$TRASH/stop4.up"
net_exec app timeout 30 python3 "$TRASH/flow.py" 10.20.0.2 "$TRASH/stop4" >"$TRASH/flow4" 2>&1 &
flow=$!
expect_ok 'a connection' wait_for 10 test -e "$TRASH/stop4.up"
network <<-YAML
	policy:
	  - {from: [tag:guest], to: [tag:db], on: [tcp/5432]}
YAML
expect_ok 'its rule taken away' agent db once
before=$(net_exec db ss -tin state established | grep -o 'bytes_received:[0-9]*')
sleep 1
expect_eq 'nothing comes any more' "$(net_exec db ss -tin state established | grep -o 'bytes_received:[0-9]*')" "$before"
kill "$flow" 2>/dev/null
wait "$flow" 2>/dev/null
try 'nor a new one' app tcp/5432 "$db" "$no"
try 'and the other goes on' guest tcp/5432 "$db" "$yes"

# ---------------------------------------------------------------- away
network </dev/null
expect_ok 'without rules' agent db once
expect_eq 'the table goes' "$(net_exec db nft list tables)" 'table inet admin'
try 'and all is let in' app tcp/22 "$db" "$yes"
network <<-YAML
	policy:
	  - {from: [tag:guest], to: [tag:db], on: [tcp/5432]}
YAML
expect_ok 'again' agent db once
expect_ok 'down' agent db down
expect_still 'leaves nothing' db "$TRASH/fresh"
expect_ok 'down once more' agent db down
expect_still 'leaves nothing' db "$TRASH/fresh"
# Coming up, the guard stands before the interface.
expect_ok 'up' agent db once
net_exec db ping -n -q -c 1 -W 1 10.20.0.4 >"$OUT" # the others would go on with the old sessions for a while
try 'guarded from the start' app tcp/5432 "$db" "$no"
try 'guarded from the start' guest tcp/5432 "$db" "$yes"
for node in "${nodes[@]}"; do
	expect_ok "$node: down" agent "$node" down
done
done_testing
