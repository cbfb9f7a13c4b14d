#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the test machine: four nodes with live sessions. /data: the publications 1 to 5, N.want with what
# canon must give for each node, root, NODE.key. Publications: 1 the first; 2 c has another endpoint;
# 3 c has one more prefix; 4 c is gone; 5 c is back.

. tests/lib.sh
. tests/lib-net.sh
. tests/vm/10-lib.sh

publish() {
	pub_switch "/data/$1"
	now=$1
}
# once NODE: fills sets, wg, peers, operations
once() {
	agent "$1" once --json --quiet >"$OUT" 2>"$ERR"
	STATUS=$?
	sets=$(stat_of set_messages <"$OUT") wg=$(stat_of wg_messages <"$OUT")
	peers=$(stat_of peers_sent <"$OUT")
	return "$STATUS"
}
got() { # NODE
	{ printf '@wg %s\n' "$1"; net_exec "$1" wg showconf office; } | canon | sort
}
want() { grep "^$1 " "/data/$now.want"; }
snapshot() { # NODE
	net_exec "$1" sh -c 'ip addr; ip route show table all; wg show interfaces' |
		sed 's/ [0-9]*sec//g'
}
routes() { # NODE: ours
	net_exec "$1" sh -c 'ip route show proto 77; ip -6 route show proto 77' | awk '{ print $1, $3 }' | sort | tr '\n' ' '
}
# live NODE KEYFILE...: handshake, received and sent of those peers, one line each
live() {
	local node=$1
	shift
	net_exec "$node" wg show office dump | awk -v keys="$*" 'NF == 8 && index(keys, $1) { print $1, $5, $6, $7 }'
}
# went_on NAME BEFORE AFTER: no handshake time nor counter has gone back, and each peer has a session
went_on() {
	if awk 'NR == FNR { h[$1] = $2; r[$1] = $3; s[$1] = $4; n++; next }
		{ m++; if (!h[$1] || $2 < h[$1] || $3 < r[$1] || $4 < s[$1]) bad = 1 }
		END { exit bad || !n || n != m }' "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1"
		note_file before "$2"
		note_file after "$3"
	fi
}
can_ping() { net_exec "$1" ping -n -q -c 1 -W 2 "$2"; }

expect_ok 'four nodes' net_up a b c d
declare -A key=()
for n in a b c d; do
	key[$n]=$(wg pubkey <"/data/$n.key")
	agent_conf "$n" office "file://$TRASH/www" /data/root /data kernel
	snapshot "$n" >"$TRASH/$n.fresh"
done
publish 1
for n in a b c d; do
	once "$n" || not_ok "$n: once" "$(<"$ERR")"
	expect_eq "$n: WireGuard as published" "$(got "$n")" "$(want "$n")"
done
expect_eq 'a: routes to what is behind the others' "$(routes a)" '10.92.0.0/24 office 10.93.0.0/24 office fd92::/64 office '
for n in b c d; do
	expect_ok "a reaches $n" wait_for 20 can_ping a "10.77.0.${net_number[$n]}"
done
expect_ok 'b reaches d, by IPv6' wait_for 20 can_ping b fd77::4

# ---------------------------------------------------------------- one peer changes, the others go on
net_start a ping -n -i 0.1 -W 2 10.77.0.2
flow=$NET_PID
net_exec c sh -c 'ip addr del 192.0.2.3/24 dev eth0 && ip addr add 192.0.2.103/24 dev eth0'
live a "${key[@]}" >"$TRASH/live.0"
i=0
for step in '2 1 1 1' '3 2 1 1' '4 3 1 1' '5 2 1 1'; do
	read -r p want_sets want_wg want_peers <<<"$step"
	publish "$p"
	once a || not_ok "a: publication $p" "$(<"$ERR")"
	expect_eq "publication $p: messages, of those to WireGuard, peers in them" "$sets $wg $peers" "$want_sets $want_wg $want_peers"
	expect_eq "publication $p: what stands there" "$(got a)" "$(want a)"
	# c keeps its session as long as it stays; b and d keep theirs all the time.
	who="${key[b]} ${key[d]}"
	[ "$p" -gt 3 ] || who+=" ${key[c]}"
	live a "$who" >"$TRASH/live.1"
	awk -v who="$who" 'index(who, $1)' "$TRASH/live.0" >"$TRASH/live.then"
	went_on "publication $p: handshakes and counters go on" "$TRASH/live.then" "$TRASH/live.1"
	case $p in
	2) expect_eq 'c has its new endpoint' "$(net_exec a wg show office endpoints | awk -v k="${key[c]}" '$1 == k { print $2 }')" 192.0.2.103:51820
		expect_ok 'and is reached there' can_ping a 10.77.0.3 ;;
	3) expect_match 'the new prefix is routed' "$(routes a)" '10\.193\.0\.0/24 office' ;;
	4) expect_no_match 'what was behind c is routed no more' "$(routes a)" '10\.93\.|10\.193\.' ;;
	5) expect_match 'and again, when it is back' "$(routes a)" '10\.93\.0\.0/24 office' ;;
	esac
	cp "$TRASH/live.1" "$TRASH/live.0"
done
once a
expect_eq 'nothing changed: nothing sent' "$sets" 0
net_stop "$flow" INT
# The last packet may have been under way when the flow ended; one that was lost leaves a gap.
expect_eq 'the ping flow to b lost nothing' "$(awk '
	/icmp_seq=/ { sub(/.*icmp_seq=/, ""); if ($1 + 0 != ++n) { print "gap before " $1 + 0; exit } }
	/packets transmitted/ { if ($1 > n + 1) print $0; else if (n < 20) print "only " n " packets" }' "$NET_DIR/a.log")" ''

