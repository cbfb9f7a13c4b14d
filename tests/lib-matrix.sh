# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `meshrc reach` works out against packets, between every two hosts of a network. After tests/lib-net.sh:
#
#	matrix_hosts <<-HOSTS		# who probes and is probed; what a host has at both its ports is its name
#		anna 10.20.0.11 fd20::11			# a node, or a client
#		desk 192.168.30.2 fd30:30::2 192.168.30.0/24 fd30:30::/64 s1	# behind a node
#		till 192.168.2.9 fd30:2::9 192.168.2.0/24 fd30:2::/64 lis1 mute	# knows no way into the network
#		far 203.0.113.9 2001:db8:f::9 outside				# in no network
#	HOSTS
#	matrix_beside 'desk s1' 's1 desk'	# ordered pairs that meet without the network
#	matrix_serve			# all of them answer from now on; once
#	matrix_compare 'relays' REPOSITORY 250 30	# that many get through at least, and that many do not
#	matrix_total			# how many probes there were

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
        name, four, six = line.split()[:3]
        if name != me:
            for family, address in (4, four), (6, six):
                asked += [(name, family, what) for what in ("icmp", "tcp/80", "tcp/22")]
                probes += [ping(address), tcp(name, address, 80), tcp(name, address, 22)]
    for (name, family, what), good in zip(asked, await asyncio.gather(*probes)):
        if good:
            print(me, name, family, what)

asyncio.run(main(*sys.argv[1:]))
PYTHON

# expected.py REACH.JSON HOSTS BESIDE: a line "FROM TO FAMILY WHAT yes|no" for every pair that packets of a network
# join
cat >"$TRASH/expected.py" <<'PYTHON'
import json, sys

pairs = {(p["from"], p["to"]): p for p in json.load(open(sys.argv[1]))["pairs"]}
hosts = [line.split() for line in open(sys.argv[2])]
beside = {tuple(line.split()) for line in open(sys.argv[3])}

# As `reach` calls the host, by family.
def end(h):
    if h[3:] == ["outside"]:
        return "what is outside (IPv4)", "what is outside (IPv6)"
    return tuple(f"{p} behind {h[5]}" for p in h[3:5]) if h[3:] else (h[0], h[0])

def asks(h):
    return "outside" not in h and "mute" not in h

used = set()
for a in hosts:
    for b in hosts:
        if a == b or not asks(a):
            continue
        for i, family in enumerate((4, 6)):
            key = end(a)[i], end(b)[i]
            used.add(key)
            if (a[0], b[0]) in beside:
                continue
            if key not in pairs and "outside" not in b:
                sys.exit(f"nothing is said of {key}")
            p = pairs.get(key, {"reaches": False, "on": []})
            for what in "icmp", "tcp/80", "tcp/22":
                on = p["on"]
                good = p["reaches"] and ("any" in on or what in on or what.split("/")[0] in on)
                print(a[0], b[0], family, what, "yes" if good else "no")
# Of one host another is an end twice, by family, and the families do not meet.
mute = {e for h in hosts if not asks(h) for e in end(h)}
rest = [k for k in pairs if k not in used and not {*".:"} <= {*(k[0] + k[1])} and k[0] not in mute
        and not k[1].startswith("what is outside")]
if rest:
    sys.exit(f"not probed: {rest}")
PYTHON

matrix_probes=0
: >"$TRASH/beside"
matrix_hosts() { cat >"$TRASH/hosts"; }
matrix_beside() { printf '%s\n' "$@" >"$TRASH/beside"; }
matrix_total() { note "$matrix_probes probes in all"; }
matrix_serve() {
	local host hosts
	mapfile -t hosts < <(cut -d ' ' -f 1 "$TRASH/hosts")
	for host in "${hosts[@]}"; do
		net_start "$host" python3 "$TRASH/server.py" "$host"
	done
}

# matrix_of FILE: what gets through between all hosts, probed at once
matrix_of() {
	local host hosts pids=() list=()
	mapfile -t hosts < <(grep -vE ' (mute|outside)$' "$TRASH/hosts" | cut -d ' ' -f 1)
	for host in "${hosts[@]}"; do
		net_exec "$host" python3 "$TRASH/probe.py" "$host" "$TRASH/hosts" >"$TRASH/probe.$host" &
		pids+=($!)
		list+=("$TRASH/probe.$host")
	done
	wait "${pids[@]}"
	awk -v beside="$TRASH/beside" '
		FILENAME == beside { meet[$1, $2] = 1; next }
		!(($1, $2) in meet)' "$TRASH/beside" "${list[@]}" | sort >"$1"
}

# matrix_compare NAME REPOSITORY YES-AT-LEAST NO-AT-LEAST
matrix_compare() {
	local again=1
	expect_ok "$1: worked out" "$MESHRC" reach --json --repo "$2"
	cp "$OUT" "$TRASH/reach.json"
	expect_ok "$1: every pair" python3 "$TRASH/expected.py" "$TRASH/reach.json" "$TRASH/hosts" "$TRASH/beside"
	cp "$OUT" "$TRASH/expected"
	sed -n 's/ yes$//p' "$TRASH/expected" | sort >"$TRASH/want"
	matrix_of "$TRASH/got"
	# A machine that is busy may be late; nothing that gets through is too much.
	while ! cmp -s "$TRASH/want" "$TRASH/got" && [ "$again" -gt 0 ] &&
		[ -z "$(comm -13 "$TRASH/want" "$TRASH/got")" ]; do
		again=$((again - 1))
		mv "$TRASH/got" "$TRASH/before"
		matrix_of "$TRASH/now"
		sort -u "$TRASH/before" "$TRASH/now" >"$TRASH/got"
	done
	expect_same "$1: what gets through is what was worked out" "$TRASH/got" "$TRASH/want"
	note "$1: $(grep -c ' yes$' "$TRASH/expected") of $(wc -l <"$TRASH/expected") probes get through"
	expect_eq "$1: there is something to see" \
		"$(($(grep -c ' yes$' "$TRASH/expected") >= $3)) $(($(grep -c ' no$' "$TRASH/expected") >= $4))" '1 1'
	matrix_probes=$((matrix_probes + $(wc -l <"$TRASH/expected")))
}
