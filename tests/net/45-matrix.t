#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
#
# What `meshrc reach` works out against packets. A little world: two NAT boxes with a node behind each, three
# public machines, a site behind a public node and one behind a node behind NAT, a telephone, and a host that
# is in no network. On it one network after the other, each of another kind; and in each every ordered pair of
# hosts is probed, with ping and on two TCP ports, with IPv4 and IPv6.

. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/lib-net.sh"
. "$ROOT/tests/vm/10-lib.sh"

need_userspace wg-quick python3 nft ping

net=$TRASH/net
nodes=(anna bert r1 r2 s1)

# ---------------------------------------------------------------- the world
# site NODE HOST NUMBER: a host in a network behind the node
site() {
	net_behind "$2" "$1" "$3" || return 1
	net_exec "$2" ip -batch - <<-BATCH
		route add default via 192.168.$3.1
		route add default via fd30:$3::1
	BATCH
}
expect_ok 'machines on the Internet' net_up r1 r2 s1 nat1 nat2 phone far
expect_ok 'a node behind a NAT box' net_behind_nat anna nat1
expect_ok 'and one behind another' net_behind_nat bert nat2
expect_ok 'a site behind a public node' site s1 desk 30
expect_ok 'and one behind a node behind NAT' site bert shop 20
# Elsewhere what is in no network goes to a provider who does not know the way.
for host in r1 s1; do
	net_exec "$host" ip route add default via "$(net_addr4 nat1)"
	net_exec "$host" ip -6 route add default via "$(net_addr6 nat1)"
done
# What is outside: only r2 knows the way, and far none back to any address of a network.
net_exec far ip -batch - <<-BATCH
	addr add 203.0.113.9/32 dev lo
	addr add 2001:db8:f::9/128 dev lo nodad
BATCH
net_exec r2 ip route add 203.0.113.9 via "$(net_addr4 far)"
net_exec r2 ip -6 route add 2001:db8:f::9 via "$(net_addr6 far)"

# Every host answers on two ports with its own name.
cat >"$TRASH/server.py" <<'PYTHON'
import socket, sys, threading