# ---------------------------------------------------------------- an endpoint that roamed is no drift
expect_ok 'd roams' net_exec d sh -c 'ip addr del 192.0.2.4/24 dev eth0 && ip addr add 192.0.2.44/24 dev eth0'
expect_ok 'and speaks' wait_for 20 can_ping d 10.77.0.1
endpoint_of_d() { net_exec a wg show office endpoints | awk -v k="${key[d]}" '$1 == k { print $2 }'; }
expect_eq 'a has followed it' "$(endpoint_of_d)" 192.0.2.44:51820
once a
expect_eq 'once sends nothing about it' "$sets $(endpoint_of_d)" '0 192.0.2.44:51820'
expect_ok 'and d is still reached' can_ping a 10.77.0.4

# ---------------------------------------------------------------- somebody else changes the interface
foreign=$(wg genkey | wg pubkey)
b=${key[b]} c=${key[c]} d=${key[d]}
printf '%s' "$(wg genpsk)" >"$TRASH/psk"
live a "$b" "$d" >"$TRASH/live.0"
while IFS='|' read -r name want_wg want_peers command; do
	eval "net_exec a $command" >"$OUT" 2>"$ERR" || not_ok "drift: $name" "$(<"$ERR")"
	once a || not_ok "$name: once" "$(<"$ERR")"
	expect_eq "drift: $name: mended by as little" "$wg $peers" "$want_wg $want_peers"
	state="$(got a) $(routes a) $(net_exec a ip -d addr show dev office | grep -E 'mtu|inet|alias' | sed 's/^.*<.*> //')"
	[ -n "${state_then:-}" ] || state_then=$state
	expect_eq "drift: $name: as published again" "$state" "$state_then"
done <<-DRIFT
	nothing|0|0|true
	a peer more|1|1|wg set office peer $foreign allowed-ips 10.66.0.0/16 endpoint 192.0.2.66:1
	a peer less|1|1|wg set office peer $c remove
	a prefix more|1|1|wg set office peer $c allowed-ips 10.77.0.3/32,fd77::3/128,10.93.0.0/24,10.67.0.0/16
	a prefix less|1|1|wg set office peer $c allowed-ips 10.77.0.3/32
	a prefix under a peer that is not its own|1|2|wg set office peer $d allowed-ips 10.77.0.4/32,fd77::4/128,10.93.0.0/24
	a foreign peer that has taken a prefix|1|2|wg set office peer $foreign allowed-ips 10.77.0.3/32
	a preshared key|1|1|wg set office peer $c preshared-key $TRASH/psk
	a keepalive|1|1|wg set office peer $c persistent-keepalive 7
	another port|1|0|wg set office listen-port 4711
	a mark|1|0|wg set office fwmark 0x10
	an address less|0|0|ip addr del 10.77.0.1/24 dev office
	an address more|0|0|ip addr add 10.78.0.1/24 dev office
	a route less|0|0|ip route del 10.93.0.0/24 dev office
	another MTU|0|0|ip link set office mtu 1300
	the link down|0|0|ip link set office down
DRIFT
live a "$b" "$d" >"$TRASH/live.1"
went_on 'after all that, the sessions of the others go on' "$TRASH/live.0" "$TRASH/live.1"
expect_ok 'b is reached' can_ping a 10.77.0.2
net_exec a ip link del office
expect_ok 'the interface gone: once' once a
expect_eq 'makes it again' "$(got a)" "$(want a)"
net_exec a wg set office private-key <(wg genkey)
expect_ok 'another private key: once' once a
expect_eq 'puts ours back' "$(got a)" "$(want a)"
expect_ok 'and a reaches b' wait_for 20 can_ping a 10.77.0.2

# ---------------------------------------------------------------- killed in the middle
# At each message to the kernel in turn, until there are no more of them: from nothing, and on the way
# from publication 4 to 5 (there from the sixth, since the first ones only read).
# Without d: a packet of it, which has roamed, would rightly move its endpoint on b from the published one.
agent b down --quiet
agent d down --quiet
killed=0
for from in nothing:1 4:6; do
	for ((n = ${from#*:}; n < 60; n++)); do
		if [ "$from" = nothing:1 ]; then
			net_exec b ip link del office 2>/dev/null
		else
			# What it changed on the host is put back while it is still known.
			agent b down --quiet || not_ok "killed: b down"
			publish 4
			rm -rf "$TRASH/b.state"
			once b || not_ok "killed: b at publication 4" "$(<"$ERR")"
			publish 5
		fi
		# The leak sanitizer would fail under a tracer, and never let this end.
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 net_exec b strace -f -o /dev/null -e trace=sendto -e "inject=sendto:signal=KILL:when=$n" \
			meshrc-agent once --config "$TRASH/b.conf" --quiet >/dev/null 2>&1 && break
		killed=$((killed + 1))
		once b || not_ok "killed at message $n from ${from%:*}: once" "$(<"$ERR")"
		[ "$(got b)" = "$(want b)" ] || not_ok "killed at message $n from ${from%:*}: converges" "$(got b)"
	done
	expect_eq "killed at each of its messages from ${from%:*}, it converges" "$(got b)" "$(want b)"
	once b
	expect_eq 'and rests' "$sets" 0
done
expect_match 'there were points to be killed at' "$killed" '^[1-9][0-9]'
note "killed $killed times"

# ---------------------------------------------------------------- down
for n in a b c d; do
	agent "$n" down --quiet || not_ok "$n: down"
done
# c and d have other underlay addresses now.
for n in a b; do
	expect_eq "$n: down leaves nothing" "$(snapshot "$n")" "$(<"$TRASH/$n.fresh")"
done
done_testing