def serve(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        c, _ = s.accept()
        with c:
            c.sendall(sys.argv[1].encode())

for p in (22, 80):
    threading.Thread(target=serve, args=(p,)).start()
PYTHON
for host in "${nodes[@]}" desk shop phone far; do
	net_start "$host" python3 "$TRASH/server.py" "$host"
done

# probe.py ME HOSTS: to every other host at every address, all at once; a line "ME HOST FAMILY WHAT" for each
# that answers with its own name.
cat >"$TRASH/probe.py" <<'PYTHON'
import asyncio, sys

async def ping(address):
    p = await asyncio.create_subprocess_exec("ping", "-n", "-q", "-c", "4", "-w", "5", address,
                                             stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    out, _ = await p.communicate()
    return b", 0 received" not in out and b" received" in out

async def tcp(name, address, port):
    try:
        r, w = await asyncio.wait_for(asyncio.open_connection(address, port), 6)
        said = await asyncio.wait_for(r.read(100), 3)
        w.close()
        return said == name.encode()
    except (OSError, asyncio.TimeoutError):
        return False

async def main(me, hosts):
    asked, probes = [], []
    for line in open(hosts):
        name, four, six = line.split()
        if name != me:
            for family, address in (4, four), (6, six):
                asked += [(name, family, what) for what in ("icmp", "tcp/80", "tcp/22")]
                probes += [ping(address), tcp(name, address, 80), tcp(name, address, 22)]
    for (name, family, what), good in zip(asked, await asyncio.gather(*probes)):
        if good:
            print(me, name, family, what)

asyncio.run(main(*sys.argv[1:]))
PYTHON
cat >"$TRASH/hosts" <<-HOSTS
	anna 10.20.0.11 fd20::11
	bert 10.20.0.12 fd20::12
	r1 10.20.0.1 fd20::1
	r2 10.20.0.2 fd20::2
	s1 10.20.0.3 fd20::3
	phone 10.20.0.21 fd20::21
	desk 192.168.30.2 fd30:30::2
	shop 192.168.20.2 fd30:20::2
	far 203.0.113.9 2001:db8:f::9
HOSTS
# expected.py REACH.JSON HOSTS: a line "FROM TO FAMILY WHAT yes|no" for every pair that packets of a network join
cat >"$TRASH/expected.py" <<'PYTHON'
import json, sys

behind = {"desk": ("192.168.30.0/24 behind s1", "fd30:30::/64 behind s1"),
          "shop": ("192.168.20.0/24 behind bert", "fd30:20::/64 behind bert"),
          "far": ("what is outside (IPv4)", "what is outside (IPv6)")}
same = [{"desk", "s1"}, {"shop", "bert"}, {"far", "r2"}]
pairs = {(p["from"], p["to"]): p for p in json.load(open(sys.argv[1]))["pairs"]}
hosts = [line.split()[0] for line in open(sys.argv[2])]
used = set()
for a in hosts:
    for b in hosts:
        if a in (b, "far") or {a, b} in same:
            continue
        for i, family in enumerate((4, 6)):
            key = tuple(behind[h][i] if h in behind else h for h in (a, b))
            if key not in pairs and b != "far":
                sys.exit(f"nothing is said of {key}")
            used.add(key)
            p = pairs.get(key, {"reaches": False, "on": []})
            for what in "icmp", "tcp/80", "tcp/22":
                on = p["on"]
                good = p["reaches"] and ("any" in on or what in on or what.split("/")[0] in on)
                print(a, b, family, what, "yes" if good else "no")
# Of one host another is an end twice, by family, and the families do not meet.
rest = [k for k in pairs if k not in used and not {*".:"} <= {*(k[0] + k[1])}
        and not k[1].startswith("what is outside")]
if rest:
    sys.exit(f"not probed: {rest}")
PYTHON

# ---------------------------------------------------------------- networks
pub_init "$net" || skip_all 'init failed'
declare -A key
for node in "${nodes[@]}" phone; do
	key[$node]=$(key_pair "$TRASH/$node.key")
done
agent() { # NODE COMMAND
	net_exec "$1" "$AGENT" "$2" --url "file://$net/www" --network mesh --node "$1" --trust "$net/root" \
		--private-key "$TRASH/$1.key" --state-dir "$TRASH/state-$1" --backend userspace --quiet
}
quick() { WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go net_exec phone wg-quick "$1" "$TRASH/phone/phone.conf"; }
mkdir -m 700 "$TRASH/phone"

# with NODE LINES: what a node has besides in the next network
declare -A extra
with() { extra[$1]=$2; }
node() { # NAME 4 6 [ENDPOINT]
	printf '  %s:\n    public_key: %s\n    addresses: [%s, "%s"]\n    tags: [%s]\n' "$1" "${key[$1]}" "$2" "$3" "$4"
	[ -z "${5:-}" ] || printf '    endpoint: %s\n' "$5"
	[ -z "${extra[$1]:-}" ] || printf '    %s\n' "${extra[$1]}"
}
# converge NAME: the network whose rest is on standard input, on all of them
converge() {
	local name=$1 n
	{
		printf 'version: 1\naddresses: [10.20.0.0/16, "fd20::/64"]\npersistent_keepalive: 1\nnodes:\n'
		with bert "${extra[bert]:-}${extra[bert]:+$'\n'    }routes: [192.168.20.0/24, \"fd30:20::/64\"]"
		node anna 10.20.0.11 fd20::11 home
		node bert 10.20.0.12 fd20::12 home
		node r1 10.20.0.1 fd20::1 public "$(net_addr4 r1)"
		node r2 10.20.0.2 fd20::2 public "$(net_addr4 r2)"
		with s1 "${extra[s1]:-}${extra[s1]:+$'\n'    }routes: [192.168.30.0/24, \"fd30:30::/64\"]"
		node s1 10.20.0.3 fd20::3 'public, site' "$(net_addr4 s1)"
		printf 'clients:\n  phone:\n    public_key: %s\n    addresses: [10.20.0.21, "fd20::21"]\n    %s\n' \
			"${key[phone]}" "${extra[phone]}"
		cat
	} >"$net/repo/networks/mesh.yaml"
	extra=()
	pub_apply "$net" || { not_ok "$name: apply" "$(cat "$net/apply.log")"; return 1; }
	for n in "${nodes[@]}"; do
		expect_ok "$name: the agent of $n" agent "$n" once
	done
	[ ! -e "$TRASH/phone/phone.conf" ] || quick down >/dev/null 2>&1
	rm -f "$TRASH/phone/phone.conf"
	expect_ok "$name: the telephone's configuration" "$MESHRC" render phone --repo "$net/repo" \
		--private-key "$TRASH/phone.key" --output "$TRASH/phone/phone.conf"
	expect_ok "$name: comes up" quick up
}
probes() { # FILE: of all hosts at once
	local host pids=() list=()
	for host in "${nodes[@]}" desk shop phone; do
		net_exec "$host" python3 "$TRASH/probe.py" "$host" "$TRASH/hosts" >"$TRASH/probe.$host" &
		pids+=($!)
		list+=("$TRASH/probe.$host")
	done
	wait "${pids[@]}"
	cat "${list[@]}" | grep -v '^r2 far ' | sort >"$1"
}
total=0
# matrix NAME YES-AT-LEAST NO-AT-LEAST: the network is probed and compared
matrix() {
	local again=1
	expect_ok "$1: worked out" "$MESHRC" reach --json --repo "$net/repo"
	cp "$OUT" "$TRASH/reach.json"
	expect_ok "$1: every pair" python3 "$TRASH/expected.py" "$TRASH/reach.json" "$TRASH/hosts"
	cp "$OUT" "$TRASH/expected"
	sed -n 's/ yes$//p' "$TRASH/expected" | sort >"$TRASH/want"
	probes "$TRASH/got"
	# A machine that is busy may be late; nothing that gets through is too much.
	while ! cmp -s "$TRASH/want" "$TRASH/got" && [ "$again" -gt 0 ] &&
		[ -z "$(comm -13 "$TRASH/want" "$TRASH/got" | grep -v '^\(desk s1\|s1 desk\|shop bert\|bert shop\) ')" ]; do
		again=$((again - 1))
		mv "$TRASH/got" "$TRASH/before"
		probes "$TRASH/now"
		sort -u "$TRASH/before" "$TRASH/now" >"$TRASH/got"
	done
	grep -v '^\(desk s1\|s1 desk\|shop bert\|bert shop\) ' "$TRASH/got" >"$TRASH/seen"
	expect_same "$1: what gets through is what was worked out" "$TRASH/seen" "$TRASH/want"
	note "$1: $(grep -c ' yes$' "$TRASH/expected") of $(wc -l <"$TRASH/expected") probes get through"
	expect_eq "$1: there is something to see" \
		"$(($(grep -c ' yes$' "$TRASH/expected") >= $2)) $(($(grep -c ' no$' "$TRASH/expected") >= $3))" '1 1'
	total=$((total + $(wc -l <"$TRASH/expected")))
}

# Behind NAT through relays, everything with everything.
with r1 'relay: true'
with r2 'relay: true'
with phone 'gateway: s1'
converge 'relays' </dev/null
matrix 'relays' 250 30

# The same with a policy.
with r1 'relay: true'
with r2 'relay: true'
with phone 'gateway: s1'
converge 'relays and a policy' <<-YAML
	policy:
	  - {from: [tag:home], to: [tag:public], on: [tcp/80, icmp]}
	  - {from: [anna], to: [192.168.30.0/24, "fd30:30::/64", phone], on: [tcp/80, icmp]}
	  - {from: [192.168.30.0/24], to: [tag:home, r1, 192.168.20.0/24], on: [tcp/80]}
	  - {from: ["fd30:30::/64"], to: [all, "fd30:20::/64"], on: [icmp]}
	  - {from: [phone], to: [s1, bert, 192.168.20.0/24], on: [tcp/80, icmp]}
	  - {from: [s1], to: [phone, r2]}
YAML
matrix 'relays and a policy' 50 150

# A hub that passes on; the policy is at the ends.
with phone 'gateway: r1'
converge 'a star' <<-YAML
	topology:
	  - star: {hubs: [r1], spokes: [tag:home, r2, s1]}
	policy:
	  - {from: [all], to: [all], on: [icmp, tcp/80]}
	  - {from: [tag:home, r1], to: [192.168.30.0/24], on: [tcp/80]}
	  - {from: [192.168.20.0/24, "fd30:20::/64"], to: [192.168.30.0/24, "fd30:30::/64", s1], on: [icmp, tcp/80]}
YAML
matrix 'a star' 100 100

# A hub that does not, and a telephone at a spoke that cannot be joined to others by it.
with phone 'gateway: s1'
converge 'a star without transit' <<-YAML
	topology:
	  - star: {hubs: [r1], spokes: [tag:home, r2, s1], transit: false}
YAML
matrix 'a star without transit' 60 150

# An exit: for a node behind NAT, for a node with a site, and for what is behind it; and for a telephone.
with anna 'exit_node: r2'
with s1 'exit_node: r2'
with phone $'gateway: r2\n    allowed_ips: [0.0.0.0/0, "::/0"]'
converge 'an exit' <<-YAML
	topology:
	  - link: {between: [tag:home, s1], and: [tag:public]}
YAML
matrix 'an exit' 150 50

with anna 'exit_node: r2'
with s1 'exit_node: r2'
with phone $'gateway: r2\n    allowed_ips: [0.0.0.0/0, "::/0"]'
converge 'an exit and a policy' <<-YAML
	topology:
	  - link: {between: [tag:home, s1], and: [tag:public]}
	policy:
	  - {from: [anna, phone, 192.168.30.0/24], to: [0.0.0.0/0], on: [tcp/80]}
	  - {from: [phone], to: ["::/0"], on: [icmp, tcp/80]}
	  - {from: [tag:public, 192.168.30.0/24], to: [tag:home, phone, 192.168.20.0/24], on: [tcp/80]}
	  - {from: [tag:home], to: [tag:site, 192.168.30.0/24, "fd30:30::/64"], on: [icmp, tcp/80]}
YAML
matrix 'an exit and a policy' 30 200

# Some with some, and a relay for one pair alone.
with r2 'relay: true'
with phone 'gateway: r1'
converge 'links' <<-YAML
	topology:
	  - link: {between: [anna], and: [bert, r1]}
	  - mesh: [r2, tag:home]
	  - link: {between: [s1], and: [r1]}
	policy:
	  - {from: [all, 192.168.20.0/24, "fd30:20::/64"], to: [all], on: [icmp, tcp/80]}
	  - {from: [all], to: [192.168.20.0/24, "fd30:20::/64", 192.168.30.0/24], on: [tcp/80]}
YAML
matrix 'links' 40 150

note "$total probes in all"
quick down >/dev/null 2>&1
for node in "${nodes[@]}"; do
	expect_ok "$node: down" agent "$node" down
done
done_testing
